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
    pub(super) const NONE: KeySeed = KeySeed::new([0, 0]);

    /// From random bits. Even of a few set bits a key is made that spreads names.
    pub const fn new(random: [u64; 2]) -> KeySeed {
        KeySeed([random[0] ^ 0x9E37_79B9_7F4A_7C15, random[1] ^ 0x2545_F491_4F6C_DD1D | 1])
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
#[derive(Clone, Copy, Default)]
struct Level {
    /// Where its hashes begin.
    start: usize,
    /// One bit for each hash, by its six highest bits: a bit that is not set spares a look at the hashes.
    seen: u64,
    /// One if its hashes are in the last of the tables, else zero: as wide as the rest, so that it is copied in one piece.
    tabled: usize,
}

/// The names of the objects that are open.
pub(super) struct OpenKeys {
    seed: KeySeed,
    keys_max: usize,
    /// How many names the open objects have whose hashes are in tables.
    tabled: usize,
    hashes: Vec<u64>,
    /// The hashes of those of the open objects that have many names.
    tables: Vec<Table>,
    /// The innermost object.
    top: Level,
    /// Those around it.
    outer: Vec<Level>,
}

impl OpenKeys {
    pub(super) fn new(seed: KeySeed, keys_max: usize) -> OpenKeys {
        OpenKeys {
            seed,
            keys_max,
            tabled: 0,
            hashes: Vec::new(),
            tables: Vec::new(),
            top: Level::default(),
            outer: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.tabled = 0;
        self.hashes.clear();
        self.tables.clear();
        self.top = Level::default();
        self.outer.clear();
    }

    pub(super) fn buffer_bytes(&self) -> usize {
        let tables: usize = self.tables.iter().map(|table| table.capacity() * 10).sum();
        self.hashes.capacity() * 8 + self.outer.capacity() * size_of::<Level>() + tables
    }

    /// An object opens.
    #[inline]
    pub(super) fn open(&mut self) {
        self.outer.push(self.top);
        self.top = Level { start: self.hashes.len(), seen: 0, tabled: 0 };
    }

    /// The innermost object closes and its names are forgotten.
    #[inline]
    pub(super) fn close(&mut self) {
        if self.top.tabled != 0 {
            self.tabled -= self.tables.pop().map_or(0, |table| table.len());
        }
        self.hashes.truncate(self.top.start);
        self.top = self.outer.pop().unwrap_or_default();
    }

    /// The hash of a name.
    #[inline(always)]
    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        hash(self.seed, name)
    }

    /// The same of a name that begins with the first bytes of `head`.
    #[inline(always)]
    pub(super) fn hash_at(&self, head: &[u8; 16], name: &[u8]) -> u64 {
        hash_at(self.seed, head, name)
    }

    /// A name of the innermost object, by its hash.
    #[inline(always)]
    pub(super) fn add(&mut self, hash: u64) -> Result<(), Fault> {
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
        if let (1.., Some(table)) = (self.top.tabled, self.tables.last_mut()) {
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
            self.tables.push(table);
            self.top.tabled = 1;
            // From here on every name goes by the table.
            self.top.seen = !0;
        }
        Ok(())
    }
}

/// A keyed hash of a name: one multiplication for one of at most sixteen bytes.
#[inline(always)]
pub(super) fn hash(seed: KeySeed, name: &[u8]) -> u64 {
    hash_head(seed, head(name), name)
}

/// The first sixteen bytes of a name, zeros beyond its end.
#[inline(always)]
pub(super) fn head(name: &[u8]) -> u128 {
    let length = name.len();
    match (name.first_chunk::<16>(), name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(head), ..) => u128::from_le_bytes(*head),
        // Both parts have the bytes between them.
        (None, Some(head), Some(tail)) => {
            u128::from(u64::from_le_bytes(*head)) | u128::from(u64::from_le_bytes(*tail)) << ((length - 8) * 8)
        }
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>(), name) {
            (Some(head), Some(tail), _) => u128::from(
                u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << ((length - 4) * 8),
            ),
            (.., [a, b, c]) => u128::from(u32::from_le_bytes([*a, *b, *c, 0])),
            (.., [a, b]) => u128::from(u16::from_le_bytes([*a, *b])),
            (.., [a]) => u128::from(*a),
            _ => 0,
        },
    }
}

