//! The log in the words of other systems: every access once, nothing that is sealed opened, nothing that could be taken for
//! something else.

use super::support::*;
use sekisho::audit::export::{Exporter, Format};
use sekisho::audit::{
    Administrative, Caller, Decision, Detail, Disclosure, Entries, Forms, Log, Note, Options, Outcome, Reason,
    Recipient, Refusal, Window,
};
use sekisho::audit::{Begin, End};
use sekisho::store::simulated::Simulated;
use serde_json::{Value, json};
use std::sync::Arc;

/// What no export may ever hold: the clear forms of what is sealed.
const SEALED: [&str; 4] = ["person-canary-1", "person-canary-2", "reason-canary", "reference-canary"];
/// Ids as somebody hostile would choose them.
const HOSTILE: [&str; 6] = ["=cmd|' /C calc'!A0", "+1", "-1", "@sum", "a\"b,c", "line\r\nbreak\u{202e}"];

fn begun<'a>(id: &'a str, action: &'a str, caller: &'a str) -> Decision<'a> {
    let caller = Caller { issuer: "https://idp.example", id: caller, address: Some("192.0.2.1"), ..Caller::default() };
    let method = if action == "search" || action == "read" { "GET" } else { "PUT" };
    Decision { action, method, caller, trace_id: Some("0123456789abcdef0123456789abcdef"), ..decision(id) }
}

/// Every kind of access, with a beginning that is still open at the end.
fn sample() -> Simulated {
    let disk = Simulated::new();
    let options = Options { segment_bytes: 4096, ..options() };
    let (log, _) = Log::open(Arc::new(disk.clone()), options, Arc::new(Hand::new())).unwrap();
    let seal = seal();
    let subjects = [seal.subject(SEALED[0]).unwrap(), seal.subject(SEALED[1]).unwrap()];
    let reason = seal.note(Note::Reason, "x", SEALED[2]).unwrap();
    let reference = seal.note(Note::Reference, "x", SEALED[3]).unwrap();
    let forms = forms();
    let narrower = Forms::new([("generalised", "identity.birth-date")]);
    let details = [("site", Detail::Text("*/")), ("version", Detail::Text("0.1.0"))];
    log.administrative(&Administrative { action: "start", details: &details, ..Default::default() }).wait().unwrap();
    for (index, action) in ["read", "search", "create", "update", "delete"].iter().enumerate() {
        for abroad in [false, true] {
            let id = format!("{action}-{abroad}");
            let recipient = Recipient {
                id: "researcher",
                organization: Some("univ-a"),
                country: Some("US"),
                ..Recipient::default()
            };
            let decision = Decision {
                subject_class: Some("patient"),
                subjects: subjects.get(..usize::from(*action != "search")).unwrap(),
                recipient: abroad.then_some(recipient),
                reason: Some(&reason),
                reference: Some(&reference),
                forms: Some(&forms),
                ..begun(&id, action, HOSTILE[index])
            };
            let mut ticket = log.begin(&Begin { decision, decision_us: None }).wait().unwrap();
            if *action == "search" {
                let disclosed = [Disclosure { class: "patient", subjects: &subjects, forms: &narrower }];
                ticket
                    .continuation(&Window { disclosed: &disclosed, entries_dropped: 1, window_bytes: 9 })
                    .wait()
                    .unwrap();
            }
            let entries = Some(Entries { released: 2, dropped: 1 });
            ticket
                .end(&End {
                    outcome: Outcome::Completed,
                    status: Some(200),
                    released_bytes: 7,
                    entries,
                    ..End::default()
                })
                .wait()
                .unwrap();
        }
    }
    let failed = log.begin(&Begin { decision: begun("failed", "read", HOSTILE[5]), decision_us: None }).wait().unwrap();
    failed.end(&End { outcome: Outcome::Failed, code: Some("body-malformed"), ..End::default() }).wait().unwrap();
    let reasons = [Reason { code: "consent-missing", clause: Some("II.6") }];
    log.refuse(&Refusal {
        decision: begun("refused", "read", "c-1"),
        reasons: &reasons,
        status: 403,
        decision_us: None,
    })
    .wait()
    .unwrap();
    log.stranger("192.0.2.7".parse().unwrap(), "token-missing");
    std::mem::forget(log.begin(&begin("open")).wait().unwrap());
    log.administrative(&Administrative { action: "stop", ..Default::default() }).wait().unwrap();
    log.close();
    disk
}

