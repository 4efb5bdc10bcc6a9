//! Does the policy answer as its officer expects? Conformance cases: documents that a privacy officer can read.
//!
//! A case says what is given, what is on file and what is expected; its *twins* differ from it in one fact. Compared are
//! the decision, the form of each category named, the set of reason codes, the obligations (the last two where the case
//! names them), and that each clause meant is among the answer's: right for the wrong reason fails.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::evaluation::evaluate_value;
use crate::policy::reader::{Reader, Table};
use crate::policy::{Faults, Moment, Revisions, Source};

/// One request with what is expected of it.
pub struct Case {
    /// The case's name; a twin's follows its case's.
    pub name: String,
    /// Line of the document at which it begins.
    pub line: usize,
    /// The clauses that it exercises.
    pub clauses: Vec<String>,
    /// Whether it is a twin.
    pub twin: bool,
    request: Value,
    expect: Map<String, Value>,
}

/// What came out differently, each in words; none where the case holds.
pub type Differences = Vec<String>;

/// The keys of `given`, with where they stand in an evaluation request.
const GIVEN: [(&str, &[&str]); 22] = [
    ("caller", &["subject", "id"]),
    ("organization", &["subject", "properties", "organization"]),
    ("roles", &["subject", "properties", "roles"]),
    ("identity", &["subject", "properties", "identity"]),
    ("training-until", &["subject", "properties", "training_until"]),
    ("action", &["action", "name"]),
    ("record", &["resource", "id"]),
    ("class", &["resource", "properties", "subject_class"]),
    ("subject", &["resource", "properties", "subject"]),
    ("dataset", &["resource", "properties", "dataset"]),
    ("ask", &["resource", "properties", "categories"]),
    ("query", &["resource", "properties", "query_categories"]),
    ("purpose", &["context", "purpose"]),
    ("basis", &["context", "basis"]),
    ("recipient", &["context", "recipient"]),
    ("for-organization", &["context", "organization"]),
    ("reason", &["context", "reason"]),
    ("reference", &["context", "reference"]),
    ("act", &["context", "act"]),
    ("source", &["context", "source"]),
    ("time", &["context", "time"]),
    ("kind", &["resource", "type"]),
];

/// Keys that `expect` may have.
const EXPECT: [&str; 7] = ["decision", "release", "reasons", "obligations", "clauses", "recipient", "basis"];

/// Reads a document of cases.
///
/// `expect.reasons` is asked of every case; a permit has none.
///
/// # Errors
/// Every fault of it.
pub fn read(source: Source) -> Result<Vec<Case>, Faults> {
    let reader = Reader::new(source);
    let cases = reader.read(|root| {
        let defaults = object(root, "defaults");
        let mut cases = Vec::new();
        for table in root.tables("case") {
            case(&table, &defaults, &mut cases);
            table.finish();
        }
        cases
    });
    let faults = reader.faults();
    if faults.is_empty() { Ok(cases) } else { Err(faults) }
}

fn object(table: &Table<'_>, key: &'static str) -> Map<String, Value> {
    match table.json(key) {
        Some(Value::Object(map)) => map,
        None => Map::new(),
        Some(_) => {
            table.reader().fault(table.span(), format!("`{key}` is to be a table"), None);
            Map::new()
        }
    }
}

fn merged(below: &Map<String, Value>, above: Map<String, Value>, without: &[String]) -> Map<String, Value> {
    let mut map = below.clone();
    map.extend(above);
    map.retain(|key, _| !without.contains(key));
    map
}

fn case(table: &Table<'_>, defaults: &Map<String, Value>, cases: &mut Vec<Case>) {
    let name = table.required("name").text;
    let clauses: Vec<String> = table.texts("clause").into_iter().map(|t| t.text).collect();
    table.flag("story");
    let given = merged(defaults, object(table, "given"), &[]);
    let facts = object(table, "facts");
    let line = |t: &Table<'_>| t.reader().source().position(t.span().start).0;
    push(table, cases, (name.clone(), line(table), false), &clauses, (&given, &facts));
    for twin in table.tables("twin") {
        let without: Vec<String> = twin.texts("without").into_iter().map(|t| t.text).collect();
        let twin_given = merged(&given, object(&twin, "given"), &without);
        let twin_facts = merged(&facts, object(&twin, "facts"), &without);
        let twin_name = format!("{name}: {}", twin.required("name").text);
        push(&twin, cases, (twin_name, line(&twin), true), &clauses, (&twin_given, &twin_facts));
        twin.finish();
    }
}

