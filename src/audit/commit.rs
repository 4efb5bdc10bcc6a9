//! The one thread that writes: a batch is numbered, chained, appended and flushed once, and then its waiters wake.
//!
//! Order within [`Committer::commit`], and why:
//! 1. admit: clock, budget and room are judged record by record; a record refused here is not written at all;
//! 2. line: number, time and hash are given in the order of the file;
//! 3. append and flush; an error here is final, for a flush that failed has lost nobody knows what;
//! 4. wake: nobody hears "durable" before 3 answered, and everybody hears of its error.
//!
//! A batch is whatever came in while the last one was flushed: no timer, so a lone waiter waits for one flush only.

use super::chain::Chain;
use super::json;
use super::log::Options;
use super::pin::Pin;
use super::queue::{Item, Next, Shared, What};
use super::read::{PREFIX, segment_name};
use super::{AuditError, time, write};
use crate::store::{Disk, Flush, NewName, Segment, is_full};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) struct Committer {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) shared: Arc<Shared>,
    pub(super) options: Options,
    pub(super) chain: Chain,
    pub(super) segment: Box<dyn Segment>,
    /// The number of the segment's first record.
    pub(super) segment_first: u64,
    /// When its first line was written.
    pub(super) segment_ms: u64,
    /// Bytes in every file of the log.
    pub(super) used_bytes: u64,
    /// Lines not yet appended.
    pub(super) out: Vec<u8>,
    /// `,"time":…,"node":…,"batch":…,`: the same for every line of a batch.
    pub(super) frame: Vec<u8>,
    /// Whether a new segment was sought in vain in this batch: it is not sought again for each record.
    pub(super) no_room: bool,
    /// Whether the files were counted again in this batch: once is enough.
    pub(super) recounted: bool,
    /// What was signed last.
    pub(super) pin: Pin,
}

/// The records handed over at once, and room for their fates.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    pub(super) bytes: Vec<u8>,
    fates: Vec<Result<u64, AuditError>>,
}

impl Committer {
    /// Works until the log is closed or fails.
    pub(super) fn run(mut self) {
        // Also on a panic: whoever waits, or comes later, is told.
        let _last_word = LastWord(Arc::clone(&self.shared));
        if let Err(error) = self.work().and_then(|()| self.pin()) {
            // What a failed write left stays as it is: the next start looks at it.
            self.shared.end(error);
            return;
        }
        self.segment.trim();
        self.shared.end(AuditError::Closed);
    }

    /// Batch after batch; between two, or where none comes, what is new is signed.
    fn work(&mut self) -> Result<(), AuditError> {
        let mut batch = Batch::default();
        loop {
            match self.shared.next_batch(&mut batch, self.pin_due()) {
                Next::Batch => self.commit(&mut batch)?,
                Next::Nothing => {}
                Next::Closing => return Ok(()),
            }
            self.pin_if_due()?;
        }
    }

    fn commit(&mut self, batch: &mut Batch) -> Result<(), AuditError> {
        batch.fates.clear();
        let written = self.write(batch);
        for (item, fate) in batch.items.drain(..).zip(batch.fates.drain(..)) {
            let fate = match &written {
                Ok(()) => fate,
                Err(error) => Err(error.clone()),
            };
            item.wake(&self.shared, fate);
        }
        batch.bytes.clear();
        written
    }

    /// Steps 1 to 3. Leaves one fate for each item, also where it fails.
    fn write(&mut self, batch: &mut Batch) -> Result<(), AuditError> {
        let now_ms = self.shared.clock.now_ms();
        self.start_batch(now_ms);
        let mut result = self.rotate_if_old(now_ms).map_err(failed);
        for item in &batch.items {
            let body = batch.bytes.get(item.body.clone()).unwrap_or_default();
            let fate = match &result {
                Ok(()) => self.take(&item.what, body, now_ms),
                Err(error) => Ok(Err(AuditError::clone(error))),
            };
            batch.fates.push(fate.unwrap_or_else(|error| {
                result = Err(error.clone());
                Err(error)
            }));
        }
        result.and_then(|()| self.append(Flush::Batch).map_err(failed))
    }

