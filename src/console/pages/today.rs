//! What would today's policy say? The access judged again by the text and the facts in force now.
//!
//! What the record says of the request is asked again; what it does not say is taken as it usually is: the identity
//! verified, no certified dataset. It is a judgement for a reader, and nothing is released by it.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::record::{Found, find, named, read, warning};
use crate::audit::Entry;
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::{Asking, Page};
use crate::console::person::Right;
use crate::console::reading::Reading;
use crate::console::shell::Place;
use crate::console::state::State;
use crate::console::{when, words};
use crate::decision::{Caller, Named, Permit, Refusal, Request, decide};
use crate::policy::{Action, Categories, Form, Moment, Policy};

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let found = find(state, asking)?;
    let begin = read(&found.begin)?;
    let name = named(&found.row);
    let title = lang.pick("What would today's policy say?", "現在の方針ではどうなるか");
    let body = html! {
        h1 { (title) }
        (warning(state, lang, &found)?)
        p { a href=(format!("/record/{name}")) { (lang.pick("Record ", "記録 ")) (name) } ", " (when::second(found.row.time_ms, &state.zone)) }
        (judged(state, asking, &found, &begin)?)
    };
    Ok(Page::html(Reading::of("today", name), Place::Search, title, body))
}

fn judged(state: &State, asking: &Asking, found: &Found, begin: &Entry<'_>) -> Result<Markup, Trouble> {
    let lang = asking.lang;
    let now_ms = state.now_ms();
    let now = Moment::try_from(now_ms).map_err(Trouble::unable)?;
    let id = begin.policy.as_ref().map_or("", |policy| policy.id.as_str());
    let sites = (state.policies)();
    let of_id = sites.iter().find(|site| site.revisions.all().iter().any(|policy| policy.document.meta.id.text == id));
    let Some(policy) = of_id.and_then(|site| site.revisions.at(now)) else {
        return Ok(
            html! { p.notice { (lang.pick("No policy of that id is in force here any more.", "このIDの方針は現在ありません。")) } },
        );
    };
    let Some(action) = begin.action.as_deref().and_then(Action::from_name) else {
        return Ok(
            html! { p.notice { (lang.pick("The record names no action that a policy decides on.", "方針が判断する操作の記録がありません。")) } },
        );
    };
    let view = state.registry.facts(now).map_err(Trouble::unable)?;
    let subject = match begin.subjects.as_slice() {
        // What is on file about a person today is more than the record says: for those who may know who it is.
        [only] if found.windows.is_empty() && asking.may(Right::Reveal) => {
            Some(state.seal.open_subject(only).map_err(Trouble::unable)?)
        }
        _ => None,
    };
    let caller = begin.caller.clone().unwrap_or_default();
    let person = subject.as_ref().map(|subject| view.person_for(subject, &caller.issuer, &caller.id));
    let asked = asked(begin, policy);
    let request = Request {
        caller: Caller {
            id: &caller.id,
            organization: caller.organization.as_deref(),
            roles: policy.roles_of(caller.roles.iter().map(String::as_str)),
            verified: true,
            training_until: None,
        },
        action,
        record: "",
        class: Named::from(begin.subject_class.as_deref().map(|name| policy.vocabulary.class(name))),
        subject: subject.as_ref().map(|subject| subject.as_str()),
        dataset: None,
        asked,
        asked_unknown: false,
        query: names(&begin.searched, policy),
        query_unknown: false,
        purpose: Named::from(begin.purpose.as_deref().map(|name| policy.purpose_id(name))),
        basis: Named::from(begin.basis.as_deref().map(|name| policy.vocabulary.basis_id(name))),
        recipient: Named::from(begin.recipient.as_ref().map(|to| policy.recipient_id(&to.id))),
        organization: begin.recipient.as_ref().and_then(|to| to.organization.as_deref()),
        reason: begin.reason.is_some(),
        reference: begin.reference.is_some(),
        act: Named::from(begin.act.as_deref().map(|name| policy.vocabulary.act(name))),
        source: true,
        time: now,
        register: view.register(),
        person: person.as_deref(),
    };
    let decision = decide(policy, &request);
    let was_permitted = begin.kind != "refusal";
    let revision = format!("{} {}", policy.document.meta.id.text, policy.document.meta.revision.text);
    Ok(html! {
        p.sentence {
            (lang.pick("By ", "方針 ")) strong { (revision) } (lang.pick(" and what is on file today it would be ", " と現在の登録内容では "))
            @match &decision { Ok(_) => strong.good { (lang.pick("permitted", "許可")) }, Err(_) => strong.bad { (lang.pick("refused", "拒否")) } }
            "; " (lang.pick("then it was ", "当時は "))
            @if was_permitted { (lang.pick("permitted", "許可")) } @else { (lang.pick("refused", "拒否")) } "."
        }
        @if subject.is_none() {
            p.soft { (lang.pick(
                "Judged for any person: the access was about several or none, or your roles do not let you know what is on file about this one. That may refuse it further.",
                "対象が複数または特定されないか、閲覧権限がないため、個々の本人の登録内容は考慮していません。")) }
        }
        (answer(lang, policy, &request, &decision))
        (compared(lang, policy, begin, &decision))
    })
}

