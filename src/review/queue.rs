//! What waits, what is late, and what became of the rest?
//!
//! Every access that is to be reviewed, as the index has it, beside the verdicts as the journal has them: so a verdict on
//! what is no longer in the log counts in no sum.

use super::known::{Kept, Known};
use super::{Item, Journal, ReviewError, State, Verdict};
use crate::audit::Note;
use crate::index::{Begun, Filter, Flags, Place, Queries, Row};
use std::sync::{MutexGuard, PoisonError};

/// Which of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Nobody has said anything yet; the late ones too. The oldest first.
    #[default]
    Open,
    /// Of these the late ones. The oldest first.
    Overdue,
    /// Accepted, and not objected to since. The newest access first, as the others below.
    Accepted,
    /// Objected to.
    Objected,
    /// Every one.
    All,
}

/// A page of the queue.
#[derive(Clone, Copy, Debug)]
pub struct QueueFilter<'p> {
    /// Which.
    pub which: Which,
    /// The page before ended with this access; `None`: the first page.
    pub before: Option<&'p Place>,
    /// So many.
    pub limit: usize,
}

/// How many there are. `open`, `accepted` and `objected` together are all; `overdue` are some of `open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of `Which`")]
pub struct Sums {
    pub open: u64,
    pub overdue: u64,
    pub accepted: u64,
    pub objected: u64,
}

impl Journal {
    /// A page of what is to be reviewed, or was: what waits with the most urgent first, all else with the newest first.
    ///
    /// # Errors
    /// [`ReviewError::Broken`] where the journal is not in order: then nothing is told. [`ReviewError::Sealed`],
    /// [`ReviewError::Disk`], [`ReviewError::Index`].
    pub fn queue(&self, queries: &Queries, filter: &QueueFilter<'_>) -> Result<Vec<Item>, ReviewError> {
        let begun = queries.begun(&to_be_reviewed())?;
        let now_ms = self.0.parts.clock.now_ms();
        // After the index, which takes the longest, so that others who ask need not wait for it.
        let known = self.known()?;
        let after = filter.before.map(|place| {
            let own = |one: &&Begun| *one.log == *place.log && one.seq == place.seq;
            let gone = || Begun { time_ms: place.order_ms, log: place.log.as_str().into(), seq: place.seq };
            begun.iter().find(own).cloned().unwrap_or_else(gone)
        });
        let is_asked = |one: &&Begun| filter.which.takes(known.on_begun(one), self.is_late(one.time_ms, now_ms));
        let page: Vec<&Begun> = if filter.which.is_oldest_first() {
            let from = after.map_or(0, |after| begun.partition_point(|one| *one <= after));
            begun.iter().skip(from).filter(is_asked).take(filter.limit).collect()
        } else {
            let until = after.map_or(begun.len(), |after| begun.partition_point(|one| *one < after));
            begun.iter().take(until).rev().filter(is_asked).take(filter.limit).collect()
        };
        let places: Vec<(&str, u64)> = page.iter().map(|one| (&*one.log, one.seq)).collect();
        let rows = queries.rows(&places)?;
        rows.into_iter().map(|row| self.item_of(&known, row)).collect()
    }

    /// What became of one access; `None` where it needs no review.
    ///
    /// # Errors
    /// As [`Journal::queue`].
    pub fn item(&self, row: &Row) -> Result<Option<Item>, ReviewError> {
        if !row.flags.has(Flags::REVIEW) {
            return Ok(None);
        }
        let known = self.known()?;
        self.item_of(&known, row.clone()).map(Some)
    }

    /// How many wait, how many of these are late at this moment, and what became of the rest. Exact.
    ///
    /// # Errors
    /// As [`Journal::queue`].
    pub fn sums(&self, queries: &Queries, now_ms: u64) -> Result<Sums, ReviewError> {
        let begun = queries.begun(&to_be_reviewed())?;
        let known = self.known()?;
        let mut sums = Sums::default();
        for one in begun {
            match known.on_begun(&one) {
                Some(kept) if kept.is_objection => sums.objected += 1,
                Some(_) => sums.accepted += 1,
                None => {
                    sums.open += 1;
                    sums.overdue += u64::from(self.is_late(one.time_ms, now_ms));
                }
            }
        }
        Ok(sums)
    }

    /// The verdicts, up to the last that is durable.
    pub(super) fn known(&self) -> Result<MutexGuard<'_, Known>, ReviewError> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.read_on(&self.0.parts.folder)?;
        Ok(known)
    }

    pub(super) fn item_of(&self, known: &Known, row: Row) -> Result<Item, ReviewError> {
        let state = match known.on(&row) {
            None => State::Open,
            Some(kept) if kept.is_objection => State::Objected(self.opened(kept)?),
            Some(kept) => State::Accepted(self.opened(kept)?),
        };
        Ok(Item { due_ms: self.due_ms(row.time_ms), row, state })
    }

    fn opened(&self, kept: &Kept) -> Result<Verdict, ReviewError> {
        let open = |sealed: &String| self.0.parts.seal.open_note(Note::Reason, &kept.bound_to, sealed);
        let remark = kept.sealed.as_ref().map(open).transpose();
        Ok(Verdict {
            by: kept.by.clone(),
            time_ms: kept.time_ms,
            remark: remark.map_err(|_| ReviewError::Sealed { record: kept.record })?,
            action_taken: kept.action_taken.clone(),
            record: kept.record,
        })
    }

    fn due_ms(&self, accessed_ms: u64) -> u64 {
        accessed_ms.saturating_add(self.0.parts.due_ms)
    }

    fn is_late(&self, accessed_ms: u64, now_ms: u64) -> bool {
        self.due_ms(accessed_ms) <= now_ms
    }
}

impl Which {
    fn is_oldest_first(self) -> bool {
        matches!(self, Which::Open | Which::Overdue)
    }

    fn takes(self, kept: Option<&Kept>, is_late: bool) -> bool {
        match (self, kept) {
            (Which::All, _) | (Which::Open, None) => true,
            (Which::Overdue, None) => is_late,
            (Which::Accepted, Some(kept)) => !kept.is_objection,
            (Which::Objected, Some(kept)) => kept.is_objection,
            (Which::Open | Which::Overdue, Some(_)) | (Which::Accepted | Which::Objected, None) => false,
        }
    }
}

fn to_be_reviewed() -> Filter {
    Filter { flags: Flags::REVIEW, ..Filter::default() }
}
