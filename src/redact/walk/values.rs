//! Scalars and strings: copied, masked, treated or removed.

use std::borrow::Cow;

use super::super::dicom;
use super::super::forms;
use super::super::plan::Act;
use super::super::text;
use super::{Ctx, Slot, Walker, Whole};
use crate::catalogue::fields::Meaning;
use crate::policy::Form;

impl Walker {
    /// A number or literal begins at `at`.
    pub(super) fn scalar(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) {
        let slot = self.slot_now();
        let (act, meaning, required) = self.act(slot);
        let label = std::mem::take(&mut self.role).is_label();
        match act {
            Act::Clear if !label => self.clear(at, meaning, ctx),
            Act::Mask if !label => {
                self.note(meaning, Form::Masked, ctx.tally);
                self.did(Form::Masked);
                self.replace(src, at, b"null", ctx.out);
                self.whole = Whole::Skip;
            }
            Act::Pseudonymise if !label && self.carries_id(slot) => self.treat_from(at, Whole::Treat),
            Act::Generalise if !label => self.treat_from(at, Whole::Treat),
            _ => self.withheld(src, at, meaning, required && !label, ctx),
        }
    }

    /// A string begins at `at`.
    pub(super) fn text(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) {
        let slot = self.slot_now();
        let (act, meaning, required) = self.act(slot);
        let label = std::mem::take(&mut self.role).is_label();
        let plain = match (slot, self.tree()) {
            (Slot::Place(id), Some(tree)) => !tree.place(id).watched && !tree.place(id).reference,
            _ => false,
        };
        match act {
            Act::Clear if !label && plain => self.clear(at, meaning, ctx),
            // An id is looked at for both at once.
            Act::Clear if !label && !self.may_lead_past() && self.is_watched() => self.treat_from(at, Whole::Watch),
            Act::Clear if !label && !self.may_lead_past() => self.clear(at, meaning, ctx),
            Act::Mask if !label => {
                self.note(meaning, Form::Masked, ctx.tally);
                self.did(Form::Masked);
                self.replace(src, at, self.masked_text(), ctx.out);
                self.whole = Whole::Skip;
            }
            Act::Clear | Act::Generalise | Act::Pseudonymise | Act::Link if !label => self.treat_from(at, Whole::Treat),
            // A label's place is filled by the label.
            _ => self.withheld(src, at, meaning, required && !label, ctx),
        }
    }

    fn clear(&mut self, at: usize, meaning: Option<Meaning>, ctx: &mut Ctx<'_>) {
        self.note(meaning, Form::Clear, ctx.tally);
        self.keep(at, ctx.out);
        self.whole = Whole::Copy;
    }

    fn withheld(&mut self, src: &[u8], at: usize, meaning: Option<Meaning>, required: bool, ctx: &mut Ctx<'_>) {
        self.note(meaning, Form::Withheld, ctx.tally);
        self.withhold(src, at, required, None, ctx.out);
        self.whole = Whole::Skip;
    }

    fn treat_from(&mut self, at: usize, how: Whole) {
        self.whole = how;
        self.treat_at = at;
        self.treated.clear();
        self.too_long = false;
    }

    /// More of the value that is treated, in a former slice.
    pub(super) fn treat_more(&mut self, piece: &[u8]) {
        if self.treated.len() + piece.len() > self.limits.treated_bytes_max {
            self.too_long = true;
        } else {
            self.treated.extend_from_slice(piece);
        }
    }

    /// The value taken whole ends before `at`.
    pub(in crate::redact) fn end(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) {
        match std::mem::replace(&mut self.whole, Whole::No) {
            Whole::Copy => self.kept = at,
            Whole::Skip => self.resume(at),
            Whole::Treat => {
                let mut treated = std::mem::take(&mut self.treated);
                let piece = src.get(self.treat_at..at).unwrap_or_default();
                let long = self.too_long || treated.len() + piece.len() > self.limits.treated_bytes_max;
                match (long, treated.is_empty()) {
                    (true, _) => self.put(src, None, Form::Withheld, ctx),
                    (false, true) => self.treated_whole(src, piece, ctx),
                    (false, false) => {
                        treated.extend_from_slice(piece);
                        self.treated_whole(src, &treated, ctx);
                    }
                }
                self.treated = treated;
                self.resume(at);
            }
            Whole::Watch => self.watch_ends(src, at, ctx),
            Whole::No => {}
        }
    }

