//! Steps 6 and 7: whose record is it, what does a write carry, and may this caller have it?

use super::asking::RELEASED;
use super::stored::{contained, fhir_body, says_cut, searches};
use super::{Exchange, Forward, Out, Ready, target};
use std::borrow::Cow;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};

use crate::catalogue::body::{carried, of_others, search_in_reference};
use crate::catalogue::{Part, Resolved, Route, Shape, SubjectAt};
use crate::decision::{Permit, Reason, Refusal, json};
use crate::layer::entry::Settled;
use crate::layer::judgement::{Judgement, Whose};
use crate::layer::refusal::Problem;
use crate::layer::releasing::shows_everything;
use crate::policy::{Action, Form, Moment};
use crate::redact::Unkept;

impl Exchange {
    /// What the head alone refuses: nobody is asked for a body of which nothing could be permitted.
    pub(super) async fn judge_head(&self, judgement: &mut Judgement, resolved: &Resolved<'_>) -> Result<(), Box<Out>> {
        let view = match self.on_file(self.now, RELEASED) {
            Ok(view) => view,
            Err(problem) => return Err(self.refuse(judgement, *problem, None, &[]).await),
        };
        judgement.view = Some(Arc::clone(&view));
        let whose = if resolved.subject == SubjectAt::NoOne { Whose::NoOnes } else { Whose::Anybodys };
        // Whatever the body holds: these reasons look at none of it.
        let by_the_head =
            |refusal: &Refusal| refusal.reasons.iter().next().is_some_and(|r| r <= Reason::ActionNotPermitted);
        match judgement.decide_as(whose, "", &view, self.now, (resolved.action, resolved.asked)) {
            Err(refusal) if by_the_head(&refusal) => Err(self.refuse_decision(judgement, &refusal, &[]).await),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Steps 6 and 7: the facts, the route, and the subject where it is known already.
    pub(super) async fn judge_subject(
        &self,
        mut judgement: Judgement,
        head: &Parts,
        resolved: &Resolved<'_>,
        body: Bytes,
        forward: &mut Forward,
    ) -> Result<Ready, Box<Out>> {
        let view = match self.on_file(self.now, RELEASED) {
            Ok(view) => view,
            Err(problem) => return Err(self.refuse(&judgement, *problem, None, &[]).await),
        };
        judgement.view = Some(Arc::clone(&view));
        let named_in_body = self.read_write(&mut judgement, resolved, &body, &view).await?;
        // Records of no one have no subject to wait for: what is on file of the caller counts at once.
        let whose = if resolved.subject == SubjectAt::NoOne { Whose::NoOnes } else { Whose::Anybodys };
        let general = match judgement.decide(whose, &view, self.now) {
            Ok(permit) => permit,
            Err(refusal) => return Err(self.refuse_decision(&judgement, &refusal, &[]).await),
        };
        let named = match (&resolved.subject, &named_in_body) {
            (SubjectAt::Target(named), _) => Some(named.id.clone()),
            (SubjectAt::Caller, _) => Some(judgement.caller.id.clone()),
            (SubjectAt::Body | SubjectAt::Stored, Some(subject)) => Some(subject.clone()),
            (SubjectAt::Stored, None) if self.method != Method::PUT => None,
            (SubjectAt::Body | SubjectAt::Stored, None) => {
                let problem =
                    Problem::new(StatusCode::BAD_REQUEST, "subject-missing", "the body does not say whom it is about");
                return Err(self.refuse(&judgement, problem, None, &[]).await);
            }
            (SubjectAt::Entries | SubjectAt::NoOne, _) => None,
        };
        let cells = resolved.route.certified().and_then(|certified| certified.cells.as_ref());
        let mut ready = Ready {
            target: target(head),
            settled: match resolved.subject {
                SubjectAt::NoOne => Settled::NoOne { count_min: cells.map(|cells| cells.count_min) },
                _ => Settled::Each, // a person, once the name was resolved
            },
            permit: Some(general),
            subjects: Vec::new(),
            judgement: Arc::new(judgement),
            body,
            condition: None,
            own: None,
            first: None,
            cursor: None,
        };
        self.refuse_if_not_whole(&ready).await?;
        let ids = (&general, ready.judgement.form_of_ids(resolved.action, resolved.route, &general, &view, self.now));
        let mut replaced = self.other_ids(&ready, resolved, ids).await?;
        if let Some(named) = named {
            let in_body = named_in_body.as_deref();
            replaced.extend(self.judge_named(&mut ready, resolved, &named, in_body, ids, &view).await?);
        }
        let (in_form, in_target): (Vec<_>, Vec<_>) = replaced.into_iter().partition(|(part, ..)| *part == Part::Form);
        ready.target = put_back(&ready.target, in_target);
        if !in_form.is_empty() {
            let form = std::str::from_utf8(&ready.body).unwrap_or_default();
            ready.body = Bytes::from(put_back(form, in_form));
        }
        if let Some(asks_too) = resolved.route.dicom().and_then(|dicom| dicom.asks_too.as_deref()) {
            let target = ready.target.trim_end_matches(['?', '&']);
            let sign = if target.contains('?') { '&' } else { '?' };
            ready.target = format!("{target}{sign}{asks_too}");
        }
        if ready.judgement.route.as_ref().is_some_and(|route| route.replaces) && !self.merges(resolved.route) {
            self.refuse_redacted_view(&ready, resolved.route, &view).await?;
        }
        if self.dry_run {
            return Err(self.dry_run(&ready).await);
        }
        if resolved.route.changes_record() {
            // Boxed, for whoever asks nothing of it is not to carry its size.
            let judged: Pin<Box<dyn Future<Output = Result<(), Box<Out>>> + Send + '_>> =
                Box::pin(self.judge_stored(&mut ready, head, resolved, &view, forward));
            judged.await?;
        } else if resolved.action.writes() || resolved.action == Action::Delete {
            let judged: Pin<Box<dyn Future<Output = Result<(), Box<Out>>> + Send + '_>> =
                Box::pin(self.judge_held(&mut ready, head, resolved, &view, forward));
            judged.await?;
        }
        Ok(ready)
    }

    /// What cannot be read inside leaves whole or not at all: who could have only part of it, of anybody's or of this
    /// person's, is told so before the backend is asked. That it is this person's, outsiders are not told.
    async fn refuse_if_not_whole(&self, ready: &Ready) -> Result<(), Box<Out>> {
        let judgement = &ready.judgement;
        let Some(route) = judgement.route().filter(|route| route.shape() == Shape::Opaque) else { return Ok(()) };
        let reads = judgement.route.as_ref().is_some_and(|reference| reference.action.releases());
        if !reads || ready.permit.as_ref().is_some_and(|permit| shows_everything(route, permit)) {
            return Ok(());
        }
        let detail = "this cannot be read inside, and not all that it may hold may be released to this caller in clear";
        let problem = match ready.settled {
            Settled::Person(_) if self.hides(judgement) => self.not_available(judgement),
            Settled::Person(_) | Settled::Each | Settled::NoOne { .. } | Settled::Open => {
                Problem::new(StatusCode::FORBIDDEN, "not-whole", detail)
            }
        };
        Err(self.refuse(judgement, problem, None, &ready.subjects).await)
    }

    /// Ids of other records in the path: pseudonyms, where ids are not shown.
    pub(super) async fn other_ids(
        &self,
        ready: &Ready,
        resolved: &Resolved<'_>,
        (general, form): (&Permit, Form),
    ) -> Result<Vec<(Part, Range<usize>, String)>, Box<Out>> {
        let mut replaced = Vec::new();
        for named in &resolved.ids {
            match ready.judgement.original(&named.id, general, form) {
                Ok(Some(original)) if *original == *named.id => {}
                Ok(Some(original)) => replaced.push((named.part, named.raw.clone(), original.into_owned())),
                Ok(None) => {
                    return Err(self.refuse(&ready.judgement, self.not_available(&ready.judgement), None, &[]).await);
                }
                Err(Unkept) => return Err(self.refuse(&ready.judgement, unreadable(), None, &[]).await),
            }
        }
        Ok(replaced)
    }

    /// A subject named by path, query, body or token: resolved from a pseudonym where ids are not shown, then judged.
    pub(super) async fn judge_named(
        &self,
        ready: &mut Ready,
        resolved: &Resolved<'_>,
        named: &str,
        in_body: Option<&str>,
        (general, form): (&Permit, Form),
        view: &crate::registry::View,
    ) -> Result<Option<(Part, Range<usize>, String)>, Box<Out>> {
        let judgement = Arc::clone(&ready.judgement);
        let original = match &resolved.subject {
            SubjectAt::Caller => Ok(Some(Cow::Borrowed(named))),
            // The person names his own record by his own id.
            _ if judgement.caller.is_principal() => Ok(Some(Cow::Borrowed(named))),
            _ => judgement.original(named, general, form),
        };
        let Ok(original) = original else {
            return Err(self.refuse(&judgement, unreadable(), None, &[]).await);
        };
        let Some(original) = original.filter(|id| crate::catalogue::is_subject_id(id)) else {
            return Err(self.refuse(&judgement, self.not_available(&judgement), None, &[]).await);
        };
        if in_body.is_some_and(|other| other != named) {
            let problem = Problem::new(
                StatusCode::BAD_REQUEST,
                "subject-mismatch",
                "the body is about another person than the path",
            );
            return Err(self.refuse(&judgement, problem, None, &[]).await);
        }
        let record = record_named(&judgement, resolved, (general, form));
        self.judge_person(ready, &original, &record, view, self.now).await?;
        let original = original.into_owned();
        let replaced = match &resolved.subject {
            SubjectAt::Target(place) if original != place.id => Some((place.part, place.raw.clone(), original)),
            SubjectAt::Target(_)
            | SubjectAt::Body
            | SubjectAt::Stored
            | SubjectAt::Entries
            | SubjectAt::Caller
            | SubjectAt::NoOne => None,
        };
        Ok(replaced)
    }

    /// Whose record it is, is known: may this caller have it?
    pub(super) async fn judge_person(
        &self,
        ready: &mut Ready,
        original: &str,
        record: &str,
        view: &crate::registry::View,
        now: Moment,
    ) -> Result<(), Box<Out>> {
        let judgement = Arc::clone(&ready.judgement);
        let Ok(sealed) = self.gate.seal.subject(original) else {
            return Err(self.refuse(&judgement, self.not_available(&judgement), None, &[]).await);
        };
        ready.subjects = vec![sealed];
        match judgement.decide_record(Whose::Of(original), record, view, now) {
            // A dry run asks no backend whether there is such a person: to outsiders it may not tell one who is on file
            // from one whom nobody knows, and tells what could be answered about anybody.
            Ok(_) | Err(_) if self.dry_run && self.hides(&judgement) => {}
            Ok(permit) => ready.permit = Some(permit),
            Err(refusal) => return Err(self.refuse_decision(&judgement, &refusal, &ready.subjects).await),
        }
        ready.settled = Settled::Person(original.to_owned());
        self.refuse_if_not_whole(ready).await
    }

    /// A write's body: read strictly, its categories asked for, its subject found.
    pub(super) async fn read_write(
        &self,
        judgement: &mut Judgement,
        resolved: &Resolved<'_>,
        body: &Bytes,
        view: &crate::registry::View,
    ) -> Result<Option<String>, Box<Out>> {
        let (route, action) = (resolved.route, resolved.action);
        if !action.writes() {
            return Ok(None);
        }
        let parsed = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned()).and_then(json::parse);
        let value = match parsed {
            Ok(value) => value,
            Err(why) => {
                let problem = Problem::new(
                    StatusCode::BAD_REQUEST,
                    "body-malformed",
                    format!("the body is no strict JSON: {why}"),
                );
                return Err(self.refuse(judgement, problem, None, &[]).await);
            }
        };
        if route.is_fhir() && self.method == Method::PATCH {
            return self.read_patch(judgement, route, &value).await;
        }
        if let Some(place) = search_in_reference(&value).filter(|_| route.is_fhir()) {
            return Err(self.refuse(judgement, searches(&place), None, &[]).await);
        }
        if route.is_fhir()
            && let Err(problem) = fhir_body(resolved, &value, self.merges(route))
        {
            return Err(self.refuse(judgement, *problem, None, &[]).await);
        }
        let types = judgement.generation.catalogue.types();
        let found = carried(route.body(), types, route.everything(), &value);
        if found.unclassified_count > 0 && !self.merges(route) {
            let mut problem = Problem::new(
                StatusCode::FORBIDDEN,
                "unclassified-fields",
                "the body has members that the catalogue does not name; nothing was written",
            );
            problem.names.push(("fields", found.unclassified));
            return Err(self.refuse(judgement, problem, None, &[]).await);
        }
        if let Some(reference) = &mut judgement.route {
            reference.asked = route.asked_by_write(found.categories);
            // An array is written whole, by PATCH too: what the caller could not see in it would be gone.
            let whole = self.method == Method::PUT || holds_array(&value);
            reference.replaces = action == Action::Update && whole && !route.is_fhir(); // there the record is looked at
        }
        let named = route.body_subject().and_then(|path| path.find(&value));
        let others = of_others(types, &value, named.as_deref());
        if route.is_fhir() && !others.is_empty() {
            return Err(self.refuse(judgement, contained(others), None, &[]).await);
        }
        if self.merges(route) {
            let cut = found.unclassified_count > 0 || (route.is_fhir() && says_cut(&value));
            self.leave_out_hidden(judgement, route, view, cut);
        }
        let Some(path) = route.body_subject() else { return Ok(None) };
        // Somebody is named whom the gate cannot read, and the backend perhaps can (`["b"]`, `2.0`, `{}`); or nobody, which
        // would take the record from the person that it is about (`null`).
        if named.is_none() && path.pointer().find(&value).into_iter().next().is_some() {
            let problem =
                Problem::new(StatusCode::BAD_REQUEST, "subject-mismatch", "the body does not name its subject clearly");
            return Err(self.refuse(judgement, problem, None, &[]).await);
        }
        Ok(named)
    }

    /// A PUT, or an array, replaces what the caller may not have seen: it needs a view in which nothing was cut.
    pub(super) async fn refuse_redacted_view(
        &self,
        ready: &Ready,
        route: &Route,
        view: &crate::registry::View,
    ) -> Result<(), Box<Out>> {
        let whose = match &ready.settled {
            Settled::Person(person) if !(self.dry_run && self.hides(&ready.judgement)) => Whose::Of(person),
            Settled::Person(_) | Settled::Each | Settled::NoOne { .. } | Settled::Open => Whose::Anybodys,
        };
        let all = route.everything();
        let whole = |whose: Whose<'_>| {
            let read = ready.judgement.decide_as(whose, "", view, self.now, (Action::Read, all));
            read.is_ok_and(|permit| permit.release().having(Form::Clear, all) == all)
        };
        if whole(whose) {
            return Ok(());
        }
        let detail = "this caller sees only part of the record, and a whole write would erase the rest";
        let problem = match self.hides(&ready.judgement) && whole(Whose::Anybodys) {
            true => self.not_available(&ready.judgement),
            false => Problem::new(StatusCode::FORBIDDEN, "write-from-redacted-view", detail),
        };
        Err(self.refuse(&ready.judgement, problem, None, &ready.subjects).await)
    }
}

