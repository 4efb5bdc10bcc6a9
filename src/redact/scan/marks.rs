//! Where in this slice does a reader have to look next? Steps from mark to mark, or over a whole container at once.

use super::super::fault::Fault;
use super::super::text::{self, Unit};
use super::bytes::{BATCH, BLOCK, Carry, Masks, index};

/// Where a slice begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Between tokens.
    Outside,
    /// In a string, at the head of a character or escape.
    InString,
    /// Where the slice before it ended, of which every byte was looked at.
    GoesOn,
}

/// Steps through one slice after the other.
pub(crate) struct Marks {
    carry: Carry,
    blocks: Box<[Masks; BATCH]>,
    /// How much of the slice is to be looked at, in bytes.
    end: usize,
    /// How much of it has been indexed.
    indexed: usize,
    /// Where the indexed batch begins.
    batch: usize,
    /// The block that is stepped through.
    block: usize,
    /// How many blocks the batch has.
    count: usize,
    /// The marks of the block that are still to come.
    bits: u64,
    /// Strings are looked into: no control characters, no escape that is none.
    strict: bool,
    /// Why `end` is short of the slice: a fault there, or the head of an escape.
    stopped: Option<Stop>,
    /// The second escape of a surrogate pair of which the first has been looked at.
    low_half: Option<usize>,
    portable: bool,
    /// Strict: some string of the batch has an escape in it.
    escapes: bool,
    /// Strict: the batch's marks one by one.
    list: Option<List>,
}

/// The marks of a batch as places in it: read in order, one costs less than to take it out of its block's bits.
struct List {
    places: Box<[u16; BATCH * BLOCK + BLOCK]>,
    /// How many marks precede each block, and how many there are.
    before: [u16; BATCH],
    count: usize,
}

impl List {
    fn new(strict: bool) -> Option<List> {
        strict.then(|| List { places: Box::new([0; BATCH * BLOCK + BLOCK]), before: [0; BATCH], count: 0 })
    }

    /// Lists the marks of these blocks.
    fn fill(&mut self, blocks: &[Masks]) {
        let (mut count, mut base) = (0usize, 0u16);
        for (masks, before) in blocks.iter().zip(&mut self.before) {
            *before = u16::try_from(count).unwrap_or(u16::MAX);
            let mut bits = masks.marks;
            let ones = bits.count_ones() as usize;
            // Eight at a time: what is written beyond the last is overwritten by the next block.
            let (eights, _) = self.places.get_mut(count..).unwrap_or_default().as_chunks_mut::<8>();
            for eight in eights.iter_mut().take(ones.div_ceil(8)) {
                for place in eight {
                    *place = base + u16::try_from(bits.trailing_zeros()).unwrap_or(0);
                    bits &= bits.wrapping_sub(1);
                }
            }
            count += ones;
            base += 64;
        }
        self.count = count;
    }
}

/// Why a slice is not looked at to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// What follows can become nothing valid.
    Fault(Fault),
    /// The slice ends inside a character or escape.
    Cut,
}

impl Marks {
    /// `strict`: strings are looked into; `lines`: line ends outside strings are marks.
    pub(crate) fn new(strict: bool, lines: bool) -> Marks {
        Marks {
            carry: Carry { lines: if lines { !0 } else { 0 }, ..Carry::default() },
            blocks: Box::new([Masks::default(); BATCH]),
            end: 0,
            indexed: 0,
            batch: 0,
            block: 0,
            count: 0,
            bits: 0,
            strict,
            stopped: None,
            low_half: None,
            portable: false,
            escapes: false,
            list: List::new(strict),
        }
    }

    pub(in crate::redact) const fn set_portable(&mut self) {
        self.portable = true;
    }

    /// Ready for a slice of which `end` bytes are to be looked at.
    pub(super) const fn begin(&mut self, end: usize, start: Start) {
        match start {
            Start::Outside => self.carry.string = 0,
            Start::InString => self.carry.string = !0,
            Start::GoesOn => {}
        }
        if !matches!(start, Start::GoesOn) {
            self.carry.escaped = 0;
            self.carry.scalar = 0;
        }
        self.end = end;
        self.indexed = 0;
        self.batch = 0;
        self.block = 0;
        self.count = 0;
        self.bits = 0;
        self.stopped = None;
        self.low_half = None;
    }

    /// Ready for a slice that begins between tokens, all of it.
    pub(in crate::redact) const fn begin_outside(&mut self, end: usize) {
        self.begin(end, Start::Outside);
    }

    /// Ready for a slice that goes on where the last one ended, all of it.
    pub(crate) const fn begin_after(&mut self, end: usize) {
        self.begin(end, Start::GoesOn);
    }

    /// Past all that is to be looked at, which ends before the answer.
    pub(super) const fn finish(&mut self) -> usize {
        self.bits = 0;
        self.block = self.count;
        self.indexed = self.end;
        self.end
    }

    /// Where the part that was looked at ends, and why there, if not at the slice's end.
    pub(super) const fn end(&self) -> (usize, Option<Stop>) {
        (self.end, self.stopped)
    }

    /// The next mark; `None`: the slice has no more.
    #[inline(always)]
    pub(crate) fn next(&mut self, src: &[u8]) -> Option<usize> {
        while self.bits == 0 {
            self.advance(src)?;
        }
        let within = self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(self.batch + self.block * BLOCK + within)
    }

