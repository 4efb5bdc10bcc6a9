//! The program with settings of its own, a backend that the test writes itself, answers as far as they have come.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use sekisho::cli::documents;
use sekisho::demo::sample::Org;
use sekisho::proxy::keys;
use sekisho::store::Directory;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) use crate::proxy::support::{HANGS, Scratch, key_set, minted, soon};

/// Whether counts that take minutes are asked for.
pub(super) fn long() -> bool {
    std::env::var("SEKISHO_LONG").is_ok_and(|long| long == "1")
}

/// A folder with an organisation's documents, the issuer's keys, the gate's own keys, and settings.
pub(super) struct Site {
    pub(super) scratch: Scratch,
}

impl Site {
    /// `more`: further lines of the site's settings.
    pub(super) fn new(org: Org, upstream: &str, more: &str) -> Site {
        let scratch = Scratch::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy").join(org.id());
        let mut files = vec!["policy.toml".to_owned(), "catalogue.toml".to_owned()];
        if let Ok(older) = std::fs::read_dir(root.join("revisions")) {
            files.extend(older.map(|file| format!("revisions/{}", file.unwrap().file_name().to_str().unwrap())));
        }
        for name in files {
            scratch.write(&format!("policy/{name}"), &std::fs::read_to_string(root.join(&name)).unwrap(), 0o644);
        }
        scratch.write("jwks.json", &key_set(), 0o644);
        let revisions = documents::revisions(&root).unwrap();
        let roles =
            revisions.newest().unwrap().roles().map(|role| format!("\"{role}\" = \"{role}\"")).collect::<Vec<_>>();
        let text = format!(
            r#"
[gate]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[data]
directory = "data"
keys = "keys"
[log]
format = "json"
level = "debug"
[[issuer]]
id = "https://login.example"
jwks = "jwks.json"
audience = ["api"]
algorithms = ["ES256"]
claims = {{ caller = "/sub", organization = "/org", roles = "/roles" }}
may-assert = {{ roles = {{ {} }}, organizations = "*", principal = true }}
[[site]]
policy = "policy"
upstream = "{upstream}"
{more}
"#,
            roles.join(", ")
        );
        scratch.write("sekisho.toml", &text, 0o644);
        keys::init(&scratch.0.join("keys"), Default::default()).unwrap();
        Site { scratch }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.scratch.0.join("data")
    }

    /// The gate's own chain of the log.
    pub(super) fn log(&self) -> Directory {
        Directory::open_to_read(&self.data().join("log/gate")).unwrap()
    }

    /// Starts the program and waits until it has told where it listens.
    pub(super) fn start(&self) -> Running {
        let config = self.scratch.0.join("sekisho.toml");
        let mut child = program().arg("serve").arg("--config").arg(config).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (tell, told) = mpsc::channel();
        let (lines, all) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&said));
        let listening = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut all = all.lock().unwrap();
                all.push_str(&line);
                all.push('\n');
                if let Some(addresses) = addresses(&line) {
                    let _nobody_waits_any_more = tell.send(addresses);
                }
            }
        });
        let told = told.recv_timeout(HANGS);
        let Ok((gate, admin)) = told else {
            drop((child.kill(), child.wait()));
            panic!("it did not start: {}", said.lock().unwrap());
        };
        Running { child, gate, admin, said, listening: Some(listening) }
    }
}

/// `gate` and `admin` of the line that says that it is ready.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").filter(|fields| fields["message"] == "ready")?;
    let address = |name: &str| fields.get(name)?.as_str()?.parse().ok();
    Some((address("gate")?, address("admin")?))
}

/// The program, with nothing to read.
pub(super) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// What the program prints when it is run to its end.
pub(super) fn run(arguments: &[&str]) -> Output {
    program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

/// The running program; killed when dropped.
pub(super) struct Running {
    child: Child,
    pub(super) gate: SocketAddr,
    pub(super) admin: SocketAddr,
    said: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
}

impl Running {
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the end of what was killed or asked to end; its exit code and all that it said.
    pub(super) fn wait(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        self.listening.take().unwrap().join().unwrap();
        let said = std::mem::take(&mut *self.said.lock().unwrap());
        (status.code(), said)
    }

    /// Asks it to end, and waits.
    pub(super) fn end(self) -> String {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let (code, said) = self.wait();
        assert_eq!(code, Some(0), "{said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

/// A request as the backend sees it.
pub(super) struct Asked {
    pub(super) head: String,
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) body: Vec<u8>,
}

/// A backend on a free port; its origin. `answer` writes what it likes, and gives the connection back if it may be used
/// again.
pub(super) async fn backend<F, Fut>(answer: F) -> String
where
    F: Fn(Asked, TcpStream) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Option<TcpStream>> + Send,
{
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", socket.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut stream = Some(stream);
                while let Some(mut open) = stream.take() {
                    let Some(asked) = asked(&mut open).await else { return };
                    stream = answer(asked, open).await;
                }
            });
        }
    });
    origin
}

