//! A policy as the decision reads it: dense tables, indices and masks; no text is compared in it but ids.
//!
//! A *cell* is one purpose met with one recipient; it lists the *grants* (permits cut to that cell) and the *caps*
//! (forbids cut to it). Built by `compile`, never changed afterwards.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::category::Categories;
use super::document::Document;
use super::facts::Overseas;
use super::form::{Form, Release};
use super::kind::{Dataset, Kind};
use super::moment::{Moment, Window};
use super::vocabulary::{ActId, Vocabulary};

/// An index among the policy's purposes, in the order of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PurposeId(pub(crate) u32);

/// An index among the policy's recipients; see [`RecipientId::INTERNAL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecipientId(pub(crate) u16);

impl RecipientId {
    /// Own staff.
    pub const INTERNAL: RecipientId = RecipientId(0);
    /// The person, or the agent.
    pub const PRINCIPAL: RecipientId = RecipientId(1);
}

/// An index among the policy's clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClauseId(pub(crate) u16);

/// An index among the policy's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub(crate) u32);

/// A set of the policy's roles, one bit each.
pub type RoleSet = u64;

/// What sort of purpose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Stated by a clause.
    Stated,
    /// `exception`: a provision that no clause names.
    Exception,
    /// A principal's request: an index among the vocabulary's.
    Request(u8),
}

/// A purpose.
#[derive(Clone, Debug)]
pub struct Purpose {
    /// Its path.
    pub name: String,
    /// The clauses that state it.
    pub clauses: Vec<ClauseId>,
    /// HL7 and DPV codes, as `hl7:TREAT`.
    pub codes: Vec<String>,
    /// What sort it is.
    pub family: Family,
    /// Only groups others; never declared.
    pub grouping: bool,
    /// Subject classes it is meant for, as bits.
    pub classes: u32,
    /// When it is in force.
    pub window: Window,
    /// What it releases at most, for those who see its row.
    pub view: Release,
    /// Own staff and contractors may create and update.
    pub writes: bool,
    /// The certified dataset it is limited to.
    pub dataset: Option<Dataset>,
    /// The roles that serve it.
    pub served_by: RoleSet,
    /// Open to a caller or subject on the block list.
    pub despite_block: bool,
    /// The last purpose beneath it, or itself.
    pub last: PurposeId,
}

/// A recipient.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Its id.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The clauses that name it.
    pub clauses: Vec<ClauseId>,
    /// Abroad, whatever the register says.
    pub overseas: bool,
    /// Only while an organisation is registered.
    pub registered: bool,
    /// The only grounds of art. 28 that count for it; empty: any.
    pub overseas_grounds: Vec<Overseas>,
}

/// A rule, for the record.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id.
    pub name: String,
    /// The clauses it cites.
    pub clauses: Vec<ClauseId>,
}

/// Who may use a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// The recipient itself, and staff who fetch for it.
    Both,
    /// Only staff who fetch for it.
    Staff,
    /// Only the recipient itself.
    Itself,
}

/// What a grant asks for besides its basis's own proof, as bits.
pub mod need {
    /// An approval in force that names the organisation.
    pub const APPROVAL: u8 = 1;
    /// A written reason.
    pub const REASON: u8 = 2;
    /// That the person was informed of this purpose.
    pub const INFORMED: u8 = 4;
    /// A person looks at it afterwards (asks nothing of the request).
    pub const REVIEW: u8 = 8;
}

/// A permit, cut to one cell.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The permit.
    pub rule: RuleId,
    /// The bases that open it, as bits.
    pub bases: u32,
    /// Bits of [`need`].
    pub needs: u8,
    /// The relation asked for: see [`Policy::relation`].
    pub relation: Option<u8>,
    /// Who may use it.
    pub open_to: For,
    /// Only on a route certified as this.
    pub dataset: Option<Dataset>,
    /// What it releases.
    pub release: Release,
}

/// A forbid, cut to one cell.
#[derive(Clone, Debug)]
pub struct Cap {
    /// The forbid.
    pub rule: RuleId,
    /// What it caps.
    pub categories: Categories,
    /// To which form.
    pub form: Form,
    /// The bases under which it does not apply, as bits.
    pub unless_bases: u32,
    /// The act that has to be cited with them.
    pub unless_act: Option<ActId>,
}

/// One purpose met with one recipient.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) grants: Range<usize>,
    pub(crate) caps: Range<usize>,
}

