//! What is on file, at this very call? Organisations, consents, stops and block lists, from memory, journalled in SQLite.
//!
//! 1. [`Entry`]: what is entered, checked word by word against the vocabulary and the policies.
//! 2. [`Registry::add`], [`Registry::end`]: a row in the journal, durable when they return.
//! 3. [`Registry::facts`]: a [`View`] that holds every row committed before the call, by whatever process.
//! 4. [`Registry::show`]: the entries with their history.
//!
//! Promises:
//! * Closed world: no row means no consent and no restriction. So a view is whole or there is none: a file that is gone,
//!   cut short, damaged, replaced or locked is a [`Stale`] or a [`RegistryError`], never an empty view.
//! * A change holds from the next call of `facts` on. Ending an entry deletes nothing.
//! * No clock: the moment of a change and of a call is given.
//!
//! Cost without a change, under a lock: of `facts` a `stat` of each of its three files and one read of 96 bytes of SQLite's
//! shared memory, of `facts_again` that read alone.

mod entry;
mod error;
mod index;
mod journal;
mod kind;
mod show;
mod view;
mod write;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use rusqlite::Connection;

pub use entry::{Entry, Lexicon};
pub use error::{Mistake, Mistakes, RegistryError, Stale};
pub use kind::{Key, Kind, What};
pub use show::{Filter, Listed, json, table};
pub use view::{Basis, View};
pub use write::{Change, End, EntryId, Happened};

use self::index::{Header, Index, Opening};
use self::journal::{Head, Place, Print, Row, Rows};
use self::view::Meaning;
use crate::policy::facts::Person;
use crate::policy::{Moment, Vocabulary};

/// How a registry is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether to make the file where there is none. Only for a first start: where records exist already, a registry that
    /// is gone has to be found, not begun anew.
    pub create: bool,
    /// How long the view may be answered from after it was last confirmed, in milliseconds, while another process locks
    /// the file against reading: it recovers the journal after a crash, or is no Sekisho. 0: not at all. Whatever else
    /// keeps a view from being confirmed makes it stale at once.
    pub staleness_ms_max: u32,
}

/// The registry: one file, any number of processes.
pub struct Registry {
    place: Place,
    meaning: Meaning,
    staleness_ms_max: i64,
    /// Guards the connection that reads, and the view it has read.
    follower: Mutex<Follower>,
    /// Guards the connection that writes.
    writer: Mutex<Connection>,
    /// After the connections: they are dropped in this order.
    index: Index,
}

/// A connection and how far it has read.
struct Follower {
    connection: Connection,
    print: Print,
    version: i64,
    head: Head,
    view: Arc<View>,
    confirmed: Option<Moment>,
    /// What the wal-index said before the view was last confirmed.
    header: Option<Header>,
}

impl Registry {
    /// Opens the file and reads all of it. Dates are civil days of `zone`.
    ///
    /// # Errors
    /// No file and none to be made, one that others may read, none of ours, of a newer schema, or damaged.
    pub fn open(
        path: &Path,
        vocabulary: &Arc<Vocabulary>,
        zone: &TimeZone,
        options: Options,
    ) -> Result<Registry, RegistryError> {
        if options.create {
            journal::create(path)?;
        }
        let meaning = Meaning { vocabulary: vocabulary.clone(), zone: zone.clone() };
        let place = Place::new(path);
        let opening = Opening::begin();
        // Dropped after the connections, should what follows fail.
        let index;
        let writer = journal::connect(path, journal::BUSY)?;
        let connection = journal::connect(path, journal::BUSY)?;
        let version = journal::version(&connection)?;
        index = opening.index(&place.memory)?;
        journal::check_pages(&connection)?;
        let print = place.print()?;
        let (head, view) = read_all(&connection, &meaning)?;
        // No request waits for a lock: it is answered from the confirmed view, or refused.
        connection.busy_timeout(Duration::ZERO)?;
        let view = Arc::new(view);
        let follower = Follower { connection, print, version, head, view, confirmed: None, header: None };
        Ok(Registry {
            place,
            meaning,
            staleness_ms_max: options.staleness_ms_max.into(),
            follower: Mutex::new(follower),
            writer: Mutex::new(writer),
            index,
        })
    }

