//! Whom does a FHIR reference name? Only a relative one says it by itself: `Type/id`, perhaps with a version.
//!
//! Beside the patient of an appointment stand practitioners, places and organisations. Their records are about no one, so a
//! reference to one is passed over where the subject is looked for. Whatever else stands there names somebody: another
//! patient, a relative, a device (it can be affixed to a patient), a group, a record of anybody, and a text of which nobody
//! can tell where it leads (`urn:uuid:…`, `#contained`, an address, a bare id).
//!
//! Where none but bystanders stand nobody's patient is named, which is no proof that there is none. Of some types it is: a schedule
//! of practitioners, rooms and machines is theirs. The catalogue says of which, and who may stand there alone.
//! A role that nobody fills yet (a participant of an appointment without an `actor`) names nobody either. It is one only if it
//! says which role it is (R4 rule app-1), and of the rest what the catalogue lists there and nothing else: an extension, or a
//! member that nobody foresaw, could say who fills it.

use std::sync::Arc;

/// Types whose records are about no one: to be named beside a subject does not make one of them a second. And what a role
/// may say that nobody fills.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bystanders {
    types: Arc<[Box<str>]>,
    alone: Arc<[Box<str>]>,
    unfilled: Option<Arc<Unfilled>>,
}

/// What a role says that nobody fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfilled {
    role: Box<str>,
    besides: Box<[Box<str>]>,
}

impl Unfilled {
    /// The member that says which role it is has to be there and hold something; others of these names may.
    pub fn new(role: Box<str>, besides: impl IntoIterator<Item = Box<str>>) -> Unfilled {
        Unfilled { role, besides: besides.into_iter().collect() }
    }

    /// The member that says which role it is.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// Whether it may have a member of this name.
    pub fn may_say(&self, name: &str) -> bool {
        name == &*self.role || self.besides.iter().any(|known| **known == *name)
    }
}

impl Bystanders {
    /// Those of these names.
    pub fn new(names: impl IntoIterator<Item = Box<str>>) -> Bystanders {
        Bystanders { types: sorted(names), alone: Arc::default(), unfilled: None }
    }

    /// A record in which none but these stand is no one's, be they bystanders elsewhere or not.
    #[must_use]
    pub fn of_no_one_with(self, alone: impl IntoIterator<Item = Box<str>>) -> Bystanders {
        Bystanders { alone: sorted(alone), ..self }
    }

    /// The types that make a record no one's where they stand alone; mostly there are none.
    pub fn alone(&self) -> impl Iterator<Item = &str> {
        self.alone.iter().map(AsRef::as_ref)
    }

    /// Whether a reference leads to one of those.
    pub fn may_stand_alone(&self, reference: &str) -> bool {
        leads_to(&self.alone, reference)
    }

    /// The same, and roles that nobody fills.
    #[must_use]
    pub fn with_unfilled(self, unfilled: Option<Unfilled>) -> Bystanders {
        Bystanders { unfilled: unfilled.map(Arc::new), ..self }
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(AsRef::as_ref)
    }

    /// What a role says that nobody fills; `None`: every party is somebody.
    pub fn unfilled(&self) -> Option<&Unfilled> {
        self.unfilled.as_deref()
    }

    /// Whether a reference leads to a record of one of them, and by nothing but `Type/id` or `Type/id/_history/version`.
    pub fn include(&self, reference: &str) -> bool {
        leads_to(&self.types, reference)
    }
}

fn sorted(names: impl IntoIterator<Item = Box<str>>) -> Arc<[Box<str>]> {
    let mut names: Vec<Box<str>> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

fn leads_to(names: &[Box<str>], reference: &str) -> bool {
    let Some((kind, id)) = taken_apart(reference) else { return false };
    is_id(id) && names.binary_search_by(|name| (**name).cmp(kind)).is_ok()
}

/// The id that a relative reference to a record of this type gives, by nothing but `Type/id` or `Type/id/_history/version`: of
/// whichever version, it is the same person's. Whether it can be one is the caller's to ask.
pub fn id_in<'r>(reference: &'r str, wanted: &str) -> Option<&'r str> {
    taken_apart(reference).filter(|(kind, _)| *kind == wanted).map(|(_, id)| id)
}

