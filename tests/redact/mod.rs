//! The streaming filter as its callers see it.

mod chunking;
mod hazards;
mod lists;
mod memory;
mod reference;
mod resources;
mod support;
