//! Whether there is a record of a type that a caller may not know of is told by no write: neither by its status nor by anything else.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use sekisho::catalogue::Catalogue;
use sekisho::demo::sample::Org;
use serde_json::{Value, json};

use super::conditional::send;
use super::search::condition;
use super::{CARE, Caller, MONEY, stand};
use crate::layer::support::{Answer, Stand};

/// Deletes what a person had deleted.
const OFFICER: Caller = ("privacy-officer", "principal-request.deletion");
const PATCH: &str = r#"[{"op":"add","path":"/identifier","value":[{"value":"A-1"}]}]"#;

/// A server with these records.
fn serve(stand: &Stand, records: Vec<Value>) {
    let answers = move |head: &http::request::Parts, body: &Bytes| {
        let response = Response::builder().header("content-type", "application/fhir+json").header("etag", "W/\"3\"");
        let found = records.iter().find(|record| head.uri.path().ends_with(record["id"].as_str().unwrap()));
        let (status, text) = match (head.method.as_str(), found) {
            ("GET", None) if head.uri.query().is_some() => {
                let entries: Vec<Value> = records.iter().map(|record| json!({"resource": record})).collect();
                (200, json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}).to_string())
            }
            ("GET" | "DELETE" | "PATCH", None) => (404, "{}".to_owned()),
            ("PUT", None) => (201, String::from_utf8(body.to_vec()).unwrap()),
            (_, Some(record)) => (200, record.to_string()),
            (_, None) => (405, "{}".to_owned()),
        };
        response.status(status).body(Bytes::from(text)).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
}

fn stored() -> Value {
    let mut record = condition("c1", "p1");
    record["meta"] = json!({"versionId": "3"});
    record
}

/// What the accountant may write of a record: an identifier, and whom it is about.
fn put() -> String {
    json!({"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}, "identifier": [{"value": "A-1"}]})
        .to_string()
}

/// All that a caller can tell an answer by, but for the decision's id.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let plain = |text: &str| {
        let mut text = text.to_owned();
        while let Some(at) = text.find("0000000000") {
            let end = (at..text.len()).find(|end| !text.as_bytes()[*end].is_ascii_hexdigit()).unwrap_or(text.len());
            text.replace_range(at..end, "ID");
        }
        text
    };
    let fields = answer.headers.iter();
    let fields = fields.map(|(name, value)| (name.to_string(), plain(value.to_str().unwrap()))).collect();
    (answer.status.as_u16(), fields, plain(&answer.body))
}

/// The answers of two worlds to the same write: one where there is such a record, and one where there is none.
async fn in_both(
    make: impl Fn() -> Stand,
    caller: Caller,
    line: (&str, &str),
    body: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let (there, none) = (make(), make());
    serve(&there, vec![stored()]);
    serve(&none, vec![]);
    let answer = send(&there, caller, line, body, fields).await;
    let other = send(&none, caller, line, body, fields).await;
    assert_eq!(seen(&answer), seen(&other), "{line:?} {fields:?}");
    answer
}

#[tokio::test]
async fn no_write_tells_who_may_not_know_of_a_type_that_there_is_a_record() {
    let patch = ("content-type", "application/json-patch+json");
    let body = put();
    for tag in [None, Some("W/\"3\""), Some("W/\"4\""), Some("*")] {
        let tag = tag.map(|tag| ("if-match", tag));
        for (line, body, media) in [
            (("PATCH", "/Condition/c1"), PATCH, Some(patch)),
            (("PUT", "/Condition/c1"), &body, None),
            (("PATCH", "/Condition?identifier=1&patient=p1"), PATCH, Some(patch)),
            (("PUT", "/Condition?identifier=1"), &body, None),
        ] {
            let fields: Vec<(&str, &str)> = media.into_iter().chain(tag).collect();
            let answer = in_both(stand, MONEY, line, body, &fields).await;
            assert_eq!(answer.status, 403, "{line:?}: {}", answer.body);
            assert!(answer.body.contains("search-not-permitted"), "{line:?}: {}", answer.body);
        }
    }
    let answer = in_both(
        stand,
        MONEY,
        ("POST", "/Condition"),
        &body.replace("\"id\":\"c1\",", ""),
        &[("if-none-exist", "identifier=1")],
    )
    .await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    // He who may know of it is told.
    let there = stand();
    serve(&there, vec![stored()]);
    assert_eq!(send(&there, CARE, ("PATCH", "/Condition/c1"), PATCH, &[patch]).await.status, 200);
    assert_eq!(send(&there, CARE, ("PATCH", "/Condition/c2"), PATCH, &[patch]).await.status, 404);
    // What a type does not tell, or a creation, is nobody's secret.
    let record =
        json!({"resourceType": "Condition", "subject": {"reference": "Patient/p1"}, "identifier": [{"value": "A-1"}]});
    let before = there.asked();
    send(&there, MONEY, ("POST", "/Condition"), &record.to_string(), &[]).await;
    assert_eq!(there.asked() - before, 1, "a new record is told of by nothing");
}

