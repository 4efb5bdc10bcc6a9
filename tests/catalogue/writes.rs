//! What a body carries.

use sekisho::catalogue::body::{Carried, carried, categories_at};
use sekisho::catalogue::{Catalogue, Pointer};
use sekisho::policy::{Categories, Source, Vocabulary};
use serde_json::{Value, json};

use super::{set, small};

fn of(catalogue: &Catalogue, body: &Value) -> Carried {
    let route = catalogue.resolve("PUT", "/donors/d-1", None).unwrap_or_else(|why| panic!("{why}")).route;
    carried(route.body(), catalogue.types(), route.everything(), body)
}

#[test]
fn what_is_nobodys_data_takes_no_member_that_nobody_named() {
    let catalogue = small();
    for plain in [json!({"status": "active"}), json!({"status": ["a", null]})] {
        assert_eq!(of(&catalogue, &plain), Carried::default());
    }
    for (hidden, place) in [
        (json!({"status": {"name": "Taro"}}), "/status/name"),
        (json!({"status": [{"by": {"name": "Taro"}}]}), "/status/*/by/name"),
    ] {
        assert_eq!(of(&catalogue, &hidden).unclassified, [place]);
    }
}

#[test]
fn a_body_carries_what_is_present_and_nothing_else() {
    let catalogue = small();
    let found = of(&catalogue, &json!({"id": "d-1", "home": {"city": "Minato"}, "status": "active"}));
    assert_eq!(found.categories, set(&["identity.number", "contact.address"]));
    assert!(found.unclassified.is_empty());
    let everything = of(&catalogue, &json!({"notes": "x"}));
    assert!(everything.categories.covers(set(&["identity.name", "contact.address", "identity.birth-date"])));
}

#[test]
fn a_member_that_is_emptied_counts_as_written() {
    let catalogue = small();
    for body in [json!({"home": null}), json!({"home": {}}), json!({"home": []})] {
        let found = of(&catalogue, &body);
        assert_eq!(found.categories, set(&["contact.address", "contact.postal-code"]), "{body}");
        assert!(found.unclassified.is_empty(), "{body}");
    }
    assert_eq!(of(&catalogue, &json!({"name": null})).categories, set(&["identity.name"]));
}

#[test]
fn what_no_one_named_or_may_send_is_unclassified() {
    let catalogue = small();
    for (body, place) in [
        (json!({"legacy_code": 1}), "/legacy_code"),
        (json!({"home": {"floor": 3}}), "/home/floor"),
        (json!({"home": "x"}), "/home"),
        (json!({"secret": "x"}), "/secret"),
        (json!({"a/b": null}), "/a~1b"),
        (json!({"x": {"y": []}}), "/x/y"),
        (json!([{"name": 1}]), "/*/name"),
        (json!("x"), ""),
    ] {
        let found = of(&catalogue, &body);
        assert_eq!(found.unclassified, [place], "{body}");
        assert!(found.unclassified_count == 1 && found.categories.is_empty(), "{body}");
    }
}

