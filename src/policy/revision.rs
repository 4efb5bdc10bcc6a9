//! Which revision answers on which day, and may it replace the one before it?
//!
//! A revision that adds or widens a purpose states what it is related to, or the law that allows it, and when it was
//! announced; else it does not load (APPI art. 17(2), 21(3)).

use std::sync::Arc;

use super::compile::compile;
use super::fault::{Faults, Source};
use super::reader::Reader;
use super::table::{Family, Policy, Purpose, Revisions};
use super::vocabulary::Vocabulary;

/// Compiles the revisions of one organisation, given in any order, and puts them in the order of their days.
///
/// # Errors
/// Every fault of every document; and those of the change of purpose between two revisions.
pub fn load(sources: Vec<Source>, vocabulary: &Arc<Vocabulary>) -> Result<Revisions, Faults> {
    let mut faults = Faults::default();
    let mut policies: Vec<Policy> = Vec::new();
    for source in sources {
        match compile(source, vocabulary) {
            Ok(policy) => policies.push(policy),
            Err(found) => faults.0.extend(found.0),
        }
    }
    policies.sort_by_key(|policy| policy.in_force.from);
    for index in 1..policies.len() {
        let [older, newer] = policies.get_mut(index - 1..=index).unwrap_or_default() else { continue };
        succession(older, newer, &mut faults);
        older.in_force.until = newer.in_force.from;
    }
    if faults.is_empty() { Ok(Revisions::new(policies.into_iter().map(Arc::new).collect())) } else { Err(faults) }
}

fn succession(older: &Policy, newer: &Policy, faults: &mut Faults) {
    let reader = Reader::new(newer.document.source.clone());
    let meta = &newer.document.meta;
    let span = meta.revision.span.clone();
    if newer.in_force.from == older.in_force.from {
        reader.fault(
            span.clone(),
            format!("two revisions begin on the same day: `{}` too", older.document.meta.revision.text),
            None,
        );
    }
    if newer.zone != older.zone {
        reader.fault(
            meta.time_zone.span.clone(),
            "a revision keeps the time zone: the days of facts are read in it",
            None,
        );
    }
    let supersedes = meta.supersedes.as_ref().map(|s| s.text.as_str());
    if supersedes != Some(older.document.meta.revision.text.as_str()) {
        let help = format!("supersedes = \"{}\"", older.document.meta.revision.text);
        reader.fault(span.clone(), "a revision names the one that it supersedes", Some(help));
    }
    if meta.announced.is_none() {
        reader.fault(span.clone(), "a revision says when it was announced (`announced`)", None);
    }
    let change = newer.document.conditions.iter().find(|c| c.id.text == "change");
    let requires = change.and_then(|c| c.requires.as_ref()).map_or("relation-or-law", |r| r.text.as_str());
    if requires == "law" && meta.law.is_none() {
        let help = "this policy changes with laws, guidelines or guidance only";
        reader.fault(span, "a revision names the law or guideline it answers to (`law`)", Some(help.into()));
    }
    for (_, purpose) in newer.purposes().filter(|(_, p)| p.family == Family::Stated && !p.grouping) {
        change_of_purpose(older, newer, purpose, &reader);
    }
    faults.0.extend(reader.faults().0);
}

/// APPI art. 17(2): a purpose changes only within what is reasonably related to the old one, or by law.
fn change_of_purpose(older: &Policy, newer: &Policy, purpose: &Purpose, reader: &Reader) {
    let before = older.purpose_id(&purpose.name).and_then(|id| older.purpose(id));
    let change = match before {
        None => "is new",
        Some(before) if widened(older, before, newer, purpose) => "is widened",
        Some(_) => return,
    };
    let Some(written) = newer.document.purposes.iter().find(|p| p.id.text == purpose.name) else { return };
    match (&written.related_to, &written.law) {
        (None, None) => {
            let help = "say what it is related to (`related-to`), or the law that allows it (`law`)";
            reader.fault(written.id.span.clone(), format!("purpose `{}` {change}", purpose.name), Some(help.into()));
        }
        (Some(related), _) if older.purpose_id(&related.text).is_none() => {
            let known = older.purposes().map(|(_, p)| p.name.as_str()).collect::<Vec<_>>();
            reader.unknown("purpose of the superseded revision", related, known);
        }
        _ => {}
    }
}

/// Whether it now serves a class, releases a category or reaches a recipient that it did not.
fn widened(older: &Policy, before: &Purpose, newer: &Policy, now: &Purpose) -> bool {
    if now.classes & !before.classes != 0 || now.view.most(&before.view) != before.view {
        return true;
    }
    let reaches = |policy: &Policy, purpose: &Purpose, recipient: &str| {
        let (p, r) = (policy.purpose_id(&purpose.name), policy.recipient_id(recipient));
        p.zip(r).is_some_and(|(p, r)| !policy.grants(p, r).is_empty())
    };
    newer.recipients().any(|(_, r)| reaches(newer, now, &r.name) && !reaches(older, before, &r.name))
}
