//! Is every decision the one that the document asks for? The judge against the reference reading, documents with faults,
//! revisions, JSON from outside, and the conformance cases.

mod allocation;
mod cells;
mod conformance;
mod faults;
mod generated;
mod json;
mod narrow;
mod provisional;
mod relations;
mod revisions;
mod support;
