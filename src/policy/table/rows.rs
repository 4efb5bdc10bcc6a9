//! What is in one row? The purposes, recipients and rules of a policy with their ids, and what a cell's grants and caps say.

use std::ops::Range;

use super::super::category::Categories;
use super::super::facts::Overseas;
use super::super::form::{Form, Release};
use super::super::kind::{Dataset, Kind};
use super::super::moment::Window;
use super::super::vocabulary::ActId;

/// An index among the policy's purposes, in the order of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PurposeId(pub(crate) u32);

/// An index among the policy's recipients; see [`RecipientId::INTERNAL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecipientId(pub(crate) u16);

impl RecipientId {
    /// Own staff.
    pub const INTERNAL: RecipientId = RecipientId(0);
    /// The person, or the agent.
    pub const PRINCIPAL: RecipientId = RecipientId(1);
}

/// An index among the policy's clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClauseId(pub(crate) u16);

/// An index among the policy's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub(crate) u32);

/// A set of the policy's roles, one bit each.
pub type RoleSet = u64;

/// What sort of purpose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Stated by a clause.
    Stated,
    /// `exception`: a provision that no clause names.
    Exception,
    /// A principal's request: an index among the vocabulary's.
    Request(u8),
}

/// A purpose.
#[derive(Clone, Debug)]
pub struct Purpose {
    /// Its path.
    pub name: String,
    /// The clauses that state it.
    pub clauses: Vec<ClauseId>,
    /// HL7 and DPV codes, as `hl7:TREAT`.
    pub codes: Vec<String>,
    /// What sort it is.
    pub family: Family,
    /// Only groups others; never declared.
    pub grouping: bool,
    /// Subject classes it is meant for, as bits.
    pub classes: u32,
    /// When it is in force.
    pub window: Window,
    /// What it releases at most, for those who see its row.
    pub view: Release,
    /// Own staff and contractors may create and update.
    pub writes: bool,
    /// The certified dataset it is limited to.
    pub dataset: Option<Dataset>,
    /// The roles that serve it.
    pub served_by: RoleSet,
    /// Open to a caller or subject on the block list.
    pub despite_block: bool,
    /// The last purpose beneath it, or itself.
    pub last: PurposeId,
}

/// A recipient.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Its id.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The clauses that name it.
    pub clauses: Vec<ClauseId>,
    /// Abroad, whatever the register says.
    pub overseas: bool,
    /// Only while an organisation is registered.
    pub registered: bool,
    /// The only grounds of art. 28 that count for it; empty: any.
    pub overseas_grounds: Vec<Overseas>,
}

/// A rule, for the record.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id.
    pub name: String,
    /// The clauses it cites.
    pub clauses: Vec<ClauseId>,
}

/// Who may use a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// The recipient itself, and staff who fetch for it.
    Both,
    /// Only staff who fetch for it.
    Staff,
    /// Only the recipient itself.
    Itself,
}

/// What a grant asks for besides its basis's own proof, as bits.
pub mod need {
    /// An approval in force that names the organisation.
    pub const APPROVAL: u8 = 1;
    /// A written reason.
    pub const REASON: u8 = 2;
    /// That the person was informed of this purpose.
    pub const INFORMED: u8 = 4;
    /// A person looks at it afterwards (asks nothing of the request).
    pub const REVIEW: u8 = 8;
}

/// A permit, cut to one cell.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The permit.
    pub rule: RuleId,
    /// The bases that open it, as bits.
    pub bases: u32,
    /// Bits of [`need`].
    pub needs: u8,
    /// The relation asked for: see [`Policy::relation`](super::Policy::relation).
    pub relation: Option<u8>,
    /// Who may use it.
    pub open_to: For,
    /// Only on a route certified as this.
    pub dataset: Option<Dataset>,
    /// What it releases.
    pub release: Release,
}

/// A forbid, cut to one cell.
#[derive(Clone, Debug)]
pub struct Cap {
    /// The forbid.
    pub rule: RuleId,
    /// What it caps.
    pub categories: Categories,
    /// To which form.
    pub form: Form,
    /// The bases under which it does not apply, as bits.
    pub unless_bases: u32,
    /// The act that has to be cited with them.
    pub unless_act: Option<ActId>,
}

/// One purpose met with one recipient.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) grants: Range<usize>,
    pub(crate) caps: Range<usize>,
}

/// What may not leave side by side.
#[derive(Clone, Debug)]
pub struct Apart {
    /// The rule.
    pub rule: RuleId,
    /// Withheld …
    pub withhold: Categories,
    /// … where any of this is released.
    pub beside: Categories,
}

/// What a person may opt out of.
#[derive(Clone, Debug)]
pub struct OptOut {
    /// Its id in registers.
    pub name: String,
    /// The clauses.
    pub clauses: Vec<ClauseId>,
    /// The recipient it stops.
    pub recipient: Option<RecipientId>,
    /// The purpose it stops, with what is beneath.
    pub purpose: Option<PurposeId>,
}

/// The clauses to cite for what no single rule decides, and what holds besides rules.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Default deny.
    pub default: Vec<ClauseId>,
    /// A purpose stated for one class never serves another.
    pub class: Vec<ClauseId>,
    /// Who serves what.
    pub role: Vec<ClauseId>,
    /// No provision outside without a basis.
    pub provision: Vec<ClauseId>,
    /// Provision abroad.
    pub overseas: Vec<ClauseId>,
    /// Restrictions and objections.
    pub restriction: Vec<ClauseId>,
    /// The person's identity.
    pub identity: Vec<ClauseId>,
    /// The Individual Number and credentials.
    pub specific: Vec<ClauseId>,
    /// Staff with a past `training_until` are refused; `None`: not in this policy.
    pub training: Option<Vec<ClauseId>>,
    /// The block list.
    pub block: Vec<ClauseId>,
    /// Writes of these categories name their source; `None`: not in this policy.
    pub source: Option<(Vec<ClauseId>, Categories)>,
    /// Whoever creates a record is told the purpose; `None`: not in this policy.
    pub notify: Option<Vec<ClauseId>>,
    /// The contact point, named in refusals to the person.
    pub contact: Vec<ClauseId>,
    /// From when the policy counts.
    pub in_force: Vec<ClauseId>,
}
