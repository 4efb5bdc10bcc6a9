//! `sekisho registry`: what is on file, entered and ended by hand. Every change is on record before it is made.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::serve::failure;
use super::terminal::Terminal;
use super::{Exit, Failure, documents, operator};
use crate::audit::{Administrative, Caller, Detail, Log, Options, Seal};
use crate::policy::{Policy, Source, Vocabulary, nearest};
use crate::proxy::keys::Keys;
use crate::proxy::settings::Settings;
use crate::proxy::sites::now_ms;
use crate::registry::{self, End, Entry, Filter, Kind, json, table};
use crate::store::Directory;

/// See and change what is on file: organisations, consents, restrictions …
#[derive(Args)]
pub(super) struct Registry {
    /// The settings of the gate
    #[arg(long, short, global = true, default_value = "sekisho.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: RegistryCommand,
}

#[derive(Subcommand)]
enum RegistryCommand {
    /// Enter something; it counts from the next request on
    #[command(after_help = ADD_HELP)]
    Add {
        /// What: `organization` `approval` `consent` `withdrawal` `objection` `restriction` `relation` `informed` …
        kind: String,
        /// `key=value`, e.g. `subject=d-100`
        words: Vec<String>,
    },
    /// End an entry by its number, or all that say the same; it counts from the next request on
    #[command(
        after_help = "Examples:\n  sekisho registry end 17\n  sekisho registry end restriction subject=d-100 name=stop-use"
    )]
    End {
        /// The entry's number, or what kind
        first: String,
        /// `key=value`
        words: Vec<String>,
    },
    /// Show what is on file
    #[command(
        after_help = "Examples:\n  sekisho registry show consent subject=d-100\n  sekisho registry show organization --json"
    )]
    Show {
        /// A kind, `subject=…`, `ended` for what was ended too
        words: Vec<String>,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Enter what a TOML file lists; what is on file word for word is left as it is
    Seed {
        /// The file
        file: PathBuf,
    },
}

const ADD_HELP: &str = "\
Examples:
  sekisho registry add organization id=keio-tc recipient=transplant-center \\
      country=JP from=2024-04-01 purposes=coordination
  sekisho registry add consent subject=d-100 purpose=research \\
      recipient=researcher categories=health until=2027-03-31
  sekisho registry add restriction subject=d-100 name=stop-use";

/// The registry with what a change needs.
struct Desk {
    registry: registry::Registry,
    policies: Vec<Arc<Policy>>,
    settings: Settings,
    by: String,
}

impl Registry {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let desk = Desk::open(&self.config)?;
        let now = i64::try_from(now_ms()).unwrap_or(i64::MAX);
        match &self.command {
            RegistryCommand::Add { kind, words } => {
                let entry = Entry::parse(kind, words.iter().map(String::as_str)).map_err(refused)?;
                desk.knows_issuer(&entry)?;
                desk.record("registry-add", entry.kind(), entry.subject())?;
                let change = desk.registry.add(&entry, &desk.policies, &desk.by, now).map_err(refused)?;
                terminal.line(format!("entered {} {}", change.kind.name(), change.entry.0))?;
                if let Some(note) = desk.beside(&entry, now)? {
                    terminal.wrapped("note: ", &note)?;
                }
            }
            RegistryCommand::End { first, words } => {
                let end = End::parse(first, words.iter().map(String::as_str)).map_err(refused)?;
                let (kind, subject) = match &end {
                    End::Like(entry) => (Some(entry.kind()), entry.subject()),
                    End::Entry(_) => (None, None),
                };
                desk.record_end(&end, kind, subject)?;
                for change in desk.registry.end(&end, &desk.by, now).map_err(refused)? {
                    terminal.line(format!("ended {} {}", change.kind.name(), change.entry.0))?;
                }
            }
            RegistryCommand::Show { words, json: as_json } => {
                let filter = Filter::parse(words.iter().map(String::as_str)).map_err(refused)?;
                let listed = desk.registry.show(&filter).map_err(refused)?;
                match as_json {
                    true => terminal.json(&json(&listed))?,
                    false => table(&listed).lines().try_for_each(|line| terminal.line(line))?,
                }
            }
            RegistryCommand::Seed { file } => {
                let text = std::fs::read_to_string(file)
                    .map_err(|e| Failure::Usage(format!("cannot read {}: {e}", file.display())))?;
                let source = Source::new(file.display().to_string(), text);
                desk.record_seed(file)?;
                let changes = desk.registry.seed(source, &desk.policies, &desk.by, now).map_err(refused)?;
                let entries = if changes.len() == 1 { "entry" } else { "entries" };
                terminal.line(format!("entered {} {entries}", changes.len()))?;
            }
        }
        Ok(Exit::Good)
    }
}

