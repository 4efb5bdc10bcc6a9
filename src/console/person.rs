//! Who looks, and what may he?

/// What somebody is here for. One may be several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees the log as it stands: persons are sealed.
    Viewer,
    /// Sees that, and decides the review queue.
    Reviewer,
    /// Sees that, decides, and opens what is sealed.
    PrivacyOfficer,
    /// Sees the log as it stands and verifies it, no more.
    Auditor,
}

/// What a page or a button asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To see accesses, with persons sealed.
    Read,
    /// To take them away in a file.
    Export,
    /// To have the log, or one record, proven.
    Verify,
    /// To accept or object to what waits for a review.
    Review,
    /// To know whom a record is about, and to look persons up.
    Reveal,
}

impl Role {
    /// Every one.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Reviewer, Role::PrivacyOfficer, Role::Auditor];

    /// As settings and records have it.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Reviewer => "reviewer",
            Role::PrivacyOfficer => "privacy-officer",
            Role::Auditor => "auditor",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    const fn may(self, right: Right) -> bool {
        match right {
            Right::Read | Right::Verify => true,
            Right::Export => !matches!(self, Role::Auditor),
            Right::Review => matches!(self, Role::Reviewer | Role::PrivacyOfficer),
            Right::Reveal => matches!(self, Role::PrivacyOfficer),
        }
    }
}

/// Somebody who is signed in.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Who says so: `console` for its own accounts, else the provider's issuer.
    pub issuer: String,
    /// His id there.
    pub id: String,
    /// What he is here for; never empty.
    pub roles: Vec<Role>,
    /// Ids under which he himself calls the gate: he reviews none of these accesses.
    pub callers: Vec<String>,
    /// What he proved himself by, where it can be changed: another one ends his sessions.
    pub(super) credential: String,
}

impl std::fmt::Debug for Person {
    /// Without what proved it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("issuer", &self.issuer).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Person {
    /// Whether one of his roles allows this.
    pub fn may(&self, right: Right) -> bool {
        self.roles.iter().any(|role| role.may(right))
    }
}

#[cfg(test)]
mod tests {
    use super::{Right, Role};

    #[test]
    fn a_role_may_what_its_row_says_and_no_more() {
        let may = |role: Role| {
            [Right::Read, Right::Export, Right::Verify, Right::Review, Right::Reveal].map(|right| role.may(right))
        };
        assert_eq!(may(Role::Viewer), [true, true, true, false, false]);
        assert_eq!(may(Role::Auditor), [true, false, true, false, false]);
        assert_eq!(may(Role::Reviewer), [true, true, true, true, false]);
        assert_eq!(may(Role::PrivacyOfficer), [true, true, true, true, true]);
    }
}
