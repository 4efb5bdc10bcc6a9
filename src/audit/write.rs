//! The members of each kind of record, in their order on the line.

use super::chain::{Tree, hex};
use super::json::{self, Object};
use super::record::{
    Administrative, Begin, Caller, Decision, Detail, End, Forms, Outcome, Policy, Recipient, Refusal, Window,
};
use super::seal::Sealed;

pub(super) fn begin(out: &mut Vec<u8>, record: &Begin<'_>) {
    let mut line = Object::members(out);
    line.text("kind", "begin");
    decision(&mut line, &record.decision);
    line.number_if("decision_us", record.decision_us);
}

pub(super) fn refusal(out: &mut Vec<u8>, record: &Refusal<'_>) {
    let mut line = Object::members(out);
    line.text("kind", "refusal");
    decision(&mut line, &record.decision);
    let reasons = line.name("reasons");
    reasons.push(b'[');
    for (index, reason) in record.reasons.iter().take(json::LIST_MAX).enumerate() {
        if index > 0 {
            reasons.push(b',');
        }
        let mut object = Object::open(reasons);
        object.text("code", reason.code).text_if("clause", reason.clause);
        object.close();
    }
    reasons.push(b']');
    line.number("status", u64::from(record.status)).number_if("decision_us", record.decision_us);
}

/// `begin`: the sequence of the beginning; `window`: counted from 1 within it.
pub(super) fn continuation(out: &mut Vec<u8>, begin: u64, id: &str, window: u64, record: &Window<'_>) {
    let mut line = Object::members(out);
    line.text("kind", "continuation").number("begin", begin).text("id", id).number("window", window);
    let groups = line.name("disclosed");
    groups.push(b'[');
    for (index, group) in record.disclosed.iter().enumerate() {
        if index > 0 {
            groups.push(b',');
        }
        let mut object = Object::open(groups);
        object.text("subject_class", group.class);
        subjects(&mut object, group.subjects);
        forms(&mut object, Some(group.forms));
        object.close();
    }
    groups.push(b']');
    line.number("entries_dropped", record.entries_dropped).number("window_bytes", record.window_bytes);
}

/// `windows`: how many continuations there were.
pub(super) fn end(out: &mut Vec<u8>, begin: u64, id: &str, windows: u64, record: &End<'_>) {
    let mut line = Object::members(out);
    line.text("kind", "end").number("begin", begin).text("id", id).text("outcome", record.outcome.name());
    line.text_if("code", record.code).number_if("status", record.status.map(u64::from));
    line.number_if("received_bytes", record.received_bytes).number("released_bytes", record.released_bytes);
    line.number("windows", windows);
    if let Some(entries) = record.entries {
        line.number("entries_released", entries.released).number("entries_dropped", entries.dropped);
    }
    counts(&mut line, record);
    line.list("unclassified", record.unclassified);
    if record.unclassified_fields > 0 {
        line.number("unclassified_fields", record.unclassified_fields);
    }
    let latency = &record.latency;
    line.number_if("record_us", latency.record_us).number_if("backend_us", latency.backend_us);
    line.number_if("first_byte_us", latency.first_byte_us).number_if("total_us", latency.total_us);
}

/// The ending that recovery gives a beginning left without one; it knows nothing of bytes.
pub(super) fn interrupted(out: &mut Vec<u8>, begin: u64, id: &str) {
    let mut line = Object::members(out);
    line.text("kind", "end").number("begin", begin).text("id", id).text("outcome", Outcome::Interrupted.name());
    line.text("code", "gate-stopped");
}

pub(super) fn administrative(out: &mut Vec<u8>, record: &Administrative<'_>) {
    let mut line = Object::members(out);
    line.text("kind", "administrative").text("action", record.action);
    if let Some(by) = &record.by {
        caller(&mut line, "by", by);
    }
    if let Some(policy) = &record.policy {
        self::policy(&mut line, policy);
    }
    subjects(&mut line, record.subjects);
    sealed(&mut line, "reason", record.reason);
    for (name, value) in record.details {
        match value {
            Detail::Text(value) => line.text(name, value),
            Detail::Whole(value) => line.whole(name, value),
            Detail::Number(value) => line.number(name, *value),
        };
    }
}

