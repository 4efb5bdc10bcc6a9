//! Do the records agree with what was signed?
//!
//! The checkpoints beside the log and those kept elsewhere, by size: while the log is walked, each is held against the
//! tree when that has grown to its size. What is left at the end signs records that are not there.

use super::chain::{Chain, Fault};
use super::checkpoint::{Checkpoint, Note, NoteFault};
use super::pin;
use super::read::Line;
use super::verify::{BadRecord, Signed, Trust};
use crate::store::Disk;
use std::io;

pub(super) struct Pins {
    /// In ascending order of size; those that were compared are gone.
    waiting: std::iter::Peekable<std::vec::IntoIter<Checkpoint>>,
    /// One that is not to be believed.
    bad: Option<BadRecord>,
    told: Signed,
}

impl Pins {
    pub(super) fn read(disk: &dyn Disk, trust: &Trust) -> io::Result<Pins> {
        let mut told = Signed { by_key: !trust.keys.is_empty(), ..Signed::default() };
        told.kept_elsewhere = !trust.kept.is_empty();
        let (mut all, mut bad) = (Vec::new(), None);
        let files = pin::files(disk)?;
        for (index, entry) in files.iter().enumerate() {
            for found in pin::read(disk, entry)? {
                let fault = match &found.note {
                    Some(note) => believed(note, trust).err(),
                    // Only the newest file may end in what was not flushed.
                    None if index + 1 == files.len() => {
                        told.torn_bytes = entry.bytes.saturating_sub(found.offset);
                        break;
                    }
                    None => Some(NoteFault::Form),
                };
                let place = |fault| BadRecord {
                    segment: found.file.clone(),
                    line: found.line,
                    offset: found.offset,
                    sequence: found.size(),
                    fault: Fault::Note(fault),
                };
                bad = bad.or(fault.map(place));
                all.extend(found.note.map(|note| note.checkpoint));
            }
        }
        for note in &trust.kept {
            let place = |fault| BadRecord {
                segment: "the checkpoint kept elsewhere".to_owned(),
                line: 1,
                offset: 0,
                sequence: note.checkpoint.size,
                fault: Fault::Note(fault),
            };
            bad = bad.or(believed(note, trust).err().map(place));
            all.push(note.checkpoint.clone());
        }
        all.sort_by_key(|checkpoint| checkpoint.size);
        Ok(Pins { waiting: all.into_iter().peekable(), bad, told })
    }

    /// Whether there is none.
    pub(super) fn is_empty(&mut self) -> bool {
        self.waiting.peek().is_none() && self.bad.is_none()
    }

    /// After a line was accepted: the checkpoints over just as many records. Where segments from before there was a tree
    /// are the oldest here, nothing can be compared before the first that names it; no checkpoint was made before that.
    pub(super) fn compare(&mut self, chain: &Chain, line: &Line) -> Option<BadRecord> {
        let tree = chain.tree.as_ref()?;
        let size = tree.frontier.size();
        // Those over records that are no longer here cannot be compared.
        while self.waiting.next_if(|checkpoint| checkpoint.size < size).is_some() {
            self.told.too_old += 1;
        }
        while let Some(checkpoint) = self.waiting.next_if(|checkpoint| checkpoint.size == size) {
            if checkpoint.root != tree.frontier.root() {
                let fault = Fault::Checkpoint { size, agreed: self.told.last_sequence };
                return Some(BadRecord::new(line, chain.next - 1, fault));
            }
            self.told.agreed += 1;
            self.told.last_sequence = chain.next - 1;
        }
        None
    }

    /// At the end of a log that is in order so far: a checkpoint over more than there is, or one not to be believed.
    pub(super) fn left_over(&mut self, chain: &Chain, last: Option<&Line>) -> Option<BadRecord> {
        let size = chain.tree.as_ref().map_or(0, |tree| tree.frontier.size());
        let most = self.waiting.by_ref().last().filter(|checkpoint| checkpoint.size > size);
        let cut = most.map(|checkpoint| {
            let before = chain.next.saturating_sub(1);
            BadRecord {
                segment: last.map(|line| line.segment.clone()).unwrap_or_default(),
                line: last.map_or(1, |line| line.line + 1),
                offset: last.map_or(0, |line| line.offset + line.bytes.len() as u64 + 1),
                sequence: chain.next,
                fault: Fault::Cut { last: before.saturating_add(checkpoint.size - size) },
            }
        });
        cut.or_else(|| self.bad.take())
    }

    pub(super) fn told(self) -> Signed {
        self.told
    }
}

/// Without keys a checkpoint is taken as it is, and the report says so.
fn believed(note: &Note, trust: &Trust) -> Result<(), NoteFault> {
    if trust.keys.is_empty() { Ok(()) } else { note.verify(&trust.keys).map(|_| ()) }
}