/// `Type`, and the id.
fn taken_apart(reference: &str) -> Option<(&str, &str)> {
    let mut steps = reference.split('/');
    let (kind, id) = (steps.next()?, steps.next()?);
    let plain = match (steps.next(), steps.next()) {
        (None, None) => true,
        (Some("_history"), Some(version)) => is_id(version) && steps.next().is_none(),
        _ => false,
    };
    (plain && id != "." && id != "..").then_some((kind, id))
}

/// Whether a text in a role that nobody is to fill, a member's name or a value, is a sign that it could name somebody all the
/// same: in the data types that such a role is made of nothing but an extension can.
pub fn may_name_somebody(text: &str) -> bool {
    matches!(text, "extension" | "modifierExtension" | "reference")
}

/// Whether what a reference says of its type (`Reference.type`, R4 §2.3.0: the type's name, or the URL of its definition)
/// is what its text says. One that says two things names nobody who is known.
pub fn is_of_type(reference: &str, said: &str) -> bool {
    let kind = reference.split('/').next().unwrap_or_default();
    !kind.is_empty() && said.strip_prefix(DEFINITION).unwrap_or(said) == kind
}

/// Where the standard's types are defined.
const DEFINITION: &str = "http://hl7.org/fhir/StructureDefinition/";

/// R4 §2.24.0.1: 1 to 64 letters, digits, `-` and `.`; not the steps of a path that lead elsewhere.
fn is_id(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    plain && (1..=64).contains(&text.len()) && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_relative_reference_leads_to_a_bystander() {
        let bystanders = Bystanders::new(["Practitioner", "Location"].map(Into::into));
        for plain in ["Practitioner/d1", "Location/l.1-A", "Practitioner/d1/_history/2"] {
            assert!(bystanders.include(plain), "{plain}");
        }
        let long = format!("Practitioner/{}", "a".repeat(65));
        for other in [
            "",
            "/",
            "Practitioner",
            "Practitioner/",
            "/Practitioner/d1",
            "Practitioner//d1",
            "Practitioner/d1/",
            "Practitioner/.",
            "Practitioner/..",
            "Practitioner/d1/Patient/p1",
            "Practitioner/d1/_history",
            "Practitioner/d1/_history/",
            "Practitioner/d1/_history/..",
            "Practitioner/d1/_history/1/x",
            "Practitioner/d1?x=1",
            "Practitioner/d1#x",
            "Practitioner/d%31",
            "Practitioner/d 1",
            " Practitioner/d1",
            "practitioner/d1",
            "PractitionerRole/r1",
            "Patient/p1",
            "#Practitioner/d1",
            "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            "http://inside/Practitioner/d1",
            &long,
        ] {
            assert!(!bystanders.include(other), "{other}");
        }
    }

    #[test]
    fn a_version_is_the_same_persons_and_nothing_else_may_follow() {
        for (reference, id) in [
            ("Patient/p1", Some("p1")),
            ("Patient/p1/_history/2", Some("p1")),
            ("Patient/", Some("")),
            ("Patient", None),
            ("Patient/..", None),
            ("Patient/./_history/1", None),
            ("Patient/p1/", None),
            ("Patient/p1/_history", None),
            ("Patient/p1/_history/", None),
            ("Patient/p1/_history/..", None),
            ("Patient/p1/_history/1/", None),
            ("Patient/p1/_history/1?x=1", None),
            ("Patient/p1/_history/../../Patient/p2", None),
            ("Patient/p1/_history/1/_history/2", None),
            ("Patient/p1/Condition/c1", None),
            ("/Patient/p1", None),
            ("Patients/p1", None),
        ] {
            assert_eq!(id_in(reference, "Patient"), id, "{reference}");
        }
    }

    #[test]
    fn a_type_that_the_reference_does_not_have_is_seen() {
        assert!(is_of_type("Practitioner/d1", "Practitioner"));
        assert!(is_of_type("Practitioner/d1", "http://hl7.org/fhir/StructureDefinition/Practitioner"));
        for said in ["Patient", "", "practitioner", "http://elsewhere/Practitioner", "PractitionerRole"] {
            assert!(!is_of_type("Practitioner/d1", said), "{said}");
        }
        assert!(!is_of_type("", "") && !is_of_type("/p1", ""));
    }
}
