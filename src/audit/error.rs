//! Why a record was not taken, or a log not opened. What to do about it stands in the message.

use super::verify::BadRecord;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why the log cannot do what was asked. Nothing may be released without its record: on any of these the gate
/// answers 503.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuditError {
    /// A write or flush failed. Final until the log is opened anew: nothing is retried on that segment.
    Failed(Arc<str>),
    /// The disk, or the part of it that the log may use, has room for endings only.
    Full,
    /// The clock is more than 60 s behind the newest record; an operator must accept it or set it right.
    ClockBehind {
        /// By how much.
        behind_ms: u64,
    },
    /// The log was closed.
    Closed,
    /// More records wait, or more requests are open, than the log holds in memory.
    Overloaded,
    /// The id of a decision is not 1 to 64 visible ASCII characters without `"` and `\`.
    Id,
    /// The record is bigger than [`super::BODY_BYTES_MAX`].
    RecordTooBig {
        /// Its size.
        bytes: usize,
    },
    /// A text to be sealed is too long.
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest that can be sealed.
        bytes_max: usize,
    },
    /// A sealed text was changed, belongs to another record, or was sealed by another key.
    NotSealedByThisKey,
    /// Another process writes to this log.
    Locked,
    /// A record in the log is not what was written, and no crash explains it. Nothing was changed on the disk.
    Damaged(Box<BadRecord>),
    /// An option makes no sense.
    Options(&'static str),
    /// The disk did not answer.
    Disk(Arc<str>),
}

impl fmt::Display for AuditError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditError::Failed(why) => write!(out, "the log failed and was closed: {why}"),
            AuditError::Full => out.write_str("the log is full: what is left of the disk is kept for endings"),
            AuditError::ClockBehind { behind_ms } => {
                write!(out, "the clock is {behind_ms} ms behind the newest record; set it right, or accept it")
            }
            AuditError::Closed => out.write_str("the log is closed"),
            AuditError::Overloaded => out.write_str("too many records wait for the disk"),
            AuditError::Id => {
                out.write_str("a decision's id must be 1 to 64 visible ascii characters, no quote or backslash")
            }
            AuditError::RecordTooBig { bytes } => write!(out, "a record of {bytes} bytes is too big for the log"),
            AuditError::TooLong { bytes, bytes_max } => {
                write!(out, "a text of {bytes} bytes cannot be sealed; at most {bytes_max} can")
            }
            AuditError::NotSealedByThisKey => out.write_str("the text was not sealed by this key for this record"),
            AuditError::Locked => out.write_str("another process writes to this log"),
            AuditError::Damaged(bad) => write!(
                out,
                "the log is damaged, and not by a crash: {bad}. Nothing was changed; keep these files as they are, \
                 and start a new log in an empty directory"
            ),
            AuditError::Options(what) => out.write_str(what),
            AuditError::Disk(why) => write!(out, "the log's disk: {why}"),
        }
    }
}

impl std::error::Error for AuditError {}

impl From<io::Error> for AuditError {
    fn from(error: io::Error) -> AuditError {
        AuditError::Disk(Arc::from(error.to_string()))
    }
}
