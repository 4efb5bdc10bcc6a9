//! What does a token stand for? A table that only grows, in one SQLite file, written in batches by a thread.
//!
//! ```text
//! token  token   its name
//!        epoch   a number of its maker's
//!        sealed  what it stands for, sealed by its maker
//! ```
//! Order: [`Tokens::keep`] puts a token into the queue, the thread commits what has gathered (one flush for all of it), and
//! whoever waits on [`Tokens::settled`] is told. While one batch is flushed the next gathers.
//!
//! Promises:
//! * What was kept before a [`Settled`] that resolved to `Ok` survives a loss of power.
//! * A batch that failed is failed to all who wait, also for later ones: none of them is told that his tokens are there.
//!   A full disk passes: the batch stays in the queue, and is tried again when the next one waits for it. Any other fault
//!   of the file is final until the table is opened again, and so are more than `QUEUE_MAX` tokens that wait for room.
//! * Memory is bounded whatever the table's size: of the tokens last used, [`RECENT_MAX`] are remembered, twice over.
//! * The file is 0600, as are the two that SQLite lays beside it.

mod file;
mod writer;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use file::{BUSY, as_io, connect, make, prepare};
use writer::write;

/// How many tokens are remembered of each kind before the older half is forgotten.
pub const RECENT_MAX: usize = 32_768;

/// The table cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokensFailed;

impl std::fmt::Display for TokensFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the table of tokens cannot be read or written")
    }
}

impl std::error::Error for TokensFailed {}

/// A table of tokens. One process writes it.
pub struct Tokens {
    shared: Arc<Shared>,
    reader: Mutex<Connection>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: Vec<Row>,
    /// Queued, or in the batch that is being committed.
    pending: HashSet<Box<str>>,
    waiting: Vec<oneshot::Sender<Result<(), TokensFailed>>>,
    committing: bool,
    /// The last batch failed and is back in the queue: it is tried again once somebody waits for it.
    failed: bool,
    durable: Recent<()>,
    found: Recent<Arc<[u8]>>,
    broken: bool,
    closing: bool,
}

#[derive(Clone)]
struct Row {
    token: Box<str>,
    epoch: u32,
    sealed: Vec<u8>,
}

/// The entries last used, in two halves: when the younger is full, the older is forgotten.
struct Recent<V> {
    younger: HashMap<Box<str>, V>,
    older: HashMap<Box<str>, V>,
}

impl<V> Default for Recent<V> {
    fn default() -> Recent<V> {
        Recent { younger: HashMap::new(), older: HashMap::new() }
    }
}

impl<V: Clone> Recent<V> {
    fn get(&mut self, token: &str) -> Option<V> {
        if let Some(value) = self.younger.get(token) {
            return Some(value.clone());
        }
        let (token, value) = self.older.remove_entry(token)?;
        self.put(token, value.clone());
        Some(value)
    }

    fn put(&mut self, token: Box<str>, value: V) {
        if self.younger.len() >= RECENT_MAX {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(token, value);
    }
}

/// Until what was kept is durable.
pub struct Settled(oneshot::Receiver<Result<(), TokensFailed>>);

impl Future for Settled {
    type Output = Result<(), TokensFailed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A sender that is gone told nothing: that is no "yes".
        Pin::new(&mut self.0).poll(context).map(|told| told.unwrap_or(Err(TokensFailed)))
    }
}

impl Tokens {
    /// The table in this file, which is made where it is not there.
    ///
    /// # Errors
    /// A file that others may read or write, that is no table of tokens or of a newer kind; whatever the disk answers.
    pub fn open(path: &Path) -> io::Result<Tokens> {
        Tokens::open_waiting(path, BUSY)
    }

