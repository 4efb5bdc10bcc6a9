//! From mark to mark: does each stand where the grammar of RFC 8259 allows it?

use super::super::fault::Fault;
use super::super::text;
use super::tape::Name;
use super::{Kind, Scanner, Sink, State, Stopped, Take, Value};

/// Why the steps end.
enum Step {
    /// The sink begins or ceases to be told, or the shortcut may go on.
    Turn,
    /// The slice has no more marks.
    Ends,
    /// The token that begins here is cut off.
    Cut(usize),
}

impl<const STRICT: bool> Scanner<STRICT> {
    /// Reads the slice. Answers where a token begins that it cuts off.
    pub(super) fn structure<S: Sink>(
        &mut self,
        src: &[u8],
        last: bool,
        sink: &mut S,
    ) -> Result<Option<usize>, Stopped> {
        if let State::Skip { open } = self.state {
            self.skip(src, open, sink)?;
        }
        loop {
            let step = match self.whole.is_some() {
                true if STRICT && self.stride(src, last, sink)? => Step::Turn,
                true => self.steps::<S, false>(src, last, sink)?,
                false => self.steps::<S, true>(src, last, sink)?,
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
        let mut moved = false;
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
            if STRICT
                && !TELL
                && std::mem::replace(&mut moved, true)
                && !matches!(state, State::Colon | State::InString)
            {
                self.state = state;
                return Ok(Step::Turn);
            }
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
                            } else if STRICT {
                                let name = self.tape.take_name();
                                self.tape.value(name, at, at, Value::Text);
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
                    } else if STRICT {
                        self.tape.text_ends(close + 1);
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
        } else if STRICT {
            let name = self.tape.take_name();
            self.tape.value(name, at, end, Value::Scalar);
        }
        Ok(())
    }

    pub(super) fn check_scalar(&self, token: &[u8]) -> Result<(), Fault> {
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
    pub(super) const fn after(&self) -> State {
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
            if STRICT && !TELL {
                self.tape.set_name(self.tape.name_of(at, inside.len(), true));
            }
            return known;
        }
        if STRICT && !TELL {
            self.tape.set_name(self.tape.name_of(at, inside.len(), false));
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
            self.keys.add(self.keys.hash(name))?;
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
            self.tape.begin(at);
            self.tape.open(Name::default(), at, kind);
        } else if STRICT && !TELL {
            let name = self.tape.take_name();
            self.tape.open(name, at, kind);
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
        let end = match self.exact && self.kinds.is_empty() {
            true => Some(self.marks.finish()),
            false => self.marks.close(src, &mut open),
        };
        match end {
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
        if STRICT && !TELL {
            self.tape.close(at + 1);
        }
        if !TELL && self.whole == Some(self.kinds.len()) {
            self.whole = None;
            sink.end_read(src, at + 1, &self.tape).map_err(|fault| (at + 1, fault))?;
        }
        Ok(())
    }
}
