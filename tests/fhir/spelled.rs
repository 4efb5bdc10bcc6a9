//! An Individual Number that is stopped in the answer is not spelt by a search for its digits either.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::search::{bundle, condition, kinds};
use super::{CARE, Caller, stand};
use crate::layer::support::{Answer, Ask, Stand};

const NUMBER: &str = "123456789018";

fn patient(id: &str, family: &str, text: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": family, "text": text}]})
}

/// A server that searches: a record fits where all parameters that are about texts find theirs at the beginning, or with a modifier
/// anywhere, of a text of the record; and the person, where one is named. It answers in pages of `_count`.
fn serve(stand: &Stand, records: Vec<Value>) {
    let answers = move |head: &http::request::Parts, body: &Bytes| {
        let query = format!("{}&{}", head.uri.query().unwrap_or(""), String::from_utf8_lossy(body));
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let given: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.into(), decode(value)))
            .collect();
        let kind = head.uri.path().split('/').nth(1).unwrap();
        let mut found: Vec<&Value> =
            records.iter().filter(|record| record["resourceType"] == kind && fits(record, &given)).collect();
        let by: HashMap<&str, &str> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if by.contains_key("_sort") {
            found.sort_by_key(|record| texts(record).join(" "));
        }
        let page = |name: &str| by.get(name).and_then(|text| text.parse::<usize>().ok());
        let (from, size) = (page("_offset").unwrap_or(0), page("_count").unwrap_or(50));
        let shown: Vec<Value> = found.iter().skip(from).take(size).map(|record| (*record).clone()).collect();
        let shown: Vec<Value> = shown.into_iter().map(|record| of_elements(record, by.get("_elements"))).collect();
        let mut answer = bundle(&shown);
        if from + size < found.len() {
            let query: Vec<&str> =
                query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("_offset=")).collect();
            let url = format!("http://backend.test{}?{}&_offset={}", head.uri.path(), query.join("&"), from + size);
            answer["link"] = json!([{"relation": "next", "url": url}]);
        }
        let response = Response::builder().header("content-type", "application/fhir+json");
        response.body(Bytes::from(answer.to_string())).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
}

/// The elements that were asked for, and what every record has.
fn of_elements(mut record: Value, elements: Option<&&str>) -> Value {
    if let (Some(elements), Some(members)) = (elements, record.as_object_mut()) {
        let always = ["resourceType", "id"];
        members.retain(|name, _| always.contains(&name.as_str()) || elements.split(',').any(|asked| asked == name));
    }
    record
}

fn texts(record: &Value) -> Vec<String> {
    let name = &record["name"][0];
    let all = [&name["family"], &name["text"], &record["code"]["text"]];
    all.iter().filter_map(|text| text.as_str()).map(str::to_owned).collect()
}

fn fits(record: &Value, given: &[(String, String)]) -> bool {
    given.iter().all(|(name, value)| {
        let found = |fits: &dyn Fn(&str) -> bool| texts(record).iter().any(|text| fits(text));
        // As servers do, whatever the width of a digit.
        let value: String = value.chars().map(|c| c.to_digit(36).map_or(c, |_| c)).map(narrow).collect();
        match name.as_str() {
            "name" | "family" => found(&|text| value.split(',').any(|one| text.starts_with(one))),
            "name:contains" | "code:text" => found(&|text| text.contains(value.as_str())),
            "name:exact" | "code" => found(&|text| value.split(',').any(|one| text == one)),
            "name:missing" => (value == "true") == texts(record).is_empty(),
            "patient" => record["subject"]["reference"] == format!("Patient/{value}"),
            _ => true,
        }
    })
}

fn narrow(c: char) -> char {
    match c {
        '０'..='９' => char::from(b'0' + u8::try_from(u32::from(c) - u32::from('０')).unwrap()),
        _ => c,
    }
}

async fn get(stand: &Stand, (role, purpose): Caller, target: &str) -> Answer {
    stand.get(json!({"sub": "dr-1", "roles": [role]}), purpose, target).await
}

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{}", answer.body);
    kinds(answer).into_iter().map(|(_, id)| id).collect()
}

/// All that a caller can tell an answer by, but for the decision's id.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let plain = |text: &str| match text.split_once("id=\"") {
        Some((before, after)) => format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest)),
        None => text.to_owned(),
    };
    let fields = answer.headers.iter();
    let fields = fields.map(|(name, value)| (name.to_string(), plain(value.to_str().unwrap()))).collect();
    (answer.status.as_u16(), fields, answer.body.clone())
}

