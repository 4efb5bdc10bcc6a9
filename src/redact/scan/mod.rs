//! Is this JSON, and where does each value start and end? The one place that reads the structure of a body.
//!
//! [`Scanner::feed`] takes a body in slices of any length and tells a [`Sink`] of values by their places in the slice. The
//! sink says of each value whether it wants to be told what is inside; of one that it takes whole it hears the end only.
//! In order:
//! 1. `bytes`: which bytes of a block of 64 matter? One bit each, by vector instructions where there are any.
//! 2. `marks`: from bit to bit; what strings hold is looked into on the way.
//! 3. `steps`: does each mark stand where the grammar allows it? `inside`: the same, sooner, where nobody is told.
//! 4. `tape`: of what is taken whole, where each value begins and ends, so that it is not read again.
//!
//! Strict by RFC 8259: grammar, bracket kinds, UTF-8, surrogate pairs, names that occur twice (compared unescaped),
//! bounds on depth, names, numbers and strings. A scanner that is not strict reads what a strict one has passed: it skips
//! whole values by counting brackets and looks at no name of theirs.
//!
//! What a sink is told does not depend on how the body was cut: a name, number, literal, escape or character that a cut
//! divides waits in `tail` and comes as a slice of its own. On a fault the sink has heard of all before it, and is
//! told where it ends ([`Sink::pause`]).
//!
//! Memory: one name, number or escape that a cut divides, and eight bytes for each name of an open object.

mod bytes;
mod inside;
mod marks;
mod steps;
mod tail;
mod tape;
#[cfg(test)]
mod tests;

use super::fault::Fault;
use super::keys::{KeySeed, OpenKeys};
use super::spec::Limits;
use super::text;
pub(crate) use marks::Marks;
use marks::{Start, Stop};
pub(super) use tape::{Known, Node, Tape};

/// An object or an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
}

/// What begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Container(Kind),
    Text,
    /// A number, `true`, `false` or `null`; never divided between slices.
    Scalar,
}

/// How a sink takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// Of a container: it is told what is inside.
    Inside,
    /// It is told the end only. So it is for all that is no container.
    Whole,
}

/// Who is told. `src` is the slice, places are in it. An error it returns ends the scan.
pub(super) trait Sink {
    /// A value begins at `at`.
    fn begin(&mut self, src: &[u8], at: usize, value: Value) -> Result<Take, Fault>;
    /// The value taken whole ends before `at`.
    fn end(&mut self, src: &[u8], at: usize) -> Result<(), Fault>;
    /// The same of a container that was read strictly, and what was found in it.
    fn end_read(&mut self, src: &[u8], at: usize, _: &Tape) -> Result<(), Fault> {
        self.end(src, at)
    }
    /// A name whose opening quote is at `at`; what it means.
    fn name(&mut self, src: &[u8], at: usize, name: &[u8]) -> Result<(), Fault>;
    /// A comma at `at`, in a container taken inside.
    fn comma(&mut self, src: &[u8], at: usize) -> Result<(), Fault>;
    /// The bracket at `at` closes the innermost container taken inside.
    fn close(&mut self, src: &[u8], at: usize, kind: Kind) -> Result<(), Fault>;
    /// A line ends at `at`, between two documents; only where the scanner reads lines.
    fn line_end(&mut self, src: &[u8], at: usize) -> Result<(), Fault>;
    /// The slice, or the good part of it, ends before `at`. Places in the next slice begin at 0 again.
    fn pause(&mut self, src: &[u8], at: usize) -> Result<(), Fault>;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    After,
    Done,
    InString,
    /// Not strict: in a container that is skipped, with so many open.
    Skip {
        open: usize,
    },
}

/// Reads one document, or lines of them.
pub(super) struct Scanner<const STRICT: bool> {
    limits: Limits,
    lines: bool,
    state: State,
    marks: Marks,
    kinds: Vec<Kind>,
    keys: OpenKeys,
    /// The sink takes a container whole that began when so many were open.
    whole: Option<usize>,
    /// The slice is one value from its first byte to its last.
    exact: bool,
    /// Of the string under way: how much of its inside lay in former slices, in bytes.
    string_bytes: usize,
    /// And where its inside begins in this slice.
    string_at: usize,
    /// A name, unescaped.
    name: Vec<u8>,
    tail: tail::Tail,
    /// Strict: what is known of the value that the sink takes whole.
    tape: Tape,
}

/// Where a slice could not be read further, and why.
type Stopped = (usize, Fault);

impl<const STRICT: bool> Scanner<STRICT> {
    /// `lines`: of documents that each end with their line. `seed`: for the names; without use where not strict.
    pub(super) fn new(limits: Limits, lines: bool, seed: KeySeed) -> Scanner<STRICT> {
        Scanner {
            limits,
            lines,
            state: State::Value,
            marks: Marks::new(STRICT, lines),
            kinds: Vec::new(),
            keys: OpenKeys::new(seed, limits.keys_max),
            whole: None,
            exact: false,
            string_bytes: 0,
            string_at: 0,
            name: Vec::new(),
            tail: tail::Tail::default(),
            tape: Tape::default(),
        }
    }

