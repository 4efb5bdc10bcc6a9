//! Is every line as the published schema says, and does the schema say no more than that?

use super::support::*;
use sekisho::audit::{
    Administrative, Caller, Count, Detail, Disclosure, End, Entries, Entry, Latency, Log, Note, Options, Outcome,
    Reason, Recipient, Refusal, SCHEMA, Window,
};
use sekisho::audit::{Begin, Decision, Policy};
use sekisho::store::simulated::Simulated;
use serde_json::Value;
use std::sync::{Arc, LazyLock};

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap());

/// Why a line is not as the schema says; `None` where it is.
pub(crate) fn fault(line: &Value) -> Option<String> {
    let kind = line["kind"].as_str().unwrap_or_default().to_owned();
    // By its kind alone the reason is told; by the whole schema it would be "none of them".
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap();
    if VALIDATOR.is_valid(line) {
        return None;
    }
    if schema["$defs"].get(&kind).is_none() {
        return Some(format!("there is no kind `{kind}`"));
    }
    let members = schema.as_object_mut().unwrap();
    members.remove("oneOf");
    members.insert("$ref".into(), format!("#/$defs/{kind}").into());
    let by_kind = jsonschema::validator_for(&schema).unwrap();
    let why: Vec<String> =
        by_kind.iter_errors(line).map(|error| format!("{}: {error}", error.instance_path())).collect();
    Some(format!("{kind}: {}", why.join("; ")))
}

/// A log with every kind of record, each with every member that there is.
fn full() -> Simulated {
    let disk = Simulated::new();
    let (log, _) =
        Log::open(Arc::new(disk.clone()), Options { segment_bytes: 1 << 20, ..options() }, Arc::new(Hand::new()))
            .unwrap();
    let (seal, forms) = (seal(), forms());
    let subjects = [seal.subject("p-1").unwrap(), seal.subject("p-2").unwrap()];
    let note = seal.note(Note::Reason, "full-1", "because").unwrap();
    let decision = Decision {
        id: "full-1",
        trace_id: Some("0123456789abcdef0123456789abcdef"),
        decided_ms: Some(NOW_MS),
        caller: Caller {
            issuer: "https://idp.example",
            id: "c-17\u{202e}\n\"",
            organization: Some("univ-a"),
            recipient: Some("researcher"),
            roles: &["researcher", "doctor"],
            authenticated_ms: Some(NOW_MS),
            address: Some("192.0.2.1"),
        },
        purpose: Some("research"),
        basis: Some("consent"),
        proofs: &["c-1"],
        act: Some("act"),
        recipient: Some(Recipient {
            id: "r",
            organization: Some("o"),
            country: Some("US"),
            overseas_basis: Some("consent"),
        }),
        route: Some("/Patient/{id}"),
        method: "GET",
        action: "read",
        subject_class: Some("patient"),
        subjects: &subjects,
        forms: Some(&forms),
        searched: &["identity.name"],
        rules: &["research"],
        clauses: &["II.3.10"],
        obligations: &["review"],
        policy: Policy { id: "jmdp", revision: "2022-04", digest: "sha256:00", catalogue: Some("00") },
        mode: "enforce",
        reason: Some(&note),
        reference: Some(&note),
        pseudonym_epoch: Some("1"),
    };
    let mut ticket = log.begin(&Begin { decision, decision_us: Some(12) }).wait().unwrap();
    let disclosed = [Disclosure { class: "patient", subjects: &subjects, forms: &forms }];
    ticket.continuation(&Window { disclosed: &disclosed, entries_dropped: 1, window_bytes: 9 }).wait().unwrap();
    let counts = [Count { form: "clear", category: "identity.name", fields: 3 }];
    let latency = Latency { record_us: Some(1), backend_us: Some(2), first_byte_us: Some(3), total_us: Some(4) };
    let end = End {
        outcome: Outcome::Failed,
        code: Some("body-malformed"),
        status: Some(200),
        received_bytes: Some(10),
        released_bytes: 5,
        entries: Some(Entries { released: 2, dropped: 1 }),
        counts: &counts,
        unclassified: &["new-field", "*"],
        unclassified_fields: 2,
        latency,
    };
    ticket.end(&end).wait().unwrap();
    let reasons = [Reason { code: "consent-missing", clause: Some("II.6") }, Reason { code: "help", clause: None }];
    log.refuse(&Refusal { decision, reasons: &reasons, status: 403, decision_us: Some(1) }).wait().unwrap();
    let details = [("last_sequence", Detail::Number(7)), ("why", Detail::Text("said"))];
    let record = Administrative {
        action: "everything",
        by: Some(decision.caller),
        policy: Some(decision.policy),
        subjects: &subjects,
        reason: Some(&note),
        details: &details,
    };
    log.administrative(&record).wait().unwrap();
    log.stranger("192.0.2.7".parse().unwrap(), "token-missing");
    drop(log.begin(&begin("open")).wait().unwrap());
    // The least that a record may say.
    let _ended =
        log.begin(&Begin { decision: Decision { id: "x", ..Decision::default() }, decision_us: None }).wait().unwrap();
    log.refuse(&Refusal { decision: Decision { id: "y", ..Decision::default() }, ..Refusal::default() })
        .wait()
        .unwrap();
    log.close();
    disk
}

#[test]
fn every_line_conforms_whatever_it_holds() {
    let disk = full();
    let records = records(&disk);
    let kinds: std::collections::BTreeSet<&str> = records.iter().filter_map(|record| record["kind"].as_str()).collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    for record in &records {
        assert_eq!(fault(record), None, "{record}");
    }
}

#[test]
fn a_member_more_or_of_another_shape_does_not_conform() {
    for record in records(&full()) {
        let members: Vec<String> = record.as_object().unwrap().keys().cloned().collect();
        let mut more = record.clone();
        more["patient_name"] = serde_json::json!({"family": "Sato"});
        assert!(fault(&more).is_some(), "{more}");
        for member in members {
            let mut other = record.clone();
            other[&member] = Value::Bool(true);
            assert!(fault(&other).is_some(), "{member}: {other}");
        }
    }
}

/// What the schema names, the typed reading keeps: a member forgotten there would be missing from every export.
#[test]
fn every_member_of_the_schema_is_read_in_types() {
    for line in lines(&full()) {
        let record = without_nothing(serde_json::from_slice(&line.bytes).unwrap());
        let entry = without_nothing(serde_json::to_value(Entry::read(&line.bytes).unwrap()).unwrap());
        let details = Entry::details(&line.bytes);
        for (name, value) in record.as_object().unwrap() {
            // The state at a segment's beginning is its reader's matter.
            let of_segments = ["newest", "tree", "open", "minute"].contains(&name.as_str());
            let read = entry.get(name).or_else(|| details.get(name));
            assert!(of_segments || read == Some(value), "{name}: {read:?} instead of {value}");
        }
    }
}

/// Without members that say nothing.
fn without_nothing(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let said = members.into_iter().map(|(name, value)| (name, without_nothing(value)));
            let nothing = [Value::Null, serde_json::json!([]), serde_json::json!({}), "".into()];
            Value::Object(said.filter(|(_, value)| !nothing.contains(value)).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_nothing).collect()),
        other => other,
    }
}
