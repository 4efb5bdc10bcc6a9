//! Callers that stall, flood or lie, and what becomes of them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sekisho::proxy::CallerBody;
use sekisho::proxy::limits::Limits;
use sekisho::proxy::listener::Listener;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tower::service_fn;

use super::support::{listen, raw, rest, soon, until};

/// Reads the whole body; `/panic` panics, `/deaf` answers without reading.
async fn echo(request: Request<CallerBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    match request.uri().path() {
        "/panic" => panic!("as told"),
        "/deaf" => {
            let mut response = Response::new(Full::from("refused"));
            *response.status_mut() = StatusCode::FORBIDDEN;
            return Ok(response);
        }
        _ => {}
    }
    let read = request.into_body().collect().await;
    let mut response = Response::new(Full::default());
    match read {
        Ok(body) => *response.body_mut() = Full::new(body.to_bytes()),
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}

fn short() -> Limits {
    Limits { header_ms: 150, progress_ms: 150, ..Limits::default() }
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let gate = listen(short(), service_fn(echo));
    for begun in ["", "GET", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "PRI * HTTP/2.0"] {
        assert_eq!(raw(gate.address, begun).await, "", "after {begun:?}");
    }
}

#[tokio::test]
async fn a_later_head_that_never_ends_is_cut_long_before_a_resting_connection() {
    let gate = listen(short(), service_fn(echo));
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(&mut stream, "\r\n\r\n").await;
    stream.write_all(b"GET / HT").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_resting_connection_is_cut_in_the_end() {
    let gate = listen(Limits { idle_ms: 100, ..Limits::default() }, service_fn(echo));
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(&mut stream, "\r\n\r\n").await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_body_that_stalls_fails_and_ends_the_connection() {
    let gate = listen(short(), service_fn(echo));
    let answer = raw(gate.address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_body_that_drips_is_bounded_as_a_whole() {
    let gate = listen(Limits { request_ms: 200, ..Limits::default() }, service_fn(echo));
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").await.unwrap();
    soon(async {
        while stream.write_all(b"a").await.is_ok() {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_who_goes_away_in_his_body_ends_the_request() {
    let (told, ended) = oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let gate = listen(
        Limits::default(),
        service_fn(move |request: Request<CallerBody>| {
            let told = Arc::clone(&told);
            async move {
                let failed = request.into_body().collect().await.is_err();
                told.lock().unwrap().take().unwrap().send(failed).unwrap();
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        }),
    );
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
    drop(stream);
    assert!(soon(ended).await.unwrap(), "half a body passed for a whole one");
}

/// Says when it is dropped, and never ends.
struct Endless(Option<oneshot::Sender<()>>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'a'; 16 << 10])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

fn endless(limits: Limits) -> (super::support::Running, oneshot::Receiver<()>) {
    let (told, dropped) = oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let service = service_fn(move |_: Request<CallerBody>| {
        let body = Endless(told.lock().unwrap().take());
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    (listen(limits, service), dropped)
}

#[tokio::test]
async fn a_caller_who_does_not_read_is_cut() {
    let (gate, dropped) = endless(short());
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    soon(dropped).await.unwrap();
    drop(stream);
}

#[tokio::test]
async fn an_h2_stream_whose_window_stays_shut_is_cut() {
    let (gate, dropped) = endless(short());
    let io = TokioIo::new(TcpStream::connect(gate.address).await.unwrap());
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap();
    let held = client.send_request(request).await.unwrap(); // its body is never asked for
    soon(dropped).await.unwrap();
    drop(held);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_bounded_by_stream_ms() {
    let (gate, dropped) = endless(Limits { stream_ms: 200, ..Limits::default() });
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let reading = tokio::spawn(async move { drop(rest(&mut stream).await) });
    soon(dropped).await.unwrap();
    reading.await.unwrap();
}

#[tokio::test]
async fn a_caller_who_goes_away_ends_the_answer() {
    let (gate, dropped) = endless(Limits::default());
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(&mut stream, "aaaa").await;
    drop(stream);
    soon(dropped).await.unwrap();
}

#[tokio::test]
async fn a_request_framed_twice_is_read_by_its_chunks_and_ends_the_connection() {
    let gate = listen(Limits::default(), service_fn(echo));
    for fields in ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let request =
            format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = raw(gate.address, &request).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let gate = listen(Limits::default(), service_fn(echo));
    let malformed = [
        ("differing lengths", "Content-Length: 1\r\nContent-Length: 2"),
        ("a list of lengths", "Content-Length: 1, 2"),
        ("a signed length", "Content-Length: +1"),
        ("a coding after chunked", "Transfer-Encoding: chunked, gzip"),
        ("an unknown transfer coding", "Transfer-Encoding: xchunked"),
        ("a folded line", "X: a\r\n b"),
        ("a space before the colon", "X : a"),
        ("a bare CR", "X: a\rY: b"),
        ("a NUL", "X: a\0b"),
        ("a name that is none", "X(Y): a"),
    ];
    for (what, field) in malformed {
        let answer = raw(gate.address, &format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
    }
    let answer =
        raw(gate.address, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5z\r\nabcde\r\n0\r\n\r\n")
            .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "a chunk's size: {answer}");
}

#[tokio::test]
async fn heads_are_bounded() {
    let limits = Limits { header_bytes_max: 8192, header_count_max: 20, ..Limits::default() };
    let gate = listen(limits, service_fn(echo));
    let many: String = (0..21).map(|n| format!("X-{n}: a\r\n")).collect();
    let long = format!("X: {}\r\n", "a".repeat(9000));
    for fields in [many, long] {
        let answer = raw(gate.address, &format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_nothing_more() {
    let gate = listen(Limits::default(), service_fn(echo));
    let answer = raw(gate.address, "GET /panic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500") && !answer.contains("as told"), "{answer}");
    let answer = raw(gate.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn nothing_is_continued_before_the_body_is_asked_for() {
    let gate = listen(Limits::default(), service_fn(echo));
    let head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let answer = raw(gate.address, &format!("POST /deaf {head}")).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(format!("POST / {head}").as_bytes()).await.unwrap();
    until(&mut stream, "HTTP/1.1 100").await;
    stream.write_all(b"ab").await.unwrap();
    assert!(until(&mut stream, "\r\n\r\nab").await.contains("HTTP/1.1 200"));
}

/// Answers once it is let.
fn held(limits: Limits) -> (super::support::Running, Arc<Notify>, Arc<Notify>) {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        service_fn(move |_: Request<CallerBody>| {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            async move {
                begun.notify_one();
                go.notified().await;
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
            }
        })
    };
    (listen(limits, service), begun, go)
}

#[tokio::test]
async fn a_drain_lets_what_is_open_end_and_accepts_nothing_new() {
    let (gate, begun, go) = held(Limits::default());
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    soon(begun.notified()).await;
    gate.stop.cancel();
    soon(async {
        while TcpStream::connect(gate.address).await.is_ok() {
            tokio::task::yield_now().await
        }
    })
    .await;
    go.notify_one();
    assert!(rest(&mut stream).await.ends_with("done"));
    soon(gate.served).await.unwrap();
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let (gate, begun, _go) = held(Limits { drain_ms: 50, ..Limits::default() });
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    soon(begun.notified()).await;
    gate.stop.cancel();
    assert_eq!(rest(&mut stream).await, "");
    soon(gate.served).await.unwrap();
}

#[tokio::test]
async fn requests_past_the_limit_are_answered_503() {
    let (gate, begun, go) = held(Limits { requests_in_flight_max: 1, ..Limits::default() });
    let mut first = TcpStream::connect(gate.address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    soon(begun.notified()).await;
    let second = raw(gate.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(second.starts_with("HTTP/1.1 503") && second.contains("retry-after: 1"), "{second}");
    go.notify_one();
    assert!(rest(&mut first).await.ends_with("done"));
}

#[tokio::test]
async fn connections_of_one_address_are_bounded() {
    let gate = listen(Limits { connections_per_address_max: 1, ..Limits::default() }, service_fn(echo));
    let mut first = TcpStream::connect(gate.address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until(&mut first, "\r\n\r\n").await;
    assert_eq!(raw(gate.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await, "");
    drop(first);
    let again =
        async { while raw(gate.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.is_empty() {} };
    soon(again).await; // the place is given back
}

#[tokio::test]
async fn h2_is_spoken_by_prior_knowledge_on_loopback_and_never_upgraded_to() {
    let gate = listen(Limits::default(), service_fn(echo));
    let io = TokioIo::new(TcpStream::connect(gate.address).await.unwrap());
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://a/").body(Full::<Bytes>::from("ping")).unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "ping");
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answer = raw(gate.address, upgrade).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn plain_http_is_refused_where_others_can_reach_it() {
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let error = Listener::bind(any, None, false, Limits::default()).err().unwrap().to_string();
    assert!(error.contains("insecure-plaintext"), "{error}");
}

/// A lone LF may end a line (RFC 9112 §2.2): whatever it is read as, only one request is.
#[tokio::test]
async fn a_bare_lf_smuggles_no_second_request() {
    let gate = listen(Limits::default(), service_fn(echo));
    let request =
        "POST / HTTP/1.1\nHost: a\nContent-Length: 4\nConnection: close\n\nabcdGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = raw(gate.address, request).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    let folded = raw(gate.address, "GET / HTTP/1.1\r\nHost: a\r\nX: a\n b\r\n\r\n").await;
    assert!(folded.starts_with("HTTP/1.1 400"), "{folded}");
}
