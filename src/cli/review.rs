//! `sekisho review`: which accesses must somebody look at, and what does he say? The verdict goes on record.
//!
//! The index is brought up to date first. Who reviews is whoever runs the command; what he did himself under the name that the
//! operating system knows him by, somebody else must review.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::audit::catch_up;
use super::serve::failure;
use super::terminal::{Terminal, count};
use super::{Exit, Failure, operator};
use crate::audit::{Seal, time_text};
use crate::index::{FILE, Index, IndexError, Logs, Queries, Row};
use crate::proxy::keys::Keys;
use crate::proxy::settings::Settings;
use crate::proxy::sites::now_ms;
use crate::review::{DUE_MS, Decision, Item, Journal, Parts, QueueFilter, Reviewer, State, Sums, Which};

/// Look at accesses that must be reviewed, and say what you find
#[derive(Args)]
pub(super) struct Review {
    /// The settings of the gate
    #[arg(long, short, global = true, default_value = "sekisho.toml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: ReviewCommand,
}

#[derive(Subcommand)]
enum ReviewCommand {
    /// Show what waits for a review, the most urgent first
    ///
    /// Remarks stay sealed: `sekisho audit reveal --log review` opens them. Exit code 1: a log is not in order, and what stands
    /// behind the damage cannot be reviewed.
    #[command(
        after_help = "Examples:\n  sekisho review list --overdue\n  sekisho review list --all --json | jq .overdue"
    )]
    List {
        #[command(flatten)]
        which: Shown,
        /// How many at most
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 100)]
        limit: usize,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Say that an access was right
    #[command(after_help = "Example:\n  sekisho review accept 183 --remark 'unconscious on arrival'")]
    Accept {
        /// The access: the number of its beginning, or LOG/SEQ
        #[arg(value_name = "SEQ")]
        access: Named,
        /// Why; goes on record, sealed
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        remark: String,
    },
    /// Say that an access was not right, and what is done about it; also after it was accepted
    #[command(
        after_help = "Example:\n  sekisho review object 183 --action 'reported, the person told' \\\n    --remark 'no emergency: the neighbour of the caller'"
    )]
    Object {
        /// The access: the number of its beginning, or LOG/SEQ
        #[arg(value_name = "SEQ")]
        access: Named,
        /// What is done about it; goes on record in clear, at most 256 bytes
        #[arg(long, value_name = "TEXT")]
        action: String,
        /// Why; goes on record, sealed
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        remark: String,
    },
}

#[derive(Args)]
#[group(multiple = false)]
struct Shown {
    /// What nobody has looked at yet (this is the default)
    #[arg(long)]
    open: bool,
    /// Of these what is late: seven days after the access
    #[arg(long)]
    overdue: bool,
    /// What was decided too, the newest access first
    #[arg(long)]
    all: bool,
}

/// An access as it is named on the command line.
#[derive(Clone)]
struct Named {
    log: String,
    seq: u64,
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Named, String> {
        let (log, seq) = text.rsplit_once('/').unwrap_or(("gate", text));
        let seq = seq.parse().map_err(|_| "an access is named as `183` or `gate/183`".to_owned())?;
        Ok(Named { log: log.to_owned(), seq })
    }
}

/// Journal and index of one data folder.
struct Desk {
    journal: Journal,
    queries: Queries,
}

impl Review {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let desk = Desk::open(&self.config)?;
        match &self.command {
            ReviewCommand::List { which, limit, json } => desk.list(terminal, which.which(), *limit, *json),
            ReviewCommand::Accept { access, remark } => {
                desk.decide(terminal, access, Decision::Accept { remark: remark.clone() })
            }
            ReviewCommand::Object { access, action, remark } => {
                let decision = Decision::Object { action_taken: action.clone(), remark: remark.clone() };
                desk.decide(terminal, access, decision)
            }
        }
    }
}

impl Shown {
    fn which(&self) -> Which {
        match self {
            Shown { all: true, .. } => Which::All,
            Shown { overdue: true, .. } => Which::Overdue,
            Shown { open: _, .. } => Which::Open,
        }
    }
}

