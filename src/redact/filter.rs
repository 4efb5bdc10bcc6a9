//! Where entries are held, asked about, released or dropped.
//!
//! Outside entries all is told to the envelope's walker. An entry is taken whole: where the slice has all of it, it stays
//! there, else it is gathered in `held`. When it is whole it is looked into ([`probe`](super::probe)), the judge is asked, and it is
//! walked by the plan of the verdict or dropped with its comma. One too large to hold is dropped to its end, or streams
//! (see [`Spec`]).

mod ask;
mod sink;
mod windows;

use std::sync::Arc;

use super::fault::Fault;
use super::keys::KeySeed;
use super::plan::Plan;
use super::redactor::Judge;
use super::scan::{Known, Scanner, Tape};
use super::slice::{Finder, Here};
use super::spec::{Shape, Spec};
use super::stream::Stream;
use super::tally::{Disclosure, Tally, Window};
use super::track::Track;
use super::walk::{Ctx, Through, Walker};

/// The longest that the type of a Bundle may be spelt, in bytes.
const ROOT_TYPE_BYTES_MAX: usize = 64;

/// What becomes of the value under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It lies outside entries.
    Envelope,
    /// An entry, of which what the slice has begins at `from`.
    Hold { from: usize },
    /// An entry is dropped to its end.
    Drop,
    /// An entry leaves as it streams; what the slice has of it begins at `from`.
    Stream { from: usize },
}

/// What the root of a Bundle says of its type: nothing of another resource is to leave as if it were a list.
#[derive(Clone, PartialEq, Eq)]
enum RootType {
    Unsaid,
    /// Its name has been read; then what former slices had of it, and where it begins in this one.
    Named,
    Begun {
        head: Vec<u8>,
        from: usize,
    },
    Bundle,
}

/// An entry that may go: by which plan, and what is recorded of it.
struct Go {
    plan: Arc<Plan>,
    /// Whom dates are moved for.
    about: Option<Box<str>>,
    disclosure: Disclosure,
    /// It is another page's to release.
    sought: bool,
}

pub(super) struct Core<J> {
    spec: Arc<Spec>,
    judge: J,
    envelope: Walker,
    entry: Walker,
    mode: Mode,
    track: Track,
    /// The beginning of an entry that former slices had.
    held: Vec<u8>,
    trusted: Scanner<false>,
    stream: Stream,
    finder: Finder,
    pub(super) tally: Tally,
    /// Where entries are, for reports.
    entry_path: Box<[u8]>,
    /// FHIR Bundles: what the root says that it is.
    root_type: RootType,
    /// The root of this document or line has been written.
    root_written: bool,
    pub(super) out: Vec<u8>,
    /// `out` begins at this place of the whole output, taken modulo 2^64.
    pub(super) base: u64,
    /// The length of the whole output.
    pub(super) left: u64,
    windows: Vec<Window>,
    open_window: Vec<Disclosure>,
    open_window_start: u64,
}

impl<J: Judge> Core<J> {
    pub(super) fn new(spec: Arc<Spec>, judge: J, envelope: Arc<Plan>) -> Core<J> {
        let limits = spec.limits;
        let entry_path = spec.entries.to_string().into_bytes().into();
        Core {
            judge,
            entry: Walker::new(Arc::clone(&envelope), limits),
            envelope: Walker::new(envelope, limits),
            mode: Mode::Envelope,
            track: Track::default(),
            held: Vec::new(),
            trusted: Scanner::new(limits, false, KeySeed::NONE),
            stream: Stream::new(limits),
            finder: Finder::new(),
            tally: Tally::new(),
            entry_path,
            root_type: RootType::Unsaid,
            root_written: false,
            out: Vec::new(),
            base: 0,
            left: 0,
            windows: Vec::new(),
            open_window: Vec::new(),
            open_window_start: 0,
            spec,
        }
    }

    pub(super) fn piece_begins(&mut self) {
        self.judge.piece_begins();
    }

    pub(super) const fn set_closely(&mut self) {
        self.entry.set_closely();
    }

    pub(super) const fn set_portable(&mut self) {
        self.trusted.set_portable();
        self.stream.set_portable();
        self.finder.set_portable();
    }

    pub(super) fn buffer_bytes(&self) -> usize {
        self.held.capacity()
            + self.trusted.buffer_bytes()
            + self.stream.buffer_bytes()
            + self.envelope.buffer_bytes()
            + self.entry.buffer_bytes()
            + (self.open_window.capacity() * size_of::<Disclosure>())
            + (self.windows.capacity() * size_of::<Window>())
    }

