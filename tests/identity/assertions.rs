//! What a verified token says, and what of it is believed.

use std::collections::{BTreeMap, BTreeSet};

use sekisho::identity::{Algorithm, Allowed, AuthError, Caller, ClaimPointers, IssuerDraft, IssuerSettings, MayAssert};
use serde_json::{Value, json};

use super::mint::*;

fn listed(names: &[&str]) -> Allowed {
    Allowed::Listed(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>())
}

/// Reads every claim; believes the issuer in `may`.
fn gate(may: MayAssert) -> Gate {
    Gate::new(&usual_keys(), |draft| {
        draft.claims = ClaimPointers {
            caller: "/sub".to_owned(),
            organization: Some("/org".to_owned()),
            roles: Some("/realm/roles".to_owned()),
            purpose: Some("/purpose".to_owned()),
            identity: Some("/identity".to_owned()),
            training_until: Some("/training".to_owned()),
        };
        draft.may_assert = may;
    })
}

fn usual() -> MayAssert {
    MayAssert {
        roles: BTreeMap::from([
            ("Dr".to_owned(), "physician".to_owned()),
            ("http://hl7|RN".to_owned(), "nurse".to_owned()),
        ]),
        organizations: listed(&["keio-tc"]),
        principal: false,
        purposes: Allowed::Anything,
    }
}

fn read(may: MayAssert, claims: Value) -> std::sync::Arc<Caller> {
    gate(may).caller(&token_with(&claims))
}

#[test]
fn roles_are_those_of_the_map_and_no_others() {
    for (claimed, roles, dropped) in [
        (json!(["Dr", "admin"]), vec!["physician"], 1),
        (json!(["physician"]), vec![], 1),
        (json!("Dr"), vec!["physician"], 0),
        (json!(["Dr", "Dr", {"system": "http://hl7", "code": "RN"}]), vec!["nurse", "physician"], 0),
        (json!([{"system": "http://other", "code": "RN"}, {"code": "RN"}, 7, {"a": "Dr"}]), vec![], 4),
        (json!([]), vec![], 0),
    ] {
        let caller = read(usual(), json!({"realm": {"roles": claimed}}));
        assert_eq!(caller.roles, roles, "{claimed}");
        assert_eq!(caller.dropped_claims, dropped, "{claimed}");
    }
}

/// With roles and without organisation a caller is our own staff. Someone of another organisation, which this issuer
/// may not vouch for, must not become that by our dropping the organisation.
#[test]
fn a_dropped_organisation_takes_the_roles_with_it() {
    for claimed in [json!("elsewhere"), json!("principal"), json!("internal"), json!(7), json!(["keio-tc"]), json!("")]
    {
        let caller = read(usual(), json!({"org": claimed, "realm": {"roles": ["Dr"]}}));
        assert_eq!((caller.organization.as_deref(), caller.roles.len()), (None, 0), "{claimed}");
        assert!(caller.dropped_claims >= 1);
    }
    let caller = read(usual(), json!({"org": "keio-tc", "realm": {"roles": ["Dr"]}}));
    assert_eq!((caller.organization.as_deref(), caller.roles.len()), (Some("keio-tc"), 1));
    let caller = read(usual(), json!({"realm": {"roles": ["Dr"]}}));
    assert_eq!((caller.organization.as_deref(), caller.roles.len()), (None, 1));
}

/// `principal` and `internal` are kinds of caller; "any organisation" does not include them.
#[test]
fn reserved_organisations_need_their_own_permission() {
    let any = MayAssert { organizations: Allowed::Anything, ..usual() };
    assert_eq!(read(any.clone(), json!({"org": "x"})).organization.as_deref(), Some("x"));
    assert!(read(any.clone(), json!({"org": "principal"})).organization.is_none());
    assert!(read(any.clone(), json!({"org": "internal"})).organization.is_none());
    let principal = MayAssert { principal: true, ..usual() };
    assert!(read(principal.clone(), json!({"org": "principal"})).is_principal());
    assert!(read(principal, json!({"org": "internal"})).organization.is_none());
}

#[test]
fn identity_is_verified_only_when_the_token_says_so() {
    for (claimed, verified) in [
        (json!(true), true),
        (json!("verified"), true),
        (json!("true"), false),
        (json!(1), false),
        (json!(false), false),
    ] {
        assert_eq!(read(usual(), json!({"identity": claimed})).identity_verified, verified, "{claimed}");
    }
    assert!(!read(usual(), json!({})).identity_verified);
    assert!(!Gate::usual().caller(&token_with(&json!({"identity": true}))).identity_verified, "not mapped");
}

