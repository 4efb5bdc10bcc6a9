//! The registry from outside: what is entered holds at the next call, and what cannot be read is never taken for empty.

mod damage;
mod effect;
mod entries;
mod model;
mod policy;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::tz::TimeZone;
use sekisho::policy::{Moment, Vocabulary, instant};
use sekisho::registry::{Change, End, Entry, Options, Registry, RegistryError};

/// A folder of its own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sekisho-registry-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("registry.sqlite")
    }

    /// Opens the registry there, making it on first use.
    pub(crate) fn open(&self) -> Registry {
        open(&self.file(), true).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn open(path: &Path, create: bool) -> Result<Registry, RegistryError> {
    let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
    Registry::open(path, &vocabulary, &tokyo(), Options { create, ..Options::default() })
}

pub(crate) fn tokyo() -> TimeZone {
    TimeZone::get("Asia/Tokyo").unwrap()
}

pub(crate) fn at(text: &str) -> Moment {
    instant(text).unwrap()
}

/// 2026-11-22, nine in the morning in Tokyo.
pub(crate) const NOW: Moment = 1_795_305_600_000;

pub(crate) fn entry(line: &str) -> Entry {
    let (kind, words) = line.split_once(' ').unwrap_or((line, ""));
    Entry::parse(kind, words.split_whitespace()).map_err(|mistakes| mistakes.to_string()).unwrap()
}

pub(crate) fn add(registry: &Registry, line: &str) -> Change {
    registry.add(&entry(line), &[], "officer", NOW).unwrap()
}

pub(crate) fn end(registry: &Registry, line: &str) -> Vec<Change> {
    let (kind, words) = line.split_once(' ').unwrap_or((line, ""));
    let end = End::parse(kind, words.split_whitespace()).map_err(|mistakes| mistakes.to_string()).unwrap();
    registry.end(&end, "officer", NOW).unwrap()
}

/// The message of a refusal.
pub(crate) fn refusal<T>(result: Result<T, RegistryError>) -> String {
    match result {
        Err(RegistryError::Refused(mistakes)) => mistakes.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("not refused"),
    }
}
