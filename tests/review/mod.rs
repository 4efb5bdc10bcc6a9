//! The journal of reviews, over real folders: who may say what of which access, and what is on record of it.

#[cfg(feature = "demo")]
mod command;
mod damaged;
mod queue;
mod support;
mod together;
mod verdicts;