/// A training date that is dropped would pass as "none given".
#[test]
fn an_unreadable_training_date_refuses_the_token() {
    for day in ["2027-03-31", "2027-03-31T00:00:00+09:00", "2027-03-31T00:00:00Z"] {
        assert_eq!(read(usual(), json!({"training": day})).training_until.as_deref(), Some(day));
    }
    assert!(read(usual(), json!({})).training_until.is_none());
    for bad in
        [json!("2027-02-30"), json!("soon"), json!("2027-03-31T00:00:00"), json!("20270331"), json!(1), json!("")]
    {
        let refusal = gate(usual()).refusal(&token_with(&json!({"training": bad})));
        assert_eq!(refusal, Some(AuthError::ClaimMalformed("training_until")), "{bad}");
    }
}

#[test]
fn purposes_are_read_from_every_place_that_carries_them() {
    const HL7: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
    let claims = json!({
        "extensions": {
            "ihe_iua": {"purpose_of_use": [{"system": HL7, "code": "TREAT"}, {"code": "HRESCH"}]},
            "hl7-b2b": {"purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#TREAT"]},
        },
        "authorization_details": [
            {"type": "jp-purpose-access", "purpose": "coordination"},
            {"type": "payment", "amount": 1},
        ],
        "purpose": ["research", "coordination"],
    });
    let caller = read(usual(), claims);
    let expected =
        ["HRESCH", "coordination", &format!("{HL7}|TREAT"), "research", "urn:oid:2.16.840.1.113883.5.8#TREAT"];
    assert_eq!(caller.purposes.as_deref().unwrap(), expected);
    assert_eq!(caller.dropped_claims, 1, "the payment");
}

/// Silence narrows nothing; a purpose that cannot be taken up permits nothing.
#[test]
fn a_token_that_speaks_of_purposes_in_vain_grants_none() {
    assert!(read(usual(), json!({})).purposes.is_none());
    assert!(read(usual(), json!({"authorization_details": [{"type": "payment"}]})).purposes.is_none());
    for claims in [
        json!({"purpose": 7}),
        json!({"purpose": []}),
        json!({"purpose": ""}),
        json!({"purpose": {"system": 1, "code": "TREAT"}}),
        json!({"extensions": {"ihe_iua": {"purpose_of_use": "TREAT"}}}),
        json!({"extensions": {"ihe_iua": {"purpose_of_use": [{"system": "x"}]}}}),
        json!({"extensions": {"hl7-b2b": {"purpose_of_use": [{"code": "TREAT"}]}}}),
        json!({"authorization_details": [{"purpose": "research"}]}),
        json!({"authorization_details": "research"}),
        json!({"authorization_details": [{"type": "jp-purpose-access"}]}),
        json!({"authorization_details": [{"type": "jp-purpose-access", "purpose": [7]}]}),
        json!({"authorization_details": [{"type": "jp-purpose-access", "purpose": "research", "datatypes": ["health"]}]}),
    ] {
        let caller = read(usual(), claims.clone());
        assert_eq!(caller.purposes.as_deref(), Some([].as_slice()), "{claims}");
    }
}

#[test]
fn purposes_that_the_issuer_may_not_assert_are_dropped() {
    let may = MayAssert { purposes: listed(&["research"]), ..usual() };
    let caller = read(may, json!({"purpose": ["research", "billing"]}));
    assert_eq!((caller.purposes.as_deref().unwrap(), caller.dropped_claims), (["research".to_owned()].as_slice(), 1));
    let may = MayAssert { purposes: Allowed::Nothing, ..usual() };
    let caller = read(may, json!({"purpose": "research"}));
    assert_eq!((caller.purposes.as_deref().unwrap().len(), caller.dropped_claims), (0, 1));
}