fn two_patients(number: &str) -> Stand {
    let stand = stand();
    serve(&stand, vec![patient("p1", "山田", "山田 太郎"), patient("p2", "鈴木", number)]);
    stand
}

#[tokio::test]
async fn no_digit_of_a_number_is_spelt_by_which_records_come_back() {
    let held = two_patients(NUMBER);
    let other = two_patients("鈴木 花子");
    let all = ids(&get(&held, CARE, "/Patient").await);
    assert_eq!(all, ["p1", "p2"], "a list that searches nothing shows the record, without the number");
    assert!(!get(&held, CARE, "/Patient").await.body.contains(NUMBER));
    for length in 1..=12 {
        let (right, wrong) = (&NUMBER[..length], "9".repeat(length));
        let wide: String = right.chars().map(|c| char::from_u32(u32::from(c) - 0x30 + 0xFF10).unwrap()).collect();
        for way in ["name", "name:contains", "name:exact", "family", "_summary=data&name", "_count=1&name"] {
            let told = get(&held, CARE, &format!("/Patient?{way}={right}")).await;
            for target in [format!("{way}={wrong}"), format!("{way}={right},{wrong}"), format!("{way}=x,{right}")] {
                let answer = get(&held, CARE, &format!("/Patient?{target}")).await;
                assert_eq!(ids(&answer), ids(&told), "{target}");
            }
            let target = format!("/Patient?{way}={right}");
            assert_eq!(seen(&told), seen(&get(&other, CARE, &target).await), "{target}: two worlds");
            let wide = percent_encoding::utf8_percent_encode(&wide, percent_encoding::NON_ALPHANUMERIC);
            let target = format!("/Patient?{way}={wide}");
            let (told, other) = (get(&held, CARE, &target).await, get(&other, CARE, &target).await);
            assert_eq!(seen(&told), seen(&other), "{target}: two worlds");
            assert!(ids(&told).is_empty(), "{target}");
        }
    }
    // Without the gate it is found.
    let last = held.backend.always.lock().unwrap().clone().unwrap();
    let (head, _) = http::Request::get("/Patient?name=1234").body(()).unwrap().into_parts();
    assert!(String::from_utf8_lossy(last(&head, &Bytes::new()).body()).contains("p2"));
}

#[tokio::test]
async fn who_searches_for_no_digit_finds_everybody() {
    let stand = two_patients(NUMBER);
    let word = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    for (target, found) in [
        (format!("name={}", word("鈴木")), vec!["p2"]),
        (format!("name={},{}", word("鈴木"), word("山田")), vec!["p1", "p2"]),
        ("name:missing=false".to_owned(), vec!["p1", "p2"]),
        ("birthdate=ge1980-01-01".to_owned(), vec!["p1", "p2"]),
        ("phone=4711".to_owned(), vec!["p1", "p2"]),
    ] {
        assert_eq!(ids(&get(&stand, CARE, &format!("/Patient?{target}")).await), found, "{target}");
    }
    // A field that is not searched is none of its business.
    let mut chart = patient("p3", "x", "x1");
    chart["address"] = json!([{"text": NUMBER}]);
    serve(&stand, vec![chart]);
    assert_eq!(ids(&get(&stand, CARE, "/Patient?name:contains=1").await), ["p3"]);
    assert_eq!(stand.last("end")["entries_dropped"], 0);
}

