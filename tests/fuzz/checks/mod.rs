//! What the fuzzer gives its inputs to. Each `check` takes any bytes at all and panics where a promise is broken; the targets
//! are these functions, and the tests run them over the corpus.
#![allow(
    unreachable_pub,
    clippy::duplicate_mod,
    reason = "the root of the targets' library, and a module of the tests, which have what it shares with them once more"
)]

#[path = "../../redact/support.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

#[path = "../../redact/slow/mod.rs"]
#[allow(dead_code, reason = "shared with the tests")]
pub(crate) mod slow;
#[path = "../../redact/trees.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod trees;

pub mod declaration;
pub mod documents;
pub mod evaluation;
pub mod fhir;
pub mod gate;
pub mod log;
pub mod redact;
pub mod target;
