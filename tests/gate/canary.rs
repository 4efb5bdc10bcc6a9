//! Whatever is asked, however the backend answers, no value of a category that may not leave does: the layer's generated
//! requests (`layer/cases`) over sockets, in HTTP/1.1 and HTTP/2, well and badly made, in every coding on both sides.
//!
//! Looked at: every byte that a caller gets, as it came and decoded, with all fields and trailers; the access log's files;
//! the metrics; whatever the program said on standard error; every file that it wrote, and what it sent elsewhere in every format.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sekisho::cli::documents;
use sekisho::demo::sample::{Org, Sample};
use sekisho::proxy::sites::now_ms;
use sekisho::registry::{Options, Registry};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::coded::{decoded, encoded};
use super::support::{Asked, Site, ask, backend, long, minted, soon};
use super::unruly::{Manner, NUMBERED};
use crate::layer::cases::{Case, Random, World, tokens};

/// So many at once.
const BATCH: usize = 16;
const ACCEPTED: [&str; 8] = ["", "gzip", "br", "zstd", "deflate", "gzip;q=0.5, br", "*", "identity, zstd;q=0.2"];

/// How a request is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) h2: bool,
    accept: &'static str,
    /// What is wrong with it, beyond what the case says.
    fault: Option<Fault>,
}

/// What is wrong with a request's form, over HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Fields that a gate must not heed; the request is as good as without them.
    Fields(&'static str),
    /// It may never be answered with data.
    Refused(&'static str),
    /// Its target has this before or after it; it may never be answered with data.
    Target(&'static str, &'static str),
}

const FAULTS: [Fault; 16] = [
    Fault::Fields("Range: bytes=0-20\r\n"),
    Fault::Fields("X-HTTP-Method-Override: GET\r\nX-Original-URL: /\r\n"),
    Fault::Fields("If-None-Match: *\r\nTE: trailers, gzip\r\n"),
    Fault::Fields("X-Forwarded-For: 127.0.0.1\r\nCookie: a=b\r\nPrefer: return=representation\r\n"),
    Fault::Refused("Purpose-Of-Use: care\r\n"),
    Fault::Refused("Authorization: Bearer x.y.z\r\n"),
    Fault::Refused("Connection: purpose-of-use\r\n"),
    Fault::Refused("Host: other\r\n"),
    Fault::Refused("Transfer-Encoding: gzip\r\n"),
    Fault::Refused("X-Folded: a\r\n b\r\n"),
    Fault::Refused("X-Nul: a\0b\r\n"),
    Fault::Refused("Space : a\r\n"),
    Fault::Refused("Expect: something\r\n"),
    Fault::Refused("Upgrade: websocket\r\n"),
    Fault::Target("/x/..", ""),
    Fault::Target("", "%00"),
];

impl Way {
    pub(super) fn random(random: &mut Random) -> Way {
        let fault = random.percent(15).then(|| *random.pick(&FAULTS));
        Way { h2: fault.is_none() && random.percent(35), accept: random.pick::<&str>(&ACCEPTED), fault }
    }

    pub(super) fn may_be_answered(&self) -> bool {
        !matches!(self.fault, Some(Fault::Refused(_) | Fault::Target(..)))
    }
}

/// What came back.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) coding: String,
    /// Everything: fields, trailers, the body as it came and decoded.
    pub(super) all: String,
    /// The body, decoded.
    body: String,
}

impl Got {
    async fn new(status: u16, coding: &str, told: &[u8], body: &[u8]) -> Got {
        let body = String::from_utf8_lossy(&decoded(coding, body).await).into_owned();
        Got { status, coding: coding.to_owned(), all: format!("{} {body}", String::from_utf8_lossy(told)), body }
    }
}

/// The fields of a case, beside `Host`.
fn fields(case: &Case, way: Way, number: usize) -> Vec<(&'static str, String)> {
    let mut fields = vec![(NUMBERED, format!("x-{number}")), ("purpose-of-use", case.declaration())];
    if !case.stranger {
        fields.push(("authorization", format!("Bearer {}", minted(&case.claims()))));
    }
    if !way.accept.is_empty() {
        fields.push(("accept-encoding", way.accept.to_owned()));
    }
    if case.dry_run {
        fields.push(("purpose-of-use-dry-run", "?1".to_owned()));
    }
    if !case.body.is_empty() {
        fields.push(("content-type", "application/json".to_owned()));
    }
    fields
}

