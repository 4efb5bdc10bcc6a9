//! The FHIR surface that is compiled in.

use sekisho::catalogue::body::carried;
use sekisho::catalogue::fields::Meaning;
use sekisho::catalogue::{
    BadTarget, Catalogue, ParameterFault, Part, Pointer, SearchKind, Shape, SubjectAt, Unresolved, lookup,
};
use sekisho::policy::{Action, Source};
use serde_json::json;

use super::{set, vocabulary};

pub(super) fn fhir() -> Catalogue {
    Catalogue::read([Catalogue::fhir_r4_source()], &vocabulary()).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn what_is_no_route_is_none() {
    let catalogue = fhir();
    for (path, id, action, shape) in [
        ("/Patient/p-1", "fhir.Patient.read", Action::Read, Shape::Object),
        ("/Observation", "fhir.Observation.search", Action::Search, Shape::List),
        ("/Observation/_search", "fhir.Observation.search-form", Action::Search, Shape::List),
        ("/Patient/p-1/_history/3", "fhir.Patient.vread", Action::Read, Shape::Object),
        ("/Condition/c-1/_history", "fhir.Condition.history", Action::Read, Shape::List),
        ("/Patient/p-1/$everything", "fhir.Patient.everything", Action::Read, Shape::List),
        ("/metadata", "fhir.CapabilityStatement", Action::Read, Shape::Object),
    ] {
        let method = if path.ends_with("_search") { "POST" } else { "GET" };
        let found = catalogue.resolve(method, path, None).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((found.route.id(), found.action, found.route.shape()), (id, action, shape));
    }
    for path in [
        "/",
        "/Parameters/p-1",
        "/Nonsense/n-1",
        "/$export",
        "/_history",
        "/Patient/$match/x",
        "/Patient/$everything",
        "/Patient/_history",
        "/Condition/c-1/$everything",
        "/Patient/p-1/$validate",
        "/Patient/p-1/_history/1/x",
        "/$graphql",
        "/Patient/p-1/$graphql",
        "/Patient/p-1/Condition",
        "/Bundle",
        "/OperationOutcome/x",
    ] {
        assert!(catalogue.resolve("GET", path, None).is_err(), "{path}");
    }
    for (method, path, allow) in [
        ("POST", "/Patient", "GET, HEAD"),
        ("PUT", "/Condition", "GET, HEAD, POST"),
        ("POST", "/Condition/c-1", "DELETE, GET, HEAD, PATCH, PUT"),
        ("PUT", "/Condition/c-1/_history/1", "GET, HEAD"),
        ("POST", "/Patient/p-1/$everything", "GET, HEAD"),
        ("GET", "/Condition/_search", "POST"),
    ] {
        let allow = allow.to_owned();
        assert_eq!(catalogue.resolve(method, path, None).err(), Some(Unresolved::MethodNotAllowed { allow }), "{path}");
    }
}

#[test]
fn the_subject_is_found_in_every_spelling_and_its_raw_id_told() {
    let catalogue = fhir();
    for query in ["patient=p-1", "subject=Patient/p-1", "subject=Patient%2Fp-1", "patient=Patient%2fp-1&_count=5"] {
        let found = catalogue.resolve("GET", "/Condition", Some(query)).unwrap_or_else(|why| panic!("{why}"));
        let SubjectAt::Target(named) = found.subject else { panic!("{query}: no subject") };
        assert_eq!((named.id.as_str(), named.part, &query[named.raw]), ("p-1", Part::Query, "p-1"), "{query}");
        assert!(found.query_categories.is_empty(), "{query}");
    }
    let found = catalogue.resolve("GET", "/Patient", Some("_id=p-1")).unwrap_or_else(|why| panic!("{why}"));
    assert!(matches!(found.subject, SubjectAt::Target(_)));
    let found = catalogue.resolve("GET", "/Condition", None).unwrap_or_else(|why| panic!("{why}"));
    assert!(found.subject == SubjectAt::Entries);
    let entry = found.route.entry_subject().expect("a place");
    let bundle = serde_json::json!({"resource": {"subject": {"reference": "Patient/p-7"}}});
    assert_eq!(entry.find(&bundle), Some("p-7".to_owned()));
}

#[test]
fn json_may_be_asked_for_in_every_spelling() {
    let catalogue = fhir();
    for query in ["_format=json", "_format=application/fhir+json", "_format=application%2Ffhir%2Bjson"] {
        assert!(catalogue.resolve("GET", "/Patient/p-1", Some(query)).is_ok(), "{query}");
    }
    for format in ["xml", "html/json", "ttl", "", "text/html", "JSON"] {
        let query = format!("_format={format}");
        let why = Unresolved::Parameter { name: "_format".into(), why: ParameterFault::Value };
        assert_eq!(catalogue.resolve("GET", "/Patient", Some(&query)).err(), Some(why), "{query}");
    }
}

#[test]
fn what_could_name_another_patient_is_refused() {
    let catalogue = fhir();
    for (query, why) in [
        ("patient=a&subject=b", BadTarget::Doubled),
        ("patient=a&patient=b", BadTarget::Doubled),
        ("patient=a,b", BadTarget::SubjectId),
        ("subject=Group/a", BadTarget::SubjectId),
        ("subject=https://x/Patient/a", BadTarget::SubjectId),
        ("subject=Patient/Patient/a", BadTarget::SubjectId),
        ("patient=Patient/%61", BadTarget::NeedlessEncoding),
    ] {
        assert_eq!(
            catalogue.resolve("GET", "/Condition", Some(query)).err(),
            Some(Unresolved::BadTarget(why)),
            "{query}"
        );
    }
    for path in ["/Patient/a%20b", "/Patient/a_b", "/Condition/a,b", "/Condition/$x"] {
        assert_eq!(
            catalogue.resolve("GET", path, None).err(),
            Some(Unresolved::BadTarget(BadTarget::SubjectId)),
            "{path}"
        );
    }
}

#[test]
fn a_search_is_charged_with_what_it_finds_out() {
    let catalogue = fhir();
    let asked = |path: &str, query: &str| {
        catalogue.resolve("GET", path, Some(query)).unwrap_or_else(|why| panic!("{why}")).query_categories
    };
    assert_eq!(asked("/Patient", "family=x&birthdate=ge1980"), set(&["identity.name", "identity.birth-date"]));
    assert_eq!(
        asked("/Observation", "code=http://loinc.org|1-8&_sort=-date"),
        set(&["health.exam-result", "health.exam-event"])
    );
    assert_eq!(asked("/Observation", "_id=o-1"), set(&["identity.number"]));
}

#[test]
fn a_search_parameter_tells_its_kind_and_what_a_match_finds_out() {
    let catalogue = fhir();
    let of = |kind: &str, name: &str| catalogue.search_parameter(kind, name).unwrap_or_else(|| panic!("{kind} {name}"));
    assert_eq!(of("Patient", "birthdate").kind, SearchKind::Date);
    assert_eq!(of("Patient", "birthdate").categories, set(&["identity.birth-date"]));
    let encounter = of("Condition", "encounter");
    assert_eq!(
        (encounter.kind, encounter.targets.as_slice()),
        (SearchKind::Reference, ["Encounter".into()].as_slice())
    );
    assert!(!encounter.subject && of("Condition", "patient").subject && of("Patient", "_id").subject);
    assert!(catalogue.search_parameter("Condition", "nonsense").is_none());
    assert!(catalogue.search_parameter("Nonsense", "code").is_none());
    assert!(catalogue.search_parameters("Patient").any(|(name, _)| name == "family"));
}

#[test]
fn elements_mean_what_the_policy_says() {
    let catalogue = fhir();
    let vocabulary = vocabulary();
    for (kind, place, category) in [
        ("Patient", "/name/0/family", "identity.name"),
        ("Patient", "/identifier/0/value", "identity.number"),
        ("Patient", "/birthDate", "identity.birth-date"),
        ("Patient", "/address/0/line/0", "contact.address"),
        ("Patient", "/address/0/postalCode", "contact.postal-code"),
        ("Patient", "/contact/0/name/family", "social.family"),
        ("Observation", "/valueQuantity/value", "health.exam-result"),
        ("Observation", "/effectiveDateTime", "health.exam-event"),
        ("Observation", "/component/0/code/coding/0/code", "health.exam-result"),
        ("Condition", "/code/coding/0/code", "health.condition"),
        ("Condition", "/subject/reference", "identity.number"),
        ("Condition", "/subject/display", "identity.name"),
        ("Encounter", "/period/start", "health.encounter"),
        ("Coverage", "/payor/0/reference", "identity.number"),
        ("Claim", "/total/value", "finance.billing"),
        ("Claim", "/item/0/productOrService/text", "insurance.claim"),
        ("MedicationRequest", "/medicationCodeableConcept/coding/0/display", "health.prescription"),
    ] {
        let node = &catalogue.types().get(kind).expect(kind).node;
        let (_, meaning) = lookup(node, &Pointer::parse(place).expect("a pointer")).expect(place);
        assert_eq!(meaning, vocabulary.category(category).map(Meaning::Category), "{kind}{place}");
    }
    for (kind, place) in [
        ("Patient", "/nonsense"),
        ("Patient", "/name/0/nonsense"),
        ("Condition", "/valueString"),
        ("Observation", "/value"),
        ("ResearchStudy", "/whyStopped"), // of a later version of the standard
    ] {
        let node = &catalogue.types().get(kind).expect(kind).node;
        assert!(lookup(node, &Pointer::parse(place).expect("a pointer")).is_none(), "{kind}{place}");
    }
    let patient = &catalogue.types().get("Patient").expect("a type").node;
    let (_, meaning) = lookup(patient, &Pointer::parse("/text").expect("a pointer")).expect("narrative");
    assert_eq!(meaning, Some(Meaning::Everything));
    let status = lookup(
        &catalogue.types().get("Observation").expect("a type").node,
        &Pointer::parse("/status").expect("a pointer"),
    );
    assert!(status.expect("an element").0.required);
}

#[test]
fn a_resource_within_a_resource_is_judged_by_its_own_type() {
    let catalogue = fhir();
    let everything = set(&["identity.name"]);
    let bundle = catalogue.resolve("GET", "/Condition", None).unwrap_or_else(|why| panic!("{why}")).route.root();
    let of = |resource: serde_json::Value| {
        let body = json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}]});
        carried(bundle, catalogue.types(), everything, &body)
    };
    let found = of(json!({"resourceType": "Condition", "code": {"text": "x"}, "contained": [
        {"resourceType": "Patient", "gender": "female"},
    ]}));
    assert_eq!((found.categories, found.unclassified_count), (set(&["health.condition", "identity.gender"]), 0));
    for stranger in [json!({"resourceType": "Nonsense", "data": "x"}), json!({"code": 1}), json!("x"), json!(null)] {
        assert_eq!(of(stranger.clone()).unclassified, ["/entry/*/resource"], "{stranger}");
    }
}

