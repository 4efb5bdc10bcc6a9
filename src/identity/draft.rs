//! Which issuers are believed, by which keys, and in what? As a settings file says it.
//!
//! Plain data: whoever reads the file fills an [`IssuerDraft`]; [`IssuerSettings::new`](super::IssuerSettings::new)
//! checks it. The defaults believe nobody in anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The greatest leeway for `exp` and `nbf`, in seconds.
pub const LEEWAY_S_MAX: u32 = 120;

/// A signature algorithm that an issuer may be trusted with. Asymmetric only. Source: RFC 7518 §3.1, RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 to 8192 bits.
    Rs256,
    /// RSASSA-PSS with SHA-256, keys of 2048 to 8192 bits.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Ps256 => "PS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(super) const fn wire(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// Which values an issuer may assert.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Allowed {
    /// None.
    #[default]
    Nothing,
    /// These, compared exactly.
    Listed(BTreeSet<String>),
    /// Any.
    Anything,
}

impl Allowed {
    pub(super) fn contains(&self, value: &str) -> bool {
        match self {
            Allowed::Nothing => false,
            Allowed::Listed(values) => values.contains(value),
            Allowed::Anything => true,
        }
    }
}

/// What an issuer is believed in; anything else it claims is dropped and counted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MayAssert {
    /// A value of the roles claim → a role of the policy.
    pub roles: BTreeMap<String, String>,
    /// Organisations of the register. `principal` and `internal` are never among them.
    pub organizations: Allowed,
    /// May it say that a caller is the person the data is about (organisation `principal`)?
    pub principal: bool,
    /// Purposes that its tokens may grant. A token that names none of these grants none.
    pub purposes: Allowed,
}

/// Where in the payload a fact stands: JSON Pointers (RFC 6901). An unnamed one is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPointers {
    /// The caller's id: a string.
    pub caller: String,
    /// The organisation: a string.
    pub organization: Option<String>,
    /// Roles: a string, a Coding, or an array of these.
    pub roles: Option<String>,
    /// Purposes beyond the standard places: a string or an array of strings.
    pub purpose: Option<String>,
    /// Whether the person's identity was verified: `true` or `"verified"`.
    pub identity: Option<String>,
    /// Until when training holds: an RFC 3339 date or date-time.
    pub training_until: Option<String>,
}

impl Default for ClaimPointers {
    fn default() -> Self {
        ClaimPointers {
            caller: "/sub".to_owned(),
            organization: None,
            roles: None,
            purpose: None,
            identity: None,
            training_until: None,
        }
    }
}

/// An issuer as the settings file has it, unchecked.
#[derive(Clone, Debug)]
pub struct IssuerDraft {
    /// `iss`, compared exactly.
    pub id: String,
    /// Where its key set is: an `https` URL, an `http` URL of a loopback address, or a file.
    pub jwks: String,
    /// The only root certificates (PEM) trusted for an `https` key set; none: the Web's.
    pub jwks_root: Option<PathBuf>,
    /// Values of `aud` that mean this service.
    pub audience: Vec<String>,
    /// Names of [`Algorithm`].
    pub algorithms: Vec<String>,
    /// Values of `typ` that are accepted, in any case.
    pub types: Vec<String>,
    /// Whether a token without `typ` is accepted.
    pub type_may_be_missing: bool,
    /// Leeway for `exp` and `nbf`, in seconds, at most [`LEEWAY_S_MAX`].
    pub leeway_s: u32,
    /// Where the facts stand.
    pub claims: ClaimPointers,
    /// What the issuer is believed in.
    pub may_assert: MayAssert,
}

impl Default for IssuerDraft {
    /// No issuer, no keys, no audience; `typ` as RFC 9068 and most issuers write it; 30 seconds of leeway.
    fn default() -> Self {
        IssuerDraft {
            id: String::new(),
            jwks: String::new(),
            jwks_root: None,
            audience: Vec::new(),
            algorithms: Vec::new(),
            types: ["at+jwt", "application/at+jwt", "JWT"].map(str::to_owned).to_vec(),
            type_may_be_missing: true,
            leeway_s: 30,
            claims: ClaimPointers::default(),
            may_assert: MayAssert::default(),
        }
    }
}
