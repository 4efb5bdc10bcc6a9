//! When was a year of a Japanese era? The five eras since the Gregorian calendar came, with their days of change.
//!
//! | era | first day | last day | year 1 |
//! |---|---|---|---|
//! | 明治 Meiji | (6) 1873-01-01 | (45) 1912-07-30 | 1868 |
//! | 大正 Taisho | 1912-07-30 | (15) 1926-12-25 | 1912 |
//! | 昭和 Showa | 1926-12-25 | (64) 1989-01-07 | 1926 |
//! | 平成 Heisei | 1989-01-08 | (31) 2019-04-30 | 1989 |
//! | 令和 Reiwa | 2019-05-01 | | 2019 |
//!
//! The first two changes took hold on the day itself, which is thus of both eras; the later ones at midnight. Before Meiji 6
//! the calendar was another: a date of then is not understood. A date past its era's last day (平成31年5月1日) never was, and
//! is not understood either.
//!
//! Source: Grand Council of State edict 337 (1872); the edicts of 1912-07-30 and 1926-12-25; Cabinet Orders 1/1989 and
//! 143/2019 under the Era Name Act (Act 43/1979).

use jiff::civil::{Date, date};

/// An era: by which names it is written, and when it was.
pub(super) struct Era {
    pub(super) name: &'static str,
    pub(super) letter: char,
    /// The Gregorian year before its year 1.
    before: i16,
    first: Date,
    last: Date,
}

/// The eras.
pub(super) const ERAS: [Era; 5] = [
    Era { name: "令和", letter: 'R', before: 2018, first: date(2019, 5, 1), last: date(9999, 12, 31) },
    Era { name: "平成", letter: 'H', before: 1988, first: date(1989, 1, 8), last: date(2019, 4, 30) },
    Era { name: "昭和", letter: 'S', before: 1925, first: date(1926, 12, 25), last: date(1989, 1, 7) },
    Era { name: "大正", letter: 'T', before: 1911, first: date(1912, 7, 30), last: date(1926, 12, 25) },
    Era { name: "明治", letter: 'M', before: 1867, first: date(1873, 1, 1), last: date(1912, 7, 30) },
];

impl Era {
    /// The Gregorian year of a year of the era.
    pub(super) fn year(&self, of_era: i16) -> Option<i16> {
        let year = self.before.checked_add(of_era).filter(|_| of_era >= 1)?;
        (self.first.year()..=self.last.year()).contains(&year).then_some(year)
    }

    /// Whether any of these days was in the era.
    pub(super) fn has(&self, first: Date, last: Date) -> bool {
        first <= self.last && last >= self.first
    }
}
