//! What a FHIR search is charged with, and what no caller is let search by.

use proptest::prelude::*;
use sekisho::catalogue::{BadTarget, Catalogue, ParameterFault, Part, Resolved, SubjectAt, Unresolved};
use sekisho::policy::{Action, Categories};

use super::fhir::fhir;
use super::set;

fn search<'c>(catalogue: &'c Catalogue, target: &str) -> Result<Resolved<'c>, Unresolved> {
    let (path, query) = target.split_once('?').expect("a query");
    catalogue.resolve("GET", path, Some(query))
}

fn found<'c>(catalogue: &'c Catalogue, target: &str) -> Resolved<'c> {
    search(catalogue, target).unwrap_or_else(|why| panic!("{target}: {why}"))
}

const ID: &str = "identity.number";

#[test]
fn every_hop_is_charged() {
    let catalogue = fhir();
    for (target, charged) in [
        ("/Patient?name:exact=x", &["identity.name"][..]),
        ("/Patient?gender:not=male&birthdate=ge1980", &["identity.gender", "identity.birth-date"]),
        ("/Patient?birthdate:missing=true", &["identity.birth-date"]),
        ("/Patient?identifier:of-type=a|b|c", &[ID]),
        ("/Patient?_id:missing=true", &[ID]),
        ("/Condition?code:in=http://x/ValueSet/y", &["health.condition"]),
        ("/Condition?code:text=head", &["health.condition"]),
        ("/Condition?patient:identifier=x", &[ID]),
        ("/Condition?subject:missing=true", &[ID]),
        ("/Condition?subject:Patient.name=x", &[ID, "identity.name"]),
        ("/Condition?patient.birthdate=lt1980&_sort=-onset-date", &[ID, "identity.birth-date", "health.condition"]),
        ("/Condition?encounter.class=IMP", &[ID, "health.encounter"]),
        ("/Condition?encounter:Encounter.subject:Patient.gender=male", &[ID, "health.encounter", "identity.gender"]),
        ("/Patient?_has:Observation:patient:code=8480-6", &[ID, "health.exam-result"]),
        ("/Patient?_has:Claim:patient:status=active", &[ID, "insurance.claim"]),
        (
            "/Patient?_has:Encounter:patient:_has:Procedure:encounter:code=x",
            &[ID, "health.encounter", "health.treatment"],
        ),
        ("/Encounter?_has:Condition:encounter:code=x", &[ID, "health.encounter", "health.condition"]),
        ("/Encounter?patient._has:Coverage:patient:type=x", &[ID, "insurance.coverage"]),
        ("/PractitionerRole?practitioner.name=x", &[ID, "identity.name", "work.personnel"]),
        ("/Condition?_include=Condition:encounter", &[ID, "health.encounter"]),
        ("/Patient?_revinclude=Condition:patient", &[ID, "health.condition"]),
        (
            "/Patient?_revinclude=Condition:patient&_include:iterate=Condition:encounter",
            &[ID, "health.condition", "health.encounter"],
        ),
        ("/Condition?_sort=patient", &[ID]),
        ("/Condition?_elements=subject,code&_summary=data&_total=none&_pretty=true&_count=5", &[]),
        ("/Observation?_summary=true", &[]),
        ("/Patient?_summary=text", &[]),
    ] {
        // That there is such a record is asked for anyway.
        let found = found(&catalogue, target);
        let told = found.route.told_by_type();
        assert_eq!(found.query_categories.without(told), set(charged).without(told), "{target}");
    }
}

