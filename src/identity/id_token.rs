//! Who signed in?
//!
//! An ID token is judged as a caller's token is, with keys that were fetched for it: people sign in a few times an hour, and
//! no key is then older than its question. On top of that OpenID Connect Core section 3.1.3.7 asks:
//! 1. `azp`, where it is there or where there are several audiences, is the client    else [`AuthError::AudienceRefused`]
//! 2. `nonce` is the one that was sent                                               else [`AuthError::ClaimMalformed`]
//! 3. `iat` is there                                                                else [`AuthError::ClaimMissing`]

use std::time::Duration;

use serde_json::Value;

use super::claims::{each, numeric_date, text_or_coding};
use super::error::AuthError;
use super::refresh::RefreshTiming;
use super::settings::IssuerSettings;
use super::token::{TOKEN_BYTES_MAX, Unverified};
use super::{Issuer, verify};

/// What an ID token says of whoever signed in.
pub(crate) struct IdToken(Value);

/// An ID token, and what was asked of whoever gave it.
pub(crate) struct Given<'a> {
    pub(crate) token: &'a str,
    /// The client that it is for.
    pub(crate) client: &'a str,
    /// What was sent along to recognise it by.
    pub(crate) nonce: &'a str,
    /// Seconds since the Unix epoch.
    pub(crate) now_s: i64,
}

impl IdToken {
    /// Fetches the issuer's keys and judges the token by them.
    ///
    /// # Errors
    /// In words that hold nothing of the token: keys cannot be fetched, or the token does not hold.
    pub(crate) async fn verified(
        issuer: IssuerSettings,
        given: &Given<'_>,
        deadline: Duration,
    ) -> Result<IdToken, String> {
        let issuer = Issuer::new(issuer)?;
        if let Some(fetcher) = &issuer.fetcher {
            let text = fetcher.fetch(deadline).await.map_err(|error| error.to_string())?;
            let installed = issuer.keys.install(&text, &issuer.settings.algorithms);
            installed.map_err(|fault| format!("the key set is {fault}"))?;
        }
        judged(&issuer, given).map_err(|error| format!("its token does not hold: {error}"))
    }

    /// The text at a JSON Pointer.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.0.pointer(pointer)?.as_str().filter(|text| super::claims::is_name(text))
    }

    /// The texts at a JSON Pointer: one, a Coding, or an array of these; `None` where nothing is there, or something that
    /// is neither.
    pub(crate) fn texts(&self, pointer: &str) -> Option<Vec<String>> {
        let value = self.0.pointer(pointer).filter(|value| !value.is_null())?;
        each(Some(value)).iter().map(text_or_coding).collect()
    }
}

fn judged(issuer: &Issuer, given: &Given<'_>) -> Result<IdToken, AuthError> {
    if given.token.len() > TOKEN_BYTES_MAX {
        return Err(AuthError::TokenTooLong);
    }
    let token = Unverified::parse(given.token)?;
    if token.claims.get("iss").ok_or(AuthError::ClaimMissing("iss"))? != issuer.settings.id.as_str() {
        return Err(AuthError::UnknownIssuer);
    }
    // The keys are there: what is not among them will not come.
    let pending = |error| if error == AuthError::KeysPending { AuthError::UnknownKey } else { error };
    verify::check(issuer, &token, given.now_s, &RefreshTiming::default()).map_err(pending)?;
    let claims = &token.claims;
    let is_client = match (claims.get("azp"), claims.get("aud")) {
        (Some(party), _) => party == given.client,
        (None, Some(Value::Array(several))) => several.len() == 1,
        (None, _) => true,
    };
    if !is_client {
        return Err(AuthError::AudienceRefused);
    }
    let nonce = claims.get("nonce").and_then(Value::as_str).ok_or(AuthError::ClaimMissing("nonce"))?;
    if aws_lc_rs::constant_time::verify_slices_are_equal(nonce.as_bytes(), given.nonce.as_bytes()).is_err() {
        return Err(AuthError::ClaimMalformed("nonce"));
    }
    let issued = claims.get("iat").ok_or(AuthError::ClaimMissing("iat"))?;
    numeric_date(issued, f64::floor).ok_or(AuthError::ClaimMalformed("iat"))?;
    Ok(IdToken(Value::Object(token.claims)))
}
