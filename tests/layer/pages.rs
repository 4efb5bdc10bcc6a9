//! A list of plain JSON is filled and goes on as a FHIR one does.

use std::collections::HashSet;

use sekisho::demo::sample::Org;
use serde_json::json;

use super::staff;
use super::support::Stand;

async fn walk(stand: &Stand, first: &str) -> (Vec<usize>, Vec<String>) {
    let (mut lengths, mut ids, mut next) = (Vec::new(), Vec::new(), Some(first.to_owned()));
    while let Some(target) = next {
        let answer = stand.get(staff("coordination-staff"), "coordination", &target).await;
        assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{target}: {}", answer.body);
        let list = answer.json();
        let items = list["items"].as_array().unwrap();
        lengths.push(items.len());
        ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        assert!(list.get("total").is_none() && list.get("page").is_none(), "{list}");
        next = list.get("next").map(|next| next.as_str().unwrap().to_owned());
        assert!(next.as_ref().is_none_or(|next| next.starts_with("/donors?page-cursor=")), "{next:?}");
    }
    (lengths, ids)
}

#[tokio::test]
async fn a_page_tells_nothing_of_who_was_left_out() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let everybody = stand.backend.sample.ids("donors");
    let stopped: Vec<String> = everybody.iter().skip(3).step_by(7).cloned().collect();
    for id in &stopped {
        stand.add("objection", &format!("subject={id} purpose=coordination from=2026-01-01"));
    }
    for first in ["/donors?size=10", "/donors", "/donors?size=50&sort=-born"] {
        let (lengths, ids) = walk(&stand, first).await;
        let distinct: HashSet<&String> = ids.iter().collect();
        assert_eq!((ids.len(), distinct.len()), (everybody.len() - stopped.len(), ids.len()), "{first}");
        assert!(!stopped.iter().any(|id| distinct.contains(id)), "{first}");
        let (last, full) = lengths.split_last().unwrap();
        assert!(full.iter().all(|length| *length == full[0]) && *last <= full[0], "{first}: {lengths:?}");
    }
}

#[tokio::test]
async fn a_cursor_is_no_way_round_a_parameter() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let list = stand.get(staff("coordination-staff"), "coordination", "/donors?size=2").await.json();
    let next = list["next"].as_str().unwrap();
    let asked = stand.asked();
    for (claims, target, status) in [
        (staff("coordination-staff"), format!("{next}&size=9"), 400),
        (staff("coordination-staff"), format!("{next}x"), 400),
        (json!({"sub": "staff-2", "roles": ["coordination-staff"]}), next.to_owned(), 400),
        (staff("coordination-staff"), next.replace("/donors?", "/donors/d-0001?"), 400),
        (serde_json::Value::Null, next.to_owned(), 401),
    ] {
        let answer = stand.get(claims, "coordination", &target).await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (status, asked), "{target}: {}", answer.body);
    }
    assert_eq!(stand.get(staff("coordination-staff"), "coordination", next).await.status, 200);
}

/// Two lists that differ only in how far they were read: a length would tell.
#[tokio::test]
async fn a_cursors_length_tells_nothing() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let mut lengths = HashSet::new();
    for page in ["2", "20", "200"] {
        let body = format!(r#"{{"next":"/donors?size=1&page={page}","items":[]}}"#);
        stand.next_body(body, "application/json");
        let list = stand.get(staff("coordination-staff"), "coordination", "/donors?size=1").await.json();
        lengths.insert(list["next"].as_str().map(str::len));
    }
    assert_eq!(lengths.len(), 1, "{lengths:?}");
}
