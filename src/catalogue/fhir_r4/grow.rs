//! How do definitions become nodes? Each place's node is made once and shared wherever the same lies.
//!
//! A node depends on the lines it is made of, on what holds for it from above, and on how often the way there has led
//! through things that can contain themselves: a reference has an identifier has a reference. Those are unfolded
//! to a bound; what lies deeper is not named, and so withheld.

use std::collections::HashMap;
use std::sync::Arc;

use super::definitions::{Definition, Definitions, Owner, Told, meaning};
use super::extensions::Extensions;
use super::words::{Kind, Line};
use crate::catalogue::fields::{By, Covers, Generaliser, Meaning, Node};
use crate::policy::Category;

/// Makes nodes.
pub(super) struct Grow<'d> {
    pub(super) definitions: &'d Definitions,
    pub(super) extensions: Extensions,
    /// Lines of every element: ids and extensions.
    element: Vec<Line>,
    objects: HashMap<Object, Arc<Node>>,
    leaves: HashMap<Leaf, Arc<Node>>,
    shadows: HashMap<(Owner, Meaning), Arc<Node>>,
}

/// What an object's node depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Object {
    owner: Owner,
    path: Box<str>,
    own: Meaning,
    turns: Turns,
    required: bool,
    besides: Option<Category>,
}

/// What a value's node depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Leaf {
    meaning: Meaning,
    generaliser: Option<Generaliser>,
    reference: bool,
    required: bool,
    covers: Covers,
    besides: Option<Category>,
    system: Option<Box<str>>,
    fixed_format: bool,
}

impl Leaf {
    /// Free text, as far as it reaches.
    const fn text(covers: Covers) -> Leaf {
        let (meaning, besides, system) = (Meaning::Everything, None, None);
        Leaf {
            meaning,
            generaliser: None,
            reference: false,
            required: false,
            covers,
            besides,
            system,
            fixed_format: false,
        }
    }
}

/// How often the way here has led through what can contain itself.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Turns {
    datatypes: u8,
    likes: u8,
}

/// How deep references and identifiers may lie in one another.
const DATATYPES_MAX: u8 = 4;
/// How deep items may lie in items.
const LIKES_MAX: u8 = 8;

