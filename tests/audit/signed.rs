//! What is signed: a cut, a change and a rewritten log are found by a checkpoint, also by one that was kept elsewhere.

use super::support::*;
use sekisho::audit::checkpoint::{Note, NoteFault, PublicKey, Signer, SigningKey};
use sekisho::audit::prove::{Proof, ProofError, Proven, extend, prove};
use sekisho::audit::{AuditError, Fault, Line, Log, Options, Trust, verify, verify_by};
use sekisho::store::Disk;
use sekisho::store::simulated::{Loss, Simulated};
use std::sync::Arc;
use zeroize::Zeroizing;

fn signer() -> Signer {
    Signer::new("gate-1", "gate", vec![SigningKey::new(&Zeroizing::new([5; 32])).unwrap()])
}

fn keys() -> Vec<PublicKey> {
    signer().public()
}

fn open_signed(disk: &Simulated, segment_bytes: u64) -> Result<Log, AuditError> {
    let options = Options { segment_bytes, ..options() };
    Log::open_signed(Arc::new(disk.clone()), options, Arc::new(Hand::new()), signer()).map(|(log, _)| log)
}

/// So many permits and their endings, in one run of a gate; the log is signed at its end, if not before.
fn run(disk: &Simulated, permits: u32, segment_bytes: u64) {
    let log = open_signed(disk, segment_bytes).unwrap();
    for turn in 0..permits {
        let ticket = log.begin(&begin(&format!("r-{turn}"))).wait().unwrap();
        ticket.end(&completed()).wait().unwrap();
    }
    log.close();
}

fn notes(disk: &Simulated) -> Vec<Note> {
    let files = disk.list().unwrap().into_iter().filter(|entry| entry.name.ends_with(".checkpoints"));
    let mut notes = Vec::new();
    for entry in files {
        for line in String::from_utf8(disk.contents(&entry.name)).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            notes.push(line["note"].as_str().unwrap().parse().unwrap());
        }
    }
    notes
}

fn newest(disk: &Simulated) -> Note {
    notes(disk).pop().unwrap()
}

fn copy(disk: &Simulated) -> Simulated {
    let copy = Simulated::new();
    disk.list().unwrap().iter().for_each(|entry| copy.tamper(&entry.name, &disk.contents(&entry.name)));
    copy
}

/// The log without the checkpoints that stand beside it: all that its holder could not have brought into line.
fn bare(disk: &Simulated) -> Simulated {
    let bare = copy(disk);
    for entry in bare.list().unwrap().iter().filter(|entry| entry.name.ends_with(".checkpoints")) {
        bare.remove(&entry.name);
    }
    bare
}

fn kept(note: &Note) -> Trust {
    Trust { keys: keys(), kept: vec![note.clone()] }
}

#[test]
fn a_log_that_was_closed_is_signed_to_its_last_record() {
    let disk = Simulated::new();
    for _ in 0..3 {
        run(&disk, 4, 2000);
    }
    let report = verify_by(&disk, &Trust { keys: keys(), kept: vec![] }).unwrap();
    assert!(report.is_intact(), "{:?}", report.bad);
    assert_eq!(report.signed.last_sequence, report.last_sequence);
    assert!(report.segments > 4 && report.signed.by_key && report.signed.agreed >= 3);
    assert_eq!(newest(&disk).checkpoint.size, report.last_sequence);
}

