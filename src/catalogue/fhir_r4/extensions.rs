//! What is an extension? By its `url` where the table knows it, else free text.
//!
//! An extension that nobody foresaw may hold anything, so all of it counts as every category of its route; only references and
//! URLs in it are named, so that they lead through the gate. Of one that is known, all of it is one thing: what the
//! table says, or what the element is that carries it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::definitions::Definition;
use super::words::{Words, split};
use crate::catalogue::fields::{By, Covers, Meaning, Node};
use crate::policy::reader::Table;

/// One known extension.
struct Known {
    url: Arc<str>,
    /// `None`: what the element is that carries it.
    is: Option<Meaning>,
    /// The only members of one that is open: what else it holds is unclassified.
    values: Vec<Box<str>>,
    on: Vec<Box<str>>,
}

/// The known extensions, and the nodes made of them so far.
#[derive(Default)]
pub(super) struct Extensions {
    known: Vec<Known>,
    /// The types and data types that can carry some of them which others cannot.
    hosts: HashSet<Box<str>>,
    made: HashMap<(Box<str>, Meaning), Arc<Node>>,
    unknown: Option<Arc<Node>>,
    whole: HashMap<Meaning, Arc<Node>>,
}

/// The host that stands for every element.
const ANYWHERE: &str = "Element";
/// How deep extensions in extensions are looked into for references.
const NESTED_MAX: usize = 3;
/// Of what is open only what is named passes.
const VALUES: [&str; 13] = [
    "valueBoolean",
    "valueCode",
    "valueDate",
    "valueDateTime",
    "valueDecimal",
    "valueId",
    "valueInstant",
    "valueInteger",
    "valueMarkdown",
    "valuePositiveInt",
    "valueString",
    "valueTime",
    "valueUnsignedInt",
];
/// Members of codes and quantities, for the same.
const PARTS: [&str; 9] =
    ["system", "version", "code", "display", "userSelected", "text", "value", "comparator", "unit"];

impl Extensions {
    pub(super) fn read(root: &Table<'_>, words: &Words<'_>) -> Extensions {
        let mut extensions = Extensions::default();
        for (url, table) in root.named("extension") {
            let said = table.required("is");
            let is = if said.text == "own" { None } else { words.meaning(&table, &said) };
            let values: Vec<Box<str>> =
                table.texts("values").iter().flat_map(split).map(|name| name.text.into()).collect();
            let on: Vec<Box<str>> = table.texts("on").into_iter().map(|host| host.text.into()).collect();
            extensions.hosts.extend(on.iter().cloned());
            if matches!(is, Some(Meaning::Open)) == values.is_empty() {
                let message = "`values` names what is in an extension that is `open`, and in no other";
                table.reader().fault(said.span, message, None);
            }
            table.finish();
            extensions.known.push(Known { url: url.text.into(), is, values, on });
        }
        extensions
    }

    /// The node of an array of extensions of an element that is `own`, of a type or data type.
    pub(super) fn array(&mut self, definition: &Definition, own: Meaning) -> Arc<Node> {
        let host = if self.hosts.contains(&definition.name) { &definition.name } else { ANYWHERE };
        let key = (Box::from(host), own);
        if let Some(made) = self.made.get(&key) {
            return Arc::clone(made);
        }
        let element = self.element(host, own, definition.resource);
        let array = Arc::new(Node { any: Some(element), list: true, covers: Covers::Value, ..Node::default() });
        self.made.insert(key, Arc::clone(&array));
        array
    }

    fn element(&mut self, host: &str, own: Meaning, resource: Option<Meaning>) -> Arc<Node> {
        let mut cases = Vec::new();
        for at in 0..self.known.len() {
            let Some(known) = self.known.get(at) else { continue };
            let anywhere = known.on.iter().any(|on| &**on == ANYWHERE);
            if !anywhere && !known.on.iter().any(|on| **on == *host) {
                continue;
            }
            // What a type's own extension tells is of the type, though it stood at an element that says less.
            let own = if anywhere { own } else { resource.unwrap_or(own) };
            let (url, is) = (Arc::clone(&known.url), known.is.unwrap_or(own));
            let node = match is {
                Meaning::Open => open(&known.values),
                // It could not be made coarser, or be a pseudonym, and still be what its url says.
                Meaning::Category(_) => self.whole(is),
                Meaning::Everything | Meaning::Count | Meaning::Link | Meaning::Never => continue,
            };
            cases.push((url, node));
        }
        let unknown = self.unknown();
        Arc::new(Node { by: Some(By::new("url", cases)), ..(*unknown).clone() })
    }

    fn unknown(&mut self) -> Arc<Node> {
        let unknown = self.unknown.get_or_insert_with(|| within(Some(Meaning::Everything), NESTED_MAX));
        Arc::clone(unknown)
    }

    fn whole(&mut self, meaning: Meaning) -> Arc<Node> {
        Arc::clone(self.whole.entry(meaning).or_insert_with(|| within(Some(meaning), NESTED_MAX)))
    }
}

/// An extension all of which is one thing; references and URLs in it are told apart so that they lead through the gate.
fn within(meaning: Option<Meaning>, depth: usize) -> Arc<Node> {
    let url = Arc::new(Node { reference: true, ..Node::default() });
    let reference =
        Arc::new(Node { members: HashMap::from([("reference".into(), Arc::clone(&url))]), ..Node::default() });
    let mut members: HashMap<Box<str>, Arc<Node>> = HashMap::from([("valueReference".into(), reference)]);
    for name in ["valueUri", "valueUrl", "valueCanonical"] {
        members.insert(name.into(), Arc::clone(&url));
    }
    if let Some(depth) = depth.checked_sub(1) {
        let array = Node { any: Some(within(None, depth)), list: true, ..Node::default() };
        members.insert("extension".into(), Arc::new(array));
    }
    let covers = if meaning.is_some() { Covers::Deep } else { Covers::default() };
    Arc::new(Node { meaning, covers, members, ..Node::default() })
}

/// An extension that says nothing of anybody: its url and the values that are named, of which only codes have parts.
fn open(values: &[Box<str>]) -> Arc<Node> {
    let covers = Covers::Value;
    let leaf = Arc::new(Node { meaning: Some(Meaning::Open), covers, ..Node::default() });
    let parts: HashMap<Box<str>, Arc<Node>> = PARTS.map(|name| (name.into(), Arc::clone(&leaf))).into();
    let coding = Arc::new(Node { members: parts.clone(), covers, ..Node::default() });
    let mut concept = parts;
    let codings = Node { any: Some(Arc::clone(&coding)), list: true, covers, ..Node::default() };
    concept.insert("coding".into(), Arc::new(codings));
    let concept = Arc::new(Node { members: concept, covers, ..Node::default() });
    let mut members: HashMap<Box<str>, Arc<Node>> = HashMap::from([("url".into(), Arc::clone(&leaf))]);
    let named: Vec<&str> = if values.is_empty() { VALUES.to_vec() } else { values.iter().map(AsRef::as_ref).collect() };
    members.extend(named.into_iter().map(|name| (name.into(), Arc::clone(&leaf))));
    if values.is_empty() {
        members.insert("valueCoding".into(), Arc::clone(&coding));
        members.insert("valueQuantity".into(), coding);
        members.insert("valueCodeableConcept".into(), concept);
    }
    Arc::new(Node { members, covers, ..Node::default() })
}
