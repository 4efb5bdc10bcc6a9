//! FHIR: several writes, all or none (`POST` of a Bundle of type `transaction`). Each is judged as if it had come alone, and
//! the backend gets them as one transaction: it alone can keep what that promises.
//!
//! In this order:
//! 1. Every entry is read; one that is malformed, or no write, and nothing of the whole is done.
//! 2. Entry by entry goes the way of [`Exchange::answer`], up to where its write would go to the backend: by then it is
//!    permitted, what it is about is known, and its beginning is on record. There it waits. What it asks the backend before
//!    (the record that it changes, whom its condition fits) is asked at once.
//! 3. One that ends before, refused: those that wait are told 424, and the answer is that refusal. So it is where what is
//!    on file or the policy changed meanwhile: a stop holds for every write that has not gone.
//! 4. Else what waits goes on as one Bundle: the writes as the judgement left them, never the caller's text.
//! 5. The backend's answer is told apart: each entry goes on with its own as if it had come alone.

mod told;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};

use self::told::{Refused, answer, ask, told};
use super::batch::{ANSWERS_BYTES_MAX, Asked, asked, bundle, collected, malformed};
use super::{Answered, Exchange, Forward, ForwardBody, Out};
use crate::layer::body::GateBody;
use crate::layer::gate::Generation;
use crate::layer::judgement::Judgement;
use crate::layer::refusal::Problem;
use crate::registry::View;

/// A write that waits for the others.
struct Write {
    request: Request<ForwardBody>,
    answer: oneshot::Sender<Answered>,
}

/// An entry's own exchange, under way.
type Running = Pin<Box<dyn Future<Output = Out> + Send>>;

/// An entry whose write waits; as the Bundle for the backend has it.
struct Waiting {
    write: Write,
    told: String,
    running: Running,
}

/// How far an entry has come.
enum Entry {
    Waits(Box<Waiting>),
    /// Nothing is left for the backend to do: what is answered, and what others may call its record by.
    Done {
        answer: String,
        full_url: Option<String>,
    },
}

/// What the judgements of a transaction's entries were made by.
type Known = (Arc<View>, Arc<Generation>);

