//! How does an entry get in, and how does it end? In one transaction, checked in it, durable when it returns.

use std::sync::{Arc, MutexGuard};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::Registry;
use super::entry::{self, Entry, Lexicon};
use super::error::{Mistake, Mistakes, RegistryError};
use super::journal::{self, Head, Row, Rows, Step};
use super::kind::Kind;
use super::view::{self, Standing};
use crate::policy::{Moment, Policy, Source};

/// Number of an entry; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub i64);

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was entered.
    Added,
    /// It was ended.
    Ended,
}

/// A change of the registry, as the log of changes is to record it (the subject sealed).
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Its row in the journal: later changes have higher ones.
    pub row: i64,
    /// What happened.
    pub happened: Happened,
    /// To which entry.
    pub entry: EntryId,
    /// Its kind.
    pub kind: Kind,
    /// The person that it is about.
    pub subject: Option<String>,
    /// Who did it.
    pub by: String,
    /// When, as given.
    pub at: Moment,
}

/// Which entries are to end.
pub enum End {
    /// This one.
    Entry(EntryId),
    /// Every one of a kind that has these words.
    Like(Entry),
}

impl End {
    /// Reads the words of the command line: `17`, or `restriction subject=d-100 name=stop-use`.
    ///
    /// # Errors
    /// Every mistake of form; a kind without words that single entries out (its subject, or the organisation or caller).
    pub fn parse<'w>(first: &str, words: impl IntoIterator<Item = &'w str>) -> Result<End, Mistakes> {
        if let Ok(id) = first.parse() {
            return match words.into_iter().next() {
                None => Ok(End::Entry(EntryId(id))),
                Some(_) => Err(Mistake::new("an entry's number stands alone", None).into()),
            };
        }
        let like = Entry::parse_some(first, words)?;
        let needed = match like.kind() {
            Kind::Organization => "id",
            Kind::Approval => "organization",
            Kind::BlockCaller => "caller",
            Kind::Consent
            | Kind::Withdrawal
            | Kind::Objection
            | Kind::Restriction
            | Kind::Relation
            | Kind::Informed
            | Kind::OptOut
            | Kind::Block => "subject",
        };
        match like.one(needed) {
            Some(_) => Ok(End::Like(like)),
            None => {
                let help = "say whose, or give the entry's number from `sekisho registry show`".to_owned();
                Err(Mistake::new(format!("`{needed}` is missing"), Some(help)).into())
            }
        }
    }
}

impl Registry {
    /// Enters `entry`; it holds from the next [`facts`](Registry::facts) on, in every process.
    ///
    /// `policies`: every revision of every site, so that a purpose or recipient that none knows is refused; empty: those
    /// names are not checked. `by`: who enters it. `at`: now.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with every mistake; a file that cannot be written. Nothing is entered then.
    pub fn add(&self, entry: &Entry, policies: &[Arc<Policy>], by: &str, at: Moment) -> Result<Change, RegistryError> {
        entry.check(&self.lexicon(policies))?;
        self.write(by, at, |pen| pen.add_checked(entry))
    }

    /// The same for several entries, all or none, in one transaction.
    ///
    /// # Errors
    /// As of [`add`](Registry::add), for the first that is refused.
    pub fn add_all(
        &self,
        entries: &[Entry],
        policies: &[Arc<Policy>],
        by: &str,
        at: Moment,
    ) -> Result<Vec<Change>, RegistryError> {
        let lexicon = self.lexicon(policies);
        entries.iter().try_for_each(|entry| entry.check(&lexicon))?;
        self.write(by, at, |pen| entries.iter().map(|entry| pen.add_checked(entry)).collect())
    }

    /// Ends entries; they are gone from the next [`facts`](Registry::facts) on and stay in the history.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] where there is nothing to end, or a withdrawal is meant.
    pub fn end(&self, end: &End, by: &str, at: Moment) -> Result<Vec<Change>, RegistryError> {
        self.write(by, at, |pen| {
            let targets = pen.targets(end)?;
            targets.into_iter().map(|(entry, kind, subject)| pen.end(entry, kind, subject)).collect()
        })
    }

