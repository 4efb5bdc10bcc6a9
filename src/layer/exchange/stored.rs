//! FHIR: a write changes a record that is there already. Whose is it, and would anything that this caller cannot see be lost?
//!
//! The path of `PUT /Condition/{id}` names no person, and a body could name another than the record's: so the backend's own
//! record is read first, and its person judged for the write. Nothing of it leaves. It also tells what a whole write would
//! erase: whatever lies in the record and not in clear before the caller, extensions that no catalogue names among it,
//! refuses the write. The record that was looked at is the one that is written: its version goes along as `If-Match`.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::Value;

use super::asking::Held;
use super::{Exchange, Forward, Out, Ready, validators};
use crate::catalogue::body::{carried, carried_at, of_others, search_in_patch};
use crate::catalogue::patch::patched;
use crate::catalogue::{Pointer, Resolved, Route, SubjectAt};
use crate::layer::entry::Settled;
use crate::layer::judgement::{Judgement, Whose};
use crate::layer::refusal::Problem;
use crate::policy::{Action, Categories, Form};
use crate::registry::View;

impl Exchange {
    /// A patch: what it writes is asked for, what it touches is kept for the look at the record.
    pub(super) async fn read_patch(
        &self,
        judgement: &mut Judgement,
        route: &Route,
        patch: &Value,
    ) -> Result<Option<String>, Box<Out>> {
        let types = judgement.generation.catalogue.types();
        let found = patched(route.body(), types, route.everything(), patch);
        // Whose the record is, is not known yet, and a patch writes the parts that it names: no one's only.
        let others = put_in(types, patch);
        let searched = search_in_patch(patch);
        let subject = route.entry_subject().and_then(|place| place.pointer().steps().next().map(str::to_owned));
        let problem = match found {
            Err(why) => Problem::new(StatusCode::BAD_REQUEST, "body-malformed", why),
            Ok(_) if !others.is_empty() => contained(others),
            Ok(_) if searched.is_some() => searches(&searched.unwrap_or_default()),
            Ok(found) if found.carried.unclassified_count > 0 => unclassified(found.carried.unclassified),
            Ok(found) if found.touched.iter().any(|name| is_fixed(name) || Some(&**name) == subject.as_deref()) => {
                let detail = "a patch changes neither a record's id, nor its type, nor whom it is about";
                Problem::new(StatusCode::BAD_REQUEST, "subject-mismatch", detail)
            }
            Ok(found) => {
                if let Some(reference) = &mut judgement.route {
                    reference.asked = route.asked_by_write(found.carried.categories);
                    reference.patch = Some(Arc::new(found));
                }
                return Ok(None);
            }
        };
        Err(self.refuse(judgement, problem, None, &[]).await)
    }

    /// Looks at the record that is to be changed, and judges the write by it.
    pub(super) async fn judge_stored(
        &self,
        ready: &mut Ready,
        head: &Parts,
        resolved: &Resolved<'_>,
        view: &View,
        forward: &mut Forward,
    ) -> Result<(), Box<Out>> {
        let wanted = match validators::one_tag(&head.headers) {
            Ok(wanted) => wanted,
            Err(problem) => return Err(self.refuse(&ready.judgement, *problem, None, &ready.subjects).await),
        };
        if !self.tests_only_what_is_seen(ready, resolved.route, view) {
            return Err(self.refuse(&ready.judgement, redacted_view(), None, &ready.subjects).await);
        }
        let stored = match self.ask_for_stored(ready, head, forward).await {
            Ok(stored) => stored,
            Err(problem) => return Err(self.refuse(&ready.judgement, *problem, None, &ready.subjects).await),
        };
        let Some(held) = stored else { return self.judge_new(ready, resolved, wanted.is_some(), view).await };
        self.judge_owner(ready, resolved, &held.record, view).await?;
        match self.hold_to(ready, resolved.route, wanted, &held, view) {
            Ok(()) => Ok(()),
            Err(problem) => Err(self.refuse(&ready.judgement, *problem, None, &ready.subjects).await),
        }
    }

