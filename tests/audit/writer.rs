//! What callers see: order, waiting, dropping, closing.

use super::support::*;
use sekisho::audit::{
    Administrative, AuditError, Count, Detail, Disclosure, End, Entries, Latency, Note, Outcome, Reason, Recipient,
    Refusal, Tail, Window, pretty, tail,
};
use sekisho::store::simulated::Simulated;
use std::time::Duration;

#[test]
fn a_record_explains_itself_and_holds_no_plain_subject() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    let (seal, forms) = (seal(), forms());
    let subjects = [seal.subject("d-100").unwrap(), seal.subject("d-101").unwrap()];
    let reason = seal.note(Note::Reason, "r-1", "second opinion").unwrap();
    let reference = seal.note(Note::Reference, "r-1", "court order 12").unwrap();
    let mut first = begin("r-1");
    first.decision.trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736");
    first.decision.decided_ms = Some(NOW_MS - 1);
    first.decision.basis = Some("consent");
    first.decision.proofs = &["consent-7"];
    first.decision.caller.organization = Some("univ-a");
    first.decision.caller.recipient = Some("researcher");
    first.decision.caller.roles = &["researcher"];
    first.decision.caller.authenticated_ms = Some(NOW_MS - 60_000);
    first.decision.recipient =
        Some(Recipient { id: "researcher", organization: Some("univ-a"), country: Some("JP"), overseas_basis: None });
    first.decision.subject_class = Some("donor");
    first.decision.subjects = &subjects[..1];
    first.decision.forms = Some(&forms);
    first.decision.rules = &["research"];
    first.decision.obligations = &["record-provision"];
    first.decision.reason = Some(&reason);
    first.decision.reference = Some(&reference);
    let mut ticket = log.begin(&first).wait().unwrap();
    let group = [Disclosure { class: "donor", subjects: &subjects, forms: &forms }];
    ticket.continuation(&Window { disclosed: &group, entries_dropped: 1, window_bytes: 6120 }).wait().unwrap();
    let counts = [
        Count { form: "clear", category: "health.exam-result", fields: 12 },
        Count { form: "withheld", category: "identity.name", fields: 3 },
        Count { form: "clear", category: "health.diagnosis", fields: 1 },
    ];
    let latency =
        Latency { record_us: Some(80), backend_us: Some(900), first_byte_us: Some(1100), total_us: Some(1500) };
    let end = End {
        outcome: Outcome::Completed,
        status: Some(200),
        received_bytes: Some(9000),
        released_bytes: 6120,
        entries: Some(Entries { released: 2, dropped: 1 }),
        counts: &counts,
        unclassified: &["Patient.shoeSize"],
        unclassified_fields: 2,
        latency,
        ..End::default()
    };
    ticket.end(&end).wait().unwrap();
    let reasons = [Reason { code: "consent-missing", clause: Some("II.3.10") }];
    let refusal = Refusal { decision: decision("r-2"), reasons: &reasons, status: 403, decision_us: Some(9) };
    log.refuse(&refusal).wait().unwrap();
    let details = [("listen", Detail::Text("127.0.0.1:8443")), ("sites", Detail::Number(1))];
    log.administrative(&Administrative { action: "start", details: &details, ..Administrative::default() })
        .wait()
        .unwrap();
    log.stranger("192.0.2.7".parse().unwrap(), "token-missing");
    log.close();
    intact(&disk);
    let text =
        String::from_utf8(lines(&disk).iter().flat_map(|line| [&line.bytes[..], b"\n"].concat()).collect()).unwrap();
    for plain in ["d-100", "d-101", "second opinion", "court order"] {
        assert!(!text.contains(plain), "{plain} in {text}");
    }
    let records = records(&disk);
    let kinds: Vec<_> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["segment", "begin", "continuation", "end", "refusal", "administrative", "strangers"]);
    assert_eq!(records[1]["caller"]["authenticated"], "2026-11-22T08:59:00.000Z");
    assert_eq!(
        seal.open_note(Note::Reason, "r-1", records[1]["reason"].as_str().unwrap()).unwrap().as_str(),
        "second opinion"
    );
    assert_eq!(
        seal.open_subject(records[2]["disclosed"][0]["subjects"][1].as_str().unwrap()).unwrap().as_str(),
        "d-101"
    );
    assert_eq!(records[2]["disclosed"][0]["forms"]["withheld"][0], "identity.name");
    assert_eq!(records[3]["counts"]["clear"]["health.diagnosis"], 1);
    assert_eq!((&records[3]["begin"], &records[3]["windows"]), (&2.into(), &1.into()));
    assert_eq!(records[4]["reasons"][0]["code"], "consent-missing");
    if std::env::var_os("SHOW_LINES").is_some() {
        println!("{text}");
        for line in text.lines() {
            println!("{}", pretty(line.as_bytes(), false));
        }
    }
}

#[test]
fn waiters_hear_their_own_number_in_the_order_of_the_file() {
    let disk = Simulated::new();
    let mut options = options();
    options.segment_bytes = 1 << 16;
    let (log, _) = open_with(&disk, options).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut waiters = tokio::task::JoinSet::new();
        for waiter in 0..64 {
            let log = log.clone();
            waiters.spawn(async move {
                for turn in 0..20 {
                    let id = format!("w{waiter}-{turn}");
                    let ticket = log.begin(&begin(&id)).await.unwrap();
                    let (number, ended) = (ticket.begin(), ticket.end(&completed()).await.unwrap());
                    assert!(number < ended);
                }
            });
        }
        while let Some(done) = waiters.join_next().await {
            done.unwrap();
        }
    });
    log.close();
    let report = intact(&disk);
    assert_eq!(report.open, 0);
    assert!(report.segments > 3, "segments must have turned under load");
    let begins = records(&disk).iter().filter(|record| record["kind"] == "begin").count();
    let ends = records(&disk).iter().filter(|record| record["outcome"] == "completed").count();
    assert_eq!((begins, ends), (1280, 1280));
}

