//! Which tokens and people are shut out before their tokens run out?
//!
//! The list is set whole and consulted on every request, also for tokens that are remembered as verified.
//! It keeps fingerprints, not names.

use std::collections::HashSet;

use sha2::Digest as _;

/// Tokens (`jti`) and subjects (`sub`) that are refused, each together with its issuer.
#[derive(Clone, Default)]
pub struct RevocationList {
    tokens: HashSet<[u8; 32]>,
    subjects: HashSet<[u8; 32]>,
}

impl RevocationList {
    /// Refuses the token of that `jti`.
    pub fn revoke_token(&mut self, issuer: &str, token_id: &str) {
        self.tokens.insert(fingerprint(issuer, token_id));
    }

    /// Refuses every token whose `sub` is `subject`.
    pub fn revoke_subject(&mut self, issuer: &str, subject: &str) {
        self.subjects.insert(fingerprint(issuer, subject));
    }

    /// Is nothing revoked?
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.subjects.is_empty()
    }

    pub(super) fn names(&self, token: Option<&[u8; 32]>, subject: &[u8; 32]) -> bool {
        token.is_some_and(|token| self.tokens.contains(token)) || self.subjects.contains(subject)
    }
}

/// SHA-256 of the issuer and a name of its own. The length of the issuer goes first, so that no two pairs run together.
pub(super) fn fingerprint(issuer: &str, name: &str) -> [u8; 32] {
    let mut hash = sha2::Sha256::new();
    hash.update(u64::try_from(issuer.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(issuer);
    hash.update(name);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same name at two issuers is two people.
    #[test]
    fn a_fingerprint_keeps_issuers_apart() {
        assert_ne!(fingerprint("a", "bc"), fingerprint("ab", "c"));
        let mut list = RevocationList::default();
        list.revoke_subject("a", "s");
        list.revoke_token("a", "t");
        assert!(list.names(None, &fingerprint("a", "s")));
        assert!(!list.names(None, &fingerprint("b", "s")));
        assert!(list.names(Some(&fingerprint("a", "t")), &fingerprint("a", "x")));
        assert!(!list.names(Some(&fingerprint("a", "s")), &fingerprint("a", "t")));
    }
}
