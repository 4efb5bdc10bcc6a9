//! What does the log say now, and is it what the index read?
//!
//! The index keeps where one record in 256 stands, and its hash: anchors. A record is what it was if the chain of `prev`
//! still runs from it to the anchor behind it. So an altered record shows, also where all behind it were written anew to
//! fit. Cost: up to 512 lines and their hashes.

use super::IndexError;
use super::queries::Queries;
use super::schema::{signed, unsigned};
use crate::audit::{Entry, Line, Reader};
use crate::store::Disk;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};
use std::io::{self, ErrorKind};

/// What became of a record since the index read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// It is what it was.
    AsRead,
    /// The log is damaged further behind: nothing shows that it is what it was.
    Unclear,
    /// It is gone, or does not fit the one behind it any more: one of the two was altered.
    Altered,
}

/// Where a record stood when it was read, and its hash.
#[derive(Clone, Debug)]
pub(super) struct Anchor {
    pub(super) seq: u64,
    /// The segment's name.
    pub(super) segment: String,
    /// From 1.
    pub(super) line: u64,
    pub(super) offset: u64,
    /// SHA-256 in hexadecimal.
    pub(super) hash: String,
}

impl Queries {
    /// The bytes of a record, as they stand in the log now; `None` where it is not there.
    ///
    /// # Errors
    /// If log or index cannot be read.
    pub fn line(&self, log: &str, seq: u64) -> Result<Option<Line>, IndexError> {
        let anchor = self.ask(|connection, _| before(connection, log, seq))?;
        let (Some(anchor), Some(disk)) = (anchor, self.logs().now()?.remove(log)) else { return Ok(None) };
        find(&mut anchor.reader(&*disk)?, seq)
    }

    /// Whether the log still holds the records that the index read under these numbers: the worst of them. Those that lie
    /// near each other are read once.
    ///
    /// # Errors
    /// If log or index cannot be read.
    pub fn held(&self, log: &str, seqs: &[u64]) -> Result<Held, IndexError> {
        let Some(disk) = self.logs().now()?.remove(log) else { return Ok(Held::Unclear) };
        let mut left: Vec<u64> = seqs.to_vec();
        left.sort_unstable();
        let mut worst = Held::AsRead;
        let mut left = left.as_slice();
        while let Some(first) = left.first().copied() {
            let around =
                self.ask(|connection, _| Ok((before(connection, log, first)?, after(connection, log, first)?)))?;
            let (Some(from), Some((last, hash))) = around else { return Ok(worst.max(Held::Unclear)) };
            let (near, further) = left.split_at(left.partition_point(|seq| *seq <= last));
            left = further;
            let mut reader = match from.reader(&*disk) {
                Err(error) if is_damage(error.kind()) => return Ok(worst.max(Held::Unclear)),
                reader => reader?,
            };
            worst = worst.max(chained(&mut reader, near, last, &hash)?);
        }
        Ok(worst)
    }
}

/// Whether the chain runs from each of these records (in order, and not behind the anchor) to the anchor: the worst.
fn chained(reader: &mut Reader<'_>, seqs: &[u64], last: u64, hash: &str) -> Result<Held, IndexError> {
    let (Some(first), Some(newest)) = (seqs.first().copied(), seqs.last().copied()) else { return Ok(Held::AsRead) };
    let Some(line) = find(reader, first)? else { return Ok(Held::Altered) };
    let mut known = hash_of(&line.bytes);
    // Behind a place where it does not run it may run on to the anchor, which matters only for those that are behind it.
    let (mut worst, mut is_broken) = (Held::AsRead, false);
    for next in first.saturating_add(1)..=last {
        let line = reader.next_line()?;
        let entry = line.as_ref().and_then(|line| Entry::read(&line.bytes).ok()).filter(|entry| entry.seq == next);
        let (Some(line), Some(entry)) = (&line, entry) else { return Ok(worst.max(Held::Unclear)) };
        if entry.prev != known {
            let own = if seqs.contains(&(next - 1)) { Held::Altered } else { Held::Unclear };
            worst = worst.max(own);
            is_broken = newest < next;
        }
        known = hash_of(&line.bytes);
    }
    Ok(match (known == hash, newest == last) {
        _ if is_broken => worst,
        (true, _) => worst,
        (false, true) => Held::Altered,
        (false, false) => worst.max(Held::Unclear),
    })
}

