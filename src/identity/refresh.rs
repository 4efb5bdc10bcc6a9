//! When are an issuer's keys fetched again?
//!
//! One task per remote issuer: at start, then every [`RefreshTiming::interval`], sooner after a failure (with growing
//! pauses), and on demand when a token names a key that is not there. No request ever waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Authenticator, Issuer};

/// How often keys are fetched. The defaults are what the documentation promises; tests use shorter ones.
#[derive(Clone, Copy, Debug)]
pub struct RefreshTiming {
    /// Between two refreshes when nothing happens.
    pub interval: Duration,
    /// At least between the beginnings of two refreshes that tokens asked for.
    pub on_demand_gap: Duration,
    /// After the first failure; doubled with each further one.
    pub retry_first: Duration,
    /// The longest pause after failures.
    pub retry_longest: Duration,
    /// For one fetch, from connecting to the last byte.
    pub deadline: Duration,
    /// How long an unknown key is remembered, in seconds of the clock that requests are judged by.
    pub unknown_key_s: i64,
}

impl Default for RefreshTiming {
    fn default() -> Self {
        RefreshTiming {
            interval: Duration::from_secs(300),
            on_demand_gap: Duration::from_secs(5),
            retry_first: Duration::from_secs(1),
            retry_longest: Duration::from_secs(60),
            deadline: Duration::from_secs(5),
            unknown_key_s: 60,
        }
    }
}

/// The running refreshes; dropping it ends them.
#[must_use = "dropping it ends the refreshes"]
pub struct RefreshTasks(Vec<JoinHandle<()>>);

impl Drop for RefreshTasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Authenticator {
    /// Starts fetching the key sets of every remote issuer. To be called once, inside a tokio runtime with time and
    /// network; until then, and until the first set arrives, its tokens get [`AuthError::KeysPending`].
    ///
    /// [`AuthError::KeysPending`]: super::AuthError::KeysPending
    pub fn start_refresh(self: &Arc<Self>) -> RefreshTasks {
        let remote = self.issuers.iter().enumerate().filter(|(_, issuer)| issuer.fetcher.is_some());
        RefreshTasks(remote.map(|(place, _)| tokio::spawn(keep_fresh(Arc::clone(self), place))).collect())
    }
}

async fn keep_fresh(authenticator: Arc<Authenticator>, place: usize) {
    let Some(issuer) = authenticator.issuers.get(place) else { return };
    let timing = authenticator.timing;
    let mut failures: u32 = 0;
    loop {
        let begun = Instant::now();
        failures = if refresh_once(issuer, &timing).await { 0 } else { failures.saturating_add(1) };
        let pause = pause_after(failures, &timing);
        let demanded = async {
            issuer.keys.wake.notified().await;
            sleep_until(begun + timing.on_demand_gap).await;
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = demanded => {}
        }
    }
}

fn pause_after(failures: u32, timing: &RefreshTiming) -> Duration {
    match failures.checked_sub(1) {
        None => timing.interval,
        Some(doublings) => {
            timing.retry_first.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(timing.retry_longest)
        }
    }
}

/// Answers whether a set arrived and is in force.
async fn refresh_once(issuer: &Issuer, timing: &RefreshTiming) -> bool {
    let Some(fetcher) = &issuer.fetcher else { return false };
    let refresh = issuer.keys.begin();
    let text = match fetcher.fetch(timing.deadline).await {
        Ok(text) => text,
        Err(error) => {
            tracing::warn!(issuer = %issuer.name, %error, "key set not refreshed");
            return false;
        }
    };
    match issuer.keys.install(&text, &issuer.settings.algorithms) {
        Ok(differs) => {
            issuer.keys.succeeded(refresh);
            if differs {
                issuer.log_new_set();
            }
            true
        }
        Err(error) => {
            tracing::warn!(issuer = %issuer.name, %error, "key set not refreshed");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An issuer that is down must not be hammered, nor forgotten.
    #[test]
    fn pauses_grow_to_a_limit() {
        let timing = RefreshTiming::default();
        let pauses: Vec<u64> = [0, 1, 2, 3, 7, 40, u32::MAX].map(|n| pause_after(n, &timing).as_secs()).to_vec();
        assert_eq!(pauses, [300, 1, 2, 4, 60, 60, 60]);
    }
}
