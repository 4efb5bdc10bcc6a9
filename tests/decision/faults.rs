//! Is every mistake in a document told, with its line, and does no document with one load?

use std::sync::Arc;

use sekisho::policy::{Faults, Source, Vocabulary, compile};

use super::support::text_of;

fn faults(text: &str) -> Faults {
    let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
    compile(Source::new("policy.toml", text), &vocabulary).err().unwrap_or_default()
}

/// What stands in jmdp's document, once; what is put there; what is told of it, and on which line after the place's own.
const BROKEN: [(&str, &str, &str, usize); 34] = [
    ("contact = \"Japan", "contakt = \"Japan", "unknown key `contakt`", 0),
    ("time-zone = \"Asia/Tokyo\"", "time-zone = \"Asia/Tokio\"", "unknown time zone `Asia/Tokio`", 0),
    ("effective = 2022-04-01", "effective = \"April\"", "no date", 0),
    ("effective = 2022-04-01", "effective = 4", "a date or a date-time", 0),
    ("announced = 2022-03-15", "announced = 2022-03-15T09:00:00", "no date or date-time with offset", 0),
    ("clause = \"II.3.11\"\ncodes", "clause = \"II.3.111\"\ncodes", "unknown clause `II.3.111`", 0),
    ("[purpose.\"campaign\"]", "[purpose.\"campaing\"]", "unknown purpose `campaign`", usize::MAX),
    ("serves = [\"campaign\"]", "serves = [\"campain\"]", "unknown purpose `campain`", 0),
    ("to = \"expert\"\n", "to = \"expart\"\n", "unknown recipient `expart`", 0),
    ("to = \"kind:joint-user\"", "to = \"kind:joint-usr\"", "unknown kind of recipient `joint-usr`", 0),
    ("basis = \"joint-use\"", "basis = \"joint-usage\"", "unknown basis `joint-usage`", 0),
    ("view = \"specimens\"", "view = \"specimen\"", "unknown view `specimen`", 0),
    (
        "clear = [\"identity.name\", \"contact.address\", \"health.exam-result\", \"health.hla-type\"]",
        "clear = [\"identity.nam\"]",
        "unknown category `identity.nam`",
        0,
    ),
    ("codes = [\"hl7:DONAT\"]", "codes = [\"hl7:DONUT\"]", "unknown code `hl7:DONUT`", 0),
    ("about = [\"contributor\"]", "about = [\"contributer\"]", "unknown subject class `contributer`", 0),
    ("about = [\"contributor\"]\n", "", "names no subject class", usize::MAX),
    ("about = [\"contributor\"]", "about = 3", "`about` is to be a list of texts", 0),
    (
        "abstract = true\n[purpose.\"administration.accounting\"]",
        "abstract = \"yes\"\n[purpose.\"administration.accounting\"]",
        "`abstract` is to be true or false",
        0,
    ),
    ("view = \"donation-money\"\n", "", "purpose `donation-administration` has no view", usize::MAX),
    ("id = \"clarity\"", "id = \"analytics\"", "rule `analytics` stands twice", 0),
    ("id = \"W.ssl\"", "id = \"W.logs\"", "clause `W.logs` stands twice", 0),
    ("enforced-by = [\"mechanism:tls\"]", "", "clause `W.ssl` is kept by nothing", usize::MAX),
    ("enforced-by = [\"mechanism:tls\"]", "enforced-by = [\"mechanism:ssl\"]", "unknown mechanism `ssl`", 0),
    (
        "enforced-by = [\"purpose:improvement\"]",
        "enforced-by = [\"purpose:campaign\"]",
        "does not cite clause `II.3.3`",
        0,
    ),
    (
        "enforced-by = [\"purpose:improvement\"]",
        "enforced-by = [\"improvment\"]",
        "unknown enforcement `improvment`",
        0,
    ),
    (
        "enforced-by = [\"mechanism:tls\"]",
        "enforced-by = [\"mechanism:tls\"]\norganisational = \"x\"",
        "enforced *and* organisational",
        usize::MAX,
    ),
    ("needs = [\"reason\", \"review\"]", "needs = [\"reasons\"]", "unknown need `reasons`", 0),
    ("kind = \"academic\"", "kind = \"academy\"", "unknown kind of recipient `academy`", 0),
    (
        "unless = { basis = \"law\", act = \"Numbers Act\" }",
        "unless = { basis = \"law\", act = \"Number Act\" }",
        "unknown act `Number Act`",
        0,
    ),
    ("[condition.provision]\nclause = \"II.6\"", "", "`[condition.provision]` is missing", usize::MAX),
    ("[condition.training]", "[condition.trainings]", "unknown condition `trainings`", 0),
    ("vital-interest = \"II.6\"", "vital-interests = \"II.6\"", "unknown statutory basis `vital-interests`", 0),
    ("erasure = \"II.8\"\n", "", "names no clause for `erasure`", usize::MAX),
    (
        "[view.messages]\nclear = [\"identity.name\", \"contact\"]",
        "[view.messages]\nclear = [\"identity.name\", \"contact\", \"health.condition\"]",
        "this assertion does not hold: `inside` releases `health.condition` to `internal` for `campaign`",
        usize::MAX,
    ),
];

#[test]
fn every_kind_of_mistake_is_told_with_its_line() {
    let sound = text_of("jmdp");
    assert!(faults(&sound).is_empty(), "{}", faults(&sound));
    for (old, new, message, after) in BROKEN {
        assert_eq!(sound.matches(old).count(), 1, "`{old}` stands once");
        let line = sound[..sound.find(old).unwrap()].matches('\n').count() + 1;
        let found = faults(&sound.replacen(old, new, 1));
        let told = found.0.iter().find(|f| f.message.contains(message));
        let told = told.unwrap_or_else(|| panic!("`{message}` is not told:\n{found}"));
        if after != usize::MAX {
            assert_eq!(told.position().0, line + after, "{told}");
        }
    }
}

#[test]
fn the_nearest_known_name_is_offered() {
    let text = text_of("jmdp").replacen("to = \"expert\"\n", "to = \"expart\"\n", 1);
    let found = faults(&text);
    assert!(found.0.iter().any(|f| f.help.as_deref() == Some("did you mean `expert`?")), "{found}");
}

#[test]
fn several_mistakes_are_told_at_once() {
    let sound = text_of("jmdp");
    let pick = [8, 10, 12, 13, 14, 26];
    let broken = pick.iter().fold(sound, |text, index| text.replacen(BROKEN[*index].0, BROKEN[*index].1, 1));
    let found = faults(&broken);
    for index in pick {
        assert!(found.0.iter().any(|f| f.message.contains(BROKEN[index].2)), "{}\n{found}", BROKEN[index].2);
    }
}

#[test]
fn an_empty_document_and_one_with_broken_syntax_do_not_load() {
    for text in ["", "[policy", "x = ", "[policy]\nid = 3\n", "\u{0}", "[[permit]]\n", "policy = []"] {
        assert!(!faults(text).is_empty(), "{text:?}");
    }
}

#[test]
fn a_document_with_any_line_left_out_never_panics() {
    let sound = text_of("jsco");
    let lines: Vec<&str> = sound.lines().collect();
    for left_out in (0..lines.len()).step_by(7) {
        let text: String =
            lines.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, l)| format!("{l}\n")).collect();
        let _ = faults(&text);
    }
}
