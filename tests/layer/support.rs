//! A gate in process: a policy of the repository, its sample API as the inner service, a token issuer, a simulated disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sekisho::audit::{Log, Options, Seal};
use sekisho::catalogue::Catalogue;
use sekisho::cli::documents;
use sekisho::demo::sample::{Org, Sample};
use sekisho::identity::{Allowed, Authenticator, ClaimPointers, IssuerDraft, IssuerSettings, MayAssert, RefreshTiming};
use sekisho::layer::{
    BoxError, ForwardBody, Gate, GateBody, GateLimits, GateParts, Generation, PseudonymKeys, PurposeLayer,
    PurposeService,
};
use sekisho::policy::{Policy, Source, Vocabulary};
use sekisho::redact::{Limits, MasterKey, Settling, TokenTable, Unkept};
use sekisho::registry::{Entry, Registry};
use sekisho::store::simulated::Simulated;
use tower::{Layer, ServiceExt};
use zeroize::Zeroizing;

pub(crate) use super::script::{Script, Step};

/// 2026-11-22T09:00:00+09:00.
/// The master key of pseudonyms.
pub(crate) const KEY: [u8; 32] = [7; 32];
pub(crate) const NOW_MS: u64 = 1_795_305_600_000;
const SECRET: &[u8] = b"a secret of at least thirty-two bytes for tests";
const ISSUER: &str = "https://issuer.test";

type Hook = Box<dyn FnOnce() -> Result<Response<Script>, BoxError> + Send>;
type Always = Arc<dyn Fn(&http::request::Parts, &Bytes) -> Response<Bytes> + Send + Sync>;

/// The sample API behind the gate, and how often it was asked.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) sample: Arc<Sample>,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) last: Arc<Mutex<Option<(String, HeaderMap)>>>,
    /// Every target asked for, in order.
    pub(crate) targets: Arc<Mutex<Vec<String>>>,
    /// What is answered to these targets, as FHIR JSON.
    pub(crate) pages: Arc<Mutex<HashMap<String, String>>>,
    /// The body of the same request.
    pub(crate) last_body: Arc<Mutex<Bytes>>,
    /// Answers instead of the sample, where a test sets one.
    pub(crate) instead: Arc<Mutex<Option<Response<Bytes>>>>,
    /// The same, as a script.
    pub(crate) hook: Arc<Mutex<Option<Hook>>>,
    /// Answers every request, instead of the sample.
    pub(crate) always: Arc<Mutex<Option<Always>>>,
    /// How many bytes a chunk of the sample's bodies has; 0: all.
    pub(crate) chunk: Arc<AtomicUsize>,
}

impl tower::Service<Request<ForwardBody>> for Backend {
    type Response = Response<Script>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ForwardBody>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            this.asked.fetch_add(1, Ordering::SeqCst);
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            this.targets.lock().unwrap().push(head.uri.to_string());
            *this.last_body.lock().unwrap() = body.clone();
            *this.last.lock().unwrap() = Some((head.uri.to_string(), head.headers.clone()));
            let hook = this.hook.lock().unwrap().take();
            if let Some(hook) = hook {
                return hook();
            }
            let size = this.chunk.load(Ordering::SeqCst);
            let page = this.pages.lock().unwrap().get(&head.uri.to_string()).cloned();
            if let Some(page) = page {
                let response = Response::builder().header("content-type", "application/fhir+json");
                return Ok(response.body(Script::chunked(&Bytes::from(page), size)).unwrap());
            }
            if let Some(instead) = this.instead.lock().unwrap().take() {
                return Ok(instead.map(|bytes| Script::chunked(&bytes, size)));
            }
            let always = this.always.lock().unwrap().clone();
            if let Some(always) = always {
                return Ok(always(&head, &body).map(|bytes| Script::chunked(&bytes, size)));
            }
            let answer = this.sample.respond(head.method.as_str(), head.uri.path(), head.uri.query(), &body);
            let response = Response::builder().status(answer.status).header("content-type", answer.content_type);
            Ok(response.body(Script::chunked(&Bytes::from(answer.body), size)).unwrap())
        })
    }
}

pub(crate) type Act = Box<dyn FnMut() + Send>;

/// A gate and what it stands on.
pub(crate) struct Stand {
    pub(crate) service: PurposeService<Backend>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) backend: Backend,
    pub(crate) disk: Simulated,
    pub(crate) clock_ms: Arc<AtomicU64>,
    /// Done whenever the clock is read.
    pub(crate) tick: Arc<Mutex<Option<Act>>>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) tokens: Arc<Kept>,
    folder: PathBuf,
}

