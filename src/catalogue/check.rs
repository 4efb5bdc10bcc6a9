//! Does a route hold together? What no single key of its document can show.

use crate::policy::Action;
use crate::policy::reader::{Table, Text};

use super::route::{Route, Shape};
use super::tree;

/// Reports what does not fit together, at the route's `id`.
pub(super) fn check(table: &Table<'_>, id: &Text, route: &Route) {
    let fault = |message: &str| table.reader().fault(id.span.clone(), format!("route `{}`: {message}", id.text), None);
    let writes_or_deletes = route.actions.iter().any(|(_, action)| !action.releases());
    let spec = &route.subject;
    if route.class.is_none() && !spec.none {
        fault("`subject-class` is missing");
    }
    if route.categories.is_empty() && (tree::has_free_text(&route.root) || route.shape == Shape::Opaque) {
        fault("free text counts as every category of the route, and it has none");
    }
    if spec.segment.is_some() && !spec.query.is_empty() {
        fault("the subject is named in the path and in the query: the two could differ");
    }
    for (_, action) in &route.actions {
        let before = spec.segment.is_some() || !spec.query.is_empty() || spec.caller || spec.none;
        match action {
            Action::Create if !before && spec.body.is_none() => {
                fault("a `create` has to name its subject before it is forwarded")
            }
            Action::Update | Action::Delete if !before => {
                fault(
                    "the subject of an `update` or `delete` has to be in path or query, or the caller: a body could name another",
                );
            }
            Action::Read | Action::Search | Action::Create | Action::Update | Action::Delete => {}
        }
    }
    if let (Some(entry), true) = (&spec.entry, route.shape != Shape::Opaque) {
        let place = route.entries.join(entry.pointer());
        if tree::lookup(&route.root, &place).is_none() {
            fault("the subject's place in an entry is no field");
        }
    }
    if let Some(body) = &spec.body
        && tree::lookup(&route.body, body.pointer()).is_none()
    {
        fault("the subject's place in the body is no field");
    }
    if let Some(certified) = &route.certified {
        if writes_or_deletes {
            fault("a certified dataset is only read");
        }
        if !certified.items.covers(route.categories) {
            fault("a certified dataset names a field that is not among its published `items`");
        }
        if let Some(cells) = &certified.cells
            && tree::lookup(&route.root, &route.entries.join(&cells.count)).is_none()
        {
            fault("`cell-count` is no field of an entry");
        }
    }
}
