//! Who stands beside the patient of a record does not take it from him; who could be another person does.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::search::{bundle, kinds};
use super::{CARE, Caller, STUDY, ask, stand};
use crate::layer::support::{Answer, Ask, Stand};

/// An appointment of `others` with the patient p1, who stands second.
fn appointment(others: &[Value]) -> Value {
    let party = |actor: &Value| json!({"actor": actor, "status": "accepted"});
    let mut parties: Vec<Value> = others.iter().map(party).collect();
    parties.insert(parties.len().min(1), party(&json!({"reference": "Patient/p1"})));
    json!({"resourceType": "Appointment", "id": "a1", "status": "booked", "participant": parties,
        "meta": {"versionId": "3"}})
}

pub(super) fn reference(text: &str) -> Value {
    json!({"reference": text})
}

fn ward() -> Vec<Value> {
    vec![
        json!({"reference": "Practitioner/d1", "type": "Practitioner", "display": "Dr. Ito"}),
        reference("PractitionerRole/r1"),
        reference("Location/l1/_history/4"),
        reference("Organization/o1"),
        reference("HealthcareService/h1"),
    ]
}

/// Nobody can tell that these are not another patient, or another patient's.
pub(super) fn strangers() -> Vec<Value> {
    let said = |text: &str, kind: Value| json!({"reference": text, "type": kind});
    vec![
        reference("Patient/p2"),
        reference("\u{50}atient/p2"),
        reference("Patient/p1.1"),
        reference("Patient/P1"),
        reference("patient/p1"),
        reference("RelatedPerson/m1"),
        reference("Device/v1"),
        reference("Group/g1"),
        reference("Person/n1"),
        reference("Observation/o1"),
        reference("Nonsense/n1"),
        reference("http://backend.test/Practitioner/d1"),
        reference("http://backend.test/Patient/p1"),
        reference("https://elsewhere.example/Practitioner/d1"),
        reference("/Practitioner/d1"),
        reference("./Practitioner/d1"),
        reference("Practitioner/../Patient/p2"),
        reference("Practitioner/d1/_history/1/../../../../Patient/p2"),
        reference("Practitioner?identifier=7"),
        reference("Practitioner"),
        reference("Practitioner/"),
        reference(""),
        reference("d1"),
        reference("#d1"),
        reference("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"),
        said("Practitioner/p2", json!("Patient")),
        said("Practitioner/p2", json!("http://hl7.org/fhir/StructureDefinition/Patient")),
        said("Practitioner/p2", json!(7)),
        said("Practitioner/p2", json!(null)),
        said("Patient/p1", json!("Practitioner")),
        said("Patient/p2", json!("Practitioner")),
        said("#p2", json!("Practitioner")),
        json!({"type": "Practitioner", "display": "Dr. Ito"}),
        json!({"type": "Location", "identifier": {"value": "7"}}),
        json!({"reference": ["Practitioner/d1"]}),
        json!({"reference": {"reference": "Practitioner/d1"}}),
        json!({"reference": 7}),
        json!(["Practitioner/d1"]),
        json!("Practitioner/d1"),
    ]
}

#[tokio::test]
async fn a_patient_s_appointment_is_not_lost_for_the_practitioner_in_it() {
    let stand = stand();
    let one = appointment(&ward());
    let answer = ask(&stand, CARE, "/Appointment/a1", &one.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json()["participant"], one["participant"]);
    for target in ["/Appointment", "/Appointment?patient=p1", "/Appointment?practitioner=Practitioner/d1"] {
        let answer = ask(&stand, CARE, target, &bundle(std::slice::from_ref(&one)).to_string()).await;
        assert_eq!(kinds(&answer).len(), 1, "{target}: {}", answer.body);
    }
    // Another's is not p1's, whoever stands beside him.
    let theirs: Value = serde_json::from_str(&one.to_string().replace("Patient/p1", "Patient/p2")).unwrap();
    let answer = ask(&stand, CARE, "/Appointment?patient=p1", &bundle(std::slice::from_ref(&theirs)).to_string()).await;
    assert_eq!(kinds(&answer).len(), 0, "{}", answer.body);
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    let answer = ask(&stand, CARE, "/Appointment", &bundle(&[one, theirs]).to_string()).await;
    assert_eq!(kinds(&answer).len(), 1, "{}", answer.body);
    assert!(!answer.body.contains("p2"), "{}", answer.body);
}

