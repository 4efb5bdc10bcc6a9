//! What does the log of a gate look like after a month? Thousands of accesses, made through the real write path.
//!
//! [`fill`] opens each organisation's gate over a folder as `sekisho serve` has it, and asks it in-process what a month's
//! callers ask: their tokens are verified, the policy decides, the registry is looked at, the log is flushed and signed.
//! Only the clock is the filler's own: it ends every period at [`END_MS`], so that each run makes the same accesses at
//! the same milliseconds. Ids, keys and pseudonyms are random, as always.
//!
//! `people` says who asks day after day, `calendar` when, [`odd`] what is out of the ordinary. Organisations are filled
//! side by side, each by its own clock; within one, requests follow one another, so that no two share a moment.

mod calendar;
mod house;
pub mod odd;
mod people;

pub use calendar::{END_MS, date};
pub use people::Caller;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use self::calendar::{Day, below_minute};
use self::house::House;
use self::people::Habit;
use super::sample::{Numbers, Org};
use super::{DemoError, Folder};
use crate::audit;
use crate::store::Directory;

/// The traffic of every run is the same.
const SEED: u64 = 2026;
/// The most days that are filled.
pub const DAYS_MAX: u32 = 90;
/// In a thousand accesses so many are made without a purpose, with a wrong one, or on a route that nobody knows.
const SLIPS: [u64; 3] = [6, 6, 5];

/// What is to be filled.
#[derive(Clone, Debug)]
pub struct Fill {
    /// Which organisations.
    pub orgs: Vec<Org>,
    /// How many days before [`END_MS`], from 1 to [`DAYS_MAX`].
    pub days: u32,
    /// Of the ordinary accesses only every so-manieth is made; 1: all. The odd ones are made in any case.
    pub one_in: usize,
}

/// What became of one organisation.
#[derive(Clone, Debug)]
pub struct Filled {
    /// Which.
    pub org: Org,
    /// Requests made, those of strangers too.
    pub requests: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Records in its log.
    pub records: u64,
}

/// One access to be made.
#[derive(Clone)]
pub struct Access {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who; `None`: somebody without a token.
    pub caller: Option<Caller>,
    /// From where.
    pub from: SocketAddr,
    /// The `Purpose-Of-Use` field; none where empty.
    pub purpose: &'static str,
    /// Path and query.
    pub target: String,
}

/// Fills a folder. `told` hears now and then how many accesses were made, and how many there are; from several threads.
///
/// # Errors
/// The folder cannot be written, the system gives no random bytes, the gate answered that it cannot go on, or the log is
/// not in order afterwards.
pub fn fill(what: &Fill, folder: &Folder, told: &(dyn Fn(u64, u64) + Sync)) -> Result<Vec<Filled>, DemoError> {
    let plans: Vec<(Org, Vec<Access>)> =
        what.orgs.iter().map(|org| (*org, accesses(*org, what.days, what.one_in))).collect();
    let all = plans.iter().map(|(_, plan)| u64::try_from(plan.len()).unwrap_or(0)).sum();
    let made = AtomicU64::new(0);
    let one = |org: Org, plan: &[Access]| {
        let start_ms = calendar::days(what.days).first().map_or(END_MS, |day| day.start_ms);
        fill_one(org, plan, &folder.path().join(org.id()), start_ms, &|| {
            let made = made.fetch_add(1, Ordering::Relaxed) + 1;
            if made.is_multiple_of(100) || made == all {
                told(made, all);
            }
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = plans.iter().map(|(org, plan)| scope.spawn(|| one(*org, plan))).collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(DemoError("a thread that filled a log panicked".to_owned())))
        });
        joined.collect()
    })
}

fn fill_one(org: Org, plan: &[Access], home: &Path, start_ms: u64, made: &dyn Fn()) -> Result<Filled, DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| DemoError::because(org.id(), error))?;
    let mut house = House::open(org, home, start_ms)?;
    let (mut requests, mut refused) = (0, 0);
    for access in plan {
        let status = runtime.block_on(house.ask(access)).map_err(|error| DemoError::because(org.id(), error))?;
        requests += 1;
        refused += u64::from(!status.is_success());
        made();
    }
    house.close();
    let log = home.join("log").join("gate");
    let fault = |error| DemoError::because(log.display(), error);
    let report = audit::verify(&Directory::open_to_read(&log).map_err(fault)?).map_err(fault)?;
    if let Some(bad) = report.bad {
        return Err(DemoError::because(log.display(), bad));
    }
    Ok(Filled { org, requests, refused, records: report.records })
}

