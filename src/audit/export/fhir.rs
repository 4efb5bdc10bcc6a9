//! An access as FHIR R4 AuditEvents by IHE's Basic Audit Log Patterns (BALP 1.1): one for each person, since a profile has room for
//! one.
//!
//! | access | profile |
//! |---|---|
//! | to another organisation | `PrivacyDisclosure.Source` |
//! | by one's own | `PatientRead`, `PatientQuery`, `PatientCreate`, `PatientUpdate`, `PatientDelete`; without `Patient` where it is about nobody |
//! | refused, cut off or failed | none: the profiles are of success; the same elements, `outcome` 4 or 8, the codes in `outcomeDesc` |
//! | done to the gate; strangers | none: DCM 110100 Application Activity; 110114 User Authentication |
//!
//! A person is a logical reference: the sealed id under `urn:sekisho:sealed-subject`. Who asked is an identifier under its issuer; an
//! issuer whose name is no URI (`this machine`) stands under `urn:sekisho:issuer`. The query that a profile asks for is method and
//! route, with the categories searched on: values of a query are in no record.

use super::super::time;
use super::told::{Told, What};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

pub(super) fn events(told: &Told<'_>) -> Vec<Value> {
    match &told.what {
        What::Access | What::Refusal if told.subjects.is_empty() => vec![access(told, None)],
        What::Access | What::Refusal => told.subjects.iter().map(|subject| access(told, Some(subject))).collect(),
        What::Administrative { .. } | What::Strangers { .. } => vec![around(told)],
    }
}

/// What differs from profile to profile.
struct Pattern {
    /// The profile's name for an access about a person.
    profile: &'static str,
    /// AuditEvent.action.
    action: &'static str,
    /// RESTful interaction.
    interaction: &'static str,
    /// The kinds of the agents that are the client and the server.
    client: (&'static str, &'static str),
    server: (&'static str, &'static str),
    /// The kind of the agent that is the user.
    user: &'static str,
}

const SOURCE: (&str, &str) = (DCM, "110153");
const DESTINATION: (&str, &str) = (DCM, "110152");

/// By the action; BALP reverses source and destination between reading and asking.
fn pattern(action: &str) -> Pattern {
    let made = |profile, action, interaction, client, server, user| Pattern {
        profile,
        action,
        interaction,
        client,
        server,
        user,
    };
    match action {
        "search" => made("Query", "E", "search", SOURCE, DESTINATION, "IRCP"),
        "create" => made("Create", "C", "create", SOURCE, DESTINATION, "AUT"),
        "update" => made("Update", "U", "update", SOURCE, DESTINATION, "AUT"),
        "delete" => {
            let custodian = ("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian");
            made("Delete", "D", "delete", (DCM, "110150"), custodian, "AUT")
        }
        _ => made("Read", "R", "read", DESTINATION, SOURCE, "IRCP"),
    }
}

