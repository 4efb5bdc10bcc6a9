//! What can go wrong with the registry, said without naming a person.

use std::fmt;
use std::io;

use crate::policy::Faults;

/// A mistake in an entry, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, in lower case.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl Mistake {
    pub(super) fn new(message: impl Into<String>, help: Option<String>) -> Mistake {
        Mistake { message: message.into(), help }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.help {
            Some(help) => write!(f, "{} ({help})", self.message),
            None => write!(f, "{}", self.message),
        }
    }
}

/// Every mistake of an entry; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            write!(f, "{}{mistake}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Mistakes {
        Mistakes(vec![mistake])
    }
}

/// Why the registry could not be opened, read or changed. What was to be entered or ended is not to be relied on.
#[derive(Debug)]
pub enum RegistryError {
    /// There is no file, and none was to be made.
    Missing,
    /// The file cannot be reached.
    Io(io::Error),
    /// Group or others may read or write the file; its mode is given.
    Permissions(u32),
    /// The file is something else, or empty.
    NotARegistry,
    /// Written by a newer Sekisho: its schema, and the newest known here.
    Newer(i64, i64),
    /// A row is not what was written, or rows are gone; the row's number and what is wrong.
    Damaged(i64, &'static str),
    /// SQLite's own word for it.
    Sqlite(rusqlite::Error),
    /// A call panicked while it held the registry; it has to be opened again.
    Poisoned,
    /// The entry is refused.
    Refused(Mistakes),
    /// The seeds are refused, with every place.
    Seeds(Faults),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryError::Missing => write!(f, "there is no registry file"),
            RegistryError::Io(error) => write!(f, "the registry file cannot be reached: {error}"),
            RegistryError::Permissions(mode) => {
                write!(f, "the registry file is open to group or others (mode {mode:04o}): make it 0600")
            }
            RegistryError::NotARegistry => write!(f, "the file is no registry"),
            RegistryError::Newer(found, known) => {
                write!(f, "the registry has schema {found}; this version knows up to {known}")
            }
            RegistryError::Damaged(row, why) => write!(f, "the registry is damaged at row {row}: {why}"),
            RegistryError::Sqlite(error) => write!(f, "the registry cannot be read or written: {}", said(error)),
            RegistryError::Poisoned => write!(f, "the registry was left by a call that panicked: open it again"),
            RegistryError::Refused(mistakes) => write!(f, "{mistakes}"),
            RegistryError::Seeds(faults) => write!(f, "{faults}"),
        }
    }
}

/// SQLite's result code in words; never the statement or its values.
fn said(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, _) => code.to_string(),
        _ => "unexpected shape".to_owned(),
    }
}

impl std::error::Error for RegistryError {}

impl From<rusqlite::Error> for RegistryError {
    fn from(error: rusqlite::Error) -> RegistryError {
        RegistryError::Sqlite(error)
    }
}

impl From<io::Error> for RegistryError {
    fn from(error: io::Error) -> RegistryError {
        RegistryError::Io(error)
    }
}

impl From<Mistakes> for RegistryError {
    fn from(mistakes: Mistakes) -> RegistryError {
        RegistryError::Refused(mistakes)
    }
}

impl From<Mistake> for RegistryError {
    fn from(mistake: Mistake) -> RegistryError {
        RegistryError::Refused(mistake.into())
    }
}

/// The view cannot be shown to be current: the caller answers 503 and forwards nothing.
#[derive(Debug)]
pub enum Stale {
    /// The file is gone or cannot be reached.
    Gone,
    /// Another file stands in its place.
    Replaced,
    /// The file was locked, and the view was last confirmed longer ago than `staleness_ms_max`.
    Locked,
    /// The file cannot be read, or is not what was written.
    Unreadable(RegistryError),
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stale::Gone => write!(f, "the registry file is gone"),
            Stale::Replaced => {
                write!(f, "the registry file, or SQLite's `-wal` or `-shm` beside it, was replaced: start again")
            }
            Stale::Locked => write!(f, "the registry is locked for too long"),
            Stale::Unreadable(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Stale {}
