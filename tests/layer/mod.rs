//! The layer in process: requests through identity, declaration, decision, record and redaction to the sample APIs.

mod canary;
pub(crate) mod cases;
mod closed;
mod dicom;
mod dicom_dates;
mod dicom_pages;
mod forms;
mod ids;
mod leaks;
mod outside;
mod pages;
pub(crate) mod preview;
mod recorded;
pub(crate) mod script;
mod spelled;
pub(crate) mod stateful;
pub(crate) mod support;
mod validators;
pub(crate) mod writeback;
mod writeback_told;

use http::StatusCode;
use sekisho::demo::sample::Org;
use serde_json::json;
use support::{Ask, Stand};

/// A researcher of a registered and approved university.
mod researcher {
    pub(super) const FACTS: &[(&str, &str)] = &[
        ("organization", "id=univ-a recipient=researcher country=JP purposes=research"),
        ("approval", "organization=univ-a purpose=research from=2026-01-01 until=2026-12-31"),
    ];

    pub(super) fn claims() -> serde_json::Value {
        serde_json::json!({"sub": "dr", "org": "univ-a"})
    }
}

fn staff(role: &str) -> serde_json::Value {
    json!({"sub": "staff-1", "roles": [role]})
}

#[tokio::test]
async fn staff_read_what_their_purpose_releases_and_nothing_else() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let id = &stand.backend.sample.ids("donors")[0];
    let answer = stand.get(staff("coordination-staff"), "coordination", &format!("/donors/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let donor = answer.json();
    assert!(donor["name"]["kanji"].is_string() && donor["hla"]["a"].is_string(), "{donor}");
    for gone in ["my_number", "password_hash", "notes", "legacy_code", "photo_id"] {
        assert!(donor.get(gone).is_none(), "{gone} left: {donor}");
    }
    let field = answer.headers["purpose-of-use-decision"].to_str().unwrap();
    assert!(field.starts_with("permit;id=") && field.contains("clause=\"II.3.1\""), "{field}");
    let records = stand.records();
    let begin = records.iter().find(|r| r["kind"] == "begin").unwrap();
    assert_eq!(begin["purpose"], "coordination");
    assert_eq!(begin["route"], "/donors/{id}");
    assert!(begin["clauses"].as_array().unwrap().contains(&json!("II.3.1")), "{begin}");
    assert!(!begin.to_string().contains(id.as_str()), "the subject is sealed: {begin}");
    let end = records.iter().find(|r| r["kind"] == "end").unwrap();
    assert_eq!(end["outcome"], "completed", "{end}");
}

#[tokio::test]
async fn a_joint_user_sees_four_items_of_each_donor_and_no_totals() {
    let facts = [("organization", "id=keio-tc recipient=transplant-center country=JP purposes=coordination")];
    let stand = Stand::new(Org::Jmdp, &facts);
    let claims = json!({"sub": "dr", "org": "keio-tc"});
    let answer = stand.get(claims.clone(), "coordination", "/donors").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let list = answer.json();
    assert!(list.get("total").is_none(), "{list}");
    assert!(list["next"].as_str().is_none_or(|next| next.starts_with("/donors?page-cursor=")), "{list}");
    let first = &list["items"][0];
    assert!(first["name"]["kanji"].is_string() && first["hla"]["a"].is_string(), "{first}");
    for gone in ["phone", "email", "born", "id", "body"] {
        assert!(first.get(gone).is_none(), "{gone} left: {first}");
    }
    let asked = stand.asked();
    let refused = stand.get(claims, "research", "/donors").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.json()["reasons"][0]["code"], "recipient-not-permitted");
    assert_eq!(stand.asked(), asked, "the refused request reached the backend");
}

#[tokio::test]
async fn each_entry_is_judged_for_its_own_subject() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let ids = stand.backend.sample.ids("donors");
    let words = format!("subject={} name=stop-use", ids[0]);
    let entry = sekisho::registry::Entry::parse("restriction", words.split(' ')).unwrap();
    let before = stand.get(staff("coordination-staff"), "coordination", "/donors").await;
    assert!(before.body.contains(ids[0].as_str()), "the first donor is in the list");
    stand.gate.registry.add(&entry, &[], "test", 0).map(|_| ()).unwrap();
    let after = stand.get(staff("coordination-staff"), "coordination", "/donors").await;
    assert_eq!(after.status, StatusCode::OK);
    assert!(!after.body.contains(ids[0].as_str()) && after.body.contains(ids[1].as_str()), "{}", after.body);
    let one = stand.get(staff("coordination-staff"), "coordination", &format!("/donors/{}", ids[0])).await;
    assert_eq!(one.status, StatusCode::FORBIDDEN, "staff are told why");
    assert_eq!(one.json()["reasons"][0]["code"], "restricted");
}

