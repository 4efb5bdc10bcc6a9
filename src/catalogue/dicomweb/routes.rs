//! Which requests does a DICOMweb surface take? PS3.18 sections 10.4 (retrieval) and 10.6 (search).

use std::collections::HashMap;
use std::sync::Arc;

use crate::policy::reader::Text;
use crate::policy::{Action, Categories};

use super::super::fields::Node;
use super::super::pointer::{Pointer, SubjectPath};
use super::super::route::{Param, Route, Shape, SubjectSpec};
use super::super::tree::Draft;
use super::{BurntIn, Dicom, Document, Lookup, PATIENT_ID, RECORD_IDS, tree};

/// How far a path leads: its variable segments, and their names in route ids.
const LEVELS: [(&str, &str); 3] = [
    ("study", "/studies/{study}"),
    ("series", "/studies/{study}/series/{series}"),
    ("instance", "/studies/{study}/series/{series}/instances/{instance}"),
];
/// The searches: id, path, and the number of the level at which they find data sets.
const SEARCHES: [(&str, &str, usize); 6] = [
    ("studies", "/studies", 0),
    ("series", "/series", 1),
    ("instances", "/instances", 2),
    ("study.series", "/studies/{study}/series", 1),
    ("study.instances", "/studies/{study}/instances", 2),
    ("series.instances", "/studies/{study}/series/{series}/instances", 2),
];
/// Where a data set names its patient.
const SUBJECT: [&str; 2] = ["PatientID", PATIENT_ID];

impl Document<'_> {
    pub(super) fn routes(&self) -> Vec<Route> {
        let root = tree::data_sets(&self.attributes);
        let everything = self.categories();
        let mut routes = Vec::new();
        for (id, path, level) in SEARCHES {
            let mut route = self.route(&format!("dicom.{id}.search"), path, Action::Search, root.clone(), everything);
            route.query = self.query(everything, level);
            route.subject.query = SUBJECT.map(Into::into).into();
            route.subject.query_optional = true;
            route.dicom = Some(Dicom {
                refused: false,
                asks_too: Some(format!("includefield={PATIENT_ID}").into()),
                lookup: None,
            });
            routes.push(route);
        }
        for (depth, (level, path)) in LEVELS.into_iter().enumerate() {
            let path_of = |rest: &str| format!("{path}{rest}");
            let id = |what: &str| format!("dicom.{level}.{what}");
            routes.push(self.route(&id("metadata"), &path_of("/metadata"), Action::Read, root.clone(), everything));
            routes.push(self.opaque(&id("retrieve"), &path_of(""), depth, false));
            routes.push(self.opaque(&id("rendered"), &path_of("/rendered"), depth, true));
            routes.push(self.opaque(&id("thumbnail"), &path_of("/thumbnail"), depth, true));
        }
        let (_, instance) = LEVELS[2];
        for (id, rest) in [
            ("frames", "/frames/{frames}"),
            ("frames.rendered", "/frames/{frames}/rendered"),
            ("frames.thumbnail", "/frames/{frames}/thumbnail"),
            ("bulk", "/bulk/{part}"),
            ("bulkdata", "/bulkdata/{part}"),
        ] {
            routes.push(self.opaque(&format!("dicom.{id}"), &format!("{instance}{rest}"), 2, true));
        }
        routes
    }

    /// What cannot be read inside: whose it is tells a search.
    fn opaque(&self, id: &str, path: &str, depth: usize, pixels: bool) -> Route {
        let everything = self.categories();
        let categories =
            if pixels && self.burnt_in == BurntIn::Cleared { self.pixels.or(self.told) } else { everything };
        let nothing = Draft::default().freeze();
        let mut route = self.route(id, path, Action::Read, nothing, categories);
        route.shape = Shape::Opaque;
        route.entries = Pointer::default();
        let (search, ..) = SEARCHES.get(depth).copied().unwrap_or(SEARCHES[0]);
        route.dicom = Some(Dicom {
            refused: pixels && self.burnt_in == BurntIn::Unknown,
            asks_too: None,
            lookup: Some(Lookup {
                path: format!("{}/{search}", self.base).into(),
                tags: RECORD_IDS.iter().take(depth + 1).map(|(_, tag)| *tag).collect(),
            }),
        });
        route
    }

    fn route(&self, id: &str, path: &str, action: Action, root: Arc<Node>, categories: Categories) -> Route {
        let class = self.class.clone();
        let place = Pointer::parse(&format!("/{PATIENT_ID}/Value/*")).unwrap_or_default();
        Route {
            id: id.into(),
            template: format!("{}{path}", self.base).into(),
            actions: vec![("GET".into(), action)],
            class: class.as_ref().map(|(index, _)| *index),
            class_name: class.map(|(_, name)| name),
            shape: Shape::List,
            entries: Pointer::element(),
            subject: SubjectSpec { entry: Some(SubjectPath::new(place, false)), ..SubjectSpec::default() },
            query: HashMap::new(),
            root,
            body: Draft::default().freeze(),
            categories,
            body_categories: Categories::NONE,
            certified: None,
            existence: self.existence,
            fhir: false,
            resource_type: None,
            merges: false,
            told_by_type: self.told,
            dicom: Some(Dicom { refused: false, asks_too: None, lookup: None }),
        }
    }

    /// The parameters of a search, by keyword and by tag. An archive matches attributes of every level; the data sets that it
    /// finds show those of their own.
    fn query(&self, everything: Categories, level: usize) -> HashMap<Box<str>, Param> {
        let mut query: HashMap<Box<str>, Param> = HashMap::new();
        let mut both = |keyword: &str, tag: &str, param: Param| {
            query.insert(keyword.into(), param.clone());
            query.insert(tag.into(), param);
        };
        let shown = |keyword: &Text| {
            self.search.get(level).is_some_and(|own| own.iter().any(|known| known.text == keyword.text))
        };
        for keyword in self.search.iter().flatten() {
            let Some((tag, attribute)) = self.attributes.named(&keyword.text) else { continue };
            if let Some(categories) = attribute.searched(everything) {
                let param = if shown(keyword) { Param::Filter(categories) } else { Param::Unshown(categories) };
                both(&attribute.keyword, tag, param);
            }
        }
        for (keyword, tag) in RECORD_IDS {
            both(keyword, tag, Param::Uids);
        }
        both(SUBJECT[0], SUBJECT[1], Param::Subject);
        let mut fields: HashMap<Box<str>, Categories> = HashMap::new();
        for (tag, attribute) in self.attributes.tagged() {
            if let Some(categories) = attribute.searched(everything) {
                fields.insert(tag.into(), categories);
                fields.insert(attribute.keyword.clone(), categories);
            }
        }
        // An id that names a record, and whom it is about, is in every answer, in the form that it has there.
        for name in RECORD_IDS.iter().flat_map(|(keyword, tag)| [*keyword, *tag]).chain(SUBJECT) {
            fields.insert(name.into(), Categories::NONE);
        }
        query.insert("includefield".into(), Param::Names(Arc::new(fields)));
        query.insert("fuzzymatching".into(), Param::Only(vec!["true".into(), "false".into()]));
        query.insert("limit".into(), Param::Page);
        query.insert("offset".into(), Param::Page);
        query
    }
}
