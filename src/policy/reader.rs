//! How is a TOML document read so that nothing in it is passed over?
//!
//! A [`Table`] remembers which keys were asked for; [`Table::finish`] reports every other key as unknown, with the
//! nearest known one. Getters report a wrong type and answer `None`, so that a load goes on and finds the next fault.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults, Source, nearest};

/// One document being read, and the faults found in it so far.
pub struct Reader {
    source: Source,
    faults: RefCell<Vec<Fault>>,
    is_toml: Cell<bool>,
}

/// Lines within which a syntax fault counts as a consequence of the one before it.
const SAME_MISTAKE_LINES: usize = 30;

/// A text with its place in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Where it stands, as bytes of the document.
    pub span: Range<usize>,
}

impl Reader {
    /// A reader of this source.
    pub fn new(source: Source) -> Reader {
        Reader { source, faults: RefCell::default(), is_toml: Cell::new(true) }
    }

    /// Parses the text and hands its root table to `read`.
    ///
    /// Where the text is no TOML only that is reported: what could still be read of it would be misjudged, and one missing
    /// bracket would be told as hundreds of faults.
    pub fn read<T>(&self, read: impl FnOnce(&Table<'_>) -> T) -> T {
        let (root, errors) = DeTable::parse_recoverable(&self.source.text);
        let table = Table::new(self, root.get_ref(), root.span());
        let value = read(&table);
        table.finish();
        if !errors.is_empty() {
            self.is_toml.set(false);
            self.faults.borrow_mut().clear();
            let mut places: Vec<_> =
                errors.iter().map(|e| (e.span().unwrap_or(0..0), e.message().to_lowercase())).collect();
            places.sort_by_key(|(span, _)| span.start);
            let mut last_line = None;
            for (span, message) in places {
                let line = self.source.position(span.start).0;
                if last_line.is_none_or(|last| line > last + SAME_MISTAKE_LINES) {
                    let help = "is a quote, comma or bracket missing here or on the line above?";
                    self.fault(span, message, Some(help.into()));
                }
                last_line = Some(line);
            }
        }
        value
    }

    /// Whether the text read was TOML at all.
    pub fn is_toml(&self) -> bool {
        self.is_toml.get()
    }

    /// Reports a fault at this place.
    pub fn fault(&self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        let fault = Fault { source: self.source.clone(), span, message: message.into(), help };
        self.faults.borrow_mut().push(fault);
    }

    /// Reports that a name is not known, with the nearest of the known ones.
    pub fn unknown<'k>(&self, what: &str, name: &Text, known: impl IntoIterator<Item = &'k str>) {
        let help = nearest(&name.text, known).map(|near| format!("did you mean `{near}`?"));
        self.fault(name.span.clone(), format!("unknown {what} `{}`", name.text), help);
    }

    /// The source being read.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The faults found, taken out.
    pub fn faults(&self) -> Faults {
        Faults(std::mem::take(&mut self.faults.borrow_mut()))
    }
}

