//! Every question gets the answer that reading all lines gives.

use super::slow::{Slow, filter, read};
use super::support::*;
use sekisho::index::{Facet, Filter, Flags, Outcome, Queries, Row, Spans};
use serde_json::Value;
use std::collections::BTreeMap;

fn disks(seed: u64, steps: u32) -> Disks {
    Disks::from([("gate".to_owned(), log(seed, steps)), ("review".to_owned(), log(seed + 1, steps / 4))])
}

/// Compares all questions over the same accesses.
pub(super) fn compare(queries: &Queries, all: &[Slow], chance: &mut Chance, turns: u32) {
    for turn in 0..turns {
        let asked = if turn == 0 { Filter::default() } else { filter(chance, all) };
        let found: Vec<&Slow> = all.iter().filter(|access| access.matches(&asked)).collect();
        assert_eq!(queries.count(&asked).unwrap(), found.len() as u64, "{asked:?}");
        pages(queries, &asked, &found, 5 + chance.below(60) as usize);
        begun(queries, &asked, &found, chance);
        facets(queries, &asked, &found);
        sums(queries, &asked, &found, chance);
    }
}

fn pages(queries: &Queries, asked: &Filter, found: &[&Slow], each: usize) {
    let (mut rows, mut before): (Vec<Row>, _) = (Vec::new(), None);
    loop {
        let page = queries.search(asked, before.as_ref(), each).unwrap();
        assert!(page.len() <= each);
        let Some(last) = page.last() else { break };
        before = Some(last.place.clone());
        rows.extend(page);
    }
    let told: Vec<(&str, u64)> = rows.iter().map(|row| (row.place.log.as_str(), row.place.seq)).collect();
    let slow: Vec<(&str, u64)> = found.iter().map(|access| (access.log.as_str(), access.seq)).collect();
    assert_eq!(told, slow, "{asked:?}");
    rows.iter().zip(found).for_each(|(row, access)| same_row(row, access));
}

/// Where they begin, and rows of some of them in any order, among them one that nothing began.
fn begun(queries: &Queries, asked: &Filter, found: &[&Slow], chance: &mut Chance) {
    let told = queries.begun(asked).unwrap();
    let told: Vec<(u64, &str, u64)> = told.iter().map(|one| (one.time_ms, &*one.log, one.seq)).collect();
    let mut slow: Vec<(u64, &str, u64)> = found.iter().map(|one| (one.time_ms, &*one.log, one.seq)).collect();
    slow.sort_unstable();
    assert_eq!(told, slow, "{asked:?}");
    let some: Vec<&&Slow> = found.iter().filter(|_| chance.below(4) == 0).collect();
    let mut places: Vec<(&str, u64)> = some.iter().map(|access| (access.log.as_str(), access.seq)).collect();
    places.insert(places.len() / 2, ("gate", u64::MAX));
    places.insert(places.len() / 2, ("nothing", 1));
    let rows = queries.rows(&places).unwrap();
    assert_eq!(rows.len(), some.len());
    rows.iter().zip(some).for_each(|(row, access)| same_row(row, access));
}

pub(super) fn same_row(row: &Row, access: &Slow) {
    let end = access.end.clone().unwrap_or_default();
    let text = |path: &str| access.text(path);
    assert_eq!((row.time_ms, row.place.order_ms), (access.time_ms, access.order_ms));
    assert_eq!((row.id.as_str(), row.trace.as_str()), (text("/id").as_str(), text("/trace_id").as_str()));
    assert_eq!(row.outcome.name(), access.outcome());
    assert_eq!((&*row.caller, &*row.purpose), (text("/caller/id").as_str(), text("/purpose").as_str()));
    assert_eq!((&*row.route, &*row.action), (text("/route").as_str(), text("/action").as_str()));
    assert_eq!((&*row.recipient, &*row.organization), (text("/recipient/id").as_str(), access.organization().as_str()));
    assert_eq!((&*row.mode, &*row.country), (text("/mode").as_str(), text("/recipient/country").as_str()));
    assert_eq!((&*row.policy, &*row.basis), ("jmdp 2022-04", text("/basis").as_str()));
    let sorted = |words: &[std::sync::Arc<str>]| -> std::collections::BTreeSet<String> {
        words.iter().map(|word| word.to_string()).collect()
    };
    assert_eq!(sorted(&row.clauses), access.clauses());
    assert_eq!(sorted(&row.forms), access.forms());
    assert_eq!(sorted(&row.reasons), access.reasons());
    assert_eq!(sorted(&row.roles), access.set("roles"));
    assert_eq!(sorted(&row.obligations), access.set("obligations"));
    assert_eq!(sorted(&row.unclassified), access.set("unclassified"));
    assert_eq!(row.end, end["seq"].as_u64());
    assert_eq!(&*row.code, end["code"].as_str().unwrap_or_default());
    assert_eq!(row.released_bytes, end["released_bytes"].as_u64().unwrap_or(0));
    assert_eq!(row.entries_released, end["entries_released"].as_u64().unwrap_or(0));
    assert_eq!(row.entries_dropped, end["entries_dropped"].as_u64().unwrap_or(0));
    assert_eq!(row.windows, access.windows.iter().map(|window| window["seq"].as_u64().unwrap()).collect::<Vec<_>>());
    assert_eq!(row.flags.has(Flags::REVIEW), access.is_review());
    assert_eq!(row.flags.has(Flags::UNCLASSIFIED), !access.set("unclassified").is_empty());
    let named = people().iter().filter(|person| access.names(person.as_str())).count() as u64;
    assert_eq!(row.people, named);
    assert!(row.is_verified);
}

