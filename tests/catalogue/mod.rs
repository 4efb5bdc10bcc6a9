//! The catalogue as the layer uses it: whole documents in, requests resolved.

mod dicomweb;
mod documents;
mod fhir;
mod fhir_whole;
#[cfg(feature = "demo")]
mod samples;
mod search;
mod targets;
mod writes;

use sekisho::catalogue::Catalogue;
use sekisho::policy::{Categories, Faults, Source, Vocabulary};

/// A small API with every kind of route.
pub(crate) const SMALL: &str = include_str!("small.toml");

pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary::compiled_in().unwrap()
}

pub(crate) fn read(text: &str) -> Result<Catalogue, Faults> {
    Catalogue::read([Source::new("catalogue.toml", text)], &vocabulary())
}

pub(crate) fn small() -> Catalogue {
    read(SMALL).unwrap_or_else(|faults| panic!("{faults}"))
}

pub(crate) fn set(names: &[&str]) -> Categories {
    let vocabulary = vocabulary();
    names.iter().map(|name| vocabulary.category(name).expect("a leaf category")).collect()
}
