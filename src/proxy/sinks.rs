//! The sinks of a running gate: each place of `[[audit.sink]]` gets what is durable, as it comes.
//!
//! A thread for each, beside everything that serves: reading the log, turning it into others' words and waiting for a place cost no
//! request anything. Where each stands is in the data folder, `sinks/NAME.json`. A place that is down is tried again, after a second
//! and then up to a minute, or after as long as it says; the gate goes on. A position that fits no more, or a log that is not in
//! order, ends that sink: it is told, and counted, and the gate goes on too, for it is the log that is the record.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;

use super::error::ProxyError;
use super::settings::{SinkSettings, files};
use super::sink::{Plan, Sink, SinkError, Step};
use crate::store::Directory;

/// The threads that send.
pub(super) struct Sinks {
    running: Vec<(JoinHandle<()>, Arc<AtomicBool>)>,
    stop: CancellationToken,
}

impl Sinks {
    /// Begins to send what `log` holds. `data`: the data folder.
    ///
    /// # Errors
    /// A file of a header that cannot be read; a folder of positions that cannot be made.
    pub(super) fn start(sinks: &[SinkSettings], log: &Path, data: &Path) -> Result<Sinks, ProxyError> {
        let mut all = Sinks { running: Vec::new(), stop: CancellationToken::new() };
        let folder = data.join("sinks");
        if !sinks.is_empty() {
            Directory::open(&folder).map_err(|error| ProxyError::file(&folder, error))?;
        }
        for settings in sinks {
            let worker = Worker {
                settings: settings.clone(),
                header: settings.header_file.as_deref().map(header).transpose()?,
                log: log.to_owned(),
                resume: folder.join(format!("{}.json", settings.name)),
                stop: all.stop.clone(),
            };
            let ended = Arc::new(AtomicBool::new(false));
            let thread = std::thread::Builder::new().name(format!("sink {}", settings.name)).spawn({
                let ended = Arc::clone(&ended);
                move || {
                    worker.run();
                    ended.store(true, Ordering::Release);
                }
            });
            all.running.push((thread.map_err(|error| ProxyError::Start(format!("no threads: {error}")))?, ended));
        }
        Ok(all)
    }

    /// After the log was closed: what is left of it is sent where the place takes it, within five seconds. What is not is
    /// sent after the next start.
    pub(super) async fn finish(self) {
        self.stop.cancel();
        let all = async {
            while self.running.iter().any(|(_, ended)| !ended.load(Ordering::Acquire)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(LAST, all).await.is_err() {
            tracing::warn!("not every sink took the last records: they are sent after the next start");
        }
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The first line of a file, `Name: value`.
pub(crate) fn header(path: &Path) -> Result<(HeaderName, HeaderValue), ProxyError> {
    let text = files::read_secret(path)?;
    let parsed = text.lines().next().and_then(|line| {
        let (name, value) = line.split_once(':')?;
        let mut value: HeaderValue = value.trim().parse().ok()?;
        value.set_sensitive(true);
        Some((name.trim().parse().ok()?, value))
    });
    let wrong = "its first line is not `Name: value`, as in `Authorization: Bearer …`";
    parsed.ok_or_else(|| ProxyError::file(path, wrong))
}

struct Worker {
    settings: SinkSettings,
    header: Option<(HeaderName, HeaderValue)>,
    log: PathBuf,
    resume: PathBuf,
    stop: CancellationToken,
}

impl Worker {
    fn run(self) {
        let name = self.settings.name.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome = match runtime {
            Ok(runtime) => runtime.block_on(self.work()),
            Err(error) => Err(format!("no runtime: {error}")),
        };
        if let Err(why) = outcome {
            count(&name, "ended");
            tracing::error!(sink = %name, why, "the sink has ended; the log goes on, and so does the gate");
        }
    }

    async fn work(&self) -> Result<(), String> {
        let SinkSettings { name, format, place, header_file: _, root } = &self.settings;
        let disk = Directory::open_to_read(&self.log).map_err(|error| error.to_string())?;
        let plan = Plan {
            format: *format,
            place: Some(place.clone()),
            root: root.clone(),
            header: self.header.clone(),
            resume: Some(self.resume.clone()),
            within_ms: (0, u64::MAX),
        };
        let mut sink = Sink::open(&disk, plan).map_err(|error| error.to_string())?;
        let (mut pause, mut is_down) = (PAUSE, false);
        loop {
            // Asked before the step: what was written until then is sent before the end.
            let stopping = self.stop.is_cancelled();
            let waits = match sink.step().await {
                Ok(Step::Took(messages)) => {
                    count(name, "taken");
                    metrics::counter!("sekisho_sink_messages_total", "sink" => name.clone()).increment(messages as u64);
                    pause = PAUSE;
                    if let Some(told) = sink.told() {
                        tracing::warn!(sink = %name, "{told}");
                    }
                    if std::mem::take(&mut is_down) {
                        tracing::info!(sink = %name, to = %place, "records are taken again");
                    }
                    Duration::ZERO
                }
                Ok(Step::Nothing) if stopping => return Ok(()),
                Ok(Step::Nothing) => POLL,
                Err(SinkError::Place(error, after)) => {
                    count(name, "failed");
                    if !std::mem::replace(&mut is_down, true) {
                        tracing::warn!(sink = %name, to = %place, error, "records were not taken; they are sent again");
                    }
                    if stopping {
                        return Ok(());
                    }
                    let waits = after.map_or(pause, |after| after.min(AFTER_MAX));
                    pause = (pause * 2).min(PAUSE_MAX);
                    waits
                }
                Err(error) => return Err(error.to_string()),
            };
            position(name, sink.position());
            tokio::select! {
                () = self.stop.cancelled(), if !stopping => {}
                () = tokio::time::sleep(waits) => {}
            }
        }
    }
}

fn count(sink: &str, outcome: &'static str) {
    metrics::counter!("sekisho_sink_batches_total", "sink" => sink.to_owned(), "outcome" => outcome).increment(1);
}

/// Exact up to 2^53 records.
#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn position(sink: &str, next: u64) {
    metrics::gauge!("sekisho_sink_next_record", "sink" => sink.to_owned()).set(next as f64);
}

/// How often a log is looked at for something new.
const POLL: Duration = Duration::from_millis(500);
/// After an attempt that failed; twice as long after each further one.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// What a place may ask for.
const AFTER_MAX: Duration = Duration::from_secs(3600);
/// For what is left at the end.
const LAST: Duration = Duration::from_secs(5);
