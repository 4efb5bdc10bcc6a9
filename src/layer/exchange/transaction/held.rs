//! How an entry of a transaction waits for the others, at the one request that its judgement permitted.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use tokio::sync::oneshot;

use super::super::batch::{Asked, condition_members};
use super::super::{Answered, Forward, ForwardBody, Out, Permitted};
use super::told::answer;

/// An entry's own exchange, under way.
pub(super) type Running = Pin<Box<dyn Future<Output = Out> + Send>>;

/// What was permitted, and is not asked yet.
pub(super) struct Held {
    /// `None`: a read, which asks for itself when its turn comes.
    pub(super) write: Option<Request<ForwardBody>>,
    pub(super) target: Uri,
    pub(super) go_on: oneshot::Sender<Next>,
}

/// How it goes on.
pub(super) enum Next {
    /// This is what the backend answers to it.
    Answered(Answered),
    /// The backend is asked.
    Ask,
}

/// An entry that waits.
pub(super) struct Waiting {
    /// Of a write: as the Bundle for the backend has it, and its fields.
    pub(super) write: Option<(String, HeaderMap)>,
    /// What others may call its record by.
    pub(super) full_url: Option<String>,
    /// Of a read: the same once more.
    pub(super) again: Option<Asked>,
    pub(super) go_on: oneshot::Sender<Next>,
    pub(super) running: Running,
}

impl Waiting {
    pub(super) fn told_bytes(&self) -> usize {
        self.write.as_ref().map_or(0, |(told, _)| told.len())
    }

    /// Goes on with it to its end.
    pub(super) async fn ended(self, next: Next) -> Out {
        drop(self.go_on.send(next));
        self.running.await
    }
}

impl Asked {
    /// The read that this entry is. A create whose record is there already reads that one, at `found`.
    pub(super) fn reading(mut self, found: Uri) -> Asked {
        if !writes(&self.head.method, self.head.uri.path()) {
            return self;
        }
        for (_, field) in condition_members() {
            self.head.headers.remove(field);
        }
        self.head.headers.remove(header::CONTENT_TYPE);
        (self.head.method, self.head.uri, self.body) = (Method::GET, found, Bytes::new());
        self
    }
}

/// Whether a request is to change something.
pub(super) fn writes(method: &Method, path: &str) -> bool {
    match *method {
        Method::PUT | Method::PATCH | Method::DELETE => true,
        Method::POST => !path.ends_with("/_search"),
        _ => false,
    }
}

/// What asks the backend for an entry. What is permitted to it waits, and whatever writes; all else is asked at once: what its
/// judgement has to know, and the further pages of a list once its turn has come.
pub(super) fn held_back(shared: &Arc<Mutex<Forward>>, waiting: oneshot::Sender<Held>) -> Forward {
    let shared = Arc::clone(shared);
    let mut waiting = Some(waiting);
    Box::new(move |request| {
        let write = writes(request.method(), request.uri().path());
        if !write && request.extensions().get::<Permitted>().is_none() {
            return now(&shared, request);
        }
        let (waiting, shared, target) = (waiting.take(), Arc::clone(&shared), request.uri().clone());
        Box::pin(async move {
            let (go_on, next) = oneshot::channel();
            let (write, read) = if write { (Some(request), None) } else { (None, Some(request)) };
            let held = Held { write, target, go_on };
            if waiting.is_none_or(|waiting| waiting.send(held).is_err()) {
                return Err("an entry of a transaction does one thing once".into());
            }
            match (next.await, read) {
                (Ok(Next::Answered(answered)), _) => answered,
                (Ok(Next::Ask), Some(request)) => now(&shared, request).await,
                (Ok(Next::Ask), None) | (Err(_), _) => Err("the transaction was given up".into()),
            }
        })
    })
}

fn now(shared: &Arc<Mutex<Forward>>, request: Request<ForwardBody>) -> Pin<Box<dyn Future<Output = Answered> + Send>> {
    let mut forward = shared.lock().unwrap_or_else(PoisonError::into_inner);
    (*forward)(request)
}

/// What an entry is told that is not done because of another.
pub(super) fn not_done() -> Next {
    Next::Answered(Ok(answer(StatusCode::FAILED_DEPENDENCY, HeaderMap::new(), Bytes::new())))
}
