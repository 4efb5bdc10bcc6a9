//! A filled folder: the same in each run, with the odd ones where they are said to be, and a folder that a gate could go on with.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use sekisho::demo::Folder;
use sekisho::demo::fill::odd::{NEW_MEMBER, ODD, Odd, Shows};
use sekisho::demo::fill::{END_MS, Fill, Filled, accesses, fill};
use sekisho::demo::sample::Org;
use serde_json::{Value, json};

use super::support::{Scratch, command, sekisho};

fn filled(home: &Path, orgs: &[Org], days: u32, one_in: usize) -> Vec<Filled> {
    let folder = Folder::named(home).unwrap();
    fill(&Fill { orgs: orgs.to_vec(), days, one_in }, &folder, &|_, _| ()).unwrap()
}

/// The records of a gate's log.
fn log(home: &Path) -> Vec<Value> {
    let mut files: Vec<_> =
        std::fs::read_dir(home.join("log/gate")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let text: String = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is the same in each run: no ids, seals, hashes, durations.
fn lasting(record: &Value) -> Value {
    let names =
        ["kind", "time", "decided", "caller", "purpose", "basis", "recipient", "route", "action", "reasons", "forms"];
    names.iter().map(|name| (*name, record[*name].clone())).chain([("clauses", record["clauses"].clone())]).collect()
}

fn decisions(home: &Path) -> Vec<Value> {
    let records = log(home);
    records.iter().filter(|record| matches!(record["kind"].as_str(), Some("begin" | "refusal"))).map(lasting).collect()
}

/// Date in Tokyo, and minutes after its midnight.
fn there(record: &Value) -> (String, u64) {
    let at: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
    let at = at.to_zoned(TimeZone::get("Asia/Tokyo").unwrap());
    (at.date().to_string(), u64::try_from(at.hour()).unwrap() * 60 + u64::try_from(at.minute()).unwrap())
}

fn is_of(record: &Value, odd: &Odd) -> bool {
    let reviewed = record["obligations"].as_array().is_some_and(|all| all.contains(&json!("review")));
    let kind = match odd.shows {
        Shows::Permit => record["kind"] == "begin" && !reviewed,
        Shows::Review => record["kind"] == "begin" && reviewed,
        Shows::Refusal => record["kind"] == "refusal",
    };
    let purpose = odd.purpose.split(';').next().unwrap();
    kind && record["caller"]["id"] == odd.caller.sub && record["purpose"] == purpose
}

/// How many are to be found that day, at least and at most: of all that look the same to one who counts.
fn expected(odd: &Odd, day: &str) -> (u64, u64) {
    let alike = |other: &&Odd| {
        let what = (other.caller.sub, other.purpose, other.minutes);
        other.org == odd.org && what == (odd.caller.sub, odd.purpose, odd.minutes) && other.days.contains(&day)
    };
    ODD.iter().filter(alike).fold((0, 0), |(least, most), odd| (least + odd.a_day.0, most + odd.a_day.1))
}

#[test]
fn two_fills_make_the_same_accesses_at_the_same_times() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.path().join("1"), scratch.path().join("2"));
    let told = filled(&first, &[Org::Jsco], 2, 2);
    assert!(told[0].requests >= 40, "{told:?}");
    // Another period that ends at the same moment has the same days in it.
    filled(&second, &[Org::Jsco], 2, 2);
    let (first, second) = (decisions(&first.join("jsco")), decisions(&second.join("jsco")));
    assert!(first.len() >= 40);
    assert_eq!(first, second);
    let last: jiff::Timestamp = first.last().unwrap()["time"].as_str().unwrap().parse().unwrap();
    assert!(u64::try_from(last.as_millisecond()).unwrap() < END_MS);
}

#[test]
fn a_longer_period_has_the_shorter_one_at_its_end() {
    let tell = |days| accesses(Org::Sakura, days, 1).into_iter().map(|access| (access.at_ms, access.target));
    let (week, month): (Vec<_>, Vec<_>) = (tell(7).collect(), tell(30).collect());
    assert!(week.len() > 1000 && month.ends_with(&week));
    assert!(month.windows(2).all(|pair| pair[0].0 < pair[1].0), "two accesses at the same moment");
}

#[test]
fn a_month_has_as_much_as_an_office_does_and_every_odd_one() {
    let mut all = 0;
    for org in Org::ALL {
        let month = accesses(org, 30, 1);
        assert!((3000..=8000).contains(&month.len()), "{}: {}", org.id(), month.len());
        all += month.len();
        for odd in ODD.iter().filter(|odd| odd.org == org) {
            let mine = |caller: &str, purpose: &str| caller == odd.caller.sub && purpose == odd.purpose;
            let found = month.iter().filter(|access| access.caller.is_some_and(|who| mine(who.sub, access.purpose)));
            assert!(found.count() as u64 >= odd.a_day.0 * odd.days.len() as u64, "{}", odd.name);
        }
    }
    assert!(all <= 40_000);
}

