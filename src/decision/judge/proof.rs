//! Groups (c) and (d): does the basis open this, is it proved, and has the person nothing stopped?

use super::{Case, PRINCIPAL};
use crate::decision::{Caller, Named, Reason, Reasons};
use crate::policy::facts::{Consent, Overseas, Relation};
use crate::policy::{Basis, BasisId, Categories, Family, Grant, Recipient, covers, lift, need};

impl<'a> Case<'a> {
    pub(super) fn find_basis(&self) -> Option<(BasisId, &'a Basis)> {
        let vocabulary = &self.judge.policy.vocabulary;
        let id = match self.judge.request.basis {
            Named::Known(id) => Some(id),
            Named::Unknown => None,
            Named::Missing => {
                let (_, recipient) = self.recipient?;
                let by_permit = |grant: &Grant| {
                    let named =
                        |(id, basis): &(BasisId, &Basis)| basis.implied_by_permit && grant.bases & id.bit() != 0;
                    vocabulary.bases().find(named).map(|(id, _)| id)
                };
                vocabulary.implied(recipient.kind).or_else(|| self.grants().find_map(by_permit))
            }
        };
        id.and_then(|id| Some((id, vocabulary.basis(id)?)))
    }

    pub(super) fn open_basis(&self, recipient: &Recipient) -> Result<(BasisId, &'a Basis), Reason> {
        let Some((id, basis)) = self.basis else {
            return Err(match self.judge.request.basis {
                Named::Missing => Reason::BasisMissing,
                Named::Unknown | Named::Known(_) => Reason::BasisNotMet,
            });
        };
        let dataset = self.judge.request.dataset;
        let here = basis.dataset.is_none_or(|certified| dataset == Some(certified))
            && self.judge.purpose.dataset.is_none_or(|certified| dataset == Some(certified))
            && (basis.only_to == 0 || basis.only_to & recipient.kind.bit() != 0)
            && !(basis.domestic && self.is_abroad());
        let opens = here && self.grants().any(|grant| grant.bases & id.bit() != 0);
        if opens { Ok((id, basis)) } else { Err(Reason::BasisNotMet) }
    }

    /// What an objection withholds, and whether the whole request is stopped.
    pub(super) fn restrictions(&self, recipient: &Recipient) -> (Categories, bool) {
        let request = self.judge.request;
        let (Some(person), None) = (request.person, request.dataset) else { return (Categories::NONE, false) };
        let declared = self.basis.map_or(0, |(_, basis)| basis.lifts);
        let lifts = match self.judge.purpose.family {
            // The person may always see, correct and lift, and staff may serve that.
            Family::Request(_) => lift::STOP_USE | lift::STOP_PROVISION | lift::OBJECTION,
            Family::Stated | Family::Exception => declared,
        };
        let vocabulary = &self.judge.policy.vocabulary;
        let stopped = person.restrictions.iter().any(|name| {
            let needed = if name == "stop-third-party-provision" { lift::STOP_PROVISION } else { lift::STOP_USE };
            // One that is not known stops everybody.
            let stops = vocabulary.restriction(name).is_none_or(|kinds| kinds & recipient.kind.bit() != 0);
            stops && lifts & needed == 0
        });
        if lifts & lift::OBJECTION != 0 {
            return (Categories::NONE, stopped);
        }
        let mut withheld = Categories::NONE;
        for objection in &person.objections {
            let meant = objection.window.holds(request.time)
                && objection.purpose.as_deref().is_none_or(|broad| covers(broad, &self.judge.purpose.name))
                && objection.recipient.as_deref().is_none_or(|named| named == recipient.name);
            match (meant, objection.categories) {
                (false, _) => {}
                (true, None) => return (Categories::ALL, true),
                (true, Some(categories)) => withheld = withheld.or(categories),
            }
        }
        let all = !request.asked.is_empty() && !request.asked_unknown && withheld.covers(request.asked);
        (withheld, stopped || all)
    }

    /// Whether any category asked for is in the set; with none asked, whether the set is not empty.
    pub(super) fn covers_asked(&self, covered: Categories) -> bool {
        let request = self.judge.request;
        match request.asked.is_empty() {
            true if request.asked_unknown => covered == Categories::ALL,
            true => !covered.is_empty(),
            false => covered.meets(request.asked),
        }
    }

    /// What the person's consents cover under this basis; everything where the basis asks for none.
    pub(super) fn consented(&self, (_, basis): (BasisId, &Basis)) -> Categories {
        let request = self.judge.request;
        match (basis.needs_consent, request.person, request.dataset) {
            (true, Some(_), None) => self.consents(|consent, recipient, organization| {
                consent.recipient.as_deref().is_none_or(|named| named == recipient)
                    && consent.organization.as_deref().is_none_or(|named| Some(named) == organization)
            }),
            _ => Categories::ALL,
        }
    }

    /// What consents that *name* the recipient cover, where art. 28 rests on consent; everything elsewhere.
    pub(super) fn consented_overseas(&self) -> Categories {
        let request = self.judge.request;
        let rests_on_consent = matches!(self.entry.and_then(|entry| entry.overseas), Some((Overseas::Consent, _)));
        let needed = self.is_abroad() && rests_on_consent && request.dataset.is_none() && !self.declares_statutory();
        if !needed || request.person.is_none() {
            return Categories::ALL;
        }
        self.consents(|consent, recipient, organization| {
            let (to, of) = (consent.recipient.as_deref(), consent.organization.as_deref());
            let fits = to.is_none_or(|named| named == recipient) && of.is_none_or(|named| Some(named) == organization);
            fits && (to.is_some() || of.is_some())
        })
    }

