//! Where in a held value is a member? Finds places in bytes that a strict scanner has passed, whole or cut short.
//!
//! It checks nothing again. What is cut off at the end of the bytes counts as not found.

use std::borrow::Cow;
use std::ops::Range;

use super::scan::{Kind, Known, Marks, Node, Value};
use super::text;

/// A value, and where its parts are, if that is known.
#[derive(Clone, Copy)]
pub(super) struct Here<'e> {
    /// From its first byte; past its last, if nothing is known of it.
    bytes: &'e [u8],
    read: Option<Read<'e>>,
}

/// What a strict reading found in the entry, and which of its nodes is meant.
#[derive(Clone, Copy)]
struct Read<'e> {
    entry: &'e [u8],
    nodes: &'e [Node],
    number: usize,
    /// Also what is inside the parts of it is known.
    all: bool,
}

impl<'e> Here<'e> {
    /// What begins these bytes.
    pub(super) const fn unread(bytes: &'e [u8]) -> Here<'e> {
        Here { bytes, read: None }
    }

    /// A whole entry of which this is known.
    pub(super) fn entry(entry: &'e [u8], known: Option<Known<'e>>) -> Here<'e> {
        let read = |Known { nodes, all }| Read { entry, nodes, number: 0, all };
        Here { bytes: entry, read: known.map(read) }
    }

    /// The value of this node of an entry of which all is known.
    pub(super) fn node(entry: &'e [u8], nodes: &'e [Node], number: usize) -> Here<'e> {
        Read { entry, nodes, number, all: true }.here()
    }

    pub(super) const fn bytes(&self) -> &'e [u8] {
        self.bytes
    }

    /// The value of the member of this name. What is not known of its end is not known of the answer's.
    pub(super) fn member(&self, name: &str, finder: &mut Finder) -> Option<Here<'e>> {
        match self.read {
            Some(read) => read.members().find(|part| part.is_named(name)).map(Read::here),
            None => finder.member(self.bytes, name).and_then(|range| self.bytes.get(range)).map(Here::unread),
        }
    }

    /// What the member of this name says, if it is a string.
    pub(super) fn string_member(&self, name: &str, finder: &mut Finder) -> Option<Cow<'e, str>> {
        text::unquote(self.member(name, finder)?.bytes)
    }

    /// Visits the elements of an array.
    pub(super) fn elements(&self, finder: &mut Finder, mut visit: impl FnMut(Here<'e>)) {
        match self.read {
            _ if self.bytes.first() != Some(&b'[') => {}
            Some(read) => read.parts().for_each(|part| visit(part.here())),
            None => {
                finder.each(self.bytes, |_, range| {
                    visit(Here::unread(self.bytes.get(range).unwrap_or_default()));
                    false
                });
            }
        }
    }

    /// As [`Finder::no_string`].
    pub(super) fn no_string(&self, finder: &mut Finder, mut wanted: impl FnMut(&[u8]) -> bool) -> bool {
        let Some(Read { entry, nodes, number, all: true }) = self.read else {
            return finder.no_string(self.bytes, wanted);
        };
        let Some(node) = nodes.get(number) else { return false };
        let inside = nodes.get(number + 1..node.next()).unwrap_or_default();
        let mut none = |from: usize, to: usize| entry.get(from..to).is_some_and(|raw| !wanted(raw));
        inside.iter().all(|node| {
            let name = node.name();
            (name.start == 0 || none(name.start - 1, name.end + 1))
                && (node.value() != Value::Text || none(node.start(), node.end()))
        })
    }

    /// Whether nothing is known of its parts, so that they are looked for in its bytes.
    pub(super) const fn is_unread(&self) -> bool {
        self.read.is_none()
    }
}

