//! Who receives, what is done, what is a route certified as? The closed lists that the code itself knows.

use super::reader::{Reader, Text};

/// What a recipient is in the terms of the Act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Own staff.
    Internal,
    /// The person the data is about, or their agent.
    Principal,
    /// A member of the family.
    Family,
    /// Entrusted work, art. 27(5)(i).
    Contractor,
    /// Succession of the business, art. 27(5)(ii).
    Successor,
    /// Joint use, art. 27(5)(iii).
    JointUser,
    /// Another legal person in Japan, art. 27.
    ThirdParty,
    /// A legal person abroad, art. 28.
    ThirdPartyOverseas,
    /// Court, prosecutor, police, tax office, bar association, ministry, municipality.
    Authority,
    /// An academic research institution.
    Academic,
    /// Anybody.
    Public,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 11] = [
        Kind::Internal,
        Kind::Principal,
        Kind::Family,
        Kind::Contractor,
        Kind::Successor,
        Kind::JointUser,
        Kind::ThirdParty,
        Kind::ThirdPartyOverseas,
        Kind::Authority,
        Kind::Academic,
        Kind::Public,
    ];

    /// The name in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Internal => "internal",
            Kind::Principal => "principal",
            Kind::Family => "family",
            Kind::Contractor => "contractor",
            Kind::Successor => "successor",
            Kind::JointUser => "joint-user",
            Kind::ThirdParty => "third-party",
            Kind::ThirdPartyOverseas => "third-party-overseas",
            Kind::Authority => "authority",
            Kind::Academic => "academic",
            Kind::Public => "public",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind as a bit of a [`Kinds`] mask.
    pub const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Whether the data stays with the organisation or goes to the person it is about: no provision is recorded.
    pub const fn is_own(self) -> bool {
        matches!(self, Kind::Internal | Kind::Principal)
    }

    /// Whether staff may name a recipient of this kind that is not in the register; it then counts as domestic.
    pub const fn passes_unregistered(self) -> bool {
        matches!(self, Kind::Internal | Kind::Principal | Kind::Authority | Kind::Family | Kind::ThirdParty)
    }

    /// Whether it may create and update where the purpose's view may be written: own staff and contractors.
    pub const fn may_write(self) -> bool {
        matches!(self, Kind::Internal | Kind::Contractor)
    }
}

/// A set of kinds, one bit each.
pub type Kinds = u16;

/// What a certified route is, by its catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dataset {
    /// Anonymously processed information with published items, art. 43.
    Anonymised,
    /// Statistics that identify nobody.
    Statistical,
}

impl Dataset {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Dataset::Anonymised => "anonymised",
            Dataset::Statistical => "statistical",
        }
    }

    /// The dataset of that name.
    pub fn from_name(name: &str) -> Option<Dataset> {
        [Dataset::Anonymised, Dataset::Statistical].into_iter().find(|d| d.name() == name)
    }
}

/// What a caller does to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// One record.
    Read,
    /// Records that match.
    Search,
    /// A new record.
    Create,
    /// A changed record.
    Update,
    /// A removed record.
    Delete,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 5] = [Action::Read, Action::Search, Action::Create, Action::Update, Action::Delete];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Search => "search",
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        }
    }

    /// The action of that name.
    pub fn from_name(name: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.name() == name)
    }

    /// The action as a bit of a mask.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// `read` or `search`: something is released.
    pub const fn releases(self) -> bool {
        matches!(self, Action::Read | Action::Search)
    }

    /// `create` or `update`.
    pub const fn writes(self) -> bool {
        matches!(self, Action::Create | Action::Update)
    }
}

/// Reads names of kinds (`*` is all) as a mask.
pub(crate) fn read_kinds(reader: &Reader, names: &[Text]) -> Kinds {
    let mut kinds = 0;
    for name in names {
        match (name.text.as_str(), Kind::from_name(&name.text)) {
            ("*", _) => kinds |= Kind::ALL.iter().fold(0, |all, kind| all | kind.bit()),
            (_, Some(kind)) => kinds |= kind.bit(),
            (_, None) => reader.unknown("kind of recipient", name, Kind::ALL.iter().map(|k| k.name())),
        }
    }
    kinds
}
