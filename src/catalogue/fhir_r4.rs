//! How is a `fhir-r4` document read? Types and datatypes by their named elements, search parameters by their categories.
//!
//! Read (`GET /Type/{id}`), search by GET (`GET /Type?…`) and `GET /metadata` are routes; all else is 404 or 405. An
//! element that the document does not name is withheld, so are `extension`, `_field` shadows and unknown types.
//!
//! `elements` maps a dotted path to words: a meaning (a category or `free-text` `open` `count` `link` `never`; absent: the
//! type's own `category`), a datatype, `many` (an array), `required`, `reference`, `resource`, or a generaliser.

use std::collections::HashMap;
use std::sync::Arc;

use crate::policy::reader::{Table, Text};
use crate::policy::{Action, Categories, Vocabulary};

use super::check::NOTHING_TO_COUNT_AS;
use super::fields::{Generaliser, Meaning, Node};
use super::pointer::{Pointer, SubjectPath};
use super::rest::{category, pointer};
use super::route::{Existence, Param, Route, Shape, SubjectSpec};
use super::tree::{self, Draft};
use super::{Catalogue, ResourceType};

/// Reads the surface into the catalogue; faults go to the table's reader.
pub(super) fn read(catalogue: &mut Catalogue, root: &Table<'_>, vocabulary: &Vocabulary) {
    let class = root.text("subject-class");
    let class_index = class.as_ref().and_then(|name| vocabulary.class(&name.text));
    match (&class, class_index) {
        (Some(name), None) => root.reader().unknown("subject class", name, vocabulary.classes()),
        (None, _) => root.missing("subject-class"),
        (Some(_), Some(_)) => {}
    }
    let mut surface = Surface {
        vocabulary,
        base: base(root),
        class: class_index.zip(class.map(|name| name.text.into())),
        datatypes: HashMap::new(),
        common: Vec::new(),
        bundle: Draft::default().freeze(),
        pages: root.texts("page-parameters").into_iter().map(|name| name.text.into()).collect(),
    };
    for (name, table) in root.named("datatype") {
        surface.datatypes.insert(name.text, table.lists("elements"));
        table.finish();
    }
    if let Some(common) = root.table("common") {
        surface.common = common.lists("elements");
        common.finish();
    }
    if let Some(bundle) = root.table("bundle") {
        surface.bundle = surface.node(&bundle, None, &bundle.lists("elements"));
        bundle.finish();
    } else {
        root.missing("bundle");
    }
    for (name, table) in root.named("type") {
        let routes = surface.resource_type(catalogue, &name, &table);
        table.finish();
        for route in routes {
            if let Err(why) = catalogue.add(route) {
                root.reader().fault(name.span.clone(), why, None);
            }
        }
    }
}

fn base(root: &Table<'_>) -> String {
    let Some(base) = root.text("base") else { return String::new() };
    let good = base.text.is_empty()
        || base.text.strip_prefix('/').is_some_and(|rest| {
            rest.split('/')
                .all(|step| !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
        });
    if !good {
        root.reader().fault(base.span, "`base` is to be a path such as `/fhir`", None);
    }
    base.text
}

type Elements = Vec<(Text, Vec<Text>)>;

struct Surface<'v> {
    vocabulary: &'v Vocabulary,
    base: String,
    class: Option<(u8, Box<str>)>,
    datatypes: HashMap<String, Elements>,
    common: Elements,
    bundle: Arc<Node>,
    pages: Vec<Box<str>>,
}

/// What the words of one element say.
#[derive(Clone, Default)]
struct Words {
    meaning: Option<Meaning>,
    datatype: Option<String>,
    generaliser: Option<Generaliser>,
    many: bool,
    required: bool,
    reference: bool,
    resource: bool,
}

