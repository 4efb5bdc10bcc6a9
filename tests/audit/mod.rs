//! The access log as evidence: what a crash, a full disk, a failing flush or a hand on the files can do to it.

mod bytes;
mod crash;
mod exported;
mod followed;
mod kept;
mod killed;
mod limits;
pub(crate) mod schema;
mod signed;
mod support;
mod writer;
