//! The strict reading of a value that its sink takes whole, mark after mark of a list: nobody is told of anything on the way.
//!
//! A shortcut of [`steps`](super::steps), which alone says what is JSON: it passes what is plainly right, and stops before
//! what is not, what the batch cuts off, and what it would take a closer look to tell, without having taken it.

use super::super::keys::OpenKeys;
use super::super::text;
use super::{Kind, Scanner, Sink, State, Stopped, Value};

impl<const STRICT: bool> Scanner<STRICT> {
    /// Passes what it can. True: the value that was taken whole has ended, and its sink knows.
    ///
    /// Each turn is a member or element and what closes after it; `state` says where the turn stands, should it stop.
    #[inline(never)]
    pub(super) fn stride<S: Sink>(&mut self, src: &[u8], last: bool, sink: &mut S) -> Result<bool, Stopped> {
        let Some(bottom) = self.whole else { return Ok(false) };
        let mut state = self.state;
        if matches!(state, State::Colon | State::InString | State::Done | State::Skip { .. }) {
            return Ok(false);
        }
        let (mut rest, batch) = self.marks.listed();
        let escapes = self.marks.escapes();
        let mut object = self.kinds.last() == Some(&Kind::Object);
        let place = |mark: &u16| batch + usize::from(*mark);
        let byte = |at: usize| src.get(at).copied().unwrap_or_default();
        let mut name = self.tape.take_name();
        let mut ended = None;
        'turns: loop {
            if matches!(state, State::Key | State::FirstKey) {
                let [open, close, colon, beyond @ ..] = rest else { break };
                let (at, close) = (place(open), place(close));
                if byte(at) == b'"' && byte(place(colon)) == b':' {
                    let Some(inside) = src.get(at + 1..close) else { break };
                    let escaped = escapes && memchr::memchr(b'\\', inside).is_some();
                    let hash = match src.get(at + 1..).and_then(|from_here| from_here.first_chunk()) {
                        Some(head) if !escaped => self.keys.hash_at(head, inside),
                        _ => match hash_slowly(inside, &mut self.name, &self.keys) {
                            Some(hash) => hash,
                            None => break,
                        },
                    };
                    if inside.len() > self.limits.key_bytes_max || self.keys.add(hash).is_err() {
                        break;
                    }
                    name = self.tape.name_of(at, inside.len(), escaped);
                    rest = beyond;
                    state = State::Value;
                } else if state == State::FirstKey && byte(at) == b'}' {
                    state = State::After;
                } else {
                    break;
                }
            }
            if matches!(state, State::Value | State::FirstElement) {
                let [mark, beyond @ ..] = rest else { break };
                let at = place(mark);
                match byte(at) {
                    b'"' => {
                        let [close, beyond @ ..] = beyond else { break };
                        let close = place(close);
                        if close - at > self.limits.string_bytes_max {
                            break;
                        }
                        self.tape.value(std::mem::take(&mut name), at, close + 1, Value::Text);
                        rest = beyond;
                    }
                    open @ (b'{' | b'[') => {
                        if self.kinds.len() >= self.limits.depth_max {
                            break;
                        }
                        object = open == b'{';
                        let kind = if object { Kind::Object } else { Kind::Array };
                        self.tape.open(std::mem::take(&mut name), at, kind);
                        self.kinds.push(kind);
                        rest = beyond;
                        if object {
                            self.keys.open();
                            state = State::FirstKey;
                        } else {
                            state = State::FirstElement;
                        }
                        continue;
                    }
                    b']' if state == State::FirstElement => {}
                    _ => {
                        let Some(end) = self.plain_scalar(src, at, last) else { break };
                        self.tape.value(std::mem::take(&mut name), at, end, Value::Scalar);
                        rest = beyond;
                    }
                }
                state = State::After;
            }
            loop {
                let [mark, beyond @ ..] = rest else { break 'turns };
                let at = place(mark);
                match byte(at) {
                    b',' => {
                        rest = beyond;
                        state = if object { State::Key } else { State::Value };
                        continue 'turns;
                    }
                    b'}' if object => self.keys.close(),
                    b']' if !object => {}
                    _ => break 'turns,
                }
                rest = beyond;
                self.tape.close(at + 1);
                self.kinds.pop();
                object = self.kinds.last() == Some(&Kind::Object);
                if self.kinds.len() == bottom {
                    ended = Some(at + 1);
                    break 'turns;
                }
            }
        }
        let left = rest.len();
        self.marks.seek_listed(left);
        self.state = state;
        self.tape.set_name(name);
        let Some(end) = ended else { return Ok(false) };
        self.state = self.after();
        self.whole = None;
        sink.end_read(src, end, &self.tape).map_err(|fault| (end, fault))?;
        Ok(true)
    }

    /// Where the number or literal at `at` ends, if it is one and all of it is here.
    #[inline(never)]
    fn plain_scalar(&self, src: &[u8], at: usize, last: bool) -> Option<usize> {
        let end = text::scalar_end(src, at).ok()?;
        let token = src.get(at..end).filter(|token| !token.is_empty() && (end < src.len() || last))?;
        self.check_scalar(token).is_ok().then_some(end)
    }
}

/// The hash of a name that has an escape in it, or stands at the end of the slice. `None`: it means nothing.
#[inline(never)]
fn hash_slowly(inside: &[u8], name: &mut Vec<u8>, keys: &OpenKeys) -> Option<u64> {
    name.clear();
    text::unescape_into(inside, name).ok()?;
    Some(keys.hash(name))
}
