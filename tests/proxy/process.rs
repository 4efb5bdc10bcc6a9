//! The real program on real files: `sekisho serve` as a process of its own, and the commands beside it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;

use super::gate::Place;
use super::http::{Got, ask};
use super::support::soon;

const SEKISHO: &str = env!("CARGO_BIN_EXE_sekisho");

/// A command of the program, on this place's settings.
pub(super) fn sekisho(place: &Place, words: &[&str]) -> Output {
    Command::new(SEKISHO).args(words).arg("--config").arg(place.path("sekisho.toml")).output().unwrap()
}

/// `sekisho serve`, running.
pub(super) struct Process {
    child: Child,
    pub(super) address: SocketAddr,
    admin: SocketAddr,
    /// What it says on standard error, a JSON object a line.
    said: Arc<Mutex<Vec<Value>>>,
}

impl Process {
    /// Starts it and waits until it is ready. The place's settings ask for messages in JSON.
    pub(super) async fn start(place: &Place) -> Process {
        // As under a service manager that has files too large answered with an error, not with a signal.
        let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, SEKISHO, "serve", "--config"]).arg(place.path("sekisho.toml"));
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::<Mutex<Vec<Value>>>::default();
        let (lines, heard) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().unwrap().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let fields = soon(async {
            loop {
                let ready = said.lock().unwrap().iter().find(|line| line["fields"]["message"] == "ready").cloned();
                match ready {
                    Some(ready) => break ready["fields"].clone(),
                    None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                }
            }
        });
        let fields = fields.await;
        let address = |name: &str| fields[name].as_str().unwrap().parse().unwrap();
        Process { address: address("gate"), admin: address("admin"), child, said }
    }

    pub(super) async fn get(&self, target: &str, fields: &str) -> Got {
        ask(self.address, "GET", target, fields, "").await
    }

    pub(super) async fn admin(&self, path: &str) -> Got {
        ask(self.admin, "GET", path, "", "").await
    }

    /// Waits until `/readyz` has this text.
    pub(super) async fn comes_to_say(&self, text: &str) -> Got {
        let asked = async {
            loop {
                let got = self.admin("/readyz").await;
                if got.body.contains(text) {
                    break got;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        soon(asked).await
    }

    /// All that it has said, as text.
    pub(super) fn said(&self) -> String {
        self.said.lock().unwrap().iter().map(|line| format!("{line}\n")).collect()
    }

    /// From now on no file of it may grow past this length.
    pub(super) fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).unwrap();
    }

    /// SIGTERM; its exit code.
    pub(super) fn end(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
