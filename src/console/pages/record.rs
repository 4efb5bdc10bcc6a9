//! Who, why, what left and what was cut: one access as the steps of its decision, each from the record's own line.

use std::sync::Arc;

use maud::{Markup, html};

use super::rows::rows;
use crate::audit::{Entry, Line, Note};
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::{Asking, Page};
use crate::console::person::Right;
use crate::console::reading::Reading;
use crate::console::shell::{self, Place, number};
use crate::console::state::State;
use crate::console::{asked, when, words};
use crate::index::{Filter, Flags, Row};
use crate::policy::Policy;

/// An access with the lines that say it.
pub(super) struct Found {
    pub(super) row: Row,
    pub(super) begin: Line,
    pub(super) windows: Vec<Line>,
    pub(super) end: Option<Line>,
}

/// The access that the address names; by the number of any of its records.
pub(super) fn find(state: &State, asking: &Asking) -> Result<Found, Trouble> {
    let log = asking.part("log")?;
    let seq: u64 = asking.part("seq")?.parse().map_err(|_| Trouble::Missing)?;
    let row = state.queries.record(log, seq)?.ok_or(Trouble::Missing)?;
    let line = |seq| state.queries.line(log, seq)?.ok_or(Trouble::Missing);
    let begin = line(row.place.seq)?;
    let windows = row.windows.iter().take(WINDOWS_MAX).map(|seq| line(*seq)).collect::<Result<_, _>>()?;
    let end = row.end.map(line).transpose()?;
    Ok(Found { row, begin, windows, end })
}

pub(super) fn read(line: &Line) -> Result<Entry<'_>, Trouble> {
    Entry::read(&line.bytes).map_err(Trouble::unable)
}

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let found = find(state, asking)?;
    let body = body(state, asking, &found, None)?;
    Ok(Page::html(Reading::of("record", named(&found.row)), Place::Search, title(asking.lang, &found.row), body))
}

/// The same with what is sealed in it opened: who has the right, and says why.
pub(super) fn reveal(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    asking.must(Right::Reveal)?;
    let found = find(state, asking)?;
    let opened = Opened::new(state, &found)?;
    let why = why(state, asking)?;
    let body = body(state, asking, &found, Some(&opened))?;
    let mut reading = Reading::of("record", named(&found.row)).with_records(1);
    reading.action = "reveal";
    reading.subjects = opened.sealed;
    reading.why = Some(why);
    Ok(Page::html(reading, Place::Search, title(asking.lang, &found.row), body))
}

/// Why he needs it, sealed, with the id it is sealed for. An empty one is none.
pub(super) fn why(state: &State, asking: &Asking) -> Result<(String, crate::audit::Sealed), Trouble> {
    let why = asking.field("why");
    if why.is_empty() {
        let said =
            asking.lang.pick("say why you need it: it goes on record", "必要な理由を入力してください(記録されます)");
        return Err(Trouble::Asked(said.to_owned()));
    }
    let id = crate::console::session::random().map_err(Trouble::unable)?;
    let sealed = state.seal.note(Note::Reason, &id, why).map_err(Trouble::unable)?;
    Ok((id, sealed))
}

pub(super) fn named(row: &Row) -> String {
    format!("{}/{}", row.place.log, row.place.seq)
}

fn title(lang: Lang, row: &Row) -> String {
    format!("{} {}", lang.pick("Record", "記録"), number(row.place.seq))
}

/// What is sealed in an access, in clear.
pub(super) struct Opened {
    sealed: Vec<crate::audit::Sealed>,
    people: Vec<zeroize::Zeroizing<String>>,
    reason: Option<zeroize::Zeroizing<String>>,
    reference: Option<zeroize::Zeroizing<String>>,
}

