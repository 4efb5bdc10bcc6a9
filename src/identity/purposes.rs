//! For which purposes does the token say that it may be used?
//!
//! Read from each place that has a standard, and from the one that the settings name:
//! * `extensions.ihe_iua.purpose_of_use`: array of Codings (IHE IUA §3.71)
//! * `extensions.hl7-b2b.purpose_of_use`: array of strings (HL7 UDAP security guide)
//! * `authorization_details`: elements of type `jp-purpose-access` with `purpose` (RFC 9396)
//! * `claims.purpose` of the settings: a string, a Coding, or an array of these
//!
//! What is found is joined; what the issuer may not assert, or cannot be read, is dropped and counted. None: no place
//! says anything. Some and empty: the token does speak of purposes, and none can be taken up, so it permits none.

use serde_json::Value;

use super::claims::{count, each, is_name, text_or_coding};
use super::settings::IssuerSettings;

/// The type of an authorization detail that carries a purpose.
const DETAIL_TYPE: &str = "jp-purpose-access";

/// The purposes that `payload` grants; sorted, each once.
pub(super) fn granted(issuer: &IssuerSettings, payload: &Value, dropped: &mut u32) -> Option<Vec<String>> {
    let mut found: Vec<Option<String>> = Vec::new();
    let mut spoken = false;
    let iua = payload.pointer("/extensions/ihe_iua/purpose_of_use");
    let b2b = payload.pointer("/extensions/hl7-b2b/purpose_of_use");
    let plain = issuer.claims.purpose.as_ref().and_then(|pointer| payload.pointer(pointer));
    for (place, read) in [(iua, coding as Read), (b2b, text as Read), (plain, text_or_coding as Read)] {
        spoken |= place.is_some_and(|value| !value.is_null());
        found.extend(each(place).iter().map(read));
    }
    for detail in each(payload.get("authorization_details")) {
        // Other types are meant for other services. Without a type nobody can tell for whom it is meant.
        match detail.get("type").and_then(Value::as_str) {
            Some(DETAIL_TYPE) | None => {
                spoken = true;
                found.extend(detail_purposes(detail));
            }
            Some(_) => count(dropped, 1),
        }
    }
    spoken.then(|| asserted(issuer, found, dropped))
}

type Read = fn(&Value) -> Option<String>;

fn asserted(issuer: &IssuerSettings, found: Vec<Option<String>>, dropped: &mut u32) -> Vec<String> {
    let claimed = found.len();
    let mut purposes: Vec<String> =
        found.into_iter().flatten().filter(|purpose| issuer.may_assert.purposes.contains(purpose)).collect();
    count(dropped, claimed.saturating_sub(purposes.len()));
    purposes.sort_unstable();
    purposes.dedup();
    purposes
}

fn coding(value: &Value) -> Option<String> {
    value.is_object().then(|| text_or_coding(value)).flatten()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| is_name(text)).map(str::to_owned)
}

/// An element that also limits something else (`locations`, `datatypes`, `recipient`, …) grants nothing: that limit
/// could not be kept here, and ignoring it would release more than was authorised.
fn detail_purposes(detail: &Value) -> Vec<Option<String>> {
    let only_purpose = detail.as_object().is_some_and(|members| {
        members.get("type").is_some() && members.keys().all(|name| name == "type" || name == "purpose")
    });
    if !only_purpose {
        return vec![None];
    }
    match each(detail.get("purpose")) {
        [] => vec![None],
        purposes => purposes.iter().map(text).collect(),
    }
}