impl Desk {
    fn open(config: &Path) -> Result<Desk, Failure> {
        let settings = Settings::read(config).map_err(failure)?;
        let keys = Keys::read(&settings.data.keys).map_err(failure)?;
        let (path, folder) = (settings.data.directory.join(FILE), settings.data.directory.join("log"));
        if !folder.is_dir() {
            let there = settings.data.directory.display();
            return Err(Failure::Usage(format!("there is no log in {there}: has this gate been started yet?")));
        }
        let cannot = |error: IndexError| Failure::Usage(format!("{}: {error}", path.display()));
        let logs = Logs::Folder(folder.clone());
        let mut index = Index::open(&path, logs.clone()).map_err(cannot)?;
        catch_up(&mut index).map_err(cannot)?;
        let queries = Queries::open(&path, logs).map_err(cannot)?;
        let (node, seal) = (settings.audit.node.clone(), Seal::new(keys.subjects.clone()));
        let journal = Journal::new(Parts {
            folder: folder.join("review"),
            options: settings.audit,
            clock: Arc::new(now_ms),
            signer: Arc::new(move || keys.signer(&node, "review")),
            seal: Arc::new(seal),
            due_ms: DUE_MS,
        });
        Ok(Desk { journal, queries })
    }

    fn decide(&self, terminal: &mut Terminal, access: &Named, decision: Decision) -> Result<Exit, Failure> {
        let item =
            self.journal.decide(&self.queries, &access.log, access.seq, &reviewer(), decision).map_err(refused)?;
        let (head, _) = state_of(&item.state);
        terminal.wrapped("", &format!("{}: {head}", name_of(&item.row)))?;
        Ok(Exit::Good)
    }

    fn list(&self, terminal: &mut Terminal, which: Which, limit: usize, as_json: bool) -> Result<Exit, Failure> {
        let sums = self.journal.sums(&self.queries, now_ms()).map_err(refused)?;
        let items = self.journal.queue(&self.queries, &QueueFilter { which, before: None, limit }).map_err(refused)?;
        let logs = self.queries.integrity().map_err(|error| Failure::Usage(error.to_string()))?;
        let faults: Vec<_> = logs.iter().filter_map(|log| Some((&log.log, log.faults.first()?))).collect();
        let lost: Vec<_> = logs.iter().filter(|log| !log.lost.is_empty()).collect();
        if as_json {
            let told: Vec<Value> = items.iter().map(document).collect();
            let faults =
                faults.iter().map(|(log, fault)| json!({"log": log, "sequence": fault.seq, "fault": fault.said}));
            terminal.json(&json!({"open": sums.open, "overdue": sums.overdue, "accepted": sums.accepted,
                "objected": sums.objected, "items": told, "faults": faults.collect::<Vec<_>>(),
                "lost": lost.iter().map(|log| json!({"log": log.log, "said": log.lost})).collect::<Vec<_>>()}))?;
        } else {
            items.iter().try_for_each(|item| tell(terminal, item))?;
            tell_sums(terminal, which, &sums, items.len() as u64)?;
            for (log, fault) in &faults {
                let said = format!("NOT IN ORDER from record {}: {}", fault.seq, plain(&fault.said));
                terminal.wrapped(&format!("log {log}: "), &said)?;
            }
            for log in &lost {
                let said = format!("RECORDS ARE MISSING: {}", plain(&log.lost));
                terminal.wrapped(&format!("log {}: ", log.log), &said)?;
            }
        }
        Ok(if faults.is_empty() && lost.is_empty() { Exit::Good } else { Exit::Wrong })
    }
}

/// An access, on three lines or so.
fn tell(terminal: &mut Terminal, item: &Item) -> Result<(), Failure> {
    let row = &item.row;
    let (state, more) = state_of(&item.state);
    let late = matches!(item.state, State::Open) && item.due_ms <= now_ms();
    let due = match (&item.state, late) {
        (State::Open, true) => format!("LATE since {}", time_text(item.due_ms)),
        (State::Open, false) => format!("open until {}", time_text(item.due_ms)),
        _ => state,
    };
    let head = format!("{} {}", name_of(row), time_text(row.time_ms));
    terminal.line(if late { terminal.paint.yellow(&head) } else { terminal.paint.bold(&head) })?;
    terminal.wrapped("    ", &who_and_what(row))?;
    terminal.wrapped("    ", &due)?;
    if let Some(more) = more {
        terminal.wrapped("    ", &more)?;
    }
    if !row.is_verified {
        terminal.wrapped("    ", "not verified: its log is damaged before it, and it cannot be reviewed")?;
    }
    Ok(())
}

