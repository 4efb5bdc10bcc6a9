//! A redacted read followed by a write loses nothing: what was not shown stays, what was shown is as it was put, or nothing is
//! written at all. Behind these gates stands a backend that keeps what it is given.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sekisho::demo::sample::Org;
use sekisho::policy::Source;
use sekisho::redact::{MasterKey, Pseudonyms, Receiver};
use serde_json::{Map, Value, json};

use super::stateful::Kept;
use super::support::{Answer, Ask, KEY, Stand};

pub(super) const API: &str = r#"
surface = "rest"
subject-class = "patient"
[record.chart]
references = ["/id"]
[record.chart.fields]
"/id" = "identity.number"
"/name" = "identity.name"
"/born" = "identity.birth-date"
"/phone" = "contact.phone"
"/gender" = "identity.gender"
"/insured" = "insurance.coverage"
"/in/phone" = "contact.phone"
"/in/insured" = "insurance.coverage"
"/in/name" = "identity.name"
"/in/in/phone" = "contact.phone"
"/in/in/insured" = "insurance.coverage"
"/phones/*" = "contact.phone"
"/insurers/*" = "insurance.coverage"
"/names/*" = "identity.name"
"/visits/*/phone" = "contact.phone"
"/visits/*/insured" = "insurance.coverage"
[record.chart.generalise]
"/born" = "year"

[[route]]
id = "chart"
path = "/charts/{id}"
methods = { GET = "read", PUT = "update", PATCH = "update", DELETE = "delete" }
shape = "object"
record = "chart"
write = "merge"
subject = { path = "id", body = "/id", entry = "/id" }

[[route]]
id = "kept"
path = "/kept/{id}"
methods = { GET = "read", PUT = "update", PATCH = "update", DELETE = "delete" }
shape = "object"
record = "chart"
subject = { path = "id", body = "/id", entry = "/id" }

[[route]]
id = "phone"
path = "/phones/{id}"
methods = { GET = "read", PUT = "update", PATCH = "update" }
shape = "object"
fields = { "/id" = "open", "/phone" = "contact.phone", "/gender" = "identity.gender", "/phones/*" = "contact.phone" }
subject = { path = "id" }

[[route]]
id = "bodied"
path = "/bodied/{id}"
methods = { GET = "read", PUT = "update", PATCH = "update", DELETE = "delete" }
shape = "object"
fields = { "/id" = "identity.number", "/phone" = "contact.phone", "/phones/*" = "contact.phone" }
references = ["/id"]
subject = { path = "id", body = "/id" }

[[route]]
id = "blind"
path = "/blind/{id}"
methods = { PUT = "update" }
shape = "object"
fields = { "/phone" = "contact.phone" }
subject = { path = "id" }

[[route]]
id = "note"
path = "/charts/{id}/notes/{note}"
methods = { GET = "read", PUT = "update", PATCH = "update", DELETE = "delete" }
shape = "object"
fields = { "/id" = "identity.number", "/of" = "identity.number", "/phone" = "contact.phone" }
references = ["/id", "/of"]
subject = { path = "id", body = "/of", entry = "/of" }

# Only the read says where a note names its person.
[[route]]
id = "told.read"
path = "/told/{id}/notes/{note}"
methods = { GET = "read" }
shape = "object"
fields = { "/of" = "identity.number", "/phone" = "contact.phone" }
references = ["/of"]
subject = { path = "id", entry = "/of" }

[[route]]
id = "told.write"
path = "/told/{id}/notes/{note}"
methods = { PATCH = "update", DELETE = "delete" }
shape = "object"
fields = { "/of" = "identity.number", "/phone" = "contact.phone" }
references = ["/of"]
subject = { path = "id" }

[[route]]
id = "answered"
path = "/answered/{id}"
methods = { GET = "read", PATCH = "update" }
shape = "object"
fields = { "/of" = "identity.number", "/phone" = "contact.phone" }
references = ["/of"]
subject = { path = "id", entry = "/of" }
"#;

/// A physician sees contact data and gender as they are, no insurance, and the rest in some other form.
const VIEW: (&str, &str) = (
    r#"[view.care]
clear = ["identity.name", "identity.birth-date", "identity.gender", "identity.number", "contact", "health", "insurance.coverage", "social.family"]"#,
    r#"[view.care]
clear = ["identity.gender", "contact", "health"]
masked = ["identity.name"]
generalised = ["identity.birth-date"]
pseudonymised = ["identity.number"]"#,
);

