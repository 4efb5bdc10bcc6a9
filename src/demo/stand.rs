//! What stands when the demonstration runs? The sample APIs, a gate for each behind one port, and their logs.
//!
//! Each organisation has a path of its own (`http://127.0.0.1:8470/jmdp/…`), its own registry and its own log, as if it ran
//! alone: the same person's number may mean another person next door.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::Layer;

use super::backend::{Backend, FromTheGate, Secret};
use super::sample::{Org, Sample};
use super::{DemoError, Folder, Issuer, random, script};
use crate::audit::checkpoint::{Signer, SigningKey};
use crate::audit::{self, Clock, Log, Seal};
use crate::catalogue::Catalogue;
use crate::layer::{Gate, GateLimits, GateParts, Generation, PseudonymKeys, PurposeLayer};
use crate::policy::{Policy, Revisions, Source, Vocabulary, load};
use crate::proxy::CallerBody;
use crate::proxy::limits::{Limits, UpstreamLimits};
use crate::proxy::listener::Listener;
use crate::proxy::route::{Router, Site as Routed};
use crate::proxy::upstream::Upstream;
use crate::redact::MasterKey;
use crate::registry::{self, Registry};
use crate::store::Directory;

/// The data of every run is the same.
const SEED: u64 = 1;
/// Open requests may go on for so long after the end was asked for.
const DRAIN_MS: u32 = 2000;

/// The running demonstration.
pub struct Stand {
    /// Where the gate listens: `http://127.0.0.1:8470`.
    pub origin: String,
    /// The organisations shown.
    pub sites: Vec<Site>,
    /// Gives the callers their tokens.
    pub issuer: Issuer,
    stop: CancellationToken,
    gate: JoinHandle<()>,
    backends: Vec<JoinHandle<()>>,
    backends_stop: CancellationToken,
    // Last, so that it is removed when nothing writes any more.
    folder: Folder,
}

/// One organisation of the demonstration.
pub struct Site {
    /// Which.
    pub org: Org,
    /// Where its API begins, through the gate.
    pub url: String,
    /// Where the sample API itself listens; it answers nobody but the gate.
    pub backend: String,
    /// What lies behind the gate.
    pub sample: Arc<Sample>,
    /// The policy's title.
    pub title: String,
    /// The folder of its access log.
    pub log_folder: PathBuf,
    log: Log,
}

/// Refuses an address that another machine could reach.
///
/// # Errors
/// It is not loopback.
pub fn only_loopback(address: IpAddr) -> Result<(), DemoError> {
    match address.is_loopback() {
        true => Ok(()),
        false => Err(DemoError(format!(
            "`{address}` is not a loopback address; the demonstration listens only on this machine"
        ))),
    }
}

impl Stand {
    /// Starts the APIs and gates of these organisations on `address` (port 0: any free one), which must be loopback, with the time of `clock`.
    ///
    /// # Errors
    /// The address is not loopback or in use; the folder cannot be written; or the system gives no random bytes.
    pub async fn start(
        orgs: &[Org],
        address: SocketAddr,
        folder: Folder,
        clock: Arc<dyn Clock>,
    ) -> Result<Stand, DemoError> {
        only_loopback(address.ip())?;
        let limits = Limits { drain_ms: DRAIN_MS, ..Limits::default() };
        let listener = Listener::bind(address, None, false, limits).map_err(|error| DemoError(error.to_string()))?;
        let origin = format!("http://{}", listener.address());
        let issuer = Issuer::new()?;
        let vocabulary = Arc::new(Vocabulary::compiled_in().map_err(|faults| DemoError(faults.to_string()))?);
        let (stop, backends_stop) = (CancellationToken::new(), CancellationToken::new());
        let (mut sites, mut routed, mut backends) = (Vec::new(), Vec::new(), Vec::new());
        for org in orgs {
            let secret = Secret::new()?;
            let sample = Arc::new(Sample::new(*org, SEED));
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let backend = Listener::bind(any, None, false, limits).map_err(|error| DemoError(error.to_string()))?;
            let upstream = format!("http://{}", backend.address());
            let opened = Opened::new(*org, &folder, &vocabulary, &clock)?;
            let client = Upstream::new(&upstream, None, UpstreamLimits::default());
            let client = client.map_err(|error| DemoError(error.to_string()))?;
            let service = Backend { sample: Arc::clone(&sample), secret: secret.clone() };
            backends.push(tokio::spawn(backend.serve(service, backends_stop.clone())));
            let prefix = format!("/{}", org.id());
            let title = opened.policy.document.meta.title.text.clone();
            let (log, log_folder) = (opened.log.clone(), opened.log_folder.clone());
            let gate = opened.gate(&issuer, &upstream, &prefix, Arc::clone(&clock))?;
            let layered = PurposeLayer::new(gate).layer(FromTheGate { upstream: client, secret });
            routed.push(Routed::<CallerBody>::new("*", &prefix, &[], layered));
            let url = format!("{origin}{prefix}");
            sites.push(Site { org: *org, url, backend: upstream, sample, title, log_folder, log });
        }
        let first = sites.first().map(|site: &Site| site.log.clone());
        let counted = move |address, what| first.iter().for_each(|log| log.stranger(address, what));
        let gate = tokio::spawn(listener.serve(Router::new(routed, counted), stop.clone()));
        Ok(Stand { origin, sites, issuer, stop, gate, backends, backends_stop, folder })
    }

