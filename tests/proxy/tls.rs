//! TLS from files: versions, protocols, client certificates.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sekisho::layer::PeerCertificate;
use sekisho::proxy::CallerBody;
use sekisho::proxy::limits::Limits;
use sekisho::proxy::listener::{Listener, Tls};
use sekisho::proxy::settings::TlsFiles;
use sekisho::proxy::tls::server;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::service_fn;

use super::support::{Scratch, chmod, soon};

pub(super) struct Made {
    scratch: Scratch,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Made {
    pub(super) fn new() -> Made {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let made = Made { scratch: Scratch::new(), authority };
        let (chain, key) = made.leaf("localhost");
        made.scratch.write("chain.pem", &chain, 0o644);
        made.scratch.write("key.pem", &key, 0o600);
        made.scratch.write("roots.pem", &made.authority.pem(), 0o644);
        made
    }

    fn leaf(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.0.join(name)
    }

    pub(super) fn files(&self, clients: bool, required: bool) -> TlsFiles {
        TlsFiles {
            certificate: self.path("chain.pem"),
            key: self.path("key.pem"),
            client_roots: clients.then(|| self.path("roots.pem")),
            client_required: required,
        }
    }

    fn listen(&self, clients: bool, required: bool) -> (SocketAddr, Tls) {
        let tls: Tls = Arc::new(ArcSwap::new(server(&self.files(clients, required)).unwrap()));
        let listener =
            Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Some(Arc::clone(&tls)), false, Limits::default());
        let listener = listener.unwrap();
        let address = listener.address();
        tokio::spawn(listener.serve(service_fn(tell), CancellationToken::new()));
        (address, tls)
    }

    pub(super) async fn connect(
        &self,
        address: SocketAddr,
        alpn: &[&str],
        certificate: Option<(String, String)>,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }
}

/// Tells the protocol and whether a certificate came with the connection.
async fn tell(request: Request<CallerBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let certificate = request.extensions().get::<PeerCertificate>().map_or(0, |der| der.0.len());
    Ok(Response::new(Full::from(format!("{:?} {certificate}", request.version()))))
}

async fn over_h1(stream: TlsStream<TcpStream>) -> Option<String> {
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();
    let response = soon(client.send_request(request)).await.ok()?;
    Some(String::from_utf8(response.into_body().collect().await.ok()?.to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn both_protocols_and_both_versions_are_spoken() {
    let made = Made::new();
    let (address, _) = made.listen(false, false);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = made.connect(address, &["http/1.1"], None, version).await.unwrap();
        assert_eq!(over_h1(stream).await.unwrap(), "HTTP/1.1 0");
    }
    let stream = made.connect(address, &["h2"], None, &rustls::version::TLS13).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "HTTP/2.0 0");
}

#[tokio::test]
async fn a_client_certificate_is_told_only_where_its_authority_is_believed() {
    let made = Made::new();
    let client = made.leaf("client");
    let length = CertificateDer::from_pem_slice(client.0.as_bytes()).unwrap().len();
    let (address, _) = made.listen(true, false);
    let stream = made.connect(address, &["http/1.1"], Some(client.clone()), &rustls::version::TLS13).await.unwrap();
    assert_eq!(over_h1(stream).await.unwrap(), format!("HTTP/1.1 {length}"));
    let stream = made.connect(address, &["http/1.1"], None, &rustls::version::TLS13).await.unwrap();
    assert_eq!(over_h1(stream).await.unwrap(), "HTTP/1.1 0");
    let stranger = Made::new().leaf("client");
    // In TLS 1.2 the refusal comes within the handshake.
    assert!(made.connect(address, &["http/1.1"], Some(stranger), &rustls::version::TLS12).await.is_err());
    let (required, _) = made.listen(true, true);
    assert!(made.connect(required, &["http/1.1"], None, &rustls::version::TLS12).await.is_err());
}

#[tokio::test]
async fn a_new_certificate_counts_for_new_connections() {
    let made = Made::new();
    let (address, tls) = made.listen(false, false);
    let before = made.connect(address, &[], None, &rustls::version::TLS13).await.unwrap();
    let (chain, key) = made.leaf("localhost");
    made.scratch.write("chain.pem", &chain, 0o644);
    made.scratch.write("key.pem", &key, 0o600);
    tls.store(server(&made.files(false, false)).unwrap());
    let after = made.connect(address, &[], None, &rustls::version::TLS13).await.unwrap();
    let leaf = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    assert_ne!(leaf(&before), leaf(&after));
    assert_eq!(over_h1(before).await.unwrap(), "HTTP/1.1 0");
}

#[test]
fn files_that_cannot_be_believed_are_refused() {
    let made = Made::new();
    chmod(&made.path("key.pem"), 0o644);
    assert!(server(&made.files(false, false)).is_err(), "a key that others may read");
    chmod(&made.path("key.pem"), 0o600);
    made.scratch.write("key.pem", &made.leaf("localhost").1, 0o600);
    assert!(server(&made.files(false, false)).is_err(), "a key of another certificate");
    made.scratch.write("chain.pem", "", 0o644);
    assert!(server(&made.files(false, false)).is_err(), "no certificate");
}
