//! How does a list of pointers become the tree of [`Node`]s? And which categories lie beneath a place of it?

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::policy::{Categories, Category, Vocabulary};

use super::fields::{Covers, Meaning, Node};
use super::pointer::{ANY, Pointer};

/// A tree being built; [`Draft::freeze`] makes the shared, unchanging one.
#[derive(Clone, Default)]
pub(super) struct Draft {
    pub(super) node: Node,
    members: BTreeMap<Box<str>, Draft>,
    any: Option<Box<Draft>>,
}

impl Draft {
    /// The place at this pointer, made where it is not there yet.
    pub(super) fn at(&mut self, pointer: &Pointer) -> &mut Draft {
        pointer.steps().fold(self, |draft, step| match step {
            ANY => draft.any.get_or_insert_default(),
            name => draft.members.entry(name.into()).or_default(),
        })
    }

    /// The place at this pointer, if some other pointer made it: a `*` covers the members that are not named.
    pub(super) fn existing(&mut self, pointer: &Pointer) -> Option<&mut Draft> {
        pointer.steps().try_fold(self, |draft, step| match draft.members.contains_key(step) {
            true => draft.members.get_mut(step),
            false => draft.any.as_deref_mut(),
        })
    }

    /// Puts a whole tree at this pointer. Answers the places that both name.
    pub(super) fn graft(&mut self, pointer: &Pointer, tree: &Draft) -> Vec<String> {
        let mut clashes = Vec::new();
        self.at(pointer).merge(tree, &mut String::new(), &mut clashes);
        clashes
    }

    fn merge(&mut self, tree: &Draft, path: &mut String, clashes: &mut Vec<String>) {
        if self.node.meaning.is_some() && tree.node.meaning.is_some() {
            clashes.push(path.clone());
        }
        if self.node.meaning.is_none() {
            self.node = tree.node.clone();
        }
        let inner = tree.members.iter().map(|(name, draft)| (name.as_ref(), draft));
        for (name, draft) in inner.chain(tree.any.as_deref().map(|draft| (ANY, draft))) {
            let length = path.len();
            path.push('/');
            path.push_str(name);
            let mine = if name == ANY {
                self.any.get_or_insert_default()
            } else {
                self.members.entry(name.into()).or_default()
            };
            mine.merge(draft, path, clashes);
            path.truncate(length);
        }
    }

    /// The finished tree.
    pub(super) fn freeze(&self) -> Arc<Node> {
        let members: HashMap<Box<str>, Arc<Node>> =
            self.members.iter().map(|(name, draft)| (name.clone(), draft.freeze())).collect();
        // What is only on the way to other places is an object or, with `*`, an array; nothing of its own stands there.
        let covers = if self.node.meaning.is_some() { self.node.covers } else { Covers::Value };
        Arc::new(Node { members, covers, any: self.any.as_ref().map(|any| any.freeze()), ..self.node.clone() })
    }
}

/// What a name in a catalogue means: a leaf category, or one of the words for what is not a category.
pub(super) fn meaning(name: &str, vocabulary: &Vocabulary) -> Option<Meaning> {
    match name {
        "free-text" => Some(Meaning::Everything),
        "open" => Some(Meaning::Open),
        "count" => Some(Meaning::Count),
        "link" => Some(Meaning::Link),
        "never" => Some(Meaning::Never),
        category => vocabulary.category(category).map(Meaning::Category),
    }
}

/// The words beside categories.
pub(super) const WORDS: [&str; 5] = ["free-text", "open", "count", "link", "never"];

/// Every category at this node and beneath it, and what a type carries besides; `everything` is what free text counts as.
pub fn categories(node: &Node, everything: Categories) -> Categories {
    let mut set = Categories::NONE;
    visit(node, &mut HashSet::new(), &mut |node| {
        set = set.or(node.carries).or(node.besides.map_or(Categories::NONE, Category::only)).or(match node.meaning {
            Some(Meaning::Category(category)) => category.only(),
            Some(Meaning::Everything) => everything,
            Some(Meaning::Open | Meaning::Count | Meaning::Link | Meaning::Never) | None => Categories::NONE,
        });
    });
    set
}

/// Whether free text lies at this node or beneath it.
pub(super) fn has_free_text(node: &Node) -> bool {
    let mut found = false;
    visit(node, &mut HashSet::new(), &mut |node| found |= node.meaning == Some(Meaning::Everything));
    found
}

/// The first place that is a value and has members too.
pub(super) fn value_with_members(node: &Node) -> Option<String> {
    let own = node.meaning.is_some() && node.covers != Covers::Deep;
    if own && (!node.members.is_empty() || node.any.is_some()) {
        return Some(String::new());
    }
    let members = node.members.iter().map(|(name, child)| (name.as_ref(), child));
    let mut children: Vec<_> = members.chain(node.any.iter().map(|any| (ANY, any))).collect();
    children.sort_by_key(|(name, _)| *name);
    children.into_iter().find_map(|(name, child)| Some(format!("/{name}{}", value_with_members(child)?)))
}

/// Every node at and beneath this one, once: nodes are shared between many places of a tree.
fn visit(node: &Node, seen: &mut HashSet<*const Node>, each: &mut impl FnMut(&Node)) {
    each(node);
    let cases = node.by.iter().flat_map(super::fields::By::nodes);
    for child in node.members.values().chain(&node.any).chain(cases) {
        if seen.insert(Arc::as_ptr(child)) {
            visit(child, seen, each);
        }
    }
}

/// The node of a place, and what it inherits from the nodes above it. `None`: the tree does not name the place.
pub fn lookup<'n>(root: &'n Node, pointer: &Pointer) -> Option<(&'n Node, Option<Meaning>)> {
    let mut inherited = root.meaning;
    let mut node = root;
    for step in pointer.steps() {
        node = child(node, step)?;
        inherited = node.meaning.or(inherited);
    }
    Some((node, inherited))
}

/// What has to be seen besides, along the way to a place.
pub(super) fn besides(root: &Node, pointer: &Pointer) -> Categories {
    let (mut node, mut set) = (Some(root), Categories::NONE);
    for step in pointer.steps() {
        node = node.and_then(|node| child(node, step));
        set = set.or(node.and_then(|node| node.besides).map_or(Categories::NONE, Category::only));
    }
    set
}

/// Whether the place lies in one that is covered with all beneath it, or is one.
pub(super) fn deep_at(root: &Node, pointer: &Pointer) -> bool {
    let mut node = Some(root);
    let mut deep = root.reaches(false);
    for step in pointer.steps() {
        node = node.and_then(|node| child(node, step));
        deep = node.is_some_and(|node| node.reaches(deep));
    }
    deep
}

/// The node of a member or element.
pub(super) fn child<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    node.members.get(name).or(node.any.as_ref()).map(AsRef::as_ref)
}
