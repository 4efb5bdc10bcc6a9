//! How fast is the access log's index built, and how fast does it answer?
//!
//! By hand: `cargo bench --bench index -- --records 1000000`. A log of so many records is written straight to segment
//! files below the temporary directory (`TMPDIR`), spread over a year: beginnings with their endings, lists with windows,
//! refusals, of 400 callers about 100,000 persons. Then the index is built from it by the way that the product takes, and
//! each question is asked 21 times, and each of the console's screens: median and worst. Beside it the same machine's limits: the segments read and nothing
//! else, and the index file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a bench")]
#![allow(missing_docs, reason = "a bench")]

use http_body_util::BodyExt as _;
use sekisho::audit::checkpoint::{Signer, SigningKey};
use sekisho::audit::{Options, Seal, time_text};
use sekisho::console::{Accounts, AuthSettings, Console, Parts, Role, SitePolicy, account};
use sekisho::index::{Asking, Facet, Filter, Flags, Index, Limit, Logs, Outcome, Queries, Spans};
use sekisho::policy::{Source, Vocabulary, load};
use sekisho::registry::{self, Registry};
use sekisho::store::{Directory, Disk};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tower::ServiceExt as _;

const FROM_MS: u64 = 1_763_802_000_000;
const YEAR_MS: u64 = 365 * 86_400_000;
const SEGMENT_BYTES: u64 = 64 << 20;
const PURPOSES: [&str; 6] = ["care", "research", "billing", "quality", "public-health", "teaching"];
const CLAUSES: [&str; 12] =
    ["II.1", "II.2", "II.3.1", "II.3.10", "II.4", "II.6", "III.1", "III.2", "IV.1", "V", "VI.2", "IX"];
const CATEGORIES: [&str; 8] = [
    "health.exam-result",
    "health.diagnosis",
    "identity.gender",
    "identity.birth-date",
    "identity.name",
    "contact.address",
    "health.hla-type",
    "identity.number",
];

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn person(number: u64) -> String {
    static SEAL: std::sync::OnceLock<Seal> = std::sync::OnceLock::new();
    SEAL.get_or_init(seal).subject(&format!("p-{number:06}")).unwrap().as_str().to_owned()
}

/// The one of the console, which opens them.
fn seal() -> Seal {
    Seal::new([7; 64].into())
}

struct Writer<'p> {
    folder: &'p Path,
    file: Option<BufWriter<std::fs::File>>,
    bytes: u64,
    all_bytes: u64,
    seq: u64,
    prev: String,
    records: u64,
}

impl Writer<'_> {
    fn line(&mut self, body: &str) {
        if self.file.is_none() || self.bytes > SEGMENT_BYTES {
            let path = self.folder.join(format!("audit-{:020}.jsonl", self.seq + 1));
            self.file = Some(BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap()));
            self.bytes = 0;
            let newest = time_text(self.now_ms());
            self.put(&format!(r#""kind":"segment","newest":"{newest}","open":[]"#));
        }
        self.put(body);
    }

    fn now_ms(&self) -> u64 {
        FROM_MS + (u128::from(YEAR_MS) * u128::from(self.seq) / u128::from(self.records)) as u64
    }

    fn put(&mut self, body: &str) {
        self.seq += 1;
        let (seq, time, batch) = (self.seq, time_text(self.now_ms()), self.seq / 8 * 8 + u64::from(self.seq < 8));
        let line = format!(
            r#"{{"v":1,"seq":{seq},"time":"{time}","node":"gate-1","batch":{batch},{body},"prev":"{}"}}"#,
            self.prev
        );
        self.prev.clear();
        for byte in Sha256::digest(line.as_bytes()) {
            write!(self.prev, "{byte:02x}").unwrap();
        }
        let file = self.file.as_mut().unwrap();
        file.write_all(line.as_bytes()).unwrap();
        file.write_all(b"\n").unwrap();
        self.bytes += line.len() as u64 + 1;
        self.all_bytes += line.len() as u64 + 1;
    }
}

