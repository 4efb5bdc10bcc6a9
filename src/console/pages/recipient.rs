//! What left to whom? Every recipient and organisation, and each on a page of its own: for the talk with a contractor.

use maud::{Markup, html};

use super::record::escaped;
use super::rows::rows;
use crate::console::asked::{Asked, NONE};
use crate::console::error::Trouble;
use crate::console::page::{Asking, Page};
use crate::console::shell::{Place, number};
use crate::console::state::State;
use crate::console::{when, words};
use crate::index::{Counted, Facet, Filter, Flags, Outcome};

/// All of them.
pub(super) fn list(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let asked = Asked::read(state, asking)?;
    let released = Filter { outcome: RELEASED.to_vec(), ..asked.filter.clone() };
    let refused = Filter { outcome: vec![Outcome::Refused], ..asked.filter.clone() };
    let facets = [Facet::Recipient, Facet::Organization];
    let (given, denied) = (state.queries.facets(&released, &facets)?, state.queries.facets(&refused, &facets)?);
    let title = lang.pick("Recipients", "提供先");
    let table = |facet: Facet, name: &str, heading: &str| {
        let empty = Counted::new();
        let (given, denied) = (given.get(&facet).unwrap_or(&empty), denied.get(&facet).unwrap_or(&empty));
        let of =
            |list: &Counted, word: &str| list.iter().find(|(known, _)| &**known == word).map_or(0, |(_, count)| *count);
        let mut all: Vec<&str> =
            given.iter().chain(denied).map(|(word, _)| &**word).filter(|word| !word.is_empty()).collect();
        all.sort_unstable();
        all.dedup();
        all.sort_by_key(|word| std::cmp::Reverse((of(given, word), of(denied, word))));
        html! {
            section {
                h2 { (heading) }
                @if all.is_empty() { p.nothing { (lang.pick("None in these days.", "この期間にはありません。")) } } @else {
                    div.wide-table tabindex="0" role="region" aria-label=(heading) { table {
                        thead { tr {
                            th scope="col" { (heading) }
                            th.number scope="col" { (lang.pick("Released", "提供")) }
                            th.number scope="col" { (lang.pick("Refused", "拒否")) }
                        } }
                        tbody { @for word in &all { tr {
                            th scope="row" { a href=(format!("/recipient?{name}={}&{}", escaped(word), times(state, &asked))) { (word) } }
                            td.number { (number(of(given, word))) }
                            td.number { (number(of(denied, word))) }
                        } } }
                    } }
                }
            }
        }
    };
    let body = html! {
        div.head { h1 { (title) } (super::chart::ranges(state, asking, &asked, "/recipients")) }
        div.two {
            (table(Facet::Recipient, "recipient", lang.pick("Kind of recipient", "提供先の区分")))
            (table(Facet::Organization, "organization", lang.pick("Organisation", "組織")))
        }
    };
    Ok(Page::html(asked.reading(state, "recipients")?, Place::Recipients, title, body))
}

fn times(state: &State, asked: &Asked) -> String {
    let none = Asked { pairs: Vec::new(), ..asked.clone() };
    none.permanent("", &state.zone).trim_start_matches('?').to_owned()
}

