//! A write is judged by what it carries, by whose record it changes, and by what it would erase.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::search::condition;
use super::{CARE, Caller, MONEY, STUDY, stand};
use crate::layer::support::{Answer, Ask, Script, Stand};

/// Deletes what a person had deleted.
const OFFICER: Caller = ("privacy-officer", "principal-request.deletion");

/// One write: what the backend has of the record, and what is sent.
#[derive(Clone)]
struct Write<'a> {
    caller: Caller,
    method: &'a str,
    target: &'a str,
    body: Value,
    stored: Option<Value>,
    fields: Vec<(&'a str, &'a str)>,
}

fn put(body: Value, stored: Option<Value>) -> Write<'static> {
    Write { caller: CARE, method: "PUT", target: "/Condition/c1", body, stored, fields: vec![] }
}

fn patch(body: Value, stored: Value) -> Write<'static> {
    let fields = vec![("content-type", "application/json-patch+json")];
    Write { method: "PATCH", fields, ..put(body, Some(stored)) }
}

fn delete(stored: Option<Value>) -> Write<'static> {
    Write { caller: OFFICER, method: "DELETE", ..put(Value::Null, stored) }
}

async fn write(stand: &Stand, write: Write<'_>) -> Answer {
    let stored = write.stored.clone();
    stand.hook(move || {
        let response = Response::builder().header("content-type", "application/fhir+json");
        let (status, text) = stored.map_or((404, "{}".to_owned()), |record| (200, record.to_string()));
        Ok(response.status(status).body(Script::chunked(&Bytes::from(text), 0)).unwrap())
    });
    stand.next_body(write.body.to_string(), "application/fhir+json");
    let (role, purpose) = write.caller;
    let body = if write.body.is_null() { String::new() } else { write.body.to_string() };
    let ask = Ask {
        method: write.method,
        target: write.target,
        claims: json!({"roles": [role]}),
        purpose,
        body: &body,
        fields: &write.fields,
    };
    let answer = stand.ask(ask).await;
    *stand.backend.hook.lock().unwrap() = None;
    *stand.backend.instead.lock().unwrap() = None;
    answer
}

/// The write's status, and how often the backend was asked.
async fn tried(stand: &Stand, wanted: Write<'_>) -> (u16, usize, String) {
    let asked = stand.asked();
    let answer = write(stand, wanted).await;
    (answer.status.as_u16(), stand.asked() - asked, answer.body)
}

