//! The forms as `docs/forms.md` tells them, and where they meet the walk.

use std::sync::Arc;

use sekisho::catalogue::fields::{Generaliser, Meaning, Node};
use sekisho::catalogue::party::Bystanders;
use sekisho::policy::{Form, Release};
use sekisho::redact::*;
use serde_json::Value;

use super::support::*;

/// The category of Individual Numbers here.
const NUMBER: usize = 5;

fn keys() -> Pseudonyms {
    Pseudonyms::new(&MasterKey::new([7; 32]), Receiver::Organisation("univ-a"), "research", 1, &[]).unwrap()
}

fn terms_here() -> Terms {
    Terms {
        release: release().most(&Release::of(cat(NUMBER).only(), Form::Withheld)),
        all: all(6),
        pseudonymiser: Some(Arc::new(keys())),
        links: None,
        individual_number: Some(cat(NUMBER)),
    }
}

/// A list of records of persons named at `/id`, whose members are these.
fn list(members: &[(&str, Node)]) -> (Arc<Spec>, Arc<Plan>) {
    list_with(members, terms_here(), Limits::default())
}

fn list_with(members: &[(&str, Node)], terms: Terms, limits: Limits) -> (Arc<Spec>, Arc<Plan>) {
    let id = ("/*/id".to_owned(), Node { fixed_format: true, ..of(CLEAR) });
    let named = members.iter().map(|(name, node)| (format!("/*{name}"), node.clone()));
    let fields: Vec<(String, Node)> = named.chain([id]).collect();
    let fields: Vec<(&str, Node)> = fields.iter().map(|(name, node)| (name.as_str(), node.clone())).collect();
    let places = vec![SubjectAt {
        pointer: Pointer::parse("/id").unwrap(),
        reference_to: None,
        bystanders: Bystanders::default(),
    }];
    let shape = Shape::List { entries: Pointer::parse("/*").unwrap(), subjects: Subjects::At(places) };
    let spec = Arc::new(Spec::new(shape, tree(&fields), None, limits, true).unwrap());
    let plan = Arc::new(Plan::join(&spec, terms));
    (spec, plan)
}

fn run(setup: &(Arc<Spec>, Arc<Plan>), pieces: &[&[u8]]) -> (String, Tally) {
    let [(out, tally), (left, closely)] = [false, true].map(|closely| run_by(setup, pieces, closely));
    assert!(left == out && closely == tally, "closely looked at {left} leaves, not {out}");
    (out, tally)
}

fn run_by((spec, plan): &(Arc<Spec>, Arc<Plan>), pieces: &[&[u8]], closely: bool) -> (String, Tally) {
    let entries = Arc::clone(plan);
    let judge = move |entry: &Entry<'_>| match entry.subject {
        Some("nobody") | None => Verdict::Release(Arc::clone(&entries)),
        Some(person) => Verdict::ReleaseOf(Arc::clone(&entries), person.into()),
    };
    let mut redactor = Redactor::new(Arc::clone(spec), judge, Arc::clone(plan), KeySeed::new([1, 2]));
    if closely {
        redactor = redactor.closely();
    }
    let mut out = Vec::new();
    for piece in pieces {
        redactor.push(piece, &mut out).unwrap();
    }
    let tally = redactor.finish(&mut out).unwrap();
    (String::from_utf8(out).unwrap(), tally)
}

