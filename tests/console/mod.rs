//! The console over real sockets, on a log that a demo filled.

mod altered;
mod door;
mod exports;
mod oidc;
mod recorded;
mod rights;
mod support;
