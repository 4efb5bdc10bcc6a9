//! What does this API say, in the policy's words? Routes, parameters and fields, as an allow-list.
//!
//! Before the backend: [`Catalogue::resolve`] answers route, action, subject and what is asked and searched for, or why
//! the request is not taken up; [`body::carried`] answers what a write carries. After it: a [`Route`] tells where the
//! entries are, where each names its subject, and by a tree of [`fields::Node`]s what each member is.
//!
//! Promises: a route, method, parameter or field that no document names is never let through; nothing here reads a clock,
//! file or socket; no type that holds a request's values has `Debug`.

pub mod body;
mod check;
pub mod dicomweb;
mod fhir_r4;
pub mod fields;
pub mod party;
pub mod patch;
mod pointer;
mod resolve;
mod rest;
mod route;
mod search;
mod sort;
mod target;
mod tree;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::policy::reader::{Reader, Table};
use crate::policy::{Categories, Faults, Source, Vocabulary};

pub use fhir_r4::search::{SearchKind, SearchParameter, SearchParameters};
pub use pointer::{Pointer, SUBJECT_BYTES_MAX, SubjectPath, is_subject_id};
pub use resolve::{NamedId, PARAMETER_NAME_BYTES_MAX, Part, Resolved, SubjectAt, Unresolved};
pub use route::{Cells, Certified, Existence, Route, Shape};
pub use search::{Charge, Comparison, How, ParameterFault};
pub use target::{BadTarget, PARAMETERS_MAX, PATH_BYTES_MAX, QUERY_BYTES_MAX};
pub use tree::{categories as categories_of, lookup};

/// FHIR resource types by name, for places that hold a resource of its own ([`fields::Node::resource`]). A type that is
/// not among them is withheld whole.
pub type Types = HashMap<Box<str>, ResourceType>;

/// A FHIR resource type.
pub struct ResourceType {
    /// What its elements are.
    pub node: Arc<fields::Node>,
    /// Where a resource of it names its subject; `None`: it is about no one.
    pub subject: Option<SubjectPath>,
    /// What it can be searched by.
    pub parameters: SearchParameters,
    /// All categories that a resource of it can carry.
    pub categories: Categories,
    /// What it tells of a person that there is a record of it; see [`Route::told_by_type`].
    pub told_by_type: Categories,
    /// Records of it have ids, and routes, of their own.
    pub own: bool,
}

/// The compiled-in FHIR R4 surface.
const FHIR_R4: &str = include_str!("../../policy/catalogue/fhir-r4.toml");
/// The compiled-in DICOMweb surface.
const DICOMWEB: &str = include_str!("../../policy/catalogue/dicomweb.toml");

/// What one site's API says.
#[derive(Default)]
pub struct Catalogue {
    routes: Vec<Route>,
    /// Path → the routes that share it, each with methods of its own.
    paths: matchit::Router<usize>,
    groups: Vec<(String, Vec<usize>)>,
    /// Every segment that stands in some path as itself.
    steps: HashSet<Box<str>>,
    types: Types,
    /// FHIR: what an id is.
    ids: Categories,
    /// FHIR: where its paths begin.
    base: Option<Box<str>>,
}

impl Catalogue {
    /// Reads the documents of one site; their routes form one API. A document says which surface it describes:
    /// `surface = "rest"`, `"fhir-r4"` or `"dicomweb"`.
    ///
    /// # Errors
    /// Every fault of every document, with its place and the nearest known name.
    pub fn read(sources: impl IntoIterator<Item = Source>, vocabulary: &Vocabulary) -> Result<Catalogue, Faults> {
        let mut catalogue = Catalogue::default();
        let mut faults = Faults::default();
        for source in sources {
            let reader = Reader::new(source);
            reader.read(|root| catalogue.surface(root, vocabulary));
            faults.0.extend(reader.faults().0);
        }
        if faults.is_empty() { Ok(catalogue) } else { Err(faults) }
    }

    /// The compiled-in FHIR R4 document, to read by itself or beside a site's own.
    pub fn fhir_r4_source() -> Source {
        Source::new("catalogue/fhir-r4.toml", FHIR_R4)
    }

