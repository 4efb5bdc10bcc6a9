//! How is a moment written in a record? RFC 3339, UTC, always with milliseconds and `Z`: 24 bytes that sort as text.
//!
//! Source: RFC 3339 section 5.6; the conversion between days and dates is that of the proleptic Gregorian calendar.

/// Tells the time. The log has none of its own: it is handed one at start.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch, UTC.
    fn now_ms(&self) -> u64;
}

impl<F: Fn() -> u64 + Send + Sync> Clock for F {
    fn now_ms(&self) -> u64 {
        self()
    }
}

/// Writes `2026-11-22T09:00:00.000Z`. Moments past the year 9999 are written as its last millisecond.
pub(super) fn write(out: &mut Vec<u8>, moment_ms: u64) {
    let moment_ms = moment_ms.min(LAST_MS);
    let (days, in_day_ms) = (moment_ms / DAY_MS, moment_ms % DAY_MS);
    let (year, month, day) = date(days);
    let seconds = in_day_ms / 1000;
    let parts = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (seconds / 3600, 2, b':'),
        (seconds / 60 % 60, 2, b':'),
        (seconds % 60, 2, b'.'),
        (in_day_ms % 1000, 3, b'Z'),
    ];
    for (value, width, after) in parts {
        for place in (0..width).rev() {
            out.push(b'0' + u8::try_from(value / 10u64.pow(place) % 10).unwrap_or(0));
        }
        out.push(after);
    }
}

/// The same as text.
pub fn text(moment_ms: u64) -> String {
    let mut out = Vec::with_capacity(24);
    write(&mut out, moment_ms);
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads what [`write`] writes, and nothing else.
pub fn read(text: &str) -> Option<u64> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    let moment_ms = u64::try_from(moment.as_millisecond()).ok()?;
    (self::text(moment_ms) == text).then_some(moment_ms)
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

const DAY_MS: u64 = 86_400_000;
const LAST_MS: u64 = 253_402_300_799_999;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_are_written_as_everyone_writes_them() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(text(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn another_spelling_of_a_moment_is_not_ours() {
        for other in ["2026-11-22T09:00:00Z", "2026-11-22T09:00:00.000+00:00", "2026-11-22t09:00:00.000z", ""] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_agrees_with_the_calendar_library(moment_ms in 0..=LAST_MS - 86_400_000) {
            let stamp = jiff::Timestamp::from_millisecond(i64::try_from(moment_ms).unwrap()).unwrap();
            prop_assert_eq!(text(moment_ms), format!("{stamp:.3}"));
            prop_assert_eq!(read(&text(moment_ms)), Some(moment_ms));
        }
    }
}
