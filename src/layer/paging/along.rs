//! What comes along with the entries of a page (`_include`): held until the page ends.
//!
//! A page is filled from several of the backend, and on each of them what comes along stands after the matches that bring
//! it. So its places would tell how many matches of each were shown. It is held, as it was judged, and leaves after the last
//! match, each record once, in the order of its bytes: what leaves hangs on what is shown alone.
//!
//! More than [`BROUGHT_BYTES_MAX`] ends the page early, with a cursor, where the backend's page ends; more than
//! [`HELD_BYTES_MAX`] is a fault.

use std::collections::VecDeque;

use super::splice::NoList;

/// As much as this ends a page where the backend's does, in bytes.
pub(super) const BROUGHT_BYTES_MAX: usize = 2 << 20;
/// The most that is held, in bytes.
const HELD_BYTES_MAX: usize = 8 << 20;

/// What comes along.
#[derive(Default)]
pub(super) struct Along {
    /// Of each entry that was released and has not begun: whether it comes along.
    expected: VecDeque<bool>,
    held: Vec<Vec<u8>>,
    bytes: usize,
}

impl Along {
    /// Entries were released, in this order; of each whether it comes along.
    pub(super) fn expects(&mut self, entries: impl IntoIterator<Item = bool>) {
        self.expected.extend(entries);
    }

    /// The next entry begins: whether it comes along.
    pub(super) fn begins(&mut self) -> Result<bool, NoList> {
        let along = self.expected.pop_front().ok_or(NoList)?;
        if along {
            self.held.push(Vec::new());
        }
        Ok(along)
    }

    /// More of what came along last.
    pub(super) fn takes(&mut self, bytes: &[u8]) -> Result<(), NoList> {
        self.bytes += bytes.len();
        if self.is_over() {
            return Err(NoList);
        }
        self.held.last_mut().ok_or(NoList)?.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether a page that holds this goes no further than the backend's.
    pub(super) const fn is_much(&self) -> bool {
        self.bytes > BROUGHT_BYTES_MAX
    }

    /// Whether it is more than is held.
    pub(super) const fn is_over(&self) -> bool {
        self.bytes > HELD_BYTES_MAX
    }

    /// All of it, as it leaves. An error: not every entry that was released has come.
    pub(super) fn all(&mut self) -> Result<Vec<Vec<u8>>, NoList> {
        if !self.expected.is_empty() {
            return Err(NoList);
        }
        let mut all = std::mem::take(&mut self.held);
        all.sort();
        Ok(all)
    }
}
