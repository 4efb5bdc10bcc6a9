//! What does the console keep of its own between two starts? Views of people, and how a log's last verification ended.
//!
//! In a SQLite file beside the index, of the owner's alone. Nothing of the log's: it is lost without harm, and one that
//! cannot be read is put aside, since a console that does not come up helps nobody. That a log was found bad is on record
//! in `log/console` besides.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::ConsoleError;
use super::error::Trouble;
use crate::store::own;

/// The file.
pub(super) struct Kept(Mutex<Connection>);

impl Kept {
    pub(super) fn open(path: &Path) -> Result<Kept, ConsoleError> {
        let cannot = |error: &dyn std::fmt::Display| ConsoleError(format!("{}: {error}", path.display()));
        own::make(path).map_err(|error| cannot(&error))?;
        let connection = match connect(path) {
            Err(error) if own::is_damage(&error) => {
                let aside = own::put_aside(path).map_err(|error| cannot(&error))?;
                tracing::warn!(aside = %aside.display(), "the console's own file cannot be read: kept views are gone");
                own::make(path).map_err(|error| cannot(&error))?;
                connect(path)
            }
            opened => opened,
        };
        Ok(Kept(Mutex::new(connection.map_err(|error| cannot(&error))?)))
    }

    pub(super) fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Trouble> {
        question(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).map_err(Trouble::unable)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(CREATE)?;
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound == "ok" {
        return Ok(connection);
    }
    let damage = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(damage, Some(sound)))
}

const CREATE: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS view (
    issuer TEXT NOT NULL, person TEXT NOT NULL, name TEXT NOT NULL, query TEXT NOT NULL,
    PRIMARY KEY (issuer, person, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verified (
    log TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, records INTEGER NOT NULL, agreed INTEGER NOT NULL,
    signed INTEGER NOT NULL, by_key INTEGER NOT NULL, bad TEXT NOT NULL, failed TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";
