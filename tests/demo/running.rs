//! What is printed works: every request as told, tokens of another run not at all, and an end that leaves nothing.

use serde_json::Value;

use super::support::{Running, get};

#[test]
fn every_printed_request_is_answered_as_it_is_told() {
    let running = Running::start(&[]);
    let sites = running.told["sites"].as_array().unwrap();
    assert_eq!(sites.len(), 5);
    for site in sites {
        let requests = site["requests"].as_array().unwrap();
        assert!(requests.len() >= 5, "{}", site["organization"]);
        for request in requests {
            let token = site["tokens"][request["caller"].as_str().unwrap()].as_str().unwrap();
            let bearer = format!("Bearer {token}");
            let fields = [("Authorization", bearer.as_str()), ("Purpose-Of-Use", request["purpose"].as_str().unwrap())];
            assert_eq!(request["method"], "GET", "a printed request writes");
            let answer = get(request["url"].as_str().unwrap(), &fields);
            assert_eq!(Value::from(answer.status), request["expect"]["status"], "{request}: {}", answer.body);
            let code = request["expect"]["code"].as_str().unwrap();
            assert!(answer.body.contains(code), "{request}: {}", answer.body);
        }
        let log = std::fs::read_dir(site["log"].as_str().unwrap()).unwrap();
        assert!(log.count() >= 1, "{}", site["organization"]);
    }
}

#[test]
fn a_token_of_one_run_opens_nothing_in_another() {
    let (first, second) = (Running::start(&["sakura"]), Running::start(&["sakura"]));
    let token = first.told["sites"][0]["tokens"]["physician"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let fields = [("Authorization", bearer.as_str()), ("Purpose-Of-Use", "care")];
    let ask = |running: &Running| get(&format!("{}/patients/p-0001", running.url()), &fields).status;
    assert_eq!(ask(&first), 200);
    assert_eq!(ask(&second), 401);
}

#[test]
fn links_of_a_list_lead_through_the_gate() {
    let running = Running::start(&["sakura"]);
    let token = running.told["sites"][0]["tokens"]["physician"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let fields = [("Authorization", bearer.as_str()), ("Purpose-Of-Use", "care")];
    let first: Value = serde_json::from_str(&get(&format!("{}/patients?size=2", running.url()), &fields).body).unwrap();
    let next = first["next"].as_str().expect("a link to the next page");
    assert!(next.starts_with("/sakura/"), "{next}");
    let second = get(&format!("{}{next}", running.told["gate"].as_str().unwrap()), &fields);
    let second: Value = serde_json::from_str(&second.body).unwrap();
    assert_eq!(second["items"][0]["id"], "p-0003");
}

#[test]
fn asked_to_end_it_ends_well_and_leaves_nothing() {
    let mut running = Running::start(&["jsco"]);
    let data = running.told["data"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&data).exists());
    assert_eq!(running.interrupt(), Some(0));
    assert!(!std::path::Path::new(&data).exists(), "the data stays");
    assert!(running.scratch.is_empty());
}

#[test]
fn a_named_folder_keeps_a_log_that_verifies() {
    let kept = super::Scratch::new();
    let folder = kept.path().join("kept");
    let mut running = Running::start(&["jsco", "--data", folder.to_str().unwrap()]);
    let token = running.told["sites"][0]["tokens"]["office"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let fields = [("Authorization", bearer.as_str()), ("Purpose-Of-Use", "services")];
    assert_eq!(get(&format!("{}/members/m-0001", running.url()), &fields).status, 200);
    assert_eq!(running.interrupt(), Some(0));
    let verified = super::sekisho(&kept, &["audit", "verify", folder.join("jsco").to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}
