//! What do the pages stand on?

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::ConsoleError;
use super::auth::{Auth, AuthSettings};
use super::kept::Kept;
use super::pages::Verification;
use super::reading::Readings;
use super::session::Sessions;
use crate::audit::checkpoint::Signer;
use crate::audit::{Clock, Options, Seal};
use crate::index::{FILE, Index, Limit, Logs, Progress, Queries};
use crate::policy::Revisions;
use crate::registry::Registry;
use crate::review::{self, Journal};

/// The policy of one site.
#[derive(Clone)]
pub struct SitePolicy {
    /// Host and path, as the settings have them.
    pub site: String,
    /// Its revisions.
    pub revisions: Revisions,
}

/// The policies that are in force now; asked at each use, since a reload changes them.
pub type Policies = Arc<dyn Fn() -> Vec<SitePolicy> + Send + Sync>;

/// What a console is made of. Opens only what lies in the data folder.
pub struct Parts {
    /// The data folder: `log/…`, the index.
    pub data: PathBuf,
    /// How chains of its own are written.
    pub options: Options,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What signs the chain of this name.
    pub signer: Arc<dyn Fn(&str) -> Signer + Send + Sync>,
    /// Opens what is sealed, for those who may.
    pub seal: Arc<Seal>,
    /// What is on file.
    pub registry: Arc<Registry>,
    /// What is in force.
    pub policies: Policies,
    /// In which days and hours times are shown.
    pub zone: TimeZone,
    /// Names besides `localhost` and addresses that `Host` may hold, in lower case.
    pub hosts: Vec<String>,
    /// Who may sign in.
    pub auth: AuthSettings,
    /// How long a review may wait, in milliseconds.
    pub review_due_ms: u64,
}

/// A console. A clone is the same one.
#[derive(Clone)]
pub struct Console(pub(super) Arc<State>);

pub(super) struct State {
    pub(super) data: PathBuf,
    pub(super) queries: Queries,
    pub(super) journal: Journal,
    pub(super) readings: Readings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) seal: Arc<Seal>,
    pub(super) policies: Policies,
    pub(super) registry: Arc<Registry>,
    pub(super) zone: TimeZone,
    pub(super) hosts: Vec<String>,
    pub(super) auth: Auth,
    pub(super) sessions: Sessions,
    pub(super) signer: Arc<dyn Fn(&str) -> Signer + Send + Sync>,
    pub(super) kept: Arc<Kept>,
    pub(super) verification: Verification,
    index: Mutex<Index>,
    indexed: Mutex<Indexed>,
    stopping: AtomicBool,
}

/// How the index is doing, for the pages to say.
#[derive(Clone, Debug, Default)]
pub(super) struct Indexed {
    pub(super) progress: Progress,
    /// How often in a row it could not be read on.
    failed: u32,
    /// Why it does not go on.
    pub(super) trouble: Option<String>,
}

impl Console {
    /// Opens the index and the chain of readings. Only one console at a time can have a data folder.
    ///
    /// # Errors
    /// There is no log; the chain of readings is in use by another console; something cannot be read.
    pub fn new(parts: Parts) -> Result<Console, ConsoleError> {
        let Parts { data, options, clock, signer, seal, registry, policies, zone, hosts, auth, review_due_ms } = parts;
        let cannot = |why: &dyn std::fmt::Display| ConsoleError(format!("{}: {why}", data.display()));
        let log = data.join("log");
        if !log.is_dir() {
            return Err(cannot(&"there is no log in it: name the data folder of a gate"));
        }
        let journal = Journal::new(review::Parts {
            folder: log.join(REVIEWS),
            options: options.clone(),
            clock: Arc::clone(&clock),
            signer: {
                let signer = Arc::clone(&signer);
                Arc::new(move || signer(REVIEWS))
            },
            seal: Arc::clone(&seal),
            due_ms: review_due_ms,
        });
        let readings = Readings::open(&log.join(READINGS), options, Arc::clone(&clock), signer(READINGS))?;
        let kept = Arc::new(Kept::open(&data.join(KEPT))?);
        let (path, logs) = (data.join(FILE), Logs::Folder(log));
        let index = Index::open(&path, logs.clone()).map_err(|error| cannot(&error))?;
        let queries = Queries::open(&path, logs).map_err(|error| cannot(&error))?;
        Ok(Console(Arc::new(State {
            data,
            queries,
            journal,
            readings,
            clock,
            seal,
            policies,
            registry,
            zone,
            hosts,
            auth: Auth::new(auth)?,
            sessions: Sessions::default(),
            signer,
            kept,
            verification: Verification::default(),
            index: Mutex::new(index),
            indexed: Mutex::default(),
            stopping: AtomicBool::new(false),
        })))
    }

