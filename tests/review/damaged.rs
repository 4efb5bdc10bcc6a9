//! What cannot be verified counts for nothing, and it is said what to do.

use super::support::*;
use sekisho::review::{Journal, ReviewError, Which};

const REVIEW: &[&str] = &["review"];

/// Three accesses, the first two decided.
fn decided(data: &Data) -> (Journal, Vec<u64>) {
    let seqs: Vec<u64> = (0..3).map(|_| data.access("er-sato", REVIEW)).collect();
    let (queries, journal) = (data.queries(), data.journal());
    journal.decide(&queries, "gate", seqs[0], &reviewer("po-mori"), accept("one")).unwrap();
    journal.decide(&queries, "gate", seqs[1], &reviewer("po-mori"), object("reported", "two")).unwrap();
    (journal, seqs)
}

/// No question is answered, and nothing is written.
fn is_broken(data: &Data, journal: &Journal, seq: u64) {
    let queries = data.queries();
    let before = std::fs::read(data.log("review").join("audit-00000000000000000001.jsonl")).unwrap();
    let told = [
        page(journal, &queries, Which::Open).map(drop).unwrap_err(),
        journal.sums(&queries, NOW_MS).map(drop).unwrap_err(),
        journal.item(&row(&queries, seq)).map(drop).unwrap_err(),
        journal.decide(&queries, "gate", seq, &reviewer("po-kubo"), accept("")).map(drop).unwrap_err(),
    ];
    for one in told {
        assert!(matches!(one, ReviewError::Broken { .. }), "{one:?}");
        let said = one.to_string();
        let folder = data.log("review");
        assert!(said.contains("nothing in it counts") && said.contains(folder.to_str().unwrap()), "{said}");
    }
    assert_eq!(std::fs::read(data.log("review").join("audit-00000000000000000001.jsonl")).unwrap(), before);
}

#[test]
fn a_record_that_was_changed_ends_every_answer() {
    // In the middle by its neighbour; at the end, where no record follows, by what is signed.
    for (from, to) in [("review-accept", "review-object"), ("reported", "thanked!")] {
        let data = Data::new();
        let (_, seqs) = decided(&data);
        data.tamper("review", from, to);
        is_broken(&data, &data.journal(), seqs[2]);
    }
}

