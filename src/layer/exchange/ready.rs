//! What was settled before the backend is asked; and what speaks against a request whoever makes it.

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;

use super::Ready;
use crate::catalogue::{Resolved, Route};
use crate::layer::entry::Settled;
use crate::layer::media;
use crate::layer::paging::{self, Cursor, Own};
use crate::layer::refusal::Problem;
use crate::layer::spelling::refuse_unshown;
use crate::policy::{Action, Categories};

impl Ready {
    /// Whether entries may be dropped of which the caller is not to know that they are there: each is judged for its own person,
    /// or goes for what is stopped in it.
    pub(super) fn hides(&self) -> bool {
        let spelled = self.judgement.route.as_ref().map_or(Categories::NONE, |reference| reference.spelled);
        matches!(self.settled, Settled::Each) || !spelled.is_empty()
    }

    /// The same, of a list that is filled from several pages; `cursor`: where it is taken up.
    pub(super) fn paged(mut self, route: &Route, own: Own, cursor: Option<Cursor>) -> Ready {
        let reads = self.judgement.route.as_ref().is_some_and(|reference| reference.action.releases());
        if !reads || !paging::fills(route) {
            return self;
        }
        self.own = Some(own);
        if route.is_fhir() && self.hides() {
            let form = std::str::from_utf8(&self.body).ok().filter(|form| !form.is_empty());
            let (target, form) = paging::widened(&self.target, form);
            self.target = target;
            self.body = form.map_or_else(|| self.body.clone(), Bytes::from);
        }
        if paging::counts(route) {
            let counted = paging::Counted::new(&self.target);
            self.target = counted.first();
            self.own = self.own.map(|own| Own { counted: Some(counted), ..own });
        }
        if let Some(cursor) = &cursor {
            let target = std::mem::replace(&mut self.target, cursor.upstream.clone());
            self.first = Some((target, self.body.clone()));
            if !is_form(&self.target) {
                self.body = Bytes::new();
            }
        }
        self.cursor = cursor;
        self
    }
}

/// Whether the backend is asked by a form (`POST /Type/_search`).
pub(super) fn is_form(target: &str) -> bool {
    target.split('?').next().is_some_and(|path| path.ends_with("/_search"))
}

pub(super) fn own(head: &Parts, form: Option<String>) -> Own {
    let query = head.uri.query().unwrap_or("").to_owned();
    Own { path: head.uri.path().to_owned(), query, form, counted: None }
}

/// Whoever takes no answer of this type is told so before anybody is asked.
pub(super) fn unaccepted(head: &Parts, own: &str) -> Option<Problem> {
    let detail = format!("`Accept` takes nothing that is answered here: this is `{own}`");
    let problem = Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail);
    (!media::accepts(&head.headers, own)).then_some(problem)
}

/// What speaks against the request whoever makes it, for whatever purpose.
pub(super) fn unfit(head: &Parts, resolved: &Resolved<'_>) -> Option<Problem> {
    let route = resolved.route;
    if route.dicom().is_some_and(|dicom| dicom.refused) {
        let detail = "nobody has said whether names stand in these pixels (`burnt-in-text` of the catalogue)";
        return Some(Problem::new(StatusCode::FORBIDDEN, "burnt-in-text", detail));
    }
    if let Some(problem) = refuse_unshown(resolved) {
        return Some(problem);
    }
    let own = media::answered(route).filter(|_| resolved.action != Action::Delete)?;
    if let Some(problem) = unaccepted(head, own) {
        return Some(problem);
    }
    let none = paging::counts(route) && paging::is_of_none(head.uri.query().unwrap_or(""));
    none.then(|| {
        Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "`limit` and `offset` are numbers, `limit` not 0")
    })
}
