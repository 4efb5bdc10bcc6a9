//! Is this JSON, and where does each token start and end? The one place that reads bytes of a body.
//!
//! [`Scanner::feed`] takes a body in whatever pieces it comes and tells a [`Sink`] about tokens in order. What the sink
//! is told, joined together, is the body: every byte is given once, as it was. How the body was cut shows only in how
//! white space and strings are divided into calls; a piece of a string never ends inside an escape or a character.
//!
//! Strict by RFC 8259: grammar, bracket kinds, UTF-8, surrogate pairs, names that occur twice (compared unescaped),
//! bounds on depth, names, numbers and strings. On a fault the valid bytes before it have been given, none after it,
//! whatever the cuts. A scanner of 64-byte bitmaps can take this one's place behind the same trait.
//!
//! Memory: one name or number that a cut divides, and eight bytes for each name of an open object.

mod strings;

use super::fault::Fault;
use super::keys::{KeySeed, OpenKeys};
use super::spec::Limits;
use super::text;

/// An object or an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
}

impl Kind {
    pub(super) const fn open(self) -> u8 {
        match self {
            Kind::Object => b'{',
            Kind::Array => b'[',
        }
    }
    pub(super) const fn close(self) -> u8 {
        match self {
            Kind::Object => b'}',
            Kind::Array => b']',
        }
    }
}

/// Who is told of the tokens. An error it returns ends the scan.
pub(super) trait Sink {
    /// A run of white space between tokens, or a part of one.
    fn space(&mut self, raw: &[u8]) -> Result<(), Fault>;
    /// A comma between members or elements.
    fn comma(&mut self) -> Result<(), Fault>;
    /// The colon after a name.
    fn colon(&mut self) -> Result<(), Fault>;
    /// A name as it stands, with its quotes, and what it means.
    fn key(&mut self, raw: &[u8], name: &[u8]) -> Result<(), Fault>;
    /// An opening bracket. `from_here` is what is at hand of the body from this bracket on.
    fn open(&mut self, kind: Kind, from_here: &[u8]) -> Result<(), Fault>;
    /// The bracket that closes the innermost open one.
    fn close(&mut self, kind: Kind) -> Result<(), Fault>;
    /// A string or a part of one; the first part has the opening quote and the last the closing one.
    fn string(&mut self, raw: &[u8], first: bool, last: bool) -> Result<(), Fault>;
    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self, raw: &[u8]) -> Result<(), Fault>;
    /// The end of a line between two documents; only where the scanner reads lines.
    fn line_end(&mut self) -> Result<(), Fault>;
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
    InKey { escaped: bool, plain: bool },
    InString,
    InNumber,
    InLiteral { word: &'static [u8], seen: usize },
}

/// Reads one document, or lines of them.
pub(super) struct Scanner {
    limits: Limits,
    lines: bool,
    /// The bytes have been through a strict scanner before: UTF-8 and names are not checked again.
    trusted: bool,
    state: State,
    kinds: Vec<Kind>,
    keys: OpenKeys,
    /// A name or number that a cut divided.
    token: Vec<u8>,
    /// An escape or character that a cut divided.
    unit: Vec<u8>,
    string_bytes: usize,
    name: Vec<u8>,
}

impl Scanner {
    /// A strict scanner; `lines`: of documents that each end with their line.
    pub(super) fn strict(limits: Limits, lines: bool, seed: KeySeed) -> Scanner {
        Scanner {
            limits,
            lines,
            trusted: false,
            state: State::Value,
            kinds: Vec::new(),
            keys: OpenKeys::new(seed, limits.keys_max),
            token: Vec::new(),
            unit: Vec::new(),
            string_bytes: 0,
            name: Vec::new(),
        }
    }

    /// A scanner for bytes that a strict one has passed.
    pub(super) fn trusted(limits: Limits) -> Scanner {
        let mut scanner = Scanner::strict(limits, false, KeySeed::NONE);
        scanner.trusted = true;
        scanner
    }

    /// Ready for another document.
    pub(super) fn reset(&mut self) {
        self.state = State::Value;
        self.kinds.clear();
        self.keys.clear();
        self.token.clear();
        self.unit.clear();
    }

