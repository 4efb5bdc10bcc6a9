//! Does a revision replace the one before it only as the law and the policy allow, and only from its day on?

use std::sync::Arc;

use sekisho::policy::{Faults, Revisions, Source, Vocabulary, load};

use super::support::{at, text_of};

/// A revision made from a text: its `[policy]` lines replaced, and more added.
fn revised(org: &str, changes: &[(&str, &str)]) -> String {
    let mut text = text_of(org);
    for (old, new) in changes {
        assert_eq!(text.matches(old).count(), 1, "`{old}` stands once in {org}");
        text = text.replacen(old, new, 1);
    }
    text
}

fn line<'t>(text: &'t str, key: &str) -> &'t str {
    text.lines().find(|l| l.starts_with(&format!("{key} = "))).unwrap()
}

/// The lines that make a text the next revision of an organisation's policy.
fn next(org: &str, changes: &[(&str, &str)], more: &str) -> String {
    let text = text_of(org);
    let (revision, announced, effective) =
        (line(&text, "revision"), line(&text, "announced"), line(&text, "effective"));
    let supersedes = revision.replacen("revision", "supersedes", 1);
    let head = format!("revision = \"next\"\n{supersedes}{more}");
    let mut all =
        vec![(revision, head.as_str()), (announced, "announced = 2026-12-01"), (effective, "effective = 2027-01-01")];
    all.extend(changes);
    revised(org, &all)
}

fn loaded(org: &str, newer: String) -> Result<Revisions, Faults> {
    let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
    // In the wrong order: the days decide, not the order of files.
    load(vec![Source::new("next.toml", newer), Source::new("policy.toml", text_of(org))], &vocabulary)
}

fn refused(org: &str, newer: String, fragment: &str) {
    let faults = loaded(org, newer).err().unwrap_or_else(|| panic!("{org} loads, though: {fragment}"));
    assert!(faults.0.iter().any(|f| f.message.contains(fragment)), "{fragment}\n{faults}");
    assert!(faults.0.iter().all(|f| &*f.source.name == "next.toml"), "{faults}");
}

/// A purpose, to stand before the first one of jsco.
const NEW_PURPOSE: &str = "[purpose.\"newsletter\"]\nclause = \"3.1\"\nabout = [\"member\"]\nview = \"analytics\"\n";

fn jsco_with(purpose: &str) -> String {
    next("jsco", &[], "") + "\n" + purpose
}

#[test]
fn an_unchanged_revision_loads() {
    assert_eq!(loaded("jsco", next("jsco", &[], "")).unwrap().all().len(), 2);
}

#[test]
fn a_new_purpose_without_relation_does_not_load() {
    refused("jsco", jsco_with(NEW_PURPOSE), "purpose `newsletter` is new");
    assert!(loaded("jsco", jsco_with(&format!("{NEW_PURPOSE}related-to = \"services\"\n"))).is_ok());
    assert!(loaded("jsco", jsco_with(&format!("{NEW_PURPOSE}law = \"Act No. 1 of 2026\"\n"))).is_ok());
}

#[test]
fn a_relation_to_a_purpose_that_never_was_does_not_load() {
    refused(
        "jsco",
        jsco_with(&format!("{NEW_PURPOSE}related-to = \"newsletter\"\n")),
        "unknown purpose of the superseded revision",
    );
}

#[test]
fn a_revision_of_a_policy_that_changes_by_law_names_the_law() {
    refused("jmdp", next("jmdp", &[], ""), "names the law or guideline");
    assert!(loaded("jmdp", next("jmdp", &[], "\nlaw = \"Act No. 57 of 2003, amended\"")).is_ok());
}

#[test]
fn a_wider_view_class_or_recipient_counts_as_a_wider_purpose() {
    let law = "\nlaw = \"Act\"";
    let wider = [
        (
            "[view.messages]\nclear = [\"identity.name\", \"contact\"]",
            "[view.messages]\nclear = [\"identity.name\", \"contact\", \"identity.gender\"]",
            "purpose `campaign` is widened",
        ),
        (
            "about = [\"donor\", \"patient\", \"contributor\"]",
            "about = [\"donor\", \"patient\", \"contributor\", \"user\"]",
            "purpose `campaign` is widened",
        ),
        ("to = \"expert\"\n", "to = [\"expert\", \"researcher\"]\n", "purpose `expert-opinion` is widened"),
        (
            "identity.number\"]\ngeneralised = [\"identity.birth-date\"]\n[view.money]",
            "identity.number\", \"identity.birth-date\"]\n[view.money]",
            "purpose `safety-report` is widened",
        ),
    ];
    for (old, new, fragment) in wider {
        refused("jmdp", next("jmdp", &[(old, new)], law), fragment);
    }
}

#[test]
fn a_revision_that_names_no_predecessor_or_announcement_does_not_load() {
    let text = next("jsco", &[], "");
    let supersedes = line(&text, "supersedes").to_owned();
    refused("jsco", text.replacen(&supersedes, "", 1), "names the one that it supersedes");
    refused("jsco", next("jsco", &[], "").replacen("announced = 2026-12-01", "", 1), "when it was announced");
}

#[test]
fn the_old_text_decides_until_the_new_one_is_in_force() {
    let revisions = loaded("jsco", jsco_with(&format!("{NEW_PURPOSE}related-to = \"services\"\n"))).unwrap();
    let knows = |moment: &str| revisions.at(at(moment)).unwrap().purpose_id("newsletter").is_some();
    assert!(!knows("2026-12-01T00:00:00+09:00"), "posted, not yet in force");
    assert!(!knows("2026-12-31T23:59:59.999+09:00"));
    assert!(knows("2027-01-01T00:00:00+09:00"));
    let old = revisions.all()[0].in_force;
    assert_eq!(old.until, at("2027-01-01T00:00:00+09:00"));
    assert!(old.holds(at("2026-12-31T23:59:59.999+09:00")) && !old.holds(at("2027-01-01T00:00:00+09:00")));
}

#[test]
fn an_announcement_after_the_effective_day_postpones_it() {
    let late = next("jsco", &[], "").replacen("announced = 2026-12-01", "announced = 2027-02-01T12:00:00+09:00", 1);
    let revisions = loaded("jsco", late).unwrap();
    let revision = |moment: &str| revisions.at(at(moment)).unwrap().in_force.from;
    assert_ne!(revision("2027-02-01T11:59:59.999+09:00"), revision("2027-02-01T12:00:00+09:00"));
}
