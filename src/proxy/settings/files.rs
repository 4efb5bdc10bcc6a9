//! May this file be believed? Only where nobody but its owner can write it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::super::error::ProxyError;

/// No text that the gate is told by is longer.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The text of a settings, policy, catalogue or certificate file.
///
/// # Errors
/// It cannot be read, is no regular file, is no UTF-8, is longer than 16 MiB, or a group or the world may write it, or
/// may put another in its place.
pub fn read(path: &Path) -> Result<String, ProxyError> {
    let mut file = File::open(path).map_err(|error| ProxyError::file(path, error))?;
    // The open file is asked, not the path: what was checked is what is read.
    let meta = file.metadata().map_err(|error| ProxyError::file(path, error))?;
    check(path, &meta, 0o022, "may be written by its group or by others; `chmod go-w` it")?;
    check_folder(path)?;
    let mut text = String::new();
    let read = Read::by_ref(&mut file).take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| ProxyError::file(path, error))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(ProxyError::file(path, "is longer than 16 MiB"));
    }
    Ok(text)
}

/// As [`read`], for a file whose owner alone may read it; the text is zeroised when it goes.
///
/// # Errors
/// As [`read`]; the group or the world may read it; somebody else owns it.
pub fn read_secret(path: &Path) -> Result<zeroize::Zeroizing<String>, ProxyError> {
    let mut file = File::open(path).map_err(|error| ProxyError::file(path, error))?;
    let meta = file.metadata().map_err(|error| ProxyError::file(path, error))?;
    check(path, &meta, 0o077, "may be read or written by its group or by others; `chmod 600` it")?;
    let owner = rustix::process::geteuid().as_raw();
    if meta.uid() != owner && meta.uid() != 0 {
        return Err(ProxyError::file(path, "belongs to another user"));
    }
    check_folder(path)?;
    let mut text = zeroize::Zeroizing::new(String::with_capacity(4096));
    let read = Read::by_ref(&mut file).take(4096).read_to_string(&mut text);
    read.map_err(|error| ProxyError::file(path, error))?;
    Ok(text)
}

/// In a folder that others may write (and that is not sticky), a file is whatever they rename to it.
fn check_folder(path: &Path) -> Result<(), ProxyError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = folder.metadata().map_err(|error| ProxyError::file(folder, error))?.permissions().mode();
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(ProxyError::file(folder, "may be written by its group or by others; `chmod go-w` it"));
    }
    Ok(())
}

fn check(path: &Path, meta: &std::fs::Metadata, forbidden: u32, why: &str) -> Result<(), ProxyError> {
    if !meta.is_file() {
        return Err(ProxyError::file(path, "is no regular file"));
    }
    if meta.permissions().mode() & forbidden != 0 {
        return Err(ProxyError::file(path, why));
    }
    Ok(())
}
