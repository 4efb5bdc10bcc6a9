//! Which accesses does an address ask for?
//!
//! The address *is* the filter: whoever gets it sent sees the same, and going back goes back. Times stand in it as local
//! ones, a person as he is sealed in the log. A name that is not known here is a fault, and never passed over: a filter
//! that is silently dropped shows more than was asked for. All of it goes on record, so it has a length ([`BYTES_MAX`]).

use jiff::tz::TimeZone;

use super::door::joined;
use super::error::Trouble;
use super::page::Asking;
use super::person::Right;
use super::reading::Reading;
use super::state::State;
use super::when::{self, DAY_MS};
use crate::audit::{Note, Sealed};
use crate::index::{Filter, Flags, Outcome, Place};

/// An address's filter.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) filter: Filter,
    /// From the first millisecond on.
    pub(super) from_ms: u64,
    /// Before this one.
    pub(super) until_ms: u64,
    /// Whether the address named its times.
    pub(super) is_dated: bool,
    /// The page begins below this access.
    pub(super) before: Option<Place>,
    /// What the address named, in its order, without what only turns the page.
    pub(super) pairs: Vec<(String, String)>,
    /// The person of the filter.
    pub(super) subject: Option<Sealed>,
}

/// The lists of a filter, by their names in an address.
pub(super) const LISTS: [&str; 11] = [
    "outcome",
    "purpose",
    "recipient",
    "organization",
    "caller",
    "role",
    "clause",
    "route",
    "action",
    "category",
    "reason",
];
/// What is either asked or not.
pub(super) const FLAGS: [(&str, Flags); 4] = [
    ("review", Flags::REVIEW),
    ("unclassified", Flags::UNCLASSIFIED),
    ("abroad", Flags::ABROAD),
    ("dry-run", Flags::DRY_RUN),
];

impl Asked {
    /// Reads the query; without times it is the last seven days in which there is something.
    pub(super) fn read(state: &State, asking: &Asking) -> Result<Asked, Trouble> {
        let mut asked = Asked {
            filter: Filter::default(),
            from_ms: 0,
            until_ms: 0,
            is_dated: false,
            before: None,
            pairs: Vec::new(),
            subject: None,
        };
        bounded(asking)?;
        let (mut from, mut until, mut days) = (None, None, None);
        for (name, value) in asking.query.iter().filter(|(_, value)| !value.is_empty()) {
            let moment = |is_end| {
                let fault = || {
                    asking.wrong(
                        format!("`{name}`: `{value}` is no time such as 2026-10-26T19:42"),
                        format!("`{name}`: `{value}` は 2026-10-26T19:42 のような日時ではありません"),
                    )
                };
                when::read(value, &state.zone, is_end).map(Some).ok_or_else(fault)
            };
            match name.as_str() {
                "from" => from = moment(false)?,
                "until" => until = moment(true)?,
                "days" => {
                    let number = value.parse::<u64>().ok().filter(|days| (1..=366).contains(days));
                    let fault = || {
                        asking.wrong(
                            format!("`days`: `{value}` is not from 1 to 366"),
                            format!("`days`: `{value}` は1〜366ではありません"),
                        )
                    };
                    days = Some(number.ok_or_else(fault)?);
                }
                "before" => asked.before = Some(known_place(state, asking, name, value)?),
                "q" => asked.filter.text.clone_from(value),
                "form" => asked.filter.form = Some(value.clone()),
                "subject" => asked.about(state, asking, value)?,
                _ => asked.take(asking, name, value)?,
            }
            if name != "before" {
                asked.pairs.push((name.clone(), value.clone()));
            }
        }
        asked.is_dated = from.is_some() || until.is_some();
        asked.until_ms = match until {
            Some(until) => until,
            None => newest_end(state)?.max(from.unwrap_or(0)),
        };
        asked.from_ms = from.unwrap_or_else(|| back(asked.until_ms, days.unwrap_or(DAYS), &state.zone));
        if asked.from_ms >= asked.until_ms {
            return Err(asking.wrong("`from` is not before `until`", "`from` は `until` より前にしてください"));
        }
        asked.filter.from_ms = Some(asked.from_ms);
        asked.filter.until_ms = Some(asked.until_ms);
        Ok(asked)
    }

