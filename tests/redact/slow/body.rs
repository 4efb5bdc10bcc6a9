//! Bodies: where entries are, whom each is about, and what is left of the whole.

use sekisho::catalogue::fields::Node;
use sekisho::redact::{Shape, SubjectAt, Subjects};

use super::json::{Json, Spelt};
use super::{At, Slow, Walk};

/// Whom an entry is about.
#[derive(Debug, PartialEq)]
pub(crate) enum Subject {
    /// None of the places is there.
    NotFound,
    /// All that are there say the same.
    One(String),
    /// All who stand there make it no one's.
    NoOnes,
    /// Two say different things, or one says nothing that can be read.
    Unclear,
}

/// `None`: entries of this kind are about no one.
pub(crate) fn subject_of(subjects: &Subjects, entry: &Json) -> Option<Subject> {
    let Subjects::At(places) = subjects else { return None };
    let mut said: Vec<Who> = Vec::new();
    for place in places {
        let pointer = place.pointer.to_string();
        let steps: Vec<String> =
            pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        match (steps.split_first(), entry) {
            (Some((step, rest)), Json::Map(_)) if step != "*" => {
                entry.get(step).map(|member| collect(member, rest, place, &mut said));
            }
            _ => drop(collect(entry, &steps, place, &mut said)),
        }
    }
    let (subjects, somebody): (Vec<Who>, bool) = (named(&said), !said.is_empty());
    if somebody && said.iter().all(|who| matches!(who, Who::Bystander(true) | Who::Thing)) {
        return Some(Subject::NoOnes);
    }
    Some(match subjects.split_first() {
        None if somebody => Subject::Unclear,
        None => Subject::NotFound,
        Some((Who::Id(first), rest)) if rest.iter().all(|other| *other == Who::Id(first.clone())) => {
            Subject::One(first.clone())
        }
        Some(_) => Subject::Unclear,
    })
}

/// Who stands at one place.
#[derive(Clone, PartialEq)]
enum Who {
    Id(String),
    /// Whose records are nobody's, or nobody, in a role; and whether that makes this one nobody's too.
    Bystander(bool),
    /// Somebody who does so only where no subject stands.
    Thing,
    Unknown,
}

fn named(said: &[Who]) -> Vec<Who> {
    said.iter().filter(|who| !matches!(who, Who::Bystander(_))).cloned().collect()
}

/// Whether somebody stands there. A party of whom nothing says who he is is somebody else.
fn collect(value: &Json, steps: &[String], place: &SubjectAt, said: &mut Vec<Who>) -> bool {
    match (steps.split_first(), value) {
        (None, Json::Word(word)) if word == "null" => return false,
        (None, Json::Word(word)) if word.bytes().all(|b| b.is_ascii_digit()) => said.push(who(word, place)),
        (None, Json::Text(text)) => said.push(who(text, place)),
        (None, _) => said.push(Who::Unknown),
        (Some((step, rest)), Json::List(items)) if step == "*" => {
            for item in items {
                if !collect(item, rest, place, said) {
                    said.push(if is_role_alone(item, place) { Who::Bystander(false) } else { Who::Unknown });
                }
            }
        }
        (Some((step, rest)), Json::Map(_)) if step != "*" => {
            let to = place.reference_to.is_some() && rest.is_empty();
            match (value.get(step), value.get("type")) {
                (None, _) if to => said.push(Who::Unknown),
                (None, _) => {}
                (Some(member), Some(kind)) if to && step == "reference" && !is_of(member, kind) => {
                    said.push(Who::Unknown);
                    return true;
                }
                (Some(member), _) => return collect(member, rest, place, said),
            }
            return false;
        }
        (Some(_), _) => return false,
    }
    true
}

