//! Why is this caller not known, and what may he be told?
//!
//! [`AuthError`] is one word for the log and one for the caller. No variant carries anything out of the token,
//! so that neither a log line nor an answer can repeat a credential or a person's name.
//! What an outsider reads ([`AuthError::public`]) grows more precise only after the signature held.

use std::fmt;

use http::{HeaderValue, StatusCode};

/// Why a request has no [`Caller`](super::Caller). `Display` is for the log; the caller sees [`AuthError::public`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthError {
    /// No `Authorization` field.
    NoCredentials,
    /// An `Authorization` field of a scheme other than `Bearer`.
    UnsupportedScheme,
    /// More than one `Authorization` field.
    SeveralCredentials,
    /// The token is longer than [`TOKEN_BYTES_MAX`](super::TOKEN_BYTES_MAX).
    TokenTooLong,
    /// The token is not three base64url parts whose first two are JSON objects naming each member once.
    Malformed,
    /// No issuer of that name is set up here.
    UnknownIssuer,
    /// The algorithm is `none`, symmetric, unknown, or not on the issuer's list.
    AlgorithmRefused,
    /// The header asks for extensions (`crit`, `b64`) that are not understood here. Source: RFC 7515 §4.1.11.
    ExtensionRefused,
    /// The token's `typ` is not one that the issuer's settings accept.
    TypeRefused,
    /// The issuer's current set has no such key, and a refresh made since did not bring it.
    UnknownKey,
    /// So many of the issuer's keys fit that trying them all would be a burden.
    AmbiguousKey,
    /// The keys to judge this token by are being fetched: nobody can tell yet.
    KeysPending,
    /// The signature is not this issuer's.
    SignatureInvalid,
    /// The token is meant for another service.
    AudienceRefused,
    /// The token is no longer valid.
    Expired,
    /// The token is not valid yet.
    NotYetValid,
    /// A required claim is missing.
    ClaimMissing(&'static str),
    /// A claim that decides something has a value that cannot be read.
    ClaimMalformed(&'static str),
    /// The token is bound to a client certificate and the connection shows none. Source: RFC 8705 §3.
    CertificateMissing,
    /// The token is bound to another client certificate. Source: RFC 8705 §3.
    CertificateMismatch,
    /// The token is bound in a way that cannot be checked here (`jkt`, `jwk`, …).
    ConfirmationUnsupported,
    /// The token, or its subject, was revoked here.
    Revoked,
}

impl AuthError {
    /// 503 where nobody can tell yet, else 401.
    pub fn status(self) -> StatusCode {
        match self {
            AuthError::KeysPending => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The value of `WWW-Authenticate`; none on a 503.
    ///
    /// Source: RFC 6750 §3: no error code for a request that brought no bearer token.
    pub fn www_authenticate(self) -> Option<HeaderValue> {
        let challenge = match self {
            AuthError::KeysPending => return None,
            AuthError::NoCredentials | AuthError::UnsupportedScheme => "Bearer",
            AuthError::SeveralCredentials => "Bearer error=\"invalid_request\"",
            _ => "Bearer error=\"invalid_token\"",
        };
        Some(HeaderValue::from_static(challenge))
    }

    /// The value of `Retry-After`, in seconds.
    pub fn retry_after_s(self) -> Option<u32> {
        match self {
            AuthError::KeysPending => Some(1),
            _ => None,
        }
    }

    /// What the caller may know. Faults found before the signature held all read alike.
    pub fn public(self) -> &'static str {
        match self {
            AuthError::NoCredentials | AuthError::UnsupportedScheme => "a bearer token is required",
            AuthError::SeveralCredentials => "exactly one `Authorization` field is accepted",
            AuthError::KeysPending => "the issuer's keys are being fetched; try again shortly",
            AuthError::AudienceRefused => "the access token is meant for another service",
            AuthError::Expired => "the access token has expired",
            AuthError::NotYetValid => "the access token is not valid yet",
            AuthError::CertificateMissing | AuthError::CertificateMismatch => {
                "the access token is bound to another client certificate"
            }
            AuthError::TokenTooLong
            | AuthError::Malformed
            | AuthError::UnknownIssuer
            | AuthError::AlgorithmRefused
            | AuthError::ExtensionRefused
            | AuthError::TypeRefused
            | AuthError::UnknownKey
            | AuthError::AmbiguousKey
            | AuthError::SignatureInvalid
            | AuthError::ClaimMissing(_)
            | AuthError::ClaimMalformed(_)
            | AuthError::ConfirmationUnsupported
            | AuthError::Revoked => "the access token is not valid here",
        }
    }

    /// The kind of problem that the caller is told: [`AuthError::code`], but one for all that [`AuthError::public`] tells
    /// alike.
    pub fn kind(self) -> &'static str {
        if self.public() == AuthError::Malformed.public() { "token-invalid" } else { self.code() }
    }

    /// A stable name for metrics and for the record of refusals, never renamed and never reused.
    pub fn code(self) -> &'static str {
        match self {
            AuthError::NoCredentials => "no-credentials",
            AuthError::UnsupportedScheme => "unsupported-scheme",
            AuthError::SeveralCredentials => "several-credentials",
            AuthError::TokenTooLong => "token-too-long",
            AuthError::Malformed => "token-malformed",
            AuthError::UnknownIssuer => "issuer-unknown",
            AuthError::AlgorithmRefused => "algorithm-refused",
            AuthError::ExtensionRefused => "extension-refused",
            AuthError::TypeRefused => "type-refused",
            AuthError::UnknownKey => "key-unknown",
            AuthError::AmbiguousKey => "key-ambiguous",
            AuthError::KeysPending => "keys-pending",
            AuthError::SignatureInvalid => "signature-invalid",
            AuthError::AudienceRefused => "audience-refused",
            AuthError::Expired => "token-expired",
            AuthError::NotYetValid => "token-not-yet-valid",
            AuthError::ClaimMissing(_) => "claim-missing",
            AuthError::ClaimMalformed(_) => "claim-malformed",
            AuthError::CertificateMissing => "certificate-missing",
            AuthError::CertificateMismatch => "certificate-mismatch",
            AuthError::ConfirmationUnsupported => "confirmation-unsupported",
            AuthError::Revoked => "token-revoked",
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthError::NoCredentials => f.write_str("no `Authorization` field"),
            AuthError::UnsupportedScheme => f.write_str("the scheme of `Authorization` is not `Bearer`"),
            AuthError::SeveralCredentials => f.write_str("more than one `Authorization` field"),
            AuthError::TokenTooLong => f.write_str("the token is too long"),
            AuthError::Malformed => f.write_str("the token is not a well-formed signed token"),
            AuthError::UnknownIssuer => f.write_str("`iss` names no issuer of the settings"),
            AuthError::AlgorithmRefused => f.write_str("`alg` is not on the issuer's list"),
            AuthError::ExtensionRefused => f.write_str("the header asks for an extension that is not understood"),
            AuthError::TypeRefused => f.write_str("`typ` is not on the issuer's list"),
            AuthError::UnknownKey => f.write_str("the issuer's key set has no such key"),
            AuthError::AmbiguousKey => f.write_str("too many keys of the issuer fit the token"),
            AuthError::KeysPending => f.write_str("the issuer's keys are still being fetched"),
            AuthError::SignatureInvalid => f.write_str("the signature is not the issuer's"),
            AuthError::AudienceRefused => f.write_str("`aud` does not name this service"),
            AuthError::Expired => f.write_str("`exp` has passed"),
            AuthError::NotYetValid => f.write_str("`nbf` has not come"),
            AuthError::ClaimMissing(name) => write!(f, "the claim `{name}` is missing"),
            AuthError::ClaimMalformed(name) => write!(f, "the claim `{name}` cannot be read"),
            AuthError::CertificateMissing => f.write_str("`cnf` asks for a client certificate and there is none"),
            AuthError::CertificateMismatch => f.write_str("`cnf` names another client certificate"),
            AuthError::ConfirmationUnsupported => f.write_str("`cnf` holds a confirmation that is not checked here"),
            AuthError::Revoked => f.write_str("the token or its subject is revoked"),
        }
    }
}

