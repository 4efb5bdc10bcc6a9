//! Which entries begin in which stretch of the output: what has to be on disk before it leaves.

use super::super::redactor::Judge;
use super::super::tally::{Disclosure, Window};
use super::Core;

/// The largest window that has more than one entry, in bytes.
const WINDOW_BYTES_MAX: u64 = 64 << 10;
/// The most entries of a window.
const WINDOW_ENTRIES_MAX: usize = 256;

impl<J: Judge> Core<J> {
    /// An entry begins at `start`: it joins the open window, or begins the next one if that is full.
    pub(super) fn disclose(&mut self, disclosure: Disclosure, start: u64) {
        let full = self.open_window.len() >= WINDOW_ENTRIES_MAX;
        let wide = self.position().saturating_sub(self.open_window_start) > WINDOW_BYTES_MAX;
        if !self.open_window.is_empty() && (full || wide) {
            self.close_window(start);
        }
        self.open_window.push(disclosure);
    }

    fn close_window(&mut self, end: u64) {
        let disclosures = std::mem::take(&mut self.open_window);
        self.windows.push(Window { end, disclosures });
        self.open_window_start = end;
    }

    pub(in crate::redact) fn take_windows(&mut self) -> Vec<Window> {
        if self.left > self.open_window_start || !self.open_window.is_empty() {
            self.close_window(self.left);
        }
        std::mem::take(&mut self.windows)
    }
}
