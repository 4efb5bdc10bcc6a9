//! Several writes, all or none: each is judged as if it had come alone, and either all go to the backend at once or none.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::search::condition;
use super::{CARE, Caller, MONEY, stand};
use crate::layer::support::{Answer, Ask, Stand};

/// What reached the backend as a Bundle.
pub(super) type Seen = Arc<Mutex<Vec<Value>>>;

/// Records have an id of which the first letter says whose they are (`o`: p2). A Bundle is done as it stands and answered by
/// `answer`, else entry by entry.
pub(super) fn serve(stand: &Stand, answer: Option<Response<Bytes>>) -> Seen {
    let seen = Seen::default();
    let (bundles, answer) = (Arc::clone(&seen), Arc::new(Mutex::new(answer)));
    let answers = move |head: &http::request::Parts, body: &Bytes| {
        let response = || Response::builder().header("content-type", "application/fhir+json");
        let id = head.uri.path().rsplit('/').next().unwrap().to_owned();
        let person = if id.starts_with('o') { "p2" } else { "p1" };
        if head.method == "POST" && head.uri.path() == "/" {
            let bundle: Value = serde_json::from_slice(body).unwrap();
            bundles.lock().unwrap().push(bundle.clone());
            if let Some(answer) = answer.lock().unwrap().take() {
                return answer;
            }
            return response().body(Bytes::from(done(&bundle).to_string())).unwrap();
        }
        assert_eq!(head.method, "GET", "a write went alone");
        response().header("etag", "W/\"7\"").body(Bytes::from(condition(&id, person).to_string())).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
    seen
}

/// What a server answers that does all of it.
pub(super) fn done(bundle: &Value) -> Value {
    let entries: Vec<Value> = bundle["entry"].as_array().unwrap().iter().map(one_done).collect();
    json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})
}

fn one_done(entry: &Value) -> Value {
    let request = &entry["request"];
    match request["method"].as_str().unwrap() {
        "POST" => json!({"resource": entry["resource"], "response": {"status": "201 Created", "etag": "W/\"1\"",
            "location": "Condition/c77/_history/1"}}),
        "DELETE" => json!({"response": {"status": "204"}}),
        _ => {
            let id = request["url"].as_str().unwrap().rsplit('/').next().unwrap();
            json!({"resource": condition(id, "p1"), "response": {"status": "200 OK", "etag": "W/\"8\""}})
        }
    }
}

pub(super) fn transaction(entries: &[Value]) -> String {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string()
}

pub(super) async fn send(stand: &Stand, (role, purpose): Caller, entries: &[Value]) -> Answer {
    send_with(stand, (role, purpose), entries, &[]).await
}

async fn send_with(stand: &Stand, (role, purpose): Caller, entries: &[Value], more: &[(&str, &str)]) -> Answer {
    let fields = [&[("content-type", "application/fhir+json")], more].concat();
    let claims = json!({"roles": [role]});
    stand.ask(Ask { method: "POST", target: "/", claims, purpose, body: &transaction(entries), fields: &fields }).await
}

pub(super) fn create(id: &str, person: &str) -> Value {
    json!({"fullUrl": format!("urn:uuid:{id}"), "resource": condition(id, person),
        "request": {"method": "POST", "url": "Condition"}})
}

pub(super) fn put(id: &str, person: &str) -> Value {
    json!({"resource": condition(id, person), "request": {"method": "PUT", "url": format!("Condition/{id}")}})
}

pub(super) fn delete(id: &str) -> Value {
    json!({"request": {"method": "DELETE", "url": format!("Condition/{id}")}})
}

pub(super) fn patch(id: &str) -> Value {
    let patch = json!([{"op": "replace", "path": "/code/text", "value": "y"}]).to_string();
    let data = base64::engine::general_purpose::STANDARD.encode(patch);
    json!({"resource": {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data},
        "request": {"method": "PATCH", "url": format!("Condition/{id}")}})
}

/// Beginnings, and how their requests ended: the status and the code.
pub(super) fn ends(stand: &Stand) -> (usize, Vec<(u64, String)>) {
    let records = stand.records();
    let of = |kind: &str| records.iter().filter(|record| record["kind"] == *kind).cloned().collect::<Vec<_>>();
    let end = |record: &Value| {
        (record["status"].as_u64().unwrap_or_default(), record["code"].as_str().unwrap_or_default().to_owned())
    };
    (of("begin").len(), of("end").iter().map(end).collect())
}

