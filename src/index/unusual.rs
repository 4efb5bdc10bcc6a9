//! Whose accesses of late are unlike his own past?
//!
//! Per caller and active day: how many accesses were permitted and how many distinct persons they were about. The last
//! day is held against the 28 before it: the distance from their median in units of their spread (the median of the
//! distances from the median, times 1.4826, as a normal distribution would have it; at least a tenth of the median and
//! one person, so that a very regular past does not make one person more an alarm). A clerk who saw 15 persons on each
//! working day and 70 last night stands on top. It accuses nobody: it is a list to look at.

use super::access::{Column, Number};
use super::filter::Filter;
use super::queries::Queries;
use super::words::Kind;
use super::{IndexError, Outcome};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The end of the last day that is looked at, milliseconds since the epoch; not itself in it.
    pub now_ms: u64,
    /// How far local time is before UTC, in seconds: nights and days are local. Japan: 32,400.
    pub ahead_s: u32,
    /// How many days are "of late": 1, or 7.
    pub days: u32,
    /// How many callers are told.
    pub limit: usize,
}

/// One caller's late doing, with the numbers of the sentence that says it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unusual {
    /// Who.
    pub caller: Arc<str>,
    /// His organisation; empty where he is the organisation's own.
    pub organization: Arc<str>,
    /// How unlike: the greater of the two distances below. 3 is rare.
    pub score: f64,
    /// Permitted accesses of late.
    pub accesses: u64,
    /// Distinct persons of late.
    pub people: u64,
    /// Persons on the fullest of the late days, and when it began.
    pub most_people: u64,
    /// When that day began, milliseconds since the epoch.
    pub most_on_ms: u64,
    /// The median of distinct persons on an active day before.
    pub usual_people: f64,
    /// The median of accesses on an active day before.
    pub usual_accesses: f64,
    /// Days of the 28 on which he did anything.
    pub active_days: u64,
    /// Of a hundred late accesses, those between 22:00 and 06:00.
    pub night_percent: u64,
    /// The same, before.
    pub usual_night_percent: u64,
    /// Purposes that he never declared in the days before.
    pub new_purposes: Vec<Arc<str>>,
    /// Refusals of late.
    pub refused: u64,
    /// Permitted accesses a day, the 28 days before and the late ones, the oldest first.
    pub daily: Vec<u64>,
    /// When the first of these days began, milliseconds since the epoch.
    pub from_ms: u64,
}

/// A caller's day.
#[derive(Default)]
struct Day {
    accesses: u64,
    night: u64,
    refused: u64,
    people: Vec<u64>,
    purposes: BTreeSet<u32>,
    organization: u32,
}

type Days = HashMap<(u32, u64), Day>;

impl Queries {
    /// The callers whose late days are the least like their own 28 days before, the most unlike first.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn unusual(&self, asking: Asking) -> Result<Vec<Unusual>, IndexError> {
        let ahead_ms = u64::from(asking.ahead_s) * 1000;
        let late_days = u64::from(asking.days.max(1));
        // The last local day is the one in which the last millisecond before `now` lies.
        let today = (asking.now_ms.saturating_sub(1) + ahead_ms) / DAY_MS;
        let late_from = (today + 1).saturating_sub(late_days);
        let from_day = late_from.saturating_sub(PAST_DAYS);
        let filter = Filter {
            from_ms: Some((from_day * DAY_MS).saturating_sub(ahead_ms)),
            until_ms: Some(asking.now_ms),
            ..Filter::default()
        };
        let (snapshot, days) = self.fold(
            &filter,
            |connection, _, unit, rows, days: &mut Days| {
                let times = unit.numbers(connection, Number::Time)?;
                let callers = unit.codes(connection, Column::Caller)?;
                let outcomes = unit.codes(connection, Column::Outcome)?;
                let purposes = unit.codes(connection, Column::Purpose)?;
                let organizations = unit.codes(connection, Column::Organization)?;
                let refused = [Outcome::Refused.number(), Outcome::Told.number()];
                unit.people(connection, rows, |row, people| {
                    let at = usize::from(row);
                    let local_ms = times.get(at).copied().unwrap_or(0) + ahead_ms;
                    let day = days.entry((callers.value(at), local_ms / DAY_MS)).or_default();
                    if refused.contains(&outcomes.value(at)) {
                        day.refused += 1;
                        return;
                    }
                    day.accesses += 1;
                    let hour = local_ms % DAY_MS / HOUR_MS;
                    day.night += u64::from(!(6..22).contains(&hour));
                    day.purposes.insert(purposes.value(at));
                    day.organization = organizations.value(at);
                    day.people.extend(people.iter().map(|person| person.hash));
                })
            },
            |days, other| {
                for (key, day) in other {
                    let sum = days.entry(key).or_default();
                    sum.accesses += day.accesses;
                    sum.night += day.night;
                    sum.refused += day.refused;
                    sum.people.extend(day.people);
                    sum.purposes.extend(day.purposes);
                    sum.organization = sum.organization.max(day.organization);
                }
            },
        )?;
        let mut callers: BTreeMap<u32, BTreeMap<u64, Day>> = BTreeMap::new();
        for ((caller, number), mut day) in days {
            day.people.sort_unstable();
            day.people.dedup();
            callers.entry(caller).or_default().insert(number, day);
        }
        let mut told: Vec<Unusual> = callers
            .into_iter()
            .filter_map(|(caller, days)| {
                let mut unusual = judge(&days, (late_from, today), ahead_ms)?;
                unusual.caller = snapshot.words.text(Kind::Caller, caller);
                let late = || days.range(late_from..).map(|(_, day)| day);
                let organization = late().map(|day| day.organization).max().unwrap_or(0);
                unusual.organization = snapshot.words.text(Kind::Organization, organization);
                let past: BTreeSet<u32> =
                    days.range(..late_from).flat_map(|(_, day)| day.purposes.iter().copied()).collect();
                let new: BTreeSet<u32> =
                    late().flat_map(|day| day.purposes.iter().copied()).filter(|one| !past.contains(one)).collect();
                if !past.is_empty() {
                    let words = new.iter().map(|one| snapshot.words.text(Kind::Purpose, *one));
                    unusual.new_purposes = words.filter(|word| !word.is_empty()).collect();
                }
                Some(unusual)
            })
            .collect();
        told.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.caller.cmp(&b.caller)));
        told.truncate(asking.limit);
        Ok(told)
    }
}

