//! FHIR: a read of which part was cut, followed by a write, before a server that keeps what it is given.

use sekisho::catalogue::Catalogue;
use sekisho::demo::sample::Org;
use sekisho::policy::{Source, Vocabulary};
use serde_json::{Value, json};

use super::{CARE, stand};
use crate::layer::stateful::Kept;
use crate::layer::support::{Answer, Ask, Stand};

/// The compiled-in surface, whose writes are merged.
fn merging() -> Stand {
    let text = "surface = \"fhir-r4\"\nbased-on = \"fhir-r4\"\nwrite = \"merge\"\n";
    Stand::before(Source::new("catalogue.toml", text), Org::Sakura, &[])
}

const MEDIA: &str = "application/fhir+json";
const RECORD: &str = r#"{"resourceType":"Condition","id":"c1","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z","security":[{"system":"urn:x","code":"R"}]},
 "subject":{"reference":"Patient/p1"},"recorder":{"reference":"http://backend.test/Practitioner/1"},"shoeSize":9.0,"code":{"text":"x","colour":[1.00]},"onsetAge":{"value":40.50,"unit":"a"}}"#;

async fn ask(stand: &Stand, method: &str, body: &str, fields: &[(&str, &str)]) -> Answer {
    ask_at(stand, "/Condition/c1", method, body, fields).await
}

async fn ask_at(stand: &Stand, target: &str, method: &str, body: &str, fields: &[(&str, &str)]) -> Answer {
    let (role, purpose) = CARE;
    let claims = json!({"sub": "dr", "roles": [role]});
    let media = if method == "PATCH" { "application/json-patch+json" } else { MEDIA };
    let mut fields = fields.to_vec();
    if !body.is_empty() {
        fields.push(("content-type", media));
    }
    stand.ask(Ask { method, target, claims, purpose, body, fields: &fields }).await
}

