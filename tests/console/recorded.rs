//! Does the record of a reading say what was read, and nothing that somebody typed?

use sekisho::audit::{Note, Seal};
use sekisho::proxy::keys::Keys;
use serde_json::{Value, json};

use super::support::{Stand, settings};

/// What opens sealed texts of this folder.
fn seal(stand: &Stand) -> Seal {
    Seal::new(Keys::read(&settings(&stand.home.0).data.keys).unwrap().subjects.clone())
}

/// What was typed into the page of this record, as pairs of name and value.
fn typed(seal: &Seal, record: &Value) -> Value {
    let (id, reason) = (record["id"].as_str().unwrap(), record["reason"].as_str().unwrap());
    serde_json::from_str(&seal.open_note(Note::Reason, id, reason).unwrap()).unwrap()
}

#[tokio::test]
async fn a_filter_stands_on_record_whole_or_is_not_answered() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("privacy-officer").await;
    let seal = seal(&stand);
    let long = "A".repeat(600);
    for path in ["/search/export.csv", "/search/export.jsonl", "/search", "/recipients", "/policy/sakura", "/"] {
        let answer = stand.get(&format!("{path}?days=30&caller={long}&caller=rc-sato"), &mine).await;
        assert_eq!(answer.status(), 200, "{path}");
        let record = stand.readings().pop().unwrap();
        let asked = record["asked"].as_str().unwrap();
        assert!(asked.ends_with("caller=rc-sato") && asked.contains("from=") && !asked.contains("AAA"), "{asked}");
        assert_eq!(typed(&seal, &record), json!([["caller", long]]), "{path}");
    }
    let before = stand.readings().len();
    for query in [format!("caller={}", "A".repeat(1600)), format!("q={}", "あ".repeat(600)), "role=%01".repeat(300)] {
        let answer = stand.get(&format!("/search/export.csv?{}", query.replace("role", "&role")), &mine).await;
        assert_eq!(answer.status(), 400, "what no record can hold");
    }
    assert_eq!(stand.readings().len(), before);
    stand.end().await;
}

#[tokio::test]
async fn what_stands_in_no_record_of_the_log_is_sealed_on_the_record_of_its_reading() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("privacy-officer").await;
    let seal = seal(&stand);
    for list in [
        "caller",
        "role",
        "recipient",
        "organization",
        "purpose",
        "clause",
        "route",
        "action",
        "reason",
        "category",
        "form",
    ] {
        let answer = stand.get(&format!("/search?{list}=p-0117&outcome=completed&q=Yamada"), &mine).await;
        assert_eq!(answer.status(), 200, "{list}");
        let record = stand.readings().pop().unwrap();
        assert!(record["asked"].as_str().unwrap().contains("outcome=completed"), "{record}");
        assert_eq!(typed(&seal, &record), json!([[list, "p-0117"], ["q", "Yamada"]]));
    }
    assert_eq!(stand.get("/recipient?recipient=p-0117", &mine).await.status(), 200);
    assert_eq!(typed(&seal, &stand.readings().pop().unwrap()), json!([["recipient", "p-0117"]]));
    let before = stand.readings().len();
    for (path, status) in [
        ("/search?subject=p-0117", 404),
        ("/search/export.csv?subject=p-0117", 404),
        ("/search?before=1.p-0117.1", 400),
        ("/reviews?before=1.p-0117.1", 400),
        ("/live/rows?after=1.p-0117.1", 400),
        ("/search?review=p-0117", 400),
        ("/search?outcome=p-0117", 400),
        ("/search?days=p-0117", 400),
        ("/search?from=p-0117", 400),
        ("/policy/sakura?revision=p-0117", 404),
        ("/reviews?list=p-0117", 400),
        ("/record/p-0117/1", 404),
    ] {
        assert_eq!(stand.get(path, &mine).await.status(), status, "{path}");
    }
    assert_eq!(stand.readings().len(), before);
    for record in stand.readings() {
        assert!(!record.to_string().contains("p-0117") && !record.to_string().contains("Yamada"), "{record}");
    }
    stand.end().await;
}

#[tokio::test]
async fn whom_a_reading_was_about_and_where_it_began_is_on_record() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("privacy-officer").await;
    let person = seal(&stand).subject("p-0117").unwrap();
    for path in ["/search", "/search/export.csv", "/search/export.jsonl", "/recipients"] {
        let answer = stand.get(&format!("{path}?days=30&subject={}", person.as_str()), &mine).await;
        assert_eq!(answer.status(), 200, "{path}");
        let record = stand.readings().pop().unwrap();
        assert_eq!(record["subjects"], json!([person.as_str()]), "{path}: {record}");
    }
    for (path, says) in [
        ("/search?days=30&before=1790000000000.gate.77", "before=1790000000000.gate.77"),
        ("/reviews?list=all&before=1790000000000.gate.77", "all before 1790000000000.gate.77"),
    ] {
        assert_eq!(stand.get(path, &mine).await.status(), 200, "{path}");
        let record = stand.readings().pop().unwrap();
        assert!(record["asked"].as_str().unwrap().ends_with(says), "{record}");
    }
    let page = stand.get(&format!("/subject/{}?before=1790000000000.gate.77", person.as_str()), &mine).await;
    assert_eq!(page.status(), 200);
    assert_eq!(stand.readings().pop().unwrap()["asked"], "before 1790000000000.gate.77");
    stand.end().await;
}

#[tokio::test]
async fn nobody_can_ask_without_a_record_whether_something_is_there() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("viewer").await;
    for path in [
        "/live?caller=rc-sato",
        "/live?from=2026-01-01",
        "/live/rows",
        "/live/rows?caller=rc-sato",
        "/live/rows?after=&caller=rc-sato",
        "/live/rows?after=&after=",
    ] {
        assert_eq!(stand.get(path, &mine).await.status(), 400, "{path}");
    }
    let page = stand.get("/live", &mine).await;
    let (_, rest) = page.body().split_once("data-after=\"").unwrap();
    let newest = rest.split('"').next().unwrap().to_owned();
    let before = stand.readings().len();
    let none = stand.get(&format!("/live/rows?after={newest}"), &mine).await;
    assert!(none.status() == 200 && !none.body().contains("<tr"), "{}", none.body());
    assert_eq!(stand.readings().len(), before, "nothing new of all that there is");
    let all = stand.get("/live/rows?after=", &mine).await;
    assert!(all.status() == 200 && all.body().contains("<tr"));
    let written = stand.readings();
    assert_eq!((written.len(), &written[before]["page"]), (before + 1, &json!("live")));
    stand.end().await;
}

#[tokio::test]
async fn a_view_that_cannot_be_asked_for_is_not_kept() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("viewer").await;
    let token = stand.token(&mine).await;
    for (query, status) in [
        ("caller%3Drc-sato", 303),
        ("subject%3Dp-0117", 403),
        ("colour%3Dred", 400),
        (&format!("caller%3D{}", "A".repeat(1600)), 400),
    ] {
        let answer = stand.post("/views", &mine, &format!("token={token}&name=mine&query={query}")).await;
        assert_eq!(answer.status(), status, "{query}");
    }
    stand.end().await;
}
