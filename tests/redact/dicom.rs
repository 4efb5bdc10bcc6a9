//! Data sets in JSON, against a second reading of what should leave: any release, any attributes, any cut.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use sekisho::catalogue::dicomweb::Vr;
use sekisho::catalogue::{Catalogue, Route};
use sekisho::policy::{Categories, Category, Form, Release, Vocabulary};
use sekisho::redact::*;
use serde_json::{Map, Value, json};

use super::support::{Gate, Plain};
use super::trees::Dice;

/// What the compiled-in document says, read by itself.
struct Document {
    catalogue: Catalogue,
    vocabulary: Vocabulary,
    rows: HashMap<String, Vec<String>>,
    code: HashMap<String, Vec<String>>,
    tags: Vec<String>,
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let source = Catalogue::dicomweb_source();
    let text = source.text.clone();
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let rows = |text: &str| {
        let row = |line: &str| {
            let (tag, words) = line.split_once(" = [")?;
            (tag.len() == 8).then(|| (tag.to_owned(), words.split('"').skip(1).step_by(2).map(str::to_owned).collect()))
        };
        text.lines().filter_map(row).collect::<HashMap<String, Vec<String>>>()
    };
    let (head, attributes) = text.split_once("\n[attribute]\n").unwrap();
    let rows_of: HashMap<_, _> = rows(attributes).into_iter().filter(|(tag, _)| !tag.contains('x')).collect();
    let mut tags: Vec<String> = rows_of.keys().cloned().collect();
    tags.sort();
    let code = rows(head.split_once("\n[code]\n").unwrap().1);
    Document { catalogue: Catalogue::read([source], &vocabulary).unwrap(), vocabulary, rows: rows_of, code, tags }
});

/// How deep a data set may lie in sequences.
const NESTED_MAX: usize = 4;

fn route() -> &'static Route {
    DOCUMENT.catalogue.routes().iter().find(|route| route.id() == "dicom.studies.search").unwrap()
}

// --- Data sets ------------------------------------------------------------------------------------------------------------

fn one_value(dice: &mut Dice, vr: Vr, serial: &mut usize) -> Value {
    *serial += 1;
    let n = *serial;
    match vr {
        Vr::Pn => match dice.roll(3) {
            0 => json!({"Alphabetic": format!("zz{n}z")}),
            1 => json!({"Alphabetic": format!("zz{n}z"), "Ideographic": format!("日zz{n}y"), "Phonetic": ""}),
            _ => Value::Null,
        },
        Vr::Da => json!(["19870502", "1987", "20251131", "not zz0z"][dice.roll(4)]),
        Vr::Dt => json!(["19870502101500+0900", "198705", "zz0z"][dice.roll(3)]),
        Vr::As => json!(["038Y", "006M", "zz0z"][dice.roll(3)]),
        Vr::Ui => json!([format!("1.2.777.{n}"), "1.2.x".to_owned()][dice.roll(2)]),
        Vr::Ds | Vr::Is | Vr::Us | Vr::Fd | Vr::Ul | Vr::Ss => json!(777_000 + n),
        Vr::Ur => json!(["http://inside/studies/1".to_owned(), format!("http://other/zz{n}z")][dice.roll(2)]),
        _ => json!(format!("zz{n}z")),
    }
}

fn attribute(dice: &mut Dice, words: &[String], depth: usize, serial: &mut usize) -> Value {
    let vr = Vr::from_name(&words[1]).unwrap();
    let mut made = Map::from_iter([("vr".to_owned(), json!(words[1]))]);
    match (vr, dice.roll(12)) {
        (_, 0) => {}
        (Vr::Sq, _) => {
            let coded = words.iter().any(|word| word == "code");
            let items = (0..dice.roll(3)).map(|_| match coded {
                true => coded_entry(dice, serial),
                false => data_set(dice, depth + 1, serial),
            });
            let items: Vec<Value> = items.collect();
            made.insert("Value".into(), items.into());
        }
        (_, 1) => drop(made.insert("BulkDataURI".into(), json!(format!("http://inside/bulk/zz{serial}b")))),
        (_, 2) => drop(made.insert("InlineBinary".into(), json!("enp6"))),
        (_, 3) => drop(made.insert("Other".into(), json!("zz-other"))),
        _ => {
            let values: Vec<Value> = (0..1 + dice.roll(2)).map(|_| one_value(dice, vr, serial)).collect();
            made.insert("Value".into(), values.into());
        }
    }
    made.into()
}

fn coded_entry(dice: &mut Dice, serial: &mut usize) -> Value {
    let mut made = Map::new();
    let mut rows: Vec<_> = DOCUMENT.code.iter().filter(|(_, words)| words[1] != "SQ").collect();
    rows.sort();
    for (tag, words) in rows {
        if dice.roll(2) == 0 {
            made.insert(tag.clone(), attribute(dice, words, 0, serial));
        }
    }
    if dice.roll(3) == 0 {
        made.insert("00091001".into(), json!({"vr": "LO", "Value": ["zz-private"]}));
        made.insert("00100010".into(), json!({"vr": "PN", "Value": [{"Alphabetic": "zz-in-code"}]}));
    }
    made.into()
}

