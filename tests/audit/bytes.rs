//! Every byte: the log is cut there, or changed there, and says so.

use super::support::*;
use sekisho::audit::{AuditError, Fault, verify};
use sekisho::store::Disk;
use sekisho::store::simulated::Simulated;

/// Segments of a log with permits, windows and endings, a beginning left open, and its last line's start.
fn sample(segment_bytes: u64) -> Simulated {
    let disk = Simulated::new();
    let mut small = options();
    small.segment_bytes = segment_bytes;
    let (log, _) = open_with(&disk, small).unwrap();
    let (seal, forms) = (seal(), forms());
    for id in ["r-1", "r-2", "r-3"] {
        let subjects = [seal.subject(id).unwrap()];
        let group = [sekisho::audit::Disclosure { class: "donor", subjects: &subjects, forms: &forms }];
        let mut ticket = log.begin(&begin(id)).wait().unwrap();
        let window = sekisho::audit::Window { disclosed: &group, entries_dropped: 0, window_bytes: 9 };
        ticket.continuation(&window).wait().unwrap();
        ticket.end(&completed()).wait().unwrap();
    }
    log.begin(&begin("r-4")).wait().map(std::mem::forget).unwrap();
    log.close();
    disk
}

/// A copy of a disk, flushed.
fn copy(disk: &Simulated) -> Simulated {
    let copy = Simulated::new();
    disk.list().unwrap().iter().for_each(|entry| copy.tamper(&entry.name, &disk.contents(&entry.name)));
    copy
}

#[test]
fn a_log_cut_at_any_byte_recovers_a_prefix_and_says_so() {
    let whole = sample(1500);
    let names: Vec<_> = whole.list().unwrap().into_iter().map(|entry| entry.name).collect();
    assert!(names.len() >= 3);
    let before = lines(&whole);
    let mut places = Places::one_in(3, "cuts");
    for (index, name) in names.iter().enumerate() {
        let bytes = whole.contents(name);
        for cut in 0..bytes.len() {
            // The ends of lines are never left out.
            let at_end = cut == 0 || bytes[cut - 1] == b'\n' || bytes[cut] == b'\n';
            if !at_end && !places.has_this() {
                continue;
            }
            let disk = copy(&whole);
            names.iter().skip(index + 1).for_each(|later| disk.remove(later));
            disk.tamper(name, &bytes[..cut]);
            let end = |line: &sekisho::audit::Line| line.offset + line.bytes.len() as u64;
            let kept = before.iter().take_while(|line| (&line.segment, end(line)) < (name, cut as u64)).count();
            let (log, recovery) = open(&disk).unwrap_or_else(|error| panic!("cut at {cut} of {name}: {error}"));
            log.close();
            assert_eq!(intact(&disk).open, 0, "every beginning has its ending");
            assert_eq!(recovery.last_sequence, kept as u64, "cut at {cut} of {name}");
            assert!(before.iter().zip(lines(&disk)).take(kept).all(|(old, new)| old.bytes == new.bytes));
            let last_start = kept.checked_sub(1).and_then(|last| before.get(last)).filter(|line| line.segment == *name);
            let boundary = last_start.map_or(0, |line| line.offset + line.bytes.len() as u64 + 1);
            let torn_bytes = recovery.torn.as_ref().map_or(0, |torn| torn.torn_bytes);
            assert_eq!(torn_bytes, cut as u64 - boundary, "cut at {cut} of {name}");
            if let Some(torn) = recovery.torn {
                assert_eq!(disk.contents(&torn.aside), &bytes[usize::try_from(boundary).unwrap()..cut]);
                let said = records(&disk).into_iter().find(|record| record["action"] == "recovery").unwrap();
                assert_eq!((&said["torn_bytes"], &said["torn_file"]), (&torn_bytes.into(), &torn.aside.into()));
            }
        }
    }
}

#[test]
fn a_byte_changed_anywhere_is_found_in_its_own_record() {
    let whole = sample(1500);
    let all = lines(&whole);
    let mut places = Places::one_in(2, "changed bytes");
    for (index, line) in all.iter().enumerate() {
        let is_last = index + 1 == all.len();
        for at in 0..=line.bytes.len() {
            if at != line.bytes.len() && !places.has_this() {
                continue;
            }
            let mut bytes = whole.contents(&line.segment);
            let position = usize::try_from(line.offset).unwrap() + at;
            bytes[position] ^= 1;
            let disk = copy(&whole);
            disk.tamper(&line.segment, &bytes);
            let report = verify(&disk).unwrap();
            let Some(bad) = report.bad else {
                assert!(is_last, "byte {at} of record {}", index + 1);
                // Only a checkpoint kept elsewhere shows this, and the report gives what to compare with it.
                assert_ne!(report.last_hash, intact(&whole).last_hash);
                continue;
            };
            if bad.fault == Fault::ChangedOrLast {
                // The last two records accuse each other, and the first of them is named.
                assert!(index + 2 >= all.len() && bad.sequence + 1 == all.len() as u64, "byte {at}: {bad}");
                continue;
            }
            let named = (bad.segment.as_str(), bad.line, bad.offset, bad.sequence);
            assert_eq!(named, (line.segment.as_str(), line.line, line.offset, index as u64 + 1), "byte {at}: {bad}");
        }
    }
}

