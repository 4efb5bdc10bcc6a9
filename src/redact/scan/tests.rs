//! Both scanners are told the same of one body, whatever the cuts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

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