impl Opened {
    fn new(state: &State, found: &Found) -> Result<Opened, Trouble> {
        let begin = read(&found.begin)?;
        let mut subjects: Vec<String> = begin.subjects.clone();
        for window in &found.windows {
            subjects.extend(read(window)?.disclosed.into_iter().flat_map(|group| group.subjects));
        }
        let mut people = Vec::new();
        let mut sealed = Vec::new();
        for subject in subjects {
            let clear = state.seal.open_subject(&subject).map_err(Trouble::unable)?;
            if !people.contains(&clear) {
                sealed.push(state.seal.subject(&clear).map_err(Trouble::unable)?);
                people.push(clear);
            }
        }
        let id = begin.id.as_deref().unwrap_or_default();
        let open = |note, text: Option<&str>| text.map(|text| state.seal.open_note(note, id, text)).transpose();
        let reason = open(Note::Reason, begin.reason.as_deref()).map_err(Trouble::unable)?;
        let reference = open(Note::Reference, begin.reference.as_deref()).map_err(Trouble::unable)?;
        Ok(Opened { sealed, people, reason, reference })
    }
}

fn body(state: &State, asking: &Asking, found: &Found, opened: Option<&Opened>) -> Result<Markup, Trouble> {
    let lang = asking.lang;
    let row = &found.row;
    let begin = read(&found.begin)?;
    let end = found.end.as_ref().map(read).transpose()?;
    let policy = policy_of(state, &begin);
    let base = format!("/record/{}", named(row));
    Ok(html! {
        h1 { (title(lang, row)) " " (words::outcome_mark(lang, row))
            @if row.flags.has(Flags::REVIEW) { " " span.mark-review { (lang.pick("to be reviewed", "要事後確認")) } } }
        p.sentence { (sentence(state, lang, row)) }
        div.tools {
            a.button href={ (base) "/proof" } { (lang.pick("Prove it", "証明する")) }
            a.button href={ (base) "/today" } { (lang.pick("What would today's policy say?", "現在の方針ではどうなるか")) }
            @if row.flags.has(Flags::REVIEW) { a.button href={ "/reviews/" (named(row)) } { (lang.pick("Review", "事後確認")) } }
        }
        ol.steps {
            (who(state, lang, &begin))
            (why_asked(lang, &begin, opened))
            (what_asked(lang, &begin, row, opened))
            (decided(lang, &begin, policy.as_deref()))
            (left(state, lang, found, &begin, end.as_ref())?)
        }
        (reveal_form(asking, &base, opened, &begin, row))
        (evidence(state, lang, found, &begin)?)
        (neighbours(state, lang, row)?)
    })
}

/// The access in one sentence.
fn sentence(state: &State, lang: Lang, row: &Row) -> String {
    let time = when::second(row.time_ms, &state.zone);
    let (purpose, to) = (&row.purpose, &row.recipient);
    let people = super::rows::people(lang, row.people);
    match lang {
        Lang::En => {
            let purpose = if purpose.is_empty() { "without a purpose".to_owned() } else { format!("for {purpose}") };
            let to = if to.is_empty() { String::new() } else { format!(", for the recipient {to}") };
            let about = if row.people > 0 { format!(" about {people}") } else { String::new() };
            format!("On {time}, {} asked to {} {}{about} {purpose}{to}.", row.caller, row.action, row.route)
        }
        Lang::Ja => {
            let purpose = if purpose.is_empty() {
                "利用目的の申告なし".to_owned()
            } else {
                format!("利用目的 {purpose}")
            };
            let to = if to.is_empty() { String::new() } else { format!("、提供先 {to}") };
            let about = if row.people > 0 { format!("({people})") } else { String::new() };
            format!("{time}、{} が {} {}{about} を要求({purpose}{to})。", row.caller, row.action, row.route)
        }
    }
}

