//! Which routes does a type have? Read by id and search by GET; a few documents at a path of their own.

use std::collections::HashMap;
use std::sync::Arc;

use crate::policy::reader::Table;
use crate::policy::{Action, Categories, Vocabulary};

use super::search::SearchParameters;
use super::{Kind, Site, instance};
use crate::catalogue::fields::{Meaning, Node};
use crate::catalogue::pointer::{Pointer, SubjectPath};
use crate::catalogue::route::{Existence, Param, Route, Shape, SubjectSpec};
use crate::catalogue::tree::Draft;

/// What all routes of the surface share.
pub(super) struct Surface {
    base: String,
    class: Option<(u8, Box<str>)>,
    pages: Vec<Box<str>>,
    merges: bool,
    /// Types that may be written though they are read only elsewhere.
    writable: Vec<String>,
}

impl Surface {
    pub(super) fn read(root: &Table<'_>, vocabulary: &Vocabulary, site: &Site<'_, '_>) -> Surface {
        let class = root.text("subject-class");
        let class_index = class.as_ref().and_then(|name| vocabulary.class(&name.text));
        match (&class, class_index) {
            (Some(name), None) => root.reader().unknown("subject class", name, vocabulary.classes()),
            (None, _) => root.missing("subject-class"),
            (Some(_), Some(_)) => {}
        }
        Surface {
            base: base(root),
            class: class_index.zip(class.map(|name| name.text.into())),
            pages: root.texts("page-parameters").into_iter().map(|name| name.text.into()).collect(),
            merges: site.merges,
            writable: site.writable.iter().map(|name| name.text.clone()).collect(),
        }
    }

    /// Where its paths begin.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The routes of one type; none where it only lies inside others.
    pub(super) fn routes(&self, kind: &Kind, bundle: &Arc<Node>) -> Vec<Route> {
        if let Some(path) = &kind.at {
            return vec![self.single(kind, path.text.clone())];
        }
        if !kind.alone {
            return Vec::new();
        }
        let told = told_by_type(kind.entry.as_ref(), kind.own, kind.categories);
        let (mut read, mut search) = (self.read_route(kind), self.search_route(kind, bundle));
        for route in [&mut read, &mut search] {
            route.resource_type = Some(kind.name.clone());
            route.told_by_type = told;
        }
        let written = !kind.read_only || self.writable.iter().any(|name| **name == *kind.name);
        let mut routes = instance::routes(&kind.name, &read, &search, written);
        routes.iter_mut().for_each(|route| route.merges = self.merges && route.changes_record());
        routes.extend([read, search]);
        routes
    }

    /// A document at a path of its own that is about no one (`/metadata`).
    fn single(&self, kind: &Kind, path: String) -> Route {
        let spec = SubjectSpec { none: true, ..SubjectSpec::default() };
        let id = format!("fhir.{}", kind.name);
        let query = HashMap::from([("_format".into(), Param::Only(formats()))]);
        Route {
            query,
            resource_type: Some(kind.name.clone()),
            ..self.route(id, path, Action::Read, spec, Arc::clone(&kind.node), kind.categories)
        }
    }

    fn read_route(&self, kind: &Kind) -> Route {
        let is_subject = kind.entry.as_ref().is_some_and(|entry| !entry.is_reference());
        let steps = self.base.split('/').skip(1).count();
        let spec = SubjectSpec {
            none: kind.entry.is_none(),
            reference: true,
            segment: is_subject.then_some(steps + 1),
            entry: kind.entry.clone(),
            ..SubjectSpec::default()
        };
        let (id, path) = (format!("fhir.{}.read", kind.name), format!("/{}/{{id}}", kind.name));
        let mut read = self.route(id, path, Action::Read, spec, Arc::clone(&kind.node), kind.categories);
        read.query.insert("_format".into(), Param::Only(formats()));
        read
    }

    fn search_route(&self, kind: &Kind, bundle: &Arc<Node>) -> Route {
        let query = self.query(&kind.parameters);
        let names = query.iter().filter(|(_, param)| **param == Param::Subject).map(|(name, _)| name.clone());
        let mut names: Vec<Box<str>> = names.collect();
        names.sort_unstable();
        let spec = SubjectSpec {
            none: kind.entry.is_none(),
            reference: true,
            query: names,
            query_optional: true,
            entry: kind.entry.as_ref().map(|entry: &SubjectPath| entry.clone().inside("resource")),
            ..SubjectSpec::default()
        };
        let (id, path) = (format!("fhir.{}.search", kind.name), format!("/{}", kind.name));
        let mut search = self.route(id, path, Action::Search, spec, Arc::clone(bundle), kind.categories);
        search.shape = Shape::List;
        search.entries = Pointer::parse("/entry/*").unwrap_or_default();
        search.query = query;
        search
    }

    fn route(
        &self,
        id: String,
        path: String,
        action: Action,
        subject: SubjectSpec,
        root: Arc<Node>,
        categories: Categories,
    ) -> Route {
        let class = self.class.clone().filter(|_| !subject.none);
        Route {
            id: id.into(),
            template: format!("{}{path}", self.base).into(),
            actions: vec![("GET".into(), action)],
            class: class.as_ref().map(|(index, _)| *index),
            class_name: class.map(|(_, name)| name),
            shape: Shape::Object,
            entries: Pointer::default(),
            subject,
            query: HashMap::new(),
            root,
            body: Draft::default().freeze(),
            categories,
            body_categories: Categories::NONE,
            certified: None,
            existence: Existence::Hidden,
            fhir: true,
            resource_type: None,
            told_by_type: Categories::NONE,
            merges: false,
            dicom: None,
        }
    }

    /// The query parameters of a search: those of the type, and those that every type takes.
    fn query(&self, parameters: &SearchParameters) -> HashMap<Box<str>, Param> {
        let mut query: HashMap<Box<str>, Param> = HashMap::new();
        let mut sort = HashMap::new();
        for (name, parameter) in parameters {
            let param = match parameter.subject {
                true => Param::Subject,
                false => Param::Filter(parameter.categories),
            };
            if !parameter.subject {
                sort.insert(name.clone(), parameter.categories);
            }
            query.insert(name.clone(), param);
        }
        query.insert("_sort".into(), Param::Sort(sort));
        query.insert("_format".into(), Param::Only(formats()));
        for name in &self.pages {
            query.insert(name.clone(), Param::Page);
        }
        query
    }
}

fn base(root: &Table<'_>) -> String {
    let Some(base) = root.text("base") else { return String::new() };
    let good = base.text.is_empty()
        || base.text.strip_prefix('/').is_some_and(|rest| {
            rest.split('/')
                .all(|step| !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
        });
    if !good {
        root.reader().fault(base.span, "`base` is to be a path such as `/fhir`", None);
    }
    base.text
}

/// What it tells of a person that there is a record of this type. That there is a chart at all is not counted: the id of
/// its subject is judged by itself.
pub(super) fn told_by_type(entry: Option<&SubjectPath>, own: Option<Meaning>, categories: Categories) -> Categories {
    match own.filter(|_| entry.is_some_and(SubjectPath::is_reference)) {
        Some(Meaning::Category(category)) => category.only(),
        Some(Meaning::Everything) => categories,
        Some(Meaning::Open | Meaning::Count | Meaning::Link | Meaning::Never) | None => Categories::NONE,
    }
}

fn formats() -> Vec<Box<str>> {
    FORMATS.map(Into::into).into()
}

/// The only formats that the gate can read inside; the last is how an unescaped `+` decodes.
pub(in crate::catalogue) const FORMATS: [&str; 4] =
    ["json", "application/json", "application/fhir+json", "application/fhir json"];
