//! `sekisho coverage`: every clause is kept by something, and a case shows it.

use super::support::{Folder, ORGANISATIONS, sekisho};

#[test]
fn every_clause_of_the_five_policies_is_kept_and_shown() {
    for name in ORGANISATIONS {
        let ran = sekisho(&["coverage", &format!("policy/{name}")]);
        assert_eq!(ran.code, 0, "{name}\n{}", ran.out);
        assert!(ran.out.contains("nothing is missing."), "{}", ran.out);
        ran.assert_fits();
    }
}

#[test]
fn a_clause_without_enforcement_or_reason_fails() {
    let folder = Folder::of("coverage-kept", "jmdp");
    folder.change("policy.toml", "enforced-by = [\"purpose:coordination\"]\n", "");
    let ran = sekisho(&["coverage", folder.path()]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("✗ nothing keeps it"), "{}", ran.out);
    assert!(ran.out.contains("1 clause with a gap"), "{}", ran.out);
}

#[test]
fn a_clause_that_rules_keep_and_no_case_exercises_fails() {
    let folder = Folder::of("coverage-cases", "jmdp");
    folder.write("cases.toml", "");
    let policy = std::fs::read_to_string(format!("{}/policy.toml", folder.path())).unwrap();
    folder.write("policy.toml", policy.replace("\"condition:in-force\", ", ""));
    let report = sekisho(&["coverage", folder.path(), "--json"]);
    assert_eq!(report.code, 1);
    let clauses = report.json()["clauses"].as_array().unwrap().clone();
    let gap = |id: &str| clauses.iter().find(|c| c["clause"] == id).unwrap()["gap"].clone();
    assert_eq!(gap("II.3.1"), "no case exercises it");
    assert_eq!(gap("W.ssl"), serde_json::Value::Null, "a mechanism needs no case");
    assert_eq!(gap("II.13"), serde_json::Value::Null, "nor does what a new revision has to keep");
    assert_eq!(gap("I.1"), serde_json::Value::Null, "nor what is organisational");
}

#[test]
fn permitted_and_refused_cases_are_counted_apart_and_named() {
    let report = sekisho(&["coverage", "policy/jmdp", "--json"]).json();
    let clauses = report["clauses"].as_array().unwrap();
    let research = clauses.iter().find(|c| c["clause"] == "II.3.10").unwrap();
    let names = |key: &str| -> Vec<String> {
        research[key].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    let approved = "an approved researcher sees results, never names".to_owned();
    assert!(names("permitted").contains(&approved));
    assert!(names("refused").contains(&format!("{approved}: the approval ended yesterday")));
    let shown = sekisho(&["coverage", "policy/jmdp", "--cases"]);
    assert!(shown.out.contains("permitted  an approved researcher"), "{}", shown.out);
    shown.assert_fits();
}

#[test]
fn markdown_is_one_table_whatever_the_texts_hold() {
    let folder = Folder::of("coverage-markdown", "jmdp");
    folder.change("policy.toml", "gist = \"coordination of marrow", "gist = \"a | b <i> *c*");
    let ran = sekisho(&["coverage", folder.path(), "--markdown"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("a \\| b \\<i> \\*c\\*"), "{}", ran.out);
    let rows: Vec<&str> = ran.out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 2 + 37);
    assert!(rows.iter().all(|row| row.replace("\\|", "").matches('|').count() == 6));
}

#[test]
fn what_cannot_be_read_has_no_coverage() {
    assert_eq!(sekisho(&["coverage", "policy/none"]).code, 2);
    assert_eq!(sekisho(&["coverage"]).code, 2);
    let folder = Folder::of("coverage-broken", "jmdp");
    folder.change("policy.toml", "[policy]", "[policy");
    assert_eq!(sekisho(&["coverage", folder.path()]).code, 2);
}