fn push(
    table: &Table<'_>,
    cases: &mut Vec<Case>,
    (name, line, twin): (String, usize, bool),
    clauses: &[String],
    (given, facts): (&Map<String, Value>, &Map<String, Value>),
) {
    let expect = object(table, "expect");
    if !expect.get("decision").is_some_and(Value::is_boolean) {
        table.reader().fault(table.span(), "`expect.decision` is to be true or false", None);
    }
    for key in expect.keys().filter(|key| !EXPECT.contains(&key.as_str())) {
        let help = Some(format!("one of {}", EXPECT.join(", ")));
        table.reader().fault(table.span(), format!("unknown key `{key}` in `expect`"), help);
    }
    let mut request = json!({
        "subject": {"type": "caller", "id": "caller", "properties": {}},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "record", "properties": {}},
        "context": {"facts": facts},
    });
    for (key, value) in given {
        match GIVEN.iter().find(|(known, _)| known == key) {
            Some((_, path)) => set(&mut request, path, value.clone()),
            None => {
                let help = crate::policy::nearest(key, GIVEN.iter().map(|(known, _)| *known));
                let help = help.map(|near| format!("did you mean `{near}`?"));
                table.reader().fault(table.span(), format!("unknown key `{key}` in `given`"), help);
            }
        }
    }
    cases.push(Case { name, line, clauses: clauses.to_vec(), twin, request, expect });
}

fn set(request: &mut Value, path: &[&str], value: Value) {
    let Some((last, above)) = path.split_last() else { return };
    let mut place = request;
    for key in above {
        let Some(next) = place.get_mut(*key) else { return };
        place = next;
    }
    if let Value::Object(map) = place {
        map.insert((*last).to_owned(), value);
    }
}

impl Case {
    /// Whether the case expects a permit.
    pub fn permits(&self) -> bool {
        self.expect.get("decision") == Some(&Value::Bool(true))
    }

    /// Whether it exercises this clause: it says so, or expects it to be cited.
    pub fn exercises(&self, clause: &str) -> bool {
        let expected = self.expect.get("clauses").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        self.clauses.iter().any(|named| named == clause) || expected.iter().any(|named| named == clause)
    }

    /// The evaluation request that the case stands for.
    pub fn request(&self) -> &Value {
        &self.request
    }

    /// Runs the case.
    pub fn run(&self, revisions: &Revisions, now: Moment) -> Differences {
        match evaluate_value(&self.request, revisions, now) {
            Ok(answer) => self.compare(&answer),
            Err(fault) => vec![format!("the request is malformed: {fault}")],
        }
    }

    fn compare(&self, answer: &Value) -> Differences {
        let mut differences = Vec::new();
        let context = answer.get("context").unwrap_or(&Value::Null);
        let mut differ = |what: &str, expected: String, found: String| {
            differences.push(format!("{what}: expected {expected}, found {found}"));
        };
        for key in ["recipient", "basis"] {
            let (expected, found) = (self.expect.get(key), context.get(key).unwrap_or(&Value::Null));
            if expected.is_some_and(|expected| expected != found) {
                differ(key, expected.map(Value::to_string).unwrap_or_default(), found.to_string());
            }
        }
        let (expected, found) = (self.expect.get("decision"), answer.get("decision"));
        if expected != found {
            let word = |v: Option<&Value>| if v == Some(&Value::Bool(true)) { "permit" } else { "refuse" }.to_owned();
            differ("decision", word(expected), word(found));
        }
        for key in ["reasons", "obligations"] {
            let (expected, found) = (names(self.expect.get(key)), names(context.get(key)));
            if self.expect.contains_key(key) && expected != found {
                differ(key, listed(&expected), listed(&found));
            }
        }
        if let Some(Value::Object(release)) = self.expect.get("release") {
            for (category, form) in release {
                let found = context.pointer("/release").and_then(|r| r.get(category)).unwrap_or(&Value::Null);
                if found != form {
                    differ(category, form.to_string(), found.to_string());
                }
            }
        }
        let found = names(context.get("clauses"));
        for clause in names(self.expect.get("clauses")).difference(&found) {
            differ("clauses", format!("`{clause}` among them"), listed(&found));
        }
        differences
    }
}

/// Names of a list: texts, or objects with a `code`.
fn names(value: Option<&Value>) -> BTreeSet<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let name = |item: &Value| item.as_str().or(item.get("code").and_then(Value::as_str)).map(str::to_owned);
    items.iter().filter_map(name).collect()
}

fn listed(names: &BTreeSet<String>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().cloned().collect::<Vec<_>>().join(", ") }
}
