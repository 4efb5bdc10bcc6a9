//! Both scanners are told the same of one body, whatever the cuts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test")]

use super::*;

/// Goes inside everything, or takes every other container whole, and counts what it is told.
#[derive(Default)]
struct Counts {
    seen: Vec<String>,
    skip: usize,
    containers: usize,
}

impl Sink for Counts {
    fn begin(&mut self, _: &[u8], _: usize, value: Value) -> Result<Take, Fault> {
        self.seen.push(format!("{value:?}"));
        self.containers += usize::from(matches!(value, Value::Container(_)));
        let whole = self.skip > 0 && self.containers.is_multiple_of(self.skip);
        Ok(if whole || !matches!(value, Value::Container(_)) { Take::Whole } else { Take::Inside })
    }
    fn end(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
        self.seen.push("end".into());
        Ok(())
    }
    fn name(&mut self, _: &[u8], _: usize, name: &[u8]) -> Result<(), Fault> {
        self.seen.push(String::from_utf8_lossy(name).into());
        Ok(())
    }
    fn comma(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
        Ok(())
    }
    fn close(&mut self, _: &[u8], _: usize, kind: Kind) -> Result<(), Fault> {
        self.seen.push(format!("close {kind:?}"));
        Ok(())
    }
    fn line_end(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
        self.seen.push("line".into());
        Ok(())
    }
    fn pause(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
        Ok(())
    }
}

fn told<const STRICT: bool>(pieces: &[&[u8]], skip: usize) -> Result<Vec<String>, Fault> {
    let mut scanner = Scanner::<STRICT>::new(Limits::default(), false, KeySeed::new([1, 2]));
    let mut sink = Counts { skip, ..Counts::default() };
    for piece in pieces {
        scanner.feed(piece, &mut sink)?;
    }
    scanner.finish(&mut sink)?;
    Ok(sink.seen)
}

#[test]
fn both_scanners_tell_the_same_whatever_the_cuts() {
    let body = "[{\"a\\\\\":\"x\\\"日\\\\\",\"b\":[[1,[2]],{\"c\":{\"d\":[-1.5e3,null]}}],\"\\u0041\": \
                {\"e\":\"}]\\\\\"} } , [ ] , {\"long\":\"0123456789012345678901234567890123456789\",\"z\":[{}]}]";
    let body = body.as_bytes();
    for skip in 0..5 {
        let whole = told::<true>(&[body], skip).unwrap();
        assert_eq!(told::<false>(&[body], skip).unwrap(), whole, "{skip}");
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(told::<true>(&bytes, skip).unwrap(), whole, "{skip}");
        assert_eq!(told::<false>(&bytes, skip).unwrap(), whole, "{skip}");
        for cut in 0..=body.len() {
            for next in cut..=body.len() {
                let pieces = [&body[..cut], &body[cut..next], &body[next..]];
                assert_eq!(told::<true>(&pieces, skip).unwrap(), whole, "{skip}: {cut}, {next}");
                assert_eq!(told::<false>(&pieces, skip).unwrap(), whole, "{skip}: {cut}, {next}");
            }
        }
    }
}

/// Takes the root whole and puts into words what was noted of it.
#[derive(Default)]
struct Noted {
    held: Vec<u8>,
    from: Option<usize>,
    all: bool,
    seen: Vec<String>,
}

impl Noted {
    fn words(&mut self, nodes: &[Node], numbers: std::ops::Range<usize>, inside: Option<Kind>) {
        let mut number = numbers.start;
        while number < numbers.end {
            let node = &nodes[number];
            if inside == Some(Kind::Object) {
                let mut name = Vec::new();
                text::unescape_into(&self.held[node.name()], &mut name).unwrap();
                assert_eq!(node.escaped(), self.held[node.name()].contains(&b'\\'));
                self.seen.push(String::from_utf8(name).unwrap());
            }
            let value = &self.held[node.start()..node.end()];
            assert!(serde_json::from_slice::<serde_json::Value>(value).is_ok(), "{}", String::from_utf8_lossy(value));
            self.seen.push(format!("{:?}", node.value()));
            match node.value() {
                Value::Container(kind) => {
                    self.words(nodes, number + 1..node.next(), Some(kind));
                    self.seen.push(format!("close {kind:?}"));
                }
                _ => self.seen.push("end".into()),
            }
            number = node.next();
        }
    }
}

