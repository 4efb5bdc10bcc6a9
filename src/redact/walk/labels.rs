//! What was done to the resource under way, for its labels.
//!
//! `meta` stands near the beginning of most resources, and what is masked or pseudonymised comes after it: where in the output
//! its last label ends is kept, and the further ones are put there when the resource closes. Of a resource that leaves as
//! it streams they are put there at once, by the plan.

use super::super::fhir::{Labels, Role};
use super::super::plan::Act;
use super::Walker;
use crate::policy::Form;

/// What is known for the labels of one resource.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    /// What was done to it.
    done: Labels,
    /// What it bears already.
    borne: Labels,
    /// Where in the output further labels go.
    at: Option<usize>,
}

impl Walker {
    /// A value was written in this form.
    pub(super) const fn did(&mut self, form: Form) {
        match form {
            Form::Masked => self.labels.done.masked = true,
            Form::Pseudonymised => self.labels.done.pseuded = true,
            Form::Withheld | Form::Generalised | Form::Clear => {}
        }
    }

    /// An array of labels has begun: which does it bear, that leave with it?
    pub(super) fn bears(&mut self, from_here: &[u8]) {
        let (Some(tree), Some(frame), false) = (self.tree(), self.frames.last(), self.streams) else { return };
        if !matches!(frame.role, Role::Security | Role::Tag) {
            return;
        }
        let coding = tree.place(tree.place(frame.place).element());
        let stays = |name: &[u8]| tree.place(coding.member(name)).act == Act::Clear;
        if stays(b"system") && stays(b"code") {
            self.labels.borne = self.labels.borne.or(Labels::read(from_here).in_role(frame.role));
        }
    }

    /// Adds the labels that are missing at the end of the innermost container.
    pub(super) fn add_labels(&mut self, src: &[u8], out: &mut Vec<u8>) {
        let Some(frame) = self.frames.last() else { return };
        let (role, seen) = (frame.role, frame.labelled);
        if role == Role::None {
            return;
        }
        let mut at = None;
        let mut borne = self.labels.borne;
        if role == Role::Security && !self.top_opened() {
            borne = Labels::default(); // nothing of it leaves
            self.labels.borne = Labels::default();
        }
        for (label, from_end) in role.missing(seen, borne) {
            self.inject(src, label, out);
            at = from_end.map(|from_end| out.len().saturating_sub(from_end)).or(at);
        }
        if role == Role::Security && at.is_none() {
            self.flush(src, out);
            at = Some(out.len());
        }
        self.labels.at = at.or(self.labels.at);
        if self.streams && at.is_some() {
            let (all, release) = (self.tree().map(|tree| tree.all), &self.plan.terms.release);
            let may = |form| all.is_some_and(|all| !release.having(form, all).is_empty());
            self.labels.done.masked = may(Form::Masked);
            self.labels.done.pseuded = may(Form::Pseudonymised);
            self.tell_what_was_done(out);
        } else if role == Role::Resource {
            self.tell_what_was_done(out);
        }
    }

    fn tell_what_was_done(&mut self, out: &mut Vec<u8>) {
        let Marks { done, borne, at } = std::mem::take(&mut self.labels);
        let labels = done.done_besides(borne);
        if let Some(at) = at.filter(|at| *at <= out.len() && !labels.is_empty()) {
            out.splice(at..at, labels);
        }
    }
}
