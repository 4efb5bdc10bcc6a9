//! How often may a password be guessed?
//!
//! Five wrong ones for an account from one address in a quarter of an hour, twenty from an address for any account, fifty
//! for an account from anywhere: so a stranger who guesses shuts himself out long before he shuts out a colleague.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// The wrong ones of late.
#[derive(Default)]
pub(super) struct Tries(Mutex<HashMap<Key, Vec<u64>>>);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Both(String, Option<IpAddr>),
    Address(Option<IpAddr>),
    Account(String),
}

impl Key {
    const fn most(&self) -> usize {
        match self {
            Key::Both(..) => 5,
            Key::Address(_) => 20,
            Key::Account(_) => 50,
        }
    }
}

fn keys(id: &str, address: Option<IpAddr>) -> [Key; 3] {
    // A host has a whole /64 of IPv6.
    let address = address.map(|address| match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    });
    [Key::Both(id.to_owned(), address), Key::Address(address), Key::Account(id.to_owned())]
}

impl Tries {
    /// How many seconds from now on another is taken; `None`: now, and it is counted as wrong until [`Tries::right`].
    pub(super) fn take(&self, id: &str, address: Option<IpAddr>, now_ms: u64) -> Option<u64> {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for times in tries.values_mut() {
            times.retain(|time| now_ms.saturating_sub(*time) < WINDOW_MS);
        }
        tries.retain(|_, times| !times.is_empty());
        let waits = keys(id, address).into_iter().filter_map(|key| {
            let times = tries.get(&key)?;
            let oldest = times.first().filter(|_| times.len() >= key.most())?;
            Some((oldest + WINDOW_MS).saturating_sub(now_ms).div_ceil(1000).max(1))
        });
        if let Some(wait) = waits.max() {
            return Some(wait);
        }
        if tries.len() >= KEYS_MAX {
            return Some(60);
        }
        for key in keys(id, address) {
            tries.entry(key).or_default().push(now_ms);
        }
        None
    }

    /// The newest try was right: it, and the wrong ones before it from there, count no longer.
    pub(super) fn right(&self, id: &str, address: Option<IpAddr>) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [both, address, account] = keys(id, address);
        tries.remove(&both);
        for key in [address, account] {
            if let Some(times) = tries.get_mut(&key) {
                times.pop();
            }
        }
    }
}

const WINDOW_MS: u64 = 15 * 60_000;
const KEYS_MAX: usize = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guesser_is_shut_out_and_a_colleague_elsewhere_is_not() {
        let tries = Tries::default();
        let (guesser, colleague) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        for _ in 0..5 {
            assert_eq!(tries.take("po-abe", guesser, 0), None);
        }
        assert_eq!(tries.take("po-abe", guesser, 1000), Some(899));
        assert_eq!(tries.take("po-abe", colleague, 1000), None);
        tries.right("po-abe", colleague);
        assert_eq!(tries.take("po-abe", guesser, WINDOW_MS), None, "later he may again");
        for other in 0..19 {
            assert_eq!(tries.take(&format!("x{other}"), guesser, WINDOW_MS), None);
        }
        assert!(tries.take("x19", guesser, WINDOW_MS).is_some(), "any account, from one address");
    }

    #[test]
    fn whoever_is_right_each_time_is_never_shut_out() {
        let tries = Tries::default();
        for _ in 0..100 {
            assert_eq!(tries.take("po-abe", None, 0), None);
            tries.right("po-abe", None);
        }
    }
}
