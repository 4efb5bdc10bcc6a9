//! FHIR: several writes, all or none, and what is read after them (`POST` of a Bundle of type `transaction`). Each is judged as if
//! it had come alone, and the backend gets the writes as one transaction: it alone can keep what that promises.
//!
//! In this order:
//! 1. Every entry is read; one that is malformed, and nothing of the whole is done.
//! 2. Entry by entry goes the way of [`Exchange::answer`], up to where what it is permitted would go to the backend: by then
//!    what it is about is known as far as a request alone tells it, and its beginning is on its way to the record (of a write:
//!    there). There it waits. What it asks the backend before (the record that it changes, whom its condition fits) is asked
//!    at once.
//! 3. One that ends before, refused: those that wait are told 424, and the answer is that refusal. So it is where what is
//!    on file or the policy changed meanwhile: a stop holds for every write that has not gone.
//! 4. Else the writes go on as one Bundle, as the judgement left them, never the caller's text.
//! 5. The backend's answer is told apart: each write goes on with its own as if it had come alone.
//! 6. The writes stand. What reads goes on, one after the other, each as a single request: it sees them. What becomes of one
//!    is told in its own entry. Where the writes were not done, nothing is read.

mod held;
mod names;
mod told;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http::{Response, header};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use self::held::{Next, Waiting, held_back, not_done};
use self::told::{Refused, ask, told};
use super::batch::{ANSWERS_BYTES_MAX, Asked, asked, at_once, bundle, collected, malformed};
use super::{Answered, Exchange, Forward, Out};
use crate::layer::body::GateBody;
use crate::layer::gate::Generation;
use crate::layer::judgement::Judgement;
use crate::layer::looked::Looked;
use crate::layer::refusal::Problem;
use crate::policy::Policy;

/// How far an entry has come.
enum Entry {
    Waits(Box<Waiting>),
    /// Nothing is left for the backend to do: what is answered, and what others may call its record by.
    Done {
        answer: String,
        full_url: Option<String>,
    },
}

/// What the judgements of a transaction's entries were made by, besides what is on file.
type Known = (Arc<Generation>, Arc<Policy>);

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
        let known = self.known();
        let (mut under_way, mut told_bytes, mut room) = (Vec::with_capacity(read.len()), 0, ANSWERS_BYTES_MAX);
        for asked in read {
            let full_url = asked.full_url.clone();
            let refused = match self.until_it_waits(asked, base, shared).await {
                Ok(waiting) if told_bytes + waiting.told_bytes() > ANSWERS_BYTES_MAX => {
                    drop(waiting.ended(not_done()).await);
                    let detail = "the writes of this transaction are too large together";
                    let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail);
                    *self.refuse(judgement, problem, None, &[]).await
                }
                Ok(waiting) => {
                    told_bytes += waiting.told_bytes();
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
        if let Some(looked) = &self.looked {
            looked.close();
        }
        let stale = self.outdated(judgement, known.as_ref());
        if let Some((problem, number)) = stale.map(|problem| (problem, None)).or_else(|| dangling(&under_way)) {
            undone(under_way).await;
            let out = *self.refuse(judgement, *problem, None, &[]).await;
            return match number {
                Some(number) => at_entry(out, number).await,
                None => out,
            };
        }
        let known = known.as_ref();
        self.committed((judgement, known), (head, base), under_way, room, shared).await
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
            if asked.full_url.as_ref().is_some_and(|name| !names.insert(name.clone())) {
                return Err((malformed("two entries have one `fullUrl`"), number));
            }
            read.push(asked);
        }
        // A write's body may: the backend puts the new id in its place.
        if let Some(number) = read.iter().position(|asked| names.iter().any(|name| names::in_request(asked, name))) {
            let detail = "a target or a condition names an entry by its `fullUrl`: what is made beside it has no id yet by which it is \
                          judged";
            return Err((Box::new(Problem::new(StatusCode::NOT_IMPLEMENTED, "transaction", detail)), number));
        }
        Ok(read)
    }

    /// The documents that judgements are made by now; `None`: there are none.
    fn known(&self) -> Option<Known> {
        let generation = self.gate.generation.load_full();
        let policy = generation.revisions.at(self.gate.now_ms()).cloned()?;
        Some((generation, policy))
    }

    /// Whether one of the judgements might be another by now: what is on file holds from the next write on.
    fn outdated(&self, judgement: &Judgement, known: Option<&Known>) -> Option<Box<Problem>> {
        let documents = match (known, &self.known()) {
            (Some(before), Some(now)) => Arc::ptr_eq(&before.0, &now.0) && Arc::ptr_eq(&before.1, &now.1),
            _ => false,
        };
        let caller = &judgement.caller;
        let on_file = |looked: &Looked| {
            let view = self.gate.registry.facts(self.gate.now_ms());
            view.is_ok_and(|view| looked.still(&view, &caller.issuer, &caller.id))
        };
        let same = documents && self.looked.as_deref().is_some_and(on_file);
        let detail = "what is on file of those whom it concerns, or the policy, changed while the transaction was judged, \
                      or that took too long; nothing is done: send it again";
        (!same || self.started.elapsed() > WAIT_MAX).then(|| Box::new(Problem::unavailable("outdated", detail)))
    }

    /// An entry's own exchange, until what it is permitted waits; `Err`: it has ended.
    async fn until_it_waits(
        &self,
        asked: Asked,
        base: &str,
        shared: &Arc<Mutex<Forward>>,
    ) -> Result<Box<Waiting>, Box<Out>> {
        let (full_url, again) = (asked.full_url.clone(), asked.clone());
        let (sender, waiting) = oneshot::channel();
        let mut running = self.alone(asked, held_back(shared, sender));
        let held = tokio::select! {
            biased;
            out = &mut running => return Err(Box::new(out)),
            Ok(held) = waiting => held,
        };
        let write = match &held.write {
            Some(request) => Some((told(request, full_url.as_deref(), base).await, request.headers().clone())),
            None => None,
        };
        let again = write.is_none().then(|| again.reading(held.target));
        Ok(Box::new(Waiting { write, full_url, again, go_on: held.go_on, running }))
    }

    /// Every entry may be done: the writes are, at once, then the reads, and each is answered.
    async fn committed(
        &self,
        by: (&Judgement, Option<&Known>),
        (head, base): (&Parts, &str),
        mut entries: Vec<Entry>,
        mut room: usize,
        shared: &Arc<Mutex<Forward>>,
    ) -> Out {
        let answers = put(head, base, &mut entries, shared).await;
        let (whole_refused, unread) = (answers.is_err(), matches!(answers, Err(Refused::Unread)));
        let mut answers =
            answers.unwrap_or_else(|refused| entries.iter().map(|_| refused.again()).collect()).into_iter();
        let (mut said, mut reads, mut first_refused) = (Vec::with_capacity(entries.len()), Vec::new(), None);
        for (number, entry) in entries.into_iter().enumerate() {
            let waiting = match entry {
                Entry::Done { answer, .. } => {
                    said.push((number, answer));
                    continue;
                }
                Entry::Waits(waiting) if waiting.write.is_none() => {
                    reads.push((number, waiting));
                    continue;
                }
                Entry::Waits(waiting) => waiting,
            };
            let out = waiting.ended(Next::Answered(answers.next().unwrap_or_else(|| Err(UNFIT.into())))).await;
            if whole_refused && first_refused.is_none() {
                first_refused = Some(at_entry(out, number).await);
            } else {
                said.push((number, self.told_in_bundle(out, &mut room).await));
            }
        }
        if whole_refused {
            undone(reads.into_iter().map(|(_, waiting)| Entry::Waits(waiting)).collect()).await;
        } else {
            for (number, waiting) in reads {
                let out = self.read_after(*waiting, by, shared).await;
                said.push((number, self.told_in_bundle(out, &mut room).await));
            }
        }
        if unread {
            return self.problem(&untold());
        }
        said.sort_unstable_by_key(|(number, _)| *number);
        let said: Vec<String> = said.into_iter().map(|(_, answer)| answer).collect();
        first_refused.unwrap_or_else(|| bundle("transaction-response", &said))
    }

    /// What reads, once the writes are done. Where what it was judged by may be another by now it is judged anew.
    async fn read_after(
        &self,
        mut waiting: Waiting,
        (judgement, known): (&Judgement, Option<&Known>),
        shared: &Arc<Mutex<Forward>>,
    ) -> Out {
        match waiting.again.take().filter(|_| self.outdated(judgement, known).is_some()) {
            None => waiting.ended(Next::Ask).await,
            Some(again) => {
                drop(waiting.ended(not_done()).await);
                self.alone(again, at_once(shared)).await
            }
        }
    }
}

