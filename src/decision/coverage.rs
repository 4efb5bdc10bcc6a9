//! Is every clause of the published text kept by something, and does a case show it?
//!
//! A clause is kept by rules, purposes, recipients and conditions, by mechanisms of the gate or by the check of a new
//! revision, or it says why no request can show it. What a request can show, a conformance case has to: permitted or refused.

use super::cases::Case;
use crate::policy::document::{Clause, Document};

/// A clause, with what keeps it and which cases exercise it.
pub struct Covered {
    /// Its id in the published text.
    pub clause: String,
    /// What it says, in short.
    pub gist: String,
    /// What enforces it.
    pub kept_by: Vec<String>,
    /// Why no request can show it.
    pub organisational: Option<String>,
    /// What of its enforcement is the project's own data minimum.
    pub house: Option<String>,
    /// The cases that name it, or expect it to be cited, and expect a permit: name and line.
    pub permitted: Vec<(String, usize)>,
    /// Those that expect a refusal.
    pub refused: Vec<(String, usize)>,
}

/// What is wrong with a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Neither enforcement nor a reason why there is none.
    Kept,
    /// Enforced by rules, and no case exercises it.
    Exercised,
}

impl Covered {
    /// Whether a decision can show it: not what only mechanisms of the gate keep, nor what only a change of the policy
    /// itself has to keep (`condition:change`, checked when a revision is loaded).
    pub fn is_judged(&self) -> bool {
        self.kept_by.iter().any(|keeper| !keeper.starts_with("mechanism:") && keeper != "condition:change")
    }

    /// What is missing, if anything is.
    pub fn gap(&self) -> Option<Gap> {
        if self.kept_by.is_empty() && self.organisational.is_none() {
            return Some(Gap::Kept);
        }
        (self.is_judged() && self.permitted.is_empty() && self.refused.is_empty()).then_some(Gap::Exercised)
    }
}

impl Gap {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Gap::Kept => "nothing keeps it, and no reason says why (`organisational`)",
            Gap::Exercised => "no case exercises it",
        }
    }
}

/// Every clause of a document, in its order.
pub fn coverage(document: &Document, cases: &[Case]) -> Vec<Covered> {
    document.clauses.iter().map(|clause| covered(clause, cases)).collect()
}

fn covered(clause: &Clause, cases: &[Case]) -> Covered {
    let naming = |permits: bool| -> Vec<(String, usize)> {
        let names = |case: &&Case| case.permits() == permits && case.exercises(&clause.id.text);
        cases.iter().filter(names).map(|case| (case.name.clone(), case.line)).collect()
    };
    Covered {
        clause: clause.id.text.clone(),
        gist: clause.gist.text.clone(),
        kept_by: clause.enforced_by.iter().map(|keeper| keeper.text.clone()).collect(),
        organisational: clause.organisational.as_ref().map(|reason| reason.text.clone()),
        house: clause.house.as_ref().map(|house| house.text.clone()),
        permitted: naming(true),
        refused: naming(false),
    }
}