/// A code is compared whole: who guesses all of it is told nothing. Nothing is stopped in an identifier, so it can be asked for.
#[tokio::test]
async fn a_number_guessed_whole_is_not_confirmed() {
    let stand = stand();
    let chart = |value: &str| {
        let mut chart = patient("p1", "x", "x");
        chart["telecom"] = json!([{"system": "phone", "value": value}]);
        chart["identifier"] = json!([{"system": "urn:oid:1.2.3", "value": NUMBER}]);
        chart
    };
    serve(&stand, vec![chart(NUMBER)]);
    for value in [NUMBER, "1234-5678-9018", "x,123456789018", "|123456789018", "mrn|123456789018"] {
        assert!(ids(&get(&stand, CARE, &format!("/Patient?phone={value}")).await).is_empty(), "{value}");
    }
    for target in ["phone=4711", "identifier=urn:oid:1.2.3|123456789018", "_sort=identifier", "_sort=_id"] {
        let answer = get(&stand, CARE, &format!("/Patient?{target}")).await;
        assert_eq!(ids(&answer), ["p1"], "{target}");
        assert_eq!(answer.json()["entry"][0]["resource"]["identifier"][0]["value"], NUMBER);
    }
    // In no system it is a number like any other: neither shown nor found by.
    let mut bare = chart("4711");
    bare["identifier"] = json!([{"value": NUMBER, "system": "mynumber"}, {"value": NUMBER}]);
    serve(&stand, vec![bare]);
    let answer = get(&stand, CARE, "/Patient?phone=4711").await;
    assert!(ids(&answer) == ["p1"] && !answer.body.contains(NUMBER), "{}", answer.body);
    for target in ["identifier=123456789018", "identifier=|123456789018", "_sort=identifier"] {
        assert!(ids(&get(&stand, CARE, &format!("/Patient?{target}")).await).is_empty(), "{target}");
    }
    serve(&stand, vec![chart("123456789017")]);
    assert_eq!(ids(&get(&stand, CARE, &format!("/Patient?phone={NUMBER}")).await), ["p1"], "none is stopped in it");
}

/// What is no URI names nobody who keeps the identifier, and of a type (`:of-type`) the system is the type's: in the record the
/// number is stopped, so no search finds it either.
#[tokio::test]
async fn a_system_that_is_no_uri_or_a_type_s_confirms_no_number() {
    let stand = stand();
    let mut chart = patient("p1", "x", "x");
    let systems = ["ward:7", "mailto:a", "http:", "x:y"];
    let of = |system: &&str| json!({"system": system, "value": NUMBER});
    chart["identifier"] = systems.iter().map(of).chain([json!({"value": NUMBER})]).collect();
    serve(&stand, vec![chart]);
    let shown = get(&stand, CARE, "/Patient?identifier=ward:7|4711").await;
    assert!(ids(&shown) == ["p1"] && !shown.body.contains(NUMBER), "{}", shown.body);
    let of_type = "http://terminology.hl7.org/CodeSystem/v2-0203|MR";
    let ways = systems.iter().map(|system| format!("identifier={system}|{NUMBER}"));
    let ways = ways.chain([
        format!("identifier:not=ward:7|{NUMBER}"),
        format!("identifier:of-type={of_type}|{NUMBER}"),
        format!("identifier=http://s|1,ward:7|{NUMBER}"),
        format!("identifier=http://s|1\\,{NUMBER}"),
    ]);
    for target in ways.map(|way| way.replace('\\', "%5C")) {
        assert!(ids(&get(&stand, CARE, &format!("/Patient?{target}")).await).is_empty(), "{target}");
    }
    for target in [format!("identifier:of-type={of_type}|4711"), format!("identifier=urn:oid:1.2.3|{NUMBER}")] {
        assert_eq!(ids(&get(&stand, CARE, &format!("/Patient?{target}")).await), ["p1"], "{target}");
    }
}

/// What a code says in words, what an identifier is and whose: looked at like any other text.
#[tokio::test]
async fn a_number_in_the_text_of_a_code_is_neither_shown_nor_spelt() {
    let stand = stand();
    let mut coded = condition("c1", "p1");
    coded["code"]["text"] = json!(NUMBER);
    let mut typed = patient("p1", "x", "x");
    typed["identifier"] = json!([{"type": {"text": NUMBER}, "system": NUMBER, "value": "4711"}]);
    serve(&stand, vec![coded, typed]);
    for (all, spelling) in [
        ("/Condition", ["/Condition?code:text=1", "/Condition?_sort=code"]),
        ("/Patient", ["/Patient?identifier:text=1", "/Patient?identifier=123456789018"]),
    ] {
        let shown = get(&stand, CARE, all).await;
        assert!(ids(&shown).len() == 1 && !shown.body.contains(NUMBER), "{}", shown.body);
        for target in spelling {
            assert!(ids(&get(&stand, CARE, target).await).is_empty(), "{target}");
        }
    }
}

