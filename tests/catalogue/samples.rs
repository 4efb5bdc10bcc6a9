//! The five organisations' catalogues against the APIs that speak them.

use std::collections::{BTreeMap, BTreeSet};

use sekisho::catalogue::fields::Meaning;
use sekisho::catalogue::{Catalogue, Pointer, Route, Shape, SubjectAt, categories_of, lookup};
use sekisho::demo::sample::{Field, Kind, Org, Sample};
use sekisho::policy::{Action, Categories, Vocabulary};
use serde_json::{Value, json};

use super::{read, vocabulary};

fn catalogue(org: Org) -> Catalogue {
    read(org.catalogue()).unwrap_or_else(|faults| panic!("{}:\n{faults}", org.id()))
}

/// A request path of the route: the first record's ids for the variable segments.
fn path_of(sample: &Sample, route: &Route) -> String {
    let mut path = String::new();
    let mut collection = String::new();
    for step in route.template().split('/').skip(1) {
        path.push('/');
        if !step.starts_with('{') {
            collection = step.to_owned();
            path.push_str(step);
            continue;
        }
        let ids = sample.ids(&collection);
        path.push_str(ids.first().unwrap_or_else(|| panic!("no record of {collection}")));
    }
    path
}

/// The entries of a body, as the route says.
fn entries(route: &Route, body: &[u8]) -> Vec<Value> {
    if route.shape() == Shape::Lines {
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        return lines.map(|line| serde_json::from_slice(line).expect("a line of json")).collect();
    }
    let document: Value = serde_json::from_slice(body).expect("json");
    let steps: Vec<&str> = route.entries().steps().collect();
    match steps.split_last() {
        None => vec![document],
        Some((_, above)) => {
            let array = above.iter().fold(&document, |value, step| &value[*step]);
            array.as_array().expect("an array of entries").clone()
        }
    }
}

/// Every scalar with its pointer.
fn leaves(value: &Value, path: &mut String, found: &mut Vec<(String, Value)>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, inner)| (name.clone(), inner)).collect(),
        Value::Array(items) => items.iter().map(|inner| ("0".to_owned(), inner)).collect(),
        scalar => return found.push((path.clone(), scalar.clone())),
    };
    for (name, inner) in inner {
        let length = path.len();
        path.push('/');
        path.push_str(&name);
        leaves(inner, path, found);
        path.truncate(length);
    }
}

fn named(vocabulary: &Vocabulary, meaning: Option<Meaning>) -> &str {
    match meaning {
        Some(Meaning::Category(category)) => vocabulary.name(category),
        Some(Meaning::Everything) => "free-text",
        Some(Meaning::Open) => "open",
        Some(Meaning::Count) => "count",
        Some(Meaning::Link) => "link",
        Some(Meaning::Never) => "never",
        None => "unnamed",
    }
}

/// What the catalogue says of a place.
fn said<'v>(vocabulary: &'v Vocabulary, route: &Route, place: &str) -> &'v str {
    let found = lookup(route.root(), &Pointer::parse(place).expect("a pointer"));
    named(vocabulary, found.and_then(|(_, meaning)| meaning))
}

#[test]
fn every_route_of_every_catalogue_is_answered_and_names_its_subjects() {
    for org in Org::ALL {
        let (catalogue, sample) = (catalogue(org), Sample::new(org, 7));
        for route in catalogue.routes() {
            if !route.methods().any(|(method, _)| method == "GET") {
                continue;
            }
            let path = path_of(&sample, route);
            let found = catalogue.resolve("GET", &path, None).unwrap_or_else(|why| panic!("{path}: {why}"));
            assert_eq!(found.route.id(), route.id());
            let answer = sample.respond("GET", &path, None, b"");
            assert_eq!(answer.status, 200, "{} {path}", org.id());
            if route.shape() == Shape::Opaque {
                assert_eq!(answer.content_type, "image/png");
                continue;
            }
            let entries = entries(route, &answer.body);
            assert!(!entries.is_empty(), "{} {path}", org.id());
            let Some(subject) = route.entry_subject() else { continue };
            for entry in &entries {
                let id = subject.find(entry).unwrap_or_else(|| panic!("{} {path}: no subject", org.id()));
                if let SubjectAt::Target(named) = &found.subject {
                    assert_eq!(id, named.id, "{path}: another person's record");
                }
            }
        }
    }
}

