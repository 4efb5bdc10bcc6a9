//! Is this token what it says, for us, now?
//!
//! The first "no" comes first:
//! 1. `iss` is one of the settings, exactly                          → [`AuthError::UnknownIssuer`]
//! 2. `alg` is on that issuer's list, `typ` too                      → [`AuthError::AlgorithmRefused`], [`AuthError::TypeRefused`]
//! 3. a key of that issuer, taken up for that algorithm, fits `kid`  → [`AuthError::UnknownKey`] and kin
//! 4. the signature holds                                            → [`AuthError::SignatureInvalid`]
//! 5. `aud` names us, `exp` and `nbf` hold, `sub` is there           → [`AuthError::AudienceRefused`] and kin
//! 6. `cnf`, where present, can be checked                           → [`AuthError::ConfirmationUnsupported`]
//!
//! jsonwebtoken verifies the signature. Its own checks of claims are not used: they read the system's clock, let a
//! missing claim pass unless told, and read the payload with its last of two equal members.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::cache::Verified;
use super::claims::{self, Window, numeric_date};
use super::cnf::Confirmation;
use super::error::AuthError;
use super::key_set::{Choice, KeySet};
use super::refresh::RefreshTiming;
use super::revocation;
use super::settings::IssuerSettings;
use super::token::{TokenHeader, Unverified};
use super::{Issuer, issuer_keys::IssuerKeys};

/// Verifies `token` at `now_s`, seconds since the Unix epoch.
///
/// # Errors
/// Every [`AuthError`] but those of the header field, of the client certificate and of revocation, which hold for a
/// request and not for a token.
pub(super) fn verify(
    issuers: &[Issuer],
    token: &str,
    now_s: i64,
    timing: &RefreshTiming,
) -> Result<Verified, AuthError> {
    let token = Unverified::parse(token)?;
    let named = token.claims.get("iss").ok_or(AuthError::ClaimMissing("iss"))?;
    let (place, issuer) = issuers
        .iter()
        .enumerate()
        .find(|(_, issuer)| named == issuer.settings.id.as_str())
        .ok_or(AuthError::UnknownIssuer)?;
    let Held { generation, window, subject } = check(issuer, &token, now_s, timing)?;
    let confirmation = Confirmation::read(&token.claims)?;
    let caller = claims::caller(&issuer.settings, &issuer.name, token.claims, window, confirmation)?;
    let leeway_s = i64::from(issuer.settings.leeway_s);
    Ok(Verified {
        caller: Arc::new(caller),
        issuer: place,
        generation,
        from_s: window.not_before_s.map_or(i64::MIN, |not_before_s| not_before_s.saturating_sub(leeway_s)),
        until_s: window.expires_s.saturating_add(leeway_s),
        subject,
    })
}

/// What a token that holds is kept by.
pub(super) struct Held {
    /// The generation of the keys that its signature held under.
    generation: u64,
    window: Window,
    /// The fingerprint of its subject.
    subject: [u8; 32],
}

/// Steps 2 to 5, for a token of this issuer.
pub(super) fn check(
    issuer: &Issuer,
    token: &Unverified<'_>,
    now_s: i64,
    timing: &RefreshTiming,
) -> Result<Held, AuthError> {
    let algorithm = check_header(&issuer.settings, &token.header)?;
    let generation = check_signature(issuer, token, algorithm, (now_s, timing))?;
    let (window, subject) = check_claims(&issuer.settings, &token.claims, now_s)?;
    Ok(Held { generation, window, subject })
}

fn check_header(issuer: &IssuerSettings, header: &TokenHeader) -> Result<Algorithm, AuthError> {
    let algorithm = header.algorithm.parse::<Algorithm>().map_err(|_| AuthError::AlgorithmRefused)?;
    if !issuer.algorithms.contains(&algorithm) {
        return Err(AuthError::AlgorithmRefused);
    }
    let type_holds = match &header.media_type {
        None => issuer.type_may_be_missing,
        Some(found) => issuer.types.iter().any(|accepted| accepted.eq_ignore_ascii_case(found)),
    };
    if type_holds { Ok(algorithm) } else { Err(AuthError::TypeRefused) }
}

