//! A record that is not what the index read is told from one that is; a log that is not the one it read, too.

use super::support::*;
use sekisho::index::{Held, Limit, Queries};
use sekisho::store::Disk as _;
use sekisho::store::simulated::Simulated;
use sha2::{Digest, Sha256};

const ALL: Limit = Limit { records: u64::MAX, until: None };

/// The segments' names and lines.
fn lines(disk: &Simulated) -> Vec<(String, Vec<String>)> {
    let names = sekisho::audit::segments(disk).unwrap().into_iter().map(|entry| entry.name);
    let text = |name: &str| String::from_utf8(disk.contents(name)).unwrap();
    names.map(|name| (name.clone(), text(&name).lines().map(str::to_owned).collect())).collect()
}

fn write(disk: &Simulated, segments: &[(String, Vec<String>)]) {
    for (name, lines) in segments {
        disk.tamper(name, lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().as_bytes());
    }
}

fn prev_of(line: &mut String, hash: &str) {
    let at = line.rfind("\"prev\":\"").unwrap() + 8;
    line.replace_range(at..at + 64, hash);
}

fn hash(line: &str) -> String {
    Sha256::digest(line.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One record says another node; so many behind it fit it again. The number that it has.
fn forge(sound: &[(String, Vec<String>)], at: usize, chained: usize) -> Vec<(String, Vec<String>)> {
    let mut forged = sound.to_vec();
    let mut flat: Vec<&mut String> = forged.iter_mut().flat_map(|(_, lines)| lines.iter_mut()).collect();
    *flat[at] = flat[at].replace("\"gate-1\"", "\"gate-7\"");
    for next in at + 1..flat.len().min(at + 1 + chained) {
        let known = hash(flat[next - 1]);
        prev_of(flat[next], &known);
    }
    forged
}

#[test]
fn an_altered_record_is_never_as_it_was_read_however_many_behind_it_fit() {
    let disk = log(61, 700);
    let file = File::new("held");
    let queries = file.built(&one(&disk));
    let sound = lines(&disk);
    let count = sound.iter().map(|(_, lines)| lines.len()).sum::<usize>();
    assert!(count > 600, "anchors lie 256 apart: {count}");
    let all: Vec<u64> = (1..=count as u64).collect();
    assert_eq!(queries.held("gate", &all).unwrap(), Held::AsRead);
    for seq in all.iter().step_by(5) {
        assert_eq!(queries.held("gate", &[*seq]).unwrap(), Held::AsRead, "{seq}");
    }
    let mut chance = Chance(61);
    for _ in 0..40 {
        let at = chance.below(count as u64) as usize;
        let chained = [0, 1, 5, usize::MAX >> 1][chance.below(4) as usize];
        write(&disk, &forge(&sound, at, chained));
        let (own, seq) = (queries.held("gate", &[at as u64 + 1]).unwrap(), at as u64 + 1);
        let is_last = at + 1 == count;
        assert_ne!(own, Held::AsRead, "{seq} of {count}, {chained} behind it fit");
        assert!(own == Held::Altered || (chained > 0 && !is_last), "{seq} of {count}, {chained} behind it fit");
        if at > 0 {
            assert_ne!(queries.held("gate", &[seq - 1]).unwrap(), Held::Altered, "the one before {seq} is not it");
        }
        if chained == 0 && !is_last {
            assert_eq!(queries.held("gate", &[seq + 1]).unwrap(), Held::AsRead, "nor the one behind {seq}");
        }
    }
    for _ in 0..60 {
        let at = chance.below(count as u64) as usize;
        write(&disk, &forge(&sound, at, [0, 1, 300][chance.below(3) as usize]));
        let some: Vec<u64> = (0..6).map(|_| 1 + chance.below(count as u64)).collect();
        let each = some.iter().map(|seq| queries.held("gate", &[*seq]).unwrap()).max().unwrap();
        assert_eq!(queries.held("gate", &some).unwrap(), each, "{some:?}, altered: {}", at + 1);
    }
    write(&disk, &sound);
    assert_eq!(queries.held("gate", &[7]).unwrap(), Held::AsRead);
    assert_eq!(queries.held("gate", &[count as u64 + 1]).unwrap(), Held::Unclear, "nothing that was read");
    assert_eq!(queries.held("nothing", &[1]).unwrap(), Held::Unclear);
}

/// What the index says is lost of the only log.
fn lost(queries: &Queries) -> String {
    queries.integrity().unwrap().remove(0).lost
}

#[test]
fn what_an_index_read_and_is_there_no_more_is_said_until_it_is_there_again() {
    let disk = log(62, 300);
    let file = File::new("lost");
    let queries = file.built(&one(&disk));
    assert_eq!(lost(&queries), "");
    let sound = lines(&disk);
    let held: usize = sound.iter().map(|(_, lines)| lines.len()).sum();
    let mut shorter = sound.clone();
    let last = &mut shorter.last_mut().unwrap().1;
    assert!(last.len() > 3, "{}", last.len());
    last.truncate(last.len() - 2);
    write(&disk, &shorter);
    let mut index = file.open(&one(&disk));
    index.catch_up(ALL).unwrap();
    let said = lost(&queries);
    assert!(said.contains(&format!("held {held} records")), "{said}");
    let behind: usize = said.split("behind record ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((1..=held - 2).contains(&behind) && behind + 256 > held - 2, "{said}");
    assert_eq!(queries.integrity().unwrap()[0].last as usize, held - 2);
    // Without its checkpoints nothing else knows; it grows again, and is read on.
    for entry in disk.list().unwrap().iter().filter(|entry| entry.name.ends_with(".checkpoints")) {
        disk.remove(&entry.name);
    }
    let mut writer = Writer::on(&disk, 63, NOW_MS + 4_000_000_000);
    writer.go(60);
    writer.close();
    index.catch_up(ALL).unwrap();
    assert_eq!(lost(&queries), said);
    // Everything goes. What came in place of what is lost is no loss of its own.
    for (name, _) in lines(&disk) {
        disk.remove(&name);
    }
    index.catch_up(ALL).unwrap();
    assert_eq!(lost(&queries), said);
    // From a copy that was kept.
    write(&disk, &sound);
    index.catch_up(ALL).unwrap();
    assert_eq!(lost(&queries), "", "all of it is there again");
    for (name, _) in lines(&disk) {
        disk.remove(&name);
    }
    index.catch_up(ALL).unwrap();
    index.catch_up(ALL).unwrap();
    assert!(lost(&queries).contains("behind record 0 some are gone"), "{}", lost(&queries));
    drop((index, queries));
    std::fs::remove_file(&file.0).unwrap();
    assert!(file.built(&one(&log(64, 20))).integrity().unwrap()[0].lost.is_empty());
}

#[test]
fn what_retention_removed_is_not_lost() {
    let disk = log(65, 400);
    let file = File::new("kept");
    let queries = file.built(&one(&disk));
    let names: Vec<String> = lines(&disk).into_iter().map(|(name, _)| name).collect();
    let grown = NOW_MS + 4_000_000_000;
    let mut writer = Writer::on(&disk, 66, grown);
    writer.go(300);
    writer.close();
    // Also the segment in which the index stopped.
    for name in &names {
        disk.remove(name);
    }
    file.open(&one(&disk)).catch_up(ALL).unwrap();
    assert_eq!(lost(&queries), "");
    assert!(queries.integrity().unwrap()[0].last > 400);
}