#[tokio::test]
async fn a_party_who_could_be_another_patient_takes_the_record_away() {
    let stand = stand();
    let beside = |stranger: &Value| {
        let one = appointment(&[ward(), vec![stranger.clone()]].concat()).to_string();
        // What a server may write otherwise, and mean the same.
        [
            appointment(std::slice::from_ref(stranger)).to_string(),
            one.replace("Practitioner/", "\\u0050ractitioner\\/"),
            one,
        ]
    };
    for stranger in strangers() {
        let [_, _, one] = beside(&stranger);
        let answer = ask(&stand, CARE, "/Appointment/a1", &one).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{stranger}: {}", answer.body);
    }
    let all = || strangers().into_iter().flat_map(|stranger| beside(&stranger));
    let plain = [appointment(&[]).to_string(), appointment(&ward()).to_string()];
    let entries: Vec<String> = all().chain(plain).map(|one| format!(r#"{{"resource":{one}}}"#)).collect();
    let entries = entries.join(",");
    let list = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{entries}]}}"#);
    for target in ["/Appointment", "/Appointment?patient=p1"] {
        let answer = ask(&stand, CARE, target, &list).await;
        assert_eq!(kinds(&answer).len(), 2, "{target}: {}", answer.body);
    }
    // A member that comes twice is no JSON that two readers read alike.
    let twice = appointment(&[reference("Practitioner/d1")]).to_string();
    let twice =
        twice.replace(r#""reference":"Practitioner/d1""#, r#""reference":"Practitioner/d1","reference":"Patient/p2""#);
    assert!(twice.contains("p2"));
    let answer = ask(&stand, CARE, "/Appointment/a1", &twice).await;
    assert!(answer.status != StatusCode::OK && !answer.body.contains("p2"), "{}: {}", answer.status, answer.body);
}

