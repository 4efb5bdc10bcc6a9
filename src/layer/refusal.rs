//! What is a caller told who is refused? A problem (RFC 9457) or an OperationOutcome, and no more than he may know.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use super::headers;

/// A refusal on its way out. `kind` is stable: never renamed, never reused.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// The last part of the problem's type URI.
    pub kind: &'static str,
    /// What is wrong and how to mend it, for the caller; no personal data.
    pub detail: String,
    /// Every reason code with its clause, where several are told.
    pub reasons: Vec<(&'static str, Option<String>, &'static str)>,
    /// Categories refused on a write, purposes that may be declared: names only.
    pub names: Vec<(&'static str, Vec<String>)>,
    /// The contact point, where the person is refused.
    pub contact: Option<String>,
    /// Seconds after which a retry makes sense.
    pub retry_after_s: Option<u32>,
    /// `WWW-Authenticate`.
    pub challenge: Option<HeaderValue>,
    /// `Allow`.
    pub allow: Option<String>,
}

/// What the type of every problem begins with; `docs/problems.md` explains each.
pub const TYPES: &str = "urn:sekisho:problem:";
/// What is on file cannot be read.
pub(super) const UNREADABLE: &str = "registry-unreadable";

impl Problem {
    /// A problem with nothing but status, kind and detail.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            kind,
            detail: detail.into(),
            reasons: Vec::new(),
            names: Vec::new(),
            contact: None,
            retry_after_s: None,
            challenge: None,
            allow: None,
        }
    }

    /// What an unknown id is answered with, and whatever depends on the person, to callers from outside: the same body
    /// but for the decision's id, the same fields, the same length.
    pub fn not_available() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-available", "there is nothing here for this caller and purpose")
    }

    /// What is on file cannot be read: nothing is `done` without it.
    pub(super) fn registry_unreadable(done: &str) -> Problem {
        Problem::unavailable(UNREADABLE, &format!("what is on file cannot be read; nothing is {done}"))
    }

    /// The gate cannot record, or cannot know: nothing is released.
    pub fn unavailable(kind: &'static str, detail: &str) -> Problem {
        Problem { retry_after_s: Some(1), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail) }
    }

    /// The backend's answer cannot be judged.
    pub fn bad_gateway(kind: &'static str, detail: &str) -> Problem {
        Problem::new(StatusCode::BAD_GATEWAY, kind, detail)
    }

    fn title(&self) -> &'static str {
        match self.status {
            StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large", // RFC 9110 §15.5.14
            status => status.canonical_reason().unwrap_or("Refused"),
        }
    }

    fn as_problem(&self, id: &str) -> Value {
        let mut body = json!({
            "type": format!("{TYPES}{}", self.kind),
            "title": self.title(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "decision": id,
        });
        let Some(members) = body.as_object_mut() else { return body };
        if !self.reasons.is_empty() {
            let reason = |(code, clause, detail): &(&str, Option<String>, &str)| json!({"code": code, "clause": clause, "detail": detail});
            members.insert("reasons".into(), self.reasons.iter().map(reason).collect());
        }
        for (name, values) in &self.names {
            members.insert((*name).into(), values.clone().into());
        }
        if let Some(contact) = &self.contact {
            members.insert("contact".into(), contact.clone().into());
        }
        body
    }

    fn as_outcome(&self, id: &str) -> Value {
        let code = match self.status {
            StatusCode::UNAUTHORIZED => "login",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::NOT_FOUND => "not-found",
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => "not-supported",
            StatusCode::TOO_MANY_REQUESTS => "throttled",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => "transient",
            _ => "invalid",
        };
        let issue = |text: &str, coding: &str| {
            json!({"severity": "error", "code": code, "diagnostics": text,
                   "details": {"coding": [{"system": TYPES.trim_end_matches(':'), "code": coding}]}})
        };
        let mut issues = vec![issue(&format!("{} (decision {id})", self.detail), self.kind)];
        issues.extend(
            self.reasons.iter().filter(|(code, ..)| *code != self.kind).map(|(code, _, detail)| issue(detail, code)),
        );
        for (name, values) in self.names.iter().filter(|(name, _)| *name == "fields") {
            let told = format!("{name}: {}", values.join(", "));
            issues.push(json!({"severity": "information", "code": "informational", "diagnostics": told}));
        }
        if let Some(contact) = &self.contact {
            let told = json!({"severity": "information", "code": "informational", "diagnostics": contact});
            issues.push(told);
        }
        json!({"resourceType": "OperationOutcome", "issue": issues})
    }

    /// The answer. `id`: the decision's, of fixed length. `fhir`: whether the route speaks FHIR.
    pub fn response(&self, id: &str, fhir: bool) -> Response<Bytes> {
        let (body, media) = match fhir {
            true => (self.as_outcome(id), "application/fhir+json"),
            false => (self.as_problem(id), "application/problem+json"),
        };
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = self.status;
        let fields = response.headers_mut();
        headers::own(fields);
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        insert(fields, headers::DECISION, &format!("refuse;id=\"{id}\""));
        if let Some(after) = self.retry_after_s {
            fields.insert(RETRY_AFTER, HeaderValue::from(after));
        }
        if let Some(challenge) = &self.challenge {
            fields.insert(WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(allow) = &self.allow {
            insert(fields, http::header::ALLOW, allow);
        }
        response
    }
}

/// Inserts a field whose value is the gate's own text; one that is no field value is left out.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
