//! `Purpose-Of-Use`: never read in two ways, never with a text that was not sent.

use http::{HeaderMap, HeaderValue};
use sekisho::layer::{Declaration, PURPOSE_OF_USE};

/// Panics where a promise is broken.
pub fn check(field: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(field) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(PURPOSE_OF_USE, value.clone());
    let Ok(read) = Declaration::parse(&headers) else { return };
    let text = std::str::from_utf8(field).expect("only ASCII is a declaration");
    for (name, given) in [
        ("basis", &read.basis),
        ("recipient", &read.recipient),
        ("organization", &read.organization),
        ("reason", &read.reason),
        ("reference", &read.reference),
        ("act", &read.act),
        ("source", &read.source),
    ] {
        assert!(given.is_none() || text.contains(name), "`{name}` was never sent");
    }
    headers.append(PURPOSE_OF_USE, value);
    assert!(Declaration::parse(&headers).is_err(), "a doubled field was read");
}
