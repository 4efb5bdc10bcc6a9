//! Codings and types of bodies over sockets, both ways: what cannot be read in one way alone is not read, and nothing of it passes.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::gate::{CANARY, DONOR, Gate, Place, Setup, coordinator, fields};
use super::http::Got;
use super::stage::with;
use super::support::{Then, soon, until};
use crate::gate::coded::{decoded, encoded};

const JSON: &str = "application/json";

/// A donor whose answer shows that it was redacted: what is asked for is there, and nobody's canary but it.
fn is_redacted(got: &Got, what: &str) {
    assert_eq!((got.status, got.whole), (200, true), "{what}: {}", got.bytes);
    assert_eq!(got.json()["phone"], "sekret-phone", "{what}");
    assert!(!got.bytes.contains("sekret-number") && !got.bytes.contains("sekret-field"), "{what}: {}", got.bytes);
    assert_eq!(got.field("content-type"), Some(JSON), "{what}");
}

/// Refused, or cut before its end: what was found out before is redacted, and what is left of it passes for nothing whole.
fn is_not_whole(got: &Got, what: &str) {
    assert!(matches!(got.status, 404 | 502) || !got.whole || got.bytes.is_empty(), "{what}: {}", got.bytes);
    assert!(!got.bytes.contains("sekret-number") && !got.bytes.contains("sekret-field"), "{what}: {}", got.bytes);
}

async fn behind(gate: &Gate, answer: Vec<u8>) -> Got {
    gate.place.stage.will(answer, Then::Close);
    gate.read().await
}

/// A skippable frame of zstd (RFC 8878 section 3.1.2).
const SKIPPABLE: &[u8] = b"\x50\x2a\x4d\x18\x06\x00\x00\x00sekret";

