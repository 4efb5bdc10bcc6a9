//! Steps 8 to 11: record, forward, release.

use super::asking::{unanswered, upstream_problem};
use super::filtering::Unread;
use super::validators::{self, Asked};
use super::{Exchange, Forward, ForwardBody, Out, Permitted, Ready, caught, is_form, lookup, panicked};
use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;

use crate::audit::{self, Outcome, Pending, Sealed, Ticket};
use crate::catalogue::{Route, Shape, SubjectAt};
use crate::decision::Obligations;
use crate::layer::body::GateBody;
use crate::layer::entry::{Notes, Settled};
use crate::layer::headers;
use crate::layer::judgement::{Judgement, Whose};
use crate::layer::media;
use crate::layer::paging::{self, Progress};
use crate::layer::pump::{First, Pump, Start, TOO_LARGE, Upstream, micros};
use crate::layer::record::{self, Words};
use crate::layer::refusal::{Problem, insert};
use crate::policy::{Action, Categories, Form};
use crate::redact::LinkRewriter;

impl Exchange {
    /// `pending`: the beginning, on its way to the log.
    pub(super) async fn forward(
        &self,
        head: &Parts,
        ready: Ready,
        pending: Pending<Ticket>,
        mut forward: Forward,
    ) -> Out {
        let judgement = Arc::clone(&ready.judgement);
        let Some(mut request) = self.forwarded(head, &ready) else {
            drop(pending);
            return self.problem(&Problem::bad_gateway("target", "the request cannot be put to the backend"));
        };
        request.extensions_mut().insert(Permitted);
        let reads = judgement.route.as_ref().is_some_and(|r| r.action.releases());
        // A write is on disk before it is forwarded; a read before its first byte is released, while the backend works.
        let (answered, ticket) = if reads {
            let answered = caught(async { forward(request).await }).await;
            (answered, pending.await)
        } else {
            match pending.await {
                Ok(ticket) => (caught(async { forward(request).await }).await, Ok(ticket)),
                Err(_) => return self.cannot_record(),
            }
        };
        let Ok(ticket) = ticket else { return self.cannot_record() };
        let backend_us = micros(self.started);
        match answered {
            None => self.end_refused(ticket, Outcome::Failed, &panicked(), backend_us),
            Some(Ok(response)) => self.release(head, ready, response, ticket, (backend_us, forward)).await,
            Some(Err(error)) => self.end_refused(ticket, Outcome::Failed, &unanswered(&error), backend_us),
        }
    }

    pub(super) fn begin(&self, ready: &Ready) -> Result<Pending<Ticket>, audit::AuditError> {
        let words = self.words(&ready.judgement, ready.subjects.clone());
        let decision_us = Some(micros(self.started));
        words.with(ready.permit.as_ref().ok_or(None), |decision| {
            self.gate.log.begin(&audit::Begin { decision, decision_us })
        })
    }

    pub(super) fn words<'a>(&'a self, judgement: &'a Judgement, subjects: Vec<Sealed>) -> Words<'a> {
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

    /// What the backend is to answer in.
    fn accept(&self, ready: &Ready) -> &'static str {
        ready.judgement.route().map_or("application/json", |route| media::answered(route).unwrap_or("*/*"))
    }

