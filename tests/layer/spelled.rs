//! Plain JSON and DICOMweb: a search spells no Individual Number that is stopped in its answer.

use bytes::Bytes;
use http::Response;
use sekisho::demo::sample::{Org, Sample};
use serde_json::{Value, json};

use super::dicom::{self, study, value};
use super::staff;
use super::support::{Answer, Stand};

const NUMBER: &str = "123456789018";

const API: &str = r#"
surface = "rest"
subject-class = "donor"
[record.donor]
fields = { "/id" = "identity.number", "/phone" = "contact.phone", "/memo" = "free-text", "/born" = "identity.birth-date", "/own" = "contact.phone" }
references = ["/id"]
not-individual-number = { "/own" = "a number of the exchange's own" }
[[route]]
id = "donors"
path = "/donors"
methods = { GET = "search" }
shape = "list"
entries = "/items/*"
record = "donor"
subject = { entry = "/id" }
query = { phone = "contact.phone", words = "free-text", born = "identity.birth-date", home = "contact.address", size = "page", sort = "field-name" }
[[route]]
id = "donors.headed"
path = "/headed"
methods = { GET = "search" }
shape = "list"
entries = "/items/*"
record = "donor"
subject = { entry = "/id" }
fields = { "/desk" = "contact.email" }
query = { desk = "contact.email", words = "free-text", phone = "contact.phone" }
[[route]]
id = "donors.calls"
path = "/donors/{id}/calls"
methods = { GET = "search" }
shape = "list"
entries = "/items/*"
subject = { path = "id" }
fields = { "/items/*/phone" = "contact.phone" }
query = { phone = "contact.phone" }
"#;

fn stand(items: &'static str) -> Stand {
    let stand = Stand::with(Sample::new(Org::Jmdp, 1), API, &[]);
    stand.archive(move |_| {
        let body = format!(r#"{{"items":[{items}]}}"#);
        Response::builder().header("content-type", "application/json").body(Bytes::from(body)).unwrap()
    });
    stand
}

async fn get(stand: &Stand, target: &str) -> Answer {
    stand.get(staff("coordination-staff"), "coordination", target).await
}

async fn ids(stand: &Stand, target: &str) -> Vec<String> {
    let answer = get(stand, target).await;
    assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{target}: {}", answer.body);
    assert!(!answer.body.contains(NUMBER), "{target}: {}", answer.body);
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_list_of_plain_json_drops_what_a_digit_would_spell() {
    let stand = stand(r#"{"id":"d-1","phone":"03-1234"},{"id":"d-2","phone":"123456789018"},{"id":"d-3","own":"5"}"#);
    for (target, found) in [
        ("/donors", vec!["d-1", "d-2", "d-3"]),
        ("/donors?phone=1", vec!["d-1", "d-3"]),
        ("/donors?phone=%EF%BC%91", vec!["d-1", "d-3"]),
        ("/donors?phone=x&phone=1", vec!["d-1", "d-3"]),
        ("/donors?sort=-phone", vec!["d-1", "d-3"]),
        ("/donors?sort=born,-phone", vec!["d-1", "d-3"]),
        ("/donors?phone=x", vec!["d-1", "d-2", "d-3"]),
        ("/donors?born=1980-01-01", vec!["d-1", "d-2", "d-3"]),
        ("/donors?sort=born", vec!["d-1", "d-2", "d-3"]),
    ] {
        assert_eq!(ids(&stand, target).await, found, "{target}");
    }
}

/// What was written in a note is compared where notes are searched, and is no reason to leave a record out elsewhere.
#[tokio::test]
async fn a_number_in_a_note_takes_no_record_out_of_a_list_that_compares_something_else() {
    let stand = stand(
        r#"{"id":"d-1","memo":"x","phone":"03-1"},{"id":"d-2","memo":"123456789018","phone":"03-2","born":"1980-01-01"}"#,
    );
    for (target, found) in [
        ("/donors?sort=-phone", vec!["d-1", "d-2"]),
        ("/donors?sort=born", vec!["d-1", "d-2"]),
        ("/donors?born=1980-01-01", vec!["d-1", "d-2"]),
        ("/donors?phone=1", vec!["d-1", "d-2"]),
        ("/donors?words=x", vec!["d-1", "d-2"]),
        ("/donors?words=1", vec!["d-1"]),
        ("/donors?words=1&sort=born", vec!["d-1"]),
        ("/donors?sort=memo", vec!["d-1"]),
        ("/donors?sort=phone,-memo", vec!["d-1"]),
    ] {
        assert_eq!(ids(&stand, target).await, found, "{target}");
    }
    let answer = get(&stand, "/donors?sort=-phone").await;
    let shown = answer.json()["items"][1].clone();
    assert_eq!(
        (shown["phone"].as_str(), shown.get("memo")),
        (Some("03-2"), None),
        "the value is withheld, not the record"
    );
}

/// Digits are compared with nothing that the list has not: neither could what is there be dropped by.
#[tokio::test]
async fn a_filter_on_what_the_list_does_not_show_takes_no_digits() {
    let stand = stand(r#"{"id":"d-1"}"#);
    let answer = get(&stand, "/donors?home=1-2-3").await;
    assert_eq!((answer.status.as_u16(), stand.asked()), (400, 0), "{}", answer.body);
    let problem = answer.json();
    assert_eq!(problem["parameters"], json!(["home"]), "{problem}");
    assert!(problem["type"].as_str().unwrap().ends_with("bad-parameter"), "{problem}");
    assert_ne!(get(&stand, "/donors?home=x").await.status, 400);
    // What stands around the entries is in none of them; free text is everything, so that too.
    for (target, status) in [
        ("/headed?desk=1", 400),
        ("/headed?words=1", 400),
        ("/headed?phone=1", 200),
        ("/headed?desk=x", 200),
        ("/headed?words=x", 200),
    ] {
        let answer = get(&stand, target).await;
        assert_eq!(answer.status.as_u16(), status, "{target}: {}", answer.body);
    }
}

/// What leaves as it streams has begun to leave before it was seen whole.
#[tokio::test]
async fn an_entry_too_large_to_be_seen_whole_is_not_found_by_digits() {
    let entries = format!(r#"{{"phone":"{}"}},{{"phone":"03-1234"}}"#, "x".repeat(2 << 20));
    let stand = stand(Box::leak(entries.into_boxed_str()));
    for (target, found) in
        [("/donors/d-000001/calls", 2), ("/donors/d-000001/calls?phone=x", 2), ("/donors/d-000001/calls?phone=1", 1)]
    {
        assert_eq!(ids(&stand, target).await.len(), found, "{target}");
    }
}

fn studies(stand: &Stand, names: &'static [&'static str]) {
    let all: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let mut study = study("p-1", &format!("1.2.{}", n + 1));
            study["00100010"] = json!({"vr": "PN", "Value": [{"Alphabetic": name}]});
            study
        })
        .collect();
    stand.archive(move |uri| {
        let query = uri.query().unwrap_or("");
        let number = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse::<usize>().ok())
        };
        let (from, size) = (number("offset").unwrap_or(0).min(all.len()), number("limit").unwrap_or(usize::MAX));
        let page: Vec<&Value> = all.iter().skip(from).take(size).collect();
        let response = Response::builder().header("content-type", "application/dicom+json");
        response.body(Bytes::from(json!(page).to_string())).unwrap()
    });
}

