//! Where in a JSON text does which value lie? A walk over its first levels, piece by piece.
//!
//! It checks nothing: the text was written by the redactor, or is read by it at the same time, which refuses what is no
//! strict JSON. What lies deeper than it is asked to look is only passed over, which is most of a list: there brackets are counted.

use crate::redact::Marks;

/// The longest text that is told, in bytes as it stands there.
const TEXT_BYTES_MAX: usize = 8192;

/// One step towards a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The member of this name, unescaped.
    Member(String),
    /// An element of an array.
    Element,
}

/// What is met at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    /// An object or array begins.
    Open,
    /// It ends.
    Close,
    /// A string, unescaped; `None`: longer than is told.
    Text(Option<&'a str>),
}

/// The walk.
pub(super) struct Outline {
    /// Where in the piece something is to be seen.
    marks: Marks,
    /// How many levels are told.
    levels: usize,
    /// Of the root's members only this one is looked into.
    only: Option<&'static str>,
    /// How many objects and arrays are open below those.
    deeper: usize,
    /// Of each object or array around that is told: whether it is an object.
    objects: Vec<bool>,
    path: Vec<Step>,
    /// The next string is a name.
    name_next: bool,
    in_string: bool,
    text: Vec<u8>,
    overlong: bool,
    /// The last string with an escape in it, unescaped.
    unescaped: String,
}

impl Outline {
    /// A walk that tells of the root and of so many levels in it.
    pub(super) fn new(levels: usize) -> Outline {
        Outline {
            marks: Marks::new(false, false),
            levels,
            only: None,
            deeper: 0,
            objects: Vec::new(),
            path: Vec::new(),
            name_next: false,
            in_string: false,
            text: Vec::new(),
            overlong: false,
            unescaped: String::new(),
        }
    }

    /// The same, and of the members of the root only this one is looked into.
    pub(super) fn into_only(self, name: &'static str) -> Outline {
        Outline { only: Some(name), ..self }
    }

