//! What does the organisation's published policy allow? Documents, vocabulary, checks and the tables compiled from them.

mod category;
mod fault;
mod form;
pub mod reader;
mod vocabulary;

pub use category::{Categories, Category};
pub use fault::{Fault, Faults, Source, nearest};
pub use form::{Form, Release};
pub(crate) use vocabulary::read_kinds;
pub use vocabulary::{ActId, Action, Basis, BasisId, Dataset, Kind, Kinds, RequestKind, Vocabulary, lift};