    /// The backend's record; `None`: there is none.
    async fn ask_for_stored(
        &self,
        ready: &Ready,
        head: &Parts,
        forward: &mut Forward,
    ) -> Result<Option<Held>, Box<Problem>> {
        let held = self.ask_for_held(ready, head, forward, "application/fhir+json").await?;
        let Some(held) = held else { return Ok(None) };
        let member = |name| held.record.get(name).and_then(Value::as_str);
        let kind = ready.judgement.route().and_then(Route::resource_type);
        if member("resourceType") != kind || member("id") != validators::path(&ready.target).rsplit('/').next() {
            return Err(not_judged().into());
        }
        Ok(Some(held))
    }

    /// There is no such record: a `PUT` makes it, and needs to be allowed to.
    async fn judge_new(
        &self,
        ready: &mut Ready,
        resolved: &Resolved<'_>,
        conditional: bool,
        view: &View,
    ) -> Result<(), Box<Out>> {
        let judgement = Arc::clone(&ready.judgement);
        let names_hidden = judgement.route.as_ref().is_some_and(|reference| reference.names_hidden);
        if self.method != Method::PUT || conditional || names_hidden {
            return Err(self.refuse(&judgement, self.not_available(&judgement), None, &ready.subjects).await);
        }
        self.judge_making(ready, record_id(resolved), view).await
    }

    /// Whose record it is, and whether he may be written about.
    async fn judge_owner(
        &self,
        ready: &mut Ready,
        resolved: &Resolved<'_>,
        record: &Value,
        view: &View,
    ) -> Result<(), Box<Out>> {
        let judgement = Arc::clone(&ready.judgement);
        let Some(place) = resolved.route.entry_subject() else { return Ok(()) }; // of no one, as it was judged
        let owner = place.find(record);
        let other = match (&ready.settled, &owner) {
            (Settled::Person(named), Some(owner)) => named != owner,
            (_, None) => true,
            (Settled::Each | Settled::NoOne { .. } | Settled::Open, Some(_)) => false,
        };
        let sealed = owner.as_ref().map(|owner| self.gate.seal.subject(owner));
        let (Some(owner), Some(Ok(sealed)), false) = (owner, sealed, other) else {
            return Err(self.refuse(&judgement, self.not_available(&judgement), None, &ready.subjects).await);
        };
        ready.subjects = vec![sealed];
        let record = if resolved.subject == SubjectAt::Stored { record_id(resolved) } else { "" };
        match judgement.decide_record(Whose::Of(&owner), record, view, self.now) {
            Ok(permit) => ready.permit = Some(permit),
            Err(refusal) => return Err(self.refuse_decision(&judgement, &refusal, &ready.subjects).await),
        }
        ready.settled = Settled::Person(owner);
        Ok(())
    }

    /// What this caller reads in clear here.
    pub(super) fn clear(&self, ready: &Ready, route: &Route, view: &View) -> Categories {
        let whose = match &ready.settled {
            Settled::Person(person) => Whose::Of(person),
            Settled::NoOne { .. } => Whose::NoOnes,
            Settled::Each | Settled::Open => Whose::Anybodys,
        };
        let all = route.everything();
        let read = ready.judgement.decide_as(whose, "", view, self.now, (Action::Read, all));
        read.map_or(Categories::NONE, |permit| permit.release().having(Form::Clear, all))
    }

    /// A `test` in a patch is a question.
    fn tests_only_what_is_seen(&self, ready: &Ready, route: &Route, view: &View) -> bool {
        let patch = ready.judgement.route.as_ref().and_then(|reference| reference.patch.as_ref());
        patch.is_none_or(|patch| patch.tested.is_empty() || self.clear(ready, route, view).covers(patch.tested))
    }

