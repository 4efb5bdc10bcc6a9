//! The layer in a service of your own: an axum API whose every answer is cut to what the published policy allows.
//!
//! `cargo run --example layer` serves the sample API of `policy/jmdp` on loopback, prints two requests, and ends on Ctrl-C.
//! In a service of your own the sample is your router, the secret your issuer's key set, and the folders are yours.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, Uri, header};
use axum::response::IntoResponse;
use sekisho::audit::{Clock, Log, Options, Seal};
use sekisho::catalogue::Catalogue;
use sekisho::cli::documents;
use sekisho::demo::sample::{Org, Sample};
use sekisho::identity::{
    Authenticator, CACHED_TOKENS_MAX, ClaimPointers, IssuerDraft, IssuerSettings, MayAssert, RefreshTiming,
};
use sekisho::layer::{Gate, GateLimits, GateParts, Generation, PseudonymKeys, PurposeLayer};
use sekisho::policy::{Source, Vocabulary};
use sekisho::redact::{Limits, MasterKey};
use sekisho::registry::{self, Registry};
use sekisho::store::Directory;
use tower::Layer;
use zeroize::Zeroizing;

const SECRET: &[u8] = b"for this example alone: thirty-two bytes and more";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("sekisho-example-{}", std::process::id()));
    let gate = Arc::new(gate(&folder)?);
    // The inner service: any tower service. It sees requests only with a permit, and without the caller's fields.
    let api = Router::new().fallback(answer).with_state(Arc::new(Sample::new(Org::Jmdp, 1)));
    let service = PurposeLayer::new(Arc::clone(&gate)).layer(api.into_service::<sekisho::layer::ForwardBody>());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let token = token()?;
    println!(
        "curl -s http://{address}/donors/d-0001 -H 'Authorization: Bearer {token}' -H 'Purpose-Of-Use: coordination'"
    );
    println!("curl -s http://{address}/donors/d-0001 -H 'Authorization: Bearer {token}' -H 'Purpose-Of-Use: campaign'");
    let served = axum::serve(listener, Router::new().fallback_service(service).into_make_service());
    served.with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    gate.log.close();
    Ok(std::fs::remove_dir_all(&folder)?)
}

/// Policy, catalogue, issuer, registry and log: what a gate is made of.
fn gate(folder: &std::path::Path) -> Result<Gate, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let vocabulary = Arc::new(Vocabulary::compiled_in()?);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policy/jmdp");
    let revisions = documents::revisions(&root).map_err(|error| format!("{error:?}"))?;
    let zone = revisions.newest().ok_or("no policy")?.zone.clone();
    let catalogue = Catalogue::read([Source::new("catalogue.toml", Org::Jmdp.catalogue())], &vocabulary)?;
    // From your key files in a service of your own: whoever knows them can open pseudonyms and the log's subjects.
    let pseudonyms = PseudonymKeys { master: MasterKey::new(random()?), epoch: 1, accepted: Vec::new() };
    let subjects: [u8; 64] = random()?;
    let generation = Generation::new(revisions, catalogue, "example".to_owned(), pseudonyms, Limits::default())?;

    let mut draft =
        IssuerDraft { id: "https://issuer.example".into(), audience: vec!["example".into()], ..IssuerDraft::default() };
    draft.types = vec!["JWT".into()];
    draft.claims = ClaimPointers { roles: Some("/roles".into()), ..ClaimPointers::default() };
    draft.may_assert =
        MayAssert { roles: [("coordinator".into(), "coordination-staff".into())].into(), ..MayAssert::default() };
    let issuer = IssuerSettings::with_demo_secret(draft, SECRET).map_err(|faults| format!("{faults:?}"))?;
    let authenticator = Authenticator::new(vec![issuer], RefreshTiming::default(), CACHED_TOKENS_MAX);

    let clock: Arc<dyn Clock> = Arc::new(sekisho::proxy::sites::now_ms);
    let options = Options {
        node: "example".into(),
        segment_bytes: 1 << 26,
        disk_bytes_max: 1 << 30,
        reserve_bytes: 1 << 20,
        ..Options::default()
    };
    let disk = Directory::open(&folder.join("log"))?;
    let (log, _recovery) = Log::open(Arc::new(disk), options, Arc::clone(&clock))?;
    let on_file = registry::Options { create: true, staleness_ms_max: 0 };
    let registry = Registry::open(&folder.join("registry.sqlite"), &vocabulary, &zone, on_file)?;
    let parts = GateParts {
        authenticator: Arc::new(authenticator.map_err(|faults| format!("{faults:?}"))?),
        registry: Arc::new(registry),
        log,
        seal: Arc::new(Seal::new(Zeroizing::new(subjects))),
        clock,
        random: Arc::new(|bytes| aws_lc_rs::rand::fill(bytes).unwrap_or_else(|_| std::process::abort())),
        upstream_origin: String::new(),
        public_prefix: String::new(),
        limits: GateLimits::default(),
        tokens: None,
    };
    Ok(Gate::new(generation, parts))
}

/// The API behind the layer; yours.
async fn answer(State(sample): State<Arc<Sample>>, method: Method, uri: Uri, body: Bytes) -> impl IntoResponse {
    let answer = sample.respond(method.as_str(), uri.path(), uri.query(), &body);
    let status = axum::http::StatusCode::from_u16(answer.status).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, answer.content_type)], answer.body)
}

fn random<const N: usize>() -> Result<[u8; N], Box<dyn Error>> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "no randomness")?;
    Ok(bytes)
}

fn token() -> Result<String, Box<dyn Error>> {
    let expires = sekisho::proxy::sites::now_ms() / 1000 + 3600;
    let claims = serde_json::json!({"iss": "https://issuer.example", "aud": "example", "sub": "staff-1", "roles": ["coordinator"], "exp": expires});
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    Ok(jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(SECRET))?)
}
