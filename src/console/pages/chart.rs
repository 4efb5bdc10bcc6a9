//! What the index counts, handed to the charts.

use maud::{Markup, html};

use crate::console::asked::Asked;
use crate::console::chart::{Bar, Cell, Timeline, bars, heat_map, spark, timeline};
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::Asking;
use crate::console::state::State;
use crate::console::when::{self, DAY_MS, HOUR_MS};
use crate::index::{Filter, Flags, Outcome, Spans, Unusual};

/// Accesses over the filter's time, by outcome; what waits for a review is flagged.
pub(super) fn over_time(state: &State, asking: &Asking, asked: &Asked) -> Result<Markup, Trouble> {
    let whole = asked.until_ms - asked.from_ms;
    let each_ms = STEPS.into_iter().find(|step| whole.div_ceil(*step) <= BARS).unwrap_or(whole.div_ceil(BARS));
    let count = usize::try_from(whole.div_ceil(each_ms)).unwrap_or(1).max(1);
    let spans = Spans { from_ms: asked.from_ms, each_ms, count };
    let counts = state.queries.over_time(&asked.filter, spans)?;
    let reviews = Filter { flags: asked.filter.flags.with(Flags::REVIEW), ..asked.filter.clone() };
    let reviews = state.queries.search(&reviews, None, MARKS_MAX)?;
    let marks =
        reviews.iter().map(|row| (row.time_ms, format!("{}, {}", row.caller, row.basis), super::rows::href(row)));
    let split = |by: &[u64; Outcome::ALL.len()]| {
        let of = |wanted: &[Outcome]| -> u64 {
            Outcome::ALL.iter().zip(by).filter(|(outcome, _)| wanted.contains(outcome)).map(|(_, count)| count).sum()
        };
        [
            of(&[Outcome::Completed]),
            of(&[Outcome::Refused]),
            of(&[Outcome::Aborted, Outcome::Failed, Outcome::Interrupted]),
            of(&[Outcome::Open, Outcome::Told]),
        ]
    };
    Ok(timeline(&Timeline {
        lang: asking.lang,
        zone: &state.zone,
        from_ms: asked.from_ms,
        each_ms,
        counts: counts.iter().map(split).collect(),
        marks: marks.collect(),
        href: &|from, until| asked.between("/search", from, until.min(asked.until_ms), &state.zone),
    }))
}

pub(super) fn heat(state: &State, asking: &Asking, asked: &Asked) -> Result<Markup, Trouble> {
    let meetings = state.queries.heat(&asked.filter)?;
    let none = asking.lang.pick("none", "なし");
    let told = |word: &str| if word.is_empty() { none.to_owned() } else { word.to_owned() };
    let cells = meetings.iter().map(|one| Cell {
        row: told(&one.purpose),
        column: told(&one.recipient),
        count: one.count,
        href: Asked {
            pairs: asked.pairs.iter().filter(|(name, _)| name != "days").cloned().collect(),
            ..asked.clone()
        }
        .narrowed(&[("purpose", &one.purpose), ("recipient", &one.recipient)])
        .permanent("/search", &state.zone),
    });
    Ok(heat_map(asking.lang, &cells.collect::<Vec<_>>()))
}

pub(super) fn refusals(state: &State, asking: &Asking, asked: &Asked) -> Result<Markup, Trouble> {
    let refusals = state.queries.refusals(&asked.filter)?;
    let list = refusals.iter().take(12).map(|(reason, count)| Bar {
        name: reason.to_string(),
        count: *count,
        href: asked.narrowed(&[("reason", reason)]).permanent("/search", &state.zone),
    });
    let list: Vec<Bar> = list.collect();
    Ok(html! {
        @if list.is_empty() { p.nothing { (asking.lang.pick("Nothing was refused.", "拒否はありません。")) } }
        @else { (bars(&list)) }
    })
}

/// A caller's days, the fullest of those that are looked at marked.
pub(super) fn past(state: &State, lang: Lang, one: &Unusual) -> Markup {
    let from_ms = one.from_ms;
    let marked = one.most_on_ms.checked_sub(from_ms).and_then(|past| usize::try_from(past / DAY_MS).ok());
    let (most, days) = (one.daily.iter().max().copied().unwrap_or(0), one.daily.len());
    let day = when::day(lang, one.most_on_ms, &state.zone);
    let said = match lang {
        Lang::En => format!("Accesses a day over {days} days, at most {most}; {day} is marked"),
        Lang::Ja => format!("{days}日間の1日あたりアクセス数、最大{most}件。{day}を強調"),
    };
    spark(&one.daily, marked, &said)
}

/// One, seven, thirty days, of a page with a filter of its own.
pub(super) fn ranges(state: &State, asking: &Asking, asked: &Asked, path: &str) -> Markup {
    let lang = asking.lang;
    let days = (asked.until_ms - asked.from_ms + DAY_MS / 2) / DAY_MS;
    let none = Asked {
        pairs: asked
            .pairs
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "days" | "from" | "until"))
            .cloned()
            .collect(),
        ..asked.clone()
    };
    html! {
        nav.ranges aria-label=(lang.pick("Time", "期間")) {
            @for (value, en, ja) in [("1", "1 day", "1日"), ("7", "7 days", "7日"), ("30", "30 days", "30日")] {
                a href=(none.with(path, "days", value)) aria-current=[(days.to_string() == value && !asked.is_dated).then_some("true")] { (lang.pick(en, ja)) }
            }
            span.soft { (when::day(lang, asked.from_ms, &state.zone)) " – " (when::day(lang, asked.until_ms - 1, &state.zone)) }
        }
    }
}

const BARS: u64 = 72;
const STEPS: [u64; 7] = [900_000, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 7 * DAY_MS];
const MARKS_MAX: usize = 24;
