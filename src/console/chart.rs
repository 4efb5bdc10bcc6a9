//! How are numbers drawn so that anybody can read them: seen, printed, heard?
//!
//! Pure: numbers in, markup out. Each chart says in words what it shows, and its bars and cells are links to what they
//! count. Colour is never the only sign: heights, numbers and titles say the same.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::lang::Lang;
use super::shell::number;
use super::when::{self, DAY_MS};

/// Counts over equal spans of time.
pub(super) struct Timeline<'a> {
    pub(super) lang: Lang,
    pub(super) zone: &'a TimeZone,
    pub(super) from_ms: u64,
    pub(super) each_ms: u64,
    /// Released, refused, cut off or failed, other.
    pub(super) counts: Vec<[u64; 4]>,
    /// What happened once: when, what, where it leads.
    pub(super) marks: Vec<(u64, String, String)>,
    /// Where a span leads.
    pub(super) href: &'a dyn Fn(u64, u64) -> String,
}

const NAMES: [(&str, &str, &str); 4] = [
    ("released", "released", "提供"),
    ("refused", "refused", "拒否"),
    ("broken", "cut off or failed", "中断・失敗"),
    ("other", "other", "その他"),
];

const WIDTH: f64 = 960.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 22.0;
const HEIGHT: f64 = 150.0;
const BOTTOM: f64 = 26.0;

/// Stacked bars with a table beneath them.
pub(super) fn timeline(chart: &Timeline<'_>) -> Markup {
    let lang = chart.lang;
    let totals: Vec<u64> = chart.counts.iter().map(|by| sum(by)).collect();
    let most = totals.iter().max().copied().unwrap_or(0);
    let top = ceiling(most);
    let slot = (WIDTH - LEFT) / float(chart.counts.len().max(1) as u64);
    let high = |count: u64| HEIGHT * float(count) / float(top.max(1));
    let span = |at: usize| {
        let from = chart.from_ms + chart.each_ms * at as u64;
        (from, from + chart.each_ms)
    };
    let name = |at: usize| name(chart, span(at).0);
    let height = TOP + HEIGHT + BOTTOM;
    html! {
        figure.chart {
            svg.timeline viewBox=(format!("0 0 {WIDTH} {height}")) role="group" aria-label=(said(chart, &totals)) data-brush {
                @for step in 0..=4u64 {
                    @let value = top / 4 * step;
                    @let y = TOP + HEIGHT - high(value);
                    line.grid x1=(LEFT) x2=(WIDTH) y1=(one(y)) y2=(one(y)) {}
                    text.tick.level x=(LEFT - 6.0) y=(one(y + 4.0)) text-anchor="end" { (short(value)) }
                }
                @for (at, by) in chart.counts.iter().enumerate() {
                    @let x = LEFT + slot * float(at as u64);
                    @let (from, until) = span(at);
                    a.bar href=((chart.href)(from, until)) aria-label=(spoken(lang, &name(at), by)) data-from=(when::address(from, chart.zone)) data-until=(when::address(until, chart.zone)) {
                        title { (spoken(lang, &name(at), by)) }
                        rect.hit x=(one(x)) y=(TOP) width=(one(slot)) height=(HEIGHT) {}
                        (stack(by, x, slot, &high))
                    }
                }
                @for (nth, (at, label)) in labels(chart).into_iter().enumerate() {
                    @let x = LEFT + slot * float(at as u64);
                    // The last one ends where the chart does.
                    @let (anchor, from) = if x > WIDTH - 90.0 { ("end", WIDTH) } else { ("start", x + 2.0) };
                    line.day x1=(one(x)) x2=(one(x)) y1=(TOP + HEIGHT) y2=(TOP + HEIGHT + 5.0) {}
                    text class=(if nth % 2 == 0 { "tick" } else { "tick thin" }) x=(one(from)) y=(TOP + HEIGHT + 20.0) text-anchor=(anchor) { (label) }
                }
                @for (time, what, href) in &chart.marks {
                    @if let Some(x) = place(chart, *time, slot) {
                        a.flag href=(href) aria-label=(format!("{}: {what}", name_of(chart, *time))) {
                            title { (name_of(chart, *time)) ": " (what) }
                            path d=(format!("M{0} {1}v-14l9 4.5-9 4.5", one(x), TOP + 2.0)) {}
                        }
                    }
                }
            }
            figcaption {
                span.legend { @for (class, en, ja) in NAMES { span.key { i class={ "swatch " (class) } aria-hidden="true" {} (lang.pick(en, ja)) } } }
                details { summary { (lang.pick("As a table", "表で見る")) } (table(chart, &name)) }
            }
        }
    }
}

