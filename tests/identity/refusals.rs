//! Every check, each by a token that only it refuses. Take one out of the gate, and one of these fails.

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeySize;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use sekisho::identity::{AuthError, IssuerDraft, IssuerSettings, RefreshTiming, RevocationList};
use serde_json::{Value, json};

use super::mint::*;

/// The twin of every refusal below.
#[test]
fn a_good_token_is_accepted_with_every_algorithm() {
    let gate = Gate::usual();
    for (signer, algorithm, kid) in
        [(&*RSA, "RS256", "r1"), (&*RSA, "PS256", "r1"), (&*EC, "ES256", "e1"), (&*ED, "EdDSA", "d1")]
    {
        let (mut header, claims) = good();
        put(&mut header, &json!({"alg": algorithm, "kid": kid}));
        let caller = gate.caller(&signer.token(&header, &claims));
        assert_eq!((&*caller.issuer, caller.id.as_str()), (ISSUER, "u-1"), "{algorithm}");
    }
}

#[test]
fn each_fault_alone_is_refused_for_its_own_reason() {
    use AuthError::*;
    let table: &[(Value, Value, AuthError)] = &[
        (json!({"alg": "none"}), json!({}), AlgorithmRefused),
        (json!({"alg": "NONE"}), json!({}), AlgorithmRefused),
        (json!({"alg": "RS384"}), json!({}), AlgorithmRefused),
        (json!({"alg": "RS512"}), json!({}), AlgorithmRefused),
        (json!({"alg": "rs256"}), json!({}), AlgorithmRefused),
        (json!({"alg": "HS256"}), json!({}), AlgorithmRefused),
        (json!({"alg": null}), json!({}), Malformed),
        (json!({"crit": ["x"]}), json!({}), ExtensionRefused),
        (json!({"b64": true}), json!({}), ExtensionRefused),
        (json!({"typ": "IUA-JWT"}), json!({}), TypeRefused),
        (json!({"typ": "dpop+jwt"}), json!({}), TypeRefused),
        (json!({"typ": ""}), json!({}), TypeRefused),
        (json!({"kid": "r2"}), json!({}), UnknownKey),
        (json!({"kid": ""}), json!({}), UnknownKey),
        (json!({"kid": "e1"}), json!({}), AlgorithmRefused),
        (json!({}), json!({"iss": null}), ClaimMissing("iss")),
        (json!({}), json!({"iss": "https://idp.example/"}), UnknownIssuer),
        (json!({}), json!({"iss": "HTTPS://idp.example"}), UnknownIssuer),
        (json!({}), json!({"iss": [ISSUER]}), UnknownIssuer),
        (json!({}), json!({"aud": null}), ClaimMissing("aud")),
        (json!({}), json!({"aud": "https://gate.example.evil"}), AudienceRefused),
        (json!({}), json!({"aud": []}), AudienceRefused),
        (json!({}), json!({"aud": {"a": AUDIENCE}}), AudienceRefused),
        (json!({}), json!({"exp": null}), ClaimMissing("exp")),
        (json!({}), json!({"exp": "1900000000"}), ClaimMalformed("exp")),
        (json!({}), json!({"exp": 1e300}), ClaimMalformed("exp")),
        (json!({}), json!({"exp": u64::MAX}), ClaimMalformed("exp")),
        (json!({}), json!({"exp": i64::MIN}), Expired),
        (json!({}), json!({"nbf": "soon"}), ClaimMalformed("nbf")),
        (json!({}), json!({"nbf": NOW_S + 31}), NotYetValid),
        (json!({}), json!({"nbf": i64::MAX}), NotYetValid),
        (json!({}), json!({"sub": null}), ClaimMissing("sub")),
        (json!({}), json!({"sub": ""}), ClaimMalformed("sub")),
        (json!({}), json!({"sub": 7}), ClaimMalformed("sub")),
        (json!({}), json!({"jti": 7}), ClaimMalformed("jti")),
    ];
    let gate = Gate::usual();
    for (in_header, in_claims, expected) in table {
        let (mut header, mut claims) = good();
        put(&mut header, in_header);
        put(&mut claims, in_claims);
        let refusal = gate.refusal(&RSA.token(&header, &claims));
        assert_eq!(refusal, Some(*expected), "{in_header} {in_claims}");
    }
    assert_eq!(gate.authenticator.cached_tokens(), 0, "a refused token was remembered");
}

