//! A modifier extension turns what its element says into something else: without it the element says what it does not mean.

use std::sync::Arc;

use sekisho::catalogue::fields::{By, Meaning, Node};
use sekisho::redact::*;

use super::support::*;

/// An order whose parts may have modifier extensions: of the url `urn:known` they are known, else free text.
fn types() -> Types {
    let known = tree(&[("/url", node(Meaning::Open)), ("/valueBoolean", node(Meaning::Open))]);
    let by = By::new("url", [("urn:known".into(), known)]);
    let extension = || Node { by: Some(by.clone()), ..of(WITHHELD) };
    let item = [
        ("/modifierExtension/*", extension()),
        ("/text", of(CLEAR)),
        ("/deeper/text", of(CLEAR)),
        ("/deeper/modifierExtension/*", extension()),
    ];
    let mut order = vec![
        ("/id".to_owned(), of(CLEAR)),
        ("/modifierExtension/*".to_owned(), extension()),
        ("/contained/*".to_owned(), Node { resource: true, ..Node::default() }),
        ("/plain/text".to_owned(), of(CLEAR)),
    ];
    for (place, required) in [("/item/*", false), ("/due", true)] {
        order.extend(item.iter().map(|(name, node)| (format!("{place}{name}"), node.clone())));
        if required {
            let mut due = (*tree(&item)).clone();
            due.required = true;
            order.retain(|(name, _)| !name.starts_with(place));
            order.push((place.to_owned(), due));
        }
    }
    let order: Vec<(&str, Node)> = order.iter().map(|(name, node)| (name.as_str(), node.clone())).collect();
    Types([("Order".into(), ResourceType { node: tree(&order), subjects: Subjects::NoOne })].into())
}

fn setup(entry_bytes_max: usize) -> Setup {
    let limits = Limits { entry_bytes_max, ..Limits::default() };
    Setup::with(Shape::FhirResource, Arc::new(Node::default()), Some(types()), true, limits, release())
}

const KNOWN: &str = r#"{"url":"urn:known","valueBoolean":true}"#;
const OTHER: &str = r#"{"url":"urn:do-not","valueBoolean":true}"#;

