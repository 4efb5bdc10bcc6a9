//! Who calls?
//!
//! [`Authenticator::authenticate`] turns a request's head, the connection's client certificate and the time into a
//! [`Caller`] or an [`AuthError`]. It is synchronous, waits for nothing, and reads no clock:
//! 1. one `Authorization` field with a bearer token                  no → [`AuthError::NoCredentials`] and kin
//! 2. verified before, under the keys in force, and still in time?   yes → 4
//! 3. issuer, algorithm, type, key, signature, audience, times       no → [`AuthError::SignatureInvalid`] and kin
//! 4. neither the token nor its subject is revoked                   no → [`AuthError::Revoked`]
//! 5. the client certificate that the token is bound to              no → [`AuthError::CertificateMismatch`] and kin
//!
//! Keys come from where the settings say and from nowhere else, in the background ([`Authenticator::start_refresh`]).
//! Keys that an issuer adds count as soon as they arrive; keys that it removes stop at once, also for tokens verified
//! earlier: a token counts only under the generation of keys that it was verified with.
//!
//! Promises: no token, no claim and no key is logged or printed; no name of a person is in an error; one issuer's key
//! never verifies another's token; what cannot be told yet is [`AuthError::KeysPending`], never a caller.
//!
//! This room knows no purposes: it hands on, as strings, those that a token grants.

mod cache;
mod caller;
mod claims;
mod cnf;
mod draft;
mod error;
mod fetch;
mod files;
mod id_token;
mod issuer_keys;
mod key_set;
mod purposes;
mod refresh;
mod revocation;
mod settings;
mod strict;
mod token;
mod verify;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;

use cache::{TokenCache, Verified};
use fetch::Fetcher;
use issuer_keys::IssuerKeys;
use settings::KeySource;

pub use caller::{Caller, PRINCIPAL};
pub use draft::{Algorithm, Allowed, ClaimPointers, IssuerDraft, LEEWAY_S_MAX, MayAssert};
pub use error::AuthError;
pub use fetch::KEY_SET_BYTES_MAX;
pub(crate) use fetch::{FetchError, Web, client_tls};
pub(crate) use id_token::{Given, IdToken};
pub use refresh::{RefreshTasks, RefreshTiming};
pub use revocation::RevocationList;
pub(crate) use settings::address;
pub use settings::{IssuerSettings, SettingsFault};
pub(crate) use strict::object as strict_object;
pub use token::TOKEN_BYTES_MAX;

/// How many verified tokens are remembered unless said otherwise.
pub const CACHED_TOKENS_MAX: usize = 16 * 1024;

/// Knows the issuers, their keys, and the tokens verified lately. One for the whole process; share it in an [`Arc`].
pub struct Authenticator {
    issuers: Vec<Issuer>,
    cache: TokenCache,
    revoked: ArcSwap<RevocationList>,
    timing: RefreshTiming,
}

/// An issuer at work. `verify` and `refresh` look inside; nobody else.
struct Issuer {
    settings: IssuerSettings,
    name: Arc<str>,
    keys: IssuerKeys,
    /// Only for a remote key set.
    fetcher: Option<Fetcher>,
}

/// Why an [`Authenticator`] cannot be built, or key files cannot be read again: what is wrong with which issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysError {
    /// The issuer's `iss`.
    pub issuer: String,
    /// In words.
    pub message: String,
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "issuer `{}`: {}", self.issuer, self.message)
    }
}

impl std::error::Error for KeysError {}

/// How an issuer's keys stand, for readiness, metrics and the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// The issuer's `iss`.
    pub issuer: String,
    /// Was a set ever loaded? Until then every token of this issuer gets a 503.
    pub loaded: bool,
    /// Grows with each set that differs from the one before; 0 before the first.
    pub generation: u64,
    /// Keys that can be used.
    pub usable: usize,
    /// Published keys that are not taken up.
    pub ignored: usize,
    /// Seconds since the set was last found to be what the issuer publishes. While it grows, a key that the issuer
    /// took back still counts.
    pub age_s: Option<u64>,
}

