//! Does the gate do what the policies say? Every step of the [`script`], asked over TCP, judged on the bytes that came back.
//!
//! The clock is the tour's own and starts at [`START_MS`], so that each run is the same; it moves where a step says so.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::sample::Org;
use super::script::{self, Step, Token};
use super::verdict::{Watch, codes, compare, entries, expected, filled, parameter};
use super::{Answer, Client, DemoError, Folder, Site, Stand};
use crate::audit::{self, Clock};
use crate::store::Directory;

/// When the tour begins; 2026-11-22T09:00 in Tokyo.
pub const START_MS: u64 = 1_795_305_600_000;
/// How long a token of the tour is valid.
const VALID_S: i64 = 86_400;
/// What became of one step.
pub struct Told<'a> {
    /// Its number in the tour, from 1.
    pub number: usize,
    /// Where it was asked.
    pub site: &'a Site,
    /// The step.
    pub step: &'a Step,
    /// The target as it was asked.
    pub target: String,
    /// The status.
    pub status: u16,
    /// The decision field.
    pub decision: String,
    /// The clause that the decision cites, of a permit or of the first reason.
    pub clause: String,
    /// The reasons of a refusal, or its problem.
    pub codes: Vec<String>,
    /// The content coding of the answer.
    pub coding: Option<String>,
    /// Members that stand behind the gate and not in the answer.
    pub cut: Vec<String>,
    /// Members that stand in both and differ.
    pub changed: Vec<String>,
    /// Entries behind the gate, and in the answer.
    pub entries: Option<(usize, usize)>,
    /// What is not as the policy says; nothing where all is.
    pub faults: Vec<String>,
}

/// What became of one log.
pub struct Logged {
    /// Whose.
    pub org: Org,
    /// Records in order.
    pub records: u64,
    /// Requests of known callers.
    pub requests: u64,
    /// What is wrong with it.
    pub faults: Vec<String>,
}

/// How the tour ended.
pub struct Outcome {
    /// Requests made.
    pub requests: usize,
    /// Requests that did not go as the policy says.
    pub failed: usize,
    /// The logs.
    pub logs: Vec<Logged>,
}

impl Outcome {
    /// Whether everything came out as expected.
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.logs.iter().all(|log| log.faults.is_empty())
    }
}

/// Takes the tour of these organisations, telling each step as it is done, and reads the logs at its end.
///
/// # Errors
/// The demonstration cannot be started, or a request got no answer; or `tell` failed.
pub async fn take<E>(
    orgs: &[Org],
    folder: Folder,
    mut tell: impl FnMut(&Told<'_>) -> Result<(), E>,
) -> Result<Result<Outcome, E>, DemoError> {
    let time = Arc::new(AtomicU64::new(START_MS));
    let clock: Arc<dyn Clock> = Arc::new({
        let time = Arc::clone(&time);
        move || time.load(Ordering::SeqCst)
    });
    let stand = Stand::start(orgs, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), folder, clock).await?;
    let client = Client::default();
    let (mut number, mut failed) = (0, 0);
    let mut known = BTreeMap::new();
    for site in &stand.sites {
        let asker = Asker { stand: &stand, site, client: &client, time: &time, watch: Watch::new(&site.sample) };
        let mut before = Value::Null;
        for step in script::steps(site.org) {
            number += 1;
            let (told, answered) = asker.ask(number, step, &before).await?;
            failed += usize::from(!told.faults.is_empty());
            if matches!(step.token, Token::Of(_)) {
                *known.entry(site.org.id()).or_insert(0_u64) += 1;
            }
            if let Err(error) = tell(&told) {
                drop(stand.end().await);
                return Ok(Err(error));
            }
            before = answered;
        }
    }
    let folders: Vec<_> = stand.sites.iter().map(|site| (site.org, site.log_folder.clone())).collect();
    let folder = stand.end().await;
    let mut logs = Vec::new();
    for (org, path) in folders {
        logs.push(read_log(org, &path, known.get(org.id()).copied().unwrap_or(0))?);
    }
    drop(folder);
    Ok(Ok(Outcome { requests: number, failed, logs }))
}

