//! What became of the values, told on standard error: a table for a person, or one JSON document.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::super::Exit;
use super::super::terminal::{COLUMNS, columns, count, pad, wrap};
use crate::layer::preview::{Look, Preview};
use crate::policy::Form;
use crate::redact::{self, FormCounts, Tally};

/// Where a document could not be judged further, and why.
pub(super) struct Fault {
    detail: String,
    /// What helps, where something in the settings does.
    fix: Option<String>,
    /// The bytes that were being judged, from the document's start.
    bytes: (u64, u64),
    /// The lines they are in, from 1.
    lines: (u64, u64),
    place: bool,
}

impl Fault {
    /// The place before the first byte.
    pub(super) fn start() -> Fault {
        Fault { detail: String::new(), fix: None, bytes: (0, 0), lines: (1, 1), place: true }
    }

    /// Of the document as a whole.
    pub(super) fn whole(why: &str) -> Fault {
        Fault { detail: why.to_owned(), place: false, ..Fault::start() }
    }

    /// Another piece is being judged.
    pub(super) fn advance(&mut self, piece: &[u8]) {
        let ends = memchr::memchr_iter(b'\n', piece).count() as u64;
        self.bytes = (self.bytes.1, self.bytes.1 + piece.len() as u64);
        self.lines = (self.lines.1, self.lines.1 + ends);
    }

    /// How many bytes were judged.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.1
    }

    /// In the piece that was being judged.
    pub(super) fn of(self, fault: &redact::Fault, entry_bytes_max: usize) -> Fault {
        let too_large = || {
            format!(
                "An answer without it would say that it is not there, so the gate's ends here too (`record-too-large`). \
                 {entry_bytes_max} bytes of a record are held: raise `entry-bytes-max` of the site, here \
                 `--entry-bytes-max`, or have the backend keep large contents apart."
            )
        };
        let fix = (*fault == redact::Fault::EntryTooLarge).then(too_large);
        Fault { detail: fault.to_string(), fix, ..self }
    }

    fn place(&self) -> String {
        let ((from, to), (first, last)) = (self.bytes, self.lines);
        let lines = if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
        match (self.place, from == to) {
            (false, _) => String::new(),
            (true, true) => format!(", at its end (byte {to}, line {last})"),
            (true, false) => format!(", between byte {from} and byte {to} ({lines})"),
        }
    }
}

/// What is told, and how.
pub(super) struct Summary {
    json: bool,
    notes: Vec<&'static str>,
    /// Pseudonyms are under a key that nobody else has.
    own_key: bool,
}

const OWN_KEY: &str = "pseudonyms are under a key of this run: they lead nowhere (`--keys` names a gate's)";

impl Summary {
    pub(super) fn new(json: bool) -> Summary {
        Summary { json, notes: Vec::new(), own_key: false }
    }

    pub(super) fn note(&mut self, note: &'static str) {
        self.notes.push(note);
    }

    /// Nobody gave a key. It is said where it made a pseudonym.
    pub(super) fn key_of_this_run(&mut self) {
        self.own_key = true;
    }

