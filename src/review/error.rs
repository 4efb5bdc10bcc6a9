//! Why could it not be reviewed, or the queue not be told? What to do about it stands in the message.

use super::ACTION_BYTES_MAX;
use crate::audit::{AuditError, time_text};
use crate::index::IndexError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What went wrong. On any of them nothing was decided, but where the variant says otherwise.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReviewError {
    /// There is no such access.
    NoAccess {
        /// The log.
        log: String,
        /// The number that was given.
        seq: u64,
        /// Where that record is a part of an access: the number of its beginning.
        begin: Option<u64>,
    },
    /// The access needs no review.
    NoReview {
        /// The log.
        log: String,
        /// The number of its beginning.
        seq: u64,
    },
    /// The reviewer did it himself.
    Own,
    /// It is not said who reviews.
    Nobody,
    /// It is decided already.
    Decided {
        /// Whether it was objected to.
        is_objection: bool,
        /// Who did.
        by: String,
        /// When, milliseconds since the epoch.
        time_ms: u64,
        /// The number of that record in the journal.
        record: u64,
    },
    /// An objection that does not say what is done about it.
    NoAction,
    /// A text that is too long.
    TooLong {
        /// Which.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest that is taken.
        bytes_max: usize,
    },
    /// The access stands behind a damage of its log.
    Unverified {
        /// The log.
        log: String,
        /// The number of its beginning.
        seq: u64,
    },
    /// The log says something else of the access than the index that was made from it.
    Changed {
        /// The log.
        log: String,
        /// The number of its beginning.
        seq: u64,
    },
    /// Somebody else writes to the journal, and goes on doing so.
    Busy,
    /// The journal is not in order.
    Broken {
        /// Its folder.
        folder: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The journal's last records may not be durable, so what they say is not known.
    Unsettled {
        /// Its folder.
        folder: PathBuf,
    },
    /// The verdict is on record and durable; it could not be read back.
    NotReadBack {
        /// The number of its record.
        record: u64,
    },
    /// A remark does not open with the key `subjects`.
    Sealed {
        /// The number of its record.
        record: u64,
    },
    /// The journal does not take the verdict.
    Journal(AuditError),
    /// The journal cannot be read.
    Disk(io::Error),
    /// The index does not answer.
    Index(IndexError),
}

impl fmt::Display for ReviewError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReviewError::NoAccess { log, seq, begin: Some(begin) } => {
                write!(out, "record {seq} of `{log}` is a part of the access that record {begin} began: name that one")
            }
            ReviewError::NoAccess { log, seq, begin: None } => write!(
                out,
                "record {seq} of `{log}` is not there, or is no access: `sekisho review list --all` names those that are \
                 to be reviewed"
            ),
            ReviewError::NoReview { log, seq } => {
                write!(out, "the access {log}/{seq} needs no review: its decision does not oblige to one")
            }
            ReviewError::Own => out.write_str("this is your own access: somebody else must review it"),
            ReviewError::Nobody => out.write_str("it is not said who reviews: a verdict needs a reviewer's id"),
            ReviewError::Decided { is_objection, by, time_ms, record } => {
                let (what, next) = match is_objection {
                    true => ("objected to", "that stands"),
                    false => ("accepted", "only an objection may follow"),
                };
                let when = time_text(*time_ms);
                write!(out, "it was {what} by `{by}` at {when} (record {record} of log/review); {next}")
            }
            ReviewError::NoAction => out.write_str("an objection must say what is done about it (`action taken`)"),
            ReviewError::TooLong { what, bytes, bytes_max } => {
                write!(out, "the {what} has {bytes} bytes; it may have {bytes_max}, in UTF-8: shorten it")
            }
            ReviewError::Unverified { log, seq } => write!(
                out,
                "the access {log}/{seq} stands behind a damage of its log, so nobody knows what it was: see \
                 `sekisho audit verify`, and what to do about a damaged log in docs/log.md"
            ),
            ReviewError::Changed { log, seq } => write!(
                out,
                "the log says something else of {log}/{seq} than the index that was made from it: `sekisho audit \
                 verify` says whether the log is in order, `sekisho audit index --rebuild` makes the index anew"
            ),
            ReviewError::Busy => {
                out.write_str("somebody else is writing to the journal of reviews (log/review): try again in a moment")
            }
            ReviewError::Broken { folder, why } => write!(
                out,
                "the journal of reviews is not in order, and nothing in it counts: {why}. `sekisho audit verify {}` \
                 names the first bad record; put a sound copy of that folder back, or move it aside and keep it: what \
                 it decided is then open again",
                folder.display()
            ),
            ReviewError::Unsettled { folder } => write!(
                out,
                "the last records of {} are not signed, so it is not known what was decided: make room on that disk, \
                 and try again",
                folder.display()
            ),
            ReviewError::NotReadBack { record } => write!(
                out,
                "the verdict is on record (record {record} of log/review) and could not be read back: look at the \
                 queue again before you repeat it"
            ),
            ReviewError::Sealed { record } => write!(
                out,
                "the remark in record {record} of log/review does not open: put back the key `subjects` under which \
                 it was sealed"
            ),
            ReviewError::Journal(error) => write!(out, "the journal of reviews takes no verdict: {error}"),
            ReviewError::Disk(error) => write!(out, "the journal of reviews cannot be read: {error}"),
            ReviewError::Index(error) => error.fmt(out),
        }
    }
}

impl ReviewError {
    /// Of a text that is too long for [`super::Decision::Object`].
    pub(super) fn long_action(bytes: usize) -> ReviewError {
        ReviewError::TooLong { what: "action taken", bytes, bytes_max: ACTION_BYTES_MAX }
    }
}

impl std::error::Error for ReviewError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReviewError::Journal(error) => Some(error),
            ReviewError::Disk(error) => Some(error),
            ReviewError::Index(error) => Some(error),
            _ => None,
        }
    }
}

impl From<IndexError> for ReviewError {
    fn from(error: IndexError) -> ReviewError {
        ReviewError::Index(error)
    }
}
