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

struct Level {
    start: usize,
    table: Option<Table>,
}

/// The names of the objects that are open.
pub(super) struct OpenKeys {
    seed: KeySeed,
    keys_max: usize,
    count: usize,
    hashes: Vec<u64>,
    levels: Vec<Level>,
}

impl OpenKeys {
    pub(super) fn new(seed: KeySeed, keys_max: usize) -> OpenKeys {
        OpenKeys { seed, keys_max, count: 0, hashes: Vec::new(), levels: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.hashes.clear();
        self.levels.clear();
    }

    pub(super) fn buffer_bytes(&self) -> usize {
        let tables: usize = self.levels.iter().filter_map(|l| l.table.as_ref()).map(|t| t.capacity() * 10).sum();
        self.hashes.capacity() * 8 + self.levels.capacity() * size_of::<Level>() + tables
    }

    /// An object opens.
    pub(super) fn open(&mut self) {
        self.levels.push(Level { start: self.hashes.len(), table: None });
    }

    /// The innermost object closes and its names are forgotten.
    pub(super) fn close(&mut self) {
        if let Some(level) = self.levels.pop() {
            let in_table = level.table.map_or(0, |t| t.len());
            self.count -= self.hashes.len() - level.start + in_table;
            self.hashes.truncate(level.start);
        }
    }

    /// A name of the innermost object.
    pub(super) fn add(&mut self, name: &[u8]) -> Result<(), Fault> {
        let hash = hash(self.seed, name);
        let Some(level) = self.levels.last_mut() else { return Err(Fault::Grammar) };
        if self.count >= self.keys_max {
            return Err(Fault::TooManyKeys);
        }
        if let Some(table) = &mut level.table {
            if !table.insert(hash) {
                return Err(Fault::DuplicateKey);
            }
        } else {
            let seen = self.hashes.get(level.start..).unwrap_or_default();
            if seen.contains(&hash) {
                return Err(Fault::DuplicateKey);
            }
            if seen.len() >= TABLE_FROM {
                let table = level.table.insert(seen.iter().copied().collect());
                table.insert(hash);
                self.hashes.truncate(level.start);
            } else {
                self.hashes.push(hash);
            }
        }
        self.count += 1;
        Ok(())
    }
}

fn hash(KeySeed([a, b]): KeySeed, name: &[u8]) -> u64 {
    let (words, tail) = name.as_chunks::<8>();
    let mut state = a ^ (name.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), b);
    }
    let last = tail.iter().rev().fold(0u64, |v, byte| v << 8 | u64::from(*byte));
    fold(fold(state ^ last, b), 0x2545_F491_4F6C_DD1D ^ a)
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
            assert_eq!(keys.count, 0);
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
