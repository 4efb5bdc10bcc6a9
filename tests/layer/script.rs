//! A backend's body that does what a test wants at each step.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use sekisho::layer::BoxError;

/// What a backend's body does when it is asked for more.
pub(crate) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Something happens meanwhile.
    Do(Box<dyn FnOnce() + Send>),
    /// The connection breaks.
    Break,
    Panic,
    /// Nothing more comes, and no end.
    Hang,
}

/// A backend's body, by a script.
#[derive(Default)]
pub(crate) struct Script(pub(crate) VecDeque<Step>);

impl Script {
    pub(crate) fn of(steps: impl IntoIterator<Item = Step>) -> Script {
        Script(steps.into_iter().collect())
    }

    /// These bytes, so many at a time (0: all at once).
    pub(crate) fn chunked(bytes: &Bytes, size: usize) -> Script {
        let size = if size == 0 { bytes.len().max(1) } else { size };
        Script::of((0..bytes.len()).step_by(size).map(|at| Step::Data(bytes.slice(at..bytes.len().min(at + size)))))
    }
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        loop {
            return Poll::Ready(match self.0.pop_front() {
                None => None,
                Some(Step::Data(bytes)) => Some(Ok(http_body::Frame::data(bytes))),
                Some(Step::Trailers(fields)) => Some(Ok(http_body::Frame::trailers(fields))),
                Some(Step::Do(act)) => {
                    act();
                    continue;
                }
                Some(Step::Break) => Some(Err("reset".into())),
                Some(Step::Panic) => panic!("the backend's body panics"),
                Some(Step::Hang) => {
                    self.0.push_front(Step::Hang);
                    return Poll::Pending;
                }
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}
