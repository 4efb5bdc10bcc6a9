//! Which requests are taken up, and as what.

use proptest::prelude::*;
use sekisho::catalogue::{BadTarget, Catalogue, Part, Resolved, SubjectAt, Unresolved};
use sekisho::policy::{Action, Categories};

use super::{set, small};

fn resolved<'c>(catalogue: &'c Catalogue, method: &str, path: &str, query: &str) -> Resolved<'c> {
    catalogue.resolve(method, path, Some(query)).unwrap_or_else(|why| panic!("{method} {path}?{query}: {why}"))
}

fn refused(catalogue: &Catalogue, method: &str, path: &str, query: &str) -> Unresolved {
    catalogue.resolve(method, path, Some(query)).err().unwrap_or_else(|| panic!("{method} {path}?{query} is taken up"))
}

#[test]
fn each_method_is_its_action_and_no_other_method_passes() {
    let catalogue = small();
    for (method, path, id, action) in [
        ("GET", "/donors", "donors", Action::Search),
        ("HEAD", "/donors", "donors", Action::Search),
        ("POST", "/donors", "donor-new", Action::Create),
        ("GET", "/donors/d-1", "donor", Action::Read),
        ("HEAD", "/donors/d-1", "donor", Action::Read),
        ("PUT", "/donors/d-1", "donor", Action::Update),
        ("PATCH", "/donors/d-1", "donor", Action::Update),
        ("DELETE", "/donors/d-1", "donor", Action::Delete),
        ("GET", "/donors/d-1/notes/7", "notes", Action::Read),
    ] {
        let found = resolved(&catalogue, method, path, "");
        assert_eq!((found.route.id(), found.action), (id, action), "{method} {path}");
    }
    for method in ["OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", "QUERY", ""] {
        let allow = "GET, HEAD, POST".to_owned();
        assert_eq!(refused(&catalogue, method, "/donors", ""), Unresolved::MethodNotAllowed { allow }, "{method}");
    }
    let allow = "DELETE, GET, HEAD, PATCH, PUT".to_owned();
    assert_eq!(refused(&catalogue, "POST", "/donors/d-1", ""), Unresolved::MethodNotAllowed { allow });
    for path in ["/", "/Donors", "/donors/d-1/x", "/donors/d-1/notes", "/admin", "/centers/c-1"] {
        assert_eq!(refused(&catalogue, "GET", path, ""), Unresolved::NotFound, "{path}");
    }
}

#[test]
fn a_subject_in_the_path_is_decoded_and_its_raw_place_told() {
    let catalogue = small();
    let path = "/donors/%E4%BD%90%E8%97%A4/notes/1";
    let SubjectAt::Target(named) = resolved(&catalogue, "GET", path, "").subject else { panic!("no subject") };
    assert_eq!((named.id.as_str(), named.part, &path[named.raw]), ("佐藤", Part::Path, "%E4%BD%90%E8%97%A4"));
}

#[test]
fn an_id_beside_the_subjects_is_told_too_for_it_may_be_a_pseudonym() {
    let catalogue = small();
    let path = "/donors/d-1/notes/n~1";
    let found = resolved(&catalogue, "GET", path, "");
    let [other] = found.ids.as_slice() else { panic!("{} ids", found.ids.len()) };
    assert_eq!((other.id.as_str(), &path[other.raw.clone()]), ("n~1", "n~1"));
    assert!(resolved(&catalogue, "GET", "/donors/d-1", "").ids.is_empty());
    for path in ["/donors/d-1/notes/a,b", "/donors/d-1/notes/%20"] {
        assert_eq!(refused(&catalogue, "GET", path, ""), Unresolved::BadTarget(BadTarget::SubjectId), "{path}");
    }
}

#[test]
fn where_the_subject_comes_from_is_told_for_every_kind_of_route() {
    let catalogue = small();
    for (method, path, query, wanted) in [
        ("GET", "/donors", "", SubjectAt::Entries),
        ("POST", "/donors", "", SubjectAt::Body),
        ("GET", "/me", "", SubjectAt::Caller),
        ("GET", "/centers", "", SubjectAt::NoOne),
        ("GET", "/statistics", "", SubjectAt::NoOne),
    ] {
        assert!(resolved(&catalogue, method, path, query).subject == wanted, "{method} {path}");
    }
    let query = "page=2&id=d%2D7";
    let SubjectAt::Target(named) = resolved(&catalogue, "GET", "/donors", query).subject else { panic!("no subject") };
    assert_eq!((named.id.as_str(), named.part, &query[named.raw]), ("d-7", Part::Query, "d%2D7"));
}

