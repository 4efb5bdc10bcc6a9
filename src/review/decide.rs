//! May this person say this of that access, and is it on record?
//!
//! 1. the texts: short enough, and an objection says what is done about it;
//! 2. the access, from the log's own line: it needs a review, and the reviewer did not do it himself;
//! 3. the lock of the journal, for at most [`WAIT`]: from here on nobody else decides;
//! 4. the journal to its very end: what a writer that was killed left is made durable by opening it, and signed;
//! 5. nothing stands in the way: the record is written, and durable before anybody hears of it.

use super::known::{ACCEPT, Known, OBJECT};
use super::{ACTION_BYTES_MAX, Decision, Item, Journal, ReviewError, Reviewer, access};
use crate::audit::{Administrative, AuditError, Caller, Detail, Log, Note, Recovery, Seal, Sealed, time_text};
use crate::index::{Queries, Row};
use crate::store::Directory;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A verdict before it is written: what [`Decision`] says, trimmed and measured.
struct Said {
    is_objection: bool,
    action_taken: Option<String>,
    remark: Option<Zeroizing<String>>,
}

impl Journal {
    /// Puts on record what a person says of the access that this record of this log began. Blocks for a flush, and while
    /// somebody else decides.
    ///
    /// # Errors
    /// [`ReviewError::NoAccess`], [`ReviewError::NoReview`], [`ReviewError::Own`], [`ReviewError::Decided`],
    /// [`ReviewError::NoAction`], [`ReviewError::TooLong`] and all others but [`ReviewError::NotReadBack`]: nothing was
    /// decided. [`ReviewError::Journal`] may leave open whether the record is there, as [`Log::begin`] says; the next
    /// question tells.
    pub fn decide(
        &self,
        queries: &Queries,
        log: &str,
        seq: u64,
        reviewer: &Reviewer,
        decision: Decision,
    ) -> Result<Item, ReviewError> {
        let said = Said::new(decision)?;
        if reviewer.id.trim().is_empty() {
            return Err(ReviewError::Nobody);
        }
        let row = access::read(queries, log, seq, reviewer)?;
        // Most often it is known without the lock, and without a file being touched.
        said.may_follow(&*self.known()?, &row)?;
        let (journal, recovery) = self.open()?;
        self.read_up_to(recovery.last_sequence)?;
        let known = self.known()?;
        said.may_follow(&known, &row)?;
        let last = known.last();
        drop(known);
        let record = self.write(&journal, &row, reviewer, &said, last)?;
        // Signs it, by which whoever reads knows that it is durable; and lets the next one in.
        journal.close();
        let known = self.known()?;
        if known.last() < record {
            return Err(ReviewError::NotReadBack { record });
        }
        self.item_of(&known, row)
    }

    /// As the only writer.
    fn open(&self) -> Result<(Log, Recovery), ReviewError> {
        let parts = &self.0.parts;
        let until = Instant::now() + WAIT;
        loop {
            let disk = Arc::new(Directory::open(&parts.folder).map_err(ReviewError::Disk)?);
            match Log::open_signed(disk, parts.options.clone(), Arc::clone(&parts.clock), (parts.signer)()) {
                Ok((log, recovery)) => return Ok((log, recovery)),
                Err(AuditError::Locked) if Instant::now() < until => std::thread::sleep(AGAIN),
                Err(AuditError::Locked) => return Err(ReviewError::Busy),
                Err(AuditError::Damaged(bad)) => {
                    return Err(ReviewError::Broken { folder: parts.folder.clone(), why: bad.to_string() });
                }
                Err(error) => return Err(ReviewError::Journal(error)),
            }
        }
    }

    /// Until all that was there when the journal was opened has been read: the writer signs it at once.
    fn read_up_to(&self, last: u64) -> Result<(), ReviewError> {
        let until = Instant::now() + WAIT;
        while self.known()?.last() < last {
            if Instant::now() >= until {
                return Err(ReviewError::Unsettled { folder: self.0.parts.folder.clone() });
            }
            std::thread::sleep(AGAIN);
        }
        Ok(())
    }

    fn write(&self, journal: &Log, row: &Row, reviewer: &Reviewer, said: &Said, last: u64) -> Result<u64, ReviewError> {
        if let Err(full @ AuditError::Full) = journal.ready() {
            // The record would find room, its checkpoint not.
            return Err(ReviewError::Journal(full));
        }
        let parts = &self.0.parts;
        // One writer at a time: no two verdicts come behind the same record.
        let verdict = format!("review-{}-{}", last + 1, parts.clock.now_ms());
        let reason = said.sealed(&parts.seal, &verdict)?;
        let accessed = time_text(row.time_ms);
        let mut details = vec![
            ("log", Detail::Text(&row.place.log)),
            ("record", Detail::Number(row.place.seq)),
            ("id", Detail::Text(&row.id)),
            ("accessed", Detail::Text(&accessed)),
            ("verdict", Detail::Text(&verdict)),
        ];
        details.extend(said.action_taken.as_ref().map(|action| ("action_taken", Detail::Text(action))));
        let roles: Vec<&str> = reviewer.roles.iter().map(String::as_str).collect();
        let by = Caller { issuer: &reviewer.issuer, id: &reviewer.id, roles: &roles, ..Caller::default() };
        let record = Administrative {
            action: if said.is_objection { OBJECT } else { ACCEPT },
            by: Some(by),
            reason: reason.as_ref(),
            details: &details,
            ..Administrative::default()
        };
        journal.administrative(&record).wait().map_err(ReviewError::Journal)
    }
}

impl Said {
    fn new(decision: Decision) -> Result<Said, ReviewError> {
        let (action_taken, remark) = match decision {
            Decision::Accept { remark } => (None, remark),
            Decision::Object { action_taken, remark } => (Some(action_taken), remark),
        };
        // On one line, so that nobody's list is torn by it.
        let action_taken = action_taken.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        let remark = Zeroizing::new(remark);
        match &action_taken {
            Some(action) if action.is_empty() => return Err(ReviewError::NoAction),
            Some(action) if action.len() > ACTION_BYTES_MAX => return Err(ReviewError::long_action(action.len())),
            Some(_) | None => {}
        }
        let (bytes, bytes_max) = (remark.trim().len(), Seal::BYTES_MAX);
        if bytes > bytes_max {
            return Err(ReviewError::TooLong { what: "remark", bytes, bytes_max });
        }
        let remark = (bytes > 0).then(|| Zeroizing::new(remark.trim().to_owned()));
        Ok(Said { is_objection: action_taken.is_some(), action_taken, remark })
    }

    fn may_follow(&self, known: &Known, row: &Row) -> Result<(), ReviewError> {
        let Some(kept) = known.on(row) else { return Ok(()) };
        if self.is_objection && !kept.is_objection {
            return Ok(());
        }
        let by = kept.by.clone();
        Err(ReviewError::Decided { is_objection: kept.is_objection, by, time_ms: kept.time_ms, record: kept.record })
    }

    fn sealed(&self, seal: &Seal, verdict: &str) -> Result<Option<Sealed>, ReviewError> {
        let note = |remark: &Zeroizing<String>| seal.note(Note::Reason, verdict, remark);
        self.remark.as_ref().map(note).transpose().map_err(ReviewError::Journal)
    }
}

/// How long somebody else's verdict is waited for.
const WAIT: Duration = Duration::from_secs(5);
/// How long until it is tried again.
const AGAIN: Duration = Duration::from_millis(20);
