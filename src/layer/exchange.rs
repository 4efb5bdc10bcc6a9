//! One request, step by step, as the crate's story tells it. Read [`Exchange::answer`] first.
//!
//! Any error refuses: no path leads from "could not tell" to "forward".

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};

use super::body::{BoxError, First, GateBody, Pump, Start, micros};
use super::declaration::{Declaration, DeclarationFault, dry_run};
use super::entry::{EntryJudge, Links, Notes, Settled, plan};
use super::gate::Gate;
use super::headers;
use super::judgement::{Judgement, RouteRef, Whose, training_until};
use super::layout::Side;
use super::record::{self, Words};
use super::refusal::{Problem, insert};
use super::{PeerAddress, PeerCertificate, Timeout};
use crate::audit::{self, Outcome, Pending, Sealed, Ticket};
use crate::catalogue::body::carried;
use crate::catalogue::{Existence, Part, Resolved, Route, Shape, SubjectAt, Unresolved};
use crate::decision::{Named, Obligations, Permit, Reason, Refusal, json};
use crate::policy::{Action, Categories, Release};
use crate::redact::{LinkRewriter, Redactor};

/// The body of a forwarded request: a read has none, a write was read whole.
pub type ForwardBody = Full<Bytes>;
/// What the backend answers.
pub(super) type Answered<B> = Result<Response<B>, BoxError>;

/// One request on its way through the gate.
pub(super) struct Exchange {
    gate: Arc<Gate>,
    id: String,
    trace: Option<String>,
    method: Method,
    address: Option<IpAddr>,
    started: Instant,
    now: i64,
    dry_run: bool,
    fhir: bool,
}

/// A refusal before or after its record: what the caller gets.
type Out = Response<GateBody>;

/// What was settled before the backend is asked.
struct Ready {
    judgement: Arc<Judgement>,
    permit: Option<Permit>,
    settled: Settled,
    /// The subject known before the backend is asked, for the begin record.
    subjects: Vec<Sealed>,
    target: String,
    body: Bytes,
}

impl Exchange {
    pub(super) fn new(gate: Arc<Gate>, head: &Parts) -> Exchange {
        let address = head.extensions.get::<PeerAddress>().map(|PeerAddress(address): &PeerAddress| address.ip());
        Exchange {
            id: gate.decision_id(),
            trace: headers::trace_id(&head.headers),
            method: head.method.clone(),
            address,
            started: Instant::now(),
            now: gate.now_ms(),
            dry_run: false,
            fhir: gate.generation.load().catalogue.is_fhir(),
            gate,
        }
    }

    /// The answer to a request. `forward` asks the backend; it is called at most once, and only with a permit.
    pub(super) async fn answer<B, RB, F, Fut>(mut self, head: Parts, body: B, forward: F) -> Out
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
        RB: http_body::Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
        F: FnOnce(Request<ForwardBody>) -> Fut,
        Fut: Future<Output = Answered<RB>>,
    {
        match self.judge(&head, body).await {
            Ok(ready) => self.forward(&head, ready, forward).await,
            Err(out) => *out,
        }
    }

    // --- steps 1 to 7: before the backend ----------------------------------------------------------------------------