impl Desk {
    /// A caller blocked at an issuer that the settings do not name would go on as before.
    fn knows_issuer(&self, entry: &Entry) -> Result<(), Failure> {
        let known = || self.settings.issuers.iter().map(|issuer| issuer.id());
        let Some(issuer) = entry.one("issuer").filter(|issuer| !known().any(|id| id == *issuer)) else { return Ok(()) };
        let near = nearest(issuer, known()).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
        Err(Failure::Usage(format!("`issuer` is none of the settings: `{issuer}`{near}")))
    }

    fn open(config: &std::path::Path) -> Result<Desk, Failure> {
        let settings = Settings::read(config).map_err(failure)?;
        let vocabulary = Arc::new(Vocabulary::compiled_in().map_err(Failure::Faults)?);
        let mut policies = Vec::new();
        for site in &settings.sites {
            policies.extend(documents::revisions(&site.policy)?.all().iter().cloned());
        }
        let Some(zone) = policies.first().map(|policy| policy.zone.clone()) else {
            return Err(Failure::Usage("the settings name no site".to_owned()));
        };
        let data = &settings.data;
        let options = registry::Options { create: !data.has_records(), staleness_ms_max: data.staleness_ms_max };
        std::fs::create_dir_all(&data.directory)
            .map_err(|e| Failure::Usage(format!("cannot make {}: {e}", data.directory.display())))?;
        let registry = registry::Registry::open(&data.registry(), &vocabulary, &zone, options).map_err(refused)?;
        Ok(Desk { registry, policies, settings, by: operator() })
    }

    /// What an entry does not do by itself: replace an older one.
    fn beside(&self, entry: &Entry, now: i64) -> Result<Option<String>, Failure> {
        let Some(id) = entry.one("id").filter(|_| entry.kind() == Kind::Organization) else { return Ok(None) };
        let view = self.registry.facts(now).map_err(|stale| Failure::Usage(stale.to_string()))?;
        let others = view.register().of(id).count().saturating_sub(1);
        let all = "each that is in force counts, and `sekisho registry end` ends the one that this replaces";
        Ok((others > 0).then(|| format!("`{id}` was on file already ({others} more): {all}")))
    }

    fn record(&self, action: &str, kind: Kind, subject: Option<&str>) -> Result<(), Failure> {
        self.write(action, subject, &[("entry", Detail::Text(kind.name()))])
    }

    fn record_end(&self, end: &End, kind: Option<Kind>, subject: Option<&str>) -> Result<(), Failure> {
        let number = match end {
            End::Entry(id) => u64::try_from(id.0).ok(),
            End::Like(_) => None,
        };
        let mut details = Vec::new();
        details.extend(kind.map(|kind| ("entry", Detail::Text(kind.name()))));
        details.extend(number.map(|number| ("number", Detail::Number(number))));
        self.write("registry-end", subject, &details)
    }

    fn record_seed(&self, file: &std::path::Path) -> Result<(), Failure> {
        self.write("registry-seed", None, &[("file", Detail::Text(&file.display().to_string()))])
    }

    /// A record in this command's own chain, durable before the change is made: at worst it tells of one that failed.
    fn write(
        &self,
        action: &str,
        subject: Option<&str>,
        details: &[(&'static str, Detail<'_>)],
    ) -> Result<(), Failure> {
        let keys = Keys::read(&self.settings.data.keys).map_err(failure)?;
        let seal = Seal::new(keys.subjects.clone());
        let sealed = subject.map(|subject| seal.subject(subject)).transpose().map_err(refused)?;
        let folder = self.settings.data.directory.join("log").join("registry");
        let disk =
            Directory::open(&folder).map_err(|e| Failure::Usage(format!("cannot open {}: {e}", folder.display())))?;
        let options = Options { ..self.settings.audit.clone() };
        let signer = keys.signer(&options.node, "registry");
        let (log, _) = Log::open_signed(Arc::new(disk), options, Arc::new(now_ms), signer).map_err(refused)?;
        let by = Caller { issuer: "this machine", id: &self.by, ..Caller::default() };
        let record =
            Administrative { action, by: Some(by), subjects: sealed.as_slice(), details, ..Administrative::default() };
        log.administrative(&record).wait().map_err(refused)?;
        log.close();
        Ok(())
    }
}

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}