fn stack(by: &[u64; 4], x: f64, slot: f64, high: &dyn Fn(u64) -> f64) -> Markup {
    let gap = if slot > 6.0 { 1.5 } else { 0.4 };
    let mut y = TOP + HEIGHT;
    let pieces = by.iter().zip(NAMES).map(|(count, (class, ..))| {
        let tall = if *count > 0 { high(*count).max(1.0).min(y - TOP) } else { 0.0 };
        y -= tall;
        (class, y, tall)
    });
    let pieces: Vec<(&str, f64, f64)> = pieces.filter(|(_, _, tall)| *tall > 0.0).collect();
    html! { @for (class, y, tall) in pieces {
        rect class=(class) x=(one(x + gap / 2.0)) y=(one(y)) width=(one((slot - gap).max(0.5))) height=(one(tall)) {}
    } }
}

fn place(chart: &Timeline<'_>, time: u64, slot: f64) -> Option<f64> {
    let past = time.checked_sub(chart.from_ms)?;
    let whole = chart.each_ms.checked_mul(chart.counts.len() as u64)?;
    (past < whole).then(|| LEFT + slot * float(past) / float(chart.each_ms))
}

/// The chart in a sentence.
fn said(chart: &Timeline<'_>, totals: &[u64]) -> String {
    let all = sum(totals);
    let refused = chart.counts.iter().fold(0u64, |all, [_, refused, ..]| all.saturating_add(*refused));
    let peak = totals.iter().enumerate().max_by_key(|(at, count)| (**count, std::cmp::Reverse(*at)));
    let peak = peak.map(|(at, count)| (name(chart, chart.from_ms + chart.each_ms * at as u64), *count));
    let (when, most) = peak.unwrap_or_default();
    match chart.lang {
        Lang::En => format!(
            "{} accesses, {} of them refused; the most, {}, at {when}",
            number(all),
            number(refused),
            number(most)
        ),
        Lang::Ja => {
            format!("アクセス{}件、うち拒否{}件。最多は{when}の{}件", number(all), number(refused), number(most))
        }
    }
}

fn spoken(lang: Lang, name: &str, by: &[u64; 4]) -> String {
    let parts = by.iter().zip(NAMES).filter(|(count, _)| **count > 0);
    let parts: Vec<String> =
        parts.map(|(count, (_, en, ja))| format!("{} {}", number(*count), lang.pick(en, ja))).collect();
    match parts.is_empty() {
        true => format!("{name}: 0"),
        false => format!("{name}: {}", parts.join(", ")),
    }
}

fn name(chart: &Timeline<'_>, from: u64) -> String {
    if chart.each_ms >= DAY_MS { when::day(chart.lang, from, chart.zone) } else { name_of(chart, from) }
}

fn name_of(chart: &Timeline<'_>, ms: u64) -> String {
    let minute = when::minute(ms, chart.zone);
    format!("{} {}", when::day(chart.lang, ms, chart.zone), minute.split(' ').next_back().unwrap_or_default())
}

