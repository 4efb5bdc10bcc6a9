//! How is a DICOM value made less, and stays a value of its kind? (PS3.5 section 6.2)
//!
//! | kind | generalised | pseudonymised | masked |
//! |---|---|---|---|
//! | DA | as a date, then January 1st of the year that is left: `19870502` → `19870101` | withheld | `null` |
//! | DT | as a date, as exactly as it is written: `19870502101500` → `1987`, `198705` → no day | withheld | `null` |
//! | AS | `decade`: `045Y` → `040Y`, from 90 years on `090Y` | withheld | `null` |
//! | UI | withheld | `2.25.` and a number | `null` |
//! | SH, AE | withheld | 16 letters | `***` |
//! | other texts | as anywhere | as anywhere | `***` |
//! | all else | withheld | withheld | `null` |

use crate::catalogue::dicomweb::{Room, Vr};
use crate::catalogue::fields::Generaliser;

use super::forms::{self, Ground};
use super::pseudonym::Pseudonymiser;

/// What stands in place of a masked string.
pub(super) const fn masked(vr: Option<Vr>) -> &'static [u8] {
    match vr {
        Some(vr) if !vr.takes_any_text() => b"null",
        Some(_) | None => b"\"***\"",
    }
}

/// The pseudonym of a value of this kind.
pub(super) fn pseudonym(pseudonyms: &dyn Pseudonymiser, vr: Vr, is_id: bool, value: &str) -> Option<String> {
    match vr.room() {
        Room::Uid => pseudonyms.uid(value),
        Room::Short => pseudonyms.short(value),
        Room::Long if is_id => pseudonyms.id(value),
        Room::Long => pseudonyms.value(value),
        Room::None => None,
    }
}

/// The coarser value of this kind.
pub(super) fn generalise(vr: Vr, how: Generaliser, value: &str, ground: Ground<'_>) -> Option<String> {
    match vr {
        Vr::Da => date(how, Some(value).filter(|value| value.len() == 8)?, ground).map(|(year, month, day)| {
            format!("{year}{}{}", month.as_deref().unwrap_or("01"), day.as_deref().unwrap_or("01"))
        }),
        Vr::Dt => date(how, date_of(value)?, ground)
            .map(|(year, month, day)| format!("{year}{}{}", month.unwrap_or_default(), day.unwrap_or_default())),
        Vr::As => age(how, value),
        _ if vr.room() == Room::Long => forms::generalise(how, value, ground),
        _ => None,
    }
}

/// Whether a name is an attribute's tag, which is nobody's data and may stand in a report.
pub(super) fn is_tag(name: &[u8]) -> bool {
    name.len() == 8 && name.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
}

/// Year, month and day, as far as the generaliser leaves them, of `YYYY`, `YYYYMM` or `YYYYMMDD`: what is not written is not made up.
fn date(how: Generaliser, value: &str, ground: Ground<'_>) -> Option<(String, Option<String>, Option<String>)> {
    let of_dates = [Generaliser::Year, Generaliser::Month, Generaliser::Decade, Generaliser::Shift];
    if !forms::is_digits(value.as_bytes()) || !of_dates.contains(&how) {
        return None;
    }
    let day = match value.len() {
        4 => value.to_owned(),
        6 => format!("{}-{}", value.get(..4)?, value.get(4..)?),
        8 => format!("{}-{}-{}", value.get(..4)?, value.get(4..6)?, value.get(6..)?),
        _ => return None,
    };
    let coarser = forms::generalise(how, &day, ground)?;
    let mut parts = coarser.split('-').map(str::to_owned);
    let (year, month, day) = (parts.next()?, parts.next(), parts.next());
    let fits = |part: &str, digits| part.len() == digits && forms::is_digits(part.as_bytes());
    let whole =
        fits(&year, 4) && month.as_deref().is_none_or(|m| fits(m, 2)) && day.as_deref().is_none_or(|d| fits(d, 2));
    (whole && parts.next().is_none()).then_some((year, month, day))
}

