//! How is something printed for a person? Colours where they are wanted, lines of 80 columns, wide characters counted as two.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use clap::ColorChoice;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a line.
pub(super) const COLUMNS: usize = 80;

/// Standard output, buffered, with its colours.
pub(super) struct Terminal {
    out: BufWriter<StdoutLock<'static>>,
    /// The colours of standard output.
    pub(super) paint: Paint,
}

impl Terminal {
    pub(super) fn new(color: ColorChoice) -> Terminal {
        let paint = Paint::new(color, io::stdout().is_terminal());
        Terminal { out: BufWriter::with_capacity(1 << 16, io::stdout().lock()), paint }
    }

    /// One line.
    pub(super) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.out.write_all(text.as_ref().as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Text that is wrapped behind `first`; the lines after it begin with as many blanks.
    pub(super) fn wrapped(&mut self, first: &str, text: &str) -> io::Result<()> {
        let indent = UnicodeWidthStr::width(first);
        for (index, part) in wrap(text, COLUMNS.saturating_sub(indent)).iter().enumerate() {
            match index {
                0 => self.line(format!("{first}{part}"))?,
                _ => self.line(format!("{:indent$}{part}", ""))?,
            }
        }
        Ok(())
    }

    /// A JSON document of its own, indented.
    pub(super) fn json(&mut self, value: &serde_json::Value) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }

    /// The stream itself, for answers that a program reads.
    pub(super) fn stream(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Everything printed leaves.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Colours, or none.
#[derive(Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    fn new(color: ColorChoice, terminal: bool) -> Paint {
        // https://no-color.org: set and not empty means none.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Paint(match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !unwanted,
        })
    }

    /// The colours of standard error.
    pub(super) fn for_stderr(color: ColorChoice) -> Paint {
        Paint::new(color, io::stderr().is_terminal())
    }

    fn with<'t>(self, code: &str, text: &'t str) -> Cow<'t, str> {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m").into() } else { text.into() }
    }

    /// What is wrong or refused.
    /// Whether there are colours.
    pub(super) fn is_coloured(self) -> bool {
        self.0
    }

    pub(super) fn red(self, text: &str) -> Cow<'_, str> {
        self.with("1;31", text)
    }

    /// What deserves a look.
    pub(super) fn yellow(self, text: &str) -> Cow<'_, str> {
        self.with("1;33", text)
    }

    /// What is well or permitted.
    pub(super) fn green(self, text: &str) -> Cow<'_, str> {
        self.with("32", text)
    }

    /// A heading.
    pub(super) fn bold(self, text: &str) -> Cow<'_, str> {
        self.with("1", text)
    }

    /// What may be skipped.
    pub(super) fn dim(self, text: &str) -> Cow<'_, str> {
        self.with("2", text)
    }
}

/// Columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text followed by blanks up to that many columns.
pub(super) fn pad(text: &str, to: usize) -> String {
    format!("{text}{:1$}", "", to.saturating_sub(columns(text)))
}

/// `1 case`, `2 cases`.
pub(super) fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// Cuts a text into lines of at most so many columns: at blanks, before and after wide characters, and, where a single
/// word is longer, after a `.`, `-`, `/` or anywhere. At least one line.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in words(text) {
        let (bare, wide) = (word.trim_end(), columns(word.trim_end()));
        if used + wide > width && used > 0 {
            lines.push(line.trim_end().to_owned());
            (line, used) = (String::new(), 0);
        }
        if wide > width {
            for c in bare.chars() {
                let columns = c.width().unwrap_or(0);
                if used + columns > width {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push(c);
                used += columns;
            }
            line.push_str(word.get(bare.len()..).unwrap_or(""));
        } else {
            line.push_str(word);
        }
        used = columns(&line);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// Closing marks do not begin a line (JIS X 4051).
const CLOSING: &str = "、。，．・）」』】〕：；？！ー々";

/// The parts between which a line may be cut, each with the blanks behind it.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut begin = 0;
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let is_wide = |c: char| c.width().unwrap_or(0) == 2;
        let cut = match before {
            None => false,
            Some(' ') => c != ' ',
            Some(b) => (is_wide(c) && !CLOSING.contains(c)) || (is_wide(b) && !is_wide(c) && c != ' '),
        };
        if cut {
            words.extend(text.get(begin..at));
            begin = at;
        }
        before = Some(c);
    }
    words.extend(text.get(begin..));
    words
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn a_line_never_takes_more_columns_than_there_are() {
        let texts = [
            "provision to specialised companies that test specimens",
            "個人情報の保護に関する法律（平成15年法律第57号）その他の関係法令を遵守します。",
            "principal-request.stop-third-party-provision and-then-some",
            "",
        ];
        for text in texts {
            for width in 2..60 {
                let lines = wrap(text, width);
                assert!(lines.iter().all(|line| columns(line) <= width), "{width} {lines:?}");
                let kept = |s: &str| s.chars().filter(|c| *c != ' ').collect::<String>();
                assert_eq!(kept(&lines.concat()), kept(text), "{width}");
            }
        }
    }

    #[test]
    fn a_japanese_line_does_not_begin_with_a_closing_mark() {
        let lines = wrap("これはペンです。それは本です。", 14);
        assert_eq!(lines[0], "これはペンで");
        assert_eq!(lines[1], "す。それは本で");
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        assert_eq!(pad("関所", 6), "関所  ");
        assert_eq!(count(1, "case"), "1 case");
        assert_eq!(count(0, "case"), "0 cases");
    }
}
