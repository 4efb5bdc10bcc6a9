//! What does a request pay for the registry? `facts` and `person` with 100 000 persons on file, without a change between.
#![allow(clippy::unwrap_used, missing_docs, reason = "bench; criterion's macro makes an undocumented function")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use sekisho::policy::Vocabulary;
use sekisho::registry::{Entry, Options, Registry};

const PERSONS: u32 = 100_000;

fn registry(c: &mut Criterion) {
    let path = std::env::temp_dir().join(format!("sekisho-bench-registry-{}", std::process::id()));
    let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
    let options = Options { create: true, ..Options::default() };
    let registry = Registry::open(&path, &vocabulary, &TimeZone::get("Asia/Tokyo").unwrap(), options).unwrap();
    let one = |subject: u32| Entry::parse("consent", [format!("subject=d-{subject}").as_str(), "purpose=research"]);
    let entries: Vec<Entry> = (0..PERSONS).map(|subject| one(subject).unwrap()).collect();
    registry.add_all(&entries, &[], "bench", 0).unwrap();
    drop(registry.facts(0).unwrap());

    c.bench_function("registry: facts and person", |b| {
        b.iter(|| {
            let view = registry.facts(0).unwrap();
            black_box(view.person_for(black_box("d-77777"), "https://id.example", "u-1").consents.len())
        });
    });
    let view = registry.facts(0).unwrap();
    c.bench_function("registry: person", |b| {
        b.iter(|| black_box(view.person_for(black_box("d-77777"), "https://id.example", "u-1").consents.len()));
    });
    c.bench_function("registry: a change, durable, and the next facts", |b| {
        let entry = Entry::parse("objection", ["subject=d-77777"]).unwrap();
        b.iter(|| {
            let change = registry.add(&entry, &[], "bench", 0).unwrap();
            drop(registry.facts(0).unwrap());
            registry.end(&sekisho::registry::End::Entry(change.entry), "bench", 0).unwrap();
            drop(registry.facts(0).unwrap());
        });
    });
    drop(registry);
    for end in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(end);
        let _ = std::fs::remove_file(name);
    }
}

criterion_group!(benches, registry);
criterion_main!(benches);