/// The next request of a connection.
async fn asked(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let length = end + length.unwrap_or(0);
    while bytes.len() < length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    let mut words = head.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    Some(Asked { head, method, target, body: bytes[end..length].to_vec() })
}

/// An answer over HTTP/1.1, as far as it has come.
#[derive(Default)]
pub(super) struct Coming {
    /// All of it, as it was on the wire.
    pub(super) wire: Vec<u8>,
    /// Where its head ends; 0: it is not here yet.
    head_end: usize,
    /// The body, out of its chunks.
    pub(super) body: Vec<u8>,
    /// How much of `wire` was read into the body.
    read: usize,
    /// Whether the end that its framing tells has come.
    pub(super) whole: bool,
}

impl Coming {
    /// Its head, once it is here.
    pub(super) fn head(&self) -> Option<&str> {
        (self.head_end > 0).then(|| std::str::from_utf8(&self.wire[..self.head_end]).unwrap())
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.head()?.split(' ').nth(1)?.parse().ok()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.split_once(':').is_some_and(|(field, _)| field.eq_ignore_ascii_case(name));
        self.head()?.split("\r\n").skip(1).find(named).map(|line| line.split_once(':').unwrap().1.trim())
    }

    /// The id of its decision.
    pub(super) fn decision(&self) -> Option<&str> {
        self.field("purpose-of-use-decision")?.split_once("id=\"")?.1.split('"').next()
    }

    /// Everything that it says: its head, the body out of its chunks (so that no word of it is cut by one), what comes after it.
    pub(super) fn told(&self) -> Vec<u8> {
        let chunked = self.field("transfer-encoding").is_some();
        let after = self.wire.get(self.read.saturating_sub(2)..).filter(|_| chunked).unwrap_or_default();
        [&self.wire[..self.head_end], b" ", &self.body, b" ", after].concat()
    }

    /// More of it has come.
    fn more(&mut self, bytes: &[u8]) {
        self.wire.extend_from_slice(bytes);
        if self.head_end == 0 {
            let Some(at) = memchr::memmem::find(&self.wire, b"\r\n\r\n") else { return };
            self.head_end = at + 4;
            self.read = self.head_end;
        }
        if self.field("transfer-encoding").is_none() {
            let length = self.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            self.body = self.wire[self.head_end..].to_vec();
            self.whole = self.body.len() >= length;
            return;
        }
        while !self.whole {
            let rest = &self.wire[self.read..];
            let Some(line) = memchr::memmem::find(rest, b"\r\n") else { return };
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
            // What came of a chunk that was never finished was seen too; it is taken once the connection has ended.
            let Some(chunk) = rest.get(line + 2..line + 4 + size) else { return };
            self.body.extend_from_slice(&chunk[..size]);
            self.read += line + 4 + size;
            self.whole = size == 0;
        }
    }

    /// The connection has ended: the beginning of the chunk that was cut counts as seen.
    fn ended(&mut self) {
        if self.whole || self.head_end == 0 || self.field("transfer-encoding").is_none() {
            return;
        }
        let rest = &self.wire[self.read..];
        if let Some(line) = memchr::memmem::find(rest, b"\r\n") {
            self.body.extend_from_slice(&rest[line + 2..]);
        }
    }
}

/// Asks over a connection of its own and reads until it ends, well or not; `seen` looks at each piece as it comes.
pub(super) async fn ask(address: SocketAddr, request: &[u8], mut seen: impl FnMut(&Coming)) -> Coming {
    let mut coming = Coming::default();
    let Ok(mut stream) = TcpStream::connect(address).await else { return coming };
    let reading = async {
        stream.write_all(request).await?;
        let mut piece = vec![0; 64 << 10];
        loop {
            let count = stream.read(&mut piece).await?;
            if count == 0 {
                return std::io::Result::Ok(());
            }
            coming.more(&piece[..count]);
            seen(&coming);
        }
    };
    let _cut_or_not = soon(reading).await;
    coming.ended();
    coming
}
