//! Which keys did the issuer publish, and which of them may have signed this token?
//!
//! A published set (RFC 7517) is read once, when it arrives. A key is taken up only for the algorithms that its type,
//! its own `alg` and the issuer's settings all allow, so that no token can talk a key into another algorithm:
//!
//! | `kty` | taken up | for |
//! |---|---|---|
//! | `RSA` | modulus of 2048 to 8192 bits | RS256, PS256 |
//! | `EC`  | curve P-256 | ES256 |
//! | `OKP` | curve Ed25519 | EdDSA |
//!
//! Anything else is ignored and counted: other types and curves, `use` other than `sig`, `key_ops` without `verify`,
//! symmetric keys, and keys published with their private half, which anyone may by now sign with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::cnf::sha256;
use super::strict;

/// The most keys a published set may hold.
const KEYS_MAX: usize = 64;

/// The most keys that one token's signature is tried against.
const CANDIDATES_MAX: usize = 4;

/// Members that only a private or symmetric key has. Source: RFC 7518 §6.2.2, §6.3.2, §6.4.1.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The keys of one issuer as of one moment. Never changed, only replaced.
pub(super) struct KeySet {
    /// Of the text it was read from: equal sets need no new generation.
    pub(super) digest: [u8; 32],
    /// Grows with each set that differs from the one before; given when the set comes into force.
    pub(super) generation: u64,
    keys: Vec<Key>,
    /// Published keys that were not taken up.
    pub(super) ignored: usize,
}

struct Key {
    id: Option<String>,
    /// INVARIANT: all fit the type of `key`.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Why a text is no key set; the set before it stays in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeySetFault {
    /// Not one JSON object naming each member once, with an array `keys` of objects.
    NotAKeySet,
    /// More than 64 keys.
    TooManyKeys,
}

impl std::fmt::Display for KeySetFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeySetFault::NotAKeySet => f.write_str("not a key set: expected a JSON object with an array `keys`"),
            KeySetFault::TooManyKeys => write!(f, "a key set may hold at most {KEYS_MAX} keys"),
        }
    }
}

impl std::error::Error for KeySetFault {}

/// What a set says about one token's `alg` and `kid`.
pub(super) enum Choice<'a> {
    /// Keys that may have signed it; never empty.
    Keys(Vec<&'a DecodingKey>),
    /// The key is there and may not be used with that algorithm.
    WrongAlgorithm,
    /// More keys fit than are tried.
    TooMany,
    /// No such key in this set.
    Unknown,
}

impl KeySet {
    /// Reads a published set, keeping the keys usable with `allowed`.
    ///
    /// # Errors
    /// [`KeySetFault`]. A set without a single usable key is a set: its issuer took all keys back.
    pub(super) fn parse(text: &[u8], allowed: &[Algorithm]) -> Result<KeySet, KeySetFault> {
        let document = strict::object(text).ok_or(KeySetFault::NotAKeySet)?;
        let published = document.get("keys").and_then(Value::as_array).ok_or(KeySetFault::NotAKeySet)?;
        if published.len() > KEYS_MAX {
            return Err(KeySetFault::TooManyKeys);
        }
        let mut keys = Vec::with_capacity(published.len());
        for value in published {
            let members = value.as_object().ok_or(KeySetFault::NotAKeySet)?;
            keys.extend(Key::read(members, allowed));
        }
        let ignored = published.len().saturating_sub(keys.len());
        Ok(KeySet { digest: sha256(text), generation: 0, keys, ignored })
    }

    /// The set of the demo's one shared secret.
    #[cfg(feature = "demo")]
    pub(super) fn of_demo_secret(key: DecodingKey) -> KeySet {
        let key = Key { id: None, algorithms: vec![Algorithm::HS256], key };
        KeySet { digest: [0; 32], generation: 1, keys: vec![key], ignored: 0 }
    }

    /// How many keys can be used.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that may have signed a token of that `alg` and `kid`. A token without `kid` may be signed by any key of
    /// its algorithm; all are the issuer's own.
    pub(super) fn choose(&self, algorithm: Algorithm, key_id: Option<&str>) -> Choice<'_> {
        let named = |key: &&Key| key_id.is_none() || key.id.as_deref() == key_id;
        let fitting = self.keys.iter().filter(named).filter(|key| key.algorithms.contains(&algorithm));
        let keys: Vec<&DecodingKey> = fitting.map(|key| &key.key).collect();
        match keys.len() {
            0 if key_id.is_some() && self.keys.iter().any(|key| named(&key)) => Choice::WrongAlgorithm,
            0 => Choice::Unknown,
            1..=CANDIDATES_MAX => Choice::Keys(keys),
            _ => Choice::TooMany,
        }
    }
}

impl Key {
    fn read(members: &Map<String, Value>, allowed: &[Algorithm]) -> Option<Key> {
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) || !is_for_verifying(members) {
            return None;
        }
        let (of_type, key): (&[Algorithm], DecodingKey) = match text(members, "kty")? {
            "RSA" => (&[Algorithm::RS256, Algorithm::PS256], rsa(members)?),
            "EC" => (&[Algorithm::ES256], p256(members)?),
            "OKP" => (&[Algorithm::EdDSA], ed25519(members)?),
            _ => return None,
        };
        let own = match members.get("alg") {
            None => None,
            Some(name) => Some(name.as_str()?.parse::<Algorithm>().ok()?),
        };
        let fits = |algorithm: &Algorithm| own.is_none_or(|own| own == *algorithm) && allowed.contains(algorithm);
        let algorithms: Vec<Algorithm> = of_type.iter().copied().filter(fits).collect();
        let id = match members.get("kid") {
            None => None,
            Some(id) => Some(id.as_str()?.to_owned()),
        };
        (!algorithms.is_empty()).then_some(Key { id, algorithms, key })
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}

/// Source: RFC 7517 §4.2, §4.3.
fn is_for_verifying(members: &Map<String, Value>) -> bool {
    let use_holds = members.get("use").is_none_or(|value| value == "sig");
    let operations_hold = members
        .get("key_ops")
        .is_none_or(|value| value.as_array().is_some_and(|operations| operations.iter().any(|name| name == "verify")));
    use_holds && operations_hold
}

fn bytes(members: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(members, name)?).ok()
}

fn rsa(members: &Map<String, Value>) -> Option<DecodingKey> {
    let (modulus, exponent) = (bytes(members, "n")?, bytes(members, "e")?);
    // Neither may begin with a zero octet (RFC 7518 §2, Base64urlUInt).
    let unused = usize::try_from(modulus.first().filter(|byte| **byte != 0)?.leading_zeros()).ok()?;
    let bits = modulus.len().checked_mul(8)?.checked_sub(unused)?;
    let exponent_holds = match exponent.as_slice() {
        [] | [0, ..] | [1] => false,
        [.., last] => exponent.len() <= 4 && last % 2 == 1,
    };
    let holds = (2048..=8192).contains(&bits) && exponent_holds;
    holds.then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn p256(members: &Map<String, Value>) -> Option<DecodingKey> {
    let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
    if text(members, "crv")? != "P-256" || x.len() != 32 || y.len() != 32 {
        return None;
    }
    // An uncompressed point: SEC 1 §2.3.3.
    let point: Vec<u8> = [4].into_iter().chain(x).chain(y).collect();
    Some(DecodingKey::from_ec_der(&point))
}

fn ed25519(members: &Map<String, Value>) -> Option<DecodingKey> {
    let x = bytes(members, "x")?;
    (text(members, "crv")? == "Ed25519" && x.len() == 32).then(|| DecodingKey::from_ed_der(&x))
}
