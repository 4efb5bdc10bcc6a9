//! What of a body was handed to the connection, and was not only ready for it?
//!
//! Bytes leave in frames, in order. A frame counts before it is handed over, with all that was judged up to the last piece that
//! begins in it: never less than what left, and nothing of what begins behind it. A piece is what was judged at once: a part of the
//! backend's body as it came, or a record that was held.

use std::collections::VecDeque;

use super::FRAME_BYTES;
use crate::redact::Tally;

/// The count of what left, and of what waits.
pub(super) struct Left {
    /// How many bytes were readied, whether they have left or wait.
    readied_bytes: u64,
    /// By the number of their frame: what will have been judged once it leaves.
    frames: VecDeque<(u64, Tally)>,
    tally: Tally,
}

impl Left {
    pub(super) fn nothing() -> Left {
        Left { readied_bytes: 0, frames: VecDeque::new(), tally: Tally::new() }
    }

    /// So many bytes more wait, with which all of `tally` was judged.
    pub(super) fn waits(&mut self, bytes: usize, tally: Tally) {
        let frame = self.readied_bytes / FRAME_BYTES as u64;
        self.readied_bytes += bytes as u64;
        match self.frames.back_mut() {
            Some((last, judged)) if *last == frame => *judged = tally,
            _ => self.frames.push_back((frame, tally)),
        }
    }

    /// So many bytes in all have left.
    pub(super) fn reaches(&mut self, bytes: u64) {
        while self.frames.front().is_some_and(|(frame, _)| frame * (FRAME_BYTES as u64) < bytes) {
            if let Some((_, tally)) = self.frames.pop_front() {
                self.tally = tally;
            }
        }
    }

    /// What had been judged of what left.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }
}
