//! Is there room for the log, and what is done with segments that were left? Every few minutes, beside the requests.
//!
//! What was left is packed, and what is older than it must be kept is removed ([`crate::audit::Log::tidy`]); how much room is
//! taken is measured. From a share of it on (`alarm-percent`) the gate says so, in its own messages once and in readiness
//! as long as it lasts: before the log is full and everything is 503. None of it is a reason not to be ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::audit::{Log, Room};

/// How often.
const EVERY: Duration = Duration::from_secs(60);

/// Tends the files of the log.
pub(super) struct Keeper {
    log: Log,
    alarm_percent: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How much is taken, where that is worth an alarm.
    scarce: Option<String>,
    /// Why the last round did not end well.
    failed: Option<String>,
}

impl Keeper {
    pub(super) fn new(log: Log, alarm_percent: u64) -> Keeper {
        Keeper { log, alarm_percent, state: Mutex::default() }
    }

    /// Round after round, until the end.
    pub(super) async fn run(self: Arc<Self>, ended: CancellationToken) {
        loop {
            let keeper = Arc::clone(&self);
            // A panic in it was told where it happened; the next round begins anew.
            drop(tokio::task::spawn_blocking(move || keeper.round()).await);
            tokio::select! {
                () = ended.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// What an operator should know.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<&str> = [&state.scarce, &state.failed].into_iter().flatten().map(String::as_str).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    fn round(&self) {
        let failed = match self.log.tidy() {
            Ok(kept) => {
                if kept.packed > 0 || kept.removed > 0 {
                    tracing::info!(kept.packed, kept.removed, kept.saved_bytes, "segments of the log were tidied");
                }
                None
            }
            Err(error) => Some(format!("segments of the log could not be packed or removed: {error}")),
        };
        let scarce = match self.log.room() {
            Ok(room) => {
                measure(&room);
                scarce(&room, self.alarm_percent)
            }
            Err(error) => Some(format!("the room of the log could not be told: {error}")),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failed) = failed.as_ref().filter(|_| state.failed.is_none()) {
            tracing::error!("{failed}");
        }
        if let Some(scarce) = scarce.as_ref().filter(|_| state.scarce.is_none()) {
            tracing::warn!("{scarce}");
        }
        *state = State { scarce, failed };
    }
}

fn measure(room: &Room) {
    let gauge = |name: &'static str, bytes: u64| metrics::gauge!(name).set(as_float(bytes));
    gauge("sekisho_log_bytes", room.used_bytes);
    gauge("sekisho_log_bytes_max", room.bytes_max);
    if let Some(free_bytes) = room.free_bytes {
        gauge("sekisho_log_disk_free_bytes", free_bytes);
    }
}

/// What is said from that share on.
fn scarce(room: &Room, alarm_percent: u64) -> Option<String> {
    let taken = room.taken_percent();
    (taken >= alarm_percent).then(|| {
        let left = room.bytes_max.saturating_sub(room.used_bytes);
        let (left, limit) = match room.free_bytes {
            Some(free_bytes) if free_bytes < left => (free_bytes, "the disk"),
            Some(_) | None => (left, "`audit.disk-bytes-max`"),
        };
        format!(
            "the log has {taken} % of its room, {} MiB are left within {limit}; full, the gate answers 503: give it more, \
             or move the oldest segments away",
            left >> 20
        )
    })
}

/// Exact up to 2^53 bytes, which no disk has.
#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_names_what_ends_first() {
        let room = |used_bytes, free_bytes| Room { used_bytes, bytes_max: 100 << 20, free_bytes };
        assert_eq!(scarce(&room(79 << 20, None), 80), None);
        let said = scarce(&room(80 << 20, Some(1 << 40)), 80).unwrap();
        assert!(said.contains("80 %") && said.contains("20 MiB") && said.contains("disk-bytes-max"), "{said}");
        let said = scarce(&room(10 << 20, Some(1 << 20)), 80).unwrap();
        assert!(said.contains("90 %") && said.contains("1 MiB are left within the disk"), "{said}");
        assert_eq!(room(0, Some(0)).taken_percent(), 100, "a disk without room");
    }
}
