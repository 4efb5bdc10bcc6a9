//! What would a caller receive of this document? The gate's own judgement of a body, without caller, backend or record.
//!
//! A [`Preview`] holds one request as it was written, facts included, and the documents that it is judged by. [`Preview::look`]
//! judges it for a route or surface, in the gate's order: could anybody's record leave? May this person's? Then a [`Look`]
//! filters the body: layout, plan, pseudonyms and the judge of entries are those of a request through the gate.
//!
//! What differs from the gate, and only that: facts come with the request instead of the registry, time stands still, the
//! request has no parameters, a list is one document and ends without the gate's own links, and a FHIR Bundle, or a file of
//! resources, may hold several types, each judged by its own type's route.

mod asking;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use self::asking::{Asking, Judges, Met, Shared, Typed};
use super::entry::{Decider, Notes, Settled};
use super::gate::Generation;
use super::layout::Side;
use super::releasing::shows_everything;
use crate::catalogue::{self, Route};
use crate::decision::Named;
use crate::decision::evaluation::Evaluation;
use crate::policy::{Action, Policy, Release};
use crate::redact::{Fault, KeySeed, Redactor, Tally};

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document<'a> {
    /// The answer of the route with this id.
    Route(&'a str),
    /// One FHIR resource of this type.
    Resource(&'a str),
    /// A FHIR Bundle. `of`: the only type in it, whose search it then answers.
    Bundle {
        /// The type of all its resources.
        of: Option<&'a str>,
    },
    /// One FHIR resource a line.
    ResourceLines,
}

/// Why there is nothing to look at.
pub enum Unseen {
    /// The request is refused: the answer, as `sekisho decide` gives it.
    Refused(Value),
    /// The question makes no sense, in words.
    Senseless(String),
}

/// A request, to be shown what it would receive.
pub struct Preview {
    shared: Arc<Shared>,
}

impl Preview {
    /// A look with the eyes of this request. `origin`: where the backend's own URLs begin; `prefix`: what the gate puts
    /// before their paths. `None`: there is no revision of the policy.
    pub fn new(generation: Arc<Generation>, evaluation: Evaluation, origin: &str, prefix: &str) -> Option<Preview> {
        let policy = Arc::clone(generation.revisions.at(evaluation.time())?);
        let (origin, prefix) = (origin.to_owned(), prefix.to_owned());
        Some(Preview { shared: Arc::new(Shared { generation, policy, evaluation, origin, prefix }) })
    }

    /// The policy that answers.
    pub fn policy(&self) -> &Policy {
        &self.shared.policy
    }

    /// What is done, as the request says.
    pub fn action(&self) -> Action {
        self.shared.written().action
    }

    /// Judges the request for this document; the [`Look`] then filters its bytes. `seed` is random.
    ///
    /// # Errors
    /// The request is refused whatever the document says, or the two do not belong together.
    pub fn look(&self, document: Document<'_>, seed: KeySeed) -> Result<Look, Unseen> {
        match document {
            Document::Route(id) => self.of_route(id, seed),
            Document::Resource(name) => {
                let id = self.fhir_route(Some(name), catalogue::Shape::Object)?.id().to_owned();
                self.of_route(&id, seed)
            }
            Document::Bundle { of: Some(name) } => {
                let id = self.fhir_route(Some(name), catalogue::Shape::List)?.id().to_owned();
                self.of_route(&id, seed)
            }
            Document::Bundle { of: None } => self.of_types(catalogue::Shape::List, seed),
            Document::ResourceLines => self.of_types(catalogue::Shape::Object, seed),
        }
    }

    fn routes(&self) -> &[Route] {
        self.shared.generation.catalogue.routes()
    }

    /// The route of a FHIR type that reads one resource, or searches.
    fn fhir_route(&self, name: Option<&str>, shape: catalogue::Shape) -> Result<&Route, Unseen> {
        let fits =
            |route: &&Route| shows_type(route, shape) && name.is_none_or(|name| route.resource_type() == Some(name));
        let what = if shape == catalogue::Shape::List { "search of" } else { "resource of type" };
        let unknown = || format!("the surface knows no {what} `{}`", name.unwrap_or("any").escape_default());
        self.routes().iter().find(fits).ok_or_else(|| Unseen::Senseless(unknown()))
    }

    fn asking(&self, id: &str) -> Result<Asking, Unseen> {
        let senseless = |text: String| Err(Unseen::Senseless(text));
        let Some(index) = self.routes().iter().position(|route| route.id() == id) else {
            return senseless(format!("the catalogue has no route `{}`", id.escape_default()));
        };
        let asking = Asking::new(&self.shared, index);
        let Some(route) = asking.route() else { return senseless("the route is gone".to_owned()) };
        let takes: Vec<Action> = route.methods().map(|(_, action)| action).filter(|a| a.releases()).collect();
        if !takes.contains(&asking.action) {
            let names: Vec<String> = takes.iter().map(|action| format!("`{}`", action.name())).collect();
            return senseless(match names.is_empty() {
                true => format!("route `{id}` only takes writes: there is nothing to show"),
                false => format!(
                    "the request's `action.name` is `{}`, and route `{id}` is for {}: say that in the request",
                    asking.action.name(),
                    names.join(" or ")
                ),
            });
        }
        match (self.shared.written().class, route.subject_class_index(), route.subject_class()) {
            (Named::Known(written), Some(index), Some(of)) if written != index => senseless(format!(
                "the request names another `subject_class` than route `{id}`, which is about a `{of}`: leave it out, or \
                 name that"
            )),
            (Named::Unknown, _, _) => senseless("the request's `subject_class` is none of the vocabulary's".to_owned()),
            _ => Ok(asking),
        }
    }

    fn of_route(&self, id: &str, seed: KeySeed) -> Result<Look, Unseen> {
        let asking = self.asking(id)?;
        let Some(route) = asking.route() else { return Err(Unseen::Senseless("the route is gone".to_owned())) };
        if route.dicom().is_some_and(|dicom| dicom.refused) {
            return Err(Unseen::Refused(burnt_in_text()));
        }
        let settled = asking.settled(route)?;
        let permit = match &settled {
            Settled::Open => None,
            settled => {
                Some(asking.judge(route, settled).map_err(|refusal| Unseen::Refused(asking.answer(Err(refusal))))?)
            }
        };
        let answer = permit.map(|permit| asking.answer(Ok(permit)));
        let known = !matches!(settled, Settled::Each);
        let Some(spec) = self.shared.generation.layouts.spec(route, Side::Answer, known) else {
            return match permit {
                Some(permit) if known && shows_everything(route, &permit) => {
                    Ok(Look { filter: None, notes: Arc::default(), met: None, asking, answer })
                }
                _ => Err(Unseen::Refused(not_whole())),
            };
        };
        let notes = Arc::new(Mutex::new(Notes::default()));
        let envelope = asking.releasing().plan(&spec, Side::Answer, Release::NOTHING, permit.as_ref());
        let judge = Judges::One(Box::new(asking.entry_judge(&spec, settled, &notes)));
        let filter = Some(Box::new(Redactor::new(spec, judge, envelope, seed)));
        Ok(Look { filter, notes, met: None, asking, answer })
    }

    /// A document that may hold several types. Whether any of them is open to the request shows as they are met.
    fn of_types(&self, shape: catalogue::Shape, seed: KeySeed) -> Result<Look, Unseen> {
        let first = self.fhir_route(None, shape)?.id().to_owned();
        let asking = Asking::new(&self.shared, self.index_of(&first));
        let wanted =
            if shape == catalogue::Shape::List { &[Action::Search][..] } else { &[Action::Read, Action::Search] };
        if !wanted.contains(&asking.action) {
            let text =
                format!("the request's `action.name` is `{}`: a Bundle answers a `search`", asking.action.name());
            return Err(Unseen::Senseless(text));
        }
        let known = self.shared.written().subject.is_some();
        let spec = match shape {
            catalogue::Shape::List => {
                asking.route().and_then(|route| self.shared.generation.layouts.spec(route, Side::Answer, known))
            }
            _ => self.shared.generation.layouts.resource_lines(known),
        };
        let spec = spec.ok_or_else(|| Unseen::Senseless("the surface lays out no such document".to_owned()))?;
        let notes = Arc::new(Mutex::new(Notes::default()));
        let mut judges = HashMap::new();
        for route in self.routes().iter().filter(|route| shows_type(route, shape)) {
            let Some(name) = route.resource_type() else { continue };
            let asking = Asking::new(&self.shared, self.index_of(route.id()));
            let settled = asking.settled(route)?;
            judges
                .entry(name.into())
                .or_insert_with(|| Typed { judge: asking.entry_judge(&spec, settled, &notes), open: None });
        }
        let envelope = asking.releasing().plan(&spec, Side::Answer, Release::NOTHING, None);
        let met = Arc::new(Mutex::new(Met::default()));
        let judge = Judges::ByType { judges, notes: Arc::clone(&notes), met: Arc::clone(&met) };
        let filter = Some(Box::new(Redactor::new(spec, judge, envelope, seed)));
        Ok(Look { filter, notes, met: Some(met), asking, answer: None })
    }

    fn index_of(&self, id: &str) -> usize {
        self.routes().iter().position(|route| route.id() == id).unwrap_or(usize::MAX)
    }
}

/// What cannot be read inside leaves whole or not at all.
fn not_whole() -> Value {
    json!({"decision": false, "context": {"reasons": [{
        "code": "category-not-permitted",
        "clause": null,
        "detail": "the body cannot be read inside, and not all that it may carry is released in clear",
    }]}})
}

/// As the gate itself refuses pixels.
fn burnt_in_text() -> Value {
    json!({"decision": false, "context": {"reasons": [{
        "code": "burnt-in-text",
        "clause": null,
        "detail": "nobody has said whether names stand in these pixels (`burnt-in-text` of the catalogue)",
    }]}})
}

/// Whether a FHIR route reads one type's resources, or searches for them, and nothing else of them.
fn shows_type(route: &Route, shape: catalogue::Shape) -> bool {
    let wanted = if shape == catalogue::Shape::List { Action::Search } else { Action::Read };
    let takes = route.methods().any(|(_, action)| action == wanted);
    let plain = route.resource_type().is_some() && !route.is_beside_type();
    route.is_fhir() && route.shape() == shape && plain && takes
}

/// A document on its way through the filter.
pub struct Look {
    /// `None`: a body that cannot be read inside and leaves whole.
    filter: Option<Box<Redactor<Judges>>>,
    notes: Arc<Mutex<Notes>>,
    /// Of a document that may hold several types: which were met.
    met: Option<Arc<Mutex<Met>>>,
    asking: Asking,
    answer: Option<Value>,
}

impl Look {
    /// Reads a piece of the document and appends to `out` what would leave.
    ///
    /// # Errors
    /// [`Fault`]: it cannot be judged further. What `out` has was judged.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(filter) = &mut self.filter else {
            out.extend_from_slice(piece);
            return Ok(());
        };
        let pushed = filter.push(piece, out);
        filter.take_windows(); // they are for records, of which there are none
        pushed
    }

    /// The document has ended.
    ///
    /// # Errors
    /// [`Fault`]: it was not whole.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.filter.as_mut().map_or(Ok(()), |filter| filter.finish(out).map(drop))
    }

    /// What left so far, and what did not; `None`: a body that cannot be read inside, all of which leaves.
    pub fn tally(&self) -> Option<&Tally> {
        self.filter.as_ref().map(|filter| filter.tally())
    }

    /// The answer to the request, as `sekisho decide` gives it, where it does not wait for the document.
    pub fn answer(&self) -> Option<&Value> {
        self.answer.as_ref()
    }

    /// Whether the document is one record, which leaves or does not, and no list of them.
    pub fn is_single(&self) -> bool {
        let lists = matches!(
            self.asking.route().map(Route::shape),
            Some(catalogue::Shape::List | catalogue::Shape::Lines | catalogue::Shape::Dataset)
        );
        // The metadata of one DICOM object are a list.
        let metadata =
            self.asking.action == Action::Read && self.asking.route().is_some_and(|route| route.dicom().is_some());
        (!lists || metadata) && self.met.is_none()
    }

    /// Why nothing was released: the refusal of the one record, as `sekisho decide` gives it. Of several resources only
    /// where it would have been refused whoever they were about.
    pub fn refused(&self) -> Option<Value> {
        let whoever = match &self.met {
            None => self.is_single(),
            Some(met) => {
                let met = met.lock().unwrap_or_else(PoisonError::into_inner);
                met.shut && !met.open
            }
        };
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let refusal = notes.refusal.filter(|_| whoever)?;
        Some(self.asking.answer(Err(refusal)))
    }
}