/// The first line of a segment: what a reader needs who has none of those before it.
pub(super) fn segment<'a>(
    out: &mut Vec<u8>,
    newest_ms: u64,
    tree: Option<&Tree>,
    open: impl Iterator<Item = (u64, &'a str)>,
) {
    let mut line = Object::members(out);
    line.text("kind", "segment").time_if("newest", Some(newest_ms));
    if let Some(tree) = tree {
        let nodes: Vec<String> = tree.frontier.nodes().iter().map(hex).collect();
        let mut object = Object::open(line.name("tree"));
        object.number("first", tree.first);
        json::array(object.name("nodes"), &nodes);
        object.close();
    }
    let list = line.name("open");
    list.push(b'[');
    for (index, (begin, id)) in open.enumerate() {
        if index > 0 {
            list.push(b',');
        }
        let mut object = Object::open(list);
        object.number("begin", begin).text("id", id);
        object.close();
    }
    list.push(b']');
}

fn decision(line: &mut Object<'_>, decision: &Decision<'_>) {
    line.text("id", decision.id).text_if("trace_id", decision.trace_id).time_if("decided", decision.decided_ms);
    caller(line, "caller", &decision.caller);
    line.text_if("purpose", decision.purpose).text_if("basis", decision.basis).list("proofs", decision.proofs);
    line.text_if("act", decision.act);
    if let Some(to) = &decision.recipient {
        recipient(line, to);
    }
    line.text_if("route", decision.route).text("method", decision.method).text("action", decision.action);
    line.text_if("subject_class", decision.subject_class);
    subjects(line, decision.subjects);
    forms(line, decision.forms);
    line.list("searched", decision.searched).list("rules", decision.rules).list("clauses", decision.clauses);
    line.list("obligations", decision.obligations);
    policy(line, &decision.policy);
    line.text("mode", decision.mode);
    sealed(line, "reason", decision.reason);
    sealed(line, "reference", decision.reference);
    line.text_if("pseudonym_epoch", decision.pseudonym_epoch);
}

fn caller(line: &mut Object<'_>, name: &str, caller: &Caller<'_>) {
    let mut object = Object::open(line.name(name));
    object.text("issuer", caller.issuer).text("id", caller.id);
    object.text_if("organization", caller.organization).text_if("recipient", caller.recipient);
    object.list("roles", caller.roles).time_if("authenticated", caller.authenticated_ms);
    object.text_if("address", caller.address);
    object.close();
}

fn recipient(line: &mut Object<'_>, recipient: &Recipient<'_>) {
    let mut object = Object::open(line.name("recipient"));
    object.text("id", recipient.id).text_if("organization", recipient.organization);
    object.text_if("country", recipient.country).text_if("overseas_basis", recipient.overseas_basis);
    object.close();
}

fn policy(line: &mut Object<'_>, policy: &Policy<'_>) {
    let mut object = Object::open(line.name("policy"));
    object.text("id", policy.id).text("revision", policy.revision).text("digest", policy.digest);
    object.text_if("catalogue", policy.catalogue);
    object.close();
}

/// Sealed texts are base64url: no escape, and no cut, for half a sealed id opens to nothing.
fn subjects(line: &mut Object<'_>, subjects: &[Sealed]) {
    if subjects.is_empty() {
        return;
    }
    let out = line.name("subjects");
    out.push(b'[');
    for (index, subject) in subjects.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::text_within(out, subject.as_str(), usize::MAX);
    }
    out.push(b']');
}

fn sealed(line: &mut Object<'_>, name: &str, note: Option<&Sealed>) {
    if let Some(note) = note {
        json::text_within(line.name(name), note.as_str(), usize::MAX);
    }
}

fn forms(line: &mut Object<'_>, forms: Option<&Forms>) {
    if let Some(forms) = forms {
        line.name("forms").extend_from_slice(forms.as_json());
    }
}

/// `{"clear":{"health.exam-result":12},…}`, forms in the order of first mention.
fn counts(line: &mut Object<'_>, record: &End<'_>) {
    if record.counts.is_empty() {
        return;
    }
    let mut by_form = Object::open(line.name("counts"));
    for (index, count) in record.counts.iter().enumerate() {
        if record.counts.iter().take(index).any(|earlier| earlier.form == count.form) {
            continue;
        }
        let mut object = Object::open(by_form.outside_name(count.form));
        for of_form in record.counts.iter().filter(|other| other.form == count.form) {
            json::number(object.outside_name(of_form.category), of_form.fields);
        }
        object.close();
    }
    by_form.close();
}
