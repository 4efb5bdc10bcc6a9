//! Which set of an issuer's keys holds now, and has a missing key had its chance to arrive?
//!
//! Readers take the current set in one atomic load and never wait. A token naming an unknown key is asked to come back
//! ([`AuthError::KeysPending`]) until one refresh that *began after it was first seen* has succeeded; from then on it
//! is refused ([`AuthError::UnknownKey`]) without another refresh, for as long as [`RefreshTiming::unknown_key_s`].
//! A refresh that fails settles nothing: nobody could tell, and nobody is told otherwise.
//!
//! Promise: strangers who make up key ids cause at most one fetch per [`RefreshTiming::on_demand_gap`], and fill
//! at most [`SIGHTINGS_MAX`] places. When these are full, unknown keys are asked to come back; keys that the issuer
//! does publish are found before any of this.
//!
//! [`RefreshTiming::unknown_key_s`]: super::RefreshTiming::unknown_key_s
//! [`RefreshTiming::on_demand_gap`]: super::RefreshTiming::on_demand_gap

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::{ArcSwapOption, Guard};
use jsonwebtoken::Algorithm;
use tokio::sync::Notify;

use super::cnf::sha256;
use super::error::AuthError;
use super::key_set::{KeySet, KeySetFault};

/// How many unknown key ids are remembered per issuer.
const SIGHTINGS_MAX: usize = 1024;

/// The keys of one issuer, replaced whole.
pub(super) struct IssuerKeys {
    current: ArcSwapOption<KeySet>,
    /// Guards the counts of refreshes and the unknown keys seen; also held while a new set is put in place.
    progress: Mutex<Progress>,
    /// Told when a token needs a refresh.
    pub(super) wake: Notify,
}

#[derive(Default)]
struct Progress {
    /// Refreshes begun so far.
    begun: u64,
    /// The newest refresh that succeeded, by its number; 0: none.
    succeeded: u64,
    confirmed_at: Option<Instant>,
    /// By SHA-256 of algorithm and `kid`.
    sightings: HashMap<[u8; 32], Sighting>,
}

struct Sighting {
    /// The refresh that settles it: the first to begin after it was seen.
    settled_by: u64,
    seen_s: i64,
}

impl IssuerKeys {
    /// No keys yet.
    pub(super) fn empty() -> IssuerKeys {
        IssuerKeys { current: ArcSwapOption::empty(), progress: Mutex::default(), wake: Notify::new() }
    }

    /// The set in force; none before the first was loaded.
    pub(super) fn current(&self) -> Guard<Option<Arc<KeySet>>> {
        self.current.load()
    }

    /// Puts the set that `text` publishes in force. Answers whether it differs from the one before: then every token
    /// verified until now is verified again.
    ///
    /// # Errors
    /// [`KeySetFault`]; the set before stays in force.
    pub(super) fn install(&self, text: &[u8], allowed: &[Algorithm]) -> Result<bool, KeySetFault> {
        let mut set = KeySet::parse(text, allowed)?;
        // Read before the lock is taken: requests take it too, for unknown keys.
        let mut progress = self.progress();
        progress.confirmed_at = Some(Instant::now());
        let before = self.current.load();
        let differs = before.as_ref().is_none_or(|before| before.digest != set.digest);
        if differs {
            set.generation = before.as_ref().map_or(1, |set| set.generation.saturating_add(1));
            self.current.store(Some(Arc::new(set)));
        }
        Ok(differs)
    }

    /// When the set in force was last found to be what the issuer publishes.
    pub(super) fn confirmed_at(&self) -> Option<Instant> {
        self.progress().confirmed_at
    }

    /// Puts a set that is not published in force.
    #[cfg(feature = "demo")]
    pub(super) fn install_set(&self, set: KeySet) {
        self.current.store(Some(Arc::new(set)));
    }

    /// A refresh begins; its number is for [`IssuerKeys::succeeded`].
    pub(super) fn begin(&self) -> u64 {
        let mut progress = self.progress();
        progress.begun = progress.begun.saturating_add(1);
        progress.begun
    }

    /// The refresh of that number put its set in force.
    pub(super) fn succeeded(&self, refresh: u64) {
        let mut progress = self.progress();
        progress.succeeded = progress.succeeded.max(refresh);
    }

