//! What does the organisation's published policy allow? Documents, vocabulary, checks and the tables compiled from them.

mod category;
mod form;

pub use category::{Categories, Category};
pub use form::{Form, Release};
