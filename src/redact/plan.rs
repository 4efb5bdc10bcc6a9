//! What happens at each place of the document, for this release? A field tree joined with a decision.
//!
//! [`Plan::join`] turns each [`Node`] into a place with an act. Meanings are handed down to named nodes that have none, and
//! to what a node does not name as far as it covers that; all else is unclassified, and so is a container where none may
//! stand ([`Takes`]). `Open` is handed down to elements and to named members only. Joined once per layout and release and
//! shared.

mod join;
mod quick;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::catalogue::dicomweb::Vr;
use crate::catalogue::fields::{self, Generaliser, Meaning, Node};
use crate::policy::{Categories, Category, Form, Release};

use super::names::Names;
use super::pseudonym::Pseudonymiser;
use super::scan::Kind;
use super::spec::{Spec, Step, Types};
use super::tally::Occurred;
use join::Join;
pub(super) use quick::{Leaf, Quick, Room};

/// Rewrites URLs into the API so that they lead through the gate.
pub trait LinkRewriter: Send + Sync {
    /// The URL to release in place of `url`; `None`: it is withheld.
    fn rewrite(&self, url: &str) -> Option<String>;

    /// Whether an absolute `url` leads to the API behind the gate, past it.
    fn leads_past(&self, url: &str) -> bool;
}

/// What a decision grants, for [`Plan::join`].
#[derive(Clone)]
pub struct Terms {
    /// The form of each category.
    pub release: Release,
    /// Every category that the route can carry: what "everything" means.
    pub all: Categories,
    /// Makes pseudonyms; `None`: what would be pseudonymised is withheld.
    pub pseudonymiser: Option<Arc<dyn Pseudonymiser>>,
    /// Rewrites links; `None`: links are withheld.
    pub links: Option<Arc<dyn LinkRewriter>>,
    /// The category of Individual Numbers: a string that would leave in clear and is one is withheld and counted as that.
    /// `None`: none is looked for.
    pub individual_number: Option<Category>,
}

/// What happens to a value. Later in this order reveals more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// Nothing says what this is: a container is walked, a scalar is unclassified.
    Walk,
    Withhold,
    Mask,
    Generalise,
    Pseudonymise,
    Link,
    Clear,
}

/// Which containers may stand at a place: a set of bits, compared once where one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Takes(u8);

impl Takes {
    const NONE: Takes = Takes(0);

    const fn of(objects: bool, arrays: bool) -> Takes {
        let object = if objects { Takes::bit(Kind::Object) } else { 0 };
        let array = if arrays { Takes::bit(Kind::Array) } else { 0 };
        Takes(object | array)
    }

    const fn bit(kind: Kind) -> u8 {
        match kind {
            Kind::Object => 1,
            Kind::Array => 2,
        }
    }

    /// Whether one of this kind may.
    pub(super) const fn holds(self, kind: Kind) -> bool {
        self.0 & Takes::bit(kind) != 0
    }
}

/// What the layout has at a place, whatever of it the plan goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Has {
    Value,
    Members,
    Values,
    /// Elements that have members.
    Elements,
}

impl Has {
    pub(super) fn of(node: &Node) -> Has {
        let has_members = |node: &Node| node.resource || !node.members.is_empty();
        match &node.any {
            _ if has_members(node) => Has::Members,
            None => Has::Value,
            Some(element) if has_members(element) => Has::Elements,
            Some(_) => Has::Values,
        }
    }
}

/// A place of the document.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) meaning: Option<Meaning>,
    pub(super) act: Act,
    pub(super) takes: Takes,
    /// What is meant here is meant of all beneath, named or not. Otherwise a list leaves in one piece only if nothing but
    /// scalars is in it.
    pub(super) deep: bool,
    pub(super) generaliser: Option<Generaliser>,
    pub(super) reference: bool,
    pub(super) as_string: bool,
    pub(super) required: bool,
    pub(super) has: Has,
    pub(super) resource: bool,
    /// A string that leaves in clear is looked at for an Individual Number.
    pub(super) watched: bool,
    /// An object or array here is treated in one piece if no string in it may be one.
    pub(super) whole_unless_number: bool,
    /// The member beside it that names the identifier's system.
    pub(super) system: Option<Box<str>>,
    /// Some member named here has a system beside it.
    pub(super) systems: bool,
    /// Whatever an object or array here held, all of it would leave in clear.
    pub(super) clear_throughout: bool,
    /// DICOM: of what kind a value here is.
    pub(super) vr: Option<Vr>,
    /// An object or array here is treated in one piece: nothing inside it is treated otherwise, or nothing that is
    /// would be released.
    pub(super) whole: bool,
    members: Names,
    any: Option<u32>,
    /// What holds for an element that is not named, and for such a member where all beneath is covered.
    inherit: Option<u32>,
    /// An object here is what a member of its own says it is.
    pub(super) by: Option<Box<By>>,
}

