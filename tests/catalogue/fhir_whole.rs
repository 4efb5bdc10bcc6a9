//! The whole of FHIR R4: every type, every element, every search parameter.

use std::collections::HashSet;
use std::sync::Arc;

use sekisho::catalogue::body::carried;
use sekisho::catalogue::fields::{By, Meaning, Node};
use sekisho::catalogue::{Catalogue, Pointer, SearchKind, lookup};
use sekisho::policy::Categories;
use serde_json::json;

use super::{set, vocabulary};
use crate::fhir::definitions::KINDS;

/// The resource types of R4 (4.0.1).
const TYPES: &str = "
Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary
BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem
ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest
CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement
DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest
EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy Immunization
ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List
Location Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization
MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction
MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical
MedicinalProductUndesirableEffect MessageDefinition MessageHeader MolecularSequence NamingSystem NutritionOrder
Observation ObservationDefinition OperationDefinition OperationOutcome Organization OrganizationAffiliation
Parameters Patient PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole
Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RequestGroup ResearchDefinition
ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis Schedule
SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap Subscription
Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation
SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities
TestReport TestScript ValueSet VerificationResult VisionPrescription
";

fn fhir() -> Catalogue {
    Catalogue::read([Catalogue::fhir_r4_source()], &vocabulary()).unwrap()
}

fn of<'c>(catalogue: &'c Catalogue, kind: &str) -> &'c Node {
    &catalogue.types().get(kind).expect(kind).node
}

fn at<'c>(catalogue: &'c Catalogue, kind: &str, place: &str) -> (&'c Node, Option<Meaning>) {
    lookup(of(catalogue, kind), &Pointer::parse(place).unwrap()).unwrap_or_else(|| panic!("{kind}{place}"))
}

/// The extensions that may stand at a place, by url.
fn extensions<'c>(catalogue: &'c Catalogue, kind: &str, place: &str) -> &'c By {
    at(catalogue, kind, &format!("{place}/0")).0.by.as_ref().expect(place)
}

/// Every node of a tree, once.
fn each<'n>(node: &'n Arc<Node>, seen: &mut HashSet<*const Node>, visit: &mut impl FnMut(&'n Node)) {
    if !seen.insert(Arc::as_ptr(node)) {
        return;
    }
    visit(node);
    let cases = node.by.iter().flat_map(By::nodes);
    node.members.values().chain(&node.any).chain(cases).for_each(|child| each(child, seen, visit));
}

#[test]
fn every_type_of_the_standard_is_known_and_no_other() {
    let catalogue = fhir();
    let known: HashSet<&str> = catalogue.types().keys().map(AsRef::as_ref).collect();
    assert_eq!(known, TYPES.split_whitespace().collect());
    for name in TYPES.split_whitespace() {
        let inside = ["Bundle", "Parameters", "OperationOutcome", "CapabilityStatement"].contains(&name);
        let routes = catalogue.routes().iter().filter(|route| route.resource_type() == Some(name)).count();
        // A person is made by nobody's `POST`, and has all that is his; what the server goes by has no write.
        let own = if KINDS.contains(&name) { 5 } else { 7 };
        assert_eq!(routes, if inside { usize::from(name == "CapabilityStatement") } else { own }, "{name}");
        assert_eq!(catalogue.search_parameters(name).count() > 3, !inside, "{name}");
        assert!(at(&catalogue, name, "/id").1.is_some() && at(&catalogue, name, "/implicitRules").1.is_some());
    }
}

#[test]
fn no_element_is_without_a_meaning() {
    let catalogue = fhir();
    let (mut seen, mut values) = (HashSet::new(), 0);
    for kind in catalogue.types().values() {
        each(&kind.node, &mut seen, &mut |node| {
            let container = !node.members.is_empty() || node.any.is_some() || node.resource;
            // What is in an extension is what the extension is.
            assert!(container || node.meaning.is_some() || node.reference, "{node:?}");
            assert!(!container || node.meaning.is_none() || !node.members.contains_key("resourceType"));
            values += usize::from(!container);
        });
    }
    assert!(values > 100, "{values}");
}

