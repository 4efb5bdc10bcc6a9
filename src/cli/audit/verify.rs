//! `sekisho audit verify`: is the log what was written?

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::chains::{chains, holds_nothing, open, unreadable};
use super::prove::{read, read_notes};
use crate::audit::checkpoint::{Checkpoint, Note};
use crate::audit::prove::{Proof, ProofError, Proven};
use crate::audit::{Report, Trust, verify_by};
use crate::cli::terminal::Terminal;
use crate::cli::{Exit, Failure};

#[derive(Args)]
pub(super) struct Verify {
    /// The data folder, or the folder of one chain
    #[arg(required_unless_present = "proof")]
    folder: Option<PathBuf>,
    /// A public key of the log, or a file of them, as `/.well-known/sekisho-audit-key` tells them
    #[arg(long, value_name = "KEY|FILE")]
    key: Vec<String>,
    /// A checkpoint that was kept elsewhere, or a file of them, as the gate sends them
    #[arg(long, value_name = "FILE", requires = "key")]
    checkpoint: Vec<PathBuf>,
    /// A proof to check instead of a log
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "folder")]
    proof: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let trust = self.trust()?;
        match (&self.folder, &self.proof) {
            (_, Some(path)) => proven(terminal, path, &trust, self.json),
            (Some(folder), None) => verify_chains(terminal, folder, &trust, self.json),
            (None, None) => Err(Failure::Usage("name the data folder, or a proof".to_owned())),
        }
    }

    fn trust(&self) -> Result<Trust, Failure> {
        let mut trust = Trust::default();
        for key in &self.key {
            let text = if Path::new(key).exists() { read(Path::new(key))? } else { key.clone() };
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let parsed = line.parse().map_err(|_| {
                    Failure::Usage(format!(
                        "`{line}` is neither a public key nor a file of them: `sekisho keys public`"
                    ))
                });
                trust.keys.push(parsed?);
            }
        }
        for path in &self.checkpoint {
            for note in read_notes(path)? {
                let believed = note.verify(&trust.keys).map(|_| ());
                believed.map_err(|fault| Failure::Usage(format!("{}: {fault}", path.display())))?;
                trust.kept.push(note);
            }
        }
        Ok(trust)
    }
}

/// What a file proves to someone without the log.
fn proven(terminal: &mut Terminal, path: &Path, trust: &Trust, as_json: bool) -> Result<Exit, Failure> {
    let unreadable = |error: ProofError| Failure::Usage(format!("{}: {error}", path.display()));
    let proof: Proof = read(path)?.parse().map_err(unreadable)?;
    // Of several, the newest: a proof tells by itself whether it is of that one.
    let old = trust.kept.iter().max_by_key(|note| note.checkpoint.size);
    if proof.is_of_checkpoint() && old.is_none() {
        return Err(Failure::Usage(format!("{}: name the older checkpoint with `--checkpoint`", path.display())));
    }
    let (value, said) = match proof.check(&trust.keys, old) {
        Ok(Proven::Record { line, checkpoint }) => {
            let line = String::from_utf8_lossy(&line).into_owned();
            let Checkpoint { origin, size, .. } = checkpoint;
            let said = format!("Proven: this is one of the {size} records of `{origin}` that are signed.\n{line}");
            (json!({"proven": true, "origin": origin, "size": size, "record": line}), said)
        }
        Ok(Proven::Extension { old, new }) => {
            let said = format!(
                "Proven: of the {} records of `{}` that were signed, none was changed or taken away; now there are {}.",
                old.size, new.origin, new.size
            );
            (json!({"proven": true, "origin": new.origin, "old": old.size, "size": new.size}), said)
        }
        Err(error) => {
            let said = format!("NOT PROVEN: {error}.");
            if as_json {
                terminal.json(&json!({"proven": false, "why": error.to_string()}))?;
            } else {
                terminal.line(said)?;
            }
            return Ok(Exit::Wrong);
        }
    };
    if as_json {
        terminal.json(&value)?
    } else {
        terminal.line(said)?
    }
    Ok(Exit::Good)
}

fn verify_chains(terminal: &mut Terminal, folder: &Path, trust: &Trust, as_json: bool) -> Result<Exit, Failure> {
    let mut exit = Exit::Good;
    let mut told = Vec::new();
    let chains = chains(folder)?;
    // A chain that was taken away whole would otherwise be the only one that nothing is said of.
    let gates = folder.join("log").join("gate");
    if chains.iter().any(|chain| chain.parent() == gates.parent()) && !chains.contains(&gates) {
        return Err(Failure::Usage(format!("the gate's own log is not there: {}", gates.display())));
    }
    let chains_there = chains.len();
    let held = |note: &&Note| chains.iter().any(|chain| is_of(note, chain, chains_there));
    if let Some(other) = trust.kept.iter().find(|note| !held(note)) {
        let origin = &other.checkpoint.origin;
        return Err(Failure::Usage(format!(
            "a checkpoint is of `{origin}`, and no log of that name is in {}",
            folder.display()
        )));
    }
    for chain in chains.clone() {
        if holds_nothing(&open(&chain)?, &chain)? {
            return Err(Failure::Usage(format!("there is no log in {}", chain.display())));
        }
        // What was kept elsewhere is of one of the logs; which, its origin tells.
        let kept = trust.kept.iter().filter(|note| is_of(note, &chain, chains_there)).cloned().collect();
        let of_this = Trust { keys: trust.keys.clone(), kept };
        let report = verify_by(&open(&chain)?, &of_this).map_err(|error| unreadable(&chain, &error))?;
        // Who brings a key asks whether it signed this: nothing signed is no answer.
        if !report.is_intact() || report.is_unsigned() {
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

/// Whether a checkpoint is of this chain: of the only one, or of the one in the folder that its origin ends in.
fn is_of(note: &Note, chain: &Path, chains_there: usize) -> bool {
    let name = chain.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    chains_there == 1 || note.checkpoint.origin.rsplit('/').next() == Some(name)
}

fn as_value(chain: &Path, report: &Report) -> serde_json::Value {
    let bad = report.bad.as_ref().map(|bad| {
        json!({"segment": bad.segment, "line": bad.line, "offset": bad.offset, "sequence": bad.sequence,
               "fault": bad.fault.to_string()})
    });
    json!({
        "chain": chain.display().to_string(), "intact": report.is_intact() && !report.is_unsigned(), "segments": report.segments,
        "records": report.records, "last_sequence": report.last_sequence, "last_hash": report.last_hash,
        "signed": {"checkpoints": report.signed.agreed, "last_sequence": report.signed.last_sequence,
                   "by_key": report.signed.by_key, "kept_elsewhere": report.signed.kept_elsewhere},
        "open": report.open, "torn_files": report.torn_files, "bad": bad,
    })
}
