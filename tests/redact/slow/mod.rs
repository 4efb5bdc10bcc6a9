//! A slow, obvious redactor over a parsed tree, to compare the streaming one with: what leaves of a value, by a field tree
//! and a release. `json` reads and prints, `body` knows lists, lines, Bundles and whom an entry is about, `conform`
//! looks at output alone.
//!
//! It shares no code with the product but the types of its arguments. What a single value becomes (a date made coarser, a
//! pseudonym) is asked of the caller: see [`Slow::form`].

pub(crate) mod body;
pub(crate) mod conform;
pub(crate) mod json;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use sekisho::catalogue::fields::{By, Covers, Generaliser, Meaning, Node};
use sekisho::policy::{Categories, Category, Form, Release};
use sekisho::redact::Types;

use body::{Subject, subject_of};
use json::{Json, Spelt};

/// What the product writes into a labelled resource, and in place of what must be there.
pub(crate) const SECURITY: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}"#;
pub(crate) const TAG: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;
pub(crate) const MASK: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"MASKED"}"#;
pub(crate) const PSEUDO: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"PSEUDED"}"#;
pub(crate) const ABSENT: &str =
    r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;

/// What happens to a value; what is further down reveals more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Walk,
    Withhold,
    Mask,
    Coarse,
    Pseudonym,
    Link,
    Clear,
}

/// What was handed down to a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) meaning: Meaning,
    pub(crate) generaliser: Option<Generaliser>,
    pub(crate) reference: bool,
    pub(crate) as_string: bool,
    pub(crate) fixed_format: bool,
    /// How far it reaches.
    pub(crate) covers: Covers,
}

/// What holds at a place: its node, and what was handed down to it.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) node: Option<&'a Node>,
    pub(crate) above: Option<Held>,
}

impl<'a> At<'a> {
    pub(crate) fn root(node: &'a Node) -> At<'a> {
        At { node: Some(node), above: None }
    }

    pub(crate) fn held(&self) -> Option<Held> {
        let Some(node) = self.node else { return self.above };
        let own = |meaning| Held {
            meaning,
            generaliser: node.generaliser,
            reference: node.reference,
            as_string: node.as_string,
            fixed_format: node.fixed_format,
            covers: node.covers,
        };
        match (node.meaning, self.above) {
            (Some(meaning), _) => Some(own(meaning)),
            (None, Some(above)) => Some(Held {
                meaning: above.meaning,
                generaliser: node.generaliser.or(above.generaliser),
                reference: node.reference || above.reference,
                as_string: node.as_string || above.as_string,
                fixed_format: node.fixed_format || above.fixed_format,
                covers: if above.covers == Covers::Deep { Covers::Deep } else { node.covers },
            }),
            (None, None) => None,
        }
    }

    /// `None`: an element.
    pub(crate) fn child(&self, name: Option<&str>) -> Option<At<'a>> {
        let found = self.node.and_then(|node| name.and_then(|n| node.members.get(n)).or(node.any.as_ref()));
        match found {
            Some(node) => Some(At { node: Some(node), above: self.held() }),
            // Members that nobody foresaw are what the whole is, where all of it was meant; but nobody's data is not so with
            // them. Elements are what the value is that may be a list.
            None => {
                let covered = |held: &Held| match name {
                    Some(_) => held.covers == Covers::Deep && held.meaning != Meaning::Open,
                    None => held.covers != Covers::Value,
                };
                self.held().filter(covered).map(|held| At { node: None, above: Some(held) })
            }
        }
    }

    /// Whether a value of this kind is what the catalogue has here, in whatever meaning. A scalar always is.
    pub(crate) fn fits(&self, value: &Json) -> bool {
        let above = self.above.map_or(Covers::Value, |above| above.covers);
        let Some(node) = self.node else {
            return match value {
                Json::Word(_) | Json::Text(_) => true,
                Json::List(_) => above != Covers::Value,
                Json::Map(_) => above == Covers::Deep,
            };
        };
        let deep = node.covers == Covers::Deep || (above == Covers::Deep && node.meaning.is_none());
        match value {
            Json::Word(_) | Json::Text(_) => true,
            Json::List(_) => deep || node.covers == Covers::Elements || node.any.is_some() || node.resource,
            Json::Map(_) => deep || !node.members.is_empty() || (node.any.is_some() && !node.list) || node.resource,
        }
    }

