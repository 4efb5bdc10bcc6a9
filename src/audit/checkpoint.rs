//! Who says that the log had this many records with this root, and is it he?
//!
//! A checkpoint is a signed note (c2sp.org/signed-note) over a tree head (c2sp.org/tlog-checkpoint):
//! ```text
//! sekisho/gate-1/gate⏎                            origin: which log, of the gate whose node is `gate-1`
//! 1200⏎                                           how many records
//! <base64 of 32 bytes>⏎                           the root over them, see `tree`
//! ⏎
//! — sekisho/gate-1 <base64 of 4 + 64 bytes>⏎       key id, Ed25519 signature over everything above the empty line
//! ```
//! A gate's keys have one name, `sekisho/NODE`, and sign each of its logs, `sekisho/NODE/LOG`. One line of signature for each key that signs, so that a key can be changed with an overlap. The key id is the first
//! four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). A public key is written `name+hex of the id+base64 of
//! (0x01 ‖ 32 bytes)`, a `vkey`: what [`PublicKey`] reads, and all that an auditor needs.

use super::tree::Hash;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// How many records a log had, and the root over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many records.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// A checkpoint as it was signed: its bytes are what counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The whole note.
    pub text: String,
    /// Names, key ids and signatures; those of others than ours (witnesses) are left alone.
    signatures: Vec<(String, [u8; 4], Vec<u8>)>,
}

/// Why a text is no checkpoint, or not one that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteFault {
    /// Not written as a checkpoint is.
    Form,
    /// Of another log than the key is for.
    Origin,
    /// No line of it is by this key.
    Unsigned,
    /// It says that it is signed by this key, and is not.
    Forged,
    /// It is over fewer records than the one before it.
    Order,
}

/// A key that signs. No `Debug`; its seed is wiped by whoever read it.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

/// The keys of a gate, and which of its logs they sign.
pub struct Signer {
    name: String,
    origin: String,
    keys: Vec<SigningKey>,
}

/// What an auditor holds: a `vkey`.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    bytes: [u8; 32],
}

impl SigningKey {
    /// From the 32 bytes of a key file (RFC 8032: the private key). `None` where they are no key.
    pub fn new(seed: &Zeroizing<[u8; 32]>) -> Option<SigningKey> {
        Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).ok().map(|pair| SigningKey { pair })
    }

    /// Its public half, under the name of the gate's keys: see [`key_name`].
    pub fn public(&self, name: &str) -> PublicKey {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.pair.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey { name: name.to_owned(), bytes }
    }
}

impl Signer {
    /// `log`: `gate`, `registry` … of the gate whose node is `node`.
    pub fn new(node: &str, log: &str, keys: Vec<SigningKey>) -> Signer {
        let name = key_name(node);
        Signer { origin: format!("{name}/{}", one_word(log)), name, keys }
    }

    /// The public halves, newest first.
    pub fn public(&self) -> Vec<PublicKey> {
        self.keys.iter().map(|key| key.public(&self.name)).collect()
    }

    /// Signs a tree head with every key.
    pub fn sign(&self, size: u64, root: Hash) -> Note {
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let body = checkpoint.body();
        let mut text = format!("{body}\n");
        let mut signatures = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let id = key.public(&self.name).id();
            let signature = key.pair.sign(body.as_bytes());
            let line = STANDARD.encode([&id, signature.as_ref()].concat());
            text.push_str(&format!("{DASH}{} {line}\n", self.name));
            signatures.push((self.name.clone(), id, signature.as_ref().to_vec()));
        }
        Note { checkpoint, text, signatures }
    }
}

/// The name of a gate's keys, from its node: `sekisho/NODE`.
pub fn key_name(node: &str) -> String {
    format!("sekisho/{}", one_word(node))
}

/// As a note can hold it: what a key's name must not (`+`, space, controls) becomes `_`.
fn one_word(text: &str) -> String {
    let plain = |one: char| if one == '+' || one.is_whitespace() || one.is_control() { '_' } else { one };
    text.chars().map(plain).collect()
}

impl Checkpoint {
    /// What is signed.
    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    fn read(body: &str) -> Option<Checkpoint> {
        let mut lines = body.split('\n');
        let (origin, size, root, rest) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
        // Extension lines are not ours to understand: a checkpoint of this log has none.
        let ends = rest.is_empty() && lines.next().is_none();
        let is_number = size == "0" || (!size.starts_with('0') && size.bytes().all(|byte| byte.is_ascii_digit()));
        let root = Hash::try_from(STANDARD.decode(root).ok()?).ok()?;
        let named = !origin.is_empty() && one_word(origin) == origin;
        (ends && is_number && named).then_some(())?;
        Some(Checkpoint { origin: origin.to_owned(), size: size.parse().ok()?, root })
    }
}

impl FromStr for Note {
    type Err = NoteFault;

    /// Reads a note; says nothing of whether it is to be believed: [`Note::verify`].
    fn from_str(text: &str) -> Result<Note, NoteFault> {
        let (body, signed) = text.split_once("\n\n").ok_or(NoteFault::Form)?;
        let checkpoint = Checkpoint::read(&format!("{body}\n")).ok_or(NoteFault::Form)?;
        let mut signatures = Vec::new();
        let lines = signed.strip_suffix('\n').ok_or(NoteFault::Form)?;
        for line in lines.split('\n') {
            let (name, value) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(NoteFault::Form)?;
            let bytes = STANDARD.decode(value).map_err(|_| NoteFault::Form)?;
            let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteFault::Form)?;
            signatures.push((name.to_owned(), *id, signature.to_vec()));
        }
        Ok(Note { checkpoint, text: text.to_owned(), signatures })
    }
}

