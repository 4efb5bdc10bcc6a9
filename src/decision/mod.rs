//! May this caller have these categories for this purpose, and in which form?
//!
//! [`decide`] is a pure, total function of a [`Request`] and the compiled tables: no clock, file or socket, and no error,
//! for what is unknown is a [`Refusal`] that says so. The first "no" comes first in it, in groups; all failures of the
//! first group that fails are given:
//! 1. is a purpose declared, and does the policy state it? no → nothing further is judged;
//! 2. is it in force, served by the role, meant for the class, open to the recipient, now, here, for this action?
//! 3. is there a basis, and does it open this provision?
//! 4. is the basis proved, and has the person nothing stopped?
//! 5. does the purpose release the categories, and may they be searched on?
//!
//! Invariant: a [`Permit`] names at least one clause, and only this module can build one.
//! Cost: a few table reads and one pass over the person's facts; no allocation.

pub mod cases;
pub mod coverage;
pub mod evaluation;
pub mod json;
mod judge;
mod reason;
pub mod reference;
pub mod remedy;

use crate::policy::{
    ActId, Action, BasisId, Categories, ClauseId, Dataset, Moment, Policy, PurposeId, RecipientId, Release, RoleSet,
    RuleId,
    facts::{EntryId, Person, Register},
};

pub use judge::decide;
pub use judge::explain;
pub use reason::{Reason, Reasons};

/// Something named in a request: not at all, by a name that the policy does not know, or known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<T> {
    /// Not named.
    Missing,
    /// Named, but not known.
    Unknown,
    /// Known.
    Known(T),
}

impl<T> Named<T> {
    /// `None`: not named; `Some(None)`: named, not known.
    pub fn from(found: Option<Option<T>>) -> Named<T> {
        match found {
            None => Named::Missing,
            Some(None) => Named::Unknown,
            Some(Some(id)) => Named::Known(id),
        }
    }

    /// The known one.
    pub fn known(self) -> Option<T> {
        match self {
            Named::Known(id) => Some(id),
            Named::Missing | Named::Unknown => None,
        }
    }
}

/// Who calls, as proven.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The caller's id.
    pub id: &'a str,
    /// The organisation that the token names; `principal` is the person.
    pub organization: Option<&'a str>,
    /// Roles of the organisation whose policy this is; ignored where an organisation is named.
    pub roles: RoleSet,
    /// Whether the identity was verified (asked of the person and the agent).
    pub verified: bool,
    /// First moment at which the training no longer holds.
    pub training_until: Option<Moment>,
}

/// What is asked: everything a decision reads, and nothing else.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who calls.
    pub caller: Caller<'a>,
    /// What is to be done.
    pub action: Action,
    /// The id of the record.
    pub record: &'a str,
    /// The class of the person that the record is about.
    pub class: Named<u8>,
    /// The person that the record is about.
    pub subject: Option<&'a str>,
    /// What the catalogue certifies the route as.
    pub dataset: Option<Dataset>,
    /// The categories asked for.
    pub asked: Categories,
    /// Whether a name was asked for that is no category: it is withheld.
    pub asked_unknown: bool,
    /// The categories that a search filters or sorts on; of a change or a deletion, those that it tells by its answer whether
    /// there is a record.
    pub query: Categories,
    /// Whether a search names what is no category.
    pub query_unknown: bool,
    /// The declared purpose.
    pub purpose: Named<PurposeId>,
    /// The declared basis.
    pub basis: Named<BasisId>,
    /// The declared recipient.
    pub recipient: Named<RecipientId>,
    /// The declared organisation.
    pub organization: Option<&'a str>,
    /// Whether a written reason is given.
    pub reason: bool,
    /// Whether a reference is given.
    pub reference: bool,
    /// The act cited.
    pub act: Named<ActId>,
    /// Whether the source of written data is named.
    pub source: bool,
    /// When.
    pub time: Moment,
    /// The organisations on file.
    pub register: &'a Register,
    /// What is on file about the person. `None`: not known yet, so that no answer depends on it; the decision is then
    /// whether *any* person's record could be released, and never a ground to release one.
    pub person: Option<&'a Person>,
}

/// What goes with an answer, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct Obligations(u8);

impl Obligations {
    /// None.
    pub const NONE: Obligations = Obligations(0);
    /// Data left the organisation: a record of provision (art. 29).
    pub const RECORD_PROVISION: Obligations = Obligations(1);
    /// Data left the country (art. 28).
    pub const RECORD_OVERSEAS_PROVISION: Obligations = Obligations(2);
    /// A person looks at it afterwards.
    pub const REVIEW: Obligations = Obligations(4);
    /// The answer names purpose and clause.
    pub const NOTIFY_PRINCIPAL: Obligations = Obligations(8);
    /// The refusal names the contact point.
    pub const NAME_CONTACT: Obligations = Obligations(16);

