//! What waits for somebody to look at it?

use maud::{Markup, html};

use crate::console::error::Trouble;
use crate::console::page::Asking;
use crate::console::state::State;

pub(super) fn summary(_: &State, _: &Asking) -> Result<Markup, Trouble> {
    Ok(html! {})
}
