//! FHIR: a write changes a record that is there already. Whose is it, and would anything that this caller cannot see be lost?
//!
//! The path of `PUT /Condition/{id}` names no person, and a body could name another than the record's: so the backend's own
//! record is read first, and its person judged for the write. Nothing of it leaves. It also tells what a whole write would
//! erase: whatever lies in the record and not in clear before the caller, extensions that no catalogue names among it,
//! refuses the write. The record that was looked at is the one that is written: its version goes along as `If-Match`.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use super::release::{unanswered, upstream_problem};
use super::{Exchange, Forward, Out, Ready, caught, panicked};
use crate::catalogue::body::{carried, carried_at};
use crate::catalogue::patch::patched;
use crate::catalogue::{Pointer, Resolved, Route, SubjectAt};
use crate::decision::json;
use crate::layer::entry::Settled;
use crate::layer::headers;
use crate::layer::judgement::{Judgement, Whose};
use crate::layer::pump::Upstream;
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
        let subject = route.entry_subject().and_then(|place| place.pointer().steps().next().map(str::to_owned));
        let problem = match found {
            Err(why) => Problem::new(StatusCode::BAD_REQUEST, "body-malformed", why),
            Ok(found) if found.carried.unclassified_count > 0 => unclassified(found.carried.unclassified),
            Ok(found) if found.touched.iter().any(|name| is_fixed(name) || Some(&**name) == subject.as_deref()) => {
                let detail = "a patch changes neither a record's id, nor its type, nor whom it is about";
                Problem::new(StatusCode::BAD_REQUEST, "subject-mismatch", detail)
            }
            Ok(found) => {
                if let Some(reference) = &mut judgement.route {
                    reference.asked = found.carried.categories;
                    reference.patch = Some(Arc::new((found.tested, found.touched)));
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
        let wanted = match wanted_version(&head.headers) {
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
        let Some((record, tag)) = stored else { return self.judge_new(ready, resolved, wanted.is_some(), view).await };
        self.judge_owner(ready, resolved, &record, view).await?;
        let version = record.pointer("/meta/versionId").and_then(Value::as_str);
        let problem = if wanted.is_some_and(|wanted| wanted != "*" && version != Some(wanted.as_str())) {
            Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "the record has another version by now",
            )
        } else if resolved.action == Action::Update && !self.sees_what_is_lost(ready, resolved.route, &record, view) {
            redacted_view()
        } else {
            let of_version = version.filter(|v| super::is_version(v)).map(|v| format!("W/\"{v}\""));
            ready.condition = tag.or(of_version);
            return Ok(());
        };
        Err(self.refuse(&ready.judgement, problem, None, &ready.subjects).await)
    }

    /// The backend's record and its tag; `None`: there is none.
    async fn ask_for_stored(
        &self,
        ready: &Ready,
        head: &Parts,
        forward: &mut Forward,
    ) -> Result<Option<(Value, Option<String>)>, Box<Problem>> {
        let path = ready.target.split('?').next().unwrap_or("");
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = path.parse().map_err(|_| not_judged())?;
        *request.headers_mut() = headers::inward(&head.headers, head.version, "application/fhir+json", false);
        let answered = caught(async { forward(request).await }).await.ok_or_else(panicked)?;
        let (parts, body) = answered.map_err(|error| unanswered(&error))?.into_parts();
        if matches!(parts.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(None);
        }
        if let Some(problem) = upstream_problem(parts.status) {
            return Err(problem.into());
        }
        let readable = headers::media_type(&parts.headers).as_deref().is_some_and(headers::is_json);
        if !readable || parts.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(not_judged().into());
        }
        let bytes = whole(body, self.gate.limits.request_body_bytes_max).await.ok_or_else(not_judged)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| not_judged())?;
        let record = json::parse(text).map_err(|_| not_judged())?;
        let member = |name| record.get(name).and_then(Value::as_str);
        let kind = ready.judgement.route().and_then(Route::resource_type);
        if member("resourceType") != kind || member("id") != path.rsplit('/').next() {
            return Err(not_judged().into());
        }
        let tag = parts.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Ok(Some((record, tag.filter(|tag| tag.starts_with("W/\"")))))
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
        if self.method != Method::PUT || conditional {
            return Err(self.refuse(&judgement, self.not_available(&judgement), None, &ready.subjects).await);
        }
        let whose = match &ready.settled {
            Settled::Person(person) => Whose::Of(person),
            Settled::NoOne { .. } => Whose::NoOnes,
            Settled::Each | Settled::Open => {
                return Err(self.refuse(&judgement, self.not_available(&judgement), None, &[]).await);
            }
        };
        let asked = judgement.route.as_ref().map_or(Categories::ALL, |reference| reference.asked);
        match judgement.decide_as(whose, record_id(resolved), view, self.now, (Action::Create, asked)) {
            Ok(_) => Ok(()),
            Err(refusal) => Err(self.refuse_decision(&judgement, &refusal, &ready.subjects).await),
        }
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
    fn clear(&self, ready: &Ready, route: &Route, view: &View) -> Categories {
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
        patch.is_none_or(|patch| patch.0.is_empty() || self.clear(ready, route, view).covers(patch.0))
    }

    /// Whether the caller sees all that the write replaces.
    fn sees_what_is_lost(&self, ready: &Ready, route: &Route, record: &Value, view: &View) -> bool {
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
        clear.covers(patch.0) && !patch.1.iter().any(|name| lost(name).unwrap_or(false))
    }
}

