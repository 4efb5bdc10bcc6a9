//! What do the settings come to? A [`Gate`] per site, over one log, one registry and one set of issuers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::body::CallerBody;
use super::error::ProxyError;
use super::keys::Keys;
use super::on_record;
use super::route::{Router, Site};
use super::settings::{CatalogueAt, DataSettings, Settings, SiteSettings, files};
use super::tls;
use super::tokens;
use super::upstream::Upstream;
use crate::audit::checkpoint::Signer;
use crate::audit::{Administrative, Clock, Detail, Log, Seal};
use crate::catalogue::Catalogue;
use crate::identity::{Authenticator, CACHED_TOKENS_MAX, RefreshTiming};
use crate::layer::{Gate, GateLimits, GateParts, Generation, PseudonymKeys, PurposeLayer, Random};
use crate::policy::{Moment, Revisions, Source, Vocabulary, hex, load, nearest};
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
    /// The public keys of the log, a line each, also those that sign no more.
    audit_keys: Arc<ArcSwap<String>>,
    /// Those that sign.
    signing: ArcSwap<Vec<String>>,
}

impl DataSettings {
    /// The registry's file.
    pub fn registry(&self) -> PathBuf {
        self.directory.join("registry.sqlite")
    }

    /// The table of what pseudonyms stand for that cannot be opened by themselves.
    pub fn tokens(&self) -> PathBuf {
        self.directory.join("pseudonyms.sqlite")
    }

    /// The folder of the gate's own log chain.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log").join("gate")
    }

    /// The folder of the registry's own log chain.
    pub fn registry_log(&self) -> PathBuf {
        self.directory.join("log").join("registry")
    }

    /// The folder of the chain in which it is on record who had sealed ids opened.
    pub fn reveal_log(&self) -> PathBuf {
        self.directory.join("log").join("reveal")
    }

    /// Whether the gate has a log already.
    pub fn has_log(&self) -> bool {
        holds_something(&self.log())
    }

    /// Whether anything is on record already: then a key or a registry that is gone is a loss, not a beginning. An empty
    /// registry in the place of a lost one would hold no stop and no objection.
    pub fn has_records(&self) -> bool {
        self.has_log() || holds_something(&self.registry_log())
    }

    /// Whether a checkpoint was ever made: then a key that signs and is gone is a loss.
    pub fn is_signed(&self) -> bool {
        let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let is_checkpoint = |path: &Path| path.extension().is_some_and(|suffix| suffix == "checkpoints");
        entries(&self.directory.join("log")).any(|log| entries(&log.path()).any(|entry| is_checkpoint(&entry.path())))
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
            generations.push(generation(site, keys.pseudonyms(), &vocabulary)?);
            let roots = site.upstream_roots.as_deref().map(tls::roots).transpose()?;
            upstreams.push(Upstream::new(&site.upstream, roots, site.limits)?);
        }
        known_roles(settings, &generations)?;
        let zone = common_zone(&generations)?;
        let authenticator = Authenticator::new(settings.issuers.clone(), RefreshTiming::default(), CACHED_TOKENS_MAX);
        let authenticator = Arc::new(authenticator.map_err(|faults| listed(&faults))?);
        let data = &settings.data;
        let first_start = !data.has_records();
        let log_folder = Directory::open(&data.log()).map_err(|error| ProxyError::file(data.log(), error))?;
        let options = registry::Options { create: first_start, staleness_ms_max: data.staleness_ms_max };
        let registry = Registry::open(&data.registry(), &vocabulary, &zone, options);
        let registry = Arc::new(registry.map_err(|error| ProxyError::file(data.registry(), error))?);
        let signer = keys.signer(&settings.audit.node, "gate");
        let signing = ArcSwap::from_pointee(signing(&signer));
        let opened = Log::open_signed(Arc::new(log_folder), settings.audit.clone(), Arc::clone(&clock), signer);
        let (log, recovery) = opened.map_err(|error| ProxyError::file(data.log(), error))?;
        if let Some(torn) = &recovery.torn {
            tracing::warn!(segment = %torn.segment, torn_bytes = torn.torn_bytes, "the log's end was torn and set aside");
        }
        tracing::info!(last_sequence = recovery.last_sequence, interrupted = recovery.interrupted, "the log is open");
        let seal = Arc::new(Seal::new(keys.subjects.clone()));
        let tokens = tokens::open(&data.tokens())?;
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
                tokens: Some(Arc::clone(&tokens)),
            };
            (site.clone(), Arc::new(Gate::new(generation, parts)))
        };
        let gates = settings.sites.iter().zip(generations).map(gate).collect();
        let audit_keys = Arc::new(ArcSwap::from_pointee(keys.audit_keys(&settings.audit.node)));
        Ok(Sites { gates, authenticator, registry, log, clock, upstreams, audit_keys, signing })
    }

    /// The sites as one service.
    pub fn router(&self) -> Router<CallerBody> {
        let sites = self.gates.iter().zip(&self.upstreams).map(|((settings, gate), upstream)| {
            let service = PurposeLayer::new(Arc::clone(gate)).layer(upstream.clone());
            Site::new(&settings.host, &settings.prefix, &settings.cors_origins, service)
        });
        let log = self.log.clone();
        let router = Router::new(sites.collect(), move |address, what| log.stranger(address, what));
        router.with_page(AUDIT_KEYS, Arc::clone(&self.audit_keys))
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
            generations.push(generation(site, keys.pseudonyms(), &vocabulary)?);
        }
        common_zone(&generations)?;
        known_roles(settings, &generations)?;
        self.authenticator.reload_files().map_err(|faults| listed(&faults))?;
        self.take_up_signing(&keys, &settings.audit.node)?;
        let settings = self.gates.iter().map(|(settings, _)| settings);
        on_record::in_force(&self.log, self.now(), "reload", settings.zip(&generations))?;
        for ((_, gate), generation) in self.gates.iter().zip(generations) {
            gate.generation.store(Arc::new(generation));
        }
        Ok(())
    }
}

