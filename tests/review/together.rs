//! Several at once: one alone decides.

use super::support::*;
use sekisho::audit::{Administrative, Caller, Detail, Log, time_text};
use sekisho::review::{Journal, ReviewError, Which};
use sekisho::store::Directory;
use std::sync::{Arc, Barrier};

const REVIEW: &[&str] = &["review"];

#[test]
fn of_many_who_accept_at_once_one_did() {
    let data = Data::new();
    let accesses: Vec<u64> = (0..4).map(|_| data.access("er-sato", REVIEW)).collect();
    let queries = data.queries();
    // Half of them share a handle, the others are as processes of their own.
    let shared = data.journal();
    let journals: Vec<Journal> =
        (0..6).map(|turn| if turn % 2 == 0 { shared.clone() } else { data.journal() }).collect();
    for seq in &accesses {
        let barrier = Barrier::new(journals.len());
        let told: Vec<Result<u64, ReviewError>> = std::thread::scope(|scope| {
            let decide = |(who, journal): (usize, &Journal)| {
                barrier.wait();
                let reviewer = reviewer(&format!("po-{who}"));
                let item = journal.decide(&queries, "gate", *seq, &reviewer, accept("at once"))?;
                Ok(item.state.verdict().unwrap().record)
            };
            let threads: Vec<_> = journals.iter().enumerate().map(|each| scope.spawn(move || decide(each))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let done: Vec<&u64> = told.iter().filter_map(|one| one.as_ref().ok()).collect();
        assert_eq!(done.len(), 1, "{told:?}");
        let refused = |one: &Result<u64, ReviewError>| match one {
            Ok(_) => true,
            Err(ReviewError::Decided { record, .. }) => record == done[0],
            Err(_) => false,
        };
        assert!(told.iter().all(refused), "{told:?}");
    }
    assert_eq!(data.verdicts().len(), accesses.len());
    let report = sekisho::audit::verify(&Directory::open_to_read(&data.log("review")).unwrap()).unwrap();
    assert!(report.is_intact(), "{:?}", report.bad);
}

#[test]
fn who_finds_another_writing_waits_and_then_says_so() {
    let data = Data::new();
    let seq = data.access("er-sato", REVIEW);
    let (queries, journal) = (data.queries(), data.journal());
    let other = data.writer("review");
    let told = journal.decide(&queries, "gate", seq, &reviewer("po-mori"), accept("")).unwrap_err();
    assert!(matches!(told, ReviewError::Busy), "{told:?}");
    assert!(told.to_string().contains("try again"), "{told}");
    assert_eq!(numbers(&journal, &queries, Which::Open), [seq], "whoever only looks waits for nobody");
    // One that lets go in time is waited for.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            other.close();
        });
        journal.decide(&queries, "gate", seq, &reviewer("po-mori"), accept("")).unwrap();
    });
}

/// What a writer left that was killed before it signed is not told by the files alone; the next writer makes it so.
#[test]
fn a_verdict_of_one_that_was_killed_at_once_is_not_overlooked() {
    let data = Data::new();
    let seq = data.access("er-sato", REVIEW);
    let (queries, journal) = (data.queries(), data.journal());
    let row = row(&queries, seq);
    let disk = Arc::new(Directory::open(&data.log("review")).unwrap());
    let (log, _) = Log::open(disk, options(), Arc::new(|| NOW_MS)).unwrap();
    let accessed = time_text(row.time_ms);
    let details = [
        ("log", Detail::Text("gate")),
        ("record", Detail::Number(seq)),
        ("id", Detail::Text(&row.id)),
        ("accessed", Detail::Text(&accessed)),
        ("verdict", Detail::Text("review-1")),
    ];
    let by = Caller { issuer: "x", id: "po-ueda", ..Caller::default() };
    let verdict = Administrative { action: "review-accept", by: Some(by), details: &details, ..Default::default() };
    log.administrative(&verdict).wait().unwrap();
    log.close();
    assert_eq!(numbers(&journal, &queries, Which::Open), [seq], "nothing says that it is durable");
    let told = journal.decide(&queries, "gate", seq, &reviewer("po-mori"), accept("")).unwrap_err();
    assert!(matches!(&told, ReviewError::Decided { by, .. } if by == "po-ueda"), "{told:?}");
    assert_eq!(numbers(&journal, &queries, Which::Accepted), [seq]);
    assert_eq!(data.verdicts().len(), 1);
}
