//! What happens at each place of the document, for this release? A field tree joined with a decision.
//!
//! [`Plan::join`] turns each [`Node`] into a place with an act. Meanings are handed down to what a node does not name;
//! where nothing is handed down, what is not named is unclassified. `Open` is handed down to elements and to named members
//! only. Joined once per layout and release and shared.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::catalogue::categories_of;
use crate::catalogue::dicomweb::{Room, Vr};
use crate::catalogue::fields::{self, Generaliser, Meaning, Node};
use crate::policy::{Categories, Category, Form, Release};

use super::names::Names;
use super::pseudonym::Pseudonymiser;
use super::spec::{Spec, Step, Types};
use super::tally::Occurred;

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

/// A place of the document.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) meaning: Option<Meaning>,
    pub(super) act: Act,
    pub(super) generaliser: Option<Generaliser>,
    pub(super) reference: bool,
    pub(super) as_string: bool,
    pub(super) required: bool,
    pub(super) resource: bool,
    /// A string that leaves in clear is looked at for an Individual Number.
    pub(super) watched: bool,
    /// An object or array here is treated in one piece if no string in it may be one.
    pub(super) whole_unless_number: bool,
    /// The member beside it that names the identifier's system.
    pub(super) system: Option<Box<str>>,
    /// Some member named here has a system beside it.
    pub(super) systems: bool,
    /// DICOM: of what kind a value here is.
    pub(super) vr: Option<Vr>,
    /// An object or array here is treated in one piece: nothing inside it is treated otherwise, or nothing that is
    /// would be released.
    pub(super) whole: bool,
    members: Names,
    any: Option<u32>,
    /// What holds for a member that is not named.
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
    pub(super) root: u32,
    /// Names that begin with `_` are shadows of primitive elements.
    pub(super) fhir: bool,
    /// A resource of this type is labelled as cut.
    pub(super) label: bool,
    /// What free text in it counts as: all that the route can carry, and a resource type all that it can.
    pub(super) all: Categories,
    /// DICOM: members are named by their tags.
    pub(super) tags: bool,
}

/// A place of no meaning that names nothing.
static EMPTY: Place = Place {
    meaning: None,
    act: Act::Walk,
    generaliser: None,
    reference: false,
    as_string: false,
    required: false,
    resource: false,
    watched: false,
    whole_unless_number: false,
    system: None,
    systems: false,
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
        let inherit = if self.meaning == Some(Meaning::Open) { None } else { self.inherit };
        self.members.get(name).or(self.any).or(inherit)
    }

    /// Whether a member of this name is named, by itself or by `*`.
    pub(super) fn names(&self, name: &[u8]) -> bool {
        self.any.is_some() || self.members.get(name).is_some()
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

    /// The place of this number; one that names nothing if there is none.
    pub(super) fn place(&self, id: Option<u32>) -> &Place {
        id.and_then(|id| self.places.get(usize::try_from(id).ok()?)).unwrap_or(&EMPTY)
    }
}

/// What happens at each place, for one release. Shared between entries and requests.
pub struct Plan {
    pub(super) root: Arc<Tree>,
    pub(super) terms: Terms,
    judged: bool,
    types: Arc<Types>,
    trees: Arc<Trees>,
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
        Plan { root, terms, judged, types: Arc::clone(&spec.types), trees }
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

/// What a node hands down.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Handed {
    meaning: Meaning,
    generaliser: Option<Generaliser>,
    reference: bool,
    as_string: bool,
    fixed_format: bool,
    vr: Option<Vr>,
}

impl Handed {
    /// A meaning alone, of a fixed format.
    const fn plain(meaning: Meaning) -> Handed {
        Handed { meaning, generaliser: None, reference: false, as_string: false, fixed_format: true, vr: None }
    }
}

struct Join<'a> {
    terms: &'a Terms,
    judged: bool,
    fhir: bool,
    all: Categories,
    places: Vec<Place>,
    /// A node shared by several parents is joined once for each meaning handed to it.
    seen: HashMap<(*const Node, Option<Handed>), (u32, Act)>,
    /// The place of what never leaves, once there is one.
    never: Option<u32>,
    cut: bool,
    tags: bool,
}

