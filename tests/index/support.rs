//! Logs by chance, written by the log's own writer on a simulated disk with a clock that is turned.

use sekisho::audit::checkpoint::{Signer, SigningKey};
use sekisho::audit::{
    Administrative, Begin, Caller, Count, Decision, Disclosure, End, Entries, Forms, Log, Options, Outcome, Policy,
    Reason, Recipient, Refusal, Seal, Sealed, Ticket, Window,
};
use sekisho::index::{Index, Limit, Logs, Queries};
use sekisho::store::Disk;
use sekisho::store::simulated::Simulated;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// 2026-11-22T09:00:00Z.
pub(super) const NOW_MS: u64 = 1_795_338_000_000;
/// Of a block in tests: so few that every log has many.
pub(super) const ROWS: usize = 16;

/// Numbers by chance (SplitMix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(super) fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len() as u64) as usize]
    }

    fn some<'t>(&mut self, texts: &[&'t str]) -> Vec<&'t str> {
        texts.iter().copied().filter(|_| self.below(3) == 0).collect()
    }

    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.below(4) > 0).then_some(value)
    }
}

pub(super) const CALLERS: [&str; 6] = ["c-1", "c-2", "sato", "'; DROP TABLE word; --", "%_\u{0}\u{7f}x", "人 \"事\"\\"];
pub(super) const PURPOSES: [&str; 4] = ["care", "research", "billing", "pur'pose"];
pub(super) const RECIPIENTS: [&str; 3] = ["internal", "researcher", "insurer"];
pub(super) const ORGANIZATIONS: [&str; 3] = ["univ-a", "UNIV-B", "co\u{1f}mpany"];
pub(super) const ROUTES: [&str; 4] = ["/donors", "/donors/{id}", "/Patient/{id}", "/%"];
pub(super) const CLAUSES: [&str; 5] = ["II.3.10", "II.6", "II.2", "IX", "II.3.1"];
pub(super) const ROLES: [&str; 3] = ["nurse", "doctor", "clerk"];
pub(super) const REASONS: [&str; 4] = ["consent-missing", "purpose-not-for-role", "help", "dry-run"];
pub(super) const CATEGORIES: [&str; 4] = ["health.hla-type", "identity.name", "identity.number", "contact.address"];
pub(super) const FORMS: [&str; 5] = ["clear", "pseudonymised", "generalised", "masked", "withheld"];
const PEOPLE: u64 = 12;

pub(super) fn sealed(person: u64) -> Sealed {
    Seal::new(Zeroizing::new([7; 64])).subject(&format!("person-{person}")).unwrap()
}

pub(super) fn people() -> Vec<Sealed> {
    (0..PEOPLE).map(sealed).collect()
}

#[derive(Clone)]
pub(super) struct Hand(pub(super) Arc<AtomicU64>);

impl sekisho::audit::Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn signer(name: &str) -> Signer {
    Signer::new("gate-1", name, vec![SigningKey::new(&Zeroizing::new([5; 32])).unwrap()])
}

/// A log that is being written by chance.
pub(super) struct Writer {
    pub(super) log: Log,
    pub(super) hand: Hand,
    pub(super) chance: Chance,
    open: Vec<Ticket>,
    ids: u64,
}

impl Writer {
    pub(super) fn on(disk: &Simulated, seed: u64, from_ms: u64) -> Writer {
        let options = Options {
            node: "gate-1".into(),
            segment_bytes: 24_000,
            disk_bytes_max: 1 << 30,
            reserve_bytes: 4096,
            ..Options::default()
        };
        let hand = Hand(Arc::new(AtomicU64::new(from_ms)));
        let (log, _) =
            Log::open_signed(Arc::new(disk.clone()), options, Arc::new(hand.clone()), signer("gate")).unwrap();
        Writer { log, hand, chance: Chance(seed), open: Vec::new(), ids: seed << 20 }
    }

