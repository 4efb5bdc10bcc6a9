//! Whose is a schedule, whose a slot? Of those who are booked; and a patient's only where one is among them.

use http::StatusCode;
use sekisho::catalogue::Catalogue;
use sekisho::demo::sample::Org;
use serde_json::{Value, json};

use super::parties::{reference, strangers};
use super::search::{bundle, kinds};
use super::{CARE, MONEY, ask};
use crate::layer::support::Stand;

/// The clinic's gate, under a policy that shows in care who works when.
fn booking() -> Stand {
    let care = "[view.care]\nclear = [";
    Stand::before_under(Catalogue::fhir_r4_source(), Org::Sakura, (care, &format!("{care}\"work.personnel\", ")))
}

/// Of a schedule it is known whose it is where only these are booked: nobody's patient is in it.
#[tokio::test]
async fn a_schedule_of_practitioners_places_and_machines_alone_is_theirs_and_is_not_lost() {
    let schedule = |actors: &[Value]| {
        json!({"resourceType": "Schedule", "id": "s1", "actor": actors, "active": true,
            "planningHorizon": {"start": "2026-01-01"}})
    };
    let (d1, r1, l1) = (reference("Practitioner/d1"), reference("PractitionerRole/r1"), reference("Location/l1"));
    let stand = booking();
    for actors in [
        vec![d1.clone()],
        vec![d1.clone(), r1, l1.clone(), reference("HealthcareService/h1/_history/2")],
        vec![l1.clone(), reference("Device/v1")],
    ] {
        let one = schedule(&actors);
        let answer = ask(&stand, CARE, "/Schedule/s1", &one.to_string()).await;
        assert_eq!((answer.status, answer.json()["actor"].clone()), (StatusCode::OK, json!(actors)), "{}", answer.body);
        assert_eq!(stand.last("end")["entries_released"], 1);
        for target in ["/Schedule", "/Schedule?actor=Practitioner/d1", "/Schedule/s1/_history"] {
            let mut list = bundle(std::slice::from_ref(&one));
            if target.ends_with("_history") {
                list["type"] = json!("history");
            }
            let answer = ask(&stand, CARE, target, &list.to_string()).await;
            assert_eq!(kinds(&answer).len(), 1, "{target}: {}", answer.body);
        }
        // It is not his, and nobody is told of it whose purpose shows nothing of the kind.
        let answer =
            ask(&stand, CARE, "/Schedule?actor=Patient/p1", &bundle(std::slice::from_ref(&one)).to_string()).await;
        assert_eq!((answer.status, kinds(&answer).len()), (StatusCode::OK, 0), "{}", answer.body);
        assert_ne!(ask(&stand, MONEY, "/Schedule/s1", &one.to_string()).await.status, StatusCode::OK);
        // Inside a person's record it is nobody's who was judged.
        let inside =
            json!({"resourceType": "Condition", "id": "c1", "subject": reference("Patient/p1"), "contained": [one]});
        assert!(ask(&stand, CARE, "/Condition/c1", &inside.to_string()).await.json().get("contained").is_none());
    }
    stand.add("objection", "subject=p2 purpose=care from=2026-01-01");
    for stranger in strangers().into_iter().filter(|one| *one != reference("Device/v1")) {
        let patients = stranger == reference("Patient/p1.1") || stranger == reference("Patient/P1");
        let answer = ask(&stand, CARE, "/Schedule/s1", &schedule(&[d1.clone(), stranger.clone()]).to_string()).await;
        // These name another patient, on whom nothing is on file.
        assert_eq!(answer.status == StatusCode::OK, patients, "{stranger}: {}", answer.body);
    }
    for none in [
        schedule(&[]),
        schedule(&[d1.clone(), json!({"display": "B"})]),
        schedule(&[reference("Organization/o1")]),
        schedule(&[reference("Patient/p1"), reference("Device/v1")]),
        schedule(&[reference("Device/v1"), reference("Patient/p2")]),
    ] {
        let answer = ask(&stand, CARE, "/Schedule/s1", &none.to_string()).await;
        assert_ne!(answer.status, StatusCode::OK, "{none}: {}", answer.body);
        assert!(!answer.body.contains("p2"), "{}", answer.body);
    }
    // Who may be booked besides may stand further on than what is held of a large record.
    let many = [vec![d1; 100_000], vec![reference("Patient/p2")]].concat();
    let answer = ask(&stand, CARE, "/Schedule/s1", &schedule(&many).to_string()).await;
    assert!(answer.status != StatusCode::OK && !answer.body.contains("p2"), "{}", answer.status);
}

/// A slot names nobody.
#[tokio::test]
async fn a_free_slot_is_found() {
    let slot = json!({"resourceType": "Slot", "id": "t1", "schedule": reference("Schedule/s1"), "status": "free",
        "start": "2026-01-02T09:00:00Z", "end": "2026-01-02T09:15:00Z"});
    let stand = booking();
    for target in ["/Slot?schedule=Schedule/s1&status=free", "/Slot?start=ge2026-01-01", "/Slot"] {
        let answer = ask(&stand, CARE, target, &bundle(std::slice::from_ref(&slot)).to_string()).await;
        assert_eq!(kinds(&answer).len(), 1, "{target}: {}", answer.body);
    }
    assert_eq!(ask(&stand, CARE, "/Slot/t1", &slot.to_string()).await.status, StatusCode::OK);
}
