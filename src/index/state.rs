//! Where does the one that builds stand in each log, and what of it is not in the file yet?

use super::IndexError;
use super::access::{Access, Number};
use super::block::{self, Block};
use super::bytes::Bytes;
use super::schema::{signed, unsigned};
use super::words::Dictionary;
use crate::audit::Mark;
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is kept in memory between two commits.
pub(super) struct State {
    pub(super) generation: i64,
    pub(super) words: Dictionary,
    pub(super) logs: BTreeMap<String, OneLog>,
    pub(super) next_block: u64,
}

/// One log.
#[derive(Default)]
pub(super) struct OneLog {
    pub(super) id: u32,
    /// Behind which line; its number is 0 where a damaged line was the last.
    pub(super) mark: Option<Mark>,
    /// Whether a damaged segment is being read without its chain.
    pub(super) beyond: bool,
    /// The newest record that is in the index.
    pub(super) last: u64,
    pub(super) newest_ms: u64,
    pub(super) bytes: u64,
    pub(super) records: u64,
    pub(super) passed_over: u64,
    pub(super) lost: Option<Lost>,
    /// The numbers with which segments begin.
    pub(super) segments: BTreeSet<u64>,
    /// Those of the newest accesses that are in no block.
    pub(super) tail: BTreeMap<u64, Access>,
    pub(super) blocks: Vec<Block>,
    dirty: BTreeSet<u64>,
    kept: BTreeSet<u64>,
    gone: Vec<u64>,
    changed: BTreeMap<u64, Vec<Access>>,
    /// The newest time of an access before the tail.
    order_ms: u64,
}

/// What the index once read of a log and is not there any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) said: String,
    /// The last record of it, and its hash.
    pub(super) seq: u64,
    pub(super) hash: String,
}

impl State {
    pub(super) fn load(connection: &Connection) -> Result<State, IndexError> {
        let generation = super::schema::generation(connection)?;
        let words = Dictionary::load(connection)?;
        let mut logs = BTreeMap::new();
        let mut read = connection.prepare(
            "SELECT id, name, number, hash, segment, line, at, beyond, last, newest_ms, bytes, records, passed_over,
             lost, lost_seq, lost_hash FROM log",
        )?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            let mark = Mark {
                number: unsigned(row.get(2)?),
                hash: row.get(3)?,
                segment: row.get(4)?,
                line: unsigned(row.get(5)?),
                offset: unsigned(row.get(6)?),
            };
            let mut log = OneLog {
                id: row.get(0)?,
                mark: Some(mark).filter(|mark| !mark.segment.is_empty()),
                beyond: row.get(7)?,
                last: unsigned(row.get(8)?),
                newest_ms: unsigned(row.get(9)?),
                bytes: unsigned(row.get(10)?),
                records: unsigned(row.get(11)?),
                passed_over: unsigned(row.get(12)?),
                lost: Some(Lost { said: row.get(13)?, seq: unsigned(row.get(14)?), hash: row.get(15)? })
                    .filter(|lost| !lost.said.is_empty()),
                ..OneLog::default()
            };
            log.load(connection)?;
            logs.insert(row.get(1)?, log);
        }
        let next_block: i64 =
            connection.query_row("SELECT coalesce(max(id), 0) + 1 FROM block", [], |row| row.get(0))?;
        Ok(State { generation, words, logs, next_block: unsigned(next_block) })
    }

    /// Writes what the last records changed: all of it stands with the position, or nothing does.
    pub(super) fn save(&mut self, connection: &Connection, rows_max: usize) -> Result<(), IndexError> {
        for log in self.logs.values_mut() {
            log.seal(connection, &mut self.next_block, rows_max)?;
            log.save(connection)?;
        }
        self.words.save(connection)?;
        self.generation += 1;
        connection.execute("UPDATE state SET generation = ?1", [self.generation])?;
        Ok(())
    }
}

impl OneLog {
    pub(super) fn new(id: u32, lost: Option<Lost>) -> OneLog {
        OneLog { id, lost, ..OneLog::default() }
    }

    fn load(&mut self, connection: &Connection) -> Result<(), IndexError> {
        self.blocks = blocks(connection, Some(self.id))?;
        let mut read = connection.prepare_cached("SELECT first FROM segment WHERE log = ?1")?;
        let firsts = read.query_map([self.id], |row| row.get::<_, i64>(0))?;
        self.segments = firsts.map(|first| first.map(unsigned)).collect::<Result<_, _>>()?;
        self.tail = tail(connection, self.id)?;
        self.kept = self.tail.keys().copied().collect();
        self.order_ms = match self.blocks.last() {
            Some(block) => block.order_ms.max(block.until_ms),
            None => 0,
        };
        Ok(())
    }

    pub(super) fn add(&mut self, access: Access) {
        let seq = access.number(Number::Seq);
        self.dirty.insert(seq);
        self.tail.insert(seq, access);
    }

