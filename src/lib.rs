//! Sekisho enforces an organisation's published privacy policy on every request.
#![warn(missing_docs)]

pub mod catalogue;
#[cfg(feature = "demo")]
pub mod demo;
pub mod policy;