    async fn judge<B>(&mut self, head: &Parts, body: B) -> Result<Ready, Box<Out>>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        if headers::connection_names_what_is_checked(&head.headers) {
            return Err(self.strange(Problem::new(
                StatusCode::BAD_REQUEST,
                "connection-field",
                "`Connection` names a field that the gate checks",
            )));
        }
        let mut judgement = self.identify(head)?;
        self.declare(head, &mut judgement).await?;
        if head.uri.path() == super::help::PATH {
            return Err(self.help(&judgement).await);
        }
        let generation = Arc::clone(&judgement.generation);
        let resolved = match generation.catalogue.resolve(head.method.as_str(), head.uri.path(), head.uri.query()) {
            Ok(resolved) => resolved,
            Err(unresolved) => return Err(self.refuse(&judgement, unresolved_problem(&unresolved), None, &[]).await),
        };
        self.fhir = resolved.route.is_fhir();
        judgement.route = Some(RouteRef::new(
            &generation,
            resolved.route,
            resolved.action,
            resolved.asked,
            resolved.query_categories.or(resolved.route.told_by_type()),
        ));
        if resolved.route.is_open() && resolved.action.releases() {
            return Ok(self.open_route(judgement, head));
        }
        self.check_declared(&mut judgement).await?;
        let writes = resolved.action.writes();
        let body = if writes { self.read_body(&judgement, head, body).await? } else { Bytes::new() };
        self.judge_subject(judgement, head, &resolved, body).await
    }

    /// Step 3: who calls? Refusals here are counted, not recorded one by one: strangers cannot fill the log.
    fn identify(&self, head: &Parts) -> Result<Judgement, Box<Out>> {
        let generation = self.gate.generation.load_full();
        let certificate = head.extensions.get::<PeerCertificate>().map(|PeerCertificate(der): &PeerCertificate| &**der);
        let caller = self.gate.authenticator.authenticate(&head.headers, certificate, self.now / 1000);
        let caller = caller.map_err(|error| {
            let mut problem = Problem::new(error.status(), error.code(), error.public());
            problem.challenge = error.www_authenticate();
            problem.retry_after_s = error.retry_after_s();
            self.strange(problem)
        })?;
        let Some(policy) = generation.revisions.at(self.now).cloned() else {
            return Err(self.strange(Problem::unavailable("no-policy", "no policy is loaded")));
        };
        let roles = policy.roles_of(caller.roles.iter().map(String::as_str));
        let training = training_until(caller.training_until.as_deref(), &policy);
        Ok(Judgement {
            gate: Arc::clone(&self.gate),
            generation,
            policy,
            caller,
            declaration: Declaration::default(),
            purpose: Named::Missing,
            roles,
            training_until: training,
            route: None,
        })
    }

    /// Step 4: what is declared? A token's only purpose stands in for a missing field.
    async fn declare(&mut self, head: &Parts, judgement: &mut Judgement) -> Result<(), Box<Out>> {
        let declared = Declaration::parse(&head.headers).and_then(|d| Ok((d, dry_run(&head.headers)?)));
        let (mut declaration, dry) = match declared {
            Ok(declared) => declared,
            Err(DeclarationFault(detail)) => {
                let problem = Problem::new(StatusCode::BAD_REQUEST, "declaration-malformed", detail);
                return Err(self.refuse(judgement, problem, None, &[]).await);
            }
        };
        self.dry_run = dry;
        if declaration.purpose.is_none()
            && let Some([only]) = judgement.caller.purposes.as_deref()
        {
            declaration.purpose = Some(only.clone());
        }
        judgement.declaration = declaration;
        Ok(())
    }

    async fn check_declared(&self, judgement: &mut Judgement) -> Result<(), Box<Out>> {
        let policy = Arc::clone(&judgement.policy);
        judgement.purpose = match judgement.declaration.purpose.as_deref().map(|word| policy.declared(word)) {
            None => Named::Missing,
            Some(Ok(id)) => Named::from(Some(id)),
            Some(Err(meant)) => {
                let mut problem = Problem::new(
                    StatusCode::BAD_REQUEST,
                    "purpose-ambiguous",
                    "the code means several purposes; declare one of them",
                );
                problem.names.push(("purposes", meant.into_iter().map(str::to_owned).collect()));
                return Err(self.refuse(judgement, problem, None, &[]).await);
            }
        };
        if !judgement.token_grants() {
            let problem = Problem::new(
                StatusCode::FORBIDDEN,
                "purpose-not-granted",
                "the token does not grant this purpose; a declaration may only narrow it",
            );
            return Err(self.refuse(judgement, problem, None, &[]).await);
        }
        Ok(())
    }

    async fn read_body<B>(&self, judgement: &Judgement, head: &Parts, body: B) -> Result<Bytes, Box<Out>>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let problem = if head.headers.contains_key(header::CONTENT_ENCODING) {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-coding", "send the body without a content coding")
        } else if !headers::media_type(&head.headers).as_deref().is_some_and(headers::is_json) {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", "send `application/json`, in UTF-8")
        } else {
            let read = Limited::new(body, self.gate.limits.request_body_bytes_max).collect();
            match Box::pin(read).await {
                Ok(collected) => return Ok(collected.to_bytes()),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body-too-large",
                    "the body is larger than this gate reads",
                ),
                Err(_) => Problem::new(StatusCode::BAD_REQUEST, "body-broken", "the body did not arrive whole"),
            }
        };
        Err(self.refuse(judgement, problem, None, &[]).await)
    }

    /// Steps 6 and 7: the facts, the route, and the subject where it is known already.
    async fn judge_subject(
        &self,
        mut judgement: Judgement,
        head: &Parts,
        resolved: &Resolved<'_>,
        body: Bytes,
    ) -> Result<Ready, Box<Out>> {
        let Ok(view) = self.gate.registry.facts(self.now) else {
            let problem =
                Problem::unavailable("registry-unreadable", "what is on file cannot be read; nothing is released");
            return Err(self.refuse(&judgement, problem, None, &[]).await);
        };
        let named_in_body = self.read_write(&mut judgement, resolved.route, resolved.action, &body).await?;
        let general = match judgement.decide(Whose::Anybodys, &view, self.now) {
            Ok(permit) => permit,
            Err(refusal) => return Err(self.refuse_decision(&judgement, &refusal, &[]).await),
        };
        let named = match (&resolved.subject, &named_in_body) {
            (SubjectAt::Target(named), _) => Some(named.id.clone()),
            (SubjectAt::Caller, _) => Some(judgement.caller.id.clone()),
            (SubjectAt::Body, Some(subject)) => Some(subject.clone()),
            (SubjectAt::Body, None) => {
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
        };
        let mut replaced = self.other_ids(&ready, resolved, &general).await?;
        if let Some(named) = named {
            replaced.extend(
                self.judge_named(&mut ready, resolved, &named, named_in_body.as_deref(), &general, &view).await?,
            );
        }
        ready.target = put_back(&ready.target, replaced);
        if self.method == Method::PUT {
            self.refuse_redacted_view(&ready, resolved.route, &view).await?;
        }
        if self.dry_run {
            return Err(self.dry_run(&ready).await);
        }
        Ok(ready)
    }

    /// Ids of other records in the path: pseudonyms, where ids are not shown.
    async fn other_ids(
        &self,
        ready: &Ready,
        resolved: &Resolved<'_>,
        general: &Permit,
    ) -> Result<Vec<(Part, Range<usize>, String)>, Box<Out>> {
        let mut replaced = Vec::new();
        for named in &resolved.ids {
            match ready.judgement.original(&named.id, general) {
                Some(original) if *original == *named.id => {}
                Some(original) => replaced.push((named.part, named.raw.clone(), original.into_owned())),
                None => return Err(self.refuse(&ready.judgement, Problem::not_available(), None, &[]).await),
            }
        }
        Ok(replaced)
    }

    /// A subject named by path, query, body or token: resolved from a pseudonym where ids are not shown, then judged.
    async fn judge_named(
        &self,
        ready: &mut Ready,
        resolved: &Resolved<'_>,
        named: &str,
        in_body: Option<&str>,
        general: &Permit,
        view: &crate::registry::View,
    ) -> Result<Option<(Part, Range<usize>, String)>, Box<Out>> {
        let judgement = Arc::clone(&ready.judgement);
        let original = match &resolved.subject {
            SubjectAt::Caller => Some(Cow::Borrowed(named)),
            // The person names his own record by his own id.
            _ if judgement.caller.is_principal() => Some(Cow::Borrowed(named)),
            _ => judgement.original(named, general),
        };
        let Some(original) = original.filter(|id| crate::catalogue::is_subject_id(id)) else {
            return Err(self.refuse(&judgement, Problem::not_available(), None, &[]).await);
        };
        if in_body.is_some_and(|other| other != named) {
            let problem = Problem::new(
                StatusCode::BAD_REQUEST,
                "subject-mismatch",
                "the body is about another person than the path",
            );
            return Err(self.refuse(&judgement, problem, None, &[]).await);
        }
        let sealed = self.gate.seal.subject(&original);
        let Ok(sealed) = sealed else {
            return Err(self.refuse(&judgement, Problem::not_available(), None, &[]).await);
        };
        ready.subjects = vec![sealed];
        match judgement.decide(Whose::Of(&original), view, self.now) {
            Ok(permit) => ready.permit = Some(permit),
            Err(refusal) => return Err(self.refuse_decision(&judgement, &refusal, &ready.subjects).await),
        }
        let original = original.into_owned();
        let replaced = match &resolved.subject {
            SubjectAt::Target(place) if original != place.id => Some((place.part, place.raw.clone(), original.clone())),
            SubjectAt::Target(_) | SubjectAt::Body | SubjectAt::Entries | SubjectAt::Caller | SubjectAt::NoOne => None,
        };
        ready.settled = Settled::Person(original);
        Ok(replaced)
    }

    /// A write's body: read strictly, its categories asked for, its subject found.
    async fn read_write(
        &self,
        judgement: &mut Judgement,
        route: &Route,
        action: Action,
        body: &Bytes,
    ) -> Result<Option<String>, Box<Out>> {
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
        let types = judgement.generation.catalogue.types();
        let found = carried(route.body(), types, route.everything(), &value);
        if found.unclassified_count > 0 {
            let mut problem = Problem::new(
                StatusCode::FORBIDDEN,
                "unclassified-fields",
                "the body has members that the catalogue does not name; nothing was written",
            );
            problem.names.push(("fields", found.unclassified));
            return Err(self.refuse(judgement, problem, None, &[]).await);
        }
        if let Some(reference) = &mut judgement.route {
            reference.asked = found.categories;
        }
        Ok(route.body_subject().and_then(|path| path.find(&value)))
    }

    /// A PUT replaces what the caller may not have seen: it needs a view in which nothing was cut.
    async fn refuse_redacted_view(
        &self,
        ready: &Ready,
        route: &Route,
        view: &crate::registry::View,
    ) -> Result<(), Box<Out>> {
        let whose = match &ready.settled {
            Settled::Person(person) => Whose::Of(person),
            Settled::Each | Settled::NoOne { .. } | Settled::Open => Whose::Anybodys,
        };
        let all = route.everything();
        let read = ready.judgement.decide_as(whose, "", view, self.now, (Action::Read, all));
        let whole = read.is_ok_and(|permit| permit.release().having(crate::policy::Form::Clear, all) == all);
        if whole {
            return Ok(());
        }
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "write-from-redacted-view",
            "this caller sees only part of the record, and a whole write would erase the rest",
        );
        Err(self.refuse(&ready.judgement, problem, None, &ready.subjects).await)
    }

    /// A route with nobody's data: there is nothing to decide but who calls.
    fn open_route(&self, judgement: Judgement, head: &Parts) -> Ready {
        Ready {
            judgement: Arc::new(judgement),
            permit: None,
            settled: Settled::Open,
            subjects: Vec::new(),
            target: target(head),
            body: Bytes::new(),
        }
    }

    // --- steps 8 to 11: record, forward, release ---------------------------------------------------------------------

    async fn forward<RB, F, Fut>(&self, head: &Parts, ready: Ready, forward: F) -> Out
    where
        RB: http_body::Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
        F: FnOnce(Request<ForwardBody>) -> Fut,
        Fut: Future<Output = Answered<RB>>,
    {
        let judgement = Arc::clone(&ready.judgement);
        let pending = match self.begin(&ready) {
            Ok(pending) => pending,
            Err(_) => return self.cannot_record(),
        };
        let Some(request) = self.forwarded(head, &ready) else {
            drop(pending);
            return self.problem(&Problem::bad_gateway("target", "the request cannot be put to the backend"));
        };
        let reads = judgement.route.as_ref().is_some_and(|r| r.action.releases());
        // A write is on disk before it is forwarded; a read before its first byte is released, while the backend works.
        let (answered, ticket) = if reads {
            let answered = forward(request).await;
            (answered, pending.await)
        } else {
            match pending.await {
                Ok(ticket) => (forward(request).await, Ok(ticket)),
                Err(_) => return self.cannot_record(),
            }
        };
        let Ok(ticket) = ticket else { return self.cannot_record() };
        let backend_us = micros(self.started);
        match answered {
            Ok(response) => self.release(head, ready, response, ticket, backend_us).await,
            Err(error) => {
                let problem = match error.is::<Timeout>() {
                    true => Problem::new(
                        StatusCode::GATEWAY_TIMEOUT,
                        "backend-timeout",
                        "the backend did not answer in time",
                    ),
                    false => Problem::bad_gateway("backend-unreachable", "the backend could not be asked"),
                };
                self.end_refused(ticket, Outcome::Failed, &problem, backend_us)
            }
        }
    }

    fn begin(&self, ready: &Ready) -> Result<Pending<Ticket>, audit::AuditError> {
        let words = self.words(&ready.judgement, ready.subjects.clone());
        let decision_us = Some(micros(self.started));
        words.with(ready.permit.as_ref().ok_or(None), |decision| {
            self.gate.log.begin(&audit::Begin { decision, decision_us })
        })
    }

    fn words<'a>(&'a self, judgement: &'a Judgement, subjects: Vec<Sealed>) -> Words<'a> {
        Words {
            judgement,
            id: &self.id,
            trace: self.trace.as_deref(),
            method: match self.method {
                Method::GET
                | Method::HEAD
                | Method::POST
                | Method::PUT
                | Method::PATCH
                | Method::DELETE
                | Method::OPTIONS => self.method.as_str(),
                _ => "_OTHER",
            },
            address: self.address.map(|address| address.to_string()),
            mode: if self.dry_run { "dry-run" } else { "enforce" },
            decided_ms: u64::try_from(self.now).unwrap_or(0),
            subjects,
        }
    }

    /// The request as the backend sees it.
    fn forwarded(&self, head: &Parts, ready: &Ready) -> Option<Request<ForwardBody>> {
        let route = ready.judgement.route();
        let accept = match route.map(|route| (route.is_fhir(), route.shape())) {
            Some((true, Shape::Lines)) => "application/fhir+ndjson",
            Some((true, _)) => "application/fhir+json",
            Some((false, Shape::Lines)) => "application/x-ndjson",
            Some((false, Shape::Opaque)) => "*/*",
            Some((false, _)) | None => "application/json",
        };
        let uri: Uri = ready.target.parse().ok()?;
        let method = if head.method == Method::HEAD { Method::GET } else { head.method.clone() };
        let mut request = Request::new(Full::new(ready.body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers::inward(&head.headers, head.version, accept);
        Some(request)
    }

    async fn release<RB>(
        &self,
        head: &Parts,
        ready: Ready,
        response: Response<RB>,
        ticket: Ticket,
        backend_us: u64,
    ) -> Out
    where
        RB: http_body::Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let (parts, body) = response.into_parts();
        if let Some(problem) = upstream_problem(parts.status) {
            let outcome = if parts.status.is_server_error() { Outcome::Failed } else { Outcome::Completed };
            return self.end_refused(ticket, outcome, &problem, backend_us);
        }
        let location = self.location(&ready, &parts.headers);
        let bodiless = |code, ticket: Ticket| {
            let end = self.ending(Outcome::Completed, code, parts.status.as_u16(), backend_us);
            drop(ticket.end(&end));
            self.released(&ready, parts.status, None, location.as_deref(), GateBody::whole(Bytes::new()))
        };
        let action = ready.judgement.route.as_ref().map_or(Action::Read, |r| r.action);
        let empty = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) || body.is_end_stream();
        if empty || action == Action::Delete {
            return bodiless(None, ticket);
        }
        let filter = match self.filter(&ready, action, &parts) {
            Ok(filter) => filter,
            Err(Unread::Bodiless) => return bodiless(Some("answer-not-released"), ticket),
            Err(Unread::Problem(problem)) => return self.end_refused(ticket, Outcome::Failed, &problem, backend_us),
        };
        let pump = Pump::new(Start {
            judgement: Arc::clone(&ready.judgement),
            upstream: Box::pin(body.map_err(Into::into)),
            redactor: filter.redactor,
            notes: filter.notes,
            ticket,
            on_record: !ready.subjects.is_empty(),
            status: parts.status.as_u16(),
            started: self.started,
            backend_us,
        });
        self.stream(head, ready, pump, parts.status, filter.media, location).await
    }

    /// Waits for the first thing that may leave: only then is the status known.
    async fn stream(
        &self,
        head: &Parts,
        ready: Ready,
        mut pump: Box<Pump>,
        status: StatusCode,
        media: Cow<'static, str>,
        location: Option<String>,
    ) -> Out {
        let problem = match pump.first().await {
            First::Ready if head.method == Method::HEAD => {
                pump.end_without_body(Outcome::Completed, "head", status.as_u16());
                return self.released(&ready, status, Some(&media), location.as_deref(), GateBody::whole(Bytes::new()));
            }
            First::Ready => {
                return self.released(&ready, status, Some(&media), location.as_deref(), GateBody::stream(pump));
            }
            First::Fault(code) => {
                Problem::bad_gateway(code, "the backend's answer cannot be judged; nothing of it is released")
            }
            First::Blind(code) => Problem::unavailable(code, "the gate cannot know or record; nothing is released"),
            First::Dropped => match pump.notes() {
                Notes { refusal: Some(refusal), .. } => self.decision_problem(&ready.judgement, &refusal),
                _ => Problem::not_available(),
            },
        };
        let outcome = if problem.status.is_server_error() { Outcome::Failed } else { Outcome::Completed };
        pump.end_without_body(outcome, problem.kind, problem.status.as_u16());
        self.problem(&problem)
    }

    fn filter(&self, ready: &Ready, action: Action, parts: &http::response::Parts) -> Result<Filter, Unread> {
        let judgement = &ready.judgement;
        let Some(route) = judgement.route() else {
            return Err(Unread::Problem(Problem::bad_gateway("route", "the route is gone")));
        };
        if parts.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Unread::Problem(Problem::bad_gateway(
                "content-coding",
                "the backend's answer is coded in a way that cannot be read",
            )));
        }
        let media = headers::media_type(&parts.headers);
        let lines = route.shape() == Shape::Lines && action.releases();
        let readable = media
            .as_deref()
            .is_some_and(|media| if lines { headers::is_lines(media) } else { headers::is_json(media) });
        let side = if action.releases() { Side::Answer } else { Side::Written };
        let known = !matches!(ready.settled, Settled::Each);
        let spec = judgement.generation.layouts.spec(route, side, known).filter(|_| readable);
        let Some(spec) = spec else { return self.opaque(ready, route, media) };
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
        let envelope = plan(judgement, &spec, side, Release::NOTHING, general);
        let judge = EntryJudge {
            judgement: Arc::clone(judgement),
            spec: Arc::clone(&spec),
            side,
            settled: ready.settled.clone(),
            notes: Arc::clone(&notes),
            asked,
        };
        let redactor = Redactor::new(spec, judge, envelope, self.gate.key_seed());
        let media = match (lines, route.is_fhir()) {
            (true, true) => "application/fhir+ndjson",
            (true, false) => "application/x-ndjson",
            (false, true) => "application/fhir+json",
            (false, false) => "application/json",
        };
        Ok(Filter { redactor: Some(redactor), notes, media: media.into() })
    }

    /// The answer to a write is judged as a read by the same purpose, else it stays here.
    fn may_read_back(&self, ready: &Ready, asked: (Action, Categories)) -> bool {
        let whose = match &ready.settled {
            Settled::Person(person) => Whose::Of(person),
            Settled::Each => return true, // its body tells whom it is about; the entry is judged
            Settled::NoOne { .. } | Settled::Open => Whose::NoOnes,
        };
        let view = self.gate.registry.facts(self.now);
        view.is_ok_and(|view| ready.judgement.decide_as(whose, "", &view, self.now, asked).is_ok())
    }

    /// Contents that cannot be read inside count as every category of the route: all clear, or not released.
    fn opaque(&self, ready: &Ready, route: &Route, media: Option<String>) -> Result<Filter, Unread> {
        let all = route.everything();
        let whole =
            ready.permit.as_ref().is_some_and(|permit| permit.release().having(crate::policy::Form::Clear, all) == all);
        let of_one = !matches!(ready.settled, Settled::Each);
        let declared = route.shape() == Shape::Opaque;
        if !(whole && of_one && declared) {
            let detail = "the backend's answer cannot be read inside, and not all of it may be released";
            return Err(Unread::Problem(Problem::bad_gateway("content-type", detail)));
        }
        let media = media.map_or("application/octet-stream".into(), Cow::Owned);
        Ok(Filter { redactor: None, notes: Arc::default(), media })
    }

    /// `Location` of what was created, where ids are shown.
    fn location(&self, ready: &Ready, headers: &http::HeaderMap) -> Option<String> {
        let shows = ready.permit.as_ref().is_some_and(|permit| {
            let asked = (Action::Read, ready.judgement.route().map_or(Categories::NONE, Route::everything));
            let view = self.gate.registry.facts(self.now).ok();
            let whose = match &ready.settled {
                Settled::Person(person) => Whose::Of(person),
                _ => return false,
            };
            permit.asked().is_empty()
                || view.is_some_and(|view| {
                    let read = ready.judgement.decide_as(whose, "", &view, self.now, asked);
                    read.is_ok_and(|read| ready.judgement.form_of_id(&read) == crate::policy::Form::Clear)
                })
        });
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        location.and_then(|url| Links::of(&self.gate, shows).rewrite(url))
    }

    fn released(
        &self,
        ready: &Ready,
        status: StatusCode,
        media: Option<&str>,
        location: Option<&str>,
        body: GateBody,
    ) -> Out {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let fields = response.headers_mut();
        headers::own(fields);
        if let Some(media) = media {
            insert(fields, header::CONTENT_TYPE, media);
        }
        if let Some(location) = location {
            insert(fields, header::LOCATION, location);
        }
        insert(fields, headers::DECISION, &self.permit_field(ready));
        metrics::counter!("sekisho_requests_total", "outcome" => "permit").increment(1);
        response
    }

    fn permit_field(&self, ready: &Ready) -> String {
        let Some(permit) = &ready.permit else { return format!("permit;id=\"{}\";withheld=0", self.id) };
        let policy = &ready.judgement.policy;
        let clause = record::cited(policy, permit.clauses()).first().copied().unwrap_or("");
        let withheld = permit.asked().without(permit.release().any()).len();
        let mut field = format!("permit;id=\"{}\";clause=\"{clause}\";withheld={withheld}", self.id);
        if permit.obligations().has(Obligations::NOTIFY_PRINCIPAL) {
            let purpose = policy.purpose(permit.purpose()).map_or("", |p| p.name.as_str());
            field.push_str(&format!(";purpose=\"{purpose}\""));
        }
        field
    }

    // --- refusals ----------------------------------------------------------------------------------------------------

    /// A refusal before anybody is known: counted.
    fn strange(&self, problem: Problem) -> Box<Out> {
        self.gate.stranger(self.address, problem.kind);
        Box::new(self.problem(&problem))
    }

    /// A refusal by [`decide`](crate::decision::decide).
    async fn refuse_decision(&self, judgement: &Judgement, refusal: &Refusal, subjects: &[Sealed]) -> Box<Out> {
        let problem = self.decision_problem(judgement, refusal);
        self.refuse(judgement, problem, Some(refusal), subjects).await
    }

    fn decision_problem(&self, judgement: &Judgement, refusal: &Refusal) -> Problem {
        let hidden = judgement.route().is_none_or(|route| route.existence() == Existence::Hidden);
        if hidden && !judgement.is_staff() && refusal.reasons.iter().any(Reason::is_about_the_person) {
            return Problem::not_available();
        }
        let first = refusal.reasons.iter().next().unwrap_or(Reason::PurposeUnknown);
        let status = if first == Reason::PurposeMissing { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
        let mut problem = Problem::new(status, first.code(), first.detail());
        problem.reasons = record::reasons(judgement, refusal);
        let of_purpose = [Reason::PurposeMissing, Reason::PurposeUnknown, Reason::PurposeNotForRole];
        if of_purpose.iter().any(|reason| refusal.reasons.has(*reason)) {
            problem.names.push(("purposes", super::help::purposes(judgement)));
        }
        let action = judgement.route.as_ref().map_or(Action::Read, |r| r.action);
        if action.writes()
            && (refusal.reasons.has(Reason::CategoryNotPermitted) || refusal.reasons.has(Reason::Prohibited))
        {
            problem.names.push(("categories", super::help::refused_categories(judgement)));
        }
        if refusal.obligations.has(Obligations::NAME_CONTACT) {
            problem.contact = Some(judgement.policy.document.meta.contact.text.clone());
        }
        problem
    }

    /// A refusal of a known caller: on record before it is told.
    async fn refuse(
        &self,
        judgement: &Judgement,
        problem: Problem,
        refusal: Option<&Refusal>,
        subjects: &[Sealed],
    ) -> Box<Out> {
        if !self.gate.may_be_refused(&judgement.caller, self.now) {
            self.gate.stranger(self.address, "rate-limited");
            let mut limited =
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "too many refusals; slow down");
            limited.retry_after_s = Some(1);
            return Box::new(self.problem(&limited));
        }
        let told = refusal.map(|refusal| record::reasons(judgement, refusal));
        let reasons: Vec<audit::Reason<'_>> = match &told {
            Some(told) => {
                told.iter().map(|(code, clause, _)| audit::Reason { code, clause: clause.as_deref() }).collect()
            }
            None => vec![audit::Reason { code: problem.kind, clause: None }],
        };
        let status = problem.status.as_u16();
        let decision_us = Some(micros(self.started));
        let pending = self.words(judgement, subjects.to_vec()).with(Err(refusal), |decision| {
            self.gate.log.refuse(&audit::Refusal { decision, reasons: &reasons, status, decision_us })
        });
        let recorded = match pending {
            Ok(pending) => pending.await.is_ok(),
            Err(_) => false,
        };
        Box::new(if recorded { self.problem(&problem) } else { self.cannot_record() })
    }

    fn ending<'e>(&self, outcome: Outcome, code: Option<&'e str>, status: u16, backend_us: u64) -> audit::End<'e> {
        let latency =
            audit::Latency { backend_us: Some(backend_us), total_us: Some(micros(self.started)), ..Default::default() };
        audit::End { outcome, code, status: Some(status), latency, ..audit::End::default() }
    }

    fn end_refused(&self, ticket: Ticket, outcome: Outcome, problem: &Problem, backend_us: u64) -> Out {
        drop(ticket.end(&self.ending(outcome, Some(problem.kind), problem.status.as_u16(), backend_us)));
        self.problem(problem)
    }

    fn cannot_record(&self) -> Out {
        self.problem(&Problem::unavailable("record-failed", "the access log cannot be written; nothing is released"))
    }

    pub(super) fn problem(&self, problem: &Problem) -> Out {
        metrics::counter!("sekisho_requests_total", "outcome" => problem.kind).increment(1);
        let mut response = problem.response(&self.id, self.fhir).map(GateBody::whole);
        if self.method == Method::HEAD {
            *response.body_mut() = GateBody::whole(Bytes::new());
        }
        response
    }

    // --- help --------------------------------------------------------------------------------------------------------

    async fn help(&self, judgement: &Judgement) -> Box<Out> {
        let text = super::help::page(judgement, self.now);
        Box::new(self.told(judgement, StatusCode::OK, "help", text).await)
    }

    /// What would be answered: on record, and never a permit.
    async fn dry_run(&self, ready: &Ready) -> Box<Out> {
        let text = super::help::dry_run(&ready.judgement, ready.permit.as_ref(), &self.id);
        let told =
            self.told_about(&ready.judgement, StatusCode::OK, "dry-run", text, &ready.subjects, ready.permit.as_ref());
        Box::new(told.await)
    }

    async fn told(&self, judgement: &Judgement, status: StatusCode, code: &'static str, text: String) -> Out {
        self.told_about(judgement, status, code, text, &[], None).await
    }

    async fn told_about(
        &self,
        judgement: &Judgement,
        status: StatusCode,
        code: &'static str,
        text: String,
        subjects: &[Sealed],
        permit: Option<&Permit>,
    ) -> Out {
        if !self.gate.may_be_refused(&judgement.caller, self.now) {
            let mut limited =
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "too many questions; slow down");
            limited.retry_after_s = Some(1);
            self.gate.stranger(self.address, "rate-limited");
            return self.problem(&limited);
        }
        let reasons = [audit::Reason { code, clause: None }];
        let pending = self.words(judgement, subjects.to_vec()).with(permit.ok_or(None), |decision| {
            let decision_us = Some(micros(self.started));
            self.gate.log.refuse(&audit::Refusal { decision, reasons: &reasons, status: status.as_u16(), decision_us })
        });
        let Ok(pending) = pending else { return self.cannot_record() };
        if pending.await.is_err() {
            return self.cannot_record();
        }
        let mut response = Response::new(GateBody::whole(Bytes::from(text)));
        *response.status_mut() = status;
        headers::own(response.headers_mut());
        insert(response.headers_mut(), header::CONTENT_TYPE, "application/json");
        response
    }
}

