//! What is the smallest change that would turn a refusal? Declarations and facts are changed and the judge is asked.
//!
//! Single changes are tried first, pairs only where no single one turns the answer. Nothing is derived from the rules:
//! what is not answered with a permit when tried is not told. A change is no advice to do it: a consent, a contract or
//! an approval is put on file only where there is one.
//!
//! Cost: some hundred judgements, for pairs some thousand.

use serde_json::{Value, json};

use super::evaluation::{Evaluation, evaluate_value};
use crate::policy::{Action, Moment, Policy, Revisions};

mod candidates;

/// A change of one declaration or fact.
#[derive(Clone)]
pub struct Change {
    /// In words: `declare purpose x`.
    pub text: String,
    /// What sort it is, to be listed together.
    pub sort: Sort,
    edits: Vec<Edit>,
}

/// What a change touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// A proof that goes with the request.
    Proof,
    /// The ground.
    Basis,
    /// For whom.
    Recipient,
    /// What is asked for, or the action.
    Asked,
    /// What is on file about the parties or the person.
    File,
    /// What for.
    Purpose,
    /// Another caller: a role.
    Role,
}

/// A place of the request, and what is put there; `Add` puts it at the end of a list.
#[derive(Clone)]
enum Edit {
    Set(&'static str, Value),
    Add(&'static str, Value),
    Entry(usize, &'static str, Value),
}

/// Changes that, made together, turn the answer.
pub struct Remedy {
    /// One or two.
    pub changes: Vec<Change>,
    /// The categories that are then released in some form, with the form.
    pub releases: Vec<(String, String)>,
}

/// What was found.
pub struct Remedies {
    /// Each turns the answer; the likelier first. None: nothing small does.
    pub found: Vec<Remedy>,
    /// The categories asked for that no purpose releases to this recipient in any form.
    pub unreleased: Vec<String>,
    /// How many judgements were made.
    pub tried: usize,
}

/// Looks for what turns this refusal.
///
/// # Errors
/// What is malformed in the request, in words.
pub fn remedies(request: &Value, revisions: &Revisions, now: Moment) -> Result<Remedies, String> {
    let newest = revisions.newest().ok_or("there is no revision")?;
    let evaluation = Evaluation::from_value(request, newest, now)?;
    let policy = revisions.at(evaluation.time()).ok_or("there is no revision")?;
    let recipient = context_of(&evaluate_value(request, revisions, now)?, "recipient").and_then(as_text);
    let changes = candidates::all(request, policy, recipient.as_deref());
    let mut search = Search { request, revisions, now, tried: 0 };
    let mut found: Vec<Remedy> = Vec::new();
    for change in &changes {
        found.extend(search.attempt(&[change]));
    }
    if found.is_empty() {
        for (index, first) in changes.iter().enumerate() {
            for second in changes.iter().skip(index + 1).filter(|second| may_join(first, second)) {
                found.extend(search.attempt(&[first, second]));
            }
        }
    }
    let tried = search.tried;
    found.sort_by_key(|remedy| remedy.changes.iter().map(|change| change.sort).max());
    let unreleased = unreleased(policy, recipient.as_deref(), evaluation.categories());
    Ok(Remedies { found, unreleased, tried })
}

/// Two changes of the same place undo one another; two proofs, or facts, do not.
fn may_join(a: &Change, b: &Change) -> bool {
    a.sort != b.sort || matches!(a.sort, Sort::Proof | Sort::File)
}

struct Search<'a> {
    request: &'a Value,
    revisions: &'a Revisions,
    now: Moment,
    tried: usize,
}

impl Search<'_> {
    fn attempt(&mut self, changes: &[&Change]) -> Option<Remedy> {
        let mut request = self.request.clone();
        for edit in changes.iter().flat_map(|change| &change.edits) {
            edit.make(&mut request);
        }
        self.tried += 1;
        let answer = evaluate_value(&request, self.revisions, self.now).ok()?;
        if answer.get("decision") != Some(&Value::Bool(true)) {
            return None;
        }
        let release = context_of(&answer, "release").and_then(Value::as_object);
        let releases = release.into_iter().flatten().filter_map(|(name, form)| Some((name.clone(), as_text(form)?)));
        let releases = releases.filter(|(_, form)| form != "withheld").collect();
        Some(Remedy { changes: changes.iter().map(|change| (*change).clone()).collect(), releases })
    }
}

fn context_of<'v>(answer: &'v Value, key: &str) -> Option<&'v Value> {
    answer.get("context")?.get(key)
}

fn as_text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The categories that no permit for this recipient releases, whatever the purpose and basis.
fn unreleased(policy: &Policy, recipient: Option<&str>, asked: &[String]) -> Vec<String> {
    let Some(id) = recipient.and_then(|name| policy.recipient_id(name)) else { return Vec::new() };
    let released = policy.purposes().flat_map(|(purpose, _)| policy.grants(purpose, id));
    let released = released.fold(crate::policy::Categories::NONE, |all, grant| all.or(grant.release.any()));
    let lacks = |name: &&String| policy.vocabulary.category(name).is_none_or(|c| !released.contains(c));
    asked.iter().filter(lacks).cloned().collect()
}

impl Edit {
    fn make(&self, request: &mut Value) {
        match self {
            Edit::Set(path, value) => {
                if let Some(place) = place(request, path) {
                    *place = value.clone();
                }
            }
            Edit::Add(path, value) => {
                if let Some(place) = place(request, path) {
                    match place {
                        Value::Array(items) => items.push(value.clone()),
                        other => *other = json!([value]),
                    }
                }
            }
            Edit::Entry(index, key, value) => {
                let entry = request.pointer_mut(&format!("/context/facts/organizations/{index}"));
                if let Some(Value::Object(entry)) = entry {
                    entry.insert((*key).to_owned(), value.clone());
                }
            }
        }
    }
}

/// The member at a path of keys, made where it is missing.
fn place<'v>(request: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    let mut place = request;
    for key in path.split('/') {
        if place.is_null() {
            *place = json!({});
        }
        place = place.as_object_mut()?.entry(key).or_insert(Value::Null);
    }
    Some(place)
}

/// Whether the request writes.
fn writes(request: &Value) -> bool {
    let name = request.pointer("/action/name").and_then(Value::as_str).unwrap_or("");
    Action::from_name(name).is_some_and(Action::writes)
}