/// In a batch, and in a surface that joins what is put with what was not shown.
#[tokio::test]
async fn neither_does_a_batch_nor_a_merge() {
    let merges = || {
        Stand::before(
            sekisho::policy::Source::new(
                "fhir.toml",
                "surface = \"fhir-r4\"\nbased-on = \"fhir-r4\"\nwrite = \"merge\"\n",
            ),
            Org::Sakura,
            &[],
        )
    };
    for tag in [None, Some("W/\"3\""), Some("*")] {
        let fields: Vec<(&str, &str)> = tag.map(|tag| ("if-match", tag)).into_iter().collect();
        let answer = in_both(merges, MONEY, ("PUT", "/Condition/c1"), &put(), &fields).await;
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
    let entry = |method: &str, body: Option<&str>| {
        let mut entry = json!({"request": {"method": method, "url": "Condition/c1"}});
        if let Some(body) = body {
            entry["resource"] = serde_json::from_str(body).unwrap();
        }
        entry
    };
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry("PUT", Some(&put())), entry("DELETE", None), entry("GET", None)]});
    let fields = [("content-type", "application/fhir+json")];
    in_both(stand, MONEY, ("POST", "/"), &batch.to_string(), &fields).await;
}

/// Whoever deletes what a person asks him to delete may know of it; of a type that his purpose does not show he learns nothing.
#[tokio::test]
async fn a_deletion_tells_only_of_what_its_purpose_shows() {
    let there = stand();
    serve(&there, vec![stored()]);
    assert_eq!(send(&there, OFFICER, ("DELETE", "/Condition/c1"), "", &[]).await.status, 200);
    let narrow = || {
        let forbid = "[[forbid]]\nid = \"my-number-stays\"";
        let more = "[[forbid]]\nid = \"no-illness\"\nclause = \"1\"\ndata = [\"health.condition\"]\npurpose = \"principal-request.deletion\"\n\n";
        Stand::before_under(Catalogue::fhir_r4_source(), Org::Sakura, (forbid, &format!("{more}{forbid}")))
    };
    for fields in [vec![], vec![("if-match", "W/\"3\"")]] {
        let answer = in_both(narrow, OFFICER, ("DELETE", "/Condition/c1"), "", &fields).await;
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
}

/// What lies inside a record tells by its type what a record of that type would.
#[tokio::test]
async fn what_is_contained_tells_of_no_type_of_which_the_caller_may_not_know() {
    let stand = stand();
    let subject = json!({"reference": "Patient/p1"});
    let inside = |kind: &str| match kind {
        "AllergyIntolerance" => json!({"resourceType": kind, "id": "q", "patient": subject}),
        "Organization" => json!({"resourceType": kind, "id": "q", "name": "Clinic"}),
        _ => json!({"resourceType": kind, "id": "q", "subject": subject}),
    };
    let nested =
        |kind: &str| json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inside(kind)}]});
    let claim = |contained: Vec<Value>| json!({"resourceType": "Claim", "id": "c1", "status": "active", "patient": subject, "contained": contained});
    let plain = json!({"resourceType": "Claim", "id": "c1", "status": "active", "patient": subject});
    let bundle = |record: &Value| super::search::bundle(std::slice::from_ref(record));
    let of = |kind: &str| format!("\"resourceType\":\"{kind}\"");
    for (target, wrap) in [("/Claim/c1", None), ("/Claim?patient=p1", Some(&bundle)), ("/Claim", Some(&bundle))] {
        let body = |record: &Value| wrap.map_or_else(|| record.to_string(), |wrap| wrap(record).to_string());
        let told = async |caller: Caller, contained: Value| {
            seen(&super::ask(&stand, caller, target, &body(&claim(vec![contained]))).await)
        };
        let without = seen(&super::ask(&stand, MONEY, target, &body(&plain)).await);
        assert_eq!(without.0, 200, "{}", without.2);
        for kind in ["Observation", "Condition", "AllergyIntolerance", "MedicationRequest", "Encounter", "Organization"]
        {
            // What a record of nobody says here is said of him, too. What the accountant gets is what he gets of a claim that contains nothing.
            assert_eq!(told(MONEY, inside(kind)).await, without, "{target}: {kind}");
            let hidden = told(MONEY, nested(kind)).await.2;
            assert!(!hidden.contains(&of(kind)), "{target}: {kind}: {hidden}");
        }
        // Of what he may know of he is told.
        for kind in ["Claim", "Invoice"] {
            let (_, _, text) =
                told(MONEY, json!({"resourceType": kind, "id": "q", "patient": subject, "subject": subject})).await;
            assert!(
                text.matches("resourceType").count() > without.2.matches("resourceType").count(),
                "{target}: {kind}: {text}"
            );
        }
    }
    // To who treats him the same of the other kind.
    for (kind, there) in [
        ("Observation", true),
        ("MedicationRequest", true),
        ("Encounter", true),
        ("Basic", true),
        ("Organization", true),
        ("Claim", false),
    ] {
        let mut record = condition("c1", "p1");
        record["contained"] =
            json!([{"resourceType": kind, "id": "q", "patient": subject, "subject": subject, "status": "active"}]);
        let (status, _, text) = seen(&super::ask(&stand, CARE, "/Condition/c1", &record.to_string()).await);
        assert_eq!((status, text.contains(&of(kind))), (200, there), "{kind}: {text}");
    }
}