impl<'e> Read<'e> {
    /// The members or elements of a container.
    fn parts(self) -> impl Iterator<Item = Read<'e>> {
        let end = self.nodes.get(self.number).map_or(0, Node::next);
        let mut next = self.number + 1;
        std::iter::from_fn(move || {
            let number = next;
            next = self.nodes.get(number).filter(|_| number < end)?.next();
            Some(Read { number, ..self })
        })
    }

    /// The members of an object; of another value none.
    fn members(self) -> impl Iterator<Item = Read<'e>> {
        let value = self.nodes.get(self.number).map(|node| node.value());
        self.parts().take_while(move |_| value == Some(Value::Container(Kind::Object)))
    }

    fn is_named(&self, name: &str) -> bool {
        let Some(node) = self.nodes.get(self.number) else { return false };
        let raw = self.entry.get(node.name()).unwrap_or_default();
        match node.escaped() {
            true => is_name(raw, name),
            false => raw == name.as_bytes(),
        }
    }

    fn here(self) -> Here<'e> {
        let range = self.nodes.get(self.number).map_or(0..0, |node| node.start()..node.end());
        let container = |node: &Node| matches!(node.value(), Value::Container(_));
        let known = self.all || self.number == 0 || !self.nodes.get(self.number).is_some_and(container);
        Here { bytes: self.entry.get(range).unwrap_or_default(), read: known.then_some(self) }
    }
}

/// Finds members and elements; keeps its room from one value to the next.
pub(super) struct Finder {
    marks: Marks,
}

/// What a value turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Object,
    Array,
    Other,
}

impl Finder {
    pub(super) fn new() -> Finder {
        Finder { marks: Marks::new(false, false) }
    }

    pub(super) const fn set_portable(&mut self) {
        self.marks.set_portable();
    }

    /// Visits the members or elements of `value`: where the name is, between its quotes, and where the value is, until
    /// `visit` says that it has seen enough.
    pub(super) fn each(&mut self, value: &[u8], mut visit: impl FnMut(Range<usize>, Range<usize>) -> bool) -> Found {
        self.marks.begin_outside(value.len());
        let found = match self.next(value) {
            Some((_, b'{')) => Found::Object,
            Some((_, b'[')) => Found::Array,
            _ => return Found::Other,
        };
        while let Some((name, range)) = self.part(value, found == Found::Object) {
            if visit(name, range) {
                break;
            }
        }
        found
    }

    /// The place of the member of this name.
    pub(super) fn member(&mut self, value: &[u8], name: &str) -> Option<Range<usize>> {
        let mut found = None;
        let kind = self.each(value, |at, range| {
            let wanted = value.get(at).is_some_and(|raw| is_name(raw, name));
            if wanted {
                found = Some(range);
            }
            wanted
        });
        found.filter(|_| kind == Found::Object)
    }

