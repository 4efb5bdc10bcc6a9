//! Why is there no console, or no page?

use std::fmt;

/// Why the console cannot begin. In lower case; of no one's data.
#[derive(Debug)]
pub struct ConsoleError(pub String);

impl fmt::Display for ConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConsoleError {}

/// Why a page is not shown. What the log says of it is the process's own message; what the reader is told is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The address or the form says nothing that could be answered; what is wrong with it.
    Asked(String),
    /// There is no such page or record.
    Missing,
    /// His roles do not allow it.
    Forbidden,
    /// The form is not from a page of his session.
    Forged,
    /// Not now: who he is, what the log holds, or that he reads it cannot be told.
    Unable(String),
}

impl Trouble {
    pub(super) fn unable(error: impl fmt::Display) -> Trouble {
        Trouble::Unable(error.to_string())
    }
}

impl From<crate::index::IndexError> for Trouble {
    fn from(error: crate::index::IndexError) -> Trouble {
        Trouble::unable(error)
    }
}