impl<'a> Join<'a> {
    fn new(terms: &'a Terms, judged: bool, fhir: bool) -> Join<'a> {
        Join {
            terms,
            judged,
            fhir,
            all: terms.all,
            places: Vec::new(),
            seen: HashMap::new(),
            never: None,
            cut: false,
            tags: false,
        }
    }

    fn tree(mut self, node: &Arc<Node>, resource: bool) -> Tree {
        if resource {
            self.all = self.all.or(categories_of(node, Categories::NONE));
        }
        let (root, _) = self.node(node, None);
        if resource {
            self.name_resource_type(root);
        }
        let (label, tags) = (resource && self.cut, self.tags);
        Tree { places: self.places, root, fhir: self.fhir, label, all: self.all, tags }
    }

    /// A resource was dispatched on its type, which its own tree need not name to keep.
    fn name_resource_type(&mut self, root: u32) {
        const NAME: &[u8] = b"resourceType";
        let open = Handed::plain(Meaning::Open);
        let id = self.leaf(open);
        if let Some(place) = usize::try_from(root).ok().and_then(|root| self.places.get_mut(root))
            && place.members.get(NAME).is_none()
        {
            place.members.add(NAME, id);
            place.whole = false;
        }
    }

    fn act(&self, meaning: Meaning) -> Act {
        match meaning {
            Meaning::Category(category) => match self.terms.release.form(category) {
                Form::Withheld => Act::Withhold,
                Form::Masked => Act::Mask,
                Form::Generalised => Act::Generalise,
                Form::Pseudonymised => Act::Pseudonymise,
                Form::Clear => Act::Clear,
            },
            Meaning::Everything if self.all_clear() => Act::Clear,
            Meaning::Count if !self.judged => Act::Clear,
            Meaning::Everything | Meaning::Count | Meaning::Never => Act::Withhold,
            Meaning::Open => Act::Clear,
            Meaning::Link => Act::Link,
        }
    }

    fn all_clear(&self) -> bool {
        let all = self.all;
        !all.is_empty() && self.terms.release.having(Form::Clear, all) == all
    }

    /// References in clear are looked at one by one: a URL among them may lead past the gate.
    fn may_lead_past(&self, reference: bool) -> bool {
        reference && self.terms.links.is_some()
    }

    /// Whether strings that leave in clear are looked at for Individual Numbers.
    fn watched(&self, handed: Handed) -> bool {
        let own = self.terms.individual_number.is_some_and(|number| handed.meaning == Meaning::Category(number));
        let exempt = handed.fixed_format || handed.reference || own;
        self.terms.individual_number.is_some() && !exempt && self.act(handed.meaning) == Act::Clear
    }

    fn push(&mut self, place: Place) -> u32 {
        let id = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(place);
        id
    }

    fn leaf(&mut self, handed: Handed) -> u32 {
        let act = self.act(handed.meaning);
        let Handed { meaning, generaliser, reference, as_string, fixed_format: _, vr } = handed;
        let watched = self.watched(handed);
        let copied = act == Act::Clear && meaning != Meaning::Open && !self.may_lead_past(reference);
        let whole = match act {
            Act::Clear => copied && !watched,
            Act::Withhold => true,
            // Of a DICOM value each element is masked, so that it stays a list of its kind.
            Act::Mask => vr.is_none(),
            Act::Walk | Act::Generalise | Act::Pseudonymise | Act::Link => false,
        };
        let id = self.push(Place {
            meaning: Some(meaning),
            act,
            generaliser,
            reference,
            as_string,
            watched,
            whole_unless_number: copied,
            vr,
            whole,
            inherit: None,
            ..EMPTY.clone()
        });
        self.set_inherit(id, id);
        id
    }

    fn never(&mut self) -> u32 {
        let made = self.never.unwrap_or_else(|| self.leaf(Handed::plain(Meaning::Never)));
        self.never = Some(made);
        made
    }

    fn set_inherit(&mut self, id: u32, inherit: u32) {
        if let Some(place) = usize::try_from(id).ok().and_then(|id| self.places.get_mut(id)) {
            place.inherit = Some(inherit);
        }
    }

    /// The place of `node` and the most revealing act at or below it.
    fn node(&mut self, node: &Arc<Node>, from_above: Option<Handed>) -> (u32, Act) {
        // What says for itself what it is takes nothing from above, wherever it stands.
        let from_above = from_above.filter(|_| node.meaning.is_none());
        let memo = (Arc::as_ptr(node), from_above);
        if let Some(seen) = self.seen.get(&memo) {
            return *seen;
        }
        let handed = hand_down(node, from_above);
        let act = handed.map_or(Act::Walk, |handed| self.act(handed.meaning));
        self.tags |= node.attribute;
        let act = if node.attribute { act_on_attribute(act, handed) } else { act };
        if act < Act::Clear && matches!(node.meaning, Some(Meaning::Category(_) | Meaning::Everything)) {
            self.cut = true;
        }
        // Whatever type lies inside: cut unless the route's every category is clear.
        self.cut |= node.resource && !self.all_clear();

        let inherit = handed.map(|handed| self.leaf(handed));
        let mut below = if node.resource { Act::Clear } else { Act::Walk };
        let mut members = Names::with_capacity(node.members.len());
        for (name, child) in &node.members {
            // Beside a value that is not clear there stands nothing that leads to it.
            let stays = !node.attribute || act >= Act::Link || matches!(&**name, "vr" | "Value");
            let (id, most) = if stays { self.node(child, handed) } else { (self.never(), Act::Withhold) };
            below = below.max(most);
            members.add(name.as_bytes(), id);
        }
        let any = node.any.as_ref().map(|child| {
            let (id, most) = self.node(child, handed);
            below = below.max(most);
            id
        });
        let (by, most) = self.by(node, from_above);
        let leaf = node.members.is_empty() && any.is_none() && !node.resource;
        let watched = handed.is_some_and(|handed| self.watched(handed));
        let same_bytes = |h: Handed| h.meaning != Meaning::Open && !self.may_lead_past(h.reference);
        let copied = act == Act::Clear && leaf && handed.is_some_and(same_bytes);
        let whole = match act {
            Act::Clear => copied && !watched,
            Act::Withhold => node.attribute || below <= act,
            Act::Mask => handed.is_none_or(|h| h.vr.is_none()) && below <= act,
            Act::Walk | Act::Generalise | Act::Pseudonymise | Act::Link => false,
        };
        let id = self.push(Place {
            meaning: handed.map(|handed| handed.meaning),
            act,
            generaliser: handed.map_or(node.generaliser, |handed| handed.generaliser),
            reference: handed.is_some_and(|handed| handed.reference),
            as_string: handed.is_some_and(|handed| handed.as_string),
            required: node.required,
            resource: node.resource,
            watched,
            whole_unless_number: copied,
            system: node.system.clone(),
            systems: node.members.values().chain(&node.any).any(|child| child.system.is_some()),
            vr: handed.and_then(|handed| handed.vr),
            whole,
            members,
            any,
            inherit,
            by,
        });
        let revealed = below.max(act).max(most);
        self.seen.insert(memo, (id, revealed));
        (id, revealed)
    }

    /// The places of the cases, each in this node's stead, and the most revealing act in them.
    fn by(&mut self, node: &Node, from_above: Option<Handed>) -> (Option<Box<By>>, Act) {
        let Some(by) = &node.by else { return (None, Act::Walk) };
        let mut most = Act::Walk;
        let places = by.nodes().map(|case| {
            let (id, revealed) = self.node(case, from_above);
            most = most.max(revealed);
            id
        });
        let places = places.collect();
        (Some(Box::new(By { told: by.clone(), places })), most)
    }
}

/// What holds at `node` and below it: its own meaning, else the one from above.
fn hand_down(node: &Node, from_above: Option<Handed>) -> Option<Handed> {
    let own = Handed {
        meaning: node.meaning.or(from_above.map(|above| above.meaning))?,
        generaliser: node.generaliser,
        reference: node.reference,
        as_string: node.as_string,
        fixed_format: node.fixed_format,
        vr: node.vr,
    };
    match (node.meaning, from_above) {
        (None, Some(above)) => Some(Handed {
            generaliser: own.generaliser.or(above.generaliser),
            reference: own.reference || above.reference,
            as_string: own.as_string || above.as_string,
            fixed_format: own.fixed_format || above.fixed_format,
            vr: own.vr.or(above.vr),
            ..own
        }),
        _ => Some(own),
    }
}

/// What can be done to a DICOM attribute: a form that its kind of value cannot take withholds it. Of a sequence the items
/// are judged one by one, unless nobody may know that it is there.
fn act_on_attribute(act: Act, handed: Option<Handed>) -> Act {
    let (vr, generaliser) = handed.map_or((None, None), |handed| (handed.vr, handed.generaliser));
    let Some(vr) = vr else { return Act::Withhold };
    match act {
        Act::Mask if vr == Vr::Sq => Act::Withhold,
        Act::Generalise if vr != Vr::Sq && (generaliser.is_none() || !vr.can_be_coarser()) => Act::Withhold,
        Act::Pseudonymise if vr != Vr::Sq && vr.room() == Room::None => Act::Withhold,
        act => act,
    }
}
