//! How many records become durable in a second, by how many wait at once, and what does one cost to write down?
//!
//! By hand: `cargo bench --bench audit`. The log is written below the temporary directory (`TMPDIR`): on a real disk,
//! or the flush measures nothing. Each waiter awaits its record before it hands over the next one. "one waiter" is
//! what one flush per record costs. `bare` is the same loop without a log: threads append bytes of the same size
//! under a lock, one flushes for all. `raw` has nobody who waits: one thread writes as many lines as there would be
//! waiters and calls `fdatasync`, which is the least that a record on this disk can cost. `by turns` runs the three
//! one after the other, several times, and tells how long a record waited.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench: what cannot be set up cannot be measured")]
#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sekisho::audit::{Begin, Caller, Decision, Forms, Log, Options, Policy, Reason, Recipient, Refusal, Seal, Sealed};
use sekisho::store::{Directory, Disk, Flush};
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};
use zeroize::Zeroizing;

const ID: &str = "01JD8F2Q6Z3K9V5T7W1X4Y0ABC";
/// About as long as a refusal's line, which has 1,166 here.
const LINE_BYTES: usize = 1150;

struct Parts {
    forms: Forms,
    subjects: [Sealed; 1],
}

fn parts() -> Parts {
    let categories =
        ["health.exam-result", "health.diagnosis", "identity.gender", "identity.birth-date", "identity.name"];
    let forms = ["clear", "clear", "generalised", "generalised", "withheld"];
    let subjects = [Seal::new(Zeroizing::new([7; 64])).subject("d-100").unwrap()];
    Parts { forms: Forms::new(forms.into_iter().zip(categories)), subjects }
}

fn decision(parts: &Parts) -> Decision<'_> {
    Decision {
        id: ID,
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        caller: Caller {
            issuer: "https://idp.example/realms/hospital",
            id: "c-17",
            organization: Some("univ-a"),
            recipient: Some("researcher"),
            roles: &["researcher"],
            authenticated_ms: Some(1_795_338_000_000),
            address: Some("192.0.2.7"),
        },
        purpose: Some("research"),
        basis: Some("consent"),
        proofs: &["consent-7"],
        recipient: Some(Recipient {
            id: "researcher",
            organization: Some("univ-a"),
            country: Some("JP"),
            overseas_basis: None,
        }),
        route: Some("/Patient/{id}"),
        method: "GET",
        action: "read",
        subject_class: Some("donor"),
        subjects: &parts.subjects,
        forms: Some(&parts.forms),
        rules: &["research"],
        clauses: &["II.3.10"],
        obligations: &["record-provision"],
        policy: Policy {
            id: "jmdp",
            revision: "2022-04",
            digest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            catalogue: None,
        },
        mode: "enforce",
        ..Decision::default()
    }
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("sekisho-bench-{name}-{}", std::process::id()));
    let _none_yet = std::fs::remove_dir_all(&path);
    path
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

fn options() -> Options {
    Options {
        node: "gate-1".into(),
        segment_bytes: 256 << 20,
        disk_bytes_max: 60 << 30,
        reserve_bytes: 8 << 20,
        ..Options::default()
    }
}

fn durable(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("durable");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(4));
    let parts = parts();
    for waiters in [1, 8, 64, 256] {
        let path = scratch("log");
        let (log, _) = Log::open(Arc::new(Directory::open(&path).unwrap()), options(), Arc::new(now_ms)).unwrap();
        let (before_us, written) = (cpu_us(), AtomicU64::new(0));
        group.bench_function(BenchmarkId::new("chained", waiters), |bencher| {
            bencher.iter_custom(|records| {
                written.fetch_add(records, Ordering::Relaxed);
                run(&log, &parts, waiters, records).took
            });
        });
        let (spent_us, written) = (cpu_us() - before_us, written.into_inner());
        if written > 0 {
            println!("{waiters} waiters: {spent_us} µs of CPU in all threads for {written} records");
        }
        log.close();
        drop(log);
        std::fs::remove_dir_all(&path).unwrap();
        group.bench_function(BenchmarkId::new("bare", waiters), |bencher| {
            bencher.iter_custom(|records| bare(usize::try_from(waiters).unwrap(), records).took);
        });
    }
}

