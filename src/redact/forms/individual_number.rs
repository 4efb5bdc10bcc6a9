//! Is this an Individual Number (マイナンバー)? Twelve digits, the last of which checks the others.
//!
//! The Numbers Act closes the purposes for which one may leave, whoever consents; one that stands where nobody expects it is
//! therefore withheld. Looked at is what a reader would see: digits of any script and shape, kanji numerals among them, with blanks and dashes of any kind
//! and marks that show nothing anywhere among them. About one in eleven strings of twelve digits passes by chance: fields of a
//! fixed format, and those that a catalogue exempts with a reason, are not looked at. A number inside a longer text is not found,
//! so that a word with a numeral in it (三浦, 五十嵐) is none.
//!
//! Source: Act 27/2013 arts. 2(5), 19, 20; Ministry of Internal Affairs and Communications Ordinance 85/2014 art. 5.

use unicode_normalization::UnicodeNormalization;

use super::super::text;

/// The longest beginning of a string, in bytes, that is kept without asking whether it may still become one.
pub(in crate::redact) const WATCHED_BYTES_MAX: usize = 256;

/// Whether a string's token, quotes included, could mean an Individual Number: a quick look that errs towards yes.
pub(in crate::redact) fn may_hold_number(raw: &[u8]) -> bool {
    let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    inside.len() >= 12 && {
        // Digits, dashes and blanks; an escape or a wide character may mean one of these.
        let plain = inside.iter().position(|b| !matches!(b, b'0'..=b'9' | b' ' | b'-'));
        plain.is_none_or(|at| may_mean_digit(inside.get(at..).unwrap_or_default()))
    }
}

/// Whether what begins here may be a digit, dash, blank or mark. Kana, letters and kanji but for the numerals are not: most text is
/// told by its first bytes.
fn may_mean_digit(bytes: &[u8]) -> bool {
    match bytes {
        [b'\\' | b'~' | 0x7F | 0xC2 | 0xCB..=0xCD | 0xD6..=0xE0 | 0xE1 | 0xE2 | 0xEA | 0xEF | 0xF0 | 0xF3, ..] => true,
        [0xCE, 0x84 | 0x85, ..] => true, // accents by themselves: blanks with a mark
        [0xE3, 0x81, ..] => false,
        [0xE3, 0x82, last, ..] => *last == 0xA0, // ゠
        [0xE3, 0x83, last, ..] => *last == 0xBC, // ー
        [0xE3, second, ..] => *second < 0x90,    // ideographs from there on
        [0xE4..=0xE9, _, _, ..] => {
            let first = bytes.get(..3).and_then(|first| std::str::from_utf8(first).ok());
            first.and_then(|first| first.chars().next()).is_some_and(|c| kanji(c).is_some())
        }
        _ => false,
    }
}

/// Whether a string's token means an Individual Number and nothing else.
pub(in crate::redact) fn is_individual_number(raw: &[u8]) -> bool {
    may_hold_number(raw) && text::unquote(raw).is_some_and(|value| is_number(&value))
}

