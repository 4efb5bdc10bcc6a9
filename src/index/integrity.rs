//! Was every record that is told here held against the chain, and how far?

use super::IndexError;
use super::queries::Queries;
use super::schema::unsigned;
use crate::audit::{first_of, segments};
use rusqlite::{OptionalExtension, params};

/// What is known of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Integrity {
    /// Its name.
    pub log: String,
    /// The number of the newest record in the index; 0 where there is none.
    pub last: u64,
    /// Its hash, where the chain reaches to it.
    pub hash: String,
    /// The newest time on any record, milliseconds since the epoch.
    pub newest_ms: u64,
    /// Every record up to this one is what the chain says.
    pub verified: u64,
    /// Lines that are no record of this version, and are therefore in no answer.
    pub passed_over: u64,
    /// The segments, oldest first.
    pub segments: Vec<Segment>,
    /// Where the chain is broken, the first first.
    pub faults: Vec<Broken>,
    /// What the index once read of it and is not there any more, in words; empty where nothing is. It is said until
    /// that is there again, or the index is thrown away.
    pub lost: String,
}

impl Integrity {
    /// Whether nothing is wrong with it, as far as the index knows.
    pub fn is_intact(&self) -> bool {
        self.faults.is_empty() && self.lost.is_empty()
    }
}

/// One file of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment {
    /// Its name now.
    pub name: String,
    /// The number of its first record.
    pub first: u64,
    /// The number of its last record that is in the index.
    pub last: u64,
    /// Its bytes on the disk.
    pub bytes: u64,
    /// Whether every record of it is verified.
    pub is_verified: bool,
}

/// A place where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken {
    /// The record that does not follow the one before: one of the two was changed.
    pub seq: u64,
    /// What was said.
    pub said: String,
}

impl Queries {
    /// How far each log was followed, and what is wrong with it.
    ///
    /// # Errors
    /// If a log or the index cannot be read.
    pub fn integrity(&self) -> Result<Vec<Integrity>, IndexError> {
        let disks = self.logs().now()?;
        let mut told = Vec::new();
        for (log, disk) in &disks {
            let Some(mut one) = self.integrity_of(log)? else { continue };
            let entries = segments(&**disk)?;
            let firsts: Vec<u64> = entries.iter().filter_map(|entry| first_of(&entry.name)).collect();
            for (at, (entry, first)) in entries.iter().zip(&firsts).enumerate() {
                if *first > one.last {
                    break;
                }
                let last = firsts.get(at + 1).map_or(one.last, |next| one.last.min(next.saturating_sub(1)));
                one.segments.push(Segment {
                    name: entry.name.clone(),
                    first: *first,
                    last,
                    bytes: entry.bytes,
                    is_verified: last <= one.verified,
                });
            }
            told.push(one);
        }
        Ok(told)
    }

    /// What the index once read of this log and is not there any more, as [`Integrity::lost`].
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn lost(&self, log: &str) -> Result<String, IndexError> {
        self.ask(|connection, _| {
            let mut read = connection.prepare_cached("SELECT lost FROM log WHERE name = ?1")?;
            Ok(read.query_row([log], |row| row.get(0)).optional()?.unwrap_or_default())
        })
    }

    fn integrity_of(&self, log: &str) -> Result<Option<Integrity>, IndexError> {
        self.ask(|connection, _| {
            let mut read = connection.prepare_cached(
                "SELECT id, last, number, hash, newest_ms, passed_over, lost FROM log WHERE name = ?1",
            )?;
            let found: Option<(u32, i64, i64, String, i64, i64, String)> = read
                .query_row([log], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
                })
                .optional()?;
            let Some((id, last, number, hash, newest_ms, passed_over, lost)) = found else { return Ok(None) };
            let mut read = connection.prepare_cached("SELECT seq, said FROM fault WHERE log = ?1 ORDER BY seq")?;
            let faults =
                read.query_map(params![id], |row| Ok(Broken { seq: unsigned(row.get(0)?), said: row.get(1)? }))?;
            let faults: Vec<Broken> = faults.collect::<Result<_, _>>()?;
            let last = unsigned(last);
            Ok(Some(Integrity {
                log: log.to_owned(),
                last,
                hash: if unsigned(number) == last { hash } else { String::new() },
                newest_ms: unsigned(newest_ms),
                verified: faults.first().map_or(last, |fault| last.min(fault.seq.saturating_sub(2))),
                passed_over: unsigned(passed_over),
                segments: Vec::new(),
                faults,
                lost,
            }))
        })
    }
}