/// Every bit of every byte of a small log, and every cut, against a checkpoint that was kept elsewhere.
#[test]
fn every_bit_changed_and_every_cut_is_found_and_located() {
    let disk = Simulated::new();
    run(&disk, 1, 1024);
    let (whole, mut trust) = (bare(&disk), kept(&newest(&disk)));
    let all = lines(&whole);
    assert!(verify_by(&whole, &trust).unwrap().is_intact());
    trust.keys.clear(); // its signature was checked; not again twenty thousand times
    let segments = whole.list().unwrap();
    assert!(segments.len() > 1);
    for entry in &segments {
        let bytes = whole.contents(&entry.name);
        for at in 0..bytes.len() {
            let holder = all.iter().position(|line| {
                line.segment == entry.name
                    && (line.offset..=line.offset + line.bytes.len() as u64).contains(&(at as u64))
            });
            let number = holder.unwrap() as u64 + 1;
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                whole.tamper(&entry.name, &changed);
                let report = verify_by(&whole, &trust).unwrap();
                let bad = report.bad.unwrap_or_else(|| panic!("bit {bit} of byte {at} of {}: not found", entry.name));
                // A line without its newline runs into the next; a `prev` accuses the line before it too.
                let near = number.saturating_sub(1)..=number + 1;
                assert!(near.contains(&bad.sequence), "byte {at} of {}: record {number}, told {bad}", entry.name);
            }
        }
        whole.tamper(&entry.name, &bytes);
    }
    for entry in &segments {
        let (bytes, all, whole, trust) = (whole.contents(&entry.name), &all, &whole, &trust);
        // A line without its newline is waited for, as a gate might be writing it: many wait at once.
        std::thread::scope(|threads| {
            for first in 0..16 {
                let (bytes, cut) = (&bytes, copy(whole));
                threads.spawn(move || {
                    for at in (first..bytes.len()).step_by(16) {
                        cut.tamper(&entry.name, &bytes[..at]);
                        let report = verify_by(&cut, trust).unwrap();
                        let bad = report.bad.unwrap_or_else(|| panic!("cut at {at} of {}: not found", entry.name));
                        let ends = |line: &&Line| {
                            line.segment == entry.name && line.offset + line.bytes.len() as u64 >= at as u64
                        };
                        let number = all.iter().position(|line| ends(&line)).unwrap() as u64 + 1;
                        let near = number.saturating_sub(1)..=number + 1;
                        assert!(near.contains(&bad.sequence), "cut at {at} of {}: {bad}", entry.name);
                    }
                });
            }
        });
    }
    for (index, removed) in segments.iter().enumerate() {
        let less = copy(&whole);
        less.remove(&removed.name);
        let report = verify_by(&less, &trust).unwrap();
        // The oldest may be moved away: what is left is what was signed, and the report says what is not here.
        assert_eq!(report.is_intact(), index == 0, "{} removed", removed.name);
        assert_eq!(report.first_sequence > 1, index == 0, "{} removed", removed.name);
    }
}

#[test]
fn whole_records_cut_off_at_the_end_are_named_and_stop_the_start() {
    let disk = Simulated::new();
    run(&disk, 5, 1 << 20);
    let all = lines(&disk);
    let name = &all[0].segment;
    let bytes = disk.contents(name);
    for kept in 1..all.len() {
        let cut = copy(&disk);
        cut.tamper(name, &bytes[..usize::try_from(all[kept].offset).unwrap()]);
        let bad = verify(&cut).unwrap().bad.unwrap();
        assert_eq!(bad.fault, Fault::Cut { last: all.len() as u64 });
        assert_eq!(bad.sequence, kept as u64 + 1);
        let before: Vec<_> = cut.list().unwrap();
        let Err(AuditError::Damaged(bad)) = open_signed(&cut, 1 << 20) else { panic!("cut to {kept} records") };
        assert_eq!(bad.fault, Fault::Cut { last: all.len() as u64 });
        assert_eq!(cut.list().unwrap(), before, "nothing is changed");
    }
}

