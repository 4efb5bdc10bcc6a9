//! Which records are about one person, and how did each of these accesses end?
//!
//! A walk over the whole log, from its oldest line: a person is named in the beginning of an access, in the windows of a
//! list, or in a refusal; what else is known of the access stands in its beginning and its ending. Sealed ids are compared
//! as they stand: who walks needs no key, he who asks has sealed the id already. Time: that of reading; memory: the
//! beginnings that are open at once, and what is found.

use super::read::Reader;
use super::seal::Sealed;
use crate::store::Disk;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;

/// One access or refusal that names the person.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Disclosure {
    /// The number of the record that begins it, or refuses.
    pub sequence: u64,
    /// That record, as it stands in the log.
    pub record: Value,
    /// How often the person is named in the windows of a list.
    pub entries: u64,
    /// In which forms these entries left, each set of forms once; empty where the person was named from the beginning.
    pub forms: Vec<Value>,
    /// The ending, as it stands; `None` for a refusal, and for what is not ended yet.
    pub end: Option<Value>,
}

/// Every access and refusal that names this person, in the order of the log.
///
/// # Errors
/// If the disk cannot be read, or a line is no record: what cannot be read might name him, so nothing is told.
pub fn disclosures(disk: &dyn Disk, subject: &Sealed) -> io::Result<Vec<Disclosure>> {
    let mut walk = Walk { subject: subject.as_str(), open: BTreeMap::new(), found: BTreeMap::new() };
    let mut reader = Reader::new(disk);
    while let Some(line) = reader.next_line()? {
        let record = serde_json::from_slice(&line.bytes).ok().filter(Value::is_object);
        let place = || format!("line {} of `{}` is no record: `sekisho audit verify`", line.line, line.segment);
        walk.take(record.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, place()))?);
    }
    Ok(walk.found.into_values().collect())
}

/// The records with these numbers, in the order of the log; fewer where some are not there.
///
/// # Errors
/// If the disk cannot be read.
pub fn records(disk: &dyn Disk, numbers: &[u64]) -> io::Result<Vec<Value>> {
    let mut reader = Reader::new(disk);
    let mut found = Vec::new();
    while let Some(line) = reader.next_line()?.filter(|_| found.len() < numbers.len()) {
        let record: Option<Value> = serde_json::from_slice(&line.bytes).ok();
        let is_asked = |record: &Value| number(record, "seq").is_some_and(|number| numbers.contains(&number));
        found.extend(record.filter(is_asked));
    }
    Ok(found)
}

struct Walk<'a> {
    subject: &'a str,
    /// Beginnings without an ending that do not name him: a window may.
    open: BTreeMap<u64, Value>,
    found: BTreeMap<u64, Disclosure>,
}

impl Walk<'_> {
    fn take(&mut self, record: Value) {
        let Some(sequence) = number(&record, "seq") else { return };
        let begin = number(&record, "begin");
        match (record.get("kind").and_then(Value::as_str), begin) {
            (Some("begin" | "refusal"), _) => {
                let names = self.names(&record);
                let is_begin = record.get("kind").and_then(Value::as_str) == Some("begin");
                if names {
                    self.found.insert(sequence, Disclosure::new(sequence, record));
                } else if is_begin {
                    self.open.insert(sequence, record);
                }
            }
            (Some("continuation"), Some(begin)) => self.window(begin, &record),
            (Some("end"), Some(begin)) => {
                self.open.remove(&begin);
                if let Some(found) = self.found.get_mut(&begin) {
                    found.end = Some(record);
                }
            }
            // Segments, strangers, what was done to the gate: nobody's data leaves by these.
            (Some(_) | None, _) => {}
        }
    }

    fn window(&mut self, begin: u64, record: &Value) {
        let groups = record.get("disclosed").and_then(Value::as_array).into_iter().flatten();
        for group in groups {
            let named = self.count(group);
            if named == 0 {
                continue;
            }
            let begun = self.open.remove(&begin);
            let found = self.found.entry(begin);
            // A beginning that was removed with an older segment is told as far as the window tells it.
            let found = found.or_insert_with(|| Disclosure::new(begin, begun.unwrap_or_else(|| record.clone())));
            found.entries += named;
            let forms = group.get("forms").filter(|forms| !found.forms.contains(forms)).cloned();
            found.forms.extend(forms);
        }
    }

    fn names(&self, record: &Value) -> bool {
        self.count(record) > 0
    }

    fn count(&self, holder: &Value) -> u64 {
        let subjects = holder.get("subjects").and_then(Value::as_array).into_iter().flatten();
        subjects.filter(|one| one.as_str() == Some(self.subject)).count() as u64
    }
}

impl Disclosure {
    fn new(sequence: u64, record: Value) -> Disclosure {
        Disclosure { sequence, record, entries: 0, forms: Vec::new(), end: None }
    }
}

fn number(record: &Value, name: &str) -> Option<u64> {
    record.get(name).and_then(Value::as_u64)
}
