//! A whole gate before a backend that is away, slow, breaks off or talks nonsense, and bodies that cannot be judged:
//! nothing of them leaves, and each is on record as failed.

use async_compression::tokio::write::GzipEncoder;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::gate::{CANARY, DONOR, Gate, NEWEST, Place, Setup, coordinator};
use super::stage::{answering, with};
use super::support::Then;

const WRITE: &str = r#"{"id":"d-1","phone":"1"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_away_is_502_and_recorded_as_failed() {
    let gate = Place::new(Setup { upstream: Some("http://127.0.0.1:1"), ..Setup::default() }).await.start();
    gate.read().await.is_problem(502, "backend-unreachable", "a read");
    let write = gate.send("PATCH", "/donors/d-1", &coordinator(), WRITE).await;
    write.is_problem(502, "backend-unreachable", "a write");
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("failed", "backend-unreachable", 502); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_slow_is_504_or_its_answer_is_not_begun() {
    let gate = Place::new(Setup { site: "limits = { first-byte-ms = 300, idle-ms = 300 }", ..Setup::default() });
    let gate = gate.await.start();
    gate.place.stage.will("", Then::Wait);
    gate.read().await.is_problem(504, "backend-timeout", "no head");
    gate.send("PATCH", "/donors/d-1", &coordinator(), WRITE).await.is_problem(504, "backend-timeout", "a write");
    let whole = answering(DONOR);
    gate.place.stage.will(&whole[..whole.len() - 1], Then::Wait);
    gate.read().await.is_problem(502, "backend-body-broken", "all but the last byte");
    let log = gate.end().await.log();
    let told = [
        ("failed", "backend-timeout", 504),
        ("failed", "backend-timeout", 504),
        ("failed", "backend-body-broken", 502),
    ];
    assert_eq!(log.endings(), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_talks_nonsense_or_breaks_off_releases_nothing() {
    let gate = Gate::new().await;
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let size = format!("{:x}", DONOR.len());
    let many: String = (0..101).map(|n| format!("X-{n}: sekret\r\n")).collect();
    let unreachable = [
        ("silence", String::new()),
        ("garbage", format!("{DONOR}\r\n\r\n")),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-Ty".to_owned()),
        ("differing lengths", format!("{ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{DONOR}")),
        (
            "framed twice",
            format!("{ok}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n{DONOR}\r\n0\r\n\r\n"),
        ),
        ("a folded line", format!("{ok}X: sekret\r\n b\r\nContent-Length: 0\r\n\r\n")),
        (
            "another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n".to_owned(),
        ),
        ("too many fields", format!("{ok}{many}Content-Length: 0\r\n\r\n")),
        ("too long a field", format!("{ok}X: {}\r\n\r\n", "a".repeat(70_000))),
    ];
    let half = &DONOR[..DONOR.len() - 1];
    let broken = [
        ("shorter than told", format!("{ok}Content-Length: {}\r\n\r\n{half}", DONOR.len())),
        ("cut between chunks", format!("{ok}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{half}\r\n", half.len())),
        ("cut in a chunk", format!("{ok}Transfer-Encoding: chunked\r\n\r\nffff\r\n{half}")),
        ("no chunk's size", format!("{ok}Transfer-Encoding: chunked\r\n\r\nzz\r\n{DONOR}\r\n0\r\n\r\n")),
    ];
    let unread = [("longer than told", format!("{ok}Content-Length: {}\r\n\r\n{DONOR}", DONOR.len() - 1))];
    let statuses = [
        (206, 502, "partial-content"),
        (302, 502, "backend-error"),
        (401, 502, "backend-error"),
        (404, 404, "not-available"),
        (409, 409, "backend-refused"),
        (500, 502, "backend-error"),
        (503, 503, "backend-busy"),
        (504, 504, "backend-timeout"),
    ]
    .map(|(of, status, kind)| (status, kind, answered(of)));
    let cases = unreachable.map(|(what, answer)| (what, 502, "backend-unreachable", answer)).into_iter();
    let cases = cases.chain(broken.map(|(what, answer)| (what, 502, "backend-body-broken", answer)));
    let cases = cases.chain(unread.map(|(what, answer)| (what, 502, "body-not-judged", answer)));
    let cases: Vec<_> = cases.chain(statuses.map(|(status, kind, answer)| (kind, status, kind, answer))).collect();
    for (what, status, kind, answer) in &cases {
        gate.place.stage.will(answer.as_str(), Then::Close);
        gate.read().await.is_problem(*status, kind, what);
    }
    let log = gate.end().await.log();
    let told: Vec<_> = log.endings().iter().map(|(_, code, status)| (*code, *status)).collect();
    assert_eq!(told, cases.iter().map(|(_, status, kind, _)| (*kind, u64::from(*status))).collect::<Vec<_>>());
    let outcome = |status: u64| if status < 500 { "completed" } else { "failed" };
    assert!(log.endings().iter().all(|(how, _, status)| *how == outcome(*status)), "{:?}", log.endings());
}

fn answered(status: u16) -> String {
    let fields = "Location: /sekret\r\nSet-Cookie: sekret\r\nX-A: sekret\r\nContent-Type: application/json";
    format!("HTTP/1.1 {status} Sekret\r\n{fields}\r\nContent-Length: {}\r\n\r\n{DONOR}", DONOR.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_does_not_come_is_told_by_a_status_and_nothing_leaves() {
    let gate = Gate::new().await;
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let size = format!("{:x}", DONOR.len());
    for answer in [
        format!("{ok}Content-Length: {}\r\n\r\n{DONOR}", DONOR.len() + 1),
        format!("{ok}Transfer-Encoding: chunked\r\n\r\n{size}\r\n{DONOR}\r\n"),
    ] {
        gate.place.stage.will(answer, Then::Close);
        let got = gate.read().await;
        got.is_problem(502, "backend-body-broken", "less than a frame was judged");
        assert!(!got.bytes.contains("sekret-number") && !got.bytes.contains("sekret-field"), "{}", got.bytes);
    }
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("failed", "backend-body-broken", 502); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_recorded_before_it_is_forwarded_and_sent_once() {
    let gate = Gate::new().await;
    for answer in ["", "garbage\r\n\r\n"] {
        gate.place.stage.will(answer, Then::Close);
        let got = gate.send("PATCH", "/donors/d-1", &coordinator(), WRITE).await;
        got.is_problem(502, "backend-unreachable", "the write may stand");
    }
    assert_eq!(gate.place.stage.asked(), 2);
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("failed", "backend-unreachable", 502); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_what_it_says_leaves_nothing() {
    let gate = Gate::new().await;
    let deep = format!("{}{CANARY}{}", "[".repeat(5000), "]".repeat(5000));
    let donor = |phone: &str| format!(r#"{{"id":"d-1","phone":{phone}}}"#).into_bytes();
    let mut latin = br#"{"id":"d-1","phone":"sekret"#.to_vec();
    latin.extend(b"\xff\"}");
    let json = "application/json";
    let cases: Vec<(&str, &str, &str, &str, Vec<u8>)> = vec![
        ("too deep", "body-not-judged", json, "", donor(&deep)),
        ("a member twice", "body-not-judged", json, "", donor(r#""sekret","phone":"sekret""#)),
        ("a member twice, escaped", "body-not-judged", json, "", donor(r#""sekret","ph\u006fne":"sekret""#)),
        ("half a pair", "body-not-judged", json, "", donor(r#""\ud800 sekret""#)),
        ("no number", "body-not-judged", json, "", donor("NaN,\"email\":\"sekret\"")),
        ("unended", "body-not-judged", json, "", donor("\"sekret\"")[..25].to_vec()),
        ("two values", "body-not-judged", json, "", [donor("\"1\""), donor("\"sekret\"")].concat()),
        ("no JSON", "body-not-judged", json, "", b"sekret".to_vec()),
        ("no UTF-8", "body-not-judged", json, "", latin),
        ("a page", "content-type", "text/html", "", DONOR.into()),
        ("parts", "content-type", "multipart/related", "", DONOR.into()),
        ("another charset", "content-type", "application/json; charset=shift_jis", "", DONOR.into()),
        ("an unknown coding", "content-coding", json, "Content-Encoding: compress\r\n", DONOR.into()),
        ("a coding twice", "content-coding", json, "Content-Encoding: gzip, gzip\r\n", DONOR.into()),
        ("not coded as told", "backend-body-broken", json, "Content-Encoding: gzip\r\n", DONOR.into()),
        ("not coded as told", "backend-body-broken", json, "Content-Encoding: zstd\r\n", DONOR.into()),
    ];
    for (what, kind, media, fields, body) in &cases {
        gate.place.stage.will(with(media, fields, body), Then::Close);
        gate.read().await.is_problem(502, kind, what);
    }
    let log = gate.end().await.log();
    assert_eq!(log.endings(), cases.iter().map(|(_, kind, ..)| ("failed", *kind, 502)).collect::<Vec<_>>());
}

async fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(body).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_or_more_than_is_held_leaves_nothing_unjudged() {
    let site = "entry-bytes-max = 65536\nlimits = { decoded-bytes-max = 4194304 }";
    let place = Place::new(Setup { site, routes: NEWEST, ..Setup::default() }).await;
    let gate = place.start();
    let long = |bytes: usize| format!(r#"{{"phone":"{}","email":"sekret","id":"d-1"}}"#, "1".repeat(bytes));
    // Whom it is about comes last: so much is not held.
    gate.place.stage.body(&long(100_000));
    let got = gate.get("/newest-donor", &coordinator()).await;
    assert!(got.status >= 400 && !got.bytes.contains("1111"), "{}", &got.bytes[..600]);
    got.is_problem(502, "record-too-large", "larger than is held");
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("failed", "record-too-large", 502)]);

    // What is smaller than is held may still be a bomb.
    let site = "entry-bytes-max = 8388608\nlimits = { decoded-bytes-max = 4194304 }";
    let place = Place::new(Setup { site, routes: NEWEST, ..Setup::default() }).await;
    let gate = place.start();
    for (what, bytes) in [("past the ratio", 3 << 20), ("past the size", 8 << 20)] {
        // Random digits would not be decoded two hundred times over: these are.
        let coded = gzip(long(bytes).as_bytes()).await;
        gate.place.stage.will(with("application/json", "Content-Encoding: gzip\r\n", &coded), Then::Close);
        let got = gate.get("/newest-donor", &coordinator()).await;
        got.is_problem(502, "backend-body-broken", what);
        // In a list the first entry was released by then: the connection is cut, before or after it has left.
        let list = format!(r#"{{"items":[{{"id":"d-1","phone":"1"}},{}]}}"#, long(bytes));
        let coded = gzip(list.as_bytes()).await;
        gate.place.stage.will(with("application/json", "Content-Encoding: gzip\r\n", &coded), Then::Close);
        let got = gate.get("/donors", &coordinator()).await;
        assert!(!got.bytes.contains(CANARY) && !got.bytes.contains("1111"), "{what}");
        assert!(got.status == 502 || !got.whole || got.bytes.is_empty(), "{what}: {}", got.bytes);
    }
    let log = gate.end().await.log();
    assert!(log.endings().iter().all(|(outcome, code, _)| (*outcome, *code) == ("failed", "backend-body-broken")));
    assert_eq!(log.of("begin").len(), 4);
    assert_eq!(log.of("begin")[0]["purpose"], json!("coordination"));
}
