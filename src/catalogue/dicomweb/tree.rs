//! What is each member of a data set in JSON? A tree whose levels share what is the same at each.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::fields::{Meaning, Node};
use super::entries::{Attribute, Attributes};
use super::vr::Vr;

/// How deep sequences may lie in one another; deeper ones are withheld.
pub(super) const NESTED_MAX: usize = 4;

/// The tree of an array of data sets.
pub(super) fn data_sets(attributes: &Attributes) -> Arc<Node> {
    let entry = Builder::new(attributes).data_set(0);
    Arc::new(Node { any: Some(entry), ..Node::default() })
}

struct Builder<'a> {
    attributes: &'a Attributes,
    open: Arc<Node>,
    bytes: Arc<Node>,
    link: Arc<Node>,
    never: Arc<Node>,
    value: Arc<Node>,
    /// Attributes that are the same at each level.
    plain: HashMap<&'a str, Arc<Node>>,
    code: Arc<Node>,
}

impl<'a> Builder<'a> {
    fn new(attributes: &'a Attributes) -> Builder<'a> {
        let of = |meaning| Arc::new(Node { meaning: Some(meaning), ..Node::default() });
        let mut builder = Builder {
            attributes,
            open: of(Meaning::Open),
            bytes: of(Meaning::Everything),
            link: of(Meaning::Link),
            never: of(Meaning::Never),
            value: Arc::default(),
            plain: HashMap::new(),
            code: Arc::default(),
        };
        builder.code = builder.coded_entry(&Arc::new(Node { any: Some(builder.never.clone()), ..Node::default() }));
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
        Arc::new(Node { meaning, members, ..Node::default() })
    }

    fn attribute(&self, attribute: &Attribute, item: &Arc<Node>) -> Arc<Node> {
        let value = match attribute.vr {
            Vr::Sq => Arc::new(Node { any: Some(item.clone()), ..Node::default() }),
            _ => self.value.clone(),
        };
        let members =
            [("vr", &self.open), ("Value", &value), ("BulkDataURI", &self.link), ("InlineBinary", &self.bytes)];
        Arc::new(Node {
            meaning: attribute.meaning,
            generaliser: attribute.generaliser,
            reference: attribute.identifies && attribute.vr != Vr::Sq,
            attribute: true,
            vr: Some(attribute.vr),
            members: members.map(|(name, node)| (name.into(), node.clone())).into(),
            any: Some(self.never.clone()),
            ..Node::default()
        })
    }
}
