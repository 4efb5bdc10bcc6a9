//! Runs the binary with a temporary folder of its own; asks over a plain socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// A folder that stands for the system's temporary one.
pub(super) struct Scratch(PathBuf);

static SCRATCHES: AtomicUsize = AtomicUsize::new(0);

impl Scratch {
    pub(super) fn new() -> Scratch {
        let number = SCRATCHES.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("sekisho-demo-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

pub(super) fn command(scratch: &Scratch) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command.env("TMPDIR", scratch.path()).stdin(Stdio::null());
    command
}

pub(super) fn sekisho(scratch: &Scratch, arguments: &[&str]) -> Output {
    command(scratch).args(arguments).output().unwrap()
}

/// A running `sekisho demo --json`.
pub(super) struct Running {
    child: Child,
    /// What it printed.
    pub(super) told: Value,
    pub(super) scratch: Scratch,
}

impl Running {
    /// Starts it on a free port and waits until it has printed.
    pub(super) fn start(arguments: &[&str]) -> Running {
        let scratch = Scratch::new();
        let mut command = command(&scratch);
        command.arg("demo").args(arguments).args(["--json", "--port", "0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Running { child, told: serde_json::from_str(&line).unwrap(), scratch }
    }

    /// Where the first organisation's API begins.
    pub(super) fn url(&self) -> &str {
        self.told["sites"][0]["url"].as_str().unwrap()
    }

    /// Ctrl-C; its exit code.
    pub(super) fn interrupt(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What came back.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) body: String,
}

/// A GET over a connection of its own, HTTP/1.1 as it is written.
pub(super) fn get(url: &str, fields: &[(&str, &str)]) -> Got {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut request = format!("GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    fields.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = bytes.split_at(end + 4);
    let head = String::from_utf8(head.to_vec()).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_vec() };
    Got { status, body: String::from_utf8(body).unwrap() }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}
