//! `sekisho check`: every fault at once, with its place.

use super::support::{Folder, ORGANISATIONS, command, sekisho};

#[test]
fn the_five_policies_are_sound() {
    let ran = sekisho(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    for name in ORGANISATIONS {
        assert!(ran.out.contains(&format!("{name}: sound")), "{}", ran.out);
    }
    ran.assert_fits();
}

fn broken(name: &str) -> Folder {
    let folder = Folder::of(name, "jmdp");
    folder.change("policy.toml", "view = \"care\"", "view = \"caer\"");
    folder.change("policy.toml", "[\"my-number-stays\", \"mechanism:log\"]", "[\"my-number-stay\", \"mechanism:lgo\"]");
    folder.change("cases.toml", "expect.reasons = []", "expect.reason = []");
    folder
}

#[test]
fn every_fault_of_every_file_is_shown_at_once_with_line_caret_and_help() {
    let folder = broken("check-broken");
    let ran = sekisho(&["check", folder.path(), "--color", "never"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("error: unknown view `caer`\n"), "{}", ran.out);
    assert!(
        ran.out.contains("│ view = \"caer\"\n    │        ^^^^^^\n    = help: did you mean `care`?"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("did you mean `my-number-stays`?"), "{}", ran.out);
    assert!(ran.out.contains("unknown mechanism `lgo`"), "{}", ran.out);
    assert!(ran.out.contains("cases.toml:15:1"), "{}", ran.out);
    assert!(ran.out.contains("faulty\n  4 faults"), "{}", ran.out);
    let order: Vec<_> = ["lgo", "caer", "`reason`"].iter().map(|word| ran.out.find(word).unwrap()).collect();
    assert!(order.is_sorted(), "faults come in the order of the files");
}

#[test]
fn faults_are_given_to_programs_with_line_and_column() {
    let folder = broken("check-json");
    let ran = sekisho(&["check", folder.path(), "--json"]);
    assert_eq!(ran.code, 1);
    let findings = ran.json()["findings"].as_array().unwrap().clone();
    assert_eq!(findings.len(), 4);
    let view = findings.iter().find(|f| f["message"] == "unknown view `caer`").unwrap();
    assert_eq!((view["severity"].as_str(), view["column"].as_u64()), (Some("error"), Some(8)));
    assert_eq!(view["help"], "did you mean `care`?");
}

#[test]
fn one_missing_bracket_is_told_as_one_mistake() {
    let folder = Folder::of("check-bracket", "sakura");
    folder.change("policy.toml", "clause = [", "clause = [[");
    let ran = sekisho(&["check", folder.path(), "--json"]);
    assert_eq!(ran.code, 1);
    let findings = ran.json()["findings"].as_array().unwrap().len();
    assert!((1..=6).contains(&findings), "{findings} findings");
}

#[test]
fn what_is_hardly_meant_is_a_warning_and_does_not_fail() {
    let folder = Folder::of("check-warnings", "jmdp");
    folder.change("policy.toml", "[role.coordination-staff]", "[role.nobody]\nserves = []\n[role.coordination-staff]");
    folder.change("policy.toml", "[view.care]", "[view.unused]\nclear = [\"health\"]\n[view.care]");
    let unreachable =
        "[purpose.\"unreachable\"]\nclause = \"II.3.13\"\nabout = [\"donor\"]\nview = \"care\"\n[purpose.\"website\"]";
    folder.change("policy.toml", "[purpose.\"website\"]", unreachable);
    // Contractors and successors may have every stated purpose; here no longer. Staff still may, but no role serves it.
    folder.change("policy.toml", "purpose = \"stated\"", "purpose = [\"stated\"]");
    for _ in 0..2 {
        folder.change("policy.toml", "purpose = \"stated\"", "purpose = \"coordination\"");
    }
    folder.change(
        "policy.toml",
        "[recipient.coordinator]",
        "[recipient.stranger]\nkind = \"public\"\nclause = \"II.6\"\n[recipient.coordinator]",
    );
    folder.change("policy.toml", "[\"hl7:HPRGRP\"]", "[\"hl7:HPRGRP\", \"hl7:DONAT\"]");
    folder.change("cases.toml", "clause = [\"II.3.1\", \"II.2\"]", "clause = [\"II.3.99\", \"II.2\"]");
    let ran = sekisho(&["check", folder.path()]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    for warning in [
        "role `nobody` serves no purpose",
        "nobody uses view `unused`",
        "nobody can reach purpose `unreachable`",
        "no permit names recipient `stranger`",
        "code `hl7:DONAT` is shared with `coordination`",
        "names clause `II.3.99`",
    ] {
        assert!(ran.out.contains(warning), "{warning}\n{}", ran.out);
    }
    assert!(ran.out.contains(" warnings"), "{}", ran.out);
}

#[test]
fn an_unreadable_folder_is_neither_sound_nor_faulty() {
    let ran = sekisho(&["check", "policy/none", "policy/jmdp"]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("none: not readable"), "{}", ran.out);
    assert!(ran.out.contains("jmdp: sound"), "the others are still checked\n{}", ran.out);
    let empty = Folder::new("check-empty");
    let output = command().current_dir(&empty.0).arg("check").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn colours_are_printed_only_where_they_are_wanted() {
    let folder = broken("check-colour");
    assert!(sekisho(&["check", folder.path(), "--color", "always"]).out.contains("\x1b["));
    assert!(!sekisho(&["check", folder.path(), "--color", "never"]).out.contains("\x1b["));
    assert!(!sekisho(&["check", folder.path()]).out.contains("\x1b["), "a pipe gets none");
    assert_eq!(sekisho(&["--color", "sometimes", "check"]).code, 2);
}

#[test]
fn a_catalogue_is_checked_where_there_is_one() {
    let folder = Folder::of("check-catalogue", "jmdp");
    folder.write("catalogue.toml", "surface = \"soap\"\n");
    let ran = sekisho(&["check", folder.path()]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("catalogue.toml:1:11"), "{}", ran.out);
    assert!(sekisho(&["check", "policy/jmdp"]).out.contains(" routes"));
}
