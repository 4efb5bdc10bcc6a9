//! What does the backend answer, in time and in shape?
//!
//! One pool per site. The layer's target is put under the site's origin; nothing else about the request is the caller's
//! to choose. No redirect is followed, no proxy is taken from the environment. A read whose connection turned out closed
//! before it was sent is sent again on another; a write has a connection of its own and is sent once.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

use super::body::BoxError;
use super::coding::{Decoded, decode};
use super::error::ProxyError;
use super::limits::UpstreamLimits;
use crate::layer::{ForwardBody, Timeout};

type Pool = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The backend of one site, as the service inside [`crate::layer::PurposeLayer`].
#[derive(Clone)]
pub struct Upstream {
    reads: Pool,
    writes: Pool,
    origin: Arc<Origin>,
    limits: UpstreamLimits,
}

struct Origin {
    scheme: http::uri::Scheme,
    authority: http::uri::Authority,
    host: HeaderValue,
    prefix: String,
}

impl Upstream {
    /// A pool for `http://host:port` or `https://host:port`, with or without a path that targets are put under.
    /// `roots` are the only certificate authorities believed for `https`; the web's where `None`.
    ///
    /// # Errors
    /// An origin that is none: another scheme, no host, credentials, a query.
    pub fn new(
        origin: &str,
        roots: Option<rustls::RootCertStore>,
        limits: UpstreamLimits,
    ) -> Result<Upstream, ProxyError> {
        let origin = Arc::new(parsed(origin)?);
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(Duration::from_millis(u64::from(limits.connect_ms))));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let https = match roots {
            Some(roots) => {
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|error| ProxyError::Start(error.to_string()))?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                HttpsConnectorBuilder::new().with_tls_config(config)
            }
            None => HttpsConnectorBuilder::new()
                .with_provider_and_webpki_roots(provider)
                .map_err(|error| ProxyError::Start(error.to_string()))?,
        };
        let connector = https.https_or_http().enable_http1().wrap_connector(http);
        let pool = |idle: usize| {
            let mut builder = Client::builder(TokioExecutor::new());
            builder
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(Duration::from_secs(20))
                .pool_max_idle_per_host(idle)
                .retry_canceled_requests(idle > 0)
                .set_host(false)
                .http1_max_buf_size(usize::try_from(limits.header_bytes_max).unwrap_or(usize::MAX).max(8192))
                .http1_max_headers(usize::try_from(limits.header_count_max).unwrap_or(usize::MAX));
            builder.build(connector.clone())
        };
        Ok(Upstream { reads: pool(256), writes: pool(0), origin, limits })
    }
}

fn parsed(origin: &str) -> Result<Origin, ProxyError> {
    let fault = |why: &str| ProxyError::Start(format!("upstream `{origin}` {why}"));
    let uri: Uri = origin.parse().map_err(|_| fault("is not a URL"))?;
    let scheme = uri.scheme().cloned().filter(|s| matches!(s.as_str(), "http" | "https"));
    let scheme = scheme.ok_or_else(|| fault("does not begin with `http://` or `https://`"))?;
    let authority = uri.authority().cloned().ok_or_else(|| fault("names no host"))?;
    if authority.as_str().contains('@') || uri.query().is_some() {
        return Err(fault("may hold neither credentials nor a query"));
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| fault("names no host"))?;
    Ok(Origin { scheme, authority, host, prefix: uri.path().trim_end_matches('/').to_owned() })
}

/// Whether the origin of a backend can be used; for settings.
///
/// # Errors
/// As [`Upstream::new`].
pub(super) fn check_origin(origin: &str) -> Result<(), ProxyError> {
    parsed(origin).map(|_| ())
}

impl Service<Request<ForwardBody>> for Upstream {
    type Response = Response<Decoded<Answer>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ForwardBody>) -> Self::Future {
        let upstream = self.clone();
        Box::pin(async move { upstream.ask(request).await })
    }
}

impl Upstream {
    async fn ask(self, request: Request<ForwardBody>) -> Result<Response<Decoded<Answer>>, BoxError> {
        let request = self.addressed(request)?;
        let until = Instant::now() + Duration::from_millis(u64::from(self.limits.total_ms));
        let pool = if request.method().is_safe() { &self.reads } else { &self.writes };
        let first = Duration::from_millis(u64::from(self.limits.first_byte_ms.min(self.limits.total_ms)));
        let response = match tokio::time::timeout(first, pool.request(request)).await {
            Err(_) => return Err(Timeout.into()),
            Ok(Err(error)) if timed_out(&error) => return Err(Timeout.into()),
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(response)) => response,
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err("the backend switched protocols".into());
        }
        let headers = response.headers();
        if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
            return Err("the backend framed its answer twice".into());
        }
        // hyper's own bound is soft: what it has read by then may be longer.
        let head_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if head_bytes > usize::try_from(self.limits.header_bytes_max).unwrap_or(usize::MAX) {
            return Err("the head of the backend's answer is too long".into());
        }
        let idle = Duration::from_millis(u64::from(self.limits.idle_ms));
        let response = response.map(|incoming| Answer { incoming, idle, until, timer: None });
        Ok(decode(response, self.limits.decoded_bytes_max, self.limits.decoded_ratio_max))
    }

    /// The same path and query, octet by octet, under the backend's origin.
    fn addressed(&self, request: Request<ForwardBody>) -> Result<Request<ForwardBody>, BoxError> {
        let (mut head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let target = format!("{}{target}", self.origin.prefix);
        head.uri = Uri::builder()
            .scheme(self.origin.scheme.clone())
            .authority(self.origin.authority.clone())
            .path_and_query(target)
            .build()?;
        head.version = http::Version::HTTP_11;
        head.headers.insert(header::HOST, self.origin.host.clone());
        head.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        head.extensions.clear();
        Ok(Request::from_parts(head, body))
    }
}

fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::TimedOut) {
            return true;
        }
        at = error.source();
    }
    false
}

/// The body of a backend's answer: each frame and the whole in time, an early end an error.
pub struct Answer {
    incoming: Incoming,
    idle: Duration,
    until: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if let Poll::Ready(frame) = polled {
            self.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let next = (Instant::now() + self.idle).min(self.until);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next)));
        timer.as_mut().poll(cx).map(|()| Some(Err(Timeout.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
