//! FHIR R4 over sockets: resources of many types, filled in every element, for callers who see parts of them. What is withheld
//! leaves in no coding, by no field, trailer, link, error, log or metric; and an answer is as long whatever it would have been.

use std::collections::BTreeMap;
use std::sync::Arc;

use sekisho::catalogue::Catalogue;
use sekisho::catalogue::fields::Meaning;
use sekisho::cli::documents;
use sekisho::demo::sample::Org;
use sekisho::policy::Vocabulary;
use sekisho::proxy::sites::now_ms;
use sekisho::registry::{Entry, Options, Registry};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::canary::{Got, Way, ask_h1, ask_h2, opened};
use super::coded::{decoded, encoded};
use super::support::{Asked, Running, Site, ask, backend, long, minted};
use super::unruly::{Manner, NUMBERED};
use crate::layer::cases::{Case, Random};
use crate::redact::breadth::{Canary, Filled};

pub(super) const CODINGS: [&str; 5] = ["identity", "gzip", "br", "zstd", "deflate"];
const SEED: u64 = 20_261_123;

/// Who asks: his role, his purpose, and what of it the policy shows him as it is.
pub(super) const CALLERS: [(&str, &str, &[&str]); 2] = [
    ("student", "operations.student-training", &["health.", "identity.gender"]),
    (
        "accountant",
        "administration.accounting",
        &[
            "identity.name",
            "identity.birth-date",
            "identity.gender",
            "identity.number",
            "contact.",
            "finance.",
            "insurance.",
        ],
    ),
];

/// A filled resource of a type: about `p1`, and the same about `p2`, who had use stopped.
pub(super) struct Sheet {
    pub(super) kind: String,
    resource: Value,
    canaries: Vec<Canary>,
}

fn put(value: &mut Value, pointer: &str, text: &str) {
    let path = pointer.replace('*', "0");
    if let Some(place) = value.pointer_mut(&path) {
        *place = json!(text);
    }
}

pub(super) fn sheets(vocabulary: &Vocabulary) -> Vec<Sheet> {
    let catalogue = Catalogue::read([Catalogue::fhir_r4_source()], vocabulary).unwrap();
    let always = ["Patient", "Observation", "Condition", "Claim", "Invoice", "Coverage", "Practitioner", "Encounter"];
    let mut kinds: Vec<_> = catalogue.types().iter().collect();
    kinds.sort_by_key(|(name, _)| name.to_string());
    let some =
        kinds.into_iter().enumerate().filter(|(n, (name, _))| long() || n % 7 == 0 || always.contains(&&***name));
    some.map(|(_, (name, known))| {
        let mut filled = Filled::default();
        let mut resource = filled.value(&known.node, None, "", 0).unwrap();
        resource["resourceType"] = json!(&**name);
        resource["id"] = json!("x1");
        if let Some(subject) = &known.subject {
            let steps: Vec<&str> = subject.pointer().steps().collect();
            let person = if subject.is_reference() { "Patient/p1" } else { "p1" };
            put(&mut resource, &format!("/{}", steps.join("/")), person);
        }
        Sheet { kind: name.to_string(), resource, canaries: filled.canaries }
    })
    .collect()
}

/// Whether a caller who sees these categories may see it. Free text counts as all that its resource can carry.
fn may(vocabulary: &Vocabulary, shown: &[&str], sheet: &Sheet, canary: &Canary) -> bool {
    let sees = |canary: &Canary| match canary.meaning {
        Some(Meaning::Category(category)) => {
            let name = vocabulary.name(category);
            shown.iter().any(|known| if known.ends_with('.') { name.starts_with(known) } else { name == *known })
        }
        _ => true,
    };
    match canary.meaning {
        Some(Meaning::Category(_)) => sees(canary),
        Some(Meaning::Open | Meaning::Count) => true,
        Some(Meaning::Everything | Meaning::Link) => sheet.canaries.iter().all(sees),
        Some(Meaning::Never) | None => false,
    }
}

