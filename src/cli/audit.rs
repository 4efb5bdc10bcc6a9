//! `sekisho audit`: is the access log what was written, what is happening, and does it go on with this clock?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::serve::failure;
use super::terminal::Terminal;
use super::{Exit, Failure, operator};
use crate::audit::{AuditError, Caller, Log, Report, Tail, tail, verify};
use crate::proxy::settings::Settings;
use crate::proxy::sites::now_ms;
use crate::store::{Directory, Disk};

/// Read and verify the access log; accept a clock that went back
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
    /// Go on with a clock that is behind the newest record
    ///
    /// A gate whose clock is more than 60 s behind answers 503. Set the clock right first; if it is right now, and the
    /// records were written by one that ran ahead, stop the gate, accept it here, and start again. It is recorded.
    #[command(name = "accept-clock", after_help = "Examples:\n  sekisho audit accept-clock --config sekisho.toml")]
    AcceptClock {
        /// The settings of the gate
        #[arg(long, short, default_value = "sekisho.toml", value_name = "FILE")]
        config: PathBuf,
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
                if !follow && holds_nothing(&disk, &chain)? {
                    return Err(Failure::Usage(format!("there is no log in {}", chain.display())));
                }
                let options = Tail { json: *json, colour: terminal.paint.is_coloured(), last: Some(*last) };
                let pause = follow.then_some(Duration::from_millis(200));
                tail(&disk, options, terminal.stream(), || pause)?;
                Ok(Exit::Good)
            }
            AuditCommand::AcceptClock { config } => accept_clock(terminal, config),
        }
    }
}

fn accept_clock(terminal: &mut Terminal, config: &Path) -> Result<Exit, Failure> {
    let settings = Settings::read(config).map_err(failure)?;
    let folder = settings.data.log();
    if !settings.data.has_log() {
        return Err(Failure::Usage(format!("there is no log in {}: nothing to accept", folder.display())));
    }
    let refused = |error: AuditError| {
        let hint = if matches!(error, AuditError::Locked) { "; stop the gate first" } else { "" };
        Failure::Usage(format!("{}: {error}{hint}", folder.display()))
    };
    let disk = Directory::open(&folder).map_err(|error| unreadable(&folder, &error))?;
    let (log, recovery) = Log::open(Arc::new(disk), settings.audit.clone(), Arc::new(now_ms)).map_err(refused)?;
    let said = match recovery.clock_behind_ms {
        None => "the clock is not behind: nothing to accept".to_owned(),
        Some(behind_ms) => {
            let by = operator();
            let by = Caller { issuer: "this machine", id: &by, ..Caller::default() };
            log.accept_clock(Some(by)).wait().map_err(refused)?;
            format!("accepted: the newest record was {behind_ms} ms ahead of the clock")
        }
    };
    log.close();
    terminal.line(said)?;
    Ok(Exit::Good)
}

fn verify_chains(terminal: &mut Terminal, folder: &Path, as_json: bool) -> Result<Exit, Failure> {
    let mut exit = Exit::Good;
    let mut told = Vec::new();
    let chains = chains(folder)?;
    // A chain that was taken away whole would otherwise be the only one that nothing is said of.
    let gates = folder.join("log").join("gate");
    if chains.iter().any(|chain| chain.parent() == gates.parent()) && !chains.contains(&gates) {
        return Err(Failure::Usage(format!("the gate's own log is not there: {}", gates.display())));
    }
    for chain in chains {
        if holds_nothing(&open(&chain)?, &chain)? {
            return Err(Failure::Usage(format!("there is no log in {}", chain.display())));
        }
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

/// The chains of a data folder (`log/*`, the gate's own first; `log` itself where there is but one), or the one folder that
/// is given.
fn chains(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let logs = folder.join("log");
    if !logs.is_dir() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let entries = std::fs::read_dir(&logs).map_err(|error| unreadable(&logs, &error))?;
    let mut chains: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    if chains.is_empty() {
        return Ok(vec![logs]); // the one chain of a demo's organisation
    }
    chains.sort_by_key(|path| (!path.ends_with("gate"), path.clone()));
    Ok(chains)
}

fn open(chain: &Path) -> Result<Directory, Failure> {
    Directory::open_to_read(chain).map_err(|error| unreadable(chain, &error))
}

fn holds_nothing(disk: &Directory, chain: &Path) -> Result<bool, Failure> {
    Ok(disk.list().map_err(|error| unreadable(chain, &error))?.is_empty())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("cannot read {}: {error}", path.display()))
}
