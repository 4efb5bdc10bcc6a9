//! What does a JSON Patch (RFC 6902) carry, test and touch? Judged before anything is forwarded, like any body.
//!
//! A `test` tells whether a guess was right and a `copy` shows what it copies: both are reads of the place that they name.

use serde_json::{Map, Value};

use super::Types;
use super::body::{Carried, carried_at, categories_at};
use super::fields::Node;
use super::pointer::Pointer;
use super::tree;
use crate::policy::Categories;

/// What a patch does.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Patched {
    /// What it writes, and what lay where it writes.
    pub carried: Carried,
    /// What it finds out: has to be clear to whoever sends it.
    pub tested: Categories,
    /// Where it finds that out.
    pub read: Vec<Pointer>,
    /// The members of the record that it changes, by name.
    pub touched: Vec<Box<str>>,
}

/// The most operations of a patch.
const OPERATIONS_MAX: usize = 256;

/// Reads a patch. `root` and the rest: see [`carried`](super::body::carried).
///
/// # Errors
/// What makes it no JSON Patch of parts of a record; holds nothing of its contents.
pub fn patched(root: &Node, types: &Types, everything: Categories, patch: &Value) -> Result<Patched, &'static str> {
    let Value::Array(operations) = patch else { return Err("a patch is an array of operations") };
    if operations.is_empty() || operations.len() > OPERATIONS_MAX {
        return Err("a patch has 1 to 256 operations");
    }
    let mut found = Patched::default();
    for operation in operations {
        let Value::Object(operation) = operation else { return Err("an operation is an object") };
        one(root, types, everything, operation, &mut found)?;
    }
    Ok(found)
}

fn one(
    root: &Node,
    types: &Types,
    everything: Categories,
    operation: &Map<String, Value>,
    found: &mut Patched,
) -> Result<(), &'static str> {
    let (value, from): (bool, bool) = match operation.get("op").and_then(Value::as_str) {
        Some("add" | "replace" | "test") => (true, false),
        Some("move" | "copy") => (false, true),
        Some("remove") => (false, false),
        Some(_) | None => return Err("an operation is `add`, `remove`, `replace`, `move`, `copy` or `test`"),
    };
    let known = |name: &str| name == "op" || name == "path" || (value && name == "value") || (from && name == "from");
    let members = 2 + usize::from(value) + usize::from(from);
    if operation.len() != members || !operation.keys().all(|name| known(name)) {
        return Err("an operation has its own members, each once, and no others");
    }
    let op = operation.get("op").and_then(Value::as_str).unwrap_or("");
    let path = place(operation.get("path"))?;
    if op == "test" {
        found.tested = found.tested.or(read_at(root, everything, &path, &mut found.carried));
        found.read.push(path.clone());
    } else {
        written_at(root, everything, &path, &mut found.carried);
        touch(&path, &mut found.touched);
    }
    if let Some(value) = operation.get("value") {
        add(&mut found.carried, carried_at(root, types, everything, &path, value));
    }
    if from {
        let from = place(operation.get("from"))?;
        found.tested = found.tested.or(read_at(root, everything, &from, &mut found.carried));
        if op == "move" {
            touch(&from, &mut found.touched);
        }
        found.read.push(from);
    }
    Ok(())
}

/// A place beneath the record, never the record itself.
fn place(text: Option<&Value>) -> Result<Pointer, &'static str> {
    let pointer = text.and_then(Value::as_str).and_then(Pointer::parse);
    pointer.filter(|pointer| !pointer.is_root()).ok_or("`path` and `from` are JSON Pointers to a part of the record")
}

/// What lies at a place that is written. An object there may hold members that nobody named, which would be lost: whoever
/// knows the record looks there ([`Patched::touched`]).
fn written_at(root: &Node, everything: Categories, place: &Pointer, carried: &mut Carried) {
    match tree::lookup(root, place).filter(|_| !told_elsewhere(root, place)) {
        Some((node, None)) if !node.resource && (!node.members.is_empty() || node.any.is_some()) => {
            carried.categories = carried.categories.or(tree::categories(node, everything));
        }
        Some(_) | None => drop(read_at(root, everything, place, carried)),
    }
}

/// What a read of a place finds out; one that nobody named, or where unnamed members may lie, is unclassified.
fn read_at(root: &Node, everything: Categories, place: &Pointer, carried: &mut Carried) -> Categories {
    let there = categories_at(root, everything, place).filter(|_| !told_elsewhere(root, place));
    match there {
        Some(categories) => carried.categories = carried.categories.or(categories),
        None => {
            let unclassified = vec![place.to_string()];
            add(carried, Carried { unclassified, unclassified_count: 1, ..Carried::default() });
        }
    }
    there.unwrap_or(Categories::NONE)
}

/// Whether what a place is depends on a value that the patch does not show (an extension's `url`).
fn told_elsewhere(root: &Node, place: &Pointer) -> bool {
    let mut node = Some(root);
    place.steps().any(|step| {
        let here = node.is_some_and(|node| node.by.is_some());
        node = node.and_then(|node| tree::child(node, step));
        here
    })
}

fn touch(place: &Pointer, touched: &mut Vec<Box<str>>) {
    let Some(member) = place.steps().next() else { return };
    if !touched.iter().any(|known| **known == *member) {
        touched.push(member.into());
    }
}

fn add(all: &mut Carried, one: Carried) {
    all.categories = all.categories.or(one.categories);
    all.unclassified_count = all.unclassified_count.saturating_add(one.unclassified_count);
    for place in one.unclassified {
        if all.unclassified.len() < super::body::UNCLASSIFIED_MAX && !all.unclassified.contains(&place) {
            all.unclassified.push(place);
        }
    }
}
