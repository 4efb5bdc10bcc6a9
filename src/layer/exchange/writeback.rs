//! A write changes a record that is there: is it still the one that the caller read, and is nothing lost that he was not shown?
//!
//! The backend's record is shown to the caller once more, by the judgement and the redactor of his own read; nothing of it
//! leaves. `If-Match` holds if it names the tag of that view (or, of FHIR, the version as he is shown it), and goes on as the
//! backend's own tag. What a write would replace has to be shown to him as it is. Where a route merges, a `PUT` of part of a
//! record is joined with the rest of it, and the outcome shown to him a third time: it has to be what he put.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::Value;

use super::asking::{Held, Question, WRITTEN, ask};
use super::making::record_at;
use super::stored::{not_judged, redacted_view};
use super::validators::{self, changed};
use super::{Exchange, Forward, Out, Ready};
use crate::catalogue::body::carried;
use crate::catalogue::{Resolved, Route, SubjectAt, SubjectPath};
use crate::layer::document::Document;
use crate::layer::entry::{Notes, Settled};
use crate::layer::gate::Generation;
use crate::layer::judgement::{Judgement, Whose};
use crate::layer::merge;
use crate::layer::refusal::Problem;
use crate::policy::{Action, Categories};
use crate::registry::View;

/// The record as the caller is shown it.
pub(super) struct Seen {
    pub(super) text: String,
    /// `None`: the backend gives no validator.
    pub(super) tag: Option<String>,
}

impl Exchange {
    /// What the backend has at the target's path; `None`: nothing.
    pub(super) async fn ask_for_held(
        &self,
        ready: &Ready,
        head: &Parts,
        forward: &mut Forward,
        accept: &'static str,
    ) -> Result<Option<Held>, Box<Problem>> {
        let question = Question {
            target: validators::path(&ready.target),
            accept,
            bytes_max: self.gate.limits.request_body_bytes_max,
            nothing: &[StatusCode::NOT_FOUND, StatusCode::GONE],
            unclear: || not_judged().into(),
        };
        ask(head, question, forward).await
    }

    /// Whether a write of plain JSON may be held to a version: where its record can be read at the same path.
    pub(super) fn is_held(&self, judgement: &Judgement, resolved: &Resolved<'_>, path: &str) -> bool {
        let changes = matches!(self.method, Method::PUT | Method::PATCH | Method::DELETE);
        let changes = changes && matches!(resolved.action, Action::Update | Action::Delete);
        changes && resolved.route.is_plain() && read_at(&judgement.generation, path).is_some()
    }

    /// Plain JSON: looks at the record that a write replaces, or is held to, or that could be another person's than the one
    /// who was judged.
    pub(super) async fn judge_held(
        &self,
        ready: &mut Ready,
        head: &Parts,
        resolved: &Resolved<'_>,
        view: &View,
        forward: &mut Forward,
    ) -> Result<(), Box<Out>> {
        let judgement = Arc::clone(&ready.judgement);
        let path = validators::path(&ready.target);
        let replaces = judgement.route.as_ref().is_some_and(|reference| reference.replaces);
        let held_to = head.headers.contains_key(header::IF_MATCH);
        let held = (replaces || held_to) && self.is_held(&judgement, resolved, path);
        let anothers = self.could_be_anothers(&judgement, resolved, path);
        let looked = match (held || anothers, read_at(&judgement.generation, path)) {
            (false, _) => return Ok(()),
            (true, Some(read)) => self.look_at_held(ready, head, (resolved.route, read), anothers, view, forward).await,
            // No such catalogue loads.
            (true, None) => Err(not_judged().into()),
        };
        match looked {
            Ok(Looked::There) => Ok(()),
            Ok(Looked::Nothing) => {
                let record = record_at(&judgement, self.method.as_str(), validators::path(&ready.target));
                self.judge_making(ready, &record, view).await
            }
            Err(problem) => Err(self.refuse(&ready.judgement, *problem, None, &ready.subjects).await),
        }
    }

