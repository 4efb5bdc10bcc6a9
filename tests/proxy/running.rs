//! A whole gate on free ports: refusals, health, reload, drain.

use std::path::Path;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use sekisho::proxy::keys;
use sekisho::proxy::serve::Server;
use sekisho::proxy::settings::Settings;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::support::{Backend, Scratch, Then, backend, raw, soon};

struct Gate {
    scratch: Scratch,
    address: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    reloader: Arc<sekisho::proxy::reload::Reloader>,
    sites: Arc<sekisho::proxy::sites::Sites>,
    backend: Backend,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

fn settings(scratch: &Scratch, upstream: &str) -> Settings {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy/jmdp");
    for name in ["policy.toml", "catalogue.toml"] {
        scratch.write(&format!("jmdp/{name}"), &std::fs::read_to_string(policy.join(name)).unwrap(), 0o644);
    }
    scratch.write("jwks.json", r#"{"keys":[]}"#, 0o644);
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
"#
    );
    Settings::read(&scratch.write("sekisho.toml", &text, 0o644)).unwrap()
}

async fn start() -> Gate {
    let scratch = Scratch::new();
    let backend = backend("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let settings = settings(&scratch, &backend.origin);
    keys::init(&settings.data.keys, settings.data.has_log()).unwrap();
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let server = Server::new(settings, metrics).unwrap();
    let (address, admin) = (server.address(), server.admin_address());
    let (reloader, sites) = (server.reloader(), server.sites());
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    Gate { scratch, address, admin, reloader, sites, backend, stop, running }
}

async fn get(address: std::net::SocketAddr, path: &str, fields: &str) -> String {
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
            // Edited again, for the first edit may come before the watch.
            edit += 1;
            gate.scratch.write("jmdp/policy.toml", &format!("{policy}\n# {edit}\n"), 0o644);
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    })
    .await;
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
