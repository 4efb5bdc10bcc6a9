//! Where in a JSON document? JSON Pointers (RFC 6901), with `*` for any element or any member not named otherwise.

use std::fmt;

use serde_json::Value;

use super::party::{self, Bystanders};

/// A parsed pointer; the empty one is the whole document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Pointer(Vec<Box<str>>);

impl Pointer {
    /// Parses `/items/*/name`. `None` where it is neither empty nor begins with `/`, has an empty step, or a `~` that
    /// is neither `~0` nor `~1`.
    pub fn parse(text: &str) -> Option<Pointer> {
        if text.is_empty() {
            return Some(Pointer::default());
        }
        let steps = text.strip_prefix('/')?.split('/').map(unescape).collect::<Option<Vec<_>>>()?;
        Some(Pointer(steps))
    }

    /// The steps, unescaped.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether it is the whole document.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a step is `*`.
    pub fn is_wild(&self) -> bool {
        self.steps().any(|step| step == ANY)
    }

    /// This pointer, then the steps of `inner`.
    #[must_use]
    pub fn join(&self, inner: &Pointer) -> Pointer {
        Pointer(self.0.iter().chain(&inner.0).cloned().collect())
    }

    /// Any element of an array.
    pub(super) fn element() -> Pointer {
        Pointer(vec![ANY.into()])
    }

    /// The values there; `*` is every element of an array.
    pub fn find<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        self.steps().fold(vec![document], |values, step| {
            let inner = values.into_iter().flat_map(|value| match value {
                Value::Object(members) => members.get(step).into_iter().collect(),
                Value::Array(items) if step == ANY => items.iter().collect(),
                Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
            });
            inner.collect()
        })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

/// The step that stands for every element.
pub(super) const ANY: &str = "*";

fn unescape(step: &str) -> Option<Box<str>> {
    if step.is_empty() {
        return None;
    }
    let mut parts = step.split('~');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (None, Some(rest)) => ('/', rest),
            (None, None) => return None,
        };
        plain.push(escaped);
        plain.push_str(rest);
    }
    Some(plain.into())
}

/// How a place of a document names the person that the data is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPath {
    pointer: Pointer,
    reference: bool,
    bystanders: Bystanders,
}

impl SubjectPath {
    /// The id itself stands there; with `reference`, `Type/id`.
    pub(super) fn new(pointer: Pointer, reference: bool) -> SubjectPath {
        SubjectPath { pointer, reference, bystanders: Bystanders::default() }
    }

    /// References to these types are passed over there.
    pub(super) fn beside(self, bystanders: Bystanders) -> SubjectPath {
        SubjectPath { bystanders, ..self }
    }

    /// The place, from the entry's (or body's) root. With a `*`, all that are there have to agree.
    pub fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// Whether a reference `Type/id` stands there, not the id alone.
    pub fn is_reference(&self) -> bool {
        self.reference
    }

    /// The same place, seen from one member further out.
    pub(super) fn inside(&self, member: &str) -> SubjectPath {
        let pointer = Pointer(vec![member.into()]).join(&self.pointer);
        SubjectPath { pointer, reference: self.reference, bystanders: self.bystanders.clone() }
    }

    /// Whoever may stand there beside the subject.
    pub fn bystanders(&self) -> &Bystanders {
        &self.bystanders
    }

