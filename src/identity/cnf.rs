//! Is the token bound to something that this connection must show?
//!
//! Without `cnf` a token is a plain bearer token. With `x5t#S256` and nothing else, the client certificate of this
//! very connection must have that SHA-256 (RFC 8705 §3.1). Any other confirmation (`jkt`, `jwk`, …) cannot be checked
//! here, so the token is refused, also beside an `x5t#S256` that holds. Checked on every request: a verified token is
//! remembered, the connection it came by is not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::error::AuthError;

/// What the token is bound to.
#[derive(Clone, Copy)]
pub(super) enum Confirmation {
    /// Nothing: whoever bears it may use it.
    Bearer,
    /// The SHA-256 of the client certificate (DER).
    Certificate([u8; 32]),
}

impl Confirmation {
    /// Reads `cnf`.
    ///
    /// # Errors
    /// [`AuthError::ConfirmationUnsupported`].
    pub(super) fn read(claims: &Map<String, Value>) -> Result<Self, AuthError> {
        let Some(confirmation) = claims.get("cnf") else { return Ok(Confirmation::Bearer) };
        let members = confirmation.as_object().ok_or(AuthError::ConfirmationUnsupported)?;
        let mut members = members.iter();
        match (members.next(), members.next()) {
            (Some((name, Value::String(text))), None) if name == "x5t#S256" => {
                let hash = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
                hash.map(Confirmation::Certificate).ok_or(AuthError::ConfirmationUnsupported)
            }
            _ => Err(AuthError::ConfirmationUnsupported),
        }
    }

    pub(super) fn certificate_sha256(self) -> Option<[u8; 32]> {
        match self {
            Confirmation::Bearer => None,
            Confirmation::Certificate(hash) => Some(hash),
        }
    }
}

/// Does the connection show the certificate that the token asks for?
///
/// # Errors
/// [`AuthError::CertificateMissing`], [`AuthError::CertificateMismatch`].
pub(super) fn check_certificate(bound_to: Option<[u8; 32]>, peer: Option<&[u8]>) -> Result<(), AuthError> {
    let Some(wanted) = bound_to else { return Ok(()) };
    let peer = peer.ok_or(AuthError::CertificateMissing)?;
    if sha256(peer) == wanted { Ok(()) } else { Err(AuthError::CertificateMismatch) }
}

/// SHA-256 of `bytes`.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}
