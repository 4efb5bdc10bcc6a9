//! What do the bytes inside a JSON token mean? Escapes, characters and numbers by the letter of RFC 8259.

use std::borrow::Cow;

use super::fault::Fault;

/// Whether it names who keeps an identifier's system: by a URI.
pub(super) fn is_uri(system: &str) -> bool {
    let scheme = system.split_once(':').map_or("", |(scheme, _)| scheme);
    matches!(scheme, "http" | "https" | "urn" | "oid") && system.len() > scheme.len() + 1
}

/// What stands at the head of some bytes of a string: an escape or a character of several bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// It is whole and this long, in bytes.
    Complete(usize),
    /// More bytes are needed to tell.
    Incomplete,
    /// It can become nothing valid.
    Bad(Fault),
}

/// Classifies the unit at the head of `bytes`. A surrogate pair is one unit of twelve bytes.
pub(super) fn unit(bytes: &[u8]) -> Unit {
    match bytes.first() {
        None => Unit::Incomplete,
        Some(b'\\') => escape(bytes),
        Some(first) => {
            let wanted = match first {
                0x00..0x80 => 1,
                0xC2..0xE0 => 2,
                0xE0..0xF0 => 3,
                0xF0..0xF5 => 4,
                _ => return Unit::Bad(Fault::Utf8),
            };
            let have = bytes.get(..wanted).unwrap_or(bytes);
            match std::str::from_utf8(have) {
                Ok(_) => Unit::Complete(wanted),
                Err(error) if error.error_len().is_none() => Unit::Incomplete,
                Err(_) => Unit::Bad(Fault::Utf8),
            }
        }
    }
}

fn escape(bytes: &[u8]) -> Unit {
    match bytes.get(1) {
        None => Unit::Incomplete,
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Unit::Complete(2),
        Some(b'u') => match hex4(bytes, 2) {
            Err(unit) => unit,
            Ok(0xDC00..=0xDFFF) => Unit::Bad(Fault::Surrogate),
            Ok(0xD800..=0xDBFF) => low_surrogate(bytes),
            Ok(_) => Unit::Complete(6),
        },
        Some(_) => Unit::Bad(Fault::Grammar),
    }
}

fn low_surrogate(bytes: &[u8]) -> Unit {
    match (bytes.get(6), bytes.get(7)) {
        (None, _) | (Some(b'\\'), None) => Unit::Incomplete,
        (Some(b'\\'), Some(b'u')) => match hex4(bytes, 8) {
            Err(unit) => unit,
            Ok(0xDC00..=0xDFFF) => Unit::Complete(12),
            Ok(_) => Unit::Bad(Fault::Surrogate),
        },
        _ => Unit::Bad(Fault::Surrogate),
    }
}

/// The four hexadecimal digits at `from`.
fn hex4(bytes: &[u8], from: usize) -> Result<u32, Unit> {
    let mut value = 0;
    for at in from..from + 4 {
        let byte = *bytes.get(at).ok_or(Unit::Incomplete)?;
        let digit = char::from(byte).to_digit(16).ok_or(Unit::Bad(Fault::Grammar))?;
        value = value << 4 | digit;
    }
    Ok(value)
}

/// Appends what the inside of a string (without its quotes) means to `out`, checking every byte of it.
pub(super) fn unescape_into(inside: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut rest = inside;
    while let Some(first) = rest.first() {
        let length = match unit(rest) {
            Unit::Complete(length) => length,
            Unit::Incomplete => return Err(cut_short(rest)),
            Unit::Bad(fault) => return Err(fault),
        };
        let (head, tail) = rest.split_at(length);
        if *first == b'\\' {
            push_escaped(head, out)?;
        } else {
            out.extend_from_slice(head);
        }
        rest = tail;
    }
    Ok(())
}

/// The fault of a unit that the closing quote cuts short.
fn cut_short(unit_head: &[u8]) -> Fault {
    match unit(&[unit_head, b"\"\""].concat()) {
        Unit::Bad(fault) => fault,
        Unit::Complete(_) | Unit::Incomplete => Fault::Grammar,
    }
}

fn push_escaped(escape: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let code = match escape.get(1) {
        Some(b'b') => 0x08,
        Some(b'f') => 0x0C,
        Some(b'n') => 0x0A,
        Some(b'r') => 0x0D,
        Some(b't') => 0x09,
        Some(b'u') => {
            let high = hex4(escape, 2).map_err(|_| Fault::Grammar)?;
            match hex4(escape, 8) {
                Ok(low) => 0x10000 + ((high & 0x3FF) << 10 | (low & 0x3FF)),
                Err(_) => high,
            }
        }
        Some(other) => u32::from(*other),
        None => return Err(Fault::Grammar),
    };
    let char = char::from_u32(code).ok_or(Fault::Surrogate)?;
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}

