//! Is the log what was written? Every line of every segment, and the first that is not.
//!
//! What the chain shows: a byte changed in any record but the last, a record or segment removed from the middle, put
//! in, exchanged or repeated, a beginning ended twice, an ending of nothing. What only a checkpoint shows: whole lines
//! cut off at the very end, a last line changed into another well-formed one, and a log rewritten from some point on.
//! The checkpoints beside the log show that to whoever does not hold the key that signs; one kept elsewhere shows it
//! even then. The report says how far they reach.

use super::chain::{Chain, Fault, Kind, claim_of, hash, hex};
use super::checkpoint::{Note, PublicKey};
use super::pins::Pins;
use super::read::{Line, PREFIX, Reader, first_of, segments};
use super::time;
use crate::store::Disk;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

/// What a walk over the log found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Segments that were read.
    pub segments: u64,
    /// Records that are in order, up to the first bad one.
    pub records: u64,
    /// The same by kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// The number of the first record that is here: above 1 where older segments were removed.
    pub first_sequence: u64,
    /// The number of the last record in order.
    pub last_sequence: u64,
    /// Its hash, 64 hexadecimal digits: compare it with a copy kept elsewhere.
    pub last_hash: String,
    /// The newest time on any record.
    pub newest_ms: u64,
    /// Beginnings without an ending: running now, or to be ended as interrupted by the next start.
    pub open: u64,
    /// Files that hold what recovery once cut off.
    pub torn_files: Vec<String>,
    /// What is signed.
    pub signed: Signed,
    /// The first bad record.
    pub bad: Option<BadRecord>,
}

/// How far the checkpoints reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// How many checkpoints agree with the records, those beside the log and those kept elsewhere.
    pub agreed: u64,
    /// The number of the last record that one of them is over; 0 without any.
    pub last_sequence: u64,
    /// Whether it is signed by the key: the newest was looked at, which is over all before it. It takes the public key.
    pub by_key: bool,
    /// Whether one of them was kept elsewhere.
    pub kept_elsewhere: bool,
    /// Checkpoints over fewer records than were gone when the oldest segment here began: nothing is left to compare.
    pub too_old: u64,
    /// Bytes at the end of the newest file that are no checkpoint, as a loss of power leaves them.
    pub torn_bytes: u64,
}

/// What an auditor brings along.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The log's public keys. Without any, signatures are not checked.
    pub keys: Vec<PublicKey>,
    /// Checkpoints that were kept elsewhere.
    pub kept: Vec<Note>,
}

/// A record that is not what was written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The file.
    pub segment: String,
    /// The line in it, from 1.
    pub line: u64,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// The number that the record there must have.
    pub sequence: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Walks the whole log, and holds it against the checkpoints beside it. Takes no lock and may be used while a gate
/// writes; blocks for the time that it takes to read.
///
/// # Errors
/// Only if the disk cannot be read; a bad record is no error but in the report.
pub fn verify(disk: &dyn Disk) -> io::Result<Report> {
    verify_by(disk, &Trust::default())
}

/// As [`verify`], with the public keys, and checkpoints that were kept elsewhere.
///
/// # Errors
/// As [`verify`].
pub fn verify_by(disk: &dyn Disk, trust: &Trust) -> io::Result<Report> {
    let torn_files = disk.list()?.into_iter().map(|entry| entry.name).filter(|name| is_torn(name)).collect();
    let mut report = Report { torn_files, ..Report::default() };
    // Before the records: a gate that writes meanwhile adds to both, and signs only what is there.
    let mut pins = Pins::read(disk, trust)?;
    let first = segments(disk)?.first().and_then(|entry| first_of(&entry.name));
    if first.is_none() && pins.is_empty() {
        return Ok(report);
    }
    report.first_sequence = first.unwrap_or(1);
    let mut chain = if report.first_sequence == 1 { Chain::new() } else { Chain::joining(report.first_sequence) };
    let mut reader = Reader::new(disk);
    let mut before: Option<Line> = None;
    while let Some(line) = settled(&mut reader)? {
        let opens = line.line == 1;
        report.segments += u64::from(opens);
        match judge(&mut chain, &line, opens) {
            Ok(kind) => {
                report.records += 1;
                *report.kinds.entry(kind).or_default() += 1;
            }
            Err(fault) => {
                let after = reader.next_line()?;
                report.bad = Some(blame(&chain, before.take(), line, after, fault));
                break;
            }
        }
        report.bad = pins.compare(&chain, &line)?;
        before = Some(line);
        if report.bad.is_some() {
            break;
        }
    }
    if report.bad.is_none() {
        report.bad = reader.unfinished().map(|line| BadRecord::new(&line, chain.next, Fault::Unfinished));
    }
    if report.bad.is_none() {
        report.bad = pins.left_over(&chain, before.as_ref())?;
    }
    report.signed = pins.told();
    report.last_sequence = chain.next.saturating_sub(1);
    report.last_hash = chain.prev.map(|last| hex(&last)).unwrap_or_default();
    report.newest_ms = chain.newest_ms;
    report.open = chain.open.len() as u64;
    Ok(report)
}