/// He who holds the disk and not the key writes the log anew from some record on, hashes and all.
#[test]
fn a_log_written_anew_from_some_record_on_is_not_the_one_that_was_signed() {
    let (disk, other) = (Simulated::new(), Simulated::new());
    run(&disk, 5, 1 << 20);
    let log = open_with(&other, Options { segment_bytes: 1 << 20, ..options() }).unwrap().0;
    for turn in 0..9 {
        let id = if turn == 2 { "forged".to_owned() } else { format!("r-{turn}") };
        log.begin(&begin(&id)).wait().unwrap().end(&completed()).wait().unwrap();
    }
    log.close();
    assert!(verify(&other).unwrap().is_intact());
    let size = newest(&disk).checkpoint.size;
    let bad = verify_by(&other, &kept(&newest(&disk))).unwrap().bad.unwrap();
    assert_eq!((bad.sequence, bad.fault), (size, Fault::Checkpoint { size, agreed: 0 }));
}

#[test]
fn a_checkpoint_that_another_key_signed_is_not_believed() {
    let disk = Simulated::new();
    run(&disk, 2, 1 << 20);
    let stranger = Signer::new("gate-1", "gate", vec![SigningKey::new(&Zeroizing::new([6; 32])).unwrap()]);
    let trust = Trust { keys: stranger.public(), kept: vec![] };
    let bad = verify_by(&disk, &trust).unwrap().bad.unwrap();
    assert_eq!(bad.fault, Fault::Note(NoteFault::Unsigned));
    assert!(bad.segment.ends_with(".checkpoints"));
}

/// What is not the newest needs no signature to agree with the records; it is looked at where it does not.
#[test]
fn a_checkpoint_that_does_not_agree_is_told_from_a_log_that_does_not() {
    let disk = Simulated::new();
    for _ in 0..3 {
        run(&disk, 2, 1 << 20);
    }
    let trust = Trust { keys: keys(), kept: vec![] };
    let name = "audit-00000000000000000001.checkpoints";
    let lines: Vec<String> = String::from_utf8(disk.contents(name)).unwrap().lines().map(str::to_owned).collect();
    assert!(lines.len() >= 3);
    let told = |lines: &[String]| {
        disk.tamper(name, format!("{}\n", lines.join("\n")).as_bytes());
        verify_by(&disk, &trust).unwrap().bad.map(|bad| (bad.fault, bad.line))
    };
    // Somebody else's word on the records up to the first, and a signature of ours under another root.
    let stranger = Signer::new("gate-1", "gate", vec![SigningKey::new(&Zeroizing::new([6; 32])).unwrap()]);
    let size = notes(&disk)[0].checkpoint.size;
    let line = |signer: &Signer| serde_json::json!({"v": 1, "note": signer.sign(size, [9; 32]).text}).to_string();
    let with_first = |first: String| [&[first], &lines[1..]].concat();
    assert_eq!(told(&with_first(line(&stranger))), Some((Fault::Note(NoteFault::Unsigned), 1)));
    assert_eq!(told(&with_first(line(&signer()))).unwrap().0, Fault::Checkpoint { size, agreed: 0 });
    let mut swapped = lines.clone();
    swapped.swap(0, 1);
    assert_eq!(told(&swapped), Some((Fault::Note(NoteFault::Order), 2)));
    assert_eq!(told(&lines), None);
}

#[test]
fn every_record_is_proven_by_a_file_that_needs_no_log() {
    let disk = Simulated::new();
    for _ in 0..3 {
        run(&disk, 4, 1800);
    }
    for line in lines(&disk) {
        let record: serde_json::Value = serde_json::from_slice(&line.bytes).unwrap();
        let text = prove(&disk, record["seq"].as_u64().unwrap()).unwrap().to_string();
        let proof: Proof = text.parse().unwrap();
        let Proven::Record { line: proven, checkpoint } = proof.check(&keys(), None).unwrap() else { panic!() };
        assert_eq!((proven, checkpoint), (line.bytes, newest(&disk).checkpoint));
        // Any other letter anywhere, and it proves nothing, or the very same.
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            let changed: Result<Proof, _> = changed.parse();
            let proven = changed.and_then(|proof: Proof| proof.check(&keys(), None).map(|_| proof));
            assert!(proven.is_err() || proven.unwrap() == proof, "byte {at}");
        }
    }
    let beyond = lines(&disk).len() as u64 + 1;
    assert!(matches!(prove(&disk, beyond), Err(ProofError::Unsigned { last }) if last + 1 == beyond));
}

