//! Fields over sockets, both ways: an allow-list inward and another outward; nothing of what stands around a body passes.

use super::gate::{CANARY, DONOR, Gate, coordinator};
use super::http::Got;
use super::stage::with;
use super::support::Then;

/// The names of a head's fields, in order.
fn names(head: &str) -> Vec<String> {
    let lines = head.split("\r\n\r\n").next().unwrap_or_default().split("\r\n").skip(1);
    let mut names: Vec<String> = lines.filter_map(|line| line.split_once(':')).map(|(n, _)| n.to_lowercase()).collect();
    names.sort();
    names
}

/// What every answer with a body carries, and no other field.
fn left() -> Vec<String> {
    let all = "accept-ranges cache-control connection content-security-policy content-type date purpose-of-use-decision \
        transfer-encoding vary vary x-content-type-options";
    all.split_whitespace().map(str::to_owned).collect()
}

/// What a backend may say around a body, none of which is for the caller.
const SAID: &str = "ETag: \"sekret\"\r\nLast-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\n\
    Cache-Control: public, s-maxage=600, no-transform\r\nExpires: Sun, 22 Nov 2037 00:00:00 GMT\r\nPragma: sekret\r\nAge: 7\r\nVary: *\r\n\
    Content-Digest: sha-256=:sekret:\r\nRepr-Digest: sha-256=:sekret:\r\nWant-Content-Digest: sha-256=1\r\nDigest: sha-256=sekret\r\n\
    Content-MD5: sekret\r\nSignature: s=:sekret:\r\nSignature-Input: s=(\"content-digest\")\r\nAccept-Ranges: bytes\r\n\
    Content-Range: bytes 0-9/10\r\nContent-Location: /sekret\r\nLocation: /sekret\r\nLink: </sekret>; rel=next\r\n\
    Set-Cookie: sekret=1\r\nServer: sekret\r\nServer-Timing: sekret\r\nWarning: 199 - \"sekret\"\r\nContent-Disposition: attachment; filename=sekret\r\n\
    Content-Language: ja\r\nAlt-Svc: h3=\":443\"\r\nRefresh: 0; url=/sekret\r\nX-Patient: sekret\r\nAccess-Control-Allow-Origin: *\r\n\
    Purpose-Of-Use-Decision: permit;id=\"sekret\"\r\nTrailer: Content-Digest\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: sekret\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_the_backend_passes_and_nothing_may_be_kept() {
    let gate = Gate::new().await;
    gate.place.stage.will(with("application/json", SAID, DONOR.as_bytes()), Then::Close);
    let mut left = left();
    left.push("etag".to_owned()); // the view's own
    left.sort();
    for fields in ["", "If-None-Match: \"sekret\"\r\n", "Range: bytes=0-3\r\nIf-Range: \"sekret\"\r\n"] {
        let got = gate.get("/donors/d-1", &format!("{}{fields}", coordinator())).await;
        assert_eq!((got.status, got.whole, names(&got.head)), (200, true, left.clone()), "{fields}: {}", got.head);
        assert_eq!(got.field("cache-control"), Some("no-store, private"));
        assert_eq!(got.field("vary"), Some("authorization, purpose-of-use, accept-encoding"));
        assert_eq!(got.field("accept-ranges"), Some("none"));
        assert_eq!(got.field("x-content-type-options"), Some("nosniff"));
        assert!(!got.head.contains(CANARY), "{}", got.head);
        let seen = gate.place.stage.last().to_lowercase();
        assert!(!seen.contains("if-") && !seen.contains("range:"), "{seen}");
    }
    // A head has no length: it would tell how much is behind it.
    let head = gate.send("HEAD", "/donors/d-1", &coordinator(), "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.field("content-length").is_none() && !head.head.contains(CANARY), "{}", head.head);
    assert!(gate.place.stage.last().starts_with("GET "), "judged and asked as a read");
    let log = gate.end().await.log();
    assert_eq!(log.endings().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_and_answers_before_the_answer_carry_nothing_out() {
    let gate = Gate::new().await;
    let size = format!("{:x}", DONOR.len());
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Patient, Content-Digest\r\n\r\n\
         {size};ext=sekret\r\n{DONOR}\r\n0\r\nX-Patient: sekret\r\nContent-Digest: sha-256=:sekret:\r\n\r\n"
    );
    for early in [
        "",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\nX-Patient: sekret\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </sekret>; rel=preload\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </sekret>; rel=preload\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </sekret>\r\n\r\n",
    ] {
        gate.place.stage.will(format!("{early}{chunked}"), Then::Close);
        let got = gate.read().await;
        assert_eq!((got.status, got.whole, names(&got.head)), (200, true, left()), "{early}: {}", got.bytes);
        assert_eq!(got.bytes.matches("HTTP/1.1").count(), 1, "{early}: {}", got.bytes);
        assert_eq!(got.json()["phone"], "sekret-phone");
        assert!(!got.bytes.to_lowercase().contains("x-patient") && !got.bytes.contains("digest"), "{}", got.bytes);
        assert!(got.bytes.ends_with("\r\n0\r\n\r\n"), "no trailer: {}", got.bytes);
    }
    for (status, kind) in
        [(206, "partial-content"), (304, "backend-error"), (300, "backend-error"), (416, "backend-error")]
    {
        let answer = format!(
            "HTTP/1.1 {status} Sekret\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Range: bytes 0-9/10\r\nContent-Length: {}\r\n\r\n{DONOR}",
            DONOR.len()
        );
        gate.place.stage.will(answer, Then::Close);
        gate.read().await.is_problem(502, kind, kind);
    }
    drop(gate.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_callers_fields_the_backend_sees_what_was_judged_and_no_other() {
    let gate = Gate::new().await;
    let fields = "Accept-Language: ja\r\nAccept-Charset: utf-16\r\nCookie: a=b\r\nForwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\n\
        X-Forwarded-Host: a\r\nX-User: dr\r\nX_User: dr\r\nClient-Cert: :AA:\r\nX-HTTP-Method-Override: DELETE\r\nX-Method-Override: PUT\r\n\
        X-Original-URL: /donors/d-2\r\nX-Rewrite-URL: /donors/d-2\r\nContent-Digest: sha-256=:AA:\r\nRepr-Digest: sha-256=:AA:\r\n\
        Want-Repr-Digest: sha-256=1\r\nSignature: a=:AA:\r\nSignature-Input: a=()\r\nDate: Sun, 22 Nov 2026 00:00:00 GMT\r\nRange: bytes=0-1\r\n\
        TE: trailers\r\nTrailer: X-A\r\nUser-Agent: u\r\nReferer: /x\r\nPrefer: return=representation\r\nPriority: u=0\r\nMax-Forwards: 0\r\n\
        Purpose-Of-Use-Decision: permit\r\nCache-Control: no-transform\r\nPragma: x\r\n";
    for (method, body, seen) in [
        ("GET", "", vec!["accept", "accept-encoding", "accept-language", "host", "via"]),
        (
            "PATCH",
            r#"{"id":"d-1","phone":"1"}"#,
            vec!["accept", "accept-encoding", "accept-language", "content-length", "content-type", "host", "via"],
        ),
    ] {
        let got = gate.send(method, "/donors/d-1", &format!("{}{fields}", coordinator()), body).await;
        assert_eq!(got.status, 200, "{method}: {}", got.bytes);
        let last = gate.place.stage.last();
        assert_eq!(names(&last), seen, "{last}");
        assert!(last.starts_with(&format!("{method} /donors/d-1 HTTP/1.1\r\n")), "{last}");
    }
    drop(gate.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailer_of_a_request_declares_nothing_and_changes_no_write() {
    let gate = Gate::new().await;
    gate.place.stage.body(r#"{"id":"d-1","phone":"1"}"#);
    let body = r#"{"id":"d-1","phone":"1"}"#;
    let chunked = |fields: &str, trailers: &str| {
        let head =
            format!("PATCH /donors/d-1 HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Type: application/json\r\n");
        let framed = "Transfer-Encoding: chunked\r\nTrailer: Purpose-Of-Use\r\nConnection: close\r\n\r\n";
        format!("{head}{framed}{:x}\r\n{body}\r\n0\r\n{trailers}\r\n", body.len())
    };
    let (token, _) = coordinator().split_once("Purpose-Of-Use").map(|(t, p)| (t.to_owned(), p.to_owned())).unwrap();
    let got = Got::of_raw(gate.address, &chunked(&token, "Purpose-Of-Use: coordination\r\n")).await;
    got.is_problem(400, "purpose-missing", "a purpose after the body");
    assert_eq!(gate.place.stage.asked(), 0);
    let trailers = "Content-Type: text/xml\r\nContent-Length: 1\r\nX-Patient: d-2\r\nContent-Encoding: gzip\r\n";
    let got = Got::of_raw(gate.address, &chunked(&coordinator(), trailers)).await;
    assert_eq!(got.status, 200, "{}", got.bytes);
    let seen = gate.place.stage.last();
    assert!(seen.ends_with(body) && !seen.contains("X-Patient") && !seen.contains("gzip"), "{seen}");
    drop(gate.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_protocol_is_switched_to_and_no_tunnel_opened() {
    let gate = Gate::new().await;
    for (what, head, status) in [
        ("a websocket", "GET /donors/d-1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", 501),
        ("TLS", "GET /donors/d-1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: TLS/1.3\r\n", 501),
        ("two protocols", "GET /donors/d-1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n", 501),
        ("a tunnel", "CONNECT localhost:443 HTTP/1.1\r\n", 405),
        ("an echo", "TRACE /donors/d-1 HTTP/1.1\r\nMax-Forwards: 0\r\n", 405),
        ("what may be done", "OPTIONS /donors/d-1 HTTP/1.1\r\n", 405),
        ("another expectation", "GET /donors/d-1 HTTP/1.1\r\nExpect: 200-ok\r\n", 417),
        ("a field taken away", "GET /donors/d-1 HTTP/1.1\r\nConnection: purpose-of-use\r\n", 400),
    ] {
        let (line, rest) = head.split_once("\r\n").unwrap();
        let host = if line.starts_with("CONNECT") { "localhost:443" } else { "localhost" };
        let close = if rest.contains("Connection:") { "" } else { "Connection: close\r\n" };
        let request = format!("{line}\r\nHost: {host}\r\n{rest}{close}{}\r\n", coordinator());
        let mut stream = tokio::net::TcpStream::connect(gate.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let head = super::support::until(&mut stream, "\r\n\r\n").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {head}");
        assert!(!head.to_lowercase().contains("upgrade"), "{what}: {head}");
    }
    // An offer of HTTP/2 is passed over.
    let got = gate.get("/donors/d-1", &format!("{}Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", coordinator())).await;
    assert_eq!(got.status, 200, "{}", got.bytes);
    assert_eq!(gate.place.stage.asked(), 1);
    drop(gate.end().await);
}