#[tokio::test]
async fn an_order_places_no_number() {
    let held = two_patients(NUMBER);
    let mut records = vec![patient("p1", "山田", "山田 太郎")];
    records.extend((0..10).map(|n| patient(&format!("n{n}"), &n.to_string(), "x")));
    serve(&held, records.iter().cloned().chain([patient("p2", "", NUMBER)]).collect());
    let without = stand();
    serve(&without, records);
    for target in ["/Patient?_sort=name", "/Patient?_sort=-family&_count=3"] {
        let (held, without) = (get(&held, CARE, target).await, get(&without, CARE, target).await);
        assert_eq!(ids(&held), ids(&without), "{target}");
        assert!(!ids(&held).contains(&"p2".to_owned()), "{target}");
    }
    assert_eq!(ids(&get(&held, CARE, "/Patient?_sort=birthdate").await).len(), 12, "a day is no text");
}

/// A note is compared with by none of these.
#[tokio::test]
async fn a_number_in_a_note_takes_no_record_out_of_a_search_of_something_else() {
    let stand = stand();
    let record = |id: &str, text: &str| {
        let mut record = condition(id, "p1");
        record["code"]["text"] = json!("E1");
        record["note"] = json!([{"text": text}]);
        record
    };
    serve(&stand, vec![record("c1", "x"), record("c2", NUMBER)]);
    for target in ["/Condition?_sort=code", "/Condition?code:text=1", "/Condition?_sort=clinical-status&patient=p1"] {
        let answer = get(&stand, CARE, target).await;
        assert_eq!(ids(&answer), ["c1", "c2"], "{target}");
        let notes = [0, 1].map(|at| answer.json()["entry"][at]["resource"]["note"][0]["text"].clone());
        assert!(notes == [json!("x"), Value::Null], "{target}: {notes:?}");
    }
    // A text that lies in what is compared is compared.
    let mut chart = patient("p3", "x", "x1");
    chart["name"][0]["given"] = json!([NUMBER]);
    serve(&stand, vec![chart]);
    assert!(ids(&get(&stand, CARE, "/Patient?_sort=family").await).is_empty());
}

/// Of one person nothing else is dropped: neither a short page nor a `next` that leads to nobody may tell.
#[tokio::test]
async fn a_page_about_one_person_is_filled_too() {
    let record = |id: &str, text: &str| {
        let mut record = condition(id, "p1");
        record["code"]["text"] = json!(text);
        record
    };
    let rest = vec![record("c1", "12 mm"), record("c2", "1 cm")];
    for place in 0..=2 {
        let (held, without) = (stand(), stand());
        let mut with = rest.clone();
        with.insert(place, record("n", NUMBER));
        serve(&held, with);
        serve(&without, rest.clone());
        for target in ["/Condition?patient=p1&code:text=1", "/Condition?code:text=1"] {
            for size in ["&_count=1", "&_count=2", "&_count=3", ""] {
                let mut next = [format!("{target}{size}"), format!("{target}{size}")];
                for _ in 0..3 {
                    let told = get(&held, CARE, &next[0]).await;
                    let other = get(&without, CARE, &next[1]).await;
                    assert_eq!(ids(&told), ids(&other), "{target}{size}, at {place}");
                    let links = [&told, &other].map(|answer| {
                        let json = answer.json();
                        let links = json["link"].as_array().cloned().unwrap_or_default();
                        let next = links.iter().find(|link| link["relation"] == "next").cloned();
                        next.map(|link| link["url"].as_str().unwrap().to_owned())
                    });
                    assert_eq!(links[0].is_some(), links[1].is_some(), "{target}{size}, at {place}: {}", told.body);
                    let [Some(first), Some(second)] = links else { break };
                    next = [first, second];
                }
            }
        }
    }
}

/// On record it is a record that was dropped, and of nobody.
#[tokio::test]
async fn what_was_dropped_is_counted_once() {
    let stand = two_patients(NUMBER);
    for chunk in [0, 1, 7, 50] {
        stand.backend.chunk.store(chunk, std::sync::atomic::Ordering::SeqCst);
        assert!(ids(&get(&stand, CARE, "/Patient?name=1").await).is_empty());
        let end = stand.last("end");
        assert_eq!((&end["entries_released"], &end["entries_dropped"]), (&json!(0), &json!(1)), "{end}");
    }
    serve(&stand, vec![patient("p1", "1", "1"), patient("p2", "1", NUMBER), patient("p3", "1", "1")]);
    assert_eq!(ids(&get(&stand, CARE, "/Patient?name=1&_count=1").await), ["p1"]);
    let end = stand.last("end");
    assert_eq!(
        (&end["entries_released"], &end["entries_dropped"]),
        (&json!(1), &json!(1)),
        "p3 is the next page's: {end}"
    );
}

