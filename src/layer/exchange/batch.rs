//! FHIR: several requests in one (`POST` of a Bundle to the base). Each is judged as if it had come alone.
//!
//! Each entry is a request of its own, with its own judgement, its own records and its own answer, one after the other, and
//! goes the whole way of [`Exchange::answer`]: nothing about it is decided here. What the backend gets is those requests,
//! never the Bundle. In order:
//! 1. Who calls and what is declared: as of every request; each entry is asked for the same, by the same fields.
//! 2. Is it a batch that can be read? Else the whole is refused, and nothing of it is done.
//! 3. Entry by entry: method, url, conditions and body as the entry has them.
//! 4. The answers, in the entries' order. One that is cut on its way is answered by the fault, and nothing of it.
//!
//! A transaction promises all or nothing, which requests forwarded one by one cannot keep: see [`transaction`](super::transaction).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::transaction::is_transaction;
use super::{Exchange, Forward, Out, raw};
use crate::decision::json as strict;
use crate::layer::body::{BoxError, GateBody};
use crate::layer::bundles::Busy;
use crate::layer::headers;
use crate::layer::judgement::Judgement;
use crate::layer::refusal::{Problem, insert};

/// How many requests one batch may hold.
const ENTRIES_MAX: usize = 100;
/// How much the answers of one batch may hold together, in bytes: they are held until the last has come.
pub(super) const ANSWERS_BYTES_MAX: usize = 16 << 20;
/// The extension of an entry's answer in which its decision stands, as it stands in the field of a single answer.
const DECISION: &str = "urn:sekisho:purpose-of-use-decision";

/// The fields of one request that are not those of another.
const OF_ONE_REQUEST: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::EXPECT,
    header::RANGE,
    header::IF_RANGE,
    header::TRAILER,
];

/// One entry's request.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) head: Parts,
    pub(super) body: Bytes,
    /// What other entries call its record by, where that is no address.
    pub(super) full_url: Option<String>,
}

impl Exchange {
    /// Whether this is a Bundle of requests.
    pub(super) fn is_batch(&self, head: &Parts, judgement: &Judgement) -> bool {
        let catalogue = &judgement.generation.catalogue;
        head.method == Method::POST && catalogue.bundle_base(head.uri.path()).is_some()
    }

