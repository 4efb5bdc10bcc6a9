//! How does an auditor who holds only a checkpoint and the public key come to believe one record?
//!
//! [`prove`] writes a file that explains itself (c2sp.org/tlog-proof, version 1), [`Proof::check`] reads it offline:
//! ```text
//! c2sp.org/tlog-proof@v1⏎
//! extra <base64 of the record's line, `{` to `}`>⏎
//! index <its place in the tree, from 0>⏎
//! <base64 of a hash>⏎                                   as many as the proof has
//! ⏎
//! <the checkpoint, see `checkpoint`>
//! ```
//! [`extend`] proves that an older checkpoint, kept elsewhere, is the beginning of what is signed now:
//! ```text
//! sekisho/consistency@v1⏎
//! old <how many records the older one is over>⏎
//! <base64 of a hash>⏎ …
//! ⏎
//! <the newer checkpoint>
//! ```
//! Both read the log from the segment on in which the record stands; the time is that of reading.

use super::chain::{Tree, named_tree};
use super::checkpoint::{Checkpoint, Note, NoteFault, PublicKey};
use super::pin;
use super::read::{Reader, first_of, segment_name, segments};
use super::tree::{Gather, Hash, Range, consistency, inclusion, leaf, verify_consistency, verify_inclusion};
use crate::store::Disk;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::io;
use std::str::FromStr;

/// Why something cannot be proven, or is not.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProofError {
    /// Nothing is signed yet, or nothing so new.
    Unsigned {
        /// The last record that is; 0 without any.
        last: u64,
    },
    /// The record, or what must be read for it, is not here.
    Missing,
    /// The records are not those that the checkpoint signs.
    Unlike,
    /// Not written as a proof is.
    Form,
    /// The checkpoint in it is not to be believed.
    Note(NoteFault),
    /// It proves nothing.
    Wrong,
    /// The disk did not answer.
    Disk(io::Error),
}

/// A proof as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    what: What,
    hashes: Vec<Hash>,
    note: Note,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// This line is number `index` (from 0) of the tree.
    Record { index: u64, line: Vec<u8> },
    /// The tree of `old` records is its beginning.
    Extension { old: u64 },
}

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proven {
    /// This is a record of the log that the checkpoint signs.
    Record {
        /// The line, from `{` to `}`.
        line: Vec<u8>,
        /// What is signed.
        checkpoint: Checkpoint,
    },
    /// Nothing that the older checkpoint signs was changed or taken away since.
    Extension {
        /// The older one.
        old: Checkpoint,
        /// What is signed now.
        new: Checkpoint,
    },
}

/// Proves the record with this number under the newest checkpoint beside the log.
///
/// # Errors
/// [`ProofError::Unsigned`] where it was written after that, [`ProofError::Missing`], [`ProofError::Unlike`] where the
/// log was changed, [`ProofError::Disk`].
pub fn prove(disk: &dyn Disk, sequence: u64) -> Result<Proof, ProofError> {
    let note = newest(disk)?;
    let (from, joined) = joined(disk, sequence)?;
    let size = note.checkpoint.size;
    let index = sequence.checked_sub(joined.first).ok_or(ProofError::Missing)?;
    if index >= size {
        return Err(ProofError::Unsigned { last: joined.first.saturating_add(size).saturating_sub(1) });
    }
    let mut line = None;
    let hashes = walk(disk, from, &joined, inclusion(index, size), size, |at, bytes| {
        if at == index {
            line = Some(bytes.to_vec());
        }
    })?;
    let line = line.ok_or(ProofError::Missing)?;
    if !verify_inclusion(index, size, &leaf(&line), &note.checkpoint.root, &hashes) {
        return Err(ProofError::Unlike);
    }
    Ok(Proof { what: What::Record { index, line }, hashes, note })
}

/// Proves that what `old` signs is the beginning of what the newest checkpoint beside the log signs.
///
/// # Errors
/// As [`prove`]; [`ProofError::Unlike`] also where the log is not the one that `old` signs.
pub fn extend(disk: &dyn Disk, old: &Checkpoint) -> Result<Proof, ProofError> {
    let note = newest(disk)?;
    let new = &note.checkpoint;
    if old.size > new.size {
        return Err(ProofError::Unlike);
    }
    let (_, oldest) = joined(disk, 0)?;
    let (from, joined) = joined(disk, oldest.first.saturating_add(old.size))?;
    let hashes = walk(disk, from, &joined, consistency(old.size, new.size), new.size, |_, _| {})?;
    if !verify_consistency(old.size, new.size, &old.root, &new.root, &hashes) {
        return Err(ProofError::Unlike);
    }
    Ok(Proof { what: What::Extension { old: old.size }, hashes, note })
}

/// The newest checkpoint beside the log.
///
/// # Errors
/// [`ProofError::Unsigned`] where there is none, [`ProofError::Disk`].
pub fn newest(disk: &dyn Disk) -> Result<Note, ProofError> {
    for entry in pin::files(disk)?.iter().rev() {
        let mut notes = pin::read(disk, entry)?.into_iter().filter_map(|found| found.note);
        if let Some(note) = notes.next_back() {
            return Ok(note);
        }
    }
    Err(ProofError::Unsigned { last: 0 })
}