/// Where a day begins, thinned until the words have room; hours where there are only a few.
fn labels(chart: &Timeline<'_>) -> Vec<(usize, String)> {
    let starts = (0..chart.counts.len()).map(|at| (at, chart.from_ms + chart.each_ms * at as u64));
    let hours = chart.each_ms * chart.counts.len() as u64 <= 2 * DAY_MS;
    let each: Vec<(usize, String)> = match hours {
        true => starts
            .filter(|(_, from)| from.saturating_sub(when::day_of(*from, chart.zone)).is_multiple_of(3 * when::HOUR_MS))
            .map(|(at, from)| {
                (at, when::minute(from, chart.zone).split(' ').next_back().unwrap_or_default().to_owned())
            })
            .collect(),
        false => starts
            .filter(|(_, from)| chart.each_ms >= DAY_MS || when::day_of(*from, chart.zone) == *from)
            .map(|(at, from)| (at, when::day(chart.lang, from, chart.zone)))
            .collect(),
    };
    let every = each.len().div_ceil(LABELS).max(1);
    each.into_iter().step_by(every).collect()
}

fn table(chart: &Timeline<'_>, name: &dyn Fn(usize) -> String) -> Markup {
    let lang = chart.lang;
    html! {
        div.wide-table tabindex="0" role="region" aria-label=(lang.pick("Accesses over time", "アクセスの推移")) { table {
            thead { tr {
                th scope="col" { (lang.pick("From", "開始")) }
                @for (_, en, ja) in NAMES { th.number scope="col" { (lang.pick(en, ja)) } }
            } }
            tbody { @for (at, by) in chart.counts.iter().enumerate() {
                @if by.iter().any(|count| *count > 0) {
                    tr { th scope="row" { (name(at)) } @for count in by { td.number { (number(*count)) } } }
                }
            } }
        } }
    }
}

/// How many had this row and this column.
pub(super) struct Cell {
    pub(super) row: String,
    pub(super) column: String,
    pub(super) count: u64,
    pub(super) href: String,
}

/// A table whose cells are the darker the more they count.
pub(super) fn heat_map(lang: Lang, cells: &[Cell]) -> Markup {
    let sums = |key: &dyn Fn(&Cell) -> &str| {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for cell in cells {
            let held = sums.entry(key(cell).to_owned()).or_default();
            *held = held.saturating_add(cell.count);
        }
        let mut sums: Vec<(String, u64)> = sums.into_iter().collect();
        sums.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), name.clone()));
        sums
    };
    let (rows, columns) = (sums(&|cell| &cell.row), sums(&|cell| &cell.column));
    let most = cells.iter().map(|cell| cell.count).max().unwrap_or(0);
    let shown = rows.len().min(ROWS);
    let hidden = (rows.len().saturating_sub(ROWS), columns.len().saturating_sub(COLUMNS));
    let find = |row: &str, column: &str| cells.iter().find(|cell| cell.row == row && cell.column == column);
    html! {
        @if cells.is_empty() { p.nothing { (lang.pick("Nothing in these days.", "この期間にはありません。")) } } @else {
            div.wide-table tabindex="0" role="region" aria-label=(lang.pick("Purposes by recipients", "利用目的と提供先")) {
                table.heat {
                    thead { tr {
                        td {}
                        @for (column, _) in columns.iter().take(COLUMNS) { th scope="col" { (parted(column)) } }
                    } }
                    tbody { @for (row, _) in rows.iter().take(shown) { tr {
                        th scope="row" { (parted(row)) }
                        @for (column, _) in columns.iter().take(COLUMNS) {
                            @match find(row, column) {
                                Some(cell) => td class={ "heat-" (level(cell.count, most)) } { a href=(cell.href) { (short(cell.count)) } },
                                None => td.heat-0 { span.sr-only { "0" } },
                            }
                        }
                    } } }
                }
            }
            @if hidden.0 > 0 { p.soft { (number(hidden.0 as u64)) " " (lang.pick("more purposes: see Search", "件の利用目的は検索で表示")) } }
            @if hidden.1 > 0 { p.soft { (number(hidden.1 as u64)) " " (lang.pick("more recipients: see Search", "件の提供先は検索で表示")) } }
        }
    }
}

