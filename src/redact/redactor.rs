//! Bytes in, judged bytes out: where entries are held, asked about, released or dropped.
//!
//! The strict scanner tells [`Core`] of each token. Outside entries they go to the envelope's walker. At an entry they
//! are gathered in `held`; when it is whole it is looked into ([`probe`](super::probe)), the judge is asked, and it is
//! walked by the plan of the verdict or dropped with its comma.

use std::sync::Arc;

use super::fault::Fault;
use super::keys::KeySeed;
use super::plan::Plan;
use super::probe::{self, Probe, Subject};
use super::scan::{Kind, Scanner, Sink};
use super::spec::{Shape, Spec, Step};
use super::tally::{Disclosure, Tally, Window};
use super::walk::{Ctx, Through, Walker};

/// What an entry says of itself, for its judge.
pub struct Entry<'a> {
    /// The one it is about: an id, as the body has it. `None`: the body names no one, and need not.
    pub subject: Option<&'a str>,
    /// FHIR: its type.
    pub resource_type: Option<&'a str>,
    /// FHIR: the resource's own id.
    pub id: Option<&'a str>,
    /// False: the entry is too large to be held; this is what its beginning says.
    pub whole: bool,
}

/// What becomes of an entry.
pub enum Verdict {
    /// What the plan leaves of it is released.
    Release(Arc<Plan>),
    /// It goes, and nothing shows that it was there.
    Drop,
}

/// Decides about each entry while it is held.
pub trait Judge {
    /// Asked once for each entry that names one subject, or that need not name one.
    fn judge(&mut self, entry: &Entry<'_>) -> Verdict;
}

impl<F: FnMut(&Entry<'_>) -> Verdict> Judge for F {
    fn judge(&mut self, entry: &Entry<'_>) -> Verdict {
        self(entry)
    }
}

/// The largest window that has more than one entry, in bytes.
const WINDOW_BYTES_MAX: u64 = 64 << 10;
/// The most entries of a window.
const WINDOW_ENTRIES_MAX: usize = 256;

/// A filter for one body.
pub struct Redactor<J: Judge> {
    scanner: Scanner,
    core: Core<J>,
    fault: Option<Fault>,
    peak_bytes: usize,
}

impl<J: Judge> Redactor<J> {
    /// A filter for a body of this layout. `envelope` is the plan for what lies outside entries; `seed` is random.
    pub fn new(spec: Arc<Spec>, judge: J, envelope: Arc<Plan>, seed: KeySeed) -> Redactor<J> {
        let limits = spec.limits;
        Redactor {
            scanner: Scanner::strict(limits, spec.lines(), seed),
            core: Core::new(spec, judge, envelope),
            fault: None,
            peak_bytes: 0,
        }
    }

    /// Reads `chunk` and appends to `out` what may leave, once its windows ([`Redactor::take_windows`]) are on disk.
    ///
    /// # Errors
    /// [`Fault`]: the body cannot be judged further. What `out` has was judged; nothing more will come.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.run(out, |scanner, core| scanner.feed(chunk, core))
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if it was not whole, or the fault that ended it before.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Tally, Fault> {
        self.run(out, |scanner, core| {
            scanner.finish(core)?;
            core.document_ends();
            Ok(())
        })?;
        self.fault = Some(Fault::Finished);
        Ok(self.core.tally.clone())
    }

    fn run(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut Scanner, &mut Core<J>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let before = out.len();
        std::mem::swap(out, &mut self.core.out);
        self.core.base = self.core.left.wrapping_sub(before as u64);
        let done = step(&mut self.scanner, &mut self.core);
        self.core.left = self.core.position();
        std::mem::swap(out, &mut self.core.out);
        self.fault = done.err();
        self.peak_bytes = self.peak_bytes.max(self.buffer_bytes());
        done
    }

    /// The windows of all output so far: their ends ascend, the last is where the output ends.
    ///
    /// Ask after every `push` and `finish`, record a window's disclosures, then let its bytes go.
    pub fn take_windows(&mut self) -> Vec<Window> {
        self.core.take_windows()
    }

    /// The counts so far; after a fault this is all there is.
    pub fn tally(&self) -> &Tally {
        &self.core.tally
    }

