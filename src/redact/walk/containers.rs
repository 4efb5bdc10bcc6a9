//! Members and containers: what waits, what is walked, what is treated in one piece.

use std::sync::Arc;

use super::super::fault::Fault;
use super::super::fhir;
use super::super::forms;
use super::super::plan::{Act, Tree};
use super::super::scan::Kind;
use super::super::slice;
use super::{Ctx, Deep, Frame, NAME_KEPT_MAX, Slot, Walker};
use crate::policy::Form;

impl Walker {
    pub(in crate::redact) fn space(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.deep {
            Deep::Copy { .. } => out.extend_from_slice(raw),
            Deep::Skip { .. } | Deep::SkipRequired => {}
            Deep::No => {
                if self.pending.len() + raw.len() > self.limits.pending_bytes_max {
                    return Err(Fault::PendingTooLong);
                }
                self.pending.extend_from_slice(raw);
            }
        }
        Ok(())
    }

    pub(in crate::redact) fn comma(&mut self, out: &mut Vec<u8>) {
        match self.deep {
            Deep::Copy { .. } => out.push(b','),
            Deep::Skip { .. } | Deep::SkipRequired => {}
            Deep::No if self.top_opened() => self.pending.push(b','),
            Deep::No => self.pending.truncate(self.element_start()),
        }
    }

    pub(in crate::redact) fn colon(&mut self, out: &mut Vec<u8>) {
        match self.deep {
            Deep::Copy { .. } => out.push(b':'),
            Deep::Skip { .. } | Deep::SkipRequired => {}
            Deep::No => self.pending.push(b':'),
        }
    }

    pub(in crate::redact) fn key(&mut self, raw: &[u8], name: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.deep {
            Deep::Copy { .. } => out.extend_from_slice(raw),
            Deep::Skip { .. } | Deep::SkipRequired => {}
            Deep::No => {
                if self.pending.len() + raw.len() > self.limits.pending_bytes_max {
                    return Err(Fault::PendingTooLong);
                }
                self.key_at = self.pending.len();
                self.pending.extend_from_slice(raw);
                self.name.clear();
                self.name.extend_from_slice(name.get(..NAME_KEPT_MAX + 1).unwrap_or(name));
                let frame_role = self.frames.last().map_or(fhir::Role::None, |frame| frame.role);
                self.role = frame_role.of_member(name);
                self.slot = self.slot_of(name);
            }
        }
        Ok(())
    }

    fn slot_of(&self, name: &[u8]) -> Slot {
        let (Some(tree), Some(frame)) = (self.tree(), self.frames.last()) else { return Slot::Place(None) };
        let place = tree.place(frame.place);
        if tree.fhir
            && let Some(base) = name.strip_prefix(b"_")
        {
            return match place.member(base) {
                Some(id) if tree.place(Some(id)).act == Act::Clear => {
                    Slot::Place(match (place.names(name), place.names(base)) {
                        (true, _) => place.member(name),
                        // The shadow of an element holds extensions, of whatever category: unclassified.
                        (false, true) => None,
                        (false, false) => Some(id),
                    })
                }
                Some(id) if tree.place(Some(id)).act != Act::Walk => Slot::Shadow(id),
                _ => Slot::Place(None),
            };
        }
        match place.member(name) {
            // A name that nobody foresaw, in a value that must not be recognised, may be data itself.
            Some(id)
                if matches!(place.act, Act::Generalise | Act::Pseudonymise)
                    && !place.names(name)
                    && !forms::is_plain_name(name) =>
            {
                Slot::Shadow(id)
            }
            found => Slot::Place(found),
        }
    }

