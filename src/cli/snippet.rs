//! Where exactly is it wrong? A fault with its line, a caret beneath it, and how to mend it, in 80 columns.
//!
//! Documents have lines longer than a terminal; they are cut around the caret, with `…` where something is left out.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

use super::terminal::{COLUMNS, Paint, columns, wrap};
use crate::policy::Fault;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The document cannot be used.
    Fault,
    /// It can, but is it meant?
    Warning,
}

impl Severity {
    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Severity::Fault => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Writes one fault, followed by an empty line.
pub(super) fn write(to: &mut (impl Write + ?Sized), fault: &Fault, severity: Severity, paint: Paint) -> io::Result<()> {
    let coloured = |text| match severity {
        Severity::Fault => paint.red(text),
        Severity::Warning => paint.yellow(text),
    };
    let title = format!("{}: ", severity.name());
    for (index, part) in wrap(&fault.message, COLUMNS - title.len()).iter().enumerate() {
        let head = if index == 0 { coloured(&title) } else { "".into() };
        let indent = if index == 0 { 0 } else { title.len() };
        writeln!(to, "{:indent$}{head}{}", "", paint.bold(part))?;
    }
    let (line, column) = fault.position();
    let number = line.to_string();
    let margin = number.len();
    writeln!(to, "{:margin$} {} {}:{line}:{column}", "", paint.dim("┌─"), fault.source.name)?;
    let room = COLUMNS.saturating_sub(margin + 3);
    let (text, caret, length) = excerpt(fault, line, column, room);
    writeln!(to, "{} {} {text}", paint.dim(&number), paint.dim("│"))?;
    writeln!(to, "{:margin$} {} {:caret$}{}", "", paint.dim("│"), "", coloured(&"^".repeat(length)))?;
    if let Some(help) = &fault.help {
        for (index, part) in wrap(help, COLUMNS - margin - 9).iter().enumerate() {
            let head = if index == 0 { "= help: " } else { "        " };
            writeln!(to, "{:margin$} {}{part}", "", paint.dim(head))?;
        }
    }
    writeln!(to)
}

/// The offending line within so many columns, the columns before the caret, and how many carets.
fn excerpt(fault: &Fault, line: usize, column: usize, room: usize) -> (String, usize, usize) {
    let whole = fault.source.text.lines().nth(line - 1).unwrap_or("");
    // Tabs would shift the caret, and controls must not reach a terminal.
    let chars: Vec<char> = whole.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let width = |chars: &[char]| chars.iter().map(|c| c.width().unwrap_or(0)).sum::<usize>();
    let start = (column - 1).min(chars.len());
    let (before, from) = chars.split_at(start);
    let marked = fault.offending().trim_end().chars().count().min(from.len());
    let marked_columns = width(from.get(..marked).unwrap_or_default()).max(1);
    if width(&chars) <= room {
        return (chars.iter().collect(), width(before), marked_columns);
    }
    // Something has to go: as much as fits before the caret while what is marked stays, at most two thirds.
    let lead_room = room.saturating_sub(marked_columns + 2).clamp(room / 6, room * 2 / 3);
    let mut lead: Vec<char> = before.to_vec();
    let mut cut = false;
    while width(&lead) + 1 > lead_room && !lead.is_empty() {
        lead.remove(0);
        cut = true;
    }
    let mut text: String = if cut { "…".to_owned() } else { String::new() };
    text.extend(&lead);
    let caret = columns(&text);
    for c in from {
        if columns(&text) + c.width().unwrap_or(0) + 1 > room {
            text.push('…');
            break;
        }
        text.push(*c);
    }
    let left = columns(&text).saturating_sub(caret).max(1);
    (text, caret, marked_columns.min(left))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;
    use crate::policy::Source;
    use clap::ColorChoice;

    fn rendered(text: &str, marked: &str) -> String {
        let start = text.find(marked).unwrap();
        let fault = Fault {
            source: Source::new("policy/x/policy.toml", text),
            span: start..start + marked.len(),
            message: "unknown clause `9`".into(),
            help: Some("did you mean `8`?".into()),
        };
        let mut out = Vec::new();
        // `Never` does not look at the environment.
        super::write(&mut out, &fault, Severity::Fault, super::super::terminal::Paint::for_stderr(ColorChoice::Never))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_caret_stands_beneath_what_is_wrong() {
        let shown = rendered("a = 1\nclause = [\"9\"]\n", "\"9\"");
        assert_eq!(
            shown,
            "error: unknown clause `9`\n  ┌─ policy/x/policy.toml:2:11\n2 │ clause = [\"9\"]\n  │           ^^^\n  = help: did you mean `8`?\n\n"
        );
    }

    #[test]
    fn a_line_longer_than_the_terminal_is_cut_around_the_caret() {
        for before in [0, 10, 70, 200, 1000] {
            for after in [0, 10, 300] {
                let text = format!("{}\"誤り\"{}\n", "あ".repeat(before), "x".repeat(after));
                let shown = rendered(&text, "\"誤り\"");
                assert!(shown.lines().all(|line| columns(line) <= COLUMNS), "{shown}");
                let lines: Vec<&str> = shown.lines().collect();
                let (code, carets) = (lines.get(2).unwrap(), lines.get(3).unwrap());
                let at = columns(code.split("\"誤").next().unwrap());
                assert_eq!(columns(carets.split('^').next().unwrap()), at, "{shown}");
                assert_eq!(carets.matches('^').count(), 6, "{shown}");
            }
        }
    }
}