    pub(crate) fn foresees(&self, name: &str) -> bool {
        self.node.is_some_and(|node| node.any.is_some() || node.members.contains_key(name))
    }

    fn is_resource(&self) -> bool {
        self.node.is_some_and(|node| node.resource)
    }

    fn is_required(&self) -> bool {
        self.node.is_some_and(|node| node.required && !node.resource)
    }

    /// What the record says of the system that the identifier here is one of.
    fn system(&self, beside: &[(Spelt, Json)]) -> Option<String> {
        let name = self.node?.system.as_deref()?;
        match &beside.iter().find(|(known, _)| known.as_str() == name)?.1 {
            Json::Text(said) if !said.trim().is_empty() => Some(said.as_str().to_owned()),
            _ => None,
        }
    }
}

/// A single value that is to be treated.
pub(crate) struct Value<'a> {
    /// A word or a text.
    pub(crate) json: &'a Json,
    pub(crate) held: Held,
    /// The catalogue names a member that says the identifier's system; and what it says.
    pub(crate) in_a_system: bool,
    pub(crate) system: Option<String>,
    /// The record was too large to be looked through for it.
    pub(crate) streams: bool,
}

/// A layout and a release.
pub(crate) struct Slow<'a> {
    pub(crate) types: &'a Types,
    pub(crate) release: Release,
    /// Every category of the route.
    pub(crate) all: Categories,
    /// Names that begin with `_` are shadows, required elements are replaced.
    pub(crate) fhir: bool,
    /// Entries are judged one by one: totals go.
    pub(crate) judged: bool,
    /// URLs past the gate are looked for among references.
    pub(crate) links: bool,
    /// The category of Individual Numbers, where they are looked for.
    pub(crate) individual_number: Option<Category>,
    /// An entry longer than this streams; what has to be held in it and is longer goes. Of bodies without white space.
    pub(crate) held_bytes_max: usize,
    /// What a single value becomes; `None`: it is withheld.
    pub(crate) form: &'a dyn Fn(&Value<'_>) -> Option<Json>,
    pub(crate) memo: &'a Memo,
}

/// One entry, or what lies around entries.
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    pub(crate) slow: &'a Slow<'a>,
    all: Categories,
    /// Whom the entry is about.
    person: Option<String>,
    /// Within a resource.
    contained: bool,
    /// Outside entries no resource is one.
    envelope: bool,
    streams: bool,
    /// Within a person who lies in another's record, of whom nobody knows who he is.
    stranger: bool,
    /// What was done to the resource that is labelled: whether something was masked, or became a pseudonym.
    done: Rc<Cell<[bool; 2]>>,
}

