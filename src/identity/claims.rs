//! What does a verified payload say that its issuer may say?
//!
//! Each assertion is kept, dropped and counted, or (where dropping it would give the caller more) refused:
//! 1. the caller's id must be there                                        else refused
//! 2. an organisation that may not be asserted takes the roles with it     (with roles and without an organisation
//!    the caller would pass for one of our own staff)
//! 3. a role that the map does not name is dropped
//! 4. an unreadable `training_until` refuses the token                     (a missing one passes)
//! 5. purposes: see [`purposes`](super::purposes)
//!
//! Promise: dropping an assertion never gives the caller more than believing it would have.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::caller::Caller;
use super::cnf::Confirmation;
use super::error::AuthError;
use super::purposes;
use super::revocation;
use super::settings::{IssuerSettings, may_assert_organization};

/// The longest id of a caller or an organisation, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// The times that bound a token, already checked once: seconds since the Unix epoch.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) expires_s: i64,
    pub(super) not_before_s: Option<i64>,
}

/// The caller that `claims` describe.
///
/// # Errors
/// [`AuthError::ClaimMissing`], [`AuthError::ClaimMalformed`].
pub(super) fn caller(
    issuer: &IssuerSettings,
    issuer_name: &Arc<str>,
    claims: Map<String, Value>,
    window: Window,
    confirmation: Confirmation,
) -> Result<Caller, AuthError> {
    let payload = Value::Object(claims);
    let mut dropped = 0;
    let id = caller_id(&payload, &issuer.claims.caller)?;
    let (organization, roles) = organization_and_roles(issuer, &payload, &mut dropped);
    let training_until = training_until(issuer, &payload)?;
    let purposes = purposes::granted(issuer, &payload, &mut dropped);
    Ok(Caller {
        issuer: Arc::clone(issuer_name),
        id,
        organization,
        roles,
        identity_verified: identity_verified(issuer, &payload, &mut dropped),
        training_until,
        purposes,
        certificate_sha256: confirmation.certificate_sha256(),
        token_id: token_id(issuer, &payload)?,
        auth_time_s: payload.get("auth_time").and_then(|value| numeric_date(value, f64::floor)),
        expires_s: window.expires_s,
        dropped_claims: dropped,
    })
}

/// A NumericDate (RFC 7519 §2) in whole seconds, a fraction taken by `rounded`.
pub(super) fn numeric_date(value: &Value, rounded: fn(f64) -> f64) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or_else(|| {
        // Through text: no conversion that could wrap, and far-off numbers do not parse.
        let seconds = rounded(number.as_f64().filter(|_| number.is_f64())?);
        format!("{seconds:.0}").parse().ok()
    })
}

fn caller_id(payload: &Value, pointer: &str) -> Result<String, AuthError> {
    let value = payload.pointer(pointer).ok_or(AuthError::ClaimMissing("caller"))?;
    let id = value.as_str().filter(|id| is_name(id)).ok_or(AuthError::ClaimMalformed("caller"))?;
    Ok(id.to_owned())
}

/// Not empty, not endless, nothing that would forge a line in someone's log.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

fn organization_and_roles(
    issuer: &IssuerSettings,
    payload: &Value,
    dropped: &mut u32,
) -> (Option<String>, Vec<String>) {
    let claimed = issuer.claims.organization.as_ref().and_then(|pointer| payload.pointer(pointer));
    let organization = match claimed {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if is_name(name) && may_assert_organization(&issuer.may_assert, name) => {
            Some(name.clone())
        }
        Some(_) => {
            // Someone else's: neither a recipient of the register nor one of our own staff.
            count(dropped, 1);
            return (None, Vec::new());
        }
    };
    (organization, roles(issuer, payload, dropped))
}

fn roles(issuer: &IssuerSettings, payload: &Value, dropped: &mut u32) -> Vec<String> {
    let claimed = issuer.claims.roles.as_ref().and_then(|pointer| payload.pointer(pointer));
    let mut roles = Vec::new();
    for value in each(claimed) {
        let role = text_or_coding(value).and_then(|name| issuer.may_assert.roles.get(&name));
        match role {
            Some(role) => roles.push(role.clone()),
            None => count(dropped, 1),
        }
    }
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn identity_verified(issuer: &IssuerSettings, payload: &Value, dropped: &mut u32) -> bool {
    match issuer.claims.identity.as_ref().and_then(|pointer| payload.pointer(pointer)) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(Value::String(text)) if text == "verified" => true,
        Some(_) => {
            count(dropped, 1);
            false
        }
    }
}

fn training_until(issuer: &IssuerSettings, payload: &Value) -> Result<Option<String>, AuthError> {
    match issuer.claims.training_until.as_ref().and_then(|pointer| payload.pointer(pointer)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_day_or_moment(text) => Ok(Some(text.clone())),
        Some(_) => Err(AuthError::ClaimMalformed("training_until")),
    }
}

/// `2027-03-31`, or a date-time with its offset.
fn is_day_or_moment(text: &str) -> bool {
    let is_day = text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
    is_day || text.parse::<jiff::Timestamp>().is_ok()
}

/// Present and unreadable is refused: a revocation of the token could not be matched.
fn token_id(issuer: &IssuerSettings, payload: &Value) -> Result<Option<[u8; 32]>, AuthError> {
    match payload.get("jti") {
        None => Ok(None),
        Some(Value::String(id)) => Ok(Some(revocation::fingerprint(&issuer.id, id))),
        Some(_) => Err(AuthError::ClaimMalformed("jti")),
    }
}

/// The elements of an array, or the value itself.
pub(super) fn each(value: Option<&Value>) -> &[Value] {
    match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(elements)) => elements,
        Some(single) => std::slice::from_ref(single),
    }
}

/// A string as it stands, a Coding as `system|code` (`code` alone where it has no system).
pub(super) fn text_or_coding(value: &Value) -> Option<String> {
    if let Value::String(text) = value {
        return is_name(text).then(|| text.clone());
    }
    let code = value.get("code")?.as_str().filter(|code| is_name(code))?;
    match value.get("system") {
        None => Some(code.to_owned()),
        Some(Value::String(system)) if is_name(system) => Some(format!("{system}|{code}")),
        Some(_) => None,
    }
}

pub(super) fn count(dropped: &mut u32, more: usize) {
    *dropped = dropped.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
}
