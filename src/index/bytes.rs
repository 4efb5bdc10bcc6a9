//! How do numbers and short texts become bytes, and back? LEB128, and lengths before texts.

use super::IndexError;

pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Takes from the front.
pub(super) struct Bytes<'b>(pub(super) &'b [u8]);

impl<'b> Bytes<'b> {
    pub(super) fn number(&mut self) -> Result<u64, IndexError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first().ok_or(SHORT)?;
            self.0 = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(SHORT)
    }

    pub(super) fn small(&mut self) -> Result<u32, IndexError> {
        u32::try_from(self.number()?).map_err(|_| SHORT)
    }

    pub(super) fn length(&mut self) -> Result<usize, IndexError> {
        usize::try_from(self.number()?).map_err(|_| SHORT)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'b [u8], IndexError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn text(&mut self) -> Result<&'b str, IndexError> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| SHORT)
    }

    pub(super) fn word(&mut self) -> Result<u64, IndexError> {
        let taken = self.take(8)?;
        Ok(u64::from_le_bytes(taken.try_into().map_err(|_| SHORT)?))
    }
}

const SHORT: IndexError = IndexError::Damaged("a column ends too early");
