//! How is the gate doing? `/livez`, `/readyz` and `/metrics`, on a door of their own.
//!
//! A page in somebody's browser must not ask: `Host` has to be an address, `localhost` or a name from the settings, and an
//! `Origin` is refused. No answer holds data of a request.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use tower::Service;

use super::body::{AnswerBody, text};
use super::listener::plain;

/// Whether requests can be answered now, in lines of text: `Err` is not ready.
pub type Readiness = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// The admin door's service.
#[derive(Clone)]
pub struct Admin {
    hosts: Arc<Vec<String>>,
    metrics: PrometheusHandle,
    readiness: Readiness,
}

impl Admin {
    /// `hosts`: names, in lower case, besides `localhost` and addresses that `Host` may hold.
    pub fn new(hosts: Vec<String>, metrics: PrometheusHandle, readiness: Readiness) -> Admin {
        Admin { hosts: Arc::new(hosts), metrics, readiness }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<AnswerBody> {
        if !self.is_ours(request) {
            return plain(StatusCode::MISDIRECTED_REQUEST, "this host is not served here\n");
        }
        if request.headers().contains_key(header::ORIGIN) {
            return plain(StatusCode::FORBIDDEN, "pages may not ask\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/livez" => plain(StatusCode::OK, "ok\n"),
            "/readyz" => match (self.readiness)() {
                Ok(detail) => with(plain(StatusCode::OK, ""), detail),
                Err(detail) => with(plain(StatusCode::SERVICE_UNAVAILABLE, ""), detail),
            },
            "/metrics" => {
                let mut response = with(plain(StatusCode::OK, ""), self.metrics.render());
                let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, media);
                response
            }
            _ => plain(StatusCode::NOT_FOUND, "/livez /readyz /metrics\n"),
        }
    }

    fn is_ours<B>(&self, request: &Request<B>) -> bool {
        let mut fields = request.headers().get_all(header::HOST).iter();
        let field = match (fields.next(), fields.next()) {
            (Some(value), None) => value.to_str().ok().and_then(|value| value.parse::<Authority>().ok()),
            (None, None) => request.uri().authority().cloned(),
            (_, Some(_)) => None,
        };
        let Some(authority) = field else { return false };
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok() || self.hosts.contains(&host)
    }
}

fn with(response: Response<AnswerBody>, body: String) -> Response<AnswerBody> {
    response.map(|_| text(body))
}

impl<B> Service<Request<B>> for Admin {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.answer(&request);
        Box::pin(async move { Ok(response) })
    }
}