/// Where the answer does not show what was compared nothing could be dropped: digits are refused, whatever is there.
#[tokio::test]
async fn digits_are_compared_with_nothing_that_the_answer_does_not_show() {
    let stand = stand();
    let kanji = percent_encoding::utf8_percent_encode("三浦", percent_encoding::NON_ALPHANUMERIC);
    for (target, named) in [
        ("/Condition?patient.name=12", "patient.name"),
        ("/Condition?patient.name=x,%EF%BC%91", "patient.name"),
        ("/Condition?subject:Patient.name:contains=%E2%91%A0", "subject:Patient.name:contains"),
        ("/Condition?patient.address=1-2-3", "patient.address"),
        ("/Condition?patient.telecom=123456789018", "patient.telecom"),
        ("/Condition?patient.phone=x,1234-5678-9018", "patient.phone"),
        ("/Condition?patient.identifier:text=12", "patient.identifier:text"),
        ("/Condition?patient.identifier=123456789018", "patient.identifier"),
        ("/Condition?patient.identifier=http://s|1,|123456789018", "patient.identifier"),
        ("/Patient?_has:Condition:patient:code:text=1", "_has:Condition:patient:code:text"),
        ("/Patient?_has:Observation:patient:value-string=1", "_has:Observation:patient:value-string"),
        ("/Patient?name=1&_elements=gender", "name"),
        ("/Patient?family=1&_elements=gender,birthDate", "family"),
        ("/Patient?name=1&_elements=name&_summary=true", "name"),
        ("/Patient?name=1&_elements=name&_revinclude=Condition:patient", "name"),
        ("/Patient?_sort=name,address&_elements=name", "_sort"),
        ("/Condition?patient.name=1&_elements=subject,code", "patient.name"),
        ("/Condition?code:text=1&_elements=subject", "code:text"),
        // Which of its names an element of several has is the server's to say.
        ("/Observation?value-string=1&_elements=subject,valueString", "value-string"),
        ("/Observation?code-value-string=718-7$1&_elements=subject,code,valueString", "code-value-string"),
        ("/Patient?name=1&_summary=true", "name"),
        ("/Patient?_summary=text&name=1", "name"),
        ("/Patient?_sort=name&_elements=gender", "_sort"),
        ("/Patient?name=1&_revinclude=Condition:patient", "name"),
        ("/Condition?patient=p1&code:text=1&_include=Condition:encounter", "code:text"),
        ("/Condition?_include=*&_sort=code", "_sort"),
    ] {
        let answer = get(&stand, CARE, target).await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (400, 0), "{target}: {}", answer.body);
        let told = answer.json()["issue"][0]["diagnostics"].as_str().unwrap().to_owned();
        assert!(answer.body.contains("bad-parameter") && told.contains(&format!("`{named}`")), "{target}: {told}");
        assert_eq!(stand.last("refusal")["status"], 400, "{target}: on record");
    }
    // As a form it is the same question.
    let fields = [("content-type", "application/x-www-form-urlencoded")];
    for (target, form) in [("/Condition/_search", "patient.name=12"), ("/Patient/_search?_elements=gender", "name=1")] {
        let claims = json!({"roles": ["physician"]});
        let answer =
            stand.ask(Ask { method: "POST", target, claims, purpose: "care", body: form, fields: &fields }).await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (400, 0), "{target} {form}: {}", answer.body);
    }
    serve(&stand, vec![]);
    for target in [
        format!("/Condition?patient.name={kanji}"),
        "/Condition?patient.birthdate=1980-01-01".to_owned(),
        "/Condition?patient.identifier=http://s|123456789018".to_owned(),
        "/Condition?patient.identifier=12345".to_owned(),
        "/Condition?patient.phone=0312345678".to_owned(),
        "/Condition?encounter._id=123456789018".to_owned(),
        "/Condition?code=718-7&_include=Condition:encounter&_sort=-recorded-date".to_owned(),
        "/Patient?name=x&_elements=gender".to_owned(),
    ] {
        let answer = get(&stand, CARE, &target).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    }
}

