//! `sekisho review`, as a person runs it, over a folder that a gate has filled.

use std::process::{Command, Output, Stdio};

use sekisho::demo::Folder;
use sekisho::demo::fill::{Fill, fill};
use sekisho::demo::sample::Org;
use serde_json::Value;

use super::support::{Data, files_under};

/// A week of the clinic's gate, with one access that is to be reviewed.
fn filled() -> Data {
    let data = Data::new();
    std::fs::remove_dir_all(&data.path).unwrap();
    let folder = Folder::named(&data.path).unwrap();
    fill(&Fill { orgs: vec![Org::Sakura], days: 7, one_in: 60 }, &folder, &|_, _| ()).unwrap();
    data
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn command(data: &Data, user: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    let config = data.path.join("sakura/sekisho.toml");
    command.args(arguments).arg("--config").arg(config).env("USER", user).env_remove("SUDO_USER").env_remove("LOGNAME");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ran(output: Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    for line in ran.out.lines().chain(ran.err.lines()).filter(|line| !line.contains('"')) {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
    ran
}

fn review(data: &Data, user: &str, arguments: &[&str]) -> Ran {
    let arguments: Vec<&str> = ["review"].iter().chain(arguments).copied().collect();
    ran(command(data, user, &arguments).output().unwrap())
}

/// A line that was broken, on one line.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list(data: &Data, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = ["list", "--json"].iter().chain(arguments).copied().collect();
    let told = review(data, "po-mori", &arguments);
    assert_eq!(told.code, Some(0), "{}", told.err);
    serde_json::from_str(&told.out).unwrap()
}

#[test]
fn an_access_is_listed_accepted_objected_to_and_all_of_it_is_on_record() {
    let data = filled();
    let told = list(&data, &[]);
    let item = told["items"][0].clone();
    assert_eq!(told["open"].as_u64(), Some(told["items"].as_array().unwrap().len() as u64), "{told}");
    assert_eq!((item["basis"].as_str(), item["state"].as_str()), (Some("vital-interest"), Some("open")), "{item}");
    let (seq, caller) = (item["record"].to_string(), item["caller"].as_str().unwrap());
    let shown = review(&data, "po-mori", &["list"]);
    assert!(shown.out.contains(&format!("gate/{seq} {}", item["time"].as_str().unwrap())), "{}", shown.out);
    assert!(shown.out.contains(caller) && shown.out.contains("1 open"), "{}", shown.out);
    // His own, under the name by which the system knows him.
    let own = review(&data, &caller.to_uppercase(), &["accept", &seq, "--remark", "fine"]);
    assert_eq!(own.code, Some(2), "{}", own.out);
    assert!(joined(&own.err).contains("somebody else must review it"), "{}", own.err);
    assert!(!data.path.join("sakura/log/review").exists());
    let canary = "canary of Hanako";
    let accepted = review(&data, "po-mori", &["accept", &format!("gate/{seq}"), "--remark", canary]);
    assert_eq!((accepted.code, accepted.err.as_str()), (Some(0), ""));
    assert!(joined(&accepted.out).starts_with(&format!("gate/{seq}: accepted by uid ")), "{}", accepted.out);
    let again = review(&data, "po-ueda", &["accept", &seq]);
    assert_eq!(again.code, Some(2));
    assert!(
        joined(&again.err).contains("(po-mori)") && joined(&again.err).contains("only an objection"),
        "{}",
        again.err
    );
    let objected = review(&data, "po-ueda", &["object", &seq, "--action", "spoken to her", "--remark", canary]);
    assert_eq!(objected.code, Some(0), "{}", objected.err);
    let told = list(&data, &["--all"]);
    assert_eq!((told["open"].as_u64(), told["objected"].as_u64()), (Some(0), Some(1)), "{told}");
    let verdict = &told["items"][0]["verdict"];
    assert_eq!(
        (verdict["action_taken"].as_str(), verdict["has_remark"].as_bool()),
        (Some("spoken to her"), Some(true))
    );
    assert!(list(&data, &["--open"])["items"].as_array().unwrap().is_empty());
    // What is sealed is opened by the command that puts it on record who asked.
    let shown = review(&data, "po-mori", &["list", "--all"]);
    assert!(shown.out.contains("done about it: spoken to her") && !shown.out.contains("canary"), "{}", shown.out);
    let record = verdict["record"].to_string();
    let asked = ["audit", "reveal", "--why", "a complaint", "--log", "review", "--record", &record];
    let revealed = ran(command(&data, "po-mori", &asked).output().unwrap());
    assert!(revealed.out.contains(&format!("reason: {canary}")), "{} {}", revealed.out, revealed.err);
    let mut files = Vec::new();
    files_under(&data.path, &mut files);
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|six| six == b"canary"), "{}", file.display());
    }
    let home = data.path.join("sakura");
    let mut verify = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    let verified = ran(verify.args(["audit", "verify"]).arg(home).output().unwrap());
    assert!(verified.code == Some(0) && verified.out.contains("log/review"), "{}", verified.out);
}

