//! How do a subject's id and a caller's written reason stand in the log, so that only the disclosure report reads them?
//!
//! AES-256-SIV (RFC 5297) under the key `subjects`, which the report gets and the SIEM does not; then base64url
//! without padding. Subject ids are sealed deterministically: sealing an id again gives the same text, so all records
//! of one person are found by comparing text. A note (`reason`, `reference`) is bound to its record's id instead: the
//! same words in two records look unrelated, and a note copied to another record does not open.
//!
//! What is not hidden: that two records are about the same person, and how long an id or note is.

use super::AuditError;
use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use zeroize::Zeroizing;

/// The key `subjects`. No `Debug`; its bytes are wiped when it is dropped.
pub struct Seal {
    key: Zeroizing<[u8; 64]>,
}

/// A text that only the holder of the key can read. Only [`Seal`] makes one, so that no plain id can stand in its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sealed(String);

/// Which free text of a request a sealed note holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Why the caller says that he needs it.
    Reason,
    /// The document that he refers to: a court order, a case number.
    Reference,
}

impl Seal {
    /// Takes 64 bytes from the key file; where they come from is not this room's matter.
    pub fn new(key: Zeroizing<[u8; 64]>) -> Seal {
        Seal { key }
    }

    /// Seals a subject's id. The same id gives the same text.
    ///
    /// # Errors
    /// [`AuditError::TooLong`] past [`Seal::BYTES_MAX`]: an id cut short would be another person's.
    pub fn subject(&self, id: &str) -> Result<Sealed, AuditError> {
        self.seal(&[b"subject"], id)
    }

    /// Seals a note into the record with this id.
    ///
    /// # Errors
    /// [`AuditError::TooLong`] past [`Seal::BYTES_MAX`].
    pub fn note(&self, note: Note, record_id: &str, text: &str) -> Result<Sealed, AuditError> {
        self.seal(&[note.label(), record_id.as_bytes()], text)
    }

    /// Opens a subject's id, from the text in a record.
    ///
    /// # Errors
    /// [`AuditError::NotSealedByThisKey`], also for a changed or truncated text.
    pub fn open_subject(&self, sealed: &str) -> Result<Zeroizing<String>, AuditError> {
        self.open(&[b"subject"], sealed)
    }

    /// Opens a note, from the text in the record with this id.
    ///
    /// # Errors
    /// [`AuditError::NotSealedByThisKey`], also where the note belongs to another record.
    pub fn open_note(&self, note: Note, record_id: &str, sealed: &str) -> Result<Zeroizing<String>, AuditError> {
        self.open(&[note.label(), record_id.as_bytes()], sealed)
    }

    /// The longest text that can be sealed, in bytes of UTF-8.
    pub const BYTES_MAX: usize = 2048;

    fn seal(&self, headers: &[&[u8]], text: &str) -> Result<Sealed, AuditError> {
        if text.len() > Seal::BYTES_MAX {
            return Err(AuditError::TooLong { bytes: text.len(), bytes_max: Seal::BYTES_MAX });
        }
        let sealed = self.cipher().encrypt(headers, text.as_bytes()).map_err(|_| AuditError::NotSealedByThisKey)?;
        Ok(Sealed(base64url(&sealed)))
    }

    fn open(&self, headers: &[&[u8]], sealed: &str) -> Result<Zeroizing<String>, AuditError> {
        let sealed = from_base64url(sealed).ok_or(AuditError::NotSealedByThisKey)?;
        let plain = self.cipher().decrypt(headers, &sealed).map_err(|_| AuditError::NotSealedByThisKey)?;
        String::from_utf8(plain).map(Zeroizing::new).map_err(|_| AuditError::NotSealedByThisKey)
    }

    /// The key schedule is made for each call: the cipher keeps state and cannot be shared between threads.
    fn cipher(&self) -> Aes256Siv {
        Aes256Siv::new((&*self.key).into())
    }
}

impl Sealed {
    /// The text as it stands in the record.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Sealed {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Note {
    fn label(self) -> &'static [u8] {
        match self {
            Note::Reason => b"reason",
            Note::Reference => b"reference",
        }
    }
}

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain([0, 0].iter()).take(3).fold(0u32, |group, byte| group << 8 | u32::from(*byte));
        for place in 0..=chunk.len() {
            let six = group >> (18 - 6 * place) & 63;
            out.push(
                u8::try_from(six).ok().and_then(|six| ALPHABET.get(usize::from(six))).map_or('A', |c| char::from(*c)),
            );
        }
    }
    out
}

/// The only reading of the only spelling: bits left over must be zero, so that no two texts open to one id.
fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut group = 0u32;
        for byte in chunk {
            let six = ALPHABET.iter().position(|letter| letter == byte)?;
            group = group << 6 | u32::try_from(six).ok()?;
        }
        let bytes = match chunk.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        let group = group << (6 * (4 - chunk.len()));
        let [_, all @ ..] = group.to_be_bytes();
        let (kept, left_over) = all.split_at_checked(bytes)?;
        if left_over.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(kept);
    }
    Some(out)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seal() -> Seal {
        Seal::new(Zeroizing::new([7; 64]))
    }

    #[test]
    fn one_person_is_always_the_same_text_and_two_never() {
        assert_eq!(seal().subject("d-100").unwrap(), seal().subject("d-100").unwrap());
        assert_ne!(seal().subject("d-100").unwrap(), seal().subject("d-101").unwrap());
        assert!(!seal().subject("d-100").unwrap().as_str().contains("100"));
    }

    #[test]
    fn a_note_opens_only_in_its_own_record_and_place() {
        let note = seal().note(Note::Reason, "r-1", "second opinion").unwrap();
        assert_eq!(seal().open_note(Note::Reason, "r-1", note.as_str()).unwrap().as_str(), "second opinion");
        assert!(seal().open_note(Note::Reason, "r-2", note.as_str()).is_err());
        assert!(seal().open_note(Note::Reference, "r-1", note.as_str()).is_err());
        assert!(seal().open_subject(note.as_str()).is_err());
        assert_ne!(note, seal().note(Note::Reason, "r-2", "second opinion").unwrap());
    }

    #[test]
    fn another_key_or_a_changed_text_does_not_open() {
        let sealed = seal().subject("d-100").unwrap();
        assert!(Seal::new(Zeroizing::new([8; 64])).open_subject(sealed.as_str()).is_err());
        for index in 0..sealed.as_str().len() {
            let mut changed = sealed.as_str().as_bytes().to_vec();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert!(seal().open_subject(std::str::from_utf8(&changed).unwrap()).is_err(), "letter {index}");
        }
    }

    #[test]
    fn an_id_is_never_cut_to_fit() {
        assert!(seal().subject(&"x".repeat(Seal::BYTES_MAX)).is_ok());
        let error = seal().subject(&"x".repeat(Seal::BYTES_MAX + 1)).unwrap_err();
        assert!(matches!(error, AuditError::TooLong { .. }));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(id in ".{0,60}") {
            let sealed = seal().subject(&id).unwrap();
            let opened = seal().open_subject(sealed.as_str()).unwrap();
            prop_assert_eq!(opened.as_str(), id);
        }
        #[test]
        fn base64url_has_one_spelling(bytes: Vec<u8>) {
            let text = base64url(&bytes);
            prop_assert!(text.bytes().all(|byte| ALPHABET.contains(&byte)));
            prop_assert_eq!(from_base64url(&text), Some(bytes));
        }
    }
}
