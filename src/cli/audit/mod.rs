//! `sekisho audit`: is the access log what was written, what is happening, and does it go on with this clock?

mod chains;
mod clock;
mod export;
mod index;
mod prove;
mod reveal;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::audit::{Tail, tail};
use chains::{first, holds_nothing, open};

pub(super) use index::catch_up;

/// Read, verify and prove the access log; accept a clock that went back
#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Check every record's hash, number and ending, and the checkpoints; name the first bad one
    ///
    /// The checkpoints beside the log show whole records cut off at its end, and a log written anew by someone who does
    /// not hold the key that signs. One that was kept elsewhere (`--checkpoint`) shows it even of someone who does.
    /// With `--proof` no log is needed: the file proves one record, or that `--checkpoint` is the beginning of what is
    /// signed now. Exit code 1: a chain is damaged, nothing of it is
    /// signed though a key is given, or nothing is proven.
    #[command(
        after_help = "Examples:\n  sekisho audit verify /var/lib/sekisho\n  sekisho audit verify --key gate.vkey --checkpoint kept.txt /var/lib/sekisho\n  sekisho audit verify --key gate.vkey --proof record-5.tlog-proof"
    )]
    Verify(verify::Verify),
    /// Prove one record, or that an older checkpoint is the beginning of the newest, to someone without the log
    ///
    /// Prints a file that explains itself, for `sekisho audit verify --proof` and for any other reader of
    /// c2sp.org/tlog-proof. It holds the record: sealed subjects stay sealed in it, callers stand in clear.
    #[command(
        after_help = "Examples:\n  sekisho audit prove --record 5 /var/lib/sekisho >record-5.tlog-proof\n  sekisho audit prove --since kept.txt /var/lib/sekisho >since.txt"
    )]
    Prove(prove::Prove),
    /// Show whom records are about, or every access to one person's data; goes on record before anything is shown
    ///
    /// Needs the key `subjects`. Who asked, why and about whom stands in a log of its own, `log/reveal`, from before the
    /// first line is printed; where that cannot be written, nothing is. The gate may run meanwhile.
    #[command(
        after_help = "Examples:\n  sekisho audit reveal --why 'complaint 2026-17' --record 5 6\n  sekisho audit reveal --why 'request for disclosure, art. 33' --subject d-100"
    )]
    Reveal(reveal::Reveal),
    /// Print the newest checkpoint beside the log: keep it elsewhere
    #[command(after_help = "Example:\n  sekisho audit checkpoint /var/lib/sekisho | ssh elsewhere 'cat >kept.txt'")]
    Checkpoint {
        /// The data folder, or the folder of one chain
        folder: PathBuf,
    },
    /// Tell the log to other systems: CSV, OCSF, FHIR AuditEvent, OTLP, syslog, or the lines as they are
    ///
    /// Only what is durable is told, in the order of the log, each access once when it has ended. With `--resume` everything
    /// arrives at least once, whatever stops in between. Sealed ids stay sealed. Exit code 1: the log is not in order, all
    /// before that arrived; 2: the place did not take everything.
    #[command(
        after_help = "Examples:\n  sekisho audit export --format csv --since 2026-11-01 /var/lib/sekisho >november.csv\n  sekisho audit export --format ocsf --to https://siem.example/in --header-file token \\\n    --resume siem.position --follow /var/lib/sekisho"
    )]
    Export(export::Export),
    /// Make the index of all logs of a data folder, or bring it up to date
    ///
    /// `index.sqlite` beside the logs is made from them and from nothing else: it can be thrown away at any time. The gate may
    /// run meanwhile. Exit code 1: a log is not in order; what is behind the damage is in the index and marked.
    #[command(
        after_help = "Examples:\n  sekisho audit index /var/lib/sekisho\n  sekisho audit index --rebuild --config sekisho.toml"
    )]
    Index(index::MakeIndex),
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
    /// Print the JSON Schema of a line of the log
    ///
    /// Draft 2020-12. Lines of every earlier release conform to it too.
    #[command(after_help = "Example:\n  sekisho audit schema >access-log.schema.json")]
    Schema,
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
            AuditCommand::Verify(verify) => verify.run(terminal),
            AuditCommand::Prove(prove) => prove.run(terminal),
            AuditCommand::Export(export) => export.run(terminal),
            AuditCommand::Reveal(reveal) => reveal.run(terminal),
            AuditCommand::Checkpoint { folder } => prove::checkpoint(terminal, folder),
            AuditCommand::Index(make) => make.run(terminal),
            AuditCommand::Tail { folder, follow, json, last } => {
                let chain = first(folder)?;
                let disk = open(&chain)?;
                if !follow && holds_nothing(&disk, &chain)? {
                    return Err(Failure::Usage(format!("there is no log in {}", chain.display())));
                }
                let options = Tail { json: *json, colour: terminal.paint.is_coloured(), last: Some(*last) };
                let pause = follow.then_some(Duration::from_millis(200));
                tail(&disk, options, terminal.stream(), || pause)?;
                Ok(Exit::Good)
            }
            AuditCommand::Schema => {
                terminal.line(crate::audit::SCHEMA.trim_end())?;
                Ok(Exit::Good)
            }
            AuditCommand::AcceptClock { config } => clock::accept(terminal, config),
        }
    }
}
