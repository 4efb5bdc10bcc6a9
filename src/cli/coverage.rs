//! Which clause is kept by what, and which cases show it? A table for a person, Markdown to publish, or JSON.

use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::documents::{cases, name, source};
use super::terminal::{Terminal, columns, count, pad, wrap};
use super::{Exit, Failure};
use crate::decision::coverage::{Covered, coverage};
use crate::policy::document::Document;

/// List every clause: what enforces it, which cases show it
#[derive(clap::Args)]
#[command(
    long_about = "List every clause of the published policy: what it says, what enforces it, and \
        how many conformance cases exercise it, permitted and refused counted apart.\n\n\
        A clause that nothing enforces has to say why no request can show it. A clause enforced by \
        rules, purposes, recipients or conditions needs a case; one that only mechanisms of the gate \
        keep (tls, log, …), or the check of a new revision, needs none here.",
    after_long_help = "Examples:\n  \
        sekisho coverage policy/jmdp\n  \
        sekisho coverage policy/jmdp --cases               with the names of the cases\n  \
        sekisho coverage policy/jmdp --markdown > docs/jmdp.md\n  \
        sekisho coverage policy/jmdp --json | jq -r '.clauses[] | select(.gap) | .clause'\n\n\
        Exit codes: 0 every clause is kept and shown; 1 one is not; 2 the policy or its\n\
        cases could not be read."
)]
pub(super) struct Coverage {
    /// The organisation's folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Name the cases of each clause
    #[arg(long, conflicts_with = "json")]
    cases: bool,
    /// Print a Markdown table instead, to publish
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

impl Coverage {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        // The document as written: a clause that nothing keeps does not load, and is to be told here.
        let (document, faults) = Document::read(source(&self.folder.join("policy.toml"))?);
        if !faults.is_empty() {
            return Err(Failure::Faults(faults));
        }
        let covered = coverage(&document, &cases(&self.folder)?);
        match (self.json, self.markdown) {
            (true, _) => terminal.json(&as_json(&name(&self.folder), &covered))?,
            (false, true) => self.markdown(&document, &covered, terminal)?,
            (false, false) => self.table(&covered, terminal)?,
        }
        Ok(if covered.iter().any(|one| one.gap().is_some()) { Exit::Wrong } else { Exit::Good })
    }

    fn table(&self, covered: &[Covered], terminal: &mut Terminal) -> io::Result<()> {
        let paint = terminal.paint;
        let width = covered.iter().map(|one| columns(&one.clause)).max().unwrap_or(0).clamp(6, 14);
        // Two blanks between columns; nine for each number.
        let room = 80 - width - 2 - 2 * (2 + 9);
        let head =
            format!("{}  {}  permitted    refused", pad("clause", width), pad("what it says, what keeps it", room));
        terminal.line(paint.bold(&head))?;
        for one in covered {
            let mut id = wrap(&one.clause, width).into_iter();
            let mut first = true;
            for part in wrap(&one.gist, room) {
                let numbers = match first {
                    true => format!("  {}  {}", number(one, one.permitted.len()), number(one, one.refused.len())),
                    false => String::new(),
                };
                let part = if first { pad(&part, room) } else { part };
                terminal.line(format!("{}  {part}{numbers}", pad(&id.next().unwrap_or_default(), width)))?;
                first = false;
            }
            let indent = format!("{:1$}", "", width + 2);
            for part in wrap(&kept(one), room - 2) {
                terminal.line(format!("{indent}  {}", paint.dim(&part)))?;
            }
            if let Some(gap) = one.gap() {
                terminal.line(format!("{indent}{} {}", paint.red("✗"), gap.text()))?;
            }
            if self.cases {
                self.names(one, &indent, terminal)?;
            }
        }
        terminal.line("")?;
        terminal.wrapped("", &summary(covered))
    }