    const NAMES: [(Obligations, &'static str); 5] = [
        (Obligations::RECORD_PROVISION, "record-provision"),
        (Obligations::RECORD_OVERSEAS_PROVISION, "record-overseas-provision"),
        (Obligations::REVIEW, "review"),
        (Obligations::NOTIFY_PRINCIPAL, "notify-principal"),
        (Obligations::NAME_CONTACT, "name-contact"),
    ];

    /// With these too, if so.
    #[must_use]
    pub const fn with_if(self, so: bool, other: Obligations) -> Obligations {
        if so { Obligations(self.0 | other.0) } else { self }
    }

    /// Whether these are among them.
    pub const fn has(self, other: Obligations) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names, in order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Obligations::NAMES.into_iter().filter(move |(one, _)| self.has(*one)).map(|(_, name)| name)
    }
}

/// A short list without allocation, in the order of adding, each item once. Past `N` items it only counts.
#[derive(Clone, Copy, Debug)]
pub struct Few<T, const N: usize> {
    items: [Option<T>; N],
    left_out: u16,
}

impl<T: Copy + PartialEq, const N: usize> Few<T, N> {
    const fn new() -> Few<T, N> {
        Few { items: [None; N], left_out: 0 }
    }

    fn add(&mut self, item: T) {
        for place in &mut self.items {
            match place {
                Some(there) if *there == item => return,
                Some(_) => {}
                None => {
                    *place = Some(item);
                    return;
                }
            }
        }
        self.left_out = self.left_out.saturating_add(1);
    }

    fn add_all(&mut self, items: &[T]) {
        for item in items {
            self.add(*item);
        }
    }

    /// The items.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.items.iter().map_while(|item| *item)
    }

    /// How many more there were.
    pub fn left_out(&self) -> usize {
        usize::from(self.left_out)
    }
}

/// The rules that an answer rests on.
pub type Rules = Few<RuleId, 16>;
/// The clauses that an answer rests on.
pub type Clauses = Few<ClauseId, 24>;

/// Proof that [`decide`] said yes. Private fields keep every other room from making one.
#[derive(Clone, Copy, Debug)]
pub struct Permit {
    release: Release,
    asked: Categories,
    told: Categories,
    purpose: PurposeId,
    recipient: RecipientId,
    entry: Option<EntryId>,
    basis: BasisId,
    overseas: bool,
    /// Made without knowing the person: whether *any* record could be released, and never a ground to release one.
    provisional: bool,
    rules: Rules,
    /// INVARIANT: never empty.
    clauses: Clauses,
    obligations: Obligations,
}

impl Permit {
    /// A form per asked category; on `delete` nothing.
    pub fn release(&self) -> &Release {
        &self.release
    }
    /// The categories that were asked for.
    pub fn asked(&self) -> Categories {
        self.asked
    }
    /// On a read or search, what could have been searched on besides, each by itself, and the answer would be the same: of a
    /// record of such a category it may be told that it is there. It may hold categories that were not asked for, and none of
    /// those leaves by that.
    pub fn told(&self) -> Categories {
        self.told
    }
    /// The purpose.
    pub fn purpose(&self) -> PurposeId {
        self.purpose
    }
    /// The recipient.
    pub fn recipient(&self) -> RecipientId {
        self.recipient
    }
    /// The register's entry that the recipient was found in, of the register that was asked.
    pub fn entry(&self) -> Option<EntryId> {
        self.entry
    }
    /// The basis, declared or implied.
    pub fn basis(&self) -> BasisId {
        self.basis
    }
    /// Whether the data goes abroad.
    pub fn is_overseas(&self) -> bool {
        self.overseas
    }
    /// Whether it was made without knowing the person: then it says that some record could be released, and is no ground
    /// to release one.
    pub fn is_provisional(&self) -> bool {
        self.provisional
    }
    /// The permits that released something.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
    /// Their clauses, and those of purpose and recipient.
    pub fn clauses(&self) -> &Clauses {
        &self.clauses
    }
    /// What goes with the answer.
    pub fn obligations(&self) -> Obligations {
        self.obligations
    }
}

/// A "no", with every reason of the first group that failed.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// At least one.
    pub reasons: Reasons,
    /// The recipient, where it could be resolved.
    pub recipient: Option<RecipientId>,
    /// The register's entry that was judged, of the register that was asked.
    pub entry: Option<EntryId>,
    /// The basis, declared or implied.
    pub basis: Option<BasisId>,
    /// The clauses that refused.
    pub clauses: Clauses,
    /// `name-contact` where the person is refused.
    pub obligations: Obligations,
}

/// The clauses to cite for one reason of a refusal.
pub fn clauses_of(policy: &Policy, purpose: Option<PurposeId>, refusal: &Refusal, reason: Reason) -> Clauses {
    let mut clauses = Clauses::new();
    judge::cite(policy, purpose, refusal.recipient, reason, &mut clauses);
    clauses
}
