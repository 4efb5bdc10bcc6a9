//! The words of a `[[route]]` that need no other part of the document: its path, methods, shape, and where its subject is named.

use crate::policy::Action;
use crate::policy::reader::{Table, Text};

use super::super::pointer::{Pointer, SubjectPath};
use super::super::route::{Existence, Shape, SubjectSpec};
use super::pointer;

pub(super) fn subject_places(places: &Table<'_>, template: &Text, spec: &mut SubjectSpec) {
    let mut steps = template.text.split('/').skip(1);
    if let Some(name) = places.text("path") {
        spec.segment = steps.position(|step| step == format!("{{{}}}", name.text));
        if spec.segment.is_none() {
            places.reader().fault(name.span.clone(), format!("the path has no `{{{}}}`", name.text), None);
        }
    }
    spec.query = places.texts("query").into_iter().map(|name| name.text.into()).collect();
    let place = |key| {
        let text = places.text(key)?;
        let pointer = pointer(places, &text);
        if pointer.is_wild() || pointer.is_root() {
            places.reader().fault(text.span.clone(), "a subject stands in one place: no `*` here", None);
        }
        Some(SubjectPath::new(pointer, false))
    };
    spec.body = place("body");
    spec.entry = place("entry");
    spec.query_optional = spec.entry.is_some();
    if spec.segment.is_none() && spec.query.is_empty() && spec.body.is_none() && spec.entry.is_none() {
        places.reader().fault(places.span(), "the subject is named nowhere", None);
    }
}

pub(super) fn actions(table: &Table<'_>) -> Vec<(Box<str>, Action)> {
    let mut actions = Vec::new();
    let methods = table.lists("methods");
    if methods.is_empty() {
        table.missing("methods");
    }
    for (method, names) in methods {
        let allowed: &[Action] = match method.text.as_str() {
            "GET" => &[Action::Read, Action::Search],
            "POST" => &[Action::Create, Action::Update],
            "PUT" => &[Action::Update, Action::Create],
            "PATCH" => &[Action::Update],
            "DELETE" => &[Action::Delete],
            _ => {
                table.reader().unknown("method", &method, ["GET", "POST", "PUT", "PATCH", "DELETE"]);
                continue;
            }
        };
        let Some(name) = names.first() else { continue };
        match Action::from_name(&name.text).filter(|action| allowed.contains(action)) {
            Some(action) => actions.push((method.text.into(), action)),
            None => table.reader().unknown("action of this method", name, allowed.iter().map(|a| a.name())),
        }
    }
    actions
}

pub(super) fn shape(table: &Table<'_>) -> Shape {
    let name = table.required("shape");
    let shape = Shape::ALL.into_iter().find(|shape| shape.name() == name.text);
    if shape.is_none() && !name.text.is_empty() {
        table.reader().unknown("shape", &name, Shape::ALL.map(Shape::name));
    }
    shape.unwrap_or(Shape::Opaque)
}

pub(super) fn entries(table: &Table<'_>, shape: Shape) -> Pointer {
    let text = table.text("entries");
    let pointer = text.as_ref().map(|text| (pointer(table, text), text.span.clone()));
    match (shape, pointer) {
        (Shape::List, None) => table.missing("entries"),
        (Shape::List | Shape::Dataset, Some((pointer, span))) => {
            if pointer.steps().last() != Some("*") || pointer.steps().filter(|step| *step == "*").count() != 1 {
                table.reader().fault(span, "entries are the elements of one array: end in `/*`", None);
            }
            return pointer;
        }
        (Shape::Object | Shape::Lines | Shape::Opaque, Some((_, span))) => {
            table.reader().fault(span, "only a list or a dataset has `entries`", None);
        }
        (Shape::Object | Shape::Lines | Shape::Opaque | Shape::Dataset, None) => {}
    }
    Pointer::default()
}

pub(super) fn existence(table: &Table<'_>) -> Existence {
    let Some(name) = table.text("existence") else { return Existence::default() };
    match name.text.as_str() {
        "hidden" => Existence::Hidden,
        "open" => Existence::Open,
        _ => {
            table.reader().unknown("existence", &name, ["hidden", "open"]);
            Existence::Hidden
        }
    }
}

/// `path`: literal segments of letters, digits and `-._~`, or whole `{name}` segments.
pub(super) fn template(table: &Table<'_>) -> Text {
    let path = table.required("path");
    let literal =
        |step: &str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let fits = |step: &str| match step.strip_prefix('{') {
        Some(name) => name.strip_suffix('}').is_some_and(literal),
        None => literal(step) && step != "." && step != "..",
    };
    let good = path.text == "/" || path.text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(fits));
    if !good && !path.text.is_empty() {
        let message = format!("`{}` is no path template", path.text);
        table.reader().fault(path.span.clone(), message, Some("write `/donors/{id}`".to_owned()));
    }
    path
}