/// All accesses of an organisation in the `days` before [`END_MS`], in order, no two at the same millisecond.
pub fn accesses(org: Org, days: u32, one_in: usize) -> Vec<Access> {
    let mut ordinary = Vec::new();
    let mut odd = Vec::new();
    for day in calendar::days(days) {
        for habit in people::habits(org) {
            of_habit(org, habit, &day, &mut ordinary);
        }
        strangers(org, &day, &mut ordinary);
        of_the_odd(org, &day, &mut odd);
    }
    let mut all: Vec<Access> = ordinary.into_iter().step_by(one_in.max(1)).chain(odd).collect();
    all.sort_by_key(|access| access.at_ms);
    let mut newest = 0;
    for access in &mut all {
        access.at_ms = access.at_ms.max(newest + 1);
        newest = access.at_ms;
    }
    all
}

/// The stream of numbers of one caller and day: another number of days changes nothing in it.
fn numbers(org: Org, words: [&str; 2], day: &Day) -> Numbers {
    let [who, what] = words;
    Numbers::new(SEED, &[org.id(), who, what, &day.date.to_string()], 0)
}

fn of_habit(org: Org, habit: &Habit, day: &Day, into: &mut Vec<Access>) {
    if !habit.until.is_empty() && day.date.to_string().as_str() > habit.until {
        return;
    }
    let mut numbers = numbers(org, [habit.caller.sub, habit.purpose], day);
    let (least, most) = habit.a_day;
    let count = least + numbers.below(most - least + 1);
    let from = desk(org, &habit.caller);
    for at_ms in habit.hours.moments(day, count, &mut numbers) {
        let target = numbers.pick(habit.targets).copied().unwrap_or("/");
        let target = filled(target, habit.pool, &mut numbers);
        let mut access = Access { at_ms, caller: Some(habit.caller), from, purpose: habit.purpose, target };
        slip(org, &mut access, &mut numbers);
        into.push(access);
    }
}

/// What goes wrong in any office.
fn slip(org: Org, access: &mut Access, numbers: &mut Numbers) {
    let [missing, wrong, unknown] = SLIPS;
    match numbers.below(1000) {
        n if n < missing => access.purpose = "",
        n if n < missing + wrong => access.purpose = people::mistaken(org),
        n if n < missing + wrong + unknown => access.target = format!("/v2{}", access.target),
        _ => {}
    }
}

/// Nobody in particular: a scanner, a bookmark of somebody who has left.
fn strangers(org: Org, day: &Day, into: &mut Vec<Access>) {
    let mut numbers = numbers(org, ["", "strangers"], day);
    for _ in 0..numbers.below(5) {
        let at_ms = day.start_ms + numbers.below(1440) * 60_000 + below_minute(&mut numbers);
        let from = house::address(None, small(numbers.below(250)));
        into.push(Access { at_ms, caller: None, from, purpose: "", target: "/patients".to_owned() });
    }
}

fn of_the_odd(org: Org, day: &Day, into: &mut Vec<Access>) {
    let date = day.date.to_string();
    for odd in odd::ODD.iter().filter(|odd| odd.org == org && odd.days.contains(&date.as_str())) {
        let mut numbers = numbers(org, [odd.caller.sub, odd.name], day);
        let (least, most) = odd.a_day;
        let (begin, end) = odd.minutes;
        for _ in 0..least + numbers.below(most - least + 1) {
            let at_ms = day.start_ms + (begin + numbers.below(end - begin)) * 60_000 + below_minute(&mut numbers);
            let (caller, from) = (Some(odd.caller), desk(org, &odd.caller));
            let target = filled(odd.target, odd.pool, &mut numbers);
            into.push(Access { at_ms, caller, from, purpose: odd.purpose, target });
        }
    }
}

/// The address that a caller has, every day.
fn desk(org: Org, caller: &Caller) -> SocketAddr {
    house::address(Some(caller), small(Numbers::new(SEED, &[org.id(), caller.sub], 0).below(250)))
}

fn small(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(0) + 1
}

/// `####`: a number of the pool in four digits; `#` alone: a page from 1 to 3.
fn filled(target: &str, (from, to): (u64, u64), numbers: &mut Numbers) -> String {
    let number = from + numbers.below(to - from + 1);
    let page = 1 + number % 3;
    target.replace("####", &format!("{number:04}")).replace('#', &page.to_string())
}