#[test]
fn the_list_of_unclassified_places_is_bounded() {
    let catalogue = small();
    let body: Value =
        (0..100).map(|n| (format!("x{n}\n{}", "é".repeat(200)), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let found = of(&catalogue, &body);
    assert_eq!((found.unclassified.len(), found.unclassified_count), (16, 100));
    assert!(found.unclassified.iter().all(|place| place.len() <= 128 && !place.contains('\n')));
}

#[test]
fn a_patch_of_a_container_that_may_hold_unnamed_members_is_refused() {
    let catalogue = small();
    let route = catalogue.routes().iter().find(|route| route.id() == "donor").expect("a route");
    let at = |place: &str| categories_at(route.body(), route.everything(), &Pointer::parse(place).expect("a pointer"));
    assert_eq!(at("/home/city"), Some(set(&["contact.address"])));
    assert_eq!(at("/status"), Some(Categories::NONE));
    assert_eq!(at("/notes"), Some(route.everything()));
    for place in ["/home", "", "/legacy_code", "/secret", "/home/floor"] {
        assert_eq!(at(place), None, "{place}");
    }
}

#[test]
fn the_subject_of_a_body_is_where_the_route_says() {
    let catalogue = small();
    let path = catalogue.resolve("POST", "/donors", None).ok().and_then(|found| found.route.body_subject().cloned());
    let path = path.expect("a place");
    assert_eq!(path.find(&json!({"id": "d-9"})), Some("d-9".to_owned()));
    assert_eq!(path.find(&json!({"id": ["d-9"]})), None);
    assert_eq!(path.find(&json!({})), None);
}

/// Each request of such a route would fail, the first of them in production.
#[test]
fn a_write_beneath_a_person_that_could_never_be_looked_at_does_not_load() {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let route = |id: &str, path: &str, methods: &str, more: &str| {
        format!(
            "[[route]]\nid = \"{id}\"\npath = \"{path}\"\nmethods = {methods}\nfields = {{ \"/of\" = \"identity.number\", \"/phone\" = \"contact.phone\" }}\n{more}\n"
        )
    };
    let load = |routes: &[String]| {
        let text = format!("surface = \"rest\"\nsubject-class = \"patient\"\n{}", routes.concat());
        Catalogue::read([Source::new("catalogue.toml", text)], &vocabulary)
    };
    let (beneath, told) = ("/p/{id}/n/{note}", "shape = \"object\"\nsubject = { path = \"id\", entry = \"/of\" }");
    let in_body = "shape = \"object\"\nsubject = { path = \"id\", body = \"/of\" }";
    let own = "shape = \"object\"\nsubject = \"caller\"";
    let all = "{ PUT = \"update\", PATCH = \"update\", DELETE = \"delete\" }";
    for (methods, more) in [
        (all, told),
        (all, in_body),
        ("{ PUT = \"create\" }", in_body),
        ("{ POST = \"update\" }", told),
        ("{ DELETE = \"delete\" }", told),
    ] {
        let faults = load(&[route("unread", beneath, methods, more)]).err().expect(methods);
        let told = faults.0.iter().map(ToString::to_string).collect::<String>();
        assert_eq!(faults.0.len(), 1, "{methods}: {told}");
        assert!(told.contains("`unread`") && told.contains(beneath) && told.contains("GET = \"read\""), "{told}");
        let read = |shape: &str| {
            let more = format!("shape = \"{shape}\"\nsubject = {{ path = \"id\" }}");
            route("read", "/p/{person}/n/{its}", "{ GET = \"read\" }", &more.replace("\"id\"", "\"person\""))
        };
        let with = [route("unread", beneath, methods, more), read("object")];
        assert!(load(&with).is_ok(), "{methods}: another route reads it");
        let lines = [route("unread", beneath, methods, more), read("lines")];
        assert!(load(&lines).is_err(), "{methods}: lines are no one record");
    }
    for (path, methods, more) in [
        (beneath, "{ GET = \"read\", PUT = \"update\" }", told),
        (beneath, "{ POST = \"create\" }", in_body),
        (beneath, all, "shape = \"object\"\nsubject = { path = \"id\" }"), // nothing says whose it is
        ("/p/{id}", all, told),
        ("/me/n", all, own),
    ] {
        let loaded = load(&[route("r", path, methods, more)]);
        assert!(loaded.is_ok(), "{path} {methods} {more}");
    }
}

#[test]
fn a_route_that_merges_what_nobody_can_read_does_not_load() {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let load = |methods: &str, shape: &str, write: &str| {
        let text = format!(
            "surface = \"rest\"\nsubject-class = \"patient\"\n[[route]]\nid = \"r\"\npath = \"/r/{{id}}\"\nmethods = {methods}\nshape = \"{shape}\"\n\
             fields = {{ \"/phone\" = \"contact.phone\" }}\nsubject = {{ path = \"id\" }}\nwrite = \"{write}\"\n"
        );
        Catalogue::read([Source::new("catalogue.toml", text)], &vocabulary).is_ok()
    };
    assert!(load("{ GET = \"read\", PUT = \"update\" }", "object", "merge"));
    assert!(load("{ GET = \"read\" }", "object", "refuse"));
    for (methods, write) in [
        ("{ PUT = \"update\" }", "merge"),
        ("{ GET = \"read\" }", "merge"),
        ("{ GET = \"read\", PATCH = \"update\" }", "merge"),
        ("{ GET = \"read\", PUT = \"create\" }", "merge"),
        ("{ GET = \"read\", PUT = \"update\" }", "join"),
    ] {
        assert!(!load(methods, "object", write), "{methods} {write}");
    }
}
