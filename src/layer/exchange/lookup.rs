//! Whose is an object that cannot be read inside? The backend is searched for it first, and nothing of that answer leaves.
//!
//! A DICOM file names its patient where the gate does not read. So before it is asked for, a search for just that object is
//! made; each data set of its answer has to repeat the ids that were asked for, and all have to name the same patient. He
//! is judged, and then the object is asked for. A dry run searches for nothing.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::asking::{Question, RELEASED, ask};
use super::{Exchange, Forward, Out, Ready};
use crate::catalogue::dicomweb::{Lookup, PATIENT_ID};
use crate::catalogue::{Part, Route, SubjectPath};
use crate::layer::entry::Settled;
use crate::layer::refusal::Problem;
use crate::redact::{Multipart, media_type};

/// The longest answer to such a search, in bytes: two data sets of a few kilobytes.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// The longest `Accept` that goes on.
const ACCEPT_BYTES_MAX: usize = 512;

/// A search still to be made.
pub(super) struct Search {
    target: String,
    /// Tag and id that each data set of the answer has to hold.
    ids: Vec<(&'static str, String)>,
    subject: SubjectPath,
}

impl Exchange {
    /// The search that has to be made before the object is asked for; `None`: whom it is about is known, or its body tells.
    pub(super) fn lookup(&self, ready: &Ready) -> Option<Search> {
        let route = ready.judgement.route()?;
        let lookup = route.dicom()?.lookup.as_ref()?;
        if self.dry_run || !matches!(ready.settled, Settled::Each) || ready.permit.is_none() {
            return None;
        }
        Some(search(ready, lookup, route.entry_subject()?.clone()))
    }

    /// Makes the search, and judges the person whom it finds.
    pub(super) async fn find(
        &self,
        head: &Parts,
        ready: &mut Ready,
        search: Search,
        forward: &mut Forward,
    ) -> Result<(), Box<Out>> {
        let person = match self.searched(head, &search, forward).await {
            Ok(Some(person)) => person,
            Ok(None) => {
                return Err(self.refuse(&ready.judgement, self.not_available(&ready.judgement), None, &[]).await);
            }
            Err(problem) => return Err(self.refuse(&ready.judgement, *problem, None, &[]).await),
        };
        let now = self.gate.now_ms(); // the search took its time: the permit is that of now
        let view = match self.on_file(now, RELEASED) {
            Ok(view) => view,
            Err(problem) => return Err(self.refuse(&ready.judgement, *problem, None, &[]).await),
        };
        self.judge_person(ready, &person, "", &view, now).await
    }

