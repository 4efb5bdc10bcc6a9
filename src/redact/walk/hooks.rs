//! Where forms meet the walk: numbers made coarser, Individual Numbers stopped, identifiers with their systems.

use super::super::forms::{self, Ground, System};
use super::super::plan::Place;
use super::super::slice;
use super::{Ctx, Slot, Text, Walker};
use crate::catalogue::fields::Meaning;
use crate::policy::Form;

/// The systems of one object's identifiers: the name of the member that says it, and what it says.
pub(super) type Systems = Vec<(Box<str>, String)>;

impl Walker {
    /// The entry is about this person; asked after every [`Walker::restart`].
    pub(in crate::redact) fn about(&mut self, subject: Option<Box<str>>) {
        self.subject = subject;
        self.streams = false;
    }

    /// The entry is walked as it comes: what stands further on in an object is not known at its beginning.
    pub(in crate::redact) fn streams(&mut self) {
        self.streams = true;
    }

    /// What forms depend on besides the value.
    pub(super) fn ground(&self) -> Ground<'_> {
        Ground { subject: self.subject.as_deref(), pseudonymiser: self.plan.terms.pseudonymiser.as_deref() }
    }

    /// A number that is to be generalised: it stays a number, or goes.
    pub(super) fn number_generalised(&mut self, raw: &[u8], ctx: &mut Ctx<'_>) {
        let slot = self.slot_now();
        let how = match (slot, self.tree()) {
            (Slot::Place(id), Some(tree)) => tree.place(id).generaliser,
            _ => None,
        };
        let made = how.zip(std::str::from_utf8(raw).ok());
        let made = made.and_then(|(how, raw)| forms::generalise_number(how, raw, self.ground()));
        let (_, meaning, required) = self.act(slot);
        match made {
            Some(made) => {
                self.note(meaning, Form::Generalised, ctx.tally);
                self.keep(ctx.out);
                ctx.out.extend_from_slice(made.as_bytes());
            }
            None => {
                self.note(meaning, Form::Withheld, ctx.tally);
                self.withhold(required, None, ctx);
            }
        }
    }

    /// Whether a container in clear is copied as it is: no string in it may be an Individual Number.
    pub(super) fn copies(&self, place: &Place, from_here: &[u8]) -> bool {
        place.whole_unless_number && !self.streams && forms::none_may_hold_number(from_here)
    }

    /// Whether the string here is looked at for an Individual Number before it leaves in clear. An identifier whose record
    /// says in which system it is one is not: its system knows what it is.
    pub(super) fn is_watched(&self) -> bool {
        let (Slot::Place(id), Some(tree)) = (self.slot_now(), self.tree()) else { return false };
        let place = tree.place(id);
        let of_a_system = || matches!(self.system_here(), System::Said(system) if is_uri(system));
        place.watched && !(place.system.is_some() && of_a_system())
    }

    /// A string on its way out in clear. What is too long to be a number leaves as it comes.
    pub(super) fn string_watched(&mut self, raw: &[u8], (first, last): (bool, bool), ctx: &mut Ctx<'_>) {
        if first && last && !forms::may_hold_number(raw) {
            self.watched_passes(raw, ctx);
            return;
        }
        if first {
            self.treated.clear();
        }
        self.treated.extend_from_slice(raw);
        let too_long = self.treated.len() > forms::WATCHED_BYTES_MAX + 2;
        if !too_long && !last {
            return;
        }
        let held = std::mem::take(&mut self.treated);
        if last && !too_long && forms::is_individual_number(&held) {
            let (_, _, required) = self.act(self.slot_now());
            let number = self.plan.terms.individual_number.map(Meaning::Category);
            self.note(number, Form::Withheld, ctx.tally);
            self.withhold(required, None, ctx);
        } else {
            self.watched_passes(&held, ctx);
            self.text = Text::Copy;
        }
        self.treated = held;
        self.treated.clear();
    }

    fn watched_passes(&mut self, raw: &[u8], ctx: &mut Ctx<'_>) {
        let (_, meaning, _) = self.act(self.slot_now());
        self.note(meaning, Form::Clear, ctx.tally);
        self.keep(ctx.out);
        ctx.out.extend_from_slice(raw);
    }

    /// An object has begun: which systems are named in it? Members come in any order, so they are looked for ahead.
    pub(super) fn systems_of(&mut self, from_here: &[u8]) {
        let Some(tree) = self.trees.last().filter(|_| !self.streams) else { return };
        let Some(frame) = self.frames.last_mut() else { return };
        let place = tree.place(frame.place);
        if place.systems {
            let found = |name: &str| slice::string_member(from_here, name).filter(|system| !system.trim().is_empty());
            frame.systems = tree.systems(frame.place).filter_map(|name| Some((name.into(), found(name)?))).collect();
        }
    }

    /// The system of the identifier here.
    pub(super) fn system_here(&self) -> System<'_> {
        let (Slot::Place(id), Some(tree)) = (self.slot_now(), self.tree()) else { return System::None };
        let Some(name) = tree.place(id).system.as_deref() else { return System::None };
        if self.streams {
            return System::Unknown;
        }
        let systems = self.frames.last().map(|frame| frame.systems.as_slice()).unwrap_or_default();
        let said = systems.iter().find(|(known, _)| **known == *name);
        said.map_or(System::None, |(_, system)| System::Said(system))
    }
}

/// A system that somebody keeps is named by a URI.
fn is_uri(system: &str) -> bool {
    let scheme = system.split_once(':').map_or("", |(scheme, _)| scheme);
    matches!(scheme, "http" | "https" | "urn" | "oid") && system.len() > scheme.len() + 1
}
