//! How is a `fhir-r4` document read? Every element and every search parameter of every type, on a line of its own.
//!
//! The compiled-in document is derived from the standard (`policy/catalogue/derive-fhir-r4`). A line says what an element is
//! (a category or `free-text` `open` `count` `link` `never`; `own`: what it lies in) and how it lies there: a data type,
//! `parts`, `like:PATH`, `many`, `required`, `reference`, `resource`, `extension`, a generaliser ([`words`]). Lines become nodes,
//! shared wherever the same lies ([`grow`]); what a parameter compares is told by the lines at its paths ([`params`]).
//!
//! Reads, searches ([`routes`]), versions, `$everything` and writes ([`instance`]) are routes; all else is 404 or 405. An
//! element that the document does not name is withheld, so are unknown types.

mod definitions;
mod extensions;
mod grow;
pub(super) mod instance;
mod params;
pub(super) mod routes;
pub(super) mod search;
mod words;

use std::collections::HashSet;
use std::sync::Arc;

use crate::policy::reader::{Reader, Table, Text};
use crate::policy::{Categories, Category, Vocabulary};

use super::check::NOTHING_TO_COUNT_AS;
use super::fields::{Meaning, Node};
use super::party::{Bystanders, Unfilled};
use super::pointer::{ANY, Pointer, SubjectPath};
use super::rest::{category, merges, pointer};
use super::{Catalogue, ResourceType, tree};
use definitions::{Definition, Definitions, Owner, Told};
use extensions::Extensions;
use grow::Grow;
use params::Parameters;
use routes::Surface;
use words::{Line, Words};

/// Reads the surface into the catalogue; faults go to the table's reader. A document `based-on` the compiled-in one says only
/// how it differs.
pub(super) fn read(catalogue: &mut Catalogue, root: &Table<'_>, vocabulary: &Vocabulary) {
    let site = Site { table: root, merges: merges(root), writable: root.texts("writable") };
    let Some(name) = root.text("based-on") else { return document(catalogue, root, vocabulary, &site) };
    if name.text != COMPILED_IN {
        return root.reader().unknown("document to be based on", &name, [COMPILED_IN]);
    }
    let compiled_in = Reader::new(Catalogue::fhir_r4_source());
    compiled_in.read(|base| {
        drop(base.text("surface"));
        document(catalogue, base, vocabulary, &site);
    });
    for fault in compiled_in.faults().0 {
        root.reader().fault(name.span.clone(), fault.message, fault.help);
    }
}

/// The document that a site's own may be based on.
const COMPILED_IN: &str = "fhir-r4";

/// What a site says of its own.
struct Site<'s, 'd> {
    /// Where it says it.
    table: &'s Table<'d>,
    merges: bool,
    /// Types that may be written though the server itself is ruled by them.
    writable: Vec<Text>,
}

impl Site<'_, '_> {
    /// Each of `writable` is a type that would not be written else.
    fn check(&self, tables: &[(Text, Table<'_>)]) {
        let fixed = || tables.iter().filter(|(_, table)| table.flag(READ_ONLY)).map(|(name, _)| name.text.as_str());
        for name in self.writable.iter().filter(|name| !fixed().any(|fixed| fixed == name.text)) {
            self.table.reader().unknown("type that is read only", name, fixed());
        }
    }
}

/// Marks a type that nobody writes unless the site says so.
const READ_ONLY: &str = "read-only";

fn document(catalogue: &mut Catalogue, root: &Table<'_>, vocabulary: &Vocabulary, site: &Site<'_, '_>) {
    let mut words = Words { vocabulary, datatypes: HashSet::new() };
    let datatypes = root.named("datatype");
    words.datatypes.extend(datatypes.iter().map(|(name, _)| name.text.clone()));
    let mut document = Document { words, definitions: Definitions::default(), types: Vec::new() };
    for (name, table) in &datatypes {
        document.datatype(name, table);
    }
    let common = Common::read(root, &document.words);
    let tables = root.named("type");
    site.check(&tables);
    for (name, table) in &tables {
        document.resource_type(name, table, &common);
    }
    let Document { words, mut definitions, types } = document;
    definitions.find_endless();
    let extensions = Extensions::read(root, &words);
    let surface = Surface::read(root, vocabulary, site);
    catalogue.base = Some(surface.base().into());
    catalogue.ids = vocabulary.category("identity.number").map_or(Categories::ALL, Category::only);
    let names: Vec<Box<str>> = types.iter().map(|known| known.name.clone()).collect();
    let mut grow = Grow::new(&definitions, extensions, common.element);
    let bundle = definitions.named(BUNDLE).map(|owner| grow.resource(owner, Meaning::Open));
    if bundle.is_none() {
        root.missing("type.Bundle");
    }
    let bundle = bundle.unwrap_or_default();
    let bystanders = bystanders(&tables);
    let (definitions, search) = (&definitions, common.search);
    let mut build = Build { words: &words, definitions, names: &names, bystanders, search, grow };
    for ((name, table), known) in tables.iter().zip(&types) {
        let kind = build.kind(table, name, known);
        table.finish();
        for route in surface.routes(&kind, &bundle) {
            if let Err(why) = catalogue.add(route) {
                root.reader().fault(name.span.clone(), why, None);
            }
        }
        let Kind { name, node, own, categories, entry, parameters, alone, .. } = kind;
        let told_by_type = routes::told_by_type(entry.as_ref(), own, categories);
        let entered = ResourceType { node, subject: entry, parameters, categories, told_by_type, own: alone };
        catalogue.types.insert(name, entered);
    }
    build.search.iter().for_each(Table::finish);
}

/// The type of what a search answers with.
const BUNDLE: &str = "Bundle";

/// What every element and every resource has.
struct Common<'d> {
    element: Vec<Line>,
    resource: Vec<Line>,
    domain: Vec<Line>,
    search: Option<Table<'d>>,
}

impl<'d> Common<'d> {
    fn read(root: &Table<'d>, words: &Words<'_>) -> Common<'d> {
        let lines = |table: &Option<Table<'d>>| table.as_ref().map(|table| words.lines(table)).unwrap_or_default();
        let (element, domain) = (root.table("element"), root.table("domain-resource"));
        let resource = root.table("resource");
        let common =
            Common { element: lines(&element), resource: lines(&resource), domain: lines(&domain), search: resource };
        element.iter().chain(&domain).for_each(Table::finish);
        common
    }
}