/// Old segments may be moved away, but for the newest two: what is left says enough of what is gone.
#[test]
fn a_record_is_proven_also_where_older_segments_are_gone() {
    let disk = Simulated::new();
    for _ in 0..4 {
        run(&disk, 4, 1800);
    }
    let segments: Vec<_> = disk.list().unwrap().into_iter().filter(|entry| entry.name.ends_with(".jsonl")).collect();
    let old = notes(&disk)[1].clone();
    for gone in 1..segments.len() {
        let less = copy(&disk);
        segments.iter().take(gone).for_each(|entry| less.remove(&entry.name));
        let report = verify_by(&less, &Trust { keys: keys(), kept: vec![newest(&disk)] }).unwrap();
        assert!(report.is_intact(), "{:?}", report.bad);
        assert_eq!(report.signed.last_sequence, report.last_sequence);
        for number in report.first_sequence..=report.last_sequence {
            assert!(prove(&less, number).unwrap().check(&keys(), None).is_ok(), "{number} without {gone} segments");
        }
        let extended = extend(&less, &old.checkpoint);
        assert!(extended.is_ok() || old.checkpoint.size + 1 < report.first_sequence, "{gone} segments gone");
        assert!(extended.is_err() || extended.unwrap().check(&keys(), Some(&old)).is_ok(), "{gone} segments gone");
    }
}

#[test]
fn every_checkpoint_is_proven_to_be_the_beginning_of_the_newest() {
    let disk = Simulated::new();
    for _ in 0..4 {
        run(&disk, 3, 1800);
    }
    for old in notes(&disk) {
        let proof: Proof = extend(&disk, &old.checkpoint).unwrap().to_string().parse().unwrap();
        assert!(proof.check(&keys(), Some(&old)).is_ok());
        assert!(proof.check(&keys(), None).is_err());
        for other in notes(&disk).into_iter().filter(|other| other.checkpoint.size != old.checkpoint.size) {
            assert!(proof.check(&keys(), Some(&other)).is_err());
        }
    }
}

/// The lines of a log from before there was a tree stay as they are; from the next segment on it is told.
#[test]
fn a_log_from_before_there_was_a_tree_goes_on_with_one() {
    let disk = Simulated::new();
    let log = open_with(&disk, Options { segment_bytes: 1500, ..options() }).unwrap().0;
    for turn in 0..6 {
        log.begin(&begin(&format!("r-{turn}"))).wait().unwrap().end(&completed()).wait().unwrap();
    }
    log.close();
    let old = without_tree(&disk);
    // With a segment gone from the middle there is no tree over what was there: none is signed.
    let gap = copy(&old);
    let segments: Vec<_> = gap.list().unwrap().into_iter().filter(|entry| entry.name.ends_with(".jsonl")).collect();
    assert!(segments.len() > 3);
    gap.remove(&segments[1].name);
    assert!(open_signed(&gap, 1500).is_err());
    let before = lines(&old);
    run(&old, 2, 1500);
    let report = verify_by(&old, &Trust { keys: keys(), kept: vec![] }).unwrap();
    assert!(report.is_intact(), "{:?}", report.bad);
    assert_eq!(
        (report.signed.last_sequence, newest(&old).checkpoint.size),
        (report.last_sequence, report.last_sequence)
    );
    assert!(before.iter().zip(lines(&old)).all(|(was, is)| was.bytes == is.bytes));
    for number in 1..=report.last_sequence {
        assert!(prove(&old, number).unwrap().check(&keys(), None).is_ok(), "{number}");
    }
    // The oldest segments may go, as ever: what is left of those without a tree can still be read, not proven.
    let first = old.list().unwrap().into_iter().find(|entry| entry.name.ends_with(".jsonl")).unwrap();
    old.remove(&first.name);
    let report = verify_by(&old, &Trust { keys: keys(), kept: vec![] }).unwrap();
    assert!(report.is_intact(), "{:?}", report.bad);
    assert_eq!(report.signed.last_sequence, report.last_sequence);
    assert!(matches!(prove(&old, report.first_sequence), Err(ProofError::Missing)));
    assert!(prove(&old, report.last_sequence).unwrap().check(&keys(), None).is_ok());
    run(&old, 2, 1500);
    assert!(verify_by(&old, &Trust { keys: keys(), kept: vec![] }).unwrap().is_intact());
}

