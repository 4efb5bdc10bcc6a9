//! `sekisho demo`: the whole of it on this machine, with nobody's data.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::terminal::{COLUMNS, Terminal, count, wrap};
use super::{Exit, Failure, signals};
use crate::demo::sample::Org;
use crate::demo::script::{self, Step, Token, Who};
use crate::demo::tour::{self, Told};
use crate::demo::{DemoError, Folder, Stand};

const EXAMPLES: &str = "\
Examples:
  sekisho demo                 all five organisations, until Ctrl-C
  sekisho demo jmdp            one of them: jsco jmdp 22cemit cellspect sakura
  sekisho demo --tour          ask everything once, check it, and end
  sekisho demo --data ./seen   keep the access logs to look at them afterwards
  sekisho demo --fill 30d      a month of traffic in ./sekisho-filled, and end";

/// How long a printed token is valid.
const VALID_S: i64 = 8 * 3600;

/// Show it all: sample APIs, tokens, gates and logs, on this machine only
///
/// Starts for each organisation a sample medical API with synthetic people and a gate in front of it, and prints
/// requests to paste. Nobody is real, nothing is fetched, and nothing is kept unless `--data` names a folder.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// Only this organisation: jsco, jmdp, 22cemit, cellspect or sakura
    #[arg(value_name = "ORG", value_parser = org)]
    org: Option<Org>,
    /// Ask some seventy requests over TCP, compare every answer with the policy, verify the logs, and end
    #[arg(long, conflicts_with_all = ["json", "port", "address"])]
    tour: bool,
    /// Write the access logs of so many days (1d to 90d), up to 31 October 2026, and end
    ///
    /// Thousands of accesses by the real gates, the same in each run, a few of them odd; for each organisation a whole
    /// data folder with settings, keys, registry and log. Without `--data` in a new folder `sekisho-filled`.
    #[arg(long, value_name = "DAYS", value_parser = super::fill::days, conflicts_with_all = ["tour", "json", "port", "address"])]
    fill: Option<u32>,
    /// The gate's port; any free one if 0
    #[arg(long, default_value_t = 8470)]
    port: u16,
    /// The gate's address; loopback only
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Write registries and logs here and keep them; must be empty or not exist
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print addresses, tokens and requests as one line of JSON
    #[arg(long)]
    json: bool,
}

fn org(name: &str) -> Result<Org, String> {
    Org::from_id(name).ok_or_else(|| {
        let known: Vec<&str> = Org::ALL.iter().map(|org| org.id()).collect();
        format!("no such organisation; there are {}", known.join(", "))
    })
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Failure {
        Failure::Usage(error.to_string())
    }
}

impl Demo {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let orgs = self.org.map_or(Org::ALL.to_vec(), |org| vec![org]);
        if !self.address.is_loopback() {
            crate::demo::only_loopback(self.address)?;
        }
        if let Some(days) = self.fill {
            return super::fill::run(orgs, days, self.data.as_deref(), terminal);
        }
        let folder = match &self.data {
            Some(path) => Folder::named(path)?,
            None => Folder::temporary()?,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Usage(format!("no threads: {error}")))?;
        match self.tour {
            true => runtime.block_on(tour(&orgs, folder, terminal)),
            false => runtime.block_on(self.stand(&orgs, folder, terminal)),
        }
    }

    async fn stand(&self, orgs: &[Org], folder: Folder, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let asked_to_end = signals()?;
        let clock: Arc<dyn crate::audit::Clock> = Arc::new(now_ms);
        let stand = Stand::start(orgs, SocketAddr::new(self.address, self.port), folder, clock).await?;
        let shown = match self.json {
            true => as_json(&stand, terminal),
            false => as_lines(&stand, terminal),
        };
        if shown.and_then(|()| terminal.finish()).is_ok() {
            asked_to_end.await;
        }
        let folder = stand.end().await;
        if !folder.is_temporary() {
            let kept = format!("The logs are in {}", folder.path().display());
            if !self.json {
                terminal.line(kept)?;
            }
        }
        Ok(Exit::Good)
    }
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn now_s() -> i64 {
    i64::try_from(now_ms() / 1000).unwrap_or(0)
}

