//! Whom is a record about that names several parties? The streaming reading, the catalogue's and a slow one, compared.

use std::sync::{Arc, LazyLock, Mutex};

use proptest::prelude::*;
use sekisho::catalogue::{Catalogue, SubjectPath};
use sekisho::policy::Vocabulary;
use sekisho::redact::*;

use super::slow::body::{Subject, subject_of};
use super::slow::json::Json;
use super::support::*;
use super::trees::Dice;

static PATHS: LazyLock<Vec<(Box<str>, SubjectPath)>> = LazyLock::new(|| {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let catalogue = Catalogue::read([Catalogue::fhir_r4_source()], &vocabulary).unwrap();
    let kinds = ["Appointment", "AuditEvent", "Provenance", "Schedule", "Group", "Observation"];
    kinds.iter().map(|kind| ((*kind).into(), catalogue.types()[*kind].subject.clone().unwrap())).collect()
});

fn subjects(path: &SubjectPath) -> Subjects {
    let pointer = Pointer::parse(&path.pointer().to_string()).unwrap();
    let bystanders = path.bystanders().clone();
    Subjects::At(vec![SubjectAt { pointer, reference_to: Some("Patient".into()), bystanders }])
}

/// What stands for a party: most of these are no plain reference to a patient.
const PARTIES: [&str; 44] = [
    r#"{"reference":"Patient/p1"}"#,
    r#"{"reference":"Patient/p1"}"#,
    r#"{"reference":"Patient/p1","type":"Patient"}"#,
    r#"{"reference":"\u0050atient\/p1"}"#,
    r#"{"\u0072eference":"Patient/p1"}"#,
    r#"{"reference":"Patient/p1/_history/1"}"#,
    r#"{"reference":"Patient/p2"}"#,
    r#"{"reference":"Patient/p1","type":"Practitioner"}"#,
    r#"{"reference":"Patient/P1"}"#,
    r#"{"reference":"Patient/p1 "}"#,
    r#"{"reference":"Practitioner/d1"}"#,
    r#"{"reference":"Practitioner/d1","display":"Dr"}"#,
    r#"{"reference":"PractitionerRole/r1"}"#,
    r#"{"reference":"Organization/o1","type":"Organization"}"#,
    r#"{"type":"http://hl7.org/fhir/StructureDefinition/Location","reference":"Location/l1"}"#,
    r#"{"reference":"HealthcareService/h1/_history/3"}"#,
    r#"{"reference":"\u0050ractitioner/d1"}"#,
    r#"{"reference":"Practitioner/d1","type":"Patient"}"#,
    r#"{"reference":"Practitioner/d1","\u0074ype":"Patient"}"#,
    r#"{"reference":"Practitioner/d1","type":null}"#,
    r#"{"reference":"Practitioner/d1","type":["Practitioner"]}"#,
    r#"{"reference":"Practitioner/"}"#,
    r#"{"reference":"Practitioner/.."}"#,
    r#"{"reference":"Practitioner/d1/_history/../../Patient/p2"}"#,
    r#"{"reference":"practitioner/d1"}"#,
    r#"{"reference":"Device/v1"}"#,
    r#"{"reference":"RelatedPerson/m1"}"#,
    r#"{"reference":"Group/g1"}"#,
    r#"{"reference":"Person/n1"}"#,
    r#"{"reference":"Observation/o1"}"#,
    r#"{"reference":"http://inside/Practitioner/d1"}"#,
    r#"{"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0","type":"Practitioner"}"#,
    r##"{"reference":"#q","type":"Practitioner"}"##,
    r#"{"identifier":{"value":"7"},"type":"Practitioner"}"#,
    r#"{"display":"B"}"#,
    r#"{"reference":["Practitioner/d1"]}"#,
    r#"{"reference":null}"#,
    r#"{"reference":""}"#,
    r#"{"reference":"Patient/p1/_history/../../Patient/p2"}"#,
    r#"{"reference":"Patient/p1/_history/"}"#,
    r#"{"reference":"Patient/p1/_history/1/x"}"#,
    r#"{"reference":"Patient/.."}"#,
    "{}",
    "null",
];