/// Intact, and for each request of a known caller one beginning with its ending, or one refusal.
fn read_log(org: Org, path: &std::path::Path, requests: u64) -> Result<Logged, DemoError> {
    let fault = |error| DemoError::because(path.display(), error);
    let disk = Directory::open_to_read(path).map_err(fault)?;
    let report = audit::verify(&disk).map_err(fault)?;
    let of = |kind: audit::Kind| report.kinds.get(&kind).copied().unwrap_or(0);
    let (begun, ended, refused) = (of(audit::Kind::Begin), of(audit::Kind::End), of(audit::Kind::Refusal));
    let mut faults = Vec::new();
    if let Some(bad) = &report.bad {
        faults.push(bad.to_string());
    }
    if begun != ended || report.open > 0 {
        faults.push(format!("{begun} beginnings, {ended} endings"));
    }
    if begun + refused != requests {
        faults.push(format!("{requests} requests, but {begun} beginnings and {refused} refusals"));
    }
    Ok(Logged { org, records: report.records, requests, faults })
}

struct Asker<'a> {
    stand: &'a Stand,
    site: &'a Site,
    client: &'a Client,
    time: &'a AtomicU64,
    watch: Watch,
}

impl Asker<'_> {
    async fn ask<'s>(&'s self, number: usize, step: &'s Step, before: &Value) -> Result<(Told<'s>, Value), DemoError> {
        if let Ok(at) = step.at.parse::<jiff::Timestamp>() {
            self.time.store(u64::try_from(at.as_millisecond()).unwrap_or(START_MS), Ordering::SeqCst);
        }
        let target = filled(step.target, before);
        let token = match step.token {
            Token::Missing => String::new(),
            Token::Foreign => FOREIGN.to_owned(),
            Token::Of(who) => {
                let now_s = i64::try_from(self.time.load(Ordering::SeqCst) / 1000).unwrap_or(0);
                self.stand.issuer.token(who, now_s, VALID_S)
            }
        };
        let bearer = format!("Bearer {token}");
        let mut fields: Vec<(&str, &str)> = step.fields.to_vec();
        if !token.is_empty() {
            fields.push(("authorization", &bearer));
        }
        if !step.purpose.is_empty() {
            fields.push(("purpose-of-use", step.purpose));
        }
        if !step.body.is_empty() {
            fields.push(("content-type", "application/json"));
        }
        // Asked before the request, for a write changes what lies behind.
        let behind = self.behind(if step.behind.is_empty() { &target } else { step.behind });
        let url = format!("{}{target}", self.site.url);
        let answer = self.client.ask(step.method, &url, &fields, step.body).await?;
        let body = answer.json();
        let told = self.judge(number, step, target, &answer, (&behind, &body));
        Ok((told, body))
    }

    /// What the sample API holds there, as the gate would get it.
    fn behind(&self, target: &str) -> Value {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let answer = self.site.sample.respond("GET", path, query, b"");
        let text = std::str::from_utf8(&answer.body).unwrap_or("");
        serde_json::from_str(text).unwrap_or_else(|_| {
            let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
            lines.map_or(Value::Null, Value::Array)
        })
    }

    fn judge<'s>(
        &'s self,
        number: usize,
        step: &'s Step,
        target: String,
        answer: &Answer,
        (behind, body): (&Value, &Value),
    ) -> Told<'s> {
        let decision = answer.field("purpose-of-use-decision").to_owned();
        let is_permit = decision.starts_with("permit");
        let codes = if is_permit { Vec::new() } else { codes(body) };
        let clause = match is_permit {
            true => parameter(&decision, "clause"),
            false => {
                let first = body.pointer("/reasons/0/clause").or_else(|| body.pointer("/clauses/0"));
                first.and_then(Value::as_str).unwrap_or("").to_owned()
            }
        };
        let (mut cut, mut changed) = (Vec::new(), Vec::new());
        if is_permit && step.method == "GET" {
            compare(behind, body, "", &mut cut, &mut changed);
        }
        let entries = entries(behind).zip(entries(body)).filter(|_| is_permit);
        let mut faults = self.watch.leaks(&answer.body, step.expect.shows_my_number);
        expected(step, answer, body, behind, &clause, &codes, &mut faults);
        Told {
            number,
            site: self.site,
            step,
            target,
            status: answer.status.as_u16(),
            decision,
            clause,
            codes,
            coding: answer.coding.clone(),
            cut,
            changed,
            entries,
            faults,
        }
    }
}

/// Well formed, of an issuer nobody here knows, signed by nobody.
const FOREIGN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2Vsc2V3aGVyZS5pbnZhbGlkIiwiYXVkIjoic2VraXNoby1kZW1vIiwic3ViIjoieCIsImV4cCI6NDEwMjQ0NDgwMH0.c2lnbmVkLWJ5LW5vYm9keS1hdC1hbGwtMDAwMDAwMDAwMDA";
