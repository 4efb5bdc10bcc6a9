//! DICOMweb through the layer: data sets in JSON, UIDs that are pseudonyms both ways, what cannot be read inside.

use bytes::Bytes;
use http::{Response, StatusCode};
use sekisho::catalogue::Catalogue;
use sekisho::demo::sample::Org;
use sekisho::policy::Source;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use super::support::{Answer, Ask, Script, Stand};

pub(super) type Caller = (&'static str, &'static str);
pub(super) const CARE: Caller = ("physician", "care");
pub(super) const STUDY: Caller = ("student", "operations.student-training");

const STUDY_UID: &str = "1.2.840.113619.2.55.3.604688119.971.1387282013.450";
const STUDIES: &str = "/dicom-web/studies";

pub(super) fn stand() -> Stand {
    Stand::before(Catalogue::dicomweb_source(), Org::Sakura, &[])
}

fn attribute(vr: &str, value: Value) -> Value {
    json!({"vr": vr, "Value": [value]})
}

/// A study as a search answers it, with something of every kind.
pub(super) fn study(patient: &str, uid: &str) -> Value {
    json!({
        "00080005": attribute("CS", json!("ISO_IR 192")),
        "00080020": attribute("DA", json!("20251103")),
        "00080050": attribute("SH", json!("ACC-4711-canary")),
        "00080061": {"vr": "CS", "Value": ["CT", "SR"]},
        "00080090": attribute("PN", json!({"Alphabetic": "Doctor-canary^A"})),
        "00081030": attribute("LO", json!("Describes-canary")),
        "00081190": attribute("UR", json!(format!("http://backend.test/dicom-web/studies/{uid}"))),
        "00100010": attribute("PN", json!({"Alphabetic": "Name-canary^A", "Ideographic": "氏名-canary", "Phonetic": "シメイ-canary"})),
        "00100020": attribute("LO", json!(patient)),
        "00100030": attribute("DA", json!("19870502")),
        "00100040": attribute("CS", json!("F")),
        "00101010": attribute("AS", json!("038Y")),
        "0020000D": attribute("UI", json!(uid)),
        "00200010": attribute("SH", json!("S-canary")),
        "00201206": attribute("IS", json!(2)),
        "00201208": attribute("IS", json!(204)),
        "00090010": attribute("LO", json!("PRIVATE-canary")),
        "00091001": {"vr": "OB", "InlineBinary": "Y2FuYXJ5"},
        "00082112": {"vr": "SQ", "Value": [{
            "00081155": attribute("UI", json!(uid)),
            "00081150": attribute("UI", json!("1.2.840.10008.5.1.4.1.1.2")),
            "00100010": attribute("PN", json!({"Alphabetic": "Nested-canary"})),
            "00091002": attribute("LO", json!("Private-nested-canary"))
        }]},
        "00081032": {"vr": "SQ", "Value": [{
            "00080100": attribute("SH", json!("77477000")),
            "00080104": attribute("LO", json!("CT of thorax")),
            "00091003": attribute("LO", json!("Private-code-canary"))
        }]},
        "7FE00010": {"vr": "OW", "BulkDataURI": format!("http://backend.test/dicom-web/studies/{uid}/series/1.2.3/instances/1.2.4/bulk/7fe00010")}
    })
}

async fn ask(stand: &Stand, (role, purpose): Caller, target: &str, body: &Value) -> Answer {
    let answer = Response::builder().header("content-type", "application/dicom+json");
    *stand.backend.instead.lock().unwrap() = Some(answer.body(Bytes::from(body.to_string())).unwrap());
    stand.archive(|_| Response::builder().header("content-type", "application/dicom+json").body("[]".into()).unwrap());
    stand.get(json!({"roles": [role]}), purpose, target).await
}

async fn released(stand: &Stand, caller: Caller, target: &str, body: &Value) -> Value {
    let answer = ask(stand, caller, target, body).await;
    assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/dicom+json");
    assert!(!answer.body.contains("backend.test"), "the backend's address left: {}", answer.body);
    answer.json()
}

/// The one value of an attribute.
pub(super) fn value<'v>(dataset: &'v Value, tag: &str) -> &'v Value {
    &dataset[tag]["Value"][0]
}

