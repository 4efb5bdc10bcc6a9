//! Which site is asked, and what never reaches one.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sekisho::proxy::CallerBody;
use sekisho::proxy::limits::Limits;
use sekisho::proxy::route::{Router, Site};
use tower::service_fn;

use super::support::{Running, listen, raw};

fn site(name: &'static str, host: &str, prefix: &str) -> Site<CallerBody> {
    let service = service_fn(move |request: Request<CallerBody>| async move {
        let told = format!("{name} {} {}", request.method(), request.uri());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(told)))
    });
    Site::new(host, prefix, &["https://app.example".to_owned()], service)
}

fn gate() -> Running {
    let sites = vec![
        site("any", "*", ""),
        site("any-fhir", "*", "/fhir"),
        site("named", "api.example", ""),
        site("named-v2", "api.example", "/v2"),
    ];
    listen(Limits::default(), Router::new(sites, |_, _| {}))
}

async fn asked(gate: &Running, head: &str) -> String {
    raw(gate.address, &format!("{head}\r\nConnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn the_site_is_the_hosts_longest_path_and_its_prefix_is_cut_off() {
    let gate = gate();
    let cases = [
        ("GET /a?b=c HTTP/1.1\r\nHost: x", "any GET /a?b=c"),
        ("GET /fhir HTTP/1.1\r\nHost: x", "any-fhir GET /"),
        ("GET /fhir?a HTTP/1.1\r\nHost: x", "any-fhir GET /?a"),
        ("GET /fhir/Patient/1%2f HTTP/1.1\r\nHost: x:8443", "any-fhir GET /Patient/1%2f"),
        ("GET /fhirx HTTP/1.1\r\nHost: x", "any GET /fhirx"),
        ("GET /v2/a HTTP/1.1\r\nHost: API.example.:443", "named-v2 GET /a"),
        ("GET /fhir HTTP/1.1\r\nHost: api.example", "named GET /fhir"),
        ("GET http://api.example/v2/a HTTP/1.1\r\nHost: api.example", "named-v2 GET /a"),
    ];
    for (head, told) in cases {
        let answer = asked(&gate, head).await;
        assert!(answer.ends_with(told), "{head}: {answer}");
    }
}

#[tokio::test]
async fn a_named_site_alone_answers_no_other_host() {
    let gate = listen(Limits::default(), Router::new(vec![site("named", "api.example", "/v2")], |_, _| {}));
    for head in ["GET /v2 HTTP/1.1\r\nHost: other.example", "GET / HTTP/1.1\r\nHost: api.example"] {
        assert!(asked(&gate, head).await.starts_with("HTTP/1.1 404"), "{head}");
    }
}

#[tokio::test]
async fn what_is_no_request_for_a_site_is_refused() {
    let gate = gate();
    let cases = [
        (400, "GET / HTTP/1.1\r\nX: no host"),
        (400, "GET / HTTP/1.0\r\nX: no host"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a"),
        (400, "GET / HTTP/1.1\r\nHost: a b"),
        (400, "GET / HTTP/1.1\r\nHost: u@a"),
        (400, "GET http://a/ HTTP/1.1\r\nHost: b"),
        (405, "TRACE / HTTP/1.1\r\nHost: a"),
        (405, "CONNECT a:443 HTTP/1.1\r\nHost: a:443"),
        (405, "OPTIONS / HTTP/1.1\r\nHost: a"),
        (405, "OPTIONS * HTTP/1.1\r\nHost: a"),
        (405, "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET"),
        (417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: something"),
        (501, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket"),
        (406, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity;q=0"),
    ];
    for (status, head) in cases {
        let answer = asked(&gate, head).await;
        let expected =
            format!("HTTP/1.1 {status}").replace("1.1", if head.contains("HTTP/1.0") { "1.0" } else { "1.1" });
        assert!(answer.starts_with(&expected), "{head}: {answer}");
        assert!(!answer.contains("any "), "{head} reached the site");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_from_the_sites_list() {
    let gate = gate();
    let head = "OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET";
    let answer = asked(&gate, head).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://app.example\r\n"), "{answer}");
    let answer = asked(&gate, "GET /a HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example").await;
    assert!(answer.contains("access-control-allow-origin: https://app.example\r\n"), "{answer}");
    let answer = asked(&gate, "GET /a HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example").await;
    assert!(!answer.contains("access-control"), "{answer}");
}

#[tokio::test]
async fn what_no_site_was_asked_is_counted_all_the_same() {
    let (told, heard) = std::sync::mpsc::channel();
    let counted = move |address: std::net::IpAddr, what| told.send((address.is_loopback(), what)).unwrap();
    let gate = listen(Limits::default(), Router::new(vec![site("named", "api.example", "/v2")], counted));
    for (head, what) in [
        ("GET /v2 HTTP/1.1\r\nHost: other.example", "no-such-site"),
        ("GET /v2 HTTP/1.1\r\nHost: a\r\nHost: api.example", "bad-host"),
        ("TRACE /v2 HTTP/1.1\r\nHost: api.example", "no-such-method"),
        ("OPTIONS /v2 HTTP/1.1\r\nHost: api.example", "no-such-method"),
        ("GET /v2 HTTP/1.1\r\nHost: api.example\r\nUpgrade: websocket", "upgrade"),
        ("GET /v2 HTTP/1.1\r\nHost: api.example\r\nExpect: more", "expectation"),
        ("GET /v2 HTTP/1.1\r\nHost: api.example\r\nAccept-Encoding: identity;q=0, *;q=0", "not-acceptable"),
    ] {
        assert!(asked(&gate, head).await.starts_with("HTTP/1.1 4") || what == "upgrade", "{head}");
        assert_eq!(heard.try_recv().unwrap(), (true, what), "{head}");
    }
    asked(&gate, "GET /v2 HTTP/1.1\r\nHost: api.example").await;
    assert!(heard.try_recv().is_err(), "an answer of a site is its own to record");
}
