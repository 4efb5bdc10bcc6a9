//! A `PUT` of part of a record is joined with the rest of it: over which view, of what, and is the outcome what was put?
//!
//! What is asked for hangs on nothing that is stored and not shown: the tag of the view that was read always. What is joined is
//! shown to the caller once more before it goes on, and has to be what he put.

use bytes::Bytes;
use http::{Method, StatusCode};

use super::asking::Held;
use super::stored::{not_judged, redacted_view, says_cut};
use super::writeback::{Seen, unheld};
use super::{Exchange, Ready};
use crate::catalogue::Route;
use crate::decision::json;
use crate::layer::document::Document;
use crate::layer::judgement::{Judgement, Whose};
use crate::layer::merge::{self, Unmerged};
use crate::layer::refusal::Problem;
use crate::policy::{Action, Categories, Form};
use crate::registry::View;

impl Exchange {
    /// A `PUT` that may be joined is made over the view that was read, or not at all: whatever is stored. Of any record part may
    /// be hidden, members that nobody named and Individual Numbers from everybody: were the tag asked for only where some is,
    /// asking for it would tell.
    pub(super) fn over_its_view(
        &self,
        ready: &Ready,
        route: &Route,
        (wanted, seen): (Option<&str>, Option<&Seen>),
        view: &View,
    ) -> Result<(), Box<Problem>> {
        if self.clear(ready, route, view).is_empty() {
            return Err(redacted_view().into()); // whoever reads nothing in clear has no part to put back
        }
        match seen.map(|seen| seen.tag.as_deref()) {
            // Whether a backend tells versions is nothing of what is stored.
            Some(None) => Err(unheld().into()),
            tag if wanted.is_some() && tag.flatten() == wanted => Ok(()),
            _ => Err(required().into()),
        }
    }

    /// Whether this is a write that is joined with what the caller was not shown.
    pub(super) fn merges(&self, route: &Route) -> bool {
        route.merges() && self.method == Method::PUT
    }

    /// What a body names may be no more than was shown, and put back: what of it is not in clear is not written, so it is not
    /// asked for. Answers whether there is any.
    /// `cut`: it says itself that it is part of a record, or has members that nobody named.
    pub(super) fn leave_out_hidden(&self, judgement: &mut Judgement, route: &Route, view: &View, cut: bool) {
        let all = route.everything();
        let read = judgement.decide_as(Whose::Anybodys, "", view, self.now, (Action::Read, all));
        let clear = read.map_or(Categories::NONE, |permit| permit.release().having(Form::Clear, all));
        if let Some(reference) = &mut judgement.route {
            reference.names_hidden = cut || !clear.covers(reference.asked);
            reference.asked = reference.asked.and(clear);
        }
    }

    /// What is written for a `PUT` of the part that was shown.
    pub(super) fn merge(&self, ready: &Ready, route: &Route, held: &Held, seen: &Seen) -> Result<Bytes, Box<Problem>> {
        let body = std::str::from_utf8(&ready.body).map_err(|_| not_judged())?;
        let read = |text| Document::read(text).ok_or_else(|| Box::new(not_judged()));
        let (mut stored, mut shown, mut put) = (read(&held.text)?, read(&seen.text)?, read(body)?);
        if route.is_fhir() {
            merge::without_labels(&stored, &mut shown, &mut put);
            [&mut stored, &mut shown, &mut put].into_iter().for_each(merge::without_versions);
            // A label that is not of this view: it was cut for another, or by somebody else.
            let left = json::parse(&put.written()).map_err(|_| not_judged())?;
            if says_cut(&left) && !says_cut(&held.record) {
                return Err(redacted_view().into());
            }
        }
        let merged = merge::merged(&stored, &shown, &put).map_err(unmerged)?;
        let text = merged.written();
        let record = json::parse(&text).map_err(|_| not_judged())?;
        let again = self.seen(ready, &Held { text: text.clone(), record, tag: None })?.ok_or_else(redacted_view)?;
        let mut shown = read(&again.text)?;
        if route.is_fhir() {
            merge::without_labels(&merged, &mut shown, &mut Document::Leaf("null"));
            merge::without_versions(&mut shown);
        }
        merge::agrees(&shown, &put, &merged, &stored).map_err(unmerged)?;
        Ok(text.into())
    }
}

fn unmerged(why: Unmerged) -> Box<Problem> {
    let (status, kind, place, what) = match why {
        Unmerged::Hidden(place) => (
            StatusCode::FORBIDDEN,
            "hidden-changed",
            place,
            "a record of which part was shown is put back with what was not shown left out, and what was shown otherwise as it was",
        ),
        Unmerged::Array(place) => (
            StatusCode::CONFLICT,
            "not-mergeable",
            place,
            "not all of this array was shown as it is, and its elements cannot be told apart: change other members by a patch",
        ),
    };
    let mut problem = Problem::new(status, kind, format!("{what}: `{place}`"));
    problem.names.push(("fields", vec![place]));
    problem.into()
}

fn required() -> Problem {
    let detail = "part of a record may not be shown: send `If-Match` with the `ETag` of the view that is put back";
    Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", detail)
}
