//! The process does not grow with the body that goes through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sekisho::demo::sample::Org;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Asked, Running, Site, backend, long, minted};

/// How far above its rest the process may grow, whatever the size: less than what is released of the smallest body.
const GROWTH_BYTES_MAX: u64 = 8 << 20;
/// How much the backend writes at a time.
const PIECE_BYTES: usize = 200_000;
/// Stands in what may not leave.
const CANARY: &str = "c4n4ry-0451";

/// 1 GiB, where that is asked for.
fn size() -> usize {
    if long() { 1 << 30 } else { 24 << 20 }
}

/// A body: its media type, its beginning, the parts that fill it, its end.
#[derive(Clone, Copy)]
struct Shape {
    path: &'static str,
    media: &'static str,
    head: &'static str,
    part: fn(usize) -> String,
    tail: &'static str,
    /// What of a part leaves, once for each.
    released: &'static str,
}

fn patient(number: usize) -> String {
    // Short ones are many, and each is judged and put on record: that takes its time.
    let (name, filler) = (CANARY.repeat(20), "経過観察".repeat(if long() { 30 } else { 200 }));
    format!(
        r#"{{"id":"p-{number:07}","history":["{filler}"],"blood_type":"released","my_number":"{CANARY}","notes":"{filler}","new":"{name}"}}"#
    )
}

const LIST: Shape = Shape {
    path: "/patients",
    media: "application/json",
    head: r#"{"total":9,"items":[{"id":"p-first"}"#,
    part: |number| format!(",{}", patient(number)),
    tail: "]}",
    released: "released",
};

const LINES: Shape = Shape {
    path: "/export/patients",
    media: "application/x-ndjson",
    head: "",
    part: |number| format!("{}\n", patient(number)),
    tail: "",
    released: "released",
};

/// One object far larger than may be held.
const OBJECT: Shape = Shape {
    path: "/patients/p-1",
    media: "application/json",
    head: r#"{"id":"p-1","family":[{}"#,
    part: |number| {
        let filler = "経過観察".repeat(30);
        format!(r#",{{"name":"released {number:07} {filler}","new":"{CANARY}{filler}"}}"#)
    },
    tail: r#"],"my_number":"c4n4ry-0451"}"#,
    released: "released",
};

async fn answer(asked: Asked, mut stream: TcpStream, size: Arc<AtomicUsize>) -> Option<TcpStream> {
    let path = asked.target.as_str();
    let shape = [LIST, LINES, OBJECT].into_iter().find(|shape| shape.path == path).unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nConnection: close\r\n\r\n{}", shape.media, shape.head);
    stream.write_all(head.as_bytes()).await.ok()?;
    let (mut written, mut number) = (0, 0);
    let size = size.load(Ordering::SeqCst);
    while written < size {
        let mut piece = String::with_capacity(PIECE_BYTES + 4096);
        while piece.len() < PIECE_BYTES && written + piece.len() < size {
            piece.push_str(&(shape.part)(number));
            number += 1;
        }
        stream.write_all(piece.as_bytes()).await.ok()?;
        written += piece.len();
    }
    stream.write_all(shape.tail.as_bytes()).await.ok()?;
    None
}

/// `VmRSS` or `VmHWM` (the most there has been) of the process, in bytes.
fn memory_bytes(running: &Running, which: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// What a caller took: how many bytes, and how many times the released word. The canary is looked for all along.
async fn take(running: &Running, shape: Shape) -> (usize, usize) {
    let token = minted(&serde_json::json!({"sub": "s-1", "roles": ["physician"]}));
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nPurpose-Of-Use: care\r\nConnection: close\r\n\r\n",
        shape.path
    );
    let mut stream = TcpStream::connect(running.gate).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut bytes, mut parts) = (0, 0);
    let mut window = Vec::new();
    loop {
        let before = window.len();
        if stream.read_buf(&mut window).await.unwrap() == 0 {
            break;
        }
        if bytes == 0 {
            assert!(window.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&window));
        }
        bytes += window.len() - before;
        if window.len() > 256 << 10 {
            parts += look(&window, shape);
            // A word may be cut here: so much is looked at again, less than a whole one.
            window.drain(..window.len() - (shape.released.len() - 1));
        }
    }
    assert!(window.ends_with(b"\r\n0\r\n\r\n") || window.ends_with(b"0\r\n\r\n"), "the answer was cut");
    parts += look(&window, shape);
    (bytes, parts)
}

/// How many released words there are; nothing that is withheld is.
fn look(bytes: &[u8], shape: Shape) -> usize {
    assert!(memchr::memmem::find(bytes, CANARY.as_bytes()).is_none(), "what is withheld left");
    memchr::memmem::find_iter(bytes, shape.released).count()
}

async fn stays_small(shape: Shape) {
    let size = Arc::new(AtomicUsize::new(1 << 20));
    let told = Arc::clone(&size);
    let origin = backend(move |asked, stream| answer(asked, stream, Arc::clone(&told))).await;
    let site = Site::new(Org::Sakura, &origin, "");
    let running = site.start();
    take(&running, shape).await;
    let (idle, before) = (memory_bytes(&running, "VmRSS"), memory_bytes(&running, "VmHWM"));
    size.store(self::size(), Ordering::SeqCst);
    let began = std::time::Instant::now();
    let (taken, parts) = take(&running, shape).await;
    let took = began.elapsed();
    let peak = memory_bytes(&running, "VmHWM");
    println!(
        "{}: {} MiB in {:.1} s, {:.1} MB/s; {taken} bytes in {parts} parts left; idle {} KiB, most before {} KiB, most {} KiB",
        shape.path,
        self::size() >> 20,
        took.as_secs_f64(),
        self::size() as f64 / 1e6 / took.as_secs_f64(),
        idle >> 10,
        before >> 10,
        peak >> 10,
    );
    let part_bytes = (shape.part)(0).len();
    assert!(parts >= self::size() / (part_bytes + 20) && taken < self::size() && taken > self::size() / 10);
    assert!(peak <= idle + GROWTH_BYTES_MAX, "grew from {idle} to {peak} bytes");
    running.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_any_size_leaves_the_process_as_small_as_it_was() {
    stays_small(LIST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_any_number_leave_the_process_as_small_as_it_was() {
    stays_small(LINES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_of_any_size_leaves_the_process_as_small_as_it_was() {
    stays_small(OBJECT).await;
}