/// The same log as the first releases wrote it: no `tree`, and the hashes that follow from that.
fn without_tree(disk: &Simulated) -> Simulated {
    use sha2::{Digest, Sha256};
    let old = Simulated::new();
    let mut prev: String = "0".repeat(64);
    let mut files = std::collections::BTreeMap::<String, Vec<u8>>::new();
    for line in lines(disk) {
        let text = String::from_utf8(line.bytes).unwrap();
        let start = text.find(",\"tree\":").unwrap_or(text.len());
        let end = text.get(start..).and_then(|rest| rest.find("]}")).map_or(start, |end| start + end + 2);
        let text = format!("{}{}", &text[..start], &text[end..]);
        let text = format!("{}{prev}\"}}", &text[..text.len() - 66]);
        prev = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        files.entry(line.segment).or_default().extend(format!("{text}\n").bytes());
    }
    files.iter().for_each(|(name, bytes)| old.tamper(name, bytes));
    assert!(verify(&old).unwrap().is_intact());
    old
}

/// Power lost after every single write, in every way: whatever is signed is there.
#[test]
fn no_checkpoint_ever_speaks_of_a_record_that_a_loss_of_power_took() {
    let counted = Simulated::new();
    run(&counted, 4, 1700);
    for operations in 0..counted.operations() {
        for loss in [Loss::Forget, Loss::Tear, Loss::Reorder, Loss::Keep] {
            let disk = Simulated::new();
            disk.lose_power_after(operations);
            if let Ok(log) = open_signed(&disk, 1700) {
                for turn in 0..4 {
                    let Ok(ticket) = log.begin(&begin(&format!("r-{turn}"))).wait() else { break };
                    let Ok(_) = ticket.end(&completed()).wait() else { break };
                }
                log.close();
            }
            let disk = disk.after_power_loss(loss, operations);
            let context = format!("{operations} operations, {loss:?}");
            match open_signed(&disk, 1700) {
                Ok(log) => log.close(),
                Err(error) => panic!("{context}: {error}"),
            }
            let report = verify_by(&disk, &Trust { keys: keys(), kept: vec![] }).unwrap();
            assert!(report.is_intact(), "{context}: {:?}", report.bad);
            assert_eq!(report.signed.last_sequence, report.last_sequence, "{context}");
            assert_eq!(report.signed.torn_bytes, 0, "{context}");
        }
    }
}

#[test]
fn a_full_disk_costs_checkpoints_and_no_record() {
    let disk = Simulated::new();
    run(&disk, 1, 1 << 16);
    let log = open_signed(&disk, 1 << 16).unwrap();
    let beside: u64 = disk.list().unwrap().iter().skip(1).map(|entry| entry.bytes).sum();
    disk.set_room(Some((1 << 16) + options().reserve_bytes + beside));
    let ticket = log.begin(&begin("while-full")).wait().unwrap();
    ticket.end(&completed()).wait().unwrap();
    log.close();
    let report = verify_by(&disk, &Trust { keys: keys(), kept: vec![] }).unwrap();
    assert!(report.is_intact(), "{:?}", report.bad);
    assert_eq!(endings(&disk, "while-full"), ["completed"]);
}
