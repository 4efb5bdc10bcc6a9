//! Does a route hold together? What no single key of its document can show.

use crate::policy::Action;
use crate::policy::reader::{Table, Text};

use super::route::{Certified, Route, Shape};
use super::tree;

/// Free text that counts as no category would always be clear.
pub(super) const NOTHING_TO_COUNT_AS: &str = "free text counts as every category of its route, and here is none";

/// Reports what does not fit together, at the route's `id`.
pub(super) fn check(table: &Table<'_>, id: &Text, route: &Route) {
    let fault = |message: &str| table.reader().fault(id.span.clone(), format!("route `{}`: {message}", id.text), None);
    let spec = &route.subject;
    if route.class.is_none() && !spec.none {
        fault("`subject-class` is missing");
    }
    let unread = tree::has_free_text(&route.root) || route.shape == Shape::Opaque;
    let written = tree::has_free_text(&route.body);
    if unread && route.categories.is_empty() || written && route.everything().is_empty() {
        fault(NOTHING_TO_COUNT_AS);
    }
    let entry = tree::lookup(&route.root, &route.entries);
    if !spec.none && entry.is_some_and(|(_, inherited)| inherited.is_some()) {
        fault("the entries' own place has a meaning: it would cover members that nobody named");
    }
    for root in [&route.root, &route.body] {
        if let Some(place) = tree::value_with_members(root) {
            fault(&format!(
                "`{place}` is a value, and members of it are named: name them all, or the rest by `{place}/**`"
            ));
            break;
        }
    }
    check_subject(route, &fault);
    if let Some(certified) = &route.certified {
        check_certified(route, certified, &fault);
    }
}

fn check_subject(route: &Route, fault: &dyn Fn(&str)) {
    let spec = &route.subject;
    if spec.segment.is_some() && !spec.query.is_empty() {
        fault("the subject is named in the path and in the query: the two could differ");
    }
    let before = spec.segment.is_some() || !spec.query.is_empty() || spec.caller || spec.none;
    for (_, action) in route.actions.iter().filter(|_| !before) {
        match action {
            Action::Create if spec.body.is_none() => fault("a `create` has to name its subject before it is forwarded"),
            Action::Update | Action::Delete => fault(
                "an `update` or `delete` has to name its subject in path or query, or be the caller's own: a body could name another",
            ),
            Action::Read | Action::Search | Action::Create => {}
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
}

fn check_certified(route: &Route, certified: &Certified, fault: &dyn Fn(&str)) {
    if route.actions.iter().any(|(_, action)| !action.releases()) {
        fault("a certified dataset is only read");
    }
    if !certified.items.covers(route.categories) || tree::has_free_text(&route.root) {
        fault("a certified dataset names a field that is not among its published `items`");
    }
    if let Some(cells) = &certified.cells
        && tree::lookup(&route.root, &route.entries.join(&cells.count)).is_none()
    {
        fault("`cell-count` is no field of an entry");
    }
}
