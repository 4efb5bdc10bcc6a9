//! The console's own accounts: who, in which roles, and what proves it.
//!
//! One file, mode 0600, TOML:
//! ```text
//! [[account]]
//! id = "po-abe"
//! roles = ["privacy-officer"]
//! callers = ["dr-abe"]              under which ids this person calls the gate
//! password = "$argon2id$v=19$…"     RFC 9106, by `sekisho console account`
//! ```
//! It is read again when it changes: an account that is taken out ends with its sessions. A file that others may read or
//! write, or that cannot be understood, is nobody's: then nobody is let in.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::console::{Person, Role};

/// Who says that somebody is who he is, where it is the console itself.
pub(in crate::console) const ISSUER: &str = "console";

/// One account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id: what its owner types, and what stands on record.
    pub id: String,
    /// What it may.
    pub roles: Vec<Role>,
    /// Under which ids its owner calls the gate.
    pub callers: Vec<String>,
    /// The hash of its password, in the format of the Password Hashing Competition.
    password: String,
}

impl Account {
    /// Somebody signed in by it.
    pub(super) fn person(&self) -> Person {
        Person {
            issuer: ISSUER.to_owned(),
            id: self.id.clone(),
            roles: self.roles.clone(),
            callers: self.callers.clone(),
            credential: self.password.clone(),
        }
    }

    /// Whether this is its password. Takes some hundredths of a second, and 19 MiB.
    pub(super) fn is_password(&self, password: &str) -> bool {
        let Ok(known) = PasswordHash::new(&self.password) else { return false };
        hasher().verify_password(normal(password).as_bytes(), &known).is_ok()
    }
}

/// The accounts of a file.
pub struct Accounts {
    path: PathBuf,
    known: Mutex<Option<(Stamp, Arc<Vec<Account>>)>>,
}

/// By what a change is seen.
type Stamp = (u64, u64, i64, i64);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    account: Vec<WrittenAccount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAccount {
    id: String,
    roles: Vec<String>,
    #[serde(default)]
    callers: Vec<String>,
    password: String,
}

impl Accounts {
    /// The accounts of this file, which need not be there.
    pub fn new(path: PathBuf) -> Accounts {
        Accounts { path, known: Mutex::default() }
    }

    /// Every one, as the file has them now. Without a file there is none.
    ///
    /// # Errors
    /// In words: it cannot be read, may be read by others, or is not written as above.
    pub fn all(&self) -> Result<Arc<Vec<Account>>, String> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(self.said(&error)),
        };
        let meta = file.metadata().map_err(|error| self.said(&error))?;
        self.check(&meta)?;
        let stamp = (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, accounts)) = known.as_ref().filter(|(before, _)| *before == stamp) {
            return Ok(Arc::clone(accounts));
        }
        let mut text = Zeroizing::new(String::new());
        let read = Read::by_ref(&mut file).take(FILE_BYTES_MAX).read_to_string(&mut text);
        let length = read.map_err(|error| self.said(&error))?;
        // A file that is cut may end between two accounts, and would be believed.
        if meta.len() > FILE_BYTES_MAX || u64::try_from(length) == Ok(FILE_BYTES_MAX) {
            return Err(self.said(&"is larger than 1 MiB"));
        }
        let accounts = Arc::new(parse(&text).map_err(|why| self.said(&why))?);
        *known = Some((stamp, Arc::clone(&accounts)));
        Ok(accounts)
    }

    fn check(&self, meta: &Metadata) -> Result<(), String> {
        if !meta.is_file() {
            return Err(self.said(&"is no regular file"));
        }
        if meta.mode() & 0o077 != 0 {
            return Err(self.said(&"may be read or written by its group or by others; `chmod 600` it"));
        }
        if meta.uid() != rustix::process::geteuid().as_raw() && meta.uid() != 0 {
            return Err(self.said(&"belongs to another user"));
        }
        Ok(())
    }

    fn said(&self, why: &dyn std::fmt::Display) -> String {
        format!("{}: {why}", self.path.display())
    }

    /// Lets somebody in.
    ///
    /// # Errors
    /// In words: there is one of that id, also where it was added just now; or the file cannot be changed.
    pub fn add(&self, account: Account) -> Result<(), String> {
        self.change(|all| match all.iter().find(|one| looks(&one.id) == looks(&account.id)) {
            Some(one) if one.id == account.id => Err(format!("there is an account `{}` already", one.id)),
            // On record one could be taken for the other.
            Some(one) => Err(format!("there is an account `{}` already, which looks like `{}`", one.id, account.id)),
            None => {
                all.push(account);
                Ok(())
            }
        })
    }

    /// Gives the account `id` another password; its sessions end.
    ///
    /// # Errors
    /// In words: there is none of that id, also where it was taken out just now; the password is not taken; or the file
    /// cannot be changed.
    pub fn set_password(&self, id: &str, password: &str) -> Result<(), String> {
        self.change(|all| {
            let one = all.iter_mut().find(|one| one.id == id).ok_or_else(|| missing(id))?;
            *one = one.with_password(password)?;
            Ok(())
        })
    }

    /// Lets the account `id` in no more; its sessions end.
    ///
    /// # Errors
    /// In words: there is none of that id, or the file cannot be changed.
    pub fn remove(&self, id: &str) -> Result<(), String> {
        self.change(|all| {
            let before = all.len();
            all.retain(|one| one.id != id);
            if all.len() < before { Ok(()) } else { Err(missing(id)) }
        })
    }

    /// What `change` makes of them is written whole, and durable, or not at all. `change` sees them as they are while nobody
    /// else changes them.
    fn change(&self, change: impl FnOnce(&mut Vec<Account>) -> Result<(), String>) -> Result<(), String> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let held = File::open(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        // Whoever else changes them waits here, so that of two additions none is lost.
        rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).map_err(|error| self.said(&error))?;
        let mut accounts = (*self.all()?).clone();
        change(&mut accounts)?;
        let text = Zeroizing::new(written(&accounts));
        let fresh = self.path.with_extension("new");
        let done = || -> std::io::Result<()> {
            // What a process that was killed left behind is no account of anybody's.
            drop(fs::remove_file(&fresh));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &self.path)?;
            held.sync_all()
        };
        done().map_err(|error| self.said(&error))
    }
}