    /// Whether a write names a record besides its person, of which only what is stored tells whose it is: a backend may go by
    /// the record's id alone.
    fn could_be_anothers(&self, judgement: &Judgement, resolved: &Resolved<'_>, path: &str) -> bool {
        let changes = matches!(resolved.action, Action::Update | Action::Delete) || self.method == Method::PUT;
        let says_whose = || owner_at(resolved.route, read_at(&judgement.generation, path)).is_some();
        changes && resolved.route.is_plain() && !resolved.ids.is_empty() && says_whose()
    }

    async fn look_at_held(
        &self,
        ready: &mut Ready,
        head: &Parts,
        (route, read): (&Route, &Route),
        anothers: bool,
        view: &View,
        forward: &mut Forward,
    ) -> Result<Looked, Box<Problem>> {
        let wanted = validators::one_tag(&head.headers)?;
        let Some(held) = self.ask_for_held(ready, head, forward, "application/json").await? else {
            let names_hidden = ready.judgement.route.as_ref().is_some_and(|reference| reference.names_hidden);
            // Only a `PUT` makes what is not there; what else would be changed was not looked at.
            let nothing = wanted.is_some() || names_hidden || (anothers && self.method != Method::PUT);
            return if nothing { Err(self.not_available(&ready.judgement).into()) } else { Ok(Looked::Nothing) };
        };
        let owner = owner_at(route, Some(read)).map(|place| place.find(&held.record));
        let his = match (&ready.settled, owner) {
            (Settled::Person(person), Some(owner)) => owner.as_ref() == Some(person),
            (_, None) => true,
            (Settled::Each | Settled::NoOne { .. } | Settled::Open, Some(_)) => false,
        };
        if !his {
            return Err(self.not_available(&ready.judgement).into());
        }
        self.hold_to(ready, route, wanted, &held, view)?;
        let replaces = ready.judgement.route.as_ref().is_some_and(|reference| reference.replaces);
        if wanted.is_none() && !replaces {
            // Looked at for its person alone: a backend that compares tags strongly would refuse a weak one for no cause.
            ready.condition = ready.condition.take().filter(|tag| !tag.starts_with("W/"));
        }
        Ok(Looked::There)
    }

    /// Holds a write to the record that was looked at: to the version that the caller names, and to what he is shown of it.
    pub(super) fn hold_to(
        &self,
        ready: &mut Ready,
        route: &Route,
        wanted: Option<&str>,
        held: &Held,
        view: &View,
    ) -> Result<(), Box<Problem>> {
        let seen = self.seen(ready, held)?;
        let of_view = |wanted: &str| seen.as_ref().is_some_and(|seen| seen.tag.as_deref() == Some(wanted));
        let version = held.record.pointer("/meta/versionId").and_then(Value::as_str).filter(|_| route.is_fhir());
        let holds =
            |wanted: &str| wanted == "*" || of_view(wanted) || self.names_version(ready, route, wanted, version, view);
        let named = wanted.filter(|wanted| *wanted != "*");
        if named.is_some() && held.tag.is_none() && version.is_none() {
            return Err(unheld().into()); // the record has no version that it could differ from
        }
        if wanted.is_some_and(|wanted| !holds(wanted)) {
            return Err(changed().into());
        }
        let reference = ready.judgement.route.as_ref();
        let updates = reference.is_some_and(|reference| reference.action == Action::Update);
        let names_hidden = reference.is_some_and(|reference| reference.names_hidden);
        // A patch of plain JSON that replaces no array touches only what it names.
        let replaces = route.is_fhir() || reference.is_some_and(|reference| reference.replaces);
        if updates && replaces && self.merges(route) {
            self.over_its_view(ready, route, (wanted, seen.as_ref()), view)?;
        }
        let mut merged = false;
        if updates && replaces && (names_hidden || !self.loses_nothing(ready, route, held, seen.as_ref(), view)) {
            let Some(seen) = seen.filter(|_| self.merges(route)) else { return Err(redacted_view().into()) };
            ready.body = self.merge(ready, route, held, &seen)?;
            merged = true;
        }
        if updates && self.method == Method::PUT {
            self.may_take_away(ready, route, held, view)?;
        }
        // Of FHIR the version; a strong tag, which not every server takes back, only where there is nothing else to hold to. At least
        // the record is to be there, where the caller says so: what was deleted meanwhile is not made anew.
        let (weak, strong) = match held.tag.clone() {
            Some(tag) if route.is_fhir() && !tag.starts_with("W/") => (None, Some(tag)),
            tag => (tag, None),
        };
        let bound = merged || named.is_some();
        let version = version.filter(|v| super::is_version(v)).map(|v| format!("W/\"{v}\""));
        let there = wanted.filter(|wanted| *wanted == "*").map(str::to_owned);
        ready.condition = weak.or(version).or(strong).or(there);
        if bound && ready.condition.is_none() { Err(unheld().into()) } else { Ok(()) }
    }