    /// On to the next block.
    fn advance(&mut self, src: &[u8]) -> Option<()> {
        self.block += 1;
        if self.block >= self.count {
            if self.indexed >= self.end {
                self.block = self.count;
                return None;
            }
            self.batch = self.indexed;
            let taken = index(src.get(self.indexed..self.end)?, &mut self.carry, &mut self.blocks, self.portable);
            self.indexed += taken;
            self.count = taken.div_ceil(BLOCK);
            self.block = 0;
            if self.strict {
                self.look_into_strings(src);
                if let Some(list) = &mut self.list {
                    list.fill(self.blocks.get(..self.count).unwrap_or_default());
                }
            }
        }
        self.bits = self.masks().marks;
        Some(())
    }

    /// Strict: the marks of the batch that are still to come, as places from where the batch begins, and that place.
    #[inline]
    pub(super) fn listed(&self) -> (&[u16], usize) {
        let Some(list) = &self.list else { return (&[], 0) };
        if self.block >= self.count {
            return (&[], 0);
        }
        let masks = self.masks();
        let passed = (masks.marks & !self.bits).count_ones() as usize;
        let from = list.before.get(self.block).map_or(0, |before| usize::from(*before)) + passed;
        (list.places.get(from..list.count).unwrap_or_default(), self.batch)
    }

    /// The next mark is the last but `left` of the batch.
    #[inline]
    pub(super) fn seek_listed(&mut self, left: usize) {
        let Some(list) = &self.list else { return };
        let next = list.places.get(list.count - left.min(list.count)).filter(|_| left > 0);
        match next {
            Some(place) => {
                let place = usize::from(*place);
                self.block = place / BLOCK;
                self.bits = self.masks().marks & !0u64 << (place % BLOCK);
            }
            None => {
                self.block = self.count.saturating_sub(1);
                self.bits = 0;
            }
        }
    }

    /// Whether any string of the batch has an escape in it.
    #[inline]
    pub(super) const fn escapes(&self) -> bool {
        self.escapes
    }

    /// Ends the slice at the first control character inside a string, or escape that is none or is cut.
    fn look_into_strings(&mut self, src: &[u8]) {
        let blocks = self.blocks.iter().take(self.count);
        let (escapes, controls) = blocks.fold((0, 0), |all, one| (all.0 | one.escapes, all.1 | one.controls));
        self.escapes = escapes != 0;
        if escapes | controls == 0 {
            return;
        }
        let Some((at, why)) = self.first_stop(src) else { return };
        self.end = at;
        self.indexed = at;
        self.stopped = Some(why);
        let (block, within) = ((at - self.batch) / BLOCK, (at - self.batch) % BLOCK);
        self.count = self.count.min(block + 1);
        if let Some(masks) = self.blocks.get_mut(block) {
            masks.marks &= (1u64 << within) - 1;
        }
    }

    fn first_stop(&mut self, src: &[u8]) -> Option<(usize, Stop)> {
        for (number, masks) in self.blocks.iter().take(self.count).enumerate() {
            let mut events = masks.controls | masks.escapes;
            while events != 0 {
                let within = events.trailing_zeros() as usize;
                events &= events - 1;
                let at = self.batch + number * BLOCK + within;
                if masks.controls >> within & 1 == 1 {
                    return Some((at, Stop::Fault(Fault::Grammar)));
                }
                if self.low_half == Some(at) {
                    continue;
                }
                match text::unit(src.get(at..).unwrap_or_default()) {
                    Unit::Complete(length) => self.low_half = (length == 12).then_some(at + 6),
                    Unit::Incomplete => return Some((at, Stop::Cut)),
                    Unit::Bad(fault) => return Some((at, Stop::Fault(fault))),
                }
            }
        }
        None
    }

    #[inline(always)]
    fn masks(&self) -> Masks {
        self.blocks.get(self.block).copied().unwrap_or_default()
    }

    /// Whether a name from `from` to `to`, just passed, has an escape in it.
    #[inline(always)]
    pub(super) fn escape_in(&self, src: &[u8], from: usize, to: usize) -> bool {
        let start = self.batch + self.block * BLOCK;
        if from >= start {
            let before = |at: usize| !0u64 << ((at - start) & (BLOCK - 1));
            return self.masks().escapes & before(from) & !before(to) != 0;
        }
        memchr::memchr(b'\\', src.get(from..to).unwrap_or_default()).is_some()
    }

    /// Steps over what is open: past the bracket at which `open` open containers are closed, and answers with the place
    /// after it. `None`: the slice ends before; `open` says how many are open then.
    pub(crate) fn close(&mut self, src: &[u8], open: &mut usize) -> Option<usize> {
        loop {
            // A bracket is a mark: those that are to come are among the marks that are left.
            let masks = self.masks();
            let (opens, closes) = (masks.opens & self.bits, masks.closes & self.bits);
            if (closes.count_ones() as usize) < *open {
                *open = *open + opens.count_ones() as usize - closes.count_ones() as usize;
            } else if let Some(within) = closing(opens, closes, open) {
                self.bits &= !0u64 << within << 1;
                return Some(self.batch + self.block * BLOCK + within + 1);
            }
            self.bits = 0;
            self.advance(src)?;
        }
    }
}

/// The bracket of this block at which nothing is open any more; else `open` counts on.
fn closing(mut opens: u64, mut closes: u64, open: &mut usize) -> Option<usize> {
    while closes != 0 {
        let before = (closes & closes.wrapping_neg()) - 1;
        *open += (opens & before).count_ones() as usize;
        opens &= !before;
        *open -= 1;
        if *open == 0 {
            return Some(closes.trailing_zeros() as usize);
        }
        closes &= closes - 1;
    }
    *open += opens.count_ones() as usize;
    None
}
