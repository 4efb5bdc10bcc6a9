//! How does a request come in, reach the gate of its site and the backend, and the answer go out again?
//!
//! A caller's connection ([`listener`]) carries requests to the [`route`] of their site; each site's
//! [`crate::layer::PurposeLayer`] judges them and asks its [`upstream`]; answers leave in a [`coding`] that the caller
//! accepts. [`settings`] says all of it in one file, [`keys`] holds the secrets, [`sites`] builds the gates, [`serve`]
//! runs everything, [`admin`] tells how it is doing.
//!
//! Promises:
//! * This room decides nothing: what may pass is the layer's judgement alone.
//! * Whatever stalls, floods or lies about its length is cut, and no more of an answer leaves than was judged.

pub mod admin;
pub mod check;
pub mod coding;
pub mod console;
mod keeper;
pub mod keys;
pub mod limits;
pub mod listener;
pub mod mirror;
mod on_record;
pub mod process;
pub mod reload;
pub mod route;
pub mod serve;
pub mod settings;
pub mod sink;
pub(crate) mod sinks;
pub mod sites;
pub mod tls;
pub mod upstream;

mod body;
mod error;
mod tokens;
mod watch;
pub(crate) mod wire;

pub use body::{AnswerBody, BoxError, CallerBody};
pub use error::ProxyError;
