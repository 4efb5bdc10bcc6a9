//! What does a line change about an access?

use super::access::{Access, Column, Flags, Named, Number, Outcome};
use super::block::hash;
use super::words::{Dictionary, Kind};
use crate::audit::Entry;
use crate::audit::entry::ByForm;

/// The access that a `begin` or a `refusal` begins.
pub(super) fn begin(words: &mut Dictionary, entry: &Entry<'_>, time_ms: u64) -> Access {
    let mut access = Access::default();
    text(&entry.id).clone_into(&mut access.id);
    text(&entry.trace_id).clone_into(&mut access.trace);
    access.set_number(Number::Seq, entry.seq);
    access.set_number(Number::Time, time_ms);
    let caller = entry.caller.as_ref();
    let organization = caller.and_then(|caller| caller.organization.as_deref());
    let receiver = entry.recipient.as_ref();
    let organization = organization.or_else(|| receiver.and_then(|receiver| receiver.organization.as_deref()));
    let country = receiver.and_then(|receiver| receiver.country.as_deref()).unwrap_or_default();
    let policy = entry.policy.as_ref().map(|policy| format!("{} {}", policy.id, policy.revision));
    let recipient = receiver.map(|receiver| receiver.id.as_str());
    let recipient = recipient.or_else(|| caller.and_then(|caller| caller.recipient.as_deref()));
    let singles = [
        (Column::Caller, Kind::Caller, caller.map_or("", |caller| &caller.id)),
        (Column::Organization, Kind::Organization, organization.unwrap_or_default()),
        (Column::Recipient, Kind::Recipient, recipient.unwrap_or_default()),
        (Column::Purpose, Kind::Purpose, text(&entry.purpose)),
        (Column::Basis, Kind::Basis, text(&entry.basis)),
        (Column::Route, Kind::Route, text(&entry.route)),
        (Column::Action, Kind::Action, text(&entry.action)),
        (Column::Mode, Kind::Mode, text(&entry.mode)),
        (Column::Policy, Kind::Policy, policy.as_deref().unwrap_or_default()),
        (Column::Country, Kind::Country, country),
    ];
    for (column, kind, text) in singles {
        access.set(column, words.word(kind, text));
    }
    let roles = caller.map(|caller| caller.roles.as_slice()).unwrap_or_default();
    let sets = [
        (Column::Roles, Kind::Roles, Kind::Role, roles),
        (Column::Clauses, Kind::Clauses, Kind::Clause, &entry.clauses),
        (Column::Obligations, Kind::Obligations, Kind::Obligation, &entry.obligations),
    ];
    for (column, set, kind, texts) in sets {
        access.set(column, words.set_of(set, kind, texts.iter().map(String::as_str)));
    }
    access.set(Column::Forms, forms(words, &entry.forms));
    for subject in &entry.subjects {
        access.name(Named { hash: hash(subject), entries: 0, forms: 0 });
    }
    if entry.obligations.iter().any(|one| one == "review") {
        access.flag(Flags::REVIEW);
    }
    if entry.mode.as_deref().is_some_and(|mode| mode != "enforce") {
        access.flag(Flags::DRY_RUN);
    }
    if !country.is_empty() && country != "JP" {
        access.flag(Flags::ABROAD);
    }
    if entry.kind == "refusal" {
        refuse(words, &mut access, entry);
    }
    access
}

fn refuse(words: &mut Dictionary, access: &mut Access, entry: &Entry<'_>) {
    let codes = || entry.reasons.iter().map(|reason| reason.code.as_str());
    let is_told = codes().next().is_some() && codes().all(|code| ["help", "dry-run"].contains(&code));
    let outcome = if is_told { Outcome::Told } else { Outcome::Refused };
    access.set(Column::Outcome, outcome.number());
    access.set(Column::Reasons, words.set_of(Kind::Reasons, Kind::Reason, codes()));
    access.set(Column::FirstReason, words.word(Kind::Reason, codes().next().unwrap_or_default()));
    access.set(Column::Status, entry.status.map_or(0, u32::from));
    // The clause that refuses is a clause of the record as well.
    let clauses = entry.reasons.iter().filter_map(|reason| reason.clause.as_deref());
    let clauses = entry.clauses.iter().map(String::as_str).chain(clauses);
    access.set(Column::Clauses, words.set_of(Kind::Clauses, Kind::Clause, clauses));
    if codes().any(|code| code == "dry-run") {
        access.flag(Flags::DRY_RUN);
    }
}

/// A window of a list is about to leave.
pub(super) fn window(words: &mut Dictionary, access: &mut Access, entry: &Entry<'_>) {
    access.flag(Flags::LIST);
    access.windows.push(entry.seq);
    for group in &entry.disclosed {
        let forms = forms(words, &group.forms);
        let both = words.union(Kind::Forms, access.cell(Column::Forms), forms);
        access.set(Column::Forms, both);
        for subject in &group.subjects {
            access.name(Named { hash: hash(subject), entries: 1, forms });
        }
    }
}

/// It ended.
pub(super) fn end(words: &mut Dictionary, access: &mut Access, entry: &Entry<'_>) {
    let named = |outcome: &&Outcome| Some(outcome.name()) == entry.outcome.as_deref();
    // An outcome that this version does not know is no completion.
    let outcome = Outcome::ALL.iter().find(named).copied().unwrap_or(Outcome::Failed);
    access.set(Column::Outcome, outcome.number());
    access.set(Column::Status, entry.status.map_or(0, u32::from));
    access.set(Column::Code, words.word(Kind::Code, text(&entry.code)));
    access.set_number(Number::End, entry.seq);
    access.set_number(Number::Bytes, entry.released_bytes.unwrap_or(0));
    access.set_number(Number::Released, entry.entries_released.unwrap_or(0));
    access.set_number(Number::Dropped, entry.entries_dropped.unwrap_or(0));
    access.set_number(Number::TotalUs, entry.total_us.unwrap_or(0));
    let names = entry.unclassified.iter().map(String::as_str);
    access.set(Column::Unclassified, words.set_of(Kind::UnclassifiedNames, Kind::Unclassified, names));
    if entry.unclassified_fields.unwrap_or(0) > 0 || !entry.unclassified.is_empty() {
        access.flag(Flags::UNCLASSIFIED);
    }
    for (form, categories) in &entry.counts {
        for (category, fields) in categories {
            access.counts.push((words.word(Kind::Form, &format!("{form} {category}")), *fields));
        }
    }
}

fn forms(words: &mut Dictionary, forms: &ByForm) -> u32 {
    let mut members = Vec::new();
    for (form, categories) in forms {
        members.extend(categories.iter().map(|category| words.word(Kind::Form, &format!("{form} {category}"))));
    }
    words.set(Kind::Forms, members)
}

fn text<'t>(text: &'t Option<std::borrow::Cow<'_, str>>) -> &'t str {
    text.as_deref().unwrap_or_default()
}
