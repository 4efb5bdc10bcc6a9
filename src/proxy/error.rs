//! Why does the proxy not start, or a reload not take?

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::policy::Faults;

/// What the proxy cannot do. Messages name keys, files and addresses, never contents of keys.
#[derive(Debug)]
pub enum ProxyError {
    /// An address cannot be bound.
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Plain HTTP on an address that others can reach.
    Plaintext {
        /// The address.
        address: SocketAddr,
    },
    /// A file cannot be used.
    File {
        /// The file.
        path: PathBuf,
        /// Why, in lower case.
        message: String,
    },
    /// Documents with faults.
    Faults(Faults),
    /// Anything else that stops the start, in lower case.
    Start(String),
}

impl ProxyError {
    pub(super) fn file(path: impl Into<PathBuf>, message: impl fmt::Display) -> ProxyError {
        ProxyError::File { path: path.into(), message: message.to_string() }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::Bind { address, source } => write!(f, "`{address}` cannot be bound: {source}"),
            ProxyError::Plaintext { address } => write!(
                f,
                "`{address}` is not a loopback address: set `gate.tls`, or `gate.insecure-plaintext = true` where \
                 something before the gate ends TLS"
            ),
            ProxyError::File { path, message } => write!(f, "{}: {message}", path.display()),
            ProxyError::Faults(faults) => write!(f, "{faults}"),
            ProxyError::Start(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ProxyError {}

impl From<Faults> for ProxyError {
    fn from(faults: Faults) -> ProxyError {
        ProxyError::Faults(faults)
    }
}