fn exported(disk: &Simulated, format: Format) -> Vec<Vec<u8>> {
    let mut exporter = Exporter::new(format, 1);
    let mut out = Vec::new();
    for line in lines(disk) {
        exporter.take(&line.bytes, &mut out).unwrap();
    }
    out
}

fn values(disk: &Simulated, format: Format) -> Vec<Value> {
    exported(disk, format).iter().map(|message| serde_json::from_slice(message).unwrap()).collect()
}

/// 10 accesses, one that failed, a refusal, start, stop, a minute of strangers.
const ACCESSES: usize = 15;

#[test]
fn nothing_that_is_sealed_is_opened_by_any_format() {
    let disk = sample();
    for (name, format) in Format::ALL {
        let whole: Vec<u8> = exported(&disk, format).concat();
        let text = String::from_utf8(whole).unwrap();
        for canary in SEALED {
            assert!(!text.contains(canary), "{name} holds {canary}");
        }
        let sealed = seal().subject(SEALED[0]).unwrap();
        assert!(text.contains(sealed.as_str()), "{name} says about whom it was, sealed");
    }
}

#[test]
fn lines_as_they_are_are_the_lines() {
    let disk = sample();
    let there: Vec<Vec<u8>> = lines(&disk).into_iter().map(|line| line.bytes).collect();
    assert_eq!(exported(&disk, Format::Jsonl), there);
}

#[test]
fn every_access_is_told_once_wherever_an_earlier_run_stopped() {
    let disk = sample();
    let lines = lines(&disk);
    for (name, format) in Format::ALL {
        let whole = exported(&disk, format);
        for cut in 0..=lines.len() {
            let mut first = Exporter::new(format, 1);
            let mut told = Vec::new();
            for line in &lines[..cut] {
                first.take(&line.bytes, &mut told).unwrap();
            }
            let next = cut as u64 + 1;
            let from = usize::try_from(first.reads_from(next)).unwrap();
            let mut second = Exporter::new(format, next);
            for line in &lines[from - 1..] {
                second.take(&line.bytes, &mut told).unwrap();
            }
            assert_eq!(told, whole, "{name}, cut after {cut}");
        }
    }
}

/// RFC 4180, read the slow way.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(one) = chars.next() {
        match (one, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => cell.push(chars.next().unwrap()),
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\r', false) if chars.peek() == Some(&'\n') => {
                chars.next();
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (other, _) => cell.push(other),
        }
    }
    assert!(cell.is_empty() && row.is_empty() && !quoted, "it ends in the middle of a row");
    rows
}

#[test]
fn a_spreadsheet_takes_no_cell_for_a_formula_and_finds_every_row() {
    let disk = sample();
    let (body, media) = Format::Csv.body(&exported(&disk, Format::Csv));
    assert!(media.starts_with("text/csv"));
    let text = format!("{}{}", Format::Csv.head(), String::from_utf8(body).unwrap());
    let rows = rows(&text);
    assert_eq!(rows.len(), 1 + ACCESSES);
    let column = |name: &str| rows[0].iter().position(|cell| cell == name).unwrap();
    for row in &rows {
        assert_eq!(row.len(), rows[0].len());
        for cell in row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
    }
    let callers: Vec<&str> = rows[1..].iter().map(|row| row[column("caller")].as_str()).collect();
    assert!(
        callers.contains(&"'=cmd|' /C calc'!A0") && callers.contains(&"'@sum") && callers.contains(&"a\"b,c"),
        "{callers:?}"
    );
    let search = rows.iter().find(|row| row[column("decision")] == "search-true").unwrap();
    assert_eq!(search[column("subjects_sealed")].split(' ').count(), 2, "whom its windows disclosed");
    assert_eq!((search[column("country")].as_str(), search[column("entries")].as_str()), ("US", "2"));
    let said = &search[column("forms")];
    assert!(said.contains("generalised:identity.birth-date") && said.contains("clear:health.exam-result"), "{said}");
    let refused = rows.iter().find(|row| row[column("decision")] == "refused").unwrap();
    assert_eq!(
        (refused[column("outcome")].as_str(), refused[column("codes")].as_str()),
        ("refused", "consent-missing")
    );
    assert_eq!(refused[column("clauses")], "II.3.10 II.6");
}

