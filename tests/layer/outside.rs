//! What a caller writes, and what he may learn from how he is answered.

use std::sync::atomic::Ordering;

use http::StatusCode;
use sekisho::demo::sample::Org;
use serde_json::json;

use super::support::{Ask, NOW_MS, Stand};
use super::{researcher, staff};

const PURPOSE: &str = "coordination";

fn clerk() -> serde_json::Value {
    staff("coordination-staff")
}

fn donor(stand: &Stand) -> (String, String) {
    let id = stand.backend.sample.ids("donors")[0].clone();
    (format!("/donors/{id}"), id)
}

#[tokio::test]
async fn a_missing_purpose_or_caller_is_never_taken_for_leave() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, _) = donor(&stand);
    for (claims, purpose, status) in [
        (clerk(), "", 400),
        (clerk(), "no-such-purpose", 403),
        (json!({"sub": "x"}), PURPOSE, 403),
        (json!({"sub": "x", "org": "unregistered"}), PURPOSE, 403),
        (json!({"sub": "x", "exp": NOW_MS / 1000 - 3600}), PURPOSE, 401),
        (json!({"sub": "x", "aud": "another"}), PURPOSE, 401),
        (json!({"sub": "x", "iss": "https://other.test"}), PURPOSE, 401),
    ] {
        let answer = stand.get(claims.clone(), purpose, &target).await;
        assert_eq!(answer.status.as_u16(), status, "{claims} {purpose}: {}", answer.body);
    }
    assert_eq!(stand.asked(), 0);
    let refused = stand.records().iter().filter(|record| record["kind"] == "refusal").count();
    assert_eq!(refused, 4, "each refusal of a known caller is on record");
}

#[tokio::test]
async fn the_size_limit_of_bodies_binds_writes_and_no_read() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, id) = donor(&stand);
    let body = format!(r#"{{"id":"{id}","phone":"{}"}}"#, "1".repeat(1 << 20));
    for (method, status) in [("PATCH", 413), ("GET", 200)] {
        let ask = Ask { method, target: &target, claims: clerk(), purpose: PURPOSE, body: &body, ..Ask::default() };
        assert_eq!(stand.ask(ask).await.status.as_u16(), status, "{method}");
    }
}

#[tokio::test]
async fn no_field_of_the_caller_reaches_the_backend_or_unsays_a_check() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, _) = donor(&stand);
    let fields = [
        ("x-forwarded-user", "root"),
        ("cookie", "a=b"),
        ("range", "bytes=0-1"),
        ("if-none-match", "*"),
        ("x-http-method-override", "DELETE"),
        ("purpose-of-use-decision", "permit"),
        ("forwarded", "for=1"),
        ("accept-encoding", "gzip"),
        ("expect", "100-continue"),
    ];
    let (claims, purpose) = (clerk(), PURPOSE);
    let ask = Ask { method: "GET", target: &target, claims, purpose, fields: &fields, ..Ask::default() };
    assert_eq!(stand.ask(ask).await.status, StatusCode::OK);
    let (_, seen) = stand.backend.last.lock().unwrap().take().unwrap();
    let names: Vec<&str> = seen.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["accept", "via"]);
    for connection in ["purpose-of-use", "close, Authorization", "PURPOSE-OF-USE-DRY-RUN"] {
        let fields = [("connection", connection)];
        let ask = Ask { method: "GET", target: &target, claims: clerk(), purpose, fields: &fields, ..Ask::default() };
        assert_eq!(stand.ask(ask).await.status, StatusCode::BAD_REQUEST, "{connection}");
    }
    assert_eq!(stand.asked(), 1);
}

#[tokio::test]
async fn numbers_stay_numbers_and_the_log_alters_no_answer() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, id) = donor(&stand);
    let body = format!(r#"{{"id":"{id}","body":{{"height_cm":170.50,"weight_kg":1E+2}},"phone":"0\u00e9"}}"#);
    stand.next_body(body.clone(), "application/json");
    assert_eq!(stand.get(clerk(), PURPOSE, &target).await.body, body);
}

#[tokio::test]
async fn a_hidden_field_cannot_be_filtered_or_sorted_by() {
    let stand = Stand::new(Org::Jmdp, researcher::FACTS);
    let purpose = "research;basis=\"academic-research\"";
    let id = stand.backend.sample.ids("donors")[0].clone();
    for query in ["name=x", "sort=name", "sort=id", "sort=-born", "_has=x", "name:exact=x", "page=1&page=2"] {
        let answer = stand.get(researcher::claims(), purpose, &format!("/donors?{query}")).await;
        assert!(answer.status.is_client_error(), "{query}: {}", answer.status);
    }
    let answer = stand.get(researcher::claims(), purpose, &format!("/donors?id={id}")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "an original id in the query");
    assert_eq!(stand.asked(), 0);
}

