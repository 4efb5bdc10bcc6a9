//! Members and containers: what waits, what is walked, what is treated in one piece.

use std::sync::Arc;

use super::super::fault::Fault;
use super::super::fhir;
use super::super::plan::{Act, Tree};
use super::super::scan::{Kind, Take, Value};
use super::super::slice::Here;
use super::{Ctx, Frame, NAME_KEPT_MAX, Slot, Walker, Whole};
use crate::policy::Form;

impl Walker {
    /// A member of this name follows; its opening quote is at `at`.
    pub(in crate::redact) fn name(&mut self, at: usize, name: &[u8]) {
        self.key_at = self.waiting(at);
        self.name.clear();
        self.name.extend_from_slice(name.get(..NAME_KEPT_MAX + 1).unwrap_or(name));
        let frame_role = self.frames.last().map_or(fhir::Role::None, |frame| frame.role);
        self.role = frame_role.of_member(name);
        self.slot = self.slot_of(name);
        if let Some(base) = name.strip_prefix(b"_") {
            self.shadow_of(base);
        }
    }

    /// The shadow of the member of this name follows, if it is one: it goes where one of ours stands already.
    fn shadow_of(&mut self, base: &[u8]) {
        let (Slot::Place(_), Some(tree), Some(frame)) = (self.slot, self.trees.last(), self.frames.last_mut()) else {
            return;
        };
        let Some(id) = tree.place(frame.place).member(base).filter(|_| tree.fhir) else { return };
        let place = tree.place(Some(id));
        if place.required && place.act == Act::Clear {
            match frame.extra().shadows.iter().any(|name| **name == *base) {
                true => self.slot = Slot::Shadow(id),
                false => frame.extra().shadowed.push(base.into()),
            }
        }
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
            // A name that no rule spells out, before a value that must not be recognised, may be data itself; not where our
            // labels go.
            Some(id)
                if matches!(tree.place(Some(id)).act, Act::Mask | Act::Generalise | Act::Pseudonymise)
                    && !place.spells(name)
                    && self.role == fhir::Role::None =>
            {
                Slot::Shadow(id)
            }
            found => Slot::Place(found),
        }
    }

    /// A value begins at `at`: whether its inside is looked at.
    pub(in crate::redact) fn begin(
        &mut self,
        src: &[u8],
        at: usize,
        value: Value,
        ctx: &mut Ctx<'_>,
    ) -> Result<Take, Fault> {
        self.modifier_streams()?;
        self.bound(at)?;
        match value {
            Value::Container(kind) if self.open(src, at, kind, ctx) => return Ok(Take::Inside),
            Value::Container(_) => {}
            Value::Text => self.text(src, at, ctx),
            Value::Scalar => self.scalar(src, at, ctx),
        }
        Ok(Take::Whole)
    }

    /// A container begins at `at`: whether it is walked.
    fn open(&mut self, src: &[u8], at: usize, kind: Kind, ctx: &mut Ctx<'_>) -> bool {
        let role = std::mem::take(&mut self.role);
        if let Some(tree) = self.root_type.take() {
            self.push_resource(at, tree);
            return true;
        }
        let slot = self.slot_now();
        let Slot::Place(id) = slot else {
            return self.open_whole(src, at, Act::Withhold, slot, kind, ctx);
        };
        let id = self.case(id, kind, ctx.here(src, at));
        let slot = Slot::Place(id);
        self.slot = slot;
        let Some(tree) = self.tree() else { return self.skip_unknown(src, at, kind, ctx) };
        let place = tree.place(id);
        let (act, resource, unless_number) = (place.act, place.resource, place.whole_unless_number);
        let (required, takes, piece) = (place.required, place.takes.holds(kind), place.whole);
        // Of a value nothing leaves unseen but scalars.
        let scalars = act == Act::Clear && !place.deep;
        let mut whole = || piece || (unless_number && self.copies(ctx.here(src, at)));
        if role.must_walk(kind) {
            self.push(at, kind, id, false, role);
            self.bears(src.get(at..).unwrap_or_default());
            true
        } else if id.is_none() || role.is_label() {
            self.skip_unknown(src, at, kind, ctx)
        } else if !takes {
            // Nothing in it is named, nor what the place is: each member, or element, is unclassified.
            self.push(at, kind, None, false, fhir::Role::None);
            if let Some(frame) = self.frames.last_mut() {
                frame.own = id;
            }
            true
        } else if resource && kind == Kind::Object {
            self.open_resource(src, at, ctx)
        } else if whole() && (!scalars || ctx.only_scalars()) {
            self.open_whole(src, at, act, slot, kind, ctx)
        } else if self.loses_modifier(id, kind, ctx.here(src, at)) {
            self.drop_modified(src, at, required, ctx)
        } else {
            self.push(at, kind, id, false, fhir::Role::None);
            self.systems_of(ctx.here(src, at));
            true
        }
    }

    /// The place of an object that one of its members says what it is; else the same.
    fn case(&mut self, id: Option<u32>, kind: Kind, here: Here<'_>) -> Option<u32> {
        let Walker { trees, finder, resources: true, .. } = self else { return id };
        let by = match (trees.last(), kind) {
            (Some(tree), Kind::Object) => tree.place(id).by.as_deref(),
            _ => None,
        };
        let told = by.and_then(|by| by.case(&here.string_member(by.member(), finder)?));
        told.or(id)
    }

    fn skip_unknown(&mut self, src: &[u8], at: usize, kind: Kind, ctx: &mut Ctx<'_>) -> bool {
        self.drop_unknown(src, at, kind, false, ctx);
        self.whole = Whole::Skip;
        false
    }

    /// The container at `at` goes, for nothing says what it is.
    fn drop_unknown(&mut self, src: &[u8], at: usize, kind: Kind, required: bool, ctx: &mut Ctx<'_>) {
        self.note(None, Form::Withheld, ctx.tally);
        self.withhold(src, at, required, Some(kind), ctx.out);
    }

    /// The resource, or what a member says what it is, at `at` was too large to hold and goes.
    pub(in crate::redact) fn drop_large(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) {
        let required = match (self.slot_now(), self.tree()) {
            (Slot::Place(id), Some(tree)) => tree.place(id).required && !tree.place(id).resource,
            _ => false,
        };
        self.drop_unknown(src, at, Kind::Object, required, ctx);
    }

    /// A container on the way to the entries: it is walked and stays, whatever the plan says of it.
    pub(in crate::redact) fn open_forced(&mut self, at: usize, kind: Kind) {
        let id = match self.slot_now() {
            Slot::Place(id) => id,
            Slot::Shadow(_) => None,
        };
        self.push(at, kind, id, true, fhir::Role::None);
    }

    /// Walks into the container at `at`.
    fn push(&mut self, at: usize, kind: Kind, place: Option<u32>, forced: bool, role: fhir::Role) -> bool {
        if let Some(parent) = self.frames.last_mut() {
            parent.labelled.note(role);
        }
        let path_length = self.path.len();
        if self.frames.last().is_some_and(|above| above.kind == Kind::Object) {
            self.path.extend_from_slice(&self.name);
        }
        self.frames.push(Frame {
            kind,
            place,
            own: place,
            body_start: self.waiting(at + 1),
            key_at: self.key_at,
            removed: false,
            forced,
            role,
            labelled: fhir::Seen::default(),
            path_length,
            resource: false,
            extra: None,
        });
        true
    }

    /// A resource of its own: walked by its type's tree; of an unknown type it goes.
    fn open_resource(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) -> bool {
        let here = ctx.here(src, at);
        let resource_type = match self.resources {
            true => here.string_member("resourceType", &mut self.finder),
            false => None,
        };
        let contained = self.frames.iter().any(|frame| frame.resource);
        let tree = resource_type
            .filter(|name| !contained || self.may_be_contained(name, here))
            .and_then(|name| if contained { self.plan.contained(&name) } else { self.plan.resource(&name) }.cloned());
        let lost = tree
            .as_ref()
            .is_some_and(|tree| self.modifiers && !self.streams && self.loses_modifier_of(tree, Some(tree.root), here));
        match tree {
            Some(_) if lost => self.drop_modified(src, at, false, ctx),
            Some(tree) => self.push_resource(at, tree),
            None => self.skip_unknown(src, at, Kind::Object, ctx),
        }
    }

    fn push_resource(&mut self, at: usize, tree: Arc<Tree>) -> bool {
        // A contained resource carries no label of its own (FHIR R4, dom-5): its container does.
        let contained = self.frames.iter().any(|frame| frame.resource);
        let role = if tree.label && !contained { fhir::Role::Resource } else { fhir::Role::None };
        if role == fhir::Role::Resource {
            self.labels = super::labels::Marks::default();
        }
        let root = tree.root;
        self.trees.push(tree);
        self.push(at, Kind::Object, Some(root), false, role);
        if let Some(frame) = self.frames.last_mut() {
            frame.resource = true;
        }
        true
    }

    fn open_whole(&mut self, src: &[u8], at: usize, act: Act, slot: Slot, kind: Kind, ctx: &mut Ctx<'_>) -> bool {
        let (_, meaning, required) = self.act(slot);
        self.whole = Whole::Skip;
        match act {
            Act::Clear => {
                self.note(meaning, Form::Clear, ctx.tally);
                self.keep(at, ctx.out);
                self.whole = Whole::Copy;
            }
            Act::Mask => {
                self.note(meaning, Form::Masked, ctx.tally);
                self.did(Form::Masked);
                self.replace(src, at, b"null", ctx.out);
            }
            _ => {
                self.note(meaning, Form::Withheld, ctx.tally);
                self.withhold(src, at, required, Some(kind), ctx.out);
            }
        }
        false
    }

    /// The bracket at `at` closes the innermost container.
    pub(in crate::redact) fn close(
        &mut self,
        src: &[u8],
        at: usize,
        kind: Kind,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), Fault> {
        self.bound(at)?;
        self.close_frame(src, at, kind, ctx.out);
        Ok(())
    }

    fn close_frame(&mut self, src: &[u8], at: usize, kind: Kind, out: &mut Vec<u8>) {
        if self.frames.last().is_some_and(|frame| frame.role != fhir::Role::None || frame.extra.is_some()) {
            self.add_what_is_missing(src, out);
        }
        let (start, opened, after) = (self.element_start(), self.top_opened(), at + 1);
        let Some(frame) = self.frames.pop() else { return };
        self.path.truncate(frame.path_length);
        if opened && !frame.resource {
            self.slot = Slot::Place(frame.own);
            return self.keep(after, out);
        }
        let (required, clear_throughout) = self.tree().map_or((false, false), |tree| {
            let place = tree.place(frame.own);
            (place.required, place.clear_throughout && frame.place == frame.own)
        });
        match frame.resource {
            true => drop(self.trees.pop()),
            false => self.slot = Slot::Place(frame.own),
        }
        // One that was empty goes like one that was emptied, else it would tell that nothing was withheld in it.
        let told = clear_throughout && !frame.removed;
        if opened || told || frame.forced || self.frames.is_empty() {
            if !opened && frame.removed {
                self.cut_inside(src, start, at, out);
            }
            self.keep(after, out);
            return;
        }
        self.key_at = frame.key_at;
        self.cut_container(src, start, after, out);
        self.withhold(src, after, required, Some(kind), out);
    }

    /// Labels, and required members that were withheld before anything was kept.
    fn add_what_is_missing(&mut self, src: &[u8], out: &mut Vec<u8>) {
        self.add_labels(src, out);
        if self.top_opened()
            && let Some(extra) = self.frames.last_mut().and_then(|frame| frame.extra.as_mut())
            && !extra.absent.is_empty()
        {
            let absent = std::mem::take(&mut extra.absent);
            self.inject(src, &absent, out);
        }
    }
}
