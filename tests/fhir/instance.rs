//! One version, all versions, and all that is a person's.

use http::StatusCode;
use serde_json::{Value, json};

use super::search::{bundle, condition, kinds};
use super::{CARE, MONEY, STUDY, ask, stand};

#[tokio::test]
async fn a_version_is_read_as_the_record_is() {
    let stand = stand();
    let text = condition("c1", "p1").to_string();
    let answer = ask(&stand, CARE, "/Condition/c1/_history/2", &text).await;
    assert_eq!((answer.status, answer.json()["id"].as_str()), (StatusCode::OK, Some("c1")), "{}", answer.body);
    assert_eq!(stand.backend.last.lock().unwrap().as_ref().unwrap().0, "/Condition/c1/_history/2");
    let asked = stand.asked();
    assert_eq!(ask(&stand, MONEY, "/Condition/c1/_history/2", &text).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask(&stand, MONEY, "/Condition/c1/_history", &text).await.status, StatusCode::FORBIDDEN);
    // Whoever sees pseudonyms names versions by them too.
    assert_eq!(ask(&stand, STUDY, "/Patient/p1/_history/1", &text).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stand.asked(), asked);
    let chart = json!({"resourceType": "Patient", "id": "p1", "meta": {"versionId": "7"}}).to_string();
    let shown =
        ask(&stand, STUDY, "/Patient", &bundle(&[serde_json::from_str(&chart).unwrap()]).to_string()).await.json();
    let (id, version) = (&shown["entry"][0]["resource"]["id"], &shown["entry"][0]["resource"]["meta"]["versionId"]);
    let target = format!("/Patient/{}/_history/{}", id.as_str().unwrap(), version.as_str().unwrap());
    let answer = ask(&stand, STUDY, &target, &chart).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(stand.backend.last.lock().unwrap().as_ref().unwrap().0, "/Patient/p1/_history/7");
    assert!(!answer.body.contains("p1"), "{}", answer.body);
}

#[tokio::test]
async fn each_version_is_judged_and_a_deletion_leaves_no_trace() {
    let stand = stand();
    let moved = condition("c1", "p2");
    let versions = json!({"resourceType": "Bundle", "type": "history", "total": 3, "entry": [
        {"fullUrl": "http://backend.test/Condition/c1", "request": {"method": "DELETE", "url": "Condition/c1"},
         "response": {"status": "204", "lastModified": "2026-01-01T00:00:00Z"}},
        {"resource": moved, "request": {"method": "PUT", "url": "Condition/c1"}},
        {"resource": condition("c1", "p1"), "request": {"method": "POST", "url": "Condition"}},
    ]})
    .to_string();
    let answer = ask(&stand, CARE, "/Condition/c1/_history?_count=10", &versions).await;
    assert_eq!(kinds(&answer).len(), 2, "{}", answer.body);
    assert!(!answer.body.contains("DELETE") && !answer.body.contains("total"), "{}", answer.body);
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    let answer = ask(&stand, CARE, "/Condition/c1/_history", &versions).await;
    let json = answer.json();
    let left: Vec<&Value> =
        json["entry"].as_array().unwrap().iter().map(|e| &e["resource"]["subject"]["reference"]).collect();
    assert_eq!(left, [&json!("Patient/p1")]);
    for parameter in ["_since=2020", "_at=2020", "_list=x", "_sort=_id", "code=x"] {
        let answer = ask(&stand, CARE, &format!("/Condition/c1/_history?{parameter}"), &versions).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{parameter}");
    }
}

fn record() -> String {
    bundle(&[
        json!({"resourceType": "Patient", "id": "p1", "name": [{"text": "N"}]}),
        condition("c1", "p1"),
        condition("c2", "p2"),
        json!({"resourceType": "Invoice", "id": "i1", "subject": {"reference": "Patient/p1"}, "status": "issued"}),
        json!({"resourceType": "Organization", "id": "o1", "name": "clinic"}),
        json!({"resourceType": "Binary", "id": "b1", "data": "x"}),
    ])
    .to_string()
}

fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(kind, id)| ((*kind).to_owned(), (*id).to_owned())).collect()
}

