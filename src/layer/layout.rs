//! How is each route's body laid out, and what happens to it for a release? Made once, used by every request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalogue::party::Bystanders;
use crate::catalogue::{self, Catalogue, Route, SubjectPath};
use crate::policy::{Categories, Category, Release};
use crate::redact::{
    Likeness, Limits, LinkRewriter, Plan, Pointer, Pseudonymiser, ResourceType, Shape, Spec, SubjectAt, Subjects,
    Terms, Trees, Types,
};

/// How many plans are kept; past it they are made anew.
const PLANS_MAX: usize = 4096;

/// Which way a body goes through a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// The answer to a read or search.
    Answer,
    /// The answer to a write: one record.
    Written,
}

/// What a plan depends on besides the layout: without the context, pseudonyms of two receivers would be one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PlanKey {
    pub(super) route: String,
    pub(super) side: Side,
    /// Which layout: the address of one that lives as long as the generation.
    pub(super) spec: usize,
    pub(super) release: Release,
    /// What free text counts as.
    pub(super) all: Categories,
    /// What may be told by that a record is there.
    pub(super) told: Categories,
    /// What links may ask for.
    pub(super) clear: Categories,
    pub(super) context: String,
}

/// What a plan works with: made only where there is none yet.
pub(super) struct Means {
    pub(super) pseudonymiser: Option<Arc<dyn Pseudonymiser>>,
    pub(super) links: Option<Arc<dyn LinkRewriter>>,
    /// The category of Individual Numbers.
    pub(super) individual_number: Option<Category>,
}

/// The layouts of one generation.
pub(super) struct Layouts {
    specs: HashMap<(String, Side, bool), Arc<Spec>>,
    /// FHIR resources line by line, of any type: unsettled and settled.
    resource_lines: Option<[Arc<Spec>; 2]>,
    types: Arc<Types>,
    plans: Mutex<Plans>,
}

#[derive(Default)]
struct Plans {
    made: HashMap<PlanKey, Arc<Plan>>,
    /// What plans of different receivers have in common.
    trees: HashMap<Likeness, Arc<Trees>>,
}

impl Layouts {
    pub(super) fn new(catalogue: &Catalogue, limits: Limits) -> Result<Layouts, String> {
        let types = Arc::new(types(catalogue));
        let mut specs = HashMap::new();
        for route in catalogue.routes() {
            for side in [Side::Answer, Side::Written] {
                for settled in [false, true] {
                    let spec = spec(route, side, settled, &types, limits)
                        .map_err(|why| format!("route `{}`: {why}", route.id()))?;
                    if let Some(spec) = spec {
                        specs.insert((route.id().to_owned(), side, settled), Arc::new(spec));
                    }
                }
            }
        }
        let resource_lines = match types.0.is_empty() {
            true => None,
            false => Some([lines(&types, limits, false)?, lines(&types, limits, true)?]),
        };
        Ok(Layouts { specs, resource_lines, types, plans: Mutex::default() })
    }

    /// The layout of a route; `None`: its body cannot be read inside.
    pub(super) fn spec(&self, route: &Route, side: Side, settled: bool) -> Option<Arc<Spec>> {
        self.specs.get(&(route.id().to_owned(), side, settled)).cloned()
    }

    /// FHIR resources line by line, of any type; `None`: the surface knows none.
    pub(super) fn resource_lines(&self, settled: bool) -> Option<Arc<Spec>> {
        let [unsettled, of_one] = self.resource_lines.as_ref()?;
        Some(Arc::clone(if settled { of_one } else { unsettled }))
    }

    /// The plan of a release, joined at its first use.
    pub(super) fn plan(&self, key: PlanKey, spec: &Spec, means: impl FnOnce() -> Means) -> Arc<Plan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.made.get(&key) {
            return Arc::clone(plan);
        }
        if plans.made.len() >= PLANS_MAX {
            *plans = Plans::default();
        }
        let Means { pseudonymiser, links, individual_number } = means();
        let terms = Terms { release: key.release, all: key.all, pseudonymiser, links, individual_number };
        let likeness = Likeness::of(spec, &terms);
        let trees = plans.trees.entry(likeness).or_insert_with(|| Arc::new(Trees::of(&self.types)));
        let plan = Arc::new(Plan::join_beside(spec, terms, Arc::clone(trees)).telling(key.told));
        plans.made.insert(key, Arc::clone(&plan));
        plan
    }
}

