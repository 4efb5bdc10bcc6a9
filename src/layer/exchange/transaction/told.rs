//! How a transaction is put to the backend, and what its answer says of each write.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::super::asking::whole;
use super::super::batch::{ANSWERS_BYTES_MAX, condition_members};
use super::super::{Answered, Forward, ForwardBody, caught, raw};
use crate::decision::json as strict;
use crate::layer::Timeout;
use crate::layer::body::BoxError;
use crate::layer::headers;
use crate::layer::paging;
use crate::layer::pump::Upstream;

/// A write as an entry of the Bundle that goes to the backend.
pub(super) async fn told(request: &Request<ForwardBody>, full_url: Option<&str>, base: &str) -> String {
    // Without what its query had, which changed nothing: in a Bundle it would be a condition.
    let path = request.uri().path();
    let url = path.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
    let mut members = json!({"method": request.method().as_str(), "url": url});
    if let Some(members) = members.as_object_mut() {
        for (member, field) in condition_members() {
            if let Some(value) = request.headers().get(&field).and_then(|value| value.to_str().ok()) {
                members.insert(member.to_owned(), value.into());
            }
        }
    }
    let body = request.body().clone().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let resource = match (body.is_empty(), *request.method() == Method::PATCH) {
        (true, _) => String::new(),
        (false, true) => {
            let patch =
                json!({"resourceType": "Binary", "contentType": headers::PATCH, "data": STANDARD.encode(&body)});
            format!("\"resource\":{patch},")
        }
        (false, false) => format!("\"resource\":{},", String::from_utf8_lossy(&body)),
    };
    let full_url = full_url.map_or_else(String::new, |url| format!("\"fullUrl\":{},", Value::from(url)));
    format!("{{{full_url}{resource}\"request\":{members}}}")
}

/// Why no entry of a transaction has an answer of its own.
pub(super) enum Refused {
    /// The backend's status for the whole.
    By(StatusCode),
    /// It was not reached, or did not answer in time.
    Unanswered(BoxError),
    /// It answered that they are done, and not so that it can be told apart what came of which.
    Unread,
}

impl Refused {
    /// The same for another entry.
    pub(super) fn again(&self) -> Answered {
        match self {
            Refused::By(status) => Ok(answer(*status, HeaderMap::new(), Bytes::new())),
            Refused::Unanswered(error) => match error.downcast_ref::<Timeout>() {
                Some(_) => Ok(answer(StatusCode::GATEWAY_TIMEOUT, HeaderMap::new(), Bytes::new())),
                None => Err(error.to_string().into()),
            },
            Refused::Unread => {
                // As of one write that is done and answered by what cannot be judged: the record says that it was done.
                let text = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
                Ok(answer(StatusCode::OK, text, Bytes::from_static(b"?")))
            }
        }
    }
}

/// Asks the backend for all of it; answers one by one.
pub(super) async fn ask(
    head: &Parts,
    base: &str,
    mut fields: HeaderMap,
    entries: Vec<String>,
    shared: &Arc<Mutex<Forward>>,
) -> Result<Vec<Answered>, Refused> {
    let count = entries.len();
    for (_, field) in condition_members() {
        fields.remove(field);
    }
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
    fields.insert(header::ACCEPT, HeaderValue::from_static("application/fhir+json"));
    let text = format!("{{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{}]}}", entries.join(","));
    drop(entries);
    let mut request = Request::new(Full::new(Bytes::from(text)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = fields;
    let asked = {
        let mut forward = shared.lock().unwrap_or_else(PoisonError::into_inner);
        (*forward)(request)
    };
    let asked = caught(asked).await.unwrap_or_else(|| Err("asking the backend panicked".into()));
    let (parts, body) = asked.map_err(Refused::Unanswered)?.into_parts();
    if !parts.status.is_success() {
        return Err(Refused::By(parts.status));
    }
    let readable = headers::media_type(&parts.headers).as_deref().is_some_and(headers::is_json);
    if !readable || parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Refused::Unread);
    }
    let body = caught(whole(body, ANSWERS_BYTES_MAX)).await.flatten().ok_or(Refused::Unread)?;
    let answers = std::str::from_utf8(&body).ok().and_then(|text| told_apart(text, base, count));
    answers.ok_or(Refused::Unread)
}

/// The answers that a `transaction-response` holds; `None`: it is none, or not of so many entries.
fn told_apart(text: &str, base: &str, count: usize) -> Option<Vec<Answered>> {
    let value = strict::parse(text).ok()?;
    let is = |name: &str, text: &str| value.get(name).and_then(Value::as_str) == Some(text);
    if !is("resourceType", "Bundle") || !is("type", "transaction-response") {
        return None;
    }
    let members = raw::members(text)?;
    let (_, entries) = members.into_iter().find(|(name, _)| name == "entry")?;
    let entries = raw::elements(entries).filter(|entries| entries.len() == count)?;
    entries.into_iter().map(|entry| Some(Ok(one(entry, base)?))).collect()
}

/// One entry's answer, as a backend answers one request.
fn one(entry: &str, base: &str) -> Option<Response<Upstream>> {
    let (mut resource, mut response) = (None, None);
    for (name, value) in raw::members(entry)? {
        match name.as_str() {
            "resource" => resource = Some(value),
            "response" => response = serde_json::from_str::<Value>(value).ok(),
            _ => {}
        }
    }
    let response = response?;
    let text = |name: &str| response.get(name).and_then(Value::as_str);
    let status = text("status")?.split(' ').next()?.parse::<u16>().ok()?;
    let mut fields = HeaderMap::new();
    if let Some(tag) = text("etag").and_then(|tag| HeaderValue::from_str(tag).ok()) {
        fields.insert(header::ETAG, tag);
    }
    // It may be given from the base on.
    let location = text("location").map(|url| match url.starts_with('/') || url.contains("://") {
        true => url.to_owned(),
        false => format!("{base}/{url}"),
    });
    if let Some(location) = location.and_then(|url| HeaderValue::from_str(&url).ok()) {
        fields.insert(header::LOCATION, location);
    }
    if resource.is_some() {
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
    }
    let body = resource.map_or_else(Bytes::new, |resource| Bytes::from(resource.to_owned()));
    Some(answer(StatusCode::from_u16(status).ok()?, fields, body))
}

pub(super) fn answer(status: StatusCode, fields: HeaderMap, body: Bytes) -> Response<Upstream> {
    let mut response = Response::new(paging::bytes(body));
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}
