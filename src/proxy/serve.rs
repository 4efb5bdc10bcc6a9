//! `sekisho serve`: everything started, and ended, in the right order.
//!
//! Settings, documents and keys are read before anything is opened, registry and log before anything is accepted. At the
//! end readiness goes first, then the gate's door is closed and drained, then the admin's, then the log; last of all its
//! last checkpoint goes wherever checkpoints go.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::admin::{Admin, Readiness};
use super::console::ConsoleServer;
use super::error::ProxyError;
use super::keeper::Keeper;
use super::limits::Limits;
use super::listener::{Listener, Tls};
use super::mirror::Mirrors;
use super::on_record;
use super::process;
use super::reload::Reloader;
use super::settings::{MirrorSettings, Settings};
use super::sinks::Sinks;
use super::sites::{Sites, now_ms};
use super::tls;
use crate::audit::Clock;

/// How often the log and the metrics are tended.
const TEND: Duration = Duration::from_secs(2);

/// A gate whose doors are bound, but not open yet.
pub struct Server {
    gate: Listener,
    admin: Listener,
    sites: Arc<Sites>,
    reloader: Arc<Reloader>,
    metrics: PrometheusHandle,
    admin_hosts: Vec<String>,
    mirrors: Mirrors,
    sinks: Sinks,
    keeper: Arc<Keeper>,
    console: Option<ConsoleServer>,
}

impl Server {
    /// Reads, opens and binds. Within a tokio runtime.
    ///
    /// # Errors
    /// Whatever stops a start: see [`Sites::open`] and [`Listener::bind`].
    pub fn new(settings: Settings, metrics: PrometheusHandle) -> Result<Server, ProxyError> {
        Server::with_clock(settings, metrics, Arc::new(now_ms))
    }

    /// The same, by this clock: what is in force, what has expired and when it was recorded are judged by it.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn with_clock(
        settings: Settings,
        metrics: PrometheusHandle,
        clock: Arc<dyn Clock>,
    ) -> Result<Server, ProxyError> {
        let tls = settings.gate.tls.as_ref().map(tls::server).transpose()?;
        let tls: Option<Tls> = tls.map(|config| Arc::new(ArcSwap::new(config)));
        // Bound first: a second gate of the same settings fails here, before it would touch log and registry.
        let gate =
            Listener::bind(settings.gate.listen, tls.clone(), settings.gate.insecure_plaintext, settings.limits)?;
        // Health says no more than its door's address does: it may be plain wherever the operator puts it.
        let admin = Listener::bind(settings.admin.listen, None, true, admin_limits())?;
        let sites = Arc::new(Sites::open_at(&settings, clock)?);
        let admin_hosts = settings.admin.hosts.clone();
        let MirrorSettings { places, root } = &settings.mirrors;
        let mirrors = Mirrors::start(places, root.as_deref(), &sites.log.checkpoints());
        let mirrors = mirrors.map_err(|error| ProxyError::Start(format!("`audit.checkpoints-root`: {error}")))?;
        let sinks = Sinks::start(&settings.sinks, &settings.data.log(), &settings.data.directory)?;
        let console = settings.console.as_ref().map(|console| ConsoleServer::beside(&settings, console, &sites));
        let console = console.transpose()?;
        let alarm_percent = settings.alarm_percent;
        let reloader = Arc::new(Reloader::new(settings, Arc::clone(&sites), tls)?);
        sites.record_start()?;
        let keeper = Arc::new(Keeper::new(sites.log.clone(), alarm_percent));
        Ok(Server { gate, admin, sites, reloader, metrics, admin_hosts, mirrors, sinks, keeper, console })
    }

    /// Where callers connect.
    pub fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    /// Where health and metrics are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Where the console is, if there is one.
    pub fn console_address(&self) -> Option<SocketAddr> {
        self.console.as_ref().map(ConsoleServer::address)
    }

    /// What reads documents again.
    pub fn reloader(&self) -> Arc<Reloader> {
        Arc::clone(&self.reloader)
    }

    /// Everything behind the door.
    pub fn sites(&self) -> Arc<Sites> {
        Arc::clone(&self.sites)
    }

    /// Serves until `stop`, then drains, and closes the log.
    pub async fn run(self, stop: CancellationToken) {
        let Server { gate, admin, sites, reloader, metrics, admin_hosts, mirrors, sinks, keeper, console } = self;
        let stopping = Arc::new(AtomicBool::new(false));
        let refreshes = sites.authenticator.start_refresh();
        let ended = CancellationToken::new();
        let readiness =
            readiness(Arc::clone(&sites), Arc::clone(&reloader), Arc::clone(&keeper), Arc::clone(&stopping));
        let admin = admin.serve(Admin::new(admin_hosts, metrics.clone(), readiness), ended.clone());
        let admin = tokio::spawn(admin);
        let tending = tokio::spawn(tend(sites.log.clone(), metrics));
        let keeping = tokio::spawn(keeper.run(ended.clone()));
        let console = console.map(|console| tokio::spawn(console.run(ended.clone())));
        let watching = tokio::spawn({
            let (reloader, ended) = (Arc::clone(&reloader), ended.clone());
            async move {
                if let Err(error) = reloader.watch(ended).await {
                    tracing::error!(%error, "changes of files are not seen; SIGHUP still reloads");
                }
            }
        });
        let mark = tokio::spawn({
            let (stop, stopping) = (stop.clone(), Arc::clone(&stopping));
            async move {
                stop.cancelled().await;
                stopping.store(true, Ordering::Relaxed);
            }
        });
        gate.serve(sites.router(), stop).await;
        ended.cancel();
        drop((admin.await, watching.await, mark.await, keeping.await));
        if let Some(console) = console {
            drop(console.await);
        }
        tending.abort();
        drop(refreshes);
        let log = sites.log.clone();
        let closed = tokio::task::spawn_blocking(move || {
            on_record::stopped(&log);
            log.close();
        });
        drop(closed.await);
        tokio::join!(mirrors.finish(), sinks.finish());
    }
}