impl Exchange {
    /// The answer to the whole.
    pub(super) async fn transaction(
        &self,
        judgement: &Judgement,
        head: &Parts,
        entries: Vec<&str>,
        base: &str,
        shared: &Arc<Mutex<Forward>>,
    ) -> Out {
        let read = match self.read_transaction(entries, head, base) {
            Ok(read) => read,
            Err((problem, number)) => {
                return at_entry(*self.refuse(judgement, *problem, None, &[]).await, number).await;
            }
        };
        let count = u32::try_from(read.len()).unwrap_or(u32::MAX);
        let Ok(_room) = WAITING.try_acquire_many(count) else {
            let detail = "too many writes of transactions are waiting; nothing of this one is done";
            return *self.refuse(judgement, Problem::unavailable("too-many-waiting", detail), None, &[]).await;
        };
        let known = self.known();
        let (mut under_way, mut told_bytes, mut room) = (Vec::with_capacity(read.len()), 0, ANSWERS_BYTES_MAX);
        for asked in read {
            let full_url = asked.full_url.clone();
            let refused = match self.until_it_waits(asked, base, shared).await {
                Ok(waiting) if told_bytes + waiting.told.len() > ANSWERS_BYTES_MAX => {
                    drop(ended(*waiting, not_done()).await);
                    let detail = "the writes of this transaction are too large together";
                    let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail);
                    *self.refuse(judgement, problem, None, &[]).await
                }
                Ok(waiting) => {
                    told_bytes += waiting.told.len();
                    under_way.push(Entry::Waits(waiting));
                    continue;
                }
                Err(out) if failed(&out) => *out,
                Err(out) => {
                    let answer = self.told_in_bundle(*out, &mut room).await;
                    under_way.push(Entry::Done { answer, full_url });
                    continue;
                }
            };
            let number = under_way.len();
            undone(under_way).await;
            return at_entry(refused, number).await;
        }
        let stale = self.outdated(known.as_ref());
        if let Some((problem, number)) = stale.map(|problem| (problem, None)).or_else(|| dangling(&under_way)) {
            undone(under_way).await;
            let out = *self.refuse(judgement, *problem, None, &[]).await;
            return match number {
                Some(number) => at_entry(out, number).await,
                None => out,
            };
        }
        self.committed(head, base, under_way, room, shared).await
    }

    /// The entries' requests; or what is wrong with one, and with which.
    fn read_transaction(
        &self,
        entries: Vec<&str>,
        head: &Parts,
        base: &str,
    ) -> Result<Vec<Asked>, (Box<Problem>, usize)> {
        let mut names = HashSet::new();
        let mut read = Vec::with_capacity(entries.len());
        for (number, entry) in entries.into_iter().enumerate() {
            let asked = asked(entry, head, base).map_err(|problem| (problem, number))?;
            if !writes(&asked.head.method, asked.head.uri.path()) {
                let detail = "a transaction holds writes here; send what only reads in a `batch`";
                return Err((Box::new(Problem::new(StatusCode::NOT_IMPLEMENTED, "transaction", detail)), number));
            }
            if asked.full_url.as_ref().is_some_and(|name| !names.insert(name.clone())) {
                return Err((malformed("two entries have one `fullUrl`"), number));
            }
            read.push(asked);
        }
        Ok(read)
    }

    /// What judgements are made by now; `None`: it cannot be read.
    fn known(&self) -> Option<Known> {
        let view = self.gate.registry.facts(self.gate.now_ms()).ok()?;
        Some((view, self.gate.generation.load_full()))
    }

    /// Whether the first judgement might be another by now: what is on file holds from the next write on.
    fn outdated(&self, known: Option<&Known>) -> Option<Box<Problem>> {
        let current = self.known();
        let same = match (known, &current) {
            (Some(before), Some(now)) => Arc::ptr_eq(&before.0, &now.0) && Arc::ptr_eq(&before.1, &now.1),
            _ => false,
        };
        let detail = "what is on file, or the policy, changed while the transaction was judged, or that took too long; \
                      nothing is done: send it again";
        (!same || self.started.elapsed() > WAIT_MAX).then(|| Box::new(Problem::unavailable("outdated", detail)))
    }

    /// An entry's own exchange, until its write waits; `Err`: it has ended.
    async fn until_it_waits(
        &self,
        asked: Asked,
        base: &str,
        shared: &Arc<Mutex<Forward>>,
    ) -> Result<Box<Waiting>, Box<Out>> {
        let full_url = asked.full_url.clone();
        let (sender, waiting) = oneshot::channel();
        let mut running = self.alone(asked, held_back(shared, sender));
        let write = tokio::select! {
            biased;
            out = &mut running => return Err(Box::new(out)),
            Ok(write) = waiting => write,
        };
        let told = told(&write.request, full_url.as_deref(), base).await;
        Ok(Box::new(Waiting { write, told, running }))
    }

    /// Every entry may be done: they are, at once, and each is answered.
    async fn committed(
        &self,
        head: &Parts,
        base: &str,
        mut entries: Vec<Entry>,
        mut room: usize,
        shared: &Arc<Mutex<Forward>>,
    ) -> Out {
        let mut parts = Vec::new();
        let mut fields = None;
        for entry in &mut entries {
            if let Entry::Waits(waiting) = entry {
                fields.get_or_insert_with(|| waiting.write.request.headers().clone());
                parts.push(std::mem::take(&mut waiting.told));
            }
        }
        let count = parts.len();
        let answers = match fields {
            None => Ok(Vec::new()),
            Some(fields) => ask(head, base, fields, parts, shared).await,
        };
        let (whole_refused, unread) = (answers.is_err(), matches!(answers, Err(Refused::Unread)));
        let mut answers = match answers {
            Ok(answers) => answers.into_iter(),
            Err(refused) => (0..count).map(|_| refused.again()).collect::<Vec<_>>().into_iter(),
        };
        let (mut said, mut first_refused) = (Vec::with_capacity(entries.len()), None);
        for (number, entry) in entries.into_iter().enumerate() {
            let waiting = match entry {
                Entry::Done { answer, .. } => {
                    said.push(answer);
                    continue;
                }
                Entry::Waits(waiting) => waiting,
            };
            let out = ended(*waiting, answers.next().unwrap_or_else(|| Err(UNFIT.into()))).await;
            if whole_refused && first_refused.is_none() {
                first_refused = Some(at_entry(out, number).await);
            } else {
                said.push(self.told_in_bundle(out, &mut room).await);
            }
        }
        if unread {
            let detail = "the backend did the transaction, and its answer does not tell what came of which entry; \
                          look before you send it again";
            return self.problem(&Problem::bad_gateway("body-not-judged", detail));
        }
        first_refused.unwrap_or_else(|| bundle("transaction-response", &said))
    }
}

