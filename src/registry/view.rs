//! What do the rows say now? Entries that were not ended, folded into the [`Register`] and one [`Person`] each.
//!
//! A view is complete: who is not in it has given no consent and stopped nothing. What has ended is not in it at all, so
//! that a clock set back cannot bring a withdrawn consent to life; see [`person_of`] for an earlier day's answer.
//!
//! Cost: a look-up hashes the subject's id twice and allocates nothing; a change copies one of 256 shards.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;

use super::entry::Entry;
use super::error::RegistryError;
use super::journal::{Row, Step};
use super::kind::Kind;
use crate::policy::facts::{
    Approval, Consent, Informed, Objection, Organization, Overseas, Person, Register, Relation, covers,
};
use crate::policy::{Categories, Moment, Vocabulary, Window, start};

static NOBODY: LazyLock<Person> = LazyLock::new(Person::default);
static BLOCKED: LazyLock<Person> = LazyLock::new(|| Person { blocked: true, ..Person::default() });

const SHARDS: u64 = 256;

type Shard = HashMap<String, Arc<Person>>;

/// What is on file, at one row of the journal.
#[derive(Clone)]
pub struct View {
    register: Arc<Register>,
    persons: Vec<Arc<Shard>>,
    hasher: RandomState,
    blocked: Arc<HashMap<String, HashSet<String>>>,
}

/// What one judgement was made by; two are the same if nothing was entered between them about this person, this caller or an
/// organisation. Rows about others change none of it.
#[derive(Clone)]
pub struct Basis {
    register: Arc<Register>,
    person: Option<Arc<Person>>,
    blocked: bool,
}

impl PartialEq for Basis {
    fn eq(&self, other: &Basis) -> bool {
        let person = match (&self.person, &other.person) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other), // made anew by each row about him
            (None, Some(_)) | (Some(_), None) => false,
        };
        let register = Arc::ptr_eq(&self.register, &other.register) || self.register == other.register;
        person && register && self.blocked == other.blocked
    }
}

impl View {
    pub(super) fn empty() -> View {
        View {
            register: Arc::default(),
            persons: (0..SHARDS).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
            blocked: Arc::default(),
        }
    }

    /// What is on file about this person; where nothing is, an empty one.
    pub fn person(&self, subject: &str) -> &Person {
        let person = self.persons.get(self.shard(subject)).and_then(|shard| shard.get(subject));
        person.map_or(&NOBODY, Arc::as_ref)
    }

    /// The same as this caller is to be judged by: `blocked` is set where the person *or the caller* is on the block list.
    ///
    /// Allocates only for a blocked caller who asks for a person with something on file.
    pub fn person_for(&self, subject: &str, issuer: &str, caller: &str) -> Cow<'_, Person> {
        let person = self.person(subject);
        if person.blocked || !self.is_blocked_caller(issuer, caller) {
            return Cow::Borrowed(person);
        }
        if std::ptr::eq(person, &*NOBODY) {
            return Cow::Borrowed(&BLOCKED);
        }
        Cow::Owned(Person { blocked: true, ..person.clone() })
    }

    /// What a judgement about this person, for this caller, is made by; of an empty subject only the caller and the organisations.
    pub fn basis(&self, subject: &str, issuer: &str, caller: &str) -> Basis {
        let person = self.persons.get(self.shard(subject)).and_then(|shard| shard.get(subject)).cloned();
        Basis { register: Arc::clone(&self.register), person, blocked: self.is_blocked_caller(issuer, caller) }
    }

    /// The organisations and approvals.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// Whether this caller of this issuer is on the block list.
    pub fn is_blocked_caller(&self, issuer: &str, caller: &str) -> bool {
        self.blocked.get(caller).is_some_and(|issuers| issuers.contains(issuer))
    }

    /// How many persons have something on file.
    pub fn persons(&self) -> usize {
        self.persons.iter().map(|shard| shard.len()).sum()
    }

    fn shard(&self, subject: &str) -> usize {
        // Not the low bits, by which the shard's own table sorts.
        usize::try_from((self.hasher.hash_one(subject) >> 32) % SHARDS).unwrap_or_default()
    }

    /// Takes what the rows about this person say.
    pub(super) fn set_person(&mut self, subject: &str, rows: &[Row], meaning: &Meaning) -> Result<(), RegistryError> {
        let entries = standing(rows)?;
        let person = (!entries.is_empty()).then(|| meaning.person(&entries)).transpose()?;
        let index = self.shard(subject);
        let Some(shard) = self.persons.get_mut(index).map(Arc::make_mut) else { return Ok(()) };
        match person {
            Some(person) => shard.insert(subject.to_owned(), Arc::new(person)),
            None => shard.remove(subject),
        };
        Ok(())
    }

    /// Takes what the rows about no person say.
    pub(super) fn set_common(&mut self, rows: &[Row], meaning: &Meaning) -> Result<(), RegistryError> {
        let (mut organizations, mut approvals) = (Vec::new(), Vec::new());
        let mut blocked: HashMap<String, HashSet<String>> = HashMap::new();
        for standing in standing(rows)? {
            let entry = &standing.entry;
            match entry.kind() {
                Kind::Organization => organizations.push(meaning.organization(&standing)?),
                Kind::Approval => approvals.push(Approval {
                    organization: standing.needed("organization")?,
                    purpose: owned(entry, "purpose"),
                    window: meaning.window(&standing)?,
                }),
                Kind::BlockCaller => {
                    blocked.entry(standing.needed("caller")?).or_default().insert(standing.needed("issuer")?);
                }
                Kind::Consent
                | Kind::Withdrawal
                | Kind::Objection
                | Kind::Restriction
                | Kind::Relation
                | Kind::Informed
                | Kind::OptOut
                | Kind::Block => return Err(standing.damaged("it names no subject")),
            }
        }
        self.register = Arc::new(Register::new(organizations, approvals));
        self.blocked = Arc::new(blocked);
        Ok(())
    }
}

