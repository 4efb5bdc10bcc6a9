//! What does a request's body carry? Judged before anything is forwarded: a write is taken whole or not at all.
//!
//! The caller has parsed the body strictly (duplicate keys, depth and encoding are already refused).
//! A member that the catalogue does not name is *unclassified*, and so is an object or array where it has none, and what
//! no client has to send (a total, a page link, what is never released): the layer refuses the write and names the places.

use serde_json::Value;

use crate::policy::{Categories, Category};

use super::Types;
use super::fields::{Covers, Meaning, Node};
use super::pointer::Pointer;
use super::tree;

/// What a body carries.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// The categories of the members present, also of those that are `null` or empty (they erase what was there).
    pub categories: Categories,
    /// Places that no category can be given to, as JSON Pointers without values: at most [`UNCLASSIFIED_MAX`], each of
    /// at most [`PLACE_BYTES_MAX`] bytes and free of controls.
    pub unclassified: Vec<String>,
    /// How many such places there are in all.
    pub unclassified_count: usize,
}

/// The most places that are named.
pub const UNCLASSIFIED_MAX: usize = 16;
/// The longest name of a place.
pub const PLACE_BYTES_MAX: usize = 128;

/// Which categories does this body carry? `everything` is what free text counts as: all that the route can carry.
/// `types` is the surface's table of resource types, for places that hold a resource of its own.
pub fn carried(root: &Node, types: &Types, everything: Categories, body: &Value) -> Carried {
    let mut walk = Walk { types, everything, found: Carried::default(), path: String::new() };
    walk.value(Some(root), None, body);
    walk.found
}

/// The same of a value that is to lie, or lies, at this place of a body.
pub fn carried_at(root: &Node, types: &Types, everything: Categories, place: &Pointer, value: &Value) -> Carried {
    let mut walk = Walk { types, everything, found: Carried::default(), path: place.to_string() };
    match tree::lookup(root, place) {
        Some((node, inherited)) => {
            let covers = if tree::deep_at(root, place) { Covers::Deep } else { Covers::Value };
            walk.value(Some(node), inherited.map(|meaning| Above { meaning, covers }), value);
        }
        None => walk.unclassified(),
    }
    walk.found
}

/// The node that holds for this value, where one of its members says which.
fn case<'n>(node: &'n Node, value: &Value) -> &'n Node {
    let told = node.by.as_ref().and_then(|by| by.case(value.get(by.member())?.as_str()?));
    told.map_or(node, AsRef::as_ref)
}

/// Which categories lie at and beneath a place (a JSON Patch `path`, `from` or `test`)? `None`: not named, refuse.
pub fn categories_at(root: &Node, everything: Categories, place: &Pointer) -> Option<Categories> {
    let (node, inherited) = tree::lookup(root, place)?;
    if node.resource {
        return None;
    }
    let own = match inherited? {
        Meaning::Category(category) => category.only(),
        Meaning::Everything => everything,
        Meaning::Open => Categories::NONE,
        Meaning::Count | Meaning::Link | Meaning::Never => return None,
    };
    Some(own.or(tree::besides(root, place)).or(tree::categories(node, everything)))
}

/// Where resources lie in this value that are about somebody else than `person`, or of whom that cannot be told: as JSON
/// Pointers with `*` for elements. The value's own root is none of them. Records of no one are about nobody else.
///
/// One who is contained himself is another, whatever his id: it counts in that record alone (R4 §2.3.0.2).
///
/// `None`: the record itself is about no one, or it is not known whom it is about; then every person is another.
pub fn of_others(types: &Types, value: &Value, person: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    inside(types, value, person, &mut String::new(), &mut found);
    found
}

/// Where a FHIR body has a search in the place of a reference (`Patient?identifier=7`, R4 "conditional references"), as a JSON
/// Pointer: the backend would make it, by rights that nobody judged. References lead to records by their ids.
pub fn search_in_reference(value: &Value) -> Option<String> {
    fn look(value: &Value, path: &mut String) -> bool {
        let length = path.len();
        let parts: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return false,
        };
        for (name, part) in parts {
            path.push('/');
            path.push_str(&name.replace('~', "~0").replace('/', "~1"));
            if (name == "reference" && is_search(part)) || look(part, path) {
                return true;
            }
            path.truncate(length);
        }
        false
    }
    let mut path = String::new();
    look(value, &mut path).then_some(path)
}

/// The same of a JSON Patch: of the values that it puts in.
pub fn search_in_patch(patch: &Value) -> Option<String> {
    patch.as_array()?.iter().find_map(|step| {
        let (path, value) = (step.get("path").and_then(Value::as_str).unwrap_or_default(), step.get("value")?);
        let whole = path.rsplit('/').next() == Some("reference") && is_search(value);
        let place = if whole { Some(String::new()) } else { search_in_reference(value) };
        place.map(|within| format!("{path}{within}"))
    })
}

fn is_search(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains('?'))
}