    /// So many things happen.
    pub(super) fn go(&mut self, steps: u32) {
        let people = people();
        for _ in 0..steps {
            let passed = self.chance.below(400_000);
            self.hand.0.fetch_add(passed, Ordering::SeqCst);
            match self.chance.below(10) {
                0..=3 => self.begin(&people),
                4 | 5 => self.refuse(&people),
                6 => self.window(&people),
                7 | 8 => self.end(),
                _ if self.chance.below(2) == 0 => {
                    let action = self.chance.of(&["reload", "clock-accepted-not", "registry-change"]);
                    let by = Caller { issuer: "os", id: "uid 1000 (sato)", ..Caller::default() };
                    let record = Administrative { action, by: Some(by), ..Administrative::default() };
                    self.log.administrative(&record).wait().unwrap();
                }
                _ => {
                    let reason = if self.chance.below(2) == 0 { "token-missing" } else { "token-expired" };
                    let last = u8::try_from(self.chance.below(4)).unwrap();
                    self.log.stranger(std::net::Ipv4Addr::new(192, 0, last, 7).into(), reason);
                }
            }
        }
    }

    /// Everything is durable and signed; what is open stays so until the next start.
    pub(super) fn close(self) {
        std::mem::forget(self.open);
        self.log.close();
    }

    fn begin(&mut self, people: &[Sealed]) {
        let parts = Parts::new(self, people);
        let ticket = self.log.begin(&Begin { decision: parts.decision(), decision_us: Some(9) }).wait().unwrap();
        self.open.push(ticket);
    }

    fn refuse(&mut self, people: &[Sealed]) {
        let parts = Parts::new(self, people);
        let mut codes = self.chance.some(&REASONS);
        if codes.is_empty() {
            codes.push("consent-missing");
        }
        let clause = self.chance.maybe("IX");
        let reasons: Vec<Reason<'_>> = codes.iter().map(|code| Reason { code, clause }).collect();
        let status = 403;
        let refusal = Refusal { decision: parts.decision(), reasons: &reasons, status, decision_us: None };
        self.log.refuse(&refusal).wait().unwrap();
    }

    fn window(&mut self, people: &[Sealed]) {
        if self.open.is_empty() {
            return;
        }
        let at = self.chance.below(self.open.len() as u64) as usize;
        let forms: Vec<Forms> = (0..2).map(|_| forms(&mut self.chance)).collect();
        let count = self.chance.below(6) as usize;
        let subjects: Vec<Sealed> =
            (0..count).map(|_| people[self.chance.below(people.len() as u64) as usize].clone()).collect();
        let (one, other) = subjects.split_at(count / 2);
        let disclosed = [
            Disclosure { class: "donor", subjects: one, forms: &forms[0] },
            Disclosure { class: "donor", subjects: other, forms: &forms[1] },
        ];
        let window = Window { disclosed: &disclosed, entries_dropped: 1, window_bytes: 99 };
        self.open[at].continuation(&window).wait().unwrap();
    }

    fn end(&mut self) {
        if self.open.is_empty() {
            return;
        }
        // Mostly the newest, at times one that was begun long ago.
        let last = self.open.len() as u64;
        let at = if self.chance.below(3) > 0 { last - 1 } else { self.chance.below(last) };
        let ticket = self.open.remove(at as usize);
        let outcome =
            [Outcome::Completed, Outcome::Completed, Outcome::Aborted, Outcome::Failed][self.chance.below(4) as usize];
        let counts: Vec<Count<'_>> = (0..self.chance.below(4))
            .map(|turn| Count {
                form: FORMS[turn as usize],
                category: self.chance.of(&CATEGORIES),
                fields: turn * 70_000 + 1,
            })
            .collect();
        let names = if self.chance.below(6) == 0 { self.chance.some(&["nickname", "x_y", "*"]) } else { Vec::new() };
        let end = End {
            outcome,
            code: self.chance.maybe("body-malformed").filter(|_| outcome == Outcome::Failed),
            status: Some(200),
            released_bytes: self.chance.below(1 << 40),
            entries: Some(Entries { released: self.chance.below(300), dropped: self.chance.below(3) }),
            counts: &counts,
            unclassified: &names,
            unclassified_fields: names.len() as u64,
            ..End::default()
        };
        ticket.end(&end).wait().unwrap();
    }
}

fn forms(chance: &mut Chance) -> Forms {
    Forms::new(
        CATEGORIES
            .iter()
            .filter_map(|category| chance.maybe((FORMS[chance.0 as usize % 5], *category)))
            .collect::<Vec<_>>(),
    )
}

