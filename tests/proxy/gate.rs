//! A whole gate on loopback: settings, documents, keys, registry and log are files of a scratch folder, a backend of bytes
//! stands behind it, and its log is verified and read once it has ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use metrics_exporter_prometheus::PrometheusBuilder;
use sekisho::audit::Clock;
use sekisho::policy::Vocabulary;
use sekisho::proxy::keys;
use sekisho::proxy::reload::Reloader;
use sekisho::proxy::serve::Server;
use sekisho::proxy::settings::Settings;
use sekisho::proxy::sites::now_ms;
use sekisho::registry::{self, Entry, Registry};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::http::{Got, ask};
use super::stage::Stage;
use super::support::{Scratch, soon};

/// A route whose subject is in the answer alone, so that nothing of it is judged before.
pub(super) const NEWEST: &str = r#"
[[route]]
id = "donors.newest"
path = "/newest-donor"
methods = { GET = "read" }
shape = "object"
record = "donor"
subject = { entry = "/id" }
"#;

/// Stands in every member of [`DONOR`] but its id: no refusal, and no record, may hold it.
pub(super) const CANARY: &str = "sekret";
/// A donor, as the backend answers where a test says nothing else: what a coordinator sees, and what nobody does.
pub(super) const DONOR: &str = r#"{"id":"d-1","name":{"kanji":"sekret-name"},"phone":"sekret-phone","my_number":"sekret-number","new_field":"sekret-field"}"#;

/// How a gate is set up, where it differs.
#[derive(Default)]
pub(super) struct Setup<'a> {
    /// Further tables.
    pub(super) tables: &'a str,
    /// Further lines of its site.
    pub(super) site: &'a str,
    /// Where the issuer's keys are, if not in a file.
    pub(super) jwks: Option<String>,
    /// Further routes.
    pub(super) routes: &'a str,
    /// Where the backend is, if not on its stage.
    pub(super) upstream: Option<&'a str>,
}

/// The files of a gate and what stands behind it: a gate is started here, ends, and may be started again.
pub(super) struct Place {
    pub(super) scratch: Scratch,
    pub(super) stage: Stage,
}

impl Place {
    pub(super) async fn new(setup: Setup<'_>) -> Place {
        let (scratch, stage) = (Scratch::new(), Stage::new().await);
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy/jmdp");
        let read = |name| std::fs::read_to_string(policy.join(name)).unwrap();
        scratch.write("jmdp/policy.toml", &read("policy.toml"), 0o644);
        scratch.write("jmdp/catalogue.toml", &format!("{}{}", read("catalogue.toml"), setup.routes), 0o644);
        scratch.write("jwks.json", &key_set("k"), 0o644);
        let (jwks, upstream) = (setup.jwks.as_deref().unwrap_or("jwks.json"), setup.upstream.unwrap_or(&stage.origin));
        let Setup { tables, site, .. } = setup;
        let text = format!(
            r#"
[gate]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[data]
directory = "data"
keys = "keys"
{tables}
[[site]]
policy = "jmdp"
upstream = "{upstream}"
{site}
[[issuer]]
id = "{ISSUER}"
jwks = "{jwks}"
audience = ["api"]
algorithms = ["ES256"]
claims = {{ caller = "/sub", roles = "/roles", organization = "/org", identity = "/identity", purpose = "/purpose" }}
[issuer.may-assert]
roles = {{ coord = "coordination-staff", books = "accounting-staff" }}
organizations = ["*"]
principal = true
purposes = ["*"]
"#
        );
        scratch.write("sekisho.toml", &text, 0o644);
        let place = Place { scratch, stage };
        keys::init(&place.settings().data.keys, Default::default()).unwrap();
        place
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.scratch.0.join(name)
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::read(&self.path("sekisho.toml")).unwrap()
    }

    pub(super) fn start(self) -> Gate {
        self.start_by(Hand::default().clock())
    }

    pub(super) fn start_by(self, clock: Arc<dyn Clock>) -> Gate {
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let server = Server::with_clock(self.settings(), metrics, clock).unwrap();
        let (address, admin, reloader) = (server.address(), server.admin_address(), server.reloader());
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(stop.clone()));
        Gate { place: self, address, admin, reloader, stop, running }
    }

    /// Puts a fact on file, on a connection of its own, as another process would.
    pub(super) fn add(&self, kind: &str, words: &str) {
        let (registry, policies) = self.registry();
        let entry = Entry::parse(kind, words.split(' ')).unwrap();
        registry.add(&entry, &policies, "test", now_ms().cast_signed()).unwrap();
    }

    fn registry(&self) -> (Registry, Vec<Arc<sekisho::policy::Policy>>) {
        let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
        let revisions = sekisho::cli::documents::revisions(&self.path("jmdp")).unwrap();
        let policies = revisions.all().to_vec();
        let data = self.settings().data;
        std::fs::create_dir_all(&data.directory).unwrap();
        let options = registry::Options { create: !data.has_log(), staleness_ms_max: 0 };
        (Registry::open(&data.registry(), &vocabulary, &policies[0].zone, options).unwrap(), policies)
    }

    /// The log of the gate that ended here: in order, each beginning with its one ending.
    pub(super) fn log(&self) -> Told {
        let folder = sekisho::store::Directory::open_to_read(&self.path("data/log/gate")).unwrap();
        let report = sekisho::audit::verify(&folder).unwrap();
        assert!(report.is_intact(), "{:?}", report.bad);
        assert_eq!(report.open, 0, "a beginning without an ending");
        let mut reader = sekisho::audit::Reader::new(&folder);
        let mut records = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            assert!(!String::from_utf8_lossy(&line.bytes).contains(CANARY), "data in the log");
            records.push(serde_json::from_slice(&line.bytes).unwrap());
        }
        Told(records)
    }
}

