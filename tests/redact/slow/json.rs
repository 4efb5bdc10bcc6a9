//! JSON as a tree that keeps how everything was spelt, and a reader as strict as the product's: plain recursion over bytes.

use std::ops::Deref;

use sekisho::redact::Limits;

/// A string: what it means, and how it is written between its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spelt {
    means: String,
    raw: String,
}

impl Spelt {
    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.means
    }

    /// The name of the shadow of this member.
    pub(crate) fn shadow(&self) -> Spelt {
        Spelt { means: format!("_{}", self.means), raw: format!("_{}", self.raw) }
    }
}

impl Deref for Spelt {
    type Target = str;

    fn deref(&self) -> &str {
        &self.means
    }
}

impl From<&str> for Spelt {
    fn from(means: &str) -> Spelt {
        let quoted = serde_json::to_string(means).unwrap();
        Spelt { means: means.to_owned(), raw: quoted[1..quoted.len() - 1].to_owned() }
    }
}

impl From<String> for Spelt {
    fn from(means: String) -> Spelt {
        means.as_str().into()
    }
}

/// A value, with its order, its numbers as text and its strings as they are spelt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Word(String),
    Text(Spelt),
    List(Vec<Json>),
    Map(Vec<(Spelt, Json)>),
}

impl Json {
    pub(crate) fn print(&self, gap: &mut dyn FnMut() -> &'static str, out: &mut String) {
        let quote = |text: &Spelt, out: &mut String| {
            out.push('"');
            out.push_str(text.raw());
            out.push('"');
        };
        out.push_str(gap());
        match self {
            Json::Word(word) => out.push_str(word),
            Json::Text(text) => quote(text, out),
            Json::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    item.print(gap, out);
                }
                out.push_str(gap());
                out.push(']');
            }
            Json::Map(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    out.push_str(gap());
                    quote(name, out);
                    out.push_str(gap());
                    out.push(':');
                    value.print(gap, out);
                }
                out.push_str(gap());
                out.push('}');
            }
        }
        out.push_str(gap());
    }

    pub(crate) fn compact(&self) -> String {
        let mut out = String::new();
        self.print(&mut || "", &mut out);
        out
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Map(members) => members.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// What stands where a root is withheld: it says only of what kind it was.
    pub(crate) fn emptied(&self) -> Json {
        match self {
            Json::Map(_) => Json::Map(Vec::new()),
            Json::List(_) => Json::List(Vec::new()),
            Json::Word(_) | Json::Text(_) => Json::Word("null".into()),
        }
    }

    /// Reads valid JSON.
    pub(crate) fn parse(text: &str) -> Json {
        Json::read(text.as_bytes(), &Limits::default()).unwrap_or_else(|| panic!("no strict JSON: {text}"))
    }

    /// Reads a document; `None`: it is no JSON, could be read in two ways, or is past a bound.
    pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Option<Json> {
        let mut reader = Reader { rest: std::str::from_utf8(bytes).ok()?, limits, depth: 0, names: 0, lenient: false };
        let value = reader.value()?;
        reader.space();
        reader.rest.is_empty().then_some(value)
    }

    /// Reads one document a line; lines of white space are none.
    pub(crate) fn read_lines(bytes: &[u8], limits: &Limits) -> Option<Vec<Json>> {
        let blank = |line: &&[u8]| !line.iter().all(|byte| b" \t\r".contains(byte));
        bytes.split(|byte| *byte == b'\n').filter(blank).map(|line| Json::read(line, limits)).collect()
    }

    /// As much as there is of a document that may be cut off anywhere.
    pub(crate) fn begun(bytes: &[u8]) -> Option<Json> {
        let whole = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let limits = Limits { depth_max: usize::MAX, ..Limits::default() };
        Reader { rest: whole, limits: &limits, depth: 0, names: 0, lenient: true }.value()
    }
}

