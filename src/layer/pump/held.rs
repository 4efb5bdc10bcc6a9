//! What waits for the log, and what may come next.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::First;
use crate::audit::Pending;
use crate::redact::{Fault, Settling};

/// Judged bytes, and what has to be durable before the first of them leaves: records, and what pseudonyms stand for.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    pub(super) pending: VecDeque<Pending<u64>>,
    pub(super) tokens: Option<Settling>,
}

impl Held {
    /// `Err`: the code of what was not kept.
    pub(super) fn poll_durable(&mut self, context: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        while let Some(first) = self.pending.front_mut() {
            match ready!(Pin::new(first).poll(context)) {
                Ok(_) => drop(self.pending.pop_front()),
                Err(_) => return Poll::Ready(Err("record-failed")),
            }
        }
        if let Some(tokens) = &mut self.tokens {
            if ready!(tokens.as_mut().poll(context)).is_err() {
                return Poll::Ready(Err("pseudonyms-not-kept"));
            }
            self.tokens = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// What a [`Pump`](super::Pump) can do next.
pub(super) enum Next {
    /// The oldest held piece is on record, or never will be.
    Durable(Result<(), &'static str>),
    /// There is something to cut.
    Piece,
    /// The backend's body broke off.
    Broken,
    /// The backend's body ended.
    End,
    /// All of a page has left, and another is needed.
    Turn,
    /// Nothing more is cut, and all that was is on record.
    AllLeft,
}

/// Why a body stops.
pub(super) enum Stop {
    /// It cannot be judged further.
    Fault(&'static str),
    /// The gate cannot know or record.
    Blind(&'static str),
}

/// A record is larger than can be judged, and whoever asks may know of it.
pub(in crate::layer) const TOO_LARGE: &str = "record-too-large";

/// What cannot be judged, by its code.
pub(super) const fn stop(fault: Fault) -> Stop {
    match fault {
        Fault::EntryTooLarge => Stop::Fault(TOO_LARGE),
        _ => Stop::Fault("body-not-judged"),
    }
}

impl From<Stop> for First {
    fn from(stop: Stop) -> First {
        match stop {
            Stop::Fault(code) => First::Fault(code),
            Stop::Blind(code) => First::Blind(code),
        }
    }
}
