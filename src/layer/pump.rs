//! Drives a backend's body through its filter: each piece is judged, then on record, and only then ready to leave.
//!
//! Whatever ends it early, the ending is recorded: at the last frame, at a fault, or when it is dropped. What was cut before
//! a fault was judged, and leaves once it is on record; nothing after it does.

mod held;
mod left;
mod recorded;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body::Body;

pub(super) use self::held::TOO_LARGE;
use self::held::{Held, Next, Stop};
use self::left::Left;
use super::body::BoxError;
use super::entry::{EntryJudge, Notes};
use super::judgement::Judgement;
use super::paging::Pager;
use crate::audit::{Outcome, Ticket};
use crate::redact::{Multipart, Redactor, Tally};

/// A backend's body.
pub(super) type Upstream = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;
/// Makes another filter like the first, for a further page.
pub(super) type Remake = Box<dyn Fn() -> Box<Redactor<EntryJudge>> + Send>;
/// The pump after a step, and what may leave: nothing more, bytes, or why the body is cut.
pub(super) type Stepped = (Box<Pump>, Option<Result<Bytes, BoxError>>);

/// How much of the backend's body is redacted at a time, in bytes.
const PIECE_BYTES: usize = 16 << 10;
/// What leaves of JSON leaves in frames of this many bytes, but for the last: where a piece of the backend's body ends, and how
/// much of it was left out, would else show in the length of chunks, and in that of a coded body.
const FRAME_BYTES: usize = 16 << 10;
/// How much may wait for the log, in bytes; past it nothing more is cut.
const HELD_BYTES_MAX: usize = 64 << 10;

/// Where bytes become readable and readable ones become releasable.
enum Filter {
    /// JSON, by plan.
    Json(Box<Redactor<EntryJudge>>),
    /// A body that cannot be read inside, every category of whose route is clear.
    Opaque,
    /// The same in several parts: what stands above each stays here.
    Parts(Box<Multipart>),
}

/// Drives one body through its filter.
pub(super) struct Pump {
    judgement: Arc<Judgement>,
    upstream: Upstream,
    filter: Filter,
    notes: Arc<Mutex<Notes>>,
    ticket: Option<Ticket>,
    /// Whether the begin record already names whom all of this is about.
    on_record: bool,
    /// Judged and on record.
    ready: VecDeque<Bytes>,
    /// The same, until it fills a frame.
    frame: BytesMut,
    /// Why nothing follows what is in the frame.
    stopped: Option<&'static str>,
    /// Judged, and handed to the log.
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Of the piece being redacted.
    pending: Bytes,
    /// Why nothing more is cut: the body's end, or what stops it once what was cut before has left.
    cut: Option<Result<(), Stop>>,
    ended: bool,
    /// Fills a list from several pages.
    pager: Option<Box<Pager>>,
    /// Of a list of which nothing is released not even the frame leaves.
    never_empty: bool,
    /// The next page is to be asked for, once all of this one has left.
    turning: bool,
    /// Of the pages before this one: what became of their entries, and how many bytes were judged.
    former: Option<(Tally, u64)>,
    /// How many bytes of this page were judged, up to the last window.
    judged: u64,
    status: u16,
    started: Instant,
    backend_us: u64,
    received_bytes: u64,
    released_bytes: u64,
    left: Left,
    first_byte_us: Option<u64>,
}

/// What a [`Pump`] begins with.
pub(super) struct Start {
    pub(super) judgement: Arc<Judgement>,
    pub(super) upstream: Upstream,
    pub(super) redactor: Option<Box<Redactor<EntryJudge>>>,
    /// Cuts an opaque body of several parts.
    pub(super) parts: Option<Multipart>,
    pub(super) notes: Arc<Mutex<Notes>>,
    pub(super) pager: Option<Box<Pager>>,
    /// A list of which nothing is released is answered as what is not there.
    pub(super) never_empty: bool,
    pub(super) ticket: Ticket,
    pub(super) on_record: bool,
    pub(super) status: u16,
    pub(super) started: Instant,
    pub(super) backend_us: u64,
}