async fn uids(stand: &Stand, target: &str) -> Vec<String> {
    let (role, purpose) = dicom::CARE;
    let answer = stand.get(json!({"roles": [role]}), purpose, target).await;
    assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{target}: {}", answer.body);
    assert!(!answer.body.contains(NUMBER), "{target}: {}", answer.body);
    answer
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|found| value(found, "0020000D").as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_wild_card_of_dicomweb_spells_no_number_and_counts_none() {
    let stand = dicom::stand();
    studies(&stand, &["A-1", NUMBER, "A-2", "A-3", NUMBER]);
    for (query, found) in [
        ("", vec!["1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5"]),
        ("PatientName=A*", vec!["1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5"]),
        ("PatientName=1*", vec!["1.2.1", "1.2.3", "1.2.4"]),
        ("00100010=?2*", vec!["1.2.1", "1.2.3", "1.2.4"]),
        ("PatientName=1&fuzzymatching=true", vec!["1.2.1", "1.2.3", "1.2.4"]),
        ("PatientName=1234-5678-9018", vec!["1.2.1", "1.2.3", "1.2.4"]),
        ("PatientName=4711", vec!["1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5"]),
        // What the caller counts is what he sees.
        ("PatientName=1*&limit=2", vec!["1.2.1", "1.2.3"]),
        ("PatientName=1*&limit=2&offset=1", vec!["1.2.3", "1.2.4"]),
        ("PatientName=1*&offset=2", vec!["1.2.4"]),
        ("PatientName=1*&offset=3", vec![]),
    ] {
        assert_eq!(uids(&stand, &format!("/dicom-web/studies?{query}")).await, found, "{query}");
    }
}

/// An archive matches attributes of every level and answers data sets of one: of another level no data set shows what was
/// compared, so that nothing could be dropped by it.
#[tokio::test]
async fn digits_are_compared_with_no_attribute_of_another_level() {
    let stand = dicom::stand();
    studies(&stand, &["A-1"]);
    let (study, series, instance) = ("StudyDescription", "SeriesDescription", "InstanceNumber");
    for (path, own, others) in [
        ("/studies", study, [series, instance]),
        ("/series", series, [study, instance]),
        ("/instances", instance, [study, series]),
        ("/studies/1.2.1/series", "ProtocolName", ["PatientName", "00200010"]),
        ("/studies/1.2.1/instances", "00200013", ["0008103E", "00100010"]),
        ("/studies/1.2.1/series/1.3/instances", instance, ["InstitutionName", "AccessionNumber"]),
    ] {
        let (role, purpose) = dicom::CARE;
        let ask = async |query: &str| {
            let target = format!("/dicom-web{path}?{query}");
            stand.get(json!({"roles": [role]}), purpose, &target).await
        };
        for value in ["1*", "?2*", "*%EF%BC%91", "123456789018", "1&fuzzymatching=true"] {
            let answer = ask(&format!("{own}={value}")).await;
            assert_eq!(answer.status, 200, "{path} {own}={value}: {}", answer.body);
            for other in others {
                let before = stand.asked();
                let answer = ask(&format!("{other}={value}")).await;
                assert_eq!((answer.status.as_u16(), stand.asked()), (400, before), "{path} {other}={value}");
                assert_eq!(answer.json()["parameters"], json!([other]), "{}", answer.body);
            }
        }
        for other in others {
            let answer = ask(&format!("{other}=A*")).await;
            assert_eq!(answer.status, 200, "{path} {other}: {}", answer.body);
        }
    }
}