#[test]
fn a_request_that_has_to_name_its_subject_and_does_not_is_refused() {
    let catalogue = small();
    for method in ["GET", "HEAD", "DELETE"] {
        assert_eq!(refused(&catalogue, method, "/by-number", ""), Unresolved::BadTarget(BadTarget::SubjectMissing));
        assert!(matches!(resolved(&catalogue, method, "/by-number", "number=7").subject, SubjectAt::Target(_)));
    }
}

#[test]
fn a_search_is_charged_with_all_that_it_filters_and_sorts_on() {
    let catalogue = small();
    let asked = |query: &str| resolved(&catalogue, "GET", "/donors", query).query_categories;
    assert_eq!(asked("city=x&city=y"), set(&["contact.address"]));
    assert_eq!(asked("name=x&lang=ja&page=2"), set(&["identity.name"]));
    assert_eq!(asked("sort=-born,home.zip"), set(&["identity.birth-date", "contact.postal-code"]));
    assert_eq!(asked("sort=%2Bname"), set(&["identity.name"]));
    assert_eq!(asked("sort=status"), Categories::NONE);
    let all = resolved(&catalogue, "GET", "/donors", "").asked;
    assert_eq!(asked("q=x"), all, "a search in free text finds everything");
    assert_eq!(asked("sort=notes"), all);
    assert_eq!(asked("id=d-1"), Categories::NONE, "an id that names the subject");
}

#[test]
fn a_parameter_that_nobody_named_is_refused_and_never_dropped() {
    let catalogue = small();
    for (query, name) in [("_include=x", "_include"), ("name%5B%5D=x", "name[]"), ("Name=x", "Name"), ("=x", "")] {
        assert_eq!(refused(&catalogue, "GET", "/donors", query), Unresolved::UnknownParameter { name: name.into() });
    }
    let long = "あ".repeat(40);
    let Unresolved::UnknownParameter { name } = refused(&catalogue, "GET", "/donors", &"%E3%81%82".repeat(40)) else {
        panic!("taken up")
    };
    assert!(name.len() <= 64 && long.starts_with(&name));
    assert_eq!(
        refused(&catalogue, "GET", "/donors/d-1", "page=1"),
        Unresolved::UnknownParameter { name: "page".into() },
        "known elsewhere"
    );
}

#[test]
fn what_could_mean_two_things_is_refused() {
    let catalogue = small();
    for (query, why) in [
        ("page=1&page=2", BadTarget::Doubled),
        ("sort=name&sort=born", BadTarget::Doubled),
        ("lang=a&lang=b", BadTarget::Doubled),
        ("id=a&id=a", BadTarget::Doubled),
        ("id=a&donor=b", BadTarget::Doubled),
        ("id=a,b", BadTarget::SubjectId),
        ("id=a+b", BadTarget::SubjectId),
        ("id=", BadTarget::SubjectId),
        ("id=a%2Fb", BadTarget::SubjectId),
        ("id=..", BadTarget::SubjectId),
        ("sort=blood", BadTarget::SortField),
        ("sort=", BadTarget::SortField),
        ("sort=name,", BadTarget::SortField),
        ("sort=secret", BadTarget::SortField),
        ("sort=home", BadTarget::SortField),
        ("page=", BadTarget::Page),
        ("page=1%20or", BadTarget::Page),
        ("name=a;id=b", BadTarget::Semicolon),
        ("name=%2500", BadTarget::DoubleEncoding),
    ] {
        assert_eq!(refused(&catalogue, "GET", "/donors", query), Unresolved::BadTarget(why), "{query}");
    }
    assert_eq!(refused(&catalogue, "GET", "/donors/a,b", ""), Unresolved::BadTarget(BadTarget::SubjectId));
    assert_eq!(refused(&catalogue, "GET", "/donors/%20a", ""), Unresolved::BadTarget(BadTarget::SubjectId));
}

