//! What a modifier extension that cannot leave takes along.
//!
//! `modifierExtension` changes what the element means that has it (FHIR R4, extensibility): an order with "do not" in it reads as
//! its reverse without. So an element leaves only with all of its modifier extensions, byte for byte, and else not at
//! all; at the root of a resource that is the resource. Which it is has to be known before the element's first byte is
//! written: it is looked for ahead, and walked on trial. Of what leaves as it streams that cannot be known: there a modifier
//! extension ends the answer.

use std::sync::Arc;

use super::super::fault::Fault;
use super::super::fhir;
use super::super::keys::KeySeed;
use super::super::plan::Tree;
use super::super::scan::{Kind, Scanner};
use super::super::slice::Here;
use super::super::tally::Tally;
use super::{Ctx, Through, Walker};

impl Walker {
    /// The entry may hold modifier extensions; asked after every [`Walker::restart`].
    pub(in crate::redact) const fn looks_for_modifiers(&mut self, may_hold: bool) {
        self.modifiers = may_hold;
    }

    /// Whether the object here, at this place of the tree at hand, has a modifier extension that cannot leave.
    pub(super) fn loses_modifier(&mut self, place: Option<u32>, kind: Kind, here: Here<'_>) -> bool {
        if !self.modifiers || self.streams || kind != Kind::Object || !self.fhir() {
            return false;
        }
        let Some(tree) = self.tree().cloned() else { return false };
        self.loses_modifier_of(&tree, place, here)
    }

    /// The same at this place of a tree.
    pub(in crate::redact) fn loses_modifier_of(
        &mut self,
        tree: &Arc<Tree>,
        place: Option<u32>,
        object: Here<'_>,
    ) -> bool {
        let Some(modifiers) = object.member(fhir::MODIFIERS, &mut self.finder) else { return false };
        match tree.place(place).member(fhir::MODIFIERS.as_bytes()) {
            Some(place) => !self.leaves_unchanged(tree, place, modifiers.bytes()),
            None => true,
        }
    }

    fn leaves_unchanged(&self, tree: &Arc<Tree>, place: u32, value: &[u8]) -> bool {
        let mut trial = Walker::new(Arc::clone(&self.plan), self.limits);
        trial.restart(&self.plan, Some(place), None, b"");
        trial.trees = vec![Arc::clone(tree)];
        trial.about(self.subject.clone(), self.person.as_deref());
        let (mut out, mut tally) = (Vec::new(), Tally::new());
        let mut sink = Through { walker: &mut trial, ctx: Ctx { out: &mut out, tally: &mut tally, read: None } };
        let walked = Scanner::<false>::new(self.limits, false, KeySeed::NONE).whole(value, &mut sink);
        walked.is_ok() && out == value
    }

    /// The object at `at` goes with its modifier extension.
    pub(super) fn drop_modified(&mut self, src: &[u8], at: usize, required: bool, ctx: &mut Ctx<'_>) -> bool {
        ctx.tally.modified += 1;
        self.withhold(src, at, required, Some(Kind::Object), ctx.out);
        self.whole = super::Whole::Skip;
        false
    }

    /// Of what streams nobody can tell ahead what a modifier extension changes.
    pub(super) fn modifier_streams(&self) -> Result<(), Fault> {
        let named = self.streams && self.name == fhir::MODIFIERS.as_bytes();
        let of_object = || self.frames.last().is_some_and(|frame| frame.kind == Kind::Object);
        let cut = || self.trees.iter().any(|tree| tree.label);
        if named && of_object() && cut() { Err(Fault::Modifier) } else { Ok(()) }
    }
}
