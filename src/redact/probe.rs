//! Whom is a held entry about, and what type is it?

use std::borrow::Cow;
use std::ops::Range;

use super::slice::{Finder, Found, Here, is_name};
use super::spec::{Shape, Spec, Step, SubjectAt, Subjects};
use super::text;
use crate::catalogue::party;

/// Whom an entry is about, as far as its bytes tell.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Subject<'e> {
    /// None of the places is there.
    NotFound,
    /// All that are there say the same.
    One(Cow<'e, str>),
    /// None but those stand there who make it no one's.
    NoOnes,
    /// Two say different things, or one says nothing that can be read.
    Unclear,
}

/// What an entry says of itself.
pub(super) struct Probe<'e> {
    pub(super) subject: Subject<'e>,
    /// Whether an entry of this kind has to name a subject.
    pub(super) names_someone: bool,
    pub(super) resource_type: Option<Cow<'e, str>>,
    pub(super) id: Option<Cow<'e, str>>,
    /// FHIR: the type is missing or not known.
    pub(super) type_unknown: bool,
}

/// Looks into an entry, `whole` or cut short.
pub(super) fn probe<'e>(spec: &Spec, entry: Here<'e>, whole: bool, finder: &mut Finder) -> Probe<'e> {
    match &spec.shape {
        Shape::Object { subjects } | Shape::List { subjects, .. } | Shape::Lines { subjects } => {
            let members = Members::read(entry, finder);
            Probe {
                subject: subject(subjects, entry, &members, finder),
                names_someone: matches!(subjects, Subjects::At(_)),
                resource_type: None,
                // As in FHIR: the record's own id is its member `id`; without one it is no particular record.
                id: members.text("id", finder),
                type_unknown: false,
            }
        }
        Shape::FhirResource | Shape::FhirLines => resource(spec, entry, finder),
        Shape::FhirBundle => {
            // Of a resource that is cut nobody can tell what it is.
            let found = match whole && entry.is_unread() {
                true => finder.begun_member(entry.bytes(), "resource").map(Here::unread),
                false => entry.member("resource", finder),
            };
            resource(spec, found.unwrap_or(Here::unread(b"")), finder)
        }
    }
}

fn resource<'e>(spec: &Spec, resource: Here<'e>, finder: &mut Finder) -> Probe<'e> {
    let members = Members::read(resource, finder);
    let resource_type = members.text("resourceType", finder);
    let known = resource_type.as_deref().and_then(|name| spec.types.get(name));
    Probe {
        subject: known.map_or(Subject::NotFound, |known| subject(&known.subjects, resource, &members, finder)),
        names_someone: known.is_none_or(|known| matches!(known.subjects, Subjects::At(_))),
        type_unknown: known.is_none(),
        resource_type,
        id: members.text("id", finder),
    }
}

/// Whom a value says it is about; `None`: values of its kind are about no one.
pub(super) fn named<'e>(subjects: &Subjects, value: Here<'e>, finder: &mut Finder) -> Option<Subject<'e>> {
    if matches!(subjects, Subjects::NoOne) {
        return None;
    }
    let members = Members::read(value, finder);
    Some(subject(subjects, value, &members, finder))
}

/// The members of a value.
struct Members<'e> {
    value: Here<'e>,
    /// Where nothing is known of them: where the first are, found in one pass; those beyond are looked for one by one.
    found: Vec<(Range<usize>, Range<usize>)>,
    all: bool,
}

/// How many members are found in one pass.
const MEMBERS_MAX: usize = 40;

impl<'e> Members<'e> {
    fn read(value: Here<'e>, finder: &mut Finder) -> Members<'e> {
        let mut members = Members { value, found: Vec::new(), all: true };
        if !value.is_unread() {
            return members;
        }
        let kind = finder.each(value.bytes(), |name, range| {
            members.found.push((name, range));
            members.all = members.found.len() < MEMBERS_MAX;
            !members.all
        });
        if kind != Found::Object {
            members.found.clear();
        }
        members
    }

    fn place(&self, name: &str, finder: &mut Finder) -> Option<Here<'e>> {
        if !self.value.is_unread() {
            return self.value.member(name, finder);
        }
        let bytes = self.value.bytes();
        let known = self.found.iter().find(|(at, _)| bytes.get(at.clone()).is_some_and(|raw| is_name(raw, name)));
        match known {
            Some((_, range)) => bytes.get(range.clone()).map(Here::unread),
            None if self.all => None,
            None => self.value.member(name, finder),
        }
    }

    fn text(&self, name: &str, finder: &mut Finder) -> Option<Cow<'e, str>> {
        text::unquote(self.place(name, finder)?.bytes())
    }
}

fn subject<'e>(subjects: &Subjects, entry: Here<'e>, members: &Members<'e>, finder: &mut Finder) -> Subject<'e> {
    let mut found = Said { subject: Subject::NotFound, bystander: false, thing: false, alone: true };
    if let Subjects::At(places) = subjects {
        for place in places {
            match place.pointer.steps().split_first() {
                Some((Step::Name(name), rest)) => {
                    if let Some(part) = members.place(name, finder) {
                        collect(part, rest, place, &mut found, finder);
                    }
                }
                _ => drop(collect(entry, place.pointer.steps(), place, &mut found, finder)),
            }
        }
    }
    let Said { subject, bystander, thing, alone } = found;
    match subject {
        Subject::NotFound if alone && (bystander || thing) => Subject::NoOnes,
        // Practitioners, places: for whom, nobody says.
        Subject::NotFound if bystander || thing => Subject::Unclear,
        // A machine: his, or another's.
        Subject::One(_) if thing => Subject::Unclear,
        subject => subject,
    }
}

