//! Each entry of an answer, judged for its own subject while it is held.

use std::sync::{Arc, Mutex, PoisonError};

use super::judgement::{Judgement, Whose};
use super::layout::{Means, PlanKey, Side};
use super::paging::Progress;
use crate::catalogue::{Catalogue, Route, Shape};
use crate::decision::{Permit, Refusal};
use crate::policy::{Action, Categories, Form, Release};
use crate::redact::{Entry, Judge, LinkRewriter, Plan, Pseudonymiser, Spec, Verdict};

/// What the judge of entries noticed, for the one who drives the redactor.
#[derive(Default)]
pub(super) struct Notes {
    /// Why the last entry was refused.
    pub(super) refusal: Option<Refusal>,
    /// The permit of the last entry released.
    pub(super) permit: Option<Permit>,
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

/// Judges entries; see the module.
#[derive(Clone)]
pub(super) struct EntryJudge {
    pub(super) judgement: Arc<Judgement>,
    pub(super) spec: Arc<Spec>,
    pub(super) side: Side,
    pub(super) settled: Settled,
    pub(super) notes: Arc<Mutex<Notes>>,
    /// What is asked of each entry: read or search, and all that an answer can carry.
    pub(super) asked: (Action, Categories),
    /// Of a list that is filled from several pages.
    pub(super) progress: Option<Arc<Mutex<Progress>>>,
}

impl Judge for EntryJudge {
    fn judge(&mut self, entry: &Entry<'_>) -> Verdict {
        let Some(route) = self.judgement.route() else { return Verdict::Drop };
        let Some(kind) = self.kind(route, entry.resource_type) else { return Verdict::Drop };
        if kind.fills && !self.progress(Progress::admits).unwrap_or(true) {
            return Verdict::Drop;
        }
        let whose = match (&self.settled, entry.subject) {
            _ if kind.of_no_one => Whose::NoOnes,
            (Settled::Open, _) => return Verdict::Release(self.plan(Release::NOTHING, None)),
            (Settled::Each, Some(subject)) => Whose::Of(subject),
            (Settled::Each, None) => return Verdict::Drop,
            (Settled::Person(person), Some(subject)) if subject != person => return Verdict::Drop,
            // Where a record is to say whom it is about, silence is no proof that it is he.
            (Settled::Person(_), None) if self.names_subject(route, entry.resource_type) => return Verdict::Drop,
            (Settled::Person(person), _) => Whose::Of(person),
            (Settled::NoOne { count_min: None }, _) => Whose::NoOnes,
            (Settled::NoOne { count_min: Some(least) }, count) => {
                match count.and_then(|digits| digits.parse::<u64>().ok()) {
                    Some(count) if count >= *least => Whose::NoOnes,
                    _ => return Verdict::Drop,
                }
            }
        };
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.judgement.gate.now_ms();
        let Ok(view) = self.judgement.gate.registry.facts(now) else {
            notes.blind = true;
            return Verdict::Drop;
        };
        let query = self.judgement.route.as_ref().map_or(Categories::NONE, |reference| reference.query);
        let query = query.or(kind.told);
        match self.judgement.decide_searching(whose, entry.id.unwrap_or(""), &view, now, self.asked, query) {
            // Of several types that were asked for, others may be shown, and nothing of this one.
            Ok(permit) if !kind.shows_any(&permit) => Verdict::Drop,
            Ok(permit) => {
                notes.permit = Some(permit);
                if kind.fills {
                    self.progress(Progress::releases);
                }
                Verdict::Release(self.plan(*permit.release(), Some(&permit)))
            }
            Err(refusal) => {
                notes.refusal = Some(refusal);
                Verdict::Drop
            }
        }
    }
}

/// What is known of an entry by its type.
struct Kind {
    /// A record of no one, in an answer about persons.
    of_no_one: bool,
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

impl EntryJudge {
    /// `None`: nobody asked for records of this type here.
    fn kind(&self, route: &Route, resource_type: Option<&str>) -> Option<Kind> {
        if !route.is_fhir() {
            return Some(Kind { of_no_one: false, told: Categories::NONE, categories: None, fills: true });
        }
        let included = self.judgement.route.as_ref().map_or(&[][..], |reference| &*reference.included);
        let name = resource_type?;
        let known = self.judgement.generation.catalogue.types().get(name)?;
        let categories = (!included.is_empty()).then_some(known.categories);
        if resource_type == route.resource_type() {
            return Some(Kind { of_no_one: false, told: Categories::NONE, categories, fills: true });
        }
        let brought = self.side == Side::Answer && included.iter().any(|kind| **kind == *name);
        let (of_no_one, told) = (known.subject.is_none(), known.told_by_type);
        brought.then_some(Kind { of_no_one, told, categories, fills: route.is_everything() })
    }

