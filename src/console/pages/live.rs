//! What happens now? The newest accesses, and each further one as it becomes durable. Of all: a script asks again and
//! again, and to hear that nothing matches a filter would be an answer that no record tells of.

use maud::html;

use super::rows::line;
use crate::console::asked::{known_place, place_text};
use crate::console::error::Trouble;
use crate::console::page::{Asking, Content, Page};
use crate::console::reading::Reading;
use crate::console::shell::Place;
use crate::console::state::State;
use crate::index::{Filter, Row};

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    if !asking.query.is_empty() {
        return Err(asking.wrong(
            "the live page shows every access: search for some of them",
            "ライブはすべてのアクセスを表示します。絞り込みは「検索」を使ってください",
        ));
    }
    let found = state.queries.search(&Filter::default(), None, ROWS)?;
    let title = lang.pick("Live", "ライブ");
    let newest = found.first().map(|row| place_text(&row.place)).unwrap_or_default();
    let body = html! {
        div.head {
            h1 { (title) }
            div.tools {
                a.button href=(asking.address) { (lang.pick("Look again", "更新")) }
                button type="button" data-live-pause hidden { (lang.pick("Pause", "一時停止")) }
            }
        }
        p.soft { (lang.pick(
            "The newest accesses, newest first; a durable one is here within about a second.",
            "最新のアクセス(新しい順)。記録が確定すると約1秒で表示されます。")) }
        p.sr-only role="status" aria-live="polite" data-live-said data-said=(lang.pick("new accesses", "件の新しいアクセス")) {}
        div.wide-table tabindex="0" role="region" aria-label=(title) {
            table.rows {
                thead { tr {
                    th scope="col" { (lang.pick("Time", "日時")) }
                    th scope="col" { (lang.pick("Caller", "利用者")) }
                    th scope="col" { (lang.pick("Purpose → recipient", "目的 → 提供先")) }
                    th scope="col" { (lang.pick("Asked", "対象")) }
                    th scope="col" { (lang.pick("Outcome", "結果")) }
                    th scope="col" { (lang.pick("Clauses", "条項")) }
                } }
                tbody data-live="/live/rows" data-after=(newest) { @for row in &found { (line(state, lang, row)) } }
            }
        }
    };
    Ok(Page::html(Reading::of("live", "").with_records(found.len()), Place::Live, title, body))
}

/// Those after one, for the script: rows of a table, the newest first.
pub(super) fn newer(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let after = match asking.query.as_slice() {
        [(name, value)] if name == "after" && value.is_empty() => None,
        [(name, value)] if name == "after" => Some(known_place(state, asking, name, value)?),
        _ => {
            return Err(
                asking.wrong("`after` is asked for, once, and nothing else", "`after` を1つだけ指定してください")
            );
        }
    };
    let mut found: Vec<Row> = state.queries.search(&Filter::default(), None, ROWS)?;
    if let Some(after) = &after {
        found.retain(|row| row.place > *after);
    }
    let newest = found.first().map(|row| &row.place).or(after.as_ref()).map(place_text).unwrap_or_default();
    let body = html! { tbody data-after=(newest) { @for row in &found { (line(state, asking.lang, row)) } } };
    let reading = Reading::of("live", newest).with_records(found.len());
    // Nothing new told is nothing read: it would be a record every other second.
    let reading = if found.is_empty() { Reading::nothing() } else { reading };
    Ok(Page { reading, content: Content::Part(body) })
}

const ROWS: usize = 50;