    /// The answers to a Bundle of requests.
    pub(super) async fn batch<B>(
        &mut self,
        judgement: &Judgement,
        head: &Parts,
        body: B,
        forward: &mut Forward,
    ) -> Result<Out, Box<Out>>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        self.fhir = true;
        if self.within_batch {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "body-malformed", "a batch holds no further batch");
            return Err(self.refuse(judgement, problem, None, &[]).await);
        }
        let bytes = self.read_body(judgement, head, body).await?;
        let (transaction, entries) = match entries(&bytes, head) {
            Ok(read) => read,
            Err(problem) => return Err(self.refuse(judgement, *problem, None, &[]).await),
        };
        let _place = match self.gate.bundles.enter(&judgement.caller.issuer, &judgement.caller.id) {
            Ok(place) => place,
            Err(busy) => return Err(self.refuse(judgement, later(&busy), None, &[]).await),
        };
        let catalogue = &judgement.generation.catalogue;
        let base = catalogue.bundle_base(head.uri.path()).unwrap_or_default();
        let spent: Forward = Box::new(|_| Box::pin(async { Err("asked after its end".into()) }));
        let shared = Arc::new(Mutex::new(std::mem::replace(forward, spent)));
        if transaction {
            let whole = Exchange { looked: Some(Arc::default()), ..self.within(head) };
            return Ok(whole.transaction(judgement, head, entries, base, &shared).await);
        }
        let mut room = ANSWERS_BYTES_MAX;
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            let answer = match asked(entry, head, base) {
                Ok(asked) => self.alone(asked, at_once(&shared)).await,
                Err(problem) => *self.within(head).refuse(judgement, *problem, None, &[]).await,
            };
            answers.push(self.told_in_bundle(answer, &mut room).await);
        }
        Ok(bundle("batch-response", &answers))
    }

    /// An exchange for one entry.
    fn within(&self, head: &Parts) -> Exchange {
        Exchange {
            within_batch: true,
            fhir: true,
            looked: self.looked.clone(),
            ..Exchange::new(Arc::clone(&self.gate), head)
        }
    }

    /// The answer to one entry, as if it had come alone.
    pub(super) fn alone(&self, asked: Asked, forward: Forward) -> Pin<Box<dyn Future<Output = Out> + Send>> {
        let exchange = self.within(&asked.head);
        Box::pin(exchange.answer(asked.head, Full::new(asked.body), forward))
    }

    /// An entry's answer as the Bundle has it.
    pub(super) async fn told_in_bundle(&self, answer: Out, room: &mut usize) -> String {
        let (parts, body) = answer.into_parts();
        // What a dry run says is no resource.
        let dry = headers::media_type(&parts.headers).as_deref() == Some("application/json");
        let told = collected(body, room).await.and_then(|body| if dry { as_resource(&body, room) } else { Ok(body) });
        let (parts, body) = match told {
            Ok(body) => (parts, body),
            Err(problem) => {
                let id = decision_id(&parts.headers).unwrap_or_else(|| self.id.clone());
                problem.response(&id, true).into_parts()
            }
        };
        let text = String::from_utf8_lossy(&body);
        let resource = headers::media_type(&parts.headers).as_deref().is_some_and(headers::is_json) && !body.is_empty();
        let failed = parts.status.is_client_error() || parts.status.is_server_error();
        let reason = parts.status.canonical_reason().unwrap_or("");
        let mut response = json!({"status": format!("{} {reason}", parts.status.as_u16()).trim_end()});
        for (name, field) in [("location", header::LOCATION), ("etag", header::ETAG)] {
            if let Some(value) = parts.headers.get(field).and_then(|value| value.to_str().ok()) {
                insert_text(&mut response, name, value.into());
            }
        }
        if let Some(decision) = parts.headers.get(headers::DECISION).and_then(|value| value.to_str().ok()) {
            insert_text(&mut response, "extension", json!([{"url": DECISION, "valueString": decision}]));
        }
        let response = response.to_string();
        match (resource, failed) {
            (false, _) => format!("{{\"response\":{response}}}"),
            (true, false) => format!("{{\"resource\":{text},\"response\":{response}}}"),
            (true, true) => {
                let open = response.strip_suffix('}').unwrap_or("{");
                format!("{{\"response\":{open},\"outcome\":{text}}}}}")
            }
        }
    }
}

/// What a Bundle is told that has no place.
fn later(busy: &Busy) -> Problem {
    let (status, detail) = match busy {
        Busy::Caller => (StatusCode::TOO_MANY_REQUESTS, "too many of this caller's Bundles are under way"),
        Busy::Site => (StatusCode::SERVICE_UNAVAILABLE, "too many Bundles are under way"),
    };
    let detail = format!("{detail}; nothing of this one is done: send it again when others are answered");
    Problem { retry_after_s: Some(1), ..Problem::new(status, "too-many-bundles", &detail) }
}

/// Asks the backend as it comes.
pub(super) fn at_once(shared: &Arc<Mutex<Forward>>) -> Forward {
    let shared = Arc::clone(shared);
    Box::new(move |request| {
        let mut forward = shared.lock().unwrap_or_else(PoisonError::into_inner);
        (*forward)(request)
    })
}

