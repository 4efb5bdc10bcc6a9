//! Which accesses of a block match, without looking at each where its columns' heads tell?
//!
//! A *unit* is a block, or a log's tail. For each, in this order: its times, the heads of the columns that are asked
//! about (nothing there: passed over; nothing else there: not looked at again), postings of a person or an id, and only
//! then the columns. Questions that count go over the units with two threads.

use super::access::{Access, Column, Number};
use super::block::{self, Block, Codes};
use super::filter::{Asked, Filter, Must, Term};
use super::queries::{Queries, Snapshot};
use super::{IndexError, bytes::Bytes};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A block, or the tail of a log.
pub(super) struct Unit<'s> {
    pub(super) log: u32,
    pub(super) first: u64,
    pub(super) rows: usize,
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    pub(super) order_ms: u64,
    lies: Lies<'s>,
}

enum Lies<'s> {
    Packed(&'s Block),
    Loose(&'s [Access]),
}

/// Which of a unit's accesses.
pub(super) enum Rows {
    All(usize),
    Some(Vec<u16>),
}

impl Rows {
    pub(super) fn count(&self) -> u64 {
        match self {
            Rows::All(rows) => *rows as u64,
            Rows::Some(rows) => rows.len() as u64,
        }
    }

    pub(super) fn places(&self) -> Vec<u16> {
        match self {
            Rows::All(rows) => (0..u16::try_from(*rows).unwrap_or(u16::MAX)).collect(),
            Rows::Some(rows) => rows.clone(),
        }
    }

    fn keep(self, mut test: impl FnMut(u16) -> bool) -> Rows {
        Rows::Some(match self {
            Rows::All(rows) => (0..u16::try_from(rows).unwrap_or(u16::MAX)).filter(|row| test(*row)).collect(),
            Rows::Some(mut rows) => {
                rows.retain(|row| test(*row));
                rows
            }
        })
    }
}

/// The units of a commit that a question may concern, oldest first in each log.
pub(super) fn units<'s>(snapshot: &'s Snapshot, asked: &Asked) -> Vec<Unit<'s>> {
    let packed = snapshot.blocks.iter().map(|block| Unit {
        log: block.log,
        first: block.first,
        rows: block.rows,
        from_ms: block.from_ms,
        until_ms: block.until_ms,
        order_ms: block.order_ms,
        lies: Lies::Packed(block),
    });
    let loose = snapshot.tails.iter().filter(|(_, tail)| !tail.is_empty()).map(|(log, tail)| {
        let times = || tail.iter().map(|access| access.number(Number::Time));
        Unit {
            log: *log,
            first: tail.first().map_or(0, |access| access.number(Number::Seq)),
            rows: tail.len(),
            from_ms: times().min().unwrap_or(0),
            until_ms: times().max().unwrap_or(0),
            order_ms: snapshot.order_ms.get(log).copied().unwrap_or(0),
            lies: Lies::Loose(tail),
        }
    });
    let concerns = |unit: &Unit<'_>| {
        !asked.is_nothing
            && asked.log.is_none_or(|log| log == unit.log)
            && unit.from_ms < asked.until_ms
            && unit.until_ms >= asked.from_ms
    };
    packed.chain(loose).filter(concerns).collect()
}

