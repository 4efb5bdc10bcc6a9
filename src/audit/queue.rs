//! From many callers to one thread: records wait here, and those who handed them over wait for their fate.
//!
//! A record is serialised before the lock is taken; under it, its bytes are copied behind those of the others. What is
//! not taken (too big, too many, the log ended) is answered at once.

use super::AuditError;
use super::checkpoint::Note;
use super::commit::{Batch, failed};
use super::pin::Signing;
use super::record::BODY_BYTES_MAX;
use super::ticket::Ticket;
use super::time::Clock;
use std::cell::RefCell;
use std::future::Future;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// What callers and the committing thread share.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    pub(super) clock: Arc<dyn Clock>,
    /// The newest time in the log, milliseconds.
    pub(super) newest_ms: AtomicU64,
    /// Whether the last record that could be refused for want of room was.
    pub(super) full: AtomicBool,
    /// Who signs the tree, if anybody does.
    signer: Mutex<Signing>,
    /// The newest checkpoint of this run.
    pub(super) checkpoints: watch::Sender<Option<Arc<Note>>>,
}

/// What the committing thread is to do next.
pub(super) enum Next {
    /// The records handed over.
    Batch,
    /// None came in the time that it was to wait.
    Nothing,
    /// Nothing more will come.
    Closing,
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

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn new(clock: Arc<dyn Clock>) -> Shared {
        Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            clock,
            newest_ms: AtomicU64::new(0),
            full: AtomicBool::new(false),
            signer: Mutex::default(),
            checkpoints: watch::Sender::new(None),
        }
    }

    /// Hands over a beginning; it is answered with the duty to end it.
    pub(super) fn ticket(&self, id: Arc<str>, body: impl FnOnce(&mut Vec<u8>)) -> Pending<Ticket> {
        let (sender, pending) = Pending::new();
        self.submit(What::Begin { id }, Reply::Ticket(sender), body);
        pending
    }

    /// Hands over any other record; it is answered with its number.
    pub(super) fn number(&self, what: What, body: impl FnOnce(&mut Vec<u8>)) -> Pending<u64> {
        let (sender, pending) = Pending::new();
        self.submit(what, Reply::Number(sender), body);
        pending
    }

    /// Hands over a record that nobody waits for.
    pub(super) fn unanswered(&self, what: What, body: impl FnOnce(&mut Vec<u8>)) {
        self.submit(what, Reply::Nobody, body);
    }

    /// Why nothing is taken any more, if so.
    pub(super) fn ended(&self) -> Option<AuditError> {
        self.queue().ended.clone()
    }

    /// Lets the thread end once nothing is left.
    pub(super) fn close(&self) {
        self.queue().closing = true;
        self.wake.notify_one();
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

    /// Waits for records, for `at_most` so long, and takes all there are.
    pub(super) fn next_batch(&self, batch: &mut Batch, at_most: Option<Duration>) -> Next {
        let mut queue = self.queue();
        while queue.items.is_empty() {
            if queue.closing {
                return Next::Closing;
            }
            queue.sleeping = true;
            let Some(at_most) = at_most else {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (woken, waited) = self.wake.wait_timeout(queue, at_most).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if waited.timed_out() && queue.items.is_empty() && !queue.closing {
                queue.sleeping = false;
                return Next::Nothing;
            }
        }
        std::mem::swap(&mut queue.items, &mut batch.items);
        std::mem::swap(&mut queue.bytes, &mut batch.bytes);
        Next::Batch
    }

    /// Who signs from now on.
    pub(super) fn sign_with(&self, signer: Signing) {
        *self.signer.lock().unwrap_or_else(PoisonError::into_inner) = signer;
    }

    pub(super) fn signer(&self) -> Signing {
        self.signer.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
                let ticket = fate.map(|begin| Ticket::new(Arc::clone(shared), begin, id));
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

/// Resolves when a record is durable, or cannot be. Dropping it does not withdraw the record.
#[must_use = "nothing may be released before this resolves; drop it on purpose where nothing waits"]
pub struct Pending<T>(oneshot::Receiver<Result<T, AuditError>>);

impl<T> Pending<T> {
    fn new() -> (oneshot::Sender<Result<T, AuditError>>, Pending<T>) {
        let (sender, receiver) = oneshot::channel();
        (sender, Pending(receiver))
    }

    pub(super) fn refused(error: AuditError) -> Pending<T> {
        let (sender, pending) = Pending::new();
        drop(sender.send(Err(error)));
        pending
    }

    /// Waits on this thread, for callers without a runtime. Blocks its thread: no task that others wait for may call it.
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
        // A task that has used up its share of turns is told to wait for its next one, which never comes while this blocks.
        let mut this = pin!(tokio::task::unconstrained(self));
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

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

const SCRATCH_BYTES_KEPT: usize = 1 << 16;
const QUEUE_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// More turns than the runtime grants a task at a time.
    const TURNS: usize = 1000;

    #[test]
    fn who_blocks_is_woken_though_his_task_has_no_turn_left() {
        let (done, finished) = mpsc::channel();
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
                std::future::poll_fn(|context| {
                    for _ in 0..TURNS {
                        let (sender, mut receiver) = oneshot::channel();
                        sender.send(()).unwrap();
                        if Pin::new(&mut receiver).poll(context).is_pending() {
                            break;
                        }
                    }
                    let (sender, pending) = Pending::new();
                    sender.send(Ok(7u64)).unwrap();
                    done.send(pending.wait().unwrap()).unwrap();
                    Poll::Ready(())
                })
                .await;
            });
        });
        assert_eq!(finished.recv_timeout(Duration::from_secs(20)), Ok(7));
    }
}
