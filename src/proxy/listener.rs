//! Who connects, and is what he sends a request in time and in shape?
//!
//! A connection is accepted within the limits per address, its TLS handshake done, its protocol chosen (HTTP/2 by ALPN,
//! by prior knowledge on loopback only; `Upgrade: h2c` is never honoured), its requests handed to the service. Parsing
//! is hyper's, without any of its leniencies.
//!
//! Promises:
//! * A caller who stalls, in a head, a body or in taking the answer, is cut within the limits (`watch`).
//! * A panic in one request is a 500 for that request and nothing more.
//! * Once asked to stop, nothing new is accepted and what is open may end within `drain-ms`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use super::body::{AnswerBody, BoxError, CallerBody, Outgoing, text};
use super::error::ProxyError;
use super::limits::Limits;
use super::watch::{Watch, Watched};
use crate::layer::{PeerAddress, PeerCertificate};

/// The TLS side of a listener; a reload swaps it, open connections keep theirs.
pub type Tls = Arc<ArcSwap<rustls::ServerConfig>>;

/// A bound socket that nobody has been accepted on yet.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    limits: Limits,
}

/// What the kernel may hold of answers that a caller does not take; the rest is seen to stall.
const SEND_BUFFER_BYTES: u32 = 256 << 10;
const BACKLOG: u32 = 1024;

impl Listener {
    /// Binds the address (port 0: any free port).
    ///
    /// # Errors
    /// The address cannot be bound; or it is not loopback, has no TLS, and `insecure_plaintext` does not allow that.
    pub fn bind(
        address: SocketAddr,
        tls: Option<Tls>,
        insecure_plaintext: bool,
        limits: Limits,
    ) -> Result<Listener, ProxyError> {
        if tls.is_none() && !insecure_plaintext && !address.ip().is_loopback() {
            return Err(ProxyError::Plaintext { address });
        }
        let bound = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.set_reuseaddr(true)?;
            socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
            socket.bind(address)?;
            let socket = socket.listen(BACKLOG)?;
            socket.local_addr().map(|address| (socket, address))
        };
        let (socket, address) = bound().map_err(|source| ProxyError::Bind { address, source })?;
        Ok(Listener { socket, address, tls, limits })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled and all is drained, or `drain-ms` have passed.
    pub async fn serve<S, RB>(self, service: S, stop: CancellationToken)
    where
        S: Service<Request<CallerBody>, Response = Response<RB>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        RB: http_body::Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<BoxError>,
    {
        let Listener { socket, address, tls, limits } = self;
        let shared = Arc::new(Shared {
            limits,
            // Prior knowledge is for tools on the same machine; elsewhere HTTP/2 is agreed in the handshake.
            h2_prior: address.ip().is_loopback(),
            in_flight: Arc::new(Semaphore::new(usize::try_from(limits.requests_in_flight_max).unwrap_or(1))),
            places: Arc::default(),
        });
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, mostly: not a reason to stop, nor to spin.
                    tracing::warn!(kind = ?error.kind(), "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let Some(place) = Place::take(&shared, peer.ip()) else {
                metrics::counter!("sekisho_connections_refused_total").increment(1);
                continue;
            };
            let tls = tls.as_ref().map(|tls| tls.load_full());
            let connection = connection(stream, peer, tls, Arc::clone(&shared), service.clone(), stop.clone());
            connections.spawn(async move {
                connection.await;
                drop(place);
            });
        }
        drop(socket);
        let drained = async { while connections.join_next().await.is_some() {} };
        let drain = Duration::from_millis(u64::from(limits.drain_ms));
        if timeout(drain, drained).await.is_err() {
            tracing::warn!(open = connections.len(), "connections were cut at the end of the drain");
            connections.shutdown().await;
        }
    }
}

struct Shared {
    limits: Limits,
    h2_prior: bool,
    in_flight: Arc<Semaphore>,
    places: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// A connection's place among those of its address; given back when dropped.
struct Place {
    places: Arc<Mutex<HashMap<IpAddr, u32>>>,
    address: IpAddr,
}

impl Place {
    fn take(shared: &Shared, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut places = shared.places.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u64 = places.values().map(|count| u64::from(*count)).sum();
        let of_address = places.get(&address).copied().unwrap_or(0);
        let full = all >= u64::from(shared.limits.connections_max);
        if full || of_address >= shared.limits.connections_per_address_max {
            return None;
        }
        places.insert(address, of_address + 1);
        Some(Place { places: Arc::clone(&shared.places), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = places.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                places.remove(&self.address);
            }
        }
    }
}

/// One host has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

async fn connection<S, RB>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
    shared: Arc<Shared>,
    service: S,
    stop: CancellationToken,
) where
    S: Service<Request<CallerBody>, Response = Response<RB>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    RB: http_body::Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    let _ = stream.set_nodelay(true); // only a matter of speed
    let Some(tls) = tls else {
        let protocols = if shared.h2_prior { Protocols::Either } else { Protocols::Http1 };
        return requests(stream, peer, None, protocols, shared, service, stop).await;
    };
    let handshake = TlsAcceptor::from(tls).accept(stream);
    let limit = Duration::from_millis(u64::from(shared.limits.header_ms));
    let handshake = tokio::select! {
        () = stop.cancelled() => return,
        handshake = timeout(limit, handshake) => handshake,
    };
    let Ok(Ok(stream)) = handshake else {
        metrics::counter!("sekisho_handshakes_failed_total").increment(1);
        return;
    };
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first()).map(|leaf| Arc::from(&**leaf));
    let protocols = if session.alpn_protocol() == Some(b"h2") { Protocols::Http2 } else { Protocols::Http1 };
    requests(stream, peer, certificate, protocols, shared, service, stop).await;
}