fn sent(stand: &Stand) -> (String, Option<String>) {
    let (uri, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
    (uri, fields.get("if-match").map(|value| value.to_str().unwrap().to_owned()))
}

fn stored() -> Value {
    let mut record = condition("c1", "p1");
    record["meta"] = json!({"versionId": "3", "lastUpdated": "2026-01-01T00:00:00Z"});
    record
}

#[tokio::test]
async fn a_write_goes_on_only_over_the_version_that_was_looked_at() {
    let stand = stand();
    let (status, asked, body) = tried(&stand, put(condition("c1", "p1"), Some(stored()))).await;
    assert_eq!((status, asked), (200, 2), "{body}");
    assert_eq!(sent(&stand), ("/Condition/c1".into(), Some("W/\"3\"".into())));
    let change = json!([{"op": "replace", "path": "/code/text", "value": "y"}]);
    let (status, asked, body) = tried(&stand, patch(change.clone(), stored())).await;
    assert_eq!((status, asked), (200, 2), "{body}");
    assert_eq!(&**stand.backend.last_body.lock().unwrap(), change.to_string().as_bytes());
    let (status, asked, body) = tried(&stand, delete(Some(stored()))).await;
    assert_eq!((status, asked), (200, 2), "{body}");
    let begin = stand.last("begin");
    assert_eq!((begin["action"].as_str(), begin["subjects"].as_array().map(Vec::len)), (Some("delete"), Some(1)));
    for (field, status, asked) in
        [("W/\"3\"", 200, 2), ("*", 200, 2), ("W/\"2\"", 412, 1), ("\"3\"", 400, 0), ("W/\"3\", W/\"4\"", 400, 0)]
    {
        let wanted = Write { fields: vec![("if-match", field)], ..put(condition("c1", "p1"), Some(stored())) };
        let (got, times, body) = tried(&stand, wanted).await;
        assert_eq!((got, times), (status, asked), "{field}: {body}");
    }
}

#[tokio::test]
async fn nobody_writes_over_another_persons_record() {
    let stand = stand();
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    let theirs = || {
        let mut record = stored();
        record["subject"]["reference"] = json!("Patient/p2");
        record
    };
    // The body names one whom the caller may write about; the record is another's.
    let (status, asked, body) = tried(&stand, put(condition("c1", "p1"), Some(theirs()))).await;
    assert_eq!((status, asked), (404, 1), "{body}");
    let (status, asked, body) = tried(&stand, patch(json!([{"op": "remove", "path": "/code"}]), theirs())).await;
    assert_eq!((status, asked), (403, 1), "{body}");
    assert!(body.contains("restricted"), "{body}");
    let physician = Write { caller: CARE, ..delete(Some(stored())) };
    assert_eq!(tried(&stand, physician).await.0, 403, "no permit lets him");
    let mut nobodys = stored();
    nobodys["subject"] = json!({"display": "somebody"});
    let mut other_id = stored();
    other_id["id"] = json!("c2");
    for (record, status) in [(nobodys, 404), (other_id, 502), (json!({"resourceType": "Patient", "id": "c1"}), 502)] {
        let (got, asked, body) = tried(&stand, delete(Some(record.clone()))).await;
        assert_eq!((got, asked), (status, 1), "{record}: {body}");
    }
    for wanted in [delete(None), patch(json!([{"op": "remove", "path": "/code"}]), Value::Null)] {
        let (status, asked, body) = tried(&stand, Write { stored: None, ..wanted }).await;
        assert_eq!((status, asked), (404, 1), "{body}");
    }
}

#[tokio::test]
async fn nothing_that_the_caller_cannot_see_is_erased() {
    let stand = stand();
    let with = |name: &str, value: Value| {
        let mut record = stored();
        record[name] = value;
        record
    };
    for hidden in [
        with("shoeSize", json!(9)),
        with("implicitRules", json!("http://x")),
        with("contained", json!([{"resourceType": "Nonsense", "data": "x"}])),
        with("code", json!({"text": "x", "shoeSize": []})),
    ] {
        let (status, asked, body) = tried(&stand, put(condition("c1", "p1"), Some(hidden.clone()))).await;
        assert_eq!((status, asked), (403, 1), "{hidden}: {body}");
        assert!(body.contains("write-from-redacted-view"), "{body}");
    }
    // A patch erases only what it touches.
    let extended = with("code", json!({"text": "x", "shoeSize": 9}));
    let change = |path: &str| json!([{"op": "remove", "path": path}]);
    assert_eq!(tried(&stand, patch(change("/code"), extended.clone())).await.0, 403);
    assert_eq!(tried(&stand, patch(change("/severity"), extended)).await.0, 200);
    for label in ["REDACTED", "SUBSETTED"] {
        let mut body = condition("c1", "p1");
        body["meta"] = json!({"tag": [{"code": label}]});
        let (status, asked, text) = tried(&stand, put(body, Some(stored()))).await;
        assert_eq!((status, asked), (403, 0), "{label}: {text}");
    }
}

#[tokio::test]
async fn a_write_carries_only_what_may_be_written() {
    let stand = stand();
    let mut extended = condition("c1", "p1");
    extended["shoeSize"] = json!([]);
    for (body, status) in [
        (extended, 403),
        (condition("c2", "p1"), 400),
        (json!({"resourceType": "Condition", "id": "c1"}), 400),
        (json!({"resourceType": "Condition", "id": "c1", "subject": {"reference": "Group/p1"}}), 400),
        (json!({"resourceType": "Encounter", "id": "c1", "subject": {"reference": "Patient/p1"}}), 400),
        (json!({"resourceType": "Condition", "subject": {"reference": "Patient/p1"}}), 400),
    ] {
        let (got, asked, text) = tried(&stand, put(body.clone(), Some(stored()))).await;
        assert_eq!((got, asked), (status, 0), "{body}: {text}");
    }
    for (caller, method, target) in
        [(MONEY, "PUT", "/Condition/c1"), (STUDY, "PUT", "/Condition/c1"), (MONEY, "POST", "/Condition")]
    {
        let wanted = Write { caller, method, target, ..put(condition("c1", "p1"), Some(stored())) };
        let (got, asked, text) = tried(&stand, wanted).await;
        assert_eq!((got, asked), (403, 0), "{method} {target}: {text}");
    }
    // One person's chart: the path and the body name him both.
    let chart = |id: &str| json!({"resourceType": "Patient", "id": id, "name": [{"text": "N"}]});
    let of = |body: Value, stored: Value| Write { target: "/Patient/p1", ..put(body, Some(stored)) };
    assert_eq!(tried(&stand, of(chart("p2"), chart("p1"))).await.0, 400);
    let (status, asked, body) = tried(&stand, of(chart("p1"), chart("p1"))).await;
    assert_eq!((status, asked), (200, 2), "{body}");
    let post = Write { method: "POST", target: "/Patient", ..put(chart("p1"), None) };
    assert_eq!(tried(&stand, post).await.0, 405, "whose record would it be?");
}

#[tokio::test]
async fn a_patch_neither_asks_nor_moves_what_it_may_not() {
    let stand = stand();
    for (operations, status) in [
        (json!([{"op": "replace", "path": "/subject/reference", "value": "Patient/p2"}]), 400),
        (json!([{"op": "remove", "path": "/subject"}]), 400),
        (json!([{"op": "move", "from": "/subject/reference", "path": "/recorder/reference"}]), 400),
        (json!([{"op": "replace", "path": "/id", "value": "c2"}]), 400),
        (json!([{"op": "remove", "path": "/meta"}]), 400),
        (json!([{"op": "replace", "path": "", "value": {}}]), 400),
        (json!([{"op": "test", "path": "/extension/0/valueString", "value": "x"}]), 403),
        (json!([{"op": "copy", "from": "/extension", "path": "/note"}]), 403),
        (json!([{"op": "test", "path": "/code", "value": {"text": "x"}}]), 403),
        (json!([{"op": "copy", "from": "/code", "path": "/severity"}]), 403),
        (json!([{"op": "add", "path": "/code/shoeSize", "value": []}]), 403),
        (json!([{"op": "add", "path": "/code", "value": {"shoeSize": 9}}]), 403),
        (json!([{"op": "frobnicate", "path": "/code"}]), 400),
        (json!([{"op": "remove", "path": "/code", "value": 1}]), 400),
        (json!([{"op": "add", "path": "/code"}]), 400),
        (json!([]), 400),
        (json!({"code": null}), 400),
    ] {
        let (got, asked, text) = tried(&stand, patch(operations.clone(), stored())).await;
        assert_eq!((got, asked), (status, 0), "{operations}: {text}");
    }
    for media in ["application/json", "application/merge-patch+json", "application/fhir+json"] {
        let wanted = Write { fields: vec![("content-type", media)], ..patch(json!([]), stored()) };
        assert_eq!(tried(&stand, wanted).await.0, 415, "{media}");
    }
}

/// A condition that the gate dropped would make a duplicate, or write over what somebody else wrote meanwhile.
#[tokio::test]
async fn a_condition_is_never_dropped() {
    let stand = stand();
    for (method, target, field) in [
        ("POST", "/Condition", "if-match"),
        ("PUT", "/Condition/c1", "if-none-match"),
        ("PUT", "/Condition/c1", "if-none-exist"),
        ("DELETE", "/Condition/c1", "if-unmodified-since"),
    ] {
        let wanted =
            Write { method, target, fields: vec![(field, "identifier=1")], ..put(condition("c1", "p1"), None) };
        let (status, asked, body) = tried(&stand, wanted).await;
        assert_eq!((status, asked), (400, 0), "{method} {field}: {body}");
        assert!(body.contains("condition-refused") && body.contains(field), "{body}");
    }
    for (method, target) in [
        ("PUT", "/Condition"),
        ("DELETE", "/Condition"),
        ("PATCH", "/Condition?"),
        ("PUT", "/Condition/_search?code=x"),
        ("PUT", "/"),
        ("POST", "/$export"),
    ] {
        let wanted = Write { method, target, ..put(condition("c1", "p1"), None) };
        let (status, asked, body) = tried(&stand, wanted).await;
        assert!(matches!(status, 404 | 405) && asked == 0, "{method} {target}: {status} {body}");
        assert_eq!(stand.last("refusal")["status"], status, "on record");
    }
}

#[tokio::test]
async fn what_is_created_is_somebodys_and_its_place_is_told() {
    let stand = stand();
    let asked = stand.asked();
    let body = condition("c9", "p1").to_string();
    stand.hook({
        let body = body.clone();
        move || {
            let response = Response::builder().status(201).header("content-type", "application/fhir+json");
            let response = response.header("location", "http://backend.test/Condition/c9/_history/1");
            Ok(response.body(Script::chunked(&Bytes::from(body), 0)).unwrap())
        }
    });
    let claims = json!({"roles": ["physician"]});
    let ask = Ask { method: "POST", target: "/Condition", claims, purpose: "care", body: &body, ..Ask::default() };
    let answer = stand.ask(ask).await;
    assert_eq!((answer.status.as_u16(), stand.asked() - asked), (201, 1), "{}", answer.body);
    assert_eq!(answer.headers["location"], "/Condition/c9/_history/1");
    assert_eq!(answer.json()["id"], "c9");
    // A `PUT` of what is not there is a creation too.
    let (status, asked, body) = tried(&stand, put(condition("c1", "p1"), None)).await;
    assert_eq!((status, asked, sent(&stand).1), (200, 2, None), "{body}");
}

/// Another person's record rides inside the one that was judged.
#[tokio::test]
async fn no_other_persons_record_is_written_inside_a_record() {
    let stand = stand();
    let observation = |person: &str| {
        json!({"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"},
            "subject": {"reference": format!("Patient/{person}")}})
    };
    let nobodys = json!({"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"}});
    let chart = |id: &str| json!({"resourceType": "Patient", "id": id, "name": [{"text": "N"}]});
    let within = |inner: Value| {
        [
            inner.clone(),
            json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}]}),
            json!({"resourceType": "Parameters", "parameter": [{"name": "x", "part": [{"name": "y", "resource": inner}]}]}),
        ]
    };
    let mut others: Vec<Value> = vec![nobodys, json!({"resourceType": "Patient", "name": [{"text": "N"}]})];
    others.extend(within(observation("p2")));
    others.extend(within(chart("p2")));
    for other in others {
        let mut body = condition("c1", "p1");
        body["contained"] = json!([observation("p1"), other]);
        let create = Write { method: "POST", target: "/Condition", ..put(body.clone(), None) };
        let add = json!([{"op": "add", "path": "/contained/-", "value": other}]);
        let replace = json!([{"op": "replace", "path": "/contained", "value": [other]}]);
        for wanted in [put(body, Some(stored())), create, patch(add, stored()), patch(replace, stored())] {
            let method = wanted.method;
            let (status, asked, text) = tried(&stand, wanted).await;
            assert_eq!((status, asked), (403, 0), "{method} {other}: {text}");
            assert!(text.contains("/contained") || !other["parameter"].is_null(), "{method} {other}: {text}");
        }
    }
    // His own, and no one's, are judged by what they carry.
    for own in [observation("p1"), json!({"resourceType": "Organization", "id": "o1", "name": "clinic"})] {
        let mut body = condition("c1", "p1");
        body["contained"] = json!([own]);
        let (status, asked, text) = tried(&stand, put(body, Some(stored()))).await;
        assert!(!text.contains("contained-of-another") && asked > 0, "{status} {own}: {text}");
    }
}