#[tokio::test(flavor = "multi_thread")]
async fn a_coded_answer_is_read_whole_and_leaves_as_its_caller_takes_it() {
    let gate = Gate::new().await;
    for (named, coding) in [("", ""), ("identity", ""), ("gzip", "gzip"), ("GZIP", "gzip"), ("x-gzip", "gzip")]
        .into_iter()
        .chain(["deflate", "br", "zstd"].map(|name| (name, name)))
    {
        let field = if named.is_empty() { String::new() } else { format!("Content-Encoding: {named}\r\n") };
        let got = behind(&gate, with(JSON, &field, &encoded(coding, DONOR.as_bytes()).await)).await;
        is_redacted(&got, named);
        assert_eq!(got.field("content-encoding"), None, "{named}: nobody asked for a coding");
        assert!(gate.place.stage.last().to_lowercase().contains("\r\naccept-encoding: identity\r\n"));
    }
    let (head, tail) = DONOR.split_at(DONOR.len() / 2);
    for (coding, between) in [("gzip", &b""[..]), ("zstd", b""), ("zstd", SKIPPABLE)] {
        let members =
            [encoded(coding, head.as_bytes()).await, between.to_vec(), encoded(coding, tail.as_bytes()).await];
        let field = format!("Content-Encoding: {coding}\r\n");
        is_redacted(&behind(&gate, with(JSON, &field, &members.concat())).await, "further members");
    }
    let log = gate.end().await.log();
    assert!(log.endings().iter().all(|ending| *ending == ("completed", "", 200)), "{:?}", log.endings());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coding_that_is_not_what_it_says_leaves_nothing_whole() {
    let gate = Gate::new().await;
    let mut cases = Vec::new();
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let whole = encoded(coding, DONOR.as_bytes()).await;
        cases.push((coding, "cut short", whole[..whole.len() - 1].to_vec()));
        cases.push((coding, "followed by something", [&whole[..], CANARY.as_bytes()].concat()));
        cases.push((coding, "nothing", Vec::new()));
        cases.push((coding, "not coded", DONOR.into()));
    }
    let zlib = encoded("deflate", DONOR.as_bytes()).await;
    cases.push(("deflate", "raw, without its frame", zlib[2..zlib.len() - 4].to_vec()));
    cases.push(("zstd", "nothing but what is skipped", SKIPPABLE.to_vec()));
    // A frame that tells of a window of 16 MiB: no content size, no single segment.
    let wide = [&b"\x28\xb5\x2f\xfd\x00\x70"[..], b"\x01\x00\x00"].concat();
    cases.push(("zstd", "a window over 8 MiB", wide));
    // A frame that names a dictionary.
    cases.push(("zstd", "a dictionary", b"\x28\xb5\x2f\xfd\x01\x38\x07\x01\x00\x00".to_vec()));
    for (coding, what, body) in &cases {
        // No length is told, so that an empty body is not seen from the head.
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n";
        let mut answer = format!("{head}Content-Encoding: {coding}\r\n\r\n").into_bytes();
        answer.extend(body);
        is_not_whole(&behind(&gate, answer).await, &format!("{coding}: {what}"));
    }
    let log = gate.end().await.log();
    let failed = |(outcome, code, _): &(&str, &str, u64)| {
        *outcome == "failed" && matches!(*code, "backend-body-broken" | "body-not-judged")
    };
    assert!(log.endings().iter().all(failed), "{:?}", log.endings());
    assert_eq!(log.endings().len(), cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn codings_over_codings_and_unknown_ones_are_not_read() {
    let gate = Gate::new().await;
    let twice = encoded("br", &encoded("gzip", DONOR.as_bytes()).await).await;
    let lines = [
        "Content-Encoding: gzip, br",
        "Content-Encoding: gzip\r\nContent-Encoding: br",
        "Content-Encoding: identity, gzip",
        "Content-Encoding: gzip, identity",
        "Content-Encoding: gzip;q=1",
        "Content-Encoding:",
        "Content-Encoding: compress",
        "Content-Encoding: dcb",
        "Content-Encoding: dcz",
        "Content-Encoding: aws-chunked",
        "Content-Encoding: exi",
    ];
    for line in lines {
        for body in [&twice[..], DONOR.as_bytes()] {
            let got = behind(&gate, with(JSON, &format!("{line}\r\n"), body)).await;
            got.is_problem(502, "content-coding", line);
        }
    }
    let log = gate.end().await.log();
    assert_eq!(log.endings(), vec![("failed", "content-coding", 502); 2 * lines.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_in_any_coding_is_stopped_by_its_ratio() {
    let gate = Gate::new().await;
    let body = format!(r#"{{"id":"d-1","new_field":"{}","phone":"sekret"}}"#, "1".repeat(8 << 20));
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let field = format!("Content-Encoding: {coding}\r\n");
        let got = behind(&gate, with(JSON, &field, &encoded(coding, body.as_bytes()).await)).await;
        is_not_whole(&got, coding);
        // So many ones stand by chance in no decision's id.
        assert!(!got.bytes.contains(&"1".repeat(16)) && !got.bytes.contains(CANARY), "{coding}: {}", got.head);
    }
    let log = gate.end().await.log();
    assert!(log.endings().iter().all(|(how, code, _)| (*how, *code) == ("failed", "backend-body-broken")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_leaves_in_a_coding_that_its_caller_takes_or_not_at_all() {
    let gate = Gate::new().await;
    let long = format!(r#"{{"id":"d-1","phone":"{}","new_field":"sekret-field"}}"#, "09".repeat(2000));
    gate.place.stage.body(&long);
    for (accepted, coding) in [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("compress, dcb", ""),
        ("gzip;q=0", ""),
        ("identity;q=0, gzip", "gzip"),
        ("*;q=0, br;q=0.1", "br"),
    ] {
        let head = format!("GET /donors/d-1 HTTP/1.1\r\nHost: localhost\r\n{}", coordinator());
        let request = format!("{head}Accept-Encoding: {accepted}\r\nConnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(gate.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        soon(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut all)).await.unwrap();
        let got = Got::of(&all);
        assert_eq!((got.status, got.whole), (200, true), "{accepted}");
        assert_eq!(got.field("content-encoding").unwrap_or(""), coding, "{accepted}");
        assert!(got.field("vary").is_some_and(|vary| vary.contains("accept-encoding")), "{}", got.head);
        let plain = decoded(coding, &got.raw).await;
        let plain = String::from_utf8(plain).unwrap();
        assert!(plain.contains("0909") && !plain.contains("sekret"), "{accepted}: {plain}");
    }
    // Where the plain form is excluded, a short answer and a refusal are coded too.
    for (accepted, coding) in [("identity;q=0, gzip", Some("gzip")), ("*;q=0, deflate", Some("deflate"))] {
        gate.place.stage.body(DONOR);
        let fields = format!("{}Accept-Encoding: {accepted}\r\n", coordinator());
        for target in ["/donors/d-1", "/no-such-route"] {
            let got = gate.get(target, &fields).await;
            assert_eq!(got.field("content-encoding"), coding, "{accepted} {target}: {}", got.head);
            let plain = decoded(coding.unwrap_or(""), &got.raw).await;
            assert!(plain.starts_with(b"{") && plain.ends_with(b"}"), "{accepted} {target}");
            assert!(!String::from_utf8_lossy(&plain).contains("sekret-number"), "{accepted} {target}");
        }
    }
    let asked = gate.place.stage.asked();
    for accepted in ["*;q=0", "identity;q=0", "identity;q=0, *;q=0", "identity;q=0, compress"] {
        let got = gate.get("/donors/d-1", &format!("{}Accept-Encoding: {accepted}\r\n", coordinator())).await;
        assert_eq!(got.status, 406, "{accepted}: {}", got.bytes);
    }
    assert_eq!(gate.place.stage.asked(), asked, "the backend was asked");
    let place = gate.end().await;
    assert_eq!(place.log().strangers()["not-acceptable"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_any_other_type_than_json_in_utf_8_is_not_read() {
    let gate = Gate::new().await;
    for media in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/json;",
        "application/fhir+json; fhirVersion=4.0",
    ] {
        is_redacted(&behind(&gate, with(media, "", DONOR.as_bytes())).await, media);
    }
    let refused = [
        "",
        "text/plain",
        "text/json",
        "application/xml",
        "text/xml",
        "application/fhir+xml",
        "text/html; charset=utf-8",
        "text/csv",
        "text/event-stream",
        "application/pdf",
        "application/octet-stream",
        "application/x-ndjson",
        "application/javascript",
        "application/cbor",
        "application/vnd.api+json",
        "application/merge-patch+json",
        "multipart/byteranges; boundary=x",
        "multipart/mixed; boundary=x",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=utf-16le",
        "application/json; charset=utf-7",
        "application/json; charset=iso-8859-1",
        "application/json; charset=utf8",
        "application/json; charset=",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; charset*=utf-8''utf-16",
        "application/json; charset='utf-8'",
        "application/fhir+json; fhirVersion=3.0",
        "application/json, text/html",
        "application/json; charset=utf-8, text/html",
        "json",
    ];
    for media in refused {
        behind(&gate, with(media, "", DONOR.as_bytes())).await.is_problem(502, "content-type", media);
    }
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    for (what, lines) in [
        ("no type", ""),
        ("a type twice", "Content-Type: application/json\r\nContent-Type: application/json\r\n"),
        ("two types", "Content-Type: application/json\r\nContent-Type: text/html\r\n"),
    ] {
        let answer = format!("{head}{lines}Content-Length: {}\r\n\r\n{DONOR}", DONOR.len());
        behind(&gate, answer.into_bytes()).await.is_problem(502, "content-type", what);
    }
    let log = gate.end().await.log();
    assert_eq!(log.endings()[6..], vec![("failed", "content-type", 502); refused.len() + 3]);
}

/// Texts that are none, or not in UTF-8: as an answer and as a write.
fn unreadable() -> Vec<(&'static str, Vec<u8>)> {
    let utf_16 = |big: bool, mark: bool| -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(DONOR.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let donor = |phone: &str| format!(r#"{{"id":"d-1","phone":{phone}}}"#).into_bytes();
    let bytes = |bad: &[u8]| [&br#"{"id":"d-1","phone":"sekret"#[..], bad, b"\"}"].concat();
    let mut many = String::from(r#"{"id":"d-1""#);
    (0..20_000).for_each(|n| many.push_str(&format!(r#","{n}":"sekret""#)));
    vec![
        ("a mark before the text", [b"\xef\xbb\xbf", DONOR.as_bytes()].concat()),
        ("UTF-16, little end first", utf_16(false, false)),
        ("UTF-16, little end first, marked", utf_16(false, true)),
        ("UTF-16, big end first", utf_16(true, false)),
        ("UTF-16, big end first, marked", utf_16(true, true)),
        ("UTF-32", DONOR.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
        ("a letter too long", bytes(b"\xc0\xaf")),
        ("half a pair in bytes", bytes(b"\xed\xa0\x80")),
        ("past Unicode", bytes(b"\xf4\x90\x80\x80")),
        ("half a pair", donor(r#""sekret\ud800""#)),
        ("a pair the wrong way round", donor(r#""sekret\udc00\ud800""#)),
        ("a member twice", donor(r#""sekret","phone":"sekret""#)),
        ("a member twice, escaped", donor(r#""sekret","\u0070hone":"sekret""#)),
        ("no number", donor("NaN,\"email\":\"sekret\"")),
        ("a comment", donor("/*sekret*/1")),
        ("a comma too many", donor("\"sekret\",")),
        ("two texts", [donor("\"sekret\""), donor("\"sekret\"")].concat()),
        ("something after it", [donor("\"sekret\""), b" sekret".to_vec()].concat()),
        ("a function's argument", [b"sekret(".to_vec(), donor("1"), b")".to_vec()].concat()),
        ("a raw control", donor("\"sekret\u{1}\"")),
        ("too deep", donor(&format!("{}\"sekret\"{}", "[".repeat(5000), "]".repeat(5000)))),
        ("too many members", format!("{many}}}").into_bytes()),
        ("a number too long", donor(&"1".repeat(5000))),
        ("XML", b"<Patient>sekret</Patient>".to_vec()),
        ("parts", b"--x\r\nContent-Type: application/json\r\n\r\n{\"phone\":\"sekret\"}\r\n--x--".to_vec()),
        ("events", b"data: {\"phone\":\"sekret\"}\n\n".to_vec()),
        ("a list where there is one record", format!("[{DONOR}]").into_bytes()),
        ("a text", b"\"sekret\"".to_vec()),
        ("null", b"null".to_vec()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_could_be_read_in_two_ways_is_read_in_none() {
    let gate = Gate::new().await;
    let cases = unreadable();
    for (what, body) in &cases {
        let got = behind(&gate, with(JSON, "", body)).await;
        is_not_whole(&got, what);
        assert!(!got.bytes.contains("sekret\""), "{what}: {}", got.bytes);
    }
    let log = gate.end().await.log();
    for ((what, _), ending) in cases.iter().zip(log.endings()) {
        // Of another kind than a record, it names nobody.
        let nobodys = matches!(*what, "a list where there is one record" | "a text" | "null");
        let told = ("failed", "body-not-judged") == (ending.0, ending.1)
            || (nobodys && ending == ("completed", "not-available", 404));
        assert!(told, "{what}: {ending:?}");
    }
    assert_eq!(log.endings().len(), cases.len());
}

/// Sends a write's body as it is.
async fn write(gate: &Gate, lines: &str, body: &[u8]) -> Got {
    let head = format!("PATCH /donors/d-1 HTTP/1.1\r\nHost: localhost\r\n{}{lines}", coordinator());
    let mut request = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes();
    request.extend(body);
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    let _ = stream.write_all(&request).await;
    Got::read(&mut stream).await
}

const WRITE: &[u8] = br#"{"id":"d-1","phone":"1"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_could_be_read_in_two_ways_reaches_no_backend() {
    let gate = Gate::new().await;
    let mut cases = unreadable();
    cases.retain(|(what, _)| !matches!(*what, "too many members" | "a number too long")); // named for what is in them
    cases.push(("nothing", Vec::new()));
    for (what, body) in &cases {
        let got = write(&gate, "Content-Type: application/json\r\n", body).await;
        assert!((400..500).contains(&got.status), "{what}: {}", got.bytes);
        assert!(!got.bytes.contains(CANARY), "{what}: {}", got.bytes);
    }
    assert_eq!(gate.place.stage.asked(), 0);
    let log = gate.end().await.log();
    for ((what, _), refusal) in cases.iter().zip(log.refusals()) {
        let nothing = refusal.0 == "category-not-permitted" && *what == "null"; // nothing is in it
        let told = matches!(refusal.0, "body-malformed" | "subject-missing" | "unclassified-fields");
        assert!(nothing || told, "{what}: {refusal:?}");
    }
    assert_eq!((log.refusals().len(), log.endings().len()), (cases.len(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_any_other_type_or_in_a_coding_reaches_no_backend() {
    let gate = Gate::new().await;
    gate.place.stage.body(r#"{"id":"d-1","phone":"1"}"#);
    for media in ["application/json", "APPLICATION/JSON; charset=UTF-8", "application/json; charset=\"utf-8\";"] {
        let got = write(&gate, &format!("Content-Type: {media}\r\n"), WRITE).await;
        assert_eq!(got.status, 200, "{media}: {}", got.bytes);
        let seen = gate.place.stage.last().to_lowercase();
        assert!(seen.contains("\r\ncontent-type: application/json\r\n"), "it goes on as it was judged: {seen}");
        assert!(seen.ends_with(std::str::from_utf8(WRITE).unwrap()), "{seen}");
    }
    let asked = gate.place.stage.asked();
    let types = [
        "",
        "text/plain",
        "text/json",
        "application/xml",
        "application/fhir+xml",
        "text/csv",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/problem+json",
        "application/dicom+json",
        "application/fhir+json",
        "application/merge-patch+json",
        "application/json; charset=utf-16",
        "application/json; charset=shift_jis",
        "application/json; charset=utf8",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; fhirVersion=3.0",
        "application/json, application/xml",
        "application/json; charset",
    ];
    for media in types {
        let got = write(&gate, &format!("Content-Type: {media}\r\n"), WRITE).await;
        got.is_problem(415, "content-type", media);
    }
    write(&gate, "", WRITE).await.is_problem(415, "content-type", "no type");
    let twice = "Content-Type: application/json\r\nContent-Type: application/json\r\n";
    write(&gate, twice, WRITE).await.is_problem(415, "content-type", "a type twice");
    let codings = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity", "identity, gzip", "gzip, br", "compress", ""];
    for coding in codings {
        let lines = format!("Content-Type: application/json\r\nContent-Encoding: {coding}\r\n");
        for body in [WRITE.to_vec(), encoded("gzip", WRITE).await] {
            write(&gate, &lines, &body).await.is_problem(415, "content-coding", coding);
        }
    }
    assert_eq!(gate.place.stage.asked(), asked, "the backend was asked");
    let log = gate.end().await.log();
    let refused = types.len() + 2;
    assert_eq!(log.refusals()[..refused], vec![("content-type", 415); refused]);
    assert_eq!(log.refusals()[refused..], vec![("content-coding", 415); 2 * codings.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_json_is_told_before_the_backend_is_asked() {
    let gate = Gate::new().await;
    for accept in ["*/*", "application/*", "application/json;q=0.1, text/xml", "text/html, */*;q=0.1", ""] {
        let got = gate.get("/donors/d-1", &format!("{}Accept: {accept}\r\n", coordinator())).await;
        is_redacted(&got, accept);
        assert!(gate.place.stage.last().to_lowercase().contains("\r\naccept: application/json\r\n"), "{accept}");
    }
    let asked = gate.place.stage.asked();
    let none = [
        "application/xml",
        "text/xml, application/xhtml+xml",
        "text/csv",
        "text/html",
        "application/json;q=0",
        "application/json;q=0, */*",
        "application/json; charset=utf-16",
        "*/*;q=0",
        "multipart/mixed",
    ];
    for accept in none {
        let got = gate.get("/donors/d-1", &format!("{}Accept: {accept}\r\n", coordinator())).await;
        let problem = got.is_problem(406, "not-acceptable", accept);
        assert!(problem["detail"].as_str().unwrap().contains("`application/json`"), "{problem}");
    }
    let got = gate.send("PATCH", "/donors/d-1", &format!("{}Accept: text/xml\r\n", coordinator()), "{}").await;
    got.is_problem(406, "not-acceptable", "a write");
    assert_eq!(gate.place.stage.asked(), asked, "the backend was asked");
    let log = gate.end().await.log();
    assert_eq!(log.refusals(), vec![("not-acceptable", 406); none.len() + 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_xml_passes_before_fhir() {
    let gate = Place::new(Setup { site: "catalogue = \"fhir-r4\"", ..Setup::default() }).await.start();
    let asks = |target: &str, accept: &str| {
        let fields = format!("{}Accept: {accept}\r\n", coordinator());
        let target = target.to_owned();
        let gate = &gate;
        async move { gate.get(&target, &fields).await }
    };
    for format in [
        "xml",
        "XML",
        "text/xml",
        "application/xml",
        "application/fhir%2Bxml",
        "application/fhir+xml",
        "%78ml",
        "ttl",
        "text/turtle",
        "html",
        "text/html",
        "ndjson",
        "text/json",
        "JSON",
        "json;charset=utf-16",
        "application/json,application/xml",
        "application/fhir%2Bjson;fhirVersion=3.0",
        "",
    ] {
        for target in [
            format!("/Patient/1?_format={format}"),
            format!("/Patient?_format={format}"),
            format!("/Patient?%5Fformat={format}"),
            format!("/Patient?_format=json&_format={format}"),
            format!("/metadata?_format={format}"),
        ] {
            let got = asks(&target, "*/*").await;
            assert_eq!(got.status, 400, "{target}: {}", got.bytes);
            assert_eq!(got.json()["resourceType"], "OperationOutcome", "{target}");
        }
        let form = format!("_format={format}");
        let media = "Content-Type: application/x-www-form-urlencoded\r\n";
        let got = gate.send("POST", "/Patient/_search", &format!("{}{media}", coordinator()), &form).await;
        assert_eq!(got.status, 400, "{form}: {}", got.bytes);
    }
    for accept in [
        "application/fhir+xml",
        "application/xml+fhir",
        "text/xml",
        "application/xml",
        "text/turtle",
        "text/html",
        "application/fhir+json;fhirVersion=5.0",
        "application/fhir+xml, application/fhir+json;q=0",
    ] {
        for target in ["/Patient/1", "/Patient", "/metadata", "/Patient/1?_format=json"] {
            let got = asks(target, accept).await;
            assert_eq!(got.status, 406, "{target} {accept}: {}", got.bytes);
            assert_eq!(got.json()["issue"][0]["details"]["coding"][0]["code"], "not-acceptable");
            assert!(got.body.contains("`application/fhir+json`"), "{}", got.body);
        }
    }
    let batch = r#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}}]}"#;
    let media = "Content-Type: application/fhir+json\r\nAccept: application/fhir+xml\r\n";
    let got = gate.send("POST", "/", &format!("{}{media}", coordinator()), batch).await;
    assert_eq!(got.status, 406, "a batch: {}", got.bytes);
    assert_eq!(gate.place.stage.asked(), 0);
    // The capability statement is nobody's data: that a request passes is seen by it.
    for (target, accept) in [
        ("/metadata?_format=json", "*/*"),
        ("/metadata?_format=application/fhir%2Bjson", "application/fhir+json"),
        ("/metadata?_format=application/fhir+json", "application/json"),
        ("/metadata?_format=application/json", "application/fhir+xml;q=0.5, application/fhir+json"),
        ("/metadata", "application/fhir+json;fhirVersion=4.0"),
    ] {
        let statement = r#"{"resourceType":"CapabilityStatement","status":"active"}"#;
        gate.place.stage.will(with("application/fhir+json", "", statement.as_bytes()), Then::Close);
        let got = asks(target, accept).await;
        assert_eq!(got.status, 200, "{target} {accept}: {}", got.bytes);
        assert_eq!(got.field("content-type"), Some("application/fhir+json"));
        gate.place.stage.will(with("application/fhir+xml", "", b"<CapabilityStatement>sekret"), Then::Close);
        let got = asks(target, accept).await;
        assert_eq!(got.status, 502, "XML all the same: {}", got.bytes);
        assert!(!got.bytes.contains(CANARY), "{}", got.bytes);
    }
    let log = gate.end().await.log();
    assert!(log.refusals().iter().all(|(code, status)| {
        matches!((*code, *status), ("bad-parameter" | "bad-target", 400) | ("not-acceptable", 406))
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_in_an_archive_of_images() {
    let gate = Place::new(Setup { site: "catalogue = \"dicomweb\"", ..Setup::default() }).await.start();
    let parts = "--x\r\nContent-Type: application/dicom\r\n\r\nDICM sekret\r\n--x--\r\n";
    for (method, target) in [
        ("POST", "/dicom-web/studies"),
        ("POST", "/dicom-web/studies/1.2.3"),
        ("PUT", "/dicom-web/studies/1.2.3"),
        ("DELETE", "/dicom-web/studies/1.2.3"),
        ("POST", "/dicom-web/studies/1.2.3/metadata"),
        ("POST", "/dicom-web/studies?StudyInstanceUID=1.2.3"),
    ] {
        let media = "Content-Type: multipart/related; type=\"application/dicom\"; boundary=x\r\n";
        let got = gate.send(method, target, &format!("{}{media}", coordinator()), parts).await;
        got.is_problem(405, "no-such-method", target);
        assert_eq!(got.field("allow"), Some("get, head"), "{target}");
        // Nor is a long one awaited.
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{}{media}", coordinator());
        let long = format!("{head}Expect: 100-continue\r\nContent-Length: 9999999999\r\nConnection: close\r\n\r\n");
        let got = Got::of_raw(gate.address, &long).await;
        got.is_problem(405, "no-such-method", target);
    }
    assert_eq!(gate.place.stage.asked(), 0);
    let log = gate.end().await.log();
    assert_eq!(log.refusals(), vec![("no-such-method", 405); 12]);
}

/// Decided on the head: who is refused is not asked for his body.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_asked_for_only_where_its_head_may_pass() {
    let gate = Gate::new().await;
    gate.place.stage.body(r#"{"id":"d-1","phone":"1"}"#);
    let head = |fields: &str, media: &str| {
        let line = format!("PATCH /donors/d-1 HTTP/1.1\r\nHost: localhost\r\n{fields}Expect: 100-continue\r\n");
        format!("{line}Content-Type: {media}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", WRITE.len())
    };
    let books = fields(serde_json::json!({"roles": ["books"]}), "coordination");
    let unknown = fields(serde_json::json!({"roles": ["coord"]}), "nobodys-purpose");
    for (what, fields, media, status) in [
        ("a stranger", String::new(), JSON, 401),
        ("a purpose that nobody states", unknown, JSON, 403),
        ("another's purpose", books, JSON, 403),
        ("no purpose", fields(serde_json::json!({"roles": ["coord"]}), ""), JSON, 400),
        ("another type", coordinator(), "text/xml", 415),
    ] {
        let got = Got::of_raw(gate.address, &head(&fields, media)).await;
        assert_eq!(got.status, status, "{what}: {}", got.bytes);
        assert!(!got.bytes.contains("100 Continue"), "{what}: {}", got.bytes);
    }
    assert_eq!(gate.place.stage.asked(), 0);
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(head(&coordinator(), JSON).as_bytes()).await.unwrap();
    until(&mut stream, "100 Continue\r\n\r\n").await;
    stream.write_all(WRITE).await.unwrap();
    let got = Got::read(&mut stream).await;
    assert_eq!(got.status, 200, "{}", got.bytes);
    assert!(!gate.place.stage.last().to_lowercase().contains("expect"), "{}", gate.place.stage.last());
    drop(gate.end().await);
}
