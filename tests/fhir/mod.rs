//! The FHIR surface before a real server's answers: bodies that an R4 server gave for generated charts.

mod batch;
mod beside;
mod bundles;
mod conditional;
pub(crate) mod definitions;
mod instance;
mod large;
mod own;
mod pages;
mod parties;
mod schedules;
mod search;
mod spelled;
mod told;
mod transaction;
mod transaction_meanwhile;
mod transaction_reads;
mod writeback;
mod writes;

use bytes::Bytes;
use http::Response;
use sekisho::catalogue::Catalogue;
use sekisho::demo::sample::Org;
use serde_json::{Value, json};

use crate::layer::support::{Answer, Stand};

const EXAMINED: &str = "6d367230-21b3-5816-8d8c-5239028c388f";
const PATIENTS: &str = include_str!("bodies/patients.json");
const CONDITIONS: &str = include_str!("bodies/conditions.json");
const CLAIMS: &str = include_str!("bodies/claims.json");
const INVOICES: &str = include_str!("bodies/invoices.json");
const REPORTS: &str = include_str!("bodies/reports.json");
const METADATA: &str = include_str!("bodies/metadata.json");

type Caller = (&'static str, &'static str);
const CARE: Caller = ("physician", "care");
const MONEY: Caller = ("accountant", "administration.accounting");
const STUDY: Caller = ("student", "operations.student-training");

fn stand() -> Stand {
    Stand::before(Catalogue::fhir_r4_source(), Org::Sakura, &[])
}

/// What a caller gets of `body`, the server's answer to `target`.
async fn ask(stand: &Stand, (role, purpose): Caller, target: &str, body: &str) -> Answer {
    let answer = Response::builder().header("content-type", "application/fhir+json; charset=utf-8");
    *stand.backend.instead.lock().unwrap() = Some(answer.body(Bytes::from(body.to_owned())).unwrap());
    stand.get(json!({"roles": [role]}), purpose, target).await
}

async fn released(caller: Caller, target: &str, body: &str) -> Value {
    let answer = ask(&stand(), caller, target, body).await;
    assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{}", answer.body);
    answer.json()
}

fn entries(bundle: &Value) -> Vec<&Value> {
    bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).collect()
}

#[tokio::test]
async fn no_answer_leads_past_the_gate() {
    let stand = stand();
    for (caller, target, body) in [
        (CARE, "/Patient", PATIENTS),
        (CARE, "/Condition", CONDITIONS),
        (MONEY, "/Claim", CLAIMS),
        (MONEY, "/Invoice", INVOICES),
        (CARE, "/DiagnosticReport", REPORTS),
        (STUDY, "/DiagnosticReport", REPORTS),
        (CARE, "/metadata", METADATA),
    ] {
        assert!(body.contains("backend.test"), "{target}: the body tries nothing");
        let answer = ask(&stand, caller, target, body).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        assert!(!answer.body.contains("backend.test"), "{target}: {}", answer.body);
    }
    let bundle = released(CARE, "/Patient", PATIENTS).await;
    assert_eq!(bundle["entry"][0]["fullUrl"], format!("/Patient/{EXAMINED}"));
    assert_eq!(bundle["link"][0], json!({"relation": "self", "url": "/Patient"}));
    assert!(bundle["link"][1]["url"].as_str().unwrap().starts_with("/Patient?_cursor="), "{bundle}");
}

#[tokio::test]
async fn a_reference_to_the_backend_is_rewritten_and_one_elsewhere_is_not() {
    let with = |reference: &str| {
        let condition = json!({"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"},
            "recorder": {"reference": reference}, "meta": {"profile": [reference]}});
        condition.to_string()
    };
    for (written, left) in [
        ("http://backend.test/Practitioner/1", Some("/Practitioner/1")),
        ("Practitioner/1", Some("Practitioner/1")),
        ("http://backend.test.example/Practitioner/1", Some("http://backend.test.example/Practitioner/1")),
        ("https://elsewhere.example/Practitioner/1", Some("https://elsewhere.example/Practitioner/1")),
        ("HTTP://BACKEND.test/Practitioner/1", None),
        ("http://backend.test?x", None),
    ] {
        let body = with(written);
        for body in [body.clone(), body.replace('/', "\\/")] {
            let chart = released(CARE, "/Condition/c1", &body).await;
            assert_eq!(chart["recorder"]["reference"].as_str(), left, "{body}");
            assert_eq!(chart["meta"]["profile"][0].as_str(), left, "{body}");
        }
    }
}

