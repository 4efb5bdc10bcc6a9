//! A data folder with a gate's log in it, its index, and a journal beside it; by a clock that is turned.

use sekisho::audit::checkpoint::{Signer, SigningKey};
use sekisho::audit::{Begin, Caller, Decision as Decided, Log, Options, Outcome, Policy, Reason, Refusal, Seal};
use sekisho::audit::{End, Window};
use sekisho::index::{Index, Limit, Logs, Queries, Row};
use sekisho::review::{Decision, Item, Journal, Parts, QueueFilter, ReviewError, Reviewer, State, Which};
use sekisho::store::Directory;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use zeroize::Zeroizing;

/// 2026-11-22T09:00:00Z.
pub(super) const NOW_MS: u64 = 1_795_338_000_000;
pub(super) const DAY_MS: u64 = 86_400_000;

static FOLDERS: AtomicUsize = AtomicUsize::new(0);

/// A data folder that goes when the test does.
pub(super) struct Data {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<AtomicU64>,
}

impl Data {
    pub(super) fn new() -> Data {
        let number = FOLDERS.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("sekisho-review-{}-{number}", std::process::id()));
        let _none_yet = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("log")).unwrap();
        Data { path, clock: Arc::new(AtomicU64::new(NOW_MS)) }
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.path.join("log").join(name)
    }

    pub(super) fn turn(&self, by_ms: u64) {
        self.clock.fetch_add(by_ms, Ordering::SeqCst);
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub(super) fn writer(&self, name: &str) -> Log {
        let disk = Arc::new(Directory::open(&self.log(name)).unwrap());
        let clock = Arc::clone(&self.clock);
        let clock = Arc::new(move || clock.load(Ordering::SeqCst));
        Log::open_signed(disk, options(), clock, signer(name)).unwrap().0
    }

    /// One access in the gate's log; its number.
    pub(super) fn access(&self, caller: &str, obligations: &[&str]) -> u64 {
        let log = self.writer("gate");
        let seq = accessed(&log, caller, obligations);
        log.close();
        seq
    }

    /// The index, up to date.
    pub(super) fn queries(&self) -> Queries {
        let (file, logs) = (self.path.join(sekisho::index::FILE), Logs::Folder(self.path.join("log")));
        let mut index = Index::open_with(&file, logs.clone(), 16).unwrap();
        while !index.catch_up(Limit { records: u64::MAX, until: None }).unwrap().is_caught_up {}
        Queries::open(&file, logs).unwrap()
    }

    pub(super) fn journal(&self) -> Journal {
        self.journal_sealed(7)
    }

    pub(super) fn journal_sealed(&self, key: u8) -> Journal {
        let clock = Arc::clone(&self.clock);
        Journal::new(Parts {
            folder: self.log("review"),
            options: options(),
            clock: Arc::new(move || clock.load(Ordering::SeqCst)),
            signer: Arc::new(|| signer("review")),
            seal: Arc::new(Seal::new(Zeroizing::new([key; 64]))),
            due_ms: sekisho::review::DUE_MS,
        })
    }

    /// The verdicts as they stand in the journal's files, and every other line of it.
    pub(super) fn lines(&self) -> Vec<serde_json::Value> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(self.log("review")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|suffix| suffix == "jsonl"));
        files.sort();
        let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(super) fn verdicts(&self) -> Vec<serde_json::Value> {
        let is_verdict =
            |line: &serde_json::Value| line["action"].as_str().is_some_and(|action| action.starts_with("review-"));
        self.lines().into_iter().filter(is_verdict).collect()
    }

    /// Changes the one segment of a log by hand.
    pub(super) fn tamper(&self, log: &str, from: &str, to: &str) {
        let file = self.log(log).join("audit-00000000000000000001.jsonl");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "`{from}` is not in {text}");
        std::fs::write(file, text.replacen(from, to, 1)).unwrap();
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.path);
    }
}

pub(super) fn options() -> Options {
    Options {
        node: "gate-1".into(),
        disk_bytes_max: 1 << 30,
        segment_bytes: 1 << 20,
        reserve_bytes: 4096,
        ..Options::default()
    }
}

pub(super) fn signer(log: &str) -> Signer {
    Signer::new("gate-1", log, vec![SigningKey::new(&Zeroizing::new([5; 32])).unwrap()])
}

fn decided<'a>(id: &'a str, caller: &'a str, obligations: &'a [&'a str]) -> Decided<'a> {
    Decided {
        id,
        caller: Caller { issuer: "https://idp.example", id: caller, ..Caller::default() },
        purpose: Some("emergency"),
        basis: Some("vital-interest"),
        method: "GET",
        route: Some("/patients/{id}"),
        action: "read",
        obligations,
        policy: Policy { id: "sakura", revision: "2024", digest: "sha256:00", catalogue: None },
        mode: "enforce",
        ..Decided::default()
    }
}

static IDS: AtomicU64 = AtomicU64::new(1);

pub(super) fn id() -> String {
    format!("{:032x}", IDS.fetch_add(1, Ordering::SeqCst))
}

/// An access with a window and an ending; the number of its beginning.
pub(super) fn accessed(log: &Log, caller: &str, obligations: &[&str]) -> u64 {
    let id = id();
    let begin = Begin { decision: decided(&id, caller, obligations), decision_us: None };
    let mut ticket = log.begin(&begin).wait().unwrap();
    let seq = ticket.begin();
    ticket.continuation(&Window { disclosed: &[], entries_dropped: 0, window_bytes: 9 }).wait().unwrap();
    ticket.end(&End { outcome: Outcome::Completed, status: Some(200), ..End::default() }).wait().unwrap();
    seq
}

pub(super) fn refused(log: &Log, caller: &str) -> u64 {
    let (id, reasons) = (id(), [Reason { code: "consent-missing", clause: None }]);
    let decision = decided(&id, caller, &[]);
    log.refuse(&Refusal { decision, reasons: &reasons, status: 403, decision_us: None }).wait().unwrap()
}

pub(super) fn reviewer(id: &str) -> Reviewer {
    Reviewer {
        issuer: "this machine".into(),
        id: id.into(),
        roles: vec!["privacy-officer".into()],
        callers: Vec::new(),
    }
}

pub(super) fn accept(remark: &str) -> Decision {
    Decision::Accept { remark: remark.into() }
}

pub(super) fn object(action_taken: &str, remark: &str) -> Decision {
    Decision::Object { action_taken: action_taken.into(), remark: remark.into() }
}

pub(super) fn row(queries: &Queries, seq: u64) -> Row {
    queries.rows(&[("gate", seq)]).unwrap().remove(0)
}

pub(super) fn page(journal: &Journal, queries: &Queries, which: Which) -> Result<Vec<Item>, ReviewError> {
    journal.queue(queries, &QueueFilter { which, before: None, limit: 10_000 })
}

/// The numbers of a page's accesses.
pub(super) fn numbers(journal: &Journal, queries: &Queries, which: Which) -> Vec<u64> {
    page(journal, queries, which).unwrap().iter().map(|item| item.row.place.seq).collect()
}

pub(super) fn is_accepted(state: &State) -> bool {
    matches!(state, State::Accepted(_))
}

pub(super) fn is_objected(state: &State) -> bool {
    matches!(state, State::Objected(_))
}

pub(super) fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_under(&path, found) } else { found.push(path) }
    }
}