    /// What is on file, with every change committed before this call. `now` only measures staleness.
    ///
    /// # Errors
    /// [`Stale`]: that cannot be shown; the caller answers 503 and forwards nothing.
    pub fn facts(&self, now: Moment) -> Result<Arc<View>, Stale> {
        let mut follower = self.follower.lock().map_err(|_| Stale::Unreadable(RegistryError::Poisoned))?;
        match follower.follow(&self.place, &self.index, &self.meaning) {
            Ok(()) => follower.confirmed = Some(now),
            Err(Stale::Locked) if follower.was_confirmed_within(self.staleness_ms_max, now) => {}
            Err(stale) => return Err(stale),
        }
        Ok(follower.view.clone())
    }

    /// The same once more, for what follows at once: that the files are still those that were opened is not looked at
    /// again where no row was committed since the last [`Registry::facts`].
    ///
    /// # Errors
    /// As there.
    pub fn facts_again(&self, now: Moment) -> Result<Arc<View>, Stale> {
        {
            let follower = self.follower.lock().map_err(|_| Stale::Unreadable(RegistryError::Poisoned))?;
            if follower.header.is_some() && follower.header == self.index.header() {
                return Ok(follower.view.clone());
            }
        }
        self.facts(now)
    }

    /// What was on file about a person at an earlier moment: by the rows entered until then, ended ones as they stood.
    ///
    /// # Errors
    /// As of reading the file.
    pub fn person_at(&self, subject: &str, at: Moment) -> Result<Person, RegistryError> {
        let connection = self.writer.lock().map_err(|_| RegistryError::Poisoned)?;
        let rows = journal::rows(&connection, &Rows::Of(subject))?;
        self.meaning.person_of(&rows, at)
    }
}

impl Follower {
    /// Brings the view up to what is committed.
    fn follow(&mut self, place: &Place, index: &Index, meaning: &Meaning) -> Result<(), Stale> {
        let known = self.header.take(); // until all of this is done
        let header = index.header();
        let print = place.print().map_err(|_| Stale::Gone)?;
        if !print.are_same_files(&self.print) {
            return Err(Stale::Replaced);
        }
        if print != self.print {
            confirm_afresh(&place.file, print.bytes < self.print.bytes, self.head).map_err(stale)?;
            self.print = print;
        } else if header.is_some() && header == known && print.has_memory(index.inode()) {
            self.header = header;
            return Ok(());
        }
        let version = journal::version(&self.connection).map_err(stale)?;
        if version != self.version {
            self.apply(meaning).map_err(stale)?;
            // Read before the rows: a change that came in between is looked for again on the next call.
            self.version = version;
        }
        self.header = header;
        Ok(())
    }