/// The newest segment that begins with the record `at_most` or before and names the tree before it, with that tree. Where
/// none does, which are those of the first releases, the oldest: if the tree begins there, as a later one tells.
fn joined(disk: &dyn Disk, at_most: u64) -> Result<(u64, Tree), ProofError> {
    let firsts: Vec<u64> = segments(disk)?.into_iter().filter_map(|entry| first_of(&entry.name)).collect();
    let oldest = *firsts.first().ok_or(ProofError::Missing)?;
    let (before, after): (Vec<u64>, Vec<u64>) = firsts.into_iter().partition(|first| *first <= at_most.max(oldest));
    for first in before.into_iter().rev() {
        if let Some(tree) = named(disk, first)? {
            return Ok((first, tree));
        }
    }
    for first in after {
        if let Some(tree) = named(disk, first)? {
            return if tree.first == oldest { Ok((oldest, Tree::new(oldest))) } else { Err(ProofError::Missing) };
        }
    }
    if oldest == 1 { Ok((1, Tree::new(1))) } else { Err(ProofError::Missing) }
}

/// The tree that a segment's first line names, if it does.
fn named(disk: &dyn Disk, first: u64) -> Result<Option<Tree>, ProofError> {
    let line = Reader::of_segment(disk, &segment_name(first))?.next_line()?.ok_or(ProofError::Missing)?;
    named_tree(&line.bytes).ok_or(ProofError::Unlike)
}

/// The hashes of some ranges, from the segment on that begins with `from` to the leaf before `size`.
fn walk(
    disk: &dyn Disk,
    from: u64,
    joined: &Tree,
    ranges: Vec<Range>,
    size: u64,
    mut see: impl FnMut(u64, &[u8]),
) -> Result<Vec<Hash>, ProofError> {
    let mut gather = Gather::new(ranges, &joined.frontier);
    let mut reader = Reader::from_segment(disk, &segment_name(from))?;
    for at in joined.frontier.size()..size {
        let line = reader.next_line()?.ok_or(ProofError::Missing)?;
        see(at, &line.bytes);
        gather.push(leaf(&line.bytes));
    }
    gather.finish().ok_or(ProofError::Missing)
}

impl Proof {
    /// Whether it is about an older checkpoint rather than a record: then that one is needed to check it.
    pub fn is_of_checkpoint(&self) -> bool {
        matches!(self.what, What::Extension { .. })
    }

    /// What it proves to whoever trusts these keys; for an extension, with the older checkpoint, which must be believed
    /// too.
    ///
    /// # Errors
    /// [`ProofError::Note`], [`ProofError::Wrong`].
    pub fn check(&self, keys: &[PublicKey], kept: Option<&Note>) -> Result<Proven, ProofError> {
        let new = self.note.verify(keys).map_err(ProofError::Note)?.clone();
        match &self.what {
            What::Record { index, line } => {
                let proven = verify_inclusion(*index, new.size, &leaf(line), &new.root, &self.hashes);
                let proven = proven.then(|| Proven::Record { line: line.clone(), checkpoint: new });
                proven.ok_or(ProofError::Wrong)
            }
            What::Extension { old: size } => {
                let old = kept.ok_or(ProofError::Missing)?.verify(keys).map_err(ProofError::Note)?.clone();
                let is_it = old.size == *size && old.origin == new.origin;
                let proven = is_it && verify_consistency(old.size, new.size, &old.root, &new.root, &self.hashes);
                if proven { Ok(Proven::Extension { old, new }) } else { Err(ProofError::Wrong) }
            }
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Record { index, line } => {
                writeln!(out, "{RECORD}\nextra {}\nindex {index}", STANDARD.encode(line))?;
            }
            What::Extension { old } => writeln!(out, "{EXTENSION}\nold {old}")?,
        }
        for hash in &self.hashes {
            writeln!(out, "{}", STANDARD.encode(hash))?;
        }
        write!(out, "\n{}", self.note.text)
    }
}

impl FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Proof, ProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let note = note.parse().map_err(ProofError::Note)?;
        let mut lines = head.split('\n');
        let number = |text: Option<&str>, name: &str| {
            text.and_then(|text| text.strip_prefix(name)).and_then(|number| number.parse().ok()).ok_or(ProofError::Form)
        };
        let what = match lines.next() {
            Some(RECORD) => {
                let extra = lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or(ProofError::Form)?;
                let line = STANDARD.decode(extra).map_err(|_| ProofError::Form)?;
                What::Record { index: number(lines.next(), "index ")?, line }
            }
            Some(EXTENSION) => What::Extension { old: number(lines.next(), "old ")? },
            Some(_) | None => return Err(ProofError::Form),
        };
        let hash = |line: &str| STANDARD.decode(line).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        let hashes = lines.map(hash).collect::<Option<_>>().ok_or(ProofError::Form)?;
        Ok(Proof { what, hashes, note })
    }
}

impl From<io::Error> for ProofError {
    fn from(error: io::Error) -> ProofError {
        ProofError::Disk(error)
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProofError::Unsigned { last: 0 } => {
                out.write_str("no checkpoint stands beside this log: it was not signed, or not yet")
            }
            ProofError::Unsigned { last } => {
                write!(out, "it is not signed yet: the newest checkpoint reaches to record `{last}`")
            }
            ProofError::Missing => {
                out.write_str("what it takes is not here: an older segment was removed, or another file is needed")
            }
            ProofError::Unlike => {
                out.write_str("the records here are not those that were signed: `sekisho audit verify` names the first")
            }
            ProofError::Form => out.write_str("it is not written as a proof is"),
            ProofError::Note(fault) => write!(out, "the checkpoint: {fault}"),
            ProofError::Wrong => out.write_str("it does not prove what it says"),
            ProofError::Disk(error) => write!(out, "the disk did not answer: {error}"),
        }
    }
}

impl std::error::Error for ProofError {}

const RECORD: &str = "c2sp.org/tlog-proof@v1";
const EXTENSION: &str = "sekisho/consistency@v1";
