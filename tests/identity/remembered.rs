//! What is remembered must never outlive what made it true.

use std::sync::Arc;

use sekisho::identity::{AuthError, Authenticator, IssuerSettings, RefreshTiming};
use serde_json::json;

use super::mint::*;

#[test]
fn a_verified_token_is_remembered_and_gives_the_same_caller() {
    let gate = Gate::usual();
    let token = token_with(&json!({}));
    let (first, second) = (gate.caller(&token), gate.caller(&token));
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(gate.authenticator.cached_tokens(), 1);
}

/// A token must not be found by anything less than all of it.
#[test]
fn a_remembered_token_with_another_signature_is_another_token() {
    let gate = Gate::usual();
    let token = token_with(&json!({}));
    gate.caller(&token);
    let (message, _) = token.rsplit_once('.').unwrap();
    assert_eq!(gate.refusal(&format!("{message}.AAAA")), Some(AuthError::SignatureInvalid));
}

#[test]
fn a_remembered_token_expires_at_its_second_and_is_forgotten() {
    let gate = Gate::usual();
    let token = token_with(&json!({}));
    gate.caller(&token);
    assert!(gate.ask_at(&token, NOW_S + 629).is_ok());
    assert_eq!(gate.ask_at(&token, NOW_S + 630).err(), Some(AuthError::Expired));
    assert_eq!(gate.authenticator.cached_tokens(), 0);
    assert_eq!(gate.ask_at(&token, NOW_S + 630).err(), Some(AuthError::Expired));
}

/// A key taken out of the set stops at once, also for tokens verified a moment ago.
#[test]
fn a_removed_key_stops_remembered_tokens() {
    let gate = Gate::usual();
    let (by_rsa, (mut header, claims)) = (token_with(&json!({})), good());
    put(&mut header, &json!({"alg": "ES256", "kid": "e1"}));
    let by_ec = EC.token(&header, &claims);
    gate.caller(&by_rsa);
    gate.caller(&by_ec);
    gate.file.write(key_set(&[EC.jwk("e1")]));
    gate.caller(&by_rsa);
    assert!(gate.authenticator.reload_files().is_ok());
    assert_eq!(gate.refusal(&by_rsa), Some(AuthError::UnknownKey));
    gate.caller(&by_ec);
    assert_eq!(gate.authenticator.key_status()[0].generation, 2);
}

/// The same name for another key: nothing verified under the old one counts.
#[test]
fn a_replaced_key_stops_remembered_tokens() {
    let gate = Gate::usual();
    let token = token_with(&json!({}));
    gate.caller(&token);
    gate.file.write(key_set(&[STRANGER.jwk("r1")]));
    assert!(gate.authenticator.reload_files().is_ok());
    assert_eq!(gate.refusal(&token), Some(AuthError::SignatureInvalid));
}

#[test]
fn the_same_set_read_again_forgets_nothing() {
    let gate = Gate::usual();
    let token = token_with(&json!({}));
    let first = gate.caller(&token);
    assert!(gate.authenticator.reload_files().is_ok());
    assert!(Arc::ptr_eq(&first, &gate.caller(&token)));
}

/// A bad file changes nothing and says so; the keys in force stay.
#[test]
fn a_bad_reload_changes_nothing() {
    let gate = Gate::usual();
    let token = token_with(&json!({}));
    let too_many: Vec<_> = (0..65).map(|n| ED.jwk(&n.to_string())).collect();
    for bad in [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"keys":{}}"#.to_owned(),
        r#"{"keys":[1]}"#.to_owned(),
        r#"{"keys":[],"keys":[]}"#.to_owned(),
        key_set(&too_many),
        format!("{}{}", usual_keys(), " ".repeat(256 * 1024)),
    ] {
        gate.file.write(&bad);
        let faults = gate.authenticator.reload_files().err().unwrap_or_default();
        assert_eq!(faults.len(), 1, "{}", &bad[..bad.len().min(40)]);
        assert!(faults[0].to_string().contains(ISSUER));
        gate.caller(&token);
    }
    std::fs::remove_file(&gate.file.0).unwrap();
    assert!(gate.authenticator.reload_files().is_err());
    gate.caller(&token);
}

/// All keys taken back is a set too: nobody gets in, nobody is told to wait.
#[test]
fn an_empty_set_lets_nobody_in() {
    let gate = Gate::usual();
    let token = token_with(&json!({}));
    gate.caller(&token);
    gate.file.write(key_set(&[]));
    assert!(gate.authenticator.reload_files().is_ok());
    assert_eq!(gate.refusal(&token), Some(AuthError::UnknownKey));
}

#[test]
fn a_start_without_keys_is_refused() {
    let start = |path: &str| {
        let settings = IssuerSettings::new(draft(path)).ok().unwrap();
        Authenticator::new(vec![settings], RefreshTiming::default(), 16).err().unwrap_or_default()
    };
    assert_eq!(start("/nonexistent/keys.json").len(), 1);
    assert_eq!(start(TempFile::new("{").0.to_str().unwrap()).len(), 1);
    let file = TempFile::new(usual_keys());
    let twice = [(); 2].map(|()| IssuerSettings::new(draft(file.0.to_str().unwrap())).ok().unwrap());
    let faults = Authenticator::new(twice.to_vec(), RefreshTiming::default(), 16).err().unwrap_or_default();
    assert_eq!(faults.len(), 1, "one issuer set up twice would have two sets of keys");
}

/// Whoever may write the key set may let anyone in.
#[test]
fn a_key_file_that_others_may_write_is_refused() {
    let gate = Gate::usual();
    let token = token_with(&json!({}));
    for mode in [0o620, 0o602, 0o666] {
        gate.file.set_mode(mode);
        let faults = gate.authenticator.reload_files().err().unwrap_or_default();
        assert_eq!(faults.len(), 1, "{mode:o}");
        gate.caller(&token);
    }
    gate.file.set_mode(0o644);
    assert!(gate.authenticator.reload_files().is_ok());
}
