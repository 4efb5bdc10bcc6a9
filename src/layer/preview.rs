//! What would a caller receive of this document? The gate's own judgement of a body, without caller, backend or record.
//!
//! A [`Preview`] holds one request as it was written, facts included, and the documents that it is judged by. [`Preview::look`]
//! judges it for a route or surface, in the gate's order: could anybody's record leave? May this person's? Then a [`Look`]
//! filters the body: layout, plan, pseudonyms and the judge of entries are those of a request through the gate.
//!
//! What differs from the gate, and only that: facts come with the request instead of the registry, time stands still, and a
//! FHIR Bundle, or a file of resources, may hold several types, each judged by its own type's route.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::entry::{Decider, EntryJudge, Notes, Settled};
use super::gate::Generation;
use super::judgement::Whose;
use super::layout::Side;
use super::releasing::{Releasing, class, shows_everything};
use crate::catalogue::{self, Route};
use crate::decision::evaluation::{Evaluation, answer};
use crate::decision::{Named, Permit, Refusal, Request, decide};
use crate::policy::{Action, Categories, Policy, Release};
use crate::redact::{Entry, Fault, Judge, KeySeed, Redactor, Spec, Tally, Verdict};

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document<'a> {
    /// The answer of the route with this id.
    Route(&'a str),
    /// One FHIR resource of this type.
    Resource(&'a str),
    /// A FHIR Bundle. `of`: the only type in it, whose search it then answers; links of a mixed Bundle are withheld.
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

struct Shared {
    generation: Arc<Generation>,
    policy: Arc<Policy>,
    evaluation: Evaluation,
    origin: String,
    prefix: String,
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
        let asking = Asking { shared: Arc::clone(&self.shared), index, action: self.shared.written().action };
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
                _ => Err(Unseen::Senseless(format!(
                    "route `{id}` cannot be read inside, and not all that it may carry is released to one known person's \
                     reader: nothing of it leaves"
                ))),
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
        let asking = Asking {
            shared: Arc::clone(&self.shared),
            index: self.index_of(&first),
            action: self.shared.written().action,
        };
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
            let asking =
                Asking { shared: Arc::clone(&self.shared), index: self.index_of(route.id()), action: asking.action };
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

/// Whether a FHIR route reads one type's resources, or searches for them.
fn shows_type(route: &Route, shape: catalogue::Shape) -> bool {
    let wanted = if shape == catalogue::Shape::List { Action::Search } else { Action::Read };
    let takes = route.methods().any(|(_, action)| action == wanted);
    route.is_fhir() && route.shape() == shape && route.resource_type().is_some() && takes
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

/// The types met in a document.
#[derive(Default)]
struct Met {
    /// One of which anybody's record could leave.
    open: bool,
    /// One of which nobody's could.
    shut: bool,
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
        !lists && self.met.is_none()
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

/// The request, as it is put to one route.
#[derive(Clone)]
struct Asking {
    shared: Arc<Shared>,
    index: usize,
    action: Action,
}

impl Shared {
    fn written(&self) -> Request<'_> {
        self.evaluation.request(&self.policy)
    }
}

impl Asking {
    fn route(&self) -> Option<&Route> {
        self.shared.generation.catalogue.routes().get(self.index)
    }

    /// The request as the gate would make it of the route: the route says what is asked, of what class, from which dataset.
    fn request(&self, (action, asked): (Action, Categories)) -> Request<'_> {
        let written = self.shared.written();
        let route = self.route();
        Request {
            action,
            record: "",
            class: class(&self.shared.policy, route, written.purpose),
            dataset: route.and_then(Route::certified).map(|certified| certified.dataset),
            asked,
            asked_unknown: false,
            query: written.query.or(route.map_or(Categories::NONE, Route::told_by_type)),
            ..written
        }
    }

    fn asked(&self) -> (Action, Categories) {
        (self.action, self.route().map_or(Categories::NONE, |route| route.asked(self.action)))
    }

    /// Whose records the document holds, as far as the request says.
    fn settled(&self, route: &Route) -> Result<Settled, Unseen> {
        let written = self.shared.written();
        let senseless = |text: String| Err(Unseen::Senseless(text));
        if route.is_open() {
            return Ok(Settled::Open);
        }
        if route.is_of_no_one() {
            let cells = route.certified().and_then(|certified| certified.cells.as_ref());
            return Ok(Settled::NoOne { count_min: cells.map(|cells| cells.count_min) });
        }
        if route.is_of_caller() {
            return match written.subject {
                Some(other) if other != written.caller.id => senseless(format!(
                    "route `{}` shows the caller's own record: leave `resource.properties.subject` out",
                    route.id()
                )),
                _ => Ok(Settled::Person(written.caller.id.to_owned())),
            };
        }
        match written.subject {
            Some(subject) => Ok(Settled::Person(subject.to_owned())),
            None if route.entry_subject().is_some() => Ok(Settled::Each),
            None => senseless(format!(
                "route `{}` does not say in its answer whom it is about: name the person in the request's \
                 `resource.properties.subject`",
                route.id()
            )),
        }
    }

    /// The judgement before the document is seen: for anybody's record, then for this person's.
    fn judge(&self, route: &Route, settled: &Settled) -> Result<Permit, Refusal> {
        let whose = if matches!(settled, Settled::NoOne { .. }) { Whose::NoOnes } else { Whose::Anybodys };
        let general = self.decide(whose, "", self.asked())?;
        let Settled::Person(person) = settled else { return Ok(general) };
        // The record that a path would name beneath its subject.
        let names_record = route.shape() == catalogue::Shape::Object && route.other_ids_in_path() == 1;
        let record = if names_record { self.shared.written().record } else { "" };
        self.decide(Whose::Of(person), record, self.asked())
    }

    fn decide(&self, whose: Whose<'_>, record: &str, asked: (Action, Categories)) -> Result<Permit, Refusal> {
        let request = self.request(asked);
        let (subject, person) = match whose {
            Whose::Anybodys => (None, None),
            Whose::Of(subject) => (Some(subject), request.person),
            Whose::NoOnes => (None, request.person),
        };
        decide(&self.shared.policy, &Request { record, subject, person, ..request })
    }

    fn answer(&self, decision: Result<Permit, Refusal>) -> Value {
        let (policy, asked) = (&self.shared.policy, self.asked());
        let names: Vec<String> = asked.1.iter().map(|category| policy.vocabulary.name(category).to_owned()).collect();
        answer(policy, &self.request(asked), &names, &decision)
    }

    fn entry_judge(&self, spec: &Arc<Spec>, settled: Settled, notes: &Arc<Mutex<Notes>>) -> EntryJudge<Asking> {
        EntryJudge {
            decider: self.clone(),
            spec: Arc::clone(spec),
            side: Side::Answer,
            settled,
            notes: Arc::clone(notes),
            asked: self.asked(),
        }
    }
}

impl Decider for Asking {
    fn releasing(&self) -> Releasing<'_> {
        let written = self.shared.written();
        Releasing {
            policy: &self.shared.policy,
            generation: &self.shared.generation,
            route: self.route(),
            organization: written.caller.organization.or(written.organization),
            origin: &self.shared.origin,
            prefix: &self.shared.prefix,
        }
    }

    fn about(&self, whose: Whose<'_>, record: &str, asked: (Action, Categories)) -> Option<Result<Permit, Refusal>> {
        Some(self.decide(whose, record, asked))
    }
}

/// Who judges the entries of a document.
enum Judges {
    /// Those of one route.
    One(Box<EntryJudge<Asking>>),
    /// Each by the route of its type; an entry of a type without one goes.
    ByType { judges: HashMap<Box<str>, Typed>, notes: Arc<Mutex<Notes>>, met: Arc<Mutex<Met>> },
}

struct Typed {
    judge: EntryJudge<Asking>,
    /// Whether anybody's record of this type could leave; `None`: none was met yet.
    open: Option<bool>,
}

impl Judge for Judges {
    fn judge(&mut self, entry: &Entry<'_>) -> Verdict {
        let (judges, notes, met) = match self {
            Judges::One(judge) => return judge.judge(entry),
            Judges::ByType { judges, notes, met } => (judges, notes, met),
        };
        let Some(typed) = entry.resource_type.and_then(|name| judges.get_mut(name)) else { return Verdict::Drop };
        let open = match typed.open {
            Some(open) => open,
            None => {
                let general = typed.general();
                let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
                met.open |= general.is_ok();
                met.shut |= general.is_err();
                if let Err(refusal) = &general {
                    notes.lock().unwrap_or_else(PoisonError::into_inner).refusal = Some(*refusal);
                }
                *typed.open.insert(general.is_ok())
            }
        };
        if open { typed.judge.judge(entry) } else { Verdict::Drop }
    }
}

impl Typed {
    /// Could anybody's record of this type leave?
    fn general(&self) -> Result<(), Refusal> {
        let whose = match self.judge.settled {
            Settled::Open => return Ok(()),
            Settled::NoOne { .. } => Whose::NoOnes,
            Settled::Each | Settled::Person(_) => Whose::Anybodys,
        };
        self.judge.decider.decide(whose, "", self.judge.asked).map(drop)
    }
}
