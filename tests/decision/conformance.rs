//! Do the five policies answer as their officers expect? Every conformance case of `policy/*/cases.toml`.

use std::sync::Arc;

use sekisho::decision::cases;
use sekisho::policy::{Source, Vocabulary, load};

use super::support::{ORGS, at, text_of};

#[test]
fn every_conformance_case_holds() {
    let mut differing = Vec::new();
    let (mut held, mut permitted) = (0, 0);
    for org in ORGS {
        let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
        let revisions = load(vec![Source::new(org, text_of(org))], &vocabulary).unwrap();
        let path = format!("{}/policy/{org}/cases.toml", env!("CARGO_MANIFEST_DIR"));
        let read = cases::read(Source::new(&path, std::fs::read_to_string(&path).unwrap()));
        for case in read.unwrap_or_else(|faults| panic!("{faults}")) {
            permitted += usize::from(case.permits());
            let found = case.run(&revisions, at(super::support::NOW));
            match found.is_empty() {
                true => held += 1,
                false => differing.push(format!("{org}:{} {}: {}", case.line, case.name, found.join("; "))),
            }
        }
    }
    println!("{held} cases hold, {permitted} of all permit");
    assert!(permitted > 200, "hardly any case permits");
    assert!(differing.is_empty(), "{} cases differ:\n{}", differing.len(), differing.join("\n"));
}
