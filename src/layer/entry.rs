//! Each entry of an answer, judged for its own subject while it is held.

mod decided;

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) use self::decided::{Again, Decided};
use super::judgement::{Judgement, Whose};
use super::layout::{Side, written_subject};
use super::paging::{Progress, Turn};
use super::releasing::Releasing;
use crate::catalogue::{Existence, Route};
use crate::decision::{Permit, Refusal};
use crate::policy::{Action, Categories, PurposeId, RecipientId, Release};
use crate::redact::{Entry, Judge, Plan, Spec, Verdict};

/// What the judge of entries noticed, for the one who drives the redactor.
#[derive(Default)]
pub(super) struct Notes {
    /// Why the last entry was refused.
    pub(super) refusal: Option<Refusal>,
    /// The permit of the last entry released.
    pub(super) permit: Option<Permit>,
    /// The backend answered with another record than the one asked for.
    pub(super) other_record: bool,
    /// The registry could not be read: nothing further may be judged.
    pub(super) blind: bool,
}

/// Who the entries are about, as far as it is known before they are seen.
#[derive(Clone)]
pub(super) enum Settled {
    /// Each entry says.
    Each,
    /// This person; an entry about another is dropped.
    Person(String),
    /// Nobody. With a minimum, entries are cells of statistics and say how many persons they count.
    NoOne {
        /// The least count that may be shown.
        count_min: Option<u64>,
    },
    /// A route without anyone's data: nothing to decide.
    Open,
}

/// Who decides about a record: the gate for a request on its way, or a look at a document beforehand.
pub(super) trait Decider {
    /// Where what is permitted is released.
    fn releasing(&self) -> Releasing<'_>;

    /// FHIR: types whose records may be in the answer beside the route's own.
    fn included(&self) -> &[Box<str>];

    /// What is searched so that an Individual Number among it could be spelt.
    fn spelled(&self) -> Categories {
        Categories::NONE
    }

    /// Whether free text is among that.
    fn spells_free_text(&self) -> bool {
        true
    }

    /// Whether whoever asks may know of any record that is not shown.
    fn tells_of_everyone(&self) -> bool {
        false
    }

    /// May this record leave, now? `told`: what it tells that there is one of its type, besides what the route's own tells.
    /// `None`: what is on file cannot be read.
    fn about(
        &self,
        whose: Whose<'_>,
        record: &str,
        asked: (Action, Categories),
        told: Categories,
        again: Again<'_>,
    ) -> Option<Result<Permit, Refusal>>;
}

impl Decider for Arc<Judgement> {
    fn releasing(&self) -> Releasing<'_> {
        Judgement::releasing(self)
    }

    fn included(&self) -> &[Box<str>] {
        self.route.as_ref().map_or(&[][..], |reference| &*reference.included)
    }

    fn spelled(&self) -> Categories {
        self.route.as_ref().map_or(Categories::NONE, |reference| reference.spelled)
    }

    fn spells_free_text(&self) -> bool {
        self.route.as_ref().is_none_or(|reference| reference.spells_free_text)
    }

    fn tells_of_everyone(&self) -> bool {
        self.is_staff() || self.route().is_some_and(|route| route.existence() == Existence::Open)
    }

    /// Facts and clock are read again at each entry; where both are the same, and so is the person, the decision is.
    fn about(
        &self,
        whose: Whose<'_>,
        record: &str,
        asked: (Action, Categories),
        told: Categories,
        again: Again<'_>,
    ) -> Option<Result<Permit, Refusal>> {
        let (now, registry) = (self.gate.now_ms(), &self.gate.registry);
        let view = if again.looked { registry.facts_again(now) } else { registry.facts(now) }.ok()?;
        if let Some(same) = again.decided.as_ref().filter(|decided| decided.holds(&view, now, whose, told)) {
            return Some(Ok(same.permit));
        }
        let query = self.route.as_ref().map_or(Categories::NONE, |reference| reference.query);
        let decided = self.decide_searching(whose, record, &view, now, asked, query.or(told));
        *again.decided = decided.as_ref().ok().and_then(|permit| Decided::of(view, now, whose, told, *permit));
        Some(decided)
    }
}

