//! Does the policy answer as its officer expects? Runs the conformance cases.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::decide::now;
use super::documents::{cases, name, organisations, revisions};
use super::terminal::{Terminal, count, pad};
use super::{Exit, Failure};
use crate::decision::cases::{Case, Differences};

/// Run the conformance cases (cases.toml) of policies
#[derive(clap::Args)]
#[command(
    long_about = "Run an organisation's conformance cases: each says who asks for what, what is on \
        file, and what the answer has to be, down to the form of each category, the \
        codes of a refusal and the clause that has to be cited. Cases that differ are \
        shown with what was expected and found.",
    after_long_help = "Examples:\n  \
        sekisho test                                  every folder under ./policy\n  \
        sekisho test policy/jmdp\n  \
        sekisho test policy/jmdp --filter researcher  by a part of the name\n  \
        sekisho test policy/jmdp --filter II.3.10     or by the clause\n\n\
        Exit codes: 0 every case holds; 1 a case differs; 2 a document could not be read\n\
        (`sekisho check` tells why), or no case matches."
)]
pub(super) struct Test {
    /// Folders of organisations; every folder under ./policy if none is named
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Only cases whose name holds this text (upper and lower case alike), or of this clause
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

/// The outcome of one organisation's cases.
struct Outcome {
    name: String,
    file: String,
    run: Vec<(Case, Differences)>,
}

impl Test {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let mut outcomes = Vec::new();
        for folder in organisations(&self.folders)? {
            outcomes.push(self.outcome(&folder)?);
        }
        if outcomes.iter().all(|outcome| outcome.run.is_empty()) {
            return Err(Failure::Usage(match &self.filter {
                Some(filter) => format!("no case is called like `{filter}` and none names it as its clause"),
                None => "there is no case to run".to_owned(),
            }));
        }
        match self.json {
            true => terminal.json(&json!({"organisations": outcomes.iter().map(Outcome::json).collect::<Vec<_>>()}))?,
            false => {
                let width = outcomes.iter().map(|outcome| outcome.name.chars().count()).max().unwrap_or(0);
                for outcome in &outcomes {
                    outcome.print_differences(terminal)?;
                }
                for outcome in &outcomes {
                    outcome.print_summary(width, terminal)?;
                }
            }
        }
        let differ = outcomes.iter().any(|outcome| outcome.differing().next().is_some());
        Ok(if differ { Exit::Wrong } else { Exit::Good })
    }

    fn outcome(&self, folder: &Path) -> Result<Outcome, Failure> {
        let revisions = revisions(folder)?;
        let now = now().map_err(Failure::Usage)?;
        let meant = |case: &Case| self.filter.as_ref().is_none_or(|filter| matches(case, filter));
        let cases = cases(folder)?.into_iter().filter(meant);
        let run = cases.map(|case| {
            let differences = case.run(&revisions, now);
            (case, differences)
        });
        let file = folder.join("cases.toml").display().to_string();
        Ok(Outcome { name: name(folder), file, run: run.collect() })
    }
}

fn matches(case: &Case, filter: &str) -> bool {
    case.name.to_lowercase().contains(&filter.to_lowercase()) || case.clauses.iter().any(|clause| clause == filter)
}

impl Outcome {
    fn differing(&self) -> impl Iterator<Item = &(Case, Differences)> {
        self.run.iter().filter(|(_, differences)| !differences.is_empty())
    }

    fn print_differences(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let paint = terminal.paint;
        for (case, differences) in self.differing() {
            terminal.line(format!("{} {}:{}", paint.red("differs"), self.file, case.line))?;
            terminal.wrapped("  ", &case.name)?;
            for difference in differences {
                terminal.wrapped("    - ", difference)?;
            }
            terminal.line("")?;
        }
        Ok(())
    }

    fn print_summary(&self, width: usize, terminal: &mut Terminal) -> Result<(), Failure> {
        let differ = self.differing().count();
        let permitted = self.run.iter().filter(|(case, _)| case.permits()).count();
        let verdict = match differ {
            0 if self.run.is_empty() => terminal.paint.dim("none matches").into_owned(),
            0 => terminal.paint.green("all hold").into_owned(),
            1 => terminal.paint.red("1 differs").into_owned(),
            _ => terminal.paint.red(&format!("{differ} differ")).into_owned(),
        };
        let cases = count(self.run.len(), "case");
        terminal.line(format!(
            "{}  {cases:>10}  {permitted:>4} permitted  {:>4} refused  {verdict}",
            pad(&self.name, width),
            self.run.len() - permitted
        ))?;
        Ok(())
    }

    fn json(&self) -> Value {
        let each = |(case, differences): &(Case, Differences)| json!({"name": case.name, "line": case.line, "clauses": case.clauses, "differences": differences});
        json!({
            "organisation": self.name,
            "file": self.file,
            "cases": self.run.len(),
            "differing": self.differing().map(each).collect::<Vec<_>>(),
        })
    }
}
