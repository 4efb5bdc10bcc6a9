//! What is allowed in a document but hardly meant? Warnings; none of them keeps a policy from loading.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::catalogue::{Catalogue, Shape};
use crate::decision::cases::Case;
use crate::policy::document::Document;
use crate::policy::reader::Text;
use crate::policy::{Fault, For, Policy, Purpose, PurposeId, RecipientId, Revisions, Source};

/// The warnings of one revision, in the order of the document.
pub(super) fn of_policy(policy: &Policy) -> Vec<Fault> {
    let document = &policy.document;
    let mut list = List { source: &document.source, warnings: Vec::new() };
    purposes(policy, &mut list);
    for recipient in &document.recipients {
        let Some(id) = policy.recipient_id(&recipient.id.text) else { continue };
        if policy.purposes().all(|(purpose, _)| policy.grants(purpose, id).is_empty()) {
            let message = format!("no permit names recipient `{}`", recipient.id.text);
            list.warn(&recipient.id, message, "nothing is ever provided to it: add a permit, or take it away");
        }
    }
    views(document, &mut list);
    for (role, (bit, _)) in document.roles.iter().zip((0u32..).zip(policy.roles())) {
        let serves = policy.purposes().any(|(_, p)| !p.grouping && p.served_by >> bit & 1 == 1);
        if !serves {
            let message = format!("role `{}` serves no purpose", role.id.text);
            list.warn(&role.id, message, "whoever holds it is refused everything: name purposes in `serves`");
        }
    }
    codes(document, &mut list);
    clauses(document, &mut list);
    list.warnings.sort_by_key(|warning| warning.span.start);
    list.warnings
}

/// The warnings of a document of cases.
pub(super) fn of_cases(cases: &[Case], source: &Source, revisions: &Revisions) -> Vec<Fault> {
    let known: BTreeSet<&str> =
        revisions.all().iter().flat_map(|policy| policy.clauses().map(|(_, clause)| clause)).collect();
    let mut list = List { source, warnings: Vec::new() };
    let mut names = BTreeSet::new();
    for case in cases {
        let place = Text { text: case.name.clone(), span: line(source, case.line) };
        if !names.insert(case.name.as_str()) {
            list.warn(&place, format!("two cases are called `{}`", case.name), "give each a name of its own");
        }
        for clause in case.clauses.iter().filter(|clause| !case.twin && !known.contains(clause.as_str())) {
            let message = format!("the case names clause `{clause}`, which the policy does not have");
            list.warn(&place, message, "coverage counts it for no clause");
        }
    }
    list.warnings
}

/// The warnings of a catalogue: routes on which the gate could not see whose record the backend answered.
pub(super) fn of_catalogue(catalogue: &Catalogue, source: &Source) -> Vec<Fault> {
    let mut list = List { source, warnings: Vec::new() };
    for route in catalogue.routes().iter().filter(|route| !route.is_fhir() && !route.is_of_no_one()) {
        let unseen = route.entry_subject().is_none() && route.shape() != Shape::Opaque && !route.is_open();
        if unseen && route.methods().any(|(_, action)| action.releases()) {
            let written = format!("id = \"{}\"", route.id());
            let start = source.text.find(&written).unwrap_or(0);
            let end = if start == 0 { 0 } else { start + written.len() };
            let place = Text { text: route.id().to_owned(), span: start..end };
            let message = format!("route `{}` does not say where a record names its subject", route.id());
            list.warn(
                &place,
                message,
                "another person's record, answered in error, would pass: add `entry` to `subject`",
            );
        }
    }
    list.warnings
}

struct List<'d> {
    source: &'d Source,
    warnings: Vec<Fault>,
}

impl List<'_> {
    fn warn(&mut self, place: &Text, message: String, help: &str) {
        let fault = Fault { source: self.source.clone(), span: place.span.clone(), message, help: Some(help.into()) };
        self.warnings.push(fault);
    }
}

/// The bytes of a line, counted from one.
fn line(source: &Source, number: usize) -> Range<usize> {
    let mut start = 0;
    for (index, text) in source.text.split_inclusive('\n').enumerate() {
        if index + 1 == number {
            return start..start + text.trim_end().len();
        }
        start += text.len();
    }
    start..start
}

