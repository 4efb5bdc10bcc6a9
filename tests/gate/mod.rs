//! The whole gate: the program itself as a process of its own, real sockets on both sides, a real disk.

mod canary;
pub(crate) mod coded;
mod headless;
mod killed;
mod memory;
mod support;
mod unruly;
mod withheld;
