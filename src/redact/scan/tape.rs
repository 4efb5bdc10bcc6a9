//! Where does each value of a held entry begin and end? Noted while it is read strictly, so that nobody reads it again.
//!
//! A node for each value, in the order of the bytes; a container's node says where the next value beside it is, so that
//! what nobody asks for is skipped in one step. Places count from the entry's first byte, over however many slices it
//! came. Of an entry of more than [`NODES_MAX`] values only those directly in it are noted; the rest is read again from
//! its bytes.

use super::{Kind, Value};

/// The most values that are noted: 96 KiB of nodes at most.
const NODES_MAX: usize = 4096;

/// A value of the entry.
#[derive(Clone, Copy)]
pub(in crate::redact) struct Node {
    /// Where it begins, and where it ends.
    start: u32,
    end: u32,
    /// The number of the node after it and all in it.
    next: u32,
    /// Of a member: where its name begins, after the quote, and how long it is between its quotes.
    name_at: u32,
    name_bytes: u32,
    value: Value,
    /// The name has an escape in it.
    escaped: bool,
}

/// The name of the next value; of an element none.
#[derive(Clone, Copy, Default)]
pub(super) struct Name {
    at: u32,
    bytes: u32,
    escaped: bool,
}

/// What a strict reading found.
#[derive(Default)]
pub(in crate::redact) struct Tape {
    nodes: Vec<Node>,
    /// The containers that are open.
    open: Vec<u32>,
    name: Name,
    /// What is added, modulo 2^64, to a place of the slice.
    base: usize,
    /// Of what is directly in the entry alone; and how many containers are open below.
    shallow: bool,
    below: usize,
    /// There is more than is noted.
    full: bool,
    /// A value is noted without further thought while there are fewer nodes than this: none where none is noted at all.
    room: usize,
}

/// What is known of a held entry: all its values, or those directly in it.
#[derive(Clone, Copy)]
pub(in crate::redact) struct Known<'a> {
    pub(in crate::redact) nodes: &'a [Node],
    pub(in crate::redact) all: bool,
}

const fn index(number: u32) -> usize {
    number as usize
}

impl Node {
    /// Where it begins.
    pub(in crate::redact) const fn start(&self) -> usize {
        index(self.start)
    }

    /// Where it ends.
    pub(in crate::redact) const fn end(&self) -> usize {
        index(self.end)
    }

    /// The number of the node after it and all in it.
    pub(in crate::redact) const fn next(&self) -> usize {
        index(self.next)
    }

    pub(in crate::redact) const fn value(&self) -> Value {
        self.value
    }

    /// Of a member: where its name begins, after the quote, and where it ends.
    pub(in crate::redact) const fn name(&self) -> std::ops::Range<usize> {
        index(self.name_at)..index(self.name_at) + index(self.name_bytes)
    }

    /// Whether the name has an escape in it.
    pub(in crate::redact) const fn escaped(&self) -> bool {
        self.escaped
    }
}

