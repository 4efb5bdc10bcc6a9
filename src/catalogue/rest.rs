//! How is a `rest` document read? `[record.NAME]` names the members of a record once; `[[route]]` says where it is found.
//!
//! Of a record: `fields` (pointer → a category, or `free-text` `open` `count` `link` `never`; it is a value or a list of
//! values, with a last step `**` whatever stands there and all beneath it), `generalise` (pointer → one of
//! [`Generaliser::NAMES`](super::fields::Generaliser::NAMES)), `references` (pointers to ids), `as-string` (integer ids that may leave as strings), `systems`
//! (identifier → the member beside it that names its system), `not-individual-number` (pointer → why none can stand there).
//!
//! Of a route: the same for its own document, and `id`, `path`, `methods`, `shape`, `entries`, `record` (laid at the
//! entries), `subject-class`, `subject`, `query` (parameter → categories, `free-text`, `free`, `page`, `field-name`), `body` or
//! `body-record` (where a request body differs from the record), `existence`, `opaque`, and of a certified dataset `dataset`,
//! `items`, `publication`, `cell-count`, `cell-count-min`. One path may have several routes, each with methods of its own.
//!
//! What cannot be judged does not load: a write whose subject is not known before it is forwarded, or of a record beneath its
//! person that no `GET` reads at the same path (in this document or one before it), free text beside no
//! category, an entry's subject at a place that is no field, a dataset with a field that was not published.

mod members;
mod words;

use std::collections::HashMap;

use crate::policy::reader::{Table, Text};
use crate::policy::{Action, Categories, Dataset, Vocabulary};

use self::words::{actions, entries, existence, shape, subject_places, template};
use super::Catalogue;
use super::fields::Node;
use super::pointer::Pointer;
use super::route::{Cells, Certified, Param, Route, Shape, SubjectSpec};
use super::tree::{self, Draft};
use super::{check::check, sort::sort_fields};

/// Reads every route of the document into the catalogue; faults go to the table's reader.
pub(super) fn read(catalogue: &mut Catalogue, root: &Table<'_>, vocabulary: &Vocabulary) {
    let mut document = Document { vocabulary, records: HashMap::new(), class: class(root, vocabulary) };
    for (name, table) in root.named("record") {
        let mut draft = Draft::default();
        document.members(&table, &mut draft);
        table.finish();
        document.records.insert(name.text, draft);
    }
    let routes = root.tables("route");
    if routes.is_empty() && !root.has("route") {
        root.missing("route");
    }
    for table in &routes {
        let route = document.route(table);
        table.finish();
        if let Err(why) = catalogue.add(route) {
            root.reader().fault(table.text("id").map_or(table.span(), |id| id.span), why, None);
        }
    }
    for table in routes.iter().filter(|table| table.has("write")) {
        check_write(catalogue, table);
    }
    for table in &routes {
        check_looked_at(catalogue, table);
    }
}

/// `write`: `"refuse"`, or `"merge"`.
pub(super) fn merges(table: &Table<'_>) -> bool {
    let Some(word) = table.text("write") else { return false };
    match word.text.as_str() {
        "refuse" => false,
        "merge" => true,
        _ => {
            table.reader().unknown("way to take a write", &word, ["refuse", "merge"]);
            false
        }
    }
}

/// What is merged has to be read at the same path first.
fn check_write(catalogue: &Catalogue, table: &Table<'_>) {
    let (Some(word), Some(path)) = (table.text("write"), table.text("path")) else { return };
    let routes = catalogue.routes_at(&path.text).unwrap_or_default();
    let takes = |method: &str, action: Action| {
        let taken = |route: &&&Route| route.methods().any(|(name, does)| name == method && does == action);
        routes.iter().find(taken).is_some_and(|route| route.shape == Shape::Object && route.certified.is_none())
    };
    if word.text == "merge" && !(takes("PUT", Action::Update) && takes("GET", Action::Read)) {
        let hint = "`write = \"merge\"` is for a `PUT` that updates one object which a `GET` of the same path reads";
        table.reader().fault(word.span, "there is nothing to merge here", Some(hint.to_owned()));
    }
}