/// What may not leave side by side.
#[derive(Clone, Debug)]
pub struct Apart {
    /// The rule.
    pub rule: RuleId,
    /// Withheld …
    pub withhold: Categories,
    /// … where any of this is released.
    pub beside: Categories,
}

/// What a person may opt out of.
#[derive(Clone, Debug)]
pub struct OptOut {
    /// Its id in registers.
    pub name: String,
    /// The clauses.
    pub clauses: Vec<ClauseId>,
    /// The recipient it stops.
    pub recipient: Option<RecipientId>,
    /// The purpose it stops, with what is beneath.
    pub purpose: Option<PurposeId>,
}

/// The clauses to cite for what no single rule decides, and what holds besides rules.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Default deny.
    pub default: Vec<ClauseId>,
    /// A purpose stated for one class never serves another.
    pub class: Vec<ClauseId>,
    /// Who serves what.
    pub role: Vec<ClauseId>,
    /// No provision outside without a basis.
    pub provision: Vec<ClauseId>,
    /// Provision abroad.
    pub overseas: Vec<ClauseId>,
    /// Restrictions and objections.
    pub restriction: Vec<ClauseId>,
    /// The person's identity.
    pub identity: Vec<ClauseId>,
    /// The Individual Number and credentials.
    pub specific: Vec<ClauseId>,
    /// Staff with a past `training_until` are refused; `None`: not in this policy.
    pub training: Option<Vec<ClauseId>>,
    /// The block list.
    pub block: Vec<ClauseId>,
    /// Writes of these categories name their source; `None`: not in this policy.
    pub source: Option<(Vec<ClauseId>, Categories)>,
    /// Whoever creates a record is told the purpose; `None`: not in this policy.
    pub notify: Option<Vec<ClauseId>>,
    /// The contact point, named in refusals to the person.
    pub contact: Vec<ClauseId>,
    /// From when the policy counts.
    pub in_force: Vec<ClauseId>,
}

/// A policy, ready to decide; see the module.
pub struct Policy {
    /// The shared words.
    pub vocabulary: Arc<Vocabulary>,
    /// The document it was compiled from.
    pub document: Document,
    /// SHA-256 of the document's bytes, as hex.
    pub digest: String,
    /// Its zone.
    pub zone: TimeZone,
    /// When this revision decides; `until` is the next one's beginning.
    pub in_force: Window,
    pub(crate) clauses: Vec<String>,
    pub(crate) purposes: Vec<Purpose>,
    pub(crate) purpose_ids: HashMap<String, PurposeId>,
    pub(crate) recipients: Vec<Recipient>,
    pub(crate) recipient_ids: HashMap<String, RecipientId>,
    pub(crate) roles: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) caps: Vec<Cap>,
    pub(crate) aparts: Vec<Apart>,
    pub(crate) opt_outs: Vec<OptOut>,
    pub(crate) relations: Vec<String>,
    pub(crate) anonymised_clauses: Vec<ClauseId>,
    pub(crate) anonymised: Release,
    pub(crate) statistical: Release,
    pub(crate) specific: Categories,
    pub(crate) conditions: Conditions,
}

impl Policy {
    /// The purpose of that path, grouping ones included.
    pub fn purpose_id(&self, name: &str) -> Option<PurposeId> {
        self.purpose_ids.get(name).copied()
    }

    /// A purpose. Ids come from this policy, so there always is one.
    pub fn purpose(&self, id: PurposeId) -> Option<&Purpose> {
        self.purposes.get(id.0 as usize)
    }

    /// All purposes, in the order of the tree.
    pub fn purposes(&self) -> impl Iterator<Item = (PurposeId, &Purpose)> {
        (0u32..).map(PurposeId).zip(&self.purposes)
    }

    /// Whether `broad` is `narrow` or above it.
    pub fn within(&self, narrow: PurposeId, broad: PurposeId) -> bool {
        broad <= narrow && self.purpose(broad).is_some_and(|b| narrow <= b.last)
    }

    /// The recipient of that id.
    pub fn recipient_id(&self, name: &str) -> Option<RecipientId> {
        self.recipient_ids.get(name).copied()
    }

    /// A recipient.
    pub fn recipient(&self, id: RecipientId) -> Option<&Recipient> {
        self.recipients.get(usize::from(id.0))
    }

    /// All recipients.
    pub fn recipients(&self) -> impl Iterator<Item = (RecipientId, &Recipient)> {
        (0u16..).map(RecipientId).zip(&self.recipients)
    }