/// Whether a string that begins so, its opening quote included, may still turn out to be one.
pub(in crate::redact) fn may_become_number(raw: &[u8]) -> bool {
    let inside = raw.get(1..).unwrap_or_default();
    let mut whole = match std::str::from_utf8(inside) {
        Ok(text) => text,
        Err(cut) => inside.get(..cut.valid_up_to()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default(),
    };
    // An escape, or a pair of them, may be cut off: what may belong to it is not asked about.
    let near = whole.floor_char_boundary(whole.len().saturating_sub(12));
    if let Some(escape) = whole.get(near..).and_then(|end| end.find('\\')) {
        whole = whole.get(..near + escape).unwrap_or_default();
    }
    let high = |at: usize| match whole.as_bytes().get(at..) {
        Some([b'\\', b'u', b'd' | b'D', third, ..]) => matches!(third, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
        Some(_) | None => false,
    };
    if let Some(at) = whole.len().checked_sub(6).filter(|at| high(*at)) {
        whole = whole.get(..at).unwrap_or_default();
    }
    text::unescape(whole.as_bytes()).is_some_and(|value| {
        let mut count = 0;
        digits(&value).all(|mark| {
            count += usize::from(matches!(mark, Mark::Digit(_)));
            mark != Mark::Other && count <= 12
        })
    })
}

/// Whether a text, as somebody wrote it in a search, is an Individual Number: it could be told by a comparison of whole values.
/// A `system|` before it that is a URI names whose number it is: then it is none.
pub fn means_individual_number(text: &str) -> bool {
    match text.rsplit_once('|') {
        Some((system, _)) if !system.contains('|') && text::is_uri(system) => false,
        Some((_, code)) => is_number(code),
        None => is_number(text),
    }
}

/// Whether a text, as somebody wrote it in a search, has a digit of any script, or what some server may take for one: what has none
/// spells none. Kanji numerals are digits where a word has nothing else: in 三浦 there is a letter, which is in no value that is
/// an Individual Number.
pub fn holds_digit(text: &str) -> bool {
    let is_digit = |c: char| c.is_numeric() || (digit(c).is_some() && kanji(c).is_none());
    let seen = || text.chars().filter(|c| !is_unseen(*c)).nfkc();
    if text.nfkc().chain(seen()).any(is_digit) {
        return true;
    }
    let seen: String = seen().collect();
    let mut words = seen.split(|c: char| !c.is_alphanumeric() || is_dash(c)).filter(|word| !word.is_empty());
    words.any(|word| word.chars().all(|c| kanji(c).is_some()))
}

/// Whether a value is one: twelve digits and nothing else that shows.
fn is_number(value: &str) -> bool {
    let mut number = [0u8; 12];
    let mut count = 0;
    for mark in digits(value) {
        match mark {
            Mark::Digit(digit) => {
                let Some(place) = number.get_mut(count) else { return false };
                *place = digit;
                count += 1;
            }
            Mark::Nothing => {}
            Mark::Other => return false,
        }
    }
    // Circles alone hold the place of something that nobody wrote.
    let written = number.iter().any(|digit| *digit != 0) || !value.contains(['○', '◯']);
    let [numbers @ .., check] = number;
    count == 12 && written && check_digit(numbers) == check
}

/// What a character counts as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Digit(u8),
    /// A blank, a dash, or what shows nothing.
    Nothing,
    Other,
}

/// A value in one spelling, character by character.
fn digits(value: &str) -> impl Iterator<Item = Mark> {
    value.chars().filter(|c| !is_unseen(*c)).nfkc().map(|c| match digit(c) {
        Some(digit) => Mark::Digit(digit),
        None if c.is_whitespace() || is_dash(c) || is_unseen(c) => Mark::Nothing,
        None => Mark::Other,
    })
}

/// The digit that a kanji is where a number is written digit by digit: the common ones, and those of deeds (大字) with their old
/// and other shapes. Those of tens and hundreds are none.
const fn kanji(c: char) -> Option<u8> {
    Some(match c {
        // The circles are what a keyboard gives for the first.
        '〇' | '零' | '○' | '◯' => 0,
        '一' | '壱' | '壹' | '弌' => 1,
        '二' | '弐' | '貳' | '貮' | '贰' | '弍' => 2,
        '三' | '参' | '參' | '叁' | '叄' | '弎' => 3,
        '四' | '肆' => 4,
        '五' | '伍' => 5,
        '六' | '陸' | '陆' => 6,
        '七' | '漆' | '柒' | '桼' => 7,
        '八' | '捌' => 8,
        '九' | '玖' => 9,
        _ => return None,
    })
}

/// The decimal digit that a character is, in any script.
fn digit(c: char) -> Option<u8> {
    if let Some(digit) = c.to_digit(10) {
        return u8::try_from(digit).ok();
    }
    if let Some(digit) = kanji(c) {
        return Some(digit);
    }
    if matches!(c, '⓿' | '🄋' | '🄌') {
        return Some(0);
    }
    let code = u32::from(c);
    if code < 0x660 {
        return None;
    }
    let after = ZEROS.partition_point(|zero| *zero <= code);
    let from_zero = |zero: u32| u8::try_from(code - zero).ok().filter(|digit| *digit < 10);
    let decimal = after.checked_sub(1).and_then(|at| from_zero(*ZEROS.get(at)?));
    decimal.or_else(|| {
        let one = CIRCLED_ONES.iter().find(|one| (**one..**one + 9).contains(&code))?;
        u8::try_from(code - one + 1).ok()
    })
}

/// The noughts of the decimal digits (general category Nd) that NFKC leaves as they are; nine more follow each. Unicode 17.
const ZEROS: [u32; 76] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20,
    0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0,
    0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0,
    0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50,
    0x11D50, 0x11DA0, 0x11DE0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE, 0x1D7D8,
    0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// The ones of digits in circles that NFKC leaves as they are; eight more follow each.
const CIRCLED_ONES: [u32; 5] = [0x24F5, 0x2776, 0x2780, 0x278A, 0x1D360];

/// Dashes (general category Pd) and what looks like one.
fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '~' | '\u{2D7}' | '\u{58A}' | '\u{5BE}' | '\u{1400}' | '\u{1806}' | '\u{2010}'
            ..='\u{2015}'
                | '\u{2043}'
                | '\u{2053}'
                | '\u{207B}'
                | '\u{208B}'
                | '\u{2212}'
                | '\u{223C}'
                | '\u{2500}'
                | '\u{2501}'
                | '\u{2796}'
                | '\u{2E17}'
                | '\u{2E1A}'
                | '\u{2E3A}'
                | '\u{2E3B}'
                | '\u{2E40}'
                | '\u{2E5D}'
                | '\u{301C}'
                | '\u{3030}'
                | '\u{30A0}'
                | '\u{30FC}'
                | '\u{FE31}'
                | '\u{FE32}'
                | '\u{FE58}'
                | '\u{FE63}'
                | '\u{FF0D}'
                | '\u{FF5E}'
                | '\u{FF70}'
                | '\u{10D6E}'
                | '\u{10EAD}'
    )
}

/// What shows nothing of its own: controls, default ignorables, format characters, marks laid over a character, and the blanks
/// that are no white space.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{300}'..='\u{36F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}' | '\u{891}'
            | '\u{8E2}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{20D0}'..='\u{20F0}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// 11 − (Σ P_n Q_n mod 11), nought where the remainder is at most 1. P_n is the n-th digit from the lowest, Q_n is n + 1 up
/// to the sixth and n − 5 from the seventh.
fn check_digit(numbers: [u8; 11]) -> u8 {
    let weighted = numbers.iter().rev().zip((2u32..=7).chain(2..=6));
    let sum: u32 = weighted.map(|(digit, weight)| u32::from(*digit) * weight).sum();
    match sum % 11 {
        0 | 1 => 0,
        rest => u8::try_from(11 - rest).unwrap_or(0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]
mod tests;
