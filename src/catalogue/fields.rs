//! What is each member of a JSON document, in the policy's words? A tree that mirrors the document.
//!
//! The tree is an allow-list: a member that it does not name is *unclassified* and withheld, and so is an object or array
//! where it has none ([`Node::takes_object`], [`Node::takes_array`]). It says nothing of forms; `redact` joins it with a
//! decision's [`Release`](crate::policy::Release).

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::policy::{Categories, Category};

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

/// How a generalised value is made coarser; `docs/forms.md` has each with examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generaliser {
    /// `1987-05-02` → `1987`.
    Year,
    /// `1987-05-02` → `1987-05`.
    Month,
    /// `1987-05-02` → `1980`, the first year of the ten.
    Decade,
    /// `1987-05-02` → another day, all of one person's by the same secret number of days.
    Shift,
    /// A Japanese address → its prefecture.
    Prefecture,
    /// `105-0012` → `105`.
    Postal3,
    /// A number → the nearest multiple of this one.
    Round(NonZeroU32),
    /// An age → whole years, 90 and above as 90.
    Age90,
}

impl Generaliser {
    /// The names in a catalogue; `round-N` stands for every N from 1 to [`Generaliser::ROUND_MAX`].
    pub const NAMES: [&str; 8] = ["year", "month", "decade", "shift", "prefecture", "postal-3", "round-N", "age-90"];

    /// The largest number whose multiples a value is rounded to.
    pub const ROUND_MAX: u32 = 1_000_000;

    /// The generaliser of that name.
    pub fn from_name(name: &str) -> Option<Generaliser> {
        Some(match name {
            "year" => Generaliser::Year,
            "month" => Generaliser::Month,
            "decade" => Generaliser::Decade,
            "shift" => Generaliser::Shift,
            "prefecture" => Generaliser::Prefecture,
            "postal-3" => Generaliser::Postal3,
            "age-90" => Generaliser::Age90,
            _ => {
                let to = name.strip_prefix("round-")?;
                let plain = to.bytes().all(|b| b.is_ascii_digit()) && !to.starts_with('0');
                let to = to.parse().ok().filter(|to: &NonZeroU32| plain && to.get() <= Generaliser::ROUND_MAX)?;
                Generaliser::Round(to)
            }
        })
    }
}

/// How far a meaning reaches: whoever sends an object where a value was catalogued sends members that nobody classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Covers {
    /// A scalar.
    Value,
    /// A scalar, alone or in arrays.
    #[default]
    Elements,
    /// Whatever stands here, and all beneath it that says nothing else. `Open` never reaches members that no node names.
    Deep,
}