impl Surface<'_> {
    /// One type's node, entered in the table of types, and its routes.
    fn resource_type(&self, catalogue: &mut Catalogue, name: &Text, table: &Table<'_>) -> Vec<Route> {
        let own = table.text("category").and_then(|text| self.meaning(table, &text));
        // What servers say of themselves, or only inside others, is no record with an id of its own.
        let (at, contained_only) = (table.text("at"), table.flag("contained-only"));
        let mut elements = if at.is_some() || contained_only { Elements::new() } else { self.common.clone() };
        elements.extend(table.lists("elements"));
        let node = self.node(table, own, &elements);
        let categories = tree::categories(&node, Categories::NONE);
        if categories.is_empty() && tree::has_free_text(&node) {
            table.reader().fault(name.span.clone(), NOTHING_TO_COUNT_AS, None);
        }
        let subject = table.text("subject");
        let entry =
            subject.as_ref().filter(|place| place.text != "none").map(|place| self.subject(table, &node, place));
        let known = ResourceType { node: node.clone(), subject: entry.clone() };
        catalogue.types.insert(name.text.as_str().into(), known);
        if let Some(path) = at {
            return vec![self.single(&name.text, &path, node, categories)];
        }
        if subject.is_none() {
            if !contained_only {
                table.missing("subject");
            }
            return Vec::new();
        }
        let told = if entry.as_ref().is_some_and(SubjectPath::is_reference) {
            told_by_type(own, categories)
        } else {
            Categories::NONE
        };
        let query = self.search(table, entry.as_ref(), categories);
        let mut routes = self.routes(&name.text, entry, node, categories, query);
        routes.iter_mut().for_each(|route| route.told_by_type = told);
        routes
    }

    fn subject(&self, table: &Table<'_>, node: &Node, text: &Text) -> SubjectPath {
        let place = pointer(table, text);
        if tree::lookup(node, &place).is_none() {
            table.reader().fault(text.span.clone(), format!("`{}` is no element of the type", text.text), None);
        }
        SubjectPath::new(place, text.text.ends_with("/reference"))
    }

    /// A document at a path of its own that is about no one (`/metadata`).
    fn single(&self, name: &str, path: &Text, node: Arc<Node>, categories: Categories) -> Route {
        let spec = SubjectSpec { none: true, ..SubjectSpec::default() };
        let id = format!("fhir.{name}");
        let query = HashMap::from([("_format".into(), Param::Only(formats()))]);
        Route {
            query,
            resource_type: Some(name.into()),
            ..self.route(id, path.text.clone(), Action::Read, spec, node, categories)
        }
    }

    fn routes(
        &self,
        name: &str,
        entry: Option<SubjectPath>,
        node: Arc<Node>,
        categories: Categories,
        query: HashMap<Box<str>, Param>,
    ) -> Vec<Route> {
        let is_subject = entry.as_ref().is_some_and(|entry| !entry.is_reference());
        let spec = SubjectSpec { none: entry.is_none(), reference: true, ..SubjectSpec::default() };
        let steps = self.base.split('/').skip(1).count();
        let read_spec = SubjectSpec { segment: is_subject.then_some(steps + 1), entry: entry.clone(), ..spec.clone() };
        let mut read = self.route(
            format!("fhir.{name}.read"),
            format!("/{name}/{{id}}"),
            Action::Read,
            read_spec,
            node,
            categories,
        );
        read.query.insert("_format".into(), Param::Only(formats()));
        let inside = entry.map(|entry| entry.inside("resource"));
        let mut subject_names: Vec<Box<str>> =
            query.iter().filter(|(_, param)| **param == Param::Subject).map(|(name, _)| name.clone()).collect();
        subject_names.sort();
        let search_spec = SubjectSpec { query: subject_names, query_optional: true, entry: inside, ..spec };
        let bundle = self.bundle.clone();
        let mut search = self.route(
            format!("fhir.{name}.search"),
            format!("/{name}"),
            Action::Search,
            search_spec,
            bundle,
            categories,
        );
        search.shape = Shape::List;
        search.entries = Pointer::parse("/entry/*").unwrap_or_default();
        search.query = query;
        for route in [&mut read, &mut search] {
            route.resource_type = Some(name.into());
        }
        vec![read, search]
    }

    fn route(
        &self,
        id: String,
        path: String,
        action: Action,
        subject: SubjectSpec,
        root: Arc<Node>,
        categories: Categories,
    ) -> Route {
        let class = self.class.clone().filter(|_| !subject.none);
        Route {
            id: id.into(),
            template: format!("{}{path}", self.base).into(),
            actions: vec![("GET".into(), action)],
            class: class.as_ref().map(|(index, _)| *index),
            class_name: class.map(|(_, name)| name),
            shape: Shape::Object,
            entries: Pointer::default(),
            subject,
            query: HashMap::new(),
            root,
            body: Draft::default().freeze(),
            categories,
            body_categories: Categories::NONE,
            certified: None,
            existence: Existence::Hidden,
            fhir: true,
            resource_type: None,
            told_by_type: Categories::NONE,
            dicom: None,
        }
    }

    /// `search`: parameter → categories, or `subject`; and those that every type takes.
    fn search(
        &self,
        table: &Table<'_>,
        entry: Option<&SubjectPath>,
        categories: Categories,
    ) -> HashMap<Box<str>, Param> {
        let mut query: HashMap<Box<str>, Param> = HashMap::new();
        let mut sort = HashMap::new();
        for (name, words) in table.lists("search") {
            let plain = name.text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !plain {
                table.reader().fault(name.span.clone(), "no modifiers and no chains here", None);
            }
            let param = match words.first().map(|word| word.text.as_str()) {
                Some("subject") if entry.is_some() => Param::Subject,
                Some("free-text") => Param::Filter(categories),
                Some("open") => Param::Filter(Categories::NONE),
                _ => {
                    let of = |set: Categories, word| set.or(category(table, self.vocabulary, word));
                    Param::Filter(words.iter().fold(Categories::NONE, of))
                }
            };
            if let Param::Filter(set) = param {
                sort.insert(name.text.as_str().into(), set);
            }
            query.insert(name.text.into(), param);
        }
        query.insert("_sort".into(), Param::Sort(sort));
        query.insert("_format".into(), Param::Only(formats()));
        for name in &self.pages {
            query.insert(name.clone(), Param::Page);
        }
        query
    }

    /// The tree of these elements; `own` is what an element is that says nothing else.
    fn node(&self, table: &Table<'_>, own: Option<Meaning>, elements: &Elements) -> Arc<Node> {
        let mut root = Draft::default();
        self.grow(table, own, elements, &mut root, 0);
        root.freeze()
    }

    fn grow(&self, table: &Table<'_>, own: Option<Meaning>, elements: &Elements, root: &mut Draft, depth: usize) {
        let words: Vec<(&Text, Words)> =
            elements.iter().map(|(name, words)| (name, self.words(table, words))).collect();
        let many = |path: &str| words.iter().any(|(name, words)| name.text == path && words.many);
        for (name, words) in &words {
            let container = elements.iter().any(|(other, _)| {
                other.text.strip_prefix(name.text.as_str()).is_some_and(|rest| rest.starts_with('.'))
            });
            let Some(mut place) = place(&name.text, many) else {
                table.reader().fault(name.span.clone(), format!("`{}` is no element", name.text), None);
                continue;
            };
            root.at(&place).node.required = words.required;
            if words.many {
                place = place.join(&Pointer::element());
            }
            let draft = root.at(&place);
            let meaning = words.meaning.or(own);
            draft.node.reference = words.reference;
            draft.node.resource = words.resource;
            draft.node.generaliser = words.generaliser;
            match &words.datatype {
                Some(datatype) if depth < DEPTH_MAX => {
                    if let Some(inner) = self.datatypes.get(datatype) {
                        self.grow(table, meaning, inner, draft, depth + 1);
                    }
                }
                Some(_) => table.reader().fault(name.span.clone(), "datatypes contain each other without end", None),
                None if container || words.resource => {}
                None => draft.node.meaning = meaning,
            }
            if meaning.is_none() && words.datatype.is_none() && !container && !words.resource {
                let message = format!("`{}` needs a category, for its type has none", name.text);
                table.reader().fault(name.span.clone(), message, None);
            }
        }
    }

    fn words(&self, table: &Table<'_>, texts: &[Text]) -> Words {
        let mut words = Words::default();
        for text in texts {
            match text.text.as_str() {
                "many" => words.many = true,
                "required" => words.required = true,
                "reference" => words.reference = true,
                "resource" => words.resource = true,
                datatype if self.datatypes.contains_key(datatype) => words.datatype = Some(datatype.to_owned()),
                other => match Generaliser::from_name(other) {
                    Some(generaliser) => words.generaliser = Some(generaliser),
                    None => words.meaning = self.meaning(table, text),
                },
            }
        }
        words
    }

    fn meaning(&self, table: &Table<'_>, name: &Text) -> Option<Meaning> {
        let meaning = tree::meaning(&name.text, self.vocabulary);
        if meaning.is_none() {
            let known = self.vocabulary.names().chain(tree::WORDS).chain(self.datatypes.keys().map(String::as_str));
            table.reader().unknown("word", name, known);
        }
        meaning
    }
}

