//! However slow the backend is, one caller's Bundles leave room for those of others, and what is given up makes room again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Response;
use serde_json::json;
use tokio::task::{JoinSet, yield_now};

use super::stand;
use crate::layer::script::Script;
use crate::layer::support::{Answer, Ask, Stand, Step};

/// A Bundle of one entry, sent by a caller of this id.
async fn send(stand: &Stand, caller: &str, kind: &str, method: &str) -> Answer {
    let resource = json!({"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}});
    let mut entry = json!({"request": {"method": method, "url": "Condition/c1"}});
    if method == "PUT" {
        entry["resource"] = resource;
    }
    let body = json!({"resourceType": "Bundle", "type": kind, "entry": [entry]}).to_string();
    let claims = json!({"roles": ["physician"], "sub": caller});
    let fields = [("content-type", "application/fhir+json")];
    stand.ask(Ask { method: "POST", target: "/", claims, purpose: "care", body: &body, fields: &fields }).await
}

#[tokio::test]
async fn one_caller_s_bundles_leave_room_for_others_however_slow_the_backend_is() {
    let stand = Arc::new(stand());
    let mut waiting = JoinSet::new();
    for number in 0..16 {
        // The backend begins each answer, and never ends it.
        stand.hook(|| {
            let response = Response::builder().header("content-type", "application/fhir+json");
            Ok(response.body(Script::of([Step::Hang])).unwrap())
        });
        let stand_too = Arc::clone(&stand);
        let (kind, method) = [("batch", "GET"), ("transaction", "PUT")][number % 2];
        waiting.spawn(async move { send(&stand_too, "c-1", kind, method).await });
        while stand.backend.asked.load(Ordering::SeqCst) <= number {
            yield_now().await;
        }
    }
    for kind in ["batch", "transaction"] {
        let answer = send(&stand, "c-1", kind, "GET").await;
        assert_eq!(answer.status.as_u16(), 429, "{}", answer.body);
        assert!(answer.body.contains("too-many-bundles"), "{}", answer.body);
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(
            stand.backend.asked.load(Ordering::SeqCst),
            16,
            "the backend was asked for a Bundle without a place"
        );
        assert!(stand.records().iter().any(|record| record["status"] == 429), "a refusal without a record");
    }
    let other = send(&stand, "c-2", "batch", "GET").await;
    assert_eq!(other.status.as_u16(), 200, "{}", other.body);
    // Whoever hangs up gives his place back.
    waiting.shutdown().await;
    let answer = send(&stand, "c-1", "batch", "GET").await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
}