    /// Only those about this person, as he is sealed in the log: anything else could be his own id, and stand in addresses
    /// and on record.
    fn about(&mut self, state: &State, asking: &Asking, sealed: &str) -> Result<(), Trouble> {
        asking.must(Right::Reveal)?;
        let clear = state.seal.open_subject(sealed).map_err(|_| Trouble::Missing)?;
        self.subject = Some(state.seal.subject(&clear).map_err(Trouble::unable)?);
        self.filter.subject = Some(sealed.to_owned());
        Ok(())
    }

    fn take(&mut self, asking: &Asking, name: &str, value: &str) -> Result<(), Trouble> {
        if let Some((_, flag)) = FLAGS.iter().find(|(known, _)| *known == name) {
            // Of a flag nothing else can be said, and so nothing else put on record.
            if value != "1" {
                return Err(asking
                    .wrong(format!("`{name}` is 1 or is not there"), format!("`{name}` に指定できる値は1のみです")));
            }
            self.filter.flags = self.filter.flags.with(*flag);
            return Ok(());
        }
        let filter = &mut self.filter;
        let list = match name {
            "purpose" => &mut filter.purpose,
            "recipient" => &mut filter.recipient,
            "organization" => &mut filter.organization,
            "caller" => &mut filter.caller,
            "role" => &mut filter.role,
            "clause" => &mut filter.clause,
            "route" => &mut filter.route,
            "action" => &mut filter.action,
            "category" => &mut filter.category,
            "reason" => &mut filter.reason,
            "outcome" => {
                let known = Outcome::ALL.into_iter().find(|outcome| outcome.name() == value);
                let fault = || {
                    asking.wrong(
                        format!("`outcome`: `{value}` is none"),
                        format!("`outcome`: `{value}` という結果はありません"),
                    )
                };
                filter.outcome.push(known.ok_or_else(fault)?);
                return Ok(());
            }
            _ => {
                return Err(asking.wrong(
                    format!("`{name}` is nothing that can be asked for"),
                    format!("`{name}` という条件はありません"),
                ));
            }
        };
        // In an address an empty value is no value: this stands for "none".
        list.push(if value == NONE { String::new() } else { value.to_owned() });
        Ok(())
    }

    /// The address of this filter, on that page, with its times: it stays the same tomorrow.
    pub(super) fn permanent(&self, path: &str, zone: &TimeZone) -> String {
        let times = [("from", when::address(self.from_ms, zone)), ("until", when::address(self.until_ms, zone))];
        let kept = self.pairs.iter().filter(|(name, _)| !matches!(name.as_str(), "from" | "until" | "days"));
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        format!("{path}?{}", joined(times.iter().map(|(name, value)| (*name, value.as_str())).chain(kept)))
    }

    /// What goes on record of a page that answers this: times, filter and place in full. Sealed are the person, the words
    /// of a search, and whatever stands in no record: it was typed, and may be a person's id.
    pub(super) fn reading(&self, state: &State, page: &'static str) -> Result<Reading, Trouble> {
        let unknown = state.queries.unknown(&self.filter)?;
        let is_typed = |(name, value): &(String, String)| {
            name == "q" || unknown.iter().any(|(list, word)| list == name && word == value)
        };
        let typed: Vec<&(String, String)> = self.pairs.iter().filter(|pair| is_typed(pair)).collect();
        let shown = self.pairs.iter().filter(|(name, _)| name != "subject").map(|pair| match is_typed(pair) {
            true => (pair.0.clone(), SEALED.to_owned()),
            false => pair.clone(),
        });
        let before = self.before.iter().map(|place| ("before".to_owned(), place_text(place)));
        let told = Asked { pairs: shown.chain(before).collect(), ..self.clone() };
        let mut reading = Reading::of(page, told.permanent("", &state.zone));
        reading.subjects = self.subject.iter().cloned().collect();
        if !typed.is_empty() {
            let id = super::session::random().map_err(Trouble::unable)?;
            let text = serde_json::to_string(&typed).map_err(Trouble::unable)?;
            let sealed = state.seal.note(Note::Reason, &id, &text);
            reading.why = Some((id, sealed.map_err(|error| Trouble::Asked(error.to_string()))?));
        }
        Ok(reading)
    }

