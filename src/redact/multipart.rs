//! What leaves of a body of several parts? Each part's bytes, and of what is written above it its type alone.
//!
//! A backend writes above each part where it lies (`Content-Location`), by its own address. The contents are not read: who
//! lets them pass has judged that all of them may. Source: RFC 2046 section 5.1, RFC 2387.
//!
//! Promises: output does not depend on how the body was cut; memory is bounded by a head and a delimiter; what
//! is not closed by its last delimiter is a fault.

use memchr::memmem;

use super::fault::Fault;

/// The longest head of a part, in bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// The most before the first part, in bytes.
const PREAMBLE_BYTES_MAX: usize = 8 << 10;

/// Cuts a body of several parts.
pub struct Multipart {
    /// `\r\n--boundary`.
    delimiter: Vec<u8>,
    held: Vec<u8>,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Preamble,
    /// After a delimiter: a line end, or `--`.
    Delimiter,
    Head,
    /// The first bytes of a part: it may have none, and its delimiter no line end before it.
    Begin,
    Body,
    /// After the last delimiter: nothing of it leaves.
    Epilogue,
}

impl Multipart {
    /// A body whose parts this boundary divides; `None`: no boundary is like it (RFC 2046: 1 to 70 of its characters).
    pub fn new(boundary: &str) -> Option<Multipart> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&b);
        let good = (1..=70).contains(&boundary.len()) && boundary.bytes().all(fits);
        // The first delimiter may stand at the very beginning: a line end before it is supplied.
        good.then(|| Multipart {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            held: b"\r\n".to_vec(),
            at: At::Preamble,
        })
    }

    /// Reads the next piece; `out` is what may leave.
    ///
    /// # Errors
    /// [`Fault`] if it is no body of several parts: nothing further may leave.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.held.extend_from_slice(piece);
        let mut held = std::mem::take(&mut self.held);
        let mut used = 0;
        while let Some(rest) = held.get(used..)
            && let Some(taken) = self.step(rest, out)?
        {
            used += taken;
        }
        held.drain(..used.min(held.len()));
        self.held = held;
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`Fault`] if its last delimiter is missing: it was cut off.
    pub fn finish(&self) -> Result<(), Fault> {
        if self.at == At::Epilogue { Ok(()) } else { Err(Fault::Truncated) }
    }

    /// Takes what can be told from these bytes: how many; `None`: more are needed.
    fn step(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Fault> {
        match self.at {
            At::Preamble => match find(bytes, &self.delimiter, PREAMBLE_BYTES_MAX)? {
                Some(at) => {
                    self.at = At::Delimiter;
                    Ok(Some(at + self.delimiter.len()))
                }
                None => Ok(None),
            },
            At::Delimiter => self.after_delimiter(bytes, out),
            At::Head => self.head(bytes, out),
            At::Begin => Ok(self.begin(bytes, out)),
            At::Body => Ok(self.body(bytes, out)),
            At::Epilogue => Ok((!bytes.is_empty()).then_some(bytes.len())),
        }
    }

    /// Blanks may follow a delimiter; `--` ends it all.
    fn after_delimiter(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Fault> {
        if bytes.starts_with(b"--") {
            self.at = At::Epilogue;
            out.extend_from_slice(self.delimiter.get(2..).unwrap_or_default());
            out.extend_from_slice(b"--\r\n");
            return Ok(Some(2));
        }
        let blanks = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match bytes.get(blanks..) {
            Some([b'\r', b'\n', ..]) if blanks < HEAD_BYTES_MAX => {
                self.at = At::Head;
                // The line end stays: a head without a line is only that.
                Ok(Some(blanks))
            }
            Some([] | [b'\r'] | [b'-']) if blanks < HEAD_BYTES_MAX => Ok(None),
            _ => Err(Fault::Grammar),
        }
    }

    fn head(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Fault> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = find(bytes, END, HEAD_BYTES_MAX)? else { return Ok(None) };
        let head = bytes.get(..end).unwrap_or_default();
        let head = std::str::from_utf8(head).map_err(|_| Fault::Utf8)?;
        out.extend_from_slice(self.delimiter.get(2..).unwrap_or_default());
        out.extend_from_slice(b"\r\n");
        let mut types = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let media = types.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-type"));
        if let Some(media) = media.and_then(|(_, value)| media_type(value)) {
            out.extend_from_slice(format!("Content-Type: {media}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        self.at = At::Begin;
        Ok(Some(end + END.len()))
    }

    fn begin(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let dashes = self.delimiter.get(2..).unwrap_or_default();
        if bytes.starts_with(dashes) {
            out.extend_from_slice(b"\r\n");
            self.at = At::Delimiter;
            return Some(dashes.len());
        }
        if dashes.starts_with(bytes) {
            return None;
        }
        self.at = At::Body;
        Some(0)
    }

    fn body(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        match memmem::find(bytes, &self.delimiter) {
            Some(at) => {
                out.extend_from_slice(bytes.get(..at).unwrap_or_default());
                out.extend_from_slice(b"\r\n");
                self.at = At::Delimiter;
                Some(at + self.delimiter.len())
            }
            None => {
                // The end may be the beginning of a delimiter.
                let sure = bytes.len().saturating_sub(self.delimiter.len() - 1);
                out.extend_from_slice(bytes.get(..sure).unwrap_or_default());
                (sure > 0).then_some(sure)
            }
        }
    }
}

/// Where `mark` begins, of which at most so many bytes may come before; `None`: more are needed to tell.
fn find(bytes: &[u8], mark: &[u8], before_max: usize) -> Result<Option<usize>, Fault> {
    let found = memmem::find(bytes, mark);
    // If it is not there, all but its last byte may be: from there on it can begin.
    let earliest = found.unwrap_or_else(|| (bytes.len() + 1).saturating_sub(mark.len()));
    if earliest > before_max { Err(Fault::Grammar) } else { Ok(found) }
}

/// A media type with its transfer syntax, if it is plainly one: `application/dicom; transfer-syntax=1.2.840.10008.1.2.1`.
pub fn media_type(value: &str) -> Option<String> {
    let mut parts = value.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let plain = |part: &str| {
        (1..=64).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
    };
    let (kind, rest) = media.split_once('/')?;
    if !plain(kind) || !plain(rest) {
        return None;
    }
    let syntax =
        parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("transfer-syntax"));
    match syntax.map(|(_, uid)| uid.trim_matches('"')) {
        Some(uid) if crate::catalogue::dicomweb::is_uid(uid) => Some(format!("{media}; transfer-syntax={uid}")),
        Some(_) | None => Some(media),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--b-1\r\nContent-Location: http://inside/frames/1\r\nContent-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1\r\nContent-Length: 9\r\n\r\n\x00\r\n--b-\xff\r\n\r\n--b-1\r\nMIME-Version: 1.0\r\n\r\n\r\n--b-1  \r\n\r\nx\r\n--b-1--\r\nhttp://inside";
    const LEFT: &[u8] = b"--b-1\r\nContent-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1\r\n\r\n\x00\r\n--b-\xff\r\n\r\n--b-1\r\n\r\n\r\n--b-1\r\n\r\nx\r\n--b-1--\r\n";

    fn cut(pieces: &[&[u8]]) -> Result<Vec<u8>, Fault> {
        let mut multipart = Multipart::new("b-1").unwrap();
        let mut out = Vec::new();
        for piece in pieces {
            multipart.push(piece, &mut out)?;
        }
        multipart.finish().map(|()| out)
    }

    #[test]
    fn of_what_stands_above_a_part_only_its_type_leaves_however_the_body_is_cut() {
        assert_eq!(cut(&[BODY]).unwrap(), LEFT, "{}", String::from_utf8_lossy(&cut(&[BODY]).unwrap()));
        for at in 0..BODY.len() {
            let (first, second) = BODY.split_at(at);
            assert_eq!(cut(&[first, second]).unwrap(), LEFT, "{at}");
        }
        let single: Vec<&[u8]> = BODY.chunks(1).collect();
        assert_eq!(cut(&single).unwrap(), LEFT);
    }

    #[test]
    fn a_part_without_a_byte_does_not_carry_the_next_ones_head() {
        let body = b"--b-1\r\nContent-Type: a/b\r\n\r\n--b-1\r\nContent-Location: http://inside\r\n\r\nx\r\n--b-1--";
        let left = cut(&[body]).unwrap();
        assert_eq!(left, b"--b-1\r\nContent-Type: a/b\r\n\r\n\r\n--b-1\r\n\r\nx\r\n--b-1--\r\n");
        for at in 0..body.len() {
            let (first, second) = body.split_at(at);
            assert_eq!(cut(&[first, second]).unwrap(), left, "{at}");
        }
    }

    #[test]
    fn what_is_not_closed_or_is_none_is_a_fault() {
        for end in 0..BODY.len() - b"\r\nhttp://inside".len() {
            assert!(cut(&[BODY.split_at(end).0]).is_err(), "{end}");
        }
        let long = vec![b'x'; PREAMBLE_BYTES_MAX + 10];
        assert!(cut(&[&long]).is_err());
        assert!(cut(&[b"--b-1\r\n", &long]).is_err(), "a head without an end");
        assert!(cut(&[b"--b-1x\r\n\r\n--b-1--"]).is_err());
        for bad in ["", "a b", "a\r\nb", "a\"", &"x".repeat(71)] {
            assert!(Multipart::new(bad).is_none(), "{bad:?}");
        }
    }

    /// A bound that counts only while more is awaited lets through in one piece what it refuses in two.
    #[test]
    fn the_bounds_hold_however_the_body_is_cut() {
        let head = |most: usize| format!("--b-1\r\nA: {}\r\n\r\nx\r\n--b-1--", "y".repeat(most - 5));
        let preamble = |most: usize| format!("{}\r\n--b-1\r\n\r\nx\r\n--b-1--", "y".repeat(most - 2));
        let blanks = |most: usize| format!("--b-1{}\r\n\r\nx\r\n--b-1--", " ".repeat(most - 1));
        for (body, most) in [
            (&head as &dyn Fn(usize) -> String, HEAD_BYTES_MAX),
            (&preamble, PREAMBLE_BYTES_MAX),
            (&blanks, HEAD_BYTES_MAX),
        ] {
            for (length, fits) in [(most - 1, true), (most, true), (most + 1, false), (most + 900, false)] {
                let body = body(length).into_bytes();
                assert_eq!(cut(&[&body]).is_ok(), fits, "{length} of {most}");
                for at in (most - 30..body.len()).chain([1, 20]) {
                    let (first, second) = body.split_at(at);
                    assert_eq!(cut(&[first, second]).is_ok(), fits, "{length} of {most}, cut at {at}");
                    let thrice = [first, second.split_at(1).0, second.split_at(1).1];
                    assert_eq!(cut(&thrice).is_ok(), fits, "{length} of {most}, cut twice at {at}");
                }
            }
        }
    }

    #[test]
    fn a_type_is_plain_or_nothing() {
        let syntax = "Application/DICOM;transfer-syntax=\"1.2.840.10008.1.2.1\"; x=http://inside";
        assert_eq!(media_type(syntax).unwrap(), "application/dicom; transfer-syntax=1.2.840.10008.1.2.1");
        assert_eq!(media_type("image/jp2; transfer-syntax=http://inside").unwrap(), "image/jp2");
        for bad in ["", "text", "a/b/c", "http://inside/x", "text/pl ain"] {
            assert!(media_type(bad).is_none(), "{bad}");
        }
    }
}
