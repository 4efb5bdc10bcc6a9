//! What would be left if the power failed now? A disk for tests, on which it can fail after every single write.
//!
//! Until a flush, a write is only *pending*. [`Simulated::after_power_loss`] makes the disk that the next start would
//! find: flushed bytes as they were, pending ones by [`Loss`]. A name not made durable by a directory sync goes with
//! the file. A flush can be made a lie ([`Simulated::break_flush`], [`Simulated::break_sync`]): a test of durability
//! that still passes on such a disk proves nothing.

mod loss;

use super::{Disk, Entry, Flush, Lock, NewName, Segment, check_name};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub use loss::Loss;
use loss::{Change, Contents, Random};

/// A disk in memory. Clones are handles on the same disk.
#[derive(Clone, Default)]
pub struct Simulated(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: BTreeMap<String, Contents>,
    /// Taken away, and not yet known to be gone.
    removed: BTreeMap<String, Contents>,
    /// Gone, and still read by whoever has them open.
    gone: BTreeMap<String, Contents>,
    locked: bool,
    /// Operations that change something, so far.
    operations: u64,
    /// Once this many were done, the power is gone.
    power_lost_after: Option<u64>,
    broken_flush: Option<Flush>,
    broken_sync: Option<NewName>,
    /// Flushes and syncs left before one fails.
    good_flushes: Option<u64>,
    /// Room for file contents and reserved room together.
    room_bytes: Option<u64>,
    /// Remounted so, as file systems are when their disk fails them.
    read_only: bool,
    held: Option<Held>,
}

/// Flushes of a disk that is slow: each waits until it is let through.
#[derive(Clone)]
pub struct Held(Arc<(Mutex<Waiting>, Condvar)>);

struct Waiting {
    /// How many more go through; `None`: all.
    left: Option<u64>,
    waiting: u64,
}

impl Held {
    /// Lets so many more flushes through.
    pub fn let_through(&self, flushes: u64) {
        let mut state = self.state();
        state.left = state.left.map(|left| left + flushes);
        self.0.1.notify_all();
    }

    /// Lets all flushes through from here on.
    pub fn let_all_through(&self) {
        self.state().left = None;
        self.0.1.notify_all();
    }

    /// Returns once a flush waits.
    pub fn until_one_waits(&self) {
        drop(self.0.1.wait_while(self.state(), |state| state.waiting == 0));
    }

    fn wait(&self) {
        let mut state = self.state();
        state.waiting += 1;
        self.0.1.notify_all();
        let held = self.0.1.wait_while(state, |state| state.left == Some(0));
        let mut state = held.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state.left = state.left.map(|left| left - 1);
    }

    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulated {
    /// An empty disk with power, room and honest flushes.
    pub fn new() -> Simulated {
        Simulated::default()
    }

    /// How many changing operations were done: creations, appends, rewrites, cuts, flushes, syncs.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets this many more changing operations succeed; from then on every one fails and changes nothing.
    pub fn lose_power_after(&self, operations: u64) {
        let mut state = self.state();
        state.power_lost_after = Some(state.operations + operations);
    }

    /// The power is back, and the machine never lost it: only the writer was killed. Pending writes stay pending.
    pub fn restore_power(&self) {
        self.state().power_lost_after = None;
    }

    /// Flushes for this reason answer `Ok` and do nothing.
    pub fn break_flush(&self, why: Flush) {
        self.state().broken_flush = Some(why);
    }

    /// Directory syncs for this reason answer `Ok` and do nothing.
    pub fn break_sync(&self, why: NewName) {
        self.state().broken_sync = Some(why);
    }

    /// Lets this many more flushes succeed and then fails exactly one, as kernels do: the next one answers `Ok`.
    pub fn fail_flush_after(&self, flushes: u64) {
        self.state().good_flushes = Some(flushes);
    }

    /// Nothing can be changed any more, or it can again.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// From here on each flush waits until it is let through.
    pub fn hold_flushes(&self) -> Held {
        let waiting = Waiting { left: Some(0), waiting: 0 };
        let held = Held(Arc::new((Mutex::new(waiting), Condvar::new())));
        self.state().held = Some(held.clone());
        held
    }

    /// Room for that many bytes in all; `None` for as much as wanted.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.state().room_bytes = bytes;
    }

