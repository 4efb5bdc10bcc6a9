//! Is this JSON, and where does each value start and end? The one place that reads the structure of a body.
//!
//! [`Scanner::feed`] takes a body in slices of any length and tells a [`Sink`] of values by their places in the slice. The
//! sink says of each value whether it wants to be told what is inside; of one that it takes whole it hears the end only.
//! In order:
//! 1. `bytes`: which bytes of a block of 64 matter? One bit each, by vector instructions where there are any.
//! 2. `marks`: from bit to bit; what strings hold is looked into on the way.
//! 3. here: does each mark stand where the grammar allows it?
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
mod marks;
mod tail;

use super::fault::Fault;
use super::keys::{KeySeed, OpenKeys};
use super::spec::Limits;
use super::text;
pub(super) use marks::Marks;
use marks::{Start, Stop};

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
    /// Of the string under way: how much of its inside lay in former slices, in bytes.
    string_bytes: usize,
    /// And where its inside begins in this slice.
    string_at: usize,
    /// A name, unescaped.
    name: Vec<u8>,
    tail: tail::Tail,
}

/// Why the steps end.
enum Step {
    /// The sink begins or ceases to be told.
    Turn,
    /// The slice has no more marks.
    Ends,
    /// The token that begins here is cut off.
    Cut(usize),
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
            string_bytes: 0,
            string_at: 0,
            name: Vec::new(),
            tail: tail::Tail::default(),
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
        self.kinds.capacity() + self.keys.buffer_bytes() + self.tail.buffer_bytes() + self.name.capacity()
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

    /// Reads a document that is whole.
    pub(super) fn whole<S: Sink>(&mut self, document: &[u8], sink: &mut S) -> Result<(), Fault> {
        self.reset();
        self.run(document, true, sink)?;
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
        self.string_bytes += stopped - self.string_at.min(stopped);
        self.string_at = 0;
        sink.pause(src, stopped)?;
        fault.map_or(Ok(stopped), Err)
    }

    /// Where a string whose inside goes on to `at` passed its bound.
    #[inline(always)]
    fn too_long(&self, at: usize) -> Option<usize> {
        let left = self.limits.string_bytes_max - self.string_bytes;
        (at.saturating_sub(self.string_at) > left).then_some(self.string_at + left)
    }

    /// Reads the slice. Answers where a token begins that it cuts off.
    fn structure<S: Sink>(&mut self, src: &[u8], last: bool, sink: &mut S) -> Result<Option<usize>, Stopped> {
        if let State::Skip { open } = self.state {
            self.skip(src, open, sink)?;
        }
        loop {
            let step = match self.whole {
                Some(_) => self.steps::<S, false>(src, last, sink)?,
                None => self.steps::<S, true>(src, last, sink)?,
            };
            match step {
                Step::Turn => {}
                Step::Ends => return Ok(None),
                Step::Cut(at) => return Ok(Some(at)),
            }
        }
    }

    /// From mark to mark, until the sink begins or ceases to be told (`TELL`).
    ///
    /// The state lies in a local variable, so that each arm can go straight to the one that mostly follows it.
    #[inline(always)]
    fn steps<S: Sink, const TELL: bool>(&mut self, src: &[u8], last: bool, sink: &mut S) -> Result<Step, Stopped> {
        let mut state = self.state;
        macro_rules! next {
            () => {
                match self.marks.next(src) {
                    Some(at) => (at, src.get(at).copied().unwrap_or_default()),
                    None => {
                        self.state = state;
                        return Ok(Step::Ends);
                    }
                }
            };
        }
        loop {
            match state {
                State::FirstKey | State::Key => {
                    let (at, byte) = next!();
                    if byte != b'"' {
                        if byte != b'}' || state != State::FirstKey {
                            return Err((at, Fault::Grammar));
                        }
                        self.close::<S, TELL>(src, at, Kind::Object, sink)?;
                        if !TELL && self.whole.is_none() {
                            return Ok(Step::Turn);
                        }
                        state = self.state;
                        continue;
                    }
                    let Some(close) = self.marks.next(src) else {
                        self.state = state;
                        return Ok(Step::Cut(at));
                    };
                    self.key::<S, TELL>(src, at, close, sink).map_err(|fault| (at, fault))?;
                    state = State::Colon;
                }
                State::Colon => {
                    let (at, byte) = next!();
                    if byte != b':' {
                        return Err((at, Fault::Grammar));
                    }
                    state = State::Value;
                }
                State::Value | State::FirstElement => {
                    let (at, byte) = next!();
                    match byte {
                        b'"' => {
                            if TELL {
                                sink.begin(src, at, Value::Text).map_err(|fault| (at, fault))?;
                            }
                            self.string_bytes = 0;
                            self.string_at = at + 1;
                            state = State::InString;
                        }
                        b'{' | b'[' => {
                            let kind = if byte == b'{' { Kind::Object } else { Kind::Array };
                            self.open::<S, TELL>(src, at, kind, sink)?;
                            if TELL && STRICT && self.whole.is_some() {
                                return Ok(Step::Turn);
                            }
                            state = self.state;
                        }
                        b']' if state == State::FirstElement => {
                            self.close::<S, TELL>(src, at, Kind::Array, sink)?;
                            if !TELL && self.whole.is_none() {
                                return Ok(Step::Turn);
                            }
                            state = self.state;
                        }
                        _ if text::is_scalar_byte(byte) => {
                            let end = text::scalar_end(src, at).map_err(|fault| (at, fault))?;
                            if end == src.len() && !last {
                                self.state = state;
                                return Ok(Step::Cut(at));
                            }
                            self.scalar::<S, TELL>(src, at, end, sink)?;
                            state = self.after();
                        }
                        _ => {
                            self.state = state;
                            self.misfit(src, at, byte, sink)?;
                            state = self.state;
                        }
                    }
                }
                State::InString => {
                    let (close, _) = next!();
                    if let Some(at) = self.too_long(close) {
                        return Err((at, Fault::StringTooLong));
                    }
                    self.string_at = 0;
                    state = self.after();
                    if TELL {
                        sink.end(src, close + 1).map_err(|fault| (close + 1, fault))?;
                    }
                }
                State::After => {
                    let (at, byte) = next!();
                    if byte == b',' {
                        if TELL {
                            sink.comma(src, at).map_err(|fault| (at, fault))?;
                        }
                        state = if self.kinds.last() == Some(&Kind::Object) { State::Key } else { State::Value };
                        continue;
                    }
                    let kind = match byte {
                        b'}' => Kind::Object,
                        b']' => Kind::Array,
                        _ => return Err((at, Fault::Grammar)),
                    };
                    self.close::<S, TELL>(src, at, kind, sink)?;
                    if !TELL && self.whole.is_none() {
                        return Ok(Step::Turn);
                    }
                    state = self.state;
                }
                State::Done | State::Skip { .. } => {
                    let (at, byte) = next!();
                    self.state = state;
                    self.misfit(src, at, byte, sink)?;
                    state = self.state;
                }
            }
        }
    }

