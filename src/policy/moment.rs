//! When? Moments in milliseconds, civil days in the policy's time zone, and windows between them.

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Milliseconds since the Unix epoch, UTC.
pub type Moment = i64;

/// From the first moment that holds to the first that no longer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First moment in force.
    pub from: Moment,
    /// First moment no longer in force.
    pub until: Moment,
}

impl Window {
    /// Always in force.
    pub const ALWAYS: Window = Window { from: Moment::MIN, until: Moment::MAX };

    /// Whether it holds at this moment.
    pub const fn holds(&self, at: Moment) -> bool {
        self.from <= at && at < self.until
    }

    /// Reads a window as it is written: a date is a civil day of `zone`, whose `until` includes the whole day; a
    /// date-time `until` is the first moment no longer valid; `None` is open.
    ///
    /// # Errors
    /// The text that is neither a date nor a date-time with offset.
    pub fn read(from: Option<&str>, until: Option<&str>, zone: &TimeZone) -> Result<Window, String> {
        let from = from.map_or(Ok(Moment::MIN), |text| start(text, zone))?;
        let until = until.map_or(Ok(Moment::MAX), |text| end(text, zone))?;
        Ok(Window { from, until })
    }
}

/// The first moment of a date, or the moment of a date-time with offset.
///
/// # Errors
/// The text, if it is neither.
pub fn start(text: &str, zone: &TimeZone) -> Result<Moment, String> {
    match civil(text) {
        Some(date) => midnight(date, zone).ok_or_else(|| text.to_owned()),
        None => instant(text),
    }
}

/// The first moment after a date's whole day, or the moment of a date-time with offset.
fn end(text: &str, zone: &TimeZone) -> Result<Moment, String> {
    match civil(text) {
        Some(date) => date.tomorrow().ok().and_then(|next| midnight(next, zone)).ok_or_else(|| text.to_owned()),
        None => instant(text),
    }
}

/// A date-time with offset (RFC 3339).
///
/// # Errors
/// The text, if it is none.
pub fn instant(text: &str) -> Result<Moment, String> {
    let formed = text.len() >= 20 && matches!(text.as_bytes().get(10), Some(b'T' | b't')) && !text.contains('[');
    let parsed = formed.then(|| text.parse::<jiff::Timestamp>().ok()).flatten();
    parsed.map(|t| t.as_millisecond()).ok_or_else(|| text.to_owned())
}

fn civil(text: &str) -> Option<Date> {
    let dashed = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    dashed.then(|| text.parse().ok()).flatten()
}

fn midnight(date: Date, zone: &TimeZone) -> Option<Moment> {
    date.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp().as_millisecond())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    fn tokyo() -> TimeZone {
        TimeZone::get("Asia/Tokyo").unwrap()
    }

    #[test]
    fn a_date_includes_its_whole_day_in_the_zone() {
        let window = Window::read(Some("2026-11-22"), Some("2026-11-22"), &tokyo()).unwrap();
        let at = |text| instant(text).unwrap();
        assert!(!window.holds(at("2026-11-21T23:59:59.999+09:00")));
        assert!(window.holds(at("2026-11-22T00:00:00+09:00")));
        assert!(window.holds(at("2026-11-22T14:59:59.999Z")));
        assert!(!window.holds(at("2026-11-23T00:00:00+09:00")));
    }

    #[test]
    fn a_date_time_until_is_the_first_moment_no_longer_valid() {
        let window = Window::read(None, Some("2026-11-22T12:00:00+09:00"), &tokyo()).unwrap();
        assert!(window.holds(instant("2026-11-22T11:59:59.999+09:00").unwrap()));
        assert!(!window.holds(instant("2026-11-22T12:00:00+09:00").unwrap()));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in
            ["2026-13-01", "2026-02-30", "2026-1-1", "20261122", "2026-11-22T09:00:00", "", "x", "2026-11-22 09:00:00Z"]
        {
            assert!(start(bad, &tokyo()).is_err(), "{bad}");
        }
    }
}