fn who(state: &State, lang: Lang, begin: &Entry<'_>) -> Markup {
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

fn why_asked(lang: Lang, begin: &Entry<'_>, opened: Option<&Opened>) -> Markup {
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

fn what_asked(lang: Lang, begin: &Entry<'_>, row: &Row, opened: Option<&Opened>) -> Markup {
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
fn decided(lang: Lang, begin: &Entry<'_>, policy: Option<&Policy>) -> Markup {
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
fn left(
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

fn reveal_form(asking: &Asking, base: &str, opened: Option<&Opened>, begin: &Entry<'_>, row: &Row) -> Markup {
    let lang = asking.lang;
    let has_sealed = row.people > 0 || begin.reason.is_some() || begin.reference.is_some();
    html! {
        @if opened.is_some() {
            p.notice role="status" { (lang.pick(
                "What is sealed in this record is open on this page. That you opened it is on record.",
                "この記録の封印された内容を表示しています。開封したことは記録されました。")) }
        } @else if has_sealed && asking.may(Right::Reveal) {
            form.reveal method="post" action={ (base) "/reveal" } {
                (shell::token(asking))
                label { (lang.pick("Why you need to know whom it is about (on record)", "本人を知る必要がある理由(記録されます)"))
                    input name="why" required maxlength="500"; }
                button type="submit" { (lang.pick("Reveal", "開封する")) }
            }
        }
    }
}

/// How it stands in the log.
fn evidence(state: &State, lang: Lang, found: &Found, begin: &Entry<'_>) -> Result<Markup, Trouble> {
    let row = &found.row;
    let pretty = |line: &Line| -> String {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(&line.bytes);
        value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_default()
    };
    Ok(html! {
        section.evidence aria-labelledby="evidence" {
            h2 id="evidence" { (lang.pick("As evidence", "証拠として")) }
            dl {
                (pair(lang.pick("Decision", "決定ID"), html! { code { (row.id) } }))
                @if !row.trace.is_empty() { (pair(lang.pick("Trace", "トレース"), html! { code { (row.trace) } })) }
                (pair(lang.pick("Written", "書込み"), html! { (when::second(row.time_ms, &state.zone)) " " (lang.pick("by", "ノード")) " " (begin.node) }))
                (pair(lang.pick("Chain", "連鎖"), html! {
                    @if row.is_verified { span.mark-good { (lang.pick("whole up to here, as the index read it", "ここまで欠損なし(索引作成時)")) } }
                    @else { span.mark-bad { (lang.pick("NOT whole: see Integrity", "欠損あり: 完全性を参照")) } }
                }))
                (pair(lang.pick("Hash before", "前のハッシュ"), html! { code.hash { (begin.prev) } }))
            }
            details {
                summary { (lang.pick("The lines as they stand in the log", "ログの原文")) }
                @for line in std::iter::once(&found.begin).chain(&found.windows).chain(&found.end) { pre tabindex="0" { (pretty(line)) } }
            }
        }
    })
}

fn neighbours(state: &State, lang: Lang, row: &Row) -> Result<Markup, Trouble> {
    let near = |filter: &Filter| state.queries.neighbours(filter, &row.place, NEAR);
    let by_caller = near(&Filter { caller: vec![row.caller.to_string()], ..Filter::default() })?;
    let by_trace = match row.trace.len() {
        32 => near(&Filter { text: row.trace.clone(), ..Filter::default() })?,
        _ => Vec::new(),
    };
    Ok(html! {
        section aria-labelledby="neighbours" {
            h2 id="neighbours" { (lang.pick("Beside it", "前後のアクセス")) }
            @if by_trace.len() > 1 { h3 { (lang.pick("In the same trace", "同じトレース")) } (rows(state, lang, &by_trace)) }
            h3 { (lang.pick("By the same caller", "同じ利用者")) }
            (rows(state, lang, &by_caller))
            p { a href=(format!("/search?caller={}&until={}&days=7", escaped(&row.caller), when::address(row.time_ms + when::HOUR_MS, &state.zone))) {
                (lang.pick("All of this caller's seven days before", "この利用者の直前7日間"))
            } }
        }
    })
}

/// The text of the policy that decided: the very revision, if it is still here.
fn policy_of(state: &State, begin: &Entry<'_>) -> Option<Arc<Policy>> {
    let named = begin.policy.as_ref()?;
    let sites = (state.policies)();
    let of_id = |policy: &&Arc<Policy>| policy.document.meta.id.text == named.id;
    let all = || sites.iter().flat_map(|site| site.revisions.all());
    let same = all().filter(of_id).find(|policy| policy.document.meta.revision.text == named.revision);
    same.cloned()
}

fn search(name: &str, value: &str) -> String {
    format!("/search?{name}={}", escaped(if value.is_empty() { asked::NONE } else { value }))
}

pub(super) fn escaped(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(super) fn pair(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

const WINDOWS_MAX: usize = 200;
const PEOPLE_SHOWN: usize = 100;
const NEAR: usize = 3;
