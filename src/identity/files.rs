//! May this file say whom to trust?
//!
//! Key sets and root certificates decide who gets in. A file that others than its owner may write decides nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::fetch::KEY_SET_BYTES_MAX;

/// The contents of `path`, at most [`KEY_SET_BYTES_MAX`].
///
/// # Errors
/// In words: it cannot be read, is too large, or may be written by group or others.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_checked(path).map_err(|error| format!("`{}` cannot be used: {error}", path.display()))
}

fn read_checked(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    check_owner_only(&file)?;
    let limit = u64::try_from(KEY_SET_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() > KEY_SET_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {KEY_SET_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Asked of the open file, so that nobody can put another in its place in between.
#[cfg(unix)]
fn check_owner_only(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    const WRITE_BY_OTHERS: u32 = 0o022;
    if file.metadata()?.permissions().mode() & WRITE_BY_OTHERS == 0 {
        Ok(())
    } else {
        Err(io::Error::other("group or others may write it"))
    }
}

#[cfg(not(unix))]
fn check_owner_only(_file: &File) -> io::Result<()> {
    Ok(())
}
