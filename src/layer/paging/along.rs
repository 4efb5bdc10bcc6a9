//! What comes along with the entries of a page (`_include`): held until the page ends.
//!
//! A page is filled from several of the backend, and on each of them what comes along stands after the matches that bring
//! it. So its places would tell how many matches of each were shown. It is held, as it was judged, and leaves after the last
//! match, each record once, in the order of its bytes: what leaves hangs on what is shown alone.
//!
//! So does which of it leaves. Where matches are dropped, only what belongs to a match that was released on this very page: a
//! match about the same person that refers to it, or to which it refers; where the search goes on from what came along
//! (`:iterate`), the same through others that belong. The backend's page brings what belongs to its other matches too.
//!
//! More than [`BROUGHT_BYTES_MAX`] ends the page early, with a cursor, where the backend's page ends; more than
//! [`HELD_BYTES_MAX`] is a fault.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::Value;

use super::splice::NoList;

/// As much as this ends a page where the backend's does, in bytes.
pub(super) const BROUGHT_BYTES_MAX: usize = 2 << 20;
/// The most that is held, in bytes.
const HELD_BYTES_MAX: usize = 8 << 20;
/// Of a longer match nothing is known, and nothing comes with it.
const MATCH_BYTES_MAX: usize = 1 << 20;

/// An entry that was released.
#[derive(Clone, Default)]
pub(in crate::layer) struct Released {
    pub(in crate::layer) along: bool,
    /// Whom it is about.
    pub(in crate::layer) person: Option<Box<str>>,
}

/// Which of what comes along leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// All of it: nothing is dropped of which the caller is not to know.
    All,
    /// What a released match brings.
    Direct,
    /// And what that brings.
    Iterated,
}

/// A record as it leaves: what it is called, and what it refers to.
#[derive(Default)]
struct Record {
    person: Option<Box<str>>,
    name: Option<String>,
    refers: HashSet<String>,
}

/// What comes along.
pub(super) struct Along {
    belongs: Belongs,
    /// Of each entry that was released and has not begun.
    expected: VecDeque<Released>,
    under_way: Option<Released>,
    /// What is known of the match under way.
    seen: Vec<u8>,
    matches: Vec<Record>,
    held: Vec<(Option<Box<str>>, Vec<u8>)>,
    bytes: usize,
}

impl Along {
    pub(super) const fn new(belongs: Belongs) -> Along {
        Along {
            belongs,
            expected: VecDeque::new(),
            under_way: None,
            seen: Vec::new(),
            matches: Vec::new(),
            held: Vec::new(),
            bytes: 0,
        }
    }

    /// Entries were released, in this order.
    pub(super) fn expects(&mut self, entries: impl IntoIterator<Item = Released>) {
        self.expected.extend(entries);
    }

    /// The next entry begins: whether it comes along.
    pub(super) fn begins(&mut self) -> Result<bool, NoList> {
        let released = self.expected.pop_front().ok_or(NoList)?;
        let along = released.along;
        match along {
            true => self.held.push((released.person, Vec::new())),
            false => self.under_way = Some(released),
        }
        Ok(along)
    }

    /// More of what came along last.
    pub(super) fn takes(&mut self, bytes: &[u8]) -> Result<(), NoList> {
        self.counts(bytes.len())?;
        let (_, held) = self.held.last_mut().ok_or(NoList)?;
        held.extend_from_slice(bytes);
        Ok(())
    }

    /// More of a match, which leaves meanwhile.
    pub(super) fn sees(&mut self, bytes: &[u8]) {
        if self.belongs != Belongs::All && self.seen.len() <= MATCH_BYTES_MAX {
            self.seen.extend_from_slice(bytes.get(..=MATCH_BYTES_MAX).unwrap_or(bytes));
        }
    }

    /// An entry has ended.
    pub(super) fn ends(&mut self) -> Result<(), NoList> {
        let seen = std::mem::take(&mut self.seen);
        let Some(released) = self.under_way.take() else { return Ok(()) };
        if self.belongs == Belongs::All || seen.len() > MATCH_BYTES_MAX {
            return Ok(());
        }
        let record = Record::read(released.person, &seen);
        self.counts(record.bytes())?;
        self.matches.push(record);
        Ok(())
    }

    fn counts(&mut self, bytes: usize) -> Result<(), NoList> {
        self.bytes += bytes;
        if self.is_over() { Err(NoList) } else { Ok(()) }
    }

    /// Whether a page that holds this goes no further than the backend's.
    pub(super) const fn is_much(&self) -> bool {
        self.bytes > BROUGHT_BYTES_MAX
    }

    /// Whether it is more than is held.
    pub(super) const fn is_over(&self) -> bool {
        self.bytes > HELD_BYTES_MAX
    }

    /// What of it leaves. An error: not every entry that was released has come.
    pub(super) fn all(&mut self) -> Result<Vec<Vec<u8>>, NoList> {
        if !self.expected.is_empty() {
            return Err(NoList);
        }
        let held = std::mem::take(&mut self.held);
        let belongs = match self.belongs {
            Belongs::All => vec![true; held.len()],
            Belongs::Direct | Belongs::Iterated => self.belonging(&held),
        };
        let mut all: Vec<Vec<u8>> =
            held.into_iter().zip(belongs).filter(|(_, belongs)| *belongs).map(|((_, bytes), _)| bytes).collect();
        all.sort();
        Ok(all)
    }