    /// What a whole write leaves out is taken away: that has to be permitted as what it carries is.
    fn may_take_away(&self, ready: &mut Ready, route: &Route, held: &Held, view: &View) -> Result<(), Box<Problem>> {
        let judgement = Arc::clone(&ready.judgement);
        let asked = judgement.route.as_ref().map_or(Categories::ALL, |reference| reference.asked);
        let there = carried(route.body(), judgement.generation.catalogue.types(), route.everything(), &held.record);
        let all = asked.or(there.categories.and(self.clear(ready, route, view)));
        let whose = match &ready.settled {
            Settled::Person(person) => Whose::Of(person),
            Settled::NoOne { .. } => Whose::NoOnes,
            Settled::Each | Settled::Open => return Err(self.not_available(&judgement).into()),
        };
        let named = if route.is_fhir() { held.record.get("id").and_then(Value::as_str).unwrap_or("") } else { "" };
        match judgement.decide_as(whose, named, view, self.now, (Action::Update, all)) {
            Ok(permit) => {
                ready.permit = Some(permit);
                Ok(())
            }
            Err(refusal) => {
                let of_anybody = judgement.decide_as(Whose::Anybodys, named, view, self.now, (Action::Update, all));
                Err(self.decision_problem(&judgement, &refusal, of_anybody.is_err()).into())
            }
        }
    }

    /// Whether a tag is the record's version, as this caller is shown it.
    fn names_version(&self, ready: &Ready, route: &Route, tag: &str, version: Option<&str>, view: &View) -> bool {
        let named = tag.strip_prefix("W/\"").and_then(|rest| rest.strip_suffix('"'));
        let (Some(named), Some(version), Some(permit)) = (named, version, ready.permit.as_ref()) else { return false };
        let action = ready.judgement.route.as_ref().map_or(Action::Update, |reference| reference.action);
        let form = ready.judgement.form_of_ids(action, route, permit, view, self.now);
        ready.judgement.original(named, permit, form).is_ok_and(|original| original.as_deref() == Some(version))
    }

