//! HTTP/2, frame by frame: what would be read in two ways once it is a request of HTTP/1.1.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use sekisho::proxy::CallerBody;
use sekisho::proxy::limits::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::service_fn;

use super::support::{listen, soon};

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const GOAWAY: u8 = 7;
const SETTINGS: u8 = 4;
const DATA: u8 = 0;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as literals that no table keeps (RFC 7541 section 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// Opens one stream with these fields and this body; whether it was answered by a status.
async fn is_answered(address: std::net::SocketAddr, fields: &[(&str, &str)], body: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    all.extend(frame(SETTINGS, 0, 0, &[]));
    all.extend(frame(HEADERS, 4, 1, &block(fields)));
    all.extend(frame(DATA, 1, 1, body));
    stream.write_all(&all).await.unwrap();
    loop {
        let mut head = [0; 9];
        if soon(stream.read_exact(&mut head)).await.is_err() {
            return false;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        soon(stream.read_exact(&mut payload)).await.unwrap();
        match head[3] {
            // Every answer of a status here is `:status 200` by its index; 400 and the like refuse as well as a reset.
            HEADERS => return payload.first() == Some(&0x88),
            RESET | GOAWAY => return false,
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_malformed_stream_reaches_nobody() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let gate = listen(
        Limits::default(),
        service_fn(move |request: Request<CallerBody>| {
            let count = Arc::clone(&count);
            async move {
                // As the gate does: nothing is asked of anybody before a body is whole.
                if request.into_body().collect().await.is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        }),
    );
    let plain = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    assert!(is_answered(gate.address, &plain, b"abc").await);
    assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
    let with = |more: &[(&'static str, &'static str)]| [&plain[..], more].concat();
    let path = |path: &'static str| [&plain[..3], &[(":path", path)]].concat();
    let cases = [
        ("a field of the connection", with(&[("connection", "close")])),
        ("another", with(&[("transfer-encoding", "chunked")])),
        ("another", with(&[("upgrade", "websocket")])),
        ("another", with(&[("keep-alive", "timeout=5")])),
        ("another", with(&[("proxy-connection", "keep-alive")])),
        ("`te` of more than trailers", with(&[("te", "gzip")])),
        ("more than was told", with(&[("content-length", "2")])),
        ("less than was told", with(&[("content-length", "4")])),
        ("two lengths", with(&[("content-length", "3"), ("content-length", "4")])),
        ("no length", with(&[("content-length", "x")])),
        ("a line's end in a value", with(&[("x", "a\r\nhost: b")])),
        ("a line feed in a value", with(&[("x", "a\nb")])),
        ("a zero byte in a value", with(&[("x", "a\0b")])),
        ("a name in capitals", with(&[("X-Patient", "a")])),
        ("a name with a space", with(&[("x y", "a")])),
        ("a name with a colon", with(&[("x:", "a")])),
        ("an empty name", with(&[("", "a")])),
        ("a pseudo field after another", [&[("x", "a")][..], &plain[..]].concat()),
        ("a pseudo field twice", with(&[(":path", "/b")])),
        ("a pseudo field of answers", with(&[(":status", "200")])),
        ("an unknown pseudo field", with(&[(":user", "a")])),
        ("no path", plain[..3].to_vec()),
        ("an empty path", path("")),
        ("a space in the path", path("/a b")),
        ("a line's end in the path", path("/a\r\nx: y")),
        ("no method", plain[1..].to_vec()),
        ("no scheme", [&plain[..1], &plain[2..]].concat()),
        ("a method that is none", [&[(":method", "GE T")][..], &plain[1..]].concat()),
    ];
    for (what, fields) in &cases {
        let answered = is_answered(gate.address, fields, b"abc").await;
        assert!(!answered && asked.load(Ordering::SeqCst) == 0, "{what}: {fields:?}");
    }
}
