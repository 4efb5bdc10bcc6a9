//! The slow, obvious redactor for FHIR: shadows, required elements, resources in resources, labels.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use sekisho::catalogue::fields::{By, Meaning, Node};
use sekisho::redact::*;

use super::reference::*;
use super::resources::{ABSENT, MASK, PSEUDO, SECURITY, TAG};
use super::support::*;

type Known = HashMap<&'static str, Arc<Node>>;

struct Env<'a> {
    types: &'a Known,
    /// A resource within the root that is longer than this goes.
    nested_bytes_max: usize,
    /// The resource is too large to be held: its labels follow the plan.
    streams: bool,
    masked: Cell<bool>,
    pseuded: Cell<bool>,
}

impl Env<'_> {
    fn act(&self, at: At<'_>) -> u8 {
        act(at.held(), &release())
    }

    /// What stands at a place in the end; `None`: nothing.
    fn value(&self, value: &Json, at: Option<At<'_>>) -> Option<Json> {
        let mut at = at?;
        if let Json::Map(members) = value
            && at.node.is_some_and(|node| node.by.is_some())
        {
            if value.compact().len() > self.nested_bytes_max {
                return None;
            }
            at = case(at, members);
        }
        let act = self.act(at);
        match value {
            Json::Word(_) | Json::Text(_) => {
                let left = scalar(value, act, at);
                self.masked.set(self.masked.get() || act == 2);
                self.pseuded.set(self.pseuded.get() || (act == 4 && left.is_some()));
                left
            }
            Json::Map(members) if at.node.is_some_and(|node| node.resource) => self.resource(members, true),
            Json::List(_) | Json::Map(_) if (act == 1 || act == 2) && below(at) <= act => {
                self.masked.set(self.masked.get() || act == 2);
                (act == 2).then(|| Json::Word("null".into()))
            }
            Json::List(items) => {
                let element = if at.node.is_some_and(|node| node.resource) { Some(at) } else { at.child(None) };
                let kept: Vec<Json> = items.iter().filter_map(|item| self.element(item, element)).collect();
                let told = items.is_empty() && at.clear_throughout(&release());
                (!kept.is_empty() || told).then_some(Json::List(kept))
            }
            Json::Map(members) => {
                // What must be there and is not tells of itself only beside something that is.
                let (mut kept, mut waiting) = (Vec::new(), Vec::new());
                for (name, value) in members {
                    match self.released(name, value, Some(at)) {
                        Some(member) => kept.push(member),
                        None => match self.member(name, value, Some(at)) {
                            Some(absent) if kept.is_empty() => waiting.push(absent),
                            absent => kept.extend(absent),
                        },
                    }
                }
                if kept.is_empty() && !(members.is_empty() && at.clear_throughout(&release())) {
                    return None;
                }
                kept.extend(waiting);
                Some(Json::Map(kept))
            }
        }
    }

    /// An element; a container that must be there is replaced.
    fn element(&self, value: &Json, at: Option<At<'_>>) -> Option<Json> {
        let required = at.is_some_and(|at| at.node.is_some_and(|node| node.required && !node.resource));
        self.value(value, at).or_else(|| match value {
            Json::Map(_) if required => Some(absent()),
            Json::List(_) if required => Some(Json::List(vec![absent()])),
            _ => None,
        })
    }

    fn released(&self, name: &str, value: &Json, at: Option<At<'_>>) -> Option<(String, Json)> {
        let place = self.place(name, at?)?;
        self.value(value, Some(place)).map(|left| (name.to_owned(), left))
    }

    fn member(&self, name: &str, value: &Json, at: Option<At<'_>>) -> Option<(String, Json)> {
        if let Some(member) = self.released(name, value, at) {
            return Some(member);
        }
        let place = self.place(name, at?)?;
        if !place.node.is_some_and(|node| node.required && !node.resource) {
            return None;
        }
        let place = match value {
            Json::Map(members) if value.compact().len() <= self.nested_bytes_max => case(place, members),
            _ => place,
        };
        // By what the standard has there: what the body has is not told.
        let shadow = format!("_{name}");
        let parts = |node: Option<&Node>| node.is_some_and(|node| node.resource || !node.members.is_empty());
        let elements = place.node.and_then(|node| node.any.as_deref());
        let may_have_one = matches!(value, Json::List(_) | Json::Map(_)) && self.act(place) == 6;
        Some(match (parts(place.node), elements) {
            (true, _) => (name.to_owned(), absent()),
            (false, None) if may_have_one => (name.to_owned(), absent()),
            (false, None) => (shadow, absent()),
            (false, elements) if parts(elements) || may_have_one => (name.to_owned(), Json::List(vec![absent()])),
            (false, _) => (shadow, Json::List(vec![absent()])),
        })
    }

    /// The place of a member, its shadow rule and the rule for odd names included.
    fn place<'n>(&self, name: &str, at: At<'n>) -> Option<At<'n>> {
        if let Some(base) = name.strip_prefix('_') {
            let foreseen = at.foresees(base);
            let base = at.child(Some(base)).filter(|base| self.act(*base) == 6)?;
            return if at.foresees(name) { at.child(Some(name)) } else { Some(base).filter(|_| !foreseen) };
        }
        let odd = !name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'-');
        let veiled = matches!(self.act(at), 3 | 4);
        if veiled && odd && !at.foresees(name) { None } else { at.child(Some(name)) }
    }

    fn resource(&self, members: &[(String, Json)], contained: bool) -> Option<Json> {
        if contained && Json::Map(members.to_vec()).compact().len() > self.nested_bytes_max {
            return None;
        }
        let named = members.iter().find(|(name, _)| name == "resourceType")?;
        let Json::Text(resource_type) = &named.1 else { return None };
        let node: &Node = self.types.get(resource_type.as_str())?;
        let at = At { node: Some(node), above: None };
        let label = !contained && cut(node);
        let mut kept = Vec::new();
        let mut labelled = false;
        for (name, value) in members {
            match (name.as_str(), value) {
                ("resourceType", _) => kept.push((name.clone(), value.clone())),
                ("meta", Json::Map(meta)) if label => {
                    labelled = true;
                    kept.push((name.clone(), self.meta(meta, at.child(Some("meta")))));
                }
                ("meta", _) if label => {}
                _ => kept.extend(self.member(name, value, Some(at))),
            }
        }
        if label && !labelled {
            kept.push(("meta".into(), self.meta(&[], None)));
        }
        let meta = kept.iter_mut().find(|(name, _)| label && name == "meta");
        if let Some((_, Json::Map(meta))) = meta
            && let Some((_, Json::List(labels))) = meta.iter_mut().find(|(name, _)| name == "security")
        {
            let done = [(&self.masked, MASK), (&self.pseuded, PSEUDO)];
            labels.extend(done.iter().filter(|(was, _)| self.streams || was.get()).map(|(_, text)| Json::parse(text)));
        }
        Some(Json::Map(kept))
    }

    fn meta(&self, members: &[(String, Json)], at: Option<At<'_>>) -> Json {
        let mut kept = Vec::new();
        let labels = [("security", SECURITY), ("tag", TAG)];
        for (name, value) in members {
            match (labels.iter().find(|(label, _)| label == name), value) {
                (Some((_, label)), Json::List(items)) => {
                    let child = at.and_then(|at| at.child(Some(name)));
                    let mut list: Vec<Json> =
                        items.iter().filter_map(|item| self.element(item, child.and_then(|c| c.child(None)))).collect();
                    list.push(Json::parse(label));
                    kept.push((name.clone(), Json::List(list)));
                }
                (Some(_), _) => {}
                (None, _) => kept.extend(self.member(name, value, at)),
            }
        }
        for (name, label) in labels {
            if !kept.iter().any(|(kept, _)| kept == name) {
                kept.push((name.into(), Json::List(vec![Json::parse(label)])));
            }
        }
        Json::Map(kept)
    }
}

