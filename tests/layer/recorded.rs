//! Does the record tell what was judged?

use http::StatusCode;
use http_body_util::BodyExt;
use sekisho::demo::sample::Org;
use serde_json::json;

use super::staff;
use super::support::{Ask, Stand, Step};

#[tokio::test]
async fn the_record_names_the_register_entry_that_permitted_and_not_the_first() {
    let facts = [
        (
            "organization",
            "id=tc-1 recipient=transplant-center country=KR purposes=coordination overseas=equivalent-system until=2026-01-31",
        ),
        ("organization", "id=tc-2 recipient=transplant-center country=JP purposes=coordination until=2026-01-31"),
        ("organization", "id=tc-2 recipient=transplant-center country=JP purposes=coordination"),
    ];
    let stand = Stand::new(Org::Jmdp, &facts);
    let named = json!({"id": "transplant-center", "organization": "tc-2", "country": "JP"});
    for purpose in [
        "coordination;recipient=\"transplant-center\"",
        "coordination;recipient=\"transplant-center\";organization=\"tc-2\"",
    ] {
        let answer = stand.get(staff("coordination-staff"), purpose, "/donors").await;
        assert_eq!(answer.status, StatusCode::OK, "{purpose}: {}", answer.body);
        assert_eq!(stand.last("begin")["recipient"], named, "{purpose}");
    }
    let answer = stand.get(json!({"sub": "dr", "org": "tc-1"}), "coordination", "/donors").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    let refused = stand.last("refusal")["recipient"].clone();
    assert_eq!(refused, json!({"id": "transplant-center", "organization": "tc-1", "country": "KR"}));
}

#[tokio::test]
async fn the_record_of_a_provision_abroad_names_its_ground() {
    let facts = [(
        "organization",
        "id=seoul recipient=transplant-center country=KR purposes=coordination overseas=equivalent-system",
    )];
    let stand = Stand::new(Org::Jmdp, &facts);
    let answer = stand.get(json!({"sub": "dr", "org": "seoul"}), "coordination", "/donors").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let begin = stand.last("begin");
    assert_eq!(begin["recipient"]["overseas_basis"], "equivalent-system", "{begin}");
    assert!(begin["obligations"].as_array().unwrap().contains(&json!("record-overseas-provision")), "{begin}");
}

/// Entries of these donors, of a frame and more each.
fn entries(ids: &[String]) -> Vec<Step> {
    let wide = "x".repeat(20_000);
    let entry = |id| format!(r#"{{"id":"{id}","phone":"phone-of-{id}","email":"{wide}"}},"#);
    ids.iter().map(|id| Step::Data(entry(id).into())).collect()
}

#[tokio::test]
async fn a_list_that_the_backend_cuts_is_not_on_record_as_more_than_left() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let ids = stand.backend.sample.ids("donors");
    let short = |id: &String| format!(r#"{{"id":"{id}","phone":"phone-of-{id}"}}"#);
    let broken = format!("{},{}]}}]}}", short(&ids[2]), short(&ids[3]));
    for (begun, status) in [(2, 200), (0, 502)] {
        let mut steps = vec![Step::Data(r#"{"items":["#.into())];
        steps.extend(entries(&ids[..begun]));
        // Judged, and never handed over: the same piece cannot be judged further.
        steps.push(Step::Data(broken.clone().into()));
        stand.next_script(steps);
        let answer = stand.get(staff("coordination-staff"), "coordination", "/donors").await;
        assert_eq!((answer.status.as_u16(), answer.cut), (status, begun > 0), "{}", answer.body);
        let left = ids.iter().filter(|id| answer.body.contains(&format!("phone-of-{id}"))).count();
        assert_eq!(left, begun);
        let end = stand.last("end");
        assert_eq!((&end["entries_released"], &end["outcome"]), (&json!(left), &json!("failed")), "{end}");
        assert_eq!(end["released_bytes"], if begun > 0 { answer.body.len() } else { 0 }, "{end}");
        assert_eq!(end.get("counts").is_none(), begun == 0, "{end}");
    }
}

#[tokio::test]
async fn who_goes_away_is_on_record_with_what_he_was_handed_and_no_less() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let ids = stand.backend.sample.ids("donors");
    let claims = staff("coordination-staff");
    for frames in [0, 1, 2] {
        let mut steps = vec![Step::Data(r#"{"items":["#.into())];
        steps.extend(entries(&ids[..6]));
        steps.push(Step::Hang);
        stand.next_script(steps);
        let ask =
            Ask { method: "GET", target: "/donors", claims: claims.clone(), purpose: "coordination", ..Ask::default() };
        let mut response = stand.open(ask).await;
        let mut handed = Vec::new();
        for _ in 0..frames {
            handed.extend_from_slice(response.body_mut().frame().await.unwrap().unwrap().data_ref().unwrap());
        }
        drop(response);
        let text = String::from_utf8_lossy(&handed).into_owned();
        let left = ids.iter().filter(|id| text.contains(&format!("phone-of-{id}"))).count();
        let end = stand.last("end");
        assert_eq!((&end["released_bytes"], &end["outcome"]), (&json!(handed.len()), &json!("aborted")), "{end}");
        assert_eq!(end["entries_released"], left, "{frames}: {end}");
    }
}

#[tokio::test]
async fn an_answer_without_the_view_is_not_on_record_as_the_view() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let donor = r#"{"id":"d-1","name":{"kanji":"known"},"phone":"03-1"}"#;
    let _kept = super::stateful::Kept::behind(&stand, donor, "application/json");
    let claims = staff("coordination-staff");
    for (method, condition, status, released) in [
        ("GET", ("if-match", "W/\"x\""), 412, 0),
        ("GET", ("if-none-match", "*"), 304, 0),
        ("HEAD", ("if-match", "*"), 200, 0),
        ("GET", ("if-match", "*"), 200, 1),
    ] {
        let fields = [condition];
        let (target, purpose, claims) = ("/donors/d-1", "coordination", claims.clone());
        let answer = stand.ask(Ask { method, target, claims, purpose, fields: &fields, ..Ask::default() }).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        let (begin, end) = (stand.last("begin"), stand.last("end"));
        assert_eq!((&end["status"], &end["entries_released"]), (&json!(status), &json!(released)), "{end}");
        assert_eq!(end.get("counts").is_none(), released == 0, "{end}");
        assert_eq!(begin["subjects"].as_array().map(Vec::len), Some(1), "whom it was about stays on record");
    }
}