#[test]
fn a_refused_parameter_is_named() {
    use ParameterFault::*;
    let catalogue = fhir();
    for (target, name, why) in [
        ("/Condition?onset-date:exact=x", "onset-date:exact", Modifier),
        ("/Condition?code:contains=x", "code:contains", Modifier),
        ("/Condition?code:Patient=x", "code:Patient", Modifier),
        ("/Condition?encounter:Location=x", "encounter:Location", Modifier),
        ("/Patient?name:missing=maybe", "name:missing", Value),
        ("/Patient?name=", "name", Value),
        ("/Condition?code.text=x", "code.text", Hop),
        ("/Condition?encounter:Patient.name=x", "encounter:Patient.name", Hop),
        ("/Condition?evidence-detail.code=x", "evidence-detail.code", Untyped),
        ("/Condition?_has:Observation:code:status=x", "_has:Observation:code:status", Hop),
        ("/Condition?_has:Observation:encounter:status=x", "_has:Observation:encounter:status", Hop),
        ("/Condition?_has:Nonsense:target:agent=x", "_has:Nonsense:target:agent", Hop),
        ("/Condition?_sort=birthdate", "_sort", Value),
        ("/Condition?_sort=-", "_sort", Value),
        ("/Condition?_sort=code&_sort=code", "_sort", Doubled),
        ("/Condition?_sort=patient.name", "_sort", Value),
        ("/Condition?_elements=code", "_elements", LeavesOutSubject),
        ("/Condition?_elements=subject,shoeSize", "_elements", Value),
        ("/Condition?_elements=subject,meta.lastUpdated", "_elements", Value),
        ("/Condition?_summary=text", "_summary", LeavesOutSubject),
        ("/Condition?_summary=count", "_summary", Value),
        ("/Condition?_total=accurate", "_total", Value),
        ("/Condition?_total=estimate", "_total", Value),
        ("/Condition?_format=xml", "_format", Value),
        ("/Condition?_pretty=yes", "_pretty", Value),
        ("/Condition?_count=0", "_count", Value),
        ("/Condition?_count=-1", "_count", Value),
        ("/Condition?_count=1&_count=2", "_count", Doubled),
        ("/Condition?_include=Condition:code", "_include", Value),
        ("/Condition?_include=Condition", "_include", Value),
        ("/Condition?_include=Condition:encounter:Patient", "_include", Value),
        ("/Condition?_include=Condition:encounter:Encounter:x", "_include", Value),
        ("/Condition?_include=Condition:subject:Parameters", "_include", Value),
        ("/Condition?_revinclude=Observation:encounter", "_revinclude", Value),
        ("/Condition?_revinclude=Nonsense:target", "_revinclude", Value),
    ] {
        let told = search(&catalogue, target).err();
        assert_eq!(told, Some(Unresolved::Parameter { name: name.into(), why }), "{target}");
    }
}

#[test]
fn what_is_not_judged_is_unknown() {
    let catalogue = fhir();
    for name in [
        "_filter",
        "_query",
        "_content",
        "_text",
        "_list",
        "_contained",
        "_containedType",
        "_type",
        "_at",
        "_since",
        "_score",
        "_has",
        "_has:Observation:patient",
        "subject.",
        "patient.shoe-size",
        "code:in:x",
        "shoe-size",
        "shoe-size:missing",
        "subject.name",
        "_include:recurse",
        "_sort:asc",
        "_elements:x",
        "_count:x",
        "Code",
        "code.",
        "patient.patient.patient.patient.patient.name",
    ] {
        let told = search(&catalogue, &format!("/Condition?{name}=x")).err();
        assert_eq!(told, Some(Unresolved::UnknownParameter { name: name.into() }), "{name}");
    }
    let name = "_has:Observation:patient:shoe-size";
    let told = search(&catalogue, &format!("/Patient?{name}=9")).err();
    assert_eq!(told, Some(Unresolved::UnknownParameter { name: name.into() }));
    for path in ["/Condition/c-1", "/Patient/p-1"] {
        for name in ["code", "name", "_include", "_sort", "_count", "_id", "_total"] {
            let told = search(&catalogue, &format!("{path}?{name}=x")).err();
            assert_eq!(told, Some(Unresolved::UnknownParameter { name: name.into() }), "{path} {name}");
        }
    }
    assert!(search(&catalogue, "/Condition/c-1?_pretty=true&_summary=data&_elements=subject,code").is_ok());
}

/// The facts of one person say nothing of another's: who had it stopped would be found by the records of who did not.
#[test]
fn no_search_goes_through_other_persons() {
    let catalogue = fhir();
    for target in [
        "/Condition?asserter:Patient.name=x",
        "/Patient?_has:Condition:asserter:code=x",
        "/Practitioner?_has:Condition:asserter:code=x",
        "/Practitioner?_revinclude=Condition:asserter",
        "/PractitionerRole?practitioner._has:Condition:asserter:code=x",
    ] {
        let told = search(&catalogue, target).err();
        assert!(
            matches!(told, Some(Unresolved::Parameter { why: ParameterFault::OtherPerson, .. })),
            "{target}: {told:?}"
        );
    }
    assert!(search(&catalogue, "/Condition?asserter:Practitioner.name=x").is_ok());
    let brought = found(&catalogue, "/Condition?_include=Condition:asserter").included;
    assert!(brought.iter().any(|kind| **kind == *"Patient"), "another person's chart is judged as his: {brought:?}");
}

