//! `sekisho console`: the pages over the log without a gate, and the accounts that may see them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::serve::failure;
use super::terminal::Terminal;
use super::{Exit, Failure, password, signals};
use crate::console::{Account, Accounts, Role, account, account_id};
use crate::proxy::console::ConsoleServer;
use crate::proxy::process;
use crate::proxy::settings::{ConsoleSettings, Settings};

const EXAMPLES: &str = "\
Examples:
  sekisho console account add mika --role reviewer   somebody who may sign in
  sekisho console                                    then open the address it prints

After `sekisho demo --fill 30d`:
  sekisho console account add me --role privacy-officer \\
    --config sekisho-filled/sakura/sekisho.toml
  sekisho console --config sekisho-filled/sakura/sekisho.toml

Roles: viewer (sees accesses, persons sealed), reviewer (and decides reviews),
privacy-officer (and opens what is sealed), auditor (sees and verifies).";

/// Show the access log in a browser: what was unusual, search, proof, reviews
///
/// The same pages as inside `sekisho serve` with `[console]`, over what a gate wrote; a gate may run meanwhile.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Console {
    /// The settings of the gate
    #[arg(long, short, global = true, default_value = "sekisho.toml", value_name = "FILE")]
    config: PathBuf,
    /// Another address than the settings name; port 0: any free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Subcommand)]
enum Sub {
    /// Who may sign in
    Account(AccountArgs),
}

#[derive(Args)]
struct AccountArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Let somebody sign in; asks for the password, or reads it as one line of standard input
    Add {
        /// Whom; stands on record with what is looked at
        #[arg(value_parser = account_id)]
        name: String,
        /// What for: viewer, reviewer, privacy-officer, auditor
        #[arg(long, required = true, num_args = 1.., value_parser = role)]
        role: Vec<Role>,
        /// Under which id this person calls the gate: nobody reviews his own access
        #[arg(long, value_name = "ID", num_args = 1..)]
        caller: Vec<String>,
    },
    /// Everybody who may sign in
    List {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Another password; ends open sessions
    Password {
        /// Whose
        #[arg(value_parser = account_id)]
        name: String,
    },
    /// Let somebody sign in no more; ends open sessions
    Remove {
        /// Whom
        #[arg(value_parser = account_id)]
        name: String,
    },
}

fn role(name: &str) -> Result<Role, String> {
    Role::from_name(name).ok_or_else(|| format!("there are {}", Role::ALL.map(Role::name).join(", ")))
}

impl Console {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let settings = Settings::read(&self.config).map_err(failure)?;
        match &self.command {
            Some(Sub::Account(arguments)) => arguments.run(&settings, terminal),
            None => self.serve(settings, terminal),
        }
    }

    fn serve(&self, mut settings: Settings, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let mut console = of(&settings);
        console.listen = self.listen.unwrap_or(console.listen);
        let accounts = Accounts::new(console.accounts.clone());
        let has_provider = console.provider.is_some();
        settings.console = Some(console);
        process::tell(&settings.log).map_err(failure)?;
        process::harden().map_err(failure)?;
        let nobody = accounts.all().map_err(Failure::Usage)?.is_empty() && !has_provider;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Usage(format!("no threads: {error}")))?;
        runtime.block_on(async {
            let asked_to_end = signals()?;
            let server = ConsoleServer::alone(&settings).map_err(failure)?;
            terminal.line(format!("console  {}", server.origin()))?;
            if nobody {
                terminal.line("Nobody may sign in yet:")?;
                terminal.line(format!(
                    "  sekisho console account add NAME --role ROLE --config {}",
                    self.config.display()
                ))?;
            }
            terminal.finish()?;
            let stop = CancellationToken::new();
            let serving = tokio::spawn(server.run(stop.clone()));
            asked_to_end.await;
            stop.cancel();
            drop(serving.await);
            Ok(Exit::Good)
        })
    }
}

fn of(settings: &Settings) -> ConsoleSettings {
    settings.console.clone().unwrap_or_else(|| ConsoleSettings::default_in(&settings.data.keys))
}

impl AccountArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let path = of(settings).accounts;
        let accounts = Accounts::new(path.clone());
        let known = accounts.all().map_err(Failure::Usage)?;
        // Before a password is asked for; whoever changes the file meanwhile is seen when it is changed.
        let is_known = |id: &str| known.iter().any(|one| one.id == id);
        let done = match &self.what {
            What::List { json } => return list(&path, &known, *json, terminal),
            What::Add { name, role, caller } => {
                if is_known(name) {
                    return Err(Failure::Usage(format!(
                        "there is an account `{name}` already: `sekisho console account password {name}` gives it another password"
                    )));
                }
                let made = account(name, role, caller, &password::read(&path)?).map_err(Failure::Usage)?;
                accounts.add(made).map(|()| format!("`{name}` may sign in"))
            }
            What::Password { name } => {
                // Nobody types a password twice for an account that is not there.
                let typed = if is_known(name) { password::read(&path)? } else { Zeroizing::default() };
                accounts.set_password(name, &typed).map(|()| format!("`{name}` has another password"))
            }
            What::Remove { name } => accounts.remove(name).map(|()| format!("`{name}` may sign in no more")),
        };
        terminal.line(done.map_err(Failure::Usage)?)?;
        Ok(Exit::Good)
    }
}

fn list(path: &Path, known: &[Account], json: bool, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let roles = |one: &Account| one.roles.iter().map(|role| role.name()).collect::<Vec<_>>();
    if json {
        let each = known.iter().map(|one| json!({"id": one.id, "callers": one.callers, "roles": roles(one)}));
        terminal.json(&json!({"file": path.display().to_string(), "accounts": each.collect::<Vec<_>>()}))?;
        return Ok(Exit::Good);
    }
    if known.is_empty() {
        terminal.line("Nobody may sign in: `sekisho console account add NAME --role ROLE`")?;
    }
    for one in known {
        let calls = match one.callers.is_empty() {
            true => String::new(),
            false => format!("  calls as {}", one.callers.join(", ")),
        };
        terminal.line(format!("{:<16} {}{calls}", one.id, roles(one).join(", ")))?;
    }
    Ok(Exit::Good)
}
