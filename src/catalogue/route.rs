//! What is a route, once its catalogue is read? All that the gate has to know of it before and after the backend.

use std::collections::HashMap;
use std::sync::Arc;

use crate::policy::{Action, Categories, Dataset};

use super::dicomweb::Dicom;
use super::fhir_r4::instance::EVERYTHING;
use super::fields::{Meaning, Node};
use super::pointer::{Pointer, SubjectPath};

/// How a released body is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One record.
    Object,
    /// Records at [`Route::entries`].
    List,
    /// One record a line (NDJSON).
    Lines,
    /// A certified dataset: no entry has a subject.
    Dataset,
    /// A body that cannot be read inside: all of [`Route::categories`] clear, or refused.
    Opaque,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 5] = [Shape::Object, Shape::List, Shape::Lines, Shape::Dataset, Shape::Opaque];

    /// Its name in a catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Shape::Object => "object",
            Shape::List => "list",
            Shape::Lines => "lines",
            Shape::Dataset => "dataset",
            Shape::Opaque => "opaque",
        }
    }
}

/// What a refusal that depends on the person may say to callers from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Existence {
    /// The same as for an id that nobody has.
    #[default]
    Hidden,
    /// That it was refused.
    Open,
}

/// A route's certificate as a dataset of nobody's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// What it is.
    pub dataset: Dataset,
    /// The published items: nothing beyond them is released.
    pub items: Categories,
    /// Where and when the items were published.
    pub publication: String,
    /// Statistics: which cells are too small to show.
    pub cells: Option<Cells>,
}

/// Cells under the minimum count are withheld whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    /// The number of persons in an entry, from the entry's root. An entry without it is withheld.
    pub count: Pointer,
    /// The least number that may be shown.
    pub count_min: u64,
}

/// Where the subject of a route's records is named. More than one place may be: they have to agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SubjectSpec {
    /// The path segment's number.
    pub(super) segment: Option<usize>,
    /// Parameters of the query, any of which names the subject.
    pub(super) query: Vec<Box<str>>,
    /// A search without such a parameter is allowed; the entries then tell.
    pub(super) query_optional: bool,
    pub(super) body: Option<SubjectPath>,
    /// The backend's own record of that id tells: it is read before it is changed.
    pub(super) stored: bool,
    pub(super) entry: Option<SubjectPath>,
    /// The caller himself.
    pub(super) caller: bool,
    /// Records of no one.
    pub(super) none: bool,
    /// Path and query may say `Patient/id` for `id`.
    pub(super) reference: bool,
}

/// What a query parameter does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Param {
    /// Filters on these categories, which the answer's entries show. May be given more than once.
    Filter(Categories),
    /// The same, on what they do not show: it lies in records of another level, or around the entries.
    Unshown(Categories),
    /// Neither filters nor sorts.
    Free,
    /// Which page, or how many entries.
    Page,
    /// Sorts by one or more fields: name → categories.
    Sort(HashMap<Box<str>, Categories>),
    /// Takes one of these values only.
    Only(Vec<Box<str>>),
    /// Names the subject.
    Subject,
    /// Names fields to be answered, by commas; each has to be known. May be given more than once.
    Names(Arc<HashMap<Box<str>, Categories>>),
    /// DICOM: ids of records, by commas. They may be pseudonyms.
    Uids,
}

/// One route: path template, methods, and what goes out and in.
#[derive(Clone)]
pub struct Route {
    pub(super) id: Box<str>,
    pub(super) template: Box<str>,
    pub(super) actions: Vec<(Box<str>, Action)>,
    pub(super) class: Option<u8>,
    pub(super) class_name: Option<Box<str>>,
    pub(super) shape: Shape,
    pub(super) entries: Pointer,
    pub(super) subject: SubjectSpec,
    pub(super) query: HashMap<Box<str>, Param>,
    pub(super) root: Arc<Node>,
    pub(super) body: Arc<Node>,
    pub(super) categories: Categories,
    pub(super) body_categories: Categories,
    pub(super) certified: Option<Certified>,
    pub(super) existence: Existence,
    pub(super) fhir: bool,
    pub(super) resource_type: Option<Box<str>>,
    pub(super) told_by_type: Categories,
    pub(super) merges: bool,
    pub(super) dicom: Option<Dicom>,
}