/// Judges entries; see the module.
#[derive(Clone)]
pub(super) struct EntryJudge<D = Arc<Judgement>> {
    pub(super) decider: D,
    pub(super) spec: Arc<Spec>,
    pub(super) side: Side,
    pub(super) settled: Settled,
    pub(super) notes: Arc<Mutex<Notes>>,
    /// What is asked of each entry: read or search, and all that an answer can carry.
    pub(super) asked: (Action, Categories),
    /// Of a list that is filled from several pages.
    pub(super) progress: Option<Arc<Mutex<Progress>>>,
    /// The id of the record that the path names, where it names one besides its subject, or a FHIR record.
    pub(super) record: Option<Arc<str>>,
    /// What was last released, and how: the entries of a list are mostly released alike.
    pub(super) last: Last,
    /// FHIR: whose matches were released of this body, where it may bring records besides.
    pub(super) matched: HashSet<Box<str>>,
    /// Of them the one who is known by the last entry alone.
    pub(super) fresh: Option<Box<str>>,
    /// What is on file was looked at since this piece of the body was begun.
    pub(super) looked: Cell<bool>,
}

/// What is remembered of the entry before.
#[derive(Clone, Default)]
pub(super) struct Last {
    plan: Option<(Alike, Arc<Plan>)>,
    decided: Option<Decided>,
}

/// What the plan of an entry hangs on, within one answer: its release, what may be told besides, to whom and for what.
pub(super) type Alike = (Release, Option<(Categories, RecipientId, PurposeId)>);

/// Of so many persons on one page of the backend it is known that a match was released; what is brought along with the
/// matches of others is dropped.
const MATCHED_MAX: usize = 10_000;

impl<D: Decider> Judge for EntryJudge<D> {
    fn piece_begins(&mut self) {
        self.looked.set(false);
    }

    fn judge(&mut self, entry: &Entry<'_>) -> Verdict {
        let mut last = std::mem::take(&mut self.last);
        let (verdict, matched) = self.of(entry, &mut last);
        self.last = last;
        self.fresh = matched.filter(|person| self.matched.len() < MATCHED_MAX && self.matched.insert(person.clone()));
        verdict
    }

    /// Not before those who may know that there is such a record: a list without it would say that there is none. What digits find
    /// is nobody's to know, by a fault neither.
    fn goes_on_without(&self) -> bool {
        let hides = matches!(self.settled, Settled::Each) && !self.decider.tells_of_everyone();
        hides || !self.decider.spelled().is_empty()
    }

    fn spelled(&self) -> Categories {
        self.decider.spelled()
    }

    fn spells_free_text(&self) -> bool {
        self.decider.spells_free_text()
    }

    fn taken_back(&mut self, resource_type: Option<&str>) {
        let releasing = self.decider.releasing();
        match releasing.route.and_then(|route| self.kind(&releasing, route, resource_type)) {
            Some(kind) if kind.fills => {
                self.progress(Progress::takes_back);
                if let Some(person) = self.fresh.take() {
                    self.matched.remove(&person);
                }
            }
            Some(_) => drop(self.progress(Progress::brings_not)),
            None => {}
        }
    }
}

