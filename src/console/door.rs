//! Who comes in?
//!
//! 1. `Host` is an address, `localhost` or a name of the settings (a page elsewhere cannot make its name point here), else 421
//! 2. style and script: for everybody
//! 3. a form comes from a page of this origin (`Origin`, `Sec-Fetch-Site`), within bounds, else 403, 413
//! 4. `/sign-in…`: for everybody, see `auth`
//! 5. the cookie names an open session, else to `/sign-in`
//! 6. a form carries that session's token, else 403
//!
//! Every answer leaves with the fields that keep a page from loading, framing or telling anything elsewhere.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use http::header::{self, HeaderMap, HeaderName};
use http::uri::Authority;
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::auth::BROWSER;
use super::error::Trouble;
use super::lang::Lang;
use super::page::{self, Asking, Make};
use super::reading::Reading;
use super::session::Session;
use super::state::{Console, State};
use super::{asset, shell};

/// Somebody at the door, not yet known.
pub(super) struct Entering {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) fields: Vec<(String, String)>,
    pub(super) lang: Lang,
    /// Of the socket.
    pub(super) peer: Option<IpAddr>,
    /// The cookie of a browser that was sent to the provider.
    pub(super) browser: Option<String>,
}

impl Entering {
    /// A field of the form; empty where it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A member of the query; empty where it is not there once.
    pub(super) fn asked(&self, name: &str) -> &str {
        let mut found = self.query.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => value,
            _ => "",
        }
    }
}

/// The address that a connection comes from; whoever serves the console puts it into each request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr, /** Whether the connection is TLS. */ pub bool);

/// Somebody who was let in.
#[derive(Clone)]
struct Entered {
    session: Arc<Session>,
    lang: Lang,
    peer: Option<String>,
    query: Vec<(String, String)>,
    fields: Vec<(String, String)>,
    address: String,
    hears_cuts: bool,
}

impl Console {
    /// The console as a service.
    pub fn service(&self) -> Router {
        let state = Arc::clone(&self.0);
        let mut router = Router::new();
        for (path, got, posted) in super::pages::ALL {
            let mut methods = MethodRouter::new();
            if let Some(make) = got {
                methods = methods.merge(get(handler(&state, path, *make)));
            }
            if let Some(make) = posted {
                methods = methods.merge(post(handler(&state, path, *make)));
            }
            router = router.route(path, methods);
        }
        let missing = handler(&state, "", |_, _| Err(Trouble::Missing));
        router.fallback(missing).layer(middleware::from_fn_with_state(state, enter))
    }
}

fn handler(
    state: &Arc<State>,
    route: &'static str,
    make: Make,
) -> impl Fn(Option<Extension<Entered>>, RawPathParams) -> std::pin::Pin<Box<dyn Future<Output = Response> + Send>>
+ Clone
+ Send
+ Sync
+ 'static {
    let state = Arc::clone(state);
    move |entered, parts| {
        let state = Arc::clone(&state);
        let parts = parts.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Box::pin(async move {
            let Some(Extension(entered)) = entered else {
                return shell::trouble(Lang::En, None, &Trouble::Unable("nobody was let in".to_owned()));
            };
            let Entered { session, lang, peer, query, fields, address, hears_cuts } = entered;
            let asking = Asking { session, lang, route, address, parts, query, fields, peer, hears_cuts };
            page::answer(state, asking, make).await
        })
    }
}

