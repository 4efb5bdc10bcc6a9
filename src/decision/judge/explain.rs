//! Why is the answer what it is? The judgement told step by step, with the judge's own steps.
//!
//! Nothing is judged anew: the recipients that the judge tried are looked at again, each rule with the reason why it did
//! or did not apply, each fact on file with whether it counted. For a person: texts, no ids of other people.
//!
//! Promise: the answer told is [`decide`]'s own.

use std::cell::RefCell;

use super::{Case, PRINCIPAL, Seen, decide, decide_unconditionally};
use crate::decision::{Named, Permit, Reason, Reasons, Refusal, Request};
use crate::policy::facts::Organization;
use crate::policy::{Action, Categories, For, Form, Grant, Kind, Moment, Policy, Release, Rule, Window, covers, need};

mod facts;
mod rules;

pub use facts::Fact;
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

/// One group of the judgement.
pub struct Group {
    /// `a` to `e`.
    pub letter: char,
    /// The question of the group.
    pub question: &'static str,
    /// Whether it was judged at all: a group is only where those before it passed.
    pub judged: bool,
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// One thing looked at.
pub struct Check {
    /// The code, where it failed.
    pub failed: Option<Reason>,
    /// What was found, in words.
    pub text: String,
}

/// The groups, with the codes that can fail in them.
const GROUPS: [(char, &str, &[Reason]); 5] = [
    ('a', "is a purpose declared, and does the policy state it?", &[Reason::PurposeMissing, Reason::PurposeUnknown]),
    (
        'b',
        "may this caller have it for this purpose, now and here?",
        &[
            Reason::PurposeNotInForce,
            Reason::PurposeNotForRole,
            Reason::PurposeNotForSubjectClass,
            Reason::RecipientUnknown,
            Reason::RecipientNotPermitted,
            Reason::RecipientNotInForce,
            Reason::OverseasBasisMissing,
            Reason::OptedOut,
            Reason::Blocked,
            Reason::TrainingExpired,
            Reason::ActionNotPermitted,
        ],
    ),
    ('c', "is there a basis, and does it open this?", &[Reason::BasisMissing, Reason::BasisNotMet]),
    (
        'd',
        "is it proved, and has the person stopped nothing?",
        &[
            Reason::ReasonMissing,
            Reason::ReferenceMissing,
            Reason::ConsentMissing,
            Reason::IdentityNotVerified,
            Reason::ApprovalMissing,
            Reason::RelationMissing,
            Reason::NotInformed,
            Reason::Restricted,
        ],
    ),
    (
        'e',
        "does the purpose release this data?",
        &[Reason::CategoryNotPermitted, Reason::SearchNotPermitted, Reason::Prohibited],
    ),
];

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

