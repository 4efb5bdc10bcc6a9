//! Where does a run write? In a folder of its own that goes away with it, or in an empty one that was named and stays.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{DemoError, random};

/// The folder of a run; one that nobody named is removed when this is dropped.
pub struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    /// A new folder in the system's temporary one, 0700, under a name that nobody can foresee.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn temporary() -> Result<Folder, DemoError> {
        let name = crate::policy::hex(random::<8>()?.as_slice());
        let path = std::env::temp_dir().join(format!("sekisho-demo-{name}"));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| DemoError::because(path.display(), error))?;
        Ok(Folder { path, is_temporary: true })
    }

    /// The folder that was named: made if it is not there, refused if anything lies in it.
    ///
    /// # Errors
    /// It cannot be made or read, or is not empty: what lies there may be somebody's.
    pub fn named(path: &Path) -> Result<Folder, DemoError> {
        let fault = |error| DemoError::because(path.display(), error);
        match fs::read_dir(path) {
            Ok(mut entries) => match entries.next() {
                None => {}
                Some(_) => return Err(DemoError(format!("`{}` is not empty; name an empty folder", path.display()))),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault)?;
            }
            Err(error) => return Err(fault(error)),
        }
        let path = path.canonicalize().map_err(fault)?;
        Ok(Folder { path, is_temporary: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes away at the end.
    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(folder = %self.path.display(), kind = ?error.kind(), "the temporary folder stays");
        }
    }
}