    /// The address of this filter as it was asked: without times where none were named.
    pub(super) fn address(&self, path: &str) -> String {
        let query = joined(self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// The same with one thing more asked for; or with another value of what can only be asked once.
    pub(super) fn with(&self, path: &str, name: &str, value: &str) -> String {
        let value = if value.is_empty() { NONE } else { value };
        let is_list = LISTS.contains(&name);
        let kept = self.pairs.iter().filter(|(known, held)| known != name || (is_list && held != value));
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        format!("{path}?{}", joined(kept.chain([(name, value)])))
    }

    /// The same without that.
    pub(super) fn without(&self, path: &str, name: &str, value: Option<&str>) -> String {
        let is_kept = |known: &str, held: &str| known != name || value.is_some_and(|value| value != held);
        let kept = self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query = joined(kept.filter(|(known, held)| is_kept(known, held)));
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// The same between other times.
    pub(super) fn between(&self, path: &str, from_ms: u64, until_ms: u64, zone: &TimeZone) -> String {
        Asked { from_ms, until_ms, ..self.clone() }.permanent(path, zone)
    }

    /// The same, and that of each of these lists it is this value.
    pub(super) fn narrowed(&self, to: &[(&str, &str)]) -> Asked {
        let mut pairs = self.pairs.clone();
        pairs.retain(|(name, _)| to.iter().all(|(narrowed, _)| narrowed != name));
        let value = |value: &str| if value.is_empty() { NONE.to_owned() } else { value.to_owned() };
        pairs.extend(to.iter().map(|(name, word)| ((*name).to_owned(), value(word))));
        Asked { pairs, ..self.clone() }
    }

    /// Whether that value is asked for.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        let value = if value.is_empty() { NONE } else { value };
        self.pairs.iter().any(|(known, held)| known == name && held == value)
    }
}

/// Whether a query can be asked as it stands: of two the last would count, and the record could be read as the first; what
/// is long no record could hold.
fn bounded(asking: &Asking) -> Result<(), Trouble> {
    for single in ["from", "until", "days", "before", "q", "form", "subject"] {
        if asking.query.iter().filter(|(name, _)| name == single).count() > 1 {
            return Err(asking.wrong(format!("`{single}` is there twice"), format!("`{single}` が重複しています")));
        }
    }
    let bytes = |(name, value): &(String, String)| if name == "subject" { 0 } else { name.len() + value.len() };
    if asking.query.iter().map(bytes).sum::<usize>() > BYTES_MAX {
        return Err(asking.wrong(
            format!("more than {BYTES_MAX} bytes are asked for at once: ask for less"),
            format!("条件が{BYTES_MAX}バイトを超えています。条件を減らしてください"),
        ));
    }
    Ok(())
}

/// `order.log.seq`: the place of an access, as an address has it.
pub(super) fn place_text(place: &Place) -> String {
    format!("{}.{}.{}", place.order_ms, place.log, place.seq)
}

fn place(text: &str) -> Option<Place> {
    let (order, rest) = text.split_once('.')?;
    let (log, seq) = rest.rsplit_once('.')?;
    Some(Place { order_ms: order.parse().ok()?, log: log.to_owned(), seq: seq.parse().ok()? })
}

/// The place that an address names, in a log that there is: anything else could be put on record by it.
pub(super) fn known_place(state: &State, asking: &Asking, name: &str, value: &str) -> Result<Place, Trouble> {
    let none = || asking.wrong(format!("`{name}` is no place"), format!("`{name}` は位置の指定ではありません"));
    let place = place(value).ok_or_else(none)?;
    if state.queries.has_log(&place.log)? { Ok(place) } else { Err(none()) }
}

/// The end of the local day of the newest access; of today, if that is not a day old.
pub(super) fn newest_end(state: &State) -> Result<u64, Trouble> {
    let now = state.now_ms();
    let newest = state.queries.search(&Filter::default(), None, 1)?;
    let newest = newest.first().map_or(now, |row| row.time_ms);
    let at = if newest.saturating_add(DAY_MS) >= now { now.max(newest) } else { newest };
    // A day and some hours further lies in the next, however long this one is.
    Ok(when::day_of(when::day_of(at, &state.zone) + DAY_MS + DAY_MS / 8, &state.zone))
}

/// So many local days before.
pub(super) fn back(until_ms: u64, days: u64, zone: &TimeZone) -> u64 {
    // The middle of the day that far back, so that days of 23 and 25 hours do not matter.
    let middle = until_ms.saturating_sub(days * DAY_MS).saturating_add(DAY_MS / 8);
    when::day_of(middle, zone)
}

/// The longest filter, without its person: it is put on record as a whole.
const BYTES_MAX: usize = 1500;
/// What stands on record for what is sealed there.
const SEALED: &str = "(sealed)";
/// The days that are shown where nothing is said.
const DAYS: u64 = 7;
/// What stands in an address for "none was named".
pub(super) const NONE: &str = "(none)";
