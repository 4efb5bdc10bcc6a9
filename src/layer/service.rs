//! The tower service: each waiting request is one future; nothing is spawned.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};

use super::body::{BoxError, GateBody};
use super::exchange::{Exchange, Forward, ForwardBody, caught, panicked};
use super::gate::Gate;
use super::pump::Upstream;

/// Lets a request through only with a [`Permit`](crate::decision::Permit).
///
/// Put it inside whatever rewrites paths (it decides on the path it sees) and outside whatever caches (a cached body was
/// cut for another purpose). The inner service gets a request without any field of the caller's but `Accept-Language`
/// and `Content-Type`.
#[derive(Clone)]
pub struct PurposeLayer {
    gate: Arc<Gate>,
}

impl PurposeLayer {
    /// A layer that judges by this gate.
    pub fn new(gate: Arc<Gate>) -> PurposeLayer {
        PurposeLayer { gate }
    }
}

impl<S> Layer<S> for PurposeLayer {
    type Service = PurposeService<S>;

    fn layer(&self, inner: S) -> PurposeService<S> {
        PurposeService { gate: Arc::clone(&self.gate), inner }
    }
}

/// See [`PurposeLayer`].
#[derive(Clone)]
pub struct PurposeService<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for PurposeService<S>
where
    S: Service<Request<ForwardBody>, Response = Response<RB>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    RB: http_body::Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    type Response = Response<GateBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<GateBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A refusal needs no inner service; `oneshot` waits for it where one is forwarded.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = self.inner.clone();
        let forward: Forward = Box::new(move |request| {
            let inner = inner.clone();
            Box::pin(async move {
                let answered = inner.oneshot(request).await.map_err(Into::into)?;
                Ok(answered.map(|body| Box::pin(body.map_err(Into::into)) as Upstream))
            })
        });
        let (head, body) = request.into_parts();
        let exchange = Exchange::new(Arc::clone(&self.gate), &head);
        Box::pin(async move {
            let (id, head_only) = (exchange.id().to_owned(), head.method == http::Method::HEAD);
            let answered = caught(exchange.answer(head, body, forward)).await;
            Ok(answered.unwrap_or_else(|| {
                panicked().response(&id, false).map(|text| GateBody::whole(if head_only { Bytes::new() } else { text }))
            }))
        })
    }
}
