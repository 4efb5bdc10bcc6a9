//! What can be done from the command line? A file per command; an exit code per meaning.

pub mod documents;