impl Route {
    /// Its name in logs and metrics.
    pub fn id(&self) -> &str {
        &self.id
    }
    /// Its path with names for the variable segments; holds no one's data.
    pub fn template(&self) -> &str {
        &self.template
    }
    /// The class of the subjects; `None` on records of no one.
    pub fn subject_class(&self) -> Option<&str> {
        self.class_name.as_deref()
    }
    /// The same as the vocabulary's index.
    pub fn subject_class_index(&self) -> Option<u8> {
        self.class
    }
    /// How the answer is laid out.
    pub fn shape(&self) -> Shape {
        self.shape
    }
    /// Where the entries are, from the document's root: empty on one record and on lines; ends in `*` on a list.
    pub fn entries(&self) -> &Pointer {
        &self.entries
    }
    /// Where an entry names its subject, from the entry's root.
    pub fn entry_subject(&self) -> Option<&SubjectPath> {
        self.subject.entry.as_ref()
    }
    /// Where a request body names its subject.
    pub fn body_subject(&self) -> Option<&SubjectPath> {
        self.subject.body.as_ref()
    }
    /// The answer's members, from the document's root (per line on [`Shape::Lines`]).
    pub fn root(&self) -> &Arc<Node> {
        &self.root
    }
    /// The request body's members.
    pub fn body(&self) -> &Arc<Node> {
        &self.body
    }
    /// All categories that an answer can carry; free text counts as all of them.
    pub fn categories(&self) -> Categories {
        self.categories
    }
    /// All categories that a request body can carry; free text counts as all of them.
    pub fn body_categories(&self) -> Categories {
        self.body_categories
    }
    /// The certificate, on a dataset route.
    pub fn certified(&self) -> Option<&Certified> {
        self.certified.as_ref()
    }
    /// What a refusal that depends on the person may say outside.
    pub fn existence(&self) -> Existence {
        self.existence
    }
    /// Speaks FHIR: refusals are OperationOutcomes, releases carry security labels.
    pub fn is_fhir(&self) -> bool {
        self.fhir
    }
    /// Plain JSON: neither FHIR nor DICOM.
    pub fn is_plain(&self) -> bool {
        !self.fhir && self.dicom.is_none()
    }
    /// Whether a `GET` of it reads one record of plain JSON: by that a write at the same path is looked at.
    pub fn reads_one_plain(&self) -> bool {
        self.is_plain() && self.shape == Shape::Object && self.certified.is_none()
    }
    /// FHIR, DICOM: what it tells of a person that there is a record of this type (that there is a `Condition` tells of an
    /// illness, that there is a study of an examination). Like what a search filters on, it has to be clear, to who reads, changes or
    /// deletes.
    pub fn told_by_type(&self) -> Categories {
        self.told_by_type
    }
    /// What a write asks for whose body carries these categories: those. Where it carries none (a drug is stopped by `status`, which
    /// anybody may see) it changes the record all the same, and is judged by what a record of this type tells; of a type that tells
    /// nothing, by all that its records have.
    pub fn asked_by_write(&self, carried: Categories) -> Categories {
        [carried, self.told_by_type].into_iter().find(|asked| !asked.is_empty()).unwrap_or_else(|| self.everything())
    }
    /// DICOMweb: what its requests need besides.
    pub fn dicom(&self) -> Option<&Dicom> {
        self.dicom.as_ref()
    }
    /// FHIR: the only type that its answer or its entries may be.
    pub fn resource_type(&self) -> Option<&str> {
        self.resource_type.as_deref()
    }
    /// Is only read, and carries no one's data at all (`/metadata`): there is nothing to decide, only who calls.
    pub fn is_open(&self) -> bool {
        let only_read = self.actions.iter().all(|(_, action)| action.releases());
        only_read && self.subject.none && self.certified.is_none() && self.everything().is_empty()
    }
    /// The methods it takes, HEAD and GET both where it takes GET.
    pub fn methods(&self) -> impl Iterator<Item = (&str, Action)> {
        self.actions.iter().map(|(method, action)| (method.as_ref(), *action))
    }
    /// The records are of no one (practitioners, medications): judged without a subject.
    pub fn is_of_no_one(&self) -> bool {
        self.subject.none
    }
    /// The records are the caller's own.
    pub fn is_of_caller(&self) -> bool {
        self.subject.caller
    }
    /// How many variable segments of the path name something else than the subject (`/donors/{donor}/exams/{exam}`: one).
    pub fn other_ids_in_path(&self) -> usize {
        let steps = self.template.split('/').skip(1).enumerate();
        steps.filter(|(at, step)| step.starts_with('{') && Some(*at) != self.subject.segment).count()
    }
    /// What the query parameters can do, by name; what a help page shows.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.query.keys().map(AsRef::as_ref)
    }

    /// The name of a parameter that says which page, or how large; `None`: it does not.
    pub(super) fn page_name(&self, name: &str) -> Option<&str> {
        self.query.get_key_value(name).filter(|(_, param)| **param == Param::Page).map(|(name, _)| name.as_ref())
    }

    /// Whether this parameter says which page, or how large.
    pub fn is_page_parameter(&self, name: &str) -> bool {
        self.page_name(name).is_some()
    }

    /// Whether this parameter leaves the list what it is: it says nothing of anybody, or only in which order they come.
    pub fn is_of_no_filter(&self, name: &str) -> bool {
        matches!(self.query.get(name), Some(Param::Free | Param::Only(_) | Param::Sort(_)))
    }

    /// Whether a member `next` of the answer's root is a link, by which a list goes on.
    pub fn next_link(&self) -> bool {
        self.root.members.get("next").is_some_and(|node| node.meaning == Some(Meaning::Link))
    }

    /// FHIR: whether it is a search, which may filter and sort.
    pub(super) fn is_search(&self) -> bool {
        self.fhir && self.methods().any(|(_, action)| action == Action::Search)
    }

    /// FHIR: whether it is the plain search of a type, whose parameters may be a condition.
    pub fn names_type_searched(&self) -> bool {
        self.is_search() && !self.takes_form() && !self.is_beside_type()
    }

    /// A parameter of the query that names the subject.
    pub fn subject_parameter(&self) -> Option<&str> {
        let names = || self.subject.query.iter().map(AsRef::as_ref);
        names().find(|name| *name == "patient").or_else(|| names().next())
    }

    /// Whether a `PUT` from a view of which part was cut is joined with what was not shown; else it is refused.
    pub fn merges(&self) -> bool {
        self.merges
    }

    /// FHIR: whether it writes a record that has an id, so that the record there is looked at first.
    pub fn changes_record(&self) -> bool {
        self.fhir && self.methods().any(|(_, action)| matches!(action, Action::Update | Action::Delete))
    }

    /// FHIR: whether it is something else of a type than its plain read or search: one version, all of them, a search as a
    /// form, all that is a person's.
    pub fn is_beside_type(&self) -> bool {
        let mut steps = self.template.rsplit('/').filter(|step| !step.starts_with('{'));
        self.fhir && steps.next().is_some_and(|step| step.starts_with(['_', '$']))
    }

    /// FHIR: whether it is all that is a person's, of every type.
    pub fn is_everything(&self) -> bool {
        self.fhir && self.template.rsplit('/').next() == Some(EVERYTHING)
    }

    /// FHIR: whether it is all versions of one record.
    pub fn is_history(&self) -> bool {
        self.fhir && self.template.rsplit('/').next() == Some("_history")
    }

    /// Whether a request's parameters may stand in its body, as a form (`POST /Type/_search`).
    pub fn takes_form(&self) -> bool {
        self.is_search() && self.methods().any(|(method, _)| method == "POST")
    }

    /// What free text in a request body counts as: all that answers or bodies of this route can carry.
    pub fn everything(&self) -> Categories {
        self.categories.or(self.body_categories)
    }
}