    /// Replaces a file as someone with access to the disk could.
    pub fn tamper(&self, name: &str, contents: &[u8]) {
        let contents = contents.to_vec();
        let whole = Contents { durable: contents.clone(), seen: contents, named: true, ..Contents::default() };
        self.state().files.insert(name.to_owned(), whole);
    }

    /// Removes a file as someone with access to the disk could.
    pub fn remove(&self, name: &str) {
        self.state().files.remove(name);
    }

    /// A file as a reader sees it now; empty if there is none.
    pub fn contents(&self, name: &str) -> Vec<u8> {
        self.state().files.get(name).map(|file| file.seen.clone()).unwrap_or_default()
    }

    /// The disk that the next start finds, if the power failed now. The same seed gives the same disk.
    pub fn after_power_loss(&self, loss: Loss, seed: u64) -> Simulated {
        let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
        let mut files = BTreeMap::new();
        let state = self.state();
        // What was removed and is not known to be gone may be back, as it was before.
        let back = state.removed.iter().filter(|(name, _)| !state.files.contains_key(*name));
        let back: Vec<_> =
            back.filter(|_| loss == Loss::Forget || (loss != Loss::Keep && random.below(2) == 0)).collect();
        for (name, file) in state.files.iter().chain(back) {
            if !file.named && (loss == Loss::Forget || (loss != Loss::Keep && random.below(2) == 0)) {
                continue;
            }
            let left = file.left(loss, &mut random);
            files.insert(
                name.clone(),
                Contents { seen: left.clone(), durable: left, named: true, ..Contents::default() },
            );
        }
        Simulated(Arc::new(Mutex::new(State { files, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts one changing operation; fails it once the power is gone.
    fn operate(&mut self) -> io::Result<()> {
        if self.power_lost_after.is_some_and(|limit| self.operations >= limit) {
            return Err(io::Error::other("the power is gone"));
        }
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.operations += 1;
        Ok(())
    }

    fn flush_fails(&mut self) -> bool {
        match &mut self.good_flushes {
            Some(0) => {
                self.good_flushes = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    /// Whether file `name` may take up `bytes`.
    fn room_for(&self, name: &str, bytes: u64) -> io::Result<()> {
        let taken = |file: &Contents| file.reserved_bytes.max(file.seen.len() as u64);
        let others: u64 = self.files.iter().filter(|(other, _)| *other != name).map(|(_, file)| taken(file)).sum();
        match self.room_bytes {
            Some(room) if others + bytes > room => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn file(&mut self, name: &str) -> io::Result<&mut Contents> {
        self.files.get_mut(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for Simulated {
    fn list(&self) -> io::Result<Vec<Entry>> {
        let entry = |(name, file): (&String, &Contents)| Entry { name: name.clone(), bytes: file.seen.len() as u64 };
        Ok(self.state().files.iter().map(entry).collect())
    }

    fn create(&self, name: &str, reserve_bytes: u64) -> io::Result<Box<dyn Segment>> {
        check_name(name)?;
        let mut state = self.state();
        if state.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.room_for(name, reserve_bytes)?;
        state.operate()?;
        state.files.insert(name.to_owned(), Contents { reserved_bytes: reserve_bytes, ..Contents::default() });
        Ok(Box::new(SimulatedSegment { disk: self.clone(), name: name.to_owned() }))
    }

    fn open(&self, name: &str, reserve_bytes: u64) -> io::Result<Box<dyn Segment>> {
        let mut state = self.state();
        let seen = state.file(name)?.seen.len() as u64;
        state.room_for(name, reserve_bytes.max(seen))?;
        state.file(name)?.reserved_bytes = reserve_bytes;
        Ok(Box::new(SimulatedSegment { disk: self.clone(), name: name.to_owned() }))
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send>> {
        self.state().file(name)?;
        let at = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(Box::new(SimulatedReader { disk: self.clone(), name: name.to_owned(), at }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let gone = state.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.removed.insert(name.to_owned(), gone);
        Ok(())
    }

    fn free_bytes(&self) -> Option<u64> {
        let state = self.state();
        let taken = |file: &Contents| file.reserved_bytes.max(file.seen.len() as u64);
        state.room_bytes.map(|room| room.saturating_sub(state.files.values().map(taken).sum()))
    }

    fn sync_directory(&self, why: NewName) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        if state.flush_fails() {
            return Err(io::Error::other("the sync failed"));
        }
        if state.broken_sync != Some(why) {
            let State { removed, gone, .. } = &mut *state;
            gone.append(removed);
            state.files.values_mut().for_each(|file| file.named = true);
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Lock>> {
        let mut state = self.state();
        if state.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locked = true;
        Ok(Box::new(SimulatedLock(self.clone())))
    }
}

struct SimulatedLock(Simulated);
impl Lock for SimulatedLock {}
impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

struct SimulatedReader {
    disk: Simulated,
    name: String,
    at: usize,
}

impl Read for SimulatedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state();
        let State { files, removed, gone, .. } = &*state;
        let file = [files, removed, gone].into_iter().find_map(|held| held.get(&self.name));
        let mut rest = file.ok_or(io::ErrorKind::NotFound)?.seen.get(self.at..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

struct SimulatedSegment {
    disk: Simulated,
    name: String,
}

impl Segment for SimulatedSegment {
    fn bytes(&self) -> u64 {
        self.disk.state().file(&self.name).map_or(0, |file| file.seen.len() as u64)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let file = state.file(&self.name)?;
        let at = file.seen.len();
        let reserved_bytes = file.reserved_bytes;
        state.room_for(&self.name, reserved_bytes.max((at + bytes.len()) as u64))?;
        state.operate()?;
        let file = state.file(&self.name)?;
        file.pending.push(Change::Write { at, bytes: bytes.to_vec() });
        file.seen.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self, why: Flush) -> io::Result<()> {
        let held = self.disk.state().held.clone();
        held.iter().for_each(Held::wait);
        let mut state = self.disk.state();
        state.operate()?;
        let fails = state.flush_fails();
        let broken = state.broken_flush == Some(why);
        let file = state.file(&self.name)?;
        if fails {
            // As on Linux: readers still see the bytes, but they count as clean and the next flush passes them over.
            file.pending.clear();
            return Err(io::Error::other("the flush failed"));
        }
        if !broken {
            let Contents { durable, pending, .. } = file;
            pending.drain(..).for_each(|change| change.apply(durable, |_| true));
        }
        Ok(())
    }

    fn rewrite(&mut self, from: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operate()?;
        let file = state.file(&self.name)?;
        let at = usize::try_from(from).unwrap_or(usize::MAX);
        let bytes = file.seen.get(at..).unwrap_or_default().to_vec();
        file.pending.push(Change::Write { at, bytes });
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operate()?;
        let file = state.file(&self.name)?;
        let to = usize::try_from(bytes).unwrap_or(usize::MAX);
        if to > file.seen.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        file.pending.push(Change::Cut { to });
        file.seen.truncate(to);
        Ok(())
    }

    fn trim(&mut self) {
        if let Ok(file) = self.disk.state().file(&self.name) {
            file.reserved_bytes = 0;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn only_flushed_bytes_under_a_synced_name_survive_forgetting() {
        let disk = Simulated::new();
        let mut file = disk.create("a", 0).unwrap();
        file.append(b"flushed").unwrap();
        file.flush(Flush::Batch).unwrap();
        assert!(disk.after_power_loss(Loss::Forget, 1).list().unwrap().is_empty(), "the name was not synced");
        disk.sync_directory(NewName::Segment).unwrap();
        file.append(b" pending").unwrap();
        assert_eq!(disk.after_power_loss(Loss::Forget, 1).contents("a"), b"flushed");
        assert_eq!(disk.after_power_loss(Loss::Keep, 1).contents("a"), b"flushed pending");
    }

    #[test]
    fn a_broken_flush_loses_what_it_promised() {
        let disk = Simulated::new();
        disk.break_flush(Flush::Batch);
        let mut file = disk.create("a", 0).unwrap();
        disk.sync_directory(NewName::Segment).unwrap();
        file.append(b"x").unwrap();
        file.flush(Flush::Batch).unwrap();
        assert_eq!(disk.after_power_loss(Loss::Forget, 1).contents("a"), b"");
    }

    #[test]
    fn without_power_nothing_changes() {
        let disk = Simulated::new();
        let mut file = disk.create("a", 0).unwrap();
        disk.lose_power_after(1);
        file.append(b"x").unwrap();
        assert!(file.append(b"y").is_err() && file.flush(Flush::Batch).is_err());
        assert_eq!(disk.contents("a"), b"x");
    }
}