/// So many writes of transactions wait at most in one process: each has its beginning in the log.
static WAITING: Semaphore = Semaphore::const_new(8192);
/// Longer than this no permit waits for those of the other entries.
const WAIT_MAX: Duration = Duration::from_secs(60);
const UNFIT: &str = "the backend's answer to a transaction does not fit it";

/// Whether a request is to change something.
fn writes(method: &Method, path: &str) -> bool {
    match *method {
        Method::PUT | Method::PATCH | Method::DELETE => true,
        Method::POST => !path.ends_with("/_search"),
        _ => false,
    }
}

fn failed(out: &Out) -> bool {
    out.status().is_client_error() || out.status().is_server_error()
}

/// What asks the backend for an entry: its write waits, all else is asked at once.
fn held_back(shared: &Arc<Mutex<Forward>>, waiting: oneshot::Sender<Write>) -> Forward {
    let shared = Arc::clone(shared);
    let mut waiting = Some(waiting);
    Box::new(move |request| {
        if !writes(request.method(), request.uri().path()) {
            let mut forward = shared.lock().unwrap_or_else(PoisonError::into_inner);
            return (*forward)(request);
        }
        let waiting = waiting.take();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let waits = waiting.is_some_and(|waiting| waiting.send(Write { request, answer }).is_ok());
            if !waits {
                return Err("an entry of a transaction writes once".into());
            }
            answered.await.unwrap_or_else(|_| Err("the transaction was given up".into()))
        })
    })
}

/// Goes on with an entry to its end.
async fn ended(waiting: Waiting, answered: Answered) -> Out {
    drop(waiting.write.answer.send(answered));
    waiting.running.await
}

/// What an entry is told whose write is not done because of another.
fn not_done() -> Answered {
    Ok(answer(StatusCode::FAILED_DEPENDENCY, HeaderMap::new(), Bytes::new()))
}

async fn undone(entries: Vec<Entry>) {
    for entry in entries {
        if let Entry::Waits(waiting) = entry {
            drop(ended(*waiting, not_done()).await);
        }
    }
}

/// Which write refers by its `fullUrl` to an entry that is not made anew: nobody would put an id in its place.
fn dangling(entries: &[Entry]) -> Option<(Box<Problem>, Option<usize>)> {
    let done = entries.iter().filter_map(|entry| match entry {
        Entry::Done { full_url, .. } => full_url.as_deref(),
        Entry::Waits(_) => None,
    });
    let refers =
        |name: &str| entries.iter().position(|entry| matches!(entry, Entry::Waits(w) if w.told.contains(name)));
    let number = { done }.find_map(refers)?;
    let detail = "an entry refers by `fullUrl` to one whose record is there already: refer to that record";
    Some((Box::new(Problem::new(StatusCode::NOT_IMPLEMENTED, "transaction", detail)), Some(number)))
}

/// A refusal as the answer to the whole: it says at which entry.
async fn at_entry(out: Out, number: usize) -> Out {
    let (mut parts, body) = out.into_parts();
    let mut room = ANSWERS_BYTES_MAX;
    let body = collected(body, &mut room).await.unwrap_or_default();
    let Ok(mut outcome) = serde_json::from_slice::<Value>(&body) else {
        return Response::from_parts(parts, GateBody::whole(body));
    };
    if let Some(issue) = outcome.pointer_mut("/issue/0").and_then(Value::as_object_mut) {
        issue.insert("expression".to_owned(), json!([format!("Bundle.entry[{number}]")]));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, GateBody::whole(Bytes::from(outcome.to_string())))
}

/// What is wrong with the Bundle itself.
pub(super) fn is_transaction(kind: Option<&str>) -> Result<bool, Box<Problem>> {
    match kind {
        Some("batch") => Ok(false),
        Some("transaction") => Ok(true),
        _ => Err(malformed("the base takes a Bundle of type `batch` or `transaction`")),
    }
}
