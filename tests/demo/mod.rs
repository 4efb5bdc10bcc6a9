//! The demonstration, as the binary: the tour, the printed requests, and what it refuses.

mod filled;
mod running;
mod support;

use support::{Running, Scratch, command, get, sekisho};

#[test]
fn every_request_of_the_tour_comes_out_as_the_policies_say_from_any_folder() {
    let scratch = Scratch::new();
    let mut tour = command(&scratch);
    let output = tour.current_dir("/").args(["demo", "--tour"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(!told.contains('✗'), "{told}");
    let asked = told.lines().filter(|line| line.contains(" ✓ ") && !line.starts_with('✓')).count();
    assert!(asked >= 60, "{asked} requests");
    for org in ["jsco", "jmdp", "22cemit", "cellspect", "sakura"] {
        let intact = |line: &&str| line.contains(org) && line.contains("log intact");
        assert!(told.lines().any(|line| intact(&line)), "{org}: {told}");
    }
    assert!(told.lines().all(|line| line.chars().count() <= 80), "a line is longer than 80 columns");
    assert!(scratch.is_empty(), "the tour left something behind");
}

#[test]
fn two_tours_tell_the_same() {
    let scratch = Scratch::new();
    let tour = || {
        let told = String::from_utf8(command(&scratch).args(["demo", "sakura", "--tour"]).output().unwrap().stdout);
        told.unwrap()
    };
    assert_eq!(tour(), tour());
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let scratch = Scratch::new();
    for address in ["0.0.0.0", "::", "192.0.2.1", "10.0.0.1"] {
        let ran = sekisho(&scratch, &["demo", "--address", address, "--port", "0"]);
        assert_eq!(ran.status.code(), Some(2), "{address}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains("loopback"), "{address}");
        assert!(ran.stdout.is_empty() && scratch.is_empty(), "{address}: it began all the same");
    }
}

#[test]
fn a_data_folder_that_holds_something_is_left_alone() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("mine");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("letter"), "dear").unwrap();
    let ran = sekisho(&scratch, &["demo", "--port", "0", "--data", folder.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("not empty"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn an_unknown_organisation_is_named_with_those_there_are() {
    let scratch = Scratch::new();
    let ran = sekisho(&scratch, &["demo", "acme"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("22cemit"));
}

#[test]
fn the_sample_api_answers_nobody_but_the_gate() {
    let running = Running::start(&["jmdp"]);
    let site = &running.told["sites"][0];
    let backend = site["backend"].as_str().unwrap();
    let bearer = format!("Bearer {}", site["tokens"]["coordinator"].as_str().unwrap());
    let guess = "0".repeat(64);
    let attempts: [&[(&str, &str)]; 4] = [
        &[],
        &[("Authorization", &bearer), ("Purpose-Of-Use", "coordination")],
        &[("Sekisho-Demo-Gate", &guess)],
        &[("Sekisho-Demo-Gate", "")],
    ];
    for fields in attempts {
        let answer = get(&format!("{backend}/donors/d-0001"), fields);
        assert_eq!(answer.status, 403, "{fields:?}");
        assert!(!answer.body.contains("d-0001"), "{}", answer.body);
    }
}
