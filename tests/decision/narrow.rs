//! Places where one word more or less would let something through: each was found by reading the judge as its adversary.

use std::sync::Arc;

use sekisho::decision::evaluation::evaluate;
use sekisho::decision::reference::{Answer, Question};
use sekisho::decision::{Reason, decide};
use sekisho::policy::facts::Overseas;
use sekisho::policy::{Action, Categories, Form, Source, Vocabulary, load};

use super::support::{Loaded, NOW, at, difference, good, question, request, tells_as_a_search_would, text_of};

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

fn answer(loaded: &Loaded, q: &Question<'_>) -> Answer {
    difference(&loaded.policy, &loaded.reading(), q).unwrap_or_else(|d| panic!("{d}"))
}

#[test]
fn a_basis_that_needs_a_contract_does_not_make_staff_or_the_person_unregistered() {
    let loaded = Loaded::of("jmdp");
    let facts = good(&loaded).but(|f| f.organizations.clear());
    let staff = Question { caller: "staff-1", roles: &["coordination-staff"], ..question(&facts) };
    let person = Question { caller: "person-1", organization: Some("principal"), ..question(&facts) };
    for (q, purpose) in [(staff, "coordination"), (person, "principal-request.disclosure")] {
        let (class, purpose) = (Some("donor"), Some(purpose));
        let q = Question { class, purpose, basis: Some("outsourcing"), categories: &["identity.name"], ..q };
        assert_eq!(answer(&loaded, &q).reasons, [Reason::BasisNotMet].into(), "{:?}", q.organization);
    }
}

#[test]
fn a_ground_of_article_28_that_the_clause_does_not_name_opens_nothing() {
    let loaded = Loaded::of("jsco");
    let grounds = [
        (Some(Overseas::EquivalentSystem), true),
        (Some(Overseas::DesignatedCountry), false),
        (Some(Overseas::Consent), false),
        (Some(Overseas::Exception), false),
        (None, false),
    ];
    for (ground, opens) in grounds {
        let facts = good(&loaded).but(|f| {
            f.organizations.iter_mut().for_each(|o| o.overseas = ground.map(|ground| (ground, i64::MAX)));
            f.person.consents.iter_mut().for_each(|c| c.recipient = Some("google-analytics".into()));
        });
        let q = Question {
            organization: Some("org-google-analytics"),
            class: Some("user"),
            purpose: Some("services.access-analysis"),
            categories: &["online.browsing"],
            ..question(&facts)
        };
        let answer = answer(&loaded, &q);
        assert_eq!(answer.decision, opens, "{ground:?}: {answer:?}");
        assert!(opens || answer.reasons == [Reason::OverseasBasisMissing].into(), "{ground:?}: {answer:?}");
    }
}

#[test]
fn a_request_of_the_person_opens_the_actions_of_that_request_only() {
    let loaded = Loaded::of("22cemit");
    let facts = good(&loaded);
    let reads = [Action::Read, Action::Search];
    let requests: [(&str, &[Action]); 9] = [
        ("disclosure", &reads),
        ("provision-records", &reads),
        ("notification", &[]),
        ("correction", &[Action::Update]),
        ("addition", &[Action::Update]),
        ("deletion", &[Action::Delete]),
        ("erasure", &[Action::Delete]),
        ("stop-use", &[]),
        ("stop-third-party-provision", &[]),
    ];
    let staff = Question { caller: "staff-1", roles: &["privacy-officer"], ..question(&facts) };
    let person = Question { caller: "person-1", organization: Some("principal"), ..question(&facts) };
    for (request, own) in requests {
        let purpose = format!("principal-request.{request}");
        for action in Action::ALL {
            let refused = |q: Question<'_>| {
                let (class, purpose) = (Some("user"), Some(purpose.as_str()));
                let q = Question { class, purpose, action, categories: &["identity.name"], ..q };
                answer(&loaded, &q).reasons.contains(&Reason::ActionNotPermitted)
            };
            let told = format!("{} under {purpose}", action.name());
            assert_eq!(refused(person), !own.contains(&action), "the person: {told}");
            assert_eq!(
                refused(Question { recipient: Some("principal"), ..staff }),
                !own.contains(&action),
                "for the person: {told}"
            );
            assert_eq!(refused(staff), !own.contains(&action) && !reads.contains(&action), "staff: {told}");
            let other = Question { recipient: Some("third-party"), ..staff };
            assert_eq!(refused(other), !reads.contains(&action), "for another: {told}");
        }
    }
}

