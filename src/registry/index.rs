//! Has anybody committed since this was last looked at? One read of the wal-index, in place of a transaction.
//!
//! SQLite keeps the state of its write-ahead log in the `-shm` file, which all its processes map: the first 96 bytes are
//! its header, twice, and a commit is there for readers as soon as it stands in both ("WAL-mode File Format", section 2.1).
//! So as long as those bytes are the same, every committed row has been seen. A write that is under way shows as a
//! difference; what it means is then asked of SQLite itself.
//!
//! The file is opened once in this process and closed only when no connection to it is open here: whoever closes any
//! descriptor of a file gives up all locks that the process has on it, SQLite's too (`fcntl(2)`).

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The header, twice.
const HEADER_BYTES: usize = 2 * 48;

/// What stood there.
pub(super) type Header = [u8; HEADER_BYTES];

/// A file by its device and inode.
type Name = (u64, u64);

/// The files that are open, and by how many registries of this process: mostly one by one.
type Files = Vec<(Name, Arc<File>, usize)>;

static OPEN: Mutex<Files> = Mutex::new(Vec::new());

/// While it is held no file is closed: from before a connection is opened until its [`Index`] is.
pub(super) struct Opening(MutexGuard<'static, Files>);

/// The wal-index of one registry, whose connections have to be dropped before it.
pub(super) struct Index {
    name: Name,
    file: Arc<File>,
}

impl Opening {
    /// Waits for other registries that are being opened or dropped.
    pub(super) fn begin() -> Opening {
        Opening(OPEN.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The file that a connection has just been using.
    pub(super) fn index(mut self, path: &Path) -> std::io::Result<Index> {
        let found = path.metadata()?;
        let name = (found.dev(), found.ino());
        if let Some((_, file, users)) = self.0.iter_mut().find(|(other, ..)| *other == name) {
            *users += 1;
            return Ok(Index { name, file: Arc::clone(file) });
        }
        let file = Arc::new(File::open(path)?);
        self.0.push((name, Arc::clone(&file), 1));
        Ok(Index { name, file })
    }
}

impl Index {
    pub(super) const fn inode(&self) -> u64 {
        self.name.1
    }

    /// What stands there now; `None`: less than that.
    pub(super) fn header(&self) -> Option<Header> {
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut header, 0).ok()?;
        Some(header)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, users)) = open.iter_mut().find(|(other, ..)| *other == self.name) {
            *users = users.saturating_sub(1);
        }
        open.retain(|(_, _, users)| *users > 0);
    }
}