    /// Whom the search finds; `None`: nothing is there.
    async fn searched(
        &self,
        head: &Parts,
        search: &Search,
        forward: &mut Forward,
    ) -> Result<Option<String>, Box<Problem>> {
        let question = Question {
            target: &search.target,
            accept: "application/dicom+json",
            bytes_max: ANSWER_BYTES_MAX,
            nothing: &[StatusCode::NOT_FOUND, StatusCode::GONE, StatusCode::NO_CONTENT],
            unclear,
        };
        match ask(head, question, forward).await? {
            Some(held) => person(&held.record, search),
            None => Ok(None),
        }
    }
}

fn search(ready: &Ready, lookup: &Lookup, subject: SubjectPath) -> Search {
    // The target holds the originals by now: the ids are those of its path, in order.
    let path = ready.target.split('?').next().unwrap_or_default();
    let catalogue = &ready.judgement.generation.catalogue;
    let named = catalogue.resolve("GET", path, None).map(|resolved| resolved.ids).unwrap_or_default();
    let in_path = named.into_iter().filter(|named| named.part == Part::Path).map(|named| named.id);
    let ids: Vec<(&'static str, String)> = lookup.tags.iter().copied().zip(in_path).collect();
    let asked: Vec<String> = ids.iter().map(|(tag, id)| format!("{tag}={id}")).collect();
    let target = format!("{}?{}&includefield={PATIENT_ID}&limit=2", lookup.path, asked.join("&"));
    Search { target, ids, subject }
}

/// The one person that all data sets name.
fn person(answer: &Value, search: &Search) -> Result<Option<String>, Box<Problem>> {
    let found = answer.as_array().ok_or_else(unclear)?;
    let mut person: Option<String> = None;
    for data_set in found {
        for (tag, id) in &search.ids {
            let repeats = data_set.get(*tag).and_then(|attribute| attribute.get("Value")).and_then(Value::as_array);
            if repeats.is_none_or(|values| values.len() != 1 || values.first().and_then(Value::as_str) != Some(id)) {
                return Err(unclear());
            }
        }
        let named = search.subject.find(data_set).ok_or_else(unclear)?;
        if person.get_or_insert_with(|| named.clone()) != &named {
            return Err(unclear());
        }
    }
    Ok(person)
}

fn unclear() -> Box<Problem> {
    let problem =
        Problem::bad_gateway("subject-unclear", "the backend does not say clearly whose this is; nothing is released");
    Box::new(problem)
}

/// What the backend is asked to answer: what the caller accepts, if that is a plain text; else what is stored.
pub(super) fn accept(fields: &HeaderMap, route: &Route) -> HeaderValue {
    let mut given = fields.get_all(header::ACCEPT).iter();
    let plain = |value: &&HeaderValue| value.len() <= ACCEPT_BYTES_MAX && value.to_str().is_ok();
    match (given.next().filter(plain), given.next()) {
        (Some(value), None) if value.as_bytes() != b"*/*" => value.clone(),
        _ if route.id().ends_with(".retrieve") => {
            HeaderValue::from_static("multipart/related; type=\"application/dicom\"; transfer-syntax=*")
        }
        _ => HeaderValue::from_static("*/*"),
    }
}

/// How an object's answer is cut, and its type; `None`: no DICOM object has such a type.
pub(super) fn kind(fields: &HeaderMap) -> Option<(Option<Multipart>, String)> {
    let mut values = fields.get_all(header::CONTENT_TYPE).iter();
    let (text, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let media = media_type(text)?;
    let (kind, _) = media.split_once('/')?;
    if kind != "multipart" {
        let plain = matches!(kind, "image" | "video")
            || media.starts_with("application/dicom")
            || media == "application/octet-stream";
        let readable = media.starts_with("application/dicom+");
        return (plain && !readable).then_some((None, media));
    }
    let boundary = parameter(text, "boundary")?;
    let of_parts = parameter(text, "type").and_then(|value| media_type(&value));
    let of_parts = of_parts.map(|media| format!("type=\"{media}\"; ")).unwrap_or_default();
    let parts = Multipart::new(&boundary)?;
    let related = media.split(';').next() == Some("multipart/related");
    related.then(|| (Some(parts), format!("multipart/related; {of_parts}boundary=\"{boundary}\"")))
}

/// The value of a parameter of a media type, its quotes taken off (RFC 9110 section 5.6.6).
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let value = after.trim_start();
        let (value, next) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        if key.trim().trim_start_matches(';').trim().eq_ignore_ascii_case(name) {
            return (!value.contains('\\')).then(|| value.trim().to_owned());
        }
        rest = next.trim_start().strip_prefix(';')?;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    fn of(media: &str) -> Option<(bool, String)> {
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, HeaderValue::try_from(media).unwrap());
        kind(&fields).map(|(parts, media)| (parts.is_some(), media))
    }

    #[test]
    fn a_type_keeps_its_boundary_and_nothing_that_nobody_foresaw() {
        let frames = "multipart/related; type=\"application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1\"; start=\"http://inside\"; boundary=a-1";
        let kept = "multipart/related; type=\"application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1\"; boundary=\"a-1\"";
        assert_eq!(of(frames), Some((true, kept.to_owned())));
        assert_eq!(
            of("multipart/related; boundary=\"x\""),
            Some((true, "multipart/related; boundary=\"x\"".to_owned()))
        );
        assert_eq!(of("image/jpeg; name=http://inside"), Some((false, "image/jpeg".to_owned())));
        assert_eq!(of("application/dicom"), Some((false, "application/dicom".to_owned())));
        for bad in [
            "multipart/related",
            "multipart/mixed; boundary=x",
            "multipart/related; boundary=\"a b\"",
            "text/html",
            "application/json",
            "application/dicom+json",
            "application/dicom+xml",
            "x",
        ] {
            assert!(of(bad).is_none(), "{bad}");
        }
    }
}