/// One of them.
pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let asked = Asked::read(state, asking)?;
    let name = match (asking.one("organization"), asking.one("recipient")) {
        (Some(name), _) | (None, Some(name)) if name != NONE => name.to_owned(),
        _ => {
            return Err(asking.wrong("name a recipient or an organisation", "提供先か組織を指定してください"));
        }
    };
    let released = Filter { outcome: RELEASED.to_vec(), ..asked.filter.clone() };
    let left = state.queries.left(&released)?;
    let facets = state.queries.facets(&released, &[Facet::Purpose, Facet::Caller, Facet::Country, Facet::Clause])?;
    let refusals = state.queries.refusals(&Filter { outcome: vec![Outcome::Refused], ..asked.filter.clone() })?;
    let (released_count, newest) = (state.queries.count(&released)?, state.queries.search(&asked.filter, None, ROWS)?);
    let abroad = state.queries.count(&Filter { flags: Flags::ABROAD, ..released.clone() })?;
    let counted = |facet: Facet, heading: &str, parameter: &str| {
        let list = facets.get(&facet).into_iter().flatten().filter(|(word, _)| !word.is_empty());
        html! {
            section.facet { h2 { (heading) }
                ul { @for (word, count) in list.take(12) {
                    li { a href=(asked.with("/search", parameter, word)) { span.word { (word) } " " span.number { (number(*count)) } } }
                } }
            }
        }
    };
    let body = html! {
        div.head { h1 { (lang.pick("What left to ", "提供内容: ")) (name) } (super::chart::ranges(state, asking, &asked, "/recipient")) }
        p.sentence {
            strong { (number(released_count)) } " " (lang.pick("accesses were released", "件が提供されました")) " ("
            (when::day(lang, asked.from_ms, &state.zone)) " – " (when::day(lang, asked.until_ms - 1, &state.zone)) ")"
            @if abroad > 0 { ", " (number(abroad)) " " (lang.pick("of them abroad", "件は国外へ")) }
            ". " a href=(asked.permanent("/search", &state.zone)) { (lang.pick("All of them", "すべて表示")) }
        }
        (super::chart::over_time(state, asking, &asked)?)
        section {
            h2 { (lang.pick("Categories, by the form they left in", "情報区分と提供の形式")) }
            div.wide-table tabindex="0" role="region" aria-label=(lang.pick("Categories", "情報区分")) { table {
                thead { tr {
                    th scope="col" { (lang.pick("Category", "情報区分")) }
                    th scope="col" { (lang.pick("Form", "形式")) }
                    th.number scope="col" { (lang.pick("Accesses", "件数")) }
                    th.number scope="col" { (lang.pick("Fields", "項目数")) }
                } }
                tbody { @for one in left.iter().filter(|one| one.form != "withheld") { tr {
                    th scope="row" { a href=(asked.with("/search", "category", &one.category)) { (one.category) } }
                    td { span class={ "form-" (one.form) } { (words::form(lang, &one.form)) } }
                    td.number { (number(one.accesses)) }
                    td.number { (number(one.fields)) }
                } } }
            } }
            details { summary { (lang.pick("Withheld from them", "非提供の区分")) }
                p { (left.iter().filter(|one| one.form == "withheld").map(|one| one.category.as_str()).collect::<Vec<_>>().join(", ")) } }
        }
        div.four {
            (counted(Facet::Purpose, lang.pick("Purposes", "利用目的"), "purpose"))
            (counted(Facet::Caller, lang.pick("Callers", "利用者"), "caller"))
            (counted(Facet::Clause, lang.pick("Clauses", "条項"), "clause"))
            (refused(asking, &asked, &refusals))
        }
        section { h2 { (lang.pick("Newest accesses", "最新のアクセス")) } (rows(state, lang, &newest)) }
    };
    Ok(Page::html(asked.reading(state, "recipient")?, Place::Recipients, name, body))
}

fn refused(asking: &Asking, asked: &Asked, refusals: &Counted) -> Markup {
    let lang = asking.lang;
    html! {
        section.facet { h2 { (lang.pick("Refused because", "拒否理由")) }
            @if refusals.is_empty() { p.soft { (lang.pick("Nothing was refused.", "拒否はありません。")) } }
            ul { @for (word, count) in refusals.iter().take(12) {
                li { a href=(asked.with("/search", "reason", word)) { span.word { (word) } " " span.number { (number(*count)) } } }
            } }
        }
    }
}

/// Whatever was begun to be released, however it ended.
const RELEASED: [Outcome; 5] =
    [Outcome::Completed, Outcome::Aborted, Outcome::Failed, Outcome::Interrupted, Outcome::Open];
const ROWS: usize = 10;