    pub(super) fn consents(&self, fits: impl Fn(&Consent, &str, Option<&str>) -> bool) -> Categories {
        let request = self.judge.request;
        let (Some(person), Some((_, recipient))) = (request.person, self.recipient) else { return Categories::NONE };
        let organization = self.entry.map(|entry| entry.id.as_str());
        let in_force = person.consents.iter().filter(|consent| {
            consent.window.holds(request.time)
                && consent.purpose.as_deref().is_some_and(|broad| covers(broad, &self.judge.purpose.name))
                && fits(consent, &recipient.name, organization)
        });
        in_force.fold(Categories::NONE, |all, consent| all.or(consent.categories.unwrap_or(Categories::ALL)))
    }

    /// What every permit of this basis asks for.
    pub(super) fn proofs(&self, (_, basis): (BasisId, &Basis), covered: Categories) -> Reasons {
        let (policy, request) = (self.judge.policy, self.judge.request);
        let caller = &request.caller;
        let mut reasons = Reasons::NONE;
        reasons.add_if(basis.needs_reason && !request.reason, Reason::ReasonMissing);
        let cited = request.reference && request.act != Named::Missing;
        reasons.add_if(basis.needs_reference && !cited, Reason::ReferenceMissing);
        let unsourced = policy.conditions().source.as_ref().is_some_and(|(_, data)| data.meets(request.asked));
        reasons.add_if(request.action.writes() && unsourced && !request.source, Reason::ReferenceMissing);
        reasons.add_if(basis.needs_consent && !self.covers_asked(covered), Reason::ConsentMissing);
        if caller.organization == Some(PRINCIPAL) {
            reasons.add_if(!caller.verified, Reason::IdentityNotVerified);
            reasons.add_if(!self.is_own_record(caller), Reason::RelationMissing);
        }
        reasons
    }

    /// Whether the caller is the person that the record is about, or the agent.
    pub(super) fn is_own_record(&self, caller: &Caller<'_>) -> bool {
        let request = self.judge.request;
        let Some(person) = request.person else { return true };
        // Two empty ids are nobody, not the same person.
        if caller.id.is_empty() {
            return false;
        }
        request.subject == Some(caller.id)
            || person.relations.iter().any(|relation| self.relates(relation, "agent", Some(caller.id)))
    }

    pub(super) fn relates(&self, relation: &Relation, kind: &str, person: Option<&str>) -> bool {
        let request = self.judge.request;
        let organization = self.entry.map(|entry| entry.id.as_str());
        let must_match = self.judge.policy.vocabulary.must_match(kind);
        let fits = |key: &str, named: Option<&str>, own: Option<&str>| match named {
            None => !must_match.iter().any(|required| required == key),
            Some(named) => own == Some(named),
        };
        let named = relation.person.as_deref();
        let person_fits = match (self.judge.is_staff(), kind) {
            // Staff who fetch for the family are not the contact of the relation; but an organisation that they name is
            // matched as a caller would be, if only as the one that the relation names.
            (true, "family-contact") if request.organization.is_none() || relation.organization.is_some() => true,
            (true, "family-contact") => named.is_none() || named == organization,
            (_, "commissioned-exam") => named.is_none() || named == request.subject,
            _ => fits("person", named, person) || (named.is_some() && named == organization),
        };
        relation.kind == kind
            && relation.window.holds(request.time)
            && person_fits
            && fits("organization", relation.organization.as_deref(), organization)
            && relation.records.as_ref().is_none_or(|records| records.iter().any(|record| record == request.record))
    }

    /// What the permits of this basis ask for besides: nothing, where one of them is met; else what any of them lacks, so
    /// that the answer does not depend on the order of rules.
    pub(super) fn unmet_by_all(&self, basis: BasisId) -> Reasons {
        let mut lacking = Reasons::NONE;
        let mut any = false;
        for grant in self.grants().filter(|grant| grant.bases & basis.bit() != 0) {
            let unmet = self.unmet(grant);
            if unmet.is_empty() {
                return unmet;
            }
            (lacking, any) = (lacking.and(unmet), true);
        }
        if any { lacking } else { Reasons::of(Reason::BasisNotMet) }
    }

    pub(super) fn unmet(&self, grant: &Grant) -> Reasons {
        let (policy, request, purpose) = (self.judge.policy, self.judge.request, self.judge.purpose);
        let mut reasons = Reasons::NONE;
        reasons.add_if(grant.needs & need::REASON != 0 && !request.reason, Reason::ReasonMissing);
        let approved =
            || self.entry.is_some_and(|entry| request.register.approves(&entry.id, &purpose.name, request.time));
        reasons.add_if(grant.needs & need::APPROVAL != 0 && !approved(), Reason::ApprovalMissing);
        if let Some(person) = request.person {
            let related = |index: u8| {
                let kind = policy.relation(index);
                person.relations.iter().any(|relation| self.relates(relation, kind, Some(request.caller.id)))
            };
            reasons.add_if(grant.relation.is_some_and(|index| !related(index)), Reason::RelationMissing);
            let informed = person.informed.iter().any(|told| told.at <= request.time && told.purpose == purpose.name);
            reasons.add_if(grant.needs & need::INFORMED != 0 && !informed, Reason::NotInformed);
        }
        reasons
    }
}
