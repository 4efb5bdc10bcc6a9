//! What day, month or year is written here? ISO 8601, with slashes, in eight digits, and as dates are written in Japanese.
//!
//! `1987-05-02`, `1987-05`, `1987`, any of the first with a time behind `T` or a blank; `1987/5/2`, `1987/05`; `19870502`;
//! `1987年5月2日`, `西暦1987年`; `昭和62年5月2日`, `昭和六十二年`, `平成元年`, `S62.5.2`, `R5/3/1`, each with `生` behind it. Full
//! width is read as half width, and blanks inside Japanese dates do not count. A day that never was is no date.

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;

use super::japanese::japanese;
use super::{digits, is_dash};

/// A value longer than this is no date, in bytes.
const DATE_BYTES_MAX: usize = 96;

/// How exactly a date is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exact {
    Year(i16),
    Month(i16, i8),
    Day(Date),
}

/// In which way a day is written, so that another can be written likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `1987-05-02`; what is Japanese is written so too.
    Iso,
    /// `1987/05/02`
    Slashes,
    /// `19870502`
    EightDigits,
}

/// A date as it was read; a time behind it is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) exact: Exact,
    pub(super) style: Style,
}

impl Read {
    fn number(&self) -> i16 {
        match self.exact {
            Exact::Year(year) | Exact::Month(year, _) => year,
            Exact::Day(date) => date.year(),
        }
    }

    /// `YYYY`.
    pub(super) fn year(&self) -> String {
        format!("{:04}", self.number())
    }

    /// The first year of the ten, `YYYY`.
    pub(super) fn decade(&self) -> String {
        let year = self.number();
        format!("{:04}", year - year % 10)
    }

    /// `YYYY-MM`; `None` where only the year is known.
    pub(super) fn month(&self) -> Option<String> {
        match self.exact {
            Exact::Year(_) => None,
            Exact::Month(year, month) => Some(format!("{year:04}-{month:02}")),
            Exact::Day(date) => Some(format!("{:04}-{:02}", date.year(), date.month())),
        }
    }

    /// The day, where it is known.
    pub(super) fn day(&self) -> Option<(Date, Style)> {
        match self.exact {
            Exact::Day(date) => Some((date, self.style)),
            Exact::Year(_) | Exact::Month(..) => None,
        }
    }
}

impl Style {
    /// A day written in this way.
    pub(super) fn write(self, date: Date) -> String {
        let (year, month, day) = (date.year(), date.month(), date.day());
        match self {
            Style::Iso => format!("{year:04}-{month:02}-{day:02}"),
            Style::Slashes => format!("{year:04}/{month:02}/{day:02}"),
            Style::EightDigits => format!("{year:04}{month:02}{day:02}"),
        }
    }
}

/// The date that a value is, and nothing else.
pub(super) fn read(value: &str) -> Option<Read> {
    if value.len() > DATE_BYTES_MAX {
        return None;
    }
    if value.is_ascii() {
        return western(value).or_else(|| japanese(value));
    }
    let narrow: String = value.nfkc().map(|c| if is_dash(c) { '-' } else { c }).collect();
    let narrow = narrow.trim();
    western(narrow).or_else(|| japanese(narrow))
}

fn western(value: &str) -> Option<Read> {
    let (date, time) = match value.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (value, None),
    };
    let read = if date.len() == 8 && digits(date) {
        eight_digits(date)
    } else if date.contains('/') {
        separated(date, '/', 1).filter(|read| !matches!(read.exact, Exact::Year(_)))
    } else {
        separated(date, '-', 2)
    }?;
    let timed = time.is_none_or(|time| matches!(read.exact, Exact::Day(_)) && is_time(time));
    timed.then_some(read)
}

fn eight_digits(date: &str) -> Option<Read> {
    let number = |from, to| date.get(from..to)?.parse().ok();
    let day = Date::new(number(0, 4)?, i8::try_from(number(4, 6)?).ok()?, i8::try_from(number(6, 8)?).ok()?).ok()?;
    Some(Read { exact: Exact::Day(day), style: Style::EightDigits })
}

/// Year, month and day between separators; months and days of at least so many digits.
fn separated(date: &str, by: char, least: usize) -> Option<Read> {
    let mut parts = date.split(by);
    let year = parts.next().filter(|year| year.len() == 4 && digits(year))?.parse().ok()?;
    let mut next = || -> Option<Option<i8>> {
        let Some(part) = parts.next() else { return Some(None) };
        let fits = (least..=2).contains(&part.len()) && digits(part);
        fits.then(|| part.parse().ok()).flatten().map(Some)
    };
    let (month, day) = (next()?, next()?);
    let style = if by == '/' { Style::Slashes } else { Style::Iso };
    let read = Read { exact: exact(year, month, day)?, style };
    parts.next().is_none().then_some(read)
}

/// What was, of a year, a month and a day.
pub(super) fn exact(year: i16, month: Option<i8>, day: Option<i8>) -> Option<Exact> {
    match (month, day) {
        _ if year < 1 => None,
        (None, _) => Some(Exact::Year(year)),
        (Some(month), None) => (1..=12).contains(&month).then_some(Exact::Month(year, month)),
        (Some(month), Some(day)) => Date::new(year, month, day).ok().map(Exact::Day),
    }
}