/// The document's tables of elements.
struct Document<'v> {
    words: Words<'v>,
    definitions: Definitions,
    types: Vec<Known>,
}

/// A type whose lines are read.
struct Known {
    name: Box<str>,
    owner: Owner,
    /// What an element is that says nothing else.
    own: Option<Meaning>,
}

impl Document<'_> {
    fn datatype(&mut self, name: &Text, table: &Table<'_>) {
        let lines = self.words.lines(table);
        let mut definition = Definition::new(&name.text, lines, None);
        definitions::check(table, &definition);
        if let Some(member) = table.text("by") {
            let otherwise = self.words.meaning(table, &table.required("otherwise"));
            let cases = table.lists("cases").into_iter().filter_map(|(value, meanings)| {
                Some((value.text.into(), self.words.meaning(table, meanings.first()?)?))
            });
            let cases = cases.collect();
            let otherwise = otherwise.unwrap_or(Meaning::Never);
            definition.by = Some(Told { member: member.text.into(), cases, otherwise });
        }
        table.finish();
        self.definitions.add(definition);
    }

    fn resource_type(&mut self, name: &Text, table: &Table<'_>, common: &Common<'_>) {
        let own = self.words.meaning(table, &table.required("category"));
        let plain = table.flag("plain");
        let domain = common.domain.iter().filter(|_| !plain);
        let mut lines: Vec<Line> = common.resource.iter().chain(domain).cloned().collect();
        lines.extend(self.words.lines(table));
        let definition = Definition::new(&name.text, lines, Some(own.unwrap_or(Meaning::Never)));
        definitions::check(table, &definition);
        let owner = self.definitions.add(definition);
        self.types.push(Known { name: name.text.as_str().into(), owner, own });
    }
}

/// A type before it is entered in the catalogue, with what its routes need.
struct Kind {
    name: Box<str>,
    node: Arc<Node>,
    own: Option<Meaning>,
    categories: Categories,
    /// `None`: about no one, or only inside others.
    entry: Option<SubjectPath>,
    parameters: search::SearchParameters,
    /// A path of its own.
    at: Option<Text>,
    /// It has an id of its own to be read by.
    alone: bool,
    /// It is not written, unless the site says so.
    read_only: bool,
}

struct Build<'d, 'v> {
    words: &'d Words<'v>,
    definitions: &'d Definitions,
    names: &'d [Box<str>],
    bystanders: Bystanders,
    search: Option<Table<'d>>,
    grow: Grow<'d>,
}

