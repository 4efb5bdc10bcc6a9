//! A console alone over a filled folder, and a browser that does what it is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use http::Request;
use http_body_util::BodyExt as _;
use sekisho::audit::Seal;
use sekisho::console::{Account, Accounts, AuthSettings, Console, Parts, Role, account};
use sekisho::demo::Folder;
use sekisho::demo::fill::{Fill, fill};
use sekisho::demo::sample::Org;
use sekisho::policy::Vocabulary;
use sekisho::proxy::console::ConsoleServer;
use sekisho::proxy::keys::Keys;
use sekisho::proxy::settings::{ConsoleSettings, Settings};
use sekisho::registry::{self, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// A page of each kind.
pub(super) const PAGES: [&str; 18] = [
    "/",
    "/search",
    "/search/export.csv",
    "/search/export.jsonl",
    "/record/gate/10",
    "/record/gate/10/proof",
    "/record/gate/10/proof.txt",
    "/record/gate/10/today",
    "/subjects",
    "/subject/x",
    "/recipients",
    "/recipient?recipient=internal",
    "/policy",
    "/policy/sakura",
    "/reviews",
    "/integrity",
    "/live",
    "/live/rows",
];

pub(super) const PASSWORD: &str = "a long enough password";

/// A folder that goes when it is dropped.
pub(super) struct Home(pub(super) PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn fresh(name: &str) -> PathBuf {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("sekisho-console-{name}-{}-{number}", std::process::id()))
}

/// The clinic's last week, thinned out; written once.
fn template() -> &'static Path {
    static FILLED: OnceLock<Home> = OnceLock::new();
    let home = FILLED.get_or_init(|| {
        let path = fresh("filled");
        let folder = Folder::named(&path).unwrap();
        fill(&Fill { orgs: vec![Org::Sakura], days: 7, one_in: 20 }, &folder, &|_, _| ()).unwrap();
        Home(path)
    });
    &home.0
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// A console that is served.
pub(super) struct Stand {
    pub(super) home: Home,
    pub(super) address: std::net::SocketAddr,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

pub(super) fn settings(home: &Path) -> Settings {
    let mut settings = Settings::read(&home.join("sekisho.toml")).unwrap();
    let mut console = ConsoleSettings::default_in(&settings.data.keys);
    console.listen = ([127, 0, 0, 1], 0).into();
    console.hosts = vec!["console.example".to_owned()];
    settings.console = Some(console);
    settings
}

/// An account with the password of all of them; hashed once.
fn made(id: &str, role: Role, callers: &[String]) -> Account {
    static MADE: Mutex<BTreeMap<String, Account>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap();
    let new = || account(id, &[role], callers, PASSWORD).unwrap();
    made.entry(format!("{id} {} {callers:?}", role.name())).or_insert_with(new).clone()
}

/// A filled folder with these accounts.
pub(super) fn furnished(accounts: &[(&str, Role, &[String])]) -> Home {
    let home = Home(fresh("home"));
    copy(&template().join("sakura"), &home.0);
    let kept = Accounts::new(settings(&home.0).console.unwrap().accounts);
    for (id, role, callers) in accounts {
        kept.add(made(id, *role, callers)).unwrap();
    }
    home
}

impl Stand {
    /// The four of them: `viewer`, `reviewer` (who calls as `nr-kudo`), `privacy-officer`, `auditor`.
    pub(super) async fn new() -> Stand {
        let calls = ["nr-kudo".to_owned()];
        let each = Role::ALL.map(|role| (role.name(), role, if role == Role::Reviewer { &calls[..] } else { &[] }));
        Stand::over(furnished(&each)).await
    }

    pub(super) async fn over(home: Home) -> Stand {
        let settings = settings(&home.0);
        Stand::of(home, &settings).await
    }

    pub(super) async fn of(home: Home, settings: &Settings) -> Stand {
        let server = ConsoleServer::alone(settings).unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let running = tokio::spawn(server.run(stop.clone()));
        let stand = Stand { home, address, stop, running };
        // The index is there before anybody looks.
        let path = stand.home.0.join(sekisho::index::FILE);
        for _ in 0..600 {
            let logs = sekisho::index::Logs::Folder(stand.home.0.join("log"));
            let queries = sekisho::index::Queries::open(&path, logs);
            if queries.is_ok_and(|queries| {
                queries.integrity().is_ok_and(|all| all.iter().any(|log| log.log == "gate" && log.last > 500))
            }) {
                return stand;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("the index was not made");
    }

    pub(super) async fn end(self) -> Home {
        self.stop.cancel();
        self.running.await.unwrap();
        self.home
    }

    /// Sends a head and a body as they are.
    pub(super) async fn raw(&self, text: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) async fn get(&self, path: &str, cookie: &str) -> Answer {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nAccept-Language: en\r\nConnection: close\r\n\r\n"
        );
        self.raw(head.as_bytes()).await
    }

    /// A form, as a page of this origin sends it.
    pub(super) async fn post(&self, path: &str, cookie: &str, form: &str) -> Answer {
        self.post_with(path, cookie, form, "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n").await
    }

    pub(super) async fn post_with(&self, path: &str, cookie: &str, form: &str, fields: &str) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n{fields}Connection: close\r\n\r\n{form}",
            form.len()
        );
        self.raw(head.as_bytes()).await
    }

    /// Signs in; the cookie.
    pub(super) async fn sign_in(&self, name: &str) -> String {
        let form = format!("name={name}&password={}", PASSWORD.replace(' ', "+"));
        let answer = self.post("/sign-in", "", &form).await;
        assert_eq!(answer.status(), 303, "{}", answer.0);
        answer.field("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    /// What a form of this session carries.
    pub(super) async fn token(&self, cookie: &str) -> String {
        let page = self.get("/policy/sakura", cookie).await;
        let (_, rest) = page.0.split_once("name=\"token\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// The records of the console's own chain.
    pub(super) fn readings(&self) -> Vec<serde_json::Value> {
        readings(&self.home.0)
    }
}

pub(super) fn readings(home: &Path) -> Vec<serde_json::Value> {
    let mut files: Vec<_> =
        std::fs::read_dir(home.join("log/console")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let text: String = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What came back.
pub(super) struct Answer(pub(super) String);

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.0.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next()?;
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(super) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

/// A console without a listener.
pub(super) fn console(home: &std::path::Path) -> Console {
    let settings = settings(home);
    let keys = std::sync::Arc::new(Keys::read(&settings.data.keys).unwrap());
    let vocabulary = std::sync::Arc::new(Vocabulary::compiled_in().unwrap());
    let zone = jiff::tz::TimeZone::get("Asia/Tokyo").unwrap();
    let options = registry::Options { create: false, staleness_ms_max: 2000 };
    let registry = Registry::open(&settings.data.registry(), &vocabulary, &zone, options).unwrap();
    let seal = std::sync::Arc::new(Seal::new(keys.subjects.clone()));
    let made = Console::new(Parts {
        data: settings.data.directory.clone(),
        options: settings.audit.clone(),
        clock: std::sync::Arc::new(sekisho::proxy::sites::now_ms),
        seal,
        signer: std::sync::Arc::new(move |log: &str| keys.signer("sakura-1", log)),
        registry: std::sync::Arc::new(registry),
        policies: std::sync::Arc::new(Vec::new),
        zone,
        hosts: Vec::new(),
        auth: AuthSettings { accounts: settings.console.unwrap().accounts, provider: None },
        review_due_ms: 1,
    });
    made.unwrap()
}

pub(super) fn sign_in() -> http::request::Builder {
    Request::post("/sign-in")
        .header("origin", "http://localhost")
        .header("content-type", "application/x-www-form-urlencoded")
}

/// Status, cookie and body of an answer.
pub(super) async fn asked(
    console: &Console,
    request: http::request::Builder,
    cookie: &str,
) -> (u16, Option<String>, String) {
    let (head, body) = answered(console, request, cookie).await.into_parts();
    let cookie =
        head.headers.get("set-cookie").map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), cookie, String::from_utf8_lossy(&body).into_owned())
}

/// An answer of which the body is still to come.
pub(super) async fn answered(
    console: &Console,
    request: http::request::Builder,
    cookie: &str,
) -> http::Response<axum::body::Body> {
    let form = format!("name=viewer&password={}", PASSWORD.replace(' ', "+"));
    let request = request.header("host", "localhost").header("cookie", cookie).body(axum::body::Body::from(form));
    console.service().oneshot(request.unwrap()).await.unwrap()
}