    /// Everything written from here on shares a time and the number of its first line.
    pub(super) fn start_batch(&mut self, now_ms: u64) {
        self.no_room = false;
        self.recounted = false;
        self.chain.batch = self.chain.next;
        self.frame.clear();
        self.frame.extend_from_slice(b",\"time\":\"");
        time::write(&mut self.frame, now_ms);
        self.frame.extend_from_slice(b"\",\"node\":");
        json::text(&mut self.frame, &self.options.node);
        self.frame.extend_from_slice(b",\"batch\":");
        json::number(&mut self.frame, self.chain.batch);
        self.frame.push(b',');
    }

    /// Admits one record and writes its line. The outer error is the end of the log, the inner one this record's.
    fn take(&mut self, what: &What, body: &[u8], now_ms: u64) -> Result<Result<u64, AuditError>, AuditError> {
        if let Err(refused) = self.admit(what, body.len() as u64, now_ms).map_err(failed)? {
            return Ok(Err(refused));
        }
        let number = match what {
            What::Probe => self.chain.next,
            _ => self.line(body),
        };
        match what {
            What::Begin { id } => {
                self.chain.open.insert(number, Arc::clone(id));
            }
            What::End { begin } => {
                self.chain.open.remove(begin);
            }
            What::AcceptClock => self.chain.newest_ms = now_ms,
            What::Ordinary | What::Reserved | What::Probe => {}
        }
        self.chain.newest_ms = self.chain.newest_ms.max(now_ms);
        self.shared.newest_ms.store(self.chain.newest_ms, Ordering::Relaxed);
        Ok(Ok(number))
    }

    /// Step 1. Endings and administrative records are never refused: what was begun must be seen to end.
    fn admit(&mut self, what: &What, body_bytes: u64, now_ms: u64) -> io::Result<Result<(), AuditError>> {
        let ordinary = matches!(what, What::Begin { .. } | What::Ordinary | What::Probe);
        let line_bytes = body_bytes + FRAME_BYTES;
        if ordinary {
            if let Some(behind_ms) = behind(self.chain.newest_ms, now_ms) {
                return Ok(Err(AuditError::ClockBehind { behind_ms }));
            }
            if self.chain.open.len() >= OPEN_MAX {
                return Ok(Err(AuditError::Overloaded));
            }
        }
        let within = !ordinary || self.within_budget(line_bytes)?;
        let room = within && (self.fits(line_bytes) || self.rotate(now_ms)?);
        if ordinary {
            self.shared.full.store(!room, Ordering::Relaxed);
            if !room {
                return Ok(Err(AuditError::Full));
            }
        }
        Ok(Ok(()))
    }

