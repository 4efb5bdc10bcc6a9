//! What is told of an access, whatever the words: one view over a beginning and its ending, or over a refusal.

use super::super::entry::Entry;
use super::super::time;
use super::Disclosed;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Categories by the form that was decided for them: by the head, and by windows.
    pub(super) forms: BTreeMap<&'e str, BTreeSet<&'e str>>,
}

pub(super) enum What<'e> {
    Access,
    Refusal,
    Administrative {
        details: Map<String, Value>,
    },
    /// `network` is empty for those of further networks and reasons.
    Strangers {
        network: &'e str,
        reason: &'e str,
        count: u64,
    },
}

impl<'e> Told<'e> {
    pub(super) fn access(head: &'e Entry<'e>, end: Option<&'e Entry<'e>>, disclosed: &'e Disclosed) -> Told<'e> {
        let subjects: BTreeSet<&str> = head.subjects.iter().chain(&disclosed.subjects).map(String::as_str).collect();
        let subjects = subjects.into_iter().collect();
        let decided = head.forms.iter().flat_map(|(form, categories)| categories.iter().map(move |one| (form, one)));
        let mut forms: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (form, category) in decided.chain(disclosed.forms.iter().map(|(form, category)| (form, category))) {
            forms.entry(form).or_default().insert(category);
        }
        let what = if end.is_some() { What::Access } else { What::Refusal };
        Told { what, head, end, subjects, forms }
    }

    pub(super) fn administrative(head: &'e Entry<'e>, details: Map<String, Value>) -> Told<'e> {
        let subjects = head.subjects.iter().map(String::as_str).collect();
        Told { what: What::Administrative { details }, head, end: None, subjects, forms: BTreeMap::new() }
    }

    /// One for each network and reason.
    pub(super) fn strangers(head: &'e Entry<'e>) -> Vec<Told<'e>> {
        let counted = head.refused.iter().map(|one| (one.network.as_str(), one.reason.as_str(), one.count));
        let others = head.others.filter(|count| *count > 0).map(|count| ("", "", count));
        let one = |(network, reason, count)| {
            let what = What::Strangers { network, reason, count };
            Told { what, head, end: None, subjects: Vec::new(), forms: BTreeMap::new() }
        };
        counted.chain(others).map(one).collect()
    }

    /// `begin`, `refusal`, `administrative`, `strangers`.
    pub(super) fn kind(&self) -> &'static str {
        match &self.what {
            What::Access => "access",
            What::Refusal => "refusal",
            What::Administrative { .. } => "administrative",
            What::Strangers { .. } => "strangers",
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
            What::Strangers { .. } => "refused",
        }
    }

    /// Whether it was refused.
    pub(super) fn is_refused(&self) -> bool {
        self.outcome() == "refused"
    }

    /// Whether it went as it was meant to.
    pub(super) fn is_well(&self) -> bool {
        ["completed", "done", "help", "dry-run"].contains(&self.outcome())
    }

    /// Whether it was done, and the backend did not answer with a fault.
    pub(super) fn is_success(&self) -> bool {
        self.is_well() && self.status().is_none_or(|status| status < 400)
    }

    /// The HTTP status that the caller got.
    pub(super) fn status(&self) -> Option<u16> {
        self.end.and_then(|end| end.status).or(self.head.status)
    }

    /// Why not, or how it was cut: codes.
    pub(super) fn codes(&self) -> Vec<&str> {
        match &self.what {
            What::Strangers { reason: "", .. } => Vec::new(),
            What::Strangers { reason, .. } => vec![reason],
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
            What::Strangers { network: "", .. } => None,
            What::Strangers { network, .. } => Some(network),
            _ => self.head.caller.as_ref().and_then(|caller| caller.address.as_deref()),
        }
    }

    /// `read`, `search`, …; of what was done to the gate its own word.
    pub(super) fn action(&self) -> &str {
        match &self.what {
            What::Strangers { .. } => "sign-in",
            _ => self.head.action.as_deref().unwrap_or(""),
        }
    }
}