/// The date of a DT (PS3.5 table 6.2-1): `YYYYMMDDHHMMSS.FFFFFF`, of which components are left out from the right, then perhaps
/// the offset from UTC, `&ZZXX`, which is none of them, and blanks at the end. The day is that of the zone in which it is written.
fn date_of(value: &str) -> Option<&str> {
    let value = value.trim_end_matches(' ');
    let (clock, offset) = value.split_at(value.find(['+', '-']).unwrap_or(value.len()));
    let (whole, fraction) = clock.split_once('.').map_or((clock, None), |(whole, fraction)| (whole, Some(fraction)));
    let number = |from: usize, most: u8| match whole.get(from..from + 2) {
        None => whole.len() <= from,
        Some(two) => two.parse::<u8>().is_ok_and(|number| number <= most),
    };
    let of_time = forms::is_digits(whole.as_bytes()) && number(8, 23) && number(10, 59) && number(12, 60);
    let exact = fraction.is_none_or(|fraction| {
        whole.len() == 14 && (1..=6).contains(&fraction.len()) && forms::is_digits(fraction.as_bytes())
    });
    let fits = matches!(whole.len(), 4 | 6 | 8 | 10 | 12 | 14) && of_time && exact && is_offset(offset);
    whole.get(..whole.len().min(8)).filter(|_| fits)
}

/// `+ZZXX` or `-ZZXX`, from -1200 to +1400, and no `-0000`; or nothing.
fn is_offset(offset: &str) -> bool {
    let Some((sign, digits)) = offset.split_at_checked(1) else { return true };
    let number = |range| digits.get(range).and_then(|part: &str| part.parse::<u16>().ok());
    let (Some(hours), Some(minutes)) = (number(0..2), number(2..4)) else { return false };
    let most = if sign == "-" { 1200 } else { 1400 };
    let plain = digits.len() == 4 && forms::is_digits(digits.as_bytes()) && minutes <= 59;
    plain && hours * 100 + minutes <= most && (sign, hours, minutes) != ("-", 0, 0)
}