impl Sink for Noted {
    fn begin(&mut self, _: &[u8], at: usize, _: Value) -> Result<Take, Fault> {
        self.from = Some(at);
        Ok(Take::Whole)
    }
    fn end(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
        panic!("the root is a container");
    }
    fn end_read(&mut self, src: &[u8], at: usize, tape: &Tape) -> Result<(), Fault> {
        self.held.extend_from_slice(&src[self.from.take().unwrap()..at]);
        let Known { nodes, all } = tape.of(self.held.len()).unwrap();
        self.all = all;
        self.words(nodes, 0..nodes.len(), None);
        Ok(())
    }
    fn name(&mut self, _: &[u8], _: usize, _: &[u8]) -> Result<(), Fault> {
        panic!("nobody asked");
    }
    fn comma(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
        panic!("nobody asked");
    }
    fn close(&mut self, _: &[u8], _: usize, _: Kind) -> Result<(), Fault> {
        panic!("nobody asked");
    }
    fn line_end(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
        panic!("no lines");
    }
    fn pause(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        if let Some(from) = self.from.replace(0) {
            self.held.extend_from_slice(&src[from..at]);
        } else {
            self.from = None;
        }
        Ok(())
    }
}

fn noted(pieces: &[&[u8]], seed: u64) -> Noted {
    let mut scanner = Scanner::<true>::new(Limits::default(), false, KeySeed::new([seed, 2]));
    let mut sink = Noted::default();
    for piece in pieces {
        scanner.feed(piece, &mut sink).unwrap();
    }
    scanner.finish(&mut sink).unwrap();
    sink
}

#[test]
fn what_is_noted_of_a_held_value_is_what_is_told_of_it_whatever_the_cuts() {
    let body = " {\"a\\\\\":\"x\\\"日\\\\\",\"b\":[[1,[2]],{\"c\":{\"d\":[-1.5e3,null]}}],\"\\u0041\": {\"e\":\"}]\\\\\"} , \
                \"\" :[ ] ,\"long\":\"0123456789012345678901234567890123456789\",\"z\":[{}],\"日本語日本語日本語\":true} ";
    let body = body.as_bytes();
    let whole = told::<true>(&[body], 0).unwrap();
    assert_eq!(noted(&[body], 1).seen, whole);
    assert_eq!(noted(&body.chunks(1).collect::<Vec<_>>(), 1).seen, whole);
    for cut in 0..=body.len() {
        for next in cut..=body.len() {
            assert_eq!(noted(&[&body[..cut], &body[cut..next], &body[next..]], 1).seen, whole, "{cut}, {next}");
        }
    }
}

#[test]
fn of_a_value_of_too_many_parts_those_directly_in_it_are_noted() {
    for (before, inside, after) in [(0, 5000, 0), (3, 9000, 2), (3000, 2000, 3), (4090, 40, 0), (4093, 1, 0)] {
        let part = "{\"x\":[[{\"y\":1}]],\"z\":\"q\"}";
        let some = |count: usize, kind: &str| (0..count).map(|i| format!("\"{kind}{i}\":7,")).collect::<String>();
        let parts = vec![part; inside].join(",");
        let body = format!("{{{}\"parts\":[{parts}],{}\"id\":\"a\"}}", some(before, "b"), some(after, "c"));
        let direct = body.replace(&parts, "");
        for piece in [body.len(), 1000, 7] {
            let noted = noted(&body.as_bytes().chunks(piece).collect::<Vec<_>>(), 1);
            assert!(!noted.all || before > 4000);
            assert_eq!(noted.seen, told::<true>(&[direct.as_bytes()], 0).unwrap(), "{before}, {inside}, {after}");
        }
    }
}
