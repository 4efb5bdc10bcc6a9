//! Who, why, what left and what was cut: one access as the steps of its decision, each from the record's own line.

use std::sync::Arc;

use maud::{Markup, html};

use super::rows::rows;
use super::steps;
use super::verified::Verified;
use crate::audit::{Entry, Line, Note};
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::{Asking, Page};
use crate::console::person::Right;
use crate::console::reading::Reading;
use crate::console::shell::{self, Place, number};
use crate::console::state::State;
use crate::console::{asked, when, words};
use crate::index::{Filter, Flags, Held, Row};
use crate::policy::Policy;

/// An access with the lines that say it.
pub(super) struct Found {
    pub(super) row: Row,
    pub(super) begin: Line,
    pub(super) windows: Vec<Line>,
    pub(super) end: Option<Line>,
    /// What became of them since the index read them; the worst of it.
    held: Held,
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
    let windows_shown = row.windows.iter().take(WINDOWS_MAX).copied();
    let seqs: Vec<u64> = std::iter::once(row.place.seq).chain(windows_shown).chain(row.end).collect();
    let held = state.queries.held(log, &seqs)?;
    Ok(Found { row, begin, windows, end, held })
}

/// Where the log is not what was written, every page that shows some of it says so.
pub(super) fn warning(state: &State, lang: Lang, found: &Found) -> Result<Markup, Trouble> {
    let log = &found.row.place.log;
    let bad = Verified::last(&state.kept, log)?.filter(Verified::is_bad);
    let lost = state.queries.lost(log)?;
    let said = match found.held {
        Held::AsRead => None,
        Held::Altered => Some(lang.pick(
            "This is not what the log held when the index read it: this record, or the one behind it, was altered since.",
            "索引が読み込んだ時点の記録と一致しません。この記録か直後の記録が後から変更されています。",
        )),
        Held::Unclear => Some(lang.pick(
            "The log is damaged behind this record: nothing shows that it is what was written.",
            "この記録より後のログが破損しているため、書き込まれたとおりであることを確認できません。",
        )),
    };
    Ok(html! {
        @if let Some(said) = said { p.notice.bad role="alert" { (said) " " a href="/integrity" { (lang.pick("Integrity", "完全性")) } } }
        @if !lost.is_empty() { p.notice.bad role="alert" {
            (lang.pick("This log is not the one that was read before: ", "このログは以前に読み込んだものと異なります: ")) (lost) " "
            a href="/integrity" { (lang.pick("Integrity", "完全性")) }
        } }
        @if let Some(bad) = bad { p.notice.bad role="alert" {
            (lang.pick("The last verification of this log found it BAD: ", "このログの直近の検証結果は「不正」です: ")) (bad.bad) " "
            a href="/integrity" { (lang.pick("Integrity", "完全性")) }
        } }
    })
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
        return Err(
            asking.wrong("say why you need it: it goes on record", "必要な理由を入力してください(記録されます)")
        );
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
    pub(super) people: Vec<zeroize::Zeroizing<String>>,
    pub(super) reason: Option<zeroize::Zeroizing<String>>,
    pub(super) reference: Option<zeroize::Zeroizing<String>>,
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
        (warning(state, lang, found)?)
        p.sentence { (sentence(state, lang, row)) }
        div.tools {
            a.button href={ (base) "/proof" } { (lang.pick("Prove it", "証明する")) }
            a.button href={ (base) "/today" } { (lang.pick("What would today's policy say?", "現在の方針ではどうなるか")) }
            @if row.flags.has(Flags::REVIEW) { a.button href={ "/reviews/" (named(row)) } { (lang.pick("Review", "事後確認")) } }
        }
        ol.steps {
            (steps::who(state, lang, &begin))
            (steps::why_asked(lang, &begin, opened))
            (steps::what_asked(lang, &begin, row, opened))
            (steps::decided(lang, &begin, policy.as_deref()))
            (steps::left(state, lang, found, &begin, end.as_ref())?)
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

pub(super) fn search(name: &str, value: &str) -> String {
    format!("/search?{name}={}", escaped(if value.is_empty() { asked::NONE } else { value }))
}

pub(super) fn escaped(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(super) fn pair(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

const WINDOWS_MAX: usize = 200;
const NEAR: usize = 3;
