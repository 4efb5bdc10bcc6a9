//! `sekisho serve`: the gate itself, until it is asked to stop.

use std::path::PathBuf;

use clap::Args;

use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::proxy::ProxyError;

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
    /// Read and check the settings, and the policies, catalogues and key set files that they name, and do nothing else
    #[arg(long, conflicts_with = "example")]
    check: bool,
}

impl Serve {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        if self.example {
            crate::proxy::settings::EXAMPLE.lines().try_for_each(|line| terminal.line(line))?;
            return Ok(Exit::Good);
        }
        let done = match self.check {
            true => crate::proxy::settings::Settings::read(self.settings.as_ref().unwrap_or(&self.config))
                .and_then(|settings| crate::proxy::sites::Sites::check(&settings)),
            false => crate::proxy::serve::serve(self.settings.as_ref().unwrap_or(&self.config)),
        };
        done.map_err(failure)?;
        Ok(Exit::Good)
    }
}

pub(super) fn failure(error: ProxyError) -> Failure {
    match error {
        ProxyError::Faults(faults) => Failure::Faults(faults),
        other => Failure::Usage(other.to_string()),
    }
}
