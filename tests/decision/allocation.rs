//! Does a decision allocate? Not once, whatever is asked.

use sekisho::decision::decide;
use sekisho::decision::reference::Question;
use sekisho::policy::{Action, Dataset};

use super::cells::{callers, class, purposes};
use super::support::{Loaded, ORGS, good, question, request};

#[test]
fn a_decision_allocates_nothing_in_any_cell() {
    for org in ORGS {
        let loaded = Loaded::of(org);
        let facts = good(&loaded);
        let stopped = facts.but(|f| f.person.restrictions.push("stop-use".into()));
        let (purposes, callers) = (purposes(&loaded), callers(&loaded));
        let mut permitted = 0usize;
        for purpose in &purposes {
            for who in &callers {
                let roles: Vec<&str> = who.roles.iter().map(String::as_str).collect();
                // Only staff is asked for whom: one with every role for every recipient, all others for one.
                let every = if who.organization.is_none() && roles.len() > 1 { usize::MAX } else { 1 };
                for (_, recipient) in loaded.policy.recipients().take(every) {
                    let q = Question {
                        caller: &who.id,
                        organization: who.organization.as_deref(),
                        roles: &roles,
                        class: class(&loaded, purpose.as_deref()),
                        purpose: purpose.as_deref(),
                        recipient: roles.first().map(|_| recipient.name.as_str()),
                        categories: &["identity.name", "health.condition", "online.cookie"],
                        ..question(&facts)
                    };
                    let base = request(&q, &loaded.policy);
                    let other = request(&Question { person: &stopped.person, ..q }, &loaded.policy);
                    let counted = allocation_counter::measure(|| {
                        let known = loaded.vocabulary.bases().map(|(id, _)| sekisho::decision::Named::Known(id));
                        for basis in known.chain([sekisho::decision::Named::Missing]) {
                            for action in Action::ALL {
                                for dataset in [None, Some(Dataset::Statistical)] {
                                    for one in [&base, &other] {
                                        let request = sekisho::decision::Request { basis, action, dataset, ..*one };
                                        permitted += usize::from(decide(&loaded.policy, &request).is_ok());
                                    }
                                }
                            }
                        }
                    });
                    assert_eq!(counted.count_total, 0, "{}", super::support::told(&q));
                }
            }
        }
        assert!(permitted > 100, "{org}");
    }
}
