//! Why is the answer what it is? The judgement told step by step, with the judge's own steps.
//!
//! Nothing is judged anew: the recipients that the judge tried are looked at again, each rule with the reason why it did
//! or did not apply, each fact on file with whether it counted. For a person: texts, no ids of other people.
//!
//! Promise: the answer told is [`decide`]'s own.

use std::cell::RefCell;

use super::{Case, PRINCIPAL, Seen, decide, decide_unconditionally};
use crate::decision::{Named, Permit, Reasons, Refusal, Request};
use crate::policy::facts::Organization;
use crate::policy::{Categories, For, Form, Grant, Kind, Moment, Policy, Release, Rule, Window, covers};

mod facts;
mod groups;
mod rules;

pub use facts::Fact;
pub use groups::{Check, Group};
pub use rules::{Category, Considered};

/// A judgement, told.
pub struct Explanation {
    /// Whether it is a permit.
    pub permitted: bool,
    /// Who, for whom, for what, on what ground: each with its name.
    pub resolved: Vec<(&'static str, String)>,
    /// What is on file, and whether it counted.
    pub facts: Vec<Fact>,
    /// The groups of the judgement, in order.
    pub groups: Vec<Group>,
    /// The rules that name the purpose, the recipient or the data.
    pub rules: Vec<Considered>,
    /// Each category asked for; empty where it did not come to that.
    pub categories: Vec<Category>,
    /// The clauses of the answer, each with what it says.
    pub clauses: Vec<(String, String)>,
    /// What goes with the answer.
    pub obligations: Vec<&'static str>,
}

/// Tells how this request is answered. `categories`: as they were asked for, unknown ones too.
pub fn explain(policy: &Policy, request: &Request<'_>, categories: &[String]) -> Explanation {
    let answer = decide(policy, request);
    let seen: Seen<'_> = RefCell::default();
    // The answer is the same; this time what is tried is kept.
    let _ = decide_unconditionally(policy, request, Some(&seen));
    let tried = seen.borrow();
    // Several register entries: the first that permits, else the first.
    let case = tried.iter().find(|case| case.decide().is_ok()).or(tried.first()).copied();
    let teller = Teller { policy, request, answer: &answer, case };
    let clauses = match &answer {
        Ok(permit) => permit.clauses(),
        Err(refusal) => &refusal.clauses,
    };
    let obligations = match &answer {
        Ok(permit) => permit.obligations(),
        Err(refusal) => refusal.obligations,
    };
    Explanation {
        permitted: answer.is_ok(),
        resolved: teller.resolved(),
        facts: case.map(|case| facts::told(&case)).unwrap_or_default(),
        groups: teller.groups(),
        rules: case.map(|case| rules::considered(&case)).unwrap_or_default(),
        categories: match case {
            Some(case) if teller.failed_group().is_none_or(|letter| letter == 'e') => {
                rules::categories(&case, &answer, categories)
            }
            _ => Vec::new(),
        },
        clauses: clauses.iter().map(|id| (policy.clause(id).to_owned(), gist(policy, policy.clause(id)))).collect(),
        obligations: obligations.names().collect(),
    }
}

fn gist(policy: &Policy, clause: &str) -> String {
    policy.document.clauses.iter().find(|c| c.id.text == clause).map(|c| c.gist.text.clone()).unwrap_or_default()
}

struct Teller<'a> {
    policy: &'a Policy,
    request: &'a Request<'a>,
    answer: &'a Result<Permit, Refusal>,
    case: Option<Case<'a>>,
}

