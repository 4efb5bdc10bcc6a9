//! A log on a simulated disk, with a clock that stands still until moved.

use sekisho::audit::{AuditError, Line, Reader};
use sekisho::audit::{
    Begin, Caller, Decision, End, Forms, Log, Options, Outcome, Policy, Recovery, Report, Seal, verify,
};
use sekisho::store::Disk;
use sekisho::store::simulated::Simulated;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// 2026-11-22T09:00:00Z.
pub(super) const NOW_MS: u64 = 1_795_338_000_000;

#[derive(Clone)]
pub(super) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(super) fn new() -> Hand {
        Hand(Arc::new(AtomicU64::new(NOW_MS)))
    }
    pub(super) fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }
}

impl sekisho::audit::Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Which of all places a test looks at: some, by chance, or with `SEKISHO_LONG=1` every one. The seed is printed, and
/// `SEKISHO_SEED` gives it again.
pub(super) struct Places {
    state: u64,
    one_in: u64,
}

impl Places {
    /// Every one, whatever is set.
    pub(super) fn every() -> Places {
        Places { state: 0, one_in: 1 }
    }

    /// One in so many.
    pub(super) fn one_in(one_in: u64, what: &str) -> Places {
        if std::env::var("SEKISHO_LONG").is_ok_and(|long| long == "1") {
            return Places::every();
        }
        let given = std::env::var("SEKISHO_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
        let state = given.unwrap_or_else(clock);
        println!("{what}: SEKISHO_SEED={state}");
        Places { state, one_in }
    }

    /// Whether this place is among them (SplitMix64).
    pub(super) fn has_this(&mut self) -> bool {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).is_multiple_of(self.one_in)
    }
}

pub(super) fn options() -> Options {
    Options {
        node: "gate-1".into(),
        segment_bytes: 4096,
        disk_bytes_max: 1 << 30,
        reserve_bytes: 4096,
        ..Options::default()
    }
}

pub(super) fn open(disk: &Simulated) -> Result<(Log, Recovery), AuditError> {
    open_with(disk, options())
}

pub(super) fn open_with(disk: &Simulated, options: Options) -> Result<(Log, Recovery), AuditError> {
    Log::open(Arc::new(disk.clone()), options, Arc::new(Hand::new()))
}

pub(super) fn decision(id: &str) -> Decision<'_> {
    Decision {
        id,
        caller: Caller { issuer: "https://idp.example", id: "c-17", ..Caller::default() },
        purpose: Some("research"),
        route: Some("/Patient/{id}"),
        method: "GET",
        action: "read",
        clauses: &["II.3.10"],
        policy: Policy { id: "jmdp", revision: "2022-04", digest: "sha256:00", catalogue: None },
        mode: "enforce",
        ..Decision::default()
    }
}

pub(super) fn begin(id: &str) -> Begin<'_> {
    Begin { decision: decision(id), decision_us: Some(12) }
}

pub(super) fn completed() -> End<'static> {
    End { outcome: Outcome::Completed, status: Some(200), released_bytes: 5, ..End::default() }
}

pub(super) fn seal() -> Seal {
    Seal::new(Zeroizing::new([7; 64]))
}

pub(super) fn forms() -> Forms {
    Forms::new([("clear", "health.exam-result"), ("pseudonymised", "identity.number"), ("withheld", "identity.name")])
}

pub(super) fn lines(disk: &dyn Disk) -> Vec<Line> {
    let mut reader = Reader::new(disk);
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        lines.push(line);
    }
    lines
}

pub(super) fn records(disk: &dyn Disk) -> Vec<serde_json::Value> {
    lines(disk).iter().map(|line| serde_json::from_slice(&line.bytes).unwrap()).collect()
}

pub(super) fn intact(disk: &dyn Disk) -> Report {
    let report = verify(disk).unwrap();
    assert!(report.is_intact(), "{:?}", report.bad);
    report
}

/// The outcomes of the endings of a beginning, by the decision's id.
pub(super) fn endings(disk: &dyn Disk, id: &str) -> Vec<String> {
    endings_in(&records(disk), id)
}

/// The same, of records read before.
pub(super) fn endings_in(records: &[serde_json::Value], id: &str) -> Vec<String> {
    let is_end = |record: &&serde_json::Value| record["kind"] == "end" && record["id"] == id;
    records.iter().filter(is_end).map(|record| record["outcome"].as_str().unwrap().to_owned()).collect()
}
