//! Everything a request is judged by: one [`Gate`] per site, one [`Generation`] per request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::bundles::Bundles;
use super::layout::Layouts;
use crate::audit::{Clock, Log, Seal};
use crate::catalogue::Catalogue;
use crate::identity::{Authenticator, Caller};
use crate::policy::Revisions;
use crate::redact::{KeySeed, Limits, MasterKey, TokenTable};
use crate::registry::Registry;

/// The keys of pseudonyms: the master, the epoch that seals, and those that still open.
pub struct PseudonymKeys {
    /// The secret that all pseudonyms come from.
    pub master: MasterKey,
    /// Seals and opens.
    pub epoch: u32,
    /// Only open.
    pub accepted: Vec<u32>,
}

/// What a reload replaces; a request keeps the one it began with.
pub struct Generation {
    /// The policy's revisions.
    pub revisions: Revisions,
    /// What the API says.
    pub catalogue: Arc<Catalogue>,
    /// The digest of the catalogue's documents, for records.
    pub catalogue_digest: String,
    /// The keys of pseudonyms.
    pub pseudonyms: PseudonymKeys,
    /// Layouts of bodies and plans, made once per route and release.
    pub(super) layouts: Layouts,
}

impl Generation {
    /// A generation of these documents.
    ///
    /// # Errors
    /// A route whose body cannot be laid out: what the catalogue says of it makes no sense.
    pub fn new(
        revisions: Revisions,
        catalogue: Catalogue,
        catalogue_digest: String,
        pseudonyms: PseudonymKeys,
        limits: Limits,
    ) -> Result<Generation, String> {
        let layouts = Layouts::new(&catalogue, limits)?;
        let catalogue = Arc::new(catalogue);
        Ok(Generation { revisions, catalogue, catalogue_digest, pseudonyms, layouts })
    }
}

/// Bounds that a site sets.
#[derive(Clone, Copy, Debug)]
pub struct GateLimits {
    /// The longest request body that is read, in bytes.
    pub request_body_bytes_max: usize,
    /// How many refusals a second a proven caller may cause before he is answered 429; ten times as many at once.
    pub refusals_per_s_max: u32,
}

impl Default for GateLimits {
    fn default() -> GateLimits {
        GateLimits { request_body_bytes_max: 1 << 20, refusals_per_s_max: 50 }
    }
}

/// Gives random bytes.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// All that one site's requests are judged by. Share it in an [`Arc`].
pub struct Gate {
    /// Policy, catalogue, keys.
    pub generation: ArcSwap<Generation>,
    /// Who calls.
    pub authenticator: Arc<Authenticator>,
    /// What is on file.
    pub registry: Arc<Registry>,
    /// The access log.
    pub log: Log,
    /// Seals subjects, reasons and references in it.
    pub seal: Arc<Seal>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub random: Random,
    /// Where the backend's own URLs begin (`http://127.0.0.1:9000`); links from there are rewritten to the gate.
    pub upstream_origin: String,
    /// What stands before the path in rewritten links: what was cut off before this gate, and the origin if it is known.
    pub public_prefix: String,
    /// Bounds.
    pub limits: GateLimits,
    /// What pseudonyms stand for that cannot be opened by themselves; `None`: those are one-way.
    pub tokens: Option<Arc<dyn TokenTable>>,
    refusals: Mutex<Refusals>,
    pub(super) bundles: Arc<Bundles>,
}

/// What a [`Gate`] is made of, besides the generation.
pub struct GateParts {
    /// See [`Gate::authenticator`].
    pub authenticator: Arc<Authenticator>,
    /// See [`Gate::registry`].
    pub registry: Arc<Registry>,
    /// See [`Gate::log`].
    pub log: Log,
    /// See [`Gate::seal`].
    pub seal: Arc<Seal>,
    /// See [`Gate::clock`].
    pub clock: Arc<dyn Clock>,
    /// See [`Gate::random`].
    pub random: Random,
    /// See [`Gate::upstream_origin`].
    pub upstream_origin: String,
    /// See [`Gate::public_prefix`].
    pub public_prefix: String,
    /// See [`Gate::limits`].
    pub limits: GateLimits,
    /// See [`Gate::tokens`].
    pub tokens: Option<Arc<dyn TokenTable>>,
}

