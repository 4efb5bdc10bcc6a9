//! How many, of what, and when?
//!
//! Every answer is exact and of one commit. Blocks of which all matches are told by their heads; of the others the
//! columns are counted.

use super::access::{Column, Number};
use super::filter::Filter;
use super::queries::{Queries, Snapshot};
use super::scan::{Rows, Unit};
use super::words::Kind;
use super::{IndexError, Outcome};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that accesses are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of `Filter`'s members")]
pub enum Facet {
    Outcome,
    Purpose,
    Recipient,
    Organization,
    Caller,
    Role,
    Clause,
    Route,
    Action,
    /// "form category".
    Form,
    Reason,
    Obligation,
    Policy,
    Mode,
    Country,
    Unclassified,
}

impl Facet {
    /// Every one.
    pub const ALL: [Facet; 16] = [
        Facet::Outcome,
        Facet::Purpose,
        Facet::Recipient,
        Facet::Organization,
        Facet::Caller,
        Facet::Role,
        Facet::Clause,
        Facet::Route,
        Facet::Action,
        Facet::Form,
        Facet::Reason,
        Facet::Obligation,
        Facet::Policy,
        Facet::Mode,
        Facet::Country,
        Facet::Unclassified,
    ];

    /// The column, the kind of its words, and of its sets where an access has several.
    fn lies(self) -> (Column, Option<Kind>, Option<Kind>) {
        match self {
            Facet::Outcome => (Column::Outcome, None, None),
            Facet::Purpose => (Column::Purpose, Some(Kind::Purpose), None),
            Facet::Recipient => (Column::Recipient, Some(Kind::Recipient), None),
            Facet::Organization => (Column::Organization, Some(Kind::Organization), None),
            Facet::Caller => (Column::Caller, Some(Kind::Caller), None),
            Facet::Role => (Column::Roles, Some(Kind::Role), Some(Kind::Roles)),
            Facet::Clause => (Column::Clauses, Some(Kind::Clause), Some(Kind::Clauses)),
            Facet::Route => (Column::Route, Some(Kind::Route), None),
            Facet::Action => (Column::Action, Some(Kind::Action), None),
            Facet::Form => (Column::Forms, Some(Kind::Form), Some(Kind::Forms)),
            Facet::Reason => (Column::Reasons, Some(Kind::Reason), Some(Kind::Reasons)),
            Facet::Obligation => (Column::Obligations, Some(Kind::Obligation), Some(Kind::Obligations)),
            Facet::Policy => (Column::Policy, Some(Kind::Policy), None),
            Facet::Mode => (Column::Mode, Some(Kind::Mode), None),
            Facet::Country => (Column::Country, Some(Kind::Country), None),
            Facet::Unclassified => (Column::Unclassified, Some(Kind::Unclassified), Some(Kind::UnclassifiedNames)),
        }
    }
}

/// Words with how many accesses have each, the most first. The empty word: accesses that have none.
pub type Counted = Vec<(Arc<str>, u64)>;

/// What left, or was withheld, of one category in one form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Left {
    pub form: String,
    pub category: String,
    pub accesses: u64,
    /// Fields, as the endings count them.
    pub fields: u64,
}

/// How many accesses had this purpose and this recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Meeting {
    pub purpose: Arc<str>,
    pub recipient: Arc<str>,
    pub count: u64,
}

type Pairs = BTreeMap<(u32, u32), u64>;

/// Equal spans of time, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// When the first begins, milliseconds since the epoch.
    pub from_ms: u64,
    /// How long each is.
    pub each_ms: u64,
    /// How many.
    pub count: usize,
}

/// Counts by [`Outcome`], in the order of [`Outcome::ALL`].
pub type ByOutcome = [u64; Outcome::ALL.len()];