/// The id of a contained Patient counts in its record alone: that it is the person's own says nothing of who he is.
#[tokio::test]
async fn of_a_contained_patient_nothing_of_anybody_leaves_though_his_id_is_the_persons() {
    let stand = stand();
    let stranger = |id: &Value| {
        json!({"resourceType": "Patient", "id": id, "active": true, "gender": "female", "birthDate": "1999-09-09",
            "name": [{"family": "Stranger"}], "telecom": [{"system": "phone", "value": "Stranger"}],
            "text": {"status": "generated", "div": "Stranger"}, "identifier": [{"value": "Stranger"}],
            "extension": [{"url": "urn:x", "valueString": "Stranger"}],
            "contained": [{"resourceType": "Observation", "status": "final", "code": {"text": "Stranger"}},
                {"resourceType": "Organization", "name": "Stranger"}]})
    };
    let chart = json!({"resourceType": "Patient", "id": "p1", "gender": "male", "name": [{"family": "Own"}]});
    for id in [json!("p1"), Value::Null] {
        let mut inside = stranger(&id);
        inside.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        for (target, mut record) in [("/Patient/p1", chart.clone()), ("/Condition/c1", condition("c1", "p1"))] {
            record["contained"] = json!([inside]);
            for (target, body) in [
                (target.to_owned(), record.to_string()),
                (target.rsplit_once('/').unwrap().0.to_owned(), super::search::bundle(&[record.clone()]).to_string()),
            ] {
                let (status, _, text) = seen(&super::ask(&stand, CARE, &target, &body).await);
                let shown: Value = serde_json::from_str(&text).unwrap();
                let shown = shown["entry"][0].get("resource").unwrap_or(&shown);
                assert_eq!(
                    (status, &shown["contained"][0]["resourceType"]),
                    (200, &json!("Patient")),
                    "{target}: {text}"
                );
                assert_eq!(shown["contained"][0]["active"], true, "{target}: what is nobody's stays: {text}");
                assert!(
                    !text.contains("Stranger") && !text.contains("1999") && !text.contains("female"),
                    "{target}: {text}"
                );
            }
        }
        // Nor is he written as the person's.
        let mut record = condition("c1", "p1");
        inside.as_object_mut().unwrap().remove("contained");
        record["contained"] = json!([inside]);
        let answer = send(&stand, CARE, ("PUT", "/Condition/c1"), &record.to_string(), &[]).await;
        assert_eq!(answer.status, 403, "{}", answer.body);
        assert!(answer.body.contains("contained-of-another"), "{}", answer.body);
    }
    // His own chart is his.
    let answer = super::ask(&stand, CARE, "/Patient/p1", &chart.to_string()).await;
    assert!(answer.status == 200 && answer.body.contains("Own"), "{}", answer.body);
}

/// Nobody says that he goes with the person of the record: a Person who is linked to nobody, somebody's relative.
#[tokio::test]
async fn of_somebody_contained_who_goes_with_no_patient_nothing_leaves() {
    let stand = stand();
    let named = |kind: &str, with: Value| {
        let mut one = json!({"resourceType": kind, "id": "q", "gender": "female", "birthDate": "1999-09-09",
            "name": [{"family": "Stranger"}], "telecom": [{"system": "phone", "value": "Stranger"}]});
        one.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        one
    };
    for somebody in [
        named("Person", json!({})),
        named("Person", json!({"link": []})),
        named("RelatedPerson", json!({})),
        named("Person", json!({"link": [{"target": {"reference": "Patient/p2"}}]})),
    ] {
        for mut record in [json!({"resourceType": "Patient", "id": "p1", "gender": "male"}), condition("c1", "p1")] {
            record["contained"] = json!([somebody]);
            let target = format!("/{}/{}", record["resourceType"].as_str().unwrap(), record["id"].as_str().unwrap());
            let answer = super::ask(&stand, CARE, &target, &record.to_string()).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let told = answer.body.contains("Stranger") || answer.body.contains("1999");
            assert!(!told && answer.json().get("contained").is_none(), "{target}: {}", answer.body);
        }
    }
    // One who goes with him is as the rest of his record.
    let mut record = condition("c1", "p1");
    record["contained"] = json!([named("RelatedPerson", json!({"patient": {"reference": "Patient/p1"}}))]);
    let answer = super::ask(&stand, CARE, "/Condition/c1", &record.to_string()).await;
    assert_eq!(answer.json()["contained"][0]["resourceType"], "RelatedPerson", "{}", answer.body);
}