impl Sites {
    /// Puts on record that the gate is about to take requests, and by which texts.
    ///
    /// # Errors
    /// It cannot be written: then nothing may be served.
    pub(super) fn record_start(&self) -> Result<(), ProxyError> {
        let loaded: Vec<_> =
            self.gates.iter().map(|(settings, gate)| (settings, gate.generation.load_full())).collect();
        let sites = loaded.iter().map(|(settings, generation)| (*settings, &**generation));
        on_record::in_force(&self.log, self.now(), "start", sites)
    }

    fn now(&self) -> Moment {
        Moment::try_from(self.clock.now_ms()).unwrap_or(Moment::MAX)
    }

    /// Signs with other keys where they changed, once that is on record.
    fn take_up_signing(&self, keys: &Keys, node: &str) -> Result<(), ProxyError> {
        let signer = keys.signer(node, "gate");
        let signing = signing(&signer);
        if **self.signing.load() == signing {
            return Ok(());
        }
        let details: Vec<_> =
            ["signs", "signs_too"].into_iter().zip(signing.iter().map(|key| Detail::Text(key))).collect();
        let record = Administrative { action: "key-change", details: &details, ..Administrative::default() };
        let written = self.log.administrative(&record).wait();
        written.map_err(|error| ProxyError::Start(format!("a change of keys could not be recorded: {error}")))?;
        self.log.sign_with(signer);
        self.audit_keys.store(Arc::new(keys.audit_keys(node)));
        self.signing.store(Arc::new(signing));
        Ok(())
    }
}

fn signing(signer: &Signer) -> Vec<String> {
    signer.public().iter().map(ToString::to_string).collect()
}

/// Where the public keys of the log are, on the gate's own listener.
const AUDIT_KEYS: &str = "/.well-known/sekisho-audit-key";

pub(super) fn vocabulary() -> Result<Arc<Vocabulary>, ProxyError> {
    Ok(Arc::new(Vocabulary::compiled_in()?))
}

pub(super) fn listed(faults: &[impl std::fmt::Display]) -> ProxyError {
    ProxyError::Start(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn holds_something(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// A role that an issuer may assert and no policy has would be nobody's: a misspelt one, most likely.
pub(super) fn known_roles(settings: &Settings, generations: &[Generation]) -> Result<(), ProxyError> {
    let policies = || generations.iter().flat_map(|generation| generation.revisions.all());
    let mut unknown = Vec::new();
    for issuer in &settings.issuers {
        for role in issuer.roles().filter(|role| !policies().any(|policy| policy.roles().any(|known| known == *role))) {
            let near = nearest(role, policies().flat_map(|policy| policy.roles()));
            let near = near.map_or(String::new(), |near| format!(" (`{near}` is near)"));
            unknown.push(format!("issuer `{}` may assert the role `{role}`, which no policy has{near}", issuer.id()));
        }
    }
    if unknown.is_empty() { Ok(()) } else { Err(ProxyError::Start(unknown.join("\n"))) }
}

pub(super) fn generation(
    site: &SiteSettings,
    keys: PseudonymKeys,
    vocabulary: &Arc<Vocabulary>,
) -> Result<Generation, ProxyError> {
    let revisions = revisions(site, vocabulary)?;
    let document = match &site.catalogue {
        CatalogueAt::FhirR4 => Catalogue::fhir_r4_source(),
        CatalogueAt::Dicomweb => Catalogue::dicomweb_source(),
        CatalogueAt::File(path) => source(path)?,
    };
    let digest = hex(&Sha256::digest(document.text.as_bytes()));
    let catalogue = Catalogue::read([document], vocabulary)?;
    let limits = Limits { entry_bytes_max: site.entry_bytes_max, ..Limits::default() };
    let made = Generation::new(revisions, catalogue, digest, keys, limits);
    made.map_err(|message| ProxyError::file(&site.policy, message))
}

/// The policy of a site alone.
pub(super) fn revisions(site: &SiteSettings, vocabulary: &Arc<Vocabulary>) -> Result<Revisions, ProxyError> {
    let mut sources = Vec::new();
    for path in policy_files(&site.policy)? {
        sources.push(source(&path)?);
    }
    Ok(load(sources, vocabulary)?)
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
pub(super) fn common_zone(generations: &[Generation]) -> Result<TimeZone, ProxyError> {
    let mut policies = generations.iter().flat_map(|generation| generation.revisions.all());
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