#[test]
fn every_member_that_a_sample_emits_is_named_or_meant_not_to_be() {
    let vocabulary = vocabulary();
    let mut unnamed = BTreeSet::new();
    for org in Org::ALL {
        let (catalogue, canaries) = (catalogue(org), Sample::canaries(org, 7));
        for route in catalogue.routes().iter().filter(|route| route.shape() != Shape::Opaque) {
            if !route.methods().any(|(method, _)| method == "GET") {
                continue;
            }
            let answer = canaries.sample.respond("GET", &path_of(&canaries.sample, route), None, b"");
            let lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            for line in lines.take(30) {
                let mut found = Vec::new();
                leaves(&serde_json::from_slice(line).expect("json"), &mut String::new(), &mut found);
                for (place, value) in found {
                    let said = said(&vocabulary, route, &place);
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let label = match canaries.values.get(&text) {
                        Some(label) => *label,
                        None if said == "aggregate.statistics" => continue,
                        None => {
                            assert!(["count", "link", "open"].contains(&said), "{} {}: {place}", org.id(), route.id());
                            continue;
                        }
                    };
                    if label == "unnamed" {
                        unnamed.insert(format!("{} {}", org.id(), place.rsplit('/').next().expect("a member")));
                    }
                    assert!(
                        said == label || said == "aggregate.statistics",
                        "{} {}{place}: {said}, {label}",
                        org.id(),
                        route.id()
                    );
                }
            }
        }
    }
    let wanted = [
        "22cemit legacy_code",
        "22cemit partner_code",
        "22cemit referrer_code",
        "cellspect born",
        "cellspect device_code",
        "cellspect legacy_code",
        "cellspect name",
        "cellspect phone",
        "cellspect referrer_code",
        "jmdp legacy_code",
        "jmdp referrer_code",
        "jmdp tube_code",
        "jsco legacy_code",
        "jsco referrer_code",
        "sakura ledger_code",
        "sakura legacy_code",
        "sakura referrer_code",
        "sakura reviewer_code",
        "sakura room_code",
    ];
    assert_eq!(unnamed.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}

#[test]
fn every_category_occurs_somewhere() {
    let vocabulary = vocabulary();
    let of_org = |org: Org| {
        let catalogue = catalogue(org);
        catalogue.routes().iter().fold(Categories::NONE, |set, route| set.or(route.categories()))
    };
    let all = Org::ALL.into_iter().map(of_org).fold(Categories::NONE, Categories::or);
    let missing: Vec<&str> = vocabulary.all().without(all).iter().map(|category| vocabulary.name(category)).collect();
    assert_eq!(missing, ["record.provision"], "that one is served from the log");
    let withheld = ["identity.my-number", "identity.credential"].map(|name| vocabulary.category(name).expect("a leaf"));
    for org in Org::ALL {
        assert!(of_org(org).covers(withheld.into_iter().collect()), "{}", org.id());
    }
}

#[test]
fn a_canary_names_one_place_of_one_record() {
    for org in Org::ALL {
        let canaries = Sample::canaries(org, 3);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for kind in org.kinds().iter().filter(|kind| kind.export) {
            let body = canaries.sample.respond("GET", &format!("/export/{}", kind.collection), None, b"").body;
            for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let mut found = Vec::new();
                leaves(&serde_json::from_slice(line).expect("json"), &mut String::new(), &mut found);
                for (_, value) in found {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    *seen.entry(text).or_default() += 1;
                }
            }
        }
        for (value, times) in seen {
            let label = canaries.values.get(&value).unwrap_or_else(|| panic!("{}: `{value}` is no canary", org.id()));
            assert!(times == 1 || *label == "identity.number", "{}: `{value}` occurs {times} times", org.id());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_other_people() {
    for org in Org::ALL {
        let list = |seed| Sample::new(org, seed).respond("GET", "/users", None, b"").body;
        assert!(list(1) == list(1) && list(1) != list(2), "{}", org.id());
    }
}

#[test]
fn all_prefectures_are_lived_in() {
    let sample = Sample::new(Org::Jmdp, 1);
    let body = sample.respond("GET", "/statistics/donors-by-prefecture", None, b"").body;
    let cells: Value = serde_json::from_slice(&body).expect("json");
    let cells = cells["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 47);
    let small = cells.iter().filter(|cell| cell["persons"].as_u64() < Some(10)).count();
    assert!(small > 0 && small < 47, "some cells are too small to show, some are not: {small}");
}

#[test]
fn lists_page_filter_and_sort() {
    let sample = Sample::new(Org::Jmdp, 1);
    let get = |query: &str| -> Value {
        let answer = sample.respond("GET", "/donors", Some(query), b"");
        assert_eq!(answer.status, 200);
        serde_json::from_slice(&answer.body).expect("json")
    };
    let first = get("size=50&sort=-born");
    let born: Vec<&str> = first["items"].as_array().expect("items").iter().filter_map(|d| d["born"].as_str()).collect();
    assert!(born.len() == 50 && born.is_sorted_by(|a, b| a >= b));
    assert_eq!(first["next"], json!("/donors?size=50&sort=-born&page=2"));
    assert_eq!(get("size=200&page=2")["next"], Value::Null);
    let okinawa = get("prefecture=%E6%B2%96%E7%B8%84%E7%9C%8C");
    let items = okinawa["items"].as_array().expect("items");
    assert!(!items.is_empty() && items.iter().all(|donor| donor["address"]["prefecture"] == "沖縄県"));
    assert_eq!(get("id=d-0003")["total"], 1);
}

#[test]
fn writes_change_what_is_read_next() {
    let sample = Sample::new(Org::Jmdp, 1);
    let send = |method: &str, path: &str, body: &str| sample.respond(method, path, None, body.as_bytes()).status;
    assert_eq!(send("POST", "/donors", r#"{"id":"d-9999","gender":"female"}"#), 201);
    assert_eq!(send("POST", "/donors", r#"{"id":"d-9999"}"#), 409);
    assert_eq!(send("PATCH", "/donors/d-9999", r#"{"gender":null,"status":"paused"}"#), 200);
    let read =
        |path: &str| serde_json::from_slice::<Value>(&sample.respond("GET", path, None, b"").body).expect("json");
    assert_eq!(read("/donors/d-9999"), json!({"id": "d-9999", "status": "paused"}));
    assert_eq!(send("PUT", "/donors/d-9999", r#"{"status":"active"}"#), 200);
    assert_eq!(send("POST", "/donors/d-9999/exams", r#"{"item":"LDL","donor_id":"d-0001"}"#), 201);
    assert_eq!(read("/donors/d-9999/exams")["items"][0]["donor_id"], "d-9999");
    assert_eq!(send("DELETE", "/donors/d-9999", ""), 204);
    for (method, path, status) in [
        ("GET", "/donors/d-9999", 404),
        ("GET", "/donors/d-9999/exams", 404),
        ("GET", "/donors/d-0001/exams/x-0002-1", 404),
        ("DELETE", "/donors/d-0001/exams/x-0001-1", 405),
        ("PUT", "/donors", 405),
        ("GET", "/nothing", 404),
        ("GET", "/export/users", 404),
        ("POST", "/donors", 400),
    ] {
        assert_eq!(send(method, path, "[]"), status, "{method} {path}");
    }
}

#[test]
fn methods_of_the_catalogue_are_those_that_the_sample_takes() {
    for org in Org::ALL {
        let catalogue = catalogue(org);
        for kind in org.kinds().iter().filter(|kind| kind.dataset.is_none()) {
            let id = kind.collection;
            let declared: BTreeSet<&str> = catalogue
                .routes()
                .iter()
                .filter(|route| {
                    [id.to_owned(), format!("{id}.new"), format!("{id}.one")].contains(&route.id().to_owned())
                })
                .flat_map(|route| route.methods().map(|(method, _)| method))
                .filter(|method| *method != "GET")
                .collect();
            assert_eq!(declared, kind.writes.iter().copied().collect(), "{} {id}", org.id());
            for (name, member) in kind.filters {
                check_filter(org, &catalogue, kind, name, member);
            }
        }
    }
}

/// A filter is charged with the category of the member it compares with.
fn check_filter(org: Org, catalogue: &Catalogue, kind: &Kind, name: &str, member: &str) {
    let vocabulary = vocabulary();
    let path = match kind.parent {
        Some((parent, _)) => format!("/{parent}/x-1/{}", kind.collection),
        None => format!("/{}", kind.collection),
    };
    let query = format!("{name}=x-1");
    let found =
        catalogue.resolve("GET", &path, Some(&query)).unwrap_or_else(|why| panic!("{} {path}: {why}", org.id()));
    let Field { label, .. } = kind.fields.iter().find(|field| field.path == member).expect("a member");
    let wanted = if name == "id" { Categories::NONE } else { vocabulary.category(label).expect("a leaf").only() };
    assert!(found.query_categories == wanted && found.action == Action::Search, "{} {path}?{query}", org.id());
}

#[test]
fn a_certified_dataset_names_its_published_items_and_no_more() {
    let catalogue = catalogue(Org::Cellspect);
    let route = catalogue.resolve("GET", "/platform/dataset", None).unwrap_or_else(|why| panic!("{why}")).route;
    let certified = route.certified().expect("a certificate");
    assert_eq!(certified.items, categories_of(route.root(), Categories::NONE));
    assert!(certified.dataset.name() == "anonymised" && !certified.publication.is_empty());
}
