//! A whole gate that cannot know or cannot record: registry, log, keys and clock fail under it, a reload is bad. Nothing
//! is released, readiness says why, and what was lost comes back only where that is safe.

use std::time::Duration;

use serde_json::json;

use super::gate::{CANARY, Gate, Hand, Place, Setup, coordinator, fields, key_set, token};
use super::http::{Got, ask};
use super::process::{Process, sekisho};
use super::stage::{Stage, with};
use super::support::{Then, soon};

const WRITE: &str = r#"{"id":"d-1","phone":"1"}"#;

impl Gate {
    /// A read, a write, a list and the help are answered 503; no write reaches the backend.
    async fn releases_nothing(&self, kind: &str) {
        let writes = || self.place.stage.last().starts_with("PATCH");
        for target in ["/donors/d-1", "/donors", "/.well-known/purpose-of-use"] {
            self.get(target, &coordinator()).await.is_problem(503, kind, target);
        }
        self.send("PATCH", "/donors/d-1", &coordinator(), WRITE).await.is_problem(503, kind, "a write");
        assert!(!writes(), "a write was forwarded");
    }

    async fn releases_again(&self) {
        let got = self.read().await;
        assert_eq!(got.status, 200, "{}", got.bytes);
        assert!(got.whole && got.json()["name"]["kanji"] == "sekret-name", "{}", got.bytes);
        assert!(!got.body.contains("my_number") && !got.body.contains("new_field"), "{}", got.body);
        assert_eq!(self.ready().await.0, 200);
    }

