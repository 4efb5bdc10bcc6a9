//! Requests that a whole gate refuses before its backend is asked, or by what the backend answers: what the caller gets,
//! what the backend sees, and what is on record.

use serde_json::json;

use super::gate::{DONOR, Gate, NEWEST, Place, Setup, approve, coordinator, fields, researcher, token};
use super::http::Got;
use super::support::Then;

/// The same but for the decision's id: head and body.
fn masked(got: &Got) -> String {
    let id = got.json()["decision"].as_str().unwrap().to_owned();
    let dated = |line: &&str| !line.to_lowercase().starts_with("date:");
    got.bytes.replace(&id, "ID").split("\r\n").filter(dated).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_good_gets_401_and_is_counted() {
    let gate = Gate::new().await;
    let bearer = |token: String| format!("Authorization: Bearer {token}\r\nPurpose-Of-Use: coordination\r\n");
    let good = token(json!({}), json!({"roles": ["coord"]}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = token(json!({}), json!({"roles": ["coord"], "sub": "s-2"}));
    let forged = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
    let cases = [
        ("no-credentials", String::new()),
        ("unsupported-scheme", "Authorization: Basic YTpi\r\n".to_owned()),
        ("several-credentials", format!("{}{}", bearer(good.clone()), bearer(good.clone()))),
        ("token-malformed", bearer("a.b".to_owned())),
        ("token-malformed", bearer(format!("{signed}=.{signature}"))),
        ("issuer-unknown", bearer(token(json!({}), json!({"iss": "https://evil.example"})))),
        ("token-expired", bearer(token(json!({}), json!({"exp": 1_700_000_000})))),
        ("token-not-yet-valid", bearer(token(json!({}), json!({"nbf": 4_000_000_000_u64})))),
        ("audience-refused", bearer(token(json!({}), json!({"aud": "another"})))),
        (
            "algorithm-refused",
            bearer(format!("{}.", token(json!({"alg": "none"}), json!({})).rsplit_once('.').unwrap().0)),
        ),
        ("algorithm-refused", bearer(token(json!({"alg": "HS256"}), json!({})))),
        ("algorithm-refused", bearer(token(json!({"alg": "ES384"}), json!({})))),
        ("signature-invalid", bearer(forged)),
        ("claim-malformed", bearer(token(json!({}), json!({"sub": null})))),
    ];
    for (kind, fields) in &cases {
        let got = gate.get("/donors/d-1", fields).await;
        // Which check a forger failed is for the log alone.
        let alike = ["token-malformed", "issuer-unknown", "algorithm-refused", "signature-invalid", "claim-malformed"];
        let told = if alike.contains(kind) { "token-invalid" } else { kind };
        got.is_problem(401, told, told);
        assert!(got.field("www-authenticate").is_some_and(|challenge| challenge.starts_with("bearer")), "{kind}");
    }
    assert_eq!(gate.place.stage.asked(), 0);
    let log = gate.end().await.log();
    let mut counts = std::collections::BTreeMap::new();
    cases.iter().for_each(|(kind, _)| *counts.entry(*kind).or_default() += 1);
    assert_eq!(log.strangers(), counts);
    assert!(log.of("begin").is_empty() && log.of("refusal").is_empty(), "a stranger fills the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purpose_missing_malformed_or_doubled_gets_400_and_is_recorded() {
    let gate = Gate::new().await;
    let bearer = format!("Authorization: Bearer {}\r\n", token(json!({}), json!({"roles": ["coord"]})));
    let cases = [
        ("purpose-missing", ""),
        ("declaration-malformed", "Purpose-Of-Use: \r\n"),
        ("declaration-malformed", "Purpose-Of-Use: coordination;;\r\n"),
        ("declaration-malformed", "Purpose-Of-Use: \"coordination\r\n"),
        ("declaration-malformed", "Purpose-Of-Use: coordination, coordination\r\n"),
        ("declaration-malformed", "Purpose-Of-Use: coordination\r\nPurpose-Of-Use: coordination\r\n"),
        ("declaration-malformed", "Purpose-Of-Use: coordination;basis=\"consent\";basis=\"consent\"\r\n"),
        ("declaration-malformed", "Purpose-Of-Use: coordination;wish=\"all\"\r\n"),
        ("declaration-malformed", "Purpose-Of-Use: coordination;basis=1\r\n"),
    ];
    for (kind, field) in cases {
        gate.get("/donors/d-1", &format!("{bearer}{field}")).await.is_problem(400, kind, field);
    }
    assert_eq!(gate.place.stage.asked(), 0);
    let log = gate.end().await.log();
    assert_eq!(log.refusals(), cases.map(|(kind, _)| (kind, 400)));
    assert!(log.of("refusal").iter().all(|record| record["caller"]["id"] == "s-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_on_head_path_or_body_reaches_no_backend() {
    let place = Place::new(Setup::default()).await;
    place.add("restriction", "subject=d-2 name=stop-use");
    let gate = place.start();
    let books = fields(json!({"roles": ["books"]}), "coordination");
    let read = [
        ("purpose-not-for-role", "/donors/d-1", &books),
        ("purpose-unknown", "/donors/d-1", &fields(json!({"roles": ["coord"]}), "curiosity")),
        ("restricted", "/donors/d-2", &coordinator()),
    ];
    for (kind, target, fields) in read {
        gate.get(target, fields).await.is_problem(403, kind, kind);
    }
    let written = [
        ("category-not-permitted", r#"{"id":"d-1","photo_id":"1"}"#),
        ("prohibited", r#"{"id":"d-1","my_number":"1"}"#),
        ("unclassified-fields", r#"{"id":"d-1","new_field":"1"}"#),
        ("restricted", r#"{"id":"d-2","phone":"1"}"#),
    ];
    for (kind, body) in written {
        let target = if body.contains("d-2") { "/donors/d-2" } else { "/donors/d-1" };
        gate.send("PATCH", target, &coordinator(), body).await.is_problem(403, kind, body);
    }
    assert_eq!(gate.place.stage.asked(), 0);
    let log = gate.end().await.log();
    let told: Vec<_> =
        read.map(|(kind, ..)| (kind, 403)).into_iter().chain(written.map(|(kind, _)| (kind, 403))).collect();
    assert_eq!(log.refusals(), told);
    assert!(log.of("begin").is_empty());
    assert!(!log.0.iter().any(|record| record.to_string().contains("d-2")), "a subject in plain");
}

#[tokio::test(flavor = "multi_thread")]
async fn to_outsiders_whoever_is_refused_is_like_an_unknown_id() {
    let place = Place::new(Setup::default()).await;
    approve(&place);
    let gate = place.start();
    gate.place.stage.body(r#"{"items":[{"id":"d-1"},{"id":"d-2"}]}"#);
    let list = gate.get("/donors", &researcher()).await;
    let pseudonyms: Vec<String> = [0, 1].map(|at| list.json()["items"][at]["id"].as_str().unwrap().to_owned()).to_vec();
    gate.place.add("restriction", "subject=d-2 name=stop-use");
    gate.place.stage.body(DONOR);
    let asked = gate.place.stage.asked();
    let mut answers = Vec::new();
    for id in ["d-1", "d-2", "nobody", &pseudonyms[1]] {
        let got = gate.get(&format!("/donors/{id}"), &researcher()).await;
        got.is_problem(404, "not-available", id);
        answers.push(masked(&got));
    }
    assert_eq!(gate.place.stage.asked(), asked, "asked for one who may not be told");
    // The answer to one who is not there, who may be asked for.
    gate.place.stage.will("HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nsekret", Then::Close);
    let unknown = gate.get(&format!("/donors/{}", pseudonyms[0]), &researcher()).await;
    unknown.is_problem(404, "not-available", "unknown to the backend");
    answers.push(masked(&unknown));
    answers.dedup();
    assert_eq!(answers.len(), 1, "told apart: {answers:#?}");
    let log = gate.end().await.log();
    assert_eq!(log.refusals().iter().map(|(_, status)| *status).collect::<Vec<_>>(), [404, 404, 404, 404]);
    assert_eq!(log.refusals()[3].0, "restricted", "the record knows why");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_by_the_answers_subject_is_not_released() {
    let place = Place::new(Setup { routes: NEWEST, ..Setup::default() }).await;
    approve(&place);
    place.add("restriction", "subject=d-1 name=stop-use");
    let gate = place.start();
    gate.get("/newest-donor", &coordinator()).await.is_problem(403, "restricted", "staff");
    let refused = gate.get("/newest-donor", &researcher()).await;
    refused.is_problem(404, "not-available", "an outsider");
    gate.place.stage.will("HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nsekret", Then::Close);
    let unknown = gate.get("/newest-donor", &researcher()).await;
    unknown.is_problem(404, "not-available", "nobody there");
    assert_eq!(masked(&refused), masked(&unknown));
    // Without a subject, with two that differ, or with another than the path's: nobody's.
    for body in [
        r#"{"phone":"sekret"}"#,
        r#"{"id":"d-2","id":"d-3","phone":"sekret"}"#,
        r#"{"id":["d-2"],"phone":"sekret"}"#,
        DONOR,
    ] {
        gate.place.stage.body(body);
        let got = gate.get("/donors/d-2", &coordinator()).await;
        let (status, kind) = if body.contains("d-3") { (502, "body-not-judged") } else { (404, "not-available") };
        got.is_problem(status, kind, body);
    }
    assert_eq!(gate.place.stage.asked(), 7);
    let log = gate.end().await.log();
    let told = [
        ("completed", "restricted", 403),
        ("completed", "not-available", 404),
        ("completed", "not-available", 404),
        ("completed", "not-available", 404),
        ("failed", "body-not-judged", 502),
        ("completed", "not-available", 404),
        ("completed", "not-available", 404),
    ];
    assert_eq!(log.endings(), told);
    assert!(log.of("continuation").is_empty(), "a disclosure of what was not released");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_malformed_unlike_its_path_or_too_big_reaches_no_backend() {
    let place = Place::new(Setup { site: "request-body-bytes-max = 2048", ..Setup::default() }).await;
    let gate = place.start();
    let long = format!(r#"{{"id":"d-1","phone":"{}"}}"#, "1".repeat(100_000));
    let cases = [
        (400, "body-malformed", "", r#"{"id":"d-1","phone":"1""#),
        (400, "body-malformed", "", r#"{"id":"d-1","phone":"1","phone":"2"}"#),
        (400, "body-malformed", "", "phone=1"),
        (400, "subject-mismatch", "", r#"{"id":"d-2","phone":"1"}"#),
        (400, "subject-mismatch", "", r#"{"id":["d-1"],"phone":"1"}"#),
        (413, "body-too-large", "", &long),
        (415, "content-type", "Content-Type: text/plain\r\n", r#"{"id":"d-1","phone":"1"}"#),
        (415, "content-coding", "Content-Encoding: gzip\r\n", r#"{"id":"d-1","phone":"1"}"#),
    ];
    for (status, kind, field, body) in cases {
        let got = gate.send("PATCH", "/donors/d-1", &format!("{}{field}", coordinator()), body).await;
        got.is_problem(status, kind, &body[..body.len().min(60)]);
    }
    let chunks = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let head = format!("{}Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n", coordinator());
    let request = format!("PATCH /donors/d-1 HTTP/1.1\r\nHost: a\r\n{head}Connection: close\r\n\r\n{chunks}");
    let got = Got::of_raw(gate.address, &request).await;
    got.is_problem(413, "body-too-large", "in chunks");
    assert_eq!(gate.place.stage.asked(), 0);
    let log = gate.end().await.log();
    let told: Vec<_> =
        cases.iter().map(|(status, kind, ..)| (*kind, *status)).chain([("body-too-large", 413)]).collect();
    assert_eq!(log.refusals(), told.iter().map(|(kind, status)| (*kind, u64::from(*status))).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_route_or_method_is_refused_and_on_record() {
    let gate = Gate::new().await;
    for target in ["/", "/nothing", "/donors/d-1/nothing", "/Donors/d-1"] {
        gate.get(target, &coordinator()).await.is_problem(404, "no-such-route", target);
    }
    for (method, target, allow) in [("PUT", "/donors", "get, head, post"), ("LINK", "/export/donors", "get, head")] {
        let got = gate.send(method, target, &coordinator(), "").await;
        got.is_problem(405, "no-such-method", method);
        assert_eq!(got.field("allow"), Some(allow), "{method}");
    }
    for method in ["TRACE", "OPTIONS"] {
        let got = gate.send(method, "/donors", &coordinator(), "").await;
        assert!(got.status == 405 && !got.bytes.contains("Bearer"), "{method}: {}", got.bytes);
    }
    assert_eq!(gate.place.stage.asked(), 0);
    let log = gate.end().await.log();
    let refusals = log.refusals();
    assert_eq!(refusals[..4], [("no-such-route", 404); 4]);
    assert_eq!(refusals[4..], [("no-such-method", 405); 2]);
    assert_eq!(log.strangers(), [("no-such-method", 2)].into(), "refused before anybody is known: counted");
    let records = log.of("refusal");
    assert!(records.iter().all(|record| record["caller"]["id"] == "s-1" && record["purpose"] == "coordination"));
    assert!(!records.iter().any(|record| record.to_string().contains("nothing")), "the path as it came is no template");
}
