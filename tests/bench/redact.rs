//! Redaction on one core against parsing to a tree, editing it and writing it.
//!
//! Run by hand: `cargo bench --bench redact [-- WORDS]`; with words only rows whose name has one of them. Bodies of 1 MiB in
//! pieces of 16 KiB; the output is reused. Measured is the thread's own CPU time, the rows of a body one after the other
//! in every round, and the median round counts: so neighbours on the machine disturb ratios little. Figures of two
//! runs still cannot be compared.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use sekisho::catalogue::fields::{Covers, Meaning, Node};
use sekisho::catalogue::party::Bystanders;
use sekisho::policy::{Category, Release};
use sekisho::redact::{
    Entry, KeySeed, Limits, Plan, Pointer, Redactor, ResourceType, Shape, Spec, SubjectAt, Subjects, Terms, Types,
    Verdict,
};

const BYTES: usize = 1 << 20;

fn category(index: usize) -> Category {
    Category::from_index(index).unwrap()
}

/// A value, or all that lies in one of several parts.
fn leaf(meaning: Meaning) -> Arc<Node> {
    Arc::new(Node { meaning: Some(meaning), covers: Covers::Deep, ..Node::default() })
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
            ("meta", &value),
            ("status", &open),
            ("category", &value),
            ("code", &value),
            ("valueQuantity", &value),
            ("effectiveDateTime", &value),
            ("issued", &value),
            ("subject", &person),
            ("note", &notes),
        ],
        None,
    );
    let at = SubjectAt {
        pointer: Pointer::parse("/subject/reference").unwrap(),
        reference_to: Some("Patient".into()),
        bystanders: Bystanders::default(),
    };
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

/// Five names at any depth: two are removed, the rest is kept.
fn any_depth() -> (Arc<Spec>, Arc<Plan>) {
    let away = leaf(Meaning::Category(category(1)));
    let keep = leaf(Meaning::Category(category(0)));
    let mut node = keep;
    for _ in 0..12 {
        let members = ["subject", "note", "telecom", "address", "identifier"];
        let members: Vec<(&str, &Arc<Node>)> = members.iter().map(|name| (*name, &away)).collect();
        let mut next = (*branch(&members, Some(&node))).clone();
        next.meaning = Some(Meaning::Category(category(0)));
        node = Arc::new(next);
    }
    setup(Shape::Object { subjects: Subjects::NoOne }, node, None)
}

/// How a body is fed.
#[derive(Clone, Copy)]
struct Feed {
    piece: usize,
    portable: bool,
}

const PIECES: Feed = Feed { piece: 16 << 10, portable: false };

fn filter((spec, plan): &(Arc<Spec>, Arc<Plan>), body: &[u8], feed: Feed, out: &mut Vec<u8>) -> usize {
    let judge = |_: &Entry<'_>| Verdict::Release(Arc::clone(plan));
    let mut redactor = Redactor::new(Arc::clone(spec), judge, Arc::clone(plan), KeySeed::new([3, 5]));
    if feed.portable {
        redactor = redactor.portable();
    }
    let mut left = 0;
    for chunk in body.chunks(feed.piece) {
        redactor.push(chunk, out).unwrap();
        left += black_box(&*out).len();
        black_box(redactor.take_windows());
        out.clear();
    }
    assert!(redactor.finish(out).is_ok());
    left += out.len();
    out.clear();
    left
}

fn parse_edit_write(body: &[u8]) -> usize {
    let mut value: serde_json::Value = serde_json::from_slice(body).unwrap();
    let entries = value.get_mut("entry").and_then(|e| e.as_array_mut()).into_iter().flatten();
    for resource in entries.filter_map(|e| e.get_mut("resource")?.as_object_mut()) {
        resource.remove("subject");
        resource.remove("note");
    }
    black_box(serde_json::to_vec(&value).unwrap()).len()
}

fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