/// The answer to a target: the resource itself, or a list of it and of the same of the person who had use stopped.
fn document(resource: &Value, target: &str, pretty: bool) -> Vec<u8> {
    let hidden: Value = serde_json::from_str(&resource.to_string().replace("p1\"", "p2\"")).unwrap();
    let entry =
        |resource: &Value| json!({"fullUrl": "http://backend/x", "resource": resource, "search": {"mode": "match"}});
    let bundle =
        json!({"resourceType": "Bundle", "type": "searchset", "total": 2, "entry": [entry(&hidden), entry(resource)]});
    let document = if target.contains("/x1") || target.contains("/p1") { resource } else { &bundle };
    if pretty { serde_json::to_vec_pretty(document).unwrap() } else { serde_json::to_vec(document).unwrap() }
}

fn case(number: usize, sheets: &[Sheet], random: &mut Random) -> (usize, usize, Case) {
    let (sheet, caller) = (number % sheets.len(), random.below(CALLERS.len()));
    let kind = &sheets[sheet].kind;
    let id = if kind == "Patient" { "p1" } else { "x1" };
    let target = match random.below(10) {
        0..5 => format!("/{kind}"),
        5..9 => format!("/{kind}/{id}"),
        _ => format!("/{kind}/{id}/_history/1"),
    };
    let method = if random.percent(20) { "HEAD" } else { "GET" };
    let (role, purpose, _) = CALLERS[caller];
    let case = Case {
        caller: format!("staff-{role}-{}", number % 16),
        role: Some(role.into()),
        purpose: purpose.into(),
        method: method.into(),
        target,
        ..Case::default()
    };
    (sheet, caller, case)
}

/// A gate before this backend, of a clinic where `p2` had use stopped.
pub(super) fn started(upstream: &str) -> (Site, Running) {
    let site = Site::new(Org::Sakura, upstream, "catalogue = \"fhir-r4\"");
    let running = site.start();
    let revisions = documents::revisions(&site.scratch.0.join("policy")).unwrap();
    let policy = revisions.newest().unwrap();
    let options = Options { create: false, staleness_ms_max: 0 };
    let registry =
        Registry::open(&site.data().join("registry.sqlite"), &policy.vocabulary, &policy.zone, options).unwrap();
    let entry = Entry::parse("restriction", ["subject=p2", "name=stop-use"]).unwrap();
    registry.add(&entry, &[Arc::clone(policy)], "test", now_ms().cast_signed()).unwrap();
    (site, running)
}

