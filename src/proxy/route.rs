//! Whose site is this request for, and may it be asked at all?
//!
//! In this order: methods that open tunnels or echo (405); the target and `Host`, which have to agree (400); the site by
//! host and the longest path (404); CORS preflights, answered from the site's own list and never forwarded; expectations
//! and upgrades (417, 501); a coding to answer in (406). Only then is the site's prefix cut off and its service asked.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::BodyExt;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use super::body::{AnswerBody, BoxError};
use super::coding::{Coding, encode, takes_plain};
use super::listener::plain;
use crate::layer::PeerAddress;

/// Fields that a script may send, and read.
const CORS_REQUEST_FIELDS: &str =
    "authorization, content-type, purpose-of-use, purpose-of-use-dry-run, if-match, if-none-match, traceparent";
const CORS_ANSWER_FIELDS: &str = "purpose-of-use-decision, etag, location, retry-after, www-authenticate";
const CORS_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// One site: where it is, and what answers.
pub struct Site<B> {
    host: String,
    prefix: String,
    cors_origins: Vec<String>,
    service: BoxCloneSyncService<Request<B>, Response<AnswerBody>, Infallible>,
}

impl<B: Send + 'static> Site<B> {
    /// `host`: in lower case, without port, or `*`. `prefix`: begins with `/` and does not end with one, or is empty.
    pub fn new<S, RB>(host: &str, prefix: &str, cors_origins: &[String], service: S) -> Site<B>
    where
        S: Service<Request<B>, Response = Response<RB>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send,
        RB: http_body::Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let boxed = |response: Response<RB>| response.map(|body| BodyExt::map_err(body, Into::into).boxed_unsync());
        Site {
            host: host.to_owned(),
            prefix: prefix.to_owned(),
            cors_origins: cors_origins.to_vec(),
            service: BoxCloneSyncService::new(service.map_response(boxed)),
        }
    }
}

/// Who is told of a refusal before any site was asked: the caller's address, and a word for what was wrong.
pub type Counted = Arc<dyn Fn(IpAddr, &'static str) + Send + Sync>;

/// The sites of a gate, as one service.
pub struct Router<B> {
    sites: Arc<Vec<Site<B>>>,
    counted: Counted,
    page: Option<Page>,
}

/// A page of the proxy's own that anybody may read, below every host and before any site is asked.
#[derive(Clone)]
struct Page {
    path: &'static str,
    text: Arc<ArcSwap<String>>,
}

impl<B> Clone for Router<B> {
    fn clone(&self) -> Router<B> {
        Router { sites: Arc::clone(&self.sites), counted: Arc::clone(&self.counted), page: self.page.clone() }
    }
}

impl<B> Router<B> {
    /// A router over these sites, in any order. What it refuses itself is told to `counted`: nobody is proven yet.
    pub fn new(sites: Vec<Site<B>>, counted: impl Fn(IpAddr, &'static str) + Send + Sync + 'static) -> Router<B> {
        Router { sites: Arc::new(sites), counted: Arc::new(counted), page: None }
    }

    /// Serves a text that anybody may read at this path of every host; nothing of it reaches a site.
    #[must_use]
    pub fn with_page(self, path: &'static str, text: Arc<ArcSwap<String>>) -> Router<B> {
        Router { page: Some(Page { path, text }), ..self }
    }

    fn site(&self, host: &str, path: &str) -> Option<&Site<B>> {
        let below = |site: &&Site<B>| {
            path.strip_prefix(site.prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let named = self.sites.iter().filter(|site| site.host == host).filter(below);
        let any = self.sites.iter().filter(|site| site.host == "*").filter(below);
        named.max_by_key(|site| site.prefix.len()).or_else(|| any.max_by_key(|site| site.prefix.len()))
    }
}

impl<B: Send + 'static> Service<Request<B>> for Router<B> {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let router = self.clone();
        let peer = request.extensions().get::<PeerAddress>().map(|peer: &PeerAddress| peer.0.ip());
        Box::pin(async move {
            let refused = match router.answer(request).await {
                Ok(response) => return Ok(response),
                Err(refused) => refused,
            };
            (router.counted)(peer.unwrap_or(IpAddr::from([0, 0, 0, 0])), refused.1);
            Ok(refused.response())
        })
    }
}

/// An answer of the proxy's own: status, what is counted, what is told.
struct Refused(StatusCode, &'static str, &'static str);

impl Refused {
    fn response(self) -> Response<AnswerBody> {
        let mut response = plain(self.0, self.2);
        if self.0 == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(CORS_METHODS));
        }
        response
    }
}

impl Page {
    fn answer(&self, method: &Method) -> Result<Response<AnswerBody>, Refused> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "this page can only be read\n"));
        }
        Ok(plain(StatusCode::OK, self.text.load().as_bytes().to_vec()))
    }
}

