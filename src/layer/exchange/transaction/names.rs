//! By what do the entries of a transaction call each other's records? By their `fullUrl`, in whatever way it is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use serde_json::Value;

use super::super::batch::{Asked, condition_members};

/// Whether the target or a condition of an entry's request names a record so.
pub(super) fn in_request(asked: &Asked, name: &str) -> bool {
    let target = asked.head.uri.path_and_query().map_or("", |text| text.as_str());
    let said = |field: &HeaderName| {
        asked
            .head
            .headers
            .get_all(field)
            .iter()
            .any(|value| in_target(&String::from_utf8_lossy(value.as_bytes()), name))
    };
    in_target(target, name) || condition_members().iter().any(|(_, field)| said(field))
}

/// Whether a write, as the Bundle for the backend has it, names a record so: in what it is to write, a patch too, or in its
/// request. What cannot be read might.
pub(super) fn in_entry(told: &str, name: &str) -> bool {
    match serde_json::from_str(told) {
        Ok(Value::Object(mut entry)) => {
            entry.remove("fullUrl");
            in_value(&Value::Object(entry), name)
        }
        _ => true,
    }
}

fn in_value(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => stands_in(text, name),
        Value::Array(items) => items.iter().any(|item| in_value(item, name)),
        Value::Object(members) => {
            let patch = || members.get("data").and_then(Value::as_str).and_then(|data| STANDARD.decode(data).ok());
            let of_patch = || match patch().map(|patch| serde_json::from_slice(&patch)) {
                Some(Ok(patch)) => in_value(&patch, name),
                Some(Err(_)) | None => false,
            };
            members.values().any(|member| in_value(member, name)) || of_patch()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn in_target(text: &str, name: &str) -> bool {
    stands_in(&percent_encoding::percent_decode_str(text).decode_utf8_lossy(), name)
}

/// Whether a text has the name, and not only the beginning of a longer one: `urn:x:12` does not name `urn:x:1`.
fn stands_in(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_ascii_lowercase(), name.to_ascii_lowercase());
    let goes_on = |rest: &str| {
        let mut rest = rest.chars();
        match rest.next() {
            Some('.') => rest.next().is_some_and(|c| c.is_ascii_alphanumeric()),
            next => next.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')),
        }
    };
    text.match_indices(&name).any(|(at, found)| !text.get(at + found.len()..).is_some_and(goes_on))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_is_seen_however_it_is_written_and_no_longer_one_is_taken_for_it() {
        let name = "urn:uuid:aa";
        let entry = |resource: Value| json!({"fullUrl": name, "resource": resource, "request": {}}).to_string();
        let patch = json!([{"op": "add", "path": "/encounter", "value": {"reference": name}}]).to_string();
        for told in [
            entry(json!({"encounter": {"reference": name}})),
            entry(json!({"encounter": [{"reference": "urn:UUID:AA"}]})),
            entry(json!({"encounter": {"reference": name}}))
                .replace("{\"reference\":\"urn", "{\"reference\":\"\\u0075rn"),
            entry(json!({"text": {"div": "see urn:uuid:aa."}})),
            entry(json!({"resourceType": "Binary", "data": STANDARD.encode(&patch)})),
            json!({"request": {"ifNoneExist": "encounter=urn:uuid:aa&code=x"}}).to_string(),
            "no JSON".to_owned(),
        ] {
            assert!(in_entry(&told, name), "{told}");
        }
        for told in [
            entry(json!({"id": "x"})),
            entry(json!({"encounter": {"reference": "urn:uuid:aab"}})),
            entry(json!({"encounter": {"reference": "urn:uuid:aa-1"}, "note": "urn:uuid:aa.1"})),
            entry(json!({"resourceType": "Binary", "data": STANDARD.encode("[]")})),
        ] {
            assert!(!in_entry(&told, name), "{told}");
        }
    }
}
