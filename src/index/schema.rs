//! How does the index lie on disk? One SQLite file, 0600, beside the folder of the logs.
//!
//! ```text
//! state     one row: `generation` counts commits, so that a reader sees that something is new
//! log       each log: its name, behind which record it was read, what was lost of it
//! place     every 256 records: in which segment and at which byte to begin looking, and the record's hash
//! block     up to 8192 accesses of one log: their numbers and times
//! part      key = part << 40 | block: one column of a block, see `block`
//! posting   key = bucket << 40 | block: who is named, and which ids, by a hash's first bits
//! tail      accesses that are in no block yet, a row each
//! word      the strings, by kind; members: of a set, the ids of its words
//! administrative, stranger   the records that are no access
//! ```
//! Accesses lie in columns and not in rows: a question reads the few columns that it is about, 1 or 2 bytes an access,
//! and each column of a block begins with the values in it and how often, so that most blocks are counted or passed
//! over unread.

use super::IndexError;
use crate::store::own;
use rusqlite::{Connection, OpenFlags, Transaction};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// `Skix` in `application_id`.
const APPLICATION: i64 = 0x536b_6978;
/// Schema of this version, in `user_version`. Another one is made anew.
const SCHEMA: i64 = 2;
const BUSY: Duration = Duration::from_secs(30);

const CREATE: &str = "
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (1, 1);
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    number INTEGER NOT NULL DEFAULT 0,
    hash TEXT NOT NULL DEFAULT '',
    segment TEXT NOT NULL DEFAULT '',
    line INTEGER NOT NULL DEFAULT 0,
    at INTEGER NOT NULL DEFAULT 0,
    beyond INTEGER NOT NULL DEFAULT 0,
    last INTEGER NOT NULL DEFAULT 0,
    newest_ms INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    records INTEGER NOT NULL DEFAULT 0,
    passed_over INTEGER NOT NULL DEFAULT 0,
    lost TEXT NOT NULL DEFAULT '',
    lost_seq INTEGER NOT NULL DEFAULT 0,
    lost_hash TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE fault (
    log INTEGER NOT NULL, seq INTEGER NOT NULL, segment TEXT NOT NULL, said TEXT NOT NULL,
    PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE segment (
    log INTEGER NOT NULL, first INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (log, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE place (
    log INTEGER NOT NULL, seq INTEGER NOT NULL, segment INTEGER NOT NULL, line INTEGER NOT NULL, offset INTEGER NOT NULL,
    hash TEXT NOT NULL, PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE block (
    id INTEGER PRIMARY KEY, log INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, rows INTEGER NOT NULL,
    from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, order_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE part (key INTEGER PRIMARY KEY, head BLOB NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE posting (key INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE tail (
    log INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE word (
    kind INTEGER NOT NULL, id INTEGER NOT NULL, text TEXT NOT NULL, members BLOB NOT NULL, PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE administrative (
    log INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL, action TEXT NOT NULL, who TEXT NOT NULL,
    PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE stranger (
    log INTEGER NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL, time_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    networks INTEGER NOT NULL, PRIMARY KEY (log, seq, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX stranger_time ON stranger (time_ms);
";

/// Opens the file for the one that builds; makes it where there is none, and anew where it is of another version.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, IndexError> {
    make(path)?;
    match prepare(path) {
        // Derived, and nobody else's: what SQLite cannot read any more is made again.
        Err(IndexError::Sqlite(error)) if own::is_damage(&error) => {
            own::remove(path)?;
            make(path)?;
            prepare(path)
        }
        answer => answer,
    }
}

/// A connection that can only read.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, IndexError> {
    // Not read-only by flag: a reader of a WAL file needs its shared memory, which it may have to make.
    let connection = connect(path)?;
    let (application, version) = versions(&connection)?;
    if (application, version) != (APPLICATION, SCHEMA) {
        return Err(IndexError::NotAnIndex(path.display().to_string()));
    }
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "mmap_size", MAPPED_BYTES)?;
    Ok(connection)
}

/// Empties the index, in one step for those who read it.
pub(super) fn remake(connection: &mut Connection) -> Result<(), IndexError> {
    let transaction = connection.transaction()?;
    let generation = generation(&transaction).unwrap_or(0);
    create(&transaction)?;
    transaction.execute("UPDATE state SET generation = ?1", [generation + 1])?;
    transaction.commit()?;
    Ok(())
}

/// Which commit this is.
pub(super) fn generation(connection: &Connection) -> Result<i64, IndexError> {
    Ok(connection.query_row("SELECT generation FROM state", [], |row| row.get(0))?)
}

fn prepare(path: &Path) -> Result<Connection, IndexError> {
    let mut connection = connect(path)?;
    let (application, version) = versions(&connection)?;
    if application != APPLICATION && (application != 0 || tables(&connection)? > 0) {
        return Err(IndexError::NotAnIndex(path.display().to_string()));
    }
    if application == 0 {
        connection.pragma_update(None, "page_size", 8192)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A loss of power may take the last commits, which are then read from the log again; never one half.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    if version != SCHEMA {
        let transaction = connection.transaction()?;
        create(&transaction)?;
        transaction.commit()?;
    }
    Ok(connection)
}

fn create(transaction: &Transaction<'_>) -> Result<(), IndexError> {
    let names: Vec<String> = transaction
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for name in names {
        transaction.execute_batch(&format!("DROP TABLE \"{}\"", name.replace('"', "\"\"")))?;
    }
    transaction.execute_batch(CREATE)?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, IndexError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn versions(connection: &Connection) -> Result<(i64, i64), IndexError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((pragma("application_id")?, pragma("user_version")?))
}

fn tables(connection: &Connection) -> Result<i64, IndexError> {
    Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?)
}

fn make(path: &Path) -> Result<(), IndexError> {
    own::make(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => IndexError::NotAnIndex(path.display().to_string()),
        _ => error.into(),
    })
}

/// SQLite's integers are signed; counts of records and bytes stay far below the sign.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// See [`signed`].
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// How much of the file a reader maps.
const MAPPED_BYTES: i64 = 4 << 30;
