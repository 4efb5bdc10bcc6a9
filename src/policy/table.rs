//! A policy as the decision reads it: dense tables, indices and masks; no text is compared in it but ids.
//!
//! A *cell* is one purpose met with one recipient; it lists the *grants* (permits cut to that cell) and the *caps*
//! (forbids cut to it). Built by `compile`, never changed afterwards.

mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::category::Categories;
use super::document::Document;
use super::form::Release;
use super::kind::Dataset;
use super::moment::{Moment, Window};
use super::vocabulary::Vocabulary;

pub(crate) use rows::Cell;
pub use rows::{
    Apart, Cap, ClauseId, Conditions, Family, For, Grant, OptOut, Purpose, PurposeId, Recipient, RecipientId, RoleSet,
    Rule, RuleId, need,
};

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
#[derive(Clone)]
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