/// `caller@organisation purpose (basis) → recipient action route [clauses], outcome, of 3 persons`.
fn who_and_what(row: &Row) -> String {
    let or_none = |text: &str| if text.is_empty() { "–".to_owned() } else { plain(text) };
    let at = if row.organization.is_empty() { String::new() } else { format!("@{}", plain(&row.organization)) };
    let basis = if row.basis.is_empty() { String::new() } else { format!(" ({})", plain(&row.basis)) };
    let to = if row.recipient.is_empty() { String::new() } else { format!(" → {}", plain(&row.recipient)) };
    let clauses: Vec<String> = row.clauses.iter().map(|clause| plain(clause)).collect();
    let people = count(usize::try_from(row.people).unwrap_or(usize::MAX), "person");
    format!(
        "{}{at} {}{basis}{to} {} {} [{}], {}, of {people}",
        or_none(&row.caller),
        or_none(&row.purpose),
        or_none(&row.action),
        or_none(&row.route),
        clauses.join(", "),
        row.outcome.name()
    )
}

/// What was said, and what is done about it.
fn state_of(state: &State) -> (String, Option<String>) {
    let (word, verdict) = match state {
        State::Open => return ("open".to_owned(), None),
        State::Accepted(verdict) => ("accepted", verdict),
        State::Objected(verdict) => ("objected to", verdict),
    };
    let remark = if verdict.remark.is_some() { ", with a remark" } else { "" };
    let (by, when) = (plain(&verdict.by), time_text(verdict.time_ms));
    let said = format!("{word} by {by} at {when}, record {} of log/review{remark}", verdict.record);
    (said, verdict.action_taken.as_ref().map(|action| format!("done about it: {}", plain(action))))
}

fn tell_sums(terminal: &mut Terminal, which: Which, sums: &Sums, shown: u64) -> Result<(), Failure> {
    let all = match which {
        Which::Open => sums.open,
        Which::Overdue => sums.overdue,
        Which::Accepted => sums.accepted,
        Which::Objected => sums.objected,
        Which::All => sums.open + sums.accepted + sums.objected,
    };
    if let Some(more) = all.checked_sub(shown).filter(|more| *more > 0) {
        terminal.line(format!("… and {more} more; `--limit` shows more of them"))?;
    }
    let Sums { open, overdue, accepted, objected } = sums;
    terminal.line(format!("{open} open, {overdue} of them late; {accepted} accepted, {objected} objected to"))?;
    Ok(())
}

fn document(item: &Item) -> Value {
    let row = &item.row;
    let (state, verdict) = match &item.state {
        State::Open => ("open", None),
        State::Accepted(verdict) => ("accepted", Some(verdict)),
        State::Objected(verdict) => ("objected", Some(verdict)),
    };
    let verdict = verdict.map(|verdict| {
        json!({"by": verdict.by, "time": time_text(verdict.time_ms), "record": verdict.record,
               "action_taken": verdict.action_taken, "has_remark": verdict.remark.is_some()})
    });
    let texts = |list: &[Arc<str>]| list.iter().map(|one| one.to_string()).collect::<Vec<String>>();
    json!({"log": row.place.log, "record": row.place.seq, "id": row.id, "time": time_text(row.time_ms),
        "due": time_text(item.due_ms), "state": state, "verdict": verdict, "caller": &*row.caller,
        "organization": &*row.organization, "purpose": &*row.purpose, "basis": &*row.basis,
        "recipient": &*row.recipient, "route": &*row.route, "action": &*row.action, "clauses": texts(&row.clauses),
        "outcome": row.outcome.name(), "persons": row.people, "verified": row.is_verified})
}

fn name_of(row: &Row) -> String {
    format!("{}/{}", row.place.log, row.place.seq)
}

/// Whoever runs this. The name that the environment claims and the one of the user id may each be a caller's.
fn reviewer() -> Reviewer {
    let claimed = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let callers = claimed.chain(user_name()).collect();
    Reviewer { issuer: "this machine".to_owned(), id: operator(), roles: Vec::new(), callers }
}

/// The name of this process's user in `/etc/passwd`, if it is there: `name:password:uid:…`.
fn user_name() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let table = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = table.lines().map(|line| line.split(':'));
    fields.find_map(|mut line| {
        let name = line.next()?;
        (line.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// Without what would move a cursor or turn the text around: it comes from outside.
fn plain(text: &str) -> String {
    let turns = |one: char| matches!(one, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    text.chars().map(|one| if one.is_control() || turns(one) { '\u{fffd}' } else { one }).collect()
}

fn refused(error: crate::review::ReviewError) -> Failure {
    Failure::Usage(error.to_string())
}