#[derive(Clone, Copy)]
enum Protocols {
    Http1,
    Http2,
    Either,
}

async fn requests<T, S, RB>(
    stream: T,
    peer: SocketAddr,
    certificate: Option<Arc<[u8]>>,
    protocols: Protocols,
    shared: Arc<Shared>,
    service: S,
    stop: CancellationToken,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<CallerBody>, Response = Response<RB>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    RB: http_body::Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    let watch = Watch::new(shared.limits);
    let io = TokioIo::new(Watched { stream, watch: Arc::clone(&watch) });
    let builder = builder(&shared.limits, protocols);
    let each = hyper::service::service_fn({
        let watch = Arc::clone(&watch);
        move |request| {
            answer(request, peer, certificate.clone(), Arc::clone(&shared), Arc::clone(&watch), service.clone())
        }
    });
    let mut connection = pin!(builder.serve_connection(io, each));
    let mut tick = tokio::time::interval(watch.tick());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stopping = false;
    loop {
        tokio::select! {
            _ended = connection.as_mut() => return, // an error is the peer's: a broken head, a lost connection
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = tick.tick() => if let Some(why) = watch.overdue() {
                metrics::counter!("sekisho_connections_cut_total", "why" => why).increment(1);
                return;
            }
        }
    }
}

fn builder(limits: &Limits, protocols: Protocols) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let bytes = usize::try_from(limits.header_bytes_max).unwrap_or(usize::MAX);
    let count = usize::try_from(limits.header_count_max).unwrap_or(usize::MAX);
    let resets = usize::try_from(limits.h2_resets_max).unwrap_or(usize::MAX);
    // The head's time is the watch's matter: hyper's timer would also cut connections that rest between requests.
    builder.http1().header_read_timeout(None).max_headers(count).max_buf_size(bytes.max(8192)).half_close(false);
    builder
        .http2()
        .max_header_list_size(limits.header_bytes_max)
        .max_concurrent_streams(limits.h2_streams_max)
        .max_pending_accept_reset_streams(resets)
        .max_local_error_reset_streams(resets)
        .max_send_buf_size(64 << 10);
    match protocols {
        Protocols::Http1 => builder.http1_only(),
        Protocols::Http2 => builder.http2_only(),
        Protocols::Either => builder,
    }
}

async fn answer<S, RB>(
    request: Request<Incoming>,
    peer: SocketAddr,
    certificate: Option<Arc<[u8]>>,
    shared: Arc<Shared>,
    watch: Arc<Watch>,
    service: S,
) -> Result<Response<Outgoing>, Infallible>
where
    S: Service<Request<CallerBody>, Response = Response<RB>, Error = Infallible>,
    RB: http_body::Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    let ticket = watch.begin(request.version());
    let Ok(permit) = Arc::clone(&shared.in_flight).try_acquire_owned() else {
        metrics::counter!("sekisho_requests_over_limit_total").increment(1);
        let response = plain(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once\n");
        return Ok(response.map(|body| Outgoing { body, ticket, _permit: None }));
    };
    let Limits { progress_ms, request_ms, .. } = shared.limits;
    let mut request = request.map(|incoming| CallerBody::new(incoming, progress_ms, request_ms));
    request.extensions_mut().insert(PeerAddress(peer));
    if let Some(der) = certificate {
        request.extensions_mut().insert(PeerCertificate(der));
    }
    // A panic is an answer. What the future holds is dropped with it, so that it can record that it failed.
    let response = match AssertUnwindSafe(service.oneshot(request)).catch_unwind().await {
        Ok(Ok(response)) => response.map(|body| BodyExt::map_err(body, Into::into).boxed_unsync()),
        Ok(Err(never)) => match never {},
        Err(_) => {
            metrics::counter!("sekisho_panics_total").increment(1);
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the request failed\n")
        }
    };
    Ok(response.map(|body| Outgoing { body, ticket, _permit: Some(Arc::new(permit)) }))
}

/// The gate's own answer where no site is concerned.
pub(super) fn plain(status: StatusCode, message: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(text(message));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