fn insert_text(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn decision_id(fields: &HeaderMap) -> Option<String> {
    let text = fields.get(headers::DECISION)?.to_str().ok()?;
    Some(text.split_once("id=\"")?.1.split_once('"')?.0.to_owned())
}

/// All of an answer, or why it is not told.
pub(super) async fn collected(mut body: GateBody, room: &mut usize) -> Result<Bytes, Box<Problem>> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let detail = "the backend's answer cannot be judged to its end; nothing of it is told";
            return Err(Box::new(Problem::bad_gateway("body-not-judged", detail)));
        };
        let data = frame.into_data().unwrap_or_default();
        take_room(room, data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

fn take_room(room: &mut usize, bytes: usize) -> Result<(), Box<Problem>> {
    let detail = "the answers of this batch are larger than one answer may be; ask for this one alone";
    let full = || Box::new(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "answer-too-large", detail));
    *room = room.checked_sub(bytes).ok_or_else(full)?;
    Ok(())
}

/// What is no resource, in one; written so it is longer.
fn as_resource(text: &[u8], room: &mut usize) -> Result<Bytes, Box<Problem>> {
    let decision = json!([{"name": "decision", "valueString": String::from_utf8_lossy(text)}]);
    let told = json!({"resourceType": "Parameters", "parameter": decision}).to_string();
    take_room(room, told.len().saturating_sub(text.len()))?;
    Ok(told.into())
}

pub(super) fn bundle(kind: &str, answers: &[String]) -> Out {
    let text = format!("{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\",\"entry\":[{}]}}", answers.join(","));
    let mut response = Response::new(GateBody::whole(Bytes::from(text)));
    headers::own(response.headers_mut());
    insert(response.headers_mut(), header::CONTENT_TYPE, "application/fhir+json");
    response
}

pub(super) fn malformed(detail: &str) -> Box<Problem> {
    Box::new(Problem::new(StatusCode::BAD_REQUEST, "body-malformed", detail))
}

/// Whether they are all or none, and the entries, each as it is written.
fn entries<'b>(body: &'b [u8], head: &Parts) -> Result<(bool, Vec<&'b str>), Box<Problem>> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8"))?;
    let value = strict::parse(text).map_err(|why| malformed(&format!("the body is no strict JSON: {why}")))?;
    if value.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
        return Err(malformed("the base takes a Bundle"));
    }
    let transaction = is_transaction(value.get("type").and_then(Value::as_str))?;
    if head.uri.query().is_some() {
        return Err(Box::new(Problem::new(
            StatusCode::BAD_REQUEST,
            "unknown-parameter",
            "a batch takes no parameter; each entry's `url` has its own",
        )));
    }
    let members = raw::members(text).unwrap_or_default();
    let entry = members.into_iter().find(|(name, _)| name == "entry").and_then(|(_, value)| raw::elements(value));
    let entries = entry.filter(|entries| !entries.is_empty()).ok_or_else(|| malformed("the batch has no entries"))?;
    if entries.len() > ENTRIES_MAX {
        let detail = format!("a batch has at most {ENTRIES_MAX} entries");
        return Err(Box::new(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)));
    }
    Ok((transaction, entries))
}

