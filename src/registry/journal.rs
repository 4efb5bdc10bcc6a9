//! How does the registry lie on disk? One SQLite file with one table, to which rows are only ever added.
//!
//! ```text
//! journal  seq         1, 2, 3 … without a gap
//!          what        add | end
//!          entry       add: its own seq; end: the seq of the entry that it ends
//!          kind        see [`Kind`]
//!          subject     the person's id; null where the entry is about none
//!          words       add: the words as entered, a JSON object; end: {}
//!          entered_by  who
//!          at_ms       when, milliseconds since the Unix epoch, UTC
//!          digest      SHA-256 of the previous digest and of every field above, each with its length
//! ```
//! The digest is checked whenever a row is read, so that a flipped bit or a lost row stops the registry rather than a
//! person's objection. It is no signature: who can write the file can compute it. A tail cut off while nobody has the file
//! open is not seen; the log of changes has it.
//!
//! The table is also the change counter: a reader applies the rows after the last that it knows.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, params};
use sha2::{Digest, Sha256};

use super::error::RegistryError;
use super::kind::Kind;
use crate::policy::Moment;

/// Schema of this version, in `user_version`.
const SCHEMA: i64 = 1;
/// `Skrg` in `application_id`: tells a registry from any other SQLite file.
const APPLICATION: i64 = 0x536b_7267;
/// Longest wait for another process: to write, or to open.
pub(super) const BUSY: Duration = Duration::from_secs(5);

const CREATE: &str = "
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    what TEXT NOT NULL CHECK (what IN ('add', 'end')),
    entry INTEGER NOT NULL REFERENCES journal (seq),
    kind TEXT NOT NULL,
    subject TEXT,
    words TEXT NOT NULL,
    entered_by TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;
CREATE INDEX journal_subject ON journal (subject, seq);
CREATE UNIQUE INDEX journal_ended_once ON journal (entry) WHERE what = 'end';
CREATE TRIGGER journal_is_final_update BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'rows are final'); END;
CREATE TRIGGER journal_is_final_delete BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'rows are final'); END;
";

/// A row joined with the digest before it, which its own digest covers.
const SELECT: &str = "SELECT j.seq, j.what, j.entry, j.kind, j.subject, j.words, j.entered_by, j.at_ms, j.digest,
    (SELECT p.digest FROM journal p WHERE p.seq = j.seq - 1) FROM journal j ";

type Hash = [u8; 32];

/// What a row says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// An entry.
    Add,
    /// The end of an entry.
    End,
}

/// A row of the journal.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) step: Step,
    pub(super) entry: i64,
    pub(super) kind: Kind,
    pub(super) subject: Option<String>,
    pub(super) words: String,
    pub(super) by: String,
    pub(super) at: Moment,
}

/// How far the journal goes: its last row and that row's digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: i64,
    digest: Hash,
}

impl Head {
    /// Before the first row.
    const NONE: Head = Head { seq: 0, digest: [0; 32] };
}

/// Which rows.
pub(super) enum Rows<'a> {
    /// Every one.
    All,
    /// Those after this one.
    After(i64),
    /// Those about this person.
    Of(&'a str),
    /// Those about no person.
    Common,
    /// This one.
    One(i64),
}

/// The three files of an open journal: SQLite's own, its write-ahead log and its shared memory.
pub(super) struct Place {
    pub(super) file: PathBuf,
    log: PathBuf,
    pub(super) memory: PathBuf,
}

impl Place {
    pub(super) fn new(file: &Path) -> Place {
        let beside = |end: &str| {
            let mut name = file.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        Place { file: file.to_owned(), log: beside("-wal"), memory: beside("-shm") }
    }

    /// What lies there now. Never opens a file: closing a second descriptor would drop the locks that SQLite holds on it.
    pub(super) fn print(&self) -> std::io::Result<Print> {
        let data = fs::metadata(&self.file)?;
        let inode = |path| match fs::metadata(path) {
            Ok(data) => Ok(Some(data.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        Ok(Print {
            files: (data.dev(), data.ino(), inode(&self.log)?, inode(&self.memory)?),
            bytes: data.len(),
            modified: (data.mtime(), data.mtime_nsec()),
        })
    }
}

/// The files as the file system knows them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    files: (u64, u64, Option<u64>, Option<u64>),
    pub(super) bytes: u64,
    modified: (i64, i64),
}

impl Print {
    /// Whether they are the files that were opened. A log or memory that was removed beside an open journal would part this
    /// process from all others: each would write to its own and see nothing of the others' stops.
    pub(super) fn are_same_files(&self, other: &Print) -> bool {
        self.files == other.files
    }

    /// Whether the shared memory is this file.
    pub(super) fn has_memory(&self, inode: u64) -> bool {
        self.files.3 == Some(inode)
    }
}

/// Makes an empty registry where there is no file; leaves one that is there.
///
/// It is made beside and put in place whole, so that a crash never leaves half of one.
pub(super) fn create(path: &Path) -> Result<(), RegistryError> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let mut name = path.file_name().ok_or(RegistryError::NotARegistry)?.to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let beside = path.with_file_name(name);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?.sync_all()?;
    let made = fill(&beside).and_then(|()| match fs::hard_link(&beside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    });
    let removed = fs::remove_file(&beside);
    made?;
    removed?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(directory)?.sync_all()?;
    Ok(())
}

fn fill(path: &Path) -> Result<(), RegistryError> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(CREATE)?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error.into())
}

