//! What is each member of a data set in JSON? A tree whose levels share what is the same at each.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::fields::{Covers, Meaning, Node};
use super::entries::{Attribute, Attributes};
use super::vr::Vr;

/// How deep sequences may lie in one another; deeper ones are withheld.
pub(super) const NESTED_MAX: usize = 4;

/// The tree of an array of data sets.
pub(super) fn data_sets(attributes: &Attributes) -> Arc<Node> {
    let entry = Builder::new(attributes).data_set(0);
    list_of(&entry)
}

fn list_of(element: &Arc<Node>) -> Arc<Node> {
    Arc::new(Node { any: Some(element.clone()), list: true, covers: Covers::Value, ..Node::default() })
}

/// The values of an attribute, each what the attribute is. A person's name is an object of three spellings (PS3.18
/// F.2.2), every other value a scalar.
fn values(vr: Vr) -> Arc<Node> {
    if vr != Vr::Pn {
        return Arc::new(Node { covers: Covers::Elements, ..Node::default() });
    }
    let spelling = Arc::new(Node { covers: Covers::Value, ..Node::default() });
    let members = ["Alphabetic", "Ideographic", "Phonetic"].map(|name| (name.into(), spelling.clone())).into();
    list_of(&Arc::new(Node { members, covers: Covers::Value, ..Node::default() }))
}

struct Builder<'a> {
    attributes: &'a Attributes,
    open: Arc<Node>,
    bytes: Arc<Node>,
    link: Arc<Node>,
    never: Arc<Node>,
    value: Arc<Node>,
    name: Arc<Node>,
    /// Attributes that are the same at each level.
    plain: HashMap<&'a str, Arc<Node>>,
    code: Arc<Node>,
}

impl<'a> Builder<'a> {
    fn new(attributes: &'a Attributes) -> Builder<'a> {
        let node = |meaning, covers| Arc::new(Node { meaning: Some(meaning), covers, ..Node::default() });
        let of = |meaning| node(meaning, Covers::Value);
        let mut builder = Builder {
            attributes,
            open: of(Meaning::Open),
            bytes: of(Meaning::Everything),
            link: of(Meaning::Link),
            never: node(Meaning::Never, Covers::Deep),
            value: values(Vr::Lo),
            name: values(Vr::Pn),
            plain: HashMap::new(),
            code: Arc::default(),
        };
        builder.code = builder.coded_entry(&builder.never);
        builder.code = builder.coded_entry(&builder.code);
        let plain = attributes.tagged().filter(|(_, attribute)| attribute.vr != Vr::Sq || attribute.coded);
        builder.plain = plain.map(|(tag, attribute)| (tag, builder.attribute(attribute, &builder.code))).collect();
        builder
    }

    /// A coded entry: its members are what its sequence is, and nothing else is in it.
    fn coded_entry(&self, inner: &Arc<Node>) -> Arc<Node> {
        let members = self.attributes.code().map(|(tag, attribute)| (tag.into(), self.attribute(attribute, inner)));
        Arc::new(Node { members: members.collect(), any: Some(self.never.clone()), ..Node::default() })
    }

    fn data_set(&self, depth: usize) -> Arc<Node> {
        let mut members: HashMap<Box<str>, Arc<Node>> =
            self.plain.iter().map(|(tag, node)| (Box::from(*tag), node.clone())).collect();
        if depth < NESTED_MAX {
            let item = self.data_set(depth + 1);
            let sequences = self.attributes.tagged().filter(|(_, a)| a.vr == Vr::Sq && !a.coded);
            members.extend(sequences.map(|(tag, attribute)| (tag.into(), self.attribute(attribute, &item))));
        }
        // What a sequence is says who may know of it, and is not handed down to members that nobody named.
        let meaning = (depth > 0).then_some(Meaning::Never);
        let covers = if depth > 0 { Covers::Deep } else { Covers::Value };
        Arc::new(Node { meaning, covers, members, ..Node::default() })
    }

    fn attribute(&self, attribute: &Attribute, item: &Arc<Node>) -> Arc<Node> {
        let value = match attribute.vr {
            Vr::Sq => list_of(item),
            Vr::Pn => self.name.clone(),
            _ => self.value.clone(),
        };
        let members =
            [("vr", &self.open), ("Value", &value), ("BulkDataURI", &self.link), ("InlineBinary", &self.bytes)];
        Arc::new(Node {
            meaning: attribute.meaning,
            generaliser: attribute.generaliser,
            reference: attribute.identifies && attribute.vr != Vr::Sq,
            attribute: true,
            fixed_format: attribute.vr.is_typed(),
            vr: Some(attribute.vr),
            members: members.map(|(name, node)| (name.into(), node.clone())).into(),
            any: Some(self.never.clone()),
            ..Node::default()
        })
    }
}
