//! What a transaction reads: judged before the writes, asked for after them, and never on record as released where they are not done.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::search::condition;
use super::transaction::{Seen, create, done, ends, put, send};
use super::{CARE, stand};
use crate::layer::support::Stand;

fn get(url: &str) -> Value {
    json!({"request": {"method": "GET", "url": url}})
}

fn objecting() -> Stand {
    let stand = stand();
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    stand
}

fn found(records: &[Value]) -> Value {
    let entries: Vec<Value> = records.iter().map(|record| json!({"resource": record})).collect();
    json!({"resourceType": "Bundle", "type": "searchset", "entry": entries})
}

/// Records have an id of which the first letter says whose they are (`o`: p2); a search finds one of each, `x` fails. A Bundle
/// is answered by `answer`.
fn serve(stand: &Stand, answer: impl Fn(&Value) -> (u16, Value) + Send + Sync + 'static) -> Seen {
    let seen = Seen::default();
    let bundles = Arc::clone(&seen);
    let answers = move |head: &http::request::Parts, body: &Bytes| {
        let id = head.uri.path().rsplit('/').next().unwrap().to_owned();
        let person = if id.starts_with('o') { "p2" } else { "p1" };
        let (status, text) = match (head.method.as_str(), head.uri.path()) {
            ("POST", "/") => {
                let bundle: Value = serde_json::from_slice(body).unwrap();
                bundles.lock().unwrap().push(bundle.clone());
                answer(&bundle)
            }
            ("GET", "/Condition") if head.uri.query().unwrap().contains("identifier=none") => (200, found(&[])),
            ("GET", "/Condition") if head.uri.query().unwrap().contains("identifier=") => {
                (200, found(&[condition("c5", "p1")]))
            }
            ("GET", "/Condition") | ("POST", "/Condition/_search") => {
                (200, found(&[condition("c5", "p1"), condition("o5", "p2")]))
            }
            ("GET", _) if id.starts_with('x') => (500, json!({"secret": "CANARY"})),
            ("GET", _) => (200, condition(&id, person)),
            (method, path) => panic!("a write went alone: {method} {path}"),
        };
        let response = Response::builder().status(status).header("content-type", "application/fhir+json");
        response.header("etag", "W/\"7\"").body(Bytes::from(text.to_string())).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
    seen
}

fn all_done(bundle: &Value) -> (u16, Value) {
    (200, done(bundle))
}

fn statuses(told: &Value) -> Vec<String> {
    let status = |entry: &Value| entry["response"]["status"].as_str().unwrap()[..3].to_owned();
    told["entry"].as_array().unwrap().iter().map(status).collect()
}

#[tokio::test]
async fn what_is_read_is_asked_for_after_the_writes_and_answered_as_if_it_had_come_alone() {
    let stand = objecting();
    let seen = serve(&stand, all_done);
    let search = json!({"request": {"method": "POST", "url": "Condition/_search?code=x"}});
    let unchanged = json!({"request": {"method": "GET", "url": "Condition/c6", "ifNoneMatch": "W/\"7\""}});
    let entries =
        [get("Condition/c5"), create("c9", "p1"), get("Condition?code=x"), put("c2", "p1"), unchanged, search];
    let answer = send(&stand, CARE, &entries).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    assert_eq!(json["type"], "transaction-response");
    assert_eq!(statuses(&json), ["200", "201", "200", "200", "200", "200"], "{json}");
    // The Bundle has the writes alone, and what is read comes after it.
    let bundle = seen.lock().unwrap()[0].clone();
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 2, "{bundle}");
    let targets = stand.backend.targets.lock().unwrap().clone();
    let after = targets.iter().position(|target| target == "/").unwrap();
    assert!(!targets[..after].iter().any(|target| target == "/Condition/c5" || target.contains('?')), "{targets:?}");
    assert_eq!(targets.len() - after, 5, "{targets:?}");
    // Of the list only what may be released; each read begins and ends on record.
    let list = &json["entry"][2]["resource"];
    assert_eq!(list["entry"].as_array().unwrap().len(), 1, "{list}");
    assert!(!answer.body.contains("p2"), "{}", answer.body);
    let (begun, ended) = ends(&stand);
    assert_eq!((begun, ended.len()), (6, 6), "{ended:?}");
    assert!(ended.iter().all(|(status, _)| matches!(status, 200 | 201)), "{ended:?}");
    let claims = json!({"roles": [CARE.0]});
    let alone = stand.get(claims, CARE.1, "/Condition/c5").await;
    assert_eq!(json["entry"][0]["resource"], alone.json());
    let tag = alone.headers["etag"].to_str().unwrap();
    assert_eq!(json["entry"][0]["response"]["etag"], tag);
    // A condition of a read is the gate's.
    let again = json!({"request": {"method": "GET", "url": "Condition/c5", "ifNoneMatch": tag}});
    let told = send(&stand, CARE, &[again]).await.json();
    assert_eq!(statuses(&told), ["304"], "{told}");
    assert!(told["entry"][0].get("resource").is_none(), "{told}");
}