fn spec(route: &Route, side: Side, settled: bool, types: &Arc<Types>, limits: Limits) -> Result<Option<Spec>, String> {
    let (subjects, root) = match side {
        Side::Answer => (subjects(route.entry_subject(), route, settled)?, route.root()),
        Side::Written => (subjects(written_subject(route), route, settled)?, route.body()),
    };
    let shape = match (side, route.is_fhir(), route.shape()) {
        (_, _, catalogue::Shape::Opaque) => return Ok(None),
        (Side::Written, true, _) | (Side::Answer, true, catalogue::Shape::Object) => Shape::FhirResource,
        (Side::Written, false, _) | (Side::Answer, false, catalogue::Shape::Object) => Shape::Object { subjects },
        (Side::Answer, true, catalogue::Shape::Lines) => Shape::FhirLines,
        (Side::Answer, true, _) => Shape::FhirBundle,
        (Side::Answer, false, catalogue::Shape::Lines) => Shape::Lines { subjects },
        (Side::Answer, false, catalogue::Shape::List) => Shape::List { entries: pointer(route.entries())?, subjects },
        (Side::Answer, false, catalogue::Shape::Dataset) => dataset(route)?,
    };
    let typed = matches!(shape, Shape::FhirResource | Shape::FhirBundle | Shape::FhirLines);
    if typed && types.0.is_empty() {
        return Err("a FHIR route without resource types".to_owned());
    }
    if route.is_open() && !typed {
        let shape = Shape::Object { subjects: Subjects::NoOne };
        return Spec::new(shape, Arc::clone(root), None, limits, true).map(Some).map_err(|fault| fault.to_string());
    }
    let types = typed.then(|| Arc::clone(types));
    let settled = settled || route.is_of_no_one();
    Spec::new(shape, Arc::clone(root), types, limits, settled).map(Some).map_err(|fault| fault.to_string())
}

/// Where the answer to a write of plain JSON says whom it is about: as a body does, else as the answer to a read.
pub(super) fn written_subject(route: &Route) -> Option<&SubjectPath> {
    let in_body = |path: &&SubjectPath| catalogue::lookup(route.body(), path.pointer()).is_some();
    route.body_subject().or_else(|| route.entry_subject().filter(in_body))
}

fn lines(types: &Arc<Types>, limits: Limits, settled: bool) -> Result<Arc<Spec>, String> {
    let spec = Spec::new(Shape::FhirLines, Arc::default(), Some(Arc::clone(types)), limits, settled);
    spec.map(Arc::new).map_err(|fault| fault.to_string())
}

/// A certified dataset: its cells are entries, whose "subject" is the count that the minimum is held to.
fn dataset(route: &Route) -> Result<Shape, String> {
    let cells = route.certified().and_then(|certified| certified.cells.as_ref());
    let subjects = match cells {
        Some(cells) => {
            let (pointer, bystanders) = (pointer(&cells.count)?, Bystanders::default());
            Subjects::At(vec![SubjectAt { pointer, reference_to: None, bystanders }])
        }
        None => Subjects::NoOne,
    };
    match route.entries().is_root() {
        true => Ok(Shape::Object { subjects }),
        false => Ok(Shape::List { entries: pointer(route.entries())?, subjects }),
    }
}

fn subjects(path: Option<&SubjectPath>, route: &Route, settled: bool) -> Result<Subjects, String> {
    match path {
        Some(path) => at(path),
        None if route.is_of_no_one() || settled => Ok(Subjects::NoOne),
        // Nothing says whom an entry is about: each is dropped.
        None => Ok(Subjects::At(Vec::new())),
    }
}

fn at(path: &SubjectPath) -> Result<Subjects, String> {
    let reference_to = path.is_reference().then(|| "Patient".into());
    let (pointer, bystanders) = (pointer(path.pointer())?, path.bystanders().clone());
    Ok(Subjects::At(vec![SubjectAt { pointer, reference_to, bystanders }]))
}

/// The resource types of a FHIR surface, each with the place where it names its subject.
fn types(catalogue: &Catalogue) -> Types {
    let mut types = HashMap::new();
    for (name, known) in catalogue.types() {
        let of_type = |route: &&Route| route.resource_type() == Some(name) && route.shape() == catalogue::Shape::Object;
        let entry = catalogue.routes().iter().any(|route| of_type(&route));
        let subjects = match &known.subject {
            Some(path) => at(path).unwrap_or(Subjects::At(Vec::new())),
            None if entry => Subjects::NoOne,
            // A type that only occurs inside others is never an entry of its own.
            None => Subjects::At(Vec::new()),
        };
        types.insert(name.clone(), ResourceType { node: Arc::clone(&known.node), subjects });
    }
    Types(types)
}

/// The redactor's pointer of a catalogue's.
fn pointer(pointer: &catalogue::Pointer) -> Result<Pointer, String> {
    let text = pointer.to_string();
    Pointer::parse(&text).ok_or_else(|| format!("`{text}` is no pointer"))
}
