//! One request, step by step, as the crate's story tells it. Read [`Exchange::answer`] first.
//!
//! Any error refuses: no path leads from "could not tell" to "forward".

mod asking;
mod batch;
mod conditional;
mod declared;
mod filtering;
mod joining;
mod lookup;
mod making;
mod raw;
mod reading;
mod ready;
mod refuse;
mod release;
mod stored;
mod subject;
mod transaction;
mod validators;
mod writeback;

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use self::ready::{is_form, own, unaccepted, unfit};
use crate::audit::Sealed;
use crate::catalogue::{BadTarget, Route, Unresolved};
use crate::decision::Permit;
use crate::layer::PeerAddress;
use crate::layer::body::{BoxError, GateBody};
use crate::layer::entry::Settled;
use crate::layer::gate::Gate;
use crate::layer::judgement::{Judgement, RouteRef};
use crate::layer::looked::Looked;
use crate::layer::paging::{self, Cursor, Own};
use crate::layer::pump::Upstream;
use crate::layer::refusal::Problem;
use crate::layer::spelling::refuse_unshown;
use crate::layer::{headers, help};

/// The body of a forwarded request: a read has none, a write was read whole.
pub type ForwardBody = Full<Bytes>;
/// What the backend answers.
pub(super) type Answered = Result<Response<Upstream>, BoxError>;
/// Asks the backend: for the record that a write changes, for what was permitted, for the next page of it.
pub(super) type Forward = Box<dyn FnMut(Request<ForwardBody>) -> Pin<Box<dyn Future<Output = Answered> + Send>> + Send>;