    /// Appends to what is held; it grows by doubling, never past its bound.
    fn hold(&mut self, raw: &[u8]) {
        let wanted = self.held.len() + raw.len();
        if wanted > self.held.capacity() {
            let target =
                (self.held.capacity() * 2).max(wanted).max(1024).min(self.spec.limits.entry_bytes_max.max(wanted));
            self.held.reserve_exact(target - self.held.len());
        }
        self.held.extend_from_slice(raw);
    }

    /// More of an entry: `from..to` of the slice; `ends`: all of it.
    fn entry_goes_on(
        &mut self,
        src: &[u8],
        (from, to): (usize, usize),
        ends: bool,
        tape: Option<&Tape>,
    ) -> Result<(), Fault> {
        let piece = src.get(from..to).unwrap_or_default();
        let held = std::mem::take(&mut self.held);
        if held.len() + piece.len() > self.spec.limits.entry_bytes_max {
            return self.too_large(src, from, held, piece);
        }
        self.held = held;
        if !ends {
            self.hold(piece);
            return Ok(());
        }
        if self.held.is_empty() {
            return self.whole_entry(src, from, piece, tape);
        }
        self.hold(piece);
        let held = std::mem::take(&mut self.held);
        let outcome = self.whole_entry(src, from, &held, tape);
        self.held = held;
        self.held.clear();
        outcome
    }

    /// An entry is whole; what the slice has of it begins at `from`.
    fn whole_entry(&mut self, src: &[u8], from: usize, entry: &[u8], tape: Option<&Tape>) -> Result<(), Fault> {
        let known = tape.and_then(|tape| tape.of(entry.len()));
        let here = Here::entry(entry, known);
        match self.ask(here, true)? {
            Some(go) if self.may_leave(&go, here, known) => self.release(src, from, go, entry, known),
            Some(_) | None => {
                self.envelope.remove(src, from, &mut self.out);
                Ok(())
            }
        }
    }

    /// Readies the entry's walker.
    fn ready(&mut self, go: &Go) {
        let (place, root_type) = match self.spec.shape {
            Shape::FhirResource | Shape::FhirLines => {
                let name = go.disclosure.resource_type.as_deref();
                (None, name.and_then(|name| go.plan.resource(name).cloned()))
            }
            Shape::Object { .. } | Shape::List { .. } | Shape::Lines { .. } | Shape::FhirBundle => {
                (go.plan.at(self.spec.entries.steps()), None)
            }
        };
        self.entry.restart(&go.plan, place, root_type, &self.entry_path);
        self.entry.about(go.about.clone(), go.disclosure.subject.as_deref());
        self.entry.looks_for_modifiers(false);
    }

    /// Writes what comes before the entry, which begins at `from`.
    fn begin_entry(&mut self, src: &[u8], from: usize) {
        self.envelope.keep(from, &mut self.out);
        self.envelope.flush(src, &mut self.out);
        self.root_written = true;
        self.tally.released += 1;
        self.tally.take_occurred();
    }

    fn release(
        &mut self,
        src: &[u8],
        from: usize,
        mut go: Go,
        entry: &[u8],
        known: Option<Known<'_>>,
    ) -> Result<(), Fault> {
        self.envelope.flush(src, &mut self.out);
        let start = self.position();
        self.begin_entry(src, from);
        let ctx = Ctx { out: &mut self.out, tally: &mut self.tally, read: None };
        let walked = walk(&mut self.entry, &mut self.trusted, entry, known, ctx);
        if walked.is_ok() {
            go.disclosure.occurred = self.tally.take_occurred();
            go.disclosure.exact = true;
        }
        // Also of an entry that a fault cut off: some of its bytes may be in `out`.
        self.disclose(go.disclosure, start);
        walked
    }

    /// An entry is past its bound: it streams if that can be answered for, else it is dropped, or ends the body.
    fn too_large(&mut self, src: &[u8], from: usize, held: Vec<u8>, piece: &[u8]) -> Result<(), Fault> {
        // One that streams has begun to leave before all of it was seen.
        let go = if self.spec.settled && self.judge.spelled().is_empty() {
            // The probe sees exactly as many bytes as may be held, however the body was cut.
            let room = self.spec.limits.entry_bytes_max.saturating_sub(held.len());
            let mut beginning = held.clone();
            beginning.extend_from_slice(piece.get(..room).unwrap_or(piece));
            let go = self.ask(Here::unread(&beginning), false)?;
            let sought = u64::from(go.as_ref().is_some_and(|go| go.sought));
            (self.tally.dropped, self.tally.dropped_refused) =
                (self.tally.dropped + sought, self.tally.dropped_refused + sought);
            go.filter(|go| !go.sought)
        } else {
            self.unjudged()?
        };
        let Some(go) = go else {
            self.envelope.remove(src, from, &mut self.out);
            self.mode = Mode::Drop;
            return Ok(());
        };
        self.envelope.flush(src, &mut self.out);
        self.disclose(go.disclosure.clone(), self.position());
        self.ready(&go);
        self.begin_entry(src, from);
        self.entry.streams();
        self.mode = Mode::Stream { from };
        self.stream.begin();
        self.stream_goes_on(&held)?;
        self.stream_goes_on(piece)
    }

