//! What does the line of one element say? Its words, each looked up once.

use std::collections::HashSet;

use crate::catalogue::fields::{Generaliser, Meaning};
use crate::catalogue::tree;
use crate::policy::reader::{Table, Text};
use crate::policy::{Category, Vocabulary};

/// What lies at an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value without parts.
    Leaf,
    /// Elements whose paths begin with this one's.
    Parts,
    /// The same as at another path of the type.
    Like(Box<str>),
    /// The members of a data type.
    Datatype(Box<str>),
    /// A whole resource, judged by its own type.
    Resource,
    /// An array of extensions.
    Extension,
}

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// What it lies in.
    Own,
    /// This.
    Is(Meaning),
}

/// One line of a table of elements.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) path: Text,
    pub(super) says: Says,
    pub(super) kind: Kind,
    pub(super) generaliser: Option<Generaliser>,
    pub(super) many: bool,
    pub(super) required: bool,
    pub(super) reference: bool,
    /// A value whose parts are not told apart: all that lies in it is what the line says.
    pub(super) whole: bool,
    /// Withheld where this is.
    pub(super) besides: Option<Category>,
    /// The member beside it that says of which system the identifier is.
    pub(super) system: Option<Box<str>>,
    pub(super) fixed_format: bool,
}

impl Line {
    /// The last step of its path: its name in JSON.
    pub(super) fn name(&self) -> &str {
        self.path.text.rsplit('.').next().unwrap_or_default()
    }

    /// The path of what it lies in; empty at the top.
    pub(super) fn parent(&self) -> &str {
        self.path.text.rsplit_once('.').map_or("", |(parent, _)| parent)
    }
}

/// What words may say.
pub(super) struct Words<'v> {
    pub(super) vocabulary: &'v Vocabulary,
    pub(super) datatypes: HashSet<String>,
}

impl Words<'_> {
    /// The lines of a table of elements, in the document's order; faults go to its reader.
    pub(super) fn lines(&self, table: &Table<'_>) -> Vec<Line> {
        table.lists("elements").into_iter().map(|(path, texts)| self.line(table, path, &texts)).collect()
    }

    fn line(&self, table: &Table<'_>, path: Text, texts: &[Text]) -> Line {
        let mut line = Line {
            path,
            says: Says::Own,
            kind: Kind::Leaf,
            generaliser: None,
            many: false,
            required: false,
            reference: false,
            whole: false,
            besides: None,
            system: None,
            fixed_format: false,
        };
        for word in texts.iter().flat_map(split) {
            match word.text.as_str() {
                "own" => {}
                "many" => line.many = true,
                "required" => line.required = true,
                "reference" => line.reference = true,
                "whole" => line.whole = true,
                "fixed" => line.fixed_format = true,
                "resource" => line.kind = Kind::Resource,
                "extension" => line.kind = Kind::Extension,
                "parts" => line.kind = Kind::Parts,
                datatype if self.datatypes.contains(datatype) => line.kind = Kind::Datatype(datatype.into()),
                other => self.other(table, &mut line, other, &word),
            }
        }
        line
    }

    fn other(&self, table: &Table<'_>, line: &mut Line, other: &str, word: &Text) {
        if let Some(path) = other.strip_prefix("like:") {
            line.kind = Kind::Like(path.into());
        } else if let Some(system) = other.strip_prefix("system:") {
            line.system = Some(system.into());
        } else if let Some(besides) = other.strip_prefix("also:") {
            line.besides = self.vocabulary.category(besides);
            if line.besides.is_none() {
                let (text, span) = (besides.to_owned(), word.span.clone());
                table.reader().unknown("category", &Text { text, span }, self.vocabulary.names());
            }
        } else if let Some(generaliser) = Generaliser::from_name(other) {
            line.generaliser = Some(generaliser);
        } else if let Some(meaning) = self.meaning(table, word) {
            line.says = Says::Is(meaning);
        }
    }

    /// A category or a word that stands for none; else a fault.
    pub(super) fn meaning(&self, table: &Table<'_>, word: &Text) -> Option<Meaning> {
        let meaning = tree::meaning(&word.text, self.vocabulary);
        if meaning.is_none() {
            let known = self.vocabulary.names().chain(tree::WORDS).chain(MARKS);
            table.reader().unknown("word", word, known.chain(self.datatypes.iter().map(String::as_str)));
        }
        meaning
    }
}

/// The words that say how an element lies, not what it is.
const MARKS: [&str; 9] = ["own", "many", "required", "reference", "resource", "extension", "parts", "whole", "fixed"];

/// The words of a text, each with its place in the document: one byte is the quote before it.
pub(super) fn split(text: &Text) -> impl Iterator<Item = Text> {
    text.text.split(' ').filter(|word| !word.is_empty()).map(|word| {
        let offset = word.as_ptr().addr().saturating_sub(text.text.as_ptr().addr());
        let start = text.span.start.saturating_add(1).saturating_add(offset);
        Text { text: word.to_owned(), span: start..start.saturating_add(word.len()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_told_where_it_stands_in_the_document() {
        let document = "x = \"a  bc d\"";
        let text = Text { text: "a  bc d".to_owned(), span: 4..13 };
        let found: Vec<(String, Option<&str>)> =
            split(&text).map(|word| (word.text.clone(), document.get(word.span))).collect();
        assert_eq!(found, [("a", Some("a")), ("bc", Some("bc")), ("d", Some("d"))].map(|(w, s)| (w.to_owned(), s)));
    }
}