fn facets(queries: &Queries, asked: &Filter, found: &[&Slow]) {
    let told = queries.facets(asked, &Facet::ALL).unwrap();
    for (facet, counted) in told {
        let mut slow: BTreeMap<String, u64> = BTreeMap::new();
        for access in found {
            let several = |words: std::collections::BTreeSet<String>| -> Vec<String> {
                if words.is_empty() { vec![String::new()] } else { words.into_iter().collect() }
            };
            let words = match facet {
                Facet::Outcome => vec![access.outcome().to_owned()],
                Facet::Purpose => vec![access.text("/purpose")],
                Facet::Recipient => vec![access.text("/recipient/id")],
                Facet::Organization => vec![access.organization()],
                Facet::Caller => vec![access.text("/caller/id")],
                Facet::Role => several(access.set("roles")),
                Facet::Clause => several(access.clauses()),
                Facet::Route => vec![access.text("/route")],
                Facet::Action => vec![access.text("/action")],
                Facet::Form => several(access.forms()),
                Facet::Reason => several(access.reasons()),
                Facet::Obligation => several(access.set("obligations")),
                Facet::Policy => vec!["jmdp 2022-04".to_owned()],
                Facet::Mode => vec![access.text("/mode")],
                Facet::Country => vec![access.text("/recipient/country")],
                Facet::Unclassified => several(access.set("unclassified")),
                other => panic!("{other:?}"),
            };
            words.into_iter().for_each(|word| *slow.entry(word).or_default() += 1);
        }
        let told: BTreeMap<String, u64> = counted.iter().map(|(word, count)| (word.to_string(), *count)).collect();
        assert_eq!(told, slow, "{facet:?} {asked:?}");
        assert!(counted.windows(2).all(|two| two[0].1 >= two[1].1));
    }
}

fn sums(queries: &Queries, asked: &Filter, found: &[&Slow], chance: &mut Chance) {
    let spans = Spans {
        from_ms: NOW_MS + chance.below(3_600_000),
        each_ms: 1 + chance.below(40_000_000),
        count: chance.below(30) as usize,
    };
    let told = queries.over_time(asked, spans).unwrap();
    assert_eq!(told.len(), spans.count);
    for (at, sum) in told.iter().enumerate() {
        let from = spans.from_ms + at as u64 * spans.each_ms;
        for (outcome, count) in Outcome::ALL.iter().zip(sum) {
            let inside = |access: &&&Slow| {
                (from..from + spans.each_ms).contains(&access.time_ms) && access.outcome() == outcome.name()
            };
            assert_eq!(*count, found.iter().filter(inside).count() as u64, "{spans:?} {asked:?}");
        }
    }
    let mut heat: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut left: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for access in found {
        *heat.entry((access.text("/purpose"), access.text("/recipient/id"))).or_default() += 1;
        let end = access.end.clone().unwrap_or_default();
        for (form, categories) in end["counts"].as_object().into_iter().flatten() {
            for (category, fields) in categories.as_object().into_iter().flatten() {
                let sum = left.entry((form.clone(), category.clone())).or_default();
                *sum = (sum.0 + 1, sum.1 + fields.as_u64().unwrap());
            }
        }
    }
    let told = queries.heat(asked).unwrap();
    let told = told.into_iter().map(|one| ((one.purpose.to_string(), one.recipient.to_string()), one.count));
    assert_eq!(told.collect::<BTreeMap<_, _>>(), heat, "{asked:?}");
    let told = queries.left(asked).unwrap();
    let told = told.into_iter().map(|one| ((one.form, one.category), (one.accesses, one.fields)));
    assert_eq!(told.collect::<BTreeMap<_, _>>(), left, "{asked:?}");
}

#[test]
fn every_answer_is_that_of_reading_all_lines() {
    for seed in 1..4 {
        let disks = disks(seed * 100, 700);
        let file = File::new(&format!("same-{seed}"));
        let (queries, all) = (file.built(&disks), read(&disks));
        assert!(all.len() > 300, "{}", all.len());
        compare(&queries, &all, &mut Chance(seed), 50);
    }
}