fn inside(types: &Types, value: &Value, person: Option<&str>, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    let parts: Vec<(&str, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        Value::Array(items) => items.iter().map(|item| ("*", item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (name, part) in parts {
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let known = part.get("resourceType").and_then(Value::as_str).and_then(|name| types.get(name));
        // One of an unknown type is unclassified, and refused as that.
        let subject = known.and_then(|known| known.subject.as_ref());
        let a_person = known.is_some_and(|known| known.node.themselves);
        let others = subject.is_some_and(|place| a_person || person.is_none() || place.find(part).as_deref() != person);
        if others && found.len() < UNCLASSIFIED_MAX && !found.contains(path) {
            found.push(path.clone());
        }
        inside(types, part, person, path, found);
        path.truncate(length);
    }
}

struct Walk<'t> {
    types: &'t Types,
    everything: Categories,
    found: Carried,
    path: String,
}

/// What holds for a value from above.
#[derive(Clone, Copy)]
struct Above {
    meaning: Meaning,
    covers: Covers,
}

impl Walk<'_> {
    fn value(&mut self, node: Option<&Node>, above: Option<Above>, value: &Value) {
        if node.is_some_and(|node| node.resource) {
            return self.resource(value);
        }
        let node = node.map(|node| case(node, value));
        let covers = above.map_or(Covers::Value, |above| above.covers);
        let deep = covers == Covers::Deep;
        let takes = match (value, node) {
            (Value::Object(members), Some(node)) => members.is_empty() || node.takes_object(deep),
            (Value::Array(items), Some(node)) => items.is_empty() || node.takes_array(deep),
            (Value::Object(_), None) => deep,
            (Value::Array(_), None) => covers != Covers::Value,
            (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => true,
        };
        self.found.categories =
            self.found.categories.or(node.and_then(|node| node.besides).map_or(Categories::NONE, Category::only));
        // In what may not stand here nothing is known.
        let (node, above) = if takes { (node, above) } else { (None, None) };
        let covers = match node {
            Some(node) if node.reaches(deep) => Covers::Deep,
            Some(node) => node.covers,
            None => covers,
        };
        let here = node.and_then(|node| node.meaning).or(above.map(|above| above.meaning));
        let here = here.map(|meaning| Above { meaning, covers });
        match value {
            Value::Object(members) if !members.is_empty() => {
                // That a value is nobody's data says nothing of members that nobody named.
                let reaching = here.filter(|here| here.covers == Covers::Deep && here.meaning != Meaning::Open);
                for (name, inner) in members {
                    let child = node.and_then(|n| tree::child(n, name));
                    let handed = if child.is_some() { here } else { reaching };
                    self.step(name, |walk| walk.value(child, handed, inner));
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let element = node.and_then(|node| node.any.as_deref());
                for inner in items {
                    self.step("*", |walk| walk.value(element, here, inner));
                }
            }
            Value::Object(_) | Value::Array(_) | Value::Null => self.emptied(node, here.map(|here| here.meaning)),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => self.leaf(here.map(|here| here.meaning)),
        }
    }

    /// A resource inside the body is judged by its own type; one of an unknown type cannot be judged.
    fn resource(&mut self, value: &Value) {
        let types = self.types;
        let known = value.get("resourceType").and_then(Value::as_str).and_then(|name| types.get(name));
        match known {
            Some(known) => {
                // Its free text can hold what its own type can besides.
                let outer = self.everything;
                if known.node.about_no_one {
                    self.found.categories = self.found.categories.or(outer);
                }
                self.everything = outer.or(tree::categories(&known.node, Categories::NONE));
                self.value(Some(&known.node), None, value);
                self.everything = outer;
            }
            None => self.unclassified(),
        }
    }

    /// `null`, `{}` and `[]` take away whatever lay beneath.
    fn emptied(&mut self, node: Option<&Node>, meaning: Option<Meaning>) {
        let beneath = node.map_or(Categories::NONE, |node| tree::categories(node, self.everything));
        self.found.categories = self.found.categories.or(beneath);
        if meaning.is_some() || beneath.is_empty() {
            self.leaf(meaning);
        }
    }

    fn leaf(&mut self, meaning: Option<Meaning>) {
        let added = match meaning {
            Some(Meaning::Category(category)) => category.only(),
            Some(Meaning::Everything) => self.everything,
            Some(Meaning::Open) => Categories::NONE,
            Some(Meaning::Count | Meaning::Link | Meaning::Never) | None => return self.unclassified(),
        };
        self.found.categories = self.found.categories.or(added);
    }

    fn unclassified(&mut self) {
        self.found.unclassified_count = self.found.unclassified_count.saturating_add(1);
        if self.found.unclassified.len() < UNCLASSIFIED_MAX {
            let mut place: String = self.path.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            place.truncate(place.floor_char_boundary(PLACE_BYTES_MAX));
            if !self.found.unclassified.contains(&place) {
                self.found.unclassified.push(place);
            }
        }
    }

    fn step(&mut self, name: &str, inner: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        inner(self);
        self.path.truncate(length);
    }
}