    fn notes(&self, preview: &Preview, tally: Option<&Tally>) -> Vec<&'static str> {
        let made =
            tally.is_some_and(|tally| rows(preview, tally).any(|(_, counts)| counts.of(Form::Pseudonymised) > 0));
        self.notes.iter().copied().chain((made && self.own_key).then_some(OWN_KEY)).collect()
    }

    /// The document left, or what of it may. `bytes`: read and printed.
    pub(super) fn released(&self, preview: &Preview, look: &Look, bytes: (u64, u64)) -> Exit {
        self.tell(preview, Some(look), look.answer(), None, Some(bytes));
        Exit::Good
    }

    /// Nothing leaves. `answer`: why; none where the document is about somebody else than the request.
    pub(super) fn refused(&self, preview: &Preview, look: Option<&Look>, answer: Option<&Value>) -> Exit {
        let other = json!({"decision": false, "context": {"reasons": [{
            "code": "not-available",
            "clause": null,
            "detail": "the document does not name the person that it is asked for, or names several or nobody",
        }]}});
        self.tell(preview, look, Some(answer.unwrap_or(&other)), None, None);
        Exit::Refused
    }

    /// It cannot be judged, from some place on.
    pub(super) fn unjudged(&self, preview: &Preview, look: Option<&Look>, fault: &Fault) -> Exit {
        self.tell(preview, look, look.and_then(Look::answer), Some(fault), None);
        Exit::Unjudged
    }

    /// Should standard error be closed, the exit code still tells.
    fn tell(
        &self,
        preview: &Preview,
        look: Option<&Look>,
        answer: Option<&Value>,
        fault: Option<&Fault>,
        bytes: Option<(u64, u64)>,
    ) {
        let mut to = io::BufWriter::new(io::stderr().lock());
        let told = self.write(&mut to, preview, look, (answer, fault, bytes));
        drop(told.and_then(|()| to.flush()));
    }

    fn write(
        &self,
        mut to: &mut impl Write,
        preview: &Preview,
        look: Option<&Look>,
        (answer, fault, bytes): (Option<&Value>, Option<&Fault>, Option<(u64, u64)>),
    ) -> io::Result<()> {
        let tally = look.and_then(Look::tally);
        if self.json {
            let value = self.as_json(preview, tally, answer, fault, bytes);
            serde_json::to_writer_pretty(&mut to, &value)?;
            return writeln!(to);
        }
        let mut lines = Lines { to };
        for note in self.notes(preview, tally) {
            lines.wrapped("note: ", note)?;
        }
        match (fault, answer) {
            (Some(fault), _) => lines.fault(fault, tally)?,
            (None, Some(answer)) if answer.get("decision") == Some(&Value::Bool(false)) => lines.refused(answer)?,
            (None, answer) => lines.permitted(answer)?,
        }
        if let Some(tally) = tally.filter(|_| fault.is_some() || bytes.is_some()) {
            lines.table(preview, tally)?;
        } else if look.is_some() && bytes.is_some() {
            lines.wrapped("", "it cannot be read inside, and leaves whole: all that its route can carry is clear")?;
        }
        Ok(())
    }

    fn as_json(
        &self,
        preview: &Preview,
        tally: Option<&Tally>,
        answer: Option<&Value>,
        fault: Option<&Fault>,
        bytes: Option<(u64, u64)>,
    ) -> Value {
        let mut told = Map::new();
        let refused = answer.is_some_and(|answer| answer.get("decision") == Some(&Value::Bool(false)));
        let outcome = match (fault, refused) {
            (Some(_), _) => "unjudged",
            (None, true) => "refused",
            (None, false) => "released",
        };
        told.insert("outcome".to_owned(), outcome.into());
        told.insert("answer".to_owned(), answer.cloned().unwrap_or_default());
        if let Some(fault) = fault {
            let place = json!({"bytes": [fault.bytes.0, fault.bytes.1], "lines": [fault.lines.0, fault.lines.1]});
            let place = if fault.place { place } else { Value::Null };
            told.insert("fault".to_owned(), json!({"detail": fault.detail, "fix": fault.fix, "place": place}));
        }
        if let Some(tally) = tally {
            let categories: Map<String, Value> =
                rows(preview, tally).map(|(name, counts)| (name.to_owned(), forms(counts))).collect();
            told.insert("entries".to_owned(), entries(tally));
            told.insert("categories".to_owned(), categories.into());
            told.insert("free_text".to_owned(), forms(tally.everything));
            let places: Vec<&str> = tally.unclassified_places.iter().map(|place| &**place).collect();
            told.insert("unclassified".to_owned(), json!({"withheld": tally.unclassified, "places": places}));
            told.insert("other_withheld".to_owned(), tally.withheld_other.into());
        }
        if let Some((read, printed)) = bytes {
            told.insert("bytes".to_owned(), json!({"read": read, "printed": printed}));
        }
        told.insert("notes".to_owned(), json!(self.notes(preview, tally)));
        told.into()
    }
}

/// From what reveals most.
const FORMS: [Form; 5] = [Form::Clear, Form::Pseudonymised, Form::Generalised, Form::Masked, Form::Withheld];
/// Their headings, of at most eight columns.
const HEADINGS: [&str; 5] = ["clear", "pseudon.", "general.", "masked", "withheld"];
/// Columns of a number.
const NUMBER: usize = 10;

/// The categories that occurred, in the vocabulary's order.
fn rows<'a>(preview: &'a Preview, tally: &'a Tally) -> impl Iterator<Item = (&'a str, FormCounts)> {
    let vocabulary = &preview.policy().vocabulary;
    let counted = vocabulary.all().iter().map(|category| (vocabulary.name(category), tally.category(category)));
    counted.filter(|(_, counts)| FORMS.iter().any(|form| counts.of(*form) > 0))
}

fn forms(counts: FormCounts) -> Value {
    FORMS.iter().map(|form| (form.name().to_owned(), Value::from(counts.of(*form)))).collect::<Map<_, _>>().into()
}

fn entries(tally: &Tally) -> Value {
    json!({"released": tally.released, "dropped": tally.dropped, "dropped_for": {
        "refused": tally.dropped_refused,
        "subject": tally.dropped_subject,
        "type": tally.dropped_type,
        "size": tally.dropped_large,
        "modifier": tally.dropped_modified,
    }})
}

/// Lines for a person.
struct Lines<'w, W: Write> {
    to: &'w mut W,
}

