//! What waits for somebody: reviews, members that no catalogue names, strangers at the door?

use super::access::{Column, Number};
use super::filter::Filter;
use super::queries::{Place, Queries, Row};
use super::schema::{signed, unsigned};
use super::words::Kind;
use super::{Flags, IndexError};
use rusqlite::params;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A member of the backend's answers that no catalogue names, on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unclassified {
    /// Its name, or `*` for all whose names are not shown.
    pub name: Arc<str>,
    /// The route's template.
    pub route: Arc<str>,
    /// When an access with it first began, milliseconds since the epoch.
    pub first_ms: u64,
    /// When one last began.
    pub last_ms: u64,
    /// In how many accesses.
    pub accesses: u64,
}

/// Refusals before anybody was proven, of one minute and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Strangers {
    /// When the record was written, milliseconds since the epoch.
    pub time_ms: u64,
    /// Why; empty for those beyond what a record holds singly.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// From how many networks.
    pub networks: u64,
}

impl Queries {
    /// Accesses whose decision obliges to a review, newest first, in pages.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn reviews(&self, before: Option<&Place>, limit: usize) -> Result<Vec<Row>, IndexError> {
        self.search(&Filter { flags: Flags::REVIEW, ..Filter::default() }, before, limit)
    }

    /// Members that no catalogue names, the last seen first.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn unclassified(&self, filter: &Filter) -> Result<Vec<Unclassified>, IndexError> {
        type Seen = BTreeMap<(u32, u32), (u64, u64, u64)>;
        let add = |seen: &mut Seen, key: (u32, u32), (first, last, count): (u64, u64, u64)| {
            let sum = seen.entry(key).or_insert((u64::MAX, 0, 0));
            *sum = (sum.0.min(first), sum.1.max(last), sum.2 + count);
        };
        let filter = Filter { flags: filter.flags.with(Flags::UNCLASSIFIED), ..filter.clone() };
        let (snapshot, seen) = self.fold(
            &filter,
            |connection, snapshot, unit, rows, seen: &mut Seen| {
                let (names, routes) =
                    (unit.codes(connection, Column::Unclassified)?, unit.codes(connection, Column::Route)?);
                let times = unit.numbers(connection, Number::Time)?;
                for at in rows.places().into_iter().map(usize::from) {
                    let time = times.get(at).copied().unwrap_or(0);
                    for name in snapshot.words.members(Kind::UnclassifiedNames, names.value(at)) {
                        add(seen, (*name, routes.value(at)), (time, time, 1));
                    }
                }
                Ok(())
            },
            |seen, other| other.into_iter().for_each(|(key, sum)| add(seen, key, sum)),
        )?;
        let told = seen.into_iter().map(|((name, route), (first_ms, last_ms, accesses))| Unclassified {
            name: snapshot.words.text(Kind::Unclassified, name),
            route: snapshot.words.text(Kind::Route, route),
            first_ms,
            last_ms,
            accesses,
        });
        let mut told: Vec<Unclassified> = told.collect();
        told.sort_by(|a, b| b.last_ms.cmp(&a.last_ms).then_with(|| (&a.name, &a.route).cmp(&(&b.name, &b.route))));
        Ok(told)
    }

    /// Strangers between two moments, oldest first: at most so many minutes and reasons.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn strangers(&self, from_ms: u64, until_ms: u64, limit: usize) -> Result<Vec<Strangers>, IndexError> {
        self.ask(|connection, _| {
            let mut read = connection.prepare_cached(
                "SELECT time_ms, reason, count, networks FROM stranger WHERE time_ms >= ?1 AND time_ms < ?2
                 ORDER BY time_ms, log, seq, reason LIMIT ?3",
            )?;
            let bounds = params![signed(from_ms), signed(until_ms), signed(limit as u64)];
            let rows = read.query_map(bounds, |row| {
                Ok(Strangers {
                    time_ms: unsigned(row.get(0)?),
                    reason: row.get(1)?,
                    count: unsigned(row.get(2)?),
                    networks: unsigned(row.get(3)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