/// Whether a party is a role and nobody in it: members from the list alone, and in them nothing that leads anywhere.
fn is_role_alone(party: &Json, place: &SubjectAt) -> bool {
    fn texts<'j>(value: &'j Json, found: &mut Vec<&'j str>) {
        match value {
            Json::Word(_) => {}
            Json::Text(text) => found.push(text),
            Json::List(items) => items.iter().for_each(|item| texts(item, found)),
            Json::Map(members) => members.iter().for_each(|(name, value)| {
                found.push(name);
                texts(value, found);
            }),
        }
    }
    let (Json::Map(members), Some(unfilled)) = (party, place.bystanders.unfilled()) else { return false };
    let (mut all, mut of_role) = (Vec::new(), Vec::new());
    texts(party, &mut all);
    if let Some(role @ (Json::List(_) | Json::Map(_))) = party.get(unfilled.role()) {
        texts(role, &mut of_role);
    }
    let leads = all.iter().any(|text| ["extension", "modifierExtension", "reference"].contains(text));
    !of_role.is_empty() && !leads && members.iter().all(|(name, _)| unfilled.may_say(name))
}

/// Whether a reference leads to the type that stands beside it.
fn is_of(reference: &Json, kind: &Json) -> bool {
    let (Json::Text(reference), Json::Text(kind)) = (reference, kind) else { return false };
    let (reference, kind): (&str, &str) = (reference, kind);
    let name =
        kind.rsplit_once("http://hl7.org/fhir/StructureDefinition/").map_or(kind, |(before, name)| match before {
            "" => name,
            _ => kind,
        });
    let is_kind = !name.is_empty() && !name.contains('/');
    is_kind && (reference == name || reference.starts_with(&format!("{name}/")))
}

fn who(text: &str, place: &SubjectAt) -> Who {
    let steps: Vec<&str> = text.split('/').collect();
    let is_id = |id: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        !id.is_empty() && id.len() <= 64 && id.chars().all(plain) && id != "." && id != ".."
    };
    let plain = match steps.as_slice() {
        [_, id] => is_id(id),
        [_, id, "_history", version] => is_id(id) && is_id(version),
        _ => false,
    };
    let alone = plain && place.bystanders.alone().any(|name| name == steps[0]);
    if place.reference_to.is_some() && plain && place.bystanders.names().any(|name| name == steps[0]) {
        return Who::Bystander(alone);
    }
    if place.reference_to.is_some() && alone {
        return Who::Thing;
    }
    id(text, place).map_or(Who::Unknown, Who::Id)
}

fn id(text: &str, place: &SubjectAt) -> Option<String> {
    let id = match &place.reference_to {
        None => text,
        Some(wanted) => {
            let id = text.strip_prefix(&**wanted)?.strip_prefix('/')?;
            let (id, version) = id.split_once("/_history/").unwrap_or((id, "1"));
            let plain = |id: &str| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
            let is_version = (1..=64).contains(&version.len()) && plain(version);
            let elsewhere = [id, version].iter().any(|step| matches!(*step, "." | ".."));
            (plain(id) && is_version && !elsewhere).then_some(id)?
        }
    };
    (!id.is_empty() && text.len() <= 512).then(|| id.to_owned())
}

/// What a body is, besides its values.
pub(crate) struct Layout<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) root: &'a Node,
    /// An entry need not name a subject.
    pub(crate) settled: bool,
    /// Whether what is about this subject, or about none, is released.
    pub(crate) judge: &'a dyn Fn(Option<&str>) -> bool,
}

/// Entries are not where the layout has them.
pub(crate) struct Misplaced;

