//! Who may ask, and what does he see?
//!
//! [`Queries`] is shared by any number of threads. A question takes a connection that cannot write, and sees one commit:
//! directory, words and tail are kept until the next one.

use super::access::Access;
use super::block::Block;
use super::logs::Logs;
use super::schema::{self, unsigned};
use super::state;
use super::words::Words;
use super::{Flags, IndexError, Outcome};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The side of the index that is asked. A clone asks the same one.
#[derive(Clone)]
pub struct Queries(Arc<Shared>);

struct Shared {
    path: PathBuf,
    logs: Logs,
    idle: Mutex<Vec<Connection>>,
    newest: Mutex<Option<Arc<Snapshot>>>,
}

/// What every question needs, as of one commit.
pub(super) struct Snapshot {
    pub(super) generation: i64,
    pub(super) words: Words,
    pub(super) blocks: Vec<Block>,
    /// Of each log, by its number.
    pub(super) tails: BTreeMap<u32, Vec<Access>>,
    pub(super) logs: BTreeMap<u32, String>,
    /// From which record on a log is not verified.
    pub(super) suspect: BTreeMap<u32, u64>,
    /// The newest time before each log's tail.
    pub(super) order_ms: BTreeMap<u32, u64>,
}

/// Where an access stands among all: pages are asked for by it, and it does not move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The newest time on its log up to it, so that places are in the order of numbers; milliseconds since the epoch.
    pub order_ms: u64,
    /// The log.
    pub log: String,
    /// The number of the record that began it.
    pub seq: u64,
}

/// One access, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the records' own structs, where each is documented")]
pub struct Row {
    pub place: Place,
    pub time_ms: u64,
    /// The number of its ending; `None` for a refusal and while it is open.
    pub end: Option<u64>,
    /// The numbers of its windows.
    pub windows: Vec<u64>,
    pub id: String,
    pub trace: String,
    pub outcome: Outcome,
    pub flags: Flags,
    pub caller: Arc<str>,
    /// The caller's organisation, or else the recipient's.
    pub organization: Arc<str>,
    pub recipient: Arc<str>,
    pub country: Arc<str>,
    pub purpose: Arc<str>,
    pub basis: Arc<str>,
    pub route: Arc<str>,
    pub action: Arc<str>,
    pub mode: Arc<str>,
    /// Id and revision, with a blank between.
    pub policy: Arc<str>,
    pub roles: Vec<Arc<str>>,
    pub clauses: Vec<Arc<str>>,
    /// Form and category, with a blank between.
    pub forms: Vec<Arc<str>>,
    pub reasons: Vec<Arc<str>>,
    pub obligations: Vec<Arc<str>>,
    pub unclassified: Vec<Arc<str>>,
    /// Why it was cut off or failed.
    pub code: Arc<str>,
    pub status: u16,
    pub released_bytes: u64,
    pub entries_released: u64,
    pub entries_dropped: u64,
    pub total_us: u64,
    /// Persons who are named in it.
    pub people: u64,
    /// Whether the chain was whole up to its beginning.
    pub is_verified: bool,
}

