//! The answer's body: redacted as it streams, each window on record before its first byte leaves.
//!
//! Its size is never told in advance, for the gate changes it. Whatever ends it early, the ending is recorded: at the
//! last frame, at a fault, or when it is dropped.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use super::entry::{EntryJudge, Notes};
use super::judgement::Judgement;
use super::record;
use crate::audit::{self, Latency, Outcome, Ticket};
use crate::redact::{Redactor, Tally};

/// What a caller's connection sees when a body cannot be finished: it is cut.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A backend's body.
pub(super) type Upstream = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

/// How much of the backend's body is redacted at a time, in bytes.
const PIECE_BYTES: usize = 16 << 10;

/// The body of every answer of the gate.
pub struct GateBody(Inner);

enum Inner {
    /// The gate's own text.
    Whole(Option<Bytes>),
    /// The backend's, redacted.
    Stream(Stepping),
}

type Stepped = (Box<Pump>, Option<Result<Bytes, BoxError>>);

enum Stepping {
    Running(Pin<Box<dyn Future<Output = Stepped> + Send>>),
    Done,
}

impl GateBody {
    /// The gate's own text.
    pub(super) fn whole(bytes: Bytes) -> GateBody {
        GateBody(Inner::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    pub(super) fn stream(pump: Box<Pump>) -> GateBody {
        GateBody(Inner::Stream(Stepping::Running(Box::pin(pump.step()))))
    }
}

impl Body for GateBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let stepping = match &mut self.0 {
            Inner::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Stream(stepping) => stepping,
        };
        let Stepping::Running(future) = stepping else { return Poll::Ready(None) };
        let (pump, item) = match future.as_mut().poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(stepped) => stepped,
        };
        *stepping = match &item {
            Some(Ok(_)) => Stepping::Running(Box::pin(pump.step())),
            Some(Err(_)) | None => Stepping::Done,
        };
        Poll::Ready(item.map(|item| item.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Whole(None) | Inner::Stream(Stepping::Done))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Inner::Stream(_) => SizeHint::default(),
        }
    }
}

/// Where bytes become readable and readable ones become releasable.
enum Filter {
    /// JSON, by plan.
    Json(Box<Redactor<EntryJudge>>),
    /// A body that cannot be read inside, every category of whose route is clear.
    Opaque,
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
    /// Of the piece being redacted.
    pending: Bytes,
    ended: bool,
    status: u16,
    started: Instant,
    backend_us: u64,
    received_bytes: u64,
    released_bytes: u64,
    first_byte_us: Option<u64>,
}