/// A row: its name, the bytes it reads, and one pass over them.
type Row<'a> = (&'a str, usize, Box<dyn FnMut() -> usize + 'a>);

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(60);

/// Prints each row's MiB/s and how many times the first row's that is.
fn compare(title: &str, mut rows: Vec<Row<'_>>) {
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut first = true;
    rows.retain(|(name, ..)| std::mem::take(&mut first) || wanted(name));
    if rows.len() < 2 {
        return;
    }
    let mut figures: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for ((_, bytes, pass), figures) in rows.iter_mut().zip(&mut figures) {
            let (start, mut passes) = (cpu(), 0u32);
            let mut took = Duration::ZERO;
            while took < ROUND {
                black_box(pass());
                passes += 1;
                took = cpu() - start;
            }
            figures.push(*bytes as f64 * f64::from(passes) / took.as_secs_f64() / f64::from(1 << 20));
        }
    }
    println!("\n{title}");
    let medians: Vec<f64> = figures
        .iter_mut()
        .map(|figures| {
            figures.sort_by(f64::total_cmp);
            figures[ROUNDS / 2]
        })
        .collect();
    for (((name, ..), median), figures) in rows.iter().zip(&medians).zip(&figures) {
        let (low, high) = (figures[0], figures[ROUNDS - 1]);
        println!("  {name:<34} {median:>8.0} MiB/s ({low:.0}..{high:.0})  {:>6.1}x", median / medians[0]);
    }
}

fn main() {
    let body = bundle().into_bytes();
    let typed = by_type();
    let nothing = nothing_applies();
    let anywhere = any_depth();
    let single = Feed { piece: 1, ..PIECES };
    let portable = Feed { portable: true, ..PIECES };
    let (mut a, mut b, mut c, mut d, mut e) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut f = Vec::new();
    compare(
        "a Bundle of observations",
        vec![
            ("serde_json Value", body.len(), Box::new(|| parse_edit_write(black_box(&body)))),
            ("rules by type", body.len(), Box::new(|| filter(&typed, black_box(&body), PIECES, &mut a))),
            ("rules at any depth", body.len(), Box::new(|| filter(&anywhere, black_box(&body), PIECES, &mut b))),
            ("nothing applies", body.len(), Box::new(|| filter(&nothing, black_box(&body), PIECES, &mut c))),
            ("by type, no SIMD", body.len(), Box::new(|| filter(&typed, black_box(&body), portable, &mut d))),
            (
                "by type, pieces of 1400 bytes",
                body.len(),
                Box::new(|| filter(&typed, black_box(&body), Feed { piece: 1400, ..PIECES }, &mut e)),
            ),
            ("by type, single bytes", body.len(), Box::new(|| filter(&typed, black_box(&body), single, &mut f))),
        ],
    );
    let hostile = [
        ("all structure", format!("[{}1]", r#"{"a":[[{}],[]],"":""},"#.repeat(BYTES / 22))),
        ("every name escaped", format!("[{}1]", r#"{"\u0061":1,"\u0062\n":"\u0063"},"#.repeat(BYTES / 37))),
        ("deep", format!("[{}1]", format!("{}1{},", "[".repeat(120), "]".repeat(120)).repeat(BYTES / 242))),
        ("many names", {
            let names: Vec<String> = (0..2000).map(|i| format!("\"k{i}\":1")).collect();
            format!("[{}1]", format!("{{{}}},", names.join(",")).repeat(BYTES / 18_000))
        }),
    ];
    for (name, body) in &hostile {
        let body = body.as_bytes();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        compare(
            &format!("hostile: {name}"),
            vec![
                ("serde_json Value", body.len(), Box::new(|| parse_edit_write(black_box(body)))),
                (name, body.len(), Box::new(|| filter(&nothing, black_box(body), PIECES, &mut a))),
                ("in single bytes", body.len(), Box::new(|| filter(&nothing, black_box(body), single, &mut b))),
            ],
        );
    }
}
