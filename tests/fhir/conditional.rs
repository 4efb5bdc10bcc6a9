//! A write on a condition tells nothing that a search would not, and reaches the backend without its condition.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use sekisho::catalogue::Catalogue;
use sekisho::demo::sample::Org;
use serde_json::{Value, json};

use super::search::{bundle, condition};
use super::{CARE, Caller, MONEY, STUDY, stand};
use crate::layer::support::{Answer, Ask, Stand};

/// What reached the backend.
type Seen = Arc<Mutex<Vec<(String, String, Option<String>)>>>;

/// A backend that finds these, has them by their ids, and answers a write with what was written.
fn serve(stand: &Stand, found: Vec<Value>) -> Seen {
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let answers = move |head: &http::request::Parts, body: &Bytes| {
        let field = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert!(field("if-none-exist").is_none(), "the backend is sent no condition");
        kept.lock().unwrap().push((head.method.to_string(), head.uri.to_string(), field("if-match")));
        let response = Response::builder().header("content-type", "application/fhir+json");
        let by_id = |record: &&Value| head.uri.path().ends_with(record["id"].as_str().unwrap());
        let (status, text) = match (head.method.as_str(), head.uri.query()) {
            ("GET", Some(_)) => (200, bundle(&found).to_string()),
            ("GET", None) => match found.iter().find(by_id) {
                Some(record) => (200, record.to_string()),
                None => (404, "{}".to_owned()),
            },
            ("DELETE", _) => (204, String::new()),
            ("POST", _) => (201, String::from_utf8(body.to_vec()).unwrap().replacen('{', "{\"id\":\"new\",", 1)),
            _ => (200, String::from_utf8(body.to_vec()).unwrap()),
        };
        response.status(status).body(Bytes::from(text)).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
    seen
}

fn stored(id: &str, person: &str) -> Value {
    let mut record = condition(id, person);
    record["meta"] = json!({"versionId": "3"});
    record
}

fn new(person: &str) -> String {
    let mut record = condition("", person);
    record.as_object_mut().unwrap().remove("id");
    record.to_string()
}

pub(super) async fn send(
    stand: &Stand,
    (role, purpose): Caller,
    line: (&str, &str),
    body: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let (method, target) = line;
    stand.ask(Ask { method, target, claims: json!({"roles": [role]}), purpose, body, fields }).await
}

async fn create(stand: &Stand, condition: &str, body: &str) -> Answer {
    send(stand, CARE, ("POST", "/Condition"), body, &[("if-none-exist", condition)]).await
}

fn lines(seen: &Seen) -> Vec<String> {
    seen.lock().unwrap().drain(..).map(|(method, uri, _)| format!("{method} {uri}")).collect()
}

/// Its body is not looked at, and nothing is searched: what is wrong with the body, or fits, tells nobody who may not write at all.
#[tokio::test]
async fn a_conditional_write_that_its_head_refuses_is_refused_before_its_body_and_its_search() {
    let stand = stand();
    let seen = serve(&stand, vec![stored("c1", "p1")]);
    let condition = [("if-none-exist", "identifier=urn:x|1")];
    for (line, fields) in [
        (("POST", "/Condition"), &condition[..]),
        (("PUT", "/Condition?identifier=urn:x|1&patient=Patient/p1"), &[]),
        (("PATCH", "/Condition?identifier=urn:x|1&patient=Patient/p1"), &[]),
    ] {
        let mut told = Vec::new();
        for (body, media) in
            [("{", "application/fhir+json"), (&*new("p1"), "application/fhir+json"), ("x", "text/plain")]
        {
            let fields = [fields, &[("content-type", media)]].concat();
            let answer = send(&stand, STUDY, line, body, &fields).await;
            let code = answer.json()["issue"][0]["details"]["coding"][0]["code"].as_str().map(str::to_owned);
            told.push((answer.status.as_u16(), code));
            assert_eq!(stand.last("refusal")["status"], 403, "{line:?} {media}: on record");
        }
        assert!(told.iter().all(|one| *one == (403, Some("action-not-permitted".to_owned()))), "{line:?}: {told:?}");
    }
    assert!(lines(&seen).is_empty());
}

#[tokio::test]
async fn a_conditional_create_makes_a_record_only_where_none_fits() {
    let stand = stand();
    let seen = serve(&stand, vec![]);
    let answer = create(&stand, "identifier=urn:x|1", &new("p1")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    // About this person and no other, whatever the caller left out.
    assert_eq!(lines(&seen), ["GET /Condition?identifier=urn:x|1&patient=Patient/p1&_count=2", "POST /Condition"]);
    assert_eq!(stand.last("begin")["action"], "create");
    let seen = serve(&stand, vec![stored("c1", "p1")]);
    let answer = create(&stand, "identifier=1&patient=p1", &new("p1")).await;
    assert_eq!((answer.status.as_u16(), answer.json()["id"].as_str()), (200, Some("c1")), "{}", answer.body);
    assert_eq!(lines(&seen), ["GET /Condition?identifier=1&patient=p1&_count=2", "GET /Condition/c1"]);
    assert_eq!(stand.last("begin")["action"], "read");
    let seen = serve(&stand, vec![stored("c1", "p1"), stored("c2", "p1")]);
    let answer = create(&stand, "identifier=1", &new("p1")).await;
    assert_eq!(answer.status, 412, "{}", answer.body);
    assert_eq!((lines(&seen).len(), stand.last("refusal")["status"].as_u64()), (1, Some(412)));
}

#[tokio::test]
async fn a_conditional_change_writes_the_one_record_that_fits_in_the_version_that_was_found() {
    let stand = stand();
    let seen = serve(&stand, vec![stored("c1", "p1")]);
    let answer = send(&stand, CARE, ("PUT", "/Condition?identifier=1"), &new("p1"), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["id"], "c1");
    let last = seen.lock().unwrap().last().unwrap().clone();
    assert_eq!(last, ("PUT".into(), "/Condition/c1".into(), Some("W/\"3\"".into())));
    let officer = ("privacy-officer", "principal-request.deletion");
    lines(&seen);
    let answer = send(&stand, officer, ("DELETE", "/Condition?identifier=1&patient=p1"), "", &[]).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(lines(&seen).last().unwrap(), "DELETE /Condition/c1");
    let patch = json!([{"op": "replace", "path": "/code/text", "value": "y"}]).to_string();
    let fields = [("content-type", "application/json-patch+json")];
    let answer = send(&stand, CARE, ("PATCH", "/Condition?identifier=1&patient=p1"), &patch, &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(lines(&seen).last().unwrap(), "PATCH /Condition/c1");
    let seen = serve(&stand, vec![]);
    let answer = send(&stand, CARE, ("PUT", "/Condition?identifier=1"), &new("p1"), &[]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(lines(&seen).last().unwrap(), "POST /Condition");
    let named = condition("c7", "p1").to_string();
    let answer = send(&stand, CARE, ("PUT", "/Condition?identifier=1"), &named, &[]).await;
    assert_eq!((answer.status.as_u16(), lines(&seen).len()), (400, 1), "{}", answer.body);
    let answer = send(&stand, CARE, ("PATCH", "/Condition?identifier=1&patient=p1"), &patch, &fields).await;
    assert_eq!(answer.status, 404, "{}", answer.body);
}

/// What the condition compares is charged as a search: an accountant would find out who has which illness.
#[tokio::test]
async fn a_condition_on_what_is_hidden_is_refused_by_name_and_nothing_is_searched() {
    let stand = stand();
    let seen = serve(&stand, vec![]);
    let claim = json!({"resourceType": "Claim", "patient": {"reference": "Patient/p1"}}).to_string();
    for (caller, line, body, field, named) in [
        (MONEY, ("POST", "/Claim"), &claim, Some("encounter:Encounter.status=finished"), "encounter:Encounter.status"),
        (MONEY, ("PUT", "/Claim?encounter=Encounter/e1"), &claim, None, "encounter"),
        (MONEY, ("DELETE", "/Claim?patient=p1&encounter=e1"), &String::new(), None, "encounter"),
    ] {
        let fields: Vec<(&str, &str)> = field.map(|field| ("if-none-exist", field)).into_iter().collect();
        let answer = send(&stand, caller, line, body, &fields).await;
        assert_eq!(answer.status, 403, "{line:?}: {}", answer.body);
        assert!(answer.body.contains(named) && answer.body.contains("search-not-permitted"), "{}", answer.body);
    }
    // Whoever sees no ids would find out which of them is whose.
    let body = new("p1");
    let answer = send(&stand, STUDY, ("POST", "/Condition"), &body, &[("if-none-exist", "code=x")]).await;
    assert!(matches!(answer.status.as_u16(), 403 | 404), "{}", answer.body);
    assert!(seen.lock().unwrap().is_empty(), "the backend is not asked");
}

/// Whoever may write, and is shown other ids, would find out by what fits which of them is whose.
#[tokio::test]
async fn a_condition_is_refused_to_who_may_write_and_sees_no_ids() {
    let shown = r#""identity.number", "contact", "health", "insurance.coverage", "social.family"]
writes = true"#;
    let sealed = shown.replace(r#""identity.number", "#, "") + "\npseudonymised = [\"identity.number\"]";
    let stand = Stand::before_under(Catalogue::fhir_r4_source(), Org::Sakura, (shown, &sealed));
    let seen = serve(&stand, vec![stored("c1", "p1")]);
    // Whom he writes about he names as he is shown him.
    let shown = send(&stand, CARE, ("GET", "/Condition?code=x"), "", &[]).await.json();
    let mut record: Value = serde_json::from_str(&new("p1")).unwrap();
    record["subject"] = shown["entry"][0]["resource"]["subject"].clone();
    assert!(record["subject"]["reference"].as_str().is_some_and(|told| told != "Patient/p1"), "{shown}");
    seen.lock().unwrap().clear();
    for (line, field) in [
        (("POST", "/Condition"), Some("code=x")),
        (("PUT", "/Condition?code=x"), None),
        (("PATCH", &*format!("/Condition?code=x&patient={}", record["subject"]["reference"].as_str().unwrap())), None),
    ] {
        let mut fields: Vec<(&str, &str)> = field.map(|field| ("if-none-exist", field)).into_iter().collect();
        let body = match line.0 {
            "PATCH" => {
                fields.push(("content-type", "application/json-patch+json"));
                r#"[{"op":"replace","path":"/code/text","value":"y"}]"#.to_owned()
            }
            _ => record.to_string(),
        };
        let answer = send(&stand, CARE, line, &body, &fields).await;
        assert_eq!(answer.status, 403, "{line:?}: {}", answer.body);
        assert!(answer.body.contains("search-not-permitted"), "{line:?}: {}", answer.body);
    }
    assert!(lines(&seen).is_empty(), "the backend is not asked");
}

#[tokio::test]
async fn a_condition_is_about_the_person_of_its_write_and_says_nothing_else() {
    let stand = stand();
    let seen = serve(&stand, vec![]);
    for (line, body, field, kind) in [
        (("POST", "/Condition"), new("p1"), Some("identifier=1&patient=p2"), "subject-mismatch"),
        (("POST", "/Condition"), new("p1"), Some("identifier=1&_count=1"), "condition-refused"),
        (("POST", "/Condition"), new("p1"), Some("identifier=1&_include=Condition:encounter"), "condition-refused"),
        (("POST", "/Condition"), new("p1"), Some("shoe-size=9"), "unknown-parameter"),
        (("POST", "/Condition"), new("p1"), Some(""), "condition-refused"),
        (("POST", "/Condition?code=x"), new("p1"), Some("identifier=1"), "condition-refused"),
        (
            ("POST", "/Condition"),
            json!({"resourceType": "Condition"}).to_string(),
            Some("identifier=1"),
            "subject-missing",
        ),
        (("POST", "/Condition"), "{".to_owned(), Some("identifier=1"), "body-malformed"),
        (("PUT", "/Condition?identifier=1&patient=p2"), new("p1"), None, "subject-mismatch"),
        (("DELETE", "/Condition?identifier=1"), String::new(), None, "subject-missing"),
        (("PUT", "/Patient?identifier=1"), json!({"resourceType": "Patient"}).to_string(), None, "subject-missing"),
    ] {
        let fields: Vec<(&str, &str)> = field.map(|field| ("if-none-exist", field)).into_iter().collect();
        let answer = send(&stand, CARE, line, &body, &fields).await;
        assert_eq!(answer.status, 400, "{line:?} {field:?}: {}", answer.body);
        assert!(answer.body.contains(kind), "{line:?} {field:?}: {}", answer.body);
    }
    let fields = [("if-none-exist", "identifier=1"), ("purpose-of-use-dry-run", "?1")];
    let answer = send(&stand, CARE, ("POST", "/Condition"), &new("p1"), &fields).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(seen.lock().unwrap().is_empty(), "the backend is not asked");
}

/// A match of somebody else is a backend that did not search for whom it was asked: nothing is told of it, nothing written.
#[tokio::test]
async fn a_match_of_another_person_is_no_match_and_no_answer() {
    let stand = stand();
    for odd in [stored("c1", "p2"), json!({"resourceType": "Condition", "id": "c1"}), json!({"resourceType": "Claim"})]
    {
        let seen = serve(&stand, vec![odd]);
        let answer = create(&stand, "identifier=1", &new("p1")).await;
        assert_eq!((answer.status.as_u16(), lines(&seen).len()), (502, 1), "{}", answer.body);
        assert!(!answer.body.contains("c1") && !answer.body.contains("p2"), "{}", answer.body);
    }
}

#[tokio::test]
async fn who_may_not_see_the_person_learns_nothing_by_a_condition() {
    let stand = stand();
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    let seen = serve(&stand, vec![stored("c1", "p2")]);
    let answer = create(&stand, "identifier=1", &new("p2")).await;
    assert!(matches!(answer.status.as_u16(), 403 | 404), "{}", answer.body);
    assert!(seen.lock().unwrap().is_empty(), "nothing is searched");
}
