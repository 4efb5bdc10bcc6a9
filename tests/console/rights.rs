//! What may he see, and is it on record before he sees it?

use super::support::{PAGES, PASSWORD, Stand, asked, console, furnished, readings, sign_in};
use http::Request;
use sekisho::console::Role;
use serde_json::json;

#[tokio::test]
async fn who_may_not_know_persons_is_never_told_one() {
    let stand = Stand::new().await;
    let (viewer, auditor) = (stand.sign_in("viewer").await, stand.sign_in("auditor").await);
    let (reviewer, officer) = (stand.sign_in("reviewer").await, stand.sign_in("privacy-officer").await);
    for cookie in [&viewer, &auditor, &reviewer] {
        let token = stand.token(cookie).await;
        for page in ["/subjects", "/subject/x", "/search?subject=x"] {
            assert_eq!(stand.get(page, cookie).await.status(), 403, "{page}");
        }
        for form in ["/subjects", "/search/person", "/record/gate/10/reveal"] {
            let answer = stand.post(form, cookie, &format!("token={token}&person=p-0117&why=because")).await;
            assert_eq!(answer.status(), 403, "{form}");
        }
        for page in PAGES {
            let answer = stand.get(page, cookie).await;
            assert!(!answer.body().contains("p-0"), "{page} names a person");
        }
    }
    for cookie in [&viewer, &auditor] {
        let token = stand.token(cookie).await;
        let answer = stand.post("/reviews/gate/10/accept", cookie, &format!("token={token}")).await;
        assert_eq!(answer.status(), 403);
    }
    assert_eq!(stand.get("/search/export.csv", &auditor).await.status(), 403, "an auditor reads and verifies");
    let token = stand.token(&officer).await;
    let answer = stand.post("/subjects", &officer, &format!("token={token}&person=p-0117&why=")).await;
    assert_eq!(answer.status(), 400, "without a reason nothing is opened");
    let form = format!("token={token}&person=p-0117&why=complaint+of+a+neighbour");
    let answer = stand.post("/subjects", &officer, &form).await;
    assert!(answer.status() == 200 && answer.body().contains("rc-sato") && answer.body().contains("p-0117"));
    let home = stand.end().await;
    let last = readings(&home.0);
    let reveal: Vec<_> = last.iter().filter(|record| record["action"] == "reveal").collect();
    assert_eq!(reveal.len(), 1);
    assert_eq!(reveal[0]["by"]["id"], "privacy-officer");
    assert!(reveal[0]["reason"].is_string() && reveal[0]["subjects"].as_array().unwrap().len() == 1);
    let refused = last.iter().filter(|record| record["action"] == "refused").count();
    assert_eq!(refused, 3 * 8 + 2 + 2 + 1, "each refusal is on record");
    for (file, text) in every_file(&home.0) {
        for canary in ["p-0117", "complaint of a neighbour", PASSWORD] {
            let is_there = text.windows(canary.len()).any(|window| window == canary.as_bytes());
            // The registry is about persons; the log, and what was made of it, is not.
            assert!(!is_there || file.contains("registry.sqlite"), "{file} holds `{canary}`");
        }
    }
}

#[tokio::test]
async fn what_is_looked_at_is_on_record_and_else_is_not_shown() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("viewer").await;
    let before = stand.readings().len();
    for page in ["/", "/search?caller=rc-sato&q=typed", "/record/gate/10", "/integrity", "/live"] {
        assert_eq!(stand.get(page, &mine).await.status(), 200);
    }
    let written = stand.readings();
    let new: Vec<_> =
        written[before..].iter().map(|record| (record["action"].clone(), record["page"].clone())).collect();
    let read = |page: &str| (json!("read"), json!(page));
    assert_eq!(new, ["overview", "search", "record", "integrity", "live"].map(read));
    let search = &written[before + 1];
    assert!(search["asked"].as_str().unwrap().contains("caller=rc-sato"), "{search}");
    assert!(!search.to_string().contains("typed") && search["reason"].is_string(), "what was typed is sealed");
    assert_eq!(search["by"]["id"], "viewer");
    assert_eq!(search["by"]["address"], "127.0.0.1");
    stand.end().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_shown() {
    let home = furnished(&[("viewer", Role::Viewer, &[])]);
    let console = console(&home.0);
    assert!(console.index_once());
    let mine = asked(&console, sign_in(), "").await.1;
    let mine = mine.unwrap();
    let (status, _, body) = asked(&console, Request::get("/search?caller=rc-sato"), &mine).await;
    assert!(status == 200 && body.contains("rc-sato"));
    // The chain of readings takes no more.
    console.stop();
    // This console has no policy to show.
    for page in PAGES.into_iter().filter(|page| *page != "/policy/sakura") {
        let (status, _, body) = asked(&console, Request::get(page), &mine).await;
        let is_silent = page == "/live/rows";
        assert!([503, 403].contains(&status) || is_silent, "{page}: {status}");
        assert!(!body.contains("rc-sato") && !body.contains("<table") && !body.contains("<dl"), "{page}");
    }
    let (status, cookie, _) = asked(&console, sign_in(), "").await;
    assert_eq!((status, cookie), (503, None), "nor does anybody come in");
}

