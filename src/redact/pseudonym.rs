//! Under which name may a receiver know an id? Keyed pseudonyms, two-way where the id fits.
//!
//! A [`Pseudonyms`] belongs to one context: the receiving organisation (or recipient), the permit's purpose, and the
//! epochs in force. Its keys come from a master by HKDF-SHA256 (RFC 5869), so two receivers cannot join what they hold,
//! and one receiver cannot join two purposes. The same id has the same pseudonym throughout a context and epoch.
//!
//! * [`Pseudonyms::seal`]: AES-SIV (RFC 5297), deterministic and authenticated, in the FHIR id alphabet
//!   (`[A-Za-z0-9.-]`, 44 or 64 letters). [`Pseudonyms::open`] gives the id back in the same context and in no other.
//! * [`Pseudonyms::digest`]: HMAC-SHA256 of the canonical value (NFKC, trimmed, case kept), 43 letters, one way.
//!
//! * What does not fit (a UID, 16 letters, a longer id) is a keyed hash whose meaning a [`TokenTable`] keeps; without one it
//!   is one-way.

mod packing;
mod tokens;

use std::sync::Arc;

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::forms::canonical;
use packing::{decode, encode, format_uuid, pack, parse_uuid, unpack};

pub use tokens::{Settling, TokenTable, Unkept};

/// Makes pseudonyms for a plan.
pub trait Pseudonymiser: Send + Sync {
    /// The pseudonym of an id: two-way where it fits, else one-way.
    fn id(&self, id: &str) -> Option<String>;
    /// The one-way pseudonym of any other value.
    fn value(&self, value: &str) -> Option<String>;
    /// A UUID in place of this one, one-way; `None` if it is none.
    fn uuid(&self, uuid: &str) -> Option<String>;
    /// Bytes that only this context has for this text, for what is drawn from them; they never leave. `domain` tells what
    /// for. `None`: there is no secret, and what needs one is withheld.
    fn secret(&self, domain: &[u8], text: &str) -> Option<[u8; 32]> {
        let _ = (domain, text);
        None
    }
    /// A DICOM UID in place of this one; `None` if it is none.
    fn uid(&self, uid: &str) -> Option<String>;
    /// The pseudonym of a value that has room for 16 letters.
    fn short(&self, value: &str) -> Option<String>;
}

/// The secret that all pseudonyms come from.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// From 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> MasterKey {
        MasterKey(bytes)
    }

    /// A key for something else than pseudonyms, by its name: none of them tells another. 64 bytes, for AES-SIV.
    pub fn derive(&self, name: &str) -> Option<Zeroizing<[u8; 64]>> {
        let mut key = Zeroizing::new([0; 64]);
        let hkdf = Hkdf::<Sha256>::new(Some(b"sekisho keys 1"), &self.0);
        hkdf.expand(name.as_bytes(), key.as_mut()).ok().map(|()| key)
    }
}