    /// The record as this caller's own read shows it; `None`: it does not.
    pub(super) fn seen(&self, ready: &Ready, held: &Held) -> Result<Option<Seen>, Box<Problem>> {
        let path = validators::path(&ready.target);
        let generation = Arc::clone(&ready.judgement.generation);
        let resolved = generation.catalogue.resolve("GET", path, None);
        let Ok(resolved) = resolved.as_ref().map_err(drop) else { return Ok(None) };
        let whose = match &ready.settled {
            Settled::Person(person) => Whose::Of(person),
            Settled::NoOne { .. } => Whose::NoOnes,
            Settled::Each | Settled::Open => return Ok(None),
        };
        let now = self.gate.now_ms();
        let facts = self.on_file(now, WRITTEN)?;
        let reading = ready.judgement.reading(resolved);
        let Ok(permit) = reading.decide(whose, &facts, now) else { return Ok(None) };
        let as_read = Ready {
            judgement: Arc::new(reading),
            permit: Some(permit),
            settled: match resolved.subject {
                SubjectAt::Entries => Settled::Each,
                SubjectAt::NoOne => Settled::NoOne { count_min: None },
                SubjectAt::Target(_) | SubjectAt::Caller | SubjectAt::Body | SubjectAt::Stored => ready.settled.clone(),
            },
            subjects: Vec::new(),
            target: path.to_owned(),
            body: Bytes::new(),
            condition: None,
            own: None,
            first: None,
            cursor: None,
        };
        let mut parts = Response::new(()).into_parts().0;
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let Ok(filter) = self.filter(&as_read, Action::Read, &parts, None) else { return Ok(None) };
        let Some(mut redactor) = filter.redactor else { return Ok(None) };
        let mut out = Vec::new();
        let done = redactor.push(held.text.as_bytes(), &mut out).and_then(|()| redactor.finish(&mut out));
        let notes: Notes = std::mem::take(&mut *filter.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if notes.blind {
            return Err(Problem::registry_unreadable(WRITTEN).into());
        }
        match done {
            Err(_) => return Err(not_judged().into()),
            Ok(tally) if tally.released != 1 => return Ok(None),
            Ok(_) => {}
        }
        let tagged = held.tag.is_some() && out.len() <= validators::TAGGED_BYTES_MAX; // else a read tells none
        let tag = tagged.then(|| validators::tag_of(&as_read.judgement, path, [out.as_slice()])).flatten();
        let text = String::from_utf8(out).map_err(|_| not_judged())?;
        Ok(Some(Seen { text, tag }))
    }

    /// Whether the caller is shown, as it is, all that the write replaces or finds out.
    fn loses_nothing(&self, ready: &Ready, route: &Route, held: &Held, seen: Option<&Seen>, view: &View) -> bool {
        if route.is_fhir() && !self.sees_what_is_lost(ready, route, &held.record, view) {
            return false;
        }
        let Some(seen) = seen else { return route.is_fhir() };
        let (Some(mut stored), Some(mut shown)) = (Document::read(&held.text), Document::read(&seen.text)) else {
            return false;
        };
        let gate = &self.gate;
        let links = |stored: &str, shown: &str| {
            let rest = stored.strip_prefix(gate.upstream_origin.as_str());
            rest.is_some_and(|rest| shown.strip_prefix(gate.public_prefix.as_str()) == Some(rest))
        };
        let patch = ready.judgement.route.as_ref().and_then(|reference| reference.patch.as_ref());
        if let Some(patch) = patch {
            let touched = |name: &str| merge::shows_at(&stored, &shown, std::iter::once(name), &links);
            return patch.touched.iter().all(|name| touched(name))
                && patch.read.iter().all(|place| merge::shows_at(&stored, &shown, place.steps(), &links));
        }
        if route.is_fhir() {
            merge::without_labels(&stored, &mut shown, &mut Document::Leaf("null"));
            merge::without_versions(&mut stored);
            merge::without_versions(&mut shown);
        }
        merge::shows_all(&stored, &shown, &links)
    }
}

/// What the look at a record found.
enum Looked {
    There,
    /// Nothing, and a `PUT` makes it.
    Nothing,
}

/// The route that reads one record of plain JSON at this path.
fn read_at<'g>(generation: &'g Generation, path: &str) -> Option<&'g Route> {
    generation.catalogue.route("GET", path).filter(|route| route.reads_one_plain())
}

/// Where a stored record says whom it is about: as its read does; where that says nothing a body does, and what is stored is
/// such a body.
fn owner_at<'r>(route: &'r Route, read: Option<&'r Route>) -> Option<&'r SubjectPath> {
    read.and_then(Route::entry_subject).or_else(|| route.entry_subject()).or_else(|| route.body_subject())
}

pub(super) fn unheld() -> Problem {
    let detail = "the backend gives no version that the write could be held to";
    Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", detail)
}