fn access(told: &Told<'_>, subject: Option<&str>) -> Value {
    let pattern = pattern(told.action());
    let head = told.head;
    let to_another = head.recipient.as_ref().is_some_and(|to| to.organization.is_some());
    // Writes bring data in; a disclosure is of what left.
    let left = told.end.and_then(|end| end.released_bytes).is_some_and(|bytes| bytes > 0);
    let disclosure = to_another && left && subject.is_some() && ["R", "E"].contains(&pattern.action);
    let is_patch = pattern.action == "U" && head.method.as_deref() == Some("PATCH");
    let interaction = if is_patch { "patch" } else { pattern.interaction };
    let interaction = coding("http://hl7.org/fhir/restful-interaction", interaction);
    let mut event = around(told);
    let Some(members) = event.as_object_mut() else { return event };
    let mut set = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    if disclosure {
        set("type", coding(DCM, "110106"));
        let disclosed = coding("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "disclose");
        set("subtype", json!([disclosed, interaction]));
        set("action", "R".into());
    } else {
        set("type", coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest"));
        set("subtype", json!([interaction]));
        set("action", pattern.action.into());
    }
    set("period", json!({"start": head.time, "end": time::text(told.ended_ms())}));
    if told.outcome() == "completed" && told.is_success() {
        let profile = match (disclosure, subject) {
            (true, _) => "PrivacyDisclosure.Source".to_owned(),
            (false, Some(_)) => format!("Patient{}", pattern.profile),
            (false, None) => pattern.profile.to_owned(),
        };
        set("meta", json!({"profile": [format!("{PROFILES}{profile}")]}));
    }
    if let Some(purpose) = &purpose(told) {
        set("purposeOfEvent", json!([purpose]));
    }
    let agents = match disclosure {
        true => vec![node(told, SOURCE), client(told, DESTINATION), user(told, "IRCP")],
        false => vec![client(told, pattern.client), node(told, pattern.server), user(told, pattern.user)],
    };
    set("agent", agents.into());
    set("entity", entities(told, subject, pattern.action == "E" && !disclosure).into());
    event
}

/// What every event has; of what was done to the gate, and of strangers, all.
fn around(told: &Told<'_>) -> Value {
    let outcome = match told.outcome() {
        _ if told.is_success() => "0",
        "failed" => "8",
        _ => "4",
    };
    let is_stranger = matches!(told.what, What::Strangers { .. });
    let mut event = json!({
        "resourceType": "AuditEvent",
        "type": coding(DCM, if is_stranger { "110114" } else { "110100" }),
        "action": "E",
        "recorded": time::text(told.ended_ms()),
        "outcome": outcome,
        "agent": [if is_stranger { client(told, SOURCE) } else { user(told, "IRCP") }],
        "source": {"site": "Sekisho", "observer": observer(told), "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4")]},
    });
    let Some(members) = event.as_object_mut() else { return event };
    let described: Vec<&str> = std::iter::once(told.outcome()).chain(told.codes()).collect();
    members.insert("outcomeDesc".into(), described.join(" ").into());
    match &told.what {
        What::Administrative { details } => {
            let subtype = match told.action() {
                "start" => coding(DCM, "110120"),
                "stop" => coding(DCM, "110121"),
                other => json!({"system": "urn:sekisho:action", "code": other}),
            };
            members.insert("subtype".into(), json!([subtype]));
            let detail = |(name, value): (&String, &Value)| json!({"type": name, "valueString": value.as_str().map_or_else(|| value.to_string(), str::to_owned)});
            let detail: Vec<Value> = details.iter().map(detail).collect();
            let mut entity = json!({"type": coding(ENTITY, "4"), "what": {"display": told.action()}, "detail": detail});
            if let Some(entity) = entity.as_object_mut().filter(|_| details.is_empty()) {
                entity.remove("detail");
            }
            let persons = told.subjects.iter().map(|subject| person(subject));
            members.insert("entity".into(), std::iter::once(entity).chain(persons).collect::<Vec<_>>().into());
        }
        What::Strangers { reason, count, .. } => {
            members.insert("subtype".into(), json!([coding(DCM, "110122")]));
            let detail = json!([{"type": "count", "valueString": count.to_string()}]);
            let entity = json!({"type": coding(ENTITY, "4"), "what": {"display": if reason.is_empty() { "others" } else { reason }}, "detail": detail});
            members.insert("entity".into(), json!([entity]));
        }
        What::Access | What::Refusal => {}
    }
    event
}

fn entities(told: &Told<'_>, subject: Option<&str>, is_query: bool) -> Vec<Value> {
    let head = told.head;
    let request = format!("{} {}", head.method.as_deref().unwrap_or(""), head.route.as_deref().unwrap_or(""));
    let mut entities = Vec::new();
    if is_query {
        let searched = head.searched.join(" ");
        let query = if searched.is_empty() { request.clone() } else { format!("{request} by {searched}") };
        entities.push(json!({
            "type": coding(ENTITY, "2"), "role": coding(ROLE, "24"),
            "description": query, "query": STANDARD.encode(&query),
        }));
    } else {
        let mut data =
            json!({"type": coding(ENTITY, "2"), "role": coding(ROLE, "4"), "what": {"display": request.trim()}});
        let detail = data_details(told);
        if let Some(data) = data.as_object_mut().filter(|_| !detail.is_empty()) {
            data.insert("detail".into(), detail.into());
        }
        entities.push(data);
    }
    entities.extend(subject.map(person));
    if let Some(id) = head.id.as_deref() {
        entities.push(json!({"type": {"system": BASIC, "code": "XrequestId"}, "what": {"identifier": {"value": id}}}));
    }
    entities
}

