//! Tokens against the whole room: real keys, real files, real loopback servers.

mod arbitrary;
mod assertions;
mod mint;
mod refusals;
mod remembered;
mod rotation;
mod server;