/// A caller's late days against those before; `None` where he did nothing of late.
fn judge(days: &BTreeMap<u64, Day>, (late_from, today): (u64, u64), ahead_ms: u64) -> Option<Unusual> {
    let past: Vec<&Day> = days.range(..late_from).map(|(_, day)| day).filter(|day| day.accesses > 0).collect();
    let late: Vec<(&u64, &Day)> = days.range(late_from..).collect();
    let (most_on, most) = late.iter().max_by_key(|(number, day)| (day.people.len(), **number))?;
    let sum = |part: fn(&Day) -> u64| late.iter().map(|(_, day)| part(day)).sum::<u64>();
    let people = |day: &Day| day.people.len() as u64;
    let past_people: Vec<u64> = past.iter().map(|day| people(day)).collect();
    let past_accesses: Vec<u64> = past.iter().map(|day| day.accesses).collect();
    let fullest = late.iter().map(|(_, day)| day.accesses).max().unwrap_or(0);
    let all: BTreeSet<u64> = late.iter().flat_map(|(_, day)| day.people.iter().copied()).collect();
    let score = distance(people(most), &past_people).max(distance(fullest, &past_accesses));
    Some(Unusual {
        caller: Arc::from(""),
        organization: Arc::from(""),
        score,
        accesses: sum(|day| day.accesses),
        people: all.len() as u64,
        most_people: people(most),
        most_on_ms: (**most_on * DAY_MS).saturating_sub(ahead_ms),
        usual_people: median(&past_people),
        usual_accesses: median(&past_accesses),
        active_days: past.len() as u64,
        night_percent: percent(sum(|day| day.night), sum(|day| day.accesses)),
        usual_night_percent: percent(past.iter().map(|day| day.night).sum(), past_accesses.iter().sum()),
        new_purposes: Vec::new(),
        refused: sum(|day| day.refused),
        daily: (late_from.saturating_sub(PAST_DAYS)..=today)
            .map(|number| days.get(&number).map_or(0, |day| day.accesses))
            .collect(),
        from_ms: (late_from.saturating_sub(PAST_DAYS) * DAY_MS).saturating_sub(ahead_ms),
    })
}

/// How far a number lies above the median of others, in units of their spread. Few days are little to go by: each of
/// the first five counts for a fifth.
fn distance(number: u64, others: &[u64]) -> f64 {
    let middle = median(others);
    let apart: Vec<f64> = others.iter().map(|other| (to_float(*other) - middle).abs()).collect();
    let spread = (1.4826 * median_of(apart)).max(middle / 10.0).max(1.0);
    let trust = to_float(others.len() as u64).min(5.0) / 5.0;
    ((to_float(number) - middle) / spread).max(0.0) * trust
}

fn median(numbers: &[u64]) -> f64 {
    median_of(numbers.iter().map(|number| to_float(*number)).collect())
}

fn median_of(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let at = |place: usize| numbers.get(place).copied().unwrap_or(0.0);
    match numbers.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => at(odd / 2),
        even => (at(even / 2) + at(even / 2 - 1)) / 2.0,
    }
}

/// Counts of a day are small.
fn to_float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn percent(part: u64, whole: u64) -> u64 {
    (part * 100).checked_div(whole).unwrap_or(0)
}

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// How many days a caller's past is.
const PAST_DAYS: u64 = 28;
