//! Which accesses must a person look at afterwards, and who did?
//!
//! A decision that rests on somebody's life, or on an exception of a statute, obliges to a review: the index finds these
//! accesses by [`Flags::REVIEW`](crate::index::Flags::REVIEW). What a person says of one is a verdict, and evidence like the access itself: a record
//! in a chain of its own, `log/review`, by which everybody who reads it comes to the same state. Nothing else is kept.
//!
//! In order: [`Journal::queue`] (what waits, what is late) → [`Journal::decide`] → [`Journal::item`].
//!
//! Promises:
//! * Nobody reviews what he did himself.
//! * Of any number of processes one alone decides: under the log's lock, after the journal was read to its end.
//! * A verdict stands: only an objection may follow an acceptance, and then both are on record.
//! * What cannot be verified counts for nothing: a journal that is not in order answers no question.
//! * What was reviewed is the access as the log has it now, and it must be what the index read there.
//! * Remarks are sealed, on the disk and in memory; [`Verdict::remark`] is opened for whoever asks.
//!
//! # A verdict
//! One `administrative` record, action `review-accept` or `review-object`, with `by` the reviewer, `reason` the remark
//! (sealed, bound to `verdict`), and as further members
//! ```text
//! log, record   the access: the number of the record that began it
//! id, accessed  its decision's id, and when: a log that was begun anew has the same numbers again
//! verdict       an id of this verdict's own
//! action_taken  of an objection: what is done about it
//! ```
//! Cost: a verdict is a flush and a signature; a start reads the journal once and a question only what came since. The
//! queue and its sums read two columns of those blocks of the index where something is to be reviewed.

mod access;
mod decide;
mod error;
mod known;
mod queue;

pub use error::ReviewError;
pub use queue::{QueueFilter, Sums, Which};

use crate::audit::checkpoint::Signer;
use crate::audit::{Clock, Options, Seal};
use crate::index::Row;
use known::Known;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// Where the verdicts stand. A clone is a handle on the same; all of it may be asked from any thread, and blocks.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

/// What a [`Journal`] is made of.
pub struct Parts {
    /// `DATA/log/review`. It need not be there before the first verdict.
    pub folder: PathBuf,
    /// How it is written; `node` as in the gate's own log.
    pub options: Options,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Who signs it, as of now: asked before every verdict, since keys are changed.
    pub signer: Arc<dyn Fn() -> Signer + Send + Sync>,
    /// Seals remarks.
    pub seal: Arc<Seal>,
    /// How long after an access it is late, milliseconds. [`DUE_MS`] where nobody says otherwise.
    pub due_ms: u64,
}

/// Seven days: how long a review may wait.
pub const DUE_MS: u64 = 7 * 86_400_000;

struct Shared {
    parts: Parts,
    known: Mutex<Known>,
}

/// An access that must be looked at.
#[derive(Clone, Debug)]
pub struct Item {
    /// The access.
    pub row: Row,
    /// From this moment on it is late, milliseconds since the epoch.
    pub due_ms: u64,
    /// What was said of it, by the newest verdict.
    pub state: State,
}

/// What was said of an access.
#[derive(Clone, Debug)]
pub enum State {
    /// Nothing yet.
    Open,
    /// It was right.
    Accepted(Verdict),
    /// It was not.
    Objected(Verdict),
}

impl State {
    /// The verdict, if there is one.
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            State::Open => None,
            State::Accepted(verdict) | State::Objected(verdict) => Some(verdict),
        }
    }
}

/// What a person said.
#[derive(Clone)]
pub struct Verdict {
    /// The reviewer's id.
    pub by: String,
    /// When, milliseconds since the epoch.
    pub time_ms: u64,
    /// In his own words, which may name persons; wiped when it is dropped.
    pub remark: Option<Zeroizing<String>>,
    /// What is done about it; of an objection always.
    pub action_taken: Option<String>,
    /// The number of its record in `log/review`.
    pub record: u64,
}

impl fmt::Debug for Verdict {
    /// Without the remark.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Verdict").field("by", &self.by).field("record", &self.record).finish_non_exhaustive()
    }
}

/// Who reviews, as whoever asks for him has proven.
#[derive(Clone, Debug, Default)]
pub struct Reviewer {
    /// Whose word it is that he is who he is.
    pub issuer: String,
    /// His id there.
    pub id: String,
    /// His roles there.
    pub roles: Vec<String>,
    /// The ids under which he himself calls the gate.
    pub callers: Vec<String>,
}

/// What he says.
#[derive(Clone)]
pub enum Decision {
    /// It was right.
    Accept {
        /// Why; may be empty.
        remark: String,
    },
    /// It was not.
    Object {
        /// What is done about it, at most [`ACTION_BYTES_MAX`]; stands in the journal in clear.
        action_taken: String,
        /// Why; may be empty.
        remark: String,
    },
}

/// The longest [`Decision::Object::action_taken`], in bytes of UTF-8: 85 Japanese characters.
pub const ACTION_BYTES_MAX: usize = 256;

impl Journal {
    /// On this folder. Nothing is read or made before it is asked.
    pub fn new(parts: Parts) -> Journal {
        Journal(Arc::new(Shared { parts, known: Mutex::default() }))
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Journal").field("folder", &self.0.parts.folder).finish_non_exhaustive()
    }
}
