//! A segment of any bytes: verified or named as bad, recovered or refused, and whole again after recovery.

use std::sync::Arc;

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
    let options =
        Options { node: "fuzz".into(), segment_bytes: 1 << 16, disk_bytes_max: 1 << 22, reserve_bytes: 1 << 12 };
    if let Ok((log, _)) = Log::open(Arc::new(disk.clone()), options, Arc::new(|| 4_000_000_000_000)) {
        log.close();
        assert!(verify(&disk).is_ok_and(|report| report.is_intact()), "recovered, and not whole");
    }
}
