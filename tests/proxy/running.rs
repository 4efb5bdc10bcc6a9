//! A whole gate on free ports: refusals, health, reload, drain.

use std::path::Path;
use std::sync::Arc;

use async_compression::tokio::write::{GzipDecoder, GzipEncoder};
use metrics_exporter_prometheus::PrometheusBuilder;
use sekisho::audit::checkpoint::{Note, PublicKey};
use sekisho::audit::{Trust, verify_by};
use sekisho::proxy::check::check;
use sekisho::proxy::keys;
use sekisho::proxy::serve::Server;
use sekisho::proxy::settings::Settings;
use sekisho::proxy::sites::Sites;
use sekisho::store::Directory;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::support::{Backend, Scratch, Then, backend, key_set, minted, raw, soon};

pub(super) struct Gate {
    pub(super) scratch: Scratch,
    pub(super) address: std::net::SocketAddr,
    pub(super) admin: std::net::SocketAddr,
    pub(super) console: Option<std::net::SocketAddr>,
    reloader: Arc<sekisho::proxy::reload::Reloader>,
    sites: Arc<sekisho::proxy::sites::Sites>,
    backend: Backend,
    pub(super) stop: CancellationToken,
    pub(super) running: JoinHandle<()>,
}

pub(super) fn settings(scratch: &Scratch, upstream: &str) -> Settings {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy/jmdp");
    for name in ["policy.toml", "catalogue.toml"] {
        scratch.write(&format!("jmdp/{name}"), &std::fs::read_to_string(policy.join(name)).unwrap(), 0o644);
    }
    scratch.write("jwks.json", &key_set(), 0o644);
    let text = format!(
        r#"
[gate]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[data]
directory = "data"
keys = "keys"
[[site]]
policy = "jmdp"
upstream = "{upstream}"
[[issuer]]
id = "https://login.example"
jwks = "jwks.json"
audience = ["api"]
algorithms = ["ES256"]
claims = {{ caller = "/sub", roles = "/roles" }}
may-assert = {{ roles = {{ coord = "coordination-staff" }} }}
"#
    );
    Settings::read(&scratch.write("sekisho.toml", &text, 0o644)).unwrap()
}

/// A coordinator's token that holds for ten minutes.
pub(super) fn token() -> String {
    minted(&serde_json::json!({"sub": "s-1", "roles": ["coord"]}))
}