#[test]
fn audience_may_be_one_of_several() {
    let gate = Gate::usual();
    gate.caller(&token_with(&json!({"aud": ["x", AUDIENCE]})));
    gate.caller(&token_with(&json!({"aud": "other"})));
}

#[test]
fn types_are_the_issuers_own_list() {
    let usual = Gate::usual();
    let narrow = Gate::new(&usual_keys(), |draft| {
        draft.types = vec!["at+jwt".to_owned()];
        draft.type_may_be_missing = false;
    });
    for (typ, by_narrow) in [
        (json!("at+jwt"), true),
        (json!("AT+JWT"), true),
        (json!("application/at+jwt"), false),
        (json!("JWT"), false),
        (Value::Null, false),
    ] {
        let (mut header, claims) = good();
        put(&mut header, &json!({ "typ": typ }));
        let token = RSA.token(&header, &claims);
        usual.caller(&token);
        assert_eq!(narrow.refusal(&token), (!by_narrow).then_some(AuthError::TypeRefused), "{typ}");
    }
}

/// The public key is public: whoever takes it for a shared secret lets everyone in.
#[test]
fn a_public_key_is_never_a_shared_secret() {
    let gate = Gate::usual();
    let jwk = RSA.jwk("r1");
    let secrets = [jwk["n"].as_str().unwrap().to_owned(), jwk.to_string(), usual_keys()];
    for secret in secrets {
        for algorithm in ["HS256", "HS384", "HS512"] {
            let (mut header, claims) = good();
            put(&mut header, &json!({ "alg": algorithm }));
            let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
            let kind = match algorithm {
                "HS256" => hmac::HMAC_SHA256,
                "HS384" => hmac::HMAC_SHA384,
                _ => hmac::HMAC_SHA512,
            };
            let tag = hmac::sign(&hmac::Key::new(kind, secret.as_bytes()), message.as_bytes());
            let token = format!("{message}.{}", b64(tag));
            assert_eq!(gate.refusal(&token), Some(AuthError::AlgorithmRefused));
        }
    }
}

/// A set that publishes a symmetric key, or a private one, verifies nothing with it.
#[test]
fn secrets_in_a_key_set_are_not_taken_up() {
    let mut leaked = RSA.jwk("r1");
    put(&mut leaked, &json!({"d": "AQAB"}));
    let gate = Gate::new(&key_set(&[json!({"kty": "oct", "kid": "o1", "k": b64([7; 32])}), leaked]), |_| {});
    let status = &gate.authenticator.key_status()[0];
    assert_eq!((status.usable, status.ignored), (0, 2));
    assert_eq!(gate.refusal(&token_with(&json!({}))), Some(AuthError::UnknownKey));
}

#[test]
fn a_key_is_used_only_as_it_was_published() {
    for (change, accepted) in [
        (json!({}), true),
        (json!({"use": "sig", "alg": "RS256", "key_ops": ["verify"]}), true),
        (json!({"use": "enc"}), false),
        (json!({"use": 1}), false),
        (json!({"alg": "PS256"}), false),
        (json!({"alg": "RSA-OAEP"}), false),
        (json!({"key_ops": ["encrypt"]}), false),
        (json!({"key_ops": "verify"}), false),
        (json!({"kty": "EC"}), false),
        (json!({"e": "AQ"}), false),
        (json!({"e": "Ag"}), false),
        (json!({"n": b64([0xff; 255])}), false),
        (json!({"kid": 1}), false),
    ] {
        let mut jwk = RSA.jwk("r1");
        put(&mut jwk, &change);
        let gate = Gate::new(&key_set(&[jwk]), |_| {});
        assert_eq!(gate.ask(&token_with(&json!({}))).is_ok(), accepted, "{change}");
    }
}