impl Teller<'_> {
    fn reasons(&self) -> Reasons {
        self.answer.as_ref().err().map_or(Reasons::NONE, |refusal| refusal.reasons)
    }

    fn resolved(&self) -> Vec<(&'static str, String)> {
        let (policy, request) = (self.policy, self.request);
        let mut lines = vec![("who", self.who()), ("action", request.action.name().to_owned())];
        let recipient = self.case.and_then(|case| case.recipient);
        lines.push((
            "for whom",
            match (recipient, self.case) {
                (Some((_, recipient)), Some(case)) => {
                    let entry = case.entry.map(|entry| format!(", organisation `{}`", entry.id)).unwrap_or_default();
                    format!("`{}` ({}){entry}", recipient.name, kind(recipient.kind))
                }
                _ => "could not be resolved".to_owned(),
            },
        ));
        let class = request.class.known().and_then(|class| policy.vocabulary.classes().nth(usize::from(class)));
        lines.push((
            "about",
            match (class, request.dataset) {
                (_, Some(dataset)) => format!("a certified dataset: {}", dataset.name()),
                (Some(class), None) => format!("a record of a {class}"),
                (None, None) => "a record of an unknown class of persons".to_owned(),
            },
        ));
        lines.push(("purpose", self.purpose()));
        lines.push(("basis", self.basis()));
        lines.push((
            "when",
            format!("{}, revision `{}`", moment(policy, request.time), policy.document.meta.revision.text),
        ));
        lines
    }

    fn who(&self) -> String {
        let (policy, caller) = (self.policy, &self.request.caller);
        let id = caller.id;
        match caller.organization {
            Some(PRINCIPAL) => {
                let verified = if caller.verified { "verified" } else { "not verified" };
                format!("`{id}`, the person or an agent, identity {verified}")
            }
            Some(organization) => format!("`{id}` of organisation `{organization}`"),
            None if caller.roles == 0 => format!("`{id}`, without organisation and without a role of this policy"),
            None => {
                let roles: Vec<String> = named_roles(policy, caller.roles).map(|role| format!("`{role}`")).collect();
                format!("`{id}`, own staff: {}", roles.join(", "))
            }
        }
    }

    fn purpose(&self) -> String {
        match self.request.purpose {
            Named::Missing => "none declared".to_owned(),
            Named::Unknown => "one that the policy does not state".to_owned(),
            Named::Known(id) => {
                let Some(purpose) = self.policy.purpose(id) else { return String::new() };
                let clauses: Vec<&str> = purpose.clauses.iter().map(|id| self.policy.clause(*id)).collect();
                let clauses = if clauses.is_empty() { String::new() } else { format!(" ({})", clauses.join(", ")) };
                format!("`{}`{clauses}", purpose.name)
            }
        }
    }

    fn basis(&self) -> String {
        let found = self.case.and_then(|case| case.basis);
        match (self.request.basis, found) {
            (Named::Unknown, _) => "one that does not exist".to_owned(),
            (Named::Known(_), Some((_, basis))) => format!("`{}`, declared ({})", basis.name, basis.article),
            (_, Some((_, basis))) => format!("`{}`, implied ({})", basis.name, basis.article),
            (Named::Known(id), None) => {
                let name = self.policy.vocabulary.basis(id).map_or("", |basis| basis.name.as_str());
                format!("`{name}`, declared")
            }
            (Named::Missing, None) => "none declared, none implied".to_owned(),
        }
    }
}

fn named_roles(policy: &Policy, roles: u64) -> impl Iterator<Item = &str> {
    (0u32..).zip(policy.roles()).filter(move |(bit, _)| roles >> bit & 1 == 1).map(|(_, name)| name)
}

/// What a recipient is, in words.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Internal => "own staff",
        Kind::Principal => "the person or an agent",
        Kind::Family => "family",
        Kind::Contractor => "contractor, art. 27(5)(i)",
        Kind::Successor => "successor, art. 27(5)(ii)",
        Kind::JointUser => "joint user, art. 27(5)(iii)",
        Kind::ThirdParty => "third party, art. 27",
        Kind::ThirdPartyOverseas => "third party abroad, art. 28",
        Kind::Authority => "authority",
        Kind::Academic => "academic institution",
        Kind::Public => "the public",
    }
}

/// A moment as date and time in the policy's zone.
fn moment(policy: &Policy, at: Moment) -> String {
    match jiff::Timestamp::from_millisecond(at) {
        Ok(timestamp) => timestamp.to_zoned(policy.zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
        Err(_) => "beyond the calendar".to_owned(),
    }
}

/// A window in words, by days of the policy's zone.
fn window(policy: &Policy, window: Window) -> String {
    let day = |at: Moment| {
        let stamp = jiff::Timestamp::from_millisecond(at).ok();
        stamp.map_or_else(String::new, |s| s.to_zoned(policy.zone.clone()).date().to_string())
    };
    match (window.from, window.until) {
        (Moment::MIN, Moment::MAX) => "without limit of time".to_owned(),
        (from, Moment::MAX) => format!("from {}", day(from)),
        // The last moment in force, so that a whole last day is named by its own date.
        (Moment::MIN, until) => format!("until {}", day(until.saturating_sub(1))),
        (from, until) => format!("from {} until {}", day(from), day(until.saturating_sub(1))),
    }
}
