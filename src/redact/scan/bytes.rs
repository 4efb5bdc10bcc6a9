//! Which bytes of a block of 64 are quotes, brackets, separators, the start of a scalar? One bit for each byte.
//!
//! The one file with `unsafe`: AVX2 where the CPU has it (looked up at run time), else a portable twin that reads a table
//! and gathers bits by multiplication. Both fill the same [`Masks`], and a test compares them on every byte at every place.
//!
//! A bit is set in `marks` for a bracket, comma or colon outside strings, for both quotes of a string, for the first byte
//! of anything else outside strings (a scalar, or what is no JSON), and, where lines matter, for a line end.
//! How strings are told from the rest is the method of Langdale and Lemire, "Parsing Gigabytes of JSON per Second"
//! (2019): quotes that no odd run of backslashes precedes, and the running parity of those.

#![allow(unsafe_code, reason = "vector instructions chosen at run time; nothing else of the crate has any")]

/// The length of a block, in bytes.
pub(super) const BLOCK: usize = 64;
/// How many blocks are indexed in one go.
pub(super) const BATCH: usize = 32;

/// How many blocks are told apart before anything is made of them.
const GROUP: usize = 8;

/// What is known of a block: bit `n` is its byte `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// Where a reader has to look.
    pub(super) marks: u64,
    /// Opening brackets outside strings.
    pub(super) opens: u64,
    /// Closing brackets outside strings.
    pub(super) closes: u64,
    /// Backslashes inside strings that escape what follows.
    pub(super) escapes: u64,
    /// Control characters inside strings.
    pub(super) controls: u64,
}

/// What one block leaves to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carry {
    /// All ones inside a string, else zero.
    pub(super) string: u64,
    /// One if the next byte is escaped, else zero.
    pub(super) escaped: u64,
    /// One if the last byte belonged to a scalar, else zero.
    pub(super) scalar: u64,
    /// All ones where line ends are marked, else zero.
    pub(super) lines: u64,
}

/// The bytes of each kind in a block, strings and all.
#[derive(Clone, Copy, Default)]
struct Raw {
    quote: u64,
    backslash: u64,
    open: u64,
    close: u64,
    separator: u64,
    space: u64,
    newline: u64,
    control: u64,
}

/// Indexes up to [`BATCH`] blocks at the head of `src`; the last may be short. Returns how many bytes were indexed.
///
/// `portable`: without vector instructions, whatever the CPU has.
pub(super) fn index(src: &[u8], carry: &mut Carry, out: &mut [Masks; BATCH], portable: bool) -> usize {
    let src = src.get(..BATCH * BLOCK).unwrap_or(src);
    let mut raws = [Raw::default(); GROUP];
    for (group, out) in src.chunks(GROUP * BLOCK).zip(out.chunks_mut(GROUP)) {
        read(group, &mut raws, portable);
        let whole = group.len() / BLOCK;
        for (raw, masks) in raws.iter().zip(&mut *out).take(whole) {
            *masks = combine(*raw, BLOCK, carry);
        }
        if let (Some(raw), Some(masks), 1..) = (raws.get(whole), out.get_mut(whole), group.len() % BLOCK) {
            *masks = combine(*raw, group.len() % BLOCK, carry);
        }
    }
    src.len()
}

/// Tells the bytes of each block apart. A function of its own, and its result in memory: where a compiler sees that
/// a mask came out of a vector, it takes what is done with its bits back into vectors, which is far slower.
#[inline(never)]
fn read(src: &[u8], raws: &mut [Raw; GROUP], portable: bool) {
    let (whole, tail) = src.as_chunks::<BLOCK>();
    let mut padded = [[b' '; BLOCK]; 1];
    padded.as_flattened_mut().iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    let (now, rest) = raws.split_at_mut(whole.len().min(GROUP));
    let last = if tail.is_empty() { &[][..] } else { &padded[..] };
    for (blocks, raws) in [(whole, now), (last, rest)] {
        #[cfg(target_arch = "x86_64")]
        if !portable && std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            unsafe { avx2::read(blocks, raws) };
            continue;
        }
        let _ = portable;
        blocks.iter().zip(raws).for_each(|(block, raw)| *raw = portable_raw(block));
    }
}