fn missing(id: &str) -> String {
    format!("there is no account `{id}`: `sekisho console account list`")
}

fn parse(text: &str) -> Result<Vec<Account>, String> {
    let written: Written = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let mut accounts: Vec<Account> = Vec::new();
    for one in written.account {
        let role = |name: &String| Role::from_name(name).ok_or_else(|| format!("`{name}` is no role"));
        let roles = one.roles.iter().map(role).collect::<Result<Vec<_>, _>>()?;
        let id = account_id(&one.id)?;
        if accounts.iter().any(|known| known.id == id) {
            return Err(format!("`{id}` is there twice"));
        }
        if roles.is_empty() {
            return Err(format!("`{id}` has no role"));
        }
        accounts.push(Account { id, roles, callers: one.callers, password: one.password });
    }
    Ok(accounts)
}

fn written(accounts: &[Account]) -> String {
    let mut text = String::from("# Accounts of the console: `sekisho console account`.\n");
    let list = |words: Vec<&str>| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    for one in accounts {
        let roles = list(one.roles.iter().map(|role| role.name()).collect());
        let callers = list(one.callers.iter().map(String::as_str).collect());
        text.push_str(&format!(
            "\n[[account]]\nid = \"{}\"\nroles = [{roles}]\ncallers = [{callers}]\npassword = \"{}\"\n",
            one.id, one.password
        ));
    }
    text
}

/// An account's id as it is kept and compared: without blanks around it, the same however a keyboard composes its letters
/// (NFC), and such that it can be written without escapes anywhere.
///
/// # Errors
/// In words: no account has such an id.
pub fn account_id(typed: &str) -> Result<String, String> {
    // Before anything is made of it: what is typed may be long.
    let id: String = typed.trim().chars().take(ID_TYPED_MAX).nfc().collect();
    let fine = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
    if (1..=64).contains(&id.chars().count()) && id.chars().all(fine) {
        return Ok(id);
    }
    Err(format!("`{}` is not 1 to 64 letters, digits, and `-_.@`", id.escape_debug()))
}

