//! Several requests in one are each judged as if they had come alone, and what is not so is not done.

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::search::{bundle, condition};
use super::{CARE, Caller, MONEY, stand};
use crate::layer::support::{Answer, Ask, Stand};

fn serve(stand: &Stand) {
    let answers = |head: &http::request::Parts, body: &Bytes| {
        let response = Response::builder().header("content-type", "application/fhir+json");
        let id = head.uri.path().rsplit('/').next().unwrap().to_owned();
        let person = if id.starts_with('o') { "p2" } else { "p1" };
        let (status, text) = match (head.method.as_str(), head.uri.query()) {
            ("GET", Some(_)) => (200, bundle(&[condition("c1", "p1"), condition("o1", "p2")]).to_string()),
            ("GET", None) if id == "gone" => (404, "{}".to_owned()),
            ("GET", None) if id == "torn" => (200, "{\"resourceType\":".to_owned()),
            ("GET", None) => {
                (200, condition(&id, person).to_string().replacen('{', "{\"onsetAge\":{\"value\":0.010},", 1))
            }
            ("POST", _) => (201, String::from_utf8(body.to_vec()).unwrap()),
            _ => (200, String::from_utf8(body.to_vec()).unwrap()),
        };
        response.status(status).body(Bytes::from(text)).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
}

async fn send(stand: &Stand, (role, purpose): Caller, body: &str) -> Answer {
    let fields = [("content-type", "application/fhir+json")];
    let claims = json!({"roles": [role]});
    stand.ask(Ask { method: "POST", target: "/", claims, purpose, body, fields: &fields }).await
}

fn batch(entries: &[Value]) -> String {
    json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string()
}

fn get(url: &str) -> Value {
    json!({"request": {"method": "GET", "url": url}})
}

fn statuses(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    assert_eq!((answer.status.as_u16(), json["type"].as_str()), (200, Some("batch-response")), "{json}");
    let entries = json["entry"].as_array().unwrap().iter();
    entries.map(|entry| entry["response"]["status"].as_str().unwrap()[..3].to_owned()).collect()
}

/// A page of 300 kB that takes long to make, a hundred times over, with one request of 7 kB.
#[tokio::test]
async fn a_bundle_cannot_ask_for_help() {
    let stand = stand();
    serve(&stand);
    let answer = send(&stand, CARE, &batch(&[get("/.well-known/purpose-of-use"), get("Condition/c1")])).await;
    assert_eq!(statuses(&answer), ["400", "200"], "{}", answer.body);
}

/// What would be answered is no resource: as the text of one it has to be escaped, or it would be part of the Bundle itself.
#[tokio::test]
async fn a_dry_run_in_a_batch_is_told_as_text_and_asks_no_backend() {
    let stand = stand();
    serve(&stand);
    let dry = ("purpose-of-use-dry-run", "?1");
    let created = json!({"resource": condition("c9", "p1"), "request": {"method": "POST", "url": "Condition"}});
    let body = batch(&[get("Condition/c1"), created, get("Nothing/1")]);
    let (target, purpose, claims) = ("/", CARE.1, json!({"roles": [CARE.0]}));
    let fields = [("content-type", "application/fhir+json"), dry];
    let answer =
        stand.ask(Ask { method: "POST", target, claims: claims.clone(), purpose, body: &body, fields: &fields }).await;
    assert_eq!(statuses(&answer), ["200", "200", "404"], "{}", answer.body);
    let told = |at: usize| {
        let resource = answer.json()["entry"][at]["resource"].clone();
        assert_eq!(
            (&resource["resourceType"], &resource["parameter"][0]["name"]),
            (&json!("Parameters"), &json!("decision"))
        );
        let text = resource["parameter"][0]["valueString"].as_str().unwrap().to_owned();
        assert!(text.contains('"') && answer.body.contains(&json!(text).to_string()), "{text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let alone = Ask { method: "GET", target: "/Condition/c1", claims, purpose, fields: &[dry], ..Ask::default() };
    let mut alone = stand.ask(alone).await.json();
    let mut within = told(0);
    for one in [&mut alone, &mut within] {
        assert!(one["decision"].take().is_string(), "{one}"); // each has its own
    }
    assert_eq!(within, alone);
    assert!(told(1).is_object());
    let dry = stand.records().into_iter().filter(|record| record["mode"] == "dry-run" && record["kind"] == "refusal");
    assert_eq!((dry.count(), stand.asked()), (4, 0), "three of the batch and one alone, on record and not forwarded");
}

#[tokio::test]
async fn each_entry_of_a_batch_is_answered_and_recorded_as_if_it_had_come_alone() {
    let stand = stand();
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    serve(&stand);
    let entries = [
        get("Condition/c1"),
        get("Condition/o1"),
        get("Condition?code=x"),
        get("Condition/gone"),
        get("Condition?shoe-size=9"),
        get("Nothing/1"),
        get("Condition/torn"),
        json!({"fullUrl": "urn:uuid:1", "resource": condition("c9", "p1"), "request": {"method": "POST", "url": "Condition"}}),
    ];
    let answer = send(&stand, CARE, &batch(&entries)).await;
    let seen = stand.records().len();
    assert_eq!(statuses(&answer), ["200", "403", "200", "404", "400", "404", "502", "201"], "{}", answer.body);
    let json = answer.json();
    assert_eq!(json["entry"][0]["resource"]["id"], "c1");
    // Digits are the backend's own.
    assert!(answer.body.contains("0.010"), "{}", answer.body);
    for refused in [1, 3, 4, 5, 6] {
        let entry = &json["entry"][refused];
        assert!(entry.get("resource").is_none(), "{entry}");
        assert_eq!(entry["response"]["outcome"]["resourceType"], "OperationOutcome", "{entry}");
    }
    assert_eq!(json["entry"][2]["resource"]["entry"].as_array().unwrap().len(), 1, "{json}");
    assert!(!answer.body.contains("p2"), "{}", answer.body);
    let decision = json["entry"][0]["response"]["extension"][0]["valueString"].as_str().unwrap();
    assert!(decision.starts_with("permit;id="), "{decision}");
    // One beginning or refusal for each, under an id of its own.
    let records = stand.records();
    assert!(records.len() >= seen);
    let mut ids: Vec<&str> = records
        .iter()
        .filter(|record| matches!(record["kind"].as_str(), Some("begin" | "refusal")))
        .map(|record| record["decision"].as_str().or(record["id"].as_str()).unwrap_or_default())
        .collect();
    assert_eq!(ids.len(), entries.len(), "{records:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), entries.len(), "{ids:?}");
    // The same, one by one.
    for (entry, alone) in entries.iter().take(6).zip(statuses(&answer)) {
        let target = format!("/{}", entry["request"]["url"].as_str().unwrap());
        let answer = stand.get(json!({"roles": ["physician"]}), "care", &target).await;
        assert_eq!(answer.status.as_str(), alone, "{target}");
    }
}

#[tokio::test]
async fn an_entry_is_not_permitted_more_than_its_request_alone() {
    let stand = stand();
    serve(&stand);
    let patch = base64::engine::general_purpose::STANDARD
        .encode(json!([{"op": "replace", "path": "/code/text", "value": "y"}]).to_string());
    let binary = json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": patch});
    let entries = [
        get("Condition/c1"),
        get("Patient?_has:Condition:patient:code=F20"),
        json!({"resource": condition("c1", "p1"), "request": {"method": "PUT", "url": "Condition/c1"}}),
        json!({"resource": binary, "request": {"method": "PATCH", "url": "Condition/c1"}}),
        json!({"request": {"method": "DELETE", "url": "Condition/c1"}}),
    ];
    assert_eq!(statuses(&send(&stand, MONEY, &batch(&entries)).await), ["403"; 5]);
    assert_eq!(stand.asked(), 0, "the backend is not asked");
    let answer = send(&stand, CARE, &batch(&entries)).await;
    assert_eq!(statuses(&answer)[2..4], ["200", "200"], "{}", answer.body);
}

#[tokio::test]
async fn an_entrys_conditions_are_its_own() {
    let stand = stand();
    serve(&stand);
    let with = |condition_name: &str, value: &str, method: &str, url: &str| {
        let mut request = json!({"method": method, "url": url});
        request[condition_name] = json!(value);
        json!({"resource": condition("c1", "p1"), "request": request})
    };
    let entries = [
        with("ifMatch", "W/\"9\"", "PUT", "Condition/c1"),
        with("ifNoneExist", "shoe-size=9", "POST", "Condition"),
        with("ifNoneMatch", "*", "PUT", "Condition/c1"),
        with("ifSomething", "x", "PUT", "Condition/c1"),
    ];
    // The record that is stored has no version, which the first could be held to.
    assert_eq!(statuses(&send(&stand, CARE, &batch(&entries)).await), ["428", "400", "400", "400"]);
}

#[tokio::test]
async fn a_target_that_leaves_the_base_is_not_taken() {
    let stand = stand();
    serve(&stand);
    let targets = [
        "",
        "/Condition/c1",
        "//elsewhere/Condition/c1",
        "http://backend.test/Condition/c1",
        "../Condition/c1",
        "Condition/../Condition/c1",
        "Condition/c1#x",
        "Condition\\c1",
        "Condition/c1 ",
        "?_type=Condition",
        "%2e%2e/Condition/c1",
    ];
    let entries: Vec<Value> = targets.iter().map(|target| get(target)).collect();
    let answer = send(&stand, CARE, &batch(&entries)).await;
    assert_eq!(statuses(&answer), ["400"; 11], "{}", answer.body);
    assert_eq!(stand.asked(), 0, "the backend is not asked");
}

#[tokio::test]
async fn what_is_no_batch_is_refused_whole() {
    let stand = stand();
    serve(&stand);
    let of = |kind: &str, entries: Value| json!({"resourceType": "Bundle", "type": kind, "entry": entries}).to_string();
    let many: Vec<Value> = (0..101).map(|_| get("Condition/c1")).collect();
    for (body, status, kind) in [
        (of("transaction", json!([get("Nonsense/c1")])), 404, "no-such-route"),
        (of("transaction", json!([])), 400, "body-malformed"),
        (of("searchset", json!([get("Condition/c1")])), 400, "body-malformed"),
        (of("history", json!([get("Condition/c1")])), 400, "body-malformed"),
        (of("batch", json!([])), 400, "body-malformed"),
        (of("batch", json!({})), 400, "body-malformed"),
        (of("batch", json!(many)), 413, "body-too-large"),
        (condition("c1", "p1").to_string(), 400, "body-malformed"),
        ("[".into(), 400, "body-malformed"),
        (r#"{"resourceType":"Bundle","type":"batch","type":"transaction","entry":[]}"#.into(), 400, "body-malformed"),
    ] {
        let answer = send(&stand, CARE, &body).await;
        assert_eq!(answer.status, status, "{body:.80}: {}", answer.body);
        assert!(answer.body.contains(kind), "{}", answer.body);
        assert_eq!(stand.last("refusal")["status"], status, "on record");
    }
    let within = json!({"resource": serde_json::from_str::<Value>(&batch(&[get("Condition/c1")])).unwrap(),
        "request": {"method": "POST", "url": "."}});
    let odd = [
        within,
        json!({}),
        json!(7),
        json!({"request": {"method": "TRACE", "url": "Condition/c1"}}),
        json!({"request": {"method": "GET", "url": "Condition/c1"}, "resource": condition("c1", "p1")}),
        json!({"request": {"method": "GET", "url": "Condition/c1"}, "response": {"status": "200"}}),
    ];
    let answer = send(&stand, CARE, &batch(&odd)).await;
    assert!(statuses(&answer).iter().all(|status| matches!(status.as_str(), "400" | "404")), "{}", answer.body);
    assert_eq!(stand.asked(), 0, "the backend is not asked");
    let claims = Value::Null;
    let fields = [("content-type", "application/fhir+json")];
    let ask = Ask {
        method: "POST",
        target: "/",
        claims,
        purpose: "care",
        body: &batch(&[get("Condition/c1")]),
        fields: &fields,
    };
    assert_eq!(stand.ask(ask).await.status, 401);
}
