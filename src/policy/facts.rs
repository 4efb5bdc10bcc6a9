//! What is on file? The register of organisations, and what one person has consented to, stopped or objected to.
//!
//! Facts are given, never fetched: a decision that is replayed later gets the same ones. Purposes and recipients stand in
//! them as they were entered, so that facts outlive a reload of the policy.

use std::collections::HashMap;

use super::category::Categories;
use super::moment::{Moment, Window};

/// Whether `broad` names `narrow` itself or a purpose above it.
pub fn covers(broad: &str, narrow: &str) -> bool {
    narrow.strip_prefix(broad).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The ground of art. 28 that a register entry carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overseas {
    /// The person's consent, which has to name the recipient.
    Consent,
    /// A system equivalent to the Act's, checked periodically.
    EquivalentSystem,
    /// A country that the Commission has designated.
    DesignatedCountry,
    /// An exception of art. 27(1); it has to be declared with the request.
    Exception,
}

impl Overseas {
    /// The ground of that name.
    pub fn from_name(name: &str) -> Option<Overseas> {
        match name {
            "consent" => Some(Overseas::Consent),
            "equivalent-system" => Some(Overseas::EquivalentSystem),
            "designated-country" => Some(Overseas::DesignatedCountry),
            "exception" => Some(Overseas::Exception),
            _ => None,
        }
    }

    /// Its name in registers and records.
    pub const fn name(self) -> &'static str {
        match self {
            Overseas::Consent => "consent",
            Overseas::EquivalentSystem => "equivalent-system",
            Overseas::DesignatedCountry => "designated-country",
            Overseas::Exception => "exception",
        }
    }
}

/// A registered organisation: what it is to us, until when, for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id, as a token names it.
    pub id: String,
    /// The recipient id that it is.
    pub recipient: String,
    /// Country of the legal entity (ISO 3166-1 alpha-2); not known counts as abroad.
    pub country: Option<String>,
    /// When the contract, partnership or registration is in force.
    pub window: Window,
    /// The purposes it is entrusted with or limited to; `None`: not limited (a contractor: none).
    pub purposes: Option<Vec<String>>,
    /// Its ground of art. 28, with the first moment at which it no longer holds.
    pub overseas: Option<(Overseas, Moment)>,
}

impl Organization {
    /// Whether the legal entity is abroad, or not known to be in Japan.
    pub fn is_abroad(&self) -> bool {
        !self.country.as_deref().is_some_and(|country| country.eq_ignore_ascii_case("JP"))
    }
}

/// The organisation's own approval of another, for a purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The approved organisation.
    pub organization: String,
    /// For this purpose and narrower ones; `None` approves nothing.
    pub purpose: Option<String>,
    /// When it is in force.
    pub window: Window,
}

/// Where an entry stands in its register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryId(u32);

/// All organisations, indexed by id and by what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    organizations: Vec<Organization>,
    approvals: HashMap<String, Vec<Approval>>,
    by_id: HashMap<String, Vec<EntryId>>,
    by_recipient: HashMap<String, Vec<EntryId>>,
}

impl Register {
    /// Indexes the entries; their order is kept.
    pub fn new(organizations: Vec<Organization>, approvals: Vec<Approval>) -> Register {
        let mut register = Register { organizations, ..Register::default() };
        for (id, organization) in (0..).map(EntryId).zip(&register.organizations) {
            register.by_id.entry(organization.id.clone()).or_default().push(id);
            register.by_recipient.entry(organization.recipient.clone()).or_default().push(id);
        }
        for approval in approvals {
            register.approvals.entry(approval.organization.clone()).or_default().push(approval);
        }
        register
    }

    /// The entries of this organisation.
    pub fn of(&self, id: &str) -> impl Iterator<Item = (EntryId, &Organization)> + Clone {
        self.entries(self.by_id.get(id))
    }

    /// The organisations that are this recipient.
    pub fn being(&self, recipient: &str) -> impl Iterator<Item = (EntryId, &Organization)> + Clone {
        self.entries(self.by_recipient.get(recipient))
    }

    fn entries<'a>(
        &'a self,
        ids: Option<&'a Vec<EntryId>>,
    ) -> impl Iterator<Item = (EntryId, &'a Organization)> + Clone {
        ids.map(Vec::as_slice).unwrap_or_default().iter().filter_map(|id| Some((*id, self.entry(*id)?)))
    }

    /// The entry that stands there.
    pub fn entry(&self, id: EntryId) -> Option<&Organization> {
        self.organizations.get(usize::try_from(id.0).ok()?)
    }

    /// Whether an approval of this organisation for this purpose is in force.
    pub fn approves(&self, organization: &str, purpose: &str, at: Moment) -> bool {
        self.approvals.get(organization).is_some_and(|approvals| {
            approvals.iter().any(|a| a.window.holds(at) && a.purpose.as_deref().is_some_and(|p| covers(p, purpose)))
        })
    }

    /// The approvals of this organisation, ended ones too.
    pub fn approvals(&self, organization: &str) -> &[Approval] {
        self.approvals.get(organization).map_or(&[], Vec::as_slice)
    }

    /// Every organisation, in the order of entry.
    pub fn organizations(&self) -> &[Organization] {
        &self.organizations
    }
}

/// A consent on file.
#[derive(Clone, Debug)]
pub struct Consent {
    /// For this purpose and narrower ones; `None` covers nothing.
    pub purpose: Option<String>,
    /// To this recipient id; `None`: any.
    pub recipient: Option<String>,
    /// To this organisation; `None`: any.
    pub organization: Option<String>,
    /// For these categories; `None`: any.
    pub categories: Option<Categories>,
    /// When it is in force; a withdrawal ends it.
    pub window: Window,
}

/// An objection on file. What is `None` in it is any.
#[derive(Clone, Debug)]
pub struct Objection {
    /// To this purpose and narrower ones.
    pub purpose: Option<String>,
    /// To this recipient id.
    pub recipient: Option<String>,
    /// To these categories.
    pub categories: Option<Categories>,
    /// When it is in force.
    pub window: Window,
}

/// How somebody stands to the person: `agent`, `family-contact`, `commissioned-exam`.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The kind of relation.
    pub kind: String,
    /// The organisation it is with.
    pub organization: Option<String>,
    /// The caller's id it is with.
    pub person: Option<String>,
    /// The records it is about.
    pub records: Option<Vec<String>>,
    /// When it is in force.
    pub window: Window,
}

/// That the person was told of a purpose.
#[derive(Clone, Debug)]
pub struct Informed {
    /// The purpose told.
    pub purpose: String,
    /// When.
    pub at: Moment,
}

/// What is on file about one person. No row means no consent and no restriction.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Consents, ended ones too.
    pub consents: Vec<Consent>,
    /// Objections.
    pub objections: Vec<Objection>,
    /// Restrictions in force, by name; one that is not known refuses.
    pub restrictions: Vec<String>,
    /// Relations of others to the person.
    pub relations: Vec<Relation>,
    /// What the person was told.
    pub informed: Vec<Informed>,
    /// What the person opted out of.
    pub opt_outs: Vec<String>,
    /// Whether the person, or the caller, is on the block list.
    pub blocked: bool,
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_broad_purpose_covers_narrower_ones_only() {
        assert!(covers("care", "care") && covers("care", "care.coordination"));
        assert!(!covers("care.coordination", "care") && !covers("care", "careless") && !covers("", "care"));
    }
}
