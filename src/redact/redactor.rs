//! Bytes in, judged bytes out: the face of the filter. The strict scanner tells [`Core`] of each token.

use std::sync::Arc;

use super::fault::Fault;
use super::filter::Core;
use super::keys::KeySeed;
use super::plan::Plan;
use super::scan::Scanner;
use super::spec::Spec;
use super::tally::{Tally, Window};
use crate::policy::Categories;

/// What an entry says of itself, for its judge.
pub struct Entry<'a> {
    /// The one it is about: an id, as the body has it. `None`: the body names no one, and need not; or, of FHIR, none but those who
    /// make it no one's.
    pub subject: Option<&'a str>,
    /// FHIR: its type.
    pub resource_type: Option<&'a str>,
    /// Its own id: the text in the member `id` of the record, in plain JSON as in FHIR. `None`: there is none, or it is no text.
    pub id: Option<&'a str>,
    /// False: the entry is too large to be held; this is what its beginning says.
    pub whole: bool,
}

/// What becomes of an entry.
pub enum Verdict {
    /// What the plan leaves of it is released.
    Release(Arc<Plan>),
    /// The same of an entry about this person: his dates move by his own number of days, where they move at all.
    ReleaseOf(Arc<Plan>, Box<str>),
    /// It goes, and nothing shows that it was there.
    Drop,
    /// It goes here, for another page to release by this plan: where that could release nothing of it after all, the judge is told so.
    Sought(Arc<Plan>),
    /// Of an entry too large to be held: its beginning does not tell whether it may go.
    Unclear,
}

/// Decides about each entry while it is held.
pub trait Judge {
    /// Asked once for each entry that names one subject, or that need not name one.
    fn judge(&mut self, entry: &Entry<'_>) -> Verdict;

    /// More of the body is read: what was known before may have changed meanwhile.
    fn piece_begins(&mut self) {}

    /// The entry that was released or sought last goes after all: of it nothing can leave without saying something else.
    /// `resource_type`: its type, of FHIR.
    fn taken_back(&mut self, _resource_type: Option<&str>) {}

    /// An entry is too large to be judged: whether the rest may leave as if it had not been there. False: the body ends there, with
    /// [`Fault::EntryTooLarge`].
    fn goes_on_without(&self) -> bool {
        true
    }

    /// What the question compared so that an Individual Number could be spelt by it, answer by answer. An entry in which one was
    /// stopped among these goes whole: that it was found would tell its digits.
    fn spelled(&self) -> Categories {
        Categories::NONE
    }

    /// Whether free text may be among that.
    fn spells_free_text(&self) -> bool {
        true
    }
}

impl<F: FnMut(&Entry<'_>) -> Verdict> Judge for F {
    fn judge(&mut self, entry: &Entry<'_>) -> Verdict {
        self(entry)
    }
}

/// The longest piece that waits for others, in bytes.
const CRUMB_BYTES_MAX: usize = 16;
/// How much waits, in bytes.
const GATHERED_BYTES_MAX: usize = 512;

/// A filter for one body.
pub struct Redactor<J: Judge> {
    scanner: Scanner<true>,
    core: Core<J>,
    /// Crumbs that wait.
    gathered: Vec<u8>,
    /// How many closing brackets they have, in strings or not.
    gathered_closes: usize,
    /// What would leave of something that has not said yet that it is a Bundle.
    head: Vec<u8>,
    crumb_bytes_max: usize,
    fault: Option<Fault>,
    peak_bytes: usize,
}

impl<J: Judge> Redactor<J> {
    /// A filter for a body of this layout. `envelope` is the plan for what lies outside entries; `seed` is random.
    pub fn new(spec: Arc<Spec>, judge: J, envelope: Arc<Plan>, seed: KeySeed) -> Redactor<J> {
        let limits = spec.limits;
        Redactor {
            scanner: Scanner::new(limits, spec.lines(), seed),
            core: Core::new(spec, judge, envelope),
            gathered: Vec::new(),
            gathered_closes: 0,
            head: Vec::new(),
            crumb_bytes_max: CRUMB_BYTES_MAX,
            fault: None,
            peak_bytes: 0,
        }
    }

    /// The same without vector instructions, as on a CPU that has none: for tests and measurements.
    #[must_use]
    pub fn portable(mut self) -> Redactor<J> {
        self.scanner.set_portable();
        self.core.set_portable();
        self
    }

