//! A search asks only about what the caller may see: every way round it is refused by name, and the backend is not asked.

use http::StatusCode;
use serde_json::{Value, json};

use super::{CARE, Caller, MONEY, STUDY, ask, stand};
use crate::layer::support::{Answer, Ask, Stand};

async fn post(stand: &Stand, (role, purpose): Caller, target: &str, form: &str, body: &Value) -> Answer {
    stand.next_body(body.to_string(), "application/fhir+json");
    let fields = [("content-type", "application/x-www-form-urlencoded; charset=UTF-8")];
    let claims = json!({"roles": [role]});
    stand.ask(Ask { method: "POST", target, claims, purpose, body: form, fields: &fields }).await
}

pub(super) fn bundle(resources: &[Value]) -> Value {
    let entries: Vec<Value> = resources.iter().map(|resource| json!({"resource": resource})).collect();
    json!({"resourceType": "Bundle", "type": "searchset", "total": entries.len(), "entry": entries})
}

pub(super) fn condition(id: &str, person: &str) -> Value {
    json!({"resourceType": "Condition", "id": id, "subject": {"reference": format!("Patient/{person}")},
        "code": {"text": "x"}})
}

pub(super) fn kinds(answer: &Answer) -> Vec<(String, String)> {
    let json = answer.json();
    let entries = json["entry"].as_array().cloned().unwrap_or_default();
    let name = |entry: &Value, key: &str| entry["resource"][key].as_str().unwrap_or_default().to_owned();
    entries.iter().map(|entry| (name(entry, "resourceType"), name(entry, "id"))).collect()
}

/// The accountant sees names, ids and money of a person, and nothing of an illness: each of these would find one out.
#[tokio::test]
async fn every_hidden_hop_is_refused_by_name_and_the_backend_untouched() {
    let stand = stand();
    for (target, named) in [
        ("/Patient?_has:Condition:patient:code=F20", "_has:Condition:patient:code"),
        ("/Patient?_has:Condition:patient:_id=c1", "_has:Condition:patient:_id"),
        ("/Patient?_has:Condition:patient:code:missing=false", "_has:Condition:patient:code:missing"),
        ("/Patient?_has:Condition:patient:code:in=http://x/ValueSet/hiv", "_has:Condition:patient:code:in"),
        ("/Patient?_has:Claim:patient:encounter:Encounter.class=IMP", "_has:Claim:patient:encounter:Encounter.class"),
        ("/Claim?encounter:Encounter.status=finished", "encounter:Encounter.status"),
        ("/Claim?encounter=Encounter/e1", "encounter"),
        ("/Claim?encounter:missing=true", "encounter:missing"),
        ("/Claim?patient._has:Condition:patient:code=F20", "patient._has:Condition:patient:code"),
        ("/Claim?encounter._has:Condition:encounter:code=F20", "encounter._has:Condition:encounter:code"),
        ("/Claim?_sort=encounter", "_sort"),
        ("/Claim?_sort=created,-encounter", "_sort"),
        ("/Claim?_include=Claim:encounter", "_include"),
        ("/Claim?_include=*", "_include"),
        ("/Patient?_revinclude=Condition:patient", "_revinclude"),
        ("/Patient?_revinclude=*", "_revinclude"),
        ("/Patient?_include:iterate=Condition:encounter", "_include:iterate"),
        ("/Patient?name=x&_has:Condition:patient:code=F20", "_has:Condition:patient:code"),
    ] {
        let answer = ask(&stand, MONEY, target, "{}").await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (403, 0), "{target}: {}", answer.body);
        let issue = &answer.json()["issue"][0];
        assert_eq!(issue["details"]["coding"][0]["code"], "search-not-permitted", "{target}");
        let told = issue["diagnostics"].as_str().unwrap();
        assert!(told.contains(&format!("`{named}`")), "{target}: {told}");
        assert!(!told.contains("`name`"), "{target}: {told} names what may be searched on");
    }
    // As a form, whole or in part, it is the same question.
    for (target, form) in [
        ("/Patient/_search", "_has:Condition:patient:code=F20"),
        ("/Patient/_search", "%5Fhas%3ACondition%3Apatient%3Acode=F20"),
        ("/Patient/_search?name=x", "_revinclude=Condition:patient"),
        ("/Patient/_search?_has:Condition:patient:code=F20", "name=x"),
        ("/Patient/_search?_has:Condition:patient:code=F20", ""),
    ] {
        let answer = post(&stand, MONEY, target, form, &bundle(&[])).await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (403, 0), "{target} {form}: {}", answer.body);
    }
    // What he may see he may ask.
    for target in [
        "/Patient?name:exact=x&birthdate=lt1980",
        "/Claim?patient.name=x&_sort=-created",
        "/Claim?patient:Patient.birthdate=lt1980",
        "/Patient?_has:Claim:patient:created=ge2020",
        "/Claim?_include=Claim:patient",
    ] {
        let answer = ask(&stand, MONEY, target, &bundle(&[]).to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}: {}", answer.body);
        let asked = format!("{target}&_count=50");
        assert_eq!(stand.backend.last.lock().unwrap().as_ref().unwrap().0, asked, "not what was judged");
    }
}