/// What stands for a whole participant who is no actor at all: the first four are roles that nobody fills, most others could
/// name somebody.
const ROLES: [&str; 30] = [
    r#"={"type":[{"coding":[{"system":"urn:s","code":"PPRF","display":"primary performer"}]}],"status":"needs-action"}"#,
    r#"={"id":"r1","type":[{"text":"x"}],"required":"required","status":"needs-action","period":{"start":"2026-01-01"}}"#,
    r#"={"type":[{"text":"Anaesthetist"}],"status":"needs-action"}"#,
    r#"={"type":["x"]}"#,
    r#"={"status":"needs-action"}"#,
    r#"={"type":[],"status":"needs-action"}"#,
    r#"={"type":[{}],"status":"needs-action"}"#,
    r#"={"type":"x","status":"needs-action"}"#,
    r#"={"type":7,"status":"needs-action"}"#,
    r#"={"type":null,"status":"needs-action"}"#,
    r#"={"type":[{"text":"x"}],"extension":[{"url":"u","valueReference":{"reference":"Patient/p2"}}]}"#,
    r#"={"type":[{"text":"x"}],"modifierExtension":[{"url":"u","valueBoolean":true}]}"#,
    r#"={"type":[{"text":"x","extension":[{"url":"u","valueReference":{"reference":"Patient/p2"}}]}]}"#,
    r#"={"type":[{"text":"x","extension":[{"url":"u"}]}]}"#,
    r#"={"type":[{"reference":"Patient/p2"}]}"#,
    r#"={"type":["x"],"_status":{"extension":[{"url":"u"}]}}"#,
    r#"={"type":["x"],"_actor":{"id":"a"}}"#,
    r#"={"type":["x"],"actor":null}"#,
    r#"={"type":["x"],"actor":[]}"#,
    r#"={"type":["x"],"actor":{}}"#,
    r#"={"type":["x"],"actor":{"display":"B"}}"#,
    r#"={"type":["x"],"Actor":{"reference":"Patient/p2"}}"#,
    r#"={"type":["x"],"name":"B"}"#,
    r#"={"type":["x"],"who":{"reference":"Patient/p2"}}"#,
    r#"={"display":"B"}"#,
    "={}",
    "=[]",
    "=null",
    "=7",
    r#"="Patient/p2""#,
];

/// The parties as they lie in a record of this type; one that begins with `=` is all of its element.
fn record(pointer: &str, parties: &[&str]) -> String {
    let mut steps = pointer.split('/').skip(1).collect::<Vec<_>>();
    assert_eq!(steps.pop(), Some("reference"));
    let Some(many) = steps.iter().position(|step| *step == "*") else {
        let party = parties.first().unwrap_or(&"null");
        return format!("{{\"{}\":{}}}", steps[0], party.trim_start_matches('='));
    };
    let wrap = |party: &&str| match party.strip_prefix('=') {
        Some(whole) => whole.to_owned(),
        None => {
            steps[many + 1..].iter().rev().fold((*party).to_owned(), |inner, step| format!("{{\"{step}\":{inner}}}"))
        }
    };
    let parties: Vec<String> = parties.iter().map(wrap).collect();
    format!("{{\"{}\":[{}]}}", steps[0], parties.join(","))
}

/// Whom the streaming redactor tells its judge, and whether it asks him at all.
fn streamed(subjects: Subjects, text: &str, pieces: usize, settled: bool) -> Option<Option<String>> {
    let asked = Arc::new(Mutex::new(None));
    let setup = Setup::new(Shape::Object { subjects }, people_tree(""), None, settled);
    let noted = Arc::clone(&asked);
    let judge = move |entry: &Entry<'_>| {
        *noted.lock().unwrap() = Some(entry.subject.map(str::to_owned));
        Verdict::Drop
    };
    let mut redactor = Redactor::new(Arc::clone(&setup.spec), judge, Arc::clone(&setup.plan), KeySeed::new([1, 2]));
    let mut out = Vec::new();
    for piece in text.as_bytes().chunks(pieces) {
        redactor.push(piece, &mut out).unwrap();
    }
    redactor.finish(&mut out).unwrap();
    asked.lock().unwrap().take()
}

fn agree(path: &SubjectPath, parties: &[&str], pieces: usize) {
    let text = record(&path.pointer().to_string(), parties);
    let said = subject_of(&subjects(path), &Json::parse(&text));
    let slow = match &said {
        Some(Subject::One(id)) => Some(Some(id.clone())),
        Some(Subject::NoOnes) => Some(None),
        Some(Subject::NotFound | Subject::Unclear) | None => None,
    };
    assert_eq!(streamed(subjects(path), &text, pieces, false), slow, "{text}");
    // Where it is known already whose it is, silence is no fault; somebody who is not known is.
    let settled = if said == Some(Subject::NotFound) { Some(None) } else { slow.clone() };
    assert_eq!(streamed(subjects(path), &text, pieces, true), settled, "{text}");
    // A write is about whom the record will be read to be about.
    let found = path.find(&serde_json::from_str(&text).unwrap());
    assert!(found == slow.clone().flatten(), "{found:?}, not {slow:?}: {text}");
    let others = text.contains("p2") || text.contains("P1") || text.contains("\"B\"");
    assert!(!others || slow != Some(Some("p1".to_owned())), "{text}");
}

