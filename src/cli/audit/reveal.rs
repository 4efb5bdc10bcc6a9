//! `sekisho audit reveal`: who is it, and what left about one person? Put on record before anything is shown.
//!
//! What is asked is recorded in a chain of this command's own, `log/reveal`: who asked, why (sealed), for how many
//! records, and the persons, sealed as everywhere. Where that cannot be written, nothing is shown.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::chains::unreadable;
use crate::audit::disclosures::{Disclosure, disclosures, records};
use crate::audit::{Administrative, AuditError, Caller, Detail, Log, Note, Seal, Sealed};
use crate::cli::serve::failure;
use crate::cli::terminal::Terminal;
use crate::cli::{Exit, Failure, operator};
use crate::proxy::keys::Keys;
use crate::proxy::settings::Settings;
use crate::proxy::sites::now_ms;
use crate::store::Directory;

#[derive(Args)]
pub(super) struct Reveal {
    /// The settings of the gate
    #[arg(long, short, default_value = "sekisho.toml", value_name = "FILE")]
    config: PathBuf,
    /// Why you need it; goes on record, sealed
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Show whom these records are about, and what reason and reference they give
    #[arg(long, value_name = "SEQ", required_unless_present = "subject", num_args = 1..)]
    record: Vec<u64>,
    /// The log that the records are in: `review` for what was remarked in reviews
    #[arg(long, value_name = "NAME", default_value = "gate", conflicts_with = "subject")]
    log: String,
    /// Show every access to this person's data, and every refusal
    #[arg(long, value_name = "ID", conflicts_with = "record")]
    subject: Option<String>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl Reveal {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        if self.why.trim().is_empty() {
            return Err(Failure::Usage("`--why` is empty: say why you need it; it goes on record, sealed".to_owned()));
        }
        let settings = Settings::read(&self.config).map_err(failure)?;
        let keys = Keys::read(&settings.data.keys).map_err(failure)?;
        let seal = Seal::new(keys.subjects.clone());
        if self.log.contains(['/', '\\']) || self.log.starts_with('.') {
            return Err(Failure::Usage(format!("`--log {}`: name one of the logs, as `gate` or `review`", self.log)));
        }
        let folder = settings.data.directory.join("log").join(&self.log);
        if !folder.is_dir() {
            return Err(Failure::Usage(format!("there is no log in {}", folder.display())));
        }
        let disk = Directory::open_to_read(&folder).map_err(|error| unreadable(&folder, &error))?;
        match &self.subject {
            Some(subject) => {
                let sealed = seal.subject(subject).map_err(refused)?;
                let found = disclosures(&disk, &sealed).map_err(|error| unreadable(&folder, &error))?;
                self.put_on_record(&settings, &keys, &seal, &[sealed], found.len() as u64)?;
                self.tell_disclosures(terminal, &found)?;
            }
            None => {
                let found = records(&disk, &self.record).map_err(|error| unreadable(&folder, &error))?;
                let missing = self.record.iter().find(|number| !found.iter().any(|record| record["seq"] == **number));
                if let Some(missing) = missing {
                    return Err(Failure::Usage(format!("there is no record `{missing}` in {}", folder.display())));
                }
                let opened: Vec<Opened<'_>> =
                    found.iter().map(|record| Opened::new(record, &seal)).collect::<Result<_, _>>().map_err(refused)?;
                let persons: Vec<Sealed> = opened
                    .iter()
                    .flat_map(|opened| &opened.subjects)
                    .map(|subject| seal.subject(subject))
                    .collect::<Result<_, _>>()
                    .map_err(refused)?;
                self.put_on_record(&settings, &keys, &seal, &persons, found.len() as u64)?;
                self.tell_records(terminal, &opened)?;
            }
        }
        Ok(Exit::Good)
    }

    /// Durable before anything is shown.
    fn put_on_record(
        &self,
        settings: &Settings,
        keys: &Keys,
        seal: &Seal,
        subjects: &[Sealed],
        records: u64,
    ) -> Result<(), Failure> {
        let folder = settings.data.reveal_log();
        let disk = Directory::open(&folder).map_err(|error| unreadable(&folder, &error))?;
        let options = settings.audit.clone();
        let signer = keys.signer(&options.node, "reveal");
        let (log, _) = Log::open_signed(Arc::new(disk), options, Arc::new(now_ms), signer).map_err(refused)?;
        let (by, id) = (operator(), format!("reveal-{}", now_ms()));
        let by = Caller { issuer: "this machine", id: &by, ..Caller::default() };
        let why = seal.note(Note::Reason, &id, &self.why).map_err(refused)?;
        let asked = if self.subject.is_some() { "subject" } else { "record" };
        let details = [
            ("id", Detail::Text(&id)),
            ("log", Detail::Text(&self.log)),
            ("asked", Detail::Text(asked)),
            ("records", Detail::Number(records)),
        ];
        let record = Administrative {
            action: "reveal",
            by: Some(by),
            subjects,
            reason: Some(&why),
            details: &details,
            ..Administrative::default()
        };
        log.administrative(&record).wait().map_err(refused)?;
        log.close();
        Ok(())
    }

