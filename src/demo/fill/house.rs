//! What does a filled folder hold, and how is its gate asked? All that `sekisho serve` would have there, and no socket.
//!
//! ```text
//! DIR/ORG/sekisho.toml       the settings
//!         policy/            policy.toml, catalogue.toml
//!         issuer.jwks.json   the public key of the issuer of the tokens; the other half goes with the process
//!         keys/              as `sekisho keys init` makes them
//!         registry.sqlite, pseudonyms.sqlite, log/gate
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};

use super::odd::NEW_MEMBER;
use super::people::{self, Caller};
use super::{Access, calendar};
use crate::audit::Clock;
use crate::demo::sample::{Org, Sample};
use crate::demo::{DemoError, random};
use crate::layer::{ForwardBody, PeerAddress, PurposeLayer, PurposeService};
use crate::policy::Source;
use crate::proxy::keys::{self, Made};
use crate::proxy::settings::Settings;
use crate::proxy::sites::Sites;

/// The data of every run is the same.
const SEED: u64 = 1;
const ISSUER: &str = "https://issuer.demo.invalid";
const AUDIENCE: &str = "sekisho-demo";
/// How long a token is valid: a working day.
const VALID_S: u64 = 43_200;

/// The clock that the filler turns.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    /// Turns it to this moment; never back.
    fn turn(&self, to_ms: u64) {
        self.0.fetch_max(to_ms, Ordering::SeqCst);
    }

    fn at_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// One organisation's gate over a folder of its own, at a time that is told.
pub(super) struct House {
    hand: Hand,
    sites: Sites,
    service: PurposeService<Behind>,
    issuer: Ed25519KeyPair,
    /// By the id of each caller: his token, and until when it is valid, in seconds.
    tokens: BTreeMap<&'static str, (String, u64)>,
}

impl House {
    /// Makes keys, policy and settings in `home`, which is empty, and opens registry and log at `start_ms`.
    pub(super) fn open(org: Org, home: &Path, start_ms: u64) -> Result<House, DemoError> {
        let fault = |error: &dyn std::fmt::Display| DemoError::because(home.display(), error);
        let pair = Ed25519KeyPair::from_seed_unchecked(random::<32>()?.as_slice()).map_err(|error| fault(&error))?;
        furnish(org, home, pair.public_key().as_ref()).map_err(|error| fault(&error))?;
        let settings = Settings::read(&home.join("sekisho.toml")).map_err(|error| fault(&error))?;
        keys::init(&settings.data.keys, Made::default()).map_err(|error| fault(&error))?;
        let hand = Hand::default();
        hand.turn(start_ms);
        let clock: Arc<dyn Clock> = Arc::new({
            let hand = hand.clone();
            move || hand.at_ms()
        });
        let sites = Sites::open_at(&settings, clock).map_err(|error| fault(&error))?;
        let (_, gate) = sites.gates.first().ok_or_else(|| fault(&"the settings name no site"))?;
        let policies = gate.generation.load().revisions.all().to_vec();
        let seed = Source::new(format!("{}.toml", org.id()), people::on_file(org));
        let at = i64::try_from(start_ms).unwrap_or(i64::MAX);
        sites.registry.seed(seed, &policies, "demo", at).map_err(|error| fault(&error))?;
        let behind = Behind { sample: Arc::new(Sample::new(org, SEED)), hand: hand.clone() };
        let service = PurposeLayer::new(Arc::clone(gate)).layer(behind);
        Ok(House { hand, sites, service, issuer: pair, tokens: BTreeMap::new() })
    }

    /// Makes this access when it is due, and takes the answer to its end. Tells its status.
    pub(super) async fn ask(&mut self, access: &Access) -> Result<StatusCode, DemoError> {
        let fault = |error: &dyn std::fmt::Display| DemoError::because(&access.target, error);
        self.hand.turn(access.at_ms);
        let mut request = Request::builder().method("GET").uri(&access.target);
        if let Some(caller) = &access.caller {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token(caller)));
        }
        if !access.purpose.is_empty() {
            request = request.header("purpose-of-use", access.purpose);
        }
        let mut request = request.body(Full::<Bytes>::default()).map_err(|error| fault(&error))?;
        request.extensions_mut().insert(PeerAddress(access.from));
        let response = match self.service.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (head, body) = response.into_parts();
        body.collect().await.map_err(|error| fault(&error))?;
        // The ending has the time of its writing: it is there before the clock is turned to the next access.
        self.sites.log.settled().await.map_err(|error| fault(&error))?;
        // Every caller here has a token of the issuer that the settings name: who is not known is the filler's own fault.
        let unknown = access.caller.is_some() && head.status == StatusCode::UNAUTHORIZED;
        match head.status.is_server_error() || unknown {
            true => Err(fault(&format!("status {}", head.status))),
            false => Ok(head.status),
        }
    }

    /// Ends: what was handed over is written and signed.
    pub(super) fn close(self) {
        // The service holds the gate, and the gate the log: gone before it is closed.
        drop(self.service);
        self.sites.log.close();
    }

    fn token(&mut self, caller: &Caller) -> String {
        let now_s = self.hand.at_ms() / 1000;
        if let Some((token, until_s)) = self.tokens.get(caller.sub)
            && *until_s > now_s + 60
        {
            return token.clone();
        }
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": caller.sub, "iat": now_s, "exp": now_s + VALID_S,
        });
        if let Some(members) = claims.as_object_mut() {
            match caller.organization {
                Some(organization) => drop(members.insert("org".into(), organization.into())),
                None => drop(members.insert("roles".into(), caller.roles.into())),
            }
        }
        let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"EdDSA","kid":"demo","typ":"JWT"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.issuer.sign(signed.as_bytes()).as_ref()));
        self.tokens.insert(caller.sub, (token.clone(), now_s + VALID_S));
        token
    }
}

