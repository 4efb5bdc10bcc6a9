//! What were a transaction's judgements made by, and would they be made by the same at another moment?
//!
//! A transaction waits for all its judgements. Whether one of them might be another by now hangs on what they looked at: the
//! persons that they were about, the caller, the organisations. What changes of anybody else tells the caller nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::registry::{Basis, View};

/// What was looked at, by whose facts it was.
#[derive(Default)]
pub(super) struct Looked(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    bases: HashMap<Box<str>, Basis>,
    /// Two judgements were made by different facts of the same person.
    differs: bool,
    closed: bool,
}

impl Looked {
    /// A judgement about this person (empty: about nobody in particular) is made by this view.
    pub(super) fn note(&self, view: &View, subject: &str, issuer: &str, caller: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.closed {
            return;
        }
        let basis = view.basis(subject, issuer, caller);
        match seen.bases.get(subject) {
            Some(before) => seen.differs |= *before != basis,
            None => drop(seen.bases.insert(subject.into(), basis)),
        }
    }

    /// Nothing is noted from here on: what is judged later is judged at its own moment.
    pub(super) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// Whether this view says of all that was looked at what was said then.
    pub(super) fn still(&self, view: &View, issuer: &str, caller: &str) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !seen.differs && seen.bases.iter().all(|(subject, basis)| view.basis(subject, issuer, caller) == *basis)
    }
}
