//! Where else is the newest checkpoint, for the day on which somebody holds this machine?
//!
//! One task for each place: whenever the log was signed it sends the newest checkpoint there, and tries again, after one
//! second and then after up to a minute, where the place does not take it. Checkpoints that were outdated meanwhile are
//! not sent any more: the newest stands for them. No request waits for any of this.
//!
//! | place | what is sent |
//! |---|---|
//! | `file:/mnt/elsewhere/gate.checkpoints` | a line is added, `{"v":1,"size":N,"note":"…"}`, and flushed |
//! | `https://host/path` (`http` on loopback) | `POST`, `text/plain`: the note; taken where the answer is 2xx |
//! | `syslog://host:514`, `syslog+tcp://host:601` | RFC 5424, facility 13 (log audit), `MSGID` `checkpoint`: the line as in a file; over TCP octets are counted (RFC 6587). UDP tells nobody that it was lost |

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::wire::{self, Http};
use crate::audit::checkpoint::Note;
use crate::audit::export::FACILITY;

/// A place that checkpoints are sent to, as the settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file that lines are added to.
    File(PathBuf),
    /// What takes a `POST`.
    Http(Uri),
    /// A collector of syslog.
    Syslog {
        /// `host:port`.
        to: String,
        /// Whether over TCP.
        tcp: bool,
    },
}

impl Place {
    /// Reads one, as the table above has them; relative paths are below `folder`. `None`: it is none of these.
    pub fn read(text: &str, folder: &Path) -> Option<Place> {
        if let Some(path) = text.strip_prefix("file:") {
            return (!path.is_empty()).then(|| Place::File(folder.join(path)));
        }
        for (scheme, tcp) in [("syslog://", false), ("syslog+tcp://", true)] {
            if let Some(to) = text.strip_prefix(scheme) {
                let authority: http::uri::Authority = to.parse().ok()?;
                let has_port = authority.port_u16().is_some() && !to.contains('@');
                return has_port.then(|| Place::Syslog { to: to.to_owned(), tcp });
            }
        }
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_loopback =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        match uri.scheme_str() {
            Some("https") => Some(Place::Http(uri)),
            Some("http") if is_loopback => Some(Place::Http(uri)),
            Some(_) | None => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(out, "file:{}", path.display()),
            // What may be a secret of that place is not told.
            Place::Http(uri) => {
                write!(out, "{}://", uri.scheme_str().unwrap_or_default())?;
                out.write_str(uri.authority().map(|authority| authority.as_str()).unwrap_or_default())
            }
            Place::Syslog { to, tcp: false } => write!(out, "syslog://{to}"),
            Place::Syslog { to, tcp: true } => write!(out, "syslog+tcp://{to}"),
        }
    }
}

/// The tasks that send.
pub struct Mirrors {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Mirrors {
    /// Begins to send what `checkpoints` tells. Within a tokio runtime. `root`: whom to believe for `https`, the Web's
    /// authorities where none is named.
    ///
    /// # Errors
    /// In words: the file of roots cannot be read, or holds none.
    pub fn start(
        places: &[Place],
        root: Option<&Path>,
        checkpoints: &watch::Receiver<Option<Arc<Note>>>,
    ) -> Result<Mirrors, String> {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        for place in places {
            let sender = Sender::new(place, root)?;
            tasks.spawn(sender.work(checkpoints.clone(), stop.clone()));
        }
        Ok(Mirrors { tasks, stop })
    }

    /// After the log was closed: sends the last checkpoint where it is not yet, once, within five seconds.
    pub async fn finish(mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(LAST, all).await.is_err() {
            tracing::warn!("the last checkpoint was not taken everywhere before the end");
        }
    }
}

struct Sender {
    place: Place,
    http: Option<Http>,
}

impl Sender {
    fn new(place: &Place, root: Option<&Path>) -> Result<Sender, String> {
        let http = match place {
            Place::Http(uri) => Some(Http::new(uri, root, None)?),
            Place::File(_) | Place::Syslog { .. } => None,
        };
        Ok(Sender { place: place.clone(), http })
    }

    async fn work(self, mut checkpoints: watch::Receiver<Option<Arc<Note>>>, stop: CancellationToken) {
        let (mut sent, mut pause, mut fails) = (0, PAUSE, false);
        let to = self.place.to_string();
        loop {
            let newest = checkpoints.borrow_and_update().clone();
            let Some(note) = newest.filter(|note| note.checkpoint.size > sent) else {
                if stop.is_cancelled() {
                    return;
                }
                tokio::select! {
                    changed = checkpoints.changed() => if changed.is_err() { return },
                    () = stop.cancelled() => {}
                }
                continue;
            };
            let outcome = timeout(PATIENCE, self.send(&note)).await.unwrap_or_else(|_| Err("it took too long".into()));
            let word = if outcome.is_ok() { "taken" } else { "failed" };
            metrics::counter!("sekisho_checkpoints_mirrored_total", "to" => to.clone(), "outcome" => word).increment(1);
            match outcome {
                Ok(()) => {
                    (sent, pause) = (note.checkpoint.size, PAUSE);
                    if std::mem::take(&mut fails) {
                        tracing::info!(%to, "checkpoints are taken again");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut fails, true) {
                        tracing::warn!(%to, error, "a checkpoint was not taken; the newest will be sent again");
                    }
                    tokio::select! {
                        () = sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                        () = stop.cancelled() => return,
                    }
                }
            }
        }
    }

    async fn send(&self, note: &Arc<Note>) -> Result<(), String> {
        match &self.place {
            Place::File(path) => wire::append(path, format!("{}\n", line(note)).into_bytes(), false)
                .await
                .map_err(|error| error.to_string()),
            Place::Http(_) => self.post(note).await,
            Place::Syslog { to, tcp } => {
                let message = [syslog(note).into_bytes()];
                let sent = if *tcp { wire::by_tcp(to, &message).await } else { wire::by_udp(to, &message).await };
                sent.map_err(|error| error.to_string())
            }
        }
    }

    async fn post(&self, note: &Note) -> Result<(), String> {
        let Some(http) = &self.http else { return Err("there is no client".to_owned()) };
        let answer = http.post(note.text.clone().into_bytes(), "text/plain; charset=utf-8").await?;
        let status = answer.status;
        if status.is_success() { Ok(()) } else { Err(format!("it answered {}", status.as_u16())) }
    }
}

/// One line, as in the files beside the segments, but for the time, which the receiver has.
fn line(note: &Note) -> String {
    serde_json::json!({"v": 1, "size": note.checkpoint.size, "note": note.text}).to_string()
}

/// `<PRI>1 TIME HOST APP PROCID MSGID SD MSG`; the receiver has a clock and knows from where it came.
fn syslog(note: &Note) -> String {
    let priority = FACILITY * 8 + 6; // informational
    format!("<{priority}>1 - - sekisho {} checkpoint - {}", std::process::id(), line(note))
}

/// One attempt.
const PATIENCE: Duration = Duration::from_secs(10);
/// After the first attempt that failed; twice as long after each further one.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// For the last checkpoint, at the end.
const LAST: Duration = Duration::from_secs(5);
