//! Sekisho enforces an organisation's published privacy policy on every request.
#![warn(missing_docs)]

pub mod audit;
pub mod catalogue;
pub mod cli;
pub mod decision;
pub mod identity;
#[cfg(feature = "demo")]
pub mod demo;
pub mod policy;
pub mod store;
pub mod redact;
pub mod registry;
