//! Which accesses were there? Facets, chart, rows; the address holds all of it.

use maud::{Markup, html};

use super::rows::rows;
use crate::console::asked::{Asked, FLAGS, place_text};
use crate::console::error::Trouble;
use crate::console::page::{Asking, Page};
use crate::console::person::Right;
use crate::console::shell::{self, Place, number};
use crate::console::state::State;
use crate::console::{when, words};
use crate::index::{Counted, Facet, Outcome, Row};

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let asked = Asked::read(state, asking)?;
    let mut found = state.queries.search(&asked.filter, asked.before.as_ref(), ROWS + 1)?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let count = state.queries.count(&asked.filter)?;
    let counted: Vec<Facet> = SHOWN.iter().map(|(_, facet)| *facet).chain([Facet::Form]).collect();
    let facets = state.queries.facets(&asked.filter, &counted)?;
    let title = lang.pick("Search", "検索");
    let body = html! {
        h1 { (title) }
        (form(state, asking, &asked))
        (chips(asking, &asked))
        (by_number(state, asking, &asked)?)
        p.count {
            strong { (number(count)) } " " (lang.pick("accesses", "件のアクセス")) ", "
            (when::minute(asked.from_ms, &state.zone)) " – " (when::minute(asked.until_ms, &state.zone))
        }
        (super::chart::over_time(state, asking, &asked)?)
        div.beside {
            aside.facets aria-label=(lang.pick("Narrow down", "絞り込み")) {
                @for (name, facet) in SHOWN {
                    @if let Some(counted) = facets.get(&facet) { (facet_list(asking, &asked, name, counted)) }
                    @if facet == Facet::Outcome { (forms_list(asking, &asked, facets.get(&Facet::Form))) }
                }
            }
            section.found aria-label=(lang.pick("Accesses found", "見つかったアクセス")) {
                (tools(state, asking, &asked))
                (rows(state, lang, &found))
                (pages(asking, &asked, &found, more))
            }
        }
    };
    let reading = asked.reading(state, "search")?.with_records(found.len());
    Ok(Page::html(reading, Place::Search, title, body))
}

/// Text, times and flags.
fn form(state: &State, asking: &Asking, asked: &Asked) -> Markup {
    let lang = asking.lang;
    html! {
        form.search role="search" method="get" action="/search" {
            @for (name, value) in asked.pairs.iter().filter(|(name, _)| is_kept(name)) {
                input type="hidden" name=(name) value=(value);
            }
            label.wide {
                (lang.pick("Ids, clauses, routes, callers", "ID・条項・経路・利用者"))
                input type="search" name="q" value=(asked.filter.text) data-shortcut="/" autocomplete="off";
            }
            label {
                (lang.pick("From", "開始"))
                input type="datetime-local" name="from" value=(when::address(asked.from_ms, &state.zone));
            }
            label {
                (lang.pick("Until", "終了"))
                input type="datetime-local" name="until" value=(when::address(asked.until_ms, &state.zone));
            }
            fieldset.flags {
                legend { (lang.pick("Only", "限定")) }
                @for (name, _) in FLAGS {
                    label { input type="checkbox" name=(name) value="1" checked[asked.has(name, "1")]; (words::facet(lang, name)) }
                }
            }
            button type="submit" { (lang.pick("Search", "検索")) }
        }
    }
}

/// What the form itself says is not carried along besides.
fn is_kept(name: &str) -> bool {
    !matches!(name, "q" | "from" | "until" | "days") && FLAGS.iter().all(|(flag, _)| *flag != name)
}

/// A number may be a record's, of whatever time.
fn by_number(state: &State, asking: &Asking, asked: &Asked) -> Result<Markup, Trouble> {
    let number: Option<u64> = asked.filter.text.trim().parse().ok();
    let found = number.map(|number| state.queries.record("gate", number)).transpose()?.flatten();
    let Some(row) = found else { return Ok(html! {}) };
    let lang = asking.lang;
    Ok(html! {
        p.notice { a href=(super::rows::href(&row)) { (lang.pick("Record ", "記録 ")) (shell::number(row.place.seq)) } ": "
            (when::second(row.time_ms, &state.zone)) ", " (row.caller) }
    })
}

/// What is asked for, each with a way out.
fn chips(asking: &Asking, asked: &Asked) -> Markup {
    let lang = asking.lang;
    let shown = asked.pairs.iter().filter(|(name, _)| !matches!(name.as_str(), "from" | "until" | "days"));
    html! {
        @if asked.pairs.iter().any(|(name, _)| !matches!(name.as_str(), "from" | "until" | "days")) {
            ul.chips aria-label=(lang.pick("Asked for", "条件")) {
                @for (name, value) in shown {
                    li {
                        a href=(asked.without("/search", name, Some(value)))
                            aria-label=(format!("{}: {} {value}", lang.pick("Remove", "解除"), words::facet(lang, name))) {
                            span.name { (words::facet(lang, name)) }
                            @if name == "subject" { " " code { (words::sealed(value)) } }
                            @else if value != "1" { " " (value) }
                            span.out aria-hidden="true" { "×" }
                        }
                    }
                }
                li { a.quiet href="/search" { (lang.pick("Clear all", "すべて解除")) } }
            }
        }
    }
}