/// A table of the document; see the module.
pub struct Table<'d> {
    reader: &'d Reader,
    table: &'d DeTable<'d>,
    span: Range<usize>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'d> Table<'d> {
    fn new(reader: &'d Reader, table: &'d DeTable<'d>, span: Range<usize>) -> Table<'d> {
        Table { reader, table, span, asked: RefCell::default() }
    }

    /// Where the table stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where the value of a key stands; the table, where it is absent.
    pub fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span(), Spanned::span)
    }

    /// The reader, to report faults to.
    pub fn reader(&self) -> &'d Reader {
        self.reader
    }

    /// Whether the key is there; counts as asking for it.
    pub fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    fn value(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = value.get_ref().type_str();
        self.reader.fault(value.span(), format!("`{key}` is to be {wanted}, found {found}"), None);
    }

    /// An optional text.
    pub fn text(&self, key: &'static str) -> Option<Text> {
        let value = self.value(key)?;
        let text = as_text(value);
        if text.is_none() {
            self.wrong(key, value, "a text");
        }
        text
    }

    /// A text that has to be there.
    pub fn required(&self, key: &'static str) -> Text {
        if let Some(text) = self.text(key) {
            return text;
        }
        if !self.table.contains_key(key) {
            self.missing(key);
        }
        Text { text: String::new(), span: self.span() }
    }

    /// Reports a missing key.
    pub fn missing(&self, key: &str) {
        self.reader.fault(self.span(), format!("`{key}` is missing here"), None);
    }

    /// A list of texts; a single text counts as a list of one; absent is empty.
    pub fn texts(&self, key: &'static str) -> Vec<Text> {
        let Some(value) = self.value(key) else { return Vec::new() };
        if let Some(text) = as_text(value) {
            return vec![text];
        }
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value, "a list of texts");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in array.iter() {
            match as_text(item) {
                Some(text) => texts.push(text),
                None => self.wrong(key, item, "a list of texts"),
            }
        }
        texts
    }

    /// An optional truth value; absent is `false`.
    pub fn flag(&self, key: &'static str) -> bool {
        let Some(value) = self.value(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong(key, value, "true or false");
            false
        })
    }

    /// An optional whole number.
    pub fn integer(&self, key: &'static str) -> Option<i64> {
        let value = self.value(key)?;
        let number = value.get_ref().as_integer().and_then(|i| i64::from_str_radix(i.as_str(), i.radix()).ok());
        if number.is_none() {
            self.wrong(key, value, "a whole number");
        }
        number
    }

    /// An optional date or date-time, as it is written (a TOML date or a text).
    pub fn moment(&self, key: &'static str) -> Option<Text> {
        let value = self.value(key)?;
        if let Some(text) = as_text(value) {
            return Some(text);
        }
        let moment = value.get_ref().as_datetime().map(|d| Text { text: d.to_string(), span: value.span() });
        if moment.is_none() {
            self.wrong(key, value, "a date or a date-time with offset");
        }
        moment
    }

    /// An optional table.
    pub fn table(&self, key: &'static str) -> Option<Table<'d>> {
        let value = self.value(key)?;
        let table = value.get_ref().as_table().map(|t| Table::new(self.reader, t, value.span()));
        if table.is_none() {
            self.wrong(key, value, "a table");
        }
        table
    }

    /// A list of tables (`[[key]]`); absent is empty.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'d>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value, "a list of tables");
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_table() {
                Some(table) => tables.push(Table::new(self.reader, table, item.span())),
                None => self.wrong(key, item, "a list of tables"),
            }
        }
        tables
    }

    /// A table whose keys are names (`[purpose."a.b"]`), each with a table, in the document's order.
    pub fn named(&self, key: &'static str) -> Vec<(Text, Table<'d>)> {
        let Some(outer) = self.table(key) else { return Vec::new() };
        let mut named = Vec::new();
        for (name, value) in outer.in_order() {
            match value.get_ref().as_table() {
                Some(table) => named.push((name, Table::new(self.reader, table, value.span()))),
                None => self.wrong(&name.text, value, "a table"),
            }
        }
        named
    }

    /// A table whose keys are names, each with a text or a list of texts, in the document's order.
    pub fn lists(&self, key: &'static str) -> Vec<(Text, Vec<Text>)> {
        let Some(outer) = self.table(key) else { return Vec::new() };
        let mut lists = Vec::new();
        for (name, value) in outer.in_order() {
            let texts = match (as_text(value), value.get_ref().as_array()) {
                (Some(text), _) => Some(vec![text]),
                (None, Some(array)) => array.iter().map(as_text).collect(),
                (None, None) => None,
            };
            match texts {
                Some(texts) => lists.push((name, texts)),
                None => self.wrong(&name.text, value, "a text or a list of texts"),
            }
        }
        lists
    }

    /// The table as JSON, for documents whose inner shape is JSON's own (facts of a case). Dates become texts.
    pub fn json(&self, key: &'static str) -> Option<serde_json::Value> {
        self.value(key).map(|value| to_json(value.get_ref()))
    }

    fn in_order(&self) -> Vec<(Text, &'d Spanned<DeValue<'d>>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| (Text { text: key.get_ref().to_string(), span: key.span() }, value))
            .collect();
        entries.sort_by_key(|(name, _)| name.span.start);
        entries
    }

    /// Reports every key that nobody asked for.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for (name, _) in self.in_order() {
            if !asked.contains(&name.text.as_str()) {
                self.reader.unknown("key", &name, asked.iter().copied());
            }
        }
    }
}

fn as_text(value: &Spanned<DeValue<'_>>) -> Option<Text> {
    value.get_ref().as_str().map(|text| Text { text: text.to_owned(), span: value.span() })
}

fn to_json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.to_string().into(),
        DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok().into(),
        DeValue::Float(float) => float.as_str().parse::<f64>().ok().into(),
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, item)| (key.get_ref().to_string(), to_json(item.get_ref()))).collect()
        }
    }
}
