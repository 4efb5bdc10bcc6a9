//! Which further routes does a type have, once its read and its search are known? A search as a form, one version, all
//! versions, and of a person all that is his.

use crate::catalogue::route::{Param, Route, Shape, SubjectSpec};
use crate::policy::{Action, Categories};

/// `POST /Type/_search`, `GET /Type/{id}/_history/{vid}`, `GET /Type/{id}/_history` and, of persons,
/// `GET /Type/{id}/$everything`.
///
/// The versions of a record are one list of that record: each is judged as a read of it. What was deleted has no record
/// any more, so it is dropped. `$everything` brings records of every type, each judged by its own type and person, and
/// asks for no more than it can show.
///
/// And its writes, where it is `written`.
pub(super) fn routes(name: &str, read: &Route, search: &Route, written: bool) -> Vec<Route> {
    let form = Route {
        id: format!("fhir.{name}.search-form").into(),
        template: format!("{}/_search", search.template).into(),
        actions: vec![("POST".into(), Action::Search)],
        ..search.clone()
    };
    let version = Route {
        id: format!("fhir.{name}.vread").into(),
        template: format!("{}/_history/{{vid}}", read.template).into(),
        ..read.clone()
    };
    let history = list(name, "history", "_history", read, search);
    let mut routes = vec![form, version, history];
    if read.subject.segment.is_some() {
        let everything = list(name, "everything", EVERYTHING, read, search);
        routes.push(Route { told_by_type: Categories::NONE, ..everything });
    }
    if written {
        routes.extend(writes(name, read, search));
    }
    routes
}

/// `POST /Type`, `PUT`, `PATCH` and `DELETE /Type/{id}`. A person is not created by `POST`: until the backend gives an id,
/// nobody knows whose record it is.
fn writes(name: &str, read: &Route, search: &Route) -> Vec<Route> {
    let base = |id: &str, template: &str, actions: &[(&str, Action)]| Route {
        id: format!("fhir.{name}.{id}").into(),
        template: template.into(),
        actions: actions.iter().map(|(method, action)| ((*method).into(), *action)).collect(),
        body: read.root.clone(),
        body_categories: read.categories,
        subject: SubjectSpec { body: read.subject.entry.clone(), ..read.subject.clone() },
        ..read.clone()
    };
    let create = base("create", &search.template, &[("POST", Action::Create)]);
    let changes = [("PUT", Action::Update), ("PATCH", Action::Update), ("DELETE", Action::Delete)];
    let mut update = base("update", &read.template, &changes);
    let (is_person, of_no_one) = (read.subject.segment.is_some(), read.subject.none);
    update.subject.stored = !is_person && !of_no_one;
    if is_person { vec![update] } else { vec![create, update] }
}

/// The last segment of the route of all that is a person's.
pub(in crate::catalogue) const EVERYTHING: &str = "$everything";

/// A Bundle beneath one record.
fn list(name: &str, id: &str, step: &str, read: &Route, search: &Route) -> Route {
    let pages = search.query.iter().filter(|(_, param)| **param == Param::Page);
    Route {
        id: format!("fhir.{name}.{id}").into(),
        template: format!("{}/{step}", read.template).into(),
        shape: Shape::List,
        entries: search.entries.clone(),
        root: search.root.clone(),
        subject: SubjectSpec { entry: search.subject.entry.clone(), ..read.subject.clone() },
        query: pages.map(|(name, param)| (name.clone(), param.clone())).collect(),
        ..read.clone()
    }
}