#[test]
fn weak_rsa_keys_are_not_taken_up() {
    // aws-lc makes no shorter key than 2048 bits; one that claims to be longer than 8192 is refused by its length.
    let big = Signer::rsa_of(KeySize::Rsa3072);
    let short = json!({"kty": "RSA", "kid": "s", "e": "AQAB", "n": b64([0x81; 128])});
    let long = json!({"kty": "RSA", "kid": "l", "e": "AQAB", "n": b64([0x81; 1025])});
    let padded = json!({"kty": "RSA", "kid": "p", "e": "AQAB", "n": b64([vec![0], vec![0x81; 256]].concat())});
    let mut keys = vec![big.jwk("b"), short, long, padded];
    for exponent in ["", "AQ", "Ag", "AAEAAQ", "AQAAAAE"] {
        keys.push(json!({"kty": "RSA", "kid": "e", "e": exponent, "n": b64([0x81; 256])}));
    }
    let gate = Gate::new(&key_set(&keys), |_| {});
    let status = &gate.authenticator.key_status()[0];
    assert_eq!((status.usable, status.ignored), (1, 8));
}

/// A coordinate that is cut, or of another curve, is no key: counted, so that the operator sees it.
#[test]
fn keys_of_other_curves_and_sizes_are_not_taken_up() {
    let changed = |signer: &Signer, change: Value| {
        let mut jwk = signer.jwk("k");
        put(&mut jwk, &change);
        jwk
    };
    let keys = [
        changed(&EC, json!({"crv": "P-384"})),
        changed(&EC, json!({"crv": null})),
        changed(&EC, json!({"x": b64([1; 31])})),
        changed(&EC, json!({"y": b64([1; 33])})),
        changed(&EC, json!({"x": "="})),
        changed(&ED, json!({"crv": "X25519"})),
        changed(&ED, json!({"x": b64([1; 31])})),
        json!({"kty": "AKP", "kid": "k"}),
        json!({}),
    ];
    let gate = Gate::new(&key_set(&keys), |_| {});
    let status = &gate.authenticator.key_status()[0];
    assert_eq!((status.usable, status.ignored), (0, keys.len()));
}

#[test]
fn an_issuers_list_pins_the_algorithms() {
    for (allowed, kid, algorithm) in [("RS256", "r1", "PS256"), ("PS256", "r1", "RS256"), ("ES256", "d1", "EdDSA")] {
        let gate = Gate::new(&usual_keys(), |draft| draft.algorithms = vec![allowed.to_owned()]);
        assert!(gate.authenticator.key_status()[0].usable < 3, "a key was taken up for an algorithm not on the list");
        let (mut header, claims) = good();
        put(&mut header, &json!({"alg": algorithm, "kid": kid}));
        let signer = if kid == "r1" { &*RSA } else { &*ED };
        assert_eq!(gate.refusal(&signer.token(&header, &claims)), Some(AuthError::AlgorithmRefused));
    }
}

/// A signature made by another key, a cut one, none, or over another text.
#[test]
fn a_signature_that_is_not_the_issuers_is_refused() {
    let gate = Gate::usual();
    let (header, claims) = good();
    let token = RSA.token(&header, &claims);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut other = claims.clone();
    put(&mut other, &json!({"sub": "u-2"}));
    let other = format!("{}.{}", b64(header.to_string()), b64(other.to_string()));
    for forged in [
        STRANGER.token(&header, &claims),
        format!("{message}."),
        format!("{message}.{}", &signature[..signature.len() - 4]),
        format!("{message}.{signature}="),
        format!("{other}.{signature}"),
    ] {
        assert_eq!(gate.refusal(&forged), Some(AuthError::SignatureInvalid), "{forged}");
    }
}