/// What so many records took together, and each by itself from being handed over to being durable.
struct Ran {
    took: Duration,
    waited: Vec<Duration>,
}

impl Ran {
    fn a_second(&self) -> f64 {
        self.waited.len() as f64 / self.took.as_secs_f64()
    }

    /// In microseconds; `share` from 0 to 1.
    fn waited_us(&mut self, share: f64) -> f64 {
        self.waited.sort_unstable();
        let last = self.waited.len() - 1;
        let at = self.waited.iter().zip(0..).find(|(_, index)| f64::from(*index) >= share * last as f64);
        at.unwrap().0.as_secs_f64() * 1e6
    }
}

const ROUNDS: usize = 9;

/// Raw, bare and chained by turns, so that a neighbour on the machine meets all three: of each the median of the
/// rounds, with the least and the most.
fn by_turns(_criterion: &mut Criterion) {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if filter.is_some_and(|filter| !"by turns".contains(&filter)) {
        return;
    }
    let parts = parts();
    println!("waiters  loop     records/s                 median µs              p99 µs");
    for (waiters, records) in [(1, 4_000), (8, 16_000), (64, 128_000)] {
        let path = scratch("turns");
        let (log, _) = Log::open(Arc::new(Directory::open(&path).unwrap()), options(), Arc::new(now_ms)).unwrap();
        let mut figures: [[Vec<f64>; 3]; 3] = Default::default();
        for round in 0..=ROUNDS {
            let ran = [
                raw(usize::try_from(waiters).unwrap(), records),
                bare(usize::try_from(waiters).unwrap(), records),
                run(&log, &parts, waiters, records),
            ];
            for (mut ran, figures) in ran.into_iter().zip(&mut figures) {
                let measured = [ran.a_second(), ran.waited_us(0.5), ran.waited_us(0.99)];
                let kept = figures.iter_mut().zip(measured).filter(|_| round > 0); // the first one warms up
                kept.for_each(|(figures, measured)| figures.push(measured));
            }
        }
        for (name, figures) in ["raw", "bare", "chained"].into_iter().zip(&mut figures) {
            let [a_second, median_us, p99_us] = figures.each_mut().map(|figures| spread(figures));
            println!("{waiters:>7}  {name:<7}  {a_second:<24}  {median_us:<21}  {p99_us}");
        }
        let [raw, bare, chained] = &figures;
        for (name, bound) in [("raw", raw), ("bare", bare)] {
            let [a_second, median_us, p99_us] = [0, 1, 2].map(|index| (middle(&chained[index]), middle(&bound[index])));
            println!(
                "         chained against {name}: {:.2}× the records; {:+.0} µs at the median ({:.2}×), {:+.0} µs at p99 ({:.2}×)",
                a_second.0 / a_second.1,
                median_us.0 - median_us.1,
                median_us.0 / median_us.1,
                p99_us.0 - p99_us.1,
                p99_us.0 / p99_us.1
            );
        }
        log.close();
        drop(log);
        std::fs::remove_dir_all(&path).unwrap();
    }
}

/// Of figures in order.
fn middle(figures: &[f64]) -> f64 {
    figures[figures.len() / 2]
}

fn spread(figures: &mut [f64]) -> String {
    figures.sort_by(f64::total_cmp);
    format!("{:.0} ({:.0}–{:.0})", middle(figures), figures[0], figures[figures.len() - 1])
}

/// CPU time of this process so far, user and system, at the kernel's grain of 10 ms.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap() * 10_000).sum()
}