    fn names(&self, one: &Covered, indent: &str, terminal: &mut Terminal) -> io::Result<()> {
        for (word, cases) in [("permitted", &one.permitted), ("refused", &one.refused)] {
            for (name, line) in cases {
                terminal.wrapped(&format!("{indent}  {word:<9}  "), &format!("{name} (line {line})"))?;
            }
        }
        Ok(())
    }

    fn markdown(&self, document: &Document, covered: &[Covered], terminal: &mut Terminal) -> io::Result<()> {
        let meta = &document.meta;
        terminal.line(format!("# {}", meta.title.text))?;
        terminal.line("")?;
        terminal.line(format!("Revision {}. {}", meta.revision.text, summary(covered)))?;
        terminal.line("")?;
        terminal.line("| Clause | What it says | What keeps it | Permitted | Refused |")?;
        terminal.line("|---|---|---|--:|--:|")?;
        for one in covered {
            let [clause, gist, kept] = [&one.clause, &one.gist, &kept(one)].map(|text| cell(text));
            let gap = one.gap().map_or(String::new(), |gap| format!(" **{}**", gap.text()));
            let (permitted, refused) = (one.permitted.len(), one.refused.len());
            terminal.line(format!("| {clause} | {gist} | {kept}{gap} | {permitted} | {refused} |"))?;
        }
        if self.cases {
            for one in covered.iter().filter(|one| !(one.permitted.is_empty() && one.refused.is_empty())) {
                terminal.line(format!("\n## {}\n", cell(&one.clause)))?;
                for (word, cases) in [("permitted", &one.permitted), ("refused", &one.refused)] {
                    for (name, _) in cases {
                        terminal.line(format!("- {word}: {}", cell(name)))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The count of a column, or a dash where none is needed.
fn number(one: &Covered, number: usize) -> String {
    if number == 0 && !one.is_judged() { format!("{:>9}", "-") } else { format!("{number:>9}") }
}

fn kept(one: &Covered) -> String {
    let mut text = match (&one.organisational, one.kept_by.is_empty()) {
        (Some(reason), _) => format!("organisational: {reason}"),
        (None, true) => "nothing".to_owned(),
        (None, false) => one.kept_by.join(", "),
    };
    if let Some(house) = &one.house {
        text.push_str(&format!(" (own data minimum: {house})"));
    }
    text
}

fn summary(covered: &[Covered]) -> String {
    let of = |is: &dyn Fn(&Covered) -> bool| covered.iter().filter(|one| is(one)).count();
    let organisational = of(&|one| one.organisational.is_some());
    let judged = of(&Covered::is_judged);
    let mechanisms = of(&|one| !one.kept_by.is_empty() && !one.is_judged());
    let gaps = of(&|one| one.gap().is_some());
    let missing = match gaps {
        0 => "nothing is missing".to_owned(),
        _ => format!("{} with a gap", count(gaps, "clause")),
    };
    format!(
        "{}: {judged} enforced in decisions, {mechanisms} by mechanisms of the gate, {organisational} \
         organisational; {missing}.",
        count(covered.len(), "clause")
    )
}

/// A text as a cell of a Markdown table.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '<' | '\\' | '`' | '[' => cell.extend(['\\', c]),
            '\n' => cell.push(' '),
            _ => cell.push(c),
        }
    }
    cell
}

fn as_json(organisation: &str, covered: &[Covered]) -> Value {
    let listed = |cases: &[(String, usize)]| -> Vec<Value> {
        cases.iter().map(|(name, line)| json!({"name": name, "line": line})).collect()
    };
    let each = covered.iter().map(|one| {
        json!({
            "clause": one.clause,
            "gist": one.gist,
            "enforced_by": one.kept_by,
            "organisational": one.organisational,
            "house": one.house,
            "permitted": listed(&one.permitted),
            "refused": listed(&one.refused),
            "gap": one.gap().map(|gap| gap.text()),
        })
    });
    json!({"organisation": organisation, "clauses": each.collect::<Vec<_>>()})
}