    /// Which of what came along belongs to a match.
    fn belonging(&self, held: &[(Option<Box<str>>, Vec<u8>)]) -> Vec<bool> {
        let records: Vec<Record> = held.iter().map(|(person, bytes)| Record::read(person.clone(), bytes)).collect();
        let mut belongs = vec![false; records.len()];
        let mut called: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        let mut referring: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            let Some(person) = record.person.as_deref() else { continue };
            record.name.iter().for_each(|name| called.entry((person, name)).or_default().push(at));
            record.refers.iter().for_each(|name| referring.entry((person, name)).or_default().push(at));
        }
        let mut open: Vec<&Record> = self.matches.iter().collect();
        while let Some(record) = open.pop() {
            let Some(person) = record.person.as_deref() else { continue };
            let named = record.refers.iter().filter_map(|name| called.get(&(person, name.as_str())));
            let naming = record.name.iter().filter_map(|name| referring.get(&(person, name.as_str())));
            for at in named.chain(naming).flatten() {
                let (Some(known), Some(found)) = (belongs.get_mut(*at), records.get(*at)) else { continue };
                if !std::mem::replace(known, true) && self.belongs == Belongs::Iterated {
                    open.push(found);
                }
            }
        }
        belongs
    }
}

impl Record {
    /// Of an entry's bytes.
    fn read(person: Option<Box<str>>, bytes: &[u8]) -> Record {
        let entry: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let said = |name: &str| entry.get("resource")?.get(name)?.as_str();
        let name = said("resourceType").zip(said("id")).map(|(resource_type, id)| format!("{resource_type}/{id}"));
        let mut refers = HashSet::new();
        collect(&entry, &mut refers);
        Record { person, name, refers }
    }

    fn bytes(&self) -> usize {
        let own = self.name.as_ref().map_or(0, String::len);
        own + self.refers.iter().map(String::len).sum::<usize>() + size_of::<Record>()
    }
}

/// What references lead to, as `Type/id`.
fn collect(value: &Value, into: &mut HashSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(url) if name == "reference" => into.extend(named(url)),
                    _ => collect(member, into),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn named(url: &str) -> Option<String> {
    let record = url.split("/_history/").next()?;
    let mut steps = record.rsplit('/');
    let (id, resource_type) = (steps.next()?, steps.next()?);
    Some(format!("{resource_type}/{id}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_record_however_it_is_written() {
        for url in ["Encounter/e1", "/fhir/Encounter/e1", "https://gate/fhir/Encounter/e1/_history/3"] {
            assert_eq!(named(url).as_deref(), Some("Encounter/e1"), "{url}");
        }
        assert_eq!((named("#e1"), named("e1")), (None, None));
    }

    /// (person, what leaves of the record); the first of them is the match.
    fn left(belongs: Belongs, entries: &[(&str, Value)]) -> Vec<String> {
        let mut along = Along::new(belongs);
        for (at, (person, resource)) in entries.iter().enumerate() {
            along.expects([Released { along: at > 0, person: Some((*person).into()) }]);
            let bytes = serde_json::json!({"resource": resource}).to_string();
            match along.begins().unwrap() {
                true => along.takes(bytes.as_bytes()).unwrap(),
                false => along.sees(bytes.as_bytes()),
            }
            along.ends().unwrap();
        }
        let id = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap()["resource"]["id"].to_string();
        along.all().unwrap().into_iter().map(id).collect()
    }

    #[test]
    fn only_what_a_match_of_the_same_person_brings_belongs_to_it() {
        let record = |kind: &str, id: &str, to: &[&str]| {
            let refers: Vec<Value> = to.iter().map(|url| serde_json::json!({"reference": url})).collect();
            serde_json::json!({"resourceType": kind, "id": id, "refers": refers})
        };
        let entries = [
            ("a", record("Condition", "c1", &["Patient/a", "/fhir/Encounter/e1", "Observation/of-b"])),
            ("a", record("Encounter", "e1", &["Patient/a", "Encounter/e2"])),
            ("a", record("Encounter", "e2", &["Patient/a"])),
            ("a", record("Observation", "o1", &["Condition/c1"])),
            ("a", record("Observation", "o2", &["Condition/c2"])),
            ("b", record("Observation", "of-b", &["Condition/c1"])),
            ("a", record("Patient", "a", &[])),
        ];
        let mut direct = left(Belongs::Direct, &entries);
        direct.sort();
        assert_eq!(direct, ["\"a\"", "\"e1\"", "\"o1\""]);
        assert_eq!(left(Belongs::All, &entries).len(), 6);
        assert!(left(Belongs::Iterated, &entries).contains(&"\"e2\"".to_owned()));
        assert!(!left(Belongs::Iterated, &entries).contains(&"\"of-b\"".to_owned()));
    }
}
