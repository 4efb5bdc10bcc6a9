//! What is each member of a JSON document, in the policy's words? A tree that mirrors the document.
//!
//! The tree is an allow-list: a member that it does not name is *unclassified* and withheld. It says nothing of forms;
//! `redact` joins it with a decision's [`Release`](crate::policy::Release).

use std::collections::HashMap;
use std::sync::Arc;

use crate::policy::Category;

use super::dicomweb::Vr;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Data of this category.
    Category(Category),
    /// Free text (narrative, notes): counts as every category of its route, so it is clear only where all of them are.
    Everything,
    /// No one's data: a resource type, a code that every record has, a unit. Passes.
    Open,
    /// A total or a position: withheld wherever entries are judged.
    Count,
    /// A URL into the API: rewritten to the gate where it can be, else withheld.
    Link,
    /// Never released, whoever asks.
    Never,
}

/// How a generalised value is made coarser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generaliser {
    /// `1987-05-02` → `1987`.
    Year,
    /// `1987-05-02` → `1980`, the first year of the ten.
    Decade,
    /// A Japanese address → its prefecture.
    Prefecture,
    /// `105-0012` → `105`.
    Postal3,
}

impl Generaliser {
    /// Every generaliser.
    pub const ALL: [Generaliser; 4] =
        [Generaliser::Year, Generaliser::Decade, Generaliser::Prefecture, Generaliser::Postal3];

    /// Its name in a catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Generaliser::Year => "year",
            Generaliser::Decade => "decade",
            Generaliser::Prefecture => "prefecture",
            Generaliser::Postal3 => "postal-3",
        }
    }

    /// The generaliser of that name.
    pub fn from_name(name: &str) -> Option<Generaliser> {
        Generaliser::ALL.into_iter().find(|g| g.name() == name)
    }
}

/// What is known of one place of the document.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What the value here is. On an object or array it holds for the whole subtree, save where a deeper node says
    /// otherwise; `Open` holds for elements and never for members that no node names. `None`: a container that is only walked through; a scalar met here is unclassified.
    pub meaning: Option<Meaning>,
    /// How it is made coarser; `None`: a generalised value is withheld.
    pub generaliser: Option<Generaliser>,
    /// The value is an identifier or a reference of the form `Type/id`, whose last segment is pseudonymised. In clear,
    /// one that is a URL to the backend leads to the gate instead.
    pub reference: bool,
    /// An integer id that may be released as a string, so that it can carry a pseudonym.
    pub as_string: bool,
    /// FHIR: the element is required; where withheld it is replaced by `data-absent-reason: masked`, if anything else of
    /// its object is released: otherwise that goes as a whole.
    pub required: bool,
    /// Members by their exact, unescaped name.
    pub members: HashMap<Box<str>, Arc<Node>>,
    /// What holds for every member or element that `members` does not name (`*` in a pointer).
    pub any: Option<Arc<Node>>,
    /// DICOM: the object here is an attribute, `vr` beside `Value`. Withheld, it goes whole; in every form between that and
    /// clear its value alone stays.
    pub attribute: bool,
    /// DICOM: of what kind the value here is, so that what is made of it is of that kind too.
    pub vr: Option<Vr>,
    /// FHIR: the value here is a whole resource of its own (`contained`, `Bundle.entry.resource`), judged by its own
    /// `resourceType` against the surface's table of types.
    pub resource: bool,
}