    /// Before anything is handed over: readiness knows of a log that is full from the start.
    pub(super) fn look_for_room(&mut self) -> io::Result<()> {
        let room = self.within_budget(FRAME_BYTES)?;
        self.shared.full.store(!room, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a record fits beside the reserve and the endings of what is open. Counts the files again before saying
    /// no: an operator may have removed some.
    fn within_budget(&mut self, line_bytes: u64) -> io::Result<bool> {
        let endings_bytes = (self.chain.open.len() as u64 + 1) * ENDING_BYTES;
        let kept_bytes = endings_bytes.max(self.options.reserve_bytes);
        let fits = |used_bytes: u64| used_bytes + line_bytes + kept_bytes <= self.options.disk_bytes_max;
        let pending_bytes = self.out.len() as u64;
        if fits(self.used_bytes + pending_bytes) {
            return Ok(true);
        }
        if std::mem::replace(&mut self.recounted, true) {
            return Ok(false);
        }
        self.used_bytes = used_bytes(&*self.disk)?;
        Ok(fits(self.used_bytes + pending_bytes))
    }

    /// Whether the segment takes another line. One that holds nothing yet takes any.
    fn fits(&self, line_bytes: u64) -> bool {
        let is_fresh = self.chain.next <= self.segment_first + 1;
        is_fresh || self.segment.bytes() + self.out.len() as u64 + line_bytes <= self.options.segment_bytes
    }

    /// Leaves the segment for a new one; `false` where there is no room for one, and then nothing changed.
    ///
    /// The old segment is flushed first: were the new one to survive a crash and the end of the old one not, records
    /// would be missing from the middle of the log.
    pub(super) fn rotate(&mut self, now_ms: u64) -> io::Result<bool> {
        if self.no_room {
            return Ok(false);
        }
        if !self.out.is_empty() {
            self.append(Flush::Rotation)?;
        }
        match new_segment(&*self.disk, &self.options, self.chain.next) {
            Ok(segment) => {
                self.segment.trim();
                self.segment = segment;
                self.open_segment(now_ms);
                Ok(true)
            }
            Err(error) if is_full(&error) => {
                self.no_room = true;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Leaves a segment that was written to for long enough, if there is room for another; else it goes on.
    fn rotate_if_old(&mut self, now_ms: u64) -> io::Result<()> {
        let is_old = now_ms.saturating_sub(self.segment_ms) >= self.options.segment_ms;
        let is_fresh = self.chain.next <= self.segment_first + 1;
        if is_old && !is_fresh && self.within_budget(FRAME_BYTES)? {
            self.rotate(now_ms)?;
        }
        Ok(())
    }

    /// Writes the first line of a new segment.
    pub(super) fn open_segment(&mut self, now_ms: u64) {
        (self.segment_first, self.segment_ms) = (self.chain.next, now_ms);
        let mut body = Vec::new();
        let open = self.chain.open.iter().map(|(begin, id)| (*begin, &**id));
        write::segment(&mut body, self.chain.newest_ms.max(now_ms), self.chain.tree.as_ref(), open);
        self.line(&body);
    }

    /// Step 2: one line, chained to the one before. Returns its number.
    pub(super) fn line(&mut self, body: &[u8]) -> u64 {
        let number = self.chain.next;
        let start = self.out.len();
        self.out.extend_from_slice(b"{\"v\":1,\"seq\":");
        json::number(&mut self.out, number);
        self.out.extend_from_slice(&self.frame);
        self.out.extend_from_slice(body);
        self.out.extend_from_slice(b",\"prev\":\"");
        json::hex(&mut self.out, &self.chain.prev.unwrap_or_default());
        self.out.extend_from_slice(b"\"}");
        self.chain.grow(self.out.get(start..).unwrap_or_default());
        self.out.push(b'\n');
        number
    }

    /// Step 3.
    pub(super) fn append(&mut self, why: Flush) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.segment.append(&self.out)?;
        self.used_bytes += self.out.len() as u64;
        self.out.clear();
        self.segment.flush(why)
    }
}

/// Makes a segment whose first record will have this number, and its name durable. Room is set aside for the whole
/// segment and for endings on top, so that they fit even on a disk that others have filled.
pub(super) fn new_segment(disk: &dyn Disk, options: &Options, first: u64) -> io::Result<Box<dyn Segment>> {
    let segment = disk.create(&segment_name(first), options.segment_bytes + options.reserve_bytes)?;
    disk.sync_directory(NewName::Segment)?;
    Ok(segment)
}

/// Bytes in every file of the log.
pub(super) fn used_bytes(disk: &dyn Disk) -> io::Result<u64> {
    Ok(disk.list()?.iter().filter(|entry| entry.name.starts_with(PREFIX)).map(|entry| entry.bytes).sum())
}

/// By how much the clock is behind, if that is more than the log bears.
pub(super) fn behind(newest_ms: u64, now_ms: u64) -> Option<u64> {
    newest_ms.checked_sub(now_ms).filter(|behind_ms| *behind_ms > CLOCK_BEHIND_MS_MAX)
}

pub(super) fn failed(error: impl ToString) -> AuditError {
    AuditError::Failed(Arc::from(error.to_string()))
}

/// Ends the log however the thread ends; an end already told stands.
struct LastWord(Arc<Shared>);
impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.end(failed("the writing thread stopped"));
    }
}

/// How far the clock may be behind the newest record.
const CLOCK_BEHIND_MS_MAX: u64 = 60_000;
/// Beginnings open at once: their list must fit a segment's first line.
const OPEN_MAX: usize = 65_536;
/// Kept for each ending to come.
const ENDING_BYTES: u64 = 1024;
/// The frame of a line, at most, with a node's name of 64 bytes, each escaped.
const FRAME_BYTES: u64 = 640;
