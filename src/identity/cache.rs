//! Was this very token verified before, and does that still count?
//!
//! Keyed by SHA-256 of the whole token, so that the cache holds no credential. What it returns is only that the
//! signature and the claims held *then*, under one generation of the issuer's keys; whoever asks checks the rest now.
//!
//! Promise: at most as many entries as it was made for, whatever the number of tokens. Only verified tokens get in.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use super::caller::Caller;

/// A verified token.
pub(super) struct Verified {
    pub(super) caller: Arc<Caller>,
    /// The issuer, by its place in the settings.
    pub(super) issuer: usize,
    /// The generation of the issuer's keys that it was verified with.
    pub(super) generation: u64,
    /// Valid from this second, leeway included.
    pub(super) from_s: i64,
    /// Valid until before this second, leeway included.
    pub(super) until_s: i64,
    /// Fingerprint of issuer and `sub`, for revocation.
    pub(super) subject: [u8; 32],
}

/// SHA-256 of a token.
pub(super) type TokenHash = [u8; 32];

type Shard = HashMap<TokenHash, Arc<Verified>, BuildHasherDefault<FirstBytes>>;

/// Spreads the lock over requests on several cores.
const SHARDS: usize = 16;

pub(super) struct TokenCache {
    /// Each guards the tokens whose last hash byte falls on it.
    shards: [RwLock<Shard>; SHARDS],
    entries_max_per_shard: usize,
}

impl TokenCache {
    /// A cache of at most `entries_max` tokens (rounded down to a multiple of 16). 0 remembers nothing.
    pub(super) fn new(entries_max: usize) -> TokenCache {
        TokenCache { shards: std::array::from_fn(|_| RwLock::default()), entries_max_per_shard: entries_max / SHARDS }
    }

    pub(super) fn get(&self, token: &TokenHash) -> Option<Arc<Verified>> {
        let shard = self.shard(token)?.read().unwrap_or_else(PoisonError::into_inner);
        shard.get(token).cloned()
    }

    pub(super) fn remove(&self, token: &TokenHash) {
        if let Some(shard) = self.shard(token) {
            shard.write().unwrap_or_else(PoisonError::into_inner).remove(token);
        }
    }

    /// Remembers `verified`; when full, forgets what has expired at `now_s`, else any other entry.
    pub(super) fn insert(&self, token: TokenHash, verified: Arc<Verified>, now_s: i64) {
        let Some(shard) = self.shard(&token).filter(|_| self.entries_max_per_shard > 0) else { return };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= self.entries_max_per_shard && !shard.contains_key(&token) {
            shard.retain(|_, entry| now_s < entry.until_s);
            while shard.len() >= self.entries_max_per_shard {
                let Some(any) = shard.keys().next().copied() else { break };
                shard.remove(&any);
            }
        }
        shard.insert(token, verified);
    }

    /// How many tokens are remembered.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, token: &TokenHash) -> Option<&RwLock<Shard>> {
        let [.., last] = token;
        self.shards.get(usize::from(*last) % SHARDS)
    }
}

/// The key is a SHA-256 already, and only tokens that an issuer signed are stored: its first bytes are hash enough.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk::<8>() {
            // An array hashes its length first, with `write_usize`, which lands here as well: the last write counts.
            self.0 = u64::from_le_bytes(*first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(until_s: i64) -> Arc<Verified> {
        let caller = Caller {
            issuer: Arc::from("i"),
            id: "c".to_owned(),
            organization: None,
            roles: Vec::new(),
            identity_verified: false,
            training_until: None,
            purposes: None,
            certificate_sha256: None,
            token_id: None,
            auth_time_s: None,
            expires_s: until_s,
            dropped_claims: 0,
        };
        Arc::new(Verified { caller: Arc::new(caller), issuer: 0, generation: 1, from_s: 0, until_s, subject: [0; 32] })
    }

    fn hash(number: u16) -> TokenHash {
        super::super::cnf::sha256(&number.to_be_bytes())
    }

    /// A flood of valid tokens must not grow the process.
    #[test]
    fn the_cache_never_exceeds_its_size() {
        let cache = TokenCache::new(64);
        for number in 0..5000 {
            cache.insert(hash(number), verified(100), 0);
            assert!(cache.get(&hash(number)).is_some());
            assert!(cache.len() <= 64);
        }
    }

    #[test]
    fn what_has_expired_makes_room_first() {
        let cache = TokenCache::new(16);
        let same_shard: Vec<u16> = (0..2000).filter(|n| hash(*n).last().is_some_and(|b| b % 16 == 3)).take(2).collect();
        let [old, new] = same_shard.as_slice() else { unreachable!("two of two thousand") };
        cache.insert(hash(*old), verified(10), 0);
        cache.insert(hash(*new), verified(100), 10);
        assert!(cache.get(&hash(*old)).is_none());
        assert!(cache.get(&hash(*new)).is_some());
    }

    #[test]
    fn a_cache_of_nothing_holds_nothing() {
        let cache = TokenCache::new(0);
        cache.insert(hash(1), verified(100), 0);
        assert_eq!(cache.len(), 0);
    }
}