/// How a body is filtered.
struct Filter {
    redactor: Option<Redactor<EntryJudge>>,
    notes: Arc<Mutex<Notes>>,
    media: Cow<'static, str>,
}

/// Why a body is not filtered.
enum Unread {
    /// The write stands; its answer is not shown.
    Bodiless,
    Problem(Problem),
}

fn unresolved_problem(unresolved: &Unresolved) -> Problem {
    match unresolved {
        Unresolved::NotFound => Problem::new(StatusCode::NOT_FOUND, "no-such-route", "no route has this path"),
        Unresolved::MethodNotAllowed { allow } => {
            let mut problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", unresolved.to_string());
            problem.allow = Some(allow.clone());
            problem
        }
        Unresolved::BadTarget(_) => Problem::new(StatusCode::BAD_REQUEST, "bad-target", unresolved.to_string()),
        Unresolved::UnknownParameter { .. } => {
            Problem::new(StatusCode::BAD_REQUEST, "unknown-parameter", unresolved.to_string())
        }
    }
}

/// What the backend's status means for the caller; its own error bodies never pass.
fn upstream_problem(status: StatusCode) -> Option<Problem> {
    match status.as_u16() {
        206 => Some(Problem::bad_gateway("partial-content", "the backend answered a part nobody asked for")),
        200..=299 => None,
        404 | 410 => Some(Problem::not_available()),
        400 | 409 | 412 | 422 => Some(Problem::new(status, "backend-refused", "the backend refused the request")),
        429 | 503 => Some(Problem::unavailable("backend-busy", "the backend is busy")),
        504 => Some(Problem::new(StatusCode::GATEWAY_TIMEOUT, "backend-timeout", "the backend did not answer in time")),
        _ => Some(Problem::bad_gateway("backend-error", "the backend failed")),
    }
}

/// Path and query as the catalogue resolved them.
fn target(head: &Parts) -> String {
    head.uri.path_and_query().map_or_else(|| "/".to_owned(), |pq| pq.as_str().to_owned())
}

/// The target with original ids in the places of their pseudonyms, each as one percent-encoded segment or value.
fn put_back(target: &str, mut replaced: Vec<(Part, Range<usize>, String)>) -> String {
    let query = target.find('?').map_or(0, |at| at + 1);
    let offset = |part| if part == Part::Path { 0 } else { query };
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

/// The peer's address, for those who build requests by hand.
impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> PeerAddress {
        PeerAddress(address)
    }
}
