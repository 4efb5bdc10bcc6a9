//! Which secrets does a gate hold, and from which files?
//!
//! Three files in the keys folder, mode 0600, each one header line and one line per key:
//! ```text
//! sekisho pseudonym 1            sekisho subjects 1            sekisho audit-sign 1
//! epoch 1                        key <base64 of 64 bytes>      key <base64 of 32 bytes>   the newest first
//! accept 1                                                     retired <public key>       signs no more
//! key <base64 of 32 bytes>
//! ```
//! `pseudonym`: the master of all pseudonyms, the epoch that seals, those that still open. `subjects`: AES-256-SIV, under
//! which the access log seals whom it is about. `audit-sign`: Ed25519, by which the access log is signed; two of them while
//! one is changed for another. They are made by [`init`] and nowhere else; a file that is there is never replaced, but
//! `audit-sign` by [`rotate`] and [`retire`], whole. Keys have no `Debug` and are zeroised.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::ProxyError;
use super::settings::files;
use crate::audit::checkpoint::{PublicKey, Signer, SigningKey, key_name};
use crate::layer::PseudonymKeys;
use crate::redact::MasterKey;

/// The names of the files.
pub const FILES: [&str; 3] = ["pseudonym", "subjects", SIGN];

const SIGN: &str = "audit-sign";

/// The secrets of a gate.
pub struct Keys {
    /// Of the access log.
    pub subjects: Zeroizing<[u8; 64]>,
    pseudonyms: Pseudonyms,
    sign: SignKeys,
}

/// What `pseudonym` holds.
struct Pseudonyms {
    master: Zeroizing<[u8; 32]>,
    epoch: u32,
    accepted: Vec<u32>,
}

impl Pseudonyms {
    fn read(folder: &Path) -> Result<Pseudonyms, ProxyError> {
        let path = folder.join("pseudonym");
        let text = files::read_secret(&path)?;
        let fields = Fields::new(&path, &text, "sekisho pseudonym 1")?;
        let master = fields.key()?;
        let epochs = fields.numbers("epoch")?;
        let [epoch] = epochs.as_slice() else { return Err(fields.fault("names not one `epoch`")) };
        Ok(Pseudonyms { master, epoch: *epoch, accepted: fields.numbers("accept")? })
    }

    fn keys(&self) -> PseudonymKeys {
        PseudonymKeys { master: MasterKey::new(*self.master), epoch: self.epoch, accepted: self.accepted.clone() }
    }
}

/// The keys of pseudonyms alone, for those who look at a document and write no record.
///
/// # Errors
/// As [`Keys::read`], of that one file.
pub fn pseudonyms(folder: &Path) -> Result<PseudonymKeys, ProxyError> {
    Ok(Pseudonyms::read(folder)?.keys())
}

/// What `audit-sign` holds.
#[derive(Default)]
struct SignKeys {
    seeds: Vec<Zeroizing<[u8; 32]>>,
    retired: Vec<String>,
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
        let pseudonyms = Pseudonyms::read(folder)?;
        let path = folder.join("subjects");
        let text = files::read_secret(&path)?;
        let subjects = Fields::new(&path, &text, "sekisho subjects 1")?.key()?;
        Ok(Keys { subjects, pseudonyms, sign: SignKeys::read(folder)? })
    }

    /// Who signs one of the logs of the gate whose node is `node`.
    pub fn signer(&self, node: &str, log: &str) -> Signer {
        let keys = self.sign.seeds.iter().filter_map(SigningKey::new);
        Signer::new(node, log, keys.collect())
    }

    /// What auditors need: the public keys that sign, the newest first, then those that signed once; a line each.
    pub fn audit_keys(&self, node: &str) -> String {
        let signing = self.signer(node, "gate").public().into_iter().map(|key| key.to_string());
        signing.chain(self.sign.retired.iter().cloned()).map(|key| key + "\n").collect()
    }

    /// The keys of pseudonyms, for one site's generation.
    pub fn pseudonyms(&self) -> PseudonymKeys {
        self.pseudonyms.keys()
    }

    /// Whether the log would be sealed under the same key: it must not change while a gate runs.
    pub fn same_subjects(&self, other: &Keys) -> bool {
        *self.subjects == *other.subjects
    }
}

/// What is there already when keys are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// Records, sealed under keys that new ones could never open.
    pub records: bool,
    /// Checkpoints: a new key would sign on as if nothing had happened.
    pub signed: bool,
}

