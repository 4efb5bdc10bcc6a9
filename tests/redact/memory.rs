//! Memory does not grow with the body.

use std::sync::Arc;

use sekisho::catalogue::fields::Node;
use sekisho::redact::*;

use super::support::*;

const TOTAL: usize = 200 << 20;

/// Feeds `head`, `part` again and again until `TOTAL`, then `tail`; answers how much left and the most that was held.
fn feed(setup: &Setup, head: &str, part: &str, tail: &str) -> (usize, usize) {
    let mut redactor = setup.redactor();
    let mut out = Vec::new();
    let mut left = 0;
    let mut drain = |out: &mut Vec<u8>, redactor: &mut Redactor<_>| {
        left += out.len();
        assert_eq!(redactor.take_windows().last().map_or(left as u64, |w| w.end), left as u64);
        out.clear();
    };
    redactor.push(head.as_bytes(), &mut out).unwrap();
    let block = part.repeat((16 << 10) / part.len() + 1);
    for _ in 0..TOTAL / block.len() {
        redactor.push(block.as_bytes(), &mut out).unwrap();
        drain(&mut out, &mut redactor);
    }
    redactor.push(tail.as_bytes(), &mut out).unwrap();
    assert!(redactor.finish(&mut out).is_ok());
    drain(&mut out, &mut redactor);
    (left, redactor.peak_bytes())
}

#[test]
fn a_list_of_any_length_is_held_one_entry_at_a_time() {
    let part = format!(r#",{{"id":"a","sex":"{}","name":"{}"}}"#, "x".repeat(3000), "y".repeat(3000));
    let (left, peak) = feed(&people(), r#"{"items":[{"id":"a"}"#, &part, "]}");
    assert!(left > TOTAL / 3);
    assert!(peak < 64 << 10, "{peak}");
}

#[test]
fn one_object_of_any_size_streams_once_its_subject_is_settled() {
    let root = tree(&[("/parts/*/text", of(CLEAR)), ("/parts/*/name", of(WITHHELD))]);
    let setup = Setup::new(Shape::Object { subjects: Subjects::NoOne }, root, None, true);
    let part = format!(r#",{{"text":"{}","name":"{}"}}"#, "x".repeat(3000), "y".repeat(3000));
    let (left, peak) = feed(&setup, r#"{"parts":[{}"#, &part, "]}");
    assert!(left > TOTAL / 3);
    assert!(peak < (1 << 20) + (192 << 10), "{peak}");
}

#[test]
fn one_object_too_large_to_hold_is_not_kept_in_memory_and_does_not_leave() {
    let root = tree(&[("/id", of(CLEAR)), ("/text", of(CLEAR))]);
    let setup = Setup::new(Shape::Object { subjects: at("/id") }, Arc::clone(&root), None, false);
    let (left, peak) = feed(&setup, r#"{"text":""#, &"x".repeat(8000), r#"","id":"a"}"#);
    assert_eq!(left, 0);
    assert!(peak < (1 << 20) + (192 << 10), "{peak}");
    let typed = Types([("Patient".into(), ResourceType { node: root, subjects: Subjects::NoOne })].into());
    let setup = Setup::new(Shape::FhirResource, Arc::new(Node::default()), Some(typed), true);
    let (left, peak) = feed(&setup, r#"{"resourceType":"Patient","text":""#, &"x".repeat(8000), r#""}"#);
    assert!(left > TOTAL - (1 << 20));
    assert!(peak < (1 << 20) + (192 << 10), "{peak}");
}
