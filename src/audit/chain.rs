//! Is this line the one that must follow? The rules that recovery and verification share, in one place.
//!
//! [`Chain::accept`] takes the lines of a log in order and stops at the first that breaks a rule:
//! 1. it is one JSON object with the frame's members, ending in `,"prev":"<64 hex>"}`;
//! 2. `seq` counts on by one;
//! 3. `prev` is the SHA-256 of the line before (zeros before the very first); `batch` is not after `seq`, nor goes back;
//! 4. a segment begins with a `segment` record, nothing else does, and the beginnings it calls open are those known;
//! 5. the tree that a segment's first line names is that of the records before it;
//! 6. an ending or continuation names an open beginning, with its id; so no beginning has two endings.

use super::checkpoint::NoteFault;
use super::time;
use super::tree::{Frontier, leaf};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a record with this hash may be followed by.
pub(super) type Hash = super::tree::Hash;

/// The state of a log after some line.
#[derive(Clone, Default)]
pub(super) struct Chain {
    /// The hash that the next line must carry; `None` where the log was joined in its middle.
    pub(super) prev: Option<Hash>,
    /// The sequence number of the next line.
    pub(super) next: u64,
    /// Beginnings without an ending, with their ids.
    pub(super) open: BTreeMap<u64, Arc<str>>,
    /// The newest time on any line since the clock was last accepted.
    pub(super) newest_ms: u64,
    /// The batch of the last line.
    pub(super) batch: u64,
    /// The tree over the records; `None` where the log was joined in its middle, at a segment that names none.
    pub(super) tree: Option<Tree>,
}

/// The tree over the records from a first one on: number 1, but where earlier ones were gone before there was a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    /// The number of the record that is the leaf 0.
    pub(super) first: u64,
    pub(super) frontier: Frontier,
}

impl Tree {
    pub(super) fn new(first: u64) -> Tree {
        Tree { first, frontier: Frontier::default() }
    }
}

/// What a line that was accepted is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The first line of a segment.
    Segment,
    /// A permit about to be acted upon.
    Begin,
    /// A window of a list.
    Continuation,
    /// The ending of a beginning.
    End,
    /// A refusal.
    Refusal,
    /// A minute of refusals before anyone was known.
    Strangers,
    /// Something done to the gate.
    Administrative,
}

/// The number, `prev` and batch of a line that is whole, however wrong.
pub(super) struct Claim {
    pub(super) seq: u64,
    pub(super) batch: u64,
    pub(super) prev: String,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No newline ends it (within 16 MiB): the write was cut off, or is under way.
    Unfinished,
    /// Not a JSON object with the frame's members, or not ending in `prev`.
    Unreadable,
    /// It does not carry the hash of the line before it, although that line is in order with the one after.
    Hash,
    /// The line after it carries another hash: it is not what was written.
    Changed,
    /// It and the last record after it do not agree, and no later record tells which of the two was changed.
    ChangedOrLast,
    /// Its sequence number is not the next.
    Sequence {
        /// The number that should be there.
        expected: u64,
        /// The number that is there.
        found: u64,
    },
    /// Its batch goes back, or lies ahead of it.
    Batch,
    /// Its time is not written as this log writes times.
    Time,
    /// A segment that does not begin with a `segment` record, or one in the middle.
    Opening,
    /// A segment's name does not tell its first sequence number.
    Name,
    /// The beginnings that a segment calls open are not those that are.
    OpenList,
    /// The tree that a segment names is not that of the records before it.
    Tree,
    /// The records up to this one are not those that a checkpoint signs.
    Checkpoint {
        /// How many records it is over.
        size: u64,
        /// The last record that an earlier checkpoint agrees with; 0 where there is none.
        agreed: u64,
    },
    /// A checkpoint signs more records than there are: the end of the log was cut off.
    Cut {
        /// The last record that was signed.
        last: u64,
    },
    /// A checkpoint that is not to be believed.
    Note(NoteFault),
    /// An ending or continuation of nothing that is open: a second ending, or one without a beginning.
    Unbegun {
        /// The beginning that it names.
        begin: u64,
    },
}

/// The members that matter here; the rest of a record explains, and is covered by the hash.
#[derive(Deserialize)]
struct Head<'a> {
    v: u64,
    seq: u64,
    #[serde(borrow)]
    time: Cow<'a, str>,
    batch: u64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    begin: Option<u64>,
    #[serde(default, borrow)]
    open: Option<Vec<Open<'a>>>,
    #[serde(default, borrow)]
    newest: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    tree: Option<Named<'a>>,
    #[serde(default, borrow)]
    action: Option<Cow<'a, str>>,
    #[serde(borrow)]
    prev: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Open<'a> {
    begin: u64,
    #[serde(borrow)]
    id: Cow<'a, str>,
}

