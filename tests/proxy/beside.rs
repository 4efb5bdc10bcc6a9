//! The console beside a gate that runs, plain and over TLS.

use std::net::SocketAddr;

use sekisho::audit::{Trust, verify_by};
use sekisho::console::{Accounts, Role, account};
use sekisho::proxy::settings::{ConsoleSettings, TlsFiles};
use sekisho::store::Directory;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::running::{Gate, get, settings, start_with, token};
use super::support::{Scratch, Then, backend, raw, soon};
use super::tls::Made;

const PASSWORD: &str = "a+long+enough+password";

/// A gate with a console and one account, `viewer`.
async fn start(tls: Option<TlsFiles>) -> (Gate, SocketAddr) {
    let scratch = Scratch::new();
    let body = r#"{"id":"d-1","name":"n"}"#;
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let backend = backend(answer, Then::Close).await;
    let mut settings = settings(&scratch, &backend.origin);
    let mut console = ConsoleSettings::default_in(&settings.data.keys);
    console.listen = ([127, 0, 0, 1], 0).into();
    console.tls = tls;
    let accounts = Accounts::new(console.accounts.clone());
    settings.console = Some(console);
    let gate = start_with(scratch, backend, settings).await;
    accounts.add(account("viewer", &[Role::Viewer], &[], &PASSWORD.replace('+', " ")).unwrap()).unwrap();
    let console = gate.console.unwrap();
    (gate, console)
}

fn page(path: &str, cookie: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nAccept-Language: en\r\nConnection: close\r\n\r\n"
    )
}

fn sign_in(origin: &str) -> String {
    let form = format!("name=viewer&password={PASSWORD}");
    format!(
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    )
}

fn cookie(answer: &str) -> String {
    let (_, rest) = answer.split_once("set-cookie: ").unwrap_or_else(|| panic!("{answer}"));
    rest.split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_beside_a_gate_shows_what_the_gate_has_just_answered_and_ends_after_it() {
    let (gate, console) = start(None).await;
    let stranger = raw(console, &page("/", "")).await;
    assert!(stranger.starts_with("HTTP/1.1 303") && stranger.contains("/sign-in"), "{stranger}");
    let mine = cookie(&raw(console, &sign_in("http://localhost")).await);
    let fields = format!("Authorization: Bearer {}\r\nSekisho-Purpose: coordination\r\n", token());
    let asked = get(gate.address, "/donors/d-1", &fields).await;
    assert!(asked.starts_with("HTTP/1.1 "), "{asked}");
    // The index follows the log.
    let shown = soon(async {
        loop {
            let shown = raw(console, &page("/search?caller=s-1", &mine)).await;
            if shown.contains("href=\"/record/gate/") {
                return shown;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(shown.starts_with("HTTP/1.1 200") && shown.contains("coordination") && !shown.contains("d-1"), "{shown}");
    for (path, part) in [("/", "Accesses"), ("/policy/jmdp", "II.3.1"), ("/integrity", "console")] {
        let shown = raw(console, &page(path, &mine)).await;
        assert!(shown.starts_with("HTTP/1.1 200") && shown.contains(part), "{path}: {shown}");
    }
    for door in [gate.address, gate.admin] {
        assert!(!get(door, "/sign-in", "").await.starts_with("HTTP/1.1 200"), "the console has a door of its own");
    }
    assert!(get(console, "/metrics", "").await.starts_with("HTTP/1.1 303"));
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
    for log in ["gate", "console"] {
        let folder = Directory::open_to_read(&gate.scratch.0.join("data/log").join(log)).unwrap();
        let verified = verify_by(&folder, &Trust::default()).unwrap();
        assert!(verified.records > 2, "{log}");
    }
}

/// Behind something that ends TLS the browser's origin is `https`, and the console's connection is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_taken_from_behind_what_ends_tls_and_from_no_other_name() {
    let (gate, console) = start(None).await;
    for (origin, status) in [
        ("http://localhost", "303"),
        ("https://localhost", "303"),
        ("https://localhost:8443", "403"),
        ("https://localhost.example", "403"),
        ("httpss://localhost", "403"),
        ("https", "403"),
        ("", "403"),
    ] {
        let answer = raw(console, &sign_in(origin)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{origin}: {answer}");
    }
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
}

async fn over(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    // Its end may come without a `close_notify`.
    let _end = soon(stream.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_a_form_is_taken_from_an_https_page_only_and_plain_http_gets_nothing() {
    let made = Made::new();
    let (gate, console) = start(Some(made.files(false, false))).await;
    let connect = || made.connect(console, &["http/1.1"], None, &rustls::version::TLS13);
    let refused = over(&mut connect().await.unwrap(), &sign_in("http://localhost")).await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let taken = over(&mut connect().await.unwrap(), &sign_in("https://localhost")).await;
    assert!(taken.starts_with("HTTP/1.1 303"), "{taken}");
    let shown = over(&mut connect().await.unwrap(), &page("/", &cookie(&taken))).await;
    assert!(shown.starts_with("HTTP/1.1 200") && shown.contains("viewer"), "{shown}");
    let mut plain = TcpStream::connect(console).await.unwrap();
    let answer = over(&mut plain, &page("/sign-in", "")).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    gate.stop.cancel();
    soon(gate.running).await.unwrap();
}
