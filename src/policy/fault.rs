//! What is wrong in a document, where, and what was probably meant? Every fault of every file at once.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A named text that faults point into.
#[derive(Clone)]
pub struct Source {
    /// The name to print: a path, or `vocabulary.toml` for the compiled-in one.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A source of that name and text.
    pub fn new(name: impl AsRef<str>, text: impl AsRef<str>) -> Source {
        Source { name: name.as_ref().into(), text: text.as_ref().into() }
    }

    /// One-based line and column (in characters) of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        (line, column)
    }
}

/// One mistake in one document.
#[derive(Clone)]
pub struct Fault {
    /// The document.
    pub source: Source,
    /// The offending text, as bytes of it.
    pub span: Range<usize>,
    /// What is wrong, in lower case.
    pub message: String,
    /// How to mend it, often the nearest known name.
    pub help: Option<String>,
}

impl Fault {
    /// One-based line and column where it starts.
    pub fn position(&self) -> (usize, usize) {
        self.source.position(self.span.start)
    }

    /// The text that the fault points at; empty where it points at none.
    pub fn offending(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or("").lines().next().unwrap_or("")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "{}:{line}:{column}: {}", self.source.name, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// All faults of a load, in the order in which they were met.
#[derive(Clone, Debug, Default)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The known name nearest to `name`, if one is near enough to have been meant.
///
/// Cost: the product of the lengths per known name; only used once something is wrong.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The edit distance of two words (Levenshtein), by characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(from != *to);
            left = replaced.min(left + 1).min(*above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        assert_eq!(nearest("cordination", ["research", "coordination"]), Some("coordination"));
        assert_eq!(nearest("zzz", ["research", "coordination"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_position_counts_characters_not_bytes() {
        let source = Source::new("x", "あい\nうえお");
        assert_eq!(source.position(source.text.find('お').unwrap()), (2, 3));
    }
}