/// A table of what pseudonyms stand for, in memory, whose disk can be lost.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) rows: Mutex<HashMap<String, Vec<u8>>>,
    /// Kept since it was last settled.
    fresh: AtomicBool,
    pub(crate) lost: AtomicBool,
}

impl TokenTable for Kept {
    fn has(&self, token: &str) -> bool {
        self.rows.lock().unwrap().contains_key(token)
    }
    fn keep(&self, token: &str, _: u32, sealed: Vec<u8>) {
        self.fresh.store(true, Ordering::SeqCst);
        if !self.lost.load(Ordering::SeqCst) {
            self.rows.lock().unwrap().insert(token.to_owned(), sealed);
        }
    }
    fn settled(&self) -> Option<Settling> {
        let lost = self.lost.load(Ordering::SeqCst);
        let settled = async move { if lost { Err(Unkept) } else { Ok(()) } };
        self.fresh.swap(false, Ordering::SeqCst).then(|| Box::pin(settled) as Settling)
    }
    fn find(&self, token: &str) -> Result<Option<Vec<u8>>, Unkept> {
        if self.lost.load(Ordering::SeqCst) { Err(Unkept) } else { Ok(self.rows.lock().unwrap().get(token).cloned()) }
    }
}

impl Drop for Stand {
    /// Whatever a test did: each beginning in the log has its one ending (none, where the log was broken).
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.each_beginning_has_one_ending();
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// Whether the body was cut.
    pub(crate) cut: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// How a request is made.
#[derive(Clone, Default)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) claims: serde_json::Value,
    pub(crate) purpose: &'a str,
    pub(crate) body: &'a str,
    pub(crate) fields: &'a [(&'a str, &'a str)],
}