/// A write that names a record beneath its person, where what is stored says whose that is, is made only after a look at it: what
/// nobody reads at the same path cannot be looked at, and no such write could ever be made.
fn check_looked_at(catalogue: &Catalogue, table: &Table<'_>) {
    let Some(id) = table.text("id") else { return };
    let Some(route) = catalogue.routes().iter().find(|route| *route.id == *id.text) else { return };
    let changes = |(method, action): (&str, Action)| {
        matches!(action, Action::Update | Action::Delete) || (method == "PUT" && action.writes())
    };
    let writes: Vec<&str> = route.methods().filter(|method| changes(*method)).map(|(method, _)| method).collect();
    let says_whose = route.entry_subject().is_some() || route.body_subject().is_some();
    if writes.is_empty() || route.other_ids_in_path() == 0 || !says_whose {
        return;
    }
    let reads = |other: &&Route| other.reads_one_plain() && other.methods().any(|(method, _)| method == "GET");
    if !catalogue.routes_at(&route.template).unwrap_or_default().iter().any(reads) {
        let message = format!(
            "route `{}`: whose record `{}` changes cannot be looked at, so that it never could: no `GET` reads it",
            id.text,
            writes.join("`, `")
        );
        let hint = format!(
            "add `GET = \"read\"` to its `methods`, or a route that reads one object (`shape = \"object\"`) at `{}`",
            route.template
        );
        table.reader().fault(id.span, message, Some(hint));
    }
}

/// A subject class with its index.
type Class = Option<(u8, Box<str>)>;

fn class(table: &Table<'_>, vocabulary: &Vocabulary) -> Class {
    let name = table.text("subject-class")?;
    let index = vocabulary.class(&name.text);
    if index.is_none() {
        table.reader().unknown("subject class", &name, vocabulary.classes());
    }
    index.map(|index| (index, name.text.into()))
}

/// A category by its leaf name; anything else is a fault.
pub(super) fn category(table: &Table<'_>, vocabulary: &Vocabulary, name: &Text) -> Categories {
    match vocabulary.category(&name.text) {
        Some(category) => category.only(),
        None => {
            table.reader().unknown("category", name, vocabulary.names());
            Categories::NONE
        }
    }
}

/// A pointer; a fault where it is none.
pub(super) fn pointer(table: &Table<'_>, text: &Text) -> Pointer {
    Pointer::parse(&text.text).unwrap_or_else(|| {
        let message = format!("`{}` is no json pointer", text.text);
        table.reader().fault(text.span.clone(), message, Some("write `/member/*/member`".to_owned()));
        Pointer::default()
    })
}

struct Document<'v> {
    vocabulary: &'v Vocabulary,
    records: HashMap<String, Draft>,
    class: Class,
}

