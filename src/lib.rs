//! Sekisho enforces an organisation's published privacy policy on every request.
#![warn(missing_docs)]

pub mod audit;
pub mod catalogue;
pub mod cli;
pub mod decision;
#[cfg(feature = "demo")]
pub mod demo;
pub mod identity;
pub mod layer;
pub mod policy;
pub mod proxy;
pub mod redact;
pub mod registry;
pub mod store;