async fn enter(
    axum::extract::State(state): axum::extract::State<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = entered(&state, request, next).await;
    for (name, value) in GUARDS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn entered(state: &Arc<State>, request: Request, next: Next) -> Response {
    let Some(host) = host(&request).filter(|host| is_ours(host, &state.hosts)) else {
        return (StatusCode::MISDIRECTED_REQUEST, "this host is not served here\n").into_response();
    };
    if let Some(asset) = asset::find(request.uri().path()) {
        return asset;
    }
    let peer = request.extensions().get::<Peer>().copied();
    let scheme = if peer.is_some_and(|Peer(_, is_tls)| is_tls) { "https" } else { "http" };
    let origin = format!("{scheme}://{host}");
    let asked = request.uri().query().unwrap_or_default().as_bytes();
    if is_long(asked) {
        return (StatusCode::BAD_REQUEST, "the address asks for too much at once\n").into_response();
    }
    let query = pairs(asked);
    let path = request.uri().path().to_owned();
    let lang = language(request.headers());
    if let Some(chosen) = query.iter().find(|(name, _)| name == "lang").and_then(|(_, code)| Lang::from_code(code)) {
        return choose(chosen, &path, &query);
    }
    let (parts, body) = request.into_parts();
    let fields = match parts.method {
        Method::GET | Method::HEAD => Vec::new(),
        Method::POST => match form(&parts.headers, body, &origin).await {
            Ok(fields) => fields,
            Err(status) => return (status, "the form cannot be taken\n").into_response(),
        },
        _ => return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD, POST")]).into_response(),
    };
    if path == SIGN_IN || path.starts_with("/sign-in/") {
        let peer = peer.map(|Peer(address, _)| address);
        let browser = cookie(&parts.headers, BROWSER).map(str::to_owned);
        let entering = Entering { method: parts.method, path, query, fields, lang, peer, browser };
        return state.auth.serve(state, entering).await;
    }
    let address = parts.uri.path_and_query().map_or_else(|| path.clone(), |known| known.as_str().to_owned());
    let cookie = cookie(&parts.headers, SESSION);
    let session = cookie.and_then(|cookie| state.sessions.find(cookie, state.now_ms()));
    let session = session.filter(|session| state.auth.still(&session.person));
    let Some(session) = session else {
        let next = utf8_percent_encode(&address, NON_ALPHANUMERIC).to_string();
        let to = if parts.method == Method::POST { SIGN_IN.to_owned() } else { format!("{SIGN_IN}?next={next}") };
        return (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    };
    if parts.method == Method::POST {
        let token = fields.iter().find(|(name, _)| name == shell::TOKEN).map_or("", |(_, value)| value);
        if aws_lc_rs::constant_time::verify_slices_are_equal(token.as_bytes(), session.token.as_bytes()).is_err() {
            return shell::trouble(lang, None, &Trouble::Forged);
        }
    }
    let peer = peer.map(|Peer(address, _)| address.to_string());
    if path == SIGN_OUT {
        return sign_out(state, &parts.method, &session, cookie.unwrap_or_default(), peer.as_deref()).await;
    }
    let hears_cuts = parts.version >= http::Version::HTTP_11;
    let mut request = Request::from_parts(parts, Body::empty());
    request.extensions_mut().insert(Entered { session, lang, peer, query, fields, address, hears_cuts });
    next.run(request).await
}

async fn sign_out(state: &State, method: &Method, session: &Session, cookie: &str, peer: Option<&str>) -> Response {
    if *method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response();
    }
    state.sessions.end(cookie);
    let reading = Reading { action: "sign-out", page: "sign-out", ..Reading::default() };
    if let Err(error) = state.readings.record(&session.person, peer, &reading).await {
        // He is out either way; what cannot be recorded is told to whoever runs the process.
        tracing::error!(%error, "a sign-out is not on record");
    }
    let gone = format!("{SESSION}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    (StatusCode::SEE_OTHER, [(header::LOCATION, SIGN_IN.to_owned()), (header::SET_COOKIE, gone)]).into_response()
}

/// The fields of a form that a page of this origin sent.
async fn form(headers: &HeaderMap, body: Body, origin: &str) -> Result<Vec<(String, String)>, StatusCode> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let is_own = match (text(header::ORIGIN), site) {
        // Behind what ends TLS for it the console does not see how the browser came.
        (Some(named), _) => named == origin || named.strip_prefix("https") == origin.strip_prefix("http"),
        (None, site) => site == Some("same-origin"),
    };
    if !is_own || site.is_some_and(|site| site != "same-origin") {
        return Err(StatusCode::FORBIDDEN);
    }
    let media = text(header::CONTENT_TYPE).and_then(|media| media.split(';').next()).unwrap_or_default();
    if !media.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let bytes: Bytes = match Limited::new(body, FORM_BYTES_MAX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => return Err(StatusCode::PAYLOAD_TOO_LARGE),
    };
    if is_long(&bytes) {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(pairs(&bytes))
}

/// Whether there are more pairs than are read: a filter that is passed over shows more than was asked for.
fn is_long(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'&').count() > PAIRS_MAX
}

/// `a=b&c=d`, unescaped; what is no UTF-8 comes out as U+FFFD.
pub(super) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let plain = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let each = text.split('&').filter(|pair| !pair.is_empty());
    each.take(PAIRS_MAX)
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (plain(k), plain(v)))
        .collect()
}

/// Keeps the language and goes on to where he was.
fn choose(lang: Lang, path: &str, query: &[(String, String)]) -> Response {
    let rest = query.iter().filter(|(name, _)| name != "lang");
    let query = joined(rest.map(|(name, value)| (name.as_str(), value.as_str())));
    // A path that begins with two slashes would be another host's.
    let path = format!("/{}", path.trim_start_matches(['/', '\\']));
    let to = if query.is_empty() { path } else { format!("{path}?{query}") };
    let kept = format!("{LANGUAGE}={}; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax", lang.code());
    (StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::SET_COOKIE, kept)]).into_response()
}

/// A query of these pairs, escaped.
pub(super) fn joined<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let escape = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    pairs.map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&")
}

fn language(headers: &HeaderMap) -> Lang {
    if let Some(chosen) = cookie(headers, LANGUAGE).and_then(Lang::from_code) {
        return chosen;
    }
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = wanted.split([',', ';', '-']).next().unwrap_or_default().trim().to_ascii_lowercase();
    Lang::from_code(&first).unwrap_or_default()
}

/// The value of a cookie that stands there once.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut found = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value);
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

fn host<B>(request: &http::Request<B>) -> Option<Authority> {
    let mut fields = request.headers().get_all(header::HOST).iter();
    let named = request.uri().authority();
    match (fields.next(), fields.next()) {
        // A target that names a host names this one (RFC 9112 section 3.2.2).
        (Some(value), None) => {
            let field: Authority = value.to_str().ok()?.parse().ok()?;
            named.is_none_or(|named| *named == field).then_some(field)
        }
        (None, None) => named.cloned(),
        (_, Some(_)) => None,
    }
}

fn is_ours(authority: &Authority, hosts: &[String]) -> bool {
    let host = authority.host().to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok() || hosts.contains(&host)
}

const SIGN_IN: &str = "/sign-in";
const SIGN_OUT: &str = "/sign-out";
/// `__Host-`: sent back only to this very host, whole, and over what the browser holds to be secure.
pub(super) const SESSION: &str = "__Host-sekisho";
const LANGUAGE: &str = "sekisho-language";
const FORM_BYTES_MAX: usize = 64 << 10;
const PAIRS_MAX: usize = 256;
/// What stands in a query as it is.
const QUERY: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':').remove(b',');

const GUARDS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
    ("x-frame-options", "DENY"),
];
