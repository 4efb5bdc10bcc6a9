//! Where are the documents of an organisation? In its folder: `policy.toml`, `revisions/*.toml`,
//! `catalogue.toml`, `cases.toml`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::decision::cases::Case;
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
        let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut paths = paths.map_err(|e| LoadError::Read(format!("{}: {e}", older.display())))?;
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

/// The conformance cases of an organisation: `cases.toml` in its folder.
///
/// # Errors
/// The file that cannot be read, or every fault of it.
pub fn cases(folder: &Path) -> Result<Vec<Case>, LoadError> {
    crate::decision::cases::read(source(&folder.join("cases.toml"))?).map_err(LoadError::Faults)
}

/// What an organisation's APIs answer: `catalogue.toml` in its folder.
///
/// # Errors
/// The file that cannot be read, or every fault of it.
pub fn catalogue(folder: &Path) -> Result<Catalogue, LoadError> {
    let vocabulary = Vocabulary::compiled_in().map_err(LoadError::Faults)?;
    Catalogue::read([source(&folder.join("catalogue.toml"))?], &vocabulary).map_err(LoadError::Faults)
}

/// The folders that a command works on: those named, else every folder under `policy` that holds a `policy.toml`.
///
/// # Errors
/// That there is none, or that `policy` cannot be read.
pub fn organisations(named: &[PathBuf]) -> Result<Vec<PathBuf>, LoadError> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let entries = fs::read_dir("policy").map_err(|e| LoadError::Read(format!("policy: {e}; name a folder")))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| LoadError::Read(format!("policy: {e}")))?.path();
        if path.join("policy.toml").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    match folders.is_empty() {
        true => Err(LoadError::Read("policy: no folder in it holds a policy.toml".to_owned())),
        false => Ok(folders),
    }
}

/// The name of an organisation's folder, for a person.
pub fn name(folder: &Path) -> String {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    resolved.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}
