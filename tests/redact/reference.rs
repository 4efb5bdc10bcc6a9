//! A slow, obvious redactor over a parsed tree, and the streaming one compared with it.

use std::sync::Arc;

use proptest::prelude::*;
use sekisho::catalogue::fields::{Generaliser, Meaning, Node};
use sekisho::policy::{Form, Release};
use sekisho::redact::*;

use super::support::*;

/// JSON with its order, its numbers as text and its strings as they mean.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Word(String),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    fn print(&self, gap: &mut dyn FnMut() -> &'static str, out: &mut String) {
        out.push_str(gap());
        match self {
            Json::Word(word) => out.push_str(word),
            Json::Text(text) => out.push_str(&serde_json::to_string(text).unwrap()),
            Json::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    item.print(gap, out);
                }
                out.push_str(gap());
                out.push(']');
            }
            Json::Map(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    out.push_str(gap());
                    out.push_str(&serde_json::to_string(name).unwrap());
                    out.push_str(gap());
                    out.push(':');
                    value.print(gap, out);
                }
                out.push_str(gap());
                out.push('}');
            }
        }
        out.push_str(gap());
    }

    pub(super) fn compact(&self) -> String {
        let mut out = String::new();
        self.print(&mut || "", &mut out);
        out
    }

    /// Reads valid JSON.
    pub(super) fn parse(text: &str) -> Json {
        let (value, rest) = Json::value(text.trim_start());
        assert!(rest.trim().is_empty(), "trailing `{rest}`");
        value
    }

    fn value(text: &str) -> (Json, &str) {
        match text.as_bytes()[0] {
            b'"' => {
                let (string, rest) = Json::string(text);
                (Json::Text(string), rest)
            }
            b'[' => {
                let mut items = Vec::new();
                let mut rest = text[1..].trim_start();
                while !rest.starts_with(']') {
                    let (item, after) = Json::value(rest);
                    items.push(item);
                    rest = after.trim_start();
                    rest = Json::next(rest, ']');
                }
                (Json::List(items), &rest[1..])
            }
            b'{' => {
                let mut members = Vec::new();
                let mut rest = text[1..].trim_start();
                while !rest.starts_with('}') {
                    let (name, after) = Json::string(rest);
                    let after = after.trim_start().strip_prefix(':').unwrap().trim_start();
                    let (value, after) = Json::value(after);
                    members.push((name, value));
                    rest = Json::next(after.trim_start(), '}');
                }
                (Json::Map(members), &rest[1..])
            }
            _ => {
                let end = text.find([',', ']', '}', ' ', '\n', '\t', '\r']).unwrap_or(text.len());
                (Json::Word(text[..end].into()), &text[end..])
            }
        }
    }

    fn next(rest: &str, close: char) -> &str {
        match rest.strip_prefix(',') {
            Some(after) => {
                assert!(!after.trim_start().starts_with(close), "comma before `{close}`");
                after.trim_start()
            }
            None => {
                assert!(rest.starts_with(close), "`{rest}`");
                rest
            }
        }
    }

    fn string(text: &str) -> (String, &str) {
        let mut end = 1;
        while text.as_bytes()[end] != b'"' {
            end += if text.as_bytes()[end] == b'\\' { 2 } else { 1 };
        }
        (serde_json::from_str(&text[..=end]).unwrap(), &text[end + 1..])
    }
}

/// What holds at a place: its node, and what was handed down to it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) node: Option<&'a Node>,
    pub(super) above: Option<Held>,
}

#[derive(Clone, Copy)]
pub(super) struct Held {
    meaning: Meaning,
    generaliser: Option<Generaliser>,
    pub(super) reference: bool,
    pub(super) as_string: bool,
}

/// 0 walked, 1 withheld, 2 masked, 3 coarse, 4 pseudonym, 5 link, 6 clear.
pub(super) fn act(held: Option<Held>, release: &Release) -> u8 {
    let Some(held) = held else { return 0 };
    match held.meaning {
        Meaning::Category(category) => match release.form(category) {
            Form::Withheld => 1,
            Form::Masked => 2,
            Form::Generalised => 3,
            Form::Pseudonymised => 4,
            Form::Clear => 6,
        },
        Meaning::Everything => {
            if all(5).iter().all(|c| release.form(c) == Form::Clear) {
                6
            } else {
                1
            }
        }
        Meaning::Open => 6,
        Meaning::Count | Meaning::Never => 1,
        Meaning::Link => 5,
    }
}

impl<'a> At<'a> {
    pub(super) fn held(&self) -> Option<Held> {
        let Some(node) = self.node else { return self.above };
        let own = |meaning| Held {
            meaning,
            generaliser: node.generaliser,
            reference: node.reference,
            as_string: node.as_string,
        };
        match (node.meaning, self.above) {
            (Some(meaning), _) => Some(own(meaning)),
            (None, Some(above)) => Some(Held {
                meaning: above.meaning,
                generaliser: node.generaliser.or(above.generaliser),
                reference: node.reference || above.reference,
                as_string: node.as_string || above.as_string,
            }),
            (None, None) => None,
        }
    }

