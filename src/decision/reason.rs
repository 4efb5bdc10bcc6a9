//! Why is the answer no? Codes that are never renamed and never reused, in the order in which they are given.

/// A reason of a refusal. The derived order is the order of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No purpose was declared.
    PurposeMissing,
    /// The declared purpose is none of the policy's, or only groups others.
    PurposeUnknown,
    /// The purpose, or the revision, is not in force on the day.
    PurposeNotInForce,
    /// None of the caller's roles serves the purpose.
    PurposeNotForRole,
    /// The purpose is not meant for this class of persons, or the class is not known.
    PurposeNotForSubjectClass,
    /// Neither a role of the organisation nor a registered organisation; or a recipient that the policy does not know.
    RecipientUnknown,
    /// The purpose is not open to this recipient, or the organisation is not entrusted with it.
    RecipientNotPermitted,
    /// The contract, partnership or registration is not in force.
    RecipientNotInForce,
    /// The recipient is abroad and has no basis of art. 28.
    OverseasBasisMissing,
    /// The person opted out.
    OptedOut,
    /// The caller or the person is on the block list.
    Blocked,
    /// The caller's training has expired.
    TrainingExpired,
    /// The action is not open to this recipient for this purpose.
    ActionNotPermitted,
    /// No basis was declared and none is implied.
    BasisMissing,
    /// The basis does not open this provision, or not on this route.
    BasisNotMet,
    /// No written reason.
    ReasonMissing,
    /// No reference, act or source.
    ReferenceMissing,
    /// No consent of this person covers it.
    ConsentMissing,
    /// The person's identity was not verified.
    IdentityNotVerified,
    /// No approval in force names the organisation.
    ApprovalMissing,
    /// No relation on file names the caller or the organisation.
    RelationMissing,
    /// The person was not informed of this purpose.
    NotInformed,
    /// The person had it stopped, or objects.
    Restricted,
    /// The purpose does not release the category.
    CategoryNotPermitted,
    /// The search filters or sorts on what may not be seen in clear.
    SearchNotPermitted,
    /// A forbid, or a category that is released to nobody.
    Prohibited,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Reason; 26] = [
        Reason::PurposeMissing,
        Reason::PurposeUnknown,
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
        Reason::BasisMissing,
        Reason::BasisNotMet,
        Reason::ReasonMissing,
        Reason::ReferenceMissing,
        Reason::ConsentMissing,
        Reason::IdentityNotVerified,
        Reason::ApprovalMissing,
        Reason::RelationMissing,
        Reason::NotInformed,
        Reason::Restricted,
        Reason::CategoryNotPermitted,
        Reason::SearchNotPermitted,
        Reason::Prohibited,
    ];

    /// The code on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Reason::PurposeMissing => "purpose-missing",
            Reason::PurposeUnknown => "purpose-unknown",
            Reason::PurposeNotInForce => "purpose-not-in-force",
            Reason::PurposeNotForRole => "purpose-not-for-role",
            Reason::PurposeNotForSubjectClass => "purpose-not-for-subject-class",
            Reason::RecipientUnknown => "recipient-unknown",
            Reason::RecipientNotPermitted => "recipient-not-permitted",
            Reason::RecipientNotInForce => "recipient-not-in-force",
            Reason::OverseasBasisMissing => "overseas-basis-missing",
            Reason::OptedOut => "opted-out",
            Reason::Blocked => "blocked",
            Reason::TrainingExpired => "training-expired",
            Reason::ActionNotPermitted => "action-not-permitted",
            Reason::BasisMissing => "basis-missing",
            Reason::BasisNotMet => "basis-not-met",
            Reason::ReasonMissing => "reason-missing",
            Reason::ReferenceMissing => "reference-missing",
            Reason::ConsentMissing => "consent-missing",
            Reason::IdentityNotVerified => "identity-not-verified",
            Reason::ApprovalMissing => "approval-missing",
            Reason::RelationMissing => "relation-missing",
            Reason::NotInformed => "not-informed",
            Reason::Restricted => "restricted",
            Reason::CategoryNotPermitted => "category-not-permitted",
            Reason::SearchNotPermitted => "search-not-permitted",
            Reason::Prohibited => "prohibited",
        }
    }

    /// Whether it tells something about the person: to outsiders it is one `not-available`.
    pub const fn is_about_the_person(self) -> bool {
        matches!(
            self,
            Reason::Restricted
                | Reason::ConsentMissing
                | Reason::OptedOut
                | Reason::Blocked
                | Reason::RelationMissing
                | Reason::NotInformed
        )
    }

    /// What is wrong, for the caller; no personal data, and nothing that the registry says.
    pub const fn detail(self) -> &'static str {
        match self {
            Reason::PurposeMissing => "no purpose is declared; say what the data is for",
            Reason::PurposeUnknown => {
                "the policy states no such purpose; one that only groups others cannot be declared"
            }
            Reason::PurposeNotInForce => "the purpose is not in force on this day",
            Reason::PurposeNotForRole => "none of the caller's roles serves this purpose",
            Reason::PurposeNotForSubjectClass => "the purpose is not stated for this class of persons",
            Reason::RecipientUnknown => {
                "the caller holds no role here and is not in the register, or the recipient is none that the policy knows"
            }
            Reason::RecipientNotPermitted => {
                "the purpose is not open to this recipient, or it is not entrusted with it"
            }
            Reason::RecipientNotInForce => "the recipient's contract, partnership or registration is not in force",
            Reason::OverseasBasisMissing => "the recipient is abroad, and no basis of art. 28 is on file",
            Reason::OptedOut => "the person opted out",
            Reason::Blocked => "the caller or the person is on the block list",
            Reason::TrainingExpired => "the caller's training has expired",
            Reason::ActionNotPermitted => "this action is not open to this recipient for this purpose",
            Reason::BasisMissing => "provision outside needs a basis; none is declared and none is implied",
            Reason::BasisNotMet => "the basis declared is none that opens this provision, or not on this route",
            Reason::ReasonMissing => "the basis asks for a written `reason`",
            Reason::ReferenceMissing => "the basis asks for a `reference` and an `act`, or the write for its `source`",
            Reason::ConsentMissing => "no consent in force covers this purpose, recipient and data",
            Reason::IdentityNotVerified => "the person's identity has not been verified",
            Reason::ApprovalMissing => "no approval in force names this organisation for this purpose",
            Reason::RelationMissing => "no relation on file names the caller or the organisation",
            Reason::NotInformed => "the person was not informed of this purpose",
            Reason::Restricted => "the person had this stopped, or objects to it",
            Reason::CategoryNotPermitted => "the purpose does not release this data",
            Reason::SearchNotPermitted => "a search may only filter and sort on what the caller may see in clear",
            Reason::Prohibited => "the policy forbids releasing this data here",
        }
    }
}

/// A set of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct Reasons(u32);

impl Reasons {
    /// No reason.
    pub const NONE: Reasons = Reasons(0);

    /// The set of this one.
    pub const fn of(reason: Reason) -> Reasons {
        Reasons(1 << reason as u32)
    }

    /// Adds one, if so.
    pub const fn add_if(&mut self, so: bool, reason: Reason) {
        if so {
            self.0 |= 1 << reason as u32;
        }
    }

    /// Both.
    pub const fn and(self, other: Reasons) -> Reasons {
        Reasons(self.0 | other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is among them.
    pub const fn has(self, reason: Reason) -> bool {
        self.0 >> reason as u32 & 1 == 1
    }

    /// Them, in order.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |reason| self.has(*reason))
    }
}