    /// Reads on in the logs until [`Console::stop`]. Blocks: for a thread of its own.
    pub fn index(&self) {
        let (mut counted, mut tidied): (Option<Instant>, Option<Instant>) = (None, None);
        while !self.0.stopping.load(Ordering::Relaxed) {
            let read = self.0.read_on(READ_ON);
            if read == Some(true) && counted.is_none_or(|at| at.elapsed() >= COUNT) {
                self.0.count_reviews();
                counted = Some(Instant::now());
            }
            // What strangers tried is written by the minute; left segments of the readings are packed as the gate's are.
            self.log().tick();
            if tidied.is_none_or(|at| at.elapsed() >= TIDY) {
                if let Err(error) = self.log().tidy() {
                    tracing::error!(%error, "the log of readings is not packed");
                }
                tidied = Some(Instant::now());
            }
            if read != Some(false) {
                std::thread::park_timeout(PAUSE);
            }
        }
    }

    /// Reads on to the end once; whether every durable record is in.
    pub fn index_once(&self) -> bool {
        self.0.read_on(Duration::MAX) == Some(true)
    }

    /// Ends [`Console::index`] within a second, and the chain of readings.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
        self.0.readings.close();
    }

    /// What readings of strangers are counted in, and whether it still takes records.
    pub fn log(&self) -> &crate::audit::Log {
        self.0.readings.log()
    }
}

impl State {
    pub(super) fn indexed(&self) -> Indexed {
        self.indexed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// How much waits for a review, and how much of it is late, as metrics.
    fn count_reviews(&self) {
        match self.journal.sums(&self.queries, self.now_ms()) {
            Ok(sums) => {
                for (name, sum) in [("sekisho_reviews_open", sums.open), ("sekisho_reviews_overdue", sums.overdue)] {
                    metrics::gauge!(name).set(f64::from(u32::try_from(sum).unwrap_or(u32::MAX)));
                }
            }
            // Whoever looks at the queue is told the same.
            Err(error) => tracing::error!(%error, "the review queue cannot be counted"),
        }
    }

    /// Reads on: whether to the end; `None` where it could not. A segment that is packed at this very moment has another
    /// name at the next look: only what fails again and again is told.
    fn read_on(&self, at_most: Duration) -> Option<bool> {
        let until = Instant::now().checked_add(at_most);
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let caught_up = index.catch_up(Limit { records: u64::MAX, until });
        let mut indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        match caught_up {
            Ok(progress) => {
                *indexed = Indexed { progress, failed: 0, trouble: None };
                Some(progress.is_caught_up)
            }
            Err(error) => {
                indexed.failed = indexed.failed.saturating_add(1);
                if indexed.failed >= FAILED_TOLD {
                    if indexed.trouble.is_none() {
                        tracing::error!(%error, "the index of the log does not go on");
                    }
                    indexed.trouble = Some(error.to_string());
                }
                None
            }
        }
    }
}

/// The chain of readings, in `log/`.
const READINGS: &str = "console";
/// The chain of verdicts, in `log/`.
const REVIEWS: &str = "review";
/// What the console keeps of its own.
const KEPT: &str = "console.sqlite";
/// So many failures in a row are told.
const FAILED_TOLD: u32 = 5;
/// How long one step of reading on takes at most.
const READ_ON: Duration = Duration::from_millis(500);
/// Between two countings of the review queue.
const COUNT: Duration = Duration::from_secs(15);
/// Between two looks at what can be packed.
const TIDY: Duration = Duration::from_secs(600);
/// Between two looks at the logs.
const PAUSE: Duration = Duration::from_millis(500);
