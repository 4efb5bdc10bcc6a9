//! Which logs are there?

use crate::audit::{first_of, segments};
use crate::store::{Directory, Disk};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The logs that are indexed, by name: `gate`, `registry`, `reveal` …
#[derive(Clone)]
pub enum Logs {
    /// Every folder in this one (`DATA/log`), also those that come later. A folder that holds segments itself, as that
    /// of a demo's organisation, is one log, `gate`.
    Folder(PathBuf),
    /// These.
    Given(BTreeMap<String, Arc<dyn Disk>>),
}

impl Logs {
    /// Those that are there now.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn now(&self) -> io::Result<BTreeMap<String, Arc<dyn Disk>>> {
        let folder = match self {
            Logs::Given(given) => return Ok(given.clone()),
            Logs::Folder(folder) => folder,
        };
        let mut logs: BTreeMap<String, Arc<dyn Disk>> = BTreeMap::new();
        let own = Directory::open_to_read(folder)?;
        if !segments(&own)?.is_empty() {
            logs.insert("gate".to_owned(), Arc::new(own));
            return Ok(logs);
        }
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_dir() {
                logs.insert(name, Arc::new(Directory::open_to_read(&entry.path())?));
            }
        }
        Ok(logs)
    }
}

/// About how many records a log holds: the names of its segments tell all but the newest's, whose size tells these.
pub(super) fn estimate(disk: &dyn Disk, bytes_a_record: u64) -> io::Result<u64> {
    let segments = segments(disk)?;
    let (Some(oldest), Some(newest)) = (segments.first(), segments.last()) else { return Ok(0) };
    let first = |name: &str| first_of(name).unwrap_or(1);
    let before = first(&newest.name).saturating_sub(first(&oldest.name));
    Ok(before + (newest.bytes / bytes_a_record.max(1)).max(1))
}