/// The steps that are printed, each with who asks.
fn samples(org: Org) -> Vec<(&'static Step, &'static Who)> {
    let samples = script::steps(org).iter().filter(|step| step.is_sample);
    samples.filter_map(|step| if let Token::Of(who) = step.token { Some((step, who)) } else { None }).collect()
}

/// Those who ask, once each.
fn callers(org: Org) -> Vec<&'static Who> {
    let mut callers: Vec<&'static Who> = Vec::new();
    for (_, who) in samples(org) {
        if !callers.iter().any(|known| known.name == who.name) {
            callers.push(who);
        }
    }
    callers
}

fn as_json(stand: &Stand, terminal: &mut Terminal) -> io::Result<()> {
    let sites = stand.sites.iter().map(|site| {
        let tokens: serde_json::Map<String, serde_json::Value> = callers(site.org)
            .into_iter()
            .map(|who| (who.name.to_owned(), stand.issuer.token(who, now_s(), VALID_S).into()))
            .collect();
        let requests = samples(site.org).into_iter().map(|(step, who)| {
            json!({
                "story": step.story, "caller": who.name, "who": who.title, "method": step.method,
                "url": format!("{}{}", site.url, step.target), "purpose": step.purpose,
                "expect": {"status": step.expect.status, "clause": step.expect.clause, "code": step.expect.code},
            })
        });
        json!({
            "organization": site.org.id(), "title": site.title, "url": site.url, "backend": site.backend,
            "log": site.log_folder, "tokens": tokens, "requests": requests.collect::<Vec<_>>(),
        })
    });
    let document = json!({"gate": stand.origin, "data": stand.folder().path(), "valid_s": VALID_S, "sites": sites.collect::<Vec<_>>()});
    terminal.line(document.to_string())
}

fn as_lines(stand: &Stand, terminal: &mut Terminal) -> io::Result<()> {
    let paint = terminal.paint;
    terminal.line(paint.bold("Sekisho: a gate in front of sample APIs, on this machine only"))?;
    terminal
        .wrapped("", "Nobody here is real. Paste the first block of an organisation, then any request below it.")?;
    for site in &stand.sites {
        terminal.line("")?;
        terminal.line(paint.bold(&format!("── {} ──", site.org.id())))?;
        for line in wrap(&site.title, 78) {
            terminal.line(format!("# {line}"))?;
        }
        terminal.line(format!("url={}", site.url))?;
        for who in callers(site.org) {
            terminal.line(format!("{}={}", who.name, stand.issuer.token(who, now_s(), VALID_S)))?;
        }
        for (step, who) in samples(site.org) {
            terminal.line("")?;
            for line in wrap(&format!("{} ({})", step.story, who.title), 78) {
                terminal.line(paint.dim(&format!("# {line}")))?;
            }
            let outcome = match (step.expect.status, step.expect.code) {
                (status, "") => paint.green(&format!("# → {status}")).into_owned(),
                (status, code) => paint.red(&format!("# → {status} {code}")).into_owned(),
            };
            terminal.line(outcome)?;
            for line in curl(step, who) {
                terminal.line(line)?;
            }
        }
    }
    terminal.line("")?;
    terminal.line(paint.bold("── what was recorded ──"))?;
    for site in &stand.sites {
        terminal.line(format!("sekisho audit tail -n 6 {}", site.log_folder.display()))?;
    }
    terminal.line("")?;
    terminal.line(format!("Tokens are valid for {} hours. Ctrl-C ends it.", VALID_S / 3600))
}

/// A request to paste, in lines of at most 80 columns.
fn curl(step: &Step, who: &Who) -> Vec<String> {
    let mut lines = vec![format!("curl -s -X {} \"$url{}\" \\", step.method, step.target)];
    if step.method == "GET" {
        lines = vec![format!("curl -s \"$url{}\" \\", step.target)];
    }
    lines.push(format!("  -H \"Authorization: Bearer ${}\" \\", who.name));
    for (name, value) in step.fields {
        lines.push(format!("  -H '{name}: {value}' \\"));
    }
    if !step.body.is_empty() {
        lines.push(format!("  -H 'Content-Type: application/json' -d '{}' \\", step.body));
    }
    lines.push(format!("  -H 'Purpose-Of-Use: {}'", step.purpose));
    lines
}