    /// Whether the caller sees all that the write replaces.
    pub(super) fn sees_what_is_lost(&self, ready: &Ready, route: &Route, record: &Value, view: &View) -> bool {
        let clear = self.clear(ready, route, view);
        let (types, all) = (ready.judgement.generation.catalogue.types(), route.everything());
        let patch = ready.judgement.route.as_ref().and_then(|reference| reference.patch.clone());
        let Some(patch) = patch else {
            let mut record = record.clone();
            // What a server writes itself, at each version.
            if let Some(meta) = record.get_mut("meta").and_then(Value::as_object_mut) {
                meta.retain(|name, _| !matches!(name.as_str(), "lastUpdated" | "source" | "versionId"));
            }
            let found = carried(route.body(), types, all, &record);
            return found.unclassified_count == 0 && clear.covers(found.categories);
        };
        let lost = |name: &str| {
            let (value, place) = (record.get(name)?, Pointer::parse(&format!("/{name}"))?);
            let found = carried_at(route.body(), types, all, &place, value);
            Some(found.unclassified_count > 0 || !clear.covers(found.categories))
        };
        clear.covers(patch.tested) && !patch.touched.iter().any(|name| lost(name).unwrap_or(false))
    }
}

/// A FHIR body is of its route's type, has the id of its path, and was not cut by a gate.
///
/// `merges`: what is put back says itself that it was cut.
pub(super) fn fhir_body(resolved: &Resolved<'_>, body: &Value, merges: bool) -> Result<(), Box<Problem>> {
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    if member("resourceType") != resolved.route.resource_type() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "body-malformed", "the body is of another type").into());
    }
    if resolved.subject == SubjectAt::Stored || (resolved.action == Action::Update && resolved.route.is_of_no_one()) {
        let named = resolved.ids.first().map(|named| named.id.as_str());
        if member("id") != named {
            let detail = "the body has another `id` than the path";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "subject-mismatch", detail).into());
        }
    }
    if !merges && says_cut(body) { Err(redacted_view().into()) } else { Ok(()) }
}

/// Whether a resource says itself that it is part of one.
pub(super) fn says_cut(body: &Value) -> bool {
    let labels = ["/meta/security", "/meta/tag"].into_iter().filter_map(|place| body.pointer(place)?.as_array());
    let cut = |label: &Value| matches!(label.get("code").and_then(Value::as_str), Some("REDACTED" | "SUBSETTED"));
    labels.flatten().any(cut)
}

fn record_id<'r>(resolved: &'r Resolved<'_>) -> &'r str {
    resolved.ids.first().map_or("", |named| named.id.as_str())
}

/// Members that make a record what it is.
fn is_fixed(name: &str) -> bool {
    matches!(name, "id" | "resourceType" | "meta")
}

/// The members of the record into which a patch puts records of persons.
fn put_in(types: &crate::catalogue::Types, patch: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for operation in patch.as_array().into_iter().flatten() {
        if of_others(types, operation, None).is_empty() {
            continue;
        }
        let place = operation.get("path").and_then(Value::as_str).and_then(Pointer::parse);
        let member = place.as_ref().and_then(|place| place.steps().next());
        let plain = member.filter(|name| name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric()));
        let shown = plain.map_or_else(|| "/*".to_owned(), |name| format!("/{name}"));
        if !found.contains(&shown) {
            found.push(shown);
        }
    }
    found
}

fn unclassified(places: Vec<String>) -> Problem {
    let detail = "the body has members that the catalogue does not name; nothing was written";
    let mut problem = Problem::new(StatusCode::FORBIDDEN, "unclassified-fields", detail);
    problem.names.push(("fields", places));
    problem
}

/// Something inside the body is about somebody else than the record that is written, who was not judged.
pub(super) fn contained(places: Vec<String>) -> Problem {
    let detail = "what is contained in the body is not about the person of the record; nothing was written";
    let mut problem = Problem::new(StatusCode::FORBIDDEN, "contained-of-another", detail);
    problem.names.push(("fields", places));
    problem
}

/// A search stands where a record is to be named: the backend would make it, and nobody has judged it.
pub(super) fn searches(place: &str) -> Problem {
    let mut problem = Problem::new(
        StatusCode::BAD_REQUEST,
        "reference-searches",
        "a reference names a record by its id; a search in its place is not made. Nothing was written",
    );
    problem.names.push(("fields", vec![place.chars().filter(|c| !c.is_control()).take(128).collect()]));
    problem
}

pub(super) fn redacted_view() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "write-from-redacted-view",
        "this caller sees only part of the record, and the write would erase or find out the rest",
    )
}

pub(super) fn not_judged() -> Problem {
    Problem::bad_gateway("body-not-judged", "the record that is to be changed cannot be judged")
}
