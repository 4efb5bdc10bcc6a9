//! Which accesses are these, newest first?

use super::access::{Access, Number};
use super::filter::{Asked, Filter};
use super::queries::{Place, Queries, Row, Snapshot};
use super::scan::{Unit, units};
use super::{IndexError, schema::signed};
use crate::audit::Entry;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A person's part in an access.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// The access.
    pub row: Row,
    /// How often the windows of a list name the person; 0 where the head did.
    pub entries: u64,
    /// In which forms these entries left, "form category".
    pub forms: Vec<Arc<str>>,
}

/// Something done to the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the line")]
pub struct Done {
    pub log: String,
    pub seq: u64,
    pub time_ms: u64,
    pub action: String,
    pub who: String,
}

/// A match: where it stands, and where it lies.
pub(super) struct Hit {
    pub(super) order_ms: u64,
    pub(super) seq: u64,
    pub(super) unit: usize,
    pub(super) at: u16,
}

/// The matches of one log that were not handed out yet; the newest last.
struct Walk {
    log: String,
    /// Units that were not looked at, the newest last.
    units: Vec<usize>,
    hits: Vec<Hit>,
}

impl Queries {
    /// So many accesses before a place, newest first; from the newest where there is none. Pages do not move: an access
    /// that comes later stands before the first.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn search(&self, filter: &Filter, before: Option<&Place>, limit: usize) -> Result<Vec<Row>, IndexError> {
        let accesses = self.accesses(filter, before, limit)?;
        Ok(accesses.into_iter().map(|(row, _)| row).collect())
    }

    /// Every access that names this person (as sealed in the log), newest first.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn subject(&self, sealed: &str, before: Option<&Place>, limit: usize) -> Result<Vec<About>, IndexError> {
        let filter = Filter { subject: Some(sealed.to_owned()), ..Filter::default() };
        let hash = super::block::hash(sealed);
        let found = self.accesses(&filter, before, limit)?;
        self.ask(|_, snapshot| {
            let about = found.into_iter().map(|(row, access)| {
                let his = access.people.iter().filter(|named| named.hash == hash);
                let entries = his.clone().map(|named| u64::from(named.entries)).sum();
                let kinds = (super::words::Kind::Forms, super::words::Kind::Form);
                let texts = |forms: u32| snapshot.words.texts(kinds.0, kinds.1, forms);
                let mut forms: Vec<Arc<str>> = his.flat_map(|named| texts(named.forms)).collect();
                forms.sort_unstable();
                forms.dedup();
                About { row, entries, forms }
            });
            Ok(about.collect())
        })
    }

    /// The access that a record began, or that it is a window or the ending of.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn record(&self, log: &str, seq: u64) -> Result<Option<Row>, IndexError> {
        let line = self.line(log, seq)?;
        let begin = line.as_ref().and_then(|line| Entry::read(&line.bytes).ok()).and_then(|entry| entry.begin);
        let seq = begin.unwrap_or(seq);
        self.ask(|connection, snapshot| {
            let asked = Asked::new(&Filter { log: Some(log.to_owned()), ..Filter::default() }, snapshot);
            let units = units(snapshot, &asked);
            let Some(unit) = units.iter().rev().find(|unit| unit.first <= seq) else { return Ok(None) };
            let seqs = unit.numbers(connection, Number::Seq)?;
            let Some(at) = seqs.iter().position(|own| *own == seq) else { return Ok(None) };
            Ok(rows_of(connection, snapshot, unit, &[at])?.into_iter().next().map(|(row, _)| row))
        })
    }

    /// What the same trace holds, or what the same caller did around a place: at most so many before and after it,
    /// newest first.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn neighbours(&self, filter: &Filter, around: &Place, each: usize) -> Result<Vec<Row>, IndexError> {
        let before = self.search(filter, Some(around), each)?;
        // What comes after it: the same walk from the newest on would be long, so by times, a little further each time.
        let mut after = Vec::new();
        let mut span_ms = 3_600_000u64;
        while span_ms < 400 * 86_400_000 {
            let until_ms = around.order_ms.saturating_add(span_ms);
            let later = Filter { from_ms: Some(around.order_ms), until_ms: Some(until_ms), ..filter.clone() };
            after = self.search(&later, None, LATER_MAX)?;
            after.retain(|row| row.place >= *around);
            if after.len() > each || self.is_past(until_ms)? {
                break;
            }
            span_ms = span_ms.saturating_mul(24);
        }
        let cut = after.len().saturating_sub(each + 1);
        Ok(after.into_iter().skip(cut).chain(before).collect())
    }

    /// What was done to the gate, newest first; before this time, so many.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn administrative(&self, until_ms: Option<u64>, limit: usize) -> Result<Vec<Done>, IndexError> {
        self.ask(|connection, _| {
            let mut read = connection.prepare_cached(
                "SELECT l.name, a.seq, a.time_ms, a.action, a.who FROM administrative a JOIN log l ON l.id = a.log
                 WHERE a.time_ms < ?1 ORDER BY a.time_ms DESC, l.name DESC, a.seq DESC LIMIT ?2",
            )?;
            let until = signed(until_ms.unwrap_or(u64::MAX));
            let rows = read.query_map(params![until, signed(limit as u64)], |row| {
                Ok(Done {
                    log: row.get(0)?,
                    seq: super::schema::unsigned(row.get(1)?),
                    time_ms: super::schema::unsigned(row.get(2)?),
                    action: row.get(3)?,
                    who: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn is_past(&self, moment_ms: u64) -> Result<bool, IndexError> {
        self.ask(|_, snapshot| {
            let asked = Asked::new(&Filter::default(), snapshot);
            Ok(units(snapshot, &asked).iter().all(|unit| unit.until_ms < moment_ms))
        })
    }

    fn accesses(
        &self,
        filter: &Filter,
        before: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<(Row, Access)>, IndexError> {
        self.ask(|connection, snapshot| {
            let asked = Asked::new(filter, snapshot);
            let units = units(snapshot, &asked);
            let mut walks: BTreeMap<u32, Walk> = BTreeMap::new();
            for (at, unit) in units.iter().enumerate() {
                let new = || Walk { log: snapshot.log_name(unit.log), units: Vec::new(), hits: Vec::new() };
                walks.entry(unit.log).or_insert_with(new).units.push(at);
            }
            let mut walks: Vec<Walk> = walks.into_values().collect();
            let mut hits = Vec::new();
            while hits.len() < limit {
                for walk in &mut walks {
                    walk.fill(connection, &units, &asked, before)?;
                }
                let key = |walk: &&mut Walk| walk.hits.last().map(|hit| (hit.order_ms, walk.log.clone(), hit.seq));
                let Some(hit) = walks.iter_mut().max_by_key(key).and_then(|walk| walk.hits.pop()) else { break };
                hits.push(hit);
            }
            read_hits(connection, snapshot, &units, &hits)
        })
    }
}

impl Walk {
    fn fill(
        &mut self,
        connection: &Connection,
        units: &[Unit<'_>],
        asked: &Asked,
        before: Option<&Place>,
    ) -> Result<(), IndexError> {
        while self.hits.is_empty() {
            let Some(number) = self.units.pop() else { return Ok(()) };
            let Some(unit) = units.get(number) else { return Ok(()) };
            let is_after =
                |before: &Place| (unit.order_ms, &self.log, unit.first) > (before.order_ms, &before.log, before.seq);
            if before.is_some_and(is_after) {
                continue;
            }
            let Some(rows) = unit.select(connection, asked)? else { continue };
            let (seqs, times) = (unit.numbers(connection, Number::Seq)?, unit.numbers(connection, Number::Time)?);
            let order: Vec<u64> = running(unit.order_ms, &times);
            for at in rows.places() {
                let (seq, order_ms) = (seqs.get(usize::from(at)), order.get(usize::from(at)));
                let (Some(seq), Some(order_ms)) = (seq.copied(), order_ms.copied()) else { continue };
                let is_before = |place: &Place| (order_ms, &self.log, seq) < (place.order_ms, &place.log, place.seq);
                if before.is_none_or(is_before) {
                    self.hits.push(Hit { order_ms, seq, unit: number, at });
                }
            }
        }
        Ok(())
    }
}

/// The newest time up to each.
pub(super) fn running(mut newest: u64, times: &[u64]) -> Vec<u64> {
    let running = times.iter().map(|time| {
        newest = newest.max(*time);
        newest
    });
    running.collect()
}

/// The accesses themselves, in the order of the hits; each unit is read once.
pub(super) fn read_hits(
    connection: &Connection,
    snapshot: &Snapshot,
    units: &[Unit<'_>],
    hits: &[Hit],
) -> Result<Vec<(Row, Access)>, IndexError> {
    let mut by_unit: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    hits.iter().for_each(|hit| by_unit.entry(hit.unit).or_default().push(usize::from(hit.at)));
    let mut found: BTreeMap<(usize, usize), Access> = BTreeMap::new();
    for (number, mut places) in by_unit {
        let Some(unit) = units.get(number) else { continue };
        places.sort_unstable();
        for (at, access) in places.iter().zip(unit.accesses(connection, &places)?) {
            found.insert((number, *at), access);
        }
    }
    let row = |hit: &Hit| {
        let access = found.remove(&(hit.unit, usize::from(hit.at)))?;
        let log = units.get(hit.unit)?.log;
        Some((snapshot.row(log, hit.order_ms, &access), access))
    };
    Ok(hits.iter().filter_map(row).collect())
}

/// Some accesses of one unit, in words.
fn rows_of(
    connection: &Connection,
    snapshot: &Snapshot,
    unit: &Unit<'_>,
    places: &[usize],
) -> Result<Vec<(Row, Access)>, IndexError> {
    let order = running(unit.order_ms, &unit.numbers(connection, Number::Time)?);
    let accesses = unit.accesses(connection, places)?;
    let rows = places.iter().zip(accesses).map(|(at, access)| {
        let order_ms = order.get(*at).copied().unwrap_or(0);
        (snapshot.row(unit.log, order_ms, &access), access)
    });
    Ok(rows.collect())
}

/// Of one hour, or however much further it is looked.
const LATER_MAX: usize = 20_000;