/// What a beginning and a refusal share.
fn decision(chance: &mut Chance, id: u64) -> String {
    // Some work more than others.
    let caller = chance.below(400).min(chance.below(400));
    let (purpose, route) = (PURPOSES[(caller % 6) as usize], chance.below(24));
    let clauses = [CLAUSES[(caller % 12) as usize], CLAUSES[chance.below(12) as usize]];
    let organization =
        if caller.is_multiple_of(4) { format!(r#","organization":"univ-{}""#, caller % 32) } else { String::new() };
    let country = if chance.below(200) == 0 { "US" } else { "JP" };
    let review = if chance.below(2000) == 0 { r#","review""# } else { "" };
    let clear = chance.below(5) as usize;
    let subject = if route.is_multiple_of(3) {
        String::new()
    } else {
        format!(r#""subjects":["{}"],"#, person(chance.below(100_000)))
    };
    format!(
        r#""id":"{:032x}","trace_id":"{:032x}","caller":{{"issuer":"https://idp.example/realms/hospital","id":"c-{caller}"{organization},"recipient":"internal","roles":["role-{}"],"address":"192.0.2.7"}},"purpose":"{purpose}","basis":"consent","recipient":{{"id":"r-{}","country":"{country}"}},"route":"/Resource{route}/{{id}}","method":"GET","action":"{}","subject_class":"patient",{subject}"forms":{{"clear":["{}","{}"],"pseudonymised":["identity.number"],"withheld":["identity.name","contact.address"]}},"rules":["rule-{}"],"clauses":["{}","{}"],"obligations":["record-provision"{review}],"policy":{{"id":"jmdp","revision":"2022-04","digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}},"mode":"enforce","pseudonym_epoch":"1""#,
        u128::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
        u128::from(id / 3).wrapping_mul(0xD134_2543_DE82_EF95_2545_F491_4F6C_DD1D),
        caller % 7,
        caller % 9,
        if route.is_multiple_of(3) { "search" } else { "read" },
        CATEGORIES[clear % 4],
        CATEGORIES[(clear + 1) % 4],
        caller % 20,
        clauses[0],
        clauses[1],
    )
}

fn write_log(folder: &Path, records: u64) -> u64 {
    let prev = "0".repeat(64);
    let mut log = Writer { folder, file: None, bytes: 0, all_bytes: 0, seq: 0, prev, records };
    let mut chance = Chance(1);
    let mut open: VecDeque<(u64, u64, bool)> = VecDeque::new();
    let mut id = 0;
    while log.seq < records {
        match chance.below(20) {
            0 => {
                id += 1;
                let decision = decision(&mut chance, id);
                let reason = ["consent-missing", "purpose-not-for-role", "restricted"][chance.below(3) as usize];
                log.line(&format!(
                    r#""kind":"refusal",{decision},"reasons":[{{"code":"{reason}","clause":"II.6"}}],"status":403"#
                ));
            }
            1 if open.iter().any(|one| one.2) => {
                let (begin, id, _) = *open.iter().find(|one| one.2).unwrap();
                let people: Vec<String> = (0..20).map(|_| format!(r#""{}""#, person(chance.below(100_000)))).collect();
                log.line(&format!(
                    r#""kind":"continuation","begin":{begin},"id":"{id:032x}","window":1,"disclosed":[{{"subject_class":"patient","subjects":[{}],"forms":{{"clear":["health.diagnosis"],"withheld":["identity.name"]}}}}],"entries_dropped":0,"window_bytes":9000"#,
                    people.join(",")
                ));
            }
            _ if open.len() > 24 => {
                let (begin, id, _) = open.pop_front().unwrap();
                let (bytes, micros) = (chance.below(60_000), chance.below(90_000));
                let odd = if chance.below(20_000) == 0 {
                    r#""unclassified":["nickname"],"unclassified_fields":1,"#
                } else {
                    ""
                };
                log.line(&format!(
                    r#""kind":"end","begin":{begin},"id":"{id:032x}","outcome":"{}","status":200,"received_bytes":{bytes},"released_bytes":{bytes},"windows":0,"entries_released":1,"entries_dropped":0,"counts":{{"clear":{{"health.exam-result":{},"health.diagnosis":3}},"withheld":{{"identity.name":1}}}},{odd}"record_us":900,"backend_us":{micros},"total_us":{micros}"#,
                    if chance.below(50) == 0 { "aborted" } else { "completed" },
                    chance.below(40),
                ));
            }
            _ => {
                id += 1;
                let decision = decision(&mut chance, id);
                let is_list = decision.contains(r#""action":"search""#);
                log.line(&format!(r#""kind":"begin",{decision},"decision_us":12"#));
                open.push_back((log.seq, id, is_list));
            }
        }
    }
    log.file.unwrap().flush().unwrap();
    log.all_bytes
}

fn timed<T>(name: &str, mut ask: impl FnMut() -> T, say: impl Fn(&T) -> String) {
    let mut times = Vec::new();
    let mut told = String::new();
    for _ in 0..21 {
        let begun = Instant::now();
        let answer = ask();
        times.push(begun.elapsed());
        told = say(&answer);
    }
    times.sort();
    let (median, worst) = (times[10].as_secs_f64() * 1e3, times[20].as_secs_f64() * 1e3);
    println!("{name:<52} {median:>9.2} ms  worst {worst:>9.2} ms   {told}");
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--records").skip(1);
    let records: u64 = arguments.next().map_or(1_000_000, |text| text.parse().unwrap());
    let folder = std::env::temp_dir().join(format!("sekisho-bench-index-{}", std::process::id()));
    let log = folder.join("log/gate");
    Directory::open(&log).unwrap();
    let bytes = write_log(&log, records);
    println!("{records} records, {} MB of log", bytes >> 20);

    let begun = Instant::now();
    let mut buffer = vec![0; 1 << 20];
    let disk = Directory::open_to_read(&log).unwrap();
    let mut sum = 0u64;
    for entry in disk.list().unwrap() {
        let mut file = disk.read(&entry.name, 0).unwrap();
        loop {
            let read = file.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            sum += read as u64;
        }
    }
    println!("segments read, nothing else: {:.2} s ({} MB)", begun.elapsed().as_secs_f64(), sum >> 20);

    let path = folder.join(sekisho::index::FILE);
    let disks: BTreeMap<String, Arc<dyn Disk>> = BTreeMap::from([("gate".to_owned(), Arc::new(disk) as Arc<dyn Disk>)]);
    let logs = Logs::Given(disks);
    let mut index = Index::open(&path, logs.clone()).unwrap();
    let begun = Instant::now();
    let progress = index.catch_up(Limit { records: u64::MAX, until: None }).unwrap();
    let spent = begun.elapsed().as_secs_f64();
    let size = std::fs::metadata(&path).unwrap().len();
    println!(
        "built: {} records in {spent:.1} s, {:.0} a second; {} MB, {:.1} % of the log",
        progress.records,
        progress.records as f64 / spent,
        size >> 20,
        size as f64 * 100.0 / bytes as f64
    );
    questions(&Queries::open(&path, logs).unwrap(), records);
    timed(
        "one second's catching up, nothing new",
        || index.catch_up(Limit { records: 1000, until: None }).unwrap(),
        |_| String::new(),
    );
    timed(
        "the index file read, nothing else",
        || std::fs::read(&path).unwrap().len(),
        |bytes| (bytes >> 20).to_string(),
    );
    drop(index);
    pages(&folder, records);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The console's screens over the same log: the whole answer, its reading on record first.
fn pages(folder: &Path, records: u64) {
    let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policy/jmdp/policy.toml")).unwrap();
    let revisions = load(vec![Source::new("policy.toml", text)], &vocabulary).unwrap();
    let zone = revisions.newest().unwrap().zone.clone();
    let made = registry::Options { create: true, staleness_ms_max: 2000 };
    let registry = Registry::open(&folder.join("registry.sqlite"), &vocabulary, &zone, made).unwrap();
    let accounts = folder.join("accounts");
    let me = account("me", &[Role::PrivacyOfficer], &[], "a long enough password").unwrap();
    Accounts::new(accounts.clone()).add(me).unwrap();
    let console = Console::new(Parts {
        data: folder.to_owned(),
        options: Options::default(),
        clock: Arc::new(|| FROM_MS + YEAR_MS),
        signer: Arc::new(|log: &str| Signer::new("gate", log, vec![SigningKey::new(&[7; 32].into()).unwrap()])),
        seal: Arc::new(seal()),
        registry: Arc::new(registry),
        policies: Arc::new(move || vec![SitePolicy { site: "*/".into(), revisions: revisions.clone() }]),
        zone,
        hosts: Vec::new(),
        auth: AuthSettings { accounts, provider: None },
        review_due_ms: 7 * 86_400_000,
    });
    let console = console.unwrap();
    assert!(console.index_once());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ask = |request: http::request::Builder, body: &'static str| {
        let request = request.header("host", "localhost").body(axum::body::Body::from(body)).unwrap();
        runtime.block_on(async {
            let answer = console.service().oneshot(request).await.unwrap();
            let (head, body) = answer.into_parts();
            (head, body.collect().await.unwrap().to_bytes())
        })
    };
    let form = http::Request::post("/sign-in")
        .header("origin", "http://localhost")
        .header("content-type", "application/x-www-form-urlencoded");
    let (head, _) = ask(form, "name=me&password=a+long+enough+password");
    let cookie = head.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let sealed = person(4711);
    let middle = records / 2;
    for (name, path) in [
        ("overview, seven days", "/".to_owned()),
        ("overview, thirty days", "/?days=30".to_owned()),
        ("search, seven days", "/search".to_owned()),
        ("search, a year", "/search?days=365".to_owned()),
        ("search, a year, a purpose and a clause", "/search?days=365&purpose=research&clause=II.6".to_owned()),
        ("search, a year, two words", "/search?days=365&q=univ-4+II.3".to_owned()),
        ("a record", format!("/record/gate/{middle}")),
        ("recipients, a year", "/recipients?days=365".to_owned()),
        ("a recipient, a year", "/recipient?organization=univ-4&days=365".to_owned()),
        ("the policy, a year", "/policy/jmdp?days=365".to_owned()),
        ("the review queue", "/reviews".to_owned()),
        ("a person's accesses", format!("/search?days=365&subject={sealed}")),
        ("integrity", "/integrity".to_owned()),
        ("live", "/live".to_owned()),
    ] {
        let get = || {
            let (head, body) = ask(http::Request::get(&path).header("cookie", &cookie), "");
            assert_eq!(head.status, 200, "{path}");
            body.len()
        };
        timed(&format!("screen: {name}"), get, |bytes| format!("{} KiB", bytes >> 10));
    }
    console.stop();
}

fn questions(queries: &Queries, records: u64) {
    let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let now_ms = FROM_MS + YEAR_MS;
    let all = Filter::default();
    let rare = Filter { caller: of(&["c-399"]), ..all.clone() };
    let usual = Filter { purpose: of(&["research"]), ..all.clone() };
    let three =
        Filter { purpose: of(&["research"]), clause: of(&["II.6"]), outcome: vec![Outcome::Refused], ..all.clone() };
    let month = Filter { from_ms: Some(now_ms - 30 * 86_400_000), ..all.clone() };
    let nothing = Filter { caller: of(&["c-399"]), purpose: of(&["teaching"]), action: of(&["search"]), ..all.clone() };
    let spans = Spans { from_ms: FROM_MS, each_ms: YEAR_MS / 365, count: 365 };
    let number = |count: &u64| count.to_string();
    let middle = queries.search(&all, None, 1).unwrap().remove(0);
    let text = |text: &str| Filter { text: text.to_owned(), ..all.clone() };
    for (name, filter) in
        [("all", &all), ("a purpose", &usual), ("three filters", &three), ("a month", &month), ("a rare caller", &rare)]
    {
        timed(
            &format!("search, newest 50: {name}"),
            || queries.search(filter, None, 50).unwrap(),
            |rows| rows.len().to_string(),
        );
        timed(&format!("count: {name}"), || queries.count(filter).unwrap(), number);
        timed(
            &format!("facets, all sixteen: {name}"),
            || queries.facets(filter, &Facet::ALL).unwrap(),
            |_| String::new(),
        );
        timed(&format!("over time, 365 days: {name}"), || queries.over_time(filter, spans).unwrap(), |_| String::new());
        timed(&format!("heat: {name}"), || queries.heat(filter).unwrap(), |heat| heat.len().to_string());
        timed(&format!("refusals: {name}"), || queries.refusals(filter).unwrap(), |told| told.len().to_string());
        timed(&format!("what left: {name}"), || queries.left(filter).unwrap(), |told| told.len().to_string());
    }
    timed("search, nothing found", || queries.search(&nothing, None, 50).unwrap(), |rows| rows.len().to_string());
    timed(
        "search by a decision's whole id",
        || queries.search(&text(&middle.id), None, 50).unwrap(),
        |rows| rows.len().to_string(),
    );
    timed(
        "search by six letters of an id",
        || queries.search(&text(&middle.id[..6]), None, 50).unwrap(),
        |rows| rows.len().to_string(),
    );
    timed(
        "search by part of a route",
        || queries.search(&text("resource17"), None, 50).unwrap(),
        |rows| rows.len().to_string(),
    );
    timed("count by two words", || queries.count(&text("univ-4 II.3")).unwrap(), number);
    let reviews = Filter { flags: Flags::REVIEW, ..all.clone() };
    timed("reviews, newest 50", || queries.search(&reviews, None, 50).unwrap(), |rows| rows.len().to_string());
    timed("every review, where it begins", || queries.begun(&reviews).unwrap(), |told| told.len().to_string());
    timed("unclassified", || queries.unclassified(&all).unwrap(), |told| told.len().to_string());
    timed("a person's accesses", || queries.subject(&person(4711), None, 100).unwrap(), |rows| rows.len().to_string());
    timed("a record by its number", || queries.record("gate", records / 2).unwrap(), |row| row.is_some().to_string());
    timed("a record's line", || queries.line("gate", records / 2).unwrap(), |line| line.is_some().to_string());
    let mine = Filter { caller: vec![middle.caller.to_string()], ..all.clone() };
    timed(
        "what a caller did around it",
        || queries.neighbours(&mine, &middle.place, 10).unwrap(),
        |rows| rows.len().to_string(),
    );
    timed(
        "an organisation: what left",
        || queries.left(&Filter { organization: of(&["univ-4"]), ..all.clone() }).unwrap(),
        |told| told.len().to_string(),
    );
    let asking = Asking { now_ms, ahead_s: 32_400, days: 1, limit: 20 };
    timed("unusual, a day", || queries.unusual(asking).unwrap(), |told| told.len().to_string());
    timed(
        "unusual, seven days",
        || queries.unusual(Asking { days: 7, ..asking }).unwrap(),
        |told| told.len().to_string(),
    );
    timed("integrity", || queries.integrity().unwrap(), |told| told.len().to_string());
}
