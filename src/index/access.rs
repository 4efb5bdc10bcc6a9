//! What is known of one access? Its beginning joined with its windows and its ending, or a refusal.
//!
//! Words and sets of words are numbers of the dictionary (`words`); 0 is "none".

use super::IndexError;
use super::bytes::{Bytes, put, put_text};

/// What came of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Begun, and not ended yet.
    Open,
    /// The whole answer was released.
    Completed,
    /// The caller went away, or was cut off.
    Aborted,
    /// The gate or the backend failed.
    Failed,
    /// The gate stopped in between.
    Interrupted,
    /// Refused.
    Refused,
    /// Answered without anything of the backend's: the help page, and dry runs that would be permitted.
    Told,
}

impl Outcome {
    /// Every one, in the order of their numbers.
    pub const ALL: [Outcome; 7] = [
        Outcome::Open,
        Outcome::Completed,
        Outcome::Aborted,
        Outcome::Failed,
        Outcome::Interrupted,
        Outcome::Refused,
        Outcome::Told,
    ];

    /// The word of the log, or the one nearest to it.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Open => "open",
            Outcome::Completed => "completed",
            Outcome::Aborted => "aborted",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
            Outcome::Refused => "refused",
            Outcome::Told => "told",
        }
    }

    pub(super) fn number(self) -> u32 {
        Outcome::ALL.iter().position(|one| *one == self).and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
    }

    pub(super) fn from_number(number: u32) -> Outcome {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        Outcome::ALL.get(at).copied().unwrap_or(Outcome::Open)
    }
}

/// What is remarkable about an access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub(super) u32);

impl Flags {
    /// Its decision obliges to a review afterwards.
    pub const REVIEW: Flags = Flags(1);
    /// The backend's answer held fields that no catalogue names.
    pub const UNCLASSIFIED: Flags = Flags(2);
    /// Decided for show only.
    pub const DRY_RUN: Flags = Flags(4);
    /// The recipient's country is another than Japan.
    pub const ABROAD: Flags = Flags(8);
    /// A list: released in windows.
    pub const LIST: Flags = Flags(16);

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of the other's are among these.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A column of small numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Column {
    Outcome,
    Caller,
    Organization,
    Recipient,
    Purpose,
    Basis,
    Route,
    Action,
    Roles,
    Clauses,
    Forms,
    Reasons,
    Obligations,
    FirstReason,
    Mode,
    Policy,
    Flags,
    Status,
    Code,
    Country,
    Unclassified,
}

impl Column {
    pub(super) const ALL: [Column; 21] = [
        Column::Outcome,
        Column::Caller,
        Column::Organization,
        Column::Recipient,
        Column::Purpose,
        Column::Basis,
        Column::Route,
        Column::Action,
        Column::Roles,
        Column::Clauses,
        Column::Forms,
        Column::Reasons,
        Column::Obligations,
        Column::FirstReason,
        Column::Mode,
        Column::Policy,
        Column::Flags,
        Column::Status,
        Column::Code,
        Column::Country,
        Column::Unclassified,
    ];
}

/// A column of numbers of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Number {
    /// Milliseconds since the epoch.
    Time,
    Seq,
    /// The number of the ending.
    End,
    Bytes,
    Released,
    Dropped,
    TotalUs,
}

impl Number {
    pub(super) const ALL: [Number; 7] =
        [Number::Time, Number::Seq, Number::End, Number::Bytes, Number::Released, Number::Dropped, Number::TotalUs];
}

/// A person who is named in an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Of the sealed id.
    pub(super) hash: u64,
    /// How often in the windows of a list; 0 where the head named him.
    pub(super) entries: u32,
    /// In which forms these left; 0 where the whole access' are his.
    pub(super) forms: u32,
}

/// One access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    cells: [u32; Column::ALL.len()],
    numbers: [u64; Number::ALL.len()],
    pub(super) id: String,
    pub(super) trace: String,
    pub(super) windows: Vec<u64>,
    pub(super) people: Vec<Named>,
    /// Fields that left or were withheld, by the word "form category".
    pub(super) counts: Vec<(u32, u64)>,
}

impl Access {
    pub(super) fn cell(&self, column: Column) -> u32 {
        self.cells.get(column as usize).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, column: Column, value: u32) {
        if let Some(cell) = self.cells.get_mut(column as usize) {
            *cell = value;
        }
    }

    pub(super) fn number(&self, number: Number) -> u64 {
        self.numbers.get(number as usize).copied().unwrap_or(0)
    }