/// The next line; one that a running gate is just writing gets a tenth of a second to be finished.
fn settled(reader: &mut Reader<'_>) -> io::Result<Option<Line>> {
    for _ in 0..20 {
        let line = reader.next_line()?;
        if line.is_some() || !reader.is_inside_a_line() {
            return Ok(line);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    reader.next_line()
}

fn judge(chain: &mut Chain, line: &Line, opens: bool) -> Result<Kind, Fault> {
    if opens && first_of(&line.segment) != Some(chain.next) {
        // A removed segment shows here: the next one's name tells a later number.
        return Err(match first_of(&line.segment) {
            Some(found) => Fault::Sequence { expected: chain.next, found },
            None => Fault::Name,
        });
    }
    match line.finished {
        true => chain.accept(&line.bytes, opens),
        false => Err(Fault::Unfinished),
    }
}

/// A hash that does not fit accuses two lines. If the line after confirms the second, the first was changed; if it does
/// not, the second was; with no line after, nobody knows, and the first is named.
fn blame(chain: &Chain, before: Option<Line>, line: Line, after: Option<Line>, fault: Fault) -> BadRecord {
    let Some(before) = before.filter(|_| fault == Fault::Hash) else { return BadRecord::new(&line, chain.next, fault) };
    let first = |fault| BadRecord::new(&before, chain.next.saturating_sub(1), fault);
    match after {
        None => first(Fault::ChangedOrLast),
        Some(after) if claim_of(&after.bytes).is_some_and(|claim| claim.prev == hex(&hash(&line.bytes))) => {
            first(Fault::Changed)
        }
        Some(_) => BadRecord::new(&line, chain.next, fault),
    }
}

fn is_torn(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(".torn")
}

impl BadRecord {
    pub(super) fn new(line: &Line, sequence: u64, fault: Fault) -> BadRecord {
        BadRecord { segment: line.segment.clone(), line: line.line, offset: line.offset, sequence, fault }
    }
}

impl fmt::Display for BadRecord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadRecord { segment, line, offset, sequence, fault } = self;
        write!(out, "record {sequence} in `{segment}`, line {line}, byte {offset}: {fault}")
    }
}

impl Report {
    /// Whether it was to be held against a key, and no checkpoint is here that could be: nothing is shown then.
    pub fn is_unsigned(&self) -> bool {
        self.signed.by_key && self.signed.agreed == 0
    }

    /// Whether every line is in order.
    pub fn is_intact(&self) -> bool {
        self.bad.is_none()
    }

    /// Writes the report in plain words.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.segments == 0 && self.is_intact() {
            return writeln!(out, "There is no log here: no segment, no record.");
        }
        match &self.bad {
            None => writeln!(out, "In order: every record carries the hash of the one before it.")?,
            Some(bad) => writeln!(out, "NOT IN ORDER. First bad: {bad}.")?,
        }
        let (first, last) = (self.first_sequence, self.last_sequence);
        let (records, segments) = (several(self.records, "record"), several(self.segments, "segment"));
        writeln!(out, "{records} in order in {segments}, numbers {first} to {last}.")?;
        for (kind, count) in &self.kinds {
            writeln!(out, "  {count:>12} {}", kind.name())?;
        }
        writeln!(out, "Newest time: {}. Last hash:\n{}", time::text(self.newest_ms), self.last_hash)?;
        if first > 1 {
            writeln!(out, "Records before {first} are not here; the first one here is believed where it names them.")?;
        }
        if self.open > 0 {
            let open = several(self.open, "beginning");
            writeln!(out, "{open} without an ending: running now, or ended by the next start.")?;
        }
        for name in &self.torn_files {
            writeln!(out, "`{name}` holds what a start cut off; a record of kind `administrative` says why.")?;
        }
        self.signed.write_to(self.last_sequence, out)
    }
}

impl Signed {
    fn write_to(&self, last_sequence: u64, out: &mut dyn Write) -> io::Result<()> {
        if self.torn_bytes > 0 {
            writeln!(out, "The newest checkpoints end in {} bytes as a loss of power leaves them.", self.torn_bytes)?;
        }
        if self.too_old > 0 {
            let too_old = several(self.too_old, "checkpoint");
            writeln!(out, "{too_old} older than the oldest segment here: not compared.")?;
        }
        let after = several(last_sequence.saturating_sub(self.last_sequence), "record");
        if self.agreed == 0 {
            let word = if self.by_key {
                "NOT SIGNED by this key: there is no checkpoint to compare"
            } else {
                "Nothing is signed"
            };
            return writeln!(
                out,
                "{word}.\n\
                 Not shown by this: whole records cut off at the very end, a last record changed\n\
                 into another, or a log rewritten by someone who holds the disk. Compare number\n\
                 and hash above with a copy kept elsewhere."
            );
        }
        let agreed = several(self.agreed, "checkpoint");
        let verb = if self.agreed == 1 { "agrees" } else { "agree" };
        writeln!(out, "{agreed} {verb}, the last up to record {}; {after} after it.", self.last_sequence)?;
        match (self.by_key, self.kept_elsewhere) {
            (false, _) => writeln!(out, "Their signatures were not checked: name the public key with `--key`."),
            (true, false) => writeln!(
                out,
                "Not shown by this: a log rewritten by someone who holds both the disk and the\n\
                 key that signs. A checkpoint kept elsewhere shows it: `--checkpoint`."
            ),
            (true, true) => Ok(()),
        }
    }
}

fn several(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
