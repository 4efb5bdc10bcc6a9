//! The command line, run as a person or a program would run it.

mod accounts;
mod check;
mod coverage;
mod decide;
mod explain;
mod index;
mod redact;
mod serving;
mod support;
mod test;
