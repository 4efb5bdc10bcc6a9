//! A SQLite file that is derived, or lost without harm: the owner's alone, and put aside where SQLite cannot read it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// An empty file of the owner's alone where there is none; one that is there becomes that.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if it is no file; whatever the disk says.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let data = fs::symlink_metadata(path)?;
            if !data.is_file() {
                return Err(io::Error::new(ErrorKind::InvalidInput, "to be a file"));
            }
            if data.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Removes it with what SQLite keeps beside it.
///
/// # Errors
/// Whatever the disk says.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm"] {
        match fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Puts it aside under another name, in place of one that was put there before; tells that name.
///
/// # Errors
/// Whatever the disk says.
pub(crate) fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = beside(path, ".unreadable");
    fs::rename(path, &aside)?;
    remove(path)?;
    Ok(aside)
}

/// Whether SQLite says that the file's bytes are no database, or a broken one.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