/// The target, or the form, with original ids in the places of their pseudonyms, each as one percent-encoded segment or value.
pub(super) fn put_back(target: &str, mut replaced: Vec<(Part, Range<usize>, String)>) -> String {
    let query = target.find('?').map_or(0, |at| at + 1);
    let offset = |part| if part == Part::Query { query } else { 0 };
    replaced.sort_by_key(|(part, raw, _)| std::cmp::Reverse(raw.start + offset(*part)));
    let mut target = target.to_owned();
    for (part, raw, original) in replaced {
        let encoded = percent_encoding::utf8_percent_encode(&original, percent_encoding::NON_ALPHANUMERIC);
        let encoded =
            encoded.to_string().replace("%2D", "-").replace("%2E", ".").replace("%5F", "_").replace("%7E", "~");
        let (start, end) = (raw.start + offset(part), raw.end + offset(part));
        target = format!("{}{encoded}{}", target.get(..start).unwrap_or(""), target.get(end..).unwrap_or(""));
    }
    target
}

/// The record that the path names beneath its subject (`/patients/{patient}/exams/{exam}`), which a relation on file may
/// be limited to; empty where it names none or several. The answer is judged again for the record that it holds.
fn record_named<'r>(
    judgement: &Judgement,
    resolved: &'r Resolved<'_>,
    (general, form): (&Permit, Form),
) -> Cow<'r, str> {
    match (resolved.route.shape(), resolved.ids.as_slice()) {
        // That it can be told was found out before, with the path's ids.
        (Shape::Object, [only]) => judgement.original(&only.id, general, form).ok().flatten().unwrap_or_default(),
        _ => Cow::Borrowed(""),
    }
}

/// What pseudonyms stand for cannot be read: whether a name is one cannot be told.
fn unreadable() -> Problem {
    Problem::unavailable("pseudonyms-unreadable", "what pseudonyms stand for cannot be read; nothing is released")
}

fn holds_array(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(_) => true,
        serde_json::Value::Object(members) => members.values().any(holds_array),
        _ => false,
    }
}
