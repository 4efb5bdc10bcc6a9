//! Makes keys, key sets and tokens, well-formed and otherwise. Tests choose the time: [`NOW_S`].

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sekisho::identity::{
    AuthError, Authenticator, Caller, ClaimPointers, IssuerDraft, IssuerSettings, MayAssert, RefreshTiming,
};
use serde_json::{Value, json};

pub(super) const NOW_S: i64 = 1_800_000_000;
pub(super) const ISSUER: &str = "https://idp.example";
pub(super) const AUDIENCE: &str = "https://gate.example";

pub(crate) enum Signer {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// Keys of the issuer under test, made once a run.
pub(crate) static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
pub(super) static EC: LazyLock<Signer> = LazyLock::new(Signer::ec);
pub(super) static ED: LazyLock<Signer> = LazyLock::new(|| Signer::Ed(Ed25519KeyPair::generate().unwrap()));
/// A key of nobody's set.
pub(crate) static STRANGER: LazyLock<Signer> = LazyLock::new(Signer::rsa);

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(crate) fn rsa() -> Signer {
        Signer::rsa_of(KeySize::Rsa2048)
    }

    pub(super) fn rsa_of(size: KeySize) -> Signer {
        Signer::Rsa(RsaKeyPair::generate(size).unwrap())
    }

    pub(super) fn ec() -> Signer {
        Signer::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// The public key, without `alg` and `use`.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match self {
            Signer::Rsa(pair) => {
                let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "kid": kid, "n": b64(parts.n), "e": b64(parts.e)})
            }
            Signer::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": b64(&point[1..33]), "y": b64(&point[33..])})
            }
            Signer::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(pair.public_key())}),
        }
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Rsa(pair) => {
                let padding: &'static dyn signature::RsaEncoding =
                    if algorithm == "PS256" { &signature::RSA_PSS_SHA256 } else { &signature::RSA_PKCS1_SHA256 };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut out).unwrap();
                out
            }
            Signer::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Signer::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Signs whatever text it is given.
    pub(super) fn token_of_text(&self, algorithm: &str, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", b64(header), b64(payload));
        let signature = self.sign(algorithm, message.as_bytes());
        format!("{message}.{}", b64(signature))
    }

    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let algorithm = header["alg"].as_str().unwrap_or("RS256");
        self.token_of_text(algorithm, &header.to_string(), &claims.to_string())
    }
}

/// The header and claims of a token that is accepted.
pub(super) fn good() -> (Value, Value) {
    let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "r1"});
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u-1", "jti": "t-1",
        "exp": NOW_S + 600, "nbf": NOW_S - 600, "iat": NOW_S - 600,
    });
    (header, claims)
}

/// A token that is accepted, with `extra` claims put in (null takes one out).
pub(super) fn token_with(extra: &Value) -> String {
    let (header, mut claims) = good();
    put(&mut claims, extra);
    RSA.token(&header, &claims)
}

pub(crate) fn put(object: &mut Value, extra: &Value) {
    for (name, value) in extra.as_object().unwrap() {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
            value => drop(object.as_object_mut().unwrap().insert(name.clone(), value.clone())),
        }
    }
}

pub(super) fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// A file that goes away with the test.
pub(super) struct TempFile(pub(super) PathBuf);

impl TempFile {
    pub(super) fn new(text: impl AsRef<[u8]>) -> TempFile {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sekisho-identity-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let file = TempFile(path);
        file.set_mode(0o600);
        file
    }

    pub(super) fn set_mode(&self, mode: u32) {
        std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn write(&self, text: impl AsRef<[u8]>) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An issuer with all four algorithms, believed in nothing.
pub(super) fn draft(jwks: &str) -> IssuerDraft {
    IssuerDraft {
        id: ISSUER.to_owned(),
        jwks: jwks.to_owned(),
        audience: vec!["other".to_owned(), AUDIENCE.to_owned()],
        algorithms: ["RS256", "PS256", "ES256", "EdDSA"].map(str::to_owned).to_vec(),
        claims: ClaimPointers::default(),
        may_assert: MayAssert::default(),
        ..IssuerDraft::default()
    }
}

/// The issuer's usual keys: `r1`, `e1`, `d1`.
pub(super) fn usual_keys() -> String {
    key_set(&[RSA.jwk("r1"), EC.jwk("e1"), ED.jwk("d1")])
}

/// A gate that reads its keys from a file, with the draft as `edit` leaves it.
pub(super) struct Gate {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) file: TempFile,
}

impl Gate {
    pub(super) fn new(keys: &str, edit: impl FnOnce(&mut IssuerDraft)) -> Gate {
        let file = TempFile::new(keys);
        let mut draft = draft(file.0.to_str().unwrap());
        edit(&mut draft);
        let authenticator = authenticator(vec![draft], RefreshTiming::default());
        Gate { authenticator, file }
    }

    pub(super) fn usual() -> Gate {
        Gate::new(&usual_keys(), |_| {})
    }

    pub(super) fn ask(&self, token: &str) -> Result<Arc<Caller>, AuthError> {
        self.ask_at(token, NOW_S)
    }

    pub(super) fn ask_at(&self, token: &str, now_s: i64) -> Result<Arc<Caller>, AuthError> {
        self.authenticator.authenticate(&bearer(token), None, now_s)
    }

    /// The refusal; a caller is a failure of the test.
    pub(super) fn refusal(&self, token: &str) -> Option<AuthError> {
        self.ask(token).err()
    }

    /// The caller; a refusal is a failure of the test.
    pub(super) fn caller(&self, token: &str) -> Arc<Caller> {
        self.ask(token).unwrap_or_else(|error| panic!("refused: {error}"))
    }
}

pub(super) fn authenticator(drafts: Vec<IssuerDraft>, timing: RefreshTiming) -> Arc<Authenticator> {
    let settings = drafts.into_iter().map(|draft| IssuerSettings::new(draft).unwrap_or_else(|f| panic!("{f:?}")));
    Arc::new(Authenticator::new(settings.collect(), timing, 1024).unwrap_or_else(|faults| panic!("{faults:?}")))
}

pub(super) fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())])
}
