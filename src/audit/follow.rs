//! Which records may be told to others, from a given number on, and on as they come?
//!
//! Those that are durable. [`super::Reader`] sees what was written, and a loss of power may take its last lines back and
//! give their numbers to others: whoever had told them on would have told what never was. Durable is what a checkpoint
//! signs, what stands before the newest segment, and what a later line says was flushed before its batch. So the last
//! batch of a gate that was killed waits for the next start, and that of a log without checkpoints for the next record.
//!
//! Each line is also held against the hash of the one before; a line that does not follow is an error and not handed
//! out. Cost: one pass, a SHA-256 a record; the lines at the end that are not yet durable are read once more each time
//! that [`Follow::next_line`] is asked in vain.

use super::chain::{claim_of, hash, hex};
use super::pin;
use super::read::{Line, Reader, first_of, segments};
use crate::store::Disk;
use std::io;

/// A walk from one record on. Where it was left, another goes on with the number of the record after the last.
pub struct Follow<'d> {
    disk: &'d dyn Disk,
    reader: Option<Reader<'d>>,
    /// The number of the record to be handed out next.
    next: u64,
    /// Every record up to this number is durable.
    durable: u64,
    /// Of the record handed out last.
    before: Option<Before>,
    /// The hash of the record before the oldest that is here, as that one has it.
    joined: Option<String>,
    /// Where the walk begins, if not at the oldest segment.
    first: Option<String>,
}

/// Behind which record a walk was left: whoever keeps it goes on from there without reading a segment again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The number of the last record that was handed out.
    pub number: u64,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
    /// The file that it is in.
    pub segment: String,
    /// Its line in that file, from 1.
    pub line: u64,
    /// Where it begins in that file, in bytes.
    pub offset: u64,
}

struct Before {
    hash: String,
    segment: String,
    line: u64,
    offset: u64,
    /// Where the line after it begins.
    end: u64,
}

impl<'d> Follow<'d> {
    /// From the record with this number on; 0 and 1: from the oldest that is there.
    ///
    /// # Errors
    /// If the disk cannot be read; [`io::ErrorKind::NotFound`] if that record was removed with an old segment, or if the
    /// log ends before the one ahead of it: then it is another log, or not the whole of it.
    pub fn from(disk: &'d dyn Disk, number: u64) -> io::Result<Follow<'d>> {
        let oldest = segments(disk)?.first().and_then(|entry| first_of(&entry.name)).unwrap_or(1);
        let next = if number <= 1 { oldest } else { number };
        if next < oldest {
            return Err(not_there(format!("record {next} is not in this log any more: its oldest is {oldest}")));
        }
        let mut follow = Follow { disk, reader: None, next, durable: 0, before: None, joined: None, first: None };
        if next > oldest {
            follow.find(next - 1)?;
        } else if let Some(line) = follow.reader()?.next_line()? {
            follow.joined = claim_of(&line.bytes).map(|claim| claim.prev);
        }
        Ok(follow)
    }

    /// From behind a record that was handed out before: one line is read, and must still be that record.
    ///
    /// # Errors
    /// As [`Follow::from`]: [`io::ErrorKind::NotFound`] where that place does not hold that record, or is gone.
    pub fn resume(disk: &'d dyn Disk, mark: &Mark) -> io::Result<Follow<'d>> {
        let mut reader = Reader::from_line(disk, &mark.segment, mark.line.saturating_sub(1), mark.offset)?;
        let line = reader.next_line()?.filter(|line| line.finished && hex(&hash(&line.bytes)) == mark.hash);
        let Some(line) = line else {
            return Err(not_there(format!("record {} is not what it was: this is another log", mark.number)));
        };
        let mut follow =
            Follow { disk, reader: None, next: mark.number, durable: 0, before: None, joined: None, first: None };
        follow.pass(&line);
        Ok(follow)
    }

    /// From the first record of a segment on, whatever stands before it: behind a damage, what is still in order.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if the name is not a segment's.
    pub fn from_segment(disk: &'d dyn Disk, name: &str) -> io::Result<Follow<'d>> {
        let next = first_of(name).ok_or_else(|| not_there(format!("`{name}` is no segment of a log")))?;
        let first = Some(name.to_owned());
        Ok(Follow { disk, reader: None, next, durable: 0, before: None, joined: None, first })
    }

    /// Behind which record the walk stands; `None` before the first.
    pub fn mark(&self) -> Option<Mark> {
        let before = self.before.as_ref()?;
        Some(Mark {
            number: self.next.saturating_sub(1),
            hash: before.hash.clone(),
            segment: before.segment.clone(),
            line: before.line,
            offset: before.offset,
        })
    }

    /// The number of the record that is handed out next.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// SHA-256 of the record before that one, in hexadecimal: by it a later walk sees that it goes on in the same log.
    pub fn hash(&self) -> Option<&str> {
        self.before.as_ref().map(|before| before.hash.as_str()).or(self.joined.as_deref())
    }

    /// The next durable record; `None` while there is none, and asking again later is fine.
    ///
    /// # Errors
    /// Whatever the disk answers; [`io::ErrorKind::InvalidData`] where the log is not in order.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        if self.next > self.durable {
            self.look()?;
            if self.next > self.durable {
                return Ok(None);
            }
        }
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.reader()?,
        };
        let Some(line) = reader.next_line()? else {
            return Err(disordered(format!("record {} was signed and is not there", self.next)));
        };
        let claim = claim_of(&line.bytes);
        let follows = self.before.as_ref().is_none_or(|before| claim.as_ref().is_some_and(|c| c.prev == before.hash));
        if !line.finished || !follows || claim.is_none_or(|claim| claim.seq != self.next) {
            return Err(disordered(format!("line {} of `{}` does not follow the one before", line.line, line.segment)));
        }
        self.pass(&line);
        self.reader = Some(reader);
        Ok(Some(line))
    }