#[tokio::test]
async fn who_may_see_it_gets_the_data_set_without_what_nobody_named() {
    let stand = stand();
    let left = released(&stand, CARE, STUDIES, &json!([study("p-1", STUDY_UID)])).await;
    let dataset = &left[0];
    assert_eq!(value(dataset, "00100010")["Ideographic"], "氏名-canary");
    assert_eq!(value(dataset, "00100020"), "p-1");
    assert_eq!(dataset["00201208"], attribute("IS", json!(204)), "numbers stay as they are");
    assert_eq!(value(dataset, "00081190"), &json!(format!("/dicom-web/studies/{STUDY_UID}")));
    let pixels = dataset["7FE00010"]["BulkDataURI"].as_str().unwrap();
    assert!(pixels.starts_with(&format!("/dicom-web/studies/{STUDY_UID}/series/1.2.3/")), "{pixels}");
    assert_eq!(value(&dataset["00082112"]["Value"][0], "00100010")["Alphabetic"], "Nested-canary");
    for private in ["00090010", "00091001"] {
        assert!(dataset.get(private).is_none(), "{private} left");
    }
    let text = left.to_string();
    assert!(!text.contains("PRIVATE") && !text.contains("Private") && !text.contains("Y2FuYXJ5"), "{text}");
    let end = stand.last("end").to_string();
    assert!(end.contains("00091001") && end.contains("00090010"), "what nobody named is told by its tag: {end}");
}

#[tokio::test]
async fn what_is_cut_leaves_a_data_set_that_is_still_one() {
    let stand = stand();
    let left = released(&stand, STUDY, STUDIES, &json!([study("p-1", STUDY_UID)])).await;
    let dataset = &left[0];
    let text = left.to_string();
    assert!(!text.contains("canary") && !text.contains(STUDY_UID) && !text.contains("p-1"), "{text}");
    for gone in ["00100010", "00080090", "00081030"] {
        assert!(dataset.get(gone).is_none(), "{gone} left: {text}");
    }
    assert_eq!(dataset["00100030"], attribute("DA", json!("19870101")), "a birth date is its year's first day");
    assert_eq!(dataset["00101010"], attribute("AS", json!("030Y")));
    assert_eq!(dataset["00100040"], attribute("CS", json!("F")));
    assert_eq!(dataset["00080061"], json!({"vr": "CS", "Value": ["CT", "SR"]}));
    let uid = value(dataset, "0020000D").as_str().unwrap();
    assert!(uid.starts_with("2.25.") && uid.len() <= 64 && uid[5..].bytes().all(|b| b.is_ascii_digit()), "{uid}");
    let nested = &dataset["00082112"]["Value"][0];
    assert_eq!(value(nested, "00081155"), uid, "the same id is the same pseudonym wherever it stands");
    assert_eq!(value(nested, "00081150"), "1.2.840.10008.5.1.4.1.1.2");
    assert!(nested.get("00100010").is_none());
    assert_eq!(value(&dataset["00081032"]["Value"][0], "00080104"), "CT of thorax", "a code is what its sequence is");
    assert_eq!(value(dataset, "00081190"), &json!(format!("/dicom-web/studies/{uid}")), "a link leads by pseudonyms");
    assert_eq!(value(dataset, "00080050").as_str().map(str::len), Some(16), "a short text has a short pseudonym");
    for (tag, attribute) in dataset.as_object().unwrap() {
        assert!(attribute["vr"].is_string(), "{tag} has lost its kind: {attribute}");
    }
}