    /// What to answer to a token whose key `absent` says is not in the set in force. Looks again after asking whether a
    /// refresh settled it, so that a key arriving in between is not refused.
    ///
    /// Returns `None` when the key is there after all.
    pub(super) fn judge_unknown(
        &self,
        algorithm: &str,
        key_id: Option<&str>,
        (now_s, remembered_s): (i64, i64),
        absent: impl Fn(&KeySet) -> bool,
    ) -> Option<AuthError> {
        let name = sha256(format!("{algorithm} {}", key_id.map_or(String::new(), |id| format!("kid {id}"))).as_bytes());
        let settled = self.progress().is_settled(name, now_s, remembered_s);
        let still_absent = self.current.load().as_ref().is_none_or(|set| absent(set));
        if !still_absent {
            return None;
        }
        if settled {
            return Some(AuthError::UnknownKey);
        }
        self.wake.notify_one();
        Some(AuthError::KeysPending)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Every change below leaves the counts whole, so that a panic elsewhere does not make them wrong.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn is_settled(&mut self, name: [u8; 32], now_s: i64, remembered_s: i64) -> bool {
        let is_recent = |sighting: &Sighting| {
            // A clock that was set back makes ages negative: forgotten as well.
            (0..remembered_s).contains(&now_s.saturating_sub(sighting.seen_s))
        };
        if let Some(sighting) = self.sightings.get(&name)
            && is_recent(sighting)
        {
            return self.succeeded >= sighting.settled_by;
        }
        self.sightings.remove(&name);
        if self.sightings.len() >= SIGHTINGS_MAX {
            self.sightings.retain(|_, sighting| is_recent(sighting));
        }
        if self.sightings.len() < SIGHTINGS_MAX {
            let settled_by = self.begun.saturating_add(1);
            self.sightings.insert(name, Sighting { settled_by, seen_s: now_s });
        }
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    fn asked(keys: &IssuerKeys, kid: &str, now_s: i64) -> Option<AuthError> {
        keys.judge_unknown("ES256", Some(kid), (now_s, 60), |_| true)
    }

    /// Key ids are made up for free; memory is not.
    #[test]
    fn made_up_keys_fill_a_bounded_space_and_make_room_when_forgotten() {
        let keys = IssuerKeys::empty();
        for number in 0..3 * SIGHTINGS_MAX {
            assert_eq!(asked(&keys, &number.to_string(), 0), Some(AuthError::KeysPending));
        }
        assert_eq!(keys.progress().sightings.len(), SIGHTINGS_MAX);
        // The space is full: a further key can only wait, however often refreshes succeed.
        keys.succeeded(keys.begin());
        assert_eq!(asked(&keys, "late", 59), Some(AuthError::KeysPending));
        assert_eq!(asked(&keys, "late", 59), Some(AuthError::KeysPending));
        assert_eq!(asked(&keys, "late", 60), Some(AuthError::KeysPending));
        assert_eq!(keys.progress().sightings.len(), 1, "what is forgotten makes room");
        keys.succeeded(keys.begin());
        assert_eq!(asked(&keys, "late", 61), Some(AuthError::UnknownKey));
    }

    /// A key that arrives between the first look and the verdict must not be refused.
    #[test]
    fn a_key_that_arrives_during_the_question_is_found() {
        let keys = IssuerKeys::empty();
        assert_eq!(asked(&keys, "k", 0), Some(AuthError::KeysPending));
        let refresh = keys.begin();
        keys.install(br#"{"keys":[]}"#, &[]).unwrap();
        keys.succeeded(refresh);
        assert_eq!(asked(&keys, "k", 0), Some(AuthError::UnknownKey));
        assert_eq!(keys.judge_unknown("ES256", Some("k"), (0, 60), |_| false), None);
    }

    /// A clock that is set back must not make a refusal last until it has caught up.
    #[test]
    fn a_refusal_does_not_survive_a_clock_set_back() {
        let keys = IssuerKeys::empty();
        asked(&keys, "k", 1000);
        keys.succeeded(keys.begin());
        assert_eq!(asked(&keys, "k", 1000), Some(AuthError::UnknownKey));
        assert_eq!(asked(&keys, "k", 10), Some(AuthError::KeysPending));
    }

    #[test]
    fn a_generation_grows_only_with_a_set_that_differs() {
        let keys = IssuerKeys::empty();
        for (text, differs, generation) in [
            (r#"{"keys":[]}"#, true, 1),
            (r#"{"keys":[]}"#, false, 1),
            (r#"{"keys":[{}]}"#, true, 2),
            (r#"{"keys":[]}"#, true, 3),
        ] {
            assert_eq!(keys.install(text.as_bytes(), &[]).unwrap(), differs);
            assert_eq!(keys.current().as_ref().unwrap().generation, generation);
        }
        assert!(keys.install(b"{}", &[]).is_err());
        assert_eq!(keys.current().as_ref().unwrap().generation, 3);
    }
}
