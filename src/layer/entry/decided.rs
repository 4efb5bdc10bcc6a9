//! What was decided of the entry before, and would it be the same of this one?
//!
//! Facts and clock are read again at each entry. Where they are what they were, and so is the person, a decision hangs on nothing
//! else than on the very record, which few do.

use std::sync::Arc;

use crate::decision::Permit;
use crate::layer::judgement::Whose;
use crate::policy::{Categories, Moment};
use crate::registry::View;

/// What is known from the entries before.
pub(in crate::layer) struct Again<'a> {
    /// What is on file was looked at for another entry, and nothing was awaited since.
    pub(super) looked: bool,
    /// What was decided last.
    pub(super) decided: &'a mut Option<Decided>,
}

/// What was permitted, and on what that hung besides what is the same for all entries of an answer.
#[derive(Clone)]
pub(in crate::layer) struct Decided {
    view: Arc<View>,
    now: Moment,
    /// About nobody: none.
    subject: Option<Box<str>>,
    told: Categories,
    pub(super) permit: Permit,
}

impl Decided {
    /// `None`: it hung on the very record, as no other entry is.
    pub(super) fn of(
        view: Arc<View>,
        now: Moment,
        whose: Whose<'_>,
        told: Categories,
        permit: Permit,
    ) -> Option<Decided> {
        let subject = named(whose)?;
        let of_record = view.person(subject.unwrap_or("")).relations.iter().any(|relation| relation.records.is_some());
        (!of_record).then(|| Decided { view, now, subject: subject.map(Into::into), told, permit })
    }

    pub(super) fn holds(&self, view: &Arc<View>, now: Moment, whose: Whose<'_>, told: Categories) -> bool {
        let same = Arc::ptr_eq(&self.view, view) && self.now == now && self.told == told;
        same && named(whose) == Some(self.subject.as_deref())
    }
}

/// Whom a decision names; `None`: it is about anybody.
fn named(whose: Whose<'_>) -> Option<Option<&str>> {
    match whose {
        Whose::Of(subject) => Some(Some(subject)),
        Whose::NoOnes => Some(None),
        Whose::Anybodys => None,
    }
}