/// Makes the files with keys from the operating system's source of randomness. Where a log exists that was never
/// signed, as those of the first releases, `audit-sign` alone is made beside the others.
///
/// # Errors
/// A file is there already (nothing is written then), a log exists, or the folder cannot be written.
pub fn init(folder: &Path, made: Made) -> Result<Vec<&'static str>, ProxyError> {
    let is_there = |name: &&str| folder.join(name).symlink_metadata().is_ok();
    let missing: Vec<&str> = FILES.into_iter().filter(|name| !is_there(name)).collect();
    let only_sign = missing == [SIGN] && !made.signed;
    if !missing.is_empty() && (made.records || made.signed) && !only_sign {
        let hint = "records exist already: put their key files back, new ones cannot open them, nor sign on";
        return Err(ProxyError::file(folder, hint));
    }
    if let Some(name) = FILES.into_iter().find(|name| is_there(name)).filter(|_| !only_sign) {
        return Err(ProxyError::file(folder.join(name), "is there already; a key file is never replaced"));
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| ProxyError::file(folder, error))?;
    for name in &missing {
        let path = folder.join(name);
        match *name {
            "pseudonym" => write(&path, &secret("sekisho pseudonym 1\nepoch 1", &*random::<32>()?))?,
            "subjects" => write(&path, &secret("sekisho subjects 1", &*random::<64>()?))?,
            _ => write(&path, &SignKeys { seeds: vec![random::<32>()?], retired: Vec::new() }.text())?,
        }
    }
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| ProxyError::file(folder, error))?;
    Ok(missing)
}

/// The text of a file with one key.
fn secret(head: &str, key: &[u8]) -> Zeroizing<String> {
    let key = Zeroizing::new(STANDARD.encode(key));
    Zeroizing::new(format!("{head}\nkey {}\n", *key))
}

/// Makes a new key that signs beside the one that does: an auditor has the time until [`retire`] to take it up. Tells
/// its public half.
///
/// # Errors
/// Two keys sign already, or the file cannot be read or written.
pub fn rotate(folder: &Path, node: &str) -> Result<String, ProxyError> {
    let mut keys = SignKeys::read(folder)?;
    if keys.seeds.len() > 1 {
        let hint = "two keys sign already: `sekisho keys retire audit-sign` first";
        return Err(ProxyError::file(folder.join(SIGN), hint));
    }
    keys.seeds.insert(0, random::<32>()?);
    keys.replace(folder)?;
    let newest = keys.seeds.first().and_then(SigningKey::new).map(|key| key.public(&key_name(node)).to_string());
    newest.ok_or_else(|| ProxyError::file(folder.join(SIGN), "the new key is no key"))
}

/// Takes the older of two keys out of use; its public half stays in the file, for what it signed. Tells that half.
///
/// # Errors
/// Only one key signs, or the file cannot be read or written.
pub fn retire(folder: &Path, node: &str) -> Result<String, ProxyError> {
    let mut keys = SignKeys::read(folder)?;
    let oldest = if keys.seeds.len() > 1 { keys.seeds.pop() } else { None };
    let Some(oldest) = oldest.as_ref().and_then(SigningKey::new) else {
        let hint = "only one key signs: `sekisho keys rotate audit-sign` makes the next one first";
        return Err(ProxyError::file(folder.join(SIGN), hint));
    };
    let public = oldest.public(&key_name(node)).to_string();
    keys.retired.insert(0, public.clone());
    keys.replace(folder)?;
    Ok(public)
}

impl SignKeys {
    fn read(folder: &Path) -> Result<SignKeys, ProxyError> {
        let path = folder.join(SIGN);
        let text = files::read_secret(&path)?;
        let fields = Fields::new(&path, &text, "sekisho audit-sign 1")?;
        let seeds = fields.lines.iter().filter(|(name, _)| *name == "key").map(|(_, text)| fields.decode::<32>(text));
        let seeds: Vec<_> = seeds.collect::<Result<_, _>>()?;
        let usable = seeds.iter().all(|seed| SigningKey::new(seed).is_some());
        if !(1..=2).contains(&seeds.len()) || !usable {
            return Err(fields.fault("holds not one `key`, or two while one is changed for another"));
        }
        let retired = fields.lines.iter().filter(|(name, _)| *name == "retired").map(|(_, key)| (*key).to_owned());
        let retired: Vec<String> = retired.collect();
        if retired.iter().any(|key| key.parse::<PublicKey>().is_err()) {
            return Err(fields.fault("holds a `retired` that is no public key"));
        }
        Ok(SignKeys { seeds, retired })
    }

    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new("sekisho audit-sign 1\n".to_owned());
        for seed in &self.seeds {
            let key = Zeroizing::new(STANDARD.encode(**seed));
            text.push_str("key ");
            text.push_str(&key);
            text.push('\n');
        }
        for key in &self.retired {
            text.push_str(&format!("retired {key}\n"));
        }
        text
    }

    /// Whole or not at all: a new file takes the old one's name.
    fn replace(&self, folder: &Path) -> Result<(), ProxyError> {
        let (path, beside) = (folder.join(SIGN), folder.join("audit-sign.new"));
        let at = |error| ProxyError::file(&path, error);
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(error)),
            Ok(()) | Err(_) => write(&beside, &self.text())?,
        }
        std::fs::rename(&beside, &path).map_err(at)?;
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(at)
    }
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
                Some((name @ ("key" | "epoch" | "accept" | "retired"), value)) => fields.lines.push((name, value)),
                Some(_) | None => {
                    return Err(fields.fault("has a line that is none of `key`, `epoch`, `accept`, `retired`"));
                }
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
        self.decode(text)
    }

    fn decode<const N: usize>(&self, text: &str) -> Result<Zeroizing<[u8; N]>, ProxyError> {
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
