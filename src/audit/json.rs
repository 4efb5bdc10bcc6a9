//! How is one record written, without a tree in memory and without trusting a single outside string?
//!
//! Members are written in the order given; a string is cut at a character boundary and everything that could move a
//! cursor, reverse the text or end the line is escaped, so that a line is one line in `less`, in `jq` and on a terminal.

/// Writes one JSON object, member by member.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    /// Opens `{`.
    pub(super) fn open(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object { out, first: true }
    }

    /// Members only, without braces: the log's frame is written around them.
    pub(super) fn members(out: &'o mut Vec<u8>) -> Object<'o> {
        Object { out, first: true }
    }

    /// Writes `}`.
    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    /// Begins a member; its value is written next. `name` comes from this crate and needs no escape.
    pub(super) fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// As [`Object::name`], for a name that does not come from this crate.
    pub(super) fn outside_name(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        text(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        text(self.name(name), value);
        self
    }

    pub(super) fn whole(&mut self, name: &str, value: &str) -> &mut Self {
        text_within(self.name(name), value, super::Detail::WHOLE_BYTES_MAX);
        self
    }

    pub(super) fn text_if(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    pub(super) fn number(&mut self, name: &str, value: u64) -> &mut Self {
        number(self.name(name), value);
        self
    }

    pub(super) fn number_if(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            self.number(name, value);
        }
        self
    }

    pub(super) fn time_if(&mut self, name: &str, value_ms: Option<u64>) -> &mut Self {
        if let Some(value_ms) = value_ms {
            let out = self.name(name);
            out.push(b'"');
            super::time::write(out, value_ms);
            out.push(b'"');
        }
        self
    }

    /// A list of strings; left out when empty, for an absent list and an empty one say the same here.
    pub(super) fn list<S: AsRef<str>>(&mut self, name: &str, values: &[S]) -> &mut Self {
        if !values.is_empty() {
            array(self.name(name), values);
        }
        self
    }
}

/// Writes `["…","…"]`, at most [`LIST_MAX`] of them; a longer list ends with how many were left out.
pub(super) fn array<S: AsRef<str>>(out: &mut Vec<u8>, values: &[S]) {
    out.push(b'[');
    for (index, value) in values.iter().take(LIST_MAX).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text(out, value.as_ref());
    }
    if let Some(more) = values.len().checked_sub(LIST_MAX).filter(|more| *more > 0) {
        text_within(out.push_comma(), &format!("…and {more} more"), TEXT_BYTES_MAX);
    }
    out.push(b']');
}

/// Writes a string of at most [`TEXT_BYTES_MAX`].
pub(super) fn text(out: &mut Vec<u8>, value: &str) {
    text_within(out, value, TEXT_BYTES_MAX);
}

/// Writes a string, cut before `bytes_max` with `…` in place of the rest.
pub(super) fn text_within(out: &mut Vec<u8>, value: &str, bytes_max: usize) {
    let kept = value.get(..value.floor_char_boundary(bytes_max)).unwrap_or_default();
    out.push(b'"');
    if kept.bytes().all(is_plain) {
        out.extend_from_slice(kept.as_bytes());
    } else {
        kept.chars().for_each(|one| escaped(out, one));
    }
    if kept.len() < value.len() {
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

/// Writes a number in decimal.
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = digit(value % 10);
        used += 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - used..).unwrap_or_default());
}

/// Writes bytes as lower-case hexadecimal.
pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(digit(u64::from(byte >> 4)));
        out.push(digit(u64::from(byte & 15)));
    }
}

/// Whether a character may move a cursor, reverse text or split a line on some terminal or in some reader.
pub(super) fn is_unsafe_to_show(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

fn escaped(out: &mut Vec<u8>, one: char) {
    match one {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        // Every one of these is in the basic plane: four digits are enough.
        one if is_unsafe_to_show(one) => {
            out.extend_from_slice(b"\\u");
            let value = u32::from(one);
            for shift in [12, 8, 4, 0] {
                out.push(digit(u64::from(value >> shift & 15)));
            }
        }
        one => out.extend_from_slice(one.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn digit(value: u64) -> u8 {
    let value = u8::try_from(value & 15).unwrap_or(0);
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

trait PushComma {
    fn push_comma(&mut self) -> &mut Self;
}
impl PushComma for Vec<u8> {
    fn push_comma(&mut self) -> &mut Self {
        self.push(b',');
        self
    }
}

/// The longest outside string in a record, in bytes of UTF-8, before escapes.
pub(super) const TEXT_BYTES_MAX: usize = 256;
/// The longest list of strings in a record.
pub(super) const LIST_MAX: usize = 512;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: &str) -> String {
        let mut out = Vec::new();
        text(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_outside_string_cannot_end_the_line_or_drive_a_terminal() {
        let hostile = "a\"\\\n\r\u{1b}[2J\u{7f}\u{9b}\u{2028}\u{202e}b";
        let out = written(hostile);
        assert!(out.chars().all(|one| !is_unsafe_to_show(one)), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), hostile);
    }

    #[test]
    fn a_long_string_is_cut_between_characters_and_says_so() {
        let long = "関".repeat(200);
        let back: String = serde_json::from_str(&written(&long)).unwrap();
        assert_eq!(back, format!("{}…", "関".repeat(85)));
        assert_eq!(written(&"x".repeat(256)).len(), 258, "exactly as long as allowed is not cut");
    }

    #[test]
    fn a_long_list_says_how_much_is_missing() {
        let mut out = Vec::new();
        array(&mut out, &vec!["x"; LIST_MAX + 3]);
        let back: Vec<String> = serde_json::from_slice(&out).unwrap();
        assert_eq!((back.len(), back.last().unwrap().as_str()), (LIST_MAX + 1, "…and 3 more"));
    }

    proptest! {
        #[test]
        fn any_short_string_comes_back_as_it_was(value in "\\PC{0,40}|.{0,40}") {
            prop_assert_eq!(serde_json::from_str::<String>(&written(&value)).unwrap(), value);
        }
        #[test]
        fn any_number_is_written_in_decimal(value: u64) {
            let mut out = Vec::new();
            number(&mut out, value);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
