//! Ways out that were open once, each as a test.

use http::{Response, StatusCode};
use sekisho::demo::sample::{Org, Sample};
use serde_json::json;

use super::support::{Ask, NOW_MS, Script, Stand, Step};
use super::{researcher, staff};

const RESEARCH: &str = "research;basis=\"academic-research\"";

fn masked(body: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
    value["decision"] = json!("");
    value.to_string()
}

#[tokio::test]
async fn a_count_of_statistics_is_nobodys_id_in_the_log() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (claims, target) = (staff("privacy-officer"), "/statistics/donors-by-prefecture");
    let mut told = 0;
    for purpose in ["improvement", "coordination", "research", "website.troubleshooting"] {
        for role in ["research-staff", "coordination-staff", "site-operator"] {
            stand.next_body(r#"{"cells":[{"group":"x","persons":17},{"group":"y","persons":3}]}"#, "application/json");
            let answer = stand.get(staff(role), purpose, target).await;
            assert!(!answer.body.contains("\"y\""), "a small cell left: {}", answer.body);
            told += usize::from(answer.body.contains("17"));
        }
    }
    drop(claims);
    assert!(told > 0, "nothing was released at all");
    for record in stand.records() {
        let subjects = record["disclosed"].as_array().into_iter().flatten().map(|d| d["subjects"].clone());
        assert!(subjects.into_iter().all(|s| s.as_array().is_none_or(Vec::is_empty)), "{record}");
    }
}