async fn read(stand: &Stand) -> (Value, String) {
    let answer = ask(stand, "GET", "", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (answer.json(), answer.headers["etag"].to_str().unwrap().to_owned())
}

async fn put(stand: &Stand, body: &Value, tag: Option<&str>) -> Answer {
    let fields: Vec<(&str, &str)> = tag.map(|tag| ("if-match", tag)).into_iter().collect();
    ask(stand, "PUT", &body.to_string(), &fields).await
}

fn kind(answer: &Answer) -> String {
    answer.json()["issue"][0]["details"]["coding"][0]["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_resource_of_which_part_was_shown_is_put_back_without_loss() {
    let stand = merging();
    let kept = Kept::behind(&stand, RECORD, MEDIA);
    let (mut view, tag) = read(&stand).await;
    assert!(view.get("shoeSize").is_none() && view["code"].get("colour").is_none(), "{view}");
    view["onsetAge"]["value"] = json!(41);
    view["severity"] = json!({"text": "mild"});
    let answer = put(&stand, &view, Some(&tag)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut after: Value = serde_json::from_str(RECORD).unwrap();
    after["onsetAge"]["value"] = json!(41);
    after["severity"] = json!({"text": "mild"});
    // The server writes its versions itself; the gate's labels and links are not the record's.
    after["meta"] = json!({"security": [{"system": "urn:x", "code": "R"}]});
    assert_eq!(kept.json(), after);
    let text = kept.text().unwrap();
    assert!(text.contains("9.0") && text.contains("1.00"), "{text}");
    let (_, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
    assert_eq!(fields["if-match"], "W/\"1\"");
}

/// A server with strong tags and no `meta.versionId`: whoever comes between the look and the merged write is not written over.
#[tokio::test]
async fn a_merged_write_is_held_to_a_strong_tag_where_there_is_no_version() {
    let stand = merging();
    let record = RECORD.replace(r#""versionId":"1","#, "");
    let kept = std::sync::Arc::new(Kept::behind(&stand, &record, MEDIA));
    kept.strong();
    let (mut view, tag) = read(&stand).await;
    view["onsetAge"]["value"] = json!(41);
    let (other, between) = (std::sync::Arc::clone(&kept), record.replace("40.50", "77"));
    let looked = record.clone();
    stand.hook(move || {
        other.set(&between);
        let response = http::Response::builder().header("content-type", MEDIA).header("etag", "\"1\"");
        Ok(response.body(crate::layer::support::Script::chunked(&bytes::Bytes::from(looked), 0)).unwrap())
    });
    let answer = put(&stand, &view, Some(&tag)).await;
    assert_eq!(answer.status, 412, "{}", answer.body);
    assert!(kept.text().unwrap().contains("77"), "another's value is gone");
    kept.set(&record);
    let answer = put(&stand, &view, Some(&tag)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (_, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
    assert_eq!(fields["if-match"], "\"3\"");
}

/// Between the look at a record and the write it may become another's, or be deleted.
#[tokio::test]
async fn a_write_is_held_to_what_was_looked_at_by_whatever_the_backend_gives() {
    let stand = merging();
    let whole = RECORD.replace(r#""shoeSize":9.0,"#, "").replace(r#","colour":[1.00]"#, "");
    let patch = r#"[{"op":"replace","path":"/onsetAge/value","value":41}]"#;
    let unversioned = whole.replace(r#""versionId":"1","#, "");
    for (tells, asked, sent) in [
        (true, None, Some("\"1\"")),
        (true, Some("*"), Some("\"1\"")),
        (false, None, None),
        (false, Some("*"), Some("*")),
    ] {
        let kept = Kept::behind(&stand, &unversioned, MEDIA);
        kept.strong();
        if !tells {
            kept.untold();
        }
        let fields: Vec<(&str, &str)> = asked.map(|tag| ("if-match", tag)).into_iter().collect();
        let answer = ask(&stand, "PATCH", patch, &fields).await;
        assert_eq!(answer.status, 200, "{tells} {asked:?}: {}", answer.body);
        let (_, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
        assert_eq!(fields.get("if-match").map(|tag| tag.to_str().unwrap()), sent, "{tells} {asked:?}");
    }
    // A tag for what has none is not another version than it names.
    let kept = Kept::behind(&stand, &unversioned, MEDIA);
    kept.untold();
    let answer = ask(&stand, "PATCH", patch, &[("if-match", "W/\"1\"")]).await;
    assert_eq!(answer.status, 428, "{}", answer.body);
}

/// A caller who names a version that cannot be said to the backend is not passed over.
#[tokio::test]
async fn a_write_under_a_tag_goes_on_under_one_or_not_at_all() {
    let stand = merging();
    let whole = RECORD.replace(r#""shoeSize":9.0,"#, "").replace(r#","colour":[1.00]"#, "");
    let patch = r#"[{"op":"replace","path":"/onsetAge/value","value":41}]"#;
    for (version, status) in [("1", 200), ("a_b", 428)] {
        let kept =
            Kept::behind(&stand, &whole.replace(r#""versionId":"1""#, &format!(r#""versionId":"{version}""#)), MEDIA);
        kept.untold();
        let answer = ask(&stand, "PATCH", patch, &[("if-match", &format!("W/\"{version}\""))]).await;
        assert_eq!(answer.status.as_u16(), status, "{version}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_labels_of_the_view_are_taken_off_and_no_others_pass_for_them() {
    let stand = merging();
    let chart = r#"{"resourceType":"Patient","id":"p1","meta":{"versionId":"1"},"gender":"female",
        "extension":[{"url":"http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_Patient_Race","valueCodeableConcept":{"text":"secret"}}]}"#;
    let kept = Kept::behind(&stand, chart, MEDIA);
    let ask = |method: &'static str, body: String, fields: Vec<(&'static str, String)>| {
        let stand = &stand;
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            ask_at(stand, "/Patient/p1", method, &body, &fields).await
        }
    };
    let read = ask("GET", String::new(), vec![]).await;
    let (mut view, tag) = (read.json(), read.headers["etag"].to_str().unwrap().to_owned());
    assert!(read.body.contains("REDACTED") && !read.body.contains("secret"), "{}", read.body);
    view["gender"] = json!("male");
    let put = ask("PUT", view.to_string(), vec![("if-match", tag)]).await;
    assert_eq!(put.status, 200, "{}", put.body);
    let mut after: Value = serde_json::from_str(chart).unwrap();
    after["gender"] = json!("male");
    after.as_object_mut().unwrap().remove("meta");
    assert_eq!(kept.json(), after);
    // Nothing is withheld of this one: whoever says that his copy was cut does not have it from here.
    let whole = r#"{"resourceType":"Patient","id":"p1","gender":"female"}"#;
    kept.set(whole);
    let read = ask("GET", String::new(), vec![]).await;
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let cut = json!({"resourceType": "Patient", "id": "p1", "meta": {"tag": [{"code": "SUBSETTED"}]}});
    assert_eq!(ask("PUT", cut.to_string(), vec![]).await.status, 428);
    assert_eq!(ask("PUT", cut.to_string(), vec![("if-match", tag)]).await.status, 403);
    assert_eq!(kept.text().unwrap(), whole);
}

#[tokio::test]
async fn a_resource_of_which_part_was_shown_is_put_back_over_that_view_alone() {
    let stand = merging();
    let kept = Kept::behind(&stand, RECORD, MEDIA);
    let (view, tag) = read(&stand).await;
    // A version says nothing of what was shown of it.
    for wanted in [None, Some("*"), Some("W/\"1\"")] {
        let answer = put(&stand, &view, wanted).await;
        assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (428, "precondition-required"), "{wanted:?}");
    }
    assert_eq!(put(&stand, &view, Some("W/\"2\"")).await.status, 412);
    let mut guess = view.clone();
    guess["shoeSize"] = json!(9.0);
    let answer = put(&stand, &guess, Some(&tag)).await;
    assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (403, "hidden-changed"), "{}", answer.body);
    let mut theirs = view.clone();
    theirs["subject"] = json!({"reference": "Patient/p2"});
    assert_eq!(put(&stand, &theirs, Some(&tag)).await.status, 404);
    assert_eq!(kept.text().unwrap(), RECORD);
    // That nothing was cut is not told by what is asked for.
    let whole = RECORD.replace(r#""shoeSize":9.0,"#, "").replace(r#","colour":[1.00]"#, "");
    kept.set(&whole);
    let (view, tag) = read(&stand).await;
    let mut body = view.clone();
    body["meta"] = json!({});
    for wanted in [None, Some("*"), Some("W/\"1\"")] {
        let answer = put(&stand, &body, wanted).await;
        assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (428, "precondition-required"), "{wanted:?}");
    }
    assert_eq!(put(&stand, &body, Some(&tag)).await.status, 200);
}

#[tokio::test]
async fn a_view_that_was_cut_is_refused_where_the_surface_does_not_merge() {
    let stand = stand();
    let kept = Kept::behind(&stand, RECORD, MEDIA);
    let (mut view, tag) = read(&stand).await;
    for wanted in [None, Some(tag.as_str())] {
        let answer = put(&stand, &view, wanted).await;
        assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (403, "write-from-redacted-view"));
    }
    // Nor with its labels taken off.
    view["meta"] = json!({});
    let answer = put(&stand, &view, Some(&tag)).await;
    assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (403, "write-from-redacted-view"));
    assert_eq!(kept.text().unwrap(), RECORD);
}

#[tokio::test]
async fn the_tag_of_a_view_holds_a_change_to_what_was_read() {
    let stand = stand();
    let kept = Kept::behind(&stand, RECORD, MEDIA);
    let (_, tag) = read(&stand).await;
    let patch = r#"[{"op":"replace","path":"/onsetAge/value","value":42}]"#;
    for (wanted, status) in [("W/\"x\"", 412), ("W/\"2\"", 412), (tag.as_str(), 200)] {
        let answer = ask(&stand, "PATCH", patch, &[("if-match", wanted)]).await;
        assert_eq!(answer.status.as_u16(), status, "{wanted}: {}", answer.body);
    }
    let (_, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
    assert_eq!((fields["if-match"].to_str().unwrap(), kept.version()), ("W/\"1\"", 2));
}

/// An Individual Number is withheld wherever it stands: nobody finds it out by a test, and nobody erases it unseen.
#[tokio::test]
async fn a_value_withheld_for_what_it_is_is_neither_tested_nor_erased() {
    let stand = stand();
    let record = r#"{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/p1"},"code":{"text":"123456789018"},
        "severity":{"text":"mild"},"note":[{"text":"123456789018"},{"text":"b"}]}"#;
    let kept = Kept::behind(&stand, record, MEDIA);
    let (view, _) = read(&stand).await;
    assert!(!view.to_string().contains("123456789018"), "{view}");
    for (patch, status) in [
        (r#"[{"op":"test","path":"/code/text","value":"123456789018"}]"#, 403),
        (r#"[{"op":"copy","from":"/code/text","path":"/severity/text"}]"#, 403),
        (r#"[{"op":"move","from":"/code/text","path":"/severity/text"}]"#, 403),
        (r#"[{"op":"remove","path":"/code"}]"#, 403),
        (r#"[{"op":"test","path":"/note/0/text","value":"123456789018"}]"#, 403),
        (r#"[{"op":"remove","path":"/note/0"}]"#, 403),
        (r#"[{"op":"add","path":"/note/0","value":{"text":"a"}}]"#, 403),
        (r#"[{"op":"test","path":"/","value":1}]"#, 400),
        (r#"[{"op":"test","path":"","value":{}}]"#, 400),
        (r#"[{"op":"test","path":"code","value":1}]"#, 400),
        (r#"[{"op":"test","path":"/code~2","value":1}]"#, 400),
        (r#"[{"op":"test","path":"/code/~1text","value":1}]"#, 403),
        (r#"[{"op":"test","path":"/severity/text","value":"mild"}]"#, 200),
        (r#"[{"op":"move","from":"/severity/text","path":"/shoeSize"}]"#, 403),
    ] {
        let answer = ask(&stand, "PATCH", patch, &[]).await;
        assert_eq!(answer.status.as_u16(), status, "{patch}: {}", answer.body);
        if status != 200 {
            assert_eq!(kept.text().unwrap(), record, "{patch}");
        } else {
            kept.set(record);
        }
    }
    let body = json!({"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}});
    let answer = put(&stand, &body, None).await;
    assert_eq!((answer.status.as_u16(), kind(&answer).as_str()), (403, "write-from-redacted-view"), "{}", answer.body);
    assert_eq!(kept.text().unwrap(), record);
}

#[test]
fn a_surface_says_how_it_differs_or_does_not_load() {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let load = |rest: &str| {
        let text = format!("surface = \"fhir-r4\"\nbased-on = \"fhir-r4\"\n{rest}\n");
        Catalogue::read([Source::new("catalogue.toml", text)], &vocabulary)
    };
    let of = |catalogue: Catalogue, id: &str| catalogue.routes().iter().find(|r| r.id() == id).unwrap().merges();
    assert!(of(load("write = \"merge\"").ok().unwrap(), "fhir.Patient.update"));
    assert!(!of(load("write = \"merge\"").ok().unwrap(), "fhir.Patient.read"));
    assert!(!of(load("write = \"refuse\"").ok().unwrap(), "fhir.Patient.update"));
    for bad in ["write = \"join\"", "wrote = \"merge\"", "write = true"] {
        assert!(load(bad).is_err(), "{bad}");
    }
}
