//! A whole verification of one log, when somebody asks: on a thread of its own, one at a time.
//!
//! That it began and how it ended are on record in `log/console`; the last result is kept, and shown wherever the log is,
//! until a later one says otherwise.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{OptionalExtension, params};

use crate::audit::{Clock, Report, Trust, verify_by};
use crate::console::error::Trouble;
use crate::console::kept::Kept;
use crate::console::page::{Asking, Page};
use crate::console::person::{Person, Right};
use crate::console::reading::{Reading, Readings};
use crate::console::state::State;
use crate::index::Integrity;
use crate::store::Directory;

/// Which log is being verified now, and since when: one at a time reads the disk.
#[derive(Clone, Default)]
pub(in crate::console) struct Verification(Arc<Mutex<Option<(String, u64)>>>);

impl Verification {
    fn now(&self) -> MutexGuard<'_, Option<(String, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when this log is being verified.
    pub(super) fn since_ms(&self, log: &str) -> Option<u64> {
        self.now().as_ref().filter(|(now, _)| now == log).map(|(_, since)| *since)
    }

    /// Notes that it begins; `None` where one is under way already.
    fn begin(&self, log: &str, since_ms: u64) -> Option<UnderWay> {
        let mut now = self.now();
        if now.is_some() {
            return None;
        }
        *now = Some((log.to_owned(), since_ms));
        Some(UnderWay(self.clone()))
    }
}

/// Over when it is dropped, however it ends.
struct UnderWay(Verification);

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.now() = None;
    }
}

/// How the last verification of a whole log ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) at_ms: u64,
    pub(super) records: u64,
    /// Checkpoints that agree.
    pub(super) agreed: u64,
    /// The last record that one of them is over.
    pub(super) signed: u64,
    /// Whether the newest is signed by this gate's key.
    pub(super) by_key: bool,
    /// The first bad record; empty where there is none. That of the one before where this one could not read it.
    pub(super) bad: String,
    /// Why it could not be read; empty where it could.
    pub(super) failed: String,
}

impl Verified {
    fn of(at_ms: u64, report: Result<Report, String>) -> Verified {
        match report {
            Err(failed) => Verified { at_ms, failed, ..Verified::default() },
            Ok(report) => Verified {
                at_ms,
                records: report.records,
                agreed: report.signed.agreed,
                signed: report.signed.last_sequence,
                by_key: report.signed.by_key,
                bad: report.bad.map(|bad| bad.to_string()).unwrap_or_default(),
                failed: String::new(),
            },
        }
    }

    /// Until a later one says otherwise, through every restart.
    fn keep(&self, kept: &Kept, log: &str) -> Result<(), Trouble> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        kept.ask(|connection| {
            connection.execute(
                "INSERT OR REPLACE INTO verified VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    log,
                    number(self.at_ms),
                    number(self.records),
                    number(self.agreed),
                    number(self.signed),
                    self.by_key,
                    self.bad,
                    self.failed
                ],
            )
        })?;
        Ok(())
    }

    pub(super) fn last(kept: &Kept, log: &str) -> Result<Option<Verified>, Trouble> {
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        kept.ask(|connection| {
            let mut read = connection.prepare_cached(
                "SELECT at_ms, records, agreed, signed, by_key, bad, failed FROM verified WHERE log = ?1",
            )?;
            let found = read.query_row([log], |row| {
                Ok(Verified {
                    at_ms: number(row.get(0)?),
                    records: number(row.get(1)?),
                    agreed: number(row.get(2)?),
                    signed: number(row.get(3)?),
                    by_key: row.get(4)?,
                    bad: row.get(5)?,
                    failed: row.get(6)?,
                })
            });
            found.optional()
        })
    }

    /// Whether it found the log to be another than was written.
    pub(super) fn is_bad(&self) -> bool {
        !self.bad.is_empty()
    }
}

/// Whether a log is what was written, as far as index and last verification know.
pub(super) fn is_whole(state: &State, log: &Integrity) -> Result<bool, Trouble> {
    let is_bad = Verified::last(&state.kept, &log.log)?.is_some_and(|last| last.is_bad());
    Ok(log.is_intact() && !is_bad)
}

/// Begins to verify one log, on a thread of its own. How it ends is on record as its beginning is.
pub(super) fn verify(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    asking.must(Right::Verify)?;
    let log = asking.field("log").to_owned();
    // A name of the index, never a path that somebody made up.
    if !state.queries.integrity()?.iter().any(|known| known.log == log) {
        return Err(Trouble::Missing);
    }
    if let Some(under_way) = state.verification.begin(&log, state.now_ms()) {
        let run = Run {
            log: log.clone(),
            folder: state.data.join("log").join(&log),
            trust: Trust { keys: (state.signer)(&log).public(), kept: Vec::new() },
            _under_way: under_way,
            clock: Arc::clone(&state.clock),
            kept: Arc::clone(&state.kept),
            readings: state.readings.clone(),
            by: (asking.person().clone(), asking.peer.clone()),
            on: tokio::runtime::Handle::try_current().map_err(Trouble::unable)?,
        };
        std::thread::Builder::new().name("verify".to_owned()).spawn(move || run.go()).map_err(Trouble::unable)?;
    }
    let mut reading = Reading::of("integrity", log);
    reading.action = "verify";
    Ok(Page::elsewhere(reading, "/integrity"))
}

/// One verification of a whole log.
struct Run {
    log: String,
    folder: PathBuf,
    trust: Trust,
    _under_way: UnderWay,
    clock: Arc<dyn Clock>,
    kept: Arc<Kept>,
    readings: Readings,
    by: (Person, Option<String>),
    on: tokio::runtime::Handle,
}

impl Run {
    fn go(self) {
        let report = Directory::open_to_read(&self.folder).and_then(|disk| verify_by(&disk, &self.trust));
        let mut ended = Verified::of(self.clock.now_ms(), report.map_err(|error| error.to_string()));
        if !ended.failed.is_empty() {
            // One that could not read it found nothing good.
            ended.bad = Verified::last(&self.kept, &self.log).ok().flatten().map(|last| last.bad).unwrap_or_default();
        }
        let said = match (&*ended.bad, &*ended.failed) {
            ("", "") => "good".to_owned(),
            (bad, "") => format!("BAD: {bad}"),
            (_, failed) => format!("not read: {failed}"),
        };
        if ended.is_bad() {
            tracing::error!(log = self.log, bad = ended.bad, "a log is not what was written");
        }
        let reading = Reading {
            action: "verified",
            records: Some(ended.records),
            ..Reading::of("integrity", format!("{}: {said}", self.log))
        };
        let (person, peer) = &self.by;
        if let Err(error) = self.on.block_on(self.readings.record(person, peer.as_deref(), &reading)) {
            tracing::error!(%error, "how a verification ended is not on record");
        }
        if let Err(trouble) = ended.keep(&self.kept, &self.log) {
            tracing::error!(?trouble, "how a verification ended is not kept");
        }
    }
}
