//! Segments that were left: packed, turned by the clock, removed when they are old enough, and read as before all the while.

use super::support::*;
use sekisho::audit::{Follow, Log, Options, verify};
use sekisho::store::simulated::{Loss, Simulated};
use sekisho::store::{Directory, Disk};
use std::sync::Arc;

const DAY_MS: u64 = 86_400_000;

/// A log of some segments, still open.
fn written(disk: &Simulated, options: Options, clock: &Hand) -> Log {
    let (log, _) = Log::open(Arc::new(disk.clone()), options, Arc::new(clock.clone())).unwrap();
    for turn in 0..30 {
        log.begin(&begin(&format!("k-{turn}"))).wait().unwrap().end(&completed()).wait().unwrap();
    }
    log
}

fn small() -> Options {
    Options { segment_bytes: 2048, ..options() }
}

fn names(disk: &dyn Disk) -> Vec<String> {
    disk.list().unwrap().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn packed_segments_are_read_verified_and_gone_on_with_as_before() {
    let disk = Simulated::new();
    let log = written(&disk, small(), &Hand::new());
    let before: Vec<Vec<u8>> = lines(&disk).into_iter().map(|line| line.bytes).collect();
    let plain = names(&disk).len();
    let kept = log.tidy().unwrap();
    assert_eq!(kept.packed as usize, plain - 2, "all but the newest two");
    assert!(kept.saved_bytes > 0);
    assert_eq!(log.tidy().unwrap().packed, 0, "nothing is packed twice");
    let after: Vec<Vec<u8>> = lines(&disk).into_iter().map(|line| line.bytes).collect();
    assert_eq!(before, after);
    log.close();
    let (log, _) = open_with(&disk, small()).unwrap();
    log.begin(&begin("later")).wait().unwrap().end(&completed()).wait().unwrap();
    log.close();
    assert!(names(&disk).iter().filter(|name| name.ends_with(".zst")).count() >= plain - 2);
    intact(&disk);
}

#[test]
fn a_byte_changed_in_a_packed_segment_is_found() {
    let disk = Simulated::new();
    let log = written(&disk, small(), &Hand::new());
    log.tidy().unwrap();
    log.close();
    let packed = names(&disk).into_iter().find(|name| name.ends_with(".zst")).unwrap();
    let good = disk.contents(&packed);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        disk.tamper(&packed, &bad);
        // What zstd does not notice the chain does; what unpacks to the same bytes is the same log.
        let same = || {
            let mut unpacked = Vec::new();
            let read = zstd::stream::copy_decode(&bad[..], &mut unpacked).is_ok();
            let mut before = Vec::new();
            zstd::stream::copy_decode(&good[..], &mut before).unwrap();
            read && unpacked == before
        };
        assert!(verify(&disk).is_ok_and(|report| report.is_intact() == same()) || !same(), "byte {at}");
        assert!(!verify(&disk).is_ok_and(|report| report.is_intact()) || same(), "byte {at} is not noticed");
    }
}

#[test]
fn whoever_reads_while_segments_are_packed_misses_nothing() {
    let disk = Simulated::new();
    let log = written(&disk, small(), &Hand::new());
    let all = lines(&disk).len();
    let mut reader = sekisho::audit::Reader::new(&disk);
    let mut follow = Follow::from(&disk, 1).unwrap();
    for _ in 0..3 {
        reader.next_line().unwrap().unwrap();
        follow.next_line().unwrap().unwrap();
    }
    log.tidy().unwrap();
    let (mut read, mut followed) = (3, 3);
    while reader.next_line().unwrap().is_some() {
        read += 1;
    }
    while follow.next_line().unwrap().is_some() {
        followed += 1;
    }
    assert_eq!(read, all);
    // The last batch is not known to be durable until the next one says so.
    assert_eq!(followed, all - 1);
    let mut from_inside = Follow::from(&disk, 10).unwrap();
    assert!(String::from_utf8(from_inside.next_line().unwrap().unwrap().bytes).unwrap().contains("\"seq\":10,"));
}

#[test]
fn power_lost_at_any_step_of_packing_or_removing_loses_no_record() {
    let retention = Options { retention_ms: Some(1096 * DAY_MS), ..small() };
    for cut in 0..60 {
        for loss in [Loss::Forget, Loss::Tear, Loss::Reorder, Loss::Keep] {
            let disk = Simulated::new();
            let clock = Hand::new();
            let log = written(&disk, retention.clone(), &clock);
            clock.set(NOW_MS + 1095 * DAY_MS);
            for turn in 0..8 {
                log.begin(&begin(&format!("new-{turn}"))).wait().unwrap().end(&completed()).wait().unwrap();
            }
            let newest_first = lines(&disk).last().unwrap().bytes.clone();
            if cut % 2 == 0 {
                clock.set(NOW_MS + 1097 * DAY_MS);
            }
            disk.lose_power_after(cut / 2);
            let _cut_off = log.tidy();
            log.close();
            let found = disk.after_power_loss(loss, cut);
            let (log, _) = Log::open(Arc::new(found.clone()), retention.clone(), Arc::new(clock.clone())).unwrap();
            log.tidy().unwrap();
            log.close();
            let context = format!("cut {cut}, {loss:?}");
            let report = verify(&found).unwrap();
            assert!(report.is_intact(), "{context}: {:?}", report.bad);
            let left = lines(&found);
            assert!(left.iter().any(|line| line.bytes == newest_first), "{context}");
            let records = records(&found);
            for turn in 0..8 {
                let id = format!("new-{turn}");
                assert_eq!(records.iter().filter(|record| record["id"] == id.as_str()).count(), 2, "{context}: {id}");
                assert_eq!(endings_in(&records, &id), ["completed"], "{context}");
            }
        }
    }
}