/// What the class requires, and which values: schema.ocsf.io, 1.9, `api_activity` and its objects.
#[test]
fn every_ocsf_event_has_what_its_class_requires() {
    let disk = sample();
    let events = values(&disk, Format::Ocsf);
    assert_eq!(events.len(), ACCESSES);
    for event in &events {
        for required in [
            "activity_id",
            "category_uid",
            "class_uid",
            "metadata",
            "severity_id",
            "time",
            "type_uid",
            "actor",
            "api",
            "src_endpoint",
        ] {
            assert!(!event[required].is_null(), "{required}: {event}");
        }
        let activity = event["activity_id"].as_u64().unwrap();
        assert!([1, 2, 3, 4, 99].contains(&activity));
        assert_eq!((&event["class_uid"], &event["category_uid"]), (&json!(6003), &json!(6)));
        assert_eq!(event["type_uid"], 600_300 + activity);
        assert!(event["api"]["operation"].as_str().is_some_and(|operation| !operation.is_empty()), "{event}");
        assert!(event["metadata"]["version"].is_string() && event["metadata"]["product"]["name"].is_string());
        assert!(["user", "invoked_by"].iter().any(|one| !event["actor"][one].is_null()), "{event}");
        assert!(["ip", "name"].iter().any(|one| event["src_endpoint"][one].is_string()), "{event}");
        assert_eq!(event["time"], NOW_MS);
    }
    let refused = events.iter().find(|event| event["http_request"]["uid"] == "refused").unwrap();
    assert_eq!((&refused["status_id"], &refused["status_detail"]), (&json!(2), &json!("refused consent-missing")));
    assert!(events.iter().all(|event| event["status"] == if event["status_id"] == 1 { "Success" } else { "Failure" }));
    assert_eq!(refused["actor"]["authorizations"][0]["decision"], "deny");
    assert_eq!(refused["unmapped"]["purpose_of_use"], "research");
}

/// One rule of a profile: a place in the event, and what has to stand there; `None`: anything.
type Rule = (&'static str, Option<&'static str>);

const REST: &[Rule] = &[
    ("/type/system", Some("http://terminology.hl7.org/CodeSystem/audit-event-type")),
    ("/type/code", Some("rest")),
    ("/subtype/0/system", Some("http://hl7.org/fhir/restful-interaction")),
    ("/outcome", Some("0")),
    ("/recorded", None),
    ("/source/observer", None),
    ("/agent/0/who", None),
    ("/agent/0/network", None),
    ("/agent/1/who", None),
    ("/agent/1/network", None),
    ("/agent/2/who", None),
];
/// By profile: its fixed values. Source: IHE BALP 1.1, the profiles' own definitions.
const PROFILES: [(&str, &[Rule]); 6] = [
    (
        "PatientRead",
        &[
            ("/action", Some("R")),
            ("/subtype/0/code", Some("read")),
            ("/agent/0/type/coding/0/code", Some("110152")),
            ("/agent/1/type/coding/0/code", Some("110153")),
            ("/agent/2/type/coding/0/code", Some("IRCP")),
        ],
    ),
    (
        "PatientCreate",
        &[
            ("/action", Some("C")),
            ("/subtype/0/code", Some("create")),
            ("/agent/0/type/coding/0/code", Some("110153")),
            ("/agent/1/type/coding/0/code", Some("110152")),
            ("/agent/2/type/coding/0/code", Some("AUT")),
        ],
    ),
    (
        "PatientUpdate",
        &[
            ("/action", Some("U")),
            ("/subtype/0/code", Some("update")),
            ("/agent/0/type/coding/0/code", Some("110153")),
            ("/agent/1/type/coding/0/code", Some("110152")),
            ("/agent/2/type/coding/0/code", Some("AUT")),
        ],
    ),
    (
        "PatientDelete",
        &[
            ("/action", Some("D")),
            ("/subtype/0/code", Some("delete")),
            ("/agent/0/type/coding/0/code", Some("110150")),
            ("/agent/1/type/coding/0/code", Some("custodian")),
            ("/agent/2/type/coding/0/code", Some("AUT")),
        ],
    ),
    (
        "PatientQuery",
        &[
            ("/action", Some("E")),
            ("/subtype/0/code", Some("search")),
            ("/agent/0/type/coding/0/code", Some("110153")),
            ("/agent/1/type/coding/0/code", Some("110152")),
        ],
    ),
    (
        "PrivacyDisclosure.Source",
        &[
            ("/type/code", Some("110106")),
            ("/action", Some("R")),
            ("/subtype/0/code", Some("disclose")),
            ("/outcome", Some("0")),
            ("/recorded", None),
            ("/agent/0/type/coding/0/code", Some("110153")),
            ("/agent/0/network", None),
            ("/agent/1/type/coding/0/code", Some("110152")),
            ("/agent/1/network", None),
            ("/purposeOfEvent/0/coding/0/code", Some("research")),
        ],
    ),
];

