//! What was unusual of late? What stands out first, in sentences; then the charts it can be seen in.

use maud::{Markup, html};

use super::rows::{href, people};
use super::verified::is_whole;
use crate::console::asked::Asked;
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::{Asking, Page};
use crate::console::shell::{Place, number};
use crate::console::state::State;
use crate::console::when::{self, DAY_MS};
use crate::index::{Asking as AskUnusual, Filter, Flags, Mixed, Row, Unclassified, Unusual};

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let asked = Asked::read(state, asking)?;
    let title = lang.pick("Overview", "概要");
    let (unusual, mixed, reviews, unclassified) = std::thread::scope(|scope| {
        let unusual = scope.spawn(|| unusual(state, &asked));
        let mixed = state.queries.mixed(&asked.filter);
        let filter = Filter { flags: Flags::REVIEW, ..asked.filter.clone() };
        let reviews = state.queries.search(&filter, None, REVIEWS_SHOWN);
        let unclassified = unclassified(state, &asked);
        let unusual = unusual.join().unwrap_or_else(|_| Err(Trouble::Unable("a thread failed".to_owned())));
        (unusual, mixed, reviews, unclassified)
    });
    let (unusual, mixed, reviews, unclassified) = (unusual?, mixed?, reviews?, unclassified?);
    let count = state.queries.count(&asked.filter)?;
    let body = html! {
        div.head { h1 { (title) } (ranges(state, asking, &asked)) }
        (standing_out(state, asking, &asked, (&unusual, &mixed), &reviews, &unclassified)?)
        section aria-labelledby="over-time" {
            h2 id="over-time" { (lang.pick("Accesses over time", "アクセスの推移")) " " span.soft { (number(count)) } }
            (super::chart::over_time(state, asking, &asked)?)
        }
        div.two {
            section aria-labelledby="heat" {
                h2 id="heat" { (lang.pick("Purposes × recipients", "利用目的 × 提供先")) }
                (super::chart::heat(state, asking, &asked)?)
            }
            section aria-labelledby="refusals" {
                h2 id="refusals" { (lang.pick("Refusals by reason", "理由別の拒否")) }
                (super::chart::refusals(state, asking, &asked)?)
            }
        }
        (volumes(state, asking, &asked, &unusual))
        div.two {
            (super::reviews::summary(state, asking)?)
            (super::integrity::summary(state, asking)?)
        }
        (super::views::list(state, asking)?)
    };
    Ok(Page::html(asked.reading(state, "overview")?, Place::Overview, title, body))
}

/// One, seven or thirty days up to the newest access, or what a link says.
fn ranges(state: &State, asking: &Asking, asked: &Asked) -> Markup {
    let lang = asking.lang;
    let days = (asked.until_ms - asked.from_ms + DAY_MS / 2) / DAY_MS;
    html! {
        nav.ranges aria-label=(lang.pick("Time", "期間")) {
            @for (value, en, ja) in [(1, "1 day", "1日"), (7, "7 days", "7日"), (30, "30 days", "30日")] {
                a href=(format!("/?days={value}")) aria-current=[(days == value && !asked.is_dated).then_some("true")] { (lang.pick(en, ja)) }
            }
            span.soft { (when::day(lang, asked.from_ms, &state.zone)) " – " (when::day(lang, asked.until_ms - 1, &state.zone)) }
        }
    }
}

/// Callers of these days against their own 28 before.
fn unusual(state: &State, asked: &Asked) -> Result<Vec<Unusual>, Trouble> {
    let days = u32::try_from((asked.until_ms - asked.from_ms + DAY_MS / 2) / DAY_MS).unwrap_or(7).clamp(1, 7);
    let ahead_s = when::ahead_s(asked.until_ms, &state.zone);
    let asking = AskUnusual { now_ms: asked.until_ms, ahead_s, days, limit: UNUSUAL_MAX };
    Ok(state.queries.unusual(asking)?)
}

/// Members of these days that no catalogue names: those that the four weeks before did not have, and how many others.
fn unclassified(state: &State, asked: &Asked) -> Result<(Vec<Unclassified>, usize), Trouble> {
    let from_ms = asked.from_ms.saturating_sub(28 * DAY_MS);
    let before = state.queries.unclassified(&Filter { from_ms: Some(from_ms), ..asked.filter.clone() })?;
    let here = before.into_iter().filter(|one| one.last_ms >= asked.from_ms);
    let (new, known): (Vec<_>, Vec<_>) = here.partition(|one| one.first_ms >= asked.from_ms);
    Ok((new, known.len()))
}