/// All of a body; `None`: it broke off, or is longer than this.
pub(super) async fn whole(mut body: Upstream, bytes_max: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.ok()?.into_data().unwrap_or_default();
        if bytes.len().saturating_add(data.len()) > bytes_max {
            return None;
        }
        bytes.extend_from_slice(&data);
    }
    Some(bytes)
}

/// A FHIR body is of its route's type, has the id of its path, and was not cut by a gate.
pub(super) fn fhir_body(resolved: &Resolved<'_>, body: &Value) -> Result<(), Box<Problem>> {
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
    let labels = ["/meta/security", "/meta/tag"].into_iter().filter_map(|place| body.pointer(place)?.as_array());
    let cut = |label: &Value| matches!(label.get("code").and_then(Value::as_str), Some("REDACTED" | "SUBSETTED"));
    if labels.flatten().any(cut) { Err(redacted_view().into()) } else { Ok(()) }
}

/// The version that `If-Match` asks for; other conditions are answered by nobody here, and so refused.
fn wanted_version(fields: &HeaderMap) -> Result<Option<String>, Box<Problem>> {
    let mut values = fields.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let version = text.and_then(|text| match text {
        "*" => Some(text),
        _ => text.strip_prefix("W/\"")?.strip_suffix('"').filter(|version| super::is_version(version)),
    });
    let version = version.ok_or_else(|| {
        let detail = "`If-Match` is one version of the record, `W/\"…\"`";
        Problem::new(StatusCode::BAD_REQUEST, "condition-refused", detail)
    })?;
    Ok(Some(version.to_owned()))
}

fn record_id<'r>(resolved: &'r Resolved<'_>) -> &'r str {
    resolved.ids.first().map_or("", |named| named.id.as_str())
}

/// Members that make a record what it is.
fn is_fixed(name: &str) -> bool {
    matches!(name, "id" | "resourceType" | "meta")
}

fn unclassified(places: Vec<String>) -> Problem {
    let detail = "the body has members that the catalogue does not name; nothing was written";
    let mut problem = Problem::new(StatusCode::FORBIDDEN, "unclassified-fields", detail);
    problem.names.push(("fields", places));
    problem
}

fn redacted_view() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "write-from-redacted-view",
        "this caller sees only part of the record, and the write would erase or find out the rest",
    )
}

fn not_judged() -> Problem {
    Problem::bad_gateway("body-not-judged", "the record that is to be changed cannot be judged")
}
