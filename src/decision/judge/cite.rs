//! Which clauses refused?

use crate::decision::{Clauses, Obligations, Reason, Reasons, Refusal};
use crate::policy::{BasisId, Family, Policy, PurposeId, RecipientId};

pub(super) fn refusal(
    policy: &Policy,
    purpose: Option<PurposeId>,
    recipient: Option<RecipientId>,
    basis: Option<BasisId>,
    reasons: Reasons,
) -> Refusal {
    let mut clauses = Clauses::new();
    for reason in reasons.iter() {
        cite(policy, purpose, recipient, reason, &mut clauses);
    }
    if let Some((purpose_id, purpose)) = purpose.and_then(|id| Some((id, policy.purpose(id)?))) {
        clauses.add_all(&purpose.clauses);
        let grants = recipient.map_or(&[][..], |recipient| policy.grants(purpose_id, recipient));
        for rule in grants.iter().filter_map(|grant| policy.rule(grant.rule)) {
            clauses.add_all(&rule.clauses);
        }
        if let (Family::Exception, Some(basis)) = (purpose.family, basis) {
            cite_exception(policy, purpose_id, basis, &mut clauses);
        }
        clauses.add_all(purpose.dataset.map_or(&[], |dataset| policy.items_clauses(dataset)));
    }
    if let Some(recipient) = recipient.and_then(|id| policy.recipient(id)) {
        clauses.add_all(&recipient.clauses);
    }
    Refusal { reasons, recipient, entry: None, basis, clauses, obligations: Obligations::NONE }
}

/// Adds the clauses that state the exception of this basis, to whomever they open it: that is what was not met.
fn cite_exception(policy: &Policy, purpose: PurposeId, basis: BasisId, clauses: &mut Clauses) {
    let grants = policy.recipients().flat_map(|(recipient, _)| policy.grants(purpose, recipient));
    for rule in grants.filter(|grant| grant.bases & basis.bit() != 0).filter_map(|grant| policy.rule(grant.rule)) {
        clauses.add_all(&rule.clauses);
    }
}

/// Adds the clauses to cite for one reason.
pub(in crate::decision) fn cite(
    policy: &Policy,
    purpose: Option<PurposeId>,
    recipient: Option<RecipientId>,
    reason: Reason,
    clauses: &mut Clauses,
) {
    let conditions = policy.conditions();
    let own = purpose.and_then(|id| policy.purpose(id)).map_or(&[][..], |purpose| &purpose.clauses);
    let outside = recipient.and_then(|id| policy.recipient(id)).is_none_or(|r| !r.kind.is_own());
    let cited: &[_] = match reason {
        Reason::PurposeMissing | Reason::PurposeUnknown => &conditions.default,
        Reason::PurposeNotInForce | Reason::ActionNotPermitted | Reason::NotInformed => own,
        Reason::PurposeNotForRole => &conditions.role,
        Reason::PurposeNotForSubjectClass => &conditions.class,
        Reason::RecipientUnknown
        | Reason::RecipientNotPermitted
        | Reason::RecipientNotInForce
        | Reason::BasisMissing
        | Reason::BasisNotMet
        | Reason::ConsentMissing
        | Reason::ApprovalMissing
        | Reason::ReasonMissing
        | Reason::ReferenceMissing
        | Reason::RelationMissing
            if outside =>
        {
            &conditions.provision
        }
        Reason::OverseasBasisMissing => &conditions.overseas,
        Reason::OptedOut => own,
        Reason::Blocked => &conditions.block,
        Reason::TrainingExpired => conditions.training.as_deref().unwrap_or_default(),
        Reason::IdentityNotVerified | Reason::RelationMissing => &conditions.identity,
        Reason::Restricted => &conditions.restriction,
        Reason::ReferenceMissing => conditions.source.as_ref().map_or(&[][..], |(clauses, _)| clauses),
        Reason::Prohibited => &conditions.specific,
        Reason::RecipientUnknown
        | Reason::RecipientNotPermitted
        | Reason::RecipientNotInForce
        | Reason::BasisMissing
        | Reason::BasisNotMet
        | Reason::ReasonMissing
        | Reason::ConsentMissing
        | Reason::ApprovalMissing
        | Reason::CategoryNotPermitted
        | Reason::SearchNotPermitted => own,
    };
    clauses.add_all(cited);
    match reason {
        Reason::PurposeNotInForce => clauses.add_all(&conditions.in_force),
        Reason::CategoryNotPermitted => clauses.add_all(&conditions.default),
        Reason::OptedOut => {
            for opt_out in policy.opt_outs() {
                clauses.add_all(&opt_out.clauses);
            }
        }
        Reason::Prohibited => {
            for apart in policy.aparts() {
                clauses.add_all(policy.rule(apart.rule).map_or(&[], |rule| &rule.clauses));
            }
        }
        Reason::ReferenceMissing => {
            clauses.add_all(conditions.source.as_ref().map_or(&[][..], |(clauses, _)| clauses));
        }
        _ => {}
    }
    if clauses.iter().next().is_none() {
        clauses.add_all(own);
        clauses.add_all(&conditions.default);
    }
}
