//! Which records say this, and how many?
//!
//! An index of the access log in one SQLite file beside it: for screens that answer at once over ten million records. It
//! is derived. Nothing is believed because it stands here: it can be thrown away at any time and made again from the
//! log, and is, where its version or the log that it was made from is another. In order: [`Index::catch_up`] follows
//! every log of a data folder; [`Queries`] asks, from any thread, while it does.
//!
//! Promises:
//! * A record is in the index only once it is durable, and counts as verified only as far as the chain was whole.
//! * A batch of records and the position behind them are one transaction.
//! * An answer is of one commit, and exact.
//! * It says no more than the log: persons are sealed there, and here they are a hash of that.
//! * A record's own words come from the log ([`Queries::line`]).
//!
//! Accesses lie in columns of up to 8192, see `schema` and `block`.

mod access;
mod begun;
mod block;
mod build;
mod bytes;
mod error;
mod filter;
mod fold;
mod held;
mod integrity;
mod known;
mod logs;
mod mixed;
mod named;
mod queries;
mod scan;
mod schema;
mod search;
mod state;
mod sums;
mod unusual;
mod walk;
mod words;

pub use access::{Flags, Outcome};
pub use begun::Begun;
pub use build::{Index, Limit, Progress};
pub use error::IndexError;
pub use filter::Filter;
pub use held::Held;
pub use integrity::{Broken, Integrity, Segment};
pub use logs::Logs;
pub use mixed::Mixed;
pub use named::{Strangers, Unclassified};
pub use queries::{Place, Queries, Row};
pub use search::{About, Done};
pub use sums::{ByOutcome, Counted, Facet, Left, Meeting, Spans};
pub use unusual::{Asking, Unusual};

/// The file's name in a data folder.
pub const FILE: &str = "index.sqlite";
