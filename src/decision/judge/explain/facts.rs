//! Which facts on file counted, and why did the others not?

use super::{Case, Moment, Organization, Policy, Window, covers, window};

/// Something on file.
pub struct Fact {
    /// What it is.
    pub what: String,
    /// Whether it bears on this request.
    pub counts: bool,
    /// Why, or why not.
    pub why: String,
}

/// Everything on file about the parties and the person.
pub(super) fn told(case: &Case<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    register(case, &mut facts);
    person(case, &mut facts);
    facts
}

fn fact(what: impl Into<String>, counts: bool, why: impl Into<String>) -> Fact {
    Fact { what: what.into(), counts, why: why.into() }
}

fn register(case: &Case<'_>, facts: &mut Vec<Fact>) {
    let policy = case.judge.policy;
    let request = case.judge.request;
    for entry in request.register.organizations() {
        let what = format!("organisation `{}`, registered as `{}`", entry.id, entry.recipient);
        let this = case.entry.is_some_and(|own| std::ptr::eq(own, entry));
        let why = if this { entry_terms(policy, entry) } else { "not the one that this is for".to_owned() };
        facts.push(fact(what, this, why));
    }
    if let Some(entry) = case.entry {
        for approval in request.register.approvals(&entry.id) {
            let meant = approval.purpose.as_deref().is_some_and(|broad| covers(broad, &case.judge.purpose.name));
            let in_force = approval.window.holds(request.time);
            let why = match (meant, in_force) {
                (true, true) => "in force, ",
                (true, false) => "not in force: ",
                (false, _) => "for another purpose, ",
            };
            let what = match &approval.purpose {
                Some(purpose) => format!("approval of `{}` for `{purpose}`", entry.id),
                None => format!("approval of `{}` without a purpose", entry.id),
            };
            facts.push(fact(what, meant && in_force, format!("{why}{}", window(policy, approval.window))));
        }
    }
}

fn entry_terms(policy: &Policy, entry: &Organization) -> String {
    let mut terms = vec![window(policy, entry.window)];
    match (entry.is_abroad(), &entry.country) {
        (false, _) => terms.push("in Japan".to_owned()),
        (true, Some(country)) => terms.push(format!("abroad ({country})")),
        (true, None) => terms.push("country not known, which counts as abroad".to_owned()),
    }
    if let Some((ground, until)) = entry.overseas {
        let ends = if until == Moment::MAX { String::new() } else { format!(" {}", window(policy, ending(until))) };
        terms.push(format!("art. 28 basis `{}`{ends}", ground.name()));
    }
    match &entry.purposes {
        Some(purposes) => terms.push(format!("for {}", quoted(purposes))),
        None => terms.push("no purposes named".to_owned()),
    }
    terms.join("; ")
}

fn ending(until: Moment) -> Window {
    Window { from: Moment::MIN, until }
}

fn quoted(names: &[String]) -> String {
    match names.is_empty() {
        true => "no purpose".to_owned(),
        false => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

fn person(case: &Case<'_>, facts: &mut Vec<Fact>) {
    let (policy, request, purpose) = (case.judge.policy, case.judge.request, case.judge.purpose);
    let Some(person) = request.person else { return };
    let recipient = case.recipient.map_or("", |(_, recipient)| recipient.name.as_str());
    let organization = case.entry.map(|entry| entry.id.as_str());
    for consent in &person.consents {
        let of = consent.purpose.as_deref();
        let what = match of {
            Some(name) => format!("consent to `{name}`"),
            None => "consent without a purpose".to_owned(),
        };
        let why = if of.is_none() {
            Err("it covers nothing".to_owned())
        } else if !of.is_some_and(|broad| covers(broad, &purpose.name)) {
            Err("another purpose".to_owned())
        } else if consent.recipient.as_deref().is_some_and(|named| named != recipient) {
            Err(format!("for recipient `{}`", consent.recipient.as_deref().unwrap_or("")))
        } else if consent.organization.as_deref().is_some_and(|named| Some(named) != organization) {
            Err("for another organisation".to_owned())
        } else if !consent.window.holds(request.time) {
            Err(format!("not in force: {}", window(policy, consent.window)))
        } else if consent.categories.is_some_and(|covered| !covered.meets(request.asked)) {
            Err("covers nothing that is asked for".to_owned())
        } else if !case.basis.is_some_and(|(_, basis)| basis.needs_consent) && !case.is_abroad() {
            Err("fits, but the basis does not rest on consent".to_owned())
        } else {
            Ok(format!("in force, {}", window(policy, consent.window)))
        };
        facts.push(fact(what, why.is_ok(), why.unwrap_or_else(|why| why)));
    }
    stops(case, recipient, facts);
    for relation in &person.relations {
        let what = format!("relation `{}`", relation.kind);
        let related = case.relates(relation, &relation.kind, Some(request.caller.id));
        let why = if related { "names this caller or organisation" } else { "not in force, or names another" };
        facts.push(fact(what, related, why));
    }
    for informed in &person.informed {
        let counts = informed.at <= request.time && informed.purpose == purpose.name;
        let why = if counts { "of this purpose, before now" } else { "of another purpose, or later" };
        facts.push(fact(format!("informed of `{}`", informed.purpose), counts, why));
    }
}

/// What the person stopped.
fn stops(case: &Case<'_>, recipient: &str, facts: &mut Vec<Fact>) {
    let (policy, request, purpose) = (case.judge.policy, case.judge.request, case.judge.purpose);
    let Some(person) = request.person else { return };
    let stopped = case.recipient.is_some_and(|(_, recipient)| case.restrictions(recipient).1);
    for name in &person.restrictions {
        let kind = case.recipient.map_or(0, |(_, recipient)| recipient.kind.bit());
        let meant = policy.vocabulary.restriction(name).is_none_or(|kinds| kinds & kind != 0);
        let why = match (meant, stopped) {
            (false, _) => "does not stop this sort of recipient",
            (true, true) => "stops this",
            (true, false) => "the basis or the purpose beats it",
        };
        facts.push(fact(format!("restriction `{name}`"), meant && stopped, why));
    }
    for objection in &person.objections {
        let meant = objection.window.holds(request.time)
            && objection.purpose.as_deref().is_none_or(|broad| covers(broad, &purpose.name))
            && objection.recipient.as_deref().is_none_or(|named| named == recipient);
        let what = match &objection.purpose {
            Some(name) => format!("objection to `{name}`"),
            None => "objection to every purpose".to_owned(),
        };
        let why = if meant { "meant here" } else { "another purpose or recipient, or not in force" };
        facts.push(fact(what, meant, why));
    }
    for name in &person.opt_outs {
        let counts = case.opted_out();
        facts.push(fact(
            format!("opt-out `{name}`"),
            counts,
            if counts { "stops this" } else { "does not touch this" },
        ));
    }
    if person.blocked {
        let why = if purpose.despite_block { "this purpose disregards it" } else { "stops this" };
        facts.push(fact("block list", !purpose.despite_block, why));
    }
}
