//! How does a record get into the log, and how does its writer know that it is there?
//!
//! [`Log::begin`] serialises at once, on the caller's thread, and hands the bytes to the one committing thread; the
//! [`Pending`] it returns resolves when they are durable. Dropping a `Pending` withdraws nothing: the record is
//! written. A [`Ticket`] is the duty to end what was begun: [`Ticket::end`], or its drop, writes exactly one ending.

use super::checkpoint::{Note, Signer};
use super::commit::{behind, used_bytes};
use super::keep::DAY_MS;
use super::queue::{Pending, Shared, What};
use super::record::{Administrative, Begin, Caller, Detail, Refusal};
use super::recover::{self, Recovery};
use super::strangers::Strangers;
use super::ticket::Ticket;
use super::time::Clock;
use super::{AuditError, chain, write};
use crate::store::{Disk, Lock};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::watch;

/// Where a log writes, and how much.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which gate writes: stands in every record. 1 to 64 bytes.
    pub node: String,
    /// A segment is left for a new one at this size. At least 1024.
    pub segment_bytes: u64,
    /// A segment is left for a new one at the first record after so long. At least a minute.
    pub segment_ms: u64,
    /// Segments whose records are all older are removed by [`Log::tidy`]; `None`: none ever. At least three years
    /// (records of provision: APPI art. 29 and 30, rules art. 21).
    pub retention_ms: Option<u64>,
    /// All files of the log together. Set-aside room of the newest segment comes on top.
    pub disk_bytes_max: u64,
    /// Kept for endings, of the budget above and in each segment's set-aside room. At most half the budget.
    pub reserve_bytes: u64,
}

impl Default for Options {
    /// Segments of 64 MiB or a day, kept for six years, within 16 GiB of which 64 MiB are kept for endings. The node is
    /// `gate`.
    fn default() -> Options {
        Options {
            node: "gate".to_owned(),
            segment_bytes: 64 << 20,
            segment_ms: DAY_MS,
            retention_ms: Some(2192 * DAY_MS),
            disk_bytes_max: 16 << 30,
            reserve_bytes: 64 << 20,
        }
    }
}

/// How much room the log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes in the files of the log.
    pub used_bytes: u64,
    /// What they may take at most: the budget without its reserve.
    pub bytes_max: u64,
    /// What the disk has left for them; `None` where it cannot tell.
    pub free_bytes: Option<u64>,
}

impl Room {
    /// How much of the room is taken, in hundredths: by the budget, or by the disk where that ends before.
    pub fn taken_percent(&self) -> u64 {
        let left = self.bytes_max.saturating_sub(self.used_bytes).min(self.free_bytes.unwrap_or(u64::MAX));
        let whole = u128::from(self.used_bytes) + u128::from(left);
        let taken = (u128::from(self.used_bytes) * 100).checked_div(whole).unwrap_or(100);
        u64::try_from(taken).unwrap_or(100)
    }
}

/// A log that is written to.
///
/// ```
/// # use sekisho::audit::{AuditError, Begin, Decision, End, Log, Options, Outcome, verify};
/// # use sekisho::store::simulated::Simulated;
/// # use std::sync::Arc;
/// # async fn example() -> Result<(), AuditError> {
/// let disk = Arc::new(Simulated::new()); // `Directory::open(path)` for a real one
/// let options = Options { node: "gate-1".into(), ..Options::default() };
/// let (log, recovery) = Log::open(disk.clone(), options, Arc::new(|| 1_795_338_000_000))?;
/// assert_eq!(recovery.interrupted, 0);
/// let decision = Decision { id: "r-1", method: "GET", action: "read", mode: "enforce", ..Decision::default() };
/// let ticket = log.begin(&Begin { decision, decision_us: None }).await?;
/// // Only now may anything be released.
/// ticket.end(&End { outcome: Outcome::Completed, status: Some(200), ..End::default() });
/// log.close();
/// assert!(verify(&*disk)?.is_intact());
/// # Ok(()) }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
///
/// Clones are handles on the same log; the last one dropped closes it.
#[derive(Clone)]
pub struct Log(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    retention_ms: Option<u64>,
    bytes_max: u64,
    /// Which segment was the newest when old ones were last removed: the number of its first record.
    removed_beside: AtomicU64,
    strangers: Mutex<Strangers>,
    writing: Mutex<Option<Writing>>,
}

/// The thread that writes, and its right to.
struct Writing {
    thread: JoinHandle<()>,
    lock: Box<dyn Lock>,
}