    /// How much memory it holds, in bytes.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.kinds.capacity()
            + self.keys.buffer_bytes()
            + self.token.capacity()
            + self.unit.capacity()
            + self.name.capacity()
    }

    /// Reads on; every byte of `input` is taken.
    pub(super) fn feed<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Result<(), Fault> {
        let mut rest = input;
        while let Some(first) = rest.first() {
            let taken = match self.state {
                State::InString => self.string(rest, false, sink)?,
                State::InKey { escaped, plain } => self.in_key(rest, escaped, plain, sink)?,
                State::InNumber => self.number(rest, sink)?,
                State::InLiteral { word, seen } => self.literal(*first, word, seen, sink)?,
                _ => self.structure(*first, rest, sink)?,
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// What was fed ends between two tokens: a number at its end is whole.
    pub(super) fn token_ends<S: Sink>(&mut self, sink: &mut S) -> Result<(), Fault> {
        if self.state == State::InNumber { self.number_ends(sink) } else { Ok(()) }
    }

    /// The body has ended: is it whole?
    pub(super) fn finish<S: Sink>(&mut self, sink: &mut S) -> Result<(), Fault> {
        if self.kinds.is_empty() {
            self.token_ends(sink)?;
        }
        match self.state {
            State::Done => Ok(()),
            State::Value if self.lines && self.kinds.is_empty() => Ok(()),
            _ => Err(Fault::Truncated),
        }
    }

    fn structure<S: Sink>(&mut self, first: u8, rest: &[u8], sink: &mut S) -> Result<usize, Fault> {
        match (first, self.state) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => return self.space(rest, sink),
            (b',', State::After) => {
                sink.comma()?;
                let in_object = self.kinds.last() == Some(&Kind::Object);
                self.state = if in_object { State::Key } else { State::Value };
            }
            (b':', State::Colon) => {
                sink.colon()?;
                self.state = State::Value;
            }
            (b'"', State::FirstKey | State::Key) => return self.key(rest, sink),
            (b'}', State::FirstKey | State::After) => self.close(Kind::Object, sink)?,
            (b']', State::FirstElement | State::After) => self.close(Kind::Array, sink)?,
            (_, State::Value | State::FirstElement) => return self.value(first, rest, sink),
            _ => return Err(Fault::Grammar),
        }
        Ok(1)
    }

    fn value<S: Sink>(&mut self, first: u8, rest: &[u8], sink: &mut S) -> Result<usize, Fault> {
        match first {
            b'"' => {
                self.string_bytes = 0;
                return self.string(rest, true, sink);
            }
            b'{' => self.open(Kind::Object, rest, sink)?,
            b'[' => self.open(Kind::Array, rest, sink)?,
            b'-' | b'0'..=b'9' => {
                self.state = State::InNumber;
                return self.number(rest, sink);
            }
            b't' => self.state = State::InLiteral { word: b"true", seen: 1 },
            b'f' => self.state = State::InLiteral { word: b"false", seen: 1 },
            b'n' => self.state = State::InLiteral { word: b"null", seen: 1 },
            _ => return Err(Fault::Grammar),
        }
        Ok(1)
    }

    fn space<S: Sink>(&mut self, rest: &[u8], sink: &mut S) -> Result<usize, Fault> {
        let run = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
        let mut run = rest.get(..run).unwrap_or_default();
        if self.lines
            && let Some(end) = run.iter().position(|b| *b == b'\n')
        {
            run = run.get(..end).unwrap_or_default();
            if !run.is_empty() {
                sink.space(run)?;
            }
            if !self.kinds.is_empty() || !matches!(self.state, State::Done | State::Value) {
                return Err(Fault::Grammar);
            }
            sink.line_end()?;
            self.reset();
            return Ok(end + 1);
        }
        sink.space(run)?;
        Ok(run.len())
    }

    fn open<S: Sink>(&mut self, kind: Kind, rest: &[u8], sink: &mut S) -> Result<(), Fault> {
        if self.kinds.len() >= self.limits.depth_max {
            return Err(Fault::TooDeep);
        }
        sink.open(kind, rest)?;
        self.kinds.push(kind);
        self.state = match kind {
            Kind::Object => {
                if !self.trusted {
                    self.keys.open();
                }
                State::FirstKey
            }
            Kind::Array => State::FirstElement,
        };
        Ok(())
    }

    fn close<S: Sink>(&mut self, kind: Kind, sink: &mut S) -> Result<(), Fault> {
        if self.kinds.last() != Some(&kind) {
            return Err(Fault::Grammar);
        }
        sink.close(kind)?;
        self.kinds.pop();
        if kind == Kind::Object && !self.trusted {
            self.keys.close();
        }
        self.value_ends();
        Ok(())
    }

    fn value_ends(&mut self) {
        self.state = if self.kinds.is_empty() { State::Done } else { State::After };
    }

    fn literal<S: Sink>(&mut self, byte: u8, word: &'static [u8], seen: usize, sink: &mut S) -> Result<usize, Fault> {
        if word.get(seen) != Some(&byte) {
            return Err(Fault::Grammar);
        }
        if seen + 1 == word.len() {
            sink.scalar(word)?;
            self.value_ends();
        } else {
            self.state = State::InLiteral { word, seen: seen + 1 };
        }
        Ok(1)
    }

    fn number<S: Sink>(&mut self, rest: &[u8], sink: &mut S) -> Result<usize, Fault> {
        let length = rest.iter().take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
        let run = rest.get(..length).unwrap_or_default();
        if self.token.len() + run.len() > self.limits.number_bytes_max {
            return Err(Fault::NumberTooLong);
        }
        if self.token.is_empty() && length < rest.len() {
            if !text::is_number(run) {
                return Err(Fault::Grammar);
            }
            sink.scalar(run)?;
            self.value_ends();
            return Ok(length);
        }
        self.token.extend_from_slice(run);
        if length < rest.len() {
            self.number_ends(sink)?;
        }
        Ok(length)
    }

    fn number_ends<S: Sink>(&mut self, sink: &mut S) -> Result<(), Fault> {
        if !text::is_number(&self.token) {
            return Err(Fault::Grammar);
        }
        sink.scalar(&self.token)?;
        self.token.clear();
        self.value_ends();
        Ok(())
    }

    /// A name begins; most are whole, short and plain.
    fn key<S: Sink>(&mut self, rest: &[u8], sink: &mut S) -> Result<usize, Fault> {
        let after = rest.get(1..).unwrap_or_default();
        let (run, beyond_ascii) = text::plain_run(after);
        if beyond_ascii || run > self.limits.key_bytes_max || after.get(run) != Some(&b'"') {
            self.state = State::InKey { escaped: false, plain: true };
            return Ok(1);
        }
        let name = after.get(..run).unwrap_or_default();
        if !self.trusted {
            self.keys.add(name)?;
        }
        sink.key(rest.get(..run + 2).unwrap_or_default(), name)?;
        self.state = State::Colon;
        Ok(run + 2)
    }

    /// Inside a name, after its opening quote. `escaped`: the byte before was an escaping backslash.
    fn in_key<S: Sink>(
        &mut self,
        rest: &[u8],
        mut escaped: bool,
        mut plain: bool,
        sink: &mut S,
    ) -> Result<usize, Fault> {
        let mut end = None;
        for (at, byte) in rest.iter().enumerate() {
            if self.token.len() + at >= self.limits.key_bytes_max && (escaped || *byte != b'"') {
                return Err(Fault::KeyTooLong);
            }
            match byte {
                _ if escaped => escaped = false,
                b'"' => {
                    end = Some(at);
                    break;
                }
                b'\\' => (escaped, plain) = (true, false),
                0x00..0x20 => return Err(Fault::Grammar),
                0x80.. => plain = false,
                _ => {}
            }
        }
        let Some(end) = end else {
            self.token.extend_from_slice(rest);
            self.state = State::InKey { escaped, plain };
            return Ok(rest.len());
        };
        let inside = rest.get(..end).unwrap_or_default();
        self.token.insert_quoted(inside);
        self.key_ends(plain, sink)?;
        Ok(end + 1)
    }

    /// `self.token` holds the name with its quotes.
    fn key_ends<S: Sink>(&mut self, plain: bool, sink: &mut S) -> Result<(), Fault> {
        let inside = self.token.get(1..self.token.len().saturating_sub(1)).unwrap_or_default();
        let name = if plain {
            inside
        } else {
            self.name.clear();
            text::unescape_into(inside, &mut self.name)?;
            &self.name
        };
        if !self.trusted {
            self.keys.add(name)?;
        }
        sink.key(&self.token, name)?;
        self.token.clear();
        self.state = State::Colon;
        Ok(())
    }
}

trait InsertQuoted {
    /// Completes a name's token: an opening quote before what was kept of it, `tail` and a closing quote after.
    fn insert_quoted(&mut self, tail: &[u8]);
}

impl InsertQuoted for Vec<u8> {
    fn insert_quoted(&mut self, tail: &[u8]) {
        self.insert(0, b'"');
        self.extend_from_slice(tail);
        self.push(b'"');
    }
}