#[tokio::test]
async fn a_pseudonym_leads_back_by_path_and_query_and_no_other_name_does() {
    let stand = stand();
    let left = released(&stand, STUDY, STUDIES, &json!([study("p-1", STUDY_UID)])).await;
    let (uid, patient) = (value(&left[0], "0020000D").as_str().unwrap(), value(&left[0], "00100020").as_str().unwrap());
    let body = json!([study("p-1", STUDY_UID)]);
    for (target, forwarded) in [
        (format!("/dicom-web/studies/{uid}/metadata"), format!("/dicom-web/studies/{STUDY_UID}/metadata")),
        (
            format!("/dicom-web/studies/{uid}/series?limit=3"),
            format!("/dicom-web/studies/{STUDY_UID}/series?limit=3&includefield=00100020"),
        ),
        (
            format!("/dicom-web/series?StudyInstanceUID={uid}&PatientID={patient}"),
            format!("/dicom-web/series?StudyInstanceUID={STUDY_UID}&PatientID=p-1&includefield=00100020"),
        ),
    ] {
        stand.backend.targets.lock().unwrap().clear();
        released(&stand, STUDY, &target, &body).await;
        assert_eq!(stand.backend.targets.lock().unwrap()[0], forwarded);
    }
    let asked = stand.asked();
    let others = [
        format!("/dicom-web/studies/{STUDY_UID}/metadata"),
        format!("/dicom-web/studies?StudyInstanceUID={STUDY_UID}"),
        format!("/dicom-web/studies?StudyInstanceUID={uid},{STUDY_UID}"),
        "/dicom-web/studies?PatientID=p-1".to_owned(),
        "/dicom-web/studies/2.25.1/metadata".to_owned(),
    ];
    for target in others {
        let answer = stand.get(json!({"roles": ["student"]}), STUDY.1, &target).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{target}: {}", answer.body);
    }
    // Another purpose is another context.
    let target = format!("/dicom-web/studies/{uid}/metadata");
    let elsewhere = stand.get(json!({"roles": ["student"]}), "operations.case-study", &target).await;
    assert_ne!(elsewhere.status, StatusCode::OK, "{}", elsewhere.body);
    assert_eq!(stand.asked(), asked, "a name that is none reached the backend");
}

#[tokio::test]
async fn what_its_pseudonyms_stand_for_is_kept_or_nothing_leaves() {
    let stand = stand();
    let body = json!([study("p-1", STUDY_UID)]);
    stand.tokens.lost.store(true, Ordering::SeqCst);
    let answer = ask(&stand, STUDY, STUDIES, &body).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    assert!(!answer.body.contains("2.25."), "{}", answer.body);
    assert_eq!(stand.last("end")["outcome"], "failed");
    let asked = stand.asked();
    let unreadable = stand.get(json!({"roles": ["student"]}), STUDY.1, "/dicom-web/studies/2.25.1/metadata").await;
    assert_eq!(
        unreadable.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "whether it is one cannot be told: {}",
        unreadable.body
    );
    assert_eq!(stand.asked(), asked);
    // Where ids are shown, nothing rests on it.
    released(&stand, CARE, STUDIES, &body).await;
    stand.tokens.lost.store(false, Ordering::SeqCst);
    released(&stand, STUDY, STUDIES, &body).await;
}

#[tokio::test]
async fn what_is_kept_of_a_pseudonym_is_sealed() {
    let stand = stand();
    released(&stand, STUDY, STUDIES, &json!([study("p-1", STUDY_UID)])).await;
    let rows = stand.tokens.rows.lock().unwrap();
    assert!(rows.keys().any(|token| token.starts_with("2.25.")), "the study's is among them");
    for (token, sealed) in rows.iter() {
        let held = |text: &str| sealed.windows(text.len()).any(|part| part == text.as_bytes()) || token.contains(text);
        assert!(!held(STUDY_UID) && !held("canary") && !held("4711"), "{token} holds what it stands for");
    }
}

#[tokio::test]
async fn a_data_set_about_somebody_else_or_nobody_is_dropped() {
    let stand = stand();
    stand.add("restriction", "subject=p-2 name=stop-use");
    let mut nobodys = study("x", "1.2.9");
    nobodys.as_object_mut().unwrap().remove("00100020");
    let mut doubled = study("p-1", "1.2.8");
    doubled["00100020"]["Value"] = json!(["p-1", "p-2"]);
    let body = json!([study("p-1", "1.2.1"), study("p-2", "1.2.2"), nobodys, doubled]);
    let left = released(&stand, CARE, STUDIES, &body).await;
    let uids: Vec<_> = left.as_array().unwrap().iter().map(|dataset| value(dataset, "0020000D")).collect();
    assert_eq!(uids, [&json!("1.2.1")]);
    let named = released(&stand, CARE, "/dicom-web/studies?PatientID=p-1", &json!([study("p-3", "1.2.3")])).await;
    assert_eq!(named, json!([]), "an answer about another than was asked for");
}