#[tokio::test]
async fn a_researcher_follows_a_pseudonym_and_no_other_id() {
    let stand = Stand::new(Org::Jmdp, researcher::FACTS);
    let claims = researcher::claims();
    let purpose = "research;basis=\"academic-research\"";
    let list = stand.get(claims.clone(), purpose, "/donors").await;
    assert_eq!(list.status, StatusCode::OK, "{}", list.body);
    let first = &list.json()["items"][0];
    let pseudonym = first["id"].as_str().unwrap().to_owned();
    let original = &stand.backend.sample.ids("donors")[0];
    assert_ne!(&pseudonym, original);
    let one = stand.get(claims.clone(), purpose, &format!("/donors/{pseudonym}")).await;
    assert_eq!(one.status, StatusCode::OK, "{}", one.body);
    assert_eq!(one.json()["id"], pseudonym);
    assert!(one.json().get("name").is_none());
    let asked = stand.asked();
    let by_id = stand.get(claims.clone(), purpose, &format!("/donors/{original}")).await;
    let unknown = stand.get(claims, purpose, "/donors/nobody-at-all").await;
    assert_eq!(by_id.status, StatusCode::NOT_FOUND);
    assert_eq!(stand.asked(), asked, "an id that is no pseudonym reached the backend");
    assert_eq!(by_id.body.len(), unknown.body.len());
}

#[tokio::test]
async fn nobody_without_a_token_or_with_a_bad_declaration_reaches_the_backend() {
    let stand = Stand::new(Org::Sakura, &[]);
    let none = stand.ask(Ask { method: "GET", target: "/patients", ..Ask::default() }).await;
    assert_eq!(none.status, StatusCode::UNAUTHORIZED);
    assert!(none.headers.contains_key("www-authenticate"));
    let missing = stand.get(staff("physician"), "", "/patients").await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    assert_eq!(missing.json()["type"], "urn:sekisho:problem:purpose-missing");
    assert!(missing.json()["purposes"].as_array().unwrap().contains(&json!("care")), "{}", missing.body);
    let malformed = stand.get(staff("physician"), "care;basis=\"a\";basis=\"b\"", "/patients").await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
    let twice = stand
        .ask(Ask {
            method: "GET",
            target: "/patients",
            claims: staff("physician"),
            purpose: "care",
            fields: &[("purpose-of-use", "care")],
            ..Ask::default()
        })
        .await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    for (target, status) in [("/nothing", 404), ("/patients/..%2f", 400), ("/patients?nope=1", 400)] {
        let answer = stand.get(staff("physician"), "care", target).await;
        assert_eq!(answer.status.as_u16(), status, "{target}: {}", answer.body);
    }
    let method = stand
        .ask(Ask {
            method: "TRACE",
            target: "/patients",
            claims: staff("physician"),
            purpose: "care",
            ..Ask::default()
        })
        .await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(stand.asked(), 0);
}

