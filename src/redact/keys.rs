//! Has this object had this name before? Eight bytes per name, none of the name itself.
//!
//! A name is remembered as a keyed 64-bit hash. Equal names have equal hashes, so a name that occurs twice is always
//! found; two different names that collide make a valid body a fault, one time in 2^64 per pair for who does not know
//! the seed. The error falls to the safe side and the hash need not be more than quick.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use super::fault::Fault;

/// The key of the hashes: random, one per process or per body, given by the caller.
#[derive(Clone, Copy)]
pub struct KeySeed([u64; 2]);

impl KeySeed {
    pub(super) const NONE: KeySeed = KeySeed([0, 1]);

    /// From random bits.
    pub const fn new(random: [u64; 2]) -> KeySeed {
        KeySeed([random[0], random[1] | 1])
    }
}

/// Below this many names a linear look through their hashes is quicker than a table.
const TABLE_FROM: usize = 32;

#[derive(Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Table = HashSet<u64, BuildHasherDefault<Plain>>;

/// The names of one open object.
#[derive(Default)]
struct Level {
    /// Where its hashes begin.
    start: usize,
    /// One bit for each hash, by its six highest bits: a bit that is not set spares a look at the hashes.
    seen: u64,
    table: Option<Box<Table>>,
}

/// The names of the objects that are open.
pub(super) struct OpenKeys {
    seed: KeySeed,
    keys_max: usize,
    /// How many names the open objects have whose hashes are in tables.
    tabled: usize,
    hashes: Vec<u64>,
    /// The innermost object.
    top: Level,
    /// Those around it.
    outer: Vec<Level>,
}

impl OpenKeys {
    pub(super) fn new(seed: KeySeed, keys_max: usize) -> OpenKeys {
        OpenKeys { seed, keys_max, tabled: 0, hashes: Vec::new(), top: Level::default(), outer: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.tabled = 0;
        self.hashes.clear();
        self.top = Level::default();
        self.outer.clear();
    }

    pub(super) fn buffer_bytes(&self) -> usize {
        let levels = self.outer.iter().chain([&self.top]);
        let tables: usize = levels.filter_map(|l| l.table.as_ref()).map(|t| t.capacity() * 10).sum();
        self.hashes.capacity() * 8 + self.outer.capacity() * size_of::<Level>() + tables
    }

    /// An object opens.
    #[inline]
    pub(super) fn open(&mut self) {
        let inner = Level { start: self.hashes.len(), seen: 0, table: None };
        self.outer.push(std::mem::replace(&mut self.top, inner));
    }

    /// The innermost object closes and its names are forgotten.
    #[inline]
    pub(super) fn close(&mut self) {
        if let Some(table) = &self.top.table {
            self.tabled -= table.len();
        }
        self.hashes.truncate(self.top.start);
        self.top = self.outer.pop().unwrap_or_default();
    }

    /// A name of the innermost object.
    #[inline(always)]
    pub(super) fn add(&mut self, name: &[u8]) -> Result<(), Fault> {
        let hash = hash(self.seed, name);
        let bit = 1u64 << (hash >> 58);
        if self.top.seen & bit == 0 && self.hashes.len() + self.tabled < self.keys_max {
            self.top.seen |= bit;
            self.hashes.push(hash);
            return Ok(());
        }
        self.add_slowly(hash)
    }

    /// A name that may be one of those before it.
    #[cold]
    fn add_slowly(&mut self, hash: u64) -> Result<(), Fault> {
        if self.hashes.len() + self.tabled >= self.keys_max {
            return Err(Fault::TooManyKeys);
        }
        let seen = self.hashes.get(self.top.start..).unwrap_or_default();
        if let Some(table) = &mut self.top.table {
            if !table.insert(hash) {
                return Err(Fault::DuplicateKey);
            }
            self.tabled += 1;
            return Ok(());
        }
        if seen.contains(&hash) {
            return Err(Fault::DuplicateKey);
        }
        self.hashes.push(hash);
        if self.hashes.len() - self.top.start > TABLE_FROM {
            let table: Table = self.hashes.drain(self.top.start..).collect();
            self.tabled += table.len();
            self.top.table = Some(Box::new(table));
            // From here on every name goes by the table.
            self.top.seen = !0;
        }
        Ok(())
    }
}

/// A keyed hash of a name: two multiplications for one of at most sixteen bytes.
#[inline(always)]
pub(super) fn hash(KeySeed([a, b]): KeySeed, name: &[u8]) -> u64 {
    let length = name.len() as u64;
    let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(head), Some(tail)) => (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail))),
            _ => (name.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
        },
    };
    let mut state = fold(head ^ a, b ^ length ^ 0x9E37_79B9_7F4A_7C15);
    let (words, _) = name.as_chunks::<8>();
    if words.len() > 1 {
        for word in words.iter().skip(1) {
            state = fold(state ^ u64::from_le_bytes(*word), b);
        }
    }
    fold(state ^ tail, 0x2545_F491_4F6C_DD1D ^ a)
}

/// Both halves of the 128-bit product, folded.
#[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
const fn fold(x: u64, y: u64) -> u64 {
    let product = x as u128 * y as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_occurs_twice_is_found_in_small_and_in_large_objects() {
        for count in [1usize, 31, 32, 33, 34, 500] {
            let mut keys = OpenKeys::new(KeySeed::new([7, 9]), 1000);
            keys.open();
            for i in 0..count {
                keys.add(format!("k{i}").as_bytes()).unwrap();
            }
            for i in 0..count {
                assert_eq!(keys.add(format!("k{i}").as_bytes()), Err(Fault::DuplicateKey), "{i} of {count}");
            }
            keys.open();
            keys.add(b"k0").unwrap();
            keys.close();
            keys.close();
            assert_eq!((keys.hashes.len(), keys.tabled), (0, 0));
        }
    }

    #[test]
    fn open_objects_share_one_bound() {
        let mut keys = OpenKeys::new(KeySeed::new([7, 9]), 3);
        keys.open();
        keys.add(b"a").unwrap();
        keys.add(b"b").unwrap();
        keys.open();
        keys.add(b"a").unwrap();
        assert_eq!(keys.add(b"b"), Err(Fault::TooManyKeys));
    }
}