/// Marks the request that was judged: what is asked only to judge by, and the further pages of a list, have no such mark.
#[derive(Clone, Copy)]
struct Permitted;

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
    /// It is an entry of a batch.
    within_batch: bool,
    /// It is an entry of a transaction, with all of which it notes what it is judged by.
    looked: Option<Arc<Looked>>,
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
    /// Forwarded only if the record still has this version.
    condition: Option<String>,
    /// The caller's request, where a list may be filled from several pages.
    own: Option<Own>,
    /// What the backend would be asked for its first page, where another is asked for.
    first: Option<(String, Bytes)>,
    cursor: Option<Cursor>,
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
            within_batch: false,
            looked: None,
            gate,
        }
    }

    /// The decision's id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The answer to a request. `forward` asks the backend, and only with a permit: once, or more often where only the backend
    /// knows whose the record is that is changed or asked for, and where a list is filled from several pages.
    pub(super) async fn answer<B>(mut self, mut head: Parts, body: B, mut forward: Forward) -> Out
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let begun = async {
            let conditional = conditional::is_conditional(&self.gate.generation.load().catalogue, &head);
            let mut ready = match conditional {
                false => self.judge(&head, body, &mut forward).await?,
                true => {
                    // Boxed, as below.
                    let settled = Box::pin(self.settle_condition(&head, body, &mut forward)).await;
                    let (plain, body) = settled?;
                    head = plain;
                    Box::pin(self.judge(&head, Full::new(body), &mut forward)).await?
                }
            };
            if let Some(lookup) = self.lookup(&ready) {
                // Boxed, for whoever asks nothing of it is not to carry its size.
                let found: Pin<Box<dyn Future<Output = Result<(), Box<Out>>> + Send + '_>> =
                    Box::pin(self.find(&head, &mut ready, lookup, &mut forward));
                found.await?;
            }
            let pending = self.begin(&ready);
            Ok::<_, Box<Out>>((ready, pending))
        };
        match caught(begun).await {
            Some(Ok((ready, Ok(pending)))) => self.forward(&head, ready, pending, forward).await,
            Some(Ok((_, Err(_)))) => self.cannot_record(),
            Some(Err(out)) => *out,
            None => *self.failed(&head).await,
        }
    }

    /// A panic before anything was begun: on record as a refusal of whoever called, as far as that can still be told.
    async fn failed(&self, head: &Parts) -> Box<Out> {
        match self.identify(head) {
            Ok(judgement) => self.refuse(&judgement, panicked(), None, &[]).await,
            Err(_) => self.strange(panicked()),
        }
    }

    // --- steps 1 to 7: before the backend ----------------------------------------------------------------------------

    async fn judge<B>(&mut self, head: &Parts, body: B, forward: &mut Forward) -> Result<Ready, Box<Out>>
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
        if head.uri.path() == help::PATH {
            return Err(self.help(&judgement).await);
        }
        if self.is_batch(head, &judgement) {
            if let Some(problem) = unaccepted(head, "application/fhir+json") {
                return Err(self.refuse(&judgement, problem, None, &[]).await);
            }
            let answered: Pin<Box<dyn Future<Output = Result<Out, Box<Out>>> + Send + '_>> =
                Box::pin(self.batch(&judgement, head, body, forward));
            return Err(answered.await.map_or_else(|refused| refused, Box::new));
        }
        let generation = Arc::clone(&judgement.generation);
        let (cursor, asked) = match self.open_cursor(head, &judgement) {
            Ok(None) => (None, None),
            Ok(Some((cursor, asked))) => (Some(cursor), Some(asked)),
            Err(problem) => return Err(self.refuse(&judgement, *problem, None, &[]).await),
        };
        let head = asked.as_ref().unwrap_or(head);
        let resolved = match generation.catalogue.resolve(head.method.as_str(), head.uri.path(), head.uri.query()) {
            Ok(resolved) => resolved,
            Err(unresolved) => return Err(self.refuse(&judgement, unresolved_problem(&unresolved), None, &[]).await),
        };
        self.fhir = resolved.route.is_fhir();
        judgement.route = Some(RouteRef::of(&generation, &resolved));
        if let Some(problem) = unfit(head, &resolved) {
            return Err(self.refuse(&judgement, problem, None, &[]).await);
        }
        if resolved.route.is_open() && resolved.action.releases() {
            let ready = self.open_route(judgement, head);
            return if self.dry_run { Err(self.dry_run(&ready).await) } else { Ok(ready) };
        }
        self.check_declared(&mut judgement).await?;
        if !resolved.action.releases() && !resolved.query_categories.is_empty() {
            let problem =
                Problem::new(StatusCode::BAD_REQUEST, "unknown-parameter", "a write takes no search parameter");
            return Err(self.refuse(&judgement, problem, None, &[]).await);
        }
        let writes = resolved.action.writes();
        if writes || resolved.route.takes_form() {
            self.judge_head(&mut judgement, &resolved).await?;
        }
        if resolved.route.takes_form() {
            let form = match cursor.as_ref().and_then(|cursor| cursor.form.clone()) {
                Some(form) => Bytes::from(form),
                None => self.read_form(&judgement, head, body).await?,
            };
            let text = std::str::from_utf8(&form).map_err(|_| Unresolved::BadTarget(BadTarget::Utf8));
            let (method, path, query) = (head.method.as_str(), head.uri.path(), head.uri.query());
            let resolved = text.and_then(|text| generation.catalogue.resolve_form(method, path, query, Some(text)));
            let resolved = match resolved {
                Ok(resolved) => resolved,
                Err(why) => return Err(self.refuse(&judgement, unresolved_problem(&why), None, &[]).await),
            };
            judgement.route = Some(RouteRef::of(&generation, &resolved));
            if let Some(problem) = refuse_unshown(&resolved) {
                return Err(self.refuse(&judgement, problem, None, &[]).await);
            }
            self.now = self.gate.now_ms();
            let own = own(head, Some(text_of(&form)));
            let ready = self.judge_subject(judgement, head, &resolved, form, forward).await?;
            return Ok(ready.paged(resolved.route, own, cursor));
        }
        let conditions: &[&str] =
            if resolved.route.changes_record() || self.is_held(&judgement, &resolved, head.uri.path()) {
                &headers::CONDITIONS[1..]
            } else {
                &headers::CONDITIONS
            };
        if let Some(name) =
            conditions.iter().find(|name| !resolved.action.releases() && head.headers.contains_key(**name))
        {
            let detail =
                format!("`{name}` is not judged here, and a write that passed it over would not be what was meant");
            let problem = Problem::new(StatusCode::BAD_REQUEST, "condition-refused", detail);
            return Err(self.refuse(&judgement, problem, None, &[]).await);
        }
        let body = if writes { self.read_body(&judgement, head, body).await? } else { Bytes::new() };
        self.now = self.gate.now_ms(); // a body may arrive slowly: the permit is that of now
        let ready = self.judge_subject(judgement, head, &resolved, body, forward).await?;
        Ok(ready.paged(resolved.route, own(head, None), cursor))
    }

    /// A request that is nothing but a cursor: the caller's own request, which it holds, is judged in its place.
    fn open_cursor(&self, head: &Parts, judgement: &Judgement) -> Result<Option<(Cursor, Parts)>, Box<Problem>> {
        let Some((name, text)) = paging::cursor_in(head.uri.query()) else { return Ok(None) };
        let (path, catalogue) = (head.uri.path(), &judgement.generation.catalogue);
        let taken = |route: &Route| paging::goes_on(route) && paging::cursor_name(route) == name;
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        if !(reads && catalogue.route("GET", path).is_some_and(taken)) {
            return Ok(None); // a parameter like any other
        }
        let refused = || {
            let detail = "the list does not go on from here: ask for its beginning again";
            Box::new(Problem::new(StatusCode::BAD_REQUEST, "cursor-refused", detail))
        };
        let cursor = Cursor::open(judgement, &paging::scope(judgement, path), text, self.now).ok_or_else(refused)?;
        let mut asked = head.clone();
        let step = if cursor.form.is_some() { "/_search" } else { "" };
        let question = if cursor.query.is_empty() { "" } else { "?" };
        let uri = format!("{path}{step}{question}{}", cursor.query).parse();
        asked.uri = uri.map_err(|_| refused())?;
        if cursor.form.is_some() {
            asked.method = Method::POST;
        }
        Ok(Some((cursor, asked)))
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
            condition: None,
            own: None,
            first: None,
            cursor: None,
        }
    }
}

