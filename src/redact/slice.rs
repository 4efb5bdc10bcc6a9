//! Where in a held value is a member? Finds places in bytes that a strict scanner has passed, whole or cut short.
//!
//! It checks nothing again. What is cut off at the end of the bytes counts as not found.

use super::text;

/// The members of the object, or elements of the array, that `value` begins with: for each its name as it stands
/// (none in an array) and its bytes. Stops at the first that is not whole.
pub(super) struct Parts<'a> {
    bytes: &'a [u8],
    at: usize,
    object: bool,
}

pub(super) fn parts(value: &[u8]) -> Option<Parts<'_>> {
    let at = skip_space(value, 0);
    match value.get(at)? {
        b'{' => Some(Parts { bytes: value, at: at + 1, object: true }),
        b'[' => Some(Parts { bytes: value, at: at + 1, object: false }),
        _ => None,
    }
}

impl<'a> Parts<'a> {
    pub(super) const fn object(&self) -> bool {
        self.object
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = (Option<&'a [u8]>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut at = skip_space(self.bytes, self.at);
        if self.bytes.get(at)? == &b',' {
            at = skip_space(self.bytes, at + 1);
        }
        let mut name = None;
        if self.object {
            let end = skip_value(self.bytes, at)?;
            name = Some(self.bytes.get(at..end)?);
            at = skip_space(self.bytes, end);
            if self.bytes.get(at)? != &b':' {
                return None;
            }
            at = skip_space(self.bytes, at + 1);
        }
        let end = skip_value(self.bytes, at)?;
        self.at = end;
        Some((name, self.bytes.get(at..end)?))
    }
}

/// Whether a name token means `name`.
pub(super) fn is_name(raw: &[u8], name: &str) -> bool {
    let inside = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    inside == name.as_bytes()
        || (memchr::memchr(b'\\', inside).is_some() && text::unquote(raw).as_deref() == Some(name))
}

/// The member of this name of the object that `value` begins with.
pub(super) fn member<'a>(value: &'a [u8], name: &str) -> Option<&'a [u8]> {
    parts(value)?.find(|(raw, _)| raw.is_some_and(|raw| is_name(raw, name))).map(|(_, value)| value)
}

/// The member of this name, where it is a string: what it means.
pub(super) fn string_member(value: &[u8], name: &str) -> Option<String> {
    text::unquote(member(value, name)?)
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The end of the value that starts at `at`; `None` if it is not whole or there is none.
fn skip_value(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => skip_string(bytes, at),
        b'{' | b'[' => skip_brackets(bytes, at),
        b'}' | b']' | b',' | b':' => None,
        _ => {
            let rest = bytes.get(at..)?;
            // A number that runs to the end of the bytes may go on after it.
            let length = rest.iter().position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n'))?;
            Some(at + length)
        }
    }
}

fn skip_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn skip_brackets(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let mut depth = 0usize;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = skip_string(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_whatever_precedes_it_and_however_it_is_spelt() {
        let body = br#" { "a" : [ "}\"", {"id":"no"} ], "\u0069d" : "7" , "n":1} "#;
        assert_eq!(string_member(body, "id").unwrap(), "7");
        assert_eq!(member(body, "n").unwrap(), b"1");
        assert!(member(body, "z").is_none());
    }

    #[test]
    fn what_is_cut_off_is_not_found() {
        let body = br#"{"a":{"b":"x"},"id":"12","n":34"#;
        assert_eq!(string_member(body, "id").unwrap(), "12");
        assert!(member(body, "n").is_none());
        for end in 0..24 {
            assert!(string_member(body.get(..end).unwrap(), "id").is_none(), "{end}");
        }
    }
}