    /// Asks again until this is the status.
    async fn comes_to(&self, status: u16, fields: &str) -> Got {
        let asked = async {
            loop {
                let got = self.get("/donors/d-1", fields).await;
                if got.status == status {
                    break got;
                }
                got.is_problem(503, "keys-pending", "meanwhile");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        soon(asked).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_gone_replaced_or_damaged_is_503_and_the_backend_untouched() {
    for loss in ["gone", "replaced", "emptied", "cut", "overwritten"] {
        let gate = Gate::new().await;
        gate.releases_again().await;
        let (file, aside) = (gate.place.path("data/registry.sqlite"), gate.place.path("data/aside"));
        let bytes = std::fs::read(&file).unwrap();
        match loss {
            "gone" => std::fs::rename(&file, &aside).unwrap(),
            "replaced" => {
                std::fs::rename(&file, &aside).unwrap();
                std::fs::copy(&aside, &file).unwrap();
            }
            "emptied" => std::fs::write(&file, "").unwrap(),
            "cut" => std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap(),
            _ => std::fs::write(&file, vec![0xA5; bytes.len()]).unwrap(),
        }
        gate.releases_nothing("registry-unreadable").await;
        gate.is_not_ready("no registry").await;
        assert_eq!(gate.place.stage.asked(), 1, "{loss}: forwarded without knowing what is on file");
        if loss == "gone" {
            std::fs::rename(&aside, &file).unwrap();
            gate.releases_again().await;
        }
        let log = gate.end().await.log();
        assert_eq!(log.refusals(), [("registry-unreadable", 503); 4], "{loss}");
        assert!(log.of("refusal").iter().all(|record| record["caller"]["id"] == "s-1"), "{loss}");
    }
}

const SMALL_LOG: &str = "[audit]\nsegment-bytes = 1048576\ndisk-bytes-max = 4194304\nreserve-bytes = 65536\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_log_past_its_budget_is_503_until_there_is_room() {
    let place = Place::new(Setup { tables: SMALL_LOG, ..Setup::default() }).await;
    let place = place.start().end().await;
    let filler = place.scratch.write("data/log/gate/audit-99999999999999999999.torn", "", 0o600);
    std::fs::File::options().write(true).open(&filler).unwrap().set_len(4 << 20).unwrap();
    let gate = place.start();
    gate.is_not_ready("no log: the log is full").await;
    gate.releases_nothing("record-failed").await;
    let books = fields(json!({"roles": ["books"]}), "coordination");
    gate.get("/donors/d-1", &books).await.is_problem(503, "record-failed", "a refusal");
    gate.get("/donors/d-1", "").await.is_problem(401, "no-credentials", "a stranger");
    std::fs::remove_file(&filler).unwrap();
    let again = async {
        while gate.ready().await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(again).await;
    gate.releases_again().await;
    let log = gate.end().await.log();
    assert_eq!(
        (log.refusals(), log.endings()),
        (vec![], vec![("completed", "", 200)]),
        "recorded though refused for room"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_is_503_for_good_and_recovered_at_the_next_start() {
    let place =
        Place::new(Setup { tables: "[log]\nformat = \"json\"\n[audit]\nsegment-bytes = 1048576", ..Setup::default() });
    let place = place.await;
    let process = Process::start(&place).await;
    let read = async || process.get("/donors/d-1", &coordinator()).await;
    assert_eq!(read().await.status, 200);
    assert_eq!(process.admin("/readyz").await.status, 200);
    let segment = std::fs::read_dir(place.path("data/log/gate")).unwrap().map(|entry| entry.unwrap());
    let segment = segment.max_by_key(|entry| entry.metadata().unwrap().len()).unwrap();
    // The next record is written in part, as on a disk that fails in the middle of it.
    process.limit_files(Some(segment.metadata().unwrap().len() + 2000));
    let got = soon(async {
        loop {
            let got = read().await;
            if got.status != 200 {
                break got;
            }
        }
    })
    .await;
    got.is_problem(503, "record-failed", "the first that cannot be recorded");
    process.limit_files(None);
    read().await.is_problem(503, "record-failed", "a failed write is final, also with room again");
    let write = ask(process.address, "PATCH", "/donors/d-1", &coordinator(), WRITE).await;
    write.is_problem(503, "record-failed", "a write");
    assert!(!place.stage.last().starts_with("PATCH"), "a write was forwarded");
    let ready = process.admin("/readyz").await;
    assert!(ready.status == 503 && ready.body.contains("no log: the log failed"), "{}", ready.bytes);
    assert!(!process.said().contains(CANARY));
    assert_eq!(process.end(), Some(0));
    let gate = place.start();
    gate.releases_again().await;
    let log = gate.end().await.log();
    assert_eq!(log.endings().last(), Some(&("completed", "", 200)));
    assert!(log.0.iter().any(|record| record["action"] == "recovery"), "recovered without a word");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_behind_the_newest_record_at_the_start_is_503_until_the_operator_accepts_it() {
    let (ahead, place) = (Hand::default(), Place::new(Setup::default()).await);
    ahead.move_to(120_000);
    let gate = place.start_by(ahead.clock());
    gate.releases_again().await;
    let place = gate.end().await;
    let gate = place.start();
    gate.is_not_ready("no log: the clock is").await;
    gate.releases_nothing("record-failed").await;
    let busy = sekisho(&gate.place, &["audit", "accept-clock"]);
    assert!(String::from_utf8(busy.stderr).unwrap().contains("stop the gate first"));
    assert_eq!(busy.status.code(), Some(2));
    gate.is_not_ready("no log: the clock is").await;
    let place = gate.end().await;
    let accepted = sekisho(&place, &["audit", "accept-clock"]);
    assert!(accepted.status.success() && accepted.stdout.starts_with(b"accepted"), "{accepted:?}");
    let again = sekisho(&place, &["audit", "accept-clock"]);
    assert!(again.status.success() && again.stdout.ends_with(b"nothing to accept\n"), "{again:?}");
    let gate = place.start();
    gate.releases_again().await;
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("completed", "", 200); 2]);
    let said: Vec<_> = log.0.iter().filter(|record| record["action"] == "clock-accepted").collect();
    assert!(
        said.len() == 1 && said[0]["by"]["id"].is_string() && said[0]["behind_ms"].as_u64() > Some(60_000),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_while_running_is_503_until_it_has_caught_up() {
    let hand = Hand::default();
    let gate = Place::new(Setup::default()).await.start_by(hand.clock());
    gate.releases_again().await;
    hand.move_to(-90_000);
    gate.is_not_ready("no log: the clock is").await;
    gate.releases_nothing("record-failed").await;
    hand.move_to(-30_000);
    gate.releases_again().await;
    let log = gate.end().await.log();
    assert_eq!(log.endings(), [("completed", "", 200); 2]);
    assert!(log.refusals().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_never_loaded_or_not_yet_fetched_are_503_and_the_backend_untouched() {
    let issuer = Stage::new().await;
    issuer.will("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", Then::Close);
    let jwks = Some(format!("{}/jwks", issuer.origin));
    let gate = Place::new(Setup { jwks, ..Setup::default() }).await.start();
    for target in ["/donors/d-1", "/donors", "/.well-known/purpose-of-use"] {
        gate.get(target, &coordinator()).await.is_problem(503, "keys-pending", target);
    }
    gate.is_not_ready(&format!("no issuer: {}", super::gate::ISSUER)).await;
    assert_eq!(gate.place.stage.asked(), 0);
    issuer.will(with("application/json", "", key_set("k").as_bytes()), Then::Close);
    gate.comes_to(200, &coordinator()).await;
    gate.releases_again().await;
    // A key that the issuer has published since: asked to come back, then known.
    let asked = gate.place.stage.asked();
    let bearer = |kid: &str| {
        let token = token(json!({"kid": kid}), json!({"roles": ["coord"]}));
        format!("Authorization: Bearer {token}\r\nPurpose-Of-Use: coordination\r\n")
    };
    gate.get("/donors/d-1", &bearer("k-2")).await.is_problem(503, "keys-pending", "a new key");
    assert_eq!(gate.place.stage.asked(), asked, "asked with a token that nobody could judge yet");
    issuer.will(with("application/json", "", key_set("k-2").as_bytes()), Then::Close);
    gate.comes_to(200, &bearer("k-2")).await;
    let asked = gate.place.stage.asked();
    gate.comes_to(401, &bearer("k-3")).await.is_problem(401, "token-invalid", "a key that nobody published");
    assert_eq!(gate.place.stage.asked(), asked);
    let log = gate.end().await.log();
    assert!(log.strangers()["keys-pending"] >= 5 && log.strangers()["key-unknown"] == 1, "{:?}", log.strangers());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_of_any_kind_changes_nothing_and_is_told_with_its_place() {
    let place = Place::new(Setup { tables: "[log]\nformat = \"json\"", ..Setup::default() }).await;
    let process = Process::start(&place).await;
    let before = process.get("/donors/d-1", &coordinator()).await;
    let bad = [
        ("jmdp/policy.toml", "[policy]\nnonsense = 1\n", "policy.toml:2"),
        ("jmdp/catalogue.toml", "surface = \"rest\"\n[[route]]\nid = 1\n", "catalogue.toml:3"),
        ("sekisho.toml", "[gate]\n", "sekisho.toml"),
        ("keys/pseudonym", "sekisho pseudonym 1\n", "keys/pseudonym"),
        ("keys/subjects", "sekisho subjects 1\nkey AAAA\n", "keys/subjects"),
        ("jwks.json", "{\"keys\":", "jwks.json"),
    ];
    for (count, (name, text, told)) in bad.into_iter().enumerate() {
        let good = std::fs::read(place.path(name)).unwrap();
        std::fs::write(place.path(name), text).unwrap();
        let ready = process.comes_to_say("note: the last reload was refused").await;
        assert!(ready.status == 200 && ready.body.contains(told), "{name}: {}", ready.body);
        let got = process.get("/donors/d-1", &coordinator()).await;
        assert_eq!((got.status, got.body.as_str()), (200, before.body.as_str()), "{name}");
        // The line is written after the status is told.
        let tells =
            |line: &str| line.contains("the reload was refused") && line.contains(told) && line.contains("ERROR");
        soon(async {
            while !process.said().lines().any(tells) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let metrics = process.admin("/metrics").await.body;
        let counted = metrics.lines().find_map(|line| line.strip_prefix("sekisho_reloads_total{outcome=\"refused\"} "));
        let counted: usize = counted.expect("a count").parse().unwrap();
        assert!(counted > count, "{name}: {counted}");
        std::fs::write(place.path(name), good).unwrap();
        process.comes_to_say("ok accepting\n").await;
        soon(async {
            while process.admin("/readyz").await.body.contains("note:") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
    assert_eq!(process.end(), Some(0));
    let log = place.log();
    assert_eq!(log.endings(), [("completed", "", 200); 7]);
    let digests: std::collections::BTreeSet<_> =
        log.of("begin").iter().map(|record| record["policy"].to_string()).collect();
    assert_eq!(digests.len(), 1, "judged by another policy meanwhile: {digests:?}");
}

const FIRST: &str = r#"
[[issuer]]
id = "https://first.example"
jwks = "first.json"
audience = ["api"]
algorithms = ["ES256"]
claims = { caller = "/sub", roles = "/roles" }
may-assert = { roles = { coord = "coordination-staff" } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_with_one_bad_key_file_takes_none_of_them() {
    let place = Place::new(Setup { tables: FIRST, ..Setup::default() }).await;
    place.scratch.write("first.json", &key_set("k"), 0o644);
    let gate = place.start();
    let known = |kid: &str| {
        let token = token(json!({"kid": kid}), json!({"iss": "https://first.example", "roles": ["coord"]}));
        format!("Authorization: Bearer {token}\r\nPurpose-Of-Use: coordination\r\n")
    };
    assert_eq!(gate.get("/donors/d-1", &known("k")).await.status, 200);
    let good = std::fs::read(gate.place.path("jwks.json")).unwrap();
    gate.place.scratch.write("jwks.json", "{", 0o644);
    gate.place.scratch.write("first.json", &key_set("k-2"), 0o644);
    assert!(gate.reloader.reload().unwrap_err().to_string().contains("jwks.json"));
    assert_eq!(gate.get("/donors/d-1", &known("k")).await.status, 200, "the old keys are gone");
    gate.get("/donors/d-1", &known("k-2")).await.is_problem(401, "token-invalid", "a key of a refused reload");
    std::fs::write(gate.place.path("jwks.json"), good).unwrap();
    gate.reloader.reload().unwrap();
    gate.get("/donors/d-1", &known("k")).await.is_problem(401, "token-invalid", "taken back");
    assert_eq!(gate.get("/donors/d-1", &known("k-2")).await.status, 200);
    gate.end().await.log();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_damaged_or_in_use_stops_the_start() {
    let gate = Gate::new().await;
    gate.releases_again().await;
    let start = |place: &Place| {
        let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle();
        sekisho::proxy::serve::Server::new(place.settings(), metrics).err().map(|error| error.to_string())
    };
    let error = start(&gate.place).unwrap_or_default();
    assert!(error.contains("another process writes to this log"), "{error}");
    gate.releases_again().await;
    let place = gate.end().await;
    let log = std::fs::read_dir(place.path("data/log/gate")).unwrap().map(|entry| entry.unwrap().path());
    let segment = log.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).max().unwrap();
    let good = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, good.replacen("\"coordination\"", "\"improvement\"", 1)).unwrap();
    let error = start(&place).unwrap_or_default();
    assert!(error.contains("the log is damaged") && error.contains("data/log/gate"), "{error}");
    std::fs::write(&segment, good).unwrap();
    assert_eq!(start(&place), None);
    assert_eq!(place.stage.asked(), 2);
}
