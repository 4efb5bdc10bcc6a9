//! All integration tests, as one binary: it links once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod audit;
mod catalogue;
mod cli;
#[cfg(feature = "demo")]
mod console;
mod decision;
#[cfg(feature = "demo")]
mod demo;
mod fhir;
mod fuzz;
mod gate;
mod identity;
mod index;
mod layer;
mod proxy;
mod redact;
mod registry;
mod review;
mod rooms;