/// `nnnD`, `nnnW`, `nnnM`, `nnnY` by tens of years; who is ninety or more is ninety.
fn age(how: Generaliser, value: &str) -> Option<String> {
    let (number, unit) = value.split_at_checked(3)?;
    if how != Generaliser::Decade || !forms::is_digits(number.as_bytes()) || !matches!(unit, "D" | "W" | "M" | "Y") {
        return None;
    }
    let number: u32 = number.parse().ok()?;
    let years = match unit {
        "Y" => number,
        "M" => number / 12,
        "W" => number / 53,
        _ => number / 366,
    };
    Some(format!("{:03}Y", (years / 10 * 10).min(90)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::super::pseudonym::{MasterKey, Pseudonyms, Receiver};
    use super::*;

    const NOWHERE: Ground<'static> = Ground { subject: None, pseudonymiser: None };

    #[test]
    fn a_coarser_date_is_still_a_date() {
        let made = |vr, value| generalise(vr, Generaliser::Year, value, NOWHERE);
        assert_eq!(made(Vr::Da, "19870502").as_deref(), Some("19870101"));
        assert_eq!(generalise(Vr::Da, Generaliser::Decade, "19870502", NOWHERE).as_deref(), Some("19800101"));
        for good in ["19870502101500.000000+0900", "19870502", "198705", "1987", "19870502101500"] {
            assert_eq!(made(Vr::Dt, good).as_deref(), Some("1987"), "{good}");
        }
        for bad in
            ["", "1987", "198705", "1987.05.02", "19871302", "19870532", "1987-05-02", "19870502 taro", "二〇〇一"]
        {
            assert_eq!(made(Vr::Da, bad), None, "{bad}");
        }
        for bad in ["", "19", "19870502taro", "19871301", "taro", "1987050"] {
            assert_eq!(made(Vr::Dt, bad), None, "{bad}");
        }
        assert_eq!(generalise(Vr::Dt, Generaliser::Round(std::num::NonZeroU32::MIN), "1987", NOWHERE), None);
        assert_eq!(made(Vr::Tm, "101500"), None);
    }

    /// A year that is taken for its first day tells, where days are moved, by how many.
    #[test]
    fn a_moment_is_as_exact_as_it_is_written_and_no_more() {
        let keys =
            Pseudonyms::new(&MasterKey::new([7; 32]), Receiver::Organisation("univ-a"), "research", 1, &[]).unwrap();
        let ground = Ground { subject: Some("p1"), pseudonymiser: Some(&keys) };
        let made = |how, value: &str| generalise(Vr::Dt, how, value, ground);
        for zone in ["", "+0900", "-1200", "+1400", "+0000", "+0545", " ", "+0900   "] {
            for (value, month, decade) in [
                ("1987", None, "1980"),
                ("198705", Some("198705"), "1980"),
                ("20240131", Some("202401"), "2020"),
                ("2024013115", Some("202401"), "2020"),
                ("202401311530", Some("202401"), "2020"),
                ("20240131153045", Some("202401"), "2020"),
                ("20240131235960", Some("202401"), "2020"),
                ("20240131153045.1", Some("202401"), "2020"),
                ("20240131153045.123456", Some("202401"), "2020"),
            ] {
                let (text, year) = (format!("{value}{zone}"), value.get(..4));
                assert_eq!(made(Generaliser::Year, &text).as_deref(), year, "{text}");
                assert_eq!(made(Generaliser::Month, &text).as_deref(), month, "{text}");
                assert_eq!(made(Generaliser::Decade, &text).as_deref(), Some(decade), "{text}");
                let shifted = made(Generaliser::Shift, &text);
                let day = made(Generaliser::Shift, "20240131");
                assert_eq!(shifted, day.filter(|_| value.len() >= 8), "{text}");
            }
        }
        for bad in [
            "2024013",
            "20240131153",
            "2024013115304",
            "202401311530.5",
            "20240131.5",
            "20240131153045.",
            "20240131153045.1234567",
            "2024013124",
            "202401311560",
            "20240131153061",
            "20240131+9",
            "20240131+090",
            "20240131+09000",
            "20240131-0000",
            "20240131-1201",
            "20240131+1401",
            "20240131+0960",
            "20240131++900",
            "20240131+0900-0900",
            "+0900",
            " 20240131",
            "20240131 15",
            "20240230",
            "２０２４",
            "20240131+０900",
        ] {
            for how in [Generaliser::Year, Generaliser::Month, Generaliser::Decade, Generaliser::Shift] {
                assert_eq!(made(how, bad), None, "{bad}");
            }
        }
    }

    #[test]
    fn an_age_tells_ten_years_and_no_more() {
        let made = |value| generalise(Vr::As, Generaliser::Decade, value, NOWHERE);
        for (age, decade) in
            [("045Y", "040Y"), ("009Y", "000Y"), ("103Y", "090Y"), ("006M", "000Y"), ("130M", "010Y"), ("012D", "000Y")]
        {
            assert_eq!(made(age).as_deref(), Some(decade), "{age}");
        }
        for bad in ["", "45Y", "045", "045X", "0455Y", "O45Y", "045Y ", "４５Y"] {
            assert_eq!(made(bad), None, "{bad}");
        }
        assert_eq!(generalise(Vr::As, Generaliser::Year, "045Y", NOWHERE), None);
    }

    #[test]
    fn a_mask_is_a_value_of_its_kind() {
        assert_eq!(masked(Some(Vr::Lo)), b"\"***\"");
        assert_eq!(masked(Some(Vr::Da)), b"null");
        assert_eq!(masked(None), b"\"***\"");
    }
}
