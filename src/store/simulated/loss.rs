//! What is left of a file of which some was not flushed? By [`Loss`]: nothing, a part, holes or all.

/// What becomes of bytes that were written and not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// They are gone.
    Forget,
    /// They are there up to some byte, in the middle of a sector.
    Tear,
    /// Each sector of 512 bytes is there or not, whatever the order of writing; what is missing reads as zeros.
    Reorder,
    /// They are all there, although nobody was promised that.
    Keep,
}

/// A file: what is durable of it, and what is not yet.
#[derive(Clone, Default)]
pub(super) struct Contents {
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
    /// As a reader sees it: durable and pending.
    pub(super) seen: Vec<u8>,
    pub(super) named: bool,
    pub(super) reserved_bytes: u64,
}

/// A change that no flush has made durable.
#[derive(Clone)]
pub(super) enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut { to: usize },
}

impl Contents {
    pub(super) fn left(&self, loss: Loss, random: &mut Random) -> Vec<u8> {
        let mut left = self.durable.clone();
        match loss {
            Loss::Forget => {}
            Loss::Keep => left.clone_from(&self.seen),
            Loss::Tear => {
                let written: usize = self.pending.iter().map(Change::weight).sum();
                let mut budget = random.below(written as u64 + 1);
                for change in &self.pending {
                    let weight = change.weight() as u64;
                    change.apply(&mut left, |at| (at as u64) < budget);
                    budget = budget.saturating_sub(weight);
                    if budget == 0 {
                        break;
                    }
                }
            }
            Loss::Reorder => {
                let salt = random.below(u64::MAX);
                for change in &self.pending {
                    let base = change.offset() % SECTOR;
                    change.apply(&mut left, |at| Random(salt ^ ((base + at) / SECTOR) as u64).below(2) == 0);
                }
            }
        }
        left
    }
}

impl Change {
    fn weight(&self) -> usize {
        match self {
            Change::Write { bytes, .. } => bytes.len(),
            Change::Cut { .. } => 1,
        }
    }

    fn offset(&self) -> usize {
        match self {
            Change::Write { at, .. } => *at,
            Change::Cut { .. } => 0,
        }
    }

    /// Applies those of its bytes for which `kept` holds; the rest reads as zeros if something behind it was kept.
    pub(super) fn apply(&self, file: &mut Vec<u8>, kept: impl Fn(usize) -> bool) {
        match self {
            Change::Cut { to } if kept(0) => file.truncate(*to),
            Change::Cut { .. } => {}
            Change::Write { at, bytes } => {
                for (index, byte) in bytes.iter().enumerate().filter(|(index, _)| kept(*index)) {
                    let position = at + index;
                    if file.len() <= position {
                        file.resize(position + 1, 0);
                    }
                    if let Some(slot) = file.get_mut(position) {
                        *slot = *byte;
                    }
                }
            }
        }
    }
}

/// SplitMix64: the same seed gives the same losses, on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// The next number below a limit.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

const SECTOR: usize = 512;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::super::Simulated;
    use super::*;
    use crate::store::{Disk, NewName};

    #[test]
    fn tearing_and_reordering_do_happen() {
        let disk = Simulated::new();
        let mut file = disk.create("a", 0).unwrap();
        disk.sync_directory(NewName::Segment).unwrap();
        file.append(&[7; 4 * SECTOR]).unwrap();
        let torn = |seed| disk.after_power_loss(Loss::Tear, seed).contents("a").len();
        assert!((0..50).any(|seed| torn(seed) % SECTOR != 0), "no tear within a sector");
        let holed = |seed| {
            let left = disk.after_power_loss(Loss::Reorder, seed).contents("a");
            left.first() == Some(&0) && left.last() == Some(&7)
        };
        assert!((0..50).any(holed), "no later sector ever survived an earlier one");
    }
}
