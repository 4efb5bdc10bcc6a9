//! What a place says, in one word: enough for most values of an entry that was read ahead.
//!
//! Made of a [`Place`] once it is joined. It holds for a named member, or an element, that is of no part in labels, in an entry
//! without modifier extensions; what it does not answer is answered by the place itself.

use super::{Act, Place};
use crate::catalogue::fields::Meaning;
use crate::policy::{Categories, Category, Form};
use crate::redact::scan::Kind;
use crate::redact::tally::Tally;

/// What happens to a value that is no container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) enum Leaf {
    /// Ask the place.
    Ask,
    Clear,
    /// In clear, if a quick look says that it is no Individual Number; else ask the place.
    ClearUnlessNumber,
    /// A reference: in clear, if a quick look says that it is no absolute URL; else ask the place.
    ClearUnlessUrl,
    Drop,
}

/// What happens to an object or array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) enum Room {
    /// Ask the place.
    Ask,
    Walk,
    Copy,
    /// Copied if nothing but scalars is in it, else walked.
    CopyScalars,
    /// An array: copied if nothing but scalars is in it and a quick look says that none is an Individual Number. Else ask.
    CopyScalarsUnlessNumber,
    Drop,
}

/// What a value counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Nothing,
    /// As one of those that are never released, when it is withheld.
    Other,
    Category(Category),
    Everything,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(in crate::redact) struct Quick {
    pub(in crate::redact) text: Leaf,
    pub(in crate::redact) scalar: Leaf,
    object: Room,
    array: Room,
    counts: Counts,
}

impl Quick {
    /// Of what nothing is known.
    pub(super) const ASK: Quick =
        Quick { text: Leaf::Ask, scalar: Leaf::Ask, object: Room::Ask, array: Room::Ask, counts: Counts::Nothing };

    /// `links`: references in clear are looked at.
    pub(super) fn of(place: &Place, links: bool) -> Quick {
        let counts = match place.meaning {
            Some(Meaning::Category(category)) => Counts::Category(category),
            Some(Meaning::Everything) => Counts::Everything,
            Some(Meaning::Count | Meaning::Link | Meaning::Never) => Counts::Other,
            Some(Meaning::Open) => Counts::Nothing,
            // What is withheld because nothing says what it is has its place told.
            None => return Quick { object: room(place, Kind::Object), array: room(place, Kind::Array), ..Quick::ASK },
        };
        let scalar = match place.act {
            Act::Clear => Leaf::Clear,
            Act::Withhold if !place.required => Leaf::Drop,
            _ => Leaf::Ask,
        };
        let text = match scalar {
            Leaf::Clear if place.watched && place.reference => Leaf::Ask,
            Leaf::Clear if place.watched => Leaf::ClearUnlessNumber,
            Leaf::Clear if place.reference && links => Leaf::ClearUnlessUrl,
            same => same,
        };
        Quick { text, scalar, object: room(place, Kind::Object), array: room(place, Kind::Array), counts }
    }

    /// What happens to a container of this kind.
    #[inline]
    pub(in crate::redact) const fn room(self, kind: Kind) -> Room {
        match kind {
            Kind::Object => self.object,
            Kind::Array => self.array,
        }
    }

    /// Counts a value that leaves in clear, or not at all. `all`: what free text counts as here.
    #[inline]
    pub(in crate::redact) fn count(self, form: Form, all: Categories, tally: &mut Tally) {
        match self.counts {
            Counts::Nothing => {}
            Counts::Other => tally.withheld_other += u64::from(form == Form::Withheld),
            Counts::Category(category) => tally.count_category(category, form),
            Counts::Everything => tally.count_everything(all, form),
        }
    }
}

/// What happens to a container of this kind here.
fn room(place: &Place, kind: Kind) -> Room {
    let told = place.by.is_some() || place.resource;
    if !place.takes.holds(kind) || (told && kind == Kind::Object) || place.systems {
        return Room::Ask;
    }
    match place.act {
        Act::Clear if place.whole && place.deep => Room::Copy,
        Act::Clear if place.whole => Room::CopyScalars,
        Act::Clear if place.whole_unless_number && !place.deep && kind == Kind::Array => Room::CopyScalarsUnlessNumber,
        Act::Withhold if place.whole && !place.required && place.meaning.is_some() => Room::Drop,
        _ if place.whole || place.whole_unless_number => Room::Ask,
        _ => Room::Walk,
    }
}