async fn tour(orgs: &[Org], folder: Folder, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let paint = terminal.paint;
    let mut failed = Vec::new();
    let mut org = None;
    let outcome = tour::take(orgs, folder, |told| {
        if org != Some(told.site.org) {
            org = Some(told.site.org);
            terminal.line("")?;
            terminal.line(paint.bold(&format!("── {} ──", told.site.org.id())))?;
        }
        if !told.faults.is_empty() {
            failed.push(format!("{:2} {}: {}", told.number, told.site.org.id(), told.faults.join("; ")));
        }
        tell(told, terminal)?;
        terminal.finish()
    });
    let outcome = outcome.await??;
    terminal.line("")?;
    for log in &outcome.logs {
        let (mark, detail) = match log.faults.is_empty() {
            true => (
                paint.green("✓"),
                format!(
                    "log intact, {} for {}",
                    count(int(log.records), "record"),
                    count(int(log.requests), "request")
                ),
            ),
            false => (paint.red("✗"), log.faults.join("; ")),
        };
        terminal.line(format!("{mark} {:<10} {detail}", log.org.id()))?;
    }
    let as_expected = outcome.requests - outcome.failed;
    let sum = format!("{as_expected} of {} as the policies say", count(outcome.requests, "request"));
    terminal.line("")?;
    for line in &failed {
        terminal.wrapped(&format!("{} ", paint.red("✗")), line)?;
    }
    terminal.line(if outcome.is_good() { paint.green(&sum) } else { paint.red(&sum) })?;
    Ok(if outcome.is_good() { Exit::Good } else { Exit::Wrong })
}

fn int(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Two or three lines of one step.
fn tell(told: &Told<'_>, terminal: &mut Terminal) -> io::Result<()> {
    let paint = terminal.paint;
    let mark = if told.faults.is_empty() { paint.green("✓") } else { paint.red("✗") };
    for (index, line) in wrap(told.step.story, COLUMNS - 6).iter().enumerate() {
        match index {
            0 => terminal.line(format!("{:3} {mark} {line}", told.number))?,
            _ => terminal.line(format!("      {line}"))?,
        }
    }
    let who = match told.step.token {
        Token::Missing => "someone without a token",
        Token::Foreign => "someone with a token of an unknown issuer",
        Token::Of(who) => who.title,
    };
    // A space behind a semicolon changes nothing (RFC 9651 §3.1.2), and lets a line be cut there.
    let purpose = told.step.purpose.replace(';', "; ");
    let purpose = if purpose.is_empty() { "no purpose" } else { purpose.as_str() };
    terminal.wrapped("      ", &format!("{who} · {purpose} · {} {}", told.step.method, target(told.step)))?;
    let status = match told.status {
        200..=299 => paint.green(&told.status.to_string()).into_owned(),
        _ => paint.red(&told.status.to_string()).into_owned(),
    };
    terminal.wrapped(&format!("      {status} "), &result(told))
}

/// The target as the script has it: a pseudonym is long, and another in each run.
fn target(step: &Step) -> String {
    match (step.target.split_once('{'), step.target.split_once('}')) {
        (Some((head, _)), Some((_, tail))) => format!("{head}<pseudonym>{tail}"),
        _ => step.target.to_owned(),
    }
}

fn result(told: &Told<'_>) -> String {
    let mut parts = Vec::new();
    if !told.codes.is_empty() {
        parts.push(told.codes.join(", "));
    }
    if !told.clause.is_empty() {
        parts.push(format!("clause {}", told.clause));
    }
    if let Some((behind, here)) = told.entries
        && behind != here
    {
        parts.push(format!("{here} of {behind} entries"));
    }
    if let Some(coding) = &told.coding {
        parts.push(coding.clone());
    }
    if !told.cut.is_empty() {
        parts.push(format!("cut {}", told.cut.join(" ")));
    }
    if !told.changed.is_empty() {
        parts.push(format!("coarser or pseudonym {}", told.changed.join(" ")));
    }
    if parts.is_empty() { "as it is behind the gate".to_owned() } else { parts.join(" · ") }
}
