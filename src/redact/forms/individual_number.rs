//! Is this an Individual Number (マイナンバー)? Twelve digits, the last of which checks the others.
//!
//! The Numbers Act closes the purposes for which one may leave, whoever consents; one that stands where nobody expects it is
//! therefore withheld. About one in eleven strings of twelve digits passes by chance: fields of a fixed format, and those
//! that a catalogue exempts with a reason, are not looked at. A number inside a longer text is not found.
//!
//! Source: Act 27/2013 arts. 2(5), 19, 20; Ministry of Internal Affairs and Communications Ordinance 85/2014 art. 5.

use unicode_normalization::UnicodeNormalization;

use super::super::text;

/// The longest string, in bytes of its token, that may be one: twelve escaped digits, and blanks around and between.
pub(in crate::redact) const WATCHED_BYTES_MAX: usize = 256;

/// Whether a string's token, quotes included, could mean an Individual Number: a quick look that errs towards yes.
pub(in crate::redact) fn may_hold_number(raw: &[u8]) -> bool {
    let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    (12..=WATCHED_BYTES_MAX).contains(&inside.len()) && {
        // Digits, dashes and blanks; an escape or a wide character may mean one of these.
        let plain = inside.iter().position(|b| !matches!(b, b'0'..=b'9' | b' ' | b'-'));
        plain.is_none_or(|at| may_mean_digit(inside.get(at..).unwrap_or_default()))
    }
}

/// Whether what begins here may become a digit, dash or blank once it is unescaped and in half width. Kana, kanji and
/// letters do not: most Japanese text is told by its first bytes.
fn may_mean_digit(bytes: &[u8]) -> bool {
    match bytes {
        [b'\\' | 0xC2 | 0xE2 | 0xEF | 0xF0, ..] => true,
        [0xE3, 0x81 | 0x82, ..] => false,
        [0xE3, 0x83, last, ..] => *last == 0xBC, // ー
        [0xE3, ..] => true,
        _ => false,
    }
}

/// Whether a string's token means an Individual Number and nothing else.
pub(in crate::redact) fn is_individual_number(raw: &[u8]) -> bool {
    may_hold_number(raw) && text::unquote(raw).is_some_and(|value| is_number(&value))
}

/// Whether a value is one: twelve digits in any width, perhaps with blanks or dashes between the groups of four.
fn is_number(value: &str) -> bool {
    let mut digits = [0u8; 12];
    let mut count = 0;
    let mut between = false;
    for c in value.nfkc() {
        match c.to_digit(10).and_then(|digit| u8::try_from(digit).ok()) {
            Some(digit) => {
                // Whatever stands between digits stands between groups of four.
                let at_group = matches!(count, 0 | 4 | 8);
                let Some(place) = digits.get_mut(count).filter(|_| !between || at_group) else { return false };
                *place = digit;
                (count, between) = (count + 1, false);
            }
            None if c.is_whitespace() || is_separator(c) => between = true,
            None => return false,
        }
    }
    let [numbers @ .., check] = digits;
    count == 12 && check_digit(numbers) == check
}

/// Dashes as they come between groups of digits; blanks besides.
fn is_separator(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | 'ー')
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
mod tests {
    use super::super::super::slice::Finder;
    use super::*;
    use proptest::prelude::*;

    fn hit(value: &str) -> bool {
        is_individual_number(&serde_json::to_vec(value).unwrap())
    }

    /// By the ordinance's own words, digit by digit.
    fn by_the_book(digits: &str) -> u8 {
        let p = |n: usize| u32::from(digits.as_bytes()[11 - n] - b'0');
        let q = |n: usize| u32::try_from(if n <= 6 { n + 1 } else { n - 5 }).unwrap();
        let remainder = (1..=11).map(|n| p(n) * q(n)).sum::<u32>() % 11;
        if remainder <= 1 { 0 } else { u8::try_from(11 - remainder).unwrap() }
    }

    #[test]
    fn a_number_is_known_however_it_is_spelt() {
        for good in [
            "123456789018",
            "1234 5678 9018",
            "1234-5678-9018",
            "１２３４５６７８９０１８",
            "1234－5678－9018",
            " 123456789018　",
            "1234ー5678−9018",
            "①②③④５６７８９０１８",
            "1234 - 5678 - 9018",
            "1234 56789018",
        ] {
            assert!(hit(good), "{good}");
        }
        assert!(is_individual_number(br#""\u0031\u0032\u0033456789018""#));
        for bad in [
            "123456789017",
            "12345678901",
            "1234567890180",
            "12-3456789018",
            "1234_5678_9018",
            "A123456789018",
            "123456789018 です",
            "1234.5678.9018",
            "",
            "            ",
            "1234-5678-901-8",
        ] {
            assert!(!hit(bad), "{bad}");
        }
    }

    #[test]
    fn a_container_is_looked_through_to_its_end_and_not_beyond() {
        for quiet in [r#"{"a":["b",{"c":"\\\"]"}],"n":123456789018}"123456789018""#, "[]", "[[]]", r#"["12345678901"]"#]
        {
            assert!(Finder::new().no_string(quiet.as_bytes(), may_hold_number), "{quiet}");
        }
        let loud =
            [r#"["123456789018"]"#, r#"{"a":{"b":"1234 5678 9018"}}"#, r#"{"a":["b""#, "[[]", "", r#"["a"#, r#""a""#];
        for loud in loud.into_iter().chain([r#"["\u0031\u0032\u0033456789018"]"#]) {
            assert!(!Finder::new().no_string(loud.as_bytes(), may_hold_number), "{loud}");
        }
    }

    proptest! {
        #[test]
        fn the_check_digit_is_the_ordinances(digits in "[0-9]{11}") {
            let check = by_the_book(&digits);
            for last in 0..10 {
                prop_assert_eq!(hit(&format!("{digits}{last}")), last == check);
            }
        }

        #[test]
        fn the_quick_look_never_says_no_to_one(digits in "[0-9]{11}", wide in any::<bool>(), dashes in any::<bool>()) {
            let mut text = format!("{digits}{}", by_the_book(&digits));
            if dashes {
                text = format!("{}-{}-{}", &text[..4], &text[4..8], &text[8..]);
            }
            if wide {
                text = text.chars().map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap()).collect();
            }
            prop_assert!(hit(&text), "{}", text);
        }
    }
}
