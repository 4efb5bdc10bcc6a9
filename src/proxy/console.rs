//! How does the console stand beside the gate, or alone?
//!
//! On a listener of its own. Its index is built on a thread of its own; policies are those in force at each use, the keys
//! that sign those of the key folder. It ends after the gate's door is closed, so that the last accesses can be seen.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::response::Response;
use http::Request;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use tower::Service;
use zeroize::Zeroizing;

use super::body::CallerBody;
use super::error::ProxyError;
use super::keys::Keys;
use super::limits::Limits;
use super::listener::Listener;
use super::settings::{ConsoleSettings, Settings, files};
use super::sites::{self, Sites, now_ms};
use super::tls;
use crate::audit::checkpoint::Signer;
use crate::audit::{Clock, Seal};
use crate::console::{AuthSettings, Console, ConsoleError, Parts, Peer, Policies, ProviderSettings, SitePolicy};
use crate::layer::PeerAddress;
use crate::policy::Revisions;
use crate::registry::{self, Registry};
use arc_swap::ArcSwap;

/// A console whose door is bound, but not open yet.
pub struct ConsoleServer {
    listener: Listener,
    console: Console,
    is_tls: bool,
}

impl From<ConsoleError> for ProxyError {
    fn from(error: ConsoleError) -> ProxyError {
        ProxyError::Start(format!("the console: {error}"))
    }
}

impl ConsoleServer {
    /// Beside a gate.
    pub(super) fn beside(
        settings: &Settings,
        console: &ConsoleSettings,
        sites: &Arc<Sites>,
    ) -> Result<ConsoleServer, ProxyError> {
        let keys = Keys::read(&settings.data.keys)?;
        let zone = sites
            .gates
            .first()
            .and_then(|(_, gate)| gate.generation.load().revisions.newest().map(|policy| policy.zone.clone()));
        let of = Arc::clone(sites);
        let policies: Policies = Arc::new(move || {
            let each = of.gates.iter().map(|(site, gate)| SitePolicy {
                site: format!("{}{}", site.host, site.prefix),
                revisions: gate.generation.load().revisions.clone(),
            });
            each.collect()
        });
        let stands = Stands { registry: Arc::clone(&sites.registry), policies, zone, clock: Arc::clone(&sites.clock) };
        ConsoleServer::new(settings, console, keys, stands)
    }

    /// Over what a gate wrote, without one.
    ///
    /// # Errors
    /// Keys, policies, registry or log cannot be read; another console has this data folder; the address is taken.
    pub fn alone(settings: &Settings) -> Result<ConsoleServer, ProxyError> {
        let console = settings.console.clone();
        let console = console.unwrap_or_else(|| ConsoleSettings::default_in(&settings.data.keys));
        let keys = Keys::read(&settings.data.keys)?;
        let vocabulary = sites::vocabulary()?;
        let mut policies = Vec::new();
        for site in &settings.sites {
            let revisions: Revisions = sites::revisions(site, &vocabulary)?;
            policies.push(SitePolicy { site: format!("{}{}", site.host, site.prefix), revisions });
        }
        let zone = policies.first().and_then(|site| site.revisions.newest()).map(|policy| policy.zone.clone());
        let options = registry::Options { create: false, staleness_ms_max: settings.data.staleness_ms_max };
        let days = zone.clone().unwrap_or(TimeZone::UTC);
        let registry = Registry::open(&settings.data.registry(), &vocabulary, &days, options);
        let registry = registry.map_err(|error| ProxyError::file(settings.data.registry(), error))?;
        let stands = Stands {
            registry: Arc::new(registry),
            policies: Arc::new(move || policies.clone()),
            zone,
            clock: Arc::new(now_ms),
        };
        ConsoleServer::new(settings, &console, keys, stands)
    }

    fn new(
        settings: &Settings,
        console: &ConsoleSettings,
        keys: Keys,
        stands: Stands,
    ) -> Result<ConsoleServer, ProxyError> {
        let config = console.tls.as_ref().map(tls::server).transpose()?;
        let is_tls = config.is_some();
        let config = config.map(|config| Arc::new(ArcSwap::new(config)));
        let listener = Listener::bind(console.listen, config, console.insecure_plaintext, limits())?;
        let provider = match &console.provider {
            Some(provider) => Some((provider.clone(), secret(provider)?)),
            None => None,
        };
        let Stands { registry, policies, zone, clock } = stands;
        let made = Console::new(Parts {
            data: settings.data.directory.clone(),
            options: settings.audit.clone(),
            clock,
            seal: Arc::new(Seal::new(keys.subjects.clone())),
            signer: signer(settings, keys),
            registry,
            policies,
            zone: zone.unwrap_or(TimeZone::UTC),
            hosts: console.hosts.clone(),
            auth: AuthSettings { accounts: console.accounts.clone(), provider },
            review_due_ms: console.review_due_ms,
        })?;
        Ok(ConsoleServer { listener, console: made, is_tls })
    }

    /// Where browsers connect.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// `http://127.0.0.1:9465`.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address())
    }

    /// Serves until `stop`, then drains and ends.
    pub async fn run(self, stop: CancellationToken) {
        let ConsoleServer { listener, console, is_tls } = self;
        let indexing = console.clone();
        let indexer = tokio::task::spawn_blocking(move || indexing.index());
        // Also where this is given up in the middle: the index's thread would outlive it.
        let stops = Stops(console.clone());
        listener.serve(Pages { router: console.service(), is_tls }, stop).await;
        drop(stops);
        drop(indexer.await);
    }
}

/// The secret by which the console is known at its provider: the first line of its file, if it has one.
pub(super) fn secret(provider: &ProviderSettings) -> Result<Option<Zeroizing<String>>, ProxyError> {
    let Some(path) = &provider.secret else { return Ok(None) };
    let text = files::read_secret(path)?;
    let line = text.lines().next().unwrap_or_default().trim();
    match line.is_empty() {
        true => Err(ProxyError::file(path, "holds no secret in its first line")),
        false => Ok(Some(Zeroizing::new(line.to_owned()))),
    }
}

/// Stops the console when it is dropped.
struct Stops(Console);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What a console stands on, beside a gate or alone.
struct Stands {
    registry: Arc<Registry>,
    policies: Policies,
    zone: Option<TimeZone>,
    clock: Arc<dyn Clock>,
}

/// By the keys of the folder as they are now: they are changed while this runs. Where they cannot be read, by the last.
fn signer(settings: &Settings, keys: Keys) -> Arc<dyn Fn(&str) -> Signer + Send + Sync> {
    let (folder, node) = (settings.data.keys.clone(), settings.audit.node.clone());
    let last = ArcSwap::from_pointee(keys);
    Arc::new(move |log| {
        match Keys::read(&folder) {
            Ok(keys) => last.store(Arc::new(keys)),
            Err(error) => tracing::error!(%error, "the keys cannot be read: those before sign on"),
        }
        last.load().signer(&node, log)
    })
}

/// Browsers open some connections each, and read what they asked for.
fn limits() -> Limits {
    Limits { connections_max: 512, requests_in_flight_max: 64, drain_ms: 2000, ..Limits::default() }
}

/// The pages, told where a request comes from.
#[derive(Clone)]
struct Pages {
    router: Router,
    is_tls: bool,
}

impl Service<Request<CallerBody>> for Pages {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<CallerBody>) -> Self::Future {
        if let Some(PeerAddress(address)) = request.extensions().get::<PeerAddress>().copied() {
            request.extensions_mut().insert(Peer(address.ip(), self.is_tls));
        }
        Box::pin(self.router.call(request.map(axum::body::Body::new)))
    }
}