#[tokio::test]
async fn a_pseudonym_of_another_receiver_or_purpose_opens_nothing() {
    let mut facts = researcher::FACTS.to_vec();
    facts.push(("organization", "id=univ-b recipient=researcher country=JP purposes=research"));
    facts.push(("approval", "organization=univ-b purpose=research from=2026-01-01 until=2026-12-31"));
    let stand = Stand::new(Org::Jmdp, &facts);
    let purpose = "research;basis=\"academic-research\"";
    let list = stand.get(researcher::claims(), purpose, "/donors").await.json();
    let theirs = format!("/donors/{}", list["items"][0]["id"].as_str().unwrap());
    let asked = stand.asked();
    let other = stand.get(json!({"sub": "dr", "org": "univ-b"}), purpose, &theirs).await;
    let unknown = stand.get(json!({"sub": "dr", "org": "univ-b"}), purpose, "/donors/nobody").await;
    assert_eq!((other.status, other.body.len()), (unknown.status, unknown.body.len()));
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    assert_eq!(other.headers.len(), unknown.headers.len());
    assert_eq!(stand.asked(), asked);
}

#[tokio::test]
async fn a_writer_outside_names_people_as_he_sees_them() {
    let facts = [("organization", "id=lab recipient=specimen-lab country=JP purposes=specimen-testing")];
    let stand = Stand::new(Org::Jmdp, &facts);
    let (target, id) = donor(&stand);
    let claims = json!({"sub": "l", "org": "lab"});
    let read = stand.get(claims.clone(), "specimen-testing", &format!("{target}/specimens")).await;
    assert_eq!(read.status, StatusCode::OK, "{}", read.body);
    assert!(read.body.contains(&id), "he sees ids: {}", read.body);
    let ask = Ask { method: "POST", target: &format!("{target}/specimens"), claims, ..Ask::default() };
    let answer =
        stand.ask(Ask { purpose: "specimen-testing;source=\"own test\"", body: r#"{"kind":"x"}"#, ..ask }).await;
    assert!(answer.status.is_success(), "{} {}", answer.status, answer.body);
}

#[tokio::test]
async fn a_head_is_judged_and_recorded_as_a_read_and_shows_nothing() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, id) = donor(&stand);
    let head = |target: String| {
        let stand = &stand;
        let ask = Ask { method: "HEAD", claims: clerk(), purpose: PURPOSE, ..Ask::default() };
        async move { stand.ask(Ask { target: &target, ..ask }).await }
    };
    let answer = head(target.clone()).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    assert_eq!(stand.last("end")["released_bytes"], 0);
    stand.add("restriction", &format!("subject={id} name=stop-use"));
    let answer = head(target).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::FORBIDDEN, ""));
}

#[tokio::test]
async fn a_flood_of_refusals_of_one_caller_is_slowed_and_no_other() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let mut slowed = false;
    for _ in 0..600 {
        slowed |= stand.get(json!({"sub": "x"}), PURPOSE, "/donors").await.status == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(slowed, "strangers could fill the log");
    assert_eq!(stand.get(clerk(), PURPOSE, "/donors").await.status, StatusCode::OK);
    stand.clock_ms.fetch_add(1000, Ordering::SeqCst);
    assert_eq!(stand.get(json!({"sub": "x"}), PURPOSE, "/donors").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_declaration_does_not_widen_what_the_token_grants() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, _) = donor(&stand);
    let mut claims = clerk();
    claims["purpose"] = json!(["specimen-testing", "research"]);
    assert_eq!(stand.get(claims, PURPOSE, &target).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stand.asked(), 0);
}

#[tokio::test]
async fn a_written_body_in_another_coding_or_type_is_not_forwarded() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, id) = donor(&stand);
    let body = format!(r#"{{"id":"{id}","phone":"1"}}"#);
    let media = ("content-type", "application/json");
    for fields in [
        vec![media, ("content-encoding", "gzip")],
        vec![media, ("content-encoding", "identity")],
        vec![media, media],
        vec![("content-type", "text/plain")],
        vec![("content-type", "application/json; charset=utf-16")],
    ] {
        let (claims, purpose, fields) = (clerk(), PURPOSE, fields.as_slice());
        let ask = Ask { method: "PATCH", target: &target, claims, purpose, body: &body, fields };
        assert_eq!(stand.ask(ask).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{fields:?}");
    }
    assert_eq!(stand.asked(), 0);
}
