//! May this entry leave? The judge is asked; then what is stopped in it, and what modifies it, may still speak against that.

use super::super::fault::Fault;
use super::super::fhir;
use super::super::forms;
use super::super::probe::{self, Probe, Subject};
use super::super::redactor::{Entry, Judge, Verdict};
use super::super::scan::Known;
use super::super::slice::Here;
use super::super::spec::Shape;
use super::super::tally::{Disclosure, Tally};
use super::super::walk::Ctx;
use super::{Core, Go, walk};

impl<J: Judge> Core<J> {
    /// Asks the judge about an entry, or the beginning of one; counts it if it is dropped.
    pub(super) fn ask(&mut self, entry: Here<'_>, whole: bool) -> Result<Option<Go>, Fault> {
        let Probe { subject, names_someone, resource_type, id, type_unknown } =
            probe::probe(&self.spec, entry, whole, &mut self.finder);
        let verdict = if type_unknown && self.spec.fhir() {
            if !whole && resource_type.is_none() {
                return self.unjudged();
            }
            self.tally.dropped_type += 1;
            None
        } else {
            let subject = match subject {
                Subject::One(subject) => Some(Some(subject)),
                Subject::NotFound if self.spec.settled || !names_someone => Some(None),
                Subject::NoOnes if whole => Some(None), // who else may stand further on, its beginning does not tell
                Subject::NotFound | Subject::NoOnes | Subject::Unclear if !whole => return self.unjudged(),
                Subject::NotFound | Subject::NoOnes | Subject::Unclear => None,
            };
            self.tally.dropped_subject += u64::from(subject.is_none());
            subject
        };
        let subject = match verdict {
            Some(subject) => subject,
            None => {
                self.tally.dropped += 1;
                return Ok(None);
            }
        };
        let entry =
            Entry { subject: subject.as_deref(), resource_type: resource_type.as_deref(), id: id.as_deref(), whole };
        let verdict = match self.judge.judge(&entry) {
            Verdict::Release(plan) => Some((plan, None, false)),
            Verdict::ReleaseOf(plan, person) => Some((plan, Some(person), false)),
            Verdict::Sought(plan) => Some((plan, None, true)),
            Verdict::Unclear => return self.unjudged(),
            Verdict::Drop => None,
        };
        Ok(match verdict {
            Some((plan, about, sought)) => Some(Go {
                about,
                sought,
                disclosure: Disclosure {
                    subject: subject.map(|subject| (*subject).into()),
                    resource_type: resource_type.map(|name| (*name).into()),
                    occurred: plan.may_occur(),
                    exact: false,
                },
                plan,
            }),
            None => {
                self.tally.dropped += 1;
                self.tally.dropped_refused += 1;
                None
            }
        })
    }

    /// An entry is too large to be judged: it is dropped where the answer may go on without it.
    pub(super) fn unjudged(&mut self) -> Result<Option<Go>, Fault> {
        self.tally.dropped += 1;
        self.tally.dropped_large += 1;
        if self.judge.goes_on_without() { Ok(None) } else { Err(Fault::EntryTooLarge) }
    }

    /// Whether the entry that may go does: neither what is stopped in it nor what modifies it speaks against that, and it is this
    /// page's.
    pub(super) fn may_leave(&mut self, go: &Go, entry: Here<'_>, known: Option<Known<'_>>) -> bool {
        if self.could_be_spelt(go, entry, known) {
            self.judge.taken_back(go.disclosure.resource_type.as_deref());
        } else if self.changes_its_meaning(go, entry) {
            return false;
        } else if !go.sought {
            return true;
        }
        self.tally.dropped += 1;
        self.tally.dropped_refused += 1;
        false
    }

    /// Whether an Individual Number is stopped in it that the question could spell: it is walked for that once before.
    fn could_be_spelt(&mut self, go: &Go, entry: Here<'_>, known: Option<Known<'_>>) -> bool {
        let spelled = self.judge.spelled();
        if spelled.is_empty() || entry.no_string(&mut self.finder, forms::may_hold_number) {
            return false;
        }
        self.ready(go);
        let (mut out, mut tally) = (Vec::new(), Tally::new());
        let ctx = Ctx { out: &mut out, tally: &mut tally, read: None };
        // What cannot be walked here cannot be where it is to leave either, and ends the body there.
        let walked = walk(&mut self.entry, &mut self.trusted, entry.bytes(), known, ctx);
        let in_text = self.entry.stopped_in_text() && self.judge.spells_free_text();
        walked.is_ok() && (in_text || !self.entry.stopped().and(spelled).is_empty())
    }

    /// Whether the entry, or the resource in it, has a modifier extension at its root that cannot leave: then nothing of it does.
    fn changes_its_meaning(&mut self, go: &Go, entry: Here<'_>) -> bool {
        let may_modify = self.spec.fhir() && fhir::may_modify(entry.bytes());
        self.ready(go);
        self.entry.looks_for_modifiers(may_modify);
        if !may_modify {
            return false;
        }
        let mut resource = Some(entry);
        let mut lost = false;
        if matches!(self.spec.shape, Shape::FhirBundle) {
            let place = go.plan.at(self.spec.entries.steps());
            lost = self.entry.loses_modifier_of(&go.plan.root, place, entry);
            resource = entry.member("resource", &mut self.finder);
        }
        let tree = go.disclosure.resource_type.as_deref().and_then(|name| go.plan.resource(name)).cloned();
        if let (Some(tree), Some(resource)) = (tree, resource) {
            lost |= self.entry.loses_modifier_of(&tree, Some(tree.root), resource);
        }
        if lost {
            self.tally.dropped += 1;
            self.tally.dropped_modified += 1;
            self.judge.taken_back(go.disclosure.resource_type.as_deref());
        }
        lost
    }
}
