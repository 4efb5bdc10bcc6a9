//! Which token does the request bring, and what does it say of itself before anyone believes it?
//!
//! 1. one `Authorization` field, scheme `Bearer` in any case; never the query, never the body (RFC 6750 §2 leaves
//!    those optional, and they end up in other people's logs)
//! 2. at most [`TOKEN_BYTES_MAX`]; three base64url parts without padding
//! 3. header and payload: JSON objects naming each member once
//!
//! Promise: nothing here is trusted yet; `kid` is only a name to look up, `jku`, `x5u`, `jwk` and `x5c` are never read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use super::error::AuthError;
use super::strict;

/// The longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The longest `kid` that is looked up, in bytes.
const KEY_ID_BYTES_MAX: usize = 256;

/// The bearer token of the request.
///
/// # Errors
/// [`AuthError::NoCredentials`], [`AuthError::UnsupportedScheme`], [`AuthError::SeveralCredentials`],
/// [`AuthError::TokenTooLong`], or [`AuthError::Malformed`] when the field is not visible ASCII.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().ok_or(AuthError::NoCredentials)?;
    if fields.next().is_some() {
        return Err(AuthError::SeveralCredentials);
    }
    let text = field.to_str().map_err(|_| AuthError::Malformed)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::UnsupportedScheme);
    }
    let token = token.trim_matches(' ');
    match token.len() {
        0 => Err(AuthError::Malformed),
        1..=TOKEN_BYTES_MAX => Ok(token),
        _ => Err(AuthError::TokenTooLong),
    }
}

/// A token taken apart and not yet believed.
pub(super) struct Unverified<'a> {
    /// The part that is signed: header, dot, payload.
    pub(super) message: &'a str,
    /// The signature, base64url.
    pub(super) signature: &'a str,
    pub(super) header: TokenHeader,
    pub(super) claims: Map<String, Value>,
}

/// What the header says. Every other member is ignored (RFC 7515 §4).
pub(super) struct TokenHeader {
    pub(super) algorithm: String,
    pub(super) media_type: Option<String>,
    pub(super) key_id: Option<String>,
}

impl<'a> Unverified<'a> {
    /// Takes `token` apart.
    ///
    /// # Errors
    /// [`AuthError::Malformed`], or [`AuthError::ExtensionRefused`] for `crit` and `b64`.
    pub(super) fn parse(token: &'a str) -> Result<Self, AuthError> {
        let (message, signature) = token.rsplit_once('.').ok_or(AuthError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(AuthError::Malformed)?;
        // A third dot would be another format (an encrypted token has five parts); `.` is no base64url letter.
        let header = TokenHeader::read(&decoded_object(header)?)?;
        Ok(Unverified { message, signature, header, claims: decoded_object(payload)? })
    }
}

impl TokenHeader {
    fn read(members: &Map<String, Value>) -> Result<Self, AuthError> {
        // `b64` changes what is signed and is only valid together with `crit` (RFC 7797 §6).
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(AuthError::ExtensionRefused);
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(AuthError::Malformed),
        };
        let key_id = text("kid")?;
        if key_id.as_ref().is_some_and(|id| id.len() > KEY_ID_BYTES_MAX) {
            return Err(AuthError::Malformed);
        }
        let algorithm = text("alg")?.ok_or(AuthError::Malformed)?;
        Ok(TokenHeader { algorithm, media_type: text("typ")?, key_id })
    }
}

fn decoded_object(part: &str) -> Result<Map<String, Value>, AuthError> {
    let text = URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthError::Malformed)?;
    strict::object(&text).ok_or(AuthError::Malformed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn one_authorization_field_with_scheme_bearer() {
        assert_eq!(bearer(&headers(&["Bearer a.b.c"])), Ok("a.b.c"));
        assert_eq!(bearer(&headers(&["bEARER   a.b.c"])), Ok("a.b.c"));
        assert_eq!(bearer(&headers(&[])), Err(AuthError::NoCredentials));
        assert_eq!(bearer(&headers(&["Basic YTpi"])), Err(AuthError::UnsupportedScheme));
        assert_eq!(bearer(&headers(&["DPoP a.b.c"])), Err(AuthError::UnsupportedScheme));
        assert_eq!(bearer(&headers(&["Bearera.b.c"])), Err(AuthError::UnsupportedScheme));
        assert_eq!(bearer(&headers(&["Bearer"])), Err(AuthError::Malformed));
        assert_eq!(bearer(&headers(&["Bearer "])), Err(AuthError::Malformed));
    }

    /// Two fields are two callers, even when they are equal or only one is a bearer token.
    #[test]
    fn a_second_authorization_field_is_refused() {
        for second in ["Bearer a.b.c", "Basic YTpi"] {
            assert_eq!(bearer(&headers(&["Bearer a.b.c", second])), Err(AuthError::SeveralCredentials));
            assert_eq!(bearer(&headers(&[second, "Bearer a.b.c"])), Err(AuthError::SeveralCredentials));
        }
    }

    #[test]
    fn the_size_limit_holds_at_the_byte() {
        let fits = format!("Bearer {}", "a".repeat(TOKEN_BYTES_MAX));
        let over = format!("Bearer {}", "a".repeat(TOKEN_BYTES_MAX + 1));
        assert!(bearer(&headers(&[&fits])).is_ok());
        assert_eq!(bearer(&headers(&[&over])), Err(AuthError::TokenTooLong));
    }

    fn parsed(header: &str, payload: &str) -> Result<(), AuthError> {
        let token = format!("{}.{}.AA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        Unverified::parse(&token).map(|_| ())
    }

    #[test]
    fn a_header_that_cannot_be_read_is_refused() {
        assert_eq!(parsed(r#"{"alg":"RS256"}"#, "{}"), Ok(()));
        for header in [
            "{}",
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"alg":"RS256","alg":"RS256"}"#,
            r#"{"alg":"RS256","kid":1}"#,
            r#"{"alg":"RS256","typ":["JWT"]}"#,
            r#"{"alg":"RS256","x":1,"x":2}"#,
        ] {
            assert_eq!(parsed(header, "{}"), Err(AuthError::Malformed), "{header}");
        }
        assert_eq!(parsed(r#"{"alg":"RS256"}"#, r#"{"a":1,"a":1}"#), Err(AuthError::Malformed));
        let long = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(KEY_ID_BYTES_MAX + 1));
        assert_eq!(parsed(&long, "{}"), Err(AuthError::Malformed));
    }

    /// RFC 7515 §4.1.11: what must be understood and is not must be refused.
    #[test]
    fn critical_extensions_are_refused() {
        for header in
            [r#"{"alg":"RS256","crit":["exp"]}"#, r#"{"alg":"RS256","crit":[]}"#, r#"{"alg":"RS256","b64":false}"#]
        {
            assert_eq!(parsed(header, "{}"), Err(AuthError::ExtensionRefused), "{header}");
        }
    }

    #[test]
    fn other_numbers_of_parts_are_refused() {
        for token in ["a", "a.b", "e30.e30", "e30.e30.AA.AA", "eyJhbGciOiJSUzI1NiJ9.e30.AA.AA.AA", "..", "e30=.e30.AA"]
        {
            assert!(Unverified::parse(token).is_err(), "{token}");
        }
    }
}
