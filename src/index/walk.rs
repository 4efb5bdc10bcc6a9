//! What does one batch do with the lines of each log?
//!
//! In order as long as the chain is whole; behind a damage to the end of its segment, and in order again from the next.

use super::IndexError;
use super::access::Access;
use super::fold;
use super::held::hash_of;
use super::schema::signed;
use super::state::{Lost, OneLog, State};
use super::words::Dictionary;
use crate::audit::{Entry, Follow, Line, Mark, Reader, first_of, read_time, segments};
use crate::store::Disk;
use rusqlite::{Connection, params};
use std::io::{self, ErrorKind};
use std::time::Instant;

/// One batch over all logs.
pub(super) struct Walk<'c> {
    pub(super) connection: &'c Connection,
    pub(super) left: u64,
    pub(super) until: Option<Instant>,
    pub(super) changed: bool,
    pub(super) read: u64,
}

impl Walk<'_> {
    pub(super) fn forget(&mut self, state: &mut State, name: &str) -> Result<(), IndexError> {
        if let Some(mut log) = state.logs.remove(name) {
            log.forget_before(self.connection, u64::MAX >> 1)?;
            self.connection.execute("DELETE FROM log WHERE id = ?1", [log.id])?;
            self.changed = true;
        }
        Ok(())
    }

    /// Reads on in one log; whether to its end.
    pub(super) fn log(
        &mut self,
        state: &mut State,
        name: &str,
        disk: &dyn Disk,
        rows_max: usize,
    ) -> Result<bool, IndexError> {
        let Some(oldest) = segments(disk)?.first().and_then(|entry| first_of(&entry.name)) else {
            if state.logs.get(name).is_some_and(|log| log.last > 0) {
                let lost = self.lost(state, name, disk)?;
                self.anew(state, name, lost)?;
            }
            return Ok(true);
        };
        let mut follow = match self.go_on(state, name, disk)? {
            Some(follow) => follow,
            None => {
                let lost = self.lost(state, name, disk)?;
                self.anew(state, name, lost)?;
                Some(Follow::from(disk, 0)?)
            }
        };
        let State { words, logs, next_block, .. } = state;
        let Some(log) = logs.get_mut(name) else { return Ok(true) };
        if log.segments.first().is_some_and(|first| *first < oldest) {
            log.forget_before(self.connection, oldest)?;
            self.changed = true;
        }
        loop {
            let end = match &mut follow {
                Some(follow) => self.in_order(follow, words, log)?,
                None => self.beyond(disk, words, log)?,
            };
            log.seal(self.connection, next_block, rows_max)?;
            follow = match end {
                End::Caught => return Ok(true),
                End::Enough => return Ok(false),
                End::Beyond => None,
                End::Segment(name) => Some(Follow::from_segment(disk, &name)?),
            };
        }
    }

    /// The walk from where it was left; `None` where this is another log; `Some(None)` behind a damage.
    fn go_on<'d>(
        &self,
        state: &State,
        name: &str,
        disk: &'d dyn Disk,
    ) -> Result<Option<Option<Follow<'d>>>, IndexError> {
        let Some(log) = state.logs.get(name) else { return Ok(None) };
        let Some(mark) = &log.mark else {
            return Ok(Some(if log.beyond { None } else { Some(Follow::from(disk, 0)?) }));
        };
        match Follow::resume(disk, mark) {
            Ok(_) if log.beyond => Ok(Some(None)),
            Ok(follow) => Ok(Some(Some(follow))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the index read of a log that does not go on from there; `None` where it read nothing, or where all of that went
    /// with old segments.
    fn lost(&self, state: &State, name: &str, disk: &dyn Disk) -> Result<Option<Lost>, IndexError> {
        // Looked at now: the gate may have removed old segments since this batch began.
        let oldest = segments(disk)?.first().and_then(|entry| first_of(&entry.name)).unwrap_or(1);
        let Some(log) = state.logs.get(name).filter(|log| log.last >= oldest) else { return Ok(None) };
        let common = super::held::common(self.connection, log.id, disk)?;
        let said = format!(
            "it held {} records when they were read, and does not hold all of them any more: behind record {common} some \
             are gone, or are others",
            log.last
        );
        let hash = log.mark.as_ref().map(|mark| mark.hash.clone()).unwrap_or_default();
        Ok(Some(Lost { said, seq: log.last, hash }))
    }

    /// Begins a log from nothing, whatever the index held of it. What is lost is said of it until its last record is there
    /// again: an index that was made anew in silence would take what is left for the whole.
    fn anew(&mut self, state: &mut State, name: &str, lost: Option<Lost>) -> Result<(), IndexError> {
        // What came in place of something that is lost is no loss when it goes in its turn.
        let known = state.logs.get_mut(name).and_then(|log| log.lost.take());
        let lost = known.or(lost);
        self.forget(state, name)?;
        let none = Lost::default();
        let told = lost.as_ref().unwrap_or(&none);
        self.connection.execute(
            "INSERT INTO log (name, lost, lost_seq, lost_hash) VALUES (?1, ?2, ?3, ?4)",
            params![name, told.said, signed(told.seq), told.hash],
        )?;
        let id = u32::try_from(self.connection.last_insert_rowid()).unwrap_or(0);
        state.logs.insert(name.to_owned(), OneLog::new(id, lost));
        self.changed = true;
        Ok(())
    }

    /// The record that was the last is there again: so is every one before it, as the chain tells.
    fn found(&self, log: &mut OneLog) -> Result<(), IndexError> {
        log.lost = None;
        self.connection
            .execute("UPDATE log SET lost = '', lost_seq = 0, lost_hash = '' WHERE id = ?1", params![log.id])?;
        Ok(())
    }

    fn in_order(
        &mut self,
        follow: &mut Follow<'_>,
        words: &mut Dictionary,
        log: &mut OneLog,
    ) -> Result<End, IndexError> {
        let end = loop {
            if self.is_over() {
                break End::Enough;
            }
            match follow.next_line() {
                Ok(Some(line)) => {
                    self.take(words, log, &line)?;
                    log.beyond = false;
                }
                Ok(None) => break End::Caught,
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    let place = follow.mark();
                    let segment = place.as_ref().map(|mark| mark.segment.clone()).unwrap_or_default();
                    self.fault(log, follow.position(), &segment, &error)?;
                    log.beyond = true;
                    break End::Beyond;
                }
                Err(error) => return Err(error.into()),
            }
        };
        if let Some(mark) = follow.mark() {
            log.mark = Some(mark);
        }
        Ok(end)
    }

    /// What stands behind a damage in the same segment.
    fn beyond(&mut self, disk: &dyn Disk, words: &mut Dictionary, log: &mut OneLog) -> Result<End, IndexError> {
        let mut reader = match &log.mark {
            Some(mark) => {
                let mut reader = Reader::from_line(disk, &mark.segment, mark.line.saturating_sub(1), mark.offset)?;
                reader.next_line()?;
                reader
            }
            None => Reader::new(disk),
        };
        while !self.is_over() {
            let Some(line) = reader.next_line()? else { return Ok(End::Caught) };
            let here = log.mark.as_ref().and_then(|mark| first_of(&mark.segment));
            if here.is_some_and(|here| first_of(&line.segment) != Some(here)) {
                return Ok(End::Segment(line.segment));
            }
            if !line.finished {
                continue;
            }
            self.take(words, log, &line)?;
            log.mark = Some(mark_of(&line));
        }
        Ok(End::Enough)
    }

    fn fault(&mut self, log: &OneLog, seq: u64, segment: &str, error: &io::Error) -> Result<(), IndexError> {
        self.changed = true;
        self.connection.prepare_cached("INSERT OR IGNORE INTO fault VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            log.id,
            signed(seq),
            segment,
            error.to_string()
        ])?;
        Ok(())
    }

    /// One line into the index.
    fn take(&mut self, words: &mut Dictionary, log: &mut OneLog, line: &Line) -> Result<(), IndexError> {
        self.changed = true;
        self.left -= 1;
        self.read += 1;
        log.records += 1;
        log.bytes += line.bytes.len() as u64 + 1;
        let entry = Entry::read(&line.bytes).ok().filter(|entry| entry.seq > log.last);
        let Some((entry, time_ms)) = entry.and_then(|entry| read_time(&entry.time).map(|time| (entry, time))) else {
            log.passed_over += 1;
            return Ok(());
        };
        self.place(log, line, entry.seq)?;
        log.last = entry.seq;
        if log.lost.as_ref().is_some_and(|lost| lost.seq == entry.seq && lost.hash == hash_of(&line.bytes)) {
            self.found(log)?;
        }
        log.newest_ms = log.newest_ms.max(time_ms);
        match (&*entry.kind, entry.begin) {
            ("begin" | "refusal", _) => log.add(fold::begin(words, &entry, time_ms)),
            ("continuation", Some(begin)) => {
                log.change(self.connection, begin, |access| fold::window(words, access, &entry))?;
            }
            ("end", Some(begin)) => {
                let end = |access: &mut Access| {
                    if access.is_open() {
                        fold::end(words, access, &entry);
                    }
                };
                log.change(self.connection, begin, end)?;
            }
            ("administrative", _) => self.administrative(log, &entry, time_ms)?,
            ("strangers", _) => self.strangers(log, &entry, time_ms)?,
            _ => {}
        }
        Ok(())
    }

    /// Where a record is, for one in 256 and for the first of a segment.
    fn place(&self, log: &mut OneLog, line: &Line, seq: u64) -> Result<(), IndexError> {
        let Some(first) = first_of(&line.segment) else { return Ok(()) };
        if log.segments.insert(first) {
            self.connection.prepare_cached("INSERT OR REPLACE INTO segment VALUES (?1, ?2, ?3)")?.execute(params![
                log.id,
                signed(first),
                line.segment
            ])?;
        } else if !seq.is_multiple_of(PLACE_EVERY) {
            return Ok(());
        }
        self.connection.prepare_cached("INSERT OR REPLACE INTO place VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
            params![log.id, signed(seq), signed(first), signed(line.line), signed(line.offset), hash_of(&line.bytes)],
        )?;
        Ok(())
    }

    fn administrative(&self, log: &OneLog, entry: &Entry<'_>, time_ms: u64) -> Result<(), IndexError> {
        let who = entry.by.as_ref().map(|by| by.id.as_str()).unwrap_or_default();
        self.connection.prepare_cached("INSERT OR REPLACE INTO administrative VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
            params![log.id, signed(entry.seq), signed(time_ms), entry.action.as_deref().unwrap_or_default(), who],
        )?;
        Ok(())
    }

    /// A minute of strangers, by reason; those counted without their reason under the empty one.
    fn strangers(&self, log: &OneLog, entry: &Entry<'_>, time_ms: u64) -> Result<(), IndexError> {
        let mut sums: std::collections::BTreeMap<&str, (u64, u64)> = std::collections::BTreeMap::new();
        for one in &entry.refused {
            let sum = sums.entry(&one.reason).or_default();
            *sum = (sum.0.saturating_add(one.count), sum.1 + 1);
        }
        if let Some(others) = entry.others.filter(|others| *others > 0) {
            sums.entry("").or_default().0 += others;
        }
        let mut insert =
            self.connection.prepare_cached("INSERT OR REPLACE INTO stranger VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for (reason, (count, networks)) in sums {
            insert.execute(params![
                log.id,
                signed(entry.seq),
                reason,
                signed(time_ms),
                signed(count),
                signed(networks)
            ])?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let late = || self.until.is_some_and(|until| Instant::now() >= until);
        self.left == 0 || (self.read.is_multiple_of(1024) && self.read > 0 && late())
    }
}

enum End {
    /// There is no further durable record.
    Caught,
    /// The batch is full.
    Enough,
    /// The chain is broken here.
    Beyond,
    /// The damaged segment is over; the next has this name.
    Segment(String),
}

fn mark_of(line: &Line) -> Mark {
    let hash = hash_of(&line.bytes);
    Mark { number: 0, hash, segment: line.segment.clone(), line: line.line, offset: line.offset }
}

/// Looking a record up reads so many lines at most.
const PLACE_EVERY: u64 = 256;
