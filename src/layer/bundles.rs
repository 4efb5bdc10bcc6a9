//! How many Bundles of requests may be under way at once?
//!
//! Each holds its answers until the last has come (up to 16 MiB), and of a transaction every entry has its beginning in the log
//! while it waits. So a site does [`ALL_MAX`] at a time, and of one caller [`CALLER_MAX`]: a quarter, so that a single one leaves
//! room for others, however slow the backend is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// At most so many of a site.
const ALL_MAX: usize = 64;
/// At most so many of a caller.
const CALLER_MAX: usize = 16;

/// Those under way at a site.
#[derive(Default)]
pub(super) struct Bundles(Mutex<UnderWay>);

#[derive(Default)]
struct UnderWay {
    all: usize,
    by_caller: HashMap<Key, usize>,
}

/// Issuer and caller.
type Key = (Arc<str>, String);

/// Why one does not begin.
#[derive(Debug, PartialEq)]
pub(super) enum Busy {
    /// With others of the same caller.
    Caller,
    /// With those of all callers.
    Site,
}

/// A place among them, given back when it is dropped.
pub(super) struct Place {
    of: Arc<Bundles>,
    key: Key,
}

impl Bundles {
    /// A place for one more of this caller.
    ///
    /// # Errors
    /// There is none: nothing was counted.
    pub(super) fn enter(self: &Arc<Self>, issuer: &Arc<str>, caller: &str) -> Result<Place, Busy> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(issuer), caller.to_owned());
        let his = under_way.by_caller.get(&key).copied().unwrap_or(0);
        if his >= CALLER_MAX {
            return Err(Busy::Caller);
        }
        if under_way.all >= ALL_MAX {
            return Err(Busy::Site);
        }
        under_way.all += 1;
        under_way.by_caller.insert(key.clone(), his + 1);
        Ok(Place { of: Arc::clone(self), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.all = under_way.all.saturating_sub(1);
        let his = under_way.by_caller.get(&self.key).copied().unwrap_or(0);
        if his > 1 {
            under_way.by_caller.insert(self.key.clone(), his - 1);
        } else {
            under_way.by_caller.remove(&self.key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "test")]
mod tests {
    use super::{ALL_MAX, Bundles, Busy, CALLER_MAX, Place};
    use std::sync::Arc;

    #[test]
    fn no_caller_takes_the_room_of_others_and_all_together_have_an_end() {
        let bundles = Arc::new(Bundles::default());
        let enter = |issuer: &str, id: usize| bundles.enter(&issuer.into(), &format!("c-{id}"));
        let mut places: Vec<Place> = (0..CALLER_MAX).filter_map(|_| enter("a", 1).ok()).collect();
        assert_eq!(places.len(), CALLER_MAX);
        assert_eq!(enter("a", 1).err(), Some(Busy::Caller));
        // The same id of another issuer is another caller.
        places.push(enter("b", 1).expect("another caller"));
        places.extend((0..ALL_MAX - CALLER_MAX - 1).filter_map(|n| enter("a", 2 + n % 4).ok()));
        assert_eq!(places.len(), ALL_MAX);
        assert_eq!(enter("a", 9).err(), Some(Busy::Site));
        places.pop();
        places.push(enter("a", 9).expect("a place that was given back"));
        places.clear();
        let under_way = bundles.0.lock().unwrap();
        assert!(under_way.all == 0 && under_way.by_caller.is_empty(), "what has ended is counted no more");
    }
}
