//! What is the answer to each request? JSON lines in, one answer a line, in order.
//!
//! The documents are loaded once. An answer leaves before the command waits for the next line, so that a program can ask
//! and read in turns; while more lines are already there, answers are gathered. A malformed line is answered as such and
//! does not stop what follows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::documents::revisions;
use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::decision::evaluation::evaluate;
use crate::policy::{Moment, Revisions};

/// Answer evaluation requests, one JSON object a line
#[derive(clap::Args)]
#[command(
    long_about = "Answer evaluation requests: one JSON object a line in, one answer a line out, in \
        order. The shape is that of the OpenID AuthZEN Authorization API 1.0; the proxy \
        asks the same function. Facts (consents, contracts, …) are given with the \
        request, and a request without `context.time` is judged as of now.\n\n\
        A malformed line is answered {\"error\":{\"line\":N,\"detail\":\"…\"}}; the rest is \
        still answered, and the command exits with 2. Blank lines are skipped.",
    after_long_help = "Examples:\n  \
        Answer a file of requests:\n    \
        sekisho decide --policy policy/jmdp requests.jsonl\n\n  \
        Which were refused, and why?\n    \
        sekisho decide --policy policy/jmdp requests.jsonl |\n      \
        jq -c 'select(.decision == false) | .context.reasons[].code'\n\n  \
        Ask one question:\n    \
        echo '{\"subject\": {\"type\": \"caller\", \"id\": \"s-1\",\n      \
        \"properties\": {\"roles\": [\"coordination-staff\"]}},\n      \
        \"action\": {\"name\": \"read\"},\n      \
        \"resource\": {\"type\": \"record\", \"id\": \"r-1\", \"properties\":\n      \
        {\"subject_class\": \"donor\", \"categories\": [\"identity.name\"]}},\n      \
        \"context\": {\"purpose\": \"coordination\"}}' | tr -d '\\n' |\n      \
        sekisho decide --policy policy/jmdp\n\n\
        Exit codes: 0 every line was answered; 2 a line was malformed, or the policy or\n\
        the file could not be read."
)]
pub(super) struct Decide {
    /// The organisation's folder, or one policy file
    #[arg(long, value_name = "DIR")]
    policy: PathBuf,
    /// The requests; standard input if left out or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Decide {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let revisions = revisions(&self.policy)?;
        match &self.file {
            Some(path) if path.as_os_str() != "-" => {
                let unreadable = |e: io::Error| Failure::Usage(format!("cannot read {}: {e}", path.display()));
                let file = File::open(path).map_err(unreadable)?;
                answer_all(BufReader::with_capacity(1 << 16, file), terminal.stream(), &revisions)
            }
            _ => answer_all(BufReader::with_capacity(1 << 16, io::stdin().lock()), terminal.stream(), &revisions),
        }
    }
}

fn answer_all(
    mut input: BufReader<impl io::Read>,
    output: &mut impl Write,
    revisions: &Revisions,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Good;
    let mut line = Vec::new();
    for number in 1u64.. {
        if memchr::memchr(b'\n', input.buffer()).is_none() {
            output.flush()?; // the next read may wait for whoever reads these answers
        }
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|e| Failure::Usage(format!("cannot read the requests beyond line {}: {e}", number - 1)))? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = answer(&line, revisions).unwrap_or_else(|detail| {
            exit = Exit::Partly;
            json!({"error": {"line": number, "detail": detail}})
        });
        serde_json::to_writer(&mut *output, &answer).map_err(io::Error::from)?;
        output.write_all(b"\n")?;
    }
    Ok(exit)
}

fn answer(line: &[u8], revisions: &Revisions) -> Result<Value, String> {
    let text = simdutf8::compat::from_utf8(line).map_err(|e| format!("not UTF-8: {e}"))?;
    evaluate(text, revisions, now()?)
}

/// The time of a request that names none.
pub(super) fn now() -> Result<Moment, String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "the clock is before 1970")?;
    Moment::try_from(since.as_millis()).map_err(|_| "the clock is beyond reason".to_owned())
}
