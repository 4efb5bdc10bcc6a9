//! The common values of an entry that was read ahead: kept or removed by the one word that their place has for them.
//!
//! What is done here is what [`Walker::name`], [`Walker::begin`] and [`Walker::end`] would do, in the same order. Whatever takes a
//! closer look is left to them, before anything was done.

use super::super::fault::Fault;
use super::super::fhir;
use super::super::forms;
use super::super::plan::{Leaf, Quick, Room};
use super::super::scan::{Kind, Node, Value};
use super::{Ctx, Frame, NAME_KEPT_MAX, Walker};
use crate::policy::Form;

/// What was done with a value.
pub(super) enum Done {
    /// Nothing: it takes a closer look.
    No,
    /// It was kept or removed.
    Whole,
    /// It is walked.
    Inside,
}

/// What becomes of a value in one piece.
enum Piece {
    Keep,
    Drop,
}

impl Walker {
    /// The value of `nodes[number]`, if its place has a word for it.
    #[inline]
    pub(super) fn quickly(
        &mut self,
        entry: &[u8],
        nodes: &[Node],
        number: usize,
        ctx: &mut Ctx<'_>,
    ) -> Result<Done, Fault> {
        let (Some(node), Some(frame), Some(tree)) = (nodes.get(number), self.frames.last(), self.trees.last()) else {
            return Ok(Done::No);
        };
        let Some(id) = self.place_of(entry, node, frame) else { return Ok(Done::No) };
        let quick = tree.quick(id);
        let all = tree.all;
        let piece = match node.value() {
            Value::Scalar => piece(quick.scalar, b""),
            Value::Text => piece(quick.text, entry.get(node.start()..node.end()).unwrap_or_default()),
            Value::Container(kind) => match self.room(quick, kind, entry, nodes, number) {
                Room::Copy => Some(Piece::Keep),
                Room::Drop => Some(Piece::Drop),
                Room::Walk => {
                    self.bound(node.start())?;
                    self.walk_into(entry, node, kind, id);
                    return Ok(Done::Inside);
                }
                Room::Ask | Room::CopyScalars | Room::CopyScalarsUnlessNumber => None,
            },
        };
        let Some(piece) = piece else { return Ok(Done::No) };
        self.bound(node.start())?;
        match piece {
            Piece::Keep => {
                quick.count(Form::Clear, all, ctx.tally);
                self.keep(node.start(), ctx.out);
                self.kept = node.end();
            }
            Piece::Drop => {
                quick.count(Form::Withheld, all, ctx.tally);
                self.remove(entry, node.start(), ctx.out);
                self.resume(node.end());
            }
        }
        Ok(Done::Whole)
    }

    /// The place of a member that is named there, or of an element; `None`: that takes a closer look.
    #[inline]
    fn place_of(&self, entry: &[u8], node: &Node, frame: &Frame) -> Option<u32> {
        let tree = self.trees.last()?;
        let place = tree.place(frame.place);
        if self.modifiers || self.streams || self.closely {
            return None;
        }
        if frame.kind == Kind::Array {
            return if place.resource { None } else { place.element() };
        }
        let name = entry.get(node.name()).filter(|_| !node.escaped())?;
        let labels = frame.role != fhir::Role::None && frame.role.of_member(name) != fhir::Role::None;
        let shadow = tree.fhir && name.first() == Some(&b'_');
        if labels || shadow { None } else { place.named_at(entry, node.name()) }
    }

    /// What happens to this container, once it is seen whether nothing but scalars is in it.
    #[inline]
    fn room(&self, quick: Quick, kind: Kind, entry: &[u8], nodes: &[Node], number: usize) -> Room {
        let room = quick.room(kind);
        let unless_number = match room {
            Room::CopyScalars => false,
            Room::CopyScalarsUnlessNumber => true,
            _ => return room,
        };
        let inside = nodes.get(number).and_then(|node| nodes.get(number + 1..node.next())).unwrap_or_default();
        let number_in = |node: &Node| entry.get(node.start()..node.end()).is_none_or(forms::may_hold_number);
        let mut seen = Room::Copy;
        for node in inside {
            match node.value() {
                Value::Container(_) if unless_number => return Room::Ask,
                Value::Container(_) => return Room::Walk,
                Value::Text if unless_number && number_in(node) => seen = Room::Ask,
                Value::Text | Value::Scalar => {}
            }
        }
        seen
    }

    /// As [`Walker::push`] for a container of no part in labels.
    #[inline]
    fn walk_into(&mut self, entry: &[u8], node: &Node, kind: Kind, id: u32) {
        let path_length = self.path.len();
        if self.frames.last().is_some_and(|above| above.kind == Kind::Object) {
            let name = entry.get(node.name()).unwrap_or_default();
            self.key_at = self.waiting(node.name().start.saturating_sub(1));
            self.path.extend_from_slice(name.get(..NAME_KEPT_MAX + 1).unwrap_or(name));
        }
        self.frames.push(Frame {
            kind,
            place: Some(id),
            own: Some(id),
            body_start: self.waiting(node.start() + 1),
            key_at: self.key_at,
            removed: false,
            forced: false,
            role: fhir::Role::None,
            labelled: fhir::Seen::default(),
            path_length,
            resource: false,
            extra: None,
        });
    }
}

/// What becomes of a value that is no container; `text`: the token of a string.
#[inline]
fn piece(leaf: Leaf, text: &[u8]) -> Option<Piece> {
    match leaf {
        Leaf::Clear => Some(Piece::Keep),
        Leaf::ClearUnlessNumber if !forms::may_hold_number(text) => Some(Piece::Keep),
        // Every absolute URL has a colon, or an escape that means one.
        Leaf::ClearUnlessUrl if memchr::memchr2(b':', b'\\', text).is_none() => Some(Piece::Keep),
        Leaf::Drop => Some(Piece::Drop),
        Leaf::ClearUnlessNumber | Leaf::ClearUnlessUrl | Leaf::Ask => None,
    }
}