#[test]
fn a_segment_goes_only_once_all_in_it_is_old_and_that_is_on_record() {
    let disk = Simulated::new();
    let clock = Hand::new();
    let options = Options { retention_ms: Some(1096 * DAY_MS), ..small() };
    let log = written(&disk, options, &clock);
    let before = lines(&disk).len();
    clock.set(NOW_MS + 1096 * DAY_MS);
    assert_eq!(log.tidy().unwrap().removed, 0, "not older than it must be kept");
    clock.set(NOW_MS + 1096 * DAY_MS + 1);
    let kept = log.tidy().unwrap();
    assert!(kept.removed > 0);
    log.close();
    let records = records(&disk);
    let said: Vec<_> = records.iter().filter(|record| record["action"] == "retention").collect();
    assert_eq!(said.len(), 1);
    let first_left = records[0]["seq"].as_u64().unwrap();
    assert_eq!(said[0]["removed_up_to"], first_left - 1);
    assert_eq!(said[0]["kept_days"], 1096);
    assert!((first_left as usize) < before, "never the newest two");
    assert_eq!(intact(&disk).first_sequence, first_left);
}

#[test]
fn a_clock_that_ran_ahead_by_years_does_not_empty_the_log() {
    let disk = Simulated::new();
    let clock = Hand::new();
    let options = Options { retention_ms: Some(1096 * DAY_MS), ..small() };
    let log = written(&disk, options, &clock);
    clock.set(NOW_MS + 5000 * DAY_MS);
    let before = names(&disk).len();
    assert!(before > 8);
    assert_eq!(log.tidy().unwrap().removed, 2);
    for _ in 0..5 {
        assert_eq!(log.tidy().unwrap().removed, 0, "nothing was written meanwhile");
    }
    // The next two go when a further segment is begun, and not before.
    let segments = |disk: &Simulated| names(disk).iter().filter(|name| !name.ends_with(".zst")).count();
    let plain = segments(&disk);
    while segments(&disk) == plain {
        log.begin(&begin("on")).wait().unwrap().end(&completed()).wait().unwrap();
    }
    assert_eq!(log.tidy().unwrap().removed, 2);
    log.close();
    intact(&disk);
}

#[test]
fn a_log_whose_newest_segments_were_taken_away_is_not_gone_on_with() {
    let disk = Simulated::new();
    let log = written(&disk, small(), &Hand::new());
    log.tidy().unwrap();
    log.close();
    for name in names(&disk).into_iter().filter(|name| name.ends_with(".jsonl")) {
        disk.remove(&name);
    }
    let packed = names(&disk);
    let before: Vec<Vec<u8>> = packed.iter().map(|name| disk.contents(name)).collect();
    let error = open_with(&disk, small()).err().unwrap();
    assert!(error.to_string().contains("were taken away"), "{error}");
    let after: Vec<Vec<u8>> = packed.iter().map(|name| disk.contents(name)).collect();
    assert!(before == after && names(&disk) == packed, "nothing was changed");
}

#[test]
fn a_record_must_be_kept_for_three_years_at_least() {
    let short = Options { retention_ms: Some(1096 * DAY_MS - 1), ..options() };
    assert!(open_with(&Simulated::new(), short).is_err());
}

#[test]
fn a_segment_is_left_after_its_time_and_not_before() {
    let disk = Simulated::new();
    let clock = Hand::new();
    let options = Options { segment_ms: DAY_MS, segment_bytes: 1 << 20, ..options() };
    let (log, _) = Log::open(Arc::new(disk.clone()), options.clone(), Arc::new(clock.clone())).unwrap();
    let one = |log: &Log, id: &str| log.begin(&begin(id)).wait().unwrap().end(&completed()).wait().unwrap();
    one(&log, "a");
    clock.set(NOW_MS + DAY_MS - 1);
    one(&log, "b");
    assert_eq!(names(&disk).len(), 1);
    log.close();
    // A start in between changes nothing about when it began.
    let (log, _) = Log::open(Arc::new(disk.clone()), options, Arc::new(clock.clone())).unwrap();
    clock.set(NOW_MS + DAY_MS);
    one(&log, "c");
    assert_eq!(names(&disk).len(), 2);
    one(&log, "d");
    assert_eq!(names(&disk).len(), 2);
    log.close();
    intact(&disk);
}

#[test]
fn on_the_real_disk_too_and_with_room_told() {
    let path = std::env::temp_dir().join(format!("sekisho-kept-{}", std::process::id()));
    let _none_yet = std::fs::remove_dir_all(&path);
    let disk = Arc::new(Directory::open(&path).unwrap());
    let (log, _) = Log::open(disk.clone(), small(), Arc::new(Hand::new())).unwrap();
    for turn in 0..30 {
        log.begin(&begin(&format!("k-{turn}"))).wait().unwrap().end(&completed()).wait().unwrap();
    }
    let before = log.room().unwrap();
    let kept = log.tidy().unwrap();
    let after = log.room().unwrap();
    assert!(kept.packed > 0 && after.used_bytes == before.used_bytes - kept.saved_bytes);
    assert!(after.free_bytes.is_some());
    log.close();
    intact(&*disk);
    std::fs::remove_dir_all(&path).unwrap();
}
