//! The judgement itself, step by step; the order of the groups is told in the room's story.

mod cite;
pub mod explain;
mod proof;
mod release;
mod standing;

use std::cell::RefCell;

pub(super) use self::cite::cite;
use self::cite::refusal;
use super::{Named, Obligations, Permit, Reason, Reasons, Refusal, Request};
use crate::policy::facts::{EntryId, Organization};
use crate::policy::{Basis, BasisId, Policy, Purpose, PurposeId, Recipient, RecipientId};

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
            found => {
                let mut refusal = refusal(policy, None, None, None, Reasons::of(Reason::PurposeUnknown));
                refusal.clauses.add_all(found.map_or(&[], |grouping| &grouping.clauses));
                return Err(refusal);
            }
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
    place: Option<EntryId>,
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
        entries: impl Iterator<Item = (EntryId, &'a Organization)>,
        mismatch: impl Fn(&Organization) -> bool,
    ) -> Result<Permit, Refusal> {
        let mut first = None;
        for (place, entry) in entries {
            let recipient = self.policy.recipient_id(&entry.recipient).filter(|id| {
                // `internal` and `principal` are no one's register entry.
                *id != RecipientId::INTERNAL && *id != RecipientId::PRINCIPAL
            });
            match self.case(recipient, Some((place, entry)), mismatch(entry)) {
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
        entry: Option<(EntryId, &'a Organization)>,
        mismatch: bool,
    ) -> Result<Permit, Refusal> {
        let recipient = recipient.and_then(|id| Some((id, self.policy.recipient(id)?)));
        let (place, entry) = entry.unzip();
        let mut case = Case { judge: *self, recipient, entry, place, mismatch, basis: None };
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

    fn refuse(&self, reasons: Reasons) -> Refusal {
        let recipient = self.recipient.map(|(id, _)| id);
        let basis = self.basis.map(|(id, _)| id);
        let refusal = refusal(self.judge.policy, Some(self.judge.id), recipient, basis, reasons);
        Refusal { entry: self.place, ..refusal }
    }
}
