//! Does a request from outside ever do more than be answered or refused? Bytes, doubled keys, wrong types, bad dates.

use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use sekisho::decision::evaluation::evaluate;
use sekisho::policy::{Revisions, Source, Vocabulary, load};
use serde_json::{Value, json};

use super::support::{NOW, at, text_of};

fn revisions() -> &'static Revisions {
    static REVISIONS: OnceLock<Revisions> = OnceLock::new();
    REVISIONS.get_or_init(|| {
        let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
        load(vec![Source::new("jmdp", text_of("jmdp"))], &vocabulary).unwrap()
    })
}

/// A request that is permitted, with every field.
fn sound() -> Value {
    json!({
        "subject": {"type": "caller", "id": "c-17", "properties": {"organization": null, "roles": ["coordination-staff"], "identity": "verified", "training_until": "2027-03-31"}},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "r-1", "properties": {"subject_class": "donor", "subject": "d-100", "dataset": null, "categories": ["identity.name"], "query_categories": []}},
        "context": {"purpose": "coordination", "basis": null, "recipient": null, "organization": null, "reason": "", "reference": "", "act": null, "source": null, "time": NOW,
            "facts": {
                "organizations": [{"id": "o", "recipient": "transplant-center", "country": "JP", "from": "2024-04-01", "until": "2027-03-31", "purposes": ["coordination"], "overseas_basis": {"kind": "consent", "until": "2027-01-01"}}],
                "approvals": [{"organization": "x", "purpose": "research", "from": "2026-01-01", "until": "2026-12-31"}],
                "consents": [{"purpose": "research", "recipient": "researcher", "organization": null, "categories": ["health"], "from": "2026-01-01", "until": null}],
                "objections": [{"purpose": "research", "recipient": null, "categories": null, "from": "2026-01-01"}],
                "restrictions": [], "relations": [{"kind": "agent", "organization": null, "person": "p", "records": null, "from": null, "until": null}],
                "informed": [{"purpose": "research", "at": "2026-05-01"}], "opt_outs": [], "blocked": false}}
    })
}

fn put(text: &str) -> Result<Value, String> {
    evaluate(text, revisions(), at(NOW))
}

#[test]
fn the_sound_request_is_permitted() {
    assert_eq!(put(&sound().to_string()).unwrap()["decision"], true);
}

#[test]
fn a_wrong_type_or_date_in_any_field_is_refused_with_its_place() {
    let dates = [
        "/subject/properties/training_until",
        "/context/time",
        "/context/facts/organizations/0/from",
        "/context/facts/organizations/0/until",
        "/context/facts/organizations/0/overseas_basis/until",
        "/context/facts/approvals/0/until",
        "/context/facts/consents/0/from",
        "/context/facts/objections/0/from",
        "/context/facts/relations/0/until",
        "/context/facts/informed/0/at",
    ];
    for place in dates {
        for bad in [
            "yesterday",
            "",
            "2026-02-30",
            "2026-11-22T09:00:00",
            "2026-11-22 09:00:00+09:00",
            "20261122",
            "２０２６-11-22",
        ] {
            let mut request = sound();
            *request.pointer_mut(place).unwrap() = bad.into();
            let fault = put(&request.to_string()).expect_err(place);
            let key = place.rsplit('/').next().unwrap();
            assert!(fault.contains(key), "{place}: {fault}");
        }
    }
    let texts = [
        "/subject/id",
        "/subject/properties/organization",
        "/action/name",
        "/resource/id",
        "/resource/properties/subject_class",
        "/resource/properties/subject",
        "/resource/properties/dataset",
        "/context/purpose",
        "/context/basis",
        "/context/recipient",
        "/context/organization",
        "/context/reason",
        "/context/reference",
        "/context/act",
        "/context/source",
    ];
    let lists = [
        "/subject/properties/roles",
        "/resource/properties/categories",
        "/resource/properties/query_categories",
        "/context/facts/organizations",
        "/context/facts/consents",
        "/context/facts/restrictions",
        "/context/facts/opt_outs",
        "/context/facts/consents/0/categories",
        "/context/facts/organizations/0/purposes",
        "/context/facts/blocked",
    ];
    for place in texts.iter().chain(&lists) {
        for bad in [json!(7), json!({"a": 1}), json!([[1]])] {
            let mut request = sound();
            *request.pointer_mut(place).unwrap() = bad;
            assert!(put(&request.to_string()).is_err(), "{place}");
        }
    }
}

#[test]
fn an_unknown_action_or_dataset_or_a_missing_id_is_refused() {
    for (place, bad) in [
        ("/action/name", json!("export")),
        ("/resource/properties/dataset", json!("Anonymised")),
        ("/resource/id", json!(null)),
        ("/subject/id", json!(null)),
        ("/action", json!(null)),
        ("/subject/type", json!(null)),
    ] {
        let mut request = sound();
        *request.pointer_mut(place).unwrap() = bad;
        assert!(put(&request.to_string()).is_err(), "{place}");
    }
}

#[test]
fn a_doubled_key_is_refused_wherever_it_stands() {
    let text = sound().to_string();
    for (once, twice) in [
        ("\"purpose\":\"coordination\"", "\"purpose\":\"coordination\",\"purpose\":\"research\""),
        ("\"blocked\":false", "\"blocked\":true,\"blocked\":false"),
        ("\"kind\":\"agent\"", "\"kind\":\"agent\",\"k\\u0069nd\":\"agent\""),
    ] {
        assert!(text.contains(once), "{once}");
        let fault = put(&text.replacen(once, twice, 1)).unwrap_err();
        assert!(fault.contains("stands twice"), "{fault}");
    }
    assert!(put(&format!("{text} {text}")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = put(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_cut_or_mangled_request_never_panics_and_never_permits_more(cut in 0usize..1800, byte in any::<u8>()) {
        let mut bytes = sound().to_string().into_bytes();
        let place = cut % bytes.len();
        let _ = put(&String::from_utf8_lossy(&bytes[..place]));
        bytes[place] = byte;
        if let Ok(answer) = put(&String::from_utf8_lossy(&bytes)) {
            let release = answer["context"]["release"].as_object().unwrap();
            prop_assert!(release.iter().all(|(name, form)| name == "identity.name" || form == "withheld"));
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let deep = "[".repeat(100_000);
    assert!(put(&deep).is_err());
    assert!(put(&format!("{{\"context\":{}", "{\"facts\":".repeat(50_000))).is_err());
}