fn check(event: &Value, rules: &[Rule]) {
    for (place, wanted) in rules {
        let found = event.pointer(place).unwrap_or_else(|| panic!("{place} is not there: {event}"));
        if let Some(wanted) = wanted {
            assert_eq!(found, wanted, "{place}: {event}");
        }
    }
}

/// Entities by their type, and by their role where there is one.
fn entity<'e>(event: &'e Value, kind: &str, role: Option<&str>) -> Vec<&'e Value> {
    let all = event["entity"].as_array().unwrap().iter();
    all.filter(|entity| entity["type"]["code"] == kind && role.is_none_or(|role| entity["role"]["code"] == role))
        .collect()
}

#[test]
fn every_audit_event_has_what_its_profile_requires() {
    let disk = sample();
    let events = values(&disk, Format::Fhir);
    for (profile, rules) in PROFILES {
        let url = format!("https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.{profile}");
        let of_profile: Vec<&Value> =
            events.iter().filter(|event| event["meta"]["profile"][0] == url.as_str()).collect();
        assert!(!of_profile.is_empty(), "no {profile}");
        for event in of_profile {
            let is_disclosure = profile == "PrivacyDisclosure.Source";
            check(event, if is_disclosure { &[] } else { REST });
            check(event, rules);
            assert_eq!(event["agent"].as_array().unwrap().iter().filter(|agent| agent["requestor"] == true).count(), 1);
            assert_eq!(event["agent"][2].get("network"), None, "users are no network devices");
            let [person] = entity(event, "1", Some("1"))[..] else { panic!("one person: {event}") };
            assert_eq!(person["what"]["type"], "Patient");
            assert_eq!(entity(event, "XrequestId", None).len(), 1);
            if is_disclosure {
                assert_eq!(event["agent"][0]["who"], event["source"]["observer"], "val-audit-source");
                assert!(event["entity"].as_array().unwrap().len() >= 2);
            } else if profile == "PatientQuery" {
                let [query] = entity(event, "2", Some("24"))[..] else { panic!("one query: {event}") };
                assert!(query["query"].is_string() && query.get("what").is_none());
            } else {
                let [data] = entity(event, "2", Some("4"))[..] else { panic!("one object: {event}") };
                assert!(!data["what"].is_null());
            }
        }
    }
    let queries = events
        .iter()
        .filter(|event| event["meta"]["profile"][0].as_str().is_some_and(|url| url.ends_with("PatientQuery")));
    assert_eq!(queries.count(), 2, "one event for each person that a search disclosed");
    // What was refused or failed is no success, and claims no profile.
    for event in events.iter().filter(|event| event["outcome"] != "0") {
        assert_eq!(event.get("meta"), None, "{event}");
        assert!(event["outcomeDesc"].is_string());
    }
    let no_null = events.iter().all(|event| !event.to_string().contains("null") && !event.to_string().contains("[]"));
    assert!(no_null, "FHIR has neither null nor empty arrays");
}

/// A validator refuses a `system` that is no URI, and then no change of the registry could be stored.
#[test]
fn whoever_did_it_has_a_uri_for_a_system_in_fhir() {
    let issuers = [
        ("https://idp.example/a", Some("https://idp.example/a")),
        ("urn:example:ca", Some("urn:example:ca")),
        ("this machine", Some("urn:sekisho:issuer:this%20machine")),
        ("CN=a: b", Some("urn:sekisho:issuer:CN%3Da%3A%20b")),
        ("認証:局", Some("urn:sekisho:issuer:%E8%AA%8D%E8%A8%BC%3A%E5%B1%80")),
        ("", None),
    ];
    for (issuer, system) in issuers {
        let disk = Simulated::new();
        let (log, _) = Log::open(Arc::new(disk.clone()), options(), Arc::new(Hand::new())).unwrap();
        let by = Caller { issuer, id: "uid 0", ..Caller::default() };
        log.administrative(&Administrative { action: "reveal", by: Some(by), ..Default::default() }).wait().unwrap();
        log.close();
        let events = values(&disk, Format::Fhir);
        let who = events[0].pointer("/agent/0/who/identifier").unwrap();
        assert_eq!(who["value"], "uid 0");
        assert_eq!(who.get("system").and_then(Value::as_str), system, "{issuer}");
    }
}