async fn start() -> Gate {
    start_before("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await
}

async fn start_before(answer: impl Into<Vec<u8>>) -> Gate {
    let scratch = Scratch::new();
    let backend = backend(answer, Then::Close).await;
    let settings = settings(&scratch, &backend.origin);
    start_with(scratch, backend, settings).await
}

pub(super) async fn start_with(scratch: Scratch, backend: Backend, settings: Settings) -> Gate {
    keys::init(&settings.data.keys, keys::Made { records: settings.data.has_log(), signed: false }).unwrap();
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let server = Server::new(settings, metrics).unwrap();
    let (address, admin, console) = (server.address(), server.admin_address(), server.console_address());
    let (reloader, sites) = (server.reloader(), server.sites());
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    Gate { scratch, address, admin, console, reloader, sites, backend, stop, running }
}

pub(super) async fn get(address: std::net::SocketAddr, path: &str, fields: &str) -> String {
    raw(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_and_the_backend_untouched() {
    let gate = start().await;
    let answer = get(gate.address, "/donors", "").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains("cache-control: no-store"), "{answer}");
    assert_eq!(gate.backend.count(), 0);
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_on_its_own_door_to_machines_only() {
    let gate = start().await;
    assert!(get(gate.admin, "/livez", "").await.starts_with("HTTP/1.1 200"));
    let ready = get(gate.admin, "/readyz", "").await;
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("ok log") && ready.contains("ok registry"), "{ready}");
    assert!(get(gate.admin, "/metrics", "").await.starts_with("HTTP/1.1 200"));
    assert!(get(gate.admin, "/other", "").await.starts_with("HTTP/1.1 404"));
    assert!(get(gate.admin, "/metrics", "Origin: https://evil.example\r\n").await.starts_with("HTTP/1.1 403"));
    let rebound = raw(gate.admin, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await;
    assert!(rebound.starts_with("HTTP/1.1 421"), "{rebound}");
    let written = raw(gate.admin, "POST /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(written.starts_with("HTTP/1.1 405"), "{written}");
    for path in ["/livez", "/readyz", "/metrics"] {
        assert!(!get(gate.address, path, "").await.starts_with("HTTP/1.1 200"), "{path} on the gate's door");
    }
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing_and_a_good_one_counts() {
    let gate = start().await;
    let running = |gate: &Gate| Arc::as_ptr(&gate.sites.gates[0].1.generation.load_full());
    let before = running(&gate);
    let policy = std::fs::read_to_string(gate.scratch.0.join("jmdp/policy.toml")).unwrap();
    for (name, text) in [("jmdp/policy.toml", "nonsense = 1"), ("jmdp/catalogue.toml", "["), ("sekisho.toml", "[gate]")]
    {
        let good = std::fs::read_to_string(gate.scratch.0.join(name)).unwrap();
        gate.scratch.write(name, text, 0o644);
        let error = gate.reloader.reload().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        assert_eq!(running(&gate), before, "{name}");
        assert!(get(gate.admin, "/readyz", "").await.contains("note: the last reload was refused"), "{name}");
        gate.scratch.write(name, &good, 0o644);
    }
    gate.scratch.write("jmdp/policy.toml", &policy, 0o666);
    assert!(gate.reloader.reload().is_err(), "a policy that anyone may write");
    gate.scratch.write("jmdp/policy.toml", &policy, 0o644);
    gate.reloader.reload().unwrap();
    assert_ne!(running(&gate), before);
    assert!(!get(gate.admin, "/readyz", "").await.contains("note:"));
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_counts_without_being_asked() {
    let gate = start().await;
    let running = |gate: &Gate| Arc::as_ptr(&gate.sites.gates[0].1.generation.load_full());
    let before = running(&gate);
    let policy = std::fs::read_to_string(gate.scratch.0.join("jmdp/policy.toml")).unwrap();
    let mut edit = 0;
    soon(async {
        while running(&gate) == before {
            // Edited again, for the first edit may come before the watch; paced, for a change counts after quiet.
            edit += 1;
            gate.scratch.write("jmdp/policy.toml", &format!("{policy}\n# {edit}\n"), 0o644);
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    })
    .await;
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
}

#[test]
fn a_check_finds_what_would_stop_a_start_or_leave_a_role_nobodys() {
    let scratch = Scratch::new();
    let good = settings(&scratch, "http://127.0.0.1:9");
    let found = check(&good);
    assert!(found.wrong.is_empty() && found.faults.is_empty() && !found.missing.is_empty());
    assert!(!good.data.keys.exists() && !good.data.directory.exists(), "a check makes nothing");
    let text = std::fs::read_to_string(scratch.0.join("sekisho.toml")).unwrap();
    let issuer = text.split_once("[[issuer]]").unwrap().1;
    keys::init(&good.data.keys, Default::default()).unwrap();
    let sink = "[[audit.sink]]\nname = \"siem\"\nformat = \"ocsf\"\nto = \"https://siem.example/\"\n";
    for (changed, told) in [
        (text.replace("coordination-staff", "cordination-staff"), "`coordination-staff` is near"),
        (text.replace(r#"policy = "jmdp""#, r#"policy = "jmpd""#), "jmpd/policy.toml"),
        (text.replace("[[issuer]]", "catalogue = \"fhir-r5\"\n[[issuer]]"), "fhir-r5"),
        (text.replace("jwks.json", "keys.json"), "keys.json"),
        (format!("{text}\n[[issuer]]{issuer}"), "set up twice"),
        (format!("{text}\n{sink}header-file = \"jwks.json\""), "chmod 600"),
        (format!("{text}\n{sink}header-file = \"token\""), "token is not there yet"),
    ] {
        assert_ne!(changed, text);
        let changed = Settings::read(&scratch.write("sekisho.toml", &changed, 0o644)).unwrap();
        let found = check(&changed);
        let all = [found.wrong, found.missing].concat().join("\n");
        assert!(all.contains(told), "{all}");
    }
    let text = text.replace("coordination-staff", "cordination-staff");
    let misspelt = Settings::read(&scratch.write("sekisho.toml", &text, 0o644)).unwrap();
    let error = Sites::open(&misspelt).err().unwrap().to_string();
    assert!(error.contains("`cordination-staff`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_took_its_keys_back_is_named_by_health_and_turns_nobody_else_away() {
    let gate = start().await;
    gate.scratch.write("jwks.json", r#"{"keys":[]}"#, 0o644);
    gate.reloader.reload().unwrap();
    let told = get(gate.admin, "/readyz", "").await;
    assert!(told.starts_with("HTTP/1.1 200") && told.contains("note: issuer https://login.example: "), "{told}");
    gate.scratch.write("jwks.json", &key_set(), 0o644);
    gate.reloader.reload().unwrap();
    assert!(!get(gate.admin, "/readyz", "").await.contains("note:"));
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_or_registry_stops_the_start() {
    let gate = start().await;
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
    drop(gate.sites);
    drop(gate.reloader);
    let start = || {
        let settings = Settings::read(&gate.scratch.0.join("sekisho.toml")).unwrap();
        Server::new(settings, PrometheusBuilder::new().build_recorder().handle()).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(start(), Ok(()), "as it was");
    let aside = |name: &str| std::fs::rename(gate.scratch.0.join(name), gate.scratch.0.join("aside")).unwrap();
    let back = |name: &str| std::fs::rename(gate.scratch.0.join("aside"), gate.scratch.0.join(name)).unwrap();
    for name in ["keys/pseudonym", "keys/subjects", "data/registry.sqlite"] {
        aside(name);
        let error = start().unwrap_err();
        assert!(error.contains(name), "{error}");
        assert!(!gate.scratch.0.join(name).exists(), "{name} was made anew");
        back(name);
    }
    assert_eq!(start(), Ok(()), "as it was again");
}

const DONOR: &str = r#"{"id":"D-1","name":{"kanji":"山田 花子"},"my_number":"123456789012","new_field":"leak"}"#;

/// As a coordinator, for coordination.
async fn read(gate: &Gate, fields: &str) -> String {
    let fields = format!("Authorization: Bearer {}\r\nPurpose-Of-Use: coordination\r\n{fields}", token());
    get(gate.address, "/donors/D-1", &fields).await
}

fn answering(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_purpose_releases_passes_and_is_on_record() {
    let gate = start_before(answering(DONOR)).await;
    let answer = read(&gate, "X-User: admin\r\nRange: bytes=0-5\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("山田 花子"), "{answer}");
    assert!(answer.contains("purpose-of-use-decision: permit"), "{answer}");
    for gone in ["123456789012", "my_number", "new_field", "leak"] {
        assert!(!answer.contains(gone), "{gone} left: {answer}");
    }
    let head = gate.backend.heads.lock().unwrap().pop().unwrap().to_lowercase();
    for kept in ["authorization", "purpose-of-use", "x-user", "range"] {
        assert!(!head.contains(&format!("\r\n{kept}:")), "{kept} reached the backend: {head}");
    }
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
    let folder = sekisho::store::Directory::open_to_read(&gate.scratch.0.join("data/log/gate")).unwrap();
    assert!(sekisho::audit::verify(&folder).unwrap().is_intact());
    let mut reader = sekisho::audit::Reader::new(&folder);
    let mut kinds = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        let record: serde_json::Value = serde_json::from_slice(&line.bytes).unwrap();
        kinds.push(record["kind"].as_str().unwrap().to_owned());
        assert!(!record.to_string().contains("D-1"), "{record}");
    }
    assert!(kinds.iter().any(|kind| kind == "begin") && kinds.iter().any(|kind| kind == "end"), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn codings_do_not_hide_anything_from_the_gate() {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(DONOR.as_bytes()).await.unwrap();
    encoder.shutdown().await.unwrap();
    let coded = encoder.into_inner();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding:";
    let mut bytes = format!("{head} gzip\r\nContent-Length: {}\r\n\r\n", coded.len()).into_bytes();
    bytes.extend(&coded);
    let gate = start_before(bytes).await;
    let answer = read(&gate, "").await;
    assert!(answer.contains("山田 花子") && !answer.contains("123456789012"), "{answer}");
    gate.stop.cancel();
    for coding in ["compress", "gzip, gzip"] {
        let gate = start_before(format!("{head} {coding}\r\nContent-Length: 3\r\n\r\nabc")).await;
        assert!(read(&gate, "").await.starts_with("HTTP/1.1 502"), "{coding}");
        gate.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_coding_is_answered_in() {
    let long = DONOR.replace("花子", &"花子".repeat(1000));
    let gate = start_before(answering(&long)).await;
    let fields = format!(
        "GET /donors/D-1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nPurpose-Of-Use: coordination\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
        token()
    );
    let mut stream = tokio::net::TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(fields.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    soon(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut all)).await.unwrap();
    let split = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(all[..split].to_vec()).unwrap();
    assert!(head.contains("content-encoding: gzip") && head.contains("transfer-encoding: chunked"), "{head}");
    assert!(head.to_lowercase().contains("accept-encoding"), "no Vary: {head}");
    let (mut rest, mut body) = (&all[split..], GzipDecoder::new(Vec::new()));
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.write_all(&rest[line + 2..line + 2 + size]).await.unwrap();
        rest = &rest[line + 2 + size + 2..];
    }
    body.shutdown().await.unwrap();
    let text = String::from_utf8(body.into_inner()).unwrap();
    assert!(text.contains("花子花子") && !text.contains("my_number"), "{text}");
    gate.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_breaks_off_releases_nothing() {
    let answer = answering(DONOR);
    for cut in [0, 10, answer.len() - 10, answer.len() - 1] {
        let gate = start_before(&answer.as_bytes()[..cut]).await;
        let told = read(&gate, "").await;
        assert!(told.starts_with("HTTP/1.1 502") && !told.contains("山田"), "cut at {cut}: {told}");
        gate.stop.cancel();
    }
}

/// Three places while it runs: one takes, one is down to the end, one is told wrongly. The gate goes on, and what arrived is the log.
#[tokio::test(flavor = "multi_thread")]
async fn records_go_elsewhere_while_a_gate_runs_and_no_place_holds_it_up() {
    let scratch = Scratch::new();
    let backend = backend("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let down = {
        // A port that nobody listens on.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    scratch.write("token", "Authorization: Bearer x\n", 0o600);
    let sinks = format!(
        "\n[[audit.sink]]\nname = \"kept\"\nformat = \"jsonl\"\nto = \"file:kept.jsonl\"\n\
         [[audit.sink]]\nname = \"down\"\nformat = \"ocsf\"\nto = \"http://{down}/in\"\nheader-file = \"token\"\n\
         [[audit.sink]]\nname = \"wrong\"\nformat = \"csv\"\nto = \"file:wrong.csv\"\n"
    );
    let path = settings(&scratch, &backend.origin).path;
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = Settings::read(&scratch.write("sekisho.toml", &format!("{text}{sinks}"), 0o644)).unwrap();
    scratch.write("data/sinks/wrong.json", "no position", 0o600);
    let gate = start_with(scratch, backend, changed).await;
    for _ in 0..20 {
        let answer = get(gate.address, "/donors/d-1", "").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
    let log = std::fs::read_to_string(gate.scratch.0.join("data/log/gate/audit-00000000000000000001.jsonl")).unwrap();
    let kept = std::fs::read_to_string(gate.scratch.0.join("kept.jsonl")).unwrap();
    assert!(log.lines().count() >= 4 && log.contains("\"stop\"") && kept == log, "{kept}\ninstead of\n{log}");
    assert!(!gate.scratch.0.join("wrong.csv").exists());
    // The first record, a segment's, brings nothing about; the start was not taken, and is not noted as if it were.
    let down = std::fs::read_to_string(gate.scratch.0.join("data/sinks/down.json")).unwrap_or_default();
    let next = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["next"].as_u64().unwrap();
    assert!(down.is_empty() || next(&down) <= 2, "{down}");
}

/// Two keys sign while one is changed for another, and whoever asks is told of both; then of what the older one signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_signs_the_log_is_changed_without_a_gap_and_on_record() {
    let gate = start().await;
    let keys = gate.scratch.0.join("keys");
    let page = async || {
        let answer = get(gate.address, "/.well-known/sekisho-audit-key", "").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("content-type: text/plain"), "{answer}");
        let text = answer.split("\r\n\r\n").nth(1).unwrap().to_owned();
        text.lines().map(|line| line.parse::<PublicKey>().unwrap()).collect::<Vec<_>>()
    };
    let mut checkpoints = gate.sites.log.checkpoints();
    let first = page().await;
    assert_eq!(first.len(), 1);
    let note = soon(checkpoints.wait_for(Option::is_some)).await.unwrap().clone().unwrap();
    assert!(note.verify(&first).is_ok());

    keys::rotate(&keys, "gate").unwrap();
    gate.reloader.reload().unwrap();
    let both = page().await;
    assert_eq!((both.len(), &both[1]), (2, &first[0]));
    let size = note.checkpoint.size;
    let newer = |note: &Option<Arc<Note>>| note.as_ref().is_some_and(|note| note.checkpoint.size > size);
    let note = soon(checkpoints.wait_for(newer)).await.unwrap().clone().unwrap();
    for key in &both {
        assert!(note.verify(std::slice::from_ref(key)).is_ok(), "{key} signs");
    }
    assert!(keys::rotate(&keys, "gate").is_err(), "a third key");

    keys::retire(&keys, "gate").unwrap();
    gate.reloader.reload().unwrap();
    assert_eq!(page().await, both, "what the older one signed can still be checked");
    assert!(keys::retire(&keys, "gate").is_err(), "the only key");
    let posted = raw(
        gate.address,
        "POST /.well-known/sekisho-audit-key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert!(posted.await.starts_with("HTTP/1.1 405"));
    assert_eq!(gate.backend.count(), 0);
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
    drop(gate.sites);

    let disk = Directory::open_to_read(&gate.scratch.0.join("data/log/gate")).unwrap();
    let report = verify_by(&disk, &Trust { keys: both.clone(), kept: vec![] }).unwrap();
    assert!(report.is_intact(), "{:?}", report.bad);
    let text = std::fs::read_to_string(gate.scratch.0.join("data/log/gate/audit-00000000000000000001.jsonl")).unwrap();
    let said: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<_> = said.iter().filter(|record| record["action"] == "key-change").collect();
    assert_eq!(said.len(), 2);
    let [new, old] = [&both[0], &both[1]].map(|key| serde_json::json!(key.to_string()));
    assert_eq!((&said[0]["signs"], &said[0]["signs_too"]), (&new, &old));
    assert_eq!((&said[1]["signs"], said[1].get("signs_too")), (&new, None));
    // By which text was decided at any time is told from the log alone: at the start, at each of the two reloads, to the end.
    let text: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let life: Vec<_> = text.iter().filter(|record| record["kind"] == "administrative").collect();
    let actions: Vec<_> = life.iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["start", "key-change", "reload", "key-change", "reload", "stop"]);
    for record in &life {
        assert_eq!(crate::audit::schema::fault(record), None, "{record}");
        let is_of_texts = ["start", "reload"].contains(&record["action"].as_str().unwrap());
        assert_eq!(record["policy"]["id"] == "jmdp", is_of_texts);
        let digest = record["policy"]["digest"].as_str().unwrap_or_default();
        assert_eq!(digest.starts_with("sha256:") && digest.len() == 71, is_of_texts);
    }
}
