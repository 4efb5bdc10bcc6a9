//! Keys over the network: rotation, outage, and hosts that misbehave. No request ever waits for any of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sekisho::identity::{AuthError, Authenticator, IssuerDraft, RefreshTasks, RefreshTiming};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use super::mint::*;
use super::server::{Behaviour, KeyServer, until};

/// Refreshes only when asked, as often as asked; retries at once.
const EAGER: RefreshTiming = RefreshTiming {
    interval: Duration::from_secs(3600),
    on_demand_gap: Duration::ZERO,
    retry_first: Duration::from_millis(1),
    retry_longest: Duration::from_millis(1),
    deadline: Duration::from_secs(5),
    unknown_key_s: 60,
};

struct Remote {
    authenticator: Arc<Authenticator>,
    _tasks: RefreshTasks,
}

impl Remote {
    fn new(url: &str, timing: RefreshTiming) -> Remote {
        Remote::of(draft(url), timing)
    }

    fn of(draft: IssuerDraft, timing: RefreshTiming) -> Remote {
        let authenticator = authenticator(vec![draft], timing);
        let tasks = authenticator.start_refresh();
        Remote { authenticator, _tasks: tasks }
    }

    fn ask(&self, token: &str) -> Option<AuthError> {
        self.ask_at(token, NOW_S)
    }

    fn ask_at(&self, token: &str, now_s: i64) -> Option<AuthError> {
        self.authenticator.authenticate(&bearer(token), None, now_s).err()
    }

    fn generation(&self) -> u64 {
        self.authenticator.key_status()[0].generation
    }

    fn loaded(&self) -> bool {
        self.authenticator.key_status()[0].loaded
    }
}

fn by_rsa() -> String {
    token_with(&json!({}))
}

fn by_ec(kid: &str) -> String {
    let (mut header, claims) = good();
    put(&mut header, &json!({"alg": "ES256", "kid": kid}));
    EC.token(&header, &claims)
}

fn keys(keys: &[Value]) -> Behaviour {
    Behaviour::keys(key_set(keys))
}

#[tokio::test]
async fn until_the_first_set_arrives_nobody_is_blamed_and_nobody_gets_in() {
    let server = KeyServer::start(Behaviour::Hold(usual_keys())).await;
    let remote = Remote::new(&server.url(), EAGER);
    assert_eq!(remote.ask(&by_rsa()), Some(AuthError::KeysPending));
    until("the first fetch", || server.requests() == 1).await;
    assert_eq!(remote.ask(&by_rsa()), Some(AuthError::KeysPending));
    server.release();
    until("the first set", || remote.loaded()).await;
    assert_eq!(remote.ask(&by_rsa()), None);
}

#[tokio::test]
async fn a_rotated_in_key_is_fetched_on_demand_and_counts_at_once() {
    let server = KeyServer::start(keys(&[RSA.jwk("r1")])).await;
    let remote = Remote::new(&server.url(), EAGER);
    until("the first set", || remote.loaded()).await;
    server.set(keys(&[RSA.jwk("r1"), EC.jwk("e2")]));
    assert_eq!(remote.ask(&by_ec("e2")), Some(AuthError::KeysPending));
    until("the new key", || remote.generation() == 2).await;
    assert_eq!(remote.ask(&by_ec("e2")), None);
    assert_eq!(remote.ask(&by_rsa()), None);
}

#[tokio::test]
async fn a_key_that_a_refresh_did_not_bring_is_refused_without_another_fetch() {
    let server = KeyServer::start(keys(&[RSA.jwk("r1")])).await;
    let remote = Remote::new(&server.url(), EAGER);
    until("the first set", || remote.loaded()).await;
    assert_eq!(remote.ask(&by_ec("nobody's")), Some(AuthError::KeysPending));
    until("a refusal", || remote.ask(&by_ec("nobody's")) == Some(AuthError::UnknownKey)).await;
    // Settle whatever those questions woke, with a key of its own.
    assert_eq!(remote.ask(&by_ec("marker")), Some(AuthError::KeysPending));
    until("a second refusal", || remote.ask(&by_ec("marker")) == Some(AuthError::UnknownKey)).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    // A fetch that was woken before may come late, and once: of two rounds of questions one sees none at all.
    let mut quiet = false;
    for _ in 0..2 {
        let before = server.requests();
        for _ in 0..1000 {
            assert_eq!(remote.ask(&by_ec("nobody's")), Some(AuthError::UnknownKey));
            tokio::task::yield_now().await;
        }
        quiet |= server.requests() == before;
    }
    assert!(quiet, "a refused key caused fetches");
    // Remembered for a time only: the issuer may publish it yet.
    assert_eq!(remote.ask_at(&by_ec("nobody's"), NOW_S + 60), Some(AuthError::KeysPending));
}

