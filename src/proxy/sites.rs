//! What do the settings come to? A [`Gate`] per site, over one log, one registry and one set of issuers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::body::CallerBody;
use super::error::ProxyError;
use super::keys::Keys;
use super::route::{Router, Site};
use super::settings::{CatalogueAt, DataSettings, Settings, SiteSettings, files};
use super::tls;
use super::upstream::Upstream;
use crate::audit::{Clock, Log, Seal};
use crate::catalogue::Catalogue;
use crate::identity::{Authenticator, CACHED_TOKENS_MAX, IssuerSettings, RefreshTiming};
use crate::layer::{Gate, GateLimits, GateParts, Generation, PurposeLayer, Random};
use crate::policy::{Revisions, Source, Vocabulary, hex, load, nearest};
use crate::redact::Limits;
use crate::registry::{self, Registry};
use crate::store::Directory;
use tower::Layer;

/// Everything behind the listener.
pub struct Sites {
    /// A gate per site, in the settings' order.
    pub gates: Vec<(SiteSettings, Arc<Gate>)>,
    /// Who calls.
    pub authenticator: Arc<Authenticator>,
    /// What is on file.
    pub registry: Arc<Registry>,
    /// The access log of this gate.
    pub log: Log,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    upstreams: Vec<Upstream>,
}

impl DataSettings {
    /// The registry's file.
    pub fn registry(&self) -> PathBuf {
        self.directory.join("registry.sqlite")
    }

    /// The folder of the gate's own log chain.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log").join("gate")
    }

    /// Whether the gate has a log already: then a key or a registry that is gone is a loss, not a beginning.
    pub fn has_log(&self) -> bool {
        std::fs::read_dir(self.log()).is_ok_and(|mut entries| entries.next().is_some())
    }
}

impl Sites {
    /// Reads all documents and keys, then opens registry and log.
    ///
    /// # Errors
    /// Every fault of a document; a lost key; a registry that is gone though a log exists; a log that is in use, full or
    /// damaged. Nothing is made before all documents and keys are read.
    pub fn open(settings: &Settings) -> Result<Sites, ProxyError> {
        Sites::open_at(settings, Arc::new(now_ms))
    }

    /// Would a start find its documents in order? Reads what [`Sites::open`] reads, but for keys and certificates, which may
    /// be on another machine. Opens, makes and fetches nothing.
    ///
    /// # Errors
    /// Every fault of a document of the first site that has one; a role that no policy knows; a key set that is unusable.
    pub fn check(settings: &Settings) -> Result<(), ProxyError> {
        let vocabulary = vocabulary()?;
        let mut policies = Vec::new();
        for site in &settings.sites {
            policies.push(documents(site, &vocabulary)?.0);
        }
        common_zone(&policies)?;
        known_roles(&settings.issuers, &policies)?;
        Authenticator::new(settings.issuers.clone(), RefreshTiming::default(), 0).map_err(|faults| listed(&faults))?;
        Ok(())
    }

