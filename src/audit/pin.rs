//! When is the tree signed, and where does the checkpoint stand?
//!
//! At most once a second, after a flush, and once more when the log is closed: a checkpoint never speaks of a record
//! that is not durable. It is appended to the file beside the segment that is being written:
//! ```text
//! audit-<seq of the segment's first line, 20 digits>.checkpoints
//! {"v":1,"time":"…","last":SEQ,"size":N,"note":"…"}⏎     last: the number of the last record that it is over
//! ```
//! `note` is the signed note as [`super::checkpoint`] has it. The line is not flushed: what a loss of power takes of it is
//! cut off by the next start, and the records have flushes of their own. A file is flushed before it is left.

use super::AuditError;
use super::checkpoint::{Note, Signer};
use super::commit::{Committer, failed};
use super::json::{self, Object};
use super::read::{first_of, segment_name};
use crate::store::{Disk, Entry, Flush, Segment, is_full};
use serde::Deserialize;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was signed last, and where it went.
#[derive(Default)]
pub(super) struct Pin {
    file: Option<Box<dyn Segment>>,
    /// The number of the first record of the segment that the file stands beside.
    beside: u64,
    /// How many records were signed.
    size: u64,
    at: Option<Instant>,
}

/// A checkpoint as it was found in a file.
pub(super) struct Found {
    pub(super) file: String,
    /// From 1.
    pub(super) line: u64,
    /// In bytes.
    pub(super) offset: u64,
    /// `None` where the line is not one.
    pub(super) note: Option<Note>,
}

impl Found {
    /// How many records it is over.
    pub(super) fn size(&self) -> u64 {
        self.note.as_ref().map_or(0, |note| note.checkpoint.size)
    }
}

#[derive(Deserialize)]
struct Written {
    v: u64,
    #[serde(default)]
    last: u64,
    note: String,
}

impl Committer {
    /// How long until something is to be signed; `None` where all is, or nobody signs.
    pub(super) fn pin_due(&self) -> Option<Duration> {
        let unsigned = self.shared.signer().is_some() && self.tree_size() > self.pin.size;
        unsigned.then(|| self.pin.at.map_or(Duration::ZERO, |at| EVERY.saturating_sub(at.elapsed())))
    }

    /// Signs what is new, if it is time.
    pub(super) fn pin_if_due(&mut self) -> Result<(), AuditError> {
        if self.pin_due().is_some_and(|left| left.is_zero()) { self.pin() } else { Ok(()) }
    }

    /// Signs what is new. Where there is no room for a checkpoint the next one stands for it: the log itself is about
    /// to be full. Any other error is the end of the log.
    pub(super) fn pin(&mut self) -> Result<(), AuditError> {
        let (Some(signer), Some(tree)) = (self.shared.signer(), &self.chain.tree) else { return Ok(()) };
        if tree.frontier.size() == self.pin.size {
            return Ok(());
        }
        let note = signer.sign(tree.frontier.size(), tree.frontier.root());
        self.pin.at = Some(Instant::now());
        match self.keep(&note) {
            Ok(()) => {}
            Err(error) if is_full(&error) => return Ok(()),
            Err(error) => return Err(failed(format!("a checkpoint could not be written: {error}"))),
        }
        self.pin.size = note.checkpoint.size;
        self.shared.checkpoints.send_replace(Some(Arc::new(note)));
        Ok(())
    }

    fn tree_size(&self) -> u64 {
        self.chain.tree.as_ref().map_or(0, |tree| tree.frontier.size())
    }

    fn keep(&mut self, note: &Note) -> io::Result<()> {
        let mut text = Vec::new();
        let mut line = Object::open(&mut text);
        line.number("v", 1).time_if("time", Some(self.shared.clock.now_ms())).number("last", self.chain.next - 1);
        line.number("size", note.checkpoint.size);
        json::text_within(line.name("note"), &note.text, usize::MAX);
        line.close();
        text.push(b'\n');
        self.turn_to_segment()?;
        let Some(file) = &mut self.pin.file else { return Ok(()) };
        file.append(&text)?;
        self.used_bytes += text.len() as u64;
        Ok(())
    }

