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

/// An id is `None` where no account can have it: whatever is typed there is counted as one, and not kept.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Both(Option<String>, Option<IpAddr>),
    Address(Option<IpAddr>),
    Account(Option<String>),
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

fn keys(id: Option<&str>, address: Option<IpAddr>) -> [Key; 3] {
    // A host has a whole /64 of IPv6.
    let address = address.map(|address| match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    });
    let id = id.map(str::to_owned);
    [Key::Both(id.clone(), address), Key::Address(address), Key::Account(id)]
}

impl Tries {
    /// How many seconds from now on another is taken; `None`: now, and it is counted as wrong until [`Tries::right`].
    pub(super) fn take(&self, id: Option<&str>, address: Option<IpAddr>, now_ms: u64) -> Option<u64> {
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
        for key in keys(id, address) {
            if tries.len() >= KEYS_MAX && !tries.contains_key(&key) {
                forget(&mut tries);
            }
            tries.entry(key).or_default().push(now_ms);
        }
        None
    }

    /// The newest try was right: it, and the wrong ones before it from there, count no longer.
    pub(super) fn right(&self, id: Option<&str>, address: Option<IpAddr>) {
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

/// Makes room: of those with the fewest wrong tries the oldest goes, so that whoever fills the table with names that were
/// tried once gets none forgotten that was tried often.
fn forget(tries: &mut HashMap<Key, Vec<u64>>) {
    let least = tries.iter().min_by_key(|(_, times)| (times.len(), times.last().copied())).map(|(key, _)| key.clone());
    least.map(|key| tries.remove(&key));
}

const WINDOW_MS: u64 = 15 * 60_000;
const KEYS_MAX: usize = 30_000;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn a_guesser_is_shut_out_and_a_colleague_elsewhere_is_not() {
        let tries = Tries::default();
        let (guesser, colleague) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        for _ in 0..5 {
            assert_eq!(tries.take(Some("po-abe"), guesser, 0), None);
        }
        assert_eq!(tries.take(Some("po-abe"), guesser, 1000), Some(899));
        assert_eq!(tries.take(Some("po-abe"), colleague, 1000), None);
        tries.right(Some("po-abe"), colleague);
        assert_eq!(tries.take(Some("po-abe"), guesser, WINDOW_MS), None, "later he may again");
        for other in 0..19 {
            assert_eq!(tries.take(Some(&format!("x{other}")), guesser, WINDOW_MS), None);
        }
        assert!(tries.take(Some("x19"), guesser, WINDOW_MS).is_some(), "any account, from one address");
    }

    #[test]
    fn whoever_is_right_each_time_is_never_shut_out() {
        let tries = Tries::default();
        for _ in 0..100 {
            assert_eq!(tries.take(Some("po-abe"), None, 0), None);
            tries.right(Some("po-abe"), None);
        }
    }

    #[test]
    fn a_table_full_of_names_shuts_nobody_out_and_forgets_no_guessing() {
        let tries = Tries::default();
        let host = |number: u32| Some(IpAddr::from(number.to_be_bytes()));
        for number in 0..50 {
            assert_eq!(tries.take(Some("po-abe"), host(number), 0), None);
        }
        // Three rows each: well beyond what the table holds.
        for number in 50..12_000 {
            assert_eq!(tries.take(Some(&format!("x{number}")), host(number), 1), None);
        }
        assert!(tries.0.lock().unwrap().len() <= KEYS_MAX);
        assert!(tries.take(Some("po-abe"), host(20_000), 2).is_some(), "guessed fifty times, and known still");
        assert_eq!(tries.take(Some("mika"), host(20_001), 2), None, "a colleague comes in");
    }

    #[test]
    fn names_that_nobody_has_are_one_row() {
        let tries = Tries::default();
        for _ in 0..5 {
            assert_eq!(tries.take(None, None, 0), None);
        }
        assert!(tries.take(None, None, 0).is_some());
        assert_eq!(tries.0.lock().unwrap().len(), 3);
    }
}
