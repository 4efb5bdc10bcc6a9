//! Group (b): is the purpose in force, served, meant for the class, open to the recipient, now, here, for this action?

use super::Case;
use crate::decision::{Reason, Reasons};
use crate::policy::facts::{Organization, Overseas};
use crate::policy::{Action, Family, For, Grant, Kind, Recipient, covers};

impl<'a> Case<'a> {
    pub(super) fn standing(&self) -> Reasons {
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
    pub(super) fn class_fits(&self) -> bool {
        let fits = |class: u8| self.judge.purpose.classes >> class & 1 == 1;
        self.judge.request.dataset.is_some() || self.judge.request.class.known().is_some_and(fits)
    }

    /// The grants of the cell that this side may use on this route.
    pub(super) fn grants(&self) -> impl Iterator<Item = &'a Grant> {
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

    pub(super) fn is_open(&self) -> bool {
        self.grants().next().is_some()
    }

    /// Whether the register lets this organisation have the purpose.
    pub(super) fn is_entrusted(&self, recipient: &Recipient) -> bool {
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

    pub(super) fn needs_contract(&self) -> bool {
        self.basis.is_some_and(|(_, basis)| basis.needs_contract)
    }

    pub(super) fn is_in_force(&self, recipient: &Recipient) -> bool {
        match self.entry {
            Some(entry) => entry.window.holds(self.judge.request.time),
            None if recipient.kind.is_own() => true,
            None => recipient.kind.passes_unregistered() && !recipient.registered && !self.needs_contract(),
        }
    }

    pub(super) fn is_abroad(&self) -> bool {
        self.entry.is_some_and(Organization::is_abroad)
            || (self.entry.is_some() && self.recipient.is_some_and(|(_, recipient)| recipient.overseas))
    }

    /// Whether a 27(1) basis was declared: it is its own art. 28 basis for this request.
    pub(super) fn declares_statutory(&self) -> bool {
        let declared = self.judge.request.basis.known();
        declared.and_then(|id| self.judge.policy.vocabulary.basis(id)).is_some_and(|basis| basis.statutory)
    }

    pub(super) fn lacks_overseas_basis(&self, recipient: &Recipient) -> bool {
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

    pub(super) fn opted_out(&self) -> bool {
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
    pub(super) fn actions(&self, recipient: &Recipient) -> u8 {
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
}
