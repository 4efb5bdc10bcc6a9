//! In which type does a body come, and may it leave in the type that the gate answers?
//!
//! Media types are read strictly (RFC 9110 sections 5.6.6, 8.3.1 and 12.5.1): what could be read in two ways is none. A body
//! is read inside only as JSON in UTF-8, of FHIR's R4; what says otherwise of itself is not taken for it.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::catalogue::{Route, Shape};

/// A body that holds parameters.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
/// A JSON Patch (RFC 6902).
pub(super) const PATCH: &str = "application/json-patch+json";

/// The types of JSON that a caller may mean by what he accepts.
const JSON: [&str; 5] =
    ["application/json", "application/fhir+json", "application/json+fhir", "application/dicom+json", "text/json"];
/// The same by lines.
const LINES: [&str; 4] = ["application/x-ndjson", "application/ndjson", "application/fhir+ndjson", "application/jsonl"];
/// The version of FHIR that the gate reads.
const FHIR_VERSION: &str = "4.0";

/// The media type of a body, lower case, without parameters; `None` where it is missing, doubled or none, where its
/// `charset` is not UTF-8 or its `fhirVersion` another than the gate reads.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let text = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let Named { media, parameters } = Named::read(text)?;
    parameters.iter().all(is_read).then_some(media)
}

/// Whether a body of this type is JSON that the gate reads.
pub(super) fn is_json(media: &str) -> bool {
    matches!(
        media,
        "application/json" | "application/fhir+json" | "application/dicom+json" | "application/problem+json"
    )
}

/// Whether a body of this type is JSON by lines.
pub(super) fn is_lines(media: &str) -> bool {
    LINES.contains(&media)
}

/// Whether a body of this type may be written on this route, as JSON.
pub(super) fn is_written(media: &str, fhir: bool) -> bool {
    media == "application/json" || (fhir && media == "application/fhir+json")
}

/// Whether a body without a telling length or end, or in parts, is said to come: what is in it is not one content.
pub(super) fn is_no_whole(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().any(|value: &HeaderValue| {
        let text = value.as_bytes().trim_ascii_start();
        let begins = |with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()));
        begins("text/event-stream") || begins("multipart/")
    })
}

/// The type in which the gate answers on this route; `None`: the backend's, for it cannot be read inside.
pub(super) fn answered(route: &Route) -> Option<&'static str> {
    Some(match (route.shape(), route.is_fhir()) {
        (Shape::Opaque, false) => return None,
        _ if route.dicom().is_some() => "application/dicom+json",
        (Shape::Lines, true) => "application/fhir+ndjson",
        (Shape::Lines, false) => "application/x-ndjson",
        (_, true) => "application/fhir+json",
        (_, false) => "application/json",
    })
}

/// Whether whoever sends these fields takes an answer of this type, which is `own` or meant by another name of JSON. No
/// `Accept`, or an empty one, takes everything; what is no media range in it names nothing.
pub(super) fn accepts(headers: &HeaderMap, own: &str) -> bool {
    let mut ranges: Vec<(Named, bool)> = Vec::new();
    let mut asked = false;
    for value in headers.get_all(ACCEPT) {
        let Ok(text) = value.to_str() else {
            asked = true;
            continue;
        };
        for item in split(text, ',') {
            asked |= !item.trim().is_empty();
            ranges.extend(Named::read(item).and_then(Named::weighed));
        }
    }
    if !asked {
        return true;
    }
    let named = |name: &str| ranges.iter().filter(|(range, _)| range.media == name).map(|(_, taken)| *taken).max();
    let also: &[&str] = if is_lines(own) { &LINES } else { &[] };
    let by_another_name = || JSON.iter().chain(also).any(|other| named(other) == Some(true)).then_some(true);
    // The most precise range that covers a type decides (RFC 9110 section 12.5.1).
    named(own).or_else(by_another_name).or_else(|| named("application/*")).or_else(|| named("*/*")).unwrap_or(false)
}

/// A parameter that leaves the body what the gate reads.
fn is_read((name, value): &(String, String)) -> bool {
    match name.as_str() {
        "charset" => value.eq_ignore_ascii_case("utf-8"),
        "fhirversion" => value == FHIR_VERSION || value.strip_prefix(FHIR_VERSION).is_some_and(|r| r.starts_with('.')),
        // `charset*` (RFC 8187) and its like: who reads them reads another charset.
        other => !other.starts_with("charset"),
    }
}

/// A media type or range, in lower case, with its parameters: names in lower case, values without quotes.
struct Named {
    media: String,
    parameters: Vec<(String, String)>,
}

impl Named {
    fn read(text: &str) -> Option<Named> {
        let mut parts = split(text, ';').into_iter();
        let media = parts.next()?.trim_matches([' ', '\t']).to_ascii_lowercase();
        let (kind, rest) = media.split_once('/')?;
        if !is_token(kind) || !is_token(rest) {
            return None;
        }
        let mut parameters = Vec::new();
        for part in parts {
            let part = part.trim_matches([' ', '\t']);
            if part.is_empty() {
                continue;
            }
            let (name, value) = part.split_once('=')?;
            parameters.push((is_token(name).then(|| name.to_ascii_lowercase())?, unquoted(value)?));
        }
        Some(Named { media, parameters })
    }

