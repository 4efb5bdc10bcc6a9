//! FHIR: a write on a condition (`If-None-Exist`, `PUT /Type?…`). Which record is meant is found out here, and never by the backend.
//!
//! A condition is a question: whoever may write learns from the answer whether something is there that he may not see. So the
//! backend is not sent it. In order:
//! 1. The condition is a search, judged and charged as one by the same purpose: what it compares has to be clear to this
//!    caller, else it is refused by name. It is about the person whom the write is about and nobody else, named by the
//!    caller or, from the body, by the gate. Ids have to be clear too: which record it is, is what is found out.
//! 2. The gate searches. Each match has to name that person, and is judged like a read of it.
//! 3. None: the record is created. One: that record is written, of that version, or, of `If-None-Exist`, read. More: 412.
//!
//! What goes on from here is an unconditional request, judged from its beginning as if the caller had made it. All that is
//! refused by the request alone is refused before anything is searched.

mod found;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::Value;

use self::found::{matches_in, search_for, settled};
use super::asking::{Question, RELEASED, ask};
use super::{Exchange, Forward, Out, Ready};
use crate::catalogue::{Catalogue, Route, SubjectPath};
use crate::decision::{Reason, json};
use crate::layer::body::BoxError;
use crate::layer::entry::Settled;
use crate::layer::headers;
use crate::layer::judgement::{RouteRef, Whose};
use crate::layer::refusal::Problem;
use crate::policy::{Categories, Form};

/// The field of a conditional create.
const IF_NONE_EXIST: &str = "if-none-exist";

/// The one record that fits.
struct Match {
    id: String,
    version: Option<String>,
}

/// Whether this request is a write on a condition.
pub(super) fn is_conditional(catalogue: &Catalogue, head: &Parts) -> bool {
    let path = head.uri.path();
    match head.method {
        Method::POST => {
            let creates = catalogue.route("POST", path).is_some_and(|route| route.is_fhir() && !route.takes_form());
            creates && head.headers.contains_key(IF_NONE_EXIST)
        }
        Method::PUT | Method::PATCH | Method::DELETE => {
            let asks = head.uri.query().is_some_and(|query| !query.is_empty());
            asks && searched(catalogue, path).is_some() && written(catalogue, head).is_some()
        }
        _ => false,
    }
}

fn searched<'c>(catalogue: &'c Catalogue, path: &str) -> Option<&'c Route> {
    catalogue.route("GET", path).filter(|route| route.is_fhir() && route.names_type_searched())
}

/// The route of the write, once the record's id is known.
fn written<'c>(catalogue: &'c Catalogue, head: &Parts) -> Option<&'c Route> {
    let (method, path) = (head.method.as_str(), head.uri.path());
    match head.method {
        Method::POST => catalogue.route(method, path),
        _ => catalogue.route(method, &format!("{path}/x")).filter(|route| route.is_fhir()),
    }
}