impl<W: Write> Lines<'_, W> {
    fn wrapped(&mut self, first: &str, text: &str) -> io::Result<()> {
        let indent = columns(first);
        let parts = wrap(text, COLUMNS.saturating_sub(indent));
        parts.iter().enumerate().try_for_each(|(index, part)| match index {
            0 => writeln!(self.to, "{first}{part}"),
            _ => writeln!(self.to, "{:indent$}{part}", ""),
        })
    }

    fn permitted(&mut self, answer: Option<&Value>) -> io::Result<()> {
        let Some(context) = answer.and_then(|answer| answer.get("context")) else {
            return self.wrapped("RELEASED", "");
        };
        let text = |key| context.get(key).and_then(Value::as_str).unwrap_or("nobody");
        let (to, by, clauses) = (text("recipient"), text("basis"), joined(context.get("clauses")));
        self.wrapped("RELEASED", &format!(" to {to} by {by}, clauses {clauses}"))
    }

    fn refused(&mut self, answer: &Value) -> io::Result<()> {
        self.wrapped("REFUSED", "")?;
        let reasons = answer.pointer("/context/reasons").and_then(Value::as_array).map(Vec::as_slice);
        for reason in reasons.unwrap_or_default() {
            let text = |key| reason.get(key).and_then(Value::as_str);
            let clause = text("clause").map(|clause| format!(" [{clause}]")).unwrap_or_default();
            let (code, detail) = (text("code").unwrap_or_default(), text("detail").unwrap_or_default());
            self.wrapped("  ✗ ", &format!("{code}{clause}: {detail}"))?;
        }
        Ok(())
    }

    fn fault(&mut self, fault: &Fault, tally: Option<&Tally>) -> io::Result<()> {
        let place = fault.place();
        self.wrapped("NOT JUDGED: ", &format!("{}{place}", fault.detail))?;
        fault.fix.iter().try_for_each(|fix| self.wrapped("  ", fix))?;
        // One that is too large was counted, and not judged.
        let entries = tally.map_or(0, |tally| (tally.released + tally.dropped).saturating_sub(tally.dropped_large));
        let before = match entries {
            0 => "Nothing before that was released.".to_owned(),
            n => format!("Before that, {} been judged; what of them was released is printed.", has(n)),
        };
        self.wrapped("  ", &before)
    }

    fn table(&mut self, preview: &Preview, tally: &Tally) -> io::Result<()> {
        let mut why = Vec::new();
        for (number, text) in [
            (tally.dropped_refused, "refused, or about others"),
            (tally.dropped_subject, "without one clear subject"),
            (tally.dropped_type, "of an unknown type"),
            (tally.dropped_large, "too large to be held"),
            (tally.dropped_modified, "with a modifier that may not leave"),
        ] {
            if number > 0 {
                why.push(format!("{number} {text}"));
            }
        }
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
        let released = if tally.released == 1 { "1 record".to_owned() } else { count_of(tally.released, "record") };
        self.wrapped("  ", &format!("{released} released, {} dropped{why}", tally.dropped))?;
        self.row("  values", &HEADINGS.map(str::to_owned))?;
        for (name, counts) in rows(preview, tally) {
            self.counts(&format!("  {name}"), counts)?;
        }
        if FORMS.iter().any(|form| tally.everything.of(*form) > 0) {
            self.counts("  (free text)", tally.everything)?;
        }
        for (name, number) in
            [("  (unclassified)", tally.unclassified), ("  (totals, links, never)", tally.withheld_other)]
        {
            if number > 0 {
                let mut cells = [const { String::new() }; 5];
                cells[4] = number.to_string();
                self.row(name, &cells)?;
            }
        }
        if !tally.unclassified_places.is_empty() {
            let more = if tally.unclassified_places.len() == redact::UNCLASSIFIED_PLACES_MAX { ", …" } else { "" };
            let places: Vec<&str> = tally.unclassified_places.iter().map(|place| &**place).collect();
            self.wrapped("  unclassified: ", &format!("{}{more}", places.join(", ")))?;
        }
        Ok(())
    }

    fn counts(&mut self, name: &str, counts: FormCounts) -> io::Result<()> {
        self.row(
            name,
            &FORMS.map(|form| match counts.of(form) {
                0 => String::new(),
                number => number.to_string(),
            }),
        )
    }

    fn row(&mut self, name: &str, cells: &[String; 5]) -> io::Result<()> {
        let first = COLUMNS - 5 * NUMBER;
        if columns(name) > first {
            writeln!(self.to, "{name}")?;
        }
        let name = if columns(name) > first { String::new() } else { name.to_owned() };
        let cells: String = cells.iter().map(|cell| format!("{cell:>NUMBER$}")).collect();
        writeln!(self.to, "{}", format!("{}{cells}", pad(&name, first)).trim_end())
    }
}

fn joined(list: Option<&Value>) -> String {
    let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn count_of(number: u64, one: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), one)
}

/// `1 record has`, `2 records have`.
fn has(number: u64) -> String {
    format!("{} {}", count_of(number, "record"), if number == 1 { "has" } else { "have" })
}