fn text_of(form: &Bytes) -> String {
    String::from_utf8_lossy(form).into_owned()
}

/// FHIR `meta.versionId`: an id.
fn is_version(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// What a caller is told after a panic: nothing of it.
pub(super) fn panicked() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request failed; nothing is released")
}

/// The outcome of a future; `None`: it panicked, and all that it held is dropped, which ends what it had begun.
pub(super) fn caught<F: Future>(future: F) -> impl Future<Output = Option<F::Output>> {
    // UNWIND: after a panic the future is never polled again. Not an `async fn`, which would hold it twice: as its argument, and pinned.
    AssertUnwindSafe(future).catch_unwind().map(Result::ok)
}

pub(super) fn unresolved_problem(unresolved: &Unresolved) -> Problem {
    match unresolved {
        Unresolved::NotFound => Problem::new(StatusCode::NOT_FOUND, "no-such-route", "no route has this path"),
        Unresolved::MethodNotAllowed { allow } => {
            let mut problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", unresolved.to_string());
            problem.allow = Some(allow.clone());
            problem
        }
        Unresolved::BadTarget(_) => Problem::new(StatusCode::BAD_REQUEST, "bad-target", unresolved.to_string()),
        Unresolved::Parameter { .. } => Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", unresolved.to_string()),
        Unresolved::UnknownParameter { .. } => {
            Problem::new(StatusCode::BAD_REQUEST, "unknown-parameter", unresolved.to_string())
        }
    }
}

/// Path and query as the catalogue resolved them.
pub(super) fn target(head: &Parts) -> String {
    head.uri.path_and_query().map_or_else(|| "/".to_owned(), |pq| pq.as_str().to_owned())
}

/// The peer's address, for those who build requests by hand.
impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> PeerAddress {
        PeerAddress(address)
    }
}