/// A connection to an existing registry of a known schema; `busy`: longest wait for another process's lock.
pub(super) fn connect(path: &Path, busy: Duration) -> Result<Connection, RegistryError> {
    let data = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => RegistryError::Missing,
        _ => RegistryError::Io(error),
    })?;
    let mode = data.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(RegistryError::Permissions(mode));
    }
    // SQLite takes an empty file for a new database: here it is one that lost its content.
    if !data.is_file() || data.len() == 0 {
        return Err(RegistryError::NotARegistry);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => RegistryError::NotARegistry,
        _ => error.into(),
    })?;
    if application != APPLICATION {
        return Err(RegistryError::NotARegistry);
    }
    match pragma("user_version")? {
        SCHEMA => {}
        newer if newer > SCHEMA => return Err(RegistryError::Newer(newer, SCHEMA)),
        _ => return Err(RegistryError::NotARegistry),
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    match mode.as_str() {
        "wal" => Ok(connection),
        _ => Err(RegistryError::Damaged(0, "it cannot be put in WAL mode")),
    }
}

/// Refuses a file whose pages do not fit together.
pub(super) fn check_pages(connection: &Connection) -> Result<(), RegistryError> {
    let found: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(RegistryError::Damaged(0, "its pages do not fit together")) }
}

/// SQLite's count of changes by other connections than this one.
pub(super) fn version(connection: &Connection) -> Result<i64, RegistryError> {
    Ok(connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}

/// Whether another connection's lock is in the way, so that a later call may succeed.
pub(super) fn is_locked(error: &RegistryError) -> bool {
    let RegistryError::Sqlite(error) = error else { return false };
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked))
}

/// The last row.
pub(super) fn head(connection: &Connection) -> Result<Head, RegistryError> {
    let mut statement = connection.prepare_cached("SELECT seq, digest FROM journal ORDER BY seq DESC LIMIT 1")?;
    let found = statement.query_row([], |row| Ok(Head { seq: row.get(0)?, digest: row.get(1)? }));
    Ok(found.optional()?.unwrap_or(Head::NONE))
}

/// Whether the journal still holds what this reader has read.
pub(super) fn holds(connection: &Connection, known: Head) -> Result<bool, RegistryError> {
    if known == Head::NONE {
        return Ok(true);
    }
    let mut statement = connection.prepare_cached("SELECT digest FROM journal WHERE seq = ?1")?;
    let digest: Option<Hash> = statement.query_row([known.seq], |row| row.get(0)).optional()?;
    Ok(digest == Some(known.digest))
}

/// The rows, in order, each proven by its digest.
pub(super) fn rows(connection: &Connection, which: &Rows<'_>) -> Result<Vec<Row>, RegistryError> {
    match which {
        Rows::All => select(connection, "ORDER BY j.seq", []),
        Rows::After(seq) => select(connection, "WHERE j.seq > ?1 ORDER BY j.seq", [seq]),
        Rows::Of(subject) => select(connection, "WHERE j.subject = ?1 ORDER BY j.seq", [subject]),
        Rows::Common => select(connection, "WHERE j.subject IS NULL ORDER BY j.seq", []),
        Rows::One(seq) => select(connection, "WHERE j.seq = ?1", [seq]),
    }
}

fn select(connection: &Connection, which: &str, given: impl Params) -> Result<Vec<Row>, RegistryError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT}{which}"))?;
    let mut found = statement.query(given)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(read(row)?);
    }
    Ok(rows)
}

fn read(found: &rusqlite::Row<'_>) -> Result<Row, RegistryError> {
    let seq: i64 = found.get(0)?;
    let (step, kind): (String, String) = (found.get(1)?, found.get(3)?);
    let damaged = |why| RegistryError::Damaged(seq, why);
    let row = Row {
        seq,
        step: match step.as_str() {
            "add" => Step::Add,
            "end" => Step::End,
            _ => return Err(damaged("unknown step")),
        },
        entry: found.get(2)?,
        kind: Kind::from_name(&kind).ok_or(damaged("unknown kind"))?,
        subject: found.get(4)?,
        words: found.get(5)?,
        by: found.get(6)?,
        at: found.get(7)?,
    };
    let (digest, before): (Hash, Option<Hash>) = (found.get(8)?, found.get(9)?);
    let before = match (seq, before) {
        (1, None) => Head::NONE.digest,
        (_, Some(before)) => before,
        (_, None) => return Err(damaged("the row before it is gone")),
    };
    if digest_of(&before, &row) != digest {
        return Err(damaged("its digest does not fit"));
    }
    Ok(row)
}

/// Adds a row to the open transaction; answers the new head.
pub(super) fn append(connection: &Connection, head: Head, row: &Row) -> Result<Head, RegistryError> {
    let digest = digest_of(&head.digest, row);
    let mut statement = connection.prepare_cached(
        "INSERT INTO journal (seq, what, entry, kind, subject, words, entered_by, at_ms, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let (step, kind) = (row.step.name(), row.kind.name());
    statement.execute(params![
        row.seq,
        step,
        row.entry,
        kind,
        row.subject,
        row.words,
        row.by,
        row.at,
        digest.as_slice()
    ])?;
    Ok(Head { seq: row.seq, digest })
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Step::Add => "add",
            Step::End => "end",
        }
    }
}

fn digest_of(before: &Hash, row: &Row) -> Hash {
    let mut hash = Sha256::new();
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    text(row.step.name());
    text(row.kind.name());
    text(if row.subject.is_some() { "subject" } else { "" });
    text(row.subject.as_deref().unwrap_or_default());
    text(&row.words);
    text(&row.by);
    for number in [row.seq, row.entry, row.at] {
        hash.update(number.to_le_bytes());
    }
    hash.update(before);
    hash.finalize().into()
}