/// What a decision borrows.
struct Parts {
    id: String,
    trace: Option<String>,
    caller: &'static str,
    organization: Option<&'static str>,
    purpose: Option<&'static str>,
    recipient: Option<Recipient<'static>>,
    route: Option<&'static str>,
    action: &'static str,
    roles: Vec<&'static str>,
    clauses: Vec<&'static str>,
    obligations: Vec<&'static str>,
    subjects: Vec<Sealed>,
    forms: Option<Forms>,
    mode: &'static str,
}

impl Parts {
    fn new(writer: &mut Writer, people: &[Sealed]) -> Parts {
        writer.ids += 1;
        let (chance, number) = (&mut writer.chance, writer.ids);
        let id = match chance.below(3) {
            0 => format!("{:032x}", u128::from(number).wrapping_mul(0x1234_5678_9abc_def0_1234_5678_9abc_def1)),
            1 => format!("{:032X}", u128::from(number) << 70),
            _ => format!("r-{number}"),
        };
        let trace = chance.below(5);
        let country = chance.maybe(chance_country(number));
        let recipient =
            Recipient { id: chance.of(&RECIPIENTS), organization: Some("univ-a"), country, overseas_basis: None };
        Parts {
            id,
            trace: (trace > 0).then(|| format!("{:032x}", u128::from(trace) << 90 | 7)),
            caller: chance.of(&CALLERS),
            organization: {
                let one = chance.of(&ORGANIZATIONS);
                chance.maybe(one)
            },
            purpose: {
                let one = chance.of(&PURPOSES);
                chance.maybe(one)
            },
            recipient: chance.maybe(recipient),
            route: {
                let one = chance.of(&ROUTES);
                chance.maybe(one)
            },
            action: chance.of(&["read", "search", "create"]),
            roles: chance.some(&ROLES),
            clauses: chance.some(&CLAUSES),
            obligations: chance.some(&["review", "record-provision"]),
            subjects: people.iter().filter(|_| chance.below(9) == 0).cloned().collect(),
            forms: {
                let forms = forms(chance);
                chance.maybe(forms)
            },
            mode: chance.of(&["enforce", "enforce", "dry-run"]),
        }
    }

    fn decision(&self) -> Decision<'_> {
        Decision {
            id: &self.id,
            trace_id: self.trace.as_deref(),
            caller: Caller {
                issuer: "https://idp.example",
                id: self.caller,
                organization: self.organization,
                roles: &self.roles,
                ..Caller::default()
            },
            purpose: self.purpose,
            basis: Some("consent"),
            recipient: self.recipient,
            route: self.route,
            method: "GET",
            action: self.action,
            subjects: &self.subjects,
            forms: self.forms.as_ref(),
            clauses: &self.clauses,
            obligations: &self.obligations,
            policy: Policy { id: "jmdp", revision: "2022-04", digest: "sha256:00", catalogue: None },
            mode: self.mode,
            ..Decision::default()
        }
    }
}

fn chance_country(number: u64) -> &'static str {
    if number.is_multiple_of(3) { "US" } else { "JP" }
}

/// A log of so many steps.
pub(super) fn log(seed: u64, steps: u32) -> Simulated {
    let disk = Simulated::new();
    let mut writer = Writer::on(&disk, seed, NOW_MS);
    writer.go(steps);
    writer.close();
    disk
}

pub(super) type Disks = BTreeMap<String, Simulated>;

pub(super) fn given(disks: &Disks) -> Logs {
    let one = |(name, disk): (&String, &Simulated)| (name.clone(), Arc::new(disk.clone()) as Arc<dyn Disk>);
    Logs::Given(disks.iter().map(one).collect())
}

/// A file that goes when the test does.
pub(super) struct File(pub(super) PathBuf);

impl File {
    pub(super) fn new(name: &str) -> File {
        let folder = std::env::temp_dir().join(format!("sekisho-index-{name}-{}", std::process::id()));
        let _none_yet = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        File(folder.join(sekisho::index::FILE))
    }

    pub(super) fn open(&self, disks: &Disks) -> Index {
        Index::open_with(&self.0, given(disks), ROWS).unwrap()
    }

    /// Everything that is durable is in.
    pub(super) fn built(&self, disks: &Disks) -> Queries {
        while !self.open(disks).catch_up(Limit { records: u64::MAX, until: None }).unwrap().is_caught_up {}
        Queries::open(&self.0, given(disks)).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

pub(super) fn one(disk: &Simulated) -> Disks {
    Disks::from([("gate".to_owned(), disk.clone())])
}