/// A running gate.
pub(super) struct Gate {
    pub(super) place: Place,
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) reloader: Arc<Reloader>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Gate {
    pub(super) async fn new() -> Gate {
        Place::new(Setup::default()).await.start()
    }

    /// A request on a connection of its own. `fields`: whole lines.
    pub(super) async fn send(&self, method: &str, target: &str, fields: &str, body: &str) -> Got {
        ask(self.address, method, target, fields, body).await
    }

    pub(super) async fn get(&self, target: &str, fields: &str) -> Got {
        self.send("GET", target, fields, "").await
    }

    /// One donor, as a coordinator asks for him.
    pub(super) async fn read(&self) -> Got {
        self.get("/donors/d-1", &coordinator()).await
    }

    /// What `/readyz` says: its status and lines.
    pub(super) async fn ready(&self) -> (u16, String) {
        let got = ask(self.admin, "GET", "/readyz", "", "").await;
        (got.status, got.body)
    }

    /// Not ready, with this line.
    pub(super) async fn is_not_ready(&self, line: &str) {
        let (status, lines) = self.ready().await;
        assert!(status == 503 && lines.contains(line), "{status}: {lines}");
    }

    /// Drained and ended; the log is closed.
    pub(super) async fn end(self) -> Place {
        self.stop.cancel();
        soon(self.running).await.unwrap();
        self.place
    }
}

/// The records of a log.
pub(super) struct Told(pub(super) Vec<Value>);

impl Told {
    pub(super) fn of(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|record| record["kind"] == kind).collect()
    }

    /// Refusals: the first reason's code and the status.
    pub(super) fn refusals(&self) -> Vec<(&str, u64)> {
        let of = self.0.iter().filter(|record| record["kind"] == "refusal");
        of.map(|r| (r["reasons"][0]["code"].as_str().unwrap(), r["status"].as_u64().unwrap())).collect()
    }

    /// Endings: outcome, code, status.
    pub(super) fn endings(&self) -> Vec<(&str, &str, u64)> {
        let of = self.0.iter().filter(|record| record["kind"] == "end");
        of.map(|r| {
            (r["outcome"].as_str().unwrap(), r["code"].as_str().unwrap_or(""), r["status"].as_u64().unwrap_or(0))
        })
        .collect()
    }

    /// Strangers: how many for which reason.
    pub(super) fn strangers(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for one in self.of("strangers").iter().flat_map(|record| record["refused"].as_array().unwrap()) {
            *counts.entry(one["reason"].as_str().unwrap()).or_default() += one["count"].as_u64().unwrap();
        }
        counts
    }
}

/// A clock by hand: the machine's, moved by so many milliseconds.
#[derive(Clone, Default)]
pub(super) struct Hand(Arc<AtomicI64>);

impl Hand {
    pub(super) fn move_to(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        let moved = Arc::clone(&self.0);
        Arc::new(move || now_ms().saturating_add_signed(moved.load(Ordering::SeqCst)))
    }
}

pub(super) const ISSUER: &str = "https://login.example";

static KEY: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());

/// The issuer's key set, its key under this id.
pub(super) fn key_set(kid: &str) -> String {
    let point = KEY.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"{kid}","x":"{x}","y":"{y}"}}]}}"#)
}

/// A token with these members over good ones, in header and claims.
pub(super) fn token(header: Value, claims: Value) -> String {
    let over = |mut all: Value, some: Value| {
        some.as_object().unwrap().iter().for_each(|(name, value)| all[name] = value.clone());
        URL_SAFE_NO_PAD.encode(all.to_string())
    };
    let header = over(json!({"alg": "ES256", "typ": "JWT", "kid": "k"}), header);
    let good = json!({"iss": ISSUER, "aud": "api", "sub": "s-1", "exp": now_ms() / 1000 + 600});
    let signed = format!("{header}.{}", over(good, claims));
    let signature = KEY.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The fields of a caller with these claims and this declaration.
pub(super) fn fields(claims: Value, purpose: &str) -> String {
    format!("Authorization: Bearer {}\r\nPurpose-Of-Use: {purpose}\r\n", token(json!({}), claims))
}

/// A coordinator of the house, for coordination.
pub(super) fn coordinator() -> String {
    fields(json!({"roles": ["coord"]}), "coordination")
}

/// An approved researcher of a university, whom [`approve`] puts on file.
pub(super) fn researcher() -> String {
    fields(json!({"sub": "dr", "org": "univ-a"}), "research;basis=\"academic-research\"")
}

pub(super) fn approve(place: &Place) {
    place.add("organization", "id=univ-a recipient=researcher country=JP purposes=research");
    place.add("approval", "organization=univ-a purpose=research from=2020-01-01 until=2099-12-31");
}
