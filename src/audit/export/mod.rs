//! What does the log say in the words of other systems?
//!
//! An [`Exporter`] is given the log's lines in order and hands out messages of one [`Format`]: bytes, for whoever sends
//! them. It opens nothing that is sealed and adds nothing that is not in the log.
//!
//! `jsonl` and `syslog` tell each record as it stands. The others tell each *access* once: a refusal by itself, a beginning
//! together with its windows and its ending, when it has ended; what was done to the gate, and minutes of strangers, as
//! events of their own. What is open holds nothing else back. Memory: the accesses that are open, with the persons whom
//! their windows disclosed.

mod csv;
mod fhir;
mod ocsf;
mod otlp;
mod syslog;
mod told;

use super::entry::{Entry, Unreadable};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
pub(crate) use syslog::FACILITY;
use told::Told;

/// In whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The lines as they are.
    Jsonl,
    /// RFC 4180, for people with a spreadsheet.
    Csv,
    /// OCSF 1.8, class API Activity (6003), a JSON object a line.
    Ocsf,
    /// FHIR R4 AuditEvent by IHE's Basic Audit Log Patterns, a JSON object a line.
    Fhir,
    /// OpenTelemetry log records in OTLP's JSON.
    Otlp,
    /// RFC 5424.
    Syslog,
}

impl Format {
    /// All of them, by the names that [`Format::from_str`] takes.
    pub const ALL: [(&str, Format); 6] = [
        ("jsonl", Format::Jsonl),
        ("csv", Format::Csv),
        ("ocsf", Format::Ocsf),
        ("fhir", Format::Fhir),
        ("otlp", Format::Otlp),
        ("syslog", Format::Syslog),
    ];

    /// What a file of it begins with.
    pub fn head(self) -> String {
        if self == Format::Csv { csv::head() } else { String::new() }
    }

    /// Some messages as one body, and its media type.
    pub fn body(self, messages: &[Vec<u8>]) -> (Vec<u8>, &'static str) {
        match self {
            Format::Otlp => (otlp::request(messages), "application/json"),
            Format::Csv => (joined(messages, b"\r\n"), "text/csv; charset=utf-8"),
            Format::Jsonl | Format::Ocsf | Format::Fhir => (joined(messages, b"\n"), "application/x-ndjson"),
            Format::Syslog => (joined(messages, b"\n"), "text/plain; charset=utf-8"),
        }
    }
}

fn joined(messages: &[Vec<u8>], end: &[u8]) -> Vec<u8> {
    messages.iter().flat_map(|message| message.iter().chain(end)).copied().collect()
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Format::ALL.iter().find(|(_, format)| format == self).map_or("", |(name, _)| name);
        out.write_str(name)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Format, String> {
        let found = Format::ALL.iter().find(|(known, _)| *known == name);
        let known = || Format::ALL.map(|(known, _)| known).join(", ");
        found.map(|(_, format)| *format).ok_or_else(|| format!("`{name}` is no format; there are {}", known()))
    }
}

/// Turns lines into messages.
pub struct Exporter {
    format: Format,
    open: BTreeMap<u64, Open>,
    /// What records before this number bring about was told by an earlier run.
    told_before: u64,
    /// Only what began in this time.
    within_ms: (u64, u64),
    /// The first record that was taken.
    first: Option<u64>,
}

/// A beginning without its ending yet.
#[derive(Default)]
struct Open {
    begin: Vec<u8>,
    /// What its windows disclosed.
    disclosed: Disclosed,
}

/// Whom windows disclosed, and in which forms.
#[derive(Default)]
pub(crate) struct Disclosed {
    subjects: BTreeSet<String>,
    forms: BTreeSet<(String, String)>,
}

impl Exporter {
    /// An exporter that tells what the record `told_before` and those after it bring about; lines before it are taken
    /// only to know what was open.
    pub fn new(format: Format, told_before: u64) -> Exporter {
        Exporter { format, open: BTreeMap::new(), told_before, within_ms: (0, u64::MAX), first: None }
    }

