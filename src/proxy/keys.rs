//! Which secrets does a gate hold, and from which files?
//!
//! Two files in the keys folder, mode 0600, each one header line and one line per key:
//! ```text
//! sekisho pseudonym 1            sekisho subjects 1
//! epoch 1                        key <base64 of 64 bytes>
//! accept 1
//! key <base64 of 32 bytes>
//! ```
//! `pseudonym`: the master of all pseudonyms, the epoch that seals, those that still open. `subjects`: AES-256-SIV, under
//! which the access log seals whom it is about. They are made by [`init`] and nowhere else; a file that is there is never
//! replaced. Keys have no `Debug` and are zeroised.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::ProxyError;
use super::settings::files;
use crate::layer::PseudonymKeys;
use crate::redact::MasterKey;

/// The names of the files.
pub const FILES: [&str; 2] = ["pseudonym", "subjects"];

/// The secrets of a gate.
pub struct Keys {
    /// Of the access log.
    pub subjects: Zeroizing<[u8; 64]>,
    master: Zeroizing<[u8; 32]>,
    epoch: u32,
    accepted: Vec<u32>,
}

impl Keys {
    /// Reads the files of a folder.
    ///
    /// # Errors
    /// A file is missing, damaged, or others may read it. There is no default and nothing is made.
    pub fn read(folder: &Path) -> Result<Keys, ProxyError> {
        if let Some(missing) = FILES.iter().map(|name| folder.join(name)).find(|path| !path.exists()) {
            let hint =
                "is not there: `sekisho keys init` makes it, once; if there are records already, put its copy back";
            return Err(ProxyError::file(missing, hint));
        }
        let path = folder.join("pseudonym");
        let text = files::read_secret(&path)?;
        let pseudonym = Fields::new(&path, &text, "sekisho pseudonym 1")?;
        let master = pseudonym.key()?;
        let epochs = pseudonym.numbers("epoch")?;
        let [epoch] = epochs.as_slice() else { return Err(pseudonym.fault("names not one `epoch`")) };
        let path = folder.join("subjects");
        let text = files::read_secret(&path)?;
        let subjects = Fields::new(&path, &text, "sekisho subjects 1")?.key()?;
        Ok(Keys { subjects, master, epoch: *epoch, accepted: pseudonym.numbers("accept")? })
    }

    /// The keys of pseudonyms, for one site's generation.
    pub fn pseudonyms(&self) -> PseudonymKeys {
        PseudonymKeys { master: MasterKey::new(*self.master), epoch: self.epoch, accepted: self.accepted.clone() }
    }

    /// Whether the log would be sealed under the same key: it must not change while a gate runs.
    pub fn same_subjects(&self, other: &Keys) -> bool {
        *self.subjects == *other.subjects
    }
}

/// Makes both files with keys from the operating system's source of randomness. `log_exists` says whether records are
/// already there, sealed under a key that a new one could never open.
///
/// # Errors
/// A file is there already (nothing is written then), a log exists, or the folder cannot be written.
pub fn init(folder: &Path, log_exists: bool) -> Result<(), ProxyError> {
    let present = FILES.iter().all(|name| folder.join(name).symlink_metadata().is_ok());
    if log_exists && !present {
        return Err(ProxyError::file(
            folder,
            "records exist already: put their key files back, new ones cannot open them",
        ));
    }
    for name in FILES {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            return Err(ProxyError::file(path, "is there already; a key file is never replaced"));
        }
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| ProxyError::file(folder, error))?;
    let master = random::<32>()?;
    let subjects = random::<64>()?;
    let master = Zeroizing::new(STANDARD.encode(*master));
    let subjects = Zeroizing::new(STANDARD.encode(*subjects));
    write(&folder.join("pseudonym"), &Zeroizing::new(format!("sekisho pseudonym 1\nepoch 1\nkey {}\n", *master)))?;
    write(&folder.join("subjects"), &Zeroizing::new(format!("sekisho subjects 1\nkey {}\n", *subjects)))?;
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| ProxyError::file(folder, error))
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, ProxyError> {
    let mut bytes = Zeroizing::new([0; N]);
    let filled = aws_lc_rs::rand::fill(bytes.as_mut_slice());
    filled.map_err(|_| ProxyError::Start("the system gives no random bytes".to_owned()))?;
    Ok(bytes)
}

fn write(path: &Path, text: &str) -> Result<(), ProxyError> {
    let written = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|error| ProxyError::file(path, error))
}

/// The lines of one file.
struct Fields<'t> {
    path: &'t Path,
    lines: Vec<(&'t str, &'t str)>,
}

impl<'t> Fields<'t> {
    fn new(path: &'t Path, text: &'t str, header: &str) -> Result<Fields<'t>, ProxyError> {
        let mut lines = text.lines();
        let mut fields = Fields { path, lines: Vec::new() };
        if lines.next() != Some(header) {
            return Err(fields.fault(&format!("does not begin with `{header}`")));
        }
        for line in lines.filter(|line| !line.is_empty()) {
            match line.split_once(' ') {
                Some((name @ ("key" | "epoch" | "accept"), value)) => fields.lines.push((name, value)),
                Some(_) | None => return Err(fields.fault("has a line that is none of `key`, `epoch`, `accept`")),
            }
        }
        Ok(fields)
    }

    /// Says nothing of the contents.
    fn fault(&self, why: &str) -> ProxyError {
        ProxyError::file(self.path, why)
    }

    fn key<const N: usize>(&self) -> Result<Zeroizing<[u8; N]>, ProxyError> {
        let mut keys = self.lines.iter().filter(|(name, _)| *name == "key");
        let (Some((_, text)), None) = (keys.next(), keys.next()) else {
            return Err(self.fault("holds not one `key`"));
        };
        let bytes = STANDARD.decode(text).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| self.fault("holds a `key` that is not base64"))?;
        let mut key = Zeroizing::new([0; N]);
        if bytes.len() != N || bytes.iter().all(|byte| *byte == 0) {
            return Err(self.fault(&format!("holds a `key` that is not {N} random bytes")));
        }
        key.copy_from_slice(&bytes);
        Ok(key)
    }

    fn numbers(&self, wanted: &str) -> Result<Vec<u32>, ProxyError> {
        let numbers = self.lines.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.parse());
        numbers.collect::<Result<_, _>>().map_err(|_| self.fault(&format!("holds an `{wanted}` that is no number")))
    }
}
