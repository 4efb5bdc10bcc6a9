//! What a server does, or sends to whom, is changed by nobody through the gate, unless the site says so.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use sekisho::catalogue::Catalogue;
use sekisho::demo::sample::Org;
use sekisho::policy::{Source, Vocabulary};
use serde_json::{Value, json};

use super::conditional::send;
use super::{CARE, stand};
use crate::layer::support::Stand;

/// By these a search compares something else, a code stands for something else, an operation does something else, or data is sent.
pub(crate) const KINDS: [&str; 21] = [
    "ActivityDefinition",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "Endpoint",
    "EventDefinition",
    "GraphDefinition",
    "ImplementationGuide",
    "Library",
    "Measure",
    "MessageDefinition",
    "NamingSystem",
    "OperationDefinition",
    "PlanDefinition",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "TerminologyCapabilities",
    "TestScript",
    "ValueSet",
];

/// A server that takes whatever it is sent.
fn serve(stand: &Stand) {
    let answers = |head: &http::request::Parts, body: &Bytes| {
        let kind = head.uri.path().split('/').nth(1).unwrap().to_owned();
        let record = json!({"resourceType": kind, "id": "x1", "status": "draft", "meta": {"versionId": "1"}});
        let found = json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": record}]});
        let text = match (head.method.as_str(), head.uri.query()) {
            ("GET", Some(_)) => found.to_string(),
            ("GET", None) => record.to_string(),
            _ => String::from_utf8(body.to_vec()).unwrap(),
        };
        Response::builder().header("content-type", "application/fhir+json").body(Bytes::from(text)).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
}

fn record(kind: &str) -> Value {
    json!({"resourceType": kind, "id": "x1", "status": "draft"})
}

/// Each way to write a record of this type: method, target beneath the base, body.
fn ways(kind: &str) -> Vec<(&'static str, String, Value)> {
    let mut new = record(kind);
    new.as_object_mut().unwrap().remove("id");
    let patch = json!([{"op": "replace", "path": "/status", "value": "active"}]);
    vec![
        ("POST", kind.to_owned(), new.clone()),
        ("PUT", format!("{kind}/x1"), record(kind)),
        ("PATCH", format!("{kind}/x1"), patch.clone()),
        ("DELETE", format!("{kind}/x1"), Value::Null),
        ("PUT", format!("{kind}?url=urn:x"), new),
        ("PATCH", format!("{kind}?url=urn:x"), patch),
        ("DELETE", format!("{kind}?url=urn:x"), Value::Null),
        ("DELETE", format!("{kind}?_id=x1"), Value::Null),
    ]
}

#[tokio::test]
async fn no_definition_that_a_server_goes_by_is_written() {
    // Whoever is refused too often is told to slow down: not all of it is asked by one caller.
    for kinds in KINDS.chunks(7) {
        let stand = stand();
        serve(&stand);
        for kind in kinds {
            is_refused(&stand, kind).await;
        }
        assert_eq!(stand.asked(), 0, "{kinds:?}: the backend is not asked");
    }
    // They are read as ever.
    let stand = stand();
    serve(&stand);
    for target in ["/ValueSet/x1", "/SearchParameter?url=urn:x"] {
        let answer = stand.get(json!({"roles": [CARE.0]}), CARE.1, target).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    }
}

/// By each way, alone, in a batch and in a transaction.
async fn is_refused(stand: &Stand, kind: &str) {
    for (method, target, body) in ways(kind) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let patch = [("content-type", "application/json-patch+json")];
        let fields = if method == "PATCH" { &patch[..] } else { &[] };
        let answer = send(stand, CARE, (method, &format!("/{target}")), &text, fields).await;
        assert!(matches!(answer.status.as_u16(), 404 | 405), "{method} {target}: {} {}", answer.status, answer.body);
        assert_eq!(stand.last("refusal")["status"], answer.status.as_u16(), "{method} {target}: on record");
    }
    let answer =
        send(stand, CARE, ("POST", &format!("/{kind}")), &record(kind).to_string(), &[("if-none-exist", "url=urn:x")])
            .await;
    assert!(answer.status.is_client_error(), "{kind}: {}", answer.body);
    // Among others it fares no better, and of a transaction it takes the others with it.
    let entries: Vec<Value> = ways(kind)
        .into_iter()
        .map(|(method, url, body)| {
            let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, body.to_string());
            let patch = json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data});
            let mut entry = json!({"request": {"method": method, "url": url}});
            match method {
                "PATCH" => entry["resource"] = patch,
                "DELETE" => {}
                _ => entry["resource"] = body,
            }
            entry
        })
        .collect();
    let bundle =
        |of: &str, entries: &[Value]| json!({"resourceType": "Bundle", "type": of, "entry": entries}).to_string();
    let answer = send(stand, CARE, ("POST", "/"), &bundle("batch", &entries), &[]).await;
    for entry in answer.json()["entry"].as_array().unwrap() {
        let status = entry["response"]["status"].as_str().unwrap();
        assert!(status.starts_with("404") || status.starts_with("405"), "{kind}: {entry}");
    }
    for entry in &entries {
        let answer = send(stand, CARE, ("POST", "/"), &bundle("transaction", std::slice::from_ref(entry)), &[]).await;
        assert!(matches!(answer.status.as_u16(), 404 | 405), "{entry}: {} {}", answer.status, answer.body);
    }
}

#[tokio::test]
async fn a_site_that_says_so_lets_a_definition_be_written_and_no_other() {
    let text = "surface = \"fhir-r4\"\nbased-on = \"fhir-r4\"\nwritable = [\"ValueSet\"]\n";
    let site = Stand::before(Source::new("site.toml", text), Org::Sakura, &[]);
    serve(&site);
    for (kind, taken) in [("ValueSet", true), ("SearchParameter", false), ("Questionnaire", true)] {
        let (method, target, body) = ways(kind).remove(1);
        let answer = send(&site, CARE, (method, &format!("/{target}")), &body.to_string(), &[]).await;
        assert_eq!(answer.status.is_success(), taken, "{kind}: {} {}", answer.status, answer.body);
    }
    let vocabulary = Vocabulary::compiled_in().unwrap();
    for (wrong, told) in [("ValueSt", "ValueSet"), ("Condition", "read only"), ("Patient", "read only")] {
        let text = text.replace("ValueSet", wrong);
        let faults = Catalogue::read([Source::new("site.toml", text)], &vocabulary).err().unwrap().to_string();
        assert!(faults.contains(told), "{wrong}: {faults}");
    }
}
