//! Which sign-ins at the provider were begun here, and in which browser?
//!
//! Each is good once, for ten minutes, and only in the browser that began it: else somebody could be signed in, by a link
//! that he was given, as somebody else. Kept in memory under hashes, as sessions are.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::console::ConsoleError;
use crate::console::session::random;

/// What was sent to the provider, or is kept until its answer.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Begun {
    /// Found again in the token (OpenID Connect Core section 3.1.2.1).
    pub(super) nonce: String,
    /// Shows at the exchange that it is asked for by who began (RFC 7636).
    pub(super) verifier: String,
    /// Where he wanted to go.
    pub(super) next: String,
}

/// Those that wait for the provider's answer, by their `state`.
#[derive(Default)]
pub(super) struct Begins(Mutex<HashMap<[u8; 32], Waiting>>);

struct Waiting {
    browser: [u8; 32],
    begun: Begun,
    since_ms: u64,
}

impl Begins {
    /// Begins one in the browser that has this cookie; its `state` and itself. The oldest goes where there are too many.
    pub(super) fn begin(&self, browser: &str, next: String, now_ms: u64) -> Result<(String, Begun), ConsoleError> {
        let (state, begun) = (random()?, Begun { nonce: random()?, verifier: random()?, next });
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, one| now_ms.saturating_sub(one.since_ms) < WAIT_MS);
        if waiting.len() >= WAITING_MAX {
            let oldest = waiting.iter().min_by_key(|(_, one)| one.since_ms).map(|(key, _)| *key);
            oldest.map(|key| waiting.remove(&key));
        }
        waiting.insert(key(&state), Waiting { browser: key(browser), begun: begun.clone(), since_ms: now_ms });
        Ok((state, begun))
    }

    /// The one of this `state`, if it was begun in this browser and is not over. It is not there a second time.
    pub(super) fn take(&self, browser: &str, state: &str, now_ms: u64) -> Option<Begun> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = waiting.get(&key(state)).filter(|one| one.browser == key(browser))?;
        let is_over = now_ms.saturating_sub(one.since_ms) >= WAIT_MS;
        let one = waiting.remove(&key(state))?;
        if is_over { None } else { Some(one.begun) }
    }
}

fn key(word: &str) -> [u8; 32] {
    Sha256::digest(word.as_bytes()).into()
}

const WAIT_MS: u64 = 10 * 60_000;
const WAITING_MAX: usize = 4096;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_good_once_in_its_browser_and_for_ten_minutes() {
        let begins = Begins::default();
        let begin = |now_ms| begins.begin("mine", "/".to_owned(), now_ms).unwrap();
        let (state, begun) = begin(0);
        assert!(begins.take("another", &state, 1).is_none() && begins.take("mine", "", 1).is_none());
        assert!(begins.take("mine", &state, 1) == Some(begun));
        assert!(begins.take("mine", &state, 1).is_none(), "once");
        let (first, _) = begin(0);
        let (second, _) = begin(1);
        assert!(begins.take("mine", &first, WAIT_MS).is_none(), "over");
        assert!(begins.take("mine", &second, WAIT_MS).is_some(), "a second page of the same browser");
        let (early, _) = begin(0);
        for _ in 0..WAITING_MAX {
            begin(1);
        }
        assert!(begins.take("mine", &early, 2).is_none(), "the oldest made room");
        assert_eq!(begins.0.lock().unwrap().len(), WAITING_MAX);
    }
}
