//! `sekisho audit index`: is the index of the log up to date? Made, or read on, from every log of a data folder.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::cli::serve::failure;
use crate::cli::terminal::{Terminal, count};
use crate::cli::{Exit, Failure};
use crate::index::{FILE, Index, IndexError, Integrity, Limit, Logs, Progress, Queries};
use crate::proxy::settings::Settings;

#[derive(Args)]
pub(super) struct MakeIndex {
    /// The data folder
    #[arg(conflicts_with = "config")]
    folder: Option<PathBuf>,
    /// The settings of the gate, which name it
    #[arg(long, short, default_value = "sekisho.toml", value_name = "FILE")]
    config: PathBuf,
    /// Throw the index away first and make it from the logs alone
    #[arg(long)]
    rebuild: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl MakeIndex {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => Settings::read(&self.config).map_err(failure)?.data.directory,
        };
        let logs = folder.join("log");
        if !logs.is_dir() {
            return Err(Failure::Usage(format!("there is no log in {}: name the data folder", folder.display())));
        }
        let path = folder.join(FILE);
        let cannot = |error: IndexError| Failure::Usage(format!("{}: {error}", path.display()));
        let logs = Logs::Folder(logs);
        let mut index = Index::open(&path, logs.clone()).map_err(cannot)?;
        if self.rebuild {
            index.clear().map_err(cannot)?;
        }
        let begun = Instant::now();
        let (read, records) = catch_up(&mut index).map_err(cannot)?;
        let told = Queries::open(&path, logs).and_then(|queries| queries.integrity()).map_err(cannot)?;
        // Closed, so that everything is in the file whose size is told.
        drop(index);
        self.tell(terminal, &path, (read, records, begun.elapsed()), &told)
    }

    fn tell(
        &self,
        terminal: &mut Terminal,
        path: &Path,
        (read, records, spent): (u64, u64, Duration),
        logs: &[Integrity],
    ) -> Result<Exit, Failure> {
        let bytes = std::fs::metadata(path)?.len();
        let rate = rate(read, spent);
        let is_intact = logs.iter().all(Integrity::is_intact);
        if self.json {
            let each = logs.iter().map(|log| {
                let faults: Vec<_> =
                    log.faults.iter().map(|one| json!({"sequence": one.seq, "fault": one.said})).collect();
                json!({"log": log.log, "last_sequence": log.last, "verified": log.verified,
                       "passed_over": log.passed_over, "faults": faults, "lost": log.lost})
            });
            terminal.json(&json!({"file": path.display().to_string(), "bytes": bytes, "records": records,
                "read": read, "milliseconds": u64::try_from(spent.as_millis()).unwrap_or(u64::MAX),
                "intact": is_intact, "logs": each.collect::<Vec<_>>()}))?;
        } else {
            let (all, read) = (count_of(records), count_of(read));
            terminal.line(format!("{}: {all}, {}", path.display(), size(bytes)))?;
            terminal.line(format!("{read} read in {:.1} s, {rate} a second", spent.as_secs_f64()))?;
            for log in logs {
                terminal.line(format!("  {:<10} up to record {}", log.log, log.last))?;
                if log.passed_over > 0 {
                    terminal.line(format!("  {:<10} {} that this version cannot read", "", lines(log.passed_over)))?;
                }
                if let Some(fault) = log.faults.first() {
                    let said = format!("NOT IN ORDER from record {}: {}", fault.seq, fault.said);
                    terminal.wrapped(&format!("  {:<10} ", ""), &said)?;
                }
                if !log.lost.is_empty() {
                    terminal.wrapped(&format!("  {:<10} ", ""), &format!("RECORDS ARE MISSING: {}", log.lost))?;
                }
            }
        }
        Ok(if is_intact { Exit::Good } else { Exit::Wrong })
    }
}

/// Reads on to the end; how many records that were, and how many there are.
pub(in crate::cli) fn catch_up(index: &mut Index) -> Result<(u64, u64), IndexError> {
    let mut read = 0;
    let is_shown = std::io::stderr().is_terminal();
    loop {
        let until = Instant::now() + Duration::from_millis(250);
        let progress = index.catch_up(Limit { records: u64::MAX, until: Some(until) })?;
        read += progress.read;
        if is_shown {
            // What cannot be shown stops nothing.
            let _shown = write!(std::io::stderr(), "\r{}", bar(&progress));
        }
        if progress.is_caught_up {
            if is_shown {
                let _gone = write!(std::io::stderr(), "\r{:70}\r", "");
            }
            return Ok((read, progress.records));
        }
    }
}

/// `[########............]  40 % of about 10000000 records`
fn bar(progress: &Progress) -> String {
    let percent = (progress.records * 100).checked_div(progress.total).unwrap_or(100).min(100);
    let full = usize::try_from(percent / 5).unwrap_or(0);
    format!("[{:.<20}] {percent:>3} % of about {} records", "#".repeat(full), progress.total)
}

fn rate(read: u64, spent: Duration) -> u128 {
    u128::from(read) * 1_000_000 / spent.as_micros().max(1)
}

fn count_of(records: u64) -> String {
    several(records, "record")
}

fn lines(number: u64) -> String {
    several(number, "line")
}

fn several(number: u64, one: &str) -> String {
    usize::try_from(number).map_or_else(|_| format!("{number} {one}s"), |number| count(number, one))
}

fn size(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mebibytes => format!("{mebibytes} MiB"),
    }
}
