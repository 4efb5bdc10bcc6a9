//! May this have left? Looks at output alone, whole or cut off by a fault: every value in it stands where one may.

use sekisho::redact::Shape;

use super::body::Layout;
use super::json::{Json, Spelt};
use super::{ABSENT, Act, At, MASK, PSEUDO, SECURITY, TAG, Walk, case};

/// Panics with the place of a value that may not have left. `out`: one document.
pub(crate) fn conforms(walk: &Walk<'_>, layout: &Layout<'_>, out: &Json) {
    match layout.shape {
        Shape::FhirResource | Shape::FhirLines => resource(walk, out, ""),
        // A record's own brackets stay, emptied, as those of an entry do.
        Shape::Object { .. } | Shape::Lines { .. } if matches!(&*out.compact(), "[]" | "{}") => {}
        _ => value(walk, out, Some(At::root(layout.root)), ""),
    }
}

fn value(walk: &Walk<'_>, json: &Json, at: Option<At<'_>>, path: &str) {
    let compact = json.compact();
    if [ABSENT, SECURITY, TAG, MASK, PSEUDO].contains(&&*compact) || compact == "null" {
        return;
    }
    if let (Json::Map(_), true) = (json, at.is_some_and(|at| at.is_resource())) {
        return resource(walk, json, path);
    }
    let at = match (json, at) {
        (Json::Map(members), Some(at)) => Some(case(at, members)),
        _ => at,
    };
    let label = ["/meta", "/security", "/tag"].iter().any(|name| path.ends_with(name));
    // An entry's own brackets stay, emptied: they say only of what kind it was.
    let emptied = path.ends_with("/*") && matches!(&*compact, "[]" | "{}");
    let fits = emptied || at.is_none_or(|at| at.fits(json));
    assert!(label || fits, "`{path}`: {compact} stands where none may");
    let act = at.map_or(Act::Walk, |at| walk.act(at));
    match json {
        Json::Word(_) => assert!(act >= Act::Coarse, "`{path}`: {compact} left by {act:?}"),
        Json::Text(text) => {
            let masked = act == Act::Mask && "***".starts_with(text.as_str());
            assert!(act >= Act::Coarse || masked, "`{path}`: {compact} left by {act:?}");
        }
        Json::List(items) => {
            let element = match at {
                Some(at) if at.is_resource() => Some(at),
                _ => at.and_then(|at| at.child(None)),
            };
            items.iter().for_each(|item| value(walk, item, element, &format!("{path}/*")));
        }
        Json::Map(all) => members(walk, all, at, path),
    }
}

fn members(walk: &Walk<'_>, members: &[(Spelt, Json)], at: Option<At<'_>>, path: &str) {
    for (name, json) in members {
        let labels = matches!(name.as_str(), "meta" | "security" | "tag");
        // Where our labels go a name needs no rule of its own: what is in it is looked at by the place that it has.
        let own = || at.filter(|_| labels).and_then(|at| at.child(Some(name.as_str())));
        let place = match at.and_then(|at| walk.place(name, at)).or_else(own) {
            None if labels || name.starts_with('_') => None,
            None => panic!("`{path}/{}`: unnamed, and left", name.as_str()),
            place => place,
        };
        value(walk, json, place, &format!("{path}/{}", name.as_str()));
    }
}

fn resource(walk: &Walk<'_>, json: &Json, path: &str) {
    let Json::Map(all) = json else { panic!("`{path}` is no resource, and left") };
    // Cut off before it said what it is: then it streamed, by the type that its body says.
    let Some(Json::Text(named)) = json.get("resourceType") else { return };
    let Some(known) = walk.slow.types.get(named) else { return };
    let inside = walk.within(&known.node);
    let named = |name: &Spelt| name.as_str() == "resourceType" && !known.node.members.contains_key("resourceType");
    let rest: Vec<_> = all.iter().filter(|(name, _)| !named(name)).cloned().collect();
    members(&inside, &rest, Some(At::root(&known.node)), path);
}
