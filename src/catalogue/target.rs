//! Do the bytes of a request target mean one thing only? What two servers could read in two ways is refused.
//!
//! The gate judges exactly the bytes that it forwards, so nothing is normalised here: a target is taken as it is or
//! refused whole. Source: RFC 3986 (sections 2, 3.3, 3.4, 6.2.2), RFC 9110 section 7.7.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::pointer::is_subject_id;

/// Why a request target is refused; [`BadTarget::as_str`] is fit for a log and for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadTarget {
    /// Path over [`PATH_BYTES_MAX`], query over [`QUERY_BYTES_MAX`] or more than [`PARAMETERS_MAX`] parameters.
    TooLong,
    /// Not an absolute path.
    NotAbsolute,
    /// A byte that has no place in a path or a query (blank, control, fragment, backslash, raw UTF-8 …).
    Byte,
    /// `%` without two hexadecimal digits.
    Percent,
    /// Decodes to what is not UTF-8.
    Utf8,
    /// Decodes to a control character.
    Control,
    /// `%2f`, `%5c`, `%3b`, `%3f` or `%23` in a path: the far side could split there.
    EncodedDelimiter,
    /// `%25`: what is decoded twice means two things.
    DoubleEncoding,
    /// An encoded letter, digit, dot, hyphen or underscore in a path: nobody has to, but to get past a check.
    NeedlessEncoding,
    /// `.` or `..` as a segment.
    DotSegment,
    /// `//`, or a slash at the end.
    EmptySegment,
    /// `;` in a path or a query.
    Semicolon,
    /// A parameter given twice that may be given once, or two parameters that both name the subject.
    Doubled,
    /// The parameter that names the subject is missing.
    SubjectMissing,
    /// What stands where the subject is named cannot be an id.
    SubjectId,
    /// A field to sort by that is not one of the route's.
    SortField,
    /// A page number or cursor that is neither.
    Page,
    /// A value that the parameter does not take.
    Value,
}

impl BadTarget {
    /// A stable word for logs, metrics and the refusal.
    pub const fn as_str(self) -> &'static str {
        match self {
            BadTarget::TooLong => "too-long",
            BadTarget::NotAbsolute => "not-absolute",
            BadTarget::Byte => "byte",
            BadTarget::Percent => "percent",
            BadTarget::Utf8 => "utf-8",
            BadTarget::Control => "control",
            BadTarget::EncodedDelimiter => "encoded-delimiter",
            BadTarget::DoubleEncoding => "double-encoding",
            BadTarget::NeedlessEncoding => "needless-encoding",
            BadTarget::DotSegment => "dot-segment",
            BadTarget::EmptySegment => "empty-segment",
            BadTarget::Semicolon => "semicolon",
            BadTarget::Doubled => "doubled-parameter",
            BadTarget::SubjectMissing => "subject-missing",
            BadTarget::SubjectId => "subject-id",
            BadTarget::SortField => "sort-field",
            BadTarget::Page => "page",
            BadTarget::Value => "value",
        }
    }
}

impl std::fmt::Display for BadTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "request target refused: {}", self.as_str())
    }
}

impl std::error::Error for BadTarget {}

/// The longest path.
pub const PATH_BYTES_MAX: usize = 4096;
/// The longest query.
pub const QUERY_BYTES_MAX: usize = 8192;
/// The longest form in a body.
pub(super) const FORM_BYTES_MAX: usize = 64 << 10;
/// The most parameters.
pub const PARAMETERS_MAX: usize = 64;

/// A segment of a path: where it stands in the raw path, and what it decodes to.
pub(super) struct Segment<'t> {
    pub(super) raw: Range<usize>,
    pub(super) decoded: Cow<'t, str>,
}

/// A parameter of a query: where its value stands in the raw query, and what both decode to.
pub(super) struct Parameter<'t> {
    pub(super) name: Cow<'t, str>,
    pub(super) raw: Range<usize>,
    pub(super) raw_value: &'t str,
    pub(super) value: Cow<'t, str>,
}