#[test]
fn a_log_record_of_opentelemetry_is_as_its_json_wants_it() {
    let disk = sample();
    let (body, media) = Format::Otlp.body(&exported(&disk, Format::Otlp));
    assert_eq!(media, "application/json");
    let request: Value = serde_json::from_slice(&body).unwrap();
    let resources = request["resourceLogs"].as_array().unwrap();
    assert_eq!(resources.len(), 1, "one node");
    assert_eq!(resources[0]["resource"]["attributes"][1]["value"]["stringValue"], "gate-1");
    let records = resources[0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
    assert_eq!(records.len(), ACCESSES);
    for record in records {
        assert_eq!(record["timeUnixNano"], format!("{NOW_MS}000000"), "64-bit numbers are strings");
        assert!([9, 13].contains(&record["severityNumber"].as_u64().unwrap()));
        for attribute in record["attributes"].as_array().unwrap() {
            let value = attribute["value"].as_object().unwrap();
            assert_eq!(value.len(), 1);
            assert!(value.get("intValue").is_none_or(Value::is_string), "{attribute}");
        }
        assert!(!record.to_string().contains("null"));
    }
    let traced = records.iter().filter(|record| record["traceId"] == "0123456789abcdef0123456789abcdef").count();
    assert_eq!(traced, 12);
}

#[test]
fn a_message_of_syslog_has_its_head_and_the_line_as_it_is() {
    let disk = sample();
    for (message, line) in exported(&disk, Format::Syslog).iter().zip(lines(&disk)) {
        let text = String::from_utf8(message.clone()).unwrap();
        let mut parts = text.splitn(8, ' ');
        let record: Value = serde_json::from_slice(&line.bytes).unwrap();
        let is_around = ["refusal", "strangers", "administrative"].contains(&record["kind"].as_str().unwrap());
        let notice = is_around || record["outcome"].as_str().is_some_and(|outcome| outcome != "completed");
        assert_eq!(parts.next(), Some(if notice { "<109>1" } else { "<110>1" }));
        assert_eq!(parts.next(), record["time"].as_str());
        assert_eq!([parts.next(), parts.next(), parts.next()], [Some("gate-1"), Some("sekisho"), Some("-")]);
        assert_eq!((parts.next(), parts.next()), (record["kind"].as_str(), Some("-")));
        assert_eq!(parts.next().unwrap().as_bytes(), line.bytes);
        assert!(!text.contains('\n'));
    }
}

#[test]
fn a_line_that_is_no_record_is_told_to_nobody() {
    for (name, format) in Format::ALL {
        let mut out = Vec::new();
        let bad = br#"{"v":1,"seq":"many","time":"x","kind":"begin"}"#;
        assert!(Exporter::new(format, 1).take(bad, &mut out).is_err() && out.is_empty(), "{name}");
    }
}

#[test]
fn what_did_not_leave_is_no_disclosure_and_an_answer_of_not_found_no_success() {
    let disk = Simulated::new();
    let (log, _) = Log::open(Arc::new(disk.clone()), options(), Arc::new(Hand::new())).unwrap();
    let subjects = [seal().subject("p-1").unwrap()];
    for (status, released_bytes) in [(404, 0), (304, 0), (200, 9)] {
        let recipient = Some(Recipient { id: "r", organization: Some("univ-a"), ..Recipient::default() });
        let decision = Decision { subjects: &subjects, recipient, ..begun("x", "read", "c-1") };
        let ticket = log.begin(&Begin { decision, decision_us: None }).wait().unwrap();
        let end = End { outcome: Outcome::Completed, status: Some(status), released_bytes, ..End::default() };
        ticket.end(&end).wait().unwrap();
    }
    log.close();
    let events = values(&disk, Format::Fhir);
    let profiles: Vec<Option<&str>> =
        events.iter().map(|event| event["meta"]["profile"][0].as_str()?.rsplit("BasicAudit.").next()).collect();
    assert_eq!(profiles, [None, Some("PatientRead"), Some("PrivacyDisclosure.Source")]);
    assert_eq!(events.iter().map(|event| event["outcome"].as_str().unwrap()).collect::<Vec<_>>(), ["4", "0", "0"]);
}

#[test]
fn a_beginning_that_is_not_there_any_more_is_no_place_to_read_from() {
    let disk = sample();
    let window = lines(&disk).into_iter().find(|line| {
        let record: Value = serde_json::from_slice(&line.bytes).unwrap();
        record["kind"] == "continuation"
    });
    let mut exporter = Exporter::new(Format::Csv, 1);
    exporter.take(&window.unwrap().bytes, &mut Vec::new()).unwrap();
    let first = exporter.reads_from(100);
    assert!(first > 1 && first < 100, "{first}: the window itself, not the beginning before it");
}
