//! How do bytes reach the disk, and when may one rely on them?
//!
//! The only room that writes. It knows no meaning: a [`Disk`] is one directory of segment files, a [`Segment`]
//! is one file that only grows at its end. [`Directory`] is the real one; [`simulated::Simulated`] is a disk whose
//! power can be cut after any single write, and which then keeps of the unflushed bytes whatever hurts most.
//!
//! [`tokens`] is a table in a SQLite file of its own, with promises of its own.
//!
//! Promises:
//! * What was appended before a [`Segment::flush`] that returned `Ok` survives a loss of power, provided that the
//!   file's name survived: for a new file that needs [`Disk::sync_directory`].
//! * What was appended and not flushed may be there, or not, or in pieces and in any order.
//! * A flush that failed says nothing about the bytes before it, and a second one that succeeds says nothing either
//!   (the kernel may have dropped the dirty pages): the caller gives the segment up.
//! * One writer: [`Disk::lock`] is held as long as its guard lives; readers take no lock.
//! * Files are 0600, the directory 0700.

mod directory;
pub(crate) mod own;
pub mod simulated;
pub mod tokens;

pub use directory::Directory;

use std::io::{self, Read};

/// One file of a [`Disk`], as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without a directory.
    pub name: String,
    /// Its length, as a reader would see it.
    pub bytes: u64,
}

/// Which promise a flush keeps. The real disk ignores it; a simulated one can break each in turn, so that a test
/// shows that none of them is there for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flush {
    /// Records are about to be acknowledged.
    Batch,
    /// A segment is left for a new one: nothing may be missing behind what comes after.
    Rotation,
    /// Bytes are copied aside before they are cut off.
    Aside,
    /// Bytes of a writer that was killed are about to be built upon.
    Inherited,
    /// Bytes stand for those of another file, which is about to be removed.
    Instead,
}

/// Which directory entry must survive. See [`Flush`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NewName {
    /// A new segment.
    Segment,
    /// A file that holds bytes about to be cut off elsewhere.
    Aside,
    /// A file that stands for another which is about to be removed.
    Instead,
}

/// Held by the one writer; dropping it lets the next one in.
pub trait Lock: Send {}

/// One directory of files that only grow.
///
/// Names are ASCII letters, digits, `-` and `.`, at most 100 long, and begin with a letter; anything else is
/// [`io::ErrorKind::InvalidInput`], so that no name leads out of the directory.
pub trait Disk: Send + Sync {
    /// Every regular file, by name in ascending order. The lock file is not among them.
    ///
    /// # Errors
    /// Whatever the directory answers.
    fn list(&self) -> io::Result<Vec<Entry>>;

    /// A new, empty file with room set aside for `reserve_bytes` where the file system can do that. Its name is
    /// durable only after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`]; [`io::ErrorKind::StorageFull`] or `QuotaExceeded` if the room is not there,
    /// and then no file is left behind.
    fn create(&self, name: &str, reserve_bytes: u64) -> io::Result<Box<dyn Segment>>;

    /// An existing file, to append to.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`]; as [`Disk::create`] where no room is left.
    fn open(&self, name: &str, reserve_bytes: u64) -> io::Result<Box<dyn Segment>>;

    /// Reads an existing file from an offset. At its present end the reader answers 0, and more once more was written.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`].
    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send>>;

    /// Takes a file away. Durable after [`Disk::sync_directory`]; a loss of power before may bring it back. Whoever
    /// reads it already goes on reading it.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Bytes that other files may still take of this disk; `None` where that cannot be told.
    fn free_bytes(&self) -> Option<u64>;

    /// Makes the names of new files durable, and that removed ones are gone.
    ///
    /// # Errors
    /// Whatever the directory answers; as final as a failed flush.
    fn sync_directory(&self, why: NewName) -> io::Result<()>;

    /// The right to write, for one holder on this machine.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] while another process or handle holds it.
    fn lock(&self) -> io::Result<Box<dyn Lock>>;
}

/// One file, written at its end only.
pub trait Segment: Send {
    /// Its length, appended bytes included, reserved room not.
    fn bytes(&self) -> u64;

    /// Adds bytes at the end. Not durable before [`Segment::flush`].
    ///
    /// # Errors
    /// Part of the bytes may have been written: give the segment up.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything appended is durable.
    ///
    /// # Errors
    /// Final: give the segment up and never flush it again.
    fn flush(&mut self, why: Flush) -> io::Result<()>;

    /// Writes the bytes from `from` to the end once more, as they are read. After a flush that failed, the kernel may
    /// hold bytes as clean that never reached the disk: the next flush skips them unless they are written again.
    ///
    /// # Errors
    /// As [`Segment::append`].
    fn rewrite(&mut self, from: u64) -> io::Result<()>;

    /// Cuts the file to `bytes`. Durable with the next flush.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if that is past the end.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;

    /// Gives back room that was set aside and not used. Saves space, promises nothing.
    fn trim(&mut self);
}

/// Whether an error means that there is no room, which may pass, rather than that the disk is broken.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Refuses names that could mean something to a file system.
fn check_name(name: &str) -> io::Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let starts = name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    if starts && name.len() <= 100 && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{}` is no file name of a log", name.escape_default()),
        ))
    }
}