    /// Where it writes.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Ends the gate, then the sample APIs, then closes the logs; open requests get two seconds. The logs may be read
    /// until the returned folder is dropped.
    pub async fn end(self) -> Folder {
        let Stand { sites, stop, gate, backends, backends_stop, folder, .. } = self;
        stop.cancel();
        // A panic in one of them was told where it happened; there is nothing left to serve either way.
        drop(gate.await);
        backends_stop.cancel();
        for backend in backends {
            drop(backend.await);
        }
        let closed = tokio::task::spawn_blocking(move || sites.iter().for_each(|site| site.log.close()));
        drop(closed.await);
        folder
    }
}

/// What a gate stands on.
struct Opened {
    policy: Arc<Policy>,
    revisions: Revisions,
    catalogue: Catalogue,
    registry: Registry,
    log: Log,
    log_folder: PathBuf,
}

impl Opened {
    fn new(
        org: Org,
        folder: &Folder,
        vocabulary: &Arc<Vocabulary>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Opened, DemoError> {
        let text = |error: &dyn std::fmt::Display| DemoError::because(org.id(), error);
        let source = Source::new(format!("policy/{}/policy.toml", org.id()), org.policy());
        let revisions = load(vec![source], vocabulary).map_err(|faults| text(&faults))?;
        let policy = revisions.newest().cloned().ok_or_else(|| text(&"no policy"))?;
        let source = Source::new(format!("policy/{}/catalogue.toml", org.id()), org.catalogue());
        let catalogue = Catalogue::read([source], vocabulary).map_err(|faults| text(&faults))?;
        let home = folder.path().join(org.id());
        let log_folder = home.join("log");
        let disk = Directory::open(&log_folder).map_err(|error| text(&error))?;
        let options = registry::Options { create: true, staleness_ms_max: 0 };
        let registry = Registry::open(&home.join("registry"), vocabulary, &policy.zone, options);
        let registry = registry.map_err(|error| text(&error))?;
        let at = i64::try_from(clock.now_ms()).unwrap_or(i64::MAX);
        let seed = Source::new(format!("{}.toml", org.id()), script::seed(org));
        registry.seed(seed, &[Arc::clone(&policy)], "demo", at).map_err(|error| text(&error))?;
        let options = audit::Options {
            node: "demo".into(),
            segment_bytes: 16 << 20,
            disk_bytes_max: 1 << 30,
            reserve_bytes: 1 << 20,
            ..audit::Options::default()
        };
        // Its secret half is nowhere but in this process: what a demo wrote cannot be signed on.
        let key = SigningKey::new(&random::<32>()?).ok_or_else(|| text(&"a random key is no key"))?;
        let signer = Signer::new("demo", org.id(), vec![key]);
        let public: String = signer.public().iter().map(|key| format!("{key}\n")).collect();
        std::fs::write(home.join("audit-key"), public).map_err(|error| text(&error))?;
        let opened = Log::open_signed(Arc::new(disk), options, Arc::clone(clock), signer);
        let (log, _) = opened.map_err(|error| text(&error))?;
        Ok(Opened { policy, revisions, catalogue, registry, log, log_folder })
    }

    fn gate(
        self,
        issuer: &Issuer,
        upstream: &str,
        prefix: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Gate>, DemoError> {
        let pseudonyms = PseudonymKeys { master: MasterKey::new(*random::<32>()?), epoch: 1, accepted: Vec::new() };
        let authenticator = issuer.authenticator(&self.policy)?;
        let made = Generation::new(self.revisions, self.catalogue, "demo".into(), pseudonyms, Default::default());
        let parts = GateParts {
            authenticator: Arc::new(authenticator),
            registry: Arc::new(self.registry),
            log: self.log,
            seal: Arc::new(Seal::new(random()?)),
            clock,
            random: Arc::new(|bytes| {
                if aws_lc_rs::rand::fill(bytes).is_err() {
                    // Without randomness a decision's id would repeat: nothing may go on.
                    std::process::abort();
                }
            }),
            upstream_origin: upstream.to_owned(),
            public_prefix: prefix.to_owned(),
            limits: GateLimits::default(),
            tokens: None,
        };
        Ok(Arc::new(Gate::new(made.map_err(DemoError)?, parts)))
    }
}