impl std::error::Error for AuthError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6750 §3: a client that brought nothing must not be told that its token is invalid.
    #[test]
    fn no_error_code_without_credentials() {
        for error in [AuthError::NoCredentials, AuthError::UnsupportedScheme] {
            assert_eq!(error.www_authenticate(), Some(HeaderValue::from_static("Bearer")));
            assert_eq!(error.status(), StatusCode::UNAUTHORIZED);
        }
        assert_eq!(
            AuthError::SignatureInvalid.www_authenticate(),
            Some(HeaderValue::from_static("Bearer error=\"invalid_token\""))
        );
    }

    /// "Could not tell" is a 503 with a time to come back, never a 401 that makes a client drop its token.
    #[test]
    fn pending_keys_are_not_blamed_on_the_token() {
        assert_eq!(AuthError::KeysPending.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(AuthError::KeysPending.retry_after_s(), Some(1));
        assert_eq!(AuthError::KeysPending.www_authenticate(), None);
        assert_eq!(AuthError::Expired.retry_after_s(), None);
    }

    /// Before the signature holds, an answer must not tell a forger which check he failed.
    #[test]
    fn a_forger_learns_nothing_from_the_wording() {
        let before = [
            AuthError::Malformed,
            AuthError::UnknownIssuer,
            AuthError::AlgorithmRefused,
            AuthError::TypeRefused,
            AuthError::UnknownKey,
            AuthError::SignatureInvalid,
        ];
        for error in before {
            assert_eq!(error.public(), AuthError::SignatureInvalid.public());
        }
    }
}