/// The record of this number, from the place that the reader is at.
fn find(reader: &mut Reader<'_>, seq: u64) -> Result<Option<Line>, IndexError> {
    for _ in 0..LINES_MAX {
        let Some(line) = reader.next_line()? else { return Ok(None) };
        match Entry::read(&line.bytes) {
            Ok(entry) if entry.seq == seq => return Ok(Some(line)),
            Ok(entry) if entry.seq > seq => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

impl Anchor {
    fn of(row: &Row<'_>) -> rusqlite::Result<Anchor> {
        Ok(Anchor {
            seq: unsigned(row.get(0)?),
            segment: row.get(1)?,
            line: unsigned(row.get(2)?),
            offset: unsigned(row.get(3)?),
            hash: row.get(4)?,
        })
    }

    fn reader<'d>(&self, disk: &'d dyn Disk) -> io::Result<Reader<'d>> {
        Reader::from_line(disk, &self.segment, self.line.saturating_sub(1), self.offset)
    }

    /// Whether the record stands there still.
    fn stands(&self, disk: &dyn Disk) -> io::Result<bool> {
        let line = match self.reader(disk).and_then(|mut reader| reader.next_line()) {
            Err(error) if is_damage(error.kind()) => None,
            line => line?,
        };
        Ok(line.is_some_and(|line| line.finished && hash_of(&line.bytes) == self.hash))
    }
}

/// The newest anchored record that a log still holds as it was read, and so every record before it; 0 where it holds none.
pub(super) fn common(connection: &Connection, log: u32, disk: &dyn Disk) -> Result<u64, IndexError> {
    let mut read = connection.prepare(
        "SELECT p.seq, s.name, p.line, p.offset, p.hash FROM place p
         JOIN segment s ON s.log = p.log AND s.first = p.segment WHERE p.log = ?1 ORDER BY p.seq",
    )?;
    let anchors: Vec<Anchor> = read.query_map([log], Anchor::of)?.collect::<Result<_, _>>()?;
    let (mut same, mut other) = (0, anchors.len());
    while same < other {
        let middle = same + (other - same) / 2;
        match anchors.get(middle).map(|anchor| anchor.stands(disk)).transpose()? {
            Some(true) => same = middle + 1,
            _ => other = middle,
        }
    }
    Ok(same.checked_sub(1).and_then(|at| anchors.get(at)).map_or(0, |anchor| anchor.seq))
}

/// The newest anchor up to a record.
fn before(connection: &Connection, log: &str, seq: u64) -> Result<Option<Anchor>, IndexError> {
    let mut read = connection.prepare_cached(
        "SELECT p.seq, s.name, p.line, p.offset, p.hash FROM log l
         JOIN place p ON p.log = l.id JOIN segment s ON s.log = l.id AND s.first = p.segment
         WHERE l.name = ?1 AND p.seq <= ?2 ORDER BY p.seq DESC LIMIT 1",
    )?;
    Ok(read.query_row(params![log, signed(seq)], Anchor::of).optional()?)
}

/// Number and hash of the oldest anchor from a record on, or of the last one where none is behind it; `None` where that is
/// not known.
fn after(connection: &Connection, log: &str, seq: u64) -> Result<Option<(u64, String)>, IndexError> {
    let mut read = connection.prepare_cached(
        "SELECT p.seq, p.hash FROM log l JOIN place p ON p.log = l.id WHERE l.name = ?1 AND p.seq >= ?2
         UNION ALL SELECT number, hash FROM log WHERE name = ?1 AND number >= ?2
         ORDER BY 1 LIMIT 1",
    )?;
    let found = read.query_row(params![log, signed(seq)], |row| Ok((unsigned(row.get(0)?), row.get(1)?)));
    Ok(found.optional()?)
}

/// What a file says that is not there, is shorter, or cannot be unpacked; any other error is the disk's.
fn is_damage(kind: ErrorKind) -> bool {
    use ErrorKind::{InvalidData, NotFound, Other, UnexpectedEof};
    matches!(kind, NotFound | UnexpectedEof | InvalidData | Other)
}

/// SHA-256 of a record's bytes, in hexadecimal.
pub(super) fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How far a record is looked for behind its place.
const LINES_MAX: usize = 1024;
