//! Which entries are there, who entered them and who ended them? For people (a table) and for programs (JSON).

use std::collections::HashMap;

use serde_json::{Value, json as object};

use super::Registry;
use super::entry::{self, Entry};
use super::error::{Mistake, Mistakes, RegistryError};
use super::journal::{self, Row, Rows, Step};
use super::kind::Kind;
use super::view::{self, Standing};
use super::write::EntryId;
use crate::policy::Moment;

/// Which entries to show. The default: all that stand.
#[derive(Clone, Default)]
pub struct Filter {
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Only those about this person.
    pub subject: Option<String>,
    /// Also those that were ended or withdrawn.
    pub ended: bool,
}

impl Filter {
    /// Reads the words of the command line: `consent subject=d-100 ended`, each of them optional.
    ///
    /// # Errors
    /// The word that is none of these.
    pub fn parse<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Filter, Mistakes> {
        let mut filter = Filter::default();
        for word in words {
            match word.split_once('=') {
                Some(("subject", subject)) if !subject.is_empty() => filter.subject = Some(subject.to_owned()),
                Some(_) => return Err(Mistake::new("only `subject=…` is to be given here", None).into()),
                None if word == "ended" => filter.ended = true,
                None => filter.kind = Some(entry::known_kind(word)?),
            }
        }
        Ok(filter)
    }
}

/// An entry with its history.
#[derive(Clone)]
pub struct Listed {
    /// Its number.
    pub id: EntryId,
    /// What was entered.
    pub entry: Entry,
    /// Who entered it.
    pub by: String,
    /// When.
    pub at: Moment,
    /// By whom it was ended, and when.
    pub ended: Option<(String, Moment)>,
    /// The withdrawal that ends this consent.
    pub withdrawn: Option<EntryId>,
}

impl Registry {
    /// The entries that the filter lets through, in the order of entry. Read from the file, not from the view.
    ///
    /// # Errors
    /// As of reading the file.
    pub fn show(&self, filter: &Filter) -> Result<Vec<Listed>, RegistryError> {
        let rows = {
            let connection = self.writer.lock().map_err(|_| RegistryError::Poisoned)?;
            self.is_in_place()?;
            journal::rows(&connection, &filter.subject.as_deref().map_or(Rows::All, Rows::Of))?
        };
        let mut listed = list(&rows)?;
        listed.retain(|one| {
            filter.kind.is_none_or(|kind| kind == one.entry.kind())
                && (filter.ended || one.ended.is_none() && one.withdrawn.is_none())
        });
        Ok(listed)
    }
}

fn list(rows: &[Row]) -> Result<Vec<Listed>, RegistryError> {
    let ends: HashMap<i64, &Row> = rows.iter().filter(|r| r.step == Step::End).map(|r| (r.entry, r)).collect();
    let standing = view::standing(rows)?;
    let mut withdrawals: HashMap<Option<&str>, Vec<&Standing<'_>>> = HashMap::new();
    for one in standing.iter().filter(|standing| standing.entry.kind() == Kind::Withdrawal) {
        withdrawals.entry(one.entry.subject()).or_default().push(one);
    }
    let mut listed = Vec::new();
    for row in rows.iter().filter(|row| row.step == Step::Add) {
        let entry = view::entry_of(row)?;
        let of_subject = withdrawals.get(&entry.subject()).map(Vec::as_slice).unwrap_or_default();
        let withdrawn = of_subject.iter().find(|withdrawal| {
            entry.kind() == Kind::Consent
                && withdrawal.row.seq > row.seq
                && view::withdraws(&withdrawal.entry, &entry) == Some(true)
        });
        listed.push(Listed {
            id: EntryId(row.entry),
            withdrawn: withdrawn.map(|withdrawal| EntryId(withdrawal.row.entry)),
            ended: ends.get(&row.entry).map(|end| (end.by.clone(), end.at)),
            by: row.by.clone(),
            at: row.at,
            entry,
        });
    }
    Ok(listed)
}

/// The entries as a table for a terminal; columns are as wide as their widest cell.
pub fn table(listed: &[Listed]) -> String {
    let mut lines = vec![["id", "kind", "entry", "entered", "ended"].map(str::to_owned)];
    for one in listed {
        let words = one.entry.words().map(|(key, values)| format!("{key}={}", values.join(",")));
        let ended = match (&one.ended, one.withdrawn) {
            (Some((by, at)), _) => format!("{} by {by}", time(*at)),
            (None, Some(EntryId(id))) => format!("withdrawn by {id}"),
            (None, None) => String::new(),
        };
        lines.push([
            one.id.0.to_string(),
            one.entry.kind().name().to_owned(),
            words.collect::<Vec<_>>().join(" "),
            format!("{} by {}", time(one.at), one.by),
            ended,
        ]);
    }
    let width =
        |column: usize| lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The entries as JSON: `[{"id", "kind", "words", "entered": {"by", "at"}, "ended", "withdrawn_by"}]`.
pub fn json(listed: &[Listed]) -> Value {
    let one = |one: &Listed| {
        object!({
            "id": one.id.0,
            "kind": one.entry.kind().name(),
            "words": one.entry.to_json(),
            "entered": {"by": one.by, "at": time(one.at)},
            "ended": one.ended.as_ref().map(|(by, at)| object!({"by": by, "at": time(*at)})),
            "withdrawn_by": one.withdrawn.map(|id| id.0),
        })
    };
    listed.iter().map(one).collect()
}

fn time(at: Moment) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| format!("{at} ms"), |time| time.to_string())
}
