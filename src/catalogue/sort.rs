//! By which names can the entries of a route be sorted, and what does the order of each betray?

use std::collections::HashMap;

use crate::policy::Categories;

use super::fields::{Meaning, Node};
use super::route::Route;
use super::tree;

/// The names by which entries can be sorted: `born`, `address.city`, each with all categories at and beneath it.
pub(super) fn sort_fields(route: &Route) -> HashMap<Box<str>, Categories> {
    let mut fields = HashMap::new();
    if let Some((entry, inherited)) = tree::lookup(&route.root, &route.entries) {
        sort_beneath(entry, inherited, &mut String::new(), route.categories, &mut fields);
    }
    fields
}

fn sort_beneath(
    node: &Node,
    inherited: Option<Meaning>,
    path: &mut String,
    everything: Categories,
    fields: &mut HashMap<Box<str>, Categories>,
) {
    for (name, child) in &node.members {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(name);
        let meaning = child.meaning.or(inherited);
        match meaning {
            Some(Meaning::Category(category)) => {
                fields.insert(path.as_str().into(), category.only().or(tree::categories(child, everything)));
            }
            Some(Meaning::Open) => {
                fields.insert(path.as_str().into(), tree::categories(child, everything));
            }
            Some(Meaning::Everything) => {
                fields.insert(path.as_str().into(), everything);
            }
            Some(Meaning::Count | Meaning::Link | Meaning::Never) | None => {}
        }
        sort_beneath(child, meaning, path, everything, fields);
        path.truncate(length);
    }
}
