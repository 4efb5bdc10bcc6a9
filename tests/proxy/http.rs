//! HTTP/1.1 as it is written: one request on a connection of its own, and all that comes back.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::soon;

/// What came back.
pub(super) struct Got {
    pub(super) status: u16,
    /// In lower case.
    pub(super) head: String,
    pub(super) body: String,
    /// The same, as bytes.
    pub(super) raw: Vec<u8>,
    /// Whether the body came to its end.
    pub(super) whole: bool,
    /// Every byte.
    pub(super) bytes: String,
}

/// A request's bytes. `fields`: whole lines.
pub(super) fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    let typed = fields.to_lowercase().contains("content-type:");
    let media = if body.is_empty() || typed { "" } else { "Content-Type: application/json\r\n" };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}{media}{length}Connection: close\r\n\r\n{body}")
}

/// Asks, and reads until the other side closes.
pub(super) async fn ask(address: SocketAddr, method: &str, target: &str, fields: &str, body: &str) -> Got {
    Got::of_raw(address, &request(method, target, fields, body)).await
}

impl Got {
    /// Sends these bytes, and reads until the other side closes.
    pub(super) async fn of_raw(address: SocketAddr, request: &str) -> Got {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Who refuses a long body may close before all of it is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        Got::read(&mut stream).await
    }

    /// Reads until the other side closes or resets.
    pub(super) async fn read(stream: &mut TcpStream) -> Got {
        let mut all = Vec::new();
        let _ = soon(stream.read_to_end(&mut all)).await;
        Got::of(&all)
    }

    /// What these bytes say.
    pub(super) fn of(all: &[u8]) -> Got {
        let bytes = String::from_utf8_lossy(all).into_owned();
        let split = all.windows(4).position(|four| four == b"\r\n\r\n").map_or(all.len(), |at| at + 4);
        let head = String::from_utf8_lossy(&all[..split]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let rest = &all[split..];
        let (body, whole) = if head.contains("transfer-encoding: chunked") {
            unchunked(rest)
        } else {
            let told = head.split("content-length: ").nth(1).and_then(|after| after.split("\r\n").next());
            (rest.to_vec(), told.is_none_or(|told| told.parse() == Ok(rest.len())))
        };
        Got { status, head, body: String::from_utf8_lossy(&body).into_owned(), raw: body, whole, bytes }
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.head.split("\r\n").find_map(|line| line.strip_prefix(&start))
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.bytes))
    }

    /// Exactly this refusal: a problem with its type, a decision's id, nothing to be kept, and nothing of the canaries.
    pub(super) fn is_problem(&self, status: u16, kind: &str, what: &str) -> Value {
        assert_eq!(self.status, status, "{what}: {}", self.bytes);
        assert!(self.whole && !self.bytes.contains(super::gate::CANARY), "{what}: {}", self.bytes);
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{what}");
        assert_eq!(self.field("cache-control"), Some("no-store, private"), "{what}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:sekisho:problem:{kind}"), "{what}: {problem}");
        assert_eq!(problem["status"], status, "{what}");
        let id = problem["decision"].as_str().unwrap();
        assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{what}: {id}");
        assert_eq!(self.field("purpose-of-use-decision"), Some(format!("refuse;id=\"{id}\"").as_str()), "{what}");
        assert_eq!(self.field("retry-after"), (status == 503).then_some("1"), "{what}");
        problem
    }
}

/// The bytes of all chunks, and whether the last one came.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return (body, false) };
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size else { return (body, false) };
        if size == 0 {
            return (body, true);
        }
        let chunk = &rest[end + 2..];
        body.extend(&chunk[..size.min(chunk.len())]);
        if chunk.len() < size + 2 {
            return (body, false);
        }
        rest = &chunk[size + 2..];
    }
}