pub(super) async fn ask_h1(gate: SocketAddr, case: &Case, way: Way, number: usize) -> Got {
    let (before, after, more) = match way.fault {
        None => ("", "", ""),
        Some(Fault::Fields(more) | Fault::Refused(more)) => ("", "", more),
        Some(Fault::Target(before, after)) => (before, after, ""),
    };
    let (path, query) =
        case.target.split_once('?').map_or((&*case.target, String::new()), |(p, q)| (p, format!("?{q}")));
    let mut request = format!("{} {before}{path}{after}{query} HTTP/1.1\r\nHost: localhost\r\n{more}", case.method);
    for (name, value) in fields(case, way, number) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = if case.body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", case.body.len()) };
    request.push_str(&format!("{length}Connection: close\r\n\r\n{}", case.body));
    let coming = ask(gate, request.as_bytes(), |_| ()).await;
    let coding = coming.field("content-encoding").unwrap_or("").to_owned();
    Got::new(coming.status().unwrap_or(0), &coding, &coming.told(), &coming.body).await
}

pub(super) async fn ask_h2(mut client: SendRequest<Full<Bytes>>, case: &Case, way: Way, number: usize) -> Got {
    let mut request = Request::builder().method(case.method.as_str()).uri(format!("http://localhost{}", case.target));
    for (name, value) in fields(case, way, number) {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(case.body.clone()))).unwrap();
    // A body that is cut at once resets the stream, and takes a head that was not sent yet with it.
    let Ok(response) = soon(client.send_request(request)).await else { return Got::new(0, "", b"", b"").await };
    let (head, mut body) = response.into_parts();
    let mut told = format!("{:?}", head.headers).into_bytes();
    let mut data = Vec::new();
    while let Some(Ok(frame)) = soon(body.frame()).await {
        match frame.into_data() {
            Ok(bytes) => data.extend_from_slice(&bytes),
            Err(other) => told.extend(format!("{:?}", other.into_trailers()).into_bytes()),
        }
    }
    told.extend_from_slice(&data);
    let coding = head.headers.get("content-encoding").map_or("", |coding| coding.to_str().unwrap());
    Got::new(head.status.as_u16(), coding, &told, &data).await
}