#[tokio::test]
async fn writes_need_every_category_and_the_whole_view() {
    let stand = Stand::new(Org::Sakura, &[]);
    let id = stand.backend.sample.ids("patients")[0].clone();
    let body = format!(r#"{{"id":"{id}","phone":"03-0000-0000"}}"#);
    let write = |method: &'static str, role: &str, purpose: &'static str, body: &str| {
        let (stand, claims, target, body) = (&stand, staff(role), format!("/patients/{id}"), body.to_owned());
        async move { stand.ask(Ask { method, target: &target, claims, purpose, body: &body, ..Ask::default() }).await }
    };
    let patched = write("PATCH", "physician", "care", &body).await;
    assert!(patched.status.is_success(), "{} {}", patched.status, patched.body);
    let asked = stand.asked();
    let number = format!(r#"{{"id":"{id}","my_number":"000000000000"}}"#);
    let refused = write("PATCH", "physician", "care", &number).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    let put = write("PUT", "physician", "care", &body).await;
    assert_eq!(put.json()["type"], "urn:sekisho:problem:write-from-redacted-view", "{}", put.body);
    let unnamed = write("PATCH", "physician", "care", &format!(r#"{{"id":"{id}","legacy_code":"x"}}"#)).await;
    assert_eq!(unnamed.status, StatusCode::FORBIDDEN, "{}", unnamed.body);
    let other = write("PATCH", "physician", "care", r#"{"id":"somebody-else","phone":"1"}"#).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST, "{}", other.body);
    let double = write("PATCH", "physician", "care", &format!(r#"{{"id":"{id}","phone":"1","phone":"2"}}"#)).await;
    assert_eq!(double.status, StatusCode::BAD_REQUEST, "{}", double.body);
    let array = write("PATCH", "physician", "care", &format!(r#"{{"id":"{id}","history":["none"]}}"#)).await;
    assert_eq!(array.status, StatusCode::FORBIDDEN, "an array replaces what was not seen: {}", array.body);
    assert_eq!(stand.asked(), asked, "a refused write reached the backend");
}

#[tokio::test]
async fn a_body_that_cannot_be_judged_leaves_nothing() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let id = stand.backend.sample.ids("donors")[0].clone();
    let target = format!("/donors/{id}");
    for (body, media) in [
        (r#"{"id":"x","id":"y"}"#.to_owned(), "application/json"),
        ("not json".to_owned(), "application/json"),
        ("<xml/>".to_owned(), "application/xml"),
        (format!(r#"{{"id":"{id}"}} trailing"#), "application/json"),
        (r#"{"id":"another"}"#.to_owned(), "application/json"),
    ] {
        let instead = http::Response::builder().header("content-type", media).body(body.clone().into()).unwrap();
        *stand.backend.instead.lock().unwrap() = Some(instead);
        let answer = stand.get(staff("coordination-staff"), "coordination", &target).await;
        assert!(
            answer.cut || answer.status.is_server_error() || answer.status == StatusCode::NOT_FOUND,
            "{body}: {} {}",
            answer.status,
            answer.body
        );
        assert!(!answer.body.contains("another") && !answer.body.contains("trailing"), "{body}");
    }
    let error = http::Response::builder().status(500).body("stack trace with 山田".into()).unwrap();
    *stand.backend.instead.lock().unwrap() = Some(error);
    let answer = stand.get(staff("coordination-staff"), "coordination", &target).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(!answer.body.contains("山田"));
}

#[tokio::test]
async fn without_a_record_there_is_no_data() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let id = stand.backend.sample.ids("donors")[0].clone();
    stand.disk.fail_flush_after(0);
    let answer = stand.get(staff("coordination-staff"), "coordination", &format!("/donors/{id}")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    assert!(!answer.body.contains("name"));
    let later = stand.get(staff("coordination-staff"), "coordination", "/donors").await;
    assert_eq!(later.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_relation_limited_to_a_record_opens_that_record_and_no_other() {
    let facts = [
        ("organization", "id=acme recipient=employer country=JP"),
        ("relation", "subject=p-0005 relation=commissioned-exam organization=acme records=ce-0005-1"),
        ("relation", "subject=p-0006 relation=commissioned-exam organization=acme records=ce-0005-1"),
    ];
    let stand = Stand::new(Org::Sakura, &facts);
    let purpose = "employer-notification;recipient=\"employer\";organization=\"acme\"";
    let exam = |patient: &str, exam: &str| format!("/patients/{patient}/commissioned-exams/{exam}");
    let one = stand.get(staff("health-check-clerk"), purpose, &exam("p-0005", "ce-0005-1")).await;
    assert_eq!(one.status, StatusCode::OK, "{}", one.body);
    assert!(one.json()["result"].is_string() && one.json().get("history").is_none(), "{}", one.body);
    let asked = stand.asked();
    let other = stand.get(staff("health-check-clerk"), purpose, &exam("p-0006", "ce-0006-1")).await;
    assert_eq!(other.status, StatusCode::FORBIDDEN, "{}", other.body);
    assert_eq!(other.json()["reasons"][0]["code"], "relation-missing");
    assert_eq!(stand.asked(), asked, "the refused record was fetched");
    // The backend answers another record of the same patient than the one asked for.
    let swapped = r#"{"id":"ce-0005-2","patient_id":"p-0005","name":"n","result":"B"}"#;
    *stand.backend.instead.lock().unwrap() =
        Some(http::Response::builder().header("content-type", "application/json").body(swapped.into()).unwrap());
    let swapped = stand.get(staff("health-check-clerk"), purpose, &exam("p-0005", "ce-0005-1")).await;
    assert!(!swapped.status.is_success() && !swapped.body.contains("\"B\""), "{}", swapped.body);
}

#[tokio::test]
async fn a_dry_run_and_the_help_touch_no_backend() {
    let stand = Stand::new(Org::Sakura, &[]);
    let id = stand.backend.sample.ids("patients")[0].clone();
    let fields = [("purpose-of-use-dry-run", "?1")];
    let target = format!("/patients/{id}");
    let dry = stand
        .ask(Ask {
            method: "GET",
            target: &target,
            claims: staff("physician"),
            purpose: "care",
            fields: &fields,
            ..Ask::default()
        })
        .await;
    assert_eq!(dry.status, StatusCode::OK, "{}", dry.body);
    assert_eq!(dry.json()["release"]["identity.name"], "clear", "{}", dry.body);
    let help = stand.get(staff("physician"), "", "/.well-known/purpose-of-use").await;
    assert_eq!(help.status, StatusCode::OK, "{}", help.body);
    assert!(help.body.contains("care.coordination"), "{}", help.body);
    assert_eq!(stand.asked(), 0);
}
