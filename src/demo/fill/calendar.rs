//! When is somebody at work? Days in Tokyo that end at one fixed moment, and hours that have a rhythm.

use jiff::civil::{Date, Weekday};

use crate::demo::sample::Numbers;

/// Where every filled period ends: 2026-11-01T00:00 in Tokyo, in milliseconds since the Unix epoch.
pub const END_MS: u64 = 1_793_458_800_000;
/// Tokyo has no summer time: all days are as long.
const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;
/// Tokyo is so far ahead of UTC.
const AHEAD_MS: u64 = 9 * 3_600_000;

/// One day in Tokyo.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    /// Its midnight, in milliseconds since the Unix epoch.
    pub(super) start_ms: u64,
    /// Its date.
    pub(super) date: Date,
}

/// The `count` days before [`END_MS`], in order.
pub(super) fn days(count: u32) -> Vec<Day> {
    let starts = (1..=u64::from(count)).rev().map(|before| END_MS - before * DAY_MS);
    starts.filter_map(|start_ms| Some(Day { start_ms, date: date(start_ms)? })).collect()
}

/// The date in Tokyo at that moment; `None` beyond the year 9999.
pub fn date(at_ms: u64) -> Option<Date> {
    let there = i64::try_from(at_ms.saturating_add(AHEAD_MS)).ok()?;
    let there = jiff::Timestamp::from_millisecond(there).ok()?;
    Some(there.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// When somebody works.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hours {
    /// Monday to Friday between 8:30 and 18:30, little at noon, and on a few Saturday mornings.
    Office,
    /// From ten in the evening to six in the morning, every day.
    Night,
    /// Monday to Friday between so many minutes after midnight, as a program calls.
    Program(u64, u64),
}

impl Hours {
    /// The moments of `count` accesses on that day, in no order; fewer on a Saturday, none on a Sunday.
    pub(super) fn moments(self, day: &Day, count: u64, numbers: &mut Numbers) -> Vec<u64> {
        let weekend = matches!(day.date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let count = match (self, day.date.weekday()) {
            (Hours::Office, Weekday::Saturday) if numbers.below(4) == 0 => count / 6,
            (Hours::Office | Hours::Program(..), _) if weekend => 0,
            _ => count,
        };
        // Nobody begins and ends at the same minute as everybody else.
        let (begin, end) = (numbers.below(50), numbers.below(80));
        let morning = day.date.weekday() == Weekday::Saturday;
        (0..count)
            .map(|_| day.start_ms + self.minute(begin, end, morning, numbers) * MINUTE_MS + below_minute(numbers))
            .collect()
    }

    fn minute(self, begin: u64, end: u64, morning: bool, numbers: &mut Numbers) -> u64 {
        match self {
            Hours::Office if morning => 540 + numbers.below(180),
            Hours::Office => {
                let pick = |numbers: &mut Numbers| 510 + begin + numbers.below(600 - begin - end);
                let minute = pick(numbers);
                // Lunch: three in four of them are asked at another time.
                let at_noon = (720..780).contains(&minute) && numbers.below(4) > 0;
                if at_noon { pick(numbers) } else { minute }
            }
            Hours::Night => (22 * 60 + numbers.below(8 * 60)) % (24 * 60),
            Hours::Program(from, to) => from + numbers.below(to.saturating_sub(from)),
        }
    }
}

/// Milliseconds within a minute.
pub(super) fn below_minute(numbers: &mut Numbers) -> u64 {
    numbers.below(MINUTE_MS)
}
