//! What stands in a path, a query or a body: ids that are pseudonyms, words that mean several things, too many questions.

use http::StatusCode;
use sekisho::demo::sample::Org;
use sekisho::redact::{MasterKey, Pseudonyms, Receiver};
use serde_json::json;

use super::support::{Ask, KEY, Stand};
use super::{researcher, staff};

const RESEARCH: &str = "research;basis=\"academic-research\"";

#[tokio::test]
async fn every_id_of_a_path_is_a_pseudonym_where_ids_are_not_shown() {
    let stand = Stand::new(Org::Jmdp, researcher::FACTS);
    let donors = stand.get(researcher::claims(), RESEARCH, "/donors").await.json();
    let donor = donors["items"][0]["id"].as_str().unwrap().to_owned();
    let original = stand.backend.sample.ids("donors")[0].clone();
    let exams = stand.get(researcher::claims(), RESEARCH, &format!("/donors/{donor}/exams")).await.json();
    let exam = exams["items"][0]["id"].as_str().unwrap().to_owned();
    let one = stand.get(researcher::claims(), RESEARCH, &format!("/donors/{donor}/exams/{exam}")).await;
    assert_eq!(one.status, StatusCode::OK, "{}", one.body);
    let (target, _) = stand.backend.last.lock().unwrap().take().unwrap();
    let exam_id = target.strip_prefix(&format!("/donors/{original}/exams/")).unwrap().to_owned();
    let asked = stand.asked();
    for target in [format!("/donors/{donor}/exams/{exam_id}"), format!("/donors/{original}/exams/{exam}")] {
        let answer = stand.get(researcher::claims(), RESEARCH, &target).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{target}: {}", answer.body);
        assert_eq!(stand.last("refusal")["status"], 404);
    }
    assert_eq!(stand.asked(), asked, "an id that is no pseudonym reached the backend");
}

