//! Accesses, one below the other: a table that is read as cards where it is narrow.

use maud::{Markup, html};

use crate::console::lang::Lang;
use crate::console::shell::number;
use crate::console::state::State;
use crate::console::{when, words};
use crate::index::{Flags, Row};

/// The table; each row leads to its record.
pub(super) fn rows(state: &State, lang: Lang, rows: &[Row]) -> Markup {
    if rows.is_empty() {
        return html! { p.nothing { (lang.pick("No access is like that.", "該当するアクセスはありません。")) } };
    }
    html! {
        div.wide-table tabindex="0" role="region" aria-label=(lang.pick("Accesses", "アクセス一覧")) {
            table.rows {
                thead { tr {
                    th scope="col" { (lang.pick("Time", "日時")) }
                    th scope="col" { (lang.pick("Caller", "利用者")) }
                    th scope="col" { (lang.pick("Purpose → recipient", "目的 → 提供先")) }
                    th scope="col" { (lang.pick("Asked", "対象")) }
                    th scope="col" { (lang.pick("Outcome", "結果")) }
                    th scope="col" { (lang.pick("Clauses", "条項")) }
                } }
                tbody { @for row in rows { (line(state, lang, row)) } }
            }
        }
    }
}

/// One of them, as a live page adds it too.
pub(super) fn line(state: &State, lang: Lang, row: &Row) -> Markup {
    html! {
        tr {
            td.time data-label=(lang.pick("Time", "日時")) {
                a href=(href(row)) { (when::second(row.time_ms, &state.zone)) }
                @if !row.is_verified { " " span.mark-bad { (lang.pick("not verified", "未検証")) } }
            }
            td data-label=(lang.pick("Caller", "利用者")) {
                (row.caller)
                @if !row.organization.is_empty() { span.soft { " @" (row.organization) } }
            }
            td data-label=(lang.pick("Purpose", "目的")) {
                @if row.purpose.is_empty() { span.soft { (lang.pick("none declared", "申告なし")) } } @else { (row.purpose) }
                @if !row.recipient.is_empty() { span.soft { " → " (row.recipient) } }
                @if row.flags.has(Flags::ABROAD) { " " span.mark-plain { (row.country) } }
            }
            td data-label=(lang.pick("Asked", "対象")) {
                code { (row.action) " " (row.route) }
                @if row.people > 0 { span.soft { " " (people(lang, row.people)) } }
            }
            td data-label=(lang.pick("Outcome", "結果")) {
                (words::outcome_mark(lang, row))
                @for reason in row.reasons.iter().take(2) { " " code.soft { (reason) } }
                @if row.flags.has(Flags::REVIEW) { " " span.mark-review { (lang.pick("review", "要確認")) } }
                @if row.flags.has(Flags::UNCLASSIFIED) { " " span.mark-plain { (lang.pick("unclassified", "未分類")) } }
            }
            td data-label=(lang.pick("Clauses", "条項")) { (row.clauses.iter().take(4).map(|clause| &**clause).collect::<Vec<_>>().join(", ")) }
        }
    }
}

/// Where its record is.
pub(super) fn href(row: &Row) -> String {
    format!("/record/{}/{}", row.place.log, row.place.seq)
}

pub(super) fn people(lang: Lang, people: u64) -> String {
    match people {
        1 => lang.pick("1 person", "1名").to_owned(),
        _ => format!("{}{}", number(people), lang.pick(" persons", "名")),
    }
}
