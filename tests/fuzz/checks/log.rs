//! A segment of any bytes: verified or named as bad, recovered or refused, and whole again after recovery. The same bytes
//! as checkpoints beside a log, as a note, a proof and a key: read or refused, and read back as they were.

use std::sync::Arc;

use sekisho::audit::checkpoint::{Note, PublicKey};
use sekisho::audit::prove::{Proof, prove};
use sekisho::audit::{Log, Options, Reader, verify};
use sekisho::store::simulated::Simulated;

/// Panics where a promise is broken.
pub fn check(bytes: &[u8]) {
    let disk = Simulated::new();
    disk.tamper("audit-00000000000000000001.jsonl", bytes);
    drop(verify(&disk));
    let mut reader = Reader::new(&disk);
    let mut lines = 0;
    while let Ok(Some(_)) = reader.next_line() {
        lines += 1;
        assert!(lines <= bytes.len() + 1, "the reader does not end");
    }
    if let Some(log) = open(&disk) {
        log.close();
        assert!(verify(&disk).is_ok_and(|report| report.is_intact()), "recovered, and not whole");
        signed(&disk, bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        words(text);
    }
}

fn open(disk: &Simulated) -> Option<Log> {
    let options = Options {
        node: "fuzz".into(),
        segment_bytes: 1 << 16,
        disk_bytes_max: 1 << 22,
        reserve_bytes: 1 << 12,
        ..Options::default()
    };
    Log::open(Arc::new(disk.clone()), options, Arc::new(|| 4_000_000_000_000)).ok().map(|(log, _)| log)
}

/// Whatever stands in the checkpoints: what is whole is not told to be so by them, nor does anything break on them.
fn signed(disk: &Simulated, bytes: &[u8]) {
    disk.tamper("audit-00000000000000000001.checkpoints", bytes);
    drop(verify(disk));
    drop(prove(disk, 1));
    if let Some(log) = open(disk) {
        log.close();
        drop(verify(disk));
    }
}

fn words(text: &str) {
    if let Ok(note) = text.parse::<Note>() {
        assert_eq!(note.text, text);
        assert!(note.verify(&[]).is_err(), "believed without a key");
    }
    if let Ok(proof) = text.parse::<Proof>() {
        assert!(proof.to_string().parse::<Proof>().is_ok_and(|again| again == proof), "a proof is not read back");
        assert!(proof.check(&[], None).is_err(), "proven without a key");
    }
    if let Ok(key) = text.parse::<PublicKey>() {
        assert_eq!(key.to_string(), text.trim());
    }
}
