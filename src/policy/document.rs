//! What stands in a policy document? As written, with its places; meaning is checked in `compile`.

mod read;

use std::ops::Range;

use super::fault::Source;
use super::reader::Text;

/// `[policy]`: whose policy, of when.
#[derive(Clone)]
pub struct Meta {
    /// Short id, the folder's name.
    pub id: Text,
    /// Title as published.
    pub title: Text,
    /// The language whose text prevails.
    pub language: Text,
    /// IANA zone of its civil days.
    pub time_zone: Text,
    /// Name of this revision.
    pub revision: Text,
    /// When it was made public.
    pub announced: Option<Text>,
    /// From when it decides.
    pub effective: Option<Text>,
    /// Where the person turns.
    pub contact: Text,
    /// The revision before it.
    pub supersedes: Option<Text>,
    /// The law, guideline or guidance that a revision answers to.
    pub law: Option<Text>,
    /// Where the published text stands.
    pub published: Option<Text>,
}

/// `[[clause]]`.
#[derive(Clone)]
pub struct Clause {
    /// Its id in the published text.
    pub id: Text,
    /// What it says, in short, in own words.
    pub gist: Text,
    /// The same in the authoritative language, where that is not English.
    pub gist_ja: Option<Text>,
    /// What enforces it: rules, purposes, recipients, conditions, mechanisms.
    pub enforced_by: Vec<Text>,
    /// Why no request can show whether it is kept.
    pub organisational: Option<Text>,
    /// What of its enforcement is the project's own data minimum.
    pub house: Option<Text>,
}

/// `[purpose."a.b"]`.
#[derive(Clone)]
pub struct Purpose {
    /// Its path.
    pub id: Text,
    /// The clauses that state it.
    pub clauses: Vec<Text>,
    /// HL7 and DPV codes.
    pub codes: Vec<Text>,
    /// The subject classes it is meant for; `*` is every class of the policy.
    pub about: Vec<Text>,
    /// The view released for it; beneath it too, unless a narrower purpose has its own.
    pub view: Option<Text>,
    /// Only groups others; never declared.
    pub grouping: bool,
    /// First day in force.
    pub from: Option<Text>,
    /// Last day in force.
    pub until: Option<Text>,
    /// The certified dataset that it is limited to.
    pub dataset: Option<Text>,
    /// The older purpose that an added or widened one is related to.
    pub related_to: Option<Text>,
    /// The law that allows an added or widened one.
    pub law: Option<Text>,
}

/// `[recipient.x]`.
#[derive(Clone)]
pub struct Recipient {
    /// Its id.
    pub id: Text,
    /// Its kind.
    pub kind: Text,
    /// The clauses that name it.
    pub clauses: Vec<Text>,
    /// Established abroad, whatever the register says.
    pub overseas: bool,
    /// Only while an organisation is registered, whatever the basis.
    pub registered: bool,
    /// The only grounds of art. 28 that count for it.
    pub overseas_basis: Vec<Text>,
}

/// `[role.x]`.
#[derive(Clone)]
pub struct Role {
    /// Its id.
    pub id: Text,
    /// The purposes it serves, with the narrower ones.
    pub serves: Vec<Text>,
}

/// `[view.x]`: forms of categories.
#[derive(Clone)]
pub struct View {
    /// Its id.
    pub id: Text,
    /// Selectors by form: masked, generalised, pseudonymised, clear.
    pub forms: [Vec<Text>; 4],
    /// Own staff and contractors may create and update what it shows in clear.
    pub writes: bool,
}

/// `[[permit]]`.
#[derive(Clone)]
pub struct Permit {
    /// Its id.
    pub id: Text,
    /// The clauses that allow it, besides those of purpose and recipient.
    pub clauses: Vec<Text>,
    /// The purposes; `stated` is every stated one.
    pub purposes: Vec<Text>,
    /// Purposes, with what is beneath them, left out.
    pub except: Vec<Text>,
    /// Nothing beneath the purposes named.
    pub exact: bool,
    /// Recipient ids, or `kind:…`, or `*`.
    pub to: Vec<Text>,
    /// The bases, any of which opens it.
    pub bases: Vec<Text>,
    /// `approval` `reason` `informed` `review` `relation:…`.
    pub needs: Vec<Text>,
    /// The view; the purpose's own where none is named.
    pub view: Option<Text>,
    /// Only on routes certified as this.
    pub dataset: Option<Text>,
}