fn absent() -> Json {
    Json::parse(ABSENT)
}

fn scalar(value: &Json, act: u8, at: At<'_>) -> Option<Json> {
    match (value, act) {
        (Json::Text(text), 6) if at.held().is_some_and(|held| held.reference) => in_clear(text),
        (_, 6) => Some(value.clone()),
        (Json::Word(_), 2) => Some(Json::Word("null".into())),
        (Json::Text(_), 2) => Some(Json::Text("***".into())),
        (Json::Text(text), 3..=5) => treated(text, act, at.held()?),
        (Json::Word(word), 4) if at.held()?.as_string && word.bytes().all(|b| b.is_ascii_digit()) => {
            treated(word, act, at.held()?)
        }
        _ => None,
    }
}

/// What holds for an object that one of its members says what it is.
fn case<'n>(at: At<'n>, members: &[(String, Json)]) -> At<'n> {
    let by = at.node.and_then(|node| node.by.as_ref());
    let told = by.and_then(|by| match members.iter().find(|(name, _)| name == by.member()) {
        Some((_, Json::Text(value))) => by.case(value),
        _ => None,
    });
    told.map_or(at, |node| At { node: Some(node), above: at.above })
}

/// The most revealing act below a place; a resource may reveal anything.
fn below(at: At<'_>) -> u8 {
    let Some(node) = at.node else { return 0 };
    if node.resource {
        return 6;
    }
    let children = node.members.values().chain(&node.any);
    let at = children.map(|child| At { node: Some(child), above: at.held() });
    at.map(revealed).max().unwrap_or(0)
}