/// A student sees a year of birth and a pseudonym: neither can be searched on.
#[tokio::test]
async fn what_is_generalised_or_pseudonymised_cannot_be_searched_on() {
    let stand = stand();
    for target in [
        "/Patient?birthdate=1980-01-01",
        "/Patient?birthdate=1980",
        "/Patient?_sort=birthdate",
        "/Patient?identifier=1",
        "/Patient?_id:missing=false",
        "/Condition?patient.birthdate=lt1980",
        "/Condition?encounter:Encounter.class=IMP",
        "/Condition?encounter=Encounter/e1",
        "/Condition?_id=c1",
        "/Patient?_has:Condition:patient:code=F20",
        "/Condition?_include=Condition:encounter",
    ] {
        let answer = ask(&stand, STUDY, target, "{}").await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (403, 0), "{target}: {}", answer.body);
    }
    assert_eq!(ask(&stand, STUDY, "/Condition?code=x", &bundle(&[]).to_string()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_form_reaches_the_backend_as_it_was_judged() {
    let stand = stand();
    let form = "code=http%3A%2F%2Floinc.org%7C1-8&subject=Patient%2Fp1&_sort=-date";
    let answer = post(&stand, CARE, "/Observation/_search?status=final", form, &bundle(&[])).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let (uri, fields) = stand.backend.last.lock().unwrap().clone().unwrap();
    assert_eq!(uri, "/Observation/_search?status=final");
    assert_eq!(fields["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(&**stand.backend.last_body.lock().unwrap(), form.as_bytes());
    assert_eq!(stand.last("begin")["method"], "POST");
    assert_eq!(stand.last("begin")["subjects"].as_array().map(Vec::len), Some(1), "the person named is on record");

    // A pseudonym in the form is opened inside; another's is nobody.
    let shown = ask(&stand, STUDY, "/Condition", &bundle(&[condition("c1", "p1")]).to_string()).await.json();
    let pseudonym = shown["entry"][0]["resource"]["subject"]["reference"].as_str().unwrap().to_owned();
    assert!(!pseudonym.ends_with("/p1"), "{pseudonym}");
    let answer =
        post(&stand, STUDY, "/Condition/_search", &format!("code=x&subject={pseudonym}&status=y"), &bundle(&[])).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "`status` is no parameter here: {}", answer.body);
    let form = format!("code=x&subject={pseudonym}&category=y");
    let answer = post(&stand, STUDY, "/Condition/_search", &form, &bundle(&[])).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(&**stand.backend.last_body.lock().unwrap(), b"code=x&subject=Patient/p1&category=y");
    let asked = stand.asked();
    let answer = post(&stand, STUDY, "/Condition/_search", "subject=Patient/p1", &bundle(&[])).await;
    assert_eq!((answer.status.as_u16(), stand.asked() - asked), (404, 0), "{}", answer.body);
}

#[tokio::test]
async fn a_form_is_a_form() {
    let stand = stand();
    for (media, form, status) in [
        ("application/json", "{}", 415),
        ("application/x-www-form-urlencoded; charset=shift_jis", "code=x", 415),
        ("multipart/form-data; boundary=x", "code=x", 415),
        ("application/x-www-form-urlencoded", "code=x#", 400),
        ("application/x-www-form-urlencoded", "code=%", 400),
        ("application/x-www-form-urlencoded", "code=%00", 400),
        ("application/x-www-form-urlencoded", "\u{feff}code=x", 400),
    ] {
        let fields = [("content-type", media)];
        let claims = json!({"roles": ["physician"]});
        let ask =
            Ask { method: "POST", target: "/Condition/_search", claims, purpose: "care", body: form, fields: &fields };
        let answer = stand.ask(ask).await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (status, 0), "{media} {form}: {}", answer.body);
    }
}

#[tokio::test]
async fn what_is_included_is_judged_by_its_own_type_and_person() {
    let stand = stand();
    let stopped = json!({"resourceType": "Patient", "id": "p2", "name": [{"text": "N"}]});
    let mut visited = condition("c1", "p1");
    visited["encounter"] = json!({"reference": "Encounter/e1"});
    let found = bundle(&[
        visited,
        condition("c2", "p2"),
        json!({"resourceType": "Patient", "id": "p1", "name": [{"text": "M"}], "photo": [{"data": "x"}]}),
        stopped,
        json!({"resourceType": "Encounter", "id": "e1", "subject": {"reference": "Patient/p1"}, "status": "finished"}),
        json!({"resourceType": "Practitioner", "id": "d1", "name": [{"text": "D"}]}),
        json!({"resourceType": "Invoice", "id": "i1", "subject": {"reference": "Patient/p1"}, "status": "issued"}),
        json!({"resourceType": "Binary", "id": "b1", "data": "x"}),
        json!({"resourceType": "OperationOutcome", "issue": []}),
    ]);
    let text = found.to_string();
    let plain = ask(&stand, CARE, "/Condition?code=x", &text).await;
    let conditions = [("Condition".to_owned(), "c1".to_owned()), ("Condition".into(), "c2".into())];
    assert_eq!(kinds(&plain), conditions, "nobody asked for more");
    let answer = ask(&stand, CARE, "/Condition?_include=Condition:encounter&_include=Condition:subject", &text).await;
    let wanted: Vec<(String, String)> =
        [("Condition", "c1"), ("Condition", "c2"), ("Encounter", "e1"), ("Patient", "p1"), ("Patient", "p2")]
            .map(|(kind, id)| (kind.into(), id.into()))
            .into();
    assert_eq!(kinds(&answer), wanted, "{}", answer.body);
    assert!(!answer.body.contains("photo"), "{}", answer.body);
    let of_one = ask(&stand, CARE, "/Condition?patient=p1&_include=Condition:subject", &text).await;
    assert_eq!(
        kinds(&of_one),
        [("Condition".into(), "c1".into()), ("Patient".into(), "p1".into())],
        "another's came along"
    );
    let answer = ask(&stand, CARE, "/Condition?patient=p1&_include=Condition:asserter:Practitioner", &text).await;
    assert_eq!(kinds(&answer), [("Condition".into(), "c1".into()), ("Practitioner".into(), "d1".into())]);
}

/// What a person objects to cannot be asked of him: an outsider learns no more than of an unknown id, and of a list he is
/// not part.
#[tokio::test]
async fn a_search_on_what_a_person_withholds_does_not_find_him() {
    let stand = stand();
    stand.add("objection", "subject=p2 purpose=care categories=health.condition from=2026-01-01");
    let text = bundle(&[
        json!({"resourceType": "Patient", "id": "p1", "name": [{"text": "M"}]}),
        json!({"resourceType": "Patient", "id": "p2", "name": [{"text": "N"}]}),
    ])
    .to_string();
    let both = ask(&stand, CARE, "/Patient?name=x", &text).await;
    assert_eq!(kinds(&both).len(), 2, "{}", both.body);
    let ill = ask(&stand, CARE, "/Patient?_has:Condition:patient:code=F20", &text).await;
    assert_eq!(kinds(&ill), [("Patient".into(), "p1".into())], "{}", ill.body);
}

async fn outside(stand: &Stand, target: &str, body: &Value) -> Answer {
    stand.next_body(body.to_string(), "application/fhir+json");
    stand.get(json!({"sub": "dr-x", "org": "minato-hospital"}), "care.coordination", target).await
}

fn hospital() -> Stand {
    let stand = stand();
    stand.add("organization", "id=minato-hospital recipient=hospital country=JP from=2024-04-01 until=2099-03-31");
    stand
}

/// Nor is a person who had it stopped told from one whom nobody knows: not by an empty list, which would say besides that he
/// has no allergies.
#[tokio::test]
async fn an_outsider_is_not_told_by_a_list_who_had_it_stopped() {
    let stand = hospital();
    stand.add("restriction", "subject=p2 name=stop-use");
    let plain = |answer: &Answer| answer.body.split("decision ").next().unwrap().to_owned();
    for search in ["/Condition?patient=", "/AllergyIntolerance?patient=Patient/", "/Condition?subject=Patient/"] {
        let stopped = outside(&stand, &format!("{search}p2"), &bundle(&[])).await;
        let nobody = outside(&stand, &format!("{search}p9"), &bundle(&[])).await;
        assert_eq!((stopped.status.as_u16(), nobody.status), (404, stopped.status), "{search}: {}", nobody.body);
        assert_eq!((plain(&stopped), stopped.body.len()), (plain(&nobody), nobody.body.len()), "{search}");
        // Staff are told that there is nothing.
        let empty = ask(&stand, CARE, &format!("{search}p9"), &bundle(&[]).to_string()).await;
        assert_eq!(empty.status, 200, "{}", empty.body);
    }
    let some = outside(&stand, "/Condition?patient=p1", &bundle(&[condition("c1", "p1")])).await;
    assert_eq!(kinds(&some), [("Condition".into(), "c1".into())], "{}", some.body);
}

/// How many categories are withheld is counted for anybody: what this person had stopped besides is his.
#[tokio::test]
async fn an_outsider_is_not_told_by_a_count_what_a_person_objects_to() {
    let stand = hospital();
    stand.add("objection", "subject=p2 purpose=care.coordination categories=identity,contact from=2026-01-01");
    let told = |answer: &Answer| {
        let field = answer.headers["purpose-of-use-decision"].to_str().unwrap();
        field.split("withheld=").nth(1).unwrap().to_owned()
    };
    let mut withheld = Vec::new();
    for person in ["p1", "p2"] {
        let answer =
            outside(&stand, &format!("/Condition?patient={person}"), &bundle(&[condition("c1", person)])).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        withheld.push(told(&answer));
    }
    assert_eq!(withheld[0], withheld[1]);
}
