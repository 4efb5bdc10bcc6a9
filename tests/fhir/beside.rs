//! What tells of a person beside his own data: labels and tags, links, what his records contain, places, outcomes.

use serde_json::{Value, json};

use super::search::bundle;
use super::{CARE, MONEY, STUDY, ask, stand};

#[tokio::test]
async fn no_other_person_s_record_leaves_as_the_outcome_of_an_entry() {
    let of = |id: &str, person: &str, text: &str| {
        json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, "valueString": text,
            "subject": {"reference": format!("Patient/{person}")}})
    };
    for outcome in [
        of("o2", "p2", "STRANGER"),
        json!({"resourceType": "OperationOutcome", "issue": [{"diagnostics": "STRANGER"}]}),
    ] {
        let mut list = bundle(&[of("o1", "p1", "HIS")]);
        list["entry"][0]["response"] = json!({"status": "200", "outcome": outcome});
        let answer = ask(&stand(), CARE, "/Observation?patient=p1", &list.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.contains("HIS") && !answer.body.contains("STRANGER"), "{}", answer.body);
    }
}

#[tokio::test]
async fn labels_tags_and_profiles_leave_only_with_all_that_the_record_says() {
    let meta = json!({"security": [{"code": "HIV"}], "tag": [{"display": "HIV"}], "profile": ["http://x/HIV"]});
    let chart = json!({"resourceType": "Patient", "id": "p1", "gender": "male", "meta": meta});
    let list = bundle(std::slice::from_ref(&chart)).to_string();
    let study = ask(&stand(), STUDY, "/Patient", &list).await;
    assert!(study.status == 200 && study.body.contains("\"male\"") && !study.body.contains("HIV"), "{}", study.body);
    for search in ["_security=HIV", "_tag=HIV", "_profile=http://x/HIV"] {
        let stand = stand();
        assert_eq!(
            (ask(&stand, STUDY, &format!("/Patient?{search}"), &list).await.status, stand.asked()),
            (403.try_into().unwrap(), 0)
        );
    }
}

#[tokio::test]
async fn a_link_to_what_may_not_be_seen_goes_with_its_id() {
    let patient = json!({"reference": "Patient/p1"});
    let claim = json!({"resourceType": "Claim", "id": "c1", "status": "active", "patient": patient,
        "diagnosis": [{"sequence": 1, "diagnosisReference": {"reference": "Condition/hiv-1"}}],
        "item": [{"sequence": 1, "productOrService": {"text": "x"}, "encounter": [{"reference": "Encounter/psych-1"}],
            "locationAddress": {"line": ["HOME"]}}],
        "supportingInfo": [{"sequence": 1, "category": {"text": "x"}, "valueString": "HIV"}]});
    let answer = ask(&stand(), MONEY, "/Claim/c1", &claim.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for hidden in ["psych-1", "hiv-1", "HIV"] {
        assert!(!answer.body.contains(hidden), "{hidden}: {}", answer.body);
    }
    let mut shown: Value = answer.json();
    assert_eq!(shown["patient"].take(), patient, "whose it is");
}

#[tokio::test]
async fn what_a_record_of_nobody_says_inside_somebody_s_is_said_of_him() {
    let patient = json!({"reference": "Patient/p1"});
    let drug = json!({"resourceType": "Medication", "id": "m", "code": {"text": "DRUG"}});
    let claim =
        json!({"resourceType": "Claim", "id": "c1", "status": "active", "patient": patient, "contained": [drug]});
    let answer = ask(&stand(), MONEY, "/Claim/c1", &claim.to_string()).await;
    assert!(answer.status == 200 && !answer.body.contains("DRUG"), "{}", answer.body);
    let order = json!({"resourceType": "MedicationRequest", "id": "r1", "status": "active", "intent": "order", "subject": patient,
        "medicationReference": {"reference": "#m"}, "contained": [drug]});
    let answer = ask(&stand(), CARE, "/MedicationRequest/r1", &order.to_string()).await;
    assert!(answer.status == 200 && answer.body.contains("DRUG"), "{}", answer.body);
}

#[tokio::test]
async fn a_home_among_the_places_is_neither_shown_nor_found_by_name() {
    let home = json!({"resourceType": "Location", "id": "l1", "name": "HOME", "address": {"line": ["HOME"]},
        "telecom": [{"system": "phone", "value": "HOME"}], "position": {"longitude": 1.5, "latitude": 2.5}});
    let answer = ask(&stand(), STUDY, "/Location/l1", &home.to_string()).await;
    assert!(!answer.body.contains("HOME") && !answer.body.contains("1.5"), "{}", answer.body);
    let stand = stand();
    let answer = ask(&stand, STUDY, "/Location?name=x", &bundle(&[home]).to_string()).await;
    assert_eq!((answer.status.as_u16(), stand.asked()), (403, 0), "{}", answer.body);
}