    /// A number or literal from `at` to `end`.
    #[inline(always)]
    fn scalar<S: Sink, const TELL: bool>(
        &mut self,
        src: &[u8],
        at: usize,
        end: usize,
        sink: &mut S,
    ) -> Result<(), Stopped> {
        if STRICT {
            self.check_scalar(src.get(at..end).unwrap_or_default()).map_err(|fault| (at, fault))?;
        }
        if TELL {
            sink.begin(src, at, Value::Scalar).map_err(|fault| (at, fault))?;
            sink.end(src, end).map_err(|fault| (end, fault))?;
        }
        Ok(())
    }

    fn check_scalar(&self, token: &[u8]) -> Result<(), Fault> {
        if token.len() > self.limits.number_bytes_max {
            return Err(text::scalar_too_long(token, self.limits.number_bytes_max));
        }
        match token {
            b"true" | b"false" | b"null" => Ok(()),
            _ if text::is_number(token) => Ok(()),
            _ => Err(Fault::Grammar),
        }
    }

    /// What does not stand where it may: the end of a line, or no JSON.
    #[cold]
    fn misfit<S: Sink>(&mut self, src: &[u8], at: usize, byte: u8, sink: &mut S) -> Result<(), Stopped> {
        let between = self.kinds.is_empty() && matches!(self.state, State::Done | State::Value);
        if byte != b'\n' || !self.lines || !between {
            return Err((at, Fault::Grammar));
        }
        sink.line_end(src, at).map_err(|fault| (at, fault))?;
        self.keys.clear();
        self.state = State::Value;
        Ok(())
    }

    /// What may follow a value.
    #[inline(always)]
    const fn after(&self) -> State {
        if self.kinds.is_empty() { State::Done } else { State::After }
    }

    /// A name from quote to quote.
    #[inline(always)]
    fn key<S: Sink, const TELL: bool>(
        &mut self,
        src: &[u8],
        at: usize,
        close: usize,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let inside = src.get(at + 1..close).unwrap_or_default();
        if inside.len() > self.limits.key_bytes_max {
            return Err(Fault::KeyTooLong);
        }
        if self.marks.escape_in(src, at + 1, close) {
            let mut name = std::mem::take(&mut self.name);
            name.clear();
            let known =
                text::unescape_into(inside, &mut name).and_then(|()| self.named::<S, TELL>(src, at, &name, sink));
            self.name = name;
            return known;
        }
        self.named::<S, TELL>(src, at, inside, sink)
    }

    #[inline(always)]
    fn named<S: Sink, const TELL: bool>(
        &mut self,
        src: &[u8],
        at: usize,
        name: &[u8],
        sink: &mut S,
    ) -> Result<(), Fault> {
        if STRICT {
            self.keys.add(name)?;
        }
        if TELL { sink.name(src, at, name) } else { Ok(()) }
    }