    /// How much memory it holds now, in bytes.
    pub fn buffer_bytes(&self) -> usize {
        self.scanner.buffer_bytes() + self.core.buffer_bytes()
    }

    /// The most memory it held at the end of any call, in bytes; `held` never shrinks during one.
    pub const fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Envelope,
    /// An entry is gathered.
    Hold {
        depth: usize,
    },
    /// An entry is dropped to its end.
    Drop {
        depth: usize,
    },
    /// An entry leaves as it streams.
    Stream {
        depth: usize,
    },
    /// A resource in it is gathered; `large`: it is dropped to its end.
    Nested {
        depth: usize,
        inner: usize,
        large: bool,
    },
}

/// One token.
#[derive(Clone, Copy)]
enum Token<'a> {
    Space(&'a [u8]),
    Comma,
    Colon,
    Key(&'a [u8], &'a [u8]),
    Open(Kind, &'a [u8]),
    Close(Kind),
    Text(&'a [u8], bool, bool),
    Scalar(&'a [u8]),
}

impl<'a> Token<'a> {
    const fn raw(self) -> &'a [u8] {
        match self {
            Token::Space(raw) | Token::Key(raw, _) | Token::Text(raw, _, _) | Token::Scalar(raw) => raw,
            Token::Comma => b",",
            Token::Colon => b":",
            Token::Open(Kind::Object, _) => b"{",
            Token::Open(Kind::Array, _) => b"[",
            Token::Close(Kind::Object) => b"}",
            Token::Close(Kind::Array) => b"]",
        }
    }

    /// The depth after it, and whether a value of depth 0 ends with it.
    const fn depth(self, depth: usize) -> (usize, bool) {
        match self {
            Token::Open(..) => (depth + 1, false),
            Token::Close(_) => (depth.saturating_sub(1), depth <= 1),
            Token::Scalar(_) | Token::Text(_, _, true) => (depth, depth == 0),
            Token::Space(_) | Token::Comma | Token::Colon | Token::Key(..) | Token::Text(_, _, false) => (depth, false),
        }
    }
}

/// Where the value that begins now lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// It is an entry.
    Entry,
    /// It leads to entries.
    Leads,
    /// Neither.
    Aside,
}

/// Follows the envelope's containers along the entries' pointer.
#[derive(Default)]
struct Track {
    /// How many containers of the envelope are open, and how many of them, from the root, lead to the entries.
    depth: usize,
    leading: usize,
    key_leads: bool,
}

impl Track {
    fn position(&self, steps: &[Step]) -> Position {
        let leads = self.leading == self.depth
            && match self.depth.checked_sub(1).and_then(|above| steps.get(above)) {
                None => self.depth == 0,
                Some(Step::Any) => true,
                Some(Step::Name(_)) => self.key_leads,
            };
        match leads {
            true if self.depth == steps.len() => Position::Entry,
            true => Position::Leads,
            false => Position::Aside,
        }
    }

    fn key(&mut self, steps: &[Step], name: &[u8]) {
        let step = self.depth.checked_sub(1).and_then(|above| steps.get(above));
        self.key_leads = matches!(step, Some(Step::Name(wanted)) if wanted.as_bytes() == name);
    }

    /// A container that leads to the entries opens: it must be what the next step asks for.
    fn open_leading(&mut self, steps: &[Step], kind: Kind) -> Result<(), Fault> {
        match (steps.get(self.depth), kind) {
            (Some(Step::Any), Kind::Array) | (Some(Step::Name(_)), Kind::Object) => {}
            _ => return Err(Fault::Layout),
        }
        self.depth += 1;
        self.leading += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.leading = self.leading.min(self.depth);
    }
}

/// An entry that may go: by which plan, and what is recorded of it.
struct Go {
    plan: Arc<Plan>,
    disclosure: Disclosure,
}

struct Core<J> {
    spec: Arc<Spec>,
    judge: J,
    envelope: Walker,
    entry: Walker,
    mode: Mode,
    track: Track,
    held: Vec<u8>,
    trusted: Scanner,
    tally: Tally,
    /// Where entries are, for reports.
    entry_path: Box<[u8]>,
    /// The root of this document or line has been written.
    root_written: bool,
    out: Vec<u8>,
    /// `out` begins at this place of the whole output, taken modulo 2^64.
    base: u64,
    /// The length of the whole output.
    left: u64,
    windows: Vec<Window>,
    open_window: Vec<Disclosure>,
    open_window_start: u64,
}

impl<J: Judge> Core<J> {
    fn new(spec: Arc<Spec>, judge: J, envelope: Arc<Plan>) -> Core<J> {
        let limits = spec.limits;
        let entry_path = spec.entries.to_string().into_bytes().into();
        Core {
            judge,
            entry: Walker::new(Arc::clone(&envelope), limits),
            envelope: Walker::new(envelope, limits),
            mode: Mode::Envelope,
            track: Track::default(),
            held: Vec::new(),
            trusted: Scanner::trusted(limits),
            tally: Tally::new(),
            entry_path,
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

    fn buffer_bytes(&self) -> usize {
        self.held.capacity()
            + self.trusted.buffer_bytes()
            + self.envelope.buffer_bytes()
            + self.entry.buffer_bytes()
            + (self.open_window.capacity() * size_of::<Disclosure>())
            + (self.windows.capacity() * size_of::<Window>())
    }

    fn token(&mut self, token: Token<'_>) -> Result<(), Fault> {
        match self.mode {
            Mode::Envelope => self.in_envelope(token),
            Mode::Hold { depth } => self.in_hold(token, depth),
            Mode::Drop { depth } => {
                self.in_drop(token, depth);
                Ok(())
            }
            Mode::Stream { depth } => self.in_stream(token, depth),
            Mode::Nested { depth, inner, large } => self.in_nested(token, depth, inner, large),
        }
    }

    fn in_envelope(&mut self, token: Token<'_>) -> Result<(), Fault> {
        let begins = matches!(token, Token::Open(..) | Token::Scalar(_) | Token::Text(_, true, _));
        let position = match begins {
            true => self.track.position(self.spec.entries.steps()),
            false => Position::Aside,
        };
        if position == Position::Entry {
            self.held.clear();
            return self.in_hold(token, 0);
        }
        match token {
            Token::Key(_, name) => self.track.key(self.spec.entries.steps(), name),
            Token::Close(_) => self.track.close(),
            Token::Open(kind, _) if position == Position::Leads => {
                self.track.open_leading(self.spec.entries.steps(), kind)?;
                self.envelope.open_forced(kind);
                self.root_written = true;
                return Ok(());
            }
            Token::Open(..) => self.track.depth += 1,
            _ => {}
        }
        self.root_written |= begins;
        tell(&mut self.envelope, token, &mut Ctx { out: &mut self.out, tally: &mut self.tally })
    }

    fn in_hold(&mut self, token: Token<'_>, depth: usize) -> Result<(), Fault> {
        let raw = token.raw();
        if self.held.len() + raw.len() > self.spec.limits.entry_bytes_max {
            return self.too_large(token, depth);
        }
        self.hold(raw);
        let (depth, ends) = token.depth(depth);
        self.mode = Mode::Hold { depth };
        if ends {
            self.mode = Mode::Envelope;
            self.whole_entry()?;
        }
        Ok(())
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

    fn in_drop(&mut self, token: Token<'_>, depth: usize) {
        let (depth, ends) = token.depth(depth);
        self.mode = if ends { Mode::Envelope } else { Mode::Drop { depth } };
    }

    fn whole_entry(&mut self) -> Result<(), Fault> {
        let held = std::mem::take(&mut self.held);
        let outcome = match self.ask(&held, true) {
            Some(go) => self.release(go, &held),
            None => {
                self.envelope.remove();
                Ok(())
            }
        };
        self.held = held;
        self.held.clear();
        outcome
    }

    /// Asks the judge about an entry, or the beginning of one; counts it if it is dropped.
    fn ask(&mut self, bytes: &[u8], whole: bool) -> Option<Go> {
        let Probe { subject, names_someone, resource_type, id, type_unknown } = probe::probe(&self.spec, bytes);
        let verdict = if type_unknown && self.spec.fhir() {
            self.tally.dropped_type += 1;
            None
        } else {
            let subject = match subject {
                Subject::One(subject) => Some(Some(subject)),
                Subject::NotFound if self.spec.settled || !names_someone => Some(None),
                Subject::NotFound | Subject::Unclear => None,
            };
            self.tally.dropped_subject += u64::from(subject.is_none());
            subject
        };
        let subject = match verdict {
            Some(subject) => subject,
            None => {
                self.tally.dropped += 1;
                return None;
            }
        };
        let entry =
            Entry { subject: subject.as_deref(), resource_type: resource_type.as_deref(), id: id.as_deref(), whole };
        match self.judge.judge(&entry) {
            Verdict::Release(plan) => Some(Go {
                disclosure: Disclosure {
                    subject: subject.map(Into::into),
                    resource_type: resource_type.map(Into::into),
                    occurred: plan.may_occur(),
                    exact: false,
                },
                plan,
            }),
            Verdict::Drop => {
                self.tally.dropped += 1;
                self.tally.dropped_refused += 1;
                None
            }
        }
    }

    /// Readies the entry's walker and writes what comes before the entry.
    fn begin_entry(&mut self, go: &Go) {
        let (place, root_type) = match self.spec.shape {
            Shape::FhirResource => {
                let name = go.disclosure.resource_type.as_deref();
                (None, name.and_then(|name| go.plan.resource(name).cloned()))
            }
            Shape::Object { .. } | Shape::List { .. } | Shape::Lines { .. } | Shape::FhirBundle => {
                (go.plan.at(self.spec.entries.steps()), None)
            }
        };
        self.entry.restart(&go.plan, place, root_type, &self.entry_path);
        self.envelope.keep(&mut self.out);
        self.root_written = true;
        self.tally.released += 1;
        self.tally.take_occurred();
    }

    fn release(&mut self, mut go: Go, held: &[u8]) -> Result<(), Fault> {
        let start = self.position();
        self.begin_entry(&go);
        self.trusted.reset();
        let ctx = Ctx { out: &mut self.out, tally: &mut self.tally };
        let mut sink = Through { walker: &mut self.entry, ctx };
        self.trusted.feed(held, &mut sink)?;
        self.trusted.finish(&mut sink)?;
        go.disclosure.occurred = self.tally.take_occurred();
        go.disclosure.exact = true;
        self.disclose(go.disclosure, start);
        Ok(())
    }

    /// An entry past its bound: it streams if that can be answered for, else it is dropped.
    fn too_large(&mut self, token: Token<'_>, depth: usize) -> Result<(), Fault> {
        let go = if self.spec.settled {
            // The probe sees exactly as many bytes as may be held, however the body was cut.
            let aligned = self.held.len();
            let left = self.spec.limits.entry_bytes_max.saturating_sub(aligned);
            let mut beginning = std::mem::take(&mut self.held);
            beginning.extend_from_slice(token.raw().get(..left).unwrap_or_default());
            let go = self.ask(&beginning, false);
            beginning.truncate(aligned);
            self.held = beginning;
            go
        } else {
            self.tally.dropped += 1;
            self.tally.dropped_large += 1;
            None
        };
        let Some(go) = go else {
            self.held.clear();
            self.envelope.remove();
            self.in_drop(token, depth);
            return Ok(());
        };
        self.disclose(go.disclosure.clone(), self.position());
        self.begin_entry(&go);
        self.mode = Mode::Stream { depth: 0 };
        let beginning = std::mem::take(&mut self.held);
        let mut scanner = Scanner::trusted(self.spec.limits);
        scanner.feed(&beginning, self)?;
        drop(beginning);
        self.token(token)
    }

    fn in_stream(&mut self, token: Token<'_>, depth: usize) -> Result<(), Fault> {
        if matches!(token, Token::Open(Kind::Object, _)) && self.entry.at_resource() {
            self.held.clear();
            return self.in_nested(token, depth, 0, false);
        }
        tell(&mut self.entry, token, &mut Ctx { out: &mut self.out, tally: &mut self.tally })?;
        let (depth, ends) = token.depth(depth);
        self.mode = if ends { Mode::Envelope } else { Mode::Stream { depth } };
        Ok(())
    }

    fn in_nested(&mut self, token: Token<'_>, depth: usize, inner: usize, large: bool) -> Result<(), Fault> {
        let raw = token.raw();
        let large = large || self.held.len() + raw.len() > self.spec.limits.entry_bytes_max;
        if large {
            self.held.clear();
        } else {
            self.hold(raw);
        }
        let (inner, ends) = token.depth(inner);
        if !ends {
            self.mode = Mode::Nested { depth, inner, large };
            return Ok(());
        }
        self.mode = Mode::Stream { depth };
        let mut ctx = Ctx { out: &mut self.out, tally: &mut self.tally };
        if large {
            self.entry.drop_resource(&mut ctx);
            return Ok(());
        }
        self.trusted.reset();
        self.trusted.feed(&self.held, &mut Through { walker: &mut self.entry, ctx })?;
        self.held.clear();
        Ok(())
    }

    fn document_ends(&mut self) {
        let written = std::mem::take(&mut self.root_written);
        self.envelope.take_pending(written.then_some(&mut self.out));
    }

    fn position(&self) -> u64 {
        self.base.wrapping_add(self.out.len() as u64)
    }

    /// An entry begins at `start`: it joins the open window, or begins the next one if that is full.
    fn disclose(&mut self, disclosure: Disclosure, start: u64) {
        let full = self.open_window.len() >= WINDOW_ENTRIES_MAX;
        let wide = self.position().saturating_sub(self.open_window_start) > WINDOW_BYTES_MAX;
        if !self.open_window.is_empty() && (full || wide) {
            self.close_window(start);
        }
        self.open_window.push(disclosure);
    }

    fn close_window(&mut self, end: u64) {
        let disclosures = std::mem::take(&mut self.open_window);
        self.windows.push(Window { end, disclosures });
        self.open_window_start = end;
    }

    fn take_windows(&mut self) -> Vec<Window> {
        if self.left > self.open_window_start || !self.open_window.is_empty() {
            self.close_window(self.left);
        }
        std::mem::take(&mut self.windows)
    }
}

/// Passes a token on to a walker.
fn tell(walker: &mut Walker, token: Token<'_>, ctx: &mut Ctx<'_>) -> Result<(), Fault> {
    match token {
        Token::Space(raw) => return walker.space(raw, ctx.out),
        Token::Comma => walker.comma(ctx.out),
        Token::Colon => walker.colon(ctx.out),
        Token::Key(raw, name) => return walker.key(raw, name, ctx.out),
        Token::Open(kind, from_here) => return walker.open(kind, from_here, ctx),
        Token::Close(kind) => walker.close(kind, ctx),
        Token::Text(raw, first, last) => walker.string(raw, first, last, ctx),
        Token::Scalar(raw) => walker.scalar(raw, ctx),
    }
    Ok(())
}

impl<J: Judge> Sink for Core<J> {
    fn space(&mut self, raw: &[u8]) -> Result<(), Fault> {
        self.token(Token::Space(raw))
    }
    fn comma(&mut self) -> Result<(), Fault> {
        self.token(Token::Comma)
    }
    fn colon(&mut self) -> Result<(), Fault> {
        self.token(Token::Colon)
    }
    fn key(&mut self, raw: &[u8], name: &[u8]) -> Result<(), Fault> {
        self.token(Token::Key(raw, name))
    }
    fn open(&mut self, kind: Kind, from_here: &[u8]) -> Result<(), Fault> {
        self.token(Token::Open(kind, from_here))
    }
    fn close(&mut self, kind: Kind) -> Result<(), Fault> {
        self.token(Token::Close(kind))
    }
    fn string(&mut self, raw: &[u8], first: bool, last: bool) -> Result<(), Fault> {
        self.token(Token::Text(raw, first, last))
    }
    fn scalar(&mut self, raw: &[u8]) -> Result<(), Fault> {
        self.token(Token::Scalar(raw))
    }
    /// A line ends: its end stays if the line did.
    fn line_end(&mut self) -> Result<(), Fault> {
        let written = self.root_written;
        self.document_ends();
        if written {
            self.out.push(b'\n');
        }
        Ok(())
    }
}
