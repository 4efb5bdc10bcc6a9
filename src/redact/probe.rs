//! Whom is a held entry about, and what type is it?

use super::slice;
use super::spec::{Shape, Spec, Step, SubjectAt, Subjects};
use super::text;

/// Whom an entry is about, as far as its bytes tell.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// None of the places is there.
    NotFound,
    /// All that are there say the same.
    One(String),
    /// Two say different things, or one says nothing that can be read.
    Unclear,
}

/// What an entry says of itself.
pub(super) struct Probe {
    pub(super) subject: Subject,
    /// Whether an entry of this kind has to name a subject.
    pub(super) names_someone: bool,
    pub(super) resource_type: Option<String>,
    pub(super) id: Option<String>,
    /// FHIR: the type is missing or not known.
    pub(super) type_unknown: bool,
}

/// Looks into an entry, whole or cut short.
pub(super) fn probe(spec: &Spec, entry: &[u8]) -> Probe {
    match &spec.shape {
        Shape::Object { subjects } | Shape::List { subjects, .. } | Shape::Lines { subjects } => Probe {
            subject: subject(subjects, entry),
            names_someone: matches!(subjects, Subjects::At(_)),
            resource_type: None,
            // As in FHIR: the record's own id is its member `id`; without one it is no particular record.
            id: slice::string_member(entry, "id"),
            type_unknown: false,
        },
        Shape::FhirResource | Shape::FhirLines => resource(spec, Some(entry)),
        Shape::FhirBundle => resource(spec, slice::member(entry, "resource")),
    }
}

fn resource(spec: &Spec, resource: Option<&[u8]>) -> Probe {
    let resource = resource.unwrap_or_default();
    let resource_type = slice::string_member(resource, "resourceType");
    let known = resource_type.as_deref().and_then(|name| spec.types.get(name));
    Probe {
        subject: known.map_or(Subject::NotFound, |known| subject(&known.subjects, resource)),
        names_someone: known.is_none_or(|known| matches!(known.subjects, Subjects::At(_))),
        type_unknown: known.is_none(),
        resource_type,
        id: slice::string_member(resource, "id"),
    }
}

fn subject(subjects: &Subjects, entry: &[u8]) -> Subject {
    let mut found = Subject::NotFound;
    if let Subjects::At(places) = subjects {
        for place in places {
            collect(entry, place.pointer.steps(), place, &mut found);
        }
    }
    found
}

fn collect(value: &[u8], steps: &[Step], place: &SubjectAt, found: &mut Subject) {
    let Some((step, rest)) = steps.split_first() else {
        return add(value, place, found);
    };
    let Some(parts) = slice::parts(value) else { return };
    match step {
        Step::Any if !parts.object() => parts.for_each(|(_, part)| collect(part, rest, place, found)),
        Step::Name(name) if parts.object() => {
            if let Some(part) = slice::member(value, name) {
                collect(part, rest, place, found);
            }
        }
        Step::Any | Step::Name(_) => {}
    }
}

/// A longer value is no one's id, in bytes.
const SUBJECT_BYTES_MAX: usize = 512;

fn add(value: &[u8], place: &SubjectAt, found: &mut Subject) {
    if value == b"null" {
        return;
    }
    let text = match value.first() {
        Some(b'"') => text::unquote(value),
        Some(b'0'..=b'9') if value.iter().all(u8::is_ascii_digit) => String::from_utf8(value.to_vec()).ok(),
        _ => None,
    };
    let text = text.filter(|text| text.len() <= SUBJECT_BYTES_MAX);
    let read = text.and_then(|text| read(text, place.reference_to.as_deref())).filter(|id| !id.is_empty());
    *found = match (std::mem::replace(found, Subject::Unclear), read) {
        (Subject::NotFound, Some(id)) => Subject::One(id),
        (Subject::One(before), Some(id)) if before == id => Subject::One(before),
        _ => Subject::Unclear,
    };
}

/// The id in a value: as it is, or the last part of a relative reference to the type asked for.
fn read(text: String, reference_to: Option<&str>) -> Option<String> {
    let Some(wanted) = reference_to else { return Some(text) };
    let id = text.strip_prefix(wanted)?.strip_prefix('/')?;
    let id = id.split_once("/_history/").map_or(id, |(id, _)| id);
    let is_id = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    is_id.then(|| id.to_owned())
}