fn data_set(dice: &mut Dice, depth: usize, serial: &mut usize) -> Value {
    let mut made = Map::new();
    for _ in 0..dice.roll(if depth == 0 { 12 } else { 5 }) {
        let tag = &DOCUMENT.tags[dice.roll(DOCUMENT.tags.len())];
        let words = &DOCUMENT.rows[tag];
        if words[1] != "SQ" || depth < 6 {
            made.insert(tag.clone(), attribute(dice, words, depth, serial));
        }
    }
    if dice.roll(3) == 0 {
        for unnamed in ["00091001", "00080100", "FFFE0000", "PatientName"] {
            made.insert(unnamed.into(), json!({"vr": "LO", "Value": ["zz-unnamed"]}));
        }
    }
    made.into()
}

fn some_release(dice: &mut Dice, all: Categories) -> Release {
    let form = |dice: &mut Dice| Form::ALL[dice.roll(5)];
    let usual = if dice.roll(4) == 0 { Form::Clear } else { form(dice) };
    all.iter().fold(Release::NOTHING, |release, category| {
        let form = if dice.roll(2) == 0 { usual } else { form(dice) };
        release.most(&Release::of(category.only(), form))
    })
}

// --- The second reading ---------------------------------------------------------------------------------------------------

struct Reading {
    release: Release,
    all_clear: bool,
}

/// What an attribute is.
#[derive(Clone, Copy, PartialEq)]
enum What {
    Form(Form),
    Link,
}

impl Reading {
    fn what(&self, word: &str) -> What {
        What::Form(match word {
            "open" => Form::Clear,
            "free-text" if self.all_clear => Form::Clear,
            "link" => return What::Link,
            "free-text" | "never" | "count" => Form::Withheld,
            category => self.release.form(DOCUMENT.vocabulary.category(category).unwrap()),
        })
    }

    /// `None`: it goes with all that is in it.
    fn data_set(&self, value: &Value, depth: usize) -> Option<Value> {
        let members = value.as_object().unwrap();
        let left: Map<String, Value> = members
            .iter()
            .filter_map(|(tag, attribute)| {
                let words = DOCUMENT.rows.get(tag)?;
                let coded = words.iter().any(|word| word == "code");
                if depth >= NESTED_MAX && words[1] == "SQ" && !coded {
                    return None;
                }
                let what = self.what(&words[2]);
                Some((tag.clone(), self.attribute(attribute, words, what, words[2] == "identity.number", depth)?))
            })
            .collect();
        (!left.is_empty()).then(|| left.into())
    }

    fn coded(&self, value: &Value, what: What) -> Option<Value> {
        let members = value.as_object().unwrap();
        let left: Map<String, Value> = members
            .iter()
            .filter_map(|(tag, attribute)| {
                let words = DOCUMENT.code.get(tag)?;
                Some((tag.clone(), self.attribute(attribute, words, what, false, 0)?))
            })
            .collect();
        (!left.is_empty()).then(|| left.into())
    }

    fn attribute(&self, value: &Value, words: &[String], what: What, is_id: bool, depth: usize) -> Option<Value> {
        let vr = Vr::from_name(&words[1]).unwrap();
        let coarse = words.iter().find(|word| matches!(word.as_str(), "year" | "decade" | "prefecture"));
        let text = matches!(vr, Vr::Lo | Vr::Lt | Vr::Pn | Vr::St | Vr::Uc | Vr::Ut);
        let short = matches!(vr, Vr::Sh | Vr::Ae);
        let form = match what {
            What::Link => Form::Clear,
            What::Form(Form::Withheld) => return None,
            What::Form(Form::Masked) if vr == Vr::Sq => return None,
            What::Form(form) if vr == Vr::Sq => form,
            What::Form(Form::Generalised) if coarse.is_none() => return None,
            What::Form(Form::Pseudonymised) if !(text || short || vr == Vr::Ui) => return None,
            What::Form(form) => form,
        };
        let mut left = Map::from_iter([("vr".to_owned(), json!(words[1]))]);
        let members = value.as_object().unwrap();
        if form == Form::Clear {
            if let Some(uri) = members.get("BulkDataURI") {
                left.insert("BulkDataURI".into(), Gate.rewrite(uri.as_str().unwrap()).unwrap().into());
            }
            if let Some(bytes) = members.get("InlineBinary").filter(|_| self.all_clear) {
                left.insert("InlineBinary".into(), bytes.clone());
            }
        }
        let Some(values) = members.get("Value").and_then(Value::as_array) else { return Some(left.into()) };
        let made: Vec<Value> = values
            .iter()
            .filter_map(|value| match vr {
                Vr::Sq if words.iter().any(|word| word == "code") => self.coded(value, what),
                Vr::Sq => self.data_set(value, depth + 1),
                _ if what == What::Link => Gate.rewrite(value.as_str()?).map(Value::from),
                _ => one(value, form, vr, (is_id, short, text), coarse.map(String::as_str)),
            })
            .collect();
        if !made.is_empty() {
            left.insert("Value".into(), made.into());
        }
        Some(left.into())
    }
}