impl<D: Decider> EntryJudge<D> {
    /// The verdict; and, of a match that is released, its person, where that may bring others.
    fn of(&self, entry: &Entry<'_>, last: &mut Last) -> (Verdict, Option<Box<str>>) {
        const DROPPED: (Verdict, Option<Box<str>>) = (Verdict::Drop, None);
        let releasing = self.decider.releasing();
        let Some(route) = releasing.route else { return DROPPED };
        let Some(kind) = self.kind(&releasing, route, entry.resource_type) else { return DROPPED };
        if kind.own && self.is_another(route, entry.id) {
            if !entry.whole && entry.id.is_none() {
                return (Verdict::Unclear, None);
            }
            self.notes.lock().unwrap_or_else(PoisonError::into_inner).other_record = true;
            return DROPPED;
        }
        if !kind.fills {
            if !self.comes_along(&kind, entry) {
                return DROPPED;
            }
            let verdict = self.verdict(&releasing, &kind, entry, last);
            if matches!(verdict, Verdict::Unclear) {
                return (verdict, None);
            }
            let released = !matches!(verdict, Verdict::Drop);
            let brought = || self.progress(|progress| progress.brings(entry)).unwrap_or(true);
            return if released && brought() { (verdict, None) } else { DROPPED };
        }
        let turn = self.progress(Progress::admits).unwrap_or(Turn::Judged);
        if turn == Turn::PassedOver {
            return DROPPED;
        }
        let verdict = self.verdict(&releasing, &kind, entry, last);
        let released = matches!(verdict, Verdict::Release(_) | Verdict::ReleaseOf(..));
        self.progress(|progress| progress.judged(turn, released));
        if turn == Turn::Judged && released {
            self.progress(|progress| progress.lists(entry.subject));
        }
        match (turn, &verdict) {
            (Turn::Sought, Verdict::Release(plan) | Verdict::ReleaseOf(plan, _)) => {
                (Verdict::Sought(Arc::clone(plan)), None)
            }
            (Turn::Judged, Verdict::ReleaseOf(_, person)) if !self.decider.included().is_empty() => {
                let person = person.clone();
                (verdict, Some(person))
            }
            (Turn::Judged, _) | (_, Verdict::Unclear) => (verdict, None),
            (Turn::Sought | Turn::PassedOver, _) => DROPPED,
        }
    }

    /// Whether what is brought along comes with a match that is released. Where each match is judged for itself, one that is
    /// dropped brings its own too: that it is there would tell what the match refers to. So a record of a person comes only
    /// after a match about him, and one of no one, which does not say with whom it comes, not at all.
    fn comes_along(&self, kind: &Kind, entry: &Entry<'_>) -> bool {
        let hides = matches!(self.settled, Settled::Each);
        !hides || (!kind.of_no_one && entry.subject.is_some_and(|person| self.matched.contains(person)))
    }

    fn verdict(&self, releasing: &Releasing<'_>, kind: &Kind, entry: &Entry<'_>, last: &mut Last) -> Verdict {
        let Some(route) = releasing.route else { return Verdict::Drop };
        let whose = match (&self.settled, entry.subject) {
            _ if kind.of_no_one => Whose::NoOnes,
            (Settled::Open, _) => {
                let make = || releasing.plan(&self.spec, self.side, Release::NOTHING, None);
                return Verdict::Release(plan(&mut last.plan, Release::NOTHING, None, make));
            }
            (Settled::Each, Some(subject)) => Whose::Of(subject),
            // Named are none but those who make it no one's: else nobody would be asked.
            (Settled::Each, None) if kind.may_be_no_ones => Whose::NoOnes,
            (Settled::Each, None) => return Verdict::Drop,
            (Settled::Person(person), Some(subject)) if subject != person => return Verdict::Drop,
            // Where a record is to say whom it is about, silence is no proof that it is he.
            (Settled::Person(_), None) if self.names_subject(releasing, route, entry.resource_type) => {
                return if entry.whole { Verdict::Drop } else { Verdict::Unclear };
            }
            (Settled::Person(person), _) => Whose::Of(person),
            (Settled::NoOne { count_min: None }, _) => Whose::NoOnes,
            (Settled::NoOne { count_min: Some(least) }, count) => {
                match count.and_then(|digits| digits.parse::<u64>().ok()) {
                    Some(count) if count >= *least => Whose::NoOnes,
                    None if !entry.whole => return Verdict::Unclear,
                    _ => return Verdict::Drop,
                }
            }
        };
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let again = Again { looked: self.looked.replace(true), decided: &mut last.decided };
        match self.decider.about(whose, entry.id.unwrap_or(""), self.asked, kind.told, again) {
            // Of several types that were asked for, others may be shown, and nothing of this one.
            Some(Ok(permit)) if !kind.shows_any(&permit) => Verdict::Drop,
            Some(Ok(permit)) => {
                let make = || releasing.plan(&self.spec, self.side, *permit.release(), Some(&permit));
                let plan = plan(&mut last.plan, *permit.release(), Some(&permit), make);
                if kind.fills && self.progress(Progress::is_before).unwrap_or(false) {
                    return Verdict::Sought(plan);
                }
                notes.permit = Some(permit);
                match whose {
                    Whose::Of(person) => Verdict::ReleaseOf(plan, person.into()),
                    Whose::Anybodys | Whose::NoOnes => Verdict::Release(plan),
                }
            }
            Some(Err(refusal)) => {
                notes.refusal = Some(refusal);
                Verdict::Drop
            }
            None => {
                notes.blind = true;
                Verdict::Drop
            }
        }
    }
}