/// A tree as a segment names it.
#[derive(Deserialize)]
struct Named<'a> {
    first: u64,
    #[serde(borrow)]
    nodes: Vec<Cow<'a, str>>,
}

impl Named<'_> {
    /// The tree before the record with this number.
    fn before(&self, seq: u64) -> Option<Tree> {
        let nodes = self.nodes.iter().map(|node| from_hex(node)).collect::<Option<Vec<Hash>>>()?;
        let frontier = Frontier::from_parts(seq.checked_sub(self.first)?, nodes)?;
        Some(Tree { first: self.first, frontier })
    }
}

impl Chain {
    /// Before the first line of a log.
    pub(super) fn new() -> Chain {
        Chain { prev: Some([0; 32]), next: 1, tree: Some(Tree::new(1)), ..Chain::default() }
    }

    /// Before a segment whose predecessors are not here: its first line is believed where it speaks of them.
    pub(super) fn joining(first: u64) -> Chain {
        Chain { prev: None, next: first, ..Chain::default() }
    }

    /// Judges the next line, without its newline. An error leaves the state as it was.
    pub(super) fn accept(&mut self, line: &[u8], opens_segment: bool) -> Result<Kind, Fault> {
        let head: Head<'_> = serde_json::from_slice(line).map_err(|_| Fault::Unreadable)?;
        let kind = Kind::from_name(&head.kind).filter(|_| head.v == 1).ok_or(Fault::Unreadable)?;
        if !ends_in_prev(line, &head.prev) {
            return Err(Fault::Unreadable);
        }
        if head.seq != self.next {
            return Err(Fault::Sequence { expected: self.next, found: head.seq });
        }
        if self.prev.is_some_and(|prev| hex(&prev) != head.prev) {
            return Err(Fault::Hash);
        }
        if head.batch > head.seq || head.batch < self.batch {
            return Err(Fault::Batch);
        }
        let time_ms = time::read(&head.time).ok_or(Fault::Time)?;
        if (kind == Kind::Segment) != opens_segment {
            return Err(Fault::Opening);
        }
        self.follow(kind, &head)?;
        let accepts_clock = kind == Kind::Administrative && head.action.as_deref() == Some(CLOCK_ACCEPTED);
        self.newest_ms = if accepts_clock { time_ms } else { self.newest_ms.max(time_ms) };
        self.batch = head.batch;
        self.grow(line);
        Ok(kind)
    }

    /// A line is in the log: the next one carries its hash, and the tree has a leaf more.
    pub(super) fn grow(&mut self, line: &[u8]) {
        self.prev = Some(hash(line));
        self.next += 1;
        if let Some(tree) = &mut self.tree {
            tree.frontier.push(leaf(line));
        }
    }

    /// Beginnings and endings. Changes nothing on an error.
    fn follow(&mut self, kind: Kind, head: &Head<'_>) -> Result<(), Fault> {
        match kind {
            Kind::Segment => self.enter(head),
            Kind::Begin => {
                let id = head.id.as_deref().ok_or(Fault::Unreadable)?;
                self.open.insert(head.seq, Arc::from(id));
                Ok(())
            }
            Kind::Continuation | Kind::End => {
                let begin = head.begin.ok_or(Fault::Unreadable)?;
                if self.open.get(&begin).map(|id| &**id) != head.id.as_deref() || !self.open.contains_key(&begin) {
                    return Err(Fault::Unbegun { begin });
                }
                if kind == Kind::End {
                    self.open.remove(&begin);
                }
                Ok(())
            }
            Kind::Refusal | Kind::Strangers | Kind::Administrative => Ok(()),
        }
    }

    fn enter(&mut self, head: &Head<'_>) -> Result<(), Fault> {
        let listed = head.open.as_ref().ok_or(Fault::Unreadable)?;
        let newest_ms = head.newest.as_deref().and_then(time::read).ok_or(Fault::Time)?;
        let listed: BTreeMap<u64, Arc<str>> = listed.iter().map(|open| (open.begin, Arc::from(&*open.id))).collect();
        if self.prev.is_some() && listed != self.open {
            return Err(Fault::OpenList);
        }
        if let Some(named) = &head.tree {
            let named = named.before(head.seq).ok_or(Fault::Unreadable)?;
            if self.tree.as_ref().is_some_and(|known| *known != named) {
                return Err(Fault::Tree);
            }
            self.tree = Some(named);
        }
        if self.prev.is_none() {
            self.newest_ms = newest_ms;
        }
        self.open = listed;
        Ok(())
    }
}