#[test]
fn a_changed_byte_is_never_taken_for_a_tear_unless_it_is_in_the_last_batch() {
    let whole = sample(1 << 16);
    let newest = whole.list().unwrap().pop().unwrap().name;
    let all: Vec<_> = lines(&whole).into_iter().filter(|line| line.segment == newest).collect();
    assert!(all.len() > 2);
    for line in &all[..all.len() - 1] {
        for at in 0..line.bytes.len() {
            let mut bytes = whole.contents(&newest);
            bytes[usize::try_from(line.offset).unwrap() + at] ^= 1;
            let disk = copy(&whole);
            disk.tamper(&newest, &bytes);
            let opened = open(&disk);
            assert!(matches!(opened, Err(AuditError::Damaged(_))), "record {} byte {at}", line.line);
            assert_eq!(disk.contents(&newest), bytes, "a damaged log is left as it is");
        }
    }
}

#[test]
fn a_record_or_segment_removed_repeated_or_exchanged_is_found() {
    let whole = sample(1500);
    let names: Vec<_> = whole.list().unwrap().into_iter().map(|entry| entry.name).collect();
    let text = String::from_utf8(whole.contents(&names[1])).unwrap();
    let rows: Vec<&str> = text.split_inclusive('\n').collect();
    assert!(rows.len() >= 3);
    let mut swapped = rows.clone();
    swapped.swap(1, 2);
    let mut doubled = rows.clone();
    doubled.insert(1, rows[1]);
    let mut missing = rows.clone();
    missing.remove(1);
    for rows in [swapped, doubled, missing] {
        let disk = copy(&whole);
        disk.tamper(&names[1], rows.concat().as_bytes());
        assert!(matches!(verify(&disk).unwrap().bad.unwrap().fault, Fault::Sequence { .. }));
    }
    let disk = copy(&whole);
    disk.remove(&names[1]);
    let bad = verify(&disk).unwrap().bad.unwrap();
    assert_eq!((bad.segment.as_str(), bad.line), (names[2].as_str(), 1));
    assert!(bad.to_string().contains("its number is"), "{bad}");
    let disk = copy(&whole);
    disk.remove(&names[0]);
    let report = intact(&disk);
    assert!(report.first_sequence > 1, "old segments may be removed, and the report says where it begins");
    let mut said = Vec::new();
    report.write_to(&mut said).unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("are not here") && said.contains("cut off at the very end"), "{said}");
}

#[test]
fn a_second_ending_or_one_of_nothing_is_found_even_with_its_hashes_right() {
    let disk = Simulated::new();
    let (log, _) = open(&disk).unwrap();
    log.begin(&begin("r-1")).wait().unwrap().end(&completed()).wait().unwrap();
    log.close();
    let name = disk.list().unwrap().pop().unwrap().name;
    let mut bytes = disk.contents(&name);
    let last = lines(&disk).pop().unwrap().bytes;
    let prev: String = sha256(&last).iter().map(|byte| format!("{byte:02x}")).collect();
    let forged =
        String::from_utf8(last).unwrap().replace("\"seq\":3", "\"seq\":4").replace("\"batch\":3", "\"batch\":4");
    let forged = format!("{}{prev}\"}}\n", &forged[..forged.len() - 66]);
    bytes.extend_from_slice(forged.as_bytes());
    disk.tamper(&name, &bytes);
    let bad = verify(&disk).unwrap().bad.unwrap();
    assert_eq!((bad.fault, bad.sequence), (Fault::Unbegun { begin: 2 }, 4));
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

#[test]
fn a_log_whose_very_first_line_claims_another_before_it_is_damaged() {
    let disk = sample(1 << 20);
    let name = disk.list().unwrap()[0].name.clone();
    let text = String::from_utf8(disk.contents(&name)).unwrap();
    let first = text.lines().next().unwrap();
    let claimed = first.replace(&"0".repeat(64), &format!("{}1", "0".repeat(63)));
    assert_ne!(first, claimed);
    let alone = Simulated::new();
    alone.tamper(&name, format!("{claimed}\n{{\"v\":1").as_bytes());
    assert!(matches!(open(&alone), Err(AuditError::Damaged(_))), "a log that verification refuses was begun upon");
}