    /// The compiled-in DICOMweb document, to read by itself, beside others or as what a site's own is based on.
    pub fn dicomweb_source() -> Source {
        Source::new("catalogue/dicomweb.toml", DICOMWEB)
    }

    /// The routes, in the documents' order.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Whether all of it is FHIR: refusals of what is no route are OperationOutcomes too.
    pub fn is_fhir(&self) -> bool {
        !self.routes.is_empty() && self.routes.iter().all(Route::is_fhir)
    }

    /// The FHIR resource types; empty without such a surface.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// The path up to its last segment, which is an id like any other there: if a request for the record of one such id
    /// resolves, so does one for any that this answers for, without a query, to the same route. `None`: the path has to be read.
    pub fn head_of_id<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (head, id) = path.rsplit_once('/')?;
        let plain = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (plain && head.len() < 512 && !self.steps.contains(id)).then_some(head)
    }

    /// FHIR: where its paths begin, if this path is the place that takes Bundles of requests.
    pub fn bundle_base(&self, path: &str) -> Option<&str> {
        let base = self.base.as_deref()?;
        let beneath = path.strip_prefix(base)?;
        let free = || self.route("POST", path).is_none();
        (matches!(beneath, "" | "/") && free()).then_some(base)
    }

    /// FHIR: types whose records the answer to a request without parameters holds beside the route's own, in no order.
    pub fn brought_by(&self, route: &Route) -> impl Iterator<Item = &str> {
        let own = route.resource_type();
        let kinds = self.types.iter().filter(move |(kind, known)| known.own && Some(kind.as_ref()) != own);
        kinds.filter(|_| route.is_everything()).map(|(kind, _)| kind.as_ref())
    }

    fn surface(&mut self, root: &Table<'_>, vocabulary: &Vocabulary) {
        let surface = root.required("surface");
        match surface.text.as_str() {
            "rest" => rest::read(self, root, vocabulary),
            "fhir-r4" => fhir_r4::read(self, root, vocabulary),
            "dicomweb" => dicomweb::read(self, root, vocabulary),
            _ => root.reader().unknown("surface", &surface, ["rest", "fhir-r4", "dicomweb"]),
        }
    }

    /// Adds a route. `Err`: what is wrong with its path or methods.
    fn add(&mut self, route: Route) -> Result<(), String> {
        let shared = shared_path(&route.template);
        let number = self.routes.len();
        if self.routes.iter().any(|other| other.id == route.id) {
            return Err(format!("a second route with the id `{}`", route.id));
        }
        match self.groups.iter().position(|(path, _)| *path == shared) {
            Some(group) => {
                let others = self.groups.get(group).map(|(_, routes)| routes.as_slice()).unwrap_or_default();
                let taken = others.iter().filter_map(|n| self.routes.get(*n)).flat_map(Route::methods);
                for (method, _) in taken {
                    if route.methods().any(|(mine, _)| mine == method) {
                        return Err(format!("`{method} {}` is already a route", route.template));
                    }
                }
                if let Some((_, routes)) = self.groups.get_mut(group) {
                    routes.push(number);
                }
            }
            None => {
                let inserted = self.paths.insert(route.template.to_string(), self.groups.len());
                inserted.map_err(|why| format!("the path cannot be told from others: {why}"))?;
                self.groups.push((shared, vec![number]));
            }
        }
        self.steps.extend(route.template.split('/').filter(|step| !step.starts_with('{')).map(Box::from));
        self.routes.push(route);
        Ok(())
    }

    fn routes_at(&self, path: &str) -> Option<Vec<&Route>> {
        let group = *self.paths.at(path).ok()?.value;
        let (_, routes) = self.groups.get(group)?;
        Some(routes.iter().filter_map(|number| self.routes.get(*number)).collect())
    }
}

/// The template without the names of its variable segments.
fn shared_path(template: &str) -> String {
    template.split('/').map(|step| if step.starts_with('{') { "{}" } else { step }).collect::<Vec<_>>().join("/")
}
