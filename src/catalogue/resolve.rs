//! Which route does this request mean, who is it about, and what does it ask and search for?
//!
//! In this order, each with its own answer: the path's bytes mean one thing ([`Unresolved::BadTarget`]), a route has the
//! path ([`Unresolved::NotFound`]), it takes the method ([`Unresolved::MethodNotAllowed`]), every parameter is known
//! ([`Unresolved::UnknownParameter`]) and takes its value, and the subject is named once. Nothing is dropped or mended:
//! the bytes that were judged are the bytes that go on.

use std::ops::Range;

use crate::policy::{Action, Categories};

use super::Catalogue;
use super::dicomweb::is_uid;
use super::pointer::PERSON;
use super::route::{Param, Route};
use super::search::{self, Asked, Charge, Comparison, How, ParameterFault, takes_in_free_text};
use super::target::{self, BadTarget, Parameter, Segment};

/// DICOM: names are compared by their sound, or whatever the archive makes of it.
const FUZZY: &str = "fuzzymatching";

/// A request that the catalogue knows. No `Debug`: the subject is in it.
pub struct Resolved<'c> {
    /// The route.
    pub route: &'c Route,
    /// What is done.
    pub action: Action,
    /// Where the subject comes from, with its id if the request line names it.
    pub subject: SubjectAt,
    /// The categories asked for: on `read` and `search` all that the answer can carry (of a certified dataset: its
    /// published items); on `create` and `update` all that the body can carry (those present are told by
    /// [`carried`](super::body::carried)); on `delete` none.
    pub asked: Categories,
    /// What the request filters and sorts on. An id that names the subject is none of them.
    pub query_categories: Categories,
    /// The ids in the path that are not the subject's (`/donors/{donor}/exams/{exam}`: the exam's; `/Condition/{id}`): they
    /// may be pseudonyms too. DICOM: those that the query names by commas, after them.
    pub ids: Vec<NamedId>,
    /// Where page numbers, sizes and cursors stand.
    pub pages: Vec<(Part, Range<usize>)>,
    /// What each parameter filters and sorts on: [`Resolved::query_categories`], one by one.
    pub charges: Vec<Charge>,
    /// FHIR: types whose records the answer may hold beside the route's own; their categories are asked for too.
    pub included: Vec<Box<str>>,
    /// What of its filters and orders compares texts, value by value.
    pub comparisons: Vec<Comparison>,
}

/// Where the subject of a request is found.
#[derive(Clone, PartialEq, Eq)]
pub enum SubjectAt {
    /// In the path or query: judged before anything is forwarded.
    Target(NamedId),
    /// In the request body, at [`Route::body_subject`].
    Body,
    /// In each entry of the answer, at [`Route::entry_subject`]; on one record, the record is the entry.
    Entries,
    /// The record that a write changes, as the backend has it: FHIR, where the path names a record and no person.
    Stored,
    /// The caller himself.
    Caller,
    /// Nobody: practitioners, medications, certified datasets.
    NoOne,
}

/// An id in the request line, and where it stands there, so that a pseudonym can be replaced. Satisfies
/// [`is_subject_id`](super::is_subject_id).
#[derive(Clone, PartialEq, Eq)]
pub struct NamedId {
    /// The id, decoded.
    pub id: String,
    /// In the path or in the query.
    pub part: Part,
    /// The bytes of the raw path or raw query that hold it.
    pub raw: Range<usize>,
}

/// A part of the request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The path.
    Path,
    /// The query, without its `?`.
    Query,
    /// The body, where it is a form.
    Form,
}

/// Why a request is not taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// No route has this path: 404.
    NotFound,
    /// The path is known and the method is not: 405.
    MethodNotAllowed {
        /// The value of `Allow`.
        allow: String,
    },
    /// The target could mean two things, or a value does not fit: 400.
    BadTarget(BadTarget),
    /// A query parameter that the catalogue does not name: 400, never dropped.
    UnknownParameter {
        /// Its name for the caller: at most [`PARAMETER_NAME_BYTES_MAX`] bytes.
        name: String,
    },
    /// A query parameter that the catalogue knows, and not so: 400.
    Parameter {
        /// Its name for the caller, as above.
        name: String,
        /// What is wrong with it.
        why: ParameterFault,
    },
}