/// A dotted name that may be cut behind each dot.
fn parted(name: &str) -> Markup {
    let parts: Vec<&str> = name.split_inclusive(['.', '-']).collect();
    html! { @for part in parts { (part) wbr; } }
}

/// 1 to 5, by powers: a few stay visible beside many.
fn level(count: u64, most: u64) -> u32 {
    let part = float(count).ln_1p() / float(most.max(1)).ln_1p();
    [0.2, 0.4, 0.6, 0.8].iter().fold(1, |level, step| if part > *step { level + 1 } else { level })
}

/// A name with its count.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) href: String,
}

/// Bars to the right, the longest first as they come.
pub(super) fn bars(list: &[Bar]) -> Markup {
    let most = list.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    html! {
        ol.bars { @for bar in list { li {
            a href=(bar.href) { span.word { (bar.name) } " " span.number { (number(bar.count)) } }
            svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                rect.refused x="0" y="0" height="6" width=(one(float(bar.count) * 100.0 / float(most))) {}
            }
        } } }
    }
}

/// A row of thin bars, one of them marked.
pub(super) fn spark(days: &[u64], marked: Option<usize>, said: &str) -> Markup {
    let most = days.iter().max().copied().unwrap_or(0).max(1);
    let wide = 4.0;
    html! {
        svg.spark preserveAspectRatio="xMinYMax meet" viewBox=(format!("0 0 {} 28", one(wide * float(days.len().max(1) as u64)))) role="img" aria-label=(said) {
            @for (at, count) in days.iter().enumerate() {
                @let tall = 26.0 * float(*count) / float(most);
                @let tall = if *count > 0 { tall.max(1.0) } else { 0.0 };
                rect class=(if marked == Some(at) { "marked" } else { "usual" }) x=(one(wide * float(at as u64))) y=(one(27.0 - tall)) width=(one(wide - 1.0)) height=(one(tall)) {}
            }
            line.grid x1="0" x2=(one(wide * float(days.len() as u64))) y1="27.5" y2="27.5" {}
        }
    }
}

/// What cannot be counted is as much as can be.
fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |all, count| all.saturating_add(*count))
}

/// The least round number that is not below, and can be quartered.
fn ceiling(most: u64) -> u64 {
    let mut step = 1u64;
    loop {
        for factor in [4, 8, 12, 20, 32] {
            if let Some(round) = step.checked_mul(factor) {
                if round >= most {
                    return round;
                }
            } else {
                return u64::MAX;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// `950`, `12k`, `3.4M`.
fn short(count: u64) -> String {
    match count {
        0..10_000 => number(count),
        10_000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}.{}M", number(count / 1_000_000), count / 100_000 % 10),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a picture has fewer points than a double has numbers")]
fn float(count: u64) -> f64 {
    count as f64
}

fn one(value: f64) -> String {
    format!("{value:.1}")
}

const LABELS: usize = 8;
const ROWS: usize = 12;
const COLUMNS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_not_below_its_highest_bar() {
        assert_eq!([0, 1, 4, 5, 9, 13, 21, 33, 41, 999].map(ceiling), [4, 4, 4, 8, 12, 20, 32, 40, 80, 1200]);
        assert_eq!(ceiling(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_chart_of_nothing_and_of_more_than_can_be_counted_is_drawn() {
        let zone = TimeZone::UTC;
        for counts in [vec![], vec![[0; 4]], vec![[u64::MAX; 4], [1, 0, 0, 0]]] {
            let chart = Timeline {
                lang: Lang::Ja,
                zone: &zone,
                from_ms: 0,
                each_ms: DAY_MS,
                counts,
                marks: vec![(u64::MAX, "x".into(), "/".into()), (5, "<y>".into(), "/".into())],
                href: &|_, _| "/search".to_owned(),
            };
            let drawn = timeline(&chart).into_string();
            assert!(!drawn.contains("NaN") && !drawn.contains("inf") && !drawn.contains("<y>"), "{drawn}");
        }
    }
}