/// `hh:mm`, seconds and a fraction if given, and a zone if given.
fn is_time(time: &str) -> bool {
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let zone_fits = match zone.strip_prefix(['+', '-']) {
        Some(offset) => is_clock(offset, 2..=2),
        None => zone.is_empty() || zone == "Z",
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    zone_fits && digits(fraction) && is_clock(clock, 2..=3)
}

/// Hours, minutes and perhaps seconds, two digits each.
fn is_clock(text: &str, groups: std::ops::RangeInclusive<usize>) -> bool {
    let fits = |(at, part): (usize, &str)| {
        let most = [24, 59, 60].get(at).copied().unwrap_or(0);
        part.len() == 2 && digits(part) && part.parse::<u8>().is_ok_and(|n| n <= most)
    };
    text.split(':').enumerate().all(fits) && groups.contains(&text.split(':').count())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::super::era::ERAS;
    use super::*;
    use proptest::prelude::*;

    fn day(value: &str) -> Option<String> {
        read(value).and_then(|read| read.day()).map(|(date, _)| Style::Iso.write(date))
    }

    #[test]
    fn a_date_is_the_same_however_it_is_written() {
        for good in [
            "1987-05-02",
            "1987-05-02T10:00:00+09:00",
            "1987-05-02T10:00Z",
            "1987-05-02T10:00:00.5Z",
            "1987-05-02 10:00",
            "1987/05/02",
            "1987/5/2",
            "19870502",
            "１９８７－０５－０２",
            "1987年5月2日",
            "西暦1987年05月02日",
            "昭和62年5月2日",
            "昭和６２年５月２日",
            "昭和 62年 5月 2日生",
            "昭和六十二年五月二日",
            "S62.5.2",
            "s62/05/02",
            "Ｓ６２．５．２",
            "㍼62年5月2日",
            "一九八七年五月二日",
        ] {
            assert_eq!(day(good).as_deref(), Some("1987-05-02"), "{good}");
        }
        for (partial, year, month) in [
            ("1987", "1987", None),
            ("１９８７", "1987", None),
            ("1987-05", "1987", Some("1987-05")),
            ("1987/5", "1987", Some("1987-05")),
            ("平成元年", "1989", None),
            ("H元.12", "1989", Some("1989-12")),
            ("令和5年3月", "2023", Some("2023-03")),
            ("R5", "2023", None),
            ("㋿元年", "2019", None),
            ("大正十五年", "1926", None),
        ] {
            let read = read(partial).unwrap();
            assert_eq!((read.year().as_str(), read.month().as_deref()), (year, month), "{partial}");
            assert_eq!(day(partial), None, "{partial}");
        }
    }

    #[test]
    fn what_is_not_exactly_a_date_is_none() {
        for bad in [
            "",
            "87",
            "1987-13",
            "1987-05-32",
            "1987-02-29",
            "1987-05-02 taro",
            "1987-05-02T",
            "1987-5-2",
            "0000",
            "0000-01-01",
            "1987-",
            "1987-05T10:00",
            "1987-05-02T10",
            "1987-05-02T10:00+0900",
            "1987-05-02T99:00",
            "+987",
            "1987/",
            "1987/05/02/01",
            "19871302",
            "87年",
            "1987年5",
            "1987年13月",
            "5月2日",
            "62.5.2",
            "昭和",
            "昭和年",
            "X62.5.2",
            "昭和〇年",
            "昭和0年",
            "令和5年3月1日午後",
            "H1 2",
            "昭和6 2年5月2日",
            "昭和二 十年",
            "平成元元年",
            "元年",
            "1987年元月",
            "昭和百年",
            "二〇年",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&"１".repeat(60)), None);
    }

    #[test]
    fn an_era_ends_and_begins_on_its_days() {
        for (there, was) in [
            ("明治45年7月30日", "1912-07-30"),
            ("大正元年7月30日", "1912-07-30"),
            ("大正15年12月25日", "1926-12-25"),
            ("昭和元年12月25日", "1926-12-25"),
            ("昭和64年1月7日", "1989-01-07"),
            ("平成元年1月8日", "1989-01-08"),
            ("平成31年4月30日", "2019-04-30"),
            ("令和元年5月1日", "2019-05-01"),
            ("明治6年1月1日", "1873-01-01"),
        ] {
            assert_eq!(day(there).as_deref(), Some(was), "{there}");
        }
        for never in [
            "明治45年7月31日",
            "大正元年7月29日",
            "大正15年12月26日",
            "昭和元年12月24日",
            "昭和64年1月8日",
            "平成元年1月7日",
            "平成31年5月1日",
            "令和元年4月30日",
            "平成31年5月",
            "令和元年4月",
            "平成32年",
            "昭和65年",
            "明治5年",
            "明治5年12月2日",
        ] {
            assert_eq!(read(never), None, "{never}");
        }
    }

    proptest! {
        /// Every day since Meiji 6 is read back from the era that it was in.
        #[test]
        fn every_day_of_an_era_is_understood(days in 0i32..62_000) {
            let date = jiff::civil::date(1873, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let era = ERAS.iter().find(|era| era.has(date, date)).unwrap();
            let of_era = (1..100).find(|n| era.year(*n) == Some(date.year())).unwrap();
            for text in [
                format!("{}{of_era}年{}月{}日", era.name, date.month(), date.day()),
                format!("{}{of_era:02}.{:02}.{:02}", era.letter, date.month(), date.day()),
            ] {
                prop_assert_eq!(day(&text), Some(Style::Iso.write(date)), "{}", text);
            }
        }

        #[test]
        fn nothing_makes_it_fail(text in ".{0,40}") {
            let _ = read(&text);
        }
    }
}
