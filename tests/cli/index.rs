//! `sekisho audit index` over data folders as they are.

use super::support::sekisho;
use sekisho::audit::{Begin, Decision, End, Log, Options, Outcome};
use sekisho::store::Directory;
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("sekisho-cli-index-{name}-{}", std::process::id()));
        let _none_yet = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// So many accesses more in one of the logs, and a record behind them by which they are known to be durable.
    fn write(&self, log: &str, accesses: u64, from: u64) {
        let disk = Arc::new(Directory::open(&self.0.join("log").join(log)).unwrap());
        let (log, _) = Log::open(disk, Options::default(), Arc::new(|| 1_795_338_000_000)).unwrap();
        for turn in 0..accesses {
            let id = format!("r-{}", from + turn);
            let decision = Decision { id: &id, method: "GET", action: "read", mode: "enforce", ..Decision::default() };
            let ticket = log.begin(&Begin { decision, decision_us: None }).wait().unwrap();
            ticket.end(&End { outcome: Outcome::Completed, ..End::default() }).wait().unwrap();
        }
        log.close();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn change(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn it_is_made_then_read_on_then_made_again() {
    let folder = Folder::new("made");
    folder.write("gate", 20, 0);
    folder.write("reveal", 3, 100);
    let made = sekisho(&["audit", "index", "--json", folder.text()]);
    assert_eq!(made.code, 0, "{}", made.err);
    let told = made.json();
    // One for the segment, two an access; the last of each log waits for the next to be known as durable.
    assert_eq!((told["records"].as_u64(), told["read"].as_u64()), (Some(40 + 6), Some(40 + 6)), "{told}");
    assert_eq!(told["logs"].as_array().unwrap().len(), 2);
    folder.write("gate", 5, 200);
    let more = sekisho(&["audit", "index", "--json", folder.text()]).json();
    assert_eq!((more["records"].as_u64(), more["read"].as_u64()), (Some(50 + 6), Some(10)), "{more}");
    let again = sekisho(&["audit", "index", "--rebuild", "--json", folder.text()]).json();
    assert_eq!((again["records"].as_u64(), again["read"].as_u64()), (Some(56), Some(56)));
    let told = sekisho(&["audit", "index", folder.text()]);
    assert_eq!(told.code, 0);
    assert!(told.out.contains("index.sqlite: 56 records") && told.out.contains("0 records read"), "{}", told.out);
    assert!(told.err.is_empty(), "a bar is for a terminal: {}", told.err);
}

#[test]
fn a_damaged_log_is_told_with_exit_code_1() {
    let folder = Folder::new("damaged");
    folder.write("gate", 20, 0);
    change(&folder.0.join("log/gate/audit-00000000000000000001.jsonl"), r#""id":"r-7""#, r#""id":"r-8""#);
    let told = sekisho(&["audit", "index", folder.text()]);
    assert_eq!(told.code, 1, "{}", told.out);
    assert!(told.out.contains("NOT IN ORDER from record"), "{}", told.out);
    let told = sekisho(&["audit", "index", "--json", folder.text()]);
    assert_eq!((told.code, told.json()["intact"].as_bool()), (1, Some(false)));
}

#[test]
fn where_there_is_no_log_it_says_so_and_makes_nothing() {
    let folder = Folder::new("none");
    std::fs::create_dir_all(&folder.0).unwrap();
    let told = sekisho(&["audit", "index", folder.text()]);
    assert_eq!(told.code, 2, "{}", told.out);
    // Where a line is broken depends on how long the folder's name is.
    let said = told.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("there is no log in") && said.contains("name the data folder"), "{said}");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}
