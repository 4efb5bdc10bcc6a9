//! A person's requests about his own record.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::json;

use super::search::condition;
use super::stand;
use crate::layer::support::{Answer, Ask, Stand};

/// Records have an id of which the first letter says whose they are (`o`: p2); there is none of `x`.
fn serve(stand: &Stand) {
    let answers = |head: &http::request::Parts, _: &Bytes| {
        let id = head.uri.path().rsplit('/').next().unwrap().to_owned();
        let (status, text) = match (head.method.as_str(), &id[..1]) {
            ("DELETE", "c" | "p") => (204, String::new()),
            ("GET" | "PATCH", "c") => (200, condition(&id, "p1").to_string()),
            ("GET", "o") => (200, condition(&id, "p2").to_string()),
            ("GET", "p") => (200, json!({"resourceType": "Patient", "id": id}).to_string()),
            ("GET", _) => (404, "{}".to_owned()),
            (method, _) => panic!("{method} {} is not his", head.uri),
        };
        let response = Response::builder().status(status).header("content-type", "application/fhir+json");
        response.body(Bytes::from(text)).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
}

async fn own(stand: &Stand, identity: &str, (method, target): (&str, &str), purpose: &str) -> Answer {
    let claims = json!({"sub": "p1", "org": "principal", "identity": identity});
    let patch = r#"[{"op":"add","path":"/severity","value":{"text":"y"}}]"#;
    let (body, fields) = match method {
        "PATCH" => (patch, &[("content-type", "application/json-patch+json")][..]),
        _ => ("", &[][..]),
    };
    stand.ask(Ask { method, target, claims, purpose, body, fields }).await
}

#[tokio::test]
async fn a_person_deletes_and_adds_to_his_own_record_and_nobody_elses() {
    let stand = stand();
    serve(&stand);
    let deletion = "principal-request.deletion";
    for (line, purpose, status) in [
        (("DELETE", "/Condition/c1"), deletion, 204),
        (("DELETE", "/Condition/c1"), "principal-request.erasure", 204),
        (("DELETE", "/Patient/p1"), deletion, 204),
        (("PATCH", "/Condition/c1"), "principal-request.addition", 200),
        (("DELETE", "/Condition/o1"), deletion, 404),
        (("DELETE", "/Condition/x1"), deletion, 404),
        (("DELETE", "/Patient/p2"), deletion, 404),
        (("PATCH", "/Condition/o1"), "principal-request.addition", 404),
        (("DELETE", "/Condition/c1"), "principal-request.disclosure", 403),
        (("DELETE", "/Condition/c1"), "principal-request.correction", 403),
    ] {
        let answer = own(&stand, "verified", line, purpose).await;
        assert_eq!(answer.status.as_u16(), status, "{line:?} {purpose}: {}", answer.body);
        let end = stand.last(if status < 300 { "end" } else { "refusal" });
        assert_eq!(end["status"], status, "{line:?} {purpose}: {end}");
    }
    let unverified = own(&stand, "claimed", ("DELETE", "/Condition/c1"), deletion).await;
    assert!(unverified.status.is_client_error(), "{}", unverified.body);
    // Somebody else's record is like one that is not there.
    let plain = |answer: &Answer| answer.body.split("decision ").next().unwrap().to_owned();
    let [other, none] = ["/Condition/o1", "/Condition/x1"].map(|target| ("DELETE", target));
    let (other, none) = (own(&stand, "verified", other, deletion).await, own(&stand, "verified", none, deletion).await);
    assert_eq!((plain(&other), other.body.len()), (plain(&none), none.body.len()));
}