/// The sentences.
fn standing_out(
    state: &State,
    asking: &Asking,
    asked: &Asked,
    (unusual, mixed): (&[Unusual], &[Mixed]),
    reviews: &[Row],
    (unclassified, known): &(Vec<Unclassified>, usize),
) -> Result<Markup, Trouble> {
    let lang = asking.lang;
    let mut broken = Vec::new();
    for log in state.queries.integrity()? {
        if !is_whole(state, &log)? {
            broken.push(log);
        }
    }
    let out: Vec<&Unusual> = unusual.iter().filter(|one| one.score >= SCORE_SHOWN).take(SENTENCES).collect();
    let refused: Vec<&Unusual> = {
        let mut refused: Vec<_> = unusual.iter().filter(|one| one.refused >= REFUSED_SHOWN).collect();
        refused.sort_by_key(|one| std::cmp::Reverse(one.refused));
        refused.truncate(3);
        refused
    };
    let nothing = out.is_empty()
        && refused.is_empty()
        && mixed.is_empty()
        && reviews.is_empty()
        && unclassified.is_empty()
        && *known == 0;
    Ok(html! {
        section.out aria-labelledby="out" {
            h2 id="out" { (lang.pick("What stands out", "目立つこと")) }
            @for log in &broken {
                p.notice.bad { a href="/integrity" {
                    (lang.pick("The log is not whole: ", "記録に欠損があります: ")) (log.log)
                    @if let Some(fault) = log.faults.first() { (lang.pick(", from record ", "、記録")) (number(fault.seq)) }
                } }
            }
            @if nothing && broken.is_empty() { p { (lang.pick("Nothing in these days.", "この期間には特にありません。")) } }
            ul.cards {
                @for one in &out { li.card.alert { (person_card(state, lang, asked, one)) } }
                @for row in reviews.iter().take(SENTENCES) { li.card.review { (review_card(state, lang, row)) } }
                @for one in mixed.iter().take(MIXED_SHOWN) { li.card.review { (mixed_card(state, lang, asked, one)) } }
                @for one in &refused { li.card.refused { (refused_card(state, lang, asked, one)) } }
                @for one in unclassified.iter().take(SENTENCES) { li.card.alert { (unclassified_card(state, lang, asked, one)) } }
                @if *known > 0 { li.card { (known_card(state, lang, asked, *known)) } }
            }
        }
    })
}

fn caller_link(state: &State, asked: &Asked, caller: &str, more: &[(&str, &str)]) -> String {
    let only = Asked { pairs: vec![("caller".to_owned(), caller.to_owned())], ..asked.clone() };
    let mut only = only;
    only.pairs.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    only.permanent("/search", &state.zone)
}

/// "rc-sato saw 80 persons on Mon 26 Oct; on other days it is 14."
fn person_card(state: &State, lang: Lang, asked: &Asked, one: &Unusual) -> Markup {
    let day = when::day(lang, one.most_on_ms, &state.zone);
    let (most, usual) = (people(lang, one.most_people), usual(lang, one));
    let spark = super::chart::past(state, lang, one);
    html! {
        h3 { a href=(caller_link(state, asked, &one.caller, &[])) { (one.caller) }
            @if !one.organization.is_empty() { span.soft { " @" (one.organization) } } }
        p {
            @match lang {
                Lang::En => { "Saw " strong { (most) } " on " (day) ". " (usual) }
                Lang::Ja => { (day) "に" strong { (most) } "を閲覧。" (usual) }
            }
            @if !one.new_purposes.is_empty() {
                " " (lang.pick("First use of ", "初めての利用目的: "))
                strong { (one.new_purposes.iter().map(|purpose| &**purpose).collect::<Vec<_>>().join(", ")) } "."
            }
            @if one.night_percent >= one.usual_night_percent + 30 {
                " " (one.night_percent) (lang.pick(" % at night.", "%が夜間。"))
            }
        }
        (spark)
    }
}

fn usual(lang: Lang, one: &Unusual) -> String {
    if one.active_days == 0 {
        return lang.pick("Nothing in the 28 days before.", "それ以前の28日間は利用なし。").to_owned();
    }
    let usual = format!("{:.0}", one.usual_people);
    match lang {
        Lang::En => format!("Usually {usual} on a day."),
        Lang::Ja => format!("通常は1日{usual}名。"),
    }
}

fn review_card(state: &State, lang: Lang, row: &Row) -> Markup {
    html! {
        h3 { a href=(href(row)) { (row.caller) } " " span.mark-review { (lang.pick("review", "要確認")) } }
        p {
            (when::day(lang, row.time_ms, &state.zone)) " " (when::minute(row.time_ms, &state.zone).split(' ').next_back().unwrap_or_default())
            ", " strong { (row.basis) } ": " (row.purpose)
            @if row.people > 0 { ", " (people(lang, row.people)) }
        }
    }
}

/// "dr-aoki came to one person with care and care.coordination within 24 hours, and got different things."
fn mixed_card(state: &State, lang: Lang, asked: &Asked, one: &Mixed) -> Markup {
    let purposes: Vec<(&str, &str)> = one.purposes.iter().map(|purpose| ("purpose", &**purpose)).collect();
    let named = one.purposes.iter().map(|purpose| &**purpose).collect::<Vec<_>>().join(", ");
    let last =
        html! { a href=(format!("/record/{}/{}", one.log, one.seq)) { (when::minute(one.last_ms, &state.zone)) } };
    html! {
        h3 { a href=(caller_link(state, asked, &one.caller, &purposes)) { (one.caller) } }
        p { @match lang {
            Lang::En => { "Came to " strong { (people(lang, one.people)) } " with several purposes within 24 hours, and got different fields: " (named) ". Last " (last) "." }
            Lang::Ja => { "24時間以内に複数の利用目的で" strong { (people(lang, one.people)) } "にアクセスし、異なる項目を取得: " (named) "。直近 " (last) "。" }
        } }
    }
}

