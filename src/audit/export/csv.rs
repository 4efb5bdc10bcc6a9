//! A row for each access (RFC 4180): CRLF at the end, a cell quoted where it must be. A cell that a spreadsheet would take for a
//! formula (`=`, `+`, `-`, `@`, tab or return at its beginning) gets an apostrophe before it, and quotes. Lists are separated by
//! spaces. A break of a line within a value is a space: a row is a line.

use super::told::{Told, What};

/// A column: its name, and what it holds.
type Column = (&'static str, fn(&Told<'_>) -> String);

const COLUMNS: [Column; 36] = [
    ("record", |told| told.head.seq.to_string()),
    ("began", |told| told.head.time.to_string()),
    ("ended", |told| told.end.map_or_else(String::new, |end| end.time.to_string())),
    ("node", |told| told.head.node.to_string()),
    ("kind", |told| told.kind().to_owned()),
    ("outcome", |told| told.outcome().to_owned()),
    ("codes", |told| told.codes().join(" ")),
    ("status", |told| or_nothing(told.status())),
    ("caller_issuer", |told| told.who().0.to_owned()),
    ("caller", |told| told.who().1.to_owned()),
    ("caller_organization", |told| text(told.head.caller.as_ref().and_then(|caller| caller.organization.as_deref()))),
    ("roles", |told| told.head.caller.as_ref().map_or_else(String::new, |caller| caller.roles.join(" "))),
    ("address", |told| text(told.address())),
    ("purpose", |told| text(told.head.purpose.as_deref())),
    ("basis", |told| text(told.head.basis.as_deref())),
    ("act", |told| text(told.head.act.as_deref())),
    ("recipient", |told| told.head.recipient.as_ref().map_or_else(String::new, |to| to.id.clone())),
    ("recipient_organization", |told| text(told.head.recipient.as_ref().and_then(|to| to.organization.as_deref()))),
    ("country", |told| text(told.head.recipient.as_ref().and_then(|to| to.country.as_deref()))),
    ("method", |told| text(told.head.method.as_deref())),
    ("route", |told| text(told.head.route.as_deref())),
    ("action", |told| told.action().to_owned()),
    ("subject_class", |told| text(told.head.subject_class.as_deref())),
    ("subjects_sealed", |told| told.subjects.join(" ")),
    ("clauses", |told| told.clauses().join(" ")),
    ("rules", |told| told.head.rules.join(" ")),
    ("obligations", |told| told.head.obligations.join(" ")),
    ("forms", forms),
    ("bytes", |told| or_nothing(told.end.and_then(|end| end.released_bytes))),
    ("entries", |told| or_nothing(told.end.and_then(|end| end.entries_released))),
    ("entries_dropped", |told| or_nothing(told.end.and_then(|end| end.entries_dropped))),
    ("policy", |told| told.head.policy.as_ref().map_or_else(String::new, |p| format!("{} {}", p.id, p.revision))),
    ("mode", |told| text(told.head.mode.as_deref())),
    ("decision", |told| text(told.head.id.as_deref())),
    ("trace", |told| text(told.head.trace_id.as_deref())),
    ("details", details),
];

pub(super) fn head() -> String {
    format!("{}\r\n", COLUMNS.map(|(name, _)| name).join(","))
}

pub(super) fn row(told: &Told<'_>) -> Vec<u8> {
    COLUMNS.map(|(_, value)| cell(&value(told))).join(",").into_bytes()
}

fn cell(value: &str) -> String {
    let value = value.replace(['\r', '\n'], " ");
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let needs_quotes = is_formula || value.contains(['"', ',']);
    let guard = if is_formula { "'" } else { "" };
    if needs_quotes { format!("\"{guard}{}\"", value.replace('"', "\"\"")) } else { value }
}

/// `clear:health.history withheld:identity.name`
fn forms(told: &Told<'_>) -> String {
    let each = told.forms.iter().flat_map(|(form, categories)| categories.iter().map(move |one| (form, one)));
    each.map(|(form, category)| format!("{form}:{category}")).collect::<Vec<_>>().join(" ")
}

fn details(told: &Told<'_>) -> String {
    match &told.what {
        What::Administrative { details } => {
            let each = details.iter().map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name}={text}"),
                None => format!("{name}={value}"),
            });
            each.collect::<Vec<_>>().join(" ")
        }
        What::Strangers { count, .. } => format!("count={count}"),
        What::Access | What::Refusal => String::new(),
    }
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

fn or_nothing(number: Option<impl ToString>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}
