//! The streaming redactor compared with the slow one on FHIR: shadows, required elements, resources in resources, labels.

use std::sync::Arc;

use proptest::prelude::*;
use sekisho::catalogue::fields::Node;
use sekisho::redact::*;

use super::reference::*;
use super::slow::json::{Json, Spelt};
use super::slow::{Memo, Walk};
use super::support::*;
use super::trees::{Dice, FHIR_NAMES, some_type};

fn some_resource(dice: &mut Dice, depth: usize, serial: &mut usize, root: bool) -> Json {
    let mut members = some_members(dice, depth, serial);
    let place = if root { 0 } else { dice.roll(members.len() + 1) };
    let kind = ["A", "B", "Nope"][dice.roll(if root { 2 } else { 3 })];
    members.insert(place, ("resourceType".into(), Json::Text(kind.into())));
    Json::Map(members)
}

fn some_members(dice: &mut Dice, depth: usize, serial: &mut usize) -> Vec<(Spelt, Json)> {
    let mut names = FHIR_NAMES.to_vec();
    let mut members: Vec<(Spelt, Json)> = (0..dice.roll(7))
        .map(|_| (names.remove(dice.roll(names.len())).into(), some_value(dice, depth.saturating_sub(1), serial)))
        .collect();
    if dice.roll(2) == 0 {
        let place = dice.roll(members.len() + 1);
        members.insert(place, ("by".into(), Json::Text(["known", "other"][dice.roll(2)].into())));
    }
    members
}

fn some_value(dice: &mut Dice, depth: usize, serial: &mut usize) -> Json {
    *serial += 1;
    match dice.roll(if depth == 0 { 4 } else { 10 }) {
        0 => Json::Word(["null", "1.50", "7"][dice.roll(3)].into()),
        1..=3 => Json::Text(format!("u{serial}v").into()),
        4..=6 => Json::List((0..dice.roll(4)).map(|_| some_value(dice, depth - 1, serial)).collect()),
        7 | 8 => some_resource(dice, depth, serial, false),
        _ => Json::Map(some_members(dice, depth, serial)),
    }
}

fn run(seed: u64) {
    let mut dice = Dice(seed);
    let mut root_type = || {
        let mut node = some_type(&mut dice, 3);
        node.resource = false;
        node.members.remove("resourceType");
        Arc::new(node)
    };
    let types = [("A", root_type()), ("B", root_type())]
        .map(|(name, node)| (Box::from(name), ResourceType { node, subjects: Subjects::NoOne }));
    let types = Types(types.into());
    let json = some_resource(&mut dice, 5, &mut 0, true);
    let entry_bytes_max = [1 << 20, 40 + dice.roll(200)][dice.roll(2)];
    let limits = Limits { entry_bytes_max, ..Limits::default() };
    let root = Arc::new(Node::default());
    let setup = Setup::with(Shape::FhirResource, root, Some(types.clone()), true, limits, release());
    let body = json.compact();
    let (out, end) = setup.run(&cuts(body.as_bytes(), &mut dice));
    assert!(end.is_ok(), "{body}");
    let out = String::from_utf8(out).unwrap();
    let memo = Memo::default();
    let slow = slow(&types, &memo, true, entry_bytes_max);
    let streams = body.len() > entry_bytes_max;
    let expected = Walk::entry(&slow, None, streams).resource(&json).unwrap().compact();
    assert_eq!(out, expected, "seed {seed} bytes {entry_bytes_max} body {body}");
    no_canary(&json, &expected, &out);
    let strict = Setup::new(Shape::Object { subjects: Subjects::NoOne }, tree(&[("", deep(of(CLEAR)))]), None, true);
    assert!(strict.run(&[out.as_bytes()]).1.is_ok(), "what leaves is itself strict JSON: {out}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn resources_agree_with_a_slow_obvious_redactor(seed in any::<u64>()) {
        run(seed);
    }
}
