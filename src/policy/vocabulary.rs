//! Which words do all policies share? Categories and levels, bases and proofs, restrictions, acts, codes.
//!
//! Read from `policy/vocabulary.toml`, which is compiled in; so that a reform of the Act is a change of data.

mod read;

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::category::{Categories, Category};
use super::kind::{Dataset, Kind, Kinds};

/// An index among the vocabulary's bases, below 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BasisId(pub(crate) u8);

impl BasisId {
    /// The basis as a bit of a mask.
    pub const fn bit(self) -> u32 {
        1 << self.0
    }
}

/// An index among the vocabulary's acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActId(pub(crate) u16);

/// What lifts a stop, as bits: see [`Basis::lifts`].
pub mod lift {
    /// Beats `stop-use`, `erased` and any restriction that is not known.
    pub const STOP_USE: u8 = 1;
    /// Beats `stop-third-party-provision`.
    pub const STOP_PROVISION: u8 = 2;
    /// Beats an objection.
    pub const OBJECTION: u8 = 4;
}

/// A ground for handling data, with what proves it.
#[derive(Clone, Debug)]
pub struct Basis {
    /// Its name on the wire.
    pub name: String,
    /// The article it is named after.
    pub article: String,
    /// A consent of this person has to be on file.
    pub needs_consent: bool,
    /// `reference` and `act` have to be given.
    pub needs_reference: bool,
    /// A written `reason` has to be given.
    pub needs_reason: bool,
    /// A contract in force that names the purpose has to be in the register.
    pub needs_contract: bool,
    /// An exception of art. 27(1).
    pub statutory: bool,
    /// A person looks at it afterwards.
    pub review: bool,
    /// Only for a recipient in Japan.
    pub domestic: bool,
    /// Need not be declared wherever a permit names it.
    pub implied_by_permit: bool,
    /// Only on a route certified as this.
    pub dataset: Option<Dataset>,
    /// The kinds for whom it need not be declared.
    pub implied_for: Kinds,
    /// The only kinds it can open for; 0 is any.
    pub only_to: Kinds,
    /// The restrictions that it beats: bits of [`lift`].
    pub lifts: u8,
    /// Under the purpose `exception`: the kinds that staff may provide to.
    pub exception_to: Kinds,
    /// Under the purpose `exception`: the kinds that may declare it for themselves.
    pub exception_by: Kinds,
}

/// A principal's request (arts. 32–35): what it lets the person do.
#[derive(Clone, Debug)]
pub struct RequestKind {
    /// Its name beneath `principal-request`.
    pub name: String,
    /// The actions open to the person, as bits.
    pub actions: u8,
    /// What is released to the person, or may be written by the person.
    pub data: Categories,
}

/// The words that all policies share; see the module.
pub struct Vocabulary {
    names: Vec<String>,
    levels: Vec<(String, Categories)>,
    subtrees: HashMap<String, Categories>,
    by_name_only: Categories,
    never: Categories,
    classes: Vec<String>,
    /// Recipients that every policy has.
    pub recipients: Vec<(String, Kind)>,
    /// The bases, by [`BasisId`].
    pub bases: Vec<Basis>,
    /// The kinds each known restriction stops.
    pub restrictions: Vec<(String, Kinds)>,
    /// The principal's requests.
    pub requests: Vec<RequestKind>,
    /// Relations to a person, each with what in an entry has to match.
    pub relations: Vec<(String, Vec<String>)>,
    acts: HashMap<String, ActId>,
    act_names: Vec<String>,
    codes: Vec<(String, Vec<String>, Vec<String>)>,
}

impl Vocabulary {
    /// The leaf category of that name; `None` for an unknown name and for one that only groups others.
    pub fn category(&self, name: &str) -> Option<Category> {
        let set = self.subtrees.get(name)?;
        let category = set.iter().next()?;
        (set.len() == 1 && self.name(category) == name).then_some(category)
    }

    /// The name of a category.
    pub fn name(&self, category: Category) -> &str {
        self.names.get(category.index()).map_or("", String::as_str)
    }

    /// Every category's name, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Every category.
    pub fn all(&self) -> Categories {
        (0..self.names.len()).filter_map(Category::from_index).collect()
    }

    /// The leaves at or beneath a name, guarded ones included; empty for an unknown name.
    pub fn subtree(&self, name: &str) -> Categories {
        self.subtrees.get(name).copied().unwrap_or_default()
    }

    /// What a selector of a permit or view reaches: a leaf, a subtree (`identity` or `identity.*`), `*`, or
    /// `level:sensitive`. A wide one never reaches what is guarded by name. `None`: unknown.
    pub fn selector(&self, selector: &str) -> Option<Categories> {
        if let Some(category) = self.category(selector) {
            return Some(category.only());
        }
        if let Some(level) = selector.strip_prefix("level:") {
            return self.level(level);
        }
        let wide = match selector.strip_suffix(".*").unwrap_or(selector) {
            "*" => self.all(),
            prefix => *self.subtrees.get(prefix)?,
        };
        Some(wide.without(self.by_name_only))
    }

