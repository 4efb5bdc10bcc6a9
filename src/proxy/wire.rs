//! How do checkpoints and exported records reach a place elsewhere? By a file, a `POST`, syslog; each attempt tells whether it was
//! taken, and nothing here tries twice.
//!
//! Over TCP a collector of syslog says nothing of what it took (RFC 6587). So each attempt has a connection of its own: it counts as
//! taken once the collector, having read to the end, closes it too. What a collector loses after that nobody learns: where that
//! matters, `POST` is the place that answers. Over UDP nobody is told that a datagram was lost.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// Sends by `POST`.
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    to: Uri,
    /// What the place wants to be told, a token most likely.
    header: Option<(HeaderName, HeaderValue)>,
}

/// What an answer was.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The first bytes of its body.
    pub(crate) body: Bytes,
}

impl Http {
    /// `root`: whom to believe for `https`, the Web's authorities where none is named.
    pub(crate) fn new(
        to: &Uri,
        root: Option<&Path>,
        header: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Http, String> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(crate::identity::client_tls(root)?);
        // Plain `http` was let in for loopback alone.
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector);
        Ok(Http { client, to: to.clone(), header })
    }

    pub(crate) async fn post(&self, body: Vec<u8>, media: &'static str) -> Result<Answer, String> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.to.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        if let Some((name, value)) = &self.header {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let answer = self.client.request(request).await.map_err(|_| "it cannot be reached".to_owned())?;
        let (head, body) = answer.into_parts();
        // An answer that is longer, or breaks off, says nothing that matters here.
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// Adds to a file, which is made 0600 if it is not there, and flushes it. What a crash left of a line stays by itself; where
/// cells are `quoted`, one that it left open is closed.
pub(crate) async fn append(path: &Path, bytes: Vec<u8>, quoted: bool) -> io::Result<()> {
    let path: PathBuf = path.to_owned();
    tokio::task::spawn_blocking(move || append_now(&path, &bytes, quoted)).await.map_err(io::Error::other)?
}

fn append_now(path: &Path, bytes: &[u8], quoted: bool) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{FileExt, OpenOptionsExt};
    let mut file = std::fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    let mut end = vec![0; usize::try_from(length.min(LINE_BYTES_MAX)).unwrap_or(0)];
    file.read_exact_at(&mut end, length.saturating_sub(LINE_BYTES_MAX))?;
    let torn = end.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    if !torn.is_empty() {
        let is_open = quoted && !torn.iter().filter(|byte| **byte == b'"').count().is_multiple_of(2);
        file.write_all(if is_open { b"\"\n" } else { b"\n" })?;
    }
    file.write_all(bytes)?;
    file.sync_data()
}

/// A datagram a message.
pub(crate) async fn by_udp(to: &str, messages: &[Vec<u8>]) -> io::Result<()> {
    let address = tokio::net::lookup_host(to).await?.next().ok_or(io::ErrorKind::NotFound)?;
    let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(address).await?;
    for message in messages {
        socket.send(message).await?;
    }
    Ok(())
}

/// Octets counted (RFC 6587 §3.4.1), over one connection.
pub(crate) async fn by_tcp(to: &str, messages: &[Vec<u8>]) -> io::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
        bytes.extend_from_slice(message);
    }
    stream.write_all(&bytes).await?;
    stream.shutdown().await?;
    let mut rest = [0; 256];
    let closed = async {
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    };
    let silent = || io::Error::new(io::ErrorKind::TimedOut, "it did not close the connection when it had all");
    tokio::time::timeout(CLOSING, closed).await.unwrap_or_else(|_| Err(silent()))?;
    // One that closed before it had all is told apart by the reset that answers what came too late, a round trip after its end.
    tokio::time::sleep(LINGERING).await;
    stream.take_error()?.map_or(Ok(()), Err)
}

/// Longer than any line that is added.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// What is looked at of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 16;
/// More than a round trip.
const LINGERING: Duration = Duration::from_millis(200);
/// How long a collector may take to read what it was sent.
const CLOSING: Duration = Duration::from_secs(5);
