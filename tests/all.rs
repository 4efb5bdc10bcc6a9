//! All integration tests, as one binary: it links once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod audit;
mod catalogue;
mod cli;
mod decision;
mod fhir;
mod identity;
mod layer;
mod proxy;
mod redact;
mod registry;
