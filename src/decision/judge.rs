//! The judgement itself, step by step; the order of the groups is told in the room's story.

pub mod explain;

use std::cell::RefCell;

use super::{Caller, Clauses, Named, Obligations, Permit, Reason, Reasons, Refusal, Request, Rules};
use crate::policy::facts::{Consent, Organization, Overseas, Relation};
use crate::policy::{
    Action, Basis, BasisId, Categories, Family, For, Form, Grant, Kind, Policy, Purpose, PurposeId, Recipient,
    RecipientId, Release, covers, lift, need,
};

/// Answers a request; see the room.
///
/// # Errors
/// The refusal: every failure of the first group that fails.
pub fn decide(policy: &Policy, request: &Request<'_>) -> Result<Permit, Refusal> {
    let answer = decide_unconditionally(policy, request, None);
    answer.map_err(|mut refusal| {
        let to_principal = request.caller.organization == Some(PRINCIPAL);
        refusal.obligations = refusal.obligations.with_if(to_principal, Obligations::NAME_CONTACT);
        if to_principal {
            refusal.clauses.add_all(&policy.conditions().contact);
        }
        refusal
    })
}

/// The reserved organisation of the person; `internal` is reserved too.
const PRINCIPAL: &str = "principal";
const INTERNAL: &str = "internal";

/// The recipients that were tried, for an explanation.
type Seen<'a> = RefCell<Vec<Case<'a>>>;

fn decide_unconditionally<'a>(
    policy: &'a Policy,
    request: &'a Request<'a>,
    seen: Option<&'a Seen<'a>>,
) -> Result<Permit, Refusal> {
    let (id, purpose) = match request.purpose {
        Named::Missing => return Err(refusal(policy, None, None, None, Reasons::of(Reason::PurposeMissing))),
        Named::Unknown => return Err(refusal(policy, None, None, None, Reasons::of(Reason::PurposeUnknown))),
        Named::Known(id) => match policy.purpose(id) {
            Some(purpose) if !purpose.grouping => (id, purpose),
            _ => return Err(refusal(policy, None, None, None, Reasons::of(Reason::PurposeUnknown))),
        },
    };
    let caller = &request.caller;
    let judge = Judge { policy, request, id, purpose, seen };
    match caller.organization {
        Some(PRINCIPAL) => judge.case(Some(RecipientId::PRINCIPAL), None, judge.names_another(PRINCIPAL, None)),
        Some(INTERNAL) => judge.case(None, None, false),
        Some(organization) => {
            let mut entries = request.register.of(organization).peekable();
            match entries.peek() {
                None => judge.case(None, None, false),
                Some(_) => judge.first_of(entries, |entry| judge.names_another(organization, Some(entry))),
            }
        }
        None if caller.roles == 0 => judge.case(None, None, false),
        None => judge.for_whom(),
    }
}

/// One purpose, one request; the recipient is what is still to be settled.
#[derive(Clone, Copy)]
struct Judge<'a> {
    policy: &'a Policy,
    request: &'a Request<'a>,
    id: PurposeId,
    purpose: &'a Purpose,
    /// Only while it is explained.
    seen: Option<&'a Seen<'a>>,
}