/// An appointment with a role that nobody fills yet is its patient's all the same: read, found, written and contained.
#[tokio::test]
async fn an_appointment_is_not_lost_for_a_role_that_nobody_fills() {
    let stand = stand();
    let role = json!({"type": [{"text": "Anaesthetist"}], "required": "required", "status": "needs-action"});
    let with = |others: &[Value], role: &Value| {
        let mut one = appointment(others);
        let parties = one["participant"].as_array_mut().unwrap();
        parties.insert(0, role.clone());
        parties.push(role.clone());
        one
    };
    let one = with(&ward(), &role);
    let answer = ask(&stand, CARE, "/Appointment/a1", &one.to_string()).await;
    assert_eq!((answer.status, &answer.json()["participant"]), (StatusCode::OK, &one["participant"]));
    for target in ["/Appointment", "/Appointment?patient=p1"] {
        let answer = ask(&stand, CARE, target, &bundle(std::slice::from_ref(&one)).to_string()).await;
        assert_eq!(kinds(&answer).len(), 1, "{target}: {}", answer.body);
    }
    let mut new = one.clone();
    new.as_object_mut().unwrap().remove("id");
    for (method, target, body) in [("POST", "/Appointment", &new), ("PUT", "/Appointment/a1", &one)] {
        let written = serve(&stand, one.clone());
        let answer = send(&stand, method, target, body, &[]).await;
        assert!(answer.status.is_success(), "{method}: {} {}", answer.status, answer.body);
        assert_eq!(written.lock().unwrap().len(), 1, "{method}");
    }
    *stand.backend.always.lock().unwrap() = None;
    // Nor does it hide a stranger, make the record somebody's whom nobody names, or stand where it could name somebody.
    let mut alone = with(&ward(), &role);
    alone["participant"].as_array_mut().unwrap().retain(|party| party["actor"]["reference"] != "Patient/p1");
    let named =
        json!({"type": [{"text": "x"}], "extension": [{"url": "urn:x", "valueReference": reference("Patient/p2")}]});
    let strangers = strangers().into_iter().map(|stranger| with(&[stranger], &role));
    for record in strangers.chain([alone, with(&ward(), &named), with(&ward(), &json!({}))]) {
        let answer = ask(&stand, CARE, "/Appointment/a1", &record.to_string()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{record}: {}", answer.body);
        let answer = ask(&stand, CARE, "/Appointment?patient=p1", &bundle(&[record]).to_string()).await;
        assert_eq!(kinds(&answer).len(), 0, "{}", answer.body);
    }
}

/// That nobody's patient is named is no proof that there is none.
#[tokio::test]
async fn a_record_of_bystanders_alone_is_nobody_s_and_stays() {
    let stand = stand();
    let mut alone = appointment(&ward());
    alone["participant"].as_array_mut().unwrap().remove(1);
    assert!(!alone.to_string().contains("Patient"));
    let target = json!({"resourceType": "Provenance", "id": "v1", "recorded": "2026-01-01T00:00:00Z",
        "target": ward(), "agent": [{"who": reference("Patient/p1")}]});
    let ward =
        json!({"resourceType": "Observation", "id": "o1", "status": "final", "subject": reference("Location/l1")});
    for record in [alone, target, ward] {
        let (kind, id) = (record["resourceType"].as_str().unwrap(), record["id"].as_str().unwrap());
        let answer = ask(&stand, CARE, &format!("/{kind}/{id}"), &record.to_string()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{kind}: {}", answer.body);
        for target in [format!("/{kind}"), format!("/{kind}?patient=p1")] {
            let answer = ask(&stand, CARE, &target, &bundle(std::slice::from_ref(&record)).to_string()).await;
            assert!(answer.status != StatusCode::OK || kinds(&answer).is_empty(), "{target}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn every_type_that_names_several_parties_is_read_for_its_one_patient() {
    const OFFICER: Caller = ("privacy-officer", "principal-request.disclosure");
    let stand = stand();
    let (p1, d1, l1) = (reference("Patient/p1"), reference("Practitioner/d1"), reference("Location/l1"));
    // The last word: where the patient stands, one who is named there besides is another.
    let records = [
        (json!({"resourceType": "Provenance", "target": [p1, d1]}), true),
        (json!({"resourceType": "AuditEvent", "entity": [{"what": d1}, {"what": p1}]}), true),
        (json!({"resourceType": "Schedule", "actor": [l1, p1, d1]}), true),
        (json!({"resourceType": "Group", "type": "person", "member": [{"entity": d1}, {"entity": p1}]}), true),
        (json!({"resourceType": "Account", "status": "active", "subject": [p1, d1]}), true),
        (json!({"resourceType": "Linkage", "item": [{"type": "source", "resource": d1}, {"resource": p1}]}), true),
        (json!({"resourceType": "List", "status": "current", "subject": p1, "source": d1}), false),
        (json!({"resourceType": "Communication", "subject": p1, "sender": d1, "recipient": [d1, l1]}), false),
        (json!({"resourceType": "Task", "status": "requested", "for": p1, "owner": d1}), false),
    ];
    for (mut record, among) in records {
        record["id"] = json!("x1");
        let target = format!("/{}/x1", record["resourceType"].as_str().unwrap());
        let answer = ask(&stand, OFFICER, &target, &record.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}: {}", answer.body);
        let two = record.to_string().replace("Practitioner/d1", "Patient/p2");
        let status = ask(&stand, OFFICER, &target, &two).await.status;
        assert_eq!(status, if among { StatusCode::NOT_FOUND } else { StatusCode::OK }, "{two}");
    }
}

/// A backend that has, and finds, this record; what was written is kept.
fn serve(stand: &Stand, stored: Value) -> Arc<Mutex<Vec<String>>> {
    let written = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&written);
    let answers = move |head: &http::request::Parts, _: &Bytes| {
        let text = match (head.method.as_str(), head.uri.query()) {
            ("GET", Some(_)) => bundle(std::slice::from_ref(&stored)).to_string(),
            ("GET", None) => stored.to_string(),
            _ => {
                kept.lock().unwrap().push(head.method.to_string());
                stored.to_string()
            }
        };
        let response = Response::builder().header("content-type", "application/fhir+json");
        response.status(if head.method == "POST" { 201 } else { 200 }).body(Bytes::from(text)).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
    written
}

async fn send(stand: &Stand, method: &str, target: &str, body: &Value, fields: &[(&str, &str)]) -> Answer {
    let ((role, purpose), body) = (CARE, body.to_string());
    stand.ask(Ask { method, target, claims: json!({"roles": [role]}), purpose, body: &body, fields }).await
}

#[tokio::test]
async fn a_write_is_about_the_one_patient_among_its_parties() {
    let stand = stand();
    let one = appointment(&ward());
    let written = serve(&stand, one.clone());
    let mut new = one.clone();
    new.as_object_mut().unwrap().remove("id");
    let patch = json!([{"op": "replace", "path": "/start", "value": "2026-01-02T09:00:00Z"}]);
    let json_patch = [("content-type", "application/json-patch+json")];
    for (method, target, body, fields) in [
        ("POST", "/Appointment", &new, &[][..]),
        ("PUT", "/Appointment/a1", &one, &[]),
        ("PATCH", "/Appointment/a1", &patch, &json_patch),
        ("PUT", "/Appointment?identifier=7", &one, &[]),
        ("PATCH", "/Appointment?identifier=7&patient=p1", &patch, &json_patch),
    ] {
        let answer = send(&stand, method, target, body, fields).await;
        assert!(answer.status.is_success(), "{method} {target}: {} {}", answer.status, answer.body);
        assert_eq!(written.lock().unwrap().drain(..).count(), 1, "{method} {target}");
    }
    // Made only where there is none: the one that is found is his.
    let answer = send(&stand, "POST", "/Appointment", &new, &[("if-none-exist", "identifier=7")]).await;
    assert!(answer.status.is_success() && written.lock().unwrap().is_empty(), "{} {}", answer.status, answer.body);
}

#[tokio::test]
async fn a_write_that_names_a_stranger_or_changes_a_stranger_s_record_is_refused() {
    let stand = stand();
    let one = appointment(&ward());
    let patch = json!([{"op": "replace", "path": "/start", "value": "2026-01-02T09:00:00Z"}]);
    let json_patch = [("content-type", "application/json-patch+json")];
    for stranger in strangers() {
        let theirs = appointment(&[ward(), vec![stranger.clone()]].concat());
        let written = serve(&stand, one.clone());
        let answer = send(&stand, "PUT", "/Appointment/a1", &theirs, &[]).await;
        // What is not of the shape that a party or a reference has is no member that the catalogue names.
        let malformed =
            !stranger.is_object() || stranger.get("reference").is_some_and(|text| text.is_array() || text.is_object());
        let status = if malformed { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
        assert_eq!(answer.status, status, "{stranger}: {}", answer.body);
        assert!(written.lock().unwrap().is_empty(), "{stranger}");
        let written = serve(&stand, theirs);
        for (method, body, fields) in [("PUT", &one, &[][..]), ("PATCH", &patch, &json_patch)] {
            let answer = send(&stand, method, "/Appointment/a1", body, fields).await;
            assert!(answer.status.is_client_error(), "{method} over {stranger}: {}", answer.body);
        }
        let answer = send(&stand, "PUT", "/Appointment?identifier=7", &one, &[]).await;
        assert!(!answer.status.is_success(), "{stranger} fits the condition: {} {}", answer.status, answer.body);
        assert!(written.lock().unwrap().is_empty(), "{stranger}");
    }
}

#[tokio::test]
async fn a_record_contained_is_the_persons_beside_whom_bystanders_stand() {
    let stand = stand();
    let record = |inside: &Value| json!({"resourceType": "Condition", "id": "c1", "subject": reference("Patient/p1"), "contained": [inside]});
    let mut inside = appointment(&ward());
    inside["id"] = json!("in");
    let shown = ask(&stand, CARE, "/Condition/c1", &record(&inside).to_string()).await.json();
    let actors = |record: &Value| {
        let parties = record["participant"].as_array().unwrap().iter();
        parties.map(|party| party["actor"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(actors(&shown["contained"][0]), actors(&inside), "{shown}");
    let mut new = record(&inside);
    new.as_object_mut().unwrap().remove("id");
    let written = serve(&stand, new.clone());
    let answer = send(&stand, "POST", "/Condition", &new, &[]).await;
    assert!(answer.status.is_success(), "{}: {}", answer.status, answer.body);
    assert_eq!(written.lock().unwrap().drain(..).count(), 1);
    *stand.backend.always.lock().unwrap() = None;
    let with = |stranger: Value| appointment(&[ward(), vec![stranger]].concat());
    let mut alone = appointment(&ward());
    alone["participant"].as_array_mut().unwrap().remove(1);
    for inside in strangers().into_iter().map(with).chain([alone]) {
        let shown = ask(&stand, CARE, "/Condition/c1", &record(&inside).to_string()).await;
        assert_eq!((shown.status, shown.json().get("contained")), (StatusCode::OK, None), "{inside}");
        new["contained"] = json!([inside]);
        let answer = send(&stand, "POST", "/Condition", &new, &[]).await;
        // A search in the place of a reference is refused before it is asked whose the record is.
        let searches = inside.to_string().contains('?');
        let status = if searches { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
        assert_eq!(answer.status, status, "{inside}: {}", answer.body);
    }
}

/// A bystander is asked about by a charged parameter; nobody goes by one from a person's record to another's.
#[tokio::test]
async fn no_search_goes_by_a_bystander_to_another_person() {
    let stand = stand();
    let list = bundle(&[appointment(&ward())]).to_string();
    for target in [
        "/Appointment?actor=Practitioner/d1",
        "/Appointment?patient=p1&actor=Practitioner/d1",
        "/Appointment?patient=p1&actor:Practitioner=d1",
        "/Appointment?patient=p1&practitioner.name=Ito",
        "/Appointment?actor:Location.name=ward",
    ] {
        let answer = ask(&stand, CARE, target, &list).await;
        assert_eq!((answer.status, kinds(&answer).len()), (StatusCode::OK, 1), "{target}: {}", answer.body);
    }
    // To whom ids are pseudonyms it is a question about one.
    for target in ["/Appointment?actor=Practitioner/d1", "/Appointment?practitioner=Practitioner/d1"] {
        let answer = ask(&stand, STUDY, target, &list).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{target}: {}", answer.body);
    }
    let asked = stand.asked();
    for target in [
        "/Appointment?actor=Practitioner/d1,Patient/p2",
        "/Appointment?actor=Device/v1",
        "/Appointment?actor=Practitioner/../Patient/p2",
        "/Appointment?patient=p1&practitioner._has:Appointment:practitioner:date=2026",
        "/Appointment?patient=p1&actor:Practitioner._has:Appointment:actor:patient.name=B",
        "/Practitioner?_has:Appointment:practitioner:date=2026",
        "/Practitioner?_revinclude=Appointment:practitioner",
    ] {
        let answer = ask(&stand, CARE, target, &list).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{target}: {}", answer.body);
    }
    assert_eq!(stand.asked(), asked);
}
