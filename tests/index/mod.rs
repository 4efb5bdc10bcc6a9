//! The index of the access log: every answer against a slow reading of the same lines, and what may happen to a log.

mod damaged;
mod following;
mod held;
mod mixed;
mod same;
mod slow;
mod support;
mod unusual;
