//! `sekisho audit verify`: is the log what was written?

use std::path::Path;

use serde_json::json;

use super::chains::{chains, holds_nothing, open, unreadable};
use crate::audit::{Report, verify};
use crate::cli::terminal::Terminal;
use crate::cli::{Exit, Failure};

pub(super) fn run(terminal: &mut Terminal, folder: &Path, as_json: bool) -> Result<Exit, Failure> {
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
