//! By which certificates does the gate show who it is, and whom does it believe?

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

use super::error::ProxyError;
use super::settings::{TlsFiles, files};

/// TLS 1.2 and 1.3 from files, HTTP/2 and HTTP/1.1 by ALPN, client certificates where roots are named.
///
/// # Errors
/// A file that cannot be read, or that others may write (the key: read); a key that is not the certificate's.
pub fn server(tls: &TlsFiles) -> Result<Arc<rustls::ServerConfig>, ProxyError> {
    let chain = certificates(&tls.certificate)?;
    let text = files::read_secret(&tls.key)?;
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes());
    let key = key.map_err(|_| ProxyError::file(&tls.key, "holds no private key in PEM"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| ProxyError::Start(error.to_string()))?;
    let builder = match &tls.client_roots {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider);
            let verifier = if tls.client_required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| ProxyError::file(path, error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| ProxyError::file(&tls.certificate, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The authorities of a PEM file.
///
/// # Errors
/// A file that cannot be read, that others may write, or that holds none.
pub fn roots(path: &Path) -> Result<RootCertStore, ProxyError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| ProxyError::file(path, error))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ProxyError> {
    let text = files::read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let certificates = certificates.map_err(|_| ProxyError::file(path, "holds a damaged certificate"))?;
    if certificates.is_empty() {
        return Err(ProxyError::file(path, "holds no certificate in PEM"));
    }
    Ok(certificates)
}
