//! Which search a condition is, what it found, and which unconditional request that comes to.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::super::{is_version, unresolved_problem};
use super::{IF_NONE_EXIST, InBody, Match, refused, unclear};
use crate::catalogue::{Catalogue, Resolved, Route, SubjectAt, SubjectPath};
use crate::layer::entry::Settled;
use crate::layer::refusal::Problem;
use crate::layer::spelling::refuse_any;

/// Parameters with this sign at their beginning that ask for records; the others say how a list is answered.
const ASKING: [&str; 6] = ["_id", "_tag", "_profile", "_security", "_source", "_lastUpdated"];

/// The search that the condition is: about the person of the write, and nothing but a filter.
pub(super) fn search_for<'c>(
    catalogue: &'c Catalogue,
    path: &str,
    asked: &str,
    written: &Route,
    named: Option<&InBody>,
) -> Result<(String, Resolved<'c>), Box<Problem>> {
    for name in asked.split('&').map(|pair| pair.split('=').next().unwrap_or_default()) {
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        let plain = name.split([':', '.']).next().unwrap_or_default();
        if name.starts_with('_') && plain != "_has" && !ASKING.contains(&plain) {
            return Err(refused(&format!("`{plain}` says how a list is answered, and a condition has none")));
        }
    }
    let resolve =
        |query: &str| catalogue.resolve("GET", path, Some(query)).map_err(|why| Box::new(unresolved_problem(&why)));
    let resolved = resolve(asked)?;
    // What is found is not answered, and a record is written by it: nothing could be dropped.
    if let Some(problem) = refuse_any(&resolved) {
        return Err(Box::new(problem));
    }
    let person = named.and_then(|named| named.person.as_deref());
    let told = match &resolved.subject {
        SubjectAt::NoOne => return Ok((format!("{path}?{asked}"), resolved)),
        SubjectAt::Target(named) => Some(named.id.clone()),
        SubjectAt::Body | SubjectAt::Entries | SubjectAt::Stored | SubjectAt::Caller => None,
    };
    match (told, person) {
        (Some(told), Some(person)) if told != person => {
            let detail = "the body is about another person than the condition";
            Err(Box::new(Problem::new(StatusCode::BAD_REQUEST, "subject-mismatch", detail)))
        }
        (Some(_), _) => Ok((format!("{path}?{asked}"), resolved)),
        (None, Some(person)) if written.body_subject().is_some_and(SubjectPath::is_reference) => {
            let parameter = resolved.route.subject_parameter().ok_or_else(unnamed)?;
            let query = format!("{asked}&{parameter}=Patient/{person}");
            let resolved = resolve(&query)?;
            let same = matches!(&resolved.subject, SubjectAt::Target(named) if named.id == *person);
            if same { Ok((format!("{path}?{query}"), resolved)) } else { Err(unnamed()) }
        }
        (None, _) => Err(unnamed()),
    }
}

fn unnamed() -> Box<Problem> {
    let detail = "the condition does not say whom it is about; name the person (`patient=…`, of a chart `_id=…`)";
    Box::new(Problem::new(StatusCode::BAD_REQUEST, "subject-missing", detail))
}

/// The matches of a search's answer; `None`: it is not clear what they are, or whose.
pub(super) fn matches_in(bundle: &Value, route: &Route, settled: &Settled) -> Option<Vec<Match>> {
    if bundle.get("resourceType")?.as_str() != Some("Bundle") || bundle.get("type")?.as_str() != Some("searchset") {
        return None;
    }
    let none = Vec::new();
    let entries = match bundle.get("entry") {
        None => &none,
        Some(entries) => entries.as_array()?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let resource = entry.get("resource")?;
        let kind = resource.get("resourceType")?.as_str()?;
        if kind == "OperationOutcome" && entry.pointer("/search/mode").and_then(Value::as_str) == Some("outcome") {
            continue;
        }
        let theirs = match (settled, route.entry_subject()) {
            (Settled::Person(person), Some(place)) => place.find(entry).as_ref() == Some(person),
            (Settled::NoOne { .. }, None) => true,
            _ => false,
        };
        if Some(kind) != route.resource_type() || !theirs {
            return None;
        }
        let id = resource.get("id")?.as_str().filter(|id| is_version(id))?.to_owned();
        let version = resource.pointer("/meta/versionId").and_then(Value::as_str);
        found.push(Match { id, version: version.filter(|version| is_version(version)).map(str::to_owned) });
    }
    let goes_on = |link: &Value| link.get("relation").and_then(Value::as_str) == Some("next");
    let more = bundle.get("link").and_then(Value::as_array).is_some_and(|links| links.iter().any(goes_on));
    (found.len() > 1 || !more).then_some(found)
}

/// The request that is meant; `Err(None)`: there is no such record.
pub(super) fn settled(
    head: &Parts,
    path: &str,
    body: Bytes,
    mut found: Vec<Match>,
    own_id: Option<&str>,
) -> Result<(Parts, Bytes), Option<Box<Problem>>> {
    if found.len() > 1 {
        let detail = "the condition fits several records";
        return Err(Some(Box::new(Problem::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", detail))));
    }
    let mut plain = head.clone();
    plain.headers.remove(IF_NONE_EXIST);
    let (method, target, body) = match (head.method.as_str(), found.pop()) {
        ("POST", None) => (Method::POST, path.to_owned(), body),
        ("POST", Some(record)) => {
            plain.headers.remove(header::CONTENT_TYPE);
            plain.headers.remove(header::CONTENT_LENGTH);
            (Method::GET, format!("{path}/{}", record.id), Bytes::new())
        }
        ("PUT", None) if own_id.is_some() || head.headers.contains_key(header::IF_MATCH) => {
            return Err(Some(refused("no record fits, and the request names one; send it to that record")));
        }
        ("PUT", None) => (Method::POST, path.to_owned(), body),
        (_, None) => return Err(None),
        ("PUT", Some(record)) if own_id.is_some_and(|own| own != record.id) => {
            let detail = "the body has another `id` than the record that fits";
            return Err(Some(Box::new(Problem::new(StatusCode::BAD_REQUEST, "subject-mismatch", detail))));
        }
        (_, Some(record)) => {
            let own =
                record.version.as_ref().and_then(|version| HeaderValue::try_from(format!("W/\"{version}\"")).ok());
            if let Some(version) = own.filter(|_| !head.headers.contains_key(header::IF_MATCH)) {
                plain.headers.insert(header::IF_MATCH, version);
            }
            let body = if own_id.is_none() && head.method == Method::PUT { with_id(&body, &record.id) } else { body };
            (head.method.clone(), format!("{path}/{}", record.id), body)
        }
    };
    plain.method = method;
    plain.uri = target.parse().map_err(|_| Some(unclear()))?;
    Ok((plain, body))
}

/// A record, which has no id, with this one.
fn with_id(record: &[u8], id: &str) -> Bytes {
    let open = record.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
    let (before, after) = record.split_at(open);
    [before, format!("\"id\":\"{id}\",").as_bytes(), after].concat().into()
}