    /// The same; `busy`: how long another process that holds the file is waited for.
    fn open_waiting(path: &Path, busy: Duration) -> io::Result<Tokens> {
        make(path)?;
        let connect = |path| connect(path, busy);
        let mut connection = connect(path).map_err(as_io)?;
        prepare(&mut connection, path)?;
        let reader = Mutex::new(connect(path).map_err(as_io)?);
        let shared = Arc::new(Shared::default());
        let writer = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("tokens".to_owned()).spawn(move || write(&shared, connection))?
        };
        Ok(Tokens { shared, reader, writer: Some(writer) })
    }

    /// Whether a token is there, durably. "Not remembered" is no.
    pub fn has(&self, token: &str) -> bool {
        self.shared.lock().durable.get(token).is_some()
    }

    /// Keeps a token; one that is there stays what it is. Returns at once.
    pub fn keep(&self, token: &str, epoch: u32, sealed: Vec<u8>) {
        let mut state = self.shared.lock();
        if state.broken || state.pending.contains(token) {
            return;
        }
        state.pending.insert(token.into());
        state.queue.push(Row { token: token.into(), epoch, sealed });
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Resolves once all that was kept before is durable; `None`: it is.
    pub fn settled(&self) -> Option<Settled> {
        let mut state = self.shared.lock();
        if state.queue.is_empty() && !state.committing && !state.broken {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        if state.broken {
            drop(sender);
        } else {
            state.waiting.push(sender);
            self.shared.wake.notify_one(); // a batch that failed waits for this
        }
        Some(Settled(receiver))
    }

    /// What a token stands for.
    ///
    /// # Errors
    /// [`TokensFailed`] if the file cannot be read.
    pub fn find(&self, token: &str) -> Result<Option<Vec<u8>>, TokensFailed> {
        if let Some(sealed) = self.shared.lock().found.get(token) {
            return Ok(Some(sealed.to_vec()));
        }
        let found: Option<Vec<u8>> = {
            let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            let mut statement =
                reader.prepare_cached("SELECT sealed FROM token WHERE token = ?1").map_err(|_| TokensFailed)?;
            statement.query_row(params![token], |row| row.get(0)).optional().map_err(|_| TokensFailed)?
        };
        if let Some(sealed) = &found {
            self.shared.lock().found.put(token.into(), sealed.as_slice().into());
        }
        Ok(found)
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder of one test's own; it goes with it.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new() -> Folder {
            static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
            let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let folder = std::env::temp_dir().join(format!("sekisho-tokens-{}-{number}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }
        fn file(&self) -> std::path::PathBuf {
            self.0.join("tokens")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn wait(tokens: &Tokens) -> Result<(), TokensFailed> {
        let Some(settled) = tokens.settled() else { return Ok(()) };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(settled)
    }

    #[test]
    fn what_was_settled_is_there_after_the_process_is_gone() {
        let folder = Folder::new();
        let tokens = Tokens::open(&folder.file()).unwrap();
        assert!(tokens.settled().is_none(), "nothing was kept");
        tokens.keep("2.25.1", 1, vec![1, 2, 3]);
        tokens.keep("2.25.1", 1, vec![9]);
        assert_eq!(wait(&tokens), Ok(()));
        assert!(tokens.has("2.25.1") && !tokens.has("2.25.2"));
        // Not closed: as if the process had been killed.
        let again = Tokens::open(&folder.file()).unwrap();
        assert_eq!(again.find("2.25.1").unwrap().unwrap(), [1, 2, 3], "the first stays");
        assert_eq!(again.find("2.25.1").unwrap().unwrap(), [1, 2, 3], "and once more from memory");
        assert!(again.find("2.25.2").unwrap().is_none());
        assert!(!again.has("2.25.1"), "what this process has not written it writes once more");
    }

    #[test]
    fn each_who_waits_is_told_however_the_batches_fall() {
        let folder = Folder::new();
        let tokens = Arc::new(Tokens::open(&folder.file()).unwrap());
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let tokens = Arc::clone(&tokens);
                std::thread::spawn(move || {
                    for number in 0..50 {
                        let token = format!("2.25.{thread}.{number}");
                        tokens.keep(&token, 1, vec![0; 32]);
                        assert_eq!(wait(&tokens), Ok(()));
                        assert!(tokens.has(&token), "told before it was durable");
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(tokens.settled().is_none());
    }

    #[test]
    fn a_batch_that_fails_is_told_to_all_and_is_not_taken_for_there() {
        let folder = Folder::new();
        let tokens = Tokens::open(&folder.file()).unwrap();
        Connection::open(folder.file()).unwrap().execute_batch("DROP TABLE token").unwrap();
        tokens.keep("2.25.1", 1, vec![1]);
        assert_eq!(wait(&tokens), Err(TokensFailed));
        assert!(!tokens.has("2.25.1"));
        assert_eq!(tokens.find("2.25.1"), Err(TokensFailed));
        tokens.keep("2.25.2", 1, vec![1]);
        assert_eq!(wait(&tokens), Err(TokensFailed), "a fault that does not pass is final");
    }

    #[test]
    fn a_token_whose_batch_failed_before_anybody_waited_for_it_is_not_taken_for_there() {
        let folder = Folder::new();
        let tokens = Tokens::open_waiting(&folder.file(), Duration::ZERO).unwrap();
        let holder = Connection::open(folder.file()).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        tokens.keep("2.25.1", 1, vec![1]);
        while !tokens.shared.lock().failed {
            std::thread::yield_now();
        }
        assert_eq!(wait(&tokens), Err(TokensFailed), "the file is still held");
        holder.execute_batch("ROLLBACK").unwrap();
        tokens.keep("2.25.1", 1, vec![1]);
        assert_eq!(wait(&tokens), Ok(()), "such a fault passes");
        assert!(tokens.has("2.25.1"));
        assert_eq!(tokens.find("2.25.1").unwrap().unwrap(), [1]);
    }

    #[test]
    fn only_a_file_of_the_owners_alone_is_taken() {
        let folder = Folder::new();
        drop(Tokens::open(&folder.file()).unwrap());
        let mode = |name: &str| fs::metadata(folder.0.join(name)).map(|data| data.permissions().mode() & 0o777);
        assert_eq!(mode("tokens").unwrap(), 0o600);
        fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Tokens::open(&folder.file()).is_err());
        fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(folder.file(), "not a database, and longer than a header of one is, so that it is looked at")
            .unwrap();
        assert!(Tokens::open(&folder.file()).is_err());
        let other = folder.0.join("other");
        let connection = Connection::open(&other).unwrap();
        connection.execute_batch("CREATE TABLE a (b)").unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Tokens::open(&other).is_err(), "another's database");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut recent = Recent::default();
        for number in 0..3 * RECENT_MAX {
            recent.put(number.to_string().into(), ());
        }
        assert!(recent.younger.len() + recent.older.len() <= 2 * RECENT_MAX);
        assert!(recent.get("0").is_none() && recent.get(&(3 * RECENT_MAX - 1).to_string()).is_some());
    }
}
