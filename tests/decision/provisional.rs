//! A decision without the person's facts: does it ever pass for a ground to release, and does it ever refuse what could be?

use std::collections::BTreeSet;

use sekisho::decision::{Request, decide};
use sekisho::policy::facts::Person;
use sekisho::policy::{Action, Categories, Form};

use super::cells::{callers, class, purposes};
use super::support::{Dice, Facts, Loaded, ORGS, good, objection, question, request};

/// The person's facts, from everything permitted to everything stopped.
fn persons(good: &Facts) -> Vec<Person> {
    let but = |change: fn(&mut Person)| good.but(|f| change(&mut f.person)).person;
    vec![
        good.person.clone(),
        Person::default(),
        but(|p| p.consents.clear()),
        but(|p| p.relations.clear()),
        but(|p| p.informed.clear()),
        but(|p| p.restrictions = vec!["stop-use".into()]),
        but(|p| p.restrictions = vec!["stop-third-party-provision".into()]),
        but(|p| p.objections = vec![objection()]),
        but(|p| p.opt_outs = vec!["google-analytics".into(), "website.advertising".into()]),
        but(|p| p.blocked = true),
    ]
}

/// Asks about each of the persons and about nobody; whether each was permitted.
fn ask(loaded: &Loaded, q: &Request<'_>, persons: &[Person]) -> (bool, Vec<bool>) {
    let policy = &loaded.policy;
    let unknown = decide(policy, &Request { person: None, ..*q });
    if let Ok(permit) = &unknown {
        assert!(permit.is_provisional(), "a permit about nobody passes for a ground");
    }
    let known = persons.iter().map(|person| {
        let known = decide(policy, &Request { person: Some(person), ..*q });
        let Ok(permit) = known else { return false };
        assert!(!permit.is_provisional(), "a permit about a person is taken for a guess");
        // What some record could be released as, this one is at most.
        let Ok(most) = &unknown else {
            panic!("{} is refused before anyone looks", loaded.policy.document.meta.title.text)
        };
        for category in q.asked.iter().filter(|c| permit.release().form(*c) != Form::Withheld) {
            assert!(
                most.release().form(category) >= permit.release().form(category),
                "it would have been promised less"
            );
        }
        true
    });
    (unknown.is_ok(), known.collect())
}

#[test]
fn a_permit_about_nobody_is_marked_and_promises_what_any_record_could_get() {
    let mut dice = Dice::thrown("provisional");
    for org in ORGS {
        let loaded = Loaded::of(org);
        let facts = good(&loaded);
        let persons = persons(&facts);
        let all: Categories = loaded.policy.vocabulary.all();
        let bases: Vec<_> = loaded.vocabulary.bases.iter().map(|b| Some(b.name.as_str())).chain([None]).collect();
        let mut seen = BTreeSet::new();
        for purpose in purposes(&loaded) {
            for who in callers(&loaded) {
                let roles: Vec<&str> = who.roles.iter().map(String::as_str).collect();
                for basis in &bases {
                    let recipient = who.organization.is_none().then(|| {
                        let all: Vec<_> = loaded.policy.recipients().map(|(_, r)| r.name.as_str()).collect();
                        *dice.pick(&all)
                    });
                    let named = dice.below(2) == 0;
                    let q = sekisho::decision::reference::Question {
                        caller: &who.id,
                        organization: who.organization.as_deref(),
                        roles: &roles,
                        class: class(&loaded, purpose.as_deref()),
                        purpose: purpose.as_deref(),
                        basis: *basis,
                        recipient: recipient.filter(|_| named),
                        action: *dice.pick(&Action::ALL),
                        ..question(&facts)
                    };
                    // A read asks for everything, a write for a little: it needs all of it.
                    let written = dice.pick(&WRITTEN).iter().filter_map(|name| loaded.policy.vocabulary.category(name));
                    let asked = if q.action.writes() { written.collect() } else { all };
                    let (unknown, known) = ask(&loaded, &Request { asked, ..request(&q, &loaded.policy) }, &persons);
                    seen.extend(known.into_iter().map(|known| (unknown, known)));
                }
            }
        }
        // All that may happen did: refused either way, promised and refused, promised and released.
        assert_eq!(seen, [(false, false), (true, false), (true, true)].into(), "{org}");
    }
}

/// What a write may name.
const WRITTEN: [&[&str]; 4] =
    [&["identity.name"], &["contact.address", "identity.name"], &["health.exam-result"], &["finance.billing"]];