#[tokio::test]
async fn a_claim_keeps_no_shell_of_the_diagnoses_cut_out_of_it() {
    let bundle = released(MONEY, "/Claim", CLAIMS).await;
    let claim = entries(&bundle)[0];
    assert!(CLAIMS.contains("diagnosisCodeableConcept") && claim.get("diagnosis").is_none(), "{claim}");
    assert_eq!(claim["total"], json!({"currency": "JPY", "value": 3000}));
    let labels = claim["meta"]["security"].as_array().unwrap();
    assert!(labels.iter().any(|label| label["code"] == "REDACTED"), "{claim}");
}

#[tokio::test]
async fn a_required_element_is_marked_where_its_object_stays() {
    let bundle = released(MONEY, "/Invoice", INVOICES).await;
    let invoice = entries(&bundle)[0];
    let reason = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    let line = &invoice["lineItem"][0];
    assert_eq!(line["chargeItemCodeableConcept"], json!({"extension": [{"url": reason, "valueCode": "masked"}]}));
    assert_eq!(line["priceComponent"][0]["amount"]["value"], 3000);
    assert!(invoice.get("note").is_none(), "{invoice}");
    assert!(!invoice.to_string().contains("lipid"), "{invoice}");
}

#[tokio::test]
async fn that_there_is_a_record_is_not_told_to_who_may_see_nothing_of_its_kind() {
    let stand = stand();
    for target in ["/Condition", "/Condition/c1", "/Condition?patient=p1", "/MedicationRequest", "/Encounter", "/Goal"]
    {
        let answer = ask(&stand, MONEY, target, CONDITIONS).await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (403, 0), "{target}: {}", answer.body);
        assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{target}");
    }
    assert_eq!(ask(&stand, CARE, "/Condition", CONDITIONS).await.status, 200);
    assert_eq!(ask(&stand, MONEY, "/Patient", PATIENTS).await.status, 200);
}

#[tokio::test]
async fn what_a_reference_displays_is_not_taken_for_a_name() {
    let claim = json!({"resourceType": "Claim", "id": "c1", "status": "active",
        "patient": {"reference": "Patient/p1", "display": "Dummett Ives"},
        "prescription": {"reference": "MedicationRequest/m1", "display": "lisinopril 10 MG"}});
    let left = released(MONEY, "/Claim/c1", &claim.to_string()).await;
    assert_eq!(left["patient"]["display"], "Dummett Ives");
    assert_eq!(left["prescription"], json!({"reference": "MedicationRequest/m1"}));
    let whole = released(CARE, "/Patient", PATIENTS).await;
    assert_eq!(entries(&whole)[0]["managingOrganization"]["display"], "SAKURA International Clinic");
}

const KANA: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

#[tokio::test]
async fn free_text_of_a_contained_resource_counts_as_what_its_own_type_can_hold() {
    // Whoever is contained is the person of the record: another one would go.
    let id = |kind: &str| if kind == "Patient" { "p1" } else { "c" };
    let note =
        |kind: &str| json!({"resourceType": kind, "id": id(kind), "text": {"status": "generated", "div": "told"}});
    let with = |kind: &str| json!({"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/p1"}, "contained": [note(kind)]});
    // What is asked for is what diagnoses can hold: a result is not, though it lies in one.
    for (kind, told) in
        [("Condition", true), ("Observation", false), ("Patient", false), ("Binary", false), ("Basic", false)]
    {
        let left = released(CARE, "/Condition/c1", &with(kind).to_string()).await;
        assert_eq!(left.to_string().contains("told"), told, "{kind}: {left}");
        assert_eq!(left["contained"][0]["resourceType"], kind, "{left}");
    }
}

/// What a student gets of a search that finds this.
async fn study(target: &str, resource: &Value) -> Value {
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}]});
    released(STUDY, target, &bundle.to_string()).await["entry"][0]["resource"].clone()
}