impl Entry {
    fn waiting(&mut self) -> Option<&mut Waiting> {
        match self {
            Entry::Waits(waiting) => Some(waiting),
            Entry::Done { .. } => None,
        }
    }
}

/// Longer than this no permit waits for those of the other entries.
const WAIT_MAX: Duration = Duration::from_secs(60);
const UNFIT: &str = "the backend's answer to a transaction does not fit it";

/// Puts the writes to the backend, if there are any; what it answers to each.
async fn put(
    head: &Parts,
    base: &str,
    entries: &mut [Entry],
    shared: &Arc<Mutex<Forward>>,
) -> Result<Vec<Answered>, Refused> {
    let (mut parts, mut fields) = (Vec::new(), None);
    for entry in entries {
        if let Some(Waiting { write: Some((told, own)), .. }) = entry.waiting() {
            fields.get_or_insert_with(|| own.clone());
            parts.push(std::mem::take(told));
        }
    }
    match fields {
        None => Ok(Vec::new()),
        Some(fields) => ask(head, base, fields, parts, shared).await,
    }
}

fn untold() -> Problem {
    let detail = "the backend did the transaction, and its answer does not tell what came of which entry; \
                  look before you send it again";
    Problem::bad_gateway("body-not-judged", detail)
}

fn failed(out: &Out) -> bool {
    out.status().is_client_error() || out.status().is_server_error()
}

async fn undone(entries: Vec<Entry>) {
    for entry in entries {
        if let Entry::Waits(waiting) = entry {
            drop(waiting.ended(not_done()).await);
        }
    }
}

/// Which write refers by its `fullUrl` to an entry that is not made anew: nobody would put an id in its place.
fn dangling(entries: &[Entry]) -> Option<(Box<Problem>, Option<usize>)> {
    let written = |entry: &Entry| match entry {
        Entry::Waits(waiting) => waiting.write.is_some(),
        Entry::Done { .. } => false,
    };
    let name = |entry: &'_ Entry| match entry {
        Entry::Done { full_url, .. } => full_url.clone(),
        Entry::Waits(waiting) => waiting.full_url.clone(),
    };
    let mut not_made = entries.iter().filter(|entry| !written(entry)).filter_map(name);
    let refers = |name: String| {
        let told = |entry: &Entry| matches!(entry, Entry::Waits(w) if w.write.as_ref().is_some_and(|(told, _)| names::in_entry(told, &name)));
        entries.iter().position(told)
    };
    let number = not_made.find_map(refers)?;
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