/// To whom the data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver<'a> {
    /// An organisation: all its people know an id by one pseudonym.
    Organisation(&'a str),
    /// A recipient without one.
    Recipient(&'a str),
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct EpochKeys {
    siv: [u8; 64],
    mac: [u8; 32],
}

/// The pseudonyms of one context. Has no `Debug`; its keys are zeroised when it goes.
pub struct Pseudonyms {
    newest: EpochKeys,
    accepted: Vec<EpochKeys>,
    epoch: u32,
    tokens: Option<Arc<dyn TokenTable>>,
}

/// An id longer than any that is an id, in bytes; longer ones have no pseudonym.
const ID_BYTES_MAX: usize = 4096;

impl Pseudonyms {
    /// The pseudonyms of a receiver and purpose. `epoch` seals and opens; those of `also_accepted` only open.
    ///
    /// `None` only if a name is absurdly long (4 GiB), so that it cannot be told apart.
    pub fn new(
        master: &MasterKey,
        receiver: Receiver<'_>,
        purpose: &str,
        epoch: u32,
        also_accepted: &[u32],
    ) -> Option<Pseudonyms> {
        Some(Pseudonyms {
            newest: EpochKeys::derive(master, receiver, purpose, epoch)?,
            accepted: also_accepted
                .iter()
                .map(|epoch| EpochKeys::derive(master, receiver, purpose, *epoch))
                .collect::<Option<_>>()?,
            epoch,
            tokens: None,
        })
    }

    /// The same with a table of what does not fit a sealed pseudonym.
    #[must_use]
    pub fn with_tokens(self, tokens: Option<Arc<dyn TokenTable>>) -> Pseudonyms {
        Pseudonyms { tokens, ..self }
    }

    /// The id behind a pseudonym of this context, sealed or in the table; `None` for every other string.
    ///
    /// # Errors
    /// [`Unkept`] if the table cannot be read: then nothing can be told.
    pub fn original(&self, pseudonym: &str) -> Result<Option<String>, Unkept> {
        self.open(pseudonym).map_or_else(|| self.look_up(pseudonym), |id| Ok(Some(id)))
    }

    /// The two-way pseudonym of an id; `None` if it does not fit.
    pub fn seal(&self, id: &str) -> Option<String> {
        let packed = pack(id)?;
        let sealed = self.newest.siv().encrypt([AAD], &packed).ok()?;
        encode(&sealed)
    }

    /// The id behind a pseudonym of this context, of any epoch accepted; `None` for every other string.
    ///
    /// An id that could change a URL (`/ ? # % \`, a dot segment, a control) is refused: the caller answers as for an
    /// unknown id.
    pub fn open(&self, pseudonym: &str) -> Option<String> {
        let sealed = decode(pseudonym)?;
        let opened = std::iter::once(&self.newest)
            .chain(&self.accepted)
            .find_map(|keys| keys.siv().decrypt([AAD], &sealed).ok())?;
        unpack(&opened).filter(|id| is_safe_segment(id))
    }

    /// The one-way pseudonym of a value: equal for all its spellings (see `forms/canonical`).
    pub fn digest(&self, value: &str) -> Option<String> {
        encode(&self.newest.mac(b"value", canonical(value).as_bytes())?)
    }
}

const AAD: &[u8] = b"sekisho id 1";

impl Pseudonymiser for Pseudonyms {
    fn id(&self, id: &str) -> Option<String> {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return None;
        }
        self.seal(id).or_else(|| self.long_token(id))
    }

    fn value(&self, value: &str) -> Option<String> {
        self.digest(value)
    }

    fn secret(&self, domain: &[u8], text: &str) -> Option<[u8; 32]> {
        self.newest.mac(domain, text.as_bytes())?.first_chunk().copied()
    }

    fn uuid(&self, uuid: &str) -> Option<String> {
        parse_uuid(&uuid.to_ascii_lowercase())?;
        let mac = self.newest.mac(b"uuid", uuid.to_ascii_lowercase().as_bytes())?;
        let mut bytes: [u8; 16] = *mac.first_chunk()?;
        // RFC 9562: version 8 (custom), variant 10.
        bytes[6] = bytes[6] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Some(format_uuid(&bytes, false))
    }

    fn uid(&self, uid: &str) -> Option<String> {
        self.uid_token(uid)
    }

    fn short(&self, value: &str) -> Option<String> {
        self.short_token(value)
    }
}

impl EpochKeys {
    fn derive(master: &MasterKey, receiver: Receiver<'_>, purpose: &str, epoch: u32) -> Option<EpochKeys> {
        let (kind, name) = match receiver {
            Receiver::Organisation(name) => (b"O", name),
            Receiver::Recipient(name) => (b"R", name),
        };
        // Each part is preceded by its length, so that no two contexts read alike.
        let name_length = u32::try_from(name.len()).ok()?.to_be_bytes();
        let purpose_length = u32::try_from(purpose.len()).ok()?.to_be_bytes();
        let epoch = epoch.to_be_bytes();
        let info: [&[u8]; 6] = [kind, &name_length, name.as_bytes(), &purpose_length, purpose.as_bytes(), &epoch];
        let hkdf = Hkdf::<Sha256>::new(Some(b"sekisho pseudonyms 1"), &master.0);
        let mut keys = EpochKeys { siv: [0; 64], mac: [0; 32] };
        let mut both = [0; 96];
        let expanded = hkdf.expand_multi_info(&info, &mut both);
        keys.siv.copy_from_slice(both.first_chunk::<64>()?);
        keys.mac.copy_from_slice(both.last_chunk::<32>()?);
        both.zeroize();
        expanded.ok().map(|()| keys)
    }

    fn siv(&self) -> Aes256Siv {
        // By reference: no copy of the key is left behind.
        Aes256Siv::new((&self.siv).into())
    }

    fn mac(&self, domain: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.mac).ok()?;
        mac.update(&[u8::try_from(domain.len()).ok()?]);
        mac.update(domain);
        mac.update(value);
        Some(mac.finalize().into_bytes().to_vec())
    }
}