    /// These roles as a set; names that are no role of the policy are left out.
    pub fn roles_of<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> RoleSet {
        let bit = |name| self.roles.iter().position(|role| role == name).map_or(0, |index| 1 << index);
        names.into_iter().fold(0, |set, name| set | bit(name))
    }

    /// The roles' names, by bit.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(String::as_str)
    }

    /// The id of a clause.
    pub fn clause(&self, id: ClauseId) -> &str {
        self.clauses.get(usize::from(id.0)).map_or("", String::as_str)
    }

    /// The clauses, in order.
    pub fn clauses(&self) -> impl Iterator<Item = (ClauseId, &str)> {
        (0u16..).map(ClauseId).zip(self.clauses.iter().map(String::as_str))
    }

    /// A rule.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.0 as usize)
    }

    /// All rules.
    pub fn rules(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        (0u32..).map(RuleId).zip(&self.rules)
    }

    fn cell(&self, purpose: PurposeId, recipient: RecipientId) -> Option<&Cell> {
        self.cells.get(purpose.0 as usize * self.recipients.len() + usize::from(recipient.0))
    }

    /// The grants of a cell, in the document's order.
    pub fn grants(&self, purpose: PurposeId, recipient: RecipientId) -> &[Grant] {
        self.cell(purpose, recipient).and_then(|cell| self.grants.get(cell.grants.clone())).unwrap_or_default()
    }

    /// The caps of a cell.
    pub fn caps(&self, purpose: PurposeId, recipient: RecipientId) -> &[Cap] {
        self.cell(purpose, recipient).and_then(|cell| self.caps.get(cell.caps.clone())).unwrap_or_default()
    }

    /// What may not leave side by side.
    pub fn aparts(&self) -> &[Apart] {
        &self.aparts
    }

    /// What a person may opt out of.
    pub fn opt_outs(&self) -> &[OptOut] {
        &self.opt_outs
    }

    /// The name of a relation that a grant asks for.
    pub fn relation(&self, index: u8) -> &str {
        self.relations.get(usize::from(index)).map_or("", String::as_str)
    }

    /// What a certified dataset may hold, at most.
    pub fn items(&self, dataset: Dataset) -> &Release {
        match dataset {
            Dataset::Anonymised => &self.anonymised,
            Dataset::Statistical => &self.statistical,
        }
    }

    /// The clauses that publish the items of a certified dataset.
    pub fn items_clauses(&self, dataset: Dataset) -> &[ClauseId] {
        match dataset {
            Dataset::Anonymised => &self.anonymised_clauses,
            Dataset::Statistical => &[],
        }
    }

    /// The categories of level `specific`, and those never released: unreleased, they are `prohibited`.
    pub fn specific(&self) -> Categories {
        self.specific
    }

    /// The clauses to cite for what no single rule decides.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// The classes that the policy uses, as bits.
    pub fn classes(&self) -> u32 {
        self.purposes.iter().filter(|p| p.family == Family::Stated).fold(0, |all, p| all | p.classes)
    }

    /// The purpose that a declared word means: a path, or a code that exactly one declarable purpose carries.
    ///
    /// # Errors
    /// The paths that the code maps to, where they are several.
    pub fn declared(&self, word: &str) -> Result<Option<PurposeId>, Vec<&str>> {
        if let Some(id) = self.purpose_id(word) {
            return Ok(Some(id));
        }
        let Some(code) = self.vocabulary.code(word) else { return Ok(None) };
        let carries = |p: &&Purpose| !p.grouping && p.codes.contains(&code);
        let meant: Vec<&str> = self.purposes.iter().filter(carries).map(|p| p.name.as_str()).collect();
        match meant.as_slice() {
            [] => Ok(None),
            [one] => Ok(self.purpose_id(one)),
            _ => Err(meant),
        }
    }
}

/// The revisions of one organisation's policy, the oldest first; the day decides which answers.
pub struct Revisions {
    revisions: Vec<Arc<Policy>>,
}

impl Revisions {
    pub(crate) fn new(revisions: Vec<Arc<Policy>>) -> Revisions {
        Revisions { revisions }
    }

    /// The revision in force at this moment; before the first, the first (whose purposes are then not in force).
    pub fn at(&self, at: Moment) -> Option<&Arc<Policy>> {
        self.revisions.iter().rev().find(|p| p.in_force.from <= at).or(self.revisions.first())
    }

    /// Every revision, the oldest first.
    pub fn all(&self) -> &[Arc<Policy>] {
        &self.revisions
    }

    /// The newest revision, in force or announced.
    pub fn newest(&self) -> Option<&Arc<Policy>> {
        self.revisions.last()
    }
}