#[test]
fn of_several_processes_that_accept_at_once_one_did() {
    let data = filled();
    let seq = list(&data, &[])["items"][0]["record"].to_string();
    let start = |who: &str| command(&data, who, &["review", "accept", &seq]).spawn().unwrap();
    let children: Vec<_> = ["po-1", "po-2", "po-3", "po-4"].into_iter().map(start).collect();
    let told: Vec<Ran> = children.into_iter().map(|child| ran(child.wait_with_output().unwrap())).collect();
    let codes: Vec<Option<i32>> = told.iter().map(|one| one.code).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    for one in told.iter().filter(|one| one.code != Some(0)) {
        assert!(one.code == Some(2) && joined(&one.err).contains("it was accepted by"), "{}", one.err);
    }
    let told = list(&data, &["--all"]);
    assert_eq!(told["accepted"].as_u64(), Some(1));
}

#[test]
fn what_cannot_be_reviewed_is_told_with_the_fix_and_exit_code_2() {
    let data = filled();
    let seq = list(&data, &[])["items"][0]["record"].to_string();
    let cases: [(&[&str], &str); 6] = [
        (&["accept", "999999"], "is not there, or is no access"),
        (&["accept", "1"], "`sekisho review list --all`"),
        (&["accept", "nobody/1"], "is not there"),
        (&["accept", "x"], "`gate/183`"),
        (&["object", &seq, "--action", " "], "must say what is done about it"),
        (&["object", &seq], "--action"),
    ];
    for (arguments, said) in cases {
        let told = review(&data, "po-mori", arguments);
        assert_eq!(told.code, Some(2), "{arguments:?} {}", told.out);
        assert!(joined(&told.err).contains(said), "{arguments:?} {}", told.err);
    }
    assert!(!data.path.join("sakura/log/review").exists());
    let together = review(&data, "po-mori", &["list", "--all", "--overdue"]);
    assert!(together.code == Some(2) && together.err.contains("cannot be used with"), "{}", together.err);
}

#[test]
fn a_journal_or_a_log_that_is_not_in_order_is_told() {
    let data = filled();
    let seq = list(&data, &[])["items"][0]["record"].to_string();
    let object = review(&data, "po-mori", &["object", &seq, "--action", "reported"]);
    assert_eq!(object.code, Some(0), "{}", object.err);
    let change = |log: &str, from: &str, to: &str| {
        let file = data.path.join("sakura/log").join(log).join("audit-00000000000000000001.jsonl");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(file, text.replacen(from, to, 1)).unwrap();
    };
    change("review", "reported", "thanked!");
    let told = review(&data, "po-kubo", &["list"]);
    assert_eq!(told.code, Some(2), "{}", told.out);
    let said = joined(&told.err);
    assert!(
        said.contains("is not in order, and nothing in it counts") && said.contains("sekisho audit verify"),
        "{said}"
    );
    change("review", "thanked!", "reported");
    // The index read the other journal meanwhile: that it is gone again is told until somebody has looked into it.
    let again = review(&data, "po-kubo", &["list"]);
    assert_eq!(again.code, Some(1), "{} {}", again.out, again.err);
    assert!(again.out.contains("log review: RECORDS ARE MISSING"), "{}", again.out);
    std::fs::remove_file(data.path.join("sakura/index.sqlite")).unwrap();
    assert_eq!(review(&data, "po-kubo", &["list"]).code, Some(0));
    std::fs::remove_file(data.path.join("sakura/index.sqlite")).unwrap();
    let line = |text: &str| text.lines().nth(1).unwrap().to_owned();
    let file = std::fs::read_dir(data.path.join("sakura/log/gate")).unwrap().map(|entry| entry.unwrap().path());
    let file = file.filter(|path| path.extension().is_some_and(|suffix| suffix == "jsonl")).min().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let damaged = line(&text).replacen("\"v\":1", "\"v\":2", 1);
    std::fs::write(&file, text.replacen(&line(&text), &damaged, 1)).unwrap();
    let told = review(&data, "po-kubo", &["list", "--all"]);
    assert_eq!(told.code, Some(1), "{} {}", told.out, told.err);
    assert!(told.out.contains("log gate: NOT IN ORDER from record"), "{}", told.out);
    assert!(joined(&told.out).contains("cannot be reviewed"), "{}", told.out);
}