/// What a whole string token (with its quotes) means; `None` if it is no valid token.
pub(super) fn unquote(raw: &[u8]) -> Option<Cow<'_, str>> {
    unescape(raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// What the inside of a string token means.
pub(super) fn unescape(inside: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', inside).is_none() {
        return simdutf8::basic::from_utf8(inside).ok().map(Cow::Borrowed);
    }
    let mut out = Vec::with_capacity(inside.len());
    unescape_into(inside, &mut out).ok()?;
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Appends `text` as a string token.
pub(super) fn quote_into(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((plain, [byte, after @ ..])) =
        rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0x00..0x20)).map(|at| rest.split_at(at))
    {
        out.extend_from_slice(plain);
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(if *byte < 0x10 { b'0' } else { b'1' });
                out.extend(HEX.get(usize::from(byte & 0xF)));
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Whether `token` is a number (RFC 8259 §6).
pub(super) fn is_number(token: &[u8]) -> bool {
    let digits = |rest: &mut &[u8]| {
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        *rest = rest.get(count..).unwrap_or_default();
        count
    };
    let mut rest = token.strip_prefix(b"-").unwrap_or(token);
    let leading_zero = rest.first() == Some(&b'0');
    let whole = digits(&mut rest);
    if whole == 0 || (leading_zero && whole > 1) {
        return false;
    }
    if let Some(mut fraction) = rest.strip_prefix(b".") {
        if digits(&mut fraction) == 0 {
            return false;
        }
        rest = fraction;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let mut exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return digits(&mut exponent) > 0 && exponent.is_empty();
    }
    rest.is_empty()
}

/// Whether a number, `true`, `false` or `null` may have this byte. What is none of these and no structure is no JSON.
pub(super) const fn is_scalar_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'A'..=b'Z')
}

/// Where the number or literal ends that begins at `at`.
///
/// # Errors
/// [`Fault::Grammar`]: it runs into a byte that can neither be in one nor after one.
pub(super) fn scalar_end(src: &[u8], at: usize) -> Result<usize, Fault> {
    let rest = src.get(at..).unwrap_or_default();
    let length = rest.iter().position(|byte| !is_scalar_byte(*byte)).unwrap_or(rest.len());
    match rest.get(length) {
        None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'"' | b',' | b':' | b'{' | b'}' | b'[' | b']') => Ok(at + length),
        Some(_) => Err(Fault::Grammar),
    }
}

/// The fault of a scalar of more than `bytes_max` bytes, which its head alone decides.
pub(super) fn scalar_too_long(token: &[u8], bytes_max: usize) -> Fault {
    let head = token.get(..bytes_max + 1).unwrap_or(token);
    match head.iter().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
        true => Fault::NumberTooLong,
        false => Fault::Grammar,
    }
}

/// How much at the head of `src` is UTF-8, and what is wrong after it. A character that the end of `src` cuts is not
/// wrong; it is left out.
pub(super) fn valid_utf8(src: &[u8]) -> (usize, Option<Fault>) {
    let whole = src.len() - cut_bytes(src);
    if simdutf8::basic::from_utf8(src.get(..whole).unwrap_or_default()).is_ok() {
        return (whole, None);
    }
    match std::str::from_utf8(src) {
        Ok(_) => (src.len(), None),
        Err(error) => (error.valid_up_to(), error.error_len().map(|_| Fault::Utf8)),
    }
}

/// How many bytes at the end of `src` are the valid beginning of a character that goes on after it.
fn cut_bytes(src: &[u8]) -> usize {
    (1..4)
        .find(|back| src.len().checked_sub(*back).and_then(|at| src.get(at)).is_some_and(|byte| *byte >= 0xC0))
        .map_or(0, |back| match std::str::from_utf8(src.get(src.len() - back..).unwrap_or_default()) {
            Err(error) if error.error_len().is_none() => back,
            _ => 0,
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_grammar_to_the_letter() {
        for good in ["0", "-0", "10", "1.0", "0.010", "1e5", "1E+05", "-12.5e-3"] {
            assert!(is_number(good.as_bytes()), "{good}");
        }
        for bad in ["", "-", "01", "1.", ".5", "+1", "1e", "1e+", "1.e3", "--1", "0x1", "1-", "1.2.3", "00"] {
            assert!(!is_number(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_never_a_unit() {
        assert_eq!(unit(br"\ud83d\ude00"), Unit::Complete(12));
        assert_eq!(unit(br"\ud83d"), Unit::Incomplete);
        assert_eq!(unit(br"\ud83dx"), Unit::Bad(Fault::Surrogate));
        assert_eq!(unit(br"\ud83d\n"), Unit::Bad(Fault::Surrogate));
        assert_eq!(unit(br"\ud83d\ud83d"), Unit::Bad(Fault::Surrogate));
        assert_eq!(unit(br"\ude00"), Unit::Bad(Fault::Surrogate));
    }

    #[test]
    fn what_is_utf8_is_told_alike_wherever_it_is_cut() {
        for text in [
            &b"a\xE6\x97\xA5\xF0\x9F\x98\x80z\xC3\xA9"[..],
            b"\xE6\x97a",
            b"a\xF4\x90\x80",
            b"ab\x80\x80\x80",
            b"\xED\xA0",
            b"\xC0",
        ] {
            for end in 0..=text.len() {
                let src = text.get(..end).unwrap();
                let slowly = match std::str::from_utf8(src) {
                    Ok(_) => (end, None),
                    Err(error) => (error.valid_up_to(), error.error_len().map(|_| Fault::Utf8)),
                };
                assert_eq!(valid_utf8(src), slowly, "{src:?}");
            }
        }
    }

    #[test]
    fn quoting_and_unquoting_agree() {
        for text in ["", "a\"b\\c", "\u{1}\n\u{1f}", "日本語", "😀"] {
            let mut raw = Vec::new();
            quote_into(text, &mut raw);
            assert_eq!(unquote(&raw).unwrap(), text);
        }
    }
}
