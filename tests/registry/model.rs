//! Does the view, brought up change by change, say what a slow reading of the whole history says?

use std::time::Instant;

use proptest::prelude::*;
use sekisho::policy::facts::Person;
use sekisho::registry::{Change, End, Entry, Registry};

use super::{Folder, NOW, add, open};

const SUBJECTS: [&str; 3] = ["d-0", "d-1", "d-2"];
const PURPOSES: [&str; 4] = ["care", "care.coordination", "research", "research.genome"];
const RECIPIENTS: [Option<&str>; 3] = [None, Some("researcher"), Some("authority")];
const NAMES: [&str; 3] = ["stop-use", "erased", "stop-third-party-provision"];

#[derive(Clone, Debug)]
enum Op {
    Consent(usize, usize, usize),
    Withdraw(usize, Option<usize>, usize),
    Restrict(usize, usize),
    Object(usize, usize),
    Block(usize),
    End(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3usize, 0..4usize, 0..3usize).prop_map(|(s, p, r)| Op::Consent(s, p, r)),
        3 => (0..3usize, prop::option::of(0..4usize), 0..3usize).prop_map(|(s, p, r)| Op::Withdraw(s, p, r)),
        2 => (0..3usize, 0..3usize).prop_map(|(s, n)| Op::Restrict(s, n)),
        2 => (0..3usize, 0..4usize).prop_map(|(s, p)| Op::Object(s, p)),
        1 => (0..3usize).prop_map(Op::Block),
        3 => (0..30usize).prop_map(Op::End),
    ]
}

fn words(op: &Op) -> Option<String> {
    let to = |r: usize| RECIPIENTS[r].map(|name| format!(" recipient={name}")).unwrap_or_default();
    Some(match op {
        Op::Consent(s, p, r) => format!("consent subject={} purpose={}{}", SUBJECTS[*s], PURPOSES[*p], to(*r)),
        Op::Withdraw(s, p, r) => {
            let purpose = p.map(|p| format!(" purpose={}", PURPOSES[p])).unwrap_or_default();
            format!("withdrawal subject={}{purpose}{}", SUBJECTS[*s], to(*r))
        }
        Op::Restrict(s, n) => format!("restriction subject={} name={}", SUBJECTS[*s], NAMES[*n]),
        Op::Object(s, p) => format!("objection subject={} purpose={}", SUBJECTS[*s], PURPOSES[*p]),
        Op::Block(s) => format!("block subject={}", SUBJECTS[*s]),
        Op::End(_) => return None,
    })
}

/// Every entry ever made, and whether it stands; consents are struck out by a withdrawal when it is made.
#[derive(Default)]
struct Model(Vec<(Op, i64, bool)>);

impl Model {
    fn apply(&mut self, registry: &Registry, op: &Op) {
        if let Op::End(index) = op {
            let Some((target, id, stands)) = self.0.get_mut(*index) else { return };
            let ended = registry.end(&End::Entry(sekisho::registry::EntryId(*id)), "officer", NOW);
            let withdrawal = matches!(target, Op::Withdraw(..));
            // A withdrawn consent may be ended besides: it stands no less withdrawn.
            assert!(!(withdrawal && ended.is_ok()), "a withdrawal was ended");
            assert!(!*stands || withdrawal || ended.is_ok(), "what stands could not be ended");
            *stands &= withdrawal;
            return;
        }
        let line = words(op).unwrap();
        let (kind, rest) = line.split_once(' ').unwrap();
        let entry = Entry::parse(kind, rest.split(' ')).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let added = registry.add(&entry, &[], "officer", NOW);
        if let Op::Withdraw(subject, purpose, recipient) = op {
            assert_eq!(added.is_ok(), self.withdraw(*subject, *purpose, *recipient), "{line}");
        }
        if let Ok(Change { entry, .. }) = added {
            self.0.push((op.clone(), entry.0, true));
        }
    }

