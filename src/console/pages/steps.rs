//! The steps of a decision, as its record tells them: who, why, what was asked, what the policy said, what left.

use maud::{Markup, html};

use super::record::{Found, Opened, pair, read, search};
use crate::audit::Entry;
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::shell::number;
use crate::console::state::State;
use crate::console::{when, words};
use crate::index::Row;
use crate::policy::Policy;

pub(super) fn who(state: &State, lang: Lang, begin: &Entry<'_>) -> Markup {
    let empty = crate::audit::entry::WhoCalled::default();
    let caller = begin.caller.as_ref().unwrap_or(&empty);
    let authenticated = caller.authenticated.as_deref().and_then(crate::audit::read_time);
    html! {
        li { h2 { (lang.pick("Who", "誰が")) }
            dl {
                (pair(lang.pick("Caller", "利用者"), html! { a href=(search("caller", &caller.id)) { (caller.id) } }))
                @if let Some(organization) = &caller.organization {
                    (pair(lang.pick("Organisation", "組織"), html! { a href=(search("organization", organization)) { (organization) } }))
                }
                @if !caller.roles.is_empty() { (pair(lang.pick("Roles", "役割"), html! { (caller.roles.join(", ")) })) }
                (pair(lang.pick("Proven by", "認証元"), html! { (caller.issuer) }))
                @if let Some(at) = authenticated { (pair(lang.pick("Signed in at", "認証日時"), html! { (when::second(at, &state.zone)) })) }
                @if let Some(address) = &caller.address { (pair(lang.pick("From address", "接続元"), html! { code { (address) } })) }
            }
        }
    }
}

pub(super) fn why_asked(lang: Lang, begin: &Entry<'_>, opened: Option<&Opened>) -> Markup {
    let note = |sealed: bool, clear: Option<&zeroize::Zeroizing<String>>| {
        html! {
            @if let Some(clear) = clear { span.opened { (clear.as_str()) } }
            @else if sealed { span.soft { (lang.pick("sealed", "封印")) } }
        }
    };
    html! {
        li { h2 { (lang.pick("Why", "何のために")) }
            dl {
                @match &begin.purpose {
                    Some(purpose) => (pair(lang.pick("Purpose", "利用目的"), html! { a href=(search("purpose", purpose)) { (purpose) } })),
                    None => (pair(lang.pick("Purpose", "利用目的"), html! { span.soft { (lang.pick("none was declared", "申告なし")) } })),
                }
                @if let Some(basis) = &begin.basis { (pair(lang.pick("Basis", "根拠"), html! { (basis) })) }
                @if !begin.proofs.is_empty() { (pair(lang.pick("Proven by", "根拠の証拠"), html! { code { (begin.proofs.join(", ")) } })) }
                @if let Some(act) = &begin.act { (pair(lang.pick("Act", "法令"), html! { (act) })) }
                @if begin.reason.is_some() { (pair(lang.pick("Reason given", "申告された理由"), note(true, opened.and_then(|opened| opened.reason.as_ref())))) }
                @if begin.reference.is_some() { (pair(lang.pick("Reference", "参照文書"), note(true, opened.and_then(|opened| opened.reference.as_ref())))) }
                @if let Some(to) = &begin.recipient {
                    (pair(lang.pick("Recipient", "提供先"), html! {
                        a href=(search("recipient", &to.id)) { (to.id) }
                        @if let Some(organization) = &to.organization { " " (organization) }
                        @if let Some(country) = &to.country { " " span.mark-plain { (country) } }
                        @if let Some(basis) = &to.overseas_basis { " " span.soft { (basis) } }
                    }))
                }
            }
        }
    }
}

pub(super) fn what_asked(lang: Lang, begin: &Entry<'_>, row: &Row, opened: Option<&Opened>) -> Markup {
    html! {
        li { h2 { (lang.pick("What was asked", "何を")) }
            dl {
                (pair(lang.pick("Request", "要求"), html! { code { (begin.method.as_deref().unwrap_or_default()) " " (row.route) } " " (row.action) }))
                @if let Some(class) = &begin.subject_class { (pair(lang.pick("About", "対象者"), html! { (class) })) }
                @match opened {
                    Some(opened) => (pair(lang.pick("Persons", "本人"), html! {
                        @for person in opened.people.iter().take(PEOPLE_SHOWN) { span.opened { (person.as_str()) } " " }
                        @if opened.people.len() > PEOPLE_SHOWN { "… " (super::rows::people(lang, opened.people.len() as u64)) }
                    })),
                    None => {
                        @if row.people > 0 {
                            (pair(lang.pick("Persons", "本人"), html! {
                                (super::rows::people(lang, row.people)) " "
                                @for sealed in begin.subjects.iter().take(3) { code.soft { (words::sealed(sealed)) } " " }
                            }))
                        }
                    }
                }
                @if !begin.searched.is_empty() { (pair(lang.pick("Searched by", "検索条件の区分"), html! { (begin.searched.join(", ")) })) }
            }
        }
    }
}