/// One facet: its most frequent words, the rest folded in.
fn facet_list(asking: &Asking, asked: &Asked, name: &str, counted: &Counted) -> Markup {
    let lang = asking.lang;
    let item = |word: &str, count: u64| {
        let told = match name {
            "outcome" => {
                Outcome::ALL.into_iter().find(|one| one.name() == word).map_or(word, |one| words::outcome(lang, one))
            }
            _ if word.is_empty() => lang.pick("none", "なし"),
            _ => word,
        };
        let is_asked = asked.has(name, word);
        let href = if is_asked {
            asked.without("/search", name, Some(if word.is_empty() { crate::console::asked::NONE } else { word }))
        } else {
            asked.with("/search", name, word)
        };
        html! {
            li { a href=(href) aria-current=[is_asked.then_some("true")] { span.word { (told) } " " span.number { (number(count)) } } }
        }
    };
    let (first, rest) = counted.split_at(counted.len().min(FACET_FIRST));
    html! {
        @if !first.is_empty() {
            section.facet {
                h2 { (words::facet(lang, name)) }
                ul { @for (word, count) in first { (item(word, *count)) } }
                @if !rest.is_empty() {
                    details {
                        summary { (number(rest.len() as u64)) " " (lang.pick("more", "件")) }
                        ul { @for (word, count) in rest.iter().take(FACET_MAX) { (item(word, *count)) } }
                    }
                }
            }
        }
    }
}

/// What left, and in which form; what was withheld did not.
fn forms_list(asking: &Asking, asked: &Asked, counted: Option<&Counted>) -> Markup {
    let lang = asking.lang;
    let parted = counted.into_iter().flatten().filter_map(|(word, count)| Some((word.split_once(' ')?, *count)));
    let left: Vec<((&str, &str), u64)> = parted.filter(|((form, _), _)| *form != "withheld").collect();
    let item = |(form, category): (&str, &str), count: u64| {
        let is_asked = asked.has("form", form) && asked.has("category", category);
        let href = if is_asked {
            let others = asked.pairs.iter().filter(|(name, _)| name != "form" && name != "category");
            Asked { pairs: others.cloned().collect(), ..asked.clone() }.address("/search")
        } else {
            asked.narrowed(&[("form", form), ("category", category)]).address("/search")
        };
        html! { li { a href=(href) aria-current=[is_asked.then_some("true")] {
            span.word { (category) @if form != "clear" { " " span.soft { (words::form(lang, form)) } } } " "
            span.number { (number(count)) }
        } } }
    };
    let (first, rest) = left.split_at(left.len().min(FACET_FIRST));
    html! {
        @if !left.is_empty() {
            section.facet {
                h2 { (lang.pick("What left", "提供された区分")) }
                ul { @for (what, count) in first { (item(*what, *count)) } }
                @if !rest.is_empty() { details {
                    summary { (number(rest.len() as u64)) " " (lang.pick("more", "件")) }
                    ul { @for (what, count) in rest { (item(*what, *count)) } }
                } }
            }
        }
    }
}

/// What can be done with exactly this: taken away, kept, sent to a colleague.
fn tools(state: &State, asking: &Asking, asked: &Asked) -> Markup {
    let lang = asking.lang;
    let permanent = asked.permanent("/search", &state.zone);
    let query = permanent.split_once('?').map_or("", |(_, query)| query);
    html! {
        div.tools {
            @if asking.may(Right::Export) {
                a.button href=(format!("/search/export.csv?{query}")) download { "CSV" }
                a.button href=(format!("/search/export.jsonl?{query}")) download { "JSON Lines" }
            }
            a.button href=(permanent) { (lang.pick("Permanent link", "固定リンク")) }
            details.menu-like {
                summary.button { (lang.pick("Keep this view", "この条件を保存")) }
                form method="post" action="/views" {
                    (shell::token(asking))
                    input type="hidden" name="query" value=(query_of(asked));
                    label { (lang.pick("Name", "名前")) input name="name" required maxlength="80"; }
                    button type="submit" { (lang.pick("Keep", "保存")) }
                }
            }
            @if asking.may(Right::Reveal) {
                details.menu-like {
                    summary.button { (lang.pick("Only one person", "本人で絞り込む")) }
                    form method="post" action="/search/person" {
                        (shell::token(asking))
                        input type="hidden" name="query" value=(query_of(asked));
                        label { (lang.pick("The person's id", "本人のID")) input name="person" required autocomplete="off"; }
                        label { (lang.pick("Why you need it (on record)", "必要な理由(記録されます)")) input name="why" required; }
                        button type="submit" { (lang.pick("Show", "表示")) }
                    }
                }
            }
        }
    }
}

fn query_of(asked: &Asked) -> String {
    asked.address("").trim_start_matches('?').to_owned()
}

fn pages(asking: &Asking, asked: &Asked, found: &[Row], more: bool) -> Markup {
    let lang = asking.lang;
    let next = found.last().filter(|_| more).map(|row| asked.with("/search", "before", &place_text(&row.place)));
    html! {
        nav.pages aria-label=(lang.pick("Pages", "ページ")) {
            @if asked.before.is_some() { a.button href=(asked.without("/search", "before", None)) { (lang.pick("Newest", "最新へ")) } }
            @if let Some(next) = next { a.button rel="next" href=(next) { (lang.pick("Older", "さらに古い")) } }
        }
    }
}

const ROWS: usize = 50;
const FACET_FIRST: usize = 6;
const FACET_MAX: usize = 200;
const SHOWN: [(&str, Facet); 10] = [
    ("outcome", Facet::Outcome),
    ("purpose", Facet::Purpose),
    ("recipient", Facet::Recipient),
    ("organization", Facet::Organization),
    ("caller", Facet::Caller),
    ("role", Facet::Role),
    ("reason", Facet::Reason),
    ("clause", Facet::Clause),
    ("route", Facet::Route),
    ("action", Facet::Action),
];