    /// The request as the backend sees it.
    pub(super) fn forwarded(&self, head: &Parts, ready: &Ready) -> Option<Request<ForwardBody>> {
        let accept = self.accept(ready);
        let uri: Uri = ready.target.parse().ok()?;
        let method = if head.method == Method::HEAD { Method::GET } else { head.method.clone() };
        let mut request = Request::new(Full::new(ready.body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers::inward(&head.headers, head.version, accept, !ready.body.is_empty());
        if let Some(condition) = &ready.condition {
            insert(request.headers_mut(), header::IF_MATCH, condition);
        }
        // A cursor that goes on within the page that a form brought.
        if ready.cursor.is_some() && is_form(&ready.target) {
            *request.method_mut() = Method::POST;
            insert(request.headers_mut(), header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let object = |route: &&Route| route.dicom().is_some() && route.shape() == Shape::Opaque;
        if let Some(route) = ready.judgement.route().filter(object) {
            request.headers_mut().insert(header::ACCEPT, lookup::accept(&head.headers, route));
        }
        Some(request)
    }

    pub(super) async fn release(
        &self,
        head: &Parts,
        mut ready: Ready,
        response: Response<Upstream>,
        ticket: Ticket,
        (backend_us, forward): (u64, Forward),
    ) -> Out {
        let (mut parts, mut body) = response.into_parts();
        // Some archives say so where a search finds nothing.
        let searched = ready.own.as_ref().is_some_and(|own| own.counted.is_some());
        if searched && matches!(parts.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            (parts.status, body) = (StatusCode::NO_CONTENT, paging::text(""));
        }
        if let Some(mut problem) = upstream_problem(parts.status) {
            if problem.status == StatusCode::NOT_FOUND {
                problem = self.not_available(&ready.judgement);
            }
            let outcome = if problem.status.is_server_error() { Outcome::Failed } else { Outcome::Completed };
            return self.end_refused(ticket, outcome, &problem, backend_us);
        }
        let location = self.location(&ready, &parts.headers);
        let status = parts.status;
        let bodiless = |code, ticket: Ticket| {
            let end = self.ending(Outcome::Completed, code, status.as_u16(), backend_us);
            drop(ticket.end(&end));
            self.released(&ready, status, None, location.as_deref(), GateBody::whole(Bytes::new()))
        };
        let action = ready.judgement.route.as_ref().map_or(Action::Read, |r| r.action);
        let none = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) || body.is_end_stream();
        match none.then(|| nobodys(&ready, action)) {
            Some(Nobodys::List(text, media)) => {
                (parts.status, body) = (StatusCode::OK, paging::text(text));
                parts.headers.remove(header::CONTENT_ENCODING);
                parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
            }
            Some(Nobodys::Nonsense) => {
                let problem =
                    Problem::bad_gateway("body-not-judged", "the backend's answer is no list; nothing is released");
                return self.end_refused(ticket, Outcome::Failed, &problem, backend_us);
            }
            Some(Nobodys::Nothing) => return bodiless(None, ticket),
            None if action == Action::Delete => return bodiless(None, ticket),
            None => {}
        }
        let hides = ready.hides();
        let progress = ready.own.is_some().then(Arc::<Mutex<Progress>>::default);
        let filter = match self.filter(&ready, action, &parts, progress.as_ref()) {
            Ok(filter) => filter,
            Err(Unread::Bodiless) => return bodiless(Some("answer-not-released"), ticket),
            Err(Unread::Problem(problem)) => return self.end_refused(ticket, Outcome::Failed, &problem, backend_us),
        };
        // Versions of a record, and what a file says of itself.
        let one = |route: &Route| route.is_history() || (route.dicom().is_some() && action == Action::Read);
        // Of a person who had it stopped an outsider is told that nothing is here: so he is of one whom nobody knows. An empty list
        // in its place would say that there are no allergies.
        let begins = ready.cursor.is_none() && ready.judgement.route.as_ref().is_some_and(|r| r.action.releases());
        let never_empty = ready.judgement.route().is_some_and(one) || (begins && self.hides_person(&ready));
        let pager = match (ready.own.take(), progress, filter.remake) {
            (Some(own), Some(progress), Some(redactor)) => paging::Pager::new(paging::Start {
                judgement: Arc::clone(&ready.judgement),
                forward,
                fields: headers::inward(&head.headers, head.version, self.accept(&ready), false),
                own,
                asked: match ready.first.take() {
                    Some((target, form)) => (target, String::from_utf8_lossy(&form).into_owned()),
                    None => (ready.target.clone(), String::from_utf8_lossy(&ready.body).into_owned()),
                },
                cursor: ready.cursor.take(),
                hides,
                progress,
                redactor,
            }),
            _ => None,
        };
        let filter_reads = filter.redactor.is_some();
        let pump = Pump::new(Start {
            pager,
            never_empty,
            judgement: Arc::clone(&ready.judgement),
            upstream: body,
            redactor: filter.redactor,
            parts: filter.parts,
            notes: filter.notes,
            ticket,
            on_record: !ready.subjects.is_empty(),
            status: parts.status.as_u16(),
            started: self.started,
            backend_us,
        });
        let tagged = filter_reads && validators::has_tag(&ready, &parts.headers);
        let shown = Shown { status: parts.status, media: filter.media, location, tagged };
        self.stream(head, ready, pump, shown).await
    }

    /// Waits for the first thing that may leave: only then is the status known. A view that has a tag is waited for whole.
    async fn stream(&self, head: &Parts, ready: Ready, mut pump: Box<Pump>, shown: Shown) -> Out {
        let Shown { status, media, location, tagged } = shown;
        let action = ready.judgement.route.as_ref().map_or(Action::Read, |r| r.action);
        let lines = ready.judgement.route().is_some_and(|route| route.shape() == Shape::Lines);
        let bodiless = |media: Option<&str>, status| {
            self.released(&ready, status, media, location.as_deref(), GateBody::whole(Bytes::new()))
        };
        let mut first = match pump.first().await {
            // Lines of which none is left are an empty answer, as a list is.
            First::Dropped if lines && action.releases() && !pump.never_empty() => First::Ready,
            first => first,
        };
        let mut tag = None;
        if tagged && matches!(first, First::Ready) {
            match pump.gathered(validators::TAGGED_BYTES_MAX).await {
                Ok(pieces) => tag = pieces.and_then(|pieces| validators::tag_of_pieces(&ready, pieces)),
                Err(fault) => first = fault,
            }
        }
        // The write stands, whatever its answer is: told as a refusal it would be sent again, and be there twice.
        if !action.releases() && !matches!(first, First::Ready) {
            pump.end_without_body(Outcome::Completed, "answer-not-released", status.as_u16());
            return bodiless(None, status);
        }
        let with_tag = |out: Out| validators::with(out, tag.as_deref());
        let asked = if action == Action::Read { validators::asked(&head.headers, tag.as_deref()) } else { Asked::View };
        let fault = matches!(first, First::Fault(_) | First::Blind(_));
        let problem = match first {
            First::Ready if asked == Asked::Changed => validators::changed(),
            First::Ready if asked == Asked::Unchanged => {
                pump.end_without_body(Outcome::Completed, "unchanged", StatusCode::NOT_MODIFIED.as_u16());
                return with_tag(bodiless(None, StatusCode::NOT_MODIFIED));
            }
            First::Ready if head.method == Method::HEAD => {
                pump.end_without_body(Outcome::Completed, "head", status.as_u16());
                return with_tag(bodiless(Some(&media), status));
            }
            First::Ready => {
                let body = GateBody::stream(pump);
                return with_tag(self.released(&ready, status, Some(&media), location.as_deref(), body));
            }
            First::Fault(paging::TOO_LONG) => paging::too_long(),
            First::Fault(TOO_LARGE) => {
                let detail = "a record of the backend's answer is larger than can be judged; nothing is released";
                Problem::bad_gateway(TOO_LARGE, detail)
            }
            First::Fault(code) => {
                Problem::bad_gateway(code, "the backend's answer cannot be judged; nothing of it is released")
            }
            First::Blind(code) => Problem::unavailable(code, "the gate cannot know or record; nothing is released"),
            First::Dropped => match pump.notes() {
                Notes { other_record: true, .. } => Problem::bad_gateway(
                    "other-record",
                    "the backend answered with another record than the one asked for; nothing of it is released",
                ),
                Notes { refusal: Some(refusal), .. } => self.decision_problem(&ready.judgement, &refusal, false),
                _ => self.not_available(&ready.judgement),
            },
        };
        let outcome = if fault || problem.status.is_server_error() { Outcome::Failed } else { Outcome::Completed };
        pump.end_without_body(outcome, problem.kind, problem.status.as_u16());
        self.problem(&problem)
    }

    /// `Location` of what was created, where ids are shown.
    pub(super) fn location(&self, ready: &Ready, headers: &http::HeaderMap) -> Option<String> {
        let judgement = &ready.judgement;
        let route =
            judgement.route().filter(|_| judgement.route.as_ref().is_some_and(|r| r.action == Action::Create))?;
        let Settled::Person(person) = &ready.settled else { return None };
        let view = self.gate.registry.facts(self.now).ok()?;
        let asked = (Action::Read, route.everything());
        let read = judgement.decide_as(Whose::Of(person), "", &view, self.now, asked).ok()?;
        if judgement.form_of_id(&read) != Form::Clear {
            return None;
        }
        let url = headers.get(header::LOCATION)?.to_str().ok()?;
        let path = url.strip_prefix(self.gate.upstream_origin.as_str()).unwrap_or(url);
        // A route of the gate, without a query, and about nobody else.
        let found = judgement.generation.catalogue.resolve("GET", path, None).ok()?;
        let his = match &found.subject {
            SubjectAt::Target(named) => named.id == *person,
            SubjectAt::Entries | SubjectAt::NoOne => true,
            SubjectAt::Body | SubjectAt::Caller | SubjectAt::Stored => false,
        };
        judgement.releasing().links(his, Some(Categories::NONE)).rewrite(url)
    }

    pub(super) fn released(
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

    /// What anybody's record would show: what of this person is not shown besides tells what he had stopped.
    fn general(&self, ready: &Ready) -> Categories {
        let view = self.gate.registry.facts(self.now).ok();
        let general = view.and_then(|view| ready.judgement.decide(Whose::Anybodys, &view, self.now).ok());
        general.map_or(Categories::NONE, |permit| permit.release().any())
    }

    /// Whether one person is asked about by a caller who may not learn what depends on him.
    fn hides_person(&self, ready: &Ready) -> bool {
        matches!(ready.settled, Settled::Person(_)) && self.hides(&ready.judgement)
    }

    pub(super) fn permit_field(&self, ready: &Ready) -> String {
        let Some(permit) = &ready.permit else { return format!("permit;id=\"{}\";withheld=0", self.id) };
        let policy = &ready.judgement.policy;
        let clause = record::cited(policy, permit.clauses()).first().copied().unwrap_or("");
        let shown = if self.hides_person(ready) { self.general(ready) } else { permit.release().any() };
        let withheld = permit.asked().without(shown).len();
        let mut field = format!("permit;id=\"{}\";clause=\"{clause}\";withheld={withheld}", self.id);
        if permit.obligations().has(Obligations::NOTIFY_PRINCIPAL) {
            let purpose = policy.purpose(permit.purpose()).map_or("", |p| p.name.as_str());
            field.push_str(&format!(";purpose=\"{purpose}\""));
        }
        field
    }
}

/// What is told of a body that is released.
struct Shown {
    status: StatusCode,
    media: Cow<'static, str>,
    location: Option<String>,
    /// The view has a tag of its own.
    tagged: bool,
}

/// An answer without a body.
enum Nobodys {
    /// There is nothing to say.
    Nothing,
    /// A list of nobody, as one of which everything was dropped is told: that there was somebody is not to be told by it.
    List(&'static str, &'static str),
    /// Where there had to be a list.
    Nonsense,
}

fn nobodys(ready: &Ready, action: Action) -> Nobodys {
    let Some(route) = ready.judgement.route().filter(|_| action.releases()) else { return Nobodys::Nothing };
    let media = media::answered(route).unwrap_or("application/json");
    match route.shape() {
        Shape::Lines => Nobodys::List("", media),
        Shape::List if route.entries().steps().count() == 1 => Nobodys::List("[]", media),
        Shape::List => Nobodys::Nonsense,
        Shape::Object | Shape::Dataset | Shape::Opaque => Nobodys::Nothing,
    }
}