/// The segments of a path without its leading slash; `/` alone has none.
pub(super) fn segments(path: &str) -> Result<Vec<Segment<'_>>, BadTarget> {
    if path.len() > PATH_BYTES_MAX {
        return Err(BadTarget::TooLong);
    }
    let rest = path.strip_prefix('/').ok_or(BadTarget::NotAbsolute)?;
    let mut start = 1;
    let mut segments = Vec::new();
    for raw in rest.split('/').take_while(|_| !rest.is_empty()) {
        let raw_range = start..start + raw.len();
        segments.push(Segment { raw: raw_range, decoded: segment(raw)? });
        start += raw.len() + 1;
    }
    Ok(segments)
}

fn segment(raw: &str) -> Result<Cow<'_, str>, BadTarget> {
    if raw.is_empty() {
        return Err(BadTarget::EmptySegment);
    }
    if raw.contains(';') {
        return Err(BadTarget::Semicolon);
    }
    for_each_escape(raw, |byte| match byte {
        b'/' | b'\\' | b';' | b'?' | b'#' => Err(BadTarget::EncodedDelimiter),
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' => Err(BadTarget::NeedlessEncoding),
        _ => Ok(()),
    })?;
    if !raw.bytes().all(|byte| is_path_byte(byte) || byte == b'%') {
        return Err(BadTarget::Byte);
    }
    if raw == "." || raw == ".." {
        return Err(BadTarget::DotSegment);
    }
    decode(raw)
}

/// The parameters of a query or a form, in order; empty pieces (`a=1&`) count as none.
pub(super) fn parameters(query: &str, bytes_max: usize) -> Result<Vec<Parameter<'_>>, BadTarget> {
    if query.len() > bytes_max {
        return Err(BadTarget::TooLong);
    }
    if query.contains(';') {
        return Err(BadTarget::Semicolon);
    }
    for_each_escape(query, |_| Ok(()))?;
    if !query.bytes().all(|byte| is_path_byte(byte) || matches!(byte, b'%' | b'/' | b'?' | b'|')) {
        return Err(BadTarget::Byte);
    }
    let mut start = 0;
    let mut parameters = Vec::new();
    for piece in query.split('&') {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let end = start + piece.len();
        if !piece.is_empty() {
            let raw = end - value.len()..end;
            parameters.push(Parameter { name: form(name)?, raw, raw_value: value, value: form(value)? });
        }
        start = end + 1;
    }
    if parameters.len() > PARAMETERS_MAX { Err(BadTarget::TooLong) } else { Ok(parameters) }
}

/// A form's decoding: `+` is a blank.
fn form(raw: &str) -> Result<Cow<'_, str>, BadTarget> {
    if !raw.contains('+') {
        return decode(raw);
    }
    let blanks = raw.replace('+', " ");
    decode(&blanks).map(|text| Cow::Owned(text.into_owned()))
}

/// Hands each escaped byte to `check`; the escapes themselves have to be whole, and none may be a control or a `%`.
fn for_each_escape(raw: &str, check: impl Fn(u8) -> Result<(), BadTarget>) -> Result<(), BadTarget> {
    for escape in raw.split('%').skip(1) {
        let digits = escape.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok()).ok_or(BadTarget::Percent)?;
        match byte {
            0..=0x1f | 0x7f => return Err(BadTarget::Control),
            b'%' => return Err(BadTarget::DoubleEncoding),
            _ => check(byte)?,
        }
    }
    Ok(())
}

fn decode(raw: &str) -> Result<Cow<'_, str>, BadTarget> {
    let text = percent_decode_str(raw).decode_utf8().map_err(|_| BadTarget::Utf8)?;
    if text.chars().any(char::is_control) { Err(BadTarget::Control) } else { Ok(text) }
}

/// `pchar` of RFC 3986 without `;` and `%`.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

/// The id of a subject in a path or a query.
pub(super) fn subject(value: &str) -> Result<&str, BadTarget> {
    if is_subject_id(value) { Ok(value) } else { Err(BadTarget::SubjectId) }
}