/// A folder of one stand's own; it goes with the stand.
fn folder() -> PathBuf {
    static FOLDERS: AtomicUsize = AtomicUsize::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::SeqCst);
    let folder = std::env::temp_dir().join(format!("sekisho-layer-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn policy_of(org: Org) -> PathBuf {
    // Another package's tests may stand deeper in the tree.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if root.join("policy").is_dir() { root.to_path_buf() } else { root.join("../..") };
    root.join("policy").join(org.id())
}

impl Stand {
    pub(crate) fn new(org: Org, facts: &[(&str, &str)]) -> Stand {
        Stand::with(Sample::new(org, 1), org.catalogue(), facts)
    }

    /// The organisation's gate before an API that this catalogue describes.
    pub(crate) fn before(api: Source, org: Org, facts: &[(&str, &str)]) -> Stand {
        Stand::over(Sample::new(org, 1), api, facts)
    }

    pub(crate) fn with(sample: Sample, catalogue: &str, facts: &[(&str, &str)]) -> Stand {
        Stand::over(sample, Source::new("catalogue.toml", catalogue), facts)
    }

    /// The organisation's gate under its policy with `old` replaced by `new`.
    pub(crate) fn under(org: Org, (old, new): (&str, &str), facts: &[(&str, &str)]) -> Stand {
        let folder = folder();
        let text = std::fs::read_to_string(policy_of(org).join("policy.toml")).unwrap();
        assert!(text.contains(old), "`{old}` is not in the policy");
        std::fs::write(folder.join("policy.toml"), text.replacen(old, new, 1)).unwrap();
        let api = Source::new("catalogue.toml", org.catalogue());
        Stand::of(Sample::new(org, 1), api, facts, folder.clone(), &folder)
    }

    /// The organisation's gate before another API, under its policy with `old` replaced by `new`.
    pub(crate) fn before_under(api: Source, org: Org, (old, new): (&str, &str)) -> Stand {
        let folder = folder();
        let text = std::fs::read_to_string(policy_of(org).join("policy.toml")).unwrap();
        assert!(text.contains(old), "`{old}` is not in the policy");
        std::fs::write(folder.join("policy.toml"), text.replacen(old, new, 1)).unwrap();
        Stand::of(Sample::new(org, 1), api, &[], folder.clone(), &folder)
    }

    fn over(sample: Sample, api: Source, facts: &[(&str, &str)]) -> Stand {
        let root = policy_of(sample.org());
        Stand::of(sample, api, facts, folder(), &root)
    }

    fn of(sample: Sample, api: Source, facts: &[(&str, &str)], folder: PathBuf, root: &Path) -> Stand {
        let revisions = documents::revisions(root).unwrap();
        let policy = Arc::clone(revisions.newest().unwrap());
        let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
        let catalogue = Catalogue::read([api], &vocabulary).unwrap();
        let keys = PseudonymKeys { master: MasterKey::new(KEY), epoch: 1, accepted: vec![] };
        let generation = Generation::new(revisions, catalogue, "sha256:test".into(), keys, Limits::default()).unwrap();
        let zone = policy.zone.clone();
        let registry = Registry::open(
            &folder.join("registry"),
            &vocabulary,
            &zone,
            sekisho::registry::Options { create: true, staleness_ms_max: 0 },
        )
        .unwrap();
        for (kind, words) in facts {
            let entry = Entry::parse(kind, words.split(' ')).unwrap_or_else(|e| panic!("{kind} {words}: {e}"));
            registry
                .add(&entry, &[Arc::clone(&policy)], "test", NOW_MS.cast_signed())
                .map(|_| ())
                .unwrap_or_else(|e| panic!("{kind} {words}: {e}"));
        }
        let clock_ms = Arc::new(AtomicU64::new(NOW_MS));
        let (clock, disk) = (Arc::clone(&clock_ms), Simulated::new());
        let tick: Arc<Mutex<Option<Act>>> = Arc::default();
        let ticks = Arc::clone(&tick);
        let clock: Arc<dyn sekisho::audit::Clock> = Arc::new(move || {
            if let Some(act) = &mut *ticks.lock().unwrap() {
                act();
            }
            clock.load(Ordering::SeqCst)
        });
        let options = Options {
            node: "test".into(),
            segment_bytes: 1 << 20,
            disk_bytes_max: 1 << 28,
            reserve_bytes: 1 << 16,
            ..Options::default()
        };
        let (log, _) = Log::open(Arc::new(disk.clone()), options, Arc::clone(&clock)).unwrap();
        let counter = AtomicU64::new(1);
        let random = move |bytes: &mut [u8]| {
            let value = counter.fetch_add(1, Ordering::SeqCst).to_be_bytes();
            bytes.iter_mut().rev().zip(value.iter().rev().chain(std::iter::repeat(&0))).for_each(|(b, v)| *b = *v);
        };
        let tokens = Arc::new(Kept::default());
        let parts = GateParts {
            authenticator: Arc::new(authenticator(&policy)),
            registry: Arc::new(registry),
            log,
            seal: Arc::new(Seal::new(Zeroizing::new([9; 64]))),
            clock,
            random: Arc::new(random),
            upstream_origin: "http://backend.test".into(),
            public_prefix: String::new(),
            limits: GateLimits::default(),
            tokens: Some(Arc::clone(&tokens) as Arc<dyn TokenTable>),
        };
        let gate = Arc::new(Gate::new(generation, parts));
        let backend = Backend {
            sample: Arc::new(sample),
            asked: Arc::default(),
            last: Arc::default(),
            targets: Arc::default(),
            pages: Arc::default(),
            last_body: Arc::default(),
            instead: Arc::default(),
            hook: Arc::default(),
            always: Arc::default(),
            chunk: Arc::default(),
        };
        let service = PurposeLayer::new(Arc::clone(&gate)).layer(backend.clone());
        Stand { service, gate, backend, disk, clock_ms, tick, policy, tokens, folder }
    }

    pub(crate) fn asked(&self) -> usize {
        self.backend.asked.load(Ordering::SeqCst)
    }

    /// The backend answers the next request with this body.
    pub(crate) fn next_body(&self, body: impl Into<Bytes>, media: &str) {
        let response = Response::builder().header("content-type", media).body(body.into()).unwrap();
        *self.backend.instead.lock().unwrap() = Some(response);
    }

    /// The backend answers the next request with this script, as JSON.
    pub(crate) fn next_script(&self, steps: Vec<Step>) {
        let response = Response::builder().header("content-type", "application/json");
        self.hook(move || Ok(response.body(Script::of(steps)).unwrap()));
    }

    pub(crate) fn hook(&self, hook: impl FnOnce() -> Result<Response<Script>, BoxError> + Send + 'static) {
        *self.backend.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// An archive answers whatever nothing else does.
    pub(crate) fn archive(&self, archive: impl Fn(&http::Uri) -> Response<Bytes> + Send + Sync + 'static) {
        *self.backend.always.lock().unwrap() = Some(Arc::new(move |head, _| archive(&head.uri)));
    }

    /// Puts a fact on file.
    pub(crate) fn add(&self, kind: &str, words: &str) {
        let entry = Entry::parse(kind, words.split(' ')).unwrap_or_else(|e| panic!("{kind} {words}: {e}"));
        self.gate.registry.add(&entry, &[Arc::clone(&self.policy)], "test", NOW_MS.cast_signed()).map(|_| ()).unwrap();
    }

    /// The registry's file is gone.
    pub(crate) fn lose_registry(&self) {
        std::fs::remove_file(self.registry()).unwrap();
    }

    /// The registry's file.
    pub(crate) fn registry(&self) -> PathBuf {
        self.folder.join("registry")
    }

    /// The answer's head, and its body not yet read.
    pub(crate) async fn open(&self, ask: Ask<'_>) -> Response<GateBody> {
        let mut request = Request::builder().method(ask.method).uri(ask.target);
        if !ask.claims.is_null() {
            request = request.header("authorization", format!("Bearer {}", token(&ask.claims)));
        }
        if !ask.purpose.is_empty() {
            request = request.header("purpose-of-use", ask.purpose);
        }
        if !ask.body.is_empty() && !ask.fields.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in ask.fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(ask.body.to_owned()))).unwrap();
        self.service.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Answer {
        let (head, mut body) = self.open(ask).await.into_parts();
        let (mut text, mut cut) = (Vec::new(), false);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => text.extend_from_slice(frame.data_ref().expect("no trailers")),
                Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        Answer { status: head.status, headers: head.headers, body: String::from_utf8_lossy(&text).into_owned(), cut }
    }

    pub(crate) async fn get(&self, claims: serde_json::Value, purpose: &str, target: &str) -> Answer {
        self.ask(Ask { method: "GET", target, claims, purpose, ..Ask::default() }).await
    }

    /// Every record of the log, once everything written is on it.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        assert!(self.settle(), "the log is broken");
        let records: Vec<serde_json::Value> =
            self.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        // The fuzzer has this file, too, and no validator.
        #[cfg(test)]
        for record in &records {
            assert_eq!(crate::audit::schema::fault(record), None, "{record}");
        }
        records
    }

    /// Waits until everything written is on disk; false: the log is broken.
    fn settle(&self) -> bool {
        let mark = sekisho::audit::Administrative { action: "mark", ..Default::default() };
        self.gate.log.administrative(&mark).wait().is_ok()
    }

    /// Every line of the log, as it is.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut reader = sekisho::audit::Reader::new(&self.disk);
        let mut lines = Vec::new();
        while let Ok(Some(line)) = reader.next_line() {
            lines.push(String::from_utf8(line.bytes.to_vec()).unwrap());
        }
        lines
    }

    /// The last record of this kind.
    pub(crate) fn last(&self, kind: &str) -> serde_json::Value {
        self.records().into_iter().rev().find(|record| record["kind"] == kind).unwrap_or_default()
    }

    fn each_beginning_has_one_ending(&self) {
        let whole = self.settle();
        let mut endings: HashMap<u64, usize> = HashMap::new();
        for line in self.lines() {
            let record: serde_json::Value = serde_json::from_str(&line).unwrap();
            match record["kind"].as_str() {
                Some("begin") => drop(endings.insert(record["seq"].as_u64().unwrap(), 0)),
                Some("end") => *endings.get_mut(&record["begin"].as_u64().unwrap()).expect("an ending of nothing") += 1,
                _ => {}
            }
        }
        for (begin, ended) in endings {
            assert!(ended == 1 || (!whole && ended == 0), "beginning {begin} has {ended} endings");
        }
    }
}