/// `kid` is a name within the issuer's own set: no path, no address, no other issuer's key.
#[test]
fn a_key_id_chooses_nothing_outside_the_issuers_set() {
    let gate = Gate::usual();
    let own = key_set(&[STRANGER.jwk("x")]);
    let planted = TempFile::new(&own);
    for kid in [planted.0.to_str().unwrap(), "../../x", "http://127.0.0.1/x", "file:///x", "x' OR 1=1", "r1\u{0}"] {
        let (mut header, claims) = good();
        put(&mut header, &json!({ "kid": kid, "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/" }));
        put(&mut header, &json!({"jwk": STRANGER.jwk(kid), "x5c": ["AAAA"]}));
        assert_eq!(gate.refusal(&STRANGER.token(&header, &claims)), Some(AuthError::UnknownKey), "{kid}");
    }
    let (mut header, claims) = good();
    put(&mut header, &json!({"jwk": STRANGER.jwk("r1")}));
    assert_eq!(gate.refusal(&STRANGER.token(&header, &claims)), Some(AuthError::SignatureInvalid));
}

#[test]
fn a_token_without_key_id_is_tried_against_the_issuers_own_keys() {
    let gate = Gate::new(&key_set(&[STRANGER.jwk("a"), RSA.jwk("b")]), |_| {});
    let (mut header, claims) = good();
    put(&mut header, &json!({"kid": null}));
    gate.caller(&RSA.token(&header, &claims));
    assert_eq!(gate.refusal(&EC.token(&header, &claims)), Some(AuthError::SignatureInvalid));
    let many: Vec<Value> = (0..5).map(|n| RSA.jwk(&n.to_string())).collect();
    let gate = Gate::new(&key_set(&many), |_| {});
    assert_eq!(gate.refusal(&RSA.token(&header, &claims)), Some(AuthError::AmbiguousKey));
}

/// Each issuer signs for itself: a key of one, under whatever `kid`, never verifies a token that names the other.
#[test]
fn one_issuers_key_never_signs_for_another() {
    let (ours, theirs) = (TempFile::new(key_set(&[RSA.jwk("k")])), TempFile::new(key_set(&[STRANGER.jwk("k")])));
    let second = IssuerDraft { id: "https://other.example".to_owned(), ..draft(theirs.0.to_str().unwrap()) };
    let both = authenticator(vec![draft(ours.0.to_str().unwrap()), second], RefreshTiming::default());
    let (mut header, claims) = good();
    put(&mut header, &json!({"kid": "k"}));
    let mut others = claims.clone();
    put(&mut others, &json!({"iss": "https://other.example"}));
    let ask = |token: String| both.authenticate(&bearer(&token), None, NOW_S);
    assert_eq!(ask(STRANGER.token(&header, &claims)).err(), Some(AuthError::SignatureInvalid));
    assert_eq!(ask(RSA.token(&header, &others)).err(), Some(AuthError::SignatureInvalid));
    let (one, two) = (ask(RSA.token(&header, &claims)).ok(), ask(STRANGER.token(&header, &others)).ok());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.id, two.id);
    assert!(!one.is_same_as(&two) && one.is_same_as(&one), "the same `sub` at two issuers is two callers");
}

#[test]
fn times_hold_to_the_second_with_the_leeway_of_the_settings() {
    for leeway_s in [0, 30, 120] {
        let gate = Gate::new(&usual_keys(), |draft| draft.leeway_s = leeway_s);
        let leeway_s = i64::from(leeway_s);
        let (from, until) = (NOW_S - 600 - leeway_s, NOW_S + 600 + leeway_s);
        // Twice: verified anew, and remembered.
        for fresh in [true, false] {
            let token = |tag: &str| token_with(&json!({"jti": if fresh { tag } else { "same" }}));
            assert!(gate.ask_at(&token("a"), from).is_ok(), "{leeway_s}");
            assert_eq!(gate.ask_at(&token("b"), from - 1).err(), Some(AuthError::NotYetValid), "{leeway_s}");
            assert!(gate.ask_at(&token("c"), until - 1).is_ok(), "{leeway_s}");
            assert_eq!(gate.ask_at(&token("d"), until).err(), Some(AuthError::Expired), "{leeway_s}");
        }
    }
}