/// What a [`Pump`] begins with.
pub(super) struct Start {
    pub(super) judgement: Arc<Judgement>,
    pub(super) upstream: Upstream,
    pub(super) redactor: Option<Redactor<EntryJudge>>,
    pub(super) notes: Arc<Mutex<Notes>>,
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
            filter: start.redactor.map_or(Filter::Opaque, |redactor| Filter::Json(Box::new(redactor))),
            notes: start.notes,
            ticket: Some(start.ticket),
            on_record: start.on_record,
            ready: VecDeque::new(),
            pending: Bytes::new(),
            ended: false,
            status: start.status,
            started: start.started,
            backend_us: start.backend_us,
            received_bytes: 0,
            released_bytes: 0,
            first_byte_us: None,
        })
    }

    /// Goes on until something may leave, the end, or a fault: before the status line is sent.
    pub(super) async fn first(&mut self) -> First {
        while self.ready.is_empty() && !self.ended {
            if let Err(stop) = self.advance().await {
                return match stop {
                    Stop::Fault(code) => First::Fault(code),
                    Stop::Blind(code) => First::Blind(code),
                };
            }
        }
        match &self.filter {
            Filter::Json(redactor) if self.ready.is_empty() && redactor.tally().released == 0 => First::Dropped,
            Filter::Json(_) | Filter::Opaque => First::Ready,
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

    async fn step(mut self: Box<Pump>) -> Stepped {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                self.released_bytes += bytes.len() as u64;
                if self.first_byte_us.is_none() {
                    self.first_byte_us = Some(micros(self.started));
                }
                return (self, Some(Ok(bytes)));
            }
            if self.ended {
                self.end(Outcome::Completed, None);
                return (self, None);
            }
            if let Err(stop) = self.advance().await {
                let code = match stop {
                    Stop::Fault(code) | Stop::Blind(code) => code,
                };
                self.end(Outcome::Failed, Some(code));
                return (self, Some(Err(code.into())));
            }
        }
    }

    /// One piece further: read, redact, record, make ready.
    async fn advance(&mut self) -> Result<(), Stop> {
        if self.pending.is_empty() {
            match self.upstream.frame().await {
                Some(Ok(frame)) => self.pending = frame.into_data().unwrap_or_default(), // trailers stop here
                Some(Err(_)) => return Err(Stop::Fault("backend-body-broken")),
                None => return self.finish().await,
            }
            self.received_bytes += self.pending.len() as u64;
        }
        let piece = self.pending.split_to(self.pending.len().min(PIECE_BYTES));
        let mut out = Vec::new();
        let pushed = match &mut self.filter {
            Filter::Json(redactor) => redactor.push(&piece, &mut out),
            Filter::Opaque => {
                self.ready.push_back(piece);
                return Ok(());
            }
        };
        if pushed.is_err() {
            return Err(Stop::Fault("body-not-judged"));
        }
        self.record(out).await
    }

    async fn finish(&mut self) -> Result<(), Stop> {
        let mut out = Vec::new();
        if let Filter::Json(redactor) = &mut self.filter
            && redactor.finish(&mut out).is_err()
        {
            return Err(Stop::Fault("body-not-judged"));
        }
        self.record(out).await?;
        self.ended = true;
        Ok(())
    }

    /// Puts the windows of `out` on record, then makes it ready.
    async fn record(&mut self, out: Vec<u8>) -> Result<(), Stop> {
        if self.notes.lock().unwrap_or_else(PoisonError::into_inner).blind {
            return Err(Stop::Blind("registry-unreadable"));
        }
        let windows = match &mut self.filter {
            Filter::Json(redactor) => redactor.take_windows(),
            Filter::Opaque => Vec::new(),
        };
        let on_record = self.on_record;
        for window in windows.iter().filter(|window| !window.disclosures.is_empty() && !on_record) {
            self.continuation(window).await?;
        }
        if !out.is_empty() {
            self.ready.push_back(Bytes::from(out));
        }
        Ok(())
    }

    async fn continuation(&mut self, window: &crate::redact::Window) -> Result<(), Stop> {
        let judgement = &self.judgement;
        let route = judgement.route();
        let class = route.and_then(|route| route.subject_class()).unwrap_or("none");
        // What a cell of statistics "is about" is its count: no one's id.
        let someones = route.is_some_and(|route| !route.is_of_no_one());
        let mut sealed = Vec::new();
        for disclosure in &window.disclosures {
            let subject = disclosure
                .subject
                .as_deref()
                .filter(|_| someones)
                .map(|id| judgement.gate.seal.subject(id))
                .transpose();
            let subject = subject.map_err(|_| Stop::Blind("record-failed"))?;
            sealed.push((subject, record::occurred(&judgement.policy, disclosure)));
        }
        let disclosed: Vec<_> = sealed
            .iter()
            .map(|(subject, forms)| audit::Disclosure { class, subjects: subject.as_slice(), forms })
            .collect();
        let dropped = match &self.filter {
            Filter::Json(redactor) => redactor.tally().dropped,
            Filter::Opaque => 0,
        };
        let record = audit::Window { disclosed: &disclosed, entries_dropped: dropped, window_bytes: window.end };
        let Some(ticket) = &mut self.ticket else { return Err(Stop::Blind("record-failed")) };
        ticket.continuation(&record).await.map(|_| ()).map_err(|_| Stop::Blind("record-failed"))
    }

    fn end(&mut self, outcome: Outcome, code: Option<&str>) {
        let Some(ticket) = self.ticket.take() else { return };
        let nothing: Option<&Tally> = None;
        let tally = match &self.filter {
            Filter::Json(redactor) => Some(redactor.tally()),
            Filter::Opaque => nothing,
        };
        let counts = tally.map(|tally| record::counts(&self.judgement.policy, tally)).unwrap_or_default();
        let places: Vec<&str> = tally.map(|t| t.unclassified_places.iter().map(|p| &**p).collect()).unwrap_or_default();
        if let Some(tally) = tally.filter(|tally| tally.unclassified > 0) {
            metrics::counter!("sekisho_unclassified_fields_total").increment(tally.unclassified);
        }
        drop(ticket.end(&audit::End {
            outcome,
            code,
            status: Some(self.status),
            received_bytes: Some(self.received_bytes),
            released_bytes: self.released_bytes,
            entries: tally.map(|tally| audit::Entries { released: tally.released, dropped: tally.dropped }),
            counts: &counts,
            unclassified: &places,
            unclassified_fields: tally.map_or(0, |tally| tally.unclassified),
            latency: Latency {
                record_us: None,
                backend_us: Some(self.backend_us),
                first_byte_us: self.first_byte_us,
                total_us: Some(micros(self.started)),
            },
        }));
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        let outcome = if std::thread::panicking() { Outcome::Failed } else { Outcome::Aborted };
        self.end(outcome, Some("connection-ended"));
    }
}

/// Why a body stops.
enum Stop {
    /// It cannot be judged further.
    Fault(&'static str),
    /// The gate cannot know or record.
    Blind(&'static str),
}

/// Microseconds since `started`.
pub(super) fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}