#[test]
fn what_is_searched_on_counts_as_released_beside_the_answer() {
    let loaded = Loaded::of("sakura");
    let facts = good(&loaded);
    let search = |categories, query| Question {
        caller: "staff-1",
        roles: &["quality-manager"],
        class: Some("user"),
        purpose: Some("operations.improvement"),
        action: Action::Search,
        categories,
        query,
        ..question(&facts)
    };
    let online: &[&str] = &["online.browsing"];
    assert!(answer(&loaded, &search(online, &[])).decision, "cookies beside nobody");
    assert!(answer(&loaded, &search(online, &["health.condition"])).decision, "cookies beside no identity");
    assert_eq!(answer(&loaded, &search(online, &["identity.gender"])).reasons, [Reason::Prohibited].into());
    let both = answer(&loaded, &search(&["health.condition", "online.browsing"], &["identity.gender"]));
    assert_eq!(both.release, [("health.condition".to_owned(), Form::Clear)].into());
    // And the other way about: cookies cannot be searched on beside an identity.
    let other_way = answer(&loaded, &search(&["identity.gender"], online));
    assert_eq!(other_way.reasons, [Reason::SearchNotPermitted].into());
}

#[test]
fn a_fact_that_names_nothing_is_neither_malformed_nor_a_ground() {
    let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
    let revisions = load(vec![Source::new("jmdp", text_of("jmdp"))], &vocabulary).unwrap();
    let ask = |caller: &str, purpose: &str, facts: &str| {
        let line = format!(
            r#"{{"subject":{{"type":"caller","id":"a","properties":{{"organization":"{caller}","identity":"verified"}}}},"action":{{"name":"read"}},
            "resource":{{"type":"record","id":"r","properties":{{"subject_class":"donor","subject":"d","categories":["identity.gender"]}}}},
            "context":{{"purpose":"{purpose}","basis":{basis},"time":"{NOW}","facts":{{{facts}}}}}}}"#,
            basis = if caller == "principal" { "null" } else { r#""academic-research""# },
        );
        let answer = evaluate(&line, &revisions, at(NOW)).unwrap_or_else(|malformed| panic!("{malformed}: {line}"));
        let codes =
            answer["context"]["reasons"].as_array().unwrap().iter().map(|r| r["code"].as_str().unwrap().to_owned());
        (answer["decision"] == true, codes.collect::<Vec<_>>())
    };
    let agent = |kind: &str| format!(r#""relations":[{{"kind":{kind},"person":"a"}}]"#);
    let lab = |id: &str, approved: &str| {
        format!(
            r#""organizations":[{{"id":{id},"recipient":"researcher","country":"JP"}}],"approvals":[{{"organization":{approved},"purpose":"research"}}]"#
        )
    };
    let disclosure = "principal-request.disclosure";
    assert_eq!(ask("principal", disclosure, &agent("\"agent\"")), (true, vec![]));
    assert_eq!(ask("principal", disclosure, &agent("null")), (false, vec!["relation-missing".to_owned()]));
    assert_eq!(ask("lab", "research", &lab("\"lab\"", "\"lab\"")), (true, vec![]));
    assert_eq!(ask("lab", "research", &lab("\"lab\"", "null")), (false, vec!["approval-missing".to_owned()]));
    assert_eq!(ask("lab", "research", &lab("null", "\"lab\"")), (false, vec!["recipient-unknown".to_owned()]));
    let informed = r#""informed":[{"purpose":null,"at":null}]"#;
    assert_eq!(ask("principal", disclosure, informed), (false, vec!["relation-missing".to_owned()]));
}

