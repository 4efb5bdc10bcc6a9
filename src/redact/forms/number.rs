//! What is a number, less exactly? In decimal text, digit by digit: no binary fraction comes near it.

use unicode_normalization::UnicodeNormalization;

/// Integers of more digits are no measure of anything.
const DIGITS_MAX: usize = 30;
/// A string longer than this is no number, in bytes.
const TEXT_BYTES_MAX: usize = 256;
/// All ages from here on are one.
const AGE_MAX: u128 = 90;

/// A JSON number, as far as it matters here.
struct Decimal {
    negative: bool,
    /// The part before the point.
    whole: u128,
    /// Whether what is behind the point is at least a half.
    half: bool,
    /// Whether all of it is nought.
    zero: bool,
}

/// To the nearest multiple of `to`, halves away from nought.
pub(super) fn round(raw: &str, to: u32) -> Option<String> {
    let number = decimal(raw)?;
    let to = u128::from(to).max(1);
    let (times, rest) = (number.whole / to, number.whole % to);
    // Twice the rest and its fraction against the step: only where it is one short does the fraction matter.
    let up = rest * 2 >= to || (rest * 2 + 1 == to && number.half);
    let rounded = times.checked_add(u128::from(up))?.checked_mul(to)?;
    Some(if number.negative && rounded > 0 { format!("-{rounded}") } else { rounded.to_string() })
}

/// An age in whole years, 90 and above as 90.
pub(super) fn age(raw: &str) -> Option<String> {
    let number = decimal(raw).filter(|number| !number.negative || number.zero)?;
    Some(number.whole.min(AGE_MAX).to_string())
}

/// The same of a number in a string, in any width.
pub(super) fn round_text(value: &str, to: u32) -> Option<String> {
    round(&narrow(value)?, to)
}

/// The same of an age in a string, in any width; `歳` or `才` behind it stays.
pub(super) fn age_text(value: &str) -> Option<String> {
    let text = narrow(value)?;
    let (number, unit) = match text.strip_suffix(['歳', '才']) {
        Some(number) => (number.trim_end(), text.get(number.len()..)?),
        None => (text.as_str(), ""),
    };
    age(number).map(|age| format!("{age}{unit}"))
}

fn narrow(value: &str) -> Option<String> {
    let minus = |c| if super::is_dash(c) { '-' } else { c };
    (value.len() <= TEXT_BYTES_MAX).then(|| value.trim().nfkc().map(minus).collect())
}

/// RFC 8259 §6.
fn decimal(raw: &str) -> Option<Decimal> {
    let (negative, rest) = raw.strip_prefix('-').map_or((false, raw), |rest| (true, rest));
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if super::digits(fraction) => (whole, fraction),
        Some(_) => return None,
        None => (mantissa, ""),
    };
    if !super::digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let all = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let zero = all.bytes().all(|digit| digit == b'0');
    let digit =
        |at: i32| usize::try_from(at).ok().and_then(|at| all.as_bytes().get(at)).map_or(0, |digit| digit - b'0');
    let mut sum = 0u128;
    let mut significant = 0;
    for at in 0..if zero { 0 } else { point.max(0) } {
        significant += usize::from(sum > 0);
        if significant > DIGITS_MAX {
            return None;
        }
        sum = sum.checked_mul(10)?.checked_add(u128::from(digit(at)))?;
    }
    Some(Decimal { negative, whole: sum, half: point >= 0 && digit(point) >= 5, zero })
}

/// Of at most four digits: beyond that there is no number to speak of.
fn read_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number: i32 = Some(digits).filter(|digits| super::digits(digits) && digits.len() <= 4)?.parse().ok()?;
    Some(if text.starts_with('-') { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_round_by_their_digits() {
        for (raw, to, rounded) in [
            ("62.5", 5, "65"),
            ("62.4999999999999999999999", 5, "60"),
            ("62", 5, "60"),
            ("63", 5, "65"),
            ("0", 5, "0"),
            ("-0.1", 5, "0"),
            ("-2.5", 5, "-5"),
            ("-2.4", 5, "0"),
            ("2.5e0", 5, "5"),
            ("1.705e2", 10, "170"),
            ("1E3", 10, "1000"),
            ("4e-1", 1, "0"),
            ("5e-1", 1, "1"),
            ("0.45e1", 1, "5"),
            ("9007199254740993", 1, "9007199254740993"),
            ("9007199254740993.5", 2, "9007199254740994"),
            ("15", 10, "20"),
            ("14.99", 10, "10"),
            ("1.5", 3, "3"),
            ("1.4", 3, "0"),
            ("0e9999", 10, "0"),
            ("0.00", 10, "0"),
        ] {
            assert_eq!(round(raw, to).as_deref(), Some(rounded), "{raw} to {to}");
        }
        for bad in ["", "-", "01", "1.", ".5", "1e", "+1", "NaN", "1e99999", "1e40", "0x10", "1,000", "62.5kg"] {
            assert_eq!(round(bad, 5), None, "{bad}");
        }
        assert_eq!(round_text(" ６２．５ ", 5).as_deref(), Some("65"));
        assert_eq!(round_text("−７", 5).as_deref(), Some("-5"));
        assert_eq!(round_text("62.5 kg", 5), None);
    }

    #[test]
    fn the_very_old_are_of_one_age() {
        for (raw, shown) in [
            ("89", "89"),
            ("89.9", "89"),
            ("90", "90"),
            ("90.0", "90"),
            ("112", "90"),
            ("0", "0"),
            ("-0", "0"),
            ("9.1e1", "90"),
        ] {
            assert_eq!(age(raw).as_deref(), Some(shown), "{raw}");
        }
        assert_eq!(age("-1"), None);
        for (text, shown) in [("９２歳", "90歳"), ("34 才", "34才"), ("101", "90")] {
            assert_eq!(age_text(text).as_deref(), Some(shown), "{text}");
        }
        for bad in ["old", "歳", "90+", "八十"] {
            assert_eq!(age_text(bad), None, "{bad}");
        }
    }

    proptest! {
        /// Against integers: a number of thousandths, rounded by division.
        #[test]
        fn rounding_is_what_division_says(thousandths in -9_000_000_000i64..9_000_000_000, to in 1u32..2000) {
            let sign = if thousandths < 0 { "-" } else { "" };
            let raw = format!("{sign}{}.{:03}", thousandths.abs() / 1000, thousandths.abs() % 1000);
            let step = i64::from(to) * 1000;
            let rounded = (thousandths.abs() * 2 + step) / (step * 2) * i64::from(to) * thousandths.signum();
            prop_assert_eq!(round(&raw, to), Some(rounded.to_string()));
            let shifted = format!("{sign}{}e-3", thousandths.abs());
            prop_assert_eq!(round(&shifted, to), Some(rounded.to_string()));
        }

        #[test]
        fn nothing_makes_it_fail(text in "[-+0-9.eE]{0,40}", to in 0u32..9) {
            let _ = (round(&text, to), age(&text));
        }
    }
}