    fn carries_id(&self, slot: Slot) -> bool {
        match (slot, self.tree()) {
            (Slot::Place(id), Some(tree)) => tree.place(id).as_string,
            _ => false,
        }
    }

    /// What stands in place of a masked string.
    fn masked_text(&self) -> &'static [u8] {
        match (self.slot_now(), self.tree()) {
            (Slot::Place(id), Some(tree)) => dicom::masked(tree.place(id).vr),
            _ => b"\"***\"",
        }
    }

    /// Whether the string here is a reference in clear that might be a URL past the gate: it is looked at whole first.
    fn may_lead_past(&self) -> bool {
        match (self.slot_now(), self.tree()) {
            (Slot::Place(id), Some(tree)) => tree.place(id).reference && self.plan.terms.links.is_some(),
            _ => false,
        }
    }

    /// The value to be treated is this token.
    fn treated_whole(&mut self, src: &[u8], raw: &[u8], ctx: &mut Ctx<'_>) {
        let act = self.act(self.slot_now()).0;
        let value = match raw.first() {
            Some(b'"') => text::unquote(raw),
            _ if act == Act::Generalise => return self.number_generalised(src, raw, ctx),
            _ if forms::is_digits(raw) => std::str::from_utf8(raw).ok().map(Cow::Borrowed),
            _ => None,
        };
        if act == Act::Clear {
            return self.reference_in_clear(src, raw, value.as_deref(), ctx);
        }
        let (made, form) = value.map_or((None, Form::Withheld), |value| self.treat(&value));
        self.put(src, made, form, ctx);
    }

    /// A reference in clear is the same bytes, save where it is a URL to the backend: that leads to the gate instead.
    fn reference_in_clear(&mut self, src: &[u8], raw: &[u8], value: Option<&str>, ctx: &mut Ctx<'_>) {
        if self.is_watched() && forms::is_individual_number(raw) {
            return self.number_goes(src, ctx);
        }
        let (_, meaning, _) = self.act(self.slot_now());
        let links = self.plan.terms.links.as_deref();
        if value.is_none_or(|value| links.is_none_or(|links| links.leads_past(value))) {
            let rewritten = value.and_then(|value| links?.rewrite(value));
            return self.put(src, rewritten, Form::Clear, ctx);
        }
        self.note(meaning, Form::Clear, ctx.tally);
        self.replace(src, self.treat_at, raw, ctx.out);
    }

    /// Writes a treated value, or withholds it.
    fn put(&mut self, src: &[u8], value: Option<String>, form: Form, ctx: &mut Ctx<'_>) {
        let (_, meaning, required) = self.act(self.slot_now());
        match value {
            Some(value) => {
                self.note(meaning, form, ctx.tally);
                self.did(form);
                self.replace(src, self.treat_at, b"", ctx.out);
                text::quote_into(&value, ctx.out);
            }
            None => {
                self.note(meaning, Form::Withheld, ctx.tally);
                self.withhold(src, self.treat_at, required, None, ctx.out);
            }
        }
    }

    /// The released form of the string or number `value`.
    fn treat(&self, value: &str) -> (Option<String>, Form) {
        let place = match (self.slot_now(), self.tree()) {
            (Slot::Place(id), Some(tree)) => tree.place(id),
            _ => return (None, Form::Withheld),
        };
        let terms = &self.plan.terms;
        match place.act {
            Act::Generalise => {
                let made = place.generaliser.and_then(|how| match place.vr {
                    Some(vr) => dicom::generalise(vr, how, value, self.ground()),
                    None => forms::generalise(how, value, self.ground()),
                });
                (made, Form::Generalised)
            }
            Act::Pseudonymise => {
                let made = terms.pseudonymiser.as_deref().and_then(|p| match (place.vr, place.reference) {
                    (Some(vr), is_id) => dicom::pseudonym(p, vr, is_id, value),
                    (None, true) => forms::pseudonymous_reference(p, terms.links.as_deref(), value),
                    (None, false) => forms::pseudonymous_value(p, self.system_here(), value),
                });
                (made, Form::Pseudonymised)
            }
            Act::Link => (terms.links.as_deref().and_then(|links| links.rewrite(value)), Form::Clear),
            Act::Walk | Act::Withhold | Act::Mask | Act::Clear => (None, Form::Withheld),
        }
    }
}
