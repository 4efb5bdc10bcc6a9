//! The real disk: one directory, written with `pwrite` and made durable with `fdatasync`.
//!
//! Room is set aside by `fallocate` *without* changing the file's size: the blocks are ours, so that a full disk is
//! met when a segment is made and not in the middle of one, and a reader still sees whole lines only.

use super::{Disk, Entry, Flush, Lock, NewName, Segment, check_name};
use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// One directory of segment files on this machine.
pub struct Directory {
    path: PathBuf,
    handle: File,
}

impl Directory {
    /// Opens the directory for a writer, or makes it, 0700; an existing one is narrowed to that.
    ///
    /// # Errors
    /// If it cannot be made, is no directory, or cannot be narrowed (it belongs to someone else).
    pub fn open(path: &Path) -> io::Result<Directory> {
        let missing: Vec<_> =
            path.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).collect();
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        for made in missing {
            let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        let directory = Directory::open_to_read(path)?;
        let mode = directory.handle.metadata()?.mode();
        if mode & 0o077 != 0 {
            directory.handle.set_permissions(std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(directory)
    }

    /// Opens an existing directory and changes nothing about it: for those who read and verify.
    ///
    /// # Errors
    /// If there is none.
    pub fn open_to_read(path: &Path) -> io::Result<Directory> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Directory { path: path.to_path_buf(), handle: File::from(handle) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file beside the handle, never through a symbolic link.
    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        check_name(name)?;
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(File::from(rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)?))
    }
}

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for found in std::fs::read_dir(&self.path)? {
            let found = found?;
            let Ok(name) = found.file_name().into_string() else { continue };
            if name == LOCK || check_name(&name).is_err() || !found.file_type()?.is_file() {
                continue;
            }
            entries.push(Entry { name, bytes: found.metadata()?.len() });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, name: &str, reserve_bytes: u64) -> io::Result<Box<dyn Segment>> {
        let file = self.file(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        if let Err(error) = set_aside(&file, reserve_bytes) {
            rustix::fs::unlinkat(&self.handle, name, rustix::fs::AtFlags::empty())?;
            return Err(error);
        }
        Ok(Box::new(RealSegment { file, bytes: 0 }))
    }

    fn open(&self, name: &str, reserve_bytes: u64) -> io::Result<Box<dyn Segment>> {
        let file = self.file(name, OFlags::RDWR)?;
        let bytes = file.metadata()?.len();
        set_aside(&file, reserve_bytes)?;
        Ok(Box::new(RealSegment { file, bytes }))
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = self.file(name, OFlags::RDONLY)?;
        file.seek(SeekFrom::Start(from))?;
        Ok(Box::new(file))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        Ok(rustix::fs::unlinkat(&self.handle, name, rustix::fs::AtFlags::empty())?)
    }

    fn free_bytes(&self) -> Option<u64> {
        let told = rustix::fs::fstatvfs(&self.handle).ok()?;
        told.f_bavail.checked_mul(told.f_frsize)
    }

    fn sync_directory(&self, _why: NewName) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn lock(&self) -> io::Result<Box<dyn Lock>> {
        let file = self.file(LOCK, OFlags::RDWR | OFlags::CREATE)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(RealLock(file)))
    }
}

/// Reserves blocks; a file system that cannot is no fault.
fn set_aside(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The open file is the lock: the kernel lets go of it when the process ends, however it ends.
struct RealLock(#[allow(dead_code, reason = "held, never read")] File);
impl Lock for RealLock {}

struct RealSegment {
    file: File,
    bytes: u64,
}

impl Segment for RealSegment {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self, _why: Flush) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }

    fn rewrite(&mut self, from: u64) -> io::Result<()> {
        let mut chunk = vec![0; 1 << 16];
        let mut at = from;
        while at < self.bytes {
            let left = usize::try_from(self.bytes - at).unwrap_or(usize::MAX).min(chunk.len());
            let Some(piece) = chunk.get_mut(..left) else { break };
            self.file.read_exact_at(piece, at)?;
            self.file.write_all_at(piece, at)?;
            at += left as u64;
        }
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > self.bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a cut past the end of a segment"));
        }
        self.file.set_len(bytes)?;
        self.bytes = bytes;
        Ok(())
    }

    fn trim(&mut self) {
        // Cutting a file to the length it has frees the blocks set aside behind it. Failing costs space only.
        let _space_only = self.file.set_len(self.bytes);
    }
}

const LOCK: &str = "lock";

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("sekisho-store-{name}-{}", std::process::id()));
        let _none_yet = std::fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn nobody_else_can_read_what_is_written() {
        let path = scratch("modes");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let disk = Directory::open(&path).unwrap();
        disk.create("a.jsonl", 1 << 16).unwrap().append(b"x").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert_eq!(std::fs::metadata(path.join("a.jsonl")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(disk.list().unwrap(), [Entry { name: "a.jsonl".into(), bytes: 1 }], "reserved room is no content");
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_second_writer_is_kept_out_until_the_first_lets_go() {
        let path = scratch("lock");
        let (one, two) = (Directory::open(&path).unwrap(), Directory::open(&path).unwrap());
        let held = one.lock().unwrap();
        assert_eq!(two.lock().err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        assert!(two.lock().is_ok());
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_name_never_leads_out_of_the_directory() {
        let path = scratch("names");
        let disk = Directory::open(&path).unwrap();
        for name in ["../a", "a/b", "", ".hidden", "-a", "a b", "a\0"] {
            assert_eq!(disk.create(name, 0).err().unwrap().kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
        std::os::unix::fs::symlink("/etc/hostname", path.join("link")).unwrap();
        assert!(disk.read("link", 0).is_err(), "a symbolic link was followed");
        std::fs::remove_dir_all(&path).unwrap();
    }

    /// A pipe cannot be synced, and says so: a flush that did not ask the kernel would answer `Ok`.
    #[test]
    fn a_flush_asks_the_kernel_and_tells_its_answer() {
        let (_reader, writer) = std::io::pipe().unwrap();
        let pipe = || File::from(std::os::fd::OwnedFd::from(writer.try_clone().unwrap()));
        for why in [Flush::Batch, Flush::Rotation, Flush::Aside, Flush::Inherited] {
            assert!(RealSegment { file: pipe(), bytes: 0 }.flush(why).is_err(), "{why:?}");
        }
        let disk = Directory { path: PathBuf::new(), handle: pipe() };
        assert!(disk.sync_directory(NewName::Segment).is_err() && disk.sync_directory(NewName::Aside).is_err());
    }

    #[test]
    fn a_segment_reopened_continues_at_its_end_and_can_be_cut() {
        let path = scratch("reopen");
        let disk = Directory::open(&path).unwrap();
        disk.create("a", 4096).unwrap().append(b"one\n").unwrap();
        let mut again = disk.open("a", 4096).unwrap();
        again.append(b"two\n").unwrap();
        again.rewrite(1).unwrap();
        again.flush(Flush::Batch).unwrap();
        assert_eq!(again.bytes(), 8, "written again is not written twice");
        again.truncate(6).unwrap();
        again.trim();
        assert!(again.truncate(7).is_err());
        let mut text = String::new();
        disk.read("a", 2).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "e\ntw");
        assert_eq!(disk.create("a", 0).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