#[tokio::test]
async fn everything_of_a_person_is_what_each_type_shows_of_him() {
    let stand = stand();
    let doctor = ask(&stand, CARE, "/Patient/p1/$everything", &record()).await;
    assert_eq!(
        kinds(&doctor),
        of(&[("Patient", "p1"), ("Condition", "c1"), ("Organization", "o1")]),
        "{}",
        doctor.body
    );
    let clerk = ask(&stand, MONEY, "/Patient/p1/$everything?_count=50", &record()).await;
    assert_eq!(kinds(&clerk), of(&[("Patient", "p1"), ("Invoice", "i1"), ("Organization", "o1")]), "{}", clerk.body);
    let asked = stand.asked();
    let refused = ask(&stand, MONEY, "/Patient/p1/$everything?_type=Invoice,Condition", &record()).await;
    assert_eq!((refused.status.as_u16(), stand.asked() - asked), (403, 0), "{}", refused.body);
    assert!(refused.body.contains("`_type`"), "{}", refused.body);
    for parameter in [
        "_type=Parameters",
        "_type=",
        "_type=Invoice&_type=Invoice",
        "_since=2020",
        "start=2020",
        "end=2021",
        "_list=x",
    ] {
        let refused = ask(&stand, CARE, &format!("/Patient/p1/$everything?{parameter}"), &record()).await;
        assert_eq!((refused.status.as_u16(), stand.asked() - asked), (400, 0), "{parameter}: {}", refused.body);
    }
    let some = ask(&stand, CARE, "/Patient/p1/$everything?_type=Condition", &record()).await;
    assert_eq!(kinds(&some), of(&[("Patient", "p1"), ("Condition", "c1")]), "{}", some.body);
    assert_eq!(stand.last("begin")["subjects"].as_array().map(Vec::len), Some(1));
    stand.add("objection", "subject=p1 purpose=care from=2026-01-01");
    assert_eq!(ask(&stand, CARE, "/Patient/p1/$everything", &record()).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn everything_of_a_pseudonym_is_of_one_person_under_one_name() {
    let stand = stand();
    let chart = bundle(&[json!({"resourceType": "Patient", "id": "p1"})]).to_string();
    let shown = ask(&stand, STUDY, "/Patient", &chart).await.json();
    let id = shown["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
    let answer = ask(&stand, STUDY, &format!("/Patient/{id}/$everything"), &record()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(stand.backend.last.lock().unwrap().as_ref().unwrap().0, "/Patient/p1/$everything");
    let json = answer.json();
    assert_eq!(json["entry"][0]["resource"]["id"], json!(id));
    assert_eq!(json["entry"][1]["resource"]["subject"]["reference"], json!(format!("Patient/{id}")));
    assert!(!answer.body.contains("p1\"") && !answer.body.contains("Invoice"), "{}", answer.body);
}

/// An empty history would say that there is such a record; an unknown id has none.
#[tokio::test]
async fn a_history_that_nobody_may_see_is_that_of_an_unknown_id() {
    let stand = stand();
    let fact = "id=h1 recipient=hospital country=JP from=2024-01-01 until=2099-01-01";
    stand.add("organization", fact);
    stand.add("restriction", "subject=p2 name=stop-third-party-provision");
    let claims = json!({"sub": "his", "org": "h1"});
    let purpose = "care.coordination;basis=\"implied-consent\"";
    let versions = bundle(&[condition("c1", "p2")]).to_string();
    stand.next_body(versions.clone(), "application/fhir+json");
    let hidden = stand.get(claims.clone(), purpose, "/Condition/c1/_history").await;
    let missing = http::Response::builder().status(404).body("{}".into()).unwrap();
    *stand.backend.instead.lock().unwrap() = Some(missing);
    let unknown = stand.get(claims.clone(), purpose, "/Condition/c9/_history").await;
    let blank = |body: &str| {
        let id = body.find("decision ").map_or(0, |at| at + 9);
        format!("{}{}", &body[..id], &body[(id + 32).min(body.len())..])
    };
    assert_eq!((hidden.status, blank(&hidden.body)), (StatusCode::NOT_FOUND, blank(&unknown.body)), "{}", hidden.body);
    let shown = bundle(&[condition("c1", "p1")]).to_string();
    stand.next_body(shown, "application/fhir+json");
    assert_eq!(kinds(&stand.get(claims, purpose, "/Condition/c1/_history").await).len(), 1);
    stand.add("restriction", "subject=p2 name=stop-use");
    assert_eq!(
        ask(&stand, CARE, "/Condition/c1/_history", &versions).await.status,
        StatusCode::FORBIDDEN,
        "own staff are told"
    );
}

/// The backend mistakes one record of the person for another, or one person for another.
#[tokio::test]
async fn another_record_than_the_one_asked_for_is_not_released() {
    let stand = stand();
    let chart = |id: &str| json!({"resourceType": "Patient", "id": id, "name": [{"text": "N"}]}).to_string();
    let mut nameless = condition("c1", "p1");
    nameless.as_object_mut().unwrap().remove("id");
    for (target, other) in [
        ("/Condition/c1", condition("c2", "p1").to_string()),
        ("/Condition/c1", nameless.to_string()),
        ("/Condition/c1/_history/2", condition("c2", "p1").to_string()),
        ("/Patient/p1", chart("p2")),
        ("/Organization/o1", json!({"resourceType": "Organization", "id": "o2", "name": "N"}).to_string()),
    ] {
        let answer = ask(&stand, CARE, target, &other).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{target}: {}", answer.body);
        assert!(answer.body.contains("other-record") && !answer.body.contains("\"N\""), "{}", answer.body);
        let end = stand.last("end");
        assert_eq!((&end["outcome"], &end["code"]), (&json!("failed"), &json!("other-record")), "{end}");
    }
    let versions = json!({"resourceType": "Bundle", "type": "history",
        "entry": [{"resource": condition("c2", "p1")}, {"resource": condition("c1", "p1")}]});
    let answer = ask(&stand, CARE, "/Condition/c1/_history", &versions.to_string()).await;
    assert_eq!(kinds(&answer), of(&[("Condition", "c1")]), "{}", answer.body);
}

/// Somebody else takes part, and nothing says who.
#[tokio::test]
async fn a_party_who_does_not_say_who_he_is_is_another() {
    let stand = stand();
    let with = |other: Value| {
        json!({"resourceType": "Appointment", "id": "a1", "status": "booked",
            "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}, other]})
    };
    let known = with(json!({"actor": {"reference": "Patient/p1"}, "status": "accepted"})).to_string();
    assert_eq!(ask(&stand, CARE, "/Appointment/a1", &known).await.status, StatusCode::OK);
    for other in [
        json!({"actor": {"display": "B"}}),
        json!({"actor": {"identifier": {"value": "B"}}}),
        json!({"actor": {"reference": null, "display": "B"}}),
        json!({"status": "accepted"}),
        json!({"actor": {}}),
        json!({"actor": null}),
        json!("B"),
        json!(null),
    ] {
        let appointment = with(other.clone());
        let answer = ask(&stand, CARE, "/Appointment/a1", &appointment.to_string()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{other}: {}", answer.body);
        let answer = ask(&stand, CARE, "/Appointment?patient=p1", &bundle(&[appointment]).to_string()).await;
        assert_eq!(kinds(&answer), of(&[]), "{other}: {}", answer.body);
    }
}
