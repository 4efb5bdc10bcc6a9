//! Scalars and strings: copied, masked, treated or removed.

use super::super::dicom;
use super::super::forms;
use super::super::plan::Act;
use super::super::scan::Kind;
use super::super::text;
use super::{Ctx, Deep, Slot, Text, Walker};
use crate::policy::Form;

impl Walker {
    pub(in crate::redact) fn scalar(&mut self, raw: &[u8], ctx: &mut Ctx<'_>) {
        match self.deep {
            Deep::Copy { .. } => return ctx.out.extend_from_slice(raw),
            Deep::Skip { .. } => return,
            Deep::SkipRequired => return self.skip_primitives(ctx.out),
            Deep::No => {}
        }
        self.scalar_seen();
        let slot = self.slot_now();
        let (act, meaning, required) = self.act(slot);
        let label = std::mem::take(&mut self.role).is_label();
        match act {
            Act::Clear if !label => {
                self.note(meaning, Form::Clear, ctx.tally);
                self.keep(ctx.out);
                ctx.out.extend_from_slice(raw);
            }
            Act::Mask if !label => {
                self.note(meaning, Form::Masked, ctx.tally);
                self.keep(ctx.out);
                ctx.out.extend_from_slice(b"null");
            }
            Act::Pseudonymise if !label && self.carries_id(slot) && forms::is_digits(raw) => {
                let (made, form) = std::str::from_utf8(raw).map_or((None, Form::Withheld), |raw| self.treat(raw));
                self.finish_treated(made, form, ctx);
            }
            _ => {
                self.note(meaning, Form::Withheld, ctx.tally);
                self.withhold(required && !label, None, ctx);
            }
        }
    }

    /// A required array of primitives is withheld: its shadow takes its place.
    fn skip_primitives(&mut self, out: &mut Vec<u8>) {
        self.absent_member(true, Kind::Array, out);
        self.deep = Deep::Skip { depth: 1 };
    }

    fn carries_id(&self, slot: Slot) -> bool {
        match (slot, self.tree()) {
            (Slot::Place(id), Some(tree)) => tree.place(id).as_string,
            _ => false,
        }
    }

    pub(in crate::redact) fn string(&mut self, raw: &[u8], first: bool, last: bool, ctx: &mut Ctx<'_>) {
        match self.deep {
            Deep::Copy { .. } => return ctx.out.extend_from_slice(raw),
            Deep::Skip { .. } => return,
            Deep::SkipRequired => return self.skip_primitives(ctx.out),
            Deep::No => {}
        }
        if first {
            self.scalar_seen();
            self.text = self.string_begins(ctx);
        }
        match self.text {
            Text::Copy => ctx.out.extend_from_slice(raw),
            Text::Skip => {}
            Text::Remove { required } => {
                if last {
                    self.withhold(required, None, ctx);
                }
            }
            Text::Treat => {
                if self.treated.len() + raw.len() > self.limits.treated_bytes_max {
                    self.too_long = true;
                } else {
                    self.treated.extend_from_slice(raw);
                }
                if last {
                    self.string_treated(ctx);
                }
            }
        }
    }

    fn string_begins(&mut self, ctx: &mut Ctx<'_>) -> Text {
        let (act, meaning, required) = self.act(self.slot_now());
        let label = std::mem::take(&mut self.role).is_label();
        match act {
            Act::Clear if !label && !self.may_lead_past() => {
                self.note(meaning, Form::Clear, ctx.tally);
                self.keep(ctx.out);
                Text::Copy
            }
            Act::Mask if !label => {
                self.note(meaning, Form::Masked, ctx.tally);
                self.keep(ctx.out);
                ctx.out.extend_from_slice(self.masked_text());
                Text::Skip
            }
            Act::Clear | Act::Generalise | Act::Pseudonymise | Act::Link if !label => {
                self.treated.clear();
                self.too_long = false;
                Text::Treat
            }
            _ => {
                self.note(meaning, Form::Withheld, ctx.tally);
                // A label's place is filled by the label.
                Text::Remove { required: required && !label }
            }
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

    /// A reference in clear is the same bytes, save where it is a URL to the backend: that leads to the gate instead.
    fn reference_in_clear(&mut self, ctx: &mut Ctx<'_>) {
        let (_, meaning, _) = self.act(self.slot_now());
        let links = self.plan.terms.links.as_deref();
        let value = if self.too_long { None } else { text::unquote(&self.treated) };
        let past = value.as_deref().is_none_or(|value| links.is_none_or(|links| links.leads_past(value)));
        if past {
            let rewritten = value.as_deref().and_then(|value| links?.rewrite(value));
            return self.finish_treated(rewritten, Form::Clear, ctx);
        }
        self.note(meaning, Form::Clear, ctx.tally);
        self.keep(ctx.out);
        ctx.out.extend_from_slice(&self.treated);
    }

    fn string_treated(&mut self, ctx: &mut Ctx<'_>) {
        if matches!(self.act(self.slot_now()).0, Act::Clear) {
            return self.reference_in_clear(ctx);
        }
        let value = if self.too_long { None } else { text::unquote(&self.treated) };
        let (made, form) = value.map_or((None, Form::Withheld), |value| self.treat(&value));
        self.finish_treated(made, form, ctx);
    }

    /// Writes a treated value, or withholds it.
    fn finish_treated(&mut self, value: Option<String>, form: Form, ctx: &mut Ctx<'_>) {
        let (_, meaning, required) = self.act(self.slot_now());
        match value {
            Some(value) => {
                self.note(meaning, form, ctx.tally);
                self.keep(ctx.out);
                text::quote_into(&value, ctx.out);
            }
            None => {
                self.note(meaning, Form::Withheld, ctx.tally);
                self.withhold(required, None, ctx);
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
                    Some(vr) => dicom::generalise(vr, how, value),
                    None => forms::generalise(how, value),
                });
                (made, Form::Generalised)
            }
            Act::Pseudonymise => {
                let made = terms.pseudonymiser.as_deref().and_then(|p| match (place.vr, place.reference) {
                    (Some(vr), is_id) => dicom::pseudonym(p, vr, is_id, value),
                    (None, true) => forms::pseudonymous_reference(p, terms.links.as_deref(), value),
                    (None, false) => p.value(value),
                });
                (made, Form::Pseudonymised)
            }
            Act::Link => (terms.links.as_deref().and_then(|links| links.rewrite(value)), Form::Clear),
            Act::Walk | Act::Withhold | Act::Mask | Act::Clear => (None, Form::Withheld),
        }
    }
}
