//! Which number stands for a string? A dictionary by kind; a set of words is an entry of its own.
//!
//! Words are few (callers, routes, clauses …): writer and readers hold all of them in memory. A distinct combination of
//! clauses is one entry, so that an access says its clauses in one number, and a question about a clause is one about
//! the combinations that hold it.

use super::IndexError;
use super::bytes::{Bytes, put};
use super::schema::signed;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::sync::Arc;

/// What a word is. Sets are kinds of their own, of which the text is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    Caller,
    Organization,
    Recipient,
    Purpose,
    Basis,
    Route,
    Action,
    Role,
    Clause,
    /// "form category".
    Form,
    Reason,
    Obligation,
    Mode,
    /// "id revision".
    Policy,
    Code,
    Country,
    Unclassified,
    Roles,
    Clauses,
    Forms,
    Reasons,
    Obligations,
    UnclassifiedNames,
}

impl Kind {
    pub(super) const ALL: [Kind; 23] = [
        Kind::Caller,
        Kind::Organization,
        Kind::Recipient,
        Kind::Purpose,
        Kind::Basis,
        Kind::Route,
        Kind::Action,
        Kind::Role,
        Kind::Clause,
        Kind::Form,
        Kind::Reason,
        Kind::Obligation,
        Kind::Mode,
        Kind::Policy,
        Kind::Code,
        Kind::Country,
        Kind::Unclassified,
        Kind::Roles,
        Kind::Clauses,
        Kind::Forms,
        Kind::Reasons,
        Kind::Obligations,
        Kind::UnclassifiedNames,
    ];
}

/// One kind's words as a reader knows them.
#[derive(Clone, Default)]
struct Known {
    texts: Vec<Arc<str>>,
    members: Vec<Arc<[u32]>>,
}

/// The dictionary as a reader knows it.
#[derive(Clone, Default)]
pub(super) struct Words {
    kinds: Vec<Known>,
}

impl Words {
    /// What came since, in addition to what was known; from scratch where the index was remade.
    pub(super) fn refresh(&self, connection: &Connection) -> Result<Words, IndexError> {
        let mut words = self.clone();
        words.kinds.resize_with(Kind::ALL.len(), Known::default);
        let mut read =
            connection.prepare_cached("SELECT text, members FROM word WHERE kind = ?1 AND id > ?2 ORDER BY id")?;
        for (number, known) in words.kinds.iter_mut().enumerate() {
            let mut rows = read.query(params![signed(number as u64), signed(known.texts.len() as u64)])?;
            while let Some(row) = rows.next()? {
                known.texts.push(row.get_ref(0)?.as_str().map_err(|_| NO_TEXT)?.into());
                known.members.push(read_members(row.get_ref(1)?.as_blob().map_err(|_| NO_TEXT)?)?.into());
            }
        }
        Ok(words)
    }

    /// The text of a word; empty for 0.
    pub(super) fn text(&self, kind: Kind, id: u32) -> Arc<str> {
        self.at(kind, id).map_or_else(|| Arc::from(""), |(known, at)| known.texts.get(at).cloned().unwrap_or_default())
    }

    /// The words of a set, as numbers.
    pub(super) fn members(&self, kind: Kind, id: u32) -> &[u32] {
        self.at(kind, id).and_then(|(known, at)| known.members.get(at)).map_or(&[], |members| members)
    }

    /// The words of a set, as texts.
    pub(super) fn texts(&self, set: Kind, of: Kind, id: u32) -> Vec<Arc<str>> {
        self.members(set, id).iter().map(|member| self.text(of, *member)).collect()
    }

    /// Which words of a kind hold: by their number, 0 ("none") included and false unless the test takes the empty text.
    pub(super) fn which(&self, kind: Kind, mut test: impl FnMut(&str) -> bool) -> Vec<bool> {
        let texts = self.kinds.get(kind as usize).map(|known| known.texts.as_slice()).unwrap_or_default();
        std::iter::once("").chain(texts.iter().map(|text| &**text)).map(&mut test).collect()
    }

    /// Which sets of a kind hold one of these words.
    pub(super) fn holding(&self, set: Kind, words: &[bool]) -> Vec<bool> {
        let members = self.kinds.get(set as usize).map(|known| known.members.as_slice()).unwrap_or_default();
        let holds = |members: &Arc<[u32]>| members.iter().any(|member| is_true(words, *member));
        std::iter::once(false).chain(members.iter().map(holds)).collect()
    }

