//! Which segments are packed, and which are old enough to go?
//!
//! The newest two stay as they are: a start reads them. Any older one is packed (zstd, RFC 8878) under its name and
//! `.zst`, once, read back and compared byte for byte; only then does the plain file go. Its lines, hashes and numbers
//! are the same. A crash in between leaves both, and the next round begins with the plain one.
//!
//! A segment goes, and its checkpoints with it, once every record in it is older than what is kept; before that a record
//! of kind `administrative`, action `retention`, says up to which number, and is durable. What goes is lost to `verify`
//! and to proofs; the tree goes on, so what stays can be proven as before. For each segment that is begun at most two go: a
//! clock that ran ahead by years does not empty the log before somebody sees it.

use super::AuditError;
use super::log::Log;
use super::pin;
use super::read::{PACKED, Reader, first_of, is_packed, segments, unpack};
use super::record::{Administrative, Detail};
use super::time;
use crate::store::{Disk, Entry, Flush, NewName, is_full};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// Segments packed.
    pub packed: u64,
    /// Segments removed.
    pub removed: u64,
    /// By how many bytes the files of the log are smaller.
    pub saved_bytes: u64,
}

impl Log {
    /// Packs what was left, and removes what need not be kept any more. To be called every few minutes; blocks, and
    /// takes about a second for each hundred megabytes to be packed. Nobody's record waits for it.
    ///
    /// # Errors
    /// [`AuditError::Disk`] and what [`Log::administrative`] answers. What was done before stays done; nothing is lost,
    /// and the next round goes on. No room to pack is no error: it is tried again.
    pub fn tidy(&self) -> Result<Kept, AuditError> {
        let disk = self.disk();
        let mut kept = Kept::default();
        self.remove_old(disk, &mut kept)?;
        let segments = segments(disk)?;
        let left = segments.iter().rev().skip(SEGMENTS_LEFT);
        for entry in left.filter(|entry| !is_packed(&entry.name)) {
            match pack(disk, entry) {
                Ok(saved_bytes) => {
                    kept.packed += 1;
                    kept.saved_bytes += saved_bytes;
                }
                Err(error) if is_full(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(kept)
    }

    fn remove_old(&self, disk: &dyn Disk, kept: &mut Kept) -> Result<(), AuditError> {
        let Some(retention_ms) = self.retention_ms() else { return Ok(()) };
        let Some(before_ms) = self.now_ms().checked_sub(retention_ms) else { return Ok(()) };
        let segments = segments(disk)?;
        if newest_segment(disk)? == self.removed_beside() {
            return Ok(());
        }
        let may_go = segments.len().saturating_sub(SEGMENTS_LEFT).min(GO_TOGETHER);
        let mut old = 0;
        // What is newest in a segment is told by the first line of the one after it.
        for next in segments.iter().skip(1).take(may_go) {
            match newest_before(disk, next)? {
                Some(newest_ms) if newest_ms < before_ms => old += 1,
                Some(_) | None => break,
            }
        }
        let (going, staying) = segments.split_at_checked(old).unwrap_or_default();
        let Some(first_left) = staying.first().and_then(|entry| first_of(&entry.name)).filter(|_| old > 0) else {
            return Ok(());
        };
        let details = [
            ("segments", Detail::Number(old as u64)),
            ("removed_up_to", Detail::Number(first_left - 1)),
            ("kept_days", Detail::Number(retention_ms / DAY_MS)),
        ];
        self.administrative(&Administrative { action: "retention", details: &details, ..Default::default() }).wait()?;
        // The oldest first: what is left has no gap whenever this is cut off.
        for entry in going {
            kept.saved_bytes += remove_whole(disk, first_of(&entry.name))?;
            kept.removed += 1;
        }
        disk.sync_directory(NewName::Instead)?;
        // The record itself may have begun a segment: that one is no reason for more to go.
        self.set_removed_beside(newest_segment(disk)?);
        Ok(())
    }
}

/// The number of the first record of the newest segment.
fn newest_segment(disk: &dyn Disk) -> io::Result<u64> {
    Ok(segments(disk)?.last().and_then(|entry| first_of(&entry.name)).unwrap_or(0))
}

/// Removes a segment in whatever forms it is there, and its checkpoints. Returns their bytes.
fn remove_whole(disk: &dyn Disk, first: Option<u64>) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in disk.list()? {
        if first.is_some() && (first_of(&entry.name) == first || pin::first_beside(&entry.name) == first) {
            disk.remove(&entry.name)?;
            bytes += entry.bytes;
        }
    }
    Ok(bytes)
}

/// The newest time before a segment, as its first line has it.
fn newest_before(disk: &dyn Disk, segment: &Entry) -> io::Result<Option<u64>> {
    #[derive(Deserialize)]
    struct First {
        newest: String,
    }
    let line = Reader::of_segment(disk, &segment.name)?.next_line()?;
    let first: Option<First> = line.and_then(|line| serde_json::from_slice(&line.bytes).ok());
    Ok(first.and_then(|first| time::read(&first.newest)))
}

/// Packs one segment. Returns by how much it is smaller.
fn pack(disk: &dyn Disk, plain: &Entry) -> io::Result<u64> {
    let name = format!("{}{PACKED}", plain.name);
    let mut file = match disk.create(&name, 0) {
        // A round that was cut off left it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut file = disk.open(&name, 0)?;
            file.truncate(0)?;
            file
        }
        made => made?,
    };
    struct Append<'f>(&'f mut dyn crate::store::Segment);
    impl Write for Append<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.append(bytes).map(|()| bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let written = zstd::stream::copy_encode(disk.read(&plain.name, 0)?, Append(&mut *file), LEVEL);
    if let Err(error) = written {
        // Half a file serves nobody; that it is there harms nobody either.
        let _space_only = disk.remove(&name);
        return Err(error);
    }
    file.flush(Flush::Instead)?;
    let packed_bytes = file.bytes();
    if digest(disk.read(&plain.name, 0)?)? != digest(unpack(disk.read(&name, 0)?)?)? {
        let message = format!("`{name}` does not read back as what was packed: the disk or the memory is at fault");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    disk.sync_directory(NewName::Instead)?;
    disk.remove(&plain.name)?;
    disk.sync_directory(NewName::Instead)?;
    Ok(plain.bytes.saturating_sub(packed_bytes))
}

fn digest(mut from: Box<dyn Read + Send>) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut chunk)?;
        match chunk.get(..count) {
            None | Some([]) => return Ok(digest.finalize().into()),
            Some(read) => digest.update(read),
        }
    }
}

/// The newest so many are neither packed nor removed: a start reads them.
const SEGMENTS_LEFT: usize = 2;
/// At most so many are removed for each that is begun.
const GO_TOGETHER: usize = 2;
/// Some 400 MB a second, and a tenth of the size.
const LEVEL: i32 = 3;
/// Of a day, in milliseconds.
pub(super) const DAY_MS: u64 = 86_400_000;