/// What the policy said: reasons or forms, rules and clauses with what each clause says.
pub(super) fn decided(lang: Lang, begin: &Entry<'_>, policy: Option<&Policy>) -> Markup {
    let gist = |id: &str| {
        let clause = policy?.document.clauses.iter().find(|clause| clause.id.text == id)?;
        let own = match lang {
            Lang::Ja => clause.gist_ja.as_ref(),
            Lang::En => None,
        };
        Some(own.unwrap_or(&clause.gist).text.clone())
    };
    let policy_id = begin.policy.as_ref().map_or("", |policy| policy.id.as_str());
    let clause = |id: &str| {
        html! {
            a href=(format!("/policy/{policy_id}#{id}")) { (id) }
            @if let Some(gist) = gist(id) { " " span.gist { (gist) } }
        }
    };
    html! {
        li { h2 { (lang.pick("What the policy said", "方針の判断")) }
            @if !begin.reasons.is_empty() {
                ul.reasons {
                    @for reason in &begin.reasons {
                        li { code { (reason.code) } @if let Some(id) = &reason.clause { " " (clause(id)) } }
                    }
                }
            }
            dl {
                @if !begin.clauses.is_empty() {
                    (pair(lang.pick("Clauses", "条項"), html! { ul.clauses { @for id in &begin.clauses { li { (clause(id)) } } } }))
                }
                @if !begin.rules.is_empty() { (pair(lang.pick("Rules", "規則"), html! { code { (begin.rules.join(", ")) } })) }
                @for (form, categories) in &begin.forms {
                    (pair(words::form(lang, form), html! { span class={ "form-" (form) } { (categories.join(", ")) } }))
                }
                @if !begin.obligations.is_empty() { (pair(lang.pick("Obligations", "義務"), html! { (begin.obligations.join(", ")) })) }
                @if let Some(policy) = &begin.policy {
                    (pair(lang.pick("Policy", "方針"), html! {
                        a href=(format!("/policy/{}?revision={}", policy.id, policy.revision)) { (policy.id) " " (policy.revision) }
                        " " code.soft { (policy.digest.chars().take(19).collect::<String>()) "…" }
                    }))
                }
                @if begin.mode.as_deref().is_some_and(|mode| mode != "enforce") {
                    (pair(lang.pick("Mode", "モード"), html! { (begin.mode.as_deref().unwrap_or_default()) }))
                }
            }
        }
    }
}

/// What left in the end.
pub(super) fn left(
    state: &State,
    lang: Lang,
    found: &Found,
    begin: &Entry<'_>,
    end: Option<&Entry<'_>>,
) -> Result<Markup, Trouble> {
    let row = &found.row;
    if begin.kind == "refusal" {
        return Ok(html! {
            li { h2 { (lang.pick("What left", "何が提供されたか")) }
                p { (lang.pick("Nothing. The caller was answered ", "何も提供されていません。応答: "))
                    (begin.status.map(|status| status.to_string()).unwrap_or_default()) }
            }
        });
    }
    let mut windows = Vec::new();
    for line in &found.windows {
        let entry = read(line)?;
        let entries: usize = entry.disclosed.iter().map(|group| group.subjects.len()).sum();
        windows.push((entry.seq, entry.time.clone().into_owned(), entries, entry.window_bytes.unwrap_or(0)));
    }
    Ok(html! {
        li { h2 { (lang.pick("What left", "何が提供されたか")) }
            @match end {
                None => p { (lang.pick("It has not ended yet.", "まだ終了していません。")) },
                Some(end) => {
                    dl {
                        (pair(lang.pick("Ending", "終了"), html! {
                            (words::outcome(lang, row.outcome)) ", "
                            (when::second(crate::audit::read_time(&end.time).unwrap_or(0), &state.zone))
                            @if let Some(code) = &end.code { " " code { (code) } }
                        }))
                        (pair(lang.pick("Left the gate", "送出量"), html! {
                            (words::bytes(end.released_bytes.unwrap_or(0)))
                            @if row.entries_released > 0 { ", " (number(row.entries_released)) " " (if row.entries_released == 1 { lang.pick("entry", "件") } else { lang.pick("entries", "件") }) }
                            @if row.entries_dropped > 0 { ", " (number(row.entries_dropped)) " " (lang.pick("dropped", "件は除外")) }
                            @if row.status > 0 { ", " (lang.pick("status", "状態")) " " (row.status) }
                        }))
                        @for (form, counts) in &end.counts {
                            (pair(words::form(lang, form), html! {
                                span class={ "form-" (form) } {
                                    (counts.iter().map(|(category, count)| format!("{category} {count}")).collect::<Vec<_>>().join(", "))
                                }
                            }))
                        }
                        @if !end.unclassified.is_empty() {
                            (pair(lang.pick("Unclassified, withheld", "未分類(非提供)"), html! { code { (end.unclassified.join(", ")) } }))
                        }
                        @if let Some(total) = end.total_us { (pair(lang.pick("Took", "所要"), html! { (number(total / 1000)) " ms" })) }
                    }
                }
            }
            @if !windows.is_empty() {
                details {
                    summary { (number(row.windows.len() as u64)) " " (lang.pick("windows, each on record before it left", "区画(送出前に記録済み)")) }
                    ul { @for (seq, time, entries, bytes) in &windows {
                        li { "#" (seq) " " (when::second(crate::audit::read_time(time).unwrap_or(0), &state.zone)) " · "
                            (entries) " " (lang.pick("entries", "件")) " · " (words::bytes(*bytes)) }
                    } }
                }
            }
        }
    })
}

const PEOPLE_SHOWN: usize = 100;