/// All that is on record.
fn records(site: &Site) -> String {
    let files = std::fs::read_dir(site.data().join("log/gate")).unwrap();
    files.map(|file| String::from_utf8(std::fs::read(file.unwrap().path()).unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_withheld_of_any_resource_leaves_over_sockets() {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let sheets = Arc::new(sheets(&vocabulary));
    let requests = if long() { 4000 } else { 300 };
    let marks: Vec<String> =
        sheets.iter().flat_map(|sheet| sheet.canaries.iter().take(40).map(|c| c.mark.clone())).collect();
    let (served, marks) = (Arc::clone(&sheets), Arc::new(marks));
    let answer = move |asked: Asked, stream: TcpStream| {
        let (sheets, marks) = (Arc::clone(&served), Arc::clone(&marks));
        async move {
            let manner = Manner::of(SEED, asked.number());
            let sheet = &sheets[asked.number() % sheets.len()];
            let body = document(&sheet.resource, &asked.target, asked.number().is_multiple_of(3));
            manner.answer(stream, 200, "application/fhir+json", encoded(manner.coding, &body).await, &marks).await
        }
    };
    let (site, running) = started(&backend(answer).await);
    let h2 = opened(running.gate).await;
    let mut random = Random(SEED);
    let (mut shown, mut withheld, mut ways) = (0, 0, BTreeMap::<String, usize>::new());
    for number in 0..requests {
        let (sheet, caller, case) = case(number, &sheets, &mut random);
        let way = Way::random(&mut random);
        let got: Got = match way.h2 {
            true => ask_h2(h2.clone(), &case, way, number).await,
            false => ask_h1(running.gate, &case, way, number).await,
        };
        let released = way.may_be_answered() && (200..300).contains(&got.status) && case.method == "GET";
        for canary in &sheets[sheet].canaries {
            let (left, allowed) = (
                got.all.contains(&canary.mark),
                released && may(&vocabulary, CALLERS[caller].2, &sheets[sheet], canary),
            );
            assert!(
                allowed || !left,
                "SEED {SEED} request {number}: {} {} by {:?}, {way:?}, backend {:?}: {} of {} left: {}",
                case.method,
                case.target,
                case.role,
                Manner::of(SEED, number),
                canary.mark,
                canary.place,
                got.all
            );
            (shown, withheld) = (shown + usize::from(left), withheld + usize::from(!allowed));
        }
        if got.status == 200 {
            let version = if way.h2 { "h2" } else { "h1" };
            *ways.entry(format!("{} over {version} as `{}`", case.method, got.coding)).or_default() += 1;
            *ways.entry(format!("from {}", Manner::of(SEED, number).coding)).or_default() += 1;
        }
    }
    println!("{requests} requests: {shown} values shown, {withheld} withheld, {ways:?}");
    assert!(shown > 1000 && withheld > 10_000 && ways.len() > 12, "vacuous: {shown} {withheld} {ways:?}");
    let metrics = ask(running.admin, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", |_| ());
    let own = [String::from_utf8_lossy(&metrics.await.wire).into_owned(), running.end(), records(&site)];
    for (what, text) in ["metrics", "standard error", "log"].iter().zip(&own) {
        assert!(text.len() > 100, "no {what}");
        let found = sheets.iter().flat_map(|sheet| &sheet.canaries).find(|canary| text.contains(&canary.mark));
        assert!(found.is_none(), "{} in {what}", found.unwrap().mark);
    }
}

/// The same resource, of which everything that this caller may not see says something else, of another length. A pseudonym is seen:
/// it says which id it is.
fn otherwise(vocabulary: &Vocabulary, shown: &[&str], sheet: &Sheet, salt: usize) -> Value {
    let mut text = sheet.resource.to_string();
    let changes = |canary: &Canary| {
        let id = matches!(canary.meaning, Some(Meaning::Category(c)) if vocabulary.name(c) == "identity.number");
        !id && !may(vocabulary, shown, sheet, canary)
    };
    for (number, canary) in sheet.canaries.iter().enumerate().filter(|(_, canary)| changes(canary)) {
        text = text.replace(&canary.mark, &format!("other-{number}-{}", "x".repeat((number * salt) % 400)));
    }
    serde_json::from_str(&text).unwrap()
}

/// Everything of an answer over HTTP/1.1 but its decision's id and time: fields, lengths of chunks, bytes.
fn told(wire: &[u8]) -> String {
    let text: String = wire.iter().map(|byte| char::from(*byte)).collect();
    let lines = text.split("\r\n").filter(|line| !line.to_lowercase().starts_with("date:"));
    let blank = |line: &str| match line.split_once("id=\"") {
        Some((before, after)) if line.to_lowercase().starts_with("purpose-of-use-decision") => {
            format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest))
        }
        _ => line.to_owned(),
    };
    lines.map(blank).collect::<Vec<_>>().join("\r\n")
}

/// A backend of two worlds for each caller, which differ only in what he may not see; its origin. A request's number says which
/// world of which caller answers ([`numbered`]), with which resource, in which coding.
pub(super) async fn two_worlds(vocabulary: &Vocabulary, sheets: &[Sheet]) -> String {
    let worlds: Vec<[Vec<Value>; 2]> = CALLERS
        .iter()
        .map(|(_, _, shown)| {
            [0, 7].map(|salt| sheets.iter().map(|sheet| otherwise(vocabulary, shown, sheet, salt)).collect())
        })
        .collect();
    let worlds = Arc::new(worlds);
    let served = Arc::clone(&worlds);
    let answer = move |asked: Asked, mut stream: TcpStream| {
        let worlds = Arc::clone(&served);
        async move {
            let number = asked.number();
            let (world, caller, coding) = (number % 2, number / 2 % 2, CODINGS[number / 4 % 5]);
            let body = document(&worlds[caller][world][number / 20], &asked.target, (number / 4).is_multiple_of(3));
            let length = body.len();
            let body = encoded(coding, &body).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\
                 ETag: \"{length}-{world}\"\r\nContent-Digest: sha-256=:{length}:\r\nLast-Modified: Sun, 22 Nov 2026 0{world}:00:00 GMT\r\n\r\n",
                body.len()
            );
            stream
                .write_all(&[head.replace("Content-Encoding: identity\r\n", "").as_bytes(), &body].concat())
                .await
                .ok()?;
            Some(stream)
        }
    };
    backend(answer).await
}

/// The number of a request of this world and caller, for this resource in the n-th coding.
pub(super) const fn numbered(world: usize, caller: usize, coding: usize, sheet: usize) -> usize {
    world + caller * 2 + coding * 4 + sheet * 20
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_as_long_whatever_was_withheld() {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let sheets = sheets(&vocabulary);
    let (_site, running) = started(&two_worlds(&vocabulary, &sheets).await);
    let (mut alike, mut released, mut unchanged) = (0, 0, 0);
    for sheet in 0..sheets.len() {
        for (caller, (role, purpose, _)) in CALLERS.iter().enumerate() {
            let kind = &sheets[sheet].kind;
            let id = if kind == "Patient" { "p1" } else { "x1" };
            let token = minted(&json!({"sub": format!("{role}-{sheet}"), "roles": [role]}));
            for (from, target) in [format!("/{kind}"), format!("/{kind}/{id}")].iter().enumerate() {
                let coding = CODINGS[(sheet + from) % 5];
                let mut tag = String::new();
                for (method, accept, condition) in [
                    ("GET", "identity", ""),
                    ("GET", coding, ""),
                    ("HEAD", coding, ""),
                    ("GET", coding, "If-None-Match: "),
                    ("HEAD", "identity", "If-None-Match: "),
                ] {
                    let condition = if condition.is_empty() || tag.is_empty() {
                        String::new()
                    } else {
                        format!("{condition}{tag}\r\n")
                    };
                    let mut answers = Vec::new();
                    for world in 0..2 {
                        let number = numbered(world, caller, (sheet + from) % 5, sheet);
                        let request = format!(
                            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nPurpose-Of-Use: {purpose}\r\n\
                             Accept-Encoding: {accept}\r\n{NUMBERED}: x-{number}\r\n{condition}Connection: close\r\n\r\n"
                        );
                        answers.push(ask(running.gate, request.as_bytes(), |_| ()).await);
                    }
                    let [first, second] = &answers[..] else { panic!() };
                    let coding = first.field("content-encoding").unwrap_or("").to_owned();
                    let read = [decoded(&coding, &first.body).await, decoded(&coding, &second.body).await];
                    let said = |answer: &super::support::Coming, body: &[u8]| {
                        // An error's body holds the decision's id, of a fixed length.
                        let whole = answer.status() == Some(200) || answer.status() == Some(304);
                        if whole { told(&answer.wire) } else { format!("{:?} {}", answer.status(), body.len()) }
                    };
                    assert_eq!(
                        said(first, &read[0]),
                        said(second, &read[1]),
                        "{method} {target} by {role}, accepting {accept}, {condition:?}"
                    );
                    let status = first.status().unwrap();
                    if method == "HEAD" || status == 304 {
                        assert!(
                            first.body.is_empty()
                                && first.field("content-length").is_none_or(|l| l == "0" || status > 399),
                            "{}",
                            told(&first.wire)
                        );
                    }
                    tag = first.field("etag").map_or(tag, str::to_owned);
                    (alike, released, unchanged) =
                        (alike + 1, released + usize::from(status == 200), unchanged + usize::from(status == 304));
                }
            }
        }
    }
    println!("{alike} pairs of answers alike, {released} released, {unchanged} unchanged");
    assert!(alike > 200 && released > 50, "vacuous: {alike} {released}");
    running.end();
}