/// What is known of one place of the document.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What the value here is, as far as [`Node::covers`] says; nodes beneath that say nothing of themselves are the same.
    /// `None`: what holds above, or a container that is only walked through, where a scalar is unclassified.
    pub meaning: Option<Meaning>,
    /// How far the meaning reaches, and which containers may stand here besides those that have named contents.
    pub covers: Covers,
    /// What stands here is an array: `any` holds for its elements, and not for the members of an object.
    pub list: bool,
    /// How it is made coarser; `None`: a generalised value is withheld.
    pub generaliser: Option<Generaliser>,
    /// The value is an identifier or a reference of the form `Type/id`, whose last segment is pseudonymised. In clear,
    /// one that is a URL to the backend leads to the gate instead.
    pub reference: bool,
    /// An integer id that may be released as a string, so that it can carry a pseudonym.
    pub as_string: bool,
    /// An identifier that is unique only in its system: the name of the member beside it that says which. Its pseudonym is
    /// then made of both.
    pub system: Option<Box<str>>,
    /// Of a fixed format (a date or a number in a string, a code), or exempted with a reason: a string here that leaves in
    /// clear is not looked at for an Individual Number. Ids ([`Node::reference`]) without a [`Node::system`] are not either.
    pub fixed_format: bool,
    /// FHIR: the element is required; where withheld it is replaced by `data-absent-reason: masked`, if anything else of
    /// its object is released: otherwise that goes as a whole.
    pub required: bool,
    /// Members by their exact, unescaped name.
    pub members: HashMap<Box<str>, Arc<Node>>,
    /// What holds for every member or element that `members` does not name (`*` in a pointer).
    pub any: Option<Arc<Node>>,
    /// What stands here goes unless this may be seen too, in clear or by pseudonym: that there is a reference to a stay tells
    /// of the stay, whatever the id in it is.
    pub besides: Option<Category>,
    /// DICOM: the object here is an attribute, `vr` beside `Value`. Withheld, it goes whole; in every form between that and
    /// clear its value alone stays.
    pub attribute: bool,
    /// DICOM: of what kind the value here is, so that what is made of it is of that kind too.
    pub vr: Option<Vr>,
    /// FHIR: the value here is a whole resource of its own (`contained`, `Bundle.entry.resource`), judged by its own
    /// `resourceType` against the surface's table of types.
    pub resource: bool,
    /// An object here is what a sibling's value says it is (an extension by its `url`); `None`, and where none of the
    /// cases fits: what this node says.
    pub by: Option<By>,
    /// FHIR, at the root of a type: what its free text and its contents can hold besides the categories that its members have.
    pub carries: Categories,
    /// FHIR, at the root of a type: what it tells of the person that a record of it lies in another. A type that can hold
    /// anything (Basic, Binary) tells nothing by its name.
    pub told: Categories,
    /// FHIR, at the root of a type: its records are about no one by themselves. Inside a record about somebody they tell of him.
    pub about_no_one: bool,
    /// FHIR, at the root of a type: its records are the persons themselves, known by their ids. The id of one inside another
    /// record counts there alone, so nobody knows who he is.
    pub themselves: bool,
    /// FHIR, at the root of a type: its records are of persons who are no patients by them. Inside another record, without
    /// the patient whom they go with, one is a stranger's.
    pub of_a_person: bool,
}

impl Node {
    /// Whether what is meant here is meant of all beneath. `deep`: so it is of what is meant above.
    pub fn reaches(&self, deep: bool) -> bool {
        self.covers == Covers::Deep || (deep && self.meaning.is_none())
    }

    /// Whether an object may stand here; else one is unclassified, whatever the place is. `deep`: as of [`Node::reaches`].
    pub fn takes_object(&self, deep: bool) -> bool {
        let named = !self.members.is_empty() || (self.any.is_some() && !self.list);
        self.reaches(deep) || self.resource || named
    }

    /// The same of an array.
    pub fn takes_array(&self, deep: bool) -> bool {
        self.reaches(deep) || self.covers == Covers::Elements || self.resource || self.any.is_some()
    }
}

/// Which node holds for an object, by the value of one of its own members.
#[derive(Clone, Debug)]
pub struct By {
    member: Arc<str>,
    /// By value, ascending.
    cases: Arc<[Case]>,
}

type Case = (Arc<str>, Arc<Node>);

impl By {
    /// `member`: the member, a string, by its exact name; `cases`: its value → the node of the whole object.
    pub fn new(member: &str, cases: impl IntoIterator<Item = (Arc<str>, Arc<Node>)>) -> By {
        let mut cases: Vec<Case> = cases.into_iter().collect();
        cases.sort_by(|(a, _), (b, _)| a.cmp(b));
        By { member: member.into(), cases: cases.into() }
    }

    /// The member whose value tells.
    pub fn member(&self) -> &str {
        &self.member
    }

    /// The node for this value; `None`: no case is.
    pub fn case(&self, value: &str) -> Option<&Arc<Node>> {
        self.number(value).and_then(|at| self.cases.get(at)).map(|(_, node)| node)
    }

    /// The place of this value among the cases.
    pub(crate) fn number(&self, value: &str) -> Option<usize> {
        self.cases.binary_search_by(|(known, _)| (**known).cmp(value)).ok()
    }

    /// The nodes of the cases, in the order of their values.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.cases.iter().map(|(_, node)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generaliser_is_known_by_its_exact_name() {
        for name in Generaliser::NAMES {
            assert!(Generaliser::from_name(&name.replace('N', "5")).is_some(), "{name}");
        }
        for bad in ["round-0", "round-", "round-05", "round-+5", "round-1000001", "round-N", "round", "Year", "age-89"]
        {
            assert_eq!(Generaliser::from_name(bad), None, "{bad}");
        }
    }
}