impl<B: Send + 'static> Router<B> {
    async fn answer(&self, mut request: Request<B>) -> Result<Response<AnswerBody>, Refused> {
        if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
            return Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "this method is not served\n"));
        }
        let host = host(&request)?;
        if request.uri().path() == "*" {
            return Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "this method is not served\n"));
        }
        if let Some(page) = self.page.as_ref().filter(|page| request.uri().path() == page.path) {
            return page.answer(request.method());
        }
        let site = self.site(&host, request.uri().path());
        let site = site.ok_or(Refused(StatusCode::NOT_FOUND, "no-such-site", "nothing is served here\n"))?;
        let origin = allowed_origin(request.headers(), &site.cors_origins);
        if request.method() == Method::OPTIONS {
            return preflight(request.headers(), origin.as_ref());
        }
        expectations(request.headers())?;
        let not_acceptable =
            Refused(StatusCode::NOT_ACCEPTABLE, "not-acceptable", "no content coding that is accepted is offered\n");
        let coding = Coding::accepted(request.headers()).map_err(|_| not_acceptable)?;
        let coding = if request.method() == Method::HEAD { Coding::Identity } else { coding };
        let plain = takes_plain(request.headers());
        *request.uri_mut() = below(request.uri(), &site.prefix)?;
        let response = match site.service.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let mut response = encode(response, coding, plain).map(BodyExt::boxed_unsync);
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(CORS_ANSWER_FIELDS));
        }
        Ok(response)
    }
}

/// The host that is asked for, in lower case and without port; target and `Host` agree (RFC 9112 §3.2, RFC 9113 §8.3.1).
fn host<B>(request: &Request<B>) -> Result<String, Refused> {
    const BAD: Refused =
        Refused(StatusCode::BAD_REQUEST, "bad-host", "`Host` is missing, doubled or not the target's\n");
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(BAD);
    }
    let field = match field {
        Some(value) => Some(value.to_str().ok().and_then(|v| v.parse::<Authority>().ok()).ok_or(BAD)?),
        None => None,
    };
    let target = request.uri().authority();
    let agree = match (target, &field) {
        (Some(target), Some(field)) => target.as_str().eq_ignore_ascii_case(field.as_str()),
        (Some(_), None) => request.version() == Version::HTTP_2,
        (None, Some(_)) => true,
        (None, None) => false,
    };
    let authority = target.or(field.as_ref()).filter(|a| agree && !a.as_str().contains('@')).ok_or(BAD)?;
    Ok(authority.host().trim_end_matches('.').to_ascii_lowercase())
}

/// Only `100-continue`, which hyper answers once the body is first asked for: after the permit. An `Upgrade` to HTTP/2 is
/// passed over, as RFC 9110 §7.8 allows, for some clients always offer it; any other would be a tunnel.
fn expectations(headers: &HeaderMap) -> Result<(), Refused> {
    let all = |name, wanted: &str| {
        headers.get_all(name).iter().all(|v: &HeaderValue| v.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    if !all(header::EXPECT, "100-continue") {
        return Err(Refused(StatusCode::EXPECTATION_FAILED, "expectation", "this expectation is not met\n"));
    }
    if !all(header::UPGRADE, "h2c") {
        return Err(Refused(StatusCode::NOT_IMPLEMENTED, "upgrade", "no protocol is switched to\n"));
    }
    Ok(())
}

/// The target below the site's prefix, octet by octet.
fn below(uri: &Uri, prefix: &str) -> Result<Uri, Refused> {
    let bad = |_| Refused(StatusCode::BAD_REQUEST, "bad-target", "the target is not a path\n");
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let rest = target.strip_prefix(prefix).unwrap_or(target);
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let target = PathAndQuery::try_from(format!("{slash}{rest}")).map_err(|_| bad(()))?;
    Ok(Uri::from(target))
}

fn allowed_origin(headers: &HeaderMap, allowed: &[String]) -> Option<HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next().filter(|_| origins.next().is_none())?;
    allowed.iter().any(|name| name.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

fn preflight(headers: &HeaderMap, origin: Option<&HeaderValue>) -> Result<Response<AnswerBody>, Refused> {
    let refused = Refused(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "this method is not served\n");
    let origin = origin.filter(|_| headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)).ok_or(refused)?;
    let mut response = plain(StatusCode::NO_CONTENT, "");
    let answer = response.headers_mut();
    answer.remove(header::CONTENT_TYPE);
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(CORS_METHODS));
    answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(CORS_REQUEST_FIELDS));
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    answer.insert(header::VARY, HeaderValue::from_static("origin, access-control-request-method"));
    Ok(response)
}
