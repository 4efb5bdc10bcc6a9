//! Runs the binary; keeps folders of changed policies.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The five organisations.
pub(super) const ORGANISATIONS: [&str; 5] = ["22cemit", "cellspect", "jmdp", "jsco", "sakura"];

/// What the binary printed and how it ended.
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

pub(super) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

pub(super) fn sekisho(arguments: &[&str]) -> Ran {
    sekisho_fed(arguments, b"")
}

pub(super) fn sekisho_fed(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child =
        command().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A thread of its own: the child may answer before it has read everything.
    let feeder = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Ran::from(output)
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Every line as JSON.
    pub(super) fn lines(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }

    /// No printed line is wider than a terminal of 80 columns.
    pub(super) fn assert_fits(&self) {
        for line in self.out.lines().chain(self.err.lines()) {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
        }
    }
}

/// A folder that is taken away at the end.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A copy of an organisation's documents.
    pub(super) fn of(name: &str, organisation: &str) -> Folder {
        let folder = Folder::new(name);
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy").join(organisation);
        for file in ["policy.toml", "cases.toml"] {
            fs::copy(from.join(file), folder.0.join(file)).unwrap();
        }
        folder
    }

    /// Changes one place of a document.
    pub(super) fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} does not occur in {file}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    pub(super) fn write(&self, file: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(file);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(super) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
