//! The request as the gate would put it to one route, and who judges what the document holds.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::Unseen;
use crate::catalogue::{self, Existence, Route};
use crate::decision::evaluation::{Evaluation, answer};
use crate::decision::{Permit, Refusal, Request, decide};
use crate::layer::entry::{Again, Decider, EntryJudge, Last, Notes, Settled};
use crate::layer::gate::Generation;
use crate::layer::judgement::{Whose, is_staff};
use crate::layer::layout::Side;
use crate::layer::releasing::{Releasing, class};
use crate::policy::{Action, Categories, Policy};
use crate::redact::{Entry, Judge, Spec, Verdict};

/// What is the same for every route.
pub(super) struct Shared {
    pub(super) generation: Arc<Generation>,
    pub(super) policy: Arc<Policy>,
    pub(super) evaluation: Evaluation,
    pub(super) origin: String,
    pub(super) prefix: String,
}

/// The types met in a document.
#[derive(Default)]
pub(super) struct Met {
    /// One of which anybody's record could leave.
    pub(super) open: bool,
    /// One of which nobody's could.
    pub(super) shut: bool,
}

/// The request, as it is put to one route.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    pub(super) action: Action,
    /// FHIR: types whose records may be in the answer beside the route's own, and all categories that they can carry.
    included: Arc<[Box<str>]>,
    brought: Categories,
}

impl Shared {
    pub(super) fn written(&self) -> Request<'_> {
        self.evaluation.request(&self.policy)
    }
}

impl Asking {
    /// The request of this route, without parameters.
    pub(super) fn new(shared: &Arc<Shared>, index: usize) -> Asking {
        let catalogue = &shared.generation.catalogue;
        let route = catalogue.routes().get(index);
        let included: Arc<[Box<str>]> =
            route.into_iter().flat_map(|route| catalogue.brought_by(route)).map(Into::into).collect();
        let brought = included.iter().filter_map(|kind| catalogue.types().get(kind));
        let brought = brought.fold(Categories::NONE, |set, known| set.or(known.categories));
        Asking { shared: Arc::clone(shared), index, action: shared.written().action, included, brought }
    }

    pub(super) fn route(&self) -> Option<&Route> {
        self.shared.generation.catalogue.routes().get(self.index)
    }

    /// The request as the gate would make it of the route: the route says what is asked, of what class, from which dataset.
    fn request(&self, (action, asked): (Action, Categories), told: Categories) -> Request<'_> {
        let written = self.shared.written();
        let route = self.route();
        let tells = route.filter(|_| action != Action::Create);
        let by_type = tells.map_or(Categories::NONE, Route::told_by_type);
        Request {
            action,
            record: "",
            class: class(&self.shared.policy, route, written.purpose),
            dataset: route.and_then(Route::certified).map(|certified| certified.dataset),
            asked,
            asked_unknown: false,
            query: written.query.or(by_type).or(told),
            ..written
        }
    }

    pub(super) fn asked(&self) -> (Action, Categories) {
        (self.action, self.route().map_or(Categories::NONE, |route| route.asked(self.action)).or(self.brought))
    }

    /// Whose records the document holds, as far as the request says.
    pub(super) fn settled(&self, route: &Route) -> Result<Settled, Unseen> {
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
    pub(super) fn judge(&self, route: &Route, settled: &Settled) -> Result<Permit, Refusal> {
        let whose = if matches!(settled, Settled::NoOne { .. }) { Whose::NoOnes } else { Whose::Anybodys };
        let general = self.decide(whose, "", self.asked(), Categories::NONE)?;
        let Settled::Person(person) = settled else { return Ok(general) };
        // The record that a path would name beneath its subject.
        let names_record = route.shape() == catalogue::Shape::Object && route.other_ids_in_path() == 1;
        let record = if names_record { self.shared.written().record } else { "" };
        self.decide(Whose::Of(person), record, self.asked(), Categories::NONE)
    }

    fn decide(
        &self,
        whose: Whose<'_>,
        record: &str,
        asked: (Action, Categories),
        told: Categories,
    ) -> Result<Permit, Refusal> {
        let request = self.request(asked, told);
        let (subject, person) = match whose {
            Whose::Anybodys => (None, None),
            Whose::Of(subject) => (Some(subject), request.person),
            Whose::NoOnes => (None, request.person),
        };
        decide(&self.shared.policy, &Request { record, subject, person, ..request })
    }

    pub(super) fn answer(&self, decision: Result<Permit, Refusal>) -> Value {
        let (policy, asked) = (&self.shared.policy, self.asked());
        let names: Vec<String> = asked.1.iter().map(|category| policy.vocabulary.name(category).to_owned()).collect();
        answer(policy, &self.request(asked, Categories::NONE), &names, &decision)
    }

    pub(super) fn entry_judge(
        &self,
        spec: &Arc<Spec>,
        settled: Settled,
        notes: &Arc<Mutex<Notes>>,
    ) -> EntryJudge<Asking> {
        EntryJudge {
            decider: self.clone(),
            spec: Arc::clone(spec),
            side: Side::Answer,
            settled,
            notes: Arc::clone(notes),
            asked: self.asked(),
            progress: None,
            record: None,
            last: Last::default(),
            matched: HashSet::new(),
            fresh: None,
            looked: Cell::new(false),
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
            all: self.route().map_or(Categories::ALL, Route::everything).or(self.brought),
            organization: written.caller.organization.or(written.organization),
            origin: &self.shared.origin,
            prefix: &self.shared.prefix,
            tokens: None,
        }
    }

    fn included(&self) -> &[Box<str>] {
        &self.included
    }

    fn tells_of_everyone(&self) -> bool {
        let caller = self.shared.written().caller;
        let staff = is_staff(caller.organization.is_some(), caller.roles);
        staff || self.route().is_some_and(|route| route.existence() == Existence::Open)
    }

    fn about(
        &self,
        whose: Whose<'_>,
        record: &str,
        asked: (Action, Categories),
        told: Categories,
        _: Again<'_>,
    ) -> Option<Result<Permit, Refusal>> {
        Some(self.decide(whose, record, asked, told))
    }
}

/// Who judges the entries of a document.
pub(super) enum Judges {
    /// Those of one route.
    One(Box<EntryJudge<Asking>>),
    /// Each by the route of its type; an entry of a type without one goes.
    ByType { judges: HashMap<Box<str>, Typed>, notes: Arc<Mutex<Notes>>, met: Arc<Mutex<Met>> },
}

pub(super) struct Typed {
    pub(super) judge: EntryJudge<Asking>,
    /// Whether anybody's record of this type could leave; `None`: none was met yet.
    pub(super) open: Option<bool>,
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

    /// Of what type it is is not known by then: where one of them could not be missing without a word, none can.
    fn goes_on_without(&self) -> bool {
        match self {
            Judges::One(judge) => judge.goes_on_without(),
            Judges::ByType { judges, .. } => judges.values().all(|typed| typed.judge.goes_on_without()),
        }
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
        self.judge.decider.decide(whose, "", self.judge.asked, Categories::NONE).map(drop)
    }
}