    fn progress<T>(&self, with: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        let progress = self.progress.as_ref()?;
        Some(with(&mut progress.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Whether the catalogue says where such an entry names its subject.
    fn names_subject(&self, route: &Route, resource_type: Option<&str>) -> bool {
        if route.is_fhir() {
            let known = resource_type.and_then(|name| self.judgement.generation.catalogue.types().get(name));
            return known.is_none_or(|known| known.subject.is_some());
        }
        match self.side {
            Side::Answer => route.entry_subject().is_some(),
            Side::Written => route.body_subject().is_some(),
        }
    }

    fn plan(&self, release: Release, permit: Option<&Permit>) -> Arc<Plan> {
        plan(&self.judgement, &self.spec, self.side, release, permit)
    }
}

/// The plan of a release on the request's route.
pub(super) fn plan(
    judgement: &Judgement,
    spec: &Arc<Spec>,
    side: Side,
    release: Release,
    permit: Option<&Permit>,
) -> Arc<Plan> {
    let pseudonyms = permit.and_then(|permit| judgement.pseudonyms(permit));
    let shows_ids = permit.is_some_and(|permit| judgement.form_of_id(permit) == Form::Clear);
    let (pseudonyms, context) = pseudonyms.map_or((None, String::new()), |(p, context)| (Some(p), context));
    let route = judgement.route();
    let open = route.is_some_and(Route::is_open);
    let clear = match permit {
        Some(permit) => permit.release().having(Form::Clear, Categories::ALL),
        None => Categories::NONE,
    };
    let key = PlanKey {
        route: route.map_or_else(String::new, |route| route.id().to_owned()),
        side,
        spec: Arc::as_ptr(spec) as usize,
        release,
        all: judgement.everything(),
        clear,
        context: format!("{context}{}", if shows_ids { "+ids" } else { "" }),
    };
    judgement.generation.layouts.plan(key, spec, || Means {
        pseudonymiser: pseudonyms.map(|p| Arc::new(p) as Arc<dyn Pseudonymiser>),
        links: Some(Arc::new(Links::of(judgement, shows_ids || open, Some(clear).filter(|_| !open)))),
    })
}

/// Rewrites the backend's own URLs to the gate; any other is withheld. A bare word passes with them: what relation a
/// link has (`next`) makes no sense without its URL.
pub(super) struct Links {
    origin: String,
    prefix: String,
    catalogue: Arc<Catalogue>,
    /// A link holds the request that made it, ids included: it passes where ids do, and where there are none.
    pass: bool,
    /// What it may filter and sort on, besides; `None`: anything, where there is nobody's data.
    clear: Option<Categories>,
    /// In a list, links lead to records: where the list goes on, the gate says itself.
    in_list: bool,
}

impl Links {
    pub(super) fn of(judgement: &Judgement, pass: bool, clear: Option<Categories>) -> Links {
        let (gate, catalogue) = (&judgement.gate, Arc::clone(&judgement.generation.catalogue));
        let in_list = judgement.route().is_some_and(|route| route.shape() == Shape::List);
        Links {
            origin: gate.upstream_origin.clone(),
            prefix: gate.public_prefix.clone(),
            catalogue,
            pass,
            clear,
            in_list,
        }
    }

    /// Whether it is a request of this API that this caller might make himself: a query may hold any value.
    fn could_be_asked(&self, target: &str) -> bool {
        let Some(clear) = self.clear else { return true };
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let resolved = self.catalogue.resolve("GET", path, query);
        resolved.is_ok_and(|resolved| {
            let record = resolved.route.shape() != Shape::List && query.is_none();
            clear.covers(resolved.query_categories) && (record || !self.in_list)
        })
    }
}

impl LinkRewriter for Links {
    fn rewrite(&self, url: &str) -> Option<String> {
        if (1..=16).contains(&url.len()) && url.bytes().all(|b| b.is_ascii_alphabetic()) {
            return (self.pass && !self.in_list).then(|| url.to_owned());
        }
        let path = match url.strip_prefix(self.origin.as_str()) {
            Some(rest) => rest,
            None => url,
        };
        // A browser takes `/\` for `//`: another host.
        let here = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t']);
        (self.pass && here && self.could_be_asked(path)).then(|| format!("{}{path}", self.prefix))
    }

    fn leads_past(&self, url: &str) -> bool {
        let Some((origin, rest)) = url.split_at_checked(self.origin.len()) else { return false };
        origin.eq_ignore_ascii_case(&self.origin) && (rest.is_empty() || rest.starts_with(['/', '?', '#']))
    }
}
