//! Places that are down, break off, or forget: everything arrives, and twice only what was not known to have arrived.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sekisho::audit::export::Format;
use sekisho::audit::{Begin, Decision, End, Log, Options, Outcome};
use sekisho::proxy::mirror::Place;
use sekisho::proxy::sink::{Plan, Sink, SinkError, Step};
use sekisho::store::Directory;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::{Scratch, soon};

/// A log that was signed to its last record, with so many accesses.
fn write(folder: &Path, accesses: std::ops::Range<u32>) {
    let now = AtomicU64::new(1_795_338_000_000);
    let disk = Arc::new(Directory::open(folder).unwrap());
    let key = sekisho::audit::checkpoint::SigningKey::new(&zeroize::Zeroizing::new([5; 32])).unwrap();
    let signer = sekisho::audit::checkpoint::Signer::new("gate-1", "gate", vec![key]);
    let options = Options { node: "gate-1".into(), segment_bytes: 1 << 14, ..Options::default() };
    let clock = Arc::new(move || now.fetch_add(1, Ordering::SeqCst));
    let (log, _) = Log::open_signed(disk, options, clock, signer).unwrap();
    for number in accesses {
        let id = format!("access-{number}");
        let decision = Decision { id: &id, method: "GET", action: "read", mode: "enforce", ..Decision::default() };
        let ticket = log.begin(&Begin { decision, decision_us: None }).wait().unwrap();
        ticket.end(&End { outcome: Outcome::Completed, ..End::default() }).wait().unwrap();
    }
    log.close();
}

fn plan(scratch: &Scratch, format: Format, to: &str) -> Plan {
    Plan {
        format,
        place: Some(Place::read(to, &scratch.0).unwrap()),
        root: None,
        header: Some((http::header::AUTHORIZATION, "Bearer token-of-the-place".parse().unwrap())),
        resume: Some(scratch.0.join("position")),
        within_ms: (0, u64::MAX),
    }
}