impl Unit<'_> {
    pub(super) fn head(&self, connection: &Connection, column: Column) -> Result<Vec<(u32, u32)>, IndexError> {
        match self.lies {
            Lies::Packed(block) => block::read_head(connection, column, block),
            Lies::Loose(_) => Ok(self.codes(connection, column)?.values),
        }
    }

    pub(super) fn codes(&self, connection: &Connection, column: Column) -> Result<Codes, IndexError> {
        match self.lies {
            Lies::Packed(block) => block::read_codes(connection, column, block),
            Lies::Loose(rows) => Ok(Codes::of(&rows.iter().map(|row| row.cell(column)).collect::<Vec<_>>())),
        }
    }

    pub(super) fn numbers(&self, connection: &Connection, number: Number) -> Result<Vec<u64>, IndexError> {
        match self.lies {
            Lies::Packed(block) => block::read_numbers(connection, number, block),
            Lies::Loose(rows) => Ok(rows.iter().map(|row| row.number(number)).collect()),
        }
    }

    /// These accesses, in ascending order of their places.
    pub(super) fn accesses(&self, connection: &Connection, places: &[usize]) -> Result<Vec<Access>, IndexError> {
        match self.lies {
            Lies::Packed(block) => block::read_some(connection, block, places),
            Lies::Loose(rows) => Ok(places.iter().filter_map(|at| rows.get(*at).cloned()).collect()),
        }
    }

    /// Calls with the people of each of these accesses.
    pub(super) fn people(
        &self,
        connection: &Connection,
        rows: &Rows,
        mut each: impl FnMut(u16, &[super::access::Named]),
    ) -> Result<(), IndexError> {
        let heap = match self.lies {
            Lies::Loose(all) => {
                for at in rows.places() {
                    each(at, all.get(usize::from(at)).map(|access| access.people.as_slice()).unwrap_or_default());
                }
                return Ok(());
            }
            Lies::Packed(block) => block::heap(connection, block::Heap::People, block)?,
        };
        self.walk(&heap, rows, super::access::read_people, |at, people| each(at, &people))
    }

    /// Calls with what left by category in each of these accesses.
    pub(super) fn counts(
        &self,
        connection: &Connection,
        rows: &Rows,
        mut each: impl FnMut(&[(u32, u64)]),
    ) -> Result<(), IndexError> {
        let heap = match self.lies {
            Lies::Loose(all) => {
                for at in rows.places() {
                    each(all.get(usize::from(at)).map(|access| access.counts.as_slice()).unwrap_or_default());
                }
                return Ok(());
            }
            Lies::Packed(block) => block::heap(connection, block::Heap::Counts, block)?,
        };
        self.walk(&heap, rows, super::access::read_counts, |_, counts| each(&counts))
    }

    fn walk<T>(
        &self,
        heap: &[u8],
        rows: &Rows,
        read: impl Fn(&mut Bytes<'_>) -> Result<T, IndexError>,
        mut each: impl FnMut(u16, T),
    ) -> Result<(), IndexError> {
        let mut bytes = Bytes(heap);
        let places = rows.places();
        let mut asked = places.iter().copied().peekable();
        for at in 0..u16::try_from(self.rows).unwrap_or(u16::MAX) {
            let value = read(&mut bytes)?;
            if asked.next_if_eq(&at).is_some() {
                each(at, value);
            }
            if asked.peek().is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Those that match; `None` where there are none.
    pub(super) fn select(&self, connection: &Connection, asked: &Asked) -> Result<Option<Rows>, IndexError> {
        let mut left: Vec<&Must> = Vec::new();
        for must in &asked.must {
            let head = self.head(connection, must.column)?;
            match head.iter().filter(|(value, _)| must.takes(*value)).count() {
                0 => return Ok(None),
                some if some == head.len() => {}
                _ => left.push(must),
            }
        }
        let mut rows = Rows::All(self.rows);
        if let Some(person) = asked.person {
            rows = Rows::Some(self.of_person(connection, person)?);
        }
        for must in left {
            if rows.count() == 0 {
                return Ok(None);
            }
            rows = self.keep(connection, must, rows)?;
        }
        for term in &asked.terms {
            if rows.count() == 0 {
                return Ok(None);
            }
            rows = self.keep_term(connection, term, rows)?;
        }
        if rows.count() > 0 && (self.from_ms < asked.from_ms || self.until_ms >= asked.until_ms) {
            let times = self.numbers(connection, Number::Time)?;
            let asked_for = asked.from_ms..asked.until_ms;
            rows = rows.keep(|row| times.get(usize::from(row)).is_some_and(|time| asked_for.contains(time)));
        }
        Ok(Some(rows).filter(|rows| rows.count() > 0))
    }

    fn keep(&self, connection: &Connection, must: &Must, rows: Rows) -> Result<Rows, IndexError> {
        let codes = self.codes(connection, must.column)?;
        let allowed: Vec<bool> = codes.values.iter().map(|(value, _)| must.takes(*value)).collect();
        if let [all] = allowed.as_slice() {
            return Ok(if *all { rows } else { Rows::Some(Vec::new()) });
        }
        let code = |row: u16| codes.codes.get(usize::from(row)).map_or(0, |code| usize::from(*code));
        Ok(rows.keep(|row| allowed.get(code(row)).copied().unwrap_or(false)))
    }

    fn keep_term(&self, connection: &Connection, term: &Term, rows: Rows) -> Result<Rows, IndexError> {
        let mut hit = vec![false; self.rows];
        let mut mark = |row: u16| {
            if let Some(hit) = hit.get_mut(usize::from(row)) {
                *hit = true;
            }
        };
        for must in &term.any {
            let head = self.head(connection, must.column)?;
            if head.iter().any(|(value, _)| must.takes(*value)) {
                self.keep(connection, must, Rows::All(self.rows))?.places().into_iter().for_each(&mut mark);
            }
        }
        if let Some(number) = term.number.filter(|number| *number >= self.first) {
            let seqs = self.numbers(connection, Number::Seq)?;
            seqs.iter().zip(0u16..).filter(|(seq, _)| **seq == number).for_each(|(_, row)| mark(row));
        }
        self.of_id(connection, &term.text)?.into_iter().for_each(&mut mark);
        Ok(rows.keep(|row| hit.get(usize::from(row)).copied().unwrap_or(false)))
    }

    fn of_person(&self, connection: &Connection, person: u64) -> Result<Vec<u16>, IndexError> {
        let mut rows = match self.lies {
            Lies::Packed(block) => block::rows_of_person(connection, person, block.id)?,
            Lies::Loose(all) => {
                let names = |access: &Access| access.people.iter().any(|named| named.hash == person);
                all.iter().zip(0u16..).filter(|(access, _)| names(access)).map(|(_, row)| row).collect()
            }
        };
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }

    /// Those whose decision's or trace's id begins so.
    fn of_id(&self, connection: &Connection, beginning: &str) -> Result<Vec<u16>, IndexError> {
        if beginning.len() < 4 {
            return Ok(Vec::new());
        }
        let begins = |access: &Access| access.id.starts_with(beginning) || access.trace.starts_with(beginning);
        match self.lies {
            Lies::Loose(all) => {
                Ok(all.iter().zip(0u16..).filter(|(access, _)| begins(access)).map(|(_, row)| row).collect())
            }
            Lies::Packed(block) => {
                let mut rows = block::rows_of_id(connection, beginning, block.id)?;
                rows.sort_unstable();
                rows.dedup();
                if beginning.len() > 8 && !rows.is_empty() {
                    // Their first eight letters are the same; the rest is looked up.
                    let places: Vec<usize> = rows.iter().map(|row| usize::from(*row)).collect();
                    let found = block::read_some(connection, block, &places)?;
                    rows =
                        rows.into_iter().zip(found).filter(|(_, access)| begins(access)).map(|(row, _)| row).collect();
                }
                Ok(rows)
            }
        }
    }
}

impl Queries {
    /// Goes over every unit of which something matches, in any order and with two threads, and adds up.
    pub(super) fn fold<T: Default + Send>(
        &self,
        filter: &Filter,
        each: impl Fn(&Connection, &Snapshot, &Unit<'_>, &Rows, &mut T) -> Result<(), IndexError> + Sync,
        add: impl Fn(&mut T, T),
    ) -> Result<(Arc<Snapshot>, T), IndexError> {
        for _again in 0..3 {
            let next = AtomicUsize::new(0);
            let one = || {
                self.ask(|connection, snapshot| {
                    let asked = Asked::new(filter, snapshot);
                    let units = units(snapshot, &asked);
                    let mut sum = T::default();
                    while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Some(rows) = unit.select(connection, &asked)? {
                            each(connection, snapshot, unit, &rows, &mut sum)?;
                        }
                    }
                    Ok((Arc::clone(snapshot), sum))
                })
            };
            let (mine, other) = std::thread::scope(|scope| {
                let other = scope.spawn(one);
                (one(), other.join().unwrap_or(Err(IndexError::Damaged("a question was broken off"))))
            });
            let ((snapshot, mut sum), (others, rest)) = (mine?, other?);
            // Both saw the same commit; else the parts do not fit together.
            if snapshot.generation == others.generation {
                add(&mut sum, rest);
                return Ok((snapshot, sum));
            }
        }
        self.fold_alone(filter, each)
    }

    fn fold_alone<T: Default>(
        &self,
        filter: &Filter,
        each: impl Fn(&Connection, &Snapshot, &Unit<'_>, &Rows, &mut T) -> Result<(), IndexError>,
    ) -> Result<(Arc<Snapshot>, T), IndexError> {
        self.ask(|connection, snapshot| {
            let asked = Asked::new(filter, snapshot);
            let mut sum = T::default();
            for unit in units(snapshot, &asked) {
                if let Some(rows) = unit.select(connection, &asked)? {
                    each(connection, snapshot, &unit, &rows, &mut sum)?;
                }
            }
            Ok((Arc::clone(snapshot), sum))
        })
    }
}
