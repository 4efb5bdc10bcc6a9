//! Is every decision the one that the document asks for? The judge against the reference reading, documents with faults,
//! revisions, JSON from outside, and the conformance cases.

mod cells;
mod support;
