//! The power fails after every single write, in every way, and at the next start again.
//!
//! Who was told "durable" must find his record in the recovered log. That the test can fail is tested too: on a disk
//! where one of the flushes is a lie, it must.

use super::support::*;
use sekisho::audit::{AuditError, Log, verify};
use sekisho::store::simulated::{Loss, Simulated};
use sekisho::store::{Disk, Flush, NewName};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What callers were told.
#[derive(Default)]
struct Told {
    begun: Vec<String>,
    ended: Vec<String>,
    /// Files that a start said hold what it cut off, with their sizes.
    aside: Vec<(String, u64)>,
}

/// Opens the log and works until the disk gives up. Batches of one, of many, and segments that turn within a batch.
fn work(disk: &Simulated, round: u32, told: &mut Told) -> Result<(), AuditError> {
    let mut small = options();
    small.segment_bytes = 1700;
    let (log, recovery) = open_with(disk, small)?;
    told.aside.extend(recovery.torn.map(|torn| (torn.aside, torn.torn_bytes)));
    let result = load(&log, round, told);
    log.close();
    result
}

fn load(log: &Log, round: u32, told: &mut Told) -> Result<(), AuditError> {
    for turn in 0..3 {
        let id = format!("one-{round}-{turn}");
        let ticket = log.begin(&begin(&id)).wait()?;
        told.begun.push(id.clone());
        ticket.end(&completed()).wait()?;
        told.ended.push(id);
    }
    let ids: Vec<_> = (0..6).map(|turn| format!("many-{round}-{turn}")).collect();
    let pending: Vec<_> = ids.iter().map(|id| log.begin(&begin(id))).collect();
    let mut tickets = Vec::new();
    for (id, pending) in ids.into_iter().zip(pending) {
        let ticket = pending.wait()?;
        told.begun.push(id.clone());
        tickets.push((id, ticket));
    }
    let endings: Vec<_> = tickets.into_iter().map(|(id, ticket)| (id, ticket.end(&completed()))).collect();
    for (id, ending) in endings {
        ending.wait()?;
        told.ended.push(id);
    }
    Ok(())
}

