//! `sekisho console`: the pages over the log without a gate, and the accounts that may see them.

use std::io::{BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::serve::failure;
use super::terminal::Terminal;
use super::{Exit, Failure, signals};
use crate::console::{Accounts, PASSWORD_MIN, Role, account};
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
        name: String,
    },
    /// Let somebody sign in no more; ends open sessions
    Remove {
        /// Whom
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
        settings.console = Some(console);
        process::tell(&settings.log).map_err(failure)?;
        process::harden().map_err(failure)?;
        let nobody = accounts.all().map_err(Failure::Usage)?.is_empty();
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
        let is_known = |name: &str| known.iter().any(|one| one.id == name);
        let missing =
            |name: &str| Failure::Usage(format!("there is no account `{name}`: `sekisho console account list`"));
        let done = match &self.what {
            What::List { json } => {
                if *json {
                    let each = known.iter().map(|one| {
                        json!({"id": one.id, "callers": one.callers,
                        "roles": one.roles.iter().map(|role| role.name()).collect::<Vec<_>>()})
                    });
                    terminal
                        .json(&json!({"file": path.display().to_string(), "accounts": each.collect::<Vec<_>>()}))?;
                    return Ok(Exit::Good);
                }
                if known.is_empty() {
                    terminal.line("Nobody may sign in: `sekisho console account add NAME --role ROLE`")?;
                }
                for one in known.iter() {
                    let roles: Vec<&str> = one.roles.iter().map(|role| role.name()).collect();
                    let calls = match one.callers.is_empty() {
                        true => String::new(),
                        false => format!("  calls as {}", one.callers.join(", ")),
                    };
                    terminal.line(format!("{:<16} {}{calls}", one.id, roles.join(", ")))?;
                }
                return Ok(Exit::Good);
            }
            What::Add { name, role, caller } => {
                if is_known(name) {
                    return Err(Failure::Usage(format!(
                        "`{name}` is there already: `sekisho console account password {name}` gives another password"
                    )));
                }
                let made = account(name, role, caller, &password(&path)?).map_err(Failure::Usage)?;
                let added = accounts.change(|all| {
                    all.push(made);
                    Ok(())
                });
                added.map(|()| format!("`{name}` may sign in"))
            }
            What::Password { name } => {
                let found = known.iter().find(|one| one.id == *name).ok_or_else(|| missing(name))?;
                let changed = found.with_password(&password(&path)?).map_err(Failure::Usage)?;
                let replaced = accounts.change(|all| {
                    all.iter_mut().filter(|one| one.id == *name).for_each(|one| *one = changed.clone());
                    Ok(())
                });
                replaced.map(|()| format!("`{name}` has another password"))
            }
            What::Remove { name } => {
                if !is_known(name) {
                    return Err(missing(name));
                }
                let removed = accounts.change(|all| {
                    all.retain(|one| one.id != *name);
                    Ok(())
                });
                removed.map(|()| format!("`{name}` may sign in no more"))
            }
        };
        terminal.line(done.map_err(Failure::Usage)?)?;
        Ok(Exit::Good)
    }
}

/// Typed twice, unseen; or one line of standard input where nobody types.
fn password(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let line = || -> Result<Zeroizing<String>, Failure> {
        let mut line = Zeroizing::new(String::new());
        let read = std::io::stdin().lock().read_line(&mut line);
        read.map_err(|error| Failure::Usage(format!("no password could be read: {error}")))?;
        let length = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(length);
        Ok(line)
    };
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let ask = |what: &str| {
        // Whether it can be shown or not, it is read.
        let _shown = write!(std::io::stderr(), "{what}: ").and_then(|()| std::io::stderr().flush());
    };
    ask(&format!("Password, {PASSWORD_MIN} letters at least (its hash goes to {})", path.display()));
    let before = tcgetattr(std::io::stdin()).map_err(|error| Failure::Usage(format!("the terminal: {error}")))?;
    let mut unseen = before.clone();
    unseen.local_modes.remove(LocalModes::ECHO);
    let set = |modes| tcsetattr(std::io::stdin(), OptionalActions::Now, modes);
    set(&unseen).map_err(|error| Failure::Usage(format!("the terminal: {error}")))?;
    let typed = line().and_then(|first| {
        ask("\nOnce more");
        Ok((first, line()?))
    });
    let restored = set(&before);
    ask("\n");
    restored.map_err(|error| Failure::Usage(format!("the terminal: {error}")))?;
    let (first, second) = typed?;
    if *first != *second {
        return Err(Failure::Usage("the two are not the same; nothing was changed".to_owned()));
    }
    Ok(first)
}