/// What is left of an id without case and width: two that agree in it are read as the same (UAX #15, NFKC).
fn looks(id: &str) -> String {
    id.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// A new account with this password.
///
/// # Errors
/// In words: the id, the callers or the password are not taken.
pub fn account(id: &str, roles: &[Role], callers: &[String], password: &str) -> Result<Account, String> {
    let id = account_id(id)?;
    callers.iter().try_for_each(|caller| {
        let fine = !caller.is_empty()
            && caller.len() <= 256
            && !caller.contains(['"', '\\'])
            && !caller.chars().any(char::is_control);
        if fine { Ok(()) } else { Err(format!("`{}` is no caller's id that can be kept", caller.escape_debug())) }
    })?;
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    let password = hash(&id, password)?;
    Ok(Account { id, roles, callers: callers.to_vec(), password })
}

impl Account {
    fn with_password(&self, password: &str) -> Result<Account, String> {
        Ok(Account { password: hash(&self.id, password)?, ..self.clone() })
    }
}

fn hash(id: &str, password: &str) -> Result<String, String> {
    let normal = normal(password);
    if normal.chars().count() < PASSWORD_MIN || normal.len() > PASSWORD_BYTES_MAX {
        return Err(format!("a password has {PASSWORD_MIN} letters at least, and {PASSWORD_BYTES_MAX} bytes at most"));
    }
    if normal.to_lowercase().contains(&id.to_lowercase()) && normal.chars().count() < id.chars().count() + 8 {
        return Err("the password is hardly more than the id".to_owned());
    }
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| "the machine gives no random bytes".to_owned())?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| error.to_string())?;
    let hash = hasher().hash_password(normal.as_bytes(), &salt).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

/// The same letters however a keyboard composes them (NFC, as SP 800-63B section 3.1.1.2 asks).
fn normal(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfc().collect())
}

/// Argon2id with 19 MiB, two passes, one lane: what OWASP gives as the least, so that a sign-in costs a machine of this
/// size less than a request may.
fn hasher() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).unwrap_or(Params::DEFAULT);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Something that costs as much as an account's password and is nobody's.
pub(super) fn waste(password: &str) {
    let nobody = Account {
        id: String::new(),
        roles: Vec::new(),
        callers: Vec::new(),
        password: "$argon2id$v=19$m=19456,t=2,p=1$c2VraXNob3Nla2lzaG8$8xrc0q2cPWE0S1ATBLmVkRGbOeVZmvDMQp4Ppv0Vy8c"
            .to_owned(),
    };
    // Its answer is no: it is asked for the time it takes.
    let _no = nobody.is_password(password);
}

const FILE_BYTES_MAX: u64 = 1 << 20;
/// More letters than any id has, composed or not.
const ID_TYPED_MAX: usize = 256;
/// NIST SP 800-63B section 3.1.1.2 asks for 15 where a password is all there is, and for 8 beside another proof; 12 is
/// between: the console is for loopback and for colleagues, and a provider may ask for more.
pub const PASSWORD_MIN: usize = 12;
const PASSWORD_BYTES_MAX: usize = 256;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn what_is_nobodys_costs_what_somebodys_does_and_opens_nothing() {
        let nobody = PasswordHash::new(
            "$argon2id$v=19$m=19456,t=2,p=1$c2VraXNob3Nla2lzaG8$8xrc0q2cPWE0S1ATBLmVkRGbOeVZmvDMQp4Ppv0Vy8c",
        );
        assert!(nobody.is_ok(), "else no time would be spent");
        let somebody = account("po-abe", &[Role::Viewer], &[], "a long enough password").unwrap();
        let of = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(of(&somebody.password), of("$argon2id$v=19$m=19456,t=2,p=1$x"));
    }

    #[test]
    fn an_account_is_written_and_read_the_same() {
        let kept =
            account("po-abe", &[Role::Viewer, Role::PrivacyOfficer], &["dr-abe".into()], "パスワードはとても長いです")
                .unwrap();
        let read = parse(&written(std::slice::from_ref(&kept))).unwrap();
        assert!(read == [kept.clone()]);
        assert!(kept.is_password("パスワードはとても長いです"));
        // The same letters, composed otherwise.
        assert!(kept.is_password(&"パスワードはとても長いです".nfd().collect::<String>()));
        assert!(!kept.is_password("パスワードはとても長いで"));
        for wrong in ["short", "po-abe po-abe", &"x".repeat(257)] {
            assert!(kept.with_password(wrong).is_err(), "{wrong}");
        }
        assert!(account("a\"b", &[Role::Viewer], &[], "a long enough password").is_err());
        assert!(parse("[[account]]\nid = \"a\"\nroles = [\"root\"]\npassword = \"x\"").is_err());
        assert!(parse("[[account]]\nid = \"a\"\nroles = []\npassword = \"x\"").is_err());
    }
}
