//! `sekisho redact`: a document as a request would receive it.

use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use super::support::{Folder, Ran, command, sekisho, sekisho_fed};
use crate::layer::preview::without_own_links;
use crate::layer::support::{KEY, Stand};
use base64::Engine;
use sekisho::demo::sample::Org;

const DONORS: &str = r#"{"total":2,"items":[{"id":"d-1","name":{"kanji":"山田"},"born":"1987-05-02","hla":{"a":"24"},"legacy_code":"x"},{"id":"d-2","name":{"kanji":"鈴木"},"notes":"abc"}]}"#;

fn staff() -> Value {
    json!({
        "subject": {"type": "caller", "id": "s-1", "properties": {"roles": ["coordination-staff"]}},
        "action": {"name": "search"},
        "resource": {"type": "record", "id": "r-1"},
        "context": {"purpose": "coordination", "time": "2026-11-22T09:00:00+09:00"},
    })
}

fn researcher() -> Value {
    json!({
        "subject": {"type": "caller", "id": "dr", "properties": {"organization": "univ-a"}},
        "action": {"name": "search"},
        "resource": {"type": "record", "id": "r-1"},
        "context": {"purpose": "research", "basis": "academic-research", "time": "2026-11-22T09:00:00+09:00", "facts": {
            "organizations": [{"id": "univ-a", "recipient": "researcher", "country": "JP", "purposes": ["research"]}],
            "approvals": [{"organization": "univ-a", "purpose": "research", "from": "2026-01-01", "until": "2026-12-31"}],
        }},
    })
}

fn redact(folder: &Folder, request: &Value, more: &[&str], document: &[u8]) -> Ran {
    let request = folder.write("request.json", request.to_string());
    let mut arguments = vec!["redact", "--policy", "policy/jmdp", "--as", &request];
    arguments.extend(more);
    sekisho_fed(&arguments, document)
}

/// What is told a person fits a terminal of 80 columns.
fn fits(ran: &Ran) {
    for line in ran.err.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
}

fn summary(ran: &Ran) -> Value {
    serde_json::from_str(&ran.err).unwrap_or_else(|e| panic!("{e}: {}", ran.err))
}

/// A folder of keys, the tests' own.
fn keys(folder: &Folder) -> String {
    use std::os::unix::fs::PermissionsExt;
    let key = base64::engine::general_purpose::STANDARD.encode(KEY);
    let subjects = base64::engine::general_purpose::STANDARD.encode([9; 64]);
    folder.write("pseudonym", format!("sekisho pseudonym 1\nepoch 1\nkey {key}\n"));
    folder.write("subjects", format!("sekisho subjects 1\nkey {subjects}\n"));
    for name in ["pseudonym", "subjects"] {
        std::fs::set_permissions(folder.0.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o700)).unwrap();
    folder.path().to_owned()
}