#[tokio::test]
async fn no_page_that_a_viewer_comes_to_names_a_person() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("viewer").await;
    let (mut seen, mut next) = (std::collections::BTreeSet::new(), vec!["/".to_owned()]);
    for _ in 0..2 {
        let mut found = Vec::new();
        for page in std::mem::take(&mut next) {
            let answer = stand.get(&page, &mine).await;
            let body = answer.body();
            assert!([200, 303].contains(&answer.status()), "{page}: {}", answer.status());
            // The ids of the clinic's patients are `p-` and four digits.
            let named =
                body.match_indices("p-0").find(|(at, _)| body[at + 2..].chars().take(4).all(|c| c.is_ascii_digit()));
            assert_eq!(named, None, "{page}");
            let links = body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(
                links
                    .filter(|link| link.starts_with('/') && !link.contains("lang="))
                    .map(|link| link.replace("&amp;", "&")),
            );
        }
        found.retain(|link| seen.insert(link.clone()));
        next = found.into_iter().take(120).collect();
    }
    assert!(seen.len() > 60, "{}", seen.len());
    stand.end().await;
}

#[tokio::test]
async fn nobody_reviews_his_own_access_and_a_verdict_stands() {
    let stand = Stand::new().await;
    let (reviewer, officer) = (stand.sign_in("reviewer").await, stand.sign_in("privacy-officer").await);
    let page = stand.get("/reviews?list=all", &reviewer).await;
    let (_, rest) = page.body().split_once("href=\"/reviews/gate/").unwrap();
    let record = rest.split('"').next().unwrap().to_owned();
    let own = stand.token(&reviewer).await;
    let path = format!("/reviews/gate/{record}");
    assert!(!stand.get(&path, &reviewer).await.body().contains("/accept\""), "it is not even offered");
    let answer = stand.post(&format!("{path}/accept"), &reviewer, &format!("token={own}")).await;
    assert_eq!(answer.status(), 400, "the reviewer calls as the nurse does");
    let token = stand.token(&officer).await;
    let empty = stand.post(&format!("{path}/object"), &officer, &format!("token={token}&action=&remark=x")).await;
    assert_eq!(empty.status(), 400, "an objection says what is done");
    let accepted = stand.post(&format!("{path}/accept"), &officer, &format!("token={token}&remark=seen")).await;
    assert_eq!(accepted.status(), 303);
    let again = stand.post(&format!("{path}/accept"), &officer, &format!("token={token}&remark=seen")).await;
    assert_eq!(again.status(), 400, "it is decided");
    let told = stand.get(&path, &officer).await;
    assert!(told.body().contains("accepted") && told.body().contains("seen"));
    stand.end().await;
}

#[tokio::test]
async fn a_filter_that_would_be_passed_over_is_refused() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("privacy-officer").await;
    let many = "q=&".repeat(256);
    for path in ["/search/export.csv", "/search", "/live"] {
        let answer = stand.get(&format!("{path}?{many}caller=nobody"), &mine).await;
        assert_eq!(answer.status(), 400, "{path}: what comes last is not dropped");
    }
    for doubled in ["subject=a&subject=b", "q=a&q=b", "from=2026-01-01&from=2026-01-02", "form=clear&form=masked"] {
        assert_eq!(stand.get(&format!("/search/export.csv?{doubled}"), &mine).await.status(), 400, "{doubled}");
    }
    assert_eq!(stand.get("/search?caller=rc-sato&caller=nr-kudo", &mine).await.status(), 200);
    stand.end().await;
}

fn every_file(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(every_file(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}
