//! What was unusual of late?

use maud::html;

use crate::console::error::Trouble;
use crate::console::page::{Asking, Page};
use crate::console::reading::Reading;
use crate::console::shell::Place;
use crate::console::state::State;

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let title = asking.lang.pick("Overview", "概要");
    let count = state.queries.count(&Default::default())?;
    let body = html! { h1 { (title) } p { (count) } };
    Ok(Page::html(Reading::of("overview", ""), Place::Overview, title, body))
}
