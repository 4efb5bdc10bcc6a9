//! Who calls, as far as a verified token and the issuer's settings can say?
//!
//! A [`Caller`] exists only after every check of [`Authenticator::authenticate`](super::Authenticator::authenticate).
//! It holds what its issuer may assert and nothing else. It has no `Debug`: it names a person.

use std::sync::Arc;

/// The value of [`Caller::organization`] that names the person the data is about, or his agent.
pub const PRINCIPAL: &str = "principal";

/// A caller whose token was verified. No `Debug`: this is personal data.
#[non_exhaustive]
pub struct Caller {
    /// The issuer's `iss`, exactly. The same [`id`](Caller::id) at two issuers is two callers.
    pub issuer: Arc<str>,
    /// Who calls, in the issuer's words (`sub`, or where the settings point).
    pub id: String,
    /// The organisation the caller belongs to; `principal` for the person the data is about.
    /// None for the organisation's own staff.
    pub organization: Option<String>,
    /// Roles of the policy, sorted, each once. Empty where the token names an organisation that its issuer may not
    /// assert: such a caller is not one of our own staff, whatever roles he claims.
    pub roles: Vec<String>,
    /// The issuer says that it verified the person's identity.
    pub identity_verified: bool,
    /// Until when the caller's training holds: a date or a date-time with offset (RFC 3339).
    pub training_until: Option<String>,
    /// The purposes that the token grants: HL7 Codings as `system|code`, others as they stand; sorted, each once.
    /// None: the token says nothing about purposes, and narrows nothing. Empty: it speaks of purposes, and none is one
    /// that its issuer may assert, so it permits none.
    pub purposes: Option<Vec<String>>,
    /// SHA-256 of the client certificate that the token is bound to; it was shown on this connection.
    /// Source: RFC 8705 §3.1.
    pub certificate_sha256: Option<[u8; 32]>,
    /// SHA-256 of the issuer and the token's `jti`, where it has one.
    pub token_id: Option<[u8; 32]>,
    /// When the person signed in: seconds since the Unix epoch, from `auth_time`.
    pub auth_time_s: Option<i64>,
    /// The token's `exp`, in seconds since the Unix epoch.
    pub expires_s: i64,
    /// How many assertions were dropped because the issuer may not make them, or they could not be read.
    pub dropped_claims: u32,
}

impl Caller {
    /// Is the token bound to a client certificate?
    pub fn is_certificate_bound(&self) -> bool {
        self.certificate_sha256.is_some()
    }

    /// Does the caller say that he is the person the data is about (or his agent)?
    pub fn is_principal(&self) -> bool {
        self.organization.as_deref() == Some(PRINCIPAL)
    }

    /// Is this the same caller? Only the issuer and the id together tell.
    pub fn is_same_as(&self, other: &Caller) -> bool {
        self.issuer == other.issuer && self.id == other.id
    }
}
