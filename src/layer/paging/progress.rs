//! How far is a page filled, and what becomes of the next entry? Shared between who fills it and who judges its entries.

use std::collections::{HashSet, VecDeque};

use super::along::Released;
use crate::redact::Entry;

/// How far a page is filled. Shared with the judge of its entries.
#[derive(Default)]
pub(in crate::layer) struct Progress {
    /// How many entries of this page of the backend are still to be passed over: a former page had them.
    pub(super) skip: u64,
    /// How many entries that may leave are still to be passed over, for the caller asks for those after them.
    pub(super) before: u64,
    /// How many were passed over or asked about.
    pub(super) consumed: u64,
    pub(super) released: u64,
    pub(super) size: Option<u64>,
    /// An entry was left for the next page.
    pub(super) left: bool,
    /// Entries are dropped of which the caller is not to know that they are there.
    pub(super) hides: bool,
    /// How many entries are neither of this page nor dropped.
    pub(super) passed_over: u64,
    /// What comes along is told apart from what is listed.
    pub(super) tells_along: bool,
    /// The entries that were released and are not written yet.
    pub(super) released_along: VecDeque<Released>,
    /// What came along with this page: type and id.
    pub(super) along: HashSet<(Box<str>, Box<str>)>,
    /// Of it the one that came last.
    pub(super) last_along: Option<(Box<str>, Box<str>)>,
    /// What became of the last entry that may leave.
    last: Last,
}

/// What became of an entry that may leave.
#[derive(Clone, Copy, Default)]
enum Last {
    #[default]
    Released,
    /// It was left for the next page.
    Left,
    /// It stands before those that are asked for.
    Before,
}

/// What becomes of an entry on this page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::layer) enum Turn {
    /// It is judged.
    Judged,
    /// It is judged, and left for the next page if it may be released.
    Sought,
    /// A former page had it, or the next has.
    PassedOver,
}

impl Progress {
    /// An entry comes.
    pub(in crate::layer) fn admits(&mut self) -> Turn {
        if self.skip > 0 {
            (self.skip, self.consumed) = (self.skip - 1, self.consumed + 1);
        } else if !self.is_full() {
            self.consumed += 1;
            return Turn::Judged;
        } else if self.hides && !self.left {
            return Turn::Sought;
        } else {
            self.left = true;
        }
        self.passed_over += 1;
        Turn::PassedOver
    }

    /// What was judged may be released, or not.
    pub(in crate::layer) fn judged(&mut self, turn: Turn, released: bool) {
        match (turn, released) {
            (Turn::Judged, true) => (self.released, self.last) = (self.released + 1, Last::Released),
            (Turn::Sought, true) => {
                (self.left, self.passed_over, self.last) = (true, self.passed_over + 1, Last::Left);
            }
            (Turn::Sought, false) => self.consumed += 1,
            (Turn::Judged, false) | (Turn::PassedOver, _) => {}
        }
    }

    /// An entry about this person is released that is listed.
    pub(in crate::layer) fn lists(&mut self, person: Option<&str>) {
        if self.tells_along {
            self.released_along.push_back(Released { along: false, person: person.map(Into::into) });
        }
    }

    /// An entry may be released that comes along: whether it is, for this page has it not yet.
    pub(in crate::layer) fn brings(&mut self, entry: &Entry<'_>) -> bool {
        let record = entry.resource_type.zip(entry.id).map(|(resource_type, id)| (resource_type.into(), id.into()));
        let new = record.clone().is_none_or(|record| self.along.insert(record));
        self.last_along = record.filter(|_| new);
        self.passed_over += u64::from(!new);
        if new && self.tells_along {
            self.released_along.push_back(Released { along: true, person: entry.subject.map(Into::into) });
        }
        new
    }

    /// What was brought last goes after all.
    pub(in crate::layer) fn brings_not(&mut self) {
        if self.tells_along {
            self.released_along.pop_back();
        }
        if let Some(record) = self.last_along.take() {
            self.along.remove(&record);
        }
    }

    /// It may leave: does it stand before those that are asked for?
    pub(in crate::layer) fn is_before(&mut self) -> bool {
        let before = self.before > 0;
        self.before -= u64::from(before);
        if before {
            (self.passed_over, self.last) = (self.passed_over + 1, Last::Before);
        }
        before
    }

    /// What was to leave last, here or elsewhere, goes after all: as if it had been refused.
    pub(in crate::layer) fn takes_back(&mut self) {
        match self.last {
            Last::Released => {
                self.released = self.released.saturating_sub(1);
                if self.tells_along {
                    self.released_along.pop_back();
                }
                return;
            }
            Last::Left => (self.left, self.consumed) = (false, self.consumed + 1),
            Last::Before => self.before += 1,
        }
        self.passed_over = self.passed_over.saturating_sub(1);
    }

    pub(super) fn is_full(&self) -> bool {
        self.size.is_some_and(|size| self.released >= size)
    }
}
