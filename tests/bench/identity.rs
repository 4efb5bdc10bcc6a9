//! What does it cost to know the caller? Remembered and anew, RS256 and ES256, with realistic tokens (about 700 bytes).
//!
//! Targets on the project's machine: remembered at most 0.5 µs, RS256 anew at most 20 µs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "bench")]
#![allow(dead_code, reason = "shares the tests' mint and uses part of it")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "../identity/mint.rs"]
mod mint;

use criterion::{Criterion, criterion_group, criterion_main};
use mint::{EC, NOW_S, RSA, TempFile, bearer, draft, good, put, usual_keys};
use sekisho::identity::{Allowed, Authenticator, IssuerSettings, RefreshTiming};
use serde_json::json;

fn authenticator(cached_tokens_max: usize) -> Authenticator {
    let file = TempFile::new(usual_keys());
    let mut draft = draft(file.0.to_str().unwrap());
    draft.claims.roles = Some("/realm_access/roles".to_owned());
    draft.may_assert.roles = [("Dr".to_owned(), "physician".to_owned())].into();
    draft.may_assert.purposes = Allowed::Anything;
    let settings = IssuerSettings::new(draft).unwrap_or_else(|faults| panic!("{faults:?}"));
    Authenticator::new(vec![settings], RefreshTiming::default(), cached_tokens_max).unwrap_or_else(|f| panic!("{f:?}"))
}

fn token(algorithm: &str) -> String {
    let (mut header, mut claims) = good();
    let (signer, kid) = if algorithm == "ES256" { (&*EC, "e1") } else { (&*RSA, "r1") };
    put(&mut header, &json!({"alg": algorithm, "kid": kid}));
    put(
        &mut claims,
        &json!({
            "scope": "user/Observation.rs user/Patient.r", "client_id": "ward-viewer",
            "realm_access": {"roles": ["Dr", "offline_access"]},
            "extensions": {"ihe_iua": {"purpose_of_use": [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"},
            ]}},
        }),
    );
    signer.token(&header, &claims)
}

fn benches(criterion: &mut Criterion) {
    for algorithm in ["RS256", "ES256"] {
        let headers = bearer(&token(algorithm));
        for (name, cached_tokens_max) in [("remembered", 1024), ("anew", 0)] {
            let gate = authenticator(cached_tokens_max);
            assert!(gate.authenticate(&headers, None, NOW_S).is_ok());
            criterion.bench_function(&format!("identity/{name}/{algorithm}"), |bencher| {
                bencher.iter(|| gate.authenticate(&headers, None, NOW_S).is_ok());
            });
        }
    }
}

criterion_group!(identity, benches);
criterion_main!(identity);