impl Document<'_> {
    fn record(&self, table: &Table<'_>, key: &'static str) -> Option<&Draft> {
        let name = table.text(key)?;
        let record = self.records.get(&name.text);
        if record.is_none() {
            table.reader().unknown("record", &name, self.records.keys().map(String::as_str));
        }
        record
    }

    fn route(&self, table: &Table<'_>) -> Route {
        let id = table.required("id");
        let actions = actions(table);
        let shape = shape(table);
        let entries = entries(table, shape);
        let record = self.record(table, "record");
        let mut answer = Draft::default();
        self.members(table, &mut answer);
        if let Some(record) = record {
            for clash in answer.graft(&entries, record) {
                table.reader().fault(
                    id.span.clone(),
                    format!("`{clash}` of the record is named by the route too"),
                    None,
                );
            }
        }
        let body = self.body(table, &actions, shape, record, &answer);
        let certified = self.certified(table, shape);
        let template = template(table);
        let subject = self.subject(table, &template, certified.is_some());
        let class = class(table, self.vocabulary).or_else(|| self.class.clone()).filter(|_| !subject.none);
        let root = answer.freeze();
        let categories = tree::categories(&root, Categories::NONE).or(self.opaque(table, shape));
        let mut route = Route {
            id: id.text.clone().into(),
            template: template.text.into(),
            actions,
            class: class.as_ref().map(|(index, _)| *index),
            class_name: class.map(|(_, name)| name),
            shape,
            query: HashMap::new(),
            subject,
            body_categories: tree::categories(&body, Categories::NONE),
            entries,
            root,
            body,
            categories,
            certified,
            existence: existence(table),
            fhir: false,
            resource_type: None,
            told_by_type: Categories::NONE,
            merges: merges(table),
            dicom: None,
        };
        route.query = self.query(table, &route);
        check(table, &id, &route);
        route
    }

    /// The body's members: `body-record`, or `body`, else the record, else (one record) the answer's own.
    fn body(
        &self,
        table: &Table<'_>,
        actions: &[(Box<str>, Action)],
        shape: Shape,
        record: Option<&Draft>,
        answer: &Draft,
    ) -> std::sync::Arc<Node> {
        let named = self.record(table, "body-record");
        let mut own = Draft::default();
        self.fields(table, "body", &mut own);
        let writes = actions.iter().any(|(_, action)| action.writes());
        if !writes {
            if table.has("body") || table.has("body-record") {
                table.reader().fault(table.span(), "a body is described, but no method writes", None);
            }
            return Draft::default().freeze();
        }
        match (named, table.has("body"), record, shape) {
            (Some(named), false, _, _) => named.freeze(),
            (None, true, _, _) => own.freeze(),
            (None, false, Some(record), _) => record.freeze(),
            (None, false, None, Shape::Object) => answer.freeze(),
            (Some(_), true, _, _) => {
                table.reader().fault(table.span(), "`body` and `body-record` both describe the body", None);
                own.freeze()
            }
            (None, false, None, Shape::List | Shape::Lines | Shape::Dataset | Shape::Opaque) => {
                table.missing("body");
                own.freeze()
            }
        }
    }

    fn opaque(&self, table: &Table<'_>, shape: Shape) -> Categories {
        let names = table.texts("opaque");
        if (shape == Shape::Opaque) == names.is_empty() {
            let message = "`opaque` lists what an `opaque` route can carry, and only there";
            table.reader().fault(table.span(), message, None);
        }
        names.iter().fold(Categories::NONE, |set, name| set.or(category(table, self.vocabulary, name)))
    }

    /// `dataset`, `items`, `publication`, `cell-count`, `cell-count-min`.
    fn certified(&self, table: &Table<'_>, shape: Shape) -> Option<Certified> {
        let name = table.text("dataset");
        let items = table.texts("items");
        let publication = table.text("publication");
        let count = table.text("cell-count").map(|text| pointer(table, &text));
        let count_min = table.integer("cell-count-min").and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
        let stray = !items.is_empty() || publication.is_some() || count.is_some() || count_min.is_some();
        let Some(name) = name else {
            if shape == Shape::Dataset || stray {
                table.missing("dataset");
            }
            return None;
        };
        let Some(dataset) = Dataset::from_name(&name.text) else {
            table.reader().unknown("dataset", &name, ["anonymised", "statistical"]);
            return None;
        };
        for (key, there) in [("items", !items.is_empty()), ("publication", publication.is_some())] {
            if !there {
                table.missing(key);
            }
        }
        let cells = count.zip(count_min).map(|(count, count_min)| Cells { count, count_min });
        if dataset == Dataset::Statistical && cells.is_none() {
            table.missing("cell-count` and `cell-count-min");
        }
        let items = items.iter().fold(Categories::NONE, |set, item| set.or(category(table, self.vocabulary, item)));
        Some(Certified { dataset, items, publication: publication.map(|text| text.text).unwrap_or_default(), cells })
    }

    /// `subject = "caller" | "none"` or `{ path, query, body, entry }`.
    fn subject(&self, table: &Table<'_>, template: &Text, certified: bool) -> SubjectSpec {
        let mut spec = SubjectSpec::default();
        match table.json("subject") {
            None if certified => spec.none = true,
            None => table.missing("subject"),
            Some(serde_json::Value::String(_)) => {
                let word = table.required("subject");
                match word.text.as_str() {
                    "caller" => spec.caller = true,
                    "none" => spec.none = true,
                    _ => table.reader().unknown("subject", &word, ["caller", "none"]),
                }
            }
            Some(_) => {
                if let Some(places) = table.table("subject") {
                    subject_places(&places, template, &mut spec);
                    places.finish();
                }
            }
        }
        spec
    }

    fn query(&self, table: &Table<'_>, route: &Route) -> HashMap<Box<str>, Param> {
        let mut query: HashMap<Box<str>, Param> = HashMap::new();
        let shown = in_entries(route);
        let filter = |on: Categories| if shown.covers(on) { Param::Filter(on) } else { Param::Unshown(on) };
        for (name, words) in table.lists("query") {
            let param = match words.first().map(|word| word.text.as_str()) {
                Some("free") => Param::Free,
                Some("page") => Param::Page,
                Some("field-name") => Param::Sort(sort_fields(route)),
                Some("free-text") => filter(route.categories),
                _ => filter(
                    words.iter().fold(Categories::NONE, |set, word| set.or(category(table, self.vocabulary, word))),
                ),
            };
            if matches!(param, Param::Filter(set) | Param::Unshown(set) if set.is_empty()) {
                table.reader().fault(name.span.clone(), format!("`{}` filters on nothing", name.text), None);
            }
            query.insert(name.text.into(), param);
        }
        for name in &route.subject.query {
            if query.insert(name.clone(), Param::Subject).is_some() {
                table.reader().fault(table.span(), format!("`{name}` names the subject and is in `query` too"), None);
            }
        }
        query
    }
}

/// The categories of the entries themselves: what lies around them shows nothing of any one. What cannot be read inside
/// leaves whole.
fn in_entries(route: &Route) -> Categories {
    if route.shape == Shape::Opaque {
        return route.categories;
    }
    let entry = tree::lookup(&route.root, &route.entries);
    entry.map_or(Categories::NONE, |(entry, _)| tree::categories(entry, Categories::NONE))
}
