//! What is committed when, and who is told of it? The thread that writes: what gathers meanwhile is its next batch.

use std::collections::HashSet;
use std::sync::PoisonError;

use rusqlite::{Connection, ErrorCode, params};
use tokio::sync::oneshot;

use super::{Row, Shared, State, TokensFailed};

/// The most tokens of one commit.
const BATCH_MAX: usize = 8192;
/// The most tokens that wait while none can be written, some 200 bytes each.
const QUEUE_MAX: usize = 262_144;

/// The writer: what has gathered, one commit after another, until the table is closed and nothing is left.
pub(super) fn write(shared: &Shared, mut connection: Connection) {
    loop {
        let (batch, waiting) = {
            let mut state = shared.lock();
            while !state.is_to_commit() && !state.closing {
                state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if !state.is_to_commit() {
                return;
            }
            let size = state.queue.len().min(BATCH_MAX);
            let batch: Vec<Row> = state.queue.drain(..size).collect();
            state.committing = true;
            // Who waits for more than fits waits for the next batch.
            let waiting = if state.queue.is_empty() { std::mem::take(&mut state.waiting) } else { Vec::new() };
            (batch, waiting)
        };
        let outcome = commit(&mut connection, &batch);
        let told = settle(shared, batch, waiting, outcome);
        for (waiter, outcome) in told {
            let _gone = waiter.send(outcome);
        }
    }
}

impl State {
    /// Something has gathered, and not only what failed and nobody waits for.
    fn is_to_commit(&self) -> bool {
        !self.queue.is_empty() && (!self.failed || !self.waiting.is_empty())
    }
}

type Told = Vec<(oneshot::Sender<Result<(), TokensFailed>>, Result<(), TokensFailed>)>;

fn settle(
    shared: &Shared,
    batch: Vec<Row>,
    waiting: Vec<oneshot::Sender<Result<(), TokensFailed>>>,
    outcome: rusqlite::Result<()>,
) -> Told {
    let mut state = shared.lock();
    state.committing = false;
    state.failed = outcome.is_err();
    match outcome {
        Ok(()) => {
            for row in batch {
                state.pending.remove(&row.token);
                state.durable.put(row.token, ());
            }
            // Who came while this was being committed, and nothing else has gathered since, waited for this.
            let since = if state.queue.is_empty() { std::mem::take(&mut state.waiting) } else { Vec::new() };
            waiting.into_iter().chain(since).map(|waiter| (waiter, Ok(()))).collect()
        }
        Err(error) => {
            // Who kept a token of this batch may ask only later whether it is there: it stays in the queue until it is.
            // Who waits behind may wait for this batch too, and is told no.
            let full = state.queue.len() + batch.len() > QUEUE_MAX;
            state.broken = full || !passes(&error);
            if state.broken {
                (state.queue, state.pending) = (Vec::new(), HashSet::new());
            } else {
                state.queue.splice(..0, batch);
            }
            let later = std::mem::take(&mut state.waiting);
            tracing::error!(%error, lasting = state.broken, "tokens could not be kept");
            waiting.into_iter().chain(later).map(|waiter| (waiter, Err(TokensFailed))).collect()
        }
    }
}

fn commit(connection: &mut Connection, batch: &[Row]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut insert =
            transaction.prepare_cached("INSERT OR IGNORE INTO token (token, epoch, sealed) VALUES (?1, ?2, ?3)")?;
        for row in batch {
            insert.execute(params![row.token, row.epoch, row.sealed])?;
        }
    }
    transaction.commit()
}

/// Whether a fault may be over the next time: no room, or somebody holds the file.
fn passes(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
