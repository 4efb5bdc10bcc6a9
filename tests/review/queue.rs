//! The queue and its sums against a slow count over the same accesses and verdicts.

use super::support::*;
use sekisho::index::Queries;
use sekisho::review::{Journal, QueueFilter, Sums, Which};
use std::collections::BTreeMap;

/// Numbers by chance (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// An access that is to be reviewed, as whoever wrote it knows it.
struct Slow {
    time_ms: u64,
    /// Whether it was objected to.
    said: Option<bool>,
}

type All = BTreeMap<u64, Slow>;

fn takes(which: Which, slow: &Slow, now_ms: u64) -> bool {
    match which {
        Which::All => true,
        Which::Open => slow.said.is_none(),
        Which::Overdue => slow.said.is_none() && slow.time_ms + 7 * DAY_MS <= now_ms,
        Which::Accepted => slow.said == Some(false),
        Which::Objected => slow.said == Some(true),
    }
}

fn slow(all: &All, which: Which, now_ms: u64) -> Vec<u64> {
    let mut found: Vec<(u64, u64)> =
        all.iter().filter(|(_, slow)| takes(which, slow, now_ms)).map(|(seq, slow)| (slow.time_ms, *seq)).collect();
    found.sort_unstable();
    if !matches!(which, Which::Open | Which::Overdue) {
        found.reverse();
    }
    found.into_iter().map(|(_, seq)| seq).collect()
}

fn compare(data: &Data, journal: &Journal, queries: &Queries, all: &All, chance: &mut Chance) {
    let now_ms = data.now_ms();
    for which in [Which::Open, Which::Overdue, Which::Accepted, Which::Objected, Which::All] {
        let limit = 1 + chance.below(20) as usize;
        let (mut told, mut before) = (Vec::new(), None);
        loop {
            let filter = QueueFilter { which, before: before.as_ref(), limit };
            let page = journal.queue(queries, &filter).unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            before = Some(last.row.place.clone());
            for item in &page {
                let slow = &all[&item.row.place.seq];
                assert_eq!((item.row.time_ms, item.due_ms), (slow.time_ms, slow.time_ms + 7 * DAY_MS));
                assert_eq!(is_objected(&item.state), slow.said == Some(true));
                assert_eq!(is_accepted(&item.state), slow.said == Some(false));
            }
            told.extend(page.iter().map(|item| item.row.place.seq));
            assert!(told.len() <= all.len(), "pages go round in circles");
        }
        assert_eq!(told, slow(all, which, now_ms), "{which:?} in pages of {limit}");
    }
    let count = |which| slow(all, which, now_ms).len() as u64;
    let sums = Sums {
        open: count(Which::Open),
        overdue: count(Which::Overdue),
        accepted: count(Which::Accepted),
        objected: count(Which::Objected),
    };
    assert_eq!(journal.sums(queries, now_ms).unwrap(), sums);
}

#[test]
fn every_page_and_sum_is_what_counting_by_hand_gives() {
    let (data, mut chance, mut all) = (Data::new(), Chance(11), All::new());
    let journal = data.journal();
    for round in 0..4 {
        let log = data.writer("gate");
        for _ in 0..60 {
            data.turn(chance.below(DAY_MS / 8));
            let obligations: &[&str] = if chance.below(3) == 0 { &["review"] } else { &[] };
            let seq = accessed(&log, "er-sato", obligations);
            if !obligations.is_empty() {
                all.insert(seq, Slow { time_ms: data.now_ms(), said: None });
            }
        }
        log.close();
        let queries = data.queries();
        let decided: Vec<u64> = all.keys().copied().filter(|_| chance.below(3) == 0).collect();
        for seq in decided {
            let is_objection = chance.below(3) == 0;
            let decision = if is_objection { object("reported", "no") } else { accept("yes") };
            let may = match all[&seq].said {
                None => true,
                Some(said) => is_objection && !said,
            };
            let told = journal.decide(&queries, "gate", seq, &reviewer("po-mori"), decision);
            assert_eq!(told.is_ok(), may, "{seq} {told:?}");
            if may {
                all.get_mut(&seq).unwrap().said = Some(is_objection);
            }
        }
        // By one that read it all along and one that reads it now.
        compare(&data, &journal, &queries, &all, &mut chance);
        compare(&data, &data.journal(), &queries, &all, &mut chance);
        let seen = [Which::Open, Which::Overdue, Which::Accepted, Which::Objected];
        if round == 3 {
            assert!(seen.iter().all(|which| !slow(&all, *which, data.now_ms()).is_empty()), "of each something");
        }
    }
}

#[test]
fn it_is_late_from_the_moment_that_it_is_due() {
    let data = Data::new();
    let seq = data.access("er-sato", &["review"]);
    let (queries, journal) = (data.queries(), data.journal());
    data.turn(7 * DAY_MS - 1);
    assert!(numbers(&journal, &queries, Which::Overdue).is_empty());
    assert_eq!(journal.sums(&queries, data.now_ms()).unwrap().overdue, 0);
    data.turn(1);
    assert_eq!(numbers(&journal, &queries, Which::Overdue), [seq]);
    assert_eq!(numbers(&journal, &queries, Which::Open), [seq], "the late ones are open too");
    assert_eq!(journal.sums(&queries, data.now_ms()).unwrap().overdue, 1);
}

#[test]
fn a_page_after_one_whose_last_access_is_gone_goes_on_where_it_stood() {
    let data = Data::new();
    let first = data.access("er-sato", &["review"]);
    data.turn(DAY_MS);
    let second = data.access("er-sato", &["review"]);
    let (queries, journal) = (data.queries(), data.journal());
    let mut gone = row(&queries, first).place;
    gone.seq += 1;
    gone.order_ms += 1;
    let page = |which| {
        let items = journal.queue(&queries, &QueueFilter { which, before: Some(&gone), limit: 9 }).unwrap();
        items.iter().map(|item| item.row.place.seq).collect::<Vec<u64>>()
    };
    assert_eq!(page(Which::Open), [second]);
    assert_eq!(page(Which::All), [first]);
}