#[tokio::test]
async fn a_search_on_what_is_hidden_is_refused_and_reaches_nobody() {
    let stand = stand();
    for query in [
        "PatientName=YAMADA*",
        "00100010=A",
        "StudyDescription=hiv",
        "includefield=PatientName",
        "PatientBirthDate=1987",
    ] {
        let answer = stand.get(json!({"roles": ["student"]}), STUDY.1, &format!("{STUDIES}?{query}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{query}: {}", answer.body);
        let name = query.split('=').next().unwrap();
        assert_eq!(answer.json()["parameters"], json!([name]), "the one that is hidden is told: {}", answer.body);
    }
    let target = format!("{STUDIES}?ModalitiesInStudy=CT&PatientName=A");
    let one = stand.get(json!({"roles": ["student"]}), STUDY.1, &target).await;
    assert_eq!(one.json()["parameters"], json!(["PatientName"]), "and no other");
    for query in ["includefield=all", "00091001=1", "foo=1"] {
        let answer = stand.get(json!({"roles": ["physician"]}), CARE.1, &format!("{STUDIES}?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {}", answer.body);
        assert!(answer.body.contains(query.strip_suffix("=1").unwrap_or(query)), "{query}: {}", answer.body);
    }
    // That there are studies tells of examinations.
    let clerk = stand.get(json!({"roles": ["accountant"]}), "administration.accounting", STUDIES).await;
    assert_eq!(clerk.status, StatusCode::FORBIDDEN, "{}", clerk.body);
    assert_eq!(stand.asked(), 0);
}

#[tokio::test]
async fn pixels_of_which_nobody_has_said_what_they_show_are_refused() {
    let stand = stand();
    for rest in ["/rendered", "/series/1.3/instances/1.4/frames/1", "/series/1.3/instances/1.4/bulk/7FE00010"] {
        let answer = stand.get(json!({"roles": ["physician"]}), CARE.1, &format!("/dicom-web/studies/1.2{rest}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{rest}: {}", answer.body);
        assert!(answer.body.contains("burnt-in-text"), "{}", answer.body);
    }
    assert_eq!(stand.asked(), 0);
}

/// A masked value is empty or stars, as its kind allows.
#[tokio::test]
async fn a_masked_value_is_still_of_its_kind() {
    let view = "[view.students]\nclear = [\"health\", \"identity.gender\", \"aggregate\"]";
    let masked = "[view.students]\nclear = [\"health.exam-event\", \"health.exam-result\", \"aggregate\"]\nmasked = [\"identity.name\", \"identity.gender\"]";
    let stand = Stand::before_under(Catalogue::dicomweb_source(), Org::Sakura, (view, masked));
    let left = released(&stand, STUDY, STUDIES, &json!([study("p-1", STUDY_UID)])).await;
    let stars = json!({"Alphabetic": "***", "Ideographic": "***", "Phonetic": "***"});
    assert_eq!(left[0]["00100010"], attribute("PN", stars));
    assert_eq!(left[0]["00100040"], attribute("CS", Value::Null));
}

fn counting() -> Stand {
    let text = "surface = \"dicomweb\"\nbased-on = \"dicomweb\"\nburnt-in-text = \"counts\"";
    Stand::before(Source::new("dicom.toml", text), Org::Sakura, &[])
}

const FILE: &str = "/dicom-web/studies/1.2/series/1.3/instances/1.4";

/// What a search for the file finds: whose it is.
fn found(patient: &str) -> Value {
    json!([{
        "00080018": attribute("UI", json!("1.4")),
        "00100020": attribute("LO", json!(patient)),
        "0020000D": attribute("UI", json!("1.2")),
        "0020000E": attribute("UI", json!("1.3"))
    }])
}

/// The backend answers a search first, and then the object.
async fn retrieve(
    stand: &Stand,
    caller: Caller,
    target: &str,
    search: &Value,
    media: &str,
    object: &'static [u8],
) -> Answer {
    let answer = Response::builder().header("content-type", "application/dicom+json");
    let response = answer.body(Script::chunked(&Bytes::from(search.to_string()), 0)).unwrap();
    stand.hook(move || Ok(response));
    *stand.backend.instead.lock().unwrap() =
        Some(Response::builder().header("content-type", media).body(Bytes::from_static(object)).unwrap());
    let answer = stand.get(json!({"roles": [caller.0]}), caller.1, target).await;
    *stand.backend.instead.lock().unwrap() = None;
    drop(stand.backend.hook.lock().unwrap().take());
    answer
}

const PARTS: &str = "multipart/related; type=\"application/dicom\"; boundary=b1";
const OBJECT: &[u8] = b"--b1\r\nContent-Location: http://backend.test/x\r\nContent-Type: application/dicom\r\n\r\nDICM-file\r\n--b1--\r\n";

#[tokio::test]
async fn a_file_is_released_once_the_backend_has_said_whose_it_is() {
    let stand = stand();
    let answer = retrieve(&stand, CARE, FILE, &found("p-1"), PARTS, OBJECT).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "multipart/related; type=\"application/dicom\"; boundary=\"b1\"");
    assert_eq!(answer.body, "--b1\r\nContent-Type: application/dicom\r\n\r\nDICM-file\r\n--b1--\r\n");
    assert_eq!(stand.asked(), 2);
    let begin = stand.last("begin");
    assert_eq!(begin["subjects"].as_array().map(Vec::len), Some(1), "who it is about is on record: {begin}");
    stand.add("restriction", "subject=p-2 name=stop-use");
    let refused = retrieve(&stand, CARE, FILE, &found("p-2"), PARTS, OBJECT).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    assert_eq!(stand.asked(), 3, "the file was asked for");
}

#[tokio::test]
async fn a_file_whose_patient_cannot_be_told_is_not_asked_for() {
    let stand = stand();
    let mut elsewhere = found("p-1");
    elsewhere[0]["00080018"]["Value"] = json!(["1.5"]);
    let mut nobodys = found("p-1");
    nobodys[0]["00100020"] = json!({"vr": "LO"});
    let two = json!([found("p-1")[0], found("p-2")[0]]);
    for (search, status) in [(elsewhere, 502), (nobodys, 502), (two, 502), (json!({"a": 1}), 502), (json!([]), 404)] {
        let before = stand.asked();
        let answer = retrieve(&stand, CARE, FILE, &search, PARTS, OBJECT).await;
        assert_eq!(answer.status.as_u16(), status, "{search}: {}", answer.body);
        assert_eq!(stand.asked(), before + 1, "{search}: the file was asked for");
        assert!(!answer.body.contains("DICM"), "{}", answer.body);
    }
}

#[tokio::test]
async fn who_may_have_only_part_of_a_file_gets_none_and_no_backend_is_asked() {
    let stand = stand();
    let answer = stand.get(json!({"roles": ["student"]}), STUDY.1, FILE).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    assert!(answer.body.contains("not-whole"), "{}", answer.body);
    assert_eq!(stand.asked(), 0);
}

#[tokio::test]
async fn an_object_of_another_kind_is_not_released() {
    let stand = counting();
    for (media, object) in [
        ("text/html", &b"<a href=http://backend.test>"[..]),
        ("application/json", b"{\"at\": \"http://backend.test\"}"),
        ("multipart/related", OBJECT),
        ("multipart/related; boundary=other", OBJECT),
    ] {
        let answer = retrieve(&stand, CARE, &format!("{FILE}/frames/1"), &found("p-1"), media, object).await;
        assert!(answer.status == StatusCode::BAD_GATEWAY || answer.cut, "{media}: {} {}", answer.status, answer.body);
        assert!(!answer.body.contains("backend.test"), "{media}: {}", answer.body);
    }
    let image = retrieve(&stand, CARE, &format!("{FILE}/rendered"), &found("p-1"), "image/jpeg", b"\xff\xd8JFIF").await;
    assert_eq!((image.status, &image.headers["content-type"]), (StatusCode::OK, &"image/jpeg".parse().unwrap()));
}

/// A dry run asks nobody whose a file is.
#[tokio::test]
async fn a_dry_run_of_a_file_searches_for_nothing() {
    let stand = stand();
    let fields = [("purpose-of-use-dry-run", "?1")];
    let ask = Ask {
        method: "GET",
        target: FILE,
        claims: json!({"roles": ["physician"]}),
        purpose: CARE.1,
        fields: &fields,
        ..Ask::default()
    };
    let answer = stand.ask(ask).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(stand.asked(), 0);
}
