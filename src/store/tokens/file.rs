//! The file of a table of tokens: made for its owner alone, and none but such a file is opened.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// `Sktk` in `application_id`: tells a table of tokens from any other SQLite file.
const APPLICATION: i64 = 0x536b_746b;
const SCHEMA: i64 = 1;
/// Longest wait for another process that reads or copies the file.
pub(super) const BUSY: Duration = Duration::from_secs(5);

const CREATE: &str = "CREATE TABLE IF NOT EXISTS token (
    token TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;";

/// Makes an empty file of the owner's alone where there is none.
pub(super) fn make(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::File::open(directory)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let data = fs::symlink_metadata(path)?;
            let mode = data.permissions().mode() & 0o7777;
            if !data.is_file() || mode & 0o077 != 0 {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "to be a file that only its owner may use",
                ));
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// A connection that flushes each commit.
pub(super) fn connect(path: &Path, busy: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Makes the table in an empty file; refuses any other that has none of this version.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> io::Result<()> {
    let pragma =
        |connection: &Connection, name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma(connection, "application_id").map_err(as_io)?;
    let version = pragma(connection, "user_version").map_err(as_io)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(as_io)?;
    match (application, version, tables) {
        (0, 0, 0) => {
            let made = (|| {
                let transaction = connection.transaction()?;
                transaction.execute_batch(CREATE)?;
                transaction.pragma_update(None, "user_version", SCHEMA)?;
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.commit()
            })();
            made.map_err(as_io)
        }
        (APPLICATION, SCHEMA, _) => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{}` is no table of tokens of this version", path.display()),
        )),
    }
}

pub(super) fn as_io(error: rusqlite::Error) -> io::Error {
    io::Error::other(error)
}