#[test]
fn the_catalogue_stays_small() {
    let catalogue = fhir();
    let (mut seen, mut members) = (HashSet::new(), 0);
    for kind in catalogue.types().values() {
        each(&kind.node, &mut seen, &mut |node| members += node.members.len());
    }
    assert!(seen.len() < 12_000 && members < 80_000, "{} nodes, {members} members", seen.len());
}

#[test]
fn what_the_standard_requires_is_required() {
    let catalogue = fhir();
    for (kind, place) in [
        ("Observation", "/code"),
        ("Observation", "/status"),
        ("Patient", "/link/0/other"),
        ("Encounter", "/class"),
        ("Claim", "/insurance"),
        ("AllergyIntolerance", "/reaction/0/manifestation"),
        ("Immunization", "/occurrenceDateTime"),
        ("Consent", "/scope"),
    ] {
        assert!(at(&catalogue, kind, place).0.required, "{kind}{place}");
    }
    assert!(!at(&catalogue, "Observation", "/subject").0.required);
}

#[test]
fn items_lie_in_items_to_a_bound() {
    let catalogue = fhir();
    for (kind, step, last) in [
        ("QuestionnaireResponse", "/item/0", "/answer/0/valueString"),
        ("Questionnaire", "/item/0", "/text"),
        ("Parameters", "/parameter/0", "/name"),
    ] {
        let step = if kind == "Parameters" { "/part/0" } else { step };
        let first = if kind == "Parameters" { "/parameter/0" } else { step };
        let at = |depth: usize| {
            let place = format!("{first}{}{last}", step.repeat(depth));
            lookup(of(&catalogue, kind), &Pointer::parse(&place).unwrap()).is_some()
        };
        assert!(at(0) && at(5) && at(8) && !at(9), "{kind}");
    }
    assert!(
        lookup(of(&catalogue, "Patient"), &Pointer::parse("/identifier/0/assigner/identifier/value").unwrap())
            .is_some()
    );
}

#[test]
fn a_choice_is_named_by_its_types_alone() {
    let catalogue = fhir();
    for place in ["/valueQuantity/value", "/valueSampledData/data", "/component/0/valueRatio/numerator/unit"] {
        assert!(at(&catalogue, "Observation", place).1.is_some());
    }
    assert!(lookup(of(&catalogue, "Observation"), &Pointer::parse("/valueAddress").unwrap()).is_none());
    assert!(at(&catalogue, "Task", "/input/0/valueHumanName/family").1 == Some(Meaning::Everything));
}

#[test]
fn a_shadow_stands_beside_every_value_that_can_be_clear() {
    let catalogue = fhir();
    for (kind, place) in [("Patient", "/_birthDate"), ("Observation", "/_status"), ("Patient", "/name/0/_family")] {
        let by = extensions(&catalogue, kind, &format!("{place}/extension"));
        assert_eq!(by.member(), "url");
        assert!(by.case("http://hl7.org/fhir/StructureDefinition/data-absent-reason").is_some(), "{kind}{place}");
        assert_eq!(at(&catalogue, kind, &format!("{place}/extension/0")).1, Some(Meaning::Everything));
    }
    // Beside an array each value has its place: it leaves whole or not at all.
    assert_eq!(at(&catalogue, "Patient", "/name/0/_given").0.meaning, Some(Meaning::Everything));
    assert!(lookup(of(&catalogue, "Patient"), &Pointer::parse("/meta/_lastUpdated").unwrap()).is_none());
}