/// One recipient that the request may be for.
#[derive(Clone, Copy)]
struct Case<'a> {
    judge: Judge<'a>,
    /// `None`: not resolved.
    recipient: Option<(RecipientId, &'a Recipient)>,
    entry: Option<&'a Organization>,
    /// The request names another recipient than the one it comes from or the register gives.
    mismatch: bool,
    /// The basis, declared or implied by the recipient's kind or by a permit.
    basis: Option<(BasisId, &'a Basis)>,
}

impl<'a> Judge<'a> {
    /// Whether the caller is own staff: the only one whose roles count, and who may fetch for others.
    fn is_staff(&self) -> bool {
        self.request.caller.organization.is_none()
    }

    /// Staff: for whom is it fetched?
    fn for_whom(&self) -> Result<Permit, Refusal> {
        let request = self.request;
        if let Some(organization) = request.organization {
            let mut entries = request.register.of(organization).peekable();
            if entries.peek().is_none() || request.recipient == Named::Unknown {
                return self.case(None, None, false);
            }
            return self.first_of(entries, |entry| match request.recipient {
                Named::Known(named) => self.policy.recipient_id(&entry.recipient) != Some(named),
                Named::Missing | Named::Unknown => false,
            });
        }
        match request.recipient {
            Named::Missing => self.case(Some(RecipientId::INTERNAL), None, false),
            Named::Unknown => self.case(None, None, false),
            Named::Known(id @ (RecipientId::INTERNAL | RecipientId::PRINCIPAL)) => self.case(Some(id), None, false),
            Named::Known(id) => {
                let name = self.policy.recipient(id).map_or("", |r| r.name.as_str());
                let mut entries = request.register.being(name).peekable();
                match entries.peek() {
                    None => self.case(Some(id), None, false),
                    Some(_) => self.first_of(entries, |_| false),
                }
            }
        }
    }

    /// Several register entries: the first that permits, else the reasons of the first.
    fn first_of(
        &self,
        entries: impl Iterator<Item = &'a Organization>,
        mismatch: impl Fn(&Organization) -> bool,
    ) -> Result<Permit, Refusal> {
        let mut first = None;
        for entry in entries {
            let recipient = self.policy.recipient_id(&entry.recipient).filter(|id| {
                // `internal` and `principal` are no one's register entry.
                *id != RecipientId::INTERNAL && *id != RecipientId::PRINCIPAL
            });
            match self.case(recipient, Some(entry), mismatch(entry)) {
                Ok(permit) => return Ok(permit),
                Err(refusal) => first = first.or(Some(refusal)),
            }
        }
        Err(first
            .unwrap_or_else(|| refusal(self.policy, Some(self.id), None, None, Reasons::of(Reason::RecipientUnknown))))
    }

    /// Whether an outside caller names a recipient other than its own.
    fn names_another(&self, own: &str, entry: Option<&Organization>) -> bool {
        let request = self.request;
        let own_recipient = match entry {
            Some(entry) => self.policy.recipient_id(&entry.recipient),
            None => Some(RecipientId::PRINCIPAL),
        };
        let other_recipient = match request.recipient {
            Named::Missing => false,
            Named::Unknown => true,
            Named::Known(named) => own_recipient != Some(named),
        };
        other_recipient || request.organization.is_some_and(|named| named != own)
    }

    fn case(
        &self,
        recipient: Option<RecipientId>,
        entry: Option<&'a Organization>,
        mismatch: bool,
    ) -> Result<Permit, Refusal> {
        let recipient = recipient.and_then(|id| Some((id, self.policy.recipient(id)?)));
        let mut case = Case { judge: *self, recipient, entry, mismatch, basis: None };
        case.basis = case.find_basis();
        if let Some(seen) = self.seen {
            seen.borrow_mut().push(case);
        }
        case.decide()
    }
}

impl<'a> Case<'a> {
    fn decide(&self) -> Result<Permit, Refusal> {
        let standing = self.standing();
        let (false, Some((id, recipient))) = (!standing.is_empty(), self.recipient) else {
            return Err(self.refuse(standing));
        };
        let mut reasons = Reasons::NONE;
        let (withheld, restricted) = self.restrictions(recipient);
        reasons.add_if(restricted, Reason::Restricted);
        let basis = match self.open_basis(recipient) {
            Ok(basis) => basis,
            Err(reason) => return Err(self.refuse(reasons.and(Reasons::of(reason)))),
        };
        let covered = self.consented(basis).and(self.consented_overseas());
        reasons = reasons.and(self.proofs(basis, covered));
        let unmet = self.unmet_by_all(basis.0);
        reasons = reasons.and(unmet);
        if !reasons.is_empty() {
            return Err(self.refuse(reasons));
        }
        self.release(id, recipient, basis, covered.without(withheld))
    }

    // --- (b) the purpose, the recipient, the day, the action ---------------------------------------------------------

    fn standing(&self) -> Reasons {
        let (policy, request, purpose) = (self.judge.policy, self.judge.request, self.judge.purpose);
        let caller = &request.caller;
        let mut reasons = Reasons::NONE;
        let in_force = policy.in_force.holds(request.time) && purpose.window.holds(request.time);
        reasons.add_if(!in_force, Reason::PurposeNotInForce);
        let staff = self.judge.is_staff() && caller.roles != 0;
        reasons.add_if(staff && purpose.served_by & caller.roles == 0, Reason::PurposeNotForRole);
        reasons.add_if(!self.class_fits(), Reason::PurposeNotForSubjectClass);
        match self.recipient {
            None => reasons.add_if(true, Reason::RecipientUnknown),
            Some((_, recipient)) => {
                let permitted = !self.mismatch && self.is_open() && self.is_entrusted(recipient);
                reasons.add_if(!permitted, Reason::RecipientNotPermitted);
                reasons.add_if(!self.is_in_force(recipient), Reason::RecipientNotInForce);
                reasons.add_if(self.lacks_overseas_basis(recipient), Reason::OverseasBasisMissing);
            }
        }
        reasons.add_if(self.opted_out(), Reason::OptedOut);
        let blocked = request.person.is_some_and(|person| person.blocked);
        reasons.add_if(blocked && !purpose.despite_block, Reason::Blocked);
        let trained = caller.training_until.is_none_or(|until| request.time < until);
        let asked_of = staff && policy.conditions().training.is_some();
        reasons.add_if(asked_of && !trained, Reason::TrainingExpired);
        if let Some((_, recipient)) = self.recipient {
            reasons.add_if(self.actions(recipient) & request.action.bit() == 0, Reason::ActionNotPermitted);
        }
        reasons
    }

    /// A wrong or missing class refuses, except on certified datasets.
    fn class_fits(&self) -> bool {
        let fits = |class: u8| self.judge.purpose.classes >> class & 1 == 1;
        self.judge.request.dataset.is_some() || self.judge.request.class.known().is_some_and(fits)
    }

    /// The grants of the cell that this side may use on this route.
    fn grants(&self) -> impl Iterator<Item = &'a Grant> {
        let judge = self.judge;
        let cell = self.recipient.map_or(&[][..], |(id, _)| judge.policy.grants(judge.id, id));
        let staff = judge.is_staff();
        cell.iter().filter(move |grant| {
            let side = match grant.open_to {
                For::Both => true,
                For::Staff => staff,
                For::Itself => !staff,
            };
            side && grant.dataset.is_none_or(|dataset| judge.request.dataset == Some(dataset))
        })
    }

    fn is_open(&self) -> bool {
        self.grants().next().is_some()
    }

    /// Whether the register lets this organisation have the purpose.
    fn is_entrusted(&self, recipient: &Recipient) -> bool {
        let Some(entry) = self.entry else { return true };
        if self.judge.purpose.family == Family::Exception {
            return true; // entrusted purposes do not limit a statutory exception
        }
        match &entry.purposes {
            Some(purposes) => purposes.iter().any(|broad| covers(broad, &self.judge.purpose.name)),
            None => {
                let statistics = self
                    .basis
                    .is_some_and(|(_, basis)| basis.dataset.is_some() && basis.dataset == self.judge.request.dataset);
                statistics || (recipient.kind != Kind::Contractor && !self.needs_contract())
            }
        }
    }

    fn needs_contract(&self) -> bool {
        self.basis.is_some_and(|(_, basis)| basis.needs_contract)
    }

    fn is_in_force(&self, recipient: &Recipient) -> bool {
        match self.entry {
            Some(entry) => entry.window.holds(self.judge.request.time),
            None if recipient.kind.is_own() => true,
            None => recipient.kind.passes_unregistered() && !recipient.registered && !self.needs_contract(),
        }
    }

    fn is_abroad(&self) -> bool {
        self.entry.is_some_and(Organization::is_abroad)
            || (self.entry.is_some() && self.recipient.is_some_and(|(_, recipient)| recipient.overseas))
    }

    /// Whether a 27(1) basis was declared: it is its own art. 28 basis for this request.
    fn declares_statutory(&self) -> bool {
        let declared = self.judge.request.basis.known();
        declared.and_then(|id| self.judge.policy.vocabulary.basis(id)).is_some_and(|basis| basis.statutory)
    }

    fn lacks_overseas_basis(&self, recipient: &Recipient) -> bool {
        let Some(entry) = self.entry else { return false };
        if !self.is_abroad() || self.judge.request.dataset.is_some() || self.declares_statutory() {
            return false;
        }
        match entry.overseas.filter(|(_, until)| self.judge.request.time < *until) {
            Some((ground, _))
                if !recipient.overseas_grounds.is_empty() && !recipient.overseas_grounds.contains(&ground) =>
            {
                true
            }
            None | Some((Overseas::Exception, _)) => true,
            Some((Overseas::EquivalentSystem | Overseas::DesignatedCountry, _)) => false,
            Some((Overseas::Consent, _)) => !self.covers_asked(self.consented_overseas()),
        }
    }

    fn opted_out(&self) -> bool {
        let (policy, judge) = (self.judge.policy, self.judge);
        let Some(person) = judge.request.person else { return false };
        let recipient = self.recipient.map(|(id, _)| id);
        person.opt_outs.iter().any(|name| match policy.opt_outs().iter().find(|known| known.name == *name) {
            Some(known) => {
                known.recipient.is_some_and(|stopped| recipient == Some(stopped))
                    || known.purpose.is_some_and(|stopped| policy.within(judge.id, stopped))
            }
            // Not one that the policy offers: it stops what it names.
            None => self.recipient.is_some_and(|(_, r)| r.name == *name) || covers(name, &judge.purpose.name),
        })
    }

    /// The actions open to this recipient for this purpose, as bits.
    fn actions(&self, recipient: &Recipient) -> u8 {
        let reads = Action::Read.bit() | Action::Search.bit();
        let writes = Action::Create.bit() | Action::Update.bit();
        match self.judge.purpose.family {
            Family::Request(index) => {
                let requests = &self.judge.policy.vocabulary.requests;
                let own = requests.get(usize::from(index)).map_or(0, |request| request.actions);
                match recipient.kind {
                    Kind::Principal => own,
                    Kind::Internal => reads | own,
                    _ => reads,
                }
            }
            Family::Exception => reads,
            Family::Stated if recipient.kind.may_write() && self.judge.purpose.writes => reads | writes,
            Family::Stated => reads,
        }
    }

    // --- (c) the basis ------------------------------------------------------------------------------------------------

    fn find_basis(&self) -> Option<(BasisId, &'a Basis)> {
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

    fn open_basis(&self, recipient: &Recipient) -> Result<(BasisId, &'a Basis), Reason> {
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

    // --- (d) the proofs, and what the person stopped -------------------------------------------------------------------

    /// What an objection withholds, and whether the whole request is stopped.
    fn restrictions(&self, recipient: &Recipient) -> (Categories, bool) {
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
    fn covers_asked(&self, covered: Categories) -> bool {
        let request = self.judge.request;
        match request.asked.is_empty() {
            true if request.asked_unknown => covered == Categories::ALL,
            true => !covered.is_empty(),
            false => covered.meets(request.asked),
        }
    }

    /// What the person's consents cover under this basis; everything where the basis asks for none.
    fn consented(&self, (_, basis): (BasisId, &Basis)) -> Categories {
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
    fn consented_overseas(&self) -> Categories {
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

    fn consents(&self, fits: impl Fn(&Consent, &str, Option<&str>) -> bool) -> Categories {
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
    fn proofs(&self, (_, basis): (BasisId, &Basis), covered: Categories) -> Reasons {
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
    fn is_own_record(&self, caller: &Caller<'_>) -> bool {
        let request = self.judge.request;
        let Some(person) = request.person else { return true };
        // Two empty ids are nobody, not the same person.
        if caller.id.is_empty() {
            return false;
        }
        request.subject == Some(caller.id)
            || person.relations.iter().any(|relation| self.relates(relation, "agent", Some(caller.id)))
    }

    fn relates(&self, relation: &Relation, kind: &str, person: Option<&str>) -> bool {
        let request = self.judge.request;
        let organization = self.entry.map(|entry| entry.id.as_str());
        let must_match = self.judge.policy.vocabulary.must_match(kind);
        let fits = |key: &str, named: Option<&str>, own: Option<&str>| match named {
            None => !must_match.iter().any(|required| required == key),
            Some(named) => own == Some(named),
        };
        // Staff who fetch for a family cannot be matched with the person of the entry.
        let named = relation.person.as_deref();
        let person_fits = match (self.judge.is_staff(), kind) {
            (true, "family-contact") => true,
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
    fn unmet_by_all(&self, basis: BasisId) -> Reasons {
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

    fn unmet(&self, grant: &Grant) -> Reasons {
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

    // --- (e) the categories -------------------------------------------------------------------------------------------

    fn release(
        &self,
        id: RecipientId,
        recipient: &Recipient,
        (basis_id, basis): (BasisId, &Basis),
        reach: Categories,
    ) -> Result<Permit, Refusal> {
        let (policy, request, purpose) = (self.judge.policy, self.judge.request, self.judge.purpose);
        let mut granted = Release::NOTHING;
        let applying = || self.grants().filter(|g| g.bases & basis_id.bit() != 0 && self.unmet(g).is_empty());
        for grant in applying() {
            granted = granted.most(&grant.release);
        }
        granted = granted.only(reach);
        if let Some(dataset) = request.dataset {
            granted = granted.least(policy.items(dataset));
        }
        let mut capped = self.capped(id, basis_id, granted).only(policy.vocabulary.never().not());
        if request.caller.organization == Some(PRINCIPAL) && request.subject != Some(request.caller.id) {
            // Level `specific` goes to the person, not to an agent.
            capped = capped.only(policy.specific().not());
        }
        let apart = self.apart(&capped);
        let release = capped.only(apart.not());
        let reasons = self.refused_categories(&granted, &release, apart);
        if !reasons.is_empty() {
            return Err(self.refuse(reasons));
        }
        let released = match request.action {
            Action::Delete => Release::NOTHING,
            _ => release.only(request.asked),
        };
        let (mut rules, mut clauses) = (Rules::new(), Clauses::new());
        let counts = |grant: &Grant| request.action == Action::Delete || grant.release.any().meets(released.any());
        let mut review = basis.review || purpose.family == Family::Exception;
        for grant in applying().filter(|grant| counts(grant)) {
            rules.add(grant.rule);
            clauses.add_all(policy.rule(grant.rule).map_or(&[], |rule| &rule.clauses));
            review |= grant.needs & need::REVIEW != 0;
        }
        // A forbid that the basis lifted is part of the ground on which its data is released.
        for cap in policy.caps(self.judge.id, id).iter().filter(|cap| cap.categories.meets(released.any())) {
            rules.add(cap.rule);
            clauses.add_all(policy.rule(cap.rule).map_or(&[], |rule| &rule.clauses));
        }
        clauses.add_all(&purpose.clauses);
        clauses.add_all(&recipient.clauses);
        let notify = policy.conditions().notify.as_ref().filter(|_| request.action == Action::Create);
        clauses.add_all(notify.map_or(&[], Vec::as_slice));
        clauses.add_all(&policy.conditions().default);
        let provides = request.action.releases() && !recipient.kind.is_own();
        Ok(Permit {
            release: released,
            asked: request.asked,
            purpose: self.judge.id,
            recipient: id,
            basis: basis_id,
            overseas: self.is_abroad(),
            provisional: request.person.is_none(),
            rules,
            clauses,
            obligations: Obligations::NONE
                .with_if(provides, Obligations::RECORD_PROVISION)
                .with_if(provides && self.is_abroad(), Obligations::RECORD_OVERSEAS_PROVISION)
                .with_if(review, Obligations::REVIEW)
                .with_if(notify.is_some(), Obligations::NOTIFY_PRINCIPAL),
        })
    }

    fn capped(&self, id: RecipientId, basis: BasisId, granted: Release) -> Release {
        let (policy, request) = (self.judge.policy, self.judge.request);
        let mut release = granted;
        for cap in policy.caps(self.judge.id, id) {
            let act = cap.unless_act.is_none_or(|act| request.act == Named::Known(act));
            if cap.unless_bases & basis.bit() == 0 || !act {
                release = release.capped(cap.categories, cap.form);
            }
        }
        release
    }

    /// What has to be withheld because of what is released beside it.
    fn apart(&self, release: &Release) -> Categories {
        // What is searched on stands beside what is released: the caller knows it of every hit.
        let request = self.judge.request;
        let released = release.any().and(request.asked.or(request.query));
        let bite = |apart: &&crate::policy::Apart| apart.beside.meets(released);
        self.judge.policy.aparts().iter().filter(bite).fold(Categories::NONE, |all, apart| all.or(apart.withhold))
    }

    /// Why the categories refuse; none where they do not.
    fn refused_categories(&self, granted: &Release, release: &Release, apart: Categories) -> Reasons {
        let (policy, request) = (self.judge.policy, self.judge.request);
        let mut reasons = Reasons::NONE;
        let clear = release.having(Form::Clear, Categories::ALL);
        let (asked, unknown) = (request.asked, request.asked_unknown);
        let lacking = match request.action {
            Action::Delete => return reasons,
            Action::Create | Action::Update => asked.without(clear),
            Action::Read | Action::Search if release.any().meets(asked) => Categories::NONE,
            Action::Read | Action::Search => asked,
        };
        let judged = request.action.writes() || !release.any().meets(asked);
        let forbidden = apart.or(granted.any().without(release.any())).or(policy.specific());
        // A write needs every category in clear: one that a forbid made coarser is forbidden too.
        let coarser = granted.having(Form::Clear, Categories::ALL).without(clear);
        let prohibited = lacking.and(forbidden.or(coarser));
        let empty = asked.is_empty() && !unknown;
        let not_permitted = judged && (!lacking.without(prohibited).is_empty() || unknown || empty);
        reasons.add_if(not_permitted, Reason::CategoryNotPermitted);
        let searchable = !request.query_unknown && clear.covers(request.query);
        reasons.add_if(request.action.releases() && !searchable, Reason::SearchNotPermitted);
        reasons.add_if(!prohibited.is_empty(), Reason::Prohibited);
        reasons
    }

    fn refuse(&self, reasons: Reasons) -> Refusal {
        let recipient = self.recipient.map(|(id, _)| id);
        refusal(self.judge.policy, Some(self.judge.id), recipient, self.basis.map(|(id, _)| id), reasons)
    }
}

fn refusal(
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
    }
    if let Some(recipient) = recipient.and_then(|id| policy.recipient(id)) {
        clauses.add_all(&recipient.clauses);
    }
    Refusal { reasons, recipient, basis, clauses, obligations: Obligations::NONE }
}

/// Adds the clauses to cite for one reason.
pub(super) fn cite(
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
