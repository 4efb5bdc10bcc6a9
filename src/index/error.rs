//! Why could the index not answer?

use std::fmt;
use std::io;

/// What went wrong. Nothing of the log is lost by any of them: the index is made from it, and can be made again.
#[derive(Debug)]
#[non_exhaustive]
pub enum IndexError {
    /// A file or folder could not be read.
    Disk(io::Error),
    /// SQLite said so.
    Sqlite(rusqlite::Error),
    /// The file is somebody else's, or no file.
    NotAnIndex(String),
    /// The file is not as this version writes it.
    Damaged(&'static str),
}

impl fmt::Display for IndexError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexError::Disk(error) => write!(out, "the log or its index cannot be read: {error}"),
            IndexError::Sqlite(error) => {
                write!(out, "the index does not answer: {error}; `sekisho audit index --rebuild` makes it anew")
            }
            IndexError::NotAnIndex(path) => {
                write!(out, "`{path}` is no index of an access log: move it away, and one is made there")
            }
            IndexError::Damaged(what) => {
                write!(out, "the index is damaged ({what}): `sekisho audit index --rebuild` makes it anew")
            }
        }
    }
}

impl std::error::Error for IndexError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            IndexError::Disk(error) => Some(error),
            IndexError::Sqlite(error) => Some(error),
            IndexError::NotAnIndex(_) | IndexError::Damaged(_) => None,
        }
    }
}

impl From<rusqlite::Error> for IndexError {
    fn from(error: rusqlite::Error) -> IndexError {
        IndexError::Sqlite(error)
    }
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> IndexError {
        IndexError::Disk(error)
    }
}