proptest! {
    #[test]
    fn every_reading_names_the_same_person_among_several_parties(seed in any::<u64>()) {
        for round in 0..40 {
            let mut dice = Dice(seed ^ round);
            let (_, path) = &PATHS[dice.roll(PATHS.len())];
            let (sides, roles) = [(17, 4), (17, ROLES.len()), (PARTIES.len(), ROLES.len())][dice.roll(3)];
            let mut party = || match dice.roll(3) {
                0 => ROLES[dice.roll(roles)],
                _ => PARTIES[dice.roll(sides)],
            };
            let parties: Vec<&str> = (0..round % 5).map(|_| party()).collect();
            agree(path, &parties, 1 + dice.roll(60));
        }
    }
}

/// Whose a schedule is, that nobody's patient needs to know of.
const THEIRS: [&str; 7] =
    [PARTIES[10], PARTIES[11], PARTIES[12], PARTIES[14], PARTIES[15], PARTIES[16], r#"{"reference":"Device/v1"}"#];

/// So that a reading that finds nobody anywhere would not pass for one that agrees.
#[test]
fn a_patient_is_found_among_bystanders_wherever_he_stands() {
    for (kind, path) in &*PATHS {
        let text = |parties: &[&str]| record(&path.pointer().to_string(), parties);
        let (p1, d1, l1) = (PARTIES[0], PARTIES[10], PARTIES[14]);
        let several = path.pointer().is_wild();
        for parties in [&[p1][..], &[p1, d1, l1], &[d1, p1, l1], &[d1, l1, p1, p1]] {
            let found = streamed(subjects(path), &text(parties), 7, false);
            if several || parties[0] == p1 {
                assert_eq!(found, Some(Some("p1".to_owned())), "{kind}");
            }
        }
        for party in &PARTIES[17..] {
            for parties in [[p1, *party, d1], [*party, d1, p1]] {
                assert!(!several || streamed(subjects(path), &text(&parties), 7, false).is_none(), "{kind}: {party}");
            }
        }
        for party in &PARTIES[10..] {
            let found = streamed(subjects(path), &text(&[*party]), 7, false);
            // A schedule of these is theirs.
            let theirs = &**kind == "Schedule" && THEIRS.contains(party);
            assert_eq!(found, theirs.then_some(None), "{kind}: {party} alone");
            let beside = streamed(subjects(path), &text(&[*party, d1]), 7, false);
            assert_eq!(beside, (theirs && several).then_some(None), "{kind}: {party} with a practitioner");
        }
    }
}

/// An unfilled role takes an appointment from no one and gives it to no one; what could be somebody in it takes it away.
#[test]
fn a_role_that_nobody_fills_neither_hides_a_patient_nor_is_one() {
    let (_, path) = PATHS.iter().find(|(kind, _)| &**kind == "Appointment").unwrap();
    let text = |parties: &[&str]| record(&path.pointer().to_string(), parties);
    let (p1, d1) = (PARTIES[0], PARTIES[10]);
    for (at, role) in ROLES.iter().enumerate() {
        let expected = (at < 4).then(|| Some("p1".to_owned()));
        for parties in [&[p1, *role][..], &[*role, p1], &[*role, d1, *role, p1, *role]] {
            for pieces in [1, 7, 1000] {
                assert_eq!(streamed(subjects(path), &text(parties), pieces, false), expected, "{role}");
            }
            agree(path, parties, 7);
        }
        for parties in [&[*role][..], &[*role, d1], &[*role, *role]] {
            for settled in [false, true] {
                assert_eq!(streamed(subjects(path), &text(parties), 7, settled), None, "{role} alone");
            }
            agree(path, parties, 7);
        }
    }
    // Where no role can be empty, one is somebody.
    for (kind, path) in &*PATHS {
        let text = record(&path.pointer().to_string(), &[p1, ROLES[3]]);
        let several = path.pointer().is_wild() && &**kind != "Appointment";
        assert!(!several || streamed(subjects(path), &text, 7, false).is_none(), "{kind}");
    }
}
