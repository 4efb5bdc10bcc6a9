//! Which date is this, as dates are written in Japanese? Of an era or by the Gregorian year, in digits or Chinese numerals.

use jiff::civil::Date;

use super::date::{Exact, Read, Style, exact};
use super::digits;
use super::era::{ERAS, Era};

/// A date as it is written in Japanese, in half width.
pub(super) fn japanese(value: &str) -> Option<Read> {
    let bare = without_blanks(value)?;
    let bare = bare.strip_suffix("生まれ").or_else(|| bare.strip_suffix('生')).unwrap_or(&bare);
    let (era, rest) = era(bare);
    let (year, month, day) = match rest.contains('年') {
        true => units(rest, era.is_some())?,
        // Without 年 only an era shows that it is a date.
        false => dotted(rest).filter(|_| era.is_some())?,
    };
    let Some(era) = era else { return Some(Read { exact: exact(year, month, day)?, style: Style::Iso }) };
    let exact = exact(era.year(year)?, month, day)?;
    let there = match exact {
        Exact::Year(_) => true,
        Exact::Month(year, month) => Date::new(year, month, 1).is_ok_and(|first| era.has(first, first.last_of_month())),
        Exact::Day(day) => era.has(day, day),
    };
    there.then_some(Read { exact, style: Style::Iso })
}

/// Blanks do not count, but for one between two digits: whether that parts a number nobody can tell.
fn without_blanks(value: &str) -> Option<String> {
    let parts: Vec<&str> = value.split_whitespace().collect();
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit() || c == '十' || numeral(c).is_some());
    let parted = parts.windows(2).any(|pair| match pair {
        [before, after] => digit(before.chars().next_back()) && digit(after.chars().next()),
        _ => false,
    });
    (!parted).then(|| parts.concat())
}

/// The era that a date begins with, and what follows it.
fn era(bare: &str) -> (Option<&'static Era>, &str) {
    for era in &ERAS {
        if let Some(rest) = bare.strip_prefix(era.name) {
            return (Some(era), rest);
        }
        let mut chars = bare.chars();
        if chars.next().is_some_and(|first| first.to_ascii_uppercase() == era.letter)
            && chars.clone().next().is_some_and(|next| next.is_ascii_digit() || next == '元')
        {
            return (Some(era), chars.as_str());
        }
    }
    (None, bare.strip_prefix("西暦").unwrap_or(bare))
}

/// `62年5月2日`, `62年5月`, `62年`.
fn units(rest: &str, of_era: bool) -> Option<(i16, Option<i8>, Option<i8>)> {
    let (year, rest) = rest.split_once('年')?;
    let year = match year {
        "元" if of_era => 1,
        year => number(year, if of_era { 1..=2 } else { 4..=4 })?,
    };
    if rest.is_empty() {
        return Some((year, None, None));
    }
    let (month, rest) = rest.split_once('月')?;
    let month = i8::try_from(number(month, 1..=2)?).ok()?;
    if rest.is_empty() {
        return Some((year, Some(month), None));
    }
    let day = i8::try_from(number(rest.strip_suffix('日')?, 1..=2)?).ok()?;
    Some((year, Some(month), Some(day)))
}

/// `62.5.2`, `62/5`, `元-5-2`.
fn dotted(rest: &str) -> Option<(i16, Option<i8>, Option<i8>)> {
    let by = rest.chars().find(|c| matches!(c, '.' | '/' | '-')).unwrap_or('.');
    let mut parts = rest.split(by);
    let year = match parts.next()? {
        "元" => 1,
        year => number(year, 1..=2)?,
    };
    let mut next = || -> Option<Option<i8>> {
        let Some(part) = parts.next() else { return Some(None) };
        number(part, 1..=2).and_then(|number| i8::try_from(number).ok()).map(Some)
    };
    let read = (year, next()?, next()?);
    parts.next().is_none().then_some(read)
}

/// A number in digits, so many of them, or in Chinese numerals: `二十三`, `十`, `〇五`, `一九八七`.
fn number(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<i16> {
    if digits(text) {
        return length.contains(&text.len()).then(|| text.parse().ok()).flatten();
    }
    if let Some((tens, ones)) = text.split_once('十') {
        let tens = if tens.is_empty() { 1 } else { one(tens)? };
        let ones = if ones.is_empty() { 0 } else { one(ones)? };
        return (*length.start() <= 2 && tens > 0).then_some(tens * 10 + ones);
    }
    let count = text.chars().count();
    let each = text.chars().map(numeral).try_fold(0i16, |sum, digit| sum.checked_mul(10)?.checked_add(digit?));
    each.filter(|_| length.contains(&count))
}

fn one(text: &str) -> Option<i16> {
    let mut chars = text.chars();
    let digit = numeral(chars.next()?)?;
    chars.next().is_none().then_some(digit)
}

fn numeral(c: char) -> Option<i16> {
    let at = "〇一二三四五六七八九".chars().position(|digit| digit == c)?;
    i16::try_from(at).ok()
}
