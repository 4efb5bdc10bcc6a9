//! Tokens against the whole room: real keys, real files, real loopback servers.

mod arbitrary;
mod assertions;
pub(crate) mod mint;
mod refusals;
mod remembered;
mod rotation;
mod server;