/// The longest name of an unknown parameter that is told back.
pub const PARAMETER_NAME_BYTES_MAX: usize = 64;

impl From<BadTarget> for Unresolved {
    fn from(why: BadTarget) -> Unresolved {
        Unresolved::BadTarget(why)
    }
}

impl std::fmt::Display for Unresolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unresolved::NotFound => f.write_str("no route has this path"),
            Unresolved::MethodNotAllowed { allow } => write!(f, "the route takes only {allow}"),
            Unresolved::BadTarget(why) => why.fmt(f),
            Unresolved::UnknownParameter { name } => write!(f, "unknown query parameter `{name}`"),
            Unresolved::Parameter { name, why } => write!(f, "query parameter `{name}`: {}", why.detail()),
        }
    }
}

impl std::error::Error for Unresolved {}

impl Catalogue {
    /// The route of a request, from the raw path and the raw query (without its `?`) as they will be forwarded.
    ///
    /// # Errors
    /// See [`Unresolved`]; the first that fails in the order of the module.
    pub fn resolve(&self, method: &str, path: &str, query: Option<&str>) -> Result<Resolved<'_>, Unresolved> {
        self.resolve_form(method, path, query, None)
    }

    /// The same with the body of a request that may hold parameters too ([`Route::takes_form`]): those of the query and of
    /// the form count together, as they do at the backend.
    ///
    /// # Errors
    /// As [`Catalogue::resolve`].
    pub fn resolve_form(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        form: Option<&str>,
    ) -> Result<Resolved<'_>, Unresolved> {
        let segments = target::segments(path)?;
        let (route, action) = self.taken_by(method, path)?;
        let in_query = target::parameters(query.unwrap_or(""), target::QUERY_BYTES_MAX)?;
        let in_form = target::parameters(form.unwrap_or(""), target::FORM_BYTES_MAX)?;
        if !in_form.is_empty() && !route.takes_form() {
            return Err(BadTarget::TooLong.into());
        }
        let in_form = in_form.into_iter().map(|parameter| (Part::Form, parameter));
        let parameters: Vec<_> =
            in_query.into_iter().map(|parameter| (Part::Query, parameter)).chain(in_form).collect();
        let kind = route.resource_type.as_deref().filter(|kind| self.types.get(*kind).is_some_and(|known| known.own));
        let asked_of = match kind {
            Some(kind) => search::read(self, route, kind, &parameters)?,
            None => Query::read(route, &parameters)?,
        };
        let subject = route.locate_subject(action, &segments, asked_of.subject)?;
        let brought = asked_of.included.iter().filter_map(|kind| self.types.get(kind));
        let asked = brought.fold(route.asked(action), |set, known| set.or(known.categories));
        Ok(Resolved {
            route,
            action,
            subject,
            asked,
            query_categories: asked_of.charges.iter().fold(Categories::NONE, |set, charge| set.or(charge.categories)),
            ids: route.other_ids(&segments)?.into_iter().chain(asked_of.ids).collect(),
            pages: asked_of.pages,
            charges: asked_of.charges,
            included: asked_of.included,
            comparisons: asked_of.comparisons,
        })
    }
}

impl Catalogue {
    /// The route that takes this method at this path, whatever it is asked.
    pub fn route(&self, method: &str, path: &str) -> Option<&Route> {
        target::segments(path).ok()?;
        self.taken_by(method, path).ok().map(|(route, _)| route)
    }

    fn taken_by(&self, method: &str, path: &str) -> Result<(&Route, Action), Unresolved> {
        let routes = self.routes_at(path).ok_or(Unresolved::NotFound)?;
        let judged_as = if method == "HEAD" { "GET" } else { method };
        let found = routes.iter().find_map(|route| {
            let (_, action) = route.actions.iter().find(|(name, _)| name.as_ref() == judged_as)?;
            Some((*route, *action))
        });
        found.ok_or_else(|| not_allowed(&routes))
    }
}

fn not_allowed(routes: &[&Route]) -> Unresolved {
    let mut methods: Vec<&str> = Vec::new();
    for (method, _) in routes.iter().flat_map(|route| route.methods()) {
        methods.push(method);
        if method == "GET" {
            methods.push("HEAD");
        }
    }
    methods.sort_unstable();
    Unresolved::MethodNotAllowed { allow: methods.join(", ") }
}

