//! An access as an event of OCSF 1.8, class API Activity (6003). What the class has no place for, purpose above all, stands in
//! `unmapped`. Source: schema.ocsf.io, `api_activity` and the objects it names.

use super::told::{Told, What};
use serde_json::{Map, Value, json};

pub(super) fn event(told: &Told<'_>) -> Value {
    let activity = match told.action() {
        "create" => 1,
        "read" | "search" => 2,
        "update" => 3,
        "delete" => 4,
        _ => 99,
    };
    let head = told.head;
    // Informational; what did not go as meant is for somebody to look at.
    let (status, caption, severity) = if told.is_success() { (1, "Success", 1) } else { (2, "Failure", 2) };
    let operation = match (head.method.as_deref(), head.route.as_deref()) {
        (Some(method), Some(route)) => format!("{method} {route}"),
        (Some(method), None) => method.to_owned(),
        _ => told.action().to_owned(),
    };
    let mut event = json!({
        "activity_id": activity,
        "activity_name": told.action(),
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "type_uid": 600_300 + activity,
        "severity_id": severity,
        "status_id": status,
        "status": caption,
        "status_detail": std::iter::once(told.outcome()).chain(told.codes()).collect::<Vec<_>>().join(" "),
        "time": told.began_ms(),
        "duration": told.ended_ms().saturating_sub(told.began_ms()),
        "metadata": {
            "version": "1.8.0",
            "product": {"name": "Sekisho", "vendor_name": "Sekisho", "version": env!("CARGO_PKG_VERSION")},
            "log_name": "access", "uid": format!("{}/{}", head.node, head.seq), "sequence": head.seq,
            "original_time": head.time,
        },
        "actor": actor(told),
        "api": {"operation": operation, "service": {"name": head.node}},
        "src_endpoint": source(told),
        "unmapped": unmapped(told),
    });
    let Some(members) = event.as_object_mut() else { return Value::Null };
    if let Some(status) = told.status() {
        members.insert("status_code".into(), status.to_string().into());
        members.insert("http_response".into(), json!({"code": status}));
    }
    if let Some(method) = head.method.as_deref() {
        let path = head.route.as_deref().unwrap_or("");
        members.insert("http_request".into(), json!({"http_method": method, "url": {"path": path}, "uid": head.id}));
    }
    if let What::Strangers { count, .. } = &told.what {
        members.insert("count".into(), (*count).into());
    }
    let resource = |sealed: &&str| json!({"uid": sealed, "type": head.subject_class.as_deref().unwrap_or("person")});
    let resources: Vec<Value> = told.subjects.iter().map(resource).collect();
    if !resources.is_empty() {
        members.insert("resources".into(), resources.into());
    }
    event
}

/// Who, and by which policy.
fn actor(told: &Told<'_>) -> Value {
    let (issuer, id) = told.who();
    let mut actor = Map::new();
    let mut user = Map::new();
    if id.is_empty() {
        let by = if matches!(told.what, What::Strangers { .. }) { "somebody unproven" } else { "sekisho" };
        actor.insert("invoked_by".into(), by.into());
    } else {
        user.insert("uid".into(), id.into());
        user.insert("domain".into(), issuer.into());
        let caller = told.head.caller.as_ref();
        if let Some(organization) = caller.and_then(|caller| caller.organization.as_deref()) {
            user.insert("org".into(), json!({"uid": organization}));
        }
        let roles = caller.map_or(&[][..], |caller| &caller.roles);
        let groups: Vec<Value> = roles.iter().map(|role| json!({"name": role, "type": "role"})).collect();
        if !groups.is_empty() {
            user.insert("groups".into(), groups.into());
        }
        actor.insert("user".into(), user.into());
    }
    if let Some(policy) = &told.head.policy {
        let decision = if told.is_refused() { "deny" } else { "permit" };
        let policy = json!({"uid": policy.id, "version": policy.revision, "desc": policy.digest, "is_applied": true});
        actor.insert("authorizations".into(), json!([{"decision": decision, "policy": policy}]));
    }
    actor.into()
}

/// An address where there is one, else a name: a network of strangers, or the gate itself.
fn source(told: &Told<'_>) -> Value {
    match (&told.what, told.address()) {
        (What::Strangers { .. }, Some(network)) => json!({"name": network}),
        (_, Some(address)) => json!({"ip": address}),
        (_, None) => json!({"name": told.head.node}),
    }
}

fn unmapped(told: &Told<'_>) -> Value {
    let head = told.head;
    let mut more = Map::new();
    for (name, value) in [
        ("purpose_of_use", head.purpose.as_deref()),
        ("basis", head.basis.as_deref()),
        ("act", head.act.as_deref()),
        ("mode", head.mode.as_deref()),
        ("subject_class", head.subject_class.as_deref()),
        ("outcome", Some(told.outcome())),
    ] {
        more.insert(name.into(), value.into());
    }
    if let Some(to) = &head.recipient {
        more.insert("recipient".into(), json!(to));
    }
    for (name, list) in [
        ("clauses", told.clauses()),
        ("rules", head.rules.iter().map(String::as_str).collect()),
        ("obligations", head.obligations.iter().map(String::as_str).collect()),
    ] {
        if !list.is_empty() {
            more.insert(name.into(), list.into());
        }
    }
    if !told.forms.is_empty() {
        more.insert("forms".into(), json!(told.forms));
    }
    if let Some(end) = told.end {
        more.insert("released_bytes".into(), end.released_bytes.into());
        more.insert("entries_released".into(), end.entries_released.into());
        more.insert("entries_dropped".into(), end.entries_dropped.into());
    }
    if let What::Administrative { details } = &told.what {
        more.extend(details.clone());
    }
    more.retain(|_, value| !value.is_null());
    more.into()
}
