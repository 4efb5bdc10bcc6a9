//! A whole gate whose list is interrupted while it streams: by its backend, by what is entered meanwhile, by a registry,
//! log or clock that fails, by a panic, by the caller. What had left was judged; nothing leaves after.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sekisho::audit::Clock;
use sekisho::proxy::sites::now_ms;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::gate::{Gate, Hand, Place, Setup, Told, coordinator};
use super::http::{Got, request};
use super::process::sekisho;
use super::stage::Pipe;
use super::support::soon;

/// An answer as it comes.
struct Reading(TcpStream, Vec<u8>);

impl Reading {
    /// Reads until this text has come.
    async fn until(&mut self, text: &str) {
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&self.1).contains(text) {
            let count = soon(self.0.read(&mut piece)).await.unwrap();
            assert!(count > 0, "closed before {text}");
            self.1.extend_from_slice(&piece[..count]);
        }
    }

    async fn rest(mut self) -> Got {
        let _ = soon(self.0.read_to_end(&mut self.1)).await;
        Got::of(&self.1)
    }
}

/// A donor wide enough to leave before the next one is read.
fn entry(number: usize) -> String {
    format!(r#"{{"id":"d-{number}","phone":"phone-of-d-{number}.","email":"{}"}}"#, "x".repeat(20_000))
}

impl Gate {
    /// A list of which the first entry has come.
    async fn begun(&self) -> (Pipe, Reading) {
        let pipe = self.place.stage.piped();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request("GET", "/donors", &coordinator(), "").as_bytes()).await.unwrap();
        pipe.send(&format!(r#"{{"items":[{},"#, entry(1)));
        let mut reading = Reading(stream, Vec::new());
        reading.until("phone-of-d-1.").await;
        (pipe, reading)
    }
}

/// Cut: 200, without its end, with the first entry and none of the later ones.
fn is_cut(got: &Got, what: &str) {
    assert!(got.status == 200 && !got.whole, "{what}: {} {}", got.status, got.whole);
    assert!(got.body.contains("phone-of-d-1.") && !got.body.contains("phone-of-d-2."), "{what}");
}

/// Every entry that left is on a record of its own list.
fn disclosed(log: &Told) -> usize {
    let windows = log.of("continuation");
    let of = windows.iter().flat_map(|window| window["disclosed"].as_array().unwrap());
    of.map(|one| one["subjects"].as_array().unwrap().len()).sum()
}

/// What a backend does after the first entry.
type End = fn(Pipe);

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_breaks_off_is_cut_and_recorded_as_failed() {
    let ends: [(&str, &str, End); 4] = [
        ("the connection", "backend-body-broken", drop),
        ("the list", "body-not-judged", Pipe::end),
        ("its syntax", "body-not-judged", |pipe| pipe.send("]}]")),
        ("an entry", "backend-body-broken", |pipe| pipe.send(&entry(2)[..15_000])),
    ];
    let gate = Place::new(Setup { site: "limits = { idle-ms = 1000 }", ..Setup::default() }).await.start();
    for (what, _, end) in ends {
        let (pipe, reading) = gate.begun().await;
        end(pipe);
        is_cut(&reading.rest().await, what);
    }
    let (still_open, reading) = gate.begun().await;
    is_cut(&reading.rest().await, "nothing further comes");
    drop(still_open);
    let log = gate.end().await.log();
    let told = ends.iter().map(|(_, code, _)| ("failed", *code, 200)).chain([("failed", "backend-body-broken", 200)]);
    assert_eq!(log.endings(), told.collect::<Vec<_>>());
    assert_eq!(disclosed(&log), 5);
}

/// A fault in the same breath as the last frame took with it what was on record as handed over, the status line too.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_record_as_left_has_left_when_a_list_breaks_off() {
    let gate = Gate::new().await;
    let mut left = Vec::new();
    for count in [3, 6] {
        let pipe = gate.place.stage.piped();
        let mut stream = TcpStream::connect(gate.address).await.unwrap();
        stream.write_all(request("GET", "/donors", &coordinator(), "").as_bytes()).await.unwrap();
        let entries: Vec<String> = (1..=count).map(entry).collect();
        pipe.send(&format!(r#"{{"items":[{}}}]"#, entries.join(",")));
        let got = Reading(stream, Vec::new()).rest().await;
        assert!(got.status == 200 && !got.whole, "{count}: {}", got.status);
        drop(pipe);
        left.push(got.body.len() as u64);
    }
    let log = gate.end().await.log();
    let told: Vec<u64> = log.of("end").iter().map(|end| end["released_bytes"].as_u64().unwrap()).collect();
    assert_eq!(told, left);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_that_another_process_enters_holds_from_the_next_entry() {
    let gate = Gate::new().await;
    let (pipe, reading) = gate.begun().await;
    let entered = sekisho(&gate.place, &["registry", "add", "restriction", "subject=d-2", "name=stop-use"]);
    assert!(entered.status.success(), "{entered:?}");
    pipe.send(&format!("{},{}]}}", entry(2), entry(3)));
    pipe.end();
    let got = reading.rest().await;
    assert!(got.status == 200 && got.whole);
    let left = [1, 2, 3].map(|number| got.body.contains(&format!("phone-of-d-{number}.")));
    assert_eq!(left, [true, false, true]);
    assert_eq!(got.json()["items"].as_array().unwrap().len(), 2);
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("completed", "", 200)]);
    let end = log.of("end")[0];
    assert_eq!((&end["entries_released"], &end["entries_dropped"]), (&2.into(), &1.into()));
    assert_eq!(disclosed(&log), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_lost_while_a_list_is_read_cuts_it() {
    let gate = Gate::new().await;
    let (pipe, reading) = gate.begun().await;
    std::fs::remove_file(gate.place.path("data/registry.sqlite")).unwrap();
    pipe.send(&format!("{},", entry(2)));
    is_cut(&reading.rest().await, "lost");
    gate.is_not_ready("no registry").await;
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("failed", "registry-unreadable", 200)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_fills_while_a_list_is_read_lets_no_further_entry_go() {
    let audit = "[audit]\nsegment-bytes = 1048576\ndisk-bytes-max = 4194304\nreserve-bytes = 131072\n";
    let place = Place::new(Setup { tables: audit, ..Setup::default() }).await.start().end().await;
    let filler = place.scratch.write("data/log/gate/audit-99999999999999999999.torn", "", 0o600);
    // Room for a beginning and some windows, beside the reserve.
    std::fs::File::options().write(true).open(&filler).unwrap().set_len((4 << 20) - (128 << 10) - 12_000).unwrap();
    let gate = place.start();
    let (pipe, reading) = gate.begun().await;
    (2..60).for_each(|number| pipe.send(&format!("{},", entry(number))));
    let got = reading.rest().await;
    assert!(got.status == 200 && !got.whole);
    let left = (1..60).filter(|number| got.body.contains(&format!("phone-of-d-{number}."))).count();
    gate.is_not_ready("no log: the log is full").await;
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("failed", "record-failed", 200)], "the ending has its room");
    assert!((1..59).contains(&left) && left <= disclosed(&log), "{left} entries left on {} records", disclosed(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_while_a_list_is_read_cuts_it() {
    let hand = Hand::default();
    let gate = Place::new(Setup::default()).await.start_by(hand.clock());
    let (pipe, reading) = gate.begun().await;
    hand.move_to(-90_000);
    pipe.send(&format!("{},", entry(2)));
    is_cut(&reading.rest().await, "the clock");
    gate.is_not_ready("no log: the clock is").await;
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("failed", "record-failed", 200)]);
    assert_eq!(disclosed(&log), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_ends_the_list_and_leaves_one_ending() {
    let gate = Gate::new().await;
    let (pipe, reading) = gate.begun().await;
    drop(reading);
    // Whatever the kernel still takes: the gate learns it when it writes.
    let gone = async {
        while pipe.is_read() {
            pipe.send(&format!("{},", entry(2)));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon(gone).await;
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("aborted", "connection-ended", 200)]);
}

/// A clock at which a request panics when it looks for the n-th time.
#[derive(Default)]
struct Trap {
    looks: AtomicUsize,
    /// Tasks that had looked before: the two that tend the log and its files, which panic at nothing.
    known: Mutex<HashSet<tokio::task::Id>>,
}

impl Trap {
    fn clock(self: &Arc<Trap>) -> Arc<dyn Clock> {
        let trap = Arc::clone(self);
        Arc::new(move || {
            let task = tokio::task::try_id();
            let Some(task) = task.filter(|task| !trap.known.lock().unwrap().contains(task)) else { return now_ms() };
            match trap.looks.load(Ordering::SeqCst) {
                0 => drop(trap.known.lock().unwrap().insert(task)),
                1 => {
                    trap.looks.store(0, Ordering::SeqCst);
                    panic!("sekret");
                }
                _ => drop(trap.looks.fetch_sub(1, Ordering::SeqCst)),
            }
            now_ms()
        })
    }

    /// From a new task's n-th look on.
    async fn at(&self, look: usize) {
        let tended = async {
            while self.known.lock().unwrap().len() < 2 {
                tokio::task::yield_now().await;
            }
        };
        soon(tended).await;
        self.looks.store(look, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_request_is_500_recorded_as_failed_and_nothing_more() {
    let trap = Arc::new(Trap::default());
    let gate = Place::new(Setup::default()).await.start_by(trap.clock());
    trap.at(2).await;
    let body = r#"{"id":"d-1","phone":"1"}"#;
    gate.send("PATCH", "/donors/d-1", &coordinator(), body).await.is_problem(500, "failed", "a write");
    assert_eq!(gate.place.stage.asked(), 0);
    // A read at each look but the first: while it is judged, and in the end while its answer is.
    let mut look = 2;
    loop {
        trap.at(look).await;
        let got = gate.read().await;
        if got.status == 200 {
            break;
        }
        got.is_problem(500, "failed", "a read");
        look += 1;
    }
    // One look more, and a list panics at its second entry, when the first has left.
    trap.at(look).await;
    let (pipe, reading) = gate.begun().await;
    pipe.send(&format!("{},", entry(2)));
    is_cut(&reading.rest().await, "a panic");
    gate.place.stage.body(super::gate::DONOR);
    let got = gate.read().await;
    assert_eq!(got.status, 200, "the next one is answered: {}", got.bytes);
    let log = gate.end().await.log();
    let refusals = log.refusals();
    assert!(refusals.len() >= 2 && refusals.iter().all(|told| *told == ("failed", 500)), "{refusals:?}");
    assert!(log.of("refusal").iter().all(|record| record["caller"]["id"] == "s-1"));
    let outcomes: Vec<_> = log.endings().iter().map(|(outcome, ..)| *outcome).collect();
    assert_eq!(outcomes, ["failed", "completed", "failed", "completed"]);
    assert_eq!(refusals.len() + 2, look, "a panic without a record: one write, and a read for each look");
    assert_eq!(disclosed(&log), 1);
}