/// An id that no sealed pseudonym has room for has one that a table knows.
#[tokio::test]
async fn a_long_id_has_a_pseudonym_that_leads_back_too() {
    let stand = Stand::new(Org::Jmdp, researcher::FACTS);
    let donors = stand.get(researcher::claims(), RESEARCH, "/donors").await.json();
    let known = donors["items"][0].clone();
    let original = stand.backend.sample.ids("donors")[0].clone();
    let long = "D-".repeat(40);
    stand.next_body(json!({"items": [{"id": long, "consents": known["consents"]}]}).to_string(), "application/json");
    let listed = stand.get(researcher::claims(), RESEARCH, "/donors").await;
    let pseudonym = listed.json()["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(pseudonym.len() == 43 && !listed.body.contains("D-D-"), "{}", listed.body);
    stand.next_body(json!({"id": long}).to_string(), "application/json");
    let one = stand.get(researcher::claims(), RESEARCH, &format!("/donors/{pseudonym}")).await;
    assert_eq!(one.json()["id"], pseudonym, "{}", one.body);
    assert_eq!(stand.backend.last.lock().unwrap().take().unwrap().0, format!("/donors/{long}"));
    assert_ne!(original, long);
}

/// What a backend of several readings could split in two names nobody, though the gate itself sealed it.
#[tokio::test]
async fn an_opened_id_that_can_be_read_in_two_ways_names_nobody() {
    let stand = Stand::new(Org::Jmdp, researcher::FACTS);
    let receiver = Receiver::Organisation("univ-a");
    let pseudonyms = Pseudonyms::new(&MasterKey::new(KEY), receiver, "research", 1, &[]).unwrap();
    let known = stand.backend.sample.ids("donors")[0].clone();
    for (id, status) in [(known.as_str(), 200), ("D-1;D-2", 404), ("D-1,D-2", 404), ("D-1&x=1", 404)] {
        let target = format!("/donors/{}", pseudonyms.seal(id).unwrap());
        let answer = stand.get(researcher::claims(), RESEARCH, &target).await;
        assert_eq!(answer.status.as_u16(), status, "{id}: {}", answer.body);
    }
    assert_eq!(stand.asked(), 1);
}

/// Who corrects his own record may not read by the same purpose: nothing of the answer counts, not even its faults.
#[tokio::test]
async fn the_answer_to_a_write_that_may_not_be_read_back_is_not_read() {
    let stand = Stand::new(Org::Sakura, &[]);
    let id = stand.backend.sample.ids("patients")[0].clone();
    let (target, body) = (format!("/patients/{id}"), format!(r#"{{"id":"{id}","phone":"1"}}"#));
    for answer in [format!(r#"{{"id":"{id}","phone":"sekret"}}"#), r#"{"id":"sekret","id":"#.to_owned()] {
        stand.next_body(answer.clone(), "application/json");
        let claims = json!({"sub": id, "org": "principal", "identity": "verified"});
        let purpose = "principal-request.correction";
        let ask = Ask { method: "PATCH", target: &target, claims, purpose, body: &body, ..Ask::default() };
        let told = stand.ask(ask).await;
        assert_eq!((told.status, told.body.as_str()), (StatusCode::OK, ""), "{answer}");
        assert_eq!(stand.last("end")["code"], "answer-not-released", "{answer}");
    }
}

#[tokio::test]
async fn a_code_that_means_several_purposes_is_none_of_them() {
    let twice = ("codes = [\"hl7:HQUALIMP\"]", "codes = [\"hl7:HRESCH\"]");
    let stand = Stand::under(Org::Jmdp, twice, &[]);
    for (code, status) in [("HRESCH", 400), ("research", 200)] {
        let answer = stand.get(staff("research-staff"), code, "/donors").await;
        assert_eq!(answer.status.as_u16(), status, "{code}: {}", answer.body);
        if status == 400 {
            assert_eq!(answer.json()["type"], "urn:sekisho:problem:purpose-ambiguous");
            assert_eq!(answer.json()["purposes"], json!(["improvement", "research"]));
            assert_eq!(stand.last("refusal")["reasons"][0]["code"], "purpose-ambiguous");
            assert_eq!(stand.asked(), 0);
        }
    }
}

#[tokio::test]
async fn a_record_of_somebody_who_is_not_named_is_not_written() {
    let stand = Stand::new(Org::Jmdp, &[]);
    for (body, kind) in [(r#"{"phone":"1"}"#, "subject-missing"), (r#"{"id":null,"phone":"1"}"#, "subject-mismatch")] {
        let (claims, purpose) = (staff("coordination-staff"), "coordination");
        let ask = Ask { method: "POST", target: "/donors", claims, purpose, body, ..Ask::default() };
        let answer = stand.ask(ask).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
        assert_eq!(answer.json()["type"], format!("urn:sekisho:problem:{kind}"));
    }
    assert_eq!(stand.asked(), 0);
}

/// Each is recorded, and cannot be told from a probe: one caller cannot fill the log with them.
#[tokio::test]
async fn dry_runs_and_refusals_of_one_caller_are_bounded() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let fields = [("purpose-of-use-dry-run", "?1")];
    let dry = Ask {
        method: "GET",
        target: "/donors",
        claims: staff("coordination-staff"),
        purpose: "coordination",
        fields: &fields,
        ..Ask::default()
    };
    let refused = Ask { purpose: "research", fields: &[], ..dry.clone() };
    let other = Ask { claims: json!({"sub": "staff-2", "roles": ["coordination-staff"]}), ..dry.clone() };
    let (mut told, mut turns) = (0, 0);
    loop {
        turns += 1;
        let answer = stand.ask(if turns % 2 == 0 { refused.clone() } else { dry.clone() }).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.headers.contains_key("retry-after"));
            break;
        }
        told += 1;
        assert!(told < 2000, "there is no bound");
    }
    for ask in [&dry, &refused] {
        assert_eq!(stand.ask(ask.clone()).await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(stand.ask(other).await.status, StatusCode::OK, "another caller is not concerned");
    assert_eq!(stand.asked(), 0);
    let recorded = stand.records().iter().filter(|record| record["kind"] == "refusal").count();
    assert_eq!(recorded, told + 1);
}