impl Slow<'_> {
    /// What leaves of a document, or of each line of lines; `None`: nothing at all.
    pub(crate) fn document(&self, layout: &Layout<'_>, body: &Json) -> Result<Option<Json>, Misplaced> {
        let at = Some(At::root(layout.root));
        let steps = match layout.shape {
            Shape::List { entries, .. } => {
                let pointer = entries.to_string();
                pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
            }
            Shape::FhirBundle => {
                if !matches!(body.get("resourceType"), Some(Json::Text(named)) if named.raw() == "Bundle") {
                    return Err(Misplaced);
                }
                vec!["entry".to_owned(), "*".to_owned()]
            }
            Shape::Object { .. } | Shape::Lines { .. } | Shape::FhirLines | Shape::FhirResource => {
                return Ok(self.entry(layout, body, at));
            }
        };
        let envelope = Walk::envelope(self);
        self.leads(layout, &envelope, body, at, &steps).map(Some)
    }

    /// A value that leads to the entries stays, whatever the plan says of it.
    fn leads(
        &self,
        layout: &Layout<'_>,
        walk: &Walk<'_>,
        value: &Json,
        at: Option<At<'_>>,
        steps: &[String],
    ) -> Result<Json, Misplaced> {
        let Some((step, rest)) = steps.split_first() else { return Err(Misplaced) };
        match value {
            Json::Word(_) | Json::Text(_) => Ok(walk.root(value, at)),
            Json::List(items) if step == "*" => {
                let element = at.and_then(|at| at.child(None));
                let mut kept = Vec::new();
                for item in items {
                    match item {
                        _ if rest.is_empty() => kept.extend(self.entry(layout, item, element)),
                        Json::Word(_) | Json::Text(_) => kept.extend(walk.element(item, element)),
                        Json::List(_) | Json::Map(_) => kept.push(self.leads(layout, walk, item, element, rest)?),
                    }
                }
                Ok(Json::List(kept))
            }
            Json::Map(members) if step != "*" => {
                let mut kept = Vec::new();
                for member in members {
                    kept.extend(self.beside(layout, walk, member, at, steps, members)?);
                }
                Ok(Json::Map(kept))
            }
            Json::List(_) | Json::Map(_) => Err(Misplaced),
        }
    }

    /// A member of an object that leads to the entries.
    fn beside(
        &self,
        layout: &Layout<'_>,
        walk: &Walk<'_>,
        member: &(Spelt, Json),
        at: Option<At<'_>>,
        steps: &[String],
        members: &[(Spelt, Json)],
    ) -> Result<Option<(Spelt, Json)>, Misplaced> {
        let leads = steps.first().is_some_and(|step| step == member.0.as_str());
        if !leads || matches!(member.1, Json::Word(_) | Json::Text(_)) {
            return Ok(walk.member(member, at, members));
        }
        let place = at.and_then(|at| walk.place(&member.0, at));
        Ok(Some((member.0.clone(), self.leads(layout, walk, &member.1, place, &steps[1..])?)))
    }

    /// What leaves of an entry; `None`: it is dropped.
    pub(crate) fn entry(&self, layout: &Layout<'_>, entry: &Json, at: Option<At<'_>>) -> Option<Json> {
        let of_types = matches!(layout.shape, Shape::FhirBundle | Shape::FhirLines | Shape::FhirResource);
        let resource = match layout.shape {
            Shape::FhirBundle => entry.get("resource")?,
            _ => entry,
        };
        let subjects = match layout.shape {
            _ if of_types => match resource.get("resourceType") {
                Some(Json::Text(named)) => &self.types.get(named)?.subjects,
                _ => return None,
            },
            Shape::Object { subjects } | Shape::List { subjects, .. } | Shape::Lines { subjects } => subjects,
            _ => return None,
        };
        let person = match subject_of(subjects, resource) {
            Some(Subject::One(id)) => Some(id),
            Some(Subject::NotFound) if layout.settled => None,
            Some(Subject::NoOnes) => None,
            Some(Subject::NotFound | Subject::Unclear) => return None,
            None => None,
        };
        if !(layout.judge)(person.as_deref()) {
            return None;
        }
        let large = entry.compact().len() > self.held_bytes_max;
        if large && !layout.settled {
            return None;
        }
        let walk = Walk::entry(self, person, large);
        if matches!(layout.shape, Shape::FhirLines | Shape::FhirResource) {
            return walk.resource(entry);
        }
        // With a modifier extension that cannot leave goes all that it modifies.
        let lost = |place: Option<At<'_>>| place.is_none_or(|place| walk.loses_modifier(entry, place));
        if entry.get("modifierExtension").is_some() && self.fhir && lost(at) {
            return None;
        }
        if of_types && walk.resource(resource).is_none() {
            return None;
        }
        Some(walk.root(entry, at))
    }
}
