//! What left, what did not, and about whom? Counts for the record; no value of the body.

use crate::policy::{Categories, Category, Form};

/// How many distinct places of unclassified members are kept.
pub const UNCLASSIFIED_PLACES_MAX: usize = 16;

/// How many values were met, by what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FormCounts {
    counts: [u64; 5],
}

impl FormCounts {
    /// How many had this form.
    pub const fn of(&self, form: Form) -> u64 {
        match form {
            Form::Withheld => self.counts[0],
            Form::Masked => self.counts[1],
            Form::Generalised => self.counts[2],
            Form::Pseudonymised => self.counts[3],
            Form::Clear => self.counts[4],
        }
    }

    fn absorb(&mut self, other: FormCounts) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
    }

    const fn add(&mut self, form: Form) {
        match form {
            Form::Withheld => self.counts[0] += 1,
            Form::Masked => self.counts[1] += 1,
            Form::Generalised => self.counts[2] += 1,
            Form::Pseudonymised => self.counts[3] += 1,
            Form::Clear => self.counts[4] += 1,
        }
    }
}

/// Which categories occurred in which form: up to five sets. A category may be in several, for a value that could not
/// be made coarser is withheld beside one that could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Occurred {
    sets: [Categories; 5],
}

impl Occurred {
    /// The categories that occurred in this form.
    pub const fn of(&self, form: Form) -> Categories {
        match form {
            Form::Withheld => self.sets[0],
            Form::Masked => self.sets[1],
            Form::Generalised => self.sets[2],
            Form::Pseudonymised => self.sets[3],
            Form::Clear => self.sets[4],
        }
    }

    pub(super) const fn add(&mut self, categories: Categories, form: Form) {
        let set = match form {
            Form::Withheld => &mut self.sets[0],
            Form::Masked => &mut self.sets[1],
            Form::Generalised => &mut self.sets[2],
            Form::Pseudonymised => &mut self.sets[3],
            Form::Clear => &mut self.sets[4],
        };
        *set = set.or(categories);
    }
}

/// An entry that is about to leave: for the record that must be durable before its first byte does.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// Whom it is about, as the body names it; `None` where it names no one.
    pub subject: Option<Box<str>>,
    /// FHIR: its type.
    pub resource_type: Option<Box<str>>,
    /// The categories by form. Of an entry that leaves as it streams: all that may occur, by the plan.
    pub occurred: Occurred,
    /// Whether `occurred` is what did occur; false: what may.
    pub exact: bool,
}

/// A stretch of output that may leave once its disclosures are on disk.
#[derive(Clone)]
pub struct Window {
    /// Where it ends, in bytes from the start of the whole output.
    pub end: u64,
    /// The entries that begin in it; their bytes end in it too, save of one that streams. Empty: only envelope, or
    /// more of an entry that a former window disclosed.
    pub disclosures: Vec<Disclosure>,
}

/// What became of a body.
#[derive(Clone, PartialEq, Eq)]
pub struct Tally {
    categories: Box<[FormCounts]>,
    /// Free text and contents that count as every category.
    pub everything: FormCounts,
    /// Members that no rule names; removed.
    pub unclassified: u64,
    /// Where they were: JSON Pointers with `*` for elements and for names that look like data; at most
    /// [`UNCLASSIFIED_PLACES_MAX`].
    pub unclassified_places: Vec<Box<str>>,
    /// Totals, links and members that are never released, removed.
    pub withheld_other: u64,
    /// Entries released.
    pub released: u64,
    /// Entries dropped, for whatever reason.
    pub dropped: u64,
    /// Of those, without a subject that could be read, or with two.
    pub dropped_subject: u64,
    /// Of those, of a resource type that the surface does not know, or of none.
    pub dropped_type: u64,
    /// Of those, too large to be held until judged.
    pub dropped_large: u64,
    /// Of those, refused by the judge.
    pub dropped_refused: u64,
    /// Of those, with a modifier extension at the root that cannot leave.
    pub dropped_modified: u64,
    /// Elements that went with a modifier extension that cannot leave.
    pub modified: u64,
    pub(super) occurred: Occurred,
    /// Marks of the places of unclassified members seen so far, so that most are not put into words again.
    places_seen: Vec<u64>,
}

/// How many marks are kept.
const PLACES_SEEN_MAX: usize = 64;

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> Tally {
        Tally {
            categories: vec![FormCounts::default(); Categories::MAX].into(),
            everything: FormCounts::default(),
            unclassified: 0,
            unclassified_places: Vec::new(),
            withheld_other: 0,
            released: 0,
            dropped: 0,
            dropped_subject: 0,
            dropped_type: 0,
            dropped_large: 0,
            dropped_refused: 0,
            dropped_modified: 0,
            modified: 0,
            occurred: Occurred::default(),
            places_seen: Vec::new(),
        }
    }

    /// Adds what became of another body of the same answer.
    pub fn absorb(&mut self, other: &Tally) {
        for (mine, theirs) in self.categories.iter_mut().zip(&other.categories) {
            mine.absorb(*theirs);
        }
        self.everything.absorb(other.everything);
        for place in &other.unclassified_places {
            if self.unclassified_places.len() < UNCLASSIFIED_PLACES_MAX && !self.unclassified_places.contains(place) {
                self.unclassified_places.push(place.clone());
            }
        }
        self.unclassified += other.unclassified;
        self.withheld_other += other.withheld_other;
        self.released += other.released;
        self.dropped += other.dropped;
        self.dropped_subject += other.dropped_subject;
        self.dropped_type += other.dropped_type;
        self.dropped_large += other.dropped_large;
        self.dropped_refused += other.dropped_refused;
        self.dropped_modified += other.dropped_modified;
        self.modified += other.modified;
    }

    /// How many values of this category were met, by form.
    pub fn category(&self, category: Category) -> FormCounts {
        self.categories.get(category.index()).copied().unwrap_or_default()
    }

    pub(super) fn count_category(&mut self, category: Category, form: Form) {
        if let Some(counts) = self.categories.get_mut(category.index()) {
            counts.add(form);
        }
        self.occurred.add(category.only(), form);
    }

    pub(super) fn count_everything(&mut self, all: Categories, form: Form) {
        self.everything.add(form);
        self.occurred.add(all, form);
    }

    /// `mark`: equal for equal places.
    pub(super) fn count_unclassified(&mut self, mark: u64, place: impl FnOnce() -> Box<str>) {
        self.unclassified += 1;
        if self.unclassified_places.len() < UNCLASSIFIED_PLACES_MAX && !self.places_seen.contains(&mark) {
            if self.places_seen.len() < PLACES_SEEN_MAX {
                self.places_seen.push(mark);
            }
            let place = place();
            if !self.unclassified_places.contains(&place) {
                self.unclassified_places.push(place);
            }
        }
    }

    /// What occurred since this was last asked.
    pub(super) fn take_occurred(&mut self) -> Occurred {
        std::mem::take(&mut self.occurred)
    }
}
