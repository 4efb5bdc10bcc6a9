//! Who gives the callers of the demonstration their tokens? A key made for this run, HS256, believed by its gates alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::script::Who;
use super::{DemoError, random};
use crate::identity::{Allowed, Authenticator, ClaimPointers, IssuerDraft, IssuerSettings, MayAssert, RefreshTiming};
use crate::policy::Policy;

/// The issuer's id, a name that no one can register (RFC 6761).
const ID: &str = "https://issuer.demo.invalid";
const AUDIENCE: &str = "sekisho-demo";
const CACHED_TOKENS_MAX: usize = 1024;

/// Issues tokens. No `Debug`: it holds a key.
pub struct Issuer {
    secret: Zeroizing<[u8; 32]>,
}

impl Issuer {
    /// An issuer with a new key.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new() -> Result<Issuer, DemoError> {
        Ok(Issuer { secret: random()? })
    }

    /// What a gate needs to believe this issuer, with the roles of this policy.
    pub(super) fn authenticator(&self, policy: &Policy) -> Result<Authenticator, DemoError> {
        let draft = IssuerDraft {
            id: ID.into(),
            audience: vec![AUDIENCE.into()],
            types: vec!["JWT".into()],
            claims: ClaimPointers {
                organization: Some("/org".into()),
                roles: Some("/roles".into()),
                identity: Some("/identity".into()),
                ..ClaimPointers::default()
            },
            may_assert: MayAssert {
                roles: policy.roles().map(|role| (role.to_owned(), role.to_owned())).collect(),
                organizations: Allowed::Anything,
                principal: true,
                ..MayAssert::default()
            },
            ..IssuerDraft::default()
        };
        let settings = IssuerSettings::with_demo_secret(draft, self.secret.as_slice());
        let settings = settings.map_err(|faults| DemoError(format!("{faults:?}")))?;
        let made = Authenticator::new(vec![settings], RefreshTiming::default(), CACHED_TOKENS_MAX);
        made.map_err(|faults| DemoError(format!("{faults:?}")))
    }

    /// A token for this caller, valid from `now_s` (Unix seconds) for so many seconds.
    pub fn token(&self, who: &Who, now_s: i64, valid_s: i64) -> String {
        let mut claims = json!({
            "iss": ID, "aud": AUDIENCE, "sub": who.sub, "iat": now_s, "exp": now_s.saturating_add(valid_s),
        });
        if let Some(members) = claims.as_object_mut() {
            if let Some(organization) = who.organization {
                members.insert("org".into(), organization.into());
            }
            if !who.roles.is_empty() {
                members.insert("roles".into(), who.roles.into());
            }
            if who.is_verified {
                members.insert("identity".into(), "verified".into());
            }
        }
        self.signed(&claims)
    }

    /// The compact form of these claims (RFC 7515 §7.1).
    fn signed(&self, claims: &Value) -> String {
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret.as_slice()) else { return String::new() };
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}