impl Tape {
    /// What is known of the entry; `None`: nothing, or it is not this long.
    pub(in crate::redact) fn of(&self, entry_bytes: usize) -> Option<Known<'_>> {
        let whole = self.open.is_empty() && self.nodes.first().is_some_and(|root| root.end() == entry_bytes);
        let short = u32::try_from(entry_bytes).is_ok();
        (whole && short && !self.full).then_some(Known { nodes: &self.nodes, all: !self.shallow })
    }

    pub(super) const fn buffer_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.open.capacity() * 4
    }

    /// An entry begins at `at` of the slice.
    pub(super) fn begin(&mut self, at: usize) {
        self.nodes.clear();
        self.open.clear();
        self.name = Name::default();
        self.base = 0usize.wrapping_sub(at);
        self.shallow = false;
        self.below = 0;
        self.full = false;
        self.room = NODES_MAX;
    }

    /// The slice ends before `at`.
    pub(super) const fn slice_ends(&mut self, at: usize) {
        self.base = self.base.wrapping_add(at);
    }

    /// A place of the slice, counted from the entry's beginning. Modulo 2^32: no entry that is held is longer, and of one
    /// that is there is no answer ([`Tape::of`]).
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32")]
    const fn place(&self, at: usize) -> u32 {
        self.base.wrapping_add(at) as u32
    }

    /// The name whose opening quote is at `at` of the slice, of so many bytes between its quotes.
    #[inline(always)]
    pub(super) fn name_of(&self, at: usize, bytes: usize, escaped: bool) -> Name {
        Name { at: self.place(at + 1), bytes: u32::try_from(bytes).unwrap_or(u32::MAX), escaped }
    }

    /// The name that the next value has.
    pub(super) const fn set_name(&mut self, name: Name) {
        self.name = name;
    }

    pub(super) fn take_name(&mut self) -> Name {
        std::mem::take(&mut self.name)
    }

    /// A value begins at `at` of the slice and ends before `end`, if it is no container and does not end later.
    #[inline(always)]
    pub(super) fn value(&mut self, name: Name, at: usize, end: usize, value: Value) {
        if self.nodes.len() >= self.room && (self.room == 0 || !self.makes_room()) {
            return;
        }
        let (start, end) = (self.place(at), self.place(end));
        let Name { at: name_at, bytes: name_bytes, escaped } = name;
        let next = u32::try_from(self.nodes.len()).unwrap_or(0) + 1;
        self.nodes.push(Node { start, end, next, name_at, name_bytes, value, escaped });
    }

    /// Whether there is room for a node that is to be noted, if it is to be.
    #[cold]
    fn makes_room(&mut self) -> bool {
        if !self.full && self.below == 0 {
            self.overflow();
        }
        self.decide();
        self.room > 0
    }

    /// Is anything noted from here on?
    const fn decide(&mut self) {
        self.room = if self.full || self.below > 0 { 0 } else { NODES_MAX };
    }

    /// There is no room for another node: what is deeper than the entry's own members or elements is forgotten.
    #[cold]
    fn overflow(&mut self) {
        if self.shallow {
            self.full = true;
            return;
        }
        self.shallow = true;
        // What is open now: the entry, one of its members or elements, and so many below.
        let member = self.open.get(1).copied();
        self.below = self.open.len().saturating_sub(1);
        self.open.truncate(2);
        let (mut from, mut kept) = (1, 1);
        while let Some(mut node) = self.nodes.get(from).copied() {
            let is_open = member.is_some_and(|member| index(member) == from);
            from = if is_open { self.nodes.len() } else { node.next() };
            node.next = u32::try_from(kept).unwrap_or(0) + 1;
            if let (true, Some(open)) = (is_open, self.open.get_mut(1)) {
                *open = u32::try_from(kept).unwrap_or(0);
            }
            if let Some(to) = self.nodes.get_mut(kept) {
                *to = node;
            }
            kept += 1;
        }
        self.nodes.truncate(kept);
        self.full = kept >= NODES_MAX;
    }

    /// The string noted last ends before `end` of the slice.
    #[inline(always)]
    pub(super) fn text_ends(&mut self, end: usize) {
        let end = self.place(end);
        if let (Some(node), false) = (self.nodes.last_mut(), self.full || self.below > 0) {
            node.end = end;
        }
    }

    /// A container begins at `at` of the slice.
    #[inline(always)]
    pub(super) fn open(&mut self, name: Name, at: usize, kind: Kind) {
        self.value(name, at, at, Value::Container(kind));
        if self.shallow {
            self.below += 1;
            self.decide();
            if self.below > 1 || self.full {
                return;
            }
        }
        self.open.push(u32::try_from(self.nodes.len()).unwrap_or(1) - 1);
    }

    /// The innermost container ends before `end` of the slice.
    #[inline(always)]
    pub(super) fn close(&mut self, end: usize) {
        if self.shallow {
            let below = self.below;
            self.below = below.saturating_sub(1);
            self.decide();
            if below > 1 || self.full {
                return;
            }
        }
        let (end, next) = (self.place(end), u32::try_from(self.nodes.len()).unwrap_or(0));
        if let Some(node) = self.open.pop().and_then(|number| self.nodes.get_mut(index(number))) {
            node.end = end;
            node.next = next;
        }
    }
}
