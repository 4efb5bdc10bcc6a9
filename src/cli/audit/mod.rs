//! `sekisho audit`: is the access log what was written, what is happening, and does it go on with this clock?

mod chains;
mod clock;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::audit::{Tail, tail};
use chains::{chains, holds_nothing, open};

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
            AuditCommand::Verify { folder, json } => verify::run(terminal, folder, *json),
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
            AuditCommand::AcceptClock { config } => clock::accept(terminal, config),
        }
    }
}
