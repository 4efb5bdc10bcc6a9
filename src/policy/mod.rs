//! What does the organisation's published policy allow? Documents, vocabulary, checks and the tables compiled from them.
//!
//! 1. [`Vocabulary`]: the words that all policies share.
//! 2. [`document`]: a policy as written, every fault with its place.
//! 3. [`compile()`]: names resolved, rules cut to cells, assertions checked → [`Policy`].
//! 4. [`load`]: an organisation's revisions; the day decides which answers.
//!
//! Invariant: this room touches no clock, file or socket; it is given text.

mod assertion;
mod category;
mod compile;
pub mod document;
pub mod facts;
mod fault;
mod form;
mod kind;
mod moment;
pub mod reader;
mod revision;
mod table;
mod vocabulary;

pub use assertion::MECHANISMS;
pub use category::{Categories, Category};
pub use compile::compile;
pub(crate) use compile::hex;
pub use facts::covers;
pub use fault::{Fault, Faults, Source, nearest};
pub use form::{Form, Release};
pub use kind::{Action, Dataset, Kind, Kinds};
pub use moment::{Moment, Window, instant, start};
pub use revision::load;
pub use table::{
    Apart, Cap, ClauseId, Conditions, Family, For, Grant, OptOut, Policy, Purpose, PurposeId, Recipient, RecipientId,
    Revisions, RoleSet, Rule, RuleId, need,
};
pub use vocabulary::{ActId, Basis, BasisId, RequestKind, Vocabulary, lift};
