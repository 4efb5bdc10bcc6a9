//! Where are the documents of an organisation? In its folder: `policy.toml`, `revisions/*.toml`, `cases.toml`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::policy::{Faults, Revisions, Source, Vocabulary, load};

/// Why an organisation's documents could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// A file could not be read.
    Read(String),
    /// The documents have faults.
    Faults(Faults),
}

/// Loads an organisation's policy with all its revisions. `folder` is `policy/<org>`, or one `.toml` file.
///
/// # Errors
/// The file that cannot be read, or every fault of every document.
pub fn revisions(folder: &Path) -> Result<Revisions, LoadError> {
    let vocabulary = Arc::new(Vocabulary::compiled_in().map_err(LoadError::Faults)?);
    load(sources(folder)?, &vocabulary).map_err(LoadError::Faults)
}

/// The policy documents of a folder: `policy.toml` and `revisions/*.toml`.
///
/// # Errors
/// The file that cannot be read.
pub fn sources(folder: &Path) -> Result<Vec<Source>, LoadError> {
    if folder.is_file() {
        return Ok(vec![source(folder)?]);
    }
    let mut sources = vec![source(&folder.join("policy.toml"))?];
    let older = folder.join("revisions");
    if older.is_dir() {
        let entries = fs::read_dir(&older).map_err(|e| LoadError::Read(format!("{}: {e}", older.display())))?;
        let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "toml")) {
            sources.push(source(path)?);
        }
    }
    Ok(sources)
}

/// One document.
///
/// # Errors
/// The file that cannot be read.
pub fn source(path: &Path) -> Result<Source, LoadError> {
    let text = fs::read_to_string(path).map_err(|e| LoadError::Read(format!("{}: {e}", path.display())))?;
    Ok(Source::new(path.display().to_string(), text))
}
