//! What does the journal say, to its end?
//!
//! Read once from its oldest record, after the whole of it was held against its checkpoints, and from then on behind the
//! record that was read last ([`Follow`]: durable records only, each against the hash of the one before). Where anything
//! is wrong, nothing of it is kept: the next question begins at the beginning.

use super::ReviewError;
use crate::audit::{Entry, Follow, Mark, read_time, verify};
use crate::index::{Begun, Row};
use crate::store::{Directory, Disk};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The words of the two verdicts in a record.
pub(super) const ACCEPT: &str = "review-accept";
pub(super) const OBJECT: &str = "review-object";

/// The verdicts that were read.
#[derive(Default)]
pub(super) struct Known {
    mark: Option<Mark>,
    /// By log and number of the access, in the order of the journal.
    verdicts: BTreeMap<String, BTreeMap<u64, Vec<Kept>>>,
}

/// A verdict as the journal has it.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) record: u64,
    pub(super) time_ms: u64,
    pub(super) by: String,
    pub(super) is_objection: bool,
    pub(super) action_taken: Option<String>,
    /// The remark, and the id that it is bound to.
    pub(super) sealed: Option<String>,
    pub(super) bound_to: String,
    /// The decision's id, and when the access began.
    id: String,
    accessed_ms: u64,
}

impl Known {
    /// The newest verdict on this access.
    pub(super) fn on(&self, row: &Row) -> Option<&Kept> {
        let of = self.verdicts.get(&row.place.log)?.get(&row.place.seq)?;
        of.iter().rev().find(|kept| kept.accessed_ms == row.time_ms && kept.id == row.id)
    }

    /// The same by what tells it apart where its id is not at hand: in a log that was begun anew no access of the same
    /// number has the same time.
    pub(super) fn on_begun(&self, begun: &Begun) -> Option<&Kept> {
        let of = self.verdicts.get(&*begun.log)?.get(&begun.seq)?;
        of.iter().rev().find(|kept| kept.accessed_ms == begun.time_ms)
    }

    /// The number of the last record that was read; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.mark.as_ref().map_or(0, |mark| mark.number)
    }

    /// Reads to the end of what is durable.
    pub(super) fn read_on(&mut self, folder: &Path) -> Result<(), ReviewError> {
        let read = self.try_read_on(folder);
        if read.is_err() {
            *self = Known::default();
        }
        read
    }

    fn try_read_on(&mut self, folder: &Path) -> Result<(), ReviewError> {
        let broken = |error: io::Error| match error.kind() {
            ErrorKind::InvalidData => ReviewError::Broken { folder: folder.to_owned(), why: error.to_string() },
            _ => ReviewError::Disk(error),
        };
        let disk = match Directory::open_to_read(folder) {
            Ok(disk) => disk,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                *self = Known::default();
                return Ok(());
            }
            Err(error) => return Err(ReviewError::Disk(error)),
        };
        let mut follow = match self.go_on(&disk).map_err(broken)? {
            Some(follow) => follow,
            None => {
                *self = Known::default();
                hold_against_checkpoints(&disk).map_err(broken)?;
                Follow::from(&disk, 0).map_err(broken)?
            }
        };
        while let Some(line) = follow.next_line().map_err(broken)? {
            self.take(&line.bytes).map_err(broken)?;
        }
        self.mark = follow.mark();
        Ok(())
    }

    /// Behind the record that was read last; `None` before the first, and where the folder holds another journal now.
    fn go_on<'d>(&self, disk: &'d dyn Disk) -> io::Result<Option<Follow<'d>>> {
        let Some(mark) = &self.mark else { return Ok(None) };
        match Follow::resume(disk, mark) {
            Ok(follow) => Ok(Some(follow)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One record. A verdict of which anything is missing is not passed over: it may be an objection.
    fn take(&mut self, line: &[u8]) -> io::Result<()> {
        let entry = Entry::read(line).map_err(|error| disordered(error.to_string()))?;
        let is_objection = match entry.action.as_deref() {
            Some(OBJECT) => true,
            Some(ACCEPT) => false,
            _ => return Ok(()),
        };
        let details = Entry::details(line);
        let missing = |what: &str| disordered(format!("record {} is a verdict without `{what}`", entry.seq));
        let text = |name: &str| text(&details, name).ok_or_else(|| missing(name));
        let kept = Kept {
            record: entry.seq,
            time_ms: read_time(&entry.time).ok_or_else(|| missing("time"))?,
            by: entry.by.as_ref().map(|by| by.id.clone()).ok_or_else(|| missing("by"))?,
            is_objection,
            action_taken: text("action_taken").ok(),
            sealed: entry.reason.as_deref().map(str::to_owned),
            bound_to: text("verdict")?,
            id: text("id")?,
            accessed_ms: read_time(&text("accessed")?).ok_or_else(|| missing("accessed"))?,
        };
        let seq = details.get("record").and_then(Value::as_u64).ok_or_else(|| missing("record"))?;
        self.verdicts.entry(text("log")?).or_default().entry(seq).or_default().push(kept);
        Ok(())
    }
}

fn text(details: &Map<String, Value>, name: &str) -> Option<String> {
    details.get(name)?.as_str().map(str::to_owned)
}

/// What a walk from record to record does not show: a last record that was changed, and records that are signed and gone.
fn hold_against_checkpoints(disk: &dyn Disk) -> io::Result<()> {
    match verify(disk)?.bad {
        Some(bad) => Err(disordered(bad.to_string())),
        None => Ok(()),
    }
}

fn disordered(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}