pub(super) fn stand() -> Stand {
    Stand::before_under(Source::new("catalogue.toml", API), Org::Sakura, VIEW)
}

/// The pseudonym under which a physician of the clinic knows this patient.
pub(super) fn pseudonym() -> String {
    Pseudonyms::new(&MasterKey::new(KEY), Receiver::Recipient("internal"), "care", 1, &[]).unwrap().seal("p1").unwrap()
}

pub(super) async fn ask(stand: &Stand, method: &str, target: &str, body: &str, fields: &[(&str, &str)]) -> Answer {
    let claims = json!({"sub": "dr", "roles": ["physician"]});
    stand.ask(Ask { method, target, claims, purpose: "care", body, fields }).await
}

/// The view of a record, and its tag.
pub(super) async fn read(stand: &Stand, target: &str) -> (Value, String) {
    let answer = ask(stand, "GET", target, "", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (answer.json(), answer.headers["etag"].to_str().unwrap().to_owned())
}

pub(super) async fn put(stand: &Stand, target: &str, body: &Value, tag: Option<&str>) -> Answer {
    let fields: Vec<(&str, &str)> = tag.map(|tag| ("if-match", tag)).into_iter().collect();
    ask(stand, "PUT", target, &body.to_string(), &fields).await
}

pub(super) fn kind(answer: &Answer) -> String {
    let json = answer.json();
    let fhir = json["issue"][0]["details"]["coding"][0]["code"].as_str();
    fhir.unwrap_or_else(|| json["type"].as_str().unwrap().trim_start_matches("urn:sekisho:problem:")).to_owned()
}

pub(super) const CHART: &str = r#"{"id":"p1","name":"山田","born":"1987-05-02","phone":"03-1","insured":{"rate":0.30,"no":12345678901234567890},"in":{"phone":"03-2","insured":"x","name":"n"},
 "phones":["a","b"],"insurers":["i"],"names":["m","n"],"unnamed":{"deep":[1.00]}}"#;