impl Log {
    /// Opens a log for writing, or begins one, and recovers what a crash left: see [`Recovery`].
    ///
    /// # Errors
    /// [`AuditError::Locked`], [`AuditError::Damaged`] (nothing was changed), [`AuditError::Full`],
    /// [`AuditError::Options`], [`AuditError::Disk`]. A clock that is behind is no error here: the log opens, and
    /// refuses until [`Log::accept_clock`].
    pub fn open(disk: Arc<dyn Disk>, options: Options, clock: Arc<dyn Clock>) -> Result<(Log, Recovery), AuditError> {
        Log::open_with(disk, options, clock, None)
    }

    /// As [`Log::open`], and signs the tree over the records: at most once a second, and once more at the end. See
    /// [`super::checkpoint`].
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_signed(
        disk: Arc<dyn Disk>,
        options: Options,
        clock: Arc<dyn Clock>,
        signer: Signer,
    ) -> Result<(Log, Recovery), AuditError> {
        Log::open_with(disk, options, clock, Some(signer))
    }

    fn open_with(
        disk: Arc<dyn Disk>,
        options: Options,
        clock: Arc<dyn Clock>,
        signer: Option<Signer>,
    ) -> Result<(Log, Recovery), AuditError> {
        options.check()?;
        let lock = disk.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => AuditError::Locked,
            _ => error.into(),
        })?;
        let shared = Arc::new(Shared::new(clock));
        shared.sign_with(signer.map(Arc::new));
        let retention_ms = options.retention_ms;
        let bytes_max = options.disk_bytes_max - options.reserve_bytes;
        let (committer, recovery) = recover::recover(Arc::clone(&disk), options, Arc::clone(&shared))?;
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || committer.run())?;
        let writing = Mutex::new(Some(Writing { thread, lock }));
        Ok((
            Log(Arc::new(Handle {
                shared,
                disk,
                retention_ms,
                bytes_max,
                removed_beside: AtomicU64::new(0),
                strangers: Mutex::default(),
                writing,
            })),
            recovery,
        ))
    }

    /// Signs with other keys from the next checkpoint on: a key was changed.
    pub fn sign_with(&self, signer: Signer) {
        self.0.shared.sign_with(Some(Arc::new(signer)));
    }

    /// The newest checkpoint of this run, and each one after it: for those who keep them elsewhere.
    pub fn checkpoints(&self) -> watch::Receiver<Option<Arc<Note>>> {
        self.0.shared.checkpoints.subscribe()
    }

    /// Records a permit before it is acted upon. Durable, and the duty to end it, once the answer resolves; if nobody
    /// waits for it any more, the log writes an `aborted` ending itself.
    ///
    /// # Errors
    /// In the answer: any; nothing may then be released. [`AuditError::Failed`] leaves open whether the record is on
    /// the disk: if so, the next start ends it as interrupted.
    pub fn begin(&self, record: &Begin<'_>) -> Pending<Ticket> {
        if !is_id(record.decision.id) {
            return Pending::refused(AuditError::Id);
        }
        self.0.shared.ticket(Arc::from(record.decision.id), |out| write::begin(out, record))
    }

    /// Records a refusal. Resolves to its number.
    ///
    /// # Errors
    /// In the answer: any; the caller is then told 503.
    pub fn refuse(&self, record: &Refusal<'_>) -> Pending<u64> {
        if !is_id(record.decision.id) {
            return Pending::refused(AuditError::Id);
        }
        self.0.shared.number(What::Ordinary, |out| write::refusal(out, record))
    }

    /// Records something done to the gate. Taken also where the log is full or the clock behind.
    ///
    /// # Errors
    /// In the answer: [`AuditError::Failed`], [`AuditError::Closed`], [`AuditError::RecordTooBig`].
    pub fn administrative(&self, record: &Administrative<'_>) -> Pending<u64> {
        self.0.shared.number(What::Reserved, |out| write::administrative(out, record))
    }

    /// Goes on with a clock that is behind: the operator says that it is right now. Recorded, with who said so.
    ///
    /// # Errors
    /// As [`Log::administrative`].
    pub fn accept_clock(&self, by: Option<Caller<'_>>) -> Pending<u64> {
        let shared = &self.0.shared;
        let behind_ms = shared.newest_ms.load(Ordering::Relaxed).saturating_sub(shared.clock.now_ms());
        let details = [("behind_ms", Detail::Number(behind_ms))];
        let record =
            Administrative { action: chain::CLOCK_ACCEPTED, by, details: &details, ..Administrative::default() };
        shared.number(What::AcceptClock, |out| write::administrative(out, &record))
    }

    /// Counts a refusal of someone who did not prove who he is. Never fails and never waits; written once a minute,
    /// when the next one is counted or by [`Log::tick`].
    pub fn stranger(&self, address: IpAddr, reason: &'static str) {
        let mut strangers = self.strangers();
        let over = strangers.turn(self.0.shared.clock.now_ms());
        strangers.note(address, reason);
        drop(strangers);
        self.0.write_strangers(over);
    }

    /// To be called every few seconds: writes a minute of strangers that is over, and sees whether a full disk has
    /// room again.
    pub fn tick(&self) {
        let over = self.strangers().turn(self.0.shared.clock.now_ms());
        self.0.write_strangers(over);
        if self.0.shared.full.load(Ordering::Relaxed) {
            self.0.shared.unanswered(What::Probe, |_| {});
        }
    }

    /// Answers once everything that was handed over before is written and durable, with the number that comes next: for
    /// whoever turns the log's clock, since a record's time is that of its writing.
    ///
    /// # Errors
    /// The error that a beginning would meet.
    pub fn settled(&self) -> Pending<u64> {
        self.0.shared.number(What::Probe, |_| {})
    }

    /// Whether records are taken, and if not why: what readiness answers.
    ///
    /// # Errors
    /// The error that a beginning would meet.
    pub fn ready(&self) -> Result<(), AuditError> {
        let shared = &self.0.shared;
        if let Some(ended) = shared.ended() {
            return Err(ended);
        }
        if let Some(behind_ms) = behind(shared.newest_ms.load(Ordering::Relaxed), shared.clock.now_ms()) {
            return Err(AuditError::ClockBehind { behind_ms });
        }
        if shared.full.load(Ordering::Relaxed) { Err(AuditError::Full) } else { Ok(()) }
    }

    /// [`Log::ready`] without the reason.
    pub fn healthy(&self) -> bool {
        self.ready().is_ok()
    }

    /// Writes everything handed over so far, and ends. Blocks for that. What is still open is ended by the next start
    /// as interrupted, so close after the last [`Ticket`] is gone.
    pub fn close(&self) {
        self.0.close();
    }

    /// How much room there is: what an alarm looks at, before the log is full and everything 503.
    ///
    /// # Errors
    /// If the files cannot be listed.
    pub fn room(&self) -> io::Result<Room> {
        let used_bytes = used_bytes(self.disk())?;
        Ok(Room { used_bytes, bytes_max: self.0.bytes_max, free_bytes: self.disk().free_bytes() })
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.0.disk
    }

    pub(super) fn retention_ms(&self) -> Option<u64> {
        self.0.retention_ms
    }

    pub(super) fn removed_beside(&self) -> u64 {
        self.0.removed_beside.load(Ordering::Relaxed)
    }

    pub(super) fn set_removed_beside(&self, newest: u64) {
        self.0.removed_beside.store(newest, Ordering::Relaxed);
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.0.shared.clock.now_ms()
    }

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.0.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    fn write_strangers(&self, over: Option<Strangers>) {
        if let Some(over) = over {
            self.shared.unanswered(What::Ordinary, |out| over.write(out));
        }
    }

    fn close(&self) {
        let last = self.strangers.lock().unwrap_or_else(PoisonError::into_inner).finish();
        self.write_strangers(last);
        self.shared.close();
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Writing { thread, lock }) = writing {
            // A panic in it was told to every waiter already.
            let _told = thread.join();
            drop(lock);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

impl Options {
    fn check(&self) -> Result<(), AuditError> {
        if !(1..=64).contains(&self.node.len()) {
            return Err(AuditError::Options("the node's name must have 1 to 64 bytes"));
        }
        if self.segment_bytes < 1024 {
            return Err(AuditError::Options("a segment must have at least 1024 bytes"));
        }
        if self.segment_ms < 60_000 {
            return Err(AuditError::Options("a segment must be written to for a minute at least"));
        }
        if self.retention_ms.is_some_and(|kept_ms| kept_ms < RETENTION_MS_MIN) {
            return Err(AuditError::Options("records must be kept for three years at least"));
        }
        if self.reserve_bytes > self.disk_bytes_max / 2 {
            return Err(AuditError::Options("the reserve for endings must be at most half the log's budget"));
        }
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Log").field("ready", &self.ready()).finish_non_exhaustive()
    }
}

/// An ending finds its beginning by number and id, and a segment lists the ids of all that are open: so an id is
/// short, and is written as it is.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// Three years of 365.25 days.
const RETENTION_MS_MIN: u64 = 1096 * DAY_MS;