impl Gate {
    /// A gate of these parts.
    pub fn new(generation: Generation, parts: GateParts) -> Gate {
        Gate {
            generation: ArcSwap::from_pointee(generation),
            authenticator: parts.authenticator,
            registry: parts.registry,
            log: parts.log,
            seal: parts.seal,
            clock: parts.clock,
            random: parts.random,
            upstream_origin: parts.upstream_origin,
            public_prefix: parts.public_prefix,
            limits: parts.limits,
            tokens: parts.tokens,
            refusals: Mutex::default(),
            bundles: Arc::default(),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.clock.now_ms()).unwrap_or(i64::MAX)
    }

    /// A decision's id: 32 hexadecimal digits.
    pub fn decision_id(&self) -> String {
        let mut bytes = [0; 16];
        (self.random)(&mut bytes);
        crate::policy::hex(&bytes)
    }

    /// A seed for the hashes of one body's keys.
    pub fn key_seed(&self) -> KeySeed {
        let mut bytes = [[0; 8]; 2];
        bytes.iter_mut().for_each(|half| (self.random)(half));
        KeySeed::new(bytes.map(u64::from_ne_bytes))
    }

    /// Whether this caller may still be answered with a recorded refusal at this moment; counts it.
    pub(super) fn may_be_refused(&self, caller: &Caller, now_ms: i64) -> bool {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.take(caller, now_ms, self.limits.refusals_per_s_max, 1)
    }

    /// The same of the help page, which costs as much as all refusals of a second: ten at once, then one a second.
    pub(super) fn may_be_helped(&self, caller: &Caller, now_ms: i64) -> bool {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let per_s = self.limits.refusals_per_s_max;
        refusals.take(caller, now_ms, per_s, per_s.max(1))
    }

    /// Counts a refusal before identity was proven.
    pub(super) fn stranger(&self, address: Option<IpAddr>, reason: &'static str) {
        self.log.stranger(address.unwrap_or(IpAddr::from([0, 0, 0, 0])), reason);
    }
}

/// Refusals per caller, as buckets that refill. Two generations bound what is kept: where very many callers are refused at
/// once, those longest unheard of begin anew.
#[derive(Default)]
struct Refusals {
    recent: Buckets,
    earlier: Buckets,
}

/// By issuer and caller.
type Buckets = HashMap<(Arc<str>, String), Bucket>;

#[derive(Clone, Copy)]
struct Bucket {
    /// Thousandths of a refusal.
    left: i64,
    counted_ms: i64,
}

impl Refusals {
    const RECENT_MAX: usize = 32_768;

    fn take(&mut self, caller: &Caller, now_ms: i64, per_s: u32, many: u32) -> bool {
        if self.recent.len() >= Refusals::RECENT_MAX {
            self.earlier = std::mem::take(&mut self.recent);
        }
        let full = i64::from(per_s).saturating_mul(10_000);
        let key = (Arc::clone(&caller.issuer), caller.id.clone());
        let before = self.earlier.remove(&key).unwrap_or(Bucket { left: full, counted_ms: now_ms });
        let bucket = self.recent.entry(key).or_insert(before);
        let passed = now_ms.saturating_sub(bucket.counted_ms).clamp(0, 3_600_000);
        bucket.left = bucket.left.saturating_add(passed.saturating_mul(i64::from(per_s))).min(full);
        bucket.counted_ms = now_ms;
        let cost = i64::from(many).saturating_mul(1000);
        let may = bucket.left >= cost;
        if may {
            bucket.left -= cost;
        }
        may
    }
}
