//! What goes on record? The judgement in the words of the access log.

use crate::audit::{self, Forms, Note, Sealed};
use crate::decision::{Clauses, Permit, Refusal, clauses_of};
use crate::policy::{Categories, Form, Policy, Release, RuleId};
use crate::redact::{Disclosure, Tally};

use super::judgement::Judgement;

/// What of a record has to be owned while it is written.
pub(super) struct Words<'a> {
    pub(super) judgement: &'a Judgement,
    pub(super) id: &'a str,
    pub(super) trace: Option<&'a str>,
    pub(super) method: &'a str,
    pub(super) address: Option<String>,
    pub(super) mode: &'static str,
    pub(super) decided_ms: u64,
    pub(super) subjects: Vec<Sealed>,
}

/// The forms of a release, by category name.
pub(super) fn forms(policy: &Policy, release: &Release, asked: Categories) -> Forms {
    let vocabulary = &policy.vocabulary;
    let pairs = Form::ALL.into_iter().rev().flat_map(|form| {
        release.having(form, asked.and(vocabulary.all())).iter().map(move |c| (form.name(), c)).collect::<Vec<_>>()
    });
    Forms::new(pairs.map(|(form, category)| (form, vocabulary.name(category))))
}

/// The forms that occurred in one entry.
pub(super) fn occurred(policy: &Policy, disclosure: &Disclosure) -> Forms {
    let vocabulary = &policy.vocabulary;
    let pairs = Form::ALL.into_iter().rev().flat_map(|form| {
        let set = disclosure.occurred.of(form).and(vocabulary.all());
        set.iter().map(move |category| (form.name(), category)).collect::<Vec<_>>()
    });
    Forms::new(pairs.map(|(form, category)| (form, vocabulary.name(category))))
}