#[tokio::test]
async fn a_read_that_is_refused_undoes_the_whole_before_anything_is_written() {
    for (refused, status) in [
        (get("Condition?patient=p2"), 403),
        (get("Condition?nonsense=1"), 400),
        (get("Nonsense/1"), 404),
        (get("Condition?_has:Observation:patient:value-string=1"), 400),
    ] {
        let stand = objecting();
        let seen = serve(&stand, all_done);
        let entries = [get("Condition/c5"), create("c9", "p1"), refused.clone(), create("c8", "p1")];
        let answer = send(&stand, CARE, &entries).await;
        assert_eq!(answer.status, status, "{refused}: {}", answer.body);
        assert_eq!(answer.json()["issue"][0]["expression"], json!(["Bundle.entry[2]"]), "{}", answer.body);
        assert_eq!((seen.lock().unwrap().len(), stand.asked()), (0, 0), "{refused}");
        assert_eq!(ends(&stand), (2, vec![(424, "not-done".to_owned()); 2]), "{refused}");
    }
}

/// What came after the writes undoes none of them: it is told where it happened.
#[tokio::test]
async fn a_read_that_fails_after_the_writes_is_told_in_its_own_entry_and_the_writes_stand() {
    let stand = objecting();
    let seen = serve(&stand, all_done);
    let entries = [get("Condition/x1"), create("c9", "p1"), get("Condition/o1"), get("Condition/c5")];
    let answer = send(&stand, CARE, &entries).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    assert_eq!(statuses(&json), ["502", "201", "403", "200"], "{json}");
    for at in [0, 2] {
        assert_eq!(json["entry"][at]["response"]["outcome"]["resourceType"], "OperationOutcome", "{json}");
    }
    assert!(!answer.body.contains("CANARY") && !answer.body.contains("Patient/p2"), "{}", answer.body);
    assert_eq!(seen.lock().unwrap().len(), 1);
    let (begun, mut ended) = ends(&stand);
    ended.retain(|(status, _)| *status >= 400);
    assert_eq!((begun, ended.len()), (4, 2), "{ended:?}");
}

#[tokio::test]
async fn where_the_writes_are_not_done_nothing_is_read_and_nothing_is_on_record_as_released() {
    for (status, body, told) in [(409, json!({}), 409), (200, json!({"resourceType": "Bundle"}), 502)] {
        let stand = stand();
        serve(&stand, move |_: &Value| (status, body.clone()));
        let answer = send(&stand, CARE, &[get("Condition/c5"), create("c9", "p1"), get("Condition?code=x")]).await;
        assert_eq!(answer.status, told, "{}", answer.body);
        assert_eq!(stand.backend.targets.lock().unwrap().clone(), ["/"]);
        let (begun, ended) = ends(&stand);
        assert_eq!((begun, ended.len()), (3, 3));
        assert_eq!(ended.iter().filter(|end| **end == (424, "not-done".to_owned())).count(), 2, "{ended:?}");
        assert!(stand.records().iter().all(|record| record["kind"] != "page" && record["entries"].is_null()));
    }
}