#[test]
fn the_callers_id_is_where_the_settings_point() {
    let gate = Gate::new(&usual_keys(), |draft| draft.claims.caller = "/ext/staff~1no".to_owned());
    assert_eq!(gate.caller(&token_with(&json!({"ext": {"staff/no": "s-9"}}))).id, "s-9");
    assert_eq!(gate.refusal(&token_with(&json!({}))), Some(AuthError::ClaimMissing("caller")));
    for bad in [json!(""), json!(9), json!("a\nb"), json!("a".repeat(513))] {
        let refusal = gate.refusal(&token_with(&json!({"ext": {"staff/no": bad}})));
        assert_eq!(refusal, Some(AuthError::ClaimMalformed("caller")), "{bad}");
    }
}

#[test]
fn times_and_ids_for_the_record() {
    let caller = read(usual(), json!({"auth_time": NOW_S - 5}));
    assert_eq!((caller.auth_time_s, caller.expires_s), (Some(NOW_S - 5), NOW_S + 600));
    let other = read(usual(), json!({"jti": "t-2"}));
    assert!(caller.token_id.is_some() && caller.token_id != other.token_id);
    assert!(read(usual(), json!({"jti": null})).token_id.is_none());
}

/// Every fault is told at once, under the key that the file has.
#[test]
fn faulty_settings_are_refused_with_every_fault() {
    let faults = |draft: IssuerDraft| -> Vec<&'static str> {
        IssuerSettings::new(draft).err().unwrap_or_default().iter().map(|fault| fault.key).collect()
    };
    assert!(faults(draft("keys.json")).is_empty());
    let keys = ["id", "jwks", "audience", "algorithms"];
    assert_eq!(faults(IssuerDraft::default()), keys);
    for (jwks, accepted) in [
        ("https://idp.example/jwks", true),
        ("http://127.0.0.1:8080/jwks", true),
        ("http://127.9.9.9/jwks", true),
        ("http://[::1]:8080/jwks", true),
        ("/etc/sekisho/jwks.json", true),
        ("http://idp.example/jwks", false),
        ("http://localhost/jwks", false),
        ("http://127.0.0.1.evil.example/jwks", false),
        ("http://[::ffff:10.0.0.1]/jwks", false),
        ("http://10.0.0.1/jwks", false),
        ("https://user:word@idp.example/jwks", false),
        ("https://idp.example/jwks#a", false),
        ("ftp://idp.example/jwks", false),
        ("https://", false),
        ("https:///jwks", false),
    ] {
        let expected: &[&str] = if accepted { &[] } else { &["jwks"] };
        assert_eq!(faults(draft(jwks)), expected, "{jwks}");
    }
    let root = Some(std::path::PathBuf::from("root.pem"));
    assert_eq!(faults(IssuerDraft { jwks_root: root.clone(), ..draft("keys.json") }), ["jwks"]);
    assert_eq!(faults(IssuerDraft { jwks_root: root.clone(), ..draft("http://127.0.0.1/") }), ["jwks"]);
    assert!(faults(IssuerDraft { jwks_root: root, ..draft("https://idp.example/") }).is_empty());
    assert_eq!(faults(IssuerDraft { leeway_s: 121, ..draft("k") }), ["leeway-s"]);
    assert_eq!(faults(IssuerDraft { audience: vec![String::new()], ..draft("k") }), ["audience"]);
    let typeless = IssuerDraft { types: Vec::new(), type_may_be_missing: false, ..draft("k") };
    assert_eq!(faults(typeless), ["types"]);
    let pointers =
        ClaimPointers { caller: "sub".to_owned(), roles: Some("/a~2".to_owned()), ..ClaimPointers::default() };
    assert_eq!(faults(IssuerDraft { claims: pointers, ..draft("k") }), ["claims.caller", "claims.roles"]);
    let without_pointers = IssuerDraft { may_assert: MayAssert { principal: true, ..usual() }, ..draft("k") };
    assert_eq!(
        faults(without_pointers),
        ["may-assert.roles", "may-assert.organizations", "may-assert.principal"],
        "a permission that nothing can use is a misunderstanding"
    );
    let claims = ClaimPointers { organization: Some("/org".to_owned()), ..ClaimPointers::default() };
    for names in [&["principal"][..], &["internal"], &[], &[""]] {
        let may_assert = MayAssert { organizations: listed(names), ..MayAssert::default() };
        let draft = IssuerDraft { claims: claims.clone(), may_assert, ..draft("k") };
        assert_eq!(faults(draft), ["may-assert.organizations"], "{names:?}");
    }
}

#[test]
fn algorithm_names_are_those_on_the_wire() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
    }
}
