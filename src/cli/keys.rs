//! `sekisho keys`: the secrets of a new gate, and a new key to sign its log with.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::serve::failure;
use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::proxy::keys::{self, Made};
use crate::proxy::settings::Settings;

/// Make the key files of a gate; change the key that signs its log
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
    /// Make a new key, beside the one that does: both sign until the older one is retired
    ///
    /// `audit-sign` is the only key that is changed so. Give its public half, printed here and at
    /// `/.well-known/sekisho-audit-key`, to whoever keeps checkpoints, then retire the older one. A running gate takes
    /// both up by itself and says so in its log.
    #[command(after_help = "Example:\n  sekisho keys rotate audit-sign --config sekisho.toml")]
    Rotate(Changed),
    /// Take the older of two keys out of use; its public half stays known, for what it signed
    #[command(after_help = "Example:\n  sekisho keys retire audit-sign --config sekisho.toml")]
    Retire(Changed),
    /// Print the public keys that the log is signed with, the newest first, then those that signed once
    Public {
        /// The settings
        #[arg(long, short, default_value = "sekisho.toml", value_name = "FILE")]
        config: PathBuf,
    },
}

#[derive(Args)]
struct Changed {
    /// Which key
    #[arg(value_parser = ["audit-sign"])]
    key: String,
    /// The settings
    #[arg(long, short, default_value = "sekisho.toml", value_name = "FILE")]
    config: PathBuf,
}

impl Keys {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        match &self.command {
            KeysCommand::Init { config, settings } => init(terminal, settings.as_ref().unwrap_or(config)),
            KeysCommand::Rotate(changed) => change(terminal, changed, keys::rotate, "signs too, from now on"),
            KeysCommand::Retire(changed) => change(terminal, changed, keys::retire, "signs no more"),
            KeysCommand::Public { config } => {
                let settings = Settings::read(config).map_err(failure)?;
                let keys = keys::Keys::read(&settings.data.keys).map_err(failure)?;
                terminal.line(keys.audit_keys(&settings.audit.node).trim_end())?;
                Ok(Exit::Good)
            }
        }
    }
}

fn init(terminal: &mut Terminal, config: &Path) -> Result<Exit, Failure> {
    let settings = Settings::read(config).map_err(failure)?;
    let made = Made { records: settings.data.has_records(), signed: settings.data.is_signed() };
    for name in keys::init(&settings.data.keys, made).map_err(failure)? {
        terminal.line(settings.data.keys.join(name).display().to_string())?;
    }
    terminal.line(
        "Keep a copy of them apart from this machine: without them neither pseudonyms nor the log's subjects can be \
         opened, and the log cannot be signed on. To check the log an auditor needs this:",
    )?;
    let keys = keys::Keys::read(&settings.data.keys).map_err(failure)?;
    terminal.line(keys.audit_keys(&settings.audit.node).trim_end())?;
    Ok(Exit::Good)
}

type Change = fn(&Path, &str) -> Result<String, crate::proxy::ProxyError>;

fn change(terminal: &mut Terminal, changed: &Changed, change: Change, said: &str) -> Result<Exit, Failure> {
    let settings = Settings::read(&changed.config).map_err(failure)?;
    let public = change(&settings.data.keys, &settings.audit.node).map_err(failure)?;
    terminal.line(format!("{public}\n{said}"))?;
    Ok(Exit::Good)
}