    fn at(&self, kind: Kind, id: u32) -> Option<(&Known, usize)> {
        let at = usize::try_from(id).ok()?.checked_sub(1)?;
        Some((self.kinds.get(kind as usize)?, at))
    }
}

/// Whether the list says yes to a number.
pub(super) fn is_true(list: &[bool], number: u32) -> bool {
    usize::try_from(number).ok().and_then(|at| list.get(at)).copied().unwrap_or(false)
}

/// The dictionary as the writer knows it.
#[derive(Default)]
pub(super) struct Dictionary {
    words: HashMap<Kind, HashMap<String, u32>>,
    sets: HashMap<Kind, HashMap<Vec<u32>, u32>>,
    /// What is not in the file yet.
    fresh: Vec<(Kind, u32, String, Vec<u32>)>,
}

impl Dictionary {
    pub(super) fn load(connection: &Connection) -> Result<Dictionary, IndexError> {
        let mut dictionary = Dictionary::default();
        let mut read = connection.prepare("SELECT kind, id, text, members FROM word ORDER BY kind, id")?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            let number = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX);
            let kind = *Kind::ALL.get(number).ok_or(IndexError::Damaged("a word of no kind"))?;
            let id = u32::try_from(row.get::<_, i64>(1)?).map_err(|_| NO_TEXT)?;
            let members = read_members(row.get_ref(3)?.as_blob().map_err(|_| NO_TEXT)?)?;
            if members.is_empty() {
                dictionary.words.entry(kind).or_default().insert(row.get(2)?, id);
            } else {
                dictionary.sets.entry(kind).or_default().insert(members, id);
            }
        }
        Ok(dictionary)
    }

    /// The number of a word; 0 for the empty one.
    pub(super) fn word(&mut self, kind: Kind, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let known = self.words.entry(kind).or_default();
        if let Some(id) = known.get(text) {
            return *id;
        }
        let id = next(known.len());
        known.insert(text.to_owned(), id);
        self.fresh.push((kind, id, text.to_owned(), Vec::new()));
        id
    }

    /// The number of a set of words, given in any order; 0 for the empty one.
    pub(super) fn set(&mut self, set: Kind, mut members: Vec<u32>) -> u32 {
        members.sort_unstable();
        members.dedup();
        members.retain(|member| *member != 0);
        if members.is_empty() {
            return 0;
        }
        let known = self.sets.entry(set).or_default();
        if let Some(id) = known.get(&members) {
            return *id;
        }
        let id = next(known.len());
        known.insert(members.clone(), id);
        self.fresh.push((set, id, String::new(), members));
        id
    }

    /// The number of a set of texts.
    pub(super) fn set_of<'t>(&mut self, set: Kind, of: Kind, texts: impl IntoIterator<Item = &'t str>) -> u32 {
        let members = texts.into_iter().map(|text| self.word(of, text)).collect();
        self.set(set, members)
    }

    /// Both sets' words together. Looks the members up among all sets: for the few accesses that need it.
    pub(super) fn union(&mut self, set: Kind, one: u32, other: u32) -> u32 {
        if one == other || other == 0 {
            return one;
        }
        if one == 0 {
            return other;
        }
        let known = self.sets.entry(set).or_default();
        let both = known.iter().filter(|(_, id)| **id == one || **id == other).flat_map(|(members, _)| members.clone());
        let both = both.collect();
        self.set(set, both)
    }

    /// Writes what is new.
    pub(super) fn save(&mut self, connection: &Connection) -> Result<(), IndexError> {
        let mut insert = connection.prepare_cached("INSERT INTO word VALUES (?1, ?2, ?3, ?4)")?;
        for (kind, id, text, members) in self.fresh.drain(..) {
            let mut body = Vec::new();
            members.iter().for_each(|member| put(&mut body, u64::from(*member)));
            insert.execute(params![signed(kind as u64), i64::from(id), text, body])?;
        }
        Ok(())
    }
}

fn next(known: usize) -> u32 {
    u32::try_from(known).unwrap_or(u32::MAX - 1) + 1
}

fn read_members(body: &[u8]) -> Result<Vec<u32>, IndexError> {
    let mut bytes = Bytes(body);
    let mut members = Vec::new();
    while !bytes.0.is_empty() {
        members.push(bytes.small()?);
    }
    Ok(members)
}

const NO_TEXT: IndexError = IndexError::Damaged("a word is no text");