    /// Strikes out what is withdrawn; false, and nothing struck, where that is nothing or part of a broader consent.
    fn withdraw(&mut self, subject: usize, purpose: Option<usize>, recipient: usize) -> bool {
        let broader =
            |a: usize, b: usize| PURPOSES[b] == PURPOSES[a] || PURPOSES[b].starts_with(&format!("{}.", PURPOSES[a]));
        let mut struck = Vec::new();
        for (index, (op, _, stands)) in self.0.iter().enumerate() {
            let Op::Consent(s, p, r) = op else { continue };
            let overlap = purpose.is_none_or(|w| broader(w, *p) || broader(*p, w))
                && (recipient == 0 || *r == 0 || *r == recipient);
            if !stands || *s != subject || !overlap {
                continue;
            }
            let whole = purpose.is_none_or(|w| broader(w, *p)) && (recipient == 0 || *r == recipient);
            if !whole {
                return false;
            }
            struck.push(index);
        }
        struck.iter().for_each(|index| self.0[*index].2 = false);
        !struck.is_empty()
    }

    fn assert_same(&self, subject: usize, person: &Person) {
        let standing = || self.0.iter().filter(|(_, _, stands)| *stands).map(|(op, _, _)| op);
        let consents: Vec<_> = standing()
            .filter_map(|op| match op {
                Op::Consent(s, p, r) if *s == subject => Some((Some(PURPOSES[*p]), RECIPIENTS[*r])),
                _ => None,
            })
            .collect();
        let found: Vec<_> = person.consents.iter().map(|c| (c.purpose.as_deref(), c.recipient.as_deref())).collect();
        assert_eq!(found, consents);
        let restrictions: Vec<_> = standing()
            .filter_map(|op| match op {
                Op::Restrict(s, n) if *s == subject => Some(NAMES[*n]),
                _ => None,
            })
            .collect();
        assert_eq!(person.restrictions, restrictions);
        let objections = standing().filter(|op| matches!(op, Op::Object(s, _) if *s == subject)).count();
        assert_eq!(person.objections.len(), objections);
        assert_eq!(person.blocked, standing().any(|op| matches!(op, Op::Block(s) if *s == subject)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two connections write in turn; both, and a third that reads everything at the end, say what the model says.
    #[test]
    fn the_view_says_what_the_history_says(ops in prop::collection::vec(op(), 1..30)) {
        let folder = Folder::new();
        let (first, second) = (folder.open(), folder.open());
        let mut model = Model::default();
        for (index, op) in ops.iter().enumerate() {
            model.apply(if index % 2 == 0 { &first } else { &second }, op);
            for (subject, name) in SUBJECTS.iter().enumerate() {
                model.assert_same(subject, first.facts_again(NOW).unwrap().person(name));
            }
        }
        let afresh = open(&folder.file(), false).unwrap();
        for registry in [&second, &afresh] {
            for (subject, name) in SUBJECTS.iter().enumerate() {
                model.assert_same(subject, registry.facts(NOW).unwrap().person(name));
            }
        }
    }
}

/// The size of a large hospital's registry, 100,000 persons, opens, answers and takes a change; `SEKISHO_LONG=1` asks for
/// all of it, and otherwise a part stands for it. Times are printed, not judged.
#[test]
fn a_hundred_thousand_persons_fit() {
    let persons: u32 = if std::env::var("SEKISHO_LONG").is_ok_and(|v| v == "1") { 100_000 } else { 40_000 };
    let folder = Folder::new();
    let registry = folder.open();
    let one = |subject: u32| Entry::parse("consent", [format!("subject=d-{subject}").as_str(), "purpose=research"]);
    let entries: Vec<Entry> = (0..persons).map(|subject| one(subject).unwrap()).collect();
    let begun = Instant::now();
    let changes = registry.add_all(&entries, &[], "officer", NOW).unwrap();
    println!("entered {} in {:?}", changes.len(), begun.elapsed());
    let begun = Instant::now();
    let registry = open(&folder.file(), false).unwrap();
    println!("opened in {:?}", begun.elapsed());
    let before = registry.facts(NOW).unwrap();
    add(&registry, "withdrawal subject=d-37777");
    let begun = Instant::now();
    let after = registry.facts(NOW).unwrap();
    println!("took a change in {:?}", begun.elapsed());
    assert_eq!(before.persons(), persons as usize);
    assert_eq!(before.person("d-37777").consents.len(), 1, "a view that was handed out does not change");
    assert!(after.person("d-37777").consents.is_empty());
    assert_eq!(after.person("d-37778").consents.len(), 1);
}
