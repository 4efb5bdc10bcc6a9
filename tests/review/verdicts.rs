//! Who may say what of which access.

use super::support::*;
use sekisho::review::{ReviewError, Reviewer, State, Which};

const REVIEW: &[&str] = &["review", "record-provision"];

#[test]
fn nobody_reviews_his_own_access_however_his_id_is_written() {
    let data = Data::new();
    let long = format!("er-{}", "名".repeat(120));
    let (own, others) = (data.access("Er-Sato", REVIEW), data.access(&long, REVIEW));
    let (queries, journal) = (data.queries(), data.journal());
    let callers = |id: &str, callers: &[&str]| Reviewer {
        callers: callers.iter().map(|caller| (*caller).to_owned()).collect(),
        ..reviewer(id)
    };
    let his = [
        (own, reviewer("Er-Sato")),
        (own, reviewer(" er-SATO ")),
        (own, reviewer("ｅｒ－Ｓato")),
        (own, callers("uid 7", &["x", "\ter-sato"])),
        (others, reviewer(&long)),
        (others, callers("uid 7", &[&long.to_uppercase()])),
    ];
    for (seq, reviewer) in his {
        for decision in [accept("mine"), object("told off", "mine")] {
            let told = journal.decide(&queries, "gate", seq, &reviewer, decision).unwrap_err();
            assert!(matches!(told, ReviewError::Own), "{told:?} {reviewer:?}");
        }
    }
    assert!(!data.log("review").exists(), "something was written");
    // One whose id is a part of his is somebody else.
    let other = callers("er-sat", &["sato", "", " "]);
    assert!(is_accepted(&journal.decide(&queries, "gate", own, &other, accept("")).unwrap().state));
    assert!(is_accepted(&journal.decide(&queries, "gate", others, &reviewer("er-名名"), accept("")).unwrap().state));
}

#[test]
fn what_is_decided_is_not_decided_again_and_it_is_told_by_whom_and_when() {
    let data = Data::new();
    let seq = data.access("er-sato", REVIEW);
    let (queries, journal) = (data.queries(), data.journal());
    let item = journal.decide(&queries, "gate", seq, &reviewer("po-mori"), accept(" it was an emergency ")).unwrap();
    let State::Accepted(verdict) = &item.state else { panic!("{:?}", item.state) };
    assert_eq!((verdict.by.as_str(), verdict.time_ms), ("po-mori", NOW_MS));
    assert_eq!(verdict.remark.as_ref().unwrap().as_str(), "it was an emergency");
    assert_eq!((item.row.place.seq, item.due_ms), (seq, NOW_MS + 7 * DAY_MS));
    data.turn(1000);
    // By the same handle, another, and after the files were read from their beginning.
    for journal in [&journal, &journal.clone(), &data.journal()] {
        let told = journal.decide(&queries, "gate", seq, &reviewer("po-ueda"), accept("me too")).unwrap_err();
        let ReviewError::Decided { is_objection: false, by, time_ms, record } = &told else { panic!("{told:?}") };
        assert_eq!((by.as_str(), *time_ms, *record), ("po-mori", NOW_MS, verdict.record));
        let said = told.to_string();
        assert!(said.contains("po-mori") && said.contains("2026-11-22T09:00:00.000Z"), "{said}");
    }
    assert_eq!(data.verdicts().len(), 1);
}