#[test]
fn what_is_brought_is_asked_for() {
    let catalogue = fhir();
    for (target, brought) in [
        ("/Condition?code=x", &[][..]),
        ("/Condition?_include=Condition:encounter", &["Encounter"]),
        ("/Condition?_include=Condition:subject", &["Group", "Patient"]),
        ("/Condition?_include=Condition:subject:Patient", &["Patient"]),
        (
            "/Invoice?_include=Invoice:*",
            &[
                "Account",
                "Device",
                "Group",
                "Organization",
                "Patient",
                "Practitioner",
                "PractitionerRole",
                "RelatedPerson",
            ],
        ),
        ("/Encounter?_revinclude=Condition:encounter&_revinclude=Procedure:encounter", &["Condition", "Procedure"]),
        ("/PractitionerRole?_include=PractitionerRole:practitioner:Practitioner", &["Practitioner"]),
    ] {
        let found = found(&catalogue, target);
        assert_eq!(found.included.iter().map(AsRef::as_ref).collect::<Vec<_>>(), brought, "{target}");
        for kind in brought {
            let carried = catalogue.types()[*kind].categories;
            assert!(!carried.is_empty() && found.asked.covers(carried), "{target}: {kind} is not asked for");
        }
    }
    let all = found(&catalogue, "/Patient?_revinclude=*");
    assert!(all.included.len() > 15 && all.query_categories.covers(set(&["health.condition", "finance.billing"])));
}

#[test]
fn each_charge_goes_with_its_parameter() {
    let catalogue = fhir();
    let found = found(&catalogue, "/Condition?code=x&subject:Patient.name=y&patient=p-1");
    let charges: Vec<_> = found.charges.iter().map(|charge| (charge.parameter.as_str(), charge.categories)).collect();
    assert_eq!(
        charges,
        [
            ("code", set(&["health.condition"])),
            ("subject:Patient.name", set(&[ID, "identity.name", "health.condition"]))
        ]
    );
    assert!(matches!(found.subject, SubjectAt::Target(_)));
}

#[test]
fn only_an_exact_id_names_the_subject() {
    let catalogue = fhir();
    for query in ["subject:Patient=p-1", "patient:Patient=p-1", "patient=p-1"] {
        let found = found(&catalogue, &format!("/Condition?{query}"));
        let SubjectAt::Target(named) = found.subject else { panic!("{query}: no subject") };
        assert_eq!((named.id.as_str(), found.query_categories), ("p-1", Categories::NONE), "{query}");
    }
    for query in ["patient:identifier=p-1", "patient:missing=false", "patient._id=p-1", "patient:below=p-1"] {
        let found = found(&catalogue, &format!("/Condition?{query}"));
        assert!(found.subject == SubjectAt::Entries && found.query_categories.covers(set(&[ID])), "{query}");
    }
    let group = search(&catalogue, "/Condition?subject:Group=g-1").unwrap_or_else(|why| panic!("{why}"));
    assert!(group.subject == SubjectAt::Entries && group.query_categories.covers(set(&[ID])));
}

#[test]
fn a_form_and_a_query_are_judged_as_one() {
    let catalogue = fhir();
    let post = |query, form| catalogue.resolve_form("POST", "/Condition/_search", query, form);
    let found =
        post(Some("code=x"), Some("subject=Patient%2Fp-1&encounter.class=IMP")).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(
        (found.action, found.query_categories),
        (Action::Search, set(&[ID, "health.condition", "health.encounter"]))
    );
    let SubjectAt::Target(named) = found.subject else { panic!("no subject") };
    assert_eq!((named.id.as_str(), named.part, named.raw), ("p-1", Part::Form, 18..21));
    let twice = [
        (Some("patient=a"), Some("patient=a"), Unresolved::BadTarget(BadTarget::Doubled)),
        (
            Some("_sort=code"),
            Some("_sort=code"),
            Unresolved::Parameter { name: "_sort".into(), why: ParameterFault::Doubled },
        ),
        (None, Some("shoe-size=9"), Unresolved::UnknownParameter { name: "shoe-size".into() }),
        (None, Some("code=x\n"), Unresolved::BadTarget(BadTarget::Byte)),
        (None, Some("code=x;status=y"), Unresolved::BadTarget(BadTarget::Semicolon)),
    ];
    for (query, form, why) in twice {
        assert_eq!(post(query, form).err(), Some(why), "{query:?} {form:?}");
    }
    assert!(catalogue.resolve("GET", "/Condition/_search", None).is_err());
    assert!(catalogue.resolve_form("GET", "/Condition", None, Some("code=x")).is_err());
}

proptest! {
    /// Whatever is asked: an answer, no panic; and each category found out by one parameter is found out by all together.
    #[test]
    fn a_guard_is_total(
        kind in "(Patient|Condition|Observation|Practitioner|Encounter)",
        query in "((_has|_include|_revinclude|_sort|subject|patient|encounter|code|name|_id|Patient|Observation|[:._*,=&-]|:missing|=x&){1,12})",
    ) {
        static CATALOGUE: std::sync::LazyLock<Catalogue> = std::sync::LazyLock::new(fhir);
        if let Ok(found) = CATALOGUE.resolve("GET", &format!("/{kind}"), Some(&query)) {
            let all = found.charges.iter().fold(Categories::NONE, |set, charge| set.or(charge.categories));
            prop_assert!(found.query_categories == all);
            for charge in &found.charges {
                prop_assert!(query.contains(&charge.parameter));
            }
        }
    }
}