/// Writes all but the keys.
fn furnish(org: Org, home: &Path, public: &[u8]) -> std::io::Result<()> {
    let policy = home.join("policy");
    fs::create_dir_all(&policy)?;
    fs::write(policy.join("policy.toml"), org.policy())?;
    fs::write(policy.join("catalogue.toml"), org.catalogue())?;
    let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "demo",
        "x": URL_SAFE_NO_PAD.encode(public)});
    fs::write(home.join("issuer.jwks.json"), json!({"keys": [key]}).to_string())?;
    fs::write(home.join("sekisho.toml"), settings(org))
}

/// The settings; whoever serves by them has to name his own backend and issuer.
fn settings(org: Org) -> String {
    let mut roles: Vec<&str> = people::habits(org).iter().flat_map(|habit| habit.caller.roles).copied().collect();
    roles.extend(super::odd::ODD.iter().filter(|odd| odd.org == org).flat_map(|odd| odd.caller.roles));
    roles.sort_unstable();
    roles.dedup();
    let roles: Vec<String> = roles.iter().map(|role| format!("{role} = \"{role}\"")).collect();
    format!(
        "# Made by `sekisho demo --fill`. The people are synthetic, the log, the registry and the keys are real ones.\n\
         # Nothing listens behind `upstream`, and the issuer's secret half is gone: name your own to serve by them.\n\
         node = \"{org}-1\"\n\n\
         [gate]\nlisten = \"127.0.0.1:8443\"\n\n[admin]\nlisten = \"127.0.0.1:9464\"\n\n\
         [data]\ndirectory = \".\"\nkeys = \"keys\"\n\n\
         [audit]\nsegment-bytes = 16777216\ndisk-bytes-max = 1073741824\nreserve-bytes = 1048576\n\n\
         [[site]]\nhost = \"*\"\npath = \"/\"\npolicy = \"policy\"\nupstream = \"http://127.0.0.1:9000\"\n\n\
         [[issuer]]\nid = \"{ISSUER}\"\njwks = \"issuer.jwks.json\"\naudience = [\"{AUDIENCE}\"]\n\
         algorithms = [\"EdDSA\"]\ntypes = [\"JWT\"]\n\
         claims = {{ caller = \"/sub\", organization = \"/org\", roles = \"/roles\" }}\n\n\
         [issuer.may-assert]\nroles = {{ {roles} }}\norganizations = \"*\"\n",
        org = org.id(),
        roles = roles.join(", "),
    )
}

/// Where everybody's requests come from: addresses that are reserved for documentation (RFC 5737).
pub(super) fn address(caller: Option<&Caller>, number: u8) -> SocketAddr {
    match caller {
        Some(caller) if caller.organization.is_none() => SocketAddr::from(([192, 0, 2, number], 443)),
        Some(_) => SocketAddr::from(([198, 51, 100, number], 443)),
        None => SocketAddr::from(([203, 0, 113, number], 443)),
    }
}

/// The sample API behind the gate, at the time of the clock.
#[derive(Clone)]
struct Behind {
    sample: Arc<Sample>,
    hand: Hand,
}

impl Service<Request<ForwardBody>> for Behind {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ForwardBody>) -> Self::Future {
        let target = request.uri();
        let answer = self.sample.respond(request.method().as_str(), target.path(), target.query(), b"");
        let body = match self.has_new_member() {
            true => with_new_member(answer.body),
            false => answer.body,
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if !answer.content_type.is_empty() {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        }
        std::future::ready(Ok(response))
    }
}

impl Behind {
    fn has_new_member(&self) -> bool {
        let today = calendar::date(self.hand.at_ms()).map(|date| date.to_string()).unwrap_or_default();
        self.sample.org() == NEW_MEMBER.org && NEW_MEMBER.days.contains(&today.as_str())
    }
}

/// The answer with a further member in each record, as after a release of the backend that nobody announced.
fn with_new_member(body: Vec<u8>) -> Vec<u8> {
    let Ok(mut document) = serde_json::from_slice::<Value>(&body) else { return body };
    let add = |record: &mut Value| {
        if let Some(members) = record.as_object_mut().filter(|members| members.contains_key("name")) {
            members.insert(NEW_MEMBER.name.to_owned(), "linked".into());
        }
    };
    match document.get_mut("items").and_then(Value::as_array_mut) {
        Some(items) => items.iter_mut().for_each(add),
        None => add(&mut document),
    }
    document.to_string().into_bytes()
}