    /// Walks on; `see` is told each value's path, what it is, and at which byte of this piece its first or last byte lies.
    pub(super) fn feed(&mut self, bytes: &[u8], mut see: impl FnMut(&[Step], Seen<'_>, usize)) {
        self.marks.begin_after(bytes.len());
        let mut from = 0; // of the string under way, as far as this piece has it
        loop {
            if self.deeper > 0 {
                let Some(after) = self.marks.close(bytes, &mut self.deeper) else { return };
                self.name_next = false;
                see(&self.path, Seen::Close, after - 1);
                continue;
            }
            let Some(at) = self.marks.next(bytes) else { break };
            if self.in_string {
                self.keep(bytes.get(from..at).unwrap_or_default());
                self.in_string = false;
                self.string_ends(at, &mut see);
                continue;
            }
            match bytes.get(at) {
                Some(b'"') => {
                    self.in_string = true;
                    self.overlong = false;
                    self.text.clear();
                    from = at + 1;
                }
                Some(open @ (b'{' | b'[')) => self.open(*open == b'{', at, &mut see),
                Some(b'}' | b']') => self.close(at, &mut see),
                Some(b',') => self.name_next = self.objects.last() == Some(&true),
                _ => {}
            }
        }
        if self.in_string {
            self.keep(bytes.get(from..).unwrap_or_default());
        }
    }

    fn open(&mut self, object: bool, at: usize, see: &mut impl FnMut(&[Step], Seen<'_>, usize)) {
        see(&self.path, Seen::Open, at);
        let beside = self.objects.len() == 1
            && self.only.is_some_and(|name| !matches!(self.path.last(), Some(Step::Member(here)) if here == name));
        if self.objects.len() == self.levels || beside {
            self.deeper = 1;
            return;
        }
        self.objects.push(object);
        self.name_next = object;
        self.path.push(if object { Step::Member(String::new()) } else { Step::Element });
    }

    fn close(&mut self, at: usize, see: &mut impl FnMut(&[Step], Seen<'_>, usize)) {
        self.path.pop();
        self.objects.pop();
        self.name_next = false;
        see(&self.path, Seen::Close, at);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.text.len() + bytes.len() > TEXT_BYTES_MAX {
            self.overlong = true;
        } else {
            self.text.extend_from_slice(bytes);
        }
    }

    fn string_ends(&mut self, at: usize, see: &mut impl FnMut(&[Step], Seen<'_>, usize)) {
        let text = if self.overlong { None } else { unescaped(&self.text, &mut self.unescaped) };
        if std::mem::take(&mut self.name_next) {
            if let Some(Step::Member(name)) = self.path.last_mut() {
                name.clear();
                name.push_str(text.unwrap_or_default());
            }
        } else {
            see(&self.path, Seen::Text(text), at);
        }
    }
}

/// A string without its escapes, which are resolved in `room`.
fn unescaped<'a>(raw: &'a [u8], room: &'a mut String) -> Option<&'a str> {
    if !raw.contains(&b'\\') {
        return std::str::from_utf8(raw).ok();
    }
    let quoted = [b"\"", raw, b"\""].concat();
    *room = serde_json::from_slice(&quoted).ok()?;
    Some(room)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn walked(levels: usize, pieces: &[&[u8]]) -> Vec<(String, Seen<'static>, usize)> {
        let (mut outline, mut seen, mut base) = (Outline::new(levels), Vec::new(), 0);
        for piece in pieces {
            outline.feed(piece, |path, what, at| {
                let path = path.iter().map(|step| match step {
                    Step::Member(name) => format!("/{name}"),
                    Step::Element => "/*".to_owned(),
                });
                let what = match what {
                    Seen::Text(text) => Seen::Text(text.map(|text| &*text.to_owned().leak())),
                    Seen::Open => Seen::Open,
                    Seen::Close => Seen::Close,
                };
                seen.push((path.collect(), what, base + at));
            });
            base += piece.len();
        }
        seen
    }

    const TEXT: &[u8] = br#"{"link":[{"relation":"next","u\u0072l":"\/a\"b]{"}],"a":{"b":{"c":{"d":{"e":["x",{"f":"g"}]}}}},"n":null,"z":"end"}"#;

    #[test]
    fn values_are_found_however_the_text_is_cut() {
        let whole = walked(4, &[TEXT]);
        let text = |path: &str| whole.iter().find(|(p, seen, _)| p == path && matches!(seen, Seen::Text(_))).cloned();
        assert_eq!(text("/link/*/relation").unwrap().1, Seen::Text(Some("next")));
        assert_eq!(text("/link/*/url").unwrap().1, Seen::Text(Some("/a\"b]{")));
        assert_eq!(text("/z").unwrap().1, Seen::Text(Some("end")));
        assert!(whole.iter().all(|(path, ..)| !path.contains("/e")), "{whole:?}");
        assert_eq!(whole.last().unwrap(), &(String::new(), Seen::Close, TEXT.len() - 1));
        for cut in 0..=TEXT.len() {
            assert_eq!(walked(4, &[&TEXT[..cut], &TEXT[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn what_lies_deeper_than_is_told_is_passed_over_and_nothing_else() {
        let all = walked(9, &[TEXT]);
        for levels in 1..9 {
            // What is in the root is of level 1.
            let depth = |path: &str| path.matches('/').count();
            let wanted: Vec<_> = all.iter().filter(|(path, ..)| depth(path) <= levels).cloned().collect();
            for cut in 0..=TEXT.len() {
                assert_eq!(walked(levels, &[&TEXT[..cut], &TEXT[cut..]]), wanted, "{levels} levels, cut at {cut}");
            }
        }
    }

    #[test]
    fn a_text_too_long_is_told_as_such() {
        let long = format!("{{\"next\":\"{}\"}}", "x".repeat(TEXT_BYTES_MAX + 1));
        assert_eq!(walked(4, &[long.as_bytes()])[1].1, Seen::Text(None));
    }

    #[test]
    fn what_is_not_asked_for_is_not_looked_into() {
        for cut in 0..=TEXT.len() {
            let (mut outline, mut seen) = (Outline::new(3).into_only("link"), Vec::new());
            for piece in [&TEXT[..cut], &TEXT[cut..]] {
                outline.feed(piece, |path, what, _| seen.push((path.to_vec(), format!("{what:?}"))));
            }
            let wanted = |path: &[Step]| path.len() <= 1 || path[0] == Step::Member("link".into());
            assert!(seen.iter().all(|(path, _)| wanted(path)), "{seen:?}");
            let texts = seen.iter().filter(|(path, what)| path.len() == 3 && what.starts_with("Text(Some"));
            assert_eq!(texts.count(), 2, "cut at {cut}");
            assert_eq!(seen.last().unwrap().0, [], "cut at {cut}");
        }
    }

    proptest! {
        /// Whatever it is fed: no end is missed twice, nothing panics.
        #[test]
        fn any_bytes_are_walked(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(walked(4, &[&bytes]));
        }
    }
}
