//! Which subtrees does a proof consist of, and what are their hashes?
//!
//! A proof is a list of ranges of leaves that do not overlap. So one walk over the leaves finds all of its hashes at
//! once, with one [`Frontier`] for each, however long the log is; and it may begin at any segment that does not come
//! after the place that is asked for.

use super::{Frontier, Hash};

/// Leaves from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    start: u64,
    end: u64,
}

/// What proves that leaf `index` is in the tree of `size` leaves, in the order of the proof; empty where it is not.
/// Source: RFC 6962 section 2.1.1.
pub fn inclusion(index: u64, size: u64) -> Vec<Range> {
    let mut ranges = Vec::new();
    let (mut start, mut end) = (0, size);
    while index < size && end - start > 1 {
        let middle = start + left_of(end - start);
        if index < middle {
            ranges.push(Range { start: middle, end });
            end = middle;
        } else {
            ranges.push(Range { start, end: middle });
            start = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// What proves that the tree of `old` leaves is the beginning of the one of `new`, in the order of the proof; nothing
/// is needed where `old` is 0 or `new`. Source: RFC 6962 section 2.1.2.
pub fn consistency(old: u64, new: u64) -> Vec<Range> {
    let mut ranges = Vec::new();
    if old == 0 || old >= new {
        return ranges;
    }
    let (mut start, mut end, mut is_known) = (0, new, true);
    while old != end {
        let middle = start + left_of(end - start);
        if old <= middle {
            ranges.push(Range { start: middle, end });
            end = middle;
        } else {
            ranges.push(Range { start, end: middle });
            (start, is_known) = (middle, false);
        }
    }
    if !is_known {
        ranges.push(Range { start, end });
    }
    ranges.reverse();
    ranges
}

/// The largest power of two below a number above 1.
fn left_of(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// One walk over leaves, for the hashes of some ranges.
#[derive(Clone, Debug)]
pub struct Gather {
    wanted: Vec<(Range, Option<Frontier>)>,
    next: u64,
}

impl Gather {
    /// Begins behind what `joined` stands for: the leaves are pushed from there on.
    pub fn new(ranges: Vec<Range>, joined: &Frontier) -> Gather {
        let begun = |range: Range| match joined.size() {
            size if size <= range.start => Some(Frontier::default()),
            size if size < range.end => joined.from(range.start),
            _ => {
                let size = range.end - range.start;
                let whole = joined.subtree(range.start, size)?;
                Frontier::from_root(size, whole)
            }
        };
        Gather { wanted: ranges.into_iter().map(|range| (range, begun(range))).collect(), next: joined.size() }
    }

    /// The next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let at = self.next;
        let found = self.wanted.iter_mut().find(|(range, _)| range.start <= at && at < range.end);
        if let Some((_, Some(frontier))) = found {
            frontier.push(leaf);
        }
        self.next += 1;
    }

    /// The proof; `None` where leaves are missing, behind or before the place that the walk began at.
    pub fn finish(self) -> Option<Vec<Hash>> {
        let hash = |(range, frontier): (Range, Option<Frontier>)| {
            frontier.filter(|frontier| frontier.size() == range.end - range.start).map(|frontier| frontier.root())
        };
        self.wanted.into_iter().map(hash).collect()
    }
}

impl Frontier {
    /// Of a subtree that is complete, by its root alone.
    fn from_root(size: u64, root: Hash) -> Option<Frontier> {
        Frontier::from_parts(size, vec![root])
    }
}