impl Build<'_, '_> {
    /// One type's node and parameters.
    fn kind(&mut self, table: &Table<'_>, name: &Text, known: &Known) -> Kind {
        let own = known.own.unwrap_or(Meaning::Never);
        let carries = table.texts("carries");
        let carries =
            carries.iter().fold(Categories::NONE, |set, word| set.or(category(table, self.words.vocabulary, word)));
        let told = told_by_name(table, own);
        let themselves = table.text("subject").is_some_and(|at| at.text != NO_ONE && !at.text.ends_with(REFERENCE));
        let of_a_person = table.flag("of-a-person");
        let about_no_one = own == Meaning::Open && !table.flag("contained-only") && table.text("at").is_none();
        let node = Node {
            carries,
            told,
            themselves,
            of_a_person,
            about_no_one,
            ..(*self.grow.resource(known.owner, own)).clone()
        };
        let node = Arc::new(node);
        let categories = tree::categories(&node, Categories::NONE);
        // What servers say of themselves, or only inside others, is no record with an id of its own.
        let (at, contained_only) = (table.text("at"), table.flag("contained-only"));
        let subject = table.text("subject");
        let inside = at.is_some() || contained_only;
        if subject.is_none() && !inside {
            table.missing("subject");
        }
        if !inside && categories.is_empty() && tree::has_free_text(&node) {
            table.reader().fault(name.span.clone(), NOTHING_TO_COUNT_AS, None);
        }
        let place = subject.as_ref().filter(|place| place.text != NO_ONE);
        let unfilled = table.texts("unfilled");
        let mut words = unfilled.iter().map(|name| name.text.as_str().into());
        let role = words.next().map(|role| Unfilled::new(role, words));
        let beside = self.bystanders.clone().of_no_one_with(self.alone(table, place)).with_unfilled(role);
        let entry = place.map(|place| subject_at(table, &node, place).beside(beside));
        check_unfilled(table, &node, entry.as_ref(), &unfilled);
        let reading = Parameters {
            definitions: self.definitions,
            owner: known.owner,
            own,
            everything: categories,
            types: self.names,
            subject: entry.as_ref(),
        };
        let parameters = match inside {
            true => search::SearchParameters::new(),
            false => reading.read(self.search.iter().chain([table])),
        };
        let alone = subject.is_some() && !inside;
        let read_only = table.flag(READ_ONLY);
        Kind { name: known.name.clone(), node, own: known.own, categories, entry, parameters, at, alone, read_only }
    }
}

impl Build<'_, '_> {
    /// Who makes a record of the type no one's, where they stand alone at the place of its subject.
    fn alone(&self, table: &Table<'_>, place: Option<&Text>) -> Vec<Box<str>> {
        let names = table.texts("no-ones-with");
        let by_reference = place.is_some_and(|place| place.text.ends_with("/reference"));
        for name in &names {
            if !self.names.iter().any(|known| **known == *name.text) {
                table.reader().unknown("type", name, self.names.iter().map(AsRef::as_ref));
            } else if !by_reference || name.text == PATIENT {
                let why = "only of a type whose subject is a reference, and of no patient, it can be said that he makes it no one's";
                table.reader().fault(name.span.clone(), why, None);
            }
        }
        names.into_iter().map(|name| name.text.into()).collect()
    }
}

/// The type of persons.
const PATIENT: &str = "Patient";

/// The `subject` of a type whose records are about no one.
const NO_ONE: &str = "none";

/// The types whose records are about no one and have ids of their own, so that a reference can lead to one.
fn bystanders(tables: &[(Text, Table<'_>)]) -> Bystanders {
    let of_no_one = tables.iter().filter(|(_, table)| {
        let inside = table.text("at").is_some() || table.flag("contained-only");
        !inside && table.text("subject").is_some_and(|subject| subject.text == NO_ONE)
    });
    Bystanders::new(of_no_one.map(|(name, _)| name.text.as_str().into()))
}

/// What the type tells by its name of the person whom a reference of it names; see [`Node::told`].
fn told_by_name(table: &Table<'_>, own: Meaning) -> Categories {
    let by_reference = table.text("subject").is_some_and(|subject| subject.text.ends_with(REFERENCE));
    match own {
        Meaning::Category(category) if by_reference => category.only(),
        _ => Categories::NONE,
    }
}

/// How a pointer ends at which a reference names the subject.
const REFERENCE: &str = "/reference";

/// `unfilled` is what a party may say beside who it is, so it needs a subject among several, `/…/*/MEMBER/reference`, and
/// names what else a party has: first the member that says which role it is.
fn check_unfilled(table: &Table<'_>, node: &Node, entry: Option<&SubjectPath>, names: &[Text]) {
    let steps: Vec<&str> = entry.into_iter().flat_map(|entry| entry.pointer().steps()).collect();
    for name in names {
        let good = match steps.as_slice() {
            [parties @ .., ANY, member, "reference"] => {
                let place = parties.iter().fold(String::new(), |place, step| format!("{place}/{step}"));
                let place = Pointer::parse(&format!("{place}/{ANY}/{}", name.text));
                name.text != *member && place.is_some_and(|place| tree::lookup(node, &place).is_some())
            }
            _ => false,
        };
        if !good {
            let why = format!("`{}` is nothing that a party of the type's subject says beside who it is", name.text);
            table.reader().fault(name.span.clone(), why, None);
        }
    }
}

fn subject_at(table: &Table<'_>, node: &Node, text: &Text) -> SubjectPath {
    let place = pointer(table, text);
    if tree::lookup(node, &place).is_none() {
        table.reader().fault(text.span.clone(), format!("`{}` is no element of the type", text.text), None);
    }
    SubjectPath::new(place, text.text.ends_with(REFERENCE))
}