impl Authenticator {
    /// Reads key files and root certificates, and prepares the rest. Remembers at most `cached_tokens_max` verified
    /// tokens ([`CACHED_TOKENS_MAX`] by default).
    ///
    /// # Errors
    /// Every issuer with a fault: its file cannot be read or is no key set, or its name is used twice.
    pub fn new(
        issuers: Vec<IssuerSettings>,
        timing: RefreshTiming,
        cached_tokens_max: usize,
    ) -> Result<Authenticator, Vec<KeysError>> {
        let mut faults = Vec::new();
        let mut known: Vec<Issuer> = Vec::with_capacity(issuers.len());
        for settings in issuers {
            let issuer = settings.id.clone();
            if known.iter().any(|other| other.settings.id == issuer) {
                faults.push(KeysError { issuer, message: "is set up twice".to_owned() });
                continue;
            }
            match Issuer::new(settings) {
                Ok(ready) => known.push(ready),
                Err(message) => faults.push(KeysError { issuer, message }),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let revoked = ArcSwap::from_pointee(RevocationList::default());
        Ok(Authenticator { issuers: known, cache: TokenCache::new(cached_tokens_max), revoked, timing })
    }

    /// The caller of a request.
    ///
    /// `peer_certificate`: the client's own certificate (DER) from this connection's TLS handshake, never from a
    /// header. `now_s`: seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`AuthError`], which says the status and what the caller may know. Nothing is ever forwarded on one.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        peer_certificate: Option<&[u8]>,
        now_s: i64,
    ) -> Result<Arc<Caller>, AuthError> {
        let token = token::bearer(headers)?;
        let hash = cnf::sha256(token.as_bytes());
        let verified = match self.remembered(&hash, now_s)? {
            Some(verified) => verified,
            None => {
                let verified = Arc::new(verify::verify(&self.issuers, token, now_s, &self.timing)?);
                self.cache.insert(hash, Arc::clone(&verified), now_s);
                verified
            }
        };
        let caller = &verified.caller;
        if self.revoked.load().names(caller.token_id.as_ref(), &verified.subject) {
            return Err(AuthError::Revoked);
        }
        cnf::check_certificate(caller.certificate_sha256, peer_certificate)?;
        Ok(Arc::clone(caller))
    }

    /// Replaces the list of revoked tokens and subjects. It counts from the next request on.
    pub fn revoke(&self, list: RevocationList) {
        self.revoked.store(Arc::new(list));
    }

    /// Reads the key files again: all of them, or none. A set that differs counts from the next request on.
    ///
    /// # Errors
    /// Every issuer whose file cannot be read or is no key set; then the keys in force stay in force for all issuers.
    pub fn reload_files(&self) -> Result<(), Vec<KeysError>> {
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        for issuer in &self.issuers {
            let KeySource::File(path) = &issuer.settings.source else { continue };
            match issuer.read_file(path) {
                Ok(text) => read.push((issuer, path, text)),
                Err(message) => faults.push(KeysError { issuer: issuer.settings.id.clone(), message }),
            }
        }
        for (issuer, path, text) in read.iter().filter(|_| faults.is_empty()) {
            // Each was read as a key set above.
            issuer
                .install(path, text)
                .map_err(|message| vec![KeysError { issuer: issuer.settings.id.clone(), message }])?;
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// How each issuer's keys stand, in the order of the settings.
    pub fn key_status(&self) -> Vec<KeyStatus> {
        self.issuers.iter().map(Issuer::status).collect()
    }

    /// How many verified tokens are remembered.
    pub fn cached_tokens(&self) -> usize {
        self.cache.len()
    }

    /// The token as verified before, if that still counts.
    ///
    /// # Errors
    /// [`AuthError::Expired`], [`AuthError::NotYetValid`] (the clock was set back).
    fn remembered(&self, hash: &cache::TokenHash, now_s: i64) -> Result<Option<Arc<Verified>>, AuthError> {
        let Some(verified) = self.cache.get(hash) else { return Ok(None) };
        let keys = self.issuers.get(verified.issuer).map(|issuer| issuer.keys.current());
        let generation = keys.as_ref().and_then(|set| set.as_ref()).map(|set| set.generation);
        if generation != Some(verified.generation) {
            self.cache.remove(hash);
            return Ok(None);
        }
        if now_s >= verified.until_s {
            self.cache.remove(hash);
            return Err(AuthError::Expired);
        }
        if now_s < verified.from_s {
            return Err(AuthError::NotYetValid);
        }
        Ok(Some(verified))
    }
}

impl Issuer {
    fn new(settings: IssuerSettings) -> Result<Issuer, String> {
        let fetcher = match &settings.source {
            KeySource::Remote { uri, root } => Some(Fetcher::new(uri.clone(), root.as_deref())?),
            KeySource::File(_) => None,
            #[cfg(feature = "demo")]
            KeySource::Demo(_) => None,
        };
        let name = Arc::from(settings.id.as_str());
        let issuer = Issuer { settings, name, keys: IssuerKeys::empty(), fetcher };
        match &issuer.settings.source {
            KeySource::Remote { .. } => {}
            KeySource::File(path) => issuer.load_file(path)?,
            #[cfg(feature = "demo")]
            KeySource::Demo(key) => issuer.keys.install_set(key_set::KeySet::of_demo_secret(key.clone())),
        }
        Ok(issuer)
    }

    fn load_file(&self, path: &Path) -> Result<(), String> {
        self.install(path, &files::read(path)?)
    }

    /// A file that holds a key set.
    fn read_file(&self, path: &Path) -> Result<Vec<u8>, String> {
        let text = files::read(path)?;
        key_set::KeySet::parse(&text, &self.settings.algorithms)
            .map_err(|fault| format!("`{}` is {fault}", path.display()))?;
        Ok(text)
    }

    fn install(&self, path: &Path, text: &[u8]) -> Result<(), String> {
        let differs = self
            .keys
            .install(text, &self.settings.algorithms)
            .map_err(|fault| format!("`{}` is {fault}", path.display()))?;
        if differs {
            self.log_new_set();
        }
        Ok(())
    }

    fn status(&self) -> KeyStatus {
        let set = self.keys.current();
        let set = set.as_ref();
        KeyStatus {
            issuer: self.settings.id.clone(),
            loaded: set.is_some(),
            generation: set.map_or(0, |set| set.generation),
            usable: set.map_or(0, |set| set.len()),
            ignored: set.map_or(0, |set| set.ignored),
            age_s: self.keys.confirmed_at().map(|at| at.elapsed().as_secs()),
        }
    }

    fn log_new_set(&self) {
        let KeyStatus { issuer, loaded: _, generation, usable, ignored, age_s: _ } = self.status();
        if usable == 0 {
            tracing::warn!(%issuer, generation, ignored, "the issuer's key set holds no usable key");
        } else {
            tracing::info!(%issuer, generation, usable, ignored, "new key set in force");
        }
    }
}