/// An entry that was not ended.
pub(super) struct Standing<'r> {
    pub(super) row: &'r Row,
    pub(super) entry: Entry,
}

impl Standing<'_> {
    fn damaged(&self, why: &'static str) -> RegistryError {
        RegistryError::Damaged(self.row.seq, why)
    }

    fn needed(&self, key: &str) -> Result<String, RegistryError> {
        owned(&self.entry, key).ok_or_else(|| self.damaged("a word is missing"))
    }
}

/// The entries among the rows that none of them ends, in the order of entry.
pub(super) fn standing(rows: &[Row]) -> Result<Vec<Standing<'_>>, RegistryError> {
    let ended: HashSet<i64> = rows.iter().filter(|row| row.step == Step::End).map(|row| row.entry).collect();
    let added = rows.iter().filter(|row| row.step == Step::Add && !ended.contains(&row.entry));
    added.map(|row| Ok(Standing { row, entry: entry_of(row)? })).collect()
}

/// The entry that a row added.
pub(super) fn entry_of(row: &Row) -> Result<Entry, RegistryError> {
    let damaged = |why| RegistryError::Damaged(row.seq, why);
    let entry = Entry::from_json(row.kind, &row.words).ok_or(damaged("its words cannot be read"))?;
    if entry.subject() == row.subject.as_deref() { Ok(entry) } else { Err(damaged("its subject does not fit")) }
}

/// Whether a withdrawal is meant for a consent: `Some(true)` ends it, `Some(false)` is narrower than it and so cannot.
pub(super) fn withdraws(withdrawal: &Entry, consent: &Entry) -> Option<bool> {
    let (withdrawn, given) = (withdrawal.one("purpose"), consent.one("purpose").unwrap_or_default());
    let by_purpose = match withdrawn {
        None => Some(true),
        Some(broad) if covers(broad, given) => Some(true),
        Some(narrow) => covers(given, narrow).then_some(false),
    };
    let by = |key| match (withdrawal.one(key), consent.one(key)) {
        (None, _) => Some(true),
        (Some(_), None) => Some(false),
        (Some(withdrawn), Some(given)) => (withdrawn == given).then_some(true),
    };
    Some(by_purpose? & by("recipient")? & by("organization")?)
}

/// How words become facts.
pub(super) struct Meaning {
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) zone: TimeZone,
}

