//! What does a pseudonym stand for that cannot be opened by itself? A table keeps it, sealed.
//!
//! A DICOM UID has to be digits and dots, a short text has 16 letters, an id may be longer than a sealed one can be: such a
//! pseudonym is a keyed hash, and what it stands for lies in a [`TokenTable`] beside it, sealed under the key of its context
//! and bound to its pseudonym. Who holds the table without the keys learns nothing; who holds another context's keys, too.
//!
//! Order: [`TokenTable::keep`] while a body is cut, [`TokenTable::settled`] before the bytes that carry the pseudonym leave.

use std::pin::Pin;

use crate::catalogue::dicomweb::is_uid;

use super::packing::encode;
use super::{EpochKeys, ID_BYTES_MAX, Pseudonyms, is_safe_segment};

/// Keeps, for each pseudonym that cannot be opened by itself, what it stands for.
pub trait TokenTable: Send + Sync {
    /// Whether this pseudonym is known to be kept, durably: nothing has to be done about it. "Cannot tell" is no.
    fn has(&self, token: &str) -> bool;

    /// Keeps what a pseudonym stands for. Returns at once; durable when what [`TokenTable::settled`] answers afterwards is.
    fn keep(&self, token: &str, epoch: u32, sealed: Vec<u8>);

    /// Resolves once all that was kept before this call is durable. `None`: it is.
    fn settled(&self) -> Option<Settling>;

    /// What is kept of a pseudonym.
    ///
    /// # Errors
    /// [`Unkept`] if that cannot be told.
    fn find(&self, token: &str) -> Result<Option<Vec<u8>>, Unkept>;
}

/// Until what was kept is durable.
pub type Settling = Pin<Box<dyn Future<Output = Result<(), Unkept>> + Send>>;

/// The table cannot be read or written: nothing that rests on it may leave, and nothing can be told from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unkept;

/// What stands before the digits: a UID made from 128 bits (ISO/IEC 9834-8, PS3.5 annex B.2).
const UID_ROOT: &str = "2.25.";
const SHORT_LETTERS: usize = 16;
const LONG_LETTERS: usize = 43;
const AAD: &[u8] = b"sekisho token 1";

impl Pseudonyms {
    /// The pseudonym of an id that does not fit a sealed one; two-way where there is a table.
    pub(super) fn long_token(&self, id: &str) -> Option<String> {
        let token = encode(&self.newest.mac(b"id", id.as_bytes())?)?;
        self.keep(token, id)
    }

    pub(super) fn uid_token(&self, uid: &str) -> Option<String> {
        if !is_uid(uid) {
            return None;
        }
        let mac = self.newest.mac(b"uid", uid.as_bytes())?;
        let mut bytes: [u8; 16] = *mac.first_chunk()?;
        // RFC 9562: version 8 (custom), variant 10, as the number is to be that of a UUID.
        bytes[6] = bytes[6] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        self.keep(format!("{UID_ROOT}{}", u128::from_be_bytes(bytes)), uid)
    }

    pub(super) fn short_token(&self, value: &str) -> Option<String> {
        if value.is_empty() || value.len() > ID_BYTES_MAX {
            return None;
        }
        let mac = self.newest.mac(b"short", value.as_bytes())?;
        self.keep(encode(mac.first_chunk::<12>()?)?, value)
    }

    fn keep(&self, token: String, original: &str) -> Option<String> {
        if let Some(tokens) = self.tokens.as_deref().filter(|tokens| !tokens.has(&token)) {
            let sealed = self.newest.siv().encrypt([AAD, token.as_bytes()], original.as_bytes()).ok()?;
            tokens.keep(&token, self.epoch, sealed);
        }
        Some(token)
    }

    /// What a pseudonym of this context stands for, as far as the table knows.
    pub(super) fn look_up(&self, token: &str) -> Result<Option<String>, Unkept> {
        let Some(tokens) = self.tokens.as_deref().filter(|_| is_token(token)) else { return Ok(None) };
        let Some(sealed) = tokens.find(token)? else { return Ok(None) };
        let open = |keys: &EpochKeys| keys.siv().decrypt([AAD, token.as_bytes()], &sealed).ok();
        let opened = std::iter::once(&self.newest).chain(&self.accepted).find_map(open);
        Ok(opened.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|id| is_safe_segment(id)))
    }
}

