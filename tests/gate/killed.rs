//! The gate is killed while it answers: whatever a caller has seen begin is on record, with everybody it showed him.
//!
//! It is killed by what callers have seen, not by a clock, and started again on the same data. A killed process loses what
//! it had not yet written; what a loss of power takes besides is tests/audit's matter.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use sekisho::audit::{Reader, Seal};
use sekisho::demo::sample::Org;
use sekisho::proxy::keys::Keys;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::{Asked, Coming, Site, ask, backend, long, minted, run};
use crate::layer::cases::Random;

/// What is asked again and again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// One person's record.
    One,
    /// A list long enough for many windows.
    List,
    Refused,
    Write,
}

/// Who asks, at once.
const CALLERS: [Kind; 9] =
    [Kind::One, Kind::List, Kind::Refused, Kind::Write, Kind::One, Kind::List, Kind::One, Kind::Refused, Kind::One];

/// What of a kind has been seen when the gate is killed: the head of so many answers, or so many entries of lists.
#[derive(Clone, Copy)]
enum When {
    Heads(Kind, usize),
    Entries(usize),
    Whole(Kind, usize),
}

const ROUNDS: [When; 10] = [
    When::Heads(Kind::One, 1),
    When::Heads(Kind::Refused, 1),
    When::Heads(Kind::Write, 1),
    When::Entries(1),
    When::Entries(150),
    When::Heads(Kind::One, 40),
    When::Heads(Kind::Refused, 40),
    When::Whole(Kind::List, 2),
    When::Heads(Kind::One, 90),
    When::Heads(Kind::Write, 20),
];