/// Which place holds for an object, by the value of one of its members.
#[derive(Clone, Debug)]
pub(super) struct By {
    told: fields::By,
    /// A place for each case, in the cases' order.
    places: Box<[u32]>,
}

impl By {
    /// The member whose value tells.
    pub(super) fn member(&self) -> &str {
        self.told.member()
    }

    /// The place for this value; `None`: the one that asks.
    pub(super) fn case(&self, value: &str) -> Option<u32> {
        self.places.get(self.told.number(value)?).copied()
    }
}

/// The places of one document or resource type.
pub(super) struct Tree {
    places: Vec<Place>,
    /// The same places, each in one word.
    quick: Vec<Quick>,
    pub(super) root: u32,
    /// Names that begin with `_` are shadows of primitive elements.
    pub(super) fhir: bool,
    /// A resource of this type is labelled as cut.
    pub(super) label: bool,
    /// What free text in it counts as: all that the route can carry, and a resource type all that it can.
    pub(super) all: Categories,
    /// DICOM: members are named by their tags.
    pub(super) tags: bool,
    /// Of a person who lies in another's record: no resource in it leaves.
    pub(super) stranger: bool,
}

/// A place of no meaning that names nothing.
static EMPTY: Place = Place {
    meaning: None,
    act: Act::Walk,
    takes: Takes::NONE,
    deep: false,
    generaliser: None,
    reference: false,
    as_string: false,
    required: false,
    has: Has::Value,
    resource: false,
    watched: false,
    whole_unless_number: false,
    system: None,
    systems: false,
    clear_throughout: false,
    vr: None,
    whole: false,
    members: Names::NONE,
    any: None,
    inherit: None,
    by: None,
};

impl Place {
    /// What holds for the member of this name. That a value is nobody's data says nothing of members that it turns out
    /// to have: one that is not named is unclassified.
    pub(super) fn member(&self, name: &[u8]) -> Option<u32> {
        let inherit = if self.deep && self.meaning != Some(Meaning::Open) { self.inherit } else { None };
        self.members.get(name).or(self.any).or(inherit)
    }

    /// Whether a member of this name is named, by itself or by `*`.
    pub(super) fn names(&self, name: &[u8]) -> bool {
        self.any.is_some() || self.spells(name)
    }

    /// Whether a member is named by this very name.
    pub(super) fn spells(&self, name: &[u8]) -> bool {
        self.members.get(name).is_some()
    }

    /// What holds for a member that is named here by the name that stands at this place of these bytes.
    #[inline]
    pub(super) fn named_at(&self, bytes: &[u8], at: Range<usize>) -> Option<u32> {
        self.members.get_at(bytes, at)
    }

    /// What holds for an element.
    pub(super) fn element(&self) -> Option<u32> {
        self.any.or(self.inherit)
    }
}

impl Tree {
    /// The members that name systems of identifiers, of an object at this place.
    pub(super) fn systems(&self, id: Option<u32>) -> impl Iterator<Item = &str> {
        let place = self.place(id);
        let members = place.members.places().chain(place.any);
        members.filter_map(|id| self.place(Some(id)).system.as_deref())
    }

    /// What the place of this number says in one word.
    #[inline]
    pub(super) fn quick(&self, id: u32) -> Quick {
        usize::try_from(id).ok().and_then(|id| self.quick.get(id)).copied().unwrap_or(Quick::ASK)
    }

    /// The place of this number; one that names nothing if there is none.
    #[inline]
    pub(super) fn place(&self, id: Option<u32>) -> &Place {
        id.and_then(|id| self.places.get(usize::try_from(id).ok()?)).unwrap_or(&EMPTY)
    }
}

/// What happens at each place, for one release. Shared between entries and requests.
pub struct Plan {
    pub(super) root: Arc<Tree>,
    pub(super) terms: Terms,
    judged: bool,
    pub(super) types: Arc<Types>,
    trees: Arc<Trees>,
    /// Of types whose records are persons themselves: by these trees one leaves that lies in another record.
    strangers: OnceLock<Trees>,
    /// Of a record of which categories it may be told that it is there.
    pub(super) told: Categories,
}

