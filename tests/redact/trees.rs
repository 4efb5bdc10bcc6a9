//! Field trees of all kinds, for whoever compares readings of them: made by dice, and by hand.

use std::sync::Arc;

use sekisho::catalogue::fields::{By, Covers, Generaliser, Meaning, Node};
use sekisho::catalogue::party::Bystanders;
use sekisho::redact::*;

use super::support::*;

/// A small generator of numbers from a seed, so that a failure is one number to repeat.
pub(crate) struct Dice(pub(super) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) % sides as u64) as usize
    }
}

pub(crate) const NAMES: [&str; 8] = ["a", "b", "id", "name", "k1", "日", "_a", "x\"y"];

/// A tree of any meanings.
pub(crate) fn some_node(dice: &mut Dice, depth: usize) -> Node {
    let meaning = match dice.roll(14) {
        0..=4 => None,
        5 => Some(Meaning::Everything),
        6 => Some(Meaning::Open),
        7 => Some(Meaning::Link),
        8 => Some(Meaning::Never),
        n => Some(Meaning::Category(cat(n - 9))),
    };
    let mut node = Node {
        meaning,
        generaliser: [None, Some(Generaliser::Year), Some(Generaliser::Decade)][dice.roll(3)],
        reference: dice.roll(4) == 0,
        as_string: dice.roll(2) == 0,
        covers: [Covers::Value, Covers::Elements, Covers::Deep][dice.roll(3)],
        list: dice.roll(4) == 0,
        ..Node::default()
    };
    if depth > 0 {
        for name in NAMES {
            if dice.roll(3) == 0 {
                node.members.insert(name.into(), Arc::new(some_node(dice, depth - 1)));
            }
        }
        if dice.roll(2) == 0 {
            node.any = Some(Arc::new(some_node(dice, depth - 1)));
        }
    }
    node
}

pub(crate) const FHIR_NAMES: [&str; 9] = ["a", "b", "_a", "_b", "meta", "security", "tag", "in", "k1"];

/// The same for FHIR: shadows, required elements, resources in resources.
pub(crate) fn some_type(dice: &mut Dice, depth: usize) -> Node {
    let mut node = some_node(dice, 0);
    node.required = dice.roll(3) == 0;
    if dice.roll(3) == 0 {
        node.meaning = None;
    }
    if depth > 0 {
        for name in FHIR_NAMES {
            if dice.roll(2) == 0 {
                let mut child = some_type(dice, depth - 1);
                let labelled = name == "meta" || name == "security" || name == "tag";
                child.required &= !labelled;
                if !labelled && dice.roll(4) == 0 {
                    child.by = Some(some_cases(dice, depth - 1, child.required));
                }
                node.members.insert(name.into(), Arc::new(child));
            }
        }
        if dice.roll(2) == 0 {
            node.any = Some(Arc::new(some_type(dice, depth - 1)));
        }
        if dice.roll(2) == 0 {
            let resource = Node { resource: true, ..Node::default() };
            let list = Node { any: Some(Arc::new(resource)), ..Node::default() };
            node.members.insert("in".into(), Arc::new(list));
        }
    }
    node
}

/// An object that a member says what it is: one value of it is known, another is not.
fn some_cases(dice: &mut Dice, depth: usize, required: bool) -> By {
    let mut node = some_type(dice, depth);
    node.required = required;
    By::new("by", [("known".into(), Arc::new(node))])
}

/// An id or a reference, pseudonymised.
pub(crate) fn id() -> Node {
    Node { reference: true, ..of(PSEUDONYM) }
}

fn subject(pointer: &str, to: Option<&str>) -> Subjects {
    Subjects::At(vec![SubjectAt {
        pointer: Pointer::parse(pointer).unwrap(),
        reference_to: to.map(Into::into),
        bystanders: Bystanders::default(),
    }])
}

/// Some resource types, with subjects, required elements and what they contain.
pub(crate) fn types() -> Types {
    let required = |node: Node| Node { required: true, ..node };
    let patient = tree(&[
        ("/id", id()),
        ("/meta/versionId", node(Meaning::Open)),
        ("/meta/security/*/code", node(Meaning::Open)),
        ("/name/*/family", of(WITHHELD)),
        ("/gender", of(CLEAR)),
        ("/birthDate", generalised(Generaliser::Year)),
        ("/telecom", of(MASKED)),
        ("/contained/*", Node { resource: true, ..Node::default() }),
    ]);
    let observation = tree(&[
        ("/id", id()),
        ("/status", required(of(WITHHELD))),
        ("/code", required(Node::default())),
        ("/code/text", of(WITHHELD)),
        ("/category", required(Node::default())),
        ("/category/*/text", of(WITHHELD)),
        ("/marks", required(Node::default())),
        ("/marks/*", of(WITHHELD)),
        ("/subject/reference", id()),
        ("/valueQuantity", deep(of(CLEAR))),
        ("/contained/*", Node { resource: true, ..Node::default() }),
    ]);
    let open = tree(&[("", deep(of(CLEAR)))]);
    let outcome = tree(&[("", node(Meaning::Open)), ("/issue", node(Meaning::Open))]);
    Types(
        [
            ("Patient", patient, subject("/id", None)),
            ("Observation", observation, subject("/subject/reference", Some("Patient"))),
            ("Device", open, Subjects::At(Vec::new())),
            ("OperationOutcome", outcome, Subjects::NoOne),
        ]
        .into_iter()
        .map(|(name, node, subjects)| (name.into(), ResourceType { node, subjects }))
        .collect(),
    )
}

/// A Bundle of these.
pub(crate) fn bundle_root() -> Arc<Node> {
    tree(&[
        ("/resourceType", node(Meaning::Open)),
        ("/type", node(Meaning::Open)),
        ("/total", node(Meaning::Count)),
        ("/link/*/relation", node(Meaning::Open)),
        ("/link/*/url", node(Meaning::Link)),
        ("/entry/*/fullUrl", id()),
        ("/entry/*/resource", Node { resource: true, ..Node::default() }),
        ("/entry/*/search/mode", node(Meaning::Open)),
    ])
}

/// A resource whose extensions are withheld, but for one that is known by its url and one that is somebody's gender.
pub(crate) fn extended() -> Types {
    let open = tree(&[("/url", node(Meaning::Open)), ("/valueCode", node(Meaning::Open))]);
    let gender = Arc::new(deep(of(CLEAR)));
    let by = By::new("url", [("urn:open".into(), open), ("urn:gender".into(), gender)]);
    let extension = Node { by: Some(by), ..deep(of(WITHHELD)) };
    let patient =
        tree(&[("/gender", of(CLEAR)), ("/extension/*", extension.clone()), ("/_gender/extension/*", extension)]);
    Types([("Patient".into(), ResourceType { node: patient, subjects: Subjects::NoOne })].into())
}