#[tokio::test]
async fn what_a_condition_finds_is_on_record_as_released_only_where_it_is_told() {
    let named = |name: &str, condition: &str| {
        let mut entry = create(name, "p1");
        entry["request"]["ifNoneExist"] = json!(condition);
        entry["resource"].as_object_mut().unwrap().remove("id");
        entry
    };
    let conditional = |condition: &str| named("c9", condition);
    // The last entry may not be done: nothing was told of the record that the condition fits.
    let stand = objecting();
    let seen = serve(&stand, all_done);
    let answer = send(&stand, CARE, &[conditional("identifier=one"), create("o9", "p2")]).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert_eq!((seen.lock().unwrap().len(), ends(&stand)), (0, (1, vec![(424, "not-done".to_owned())])));
    assert!(!stand.backend.targets.lock().unwrap().contains(&"/Condition/c5".to_owned()));
    // Else it is read, after the writes.
    let before = stand.backend.targets.lock().unwrap().len();
    let entries = [conditional("identifier=one"), create("c8", "p1"), named("c6", "identifier=none")];
    let answer = send(&stand, CARE, &entries).await;
    let json = answer.json();
    assert_eq!(statuses(&json), ["200", "201", "201"], "{json}");
    assert_eq!(json["entry"][0]["resource"]["id"], "c5", "{json}");
    let targets = stand.backend.targets.lock().unwrap()[before..].to_vec();
    assert_eq!(targets[2..], ["/".to_owned(), "/Condition/c5".to_owned()], "{targets:?}");
    assert_eq!(seen.lock().unwrap()[0]["entry"].as_array().unwrap().len(), 2);
    // Who refers to it by the name of an entry refers to nobody that is made.
    let mut refers = create("c7", "p1");
    refers["resource"]["evidence"] = json!([{"detail": [{"reference": "urn:uuid:c9"}]}]);
    let answer = send(&stand, CARE, &[conditional("identifier=one"), refers.clone()]).await;
    assert_eq!(answer.status, 501, "{}", answer.body);
    assert_eq!(seen.lock().unwrap().len(), 1);
    // A longer name is another's.
    let mut longer = create("c91", "p1");
    refers["resource"]["evidence"] = json!([{"detail": [{"reference": "urn:uuid:c91"}]}]);
    longer["resource"]["note"] = json!([{"text": "urn:uuid:c91"}]);
    let answer = send(&stand, CARE, &[conditional("identifier=one"), longer, refers]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_read_names_no_entry_that_is_made_beside_it() {
    let stand = stand();
    let seen = serve(&stand, all_done);
    for url in [
        "Condition?encounter=urn:uuid:c9",
        "Condition?encounter=urn%3Auuid%3Ac9",
        "Condition?encounter=x,URN:UUID:C9",
        "Condition?identifier=urn:ietf:rfc:3986%7Curn:uuid:c9",
    ] {
        let answer = send(&stand, CARE, &[create("c9", "p1"), get(url)]).await;
        assert_eq!(answer.status, 501, "{url}: {}", answer.body);
        assert_eq!(answer.json()["issue"][0]["expression"], json!(["Bundle.entry[1]"]));
    }
    // Nor does a condition, which is a search.
    let mut creates = create("c8", "p1");
    creates["request"]["ifNoneExist"] = json!("encounter=urn:uuid:c9");
    let mut replaces = put("c8", "p1");
    replaces["request"]["url"] = json!("Condition?encounter=urn:uuid:c9&patient=p1");
    for conditional in [creates, replaces] {
        let answer = send(&stand, CARE, &[create("c9", "p1"), conditional]).await;
        assert_eq!(answer.status, 501, "{}", answer.body);
        assert_eq!(answer.json()["issue"][0]["expression"], json!(["Bundle.entry[1]"]));
    }
    assert_eq!((seen.lock().unwrap().len(), stand.asked(), ends(&stand).0), (0, 0, 0));
    let answer = send(&stand, CARE, &[create("c9", "p1"), get("Condition?identifier=urn:uuid:c99")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The backend may take its time with the writes.
#[tokio::test]
async fn a_stop_that_comes_while_the_writes_are_done_holds_for_what_is_read_after_them() {
    let stand = Arc::new(stand());
    let other = Arc::downgrade(&stand);
    serve(&stand, move |bundle: &Value| {
        other.upgrade().unwrap().add("restriction", "subject=p1 name=stop-use");
        all_done(bundle)
    });
    let mut conditional = create("c7", "p1");
    conditional["request"]["ifNoneExist"] = json!("identifier=one");
    let entries = [create("c9", "p1"), get("Condition?patient=p1"), get("Condition?code=x"), conditional];
    let answer = send(&stand, CARE, &entries).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    assert_eq!(statuses(&json), ["201", "403", "200", "403"], "{json}");
    let list = &json["entry"][2]["resource"];
    assert!(
        list["entry"].as_array().is_none_or(|found| found.iter().all(|one| one["resource"]["id"] != "c5")),
        "{list}"
    );
    let (begun, ended) = ends(&stand);
    assert_eq!(ended.iter().filter(|(_, code)| code == "not-done").count(), 3, "{begun} {ended:?}");
}

/// The answers are held until the last has come, and no more of them than one answer may be.
#[tokio::test]
async fn what_is_read_is_bounded_and_the_writes_stand() {
    let stand = stand();
    let seen = serve(&stand, all_done);
    let plain = stand.backend.always.lock().unwrap().take().unwrap();
    let mut large = condition("c5", "p1");
    large["code"]["text"] = json!("x".repeat(30_000));
    // The root says first what it is, as of a list of any length.
    let entries = vec![json!({"resource": large}).to_string(); 300].join(",");
    let list = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{entries}]}}"#);
    let answers = move |head: &http::request::Parts, body: &Bytes| match head.uri.query() {
        Some(query) if query.contains("code=large") => {
            let response = Response::builder().header("content-type", "application/fhir+json");
            response.body(Bytes::from(list.clone())).unwrap()
        }
        _ => plain(head, body),
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
    let many = "Condition?code=large&_count=300";
    let entries = [get(many), create("c9", "p1"), get(many), get("Condition/c5")];
    let answer = send(&stand, CARE, &entries).await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    let told = |at: usize| json["entry"][at]["response"].to_string();
    assert_eq!(statuses(&json), ["200", "201", "413", "200"], "{} {}", told(0), told(2));
    assert_eq!(json["entry"][2]["response"]["outcome"]["issue"][0]["details"]["coding"][0]["code"], "answer-too-large");
    assert!(json["entry"][2].get("resource").is_none());
    assert!(answer.body.len() < 17 << 20 && seen.lock().unwrap().len() == 1, "{}", answer.body.len());
}