    /// The same with every value looked at closely, also where its place has one word for it: for tests.
    #[must_use]
    pub const fn closely(mut self) -> Redactor<J> {
        self.core.set_closely();
        self
    }

    /// The same without waiting for more when a piece is a crumb: for tests, which cut anywhere.
    #[must_use]
    pub const fn at_once(mut self) -> Redactor<J> {
        self.crumb_bytes_max = 0;
        self
    }

    /// Reads `chunk` and appends to `out` what may leave, once its windows ([`Redactor::take_windows`]) are on disk.
    ///
    /// # Errors
    /// [`Fault`]: the body cannot be judged further. What `out` has was judged; nothing more will come.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.gather(chunk) {
            return self.fault.map_or(Ok(()), Err);
        }
        let gathered = std::mem::take(&mut self.gathered);
        let done = self.run(out, |scanner, core| {
            scanner.feed(&gathered, core)?;
            if gathered.is_empty() { scanner.feed(chunk, core) } else { Ok(()) }
        });
        self.gathered = gathered;
        self.gathered.clear();
        self.gathered_closes = 0;
        done
    }

    /// Crumbs wait for each other, so that a body in single bytes costs little more than another: as long as they have too
    /// few brackets to end an entry, and no line's end, nothing could leave for them anyway. True: `chunk` waits.
    fn gather(&mut self, chunk: &[u8]) -> bool {
        let crumb = chunk.len() <= self.crumb_bytes_max;
        if self.fault.is_some() || (!crumb && self.gathered.is_empty()) {
            return false;
        }
        self.gathered.extend_from_slice(chunk);
        self.gathered_closes += chunk.iter().filter(|byte| matches!(byte, b'}' | b']')).count();
        let may_end = self.gathered_closes >= self.scanner.closes_until_told()
            || (self.scanner.reads_lines() && chunk.contains(&b'\n'));
        crumb && !may_end && self.gathered.len() < GATHERED_BYTES_MAX
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if it was not whole, or the fault that ended it before.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Tally, Fault> {
        let gathered = std::mem::take(&mut self.gathered);
        self.run(out, |scanner, core| {
            scanner.feed(&gathered, core)?;
            scanner.finish(core)?;
            core.body_ends()
        })?;
        self.fault = Some(Fault::Finished);
        Ok(self.core.tally.clone())
    }

    fn run(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut Scanner<true>, &mut Core<J>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.core.piece_begins();
        let before = out.len();
        std::mem::swap(out, &mut self.core.out);
        self.core.base = self.core.left.wrapping_sub(before as u64);
        let done = step(&mut self.scanner, &mut self.core);
        self.core.left = self.core.position();
        std::mem::swap(out, &mut self.core.out);
        let done = if done.is_err() && self.core.is_unproven() {
            out.truncate(before);
            done
        } else {
            // Also of a body that a fault ends after it has said so: what was held comes before the rest.
            done.and(self.hold_head(before, out))
        };
        self.fault = done.err();
        self.peak_bytes = self.peak_bytes.max(self.buffer_bytes());
        done
    }

    /// Of what is to be a Bundle nothing leaves before it has said so, however the body was cut; what was held leaves then.
    fn hold_head(&mut self, before: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !self.core.is_unproven() {
            if !self.head.is_empty() {
                out.splice(before..before, std::mem::take(&mut self.head));
            }
            return Ok(());
        }
        self.head.extend(out.drain(before..));
        self.core.bound_head(self.core.left)
    }

    /// The windows of all output so far: their ends ascend, the last is where the output ends.
    ///
    /// Ask after every `push` and `finish`, record a window's disclosures, then let its bytes go.
    pub fn take_windows(&mut self) -> Vec<Window> {
        if self.core.is_unproven() { Vec::new() } else { self.core.take_windows() }
    }

    /// The counts so far; after a fault this is all there is.
    pub fn tally(&self) -> &Tally {
        &self.core.tally
    }

    /// How much memory it holds now, in bytes.
    pub fn buffer_bytes(&self) -> usize {
        self.scanner.buffer_bytes() + self.core.buffer_bytes() + self.gathered.capacity() + self.head.capacity()
    }

    /// The most memory it held at the end of any call, in bytes; `held` never shrinks during one.
    pub const fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }
}