    /// Enters every seed of a document, or none. One that was ever entered as written is passed over, ended or not: seeds
    /// are where a registry begins, and read again they bring back neither a consent nor a stop.
    ///
    /// # Errors
    /// [`RegistryError::Seeds`] with every fault and its place; [`RegistryError::Refused`] for a withdrawal of nothing.
    pub fn seed(
        &self,
        source: Source,
        policies: &[Arc<Policy>],
        by: &str,
        at: Moment,
    ) -> Result<Vec<Change>, RegistryError> {
        let entries = entry::seeds(source, &self.lexicon(policies)).map_err(RegistryError::Seeds)?;
        self.write(by, at, |pen| {
            let mut changes = Vec::new();
            for entry in &entries {
                if !pen.was_entered(entry)? {
                    changes.push(pen.add_checked(entry)?);
                }
            }
            Ok(changes)
        })
    }

    fn lexicon<'a>(&'a self, policies: &'a [Arc<Policy>]) -> Lexicon<'a> {
        Lexicon { vocabulary: &self.meaning.vocabulary, zone: &self.meaning.zone, policies }
    }

    /// Runs `work` in one transaction and commits it.
    fn write<T>(
        &self,
        by: &str,
        at: Moment,
        work: impl FnOnce(&mut Pen<'_>) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        if by.is_empty() || by.len() > 256 || by.chars().any(char::is_control) {
            return Err(Mistake::new("who enters it is to be named in 1 to 256 bytes", None).into());
        }
        let mut connection: MutexGuard<'_, Connection> = self.writer.lock().map_err(|_| RegistryError::Poisoned)?;
        self.is_in_place()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let head = journal::head(&transaction)?;
        let mut pen = Pen { transaction: &transaction, head, by, at };
        let done = work(&mut pen)?;
        transaction.commit()?;
        self.is_in_place()?;
        Ok(done)
    }

    /// A row written to a file that was removed or replaced is lost: an error, like a call of `facts`. Asked before a
    /// row is written and again after.
    pub(super) fn is_in_place(&self) -> Result<(), RegistryError> {
        let known = self.follower.lock().map_err(|_| RegistryError::Poisoned)?.print;
        match self.place.print() {
            Ok(print) if print.are_same_files(&known) => Ok(()),
            Ok(_) => Err(RegistryError::Damaged(0, "another file stands in its place")),
            Err(_) => Err(RegistryError::Missing),
        }
    }
}

/// An open transaction, who writes in it and when.
struct Pen<'t> {
    transaction: &'t Transaction<'t>,
    head: Head,
    by: &'t str,
    at: Moment,
}

