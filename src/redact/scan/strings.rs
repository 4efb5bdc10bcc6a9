//! Strings, whole or in pieces: a piece ends between two characters or escapes, never inside one.

use super::super::fault::Fault;
use super::super::text::{self, Unit};
use super::{Scanner, Sink, State};

impl Scanner {
    /// In a string; `rest` begins with the opening quote if `first`.
    pub(super) fn string<S: Sink>(&mut self, rest: &[u8], first: bool, sink: &mut S) -> Result<usize, Fault> {
        if !self.unit.is_empty() {
            return self.string_unit(rest, sink);
        }
        let mut at = usize::from(first);
        loop {
            let tail = rest.get(at..).unwrap_or_default();
            let (run, beyond_ascii) = text::plain_run(tail);
            if beyond_ascii && !self.trusted {
                let body = tail.get(..run).unwrap_or_default();
                if let Some(valid) = first_bad_utf8(body, run == tail.len()) {
                    match valid {
                        Bad::Cut(valid) => return self.string_cut(rest, at + valid, first, sink),
                        Bad::Wrong(valid) => {
                            self.string_piece(rest, at + valid, first, false, sink)?;
                            return Err(Fault::Utf8);
                        }
                    }
                }
            }
            at += run;
            match rest.get(at) {
                None => return self.string_cut(rest, at, first, sink),
                Some(b'"') => {
                    self.string_piece(rest, at + 1, first, true, sink)?;
                    self.value_ends();
                    return Ok(at + 1);
                }
                Some(b'\\') => match text::unit(rest.get(at..).unwrap_or_default()) {
                    Unit::Complete(length) => at += length,
                    Unit::Incomplete => return self.string_cut(rest, at, first, sink),
                    Unit::Bad(fault) => {
                        self.string_piece(rest, at, first, false, sink)?;
                        return Err(fault);
                    }
                },
                Some(_) => {
                    self.string_piece(rest, at, first, false, sink)?;
                    return Err(Fault::Grammar);
                }
            }
        }
    }

    /// One more byte of a unit that a cut divided.
    fn string_unit<S: Sink>(&mut self, rest: &[u8], sink: &mut S) -> Result<usize, Fault> {
        self.unit.extend(rest.first());
        match text::unit(&self.unit) {
            Unit::Incomplete => {}
            Unit::Bad(fault) => return Err(fault),
            Unit::Complete(length) => {
                let unit = std::mem::take(&mut self.unit);
                self.string_piece(&unit, length, false, false, sink)?;
                self.unit = unit;
                self.unit.clear();
            }
        }
        Ok(1)
    }

    /// The input ends in this string; what follows `end` is a unit that was cut.
    fn string_cut<S: Sink>(&mut self, rest: &[u8], end: usize, first: bool, sink: &mut S) -> Result<usize, Fault> {
        self.string_piece(rest, end, first, false, sink)?;
        self.unit.extend_from_slice(rest.get(end..).unwrap_or_default());
        self.state = State::InString;
        Ok(rest.len())
    }

    fn string_piece<S: Sink>(
        &mut self,
        rest: &[u8],
        end: usize,
        first: bool,
        last: bool,
        sink: &mut S,
    ) -> Result<(), Fault> {
        let raw = rest.get(..end).unwrap_or_default();
        let inside = raw.len() - usize::from(first) - usize::from(last);
        let left = self.limits.string_bytes_max - self.string_bytes;
        if inside > left {
            let allowed = raw.get(..left + usize::from(first)).unwrap_or_default();
            sink.string(allowed, first, false)?;
            return Err(Fault::StringTooLong);
        }
        self.string_bytes += inside;
        if raw.is_empty() { Ok(()) } else { sink.string(raw, first, last) }
    }
}

enum Bad {
    /// Valid up to here; the rest may be the head of a character.
    Cut(usize),
    /// Valid up to here; the rest can become nothing.
    Wrong(usize),
}

/// Where `body` stops being UTF-8; `cut`: the input ends with it.
fn first_bad_utf8(body: &[u8], cut: bool) -> Option<Bad> {
    if simdutf8::basic::from_utf8(body).is_ok() {
        return None;
    }
    let error = std::str::from_utf8(body).err()?;
    let valid = error.valid_up_to();
    Some(if cut && error.error_len().is_none() { Bad::Cut(valid) } else { Bad::Wrong(valid) })
}
