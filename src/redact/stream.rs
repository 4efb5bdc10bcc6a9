//! How does an entry leave that is too large to hold? Walked as it comes, its nested resources held one by one.

use super::fault::Fault;
use super::keys::KeySeed;
use super::scan::{Kind, Scanner, Sink, Take, Value};
use super::spec::Limits;
use super::walk::Through;
use super::walk::{Ctx, Walker};

/// Reads an entry that a strict scanner passes piece by piece.
pub(super) struct Stream {
    scanner: Scanner<false>,
    nested: Nested,
}

/// A resource inside it, held until it is whole: its type has to be known.
struct Nested {
    scanner: Scanner<false>,
    bytes_max: usize,
    /// Where it begins in the slice, while one is under way.
    from: Option<usize>,
    held: Vec<u8>,
    /// It was too large and goes.
    large: bool,
}

impl Stream {
    pub(super) fn new(limits: Limits) -> Stream {
        Stream {
            scanner: Scanner::new(limits, false, KeySeed::NONE),
            nested: Nested {
                scanner: Scanner::new(limits, false, KeySeed::NONE),
                bytes_max: limits.entry_bytes_max,
                from: None,
                held: Vec::new(),
                large: false,
            },
        }
    }

    pub(super) const fn set_portable(&mut self) {
        self.scanner.set_portable();
        self.nested.scanner.set_portable();
    }

    pub(super) fn buffer_bytes(&self) -> usize {
        self.scanner.buffer_bytes() + self.nested.scanner.buffer_bytes() + self.nested.held.capacity()
    }

    pub(super) fn begin(&mut self) {
        self.scanner.reset();
        self.nested.from = None;
        self.nested.held.clear();
    }

    pub(super) fn feed(&mut self, piece: &[u8], entry: &mut Walker, ctx: Ctx<'_>) -> Result<(), Fault> {
        self.scanner.feed(piece, &mut Into { entry: Through { walker: entry, ctx }, nested: &mut self.nested })
    }

    pub(super) fn finish(&mut self, entry: &mut Walker, ctx: Ctx<'_>) -> Result<(), Fault> {
        self.scanner.finish(&mut Into { entry: Through { walker: entry, ctx }, nested: &mut self.nested })
    }
}

/// The entry's walker, and what is held back from it.
struct Into<'a> {
    entry: Through<'a>,
    nested: &'a mut Nested,
}

impl Into<'_> {
    /// More of a nested resource.
    fn hold(&mut self, piece: &[u8]) {
        self.nested.large |= self.nested.held.len() + piece.len() > self.nested.bytes_max;
        if self.nested.large {
            self.nested.held.clear();
        } else {
            self.nested.held.extend_from_slice(piece);
        }
    }

    /// A nested resource, of which the slice has what begins at `from`, ends before `at`.
    fn resource(&mut self, src: &[u8], from: usize, at: usize) -> Result<(), Fault> {
        self.hold(src.get(from..at).unwrap_or_default());
        let Through { walker, ctx } = &mut self.entry;
        if std::mem::take(&mut self.nested.large) {
            walker.drop_large(src, from, ctx);
        } else {
            walker.pause(src, from, ctx)?;
            let held = std::mem::take(&mut self.nested.held);
            let walked = self.nested.scanner.whole(&held, &mut self.entry);
            self.nested.held = held;
            walked?;
        }
        self.nested.held.clear();
        self.entry.walker.resume(at);
        Ok(())
    }
}

impl Sink for Into<'_> {
    fn begin(&mut self, src: &[u8], at: usize, value: Value) -> Result<Take, Fault> {
        if value == Value::Container(Kind::Object) && self.entry.walker.at_resource() {
            self.nested.from = Some(at);
            return Ok(Take::Whole);
        }
        self.entry.begin(src, at, value)
    }
    fn end(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        match self.nested.from.take() {
            Some(from) => self.resource(src, from, at),
            None => self.entry.end(src, at),
        }
    }
    fn name(&mut self, src: &[u8], at: usize, name: &[u8]) -> Result<(), Fault> {
        self.entry.name(src, at, name)
    }
    fn comma(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        self.entry.comma(src, at)
    }
    fn close(&mut self, src: &[u8], at: usize, kind: Kind) -> Result<(), Fault> {
        self.entry.close(src, at, kind)
    }
    fn line_end(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        self.entry.line_end(src, at)
    }
    fn pause(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        let Some(from) = self.nested.from else { return self.entry.pause(src, at) };
        self.entry.pause(src, from)?;
        self.hold(src.get(from..at).unwrap_or_default());
        self.nested.from = Some(0);
        Ok(())
    }
}
