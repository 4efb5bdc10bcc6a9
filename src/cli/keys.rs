//! `sekisho keys init`: the secrets of a new gate.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::serve::failure;
use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::proxy::{keys, settings::Settings};

/// Make the key files of a gate
#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Make the key files that the settings name; refused where one is there already, or records exist
    Init {
        /// The settings
        #[arg(long, short, default_value = "sekisho.toml", value_name = "FILE")]
        config: PathBuf,
        /// The same, without the option's name
        #[arg(value_name = "FILE", conflicts_with = "config", hide = true)]
        settings: Option<PathBuf>,
    },
}

impl Keys {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let KeysCommand::Init { config, settings } = &self.command;
        let settings = Settings::read(settings.as_ref().unwrap_or(config)).map_err(failure)?;
        keys::init(&settings.data.keys, settings.data.has_records()).map_err(failure)?;
        for name in keys::FILES {
            terminal.line(settings.data.keys.join(name).display().to_string())?;
        }
        terminal.line("Keep a copy of both apart from this machine: without them neither pseudonyms nor the log's subjects can be opened.")?;
        Ok(Exit::Good)
    }
}
