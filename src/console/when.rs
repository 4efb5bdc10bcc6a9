//! When was it? Times as the people who look at them live: in the policy's zone.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, civil};

use super::lang::Lang;

/// A day, at most: what changes its clocks has longer and shorter ones.
pub(super) const DAY_MS: u64 = 86_400_000;
pub(super) const HOUR_MS: u64 = 3_600_000;

fn zoned(ms: u64, zone: &TimeZone) -> Option<Zoned> {
    let at = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(at.to_zoned(zone.clone()))
}

fn written(ms: u64, zone: &TimeZone, format: &str) -> String {
    zoned(ms, zone).map(|at| at.strftime(format).to_string()).unwrap_or_default()
}

/// `2026-10-26 19:42:05`.
pub(super) fn second(ms: u64, zone: &TimeZone) -> String {
    written(ms, zone, "%Y-%m-%d %H:%M:%S")
}

/// `2026-10-26 19:42`.
pub(super) fn minute(ms: u64, zone: &TimeZone) -> String {
    written(ms, zone, "%Y-%m-%d %H:%M")
}

/// `2026-10-26T19:42`: as an address has it, and [`read`] takes it.
pub(super) fn address(ms: u64, zone: &TimeZone) -> String {
    written(ms, zone, "%Y-%m-%dT%H:%M")
}

/// `Mon 26 Oct`, `10月26日(月)`.
pub(super) fn day(lang: Lang, ms: u64, zone: &TimeZone) -> String {
    let Some(at) = zoned(ms, zone) else { return String::new() };
    match lang {
        Lang::En => at.strftime("%a %-d %b").to_string(),
        Lang::Ja => {
            let names = ["月", "火", "水", "木", "金", "土", "日"];
            let at_day = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0);
            format!("{}月{}日({})", at.month(), at.day(), names.get(at_day).copied().unwrap_or_default())
        }
    }
}

/// When the local day begins in which this moment lies.
pub(super) fn day_of(ms: u64, zone: &TimeZone) -> u64 {
    let start = zoned(ms, zone).and_then(|at| at.start_of_day().ok());
    start.and_then(|at| u64::try_from(at.timestamp().as_millisecond()).ok()).unwrap_or(ms)
}

/// How far local time is before UTC at this moment, in seconds; 0 where it is behind.
pub(super) fn ahead_s(ms: u64, zone: &TimeZone) -> u32 {
    zoned(ms, zone).and_then(|at| u32::try_from(at.offset().seconds()).ok()).unwrap_or(0)
}

/// Reads `2026-10-26`, `2026-10-26T19:42`, `2026-10-26T19:42:05`, in local time. A day is its beginning; `is_end`: of the day after.
pub(super) fn read(text: &str, zone: &TimeZone, is_end: bool) -> Option<u64> {
    let at = match text.parse::<civil::DateTime>() {
        Ok(at) if text.contains(['T', ' ']) => at,
        _ => {
            let date: civil::Date = text.parse().ok()?;
            let date = if is_end { date.tomorrow().ok()? } else { date };
            date.to_datetime(civil::Time::midnight())
        }
    };
    let at = at.to_zoned(zone.clone()).ok()?;
    u64::try_from(at.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_an_address_is_the_local_one() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        let ms = read("2026-10-26T19:42", &tokyo, false).unwrap();
        assert_eq!(ms, 1_793_011_320_000);
        assert_eq!(address(ms, &tokyo), "2026-10-26T19:42");
        assert_eq!(second(ms, &tokyo), "2026-10-26 19:42:00");
        assert_eq!(day(Lang::En, ms, &tokyo), "Mon 26 Oct");
        assert_eq!(day(Lang::Ja, ms, &tokyo), "10月26日(月)");
        let begins = read("2026-10-26", &tokyo, false).unwrap();
        assert_eq!(day_of(ms, &tokyo), begins);
        assert_eq!(read("2026-10-26", &tokyo, true).unwrap() - begins, DAY_MS);
        assert_eq!(ahead_s(ms, &tokyo), 32_400);
        assert_eq!(read("26.10.2026", &tokyo, false), None);
        assert_eq!(read("", &tokyo, false), None);
    }
}