#[test]
fn an_objection_may_follow_an_acceptance_and_then_stands_and_both_are_on_record() {
    let data = Data::new();
    let (seq, other) = (data.access("er-sato", REVIEW), data.access("er-sato", REVIEW));
    let (queries, journal) = (data.queries(), data.journal());
    let decide = |seq, who: &str, decision| journal.decide(&queries, "gate", seq, &reviewer(who), decision);
    decide(seq, "po-mori", accept("fine")).unwrap();
    data.turn(5000);
    let item = decide(seq, "po-ueda", object(" spoken\n to \u{a0}him ", "it was his neighbour")).unwrap();
    let State::Objected(verdict) = &item.state else { panic!("{:?}", item.state) };
    assert_eq!(verdict.action_taken.as_deref(), Some("spoken to him"));
    assert_eq!(verdict.remark.as_ref().unwrap().as_str(), "it was his neighbour");
    for (who, decision) in [("po-mori", accept("no")), ("po-kubo", object("again", ""))] {
        let told = decide(seq, who, decision).unwrap_err();
        assert!(matches!(&told, ReviewError::Decided { is_objection: true, by, .. } if by == "po-ueda"), "{told:?}");
    }
    let item = decide(other, "po-mori", object("reported", "")).unwrap();
    assert!(item.state.verdict().unwrap().remark.is_none(), "nothing was remarked");
    let on_record: Vec<(String, u64, String)> = data
        .verdicts()
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            assert_eq!((text("log").as_str(), line["by"]["roles"][0].as_str()), ("gate", Some("privacy-officer")));
            (text("action"), line["record"].as_u64().unwrap(), line["by"]["id"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected =
        [("review-accept", seq, "po-mori"), ("review-object", seq, "po-ueda"), ("review-object", other, "po-mori")];
    assert_eq!(on_record, expected.map(|(what, seq, who)| (what.to_owned(), seq, who.to_owned())));
}

#[test]
fn what_is_no_access_or_needs_no_review_is_not_reviewed() {
    let data = Data::new();
    let (seq, usual) = (data.access("er-sato", REVIEW), data.access("er-sato", &["record-provision"]));
    let log = data.writer("gate");
    let refusal = refused(&log, "er-sato");
    log.close();
    let (queries, journal) = (data.queries(), data.journal());
    let decide = |log: &str, seq| journal.decide(&queries, log, seq, &reviewer("po-mori"), accept("")).unwrap_err();
    for unneeded in [usual, refusal] {
        let told = decide("gate", unneeded);
        assert!(matches!(told, ReviewError::NoReview { .. }), "{told:?}");
        assert!(journal.item(&row(&queries, unneeded)).unwrap().is_none());
    }
    // The segment's own line, numbers and logs that are not there.
    for (log, seq) in [("gate", 1), ("gate", 0), ("gate", 9999), ("gate", u64::MAX), ("nothing", seq), ("review", 1)] {
        let told = decide(log, seq);
        assert!(matches!(told, ReviewError::NoAccess { begin: None, .. }), "{log} {seq} {told:?}");
    }
    for part in [seq + 1, seq + 2] {
        let told = decide("gate", part);
        assert!(matches!(told, ReviewError::NoAccess { begin: Some(begin), .. } if begin == seq), "{told:?}");
    }
    assert!(!data.log("review").exists(), "something was written");
}

#[test]
fn a_verdict_that_says_too_little_or_too_much_is_refused() {
    let data = Data::new();
    let seq = data.access("er-sato", REVIEW);
    let (queries, journal) = (data.queries(), data.journal());
    let decide = |who: &str, decision| journal.decide(&queries, "gate", seq, &reviewer(who), decision);
    for nothing in ["", " \t\n"] {
        let told = decide("po-mori", object(nothing, "why")).unwrap_err();
        assert!(matches!(told, ReviewError::NoAction), "{told:?}");
        let told = decide(nothing, accept("why")).unwrap_err();
        assert!(matches!(told, ReviewError::Nobody), "{told:?}");
    }
    let told = decide("po-mori", object(&"x".repeat(257), "")).unwrap_err();
    assert!(matches!(told, ReviewError::TooLong { bytes: 257, bytes_max: 256, .. }), "{told:?}");
    let told = decide("po-mori", accept(&"名".repeat(683))).unwrap_err();
    assert!(matches!(told, ReviewError::TooLong { bytes: 2049, bytes_max: 2048, .. }), "{told:?}");
    assert!(!data.log("review").exists(), "something was written");
    // The longest that are taken come back whole.
    let (action, remark) = ("あ".repeat(85), "い".repeat(682));
    let item = decide("po-mori", object(&action, &remark)).unwrap();
    let verdict = item.state.verdict().unwrap().clone();
    assert_eq!(verdict.action_taken.unwrap(), action);
    assert_eq!(verdict.remark.unwrap().as_str(), remark);
}

#[test]
fn a_log_that_was_begun_anew_has_no_verdicts_of_the_one_before_it() {
    let data = Data::new();
    let seq = data.access("er-sato", REVIEW);
    let journal = data.journal();
    let before = data.queries();
    journal.decide(&before, "gate", seq, &reviewer("po-mori"), accept("")).unwrap();
    std::fs::rename(data.log("gate"), data.path.join("aside")).unwrap();
    data.turn(60_000);
    assert_eq!(data.access("er-sato", REVIEW), seq, "the numbers begin again");
    let queries = data.queries();
    assert_eq!(numbers(&journal, &queries, Which::Open), [seq]);
    assert!(numbers(&journal, &queries, Which::Accepted).is_empty());
    let sums = journal.sums(&queries, data.now_ms()).unwrap();
    assert_eq!((sums.open, sums.accepted), (1, 0));
    let page = page(&journal, &queries, Which::Open).unwrap();
    assert!(matches!(page[0].state, State::Open), "{:?}", page[0].state);
    assert!(is_objected(
        &journal.decide(&queries, "gate", seq, &reviewer("po-mori"), object("said", "")).unwrap().state
    ));
    let sums = journal.sums(&queries, data.now_ms()).unwrap();
    assert_eq!((sums.open, sums.objected), (0, 1));
    // The old log put back is reviewed as it was.
    std::fs::rename(data.log("gate"), data.path.join("other")).unwrap();
    std::fs::rename(data.path.join("aside"), data.log("gate")).unwrap();
    let queries = data.queries();
    assert_eq!(numbers(&journal, &queries, Which::Accepted), [seq]);
    assert!(is_accepted(&journal.item(&row(&queries, seq)).unwrap().unwrap().state));
}

#[test]
fn a_remark_is_in_no_file_in_clear_and_a_line_is_as_the_schema_says() {
    let data = Data::new();
    let seq = data.access("er-sato", REVIEW);
    let (queries, journal) = (data.queries(), data.journal());
    let canary = "canary of the neighbour Hanako";
    for decision in [accept(canary), object("spoken to him", canary)] {
        let item = journal.decide(&queries, "gate", seq, &reviewer("po-mori"), decision).unwrap();
        assert!(!format!("{item:?}").contains("canary"), "whoever prints an item prints the remark");
    }
    data.queries();
    let mut files = Vec::new();
    files_under(&data.path, &mut files);
    assert!(files.iter().any(|file| file.ends_with("log/review/audit-00000000000000000001.jsonl")), "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|six| six == b"canary"), "{}", file.display());
    }
    let lines = data.lines();
    for line in &lines {
        assert_eq!(crate::audit::schema::fault(line), None, "{line}");
    }
    // The same words in two verdicts look unrelated.
    let sealed: Vec<&str> = lines.iter().filter_map(|line| line["reason"].as_str()).collect();
    assert!(sealed.len() == 2 && sealed[0] != sealed[1], "{sealed:?}");
}
