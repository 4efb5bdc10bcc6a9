//! Are the documents sound? Every fault of every file at once; then what is allowed but hardly meant.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::documents::{LoadError, catalogue, name, organisations, revisions, source};
use super::snippet::{self, Severity};
use super::terminal::{Terminal, count};
use super::warnings::{of_cases, of_catalogue, of_policy};
use super::{Exit, Failure};
use crate::decision::cases;
use crate::policy::{Fault, Revisions};

/// Check policies and their cases: every fault at once, with its place
#[derive(clap::Args)]
#[command(
    long_about = "Check an organisation's documents: the policy, its older revisions, its \
        conformance cases and its catalogue of API fields. Every fault of every file is \
        shown at once, with its line and what was probably meant. Warnings tell what is \
        allowed but hardly meant, such as a purpose that nobody can reach; they do not \
        fail.",
    after_long_help = "Examples:\n  \
        sekisho check                  every folder under ./policy\n  \
        sekisho check policy/jmdp      one organisation\n  \
        sekisho check --json | jq -r '.findings[] | \"\\(.file):\\(.line) \\(.message)\"'\n\n\
        Exit codes: 0 no fault (there may be warnings); 1 a fault; 2 a file could not be\n\
        read, or there is nothing to check."
)]
pub(super) struct Check {
    /// Folders of organisations; every folder under ./policy if none is named
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

/// What was found in one organisation's documents.
#[derive(Default)]
struct Findings {
    findings: Vec<(Severity, Fault)>,
    unreadable: Vec<String>,
    told: Vec<String>,
}

impl Check {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let mut exit = Exit::Good;
        let mut all = Vec::new();
        for folder in organisations(&self.folders)? {
            let found = Findings::of(&folder);
            exit = exit.max(found.exit());
            match self.json {
                true => all.push((name(&folder), found)),
                false => found.print(&folder, terminal)?,
            }
        }
        if self.json {
            let findings: Vec<Value> = all.iter().flat_map(|(name, found)| found.json(name)).collect();
            let unreadable: Vec<&String> = all.iter().flat_map(|(_, found)| &found.unreadable).collect();
            let checked: Vec<&String> = all.iter().map(|(name, _)| name).collect();
            terminal.json(&json!({"checked": checked, "findings": findings, "unreadable": unreadable}))?;
        }
        Ok(exit)
    }
}

impl Findings {
    fn of(folder: &Path) -> Findings {
        let mut found = Findings::default();
        let revisions = found.keep(revisions(folder));
        if let Some(revisions) = &revisions {
            found.told = told(revisions);
            for policy in revisions.all() {
                found.warn(of_policy(policy));
            }
        }
        let path = folder.join("cases.toml");
        if path.exists() {
            found.cases(&path, revisions.as_ref());
        }
        let described = folder.join("catalogue.toml").exists();
        if let Some(catalogue) = described.then(|| catalogue(folder)).and_then(|read| found.keep(read)) {
            found.told.push(count(catalogue.routes().len(), "route"));
            if let Some(source) = found.keep(source(&folder.join("catalogue.toml"))) {
                found.warn(of_catalogue(&catalogue, &source));
            }
        }
        // Stable: files stay in the order of reading, faults come in the order of the file.
        let files: Vec<_> = found.findings.iter().map(|(_, fault)| fault.source.name.clone()).collect();
        let place = |fault: &Fault| (files.iter().position(|name| *name == fault.source.name), fault.span.start);
        found.findings.sort_by_key(|(_, fault)| place(fault));
        found
    }

    fn cases(&mut self, path: &Path, revisions: Option<&Revisions>) {
        let Some(source) = self.keep(source(path)) else { return };
        let Some(cases) = self.keep(cases::read(source.clone()).map_err(LoadError::Faults)) else { return };
        self.told.push(count(cases.len(), "case"));
        if let Some(revisions) = revisions {
            self.warn(of_cases(&cases, &source, revisions));
        }
    }

    fn keep<T>(&mut self, read: Result<T, LoadError>) -> Option<T> {
        match read {
            Ok(value) => return Some(value),
            Err(LoadError::Read(detail)) => self.unreadable.push(detail),
            Err(LoadError::Faults(faults)) => {
                self.findings.extend(faults.0.into_iter().map(|fault| (Severity::Fault, fault)));
            }
        }
        None
    }

    fn warn(&mut self, warnings: Vec<Fault>) {
        self.findings.extend(warnings.into_iter().map(|warning| (Severity::Warning, warning)));
    }

    fn number(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|(one, _)| *one == severity).count()
    }

    fn exit(&self) -> Exit {
        match (self.unreadable.is_empty(), self.number(Severity::Fault)) {
            (false, _) => Exit::Partly,
            (true, 0) => Exit::Good,
            (true, _) => Exit::Wrong,
        }
    }

    fn print(&self, folder: &Path, terminal: &mut Terminal) -> Result<(), Failure> {
        let paint = terminal.paint;
        for (severity, fault) in &self.findings {
            snippet::write(terminal.stream(), fault, *severity, paint)?;
        }
        for detail in &self.unreadable {
            terminal.wrapped("error: ", &format!("cannot read {detail}"))?;
        }
        let (faults, warnings) = (self.number(Severity::Fault), self.number(Severity::Warning));
        let verdict = match self.exit() {
            Exit::Good => paint.green("sound"),
            Exit::Wrong => paint.red("faulty"),
            Exit::Partly | Exit::Refused | Exit::Unjudged => paint.red("not readable"),
        };
        let mut parts = Vec::new();
        if !self.told.is_empty() {
            parts.push(self.told.join(", "));
        }
        if faults > 0 {
            parts.push(count(faults, "fault"));
        }
        if warnings > 0 {
            parts.push(count(warnings, "warning"));
        }
        let told = parts.join("; ");
        terminal.line(format!("{}: {verdict}", name(folder)))?;
        if !told.is_empty() {
            terminal.wrapped("  ", &told)?;
        }
        Ok(())
    }

    fn json(&self, organisation: &str) -> Vec<Value> {
        let each = |(severity, fault): &(Severity, Fault)| {
            let (line, column) = fault.position();
            json!({
                "organisation": organisation,
                "severity": severity.name(),
                "file": &*fault.source.name,
                "line": line,
                "column": column,
                "text": fault.offending(),
                "message": fault.message,
                "help": fault.help,
            })
        };
        self.findings.iter().map(each).collect()
    }
}

fn told(revisions: &Revisions) -> Vec<String> {
    let Some(newest) = revisions.newest() else { return Vec::new() };
    let purposes = newest.purposes().filter(|(_, p)| !p.grouping).count();
    vec![
        count(revisions.all().len(), "revision"),
        count(newest.clauses().count(), "clause"),
        count(purposes, "purpose"),
        count(newest.rules().count(), "rule"),
    ]
}
