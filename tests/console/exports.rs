//! Is what is taken away exactly what was filtered, and is what was cut off seen to be?

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use http::Request;
use http_body_util::BodyExt as _;
use sekisho::console::Role;

use super::support::{Answer, Stand, answered, asked, console, furnished, sign_in};

/// The gate's lines, read as they stand: the slow reading.
fn lines(home: &Path) -> Vec<Value> {
    let folder = home.join("log/gate");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl" || extension == "zst"));
    files.sort();
    let text = |path: &Path| match path.extension().unwrap().to_str().unwrap() {
        "zst" => String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap(),
        _ => std::fs::read_to_string(path).unwrap(),
    };
    files
        .iter()
        .flat_map(|path| text(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect()
}

/// A body without its chunks' sizes, and whether its end came.
fn unchunked(answer: &Answer) -> (String, bool) {
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"), "{}", answer.0);
    let (mut rest, mut body) = (answer.body(), String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(part) = after.get(..size) else { break };
        body.push_str(part);
        rest = after[size..].strip_prefix("\r\n").unwrap_or_default();
    }
    (body, false)
}

#[tokio::test]
async fn an_export_holds_the_accesses_that_are_filtered_and_no_other() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("reviewer").await;
    let all = lines(&stand.home.0);
    let begins: Vec<&Value> = all.iter().filter(|line| line["kind"] == "begin").collect();
    for (query, holds) in [
        ("caller=rc-sato", (|line: &Value| line["caller"]["id"] == "rc-sato") as fn(&Value) -> bool),
        ("purpose=care", |line| line["purpose"] == "care"),
        ("caller=rc-sato&caller=nr-kudo", |line| {
            ["rc-sato", "nr-kudo"].contains(&line["caller"]["id"].as_str().unwrap_or(""))
        }),
        ("caller=rc-sato&purpose=no-such-purpose", |_| false),
    ] {
        let ids: Vec<&str> =
            begins.iter().filter(|line| holds(line)).map(|line| line["id"].as_str().unwrap()).collect();
        let expected: BTreeMap<u64, &Value> = all
            .iter()
            .filter(|line| line["id"].as_str().is_some_and(|id| ids.contains(&id)))
            .map(|line| (line["seq"].as_u64().unwrap(), line))
            .collect();
        assert!(!expected.is_empty() || query.contains("no-such"), "{query}");
        let (body, is_whole) = unchunked(&stand.get(&format!("/search/export.jsonl?days=30&{query}"), &mine).await);
        let told: BTreeMap<u64, Value> = body
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| (line["seq"].as_u64().unwrap(), line))
            .collect();
        assert!(is_whole && told.len() == body.lines().count(), "{query}");
        assert!(
            told.iter().eq(expected.iter().map(|(seq, line)| (seq, *line))),
            "{query}: {} {}",
            told.len(),
            expected.len()
        );
        let (csv, is_whole) = unchunked(&stand.get(&format!("/search/export.csv?days=30&{query}"), &mine).await);
        let ended = expected.values().filter(|line| line["kind"] == "end").count();
        assert!(is_whole && csv.lines().count() == ended + 1, "{query}: a heading, and a row for each that has ended");
    }
    stand.end().await;
}

#[tokio::test]
async fn an_export_that_a_damaged_or_shortened_log_cuts_off_is_not_closed_as_if_it_were_whole() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("reviewer").await;
    let newest = || {
        let mut files: Vec<_> =
            std::fs::read_dir(stand.home.0.join("log/gate")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        files.into_iter().max().unwrap()
    };
    assert!(unchunked(&stand.get("/search/export.csv?days=30", &mine).await).1);
    let file = newest();
    let sound = std::fs::read(&file).unwrap();
    let mut flipped = sound.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let lines: Vec<&[u8]> = sound.split_inclusive(|byte| *byte == b'\n').collect();
    let shortened = lines[..lines.len() / 2].concat();
    let torn = sound[..sound.len() / 2].to_vec();
    for (what, bytes) in [("a bit", flipped), ("lines gone from the end", shortened), ("a torn end", torn)] {
        std::fs::write(&file, bytes).unwrap();
        for kind in ["csv", "jsonl"] {
            let answer = stand.get(&format!("/search/export.{kind}?days=30"), &mine).await;
            let cut = answer.status() != 200 || !unchunked(&answer).1;
            assert!(cut, "{what}, {kind}: told as if it were whole");
        }
    }
    stand.end().await;
}

/// The segments of the gate's log that are not packed, oldest first.
fn segments(home: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(home.join("log/gate")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_file_of_a_part_that_is_in_order_is_not_given_of_a_log_that_is_not() {
    let home = Stand::new().await.end().await;
    let first = &segments(&home.0)[1];
    let text = std::fs::read_to_string(first).unwrap();
    std::fs::write(first, text.replacen("\"method\":\"GET\"", "\"method\":\"PUT\"", 1)).unwrap();
    std::fs::remove_file(home.0.join(sekisho::index::FILE)).unwrap();
    let stand = Stand::over(home).await;
    let mine = stand.sign_in("viewer").await;
    let found = stand.get("/search?days=1", &mine).await;
    assert!(found.status() == 200 && found.body().contains("<tr"), "the newest day is far behind the damage");
    for kind in ["csv", "jsonl"] {
        let answer = stand.get(&format!("/search/export.{kind}?days=1"), &mine).await;
        assert!(answer.status() == 400 && answer.body().contains("not whole"), "{}", answer.0);
    }
    stand.end().await;
}

#[tokio::test]
async fn a_file_that_lacks_a_record_that_the_index_knows_is_cut_off() {
    let home = furnished(&[("viewer", Role::Viewer, &[])]);
    let console = console(&home.0);
    assert!(console.index_once());
    let mine = asked(&console, sign_in(), "").await.1.unwrap();
    let export = || Request::get("/search/export.jsonl?days=30");
    let whole = answered(&console, export(), &mine).await;
    assert!(whole.status() == 200 && whole.into_body().collect().await.is_ok());
    // Nothing else tells that the end is gone: no checkpoint, and the index has not looked since.
    for entry in std::fs::read_dir(home.0.join("log/gate")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "checkpoints") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let newest = segments(&home.0).pop().unwrap();
    let text = std::fs::read_to_string(&newest).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    std::fs::write(&newest, lines[..lines.len() - 12].concat()).unwrap();
    let cut = answered(&console, export(), &mine).await;
    assert!(cut.status() == 200 && cut.into_body().collect().await.is_err(), "closed as if it were whole");
    console.stop();
}