#[test]
fn fractions_of_a_second_never_lengthen_a_token() {
    let gate = Gate::new(&usual_keys(), |draft| draft.leeway_s = 0);
    let token = token_with(&json!({"exp": NOW_S as f64 + 0.9}));
    assert!(gate.ask_at(&token, NOW_S - 1).is_ok());
    let gate = Gate::new(&usual_keys(), |draft| draft.leeway_s = 0);
    assert_eq!(gate.refusal(&token), Some(AuthError::Expired));
    let token = token_with(&json!({"nbf": NOW_S as f64 + 0.1}));
    assert_eq!(gate.refusal(&token), Some(AuthError::NotYetValid));
    assert!(gate.ask_at(&token, NOW_S + 1).is_ok());
}

/// A signed token with one member twice: another reader would take the other value.
#[test]
fn members_named_twice_are_refused_even_when_signed() {
    let gate = Gate::usual();
    let (header, claims) = good();
    let (header, claims) = (header.to_string(), claims.to_string());
    for (twice_header, twice_claims) in [
        (header.replacen('{', r#"{"kid":"e1","#, 1), claims.clone()),
        (header.clone(), claims.replacen('{', r#"{"sub":"u-2","#, 1)),
        (header.clone(), claims.replacen('{', r#"{"\u0073ub":"u-2","#, 1)),
        (header.clone(), claims.replacen('{', r#"{"x":[{"a":1,"a":2}],"#, 1)),
    ] {
        let token = RSA.token_of_text("RS256", &twice_header, &twice_claims);
        assert_eq!(gate.refusal(&token), Some(AuthError::Malformed), "{twice_header} {twice_claims}");
    }
}

#[test]
fn the_header_field_must_be_one_bearer_token() {
    let gate = Gate::usual();
    let token = token_with(&json!({}));
    let ask = |values: &[String]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        gate.authenticator.authenticate(&headers, None, NOW_S).err()
    };
    assert_eq!(ask(&[format!("bearer {token}")]), None);
    assert_eq!(ask(&[]), Some(AuthError::NoCredentials));
    assert_eq!(ask(&[format!("Basic {token}")]), Some(AuthError::UnsupportedScheme));
    assert_eq!(ask(&[format!("Bearer {token}"), format!("Bearer {token}")]), Some(AuthError::SeveralCredentials));
    assert_eq!(ask(&[format!("Bearer {token}, Bearer {token}")]), Some(AuthError::Malformed));
    assert_eq!(ask(&[format!("Bearer {token} {token}")]), Some(AuthError::Malformed));
    let long = token_with(&json!({"x": "y".repeat(16 * 1024)}));
    assert_eq!(ask(&[format!("Bearer {long}")]), Some(AuthError::TokenTooLong));
}

fn thumbprint(certificate: &[u8]) -> String {
    b64(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate))
}

/// RFC 8705: a stolen token is useless without the certificate, also once it is remembered.
#[test]
fn a_bound_token_needs_its_certificate_on_every_request() {
    let gate = Gate::usual();
    let made = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap().cert.der().to_vec();
    let (right, wrong) = (made("right"), made("wrong"));
    let token = token_with(&json!({"cnf": {"x5t#S256": thumbprint(&right)}}));
    let ask = |peer: Option<&[u8]>| gate.authenticator.authenticate(&bearer(&token), peer, NOW_S);
    for _ in 0..2 {
        assert_eq!(ask(None).err(), Some(AuthError::CertificateMissing));
        assert_eq!(ask(Some(&wrong)).err(), Some(AuthError::CertificateMismatch));
        assert!(ask(Some(&right)).is_ok_and(|caller| caller.is_certificate_bound()));
    }
    let free = gate.authenticator.authenticate(&bearer(&token_with(&json!({}))), Some(&wrong), NOW_S);
    assert!(free.is_ok_and(|caller| !caller.is_certificate_bound()));
}

#[test]
fn a_confirmation_that_cannot_be_checked_is_refused() {
    let gate = Gate::usual();
    let certificate = b"certificate";
    let hash = thumbprint(certificate);
    for confirmation in [
        json!({"jkt": "abc"}),
        json!({"x5t#S256": hash, "jkt": "abc"}),
        json!({"x5t#S256": hash, "zzz": "abc"}),
        json!({}),
        json!("abc"),
        json!([]),
        json!({"x5t#S256": 7}),
        json!({"x5t#S256": "AAAA"}),
        json!({"x5t": hash}),
    ] {
        let token = token_with(&json!({ "cnf": confirmation }));
        let refusal = gate.authenticator.authenticate(&bearer(&token), Some(certificate), NOW_S).err();
        assert_eq!(refusal, Some(AuthError::ConfirmationUnsupported), "{confirmation}");
    }
    // `null` would be taken out by the table above.
    let (header, claims) = good();
    let claims = claims.to_string().replacen('{', r#"{"cnf":null,"#, 1);
    let token = RSA.token_of_text("RS256", &header.to_string(), &claims);
    assert_eq!(gate.refusal(&token), Some(AuthError::ConfirmationUnsupported));
}

#[test]
fn what_is_revoked_stops_at_once() {
    let gate = Gate::usual();
    let (one, other) = (token_with(&json!({})), token_with(&json!({"jti": "t-2", "sub": "u-2"})));
    gate.caller(&one);
    let revoke = |token: Option<&str>, subject: Option<&str>, issuer: &str| {
        let mut list = RevocationList::default();
        token.into_iter().for_each(|id| list.revoke_token(issuer, id));
        subject.into_iter().for_each(|id| list.revoke_subject(issuer, id));
        gate.authenticator.revoke(list);
    };
    for (token, subject) in [(Some("t-1"), None), (None, Some("u-1"))] {
        revoke(token, subject, ISSUER);
        assert_eq!(gate.refusal(&one), Some(AuthError::Revoked));
        gate.caller(&other);
        revoke(token, subject, "https://other.example");
        gate.caller(&one);
    }
}

/// HS256 exists for the demo alone, under its own constructor; no settings file can ask for it.
#[test]
fn settings_cannot_ask_for_a_symmetric_algorithm() {
    for name in ["HS256", "none", "RS384", "rs256", ""] {
        let draft = IssuerDraft { algorithms: vec![name.to_owned()], ..draft("keys.json") };
        let faults = IssuerSettings::new(draft).err().unwrap_or_default();
        assert_eq!(faults.iter().map(|fault| fault.key).collect::<Vec<_>>(), ["algorithms"], "{name}");
    }
}

#[cfg(feature = "demo")]
#[test]
fn the_demos_secret_verifies_hs256_and_nothing_else() {
    let secret = [9u8; 32];
    assert!(IssuerSettings::with_demo_secret(draft(""), &secret[..31]).is_err());
    let settings = IssuerSettings::with_demo_secret(draft(""), &secret).ok().unwrap();
    let gate = sekisho::identity::Authenticator::new(vec![settings], RefreshTiming::default(), 16).ok().unwrap();
    let (mut header, claims) = good();
    put(&mut header, &json!({"alg": "HS256"}));
    put(&mut header, &json!({"kid": null}));
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let sign = |secret: &[u8]| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        bearer(&format!("{message}.{}", b64(tag)))
    };
    assert!(gate.authenticate(&sign(&secret), None, NOW_S).is_ok());
    assert_eq!(gate.authenticate(&sign(&[8; 32]), None, NOW_S).err(), Some(AuthError::SignatureInvalid));
    let rsa = gate.authenticate(&bearer(&token_with(&json!({}))), None, NOW_S).err();
    assert_eq!(rsa, Some(AuthError::AlgorithmRefused));
}

/// Only the demo may build an issuer whose verifier could forge.
#[test]
fn nothing_but_the_demo_uses_the_demos_secret() {
    fn walk(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains("with_demo_secret")) {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.retain(|path| !path.contains("/src/demo/") && !path.contains("/src/identity/"));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_refusal_is_a_401_or_a_503() {
    for (error, status) in [
        (AuthError::Revoked, StatusCode::UNAUTHORIZED),
        (AuthError::NoCredentials, StatusCode::UNAUTHORIZED),
        (AuthError::KeysPending, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        assert_eq!(error.status(), status);
        assert_eq!(error.www_authenticate().is_some(), status == StatusCode::UNAUTHORIZED);
    }
}