    #[inline(always)]
    fn open<S: Sink, const TELL: bool>(
        &mut self,
        src: &[u8],
        at: usize,
        kind: Kind,
        sink: &mut S,
    ) -> Result<(), Stopped> {
        if STRICT && self.kinds.len() >= self.limits.depth_max {
            return Err((at, Fault::TooDeep));
        }
        if TELL && sink.begin(src, at, Value::Container(kind)).map_err(|fault| (at, fault))? == Take::Whole {
            if !STRICT {
                return self.skip(src, 1, sink);
            }
            self.whole = Some(self.kinds.len());
        }
        self.kinds.push(kind);
        self.state = match kind {
            Kind::Object => {
                if STRICT {
                    self.keys.open();
                }
                State::FirstKey
            }
            Kind::Array => State::FirstElement,
        };
        Ok(())
    }

    /// Over what is open, to the end of the value taken whole.
    fn skip<S: Sink>(&mut self, src: &[u8], mut open: usize, sink: &mut S) -> Result<(), Stopped> {
        match self.marks.close(src, &mut open) {
            Some(end) => {
                self.state = self.after();
                sink.end(src, end).map_err(|fault| (end, fault))
            }
            None => {
                self.state = State::Skip { open };
                Ok(())
            }
        }
    }

    #[inline(always)]
    fn close<S: Sink, const TELL: bool>(
        &mut self,
        src: &[u8],
        at: usize,
        kind: Kind,
        sink: &mut S,
    ) -> Result<(), Stopped> {
        if self.kinds.last() != Some(&kind) {
            return Err((at, Fault::Grammar));
        }
        if TELL {
            sink.close(src, at, kind).map_err(|fault| (at, fault))?;
        }
        self.kinds.pop();
        if kind == Kind::Object && STRICT {
            self.keys.close();
        }
        self.state = self.after();
        if !TELL && self.whole == Some(self.kinds.len()) {
            self.whole = None;
            sink.end(src, at + 1).map_err(|fault| (at + 1, fault))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]
mod tests {
    use super::*;

    /// Goes inside everything, or takes every other container whole, and counts what it is told.
    #[derive(Default)]
    struct Counts {
        seen: Vec<String>,
        skip: usize,
        containers: usize,
    }

    impl Sink for Counts {
        fn begin(&mut self, _: &[u8], _: usize, value: Value) -> Result<Take, Fault> {
            self.seen.push(format!("{value:?}"));
            self.containers += usize::from(matches!(value, Value::Container(_)));
            let whole = self.skip > 0 && self.containers.is_multiple_of(self.skip);
            Ok(if whole || !matches!(value, Value::Container(_)) { Take::Whole } else { Take::Inside })
        }
        fn end(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
            self.seen.push("end".into());
            Ok(())
        }
        fn name(&mut self, _: &[u8], _: usize, name: &[u8]) -> Result<(), Fault> {
            self.seen.push(String::from_utf8_lossy(name).into());
            Ok(())
        }
        fn comma(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
            Ok(())
        }
        fn close(&mut self, _: &[u8], _: usize, kind: Kind) -> Result<(), Fault> {
            self.seen.push(format!("close {kind:?}"));
            Ok(())
        }
        fn line_end(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
            self.seen.push("line".into());
            Ok(())
        }
        fn pause(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
            Ok(())
        }
    }

    fn told<const STRICT: bool>(pieces: &[&[u8]], skip: usize) -> Result<Vec<String>, Fault> {
        let mut scanner = Scanner::<STRICT>::new(Limits::default(), false, KeySeed::new([1, 2]));
        let mut sink = Counts { skip, ..Counts::default() };
        for piece in pieces {
            scanner.feed(piece, &mut sink)?;
        }
        scanner.finish(&mut sink)?;
        Ok(sink.seen)
    }

    #[test]
    fn both_scanners_tell_the_same_whatever_the_cuts() {
        let body = "[{\"a\\\\\":\"x\\\"日\\\\\",\"b\":[[1,[2]],{\"c\":{\"d\":[-1.5e3,null]}}],\"\\u0041\": \
                    {\"e\":\"}]\\\\\"} } , [ ] , {\"long\":\"0123456789012345678901234567890123456789\",\"z\":[{}]}]";
        let body = body.as_bytes();
        for skip in 0..5 {
            let whole = told::<true>(&[body], skip).unwrap();
            assert_eq!(told::<false>(&[body], skip).unwrap(), whole, "{skip}");
            let bytes: Vec<&[u8]> = body.chunks(1).collect();
            assert_eq!(told::<true>(&bytes, skip).unwrap(), whole, "{skip}");
            assert_eq!(told::<false>(&bytes, skip).unwrap(), whole, "{skip}");
            for cut in 0..=body.len() {
                for next in cut..=body.len() {
                    let pieces = [&body[..cut], &body[cut..next], &body[next..]];
                    assert_eq!(told::<true>(&pieces, skip).unwrap(), whole, "{skip}: {cut}, {next}");
                    assert_eq!(told::<false>(&pieces, skip).unwrap(), whole, "{skip}: {cut}, {next}");
                }
            }
        }
    }
}