    /// The same, by this clock. Settings cannot name one: only code can.
    ///
    /// # Errors
    /// As [`Sites::open`].
    pub fn open_at(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Sites, ProxyError> {
        let vocabulary = vocabulary()?;
        let keys = Keys::read(&settings.data.keys)?;
        let mut generations = Vec::new();
        let mut upstreams = Vec::new();
        for site in &settings.sites {
            generations.push(generation(site, &keys, &vocabulary)?);
            let roots = site.upstream_roots.as_deref().map(tls::roots).transpose()?;
            upstreams.push(Upstream::new(&site.upstream, roots, site.limits)?);
        }
        let zone = common_zone(generations.iter().map(|generation| &generation.revisions))?;
        known_roles(&settings.issuers, generations.iter().map(|generation| &generation.revisions))?;
        let authenticator = Authenticator::new(settings.issuers.clone(), RefreshTiming::default(), CACHED_TOKENS_MAX);
        let authenticator = Arc::new(authenticator.map_err(|faults| listed(&faults))?);
        let data = &settings.data;
        let first_start = !data.has_log();
        let log_folder = Directory::open(&data.log()).map_err(|error| ProxyError::file(data.log(), error))?;
        let options = registry::Options { create: first_start, staleness_ms_max: data.staleness_ms_max };
        let registry = Registry::open(&data.registry(), &vocabulary, &zone, options);
        let registry = Arc::new(registry.map_err(|error| ProxyError::file(data.registry(), error))?);
        let opened = Log::open(Arc::new(log_folder), settings.audit.clone(), Arc::clone(&clock));
        let (log, recovery) = opened.map_err(|error| ProxyError::file(data.log(), error))?;
        if let Some(torn) = &recovery.torn {
            tracing::warn!(segment = %torn.segment, torn_bytes = torn.torn_bytes, "the log's end was torn and set aside");
        }
        tracing::info!(last_sequence = recovery.last_sequence, interrupted = recovery.interrupted, "the log is open");
        let seal = Arc::new(Seal::new(keys.subjects.clone()));
        let gate = |(site, generation): (&SiteSettings, Generation)| {
            let parts = GateParts {
                authenticator: Arc::clone(&authenticator),
                registry: Arc::clone(&registry),
                log: log.clone(),
                seal: Arc::clone(&seal),
                clock: Arc::clone(&clock),
                random: random(),
                upstream_origin: site.upstream.clone(),
                public_prefix: format!("{}{}", site.public_origin, site.prefix),
                limits: GateLimits { request_body_bytes_max: site.request_body_bytes_max, ..GateLimits::default() },
            };
            (site.clone(), Arc::new(Gate::new(generation, parts)))
        };
        let gates = settings.sites.iter().zip(generations).map(gate).collect();
        Ok(Sites { gates, authenticator, registry, log, clock, upstreams })
    }

    /// The sites as one service.
    pub fn router(&self) -> Router<CallerBody> {
        let sites = self.gates.iter().zip(&self.upstreams).map(|((settings, gate), upstream)| {
            let service = PurposeLayer::new(Arc::clone(gate)).layer(upstream.clone());
            Site::new(&settings.host, &settings.prefix, &settings.cors_origins, service)
        });
        let log = self.log.clone();
        Router::new(sites.collect(), move |address, what| log.stranger(address, what))
    }

    /// Replaces policy, catalogue and pseudonym keys of every site at once, and reads the issuers' key files again.
    /// Requests under way end with what they began with.
    ///
    /// # Errors
    /// Any fault in any of them: then all stays as it was.
    pub fn reload(&self, settings: &Settings) -> Result<(), ProxyError> {
        let vocabulary = vocabulary()?;
        let keys = Keys::read(&settings.data.keys)?;
        let mut generations = Vec::new();
        for (site, _) in &self.gates {
            generations.push(generation(site, &keys, &vocabulary)?);
        }
        common_zone(generations.iter().map(|generation| &generation.revisions))?;
        known_roles(&settings.issuers, generations.iter().map(|generation| &generation.revisions))?;
        self.authenticator.reload_files().map_err(|faults| listed(&faults))?;
        for ((_, gate), generation) in self.gates.iter().zip(generations) {
            gate.generation.store(Arc::new(generation));
        }
        Ok(())
    }
}

fn vocabulary() -> Result<Arc<Vocabulary>, ProxyError> {
    Ok(Arc::new(Vocabulary::compiled_in()?))
}

fn listed(faults: &[impl std::fmt::Display]) -> ProxyError {
    ProxyError::Start(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn generation(site: &SiteSettings, keys: &Keys, vocabulary: &Arc<Vocabulary>) -> Result<Generation, ProxyError> {
    let (revisions, catalogue, digest) = documents(site, vocabulary)?;
    let limits = Limits { entry_bytes_max: site.entry_bytes_max, ..Limits::default() };
    let made = Generation::new(revisions, catalogue, digest, keys.pseudonyms(), limits);
    made.map_err(|message| ProxyError::file(&site.policy, message))
}

/// Policy, catalogue, and the digest of the catalogue.
fn documents(site: &SiteSettings, vocabulary: &Arc<Vocabulary>) -> Result<(Revisions, Catalogue, String), ProxyError> {
    let mut sources = Vec::new();
    for path in policy_files(&site.policy)? {
        sources.push(source(&path)?);
    }
    let revisions: Revisions = load(sources, vocabulary)?;
    let document = match &site.catalogue {
        CatalogueAt::FhirR4 => Catalogue::fhir_r4_source(),
        CatalogueAt::File(path) => source(path)?,
    };
    let digest = hex(&Sha256::digest(document.text.as_bytes()));
    Ok((revisions, Catalogue::read([document], vocabulary)?, digest))
}

/// A role that no policy knows would be nobody's: whoever holds it would be refused everything.
fn known_roles<'a>(
    issuers: &[IssuerSettings],
    policies: impl IntoIterator<Item = &'a Revisions>,
) -> Result<(), ProxyError> {
    let policies: Vec<_> = policies.into_iter().flat_map(Revisions::all).collect();
    let known: Vec<&str> = policies.iter().flat_map(|policy| policy.roles()).collect();
    for issuer in issuers {
        if let Some(role) = issuer.roles().find(|role| !known.contains(role)) {
            let near = nearest(role, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
            return Err(ProxyError::Start(format!(
                "issuer `{}`: `may-assert.roles`: no site's policy knows a role `{role}`{}",
                issuer.id(),
                near.unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// `policy.toml` and `revisions/*.toml` of a policy's folder.
pub(super) fn policy_files(folder: &Path) -> Result<Vec<PathBuf>, ProxyError> {
    let mut paths = vec![folder.join("policy.toml")];
    let older = folder.join("revisions");
    if older.is_dir() {
        let entries = std::fs::read_dir(&older).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let entries = entries.map_err(|error| ProxyError::file(&older, error))?;
        let documents = entries.iter().map(std::fs::DirEntry::path);
        paths.extend(documents.filter(|path| path.extension().is_some_and(|extension| extension == "toml")));
        paths.sort();
    }
    Ok(paths)
}

fn source(path: &Path) -> Result<Source, ProxyError> {
    Ok(Source::new(path.display().to_string(), files::read(path)?))
}

/// The registry is one, and so are its days.
fn common_zone<'a>(policies: impl IntoIterator<Item = &'a Revisions>) -> Result<TimeZone, ProxyError> {
    let mut policies = policies.into_iter().flat_map(Revisions::all);
    let Some(first) = policies.next() else { return Err(ProxyError::Start("no policy is loaded".to_owned())) };
    match policies.find(|policy| policy.zone != first.zone) {
        None => Ok(first.zone.clone()),
        Some(other) => Err(ProxyError::Start(format!(
            "policies `{}` and `{}` have different time zones: one gate has one registry, whose dates have one zone",
            first.document.meta.id.text, other.document.meta.id.text
        ))),
    }
}

/// Milliseconds since the Unix epoch, by this machine.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn random() -> Random {
    Arc::new(|bytes| {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // Without randomness an id would repeat and a hash could be foreseen: nothing may go on.
            std::process::abort();
        }
    })
}
