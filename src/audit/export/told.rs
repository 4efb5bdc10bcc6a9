//! What is told of an access, whatever the words: one view over a beginning and its ending, or over a refusal.

use super::super::entry::{Entry, Stranger};
use super::super::time;
use serde_json::{Map, Value};

/// An access, a refusal, or something done to the gate.
pub(crate) struct Told<'e> {
    /// Which.
    pub(super) what: What<'e>,
    /// The record that begins it, or is it.
    pub(super) head: &'e Entry<'e>,
    /// Its ending.
    pub(super) end: Option<&'e Entry<'e>>,
    /// Sealed ids of all persons concerned: those that the head named, and those that windows disclosed.
    pub(super) subjects: Vec<&'e str>,
}

pub(super) enum What<'e> {
    Access,
    Refusal,
    Administrative { details: Map<String, Value> },
    Strangers(&'e Stranger),
}

impl<'e> Told<'e> {
    pub(super) fn access(head: &'e Entry<'e>, end: Option<&'e Entry<'e>>, disclosed: &'e [String]) -> Told<'e> {
        let mut subjects: Vec<&str> = head.subjects.iter().chain(disclosed).map(String::as_str).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let what = if end.is_some() { What::Access } else { What::Refusal };
        Told { what, head, end, subjects }
    }

    pub(super) fn administrative(head: &'e Entry<'e>, details: Map<String, Value>) -> Told<'e> {
        let subjects = head.subjects.iter().map(String::as_str).collect();
        Told { what: What::Administrative { details }, head, end: None, subjects }
    }

    /// One for each network and reason.
    pub(super) fn strangers(head: &'e Entry<'e>) -> Vec<Told<'e>> {
        let one = |stranger| Told { what: What::Strangers(stranger), head, end: None, subjects: Vec::new() };
        head.refused.iter().map(one).collect()
    }

    /// `begin`, `refusal`, `administrative`, `strangers`.
    pub(super) fn kind(&self) -> &'static str {
        match &self.what {
            What::Access => "access",
            What::Refusal => "refusal",
            What::Administrative { .. } => "administrative",
            What::Strangers(_) => "strangers",
        }
    }

    /// What came of it: `completed`, `aborted`, `failed`, `interrupted`; `refused`; `done`. Help pages and dry runs say so.
    pub(super) fn outcome(&self) -> &str {
        match &self.what {
            What::Access => self.end.and_then(|end| end.outcome.as_deref()).unwrap_or("unknown"),
            What::Refusal => match self.head.reasons.first().map(|reason| reason.code.as_str()) {
                Some(answered @ ("help" | "dry-run")) => answered,
                Some(_) | None => "refused",
            },
            What::Administrative { .. } => "done",
            What::Strangers(_) => "refused",
        }
    }

    /// Whether it was refused.
    pub(super) fn is_refused(&self) -> bool {
        self.outcome() == "refused"
    }

    /// The HTTP status that the caller got.
    pub(super) fn status(&self) -> Option<u16> {
        self.end.and_then(|end| end.status).or(self.head.status)
    }

    /// Why not, or how it was cut: codes.
    pub(super) fn codes(&self) -> Vec<&str> {
        match &self.what {
            What::Strangers(stranger) => vec![&stranger.reason],
            What::Access | What::Refusal | What::Administrative { .. } => {
                let cut = self.end.and_then(|end| end.code.as_deref());
                self.head.reasons.iter().map(|reason| reason.code.as_str()).chain(cut).collect()
            }
        }
    }

    /// The clauses it was permitted by, or that refuse.
    pub(super) fn clauses(&self) -> Vec<&str> {
        let refusing = self.head.reasons.iter().filter_map(|reason| reason.clause.as_deref());
        let mut clauses: Vec<&str> = self.head.clauses.iter().map(String::as_str).chain(refusing).collect();
        let mut seen = std::collections::BTreeSet::new();
        clauses.retain(|clause| seen.insert(*clause));
        clauses
    }

    /// When it began, milliseconds since the epoch.
    pub(super) fn began_ms(&self) -> u64 {
        time::read(&self.head.time).unwrap_or(0)
    }

    /// When it was over.
    pub(super) fn ended_ms(&self) -> u64 {
        self.end.and_then(|end| time::read(&end.time)).unwrap_or_else(|| self.began_ms())
    }

    /// Who asked or did it: issuer and id.
    pub(super) fn who(&self) -> (&str, &str) {
        let who = self.head.caller.as_ref().or(self.head.by.as_ref());
        who.map_or(("", ""), |who| (&who.issuer, &who.id))
    }

    /// Where it came from.
    pub(super) fn address(&self) -> Option<&str> {
        match &self.what {
            What::Strangers(stranger) => Some(&stranger.network),
            _ => self.head.caller.as_ref().and_then(|caller| caller.address.as_deref()),
        }
    }

    /// `read`, `search`, …; of what was done to the gate its own word.
    pub(super) fn action(&self) -> &str {
        match &self.what {
            What::Strangers(_) => "sign-in",
            _ => self.head.action.as_deref().unwrap_or(""),
        }
    }
}
