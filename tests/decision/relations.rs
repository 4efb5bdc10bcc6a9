//! Whose relation opens a record? A relation of somebody else opens nothing.

use sekisho::decision::Reason;
use sekisho::decision::reference::{Answer, Question};
use sekisho::policy::facts::{Organization, Relation};
use sekisho::policy::{Action, Window};

use super::support::{Facts, Loaded, difference, good, question};

fn relation(kind: &str, organization: Option<&str>, person: Option<&str>) -> Relation {
    Relation {
        kind: kind.to_owned(),
        organization: organization.map(str::to_owned),
        person: person.map(str::to_owned),
        records: None,
        window: Window::ALWAYS,
    }
}

/// Two families on file, and this relation alone.
fn related(loaded: &Loaded, only: Relation) -> Facts {
    let two = |organizations: &mut Vec<Organization>| {
        let family = organizations.iter().find(|o| o.recipient == "family").cloned().unwrap();
        organizations.retain(|o| o.recipient != "family");
        organizations.extend(["family-a", "family-b"].map(|id| Organization { id: id.to_owned(), ..family.clone() }));
    };
    good(loaded).but(|f| {
        two(&mut f.organizations);
        f.person.relations = vec![only];
    })
}

fn answer(loaded: &Loaded, q: &Question<'_>) -> Answer {
    let answer = difference(&loaded.policy, &loaded.reading(), q).unwrap_or_else(|d| panic!("{d}"));
    assert!(answer.decision || answer.reasons == [Reason::RelationMissing].into(), "{answer:?}");
    answer
}

fn explanation<'a>(facts: &'a Facts) -> Question<'a> {
    Question {
        class: Some("patient"),
        purpose: Some("care.family-explanation"),
        categories: &["health.condition"],
        ..question(facts)
    }
}

#[test]
fn a_family_that_is_not_the_contact_learns_nothing() {
    let loaded = Loaded::of("sakura");
    // The relation's organisation and person; who calls from which family; whether it is the one meant.
    let calls = [
        (None, None, "anyone", "family-a", true),
        (None, Some("mother"), "mother", "family-a", true),
        (None, Some("mother"), "neighbour", "family-a", false),
        (None, Some("family-a"), "anyone", "family-a", true),
        (None, Some("family-a"), "anyone", "family-b", false),
        (Some("family-a"), Some("mother"), "mother", "family-b", false),
        (Some("family-a"), None, "anyone", "family-b", false),
        (Some("family-a"), None, "anyone", "family-a", true),
    ];
    for (organization, person, caller, of, meant) in calls {
        let facts = related(&loaded, relation("family-contact", organization, person));
        let q = Question { caller, organization: Some(of), basis: Some("consent"), ..explanation(&facts) };
        assert_eq!(answer(&loaded, &q).decision, meant, "{organization:?} {person:?}: {caller} of {of}");
    }
}

#[test]
fn staff_who_name_a_family_name_the_one_that_is_the_contact() {
    let loaded = Loaded::of("sakura");
    // The relation's organisation and person; for whom it is fetched, by recipient id or by name; whether it opens.
    let fetched = [
        (None, Some("mother"), None, true),
        (None, None, Some("family-b"), true),
        (None, Some("family-a"), Some("family-a"), true),
        (None, Some("family-a"), Some("family-b"), false),
        (None, Some("mother"), Some("family-b"), false),
        (Some("family-b"), Some("mother"), Some("family-b"), true),
        (Some("family-a"), Some("mother"), Some("family-b"), false),
    ];
    for (organization, person, named, opens) in fetched {
        let facts = related(&loaded, relation("family-contact", organization, person));
        let q = Question {
            caller: "staff-1",
            roles: &["physician"],
            recipient: Some("family"),
            for_organization: named,
            basis: Some("consent"),
            ..explanation(&facts)
        };
        assert_eq!(answer(&loaded, &q).decision, opens, "{organization:?} {person:?}: for {named:?}");
    }
}

#[test]
fn an_examination_of_somebody_else_opens_nothing() {
    let loaded = Loaded::of("sakura");
    let exams = [
        (Some("org-employer"), None, true),
        (Some("org-employer"), Some("person-1"), true),
        (Some("org-employer"), Some("person-2"), false),
        (Some("org-employer"), Some("org-employer"), false),
        (Some("org-employer"), Some("clerk"), false),
        (Some("org-commissioner"), None, false),
        (None, Some("person-1"), false),
    ];
    for (organization, person, opens) in exams {
        let facts = related(&loaded, relation("commissioned-exam", organization, person));
        let asked = Question {
            caller: "clerk",
            class: Some("patient"),
            purpose: Some("employer-notification"),
            basis: Some("consent"),
            categories: &["health.exam-result"],
            ..question(&facts)
        };
        let itself = Question { organization: Some("org-employer"), ..asked };
        let staff = Question { roles: &["health-check-clerk"], recipient: Some("employer"), ..asked };
        for q in [itself, staff] {
            assert_eq!(answer(&loaded, &q).decision, opens, "{organization:?} {person:?}: {:?}", q.organization);
        }
    }
}

#[test]
fn an_agent_never_sees_the_individual_number() {
    let loaded = Loaded::of("jmdp");
    let facts = good(&loaded);
    for (caller, number) in [("person-1", true), ("agent-1", false)] {
        for action in [Action::Read, Action::Search] {
            let q = Question {
                caller,
                organization: Some("principal"),
                class: Some("donor"),
                purpose: Some("principal-request.disclosure"),
                action,
                categories: &["identity.name", "identity.my-number"],
                ..question(&facts)
            };
            let answer = answer(&loaded, &q);
            assert!(answer.release.contains_key("identity.name"), "{caller}: {answer:?}");
            assert_eq!(answer.release.contains_key("identity.my-number"), number, "{caller}: {answer:?}");
        }
    }
}
