//! Several purposes on one person within a day: what the index tells is what reading every pair of accesses gives.

use std::collections::{BTreeMap, BTreeSet};

use sekisho::index::Filter;
use serde_json::Value;

use super::slow::{Slow, filter, read};
use super::support::*;

const DAY_MS: u64 = 86_400_000;

/// Whom it is about, and what of each: the forms of his window, or of the whole access where its head names him.
fn persons(access: &Slow) -> BTreeSet<(String, BTreeSet<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let subjects = |value: &Value| value["subjects"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let mut all: BTreeSet<_> = subjects(&access.begun).into_iter().map(|person| (person, access.forms())).collect();
    for group in access.windows.iter().flat_map(|window| window["disclosed"].as_array().unwrap()) {
        let words = |(form, list): (&String, &Value)| {
            list.as_array().unwrap().iter().map(|one| format!("{form} {}", text(one))).collect::<Vec<_>>()
        };
        let forms: BTreeSet<String> = group["forms"].as_object().into_iter().flatten().flat_map(words).collect();
        all.extend(subjects(group).into_iter().map(|person| (person, forms.clone())));
    }
    all
}

type Told = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>, (u64, String, u64))>;

/// Every access against every other.
fn slow(all: &[Slow], asked: &Filter) -> Told {
    let from_ms = asked.from_ms.unwrap_or(0);
    let earlier = Filter { from_ms: asked.from_ms.map(|from| from.saturating_sub(DAY_MS)), ..asked.clone() };
    let permitted: Vec<&Slow> = all
        .iter()
        .filter(|access| access.matches(&earlier) && !["refused", "told"].contains(&access.outcome()))
        .collect();
    let uses: Vec<(&Slow, (String, BTreeSet<String>))> =
        permitted.iter().flat_map(|access| persons(access).into_iter().map(|one| (*access, one))).collect();
    let key = |access: &Slow| (access.time_ms, access.log.clone(), access.seq);
    let mut told = Told::new();
    for (late, (person, forms)) in uses.iter().filter(|(access, _)| access.time_ms >= from_ms) {
        for (early, (other, others)) in &uses {
            let is_mixed = person == other
                && late.text("/caller/id") == early.text("/caller/id")
                && late.text("/purpose") != early.text("/purpose")
                && forms != others
                && (early.time_ms, early.seq, &early.log) < (late.time_ms, late.seq, &late.log)
                && late.time_ms - early.time_ms <= DAY_MS;
            if is_mixed {
                let entry = told.entry(late.text("/caller/id")).or_default();
                entry.0.insert(person.clone());
                entry.1.extend([late.text("/purpose"), early.text("/purpose")]);
                entry.2 = entry.2.clone().max(key(late));
            }
        }
    }
    told
}

#[test]
fn several_purposes_on_one_person_within_a_day_are_told_as_every_pair_of_accesses_tells_them() {
    let mut found = 0;
    for seed in [11, 12, 13] {
        let disks = Disks::from([("gate".to_owned(), log(seed, 400)), ("other".to_owned(), log(seed + 50, 120))]);
        let file = File::new(&format!("mixed-{seed}"));
        let (queries, all) = (file.built(&disks), read(&disks));
        let mut chance = Chance(seed);
        for turn in 0..12 {
            let asked = if turn == 0 { Filter::default() } else { filter(&mut chance, &all) };
            let expected = slow(&all, &asked);
            let told = queries.mixed(&asked).unwrap();
            let as_slow: BTreeMap<_, _> = told
                .iter()
                .map(|one| {
                    let purposes: BTreeSet<String> = one.purposes.iter().map(|word| word.to_string()).collect();
                    (one.caller.to_string(), (one.people, purposes, (one.last_ms, one.log.clone(), one.seq)))
                })
                .collect();
            let expected: BTreeMap<_, _> = expected
                .into_iter()
                .map(|(caller, (people, purposes, last))| (caller, (people.len() as u64, purposes, last)))
                .collect();
            assert_eq!(as_slow, expected, "seed {seed}, {asked:?}");
            assert!(told.windows(2).all(|two| two[0].people >= two[1].people));
            found += told.len();
        }
    }
    assert!(found > 10, "{found}");
}
