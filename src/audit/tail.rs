//! What is happening? The log's lines as they come, for people (one short line each) or for programs (as they are).

use super::json::is_unsafe_to_show;
use super::read::{Reader, segments};
use crate::store::Disk;
use serde_json::Value;
use std::io::{self, Write};
use std::time::Duration;

/// How the log is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tail {
    /// The lines as they are instead of the short form.
    pub json: bool,
    /// Colours for a terminal; not with `json`.
    pub colour: bool,
    /// Only that many of the newest records; all where `None`.
    pub last: Option<usize>,
}

/// Writes the log's lines. `wait` is called whenever there is no further one: it says how long to sleep (at most a
/// second) before looking again, or `None` to stop; a command that does not follow answers `None` at once.
///
/// Shows lines that are written and perhaps not durable yet.
///
/// # Errors
/// Whatever disk or writer answer; a closed pipe is one of them.
pub fn tail(
    disk: &dyn Disk,
    options: Tail,
    out: &mut dyn Write,
    mut wait: impl FnMut() -> Option<Duration>,
) -> io::Result<()> {
    let mut reader = match options.last {
        Some(last) => near_the_end(disk, last)?,
        None => Reader::new(disk),
    };
    let mut held = std::collections::VecDeque::new();
    let mut caught_up = options.last.is_none();
    loop {
        match reader.next_line()? {
            Some(line) if caught_up => show(&line.bytes, options, out)?,
            Some(line) => {
                held.push_back(line);
                if held.len() > options.last.unwrap_or(usize::MAX) {
                    held.pop_front();
                }
            }
            None => {
                caught_up = true;
                for line in held.drain(..) {
                    show(&line.bytes, options, out)?;
                }
                out.flush()?;
                let Some(pause) = wait() else { return Ok(()) };
                std::thread::sleep(pause.min(Duration::from_secs(1)));
            }
        }
    }
}

/// From the newest segment that has so many lines together with those after it: older ones need not be read.
fn near_the_end(disk: &dyn Disk, mut last: usize) -> io::Result<Reader<'_>> {
    for entry in segments(disk)?.iter().rev() {
        let mut segment = Reader::of_segment(disk, &entry.name)?;
        while segment.next_line()?.is_some() {
            last = last.saturating_sub(1);
        }
        if last == 0 {
            return Reader::from_segment(disk, &entry.name);
        }
    }
    Ok(Reader::new(disk))
}

fn show(line: &[u8], options: Tail, out: &mut dyn Write) -> io::Result<()> {
    if options.json {
        out.write_all(line)?;
        return out.write_all(b"\n");
    }
    writeln!(out, "{}", pretty(line, options.colour))
}

/// One line for a person: time, what, who, purpose, where, clause and what came of it; at most 120
/// characters. A line that is no record is shown as such.
pub fn pretty(line: &[u8], colour: bool) -> String {
    let Ok(record) = serde_json::from_slice::<Value>(line) else {
        return paint(colour, RED, &clip(&format!("unreadable: {}", String::from_utf8_lossy(line)), COLUMNS_MAX));
    };
    let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let time = clip(text("/time").get(11..23).unwrap_or_default(), 12);
    let kind = text("/kind");
    let (word, hue, rest) = match kind {
        "begin" => ("permit", GREEN, decided(&record, &words(&record, "/clauses"))),
        // Answered, and nothing of the backend's in it.
        "refusal" if ["help", "dry-run"].contains(&codes(&record).as_str()) => {
            let (word, hue) = if codes(&record) == "help" { ("help", DIM) } else { ("dry run", GREEN) };
            (word, hue, decided(&record, &words(&record, "/clauses")))
        }
        "refusal" if text("/mode") == "dry-run" => ("dry run", RED, decided(&record, &codes(&record))),
        "refusal" => ("refuse", RED, decided(&record, &codes(&record))),
        "continuation" => ("window", DIM, window(&record)),
        "end" => ended(&record),
        "strangers" => ("knocks", YELLOW, strangers(&record)),
        "administrative" => ("admin", YELLOW, administrative(&record)),
        "segment" => ("segment", DIM, format!("{} open", count(&record, "/open"))),
        _ => ("other", YELLOW, clip(kind, 40)),
    };
    let rest = clip(&rest, COLUMNS_MAX - time.chars().count() - 9);
    format!("{time} {} {rest}", paint(colour, hue, &format!("{word:<7}")))
}