    /// Every word that a selector may be, for "did you mean".
    pub fn selectors(&self) -> impl Iterator<Item = &str> {
        self.subtrees.keys().map(String::as_str)
    }

    /// The categories of a level.
    pub fn level(&self, name: &str) -> Option<Categories> {
        self.levels.iter().find(|(level, _)| level == name).map(|(_, set)| *set)
    }

    /// Released to nobody.
    pub fn never(&self) -> Categories {
        self.never
    }

    /// The subject class of that name, as an index below 32.
    pub fn class(&self, name: &str) -> Option<u8> {
        self.classes.iter().position(|class| class == name).and_then(|i| u8::try_from(i).ok()).filter(|i| *i < 32)
    }

    /// The subject classes, by index.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(String::as_str)
    }

    /// The basis of that name.
    pub fn basis_id(&self, name: &str) -> Option<BasisId> {
        self.bases.iter().position(|b| b.name == name).and_then(|i| u8::try_from(i).ok()).map(BasisId)
    }

    /// A basis.
    pub fn basis(&self, id: BasisId) -> Option<&Basis> {
        self.bases.get(usize::from(id.0))
    }

    /// Every basis with its id.
    pub fn bases(&self) -> impl Iterator<Item = (BasisId, &Basis)> {
        (0u8..).map(BasisId).zip(&self.bases)
    }

    /// What in a relation's entry has to match; anything else that is null there is any.
    pub fn must_match(&self, relation: &str) -> &[String] {
        self.relations.iter().find(|(name, _)| name == relation).map_or(&[], |(_, keys)| keys)
    }

    /// The basis that need not be declared for this kind.
    pub fn implied(&self, kind: Kind) -> Option<BasisId> {
        self.bases.iter().position(|b| b.implied_for & kind.bit() != 0).and_then(|i| u8::try_from(i).ok()).map(BasisId)
    }

    /// The kinds that a restriction stops; `None` where it is not known.
    pub fn restriction(&self, name: &str) -> Option<Kinds> {
        self.restrictions.iter().find(|(known, _)| known == name).map(|(_, kinds)| *kinds)
    }

    /// Every restriction's name.
    pub fn restrictions(&self) -> impl Iterator<Item = &str> {
        self.restrictions.iter().map(|(name, _)| name.as_str())
    }

    /// Every relation's name.
    pub fn relations(&self) -> impl Iterator<Item = &str> {
        self.relations.iter().map(|(name, _)| name.as_str())
    }

    /// The act that is meant, by any of its names, after NFKC and case folding.
    pub fn act(&self, name: &str) -> Option<ActId> {
        self.acts.get(&folded(name)).copied()
    }

    /// Every act's id.
    pub fn acts(&self) -> impl Iterator<Item = &str> {
        self.act_names.iter().map(String::as_str)
    }

    /// The id of an act, as policies cite it.
    pub fn act_name(&self, act: ActId) -> &str {
        self.act_names.get(usize::from(act.0)).map_or("", String::as_str)
    }

    /// Whether `hl7:TREAT` or `dpv:Marketing` is a code of a known system.
    pub fn knows_code(&self, code: &str) -> bool {
        let Some((system, code)) = code.split_once(':') else { return false };
        self.codes.iter().any(|(name, _, codes)| name == system && codes.iter().any(|known| known == code))
    }

    /// `TREAT`, `hl7:TREAT`, `http://…/v3-ActReason|TREAT` or `urn:oid:…#TREAT` as `hl7:TREAT`; `None` for any other word.
    pub fn code(&self, written: &str) -> Option<String> {
        let short = |name: &String, codes: &[String]| {
            let code = written.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix(':'));
            code.is_some_and(|code| codes.iter().any(|known| known == code))
        };
        if self.codes.iter().any(|(name, _, codes)| short(name, codes)) {
            return Some(written.to_owned());
        }
        let (system, code) = match written.rsplit_once(['|', '#']) {
            Some((system, code)) => (Some(system), code),
            None => (None, written),
        };
        let (name, _, _) = self.codes.iter().find(|(name, systems, codes)| {
            let of_system = system.map_or(name == "hl7", |s| systems.iter().any(|known| known == s));
            of_system && codes.iter().any(|known| known == code)
        })?;
        Some(format!("{name}:{code}"))
    }
}

/// NFKC, white space folded, lower case: how names of acts are compared.
fn folded(name: &str) -> String {
    let name: String = name.nfkc().collect::<String>().to_lowercase();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests;