/// By which text it was decided, and what of it left.
fn data_details(told: &Told<'_>) -> Vec<Value> {
    let head = told.head;
    let mut said: Vec<(&str, String)> = vec![("record", head.seq.to_string()), ("clauses", told.clauses().join(" "))];
    if let Some(policy) = &head.policy {
        said.push(("policy", format!("{} {} {}", policy.id, policy.revision, policy.digest)));
    }
    said.push(("basis", head.basis.clone().unwrap_or_default().into_owned()));
    for (form, categories) in &told.forms {
        said.push((form, categories.iter().copied().collect::<Vec<_>>().join(" ")));
    }
    let said = said.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| json!({"type": name, "valueString": value})).collect()
}

fn person(sealed: &str) -> Value {
    let what = json!({"type": "Patient", "identifier": {"system": "urn:sekisho:sealed-subject", "value": sealed}});
    json!({"type": coding(ENTITY, "1"), "role": coding(ROLE, "1"), "what": what})
}

/// The program that called, as far as the log knows it: by the address that it called from.
fn client(told: &Told<'_>, kind: (&str, &str)) -> Value {
    let address = told.address().unwrap_or("unknown");
    // An address, or a name: of a network, or none.
    let network = if address.parse::<std::net::IpAddr>().is_ok() { "2" } else { "1" };
    json!({
        "type": {"coding": [coding(kind.0, kind.1)]}, "who": {"display": address}, "requestor": false,
        "network": {"address": address, "type": network},
    })
}

/// The gate.
fn node(told: &Told<'_>, kind: (&str, &str)) -> Value {
    json!({
        "type": {"coding": [coding(kind.0, kind.1)]}, "who": observer(told), "requestor": false,
        "network": {"address": told.head.node, "type": "1"},
    })
}

/// Who asked, with his roles and for what.
fn user(told: &Told<'_>, kind: &str) -> Value {
    let (issuer, id) = told.who();
    let who = match id {
        "" => json!({"display": "Sekisho"}),
        id if issuer.is_empty() => json!({"identifier": {"value": id}}),
        id => json!({"identifier": {"system": system(issuer), "value": id}}),
    };
    let participation = coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", kind);
    let mut agent = json!({"type": {"coding": [participation]}, "who": who, "requestor": true});
    let Some(members) = agent.as_object_mut() else { return agent };
    let roles = told.head.caller.as_ref().map_or(&[][..], |caller| &caller.roles);
    let roles: Vec<Value> = roles.iter().map(|role| json!({"text": role})).collect();
    if !roles.is_empty() {
        members.insert("role".into(), roles.into());
    }
    if let Some(purpose) = purpose(told) {
        members.insert("purposeOfUse".into(), json!([purpose]));
    }
    agent
}

/// An issuer's name as a `uri`, which a `system` has to be: a token's issuer is one, `this machine` is not.
fn system(issuer: &str) -> String {
    match issuer.contains(':') && issuer.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => issuer.to_owned(),
        false => format!("urn:sekisho:issuer:{}", utf8_percent_encode(issuer, NON_ALPHANUMERIC)),
    }
}

/// The declared purpose, in the policy's own words.
fn purpose(told: &Told<'_>) -> Option<Value> {
    let policy = told.head.policy.as_ref().map_or("", |policy| policy.id.as_str());
    let purpose = told.head.purpose.as_deref()?;
    Some(json!({"coding": [{"system": format!("urn:sekisho:purpose:{policy}"), "code": purpose}]}))
}

fn observer(told: &Told<'_>) -> Value {
    json!({"type": "Device", "identifier": {"system": "urn:sekisho:node", "value": told.head.node}})
}

fn coding(system: &str, code: &str) -> Value {
    json!({"system": system, "code": code})
}

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const ENTITY: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const BASIC: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const PROFILES: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