/// By its status a change or a deletion tells whether there is a record: of what may not be seen it is refused, as a search is.
#[test]
fn what_a_write_tells_has_to_be_shown_by_its_purpose() {
    let loaded = Loaded::of("sakura");
    let facts = good(&loaded);
    let accountant = Question {
        caller: "staff-1",
        roles: &["accountant"],
        class: Some("patient"),
        purpose: Some("administration.accounting"),
        categories: &["identity.number"],
        ..question(&facts)
    };
    for (query, told) in [(&["finance.billing"][..], true), (&["health.condition"][..], false)] {
        for action in [Action::Read, Action::Update] {
            let answer = answer(&loaded, &Question { action, query, ..accountant });
            assert_eq!(answer.decision, told, "{} {query:?}: {answer:?}", action.name());
            assert!(told || answer.reasons == [Reason::SearchNotPermitted].into(), "{answer:?}");
        }
    }
    // Of his own record a person may know, and so may whoever does what he asks.
    let staff = Question { roles: &["privacy-officer"], categories: &[], action: Action::Delete, ..accountant };
    let person = Question { caller: "person-1", organization: Some("principal"), roles: &[], ..staff };
    for request in ["deletion", "erasure"] {
        let purpose = format!("principal-request.{request}");
        for asked in [staff, Question { recipient: Some("principal"), ..staff }, person] {
            let asked = Question { purpose: Some(purpose.as_str()), subject: Some("person-1"), ..asked };
            for (query, told) in [(&["health.condition"][..], true), (&["identity.my-number"][..], false)] {
                let answer = answer(&loaded, &Question { query, ..asked });
                assert_eq!(answer.decision, told, "{request} {query:?}: {answer:?}");
            }
        }
    }
}

/// By its status a deletion tells that there was a record: of level `specific` that is told to the person and to no agent.
#[test]
fn no_agent_has_a_record_deleted_of_a_type_that_is_the_individual_numbers() {
    for org in super::support::ORGS {
        let loaded = Loaded::of(org);
        let facts = good(&loaded);
        let mut deleted = [0; 2];
        for purpose in ["principal-request.deletion", "principal-request.erasure"] {
            for class in loaded.vocabulary.classes() {
                for (caller, query) in
                    [("agent-1", "identity.my-number"), ("agent-1", "identity.name"), ("person-1", "identity.name")]
                {
                    let q = Question {
                        caller,
                        organization: Some("principal"),
                        class: Some(class),
                        purpose: Some(purpose),
                        action: Action::Delete,
                        query: &[query],
                        ..question(&facts)
                    };
                    let answer = answer(&loaded, &q);
                    let refused = query == "identity.my-number";
                    assert!(!(refused && answer.decision), "{org} {purpose} {class}: {answer:?}");
                    deleted[usize::from(caller == "agent-1")] += usize::from(answer.decision);
                }
            }
        }
        assert!(!deleted.contains(&0), "{org}: who else may delete: {deleted:?}");
    }
}

/// What may be told of besides what was asked for is told beside it, too: not that beside which something is withheld.
#[test]
fn what_a_permit_tells_of_besides_takes_nothing_away_from_what_it_releases() {
    let view = "[view.v]\nclear = [\"identity.name\", \"online.cookie\", \"health.condition\"]\n";
    let apart = "[[apart]]\nid = \"a\"\nclause = \"1\"\nwithhold = [\"online\"]\nbeside = [\"identity\"]\n";
    let purposes =
        PURPOSES.map(|name| format!("[purpose.\"{name}\"]\nclause = \"1\"\nabout = \"patient\"\nview = \"v\"\n"));
    let permit =
        "[[permit]]\nid = \"p\"\nclause = \"1\"\npurpose = \"care\"\nto = \"third-party\"\nbasis = \"consent\"\n";
    let head = include_str!("../fixtures/generated-head.toml");
    let loaded = Loaded::from_text("narrow", &[head, view, &purposes.concat(), permit, apart].concat());
    let facts = good(&loaded);
    for (asked, told) in [
        ("online.cookie", &["online.cookie", "health.condition"][..]),
        ("health.condition", &["online.cookie", "health.condition", "identity.name"]),
        ("identity.name", &["health.condition", "identity.name"]),
    ] {
        let q = Question {
            roles: &["everyone"],
            class: Some("patient"),
            purpose: Some("care"),
            basis: Some("consent"),
            recipient: Some("third-party"),
            categories: &[asked],
            ..question(&facts)
        };
        let permit = decide(&loaded.policy, &request(&q, &loaded.policy)).unwrap();
        let vocabulary = &loaded.policy.vocabulary;
        let wanted: Categories = told.iter().filter_map(|name| vocabulary.category(name)).collect();
        assert_eq!(permit.told(), wanted, "{asked}");
        tells_as_a_search_would(&loaded.policy, &loaded.reading(), &q);
    }
}
