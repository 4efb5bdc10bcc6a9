//! The streaming filter as its callers see it.

pub(crate) mod breadth;
mod chunking;
mod dicom;
mod fhir_reference;
mod forms;
mod hazards;
mod lists;
mod maps;
mod memory;
mod modifiers;
mod parties;
mod reference;
mod resources;
mod shapes;
#[allow(dead_code, reason = "half of it is for what the fuzzer runs")]
mod slow;
mod suite;
mod support;
mod trees;