/// `length`: of the block, in bytes; beyond it there are spaces.
#[inline(always)]
const fn combine(raw: Raw, length: usize, carry: &mut Carry) -> Masks {
    let (escapes, escaped) = escapes(raw.backslash, carry);
    if length < BLOCK {
        carry.escaped = escaped >> length & 1;
    }
    let quote = raw.quote & !escaped;
    let string = parity(quote) ^ carry.string;
    carry.string = (string >> 63).wrapping_neg();
    let structure = raw.open | raw.close | raw.separator;
    let scalar = !(structure | raw.space | quote | string);
    let starts = scalar & !(scalar << 1 | carry.scalar);
    carry.scalar = scalar >> (length - 1) & 1;
    Masks {
        marks: (structure & !string) | quote | starts | (raw.newline & !string & carry.lines),
        opens: raw.open & !string,
        closes: raw.close & !string,
        escapes: escapes & string,
        controls: raw.control & string,
    }
}

/// The backslashes that escape, and the bytes that are escaped.
#[inline(always)]
const fn escapes(backslash: u64, carry: &mut Carry) -> (u64, u64) {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    if backslash == 0 {
        let escaped = carry.escaped;
        carry.escaped = 0;
        return (0, escaped);
    }
    let backslash = backslash & !carry.escaped;
    let follows = backslash << 1 | carry.escaped;
    let odd_starts = backslash & !EVEN & !follows;
    let (sequences, overflow) = odd_starts.overflowing_add(backslash);
    carry.escaped = overflow as u64;
    let escaped = (EVEN ^ (sequences << 1)) & follows;
    (backslash & !escaped, escaped)
}

/// Bit `n` is the parity of bits `0..=n`.
#[inline(always)]
const fn parity(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

const QUOTE: u8 = 1;
const BACKSLASH: u8 = 1 << 1;
const OPEN: u8 = 1 << 2;
const CLOSE: u8 = 1 << 3;
const SEPARATOR: u8 = 1 << 4;
const SPACE: u8 = 1 << 5;
const NEWLINE: u8 = 1 << 6;
const CONTROL: u8 = 1 << 7;

#[expect(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        kinds[byte] = CONTROL;
        byte += 1;
    }
    kinds[b'"' as usize] = QUOTE;
    kinds[b'\\' as usize] = BACKSLASH;
    kinds[b'{' as usize] = OPEN;
    kinds[b'[' as usize] = OPEN;
    kinds[b'}' as usize] = CLOSE;
    kinds[b']' as usize] = CLOSE;
    kinds[b',' as usize] = SEPARATOR;
    kinds[b':' as usize] = SEPARATOR;
    kinds[b' ' as usize] = SPACE;
    kinds[b'\t' as usize] = SPACE | CONTROL;
    kinds[b'\r' as usize] = SPACE | CONTROL;
    kinds[b'\n' as usize] = SPACE | CONTROL | NEWLINE;
    kinds
};