/// The categories that were decided about then; all where the record names none, as a refusal at the door does.
fn asked(begin: &Entry<'_>, policy: &Policy) -> Categories {
    let known = begin.forms.values().fold(Categories::NONE, |all, list| all.or(names(list, policy)));
    if known == Categories::NONE { policy.vocabulary.all() } else { known }
}

fn names(list: &[String], policy: &Policy) -> Categories {
    let known = list.iter().filter_map(|name| policy.vocabulary.category(name));
    known.fold(Categories::NONE, |all, category| all.or(category.only()))
}

fn answer(lang: Lang, policy: &Policy, request: &Request<'_>, decision: &Result<Permit, Refusal>) -> Markup {
    let gist = |id: &str| {
        let clause = policy.document.clauses.iter().find(|clause| clause.id.text == id);
        clause.map(|clause| match (lang, &clause.gist_ja) {
            (Lang::Ja, Some(own)) => own.text.clone(),
            _ => clause.gist.text.clone(),
        })
    };
    let clause = |id: &str| html! { code { (id) } " " span.gist { (gist(id).unwrap_or_default()) } };
    html! {
        @match decision {
            Ok(permit) => {
                h2 { (lang.pick("Clauses that allow it", "許可する条項")) }
                ul.clauses { @for id in permit.clauses().iter() { li { (clause(policy.clause(id))) } } }
            }
            Err(refusal) => {
                h2 { (lang.pick("Why not", "拒否の理由")) }
                ul.reasons { @for reason in refusal.reasons.iter() { li {
                    code { (reason.code()) } " " (reason.detail())
                    @for id in crate::decision::clauses_of(policy, request.purpose.known(), refusal, reason).iter().take(1) { " " (clause(policy.clause(id))) }
                } } }
            }
        }
    }
}

/// What would leave in another form.
fn compared(lang: Lang, policy: &Policy, begin: &Entry<'_>, decision: &Result<Permit, Refusal>) -> Markup {
    let mut then: BTreeMap<&str, &str> = BTreeMap::new();
    for (form, categories) in &begin.forms {
        then.extend(categories.iter().map(|category| (category.as_str(), form.as_str())));
    }
    let now = |name: &str| {
        let category = policy.vocabulary.category(name);
        let form = decision.as_ref().ok().zip(category).map(|(permit, category)| permit.release().form(category));
        form.unwrap_or(Form::Withheld).name()
    };
    let differing: Vec<(&str, &str, &str)> =
        then.iter().map(|(name, form)| (*name, *form, now(name))).filter(|(_, then, now)| then != now).collect();
    html! {
        @if !then.is_empty() {
            h2 { (lang.pick("What would leave otherwise", "提供内容の違い")) }
            @if differing.is_empty() { p { (lang.pick("Each category would leave in the same form.", "どの区分も同じ形式です。")) } }
            @else {
                div.wide-table tabindex="0" role="region" aria-label=(lang.pick("Differences", "違い")) { table {
                    thead { tr {
                        th scope="col" { (lang.pick("Category", "情報区分")) }
                        th scope="col" { (lang.pick("Then", "当時")) }
                        th scope="col" { (lang.pick("Today", "現在")) }
                    } }
                    tbody { @for (name, then, now) in &differing { tr {
                        th scope="row" { (name) }
                        td { span class={ "form-" (then) } { (words::form(lang, then)) } }
                        td { span class={ "form-" (now) } { (words::form(lang, now)) } }
                    } } }
                } }
            }
        }
    }
}