/// A connection over HTTP/2.
pub(super) async fn opened(gate: SocketAddr) -> SendRequest<Full<Bytes>> {
    let io = TokioIo::new(TcpStream::connect(gate).await.unwrap());
    let (client, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A gate before the backend of an organisation, and what may leave it.
struct Stand {
    org: Org,
    seed: u64,
    site: Site,
    world: World,
}

/// What was released: how it had come and how it went, to how often.
type Seen = BTreeMap<String, usize>;

impl Stand {
    /// Asks this many generated requests.
    async fn ask(&mut self, gate: SocketAddr, requests: usize) -> (Seen, usize, usize) {
        let client = opened(gate).await;
        let mut random = Random(self.seed);
        let (mut seen, mut released, mut told) = (Seen::new(), 0, 0);
        for first in (0..requests).step_by(BATCH) {
            let mut asking = JoinSet::new();
            for number in first..requests.min(first + BATCH) {
                let (case, way) = (self.case(&mut random, number), Way::random(&mut random));
                let client = client.clone();
                asking.spawn(async move {
                    let got = match way.h2 {
                        true => ask_h2(client, &case, way, number).await,
                        false => ask_h1(gate, &case, way, number).await,
                    };
                    (number, case, way, got)
                });
            }
            let mut answered = asking.join_all().await;
            answered.sort_by_key(|(number, ..)| *number);
            for (number, case, way, got) in answered {
                told += self.look(number, &case, way, &got);
                if (200..300).contains(&got.status) {
                    released += 1;
                    let manner = Manner::of(self.seed, number);
                    *seen.entry(format!("{} as {}", if way.h2 { "h2" } else { "h1" }, got.coding)).or_default() += 1;
                    *seen.entry(format!("from {}", manner.coding)).or_default() += 1;
                    self.world.learn(&got.body);
                }
            }
        }
        (seen, released, told)
    }

    /// Most requests of chance are refused: more of those that may be answered.
    fn case(&mut self, random: &mut Random, number: usize) -> Case {
        let mut case = self.world.case(random, number);
        if random.percent(60) {
            let mut tries = 0;
            while tries < 20 && self.world.bound(&case, now_ms().cast_signed()).is_none() {
                case = self.world.case(random, number);
                tries += 1;
            }
        }
        case
    }

    /// Fails if anything is there that may not be; how many values there are.
    fn look(&self, number: usize, case: &Case, way: Way, got: &Got) -> usize {
        let may = way.may_be_answered() && (200..300).contains(&got.status);
        let bound = if may { self.world.bound(case, now_ms().cast_signed()) } else { None };
        let leaks = self.world.leaks(&got.all, case, bound);
        assert!(
            leaks.is_empty(),
            "{:?} SEKISHO_SEED={} request {number}: {} {} `{}` by {:?}/{:?}, h2 {}, fault {:?}, backend {:?}: {} {labels:?} left",
            self.org,
            self.seed,
            case.method,
            case.target,
            case.declaration(),
            case.role,
            case.organization,
            way.h2,
            way.fault,
            Manner::of(self.seed, number),
            got.status,
            labels = leaks.iter().map(|leak| (leak, &self.world.canaries[*leak])).collect::<Vec<_>>(),
        );
        tokens(&got.body).filter(|token| self.world.canaries.contains_key(*token)).count()
    }

    /// Fails if a value is where none may be: `text` is the program's own.
    fn own_words(&self, what: &str, text: &str) {
        assert!(!text.is_empty(), "no {what}");
        let found: Vec<&str> = tokens(text).filter(|token| self.world.canaries.contains_key(*token)).collect();
        assert!(found.is_empty(), "{:?} SEKISHO_SEED={}: {found:?} in {what}", self.org, self.seed);
    }

    /// Of every other file that the program wrote: what it keeps beside the log, and what it sent elsewhere in every format. A
    /// person's id may stand in the registry, which is about persons, and where he called himself.
    fn whole_folder(&self) {
        let people: HashSet<&str> = self.world.ids.values().flatten().map(String::as_str).collect();
        let callers = self.callers();
        let (mut folders, mut files) = (vec![self.site.data(), self.site.scratch.0.join("sent")], 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&self.site.scratch.0).unwrap().display().to_string();
                if name.starts_with("data/log/gate/") && name.ends_with(".jsonl") {
                    continue;
                }
                let bytes = std::fs::read(&path).unwrap();
                let is_registry = name.starts_with("data/registry.sqlite");
                for token in tokens(&String::from_utf8_lossy(&bytes)).filter(|it| self.world.canaries.contains_key(*it))
                {
                    let may = callers.contains(token) || (is_registry && people.contains(token));
                    assert!(may, "{:?} SEKISHO_SEED={}: `{token}` in {name}", self.org, self.seed);
                }
                files += 1;
                assert!(!name.starts_with("sent/") || bytes.len() > 1000, "{name} holds {} bytes", bytes.len());
            }
        }
        assert!(files > FORMATS.len() * 2, "{files} files");
    }

    /// Persons who called themselves, by the log.
    fn callers(&self) -> HashSet<String> {
        let log = self.site.log();
        let mut reader = sekisho::audit::Reader::new(&log);
        let lines = std::iter::from_fn(|| reader.next_line().unwrap());
        let entries = lines.map(|line| serde_json::from_slice::<serde_json::Value>(&line.bytes).unwrap());
        entries.filter_map(|record| Some(record["caller"]["id"].as_str()?.to_owned())).collect()
    }

    /// Of the log's files: a person who asked for his own record stands there as the caller, and no other value does.
    fn records(&self) {
        let people: HashSet<&str> = self.world.ids.values().flatten().map(String::as_str).collect();
        let mut records = 0;
        for file in std::fs::read_dir(self.site.data().join("log/gate")).unwrap() {
            let text = String::from_utf8(std::fs::read(file.unwrap().path()).unwrap()).unwrap();
            for line in text.trim_end_matches('\0').lines() {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                let caller = record["caller"]["id"].as_str().unwrap_or_default();
                for token in tokens(line).filter(|token| self.world.canaries.contains_key(*token)) {
                    let his = token == caller && people.contains(caller);
                    assert!(his, "{:?} SEKISHO_SEED={}: `{token}` on record: {line}", self.org, self.seed);
                }
                records += 1;
            }
        }
        assert!(records > 100, "{records} records");
    }
}

