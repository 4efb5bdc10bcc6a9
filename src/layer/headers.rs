//! Which fields may pass? Inward an allow-list, so that nothing a caller writes is taken for ours; outward another.

use http::header::{
    ACCEPT_LANGUAGE, ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderName, HeaderValue, VARY, VIA, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Version};

use super::declaration::{DRY_RUN, PURPOSE_OF_USE};
pub(super) use super::media::{FORM, PATCH, is_json, is_lines, media_type};

/// Fields of a request that reach the backend as they are. Everything else stops here: identity, purpose and decision
/// fields, forwarding fields, conditions, ranges, method overrides, cookies, whatever a proxy before us may have added.
pub(super) const FORWARDED: [HeaderName; 1] = [ACCEPT_LANGUAGE];

/// The gate's own answer field.
pub const DECISION: HeaderName = HeaderName::from_static("purpose-of-use-decision");

/// Whether `Connection` names a field that a check rests on: then it could be erased between check and use
/// (RFC 9110 §7.6.1), and the request is refused.
pub(super) fn connection_names_what_is_checked(headers: &HeaderMap) -> bool {
    let checked =
        [AUTHORIZATION, PURPOSE_OF_USE, DRY_RUN, CONTENT_TYPE, http::header::CONTENT_LENGTH, http::header::HOST];
    headers.get_all(CONNECTION).iter().any(|value| {
        let Ok(text) = value.to_str() else { return true };
        text.split(',').any(|named| checked.iter().any(|field| named.trim().eq_ignore_ascii_case(field.as_str())))
    })
}

/// The fields that reach the backend.
///
/// Of a body's type goes on what was judged: parameters that the backend could read otherwise stop here.
pub(super) fn inward(headers: &HeaderMap, version: Version, accept: &'static str, has_body: bool) -> HeaderMap {
    let mut forwarded = HeaderMap::new();
    for name in &FORWARDED {
        if let Some(value) = headers.get(name) {
            forwarded.insert(name.clone(), value.clone());
        }
    }
    let media = media_type(headers).filter(|_| has_body).and_then(|media| HeaderValue::try_from(media).ok());
    if let Some(media) = media {
        forwarded.insert(CONTENT_TYPE, media);
    }
    forwarded.insert(http::header::ACCEPT, HeaderValue::from_static(accept));
    forwarded.insert(VIA, via(version));
    forwarded
}

/// `Via` by the received protocol's version; the name is a pseudonym (RFC 9110 §7.6.3).
fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(if version == Version::HTTP_2 { "2.0 sekisho" } else { "1.1 sekisho" })
}

/// The fields of every answer of the gate: never cached, never ranged, never sniffed.
pub(super) fn own(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, private"));
    headers.insert(VARY, HeaderValue::from_static("authorization, purpose-of-use, accept-encoding"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Whatever a backend's opaque body is, a browser runs nothing of it.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
}

/// The fields by which a client makes a request depend on what is there. `If-None-Exist` is FHIR's.
pub(super) const CONDITIONS: [&str; 5] =
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-none-exist"];

/// The trace that a `traceparent` field names, if it is well formed (W3C Trace Context); never trusted for more.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("traceparent").iter();
    let text = values.next()?.to_str().ok()?;
    let hex =
        |part: &str, len: usize| part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let whole = values.next().is_none() && parts.next().is_none() && hex(version, 2) && version != "ff";
    let good = whole && hex(trace, 32) && hex(span, 16) && hex(flags, 2) && trace.bytes().any(|b| b != b'0');
    good.then(|| trace.to_owned())
}
