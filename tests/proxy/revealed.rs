//! Who opens what is sealed in the log is on record before he sees it; and what he sees is what the gate did.

use serde_json::{Value, json};

use super::gate::{Gate, Place, Setup, approve, coordinator, fields, researcher};
use super::process::sekisho;

const DONOR: &str = r#"{"id":"zz-donor","name":{"kanji":"n"},"phone":"p"}"#;

/// A read, a list with him twice, a refusal, and what is about somebody else.
async fn asked() -> Place {
    let place = Place::new(Setup::default()).await;
    approve(&place);
    let gate: Gate = place.start();
    gate.place.stage.body(DONOR);
    assert_eq!(gate.get("/donors/zz-donor", &coordinator()).await.status, 200);
    let other = DONOR.replace("zz-donor", "zz-other");
    gate.place.stage.body(&format!(r#"{{"items":[{DONOR},{other},{DONOR}]}}"#));
    assert_eq!(gate.get("/donors", &researcher()).await.status, 200);
    gate.place.stage.body(&other);
    assert_eq!(gate.get("/donors/zz-other", &coordinator()).await.status, 200);
    gate.place.stage.body(DONOR);
    gate.place.add("restriction", "subject=zz-donor name=stop-use");
    let why = "coordination;reason=\"zz-reason\";reference=\"zz-file\"";
    let refused = gate.get("/donors/zz-donor", &fields(json!({"roles": ["coord"]}), why)).await;
    assert_eq!(refused.status, 403, "{}", refused.bytes);
    gate.end().await
}

fn said(place: &Place, words: &[&str]) -> (i32, String, String) {
    let words = [&["audit", "reveal"], words].concat();
    let output = sekisho(place, &words);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The records of who looked.
fn looked(place: &Place) -> Vec<Value> {
    let Ok(folder) = std::fs::read_dir(place.path("data/log/reveal")) else { return Vec::new() };
    let files =
        folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let text: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(!text.contains("zz-"), "{text}");
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["action"] == "reveal").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_access_to_one_person_is_told_and_that_it_was_asked_is_on_record() {
    let place = asked().await;
    let (code, out, err) = said(&place, &["--why", "zz-why", "--subject", "zz-donor", "--json"]);
    assert_eq!(code, 0, "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let told = told["disclosures"].as_array().unwrap();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert_eq!(
        (&told[0]["record"]["purpose"], &told[0]["end"]["outcome"]),
        (&json!("coordination"), &json!("completed"))
    );
    assert_eq!((&told[1]["record"]["purpose"], &told[1]["entries"]), (&json!("research"), &json!(2)));
    assert!(told[1]["forms"][0]["pseudonymised"].is_array(), "{}", told[1]);
    assert_eq!((&told[2]["record"]["kind"], &told[2]["end"]), (&json!("refusal"), &Value::Null));

    let (code, out, _) = said(&place, &["--why", "zz-why", "--subject", "zz-donor"]);
    assert_eq!((code, out.lines().filter(|line| !line.starts_with(' ')).count()), (0, 3), "{out}");
    assert!(out.contains("completed, 2 entries about this person") && out.contains("refused: "), "{out}");
    let (code, out, _) = said(&place, &["--why", "zz-why", "--subject", "zz-nobody"]);
    assert!(code == 0 && out.contains("No access and no refusal"), "{out}");

    let looked = looked(&place);
    assert_eq!(looked.len(), 3);
    assert_eq!(looked[0]["subjects"], told[0]["record"]["subjects"], "about whom, sealed");
    assert!(looked.iter().all(|record| record["by"]["id"].is_string() && record["reason"].is_string()));
    assert_eq!((&looked[0]["asked"], &looked[0]["records"]), (&json!("subject"), &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_opened_with_whom_it_is_about_and_what_was_said() {
    let place = asked().await;
    let numbers: Vec<String> = place.log().0.iter().map(|record| record["seq"].to_string()).collect();
    let mut words = vec!["--why", "zz-why", "--json", "--record"];
    words.extend(numbers.iter().map(String::as_str));
    let (code, out, err) = said(&place, &words);
    assert_eq!(code, 0, "{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let told = told["records"].as_array().unwrap();
    assert_eq!(told.len(), numbers.len());
    let refused = told.iter().find(|record| record["reason"] == "zz-reason").unwrap();
    assert_eq!((&refused["reference"], &refused["subjects"]), (&json!("zz-file"), &json!(["zz-donor"])));
    let listed: Vec<&Value> = told.iter().filter(|record| record["subjects"].as_array().unwrap().len() > 1).collect();
    assert_eq!(listed[0]["subjects"], json!(["zz-donor", "zz-other", "zz-donor"]));
    assert_eq!(looked(&place).len(), 1);
    let (code, _, err) = said(&place, &["--why", "zz-why", "--record", "999"]);
    assert!(code == 2 && err.contains("no record `999`"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_opened_that_cannot_be_put_on_record_or_has_no_reason() {
    let place = asked().await;
    for words in [&["--why", " ", "--subject", "zz-donor"][..], &["--subject", "zz-donor"], &["--why", "x"]] {
        let (code, out, err) = said(&place, words);
        assert!(code == 2 && out.is_empty() && err.contains("why") | err.contains("--record"), "{out}{err}");
    }
    // A file where the folder of that log would be.
    std::fs::write(place.path("data/log/reveal"), "").unwrap();
    let (code, out, err) = said(&place, &["--why", "zz-why", "--subject", "zz-donor"]);
    assert!(code == 2 && out.is_empty() && err.contains("reveal"), "{out}{err}");
    std::fs::remove_file(place.path("data/log/reveal")).unwrap();
    // Another key: nothing opens, and nothing half.
    let keys = place.path("keys/subjects");
    let text = std::fs::read_to_string(&keys).unwrap();
    let other = if text.contains("key A") {
        text.replacen("key A", "key B", 1)
    } else {
        format!("{}A{}", &text[..23], &text[24..])
    };
    assert_ne!(text, other);
    std::fs::write(&keys, other).unwrap();
    let begin = place.log().of("begin")[0]["seq"].to_string();
    let (code, out, err) = said(&place, &["--why", "zz-why", "--record", &begin]);
    assert!(code == 2 && out.is_empty() && err.contains("key"), "{out}{err}");
}
