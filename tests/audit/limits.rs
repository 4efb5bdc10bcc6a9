//! What runs out: the disk, the flush, the clock.

use super::support::*;
use futures_util::FutureExt;
use sekisho::audit::{AuditError, Caller, End, Log, Outcome, Ticket};
use sekisho::store::Disk;
use sekisho::store::simulated::{Loss, Simulated};
use std::sync::Arc;

/// Begins until the log refuses; the tickets held, and the refusal.
fn fill(log: &Log) -> (Vec<Ticket>, AuditError) {
    let mut tickets = Vec::new();
    loop {
        match log.begin(&begin(&format!("r-{}", tickets.len()))).wait() {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => return (tickets, error),
        }
        assert!(tickets.len() < 10_000, "never full");
    }
}

#[test]
fn a_used_up_budget_refuses_beginnings_and_takes_every_ending() {
    let disk = Simulated::new();
    let mut small = options();
    (small.disk_bytes_max, small.reserve_bytes) = (64 << 10, 8 << 10);
    let (log, _) = open_with(&disk, small).unwrap();
    let (tickets, refused) = fill(&log);
    assert!(matches!(refused, AuditError::Full) && !log.healthy(), "{refused}");
    assert!(tickets.len() > 10);
    let used = |disk: &Simulated| disk.list().unwrap().iter().map(|entry| entry.bytes).sum::<u64>();
    assert!(used(&disk) <= 56 << 10, "the reserve is not for beginnings");
    for ticket in tickets {
        ticket.end(&completed()).wait().unwrap();
    }
    assert!(used(&disk) <= 64 << 10, "endings fit the budget");
    assert_eq!(intact(&disk).open, 0);
    let first = disk.list().unwrap().remove(0);
    disk.remove(&first.name);
    for entry in disk.list().unwrap().into_iter().take(6) {
        disk.remove(&entry.name);
    }
    log.tick();
    drop(log.begin(&begin("later")).wait().unwrap());
    assert!(log.healthy(), "room again, and nobody had to restart");
}

#[test]
fn a_disk_that_others_filled_refuses_beginnings_and_takes_every_ending() {
    let disk = Simulated::new();
    let mut roomy = options();
    (roomy.segment_bytes, roomy.reserve_bytes) = (8 << 10, 8 << 10);
    let (log, _) = open_with(&disk, roomy).unwrap();
    disk.set_room(Some(20 << 10));
    let (tickets, refused) = fill(&log);
    assert!(matches!(refused, AuditError::Full) && !log.healthy(), "{refused}");
    for ticket in tickets {
        ticket.end(&completed()).wait().unwrap();
    }
    assert_eq!(intact(&disk).open, 0);
    disk.set_room(None);
    log.tick();
    drop(log.begin(&begin("later")).wait().unwrap());
    assert!(log.healthy());
}

#[test]
fn a_failed_flush_is_told_to_every_waiter_and_to_all_who_come_later() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    let held = log.begin(&begin("held")).wait().unwrap();
    disk.fail_flush_after(0);
    let waiting: Vec<_> = (0..64).map(|turn| log.begin(&begin(&format!("r-{turn}")))).collect();
    for pending in waiting {
        // The disk would answer `Ok` to the next flush: whoever retries believes it.
        assert!(matches!(pending.wait(), Err(AuditError::Failed(_))));
    }
    let operations = disk.operations();
    assert!(matches!(log.begin(&begin("later")).wait(), Err(AuditError::Failed(_))));
    assert!(matches!(held.end(&completed()).wait(), Err(AuditError::Failed(_))));
    assert!(!log.healthy() && disk.operations() == operations, "nothing is retried on a failed segment");
}

#[test]
fn a_clock_behind_the_newest_record_refuses_until_it_is_accepted() {
    let (disk, hand) = (Simulated::new(), Hand::new());
    let open = || Log::open(Arc::new(disk.clone()), options(), Arc::new(hand.clone())).unwrap();
    let (log, _) = open();
    let ticket = log.begin(&begin("r-1")).wait().unwrap();
    hand.set(NOW_MS - 60_000);
    drop(log.begin(&begin("r-2")).wait().unwrap());
    hand.set(NOW_MS - 60_001);
    assert!(!log.healthy(), "readiness sees it before any request does");
    let refused = log.begin(&begin("r-3")).wait().err().unwrap();
    assert!(matches!(refused, AuditError::ClockBehind { behind_ms: 60_001 }), "{refused}");
    ticket.end(&completed()).wait().unwrap();
    log.close();
    drop(log);
    let (log, recovery) = open();
    assert_eq!(recovery.clock_behind_ms, Some(60_001), "a restart forgets nothing");
    assert!(log.begin(&begin("r-4")).wait().is_err());
    let by = Caller { issuer: "console", id: "admin-1", ..Caller::default() };
    log.accept_clock(Some(by)).wait().unwrap();
    drop(log.begin(&begin("r-5")).wait().unwrap());
    log.close();
    drop(log);
    let (log, recovery) = open();
    assert_eq!((recovery.clock_behind_ms, log.healthy()), (None, true));
    let said = records(&disk).into_iter().find(|record| record["action"] == "clock-accepted").unwrap();
    assert_eq!((&said["behind_ms"], &said["by"]["id"]), (&60_001.into(), &"admin-1".into()));
    log.close();
    intact(&disk);
}

