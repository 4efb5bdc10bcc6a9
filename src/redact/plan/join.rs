//! A field tree joined with what a decision grants.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::names::Names;
use super::{Act, By, EMPTY, Has, Place, Quick, Takes, Terms, Tree};
use crate::catalogue::categories_of;
use crate::catalogue::dicomweb::{Room, Vr};
use crate::catalogue::fields::{Covers, Generaliser, Meaning, Node};
use crate::policy::{Categories, Category, Form};

/// What a node hands down.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Handed {
    meaning: Meaning,
    generaliser: Option<Generaliser>,
    reference: bool,
    as_string: bool,
    fixed_format: bool,
    vr: Option<Vr>,
    /// How far it reaches.
    covers: Covers,
}

impl Handed {
    /// A meaning alone, of a fixed format.
    const fn plain(meaning: Meaning) -> Handed {
        let (generaliser, vr, covers) = (None, None, Covers::Value);
        Handed { meaning, generaliser, reference: false, as_string: false, fixed_format: true, vr, covers }
    }
}

pub(super) struct Join<'a> {
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
    pub(super) fn new(terms: &'a Terms, judged: bool, fhir: bool) -> Join<'a> {
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

    pub(super) fn tree(mut self, node: &Arc<Node>, resource: bool) -> Tree {
        if resource {
            self.all = self.all.or(categories_of(node, Categories::NONE));
        }
        let (root, _) = self.node(node, None);
        if resource {
            self.name_resource_type(root);
        }
        let (label, tags) = (resource && self.cut, self.tags);
        let links = self.terms.links.is_some();
        let quick = self.places.iter().map(|place| Quick::of(place, links)).collect();
        Tree { places: self.places, quick, root, fhir: self.fhir, label, all: self.all, tags, stranger: false }
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
    fn watched(&self, handed: Handed, in_a_system: bool) -> bool {
        let own = self.terms.individual_number.is_some_and(|number| handed.meaning == Meaning::Category(number));
        let exempt = handed.fixed_format || (handed.reference && !in_a_system) || own;
        self.terms.individual_number.is_some() && !exempt && self.act(handed.meaning) == Act::Clear
    }

    fn push(&mut self, place: Place) -> u32 {
        let id = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(place);
        id
    }

    fn leaf(&mut self, handed: Handed) -> u32 {
        let act = self.act(handed.meaning);
        let Handed { meaning, generaliser, reference, as_string, fixed_format: _, vr, covers } = handed;
        let watched = self.watched(handed, false);
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
            takes: Takes::of(covers == Covers::Deep, covers != Covers::Value),
            deep: covers == Covers::Deep,
            generaliser,
            reference,
            as_string,
            watched,
            whole_unless_number: copied,
            clear_throughout: copied,
            vr,
            whole,
            inherit: None,
            ..EMPTY.clone()
        });
        if covers != Covers::Value {
            self.set_inherit(id, id);
        }
        id
    }

    fn clear_throughout(&self, id: u32) -> bool {
        usize::try_from(id).ok().and_then(|id| self.places.get(id)).is_some_and(|place| place.clear_throughout)
    }

    fn never(&mut self) -> u32 {
        let never = Handed { covers: Covers::Deep, ..Handed::plain(Meaning::Never) };
        let made = self.never.unwrap_or_else(|| self.leaf(never));
        self.never = Some(made);
        made
    }

    fn set_inherit(&mut self, id: u32, inherit: u32) {
        if let Some(place) = usize::try_from(id).ok().and_then(|id| self.places.get_mut(id)) {
            place.inherit = Some(inherit);
        }
    }

    /// Whether it may be told that there is something of this category, by an id that leads to it.
    fn may_be_seen(&self, category: Category) -> bool {
        matches!(self.terms.release.form(category), Form::Clear | Form::Pseudonymised)
    }

    /// The place of what goes whole because this may not be seen.
    fn withheld_with(&mut self, category: Category, node: &Node) -> u32 {
        self.cut = true;
        self.push(Place {
            meaning: Some(Meaning::Category(category)),
            act: Act::Withhold,
            takes: Takes::of(true, true),
            deep: true,
            whole: true,
            required: node.required,
            has: Has::of(node),
            ..EMPTY.clone()
        })
    }

    /// The place of `node` and the most revealing act at or below it.
    fn node(&mut self, node: &Arc<Node>, from_above: Option<Handed>) -> (u32, Act) {
        // What says for itself what it is takes nothing from above, wherever it stands; its cases may.
        let from_above = from_above.filter(|_| node.meaning.is_none() || node.by.is_some());
        let memo = (Arc::as_ptr(node), from_above);
        if let Some(seen) = self.seen.get(&memo) {
            return *seen;
        }
        if let Some(besides) = node.besides.filter(|besides| !self.may_be_seen(*besides)) {
            let place = self.withheld_with(besides, node);
            self.seen.insert(memo, (place, Act::Withhold));
            return (place, Act::Withhold);
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

        let covers = covers_at(node, from_above);
        let deep = covers == Covers::Deep;
        let inherit = handed.filter(|_| covers != Covers::Value).map(|handed| self.leaf(handed));
        let takes = Takes::of(node.takes_object(deep), node.takes_array(deep));
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
        let watched = handed.is_some_and(|handed| self.watched(handed, node.system.is_some()));
        let same_bytes = |h: Handed| h.meaning != Meaning::Open && !self.may_lead_past(h.reference);
        let copied = act == Act::Clear && leaf && handed.is_some_and(same_bytes);
        let whole = match act {
            Act::Clear => copied && !watched,
            Act::Withhold => node.attribute || below <= act,
            Act::Mask => handed.is_none_or(|h| h.vr.is_none()) && below <= act,
            Act::Walk | Act::Generalise | Act::Pseudonymise | Act::Link => false,
        };
        let plain = members.is_empty() && by.is_none() && !node.resource;
        let id = self.push(Place {
            clear_throughout: copied || (plain && any.is_some_and(|any| self.clear_throughout(any))),
            meaning: handed.map(|handed| handed.meaning),
            act,
            takes,
            deep,
            generaliser: handed.map_or(node.generaliser, |handed| handed.generaliser),
            reference: handed.is_some_and(|handed| handed.reference),
            as_string: handed.is_some_and(|handed| handed.as_string),
            required: node.required,
            has: Has::of(node),
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
        covers: covers_at(node, from_above),
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

fn covers_at(node: &Node, from_above: Option<Handed>) -> Covers {
    let deep = from_above.is_some_and(|above| above.covers == Covers::Deep);
    if node.reaches(deep) { Covers::Deep } else { node.covers }
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
