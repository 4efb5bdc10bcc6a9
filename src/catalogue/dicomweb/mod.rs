//! How is a `dicomweb` document read? Attributes by their tags, joined to the tree of a data set in JSON (PS3.18 annex F).
//!
//! | routes under `base` | taken as |
//! |---|---|
//! | `/studies`, `/series`, `/instances`, `/studies/{study}/series` … | a search (QIDO-RS): a list of data sets |
//! | `/studies/{study}/metadata`, of a series, of an instance | a list of data sets |
//! | `/studies/{study}`, of a series, of an instance | opaque: every category that a data set can carry |
//! | `…/frames/{frames}`, `…/rendered`, `…/thumbnail`, `…/bulk/{tag}` | opaque, and pixels: see [`BurntIn`] |
//!
//! Everything else is 404 or 405; nothing is stored (`POST`).
//!
//! `entries` reads the attributes, `tree` makes the tree, `routes` the routes. An attribute is an object of `vr` and
//! `Value`, `BulkDataURI` or `InlineBinary`; what it is holds for the value, `vr` is nobody's data, a bulk data URI is a link
//! and inline bytes are free text. Attributes that nobody named, and all of an odd group, are withheld.

mod entries;
mod routes;
mod tree;
mod vr;

use crate::policy::reader::{Reader, Table, Text};
use crate::policy::{Categories, Vocabulary};

use super::check::NOTHING_TO_COUNT_AS;
use super::rest::category;
use super::route::Existence;
use super::{Catalogue, fields::Meaning};
use entries::Attributes;

pub use vr::{Room, Vr, is_uid};

/// Where a data set names its patient.
pub const PATIENT_ID: &str = "00100020";
/// The ids of studies, series and instances: keyword, tag.
pub const RECORD_IDS: [(&str, &str); 3] =
    [("StudyInstanceUID", "0020000D"), ("SeriesInstanceUID", "0020000E"), ("SOPInstanceUID", "00080018")];

/// The levels at which a search finds data sets (PS3.18 section 10.6): each shows what is of its own.
const LEVELS: [&str; 3] = ["study", "series", "instance"];

/// What is known of names that stand in the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BurntIn {
    /// Nobody has said: pixels are refused.
    #[default]
    Unknown,
    /// They may be there: pixels count as everything that a data set can carry.
    Counts,
    /// There are none: pixels count as what the document says of them.
    Cleared,
}

/// What a DICOMweb route needs besides what every route has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dicom {
    /// Nobody has said whether names stand in the pixels that it answers.
    pub refused: bool,
    /// What the gate asks of the backend besides what the caller asks, so that each entry names its patient: one query
    /// parameter.
    pub asks_too: Option<Box<str>>,
    /// The search that tells whose an opaque answer is; see [`Lookup`].
    pub lookup: Option<Lookup>,
}

/// Whose is an object that cannot be read inside? A search for it, whose answer has to repeat the ids that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The search's path.
    pub path: Box<str>,
    /// The tags of the ids in the route's path, in its order.
    pub tags: Vec<&'static str>,
}

/// One document, or one laid over the compiled-in one.
pub(super) struct Document<'v> {
    vocabulary: &'v Vocabulary,
    base: String,
    class: Option<(u8, Box<str>)>,
    told: Categories,
    pixels: Categories,
    burnt_in: BurntIn,
    existence: Existence,
    /// What a search may filter on, by the level whose data sets show it.
    search: [Vec<Text>; 3],
    attributes: Attributes,
}