fn left(members: &str) -> Option<serde_json::Value> {
    let out = setup(1 << 20).text(&format!(r#"{{"resourceType":"Order","id":"o",{members}}}"#));
    (!out.is_empty()).then(|| serde_json::from_str(&out).unwrap())
}

#[test]
fn an_element_does_not_leave_without_its_modifier_extension() {
    let out = left(&format!(
        r#""item":[{{"text":"kept","modifierExtension":[{KNOWN}]}},{{"text":"gone","modifierExtension":[{KNOWN},{OTHER}]}},{{"modifierExtension":[],"text":"empty"}}]"#
    ));
    let texts = |out: &serde_json::Value| {
        let items = out["item"].as_array().unwrap().iter();
        items.map(|item| item["text"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&out.unwrap()), ["kept", "empty"]);
    // However it is spelt, wherever it stands, and whatever it is.
    for modifier in [
        format!(r#""modifier\u0045xtension":[{OTHER}]"#),
        format!(r#""modifierExtension":{OTHER}"#),
        r#""modifierExtension":"x""#.to_owned(),
        r#""modifierExtension":[null]"#.to_owned(),
        r#""modifierExtension":[{"url":"urn:known","valueBoolean":true,"valueString":"more"}]"#.to_owned(),
    ] {
        for item in [format!(r#"{{{modifier},"text":"gone"}}"#), format!(r#"{{"text":"gone",{modifier}}}"#)] {
            let out = left(&format!(r#""item":[{{"text":"kept"}},{item}]"#)).unwrap();
            assert_eq!(texts(&out), ["kept"], "{item}");
        }
    }
    let out = left(&format!(r#""item":[{{"text":"kept","deeper":{{"text":"gone","modifierExtension":[{OTHER}]}}}}]"#));
    assert_eq!(out.unwrap()["item"], serde_json::json!([{"text": "kept"}]));
}

#[test]
fn what_cannot_have_a_modifier_extension_and_has_one_goes_with_it() {
    let out = left(&format!(r#""plain":{{"text":"gone","modifierExtension":[{KNOWN}]}}"#)).unwrap();
    assert!(out.get("plain").is_none(), "{out}");
}

#[test]
fn a_required_element_that_goes_with_its_modifier_says_that_it_is_masked() {
    let out = left(&format!(r#""due":{{"text":"gone","modifierExtension":[{OTHER}]}}"#)).unwrap();
    let absent =
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}"#;
    assert_eq!(out["due"], serde_json::from_str::<serde_json::Value>(absent).unwrap());
}

#[test]
fn a_resource_does_not_leave_without_its_modifier_extension() {
    assert!(left(&format!(r#""modifierExtension":[{OTHER}]"#)).is_none());
    assert!(left(&format!(r#""modifierExtension":[{KNOWN}]"#)).is_some());
    let contained = |modifier: &str| {
        format!(r#""contained":[{{"resourceType":"Order","id":"c","modifierExtension":[{modifier}]}}]"#)
    };
    assert!(left(&contained(KNOWN)).unwrap().get("contained").is_some());
    assert!(left(&contained(OTHER)).unwrap().get("contained").is_none());
}

#[test]
fn what_goes_with_a_modifier_is_counted() {
    let setup = setup(1 << 20);
    let body = format!(r#"{{"resourceType":"Order","item":[{{"text":"a","modifierExtension":[{OTHER}]}}]}}"#);
    assert_eq!(setup.run(&[body.as_bytes()]).1.ok().unwrap().modified, 1);
    let body = format!(r#"{{"resourceType":"Order","modifierExtension":[{OTHER}]}}"#);
    let tally = setup.run(&[body.as_bytes()]).1.ok().unwrap();
    assert_eq!((tally.dropped, tally.dropped_modified, tally.released), (1, 1, 0));
}

#[test]
fn an_entry_of_a_bundle_goes_with_its_resource() {
    let root = tree(&[
        ("/resourceType", node(Meaning::Open)),
        ("/entry/*/fullUrl", of(CLEAR)),
        ("/entry/*/resource", Node { resource: true, ..Node::default() }),
    ]);
    let setup = Setup::new(Shape::FhirBundle, root, Some(types()), false);
    let order = |id: &str, rest: &str| {
        format!(r#"{{"fullUrl":"urn:{id}","resource":{{"resourceType":"Order","id":"{id}"{rest}}}}}"#)
    };
    let modified = order("b", &format!(r#","modifierExtension":[{OTHER}]"#));
    let on_entry = order("c", "").replacen('{', &format!(r#"{{"modifierExtension":[{OTHER}],"#), 1);
    let body = format!(r#"{{"resourceType":"Bundle","entry":[{modified},{},{on_entry}]}}"#, order("a", ""));
    let out: serde_json::Value = serde_json::from_str(&setup.text(&body)).unwrap();
    let entries = out["entry"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{out}");
    assert_eq!(entries[0]["resource"]["id"], "a");
}

/// Of what is too large to be held nobody knows ahead what a modifier extension turns round: nothing more leaves.
#[test]
fn a_modifier_extension_in_what_streams_ends_the_answer() {
    let setup = setup(60);
    let plain = format!(r#"{{"resourceType":"Order","item":[{{"text":"{}"}}]}}"#, "a".repeat(80));
    assert!(setup.run(&[plain.as_bytes()]).1.is_ok());
    let body = plain.replace(r#"{"text""#, &format!(r#"{{"modifierExtension":[{OTHER}],"text""#));
    let (out, end) = setup.run(&[body.as_bytes()]);
    assert_eq!(end.err(), Some(Fault::Modifier));
    assert!(!String::from_utf8(out).unwrap().contains("aaa"));
}

/// It is nothing of a primitive: its name has no shadow, whether the plan goes into it or not.
#[test]
fn a_required_element_that_goes_for_what_it_would_tell_besides_says_so_under_its_own_name() {
    let besides = Some(cat(WITHHELD));
    let parts = [("/text", of(CLEAR))];
    let required = |node: Node| Node { required: true, besides, ..node };
    let due = required((*tree(&parts)).clone());
    let list = required((*tree(&[("/*/text", of(CLEAR))])).clone());
    let codes = required((*tree(&[("/*", of(CLEAR))])).clone());
    let order =
        tree(&[("/id", of(CLEAR)), ("/due", due), ("/items", list), ("/codes", codes), ("/code", required(of(CLEAR)))]);
    let types = Types([("Order".into(), ResourceType { node: order, subjects: Subjects::NoOne })].into());
    let setup =
        Setup::with(Shape::FhirResource, Arc::new(Node::default()), Some(types), true, Limits::default(), release());
    let body =
        r#"{"resourceType":"Order","id":"o","due":{"text":"x"},"items":[{"text":"x"}],"codes":["x"],"code":"x"}"#;
    let out: serde_json::Value = serde_json::from_str(&setup.text(body)).unwrap();
    let absent = serde_json::json!({"extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]});
    assert_eq!((&out["due"], &out["_due"]), (&absent, &serde_json::Value::Null));
    assert_eq!((&out["items"], &out["_items"]), (&serde_json::json!([absent]), &serde_json::Value::Null));
    assert_eq!((&out["codes"], &out["_codes"]), (&serde_json::Value::Null, &serde_json::json!([absent])));
    assert_eq!((&out["code"], &out["_code"]), (&serde_json::Value::Null, &absent));
    assert!(!out.to_string().contains("\"x\""), "{out}");
}