#[test]
fn what_is_asked_is_what_the_answer_or_the_body_can_carry() {
    let catalogue = small();
    let donor =
        set(&["identity.number", "identity.name", "identity.birth-date", "contact.address", "contact.postal-code"]);
    assert_eq!(resolved(&catalogue, "GET", "/donors/d-1", "").asked, donor);
    assert_eq!(resolved(&catalogue, "PUT", "/donors/d-1", "").asked, donor);
    assert_eq!(resolved(&catalogue, "DELETE", "/donors/d-1", "").asked, Categories::NONE);
    assert_eq!(resolved(&catalogue, "GET", "/donors/d-1/photo", "").asked, set(&["identity.image", "health.body"]));
    assert_eq!(resolved(&catalogue, "GET", "/statistics", "").asked, set(&["aggregate.statistics"]));
    for route in catalogue.routes() {
        assert_eq!(route.is_open(), route.id() == "centers", "{}", route.id());
    }
}

proptest! {
    /// Whatever the bytes, there is an answer; and a subject that is found is made of the bytes that go on.
    #[test]
    fn any_target_has_an_answer(method in "[A-Z]{0,7}", path in "/?(donors|me|[a-z%0-9./;é]{0,6})(/[ -~é]{0,12}){0,3}", query in "[ -~é]{0,40}") {
        let catalogue = shared();
        if let Ok(found) = catalogue.resolve(&method, &path, Some(&query))
            && let SubjectAt::Target(named) = found.subject
        {
            let whole = if named.part == Part::Path { &path } else { &query };
            let raw = whole.get(named.raw).expect("the place lies within");
            prop_assert_eq!(percent_encoding::percent_decode_str(raw).decode_utf8().expect("text"), named.id);
        }
    }

    /// An id that is encoded as one segment comes back as it was, or is refused.
    #[test]
    fn an_encoded_id_comes_back(id in "\\PC{1,40}") {
        let raw = percent_encoding::utf8_percent_encode(&id, PATH).to_string();
        let catalogue = shared();
        match catalogue.resolve("GET", &format!("/donors/{raw}"), None) {
            Ok(found) => {
                let SubjectAt::Target(named) = found.subject else { panic!("no subject") };
                prop_assert_eq!(named.id, id);
            }
            Err(Unresolved::BadTarget(_)) => prop_assert!(!sekisho::catalogue::is_subject_id(&id)),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

/// Read once: properties resolve many requests.
fn shared() -> &'static Catalogue {
    static SHARED: std::sync::OnceLock<Catalogue> = std::sync::OnceLock::new();
    SHARED.get_or_init(small)
}

const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where the gate remembers that one id leads to a record, another must not lead elsewhere.
#[test]
fn two_ids_after_one_path_lead_to_one_route() {
    let fhir = Catalogue::read([Catalogue::fhir_r4_source()], &super::vocabulary()).unwrap();
    for catalogue in [super::small(), fhir] {
        let steps = || catalogue.routes().iter().flat_map(|route| route.template().split('/'));
        let (mut alike, mut literal) = (0, 0);
        for route in catalogue.routes() {
            let (above, last) = route.template().rsplit_once('/').unwrap();
            let fill = |text: &str| {
                let filled = text.split('/').map(|step| if step.starts_with('{') { "7-a" } else { step });
                filled.collect::<Vec<_>>().join("/")
            };
            let above = fill(above);
            for id in steps().filter(|step| !step.starts_with('{')).chain([last]).map(fill) {
                let (path, other) = (format!("{above}/{id}"), format!("{above}/Zz-9"));
                let Some(head) = catalogue.head_of_id(&path) else {
                    literal += 1;
                    continue;
                };
                assert_eq!(catalogue.head_of_id(&other), Some(head), "{path}");
                let route =
                    |path: &str| catalogue.resolve("GET", path, None).map(|found| found.route.template().to_owned());
                assert_eq!(route(&path), route(&other), "{path}");
                alike += usize::from(route(&path).is_ok());
            }
        }
        assert!(alike > 0 && literal > 0, "{alike}, {literal}");
    }
}
