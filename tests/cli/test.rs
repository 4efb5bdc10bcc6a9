//! `sekisho test`: the conformance cases.

use super::support::{Folder, ORGANISATIONS, sekisho};

#[test]
fn the_five_policies_answer_as_their_cases_say() {
    let ran = sekisho(&["test", "--json"]);
    let report = ran.json();
    let outcomes = report["organisations"].as_array().unwrap();
    let names: Vec<&str> = outcomes.iter().map(|o| o["organisation"].as_str().unwrap()).collect();
    assert_eq!(names, ORGANISATIONS);
    for outcome in outcomes {
        assert!(outcome["cases"].as_u64().unwrap() > 300);
        let differing = outcome["differing"].as_array().unwrap();
        assert!(differing.is_empty(), "{}\n{}", outcome["organisation"], sekisho(&["test"]).out);
    }
    assert_eq!(ran.code, 0);
}

#[test]
fn a_differing_case_is_shown_with_its_place_what_was_expected_and_what_was_found() {
    let folder = Folder::of("test-differs", "jmdp");
    folder.change(
        "cases.toml",
        "expect.release.\"identity.name\" = \"clear\"",
        "expect.release.\"identity.name\" = \"masked\"",
    );
    let ran = sekisho(&["test", folder.path(), "--filter", "coordination staff see what"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("cases.toml:15\n"), "{}", ran.out);
    assert!(ran.out.contains("- identity.name: expected \"masked\", found \"clear\""), "{}", ran.out);
    assert!(ran.out.contains("1 differs"), "{}", ran.out);
    ran.assert_fits();
}

#[test]
fn a_filter_finds_names_and_clauses() {
    let by_clause = sekisho(&["test", "policy/jmdp", "--filter", "II.3.10", "--json"]).json();
    assert!(by_clause["organisations"][0]["cases"].as_u64().unwrap() > 5);
    let by_name = sekisho(&["test", "--filter", "COORDINATION STAFF SEE WHAT", "--json"]).json();
    let run: u64 = by_name["organisations"].as_array().unwrap().iter().map(|o| o["cases"].as_u64().unwrap()).sum();
    assert!(run >= 1);
}

#[test]
fn running_no_case_is_no_success() {
    assert_eq!(sekisho(&["test", "--filter", "no case is called like this"]).code, 2);
    assert_eq!(sekisho(&["test", "policy/none"]).code, 2);
    let folder = Folder::of("test-none", "jmdp");
    folder.write("cases.toml", "");
    assert_eq!(sekisho(&["test", folder.path()]).code, 2);
    folder.write("cases.toml", "[[case]]\nname = 1\n");
    let ran = sekisho(&["test", folder.path()]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cases.toml:2:8"), "{}", ran.err);
}
