//! Where are the chains of a data folder?

use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::store::{Directory, Disk};

/// The chains of a data folder (`log/*`, the gate's own first; `log` itself where there is but one), or the one folder that
/// is given.
pub(super) fn chains(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let logs = folder.join("log");
    if !logs.is_dir() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let entries = std::fs::read_dir(&logs).map_err(|error| unreadable(&logs, &error))?;
    let mut chains: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    if chains.is_empty() {
        return Ok(vec![logs]); // the one chain of a demo's organisation
    }
    chains.sort_by_key(|path| (!path.ends_with("gate"), path.clone()));
    Ok(chains)
}

/// The gate's own chain of a data folder; another one is named by its folder.
pub(super) fn first(folder: &Path) -> Result<PathBuf, Failure> {
    Ok(chains(folder)?.into_iter().next().unwrap_or_else(|| folder.to_path_buf()))
}

pub(super) fn open(chain: &Path) -> Result<Directory, Failure> {
    Directory::open_to_read(chain).map_err(|error| unreadable(chain, &error))
}

pub(super) fn holds_nothing(disk: &Directory, chain: &Path) -> Result<bool, Failure> {
    Ok(disk.list().map_err(|error| unreadable(chain, &error))?.is_empty())
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("cannot read {}: {error}", path.display()))
}