/// Whether a text can be a pseudonym that the table knows.
fn is_token(text: &str) -> bool {
    let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    let uid = text.starts_with(UID_ROOT) && is_uid(text);
    uid || matches!(text.len(), SHORT_LETTERS | LONG_LETTERS) && text.bytes().all(letters)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use super::super::{MasterKey, Pseudonymiser, Receiver};
    use super::*;

    #[derive(Default)]
    struct Table(Mutex<HashMap<String, Vec<u8>>>);

    impl TokenTable for Table {
        fn has(&self, token: &str) -> bool {
            self.0.lock().unwrap().contains_key(token)
        }
        fn keep(&self, token: &str, _: u32, sealed: Vec<u8>) {
            assert!(self.0.lock().unwrap().insert(token.to_owned(), sealed).is_none(), "kept twice");
        }
        fn settled(&self) -> Option<Settling> {
            None
        }
        fn find(&self, token: &str) -> Result<Option<Vec<u8>>, Unkept> {
            Ok(self.0.lock().unwrap().get(token).cloned())
        }
    }

    fn of(table: &Arc<Table>, organisation: &str, epoch: u32, also: &[u32]) -> Pseudonyms {
        let receiver = Receiver::Organisation(organisation);
        let table: Arc<dyn TokenTable> = table.clone();
        Pseudonyms::new(&MasterKey::new([7; 32]), receiver, "research", epoch, also).unwrap().with_tokens(Some(table))
    }

    const UID: &str = "1.2.840.113619.2.55.3.604688119.971.1387282013.450";

    #[test]
    fn a_uid_becomes_another_that_leads_back_in_its_context_alone() {
        let table = Arc::default();
        let mine = of(&table, "univ-a", 1, &[]);
        let made = mine.uid(UID).unwrap();
        assert!(made.starts_with("2.25.") && is_uid(&made), "{made}");
        assert_eq!(mine.uid(UID).unwrap(), made, "the same each time, and kept once");
        assert_eq!(mine.original(&made).unwrap().as_deref(), Some(UID));
        let other = of(&table, "univ-b", 1, &[]);
        assert_ne!(other.uid(UID).unwrap(), made);
        assert_eq!(other.original(&made).unwrap(), None);
        assert_eq!(mine.original(UID).unwrap(), None, "an original is no pseudonym");
        assert!(mine.uid("1.2.x").is_none() && mine.uid("").is_none());
    }

    #[test]
    fn an_older_epoch_opens_while_it_is_accepted() {
        let table = Arc::default();
        let old = of(&table, "univ-a", 1, &[]).uid(UID).unwrap();
        assert_eq!(of(&table, "univ-a", 2, &[1]).original(&old).unwrap().as_deref(), Some(UID));
        assert_eq!(of(&table, "univ-a", 2, &[]).original(&old).unwrap(), None);
        assert_ne!(of(&table, "univ-a", 2, &[1]).uid(UID).unwrap(), old);
    }

    #[test]
    fn a_long_id_and_a_short_text_lead_back_too() {
        let table = Arc::default();
        let mine = of(&table, "univ-a", 1, &[]);
        let long = "山田太郎-".repeat(9);
        assert_eq!(mine.original(&mine.id(&long).unwrap()).unwrap().unwrap(), long);
        let short = mine.short("A-2026/11").unwrap();
        assert_eq!(short.len(), 16);
        assert_eq!(mine.original(&short).unwrap(), None, "what could leave its path segment does not open");
        assert_eq!(mine.original(&mine.short("A-2026-11").unwrap()).unwrap().unwrap(), "A-2026-11");
    }

    #[test]
    fn a_row_that_was_put_elsewhere_does_not_open() {
        let table: Arc<Table> = Arc::default();
        let mine = of(&table, "univ-a", 1, &[]);
        let (one, two) = (mine.uid("1.2.3").unwrap(), mine.uid("1.2.4").unwrap());
        let sealed = table.0.lock().unwrap().remove(&one).unwrap();
        table.0.lock().unwrap().insert(two.clone(), sealed);
        assert_eq!(mine.original(&two).unwrap(), None);
    }

    #[test]
    fn without_a_table_a_uid_is_still_the_same_and_does_not_open() {
        let receiver = Receiver::Organisation("univ-a");
        let alone = Pseudonyms::new(&MasterKey::new([7; 32]), receiver, "research", 1, &[]).unwrap();
        let made = alone.uid(UID).unwrap();
        assert_eq!(made, of(&Arc::default(), "univ-a", 1, &[]).uid(UID).unwrap());
        assert_eq!(alone.original(&made).unwrap(), None);
    }
}