/// Rounds in all, those of [`ROUNDS`] first and then others by chance; the seed is printed, `SEKISHO_SEED` gives it again.
fn rounds() -> Vec<When> {
    let given = std::env::var("SEKISHO_SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
    let seed = given.unwrap_or_else(clock);
    println!("killed at moments by SEKISHO_SEED={seed}");
    let mut random = Random(seed);
    let by_chance = (ROUNDS.len()..if long() { 200 } else { 20 }).map(|_| match random.below(4) {
        0 => When::Entries(1 + random.below(4000)),
        1 => When::Whole(Kind::List, 1 + random.below(3)),
        _ => When::Heads(*random.pick(&[Kind::One, Kind::Refused, Kind::Write]), 1 + random.below(60)),
    });
    ROUNDS.into_iter().chain(by_chance).collect()
}

/// Entries of a list, of about 700 bytes.
const ENTRIES: usize = 1000;
/// How much of it the backend writes at a time.
const PIECE_BYTES: usize = 9001;
/// Numbers everybody in the backend, so that no two answers name the same person.
static PEOPLE: AtomicUsize = AtomicUsize::new(1);

fn person(id: &str) -> String {
    let (name, number) = ("患者".repeat(50), "9".repeat(12));
    format!(r#"{{"id":"{id}","name":{{"kanji":"{name}"}},"blood_type":"A","my_number":"{number}","new":"{name}"}}"#)
}

/// Whose records the backend was told to change.
static WRITTEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

async fn answer(asked: Asked, mut stream: TcpStream) -> Option<TcpStream> {
    let path = asked.target.as_str();
    if asked.method == "PATCH" {
        WRITTEN.lock().unwrap().push(path.rsplit('/').next().unwrap().to_owned());
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    if path != "/patients" {
        let text = person(path.rsplit('/').next().unwrap());
        let answer = format!("{head}Content-Length: {}\r\n\r\n{text}", text.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
        return Some(stream);
    }
    let new = |_| person(&format!("p-{:07}", PEOPLE.fetch_add(1, Ordering::SeqCst)));
    let entries: Vec<String> = (0..ENTRIES).map(new).collect();
    let list = format!(r#"{{"total":{ENTRIES},"items":[{}]}}"#, entries.join(","));
    stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.ok()?;
    for piece in list.as_bytes().chunks(PIECE_BYTES) {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        stream.write_all(&chunk).await.ok()?;
    }
    stream.write_all(b"0\r\n\r\n").await.ok()?;
    Some(stream)
}

/// One life of the gate, and what its callers have seen of it.
struct Life {
    gate: SocketAddr,
    pid: Pid,
    when: When,
    count: AtomicUsize,
    over: AtomicBool,
}

impl Life {
    /// One more of what counts; the last kills, before the caller does anything else.
    fn saw(&self, more: usize, enough: usize) {
        let before = self.count.fetch_add(more, Ordering::SeqCst);
        if before < enough && before + more >= enough {
            kill_process(self.pid, Signal::KILL).unwrap();
            self.over.store(true, Ordering::SeqCst);
        }
    }

    /// Asks until the gate is gone; all answers, as far as they came.
    async fn asking(self: Arc<Life>, kind: Kind) -> Vec<(Kind, Coming)> {
        let mut seen = Vec::new();
        while !self.over.load(Ordering::SeqCst) {
            let (mut head, mut entries) = (false, 0);
            let request = request(kind);
            let coming = ask(self.gate, request.as_bytes(), |coming| {
                let new_head = coming.head().is_some() && !std::mem::replace(&mut head, coming.head().is_some());
                let new_entries = if kind == Kind::List { subjects(coming).count() - entries } else { 0 };
                entries += new_entries;
                match self.when {
                    When::Heads(wanted, enough) if wanted == kind && new_head => self.saw(1, enough),
                    When::Entries(enough) if new_entries > 0 => self.saw(new_entries, enough),
                    When::Whole(wanted, enough) if wanted == kind && coming.whole => self.saw(1, enough),
                    When::Heads(..) | When::Entries(_) | When::Whole(..) => {}
                }
            });
            seen.push((kind, coming.await));
        }
        seen
    }
}

/// A request of a physician; each of another one, so that no one is slowed for his many refusals.
fn request(kind: Kind) -> String {
    let number = PEOPLE.fetch_add(1, Ordering::SeqCst);
    let one = format!("/patients/p-{number:07}");
    let (method, target, purpose, body) = match kind {
        Kind::One => ("GET", one, "care", String::new()),
        Kind::List => ("GET", "/patients".to_owned(), "care", String::new()),
        Kind::Refused => ("GET", one, "no-such-purpose", String::new()),
        Kind::Write => ("PATCH", one, "care", format!(r#"{{"id":"p-{number:07}","phone":"03-0000-0000"}}"#)),
    };
    let token = minted(&serde_json::json!({"sub": format!("s-{number}"), "roles": ["physician"]}));
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nPurpose-Of-Use: {purpose}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Whom a body names, also where it was cut.
fn subjects(coming: &Coming) -> impl Iterator<Item = &str> {
    let ids = memchr::memmem::find_iter(&coming.body, br#""id":"p-"#).map(|at| at + br#""id":""#.len());
    ids.filter_map(|at| std::str::from_utf8(coming.body.get(at..at + 9)?).ok())
}

/// What the log says of one decision.
#[derive(Default)]
struct OnRecord {
    begun: usize,
    refused: usize,
    endings: Vec<String>,
    subjects: HashSet<String>,
}

fn on_record(site: &Site) -> HashMap<String, OnRecord> {
    let seal = Seal::new(Keys::read(&site.scratch.0.join("keys")).unwrap().subjects.clone());
    let log = site.log();
    let mut reader = Reader::new(&log);
    let mut all: HashMap<String, OnRecord> = HashMap::new();
    while let Some(line) = reader.next_line().unwrap() {
        let record: serde_json::Value = serde_json::from_slice(&line.bytes).unwrap();
        let Some(id) = record["id"].as_str() else { continue };
        let found = all.entry(id.to_owned()).or_default();
        match record["kind"].as_str().unwrap() {
            "begin" => found.begun += 1,
            "refusal" => found.refused += 1,
            "end" => found.endings.push(record["outcome"].as_str().unwrap().to_owned()),
            _ => {}
        }
        let groups = record["disclosed"].as_array().into_iter().flatten().map(|group| &group["subjects"]);
        let sealed = groups.chain([&record["subjects"]]).filter_map(|list| list.as_array()).flatten();
        found.subjects.extend(sealed.map(|text| (*seal.open_subject(text.as_str().unwrap()).unwrap()).clone()));
    }
    all
}

/// Others use the disk too, so that a flush takes its time: what was not waited for is then not there yet.
struct BusyDisk(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl BusyDisk {
    fn new(folder: &Path) -> BusyDisk {
        let (over, path) = (Arc::new(AtomicBool::new(false)), folder.join("busy"));
        let stop = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let mut file = std::fs::File::create(&path).unwrap();
                file.write_all(&vec![b'x'; 1 << 20]).and_then(|()| file.sync_all()).unwrap();
            }
        });
        BusyDisk(over, Some(thread))
    }
}

impl Drop for BusyDisk {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        drop(self.1.take().map(JoinHandle::join));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_that_began_before_a_kill_is_on_record_with_everybody_it_showed() {
    let site = Site::new(Org::Sakura, &backend(answer).await, "");
    let mut seen = Vec::new();
    let busy = BusyDisk::new(&site.scratch.0);
    let rounds = rounds();
    for when in rounds.iter().copied() {
        let running = site.start();
        let (gate, pid) = (running.gate, running.pid());
        let life = Arc::new(Life { gate, pid, when, count: AtomicUsize::new(0), over: AtomicBool::new(false) });
        let callers: Vec<_> = CALLERS.iter().map(|kind| tokio::spawn(Arc::clone(&life).asking(*kind))).collect();
        for caller in callers {
            seen.extend(caller.await.unwrap());
        }
        assert_eq!(running.wait().0, None, "it ended otherwise than by a signal");
    }
    drop(busy);
    site.start().end();

    let told = run(&["audit", "verify", site.data().to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stdout));
    let report = sekisho::audit::verify(&site.log()).unwrap();
    assert!(report.is_intact() && report.open == 0, "{:?}", report.bad);
    let all = on_record(&site);
    let mut lost = Vec::new();
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (kind, coming) in seen.iter().filter(|(_, coming)| coming.head().is_some()) {
        let (id, status) = (coming.decision().expect("a decision's id"), coming.status().unwrap());
        assert_eq!(status, if *kind == Kind::Refused { 403 } else { 200 }, "{kind:?}: {}", coming.head().unwrap());
        let nothing = OnRecord::default();
        let record = all.get(id).unwrap_or(&nothing);
        let as_seen = if *kind == Kind::Refused { (0, 1) } else { (1, 0) };
        if (record.begun, record.refused) != as_seen {
            lost.push(format!("{kind:?} {id} is not on record"));
        }
        let unnamed = subjects(coming).filter(|subject| !record.subjects.contains(*subject)).count();
        if unnamed > 0 {
            lost.push(format!("{kind:?} {id}: {unnamed} of {} persons are not on record", subjects(coming).count()));
        }
        let cut = if coming.whole { "whole" } else { "cut" };
        *counts.entry(format!("{kind:?} {cut}")).or_default() += 1;
        *counts.entry("persons".to_owned()).or_default() += subjects(coming).count();
    }
    let named: HashSet<&String> = all.values().flat_map(|record| &record.subjects).collect();
    let written = WRITTEN.lock().unwrap();
    lost.extend(written.iter().filter(|id| !named.contains(id)).map(|id| format!("{id} was changed without a record")));
    assert!(lost.is_empty(), "of {counts:?}: {} lost, {lost:#?}", lost.len());
    for (id, record) in &all {
        assert_eq!(record.endings.len(), record.begun, "endings of {id}: {:?}", record.endings);
    }
    let outcome = |name: &str| all.values().flat_map(|record| &record.endings).filter(|ending| *ending == name).count();
    println!("seen: {counts:?}; interrupted: {}, completed: {}", outcome("interrupted"), outcome("completed"));
    for kind in ["One whole", "List whole", "List cut", "Refused whole", "Write whole"] {
        assert!(counts.get(kind).is_some_and(|count| *count > 0), "no `{kind}`: vacuous, {counts:?}");
    }
    assert!(counts["persons"] > 3000 && outcome("interrupted") >= rounds.len(), "{counts:?}");
}