/// The ids of all decisions in the begin records of these lines, in their order.
fn ids(text: &str) -> Vec<String> {
    let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records.filter(|record| record["kind"] == "begin").map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

fn named(accesses: std::ops::Range<u32>) -> Vec<String> {
    accesses.map(|number| format!("access-{number}")).collect()
}

enum Mood {
    Answers(&'static str),
    /// Takes the whole request and closes without an answer.
    Forgets,
    /// Closes when half has come.
    BreaksOff,
}

/// One connection, treated so; the body as far as it came.
async fn treat(listener: &TcpListener, mood: Mood) -> String {
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    let body = body(&mut stream, matches!(mood, Mood::BreaksOff)).await;
    if let Mood::Answers(answer) = mood {
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    body
}

async fn body(stream: &mut TcpStream, half: bool) -> String {
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = soon(stream.read(&mut piece)).await.unwrap();
        text.extend_from_slice(&piece[..count]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
        assert!(head.contains("authorization: Bearer token-of-the-place"), "{head}");
        let length: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if body.len() >= if half { length / 2 } else { length } {
            return body.to_owned();
        }
    }
}

const TAKEN: &str = "HTTP/1.1 202 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn what_a_place_did_not_take_is_sent_again_and_nothing_else() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("log");
    write(&folder, 0..700);
    let disk = Directory::open_to_read(&folder).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("http://{}/in", listener.local_addr().unwrap());
    let mut arrived = String::new();
    let mut batches = Vec::new();
    // Each batch is met by every kind of trouble first; and after each failure the whole program may have ended.
    for batch in 0..3 {
        for mood in [Mood::Answers(BUSY), Mood::Forgets, Mood::BreaksOff] {
            let is_busy = matches!(mood, Mood::Answers(_));
            let mut sink = Sink::open(&disk, plan(&scratch, Format::Jsonl, &to)).unwrap();
            let (step, _) = tokio::join!(sink.step(), treat(&listener, mood));
            let SinkError::Place(_, after) = step.unwrap_err() else { panic!("not the place's fault") };
            assert_eq!(after.map(|after| after.as_secs()), is_busy.then_some(7));
        }
        let mut sink = Sink::open(&disk, plan(&scratch, Format::Jsonl, &to)).unwrap();
        let (step, body) = tokio::join!(sink.step(), treat(&listener, Mood::Answers(TAKEN)));
        batches.push(step.unwrap());
        arrived.push_str(&body);
        assert!(batch < 2 || matches!(sink.step().await, Ok(Step::Nothing)));
    }
    assert_eq!(ids(&arrived), named(0..700));
    assert!(matches!(batches[..], [Step::Took(500), Step::Took(500), Step::Took(_)]), "{batches:?}");
}

#[tokio::test]
async fn a_collector_that_goes_away_before_it_read_all_has_not_taken_it() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("log");
    write(&folder, 0..5);
    let disk = Directory::open_to_read(&folder).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("syslog+tcp://{}", listener.local_addr().unwrap());
    let mut sink = Sink::open(&disk, plan(&scratch, Format::Syslog, &to)).unwrap();
    // Closed with data unread: the kernel resets the connection.
    let gone = async {
        let (stream, _) = soon(listener.accept()).await.unwrap();
        stream.readable().await.unwrap();
        drop(stream);
    };
    let (step, ()) = tokio::join!(sink.step(), gone);
    assert!(matches!(step, Err(SinkError::Place(..))), "{step:?}");
    let reads = async {
        let (mut stream, _) = soon(listener.accept()).await.unwrap();
        let mut text = String::new();
        soon(stream.read_to_string(&mut text)).await.unwrap();
        text
    };
    let (step, text) = tokio::join!(sink.step(), reads);
    assert!(matches!(step, Ok(Step::Took(_))));
    let mut rest = text.as_str();
    let mut begins = 0;
    while let Some((length, after)) = rest.split_once(' ') {
        let (message, left) = after.split_at(length.parse().unwrap());
        begins += usize::from(message.contains(" begin - {"));
        rest = left;
    }
    assert_eq!((begins, rest), (5, ""), "octets are counted");
}

#[tokio::test]
async fn a_position_of_another_log_or_format_is_no_beginning() {
    let scratch = Scratch::new();
    write(&scratch.0.join("log"), 0..5);
    write(&scratch.0.join("other"), 10..30);
    let disk = Directory::open_to_read(&scratch.0.join("log")).unwrap();
    let mut sink = Sink::open(&disk, plan(&scratch, Format::Jsonl, "file:out")).unwrap();
    assert!(matches!(sink.step().await, Ok(Step::Took(_))));
    drop(sink);
    let other = Directory::open_to_read(&scratch.0.join("other")).unwrap();
    for (disk, format) in [(&other, Format::Jsonl), (&disk, Format::Csv)] {
        let Err(SinkError::Plan(why)) = Sink::open(disk, plan(&scratch, format, "file:out2")) else {
            panic!("it began")
        };
        assert!(why.contains("another log") || why.contains("a file for each format"), "{why}");
    }
    std::fs::write(scratch.0.join("position"), "{\"v\":1,\"for").unwrap();
    assert!(matches!(Sink::open(&disk, plan(&scratch, Format::Jsonl, "file:out2")), Err(SinkError::Plan(_))));
    assert!(!scratch.0.join("out2").exists(), "nothing was sent");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_not_passed_over_by_the_next_run() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("log");
    write(&folder, 0..5);
    // Of a later release, say: well chained, signed, and of another shape.
    let segment = folder.join("audit-00000000000000000001.jsonl");
    let whole = text(segment.clone());
    let at = whole.rfind("\"released_bytes\":0").unwrap();
    let other = format!("{}\"released_bytes\":[]{}", &whole[..at], &whole[at + "\"released_bytes\":0".len()..]);
    std::fs::write(&segment, other).unwrap();
    let disk = Directory::open_to_read(&folder).unwrap();
    for run in 0..3 {
        let mut sink = Sink::open(&disk, plan(&scratch, Format::Csv, "file:out.csv")).unwrap();
        if run == 0 {
            assert!(matches!(sink.step().await, Ok(Step::Took(4))));
        }
        let Err(SinkError::Log(error)) = sink.step().await else { panic!("run {run}: it went on") };
        assert!(error.to_string().starts_with("record 11: "), "{error}");
    }
    assert_eq!(text(scratch.0.join("out.csv")).lines().count(), 5);
}

#[test]
fn a_place_that_never_answers_does_not_keep_the_command_from_ending() {
    let scratch = Scratch::new();
    write(&scratch.0.join("log"), 0..5);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("http://{}/in", listener.local_addr().unwrap());
    let folder = scratch.0.join("log").to_str().unwrap().to_owned();
    let mut child = export(&["--follow", "--to", &to, &folder]).stdout(Stdio::null()).spawn().unwrap();
    let (_silent, _) = listener.accept().unwrap();
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn what_a_crash_left_of_a_row_takes_no_further_one_with_it() {
    let scratch = Scratch::new();
    write(&scratch.0.join("log"), 0..3);
    std::fs::write(scratch.0.join("out.csv"), "record,caller\r\n1,\"cut o").unwrap();
    let disk = Directory::open_to_read(&scratch.0.join("log")).unwrap();
    let mut sink = Sink::open(&disk, plan(&scratch, Format::Csv, "file:out.csv")).unwrap();
    assert!(matches!(sink.step().await, Ok(Step::Took(3))));
    let rows = text(scratch.0.join("out.csv"));
    let lines: Vec<&str> = rows.lines().collect();
    assert_eq!((lines.len(), lines[1]), (5, "1,\"cut o\""));
}

fn export(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command.args(["audit", "export"]).args(arguments).stdin(Stdio::null());
    command
}

fn text(path: PathBuf) -> String {
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_command_goes_on_where_it_stopped_and_says_what_is_wrong() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("log");
    let [folder_text, out, position] =
        ["log", "out.csv", "position"].map(|name| scratch.0.join(name).to_str().unwrap().to_owned());
    let to = format!("file:{out}");
    let arguments = ["--format", "csv", "--to", &to, "--resume", &position, &folder_text];
    for (accesses, rows) in [(0..5, 6), (5..5, 6), (5..9, 10)] {
        write(&folder, accesses);
        let ran = export(&arguments).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(text(out.clone().into()).lines().count(), rows, "a heading, and a row for each access");
    }
    let ran = export(&["--format", "xml", &folder_text]).output().unwrap();
    assert!(String::from_utf8_lossy(&ran.stderr).contains("there are jsonl, csv, ocsf, fhir, otlp, syslog"));
    let ran = export(&["--to", "http://siem.example/", &folder_text]).output().unwrap();
    assert!(!ran.status.success() && String::from_utf8_lossy(&ran.stderr).contains("loopback"));
    let ran = export(&["--since", "2026-11-22T09:00:00.009Z", "--until", "2026-11-23", &folder_text]).output().unwrap();
    let since = String::from_utf8(ran.stdout).unwrap();
    assert!(!since.is_empty() && since.lines().all(|line| line.contains("2026-11-22T09:00:00.")), "{since}");
    assert!(since.lines().count() < 22);
    // A record that was changed: what is before it arrives, and it is told.
    let segment = folder.join("audit-00000000000000000001.jsonl");
    let changed = text(segment.clone()).replacen("access-3", "access-4", 1);
    std::fs::write(&segment, changed).unwrap();
    let ran = export(&[&folder_text]).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("sekisho audit verify"));
    assert_eq!(ids(&String::from_utf8(ran.stdout).unwrap())[..3], named(0..3));
}
