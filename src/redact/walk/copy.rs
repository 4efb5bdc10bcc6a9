//! What is written, what waits and what is cut out: the only code of the walker that touches the output.

use super::super::fault::Fault;
use super::super::fhir;
use super::super::plan::{Act, Has};
use super::super::scan::Kind;
use super::{Ctx, Slot, Walker, Whole};

impl Walker {
    /// How much waits before `at`, in bytes: what is pending and the slice from what is kept.
    pub(super) fn waiting(&self, at: usize) -> usize {
        self.pending.len() + at.saturating_sub(self.kept)
    }

    /// As long as nothing is decided, what waits may not grow without end.
    pub(in crate::redact) fn bound(&self, at: usize) -> Result<(), Fault> {
        if self.waiting(at) > self.limits.pending_bytes_max { Err(Fault::PendingTooLong) } else { Ok(()) }
    }

    /// Writes what is kept.
    pub(in crate::redact) fn flush(&mut self, src: &[u8], out: &mut Vec<u8>) {
        if self.kept > self.run {
            out.extend_from_slice(src.get(self.run..self.kept).unwrap_or_default());
            self.run = self.kept;
        }
    }

    /// What waited is kept, up to `at`: the value that begins there leaves in some form.
    pub(in crate::redact) fn keep(&mut self, at: usize, out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            out.extend_from_slice(&self.pending);
            self.pending.clear();
        }
        self.kept = at;
        self.opened = self.frames.len();
    }

    /// Takes what waits into `pending`, up to place `from` of it, and goes on in the slice at `to`.
    fn cut(&mut self, src: &[u8], from: usize, to: usize, out: &mut Vec<u8>) {
        self.flush(src, out);
        match from.checked_sub(self.pending.len()) {
            Some(more) => self.pending.extend_from_slice(src.get(self.kept..self.kept + more).unwrap_or_default()),
            None => self.pending.truncate(from),
        }
        self.resume(to);
    }

    /// Writes what waits up to place `to` of it; the rest waits on.
    fn keep_until(&mut self, src: &[u8], to: usize, out: &mut Vec<u8>) {
        self.flush(src, out);
        match to.checked_sub(self.pending.len()) {
            Some(more) => {
                let to = self.kept + more;
                self.keep(to, out);
                self.flush(src, out);
            }
            None => {
                out.extend_from_slice(self.pending.get(..to).unwrap_or_default());
                self.pending.drain(..to);
                self.opened = self.frames.len();
            }
        }
    }

    /// The slice goes on at `at`: what lies before it is not this walker's.
    pub(in crate::redact) const fn resume(&mut self, at: usize) {
        self.run = at;
        self.kept = at;
    }

    /// The value at `at` goes, with what came before it. At the root nothing is written.
    pub(in crate::redact) fn remove(&mut self, src: &[u8], at: usize, out: &mut Vec<u8>) {
        self.cut(src, self.element_start(), at, out);
        if let Some(frame) = self.frames.last_mut() {
            frame.removed = true;
        }
    }

    /// Writes `bytes` in place of the value at `at`.
    pub(super) fn replace(&mut self, src: &[u8], at: usize, bytes: &[u8], out: &mut Vec<u8>) {
        self.keep(at, out);
        self.flush(src, out);
        out.extend_from_slice(bytes);
    }

    /// As [`Walker::remove`], but what must be there is replaced. `kind`: of a container.
    pub(super) fn withhold(&mut self, src: &[u8], at: usize, required: bool, kind: Option<Kind>, out: &mut Vec<u8>) {
        let in_object = self.frames.last().map(|frame| frame.kind == Kind::Object);
        match (in_object, kind) {
            (None, None) => self.replace(src, at, b"null", out),
            (None, Some(Kind::Object)) => self.replace(src, at, b"{}", out),
            (None, Some(Kind::Array)) => self.replace(src, at, b"[]", out),
            (Some(true), _) if required && self.fhir() => {
                let (shadow, kind) = self.absence(kind.is_some());
                self.absent_member(src, at, shadow, kind, out);
            }
            (Some(false), Some(kind)) if required && self.fhir() => self.replace(src, at, fhir::absent(kind), out),
            _ => self.remove(src, at, out),
        }
    }

    /// How it is said of the member here that it is masked: whether by its shadow, and in what. By what the standard has
    /// there, whatever the body has: an empty one and one that is `null` say the same as any other. `container`: what goes.
    fn absence(&mut self, container: bool) -> (bool, Kind) {
        let (Slot::Place(id), Some(tree), Some(frame)) = (self.slot_now(), self.trees.last(), self.frames.last_mut())
        else {
            return (true, Kind::Object);
        };
        let place = tree.place(id);
        // The shadow of what is clear may be named and stay: a second one must not stand beside it.
        let clear = place.act == Act::Clear;
        let named = frame.extra.as_ref().is_some_and(|extra| extra.shadowed.iter().any(|name| **name == *self.name));
        let may_have_one = clear && (container || named);
        let (shadow, kind) = match place.has {
            Has::Members => (false, Kind::Object),
            Has::Value => (!may_have_one, Kind::Object),
            Has::Elements => (false, Kind::Array),
            Has::Values => (!may_have_one, Kind::Array),
        };
        if clear && shadow {
            frame.extra().shadows.push(self.name.as_slice().into());
        }
        (shadow, kind)
    }

    /// In place of the member whose value is at `at`, or as its shadow where it is primitive: that it is masked.
    ///
    /// It waits where its object may yet go as a whole: an element of which nothing else is released is not there, so
    /// that it cannot be counted and no reader meets a shell of absences.
    pub(super) fn absent_member(&mut self, src: &[u8], at: usize, shadow: bool, kind: Kind, out: &mut Vec<u8>) {
        let stays = self.top_opened() || self.frames.len() == 1;
        let mut member = self.waits_from(src, self.key_at, at);
        if shadow {
            member.splice(..1.min(member.len()), *b"\"_");
        }
        member.extend_from_slice(fhir::absent(kind));
        match self.frames.last_mut() {
            Some(frame) if !stays && !frame.resource && !frame.forced && frame.role == fhir::Role::None => {
                let absent = &mut frame.extra().absent;
                if !absent.is_empty() {
                    absent.push(b',');
                }
                absent.extend_from_slice(&member);
                self.remove(src, at, out);
            }
            _ => {
                self.keep_until(src, self.key_at, out);
                self.pending.clear();
                self.resume(at);
                out.extend_from_slice(&member);
            }
        }
    }

    /// What waits from its place `from` up to `at` in the slice.
    fn waits_from(&self, src: &[u8], from: usize, at: usize) -> Vec<u8> {
        let in_slice = self.kept + from.saturating_sub(self.pending.len());
        let mut bytes = self.pending.get(from..).unwrap_or_default().to_vec();
        bytes.extend_from_slice(src.get(in_slice..at).unwrap_or_default());
        bytes
    }

    /// Adds a member or element of our own at the end of the innermost container.
    pub(super) fn inject(&mut self, src: &[u8], bytes: &[u8], out: &mut Vec<u8>) {
        let opened = self.top_opened();
        self.keep_until(src, self.element_start(), out);
        if opened {
            out.push(b',');
        }
        out.extend_from_slice(bytes);
    }

    /// The container of the innermost frame, just taken off, is emptied and goes: its bracket too, at place `body_start`.
    pub(super) fn cut_container(&mut self, src: &[u8], body_start: usize, to: usize, out: &mut Vec<u8>) {
        self.cut(src, body_start.saturating_sub(1), to, out);
    }

    /// White space between the bracket and the end of a container that removals emptied and that stays.
    pub(super) fn cut_inside(&mut self, src: &[u8], body_start: usize, to: usize, out: &mut Vec<u8>) {
        self.cut(src, body_start, to, out);
    }

    /// A comma at `at` that nothing kept precedes goes.
    pub(in crate::redact) fn comma(&mut self, src: &[u8], at: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !self.top_opened() {
            self.bound(at)?;
            self.cut(src, self.element_start(), at + 1, out);
        }
        Ok(())
    }

    /// The slice ends before `at`: what is decided is written, what is not waits in `pending`.
    pub(in crate::redact) fn pause(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) -> Result<(), Fault> {
        let out = &mut *ctx.out;
        match self.whole {
            Whole::Copy => {
                self.kept = at;
                self.flush(src, out);
            }
            Whole::Skip => self.flush(src, out),
            Whole::Treat => {
                self.value_waits(src, out);
                self.treat_more(src.get(self.treat_at..at).unwrap_or_default());
                self.treat_at = 0;
            }
            Whole::Watch => self.watch_pauses(src, at, ctx),
            Whole::No => {
                self.flush(src, out);
                self.bound(at)?;
                self.cut(src, self.waiting(at), at, out);
            }
        }
        self.resume(0);
        Ok(())
    }

    /// What comes before the value that is looked at when it ends waits in `pending`.
    pub(super) fn value_waits(&mut self, src: &[u8], out: &mut Vec<u8>) {
        self.cut(src, self.waiting(self.treat_at), self.treat_at, out);
    }

    /// The document ends before `at`; `stays`: the white space after it stays.
    pub(in crate::redact) fn document_ends(&mut self, src: &[u8], at: usize, stays: bool, ctx: &mut Ctx<'_>) {
        if stays {
            self.keep(at, ctx.out);
        }
        self.flush(src, ctx.out);
        self.pending.clear();
        self.resume(at);
    }
}
