//! How does a record get into the log, and how does its writer know that it is there?
//!
//! [`Log::begin`] serialises at once, on the caller's thread, and hands the bytes to the one committing thread; the
//! [`Pending`] it returns resolves when they are durable. Dropping a `Pending` withdraws nothing: the record is
//! written. A [`Ticket`] is the duty to end what was begun: [`Ticket::end`], or its drop, writes exactly one ending.

use super::commit::{Batch, behind, failed};
use super::record::{Administrative, BODY_BYTES_MAX, Begin, Caller, End, Outcome, Refusal, Window};
use super::recover::{self, Recovery};
use super::strangers::Strangers;
use super::time::Clock;
use super::{AuditError, chain, write};
use crate::store::{Disk, Lock};
use std::cell::RefCell;
use std::future::Future;
use std::net::IpAddr;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Where a log writes, and how much.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which gate writes: stands in every record. 1 to 64 bytes.
    pub node: String,
    /// A segment is left for a new one at this size. At least 1024.
    pub segment_bytes: u64,
    /// All files of the log together. Set-aside room of the newest segment comes on top.
    pub disk_bytes_max: u64,
    /// Kept for endings, of the budget above and in each segment's set-aside room. At most half the budget.
    pub reserve_bytes: u64,
}

/// A log that is written to. Clones are handles on the same log; the last one dropped closes it.
#[derive(Clone)]
pub struct Log(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    strangers: Mutex<Strangers>,
    thread: Mutex<Option<(JoinHandle<()>, Box<dyn Lock>)>>,
}

/// What callers and the committing thread share.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    pub(super) clock: Arc<dyn Clock>,
    /// The newest time in the log, milliseconds.
    pub(super) newest_ms: AtomicU64,
    /// Whether the last record that could be refused for want of room was.
    pub(super) full: AtomicBool,
}

#[derive(Default)]
struct Queue {
    items: Vec<Item>,
    bytes: Vec<u8>,
    /// Whether the thread sleeps: waking it costs a system call, which is spared when it does not.
    sleeping: bool,
    closing: bool,
    /// Set once, when nothing more is taken.
    ended: Option<AuditError>,
}

/// One record on its way.
pub(super) struct Item {
    pub(super) what: What,
    /// Where its body is in the batch's bytes.
    pub(super) body: Range<usize>,
    reply: Reply,
}

/// What a record means for the log's own state.
pub(super) enum What {
    Begin {
        id: Arc<str>,
    },
    End {
        begin: u64,
    },
    /// May be refused: clock, budget.
    Ordinary,
    /// Goes into the reserve.
    Reserved,
    AcceptClock,
    /// No record: asks whether there is room again.
    Probe,
}

enum Reply {
    Nobody,
    Number(oneshot::Sender<Result<u64, AuditError>>),
    Ticket(oneshot::Sender<Result<Ticket, AuditError>>),
}