#[tokio::test]
async fn extensions_and_shadows_pass_where_what_they_tell_of_passes() {
    let chart = json!({"resourceType": "Patient", "id": "p1", "gender": "female",
        "_gender": {"extension": [{"url": "https://elsewhere.example/felt", "valueString": "secret"}]},
        "_birthDate": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]},
        "name": [{"family": "山田", "extension": [{"url": KANA, "valueCode": "IDE"}]},
            {"family": "ヤマダ", "extension": [{"valueCode": "SYL", "url": KANA}, {"url": "urn:x", "valueString": "secret"}]}],
        "telecom": [{"system": "email", "value": "a@b.example"}, {"system": "phone", "value": "03-1234"}],
        "extension": [{"url": "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_Patient_Race",
            "valueCodeableConcept": {"text": "secret"}}]});
    let left = released(CARE, "/Patient/p1", &chart.to_string()).await;
    assert_eq!(left["name"][0], chart["name"][0]);
    assert_eq!(left["name"][1]["extension"], json!([{"valueCode": "SYL", "url": KANA}]));
    assert_eq!(left["_birthDate"], chart["_birthDate"]);
    assert_eq!(left["telecom"], chart["telecom"]);
    assert!(left.get("extension").is_none() && left.get("_gender").is_none(), "{left}");
    let left = study("/Patient", &chart).await;
    assert_eq!(left["gender"], "female");
    assert!(left.get("name").is_none() && left.get("_birthDate").is_none() && left.get("telecom").is_none(), "{left}");
}

#[tokio::test]
async fn an_order_number_is_no_key_to_join_pseudonyms_by() {
    let body = json!({"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"}, "identifier": [{"system": "urn:lab", "value": "A-77"}]});
    let left = study("/Observation", &body).await;
    assert_eq!(left["code"]["text"], "x");
    assert!(!left.to_string().contains("A-77"), "{left}");
}

#[tokio::test]
async fn contact_data_leaves_no_trace_of_itself() {
    let bundle = released(STUDY, "/Patient", PATIENTS).await;
    for chart in entries(&bundle) {
        for name in ["telecom", "address", "name", "contact"] {
            assert!(PATIENTS.contains(&format!("\"{name}\":")), "{name}");
            assert!(chart.get(name).is_none(), "{name}: {chart}");
        }
        assert_eq!(chart["birthDate"].as_str().map(str::len), Some(4), "{chart}");
    }
}

#[tokio::test]
async fn a_version_is_no_key_to_join_pseudonyms_by() {
    let shown = released(STUDY, "/Patient", PATIENTS).await;
    let known: Value = serde_json::from_str(PATIENTS).unwrap();
    for (shown, known) in entries(&shown).iter().zip(entries(&known)) {
        assert!(known["meta"]["versionId"].is_string() && shown["meta"]["versionId"].is_string());
        assert_ne!(shown["meta"]["versionId"], known["meta"]["versionId"]);
        assert_ne!(shown["id"], known["id"]);
    }
}

#[tokio::test]
async fn a_page_link_goes_with_its_relation() {
    let bundle = released(STUDY, "/Patient", PATIENTS).await;
    let relations: Vec<&Value> = bundle["link"].as_array().unwrap().iter().map(|link| &link["relation"]).collect();
    assert!(PATIENTS.contains("\"relation\":\"next\"") && relations == [&json!("self"), &json!("next")], "{bundle}");
    assert!(PATIENTS.contains("\"total\":8") && bundle.get("total").is_none(), "{bundle}");
}

#[tokio::test]
async fn the_capability_statement_is_read_by_every_caller_and_by_no_stranger() {
    let stand = stand();
    for caller in [CARE, MONEY, STUDY, ("physician", "")] {
        let answer = ask(&stand, caller, "/metadata", METADATA).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let statement = answer.json();
        assert_eq!(statement["resourceType"], "CapabilityStatement");
        assert!(statement.get("implementation").is_none(), "{statement}");
        let resource = &statement["rest"][0]["resource"][0];
        assert_eq!(resource["profile"], "http://hl7.org/fhir/StructureDefinition/Account");
        assert_eq!(resource["operation"][0]["definition"], "/OperationDefinition/validate");
    }
    let asked = stand.asked();
    let stranger = stand.get(Value::Null, "care", "/metadata").await;
    assert_eq!((stranger.status.as_u16(), stand.asked() - asked), (401, 0));
    assert_eq!(stranger.json()["resourceType"], "OperationOutcome");
}