impl Exchange {
    /// The unconditional request that a conditional one comes to.
    pub(super) async fn settle_condition<B>(
        &mut self,
        head: &Parts,
        body: B,
        forward: &mut Forward,
    ) -> Result<(Parts, Bytes), Box<Out>>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        if headers::connection_names_what_is_checked(&head.headers) {
            let detail = "`Connection` names a field that the gate checks";
            return Err(self.strange(Problem::new(StatusCode::BAD_REQUEST, "connection-field", detail)));
        }
        let mut judgement = self.identify(head)?;
        self.fhir = true;
        self.declare(head, &mut judgement).await?;
        self.check_declared(&mut judgement).await?;
        let generation = Arc::clone(&judgement.generation);
        let catalogue = &generation.catalogue;
        let asked = match self.condition(head) {
            Ok(asked) => asked,
            Err(problem) => return Err(self.refuse(&judgement, *problem, None, &[]).await),
        };
        let Some(route) = written(catalogue, head) else {
            let problem = Problem::new(StatusCode::NOT_FOUND, "no-such-route", "no route has this path");
            return Err(self.refuse(&judgement, problem, None, &[]).await);
        };
        let action = route.methods().find(|(method, _)| *method == head.method.as_str()).map(|(_, action)| action);
        judgement.route =
            action.map(|action| RouteRef::new(&generation, route, action, route.everything(), Categories::NONE));
        let body = match head.method {
            Method::DELETE => Bytes::new(),
            _ => {
                // As of the write alone: nobody is asked for a body of which nothing could be permitted.
                let path = head.uri.path();
                let alone = if head.method == Method::POST { path.to_owned() } else { format!("{path}/x") };
                if let Ok(resolved) = catalogue.resolve(head.method.as_str(), &alone, None) {
                    self.judge_head(&mut judgement, &resolved).await?;
                }
                self.read_body(&judgement, head, body).await?
            }
        };
        let named = match self.named_in(head, route, &body) {
            Ok(named) => named,
            Err(problem) => return Err(self.refuse(&judgement, *problem, None, &[]).await),
        };
        let path = head.uri.path().to_owned();
        let (search, resolved) = match search_for(catalogue, &path, asked, route, named.as_ref()) {
            Ok(found) => found,
            Err(problem) => return Err(self.refuse(&judgement, *problem, None, &[]).await),
        };
        judgement.route = Some(RouteRef::of(&generation, &resolved));
        let mut asking = head.clone();
        asking.method = Method::GET;
        if let Ok(uri) = search.parse() {
            asking.uri = uri;
        }
        self.now = self.gate.now_ms(); // a body may arrive slowly
        let ready = self.judge_subject(judgement, &asking, &resolved, Bytes::new(), forward).await?;
        self.refuse_hidden_ids(&ready, head).await?;
        let found = match self.matches(&ready, &asking, resolved.route, forward).await {
            Ok(found) => found,
            Err(problem) => return Err(self.refuse(&ready.judgement, *problem, None, &ready.subjects).await),
        };
        self.judge_matches(&ready, &found).await?;
        let own_id = named.and_then(|named| named.id);
        match settled(head, &path, body, found, own_id.as_deref()) {
            Ok((head, body)) => {
                self.method = head.method.clone();
                Ok((head, body))
            }
            Err(None) => {
                let problem = self.not_available(&ready.judgement);
                Err(self.refuse(&ready.judgement, problem, None, &ready.subjects).await)
            }
            Err(Some(problem)) => Err(self.refuse(&ready.judgement, *problem, None, &ready.subjects).await),
        }
    }

    /// The condition as it is written.
    fn condition<'h>(&self, head: &'h Parts) -> Result<&'h str, Box<Problem>> {
        if self.dry_run {
            return Err(refused("a dry run asks no backend, and only there is what a condition means"));
        }
        let others = headers::CONDITIONS.iter().filter(|name| !matches!(**name, "if-match" | IF_NONE_EXIST));
        let creates = head.method == Method::POST;
        let of_create = ["if-match"].iter().filter(|_| creates);
        let of_others = [IF_NONE_EXIST].iter().filter(|_| !creates);
        if let Some(name) = others.chain(of_create).chain(of_others).find(|name| head.headers.contains_key(**name)) {
            return Err(refused(&format!("`{name}` does not go with this condition")));
        }
        if !creates {
            return Ok(head.uri.query().unwrap_or_default());
        }
        if head.uri.query().is_some() {
            return Err(refused("a create takes its condition in `If-None-Exist` alone"));
        }
        let mut values = head.headers.get_all(IF_NONE_EXIST).iter();
        let value = values.next().and_then(|value| value.to_str().ok()).filter(|_| values.next().is_none());
        let value = value.map(|value| value.strip_prefix('?').unwrap_or(value)).filter(|value| !value.is_empty());
        value.ok_or_else(|| refused("`If-None-Exist` is one search, `identifier=…`"))
    }

    /// Whom the body is about, and which record it says that it is.
    fn named_in(&self, head: &Parts, route: &Route, body: &[u8]) -> Result<Option<InBody>, Box<Problem>> {
        if !matches!(head.method, Method::POST | Method::PUT) {
            return Ok(None);
        }
        let malformed = |why: &str| Box::new(Problem::new(StatusCode::BAD_REQUEST, "body-malformed", why));
        let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8"))?;
        let value = json::parse(text).map_err(|why| malformed(&format!("the body is no strict JSON: {why}")))?;
        if value.get("resourceType").and_then(Value::as_str) != route.resource_type() {
            return Err(malformed("the body is of another type"));
        }
        let person = route.body_subject().and_then(|place| place.find(&value));
        if person.is_none() && route.body_subject().is_some_and(SubjectPath::is_reference) {
            let detail = "the body does not say whom it is about";
            return Err(Box::new(Problem::new(StatusCode::BAD_REQUEST, "subject-missing", detail)));
        }
        let id = match value.get("id") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(malformed("`id` is a text")),
        };
        Ok(Some(InBody { person, id }))
    }

    /// Where ids are not clear to the caller, a condition would tell which of them is whose.
    async fn refuse_hidden_ids(&self, ready: &Ready, head: &Parts) -> Result<(), Box<Out>> {
        let shown = ready.permit.as_ref().is_some_and(|permit| ready.judgement.form_of_id(permit) == Form::Clear);
        if shown {
            return Ok(());
        }
        let reason = Reason::SearchNotPermitted;
        let parameter = if head.method == Method::POST { "If-None-Exist" } else { "_id" };
        let mut problem =
            Problem::new(StatusCode::FORBIDDEN, reason.code(), format!("{}: `{parameter}`", reason.detail()));
        problem.names.push(("parameters", vec![parameter.to_owned()]));
        Err(self.refuse(&ready.judgement, problem, None, &ready.subjects).await)
    }

    /// Searches. Each match is of the type, and names the person.
    async fn matches(
        &self,
        ready: &Ready,
        asking: &Parts,
        route: &Route,
        forward: &mut Forward,
    ) -> Result<Vec<Match>, Box<Problem>> {
        let question = Question {
            target: &format!("{}&_count=2", ready.target),
            accept: "application/fhir+json",
            bytes_max: self.gate.limits.request_body_bytes_max,
            nothing: &[],
            unclear,
        };
        let held = ask(asking, question, forward).await?.ok_or_else(unclear)?;
        matches_in(&held.record, route, &ready.settled).ok_or_else(unclear)
    }

    /// Each match is judged like a read of that record.
    async fn judge_matches(&mut self, ready: &Ready, found: &[Match]) -> Result<(), Box<Out>> {
        self.now = self.gate.now_ms(); // the search took its time: the permit is that of now
        let view = match self.on_file(self.now, RELEASED) {
            Ok(view) => view,
            Err(problem) => return Err(self.refuse(&ready.judgement, *problem, None, &ready.subjects).await),
        };
        let whose = match &ready.settled {
            Settled::Person(person) => Whose::Of(person),
            Settled::Each | Settled::NoOne { .. } | Settled::Open => Whose::NoOnes,
        };
        for record in found {
            if let Err(refusal) = ready.judgement.decide_record(whose, &record.id, &view, self.now) {
                return Err(self.refuse_decision(&ready.judgement, &refusal, &ready.subjects).await);
            }
        }
        Ok(())
    }
}

/// What a body says of itself.
struct InBody {
    person: Option<String>,
    id: Option<String>,
}

fn refused(detail: &str) -> Box<Problem> {
    Box::new(Problem::new(StatusCode::BAD_REQUEST, "condition-refused", detail))
}

fn unclear() -> Box<Problem> {
    Box::new(Problem::bad_gateway("body-not-judged", "what fits the condition cannot be judged; nothing was written"))
}