impl Pen<'_> {
    fn append(&mut self, row: &Row) -> Result<Change, RegistryError> {
        self.head = journal::append(self.transaction, self.head, row)?;
        Ok(Change {
            row: row.seq,
            happened: match row.step {
                Step::Add => Happened::Added,
                Step::End => Happened::Ended,
            },
            entry: EntryId(row.entry),
            kind: row.kind,
            subject: row.subject.clone(),
            by: row.by.clone(),
            at: row.at,
        })
    }

    fn add_checked(&mut self, entry: &Entry) -> Result<Change, RegistryError> {
        self.refuse_what_withdraws_nothing(entry)?;
        self.add(entry)
    }

    fn add(&mut self, entry: &Entry) -> Result<Change, RegistryError> {
        let seq = self.head.seq.saturating_add(1);
        let subject = entry.subject().map(str::to_owned);
        let words = entry.to_json().to_string();
        let by = self.by.to_owned();
        self.append(&Row { seq, step: Step::Add, entry: seq, kind: entry.kind(), subject, words, by, at: self.at })
    }

    fn end(&mut self, entry: i64, kind: Kind, subject: Option<String>) -> Result<Change, RegistryError> {
        let (seq, by) = (self.head.seq.saturating_add(1), self.by.to_owned());
        self.append(&Row { seq, step: Step::End, entry, kind, subject, words: "{}".to_owned(), by, at: self.at })
    }

    /// The rows among which this entry's like are.
    fn beside(&self, entry: &Entry) -> Result<Vec<Row>, RegistryError> {
        let rows = entry.subject().map_or(Rows::Common, Rows::Of);
        journal::rows(self.transaction, &rows)
    }

    /// Whether an entry of the very same words was ever entered.
    fn was_entered(&self, entry: &Entry) -> Result<bool, RegistryError> {
        for row in self.beside(entry)?.iter().filter(|row| row.step == Step::Add && row.kind == entry.kind()) {
            if view::entry_of(row)? == *entry {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A withdrawal that ends no consent on file, or leaves a broader one in force, would stop nothing and not say so.
    fn refuse_what_withdraws_nothing(&self, entry: &Entry) -> Result<(), RegistryError> {
        if entry.kind() != Kind::Withdrawal {
            return Ok(());
        }
        let rows = self.beside(entry)?;
        let standing = view::standing(&rows)?;
        let withdrawn = |consent: &Standing<'_>| {
            standing.iter().any(|other| {
                other.entry.kind() == Kind::Withdrawal
                    && other.row.seq > consent.row.seq
                    && view::withdraws(&other.entry, &consent.entry) == Some(true)
            })
        };
        let mut ends_one = false;
        for consent in standing.iter().filter(|s| s.entry.kind() == Kind::Consent && !withdrawn(s)) {
            match view::withdraws(entry, &consent.entry) {
                None => {}
                Some(true) => ends_one = true,
                Some(false) => {
                    let message = format!("consent {} is broader than what is withdrawn", consent.row.seq);
                    let help = "withdraw it in the words it was given in, then enter what is to stay as a new consent; \
                                or enter an objection";
                    return Err(Mistake::new(message, Some(help.to_owned())).into());
                }
            }
        }
        if ends_one {
            return Ok(());
        }
        let help = "see `sekisho registry show consent subject=…`; to stop what rests on no consent, enter an \
                    objection or a restriction";
        Err(Mistake::new("there is no such consent to withdraw", Some(help.to_owned())).into())
    }

    /// The entries that are meant and stand.
    fn targets(&self, end: &End) -> Result<Vec<(i64, Kind, Option<String>)>, RegistryError> {
        let rows = match end {
            End::Entry(EntryId(id)) => self.around(*id)?,
            End::Like(like) => self.beside(like)?,
        };
        let meant = |standing: &&Standing<'_>| match end {
            End::Entry(EntryId(id)) => standing.row.entry == *id,
            End::Like(like) => standing.entry.matches(like),
        };
        let standing = view::standing(&rows)?;
        let targets: Vec<_> = standing.iter().filter(meant).collect();
        if targets.is_empty() {
            let help = "see `sekisho registry show`; one that was ended cannot be ended again".to_owned();
            return Err(Mistake::new("no such entry stands", Some(help)).into());
        }
        if targets.iter().any(|target| target.entry.kind() == Kind::Withdrawal) {
            let help = "enter the consent that was given anew".to_owned();
            return Err(Mistake::new("a withdrawal is never ended", Some(help)).into());
        }
        Ok(targets.into_iter().map(|t| (t.row.entry, t.row.kind, t.row.subject.clone())).collect())
    }

    /// The rows about whatever this entry is about.
    fn around(&self, id: i64) -> Result<Vec<Row>, RegistryError> {
        let own = journal::rows(self.transaction, &Rows::One(id))?;
        let Some(row) = own.first() else { return Ok(Vec::new()) };
        journal::rows(self.transaction, &row.subject.as_deref().map_or(Rows::Common, Rows::Of))
    }
}
