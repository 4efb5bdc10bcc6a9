//! A JSON text as it is written: numbers keep their spelling and members their order, so that what is put back is what was
//! there. For texts that were read strictly before; what is no JSON all the same has no document.

use std::borrow::Cow;

/// A value and all within it, by the text that it stands in.
#[derive(Clone)]
pub(super) enum Document<'t> {
    /// Members by their unescaped names, in order.
    Object(Vec<(String, Document<'t>)>),
    /// Elements.
    Array(Vec<Document<'t>>),
    /// A string with its quotes, a number, `true`, `false` or `null`.
    Leaf(&'t str),
}

impl<'t> Document<'t> {
    /// Reads a whole text.
    pub(super) fn read(text: &'t str) -> Option<Document<'t>> {
        let mut reader = Reader { text, at: 0 };
        let document = reader.value()?;
        reader.blanks();
        (reader.at == text.len()).then_some(document)
    }

    /// The member of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Document<'t>> {
        match self {
            Document::Object(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            Document::Array(_) | Document::Leaf(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Document<'t>> {
        match self {
            Document::Object(members) => members.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value),
            Document::Array(_) | Document::Leaf(_) => None,
        }
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, name: &str) {
        if let Document::Object(members) = self {
            members.retain(|(known, _)| known != name);
        }
    }

    /// The elements of an array; of anything else none.
    pub(super) fn elements(&self) -> &[Document<'t>] {
        match self {
            Document::Array(elements) => elements,
            Document::Object(_) | Document::Leaf(_) => &[],
        }
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Document::Object(members) => members.is_empty(),
            Document::Array(elements) => elements.is_empty(),
            Document::Leaf(_) => false,
        }
    }

    /// The string that it is, unescaped.
    pub(super) fn text(&self) -> Option<Cow<'t, str>> {
        let Document::Leaf(raw) = self else { return None };
        let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
        match inner.contains('\\') {
            true => serde_json::from_str(raw).ok().map(Cow::Owned),
            false => Some(Cow::Borrowed(inner)),
        }
    }

    /// The same value, whatever the order of members and the escapes in strings; numbers by their spelling.
    pub(super) fn same(&self, other: &Document<'_>) -> bool {
        self.is(other, |a, b| a == b)
    }

    /// The same value; numbers by what they count, since a client may spell them anew.
    pub(super) fn alike(&self, other: &Document<'_>) -> bool {
        self.is(other, |a, b| {
            let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
            a == b || matches!((number(a), number(b)), (Some(a), Some(b)) if a.total_cmp(&b).is_eq())
        })
    }

    fn is(&self, other: &Document<'_>, bare: fn(&str, &str) -> bool) -> bool {
        match (self, other) {
            (Document::Object(a), Document::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(name, value)| other.get(name).is_some_and(|b| value.is(b, bare)))
            }
            (Document::Array(a), Document::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is(b, bare))
            }
            (Document::Leaf(a), Document::Leaf(b)) => match (self.text(), other.text()) {
                (Some(a), Some(b)) => a == b,
                (None, None) => bare(a, b),
                (Some(_), None) | (None, Some(_)) => false,
            },
            (Document::Object(_) | Document::Array(_) | Document::Leaf(_), _) => false,
        }
    }

    /// Its text, without blanks between.
    pub(super) fn written(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Document::Leaf(raw) => out.push_str(raw),
            Document::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Document::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&serde_json::Value::from(name.as_str()).to_string());
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes this byte, blanks before it too.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self) -> Option<Document<'t>> {
        self.blanks();
        match self.peek()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string().map(Document::Leaf),
            _ => {
                let rest = self.text.get(self.at..)?;
                let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
                let word = rest.get(..end).filter(|word| !word.is_empty())?;
                self.at += end;
                Some(Document::Leaf(word))
            }
        }
    }

    fn object(&mut self) -> Option<Document<'t>> {
        self.take(b'{')?;
        let mut members = Vec::new();
        while self.take(b'}').is_none() {
            if !members.is_empty() {
                self.take(b',')?;
                self.blanks();
            }
            let name = Document::Leaf(self.string()?).text()?.into_owned();
            self.take(b':')?;
            members.push((name, self.value()?));
        }
        Some(Document::Object(members))
    }

    fn array(&mut self) -> Option<Document<'t>> {
        self.take(b'[')?;
        let mut elements = Vec::new();
        while self.take(b']').is_none() {
            if !elements.is_empty() {
                self.take(b',')?;
            }
            elements.push(self.value()?);
        }
        Some(Document::Array(elements))
    }

    /// A string, quotes and all.
    fn string(&mut self) -> Option<&'t str> {
        let start = self.at;
        (self.peek()? == b'"').then(|| self.at += 1)?;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return self.text.get(start..self.at);
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_it_was_read() {
        for text in [
            r#"{"a":1.00,"b":[1e3,-0.0,12345678901234567890.123456789],"c":{"é\"":"\u00e9\\","":null}}"#,
            "[]",
            "{}",
            "0.010",
            r#""\"""#,
            "[[],{},[true,false]]",
        ] {
            let written = Document::read(text).unwrap().written();
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(value(&written), value(text));
            assert!(!text.contains("1.00") || written.contains("1.00"), "{written}");
        }
        let spaced = Document::read(" { \"a\" : [ 1 , { \"b\" : \"x\" } ] , \"c\" : 2 } ").unwrap();
        assert_eq!(spaced.written(), r#"{"a":[1,{"b":"x"}],"c":2}"#);
    }

    #[test]
    fn what_is_no_json_has_no_document() {
        for bad in ["", "{", "[1", "{\"a\"}", "{\"a\":1,}x", "{\"a\":1}}", "\"a", "{\"a\" 1}", "[1 2]", "{1:2}", "\"\\"]
        {
            assert!(Document::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn two_spellings_of_a_number_are_alike_and_not_the_same() {
        let pair = |a: &'static str, b: &'static str| (Document::read(a).unwrap(), Document::read(b).unwrap());
        for (a, b, same, alike) in [
            ("1.0", "1", false, true),
            ("\"1\"", "1", false, false),
            ("\"\\u0061\"", "\"a\"", true, true),
            ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true, true),
            ("[1,2]", "[2,1]", false, false),
            ("null", "false", false, false),
            ("{}", "[]", false, false),
        ] {
            let (a, b) = pair(a, b);
            assert_eq!((a.same(&b), a.alike(&b)), (same, alike));
        }
    }
}
