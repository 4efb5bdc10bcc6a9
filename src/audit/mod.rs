//! What was released to whom, for which purpose, under which clause, and can that be proven years later?
//!
//! The access log of one gate: JSON Lines in segment files, each line chained to the one before, written by one
//! thread that flushes once for many. In order: [`Log::begin`] (durable before anything is released) → [`Ticket`] →
//! [`Ticket::continuation`] for each window of a list → [`Ticket::end`]. A refusal is one record.
//!
//! Promises:
//! * A [`Pending`] that answered `Ok` names a record that survives a loss of power.
//! * Every beginning has exactly one ending: by the gate, by the [`Ticket`]'s drop, or by the next start.
//! * A failed write or flush ends the log: every waiter and every later call gets the error, nothing is retried.
//! * A checkpoint signs only what is durable, and at most a second after it was written.
//! * A line's bytes never change once it was written; its number is its place in the file.
//! * Token, query values, field values and names of persons have no member in any record. Subjects and free text are
//!   [`Sealed`]; strings from outside are cut and escaped.
//! * This room knows no policy: a record's words are the caller's, and explain themselves.
//!
//! # A line, byte by byte
//! ```text
//! {"v":1,"seq":N,"time":"YYYY-MM-DDThh:mm:ss.sssZ","node":"…","batch":B,  frame
//!  "kind":"…",…                                                          members of the kind, in the order of `record`
//!  ,"prev":"<64 lower-case hex>"}⏎                                       frame
//! ```
//! (one line, no space between members.) `prev` is SHA-256 over the bytes of the line before, from its `{` to its `}`
//! without the newline; of the very first line it is 64 zeros. The chain runs on across segments. `seq` counts from 1
//! without a gap. `time` is the moment of writing by this gate's clock. `batch` is the `seq` of the first line that
//! was flushed together with this one: everything before it was durable before this line was written. A tree over
//! the records takes the same bytes, `{` to `}`, as its leaves (RFC 6962 section 2.1: SHA-256 of `0x00` and those): see [`tree`].
//!
//! # Files
//! `audit-<seq of its first line, 20 digits>.jsonl`: a segment. Its first line has kind `segment` and lists the
//! beginnings still `open`, the `newest` time and the `tree` of all records before it (`first`: the number of its leaf 0;
//! `nodes`: the roots of its complete subtrees, the largest first, 64 hex each; logs of the first releases name none), so
//! that a start reads one segment and old ones can be removed (never the newest two: a newest that a
//! crash left without its first line is made anew from the one before).
//! `audit-<seq, 20 digits>.checkpoints`: the signed checkpoints that were made while that segment was written, a line
//! each: see [`checkpoint`] for a checkpoint.
//! `audit-<seq, 20 digits>.jsonl.zst`: a segment that was left and packed (RFC 8878); the same lines.
//! `audit-<seq, 20 digits>.torn`: bytes that a start cut off before the record with that number. `lock`: held by the
//! writer.

mod chain;
pub mod checkpoint;
mod commit;
pub mod disclosures;
pub mod entry;
mod error;
pub mod export;
mod follow;
mod json;
mod keep;
mod log;
mod pin;
mod pins;
pub mod prove;
mod queue;
mod read;
mod record;
mod recover;
mod seal;
mod strangers;
mod tail;
mod ticket;
mod time;
pub mod tree;
mod verify;
mod write;

pub use chain::{Fault, Kind};
pub use entry::Entry;
pub use error::AuditError;
pub use follow::{Follow, Mark};
pub use keep::Kept;
pub use log::{Log, Options, Room};
pub use queue::Pending;
pub use read::{Line, Reader, first_of, segments};
pub use record::{
    Administrative, BODY_BYTES_MAX, Begin, Caller, Count, Decision, Detail, Disclosure, End, Entries, Forms, Latency,
    Outcome, Policy, Reason, Recipient, Refusal, Window,
};
pub use recover::{Recovery, Torn};
pub use seal::{Note, Seal, Sealed};
pub use tail::{Tail, pretty, tail};
pub use ticket::Ticket;
pub use time::{Clock, read as read_time, text as time_text};
pub use verify::{BadRecord, Report, Signed, Trust, verify, verify_by};

/// The JSON Schema (draft 2020-12) of a line: every kind with every member that is ever written.
pub const SCHEMA: &str = include_str!("../../docs/access-log.schema.json");