    /// What begins with the value of the member of this name. It goes on after that value: who looks into it stops at its end.
    pub(super) fn begun_member<'v>(&mut self, value: &'v [u8], name: &str) -> Option<&'v [u8]> {
        self.marks.begin_outside(value.len());
        if self.next(value)?.1 != b'{' {
            return None;
        }
        loop {
            let (at, byte) = self.begin_part(value, true)?;
            if value.get(at.clone()).is_some_and(|raw| is_name(raw, name)) {
                return value.get(byte.0..);
            }
            self.end_part(value, byte)?;
        }
    }

    /// What the member of this name says, if it is a string.
    #[cfg(test)]
    pub(super) fn string_member<'v>(&mut self, value: &'v [u8], name: &str) -> Option<Cow<'v, str>> {
        let range = self.member(value, name)?;
        text::unquote(value.get(range)?)
    }

    /// Whether `wanted` says no of every string, in quotes, in the object or array that `value` begins with, names too. False
    /// where it is cut off.
    pub(super) fn no_string(&mut self, value: &[u8], mut wanted: impl FnMut(&[u8]) -> bool) -> bool {
        self.marks.begin_outside(value.len());
        let mut depth = 0usize;
        while let Some((at, byte)) = self.next(value) {
            match byte {
                b'"' => {
                    let Some(close) = self.marks.next(value) else { return false };
                    if value.get(at..=close).is_none_or(&mut wanted) {
                        return false;
                    }
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 {
                return byte != b'"';
            }
        }
        false
    }

    fn next(&mut self, value: &[u8]) -> Option<(usize, u8)> {
        let at = self.marks.next(value)?;
        Some((at, *value.get(at)?))
    }

    /// The next member or element; `None`: there is no more, or it is cut off.
    fn part(&mut self, value: &[u8], object: bool) -> Option<(Range<usize>, Range<usize>)> {
        let (name, first) = self.begin_part(value, object)?;
        Some((name, first.0..self.end_part(value, first)?))
    }

    /// The name of the next member, and where its value begins with which byte.
    fn begin_part(&mut self, value: &[u8], object: bool) -> Option<(Range<usize>, (usize, u8))> {
        let mut first = self.next(value)?;
        if first.1 == b',' {
            first = self.next(value)?;
        }
        if !object {
            return Some((0..0, first));
        }
        if first.1 != b'"' {
            return None;
        }
        let close = self.marks.next(value)?;
        self.marks.next(value)?;
        Some((first.0 + 1..close, self.next(value)?))
    }

    fn end_part(&mut self, value: &[u8], (start, byte): (usize, u8)) -> Option<usize> {
        match byte {
            b'"' => Some(self.marks.next(value)? + 1),
            b'{' | b'[' => self.marks.close(value, &mut 1),
            b'}' | b']' => None,
            // A number that runs to the end of the bytes may go on after it.
            _ => text::scalar_end(value, start).ok().filter(|end| *end < value.len()),
        }
    }
}

/// Whether a name, as it stands between its quotes, means `name`.
pub(super) fn is_name(raw: &[u8], name: &str) -> bool {
    raw == name.as_bytes() || (raw.contains(&b'\\') && text::unescape(raw).as_deref() == Some(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_whatever_precedes_it_and_however_it_is_spelt() {
        let body = br#" { "a" : [ "}\"", {"id":"no"} ], "\u0069d" : "7" , "n":1} "#;
        let mut finder = Finder::new();
        assert_eq!(finder.string_member(body, "id").unwrap(), "7");
        assert_eq!(body.get(finder.member(body, "n").unwrap()).unwrap(), b"1");
        assert!(finder.member(body, "z").is_none());
        assert!(finder.member(b"[1]", "").is_none());
    }

    #[test]
    fn what_follows_an_object_is_not_its_member() {
        for body in [&br#"{"a":1},"id":"7"}"#[..], br#"{},"id":"7"}"#, br#"{"a":{}}{"id":"7"}"#] {
            assert!(Finder::new().member(body, "id").is_none());
        }
    }

    #[test]
    fn what_is_cut_off_is_not_found() {
        let body = br#"{"a":{"b":"x"},"id":"12","n":34"#;
        let mut finder = Finder::new();
        assert_eq!(finder.string_member(body, "id").unwrap(), "12");
        assert!(finder.member(body, "n").is_none());
        for end in 0..24 {
            assert!(finder.string_member(body.get(..end).unwrap(), "id").is_none(), "{end}");
        }
    }

    #[test]
    fn members_are_those_of_a_slow_reading_however_long_what_lies_between() {
        let deep = r#"{"x":[["u","v\"}",7]],"y":{"z":[{"b":"no","n":[]}]}}"#;
        for count in 0..60 {
            let pad = "p".repeat(count);
            let members: Vec<String> = (0..count).map(|at| format!(r#""m{at}":{deep}"#)).collect();
            let body = format!(
                r#"{{"{pad}":[{}],{}"b":"known","c":1}} , {{"d":"no"}}"#,
                deep,
                members.join(",") + if count > 0 { "," } else { "" }
            );
            let mut finder = Finder::new();
            assert_eq!(finder.string_member(body.as_bytes(), "b").as_deref(), Some("known"), "{body}");
            assert!(finder.member(body.as_bytes(), "d").is_none());
            let inside = format!("[{body}");
            assert_eq!(finder.string_member(inside.as_bytes().get(1..).unwrap(), "b").as_deref(), Some("known"));
        }
        let body = r#"{"security":{"resourceType":"A","by":"known","_a":"u4v","meta":{"resourceType":"A","b":null,"in":"u7v","by":"known"},"in":"u8v","a":{"resourceType":"B"}},"k1":{"a":[["u13v","u14v",7]],"tag":"u16v","by":"other","_b":"u17v","security":[["u20v"]]},"tag":{"_a":"u22v","by":"known","security":"u23v","k1":[{"by":"other","resourceType":"Nope"},"u26v"],"resourceType":"Nope"},"by":"known","in":"u27v"},"k1":"u28v"}"#;
        assert_eq!(Finder::new().string_member(body.as_bytes(), "by").as_deref(), Some("known"));
    }
}