/// The answer to a refresh under way may have been written before the key was published: it settles nothing.
#[tokio::test]
async fn a_refresh_already_under_way_does_not_refuse_a_new_key() {
    let server = KeyServer::start(keys(&[RSA.jwk("r1")])).await;
    let remote = Remote::new(&server.url(), EAGER);
    until("the first set", || remote.loaded()).await;
    server.set(Behaviour::Hold(key_set(&[RSA.jwk("r1")])));
    assert_eq!(remote.ask(&by_ec("wakes")), Some(AuthError::KeysPending));
    until("the refresh under way", || server.requests() == 2).await;
    assert_eq!(remote.ask(&by_ec("e2")), Some(AuthError::KeysPending), "first seen while it runs");
    server.set(keys(&[RSA.jwk("r1"), EC.jwk("e2")]));
    server.release();
    until("the key", || match remote.ask(&by_ec("e2")) {
        None => true,
        Some(error) => {
            assert_eq!(error, AuthError::KeysPending, "refused before its refresh");
            false
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_taken_out_of_the_set_stops_tokens_verified_before() {
    let server = KeyServer::start(keys(&[RSA.jwk("r1"), EC.jwk("e1")])).await;
    let remote = Remote::new(&server.url(), EAGER);
    until("the first set", || remote.loaded()).await;
    assert_eq!(remote.ask(&by_rsa()), None);
    server.set(keys(&[EC.jwk("e1")]));
    assert_eq!(remote.ask(&by_ec("wakes")), Some(AuthError::KeysPending));
    until("the smaller set", || remote.generation() == 2).await;
    assert_eq!(remote.ask(&by_rsa()), Some(AuthError::KeysPending));
    until("a refusal", || remote.ask(&by_rsa()) == Some(AuthError::UnknownKey)).await;
    assert_eq!(remote.ask(&by_ec("e1")), None);
}

/// A refresh that fails tells nothing about a key: nobody is refused for it, and known keys stay good.
#[tokio::test]
async fn an_outage_keeps_known_keys_and_settles_nothing() {
    let server = KeyServer::start(keys(&[RSA.jwk("r1")])).await;
    let remote = Remote::new(&server.url(), EAGER);
    until("the first set", || remote.loaded()).await;
    for outage in [
        Behaviour::Close,
        Behaviour::Answer("500 Oops", key_set(&[])),
        Behaviour::Answer("206 Partial Content", key_set(&[])),
        Behaviour::keys("{}".to_owned()),
        Behaviour::Cut(usual_keys()),
    ] {
        server.set(outage);
        let before = server.requests();
        assert_eq!(remote.ask(&by_ec("new")), Some(AuthError::KeysPending));
        until("several failures", || server.requests() >= before + 3).await;
        assert_eq!(remote.ask(&by_ec("new")), Some(AuthError::KeysPending));
        assert_eq!(remote.ask(&by_rsa()), None);
        assert_eq!(remote.generation(), 1);
    }
    server.set(keys(&[RSA.jwk("r1"), EC.jwk("new")]));
    until("the end of the outage", || remote.ask(&by_ec("new")).is_none()).await;
}

#[tokio::test]
async fn a_host_that_is_down_at_start_is_asked_again() {
    let address = KeyServer::start(Behaviour::Close).await.address.clone();
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = reserved.local_addr().unwrap().to_string();
    assert_ne!(address, free);
    drop(reserved);
    let remote = Remote::new(&format!("http://{free}/jwks"), EAGER);
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert_eq!(remote.ask(&by_rsa()), Some(AuthError::KeysPending));
    }
    let _server = KeyServer::start_on(&free, Behaviour::keys(usual_keys()), None).await;
    until("the first set", || remote.loaded()).await;
    assert_eq!(remote.ask(&by_rsa()), None);
}

/// None of these may put a set in force, however good the set.
#[tokio::test]
async fn a_misbehaving_host_is_not_believed() {
    let elsewhere = KeyServer::start(Behaviour::keys(usual_keys())).await;
    let padded = format!("{}{}", usual_keys(), " ".repeat(256 * 1024));
    for behaviour in [
        Behaviour::Redirect(elsewhere.url()),
        Behaviour::keys(padded.clone()),
        Behaviour::Chunked(padded),
        Behaviour::Answer("404 Not Found", usual_keys()),
        Behaviour::Answer("203 Non-Authoritative", usual_keys()),
        Behaviour::Cut(usual_keys()),
    ] {
        let server = KeyServer::start(behaviour).await;
        let remote = Remote::new(&server.url(), EAGER);
        // The third request begins after the first two answers were judged.
        until("three fetches", || server.requests() >= 3).await;
        assert!(!remote.loaded());
        assert_eq!(remote.ask(&by_rsa()), Some(AuthError::KeysPending));
        server.set(Behaviour::Chunked(usual_keys()));
        until("the set once it behaves", || remote.loaded()).await;
    }
    assert_eq!(elsewhere.requests(), 0, "a redirect was followed");
}

#[tokio::test]
async fn a_slow_host_is_given_up_at_the_deadline() {
    let server = KeyServer::start(Behaviour::Stall(usual_keys())).await;
    let remote = Remote::new(&server.url(), RefreshTiming { deadline: Duration::from_millis(20), ..EAGER });
    until("a second attempt", || server.requests() >= 2).await;
    assert_eq!(remote.ask(&by_rsa()), Some(AuthError::KeysPending));
    assert!(!remote.loaded());
}

/// Strangers who make up key ids cause one fetch per gap and no more, and do not get in the way of those with a key.
#[tokio::test]
async fn a_flood_of_made_up_keys_costs_one_fetch_per_gap() {
    let server = KeyServer::start(Behaviour::keys(usual_keys())).await;
    let remote = Remote::new(&server.url(), RefreshTiming { on_demand_gap: Duration::from_secs(3600), ..EAGER });
    until("the first set", || remote.loaded()).await;
    let (header, claims) = good();
    for number in 0..3000 {
        let mut header = header.clone();
        put(&mut header, &json!({"kid": format!("made-up-{number}")}));
        let token = format!("{}.{}.AAAA", b64(header.to_string()), b64(claims.to_string()));
        assert_eq!(remote.ask(&token), Some(AuthError::KeysPending));
        tokio::task::yield_now().await;
    }
    assert_eq!(remote.ask(&by_rsa()), None);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_nameless_key_that_was_rotated_is_found_again() {
    let nameless = |signer: &Signer| {
        let mut jwk = signer.jwk("");
        put(&mut jwk, &json!({"kid": null}));
        jwk
    };
    let server = KeyServer::start(keys(&[nameless(&STRANGER)])).await;
    let remote = Remote::new(&server.url(), EAGER);
    until("the first set", || remote.loaded()).await;
    let (mut header, claims) = good();
    put(&mut header, &json!({"kid": null}));
    let token = RSA.token(&header, &claims);
    server.set(keys(&[nameless(&RSA)]));
    assert_eq!(remote.ask(&token), Some(AuthError::SignatureInvalid));
    until("the new key", || remote.ask(&token).is_none()).await;
}

#[tokio::test]
async fn dropping_the_tasks_ends_the_fetches() {
    let server = KeyServer::start(Behaviour::Close).await;
    let authenticator = authenticator(vec![draft(&server.url())], EAGER);
    let tasks = authenticator.start_refresh();
    until("two fetches", || server.requests() >= 2).await;
    drop(tasks);
    until("the authenticator is ours alone", || Arc::strong_count(&authenticator) == 1).await;
}

fn tls_for_loopback(issuer: &CertifiedIssuer<'_, KeyPair>) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn root() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// With a root of its own an issuer's host is trusted by that root and by no other.
#[tokio::test]
async fn https_trusts_the_named_root_alone() {
    let (ours, theirs) = (root(), root());
    let behaviour = Behaviour::keys(usual_keys());
    let server = KeyServer::start_on("127.0.0.1:0", behaviour, Some(tls_for_loopback(&ours))).await;
    let url = format!("https://{}/jwks", server.address);
    let with_root = |pem: Option<&Path>| IssuerDraft { jwks_root: pem.map(Path::to_owned), ..draft(&url) };
    let file = TempFile::new(theirs.pem());
    for draft in [with_root(Some(&file.0)), with_root(None)] {
        let before = server.requests();
        let distrusting = Remote::of(draft, EAGER);
        until("three attempts", || server.requests() >= before + 3).await;
        assert!(!distrusting.loaded());
    }
    let file = TempFile::new(ours.pem());
    let trusting = Remote::of(with_root(Some(&file.0)), EAGER);
    until("the set", || trusting.loaded()).await;
    assert_eq!(trusting.ask(&by_rsa()), None);
}

#[test]
fn a_root_that_cannot_be_read_stops_the_start() {
    for file in [TempFile::new(""), TempFile::new("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")] {
        let draft = IssuerDraft { jwks_root: Some(file.0.clone()), ..draft("https://127.0.0.1/") };
        let settings = sekisho::identity::IssuerSettings::new(draft).ok().unwrap();
        assert!(Authenticator::new(vec![settings], RefreshTiming::default(), 16).is_err());
    }
}