/// The request that an entry is.
pub(super) fn asked(entry: &str, outer: &Parts, base: &str) -> Result<Asked, Box<Problem>> {
    let members = raw::members(entry).ok_or_else(|| malformed("an entry is an object"))?;
    let (mut resource, mut request, mut full_url) = (None, None, None);
    for (name, value) in &members {
        match name.as_str() {
            "resource" => resource = Some(*value),
            "request" => request = serde_json::from_str::<Value>(value).ok(),
            "fullUrl" => full_url = serde_json::from_str::<String>(value).ok(),
            "id" => {}
            _ => return Err(malformed("an entry has `request`, `resource`, `fullUrl` and no more")),
        }
    }
    let Some(Value::Object(request)) = request else { return Err(malformed("an entry has a `request`")) };
    let (mut method, mut target, mut conditions) = (None, None, HeaderMap::new());
    for (name, value) in &request {
        let text = value.as_str().ok_or_else(|| malformed("the members of a `request` are strings"))?;
        match name.as_str() {
            "method" => method = Some(text),
            "url" => target = Some(text),
            _ => {
                let field = condition(name).ok_or_else(|| malformed("a `request` has a member that is not judged"))?;
                let value = HeaderValue::from_str(text).map_err(|_| malformed("a condition is no field value"))?;
                conditions.insert(field, value);
            }
        }
    }
    let method = match method {
        Some("GET") => Method::GET,
        Some("HEAD") => Method::HEAD,
        Some("POST") => Method::POST,
        Some("PUT") => Method::PUT,
        Some("PATCH") => Method::PATCH,
        Some("DELETE") => Method::DELETE,
        _ => return Err(malformed("`method` is one of GET, HEAD, POST, PUT, PATCH, DELETE")),
    };
    let uri = target.and_then(|target| uri(base, target));
    let uri = uri.ok_or_else(|| malformed("`url` is a path beneath the base, such as `Condition/1`"))?;
    let (body, media) = carried(&method, resource)?;
    let mut head = outer.clone();
    head.method = method;
    head.uri = uri;
    for name in OF_ONE_REQUEST {
        head.headers.remove(name);
    }
    for name in headers::CONDITIONS {
        head.headers.remove(name);
    }
    head.headers.extend(conditions);
    if let Some(media) = media {
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    let is_name = |url: &String| {
        let rest = url.strip_prefix("urn:uuid:").or_else(|| url.strip_prefix("urn:oid:"));
        rest.is_some_and(|id| {
            !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        })
    };
    let full_url = full_url.filter(is_name);
    Ok(Asked { head, body, full_url })
}

/// The field that a member of an entry's request stands for.
fn condition(member: &str) -> Option<HeaderName> {
    condition_members().into_iter().find_map(|(name, field)| (name == member).then_some(field))
}

/// The members of an entry's request that stand for fields.
pub(super) fn condition_members() -> [(&'static str, HeaderName); 4] {
    [
        ("ifMatch", header::IF_MATCH),
        ("ifNoneMatch", header::IF_NONE_MATCH),
        ("ifModifiedSince", header::IF_MODIFIED_SINCE),
        ("ifNoneExist", HeaderName::from_static("if-none-exist")),
    ]
}

/// The target of an entry: the same text beneath the base, and nothing that a parser would read otherwise.
fn uri(base: &str, target: &str) -> Option<Uri> {
    // A colon may stand in what is asked, and not before it: there it would be a scheme.
    let path = target.split('?').next().unwrap_or_default();
    if path.is_empty() || path.starts_with('/') || path.contains(':') || target.contains(['#', '\\']) {
        return None;
    }
    let text = format!("{base}/{target}");
    let uri: Uri = text.parse().ok()?;
    (uri.path_and_query().map(http::uri::PathAndQuery::as_str) == Some(&text)).then_some(uri)
}

/// The body of an entry's request, and its type. A patch lies in a Binary.
fn carried(method: &Method, resource: Option<&str>) -> Result<(Bytes, Option<&'static str>), Box<Problem>> {
    match (method.as_str(), resource) {
        ("POST" | "PUT", Some(resource)) => Ok((Bytes::from(resource.to_owned()), Some("application/fhir+json"))),
        ("PATCH", Some(resource)) => {
            let binary: Value = serde_json::from_str(resource).unwrap_or_default();
            let member = |name: &str| binary.get(name).and_then(Value::as_str);
            let patch = member("data").and_then(|data| STANDARD.decode(data).ok());
            let is_patch = member("resourceType") == Some("Binary") && member("contentType") == Some(headers::PATCH);
            let patch = patch.filter(|_| is_patch).ok_or_else(|| {
                malformed("a patch is a Binary of `contentType` `application/json-patch+json` with its `data`")
            })?;
            Ok((Bytes::from(patch), Some(headers::PATCH)))
        }
        (_, None) => Ok((Bytes::new(), None)),
        (_, Some(_)) => Err(malformed("`resource` goes with POST, PUT and PATCH")),
    }
}