/// Whom the places looked at so far name.
struct Said<'e> {
    subject: Subject<'e>,
    /// Somebody stands there who is nobody's subject, or a role that nobody fills.
    bystander: bool,
    /// The same only where nobody else stands there.
    thing: bool,
    /// Of all who stand there beside a subject it is said that they make the record no one's.
    alone: bool,
}

/// Whether somebody stands at the place. A party who does not say who he is (only a name, only an identifier) is somebody
/// whom nobody knows.
fn collect<'e>(value: Here<'e>, steps: &[Step], place: &SubjectAt, found: &mut Said<'e>, finder: &mut Finder) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return add(value.bytes(), place, found);
    };
    match step {
        Step::Any => {
            let mut inner = Finder::new();
            value.elements(finder, |part| {
                if collect(part, rest, place, found, &mut inner) {
                    return;
                }
                match is_unfilled(part, place, &mut inner) {
                    true => (found.bystander, found.alone) = (true, false),
                    false => found.subject = Subject::Unclear,
                }
            });
            value.bytes().first() == Some(&b'[')
        }
        Step::Name(name) => match value.member(name, finder) {
            Some(part) if rest.is_empty() && contradicted(value, name, part, place, finder) => {
                found.subject = Subject::Unclear;
                true
            }
            Some(part) => collect(part, rest, place, found, finder),
            None => {
                if rest.is_empty() && place.reference_to.is_some() && value.bytes().first() == Some(&b'{') {
                    found.subject = Subject::Unclear;
                }
                false
            }
        },
    }
}

/// Whether this party is a role that nobody fills: it says which, what such a role may say besides, and nothing in it could name
/// somebody.
fn is_unfilled(part: Here<'_>, place: &SubjectAt, finder: &mut Finder) -> bool {
    let Some(unfilled) = place.bystanders.unfilled() else { return false };
    let (bytes, mut only) = (part.bytes(), true);
    let kind = finder.each(bytes, |name, _| {
        let name = bytes.get(name.start.saturating_sub(1)..name.end + 1).and_then(text::unquote);
        only = name.is_some_and(|name| unfilled.may_say(&name));
        !only
    });
    let role = part.member(unfilled.role(), finder).filter(|role| matches!(role.bytes().first(), Some(b'[' | b'{')));
    let said = role.is_some_and(|role| !role.no_string(finder, |_| true));
    let speaks = |raw: &[u8]| text::unquote(raw).is_none_or(|text| party::may_name_somebody(&text));
    kind == Found::Object && only && said && part.no_string(finder, speaks)
}

/// Whether a reference says beside its text that it is of another type, or nothing that can be read.
fn contradicted(holder: Here<'_>, name: &str, part: Here<'_>, place: &SubjectAt, finder: &mut Finder) -> bool {
    if place.reference_to.is_none() || name != "reference" {
        return false;
    }
    let Some(said) = holder.member("type", finder) else { return false };
    let both = text::unquote(part.bytes()).zip(text::unquote(said.bytes()));
    !both.is_some_and(|(reference, said)| party::is_of_type(&reference, &said))
}

/// A longer value is no one's id, in bytes.
const SUBJECT_BYTES_MAX: usize = 512;

/// Whether somebody stands here.
fn add<'e>(value: &'e [u8], place: &SubjectAt, found: &mut Said<'e>) -> bool {
    if value == b"null" {
        return false;
    }
    let text = match value.first() {
        Some(b'"') => text::unquote(value),
        Some(b'0'..=b'9') if value.iter().all(u8::is_ascii_digit) => std::str::from_utf8(value).ok().map(Cow::Borrowed),
        _ => None,
    };
    let text = text.filter(|text| text.len() <= SUBJECT_BYTES_MAX);
    if place.reference_to.is_some() && text.as_deref().is_some_and(|text| place.bystanders.include(text)) {
        found.bystander = true;
        found.alone &= text.as_deref().is_some_and(|text| place.bystanders.may_stand_alone(text));
        return true;
    }
    if place.reference_to.is_some() && text.as_deref().is_some_and(|text| place.bystanders.may_stand_alone(text)) {
        found.thing = true;
        return true;
    }
    let read = text.and_then(|text| read(text, place.reference_to.as_deref())).filter(|id| !id.is_empty());
    found.subject = match (std::mem::replace(&mut found.subject, Subject::Unclear), read) {
        (Subject::NotFound, Some(id)) => Subject::One(id),
        (Subject::One(before), Some(id)) if before == id => Subject::One(before),
        _ => Subject::Unclear,
    };
    true
}

/// The id in a value: as it is, or the last part of a relative reference to the type asked for.
fn read<'e>(text: Cow<'e, str>, reference_to: Option<&str>) -> Option<Cow<'e, str>> {
    let Some(wanted) = reference_to else { return Some(text) };
    let id_of = |text: &str| {
        let id = party::id_in(text, wanted)?;
        let is_id = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        let start = wanted.len() + 1;
        is_id.then_some(start..start + id.len())
    };
    let range = id_of(&text)?;
    match text {
        Cow::Borrowed(text) => text.get(range).map(Cow::Borrowed),
        Cow::Owned(text) => text.get(range).map(|id| Cow::Owned(id.to_owned())),
    }
}