impl Queries {
    /// How many accesses match.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn count(&self, filter: &Filter) -> Result<u64, IndexError> {
        let (_, sum) = self.fold(
            filter,
            |_, _, _, rows, sum: &mut u64| {
                *sum += rows.count();
                Ok(())
            },
            |sum, other| *sum += other,
        )?;
        Ok(sum)
    }

    /// For each facet its words with counts, over what matches.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn facets(&self, filter: &Filter, facets: &[Facet]) -> Result<BTreeMap<Facet, Counted>, IndexError> {
        type Sums = BTreeMap<Facet, BTreeMap<u32, u64>>;
        let (snapshot, sums) = self.fold(
            filter,
            |connection, _, unit, rows, sums: &mut Sums| {
                for facet in facets {
                    let sum = sums.entry(*facet).or_default();
                    for (value, count) in counts(connection, unit, rows, facet.lies().0)? {
                        *sum.entry(value).or_default() += count;
                    }
                }
                Ok(())
            },
            |sums, other| {
                for (facet, counts) in other {
                    let sum = sums.entry(facet).or_default();
                    counts.into_iter().for_each(|(value, count)| *sum.entry(value).or_default() += count);
                }
            },
        )?;
        let told = |facet: &Facet| (*facet, in_words(&snapshot, *facet, sums.get(facet)));
        Ok(facets.iter().map(told).collect())
    }

    /// How many in each span, by outcome.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn over_time(&self, filter: &Filter, spans: Spans) -> Result<Vec<ByOutcome>, IndexError> {
        let each_ms = spans.each_ms.max(1);
        let until = spans.from_ms.saturating_add(each_ms.saturating_mul(spans.count as u64));
        let filter = Filter {
            from_ms: Some(filter.from_ms.unwrap_or(0).max(spans.from_ms)),
            until_ms: Some(filter.until_ms.unwrap_or(u64::MAX).min(until)),
            ..filter.clone()
        };
        let span = |time: u64| usize::try_from(time.saturating_sub(spans.from_ms) / each_ms).unwrap_or(usize::MAX);
        let (_, mut sums) = self.fold(
            &filter,
            |connection, _, unit, rows, sums: &mut Vec<ByOutcome>| {
                sums.resize(spans.count, ByOutcome::default());
                if span(unit.from_ms.max(spans.from_ms)) == span(unit.until_ms) {
                    let Some(sum) = sums.get_mut(span(unit.until_ms)) else { return Ok(()) };
                    for (value, count) in counts(connection, unit, rows, Column::Outcome)? {
                        bump(sum, value, count);
                    }
                    return Ok(());
                }
                let (times, codes) =
                    (unit.numbers(connection, Number::Time)?, unit.codes(connection, Column::Outcome)?);
                for at in rows.places().into_iter().map(usize::from) {
                    let time = times.get(at).copied().unwrap_or(0);
                    if let Some(sum) = sums.get_mut(span(time)) {
                        bump(sum, codes.value(at), 1);
                    }
                }
                Ok(())
            },
            |sums, other| {
                sums.resize(spans.count, ByOutcome::default());
                for (sum, other) in sums.iter_mut().zip(other) {
                    sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
                }
            },
        )?;
        sums.resize(spans.count, ByOutcome::default());
        Ok(sums)
    }

    /// How many for each purpose and recipient, the most first.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn heat(&self, filter: &Filter) -> Result<Vec<Meeting>, IndexError> {
        let (snapshot, sums) = self.pairs(filter, Column::Purpose, Column::Recipient)?;
        let words = &snapshot.words;
        let told = |((one, other), count): ((u32, u32), u64)| Meeting {
            purpose: words.text(Kind::Purpose, one),
            recipient: words.text(Kind::Recipient, other),
            count,
        };
        let mut told: Vec<_> = sums.into_iter().map(told).collect();
        told.sort_by(|a, b| {
            b.count.cmp(&a.count).then_with(|| (&a.purpose, &a.recipient).cmp(&(&b.purpose, &b.recipient)))
        });
        Ok(told)
    }

    /// Refusals by reason; one with several counts for each.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn refusals(&self, filter: &Filter) -> Result<Counted, IndexError> {
        let filter = Filter { outcome: vec![Outcome::Refused], ..filter.clone() };
        Ok(self.facets(&filter, &[Facet::Reason])?.remove(&Facet::Reason).unwrap_or_default())
    }

    /// How often each clause was used.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn clauses(&self, filter: &Filter) -> Result<Counted, IndexError> {
        Ok(self.facets(filter, &[Facet::Clause])?.remove(&Facet::Clause).unwrap_or_default())
    }

    /// What left in which form, by the endings' own counts; of an organisation with [`Filter::organization`]. The most
    /// accesses first.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn left(&self, filter: &Filter) -> Result<Vec<Left>, IndexError> {
        type Sums = BTreeMap<u32, (u64, u64)>;
        let add = |sums: &mut Sums, word: u32, accesses: u64, fields: u64| {
            let sum = sums.entry(word).or_default();
            *sum = (sum.0 + accesses, sum.1.saturating_add(fields));
        };
        let (snapshot, sums) = self.fold(
            filter,
            |connection, _, unit, rows, sums: &mut Sums| {
                unit.counts(connection, rows, |counts| {
                    counts.iter().for_each(|(word, fields)| add(sums, *word, 1, *fields));
                })
            },
            |sums, other| other.into_iter().for_each(|(word, (accesses, fields))| add(sums, word, accesses, fields)),
        )?;
        let mut told: Vec<Left> = sums
            .into_iter()
            .map(|(word, (accesses, fields))| {
                let text = snapshot.words.text(Kind::Form, word);
                let (form, category) = text.split_once(' ').unwrap_or((&text, ""));
                Left { form: form.to_owned(), category: category.to_owned(), accesses, fields }
            })
            .collect();
        told.sort_by(|a, b| {
            b.accesses.cmp(&a.accesses).then_with(|| (&a.form, &a.category).cmp(&(&b.form, &b.category)))
        });
        Ok(told)
    }

    /// How many for each two values of two columns.
    fn pairs(&self, filter: &Filter, one: Column, other: Column) -> Result<(Arc<Snapshot>, Pairs), IndexError> {
        self.fold(
            filter,
            |connection, _, unit, rows, sums: &mut Pairs| {
                let (one, other) = (unit.codes(connection, one)?, unit.codes(connection, other)?);
                let width = other.values.len();
                let mut table = vec![0u64; one.values.len() * width];
                for at in rows.places().into_iter().map(usize::from) {
                    let code = |codes: &[u16]| codes.get(at).map_or(0, |code| usize::from(*code));
                    if let Some(sum) = table.get_mut(code(&one.codes) * width + code(&other.codes)) {
                        *sum += 1;
                    }
                }
                let pairs = one.values.iter().flat_map(|a| other.values.iter().map(move |b| (a.0, b.0)));
                for (pair, count) in pairs.zip(table).filter(|(_, count)| *count > 0) {
                    *sums.entry(pair).or_default() += count;
                }
                Ok(())
            },
            |sums, other| other.into_iter().for_each(|(pair, count)| *sums.entry(pair).or_default() += count),
        )
    }
}

