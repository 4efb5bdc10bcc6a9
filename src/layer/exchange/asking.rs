//! What the gate asks by itself, to judge by: the backend for a record that is changed, for what fits a condition, for whose an
//! object is; and the registry for what is on file. Nothing of either leaves.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use super::{Exchange, Forward, caught, panicked, validators};
use crate::decision::json;
use crate::layer::Timeout;
use crate::layer::body::BoxError;
use crate::layer::headers;
use crate::layer::pump::Upstream;
use crate::layer::refusal::Problem;
use crate::policy::Moment;
use crate::registry::View;

/// What is not done where what is on file cannot be read, of an answer.
pub(super) const RELEASED: &str = "released";
/// The same, of a write.
pub(super) const WRITTEN: &str = "written";

/// What the backend has.
pub(super) struct Held {
    pub(super) text: String,
    pub(super) record: Value,
    /// The backend's own tag.
    pub(super) tag: Option<String>,
}

/// What the backend is asked, in the caller's language, without his conditions.
pub(super) struct Question<'q> {
    pub(super) target: &'q str,
    pub(super) accept: &'static str,
    /// The longest answer that is read, in bytes.
    pub(super) bytes_max: usize,
    /// Statuses by which it says that there is nothing.
    pub(super) nothing: &'static [StatusCode],
    /// What an answer that cannot be read comes to.
    pub(super) unclear: fn() -> Box<Problem>,
}

/// Asks the backend, and reads its answer as strict JSON; `None`: there is nothing.
///
/// # Errors
/// What its status means, and what its silence; whatever is not whole, not JSON in plain UTF-8, or too long is `unclear`.
pub(super) async fn ask(
    head: &Parts,
    question: Question<'_>,
    forward: &mut Forward,
) -> Result<Option<Held>, Box<Problem>> {
    let unclear = question.unclear;
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = question.target.parse().map_err(|_| unclear())?;
    *request.headers_mut() = headers::inward(&head.headers, head.version, question.accept, false);
    let answered = caught(async { forward(request).await }).await.ok_or_else(panicked)?;
    let (parts, body) = answered.map_err(|error| unanswered(&error))?.into_parts();
    if question.nothing.contains(&parts.status) {
        return Ok(None);
    }
    if let Some(problem) = upstream_problem(parts.status) {
        return Err(problem.into());
    }
    let readable = headers::media_type(&parts.headers).as_deref().is_some_and(headers::is_json);
    if !readable || parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(unclear());
    }
    let read = caught(whole(body, question.bytes_max)).await.ok_or_else(panicked)?;
    let text = read.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unclear)?;
    let record = json::parse(&text).map_err(|_| unclear())?;
    let tag = validators::backend_tag(&parts.headers).map(str::to_owned);
    Ok(Some(Held { text, record, tag }))
}

impl Exchange {
    /// What is on file at this moment.
    ///
    /// # Errors
    /// 503 if it cannot be read; nothing is `done` ([`RELEASED`], [`WRITTEN`]).
    pub(super) fn on_file(&self, now: Moment, done: &str) -> Result<Arc<View>, Box<Problem>> {
        self.gate.registry.facts(now).map_err(|_| Problem::registry_unreadable(done).into())
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

/// The backend gave no answer.
pub(super) fn unanswered(error: &BoxError) -> Problem {
    match error.is::<Timeout>() {
        true => Problem::new(StatusCode::GATEWAY_TIMEOUT, "backend-timeout", "the backend did not answer in time"),
        false => Problem::bad_gateway("backend-unreachable", "the backend could not be asked"),
    }
}

/// What the backend's status means for the caller; its own error bodies never pass.
pub(super) fn upstream_problem(status: StatusCode) -> Option<Problem> {
    match status.as_u16() {
        206 => Some(Problem::bad_gateway("partial-content", "the backend answered a part nobody asked for")),
        200..=299 => None,
        404 | 410 => Some(Problem::not_available()),
        400 | 409 | 412 | 422 => Some(Problem::new(status, "backend-refused", "the backend refused the request")),
        424 => {
            let detail = "another request of the same transaction was refused, and none of them is done";
            Some(Problem::new(status, "not-done", detail))
        }
        429 | 503 => Some(Problem::unavailable("backend-busy", "the backend is busy")),
        504 => Some(Problem::new(StatusCode::GATEWAY_TIMEOUT, "backend-timeout", "the backend did not answer in time")),
        _ => Some(Problem::bad_gateway("backend-error", "the backend failed")),
    }
}