/// Every format that records are sent in.
const FORMATS: [&str; 6] = ["jsonl", "csv", "ocsf", "fhir", "otlp", "syslog"];

/// Settings by which the gate writes each of them to a file.
fn sinks() -> String {
    let one =
        |format| format!("[[audit.sink]]\nname = \"{format}\"\nformat = \"{format}\"\nto = \"file:sent/{format}\"\n");
    FORMATS.map(one).concat()
}

fn seed() -> u64 {
    let given = std::env::var("SEKISHO_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or(if long() { now_ms() } else { 20_261_122 })
}

async fn run(org: Org) {
    let (seed, requests) = (seed(), if long() { 6000 } else { 220 });
    println!("{org:?}: SEKISHO_SEED={seed}, {requests} requests");
    let made = Sample::canaries(org, seed);
    // The same data again: the world reads them, the backend answers with them.
    let sample = Arc::new(Sample::canaries(org, seed).sample);
    let values: Arc<Vec<String>> = Arc::new(made.values.keys().filter(|value| value.is_ascii()).cloned().collect());
    let answer = move |asked: Asked, stream: TcpStream| {
        let (sample, values) = (Arc::clone(&sample), Arc::clone(&values));
        async move {
            let manner = Manner::of(seed, asked.number());
            let (path, query) = asked.target.split_once('?').map_or((&*asked.target, None), |(p, q)| (p, Some(q)));
            let answer = sample.respond(&asked.method, path, query, &asked.body);
            let body = encoded(manner.coding, &answer.body).await;
            manner.answer(stream, answer.status, answer.content_type, body, &values).await
        }
    };
    let site = Site::new(org, &backend(answer).await, &sinks());
    std::fs::create_dir(site.scratch.0.join("sent")).unwrap();
    let running = site.start();
    let revisions = documents::revisions(&site.scratch.0.join("policy")).unwrap();
    let policy = revisions.newest().unwrap();
    let options = Options { create: false, staleness_ms_max: 0 };
    let file = site.data().join("registry.sqlite");
    let registry = Registry::open(&file, &policy.vocabulary, &policy.zone, options).unwrap();
    let world = World::new(org, &made, policy, Arc::new(registry), now_ms().cast_signed());
    let mut stand = Stand { org, seed, site, world };

    let (seen, released, told) = stand.ask(running.gate, requests).await;
    println!("{org:?}: {released} released with {told} values: {seen:?}");
    assert!(released > requests / 10 && told > requests, "vacuous");
    for way in ["h1 as ", "h2 as ", "from identity", "from gzip", "from br", "from zstd", "from deflate"] {
        assert!(seen.contains_key(way), "nothing released {way}: vacuous, {seen:?}");
    }
    assert!(seen.keys().any(|way| way.ends_with("as gzip") || way.ends_with("as zstd")), "nothing coded: {seen:?}");

    let metrics = ask(running.admin, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", |_| ());
    let metrics = String::from_utf8_lossy(&metrics.await.wire).into_owned();
    assert!(metrics.contains("sekisho_requests_total") && !metrics.contains("panics"), "{metrics}");
    stand.own_words("metrics", &metrics);
    stand.own_words("standard error", &running.end());
    stand.records();
    stand.whole_folder();
    assert!(sekisho::audit::verify(&stand.site.log()).unwrap().is_intact());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_the_society_leaves_over_sockets() {
    run(Org::Jsco).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_the_donor_program_leaves_over_sockets() {
    run(Org::Jmdp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_the_information_organisation_leaves_over_sockets() {
    run(Org::Cemit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_the_health_checks_leaves_over_sockets() {
    run(Org::Cellspect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_the_clinic_leaves_over_sockets() {
    run(Org::Sakura).await;
}
