//! What stands around the bodies of a connection: deadlines on what a caller sends, an account of what he takes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

use super::watch::Ticket;

/// Why a body cannot go on; it holds nothing of the body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer, whoever made it.
pub type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// The gate's own text as the body of an answer.
pub(super) fn text(text: impl Into<Bytes>) -> AnswerBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The body of a request: data only (a trailer is never read), each byte and the whole in time.
///
/// Nothing is read, and no `100 Continue` sent, before it is first asked for.
pub struct CallerBody {
    incoming: Incoming,
    progress: Duration,
    whole: Duration,
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl CallerBody {
    pub(super) fn new(incoming: Incoming, progress_ms: u32, request_ms: u32) -> CallerBody {
        CallerBody {
            incoming,
            progress: Duration::from_millis(u64::from(progress_ms)),
            whole: Duration::from_millis(u64::from(request_ms)),
            until: None,
            timer: None,
        }
    }
}

impl Body for CallerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let whole = self.whole;
        let until = *self.until.get_or_insert_with(|| Instant::now() + whole);
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.timer = None;
                    if Instant::now() >= until {
                        return Poll::Ready(Some(Err("the request took too long".into())));
                    }
                    if frame.is_data() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        let next = (Instant::now() + self.progress).min(until);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err("the request stalled".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The body of an answer on its way out; while it lives its request counts as open.
pub(super) struct Outgoing {
    pub(super) body: AnswerBody,
    pub(super) ticket: Ticket,
    pub(super) _permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.ticket.handed_over(false);
        let body = &mut self.body;
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)));
        let polled = polled.unwrap_or_else(|_| {
            metrics::counter!("sekisho_panics_total").increment(1);
            Poll::Ready(Some(Err("the request failed".into())))
        });
        if polled.is_ready() {
            self.ticket.handed_over(true);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