/// Reads the surface into the catalogue; faults go to the table's reader.
pub(super) fn read(catalogue: &mut Catalogue, root: &Table<'_>, vocabulary: &Vocabulary) {
    let mut document = Document {
        vocabulary,
        base: String::new(),
        class: None,
        told: Categories::NONE,
        pixels: Categories::NONE,
        burnt_in: BurntIn::Unknown,
        existence: Existence::Hidden,
        search: Default::default(),
        attributes: Attributes::default(),
    };
    if let Some(name) = root.text("based-on") {
        match name.text.as_str() {
            "dicomweb" => {
                let compiled_in = Reader::new(Catalogue::dicomweb_source());
                compiled_in.read(|base| {
                    drop(base.text("surface"));
                    document.take(base);
                });
                for fault in compiled_in.faults().0 {
                    root.reader().fault(name.span.clone(), fault.message, fault.help);
                }
            }
            _ => root.reader().unknown("document to be based on", &name, ["dicomweb"]),
        }
    }
    document.take(root);
    if document.class.is_none() && !root.has("subject-class") {
        root.missing("subject-class");
    }
    let faults = document.faults();
    if faults.is_empty() {
        for route in document.routes() {
            if let Err(why) = catalogue.add(route) {
                root.reader().fault(root.span(), why, None);
            }
        }
    }
    for fault in faults {
        root.reader().fault(root.span(), fault, None);
    }
}

impl Document<'_> {
    /// Takes over what this table says; what it does not say stays.
    fn take(&mut self, root: &Table<'_>) {
        if let Some(base) = root.text("base") {
            let plain =
                |step: &str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            if !base.text.is_empty() && !base.text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain)) {
                root.reader().fault(base.span, "`base` is to be a path such as `/dicom-web`", None);
            }
            self.base = base.text;
        }
        if let Some(name) = root.text("subject-class") {
            let index = self.vocabulary.class(&name.text);
            if index.is_none() {
                root.reader().unknown("subject class", &name, self.vocabulary.classes());
            }
            self.class = index.map(|index| (index, name.text.into()));
        }
        let vocabulary = self.vocabulary;
        let of = |set: Categories, name: &Text| set.or(category(root, vocabulary, name));
        if let Some(told) = root.text("told") {
            self.told = of(Categories::NONE, &told);
        }
        if root.has("pixels") {
            self.pixels = root.texts("pixels").iter().fold(Categories::NONE, of);
        }
        if let Some(word) = root.text("burnt-in-text") {
            match word.text.as_str() {
                "counts" => self.burnt_in = BurntIn::Counts,
                "cleared" => self.burnt_in = BurntIn::Cleared,
                _ => root.reader().unknown("`burnt-in-text`", &word, ["counts", "cleared"]),
            }
        }
        if let Some(word) = root.text("existence") {
            match word.text.as_str() {
                "hidden" => self.existence = Existence::Hidden,
                "open" => self.existence = Existence::Open,
                _ => root.reader().unknown("existence", &word, ["hidden", "open"]),
            }
        }
        for (name, keywords) in root.lists("search") {
            match LEVELS.iter().position(|level| *level == name.text).and_then(|level| self.search.get_mut(level)) {
                Some(level) => *level = keywords,
                None => root.reader().unknown("level of a search", &name, LEVELS),
            }
        }
        self.attributes.take(root, vocabulary);
        for keyword in self.search.iter().flatten() {
            if self.attributes.named(&keyword.text).is_none() {
                root.reader().unknown("attribute", keyword, self.attributes.keywords());
            }
        }
    }

    /// What no single key can show.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let patient = self.attributes.by_tag(PATIENT_ID);
        if !patient.is_some_and(|attribute| matches!(attribute.meaning, Some(Meaning::Category(_)))) {
            faults.push(format!("`{PATIENT_ID}` names whom a data set is about: it needs a category"));
        }
        for (keyword, tag) in RECORD_IDS {
            let known = self.attributes.by_tag(tag);
            if !known.is_some_and(|a| a.vr == Vr::Ui && matches!(a.meaning, Some(Meaning::Category(_)))) {
                faults.push(format!("`{tag}`, {keyword}, names records: it is a UI with a category"));
            }
        }
        if self.categories().is_empty() {
            faults.push(NOTHING_TO_COUNT_AS.to_owned());
        }
        if self.burnt_in == BurntIn::Cleared && self.pixels.is_empty() {
            faults.push("`pixels` is missing: what do cleared pixels show?".to_owned());
        }
        faults
    }

    /// Every category that a data set can carry.
    fn categories(&self) -> Categories {
        self.attributes.iter().fold(self.told.or(self.pixels), |set, attribute| match attribute.meaning {
            Some(Meaning::Category(category)) => set.or(category.only()),
            _ => set,
        })
    }
}
