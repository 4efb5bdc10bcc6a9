//! The whole layer: any target, any declaration, any answer of the backend. No panic, no body that is neither whole nor
//! cut, and a record for each.

#[path = "../../layer/script.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod script;
#[path = "../../layer/support.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

use std::cell::RefCell;

use sekisho::demo::sample::Org;
use serde_json::{Value, json};
use support::{Ask, Stand};

const METHODS: [&str; 4] = ["GET", "POST", "PATCH", "PUT"];
const FACTS: &[(&str, &str)] = &[
    ("organization", "id=univ-a recipient=researcher country=JP purposes=research"),
    ("approval", "organization=univ-a purpose=research from=2026-01-01 until=2026-12-31"),
];

fn callers() -> [Value; 4] {
    [
        json!({"sub": "s-1", "roles": ["coordination-staff"]}),
        json!({"sub": "s-2", "roles": ["privacy-officer"]}),
        json!({"sub": "dr", "org": "univ-a"}),
        json!({"sub": "d-0001", "org": "principal", "identity": "verified"}),
    ]
}

thread_local! {
    /// The gate, and how many requests it had: its log is kept in memory.
    static STAND: RefCell<Option<(Stand, usize)>> = const { RefCell::new(None) };
}

async fn ask(stand: &Stand, choice: u8, (target, purpose): (&str, &str), (body, answer): (&str, &[u8])) {
    let claims = callers()[usize::from(choice >> 2 & 3)].clone();
    let media = ["application/json", "application/x-ndjson", "text/html", ""][usize::from(choice >> 4 & 3)];
    stand.next_body(answer.to_vec(), media);
    let told =
        stand.ask(Ask { method: METHODS[usize::from(choice & 3)], target, claims, purpose, body, fields: &[] }).await;
    assert_ne!(told.status.as_u16(), 500, "it panicked");
    let json = told.headers.get("content-type").is_some_and(|media| media.as_bytes().ends_with(b"json"));
    if json && !told.cut && !told.body.is_empty() {
        let parsed = serde_json::Deserializer::from_str(&told.body).into_iter::<Value>().all(|value| value.is_ok());
        assert!(parsed, "what left is no JSON: {}", told.body);
    }
}

/// Panics where a promise is broken.
pub fn check(bytes: &[u8]) {
    let [choice, rest @ ..] = bytes else { return };
    let mut parts = rest.splitn(4, |byte| *byte == b'\n');
    let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok()).unwrap_or("").to_owned();
    let (target, purpose, body) = (text(), text(), text());
    let answer = parts.next().unwrap_or(b"");
    let sendable = target.starts_with('/') && target.parse::<http::Uri>().is_ok();
    if !sendable || http::HeaderValue::from_str(&purpose).is_err() {
        return;
    }
    STAND.with_borrow_mut(|held| {
        if held.as_ref().is_none_or(|(_, count)| *count >= 400) {
            *held = Some((Stand::new(Org::Jmdp, FACTS), 0)); // the one before checks its log as it goes
        }
        let (stand, count) = held.as_mut().expect("it was just made");
        *count += 1;
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(ask(stand, *choice, (&target, &purpose), (&body, answer)));
    });
}