/// `[[forbid]]`.
#[derive(Clone)]
pub struct Forbid {
    /// Its id.
    pub id: Text,
    /// The clauses that forbid.
    pub clauses: Vec<Text>,
    /// Selectors.
    pub data: Vec<Text>,
    /// Purposes, with what is beneath; none: all.
    pub purposes: Vec<Text>,
    /// Recipients: ids, `kind:…`, each may begin with `!`; none: all.
    pub to: Vec<Text>,
    /// The most revealing form left; withheld if none is named.
    pub form: Option<Text>,
    /// The basis under which it does not apply.
    pub unless_basis: Option<Text>,
    /// The act that has to be cited with it.
    pub unless_act: Option<Text>,
}

/// `[[apart]]`.
#[derive(Clone)]
pub struct Apart {
    /// Its id.
    pub id: Text,
    /// The clauses.
    pub clauses: Vec<Text>,
    /// What is withheld …
    pub withhold: Vec<Text>,
    /// … where any of this is released.
    pub beside: Vec<Text>,
}

/// `[[assert]]`: checked over every reachable decision.
#[derive(Clone)]
pub struct Assert {
    /// What must never be released.
    pub release: Vec<Text>,
    /// To whom; none: to anybody.
    pub to: Vec<Text>,
    /// For which purposes; none: for any.
    pub purposes: Vec<Text>,
    /// Unless on this basis.
    pub unless_basis: Option<Text>,
    /// Where it stands.
    pub span: Range<usize>,
}

/// `[condition.x]`: what holds besides rules, and the clause to cite for it.
#[derive(Clone)]
pub struct Condition {
    /// Which: see `CONDITIONS`.
    pub id: Text,
    /// The clauses.
    pub clauses: Vec<Text>,
    /// Purposes it does not touch (`block`).
    pub except: Vec<Text>,
    /// Data it is about (`source`).
    pub data: Vec<Text>,
    /// What a revision has to state (`change`): `relation-or-law` or `law`.
    pub requires: Option<Text>,
}

/// `[[opt-out]]`: what a person may opt out of.
#[derive(Clone)]
pub struct OptOut {
    /// Its id in registers.
    pub id: Text,
    /// The clauses.
    pub clauses: Vec<Text>,
    /// The recipient it stops.
    pub recipient: Option<Text>,
    /// The purpose it stops.
    pub purpose: Option<Text>,
}

/// `[dataset.x]`: what a certified route may hold, at most.
#[derive(Clone)]
pub struct Items {
    /// `anonymised`.
    pub id: Text,
    /// The clauses that publish the items.
    pub clauses: Vec<Text>,
    /// The view that lists them.
    pub view: Text,
}

/// The conditions that a policy may have; `default` `provision` `specific` `contact` it must have.
pub const CONDITIONS: [&str; 15] = [
    "default",
    "class",
    "role",
    "provision",
    "overseas",
    "restriction",
    "identity",
    "specific",
    "training",
    "block",
    "source",
    "notify",
    "contact",
    "change",
    "in-force",
];

/// A policy document as written.
#[derive(Clone)]
pub struct Document {
    /// The text.
    pub source: Source,
    /// Whether it is TOML at all; if not, nothing else here means anything.
    pub is_toml: bool,
    /// `[policy]`.
    pub meta: Meta,
    /// The clauses, in order.
    pub clauses: Vec<Clause>,
    /// The purposes, in order.
    pub purposes: Vec<Purpose>,
    /// The recipients besides those that every policy has.
    pub recipients: Vec<Recipient>,
    /// The roles.
    pub roles: Vec<Role>,
    /// The views.
    pub views: Vec<View>,
    /// The permits.
    pub permits: Vec<Permit>,
    /// The forbids.
    pub forbids: Vec<Forbid>,
    /// What may not leave side by side.
    pub aparts: Vec<Apart>,
    /// The assertions.
    pub asserts: Vec<Assert>,
    /// `[exception]`: basis → clauses.
    pub exception: Vec<(Text, Vec<Text>)>,
    /// `[request]`: principal's request → clauses.
    pub request: Vec<(Text, Vec<Text>)>,
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// What a person may opt out of.
    pub opt_outs: Vec<OptOut>,
    /// Published items of certified datasets.
    pub datasets: Vec<Items>,
}