/// Answers the generation of the keys that the signature held under.
fn check_signature(
    issuer: &Issuer,
    token: &Unverified<'_>,
    algorithm: Algorithm,
    (now_s, timing): (i64, &RefreshTiming),
) -> Result<u64, AuthError> {
    let keys = &issuer.keys;
    let key_id = token.header.key_id.as_deref();
    // Twice at most: the second time with a set that arrived in between.
    for _ in 0..2 {
        let set = keys.current();
        let set = set.as_ref().ok_or(AuthError::KeysPending)?;
        match set.choose(algorithm, key_id) {
            Choice::Keys(candidates) => return try_keys(keys, &candidates, token, algorithm).map(|()| set.generation),
            Choice::WrongAlgorithm => return Err(AuthError::AlgorithmRefused),
            Choice::TooMany => return Err(AuthError::AmbiguousKey),
            Choice::Unknown => {}
        }
        let absent = |set: &KeySet| matches!(set.choose(algorithm, key_id), Choice::Unknown);
        if issuer.fetcher.is_none() {
            // A file is read again when the operator says so: there is nothing to wait for.
            return Err(AuthError::UnknownKey);
        }
        let times = (now_s, timing.unknown_key_s);
        if let Some(error) = keys.judge_unknown(&token.header.algorithm, key_id, times, absent) {
            return Err(error);
        }
    }
    Err(AuthError::KeysPending)
}

fn try_keys(
    keys: &IssuerKeys,
    candidates: &[&DecodingKey],
    token: &Unverified<'_>,
    algorithm: Algorithm,
) -> Result<(), AuthError> {
    let message = token.message.as_bytes();
    for key in candidates {
        // An error is a signature that cannot be read, or a key that cannot be used: not a yes.
        if let Ok(true) = jsonwebtoken::crypto::verify(token.signature, message, key, algorithm) {
            return Ok(());
        }
    }
    if token.header.key_id.is_none() {
        // A set whose only key has no name may have been rotated: look, but do not make this token wait.
        keys.wake.notify_one();
    }
    Err(AuthError::SignatureInvalid)
}

/// Answers the token's times and the fingerprint of its subject.
fn check_claims(
    issuer: &IssuerSettings,
    claims: &Map<String, Value>,
    now_s: i64,
) -> Result<(Window, [u8; 32]), AuthError> {
    check_audience(issuer, claims)?;
    let time = |name: &'static str, rounded: fn(f64) -> f64| match claims.get(name) {
        None => Ok(None),
        Some(value) => numeric_date(value, rounded).map(Some).ok_or(AuthError::ClaimMalformed(name)),
    };
    let expires_s = time("exp", f64::floor)?.ok_or(AuthError::ClaimMissing("exp"))?;
    let not_before_s = time("nbf", f64::ceil)?;
    let leeway_s = i64::from(issuer.leeway_s);
    // RFC 7519 §4.1.4: "on or after" the expiration time it must not be accepted.
    if now_s >= expires_s.saturating_add(leeway_s) {
        return Err(AuthError::Expired);
    }
    if not_before_s.is_some_and(|not_before_s| now_s < not_before_s.saturating_sub(leeway_s)) {
        return Err(AuthError::NotYetValid);
    }
    let subject = claims.get("sub").ok_or(AuthError::ClaimMissing("sub"))?;
    let subject = subject.as_str().filter(|subject| !subject.is_empty()).ok_or(AuthError::ClaimMalformed("sub"))?;
    Ok((Window { expires_s, not_before_s }, revocation::fingerprint(&issuer.id, subject)))
}

/// Source: RFC 7519 §4.1.3: a string, or an array of strings one of which must name us.
fn check_audience(issuer: &IssuerSettings, claims: &Map<String, Value>) -> Result<(), AuthError> {
    let names_us = |value: &Value| issuer.audience.iter().any(|ours| value == ours.as_str());
    let holds = match claims.get("aud") {
        None => return Err(AuthError::ClaimMissing("aud")),
        Some(Value::Array(values)) => values.iter().any(names_us),
        Some(value) => names_us(value),
    };
    if holds { Ok(()) } else { Err(AuthError::AudienceRefused) }
}
