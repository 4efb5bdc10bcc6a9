//! How does the sample API hear the gate and nobody else? By a secret of this run that only the gate's client adds.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use tower::Service;

use super::sample::Sample;
use super::{DemoError, random};
use crate::layer::ForwardBody;
use crate::proxy::CallerBody;
use crate::proxy::upstream::Upstream;

/// The field that carries the secret. The gate forwards no field of its callers but two, so that none can come by it.
const FIELD: HeaderName = HeaderName::from_static("sekisho-demo-gate");
/// More than any sample record.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What the gate and its backend share. No `Debug`.
#[derive(Clone)]
pub(super) struct Secret(HeaderValue);

impl Secret {
    /// A new one.
    pub(super) fn new() -> Result<Secret, DemoError> {
        let text = crate::policy::hex(random::<32>()?.as_slice());
        let mut value = HeaderValue::from_str(&text).map_err(|error| DemoError(error.to_string()))?;
        value.set_sensitive(true);
        Ok(Secret(value))
    }

    /// Whether the request carries it, once; compared in constant time.
    fn is_on<B>(&self, request: &Request<B>) -> bool {
        let mut values = request.headers().get_all(&FIELD).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        aws_lc_rs::constant_time::verify_slices_are_equal(value.as_bytes(), self.0.as_bytes()).is_ok()
    }
}

/// The gate's client to the sample API.
#[derive(Clone)]
pub(super) struct FromTheGate {
    pub(super) upstream: Upstream,
    pub(super) secret: Secret,
}

impl Service<Request<ForwardBody>> for FromTheGate {
    type Response = <Upstream as Service<Request<ForwardBody>>>::Response;
    type Error = <Upstream as Service<Request<ForwardBody>>>::Error;
    type Future = <Upstream as Service<Request<ForwardBody>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.upstream.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ForwardBody>) -> Self::Future {
        request.headers_mut().insert(FIELD, self.secret.0.clone());
        self.upstream.call(request)
    }
}

/// The sample API over HTTP.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) sample: Arc<Sample>,
    pub(super) secret: Secret,
}

impl Service<Request<CallerBody>> for Backend {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<CallerBody>) -> Self::Future {
        let backend = self.clone();
        Box::pin(async move { Ok(backend.answer(request).await) })
    }
}

impl Backend {
    async fn answer(self, request: Request<CallerBody>) -> Response<Full<Bytes>> {
        if !self.secret.is_on(&request) {
            return plain(StatusCode::FORBIDDEN, "this sample API answers only its gate\n");
        }
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
            return plain(StatusCode::BAD_REQUEST, "the body did not arrive whole\n");
        };
        let (path, query) = (head.uri.path(), head.uri.query());
        let answer = self.sample.respond(head.method.as_str(), path, query, &body.to_bytes());
        let mut response = Response::new(Full::new(Bytes::from(answer.body)));
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if !answer.content_type.is_empty() {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        }
        response
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
