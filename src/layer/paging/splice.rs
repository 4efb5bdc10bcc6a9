//! How do several bodies become one list? The first gives the envelope, every one its entries, the gate the end.
//!
//! Works on what the redactor let through. Everything up to the entries leaves as it comes, and so do the entries; what
//! comes after them in the first body waits for the end, so that the gate's own links can join it.
//!
//! What comes along with the entries ([`Along`]) is held until the end and stands after all of them, in an order of its own:
//! where it stood in the bodies would tell where each of them ended, and so how much was left out of each.
//!
//! Of a list from which everything was left out an empty array would stay, where a backend that finds nothing may have none:
//! the two would differ. So where it may (FHIR has no empty arrays), the envelope waits for the first entry, and without one the
//! array goes with its name.

use super::along::Along;
use super::outline::{Outline, Seen, Step};

/// The most that may come after the entries, in bytes: there are no records in it.
const TAIL_BYTES_MAX: usize = 64 << 10;
/// The most that may wait before them.
const HEAD_BYTES_MAX: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the entries.
    Envelope,
    /// Among them.
    Entries,
    /// In one of them, where what comes along is told apart; and in what comes along.
    Entry,
    Brought,
    /// After them, or at the end of a body that has none.
    Tail,
}

/// Something that is no list: the envelope has too much in it, or no place for entries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoList;

/// Joins the bodies.
pub(super) struct Splice {
    /// The members that lead to the array of entries; none where it is the root.
    entries: Box<[Box<str>]>,
    outline: Outline,
    at: At,
    /// The first body is being read.
    first: bool,
    /// The first body has the array.
    has_array: bool,
    /// An entry has left; one of this body has.
    begun: bool,
    begun_here: bool,
    /// The last byte of the envelope before the entries that is no white space.
    last: u8,
    tail: Vec<u8>,
    /// An array without entries goes.
    omits_empty: bool,
    /// The envelope up to the first entry, where it has to wait for it.
    head: Vec<u8>,
    /// What comes along, where it is held.
    along: Option<Along>,
}

impl Splice {
    pub(super) fn new(entries: Box<[Box<str>]>) -> Splice {
        Splice {
            outline: Outline::new(entries.len()),
            entries,
            at: At::Envelope,
            first: true,
            has_array: false,
            begun: false,
            begun_here: false,
            last: b'{',
            tail: Vec::new(),
            omits_empty: false,
            head: Vec::new(),
            along: None,
        }
    }

    /// The same, of a list with which something may come along.
    pub(super) fn holding(self, along: Along) -> Splice {
        Splice { outline: Outline::new(self.entries.len() + 1), along: Some(along), ..self }
    }

    /// What comes along, where it is held.
    pub(super) const fn along(&mut self) -> Option<&mut Along> {
        self.along.as_mut()
    }

    /// The same, of a list that has no array where it has no entries.
    pub(super) fn omitting_empty(entries: Box<[Box<str>]>) -> Splice {
        Splice { omits_empty: true, ..Splice::new(entries) }
    }