/// Whether an id may stand in a URL as one segment.
fn is_safe_segment(id: &str) -> bool {
    !matches!(id, "" | "." | "..") && !id.chars().any(|c| matches!(c, '/' | '?' | '#' | '%' | '\\') || c.is_control())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::packing::ALPHABET;
    use super::*;

    fn of(organisation: &str, purpose: &str, epoch: u32, also: &[u32]) -> Pseudonyms {
        Pseudonyms::new(&MasterKey::new([7; 32]), Receiver::Organisation(organisation), purpose, epoch, also).unwrap()
    }

    #[test]
    fn every_id_that_fits_comes_back_as_it_was() {
        let p = of("univ-a", "research", 1, &[]);
        let nibbles = "0123456789abcdef".repeat(4);
        for id in [
            "1",
            "0",
            "000123",
            "123456789012345678901234567890",
            "abc",
            "ABC",
            "a-b.c",
            "山田",
            "x",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
            "6ba7b8109dad11d180b400c04fd430c8",
            "1234567890123456",
            "12345678901234567",
            "deadbee",
            nibbles.get(..62).unwrap(),
            "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            let pseudonym = p.seal(id).unwrap();
            assert!(pseudonym.len() == 44 || pseudonym.len() == 64, "{id}");
            assert!(pseudonym.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'));
            assert_eq!(p.open(&pseudonym).as_deref(), Some(id));
            assert_eq!(p.seal(id).unwrap(), pseudonym);
        }
    }

    #[test]
    fn an_id_that_does_not_fit_is_digested_one_way() {
        let p = of("univ-a", "research", 1, &[]);
        for id in ["z".repeat(32), "a".repeat(63), "6ba7b810-9DAD-11d1-80b4-00c04fd430c8".into()] {
            assert!(p.seal(&id).is_none());
            let one_way = p.id(&id).unwrap();
            assert_eq!(one_way.len(), 43);
            assert!(p.open(&one_way).is_none());
        }
        assert!(p.id("").is_none());
    }

    #[test]
    fn a_pseudonym_opens_in_its_own_context_only() {
        let pseudonym = of("univ-a", "research", 1, &[]).seal("12345").unwrap();
        for other in [of("univ-b", "research", 1, &[]), of("univ-a", "care", 1, &[]), of("univ-a", "research", 2, &[])]
        {
            assert!(other.open(&pseudonym).is_none());
            assert_ne!(other.seal("12345").unwrap(), pseudonym);
            assert_ne!(other.digest("12345"), of("univ-a", "research", 1, &[]).digest("12345"));
        }
        let master = MasterKey::new([7; 32]);
        let recipient = Pseudonyms::new(&master, Receiver::Recipient("univ-a"), "research", 1, &[]).unwrap();
        assert!(recipient.open(&pseudonym).is_none());
        let shifted = Pseudonyms::new(&master, Receiver::Organisation("univ-ar"), "esearch", 1, &[]).unwrap();
        assert!(shifted.open(&pseudonym).is_none());
    }

    #[test]
    fn an_accepted_epoch_opens_and_the_newest_seals() {
        let old = of("univ-a", "research", 1, &[]).seal("12345").unwrap();
        let both = of("univ-a", "research", 2, &[1]);
        assert_eq!(both.open(&old).as_deref(), Some("12345"));
        assert_ne!(both.seal("12345").unwrap(), old);
    }

    #[test]
    fn a_changed_pseudonym_opens_nothing() {
        let p = of("univ-a", "research", 1, &[]);
        let pseudonym = p.seal("12345").unwrap();
        for at in 0..pseudonym.len() {
            for letter in ALPHABET {
                let mut changed = pseudonym.clone().into_bytes();
                *changed.get_mut(at).unwrap() = *letter;
                let changed = String::from_utf8(changed).unwrap();
                assert!(changed == pseudonym || p.open(&changed).is_none());
            }
        }
        assert!(p.open("").is_none() && p.open("12345").is_none() && p.open(&"é".repeat(22)).is_none());
    }

    #[test]
    fn an_id_that_could_leave_its_path_segment_does_not_open() {
        let p = of("univ-a", "research", 1, &[]);
        for id in ["a/b", "..", ".", "a?b", "a#b", "%2e", "a\\b", "a\u{0}", "a\n", "\u{85}"] {
            assert!(p.open(&p.seal(id).unwrap()).is_none(), "{id:?}");
        }
    }

    #[test]
    fn width_and_composition_do_not_split_a_person_in_two() {
        let p = of("univ-a", "research", 1, &[]);
        assert_eq!(p.digest("ガ１２"), p.digest(" ｶﾞ12　"));
        assert_ne!(p.digest("ab"), p.digest("AB"));
    }

    #[test]
    fn a_uuid_becomes_another_uuid() {
        let p = of("univ-a", "research", 1, &[]);
        let made = p.uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8").unwrap();
        assert!(parse_uuid(&made).is_some());
        assert_eq!(made.as_bytes().get(14), Some(&b'8'));
        assert!(p.uuid("1.2.3").is_none());
    }
}
