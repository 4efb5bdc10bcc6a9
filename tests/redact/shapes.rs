//! Whoever sends an object where the catalogue has a value sends members that nobody classified: none of it leaves, at any
//! place of what is compiled in and of the published policies, whatever the caller may see.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use sekisho::catalogue::body::carried;
use sekisho::catalogue::fields::{Meaning, Node};
use sekisho::catalogue::{Catalogue, categories_of};
use sekisho::policy::{Categories, Form, Release, Source, Vocabulary};
use sekisho::redact::*;
use serde_json::{Map, Value, json};

/// A canary: it is nowhere in a catalogue.
const MARK: &str = "canary-7391";

/// A place by its steps; `*` is an element.
type Steps = Vec<String>;

/// A named place, and what is handed down to it.
struct Place<'n> {
    steps: Steps,
    node: &'n Node,
    meaning: Option<Meaning>,
    deep: bool,
}

/// Every place of a tree, those of a node that stands in several once.
fn places<'n>(at: Place<'n>, seen: &mut HashSet<(*const Node, bool)>, found: &mut Vec<Place<'n>>) {
    let container = !at.node.members.is_empty() || at.node.any.is_some();
    if at.node.resource || (container && !seen.insert((std::ptr::from_ref(at.node), at.deep))) {
        return;
    }
    let children =
        at.node.members.iter().map(|(name, node)| (&**name, node)).chain(at.node.any.iter().map(|n| ("*", n)));
    for (name, node) in children {
        let steps = at.steps.iter().cloned().chain([name.to_owned()]).collect();
        let deep = node.reaches(at.deep);
        places(Place { steps, node, meaning: node.meaning.or(at.meaning), deep }, seen, found);
    }
    found.push(at);
}

fn of(root: &Node) -> Vec<Place<'_>> {
    let mut found = Vec::new();
    places(
        Place { steps: Vec::new(), node: root, meaning: root.meaning, deep: false },
        &mut HashSet::new(),
        &mut found,
    );
    found
}

/// A document with this value at the place and nothing else.
fn document(steps: &[String], value: Value) -> Value {
    steps.iter().rev().fold(value, |inner, step| match step.as_str() {
        "*" => json!([inner]),
        name => Value::Object(Map::from_iter([(name.to_owned(), inner)])),
    })
}

/// What may not stand there, in each way to hide a string in it.
fn misfits(place: &Place<'_>) -> Vec<Value> {
    let mut values = Vec::new();
    if !place.node.takes_object(place.deep) {
        values.push(json!({"secretNote": MARK}));
        values.push(json!({"value": [{"id": {"text": MARK}}]}));
    }
    if !place.node.takes_array(place.deep) {
        values.push(json!([MARK]));
    }
    if !place.deep && place.node.any.is_none() {
        values.push(json!([{"secretNote": MARK}]));
        values.push(json!([[{"display": MARK}]]));
    }
    values
}

/// One layout in which everything is clear.
struct Everything {
    spec: Arc<Spec>,
    plan: Arc<Plan>,
}

impl Everything {
    fn new(shape: Shape, root: &Arc<Node>, types: Option<Types>, all: Categories) -> Everything {
        let spec = Spec::new(shape, Arc::clone(root), types.map(Arc::new), Limits::default(), true).unwrap();
        let spec = Arc::new(spec);
        let release = Release::of(all, Form::Clear);
        let terms = Terms { release, all, pseudonymiser: None, links: None, individual_number: None };
        let plan = Arc::new(Plan::join(&spec, terms));
        Everything { spec, plan }
    }

    fn leaves(&self, body: &Value) -> (String, Tally) {
        let judge = |_: &Entry<'_>| Verdict::Release(Arc::clone(&self.plan));
        let mut redactor = Redactor::new(Arc::clone(&self.spec), judge, Arc::clone(&self.plan), KeySeed::new([1, 2]));
        let mut out = Vec::new();
        redactor.push(&serde_json::to_vec(body).unwrap(), &mut out).unwrap();
        let tally = redactor.finish(&mut out).unwrap_or_else(|fault| panic!("{fault} in {body}"));
        (String::from_utf8(out).unwrap(), tally)
    }
}

/// How many values were tried where they may not stand, and how many stood where they may.
#[derive(Default)]
struct Tried {
    misfits: usize,
    values: usize,
}

/// Tries each place of a tree. `made`: the document around a value at its place, as the layout has it.
fn try_each(root: &Node, everything: &Everything, made: &dyn Fn(Value) -> Value, what: &str, tried: &mut Tried) {
    // Of what says its type in no string nothing is known at all.
    for place in of(root).into_iter().filter(|place| place.steps.last().is_none_or(|name| name != "resourceType")) {
        for value in misfits(&place) {
            let body = made(document(&place.steps, value));
            let (out, tally) = everything.leaves(&body);
            assert!(!out.contains(MARK), "{what}: {body} leaves as {out}");
            let other = tally.withheld_other + tally.modified + tally.dropped_modified;
            let counted = tally.unclassified + other + tally.everything.of(Form::Withheld);
            assert!(counted > 0, "{what}: {body} is not counted");
            tried.misfits += 1;
        }
        let value = place.node.members.is_empty() && place.node.any.is_none();
        if value && matches!(place.meaning, Some(Meaning::Category(_) | Meaning::Open)) {
            let (out, _) = everything.leaves(&made(document(&place.steps, json!(MARK))));
            tried.values += usize::from(out.contains(MARK));
        }
    }
}

