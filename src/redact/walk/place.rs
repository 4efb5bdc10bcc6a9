//! Which place of the plan has the value that begins now? What is done with it there, as what it counts, where it is for reports.

use super::super::dicom;
use super::super::forms;
use super::super::keys::{KeySeed, hash};
use super::super::plan::{Act, Place};
use super::super::scan::Kind;
use super::super::tally::Tally;
use super::{Frame, Slot, Walker};
use crate::catalogue::fields::Meaning;
use crate::policy::Form;

impl Walker {
    /// What the value that begins now is.
    pub(super) fn slot_now(&self) -> Slot {
        match self.frames.last() {
            None => self.root,
            Some(Frame { kind: Kind::Object, .. }) => self.slot,
            Some(frame) => {
                let Some(tree) = self.tree() else { return Slot::Place(None) };
                let place = tree.place(frame.place);
                // An array of resources may carry the mark itself.
                Slot::Place(if place.resource { frame.place } else { place.element() })
            }
        }
    }

    /// Whether the value that begins now is a resource of its own, or what a member of it says: its type, or that
    /// member's value, is needed before it can be walked.
    pub(in crate::redact) fn at_resource(&self) -> bool {
        match (self.slot_now(), self.tree()) {
            (Slot::Place(id), Some(tree)) => tree.place(id).resource || tree.place(id).by.is_some(),
            _ => false,
        }
    }

    pub(super) fn note(&self, meaning: Option<Meaning>, form: Form, tally: &mut Tally) {
        match meaning {
            Some(Meaning::Category(category)) => tally.count_category(category, form),
            Some(Meaning::Everything) => {
                let all = self.tree().map_or(self.plan.terms.all, |tree| tree.all);
                tally.count_everything(all, form);
            }
            Some(Meaning::Count | Meaning::Link | Meaning::Never) if form == Form::Withheld => {
                tally.withheld_other += 1;
            }
            Some(Meaning::Open | Meaning::Count | Meaning::Link | Meaning::Never) => {}
            None => {
                let key = match self.frames.last() {
                    Some(Frame { kind: Kind::Object, .. }) => Some(self.name.as_slice()),
                    Some(_) => None,
                    None => Some(b"".as_slice()),
                };
                let mark =
                    hash(KeySeed::NONE, &self.path) ^ hash(KeySeed::NONE, key.unwrap_or_default()).rotate_left(9);
                tally.count_unclassified(mark, || self.place_for_report(key));
            }
        }
    }

    /// Where the member of this name, or an element, of the innermost container is.
    fn place_for_report(&self, key: Option<&[u8]>) -> Box<str> {
        let mut place = self.entry_path.clone();
        let ends = self.frames.iter().skip(2).map(|frame| frame.path_length).chain([self.path.len()]);
        for ((above, frame), end) in self.frames.iter().zip(self.frames.iter().skip(1)).zip(ends) {
            let name = self.path.get(frame.path_length..end);
            forms::push_segment(&mut place, name.filter(|_| above.kind == Kind::Object));
        }
        match key.filter(|name| self.tree().is_some_and(|tree| tree.tags) && dicom::is_tag(name)) {
            Some(tag) => {
                place.push(b'/');
                place.extend_from_slice(tag);
            }
            None => forms::push_segment(&mut place, key),
        }
        String::from_utf8_lossy(&place).into()
    }

    /// The act at `slot`, its meaning and whether it must be there. A shadow of what is not clear is withheld.
    pub(super) fn act(&self, slot: Slot) -> (Act, Option<Meaning>, bool) {
        let Some(tree) = self.tree() else { return (Act::Walk, None, false) };
        match slot {
            Slot::Place(id) => {
                let Place { act, meaning, required, .. } = tree.place(id);
                (*act, *meaning, *required)
            }
            Slot::Shadow(id) => (Act::Withhold, tree.place(Some(id)).meaning, false),
        }
    }
}
