//! What a write's status tells: nothing of what is stored and not shown; and what is made is judged as what it is.

use sekisho::demo::sample::Org;
use sekisho::policy::Source;
use serde_json::{Value, json};

use super::stateful::Kept;
use super::support::{Ask, Stand};
use super::writeback::{API, CHART, change, kind, pseudonym, put, read, stand};

/// Whoever put back a record without the tag of its view was told by 428 that it holds something that he was not shown.
#[tokio::test]
async fn a_put_without_the_tag_of_the_view_tells_nothing_of_what_is_hidden() {
    let stand = stand();
    let kept = Kept::behind(&stand, CHART, "application/json");
    let target = format!("/charts/{}", pseudonym());
    let shown = r#""id":"p1","phone":"03-1","gender":"female","phones":["a"]"#;
    let hidden = [
        "",
        r#","insured":{"no":1}"#,
        r#","name":"n""#,
        r#","unnamed":1"#,
        r#","in":{"insured":"x"}"#,
        r#","in":{"unnamed":"x"}"#,
        r#","insurers":["i"]"#,
    ];
    let own = pseudonym();
    for body in [
        json!({"id": own, "phone": "03-1", "gender": "female", "phones": ["a"]}),
        json!({"id": own, "phone": "03-9"}),
        json!({"id": own, "phone": "03-9", "insured": {"no": 1}}),
        json!({"id": own, "phone": "03-9", "unnamed": 1}),
    ] {
        for wanted in [None, Some("*"), Some("W/\"1\""), Some("W/\"x\"")] {
            let mut told = Vec::new();
            for hidden in hidden {
                let record = format!("{{{shown}{hidden}}}");
                kept.set(&record);
                let answer = put(&stand, &target, &body, wanted).await;
                told.push((answer.status.as_u16(), kind(&answer), answer.body.len()));
                assert_eq!(kept.text().unwrap(), record, "{body} {wanted:?} was written");
            }
            assert!(told.iter().all(|one| *one == told[0]), "{body} {wanted:?}: {told:?}");
            assert!(matches!(told[0].0, 412 | 428), "{body} {wanted:?}: {told:?}");
        }
    }
    // Over the view that was read it is written, whether anything is hidden or not.
    for hidden in hidden {
        kept.set(&format!("{{{shown}{hidden}}}"));
        let (mut view, tag) = read(&stand, &target).await;
        view["phone"] = json!("03-9");
        assert_eq!(put(&stand, &target, &view, Some(&tag)).await.status, 200, "{hidden}");
    }
}

/// What is not there is made: to make it has to be permitted, and the record says so.
#[tokio::test]
async fn a_put_of_what_is_not_there_is_judged_and_recorded_as_what_it_makes() {
    let stand = Stand::before(Source::new("catalogue.toml", API), Org::Sakura, &[]);
    let body = r#"{"id":"n1","of":"p1","phone":"03-9"}"#;
    let made = |head: &http::request::Parts, body: &bytes::Bytes| {
        let status = if head.method == "GET" { 404 } else { 201 };
        let response = http::Response::builder().status(status).header("content-type", "application/json");
        response.body(body.clone()).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(std::sync::Arc::new(made));
    for target in ["/charts/p1/notes/n1", "/kept/p1"] {
        let body = if target == "/kept/p1" { r#"{"id":"p1","phone":"03-9"}"# } else { body };
        let answer = change(&stand, "PUT", target, body, &[]).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let begin = stand.last("begin");
        assert_eq!((&begin["action"], &begin["method"]), (&json!("create"), &json!("PUT")), "{begin}");
        assert_eq!(begin["subjects"].as_array().map(Vec::len), Some(1), "{begin}");
    }
    // To mend is not to make.
    let asked = stand.asked();
    let claims = json!({"sub": "po", "roles": ["privacy-officer"]});
    let purpose = "principal-request.correction";
    let ask = Ask { method: "PUT", target: "/charts/p1/notes/n1", claims, purpose, body, ..Ask::default() };
    let answer = stand.ask(ask).await;
    let told: Value = answer.json();
    assert_eq!(
        (answer.status.as_u16(), told["reasons"][0]["code"].as_str()),
        (403, Some("action-not-permitted")),
        "{told}"
    );
    assert_eq!(stand.asked() - asked, 1, "looked at, and no more");
}
