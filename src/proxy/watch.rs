//! Has this connection stalled? One [`Watch`] per connection, asked on a tick.
//!
//! hyper bounds neither bodies nor writes, and its header timer also runs while a kept-alive connection rests. So the
//! connection keeps its own account: when a head began, which requests are open, since when each answer has waited for
//! the caller to take more of it, and since when the socket has not taken a byte. Whatever is overdue cuts the
//! connection: on HTTP/2 with all of its streams.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limits::Limits;

/// The account of one connection.
pub(super) struct Watch {
    limits: Limits,
    state: Mutex<State>,
}

struct State {
    /// Since when no request has been open.
    idle_since: Instant,
    /// Whether a request has been served, and by which protocol.
    served: Option<Protocol>,
    /// When the first byte of the next HTTP/1.1 head came.
    head_since: Option<Instant>,
    /// Since when the socket has taken nothing.
    unwritten_since: Option<Instant>,
    open: HashMap<u64, Open>,
    next: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

struct Open {
    since: Instant,
    /// Since when a piece of the answer has been handed over without the next one being asked for.
    untaken_since: Option<Instant>,
}

impl Watch {
    pub(super) fn new(limits: Limits) -> Arc<Watch> {
        let state = State {
            idle_since: Instant::now(),
            served: None,
            head_since: None,
            unwritten_since: None,
            open: HashMap::new(),
            next: 0,
        };
        Arc::new(Watch { limits, state: Mutex::new(state) })
    }

    /// A request's head is whole.
    pub(super) fn begin(self: &Arc<Self>, version: http::Version) -> Ticket {
        let mut state = self.state();
        state.served = Some(if version == http::Version::HTTP_2 { Protocol::Http2 } else { Protocol::Http1 });
        state.head_since = None;
        let id = state.next;
        state.next += 1;
        state.open.insert(id, Open { since: Instant::now(), untaken_since: None });
        Ticket { watch: Arc::clone(self), id }
    }

    /// How often to ask [`Watch::overdue`].
    pub(super) fn tick(&self) -> Duration {
        let Limits { header_ms, idle_ms, progress_ms, stream_ms, .. } = self.limits;
        let shortest = header_ms.min(idle_ms).min(progress_ms).min(stream_ms);
        Duration::from_millis(u64::from(shortest / 8).clamp(5, 1000))
    }

    /// What has taken too long, if anything.
    pub(super) fn overdue(&self) -> Option<&'static str> {
        let state = self.state();
        let late = |since: Instant, ms: u32| since.elapsed() >= Duration::from_millis(u64::from(ms));
        if state.unwritten_since.is_some_and(|since| late(since, self.limits.progress_ms)) {
            return Some("write-stalled");
        }
        if state.open.is_empty() {
            return match (state.served, state.head_since) {
                (None, _) if late(state.idle_since, self.limits.header_ms) => Some("no-request"),
                (Some(Protocol::Http1), Some(since)) if late(since, self.limits.header_ms) => Some("head-slow"),
                (Some(_), _) if late(state.idle_since, self.limits.idle_ms) => Some("idle"),
                _ => None,
            };
        }
        for open in state.open.values() {
            if late(open.since, self.limits.stream_ms) {
                return Some("request-too-long");
            }
            if open.untaken_since.is_some_and(|since| late(since, self.limits.progress_ms)) {
                return Some("answer-not-taken");
            }
        }
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_some(&self) {
        let mut state = self.state();
        if state.open.is_empty() && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    fn wrote(&self, pending: bool) {
        let mut state = self.state();
        match pending {
            true => drop(state.unwritten_since.get_or_insert_with(Instant::now)),
            false => state.unwritten_since = None,
        }
    }
}

/// One open request; dropped when its answer has ended.
pub(super) struct Ticket {
    watch: Arc<Watch>,
    id: u64,
}

impl Ticket {
    /// A piece of the answer was handed over (`true`), or the next is being waited for (`false`).
    pub(super) fn handed_over(&self, handed_over: bool) {
        if let Some(open) = self.watch.state().open.get_mut(&self.id) {
            open.untaken_since = handed_over.then(Instant::now);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.watch.state();
        state.open.remove(&self.id);
        state.idle_since = Instant::now();
    }
}

/// A stream that tells its [`Watch`] of every byte.
pub(super) struct Watched<T> {
    pub(super) stream: T,
    pub(super) watch: Arc<Watch>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.watch.read_some();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch.wrote(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch.wrote(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch.wrote(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