#[test]
fn a_minute_of_strangers_is_one_record_and_an_idle_minute_is_none() {
    let (disk, hand) = (Simulated::new(), Hand::new());
    let (log, _) = Log::open(Arc::new(disk.clone()), options(), Arc::new(hand.clone())).unwrap();
    for _ in 0..1000 {
        log.stranger("192.0.2.7".parse().unwrap(), "token-missing");
    }
    hand.set(NOW_MS + 60_000);
    log.tick();
    hand.set(NOW_MS + 120_000);
    log.tick();
    log.stranger("2001:db8::1".parse().unwrap(), "token-invalid");
    log.close();
    intact(&disk);
    let counted: Vec<_> = records(&disk).into_iter().filter(|record| record["kind"] == "strangers").collect();
    assert_eq!(counted.len(), 2);
    assert_eq!(counted[0]["refused"][0]["count"], 1000);
    assert_eq!(
        (&counted[0]["minute"], &counted[1]["minute"]),
        (&"2026-11-22T09:00:00.000Z".into(), &"2026-11-22T09:02:00.000Z".into())
    );
}

#[test]
fn a_record_too_big_is_refused_and_an_ending_too_big_is_shortened() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    let seal = seal();
    let subjects: Vec<_> = (0..5_000).map(|n| seal.subject(&format!("{n:0200}")).unwrap()).collect();
    let mut big = begin("big");
    big.decision.subjects = &subjects;
    assert!(matches!(log.begin(&big).wait(), Err(AuditError::RecordTooBig { .. })));
    let names: Vec<String> = (0..400).map(|n| format!("{n:0250}{}", "\u{1b}")).collect();
    let long = "\u{1}".repeat(256);
    let names: Vec<&str> = names.iter().map(String::as_str).chain(std::iter::repeat_n(long.as_str(), 112)).collect();
    let counts: Vec<_> =
        (0..900).map(|fields| sekisho::audit::Count { form: "clear", category: &long, fields }).collect();
    let end = End { outcome: Outcome::Completed, unclassified: &names, counts: &counts, ..End::default() };
    log.begin(&begin("r-1")).wait().unwrap().end(&end).wait().unwrap();
    log.close();
    let last = records(&disk).pop().unwrap();
    assert_eq!((&last["outcome"], &last["code"]), (&"completed".into(), &"record-too-big".into()));
    intact(&disk);
}

#[test]
fn nobody_hears_of_a_record_before_a_slow_flush_has_ended() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    let held = disk.hold_flushes();
    let first = log.begin(&begin("first"));
    held.until_one_waits();
    // Handed over while the disk is busy: they go with the next flush, and none of them before it.
    let mut others: Vec<_> = (0..20).map(|turn| log.begin(&begin(&format!("other-{turn}")))).collect();
    let mut first = Box::pin(first);
    for _ in 0..3 {
        assert!(first.as_mut().now_or_never().is_none(), "told before it was durable");
        assert!(others.iter_mut().all(|other| other.now_or_never().is_none()));
    }
    held.let_through(1);
    let ticket = futures(first).unwrap();
    held.until_one_waits();
    assert!(others.iter_mut().all(|other| other.now_or_never().is_none()), "one flush is for one batch");
    assert_eq!(disk.after_power_loss(Loss::Forget, 1).contents(&lines(&disk)[0].segment), {
        let whole = disk.contents(&lines(&disk)[0].segment);
        whole[..whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1].to_vec()
    });
    held.let_all_through();
    for other in others {
        drop(other.wait().unwrap());
    }
    drop(ticket);
    log.close();
    assert_eq!(intact(&disk).open, 0);
}

/// On this thread, whatever runtime there is.
fn futures<T>(pending: std::pin::Pin<Box<sekisho::audit::Pending<T>>>) -> Result<T, AuditError> {
    std::pin::Pin::into_inner(pending).wait()
}

#[test]
fn a_disk_that_turns_read_only_ends_the_log_and_the_next_start_says_what_was_open() {
    for after in 0..3 {
        let disk = Simulated::new();
        let (log, _) = open(&disk).unwrap();
        let mut tickets: Vec<_> =
            (0..=after).map(|turn| log.begin(&begin(&format!("r-{turn}"))).wait().unwrap()).collect();
        tickets.pop().unwrap().end(&completed()).wait().unwrap();
        let before = lines(&disk).len();
        disk.set_read_only(true);
        let refused = log.begin(&begin("late")).wait().unwrap_err();
        assert!(matches!(refused, AuditError::Failed(_)), "{refused}");
        // Back again, it stays ended: what the failed write left, only a start looks at.
        disk.set_read_only(false);
        assert!(log.begin(&begin("later")).wait().is_err() && log.ready().is_err());
        drop(tickets);
        log.close();
        assert_eq!(lines(&disk).len(), before, "nothing is hung on to it");
        let (log, recovery) = open(&disk).unwrap();
        assert_eq!((recovery.interrupted, recovery.torn), (after, None));
        log.close();
        let report = intact(&disk);
        assert_eq!(report.open, 0);
        let said: Vec<_> = records(&disk).into_iter().filter(|record| record["action"] == "recovery").collect();
        assert_eq!(said.len(), usize::from(after > 0), "{said:?}");
    }
}