struct Reader<'a> {
    rest: &'a str,
    limits: &'a Limits,
    depth: usize,
    /// The names of all open objects.
    names: usize,
    /// What is cut off counts as far as it goes.
    lenient: bool,
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, token: char) -> bool {
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn value(&mut self) -> Option<Json> {
        self.space();
        let first = self.rest.chars().next()?;
        match first {
            '"' => {
                let text = self.string()?;
                (text.raw().len() <= self.limits.string_bytes_max).then_some(Json::Text(text))
            }
            '[' | '{' => {
                self.rest = &self.rest[1..];
                self.depth += 1;
                if self.depth > self.limits.depth_max {
                    return None;
                }
                let value = if first == '[' { self.list() } else { self.map() };
                self.depth -= 1;
                value
            }
            _ => self.word(),
        }
    }

    /// After an element: whether the list goes on; `None`: it is neither continued nor closed.
    fn goes_on(&mut self, close: char) -> Option<bool> {
        self.space();
        if self.take(close) || (self.lenient && self.rest.is_empty()) {
            return Some(false);
        }
        self.take(',').then_some(true)
    }

    fn list(&mut self) -> Option<Json> {
        let mut items = Vec::new();
        self.space();
        if self.take(']') {
            return Some(Json::List(items));
        }
        loop {
            match self.value() {
                Some(item) => items.push(item),
                None if self.lenient => return Some(Json::List(items)),
                None => return None,
            }
            if !self.goes_on(']')? {
                return Some(Json::List(items));
            }
        }
    }

    fn map(&mut self) -> Option<Json> {
        let mut members: Vec<(Spelt, Json)> = Vec::new();
        self.space();
        if self.take('}') {
            return Some(Json::Map(members));
        }
        loop {
            match self.member(&members) {
                Some(member) => members.push(member),
                None if self.lenient => return Some(Json::Map(members)),
                None => return None,
            }
            if !self.goes_on('}')? {
                self.names -= members.len();
                return Some(Json::Map(members));
            }
        }
    }

    fn member(&mut self, before: &[(Spelt, Json)]) -> Option<(Spelt, Json)> {
        self.space();
        let name = self.rest.starts_with('"').then(|| self.string())??;
        let twice = before.iter().any(|(known, _)| known.as_str() == name.as_str());
        self.names += 1;
        if twice || name.raw().len() > self.limits.key_bytes_max || self.names > self.limits.keys_max {
            return None;
        }
        self.space();
        if !self.take(':') {
            return None;
        }
        Some((name, self.value()?))
    }

    /// RFC 8259 §7: what is escaped means what it means; half a pair means nothing.
    fn string(&mut self) -> Option<Spelt> {
        let inside = &self.rest[1..];
        let (mut means, mut at) = (String::new(), 0);
        loop {
            let step = match inside[at..].chars().next() {
                Some('"') => {
                    self.rest = &inside[at + 1..];
                    return Some(Spelt { means, raw: inside[..at].to_owned() });
                }
                Some('\\') => escaped(&inside[at..]),
                Some('\u{0}'..='\u{1f}') | None => None,
                Some(c) => Some((c, c.len_utf8())),
            };
            match step {
                Some((meant, length)) => {
                    means.push(meant);
                    at += length;
                }
                None if self.lenient => {
                    self.rest = "";
                    return Some(Spelt { means, raw: inside.to_owned() });
                }
                None => return None,
            }
        }
    }

    /// A literal or a number (RFC 8259 §6), as it is spelt.
    fn word(&mut self) -> Option<Json> {
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let known = matches!(word, "true" | "false" | "null") || is_number(word) || (self.lenient && rest.is_empty());
        (known && word.len() <= self.limits.number_bytes_max).then(|| Json::Word(word.to_owned()))
    }
}

/// What an escape means, and how many bytes it has.
fn escaped(text: &str) -> Option<(char, usize)> {
    let plain = match text.as_bytes().get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = unit(text)?;
            return match first {
                0xD800..=0xDBFF => {
                    let second = unit(text.get(6..)?).filter(|second| (0xDC00..=0xDFFF).contains(second))?;
                    let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                    Some((char::from_u32(code)?, 12))
                }
                _ => Some((char::from_u32(first)?, 6)),
            };
        }
        _ => return None,
    };
    Some((plain, 2))
}

/// The code unit of `\uXXXX`.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}