impl Note {
    /// Whether one of these keys signed it. Every line that claims to be by one of them must be right.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, keys: &[PublicKey]) -> Result<&Checkpoint, NoteFault> {
        let of_this_log: Vec<_> = keys.iter().filter(|key| key.signs(&self.checkpoint.origin)).collect();
        if of_this_log.is_empty() {
            return Err(NoteFault::Origin);
        }
        let body = self.checkpoint.body();
        let mut is_signed = false;
        for (name, id, signature) in &self.signatures {
            for key in of_this_log.iter().filter(|key| key.name == *name && key.id() == *id) {
                let public = UnparsedPublicKey::new(&ED25519, key.bytes);
                public.verify(body.as_bytes(), signature).map_err(|_| NoteFault::Forged)?;
                is_signed = true;
            }
        }
        if is_signed { Ok(&self.checkpoint) } else { Err(NoteFault::Unsigned) }
    }
}

impl PublicKey {
    /// Whether a log of this origin is of the gate that the key is of.
    pub fn signs(&self, origin: &str) -> bool {
        origin.strip_prefix(self.name.as_str()).is_some_and(|log| log.starts_with('/'))
    }

    /// The key id of a signature's line.
    pub fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new_with_prefix(self.name.as_bytes());
        hash.update(b"\n\x01");
        hash.update(self.bytes);
        let hash: Hash = hash.finalize().into();
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = STANDARD.encode([&[1], self.bytes.as_slice()].concat());
        write!(out, "{}+{:08x}+{bytes}", self.name, u32::from_be_bytes(self.id()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for PublicKey {
    type Err = NoteFault;

    fn from_str(text: &str) -> Result<PublicKey, NoteFault> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(bytes)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteFault::Form);
        };
        let bytes = STANDARD.decode(bytes).map_err(|_| NoteFault::Form)?;
        let Some((1, bytes)) = bytes.split_first() else { return Err(NoteFault::Form) };
        let bytes = bytes.try_into().map_err(|_| NoteFault::Form)?;
        let key = PublicKey { name: name.to_owned(), bytes };
        let is_its_id = format!("{:08x}", u32::from_be_bytes(key.id())) == id;
        if name.is_empty() || one_word(name) != name || !is_its_id { Err(NoteFault::Form) } else { Ok(key) }
    }
}

impl fmt::Display for NoteFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            NoteFault::Form => "it is not written as a checkpoint or key is",
            NoteFault::Origin => "it is of another log than the keys given are for",
            NoteFault::Unsigned => "none of the keys given signed it",
            NoteFault::Order => "it is over fewer records than the one before it",
            NoteFault::Forged => "its signature is not by the key that it names",
        })
    }
}

/// What a line of signature begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "test")]
mod tests {
    use super::*;

    fn signer(seed: u8) -> Signer {
        let key = SigningKey::new(&Zeroizing::new([seed; 32])).unwrap();
        Signer::new("gate 1+2", "gate", vec![key])
    }

    #[test]
    fn a_note_is_believed_by_its_key_alone() {
        let (ours, other) = (signer(1), signer(2));
        let note = ours.sign(7, [9; 32]);
        let read: Note = note.text.parse().unwrap();
        assert_eq!(read, note);
        assert_eq!(read.checkpoint, Checkpoint { origin: "sekisho/gate_1_2/gate".into(), size: 7, root: [9; 32] });
        assert!(read.verify(&ours.public()).is_ok());
        assert_eq!(read.verify(&other.public()), Err(NoteFault::Unsigned));
        assert_eq!(read.verify(&[]), Err(NoteFault::Origin));
        let elsewhere = Signer::new("gate 1+22", "gate", vec![SigningKey::new(&Zeroizing::new([1; 32])).unwrap()]);
        assert_eq!(read.verify(&elsewhere.public()), Err(NoteFault::Origin));
    }

    /// Every bit of every byte, and every cut.
    #[test]
    fn a_note_with_one_bit_changed_or_its_end_cut_is_not_believed() {
        let (ours, text) = (signer(1), signer(1).sign(1200, [0x5a; 32]).text);
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let note = changed.parse::<Note>();
                let believed = note.is_ok_and(|note| note.verify(&ours.public()).is_ok());
                assert!(!believed, "{changed}");
            }
            if let Some(cut) = text.get(..at) {
                assert!(cut.parse::<Note>().is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn a_key_in_words_is_read_back_and_holds_to_its_id() {
        let key = signer(3).public().remove(0);
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert_ne!(changed.parse::<PublicKey>().ok(), text.parse::<PublicKey>().ok(), "{changed}");
        }
    }

    #[test]
    fn while_keys_overlap_each_of_them_is_enough() {
        let seeds = [1, 2].map(|seed| SigningKey::new(&Zeroizing::new([seed; 32])).unwrap());
        let both = Signer::new("node", "log", seeds.into());
        let note: Note = both.sign(3, [0; 32]).text.parse().unwrap();
        for key in both.public() {
            assert!(note.verify(&[key]).is_ok());
        }
    }
}