    /// Without vector instructions from here on.
    pub(super) const fn set_portable(&mut self) {
        self.marks.set_portable();
    }

    /// Ready for another document.
    pub(super) fn reset(&mut self) {
        self.state = State::Value;
        self.kinds.clear();
        self.keys.clear();
        self.whole = None;
        self.tail.clear();
    }

    /// How much memory it holds, in bytes.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.kinds.capacity()
            + self.keys.buffer_bytes()
            + self.tail.buffer_bytes()
            + self.tape.buffer_bytes()
            + self.name.capacity()
    }

    pub(super) const fn reads_lines(&self) -> bool {
        self.lines
    }

    /// How many brackets have to close at least until the sink hears something that changes what may leave.
    pub(super) fn closes_until_told(&self) -> usize {
        self.whole.map_or(1, |bottom| self.kinds.len().saturating_sub(bottom).max(1))
    }

    /// Reads on; every byte of `input` is taken.
    pub(super) fn feed<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Result<(), Fault> {
        let mut rest = input;
        if !self.tail.is_empty() {
            let (taken, whole) = self.tail.complete(rest, &self.limits)?;
            rest = rest.get(taken..).unwrap_or_default();
            if !whole {
                return Ok(());
            }
            self.run_tail(sink)?;
        }
        if !rest.is_empty() {
            let used = self.run(rest, false, sink)?;
            self.tail.begin(rest.get(used..).unwrap_or_default(), self.state == State::InString, &self.limits)?;
        }
        Ok(())
    }

    /// Reads a document that is whole; nothing precedes it and nothing follows.
    pub(super) fn whole<S: Sink>(&mut self, document: &[u8], sink: &mut S) -> Result<(), Fault> {
        self.reset();
        self.exact = true;
        let run = self.run(document, true, sink);
        self.exact = false;
        run?;
        if self.state == State::Done { Ok(()) } else { Err(Fault::Truncated) }
    }

    /// Reads a token that waited and is whole now.
    fn run_tail<S: Sink>(&mut self, sink: &mut S) -> Result<(), Fault> {
        let tail = self.tail.take();
        let used = self.run(&tail, true, sink)?;
        // A whole token is read whole.
        if used < tail.len() {
            return Err(Fault::Grammar);
        }
        self.tail.give_back(tail);
        Ok(())
    }

    /// The body has ended: is it whole?
    pub(super) fn finish<S: Sink>(&mut self, sink: &mut S) -> Result<(), Fault> {
        if !self.tail.is_empty() {
            if !self.kinds.is_empty() || !matches!(self.state, State::Value) {
                return Err(Fault::Truncated);
            }
            if self.tail.is_scalar() {
                self.run_tail(sink)?;
            }
        }
        match self.state {
            _ if !self.tail.is_empty() => Err(Fault::Truncated),
            State::Done => Ok(()),
            State::Value if self.lines && self.kinds.is_empty() => Ok(()),
            _ => Err(Fault::Truncated),
        }
    }

    /// Reads a slice; answers how much of it was read: the rest is a token or character that it cuts off. `last`: a
    /// number or literal at its end is whole.
    fn run<S: Sink>(&mut self, src: &[u8], last: bool, sink: &mut S) -> Result<usize, Fault> {
        let (usable, why) = if STRICT { text::valid_utf8(src) } else { (src.len(), None) };
        self.marks.begin(
            usable,
            match self.state {
                State::InString if STRICT => Start::InString,
                State::InString | State::Skip { .. } => Start::GoesOn,
                _ => Start::Outside,
            },
        );
        let (stopped, fault) = match self.structure(src, last, sink) {
            Err((at, fault)) => (at, Some(fault)),
            Ok(cut) => {
                let (end, fault) = match (cut, self.marks.end()) {
                    (Some(at), _) => (at, None),
                    (None, (end, Some(Stop::Fault(fault)))) => (end, Some(fault)),
                    (None, (end, Some(Stop::Cut))) => (end, None),
                    (None, (end, None)) => (end, why),
                };
                match self.too_long(end) {
                    Some(at) if self.state == State::InString => (at, Some(Fault::StringTooLong)),
                    _ => (end, fault),
                }
            }
        };
        self.string_bytes = match self.state {
            State::InString => self.string_bytes + (stopped - self.string_at.min(stopped)),
            _ => 0,
        };
        self.string_at = 0;
        self.tape.slice_ends(stopped);
        sink.pause(src, stopped)?;
        fault.map_or(Ok(stopped), Err)
    }

    /// Where a string whose inside goes on to `at` passed its bound.
    #[inline(always)]
    fn too_long(&self, at: usize) -> Option<usize> {
        let left = self.limits.string_bytes_max.saturating_sub(self.string_bytes);
        (at.saturating_sub(self.string_at) > left).then_some(self.string_at + left)
    }
}