#[test]
fn only_one_type_can_answer_a_route() {
    let catalogue = fhir();
    for route in catalogue.routes().iter().filter(|route| route.id() != "fhir.CapabilityStatement") {
        let kind = route.resource_type().expect("a type");
        assert_eq!(route.template().split('/').nth(1), Some(kind));
        assert!(catalogue.types().contains_key(kind) && route.is_fhir() && !route.is_open(), "{kind}");
        assert_eq!(route.entry_subject().is_none(), route.is_of_no_one(), "{kind}");
        assert_eq!(route.subject_class(), (!route.is_of_no_one()).then_some("patient"), "{kind}");
    }
    let metadata = catalogue.resolve("GET", "/metadata", Some("_format=json")).unwrap_or_else(|why| panic!("{why}"));
    assert!(metadata.route.is_open());
}

#[test]
fn a_surface_beside_rest_routes_is_one_api() {
    let sources = [Source::new("catalogue.toml", super::SMALL), Catalogue::fhir_r4_source()];
    let catalogue = Catalogue::read(sources, &vocabulary()).unwrap_or_else(|faults| panic!("{faults}"));
    for path in ["/donors/d-1", "/Patient/p-1"] {
        assert!(catalogue.resolve("GET", path, None).is_ok(), "{path}");
    }
    let twice = [Catalogue::fhir_r4_source(), Catalogue::fhir_r4_source()];
    assert!(Catalogue::read(twice, &vocabulary()).is_err());
}

