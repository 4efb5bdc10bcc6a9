//! What does a FHIR resource say of what was taken out of it? Labels and reasons of absence (FHIR R4).
//!
//! `REDACTED` and `SUBSETTED` follow the plan. `MASKED` and `PSEUDED` follow what was done to this resource, and tell no more
//! than what stands in it: a mask or a pseudonym in the place of a value. They stand after `REDACTED`, in this order. None
//! is added that the resource bears already, where it leaves with it.

use std::sync::LazyLock;

use memchr::memmem;
use serde_json::Value;

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

macro_rules! coding {
    ($code:literal) => {
        concat!(r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":""#, $code, "\"}")
    };
}
macro_rules! absent {
    () => {
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#
    };
}

const SECURITY: &str = concat!("\"security\":[", coding!("REDACTED"), "]");
const TAG: &str = concat!("\"tag\":[", coding!("SUBSETTED"), "]");
const MASKED: &str = concat!(",", coding!("MASKED"));
const PSEUDED: &str = concat!(",", coding!("PSEUDED"));
/// The system of these codes.
const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
const META: &str = concat!("\"meta\":{\"security\":[", coding!("REDACTED"), "],\"tag\":[", coding!("SUBSETTED"), "]}");

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

    /// What has to be added at its end, and how many bytes before the end of that a further label of `meta.security` goes.
    pub(super) fn missing(self, seen: Seen, borne: Labels) -> impl Iterator<Item = (&'static [u8], Option<usize>)> {
        const IN_META: usize = "]}".len() + ",".len() + TAG.len();
        let pair = match self {
            Role::None => [None, None],
            Role::Resource => [(!seen.meta).then_some((META, Some(IN_META))), None],
            Role::Meta => [(!seen.security).then_some((SECURITY, Some("]".len()))), (!seen.tag).then_some((TAG, None))],
            Role::Security => [(!borne.redacted).then_some((coding!("REDACTED"), Some(0))), None],
            Role::Tag => [(!borne.subsetted).then_some((coding!("SUBSETTED"), None)), None],
        };
        pair.into_iter().flatten().map(|(text, from_end)| (text.as_bytes(), from_end))
    }
}

/// Labels of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Labels {
    redacted: bool,
    subsetted: bool,
    pub(super) masked: bool,
    pub(super) pseuded: bool,
}

impl Labels {
    /// Those that the array bears which `array` begins with.
    pub(super) fn read(array: &[u8]) -> Labels {
        let mut read = serde_json::Deserializer::from_slice(array).into_iter::<Vec<Value>>();
        let codings = read.next().and_then(Result::ok).unwrap_or_default();
        let code = |coding: &Value| {
            let of_system = coding.get("system").and_then(Value::as_str) == Some(SYSTEM);
            coding.get("code").and_then(Value::as_str).filter(|_| of_system).map(str::to_owned)
        };
        codings.iter().filter_map(code).fold(Labels::default(), |mut labels, code| {
            match code.as_str() {
                "REDACTED" => labels.redacted = true,
                "SUBSETTED" => labels.subsetted = true,
                "MASKED" => labels.masked = true,
                "PSEUDED" => labels.pseuded = true,
                _ => {}
            }
            labels
        })
    }

    /// Those that count in an array of this role: what a tag says is no security label.
    pub(super) const fn in_role(self, role: Role) -> Labels {
        match role {
            Role::Security => Labels { subsetted: false, ..self },
            Role::Tag => Labels { redacted: false, masked: false, pseuded: false, ..self },
            Role::None | Role::Resource | Role::Meta => self,
        }
    }

    /// These and those.
    pub(super) const fn or(self, other: Labels) -> Labels {
        Labels {
            redacted: self.redacted || other.redacted,
            subsetted: self.subsetted || other.subsetted,
            masked: self.masked || other.masked,
            pseuded: self.pseuded || other.pseuded,
        }
    }

    /// What is written after `REDACTED` of what was done, save what the resource bears already.
    pub(super) fn done_besides(self, borne: Labels) -> Vec<u8> {
        let masked = if self.masked && !borne.masked { MASKED } else { "" };
        let pseuded = if self.pseuded && !borne.pseuded { PSEUDED } else { "" };
        [masked, pseuded].concat().into_bytes()
    }
}

/// The member whose extensions change what the element means that has it.
pub(super) const MODIFIERS: &str = "modifierExtension";

/// Whether a member of this name may be in these bytes, however it is spelt.
pub(super) fn may_modify(bytes: &[u8]) -> bool {
    static FINDERS: LazyLock<[memmem::Finder<'static>; 2]> =
        LazyLock::new(|| [MODIFIERS.as_bytes(), b"\\u"].map(memmem::Finder::new));
    FINDERS.iter().any(|finder| finder.find(bytes).is_some())
}

/// What stands in place of a required element that is withheld.
pub(super) const fn absent(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Object => absent!().as_bytes(),
        Kind::Array => concat!("[", absent!(), "]").as_bytes(),
    }
}
