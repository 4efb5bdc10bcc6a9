//! Backends that are down, slow or talk nonsense, and what their gate is told.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use sekisho::layer::Timeout;
use sekisho::proxy::BoxError;
use sekisho::proxy::limits::UpstreamLimits;
use sekisho::proxy::upstream::Upstream;
use tower::ServiceExt;

use super::support::{Backend, Then, backend, soon};

fn limits() -> UpstreamLimits {
    UpstreamLimits { first_byte_ms: 200, idle_ms: 200, ..UpstreamLimits::default() }
}

async fn ask(
    backend: &Backend,
    method: Method,
) -> Result<Response<impl Body<Data = Bytes, Error = BoxError> + use<>>, BoxError> {
    let request = Request::builder().method(method).uri("/a/b?c=%64").body(Full::default()).unwrap();
    soon(Upstream::new(&backend.origin, None, limits()).unwrap().oneshot(request)).await
}

async fn body_of(backend: &Backend) -> Result<Bytes, BoxError> {
    Ok(soon(ask(backend, Method::GET).await?.into_body().collect()).await?.to_bytes())
}

#[tokio::test]
async fn heads_that_are_none_are_errors() {
    let many: String = (0..101).map(|n| format!("X-{n}: a\r\n")).collect();
    let nonsense = [
        ("silence", String::new()),
        ("garbage", "garbage\r\n\r\n".to_owned()),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Le".to_owned()),
        ("differing lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned()),
        ("a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("a space before the colon", "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n".to_owned()),
        (
            "framed twice",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n".to_owned(),
        ),
        ("too many fields", format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 0\r\n\r\n")),
        ("too long a field", format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(70_000))),
    ];
    for (what, answer) in nonsense {
        let backend = backend(answer, Then::Close).await;
        let error = ask(&backend, Method::GET).await.err().unwrap_or_else(|| panic!("{what} passed"));
        assert!(!error.is::<Timeout>(), "{what}");
    }
}

#[tokio::test]
async fn bodies_that_break_off_are_errors() {
    let broken = [
        ("shorter than said", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        ("cut between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
        ("cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"),
        ("a chunk without size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"),
    ];
    for (what, answer) in broken {
        assert!(body_of(&backend(answer, Then::Close).await).await.is_err(), "{what} passed for whole");
    }
}

#[tokio::test]
async fn slowness_is_a_timeout_and_nothing_else_is() {
    let silent = backend("", Then::Wait).await;
    assert!(ask(&silent, Method::GET).await.err().unwrap().is::<Timeout>());
    let stalled = backend("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", Then::Wait).await;
    assert!(body_of(&stalled).await.unwrap_err().is::<Timeout>());
    let stalled = backend("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n", Then::Wait).await;
    assert!(body_of(&stalled).await.unwrap_err().is::<Timeout>(), "through a coding");
    let gone = Backend { origin: "http://127.0.0.1:1".to_owned(), ..silent };
    assert!(!ask(&gone, Method::GET).await.err().unwrap().is::<Timeout>());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = backend("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {}/x\r\nContent-Length: 0\r\n\r\n", elsewhere.origin);
    let redirecting = backend(answer, Then::Close).await;
    assert_eq!(ask(&redirecting, Method::GET).await.unwrap().status(), 302);
    assert_eq!((redirecting.count(), elsewhere.count()), (1, 0));
}

#[tokio::test]
async fn a_backend_sees_its_own_host_and_the_path_octet_by_octet() {
    let backend = backend("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    ask(&backend, Method::GET).await.unwrap();
    let head = backend.heads.lock().unwrap().pop().unwrap().to_lowercase();
    assert!(head.starts_with("get /a/b?c=%64 http/1.1\r\n"), "{head}");
    let host = format!("\r\nhost: {}\r\n", backend.origin.strip_prefix("http://").unwrap());
    assert!(head.contains(&host) && head.contains("\r\naccept-encoding: identity\r\n"), "{head}");
}

#[tokio::test]
async fn a_write_is_sent_once() {
    let backend = backend("", Then::Close).await;
    assert!(ask(&backend, Method::POST).await.is_err());
    assert_eq!(backend.count(), 1);
}

#[test]
fn an_origin_is_an_origin() {
    for bad in ["", "127.0.0.1:80", "ftp://a", "http://u:p@a", "http://a/?q", "http://"] {
        assert!(Upstream::new(bad, None, limits()).is_err(), "{bad}");
    }
}