#[tokio::test]
async fn a_redacted_read_followed_by_a_write_loses_nothing() {
    let stand = stand();
    let kept = Kept::behind(&stand, CHART, "application/json");
    let target = format!("/charts/{}", pseudonym());
    let (mut view, tag) = read(&stand, &target).await;
    let shown = json!({"id": pseudonym(), "name": "***", "born": "1987", "phone": "03-1", "phones": ["a", "b"],
        "in": {"phone": "03-2", "name": "***"}, "names": ["***", "***"]});
    assert_eq!(view, shown, "the view withholds nothing");
    view["phone"] = json!("03-9");
    view["gender"] = json!("female");
    view["phones"] = json!(["b"]);
    view["in"].as_object_mut().unwrap().remove("phone");
    let answer = put(&stand, &target, &view, Some(&tag)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut after: Value = serde_json::from_str(CHART).unwrap();
    after["phone"] = json!("03-9");
    after["gender"] = json!("female");
    after["phones"] = json!(["b"]);
    after["in"].as_object_mut().unwrap().remove("phone");
    assert_eq!(kept.json(), after);
    let text = kept.text().unwrap();
    assert!(text.contains("0.30") && text.contains("12345678901234567890") && text.contains("1.00"), "{text}");
    // What went on was held to the version that was looked at, and is on record as the one write that it is.
    let (uri, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
    assert_eq!((uri.as_str(), fields["if-match"].to_str().unwrap()), ("/charts/p1", "\"1\""));
    let begin = stand.last("begin");
    assert_eq!((begin["action"].as_str(), begin["subjects"].as_array().map(Vec::len)), (Some("update"), Some(1)));
    // The caller is told no more of it than he may read.
    assert!(!answer.body.contains("山田") && !answer.body.contains("12345678901234567890"), "{}", answer.body);
}

#[tokio::test]
async fn what_was_not_shown_is_neither_changed_nor_guessed_nor_added() {
    let stand = stand();
    let kept = Kept::behind(&stand, CHART, "application/json");
    let target = format!("/charts/{}", pseudonym());
    let (view, tag) = read(&stand, &target).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = view.clone();
        change(&mut body);
        body
    };
    let stored: Value = serde_json::from_str(CHART).unwrap();
    for (body, place) in [
        (with(&|body| body["born"] = json!("1987-05-02")), "/born"),
        (with(&|body| body["born"] = json!("1988")), "/born"),
        (with(&|body| drop(body.as_object_mut().unwrap().remove("born"))), "/born"),
        (with(&|body| body["name"] = json!("山田")), "/name"),
        (with(&|body| body["in"]["insured"] = json!("x")), "/in/insured"),
        (with(&|body| body["in"]["insured"] = json!("y")), "/in/insured"),
        (with(&|body| body["in"] = json!(null)), "/in"),
        (with(&|body| drop(body.as_object_mut().unwrap().remove("in"))), "/in"),
        (with(&|body| body["in"]["in"] = json!({"insured": "new"})), "/in/in"),
        (with(&|body| body["insured"] = stored["insured"].clone()), "/insured"),
        (with(&|body| body["insurers"] = json!(["i"])), "/insurers"),
        (with(&|body| body["insurers"] = json!([])), "/insurers"),
        (with(&|body| body["unnamed"] = stored["unnamed"].clone()), "/unnamed"),
        (with(&|body| body["invented"] = json!(1)), "/invented"),
    ] {
        let answer = put(&stand, &target, &body, Some(&tag)).await;
        assert_eq!(
            (answer.status.as_u16(), kind(&answer).as_str()),
            (403, "hidden-changed"),
            "{body}: {}",
            answer.body
        );
        assert_eq!(answer.json()["fields"], json!([place]), "{body}");
        assert_eq!(kept.text().unwrap(), CHART, "{body}");
    }
    for (names, status) in [(json!(["***"]), 409), (json!(["***", "m"]), 409), (json!(["***", "***"]), 200)] {
        let answer = put(&stand, &target, &with(&|body| body["names"] = names.clone()), Some(&tag)).await;
        assert_eq!(answer.status.as_u16(), status, "{names}: {}", answer.body);
    }
    assert_eq!(kept.json(), stored);
    // Another person's id, by pseudonym or not, is no way to write his record.
    for other in ["p1", "p2"] {
        assert_eq!(put(&stand, &format!("/charts/{other}"), &view, Some(&tag)).await.status, 404);
        assert_eq!(put(&stand, &target, &with(&|body| body["id"] = json!(other)), Some(&tag)).await.status, 400);
    }
}

#[tokio::test]
async fn part_of_a_record_is_put_back_only_over_the_view_that_was_read() {
    let stand = stand();
    let kept = Kept::behind(&stand, CHART, "application/json");
    let target = format!("/charts/{}", pseudonym());
    let (view, tag) = read(&stand, &target).await;
    for wanted in [None, Some("*")] {
        let answer = put(&stand, &target, &view, wanted).await;
        assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (428, "precondition-required"), "{}", answer.body);
    }
    for wanted in ["W/\"1\"", "W/\"x\""] {
        assert_eq!(put(&stand, &target, &view, Some(wanted)).await.status, 412, "{wanted}");
    }
    for bad in ["\"1\"", "1", "W/\"a\", W/\"b\"", ""] {
        let answer = put(&stand, &target, &view, Some(bad)).await;
        assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (400, "condition-refused"), "{bad}");
    }
    let doubled = [("if-match", tag.as_str()), ("if-match", tag.as_str())];
    assert_eq!(ask(&stand, "PUT", &target, &view.to_string(), &doubled).await.status, 400);
    assert_eq!(kept.text().unwrap(), CHART);
    // What he was not shown may change meanwhile: it is the new one that stays. What he was shown may not.
    kept.set(&CHART.replace("\"no\":12345678901234567890", "\"no\":7"));
    assert_eq!(put(&stand, &target, &view, Some(&tag)).await.status, 200);
    assert_eq!(kept.json()["insured"]["no"], 7);
    kept.set(&CHART.replace("03-1", "03-7"));
    assert_eq!(put(&stand, &target, &view, Some(&tag)).await.status, 412);
    assert_eq!(kept.json()["phone"], "03-7");
    // A view that a backend gave no version to has no tag: nothing is put over it, and no tag is asked for that there is not.
    kept.untold();
    for wanted in [Some(&*tag), Some("*"), None] {
        let answer = put(&stand, &target, &view, wanted).await;
        assert_eq!(answer.status, 428, "{wanted:?}");
        assert!(answer.body.contains("the backend gives no version"), "{wanted:?}: {}", answer.body);
    }
    // Nor is anything made of a part where there is no record.
    stand.next_body("", "application/json");
    stand.hook(|| Ok(http::Response::builder().status(404).body(super::support::Script::default()).unwrap()));
    assert_eq!(put(&stand, &target, &view, Some(&tag)).await.status, 404);
}