/// A dotted path as a pointer, with a `*` after each step that is an array.
fn place(path: &str, many: impl Fn(&str) -> bool) -> Option<Pointer> {
    let mut place = Pointer::default();
    let mut walked = String::new();
    for (number, step) in path.split('.').enumerate() {
        if number > 0 {
            if many(&walked) {
                place = place.join(&Pointer::element());
            }
            walked.push('.');
        }
        walked.push_str(step);
        place = place.join(&Pointer::parse(&format!("/{step}"))?);
    }
    Some(place)
}

/// What it tells of a person that there is a record of this type. That there is a chart at all is not counted: the id of
/// its subject is judged by itself.
fn told_by_type(own: Option<Meaning>, categories: Categories) -> Categories {
    match own {
        Some(Meaning::Category(category)) => category.only(),
        Some(Meaning::Everything) => categories,
        Some(Meaning::Open | Meaning::Count | Meaning::Link | Meaning::Never) | None => Categories::NONE,
    }
}

fn formats() -> Vec<Box<str>> {
    FORMATS.map(Into::into).into()
}

/// How deep datatypes may lie in one another.
const DEPTH_MAX: usize = 6;
/// The only formats that the gate can read inside; the last is how an unescaped `+` decodes.
const FORMATS: [&str; 4] = ["json", "application/json", "application/fhir+json", "application/fhir json"];