#[test]
fn a_verdict_that_was_taken_from_the_end_is_missed() {
    let data = Data::new();
    let (journal, seqs) = decided(&data);
    let file = data.log("review").join("audit-00000000000000000001.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let (kept, _objection) = text.trim_end().rsplit_once('\n').unwrap();
    std::fs::write(&file, format!("{kept}\n")).unwrap();
    is_broken(&data, &data.journal(), seqs[2]);
    // Also by one that had read it.
    is_broken(&data, &journal, seqs[2]);
    // Put back, all is as it was.
    std::fs::write(&file, text).unwrap();
    assert_eq!(numbers(&journal, &data.queries(), Which::Objected), [seqs[1]]);
}

#[test]
fn a_damage_that_comes_while_it_is_read_on_is_seen() {
    let data = Data::new();
    let (journal, seqs) = decided(&data);
    let queries = data.queries();
    assert_eq!(numbers(&journal, &queries, Which::Open), [seqs[2]]);
    data.journal().decide(&queries, "gate", seqs[2], &reviewer("po-mori"), accept("three")).unwrap();
    let line = data.verdicts().last().unwrap()["seq"].as_u64().unwrap();
    data.tamper("review", &format!("\"seq\":{line},"), &format!("\"seq\":{},", line + 1));
    is_broken(&data, &journal, seqs[2]);
}

#[test]
fn a_verdict_without_what_it_is_about_is_not_passed_over() {
    let data = Data::new();
    let seq = data.access("er-sato", REVIEW);
    let log = data.writer("review");
    let record = sekisho::audit::Administrative { action: "review-object", ..Default::default() };
    log.administrative(&record).wait().unwrap();
    log.close();
    is_broken(&data, &data.journal(), seq);
    let queries = data.queries();
    let said = page(&data.journal(), &queries, Which::Open).unwrap_err().to_string();
    assert!(said.contains("record 2 is a verdict without `by`"), "{said}");
}

#[test]
fn a_journal_that_is_not_there_is_empty_and_one_moved_aside_leaves_all_open() {
    let data = Data::new();
    let (journal, seqs) = decided(&data);
    std::fs::rename(data.log("review"), data.path.join("aside")).unwrap();
    let queries = data.queries();
    for journal in [&journal, &data.journal()] {
        assert_eq!(numbers(journal, &queries, Which::Open), seqs);
        assert!(numbers(journal, &queries, Which::Objected).is_empty());
    }
    assert!(!data.log("review").exists(), "whoever only asks makes nothing");
    journal.decide(&queries, "gate", seqs[0], &reviewer("po-kubo"), object("again", "")).unwrap();
    assert_eq!(numbers(&journal, &queries, Which::Objected), [seqs[0]]);
    assert_eq!(numbers(&journal, &queries, Which::Open), seqs[1..]);
}

#[test]
fn a_remark_sealed_under_another_key_is_told_and_not_left_out() {
    let data = Data::new();
    let (_, seqs) = decided(&data);
    let (queries, other) = (data.queries(), data.journal_sealed(8));
    let told = page(&other, &queries, Which::All).unwrap_err();
    assert!(matches!(told, ReviewError::Sealed { .. }), "{told:?}");
    assert_eq!(numbers(&other, &queries, Which::Open), [seqs[2]], "what has no remark is told");
}

#[test]
fn an_access_behind_a_damage_of_its_log_is_shown_and_not_reviewed() {
    let data = Data::new();
    let log = data.writer("gate");
    let seqs: Vec<u64> = (0..4).map(|turn| accessed(&log, &format!("er-{turn}"), REVIEW)).collect();
    log.close();
    data.tamper("gate", "\"id\":\"er-2\"", "\"id\":\"er-9\"");
    let (queries, journal) = (data.queries(), data.journal());
    let decide = |seq| journal.decide(&queries, "gate", seq, &reviewer("po-mori"), accept(""));
    assert_eq!(numbers(&journal, &queries, Which::Open), seqs);
    assert!(is_accepted(&decide(seqs[0]).unwrap().state));
    for seq in &seqs[2..] {
        let told = decide(*seq).unwrap_err();
        assert!(matches!(told, ReviewError::Unverified { .. }), "{told:?}");
    }
    assert_eq!(data.verdicts().len(), 1);
}

#[test]
fn a_line_that_was_changed_since_the_index_was_made_is_not_reviewed() {
    let data = Data::new();
    let mut seqs = Vec::new();
    let log = data.writer("gate");
    for caller in ["er-1", "er-2", "er-3"] {
        seqs.push(accessed(&log, caller, REVIEW));
    }
    log.close();
    let (queries, journal) = (data.queries(), data.journal());
    // So that it is no longer his own; so that it is another.
    data.tamper("gate", "\"id\":\"er-1\"", "\"id\":\"er-7\"");
    for (seq, who) in [(seqs[0], "er-1"), (seqs[0], "po-mori")] {
        let told = journal.decide(&queries, "gate", seq, &reviewer(who), accept("")).unwrap_err();
        assert!(matches!(told, ReviewError::Changed { .. }), "{told:?}");
    }
    let decision = row(&queries, seqs[1]).id;
    data.tamper("gate", &decision, &decision.replace('0', "f"));
    let told = journal.decide(&queries, "gate", seqs[1], &reviewer("po-mori"), accept("")).unwrap_err();
    assert!(matches!(told, ReviewError::Changed { .. }), "{told:?}");
    assert!(!data.log("review").exists());
    assert!(is_accepted(&journal.decide(&queries, "gate", seqs[2], &reviewer("po-mori"), accept("")).unwrap().state));
}
