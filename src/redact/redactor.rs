//! Bytes in, judged bytes out: the face of the filter. The strict scanner tells [`Core`] of each token.

use std::sync::Arc;

use super::fault::Fault;
use super::filter::Core;
use super::keys::KeySeed;
use super::plan::Plan;
use super::scan::Scanner;
use super::spec::Spec;
use super::tally::{Tally, Window};

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
    /// The same of an entry about this person: his dates move by his own number of days, where they move at all.
    ReleaseOf(Arc<Plan>, Box<str>),
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