#[test]
fn a_waiter_that_goes_away_loses_nothing_and_leaves_nothing_open() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    for turn in 0..50 {
        drop(log.begin(&begin(&format!("gone-{turn}"))));
    }
    drop(log.begin(&begin("got")).wait().unwrap());
    log.close();
    assert_eq!(intact(&disk).open, 0);
    for turn in 0..50 {
        assert_eq!(endings(&disk, &format!("gone-{turn}")), ["aborted"]);
    }
    assert_eq!(endings(&disk, "got"), ["aborted"]);
}

#[test]
fn a_panic_with_a_ticket_in_hand_is_recorded_as_failed() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    let ticket = log.begin(&begin("r-1")).wait().unwrap();
    let panicked = std::thread::spawn(move || {
        let _held = ticket;
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(panicked.join().is_err());
    log.close();
    assert_eq!(endings(&disk, "r-1"), ["failed"]);
}

#[test]
fn a_closed_log_says_so_and_lets_the_next_writer_in() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    assert!(matches!(open(&disk), Err(AuditError::Locked)), "two writers on one chain");
    let ticket = log.begin(&begin("r-1")).wait().unwrap();
    log.close();
    assert!(matches!(log.begin(&begin("r-2")).wait(), Err(AuditError::Closed)));
    assert!(matches!(ticket.end(&completed()).wait(), Err(AuditError::Closed)));
    assert!(!log.healthy());
    let (again, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.interrupted, recovery.torn.clone()), (1, None));
    drop(again);
    assert_eq!(endings(&disk, "r-1"), ["interrupted"]);
}

#[test]
fn following_shows_every_record_once_while_segments_turn() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    let mut out = Vec::new();
    let mut turns = 0;
    let wait = || {
        turns += 1;
        for turn in 0..5 {
            drop(log.begin(&begin(&format!("r-{turns}-{turn}"))).wait().unwrap());
        }
        if turns == 20 {
            log.close()
        };
        (turns <= 20).then_some(Duration::ZERO)
    };
    let mut wait = wait;
    tail(&disk, Tail { json: true, ..Tail::default() }, &mut out, || if log.healthy() { wait() } else { None })
        .unwrap();
    tail_all(&disk, &mut out);
    let seen: Vec<u64> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seen, (1..=intact(&disk).last_sequence).collect::<Vec<_>>());
    let mut newest = Vec::new();
    tail(&disk, Tail { json: true, last: Some(25), ..Tail::default() }, &mut newest, || None).unwrap();
    let all: Vec<u8> = lines(&disk).into_iter().flat_map(|line| [line.bytes, b"\n".to_vec()].concat()).collect();
    assert_eq!(newest.iter().filter(|byte| **byte == b'\n').count(), 25);
    assert!(all.ends_with(&newest), "the newest, across segments");
}

/// What was written after the follower stopped: it stops at once on a closed log.
fn tail_all(disk: &Simulated, out: &mut Vec<u8>) {
    let seen = out.iter().filter(|byte| **byte == b'\n').count();
    for line in lines(disk).iter().skip(seen) {
        out.extend_from_slice(&line.bytes);
        out.push(b'\n');
    }
}

#[test]
fn a_line_for_people_fits_the_terminal_and_cannot_drive_it() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    let long = "\u{1b}[2J".repeat(80);
    let mut hostile = begin("r-1");
    hostile.decision.caller.id = &long;
    hostile.decision.purpose = Some(&long);
    hostile.decision.route = Some(&long);
    drop(log.begin(&hostile).wait().unwrap());
    log.close();
    for line in lines(&disk) {
        let shown = pretty(&line.bytes, false);
        assert!(shown.chars().count() <= 120 && !shown.contains('\u{1b}'), "{shown:?}");
    }
    let mut out = Vec::new();
    tail(&disk, Tail { last: Some(1), ..Tail::default() }, &mut out, || None).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("of 2 aborted"), "the newest record alone");
}

#[test]
fn an_id_that_a_segment_could_not_list_is_refused() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    for id in ["", "a b", "a\"b", "関", &"x".repeat(65)] {
        assert!(matches!(log.begin(&begin(id)).wait(), Err(AuditError::Id)), "{id}");
    }
    log.close();
    assert_eq!(intact(&disk).records, 1);
}

#[test]
fn a_dry_run_or_a_question_is_not_shown_as_a_refusal() {
    for (mode, code, word) in [
        ("dry-run", "dry-run", "dry run"),
        ("enforce", "help", "help   "),
        ("dry-run", "restricted", "dry run"),
        ("enforce", "restricted", "refuse "),
    ] {
        let line = format!(
            r#"{{"time":"2026-11-22T00:00:00.000Z","kind":"refusal","mode":"{mode}","caller":{{"id":"c"}},"method":"GET","reasons":[{{"code":"{code}"}}]}}"#
        );
        let shown = pretty(line.as_bytes(), false);
        assert!(shown.starts_with(&format!("00:00:00.000 {word} c - GET - [")), "{shown}");
    }
}
