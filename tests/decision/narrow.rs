//! Places where one word more or less would let something through: each was found by reading the judge as its adversary.

use std::sync::Arc;

use sekisho::decision::Reason;
use sekisho::decision::evaluation::evaluate;
use sekisho::decision::reference::Question;
use sekisho::policy::{Source, Vocabulary, load};

use super::support::{Loaded, NOW, at, difference, good, question, text_of};

const VIEW: &str = "[view.v]\nclear = [\"identity.name\"]\n";
const PURPOSES: [&str; 4] = ["care", "care.visit", "study", "billing"];

/// A policy of two permits, in this order.
fn of(permits: [&str; 2]) -> Loaded {
    let purpose = |name: &&str| format!("[purpose.\"{name}\"]\nclause = \"1\"\nabout = \"patient\"\nview = \"v\"\n");
    let purposes: String = PURPOSES.iter().map(purpose).collect();
    let head = include_str!("../fixtures/generated-head.toml");
    Loaded::from_text("narrow", &[head, VIEW, &purposes, permits[0], permits[1]].concat())
}

#[test]
fn what_is_lacking_does_not_depend_on_which_permit_is_written_first() {
    let permit = |id: &str, need: &str| {
        format!(
            "[[permit]]\nid = \"{id}\"\nclause = \"1\"\npurpose = \"care\"\nto = \"third-party\"\nbasis = \"consent\"\nneeds = \"{need}\"\n"
        )
    };
    let (one, other) = (permit("approved", "approval"), permit("reasoned", "reason"));
    for permits in [[one.as_str(), other.as_str()], [other.as_str(), one.as_str()]] {
        let loaded = of(permits);
        let facts = good(&loaded).but(|f| f.approvals.clear());
        let q = Question {
            roles: &["everyone"],
            class: Some("patient"),
            purpose: Some("care"),
            basis: Some("consent"),
            recipient: Some("third-party"),
            categories: &["identity.name"],
            reason: false,
            ..question(&facts)
        };
        let answer = difference(&loaded.policy, &loaded.reading(), &q).unwrap_or_else(|d| panic!("{d}"));
        assert_eq!(answer.reasons, [Reason::ReasonMissing, Reason::ApprovalMissing].into());
    }
}

#[test]
fn a_person_whose_use_is_stopped_still_gets_what_a_clause_gives_the_person() {
    let permit = "[[permit]]\nid = \"own\"\nclause = \"1\"\npurpose = \"care\"\nto = \"principal\"\nbasis = \"stated-purpose\"\n";
    let loaded = of([permit, ""]);
    let facts = good(&loaded).but(|f| f.person.restrictions = vec!["stop-use".into(), "erased".into()]);
    let q = Question {
        caller: "person-1",
        organization: Some("principal"),
        class: Some("patient"),
        purpose: Some("care"),
        basis: Some("stated-purpose"),
        categories: &["identity.name"],
        ..question(&facts)
    };
    let answer = difference(&loaded.policy, &loaded.reading(), &q).unwrap_or_else(|d| panic!("{d}"));
    assert!(answer.decision, "{answer:?}");
}

#[test]
fn two_empty_ids_are_not_the_same_person() {
    let loaded = Loaded::of("jmdp");
    let facts = good(&loaded).but(|f| f.person.relations.iter_mut().for_each(|r| r.person = Some(String::new())));
    let q = Question {
        caller: "",
        subject: Some(""),
        organization: Some("principal"),
        class: Some("donor"),
        purpose: Some("principal-request.disclosure"),
        categories: &["identity.name"],
        ..question(&facts)
    };
    let answer = difference(&loaded.policy, &loaded.reading(), &q).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(answer.reasons, [Reason::RelationMissing].into());
}

#[test]
fn an_objection_to_a_misspelt_category_is_not_void() {
    let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
    let revisions = load(vec![Source::new("jmdp", text_of("jmdp"))], &vocabulary).unwrap();
    for (categories, permitted) in
        [("null", false), (r#"["helth"]"#, false), (r#"["contact"]"#, true), (r#"["contact","helth"]"#, false)]
    {
        let line = format!(
            r#"{{"subject":{{"type":"caller","id":"c","properties":{{"roles":["coordination-staff"]}}}},"action":{{"name":"read"}},
            "resource":{{"type":"record","id":"r","properties":{{"subject_class":"donor","subject":"d","categories":["health.condition"]}}}},
            "context":{{"purpose":"coordination","time":"{NOW}","facts":{{"objections":[{{"categories":{categories}}}]}}}}}}"#
        );
        let answer = evaluate(&line, &revisions, at(NOW)).unwrap();
        assert_eq!(answer["decision"], permitted, "{categories}: {answer}");
    }
}