#[tokio::test]
async fn what_may_all_be_done_is_done_at_once_and_answered_one_by_one() {
    let stand = stand();
    let seen = serve(&stand, None);
    let entries = [create("c9", "p1"), put("c2", "p1"), patch("c3"), create("o9", "p2")];
    let answer = send(&stand, CARE, &entries).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let json = answer.json();
    assert_eq!(json["type"], "transaction-response");
    let told = json["entry"].as_array().unwrap();
    let statuses: Vec<&str> = told.iter().map(|entry| &entry["response"]["status"].as_str().unwrap()[..3]).collect();
    assert_eq!(statuses, ["201", "200", "200", "201"], "{json}");
    for entry in told {
        let decision = entry["response"]["extension"][0]["valueString"].as_str().unwrap();
        assert!(decision.starts_with("permit;id="), "{decision}");
    }
    let bundles = seen.lock().unwrap().clone();
    let [bundle] = bundles.as_slice() else { panic!("asked {} times", bundles.len()) };
    assert_eq!((bundle["resourceType"].as_str(), bundle["type"].as_str()), (Some("Bundle"), Some("transaction")));
    let sent = bundle["entry"].as_array().unwrap();
    let requests: Vec<(&str, &str)> = sent
        .iter()
        .map(|entry| (entry["request"]["method"].as_str().unwrap(), entry["request"]["url"].as_str().unwrap()))
        .collect();
    let wanted = [("POST", "Condition"), ("PUT", "Condition/c2"), ("PATCH", "Condition/c3"), ("POST", "Condition")];
    assert_eq!(requests, wanted);
    // Others refer to what is made by that name; an address is the backend's own to give.
    assert_eq!(sent[0]["fullUrl"], "urn:uuid:c9");
    assert_eq!(sent[0]["resource"], condition("c9", "p1"));
    assert_eq!(sent[2]["resource"]["contentType"], "application/json-patch+json");
    assert_eq!(ends(&stand).0, 4);
    assert!(ends(&stand).1.iter().all(|(status, _)| matches!(status, 200 | 201)), "{:?}", ends(&stand));
}

#[tokio::test]
async fn if_one_may_not_be_done_none_is() {
    for (at, refused) in [put("o1", "p2"), create("o9", "p2"), delete("o1"), patch("o1")].into_iter().enumerate() {
        let stand = stand();
        stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
        let seen = serve(&stand, None);
        let mut entries = vec![create("c8", "p1"), put("c2", "p1"), create("c9", "p1"), put("c3", "p1")];
        entries.insert(at, refused.clone());
        let answer = send(&stand, CARE, &entries).await;
        let alone = stand_alone(&refused).await;
        assert_eq!(answer.status, alone, "{refused}: {}", answer.body);
        let json = answer.json();
        assert_eq!(json["resourceType"], "OperationOutcome");
        assert_eq!(json["issue"][0]["expression"], json!([format!("Bundle.entry[{at}]")]), "{json}");
        assert!(seen.lock().unwrap().is_empty(), "{refused}");
        // Those before it were begun, and are said not to be done.
        let (begun, ended) = ends(&stand);
        assert_eq!((begun, ended), (at, vec![(424, "not-done".to_owned()); at]), "{refused}");
        assert_eq!(stand.last("refusal")["status"].as_u64(), Some(alone.as_u16().into()));
    }
}

/// The status of the same request by itself.
async fn stand_alone(entry: &Value) -> StatusCode {
    let stand = stand();
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    serve(&stand, None);
    let body = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]}).to_string();
    let fields = [("content-type", "application/fhir+json")];
    let claims = json!({"roles": [CARE.0]});
    let ask = Ask { method: "POST", target: "/", claims, purpose: CARE.1, body: &body, fields: &fields };
    let status = stand.ask(ask).await.json()["entry"][0]["response"]["status"].as_str().unwrap()[..3].to_owned();
    status.parse().unwrap()
}

#[tokio::test]
async fn what_is_no_request_undoes_the_whole_before_anything_is_asked() {
    let stand = stand();
    let seen = serve(&stand, None);
    for (odd, status, kind) in [
        (json!({"request": {"method": "OPTIONS", "url": "Condition/c1"}}), 400, "body-malformed"),
        (json!({"request": {"method": "GET", "url": "/Condition/c1"}}), 400, "body-malformed"),
        (json!({"request": {"method": "GET", "url": "Patient/urn:uuid:c9"}}), 400, "body-malformed"),
        (json!({}), 400, "body-malformed"),
        (json!({"request": {"method": "DELETE", "url": "Condition/c1", "ifSomething": "x"}}), 400, "body-malformed"),
    ] {
        let answer = send(&stand, CARE, &[create("c9", "p1"), odd.clone(), create("c8", "p1")]).await;
        assert_eq!(answer.status, status, "{odd}: {}", answer.body);
        assert!(answer.body.contains(kind), "{}", answer.body);
        assert_eq!(answer.json()["issue"][0]["expression"], json!(["Bundle.entry[1]"]));
    }
    assert_eq!((stand.asked(), ends(&stand).0), (0, 0));
    assert!(seen.lock().unwrap().is_empty());
}