    pub(super) fn set_number(&mut self, number: Number, value: u64) {
        if let Some(place) = self.numbers.get_mut(number as usize) {
            *place = value;
        }
    }

    pub(super) fn flag(&mut self, flag: Flags) {
        self.set(Column::Flags, self.cell(Column::Flags) | flag.0);
    }

    pub(super) fn is_open(&self) -> bool {
        self.cell(Column::Outcome) == Outcome::Open.number()
    }

    /// Counts a person once more.
    pub(super) fn name(&mut self, person: Named) {
        match self.people.iter_mut().find(|known| known.hash == person.hash && known.forms == person.forms) {
            Some(known) => known.entries = known.entries.saturating_add(person.entries),
            None => self.people.push(person),
        }
    }

    /// Everything of it, for the table `tail`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.cells.iter().for_each(|cell| put(out, u64::from(*cell)));
        self.numbers.iter().for_each(|number| put(out, *number));
        self.write_ids(out);
        self.write_counts(out);
        self.write_people(out);
    }

    pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<Access, IndexError> {
        let mut access = Access::default();
        for cell in &mut access.cells {
            *cell = bytes.small()?;
        }
        for number in &mut access.numbers {
            *number = bytes.number()?;
        }
        access.read_ids(bytes)?;
        access.counts = read_counts(bytes)?;
        access.people = read_people(bytes)?;
        Ok(access)
    }

    pub(super) fn write_ids(&self, out: &mut Vec<u8>) {
        write_id(out, &self.id);
        write_id(out, &self.trace);
        put(out, self.windows.len() as u64);
        let mut before = self.number(Number::Seq);
        for window in &self.windows {
            put(out, window.saturating_sub(before));
            before = *window;
        }
    }

    /// Needs its own number, from which the windows' are counted.
    pub(super) fn read_ids(&mut self, bytes: &mut Bytes<'_>) -> Result<(), IndexError> {
        self.id = read_id(bytes)?;
        self.trace = read_id(bytes)?;
        let mut at = self.number(Number::Seq);
        self.windows.clear();
        for _ in 0..bytes.length()? {
            at = at.saturating_add(bytes.number()?);
            self.windows.push(at);
        }
        Ok(())
    }

    /// Passes over what [`Access::write_ids`] wrote.
    pub(super) fn skip_ids(bytes: &mut Bytes<'_>) -> Result<(), IndexError> {
        for _id_and_trace in 0..2 {
            let length = if bytes.take(1)? == [0] { 16 } else { bytes.length()? };
            bytes.take(length)?;
        }
        for _window in 0..bytes.length()? {
            bytes.number()?;
        }
        Ok(())
    }

    pub(super) fn write_counts(&self, out: &mut Vec<u8>) {
        put(out, self.counts.len() as u64);
        for (word, fields) in &self.counts {
            put(out, u64::from(*word));
            put(out, *fields);
        }
    }

    pub(super) fn write_people(&self, out: &mut Vec<u8>) {
        put(out, self.people.len() as u64);
        for person in &self.people {
            out.extend_from_slice(&person.hash.to_le_bytes());
            put(out, u64::from(person.entries));
            put(out, u64::from(person.forms));
        }
    }
}

pub(super) fn read_counts(bytes: &mut Bytes<'_>) -> Result<Vec<(u32, u64)>, IndexError> {
    (0..bytes.length()?).map(|_| Ok((bytes.small()?, bytes.number()?))).collect()
}

pub(super) fn read_people(bytes: &mut Bytes<'_>) -> Result<Vec<Named>, IndexError> {
    (0..bytes.length()?)
        .map(|_| Ok(Named { hash: bytes.word()?, entries: bytes.small()?, forms: bytes.small()? }))
        .collect()
}

/// 32 lower-case hexadecimal digits, as both ids mostly are, take 17 bytes: a 0 before them. Others follow their length.
fn write_id(out: &mut Vec<u8>, id: &str) {
    let packed = (id.len() == 32).then(|| u128::from_str_radix(id, 16).ok()).flatten();
    match packed.filter(|packed| format!("{packed:032x}") == id) {
        Some(packed) => {
            out.push(0);
            out.extend_from_slice(&packed.to_be_bytes());
        }
        None => {
            out.push(1);
            put_text(out, id);
        }
    }
}

fn read_id(bytes: &mut Bytes<'_>) -> Result<String, IndexError> {
    match bytes.take(1)? {
        [0] => Ok(bytes.take(16)?.iter().map(|byte| format!("{byte:02x}")).collect()),
        _ => Ok(bytes.text()?.to_owned()),
    }
}
