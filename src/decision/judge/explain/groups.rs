//! What was looked at in each group of the judgement, and did it pass?

use super::{Case, PRINCIPAL, Teller, named_roles, window};
use crate::decision::Reason;
use crate::policy::{Action, Grant, need};

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

impl Teller<'_> {
    /// The group that refused.
    pub(super) fn failed_group(&self) -> Option<char> {
        let reasons = self.reasons();
        // `restricted` is told beside (c) too; the first group with a code of its own is the one.
        let failed = |codes: &[Reason]| codes.iter().any(|code| reasons.has(*code));
        GROUPS.iter().find(|(_, _, codes)| failed(codes)).map(|(letter, _, _)| *letter)
    }

    pub(super) fn groups(&self) -> Vec<Group> {
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
    pub(super) fn applying(&self) -> impl Iterator<Item = &'a Grant> {
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
