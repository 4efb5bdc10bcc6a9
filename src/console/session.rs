//! Is this still who signed in?
//!
//! A session is 32 random bytes in a cookie of the browser and, here, what they stand for; kept in memory only, under
//! their hash, so that neither a dump nor a timing tells one. It ends when it was idle for half an hour, twelve hours
//! after it began, when its owner signs out, and with the process. Source: NIST SP 800-63B section 7.2.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::ConsoleError;
use super::person::Person;

/// Somebody's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) person: Person,
    /// What each of his forms carries.
    pub(super) token: String,
}

/// All that are open.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Open>>);

struct Open {
    session: Arc<Session>,
    since_ms: u64,
    used_ms: u64,
}

impl Open {
    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.used_ms) >= IDLE_MS || now_ms.saturating_sub(self.since_ms) >= WHOLE_MS
    }
}

impl Sessions {
    /// Begins one; what its cookie holds. The oldest goes where there are too many.
    pub(super) fn begin(&self, person: Person, now_ms: u64) -> Result<String, ConsoleError> {
        let (cookie, token) = (random()?, random()?);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, one| !one.is_over(now_ms));
        if open.len() >= OPEN_MAX {
            let oldest = open.iter().min_by_key(|(_, one)| one.used_ms).map(|(key, _)| *key);
            oldest.map(|key| open.remove(&key));
        }
        let session = Arc::new(Session { person, token });
        open.insert(key(&cookie), Open { session, since_ms: now_ms, used_ms: now_ms });
        Ok(cookie)
    }

    /// The session of this cookie, if it is open; it counts as used.
    pub(super) fn find(&self, cookie: &str, now_ms: u64) -> Option<Arc<Session>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(cookie);
        let one = open.get_mut(&key)?;
        if one.is_over(now_ms) {
            open.remove(&key);
            return None;
        }
        one.used_ms = now_ms;
        Some(Arc::clone(&one.session))
    }

    /// Ends it.
    pub(super) fn end(&self, cookie: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(cookie));
    }
}

/// 32 random bytes, base64url.
pub(super) fn random() -> Result<String, ConsoleError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| ConsoleError("the machine gives no random bytes".to_owned()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn key(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

const IDLE_MS: u64 = 30 * 60_000;
const WHOLE_MS: u64 = 12 * 3_600_000;
const OPEN_MAX: usize = 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::{IDLE_MS, OPEN_MAX, Sessions, WHOLE_MS};
    use crate::console::{Person, Role};

    fn person(id: &str) -> Person {
        Person {
            issuer: "console".into(),
            id: id.into(),
            roles: vec![Role::Viewer],
            callers: Vec::new(),
            credential: String::new(),
        }
    }

    #[test]
    fn a_session_ends_when_idle_when_old_and_when_its_owner_goes() {
        let sessions = Sessions::default();
        let cookie = sessions.begin(person("a"), 0).unwrap();
        assert!(sessions.find(&cookie, IDLE_MS - 1).is_some());
        assert!(sessions.find(&cookie, 2 * IDLE_MS - 1).is_none(), "idle");
        let cookie = sessions.begin(person("a"), 0).unwrap();
        for used in (0..WHOLE_MS).step_by(usize::try_from(IDLE_MS / 2).unwrap()) {
            assert!(sessions.find(&cookie, used).is_some());
        }
        assert!(sessions.find(&cookie, WHOLE_MS).is_none(), "old");
        let cookie = sessions.begin(person("a"), 0).unwrap();
        sessions.end(&cookie);
        assert!(sessions.find(&cookie, 0).is_none(), "signed out");
        assert!(sessions.find("", 0).is_none());
    }

    #[test]
    fn too_many_sessions_end_the_one_that_was_longest_unused() {
        let sessions = Sessions::default();
        let first = sessions.begin(person("first"), 1).unwrap();
        let second = sessions.begin(person("second"), 2).unwrap();
        for _ in 2..OPEN_MAX {
            sessions.begin(person("more"), 3).unwrap();
        }
        assert!(sessions.find(&first, 4).is_some());
        sessions.begin(person("one too many"), 5).unwrap();
        assert!(sessions.find(&second, 5).is_none());
        assert!(sessions.find(&first, 5).is_some());
    }
}
