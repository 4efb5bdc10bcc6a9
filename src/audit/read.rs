//! Which lines are in the log? In order, across segments, and on as they are written.
//!
//! A reader takes no lock and sees what the writer has appended, durable or not; a line without its newline is not
//! handed out by [`Reader::next_line`] as long as it may still be completed.

use crate::store::{Disk, Entry};
use std::io::{self, BufRead, BufReader, Read};

/// Walks the lines of a log.
pub struct Reader<'d> {
    disk: &'d dyn Disk,
    current: Option<Current>,
    /// The name of a later segment: once it exists, the current one grows no more.
    following: Option<String>,
    /// Whether later segments are left alone.
    stays: bool,
}

/// One line, without its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file that it is in.
    pub segment: String,
    /// Its number in that file, from 1.
    pub line: u64,
    /// Where it begins in that file, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether a newline ended it.
    pub finished: bool,
}

struct Current {
    name: String,
    reader: BufReader<Box<dyn Read + Send>>,
    line: u64,
    offset: u64,
    partial: Vec<u8>,
}

impl<'d> Reader<'d> {
    /// From the oldest line that is there.
    pub fn new(disk: &'d dyn Disk) -> Reader<'d> {
        Reader { disk, current: None, following: None, stays: false }
    }

    /// From the beginning of a segment, and on.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn from_segment(disk: &'d dyn Disk, name: &str) -> io::Result<Reader<'d>> {
        Ok(Reader { stays: false, ..Reader::of_segment(disk, name)? })
    }

    /// One segment only, from its beginning.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn of_segment(disk: &'d dyn Disk, name: &str) -> io::Result<Reader<'d>> {
        Ok(Reader { disk, current: Some(Current::open(disk, name, 0)?), following: None, stays: true })
    }

    /// From behind a line that was read before, and on: so many lines and bytes of its segment are passed over.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn from_line(disk: &'d dyn Disk, name: &str, line: u64, offset: u64) -> io::Result<Reader<'d>> {
        let current = Current { line, offset, ..Current::open(disk, name, offset)? };
        Ok(Reader { disk, current: Some(current), following: None, stays: false })
    }

    /// The next line; `None` while there is none, and asking again later is fine. An unfinished line is handed out
    /// only where a later segment shows that it will never be finished.
    ///
    /// # Errors
    /// Whatever the disk answers.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(first) = segments(self.disk)?.into_iter().next() else { return Ok(None) };
                self.current = Some(Current::open(self.disk, &first.name, 0)?);
                continue;
            };
            current.fill()?;
            if current.partial.last() == Some(&b'\n') || current.partial.len() > LINE_BYTES_MAX {
                return Ok(Some(current.take()));
            }
            match self.following.take() {
                // The end was met again after the next segment had been seen: nothing was missed.
                Some(next) => {
                    let left = (!current.partial.is_empty()).then(|| current.take());
                    self.current = Some(Current::open(self.disk, &next, 0)?);
                    if left.is_some() {
                        return Ok(left);
                    }
                }
                None if self.stays => return Ok(None),
                None => {
                    let this = first_of(&current.name);
                    let later = |entry: &Entry| first_of(&entry.name) > this;
                    self.following = segments(self.disk)?.into_iter().find(later).map(|entry| entry.name);
                    if self.following.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether bytes without a newline were read.
    pub(super) fn is_inside_a_line(&self) -> bool {
        self.current.as_ref().is_some_and(|current| !current.partial.is_empty())
    }

    /// What stands after the last newline, once [`Reader::next_line`] answered `None`.
    pub fn unfinished(&mut self) -> Option<Line> {
        self.current.as_mut().filter(|current| !current.partial.is_empty()).map(Current::take)
    }
}

impl Current {
    fn open(disk: &dyn Disk, name: &str, from: u64) -> io::Result<Current> {
        let reader = BufReader::with_capacity(1 << 16, open(disk, name, from)?);
        Ok(Current { name: name.to_owned(), reader, line: 0, offset: 0, partial: Vec::new() })
    }

    /// Reads on to a newline, the present end, or more than any record.
    fn fill(&mut self) -> io::Result<()> {
        let room = (LINE_BYTES_MAX + 1).saturating_sub(self.partial.len());
        let mut limited = (&mut self.reader).take(room as u64);
        limited.read_until(b'\n', &mut self.partial).map(|_| ())
    }

    fn take(&mut self) -> Line {
        let mut bytes = std::mem::take(&mut self.partial);
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        self.line += 1;
        let finished = bytes.pop_if(|last| *last == b'\n').is_some();
        Line { segment: self.name.clone(), line: self.line, offset, bytes, finished }
    }
}

/// Opens a segment behind so many bytes of its lines, as it was written or packed: it may have been packed since its name was learnt.
fn open(disk: &dyn Disk, name: &str, from: u64) -> io::Result<Box<dyn Read + Send>> {
    let plain = name.strip_suffix(PACKED).unwrap_or(name);
    match disk.read(plain, from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut unpacked = unpack(disk.read(&format!("{plain}{PACKED}"), 0)?)?;
            io::copy(&mut (&mut unpacked).take(from), &mut io::sink())?;
            Ok(unpacked)
        }
        opened => opened,
    }
}

/// The lines of a packed segment.
pub(super) fn unpack(packed: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(zstd::stream::read::Decoder::new(packed)?))
}

/// The segments of a log, oldest first. One that is there as written and packed counts once, as it was written: the packed one may be half.
///
/// # Errors
/// Whatever the disk answers.
pub fn segments(disk: &dyn Disk) -> io::Result<Vec<Entry>> {
    // By name, and so that one as written stands before the same packed.
    let mut found: Vec<Entry> = disk.list()?.into_iter().filter(|entry| first_of(&entry.name).is_some()).collect();
    found.dedup_by_key(|entry| first_of(&entry.name));
    Ok(found)
}

/// The number of the first record in a segment, from its name.
pub fn first_of(name: &str) -> Option<u64> {
    let name = name.strip_suffix(PACKED).unwrap_or(name);
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(".jsonl")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Whether a segment of this name is packed.
pub(super) fn is_packed(name: &str) -> bool {
    name.ends_with(PACKED)
}

/// The name of the segment whose first record has this number: names sort as numbers do.
pub(super) fn segment_name(first: u64) -> String {
    format!("{PREFIX}{first:020}.jsonl")
}

/// Where the bytes go that recovery cuts off before the record with this number.
pub(super) fn aside_name(next: u64) -> String {
    format!("{PREFIX}{next:020}.torn")
}

/// The end of a packed segment's name, after that of the segment. RFC 8878.
pub(super) const PACKED: &str = ".zst";
/// What every file of a log is called.
pub(super) const PREFIX: &str = "audit-";
/// Longer than any line: the biggest body, and a segment's list of open beginnings.
const LINE_BYTES_MAX: usize = 16 << 20;