impl Meaning {
    /// What is on file about a person.
    pub(super) fn person(&self, entries: &[Standing<'_>]) -> Result<Person, RegistryError> {
        let mut person = Person::default();
        for standing in entries {
            let (entry, own) = (&standing.entry, |key| owned(&standing.entry, key));
            match entry.kind() {
                Kind::Consent => person.consents.extend(self.consent(standing, entries)?),
                Kind::Withdrawal => {}
                Kind::Objection => person.objections.push(Objection {
                    purpose: own("purpose"),
                    recipient: own("recipient"),
                    categories: self.objected(entry),
                    window: self.window(standing)?,
                }),
                Kind::Restriction => person.restrictions.push(standing.needed("name")?),
                Kind::Relation => person.relations.push(Relation {
                    kind: standing.needed("relation")?,
                    organization: own("organization"),
                    person: own("person"),
                    records: entry.many("records").map(<[String]>::to_vec),
                    window: self.window(standing)?,
                }),
                Kind::Informed => person.informed.push(Informed {
                    purpose: standing.needed("purpose")?,
                    at: start(&standing.needed("at")?, &self.zone).map_err(|_| standing.damaged("a date is none"))?,
                }),
                Kind::OptOut => person.opt_outs.push(standing.needed("name")?),
                Kind::Block => person.blocked = true,
                Kind::Organization | Kind::Approval | Kind::BlockCaller => {
                    return Err(standing.damaged("it names a subject"));
                }
            }
        }
        Ok(person)
    }

    /// A consent, cut where a later withdrawal says; `None` where one already holds.
    fn consent(&self, consent: &Standing<'_>, all: &[Standing<'_>]) -> Result<Option<Consent>, RegistryError> {
        let mut window = self.window(consent)?;
        let later = all.iter().filter(|other| {
            other.entry.kind() == Kind::Withdrawal
                && other.row.seq > consent.row.seq
                && withdraws(&other.entry, &consent.entry) == Some(true)
        });
        for withdrawal in later {
            let from = self.window(withdrawal)?.from;
            if from <= withdrawal.row.at {
                return Ok(None);
            }
            window.until = window.until.min(from);
        }
        let own = |key| owned(&consent.entry, key);
        Ok(Some(Consent {
            purpose: own("purpose"),
            recipient: own("recipient"),
            organization: own("organization"),
            categories: consent.entry.many("categories").map(|names| self.consented(names)),
            window,
        }))
    }

    fn window(&self, standing: &Standing<'_>) -> Result<Window, RegistryError> {
        standing.entry.window(&self.zone).map_err(|_| standing.damaged("a date is none"))
    }

    /// A name that this vocabulary no longer knows is consent to nothing.
    fn consented(&self, names: &[String]) -> Categories {
        names.iter().fold(Categories::NONE, |set, name| set.or(self.vocabulary.subtree(name)))
    }

    /// A name that this vocabulary no longer knows makes it an objection to everything.
    fn objected(&self, entry: &Entry) -> Option<Categories> {
        let names = entry.many("categories")?;
        let known = names.iter().all(|name| !self.vocabulary.subtree(name).is_empty());
        known.then(|| self.consented(names))
    }

    fn organization(&self, standing: &Standing<'_>) -> Result<Organization, RegistryError> {
        let entry = &standing.entry;
        let overseas = match entry.one("overseas") {
            None => None,
            Some(name) => {
                let ground = Overseas::from_name(name).ok_or_else(|| standing.damaged("an unknown ground"))?;
                let until = Window::read(None, entry.one("overseas-until"), &self.zone);
                Some((ground, until.map_err(|_| standing.damaged("a date is none"))?.until))
            }
        };
        Ok(Organization {
            id: standing.needed("id")?,
            recipient: standing.needed("recipient")?,
            country: owned(entry, "country"),
            window: self.window(standing)?,
            purposes: entry.many("purposes").map(<[String]>::to_vec),
            overseas,
        })
    }

    /// What the rows said about a person at that moment: those entered later are left out.
    pub(super) fn person_of(&self, rows: &[Row], at: Moment) -> Result<Person, RegistryError> {
        let then: Vec<Row> = rows.iter().filter(|row| row.at <= at).cloned().collect();
        self.person(&standing(&then)?)
    }
}

fn owned(entry: &Entry, key: &str) -> Option<String> {
    entry.one(key).map(str::to_owned)
}
