//! Is a log that is not what was written shown for what it is, on every page that shows some of it?

use std::path::{Path, PathBuf};
use std::time::Duration;

use sekisho::index::{FILE, Logs, Queries};
use sha2::{Digest, Sha256};

use super::support::{Answer, Home, Stand};

fn segments(home: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(home.join("log/gate")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect();
    files.sort();
    files
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn write(file: &Path, lines: &[String]) {
    std::fs::write(file, lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>()).unwrap();
}

fn number(line: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()
}

/// Another method in one line, of as many letters; where asked, all lines behind it fit it again.
fn forge(file: &Path, at: usize, chained: bool) {
    let mut lines = lines(file);
    let other = lines[at].replacen("\"method\":\"GET\"", "\"method\":\"PUT\"", 1);
    assert_ne!(other, lines[at]);
    lines[at] = other;
    for next in at + 1..lines.len() {
        if !chained {
            break;
        }
        let hash: String = Sha256::digest(lines[next - 1].as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        let own = lines[next].rfind("\"prev\":\"").unwrap() + 8;
        lines[next].replace_range(own..own + 64, &hash);
    }
    write(file, &lines);
}

/// The place in the newest segment of an access that has ended, from the middle on.
fn access(lines: &[String]) -> usize {
    (lines.len() / 2..).find(|at| lines[*at].contains("\"kind\":\"begin\"") && lines[*at].contains("\"GET\"")).unwrap()
}

const SINCE: &str = "altered since";
const WHOLE_NO_MORE: &str = "not the one that was read before";

/// Waits until a page says so.
async fn until(stand: &Stand, path: &str, cookie: &str, says: impl Fn(&Answer) -> bool) -> Answer {
    for _ in 0..400 {
        let answer = stand.get(path, cookie).await;
        if says(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{path} does not say so: {}", stand.get(path, cookie).await.0);
}

async fn verify(stand: &Stand, cookie: &str) {
    let token = stand.token(cookie).await;
    let answer = stand.post("/integrity/verify", cookie, &format!("token={token}&log=gate")).await;
    assert_eq!(answer.status(), 303);
}

#[tokio::test]
async fn a_record_that_was_altered_after_it_was_indexed_is_shown_with_a_warning() {
    for chained in [false, true] {
        let stand = Stand::new().await;
        let mine = stand.sign_in("viewer").await;
        let file = segments(&stand.home.0).pop().unwrap();
        let sound = lines(&file);
        let at = access(&sound);
        let path = |at: usize| format!("/record/gate/{}", number(&sound[at]));
        let pages = ["", "/proof", "/today"].map(|page| format!("{}{page}", path(at)));
        for page in &pages {
            assert!(!stand.get(page, &mine).await.body().contains(SINCE), "{page}: it is sound");
        }
        forge(&file, at, chained);
        if chained {
            // The index sees that its last record is another, and reads all of it again.
            until(&stand, "/integrity", &mine, |page| page.body().contains("Records are missing")).await;
        }
        for page in &pages {
            let body = stand.get(page, &mine).await.0;
            assert!(body.contains(SINCE) || (chained && body.contains(WHOLE_NO_MORE)), "{page}, chained: {chained}");
        }
        let before = (0..at).rev().find(|at| sound[*at].contains("\"kind\":\"begin\"")).unwrap();
        let body = stand.get(&path(before), &mine).await.0;
        assert!(!body.contains(SINCE), "the one before is not the altered one");
        stand.end().await;
    }
}

#[tokio::test]
async fn an_altered_access_is_shown_with_a_warning_to_who_would_review_it_and_cannot_be_reviewed() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("privacy-officer").await;
    let page = stand.get("/reviews?list=all", &mine).await;
    let (_, rest) = page.body().split_once("href=\"/reviews/gate/").unwrap();
    let seq: u64 = rest.split('"').next().unwrap().parse().unwrap();
    let path = format!("/reviews/gate/{seq}");
    assert!(!stand.get(&path, &mine).await.body().contains(SINCE));
    let holds = |file: &PathBuf| lines(file).iter().position(|line| number(line) == seq);
    let (file, at) = segments(&stand.home.0).iter().find_map(|file| Some((file.clone(), holds(file)?))).unwrap();
    forge(&file, at, false);
    assert!(stand.get(&path, &mine).await.body().contains(SINCE));
    let token = stand.token(&mine).await;
    let verdict = stand.post(&format!("{path}/accept"), &mine, &format!("token={token}&remark=fine")).await;
    assert_eq!(verdict.status(), 400, "{}", verdict.0);
    stand.end().await;
}

#[tokio::test]
async fn a_log_that_was_found_bad_is_bad_on_every_page_and_after_a_restart_until_it_is_found_good() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("viewer").await;
    let file = segments(&stand.home.0).pop().unwrap();
    let sound = std::fs::read(&file).unwrap();
    let at = access(&lines(&file));
    let path = format!("/record/gate/{}", number(&lines(&file)[access(&lines(&file)) + 40]));
    verify(&stand, &mine).await;
    until(&stand, "/integrity", &mine, |page| page.body().contains("checkpoints agree")).await;
    let record = stand.readings().into_iter().rfind(|record| record["action"] == "verified").unwrap();
    assert_eq!((&record["asked"], &record["by"]["id"]), (&"gate: good".into(), &"viewer".into()));

    forge(&file, at, false);
    verify(&stand, &mine).await;
    until(&stand, "/integrity", &mine, |page| page.body().contains("BAD")).await;
    let home = stand.end().await;
    let bad: Vec<_> =
        super::support::readings(&home.0).into_iter().filter(|record| record["action"] == "verified").collect();
    assert!(bad.len() == 2 && bad[1]["asked"].as_str().unwrap().starts_with("gate: BAD"), "{bad:?}");

    let stand = Stand::over(home).await;
    let mine = stand.sign_in("viewer").await;
    for page in ["/", "/integrity"] {
        assert!(stand.get(page, &mine).await.body().contains("NOT whole"), "{page}");
    }
    assert!(stand.get(&path, &mine).await.body().contains("found it BAD"));
    let export = stand.get("/search/export.csv?days=30", &mine).await;
    assert!(export.status() == 400 && export.body().contains("not whole"), "{}", export.0);

    // One that cannot read it found nothing good.
    std::fs::rename(&file, file.with_extension("aside")).unwrap();
    let packed = file.with_extension("jsonl.zst");
    std::fs::write(&packed, "nothing that can be unpacked").unwrap();
    verify(&stand, &mine).await;
    until(&stand, "/integrity", &mine, |page| page.body().contains("could not be read")).await;
    assert!(stand.get("/", &mine).await.body().contains("NOT whole"));
    std::fs::remove_file(packed).unwrap();

    std::fs::write(&file, sound).unwrap();
    verify(&stand, &mine).await;
    until(&stand, "/integrity", &mine, |page| page.body().contains("checkpoints agree")).await;
    for page in ["/integrity", "/", &path] {
        let answer = stand.get(page, &mine).await;
        assert!(!answer.body().contains("NOT whole") && !answer.body().contains("BAD"), "{page}: {}", answer.body());
    }
    stand.end().await;
}

/// The last records go, as does the index where asked; the console is begun again.
async fn shortened(forgets: &[&str]) -> (Stand, String) {
    let home = Stand::new().await.end().await;
    let file = segments(&home.0).pop().unwrap();
    let mut left = lines(&file);
    left.truncate(left.len() - 8);
    write(&file, &left);
    for name in forgets {
        for entry in std::fs::read_dir(home.0.join("log/gate")).unwrap().chain(std::fs::read_dir(&home.0).unwrap()) {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().contains(name) {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    let stand = Stand::over(home).await;
    let mine = stand.sign_in("viewer").await;
    (stand, mine)
}

#[tokio::test]
async fn a_log_whose_end_is_lost_is_not_taken_for_whole() {
    // By the checkpoint beside it, by the index that read it before, or by both.
    for forgets in [&[FILE][..], &[".checkpoints"], &[]] {
        let (stand, mine) = shortened(forgets).await;
        let says = |page: &Answer| page.body().contains("NOT whole");
        until(&stand, "/integrity", &mine, says).await;
        assert!(says(&stand.get("/", &mine).await), "{forgets:?}");
        for kind in ["csv", "jsonl"] {
            let export = stand.get(&format!("/search/export.{kind}?days=30"), &mine).await;
            assert_eq!(export.status(), 400, "{forgets:?}: {}", export.0);
        }
        let home: Home = stand.end().await;
        let logs = Logs::Folder(home.0.join("log"));
        let told = Queries::open(&home.0.join(FILE), logs).unwrap().integrity().unwrap();
        let gate = told.into_iter().find(|log| log.log == "gate").unwrap();
        assert_eq!(gate.lost.is_empty(), forgets == [FILE], "{forgets:?}: {}", gate.lost);
    }
}

#[tokio::test]
async fn a_file_is_not_given_to_who_cannot_tell_that_it_was_cut_off() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("viewer").await;
    for kind in ["csv", "jsonl"] {
        let old = format!("GET /search/export.{kind} HTTP/1.0\r\nHost: localhost\r\nCookie: {mine}\r\n\r\n");
        let answer = stand.raw(old.as_bytes()).await;
        assert!(answer.status() == 400 && answer.body().contains("HTTP/1.1"), "{}", answer.0);
    }
    assert!(stand.readings().iter().all(|record| record["action"] != "export"));
    stand.end().await;
}

#[tokio::test]
async fn what_the_console_keeps_is_its_owners_and_put_aside_where_it_cannot_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let stand = Stand::new().await;
    let mode = |home: &Path, name: &str| {
        std::fs::metadata(home.join(name)).map(|data| data.permissions().mode() & 0o777).unwrap_or(0o600)
    };
    let names = ["console.sqlite", "console.sqlite-wal", "console.sqlite-shm", FILE];
    names.iter().for_each(|name| assert_eq!(mode(&stand.home.0, name), 0o600, "{name}"));
    let home = stand.end().await;
    std::fs::write(home.0.join("console.sqlite"), "this is no database, and never was one: so many bytes").unwrap();
    std::fs::set_permissions(home.0.join("console.sqlite"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let stand = Stand::over(home).await;
    let mine = stand.sign_in("viewer").await;
    assert_eq!(stand.get("/", &mine).await.status(), 200);
    names.iter().for_each(|name| assert_eq!(mode(&stand.home.0, name), 0o600, "{name}"));
    assert!(stand.home.0.join("console.sqlite.unreadable").exists());
    stand.end().await;
}
