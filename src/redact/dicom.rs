//! How is a DICOM value made less, and stays a value of its kind? (PS3.5 section 6.2)
//!
//! | kind | generalised | pseudonymised | masked |
//! |---|---|---|---|
//! | DA | as a date, then January 1st of the year that is left: `19870502` → `19870101` | withheld | `null` |
//! | DT | as a date: `19870502101500` → `1987` | withheld | `null` |
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
        Vr::Da => date(how, value, ground).map(|(year, month, day)| {
            format!("{year}{}{}", month.as_deref().unwrap_or("01"), day.as_deref().unwrap_or("01"))
        }),
        Vr::Dt => {
            let day = value.get(..8).filter(|_| is_moment(value)).unwrap_or(value);
            let padded = match day.len() {
                4 => format!("{day}0101"),
                6 => format!("{day}01"),
                _ => day.to_owned(),
            };
            date(how, &padded, ground)
                .map(|(year, month, day)| format!("{year}{}{}", month.unwrap_or_default(), day.unwrap_or_default()))
        }
        Vr::As => age(how, value),
        _ if vr.room() == Room::Long => forms::generalise(how, value, ground),
        _ => None,
    }
}

/// Whether a name is an attribute's tag, which is nobody's data and may stand in a report.
pub(super) fn is_tag(name: &[u8]) -> bool {
    name.len() == 8 && name.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
}

/// Year, month and day, as far as the generaliser leaves them.
fn date(how: Generaliser, value: &str, ground: Ground<'_>) -> Option<(String, Option<String>, Option<String>)> {
    if value.len() != 8 || !forms::is_digits(value.as_bytes()) {
        return None;
    }
    let day = format!("{}-{}-{}", value.get(..4)?, value.get(4..6)?, value.get(6..)?);
    let coarser = forms::generalise(how, &day, ground)?;
    let mut parts = coarser.split('-').map(str::to_owned);
    let (year, month, day) = (parts.next()?, parts.next(), parts.next());
    let fits = |part: &str, digits| part.len() == digits && forms::is_digits(part.as_bytes());
    let whole =
        fits(&year, 4) && month.as_deref().is_none_or(|m| fits(m, 2)) && day.as_deref().is_none_or(|d| fits(d, 2));
    (whole && parts.next().is_none()).then_some((year, month, day))
}

/// Whether a time of day, a fraction or a zone follows the eight digits of a date.
fn is_moment(value: &str) -> bool {
    let rest = value.get(8..).unwrap_or_default();
    rest.is_empty() || rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-'))
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
mod tests {
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
        assert_eq!(made(Vr::Tm, "101500"), None);
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