/// Whoever is named by a version of his chart is named: his record can be written and deleted as it can be read, and is stopped with him.
#[tokio::test]
async fn a_record_whose_subject_has_a_version_is_written_as_it_is_read() {
    let versioned = |person: &str, version: &str| {
        let mut record = condition("c1", person);
        record["subject"]["reference"] = json!(format!("Patient/{person}/_history/{version}"));
        record
    };
    let stand = stand();
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    let change = json!([{"op": "replace", "path": "/code/text", "value": "y"}]);
    for (person, status) in [("p1", 200), ("p2", 403)] {
        let stored = versioned(person, "2");
        for asked in [
            put(versioned(person, "2"), Some(stored.clone())),
            put(condition("c1", person), Some(stored.clone())),
            patch(change.clone(), stored.clone()),
        ] {
            let line = format!("{} {}", asked.method, asked.body);
            let answer = write(&stand, asked).await;
            assert_eq!(answer.status, status, "{line}: {}", answer.body);
        }
        let read = stored.to_string();
        assert_eq!(super::ask(&stand, CARE, "/Condition/c1", &read).await.status, status, "{person}");
    }
    assert_eq!(write(&stand, delete(Some(versioned("p1", "2")))).await.status, 200);
    // Another person is another person, and what is no version names nobody: to read or to write.
    let moved = write(&stand, put(versioned("p3", "1"), Some(versioned("p1", "1")))).await;
    assert!(moved.status.is_client_error(), "{}", moved.body);
    for odd in ["../../Patient/p2", "", "1/x", ".."] {
        assert!(write(&stand, put(versioned("p1", odd), None)).await.status.is_client_error(), "{odd}");
        let read = versioned("p1", odd).to_string();
        assert!(super::ask(&stand, CARE, "/Condition/c1", &read).await.status.is_client_error(), "{odd}");
    }
}