#[test]
fn mistakes_in_a_fhir_document_are_told_at_their_place() {
    let text = Catalogue::fhir_r4_source().text;
    for (from, to, offending, message) in [
        ("identity.name HumanName", "identity.name HumanNam", "HumanNam", "did you mean `HumanName`"),
        ("category = \"health.condition\"", "category = \"health.conditon\"", "\"health.conditon\"", "did you mean"),
        ("subject = \"/subject/reference\"", "subject = \"/subjct/reference\"", "\"/subjct/reference\"", "no element"),
        ("code = \"token code\"", "\"code:in\" = \"token code\"", "\"code:in\"", "no modifiers"),
        ("code = \"token code\"", "code = \"tokn code\"", "tokn", "did you mean `token`"),
        ("code = \"token code\"", "code = \"token cod\"", "cod", "no element"),
        ("> Encounter\"", "> Encountr\"", "Encountr", "did you mean `Encounter`"),
        ("like:section", "like:sectoin", "\"section.section\"", "no parts to be like"),
        (
            "participant = \"parts many\"",
            "participants = \"parts many\"",
            "\"participant.role\"",
            "`participant` has no `parts`",
        ),
        ("subject-class = \"patient\"", "subject-class = \"patent\"", "\"patent\"", "did you mean `patient`"),
        ("surface = \"fhir-r4\"", "surface = \"fhir-r4\"\nbase = \"fhir/\"", "\"fhir/\"", "a path such as"),
        (
            "\"identity.number reference\"\nmeta = \"Meta\"",
            "\"open\"\nmeta = \"open\"",
            "SubstancePolymer",
            "here is none",
        ),
        ("\"period\", \"id\"]", "\"periodd\"]", "\"periodd\"", "says beside who it is"),
        ("\"period\", \"id\"]", "\"actor\"]", "\"actor\"", "says beside who it is"),
        ("subject = \"none\"", "subject = \"none\"\nunfilled = [\"id\"]", "\"id\"", "says beside who it is"),
        ("[resource.search]", "[resource.serch]", "serch", "did you mean `search`"),
        ("[type.Bundle]", "[typo.Bundle]", "typo", "unknown key"),
        ("subject = \"/id\"", "subjekt = \"/id\"", "subjekt", "did you mean `subject`"),
        (
            "is = \"open\"\non = [\"Element\"]\nvalues = [\"valueCode\"]",
            "is = \"open\"\non = [\"Element\"]",
            "\"open\"",
            "names what is in",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let Err(faults) = super::read(&text.replacen(from, to, 1)) else { panic!("`{to}` is taken") };
        let told = faults.0.iter().any(|f| offending.contains(f.offending()) && f.to_string().contains(message));
        assert!(told, "`{to}`: wanted `{message}` at `{offending}`, found {faults}");
    }
}

#[test]
fn a_base_path_moves_every_route_and_its_subject() {
    let text = Catalogue::fhir_r4_source().text.replacen(
        "surface = \"fhir-r4\"",
        "surface = \"fhir-r4\"\nbase = \"/fhir/R4\"",
        1,
    );
    let catalogue = super::read(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let found = catalogue.resolve("GET", "/fhir/R4/Patient/p-1", None).unwrap_or_else(|why| panic!("{why}"));
    let SubjectAt::Target(named) = found.subject else { panic!("no subject") };
    assert_eq!(named.id, "p-1");
    assert!(catalogue.resolve("GET", "/Patient/p-1", None).is_err());
}
