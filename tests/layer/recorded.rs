//! Does the record tell what was judged?

use http::StatusCode;
use sekisho::demo::sample::Org;
use serde_json::json;

use super::staff;
use super::support::Stand;

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
