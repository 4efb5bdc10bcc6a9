//! The answer's body: the gate's own text, or the backend's as the [`Pump`] lets it go.
//!
//! Its size is never told in advance, for the gate changes it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::pump::{Pump, Stepped};

/// What a caller's connection sees when a body cannot be finished: it is cut.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of every answer of the gate.
pub struct GateBody(Inner);

enum Inner {
    /// The gate's own text.
    Whole(Option<Bytes>),
    /// The backend's, redacted.
    Stream(Stepping),
}

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