fn authenticator(policy: &Policy) -> Authenticator {
    let draft = IssuerDraft {
        id: ISSUER.into(),
        audience: vec!["sekisho".into()],
        types: vec!["JWT".into()],
        type_may_be_missing: true,
        claims: ClaimPointers {
            organization: Some("/org".into()),
            roles: Some("/roles".into()),
            identity: Some("/identity".into()),
            training_until: Some("/training_until".into()),
            purpose: Some("/purpose".into()),
            ..ClaimPointers::default()
        },
        may_assert: MayAssert {
            roles: policy.roles().map(|role| (role.to_owned(), role.to_owned())).collect(),
            organizations: Allowed::Anything,
            principal: true,
            purposes: Allowed::Anything,
        },
        ..IssuerDraft::default()
    };
    let settings = IssuerSettings::with_demo_secret(draft, SECRET).unwrap();
    Authenticator::new(vec![settings], RefreshTiming::default(), 1024).unwrap()
}

/// A token with these claims over good ones.
pub(crate) fn token(claims: &serde_json::Value) -> String {
    let mut all = serde_json::json!({"iss": ISSUER, "aud": "sekisho", "sub": "c-1", "exp": NOW_MS / 1000 + 600});
    for (key, value) in claims.as_object().unwrap() {
        all[key] = value.clone();
    }
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    jsonwebtoken::encode(&header, &all, &jsonwebtoken::EncodingKey::from_secret(SECRET)).unwrap()
}