    pub(in crate::redact) fn open(&mut self, kind: Kind, from_here: &[u8], ctx: &mut Ctx<'_>) -> Result<(), Fault> {
        match &mut self.deep {
            Deep::Copy { depth } => {
                *depth += 1;
                ctx.out.push(kind.open());
                return Ok(());
            }
            Deep::Skip { depth } => {
                *depth += 1;
                return Ok(());
            }
            Deep::SkipRequired => {
                self.absent_member(false, Kind::Array, ctx.out);
                self.deep = Deep::Skip { depth: 2 };
                return Ok(());
            }
            Deep::No => {}
        }
        let role = std::mem::take(&mut self.role);
        if let Some(tree) = self.root_type.take() {
            self.push_resource(tree);
            return Ok(());
        }
        let slot = self.slot_now();
        let Slot::Place(id) = slot else {
            self.open_whole(Act::Withhold, slot, kind, ctx);
            return Ok(());
        };
        let Some(tree) = self.tree() else { return Err(Fault::Finished) };
        let place = tree.place(id);
        let (act, whole, resource) = (place.act, place.whole || self.copies(place, from_here), place.resource);
        if role.must_walk(kind) {
            self.push(kind, id, false, role);
        } else if id.is_none() || role.is_label() {
            self.skip_unknown(kind, ctx);
        } else if resource && kind == Kind::Object {
            self.open_resource(from_here, ctx);
        } else if whole {
            self.open_whole(act, slot, kind, ctx);
        } else {
            self.push(kind, id, false, fhir::Role::None);
            self.systems_of(from_here);
        }
        Ok(())
    }

    fn skip_unknown(&mut self, kind: Kind, ctx: &mut Ctx<'_>) {
        self.note(None, Form::Withheld, ctx.tally);
        self.withhold(false, Some(kind), ctx);
        self.deep = Deep::Skip { depth: 1 };
    }

    /// The value that would begin now was too large to hold and goes.
    pub(in crate::redact) fn drop_resource(&mut self, ctx: &mut Ctx<'_>) {
        self.note(None, Form::Withheld, ctx.tally);
        self.withhold(false, Some(Kind::Object), ctx);
    }

    /// A container on the way to the entries: it is walked and stays, whatever the plan says of it.
    pub(in crate::redact) fn open_forced(&mut self, kind: Kind) {
        let id = match self.slot_now() {
            Slot::Place(id) => id,
            Slot::Shadow(_) => None,
        };
        self.push(kind, id, true, fhir::Role::None);
    }

    fn push(&mut self, kind: Kind, place: Option<u32>, forced: bool, role: fhir::Role) {
        if let Some(parent) = self.frames.last_mut() {
            parent.labelled.note(role);
        }
        let path_length = self.path.len();
        if let Some(frame) = self.frames.last() {
            let key = if frame.kind == Kind::Object { Some(self.name.as_slice()) } else { None };
            forms::push_segment(&mut self.path, key);
        }
        self.pending.push(kind.open());
        self.frames.push(Frame {
            kind,
            place,
            body_start: self.pending.len(),
            key_at: self.key_at,
            removed: false,
            scalars: false,
            forced,
            role,
            labelled: fhir::Seen::default(),
            path_length,
            resource: false,
            absent: Vec::new(),
            systems: super::hooks::Systems::default(),
        });
    }

    /// A resource of its own: walked by its type's tree; of an unknown type it goes.
    fn open_resource(&mut self, from_here: &[u8], ctx: &mut Ctx<'_>) {
        let resource_type = match self.resources {
            true => slice::string_member(from_here, "resourceType"),
            false => None,
        };
        let tree = resource_type.and_then(|name| self.plan.resource(&name).cloned());
        match tree {
            Some(tree) => self.push_resource(tree),
            None => self.skip_unknown(Kind::Object, ctx),
        }
    }

    fn push_resource(&mut self, tree: Arc<Tree>) {
        // A contained resource carries no label of its own (FHIR R4, dom-5): its container does.
        let contained = self.frames.iter().any(|frame| frame.resource);
        let role = if tree.label && !contained { fhir::Role::Resource } else { fhir::Role::None };
        let root = tree.root;
        self.trees.push(tree);
        self.push(Kind::Object, Some(root), false, role);
        if let Some(frame) = self.frames.last_mut() {
            frame.resource = true;
        }
    }