#[test]
fn an_extension_is_what_its_url_says_else_free_text() {
    let catalogue = fhir();
    let vocabulary = vocabulary();
    let kana = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
    let named = |kind: &str, place: &str, url: &str| {
        extensions(&catalogue, kind, place).case(url).and_then(|node| node.meaning)
    };
    assert_eq!(
        named("Patient", "/name/0/extension", kana),
        vocabulary.category("identity.name").map(Meaning::Category)
    );
    assert_eq!(named("Organization", "/extension", kana), None);
    // It tells of the result, though it stood beside a status that is nobody's data.
    let position = "http://hl7.org/fhir/StructureDefinition/observation-bodyPosition";
    let result = vocabulary.category("health.exam-result").map(Meaning::Category);
    assert_eq!(named("Observation", "/extension", position), result);
    assert_eq!(named("Observation", "/_status/extension", position), result);
    let place = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace";
    assert_eq!(named("Patient", "/extension", place), vocabulary.category("contact.address").map(Meaning::Category));
    for url in [
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
        "http://hl7.org/fhir/StructureDefinition/patient-religion",
        "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_Patient_Race",
    ] {
        assert!(extensions(&catalogue, "Patient", "/extension").case(url).is_none(), "{url}");
    }
    for place in ["/extension", "/modifierExtension", "/name/0/extension", "/contact/0/modifierExtension"] {
        assert_eq!(at(&catalogue, "Patient", &format!("{place}/0")).1, Some(Meaning::Everything), "{place}");
    }
}

#[test]
fn a_telecom_is_a_telephone_or_an_address_as_its_system_says() {
    let catalogue = fhir();
    let vocabulary = vocabulary();
    let everything = set(&["identity.name"]);
    for (system, category) in [("phone", "contact.phone"), ("fax", "contact.phone"), ("email", "contact.email")] {
        let body = json!({"resourceType": "Patient", "telecom": [{"system": system, "value": "x"}]});
        let found = carried(of(&catalogue, "Patient"), catalogue.types(), everything, &body);
        assert_eq!((found.categories, found.unclassified_count), (set(&[category]), 0), "{system}");
    }
    for body in [json!({"telecom": [{"system": "url", "value": "x"}]}), json!({"telecom": [{"value": "x"}]})] {
        let found = carried(of(&catalogue, "Patient"), catalogue.types(), everything, &body);
        assert_eq!(found.categories, everything, "{body}");
    }
    let contact = at(&catalogue, "Patient", "/contact/0/telecom/0/value").1;
    assert_eq!(contact, vocabulary.category("social.family").map(Meaning::Category));
}

#[test]
fn what_is_written_in_an_extension_counts_as_what_it_is() {
    let catalogue = fhir();
    let everything = set(&["identity.name", "health.history"]);
    let of = |extension: serde_json::Value| {
        let body = json!({"resourceType": "Patient", "extension": [extension]});
        carried(of(&catalogue, "Patient"), catalogue.types(), everything, &body).categories
    };
    assert_eq!(of(json!({"url": "https://elsewhere.example/x", "valueString": "x"})), everything);
    let place = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace";
    assert_eq!(of(json!({"valueAddress": {"city": "x"}, "url": place})), set(&["contact.address"]));
    let absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    assert_eq!(of(json!({"url": absent, "valueCode": "unknown"})), Categories::NONE);
}