    fn tell_disclosures(&self, terminal: &mut Terminal, found: &[Disclosure]) -> Result<(), Failure> {
        if self.json {
            let list = found.iter().map(|one| {
                json!({"seq": one.sequence, "record": one.record, "entries": one.entries, "forms": one.forms, "end": one.end})
            });
            return Ok(terminal.json(&json!({"disclosures": list.collect::<Vec<_>>()}))?);
        }
        if found.is_empty() {
            return Ok(terminal.line("No access and no refusal in this log names that person.")?);
        }
        for one in found {
            terminal.line(head_of(&one.record))?;
            for forms in one.forms.iter().chain(one.record.get("forms").filter(|_| one.forms.is_empty())) {
                terminal.wrapped("    ", &forms_of(forms))?;
            }
            terminal.wrapped("    ", &ending_of(one))?;
        }
        Ok(())
    }

    fn tell_records(&self, terminal: &mut Terminal, opened: &[Opened<'_>]) -> Result<(), Failure> {
        if self.json {
            let list = opened.iter().map(|one| {
                let subjects: Vec<&str> = one.subjects.iter().map(|subject| subject.as_str()).collect();
                json!({"seq": one.record["seq"], "subjects": subjects, "reason": one.reason.as_ref().map(|text| text.as_str()),
                       "reference": one.reference.as_ref().map(|text| text.as_str())})
            });
            return Ok(terminal.json(&json!({"records": list.collect::<Vec<_>>()}))?);
        }
        for one in opened {
            terminal.line(head_of(one.record))?;
            let subjects: Vec<&str> = one.subjects.iter().map(|subject| subject.as_str()).collect();
            let about = if subjects.is_empty() { "nobody is named".to_owned() } else { subjects.join(", ") };
            terminal.wrapped("    about: ", &about)?;
            for (name, text) in [("reason", &one.reason), ("reference", &one.reference)] {
                if let Some(text) = text {
                    terminal.wrapped(&format!("    {name}: "), text)?;
                }
            }
        }
        Ok(())
    }
}

type Clear = zeroize::Zeroizing<String>;

/// A record, and what is sealed in it.
struct Opened<'r> {
    record: &'r Value,
    subjects: Vec<Clear>,
    reason: Option<Clear>,
    reference: Option<Clear>,
}

impl<'r> Opened<'r> {
    fn new(record: &'r Value, seal: &Seal) -> Result<Opened<'r>, AuditError> {
        let of = |holder: &'r Value| holder["subjects"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let groups = record["disclosed"].as_array().into_iter().flatten();
        let mut subjects = Vec::new();
        for sealed in of(record).chain(groups.flat_map(of)) {
            subjects.push(seal.open_subject(sealed)?);
        }
        // In a verdict `id` is that of the decision which it is about.
        let id = record["verdict"].as_str().or(record["id"].as_str()).unwrap_or_default();
        let note = |note, name: &str| record[name].as_str().map(|text| seal.open_note(note, id, text)).transpose();
        Ok(Opened {
            record,
            subjects,
            reason: note(Note::Reason, "reason")?,
            reference: note(Note::Reference, "reference")?,
        })
    }
}

/// `TIME caller@organisation purpose → recipient METHOD route [clauses]`; of what was done to the gate `TIME who action`.
fn head_of(record: &Value) -> String {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or("–").to_owned();
    if record["kind"] == "administrative" {
        return format!("{} {} {} {}", record["seq"], text("/time"), text("/by/id"), text("/action"));
    }
    let organization = record.pointer("/caller/organization").and_then(Value::as_str);
    let caller = match organization {
        Some(organization) => format!("{}@{organization}", text("/caller/id")),
        None => text("/caller/id"),
    };
    let to = record.pointer("/recipient/id").and_then(Value::as_str).map(|to| format!(" → {to}")).unwrap_or_default();
    let clauses: Vec<&str> = record["clauses"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!(
        "{} {} {caller} {}{to} {} {} [{}]",
        record["seq"],
        text("/time"),
        text("/purpose"),
        text("/method"),
        text("/route"),
        clauses.join(", ")
    )
}

/// `clear: a, b; withheld: c`.
fn forms_of(forms: &Value) -> String {
    let each = forms.as_object().into_iter().flatten().map(|(form, categories)| {
        let names: Vec<&str> = categories.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        format!("{form}: {}", names.join(", "))
    });
    each.collect::<Vec<_>>().join("; ")
}

fn ending_of(one: &Disclosure) -> String {
    if one.record.get("kind").is_some_and(|kind| kind == "refusal") {
        let reasons = one.record.get("reasons").and_then(Value::as_array).into_iter().flatten();
        let codes: Vec<&str> = reasons.filter_map(|reason| reason.get("code")?.as_str()).collect();
        return format!("refused: {}", codes.join(", "));
    }
    let outcome = one.end.as_ref().and_then(|end| end["outcome"].as_str()).unwrap_or("not ended yet");
    if one.entries > 0 { format!("{outcome}, {} entries about this person", one.entries) } else { outcome.to_owned() }
}

fn refused(error: AuditError) -> Failure {
    Failure::Usage(error.to_string())
}
