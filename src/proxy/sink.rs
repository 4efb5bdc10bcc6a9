//! Which records did a place elsewhere take, and from where does it go on?
//!
//! A [`Sink`] reads the log as far as it is durable, turns it into messages of one format, and hands them to one place, batch after
//! batch. Where it stands is written to a file only when the place took the batch: so everything arrives at least once, whatever
//! stops in between, and twice only what was not known to have arrived. The log waits for no sink.
//!
//! The position names the next record and the hash of the one before it: a file that belongs to another log is an error and no
//! beginning. Formats that tell whole accesses read again from the oldest that was open, and tell only what is new.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::mirror::Place;
use super::wire::{self, Http};
use crate::audit::Follow;
use crate::audit::export::{Exporter, Format};
use crate::store::Disk;

/// What is sent where.
pub struct Plan {
    /// In whose words.
    pub format: Format,
    /// Where to; `None`: standard output.
    pub place: Option<Place>,
    /// Whom to believe for `https`; the Web's authorities where none is named.
    pub root: Option<PathBuf>,
    /// A field for each `POST`.
    pub header: Option<(HeaderName, HeaderValue)>,
    /// The file that says where it stands.
    pub resume: Option<PathBuf>,
    /// Only what began in this time: milliseconds since the epoch, the end not included.
    pub within_ms: (u64, u64),
}

/// Reads, turns and sends.
pub struct Sink<'d> {
    plan: Plan,
    http: Option<Http>,
    follow: Follow<'d>,
    exporter: Exporter,
    /// What the place has not taken yet.
    batch: Vec<Vec<u8>>,
    /// Where an earlier run stood, until that record is met.
    expected: Option<Position>,
    written: Option<Position>,
    /// Behind the last record that was taken.
    at: At,
    /// Whether what a file begins with is still to be sent.
    needs_head: bool,
    /// What came after the batch: told once that has arrived.
    fault: Option<SinkError>,
    /// What the place said of a batch that it took.
    told: Option<String>,
}

#[derive(Clone, Default)]
struct At {
    next: u64,
    hash: String,
}

/// Where a sink stands, as its file has it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Position {
    v: u32,
    format: String,
    /// The oldest record that has to be read again.
    from: u64,
    /// The first record that was not told.
    next: u64,
    /// SHA-256 of the record before it.
    hash: String,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The place took so many messages.
    Took(usize),
    /// There is nothing new.
    Nothing,
}

/// Why nothing was sent.
#[derive(Debug)]
pub enum SinkError {
    /// The place did not take it: asking again sends the same batch. It may have said after how long.
    Place(String, Option<Duration>),
    /// Standard output does not take it, most likely since whoever read it has gone.
    Output(io::Error),
    /// The plan or the position makes no sense, in words, with the fix.
    Plan(String),
    /// The log is not in order, or cannot be read.
    Log(io::Error),
}

impl std::fmt::Display for SinkError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SinkError::Place(why, _) | SinkError::Plan(why) => out.write_str(why),
            SinkError::Output(error) | SinkError::Log(error) => write!(out, "{error}"),
        }
    }
}

impl std::error::Error for SinkError {}