#[test]
fn a_list_leaves_as_its_reader_may_have_it_and_the_forms_are_counted() {
    let folder = Folder::new("redact-list");
    let ran = redact(&folder, &researcher(), &["--route", "donors"], DONORS.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.err);
    fits(&ran);
    assert!(
        !ran.out.contains("山田") && !ran.out.contains("d-1") && ran.out.contains("\"born\":\"1987\""),
        "{}",
        ran.out
    );
    let row = |name: &str| {
        let line =
            ran.err.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{}", ran.err));
        line.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!(
        (row("identity.name"), row("identity.number"), row("(unclassified)")),
        ("2".into(), "2".into(), "1".into())
    );
    assert!(ran.err.contains("RELEASED to researcher") && ran.err.contains("/items/*/legacy_code"), "{}", ran.err);
    assert!(ran.err.contains("under a key of this run"), "{}", ran.err);
    let told = summary(&redact(&folder, &researcher(), &["--route", "donors", "--json"], DONORS.as_bytes()));
    assert_eq!(told["outcome"], "released");
    let text = include_str!("../../docs/redact.md");
    for key in told.as_object().unwrap().keys() {
        assert!(text.contains(&format!("`{key}`")), "`{key}` of the summary is in no document");
    }
    assert_eq!(told["categories"]["identity.name"]["withheld"], 2);
    assert_eq!(told["categories"]["identity.number"]["pseudonymised"], 2);
    assert_eq!(told["categories"]["identity.birth-date"]["generalised"], 1);
    assert_eq!(told["entries"]["released"], 2);
    assert_eq!(told["unclassified"], json!({"withheld": 1, "places": ["/items/*/legacy_code"]}));
    assert_eq!(told["answer"]["context"]["clauses"][0], "II.3.10");
    assert_eq!(told["bytes"]["read"], DONORS.len());
    let clear = redact(&folder, &staff(), &["--route", "donors"], DONORS.as_bytes());
    assert!(!clear.err.contains("key of this run"), "no pseudonym was made: {}", clear.err);
}

#[test]
fn the_documents_example_is_what_is_printed() {
    let folder = Folder::new("redact-document");
    let donors = r#"{"items":[{"id":"d-1","name":{"kanji":"山田太郎"},"born":"1987-05-02","hla":{"a":"24"},"legacy_code":"x"}]}"#;
    let ran = redact(&folder, &researcher(), &["--route", "donors"], donors.as_bytes());
    let text = include_str!("../../docs/redact.md");
    let example = text.split("donors donors.json\n").nth(1).unwrap().split("```").next().unwrap();
    let (printed, told) = example.split_once('\n').unwrap();
    assert_eq!(told, ran.err);
    let without_id = |list: &str| {
        let mut list: Value = serde_json::from_str(list).unwrap();
        list["items"][0]["id"] = json!("");
        list
    };
    assert_eq!(without_id(printed), without_id(&ran.out));
}

#[test]
fn facts_stand_for_the_person_named_and_others_go() {
    let folder = Folder::new("redact-person");
    let mut request = staff();
    request["resource"]["properties"] = json!({"subject": "d-2"});
    let ran = redact(&folder, &request, &["--route", "donors", "--json"], DONORS.as_bytes());
    assert!(ran.out.contains("鈴木") && !ran.out.contains("山田"), "{}", ran.out);
    assert_eq!(summary(&ran)["entries"]["dropped"], 1);
    request["context"]["facts"] = json!({"restrictions": ["stop-use"]});
    let refused = redact(&folder, &request, &["--route", "donors"], DONORS.as_bytes());
    assert_eq!((refused.code, refused.out.as_str()), (3, ""), "{}", refused.err);
    assert!(refused.err.contains("restricted"), "{}", refused.err);
}

#[test]
fn a_refused_request_is_told_why_and_prints_nothing() {
    let folder = Folder::new("redact-refused");
    let mut request = staff();
    request["context"]["purpose"] = json!("research");
    let ran = redact(&folder, &request, &["--route", "donors"], DONORS.as_bytes());
    assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{}", ran.err);
    fits(&ran);
    assert!(ran.err.contains("REFUSED") && ran.err.contains("purpose-not-for-role"), "{}", ran.err);
    let ran = redact(&folder, &request, &["--route", "donors", "--json"], DONORS.as_bytes());
    let told = summary(&ran);
    assert_eq!((ran.code, &told["outcome"]), (3, &json!("refused")));
    // The same as `decide` gives for what the route asks.
    let code = told["answer"]["context"]["reasons"][0]["code"].as_str().unwrap();
    assert_eq!((code, &told["answer"]["decision"]), ("purpose-not-for-role", &json!(false)));
    // One record about somebody else than the request names.
    let mut request = staff();
    request["action"]["name"] = json!("read");
    request["resource"]["properties"] = json!({"subject": "d-9"});
    let ran = redact(&folder, &request, &["--route", "donors.one"], br#"{"id":"d-1","phone":"1"}"#);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{}", ran.err);
    assert!(ran.err.contains("not-available"), "{}", ran.err);
}

#[test]
fn what_cannot_be_judged_says_where() {
    let folder = Folder::new("redact-fault");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (document, why) in [
        (r#"{"items":[{"id":"d-1","id":"d-2"}]}"#.to_owned(), "twice"),
        (r#"{"items":[{"id":"d-1"}"#.to_owned(), "too early"),
        ("not json".to_owned(), "not JSON"),
        (format!(r#"{{"items":[{{"id":"d-1","x":{deep}}}]}}"#), "too deep"),
        (String::new(), "too early"),
    ] {
        let ran = redact(&folder, &staff(), &["--route", "donors"], document.as_bytes());
        assert_eq!(ran.code, 4, "{document}: {}", ran.err);
        fits(&ran);
        assert!(ran.err.contains("NOT JUDGED") && ran.err.contains(why), "{document}: {}", ran.err);
        assert!(ran.err.contains("line 1"), "{}", ran.err);
        assert!(!ran.err.contains("d-1"), "a value is told: {}", ran.err);
    }
    let lines = format!("{}\n{{\"id\":", r#"{"id":"d-1","phone":"1"}"#.to_owned() + &" ".repeat(40_000));
    let ran = redact(&folder, &staff(), &["--route", "donors.export", "--json"], lines.as_bytes());
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.out.contains("\"phone\":\"1\""), "what was judged is printed: {}", ran.err);
    let told = summary(&ran);
    assert_eq!((&told["outcome"], &told["fault"]["place"]["lines"]), (&json!("unjudged"), &json!([2, 2])));
}

/// A list without it would say that there is no such record: the gate ends its answer there (`record-too-large`).
#[test]
fn a_record_too_large_to_be_judged_ends_the_look_as_it_ends_the_gates_answer() {
    let folder = Folder::new("redact-large");
    let large = |id: &str| format!(r#"{{"id":"{id}","phone":"{}"}}"#, "7".repeat(1100 << 10));
    let small = |id: &str| format!(r#"{{"id":"{id}","phone":"1"}}"#);
    let list = format!(r#"{{"items":[{},{},{}]}}"#, small("d-1"), large("d-2"), small("d-3"));
    let lines = format!("{}\n{}\n{}\n", small("d-1"), large("d-2"), small("d-3"));
    let told = |ran: &Ran| ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    for (route, document, line) in [("donors", &list, "line 1"), ("donors.export", &lines, "line 2")] {
        let ran = redact(&folder, &staff(), &["--route", route], document.as_bytes());
        assert_eq!(ran.code, 4, "{route}: {}", ran.err);
        fits(&ran);
        assert!(ran.out.contains("d-1") && !ran.out.contains("777") && !ran.out.contains("d-3"), "{route}");
        for word in ["NOT JUDGED", "record-too-large", "1048576", "--entry-bytes-max", "keep large contents", line] {
            assert!(told(&ran).contains(word), "{route}: {word} in {}", ran.err);
        }
        let more = ["--route", route, "--entry-bytes-max", "2097152"];
        let ran = redact(&folder, &staff(), &more, document.as_bytes());
        assert_eq!(ran.code, 0, "{route}: {}", ran.err);
        assert!(ran.out.contains("777") && ran.out.contains("d-3"), "{route}");
        // Of whom nobody can tell whether they may know of it, they are not told: the rest leaves.
        let ran = redact(&folder, &researcher(), &["--route", route, "--json"], document.as_bytes());
        if route == "donors" {
            assert_eq!((ran.code, &summary(&ran)["entries"]["dropped_for"]["size"]), (0, &json!(1)), "{}", ran.err);
        }
    }
    let mut one = staff();
    one["action"]["name"] = json!("read");
    one["resource"]["properties"] = json!({"subject": "d-2"});
    let late = format!(r#"{{"phone":"{}","id":"d-2"}}"#, "7".repeat(1100 << 10));
    let ran = redact(&folder, &one, &["--route", "donors.one", "--json"], late.as_bytes());
    assert_eq!((ran.code, ran.out.as_str()), (4, ""), "no `not-available`: {}", ran.err);
    assert_eq!(summary(&ran)["outcome"], "unjudged");
    // FHIR of several types, in a Bundle and by lines.
    let condition = |id: &str, text: usize| {
        json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p1"},
            "note": [{"text": "n".repeat(text)}]})
    };
    let care = json!({
        "subject": {"type": "caller", "id": "dr-1", "properties": {"roles": ["physician"]}},
        "action": {"name": "search"},
        "resource": {"type": "record", "id": "r-1"},
        "context": {"purpose": "care", "time": "2026-11-22T09:00:00+09:00"},
    });
    let care = folder.write("care.json", care.to_string());
    let records = [condition("c1", 1), condition("c2", 1100 << 10), condition("c3", 1)];
    let entries: Vec<Value> = records.iter().map(|record| json!({"resource": record})).collect();
    let bundle = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":{}}}"#, json!(entries));
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    for (kind, document) in [("--fhir=bundle", bundle), ("--fhir=lines", lines)] {
        let arguments = ["redact", "--policy", "policy/sakura", "--as", &care, kind];
        let ran = sekisho_fed(&arguments, document.as_bytes());
        assert_eq!(ran.code, 4, "{kind}: {}", ran.err);
        assert!(ran.out.contains("c1") && !ran.out.contains("c3"), "{kind}");
        assert!(told(&ran).contains("record-too-large"), "{kind}: {}", ran.err);
    }
}

#[test]
fn a_wrong_question_names_the_mistake_and_the_way_out() {
    let folder = Folder::new("redact-usage");
    let with = |change: &dyn Fn(&mut Value), more: &[&str]| {
        let mut request = staff();
        change(&mut request);
        let ran = redact(&folder, &request, more, DONORS.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        fits(&ran);
        ran.err.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let same = |_: &mut Value| {};
    assert!(with(&same, &["--route", "donor"]).contains("is `donors` meant?"));
    assert!(with(&same, &["--route", "zzzzzzzz"]).contains("it has `donors`"));
    assert!(with(&same, &["--route", "donors.one"]).contains("is for `read`"));
    assert!(with(&same, &["--route", "donors.new"]).contains("only takes writes"));
    assert!(with(&same, &[]).contains("--route"));
    assert!(with(&same, &["--route", "donors", "--fhir"]).contains("cannot be used with"));
    assert!(with(&same, &["--route", "donors", "--keys", "/nowhere"]).contains("/nowhere"));
    assert!(with(&same, &["--route", "donors", "/nowhere.json"]).contains("cannot read /nowhere.json"));
    assert!(with(&|r| r["action"] = json!({"name": "look"}), &["--route", "donors"]).contains("malformed"));
    let class = |r: &mut Value| r["resource"]["properties"] = json!({"subject_class": "patient"});
    assert!(with(&class, &["--route", "donors"]).contains("about a `donor`"));
    let ran = sekisho(&["redact", "--policy", "policy/jmdp/policy.toml", "--as", "-", "--route", "donors", "x"]);
    assert!(ran.err.contains("name the folder"), "{}", ran.err);
    let ran = sekisho(&["redact", "--policy", "policy/jmdp", "--as", "-", "--route", "donors"]);
    assert!(ran.code == 2 && ran.err.contains("both standard input"), "{}", ran.err);
}

#[test]
fn faults_of_the_documents_are_told_with_their_place() {
    let folder = Folder::of("redact-faults", "jmdp");
    let request = folder.write("request.json", staff().to_string());
    let ask = || sekisho(&["redact", "--policy", folder.path(), "--as", &request, "--route", "donors", "/dev/null"]);
    let none = ask();
    assert!(none.code == 2 && none.err.contains("catalogue.toml"), "{}", none.err);
    folder.write("catalogue.toml", "surface = \"rest\"\nsubject-class = \"doner\"\nroute = []\n");
    let faulty = ask();
    assert!(faulty.code == 2 && faulty.err.contains("did you mean `donor`"), "{}", faulty.err);
    folder.write("request.json", "{");
    std::fs::copy("policy/jmdp/catalogue.toml", folder.0.join("catalogue.toml")).unwrap();
    let malformed = ask();
    assert!(malformed.code == 2 && malformed.err.contains("the request is malformed"), "{}", malformed.err);
}

#[tokio::test]
async fn it_prints_what_the_gate_answers_pseudonyms_too() {
    let folder = Folder::new("redact-same");
    let keys = keys(&folder);
    let facts = [
        ("organization", "id=univ-a recipient=researcher country=JP purposes=research"),
        ("approval", "organization=univ-a purpose=research from=2026-01-01 until=2026-12-31"),
    ];
    let stand = Stand::new(Org::Jmdp, &facts);
    for (target, route) in [("/donors", "donors"), ("/export/donors", "donors.export")] {
        let claims = json!({"sub": "dr", "org": "univ-a"});
        let gate = stand.get(claims, "research;basis=\"academic-research\"", target).await;
        assert_eq!(gate.status, 200, "{}", gate.body);
        let document = stand.backend.sample.respond("GET", target, None, b"").body;
        let request = researcher();
        let file = folder.write("document", &document);
        let more = ["--route", route, "--keys", &keys, "--upstream", "http://backend.test", &file];
        let ran = redact(&folder, &request, &more, b"");
        assert_eq!(ran.code, 0, "{}", ran.err);
        let gates = without_own_links(&gate.body, document.as_ref());
        assert!(ran.out == gates, "{target}: {} is not {gates}", ran.out);
        assert!(!ran.err.contains("key of this run"), "{}", ran.err);
    }
}

#[test]
fn fhir_is_told_by_what_stands_in_it() {
    let folder = Folder::new("redact-fhir");
    let request = |action: &str| {
        folder.write(
            "request.json",
            json!({
                "subject": {"type": "caller", "id": "c-1", "properties": {"roles": ["physician"]}},
                "action": {"name": action}, "resource": {"type": "record", "id": "r-1"}, "context": {"purpose": "care"},
            })
            .to_string(),
        )
    };
    let patient = |id: &str| json!({"resourceType": "Patient", "id": id, "gender": "male", "unforeseen": "x"});
    let bundle = |inner: &[Value]| {
        let entries: Vec<Value> = inner.iter().map(|resource| json!({"resource": resource})).collect();
        json!({"resourceType": "Bundle", "type": "searchset", "total": 2, "entry": entries}).to_string()
    };
    let condition = json!({"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p2"}});
    for (action, document, released) in [
        ("read", patient("p1").to_string(), 1),
        ("read", format!("{}\n{}\n", patient("p1"), condition), 2),
        ("search", bundle(&[patient("p1"), patient("p2")]), 2),
        ("search", bundle(&[patient("p1"), condition.clone()]), 2),
    ] {
        let request = request(action);
        let run = |kind| {
            sekisho_fed(&["redact", "--policy", "policy/sakura", "--as", &request, kind, "--json"], document.as_bytes())
        };
        let ran = run("--fhir");
        assert_eq!(ran.code, 0, "{document}: {}", ran.err);
        assert!(!ran.out.contains("unforeseen") && !ran.out.contains("total"), "{}", ran.out);
        assert_eq!(summary(&ran)["entries"]["released"], released, "{document}");
    }
    let searched = request("search");
    let mut by_route =
        vec!["redact", "--policy", "policy/sakura", "--as", &searched, "--surface", "fhir-r4", "--route"];
    by_route.push("fhir.Condition.search");
    let ran = sekisho_fed(&by_route, bundle(&[patient("p1"), condition.clone()]).as_bytes());
    assert!(ran.code == 0 && ran.out.contains("Condition") && !ran.out.contains("p1"), "{} {}", ran.out, ran.err);
    let request = request("read");
    let run = |kind, document: &str| {
        sekisho_fed(&["redact", "--policy", "policy/sakura", "--as", &request, kind], document.as_bytes())
    };
    assert_eq!(run("--fhir=lines", &patient("p1").to_string()).code, 0);
    assert_eq!(run("--fhir=resource", &patient("p1").to_string()).code, 0);
    assert!(run("--fhir", &bundle(&[])).err.contains("a Bundle answers a `search`"));
    let none = run("--fhir", r#"{"id":"1"}"#);
    assert!(none.code == 4 && none.err.contains("it has no `resourceType`"), "{}", none.err);
    assert_eq!(run("--fhir", r#"{"resourceType":"Nonsense"}"#).code, 2);
    assert_eq!(run("--fhir=else", "{}").code, 2);
}

#[test]
fn dicom_is_shown_by_a_route_of_its_surface() {
    let folder = Folder::new("redact-dicom");
    let request = json!({
        "subject": {"type": "caller", "id": "c-1", "properties": {"roles": ["student"]}},
        "action": {"name": "search"}, "resource": {"type": "record", "id": "r-1"},
        "context": {"purpose": "operations.student-training"},
    });
    let request = folder.write("request.json", request.to_string());
    let run = |route: &str| {
        let document = r#"[{"00080020":{"vr":"DA","Value":["20251103"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"Name^A"}]},"00100020":{"vr":"LO","Value":["p-1"]},"00091001":{"vr":"LO","Value":["private"]},"0020000D":{"vr":"UI","Value":["1.2.3"]}}]"#;
        let surface = ["redact", "--policy", "policy/sakura", "--as", &request, "--surface", "dicomweb", "--json"];
        sekisho_fed(&[&surface[..], &["--route", route]].concat(), document.as_bytes())
    };
    let ran = run("dicom.studies.search");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let left: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(left[0]["00080020"], json!({"vr": "DA", "Value": ["20251103"]}));
    assert!(left[0]["0020000D"]["Value"][0].as_str().unwrap().starts_with("2.25."), "{}", ran.out);
    for gone in ["Name", "p-1", "1.2.3", "private", "00100010", "00091001"] {
        assert!(!ran.out.contains(gone), "{gone} left: {}", ran.out);
    }
    assert_eq!(summary(&ran)["entries"]["released"], 1);
    assert!(summary(&ran)["unclassified"]["places"].to_string().contains("00091001"), "{}", ran.err);
    let misnamed = run("dicom.study.search");
    assert!(misnamed.code == 2 && misnamed.err.contains("dicom."), "{}", misnamed.err);
}

#[test]
fn dicom_is_told_by_what_the_request_does() {
    let folder = Folder::new("redact-dicom-short");
    let data_set = |person: &str| {
        json!({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Name^A"}]}, "00100020": {"vr": "LO", "Value": [person]},
        "00100040": {"vr": "CS", "Value": ["F"]}, "0020000D": {"vr": "UI", "Value": ["1.2.3"]}})
    };
    let run = |action: &str, subject: Value, facts: Value, more: &[&str], document: &str| {
        let request = json!({
            "subject": {"type": "caller", "id": "c-1", "properties": {"roles": ["student"]}},
            "action": {"name": action}, "resource": {"type": "record", "id": "r-1", "properties": {"subject": subject}},
            "context": {"purpose": "operations.student-training", "facts": facts},
        });
        let request = folder.write("request.json", request.to_string());
        let args = ["redact", "--policy", "policy/sakura", "--as", &request, "--dicom", "--json"];
        sekisho_fed(&[&args[..], more].concat(), document.as_bytes())
    };
    let both = json!([data_set("p-1"), data_set("p-2")]).to_string();
    for (action, route) in [("search", "dicom.instances.search"), ("read", "dicom.instance.metadata")] {
        let ran = run(action, Value::Null, json!({}), &[], &both);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let left: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(left.as_array().map(Vec::len), Some(2));
        assert!(!ran.out.contains("Name") && ran.out.contains("2.25."), "{}", ran.out);
        // The same by the route's name.
        let keys = keys(&folder);
        let short = run(action, Value::Null, json!({}), &["--keys", &keys], &both);
        let request = format!("{}/request.json", folder.path());
        let long = ["redact", "--policy", "policy/sakura", "--as", &request, "--surface", "dicomweb", "--keys", &keys];
        let long = sekisho_fed(&[&long[..], &["--route", route]].concat(), both.as_bytes());
        assert_eq!((short.code, &short.out), (0, &long.out), "{}", short.err);
        // Facts are of the person named; others go.
        let named = run(action, json!("p-1"), json!({}), &[], &both);
        assert_eq!(serde_json::from_str::<Value>(&named.out).unwrap().as_array().map(Vec::len), Some(1));
        let stopped = run(action, json!("p-1"), json!({"restrictions": ["stop-use"]}), &[], &both);
        assert_eq!((stopped.code, stopped.out.as_str()), (3, ""), "{}", stopped.err);
    }
    // What the gate answers as an empty list, and as an unknown object.
    let others = json!([data_set("p-2")]).to_string();
    assert_eq!(run("search", json!("p-1"), json!({}), &[], &others).out.trim(), "[]");
    assert_eq!(run("read", json!("p-1"), json!({}), &[], &others).code, 3);
    assert_eq!(
        run("search", Value::Null, json!({}), &[], &data_set("p-1").to_string()).code,
        4,
        "one object is no list"
    );
    assert_eq!(run("search", Value::Null, json!({}), &[], "DICM").code, 4);
    let twice = run("search", Value::Null, json!({}), &["--fhir"], &both);
    assert!(twice.code == 2 && twice.err.contains("--dicom"), "{}", twice.err);
}

#[test]
fn what_cannot_be_read_inside_leaves_whole_or_not_at_all() {
    let folder = Folder::of("redact-opaque", "jmdp");
    let mut request = staff();
    request["action"]["name"] = json!("read");
    request["resource"]["properties"] = json!({"subject": "d-1"});
    let request = folder.write("request.json", request.to_string());
    let with = |opaque: &str| {
        let route = "[[route]]\nid = \"card\"\npath = \"/donors/{id}/card\"\nmethods = { GET = \"read\" }\nshape = \"opaque\"\n";
        let rest = format!("subject-class = \"donor\"\nsubject = {{ path = \"id\" }}\nopaque = {opaque}\n");
        folder.write("catalogue.toml", format!("surface = \"rest\"\n{route}{rest}"));
        sekisho_fed(&["redact", "--policy", folder.path(), "--as", &request, "--route", "card"], b"not JSON at all")
    };
    let whole = with("[\"contact.phone\"]");
    assert_eq!((whole.code, whole.out.as_str()), (0, "not JSON at all"), "{}", whole.err);
    assert!(whole.err.contains("leaves whole"), "{}", whole.err);
    let none = with("[\"contact.phone\", \"identity.my-number\"]");
    assert_eq!((none.code, none.out.as_str()), (3, ""), "{}", none.err);
    assert!(none.err.contains("cannot be read inside"), "{}", none.err);
    fits(&none);
}

#[test]
fn the_exit_code_tells_where_nothing_can_be_told() {
    let folder = Folder::new("redact-silent");
    let mut request = staff();
    for (change, document, code) in [("coordination", DONORS, 0), ("coordination", "[", 4), ("research", DONORS, 3)] {
        request["context"]["purpose"] = json!(change);
        let request = folder.write("request.json", request.to_string());
        let file = folder.write("donors.json", document);
        let mut child = command()
            .args(["redact", "--policy", "policy/jmdp", "--as", &request, "--route", "donors", &file])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{change} {document}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let folder = Folder::new("redact-pipe");
    let request = folder.write("request.json", staff().to_string());
    let mut child = command()
        .args(["redact", "--policy", "policy/jmdp", "--as", &request, "--route", "donors.export"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut feed = child.stdin.take().unwrap();
    let line = format!("{{\"id\":\"d-1\",\"phone\":\"{}\"}}\n", "1".repeat(1000));
    for _ in 0..2000 {
        if feed.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    drop(feed);
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.len()),
        (Some(0), 0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// 200 MiB through a pipe, and the most memory that the program ever had.
#[test]
fn memory_does_not_grow_with_the_document() {
    let folder = Folder::new("redact-long");
    let request = folder.write("request.json", staff().to_string());
    let mut child = command()
        .args(["redact", "--policy", "policy/jmdp", "--as", &request, "--route", "donors.export", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut feed = child.stdin.take().unwrap();
    let id = child.id();
    const LINE: usize = 1 << 17;
    let feeder = std::thread::spawn(move || {
        for number in 0..200 << 20 >> 17 {
            let head = format!("{{\"id\":\"d-{number}\",\"phone\":\"");
            let line = format!("{head}{}\"}}\n", "7".repeat(LINE - head.len() - 3));
            feed.write_all(line.as_bytes()).unwrap();
        }
        // Still running, all of it in: what did it hold at most?
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap()
    });
    let mut out = child.stdout.take().unwrap();
    let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0u64);
    loop {
        match out.read(&mut buffer).unwrap() {
            0 => break,
            n => bytes += n as u64,
        }
    }
    let output = child.wait_with_output().unwrap();
    let peak_kib = feeder.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(bytes, 200 << 20, "every line is released as it is");
    assert!(peak_kib < 64 << 10, "{peak_kib} KiB");
    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["entries"]["released"], 200 << 20 >> 17);
}
