//! `sekisho audit prove`, `checkpoint`: what does an auditor need who does not hold the log?

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::chains::{first, open};
use crate::audit::checkpoint::{Note, NoteFault};
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
    /// An older checkpoint, as `sekisho audit checkpoint` printed it, or a file that the gate sent them to
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    since: Option<PathBuf>,
}

impl Prove {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let disk = open(&first(&self.folder)?)?;
        let (what, proof) = match (self.record, &self.since) {
            (Some(number), _) => (format!("record `{number}`"), prove(&disk, number)),
            (None, Some(path)) => (path.display().to_string(), extend(&disk, &newest_note(path)?.checkpoint)),
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

/// The checkpoints that were kept in a file: one as it is, or lines as the gate writes them; never none.
pub(super) fn read_notes(path: &Path) -> Result<Vec<Note>, Failure> {
    let text = read(path)?;
    let fault = |why: &dyn std::fmt::Display| Failure::Usage(format!("{}: {why}", path.display()));
    if !text.starts_with('{') {
        return Ok(vec![text.parse().map_err(|why: NoteFault| fault(&why))?]);
    }
    let mut notes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let written: Result<serde_json::Value, _> = serde_json::from_str(line);
        let note = written.ok().and_then(|line| line.get("note")?.as_str()?.parse().ok());
        notes.push(note.ok_or_else(|| {
            fault(&format!("line {} is no checkpoint; if a crash cut it off, take it out", index + 1))
        })?);
    }
    Ok(notes)
}

/// The newest of them.
fn newest_note(path: &Path) -> Result<Note, Failure> {
    let newest = read_notes(path)?.into_iter().max_by_key(|note| note.checkpoint.size);
    newest.ok_or_else(|| Failure::Usage(format!("{}: there is no checkpoint in it", path.display())))
}

pub(super) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

fn refused(what: &str, error: &ProofError) -> Failure {
    Failure::Usage(format!("{what}: {error}"))
}