    /// Changes the access that this beginning began, wherever it is. One that is gone is passed over.
    pub(super) fn change(
        &mut self,
        connection: &Connection,
        seq: u64,
        change: impl FnOnce(&mut Access),
    ) -> Result<(), IndexError> {
        if let Some(access) = self.tail.get_mut(&seq) {
            self.dirty.insert(seq);
            change(access);
            return Ok(());
        }
        let at = self.blocks.partition_point(|block| block.last < seq);
        let Some(block) = self.blocks.get(at).filter(|block| block.first <= seq) else { return Ok(()) };
        let rows = match self.changed.entry(block.id) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => new.insert(block::read(connection, block)?),
        };
        if let Some(access) = rows.iter_mut().find(|access| access.number(Number::Seq) == seq) {
            change(access);
        }
        Ok(())
    }

    /// Packs the older half of what is long enough: most of it has ended.
    pub(super) fn seal(
        &mut self,
        connection: &Connection,
        next_block: &mut u64,
        rows_max: usize,
    ) -> Result<(), IndexError> {
        while self.tail.len() >= 2 * rows_max {
            let Some(first) = self.tail.keys().next().copied() else { break };
            let bound = self.segments.range(first + 1..).next().copied().unwrap_or(u64::MAX);
            let seqs: Vec<u64> = self.tail.range(..bound).take(rows_max).map(|(seq, _)| *seq).collect();
            let rows: Vec<Access> = seqs.iter().filter_map(|seq| self.tail.remove(seq)).collect();
            let times = || rows.iter().map(|row| row.number(Number::Time));
            let block = Block {
                id: *next_block,
                log: self.id,
                first,
                last: seqs.last().copied().unwrap_or(first),
                rows: rows.len(),
                from_ms: times().min().unwrap_or(0),
                until_ms: times().max().unwrap_or(0),
                order_ms: self.order_ms,
            };
            block::write(connection, &block, &rows)?;
            self.order_ms = self.order_ms.max(block.until_ms);
            *next_block += 1;
            self.blocks.push(block);
            for seq in seqs {
                self.dirty.remove(&seq);
                if self.kept.remove(&seq) {
                    self.gone.push(seq);
                }
            }
        }
        Ok(())
    }

    fn save(&mut self, connection: &Connection) -> Result<(), IndexError> {
        for (id, rows) in std::mem::take(&mut self.changed) {
            if let Some(block) = self.blocks.iter().find(|block| block.id == id) {
                block::write(connection, block, &rows)?;
            }
        }
        let mut delete = connection.prepare_cached("DELETE FROM tail WHERE log = ?1 AND seq = ?2")?;
        for seq in self.gone.drain(..) {
            delete.execute(params![self.id, signed(seq)])?;
        }
        let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO tail VALUES (?1, ?2, ?3)")?;
        let mut body = Vec::new();
        for seq in std::mem::take(&mut self.dirty) {
            if let Some(access) = self.tail.get(&seq) {
                body.clear();
                access.write(&mut body);
                insert.execute(params![self.id, signed(seq), &body])?;
                self.kept.insert(seq);
            }
        }
        let none = Mark { number: 0, hash: String::new(), segment: String::new(), line: 0, offset: 0 };
        let mark = self.mark.as_ref().unwrap_or(&none);
        connection
            .prepare_cached(
                "UPDATE log SET number = ?2, hash = ?3, segment = ?4, line = ?5, at = ?6, beyond = ?7, last = ?8,
                 newest_ms = ?9, bytes = ?10, records = ?11, passed_over = ?12 WHERE id = ?1",
            )?
            .execute(params![
                self.id,
                signed(mark.number),
                mark.hash,
                mark.segment,
                signed(mark.line),
                signed(mark.offset),
                self.beyond,
                signed(self.last),
                signed(self.newest_ms),
                signed(self.bytes),
                signed(self.records),
                signed(self.passed_over)
            ])?;
        Ok(())
    }

    /// Takes away what was before this record: its segments were removed.
    pub(super) fn forget_before(&mut self, connection: &Connection, oldest: u64) -> Result<(), IndexError> {
        let (gone, stays) = std::mem::take(&mut self.blocks).into_iter().partition(|block| block.last < oldest);
        self.blocks = stays;
        let gone: Vec<Block> = gone;
        for block in gone {
            block::remove(connection, block.id)?;
            self.changed.remove(&block.id);
        }
        self.tail = self.tail.split_off(&oldest);
        self.dirty = self.dirty.split_off(&oldest);
        self.kept = self.kept.split_off(&oldest);
        self.segments = self.segments.split_off(&oldest);
        for table in ["tail", "place", "administrative", "stranger", "fault"] {
            let sql = format!("DELETE FROM {table} WHERE log = ?1 AND seq < ?2");
            connection.execute(&sql, params![self.id, signed(oldest)])?;
        }
        connection.execute("DELETE FROM segment WHERE log = ?1 AND first < ?2", params![self.id, signed(oldest)])?;
        Ok(())
    }
}

/// The blocks, of one log or of all, by their numbers.
pub(super) fn blocks(connection: &Connection, log: Option<u32>) -> Result<Vec<Block>, IndexError> {
    let mut read = connection.prepare_cached(
        "SELECT id, log, first, last, rows, from_ms, until_ms, order_ms FROM block
         WHERE ?1 IS NULL OR log = ?1 ORDER BY log, first",
    )?;
    let blocks = read.query_map([log], |row| {
        Ok(Block {
            id: unsigned(row.get(0)?),
            log: row.get(1)?,
            first: unsigned(row.get(2)?),
            last: unsigned(row.get(3)?),
            rows: usize::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
            from_ms: unsigned(row.get(5)?),
            until_ms: unsigned(row.get(6)?),
            order_ms: unsigned(row.get(7)?),
        })
    })?;
    Ok(blocks.collect::<Result<_, _>>()?)
}

/// The accesses of a log that are in no block.
pub(super) fn tail(connection: &Connection, log: u32) -> Result<BTreeMap<u64, Access>, IndexError> {
    let mut read = connection.prepare_cached("SELECT seq, body FROM tail WHERE log = ?1 ORDER BY seq")?;
    let mut rows = read.query([log])?;
    let mut tail = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_blob().map_err(|_| IndexError::Damaged("an access is no blob"))?;
        tail.insert(unsigned(row.get(0)?), Access::read(&mut Bytes(body))?);
    }
    Ok(tail)
}