/// The promise, on the disk that a start finds.
fn check(disk: &Simulated, told: &Told, context: &str) {
    let (log, recovery) = open(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    log.close();
    let report = verify(disk).unwrap();
    assert!(report.is_intact(), "{context}: {:?}", report.bad);
    assert_eq!(report.open, 0, "{context}: a beginning without an ending");
    let records = records(disk);
    for id in &told.begun {
        let kinds = records.iter().filter(|record| record["id"] == id.as_str()).map(|record| &record["kind"]);
        assert_eq!(kinds.filter(|kind| *kind == "begin").count(), 1, "{context}: the beginning of {id}");
        assert_eq!(endings_in(&records, id).len(), 1, "{context}: the ending of {id}");
    }
    for id in &told.ended {
        assert_eq!(endings_in(&records, id), ["completed"], "{context}");
    }
    let now = recovery.torn.map(|torn| (torn.aside, torn.torn_bytes));
    for (name, bytes) in told.aside.iter().cloned().chain(now) {
        assert!(disk.contents(&name).len() as u64 >= bytes, "{context}: {name} is gone, and so is what was cut");
    }
}

const LOSSES: [Loss; 4] = [Loss::Forget, Loss::Tear, Loss::Reorder, Loss::Keep];

/// Cuts the power after every operation of a run, and at these places of the start after it.
fn every_cut(mut places: Places, arm: impl Fn(&Simulated)) {
    let new_disk = || {
        let disk = Simulated::new();
        arm(&disk);
        disk
    };
    let whole = new_disk();
    work(&whole, 0, &mut Told::default()).unwrap();
    // Batches differ from run to run, so some more than this one took.
    for cut in 0..whole.operations() + 4 {
        let disk = new_disk();
        disk.lose_power_after(cut);
        let mut told = Told::default();
        let _cut_off = work(&disk, 0, &mut told);
        for loss in LOSSES {
            for seed in 0..3 {
                let found = disk.after_power_loss(loss, seed * 1000 + cut);
                check(&found, &told, &format!("cut {cut}, {loss:?}, seed {seed}"));
            }
            again(&disk, loss, cut, &told, &mut places, &arm);
        }
    }
}

/// The start after the first crash is cut too, and so is the work after it; also without the first being a power
/// loss at all, but a writer that was killed.
fn again(disk: &Simulated, loss: Loss, cut: u64, told: &Told, places: &mut Places, arm: &impl Fn(&Simulated)) {
    for second in (0..12).filter(|_| places.has_this()) {
        let found = disk.after_power_loss(loss, cut);
        arm(&found);
        found.lose_power_after(second);
        let mut told = Told { begun: told.begun.clone(), ended: told.ended.clone(), aside: Vec::new() };
        let _cut_off = work(&found, 1, &mut told);
        let left = found.after_power_loss(loss, cut + second);
        check(&left, &told, &format!("cut {cut}, then {second}, {loss:?}"));
    }
}

/// A writer is killed between append and flush; the next one goes on, and then the power fails.
fn killed_then_cut(mut places: Places, arm: impl Fn(&Simulated)) {
    for cut in 0..40 {
        for second in (0..10).filter(|_| places.has_this()) {
            let disk = Simulated::new();
            arm(&disk);
            let mut told = Told::default();
            disk.lose_power_after(cut);
            let _killed = work(&disk, 0, &mut told);
            disk.restore_power();
            disk.lose_power_after(second);
            let _cut_off = work(&disk, 1, &mut told);
            for loss in LOSSES {
                check(
                    &disk.after_power_loss(loss, cut * 100 + second),
                    &told,
                    &format!("killed {cut}, {second}, {loss:?}"),
                );
            }
        }
    }
}

#[test]
fn who_was_told_durable_finds_his_record_after_any_cut() {
    every_cut(Places::one_in(3, "second cuts"), |_| {});
}

#[test]
fn a_killed_writers_unflushed_lines_are_not_built_upon() {
    killed_then_cut(Places::one_in(2, "cuts after a kill"), |_| {});
}

/// A flush fails; the process gives up and is started again, on a kernel that takes the lost bytes for written. Then
/// the power fails.
fn failed_then_cut() {
    for good in 0..24 {
        let disk = Simulated::new();
        let mut told = Told::default();
        disk.fail_flush_after(good);
        let _gave_up = work(&disk, 0, &mut told);
        let _worked = work(&disk, 1, &mut told);
        for loss in LOSSES {
            check(&disk.after_power_loss(loss, good), &told, &format!("failed flush {good}, cut {loss:?}"));
        }
    }
}

#[test]
fn bytes_that_a_failed_flush_lost_are_written_again_before_they_are_built_upon() {
    failed_then_cut();
}

/// Whether a run fails, and by the promise being broken rather than by anything else.
fn is_noticed(run: impl FnOnce()) -> bool {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else { return false };
    let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    message.contains("cut ") || message.contains("killed ")
}

#[test]
fn a_flush_of_a_batch_that_does_nothing_is_noticed() {
    assert!(is_noticed(|| every_cut(Places::every(), |disk| disk.break_flush(Flush::Batch))));
}

#[test]
fn a_flush_at_a_segments_end_that_does_nothing_is_noticed() {
    assert!(is_noticed(|| every_cut(Places::every(), |disk| disk.break_flush(Flush::Rotation))));
}

#[test]
fn a_flush_of_what_is_cut_off_that_does_nothing_is_noticed() {
    assert!(is_noticed(|| every_cut(Places::every(), |disk| disk.break_flush(Flush::Aside))));
}

#[test]
fn a_flush_of_what_was_inherited_that_does_nothing_is_noticed() {
    assert!(is_noticed(|| killed_then_cut(Places::every(), |disk| disk.break_flush(Flush::Inherited))));
}

#[test]
fn a_new_segments_name_that_is_not_synced_is_noticed() {
    assert!(is_noticed(|| every_cut(Places::every(), |disk| disk.break_sync(NewName::Segment))));
}

#[test]
fn a_name_of_what_is_cut_off_that_is_not_synced_is_noticed() {
    assert!(is_noticed(|| every_cut(Places::every(), |disk| disk.break_sync(NewName::Aside))));
}

#[test]
fn a_crash_between_cutting_and_saying_so_is_said_by_the_next_start() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    log.begin(&begin("r-1")).wait().unwrap().end(&completed()).wait().unwrap();
    log.close();
    let name = disk.list().unwrap().pop().unwrap().name;
    let mut bytes = disk.contents(&name);
    bytes.extend_from_slice(b"{\"v\":1,\"seq\":4,");
    for operations in 0..8 {
        let torn = Simulated::new();
        torn.tamper(&name, &bytes);
        torn.lose_power_after(operations);
        let cut_off = open(&torn).is_err();
        let found = torn.after_power_loss(Loss::Keep, 0);
        drop(open(&found));
        intact(&found);
        let said = records(&found).iter().filter(|record| record["action"] == "recovery").count();
        assert_eq!(said, 1, "after {operations} operations, cut off: {cut_off}");
    }
}
