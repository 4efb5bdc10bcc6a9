//! An access as a log record of OpenTelemetry, in the JSON of OTLP: hexadecimal trace ids, 64-bit numbers as decimal strings, no nulls.
//! Source: opentelemetry.io/docs/specs/otlp (JSON Protobuf Encoding), semantic conventions for `http`, `user`, `client`.

use super::told::Told;
use serde_json::{Value, json};

/// One `LogRecord`.
pub(super) fn record(told: &Told<'_>) -> Value {
    let head = told.head;
    // WARN and INFO of the log data model.
    let (number, severity) = if !told.is_well() { (13, "WARN") } else { (9, "INFO") };
    let mut attributes = vec![
        int("sekisho.record", told.head.seq),
        text("sekisho.kind", told.kind()),
        text("sekisho.outcome", told.outcome()),
        text("sekisho.action", told.action()),
    ];
    let caller = head.caller.as_ref();
    let recipient = head.recipient.as_ref();
    let texts = [
        ("user.id", Some(told.who().1).filter(|id| !id.is_empty())),
        ("sekisho.caller.issuer", Some(told.who().0).filter(|issuer| !issuer.is_empty())),
        ("sekisho.caller.organization", caller.and_then(|caller| caller.organization.as_deref())),
        ("client.address", told.address()),
        ("http.request.method", head.method.as_deref()),
        ("http.route", head.route.as_deref()),
        ("sekisho.purpose", head.purpose.as_deref()),
        ("sekisho.basis", head.basis.as_deref()),
        ("sekisho.recipient", recipient.map(|to| to.id.as_str())),
        ("sekisho.recipient.organization", recipient.and_then(|to| to.organization.as_deref())),
        ("sekisho.recipient.country", recipient.and_then(|to| to.country.as_deref())),
        ("sekisho.subject.class", head.subject_class.as_deref()),
        ("sekisho.decision", head.id.as_deref()),
        ("sekisho.policy", head.policy.as_ref().map(|policy| policy.id.as_str())),
        ("sekisho.policy.revision", head.policy.as_ref().map(|policy| policy.revision.as_str())),
        ("sekisho.mode", head.mode.as_deref()),
    ];
    attributes.extend(texts.into_iter().filter_map(|(name, value)| value.map(|value| text(name, value))));
    let roles: Vec<&str> = caller.map_or_else(Vec::new, |caller| caller.roles.iter().map(String::as_str).collect());
    let forms =
        told.forms.iter().flat_map(|(form, categories)| categories.iter().map(move |one| format!("{form}:{one}")));
    let forms: Vec<String> = forms.collect();
    let lists = [
        ("user.roles", roles),
        ("sekisho.clauses", told.clauses()),
        ("sekisho.codes", told.codes()),
        ("sekisho.obligations", head.obligations.iter().map(String::as_str).collect()),
        ("sekisho.subjects.sealed", told.subjects.clone()),
        ("sekisho.forms", forms.iter().map(String::as_str).collect()),
    ];
    attributes
        .extend(lists.into_iter().filter(|(_, values)| !values.is_empty()).map(|(name, values)| list(name, &values)));
    let end = told.end;
    let numbers = [
        ("http.response.status_code", told.status().map(u64::from)),
        ("http.response.body.size", end.and_then(|end| end.released_bytes)),
        ("sekisho.entries.released", end.and_then(|end| end.entries_released)),
        ("sekisho.entries.dropped", end.and_then(|end| end.entries_dropped)),
    ];
    attributes.extend(numbers.into_iter().filter_map(|(name, value)| value.map(|value| int(name, value))));
    let mut record = json!({
        "timeUnixNano": nanoseconds(told.began_ms()),
        "observedTimeUnixNano": nanoseconds(told.ended_ms()),
        "severityNumber": number,
        "severityText": severity,
        "eventName": format!("sekisho.{}", told.kind()),
        "body": {"stringValue": format!("{} {}", told.action(), told.outcome())},
        "attributes": attributes,
    });
    if let (Some(trace), Some(members)) = (head.trace_id.as_deref(), record.as_object_mut()) {
        members.insert("traceId".into(), trace.into());
    }
    // The node is a matter of the resource; it travels beside the record until the request is made.
    json!({"node": head.node, "record": record})
}

/// An `ExportLogsServiceRequest` of these records; those of one node share a resource.
pub(super) fn request(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut nodes: Vec<(String, Vec<Value>)> = Vec::new();
    for message in messages {
        let Ok(Value::Object(mut members)) = serde_json::from_slice::<Value>(message) else { continue };
        let node = members.get("node").and_then(Value::as_str).unwrap_or_default().to_owned();
        let record = members.remove("record").unwrap_or_default();
        match nodes.iter_mut().find(|(known, _)| *known == node) {
            Some((_, records)) => records.push(record),
            None => nodes.push((node, vec![record])),
        }
    }
    let resources: Vec<Value> = nodes
        .into_iter()
        .map(|(node, records)| {
            let attributes = [text("service.name", "sekisho"), text("service.instance.id", &node)];
            let scope = json!({"name": "sekisho.access-log", "version": env!("CARGO_PKG_VERSION")});
            json!({"resource": {"attributes": attributes}, "scopeLogs": [{"scope": scope, "logRecords": records}]})
        })
        .collect();
    json!({"resourceLogs": resources}).to_string().into_bytes()
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn int(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn list(key: &str, values: &[&str]) -> Value {
    let values: Vec<Value> = values.iter().map(|value| json!({"stringValue": value})).collect();
    json!({"key": key, "value": {"arrayValue": {"values": values}}})
}

fn nanoseconds(moment_ms: u64) -> String {
    (u128::from(moment_ms) * 1_000_000).to_string()
}
