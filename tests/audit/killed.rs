//! A process is killed while it writes under load; on the real disk, every record that it was told of is there.
//!
//! This binary runs itself again as the victim: the test named [`VICTIM`] does nothing unless [`WHERE`] is set.

use super::support::*;
use sekisho::audit::{Log, Options};
use sekisho::store::Directory;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

const VICTIM: &str = "audit::killed::victim";
const WHERE: &str = "SEKISHO_TEST_KILLED_DIRECTORY";

fn log(path: &Path) -> (Log, sekisho::audit::Recovery) {
    let options = Options {
        node: "gate-1".into(),
        segment_bytes: 1 << 16,
        disk_bytes_max: 1 << 30,
        reserve_bytes: 1 << 16,
        ..Options::default()
    };
    Log::open(Arc::new(Directory::open(path).unwrap()), options, Arc::new(Hand::new())).unwrap()
}

/// Writes on sixteen threads and tells, on standard output, what was acknowledged; until killed.
#[test]
fn victim() {
    let Some(path) = std::env::var_os(WHERE).map(PathBuf::from) else { return };
    let (log, _) = log(&path);
    let first = log.tick_number();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let log = &log;
            scope.spawn(move || {
                for turn in 0.. {
                    let id = format!("k{first}-{thread}-{turn}");
                    let ticket = log.begin(&begin(&id)).wait().unwrap();
                    told("begun", &id);
                    ticket.end(&completed()).wait().unwrap();
                    told("ended", &id);
                }
            });
        }
    });
}

/// One write for one line: a line is told whole or not at all.
fn told(what: &str, id: &str) {
    std::io::stdout().lock().write_all(format!("@{what} {id}\n").as_bytes()).unwrap();
}

trait Numbered {
    fn tick_number(&self) -> u64;
}
impl Numbered for Log {
    /// A number that no earlier victim in this directory had.
    fn tick_number(&self) -> u64 {
        let record = sekisho::audit::Administrative { action: "start", ..Default::default() };
        self.administrative(&record).wait().unwrap()
    }
}

#[test]
fn every_acknowledged_record_outlives_ten_kills() {
    let path = std::env::temp_dir().join(format!("sekisho-killed-{}", std::process::id()));
    let _none_yet = std::fs::remove_dir_all(&path);
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    for round in 1..=10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([VICTIM, "--exact", "--nocapture", "--test-threads=1"])
            .env(WHERE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        // Killed at another point each time, by what it said and not by a clock.
        while heard < 100 * round {
            heard += usize::from(hear(&lines.next().unwrap().unwrap(), &mut begun, &mut ended));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died and nobody had read yet.
        lines.map_while(Result::ok).for_each(|line| {
            hear(&line, &mut begun, &mut ended);
        });
    }
    let (log, recovery) = log(&path);
    assert!(recovery.last_sequence > 0);
    log.close();
    let disk = Directory::open_to_read(&path).unwrap();
    let report = intact(&disk);
    assert_eq!(report.open, 0);
    let mut outcomes = std::collections::HashMap::<String, Vec<String>>::new();
    for record in records(&disk).iter().filter(|record| record["kind"] == "end") {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        outcomes.entry(text("id")).or_default().push(text("outcome"));
    }
    assert!(begun.len() > 1000 && ended.len() > 1000);
    assert!(begun.iter().all(|id| outcomes.get(id).is_some_and(|all| all.len() == 1)));
    assert!(ended.iter().all(|id| outcomes.get(id).is_some_and(|all| all == &["completed"])));
    std::fs::remove_dir_all(&path).unwrap();
}

fn hear(line: &str, begun: &mut Vec<String>, ended: &mut Vec<String>) -> bool {
    // The harness may print before it on the same line.
    let Some((_, said)) = line.split_once('@') else { return false };
    match said.split_once(' ') {
        Some(("begun", id)) => begun.push(id.to_owned()),
        Some(("ended", id)) => ended.push(id.to_owned()),
        _ => return false,
    }
    true
}
