//! What may be told to others: durable records only, each once, whatever happens to the writer.

use super::support::*;
use sekisho::audit::{AuditError, Entry, Follow};
use sekisho::store::simulated::{Loss, Simulated};

fn all(follow: &mut Follow<'_>) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| follow.next_line().unwrap()).map(|line| line.bytes).collect()
}

/// Works until the disk gives up, and after each step tells on what it may.
fn work(disk: &Simulated, round: u32, told: &mut Vec<Vec<u8>>) -> Result<(), AuditError> {
    let mut small = options();
    small.segment_bytes = 1700;
    let (log, _) = open_with(disk, small)?;
    let mut follow = Follow::from(disk, told.len() as u64 + 1).unwrap();
    let result = (|| {
        for turn in 0..6 {
            let many: Vec<_> = (0..3).map(|one| log.begin(&begin(&format!("{round}-{turn}-{one}")))).collect();
            for pending in many {
                pending.wait()?.end(&completed()).wait()?;
            }
            told.extend(all(&mut follow));
        }
        Ok(())
    })();
    log.close();
    told.extend(all(&mut follow));
    result
}

#[test]
fn what_was_told_on_is_in_the_log_after_any_loss_of_power() {
    let whole = Simulated::new();
    work(&whole, 0, &mut Vec::new()).unwrap();
    for cut in 0..whole.operations() + 4 {
        for loss in [Loss::Forget, Loss::Tear, Loss::Reorder, Loss::Keep] {
            let disk = Simulated::new();
            disk.lose_power_after(cut);
            let mut told = Vec::new();
            let _cut_off = work(&disk, 0, &mut told);
            let found = disk.after_power_loss(loss, cut);
            let _whole = work(&found, 1, &mut told);
            let there: Vec<Vec<u8>> = lines(&found).into_iter().map(|line| line.bytes).collect();
            // All but the last batch, of which nobody says yet that it is durable.
            assert!(told.len() + 3 > there.len(), "cut {cut}, {loss:?}: {} of {} were told", told.len(), there.len());
            assert!(there.starts_with(&told), "cut {cut}, {loss:?}: what was told is not what is there");
        }
    }
}

#[test]
fn a_position_that_the_log_does_not_have_is_no_beginning() {
    let disk = Simulated::new();
    work(&disk, 0, &mut Vec::new()).unwrap();
    let last = lines(&disk).len() as u64;
    assert!(Follow::from(&disk, last + 1).is_ok(), "behind the last record: the next one is waited for");
    let error = Follow::from(&disk, last + 2).err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    let all = lines(&disk);
    let first = all[0].segment.clone();
    disk.remove(&first);
    // Where the position is just behind what was removed, the oldest record tells what stood before it.
    let oldest = all.iter().position(|line| line.segment != first).unwrap();
    let follow = Follow::from(&disk, oldest as u64 + 1).unwrap();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&all[oldest - 1].bytes);
    let before: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(follow.hash(), Some(before.as_str()));
    let error = Follow::from(&disk, 2).err().unwrap();
    assert!(error.to_string().contains("its oldest is"), "{error}");
}

#[test]
fn a_changed_record_is_not_told_on() {
    let disk = Simulated::new();
    work(&disk, 0, &mut Vec::new()).unwrap();
    let line = lines(&disk)[4].clone();
    let mut bytes = disk.contents(&line.segment);
    let at = usize::try_from(line.offset).unwrap() + line.bytes.iter().position(|byte| *byte == b'c').unwrap();
    bytes[at] = b'C';
    disk.tamper(&line.segment, &bytes);
    let mut follow = Follow::from(&disk, 1).unwrap();
    let mut told = 0;
    let error = loop {
        match follow.next_line() {
            Ok(line) => told += usize::from(line.is_some()),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("sekisho audit verify"), "{error}");
    assert!((4..=5).contains(&told), "{told}: up to the record that was changed, or the one that shows it");
}

#[test]
fn every_line_is_read_in_types() {
    let disk = Simulated::new();
    work(&disk, 0, &mut Vec::new()).unwrap();
    for line in lines(&disk) {
        let entry = Entry::read(&line.bytes).unwrap();
        assert_eq!(entry.kind == "begin", entry.caller.as_ref().is_some_and(|caller| caller.id == "c-17"));
        assert_eq!(entry.kind == "end", entry.outcome.as_deref() == Some("completed"));
        assert_eq!(entry.prev.len(), 64);
    }
    assert!(Entry::read(br#"{"v":1,"seq":1,"time":"x","kind":7}"#).is_err());
    assert!(Entry::read(br#"{"seq":1}"#).is_err());
}