#[test]
fn the_odd_ones_are_in_the_log_as_they_are_listed_and_it_verifies_with_its_key() {
    let scratch = Scratch::new();
    let home = scratch.path().join("filled");
    filled(&home, &[Org::Sakura, Org::Cellspect], 7, 12);
    let mut seen = 0;
    for org in [Org::Sakura, Org::Cellspect] {
        let home = home.join(org.id());
        let records = log(&home);
        for odd in ODD.iter().filter(|odd| odd.org == org) {
            for day in odd.days.iter().filter(|day| **day >= "2026-10-25") {
                let hours = odd.minutes.0..odd.minutes.1;
                let then = |record: &&Value| there(record).0 == *day && hours.contains(&there(record).1);
                let found = records.iter().filter(|record| is_of(record, odd)).filter(then).count() as u64;
                let (least, most) = expected(odd, day);
                assert!((least..=most).contains(&found), "{} {day}: {found} of {least} to {most}", odd.name);
                seen += 1;
            }
        }
        let settings = home.join("sekisho.toml");
        let key = sekisho(&scratch, &["keys", "public", "--config", settings.to_str().unwrap()]);
        let file = scratch.path().join(format!("{}.vkey", org.id()));
        std::fs::write(&file, key.stdout).unwrap();
        let key = file.to_str().unwrap();
        let verified = sekisho(&scratch, &["audit", "verify", "--key", key, home.to_str().unwrap()]);
        assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
    }
    assert!(seen >= 14, "{seen}");
    neighbour(&scratch, &home.join("sakura"));
}

/// Whoever asks who looked at the neighbour sees one caller many times.
fn neighbour(scratch: &Scratch, home: &Path) {
    let settings = home.join("sekisho.toml");
    let config = settings.to_str().unwrap();
    let asked = ["audit", "reveal", "--config", config, "--why", "a complaint", "--subject", "p-0117"];
    let told = String::from_utf8(sekisho(scratch, &asked).stdout).unwrap();
    assert!(told.matches("rc-sato").count() >= 27, "{told}");
}

#[test]
fn a_member_that_no_catalogue_names_turns_up_on_its_days_alone() {
    let scratch = Scratch::new();
    filled(scratch.path(), &[NEW_MEMBER.org], 20, 25);
    let mut days: BTreeMap<String, u64> = BTreeMap::new();
    for record in log(&scratch.path().join(NEW_MEMBER.org.id())) {
        let ended = record["kind"] == "end" && record["unclassified"].to_string().contains(NEW_MEMBER.name);
        *days.entry(there(&record).0).or_default() += u64::from(ended);
    }
    let on: Vec<&str> = days.iter().filter(|(_, count)| **count > 0).map(|(day, _)| day.as_str()).collect();
    assert_eq!(on, NEW_MEMBER.days);
    assert!(days.len() > on.len());
}

#[test]
fn a_filled_folder_is_one_that_a_gate_could_be_started_over() {
    let scratch = Scratch::new();
    let home = scratch.path().join("sekisho-filled");
    let mut demo = command(&scratch);
    let ran = demo.current_dir(scratch.path()).args(["demo", "--fill", "1d", "22cemit"]).output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(0), "{told}");
    assert!(told.contains("sekisho audit verify sekisho-filled/22cemit"), "{told}");
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    assert!(ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    let settings = home.join("22cemit/sekisho.toml");
    let checked = sekisho(&scratch, &["serve", "--check", "--config", settings.to_str().unwrap()]);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(!said.contains("warning"), "{said}");
    for name in ["pseudonym", "subjects", "audit-sign"] {
        let mode = std::fs::metadata(home.join("22cemit/keys").join(name)).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_folder_that_holds_something_is_not_filled() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("mine");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("letter"), "dear").unwrap();
    let ran = sekisho(&scratch, &["demo", "--fill", "1d", "--data", folder.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("not empty"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_number_of_days_that_is_none_is_refused_with_how_it_is_written() {
    let scratch = Scratch::new();
    // Should one be filled all the same, it is filled there.
    let demo = |arguments: &[&str]| {
        command(&scratch).current_dir(scratch.path()).arg("demo").args(arguments).output().unwrap()
    };
    let hints = [("30", "`30d`"), ("0d", "`1d`"), ("91d", "`90d`"), ("d", "`30d`"), ("-1d", "`30d`"), ("2w", "`30d`")];
    for (days, hint) in hints {
        let ran = demo(&[&format!("--fill={days}")]);
        assert_eq!(ran.status.code(), Some(2), "{days}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains(hint), "{days}");
    }
    for other in [["--tour", ""], ["--json", ""], ["--port", "1"], ["--address", "127.0.0.1"]] {
        let arguments = other.iter().filter(|word| !word.is_empty());
        let arguments: Vec<&str> = ["--fill", "1d"].into_iter().chain(arguments.copied()).collect();
        let ran = demo(&arguments);
        assert_eq!(ran.status.code(), Some(2), "{other:?}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains("cannot be used with"), "{other:?}");
    }
    assert!(scratch.is_empty());
}

#[test]
fn the_snooping_clerk_is_whoever_is_the_least_like_his_own_past() {
    use sekisho::index::{Asking, Index, Limit, Logs, Queries};
    let scratch = Scratch::new();
    filled(scratch.path(), &[Org::Sakura], 30, 1);
    let home = scratch.path().join(Org::Sakura.id());
    let (path, logs) = (home.join(sekisho::index::FILE), Logs::Folder(home.join("log")));
    let mut index = Index::open(&path, logs.clone()).unwrap();
    assert!(index.catch_up(Limit { records: u64::MAX, until: None }).unwrap().is_caught_up);
    let queries = Queries::open(&path, logs).unwrap();
    let told = queries.unusual(Asking { now_ms: END_MS, ahead_s: 32_400, days: 7, limit: 5 }).unwrap();
    let clerk = ODD.iter().find(|odd| odd.name == "snooping-clerk").unwrap();
    assert_eq!(&*told[0].caller, clerk.caller.sub, "{told:#?}");
    assert!(told[0].most_people > 50 && told[0].usual_people < 25.0, "{:#?}", told[0]);
    assert!(told[0].score > 2.0 * told[1].score, "by far: {told:#?}");
    let reviews = queries.reviews(None, 100).unwrap();
    assert!(!reviews.is_empty() && reviews.iter().all(|row| row.obligations.iter().any(|one| &**one == "review")));
}