/// What is known of an entry by its type.
struct Kind {
    /// It is of the kind that the route is for.
    own: bool,
    /// A record of no one, in an answer about persons.
    of_no_one: bool,
    /// A type of persons' records of which one can be no one's.
    may_be_no_ones: bool,
    /// What it tells that there is a record of the type, besides what the route's own tells.
    told: Categories,
    /// All that it can carry, where records of several types were asked for.
    categories: Option<Categories>,
    /// It counts for the size of a page: what is only brought along does not.
    fills: bool,
}

impl Kind {
    fn shows_any(&self, permit: &Permit) -> bool {
        self.categories.is_none_or(|all| !permit.release().any().and(all).is_empty())
    }
}

impl<D: Decider> EntryJudge<D> {
    /// `None`: nobody asked for records of this type here.
    fn kind(&self, releasing: &Releasing<'_>, route: &Route, resource_type: Option<&str>) -> Option<Kind> {
        if !route.is_fhir() {
            let told = Categories::NONE;
            return Some(Kind {
                own: true,
                of_no_one: false,
                may_be_no_ones: false,
                told,
                categories: None,
                fills: true,
            });
        }
        let included = self.decider.included();
        let name = resource_type?;
        let known = releasing.generation.catalogue.types().get(name)?;
        let categories = (!included.is_empty()).then_some(known.categories);
        let may_be_no_ones = known.subject.as_ref().is_some_and(|at| at.bystanders().alone().next().is_some());
        if resource_type == route.resource_type() {
            let told = Categories::NONE;
            return Some(Kind { own: true, of_no_one: false, may_be_no_ones, told, categories, fills: true });
        }
        let brought = self.side == Side::Answer && included.iter().any(|kind| **kind == *name);
        let (of_no_one, told) = (known.subject.is_none(), known.told_by_type);
        brought.then_some(Kind {
            own: false,
            of_no_one,
            may_be_no_ones,
            told,
            categories,
            fills: route.is_everything(),
        })
    }

    /// Whether it is another record than the one that the path names: in FHIR by its id, elsewhere if it has another.
    fn is_another(&self, route: &Route, id: Option<&str>) -> bool {
        self.record.as_deref().is_some_and(|asked| match id {
            Some(id) => id != asked,
            None => route.is_fhir(),
        })
    }

    fn progress<T>(&self, with: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        let progress = self.progress.as_ref()?;
        Some(with(&mut progress.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Whether the catalogue says where such an entry names its subject.
    fn names_subject(&self, releasing: &Releasing<'_>, route: &Route, resource_type: Option<&str>) -> bool {
        if route.is_fhir() {
            let known = resource_type.and_then(|name| releasing.generation.catalogue.types().get(name));
            return known.is_none_or(|known| known.subject.is_some());
        }
        match self.side {
            Side::Answer => route.entry_subject().is_some(),
            Side::Written => written_subject(route).is_some(),
        }
    }
}

/// By which plan this is released: mostly the one of the entry before it, which was `last`.
fn plan(
    last: &mut Option<(Alike, Arc<Plan>)>,
    release: Release,
    permit: Option<&Permit>,
    make: impl FnOnce() -> Arc<Plan>,
) -> Arc<Plan> {
    let alike = (release, permit.map(|permit| (permit.told(), permit.recipient(), permit.purpose())));
    match last {
        Some((of, plan)) if *of == alike => Arc::clone(plan),
        _ => {
            let plan = make();
            *last = Some((alike, Arc::clone(&plan)));
            plan
        }
    }
}