#[test]
fn no_object_where_a_value_is_leaves_a_type_of_fhir() {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let catalogue = Catalogue::read([Catalogue::fhir_r4_source()], &vocabulary).unwrap();
    let mut tried = Tried::default();
    for (name, known) in catalogue.types() {
        let types =
            Types([(name.clone(), ResourceType { node: Arc::clone(&known.node), subjects: Subjects::NoOne })].into());
        let all = categories_of(&known.node, Categories::NONE);
        let everything = Everything::new(Shape::FhirResource, &Arc::default(), Some(types), all);
        let made = |value: Value| match value {
            Value::Object(mut members) => {
                members.insert("resourceType".into(), json!(name));
                Value::Object(members)
            }
            other => json!({"resourceType": name, "unheard-of": other}),
        };
        try_each(&known.node, &everything, &made, name, &mut tried);
    }
    assert!(tried.misfits > 100_000 && tried.values > 10_000, "{} {}", tried.misfits, tried.values);
}

/// The catalogues of the published policies, and DICOMweb's.
fn plain() -> Vec<Catalogue> {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy");
    let names =
        ["22cemit", "cellspect", "jmdp", "jsco", "sakura"].map(|name| policies.join(name).join("catalogue.toml"));
    let sources = names.map(|path| Source::new("catalogue.toml", fs::read_to_string(path).unwrap()));
    let sources = sources.into_iter().chain([Catalogue::dicomweb_source()]);
    sources.map(|source| Catalogue::read([source], &vocabulary).unwrap()).collect()
}

#[test]
fn no_object_where_a_value_is_leaves_a_plain_route() {
    let (mut tried, mut routes) = (Tried::default(), 0);
    for catalogue in plain() {
        let mut seen = HashSet::new();
        for route in catalogue.routes().iter().filter(|route| seen.insert(Arc::as_ptr(route.root()))) {
            let root = route.root();
            let nobody = Shape::Object { subjects: Subjects::NoOne };
            let everything = Everything::new(nobody, root, None, route.categories());
            try_each(root, &everything, &|value| value, route.id(), &mut tried);
            routes += 1;
        }
    }
    assert!(
        routes > 100 && tried.misfits > 20_000 && tried.values > 1_000,
        "{routes} {} {}",
        tried.misfits,
        tried.values
    );
}

#[test]
fn no_object_where_a_value_is_is_written() {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let fhir = Catalogue::read([Catalogue::fhir_r4_source()], &vocabulary).unwrap();
    let (mut refused, mut taken) = (0, 0);
    for catalogue in plain().iter().chain([&fhir]) {
        for route in catalogue.routes().iter().filter(|route| route.methods().any(|(method, _)| method == "PUT")) {
            for place in of(route.body()) {
                let carries = |value| {
                    let body = document(&place.steps, value);
                    (carried(route.body(), catalogue.types(), route.everything(), &body), body)
                };
                for value in misfits(&place) {
                    let (found, body) = carries(value);
                    assert!(found.unclassified_count > 0, "{}: {body} is taken", route.id());
                    refused += 1;
                }
                let value = place.node.members.is_empty() && place.node.any.is_none();
                if value && matches!(place.meaning, Some(Meaning::Category(_) | Meaning::Open | Meaning::Everything)) {
                    taken += usize::from(carries(json!("x")).0.unclassified_count == 0);
                }
            }
        }
    }
    assert!(refused > 100_000 && taken > 20_000, "{refused} {taken}");
}

#[test]
fn a_list_of_values_is_what_a_plain_field_may_be() {
    let field = r#"
        surface = "rest"
        subject-class = "patient"
        [[route]]
        id = "r"
        path = "/r/{id}"
        methods = { GET = "read" }
        shape = "object"
        subject = { path = "id" }
        fields = { "FIELD" = "health.history" }"#;
    let read = |field_: &str| {
        let source = Source::new("catalogue.toml", field.replace("FIELD", field_));
        Catalogue::read([source], &Vocabulary::compiled_in().unwrap()).unwrap()
    };
    let leaves = |field: &str, body: &Value| {
        let catalogue = read(field);
        let route = &catalogue.routes()[0];
        let nobody = Shape::Object { subjects: Subjects::NoOne };
        let (out, tally) = Everything::new(nobody, route.root(), None, route.categories()).leaves(body);
        (serde_json::from_str::<Value>(&out).unwrap(), tally)
    };
    for value in [json!("a"), json!(1), json!(null), json!(["a", 2, null]), json!([]), json!([["a"], [1, 2]])] {
        let body = json!({"h": value});
        let (out, tally) = leaves("/h", &body);
        assert_eq!((&out, tally.unclassified), (&body, 0));
    }
    let (out, tally) = leaves("/h", &json!({"h": ["a", {"secretNote": "x"}, ["b", {"by": 1}]]}));
    assert_eq!((out, tally.unclassified), (json!({"h": ["a", ["b"]]}), 2));
    let places: Vec<&str> = tally.unclassified_places.iter().map(AsRef::as_ref).collect();
    assert_eq!(places, ["/h/*/secretNote", "/h/*/*/by"]);
    let whole = json!({"h": {"a": 1, "b": [{"c": "d"}]}});
    assert_eq!(leaves("/h/**", &whole).0, whole);
    assert_eq!(leaves("/h/*", &whole).0, json!({"h": {"a": 1}}));
}