    /// Learns how far the log is durable. What was read ahead is read anew: it may not be there any more.
    fn look(&mut self) -> io::Result<()> {
        let newest = segments(self.disk)?.last().and_then(|entry| first_of(&entry.name));
        let mut durable = newest.map_or(0, |first| first.saturating_sub(1));
        for entry in pin::files(self.disk)?.iter().rev().take(2) {
            durable = durable.max(pin::last_signed(self.disk, entry)?);
        }
        self.reader = None;
        if durable < self.next {
            let mut ahead = self.reader()?;
            while let Some(line) = ahead.next_line()? {
                let batch = claim_of(&line.bytes).map_or(0, |claim| claim.batch);
                durable = durable.max(batch.saturating_sub(1));
            }
        }
        self.durable = self.durable.max(durable);
        Ok(())
    }

    /// A reader behind the record handed out last.
    fn reader(&self) -> io::Result<Reader<'d>> {
        match (&self.before, &self.first) {
            (None, None) => Ok(Reader::new(self.disk)),
            (None, Some(name)) => Reader::from_segment(self.disk, name),
            (Some(before), _) => Reader::from_line(self.disk, &before.segment, before.line, before.end),
        }
    }

    /// Goes to behind the record with this number.
    fn find(&mut self, number: u64) -> io::Result<()> {
        let holds = |name: &str| first_of(name).is_some_and(|first| first <= number);
        let segment = segments(self.disk)?.into_iter().rev().find(|entry| holds(&entry.name));
        let Some(segment) = segment else { return Err(not_there(format!("record {number} is not in this log"))) };
        let mut reader = Reader::of_segment(self.disk, &segment.name)?;
        while let Some(line) = reader.next_line()? {
            let claim = claim_of(&line.bytes);
            let Some(claim) = claim else {
                return Err(disordered(format!("line {} of `{}` is no record", line.line, line.segment)));
            };
            if claim.seq == number {
                self.pass(&line);
                self.next = number + 1;
                return Ok(());
            }
        }
        Err(not_there(format!("the log ends before record {number}: it is another log, or not the whole of it")))
    }

    fn pass(&mut self, line: &Line) {
        let end = line.offset + line.bytes.len() as u64 + 1;
        let segment = line.segment.clone();
        self.before =
            Some(Before { hash: hex(&hash(&line.bytes)), segment, line: line.line, offset: line.offset, end });
        self.next += 1;
    }
}

fn not_there(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, message)
}

fn disordered(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{message}: `sekisho audit verify` names the first bad record"))
}