    /// Applies the rows after the last that is known; all or none of them.
    fn apply(&mut self, meaning: &Meaning) -> Result<(), RegistryError> {
        let transaction = self.connection.transaction()?;
        if !journal::holds(&transaction, self.head)? {
            return Err(RegistryError::Damaged(self.head.seq, "a row that was read is gone"));
        }
        let rows = journal::rows(&transaction, &Rows::After(self.head.seq))?;
        gapless(self.head.seq, &rows)?;
        let mut view = View::clone(&self.view);
        if rows.iter().any(|row| row.subject.is_none()) {
            view.set_common(&journal::rows(&transaction, &Rows::Common)?, meaning)?;
        }
        let mut subjects: Vec<&str> = rows.iter().filter_map(|row| row.subject.as_deref()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        for subject in subjects {
            view.set_person(subject, &journal::rows(&transaction, &Rows::Of(subject))?, meaning)?;
        }
        let head = journal::head(&transaction)?;
        drop(transaction);
        self.view = Arc::new(view);
        self.head = head;
        Ok(())
    }

    fn was_confirmed_within(&self, ms_max: i64, now: Moment) -> bool {
        let age = self.confirmed.and_then(|confirmed| now.checked_sub(confirmed));
        age.is_some_and(|age| (0..ms_max).contains(&age))
    }
}

fn stale(error: RegistryError) -> Stale {
    if journal::is_locked(&error) { Stale::Locked } else { Stale::Unreadable(error) }
}

/// The file changed on disk, be it by a checkpoint or by a stranger: does it still hold what was read? A connection that
/// is open already might answer from its cache.
fn confirm_afresh(path: &Path, shrunk: bool, head: Head) -> Result<(), RegistryError> {
    let connection = journal::connect(path, Duration::ZERO)?;
    if shrunk {
        journal::check_pages(&connection)?;
    }
    match journal::holds(&connection, head)? {
        true => Ok(()),
        false => Err(RegistryError::Damaged(head.seq, "a row that was read is gone")),
    }
}

/// Reads the whole journal.
fn read_all(connection: &Connection, meaning: &Meaning) -> Result<(Head, View), RegistryError> {
    let transaction = connection.unchecked_transaction()?;
    let rows = journal::rows(&transaction, &Rows::All)?;
    let head = journal::head(&transaction)?;
    drop(transaction);
    gapless(0, &rows)?;
    let mut groups: HashMap<Option<String>, Vec<Row>> = HashMap::new();
    for row in rows {
        groups.entry(row.subject.clone()).or_default().push(row);
    }
    let mut view = View::empty();
    for (subject, rows) in &groups {
        match subject {
            Some(subject) => view.set_person(subject, rows, meaning)?,
            None => view.set_common(rows, meaning)?,
        }
    }
    Ok((head, view))
}

/// Rows are numbered without a gap: one that is missing may have been a stop.
fn gapless(before: i64, rows: &[Row]) -> Result<(), RegistryError> {
    let mut last = before;
    for row in rows {
        if row.seq != last.saturating_add(1) {
            return Err(RegistryError::Damaged(row.seq, "rows before it are gone"));
        }
        last = row.seq;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    /// SQLite lets nobody lock readers out of a journal in WAL mode but while it is recovered; so the file is taken out of
    /// that mode behind the registry's back.
    #[test]
    fn a_locked_file_is_answered_from_the_confirmed_view_for_a_while_only() {
        let path = std::env::temp_dir().join(format!("sekisho-registry-locked-{}", std::process::id()));
        let (vocabulary, zone) = (Arc::new(Vocabulary::compiled_in().unwrap()), TimeZone::UTC);
        let options = Options { create: true, staleness_ms_max: 2000 };
        let registry = Registry::open(&path, &vocabulary, &zone, options).unwrap();
        let entry = Entry::parse("block", ["subject=d-1"]).unwrap();
        registry.add(&entry, &[], "officer", 0).unwrap();

        *registry.writer.lock().unwrap() = Connection::open_in_memory().unwrap();
        registry.follower.lock().unwrap().connection = Connection::open_in_memory().unwrap();
        let stranger = Connection::open(&path).unwrap();
        stranger.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0)).unwrap();
        let follower = Connection::open(&path).unwrap();
        follower.busy_timeout(Duration::ZERO).unwrap();
        {
            let mut state = registry.follower.lock().unwrap();
            state.connection = follower;
            state.print = registry.place.print().unwrap();
        }
        assert!(registry.facts(10_000).unwrap().person("d-1").blocked);
        stranger.execute_batch("BEGIN EXCLUSIVE").unwrap();
        assert!(registry.facts(11_999).unwrap().person("d-1").blocked);
        assert!(matches!(registry.facts(12_000), Err(Stale::Locked)));
        assert!(matches!(registry.facts(9_999), Err(Stale::Locked)), "a clock set back proves nothing");
        stranger.execute_batch("COMMIT").unwrap();
        assert!(registry.facts(12_000).unwrap().person("d-1").blocked);
        drop((registry, stranger));
        std::fs::remove_file(path).unwrap();
    }
}
