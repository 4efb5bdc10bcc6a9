//! The console over real sockets, on a log that a demo filled.

mod door;
mod exports;
mod oidc;
mod rights;
mod support;
