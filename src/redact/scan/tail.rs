//! What waits of a token that the end of a slice divides?
//!
//! A name, number or literal waits whole; of a string's inside only an escape or character that is cut. Bytes are looked
//! at in order, so that a fault among them is found at the same byte however the body was cut.

use super::super::fault::Fault;
use super::super::spec::Limits;
use super::super::text::{self, Unit};

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Token {
    #[default]
    Name,
    Scalar,
    /// An escape or character.
    Unit,
}

/// The beginning of a token.
#[derive(Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    token: Token,
    /// Of a name: how much of it has been looked at.
    seen: usize,
}

impl Tail {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn is_scalar(&self) -> bool {
        self.token == Token::Scalar
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) const fn buffer_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes, to be read; [`Tail::give_back`] keeps their room.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn give_back(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        self.bytes = bytes;
    }

    /// `rest` is what a slice ends with and cuts off; `string`: of a string's inside.
    pub(super) fn begin(&mut self, rest: &[u8], string: bool, limits: &Limits) -> Result<(), Fault> {
        self.bytes.clear();
        self.seen = 1;
        self.token = match rest.first() {
            None => return Ok(()),
            Some(_) if string => Token::Unit,
            Some(b'"') => Token::Name,
            Some(byte) if text::is_scalar_byte(*byte) => Token::Scalar,
            Some(_) => Token::Unit,
        };
        self.complete(rest, limits).map(|_| ())
    }

    /// Takes what is missing from `input`: how many bytes it took, and whether the token is whole now.
    pub(super) fn complete(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, bool), Fault> {
        if self.token == Token::Scalar {
            return self.scalar(input, limits);
        }
        for (at, byte) in input.iter().enumerate() {
            self.bytes.push(*byte);
            let whole = match self.token {
                Token::Name => self.name(limits)?,
                Token::Scalar | Token::Unit => match text::unit(&self.bytes) {
                    Unit::Complete(_) => true,
                    Unit::Incomplete => false,
                    Unit::Bad(fault) => return Err(fault),
                },
            };
            if whole {
                return Ok((at + 1, true));
            }
        }
        Ok((input.len(), false))
    }

    fn scalar(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, bool), Fault> {
        let length = text::scalar_end(input, 0)?;
        let room = (limits.number_bytes_max + 1).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(input.get(..length.min(room)).unwrap_or_default());
        if self.bytes.len() > limits.number_bytes_max {
            return Err(text::scalar_too_long(&self.bytes, limits.number_bytes_max));
        }
        Ok((length, length < input.len()))
    }

    /// Looks on in a name; whether it is whole.
    fn name(&mut self, limits: &Limits) -> Result<bool, Fault> {
        while let Some(byte) = self.bytes.get(self.seen) {
            match byte {
                b'"' => return Ok(true),
                _ if self.seen > limits.key_bytes_max => return Err(Fault::KeyTooLong),
                b'\\' | 0x80.. => match text::unit(self.bytes.get(self.seen..).unwrap_or_default()) {
                    Unit::Complete(length) => self.seen += length,
                    Unit::Incomplete => return Ok(false),
                    Unit::Bad(fault) => return Err(fault),
                },
                0x00..0x20 => return Err(Fault::Grammar),
                _ => self.seen += 1,
            }
        }
        Ok(false)
    }
}