/// Whoever is meant by the name of another entry is not known before that is made.
#[tokio::test]
async fn a_record_of_whoever_is_made_beside_it_is_refused() {
    let stand = stand();
    let seen = serve(&stand, None);
    let patient = json!({"fullUrl": "urn:uuid:new", "resource": {"resourceType": "Patient", "name": [{"text": "x"}]},
        "request": {"method": "POST", "url": "Patient"}});
    let mut of_him = create("c9", "p1");
    of_him["resource"]["subject"]["reference"] = json!("urn:uuid:new");
    let answer = send(&stand, CARE, &[patient, of_him]).await;
    assert!(answer.status.is_client_error(), "{}", answer.body);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_backend_that_refuses_or_answers_nonsense_is_told_as_such() {
    let with = |status: u16, media: &str, body: &str| {
        let response = Response::builder().status(status).header("content-type", media);
        Some(response.body(Bytes::from(body.to_owned())).unwrap())
    };
    let fhir = "application/fhir+json";
    let short =
        json!({"resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": {"status": "201"}}]});
    let batch = json!({"resourceType": "Bundle", "type": "batch-response", "entry": [{}, {}]});
    let odd = json!({"resourceType": "Bundle", "type": "transaction-response",
        "entry": [{"response": {"status": "201"}}, {"response": {"status": "fine"}}]});
    for (answer, status, code) in [
        (with(409, fhir, "{\"secret\":\"CANARY\"}"), 409, "backend-refused"),
        (with(412, fhir, ""), 412, "backend-refused"),
        (with(500, "text/html", "CANARY"), 502, "backend-error"),
        (with(200, fhir, &short.to_string()), 502, "body-not-judged"),
        (with(200, fhir, &batch.to_string()), 502, "body-not-judged"),
        (with(200, fhir, &odd.to_string()), 502, "body-not-judged"),
        (with(200, fhir, "{\"resourceType\":\"Bundle\",\"type\":"), 502, "body-not-judged"),
        (with(200, "text/plain", &done(&json!({"entry": []})).to_string()), 502, "body-not-judged"),
    ] {
        let stand = stand();
        serve(&stand, answer);
        let answer = send(&stand, CARE, &[create("c9", "p1"), create("c8", "p1")]).await;
        assert_eq!(answer.status, status, "{code}: {}", answer.body);
        assert!(!answer.body.contains("CANARY") && answer.body.contains(code), "{}", answer.body);
        let (begun, ended) = ends(&stand);
        // What the backend says that it has done is on record as done.
        let end = if code == "body-not-judged" { (200, "answer-not-released") } else { (status.into(), code) };
        assert_eq!((begun, ended), (2, vec![(end.0, end.1.to_owned()); 2]));
    }
}