impl<'d> Grow<'d> {
    pub(super) fn new(definitions: &'d Definitions, extensions: Extensions, element: Vec<Line>) -> Grow<'d> {
        Grow {
            definitions,
            extensions,
            element,
            objects: HashMap::new(),
            leaves: HashMap::new(),
            shadows: HashMap::new(),
        }
    }

    /// The node of a whole resource whose type is `own`.
    pub(super) fn resource(&mut self, owner: Owner, own: Meaning) -> Arc<Node> {
        let key = Object { owner, path: "".into(), own, turns: Turns::default(), required: false, besides: None };
        self.object(&key)
    }

    fn object(&mut self, key: &Object) -> Arc<Node> {
        if let Some(made) = self.objects.get(key) {
            return Arc::clone(made);
        }
        let definitions = self.definitions;
        let Some(definition) = definitions.get(key.owner) else { return Arc::default() };
        let node = match &definition.by {
            Some(told) if key.path.is_empty() => self.told(definition, told, key),
            _ => Node {
                members: self.members(definition, key),
                covers: Covers::Value,
                required: key.required,
                besides: key.besides,
                ..Node::default()
            },
        };
        let node = Arc::new(node);
        self.objects.insert(key.clone(), Arc::clone(&node));
        node
    }

    /// One of its members says what all of it is.
    fn told(&mut self, definition: &Definition, told: &Told, key: &Object) -> Node {
        let mut cases = Vec::new();
        for (value, own) in &told.cases {
            let key = Object { own: *own, ..key.clone() };
            let (required, covers) = (key.required, Covers::Value);
            let node = Node { members: self.members(definition, &key), required, covers, ..Node::default() };
            cases.push((Arc::clone(value), Arc::new(node)));
        }
        let by = By::new(&told.member, cases);
        let key = Object { own: told.otherwise, ..key.clone() };
        let (required, covers) = (key.required, Covers::Value);
        Node { members: self.members(definition, &key), required, covers, by: Some(by), ..Node::default() }
    }

    fn members(&mut self, definition: &Definition, key: &Object) -> HashMap<Box<str>, Arc<Node>> {
        let mut members = HashMap::new();
        let top = key.path.is_empty();
        // A resource's own lines say what stands at its top; every other object is an element.
        if !(definition.resource.is_some() && top) {
            let element = std::mem::take(&mut self.element);
            let carries = |line: &&Line| definition.resource.is_some() || line.path.text != "modifierExtension";
            for line in element.iter().filter(carries) {
                self.member(definition, line, key, &mut members);
            }
            self.element = element;
        }
        for line in definition.inside(&key.path) {
            self.member(definition, line, key, &mut members);
        }
        members
    }

    fn member(&mut self, definition: &Definition, line: &Line, key: &Object, into: &mut HashMap<Box<str>, Arc<Node>>) {
        let own = meaning(line, key.own);
        let required = line.required && !line.many;
        let value = match &line.kind {
            Kind::Leaf => {
                let (generaliser, reference) = (line.generaliser, line.reference);
                let covers = if line.whole { Covers::Deep } else { Covers::Value };
                let Line { besides, fixed_format, .. } = *line;
                let system = line.system.clone();
                let of = Leaf { meaning: own, generaliser, reference, required, covers, besides, system, fixed_format };
                let leaf = self.leaf(of);
                if let Some(shadow) = self.shadow(key.owner, definition, own, line.many) {
                    into.insert(format!("_{}", line.name()).into(), shadow);
                }
                leaf
            }
            Kind::Parts => {
                let (path, besides) = (line.path.text.as_str().into(), None);
                self.object(&Object { path, own, required, besides, ..key.clone() })
            }
            Kind::Like(path) => {
                if key.turns.likes >= LIKES_MAX {
                    return;
                }
                let turns = Turns { likes: key.turns.likes + 1, ..key.turns };
                self.object(&Object { path: path.clone(), own, required, turns, besides: None, ..key.clone() })
            }
            Kind::Datatype(name) => match self.datatype(name, own, definition.resource, (key.turns, required)) {
                Some(node) => node,
                None => return,
            },
            Kind::Resource => Arc::new(Node { resource: true, required, covers: Covers::Value, ..Node::default() }),
            Kind::Extension => self.extensions.array(definition, own),
        };
        let node = match line.many {
            true => {
                let (required, covers) = (line.required, Covers::Value);
                Arc::new(Node { any: Some(value), list: true, required, covers, ..Node::default() })
            }
            false => value,
        };
        into.insert(line.name().into(), node);
    }

    /// `None`: it lies too deep. `of_type`: what the type is whose element it is; a link of it that is something else, as an
    /// encounter in a claim is, takes the right to see that as well as the id.
    fn datatype(
        &mut self,
        name: &str,
        own: Meaning,
        of_type: Option<Meaning>,
        (turns, required): (Turns, bool),
    ) -> Option<Arc<Node>> {
        let owner = self.definitions.named(name)?;
        let link = self.definitions.get(owner)?.link();
        let besides = match own {
            Meaning::Category(category) if link.is_some() && of_type.is_some_and(|of_type| of_type != own) => {
                Some(category)
            }
            _ => None,
        };
        let own = link.map_or(own, |link| meaning(link, own));
        let datatypes = match self.definitions.is_endless(owner) {
            true if turns.datatypes >= DATATYPES_MAX => return None,
            true => turns.datatypes + 1,
            false => 0,
        };
        let turns = Turns { datatypes, likes: 0 };
        Some(self.object(&Object { owner, path: "".into(), own, turns, required, besides }))
    }

    fn leaf(&mut self, leaf: Leaf) -> Arc<Node> {
        let make = || {
            let Leaf { meaning, generaliser, reference, required, covers, besides, system, fixed_format } =
                leaf.clone();
            let meaning = Some(meaning);
            let more = Node { besides, system, fixed_format, ..Node::default() };
            Arc::new(Node { meaning, generaliser, reference, required, covers, ..more })
        };
        Arc::clone(self.leaves.entry(leaf.clone()).or_insert_with(make))
    }

    /// What `_name` is beside a value: its id, and extensions. `None`: it is never there where the value is not clear.
    ///
    /// Beside an array it holds a `null` for each value without extensions, so that taking anything from it would move
    /// the others to a neighbour's place: it leaves whole or not at all.
    fn shadow(&mut self, owner: Owner, definition: &Definition, own: Meaning, many: bool) -> Option<Arc<Node>> {
        match own {
            Meaning::Category(_) | Meaning::Everything | Meaning::Open => {}
            Meaning::Count | Meaning::Link | Meaning::Never => return None,
        }
        if many {
            return Some(self.leaf(Leaf::text(Covers::Deep)));
        }
        if let Some(made) = self.shadows.get(&(owner, own)) {
            return Some(Arc::clone(made));
        }
        let id = self.leaf(Leaf::text(Covers::Value));
        let extension = self.extensions.array(definition, own);
        let members = HashMap::from([("id".into(), id), ("extension".into(), extension)]);
        let shadow = Arc::new(Node { members, covers: Covers::Value, ..Node::default() });
        self.shadows.insert((owner, own), Arc::clone(&shadow));
        Some(shadow)
    }
}
