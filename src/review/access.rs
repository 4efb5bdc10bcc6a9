//! What does the log itself say of the access that is about to be reviewed, and is it the reviewer's own?
//!
//! The index finds it; who did it is read from its line. The line as it stands now must not be another than the index
//! read, and the two must agree: of two that do not nobody knows which was changed.

use super::{ReviewError, Reviewer};
use crate::audit::{Entry, read_time};
use crate::index::{Flags, Held, Queries, Row};
use unicode_normalization::UnicodeNormalization;

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
    if !agrees || queries.held(log, &[seq])? == Held::Altered {
        return Err(changed());
    }
    if !is_review {
        return Err(ReviewError::NoReview { log: log.to_owned(), seq });
    }
    if !row.is_verified {
        return Err(ReviewError::Unverified { log: log.to_owned(), seq });
    }
    if reviewer.is_caller(caller) {
        return Err(ReviewError::Own);
    }
    Ok(row)
}

impl Reviewer {
    /// Whether the caller of a record is one of his ids, however either is written.
    pub fn is_caller(&self, caller: &str) -> bool {
        // Case and width tell nobody apart (UAX #15, NFKC).
        let plain = |id: &str| id.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect::<String>();
        // A long id is cut in the log: what is left of it must then be enough to refuse, but for its last letter, which
        // the cut may have parted from its marks.
        let cut = caller.trim().strip_suffix('…').filter(|left| left.len() > CUT_BYTES_MIN);
        let cut = cut.and_then(|left| left.char_indices().next_back().and_then(|(at, _)| left.get(..at))).map(plain);
        let caller = plain(caller);
        let is = |own: &String| {
            let own = plain(own);
            !own.is_empty() && (own == caller || cut.as_ref().is_some_and(|left| own.starts_with(left)))
        };
        std::iter::once(&self.id).chain(&self.callers).any(is)
    }
}

/// A text of a record is cut at 256 bytes, at the boundary of a character; in lower case it may be a little shorter.
const CUT_BYTES_MIN: usize = 200;
