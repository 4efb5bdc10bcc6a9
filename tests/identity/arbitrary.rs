//! Whatever comes in, nothing panics and nobody gets in who was not let in.

use std::sync::LazyLock;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::json;

use super::mint::*;

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    Gate::new(&usual_keys(), |draft| {
        draft.claims.organization = Some("/org".to_owned());
        draft.claims.roles = Some("/roles".to_owned());
        draft.claims.training_until = Some("/training".to_owned());
    })
});

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_after_bearer_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut value = b"Bearer ".to_vec();
        value.extend(bytes);
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            prop_assert!(GATE.authenticator.authenticate(&headers, Some(b"x"), NOW_S).is_err());
        }
    }

    /// Unsigned text of any kind in the three places.
    #[test]
    fn arbitrary_parts_never_panic(header in ".{0,60}", claims in any::<Vec<u8>>(), signature in any::<Vec<u8>>()) {
        let token = format!("{}.{}.{}", b64(header), b64(claims), b64(signature));
        prop_assert!(GATE.ask(&token).is_err());
    }

    /// Signed, so that everything after the signature is reached: values of any type in every claim that is read.
    #[test]
    fn arbitrary_claims_of_a_signed_token_never_panic(
        name in prop::sample::select(vec![
            "iss", "aud", "exp", "nbf", "sub", "jti", "cnf", "org", "roles", "training", "auth_time",
            "authorization_details", "extensions",
        ]),
        value in arbitrary_json(),
        now_s in any::<i64>(),
    ) {
        let (mut header, mut claims) = good();
        put(&mut header, &json!({"alg": "EdDSA", "kid": "d1"}));
        claims[name] = value;
        let token = ED.token(&header, &claims);
        // Either answer is fine; no answer at all is not.
        let _ = GATE.ask_at(&token, NOW_S);
        let _ = GATE.ask_at(&token, now_s);
    }

    /// One changed letter anywhere in a good token is refused.
    #[test]
    fn a_changed_letter_is_refused(place in any::<prop::sample::Index>(), letter in prop::sample::select(
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=".to_vec(),
    )) {
        let token = token_with(&json!({}));
        let mut changed = token.clone().into_bytes();
        let place = place.index(changed.len());
        changed[place] = letter;
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(changed != token);
        prop_assert!(GATE.ask(&changed).is_err());
    }
}

fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<u64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,12}".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let names =
            prop::sample::select(vec!["ihe_iua", "hl7-b2b", "purpose_of_use", "type", "purpose", "code", "system"]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|values| json!(values)),
            proptest::collection::btree_map(names, inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}