impl Words<'_> {
    /// Hands the decision's words to `write`; they live no longer than that.
    pub(super) fn with<T>(
        &self,
        outcome: Result<&Permit, Option<&Refusal>>,
        write: impl FnOnce(audit::Decision<'_>) -> T,
    ) -> Result<T, audit::AuditError> {
        let judgement = self.judgement;
        let (policy, declared, caller) = (&judgement.policy, &judgement.declaration, &judgement.caller);
        let seal = |note, text: &Option<String>| match text {
            Some(text) => judgement.gate.seal.note(note, self.id, text).map(Some),
            None => Ok(None),
        };
        let reason = seal(Note::Reason, &declared.reason)?;
        let reference = seal(Note::Reference, &declared.reference)?;
        let (recipient_id, basis_id, entry) = match outcome {
            Ok(permit) => (Some(permit.recipient()), Some(permit.basis()), permit.entry()),
            Err(Some(refusal)) => (refusal.recipient, refusal.basis, refusal.entry),
            Err(None) => (None, None, None),
        };
        let recipient = recipient_id.and_then(|id| policy.recipient(id)).map(|r| r.name.as_str());
        let basis = basis_id.and_then(|id| policy.vocabulary.basis(id)).map(|b| b.name.as_str());
        let entry = judgement.view.as_ref().and_then(|view| view.register().entry(entry?));
        let overseas = matches!(outcome, Ok(permit) if permit.is_overseas());
        let roles: Vec<&str> = caller.roles.iter().map(String::as_str).collect();
        let reference_route = judgement.route.as_ref();
        let route = judgement.route();
        let searched = reference_route.map_or(Categories::NONE, |r| r.query);
        let searched: Vec<&str> = searched.iter().map(|c| policy.vocabulary.name(c)).collect();
        let forms = match outcome {
            Ok(permit) => Some(forms(policy, permit.release(), permit.asked())),
            Err(_) => None,
        };
        let rules = match outcome {
            Ok(permit) => names(policy, permit.rules().iter()),
            Err(_) => Vec::new(),
        };
        let clauses = match outcome {
            Ok(permit) => cited(policy, permit.clauses()),
            Err(Some(refusal)) => cited(policy, &refusal.clauses),
            Err(None) => Vec::new(),
        };
        let obligations: Vec<&str> = match outcome {
            Ok(permit) => permit.obligations().names().collect(),
            Err(Some(refusal)) => refusal.obligations.names().collect(),
            Err(None) => Vec::new(),
        };
        let digest = format!("sha256:{}", policy.digest);
        let purpose = judgement.purpose.known().and_then(|id| policy.purpose(id)).map(|p| p.name.as_str());
        let revision = &policy.document.meta.revision.text;
        let epoch = judgement.generation.pseudonyms.epoch.to_string();
        let pseudonymised =
            matches!(outcome, Ok(p) if !p.release().having(Form::Pseudonymised, Categories::ALL).is_empty());
        Ok(write(audit::Decision {
            id: self.id,
            trace_id: self.trace,
            decided_ms: Some(self.decided_ms),
            caller: audit::Caller {
                issuer: &caller.issuer,
                id: &caller.id,
                organization: caller.organization.as_deref(),
                recipient: caller.organization.as_ref().and(recipient),
                roles: &roles,
                authenticated_ms: caller
                    .auth_time_s
                    .and_then(|s| u64::try_from(s).ok())
                    .map(|s| s.saturating_mul(1000)),
                address: self.address.as_deref(),
            },
            purpose: purpose.or(declared.purpose.as_deref()),
            basis,
            proofs: &[],
            act: declared.act.as_deref(),
            recipient: recipient.map(|id| audit::Recipient {
                id,
                organization: entry.map(|entry| entry.id.as_str()),
                country: entry.and_then(|entry| entry.country.as_deref()),
                overseas_basis: entry
                    .filter(|_| overseas)
                    .and_then(|entry| entry.overseas.map(|(kind, _)| kind.name()).or(Some("exception"))),
            }),
            route: route.map(|route| route.template()),
            method: self.method,
            action: reference_route.map_or("", |r| r.action.name()),
            subject_class: route.and_then(|route| route.subject_class()),
            subjects: &self.subjects,
            forms: forms.as_ref(),
            searched: &searched,
            rules: &rules,
            clauses: &clauses,
            obligations: &obligations,
            policy: audit::Policy {
                id: &policy.document.meta.id.text,
                revision,
                digest: &digest,
                catalogue: Some(&judgement.generation.catalogue_digest),
            },
            mode: self.mode,
            reason: reason.as_ref(),
            reference: reference.as_ref(),
            pseudonym_epoch: pseudonymised.then_some(epoch.as_str()),
        }))
    }
}

fn names(policy: &Policy, rules: impl Iterator<Item = RuleId>) -> Vec<&str> {
    rules.filter_map(|id| policy.rule(id)).map(|rule| rule.name.as_str()).collect()
}

/// The clauses' ids.
pub(super) fn cited<'p>(policy: &'p Policy, clauses: &Clauses) -> Vec<&'p str> {
    clauses.iter().map(|id| policy.clause(id)).collect()
}

/// The reasons of a refusal, each with its first clause.
pub(super) fn reasons(judgement: &Judgement, refusal: &Refusal) -> Vec<(&'static str, Option<String>, &'static str)> {
    let policy = &judgement.policy;
    let clause = |reason| {
        let clauses = clauses_of(policy, judgement.purpose.known(), refusal, reason);
        clauses.iter().next().map(|id| policy.clause(id).to_owned())
    };
    refusal.reasons.iter().map(|reason| (reason.code(), clause(reason), reason.detail())).collect()
}

/// The counts of a body, by form and category.
pub(super) fn counts<'p>(policy: &'p Policy, tally: &Tally) -> Vec<audit::Count<'p>> {
    let mut counts = Vec::new();
    for category in policy.vocabulary.all().iter() {
        for form in Form::ALL {
            let fields = tally.category(category).of(form);
            if fields > 0 {
                counts.push(audit::Count { form: form.name(), category: policy.vocabulary.name(category), fields });
            }
        }
    }
    for form in Form::ALL {
        let fields = tally.everything.of(form);
        if fields > 0 {
            counts.push(audit::Count { form: form.name(), category: "free-text", fields });
        }
    }
    counts
}
