//! `sekisho demo --fill 30d`: a folder as after so many days of a gate's work, to be looked at.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::terminal::{Terminal, count};
use super::{Exit, Failure};
use crate::demo::Folder;
use crate::demo::fill::{self, DAYS_MAX, END_MS, Fill, Filled};
use crate::demo::sample::Org;

/// The folder that is made where none is named.
const FOLDER: &str = "sekisho-filled";
const DAY_MS: u64 = 86_400_000;

/// Reads `30d`.
pub(super) fn days(text: &str) -> Result<u32, String> {
    let days = text.strip_suffix('d').ok_or_else(|| format!("`{text}` has no unit; write days, as `30d`"))?;
    let days: u32 = days.parse().map_err(|_| format!("`{text}` is no number of days; write e.g. `30d`"))?;
    match (1..=DAYS_MAX).contains(&days) {
        true => Ok(days),
        false => Err(format!("`{text}` is not from `1d` to `{DAYS_MAX}d`")),
    }
}

/// Fills a folder, tells how far it is where someone looks on, and what may be done with it.
pub(super) fn run(orgs: Vec<Org>, days: u32, data: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let named = data.map_or_else(|| PathBuf::from(FOLDER), Path::to_path_buf);
    let folder = Folder::named(&named)?;
    let looked_at = io::stderr().is_terminal();
    let tell = |made: u64, all: u64| {
        if looked_at {
            // Should standard error be gone, the work goes on.
            let _ = write!(io::stderr(), "\r{made} of {all} accesses");
        }
    };
    let filled = fill::fill(&Fill { orgs, days, one_in: 1 }, &folder, &tell);
    if looked_at {
        let _ = writeln!(io::stderr());
    }
    summary(&filled?, days, &named, terminal)?;
    Ok(Exit::Good)
}

fn summary(filled: &[Filled], days: u32, folder: &Path, terminal: &mut Terminal) -> io::Result<()> {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let paint = terminal.paint;
    for org in filled {
        let (requests, refused) = (count(number(org.requests), "request"), org.refused);
        let records = count(number(org.records), "record");
        terminal.line(format!(
            "{} {:<10} {requests}, {refused} of them refused; {records}",
            paint.green("✓"),
            org.org.id()
        ))?;
    }
    let (first, last) = (END_MS - u64::from(days) * DAY_MS, END_MS - DAY_MS);
    let date = |at_ms| fill::date(at_ms).map(|date| date.to_string()).unwrap_or_default();
    terminal.line("")?;
    terminal.wrapped("", &format!("From {} to {}, Tokyo time, in {}", date(first), date(last), folder.display()))?;
    terminal.line("")?;
    let Some(first) = filled.first() else { return Ok(()) };
    let home = folder.join(first.org.id());
    terminal.line(paint.bold("Next:"))?;
    terminal.line(format!("  sekisho audit verify {}", home.display()))?;
    terminal.line(format!("  sekisho audit tail -n 20 {}", home.join("log").join("gate").display()))?;
    let settings = home.join("sekisho.toml");
    terminal.line("  sekisho console account add me --role privacy-officer \\")?;
    terminal.line(format!("    --config {}", settings.display()))?;
    terminal.line(format!("  sekisho console --config {}", settings.display()))
}