#[test]
fn a_record_is_found_by_its_number_whatever_part_of_an_access_it_is() {
    let disks = disks(7, 500);
    let file = File::new("record");
    let (queries, all) = (file.built(&disks), read(&disks));
    for access in &all {
        let parts = access.windows.iter().chain(&access.end).chain(std::iter::once(&access.begun));
        for part in parts {
            let seq = part["seq"].as_u64().unwrap();
            same_row(&queries.record(&access.log, seq).unwrap().unwrap(), access);
            let line = queries.line(&access.log, seq).unwrap().unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&line.bytes).unwrap(), *part);
        }
    }
    assert_eq!(queries.line("gate", 1_000_000).unwrap(), None);
    assert_eq!(queries.record("gate", 1).unwrap(), None, "the first line of a segment is no access");
    assert_eq!(queries.record("nosuch", 2).unwrap(), None);
}

#[test]
fn a_person_is_told_every_access_with_how_often_and_in_which_forms() {
    let disks = disks(11, 500);
    let file = File::new("subject");
    let (queries, all) = (file.built(&disks), read(&disks));
    for person in people() {
        let told = queries.subject(person.as_str(), None, usize::MAX >> 1).unwrap();
        let slow: Vec<&Slow> = all.iter().filter(|access| access.names(person.as_str())).collect();
        assert!(!slow.is_empty());
        assert_eq!(told.len(), slow.len());
        for (about, access) in told.iter().zip(slow) {
            same_row(&about.row, access);
            assert_eq!(about.entries, access.entries_about(person.as_str()));
        }
    }
    assert!(queries.subject("nobody", None, 9).unwrap().is_empty());
}

#[test]
fn what_a_caller_did_before_and_after_is_next_to_it() {
    let disks = one(&log(5, 600));
    let file = File::new("neighbours");
    let (queries, all) = (file.built(&disks), read(&disks));
    let mine = Filter { caller: vec!["c-1".to_owned()], ..Filter::default() };
    let his: Vec<&Slow> = all.iter().filter(|access| access.matches(&mine)).collect();
    let rows = queries.search(&mine, None, 1000).unwrap();
    for at in [0, 1, 5, his.len() - 1] {
        let told: Vec<u64> =
            queries.neighbours(&mine, &rows[at].place, 3).unwrap().iter().map(|row| row.place.seq).collect();
        let near: Vec<u64> = his[at.saturating_sub(3)..(at + 4).min(his.len())].iter().map(|one| one.seq).collect();
        assert_eq!(told, near);
    }
}

#[test]
fn no_clear_id_of_a_person_is_in_the_file() {
    let disks = disks(3, 400);
    let file = File::new("clear");
    drop(file.built(&disks));
    for entry in std::fs::read_dir(file.0.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        for person in people() {
            let sealed = person.as_str().as_bytes();
            assert!(!bytes.windows(7).any(|part| part == b"person-"), "{:?}", entry.path());
            assert!(!bytes.windows(sealed.len()).any(|part| part == sealed), "a hash is enough");
        }
        use std::os::unix::fs::MetadataExt;
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn reviews_strangers_and_members_without_a_name_are_told_as_the_lines_tell_them() {
    let disks = disks(71, 700);
    let file = File::new("named");
    let (queries, all) = (file.built(&disks), read(&disks));
    let reviews: Vec<u64> = queries.reviews(None, 10_000).unwrap().iter().map(|row| row.place.seq).collect();
    assert_eq!(reviews, all.iter().filter(|one| one.is_review()).map(|one| one.seq).collect::<Vec<_>>());
    let mut slow: BTreeMap<(String, String), (u64, u64, u64)> = BTreeMap::new();
    for access in &all {
        for name in access.set("unclassified") {
            let seen = slow.entry((name, access.text("/route"))).or_insert((u64::MAX, 0, 0));
            *seen = (seen.0.min(access.time_ms), seen.1.max(access.time_ms), seen.2 + 1);
        }
    }
    assert!(slow.len() > 5);
    let told = queries.unclassified(&Filter::default()).unwrap();
    assert!(told.windows(2).all(|two| two[0].last_ms >= two[1].last_ms));
    let told = told
        .iter()
        .map(|one| ((one.name.to_string(), one.route.to_string()), (one.first_ms, one.last_ms, one.accesses)));
    assert_eq!(told.collect::<BTreeMap<_, _>>(), slow);
    let mut knocked = 0;
    for disk in disks.values() {
        let mut reader = sekisho::audit::Reader::new(disk);
        while let Some(line) = reader.next_line().unwrap() {
            let record: Value = serde_json::from_slice(&line.bytes).unwrap();
            let refused = record["refused"].as_array().into_iter().flatten();
            knocked += refused.map(|one| one["count"].as_u64().unwrap()).sum::<u64>();
        }
    }
    let told = queries.strangers(0, u64::MAX, 100_000).unwrap();
    assert!(knocked > 0);
    assert_eq!(told.iter().map(|one| one.count).sum::<u64>(), knocked);
    assert!(told.windows(2).all(|two| two[0].time_ms <= two[1].time_ms));
    assert!(queries.strangers(told[1].time_ms, told[1].time_ms, 9).unwrap().is_empty());
}