/// A page number, a size or a cursor: 1 to 512 letters, digits and `-._~=:`.
pub(super) fn page(value: &str) -> Result<(), BadTarget> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~=:".contains(&byte);
    if (1..=512).contains(&value.len()) && value.bytes().all(fits) { Ok(()) } else { Err(BadTarget::Page) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_two_servers_could_read_differently_is_refused() {
        for (path, why) in [
            ("/donors/a%2fb", BadTarget::EncodedDelimiter),
            ("/donors/a%2Fb", BadTarget::EncodedDelimiter),
            ("/donors/a%5cb", BadTarget::EncodedDelimiter),
            ("/donors/a%3Bx", BadTarget::EncodedDelimiter),
            ("/donors/a%3Fx", BadTarget::EncodedDelimiter),
            ("/donors/a%23", BadTarget::EncodedDelimiter),
            ("/donors/a%00", BadTarget::Control),
            ("/donors/a%0d%0a", BadTarget::Control),
            ("/donors/a%7f", BadTarget::Control),
            ("/donors/%c2%85", BadTarget::Control),
            ("/donors/%2e%2e/x", BadTarget::NeedlessEncoding),
            ("/donors/.%2e", BadTarget::NeedlessEncoding),
            ("/%64onors", BadTarget::NeedlessEncoding),
            ("/donors/../x", BadTarget::DotSegment),
            ("/donors/./x", BadTarget::DotSegment),
            ("/donors/..", BadTarget::DotSegment),
            ("/donors//x", BadTarget::EmptySegment),
            ("//donors", BadTarget::EmptySegment),
            ("/donors/", BadTarget::EmptySegment),
            ("/donors;v=1", BadTarget::Semicolon),
            ("/donors/%252e", BadTarget::DoubleEncoding),
            ("/donors/%", BadTarget::Percent),
            ("/donors/%2", BadTarget::Percent),
            ("/donors/%zz", BadTarget::Percent),
            ("/donors/%é", BadTarget::Percent),
            ("/donors/%ff", BadTarget::Utf8),
            ("/donors/%c0%af", BadTarget::Utf8),
            ("/donors/%ed%a0%80", BadTarget::Utf8),
            ("/donors/é", BadTarget::Byte),
            ("/donors/a b", BadTarget::Byte),
            ("/donors/a\\b", BadTarget::Byte),
            ("/donors#x", BadTarget::Byte),
            ("/donors?x", BadTarget::Byte),
            ("/donors/a\tb", BadTarget::Byte),
            ("donors", BadTarget::NotAbsolute),
            ("*", BadTarget::NotAbsolute),
            ("", BadTarget::NotAbsolute),
            ("http://x/donors", BadTarget::NotAbsolute),
        ] {
            assert_eq!(segments(path).err(), Some(why), "{path}");
        }
        assert_eq!(segments(&format!("/{}", "a".repeat(PATH_BYTES_MAX))).err(), Some(BadTarget::TooLong));
    }

    #[test]
    fn a_query_that_two_servers_could_read_differently_is_refused() {
        for (query, why) in [
            ("a=1;b=2", BadTarget::Semicolon),
            ("a=%", BadTarget::Percent),
            ("a=%2541", BadTarget::DoubleEncoding),
            ("a=%00", BadTarget::Control),
            ("a=%0a", BadTarget::Control),
            ("a=%ff", BadTarget::Utf8),
            ("a=b#c", BadTarget::Byte),
            ("a=é", BadTarget::Byte),
            ("a= b", BadTarget::Byte),
            ("a[]=1", BadTarget::Byte),
            ("a=\"b\"", BadTarget::Byte),
        ] {
            assert_eq!(parameters(query, QUERY_BYTES_MAX).err(), Some(why), "{query}");
        }
        let many = "a=1&".repeat(PARAMETERS_MAX + 1);
        assert_eq!(parameters(&many, QUERY_BYTES_MAX).err(), Some(BadTarget::TooLong));
    }

    #[test]
    fn the_raw_place_of_a_value_is_the_value() {
        let query = "&page=2&name=%E4%BD%90+%E8%97%A4&flag";
        let found = parameters(query, QUERY_BYTES_MAX).unwrap();
        let raw: Vec<_> = found.iter().map(|p| &query[p.raw.clone()]).collect();
        assert_eq!(raw, ["2", "%E4%BD%90+%E8%97%A4", ""]);
        assert_eq!(found[1].value, "佐 藤");
        assert_eq!(found[2].name, "flag");
        let path = "/donors/%E4%BD%90/x";
        let found = segments(path).unwrap();
        assert_eq!(&path[found[1].raw.clone()], "%E4%BD%90");
        assert_eq!(found[1].decoded, "佐");
    }
}
