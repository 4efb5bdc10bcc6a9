//! The streaming filter as its callers see it.

mod chunking;
mod hazards;
mod lists;
mod resources;
mod support;