    /// The group that refused.
    fn failed_group(&self) -> Option<char> {
        let reasons = self.reasons();
        // `restricted` is told beside (c) too; the first group with a code of its own is the one.
        let failed = |codes: &[Reason]| codes.iter().any(|code| reasons.has(*code));
        GROUPS.iter().find(|(_, _, codes)| failed(codes)).map(|(letter, _, _)| *letter)
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

    fn groups(&self) -> Vec<Group> {
        let failed = self.failed_group();
        let mut groups = Vec::new();
        for (letter, question, codes) in GROUPS {
            let judged = failed.is_none_or(|failed| letter <= failed);
            let mut checks = Vec::new();
            for code in codes.iter().filter(|_| judged) {
                checks.extend(self.check(*code));
            }
            // What a person stopped is told with the basis, for it is looked at together.
            let stopped = letter == 'c' && failed == Some('c') && self.reasons().has(Reason::Restricted);
            if stopped {
                checks.extend(self.check(Reason::Restricted));
            }
            groups.push(Group { letter, question, judged, checks });
        }
        groups
    }

    fn check(&self, code: Reason) -> Option<Check> {
        if self.reasons().has(code) {
            return Some(Check { failed: Some(code), text: self.failure(code) });
        }
        self.success(code).map(|text| Check { failed: None, text })
    }

    /// What is wrong, with what is particular to this request.
    fn failure(&self, code: Reason) -> String {
        let general = code.detail().to_owned();
        let Some(case) = self.case else { return general };
        let (policy, purpose) = (self.policy, case.judge.purpose);
        match code {
            Reason::PurposeNotForRole => {
                let roles: Vec<String> = named_roles(policy, purpose.served_by).map(|r| format!("`{r}`")).collect();
                let served = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
                format!("{general}: it is served by {served}")
            }
            Reason::PurposeNotForSubjectClass => {
                let meant: Vec<&str> = (0u8..)
                    .zip(policy.vocabulary.classes())
                    .filter(|(index, _)| purpose.classes >> index & 1 == 1)
                    .map(|(_, name)| name)
                    .collect();
                format!("{general}: it is stated for {}", meant.join(", "))
            }
            Reason::BasisMissing | Reason::BasisNotMet => {
                let names = case.opening_bases();
                let opens = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                format!("{general}; what could open it here: {opens}")
            }
            _ => general,
        }
    }

    /// What passed, where it was asked at all.
    fn success(&self, code: Reason) -> Option<String> {
        let (request, case) = (self.request, self.case?);
        let purpose = case.judge.purpose;
        let staff = case.judge.is_staff() && request.caller.roles != 0;
        let (_, recipient) = case.recipient.unzip();
        let needs = case.applying_needs();
        let basis = case.basis.map(|(_, basis)| basis);
        Some(match code {
            Reason::PurposeMissing => format!("`{}` is declared", purpose.name),
            Reason::PurposeUnknown => "the policy states it".to_owned(),
            Reason::PurposeNotInForce => "the purpose is in force on this day".to_owned(),
            Reason::PurposeNotForRole if staff => {
                let serving = named_roles(self.policy, purpose.served_by & request.caller.roles);
                format!("role {} serves it", serving.map(|r| format!("`{r}`")).collect::<Vec<_>>().join(", "))
            }
            Reason::PurposeNotForSubjectClass if request.dataset.is_none() => {
                "it is stated for this class of persons".to_owned()
            }
            Reason::RecipientNotPermitted => format!("it is open to `{}`", recipient?.name),
            Reason::RecipientNotInForce => match case.entry {
                Some(entry) => format!("`{}` is registered, {}", entry.id, window(self.policy, entry.window)),
                None => return None,
            },
            Reason::OverseasBasisMissing if case.is_abroad() => "abroad, with a basis of art. 28".to_owned(),
            Reason::OptedOut if request.person.is_some_and(|p| !p.opt_outs.is_empty()) => {
                "the person's opt-out does not touch this".to_owned()
            }
            Reason::Blocked if request.person.is_some_and(|p| p.blocked) => {
                "on the block list, which this purpose disregards".to_owned()
            }
            Reason::TrainingExpired if staff && self.policy.conditions().training.is_some() => {
                match request.caller.training_until {
                    Some(_) => "the caller's training is in force".to_owned(),
                    None => "no end of training is given, which passes".to_owned(),
                }
            }
            Reason::ActionNotPermitted => format!("`{}` is open to it", request.action.name()),
            Reason::BasisNotMet => format!("`{}` opens it", basis?.name),
            Reason::ReasonMissing if basis?.needs_reason || needs & need::REASON != 0 => {
                "a written reason is given".to_owned()
            }
            Reason::ReferenceMissing if basis?.needs_reference => "an act and a reference are given".to_owned(),
            Reason::ConsentMissing if basis?.needs_consent && request.dataset.is_none() => {
                "a consent in force covers it".to_owned()
            }
            Reason::IdentityNotVerified if request.caller.organization == Some(PRINCIPAL) => {
                "the person's identity is verified".to_owned()
            }
            Reason::ApprovalMissing if needs & need::APPROVAL != 0 => "an approval in force names it".to_owned(),
            Reason::RelationMissing if request.caller.organization == Some(PRINCIPAL) => {
                "it is the caller's own record, or the caller is the person's agent".to_owned()
            }
            Reason::RelationMissing if case.applying().any(|grant| grant.relation.is_some()) => {
                "a relation on file names it".to_owned()
            }
            Reason::NotInformed if needs & need::INFORMED != 0 => "the person was informed of this purpose".to_owned(),
            Reason::Restricted => "the person has stopped nothing of this".to_owned(),
            Reason::CategoryNotPermitted if request.action != Action::Delete => {
                "the purpose releases data that is asked for".to_owned()
            }
            Reason::SearchNotPermitted if !request.query.is_empty() => {
                "what is searched on may be seen in clear".to_owned()
            }
            _ => return None,
        })
    }
}

impl<'a> Case<'a> {
    /// The grants that released, or would have.
    fn applying(&self) -> impl Iterator<Item = &'a Grant> {
        let bit = self.basis.map_or(0, |(id, _)| id.bit());
        self.grants().filter(move |grant| grant.bases & bit != 0 && self.unmet(grant).is_empty())
    }

    fn applying_needs(&self) -> u8 {
        self.applying().fold(0, |all, grant| all | grant.needs)
    }

    /// The bases that a permit of this cell names, and that are not confined to another sort of recipient or route.
    fn opening_bases(&self) -> Vec<String> {
        let Some((_, recipient)) = self.recipient else { return Vec::new() };
        let named = self.grants().fold(0, |all, grant| all | grant.bases);
        let bases = self.judge.policy.vocabulary.bases().filter(|(id, basis)| {
            named & id.bit() != 0
                && (basis.only_to == 0 || basis.only_to & recipient.kind.bit() != 0)
                && basis.dataset.is_none_or(|certified| self.judge.request.dataset == Some(certified))
                && !(basis.domestic && self.is_abroad())
        });
        bases.map(|(_, basis)| format!("`{}`", basis.name)).collect()
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
