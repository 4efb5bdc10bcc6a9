//! Where entries are held, asked about, released or dropped.
//!
//! Outside entries a token goes to the envelope's walker. At an entry tokens are gathered in `held`; when it is whole it
//! is looked into ([`probe`]), the judge is asked, and it is walked by the plan of the verdict or dropped
//! with its comma. One too large to hold is dropped to its end, or streams (see [`Spec`]).

use std::sync::Arc;

use super::fault::Fault;
use super::plan::Plan;
use super::probe::{self, Probe, Subject};
use super::redactor::{Entry, Judge, Verdict};
use super::scan::{Kind, Scanner, Sink};
use super::spec::{Shape, Spec};
use super::tally::{Disclosure, Tally, Window};
use super::token::{Token, tell};
use super::track::{Position, Track};
use super::walk::{Ctx, Through, Walker};

/// The largest window that has more than one entry, in bytes.
const WINDOW_BYTES_MAX: u64 = 64 << 10;
/// The most entries of a window.
const WINDOW_ENTRIES_MAX: usize = 256;

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

/// An entry that may go: by which plan, and what is recorded of it.
struct Go {
    plan: Arc<Plan>,
    /// Whom dates are moved for.
    about: Option<Box<str>>,
    disclosure: Disclosure,
}

pub(super) struct Core<J> {
    spec: Arc<Spec>,
    judge: J,
    envelope: Walker,
    entry: Walker,
    mode: Mode,
    track: Track,
    held: Vec<u8>,
    trusted: Scanner,
    pub(super) tally: Tally,
    /// Where entries are, for reports.
    entry_path: Box<[u8]>,
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

    pub(super) fn buffer_bytes(&self) -> usize {
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
            Token::Open(..) => self.track.open_aside(),
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
        let verdict = match self.judge.judge(&entry) {
            Verdict::Release(plan) => Some((plan, None)),
            Verdict::ReleaseOf(plan, person) => Some((plan, Some(person))),
            Verdict::Drop => None,
        };
        match verdict {
            Some((plan, about)) => Some(Go {
                about,
                disclosure: Disclosure {
                    subject: subject.map(Into::into),
                    resource_type: resource_type.map(Into::into),
                    occurred: plan.may_occur(),
                    exact: false,
                },
                plan,
            }),
            None => {
                self.tally.dropped += 1;
                self.tally.dropped_refused += 1;
                None
            }
        }
    }

    /// Readies the entry's walker and writes what comes before the entry.
    fn begin_entry(&mut self, go: &Go) {
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
        self.entry.about(go.about.clone());
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
        let walked = self.trusted.feed(held, &mut sink).and_then(|()| self.trusted.finish(&mut sink));
        if walked.is_ok() {
            go.disclosure.occurred = self.tally.take_occurred();
            go.disclosure.exact = true;
        }
        // Also of an entry that a fault cut off: some of its bytes may be in `out`.
        self.disclose(go.disclosure, start);
        walked
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
        self.entry.streams();
        self.mode = Mode::Stream { depth: 0 };
        let beginning = std::mem::take(&mut self.held);
        let mut scanner = Scanner::trusted(self.spec.limits);
        scanner.feed(&beginning, self)?;
        scanner.token_ends(self)?;
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

    pub(super) fn document_ends(&mut self) {
        let written = std::mem::take(&mut self.root_written);
        self.envelope.take_pending(written.then_some(&mut self.out));
    }

    pub(super) fn position(&self) -> u64 {
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

    pub(super) fn take_windows(&mut self) -> Vec<Window> {
        if self.left > self.open_window_start || !self.open_window.is_empty() {
            self.close_window(self.left);
        }
        std::mem::take(&mut self.windows)
    }
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
