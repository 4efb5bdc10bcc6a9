//! `sekisho audit`: is the access log what was written, and what is happening?

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::audit::{Report, Tail, tail, verify};
use crate::store::Directory;

/// Read and verify the access log
#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Check every record's hash, number and ending; name the first bad one
    ///
    /// Whole records cut off at the end cannot be seen without a copy of the last hash kept elsewhere: note it.
    /// Exit code 1: a chain is damaged.
    #[command(
        after_help = "Examples:\n  sekisho audit verify /var/lib/sekisho\n  sekisho audit verify --json /var/lib/sekisho"
    )]
    Verify {
        /// The data folder, or the folder of one chain
        folder: PathBuf,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show the newest records, one line each
    #[command(
        after_help = "Examples:\n  sekisho audit tail --follow /var/lib/sekisho\n  sekisho audit tail --json -n 1000 /var/lib/sekisho | jq .purpose"
    )]
    Tail {
        /// The data folder, or the folder of one chain
        folder: PathBuf,
        /// Go on as records come, until interrupted
        #[arg(long, short)]
        follow: bool,
        /// The records as they are written
        #[arg(long)]
        json: bool,
        /// How many of the newest records
        #[arg(short = 'n', long, default_value_t = 20)]
        last: usize,
    },
}

impl Audit {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        match &self.command {
            AuditCommand::Verify { folder, json } => verify_chains(terminal, folder, *json),
            AuditCommand::Tail { folder, follow, json, last } => {
                // The gate's own chain; another one is named by its folder.
                let chain = chains(folder)?.into_iter().next().unwrap_or_else(|| folder.clone());
                let disk = open(&chain)?;
                let options = Tail { json: *json, colour: terminal.paint.is_coloured(), last: Some(*last) };
                let pause = follow.then_some(Duration::from_millis(200));
                tail(&disk, options, terminal.stream(), || pause)?;
                Ok(Exit::Good)
            }
        }
    }
}

fn verify_chains(terminal: &mut Terminal, folder: &Path, as_json: bool) -> Result<Exit, Failure> {
    let mut exit = Exit::Good;
    let mut told = Vec::new();
    for chain in chains(folder)? {
        let report = verify(&open(&chain)?).map_err(|error| unreadable(&chain, &error))?;
        if !report.is_intact() {
            exit = Exit::Wrong;
        }
        if as_json {
            told.push(as_value(&chain, &report));
        } else {
            terminal.line(chain.display().to_string())?;
            report.write_to(terminal.stream())?;
        }
    }
    if as_json {
        terminal.json(&json!({"intact": exit == Exit::Good, "chains": told}))?;
    }
    Ok(exit)
}

fn as_value(chain: &Path, report: &Report) -> serde_json::Value {
    let bad = report.bad.as_ref().map(|bad| {
        json!({"segment": bad.segment, "line": bad.line, "offset": bad.offset, "sequence": bad.sequence,
               "fault": bad.fault.to_string()})
    });
    json!({
        "chain": chain.display().to_string(), "intact": report.is_intact(), "segments": report.segments,
        "records": report.records, "last_sequence": report.last_sequence, "last_hash": report.last_hash,
        "open": report.open, "torn_files": report.torn_files, "bad": bad,
    })
}

/// The chains of a data folder (`log/*`, the gate's own first), or the one folder that is given.
fn chains(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let logs = folder.join("log");
    if !logs.is_dir() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let entries = std::fs::read_dir(&logs).map_err(|error| unreadable(&logs, &error))?;
    let mut chains: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    chains.sort_by_key(|path| (!path.ends_with("gate"), path.clone()));
    Ok(chains)
}

fn open(chain: &Path) -> Result<Directory, Failure> {
    Directory::open_to_read(chain).map_err(|error| unreadable(chain, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("cannot read {}: {error}", path.display()))
}