    fn open_whole(&mut self, act: Act, slot: Slot, kind: Kind, ctx: &mut Ctx<'_>) {
        let (_, meaning, required) = self.act(slot);
        match act {
            Act::Clear => {
                self.note(meaning, Form::Clear, ctx.tally);
                self.keep(ctx.out);
                ctx.out.push(kind.open());
                self.deep = Deep::Copy { depth: 1 };
            }
            Act::Mask => {
                self.note(meaning, Form::Masked, ctx.tally);
                self.keep(ctx.out);
                ctx.out.extend_from_slice(b"null");
                self.deep = Deep::Skip { depth: 1 };
            }
            _ => {
                self.note(meaning, Form::Withheld, ctx.tally);
                let in_object = self.frames.last().is_some_and(|frame| frame.kind == Kind::Object);
                if required && self.fhir() && kind == Kind::Array && in_object {
                    self.deep = Deep::SkipRequired;
                } else {
                    self.withhold(required, Some(kind), ctx);
                    self.deep = Deep::Skip { depth: 1 };
                }
            }
        }
    }

    pub(in crate::redact) fn close(&mut self, kind: Kind, ctx: &mut Ctx<'_>) {
        match &mut self.deep {
            Deep::Copy { depth } => {
                *depth -= 1;
                ctx.out.push(kind.close());
                if *depth == 0 {
                    self.deep = Deep::No;
                }
            }
            Deep::Skip { depth } => {
                *depth -= 1;
                if *depth == 0 {
                    self.deep = Deep::No;
                }
            }
            Deep::SkipRequired => {
                self.deep = Deep::No;
                self.remove();
            }
            Deep::No => self.close_frame(kind, ctx),
        }
    }

    fn close_frame(&mut self, kind: Kind, ctx: &mut Ctx<'_>) {
        if let Some(frame) = self.frames.last() {
            for label in frame.role.missing(frame.labelled) {
                self.inject(label, ctx.out);
            }
        }
        if self.top_opened()
            && let Some(frame) = self.frames.last_mut()
            && !frame.absent.is_empty()
        {
            let absent = std::mem::take(&mut frame.absent);
            self.inject(&absent, ctx.out);
        }
        let start = self.element_start();
        let opened = self.top_opened();
        let Some(frame) = self.frames.pop() else { return };
        self.path.truncate(frame.path_length);
        let (required, clear) = self.tree().map_or((false, false), |tree| {
            let place = tree.place(frame.place);
            (place.required, place.act == Act::Clear)
        });
        if frame.resource {
            self.trees.pop();
        }
        if opened {
            self.pending.push(kind.close());
            self.keep(ctx.out);
        } else if !frame.removed || frame.forced || self.frames.is_empty() {
            if frame.removed {
                self.pending.truncate(start);
            }
            self.pending.push(kind.close());
            self.keep(ctx.out);
        } else {
            self.key_at = frame.key_at;
            self.pending.truncate(start.saturating_sub(1));
            let in_object = self.frames.last().is_some_and(|above| above.kind == Kind::Object);
            // The shadow of a clear array may be named and stay: a second one must not stand beside it.
            if required && frame.scalars && kind == Kind::Array && in_object && !clear && self.fhir() {
                self.absent_member(true, Kind::Array, ctx.out);
            } else {
                self.withhold(required, Some(kind), ctx);
            }
        }
    }

    /// Adds a member or element of our own at the end of the innermost container.
    fn inject(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let start = self.element_start();
        let space = self.pending.split_off(start.min(self.pending.len()));
        if self.top_opened() {
            self.pending.push(b',');
        }
        self.pending.extend_from_slice(bytes);
        self.keep(out);
        self.pending.extend_from_slice(&space);
    }
}
