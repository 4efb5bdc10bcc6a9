//! By how many days do a person's dates move? By a number that receiver, purpose, epoch and person decide, and no one knows.
//!
//! 1 to 182 days, back or forth, never none. All days of one person move by the same number, so that what lies between two
//! of them stays; for another receiver or purpose, and in the next epoch, by another. Only whole days move: a time of day is
//! left out, its date is that of the zone it was written in, and what names no day (`1987`, `1987-05`) is withheld, for it
//! would tell where the days came from.

use jiff::Span;

use super::Ground;
use super::date::Read;

/// The most days that a date moves.
const DAYS_MAX: u64 = 182;

/// The day moved, written as it was; `None` without a person, without keys, or where it names no day.
pub(super) fn shift(read: &Read, ground: Ground<'_>) -> Option<String> {
    let (day, style) = read.day()?;
    let moved = day.checked_add(Span::new().try_days(days(ground)?).ok()?).ok()?;
    (1..=9999).contains(&moved.year()).then(|| style.write(moved))
}

/// -182 to -1 or 1 to 182.
fn days(ground: Ground<'_>) -> Option<i64> {
    let subject = ground.subject.filter(|subject| !subject.is_empty())?;
    let secret = ground.pseudonymiser?.secret(b"shift", subject)?;
    // Of 2^64 numbers the bias to some days is beneath 2^-55.
    let drawn = u64::from_be_bytes(*secret.first_chunk()?) % (2 * DAYS_MAX);
    let distance = i64::try_from(drawn % DAYS_MAX + 1).ok()?;
    Some(if drawn < DAYS_MAX { -distance } else { distance })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::super::super::pseudonym::{MasterKey, Pseudonyms, Receiver};
    use super::super::date;
    use super::*;
    use proptest::prelude::*;

    fn keys(organisation: &str, purpose: &str, epoch: u32) -> Pseudonyms {
        Pseudonyms::new(&MasterKey::new([7; 32]), Receiver::Organisation(organisation), purpose, epoch, &[]).unwrap()
    }

    fn shifted(keys: &Pseudonyms, subject: &str, value: &str) -> Option<String> {
        shift(&date::read(value)?, Ground { subject: Some(subject), pseudonymiser: Some(keys) })
    }

    fn of(keys: &Pseudonyms, subject: &str) -> i64 {
        days(Ground { subject: Some(subject), pseudonymiser: Some(keys) }).unwrap()
    }

    #[test]
    fn the_number_depends_on_person_receiver_purpose_and_epoch() {
        let keys_of = keys("univ-a", "research", 1);
        let others = [keys("univ-b", "research", 1), keys("univ-a", "care", 1), keys("univ-a", "research", 2)];
        let people: Vec<String> = (0..200).map(|n| format!("d-{n}")).collect();
        let own: Vec<i64> = people.iter().map(|person| of(&keys_of, person)).collect();
        for other in others {
            let differ = people.iter().zip(&own).filter(|(person, days)| of(&other, person) != **days).count();
            assert!(differ > 190, "{differ}");
        }
        let distinct: std::collections::BTreeSet<_> = own.iter().collect();
        assert!(distinct.len() > 100, "{distinct:?}");
    }

    #[test]
    fn every_distance_within_the_range_occurs_and_none_beyond_it() {
        let keys = keys("univ-a", "research", 1);
        let seen: std::collections::BTreeSet<i64> = (0..20_000).map(|n| of(&keys, &n.to_string())).collect();
        let range: std::collections::BTreeSet<i64> = (-182..=182).filter(|days| *days != 0).collect();
        assert_eq!(seen, range);
    }

    #[test]
    fn what_names_no_day_and_who_is_nobody_moves_nothing() {
        let keys = keys("univ-a", "research", 1);
        for partial in ["1987", "1987-05", "令和5年3月", "never"] {
            assert_eq!(shifted(&keys, "d-1", partial), None, "{partial}");
        }
        let read = date::read("1987-05-02").unwrap();
        assert_eq!(shift(&read, Ground { subject: None, pseudonymiser: Some(&keys) }), None);
        assert_eq!(shift(&read, Ground { subject: Some(""), pseudonymiser: Some(&keys) }), None);
        assert_eq!(shift(&read, Ground { subject: Some("d-1"), pseudonymiser: None }), None);
        let edge = (0..50).filter(|n| shifted(&keys, &n.to_string(), "9999-12-31").is_none()).count();
        assert!(edge > 10, "beyond the calendar there is no date");
    }

    proptest! {
        #[test]
        fn intervals_within_a_person_stay(person in "[a-z0-9]{1,12}", first in 0i64..60_000, length in -20_000i64..20_000) {
            let keys = keys("univ-a", "research", 1);
            let base = jiff::civil::date(1900, 1, 1);
            let at = |days: i64| base.checked_add(Span::new().days(days)).unwrap();
            let (from, to) = (at(first), at(first + length));
            let moved = |date: jiff::civil::Date| -> jiff::civil::Date {
                shifted(&keys, &person, &date.to_string()).unwrap().parse().unwrap()
            };
            prop_assert_eq!((moved(to) - moved(from)).get_days(), (to - from).get_days());
            prop_assert_ne!(moved(from), from);
            let timed = shifted(&keys, &person, &format!("{from}T23:59:59+09:00"));
            prop_assert_eq!(timed, Some(moved(from).to_string()));
        }
    }
}