    /// Tells only what began in this time; milliseconds since the epoch, the end not included.
    pub fn within(self, within_ms: (u64, u64)) -> Exporter {
        Exporter { within_ms, ..self }
    }

    /// Takes the next line, and appends what it brings about.
    ///
    /// # Errors
    /// It is no record that this version can read: nothing of it is told.
    pub fn take(&mut self, line: &[u8], out: &mut Vec<Vec<u8>>) -> Result<(), Unreadable> {
        let entry = Entry::read(line)?;
        self.first.get_or_insert(entry.seq);
        let tells = entry.seq >= self.told_before;
        let is_within = || {
            let (from_ms, until_ms) = self.within_ms;
            super::time::read(&entry.time).is_some_and(|time_ms| (from_ms..until_ms).contains(&time_ms))
        };
        match self.format {
            Format::Jsonl if tells && is_within() => out.push(line.to_vec()),
            Format::Syslog if tells && is_within() => out.push(syslog::message(&entry, line)),
            Format::Jsonl | Format::Syslog => {}
            Format::Csv | Format::Ocsf | Format::Fhir | Format::Otlp => self.access(&entry, line, tells, out)?,
        }
        Ok(())
    }

    /// From which record a later run has to read, if the next one would be `next`: the oldest that is open, where the
    /// format tells accesses.
    pub fn reads_from(&self, next: u64) -> u64 {
        // A beginning may have been removed with an old segment: then its windows are read from where there are any.
        let open = self.open.keys().next().map(|begin| self.first.map_or(*begin, |first| first.max(*begin)));
        open.unwrap_or(next)
    }

    fn access(
        &mut self,
        entry: &Entry<'_>,
        line: &[u8],
        tells: bool,
        out: &mut Vec<Vec<u8>>,
    ) -> Result<(), Unreadable> {
        match (&*entry.kind, entry.begin) {
            ("begin", _) => {
                self.open.insert(entry.seq, Open { begin: line.to_vec(), ..Open::default() });
            }
            ("continuation", Some(begin)) => {
                // One whose beginning was removed with an old segment is told by its ending's number alone.
                let open = self.open.entry(begin).or_default();
                open.disclosed.take(entry);
            }
            ("end", Some(begin)) => {
                let open = self.open.remove(&begin);
                if tells {
                    let Open { begin, disclosed } = open.unwrap_or_default();
                    let begun = if begin.is_empty() { None } else { Some(Entry::read(&begin)?) };
                    self.tell(&Told::access(begun.as_ref().unwrap_or(entry), Some(entry), &disclosed), out);
                }
            }
            ("refusal", _) if tells => self.tell(&Told::access(entry, None, &Disclosed::default()), out),
            ("administrative", _) if tells => self.tell(&Told::administrative(entry, Entry::details(line)), out),
            ("strangers", _) if tells => Told::strangers(entry).iter().for_each(|told| self.tell(told, out)),
            // A segment's first line says nothing new.
            (_, _) => {}
        }
        Ok(())
    }

    fn tell(&self, told: &Told<'_>, out: &mut Vec<Vec<u8>>) {
        let (from_ms, until_ms) = self.within_ms;
        if !(from_ms..until_ms).contains(&told.began_ms()) {
            return;
        }
        match self.format {
            Format::Csv => out.push(csv::row(told)),
            Format::Ocsf => out.push(ocsf::event(told).to_string().into_bytes()),
            Format::Fhir => out.extend(fhir::events(told).iter().map(|event| event.to_string().into_bytes())),
            Format::Otlp => out.push(otlp::record(told).to_string().into_bytes()),
            Format::Jsonl | Format::Syslog => {}
        }
    }
}

impl Disclosed {
    fn take(&mut self, window: &Entry<'_>) {
        for group in &window.disclosed {
            self.subjects.extend(group.subjects.iter().cloned());
            let each = group.forms.iter().flat_map(|(form, categories)| categories.iter().map(move |one| (form, one)));
            self.forms.extend(each.map(|(form, category)| (form.clone(), category.clone())));
        }
    }
}