/// The portable twin: a table, and a multiplication that gathers one bit of each of eight bytes.
#[inline(always)]
fn portable_raw(block: &[u8; BLOCK]) -> Raw {
    let mut raw = Raw::default();
    let (words, _) = block.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let kinds = u64::from_le_bytes(word.map(|byte| KINDS.get(usize::from(byte)).copied().unwrap_or(0)));
        if kinds == 0 {
            continue;
        }
        let at = number * 8;
        let gather = |kind: u8| {
            let ones = kinds >> kind.trailing_zeros() & 0x0101_0101_0101_0101;
            (ones.wrapping_mul(0x0102_0408_1020_4080) >> 56) << at
        };
        raw.quote |= gather(QUOTE);
        raw.backslash |= gather(BACKSLASH);
        raw.open |= gather(OPEN);
        raw.close |= gather(CLOSE);
        raw.separator |= gather(SEPARATOR);
        raw.space |= gather(SPACE);
        raw.newline |= gather(NEWLINE);
        raw.control |= gather(CONTROL);
    }
    raw
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set1_epi8, _mm256_setr_epi8, _mm256_shuffle_epi8,
    };

    use super::{BLOCK, Raw};

    #[target_feature(enable = "avx2")]
    pub(super) fn read(blocks: &[[u8; BLOCK]], raws: &mut [Raw]) {
        for (block, to) in blocks.iter().zip(raws) {
            *to = raw(block);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn raw(block: &[u8; BLOCK]) -> Raw {
        // SAFETY: a block has 64 bytes, and the loads need no alignment.
        let (low, high) = unsafe {
            let at = block.as_ptr().cast::<__m256i>();
            (_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1)))
        };
        // `{` and `[`, `}` and `]` differ by this bit alone, and no other byte becomes one of them by it. Separators are
        // compared as they are: two control characters would become some.
        let fold = _mm256_set1_epi8(0x20);
        let (low_folded, high_folded) = (_mm256_or_si256(low, fold), _mm256_or_si256(high, fold));
        // The byte itself at its low nibble: space, tab, line feed, carriage return. No byte has 0 at another nibble.
        let spaces = _mm256_setr_epi8(
            0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0x09, 0x0A, 0, 0, 0x0D, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0x09, 0x0A, 0, 0,
            0x0D, 0, 0,
        );
        let equal = |byte: u8| both(is(low, byte), is(high, byte));
        let folded = |byte: u8| both(is(low_folded, byte), is(high_folded, byte));
        let space = |v| _mm256_cmpeq_epi8(_mm256_shuffle_epi8(spaces, v), v);
        let control = |v| _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1F)), v);
        Raw {
            quote: equal(b'"'),
            backslash: equal(b'\\'),
            open: folded(b'{'),
            close: folded(b'}'),
            separator: both(
                _mm256_or_si256(is(low, b','), is(low, b':')),
                _mm256_or_si256(is(high, b','), is(high, b':')),
            ),
            space: both(space(low), space(high)),
            newline: equal(b'\n'),
            control: both(control(low), control(high)),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn is(v: __m256i, byte: u8) -> __m256i {
        _mm256_cmpeq_epi8(v, _mm256_set1_epi8(byte.cast_signed()))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn both(low: __m256i, high: __m256i) -> u64 {
        let low = u64::from(_mm256_movemask_epi8(low).cast_unsigned());
        low | u64::from(_mm256_movemask_epi8(high).cast_unsigned()) << 32
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]
mod tests {
    use super::*;

    fn run(src: &[u8], portable: bool, lines: u64) -> (Vec<Masks>, Carry) {
        let mut carry = Carry { lines, ..Carry::default() };
        let mut masks = Vec::new();
        let mut rest = src;
        while !rest.is_empty() {
            let mut out = [Masks::default(); BATCH];
            let taken = index(rest, &mut carry, &mut out, portable);
            masks.extend_from_slice(&out[..taken.div_ceil(BLOCK)]);
            rest = &rest[taken..];
        }
        (masks, carry)
    }

    #[test]
    fn the_twins_agree_on_every_byte_at_every_place() {
        for place in 0..BLOCK * 2 {
            for byte in 0..=255 {
                for around in [b' ', b'a', b'"', b'\\', b'{'] {
                    let mut src = vec![around; BLOCK * 2 + 7];
                    src[place] = byte;
                    assert_eq!(run(&src, false, !0), run(&src, true, !0), "{byte:#x} at {place} among {around:#x}");
                }
            }
        }
    }

    /// The same by walking byte by byte.
    fn slowly(src: &[u8]) -> Vec<usize> {
        let (mut marks, mut string, mut escaped, mut scalar) = (Vec::new(), false, false, false);
        for (at, byte) in src.iter().enumerate() {
            let was_escaped = std::mem::take(&mut escaped);
            match byte {
                b'\\' if !was_escaped => escaped = true,
                b'"' if !was_escaped => {
                    marks.push(at);
                    string = !string;
                    scalar = false;
                    continue;
                }
                _ => {}
            }
            if string {
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => scalar = false,
                b'{' | b'[' | b'}' | b']' | b',' | b':' => {
                    scalar = false;
                    marks.push(at);
                }
                _ if !std::mem::replace(&mut scalar, true) => marks.push(at),
                _ => {}
            }
        }
        marks
    }

    #[test]
    fn marks_are_those_of_a_byte_by_byte_reading() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let alphabet = b"\"\"\"\\\\{}[],: \n1ax\xE3\x01";
        for length in (0..400).chain([2047, 2048, 2049, 5000]) {
            let src: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]
                })
                .collect();
            for portable in [false, true] {
                let (masks, _) = run(&src, portable, 0);
                let marks: Vec<usize> = (0..length).filter(|at| masks[at / 64].marks >> (at % 64) & 1 == 1).collect();
                assert_eq!(marks, slowly(&src), "{}", String::from_utf8_lossy(&src));
            }
        }
    }
}