    /// The same with whether it is taken at all (`q` above nothing); `None`: it asks for what the gate does not answer in.
    fn weighed(self) -> Option<(Named, bool)> {
        let (weight, others): (Vec<_>, Vec<_>) = self.parameters.iter().partition(|(name, _)| name == "q");
        let taken = match weight.as_slice() {
            [] => true,
            [(_, value)] => value.bytes().all(|b| b.is_ascii_digit() || b == b'.') && value.bytes().any(|b| b > b'0'),
            _ => return None,
        };
        others.into_iter().all(is_read).then_some(())?;
        Some((self, taken))
    }
}

/// Splits where the mark stands outside of quotes.
fn split(text: &str, mark: char) -> Vec<&str> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if letter == mark && !quoted => {
                parts.push(text.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A token, or what stands in quotes; `None`: neither, or with an escape.
fn unquoted(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains(['"', '\\']) => Some(inner.to_owned()),
        Some(_) => None,
        None => is_token(value).then(|| value.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    fn fields(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_type_is_read_in_one_way_or_not_at_all() {
        let of = |values: &[&str]| media_type(&fields("content-type", values));
        for (text, media) in [
            ("application/json", "application/json"),
            ("Application/JSON; Charset=\"UTF-8\"", "application/json"),
            ("application/json;charset=Utf-8;", "application/json"),
            ("application/json ; ; charset=utf-8", "application/json"),
            ("application/fhir+json;fhirVersion=4.0", "application/fhir+json"),
            ("application/fhir+json; fhirVersion=\"4.0.1\"", "application/fhir+json"),
            ("application/json; x=\"a;charset=utf-16\"", "application/json"),
            ("text/plain; charset=utf-8", "text/plain"),
        ] {
            assert_eq!(of(&[text]).as_deref(), Some(media), "{text}");
        }
        for text in [
            "",
            "json",
            "application/json, text/html",
            "application/json; charset=utf-8, text/html",
            "application/json text/html",
            "application/json; charset=utf-16",
            "application/json; charset=utf8",
            "application/json; charset=",
            "application/json; charset",
            "application/json; charset = utf-8",
            "application/json; charset='utf-8'",
            "application/json; charset=\"utf-8",
            "application/json; charset=\"utf\\-8\"",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json; charset*=utf-8''utf-16",
            "application/json; charset*0=utf-16",
            "application/fhir+json; fhirVersion=3.0",
            "application/fhir+json; fhirVersion=4.3",
            "application/fhir+json; fhirVersion=4.01",
            "application/jsön",
        ] {
            assert_eq!(of(&[text]), None, "{text}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["application/json", "application/json"]), None);
    }

    #[test]
    fn who_takes_json_by_any_of_its_names_gets_it_and_nobody_else_does() {
        let (json, fhir, lines) = ("application/json", "application/fhir+json", "application/x-ndjson");
        for (own, accept, taken) in [
            (json, "", true),
            (json, "*/*", true),
            (json, "application/*", true),
            (json, "text/html, */*;q=0.1", true),
            (json, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            (json, "APPLICATION/JSON;Q=0.5", true),
            (json, "application/xml", false),
            (json, "text/*", false),
            (fhir, "application/json, */*;q=0", true),
            (json, "application/json;q=0", false),
            (json, "application/json;q=0, */*", false),
            (json, "application/json;q=0.000", false),
            (json, "*/*;q=0", false),
            (json, "application/*;q=0, */*", false),
            (json, "application/json;q=0.001", true),
            (json, "application/json; charset=utf-8", true),
            (json, "application/json; charset=utf-16", false),
            (json, "nonsense", false),
            (json, "application/json;q=1;q=0", false),
            (fhir, "application/json", true),
            (fhir, "application/fhir+json;fhirVersion=4.0", true),
            (fhir, "application/fhir+json;fhirVersion=5.0", false),
            (fhir, "application/fhir+xml", false),
            (fhir, "application/fhir+xml;q=1.0, application/fhir+json;q=0.9", true),
            (fhir, "application/fhir+json;q=0, application/json", false),
            (fhir, "text/turtle, text/xml", false),
            (lines, "application/ndjson", true),
            (lines, "application/json", true),
            (lines, "text/csv", false),
        ] {
            assert_eq!(accepts(&fields("accept", &[accept]), own), taken, "{own}: {accept}");
        }
        assert!(accepts(&fields("accept", &[]), json));
        assert!(accepts(&fields("accept", &["text/html", "application/json"]), json), "two fields are one list");
        assert!(!accepts(&fields("accept", &["ä"]), json));
    }

    #[test]
    fn a_stream_of_events_and_parts_are_no_content_of_their_own() {
        for (media, is) in [
            ("text/event-stream", true),
            (" Text/Event-Stream; charset=utf-8", true),
            ("multipart/byteranges; boundary=x", true),
            ("image/png", false),
            ("text", false),
        ] {
            assert_eq!(is_no_whole(&fields("content-type", &[media])), is, "{media}");
        }
    }
}