/// Who comes between the look and the write is not written over.
#[tokio::test]
async fn a_record_that_changes_under_the_write_is_not_written_over() {
    let stand = stand();
    let kept = std::sync::Arc::new(Kept::behind(&stand, CHART, "application/json"));
    let target = format!("/charts/{}", pseudonym());
    let (view, tag) = read(&stand, &target).await;
    let other = std::sync::Arc::clone(&kept);
    let between = CHART.replace("03-1", "03-5");
    stand.hook(move || {
        // The look is answered by what is there; then somebody else writes.
        other.set(&between);
        let response = http::Response::builder().header("content-type", "application/json").header("etag", "\"1\"");
        Ok(response.body(super::support::Script::chunked(&bytes::Bytes::from(CHART), 0)).unwrap())
    });
    let answer = put(&stand, &target, &view, Some(&tag)).await;
    assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (412, "backend-refused"), "{}", answer.body);
    assert_eq!(kept.json()["phone"], "03-5");
}

#[tokio::test]
async fn an_array_of_which_part_was_withheld_is_not_put_back() {
    let stand = stand();
    let record = r#"{"id":"p1","visits":[{"phone":"1"},{"phone":"2","insured":"x"}],"phone":"03-1"}"#;
    let kept = Kept::behind(&stand, record, "application/json");
    let target = format!("/charts/{}", pseudonym());
    let (mut view, tag) = read(&stand, &target).await;
    view["phone"] = json!("03-2");
    let answer = put(&stand, &target, &view, Some(&tag)).await;
    assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (409, "not-mergeable"), "{}", answer.body);
    assert_eq!(answer.json()["fields"], json!(["/visits"]), "no more than what he was shown is named");
    assert!(!answer.body.contains("insured"), "{}", answer.body);
    assert_eq!(kept.text().unwrap(), record);
}