fn decided(record: &Value, because: &str) -> String {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let organization = text("/caller/organization");
    let at = if organization.is_empty() { "" } else { "@" };
    let (caller, purpose) = (text("/caller/id"), text("/purpose"));
    let (method, route) = (text("/method"), text("/route"));
    let short = |part: &str, columns| clip(part, columns);
    format!(
        "{}{at}{} {} {} {} [{because}]",
        short(caller, 20),
        short(organization, 16),
        short(if purpose.is_empty() { "-" } else { purpose }, 24),
        short(method, 8),
        short(if route.is_empty() { "-" } else { route }, 32)
    )
}

fn ended(record: &Value) -> (&'static str, &'static str, String) {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let number = |path: &str| record.pointer(path).and_then(Value::as_u64);
    let outcome = text("/outcome");
    let (word, hue) = if outcome == "completed" { ("done", DIM) } else { ("ended", YELLOW) };
    let mut rest = format!("of {} {outcome}", number("/begin").unwrap_or_default());
    for (path, unit) in
        [("/status", ""), ("/released_bytes", " bytes"), ("/entries_released", " entries"), ("/total_us", " µs")]
    {
        if let Some(value) = number(path) {
            rest.push_str(&format!(" {value}{unit}"));
        }
    }
    if !text("/code").is_empty() {
        rest.push_str(&format!(" {}", text("/code")));
    }
    (word, hue, rest)
}

fn window(record: &Value) -> String {
    let number = |path: &str| record.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let groups = record.pointer("/disclosed").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let entries: usize = groups.iter().map(|group| count(group, "/subjects")).sum();
    format!("of {} #{}: {entries} subjects, {} bytes", number("/begin"), number("/window"), number("/window_bytes"))
}

fn strangers(record: &Value) -> String {
    let refused = record.pointer("/refused").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let each = refused.iter().filter_map(|one| one.get("count").and_then(Value::as_u64));
    let others = record.pointer("/others").and_then(Value::as_u64).unwrap_or_default();
    format!("{} refused unproven, from {} networks and reasons", each.sum::<u64>() + others, refused.len())
}

fn administrative(record: &Value) -> String {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let mut rest = text("/action").to_owned();
    for (name, value) in record.as_object().into_iter().flatten() {
        let framed = ["v", "seq", "time", "node", "batch", "kind", "action", "prev"].contains(&name.as_str());
        if !framed && (value.is_string() || value.is_number()) {
            rest.push_str(&format!(" {name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
    }
    rest
}

fn codes(record: &Value) -> String {
    let reasons = record.pointer("/reasons").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let code = |reason: &Value| reason.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
    reasons.iter().map(code).collect::<Vec<_>>().join(", ")
}

fn words(record: &Value, path: &str) -> String {
    let list = record.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn count(record: &Value, path: &str) -> usize {
    record.pointer(path).and_then(Value::as_array).map_or(0, Vec::len)
}

/// At most so many characters, none of which a terminal would act upon.
fn clip(text: &str, columns: usize) -> String {
    let safe = |one: char| if is_unsafe_to_show(one) { '\u{fffd}' } else { one };
    if text.chars().count() <= columns {
        return text.chars().map(safe).collect();
    }
    text.chars().take(columns.saturating_sub(1)).map(safe).chain(['…']).collect()
}

fn paint(colour: bool, hue: &str, text: &str) -> String {
    if colour { format!("\u{1b}[{hue}m{text}\u{1b}[0m") } else { text.to_owned() }
}

const COLUMNS_MAX: usize = 120;
const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const DIM: &str = "2";
