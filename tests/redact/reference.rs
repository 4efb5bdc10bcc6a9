//! The streaming redactor compared with the slow one, over generated trees and bodies.

use std::sync::Arc;

use proptest::prelude::*;
use sekisho::catalogue::fields::{Generaliser, Meaning, Node};
use sekisho::policy::Form;
use sekisho::redact::*;

use super::slow::json::Json;
use super::slow::{At, Held, Memo, Slow, Value, Walk};
use super::support::*;
use super::trees::*;

/// What single values become, in the words of this test's own pseudonymiser and links.
pub(super) fn form(value: &Value<'_>) -> Option<Json> {
    let act = match value.held.meaning {
        Meaning::Category(category) => release().form(category),
        _ => Form::Clear,
    };
    let text = match value.json {
        Json::Text(text) => text.as_str(),
        // A number that is made coarser or renamed; the former no generaliser here knows.
        Json::Word(word) if act == Form::Pseudonymised => word,
        _ => return None,
    };
    match act {
        Form::Generalised | Form::Pseudonymised => treated(text, act, value.held),
        _ if value.held.meaning == Meaning::Link => Gate.rewrite(text).map(|url| Json::Text(url.into())),
        _ => in_clear(value.json, text),
    }
}

/// The slow reading with the test release.
pub(super) fn slow<'a>(types: &'a Types, memo: &'a Memo, fhir: bool, held_bytes_max: usize) -> Slow<'a> {
    Slow {
        types,
        release: release(),
        all: all(5),
        fhir,
        judged: false,
        links: true,
        individual_number: None,
        held_bytes_max,
        form: &form,
        memo,
    }
}

/// What is left of a document that is one entry about nobody.
fn redact(value: &Json, root: &Node) -> Json {
    let (types, memo) = (Types::default(), Memo::default());
    let slow = slow(&types, &memo, false, usize::MAX);
    Walk::entry(&slow, None, false).root(value, Some(At::root(root)))
}

fn treated(text: &str, form: Form, held: Held) -> Option<Json> {
    let made = match form {
        Form::Generalised => match held.generaliser? {
            Generaliser::Year if text.starts_with("1987-05") => Some("1987".into()),
            Generaliser::Decade if text.starts_with("1987-05") => Some("1980".into()),
            _ => None,
        },
        _ if !held.reference => Plain.value(text),
        _ if text.contains(['\\', ':']) => None,
        _ => Plain.id(text),
    };
    made.map(|made| Json::Text(made.into()))
}

/// A reference in clear: a URL past the gate leads to it.
fn in_clear(value: &Json, text: &str) -> Option<Json> {
    let past = text.starts_with("http://inside");
    if past { Gate.rewrite(text).map(|url| Json::Text(url.into())) } else { Some(value.clone()) }
}

fn some_json(dice: &mut Dice, depth: usize, serial: &mut usize) -> Json {
    *serial += 1;
    match dice.roll(if depth == 0 { 6 } else { 12 }) {
        0 => Json::Word(["null", "true", "0", "-1.50", "123"][dice.roll(5)].into()),
        1 => Json::Text(format!("1987-05-{:02}", dice.roll(28) + 1).into()),
        2 => Json::Text(format!("http://inside/u{serial}v").into()),
        3 => Json::Text(format!("\n\"日😀u{serial}v\\").into()),
        4 | 5 => Json::Text(format!("u{serial}v").into()),
        6..=8 => Json::List((0..dice.roll(4)).map(|_| some_json(dice, depth - 1, serial)).collect()),
        _ => {
            let mut names = NAMES.to_vec();
            let count = dice.roll(6);
            let members = (0..count).map(|_| {
                let name = names.remove(dice.roll(names.len()));
                (name.into(), some_json(dice, depth - 1, serial))
            });
            Json::Map(members.collect())
        }
    }
}

pub(super) fn spaced(json: &Json, dice: &mut Dice) -> String {
    let mut out = String::new();
    json.print(&mut || ["", "", " ", "\n  ", "\t\r\n"][dice.roll(5)], &mut out);
    out
}

pub(super) fn cuts<'a>(body: &'a [u8], dice: &mut Dice) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at((1 + dice.roll(40)).min(rest.len()));
        pieces.push(head);
        rest = tail;
    }
    pieces
}