#[tokio::test]
async fn an_answer_about_somebody_else_or_with_what_is_withheld_is_cut_as_if_it_had_come_alone() {
    let stand = stand();
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    let foreign = json!({"resourceType": "Bundle", "type": "transaction-response", "entry": [
        {"resource": condition("c9", "p2"), "response": {"status": "201", "location": "Condition/c9"}},
        {"resource": {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "CANARY"}]}, "response": {"status": "200"}},
        {"response": {"status": "422", "outcome": {"resourceType": "OperationOutcome", "text": "CANARY"}}},
    ]});
    let response = Response::builder().header("content-type", "application/fhir+json");
    serve(&stand, Some(response.body(Bytes::from(foreign.to_string())).unwrap()));
    let answer = send(&stand, CARE, &[create("c9", "p1"), put("c2", "p1"), create("c8", "p1")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(!answer.body.contains("p2") && !answer.body.contains("CANARY"), "{}", answer.body);
    let json = answer.json();
    assert!(json["entry"][0].get("resource").is_none(), "{json}");
    assert_eq!(&json["entry"][2]["response"]["status"].as_str().unwrap()[..3], "422", "{json}");
}

#[tokio::test]
async fn a_dry_run_and_a_caller_who_may_not_write_change_nothing() {
    let stand = stand();
    let seen = serve(&stand, None);
    let entries = [create("c9", "p1"), put("c1", "p1")];
    let dry = send_with(&stand, CARE, &entries, &[("purpose-of-use-dry-run", "?1")]).await;
    assert_eq!(dry.status, StatusCode::OK, "{}", dry.body);
    assert_eq!(send(&stand, MONEY, &entries).await.status, StatusCode::FORBIDDEN);
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(stand.backend.asked.load(Ordering::Relaxed), stand.asked());
}

#[tokio::test]
async fn a_log_that_takes_no_beginning_lets_no_write_of_the_whole_go() {
    let stand = stand();
    let seen = serve(&stand, None);
    stand.disk.fail_flush_after(1);
    let answer = send(&stand, CARE, &[create("c9", "p1"), create("c8", "p1")]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    assert!(seen.lock().unwrap().is_empty());
}

/// In a Bundle a `?` is a condition, which is the gate's to look up; and a name is a name only once.
#[tokio::test]
async fn the_backend_is_sent_no_condition_and_no_name_but_those_that_were_judged() {
    let stand = stand();
    let seen = serve(&stand, None);
    let mut odd = create("c9", "p1");
    odd["request"]["url"] = json!("Condition?_format=json");
    odd["fullUrl"] = json!("urn:x:y/../Patient/p2");
    let answer = send(&stand, CARE, &[odd]).await;
    let sent = seen.lock().unwrap().first().cloned();
    if let Some(bundle) = sent {
        assert_eq!(bundle["entry"][0]["request"]["url"], "Condition", "{}", answer.body);
        assert!(bundle["entry"][0].get("fullUrl").is_none(), "{bundle}");
    }
    let twice = send(&stand, CARE, &[create("c9", "p1"), create("c9", "p1")]).await;
    assert_eq!((twice.status.as_u16(), seen.lock().unwrap().len()), (400, 1), "{}", twice.body);
}

/// A server makes the search that stands in the place of a reference, by its own rights.
#[tokio::test]
async fn a_search_in_the_place_of_a_reference_reaches_no_backend() {
    let stand = stand();
    let seen = serve(&stand, None);
    let search = "Patient?_has:Condition:patient:code=B20";
    let with = |member: &str, value: Value| {
        let mut entry = create("c9", "p1");
        entry["resource"][member] = value;
        entry
    };
    let reference = |text: &str| json!({"reference": text});
    let patch = |path: &str, value: Value| {
        let patch = json!([{"op": "add", "path": path, "value": value}]).to_string();
        let data = base64::engine::general_purpose::STANDARD.encode(patch);
        json!({"resource": {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data},
            "request": {"method": "PATCH", "url": "Condition/c1"}})
    };
    let mut replaced = put("c1", "p1");
    replaced["resource"]["asserter"] = reference(search);
    for entry in [
        with("asserter", reference(search)),
        with("asserter", reference("https://backend.test/Patient?name=1")),
        with("evidence", json!([{"detail": [reference("Observation?patient=p2&code=HIV")]}])),
        with("extension", json!([{"url": "http://x", "valueReference": reference(search)}])),
        with("contained", json!([{"resourceType": "Device", "id": "d", "location": reference("Location?name=1")}])),
        replaced,
        patch("/asserter", reference(search)),
        patch("/asserter/reference", json!(search)),
        patch("/evidence/-", json!({"detail": [reference(search)]})),
    ] {
        for kind in ["transaction", "batch"] {
            let body = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]}).to_string();
            let fields = [("content-type", "application/fhir+json")];
            let claims = json!({"roles": [CARE.0]});
            let ask = Ask { method: "POST", target: "/", claims, purpose: CARE.1, body: &body, fields: &fields };
            let answer = stand.ask(ask).await;
            assert!(answer.body.contains("reference-searches"), "{kind} {entry}: {}", answer.body);
        }
    }
    assert_eq!((stand.asked(), seen.lock().unwrap().len()), (0, 0));
    let answer = send(&stand, CARE, &[with("asserter", reference("Practitioner/d1"))]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

/// What was sent to the backend ends on record, whatever becomes of the asking.
#[tokio::test]
async fn a_backend_that_breaks_while_it_is_asked_leaves_every_write_with_its_end() {
    for (panics, code) in [(true, "backend-unreachable"), (false, "backend-unreachable")] {
        let stand = stand();
        serve(&stand, None);
        stand.hook(move || if panics { panic!("the backend's client broke") } else { Err("connection reset".into()) });
        let answer = send(&stand, CARE, &[create("c9", "p1"), create("c8", "p1")]).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{}", answer.body);
        assert_eq!(ends(&stand), (2, vec![(502, code.to_owned()); 2]), "panics: {panics}");
    }
}