    /// What of this leaves now.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, NoList> {
        let mut marks = Vec::new();
        let (entries, holds) = (&self.entries, self.along.is_some());
        self.outline.feed(bytes, |path, seen, at| match seen {
            Seen::Open if holds && is_entry(path, entries) => marks.push((at, At::Entry)),
            Seen::Close if holds && is_entry(path, entries) => marks.push((at + 1, At::Entries)),
            Seen::Open if leads(path, entries) => marks.push((at + 1, At::Entries)),
            Seen::Close if leads(path, entries) => marks.push((at, At::Tail)),
            Seen::Close if path.is_empty() => marks.push((at, At::Tail)),
            Seen::Open | Seen::Close | Seen::Text(_) => {}
        });
        let (mut out, mut from) = (Vec::with_capacity(bytes.len()), 0);
        for (at, next) in marks {
            self.stretch(bytes.get(from..at).unwrap_or_default(), &mut out)?;
            if next == At::Entries && self.first {
                self.has_array = true;
            }
            // The array's end, not the root's: the tail has begun by then.
            self.at = match (self.at, next) {
                (At::Tail, _) => At::Tail,
                (At::Entry | At::Brought, At::Entries) => {
                    self.along.as_mut().map_or(Ok(()), Along::ends)?;
                    At::Entries
                }
                (_, At::Entry) => self.entry_begins(&mut out)?,
                (_, next) => next,
            };
            from = at;
        }
        self.stretch(bytes.get(from..).unwrap_or_default(), &mut out)?;
        Ok(out)
    }

    fn stretch(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NoList> {
        match self.at {
            At::Envelope if self.first => {
                let written = bytes.iter().rev().find(|byte| !byte.is_ascii_whitespace());
                self.last = written.copied().unwrap_or(self.last);
                self.before(bytes, out)?;
            }
            At::Tail if self.first => {
                if self.tail.len() + bytes.len() > TAIL_BYTES_MAX {
                    return Err(NoList);
                }
                self.tail.extend_from_slice(bytes);
            }
            At::Envelope | At::Tail => {}
            // Between those that are told apart lie commas and white space.
            At::Entries if self.along.is_some() => {}
            At::Entries => return self.entry_bytes(bytes, out),
            At::Entry => {
                self.along.iter_mut().for_each(|along| along.sees(bytes));
                out.extend_from_slice(bytes);
            }
            At::Brought => return self.along.as_mut().map_or(Err(NoList), |along| along.takes(bytes)),
        }
        Ok(())
    }

    /// An entry begins, where what comes along is told apart.
    fn entry_begins(&mut self, out: &mut Vec<u8>) -> Result<At, NoList> {
        if self.along.as_mut().ok_or(NoList)?.begins()? {
            return Ok(At::Brought);
        }
        self.begins(out)?;
        Ok(At::Entry)
    }

    /// What stands before an entry that leaves.
    fn begins(&mut self, out: &mut Vec<u8>) -> Result<(), NoList> {
        out.append(&mut self.head);
        if self.begun {
            out.push(b',');
        } else if !self.has_array {
            self.open_array(out)?;
        }
        self.begun = true;
        Ok(())
    }

    /// What stands before the first entry.
    fn before(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NoList> {
        if !self.omits_empty || self.begun {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        if self.head.len() + bytes.len() > HEAD_BYTES_MAX {
            return Err(NoList);
        }
        self.head.extend_from_slice(bytes);
        Ok(())
    }

    fn entry_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NoList> {
        // What stands before the first entry of a body belongs to its array, not to the entry.
        let bytes = if self.first || self.begun_here { bytes } else { bytes.trim_ascii_start() };
        if !self.begun_here {
            if bytes.iter().all(u8::is_ascii_whitespace) {
                return self.before(bytes, out);
            }
            self.begun_here = true;
            self.begins(out)?;
        }
        out.extend_from_slice(bytes);
        Ok(())
    }

    /// The first body had no array, a later one has entries.
    fn open_array(&mut self, out: &mut Vec<u8>) -> Result<(), NoList> {
        let [name] = &*self.entries else { return Err(NoList) };
        let comma = if self.last == b'{' { "" } else { "," };
        out.extend_from_slice(format!("{comma}{}:[", serde_json::Value::from(&**name)).as_bytes());
        self.has_array = true;
        self.tail.insert(0, b']');
        Ok(())
    }

    /// The next body begins.
    pub(super) fn next_body(&mut self) {
        self.outline = Outline::new(self.entries.len() + usize::from(self.along.is_some()));
        (self.at, self.first, self.begun_here) = (At::Envelope, false, false);
    }

    /// The end of the list, with members of the gate's own (`"next":"…"`).
    pub(super) fn end(&mut self, members: &str) -> Result<Vec<u8>, NoList> {
        let mut out = Vec::new();
        for brought in self.along.as_mut().map(Along::all).transpose()?.unwrap_or_default() {
            self.begins(&mut out)?;
            out.extend_from_slice(&brought);
        }
        let (mut head, mut tail) = (std::mem::take(&mut self.head), std::mem::take(&mut self.tail));
        if self.entries.is_empty() {
            return if self.has_array { Ok(tail) } else { Err(NoList) };
        }
        if self.omits_empty && self.has_array && !self.begun {
            omit(&mut head, &mut tail)?;
            self.has_array = false;
            self.last = head.trim_ascii_end().last().copied().unwrap_or(b'{');
        }
        let end = tail.iter().rposition(|byte| *byte == b'}').ok_or(NoList)?;
        let (before, after) = tail.split_at(end);
        let alone = !self.has_array && self.last == b'{' && before.trim_ascii().is_empty();
        let comma = if !alone && !members.is_empty() { "," } else { "" };
        Ok([&out, &head, before, comma.as_bytes(), members.as_bytes(), after].concat())
    }
}

/// Takes an empty array and its name out of a body that was cut within it, and the comma that joined it to another member.
fn omit(head: &mut Vec<u8>, tail: &mut Vec<u8>) -> Result<(), NoList> {
    let rest = tail.trim_ascii_start().strip_prefix(b"]").ok_or(NoList)?;
    let before = head.trim_ascii_end().strip_suffix(b"[").ok_or(NoList)?;
    let before = before.trim_ascii_end().strip_suffix(b":").ok_or(NoList)?;
    let name = before.trim_ascii_end().strip_suffix(b"\"").ok_or(NoList)?;
    // No quote is in the name itself: written out or escaped, it is a word.
    let before = name.get(..name.iter().rposition(|byte| *byte == b'"').ok_or(NoList)?).ok_or(NoList)?;
    let before = before.trim_ascii_end();
    let (kept, rest) = match before.strip_suffix(b",") {
        Some(kept) => (kept, rest),
        None => (before, rest.trim_ascii_start().strip_prefix(b",").unwrap_or(rest)),
    };
    (*head, *tail) = (kept.to_vec(), rest.to_vec());
    Ok(())
}

fn is_entry(path: &[Step], entries: &[Box<str>]) -> bool {
    matches!(path.split_last(), Some((Step::Element, list)) if leads(list, entries))
}

fn leads(path: &[Step], entries: &[Box<str>]) -> bool {
    path.len() == entries.len()
        && path.iter().zip(entries).all(|(step, name)| matches!(step, Step::Member(member) if **member == **name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]
mod tests {
    use super::super::along::{Belongs, Released};
    use super::*;

    fn joined(entries: &[&str], bodies: &[&str], cut: usize, members: &str) -> Result<String, NoList> {
        let mut splice = Splice::new(entries.iter().map(|name| (*name).into()).collect());
        let mut out = Vec::new();
        for (number, body) in bodies.iter().enumerate() {
            if number > 0 {
                splice.next_body();
            }
            let (a, b) = body.as_bytes().split_at(cut.min(body.len()));
            out.extend(splice.push(a)?);
            out.extend(splice.push(b)?);
        }
        out.extend(splice.end(members)?);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_list_without_entries_is_the_same_with_an_array_and_without() {
        let worlds: [(&[&str], &str); 7] = [
            (
                &[r#"{"t":"b","z":3}"#, r#"{"t":"b","entry":[],"z":3}"#, r#"{"t":"b", "entry" : [ ],"z":3}"#],
                r#"{"t":"b","z":3,"l":[]}"#,
            ),
            (
                &[r#"{"t":1}"#, r#"{"t":1,"entry":[]}"#, r#"{"entry":[],"t":1}"#, r#"{"t":1, "\u0065ntry":[ ]}"#],
                r#"{"t":1,"l":[]}"#,
            ),
            (&["{}", r#"{"entry":[]}"#], r#"{"l":[]}"#),
            (&["{\n \"t\": 1\n}", "{\n \"t\": 1,\n \"entry\": []\n}"], "{\n \"t\": 1\n,\"l\":[]}"),
            (&[r#"{"t":{"entry":[]}}"#, r#"{"t":{"entry":[]},"entry":[]}"#], r#"{"t":{"entry":[]},"l":[]}"#),
            (&[r#"{"t":"a\"entry\":["}"#, r#"{"t":"a\"entry\":[","entry":[]}"#], r#"{"t":"a\"entry\":[","l":[]}"#),
            (&[r#"{"t":1,"entry":[7]}"#], r#"{"t":1,"entry":[7],"l":[]}"#),
        ];
        for (bodies, wanted) in worlds {
            for body in bodies {
                for (cut, further) in
                    (0..body.len()).flat_map(|cut| [(cut, None), (cut, Some(r#"{"entry":[ ]}"#)), (cut, Some("{}"))])
                {
                    let mut splice = Splice::omitting_empty(Box::from(["entry".into()]));
                    let (a, b) = body.as_bytes().split_at(cut);
                    let mut out = [splice.push(a).unwrap(), splice.push(b).unwrap()].concat();
                    if let Some(further) = further {
                        splice.next_body();
                        out.extend(splice.push(further.as_bytes()).unwrap());
                    }
                    out.extend(splice.end(r#""l":[]"#).unwrap());
                    assert_eq!(String::from_utf8(out).unwrap(), wanted, "{body} cut at {cut}");
                }
            }
        }
        let mut splice = Splice::omitting_empty(Box::from(["entry".into()]));
        assert_eq!(splice.push(format!(r#"{{"t":"{}"#, "y".repeat(HEAD_BYTES_MAX)).as_bytes()), Err(NoList));
        let mut splice = Splice::omitting_empty(Box::from(["entry".into()]));
        assert_eq!(splice.push(br#"{"t":1,"entry":["#).unwrap(), b"");
        assert_eq!(splice.push(br#"{"id":2}"#).unwrap(), br#"{"t":1,"entry":[{"id":2}"#);
    }

    /// Three bodies, of which each brings something along: `true` in the order in which they were released.
    #[test]
    fn what_comes_along_stands_last_wherever_the_bodies_are_cut() {
        let worlds: [&[(&str, &[bool])]; 4] = [
            &[(r#"{"t":1,"entry":[{"m":1},{"m":[2]},{"a":"}"},{"b":{}}],"z":3}"#, &[false, false, true, true])],
            &[
                (r#"{"t":1,"entry":[{"m":1}, {"b":{}} ],"z":3}"#, &[false, true]),
                (r#"{"y":5,"entry":[ {"m":[2]},{"a":"}"}]}"#, &[false, true]),
            ],
            &[
                (r#"{"t":1,"entry":[],"z":3}"#, &[]),
                (r#"{"entry":[{"m":1},{"m":[2]},{"b":{}}]}"#, &[false, false, true]),
                (r#"{"entry":[{"a":"}"}]}"#, &[true]),
            ],
            &[
                (r#"{"t":1, "entry" : [{"b":{}}],"z":3}"#, &[true]),
                (r#"{"entry":[{"m":1}]}"#, &[false]),
                (r#"{"entry":[{"m":[2]},{"a":"}"}]}"#, &[false, true]),
            ],
        ];
        for bodies in worlds {
            for cut in 0..60 {
                let mut splice = Splice::omitting_empty(Box::from(["entry".into()])).holding(Along::new(Belongs::All));
                let mut out = Vec::new();
                for (number, (body, along)) in bodies.iter().enumerate() {
                    if number > 0 {
                        splice.next_body();
                    }
                    splice.along().unwrap().expects(along.iter().map(|along| Released { along: *along, person: None }));
                    let (a, b) = body.as_bytes().split_at(cut.min(body.len()));
                    out.extend(splice.push(a).unwrap());
                    out.extend(splice.push(b).unwrap());
                }
                out.extend(splice.end(r#""l":[]"#).unwrap());
                let out = String::from_utf8(out).unwrap().replace(' ', "");
                let wanted = r#"{"t":1,"entry":[{"m":1},{"m":[2]},{"a":"}"},{"b":{}}],"z":3,"l":[]}"#;
                assert_eq!(out, wanted, "{bodies:?} cut at {cut}");
            }
        }
        let mut splice = Splice::omitting_empty(Box::from(["entry".into()])).holding(Along::new(Belongs::All));
        assert_eq!(splice.push(br#"{"entry":[{"of nobody that was judged":1}]}"#), Err(NoList));
    }

    #[test]
    fn bodies_are_joined_wherever_they_are_cut() {
        let cases: &[(&[&str], &[&str], &str)] = &[
            (
                &["entry"],
                &[r#"{"t":"b","entry":[1,{"entry":[2]}],"z":3}"#, r#"{"entry":[ 4 ],"y":5}"#],
                r#"{"t":"b","entry":[1,{"entry":[2]},4 ],"z":3,"l":[]}"#,
            ),
            (&["entry"], &[r#"{"entry":[]}"#, r#"{"entry":[]}"#, r#"{"entry":[7]}"#], r#"{"entry":[7],"l":[]}"#),
            (&["entry"], &[r#"{"t":1}"#, r#"{"t":2}"#], r#"{"t":1,"l":[]}"#),
            (
                &["entry"],
                &[r#"{"t":1}"#, r#"{"entry":[7,8]}"#, r#"{"entry":[9]}"#],
                r#"{"t":1,"entry":[7,8,9],"l":[]}"#,
            ),
            (&["entry"], &["{}", r#"{"entry":[7]}"#], r#"{"entry":[7],"l":[]}"#),
            (&[], &["[1,[2]]", " [ 3 ]", "[]", "[4]"], "[1,[2],3 ,4]"),
            (&[], &["[]", "[ ]"], "[]"),
            (&["entry"], &["{ } "], r#"{ "l":[]} "#),
            (
                &["a", "i"],
                &[r#"{"a":{"i":[1],"c":2},"e":4}"#, r#"{"i":[9],"a":{"i":[3]}}"#],
                r#"{"a":{"i":[1,3],"c":2},"e":4,"l":[]}"#,
            ),
        ];
        for (entries, bodies, wanted) in cases {
            for cut in 0..40 {
                assert_eq!(
                    joined(entries, bodies, cut, r#""l":[]"#).as_deref(),
                    Ok(*wanted),
                    "{bodies:?} cut at {cut}"
                );
            }
        }
        assert_eq!(joined(&["a", "i"], &[r#"{"b":1}"#, r#"{"a":{"i":[3]}}"#], 0, ""), Err(NoList));
        let tail = format!(r#"{{"entry":[],"x":"{}"}}"#, "y".repeat(TAIL_BYTES_MAX));
        assert_eq!(joined(&["entry"], &[&tail], 0, ""), Err(NoList));
        assert_eq!(joined(&["entry"], &[r#"{"entry":[1]}"#], 3, "").as_deref(), Ok(r#"{"entry":[1]}"#));
    }
}