#[tokio::test]
async fn without_the_routes_choice_part_of_a_record_is_never_put_back() {
    let stand = stand();
    let kept = Kept::behind(&stand, CHART, "application/json");
    let target = format!("/kept/{}", pseudonym());
    let (view, tag) = read(&stand, &target).await;
    for wanted in [None, Some(tag.as_str()), Some("*")] {
        let answer = put(&stand, &target, &view, wanted).await;
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
    assert_eq!(kept.text().unwrap(), CHART);
}

#[tokio::test]
async fn what_no_catalogue_names_is_not_erased_by_who_sees_every_field() {
    let stand = stand();
    let whole = r#"{"id":"x","phone":"03-1","phones":["1"]}"#;
    let kept = Kept::behind(&stand, whole, "application/json");
    let target = format!("/phones/{}", pseudonym());
    let body = json!({"phone": "03-2"});
    let answer = put(&stand, &target, &body, None).await;
    assert_eq!((answer.status.as_u16(), kept.json()), (200, body.clone()), "{}", answer.body);
    let (_, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
    assert_eq!(fields["if-match"], "\"1\"", "the version that was looked at");
    let extended = r#"{"phone":"03-1","phones":["1"],"unnamed":0}"#;
    kept.set(extended);
    for (method, body) in [("PUT", r#"{"phone":"03-3"}"#), ("PATCH", r#"{"phones":["2"]}"#)] {
        let answer = ask(&stand, method, &target, body, &[]).await;
        assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (403, "write-from-redacted-view"), "{method}");
    }
    assert_eq!(kept.text().unwrap(), extended);
    // A condition is judged wherever the record can be read, and never passed over elsewhere.
    let (_, tag) = read(&stand, &target).await;
    for (wanted, status) in [("W/\"stale\"", 412), (tag.as_str(), 200)] {
        let patched = ask(&stand, "PATCH", &target, r#"{"phone":"03-3"}"#, &[("if-match", wanted)]).await;
        assert_eq!(patched.status.as_u16(), status, "{wanted}: {}", patched.body);
    }
    assert_eq!(kept.version(), 4);
    let times = stand.asked();
    let blind = ask(&stand, "PUT", &format!("/blind/{}", pseudonym()), "{\"phone\":\"1\"}", &[("if-match", "*")]).await;
    assert_eq!((blind.status.as_u16(), stand.asked() - times), (400, 0), "{}", blind.body);
    for media in ["application/merge-patch+json", "application/json-patch+json", "text/plain"] {
        let patched = ask(&stand, "PATCH", &target, r#"{"phone":"1"}"#, &[("content-type", media)]).await;
        assert_eq!((patched.status.as_u16(), stand.asked() - times), (415, 0), "{media}");
    }
}

/// Where only a body says whom it is about, what is stored is held to it: another's record is not written over by a path that leads to it.
#[tokio::test]
async fn a_record_that_names_another_only_where_a_body_does_is_not_written() {
    let stand = Stand::before(Source::new("catalogue.toml", API), Org::Sakura, &[]);
    let theirs = r#"{"id":"p2","phone":"03-1","phones":["1"]}"#;
    let kept = Kept::behind(&stand, theirs, "application/json");
    let (whole, part) = (r#"{"id":"p1","phone":"03-9","phones":["1"]}"#, r#"{"id":"p1","phones":["2"]}"#);
    // Who deletes does so for the person; the others are a physician's.
    let send = async |method: &str, body: &str, fields: &[(&str, &str)]| {
        let (role, purpose) = match method {
            "DELETE" => ("privacy-officer", "principal-request.deletion"),
            _ => ("physician", "care"),
        };
        let claims = json!({"sub": "dr", "roles": [role]});
        stand.ask(Ask { method, target: "/bodied/p1", claims, purpose, body, fields }).await
    };
    let any = [("if-match", "*")];
    for (method, body, fields) in [
        ("PUT", whole, &[][..]),
        ("PUT", whole, &any),
        ("PATCH", part, &[]),
        ("PATCH", part, &any),
        ("DELETE", "", &any),
    ] {
        let answer = send(method, body, fields).await;
        assert_eq!(answer.status, 404, "{method}: {}", answer.body);
        assert_eq!(kind(&answer), "not-available", "{method}");
        assert_eq!(kept.text().as_deref(), Some(theirs), "{method}");
    }
    // One that names nobody is not known to be his.
    kept.set(r#"{"phone":"03-1"}"#);
    assert_eq!(send("PUT", whole, &[]).await.status, 404);
    // His own is his to have written.
    for (method, body, fields) in [("PUT", whole, &[][..]), ("PATCH", part, &any), ("DELETE", "", &any)] {
        kept.set(&theirs.replace("p2", "p1"));
        let answer = send(method, body, fields).await;
        assert!(answer.status.is_success(), "{method}: {} {}", answer.status, answer.body);
    }
    assert_eq!(kept.text(), None);
}

/// Deletes for the person as who may; all else is a physician's.
pub(super) async fn change(stand: &Stand, method: &str, target: &str, body: &str, fields: &[(&str, &str)]) -> Answer {
    let (role, purpose) = match method {
        "DELETE" => ("privacy-officer", "principal-request.deletion"),
        _ => ("physician", "care"),
    };
    let claims = json!({"sub": "dr", "roles": [role]});
    stand.ask(Ask { method, target, claims, purpose, body, fields }).await
}

/// A backend that goes by the note's id alone would write, delete and show another person's beneath any person.
#[tokio::test]
async fn a_record_beneath_a_person_that_is_anothers_is_neither_written_nor_deleted_nor_shown() {
    let stand = Stand::before(Source::new("catalogue.toml", API), Org::Sakura, &[]);
    let theirs = r#"{"id":"n1","of":"p2","phone":"03-1"}"#;
    let kept = Kept::behind(&stand, theirs, "application/json");
    let any = [("if-match", "*")];
    assert_eq!(change(&stand, "GET", "/charts/p1/notes/n1", "", &[]).await.status, 404);
    for stored in [theirs, r#"{"id":"n1","phone":"03-1"}"#] {
        kept.set(stored);
        for target in ["/charts/p1/notes/n1", "/told/p1/notes/n1"] {
            for (method, body, fields) in [
                ("PUT", r#"{"id":"n1","of":"p1","phone":"03-9"}"#, &[][..]),
                ("PATCH", r#"{"of":"p1"}"#, &[]),
                ("PATCH", r#"{"phone":"03-9"}"#, &[]),
                ("PATCH", r#"{"phone":"03-9"}"#, &any),
                ("DELETE", "", &[]),
                ("DELETE", "", &any),
            ] {
                if method == "PUT" && target.starts_with("/told") {
                    continue; // no route
                }
                let answer = change(&stand, method, target, body, fields).await;
                let told = (answer.status.as_u16(), kind(&answer));
                assert_eq!(told, (404, "not-available".to_owned()), "{method} {target} {body}: {}", answer.body);
                assert_eq!(kept.text().as_deref(), Some(stored), "{method} {target} {body}");
            }
        }
    }
    // His own is, over the version that was looked at.
    for (method, body) in [("PATCH", r#"{"of":"p1","phone":"03-9"}"#), ("DELETE", "")] {
        kept.set(&theirs.replace("p2", "p1"));
        let answer = change(&stand, method, "/charts/p1/notes/n1", body, &[]).await;
        assert!(answer.status.is_success(), "{method}: {} {}", answer.status, answer.body);
        let (_, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
        assert_eq!(
            fields["if-match"].to_str().unwrap(),
            format!("\"{}\"", kept.version() - u64::from(method == "PATCH"))
        );
    }
    // What is not there is nobody's to be changed.
    let times = stand.asked();
    for method in ["PATCH", "DELETE"] {
        assert_eq!(change(&stand, method, "/charts/p1/notes/n1", "{}", &[]).await.status, 404, "{method}");
    }
    assert_eq!(stand.asked() - times, 2, "looked at, and no more");
}

/// Why somebody asks this time, and where what he writes comes from, is said of each request anew.
#[tokio::test]
async fn the_tag_of_a_view_holds_whatever_reason_reference_and_source_are_said() {
    let stand = stand();
    let kept = Kept::behind(&stand, CHART, "application/json");
    let target = format!("/charts/{}", pseudonym());
    let (mut view, first) = read(&stand, &target).await;
    for (count, said) in ["source=\"the ward\"", "reference=\"r-2\"", "reason=\"asked for\""].iter().enumerate() {
        view["phone"] = json!(format!("03-{count}"));
        let (_, tag) = read(&stand, &target).await;
        assert!(count > 0 || tag == first);
        let purpose = format!("care;{said}");
        let body = view.to_string();
        let fields = [("if-match", tag.as_str())];
        let claims = json!({"sub": "dr", "roles": ["physician"]});
        let ask = Ask { method: "PUT", target: &target, claims, purpose: &purpose, body: &body, fields: &fields };
        let answer = stand.ask(ask).await;
        assert_eq!(answer.status, 200, "{said}: {}", answer.body);
        assert_eq!(kept.json()["phone"], view["phone"], "{said}");
    }
}

/// A backend that compares strongly (RFC 9110 §13.1.1) refuses every weak tag: of who named none, none goes on.
#[tokio::test]
async fn a_look_at_whose_record_it_is_makes_no_write_fail_by_a_weak_tag() {
    let stand = Stand::before(Source::new("catalogue.toml", API), Org::Sakura, &[]);
    let record = r#"{"id":"n1","of":"p1","phone":"03-1"}"#;
    let answer = move |_: &http::request::Parts, _: &bytes::Bytes| {
        let response = http::Response::builder().header("content-type", "application/json").header("etag", "W/\"1\"");
        response.body(bytes::Bytes::from(record)).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(std::sync::Arc::new(answer));
    for (fields, goes_on) in [(&[][..], None), (&[("if-match", "*")][..], Some("W/\"1\""))] {
        let answer = change(&stand, "PATCH", "/charts/p1/notes/n1", r#"{"phone":"03-9"}"#, fields).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let (_, sent) = stand.backend.last.lock().unwrap().clone().unwrap();
        assert_eq!(sent.get("if-match").map(|tag| tag.to_str().unwrap()), goes_on);
    }
}

/// Where only the answer to a read names the person, the answer to a write is held to it too.
#[tokio::test]
async fn the_answer_to_a_write_that_is_about_another_is_not_released() {
    let stand = Stand::before(Source::new("catalogue.toml", API), Org::Sakura, &[]);
    for (answered, shown) in [
        (r#"{"of":"p1","phone":"03-7"}"#, true),
        (r#"{"of":"p2","phone":"03-7"}"#, false),
        (r#"{"phone":"03-7"}"#, false),
    ] {
        stand.next_body(answered, "application/json");
        let answer = change(&stand, "PATCH", "/answered/p1", r#"{"phone":"03-9"}"#, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.body.contains("03-7")), (200, shown), "{answered}");
        assert_eq!(answer.body.is_empty(), !shown, "{answered}: {}", answer.body);
    }
}

/// Without what is on file nothing is known to be shown, so that nothing is known to be put back.
#[tokio::test]
async fn nothing_is_put_back_where_what_is_on_file_cannot_be_read() {
    let stand = stand();
    let kept = Kept::behind(&stand, CHART, "application/json");
    let target = format!("/charts/{}", pseudonym());
    let (view, tag) = read(&stand, &target).await;
    stand.lose_registry();
    let asked = stand.asked();
    for (body, tag) in
        [(&view, Some(tag.as_str())), (&json!({"phone": "03-9"}), None), (&json!({"invented": 1}), Some("*"))]
    {
        let answer = put(&stand, &target, body, tag).await;
        assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (503, "registry-unreadable"), "{}", answer.body);
    }
    assert_eq!((stand.asked(), kept.text().as_deref()), (asked, Some(CHART)));
}

/// A condition is looked at only once it is known that the write may be: else it would tell of records of others.
#[tokio::test]
async fn a_condition_tells_nothing_to_who_may_not_write() {
    let stand = stand();
    let _kept = Kept::behind(&stand, CHART, "application/json");
    let target = format!("/charts/{}", pseudonym());
    let (view, tag) = read(&stand, &target).await;
    stand.add("restriction", "subject=p1 name=stop-use");
    let times = stand.asked();
    for wanted in [None, Some(tag.as_str()), Some("W/\"other\""), Some("*")] {
        let answer = put(&stand, &target, &view, wanted).await;
        assert_eq!(
            (answer.status.as_u16(), kind(&answer).as_str()),
            (403, "restricted"),
            "{wanted:?}: {}",
            answer.body
        );
    }
    assert_eq!(stand.asked(), times);
}

// --- generated records and edits ------------------------------------------------------------------------------------

/// Members that a physician sees as they are.
const CLEAR: [&str; 4] = ["phone", "gender", "phones", "visits"];

/// What is left of a record of which only members of these names, or all but these, count; without what is empty then.
fn part(value: &Value, clear: bool) -> Option<Value> {
    let Value::Object(members) = value else { return Some(value.clone()) };
    let kept = members.iter().filter_map(|(name, value)| match CLEAR.contains(&name.as_str()) {
        _ if name == "in" && value.is_object() => Some((name.clone(), part(value, clear)?)),
        named => (named == clear).then(|| (name.clone(), value.clone())),
    });
    let kept: Map<String, Value> = kept.collect();
    (!kept.is_empty()).then_some(Value::Object(kept))
}

fn text() -> impl Strategy<Value = Value> {
    "[a-zé\"\\\\]{0,6}".prop_map(Value::from)
}

fn visits() -> impl Strategy<Value = Value> {
    let visit = (text(), proptest::option::weighted(0.05, text())).prop_map(|(phone, insured)| match insured {
        Some(insured) => json!({"phone": phone, "insured": insured}),
        None => json!({"phone": phone}),
    });
    proptest::collection::vec(visit, 1..3).prop_map(Value::from)
}

fn inner() -> impl Strategy<Value = Value> {
    let some = || proptest::option::of(text());
    (some(), some(), some(), proptest::option::of((some(), some()))).prop_map(|(phone, insured, name, inner)| {
        let members = [("phone", phone), ("insured", insured), ("name", name)];
        let mut object = object(members);
        if let Some((phone, insured)) = inner {
            object["in"] = self::object([("phone", phone), ("insured", insured)]);
        }
        object
    })
}

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
}

fn record() -> impl Strategy<Value = Value> {
    let some = || proptest::option::of(text());
    let list = || proptest::option::of(proptest::collection::vec(text(), 0..3).prop_map(Value::from));
    let born = proptest::option::of((1900..2026_u32).prop_map(|year| json!(format!("{year}-05-02"))));
    let first = (some(), born, some(), some(), some());
    let second = (list(), list(), list(), proptest::option::of(inner()), proptest::option::of(visits()));
    let unnamed = proptest::option::of(inner());
    (first, second, unnamed).prop_map(
        |((name, born, phone, gender, insured), (phones, insurers, names, inner, visits), unnamed)| {
            object([
                ("id", Some(json!("p1"))),
                ("name", name),
                ("born", born),
                ("phone", phone),
                ("gender", gender),
                ("insured", insured),
                ("phones", phones),
                ("insurers", insurers),
                ("names", names),
                ("in", inner),
                ("visits", visits),
                ("unnamed", unnamed),
            ])
        },
    )
}

/// What a client does to the view before he puts it back: at one place, a new value or none. The last are not his to change.
#[derive(Clone, Debug)]
struct Edit {
    place: &'static str,
    value: Option<Value>,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = proptest::sample::select(vec![
        "/phone",
        "/gender",
        "/phones",
        "/in/phone",
        "/in/in/phone",
        "/visits",
        "/phone",
        "/in/phone",
        "/insured",
        "/name",
        "/in/insured",
        "/in/in/insured",
        "/insurers",
        "/names",
        "/unnamed",
        "/in",
        "/born",
    ]);
    let edit = (place, proptest::option::of(text())).prop_map(|(place, value)| {
        let list = place.ends_with('s');
        Edit { place, value: value.map(|value| if list { json!([value]) } else { value }) }
    });
    proptest::collection::vec(edit, 0..4)
}

fn apply(body: &mut Value, edit: &Edit) {
    let (parent, name) = edit.place.rsplit_once('/').unwrap();
    let Some(Value::Object(members)) = body.pointer_mut(parent) else { return };
    match &edit.value {
        Some(_) if edit.place == "/visits" => drop(members.insert(name.to_owned(), json!([{"phone": "new"}]))),
        Some(value) => drop(members.insert(name.to_owned(), value.clone())),
        None => drop(members.remove(name)),
    }
}

/// Whether an object or array in it has nothing inside.
fn holds_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty() || members.values().any(holds_empty),
        Value::Array(items) => items.is_empty() || items.iter().any(holds_empty),
        _ => false,
    }
}

#[test]
fn nothing_hidden_is_ever_erased() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let stand = stand();
    let kept = Kept::behind(&stand, CHART, "application/json");
    let target = format!("/charts/{}", pseudonym());
    let config = ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() };
    let tried = TestRunner::new(config).run(&(record(), edits()), |(record, edits)| {
        kept.set(&record.to_string());
        let (view, put, status, told) = runtime.block_on(async {
            let (view, tag) = read(&stand, &target).await;
            let mut body = view.clone();
            edits.iter().for_each(|edit| apply(&mut body, edit));
            let answer = put(&stand, &target, &body, Some(&tag)).await;
            (view, body, answer.status.as_u16(), answer.body)
        });
        let after = kept.json();
        if status == 200 {
            prop_assert_eq!(part(&after, false), part(&record, false), "hidden, after {}", put);
            prop_assert_eq!(part(&after, true), part(&put, true), "shown, after {}", put);
        } else {
            prop_assert!(matches!(status, 403 | 409), "{} {}", status, told);
            prop_assert_eq!(&after, &record, "a refused write was written");
        }
        // Nobody is refused who left alone what he was not shown as it is, and wrote something. An empty object or array may be
        // hidden too; an object of which part is hidden is not his to take away.
        let cut = |one: &Value| one.get("insured").is_some();
        let cut_inside = record["visits"].as_array().is_some_and(|all| all.iter().any(cut));
        let partly = |one: &Value| one.is_object() && part(one, false).is_some();
        let takes_hidden = edits.iter().any(|edit| record.pointer(edit.place).is_some_and(partly));
        let left_alone = part(&put, false) == part(&view, false) && !takes_hidden;
        if left_alone && part(&put, true).is_some() && !cut_inside && !holds_empty(&record) {
            prop_assert_eq!(status, 200, "{}: {}", put, told);
        }
        Ok(())
    });
    tried.unwrap_or_else(|failed| panic!("{failed}"));
}