#[test]
fn every_search_parameter_charges_what_it_compares() {
    let catalogue = fhir();
    let of = |kind: &str, name: &str| catalogue.search_parameter(kind, name).unwrap_or_else(|| panic!("{kind} {name}"));
    for (kind, name, wanted) in [
        ("Patient", "address", &["contact.address", "contact.postal-code"][..]),
        ("Patient", "email", &["contact.email"]),
        ("Patient", "phone", &["contact.phone"]),
        ("Patient", "death-date", &["health.history", "identity.birth-date"]),
        ("Observation", "date", &["health.exam-event"]),
        ("Observation", "performer", &["identity.number", "health.exam-result"]),
        ("Observation", "code-value-quantity", &["health.exam-result"]),
        ("Condition", "encounter", &["identity.number", "health.encounter"]),
        ("Specimen", "accession", &["identity.number"]),
        ("RelatedPerson", "name", &["social.family"]),
    ] {
        assert_eq!(of(kind, name).categories, set(wanted), "{kind} {name}");
    }
    // A label, a tag, a profile may say anything that the record does.
    let observation =
        catalogue.routes().iter().find(|route| route.id() == "fhir.Observation.read").unwrap().categories();
    for name in ["_tag", "_security", "_profile"] {
        assert_eq!(of("Observation", name).categories, observation, "{name}");
    }
    // Who may search a telecom of any system may find out whatever is in one.
    let patient = catalogue.routes().iter().find(|route| route.id() == "fhir.Patient.read").unwrap().categories();
    assert_eq!(of("Patient", "telecom").categories, patient);
    assert_eq!(of("Observation", "code-value-quantity").components, ["code".into(), "value-quantity".into()]);
    assert_eq!(of("Observation", "patient").targets, ["Patient".into()]);
    assert!(of("Observation", "subject").subject && of("Coverage", "beneficiary").subject);
    assert!(!of("Observation", "performer").subject && !of("Patient", "link").subject);
    // An id that may be of anything says of no one that he is the subject.
    for (kind, name) in
        [("DeviceMetric", "source"), ("PaymentNotice", "request"), ("Task", "subject"), ("Basic", "subject")]
    {
        assert!(!of(kind, name).subject, "{kind} {name}");
    }
    assert!(of("Task", "patient").subject && of("Basic", "patient").subject && of("Appointment", "patient").subject);
    for kind in catalogue.types().keys() {
        for name in ["_lastUpdated", "_source", "_text", "_content", "_query", "_filter"] {
            assert!(catalogue.search_parameter(kind, name).is_none(), "{kind} {name}");
        }
        for (name, parameter) in catalogue.search_parameters(kind) {
            let refers = parameter.kind == SearchKind::Reference;
            assert_eq!(parameter.targets.is_empty(), !refers, "{kind} {name}");
            assert!(parameter.targets.is_sorted(), "{kind} {name}");
            let patients = parameter.targets.iter().any(|target| &**target == "Patient");
            assert!(!parameter.subject || patients || name == "_id" && &**kind == "Patient", "{kind} {name}");
            assert_eq!(parameter.components.len() > 1, parameter.kind == SearchKind::Composite, "{kind} {name}");
        }
    }
}

#[test]
fn whoever_a_type_is_about_is_where_its_compartment_says() {
    let catalogue = fhir();
    for (kind, place) in [
        ("Observation", "/subject/reference"),
        ("Coverage", "/beneficiary/reference"),
        ("Task", "/for/reference"),
        ("ResearchSubject", "/individual/reference"),
        ("Appointment", "/participant/*/actor/reference"),
        ("Binary", "/securityContext/reference"),
        ("Patient", "/id"),
    ] {
        let subject = catalogue.types().get(kind).unwrap().subject.as_ref().expect(kind);
        assert_eq!(subject.pointer().to_string(), place, "{kind}");
    }
    for kind in ["Practitioner", "StructureDefinition", "ValueSet", "Questionnaire", "Slot", "MedicinalProduct"] {
        assert!(catalogue.types().get(kind).unwrap().subject.is_none(), "{kind}");
    }
}

#[test]
fn contents_that_cannot_be_read_count_as_all_that_they_can_be() {
    let catalogue = fhir();
    let all = |kind: &str| {
        let id = format!("fhir.{kind}.read");
        catalogue.routes().iter().find(|route| route.id() == id).expect(kind).categories()
    };
    for kind in ["Binary", "Basic"] {
        for category in ["identity.image", "contact.address", "health.condition", "insurance.claim", "finance.account"]
        {
            assert!(all(kind).covers(set(&[category])), "{kind} {category}");
        }
    }
    // So it is where one lies in something else.
    let body = json!({"resourceType": "Condition", "contained": [{"resourceType": "Basic", "code": {"text": "x"}}]});
    let found = carried(of(&catalogue, "Condition"), catalogue.types(), set(&["health.condition"]), &body);
    assert_eq!(found.categories, all("Basic").or(set(&["health.condition"])));
    assert!(all("DocumentReference").covers(set(&["health.condition", "contact.address", "identity.birth-date"])));
}