/// What a line claims, if it is a whole record: what is asked of lines behind a bad one.
pub(super) fn claim_of(line: &[u8]) -> Option<Claim> {
    let head: Head<'_> = serde_json::from_slice(line).ok()?;
    let whole = head.v == 1 && ends_in_prev(line, &head.prev);
    whole.then(|| Claim { seq: head.seq, batch: head.batch, prev: head.prev.into_owned() })
}

/// The tree before a segment, from its first line: `None` where that is no such line, or names one that cannot be;
/// `Some(None)` where it names none.
pub(super) fn named_tree(line: &[u8]) -> Option<Option<Tree>> {
    let head: Head<'_> = serde_json::from_slice(line).ok()?;
    (head.kind == Kind::Segment.name()).then_some(())?;
    match &head.tree {
        None => Some(None),
        Some(named) => named.before(head.seq).map(Some),
    }
}

/// SHA-256 of a line's bytes, from `{` to `}`.
pub(super) fn hash(line: &[u8]) -> Hash {
    Sha256::digest(line).into()
}

/// The line ends in the `prev` that was parsed: so it is the last member, and nothing follows it.
fn ends_in_prev(line: &[u8], prev: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let tail = line.strip_suffix(b"\"}").and_then(|rest| rest.strip_suffix(prev.as_bytes()));
    prev.len() == 64 && prev.bytes().all(is_hex) && tail.is_some_and(|rest| rest.ends_with(b",\"prev\":\""))
}

pub(super) fn hex(hash: &Hash) -> String {
    let mut out = Vec::with_capacity(64);
    super::json::hex(&mut out, hash);
    String::from_utf8(out).unwrap_or_default()
}

fn from_hex(text: &str) -> Option<Hash> {
    let digit = |at: usize| text.as_bytes().get(at).and_then(|byte| (*byte as char).to_digit(16));
    let mut hash = Hash::default();
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::try_from(digit(2 * index)? << 4 | digit(2 * index + 1)?).ok()?;
    }
    (text.len() == 64).then_some(hash)
}

impl Kind {
    /// The word in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Segment => "segment",
            Kind::Begin => "begin",
            Kind::Continuation => "continuation",
            Kind::End => "end",
            Kind::Refusal => "refusal",
            Kind::Strangers => "strangers",
            Kind::Administrative => "administrative",
        }
    }

    /// Every kind.
    pub const ALL: [Kind; 7] = [
        Kind::Segment,
        Kind::Begin,
        Kind::Continuation,
        Kind::End,
        Kind::Refusal,
        Kind::Strangers,
        Kind::Administrative,
    ];

    fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unfinished => out.write_str("no newline ends it: the write was cut off, or is under way"),
            Fault::Unreadable => out.write_str("it is not a record as this log writes them"),
            Fault::Hash => out.write_str("it does not carry the hash of the record before it"),
            Fault::Changed => {
                out.write_str("it is not what was written: the record after it carries the hash of something else")
            }
            Fault::ChangedOrLast => out.write_str(
                "it, or the last record after it, is not what was written: they do not agree, and no later record \
                 tells which",
            ),
            Fault::Sequence { expected, found } => write!(out, "its number is `{found}` and must be `{expected}`"),
            Fault::Batch => out.write_str("its batch does not fit those around it"),
            Fault::Time => out.write_str("its time is not written as this log writes times"),
            Fault::Opening => out.write_str("a segment must begin with a record of kind `segment`, and only there"),
            Fault::Name => out.write_str("the segment's name does not tell its first record's number"),
            Fault::OpenList => out.write_str("the beginnings that it calls open are not those without an ending"),
            Fault::Tree => out.write_str("the tree that it names is not that of the records before it"),
            Fault::Checkpoint { size, agreed: 0 } => {
                write!(out, "the log up to here is not what the checkpoint over {size} records signs")
            }
            Fault::Checkpoint { size, agreed } => write!(
                out,
                "the log up to here is not what the checkpoint over {size} records signs; up to record `{agreed}` it \
                 is: what was changed lies between"
            ),
            Fault::Cut { last } => {
                write!(out, "it is missing: the end was cut off, for a checkpoint signs the records up to `{last}`")
            }
            Fault::Note(fault) => write!(out, "this checkpoint is not to be believed: {fault}"),
            Fault::Unbegun { begin } => {
                write!(out, "it continues or ends `{begin}`, which is not open: never begun, or ended before")
            }
        }
    }
}

/// The action by which an operator accepts a clock that went back.
pub(super) const CLOCK_ACCEPTED: &str = "clock-accepted";