fn refused_card(state: &State, lang: Lang, asked: &Asked, one: &Unusual) -> Markup {
    html! {
        h3 { a href=(caller_link(state, asked, &one.caller, &[("outcome", "refused")])) { (one.caller) }
            @if !one.organization.is_empty() { span.soft { " @" (one.organization) } } }
        p { @match lang {
            Lang::En => { "Was refused " strong { (number(one.refused)) " times" } "; " (number(one.accesses)) " accesses were permitted." }
            Lang::Ja => { strong { (number(one.refused)) "回" } "拒否された。許可は" (number(one.accesses)) "件。" }
        } }
    }
}

fn unclassified_card(state: &State, lang: Lang, asked: &Asked, one: &Unclassified) -> Markup {
    let only = Asked {
        pairs: vec![("route".to_owned(), one.route.to_string()), ("unclassified".to_owned(), "1".to_owned())],
        ..asked.clone()
    };
    html! {
        h3 { a href=(only.permanent("/search", &state.zone)) { code { (one.name) } } }
        p { @match lang {
            Lang::En => { "A field that no catalogue names, withheld in " strong { (number(one.accesses)) } " accesses to " code { (one.route) } ", since " (when::day(lang, one.first_ms, &state.zone)) "." }
            Lang::Ja => { "カタログにない項目。" code { (one.route) } "への" strong { (number(one.accesses)) "件" } "で非提供(" (when::day(lang, one.first_ms, &state.zone)) "から)。" }
        } }
    }
}

/// Those that were there before too: told once, together.
fn known_card(state: &State, lang: Lang, asked: &Asked, known: usize) -> Markup {
    let href = asked.narrowed(&[("unclassified", "1")]).permanent("/search", &state.zone);
    html! {
        h3 { a href=(href) { (lang.pick("Unclassified fields", "未分類の項目")) } }
        p { @match lang {
            Lang::En => { strong { (known) } " that no catalogue names, withheld as before." }
            Lang::Ja => { "カタログにない項目" strong { (known) "件" } "を従来どおり非提供。" }
        } }
    }
}

/// Everybody's volume against his own past, as a table.
fn volumes(state: &State, asking: &Asking, asked: &Asked, unusual: &[Unusual]) -> Markup {
    let lang = asking.lang;
    let lines: Vec<_> = unusual.iter().take(VOLUMES).map(|one| (one, super::chart::past(state, lang, one))).collect();
    html! {
        section aria-labelledby="volumes" {
            h2 id="volumes" { (lang.pick("Callers against their own past", "利用者ごとの過去との比較")) }
            @if lines.is_empty() { p { (lang.pick("Nobody called in these days.", "この期間の利用者はいません。")) } }
            @else {
                div.wide-table tabindex="0" role="region" aria-labelledby="volumes" {
                    table.volumes {
                        thead { tr {
                            th scope="col" { (lang.pick("Caller", "利用者")) }
                            th scope="col" { (lang.pick("28 days and these", "28日間とこの期間")) }
                            th.number scope="col" { (lang.pick("Persons on the fullest day", "最多日の人数")) }
                            th.number scope="col" { (lang.pick("Usual", "通常")) }
                            th.number scope="col" { (lang.pick("At night", "夜間")) }
                            th.number scope="col" { (lang.pick("Refused", "拒否")) }
                            th.number scope="col" { (lang.pick("How unlike", "乖離")) }
                        } }
                        tbody { @for (one, spark) in &lines { tr {
                            th scope="row" { a href=(caller_link(state, asked, &one.caller, &[])) { (one.caller) }
                                @if !one.organization.is_empty() { span.soft { " @" (one.organization) } } }
                            td { (spark) }
                            td.number { (number(one.most_people)) }
                            td.number { (format!("{:.0}", one.usual_people)) }
                            td.number { (one.night_percent) " %" }
                            td.number { (number(one.refused)) }
                            td.number { (format!("{:.1}", one.score)) }
                        } } }
                    }
                }
                p.soft { (lang.pick(
                    "How unlike: the distance from the median of his own 28 days before, in units of their spread. It accuses nobody.",
                    "乖離: 本人の過去28日間の中央値からの距離(散らばりを単位とする)。非難を意味しません。")) }
            }
        }
    }
}

const UNUSUAL_MAX: usize = 200;
const VOLUMES: usize = 8;
const SENTENCES: usize = 6;
const MIXED_SHOWN: usize = 3;
const REVIEWS_SHOWN: usize = 12;
/// From here on it is a sentence. 3 is rare.
const SCORE_SHOWN: f64 = 5.0;
const REFUSED_SHOWN: u64 = 10;
