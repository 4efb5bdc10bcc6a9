//! Sekisho enforces an organisation's published privacy policy on every request.
#![warn(missing_docs)]

pub mod catalogue;
pub mod decision;
pub mod policy;
pub mod registry;
