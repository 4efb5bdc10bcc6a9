//! How is one value made less? Generalised values, pseudonyms, and what must not leave at all.
//!
//! [`generalise`] takes a string, [`generalise_number`] a JSON number; both answer `None` where the value is not exactly of
//! a form that the generaliser knows, and the value is then withheld. `docs/forms.md` has every form with examples that are
//! tested. `date` reads dates, `japanese` those written in Japanese, `era` has the eras, `number` counts in decimal text, `shift`
//! moves a person's dates, `postal` cuts codes, `canonical` makes one spelling of many before a pseudonym is made,
//! `reference` finds the id in a reference, `individual_number` knows one when it sees it, `report` shows names.

mod canonical;
mod date;
mod era;
mod individual_number;
mod japanese;
mod number;
mod postal;
mod reference;
mod report;
mod shift;

use crate::catalogue::fields::Generaliser;

use super::prefecture;
use super::pseudonym::Pseudonymiser;

pub(super) use canonical::{canonical, identified};
pub(super) use individual_number::{WATCHED_BYTES_MAX, is_individual_number, may_become_number, may_hold_number};
pub use individual_number::{holds_digit, means_individual_number};
pub(super) use reference::pseudonymous_reference;
pub(super) use report::{is_digits, push_segment};

/// What a form depends on besides the value.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    /// Whom the record is about.
    pub(super) subject: Option<&'a str>,
    /// Holds the secrets of receiver, purpose and epoch.
    pub(super) pseudonymiser: Option<&'a dyn Pseudonymiser>,
}

/// The coarser string; `None`: it is withheld.
pub(super) fn generalise(how: Generaliser, value: &str, ground: Ground<'_>) -> Option<String> {
    match how {
        Generaliser::Year => date::read(value).map(|read| read.year()),
        Generaliser::Month => date::read(value)?.month(),
        Generaliser::Decade => date::read(value).map(|read| read.decade()),
        Generaliser::Shift => shift::shift(&date::read(value)?, ground),
        Generaliser::Prefecture => prefecture::of_address(value).map(str::to_owned),
        Generaliser::Postal3 => postal::first_three(value),
        Generaliser::Round(to) => number::round_text(value, to.get()),
        Generaliser::Age90 => number::age_text(value),
    }
}

/// The coarser JSON number, a number too; `None`: it is withheld.
pub(super) fn generalise_number(how: Generaliser, raw: &str, ground: Ground<'_>) -> Option<String> {
    match how {
        Generaliser::Round(to) => number::round(raw, to.get()),
        Generaliser::Age90 => number::age(raw),
        Generaliser::Year | Generaliser::Decade | Generaliser::Shift | Generaliser::Postal3 => {
            let made = is_digits(raw.as_bytes()).then(|| generalise(how, raw, ground)).flatten()?;
            // A leading zero is no JSON number.
            (is_digits(made.as_bytes()) && !made.starts_with('0')).then_some(made)
        }
        Generaliser::Month | Generaliser::Prefecture => None,
    }
}

/// What is known of the system that an identifier is unique in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System<'a> {
    /// The catalogue names none for it, or the record says none: the value stands for itself.
    None,
    /// The record says this one.
    Said(&'a str),
    /// The record could not be looked through.
    Unknown,
}

/// The pseudonym of a value, together with the system that it is unique in.
pub(super) fn pseudonymous_value(pseudonyms: &dyn Pseudonymiser, system: System<'_>, value: &str) -> Option<String> {
    match system {
        System::None => pseudonyms.value(value),
        System::Said(system) => pseudonyms.value(&identified(system, value)),
        System::Unknown => None,
    }
}

fn digits(text: &str) -> bool {
    is_digits(text.as_bytes())
}

/// Whether it is a hyphen, a dash or a minus sign, of any width. Not `ー`, which is one only where digits stand beside it; and
/// what an Individual Number may be cut up by is more (`individual_number`).
pub(super) const fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FF0D}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Ground<'static> = Ground { subject: None, pseudonymiser: None };

    /// The same address is read by one generaliser and withheld by another where each has dashes of its own.
    #[test]
    fn a_dash_is_a_dash_wherever_one_is_read() {
        let made = |how, value: String| generalise(how, &value, NOWHERE);
        for dash in
            ['-', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2015}', '\u{2212}', '\u{FF0D}']
        {
            let round = Generaliser::Round(std::num::NonZeroU32::MIN);
            for (how, value, coarser) in [
                (Generaliser::Postal3, format!("105{dash}0011"), "105"),
                (Generaliser::Prefecture, format!("105{dash}0011 東京都港区"), "東京都"),
                (Generaliser::Year, format!("1987{dash}05{dash}02"), "1987"),
                (round, format!("{dash}7"), "-7"),
            ] {
                assert_eq!(made(how, value.clone()).as_deref(), Some(coarser), "{value} {:x}", u32::from(dash));
            }
            assert_eq!(canonical(&format!("03{dash}1234")), "03-1234", "{:x}", u32::from(dash));
            assert!(is_individual_number(format!("\"1234{dash}5678{dash}9018\"").as_bytes()), "{:x}", u32::from(dash));
        }
        for other in ['~', '_', '・', '.'] {
            assert_eq!(made(Generaliser::Postal3, format!("105{other}0011")), None);
            assert_eq!(made(Generaliser::Prefecture, format!("105{other}0011 東京都港区")), None);
            assert_eq!(made(Generaliser::Year, format!("1987{other}05{other}02")), None);
        }
    }
}
