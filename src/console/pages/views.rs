//! Filters that somebody keeps under a name. His own; an address each.

use maud::{Markup, html};
use rusqlite::params;

use crate::console::asked::Asked;
use crate::console::door::{joined, pairs};
use crate::console::error::Trouble;
use crate::console::page::{Asking, Page};
use crate::console::reading::Reading;
use crate::console::shell;
use crate::console::state::State;

fn of(state: &State, asking: &Asking) -> Result<Vec<(String, String)>, Trouble> {
    let person = asking.person();
    state.kept.ask(|connection| {
        let mut read = connection
            .prepare_cached("SELECT name, query FROM view WHERE issuer = ?1 AND person = ?2 ORDER BY name")?;
        let rows = read.query_map(params![person.issuer, person.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    })
}

/// Keeps one; a name that is there already stands for the new filter.
pub(super) fn keep(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let name = asking.field("name");
    if name.is_empty() || name.chars().count() > NAME_MAX {
        return Err(asking.wrong("a view has a name of 1 to 80 letters", "名前は1〜80文字で入力してください"));
    }
    // Read and written again: what comes back into a page's link is a filter that can be asked for, and nothing else.
    let query = pairs(asking.field("query").as_bytes());
    Asked::read(state, &Asking { query: query.clone(), ..asking.clone() })?;
    let query = joined(query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let person = asking.person();
    if of(state, asking)?.len() >= VIEWS_MAX {
        return Err(
            asking.wrong("there are 100 views already: remove one", "保存済みの条件が100件あります。削除してください")
        );
    }
    state.kept.ask(|connection| {
        connection.execute(
            "INSERT INTO view VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET query = excluded.query",
            params![person.issuer, person.id, name, query],
        )
    })?;
    Ok(Page::elsewhere(Reading::of("views", "keep"), format!("/search?{query}")))
}

/// Removes one.
pub(super) fn remove(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let (person, name) = (asking.person(), asking.field("name"));
    state.kept.ask(|connection| {
        connection.execute(
            "DELETE FROM view WHERE issuer = ?1 AND person = ?2 AND name = ?3",
            params![person.issuer, person.id, name],
        )
    })?;
    Ok(Page::elsewhere(Reading::of("views", "remove"), "/"))
}

/// His own, for the overview.
pub(super) fn list(state: &State, asking: &Asking) -> Result<Markup, Trouble> {
    let lang = asking.lang;
    let kept = of(state, asking)?;
    Ok(html! {
        @if !kept.is_empty() {
            section aria-labelledby="views" {
                h2 id="views" { (lang.pick("Your views", "保存した条件")) }
                ul.views { @for (name, query) in &kept { li {
                    a href=(format!("/search?{query}")) { (name) }
                    form method="post" action="/views/remove" {
                        (shell::token(asking))
                        input type="hidden" name="name" value=(name);
                        button.quiet type="submit" aria-label=(format!("{}: {name}", lang.pick("Remove", "削除"))) { "×" }
                    }
                } } }
            }
        }
    })
}

const NAME_MAX: usize = 80;
const VIEWS_MAX: usize = 100;