/// How many of these accesses have each value.
fn counts(
    connection: &Connection,
    unit: &Unit<'_>,
    rows: &Rows,
    column: Column,
) -> Result<Vec<(u32, u64)>, IndexError> {
    let Rows::Some(places) = rows else {
        let head = unit.head(connection, column)?;
        return Ok(head.into_iter().map(|(value, count)| (value, u64::from(count))).collect());
    };
    let codes = unit.codes(connection, column)?;
    let mut sums = vec![0u64; codes.values.len()];
    for at in places {
        let code = codes.codes.get(usize::from(*at)).map_or(0, |code| usize::from(*code));
        if let Some(sum) = sums.get_mut(code) {
            *sum += 1;
        }
    }
    let values = codes.values.iter().map(|(value, _)| *value);
    Ok(values.zip(sums).filter(|(_, sum)| *sum > 0).collect())
}

fn bump(sum: &mut ByOutcome, outcome: u32, count: u64) {
    if let Some(place) = usize::try_from(outcome).ok().and_then(|at| sum.get_mut(at)) {
        *place += count;
    }
}

fn in_words(snapshot: &Snapshot, facet: Facet, sums: Option<&BTreeMap<u32, u64>>) -> Counted {
    let mut told: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    for (value, count) in sums.into_iter().flatten() {
        let words = match facet.lies() {
            (_, None, _) => vec![Arc::from(Outcome::from_number(*value).name())],
            (_, Some(kind), None) => vec![snapshot.words.text(kind, *value)],
            (_, Some(_), Some(_)) if *value == 0 => vec![Arc::from("")],
            (_, Some(kind), Some(set)) => snapshot.words.texts(set, kind, *value),
        };
        words.into_iter().for_each(|word| *told.entry(word).or_default() += count);
    }
    let mut told: Counted = told.into_iter().collect();
    told.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    told
}
