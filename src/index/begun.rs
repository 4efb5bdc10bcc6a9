//! Where does every access that matches begin, and which are these few?
//!
//! For those who keep something of their own about accesses, as who looked at them afterwards: all that match, by three
//! numbers each, and then the rows of one page of them.

use super::IndexError;
use super::access::Number;
use super::filter::{Asked, Filter};
use super::queries::{Queries, Row};
use super::scan::units;
use super::search::{Hit, read_hits, running};
use std::collections::HashMap;
use std::sync::Arc;

/// Where an access begins. In order: the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Begun {
    /// When, milliseconds since the epoch.
    pub time_ms: u64,
    /// In which log.
    pub log: Arc<str>,
    /// The number of the record that began it.
    pub seq: u64,
}

impl Queries {
    /// Every access that matches, the oldest first, as of one commit. Two columns are read beside those that are asked
    /// about, and of blocks where something matches only.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn begun(&self, filter: &Filter) -> Result<Vec<Begun>, IndexError> {
        let (_, mut found) = self.fold(
            filter,
            |connection, snapshot, unit, rows, found: &mut Vec<Begun>| {
                let log: Arc<str> = snapshot.log_name(unit.log).into();
                let seqs = unit.numbers(connection, Number::Seq)?;
                let times = unit.numbers(connection, Number::Time)?;
                found.extend(rows.places().into_iter().map(usize::from).filter_map(|at| {
                    Some(Begun { time_ms: *times.get(at)?, log: Arc::clone(&log), seq: *seqs.get(at)? })
                }));
                Ok(())
            },
            |found, other| found.extend(other),
        )?;
        found.sort_unstable();
        Ok(found)
    }

    /// The accesses that these records of these logs began, in this order; those that are not there are left out.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn rows(&self, of: &[(&str, u64)]) -> Result<Vec<Row>, IndexError> {
        self.ask(|connection, snapshot| {
            let units = units(snapshot, &Asked::new(&Filter::default(), snapshot));
            let ids: HashMap<&str, u32> = snapshot.logs.iter().map(|(id, name)| (name.as_str(), *id)).collect();
            let mut hits = Vec::new();
            for (log, seq) in of {
                let Some(id) = ids.get(log) else { continue };
                let newest = units.iter().enumerate().rev().find(|(_, unit)| unit.log == *id && unit.first <= *seq);
                let Some((number, unit)) = newest else { continue };
                let seqs = unit.numbers(connection, Number::Seq)?;
                let Some(at) = seqs.iter().position(|own| own == seq) else { continue };
                let order = running(unit.order_ms, &unit.numbers(connection, Number::Time)?);
                let (Some(order_ms), Ok(at)) = (order.get(at).copied(), u16::try_from(at)) else { continue };
                hits.push(Hit { order_ms, seq: *seq, unit: number, at });
            }
            Ok(read_hits(connection, snapshot, &units, &hits)?.into_iter().map(|(row, _)| row).collect())
        })
    }
}
