//! How long does a decision take? The five policies over a mix of requests, with conditions on top, and policies that grow.
//!
//! `cargo bench --bench judgement`. Each figure is one decision; growth is asked of policies with 1,000 and 100,000 rules.
#![allow(missing_docs, reason = "the entry points of criterion are its own")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a bench"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use sekisho::decision::{Caller, Named, Request, decide};
use sekisho::policy::facts::{Consent, Person, Register, Relation};
use sekisho::policy::{Action, Categories, Moment, Policy, Source, Vocabulary, Window, compile, instant};

fn vocabulary() -> Arc<Vocabulary> {
    Arc::new(Vocabulary::compiled_in().unwrap())
}

fn policy(org: &str) -> Policy {
    let path = format!("{}/policy/{org}/policy.toml", env!("CARGO_MANIFEST_DIR"));
    compile(Source::new(org, std::fs::read_to_string(path).unwrap()), &vocabulary()).unwrap()
}

fn now() -> Moment {
    instant("2026-11-22T09:00:00+09:00").unwrap()
}

/// Own staff with every role, for each declarable purpose, each recipient and each of three bases: permits and refusals mixed.
fn mix<'a>(policy: &Policy, register: &'a Register, person: &'a Person) -> Vec<Request<'a>> {
    let roles = policy.roles_of(policy.roles().map(str::to_owned).collect::<Vec<_>>().iter().map(String::as_str));
    let asked = ["identity.name", "contact.address", "health.exam-result", "online.cookie"];
    let asked: Categories = asked.iter().filter_map(|name| policy.vocabulary.category(name)).collect();
    let mut requests = Vec::new();
    for (purpose, stated) in policy.purposes().filter(|(_, p)| !p.grouping) {
        let class = (0u8..32).find(|class| stated.classes >> class & 1 == 1);
        for (recipient, _) in policy.recipients() {
            for basis in [None, Some("consent"), Some("law")] {
                requests.push(Request {
                    caller: Caller { id: "c-1", organization: None, roles, verified: true, training_until: None },
                    action: Action::Read,
                    record: "r-1",
                    class: class.map_or(Named::Missing, Named::Known),
                    subject: Some("p-1"),
                    dataset: None,
                    asked,
                    asked_unknown: false,
                    query: Categories::NONE,
                    query_unknown: false,
                    purpose: Named::Known(purpose),
                    basis: Named::from(basis.map(|name| policy.vocabulary.basis_id(name))),
                    recipient: Named::Known(recipient),
                    organization: None,
                    reason: true,
                    reference: true,
                    act: Named::Unknown,
                    source: true,
                    time: now(),
                    register,
                    person: Some(person),
                });
            }
        }
    }
    requests
}

/// Consents to every purpose at the top, relations, and one restriction that stops nobody in the mix but third parties.
fn with_conditions(policy: &Policy) -> Person {
    let consent = |purpose: &str| Consent {
        purpose: Some(purpose.to_owned()),
        recipient: None,
        organization: None,
        categories: None,
        window: Window::ALWAYS,
    };
    let relation = Relation {
        kind: "family-contact".into(),
        organization: None,
        person: None,
        records: None,
        window: Window::ALWAYS,
    };
    Person {
        consents: policy.purposes().map(|(_, p)| consent(&p.name)).collect(),
        relations: vec![relation],
        restrictions: vec!["stop-third-party-provision".into()],
        ..Person::default()
    }
}

fn one_after_the_other(c: &mut Criterion, name: &str, policy: &Policy, person: &Person) {
    let register = Register::default();
    let requests = mix(policy, &register, person);
    let permitted = requests.iter().filter(|r| decide(policy, r).is_ok()).count();
    assert!(permitted > 0 && permitted < requests.len(), "{name}: no mix");
    let mut turn = requests.iter().cycle();
    c.bench_function(name, |b| b.iter(|| decide(black_box(policy), black_box(turn.next().unwrap()))));
}

/// A policy of `rules` permits over as many purposes as it takes at ten a purpose.
fn grown(rules: usize) -> Policy {
    let mut text = String::from(include_str!("../fixtures/generated-head.toml"));
    text += "[view.v]\nclear = [\"identity\", \"health\"]\n";
    for purpose in 0..rules / 10 {
        writeln!(text, "[purpose.\"care.p{purpose}\"]\nclause = \"1\"\nabout = \"patient\"\nview = \"v\"").unwrap();
    }
    text += "[purpose.care]\nclause = \"1\"\nabout = \"patient\"\nview = \"v\"\n[purpose.study]\nclause = \"1\"\nabout = \"patient\"\nview = \"v\"\n[purpose.billing]\nclause = \"1\"\nabout = \"patient\"\nview = \"v\"\n[purpose.\"care.visit\"]\nclause = \"1\"\nabout = \"patient\"\nview = \"v\"\n";
    let to =
        ["internal", "lab", "school", "partner", "kin", "registry", "press", "third-party", "successor", "authority"];
    for rule in 0..rules {
        let (purpose, to) = (rule / 10, to[rule % 10]);
        let basis = if to == "internal" { "stated-purpose" } else { "consent" };
        writeln!(text, "[[permit]]\nid = \"r{rule}\"\nclause = \"1\"\npurpose = \"care.p{purpose}\"\nto = \"{to}\"\nbasis = \"{basis}\"").unwrap();
    }
    compile(Source::new("grown", text), &vocabulary()).unwrap()
}

fn decisions(c: &mut Criterion) {
    for org in ["jsco", "jmdp", "22cemit", "cellspect", "sakura"] {
        let policy = policy(org);
        one_after_the_other(c, &format!("decide/{org}"), &policy, &Person::default());
        one_after_the_other(c, &format!("decide/{org}/conditions"), &policy, &with_conditions(&policy));
    }
    for rules in [1_000, 100_000] {
        let policy = grown(rules);
        one_after_the_other(c, &format!("decide/{rules} rules"), &policy, &Person::default());
    }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
