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
pub(super) fn routes(name: &str, read: &Route, search: &Route) -> Vec<Route> {
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
    routes
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