    pub(super) fn child(&self, name: Option<&str>) -> Option<At<'a>> {
        let found = self.node.and_then(|node| name.and_then(|n| node.members.get(n)).or(node.any.as_ref()));
        match found {
            Some(node) => Some(At { node: Some(node), above: self.held() }),
            // What is nobody's data is not so with members that nobody foresaw.
            None => self
                .held()
                .filter(|held| name.is_none() || held.meaning != Meaning::Open)
                .map(|held| At { node: None, above: Some(held) }),
        }
    }

    pub(super) fn most_below(&self, release: &Release) -> u8 {
        let Some(node) = self.node else { return 0 };
        let children = node.members.values().chain(&node.any);
        let at = children.map(|child| At { node: Some(child), above: self.held() });
        at.map(|child| act(child.held(), release).max(child.most_below(release))).max().unwrap_or(0)
    }

    /// Whether all that an object or array here could hold would leave in clear, so that an empty one tells nothing.
    pub(super) fn clear_throughout(&self, release: &Release) -> bool {
        let plain = self.node.is_none_or(|node| node.members.is_empty() && node.by.is_none() && !node.resource);
        match self.node.and_then(|node| node.any.as_ref()) {
            Some(any) => plain && At { node: Some(any), above: self.held() }.clear_throughout(release),
            None => {
                let copied = |held: Held| held.meaning != Meaning::Open && !held.reference;
                plain && act(self.held(), release) == 6 && self.held().is_some_and(copied)
            }
        }
    }

    pub(super) fn foresees(&self, name: &str) -> bool {
        self.node.is_some_and(|node| node.any.is_some() || node.members.contains_key(name))
    }
}

/// What is left of `value`; `None`: it goes.
fn redact(value: &Json, at: At<'_>, release: &Release) -> Option<Json> {
    let held = at.held();
    let act = act(held, release);
    match value {
        Json::Word(word) => match act {
            6 => Some(value.clone()),
            2 => Some(Json::Word("null".into())),
            4 if held?.as_string && word.bytes().all(|b| b.is_ascii_digit()) => treated(word, act, held?),
            _ => None,
        },
        Json::Text(text) => match act {
            6 if held.is_some_and(|held| held.reference) => in_clear(text),
            6 => Some(value.clone()),
            2 => Some(Json::Text("***".into())),
            3..=5 => treated(text, act, held?),
            _ => None,
        },
        Json::List(_) | Json::Map(_) if (act == 1 || act == 2) && at.most_below(release) <= act => {
            (act == 2).then(|| Json::Word("null".into()))
        }
        Json::List(items) => {
            let kept: Vec<Json> = items.iter().filter_map(|item| redact(item, at.child(None)?, release)).collect();
            let told = items.is_empty() && at.clear_throughout(release);
            (!kept.is_empty() || told).then_some(Json::List(kept))
        }
        Json::Map(members) => {
            let keep = |(name, value): &(String, Json)| {
                let odd = !name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'-');
                if matches!(act, 3 | 4) && odd && !at.foresees(name) {
                    return None;
                }
                Some((name.clone(), redact(value, at.child(Some(name))?, release)?))
            };
            let kept: Vec<_> = members.iter().filter_map(keep).collect();
            let told = members.is_empty() && at.clear_throughout(release);
            (!kept.is_empty() || told).then_some(Json::Map(kept))
        }
    }
}

pub(super) fn treated(text: &str, act: u8, held: Held) -> Option<Json> {
    match act {
        3 => match held.generaliser? {
            Generaliser::Year if text.starts_with("1987-05") => Some(Json::Text("1987".into())),
            Generaliser::Decade if text.starts_with("1987-05") => Some(Json::Text("1980".into())),
            _ => None,
        },
        4 => {
            let made = if !held.reference {
                Plain.value(text)
            } else if text.contains(['\\', ':']) {
                None
            } else {
                Plain.id(text)
            };
            made.map(Json::Text)
        }
        _ => Gate.rewrite(text).map(Json::Text),
    }
}

/// A reference in clear: a URL past the gate leads to it.
pub(super) fn in_clear(text: &str) -> Option<Json> {
    let past = text.starts_with("http://inside");
    if past { Gate.rewrite(text).map(Json::Text) } else { Some(Json::Text(text.to_owned())) }
}

/// A small generator of numbers from a seed, so that a failure is one number to repeat.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) % sides as u64) as usize
    }
}

const NAMES: [&str; 8] = ["a", "b", "id", "name", "k1", "日", "_a", "x\"y"];

pub(super) fn some_node(dice: &mut Dice, depth: usize) -> Node {
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

fn some_json(dice: &mut Dice, depth: usize, serial: &mut usize) -> Json {
    *serial += 1;
    match dice.roll(if depth == 0 { 6 } else { 12 }) {
        0 => Json::Word(["null", "true", "0", "-1.50", "123"][dice.roll(5)].into()),
        1 => Json::Text(format!("1987-05-{:02}", dice.roll(28) + 1)),
        2 => Json::Text(format!("http://inside/u{serial}v")),
        3 => Json::Text(format!("\n\"日😀u{serial}v\\")),
        4 | 5 => Json::Text(format!("u{serial}v")),
        6..=8 => Json::List((0..dice.roll(4)).map(|_| some_json(dice, depth - 1, serial)).collect()),
        _ => {
            let mut names = NAMES.to_vec();
            let count = dice.roll(6);
            let members = (0..count).map(|_| {
                let name = names.remove(dice.roll(names.len()));
                (name.to_owned(), some_json(dice, depth - 1, serial))
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
    let empty = match &json {
        Json::Map(_) => Json::Map(Vec::new()),
        Json::List(_) => Json::List(Vec::new()),
        _ => Json::Word("null".into()),
    };
    let expected = redact(&json, At { node: Some(&root), above: None }, &release()).unwrap_or(empty);

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
                other => vec![("other".to_owned(), other)],
            };
            let refused = dice.roll(3) == 0;
            members.retain(|(name, _)| name != "id");
            if dice.roll(5) != 0 {
                members.insert(dice.roll(members.len() + 1), ("id".into(), Json::Text(if refused { "no" } else { "yes" }.into())));
                if !refused {
                    let left = redact(&Json::Map(members.clone()), At { node: Some(&entry), above: None }, &release());
                    expected.push(left.unwrap_or(Json::Map(Vec::new())));
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
        let root = tree(&[("", of(CLEAR))]);
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
