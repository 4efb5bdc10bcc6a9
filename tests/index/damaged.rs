//! A damaged log: what is behind the damage is told, and told to be unverified.

use super::support::*;
use sekisho::index::{Filter, Limit, Queries};
use sekisho::store::simulated::Simulated;

fn build(name: &str, disk: &Simulated) -> (File, Queries) {
    let file = File::new(name);
    let queries = file.built(&one(disk));
    (file, queries)
}

fn names(disk: &Simulated) -> Vec<String> {
    sekisho::audit::segments(disk).unwrap().into_iter().map(|entry| entry.name).collect()
}

/// All records' numbers that begin an access, from those lines that can be read.
fn begun(disk: &Simulated) -> Vec<u64> {
    let mut reader = sekisho::audit::Reader::new(disk);
    let mut found = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        let entry = sekisho::audit::Entry::read(&line.bytes).ok();
        found.extend(entry.filter(|entry| ["begin", "refusal"].contains(&&*entry.kind)).map(|entry| entry.seq));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Changes one line of a segment in the middle; tells the number of the record.
fn damage(disk: &Simulated, change: impl Fn(&str) -> Option<String>) -> u64 {
    let name = names(disk)[3].clone();
    let text = String::from_utf8(disk.contents(&name)).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let record: serde_json::Value = serde_json::from_str(&lines[6]).unwrap();
    match change(&lines[6]) {
        Some(line) => lines[6] = line,
        None => {
            lines.remove(6);
        }
    }
    disk.tamper(&name, format!("{}\n", lines.join("\n")).as_bytes());
    record["seq"].as_u64().unwrap()
}

/// Every readable access is told; those before the damage are verified, the record itself and those behind it not.
fn shows(disk: &Simulated, queries: &Queries, at: u64) {
    let rows = queries.search(&Filter::default(), None, usize::MAX >> 1).unwrap();
    let told: Vec<u64> = rows.iter().rev().map(|row| row.place.seq).collect();
    assert_eq!(told, begun(disk));
    for row in &rows {
        if row.place.seq >= at {
            assert!(!row.is_verified, "record {} behind {at}", row.place.seq);
        } else if row.place.seq + 2 < at {
            assert!(row.is_verified, "record {} before {at}", row.place.seq);
        }
    }
    let integrity = queries.integrity().unwrap().remove(0);
    assert!(!integrity.faults.is_empty());
    assert!((at..=at + 1).contains(&integrity.faults[0].seq), "{} and {at}", integrity.faults[0].seq);
    assert!(integrity.verified < at && integrity.verified + 3 > at, "{} and {at}", integrity.verified);
    assert!(integrity.faults[0].said.contains("does not follow"), "{}", integrity.faults[0].said);
    let verified: Vec<bool> = integrity.segments.iter().map(|segment| segment.is_verified).collect();
    let good = verified.iter().take_while(|is| **is).count();
    assert_eq!(good, 3, "{verified:?}");
    assert!(verified[good..].iter().all(|is| !is));
    assert_eq!(integrity.segments.len(), names(disk).len());
}

#[test]
fn a_sound_log_is_verified_to_its_end() {
    let disk = log(51, 400);
    let (_file, queries) = build("sound", &disk);
    let integrity = queries.integrity().unwrap().remove(0);
    let report = sekisho::audit::verify(&disk).unwrap();
    assert_eq!((integrity.last, integrity.verified), (report.last_sequence, report.last_sequence));
    assert_eq!(integrity.hash, report.last_hash);
    assert_eq!(integrity.newest_ms, report.newest_ms);
    assert!(integrity.faults.is_empty() && integrity.passed_over == 0);
    assert!(integrity.segments.iter().all(|segment| segment.is_verified));
    assert_eq!(integrity.segments.len() as u64, report.segments);
    assert_eq!(integrity.segments[0].first, 1);
    assert!(integrity.segments.windows(2).all(|two| two[0].last + 1 == two[1].first));
}

#[test]
fn a_changed_line_marks_itself_and_all_behind_it() {
    let disk = log(52, 500);
    let at = damage(&disk, |line| Some(line.replace("gate-1", "gate-2")));
    let (_file, queries) = build("changed", &disk);
    shows(&disk, &queries, at);
}

#[test]
fn a_line_that_is_no_record_is_passed_over_and_counted() {
    let disk = log(53, 500);
    let at = damage(&disk, |line| Some("x".repeat(line.len())));
    let (_file, queries) = build("garbage", &disk);
    shows(&disk, &queries, at);
    assert_eq!(queries.integrity().unwrap()[0].passed_over, 1);
}

#[test]
fn a_line_that_was_taken_away_shows() {
    let disk = log(54, 500);
    let at = damage(&disk, |_| None);
    let (_file, queries) = build("removed", &disk);
    shows(&disk, &queries, at);
}

#[test]
fn a_damaged_log_that_grows_is_followed_in_steps_as_at_once() {
    let disk = log(55, 500);
    let at = damage(&disk, |line| Some(line.replace("gate-1", "gate-2")));
    let file = File::new("damaged-steps");
    let mut chance = Chance(3);
    for _ in 0..2000 {
        let step = Limit { records: 1 + chance.below(9), until: None };
        if file.open(&one(&disk)).catch_up(step).unwrap().is_caught_up {
            break;
        }
    }
    let mut writer = Writer::on(&disk, 56, NOW_MS + 4_000_000_000);
    writer.go(60);
    writer.close();
    let queries = file.built(&one(&disk));
    shows(&disk, &queries, at);
    assert_eq!(file.open(&one(&disk)).catch_up(Limit { records: 9, until: None }).unwrap().read, 0);
}

#[test]
fn a_segment_taken_from_the_middle_shows() {
    let disk = log(57, 500);
    let name = names(&disk)[3].clone();
    let at = sekisho::audit::first_of(&name).unwrap();
    disk.remove(&name);
    let (_file, queries) = build("middle", &disk);
    let told: Vec<u64> = queries
        .search(&Filter::default(), None, usize::MAX >> 1)
        .unwrap()
        .iter()
        .rev()
        .map(|row| row.place.seq)
        .collect();
    assert_eq!(told, begun(&disk));
    let integrity = queries.integrity().unwrap().remove(0);
    assert_eq!(integrity.faults[0].seq, at);
    assert!(integrity.segments.iter().skip(3).all(|segment| !segment.is_verified));
}