impl Queries {
    /// On the index in this file, over these logs.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(path: &Path, logs: Logs) -> Result<Queries, IndexError> {
        let connection = schema::open_to_read(path)?;
        let shared =
            Shared { path: path.to_owned(), logs, idle: Mutex::new(vec![connection]), newest: Mutex::default() };
        Ok(Queries(Arc::new(shared)))
    }

    pub(super) fn logs(&self) -> &Logs {
        &self.0.logs
    }

    /// Asks on one connection, of one commit.
    pub(super) fn ask<T>(
        &self,
        question: impl FnOnce(&Connection, &Arc<Snapshot>) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => schema::open_to_read(&self.0.path)?,
        };
        let transaction = connection.transaction()?;
        let snapshot = self.snapshot(&transaction)?;
        let answer = question(&transaction, &snapshot)?;
        drop(transaction);
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(answer)
    }

    fn snapshot(&self, connection: &Connection) -> Result<Arc<Snapshot>, IndexError> {
        let generation = schema::generation(connection)?;
        let known = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.as_ref().filter(|known| known.generation == generation) {
            return Ok(Arc::clone(known));
        }
        let words = known.filter(|known| known.generation < generation).map(|known| known.words.clone());
        let snapshot = Arc::new(Snapshot::read(connection, generation, words.unwrap_or_default())?);
        *self.0.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

impl Snapshot {
    fn read(connection: &Connection, generation: i64, words: Words) -> Result<Snapshot, IndexError> {
        let mut logs = BTreeMap::new();
        let mut read = connection.prepare_cached("SELECT id, name FROM log")?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            logs.insert(row.get(0)?, row.get(1)?);
        }
        let blocks = state::blocks(connection, None)?;
        let mut tails = BTreeMap::new();
        for log in logs.keys() {
            tails.insert(*log, state::tail(connection, *log)?.into_values().collect());
        }
        let mut suspect = BTreeMap::new();
        let mut read = connection.prepare_cached("SELECT log, min(seq) FROM fault GROUP BY log")?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            // Of two that do not fit together the first may be the one that was changed.
            suspect.insert(row.get(0)?, unsigned(row.get(1)?).saturating_sub(1));
        }
        let mut order_ms: BTreeMap<u32, u64> = BTreeMap::new();
        for block in &blocks {
            let newest = order_ms.entry(block.log).or_default();
            *newest = block.order_ms.max(block.until_ms).max(*newest);
        }
        Ok(Snapshot { generation, words: words.refresh(connection)?, blocks, tails, logs, suspect, order_ms })
    }

    pub(super) fn log_name(&self, log: u32) -> String {
        self.logs.get(&log).cloned().unwrap_or_default()
    }

    /// An access in words.
    pub(super) fn row(&self, log: u32, order_ms: u64, access: &Access) -> Row {
        use super::access::{Column as C, Number as N};
        use super::words::Kind as K;
        let word = |kind, column| self.words.text(kind, access.cell(column));
        let set = |kinds: (K, K), column| self.words.texts(kinds.0, kinds.1, access.cell(column));
        let seq = access.number(N::Seq);
        Row {
            place: Place { order_ms, log: self.log_name(log), seq },
            time_ms: access.number(N::Time),
            end: Some(access.number(N::End)).filter(|end| *end > 0),
            windows: access.windows.clone(),
            id: access.id.clone(),
            trace: access.trace.clone(),
            outcome: Outcome::from_number(access.cell(C::Outcome)),
            flags: Flags(access.cell(C::Flags)),
            caller: word(K::Caller, C::Caller),
            organization: word(K::Organization, C::Organization),
            recipient: word(K::Recipient, C::Recipient),
            country: word(K::Country, C::Country),
            purpose: word(K::Purpose, C::Purpose),
            basis: word(K::Basis, C::Basis),
            route: word(K::Route, C::Route),
            action: word(K::Action, C::Action),
            mode: word(K::Mode, C::Mode),
            policy: word(K::Policy, C::Policy),
            roles: set((K::Roles, K::Role), C::Roles),
            clauses: set((K::Clauses, K::Clause), C::Clauses),
            forms: set((K::Forms, K::Form), C::Forms),
            reasons: set((K::Reasons, K::Reason), C::Reasons),
            obligations: set((K::Obligations, K::Obligation), C::Obligations),
            unclassified: set((K::UnclassifiedNames, K::Unclassified), C::Unclassified),
            code: word(K::Code, C::Code),
            status: u16::try_from(access.cell(C::Status)).unwrap_or(0),
            released_bytes: access.number(N::Bytes),
            entries_released: access.number(N::Released),
            entries_dropped: access.number(N::Dropped),
            total_us: access.number(N::TotalUs),
            people: people(access),
            is_verified: self.suspect.get(&log).is_none_or(|from| seq < *from),
        }
    }
}

fn people(access: &Access) -> u64 {
    let hashes: std::collections::BTreeSet<u64> = access.people.iter().map(|person| person.hash).collect();
    hashes.len() as u64
}

/// Connections that are kept.
const IDLE_MAX: usize = 4;