    /// The subject's id in the text that stands there. `None`: no person of this surface (a `Group/…`, a foreign URL,
    /// an empty text), so that the object has no subject and is withheld.
    pub fn id<'v>(&self, text: &'v str) -> Option<&'v str> {
        let id = if self.reference { party::id_in(text, PERSON_TYPE)? } else { text };
        is_subject_id(id).then_some(id)
    }

    /// The subject in a document; a whole number counts as its digits. `None`: nobody is named, or only bystanders and roles
    /// that nobody fills, or somebody who can be none, a party who does not say who he is, or two that differ.
    pub fn find(&self, document: &Value) -> Option<String> {
        let parties = self.pointer.0.iter().rposition(|step| &**step == ANY).and_then(|at| self.pointer.0.get(..=at));
        if let Some(parties) = parties {
            let parties = Pointer(parties.to_vec()).find(document);
            let filled = parties.into_iter().filter(|party| !self.is_unfilled(party)).count();
            if filled != self.pointer.find(document).len() {
                return None;
            }
        }
        let mut found = self.named(document).into_iter().filter(|named| *named != Named::Bystander);
        let first = found.next()?;
        match first {
            Named::Subject(id) if found.all(|other| other == Named::Subject(id.clone())) => Some(id),
            Named::Subject(_) | Named::Bystander | Named::Unknown => None,
        }
    }

    /// Whether this party is a role that nobody fills. What a role may say that nobody fills is never who does.
    fn is_unfilled(&self, party: &Value) -> bool {
        let (Value::Object(members), Some(unfilled)) = (party, self.bystanders.unfilled()) else { return false };
        let said = members.get(unfilled.role()).filter(|role| role.is_array() || role.is_object());
        said.is_some_and(|role| any_text(role, &|_| true))
            && members.keys().all(|name| unfilled.may_say(name))
            && !any_text(party, &party::may_name_somebody)
    }

    /// Whoever stands there.
    fn named(&self, document: &Value) -> Vec<Named> {
        match self.pointer.0.split_last() {
            Some((last, holders)) if self.reference && &**last == REFERENCE => {
                let holders = Pointer(holders.to_vec()).find(document).into_iter();
                holders.filter_map(|holder| Some(self.read(holder.get(REFERENCE)?, holder.get("type")))).collect()
            }
            _ => self.pointer.find(document).into_iter().map(|value| self.read(value, None)).collect(),
        }
    }

    /// `said`: what the reference says of its type beside its text.
    fn read(&self, value: &Value, said: Option<&Value>) -> Named {
        let id = match value {
            Value::String(text) => {
                if said.is_some_and(|said| !said.as_str().is_some_and(|said| party::is_of_type(text, said))) {
                    return Named::Unknown;
                }
                if self.reference && self.bystanders.include(text) {
                    return Named::Bystander;
                }
                self.id(text).map(str::to_owned)
            }
            Value::Number(number) if !self.reference && (number.is_u64() || number.is_i64()) => {
                Some(number.to_string())
            }
            Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        id.map_or(Named::Unknown, Named::Subject)
    }
}