/// A condition answers nothing that could be dropped, and writes by what it finds.
#[tokio::test]
async fn a_condition_compares_no_digits_with_texts() {
    let stand = stand();
    let body = condition("", "p1");
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove("id");
    let body = body.to_string();
    for (method, target, condition, named) in [
        ("POST", "/Condition", "code:text=12", "code:text"),
        ("POST", "/Condition", "code=123456789018", "code"),
        ("PUT", "/Condition?code:text=12", "", "code:text"),
        ("PUT", "/Condition?code=x,123456789018", "", "code"),
        ("DELETE", "/Condition?patient=p1&code:text=12", "", "code:text"),
    ] {
        let fields = [("if-none-exist", condition)];
        let fields = if condition.is_empty() { &[][..] } else { &fields };
        let body = if method == "DELETE" { "" } else { &body };
        let claims = json!({"roles": ["physician"]});
        let answer = stand.ask(Ask { method, target, claims, purpose: "care", body, fields }).await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (400, 0), "{method} {target}: {}", answer.body);
        assert!(
            answer.body.contains("bad-parameter") && answer.body.contains(&format!("`{named}`")),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_batch_spells_no_more_than_a_search() {
    let (held, other) = (two_patients(NUMBER), two_patients("鈴木 花子"));
    let entries: Vec<Value> = ["Patient?name=1", "Patient?name=9", "Condition?patient.name=1"]
        .map(|url| json!({"request": {"method": "GET", "url": url}}))
        .into();
    let body = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
    let mut told = Vec::new();
    for stand in [&held, &other] {
        let fields = [("content-type", "application/fhir+json")];
        let claims = json!({"sub": "dr-1", "roles": ["physician"]});
        let answer =
            stand.ask(Ask { method: "POST", target: "/", claims, purpose: "care", body: &body, fields: &fields }).await;
        let json = answer.json();
        assert_eq!(json["entry"][2]["response"]["status"].as_str().map(|text| &text[..3]), Some("400"), "{json}");
        assert!(json["entry"][0]["resource"].get("entry").is_none(), "{json}");
        told.push(seen(&answer));
    }
    assert_eq!(told[0], told[1]);
}

/// In kanji it is a number as in digits: stopped, and spelt by no search; a name with a numeral in it is a name.
#[tokio::test]
async fn a_number_in_kanji_is_stopped_and_spelt_by_no_search() {
    const KANJI: &str = "一二三四五六七八九〇一八";
    let (held, other) = (two_patients(KANJI), two_patients("三浦 一郎"));
    let shown = get(&held, CARE, "/Patient").await;
    assert!(ids(&shown) == ["p1", "p2"] && !shown.body.contains("一二三"), "{}", shown.body);
    let word = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    for length in 1..=12 {
        let begun: String = KANJI.chars().take(length).collect();
        for way in ["name", "name:contains", "name:exact"] {
            let answer = get(&held, CARE, &format!("/Patient?{way}={}", word(&begun))).await;
            assert!(ids(&answer).is_empty(), "{way}={begun}: {}", answer.body);
        }
    }
    assert_eq!(ids(&get(&other, CARE, &format!("/Patient?name={}", word("三浦"))).await), ["p2"]);
    assert_eq!(
        ids(&get(&other, CARE, &format!("/Patient?name={}", word("三"))).await),
        ["p2"],
        "nothing is stopped in it"
    );
}

/// Beside `_elements` digits are compared with what these show, and with no other result than without them.
#[tokio::test]
async fn elements_that_show_what_is_compared_are_no_cut() {
    let (held, other) = (two_patients(NUMBER), two_patients("鈴木 花子"));
    for length in 1..=12 {
        for way in ["name", "name:contains", "_sort=name&family"] {
            let target = format!("/Patient?{way}={}&_elements=gender,name", &NUMBER[..length]);
            let (told, without) = (get(&held, CARE, &target).await, get(&other, CARE, &target).await);
            assert!(ids(&told).is_empty(), "{target}: {}", told.body);
            assert_eq!(seen(&told), seen(&without), "{target}: two worlds");
        }
    }
    assert_eq!(ids(&get(&held, CARE, "/Patient?_sort=-name&_elements=name").await), ["p1"]);
    serve(&held, vec![patient("p1", "1", "x1"), patient("p2", "1", NUMBER)]);
    let answer = get(&held, CARE, "/Patient?name=1&_elements=name").await;
    assert_eq!(ids(&answer), ["p1"]);
    assert_eq!(answer.json()["entry"][0]["resource"]["name"][0]["text"], "x1");
    serve(&held, vec![condition("c1", "p1")]);
    let answer = get(&held, CARE, "/Condition?patient=p1&_sort=code&_elements=code,subject").await;
    assert_eq!(ids(&answer), ["c1"]);
}