/// A hash of a name by these for a table whose names are compared anyway.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
pub(super) const fn hash_open(head: u128, length: usize) -> u64 {
    fold(head as u64 ^ 0x9E37_79B9_7F4A_7C15, (head >> 64) as u64 ^ length as u64 ^ 0x2545_F491_4F6C_DD1D)
}

/// The same where sixteen bytes from the name's beginning are at hand, whatever comes after it: without a branch for
/// each length.
#[inline(always)]
pub(super) fn hash_at(seed: KeySeed, head: &[u8; 16], name: &[u8]) -> u64 {
    hash_head(seed, head_at(head, name.len()), name)
}

/// As [`head`], of a name of so many bytes that begins with the first of these.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
pub(super) fn head_at(bytes: &[u8; 16], length: usize) -> u128 {
    const MASKS: [u128; 17] = {
        let mut masks = [u128::MAX; 17];
        let mut length = 0;
        while length < 16 {
            masks[length] = (1 << (length * 8)) - 1;
            length += 1;
        }
        masks
    };
    u128::from_le_bytes(*bytes) & MASKS.get(length).copied().unwrap_or(u128::MAX)
}

/// `head`: the first sixteen bytes of the name, zeros beyond its end. How long the name is turns the second key, so that
/// only who knows it can tell what a byte more would have to make up for.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
fn hash_head(KeySeed([a, b]): KeySeed, head: u128, name: &[u8]) -> u64 {
    let length = name.len();
    let state = fold(head as u64 ^ a, (head >> 64) as u64 ^ b.rotate_left(length as u32));
    if length > 16 { hash_rest(state, b, name) } else { state }
}

/// The bytes from the seventeenth.
fn hash_rest(mut state: u64, b: u64, name: &[u8]) -> u64 {
    let (words, last) = name.get(16..).unwrap_or_default().as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), b);
    }
    let last = last.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
    fold(state ^ last, b ^ 0xD6E8_FEB8_6659_FD93)
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
                keys.add(keys.hash(format!("k{i}").as_bytes())).unwrap();
            }
            for i in 0..count {
                assert_eq!(keys.add(keys.hash(format!("k{i}").as_bytes())), Err(Fault::DuplicateKey), "{i} of {count}");
            }
            keys.open();
            keys.add(keys.hash(b"k0")).unwrap();
            keys.close();
            keys.close();
            assert_eq!((keys.hashes.len(), keys.tabled), (0, 0));
        }
    }

    #[test]
    fn a_name_has_one_hash_however_it_is_come_by() {
        let seed = KeySeed::new([7, 9]);
        let bytes: Vec<u8> = (1..=60).collect();
        let mut seen = HashSet::new();
        for length in 0..40 {
            let name = bytes.get(..length).unwrap();
            let hashed = hash(seed, name);
            assert_eq!(hash_at(seed, bytes.first_chunk().unwrap(), name), hashed, "{length}");
            let mut slowly = [0; 16];
            name.iter().zip(&mut slowly).for_each(|(from, to)| *to = *from);
            assert_eq!(head(name).to_le_bytes(), slowly, "{length}");
            assert!(seen.insert(hashed), "{length}");
            let zero = [name, &[0]].concat();
            assert!(seen.insert(hash(seed, &zero)), "{length}");
        }
    }

    #[test]
    fn names_that_differ_little_are_spread_by_any_seed() {
        for seed in [[0, 0], [3, 5], [u64::MAX, 1 << 63]] {
            for names in
                [|i: u64| format!("k{i}"), |i: u64| format!("{i}"), |i: u64| format!("a-long-prefix-of-names-{i}")]
            {
                let mut counts = [[0; 64]; 2];
                for i in 0..6400 {
                    let hash = hash(KeySeed::new(seed), names(i).as_bytes());
                    for (counts, part) in counts.iter_mut().zip([hash >> 58, hash & 63]) {
                        *counts.get_mut(usize::try_from(part).unwrap()).unwrap() += 1;
                    }
                }
                assert!(counts.iter().flatten().all(|count| (30..300).contains(count)), "{seed:?}: {counts:?}");
            }
        }
    }

    #[test]
    fn open_objects_share_one_bound() {
        let mut keys = OpenKeys::new(KeySeed::new([7, 9]), 3);
        keys.open();
        keys.add(keys.hash(b"a")).unwrap();
        keys.add(keys.hash(b"b")).unwrap();
        keys.open();
        keys.add(keys.hash(b"a")).unwrap();
        assert_eq!(keys.add(keys.hash(b"b")), Err(Fault::TooManyKeys));
    }
}