/// The most revealing act at or below a place, whatever its members may say that it is.
fn revealed(at: At<'_>) -> u8 {
    let cases = at.node.and_then(|node| node.by.as_ref()).into_iter().flat_map(By::nodes);
    let cases = cases.map(|node| revealed(At { node: Some(node), above: at.above }));
    act(at.held(), &release()).max(below(at)).max(cases.max().unwrap_or(0))
}

/// Whether a plan for this type withholds anything.
fn cut(node: &Node) -> bool {
    let own = match node.meaning {
        Some(Meaning::Category(category)) => category != cat(CLEAR),
        Some(Meaning::Everything) => true,
        _ => false,
    };
    let cases = node.by.iter().flat_map(By::nodes);
    own || node.resource || node.members.values().chain(&node.any).chain(cases).any(|child| cut(child))
}

const NAMES: [&str; 9] = ["a", "b", "_a", "_b", "meta", "security", "tag", "in", "k1"];

fn some_type(dice: &mut Dice, depth: usize) -> Node {
    let mut node = some_node(dice, 0);
    node.required = dice.roll(3) == 0;
    if dice.roll(3) == 0 {
        node.meaning = None;
    }
    if depth > 0 {
        for name in NAMES {
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

fn some_resource(dice: &mut Dice, depth: usize, serial: &mut usize, root: bool) -> Json {
    let mut members = some_members(dice, depth, serial);
    let place = if root { 0 } else { dice.roll(members.len() + 1) };
    let kind = ["A", "B", "Nope"][dice.roll(if root { 2 } else { 3 })];
    members.insert(place, ("resourceType".into(), Json::Text(kind.into())));
    Json::Map(members)
}

fn some_members(dice: &mut Dice, depth: usize, serial: &mut usize) -> Vec<(String, Json)> {
    let mut names = NAMES.to_vec();
    let mut members: Vec<(String, Json)> = (0..dice.roll(7))
        .map(|_| (names.remove(dice.roll(names.len())).to_owned(), some_value(dice, depth.saturating_sub(1), serial)))
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
        1..=3 => Json::Text(format!("u{serial}v")),
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
    let known: Known = [("A", root_type()), ("B", root_type())].into();
    let types = known
        .iter()
        .map(|(name, node)| (Box::from(*name), ResourceType { node: Arc::clone(node), subjects: Subjects::NoOne }))
        .collect();
    let json = some_resource(&mut dice, 5, &mut 0, true);
    let entry_bytes_max = [1 << 20, 40 + dice.roll(200)][dice.roll(2)];
    let limits = Limits { entry_bytes_max, ..Limits::default() };
    let root = Arc::new(Node::default());
    let setup = Setup::with(Shape::FhirResource, root, Some(Types(types)), true, limits, release());
    let body = json.compact();
    let (out, end) = setup.run(&cuts(body.as_bytes(), &mut dice));
    assert!(end.is_ok(), "{body}");
    let out = String::from_utf8(out).unwrap();
    let Json::Map(members) = &json else { panic!("a resource") };
    let env = Env {
        types: &known,
        nested_bytes_max: entry_bytes_max,
        streams: body.len() > entry_bytes_max,
        masked: Cell::default(),
        pseuded: Cell::default(),
    };
    let expected = env.resource(members, false).unwrap().compact();
    assert_eq!(out, expected, "seed {seed} bytes {entry_bytes_max} body {body}");
    no_canary(&json, &expected, &out);
    let strict = Setup::new(Shape::Object { subjects: Subjects::NoOne }, tree(&[("", of(CLEAR))]), None, true);
    assert!(strict.run(&[out.as_bytes()]).1.is_ok(), "what leaves is itself strict JSON: {out}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn resources_agree_with_a_slow_obvious_redactor(seed in any::<u64>()) {
        run(seed);
    }
}
