//! Who began something must end it: exactly once, whatever happens to him.

use super::queue::{Pending, Shared, What};
use super::record::{BODY_BYTES_MAX, End, Outcome, Window};
use super::write;
use std::fmt;
use std::sync::Arc;

/// The duty to end what was begun. Its drop ends it as `aborted` (`failed` while panicking).
#[must_use = "dropping it writes an ending"]
pub struct Ticket {
    shared: Arc<Shared>,
    begin: u64,
    id: Arc<str>,
    windows: u64,
    ended: bool,
}

impl Ticket {
    pub(super) fn new(shared: Arc<Shared>, begin: u64, id: Arc<str>) -> Ticket {
        Ticket { shared, begin, id, windows: 0, ended: false }
    }

    /// The number of the begin record.
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// The id of the decision.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Records a window of a list before its first byte leaves.
    ///
    /// # Errors
    /// In the answer: any; the window must then not leave, and the request ends as failed.
    pub fn continuation(&mut self, record: &Window<'_>) -> Pending<u64> {
        self.windows += 1;
        let (begin, window) = (self.begin, self.windows);
        self.shared.number(What::Ordinary, |out| write::continuation(out, begin, &self.id, window, record))
    }

    /// Writes the ending. Nobody needs to wait for it.
    ///
    /// # Errors
    /// In the answer: [`super::AuditError::Failed`] or [`super::AuditError::Closed`]; the next start then writes `interrupted`.
    pub fn end(mut self, record: &End<'_>) -> Pending<u64> {
        self.write_end(record)
    }

    fn write_end(&mut self, record: &End<'_>) -> Pending<u64> {
        self.ended = true;
        let (begin, windows) = (self.begin, self.windows);
        self.shared.number(What::End { begin }, |out| {
            write::end(out, begin, &self.id, windows, record);
            if out.len() > BODY_BYTES_MAX {
                // An ending is never refused for its size: what grows without bound is left out, and it says so.
                out.clear();
                let code = Some("record-too-big");
                write::end(out, begin, &self.id, windows, &End { code, counts: &[], unclassified: &[], ..*record });
            }
        })
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ticket").field("begin", &self.begin).field("windows", &self.windows).finish_non_exhaustive()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended {
            let outcome = if std::thread::panicking() { Outcome::Failed } else { Outcome::Aborted };
            drop(self.write_end(&End { outcome, code: Some("dropped"), ..End::default() }));
        }
    }
}