/// What the first look at a body showed.
pub(super) enum First {
    /// Something may leave, or the body has ended.
    Ready,
    /// The one entry of the body was dropped.
    Dropped,
    /// It cannot be judged; the code says why.
    Fault(&'static str),
    /// The registry or the log failed.
    Blind(&'static str),
}

impl Pump {
    pub(super) fn new(start: Start) -> Box<Pump> {
        Box::new(Pump {
            judgement: start.judgement,
            upstream: start.upstream,
            filter: match (start.redactor, start.parts) {
                (Some(redactor), _) => Filter::Json(redactor),
                (None, Some(parts)) => Filter::Parts(Box::new(parts)),
                (None, None) => Filter::Opaque,
            },
            notes: start.notes,
            ticket: Some(start.ticket),
            on_record: start.on_record,
            ready: VecDeque::new(),
            frame: BytesMut::new(),
            stopped: None,
            held: VecDeque::new(),
            held_bytes: 0,
            pending: Bytes::new(),
            cut: None,
            ended: false,
            pager: start.pager,
            never_empty: start.never_empty,
            turning: false,
            former: None,
            judged: 0,
            status: start.status,
            started: start.started,
            backend_us: start.backend_us,
            received_bytes: 0,
            released_bytes: 0,
            left: Left::nothing(),
            first_byte_us: None,
        })
    }

    /// Goes on until something may leave, the end, or a fault: before the status line is sent.
    pub(super) async fn first(&mut self) -> First {
        while !self.ended && (self.waits_for_frame() || self.lacks_entries()) {
            if let Err(stop) = self.advance().await {
                return stop.into();
            }
        }
        let bare = self.ready.is_empty() && self.pager.is_none();
        let nothing = matches!(&self.filter, Filter::Json(redactor) if redactor.tally().released == 0);
        if (bare && nothing) || self.lacks_entries() { First::Dropped } else { First::Ready }
    }

    /// Whether a list of which nothing is released is answered as what is not there.
    pub(super) const fn never_empty(&self) -> bool {
        self.never_empty
    }

    /// Whether nothing would leave yet: what is less than a frame, of a body that is read inside. A fault that comes before is told by a
    /// status.
    fn waits_for_frame(&self) -> bool {
        match self.filter {
            Filter::Opaque => self.ready.is_empty(),
            Filter::Json(_) | Filter::Parts(_) => self.ready.iter().map(Bytes::len).sum::<usize>() < FRAME_BYTES,
        }
    }

    /// Whether an entry is needed, and none was released yet.
    fn lacks_entries(&self) -> bool {
        self.never_empty && self.tally().is_some_and(|tally| tally.released == 0)
    }

    /// Goes on to the body's end while no more than this waits. All of its pieces, judged and on record; `None`: there are
    /// more. Asked for before the first byte leaves, so that a fault is still told by a status.
    pub(super) async fn gathered(&mut self, bytes_max: usize) -> Result<Option<&VecDeque<Bytes>>, First> {
        loop {
            if self.ready.iter().map(Bytes::len).sum::<usize>() > bytes_max {
                return Ok(None);
            }
            if self.ended {
                return Ok(Some(&self.ready));
            }
            self.advance().await?;
        }
    }

    /// Why the one entry was dropped.
    pub(super) fn notes(&self) -> Notes {
        std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the record of a request whose body is not released.
    pub(super) fn end_without_body(&mut self, outcome: Outcome, code: &'static str, status: u16) {
        self.status = status;
        self.end(outcome, Some(code));
    }

    pub(super) async fn step(mut self: Box<Pump>) -> Stepped {
        loop {
            if let Some(bytes) = self.leaves() {
                self.released_bytes += bytes.len() as u64;
                self.left.reaches(self.released_bytes);
                if self.first_byte_us.is_none() {
                    self.first_byte_us = Some(micros(self.started));
                }
                return (self, Some(Ok(bytes)));
            }
            if let Some(code) = self.stopped {
                // What was handed over leaves first: with the fault in the same breath the connection would drop it.
                tokio::task::yield_now().await;
                self.end(Outcome::Failed, Some(code));
                return (self, Some(Err(code.into())));
            }
            if self.ended {
                self.end(Outcome::Completed, None);
                return (self, None);
            }
            if let Err(Stop::Fault(code) | Stop::Blind(code)) = self.advance().await {
                self.stopped = Some(code);
            }
        }
    }

    /// The next frame: a full one, or the last. What cannot be read inside has nothing left out and leaves as it comes.
    fn leaves(&mut self) -> Option<Bytes> {
        if matches!(self.filter, Filter::Opaque) {
            return self.ready.pop_front();
        }
        while self.frame.len() < FRAME_BYTES {
            let Some(bytes) = self.ready.pop_front() else { break };
            self.frame.extend_from_slice(&bytes);
        }
        let last = (self.ended || self.stopped.is_some()) && self.ready.is_empty();
        let full = self.frame.len() >= FRAME_BYTES;
        let length = if full { FRAME_BYTES } else { self.frame.len() };
        ((full || last) && length > 0).then(|| self.frame.split_to(length).freeze())
    }

    /// One step further: what is on record becomes ready; meanwhile the next piece is cut and handed to the log, so that
    /// a flush overlaps the cutting, and one flush may answer for several pieces.
    async fn advance(&mut self) -> Result<(), Stop> {
        match std::future::poll_fn(|context| self.poll_next(context)).await {
            Next::Durable(Err(code)) => return Err(Stop::Blind(code)),
            Next::Durable(Ok(())) => {
                let Some(held) = self.held.pop_front() else { return Ok(()) };
                self.held_bytes -= held.bytes.len();
                if !held.bytes.is_empty() {
                    self.ready.push_back(held.bytes);
                }
            }
            Next::Piece => {
                if let Err(stop) = self.cut_piece() {
                    self.cut = Some(Err(stop));
                }
            }
            Next::Broken => self.cut = Some(Err(Stop::Fault("backend-body-broken"))),
            Next::End => {
                if let Err(stop) = self.finish() {
                    self.cut = Some(Err(stop));
                }
            }
            Next::Turn => self.turn().await?,
            Next::AllLeft => match self.cut.take() {
                Some(Err(stop)) => return Err(stop),
                Some(Ok(())) | None => self.ended = true,
            },
        }
        Ok(())
    }

    /// Whatever comes first: the oldest piece is durable, or there is room and something to cut.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        if let Some(oldest) = self.held.front_mut()
            && let Poll::Ready(durable) = oldest.poll_durable(context)
        {
            return Poll::Ready(Next::Durable(durable));
        }
        if self.turning {
            return if self.held.is_empty() { Poll::Ready(Next::Turn) } else { Poll::Pending };
        }
        if self.cut.is_some() {
            return if self.held.is_empty() { Poll::Ready(Next::AllLeft) } else { Poll::Pending };
        }
        if self.held_bytes >= HELD_BYTES_MAX {
            return Poll::Pending;
        }
        if !self.pending.is_empty() {
            return Poll::Ready(Next::Piece);
        }
        match ready!(self.upstream.as_mut().poll_frame(context)) {
            Some(Ok(frame)) => {
                self.pending = frame.into_data().unwrap_or_default(); // trailers stop here
                self.received_bytes += self.pending.len() as u64;
                Poll::Ready(Next::Piece)
            }
            Some(Err(_)) => Poll::Ready(Next::Broken),
            None => Poll::Ready(Next::End),
        }
    }

    fn cut_piece(&mut self) -> Result<(), Stop> {
        let piece = self.pending.split_to(self.pending.len().min(PIECE_BYTES));
        if let Some(pager) = &mut self.pager {
            pager.read(&piece);
        }
        let mut out = Vec::with_capacity(piece.len());
        let pushed = match &mut self.filter {
            Filter::Json(redactor) => redactor.push(&piece, &mut out),
            Filter::Parts(parts) => parts.push(&piece, &mut out),
            Filter::Opaque => {
                self.hold(Held { bytes: piece, pending: VecDeque::new(), tokens: None });
                return Ok(());
            }
        };
        pushed.map_err(held::stop)?;
        self.record(out)
    }

    fn finish(&mut self) -> Result<(), Stop> {
        let mut out = Vec::new();
        let finished = match &mut self.filter {
            Filter::Json(redactor) => redactor.finish(&mut out).map(|_| ()),
            Filter::Parts(parts) => parts.finish(),
            Filter::Opaque => Ok(()),
        };
        finished.map_err(held::stop)?;
        self.record(out)?;
        let Some(pager) = &mut self.pager else {
            self.cut = Some(Ok(()));
            return Ok(());
        };
        match pager.page_ends().map_err(Stop::Fault)? {
            Some(end) => {
                let tokens = self.settling();
                self.hold(Held { bytes: Bytes::from(end), pending: VecDeque::new(), tokens });
                self.cut = Some(Ok(()));
            }
            None => self.turning = true,
        }
        Ok(())
    }

    /// Asks for the next page, and reads it as a body of its own.
    async fn turn(&mut self) -> Result<(), Stop> {
        let Some(pager) = &mut self.pager else { return Err(Stop::Fault("failed")) };
        let (upstream, redactor) = match pager.turn().await {
            Ok(turned) => turned,
            Err(code) => {
                let end = pager.ends_unread().ok_or(Stop::Fault(code))?;
                let tokens = self.settling();
                self.hold(Held { bytes: Bytes::from(end), pending: VecDeque::new(), tokens });
                (self.turning, self.cut) = (false, Some(Ok(())));
                return Ok(());
            }
        };
        let filter = std::mem::replace(&mut self.filter, Filter::Json(redactor));
        if let Filter::Json(read) = filter {
            let (mut tally, judged) = self.former.take().unwrap_or_else(|| (Tally::new(), 0));
            tally.absorb(read.tally());
            self.former = Some((tally, judged + self.judged));
        }
        (self.upstream, self.turning, self.judged) = (upstream, false, 0);
        Ok(())
    }
}

/// Microseconds since `started`.
pub(super) fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}
