//! What does a FHIR resource say of what was taken out of it? Labels and reasons of absence (FHIR R4).

use super::scan::Kind;

/// The part a container plays in labelling its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Role {
    #[default]
    None,
    /// A resource that is labelled.
    Resource,
    /// Its `meta`.
    Meta,
    /// `meta.security`.
    Security,
    /// `meta.tag`.
    Tag,
}

/// What a labelled container was seen to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Seen {
    meta: bool,
    security: bool,
    tag: bool,
}

impl Seen {
    /// A member of this role is there and takes its label itself.
    pub(super) const fn note(&mut self, role: Role) {
        match role {
            Role::Meta => self.meta = true,
            Role::Security => self.security = true,
            Role::Tag => self.tag = true,
            Role::None | Role::Resource => {}
        }
    }
}

macro_rules! redacted {
    () => {
        r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}"#
    };
}
macro_rules! subsetted {
    () => {
        r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#
    };
}
macro_rules! absent {
    () => {
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#
    };
}

const SECURITY: &str = concat!("\"security\":[", redacted!(), "]");
const TAG: &str = concat!("\"tag\":[", subsetted!(), "]");
const META: &str = concat!("\"meta\":{\"security\":[", redacted!(), "],\"tag\":[", subsetted!(), "]}");

impl Role {
    /// The role of the member of this name of a container of this role.
    pub(super) fn of_member(self, name: &[u8]) -> Role {
        match (self, name) {
            (Role::Resource, b"meta") => Role::Meta,
            (Role::Meta, b"security") => Role::Security,
            (Role::Meta, b"tag") => Role::Tag,
            _ => Role::None,
        }
    }

    /// Whether a value of this role takes a label, and is removed if it is not of the kind that can.
    pub(super) const fn is_label(self) -> bool {
        matches!(self, Role::Meta | Role::Security | Role::Tag)
    }

    /// Whether a container of this kind takes the label, whatever the plan says of it.
    pub(super) const fn must_walk(self, kind: Kind) -> bool {
        matches!((self, kind), (Role::Meta, Kind::Object) | (Role::Security | Role::Tag, Kind::Array))
    }

    /// What has to be added at its end.
    pub(super) fn missing(self, seen: Seen) -> impl Iterator<Item = &'static [u8]> {
        let pair = match self {
            Role::None => [None, None],
            Role::Resource => [(!seen.meta).then_some(META), None],
            Role::Meta => [(!seen.security).then_some(SECURITY), (!seen.tag).then_some(TAG)],
            Role::Security => [Some(redacted!()), None],
            Role::Tag => [Some(subsetted!()), None],
        };
        pair.into_iter().flatten().map(str::as_bytes)
    }
}

/// What stands in place of a required element that is withheld.
pub(super) const fn absent(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Object => absent!().as_bytes(),
        Kind::Array => concat!("[", absent!(), "]").as_bytes(),
    }
}