    /// Leaves the file of a segment that was left.
    fn turn_to_segment(&mut self) -> io::Result<()> {
        if self.pin.file.is_some() && self.pin.beside == self.segment_first {
            return Ok(());
        }
        if let Some(mut left) = self.pin.file.take() {
            left.flush(Flush::Rotation)?;
        }
        let name = file_name(self.segment_first);
        let file = match self.disk.create(&name, 0) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.disk.open(&name, 0)?,
            made => made?,
        };
        (self.pin.file, self.pin.beside) = (Some(file), self.segment_first);
        Ok(())
    }
}

/// Cuts off what a loss of power left of the newest file's last lines. Where a checkpoint signs more than the `size`
/// records that are there, nothing is changed, and it is told.
pub(super) fn repair(disk: &dyn Disk, size: u64) -> io::Result<Option<Found>> {
    let files = files(disk)?;
    let mut torn = None;
    for (age, entry) in files.iter().rev().enumerate() {
        let (good, bad): (Vec<_>, Vec<_>) = read(disk, entry)?.into_iter().partition(|found| found.note.is_some());
        if age == 0 {
            torn = bad.first().map(|bad| bad.offset);
        }
        if let Some(newest) = good.into_iter().last() {
            if newest.size() > size {
                return Ok(Some(newest));
            }
            break;
        }
    }
    if let (Some(offset), Some(newest)) = (torn, files.last()) {
        let mut file = disk.open(&newest.name, 0)?;
        file.truncate(offset)?;
        file.flush(Flush::Inherited)?;
    }
    Ok(None)
}

/// The files of checkpoints, oldest first.
pub(super) fn files(disk: &dyn Disk) -> io::Result<Vec<Entry>> {
    Ok(disk.list()?.into_iter().filter(|entry| first_beside(&entry.name).is_some()).collect())
}

/// The number of the first record of the segment that a file of checkpoints of this name stands beside.
pub(super) fn first_beside(name: &str) -> Option<u64> {
    first_of(&format!("{}.jsonl", name.strip_suffix(SUFFIX)?))
}

/// Every line of one file, in order; the last may be without its newline, and then it is none.
pub(super) fn read(disk: &dyn Disk, entry: &Entry) -> io::Result<Vec<Found>> {
    let mut reader = BufReader::new(disk.read(&entry.name, 0)?);
    let (mut found, mut offset, mut bytes) = (Vec::new(), 0, Vec::new());
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        let note = bytes.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Written>(line).ok());
        let note = note.filter(|written| written.v == 1).and_then(|written| written.note.parse().ok());
        found.push(Found { file: entry.name.clone(), line: found.len() as u64 + 1, offset, note });
        offset += bytes.len() as u64;
        bytes.clear();
    }
    Ok(found)
}

/// The number of the last record that the last checkpoint of a file is over; 0 where it holds none. Reads its end only.
pub(super) fn last_signed(disk: &dyn Disk, entry: &Entry) -> io::Result<u64> {
    let mut end = Vec::new();
    disk.read(&entry.name, entry.bytes.saturating_sub(END_BYTES))?.read_to_end(&mut end)?;
    // What stands before the first newline may be half a line, and what stands after the last one is none.
    let whole = end.rsplit(|byte| *byte == b'\n').skip(1);
    let written = whole.filter_map(|line| serde_json::from_slice::<Written>(line).ok());
    Ok(written.filter(|written| written.v == 1).map(|written| written.last).max().unwrap_or(0))
}

fn file_name(first: u64) -> String {
    segment_name(first).replace(".jsonl", SUFFIX)
}

/// A key that signs, or none.
pub(super) type Signing = Option<Arc<Signer>>;

const SUFFIX: &str = ".checkpoints";
/// More than two lines of any number of keys that sign at once.
const END_BYTES: u64 = 1 << 14;
/// At most one checkpoint in this time.
const EVERY: Duration = Duration::from_secs(1);
