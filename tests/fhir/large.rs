//! A record that is too large to be judged is never missing without a word.

use serde_json::{Value, json};

use super::search::{bundle, condition};
use super::{CARE, ask, stand};
use crate::layer::support::{Answer, Stand};

/// A record about this person, past what may be held (1 MiB).
fn large(id: &str, person: &str) -> Value {
    let mut large = condition(id, person);
    large["note"] = json!([{"text": "n".repeat(1100 << 10)}]);
    large
}

async fn outside(stand: &Stand, target: &str, body: &Value) -> Answer {
    stand.next_body(body.to_string(), "application/fhir+json");
    stand.get(json!({"sub": "dr-x", "org": "minato-hospital"}), "care.coordination", target).await
}

fn hospital() -> Stand {
    let stand = stand();
    stand.add("organization", "id=minato-hospital recipient=hospital country=JP from=2024-04-01 until=2099-03-31");
    stand
}

/// Pollen alone would say that there is no allergy to penicillin.
#[tokio::test]
async fn a_list_without_a_record_too_large_to_be_judged_is_not_told_as_whole() {
    let stand = hospital();
    for (of_staff, target) in [
        (true, "/Condition?patient=p1"),
        (true, "/Condition?patient=Patient/p1&_count=1"),
        (true, "/Condition"),
        (false, "/Condition?patient=p1"),
    ] {
        for records in [[condition("c1", "p1"), large("c2", "p1")], [large("c2", "p1"), condition("c1", "p1")]] {
            let body = bundle(&records);
            let answer = match of_staff {
                true => ask(&stand, CARE, target, &body.to_string()).await,
                false => outside(&stand, target, &body).await,
            };
            assert!(answer.cut || answer.status == 502, "{of_staff} {target}: {} {}", answer.status, answer.body);
            assert!(answer.cut || answer.body.contains("record-too-large"), "{}", answer.body);
            let end = stand.last("end");
            assert_eq!((&end["outcome"], &end["code"]), (&json!("failed"), &json!("record-too-large")), "{end}");
        }
    }
}

#[tokio::test]
async fn a_record_too_large_to_be_judged_is_not_told_as_one_that_is_not_there() {
    let stand = hospital();
    let mut late = condition("c2", "p1");
    let subject = late.as_object_mut().unwrap().remove("subject").unwrap();
    late["note"] = json!([{"text": "n".repeat(1100 << 10)}]);
    let text = late.to_string();
    let late = format!("{},\"subject\":{subject}}}", &text[..text.len() - 1]);
    for body in [large("c2", "p1").to_string(), late] {
        let answer = ask(&stand, CARE, "/Condition/c2", &body).await;
        assert_eq!(answer.status, 502, "{}", answer.body);
        assert!(answer.body.contains("record-too-large"), "{}", answer.body);
        assert_eq!(stand.last("end")["code"], "record-too-large");
    }
}

/// Whose it is nobody can tell, so that an outsider is told what he is told of anybody's; the operator is told.
#[tokio::test]
async fn an_outsider_is_not_told_by_its_size_that_there_is_a_record() {
    let stand = hospital();
    let answer = outside(&stand, "/Condition/c2", &large("c2", "p1")).await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert!(answer.body.contains("not-available"), "{}", answer.body);
    assert_eq!(stand.last("end")["code"], "record-too-large");
    let list = outside(&stand, "/Condition", &bundle(&[condition("c1", "p1"), large("c2", "p2")])).await;
    assert_eq!((list.status.as_u16(), list.cut), (200, false), "{}", list.body);
    assert!(list.body.contains("c1") && !list.body.contains("c2"), "{}", list.body);
    let end = stand.last("end");
    assert_eq!((&end["outcome"], &end["code"]), (&json!("completed"), &json!("record-too-large")), "{end}");
}

/// That one was found would spell an Individual Number in it.
#[tokio::test]
async fn a_search_for_digits_does_not_tell_of_a_record_too_large_to_be_judged() {
    let stand = hospital();
    let target = "/Condition?patient=p1&code:text=1234";
    let with = ask(&stand, CARE, target, &bundle(&[large("c2", "p1")]).to_string()).await;
    assert_eq!(stand.last("end")["code"], "record-too-large");
    let without = ask(&stand, CARE, target, &bundle(&[]).to_string()).await;
    assert_eq!((with.status, with.cut, &with.body), (without.status, without.cut, &without.body));
    assert_eq!(with.status, 200, "{}", with.body);
}
