//! Where forms meet the walk: numbers made coarser, Individual Numbers stopped, identifiers with their systems.

use super::super::forms::{self, Ground, System};
use super::super::probe::{self, Subject};
use super::super::slice::Here;
use super::super::text;
use super::{Ctx, Slot, Walker, Whole};
use crate::catalogue::fields::Meaning;
use crate::policy::{Categories, Form};

/// The systems of one object's identifiers: the name of the member that says it, and what it says.
pub(super) type Systems = Vec<(Box<str>, String)>;

impl Walker {
    /// The entry is about this person, for dates that move, and names this one; asked after every [`Walker::restart`].
    pub(in crate::redact) fn about(&mut self, subject: Option<Box<str>>, named: Option<&str>) {
        match (subject.as_deref().or(named), &mut self.person) {
            (Some(person), Some(room)) => {
                room.clear();
                room.push_str(person);
            }
            (person, room) => *room = person.map(str::to_owned),
        }
        self.subject = subject;
        self.streams = false;
    }

    /// Whether this resource of this type may leave inside another: one about a person only if he is
    /// the entry's, for it was judged for nobody else; and if it may be told that there is one of its type.
    pub(super) fn may_be_contained(&mut self, resource_type: &str, here: Here<'_>) -> bool {
        let in_a_stranger = self.tree().is_some_and(|tree| tree.stranger);
        let all = self.tree().map_or(Categories::NONE, |tree| tree.all);
        let Walker { plan, finder, person, .. } = self;
        let Some(known) = plan.types.get(resource_type) else { return false };
        if in_a_stranger || !plan.told.covers(known.node.told) {
            return false;
        }
        // A drug or an employer says of him what the record's own texts do.
        if known.node.about_no_one && person.is_some() && plan.terms.release.having(Form::Clear, all) != all {
            return false;
        }
        match probe::named(&known.subjects, here, finder) {
            None => true,
            Some(Subject::NotFound) => person.is_some() && !known.node.of_a_person,
            Some(Subject::One(id)) => person.as_deref() == Some(&*id),
            Some(Subject::NoOnes | Subject::Unclear) => false,
        }
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
    pub(super) fn number_generalised(&mut self, src: &[u8], raw: &[u8], ctx: &mut Ctx<'_>) {
        let slot = self.slot_now();
        let how = match (slot, self.tree()) {
            // A DICOM number has no coarser form.
            (Slot::Place(id), Some(tree)) if tree.place(id).vr.is_none() => tree.place(id).generaliser,
            _ => None,
        };
        let made = how.zip(std::str::from_utf8(raw).ok());
        let made = made.and_then(|(how, raw)| forms::generalise_number(how, raw, self.ground()));
        let (_, meaning, required) = self.act(slot);
        match made {
            Some(made) => {
                self.note(meaning, Form::Generalised, ctx.tally);
                self.replace(src, self.treat_at, made.as_bytes(), ctx.out);
            }
            None => {
                self.note(meaning, Form::Withheld, ctx.tally);
                self.withhold(src, self.treat_at, required, None, ctx.out);
            }
        }
    }

    /// Whether the container here is copied as it is: no string in it may be an Individual Number.
    pub(super) fn copies(&mut self, here: Here<'_>) -> bool {
        !self.streams && here.no_string(&mut self.finder, forms::may_hold_number)
    }

    /// Whether the string here is looked at for an Individual Number before it leaves in clear. An identifier whose record
    /// says in which system it is one is not: its system knows what it is.
    pub(super) fn is_watched(&self) -> bool {
        let (Slot::Place(id), Some(tree)) = (self.slot_now(), self.tree()) else { return false };
        let place = tree.place(id);
        let of_a_system = || matches!(self.system_here(), System::Said(system) if text::is_uri(system));
        place.watched && !(place.system.is_some() && of_a_system())
    }

    /// A string on its way out in clear ends before `at`.
    pub(super) fn watch_ends(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) {
        let piece = src.get(self.treat_at..at).unwrap_or_default();
        if self.treated.is_empty() {
            match self.is_stopped(piece) {
                true => self.number_stops(src, at, ctx),
                false => self.watched_passes(src, at, ctx),
            }
            return;
        }
        self.treated.extend_from_slice(piece);
        match self.is_stopped(&self.treated) {
            true => self.number_stops(src, at, ctx),
            false => {
                self.treated.truncate(self.treated.len() - piece.len());
                self.watched_passes(src, at, ctx);
            }
        }
    }

    /// The slice ends before `at` in a string on its way out in clear: what can be no number any more leaves as it comes, and
    /// what may still become one when no more of it can be kept is taken for one.
    pub(super) fn watch_pauses(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) {
        let piece = src.get(self.treat_at..at).unwrap_or_default();
        let length = self.treated.len();
        self.treated.extend_from_slice(piece);
        let kept = self.treated.get(..self.limits.treated_bytes_max);
        if self.treated.len() <= forms::WATCHED_BYTES_MAX || forms::may_become_number(kept.unwrap_or(&self.treated)) {
            let stops = self.treated.len() > self.limits.treated_bytes_max;
            self.value_waits(src, ctx.out);
            self.treat_at = 0;
            if stops {
                self.number_stops(src, at, ctx);
                self.whole = Whole::Skip;
            }
            return;
        }
        self.treated.truncate(length);
        self.watched_passes(src, at, ctx);
        self.flush(src, ctx.out);
        self.whole = Whole::Copy;
    }

    /// Whether a string's token is an Individual Number; or so long, and all that is kept of one is blank, that it may be.
    fn is_stopped(&self, token: &[u8]) -> bool {
        match token.get(..self.limits.treated_bytes_max) {
            Some(kept) if token.len() > kept.len() => forms::may_hold_number(token) && forms::may_become_number(kept),
            Some(_) | None => forms::is_individual_number(token),
        }
    }

    fn number_stops(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) {
        self.number_goes(src, ctx);
        self.resume(at);
    }

    /// The string here is an Individual Number.
    pub(super) fn number_goes(&mut self, src: &[u8], ctx: &mut Ctx<'_>) {
        let (_, meaning, required) = self.act(self.slot_now());
        let number = self.plan.terms.individual_number.map(Meaning::Category);
        match meaning {
            Some(Meaning::Category(category)) => self.stopped = self.stopped.or(category.only()),
            Some(Meaning::Everything) => self.stopped_in_text = true,
            _ => (self.stopped, self.stopped_in_text) = (Categories::ALL, true),
        }
        self.note(number, Form::Withheld, ctx.tally);
        self.withhold(src, self.treat_at, required, None, ctx.out);
    }

    /// The string leaves, up to `at`: what former slices had of it, and what this one has.
    fn watched_passes(&mut self, src: &[u8], at: usize, ctx: &mut Ctx<'_>) {
        let (_, meaning, _) = self.act(self.slot_now());
        self.note(meaning, Form::Clear, ctx.tally);
        let treated = std::mem::take(&mut self.treated);
        if treated.is_empty() {
            self.keep(self.treat_at, ctx.out);
        } else {
            self.replace(src, self.treat_at, &treated, ctx.out);
        }
        self.treated = treated;
        self.treated.clear();
        self.kept = at;
    }

    /// An object has begun: which systems are named in it? Members come in any order, so they are looked for ahead.
    pub(super) fn systems_of(&mut self, here: Here<'_>) {
        let Walker { trees, frames, finder, streams: false, .. } = self else { return };
        let (Some(tree), Some(frame)) = (trees.last(), frames.last_mut()) else { return };
        if tree.place(frame.place).systems {
            let mut found = |name: &str| here.string_member(name, finder).filter(|system| !system.trim().is_empty());
            let systems = tree.systems(frame.place);
            frame.extra().systems = systems.filter_map(|name| Some((name.into(), found(name)?.into_owned()))).collect();
        }
    }

    /// The system of the identifier here.
    pub(super) fn system_here(&self) -> System<'_> {
        let (Slot::Place(id), Some(tree)) = (self.slot_now(), self.tree()) else { return System::None };
        let Some(name) = tree.place(id).system.as_deref() else { return System::None };
        if self.streams {
            return System::Unknown;
        }
        let extra = self.frames.last().and_then(|frame| frame.extra.as_deref());
        let systems = extra.map(|extra| extra.systems.as_slice()).unwrap_or_default();
        let said = systems.iter().find(|(known, _)| **known == *name);
        said.map_or(System::None, |(_, system)| System::Said(system))
    }
}