/// Whether one of the texts in a value, names among them, is such a one.
fn any_text(value: &Value, is: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, is)),
        Value::Object(members) => members.iter().any(|(name, value)| is(name) || any_text(value, is)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Who is named at one place.
#[derive(PartialEq, Eq)]
enum Named {
    Subject(String),
    /// Nobody whose record it could be.
    Bystander,
    /// Somebody; nobody can tell who.
    Unknown,
}

/// The member of a reference that leads somewhere.
const REFERENCE: &str = "reference";

/// The only type of reference that names a subject, and how one begins.
const PERSON_TYPE: &str = "Patient";
pub(super) const PERSON: &str = "Patient/";

/// Whether a text can be the id of a subject: 1 to [`SUBJECT_BYTES_MAX`] bytes, and nothing in it that could change
/// which record a path or a query means (`/ ? # % \ ; , &`, blanks at an end, controls, dot segments).
pub fn is_subject_id(id: &str) -> bool {
    let hostile = |c: char| c.is_control() || matches!(c, '/' | '?' | '#' | '%' | '\\' | ';' | ',' | '&');
    !id.is_empty()
        && id.len() <= SUBJECT_BYTES_MAX
        && id != "."
        && id != ".."
        && id.trim() == id
        && !id.contains(hostile)
}

/// The longest subject id. Longer ones name nobody.
pub const SUBJECT_BYTES_MAX: usize = 256;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_member_with_a_slash_in_its_name_is_reached_by_its_escape() {
        let pointer = Pointer::parse("/a~1b/c~0d/*").unwrap();
        assert_eq!(pointer.find(&json!({"a/b": {"c~d": [1, 2]}})), [&json!(1), &json!(2)]);
        assert_eq!(pointer.to_string(), "/a~1b/c~0d/*");
        for bad in ["a", "/a//b", "/a~2", "/a~", "/"] {
            assert!(Pointer::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_a_patient_is_a_subject_of_a_reference() {
        let path = SubjectPath::new(Pointer::parse("/subject/reference").unwrap(), true);
        assert_eq!(path.find(&json!({"subject": {"reference": "Patient/p-1"}})), Some("p-1".to_owned()));
        for other in ["Group/p-1", "p-1", "https://x/Patient/p-1", "Patient/", "Patient/a/_history", "Patient/.."] {
            assert_eq!(path.find(&json!({"subject": {"reference": other}})), None, "{other}");
        }
        // Of whichever version: it is the same person's.
        assert_eq!(path.find(&json!({"subject": {"reference": "Patient/a/_history/1"}})), Some("a".to_owned()));
    }

    #[test]
    fn of_two_subjects_that_differ_none_is_taken() {
        let path = SubjectPath::new(Pointer::parse("/subject/*/reference").unwrap(), true);
        let two = |a: &str, b: &str| path.find(&json!({"subject": [{"reference": a}, {"reference": b}]}));
        assert_eq!(two("Patient/1", "Patient/1"), Some("1".to_owned()));
        assert_eq!(two("Patient/1", "Patient/2"), None);
        assert_eq!(two("Patient/1", "Device/1"), None);
        assert_eq!(path.find(&json!({"subject": []})), None);
        for unknown in [json!({"display": "B"}), json!({}), json!(null), json!({"reference": null})] {
            assert_eq!(path.find(&json!({"subject": [{"reference": "Patient/1"}, unknown]})), None);
        }
    }

    #[test]
    fn a_bystander_neither_hides_a_subject_nor_is_one() {
        let path = SubjectPath::new(Pointer::parse("/who/*/reference").unwrap(), true);
        let path = path.beside(Bystanders::new(["Practitioner", "Location"].map(Into::into)));
        let find = |who: Value| path.find(&json!({"who": who}));
        let (p1, d1) = (json!({"reference": "Patient/p1"}), json!({"reference": "Practitioner/d1"}));
        assert_eq!(find(json!([d1, p1, {"reference": "Location/l1", "type": "Location"}])), Some("p1".to_owned()));
        assert_eq!(find(json!([p1, d1, p1])), Some("p1".to_owned()));
        assert_eq!(find(json!([d1])), None);
        for other in [
            json!({"reference": "Patient/p2"}),
            json!({"reference": "RelatedPerson/r1"}),
            json!({"reference": "Device/v1"}),
            json!({"reference": "Practitioner/d1", "type": "Patient"}),
            json!({"reference": "Patient/p1", "type": "Practitioner"}),
            json!({"reference": "Practitioner/d1", "type": null}),
            json!({"type": "Practitioner", "display": "B"}),
            json!({"reference": "#Practitioner"}),
            json!({"reference": "http://inside/Practitioner/d1"}),
        ] {
            assert_eq!(find(json!([p1, d1, other])), None, "{other}");
            assert_eq!(find(json!([other, d1, p1])), None, "{other}");
        }
    }

    #[test]
    fn a_number_is_a_subject_and_a_fraction_is_none() {
        let path = SubjectPath::new(Pointer::parse("/id").unwrap(), false);
        assert_eq!(path.find(&json!({"id": 17})), Some("17".to_owned()));
        assert_eq!(path.find(&json!({"id": 1.5})), None);
        assert_eq!(path.find(&json!({"id": null})), None);
    }
}