/// So many records, shared out among tasks that each wait for their own.
fn run(log: &Log, parts: &Parts, waiters: u64, records: u64) -> Ran {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let left = Arc::new(AtomicU64::new(records));
    let start = Instant::now();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..waiters {
            let (log, left) = (log.clone(), Arc::clone(&left));
            let parts = Parts { forms: parts.forms.clone(), subjects: parts.subjects.clone() };
            tasks.spawn(async move {
                let mut waited = Vec::new();
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    let reasons = [Reason { code: "consent-missing", clause: Some("II.3.10") }];
                    let record =
                        Refusal { decision: decision(&parts), reasons: &reasons, status: 403, decision_us: Some(3) };
                    let handed_over = Instant::now();
                    log.refuse(&record).await.unwrap();
                    waited.push(handed_over.elapsed());
                }
                waited
            });
        }
        let waited = tasks.join_all().await;
        Ran { took: start.elapsed(), waited: waited.into_iter().flatten().collect() }
    })
}

/// The physical bound: one thread writes so many lines and calls `fdatasync`, again and again.
fn raw(lines: usize, records: u64) -> Ran {
    let path = scratch("raw");
    let disk = Directory::open(&path).unwrap();
    let mut segment = disk.create("raw", 1 << 30).unwrap();
    let bytes = vec![b'x'; LINE_BYTES * lines];
    let (mut waited, start) = (Vec::new(), Instant::now());
    for _ in 0..records / u64::try_from(lines).unwrap() {
        let handed_over = Instant::now();
        segment.append(&bytes).unwrap();
        segment.flush(Flush::Batch).unwrap();
        waited.extend(std::iter::repeat_n(handed_over.elapsed(), lines));
    }
    let took = start.elapsed();
    std::fs::remove_dir_all(&path).unwrap();
    Ran { took, waited }
}

/// The bound: one thread that appends and flushes what came in, and waiters that sleep until their part is flushed.
fn bare(waiters: usize, records: u64) -> Ran {
    #[derive(Default)]
    struct State {
        bytes: Vec<u8>,
        given: u64,
        durable: u64,
        stop: bool,
    }
    let path = scratch("bare");
    let disk = Directory::open(&path).unwrap();
    let mut segment = disk.create("bare", 1 << 30).unwrap();
    let shared = (Mutex::new(State::default()), Condvar::new(), Condvar::new());
    let left = AtomicU64::new(records);
    let line = [b'x'; LINE_BYTES];
    let start = Instant::now();
    let waited = std::thread::scope(|scope| {
        let (state, came, done) = &shared;
        scope.spawn(move || {
            let mut bytes = Vec::new();
            loop {
                let mut held =
                    came.wait_while(state.lock().unwrap(), |held| held.bytes.is_empty() && !held.stop).unwrap();
                if held.bytes.is_empty() {
                    return;
                }
                std::mem::swap(&mut bytes, &mut held.bytes);
                let upto = held.given;
                drop(held);
                segment.append(&bytes).unwrap();
                segment.flush(Flush::Batch).unwrap();
                bytes.clear();
                state.lock().unwrap().durable = upto;
                done.notify_all();
            }
        });
        let writers: Vec<_> = (0..waiters)
            .map(|_| {
                scope.spawn(|| {
                    let mut waited = Vec::new();
                    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                        let handed_over = Instant::now();
                        let mut held = state.lock().unwrap();
                        held.bytes.extend_from_slice(&line);
                        held.given += 1;
                        let mine = held.given;
                        came.notify_one();
                        drop(done.wait_while(held, |held| held.durable < mine).unwrap());
                        waited.push(handed_over.elapsed());
                    }
                    waited
                })
            })
            .collect();
        let waited = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        state.lock().unwrap().stop = true;
        came.notify_one();
        waited
    });
    let took = start.elapsed();
    std::fs::remove_dir_all(&path).unwrap();
    Ran { took, waited }
}

fn serialise(criterion: &mut Criterion) {
    let parts = parts();
    let record = Begin { decision: decision(&parts), decision_us: Some(3) };
    let mut out = Vec::with_capacity(4096);
    record.write_members(&mut out);
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function("serialise", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(&record).write_members(&mut out);
            black_box(out.len())
        });
    });
    let seal = Seal::new(Zeroizing::new([7; 64]));
    group.bench_function("seal a subject", |bencher| bencher.iter(|| seal.subject(black_box("d-100")).unwrap()));
    group.finish();
}

criterion_group!(benches, serialise, durable, by_turns);
criterion_main!(benches);