#[tokio::test]
async fn a_client_is_told_of_what_is_no_route_in_its_own_language() {
    let stand = stand();
    for (target, status) in [("/Parameters", 404), ("/Patient/p1/$validate", 404), ("/Condition?_summary=count", 400)] {
        let answer = ask(&stand, CARE, target, CONDITIONS).await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (status, 0), "{target}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/fhir+json", "{target}");
        assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{target}");
    }
}

/// Of two members of one name a reader takes either: the record's own, which says that nothing is known, would say nothing of the mask.
#[tokio::test]
async fn no_second_shadow_stands_beside_the_one_that_says_a_stopped_value_is_masked() {
    const NUMBER: &str = "123456789018";
    let own = json!({"extension": [{"url": ABSENT, "valueCode": "unknown"}]});
    for (note, shadows) in [
        (format!(r#"{{"authorString":"A","text":"{NUMBER}","_text":{own}}}"#), 1),
        (format!(r#"{{"authorString":"A","_text":{own},"text":"{NUMBER}"}}"#), 1),
        (format!(r#"{{"authorString":"A","text":"{NUMBER}","\u005ftext":{own}}}"#), 1),
        (format!(r#"{{"authorString":"A","text":"{NUMBER}"}}"#), 1),
        (format!(r#"{{"text":"told","_text":{own}}}"#), 1),
        (r#"{"text":"told"}"#.to_owned(), 0),
    ] {
        let body = format!(
            r#"{{"resourceType":"Condition","id":"c1","subject":{{"reference":"Patient/p1"}},"note":[{note}]}}"#
        );
        let answer = ask(&stand(), CARE, "/Condition/c1", &body).await;
        assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{}", answer.body);
        let spelt = answer.body.replace("\\u005f", "_");
        assert_eq!(spelt.matches("\"_text\"").count(), shadows, "{note}: {}", answer.body);
        assert!(!answer.body.contains(NUMBER), "{}", answer.body);
        assert_eq!(spelt.contains("masked"), note.contains(NUMBER), "{note}: {spelt}");
    }
}

/// A link within the record leads to what is contained in it by whatever name that has now.
#[tokio::test]
async fn a_link_to_what_is_contained_leads_there_under_pseudonyms_too() {
    for id in ["o1", "1.5-a", "urn:uuid:6d367230-21b3-5816-8d8c-5239028c388f", "Observation"] {
        let contained = json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/p1"}, "hasMember": [{"reference": "#"}]});
        let report = json!({"resourceType": "Observation", "id": "r1", "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/p1"}, "hasMember": [{"reference": format!("#{id}")}],
            "contained": [contained]});
        let left = study("/Observation", &report).await;
        let contained = &left["contained"][0];
        assert!(contained["id"].as_str().is_some_and(|shown| shown != id), "{left}");
        let link = left["hasMember"][0]["reference"].as_str().unwrap_or_default();
        assert_eq!(link.strip_prefix('#'), contained["id"].as_str(), "{left}");
        assert_eq!(
            contained["hasMember"][0]["reference"], "#",
            "the record that contains it has no other name: {left}"
        );
        // In clear both stay.
        let whole = released(CARE, "/Observation/r1", &report.to_string()).await;
        assert_eq!((&whole["contained"][0]["id"], &whole["hasMember"]), (&json!(id), &report["hasMember"]), "{whole}");
    }
}

/// What a search of a form of its own finds out no path says: it is in no table, whoever asks and along every hop.
#[tokio::test]
async fn what_is_near_is_asked_by_nobody_and_refused_by_name() {
    assert!(
        !include_str!("../../policy/catalogue/fhir-r4.toml").contains("= \"special"),
        "no line of the table is dead"
    );
    let stand = stand();
    for caller in [CARE, STUDY] {
        for (target, named) in [
            ("/Location?near=35.6%7C139.7%7C5%7Ckm", "near"),
            ("/Encounter?location.near=35.6%7C139.7", "location.near"),
        ] {
            let answer = ask(&stand, caller, target, "{}").await;
            assert_eq!((answer.status.as_u16(), stand.asked()), (400, 0), "{target}: {}", answer.body);
            assert!(answer.body.contains(&format!("`{named}`")), "{target}: {}", answer.body);
        }
    }
}