fn one(node: Node, person: &str, value: &str) -> Option<String> {
    let (out, _) = run(&list(&[("/v", node)]), &[format!(r#"[{{"id":"{person}","v":{value}}}]"#).as_bytes()]);
    let rest = out.strip_prefix(&format!(r#"[{{"id":"{person}""#)).unwrap().strip_suffix("}]").unwrap();
    rest.strip_prefix(r#","v":"#).map(str::to_owned)
}

/// The rows of the tables of the document under this head, by their cells without back quotes.
fn rows(head: &str) -> Vec<Vec<String>> {
    let text = include_str!("../../docs/forms.md");
    let mut rows = Vec::new();
    let mut within = false;
    for line in text.lines() {
        within = line == head || (within && line.starts_with('|'));
        if within && line != head && !line.starts_with("|---") {
            let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
            rows.push(cells.collect());
        }
    }
    rows
}

#[test]
fn every_example_of_the_document_is_true() {
    let examples = rows("| | value | becomes |");
    assert!(examples.len() > 45, "{}", examples.len());
    for row in examples {
        let [name, value, becomes] = row.as_slice() else { panic!("{row:?}") };
        let node = generalised(Generaliser::from_name(name).unwrap_or_else(|| panic!("{name}")));
        let made = one(node, "d-1", value);
        assert_eq!(made.as_deref(), Some(becomes.as_str()).filter(|b| *b != "withheld"), "{name} of {value}");
    }
    for (head, same) in [("| | value | same as |", true), ("| | value | other than |", false)] {
        let pairs = rows(head);
        assert!(pairs.len() >= 3);
        for row in pairs {
            let [_, one_value, other] = row.as_slice() else { panic!("{row:?}") };
            let (made, of_other) = (one(of(PSEUDONYM), "d-1", one_value), one(of(PSEUDONYM), "d-1", other));
            assert!(made.is_some());
            assert_eq!(made == of_other, same, "{one_value} {other}");
        }
    }
    let numbers = rows("| value | |");
    assert_eq!(numbers.len(), 11);
    for row in numbers {
        let [value, what] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(one(of(CLEAR), "d-1", value).is_none(), what == "stopped", "{value}");
    }
}

#[test]
fn every_generaliser_is_in_the_document() {
    let text = include_str!("../../docs/forms.md");
    for name in Generaliser::NAMES {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn dates_move_with_their_person_and_of_nobody_not_at_all() {
    let dates = list(&[("/born", generalised(Generaliser::Shift)), ("/seen", generalised(Generaliser::Shift))]);
    let record = |id: &str| format!(r#"{{"id":"{id}","born":"1987-05-02","seen":"2026-05-02T10:00:00Z"}}"#);
    let text = format!("[{},{},{},{}]", record("d-1"), record("d-2"), record("d-1"), record("nobody"));
    let (out, tally) = run(&dates, &[text.as_bytes()]);
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list[0], list[2]);
    assert_ne!(list[0]["born"], list[1]["born"]);
    assert_ne!(list[0]["born"], "1987-05-02");
    assert!(list[3].get("born").is_none() && list[3].get("seen").is_none(), "{out}");
    let day = |value: &Value| value.as_str().unwrap().parse::<jiff::civil::Date>().unwrap();
    let between = |record: &Value| (day(&record["seen"]) - day(&record["born"])).get_days();
    assert_eq!(between(&list[0]), between(&list[1]));
    assert_eq!(
        (tally.category(cat(COARSE)).of(Form::Generalised), tally.category(cat(COARSE)).of(Form::Withheld)),
        (6, 2)
    );
}

#[test]
fn an_individual_number_is_stopped_wherever_it_would_leave_in_clear() {
    let hit = "\"123456789018\"";
    // Where it may not: named, free text, nobody's data, elements, and deep in what would be copied whole.
    let everything = Terms { release: Release::clear(all(5)), all: all(5), ..terms_here() };
    for (node, value) in [
        (of(CLEAR), hit.to_owned()),
        (node(Meaning::Open), hit.to_owned()),
        (node(Meaning::Everything), hit.to_owned()),
        (of(CLEAR), format!("[\"a\",{hit}]")),
        (deep(of(CLEAR)), format!("{{\"deep\":[{{\"memo\":{hit}}}],\"b\":1}}")),
        (of(CLEAR), "\"\\u0031２3456789018\"".to_owned()),
    ] {
        let list = list_with(&[("/v", node)], everything.clone(), Limits::default());
        let (out, tally) = run(&list, &[format!(r#"[{{"id":"d-1","v":{value},"n":1}}]"#).as_bytes()]);
        assert!(!out.contains("9018"), "{value}: {out}");
        assert_eq!(tally.category(cat(NUMBER)).of(Form::Withheld), 1, "{value}");
        assert!(serde_json::from_str::<Value>(&out).is_ok(), "{out}");
    }
    let number = Terms { release: Release::clear(all(6)), ..terms_here() };
    for (node, terms) in [
        (Node { fixed_format: true, ..of(CLEAR) }, terms_here()),
        (Node { reference: true, ..of(CLEAR) }, terms_here()),
        (of(NUMBER), number),
        (of(CLEAR), Terms { individual_number: None, ..terms_here() }),
    ] {
        let list = list_with(&[("/v", node)], terms, Limits::default());
        let (out, tally) = run(&list, &[format!(r#"[{{"id":"d-1","v":{hit}}}]"#).as_bytes()]);
        assert!(out.contains("123456789018"), "{out}");
        assert_eq!(tally.category(cat(NUMBER)).of(Form::Withheld), 0);
    }
}

#[test]
fn where_a_string_is_cut_does_not_hide_a_number() {
    let long = format!("\"{}\"", "1".repeat(400));
    for limits in [Limits::default(), Limits { entry_bytes_max: 64, ..Limits::default() }] {
        let list = list_with(&[("/v", of(CLEAR))], terms_here(), limits);
        let text = format!(
            r#"[{{"id":"d-1","w":"{}","v":["１２３４ 5678-9018",{long},"123456789017","x"]}}]"#,
            "y".repeat(99)
        );
        let (whole, tally) = run(&list, &[text.as_bytes()]);
        assert!(!whole.contains("9018") && whole.contains(&long) && whole.contains("123456789017"), "{whole}");
        assert_eq!(tally.category(cat(NUMBER)).of(Form::Withheld), 1);
        for cut in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            assert_eq!(run(&list, &[head, tail]).0, whole, "{cut}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(run(&list, &bytes).0, whole);
    }
}

#[test]
fn an_identifier_is_pseudonymised_with_its_system_wherever_that_stands() {
    let value = Node { system: Some("system".into()), ..of(PSEUDONYM) };
    let ids = list(&[("/ids/*/value", value), ("/ids/*/system", node(Meaning::Open))]);
    let made = |objects: &str| -> Vec<Value> {
        let (out, _) = run(&ids, &[format!(r#"[{{"id":"d-1","ids":[{objects}]}}]"#).as_bytes()]);
        let list: Value = serde_json::from_str(&out).unwrap();
        list[0]["ids"].as_array().unwrap().iter().map(|id| id["value"].clone()).collect()
    };
    let made = made(concat!(
        r#"{"system":"urn:a","value":"1"},{"value":"1","system":"urn:a"},{"value":"１","syst\u0065m":"urn:a"},"#,
        r#"{"system":"urn:b","value":"1"},{"value":"1"},{"system":7,"value":"1"},{"system":" ","value":"1"}"#,
    ));
    assert!(made.iter().all(Value::is_string), "{made:?}");
    assert!(made[0] == made[1] && made[0] == made[2]);
    assert!(made[3] != made[0] && made[4] != made[0] && made[4] != made[3]);
    assert!(made[4] == made[5] && made[4] == made[6]);
    assert_eq!(
        made[4],
        one(of(PSEUDONYM), "d-1", "\"1\"").map(|text| text.trim_matches('"').into()).unwrap_or(Value::Null)
    );
}

#[test]
fn an_identifier_whose_system_cannot_be_looked_up_is_withheld() {
    let value = Node { system: Some("system".into()), ..of(PSEUDONYM) };
    let limits = Limits { entry_bytes_max: 40, ..Limits::default() };
    let ids = list_with(&[("/ids/*/value", value), ("/ids/*/system", node(Meaning::Open))], terms_here(), limits);
    let text = r#"[{"id":"d-1","ids":[{"system":"urn:a","value":"1"},{"value":"1","system":"urn:a"}]}]"#;
    let (out, _) = run(&ids, &[text.as_bytes()]);
    assert_eq!(out, r#"[{"id":"d-1","ids":[{"system":"urn:a"},{"system":"urn:a"}]}]"#);
}

#[test]
fn an_identifier_of_a_named_system_is_not_taken_for_an_individual_number() {
    let value = Node { system: Some("system".into()), ..of(CLEAR) };
    let ids = list(&[("/ids/*/value", value), ("/ids/*/system", node(Meaning::Open))]);
    for (system, leaves) in
        [("\"http://hospital.example/charts\"", true), ("\"charts\"", false), ("7", false), ("\"\"", false)]
    {
        let text = format!(r#"[{{"id":"d-1","ids":[{{"value":"123456789018","system":{system}}}]}}]"#);
        let (out, _) = run(&ids, &[text.as_bytes()]);
        assert_eq!(out.contains("123456789018"), leaves, "{system}: {out}");
    }
}

/// A FHIR resource by its type's tree; dates move for its subject.
#[test]
fn in_fhir_what_must_be_there_is_replaced_and_dates_of_one_person_move_alike() {
    let at = |pointer: &str, to: Option<&str>| {
        Subjects::At(vec![SubjectAt {
            pointer: Pointer::parse(pointer).unwrap(),
            reference_to: to.map(Into::into),
            bystanders: Bystanders::default(),
        }])
    };
    let fixed = || Node { fixed_format: true, ..node(Meaning::Open) };
    let patient = tree(&[("/id", fixed()), ("/birthDate", generalised(Generaliser::Shift))]);
    let visit = tree(&[
        ("/id", fixed()),
        ("/status", Node { required: true, ..of(CLEAR) }),
        ("/code", Node { required: true, fixed_format: true, ..of(CLEAR) }),
        ("/subject/reference", Node { reference: true, ..of(CLEAR) }),
        ("/period/start", generalised(Generaliser::Shift)),
        ("/identifier/*/system", fixed()),
        ("/identifier/*/value", Node { system: Some("system".into()), ..of(PSEUDONYM) }),
    ]);
    let types =
        [("Patient", patient, at("/id", None)), ("Encounter", visit, at("/subject/reference", Some("Patient")))];
    let types = types.map(|(name, node, subjects)| (Box::from(name), ResourceType { node, subjects }));
    let types = Arc::new(Types(types.into_iter().collect()));
    let spec = Spec::new(Shape::FhirLines, Arc::default(), Some(types), Limits::default(), false).unwrap();
    let plan = Arc::new(Plan::join(&spec, terms_here()));
    let lines = concat!(
        r#"{"resourceType":"Patient","id":"p1","birthDate":"1987-05-02"}"#,
        "\n",
        r#"{"resourceType":"Encounter","id":"e1","status":"123456789018","code":"123456789018","subject":{"reference":"Patient/p1"},"#,
        r#""period":{"start":"1987-05-02T08:30:00+09:00"},"identifier":[{"value":"7","system":"urn:a"}]}"#,
        "\n",
    );
    let (out, tally) = run(&(Arc::new(spec), plan), &[lines.as_bytes()]);
    let out: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(out[0]["birthDate"].is_string() && out[0]["birthDate"] != "1987-05-02", "{}", out[0]);
    assert_eq!(out[0]["birthDate"], out[1]["period"]["start"], "the same day of the same person");
    assert!(out[1].get("status").is_none(), "{}", out[1]);
    assert_eq!(out[1]["_status"]["extension"][0]["valueCode"], "masked", "{}", out[1]);
    assert_eq!(out[1]["code"], "123456789018", "a code is of a fixed format");
    assert_ne!(out[1]["identifier"][0]["value"], "7");
    assert_eq!(tally.category(cat(NUMBER)).of(Form::Withheld), 1);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Values of every sort that the forms look at, well formed and not.
    fn value() -> impl Strategy<Value = String> {
        let texts = prop::sample::select(vec![
            "1987-05-02",
            "1987-05",
            "昭和62年5月2日",
            "Ｒ５．３．１",
            "2023-02-30",
            "123456789018",
            "１２３４ 5678-9018",
            "123456789017",
            "東京都港区",
            "〒105-0012",
            "９３歳",
            "62.5",
            "山田　太郎",
            "a\"b\\c",
            "",
            "\u{FEFF}x",
            "１",
            "e5",
        ]);
        let numbers = prop::sample::select(vec![
            "0",
            "-0",
            "62.5",
            "1.75e2",
            "93",
            "1987",
            "19870502",
            "123456789018",
            "1e300",
            "-7",
        ]);
        prop_oneof![
            texts.prop_map(|text| serde_json::to_string(text).unwrap()),
            "\\PC{0,40}".prop_map(|text| serde_json::to_string(&text).unwrap()),
            numbers.prop_map(str::to_owned),
            Just("null".to_owned()),
        ]
    }

    fn some_node() -> impl Strategy<Value = Node> {
        let how = prop::sample::select(Generaliser::NAMES.map(|name| name.replace('N', "5")).to_vec());
        prop_oneof![
            how.prop_map(|name| generalised(Generaliser::from_name(&name).unwrap())),
            Just(of(CLEAR)),
            Just(of(PSEUDONYM)),
            Just(Node { system: Some("a".into()), ..of(PSEUDONYM) }),
            Just(Node { system: Some("a".into()), ..of(CLEAR) }),
            Just(node(Meaning::Open)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        /// Whatever the values: what leaves is JSON, the same wherever it was cut, and has no Individual Number in it.
        #[test]
        fn forms_hold_for_any_value_and_any_cut(
            nodes in prop::collection::vec(some_node(), 4),
            values in prop::collection::vec(value(), 4),
            small in any::<bool>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let names = ["/a", "/b", "/c/*", "/d/e"];
            let members: Vec<(&str, Node)> = names.into_iter().zip(nodes).collect();
            let limits = if small { Limits { entry_bytes_max: 48, ..Limits::default() } } else { Limits::default() };
            let list = list_with(&members, terms_here(), limits);
            let [a, b, c, d] = values.as_slice() else { panic!() };
            let text = format!(r#"[{{"id":"d-1","a":{a},"b":{b},"c":[{c},{a}],"d":{{"e":{d},"a":{b}}}}}]"#);
            let (whole, tally) = run(&list, &[text.as_bytes()]);
            prop_assert!(serde_json::from_str::<Value>(&whole).is_ok(), "{} became {}", text, whole);
            prop_assert!(!whole.contains("\"123456789018\"") && !whole.contains("5678-9018\""), "{}", whole);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let (cut, of_cut) = run(&list, &pieces);
            prop_assert_eq!(&cut, &whole);
            prop_assert!(of_cut == tally);
        }
    }
}
