//! Which route does this request mean, who is it about, and what does it ask and search for?
//!
//! In this order, each with its own answer: the path's bytes mean one thing ([`Unresolved::BadTarget`]), a route has the
//! path ([`Unresolved::NotFound`]), it takes the method ([`Unresolved::MethodNotAllowed`]), every parameter is known
//! ([`Unresolved::UnknownParameter`]) and takes its value, and the subject is named once. Nothing is dropped or mended:
//! the bytes that were judged are the bytes that go on.

mod query;
mod subject;

use std::ops::Range;

use crate::policy::{Action, Categories};

use super::Catalogue;
use super::route::Route;
use super::search::{self, Charge, Comparison, ParameterFault};
use super::target::{self, BadTarget};
use query::Query;

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

pub(super) fn unknown(name: &str) -> Unresolved {
    Unresolved::UnknownParameter { name: shown(name) }
}

/// A parameter's name as it is told back.
pub(super) fn shown(name: &str) -> String {
    let end = name.floor_char_boundary(PARAMETER_NAME_BYTES_MAX);
    name.get(..end).unwrap_or("").to_owned()
}

/// FHIR R4 datatype `id`: 1 to 64 letters, digits, hyphens and dots.
pub(super) fn is_fhir_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}