    fn stream_goes_on(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let ctx = Ctx { out: &mut self.out, tally: &mut self.tally, read: None };
        let fed = self.stream.feed(piece, &mut self.entry, ctx);
        if fed.is_err() {
            self.mode = Mode::Drop; // nothing more of it is looked at
        }
        fed
    }

    fn entry_ends(&mut self, src: &[u8], at: usize, tape: Option<&Tape>) -> Result<(), Fault> {
        match self.mode {
            Mode::Envelope | Mode::Drop => {}
            Mode::Hold { from } => self.entry_goes_on(src, (from, at), true, tape)?,
            Mode::Stream { from } => self.stream_goes_on(src.get(from..at).unwrap_or_default())?,
        }
        if matches!(self.mode, Mode::Stream { .. }) {
            let ctx = Ctx { out: &mut self.out, tally: &mut self.tally, read: None };
            self.stream.finish(&mut self.entry, ctx)?;
        }
        self.mode = Mode::Envelope;
        self.envelope.resume(at);
        Ok(())
    }

    /// The slice ends in an entry; what it had of the envelope is written or waits.
    fn entry_pauses(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        match self.mode {
            Mode::Envelope => {}
            Mode::Hold { from } => {
                self.entry_goes_on(src, (from, at), false, None)?;
                if let Mode::Hold { from } = &mut self.mode {
                    *from = 0;
                }
            }
            Mode::Drop => {}
            Mode::Stream { from } => self.stream_goes_on(src.get(from..at).unwrap_or_default())?,
        }
        if let Mode::Stream { from } = &mut self.mode {
            *from = 0;
        }
        self.envelope.resume(0);
        Ok(())
    }

    /// It is to be a Bundle, and nothing has said so yet: until then nothing of it may leave.
    pub(super) fn is_unproven(&self) -> bool {
        matches!(self.spec.shape, Shape::FhirBundle) && self.root_type != RootType::Bundle
    }

    /// It has said that it is a Bundle.
    fn proven(&mut self, src: &[u8]) -> Result<(), Fault> {
        // All of what was decided counts, as it would had the slice ended here.
        self.envelope.flush(src, &mut self.out);
        self.bound_head(self.position())?;
        self.root_type = RootType::Bundle;
        Ok(())
    }

    /// So much of it would have left: of what is not known to be a Bundle no more than this is held.
    pub(super) fn bound_head(&self, left: u64) -> Result<(), Fault> {
        let most = u64::try_from(self.spec.limits.entry_bytes_max).unwrap_or(u64::MAX);
        if left > most { Err(Fault::Layout) } else { Ok(()) }
    }

    /// The body has ended: white space after its root stays if the root did.
    ///
    /// # Errors
    /// [`Fault::Layout`]: it was to be a Bundle and nothing in it said so.
    pub(super) fn body_ends(&mut self) -> Result<(), Fault> {
        if self.is_unproven() {
            return Err(Fault::Layout);
        }
        self.document_ends(b"", 0);
        Ok(())
    }

    fn document_ends(&mut self, src: &[u8], at: usize) {
        let written = std::mem::take(&mut self.root_written);
        let mut ctx = Ctx { out: &mut self.out, tally: &mut self.tally, read: None };
        self.envelope.document_ends(src, at, written, &mut ctx);
    }

    pub(super) fn position(&self) -> u64 {
        self.base.wrapping_add(self.out.len() as u64)
    }
}

/// Walks a whole entry, by what the strict reading noted of it where that is all.
fn walk<'a>(
    walker: &mut Walker,
    trusted: &mut Scanner<false>,
    entry: &'a [u8],
    known: Option<Known<'a>>,
    mut ctx: Ctx<'a>,
) -> Result<(), Fault> {
    match known {
        Some(Known { nodes, all: true }) => walker.walk_read(entry, nodes, &mut ctx),
        _ => trusted.whole(entry, &mut Through { walker, ctx }),
    }
}
