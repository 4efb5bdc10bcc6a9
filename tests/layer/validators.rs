//! The view has a tag of its own: conditions are judged by what this caller is shown, never by what is kept from him.

use bytes::Bytes;
use http::Response;
use sekisho::demo::sample::Org;
use serde_json::{Value, json};

use super::stateful::Kept;
use super::support::{Answer, Ask, Stand};

const DONOR: &str = r#"{"id":"d-1","name":{"kanji":"known"},"phone":"03-1","my_number":"000000000000"}"#;
const CARE: (&str, &str) = ("coordination-staff", "coordination");

fn stand() -> (Stand, Kept) {
    let stand = Stand::new(Org::Jmdp, &[]);
    let kept = Kept::behind(&stand, DONOR, "application/json");
    (stand, kept)
}

async fn asked(stand: &Stand, method: &str, fields: &[(&str, &str)], claims: Value) -> Answer {
    stand.ask(Ask { method, target: "/donors/d-1", claims, purpose: CARE.1, fields, ..Ask::default() }).await
}

fn staff(sub: &str) -> Value {
    json!({"sub": sub, "roles": [CARE.0]})
}

fn tag(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_withheld_does_not_change_the_tag_of_the_view() {
    let (stand, kept) = stand();
    let before = tag(&asked(&stand, "GET", &[], staff("a")).await);
    assert!(before.starts_with("W/\"") && before.len() == 26, "{before}");
    kept.set(&DONOR.replace("000000000000", "111111111111"));
    assert_eq!(tag(&asked(&stand, "GET", &[], staff("a")).await), before, "it tells that something hidden changed");
    kept.set(&DONOR.replace("03-1", "03-2"));
    assert_ne!(tag(&asked(&stand, "GET", &[], staff("a")).await), before);
    kept.set(DONOR);
    assert_eq!(tag(&asked(&stand, "GET", &[], staff("a")).await), before);
    assert_eq!(tag(&asked(&stand, "HEAD", &[], staff("a")).await), before);
    // No key to join what two callers hold, nor what one holds under two revisions of the documents.
    assert_ne!(tag(&asked(&stand, "GET", &[], staff("b")).await), before);
}

#[tokio::test]
async fn an_unchanged_view_is_told_without_its_body_and_is_on_record() {
    let (stand, kept) = stand();
    let whole = asked(&stand, "GET", &[], staff("a")).await;
    let mine = tag(&whole);
    for method in ["GET", "HEAD"] {
        let (times, begun) = (stand.asked(), stand.records().len());
        let again = asked(&stand, method, &[("if-none-match", &mine)], staff("a")).await;
        assert_eq!((again.status.as_u16(), again.body.as_str(), stand.asked() - times), (304, "", 1));
        assert_eq!(again.headers["etag"], *mine);
        for name in ["vary", "cache-control", "x-content-type-options"] {
            assert_eq!(again.headers.get(name), whole.headers.get(name), "{name}");
        }
        assert!(again.headers["purpose-of-use-decision"].to_str().unwrap().starts_with("permit;id="));
        for absent in ["content-length", "content-type", "last-modified"] {
            assert!(!again.headers.contains_key(absent), "{absent}");
        }
        let (begin, end) = (stand.last("begin"), stand.last("end"));
        assert!(stand.records().len() > begun && begin["subjects"].as_array().is_some_and(|of| of.len() == 1));
        assert_eq!((&end["begin"], &end["status"], &end["code"]), (&begin["seq"], &json!(304), &json!("unchanged")));
        assert_eq!(end["outcome"], "completed");
    }
    // The backend sees no condition: what it thinks unchanged is not what the caller may see.
    let (_, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
    assert!(!fields.contains_key("if-none-match"), "{fields:?}");
    kept.set(&DONOR.replace("03-1", "03-2"));
    let fresh = asked(&stand, "GET", &[("if-none-match", &mine)], staff("a")).await;
    assert!(fresh.status == 200 && fresh.body.contains("03-2"), "{}", fresh.body);
    for other in ["W/\"1\"", "\"1\"", "nonsense", "W/\"\""] {
        assert_eq!(asked(&stand, "GET", &[("if-none-match", other)], staff("a")).await.status, 200, "{other}");
    }
    let changed = asked(&stand, "GET", &[("if-match", &mine)], staff("a")).await;
    assert_eq!((changed.status.as_u16(), stand.last("end")["status"].as_u64()), (412, Some(412)), "{}", changed.body);
}

#[tokio::test]
async fn who_is_refused_is_never_told_that_nothing_changed() {
    let (stand, _kept) = stand();
    let mine = tag(&asked(&stand, "GET", &[], staff("a")).await);
    stand.add("restriction", "subject=d-1 name=stop-use");
    let times = stand.asked();
    for condition in [mine.as_str(), "*"] {
        let refused = asked(&stand, "GET", &[("if-none-match", condition)], staff("a")).await;
        assert_eq!((refused.status.as_u16(), stand.asked() - times), (403, 0), "{condition}: {}", refused.body);
        assert!(!refused.headers.contains_key("etag"));
    }
    let stranger = asked(&stand, "GET", &[("if-none-match", &mine)], json!({"sub": "x"})).await;
    assert!(!stranger.headers.contains_key("etag") && stranger.status != 304, "{}", stranger.status);
    // Nor where the person is known from the answer alone.
    stand.next_body(r#"{"id":"d-2","name":{"kanji":"other"}}"#, "application/json");
    let swapped = asked(&stand, "GET", &[("if-none-match", "*")], staff("a")).await;
    assert!(swapped.status != 304 && !swapped.headers.contains_key("etag"), "{}", swapped.status);
}

#[tokio::test]
async fn a_backend_without_a_validator_leaves_the_view_without_one() {
    let (stand, kept) = stand();
    let mine = tag(&asked(&stand, "GET", &[], staff("a")).await);
    kept.untold();
    for fields in [&[][..], &[("if-none-match", mine.as_str())], &[("if-none-match", "*")]] {
        let answer = asked(&stand, "GET", fields, staff("a")).await;
        assert_eq!((answer.status.as_u16(), answer.headers.contains_key("etag")), (200, false), "{fields:?}");
    }
    for fields in [vec![("etag", "W/\"1\""), ("etag", "W/\"2\"")], vec![("etag", "1")], vec![("etag", "\"a\"b\"")]] {
        let response = fields
            .iter()
            .fold(Response::builder().header("content-type", "application/json"), |r, (n, v)| r.header(*n, *v));
        *stand.backend.instead.lock().unwrap() = Some(response.body(Bytes::from(DONOR)).unwrap());
        let answer = asked(&stand, "GET", &[], staff("a")).await;
        assert_eq!((answer.status.as_u16(), answer.headers.contains_key("etag")), (200, false), "{fields:?}");
    }
    // A list is no record: whom it leaves out could be told by its tag.
    let list = Response::builder().header("content-type", "application/json").header("etag", "W/\"9\"");
    *stand.backend.instead.lock().unwrap() = Some(list.body(Bytes::from(format!(r#"{{"items":[{DONOR}]}}"#))).unwrap());
    let list = stand.get(staff("a"), CARE.1, "/donors").await;
    assert_eq!((list.status.as_u16(), list.headers.contains_key("etag")), (200, false), "{}", list.body);
}

#[tokio::test]
async fn a_304_or_a_part_that_nobody_asked_for_is_a_fault_of_the_backend() {
    let (stand, _kept) = stand();
    let mine = tag(&asked(&stand, "GET", &[], staff("a")).await);
    for status in [304, 206] {
        for fields in [&[][..], &[("if-none-match", mine.as_str())], &[("range", "bytes=0-1")]] {
            let response = Response::builder().status(status).header("etag", "W/\"1\"").body(Bytes::new()).unwrap();
            *stand.backend.instead.lock().unwrap() = Some(response);
            let answer = asked(&stand, "GET", fields, staff("a")).await;
            assert_eq!((answer.status.as_u16(), answer.headers.contains_key("etag")), (502, false), "{status}");
        }
    }
}

#[tokio::test]
async fn a_view_too_long_to_wait_for_streams_without_a_tag() {
    let (stand, kept) = stand();
    let long = |bytes: usize| DONOR.replace("known", &"k".repeat(bytes));
    kept.set(&long(900 << 10));
    let answer = asked(&stand, "GET", &[], staff("a")).await;
    assert!(answer.headers.contains_key("etag") && answer.body.len() > 900 << 10, "{}", answer.body.len());
    kept.set(&long(1100 << 10));
    let answer = asked(&stand, "GET", &[("if-none-match", "*")], staff("a")).await;
    assert!(!answer.headers.contains_key("etag") && answer.status != 304, "{}", answer.status);
    assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{}", answer.body.len());
    assert!(answer.body.len() > 1100 << 10, "{}", answer.body.len());
}

/// Had its first bytes left, the caller would hold a cut body; waited for as a whole it is a status.
#[tokio::test]
async fn a_view_that_breaks_off_while_it_is_waited_for_is_a_status() {
    let (stand, kept) = stand();
    kept.set(&format!("{DONOR} trailing"));
    let answer = asked(&stand, "GET", &[], staff("a")).await;
    assert_eq!((answer.status.as_u16(), answer.cut), (502, false), "{}", answer.body);
    assert!(!answer.body.contains("known"));
    assert_eq!(stand.last("end")["outcome"], "failed");
}
