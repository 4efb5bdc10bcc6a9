//! Does the policy keep its own promises? Assertions, over every reachable release; and that every clause is enforced.

use super::category::Categories;
use super::compile::recipients_named;
use super::document::Document;
use super::kind::Kind;
use super::reader::{Reader, Text};
use super::table::{Policy, PurposeId, RecipientId};
use super::vocabulary::BasisId;

/// Mechanisms of the gate that a clause may cite; each has a socket test that fails without it.
pub const MECHANISMS: [&str; 9] = [
    "default-deny",
    "fail-closed",
    "authentication",
    "log",
    "minimised-log",
    "tls",
    "revision-gate",
    "contact",
    "registry",
];

/// Reports every assertion that some decision could break, with one such decision, and every clause that nothing keeps.
pub(super) fn check(document: &Document, policy: &Policy, reader: &Reader) {
    assertions(document, policy, reader);
    specific_stays(document, policy, reader);
    for clause in &document.clauses {
        let id = &clause.id;
        match (clause.enforced_by.is_empty(), &clause.organisational) {
            (true, None) => {
                let help =
                    "name what enforces it (`enforced-by`), or say why no request can show it (`organisational`)";
                reader.fault(id.span.clone(), format!("clause `{}` is kept by nothing", id.text), Some(help.into()));
            }
            (false, Some(_)) => {
                reader.fault(id.span.clone(), format!("clause `{}` is enforced *and* organisational", id.text), None);
            }
            _ => {}
        }
        for keeper in &clause.enforced_by {
            keeps(document, policy, reader, &id.text, keeper);
        }
    }
}

/// Whether what the clause says enforces it exists, and cites it.
fn keeps(document: &Document, policy: &Policy, reader: &Reader, clause: &str, keeper: &Text) {
    let cites = |texts: &[Text]| texts.iter().any(|t| t.text == clause);
    let (kind, name) = keeper.text.split_once(':').unwrap_or(("rule", &keeper.text));
    let found: Option<bool> = match kind {
        "mechanism" => {
            if !MECHANISMS.contains(&name) {
                reader.unknown("mechanism", &Text { text: name.into(), span: keeper.span.clone() }, MECHANISMS);
            }
            return;
        }
        "purpose" => document.purposes.iter().find(|p| p.id.text == name).map(|p| cites(&p.clauses)),
        "recipient" => document.recipients.iter().find(|r| r.id.text == name).map(|r| cites(&r.clauses)),
        "condition" => document.conditions.iter().find(|c| c.id.text == name).map(|c| cites(&c.clauses)),
        "opt-out" => document.opt_outs.iter().find(|o| o.id.text == name).map(|o| cites(&o.clauses)),
        "dataset" => document.datasets.iter().find(|d| d.id.text == name).map(|d| cites(&d.clauses)),
        _ => policy
            .rules()
            .find(|(_, r)| r.name == name)
            .map(|(_, r)| r.clauses.iter().any(|c| policy.clause(*c) == clause)),
    };
    match found {
        Some(true) => {}
        Some(false) => {
            let message = format!("`{}` does not cite clause `{clause}`", keeper.text);
            reader.fault(keeper.span.clone(), message, Some("a rule that enforces a clause cites it".into()));
        }
        None => reader.unknown("enforcement", keeper, policy.rules().map(|(_, r)| r.name.as_str())),
    }
}

/// The Individual Number goes to nobody but the person, save under a law that is cited (Numbers Act arts. 15, 19, 20):
/// asked of every policy, whether or not it asserts it.
fn specific_stays(document: &Document, policy: &Policy, reader: &Reader) {
    let specific = policy.vocabulary.level("specific").unwrap_or_default();
    let others: Vec<RecipientId> =
        policy.recipients().filter(|(_, r)| r.kind != Kind::Principal).map(|(id, _)| id).collect();
    let law = policy.vocabulary.basis_id("law");
    if let Some(broken) = counter_example(policy, specific, &others, law, |_| true) {
        let help = "forbid `level:specific` to `!kind:principal`, unless basis `law` under the Numbers Act".to_owned();
        reader.fault(document.meta.id.span.clone(), format!("level `specific` could leave: {broken}"), Some(help));
    }
    let unguarded = policy.caps.iter().any(|cap| {
        cap.categories.covers(specific) && Some(cap.unless_bases) == law.map(|id| id.bit()) && cap.unless_act.is_none()
    });
    if unguarded {
        reader.fault(
            document.meta.id.span.clone(),
            "a forbid on level `specific` is lifted by a law that is not named",
            None,
        );
    }
}

fn assertions(document: &Document, policy: &Policy, reader: &Reader) {
    for assert in &document.asserts {
        let mut never = Categories::NONE;
        for selector in &assert.release {
            match policy.vocabulary.selector(&selector.text) {
                Some(set) => never = never.or(set),
                None => reader.unknown("category", selector, policy.vocabulary.selectors()),
            }
        }
        let to: Vec<RecipientId> = match assert.to.is_empty() {
            true => policy.recipients().map(|(id, _)| id).collect(),
            false => recipients_named(reader, policy, &assert.to),
        };
        let mut within: Vec<PurposeId> = Vec::new();
        for name in &assert.purposes {
            match policy.purpose_id(&name.text) {
                Some(id) => within.push(id),
                None => reader.unknown("purpose", name, policy.purpose_ids.keys().map(String::as_str)),
            }
        }
        let unless = assert.unless_basis.as_ref().and_then(|name| {
            let id = policy.vocabulary.basis_id(&name.text);
            if id.is_none() {
                reader.unknown("basis", name, policy.vocabulary.bases.iter().map(|b| b.name.as_str()));
            }
            id
        });
        let meant = |p: PurposeId| within.is_empty() || within.iter().any(|broad| policy.within(p, *broad));
        if let Some(broken) = counter_example(policy, never, &to, unless, meant) {
            reader.fault(assert.span.clone(), format!("this assertion does not hold: {broken}"), None);
        }
    }
}

/// A decision that releases any of `never` to any of `to`, in words.
fn counter_example(
    policy: &Policy,
    never: Categories,
    to: &[RecipientId],
    unless: Option<BasisId>,
    meant: impl Fn(PurposeId) -> bool,
) -> Option<String> {
    for (purpose_id, purpose) in policy.purposes().filter(|(id, p)| !p.grouping && meant(*id)) {
        for recipient_id in to {
            for grant in policy.grants(purpose_id, *recipient_id) {
                for (index, basis) in (0u8..).zip(&policy.vocabulary.bases) {
                    let id = BasisId(index);
                    if grant.bases & id.bit() == 0 || unless == Some(id) {
                        continue;
                    }
                    let mut release = grant.release;
                    for cap in policy.caps(purpose_id, *recipient_id) {
                        if cap.unless_bases & id.bit() == 0 {
                            release = release.capped(cap.categories, cap.form);
                        }
                    }
                    if let Some(category) = release.any().and(never).iter().next() {
                        let name = policy.vocabulary.name(category);
                        let recipient = policy.recipient(*recipient_id).map_or("", |r| r.name.as_str());
                        let rule = policy.rule(grant.rule).map_or("", |r| r.name.as_str());
                        return Some(format!(
                            "`{rule}` releases `{name}` to `{recipient}` for `{}` on basis `{}`",
                            purpose.name, basis.name
                        ));
                    }
                }
            }
        }
    }
    None
}
