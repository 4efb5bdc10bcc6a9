//! How does the index follow the logs?
//!
//! Durable records only, each held against the hash of the one before ([`Follow`]); a batch of them, their words and the
//! position behind them are one transaction, so that a process that is stopped between two steps has done one or the
//! other. What a log does not go on from is thrown away and read from its beginning.
//!
//! Behind a damage the rest of its segment is read as it stands, as far as it can be read, and the chain is taken up
//! again with the next segment. From the damage on, every record counts as not verified.

use super::IndexError;
use super::logs::{Logs, estimate};
use super::schema;
use super::state::State;
use super::walk::Walk;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use std::time::Instant;

/// How far one call goes.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// So many records at most.
    pub records: u64,
    /// Not long beyond this moment.
    pub until: Option<Instant>,
}

/// How far the index has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Records that this call read.
    pub read: u64,
    /// Records that are in the index, of all logs.
    pub records: u64,
    /// About how many there are.
    pub total: u64,
    /// Whether every durable record is in.
    pub is_caught_up: bool,
}

/// The index as the one who builds it holds it.
pub struct Index {
    connection: Connection,
    logs: Logs,
    state: Option<State>,
    rows_max: usize,
}

impl Index {
    /// Opens the index in this file, or makes it; one of another version, or that SQLite cannot read, is made anew.
    ///
    /// # Errors
    /// If the file is somebody else's, or the disk says no.
    pub fn open(path: &Path, logs: Logs) -> Result<Index, IndexError> {
        Index::open_with(path, logs, super::block::ROWS_MAX)
    }

    /// As [`Index::open`], with blocks of so many accesses: a small number makes a test see every seam.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn open_with(path: &Path, logs: Logs, rows_max: usize) -> Result<Index, IndexError> {
        let connection = schema::open_to_write(path)?;
        Ok(Index { connection, logs, state: None, rows_max: rows_max.clamp(1, super::block::ROWS_MAX) })
    }

    /// Throws everything away. Who reads meanwhile sees all of it, or nothing.
    ///
    /// # Errors
    /// If SQLite says no.
    pub fn clear(&mut self) -> Result<(), IndexError> {
        self.state = None;
        schema::remake(&mut self.connection)
    }

    /// Reads on in every log: to be called every second, or in a row until [`Progress::is_caught_up`].
    ///
    /// # Errors
    /// If a log or the index cannot be read. Nothing of the call's last batch is then in the index, and the next goes
    /// on from there. Damage of a log is no error: it is kept and told by [`super::Queries::integrity`].
    pub fn catch_up(&mut self, limit: Limit) -> Result<Progress, IndexError> {
        let mut progress = Progress::default();
        loop {
            let left = limit.records.saturating_sub(progress.read);
            let batch = self.batch(left.min(BATCH), limit.until);
            if batch.is_err() {
                // What is in memory may be ahead of what was written.
                self.state = None;
            }
            let batch = batch?;
            progress.read += batch.read;
            progress.is_caught_up = batch.is_caught_up;
            let is_late = limit.until.is_some_and(|until| Instant::now() >= until);
            if batch.is_caught_up || is_late || progress.read >= limit.records {
                break;
            }
        }
        self.estimate(&mut progress)?;
        Ok(progress)
    }

    fn batch(&mut self, records: u64, until: Option<Instant>) -> Result<Progress, IndexError> {
        let disks = self.logs.now()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let generation = schema::generation(&transaction)?;
        let known = self.state.take().filter(|state| state.generation == generation);
        let mut state = match known {
            Some(state) => state,
            None => State::load(&transaction)?,
        };
        let mut walk = Walk { connection: &transaction, left: records, until, changed: false, read: 0 };
        let gone: Vec<String> = state.logs.keys().filter(|name| !disks.contains_key(*name)).cloned().collect();
        for name in gone {
            walk.forget(&mut state, &name)?;
        }
        let mut is_caught_up = true;
        for (name, disk) in &disks {
            is_caught_up &= walk.log(&mut state, name, &**disk, self.rows_max)?;
        }
        let read = walk.read;
        if walk.changed {
            state.save(&transaction, self.rows_max)?;
            transaction.commit()?;
        }
        self.state = Some(state);
        Ok(Progress { read, is_caught_up, ..Progress::default() })
    }

    fn estimate(&self, progress: &mut Progress) -> Result<(), IndexError> {
        let Some(state) = &self.state else { return Ok(()) };
        for (name, disk) in self.logs.now()? {
            let Some(log) = state.logs.get(&name) else { continue };
            progress.records += log.records;
            let bytes_a_record = log.bytes.checked_div(log.records).unwrap_or(800);
            progress.total += estimate(&*disk, bytes_a_record)?.max(log.records);
        }
        if progress.is_caught_up {
            progress.total = progress.records;
        }
        Ok(())
    }
}

/// Records of a transaction.
const BATCH: u64 = 50_000;
