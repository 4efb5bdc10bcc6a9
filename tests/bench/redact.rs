//! Redaction on one core against parsing to a tree, editing it and writing it.
//!
//! Run by hand: `cargo bench --bench redact`. Bodies of 1 MiB in pieces of 16 KiB; the output is reused. Ratios between
//! rows of one run mean something, figures of two runs do not.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sekisho::catalogue::fields::{Meaning, Node};
use sekisho::policy::{Category, Release};
use sekisho::redact::{
    Entry, KeySeed, Limits, Plan, Pointer, Redactor, ResourceType, Shape, Spec, SubjectAt, Subjects, Terms, Types,
    Verdict,
};

const BYTES: usize = 1 << 20;

fn category(index: usize) -> Category {
    Category::from_index(index).unwrap()
}

fn leaf(meaning: Meaning) -> Arc<Node> {
    Arc::new(Node { meaning: Some(meaning), ..Node::default() })
}

fn branch(members: &[(&str, &Arc<Node>)], any: Option<&Arc<Node>>) -> Arc<Node> {
    let members = members.iter().map(|(name, node)| (Box::from(*name), Arc::clone(node))).collect();
    Arc::new(Node { members, any: any.cloned(), ..Node::default() })
}

fn observation(i: usize) -> String {
    format!(
        r#"{{"fullUrl":"http://inside/fhir/Observation/o{i}","resource":{{"resourceType":"Observation","id":"o{i}","meta":{{"versionId":"1","lastUpdated":"2026-01-02T03:04:05.678+09:00"}},"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory","display":"Laboratory"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"4548-4","display":"Hemoglobin A1c"}}],"text":"HbA1c"}},"subject":{{"reference":"Patient/p{}","display":"山田 太郎"}},"effectiveDateTime":"2026-01-02","issued":"2026-01-02T03:04:05.678+09:00","valueQuantity":{{"value":6.{i},"unit":"%","system":"http://unitsofmeasure.org","code":"%"}},"note":[{{"text":"空腹時。次回は三か月後に来院予定。"}}]}},"search":{{"mode":"match"}}}}"#,
        i % 100
    )
}

fn bundle() -> String {
    let mut entries = Vec::new();
    let mut bytes = 0;
    while bytes < BYTES {
        let entry = observation(entries.len());
        bytes += entry.len();
        entries.push(entry);
    }
    format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{}]}}"#, entries.join(","))
}

/// A Bundle of observations: codes and values in clear, whom they are about and notes withheld.
fn by_type() -> (Arc<Spec>, Arc<Plan>) {
    let open = leaf(Meaning::Open);
    let value = leaf(Meaning::Category(category(0)));
    let person = leaf(Meaning::Category(category(1)));
    let notes = leaf(Meaning::Everything);
    let node = branch(
        &[
            ("id", &open),
            ("meta", &open),
            ("status", &open),
            ("category", &open),
            ("code", &value),
            ("valueQuantity", &value),
            ("effectiveDateTime", &value),
            ("issued", &value),
            ("subject", &person),
            ("note", &notes),
        ],
        None,
    );
    let at = SubjectAt { pointer: Pointer::parse("/subject/reference").unwrap(), reference_to: Some("Patient".into()) };
    let observation = ResourceType { node, subjects: Subjects::At(vec![at]) };
    let resource = Arc::new(Node { resource: true, ..Node::default() });
    let entry = branch(&[("fullUrl", &open), ("resource", &resource), ("search", &open)], None);
    let root = branch(&[("resourceType", &open), ("type", &open), ("entry", &branch(&[], Some(&entry)))], None);
    let types = Types([("Observation".into(), observation)].into());
    setup(Shape::FhirBundle, root, Some(Arc::new(types)))
}

/// One object in which nothing is withheld.
fn nothing_applies() -> (Arc<Spec>, Arc<Plan>) {
    setup(Shape::Object { subjects: Subjects::NoOne }, leaf(Meaning::Category(category(0))), None)
}

fn setup(shape: Shape, root: Arc<Node>, types: Option<Arc<Types>>) -> (Arc<Spec>, Arc<Plan>) {
    let limits = Limits { entry_bytes_max: 4 << 20, ..Limits::default() };
    let spec = Arc::new(Spec::new(shape, root, types, limits, false).unwrap());
    let all = [category(0), category(1)].into_iter().collect();
    let release = Release::clear(category(0).only());
    let plan = Plan::join(&spec, Terms { release, all, pseudonymiser: None, links: None, individual_number: None });
    (spec, Arc::new(plan))
}

fn filter((spec, plan): &(Arc<Spec>, Arc<Plan>), body: &[u8], piece: usize, out: &mut Vec<u8>) -> u64 {
    let judge = |_: &Entry<'_>| Verdict::Release(Arc::clone(plan));
    let mut redactor = Redactor::new(Arc::clone(spec), judge, Arc::clone(plan), KeySeed::new([3, 5]));
    let mut left = 0;
    for chunk in body.chunks(piece) {
        redactor.push(chunk, out).unwrap();
        left += black_box(&*out).len() as u64;
        black_box(redactor.take_windows());
        out.clear();
    }
    assert!(redactor.finish(out).is_ok());
    left
}

fn parse_edit_write(body: &[u8]) -> Vec<u8> {
    let mut value: serde_json::Value = serde_json::from_slice(body).unwrap();
    let entries = value.get_mut("entry").and_then(|e| e.as_array_mut()).into_iter().flatten();
    for resource in entries.filter_map(|e| e.get_mut("resource")?.as_object_mut()) {
        resource.remove("subject");
        resource.remove("note");
    }
    serde_json::to_vec(&value).unwrap()
}

fn redact(criterion: &mut Criterion) {
    let body = bundle().into_bytes();
    let hostile = format!("[{}1]", r#"{"\u0061":[[{}],[]],"":""},"#.repeat(BYTES / 28)).into_bytes();
    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("redact");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("serde_json value, parse-edit-write", |b| b.iter(|| parse_edit_write(black_box(&body))));
    let typed = by_type();
    group.bench_function("by type", |b| b.iter(|| filter(&typed, black_box(&body), 16 << 10, &mut out)));
    let nothing = nothing_applies();
    group.bench_function("nothing applies", |b| b.iter(|| filter(&nothing, black_box(&body), 16 << 10, &mut out)));
    group.bench_function("by type, single bytes", |b| b.iter(|| filter(&typed, black_box(&body), 1, &mut out)));
    group.throughput(Throughput::Bytes(hostile.len() as u64));
    group.bench_function("all structure", |b| b.iter(|| filter(&nothing, black_box(&hostile), 16 << 10, &mut out)));
    group.bench_function("all structure, serde_json value", |b| b.iter(|| parse_edit_write(black_box(&hostile))));
    group.finish();
}

criterion_group!(benches, redact);
criterion_main!(benches);