impl Log {
    /// Opens a log for writing, or begins one, and recovers what a crash left: see [`Recovery`].
    ///
    /// # Errors
    /// [`AuditError::Locked`], [`AuditError::Damaged`] (nothing was changed), [`AuditError::Full`],
    /// [`AuditError::Options`], [`AuditError::Disk`]. A clock that is behind is no error here: the log opens, and
    /// refuses until [`Log::accept_clock`].
    pub fn open(disk: Arc<dyn Disk>, options: Options, clock: Arc<dyn Clock>) -> Result<(Log, Recovery), AuditError> {
        options.check()?;
        let lock = disk.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => AuditError::Locked,
            _ => error.into(),
        })?;
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            wake: Condvar::new(),
            clock,
            newest_ms: AtomicU64::new(0),
            full: AtomicBool::new(false),
        });
        let (committer, recovery) = recover::recover(disk, options, Arc::clone(&shared))?;
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || committer.run())?;
        let thread = Mutex::new(Some((thread, lock)));
        Ok((Log(Arc::new(Handle { shared, strangers: Mutex::default(), thread })), recovery))
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
        let (sender, pending) = Pending::new();
        let what = What::Begin { id: Arc::from(record.decision.id) };
        self.0.shared.submit(what, Reply::Ticket(sender), |out| write::begin(out, record));
        pending
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
        let details = [("behind_ms", super::record::Detail::Number(behind_ms))];
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
            self.0.shared.submit(What::Probe, Reply::Nobody, |_| {});
        }
    }

    /// Whether records are taken, and if not why: what readiness answers.
    ///
    /// # Errors
    /// The error that a beginning would meet.
    pub fn ready(&self) -> Result<(), AuditError> {
        let shared = &self.0.shared;
        if let Some(ended) = &shared.queue().ended {
            return Err(ended.clone());
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

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.0.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    fn write_strangers(&self, over: Option<Strangers>) {
        if let Some(over) = over {
            self.shared.submit(What::Ordinary, Reply::Nobody, |out| over.write(out));
        }
    }

    fn close(&self) {
        let last = self.strangers.lock().unwrap_or_else(PoisonError::into_inner).finish();
        self.write_strangers(last);
        self.shared.queue().closing = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((thread, lock)) = thread {
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
        if self.reserve_bytes > self.disk_bytes_max / 2 {
            return Err(AuditError::Options("the reserve for endings must be at most half the log's budget"));
        }
        Ok(())
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, what: What, body: impl FnOnce(&mut Vec<u8>)) -> Pending<u64> {
        let (sender, pending) = Pending::new();
        self.submit(what, Reply::Number(sender), body);
        pending
    }

    /// Serialises outside the lock and hands over within it. A record that is not taken is answered at once.
    fn submit(&self, what: What, reply: Reply, body: impl FnOnce(&mut Vec<u8>)) {
        // Not there while a thread ends, which may drop a ticket: then a new buffer does.
        let mut scratch = SCRATCH.try_with(RefCell::take).unwrap_or_default();
        scratch.clear();
        body(&mut scratch);
        if let Err((reply, error)) = self.hand_over(what, reply, &scratch) {
            reply.refuse(error);
        }
        scratch.shrink_to(SCRATCH_BYTES_KEPT);
        let _kept = SCRATCH.try_with(|kept| kept.replace(scratch));
    }

    fn hand_over(&self, what: What, reply: Reply, body: &[u8]) -> Result<(), (Reply, AuditError)> {
        if body.len() > BODY_BYTES_MAX {
            return Err((reply, AuditError::RecordTooBig { bytes: body.len() }));
        }
        let mut queue = self.queue();
        if let Some(ended) = &queue.ended {
            return Err((reply, ended.clone()));
        }
        let refusable = !matches!(what, What::End { .. } | What::Reserved | What::AcceptClock);
        if refusable && queue.bytes.len() + body.len() > QUEUE_BYTES_MAX {
            return Err((reply, AuditError::Overloaded));
        }
        let start = queue.bytes.len();
        queue.bytes.extend_from_slice(body);
        let body = start..queue.bytes.len();
        queue.items.push(Item { what, body, reply });
        if std::mem::take(&mut queue.sleeping) {
            drop(queue);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Waits for records and takes all there are; `false` once the log is closing and none are left.
    pub(super) fn next_batch(&self, batch: &mut Batch) -> bool {
        let mut queue = self.queue();
        while queue.items.is_empty() {
            if queue.closing {
                return false;
            }
            queue.sleeping = true;
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut queue.items, &mut batch.items);
        std::mem::swap(&mut queue.bytes, &mut batch.bytes);
        true
    }

    /// Takes nothing more, and tells so to whoever waits. The first reason stands.
    pub(super) fn end(&self, why: AuditError) {
        let mut queue = self.queue();
        let why = queue.ended.get_or_insert(why).clone();
        let left = std::mem::take(&mut queue.items);
        // Not under the lock: a ticket dropped by its waiter comes back here.
        drop(queue);
        left.into_iter().for_each(|item| item.reply.refuse(why.clone()));
    }
}

impl Item {
    /// Tells the waiter. A beginning that nobody waits for any more is ended by its ticket's drop.
    pub(super) fn wake(self, shared: &Arc<Shared>, fate: Result<u64, AuditError>) {
        match (self.reply, self.what) {
            (Reply::Nobody, _) => {}
            (Reply::Number(sender), _) => drop(sender.send(fate)),
            (Reply::Ticket(sender), What::Begin { id }) => {
                let ticket =
                    fate.map(|begin| Ticket { shared: Arc::clone(shared), begin, id, windows: 0, ended: false });
                drop(sender.send(ticket));
            }
            (Reply::Ticket(sender), _) => drop(sender.send(Err(failed("only a beginning has a ticket")))),
        }
    }
}

impl Reply {
    fn refuse(self, error: AuditError) {
        match self {
            Reply::Nobody => {}
            Reply::Number(sender) => drop(sender.send(Err(error))),
            Reply::Ticket(sender) => drop(sender.send(Err(error))),
        }
    }
}

/// The duty to end what was begun. Its drop ends it as `aborted` (`failed` while panicking).
#[must_use = "dropping it writes an ending"]
pub struct Ticket {
    shared: Arc<Shared>,
    begin: u64,
    id: Arc<str>,
    windows: u64,
    ended: bool,
}

impl Ticket {
    /// The number of the begin record.
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// The id of the decision.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Records a window of a list before its first byte leaves.
    ///
    /// # Errors
    /// In the answer: any; the window must then not leave, and the request ends as failed.
    pub fn continuation(&mut self, record: &Window<'_>) -> Pending<u64> {
        self.windows += 1;
        let (begin, window) = (self.begin, self.windows);
        self.shared.number(What::Ordinary, |out| write::continuation(out, begin, &self.id, window, record))
    }

    /// Writes the ending. Nobody needs to wait for it.
    ///
    /// # Errors
    /// In the answer: [`AuditError::Failed`] or [`AuditError::Closed`]; the next start then writes `interrupted`.
    pub fn end(mut self, record: &End<'_>) -> Pending<u64> {
        self.write_end(record)
    }

    fn write_end(&mut self, record: &End<'_>) -> Pending<u64> {
        self.ended = true;
        let (begin, windows) = (self.begin, self.windows);
        self.shared.number(What::End { begin }, |out| {
            write::end(out, begin, &self.id, windows, record);
            if out.len() > BODY_BYTES_MAX {
                // An ending is never refused for its size: what grows without bound is left out, and it says so.
                out.clear();
                let code = Some("record-too-big");
                write::end(out, begin, &self.id, windows, &End { code, counts: &[], unclassified: &[], ..*record });
            }
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended {
            let outcome = if std::thread::panicking() { Outcome::Failed } else { Outcome::Aborted };
            drop(self.write_end(&End { outcome, code: Some("dropped"), ..End::default() }));
        }
    }
}

/// Resolves when a record is durable, or cannot be. Dropping it does not withdraw the record.
#[must_use = "nothing may be released before this resolves; drop it on purpose where nothing waits"]
pub struct Pending<T>(oneshot::Receiver<Result<T, AuditError>>);

impl<T> Pending<T> {
    fn new() -> (oneshot::Sender<Result<T, AuditError>>, Pending<T>) {
        let (sender, receiver) = oneshot::channel();
        (sender, Pending(receiver))
    }

    fn refused(error: AuditError) -> Pending<T> {
        let (sender, pending) = Pending::new();
        drop(sender.send(Err(error)));
        pending
    }

    /// Waits on this thread, for callers without a runtime. Blocks: never call it from a task.
    ///
    /// # Errors
    /// As awaiting it.
    pub fn wait(self) -> Result<T, AuditError> {
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut this = pin!(self);
        loop {
            match this.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, AuditError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A sender that is gone without a word: the writing thread panicked with the record in hand.
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(failed("the writer stopped"))))
    }
}

/// An ending finds its beginning by number and id, and a segment lists the ids of all that are open: so an id is
/// short, and is written as it is.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

const SCRATCH_BYTES_KEPT: usize = 1 << 16;
const QUEUE_BYTES_MAX: usize = 64 << 20;