pub(super) fn no_canary(json: &Json, kept: &str, out: &str) {
    match json {
        Json::Word(_) => {}
        Json::Text(text) => {
            if let Some(canary) = text.find('u').map(|at| text[at..].trim_end_matches('\\')) {
                assert!(!out.contains(canary) || kept.contains(canary), "`{canary}` left in {out}");
            }
        }
        Json::List(items) => items.iter().for_each(|item| no_canary(item, kept, out)),
        Json::Map(members) => members.iter().for_each(|(_, value)| no_canary(value, kept, out)),
    }
}

fn compare(seed: u64, entry_bytes_max: usize) {
    let mut dice = Dice(seed);
    let root = Arc::new(some_node(&mut dice, 4));
    let json = some_json(&mut dice, 5, &mut 0);
    let limits = Limits { entry_bytes_max, ..Limits::default() };
    let shape = Shape::Object { subjects: Subjects::NoOne };
    let setup = Setup::with(shape, Arc::clone(&root), None, true, limits, release());
    let expected = redact(&json, &root);

    let body = json.compact();
    let (out, end) = setup.run(&cuts(body.as_bytes(), &mut dice));
    assert!(end.is_ok(), "{:?} for {body}", end.err());
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out, expected.compact(), "body {body}");
    no_canary(&json, &expected.compact(), &out);

    let body = spaced(&json, &mut dice);
    let (out, end) = setup.run(&cuts(body.as_bytes(), &mut dice));
    assert!(end.is_ok(), "{:?} for {body}", end.err());
    assert_eq!(Json::parse(&String::from_utf8(out).unwrap()), expected, "body {body}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_filter_agrees_with_a_slow_obvious_one(seed in any::<u64>()) {
        compare(seed, 1 << 20);
    }

    #[test]
    fn the_filter_agrees_with_a_slow_obvious_one_where_entries_stream(seed in any::<u64>()) {
        compare(seed, (seed % 60) as usize + 1);
    }

    #[test]
    fn a_list_is_its_entries_each_judged_alone(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let entry = Arc::new(some_node(&mut dice, 3));
        let items = Node { any: Some(Arc::clone(&entry)), ..Node::default() };
        let mut root = Node::default();
        root.members.insert("items".into(), Arc::new(items));
        let mut serial = 0;
        let mut expected = Vec::new();
        let mut bodies = Vec::new();
        for _ in 0..dice.roll(6) {
            let mut members = match some_json(&mut dice, 3, &mut serial) {
                Json::Map(members) => members,
                other => vec![("other".into(), other)],
            };
            let refused = dice.roll(3) == 0;
            members.retain(|(name, _)| name.as_str() != "id");
            if dice.roll(5) != 0 {
                members.insert(dice.roll(members.len() + 1), ("id".into(), Json::Text(if refused { "no" } else { "yes" }.into())));
                if !refused {
                    expected.push(redact(&Json::Map(members.clone()), &entry));
                }
            }
            bodies.push(Json::Map(members));
        }
        let setup = Setup::new(list("/items/*", "/id"), Arc::new(root), None, false);
        let body = Json::Map(vec![("items".into(), Json::List(bodies))]);
        let expected = Json::Map(vec![("items".into(), Json::List(expected))]);
        let text = spaced(&body, &mut dice);
        let (out, end) = setup.run(&cuts(text.as_bytes(), &mut dice));
        prop_assert!(end.is_ok());
        prop_assert_eq!(Json::parse(&String::from_utf8(out).unwrap()), expected);
    }

    /// Valid by another parser or refused by ours: never passed on as something else.
    #[test]
    fn damage_is_found_or_harmless(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let json = some_json(&mut dice, 4, &mut 0);
        let mut body = spaced(&json, &mut dice).into_bytes();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(body.len());
            match dice.roll(3) {
                0 => { body.remove(at); }
                1 => body.insert(at, b"{}[]\",:\\u0e1-\x00\xff\xe3 \n"[dice.roll(18)]),
                _ => body[at] ^= 1 << dice.roll(8),
            }
            if body.is_empty() {
                body.push(b' ');
            }
        }
        let root = tree(&[("", deep(of(CLEAR)))]);
        let setup = Setup::new(Shape::Object { subjects: Subjects::NoOne }, root, None, true);
        let (out, end) = setup.run(&cuts(&body, &mut dice));
        let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&body);
        match end {
            Ok(_) => {
                prop_assert!(theirs.is_ok() && std::str::from_utf8(&body).is_ok(), "{:?}", String::from_utf8_lossy(&body));
                prop_assert_eq!(out, body);
            }
            Err(Fault::DuplicateKey | Fault::Surrogate | Fault::Utf8) => {}
            Err(fault) => prop_assert!(theirs.is_err(), "{fault} in {}", String::from_utf8_lossy(&body)),
        }
    }
}