fn purposes(policy: &Policy, list: &mut List<'_>) {
    for written in &policy.document.purposes {
        let found = policy.purpose_id(&written.id.text).and_then(|id| Some((id, policy.purpose(id)?)));
        let Some((id, purpose)) = found.filter(|(_, purpose)| !purpose.grouping) else { continue };
        if !is_reachable(policy, id, purpose) {
            let message = format!("nobody can reach purpose `{}`", purpose.name);
            list.warn(&written.id, message, "no role serves it with a permit, and no permit opens it to a recipient");
        }
    }
}

/// Whether staff who serve it, or a recipient for itself, meet a permit.
fn is_reachable(policy: &Policy, id: PurposeId, purpose: &Purpose) -> bool {
    let served = purpose.served_by != 0;
    policy.recipients().any(|(recipient, _)| {
        policy.grants(id, recipient).iter().any(|grant| match grant.open_to {
            For::Staff => served,
            For::Itself => recipient != RecipientId::INTERNAL,
            For::Both => served || recipient != RecipientId::INTERNAL,
        })
    })
}

fn views(document: &Document, list: &mut List<'_>) {
    let used: BTreeSet<&str> = (document.purposes.iter().filter_map(|p| p.view.as_ref()))
        .chain(document.permits.iter().filter_map(|p| p.view.as_ref()))
        .chain(document.datasets.iter().map(|items| &items.view))
        .map(|view| view.text.as_str())
        .collect();
    for view in document.views.iter().filter(|view| !used.contains(view.id.text.as_str())) {
        list.warn(&view.id, format!("nobody uses view `{}`", view.id.text), "name it in a purpose or permit");
    }
}

/// A code that several purposes carry cannot be declared: the gate answers 400 and names them.
fn codes(document: &Document, list: &mut List<'_>) {
    let mut carriers: BTreeMap<&str, Vec<(&str, &Text)>> = BTreeMap::new();
    for purpose in document.purposes.iter().filter(|p| !p.grouping) {
        for code in &purpose.codes {
            carriers.entry(&code.text).or_default().push((&purpose.id.text, code));
        }
    }
    for (code, carriers) in carriers {
        let [first, others @ .., last] = carriers.as_slice() else { continue };
        let named: Vec<String> = std::iter::once(first).chain(others).map(|(name, _)| format!("`{name}`")).collect();
        let message = format!("code `{code}` is shared with {}", named.join(", "));
        list.warn(last.1, message, "a caller who declares the code alone is refused as ambiguous");
    }
}

/// No answer can ever name such a clause, though a rule or condition is said to enforce it, or though none should.
fn clauses(document: &Document, list: &mut List<'_>) {
    let cited = cited(document);
    for clause in &document.clauses {
        let id = clause.id.text.as_str();
        let by_mechanisms = clause.enforced_by.iter().all(|keeper| keeper.text.starts_with("mechanism:"));
        if clause.organisational.is_none() && !by_mechanisms && !cited.contains(id) {
            list.warn(&clause.id, format!("nothing cites clause `{id}`"), "cite it where it is enforced (`clause`)");
        }
        if clause.organisational.is_some() && cited.contains(id) {
            let message = format!("clause `{id}` is organisational, yet answers cite it");
            list.warn(&clause.id, message, "name what enforces it (`enforced-by`) instead of a reason");
        }
    }
}

fn cited(document: &Document) -> BTreeSet<&str> {
    let texts = (document.purposes.iter().map(|p| &p.clauses))
        .chain(document.recipients.iter().map(|r| &r.clauses))
        .chain(document.permits.iter().map(|p| &p.clauses))
        .chain(document.forbids.iter().map(|f| &f.clauses))
        .chain(document.aparts.iter().map(|a| &a.clauses))
        .chain(document.conditions.iter().map(|c| &c.clauses))
        .chain(document.opt_outs.iter().map(|o| &o.clauses))
        .chain(document.datasets.iter().map(|d| &d.clauses))
        .chain(document.exception.iter().map(|(_, clauses)| clauses))
        .chain(document.request.iter().map(|(_, clauses)| clauses));
    texts.flatten().map(|text| text.text.as_str()).collect()
}