fn one(
    value: &Value,
    form: Form,
    vr: Vr,
    (is_id, short, text): (bool, bool, bool),
    coarse: Option<&str>,
) -> Option<Value> {
    match value {
        Value::Object(members) if form != Form::Clear => {
            let left: Map<String, Value> = members
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), one(value, form, vr, (is_id, short, text), coarse)?)))
                .collect();
            (!left.is_empty()).then(|| left.into())
        }
        _ if form == Form::Clear => Some(value.clone()),
        Value::String(_) if form == Form::Masked && (text || short) => Some(json!("***")),
        _ if form == Form::Masked => Some(Value::Null),
        Value::String(value) if form == Form::Pseudonymised => Some(json!(match () {
            () if vr == Vr::Ui => Plain.uid(value)?,
            () if short => Plain.short(value)?,
            () if is_id => Plain.id(value)?,
            () => Plain.value(value)?,
        })),
        Value::String(value) => coarser(value, vr, coarse?).map(Value::from),
        _ => None,
    }
}

/// The only values here that can be made coarser.
fn coarser(value: &str, vr: Vr, how: &str) -> Option<&'static str> {
    match (vr, how, value) {
        (Vr::Da, "year", "19870502") => Some("19870101"),
        // There is no such day: who could not read it does not make it coarser.
        (Vr::Da, "year", "20251131") => None,
        (Vr::As, "decade", "038Y") => Some("030Y"),
        (Vr::As, "decade", "006M") => Some("000Y"),
        _ => None,
    }
}

// --- The comparison -------------------------------------------------------------------------------------------------------

fn cut(body: &str, release: Release, sizes: usize) -> String {
    let all = route().categories();
    let shape = Shape::List { entries: Pointer::parse("/*").unwrap(), subjects: Subjects::NoOne };
    let spec = Arc::new(Spec::new(shape, Arc::clone(route().root()), None, Limits::default(), true).unwrap());
    let (pseudonymiser, links) = (Some(Arc::new(Plain) as _), Some(Arc::new(Gate) as _));
    let terms = Terms { release, all, pseudonymiser, links, individual_number: None };
    let plan = Arc::new(Plan::join(&spec, terms));
    let judged = Arc::clone(&plan);
    let judge = move |_: &Entry<'_>| Verdict::Release(Arc::clone(&judged));
    let mut redactor = Redactor::new(spec, judge, plan, KeySeed::new([1, 2]));
    let mut out = Vec::new();
    for piece in body.as_bytes().chunks(sizes) {
        redactor.push(piece, &mut out).unwrap();
    }
    redactor.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Releases in which one category, or all but one, are clear.
fn at_the_edges(all: Categories) -> impl Iterator<Item = (Category, Release)> {
    all.iter().map(move |category| (category, Release::clear(all.without(category.only()))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_leaves_of_a_data_set_is_what_the_second_reading_leaves(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let all = route().categories();
        let release = some_release(&mut dice, all);
        let mut serial = 0;
        let body: Vec<Value> = (0..1 + dice.roll(3)).map(|_| data_set(&mut dice, 0, &mut serial)).collect();
        let reading = Reading { release, all_clear: release.having(Form::Clear, all) == all };
        let wanted: Vec<Value> = body.iter().map(|entry| reading.data_set(entry, 0).unwrap_or(json!({}))).collect();
        let text = Value::from(body).to_string();
        let left = cut(&text, release, text.len());
        let entries: Value = serde_json::from_str(&left).unwrap();
        // An entry of which nothing is left goes, or stays as one of which nothing is known.
        let some = |list: &[Value]| list.iter().filter(|entry| **entry != json!({})).cloned().collect::<Vec<_>>();
        prop_assert_eq!(some(entries.as_array().unwrap()), some(&wanted), "{}", text);
        prop_assert_eq!(cut(&text, release, 1 + dice.roll(40)), left);
    }
}

/// Of each attribute of the document by itself: where its category alone is withheld, nothing of its value leaves.
#[test]
fn no_attribute_leaves_by_another_category_than_its_own() {
    let all = route().categories();
    for (category, release) in at_the_edges(all) {
        let name = DOCUMENT.vocabulary.name(category);
        let mut body = Map::new();
        for (tag, words) in DOCUMENT.rows.iter().filter(|(_, words)| words[2] == name || words[2] == "free-text") {
            let value = if words[1] == "SQ" {
                json!([{"00080100": {"vr": "SH", "Value": ["zz-code"]}}])
            } else {
                json!(["zz-value"])
            };
            body.insert(tag.clone(), json!({"vr": words[1], "Value": value, "BulkDataURI": "http://inside/zz"}));
        }
        assert!(!body.is_empty(), "{name} is no attribute's category");
        let left = cut(&json!([body]).to_string(), release, 64);
        assert!(!left.contains("zz"), "{name}: {left}");
    }
}
