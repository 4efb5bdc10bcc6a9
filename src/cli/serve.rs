//! `sekisho serve`: the gate itself, until it is asked to stop.

use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal::Terminal;
use super::{Exit, Failure, snippet};
use crate::proxy::settings::Settings;
use crate::proxy::{ProxyError, check};

/// Run the gate in front of an API
///
/// SIGTERM and SIGINT drain and stop it; SIGHUP reads policies, catalogues, keys and certificates again, which also
/// happens when such a file changes. A reload with a fault changes nothing.
#[derive(Args)]
pub(super) struct Serve {
    /// The settings; `--example` prints an annotated one
    #[arg(long, short, default_value = "sekisho.toml", value_name = "FILE")]
    config: PathBuf,
    /// The same, without the option's name
    #[arg(value_name = "FILE", conflicts_with = "config", hide = true)]
    settings: Option<PathBuf>,
    /// Print annotated settings and do nothing else
    #[arg(long)]
    example: bool,
    /// Read the settings and all that they name, say what is wrong, and do nothing else
    #[arg(long, conflicts_with = "example")]
    check: bool,
}

impl Serve {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        if self.example {
            crate::proxy::settings::EXAMPLE.lines().try_for_each(|line| terminal.line(line))?;
            return Ok(Exit::Good);
        }
        let file = self.settings.as_ref().unwrap_or(&self.config);
        if self.check {
            return check(file, terminal);
        }
        crate::proxy::serve::serve(file).map_err(failure)?;
        Ok(Exit::Good)
    }
}

fn check(file: &Path, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let settings = Settings::read(file).map_err(failure)?;
    let found = check::check(&settings);
    let paint = terminal.paint;
    for fault in &found.faults.0 {
        snippet::write(terminal.stream(), fault, snippet::Severity::Fault, paint)?;
    }
    for wrong in found.wrong.iter().flat_map(|wrong| wrong.lines()) {
        terminal.wrapped("error: ", wrong)?;
    }
    for missing in &found.missing {
        terminal.wrapped("warning: ", missing)?;
    }
    let faults = found.faults.0.len() + found.wrong.len();
    let verdict = if faults == 0 { paint.green("sound") } else { paint.red("faulty") };
    terminal.line(format!("{}: {verdict}", file.display()))?;
    Ok(if faults == 0 { Exit::Good } else { Exit::Partly })
}

pub(super) fn failure(error: ProxyError) -> Failure {
    match error {
        ProxyError::Faults(faults) => Failure::Faults(faults),
        other => Failure::Usage(other.to_string()),
    }
}
