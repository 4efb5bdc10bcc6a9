//! What does the log itself say of the access that is about to be reviewed, and is it the reviewer's own?
//!
//! The index finds it; who did it is read from its line. The line as it stands now and the index must agree: of two that
//! do not nobody knows which was changed.

use super::{ReviewError, Reviewer};
use crate::audit::{Entry, read_time};
use crate::index::{Flags, Queries, Row};

/// The access, as index and log have it.
pub(super) fn read(queries: &Queries, log: &str, seq: u64, reviewer: &Reviewer) -> Result<Row, ReviewError> {
    let no_access = |begin| ReviewError::NoAccess { log: log.to_owned(), seq, begin };
    let changed = || ReviewError::Changed { log: log.to_owned(), seq };
    let line = queries.line(log, seq)?.ok_or_else(|| no_access(None))?;
    let entry = Entry::read(&line.bytes).map_err(|_| changed())?;
    if !["begin", "refusal"].contains(&&*entry.kind) {
        return Err(no_access(entry.begin));
    }
    let row = queries.rows(&[(log, seq)])?.pop().ok_or_else(|| no_access(None))?;
    let caller = entry.caller.as_ref().map(|caller| caller.id.as_str()).ok_or_else(changed)?;
    let is_review = entry.obligations.iter().any(|one| one == "review");
    let agrees = entry.id.as_deref() == Some(row.id.as_str())
        && read_time(&entry.time) == Some(row.time_ms)
        && caller == &*row.caller
        && is_review == row.flags.has(Flags::REVIEW);
    if !agrees {
        return Err(changed());
    }
    if !is_review {
        return Err(ReviewError::NoReview { log: log.to_owned(), seq });
    }
    if !row.is_verified {
        return Err(ReviewError::Unverified { log: log.to_owned(), seq });
    }
    if is_his(caller, reviewer) {
        return Err(ReviewError::Own);
    }
    Ok(row)
}

/// Whether the caller of a record is one of the ids of this reviewer, however either is written.
fn is_his(caller: &str, reviewer: &Reviewer) -> bool {
    let plain = |id: &str| id.trim().to_lowercase();
    let caller = plain(caller);
    let is = |own: &String| {
        let own = plain(own);
        // A long id is cut in the log: what is left of it must then be enough to refuse.
        let is_cut = caller.len() > CUT_BYTES_MIN && caller.strip_suffix('…').is_some_and(|left| own.starts_with(left));
        !own.is_empty() && (own == caller || is_cut)
    };
    std::iter::once(&reviewer.id).chain(&reviewer.callers).any(is)
}

/// A text of a record is cut at 256 bytes, at the boundary of a character; in lower case it may be a little shorter.
const CUT_BYTES_MIN: usize = 200;
