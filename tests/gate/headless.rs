//! An answer without a body says by no field how long its body would be: `HEAD` and 304, over HTTP/1.1 and over HTTP/2.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use sekisho::policy::Vocabulary;
use serde_json::json;

use super::canary::opened;
use super::support::{Running, ask, minted, soon};
use super::unruly::NUMBERED;
use super::withheld::{CALLERS, CODINGS, numbered, sheets, started, two_worlds};

/// A request, whatever it is sent by.
struct Line<'a> {
    method: &'a str,
    target: &'a str,
    fields: Vec<(&'a str, String)>,
}

/// What came back, whatever it came by. Fields are sorted; a field that stands twice is there twice.
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body_bytes: usize,
}

impl Answer {
    fn new(status: u16, mut fields: Vec<(String, String)>, body_bytes: usize) -> Answer {
        fields.sort();
        Answer { status, fields, body_bytes }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All that tells two answers apart, but for when they were given and the decision's id, which is of one length.
    fn told(&self) -> (u16, Vec<(String, String)>, usize) {
        let plain = |(name, value): &(String, String)| {
            let value = match value.split_once("id=\"") {
                Some((before, after)) if name == "purpose-of-use-decision" => {
                    let (id, rest) = after.split_once('"').unwrap();
                    format!("{before}{}{rest}", id.len())
                }
                _ => value.clone(),
            };
            (name.clone(), value)
        };
        let fields = self.fields.iter().filter(|(name, _)| name != "date").map(plain).collect();
        (self.status, fields, self.body_bytes)
    }
}

async fn over_h1(running: &Running, line: &Line<'_>) -> Answer {
    let fields: String = line.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (method, target) = (line.method, line.target);
    let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n");
    let coming = ask(running.gate, request.as_bytes(), |_| ()).await;
    let head = coming.head().expect("no answer");
    let named = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let fields = head.split("\r\n").skip(1).filter_map(named).collect();
    // Whatever follows the head counts, framed or not.
    Answer::new(coming.status().unwrap(), fields, coming.wire.len() - head.len())
}

async fn over_h2(client: &SendRequest<Full<Bytes>>, line: &Line<'_>) -> Answer {
    let mut request = Request::builder().method(line.method).uri(format!("http://localhost{}", line.target));
    for (name, value) in &line.fields {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let (head, mut body) = soon(client.clone().send_request(request)).await.unwrap().into_parts();
    let mut fields = listed(&head.headers);
    let mut body_bytes = 0;
    while let Some(frame) = soon(body.frame()).await {
        match frame.unwrap().into_data() {
            Ok(data) => body_bytes += data.len(),
            Err(other) => fields.extend(listed(&other.into_trailers().unwrap())),
        }
    }
    Answer::new(head.status.as_u16(), fields, body_bytes)
}

fn listed(fields: &HeaderMap) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_and_a_304_tell_no_length_in_either_protocol() {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let sheets = sheets(&vocabulary);
    let (_site, running) = started(&two_worlds(&vocabulary, &sheets).await);
    let client = opened(running.gate).await;
    let (mut heads, mut unchanged) = ([0; 2], [0; 2]);
    for (sheet, (caller, (role, purpose, _))) in
        (0..sheets.len()).flat_map(|sheet| CALLERS.iter().enumerate().map(move |caller| (sheet, caller)))
    {
        let kind = &sheets[sheet].kind;
        let id = if kind == "Patient" { "p1" } else { "x1" };
        let token = minted(&json!({"sub": format!("{role}-{sheet}"), "roles": [role]}));
        for (from, target) in [format!("/{kind}"), format!("/{kind}/{id}")].iter().enumerate() {
            let coding = (sheet + from) % 5;
            for h2 in [false, true] {
                let asked = async |method: &str, world: usize, accept: &str, tag: Option<&str>| {
                    let number = numbered(world, caller, coding, sheet);
                    let mut fields = vec![
                        ("authorization", format!("Bearer {token}")),
                        ("purpose-of-use", (*purpose).to_owned()),
                        ("accept-encoding", accept.to_owned()),
                        (NUMBERED, format!("x-{number}")),
                    ];
                    fields.extend(tag.map(|tag| ("if-none-match", tag.to_owned())));
                    let line = Line { method, target, fields };
                    if h2 { over_h2(&client, &line).await } else { over_h1(&running, &line).await }
                };
                let read = asked("GET", 0, "identity", None).await;
                let tag = read.field("etag").map(str::to_owned);
                assert!(read.status != 200 || read.body_bytes > 0, "{target}: an empty view tells no length anyway");
                for (method, accept, tag) in [
                    ("HEAD", "identity", None),
                    ("HEAD", CODINGS[coding], None),
                    ("HEAD", "identity", tag.as_deref()),
                    ("GET", CODINGS[coding], tag.as_deref()),
                ] {
                    if method == "GET" && tag.is_none() {
                        continue;
                    }
                    let told = format!("{method} {target} by {role}, accepting {accept}, if {tag:?}, over h2: {h2}");
                    let (first, second) = (asked(method, 0, accept, tag).await, asked(method, 1, accept, tag).await);
                    assert_eq!(first.told(), second.told(), "{told}");
                    assert_eq!(first.body_bytes, 0, "{told}");
                    let released = matches!(first.status, 200 | 304);
                    for name in ["content-length", "content-range", "content-digest", "repr-digest", "last-modified"] {
                        assert!(!released || first.field(name).is_none(), "{told}: {name} {:?}", first.field(name));
                    }
                    heads[usize::from(h2)] += usize::from(first.status == 200);
                    unchanged[usize::from(h2)] += usize::from(first.status == 304);
                }
            }
        }
    }
    println!("{heads:?} heads, {unchanged:?} unchanged, by HTTP/1.1 and HTTP/2");
    assert!(heads.iter().chain(&unchanged).all(|count| *count > 20), "vacuous: {heads:?} {unchanged:?}");
    running.end();
}
