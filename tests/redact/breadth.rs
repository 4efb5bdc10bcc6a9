//! Every element of every FHIR R4 type, withheld in turn: none of it leaves.

use std::sync::Arc;

use sekisho::catalogue::Catalogue;
use sekisho::catalogue::fields::{Meaning, Node};
use sekisho::policy::{Categories, Category, Form, Release, Vocabulary};
use sekisho::redact::*;
use serde_json::{Map, Value, json};

/// How deep a resource is filled: deeper lie only what identifies who gave an identifier, and the like.
const DEPTH: usize = 5;

/// A value that occurs once, what it is, and where it stands.
pub(crate) struct Canary {
    pub(crate) mark: String,
    pub(crate) meaning: Option<Meaning>,
    pub(crate) place: String,
}

#[derive(Default)]
pub(crate) struct Filled {
    pub(crate) canaries: Vec<Canary>,
}

impl Filled {
    /// A value for every place at and below this node; `None` where none is made.
    pub(crate) fn value(&mut self, node: &Node, above: Option<Meaning>, place: &str, depth: usize) -> Option<Value> {
        let meaning = node.meaning.or(above);
        if node.resource || depth > DEPTH {
            return None;
        }
        let mut members = Map::new();
        let mut names: Vec<&str> = node.members.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        for name in names {
            // Extensions and shadows of a resource's own elements are filled, those of their parts are the same nodes.
            let repeats = name.starts_with('_') || name == "extension" || name == "modifierExtension";
            if depth > 1 && repeats {
                continue;
            }
            let value = self.value(&node.members[name], meaning, &format!("{place}/{name}"), depth + 1);
            members.extend(value.map(|value| (name.to_owned(), value)));
        }
        if !node.members.is_empty() {
            return (!members.is_empty()).then_some(Value::Object(members));
        }
        if let Some(any) = &node.any {
            return Some(json!([self.value(any, meaning, &format!("{place}/*"), depth)?]));
        }
        let mark = format!("canary-{}-", self.canaries.len());
        self.canaries.push(Canary { mark: mark.clone(), meaning, place: place.to_owned() });
        Some(Value::String(mark))
    }
}

/// The same without its modifier extensions: an element that has one which cannot leave does not leave either.
fn unmodified(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let plain = members.iter().filter(|(name, _)| *name != "modifierExtension");
            Value::Object(plain.map(|(name, value)| (name.clone(), unmodified(value))).collect())
        }
        Value::Array(elements) => elements.iter().map(unmodified).collect(),
        _ => value.clone(),
    }
}

/// The categories of some values.
fn categories(canaries: &[Canary]) -> Vec<Category> {
    let mut found: Vec<Category> = canaries
        .iter()
        .filter_map(|canary| match canary.meaning {
            Some(Meaning::Category(category)) => Some(category),
            _ => None,
        })
        .collect();
    found.sort_by_key(|category| category.index());
    found.dedup();
    found
}

fn leaves(types: &Types, body: &[u8], release: Release, all: Categories) -> String {
    let root = Arc::new(Node::default());
    let spec = Spec::new(Shape::FhirResource, root, Some(Arc::new(types.clone())), Limits::default(), true).unwrap();
    let spec = Arc::new(spec);
    let terms = Terms { release, all, pseudonymiser: None, links: None, individual_number: None };
    let plan = Arc::new(Plan::join(&spec, terms));
    let judge = |_: &Entry<'_>| Verdict::Release(Arc::clone(&plan));
    let mut redactor = Redactor::new(Arc::clone(&spec), judge, Arc::clone(&plan), KeySeed::new([1, 2]));
    let mut out = Vec::new();
    redactor.push(body, &mut out).unwrap();
    assert!(redactor.finish(&mut out).is_ok());
    String::from_utf8(out).unwrap()
}

#[test]
fn no_withheld_element_of_any_type_leaves() {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let catalogue = Catalogue::read([Catalogue::fhir_r4_source()], &vocabulary).unwrap();
    let long = std::env::var_os("SEKISHO_LONG").is_some();
    let (mut withheld, mut released) = (0, 0);
    for (name, known) in catalogue.types() {
        let mut filled = Filled::default();
        let Some(Value::Object(mut members)) = filled.value(&known.node, None, "", 0) else { panic!("{name}") };
        members.insert("resourceType".into(), json!(name));
        let modified = serde_json::to_vec(&members).unwrap();
        let body = serde_json::to_vec(&unmodified(&Value::Object(members))).unwrap();
        let types =
            Types([(name.clone(), ResourceType { node: Arc::clone(&known.node), subjects: Subjects::NoOne })].into());
        let all: Categories = categories(&filled.canaries).into_iter().collect();
        for (number, category) in categories(&filled.canaries).into_iter().enumerate() {
            // One form for each category, in turn; all of them where there is time.
            let forms = [Form::Withheld, Form::Masked, Form::Pseudonymised];
            for form in
                forms.into_iter().skip(if long { 0 } else { category.index() % 3 }).take(if long { 3 } else { 1 })
            {
                let kept: Categories = categories(&filled.canaries).into_iter().filter(|c| *c != category).collect();
                let release = Release::clear(kept).most(&Release::of(category.only(), form));
                let mut out = leaves(&types, &body, release, all);
                if number == 0 {
                    out += &leaves(&types, &modified, release, all);
                }
                for canary in &filled.canaries {
                    let left = out.contains(&canary.mark);
                    let may = match canary.meaning {
                        Some(Meaning::Category(own)) => own != category,
                        // A count betrays others only where entries are judged, and here is one record.
                        Some(Meaning::Open | Meaning::Count) => true,
                        Some(Meaning::Everything | Meaning::Never | Meaning::Link) | None => false,
                    };
                    assert!(may || !left, "{name}{}: {} of {form:?} leaves", canary.place, canary.mark);
                    withheld += usize::from(!may);
                    released += usize::from(left);
                }
            }
        }
    }
    assert!(withheld > 50_000 && released > 50_000, "{withheld} withheld, {released} released: what was tried?");
}
