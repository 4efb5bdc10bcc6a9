//! Do the records agree with what was signed?
//!
//! The checkpoints beside the log, file after file as the walk comes to them, and those kept elsewhere: each is held
//! against the tree when that has grown to its size. What is left at the end signs records that are not there.
//!
//! A checkpoint that agrees says no more than the records do: its signature counts for the newest one alone, which is
//! over all before it, and for one that does not agree, to know which of the two is wrong. So a log of years is not
//! years of signatures, and one file of checkpoints is in memory at once.

use super::chain::{Chain, Fault};
use super::checkpoint::{Note, NoteFault};
use super::pin;
use super::read::Line;
use super::verify::{BadRecord, Signed, Trust};
use crate::store::{Disk, Entry};
use std::collections::VecDeque;
use std::io;

pub(super) struct Pins<'a> {
    disk: &'a dyn Disk,
    trust: &'a Trust,
    /// Those that were there when the walk began, oldest first; not yet read.
    files: VecDeque<Entry>,
    /// What is left of the file that was read last.
    beside: VecDeque<Pinned>,
    /// Those kept elsewhere, in ascending order of size.
    kept: VecDeque<Pinned>,
    /// The newest that agreed.
    agreed: Option<Pinned>,
    /// The first that is none, or out of order.
    bad: Option<BadRecord>,
    told: Signed,
}

/// A checkpoint and where it was found.
struct Pinned {
    note: Note,
    place: BadRecord,
}

impl Pinned {
    fn size(&self) -> u64 {
        self.note.checkpoint.size
    }
}

impl<'a> Pins<'a> {
    /// Lists the files. Those of a gate that writes meanwhile are read when the walk comes to them, and before the
    /// records that they are over.
    pub(super) fn read(disk: &'a dyn Disk, trust: &'a Trust) -> io::Result<Pins<'a>> {
        let elsewhere = |note: &Note| Pinned {
            note: note.clone(),
            place: place("the checkpoint kept elsewhere", 1, 0, note.checkpoint.size),
        };
        let mut kept: Vec<Pinned> = trust.kept.iter().map(elsewhere).collect();
        kept.sort_by_key(Pinned::size);
        let told =
            Signed { by_key: !trust.keys.is_empty(), kept_elsewhere: !trust.kept.is_empty(), ..Signed::default() };
        let mut pins = Pins {
            disk,
            trust,
            files: pin::files(disk)?.into(),
            beside: VecDeque::new(),
            kept: kept.into(),
            agreed: None,
            bad: None,
            told,
        };
        pins.fill(0)?;
        Ok(pins)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.beside.is_empty() && self.kept.is_empty() && self.bad.is_none()
    }

    /// Reads on, where nothing is left of the last file. `least`: what no checkpoint from there on may be smaller than.
    fn fill(&mut self, mut least: u64) -> io::Result<()> {
        while self.beside.is_empty() {
            let Some(entry) = self.files.pop_front() else { return Ok(()) };
            for found in pin::read(self.disk, &entry)? {
                let mut place = place(&found.file, found.line, found.offset, found.size());
                let Some(note) = found.note else {
                    // Only the newest file may end in what was not flushed.
                    if self.files.is_empty() {
                        self.told.torn_bytes = entry.bytes.saturating_sub(found.offset);
                    } else {
                        self.bad.get_or_insert(place);
                    }
                    break;
                };
                if note.checkpoint.size < least {
                    place.fault = Fault::Note(NoteFault::Order);
                    self.bad.get_or_insert(place);
                    break;
                }
                least = note.checkpoint.size;
                self.beside.push_back(Pinned { note, place });
            }
        }
        Ok(())
    }

    /// After a line was accepted: the checkpoints over just as many records. Where segments from before there was a tree
    /// are the oldest here, nothing can be compared before the first that names it; no checkpoint was made before that.
    pub(super) fn compare(&mut self, chain: &Chain, line: &Line) -> io::Result<Option<BadRecord>> {
        let Some(tree) = &chain.tree else { return Ok(None) };
        let size = tree.frontier.size();
        let mut root = None;
        while let Some(pinned) = self.next_up_to(size)? {
            if pinned.size() < size {
                // Those over records that are no longer here cannot be compared.
                self.told.too_old += 1;
                continue;
            }
            if pinned.note.checkpoint.root != *root.get_or_insert_with(|| tree.frontier.root()) {
                if let Err(fault) = self.believed(&pinned.note) {
                    return Ok(Some(BadRecord { fault: Fault::Note(fault), ..pinned.place }));
                }
                let fault = Fault::Checkpoint { size, agreed: self.told.last_sequence };
                return Ok(Some(BadRecord::new(line, chain.next - 1, fault)));
            }
            self.told.agreed += 1;
            self.told.last_sequence = chain.next - 1;
            self.agreed = Some(pinned);
        }
        Ok(None)
    }

    /// The next one over at most so many records.
    fn next_up_to(&mut self, size: u64) -> io::Result<Option<Pinned>> {
        let fits = |pinned: &mut Pinned| pinned.size() <= size;
        if let Some(pinned) = self.kept.pop_front_if(fits) {
            return Ok(Some(pinned));
        }
        let Some(pinned) = self.beside.pop_front_if(fits) else { return Ok(None) };
        self.fill(pinned.size())?;
        Ok(Some(pinned))
    }

    /// At the end of a log that is in order so far: a checkpoint over more than there is, or one not to be believed.
    pub(super) fn left_over(&mut self, chain: &Chain, last: Option<&Line>) -> io::Result<Option<BadRecord>> {
        let size = chain.tree.as_ref().map_or(0, |tree| tree.frontier.size());
        let mut most: Option<Pinned> = None;
        while let Some(pinned) = self.next_up_to(u64::MAX)? {
            if pinned.size() > size && most.as_ref().is_none_or(|most| most.size() < pinned.size()) {
                most = Some(pinned);
            }
        }
        if let Some(most) = most {
            if let Err(fault) = self.believed(&most.note) {
                return Ok(Some(BadRecord { fault: Fault::Note(fault), ..most.place }));
            }
            let before = chain.next.saturating_sub(1);
            return Ok(Some(BadRecord {
                segment: last.map(|line| line.segment.clone()).unwrap_or_default(),
                line: last.map_or(1, |line| line.line + 1),
                offset: last.map_or(0, |line| line.offset + line.bytes.len() as u64 + 1),
                sequence: chain.next,
                fault: Fault::Cut { last: before.saturating_add(most.size() - size) },
            }));
        }
        if let Some(agreed) = &self.agreed
            && let Err(fault) = self.believed(&agreed.note)
        {
            return Ok(Some(BadRecord { fault: Fault::Note(fault), ..agreed.place.clone() }));
        }
        Ok(self.bad.take())
    }

    pub(super) fn told(self) -> Signed {
        self.told
    }

    /// Without keys a checkpoint is taken as it is, and the report says so.
    fn believed(&self, note: &Note) -> Result<(), NoteFault> {
        if self.trust.keys.is_empty() { Ok(()) } else { note.verify(&self.trust.keys).map(|_| ()) }
    }
}

/// Where a checkpoint is, should it be the one that is bad.
fn place(file: &str, line: u64, offset: u64, sequence: u64) -> BadRecord {
    BadRecord { segment: file.to_owned(), line, offset, sequence, fault: Fault::Note(NoteFault::Form) }
}