/// Health is asked by a machine or two, briefly.
fn admin_limits() -> Limits {
    Limits { connections_max: 256, header_ms: 5000, idle_ms: 30_000, drain_ms: 1000, ..Limits::default() }
}

async fn tend(log: crate::audit::Log, metrics: PrometheusHandle) {
    let mut tick = tokio::time::interval(TEND);
    loop {
        tick.tick().await;
        log.tick();
        metrics.run_upkeep();
    }
}

fn readiness(sites: Arc<Sites>, reloader: Arc<Reloader>, keeper: Arc<Keeper>, stopping: Arc<AtomicBool>) -> Readiness {
    Arc::new(move || {
        let mut ready = true;
        let mut lines = String::new();
        let mut say = |holds: bool, what: &str, detail: &str| {
            ready &= holds;
            lines.push_str(&format!(
                "{} {what}{}{detail}\n",
                if holds { "ok" } else { "no" },
                if detail.is_empty() { "" } else { ": " }
            ));
        };
        let log = sites.log.ready().map_err(|error| error.to_string());
        say(log.is_ok(), "log", &log.err().unwrap_or_default());
        let now = i64::try_from(sites.clock.now_ms()).unwrap_or(i64::MAX);
        let registry = sites.registry.facts(now).map_err(|error| error.to_string());
        say(registry.is_ok(), "registry", &registry.err().unwrap_or_default());
        for status in sites.authenticator.key_status() {
            say(status.loaded, "issuer", &status.issuer);
        }
        say(!stopping.load(Ordering::Relaxed), "accepting", "");
        // Its issuer took all keys back, or lost them: no reason to turn away everybody else's callers.
        for status in sites.authenticator.key_status().iter().filter(|status| status.loaded && status.usable == 0) {
            lines.push_str(&format!(
                "note: issuer {}: its key set holds no usable key; nobody of it is let in\n",
                status.issuer
            ));
        }
        for trouble in [reloader.trouble(), keeper.trouble()].into_iter().flatten() {
            lines.push_str(&format!("note: {trouble}\n"));
        }
        if ready { Ok(lines) } else { Err(lines) }
    })
}

/// Runs a gate by a settings file until SIGTERM or SIGINT; SIGHUP reloads.
///
/// # Errors
/// Whatever stops a start.
pub fn serve(path: &Path) -> Result<(), ProxyError> {
    let settings = Settings::read(path)?;
    process::tell(&settings.log)?;
    process::harden()?;
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| ProxyError::Start(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ProxyError::Start(format!("no threads: {error}")))?;
    runtime.block_on(async move {
        let server = Server::new(settings, metrics)?;
        let stop = CancellationToken::new();
        let signals = tokio::spawn(signals(server.reloader(), stop.clone())?);
        let console = server.console_address().map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(gate = %server.address(), admin = %server.admin_address(), %console, "ready");
        tell_manager(NotifyState::Ready);
        server.run(stop).await;
        signals.abort();
        tracing::info!("ended");
        Ok(())
    })
}

/// Waits for signals; they are caught from the moment this returns.
fn signals(
    reloader: Arc<Reloader>,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + 'static, ProxyError> {
    let caught = |kind| signal(kind).map_err(|error| ProxyError::Start(format!("signals cannot be caught: {error}")));
    let mut terminate = caught(SignalKind::terminate())?;
    let mut interrupt = caught(SignalKind::interrupt())?;
    let mut hangup = caught(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    let reloader = Arc::clone(&reloader);
                    drop(tokio::task::spawn_blocking(move || reloader.reload()).await);
                }
            }
        }
        tracing::info!("draining");
        tell_manager(NotifyState::Stopping);
        stop.cancel();
    })
}

/// Tells the service manager, where there is one.
fn tell_manager(state: NotifyState) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::warn!(kind = ?error.kind(), "the service manager was not told");
    }
}
