//! How is the backend's body read, and who judges what is in it?

use super::{Exchange, Ready, lookup};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use http::header;

use crate::catalogue::{Part, Route, Shape, SubjectAt};
use crate::layer::entry::{EntryJudge, Last, Notes, Settled};
use crate::layer::headers;
use crate::layer::judgement::Whose;
use crate::layer::layout::Side;
use crate::layer::media;
use crate::layer::paging::Progress;
use crate::layer::pump::Remake;
use crate::layer::refusal::Problem;
use crate::layer::releasing::shows_everything;
use crate::policy::{Action, Categories, Release};
use crate::redact::{Multipart, Redactor};

impl Exchange {
    pub(super) fn filter(
        &self,
        ready: &Ready,
        action: Action,
        parts: &http::response::Parts,
        progress: Option<&Arc<Mutex<Progress>>>,
    ) -> Result<Filter, Unread> {
        let judgement = &ready.judgement;
        let Some(route) = judgement.route() else {
            return Err(Problem::bad_gateway("route", "the route is gone").into());
        };
        if parts.headers.contains_key(header::CONTENT_ENCODING) {
            if !action.releases() {
                return Err(Unread::Bodiless);
            }
            return Err(Problem::bad_gateway(
                "content-coding",
                "the backend's answer is coded in a way that cannot be read",
            )
            .into());
        }
        let media = headers::media_type(&parts.headers);
        let lines = route.shape() == Shape::Lines && action.releases();
        let readable = media
            .as_deref()
            .is_some_and(|media| if lines { headers::is_lines(media) } else { headers::is_json(media) });
        let side = if action.releases() { Side::Answer } else { Side::Written };
        let known = !matches!(ready.settled, Settled::Each);
        let spec = judgement.generation.layouts.spec(route, side, known).filter(|_| readable);
        let Some(spec) = spec else {
            // A permit to write shows nothing: what cannot be judged as a read stays here.
            return if action.releases() {
                self.opaque(ready, route, media, &parts.headers)
            } else {
                Err(Unread::Bodiless)
            };
        };
        let asked = match action {
            Action::Read | Action::Search => {
                judgement.route.as_ref().map_or((action, Categories::NONE), |r| (action, r.asked))
            }
            Action::Create | Action::Update | Action::Delete => (Action::Read, route.everything()),
        };
        if !action.releases() && !self.may_read_back(ready, asked) {
            return Err(Unread::Bodiless);
        }
        let notes = Arc::new(Mutex::new(Notes::default()));
        let general = ready.permit.as_ref();
        let envelope = judgement.releasing().plan(&spec, side, Release::NOTHING, general);
        let judge = EntryJudge {
            decider: Arc::clone(judgement),
            spec: Arc::clone(&spec),
            side,
            settled: ready.settled.clone(),
            notes: Arc::clone(&notes),
            asked,
            progress: progress.map(Arc::clone),
            record: record_asked(ready, route),
            last: Last::default(),
            matched: HashSet::new(),
            fresh: None,
            looked: Cell::new(false),
        };
        let gate = Arc::clone(&self.gate);
        let make = move || {
            let seed = gate.key_seed();
            Box::new(Redactor::new(Arc::clone(&spec), judge.clone(), Arc::clone(&envelope), seed))
        };
        let redactor = make();
        let remake = progress.map(|_| Box::new(make) as Remake);
        let media = match (lines, route.is_fhir()) {
            _ if action.releases() => media::answered(route).unwrap_or("application/json"),
            (_, true) => "application/fhir+json",
            (_, false) => "application/json",
        };
        Ok(Filter { redactor: Some(redactor), remake, parts: None, notes, media: media.into() })
    }

    /// The answer to a write is judged as a read by the same purpose, else it stays here.
    pub(super) fn may_read_back(&self, ready: &Ready, asked: (Action, Categories)) -> bool {
        let whose = match &ready.settled {
            Settled::Person(person) => Whose::Of(person),
            Settled::Each => return true, // its body tells whom it is about; the entry is judged
            Settled::NoOne { .. } | Settled::Open => Whose::NoOnes,
        };
        let view = self.gate.registry.facts(self.now);
        view.is_ok_and(|view| ready.judgement.decide_as(whose, "", &view, self.now, asked).is_ok())
    }

    /// Contents that cannot be read inside count as every category of the route: all clear, or not released.
    pub(super) fn opaque(
        &self,
        ready: &Ready,
        route: &Route,
        media: Option<String>,
        fields: &http::HeaderMap,
    ) -> Result<Filter, Unread> {
        let whole = ready.permit.as_ref().is_some_and(|permit| shows_everything(route, permit));
        let of_one = !matches!(ready.settled, Settled::Each);
        let declared = route.shape() == Shape::Opaque;
        if !(whole && of_one && declared) {
            let detail = "the backend's answer cannot be read inside, and not all of it may be released";
            return Err(Problem::bad_gateway("content-type", detail).into());
        }
        if route.dicom().is_some() {
            let (parts, media) = lookup::kind(fields).ok_or_else(|| {
                Problem::bad_gateway("content-type", "the backend's answer is of a type that no DICOM object has")
            })?;
            return Ok(Filter { redactor: None, remake: None, parts, notes: Arc::default(), media: media.into() });
        }
        if media::is_no_whole(fields) {
            let detail = "the backend's answer is a stream of events or in parts, which is no one content";
            return Err(Problem::bad_gateway("content-type", detail).into());
        }
        let media = media.map_or("application/octet-stream".into(), Cow::Owned);
        Ok(Filter { redactor: None, remake: None, parts: None, notes: Arc::default(), media })
    }
}

/// The record that the path names, by its own id: of FHIR the one that is read or written, or whose versions they are;
/// elsewhere the last id of a path that ends with it, unless that is its subject's, which is compared by itself.
fn record_asked(ready: &Ready, route: &Route) -> Option<Arc<str>> {
    if route.is_everything() || route.dicom().is_some() {
        return None;
    }
    // The target holds the originals by now.
    let path = ready.target.split('?').next().unwrap_or_default();
    let catalogue = &ready.judgement.generation.catalogue;
    let resolved = catalogue.resolve("GET", path, None).ok()?;
    let mut ids = resolved.ids.into_iter().filter(|named| named.part == Part::Path).map(|named| named.id);
    let id = match (route.is_fhir(), resolved.subject) {
        (true, SubjectAt::Target(named)) if named.part == Part::Path => Some(named.id),
        (true, _) => ids.next(),
        (false, _) if route.shape() == Shape::Object && route.template().ends_with('}') => {
            ids.next_back().filter(|id| path.ends_with(&format!("/{id}")))
        }
        (false, _) => None,
    };
    id.map(Into::into)
}

/// How a body is filtered.
pub(super) struct Filter {
    pub(super) redactor: Option<Box<Redactor<EntryJudge>>>,
    /// Another like it, for a further page.
    pub(super) remake: Option<Remake>,
    pub(super) parts: Option<Multipart>,
    pub(super) notes: Arc<Mutex<Notes>>,
    pub(super) media: Cow<'static, str>,
}

/// Why a body is not filtered.
pub(super) enum Unread {
    /// The write stands; its answer is not shown.
    Bodiless,
    Problem(Box<Problem>),
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Unread {
        Unread::Problem(Box::new(problem))
    }
}
