//! `sekisho audit prove`, `checkpoint`: what does an auditor need who does not hold the log?

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::chains::{first, open};
use crate::audit::checkpoint::Note;
use crate::audit::prove::{ProofError, extend, newest, prove};
use crate::cli::terminal::Terminal;
use crate::cli::{Exit, Failure};

#[derive(Args)]
pub(super) struct Prove {
    /// The data folder, or the folder of one chain
    folder: PathBuf,
    /// The number of the record: its `seq`
    #[arg(long, value_name = "SEQ", required_unless_present = "since")]
    record: Option<u64>,
    /// An older checkpoint, as `sekisho audit checkpoint` printed it
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    since: Option<PathBuf>,
}

impl Prove {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let disk = open(&first(&self.folder)?)?;
        let (what, proof) = match (self.record, &self.since) {
            (Some(number), _) => (format!("record `{number}`"), prove(&disk, number)),
            (None, Some(path)) => (path.display().to_string(), extend(&disk, &read_note(path)?.checkpoint)),
            (None, None) => {
                return Err(Failure::Usage("name what to prove: `--record SEQ` or `--since FILE`".to_owned()));
            }
        };
        let proof = proof.map_err(|error| refused(&what, &error))?;
        write!(terminal.stream(), "{proof}")?;
        Ok(Exit::Good)
    }
}

pub(super) fn checkpoint(terminal: &mut Terminal, folder: &Path) -> Result<Exit, Failure> {
    let chain = first(folder)?;
    let note = newest(&open(&chain)?).map_err(|error| refused(&chain.display().to_string(), &error))?;
    write!(terminal.stream(), "{}", note.text)?;
    Ok(Exit::Good)
}

/// A checkpoint that was kept in a file.
pub(super) fn read_note(path: &Path) -> Result<Note, Failure> {
    let text = read(path)?;
    text.parse().map_err(|fault| Failure::Usage(format!("{}: {fault}", path.display())))
}

pub(super) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

fn refused(what: &str, error: &ProofError) -> Failure {
    Failure::Usage(format!("{what}: {error}"))
}