impl<'a> Walk<'a> {
    pub(crate) fn envelope(slow: &'a Slow<'a>) -> Walk<'a> {
        Walk {
            slow,
            all: slow.all,
            person: None,
            contained: false,
            envelope: true,
            streams: false,
            stranger: false,
            done: Rc::default(),
        }
    }

    pub(crate) fn entry(slow: &'a Slow<'a>, person: Option<String>, streams: bool) -> Walk<'a> {
        let (contained, envelope, stranger) = (false, false, false);
        Walk { slow, all: slow.all, person, contained, envelope, streams, stranger, done: Rc::default() }
    }

    pub(crate) fn act(&self, at: At<'_>) -> Act {
        if self.goes_besides(at) {
            return Act::Withhold;
        }
        let Some(held) = at.held() else { return Act::Walk };
        match held.meaning {
            Meaning::Category(_) | Meaning::Everything | Meaning::Count if self.stranger => Act::Withhold,
            Meaning::Category(category) => match self.slow.release.form(category) {
                Form::Withheld => Act::Withhold,
                Form::Masked => Act::Mask,
                Form::Generalised => Act::Coarse,
                Form::Pseudonymised => Act::Pseudonym,
                Form::Clear => Act::Clear,
            },
            Meaning::Everything if self.all_clear() => Act::Clear,
            Meaning::Count if !self.slow.judged => Act::Clear,
            Meaning::Everything | Meaning::Count | Meaning::Never => Act::Withhold,
            Meaning::Open => Act::Clear,
            Meaning::Link => Act::Link,
        }
    }

    /// Whether what stands here goes because something else may not be seen.
    fn goes_besides(&self, at: At<'_>) -> bool {
        let besides = at.node.and_then(|node| node.besides);
        let form = besides.map(|besides| self.slow.release.form(besides));
        form.is_some_and(|form| !matches!(form, Form::Clear | Form::Pseudonymised))
    }

    fn all_clear(&self) -> bool {
        !self.all.is_empty() && self.slow.release.having(Form::Clear, self.all) == self.all
    }

    /// The most revealing act below a place; a resource may reveal anything.
    fn below(&self, at: At<'_>) -> Act {
        let Some(node) = at.node else { return Act::Walk };
        if self.goes_besides(at) {
            return Act::Walk;
        }
        if node.resource {
            return Act::Clear;
        }
        let children = node.members.values().chain(&node.any);
        let at = children.map(|child| At { node: Some(child), above: at.held() });
        at.map(|child| self.revealed(child)).max().unwrap_or(Act::Walk)
    }

    /// The most revealing act at or below a place, whatever its members may say that it is.
    fn revealed(&self, at: At<'_>) -> Act {
        let key = at
            .node
            .map(|node| (std::ptr::from_ref(node), at.above.map(|held| held.meaning), self.all_clear(), self.stranger));
        let known = key.and_then(|key| self.slow.memo.revealed.borrow().get(&key).copied());
        if let Some(known) = known {
            return known;
        }
        let cases = at.node.and_then(|node| node.by.as_ref()).into_iter().flat_map(By::nodes);
        let cases = cases.map(|node| self.revealed(At { node: Some(node), above: at.above }));
        let revealed = self.act(at).max(self.below(at)).max(cases.max().unwrap_or(Act::Walk));
        self.slow.memo.revealed.borrow_mut().extend(key.map(|key| (key, revealed)));
        revealed
    }

    /// Whether all that an object or array here could hold would leave in clear, so that an empty one tells nothing.
    fn clear_throughout(&self, at: At<'_>) -> bool {
        let none = self.held_in_clear(at);
        let Some(node) = at.node else { return none };
        let leaf = node.members.is_empty() && !node.resource;
        match &node.any {
            Some(any) => leaf && node.by.is_none() && self.clear_throughout(At { node: Some(any), above: at.held() }),
            None => leaf && none,
        }
    }

    fn held_in_clear(&self, at: At<'_>) -> bool {
        let copied = |held: Held| held.meaning != Meaning::Open && !(held.reference && self.slow.links);
        self.act(at) == Act::Clear && at.held().is_some_and(copied)
    }

    fn too_long(&self, value: &Json) -> bool {
        self.streams && value.compact().len() > self.slow.held_bytes_max
    }

    /// What is left of the root of an entry, of which something always stays.
    pub(crate) fn root(&self, value: &Json, at: Option<At<'_>>) -> Json {
        self.value(value, at, &[], true).unwrap_or_else(|| match at {
            Some(at) if at.fits(value) && self.act(at) == Act::Mask && self.below(at) <= Act::Mask => {
                Json::Word("null".into())
            }
            _ => value.emptied(),
        })
    }

    /// What stands at a place in the end; `None`: nothing. `beside`: the object it is a member of.
    fn value(&self, value: &Json, at: Option<At<'_>>, beside: &[(Spelt, Json)], root: bool) -> Option<Json> {
        let mut at = at?;
        if let Json::Map(members) = value
            && !self.envelope
            && at.node.is_some_and(|node| node.by.is_some())
        {
            if self.too_long(value) {
                return None;
            }
            at = case(at, members);
        }
        if !at.fits(value) {
            return None;
        }
        let act = self.act(at);
        let whole = matches!(act, Act::Withhold | Act::Mask) && self.below(at) <= act;
        match value {
            Json::Word(_) | Json::Text(_) => {
                let left = self.scalar(value, act, at, beside);
                self.did(act, left.is_some());
                left
            }
            Json::Map(_) if at.is_resource() => self.resource(value).filter(|_| !self.too_long(value)),
            Json::List(_) | Json::Map(_) if whole => {
                self.did(act, true);
                (act == Act::Mask).then(|| Json::Word("null".into()))
            }
            Json::Map(_) if !root && self.loses_modifier(value, at) => None,
            Json::List(items) => {
                let element = if at.is_resource() { Some(at) } else { at.child(None) };
                let kept: Vec<Json> = items.iter().filter_map(|item| self.element(item, element)).collect();
                let told = items.is_empty() && self.clear_throughout(at);
                (!kept.is_empty() || told).then_some(Json::List(kept))
            }
            Json::Map(members) => self.map(members, at, root),
        }
    }

    fn did(&self, act: Act, left: bool) {
        let [masked, renamed] = self.done.get();
        self.done.set([masked || act == Act::Mask, renamed || (act == Act::Pseudonym && left)]);
    }

    /// Whether an object has modifier extensions that do not leave as they are: then it goes.
    pub(crate) fn loses_modifier(&self, object: &Json, at: At<'_>) -> bool {
        let Some(modifiers) = object.get("modifierExtension") else { return false };
        if !self.slow.fhir || self.envelope || self.streams {
            return false;
        }
        let alone = Walk { contained: false, done: Rc::default(), ..self.clone() };
        at.child(Some("modifierExtension")).is_none_or(|place| alone.root(modifiers, Some(place)) != *modifiers)
    }

    /// What must be there and is not tells of itself only beside something that is; at a root in any case.
    fn map(&self, members: &[(Spelt, Json)], at: At<'_>, root: bool) -> Option<Json> {
        let (mut kept, mut waiting) = (Vec::new(), Vec::new());
        for (name, value) in members {
            if self.has_our_shadow(name, at, members) {
                continue;
            }
            match self.released(name, value, Some(at), members) {
                Some(member) => kept.push(member),
                None => match self.absent(name, value, Some(at), members) {
                    Some(absent) if kept.is_empty() && !root => waiting.push(absent),
                    absent => kept.extend(absent),
                },
            }
        }
        if kept.is_empty() && !(members.is_empty() && self.clear_throughout(at)) {
            return None;
        }
        kept.extend(waiting);
        Some(Json::Map(kept))
    }

    /// Whether this is the shadow of a member before it in whose place one of ours stands.
    fn has_our_shadow(&self, name: &Spelt, at: At<'_>, members: &[(Spelt, Json)]) -> bool {
        let Some(base) = name.strip_prefix('_').filter(|_| self.slow.fhir) else { return false };
        let Some((other, value)) = before(name, members).iter().find(|(other, _)| other.as_str() == base) else {
            return false;
        };
        let clear = self.place(other, at).is_some_and(|place| self.act(place) == Act::Clear);
        let lost = self.released(other, value, Some(at), members).is_none();
        let left = self.absent(other, value, Some(at), members);
        clear && lost && left.is_some_and(|(left, _)| left.as_str() == name.as_str())
    }

    /// An element; a container that must be there is replaced.
    pub(crate) fn element(&self, value: &Json, at: Option<At<'_>>) -> Option<Json> {
        let required = self.slow.fhir && at.is_some_and(|at| at.is_required());
        self.value(value, at, &[], false).or_else(|| match value {
            Json::Map(_) if required => Some(absent()),
            Json::List(_) if required => Some(Json::List(vec![absent()])),
            _ => None,
        })
    }

    /// A member as it leaves, or what stands in its place.
    pub(crate) fn member(
        &self,
        (name, value): &(Spelt, Json),
        at: Option<At<'_>>,
        beside: &[(Spelt, Json)],
    ) -> Option<(Spelt, Json)> {
        if at.is_some_and(|at| self.has_our_shadow(name, at, beside)) {
            return None;
        }
        self.released(name, value, at, beside).or_else(|| self.absent(name, value, at, beside))
    }

    fn released(
        &self,
        name: &Spelt,
        value: &Json,
        at: Option<At<'_>>,
        beside: &[(Spelt, Json)],
    ) -> Option<(Spelt, Json)> {
        let place = self.place(name, at?)?;
        self.value(value, Some(place), beside, false).map(|left| (name.clone(), left))
    }

    /// What a required member that is withheld leaves behind.
    fn absent(
        &self,
        name: &Spelt,
        value: &Json,
        at: Option<At<'_>>,
        beside: &[(Spelt, Json)],
    ) -> Option<(Spelt, Json)> {
        let place = self.place(name, at?)?;
        if !self.slow.fhir || !place.is_required() {
            return None;
        }
        let place = match value {
            Json::Map(members) if !self.envelope && !self.too_long(value) => case(place, members),
            _ => place,
        };
        // By what the standard has there: what the body has is not told.
        let parts = |node: Option<&Node>| node.is_some_and(|node| node.resource || !node.members.is_empty());
        let elements = place.node.and_then(|node| node.any.as_deref());
        let shadow = name.shadow();
        let has_one = before(name, beside).iter().any(|(other, _)| other.as_str() == shadow.as_str());
        let may_have_one = (has_one || matches!(value, Json::List(_) | Json::Map(_))) && self.act(place) == Act::Clear;
        Some(match (parts(place.node), elements) {
            (true, _) => (name.clone(), absent()),
            (false, None) if may_have_one => (name.clone(), absent()),
            (false, None) => (name.shadow(), absent()),
            (false, elements) if parts(elements) || may_have_one => (name.clone(), Json::List(vec![absent()])),
            (false, _) => (name.shadow(), Json::List(vec![absent()])),
        })
    }

    /// The place of a member, its shadow rule and the rule for names that nobody spelt out included.
    fn place<'n>(&self, name: &str, at: At<'n>) -> Option<At<'n>> {
        if let Some(base) = name.strip_prefix('_').filter(|_| self.slow.fhir) {
            let foreseen = at.foresees(base);
            let base = at.child(Some(base)).filter(|base| self.act(*base) == Act::Clear)?;
            return if at.foresees(name) { at.child(Some(name)) } else { Some(base).filter(|_| !foreseen) };
        }
        let child = at.child(Some(name))?;
        let named = at.node.is_some_and(|node| node.members.contains_key(name));
        let veiled = matches!(self.act(child), Act::Mask | Act::Coarse | Act::Pseudonym);
        if veiled && !named { None } else { Some(child) }
    }

    fn scalar(&self, json: &Json, act: Act, at: At<'_>, beside: &[(Spelt, Json)]) -> Option<Json> {
        let held = at.held()?;
        let watched = self.slow.individual_number.is_some_and(|number| held.meaning != Meaning::Category(number))
            && !held.fixed_format;
        let asked = match (json, act) {
            (Json::Text(_), Act::Clear) => watched || (held.reference && self.slow.links),
            (Json::Text(_), Act::Coarse | Act::Pseudonym | Act::Link) | (Json::Word(_), Act::Coarse) => true,
            (Json::Word(word), Act::Pseudonym) => held.as_string && word.bytes().all(|b| b.is_ascii_digit()),
            _ => false,
        };
        match (json, act) {
            _ if asked => (self.slow.form)(&Value {
                json,
                held,
                in_a_system: at.node.is_some_and(|node| node.system.is_some()),
                system: at.system(beside),
                streams: self.streams,
            }),
            (_, Act::Clear) => Some(json.clone()),
            (Json::Word(_), Act::Mask) => Some(Json::Word("null".into())),
            (Json::Text(_), Act::Mask) => Some(Json::Text("***".into())),
            _ => None,
        }
    }

    /// A resource, by its own type; one of an unknown type, or contained and about somebody else, goes.
    pub(crate) fn resource(&self, value: &Json) -> Option<Json> {
        let Json::Map(members) = value else { return None };
        let Some(Json::Text(named)) = value.get("resourceType") else { return None };
        let known = self.slow.types.get(named)?;
        let allowed = match subject_of(&known.subjects, value) {
            _ if !self.contained => true,
            // By lying here it tells what its type is about.
            _ if known.node.told.iter().any(|told| self.slow.release.form(told) != Form::Clear) => false,
            _ if known.node.about_no_one
                && self.person.is_some()
                && self.slow.release.having(Form::Clear, self.all) != self.all =>
            {
                false
            }
            None => true,
            Some(Subject::NotFound) => self.person.is_some() && !known.node.of_a_person,
            Some(Subject::One(id)) => self.person == Some(id),
            Some(Subject::NoOnes | Subject::Unclear) => false,
        };
        if self.envelope || !allowed || self.stranger {
            return None;
        }
        let (node, mut inside) = (&*known.node, self.within(&known.node));
        inside.stranger = self.contained && node.themselves;
        if inside.loses_modifier(value, At::root(node)) {
            return None;
        }
        Some(inside.resource_of(members, node, !self.contained && inside.cut(node)))
    }

    /// Within a resource of this type.
    fn within(&self, node: &Node) -> Walk<'a> {
        Walk { all: self.slow.all.or(self.slow.memo.categories(node)), contained: true, ..self.clone() }
    }

    fn resource_of(&self, members: &[(Spelt, Json)], node: &Node, label: bool) -> Json {
        let at = At::root(node);
        if label {
            self.done.set([false; 2]);
        }
        let own = |name: &str| node.members.contains_key(name);
        let mut kept = Vec::new();
        for member in members {
            match (member.0.as_str(), &member.1) {
                ("resourceType", _) if !own("resourceType") => kept.push(member.clone()),
                ("_resourceType", value) if !own("resourceType") => {
                    let place = at.child(Some("_resourceType")).filter(|_| at.foresees("_resourceType"));
                    kept.extend(self.value(value, place, members, false).map(|left| (member.0.clone(), left)));
                }
                ("meta", Json::Map(meta)) if label => {
                    kept.push((member.0.clone(), self.meta(meta, at.child(Some("meta")))));
                }
                ("meta", _) if label => {}
                _ => kept.extend(self.member(member, Some(at), members)),
            }
        }
        if label && !kept.iter().any(|(name, _)| name.as_str() == "meta") {
            kept.push(("meta".into(), self.meta(&[], None)));
        }
        if label {
            self.label_what_was_done(&mut kept, members, at);
        }
        Json::Map(kept)
    }

    /// The labels that tell more than that something was redacted, at the end of `meta.security`, unless it bears them.
    fn label_what_was_done(&self, kept: &mut [(Spelt, Json)], members: &[(Spelt, Json)], at: At<'_>) {
        let may = |form| self.streams && !self.slow.release.having(form, self.all).is_empty();
        let [masked, renamed] = self.done.get();
        let (masked, renamed) = if self.streams { (false, false) } else { (masked, renamed) };
        let original =
            members.iter().find(|(name, _)| name.as_str() == "meta").and_then(|(_, meta)| meta.get("security"));
        let place = at.child(Some("meta")).and_then(|at| at.child(Some("security")));
        let Some((_, Json::Map(meta))) = kept.iter_mut().find(|(name, _)| name.as_str() == "meta") else { return };
        let Some((_, Json::List(labels))) = meta.iter_mut().find(|(name, _)| name.as_str() == "security") else {
            return;
        };
        for (done, label) in [(masked || may(Form::Masked), MASK), (renamed || may(Form::Pseudonymised), PSEUDO)] {
            if done && !original.is_some_and(|original| self.bears(original, place, label)) {
                labels.push(Json::parse(label));
            }
        }
    }

    /// Whether an array of labels bears this one, and what says so leaves.
    fn bears(&self, array: &Json, at: Option<At<'_>>, label: &str) -> bool {
        let coding = at.and_then(|at| at.child(None));
        let clear = |name| coding.and_then(|at| at.child(Some(name))).is_some_and(|at| self.act(at) == Act::Clear);
        let (Json::List(items), false) = (array, self.streams) else { return false };
        let label = Json::parse(label);
        let same = |item: &Json, name| match (item.get(name), label.get(name)) {
            (Some(Json::Text(own)), Some(Json::Text(said))) => own.as_str() == said.as_str(),
            _ => false,
        };
        clear("system") && clear("code") && items.iter().any(|item| same(item, "system") && same(item, "code"))
    }

    fn meta(&self, members: &[(Spelt, Json)], at: Option<At<'_>>) -> Json {
        let mut kept = Vec::new();
        let labels = [("security", SECURITY), ("tag", TAG)];
        for member in members {
            let (name, value) = member;
            match (labels.iter().find(|(label, _)| *label == name.as_str()), value) {
                (Some((_, label)), Json::List(items)) => {
                    let child = at.and_then(|at| at.child(Some(name)));
                    let mut list: Vec<Json> =
                        items.iter().filter_map(|item| self.element(item, child.and_then(|c| c.child(None)))).collect();
                    if list.is_empty() || !self.bears(value, child, label) {
                        list.push(Json::parse(label));
                    }
                    kept.push((name.clone(), Json::List(list)));
                }
                (Some(_), _) => {}
                (None, _) => kept.extend(self.member(member, at, members)),
            }
        }
        for (name, label) in labels {
            if !kept.iter().any(|(kept, _)| kept.as_str() == name) {
                kept.push((name.into(), Json::List(vec![Json::parse(label)])));
            }
        }
        Json::Map(kept)
    }

    /// Whether this release withholds anything of a type.
    fn cut(&self, node: &Node) -> bool {
        let key = std::ptr::from_ref(node);
        if let Some(known) = self.slow.memo.cut.borrow().get(&key) {
            return *known;
        }
        let mut cut = false;
        let all_clear = self.all_clear();
        self.slow.memo.each(node, |node| {
            let own = matches!(node.meaning, Some(Meaning::Category(_) | Meaning::Everything))
                && self.act(At::root(node)) != Act::Clear;
            cut |= own || self.goes_besides(At::root(node)) || (node.resource && !all_clear);
        });
        self.slow.memo.cut.borrow_mut().insert(key, cut);
        cut
    }
}

