//! The index follows a log that grows, is cut at its old end, ends, or is another.

use super::same::compare;
use super::slow::read;
use super::support::*;
use sekisho::index::{Filter, Index, Limit, Logs, Queries};
use sekisho::store::Disk;

const ALL: Limit = Limit { records: u64::MAX, until: None };

fn segments(disk: &dyn Disk) -> Vec<String> {
    sekisho::audit::segments(disk).unwrap().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn steps_of_any_size_by_many_processes_end_as_one_build_does() {
    let disks = Disks::from([("gate".to_owned(), log(21, 600)), ("review".to_owned(), log(22, 150))]);
    let (file, mut chance) = (File::new("steps"), Chance(9));
    let mut index = file.open(&disks);
    let mut read_in_all = 0;
    for _ in 0..10_000 {
        // A process that ends between two steps leaves what was committed and nothing else.
        if chance.below(3) == 0 {
            index = file.open(&disks);
        }
        let progress = index.catch_up(Limit { records: 1 + chance.below(40), until: None }).unwrap();
        assert!(progress.records <= progress.total, "{progress:?}");
        read_in_all += progress.read;
        if progress.is_caught_up {
            break;
        }
    }
    assert_eq!(index.catch_up(ALL).unwrap().read, 0);
    let lines: usize = disks.values().map(|disk| count(disk)).sum();
    assert_eq!(read_in_all, lines as u64, "each line once");
    compare(&Queries::open(&file.0, given(&disks)).unwrap(), &read(&disks), &mut chance, 30);
}

fn count(disk: &dyn Disk) -> usize {
    let mut reader = sekisho::audit::Reader::new(disk);
    let mut lines = 0;
    while reader.next_line().unwrap().is_some() {
        lines += 1;
    }
    lines
}

#[test]
fn a_log_that_grows_is_followed_while_others_ask() {
    let disks = one(&log(31, 150));
    let file = File::new("grows");
    let queries = file.built(&disks);
    let mut index = file.open(&disks);
    for turn in 0..5 {
        // The next start ends what was open as interrupted, in records of its own.
        let mut writer = Writer::on(&disks["gate"], 40 + turn, NOW_MS + (turn + 1) * 400_000_000);
        writer.go(60);
        writer.close();
        index.catch_up(ALL).unwrap();
        compare(&queries, &read(&disks), &mut Chance(turn), 6);
    }
    let endings = queries.count(&Filter { outcome: vec![sekisho::index::Outcome::Interrupted], ..Filter::default() });
    assert!(endings.unwrap() > 5, "endings that came with a later start");
}

#[test]
fn what_is_not_durable_is_not_told() {
    let disks = one(&log(33, 100));
    let file = File::new("durable");
    let queries = file.built(&disks);
    let before = queries.count(&Filter::default()).unwrap();
    let name = segments(&disks["gate"]).pop().unwrap();
    let records: Vec<serde_json::Value> = {
        let text = String::from_utf8(disks["gate"].contents(&name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let last = records.last().unwrap()["seq"].as_u64().unwrap();
    let mut contents = disks["gate"].contents(&name);
    let prev = {
        use sha2::{Digest, Sha256};
        let text = String::from_utf8(contents.clone()).unwrap();
        let line = text.lines().last().unwrap().to_owned();
        Sha256::digest(line.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let line = format!(
        r#"{{"v":1,"seq":{0},"time":"2026-12-22T09:00:00.000Z","node":"gate-1","batch":{0},"kind":"begin","id":"x","prev":"{prev}"}}"#,
        last + 1
    );
    contents.extend_from_slice(line.as_bytes());
    contents.push(b'\n');
    disks["gate"].tamper(&name, &contents);
    file.open(&disks).catch_up(ALL).unwrap();
    assert_eq!(queries.count(&Filter::default()).unwrap(), before, "no flush was told of the last line yet");
}

#[test]
fn segments_that_were_removed_are_gone_from_every_answer() {
    let disks = one(&log(35, 700));
    let file = File::new("retention");
    let queries = file.built(&disks);
    let names = segments(&disks["gate"]);
    assert!(names.len() > 8, "{}", names.len());
    for name in &names[..names.len() - 3] {
        disks["gate"].remove(name);
        file.open(&disks).catch_up(ALL).unwrap();
        compare(&queries, &read(&disks), &mut Chance(1), 4);
        let oldest = sekisho::audit::first_of(&segments(&disks["gate"])[0]).unwrap();
        assert_eq!(queries.line("gate", oldest - 1).unwrap(), None);
        assert!(queries.administrative(None, 1000).unwrap().iter().all(|done| done.seq >= oldest));
    }
    let fresh = File::new("retention-fresh");
    let slow: Vec<_> = fresh.built(&disks).administrative(None, 1000).unwrap();
    assert_eq!(queries.administrative(None, 1000).unwrap(), slow);
}

#[test]
fn another_log_in_the_same_place_is_noticed_and_read_from_its_beginning() {
    let mut disks = one(&log(36, 200));
    let file = File::new("another");
    let queries = file.built(&disks);
    for (seed, steps) in [(37, 200), (38, 20), (39, 400)] {
        disks = one(&log(seed, steps));
        file.open(&disks).catch_up(ALL).unwrap();
        let queries_of_this = Queries::open(&file.0, given(&disks)).unwrap();
        compare(&queries_of_this, &read(&disks), &mut Chance(seed), 6);
        compare(&queries, &read(&disks), &mut Chance(seed), 6);
    }
}

#[test]
fn a_log_that_comes_later_is_taken_up_and_one_that_goes_is_forgotten() {
    let mut disks = one(&log(41, 150));
    let file = File::new("later");
    let queries = file.built(&disks);
    disks.insert("reveal".to_owned(), log(42, 80));
    file.open(&disks).catch_up(ALL).unwrap();
    compare(&queries, &read(&disks), &mut Chance(1), 8);
    disks.remove("gate");
    file.open(&disks).catch_up(ALL).unwrap();
    compare(&queries, &read(&disks), &mut Chance(1), 8);
}

#[test]
fn a_file_of_another_version_or_that_is_broken_is_made_anew_and_anothers_is_left_alone() {
    let disks = one(&log(43, 150));
    let file = File::new("version");
    let all = read(&disks);
    compare(&file.built(&disks), &all, &mut Chance(1), 3);
    let connection = rusqlite::Connection::open(&file.0).unwrap();
    connection.execute_batch("PRAGMA user_version = 99; DROP TABLE part; CREATE TABLE other (x)").unwrap();
    drop(connection);
    compare(&file.built(&disks), &all, &mut Chance(2), 3);
    std::fs::write(&file.0, "this is no database, and never was one: so many bytes that it can be told").unwrap();
    compare(&file.built(&disks), &all, &mut Chance(3), 3);
    std::fs::remove_file(&file.0).unwrap();
    let connection = rusqlite::Connection::open(&file.0).unwrap();
    connection.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
    drop(connection);
    let error = Index::open(&file.0, given(&disks)).err().unwrap().to_string();
    assert!(error.contains("no index of an access log"), "{error}");
    let connection = rusqlite::Connection::open(&file.0).unwrap();
    assert_eq!(connection.query_row("SELECT x FROM mine", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[test]
fn clearing_it_empties_it_for_those_who_read_and_it_is_built_again() {
    let disks = one(&log(44, 150));
    let file = File::new("clear-again");
    let queries = file.built(&disks);
    let mut index = file.open(&disks);
    index.clear().unwrap();
    assert_eq!(queries.count(&Filter::default()).unwrap(), 0);
    index.catch_up(ALL).unwrap();
    compare(&queries, &read(&disks), &mut Chance(4), 8);
}

#[test]
fn a_data_folder_on_a_real_disk_is_read_with_its_packed_segments() {
    use sekisho::store::Directory;
    let file = File::new("real");
    let folder = file.0.parent().unwrap().join("log");
    let source = log(45, 500);
    for name in ["gate", "reveal"] {
        Directory::open(&folder.join(name)).unwrap();
        for entry in source.list().unwrap() {
            std::fs::write(folder.join(name).join(&entry.name), source.contents(&entry.name)).unwrap();
        }
    }
    let mut index = Index::open_with(&file.0, Logs::Folder(folder.clone()), ROWS).unwrap();
    index.catch_up(Limit { records: 100, until: None }).unwrap();
    let oldest = segments(&source).into_iter().take(3);
    for name in oldest {
        let path = folder.join("gate").join(&name);
        let packed = zstd::encode_all(std::fs::read(&path).unwrap().as_slice(), 3).unwrap();
        std::fs::write(format!("{}.zst", path.display()), packed).unwrap();
        std::fs::remove_file(path).unwrap();
    }
    index.catch_up(ALL).unwrap();
    let disks = Disks::from([("gate".to_owned(), source.clone()), ("reveal".to_owned(), source)]);
    let queries = Queries::open(&file.0, Logs::Folder(folder)).unwrap();
    let all = read(&disks);
    compare(&queries, &all, &mut Chance(5), 8);
    let access = all.iter().rfind(|access| access.log == "gate").unwrap();
    assert!(queries.line("gate", access.seq).unwrap().is_some(), "a line of a packed segment");
}
