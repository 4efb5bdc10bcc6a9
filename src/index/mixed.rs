//! Who used several purposes on one person within a day, where what he got differs?
//!
//! A purpose that was declared after another one, to see of the same person what the first did not show, is how a
//! declaration is got round. It may be as it should (care, then a letter to the next doctor): it is a list to look at.

use super::access::{Column, Number};
use super::filter::Filter;
use super::queries::Queries;
use super::words::Kind;
use super::{IndexError, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A caller, and with which purposes he came to the same persons.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mixed {
    /// Who.
    pub caller: Arc<str>,
    /// On how many persons.
    pub people: u64,
    /// The purposes, in alphabetical order.
    pub purposes: Vec<Arc<str>>,
    /// The log of the newest access that came after another purpose.
    pub log: String,
    /// The number of the record that began it.
    pub seq: u64,
    /// When it was, milliseconds since the epoch.
    pub last_ms: u64,
}

/// One person in one access. In order: a caller's persons, and of each the oldest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    caller: u32,
    person: u64,
    time_ms: u64,
    seq: u64,
    log: u32,
    purpose: u32,
    forms: u32,
}

#[derive(Default)]
struct Found {
    people: u64,
    purposes: BTreeSet<u32>,
    last: Option<Use>,
}

impl Queries {
    /// The callers of permitted accesses that match who, in the 24 hours before one of them, had come to the same person
    /// with another purpose and got it in other forms; who did so to most persons first. Persons are told apart by a hash
    /// of 64 bits.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn mixed(&self, filter: &Filter) -> Result<Vec<Mixed>, IndexError> {
        let from_ms = filter.from_ms.unwrap_or(0);
        let earlier = Filter { from_ms: filter.from_ms.map(|from| from.saturating_sub(DAY_MS)), ..filter.clone() };
        let (snapshot, mut uses) = self.fold(
            &earlier,
            |connection, _, unit, rows, uses: &mut Vec<Use>| {
                let (times, seqs) = (unit.numbers(connection, Number::Time)?, unit.numbers(connection, Number::Seq)?);
                let codes = |column| unit.codes(connection, column);
                let (callers, outcomes) = (codes(Column::Caller)?, codes(Column::Outcome)?);
                let (purposes, forms) = (codes(Column::Purpose)?, codes(Column::Forms)?);
                let refused = [Outcome::Refused.number(), Outcome::Told.number()];
                unit.people(connection, rows, |row, people| {
                    let at = usize::from(row);
                    if refused.contains(&outcomes.value(at)) {
                        return;
                    }
                    let number = |numbers: &[u64]| numbers.get(at).copied().unwrap_or(0);
                    uses.extend(people.iter().map(|person| Use {
                        caller: callers.value(at),
                        person: person.hash,
                        time_ms: number(&times),
                        seq: number(&seqs),
                        log: unit.log,
                        purpose: purposes.value(at),
                        forms: if person.forms == 0 { forms.value(at) } else { person.forms },
                    }));
                })
            },
            |uses, other| uses.extend(other),
        )?;
        uses.sort_unstable();
        let mut found: BTreeMap<u32, Found> = BTreeMap::new();
        for of_one in uses.chunk_by(|a, b| (a.caller, a.person) == (b.caller, b.person)) {
            mixed(of_one, from_ms, &mut found);
        }
        let word = |kind, code| snapshot.words.text(kind, code);
        let mut told: Vec<Mixed> = found
            .into_iter()
            .filter_map(|(caller, found)| {
                let last = found.last?;
                let mut purposes: Vec<_> = found.purposes.iter().map(|code| word(Kind::Purpose, *code)).collect();
                purposes.sort_unstable();
                Some(Mixed {
                    caller: word(Kind::Caller, caller),
                    people: found.people,
                    purposes,
                    log: snapshot.log_name(last.log),
                    seq: last.seq,
                    last_ms: last.time_ms,
                })
            })
            .collect();
        told.sort_by(|a, b| b.people.cmp(&a.people).then_with(|| a.caller.cmp(&b.caller)));
        Ok(told)
    }
}

/// One caller's uses of one person, the oldest first.
fn mixed(uses: &[Use], from_ms: u64, found: &mut BTreeMap<u32, Found>) {
    // When each purpose came last with each forms: few.
    let mut seen: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    let mut is_mixed = false;
    for one in uses {
        let others = seen.iter().filter(|((purpose, forms), time_ms)| {
            *purpose != one.purpose && *forms != one.forms && one.time_ms - **time_ms <= DAY_MS
        });
        let others: Vec<u32> = others.map(|((purpose, _), _)| *purpose).collect();
        if one.time_ms >= from_ms && !others.is_empty() {
            let of_caller = found.entry(one.caller).or_default();
            of_caller.people += u64::from(!is_mixed);
            is_mixed = true;
            of_caller.purposes.extend(others.into_iter().chain([one.purpose]));
            let newest =
                of_caller.last.filter(|last| (last.time_ms, last.log, last.seq) > (one.time_ms, one.log, one.seq));
            of_caller.last = Some(newest.unwrap_or(*one));
        }
        seen.insert((one.purpose, one.forms), one.time_ms);
    }
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn one(time_ms: u64, purpose: u32, forms: u32) -> Use {
        Use { caller: 1, person: 1, time_ms, seq: time_ms, log: 1, purpose, forms }
    }

    fn people(uses: &[Use], from_ms: u64) -> u64 {
        let mut found = BTreeMap::new();
        mixed(uses, from_ms, &mut found);
        found.get(&1).map_or(0, |found| found.people)
    }

    #[test]
    fn another_purpose_counts_to_the_millisecond_of_a_day_and_where_the_forms_differ() {
        assert_eq!(people(&[one(0, 1, 1), one(DAY_MS, 2, 2)], 0), 1);
        assert_eq!(people(&[one(0, 1, 1), one(DAY_MS + 1, 2, 2)], 0), 0, "a day later");
        assert_eq!(people(&[one(0, 1, 1), one(5, 1, 2)], 0), 0, "one purpose");
        assert_eq!(people(&[one(0, 1, 1), one(5, 2, 1)], 0), 0, "nothing else left");
        assert_eq!(people(&[one(0, 1, 1), one(5, 2, 2), one(6, 1, 1), one(7, 2, 2)], 0), 1, "one person");
        assert_eq!(people(&[one(0, 1, 1), one(5, 2, 2)], 6), 0, "before what is asked about");
        // The newest of the same kind is what the day is counted from.
        assert_eq!(people(&[one(0, 1, 1), one(DAY_MS, 1, 1), one(DAY_MS + 9, 2, 2)], 0), 1);
    }
}
