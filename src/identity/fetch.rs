//! What does the issuer publish at the address that the settings name?
//!
//! One GET over `https`, or over `http` to a loopback address: no redirect is followed, nothing but 200 is read, at
//! most [`KEY_SET_BYTES_MAX`], within one deadline that covers connecting, TLS and the whole body. Each fetch uses a
//! connection of its own. No environment variable and no answer changes where it goes.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::files;

/// The largest answer that is read, in bytes: a key set, or what a provider of sign-ins says.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;

/// Fetches one issuer's key set.
pub(super) struct Fetcher {
    uri: Uri,
    web: Web,
}

/// Asks hosts that the settings name, as above.
#[derive(Clone)]
pub(crate) struct Web(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why a fetch brought no key set. The set before it stays in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// Not reached, TLS refused, or cut off.
    Connection,
    /// An answer other than 200; a redirect is one of these.
    Status(StatusCode),
    /// The body is cut off, or larger than [`KEY_SET_BYTES_MAX`].
    Body,
    /// The deadline passed.
    Deadline,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Connection => f.write_str("the key set's host cannot be reached"),
            FetchError::Status(status) if status.is_redirection() => {
                write!(f, "the key set's host answered {}: redirects are not followed", status.as_u16())
            }
            FetchError::Status(status) => write!(f, "the key set's host answered {}", status.as_u16()),
            FetchError::Body => write!(f, "the key set is cut off or larger than {KEY_SET_BYTES_MAX} bytes"),
            FetchError::Deadline => f.write_str("the key set did not arrive in time"),
        }
    }
}

impl std::error::Error for FetchError {}

impl Web {
    /// Trusts the root certificates in `root` only, or the Web's where none is named.
    ///
    /// # Errors
    /// In words: the file cannot be read, or holds no certificate.
    pub(crate) fn new(root: Option<&Path>, may_be_plain: bool) -> Result<Web, String> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(client_tls(root)?);
        let connector = match may_be_plain {
            true => builder.https_or_http().enable_http1().build(),
            false => builder.https_only().enable_http1().build(),
        };
        Ok(Web(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)))
    }

    /// One request and its whole answer, whatever its status, within `deadline`.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, FetchError> {
        let answered = async {
            let response = self.0.request(request).await.map_err(|_| FetchError::Connection)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, KEY_SET_BYTES_MAX).collect().await.map_err(|_| FetchError::Body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(deadline, answered).await.map_err(|_| FetchError::Deadline)?
    }

    /// What stands at `uri`.
    pub(crate) async fn get(&self, uri: &Uri, deadline: Duration) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(http::header::ACCEPT, http::HeaderValue::from_static("application/json"));
        let response = self.send(request, deadline).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        Ok(response.into_body())
    }
}

impl Fetcher {
    /// Prepares to fetch `uri`, trusting the root certificates in `root` only, or the Web's where none is named.
    ///
    /// # Errors
    /// In words: the file cannot be read, or holds no certificate.
    pub(super) fn new(uri: Uri, root: Option<&Path>) -> Result<Fetcher, String> {
        // The settings admit `http` for loopback addresses alone.
        let web = Web::new(root, uri.scheme_str() == Some("http"))?;
        Ok(Fetcher { uri, web })
    }

    /// Fetches once, within `deadline`.
    pub(super) async fn fetch(&self, deadline: Duration) -> Result<Bytes, FetchError> {
        self.web.get(&self.uri, deadline).await
    }
}

/// Whom to believe as a client: the roots of a file, or the Web's.
///
/// # Errors
/// In words: the file cannot be read, or holds no certificate.
pub(crate) fn client_tls(root: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS cannot be set up".to_owned())?;
    let Some(path) = root else { return Ok(builder.with_webpki_roots().with_no_client_auth()) };
    let text = files::read(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let added = certificate.ok().map(|certificate| roots.add(certificate));
        if !matches!(added, Some(Ok(()))) {
            return Err(format!("`{}` holds something that is not a root certificate", path.display()));
        }
    }
    if roots.is_empty() {
        return Err(format!("`{}` holds no certificate in PEM", path.display()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