/// Reads the query of a route whose parameters are named one by one.
struct Query;

impl Query {
    fn read(route: &Route, parameters: &[(Part, Parameter<'_>)]) -> Result<Asked, Unresolved> {
        let mut asked = Asked::default();
        let mut seen: Vec<&str> = Vec::new();
        for (part, parameter) in parameters {
            let name = parameter.name.as_ref();
            let param = route.query.get(name).ok_or_else(|| unknown(name))?;
            if seen.contains(&name) && !matches!(param, Param::Filter(_) | Param::Unshown(_) | Param::Names(_)) {
                return Err(BadTarget::Doubled.into());
            }
            seen.push(name);
            Query::take(&mut asked, route, param, (*part, parameter))?;
        }
        // What is near enough is the archive's to say.
        if parameters.iter().any(|(_, parameter)| parameter.name == FUZZY && parameter.value == "true") {
            let wholes = asked.comparisons.iter_mut().filter(|comparison| comparison.how == How::Whole);
            wholes.for_each(|comparison| comparison.how = How::Part);
        }
        Ok(asked)
    }

    fn take(
        asked: &mut Asked,
        route: &Route,
        param: &Param,
        (part, parameter): (Part, &Parameter<'_>),
    ) -> Result<(), Unresolved> {
        let mut charge = |categories, how: Option<How>| {
            let name = shown(&parameter.name);
            if let Some(how) = how {
                let shown = route.categories.covers(categories) && !matches!(param, Param::Unshown(_));
                let (parameter, value) = (name.clone(), parameter.value.to_string());
                let free_text = takes_in_free_text(categories, route.categories);
                asked.comparisons.push(Comparison { parameter, value, categories, free_text, how, shown });
            }
            asked.charges.push(Charge { parameter: name, categories });
        };
        match param {
            // Of DICOM a value is matched whole, but for its wild cards (PS3.4 C.2.2.2.4).
            Param::Filter(categories) | Param::Unshown(categories)
                if route.dicom.is_some() && !parameter.value.contains(['*', '?']) =>
            {
                charge(*categories, Some(How::Whole));
            }
            Param::Filter(categories) | Param::Unshown(categories) => charge(*categories, Some(How::Part)),
            Param::Free => {}
            Param::Page => {
                target::page(&parameter.value)?;
                asked.pages.push((part, parameter.raw.clone()));
            }
            Param::Sort(fields) => {
                for field in parameter.value.split(',') {
                    let name = field.strip_prefix(['-', '+', ' ']).unwrap_or(field);
                    charge(*fields.get(name).ok_or(BadTarget::SortField)?, Some(How::Order));
                }
            }
            Param::Only(values) => {
                if !values.iter().any(|value| **value == *parameter.value) {
                    return Err(BadTarget::Value.into());
                }
            }
            Param::Subject => {
                if asked.subject.is_some() {
                    return Err(BadTarget::Doubled.into());
                }
                asked.subject = Some(route.subject_in(part, parameter)?);
            }
            // A sequence's member is asked for by the names of all that lead to it.
            Param::Names(fields) => {
                for path in parameter.value.split(',') {
                    for name in path.split('.') {
                        let known = fields.get(name);
                        charge(*known.ok_or_else(|| unknown(&format!("{}={path}", parameter.name)))?, None);
                    }
                }
            }
            Param::Uids => asked.ids.extend(uids(part, parameter)?),
        }
        Ok(())
    }
}

/// The identifiers of a list, each where it stands in the raw query; a comma may stand there encoded.
fn uids(part: Part, parameter: &Parameter<'_>) -> Result<Vec<NamedId>, BadTarget> {
    let mut start = parameter.raw.start;
    let raw = parameter.raw_value.replace("%2C", "%2c");
    let separator = if raw.contains("%2c") { "%2c" } else { "," };
    let mut found = Vec::new();
    for id in raw.split(separator) {
        if !is_uid(id) {
            return Err(BadTarget::Value);
        }
        found.push(NamedId { id: id.to_owned(), part, raw: start..start + id.len() });
        start += id.len() + separator.len();
    }
    Ok(found)
}

pub(super) fn unknown(name: &str) -> Unresolved {
    Unresolved::UnknownParameter { name: shown(name) }
}

/// A parameter's name as it is told back.
pub(super) fn shown(name: &str) -> String {
    let end = name.floor_char_boundary(PARAMETER_NAME_BYTES_MAX);
    name.get(..end).unwrap_or("").to_owned()
}

impl Route {
    /// What is asked for by this action: see [`Resolved::asked`].
    pub fn asked(&self, action: Action) -> Categories {
        match action {
            Action::Read | Action::Search => match &self.certified {
                Some(certified) => self.categories.and(certified.items),
                None => self.categories,
            },
            Action::Create | Action::Update => self.body_categories,
            Action::Delete => Categories::NONE,
        }
    }

    pub(super) fn subject_in(&self, part: Part, parameter: &Parameter<'_>) -> Result<NamedId, BadTarget> {
        if parameter.raw_value.contains('+') {
            return Err(BadTarget::SubjectId); // a blank to some, a plus to others
        }
        let value = parameter.value.as_ref();
        if self.dicom.is_some() && value.contains('*') {
            return Err(BadTarget::SubjectId); // a pattern is nobody's id
        }
        let id = if self.subject.reference { value.strip_prefix(PERSON).unwrap_or(value) } else { value };
        let id = self.check_id(target::subject(id)?)?;
        // Where only the end of the value is the id, it has to stand there unescaped, so that its place is known.
        let raw = match id.len() == value.len() {
            true => parameter.raw.clone(),
            false if parameter.raw_value.ends_with(id) => parameter.raw.end.saturating_sub(id.len())..parameter.raw.end,
            false => return Err(BadTarget::NeedlessEncoding),
        };
        Ok(NamedId { id: id.to_owned(), part, raw })
    }

    fn check_id<'v>(&self, id: &'v str) -> Result<&'v str, BadTarget> {
        if !self.fhir || is_fhir_id(id) { Ok(id) } else { Err(BadTarget::SubjectId) }
    }

    fn locate_subject(
        &self,
        action: Action,
        segments: &[Segment<'_>],
        in_query: Option<NamedId>,
    ) -> Result<SubjectAt, BadTarget> {
        let spec = &self.subject;
        if let Some(segment) = spec.segment.and_then(|number| segments.get(number)) {
            let id = self.check_id(target::subject(&segment.decoded)?)?.to_owned();
            return Ok(SubjectAt::Target(NamedId { id, part: Part::Path, raw: segment.raw.clone() }));
        }
        if let Some(named) = in_query {
            return Ok(SubjectAt::Target(named));
        }
        if spec.caller {
            return Ok(SubjectAt::Caller);
        }
        if spec.none {
            return Ok(SubjectAt::NoOne);
        }
        if spec.stored {
            return Ok(SubjectAt::Stored);
        }
        let optional = spec.query.is_empty() || spec.query_optional;
        match action {
            Action::Create | Action::Update if spec.body.is_some() => Ok(SubjectAt::Body),
            Action::Read | Action::Search if spec.entry.is_some() && optional => Ok(SubjectAt::Entries),
            Action::Read | Action::Search | Action::Create | Action::Update | Action::Delete => {
                Err(BadTarget::SubjectMissing)
            }
        }
    }

    /// The variable segments that do not name the subject.
    fn other_ids(&self, segments: &[Segment<'_>]) -> Result<Vec<NamedId>, BadTarget> {
        let steps = self.template.split('/').skip(1).zip(segments).enumerate();
        let others = steps.filter(|(at, (step, _))| step.starts_with('{') && Some(*at) != self.subject.segment);
        // Numbers of frames, and which part of an instance: they name no record.
        let others = others.filter(|(_, (step, _))| self.dicom.is_none() || !matches!(*step, "{frames}" | "{part}"));
        others
            .map(|(_, (_, segment))| {
                let id = self.check_id(target::subject(&segment.decoded)?)?.to_owned();
                if self.dicom.is_some() && !is_uid(&id) {
                    return Err(BadTarget::Value);
                }
                Ok(NamedId { id, part: Part::Path, raw: segment.raw.clone() })
            })
            .collect()
    }
}

/// FHIR R4 datatype `id`: 1 to 64 letters, digits, hyphens and dots.
pub(super) fn is_fhir_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}