/// A node, what comes from above, whether free text is in clear, and whether it is a stranger's.
type Asked = (*const Node, Option<Meaning>, bool, bool);

/// What is asked of nodes again and again: they are shared between many places.
#[derive(Default)]
pub(crate) struct Memo {
    revealed: RefCell<HashMap<Asked, Act>>,
    categories: RefCell<HashMap<*const Node, Categories>>,
    cut: RefCell<HashMap<*const Node, bool>>,
}

impl Memo {
    /// Every category that a value of this type can hold.
    fn categories(&self, node: &Node) -> Categories {
        *self.categories.borrow_mut().entry(std::ptr::from_ref(node)).or_insert_with(|| {
            let mut all = Categories::NONE;
            self.each(node, |node| {
                let own = match node.meaning {
                    Some(Meaning::Category(category)) => category.only(),
                    _ => Categories::NONE,
                };
                all = all.or(own).or(node.carries).or(node.besides.map_or(Categories::NONE, Category::only));
            });
            all
        })
    }

    /// Every node at and below this one.
    fn each(&self, node: &Node, mut visit: impl FnMut(&Node)) {
        let (mut seen, mut open) = (HashSet::new(), vec![node]);
        while let Some(node) = open.pop() {
            if seen.insert(std::ptr::from_ref(node)) {
                visit(node);
                let cases = node.by.iter().flat_map(By::nodes);
                open.extend(node.members.values().chain(&node.any).chain(cases).map(|child| &**child));
            }
        }
    }
}

/// The members before this one.
fn before<'j>(name: &Spelt, members: &'j [(Spelt, Json)]) -> &'j [(Spelt, Json)] {
    let number = members.iter().position(|(other, _)| std::ptr::eq(other, name));
    &members[..number.unwrap_or(0)]
}

fn absent() -> Json {
    Json::parse(ABSENT)
}

/// What holds for an object that one of its members says what it is.
fn case<'n>(at: At<'n>, members: &[(Spelt, Json)]) -> At<'n> {
    let by = at.node.and_then(|node| node.by.as_ref());
    let told = by.and_then(|by| match members.iter().find(|(name, _)| name.as_str() == by.member()) {
        Some((_, Json::Text(value))) => by.case(value),
        _ => None,
    });
    told.map_or(at, |node| At { node: Some(node), above: at.above })
}