/// The trees of resource types, each joined at its first use. Plans of the same [`Likeness`] and the same types share them: they
/// differ in whose pseudonyms they make, not in what happens where.
pub struct Trees {
    joined: Vec<OnceLock<Arc<Tree>>>,
    /// Which of them is whose.
    numbers: Names,
}

impl Trees {
    /// Of these types, none joined yet.
    pub fn of(types: &Types) -> Trees {
        let mut numbers = Names::with_capacity(types.0.len());
        types.0.keys().zip(0u32..).for_each(|(name, number)| numbers.add(name.as_bytes(), number));
        Trees { joined: types.0.keys().map(|_| OnceLock::new()).collect(), numbers }
    }

    fn get(&self, resource_type: &str) -> Option<&OnceLock<Arc<Tree>>> {
        self.joined.get(usize::try_from(self.numbers.get(resource_type.as_bytes())?).ok()?)
    }
}

/// All that a type's tree depends on besides the type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Likeness {
    release: Release,
    all: Categories,
    links: bool,
    judged: bool,
    individual_number: Option<Category>,
}

impl Likeness {
    /// Of a plan for this layout and these terms.
    pub fn of(spec: &Spec, terms: &Terms) -> Likeness {
        let Terms { release, all, pseudonymiser: _, links, individual_number } = terms;
        Likeness {
            release: *release,
            all: *all,
            links: links.is_some(),
            judged: spec.judges_entries(),
            individual_number: *individual_number,
        }
    }
}

impl Plan {
    /// Joins the layout's tree with what a decision grants.
    pub fn join(spec: &Spec, terms: Terms) -> Plan {
        Plan::join_beside(spec, terms, Arc::new(Trees::of(&spec.types)))
    }

    /// The same, with the trees of a plan of the same [`Likeness`] for the same types.
    pub fn join_beside(spec: &Spec, terms: Terms, trees: Arc<Trees>) -> Plan {
        let judged = spec.judges_entries();
        let root = Arc::new(Join::new(&terms, judged, spec.fhir()).tree(&spec.root, false));
        let told = terms.release.having(Form::Clear, Categories::ALL);
        Plan { root, terms, judged, types: Arc::clone(&spec.types), trees, strangers: OnceLock::new(), told }
    }

    /// The same, and what lies inside a record may tell of itself by its type not only where that is released in clear but of
    /// these categories too: of more than were asked for. What is in it leaves as the release says.
    #[must_use]
    pub fn telling(self, told: Categories) -> Plan {
        Plan { told: self.told.or(told), ..self }
    }

    /// The tree of a resource type; joined at its first use.
    pub(super) fn resource(&self, resource_type: &str) -> Option<&Arc<Tree>> {
        let joined = self.trees.get(resource_type)?;
        match joined.get() {
            Some(tree) => Some(tree),
            None => {
                let known = self.types.get(resource_type)?;
                let join = || Arc::new(Join::new(&self.terms, self.judged, true).tree(&known.node, true));
                Some(joined.get_or_init(join))
            }
        }
    }

    /// The tree of a resource type inside another resource. Of a person in there nobody knows who he is: of him nothing of any
    /// category leaves.
    pub(super) fn contained(&self, resource_type: &str) -> Option<&Arc<Tree>> {
        let known = self.types.get(resource_type)?;
        if !known.node.themselves {
            return self.resource(resource_type);
        }
        let trees = self.strangers.get_or_init(|| Trees::of(&self.types));
        let join = || {
            let terms = Terms { release: Release::NOTHING, ..self.terms.clone() };
            let tree = Join::new(&terms, true, true).tree(&known.node, true);
            Arc::new(Tree { stranger: true, ..tree })
        };
        trees.get(resource_type).map(|joined| joined.get_or_init(join))
    }

    /// The place that these steps lead to from the root.
    pub(super) fn at(&self, steps: &[Step]) -> Option<u32> {
        steps.iter().try_fold(self.root.root, |id, step| {
            let place = self.root.place(Some(id));
            match step {
                Step::Any => place.element(),
                Step::Name(name) => place.member(name.as_bytes()),
            }
        })
    }

    /// All that may occur by this plan.
    pub(super) fn may_occur(&self) -> Occurred {
        let mut occurred = Occurred::default();
        for form in Form::ALL {
            occurred.add(self.terms.release.having(form, self.terms.all), form);
        }
        occurred
    }
}