/// Nothing that `status` says is of any category: to stop a drug was refused as if nothing had been permitted.
#[tokio::test]
async fn a_patch_of_what_anybody_may_see_is_judged_as_a_write_of_such_a_record() {
    let stand = stand();
    let prescribed = json!({"resourceType": "MedicationRequest", "id": "m1", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"}, "meta": {"versionId": "3"}});
    let stopped = json!([{"op": "replace", "path": "/status", "value": "stopped"}]);
    let change = |caller, target| {
        let stored = match target {
            "/Patient/p1" => json!({"resourceType": "Patient", "id": "p1", "active": true, "meta": {"versionId": "3"}}),
            _ => prescribed.clone(),
        };
        Write { caller, target, ..patch(stopped.clone(), stored) }
    };
    let (status, asked, body) = tried(&stand, change(CARE, "/MedicationRequest/m1")).await;
    assert_eq!((status, asked), (200, 2), "{body}");
    assert_eq!(&**stand.backend.last_body.lock().unwrap(), stopped.to_string().as_bytes());
    // Whoever may not write such a record may not write this of it.
    for caller in [MONEY, STUDY] {
        let (status, asked, body) = tried(&stand, change(caller, "/MedicationRequest/m1")).await;
        assert_eq!((status, asked), (403, 0), "{caller:?}: {body}");
    }
    // That there is a patient tells nothing: all that his record has is asked for.
    let active = json!([{"op": "replace", "path": "/active", "value": false}]);
    for (caller, wanted) in [(MONEY, 403), (STUDY, 403)] {
        let (status, _, body) = tried(&stand, Write { body: active.clone(), ..change(caller, "/Patient/p1") }).await;
        assert_eq!(status, wanted, "{caller:?}: {body}");
    }
}