impl<'d> Sink<'d> {
    /// Begins where the plan's file says, or at the oldest record.
    ///
    /// # Errors
    /// A position of another log or format; a place that does not take this format.
    pub fn open(disk: &'d dyn Disk, plan: Plan) -> Result<Sink<'d>, SinkError> {
        let http = match &plan.place {
            Some(Place::Http(uri)) => {
                Some(Http::new(uri, plan.root.as_deref(), plan.header.clone()).map_err(SinkError::Plan)?)
            }
            Some(Place::Syslog { .. }) if plan.format != Format::Syslog => {
                return Err(SinkError::Plan(format!("a collector of syslog takes `syslog`, not `{}`", plan.format)));
            }
            Some(Place::File(_) | Place::Syslog { .. }) | None => None,
        };
        let expected = plan.resume.as_deref().map(read).transpose()?.flatten();
        if let Some(position) = expected.as_ref().filter(|position| position.format != plan.format.to_string()) {
            let format = &position.format;
            return Err(SinkError::Plan(format!(
                "the position was written for `{format}`: use a file for each format"
            )));
        }
        let (from, next) = expected.as_ref().map_or((1, 1), |position| (position.from, position.next));
        let follow = Follow::from(disk, from).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SinkError::Plan(format!("{error}. {ANEW}")),
            _ => SinkError::Log(error),
        })?;
        let exporter = Exporter::new(plan.format, next).within(plan.within_ms);
        let at = At { next: follow.position(), hash: follow.hash().unwrap_or_default().to_owned() };
        let mut sink = Sink {
            needs_head: expected.is_none(),
            plan,
            http,
            follow,
            exporter,
            batch: Vec::new(),
            expected,
            written: None,
            at,
            fault: None,
            told: None,
        };
        sink.recognise()?;
        Ok(sink)
    }

    /// Hands the next batch to the place, and notes where it stands.
    ///
    /// # Errors
    /// See [`SinkError`]; of [`SinkError::Log`] and [`SinkError::Plan`] nothing comes but the same again.
    pub async fn step(&mut self) -> Result<Step, SinkError> {
        let before = self.at.next;
        if self.batch.is_empty() && self.fault.is_none() {
            self.fault = self.fill().err();
        }
        let count = self.batch.len();
        if count > 0 {
            let sent = tokio::time::timeout(PATIENCE, self.send()).await;
            sent.unwrap_or_else(|_| Err(SinkError::Place("it took too long".to_owned(), None)))?;
            self.batch.clear();
            self.needs_head = false;
        }
        self.note()?;
        // All before the fault has arrived.
        match self.fault.take_if(|_| count == 0) {
            Some(error) => Err(error),
            None if count == 0 && self.at.next == before => Ok(Step::Nothing),
            None => Ok(Step::Took(count)),
        }
    }

    /// What the place said of the batches that it took, if it was not all well.
    pub fn told(&mut self) -> Option<String> {
        self.told.take()
    }

    /// The number of the next record to be read.
    pub fn position(&self) -> u64 {
        self.at.next
    }

    fn fill(&mut self) -> Result<(), SinkError> {
        let (mut bytes, mut records) = (0, 0);
        while self.batch.len() < BATCH_MESSAGES && bytes < BATCH_BYTES && records < BATCH_RECORDS {
            records += 1;
            let Some(line) = self.follow.next_line().map_err(SinkError::Log)? else { break };
            self.recognise()?;
            let before = self.batch.len();
            let taken = self.exporter.take(&line.bytes, &mut self.batch);
            if let Err(error) = taken {
                let error = format!("record {}: {error}", self.at.next);
                return Err(SinkError::Log(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
            self.at = At { next: self.follow.position(), hash: self.follow.hash().unwrap_or_default().to_owned() };
            bytes += self.batch.iter().skip(before).map(Vec::len).sum::<usize>();
        }
        Ok(())
    }

    /// Where the position of an earlier run is met, it has to be the same log.
    fn recognise(&mut self) -> Result<(), SinkError> {
        let Some(expected) = self.expected.take_if(|expected| expected.next == self.follow.position()) else {
            return Ok(());
        };
        if expected.next > 1 && self.follow.hash() != Some(expected.hash.as_str()) {
            let before = expected.next - 1;
            return Err(SinkError::Plan(format!("record {before} is not the one that was sent: another log. {ANEW}")));
        }
        self.written = Some(expected);
        Ok(())
    }

    async fn send(&mut self) -> Result<(), SinkError> {
        let format = self.plan.format;
        let refused = |error: io::Error| SinkError::Place(error.to_string(), None);
        match &self.plan.place {
            None => {
                let (mut body, _) = format.body(&self.batch);
                if format == Format::Otlp {
                    body.push(b'\n');
                }
                let mut out = io::stdout().lock();
                let head = if self.needs_head { format.head() } else { String::new() };
                out.write_all(head.as_bytes())
                    .and_then(|()| out.write_all(&body))
                    .and_then(|()| out.flush())
                    .map_err(SinkError::Output)
            }
            Some(Place::File(path)) => {
                let (mut body, _) = format.body(&self.batch);
                if format == Format::Otlp {
                    body.push(b'\n');
                }
                let is_new = std::fs::metadata(path).map_or(0, |file| file.len()) == 0;
                let mut whole = if is_new { format.head().into_bytes() } else { Vec::new() };
                whole.append(&mut body);
                wire::append(path, whole, format == Format::Csv).await.map_err(refused)
            }
            Some(Place::Http(_)) => self.post().await,
            Some(Place::Syslog { to, tcp: true }) => wire::by_tcp(to, &self.batch).await.map_err(refused),
            Some(Place::Syslog { to, tcp: false }) => {
                if self.batch.iter().any(|message| message.len() > DATAGRAM_BYTES_MAX) {
                    let fix = "a record is larger than a datagram: send by `syslog+tcp://`";
                    return Err(SinkError::Plan(fix.to_owned()));
                }
                wire::by_udp(to, &self.batch).await.map_err(refused)
            }
        }
    }

    async fn post(&mut self) -> Result<(), SinkError> {
        let Some(http) = &self.http else { return Err(SinkError::Plan("there is no client".to_owned())) };
        let (body, media) = self.plan.format.body(&self.batch);
        let answer = http.post(body, media).await.map_err(|error| SinkError::Place(error, None))?;
        if !answer.status.is_success() {
            let after =
                answer.headers.get(http::header::RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
            let message = format!("it answered {}", answer.status.as_u16());
            return Err(SinkError::Place(message, after.map(Duration::from_secs)));
        }
        // OTLP: what was rejected must not be sent again.
        let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let rejected = told.pointer("/partialSuccess/rejectedLogRecords").map(ToString::to_string);
        if let Some(rejected) = rejected.filter(|count| !["0", "\"0\""].contains(&count.as_str())) {
            self.told = Some(format!("the place took a batch and rejected {rejected} of its records"));
        }
        Ok(())
    }

    /// Writes where it stands, if that changed.
    fn note(&mut self) -> Result<(), SinkError> {
        let At { next, hash } = self.at.clone();
        let format = self.plan.format.to_string();
        let position = Position { v: 1, format, from: self.exporter.reads_from(next), next, hash };
        // Reading again what was told: the file is ahead.
        if self.expected.is_some() || self.written.as_ref() == Some(&position) {
            return Ok(());
        }
        if let Some(path) = &self.plan.resume {
            write(path, &position).map_err(|error| {
                SinkError::Plan(format!("{}: the position cannot be written: {error}", path.display()))
            })?;
        }
        self.written = Some(position);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<Position>, SinkError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| SinkError::Plan(format!("{}: {error}", path.display())))?,
    };
    let position: Option<Position> = serde_json::from_str(&text).ok().filter(|position: &Position| position.v == 1);
    let position = position.filter(|position| 1 <= position.from && position.from <= position.next);
    position.map(Some).ok_or_else(|| SinkError::Plan(format!("{} holds no position. {ANEW}", path.display())))
}

/// All of it or nothing, whatever stops in between.
fn write(path: &Path, position: &Position) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_added_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(format!("{}\n", serde_json::to_string(position)?).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

const ANEW: &str = "To begin anew, with everything that is there, remove the file of the position";
/// A batch: about what collectors take at once.
const BATCH_MESSAGES: usize = 500;
const BATCH_BYTES: usize = 1 << 20;
/// Read at a time, though they bring nothing about.
const BATCH_RECORDS: usize = 10_000;
/// One attempt.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of UDP over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;
