//! Who is synthetic person number n? Coherent: kanji and kana are of one name, the postal code is of the prefecture.

use super::words::{CITIES, GIVEN, SURNAMES};

/// Numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014). Not for secrets.
#[derive(Clone)]
pub(in crate::demo) struct Numbers(u64);

impl Numbers {
    /// The stream of this seed and these words.
    pub(in crate::demo) fn new(seed: u64, words: &[&str], number: usize) -> Numbers {
        let mut state = seed ^ 0x5eb1_5c0f_fee0_0001;
        for byte in words.iter().flat_map(|word| word.bytes()).chain(number.to_le_bytes()) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
        Numbers(state)
    }

    /// The next number.
    pub(in crate::demo) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where that is 0.
    pub(in crate::demo) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// One of these; `None` of an empty list.
    pub(in crate::demo) fn pick<'l, T>(&mut self, list: &'l [T]) -> Option<&'l T> {
        let length = u64::try_from(list.len()).unwrap_or(0);
        usize::try_from(self.below(length)).ok().and_then(|at| list.get(at))
    }
}

/// A synthetic person.
pub(super) struct Person {
    pub(super) surname: (&'static str, &'static str, &'static str),
    pub(super) given: (&'static str, &'static str, &'static str),
    pub(super) female: bool,
    pub(super) born: String,
    /// Prefecture, city, the first three digits of the postal code.
    pub(super) city: (&'static str, &'static str, &'static str),
    pub(super) numbers: Numbers,
}

impl Person {
    /// The person of that number among those of `home`. The first 47 live in all prefectures in turn; of the others, half
    /// in the eight with the most people.
    pub(super) fn new(seed: u64, home: &str, number: usize) -> Person {
        let mut numbers = Numbers::new(seed, &["person", home], number);
        let surname = numbers.pick(&SURNAMES).copied().unwrap_or_default();
        let (given, female) = numbers.pick(&GIVEN).copied().unwrap_or_default();
        let born = format!("{}-{:02}-{:02}", 1935 + numbers.below(70), 1 + numbers.below(12), 1 + numbers.below(28));
        let crowded = numbers.below(2) == 0;
        let few = CITIES.get(..8).unwrap_or_default();
        let city = CITIES.get(number.saturating_sub(1));
        let city = city.or_else(|| numbers.pick(if crowded { few } else { &CITIES })).copied().unwrap_or_default();
        Person { surname, given, female, born, city, numbers }
    }
}
